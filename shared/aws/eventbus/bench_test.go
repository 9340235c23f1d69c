//go:build integration

package eventbus_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/eventbus"
	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
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

// unasked are orders that nobody needs to ask for.
type unasked struct{}

func (unasked) AsOf(context.Context, string, es.Point) (es.Past[order.State], error) {
	return es.Past[order.State]{}, errors.New("an order is asked for that was just published")
}

// delivered are the commits of so many orders, from their beginning to their end.
func delivered(b *testing.B, orders int) (commits []es.StoredCommit) {
	price := money.Money{Amount: 1999, Currency: "USD"}
	for n := range orders {
		id := strconv.Itoa(n)
		for i, e := range []any{
			order.Placed{
				OrderID: id, CustomerID: "c", AccountID: "a", Total: price, Address: "pd1:x", Revision: 1,
				Lines: []order.Line{{SKU: "BOOK-1", Quantity: 1, UnitPrice: price}}, PlacedAt: "2026-01-02T03:04:05Z",
			},
			order.Started{SagaID: "s"},
			order.Confirmed{SagaID: "s", PaymentID: "p", ShipmentID: "h", TrackingNumber: "t"},
			order.Shipped{ShipmentID: "h", Revision: 1}, order.Delivered{ShipmentID: "h"},
		} {
			stored, err := contract.Registry().Encode(e)
			if err != nil {
				b.Fatal(err)
			}
			commits = append(commits, es.StoredCommit{
				Stream: es.NewStreamID(order.Category, id), First: int64(i + 1), ID: strconv.Itoa(i),
				Time: time.Unix(int64(i), 0), Events: []es.Stored{stored},
			})
		}
	}
	return commits
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
	commits := delivered(b, 10)
	publisher := func(api eventbus.API) publish.Publisher {
		return publish.Publisher{
			Registry: contract.Registry(), Orders: publish.NewRecent(unasked{}, publish.MostRecent),
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
