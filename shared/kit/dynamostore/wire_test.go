package dynamostore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/kit/es"
)

// wire serves the real client's requests from a list of answers, one after the other, and keeps
// what was asked.
type wire struct {
	answers []answer

	mu       sync.Mutex
	requests []map[string]any
}

// answer is an HTTP answer; status 0 is a connection that breaks without one.
type answer struct {
	status int
	body   string
}

func (w *wire) store(t *testing.T) *Store {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var asked map[string]any
		if err == nil {
			err = json.Unmarshal(body, &asked)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.requests = append(w.requests, asked); err != nil || len(w.requests) > len(w.answers) {
			t.Errorf("request %d: %s, %v", len(w.requests), body, err)
			panic(http.ErrAbortHandler)
		}
		a := w.answers[len(w.requests)-1]
		if a.status == 0 {
			panic(http.ErrAbortHandler)
		}
		res.Header().Set("Content-Type", "application/x-amz-json-1.0")
		res.WriteHeader(a.status)
		if _, err := io.WriteString(res, a.body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	client := dynamodb.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	})
	return newStore(client)
}

const (
	namespace   = "com.amazonaws.dynamodb.v20120810#"
	throttling  = `{"__type":"com.amazon.coral.availability#ThrottlingException","message":"Rate exceeded"}`
	mineAtFour  = `{"stream":{"S":"order/1"},"version":{"N":"4"},"count":{"N":"2"},"commit":{"S":"mine"}}`
	serverError = `{"__type":"` + namespace + `InternalServerError","message":"oh"}`
)

func cancelledBody(reasons string) string {
	return `{"__type":"` + namespace + `TransactionCanceledException","Message":"Transaction cancelled",` +
		`"CancellationReasons":[` + reasons + `]}`
}

// TestWire: what the client makes of DynamoDB's answers and of lost ones, with its own retries in
// between.
func TestWire(t *testing.T) {
	one := []es.Commit{commitAt(order, 3, "mine")}
	two := []es.Commit{commitAt(order, 3, "mine"), commitAt(account, 0, "mine")}
	conditionFailed := `{"__type":"` + namespace + `ConditionalCheckFailedException","message":"no","Item":` +
		mineAtFour + `}`
	busy := cancelledBody(`{"Code":"None"},{"Code":"ThrottlingError","Message":"slow down"}`)
	tests := []struct {
		name       string
		commits    []es.Commit
		answers    []answer
		version    int64
		recognised bool
		err        error
		conflict   *es.ConflictError
	}{
		{name: "a put", commits: one, answers: []answer{{200, "{}"}}, version: 4},
		{
			name: "a put whose answer is lost", commits: one, answers: []answer{{}, {400, conditionFailed}}, version: 5,
			recognised: true,
		},
		{
			name: "a put that fails in the service and was written", commits: one,
			answers: []answer{{500, serverError}, {400, conditionFailed}}, version: 5, recognised: true,
		},
		{
			name: "a put that is throttled for a while", commits: one,
			answers: []answer{{400, throttling}, {200, "{}"}}, version: 4,
		},
		{
			name: "a put that is throttled for good", commits: one,
			answers: []answer{{400, throttling}, {400, throttling}, {400, throttling}}, err: es.ErrUnavailable,
		},
		{name: "a put whose answers are all lost", commits: one, answers: []answer{{}, {}, {}}, err: es.ErrUnavailable},
		{name: "a put whose answer can't be read", commits: one, answers: []answer{{200, "{"}}, err: es.ErrUnavailable},
		{name: "a transaction", commits: two, answers: []answer{{200, "{}"}}, version: 4},
		{name: "a transaction whose answer is lost", commits: two, answers: []answer{{}, {200, "{}"}}, version: 4},
		{name: "a transaction that is still under way when it comes again", commits: two,
			answers: []answer{
				{}, {400, `{"__type":"` + namespace + `TransactionInProgressException","Message":"x"}`}, {200, "{}"},
			}, version: 4},
		{
			name: "a transaction that is throttled for a while", commits: two,
			answers: []answer{{400, busy}, {400, busy}, {200, "{}"}}, version: 4,
		},
		{
			name: "a transaction that is throttled for good", commits: two,
			answers: []answer{{400, busy}, {400, busy}, {400, busy}}, err: es.ErrUnavailable,
		},
		{name: "a transaction in conflict is the caller's to try again", commits: two,
			answers:  []answer{{400, cancelledBody(`{"Code":"TransactionConflict","Message":"x"},{"Code":"None"}`)}},
			conflict: &es.ConflictError{Stream: order, Expected: 3, Actual: -1}},
		{name: "a transaction that was carried out long ago", commits: two, version: 5, recognised: true,
			answers: []answer{{400, cancelledBody(fmt.Sprintf(`{"Code":"ConditionalCheckFailed","Message":"x",`+
				`"Item":%s},{"Code":"ConditionalCheckFailed","Message":"x","Item":%s}`,
				mineAtFour,
				`{"stream":{"S":"account/1"},"version":{"N":"1"},"count":{"N":"1"},"commit":{"S":"mine"}}`))}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &wire{answers: tt.answers}
			got, err := w.store(t).Append(t.Context(), tt.commits)
			var conflict *es.ConflictError
			switch {
			case tt.conflict != nil:
				if !errors.As(err, &conflict) || *conflict != *tt.conflict {
					t.Errorf("%+v, %v", got, err)
				}
			case tt.err != nil:
				if !errors.Is(err, tt.err) || errors.Is(err, es.ErrConflict) {
					t.Errorf("%+v, %v", got, err)
				}
			case err != nil || got.Recognised != tt.recognised || got.Heads[0].Version() != tt.version ||
				got.Heads[0].CommitID() != "mine":
				t.Errorf("%+v, %v", got, err)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.requests) != len(tt.answers) {
				t.Errorf("%d requests, want %d", len(w.requests), len(tt.answers))
			}
			for _, r := range w.requests {
				if token := r["ClientRequestToken"]; token != w.requests[0]["ClientRequestToken"] ||
					(token != nil) != (len(tt.commits) > 1) {
					t.Errorf("token %v, the first had %v", token, w.requests[0]["ClientRequestToken"])
				}
			}
		})
	}
}
