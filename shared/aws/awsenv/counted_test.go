package awsenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"orderflow/shared/kit/awsclient"
)

type always string

func (a always) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: io.NopCloser(bytes.NewBufferString(string(a))),
	}, nil
}

// Each invocation says what it asked for, whether it ends well or not, and nothing of the one
// before.
func TestCounted(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	meter := &awsclient.Meter{Name: variableOf([]string{"A=b", "DEAD_LETTERS_TABLE=shop-DeadLetters-1X"})}
	db := dynamodb.NewFromConfig(aws.Config{
		Region: "eu-west-1", Credentials: aws.AnonymousCredentials{},
		HTTPClient: always(`{"ConsumedCapacity":{"CapacityUnits":0.5}}`),
		APIOptions: []func(*middleware.Stack) error{awsclient.PlainBodies, meter.Count},
	})
	fails := errors.New("the handler fails")
	handler := counted{meter: meter, Handler: lambda.NewHandler(func(ctx context.Context, reads int) (int, error) {
		for range reads {
			if _, err := db.GetItem(ctx, &dynamodb.GetItemInput{
				TableName: aws.String("shop-DeadLetters-1X"),
				Key:       map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}},
			}); err != nil {
				return 0, err
			}
		}
		if reads == 0 {
			return 0, fails
		}
		return reads, nil
	})}
	for _, reads := range []int{2, 0, 1} {
		log.Reset()
		payload, err := json.Marshal(reads)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := handler.Invoke(t.Context(), payload)
		if want := reads == 0; errors.Is(err, fails) != want || !want && !bytes.Equal(answer, payload) {
			t.Errorf("%d reads: %s, %v", reads, answer, err)
		}
		var line struct {
			Msg       string
			Requests  []awsclient.Requests
			Ms, CPUMs *float64
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		var want []awsclient.Requests
		if reads > 0 {
			want = []awsclient.Requests{{
				Service: "DynamoDB", Operation: "GetItem", On: "dead-letters", Count: int64(reads), Read: float64(reads) / 2,
			}}
		}
		if line.Msg != awsclient.CountedMessage || line.Ms == nil || line.CPUMs == nil ||
			!slices.Equal(line.Requests, want) {
			t.Errorf("after %d reads: %s", reads, log.String())
		}
	}
}

// Records of a stream are no messages: nobody pays for a queue's requests.
func TestMessages(t *testing.T) {
	for payload, want := range map[string]int{
		`{"Records":[{"eventSource":"aws:sqs"},{"eventSource":"aws:sqs"}]}`: 2,
		`{"Records":[{"eventSource":"aws:dynamodb"}]}`:                      0,
		`{"task":"charge"}`: 0, `[]`: 0,
	} {
		if got := messages([]byte(payload)); got != want {
			t.Errorf("%s: %d messages, want %d", payload, got, want)
		}
	}
}
