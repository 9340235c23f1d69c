//go:build integration

package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/eventbus"
	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/clock"
)

// kept keeps the requests that a bus sends.
type kept struct {
	eventbus.API
	sent []*eventbridge.PutEventsInput
}

func (k *kept) PutEvents(
	ctx context.Context, in *eventbridge.PutEventsInput, o ...func(*eventbridge.Options),
) (*eventbridge.PutEventsOutput, error) {
	k.sent = append(k.sent, in)
	return k.API.PutEvents(ctx, in, o...)
}

// takesAll is an EventBridge that takes everything at once.
func takesAll(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Entries []json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer := map[string]any{"Entries": slices.Repeat([]any{map[string]string{"EventId": "e"}}, len(asked.Entries))}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(answer) // who does not get it fails
}

// BenchmarkPublishEvents compares a publisher's batch, ten orders from their beginning to their
// end, with the bare requests that it makes.
func BenchmarkPublishEvents(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(takesAll))
	defer server.Close()
	client := eventbridge.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	orders, commits := histories(b, slices.Repeat([]int{0}, 10)...)
	publisher := func(api eventbus.API) publish.Publisher {
		return publish.Publisher{
			Registry: contract.Registry(), Orders: publish.NewRecent(orders, publish.MostRecent),
			Bus: eventbus.New(api, "orders", clock.System{}),
		}
	}
	first := &kept{API: client}
	if err := errors.Join(publisher(first).Commits(b.Context(), commits)...); err != nil {
		b.Fatal(err)
	}
	p := publisher(client)
	awstest.Ratio(b, "publish-events", 0, func() func() {
		return func() {
			if err := errors.Join(p.Commits(b.Context(), commits)...); err != nil {
				b.Fatal(err)
			}
		}
	}, func() func() {
		return func() {
			for _, in := range first.sent {
				if _, err := client.PutEvents(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
