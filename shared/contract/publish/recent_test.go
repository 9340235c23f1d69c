package publish_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/order"
)

// asked counts what is asked of orders.
type asked struct {
	publish.Orders
	n int
}

func (a *asked) AsOf(ctx context.Context, id string, p es.Point) (es.Past[order.State], error) {
	a.n++
	return a.Orders.AsOf(ctx, id, p)
}

// histories are the commits of orders that each went their own way, and a store that has them.
func histories(t interface {
	Fatal(...any)
	Context() context.Context
}, ways ...int) (publish.Orders, []es.StoredCommit) {
	store := memstore.New(contract.Registry())
	var commits []es.StoredCommit
	for n, way := range ways {
		stream := es.NewStreamID(order.Category, fmt.Sprint("o", n))
		begins := placed
		begins.OrderID = stream.ID()
		closes := order.Cancelling{Reason: order.ReasonCustomer, From: order.StatusPlaced, Origin: order.OriginCustomer}
		confirmed := order.Confirmed{SagaID: "s", PaymentID: "p", ShipmentID: "h", TrackingNumber: "t"}
		head := es.Head{}
		for i, events := range [][][]any{
			{
				{begins}, {order.Started{SagaID: "s"}}, {confirmed}, {order.Shipped{ShipmentID: "h", Revision: 1}},
				{order.Delivered{ShipmentID: "h"}},
			},
			{
				{begins, order.Started{SagaID: "s"}}, {closes, order.UndoFailed{SagaID: "s", Steps: []string{"refund"}}},
				{order.Cancelled{SagaID: "s", Reason: order.ReasonCustomer}},
			},
		}[way] {
			var err error
			if i == 0 {
				if head, err = store.At(t.Context(), stream, 0); err != nil {
					t.Fatal(err)
				}
			}
			c := es.Commit{Head: head, ID: fmt.Sprint(stream, i), Time: time.Unix(int64(i), 0), Events: events}
			stored, err := contract.Registry().EncodeCommit(c)
			if err != nil {
				t.Fatal(err)
			}
			appended, err := store.Append(t.Context(), []es.Commit{c})
			if err != nil {
				t.Fatal(err)
			}
			head, commits = appended.Heads[0], append(commits, stored)
		}
	}
	return order.Decider.Repository(order.Category, store), commits
}

// In the usual case, commits in the order in which they were made, no query is needed, whether they
// come in one batch or one by one, and all events of a batch are put together.
func TestNoQueryInTheUsualCase(t *testing.T) {
	for name, size := range map[string]int{"one batch": 100, "one by one": 1} {
		t.Run(name, func(t *testing.T) {
			orders, commits := histories(t, 0, 1, 0)
			store, b := &asked{Orders: orders}, &bus{}
			p := publish.Publisher{
				Registry: contract.Registry(), Orders: publish.NewRecent(store, publish.MostRecent), Bus: b,
			}
			batches := 0
			for batch := range slices.Chunk(commits, size) {
				batches++
				for i, err := range p.Commits(t.Context(), batch) {
					if err != nil {
						t.Fatalf("commit %d: %v", i, err)
					}
				}
			}
			if store.n != 0 || b.calls != batches {
				t.Errorf("%d queries, %d puts for %d batches", store.n, b.calls, batches)
			}
			// A batch that comes again, as where the bus was busy, needs none either.
			if p.Commits(t.Context(), commits[len(commits)-1:]); store.n != 0 {
				t.Errorf("%d queries for a commit that comes again", store.n)
			}
		})
	}
}

// Whatever is remembered, in whatever order commits come, and whoever else published some of them:
// what is published is byte for byte what it is without.
func TestRecentChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		orders, commits := histories(t, rapid.SliceOfN(rapid.IntRange(0, 1), 1, 4).Draw(t, "ways")...)
		recent := publish.NewRecent(orders, rapid.IntRange(1, 6).Draw(t, "room"))
		for _, c := range rapid.SliceOfN(rapid.SampledFrom(commits), 1, 30).Draw(t, "deliveries") {
			want, wantErr := publish.Envelopes(t.Context(), contract.Registry(), orders, c)
			got, err := publish.Envelopes(t.Context(), contract.Registry(), recent, c)
			if err != nil || wantErr != nil {
				t.Fatal(err, wantErr)
			}
			if diff := cmp.Diff(bytes(t, want), bytes(t, got)); diff != "" {
				t.Fatalf("%s@%d (-want +got)\n%s", c.Stream, c.First, diff)
			}
		}
	})
}

func bytes(t *rapid.T, envelopes []es.Envelope) []string {
	out := make([]string, len(envelopes))
	for i, e := range envelopes {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(data)
	}
	return out
}

// The room is bounded: what was used last stays.
func TestRecentForgets(t *testing.T) {
	store := &asked{Orders: orders{}}
	recent := publish.NewRecent(store, 2)
	get := func(id string) int {
		before := store.n
		if _, err := recent.AsOf(t.Context(), id, es.Point{Version: 1}); err != nil {
			t.Fatal(err)
		}
		return store.n - before
	}
	recent.Remember("a", 1, order.State{})
	recent.Remember("b", 1, order.State{})
	asks := []int{get("a")}
	recent.Remember("c", 1, order.State{})
	asks = append(asks, get("a"), get("b"), get("c"))
	if want := []int{0, 0, 1, 0}; !slices.Equal(asks, want) {
		t.Errorf("asked %v, want %v", asks, want)
	}
}
