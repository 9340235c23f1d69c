// Package tasktoken answers the runs of a state machine that wait for a task token.
package tasktoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Step Functions' limits of a failure.
const (
	maxError = 256
	maxCause = 32768
)

// API is what Tokens needs of a Step Functions client.
type API interface {
	SendTaskSuccess(
		context.Context, *sfn.SendTaskSuccessInput, ...func(*sfn.Options),
	) (*sfn.SendTaskSuccessOutput, error)
	SendTaskFailure(
		context.Context, *sfn.SendTaskFailureInput, ...func(*sfn.Options),
	) (*sfn.SendTaskFailureOutput, error)
}

// Tokens answers task tokens. An answer that nobody waits for any more, because the task timed out,
// the run ended or an earlier answer came through, is logged and is no error. A token itself is
// never logged: it is the right to answer.
type Tokens struct{ api API }

// New makes Tokens of a Step Functions client.
func New(api API) Tokens { return Tokens{api: api} }

// Succeed ends the task with an output, which is sent as JSON.
func (t Tokens) Succeed(ctx context.Context, token string, output any) error {
	text, err := json.Marshal(output)
	if err != nil {
		return fmt.Errorf("tasktoken: encode output: %w", err)
	}
	body := string(text)
	_, err = t.api.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: &body})
	return answered(ctx, "success", err)
}

// Fail ends the task with an error: code is its name, which a Catch sees, and detail its cause.
// Either is cut where it is over Step Functions' limit.
func (t Tokens) Fail(ctx context.Context, token, code, detail string) error {
	code, detail = cut(code, maxError), cut(detail, maxCause)
	_, err := t.api.SendTaskFailure(ctx, &sfn.SendTaskFailureInput{TaskToken: &token, Error: &code, Cause: &detail})
	return answered(ctx, code, err)
}

func answered(ctx context.Context, answer string, err error) error {
	if err == nil {
		return nil
	}
	var (
		timedOut *types.TaskTimedOut
		gone     *types.TaskDoesNotExist
		invalid  *types.InvalidToken
	)
	if errors.As(err, &timedOut) || errors.As(err, &gone) || errors.As(err, &invalid) {
		slog.WarnContext(ctx, "nobody waits for the answer", "answer", answer, "error", err.Error())
		return nil
	}
	return fmt.Errorf("tasktoken: answer %s: %w", answer, err)
}

// cut takes what is over limit bytes off, with the whole of a character that it would fall into.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}
