// relay is a function that hands each invocation to the test that deployed it, and fails in the way
// that the test asks for. It lets the real state machine run on the real engine while the test
// holds the steps, real ones too, in its hand.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
)

// reply is what the test wants done. It is written down again in the test, which can't import a
// program.
type reply struct {
	Action  string          `json:"action"` // "answer", "error", "exit" or "hang"
	Payload json.RawMessage `json:"payload,omitempty"`
	Type    string          `json:"type,omitempty"`
	Message string          `json:"message,omitempty"`
}

func relay(ctx context.Context, event json.RawMessage) (any, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("RELAY_URL"), bytes.NewReader(event))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	var r reply
	err = json.NewDecoder(res.Body).Decode(&r)
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	fmt.Println(r.Action)
	switch r.Action {
	case "exit":
		os.Exit(1)
	case "hang":
		select {}
	case "error":
		return nil, messages.InvokeResponse_Error{Type: r.Type, Message: r.Message}
	}
	return r.Payload, nil
}

func main() { lambda.Start(relay) }
