package awsclient

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// wire answers the first request with a fault, and closes each body before it looks for more of it,
// as net/http may where the answer is fast.
type wire struct {
	t      *testing.T
	bodies []string
	length int64
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, r.ContentLength))
	if err != nil {
		w.t.Error(err)
	}
	w.bodies, w.length = append(w.bodies, string(body)), r.ContentLength
	if err := r.Body.Close(); err != nil {
		w.t.Error(err)
	}
	if more, err := io.Copy(io.Discard, r.Body); more != 0 || err != nil {
		w.t.Errorf("behind the body of try %d there is more: %d, %v", len(w.bodies), more, err)
	}
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r}
	if len(w.bodies) == 1 {
		answer.StatusCode = http.StatusInternalServerError
	}
	answer.Body = io.NopCloser(bytes.NewReader([]byte("{}")))
	return answer, nil
}

// A body that was closed has no more to send, and each try sends all of it.
func TestPlainBodies(t *testing.T) {
	w := &wire{t: t}
	config := aws.Config{
		Region: "eu-west-1", HTTPClient: w, Credentials: aws.AnonymousCredentials{},
		APIOptions: []func(*middleware.Stack) error{PlainBodies},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	}
	_, err := dynamodb.NewFromConfig(config).PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: aws.String("things"), Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.bodies) != 2 || w.bodies[0] != w.bodies[1] || int64(len(w.bodies[0])) != w.length ||
		!strings.Contains(w.bodies[0], `"TableName":"things"`) {
		t.Errorf("sent %q, the length was %d", w.bodies, w.length)
	}
}
