package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/poison"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/stock"
)

var errBusy = errors.New("busy")

// bus keeps what was put, in order; it refuses for good what is in never and for now what is in
// busy.
type bus struct {
	calls       int
	put         []string
	never, busy map[string]bool
}

func (b *bus) Put(_ context.Context, envelopes []es.Envelope) []error {
	b.calls++
	results := make([]error, len(envelopes))
	for i, e := range envelopes {
		switch {
		case b.never[e.ID]:
			results[i] = poison.Mark(errors.New("refused"))
		case b.busy[e.ID]:
			results[i] = errBusy
		default:
			b.put = append(b.put, e.ID)
		}
	}
	return results
}

// orders are of a store in which nobody has placed an order.
type orders struct{}

func (orders) AsOf(_ context.Context, _ string, p es.Point) (es.Past[order.State], error) {
	return es.Past[order.State]{Version: p.Version}, nil
}

// commit is a stored commit of events of a stream, from a version on.
func commit(t interface{ Fatal(...any) }, stream es.StreamID, first int64, events ...any) es.StoredCommit {
	c := es.StoredCommit{Stream: stream, First: first, ID: "c", Time: time.Unix(1, 0)}
	for _, e := range events {
		stored, err := contract.Registry().Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		c.Events = append(c.Events, stored)
	}
	return c
}

func TestCommits(t *testing.T) {
	started, shipped := order.Started{SagaID: "s"}, order.Shipped{ShipmentID: "s"}
	unknown := commit(t, "order/unknown", 1, started, shipped)
	unknown.Events[1].Type = "order.teleported"
	future := commit(t, "order/future", 1, started)
	future.Events[0].Schema = 99
	broken := commit(t, "order/broken", 1, started)
	broken.Events[0].Data = json.RawMessage(`{`)
	type result int
	const (
		passes result = iota
		mayPass
		never
	)
	tests := []struct {
		name    string
		bus     bus
		commits []es.StoredCommit
		results []result
		put     []string
		calls   int
	}{
		{name: "nothing"},
		{
			name:    "commits of one and of several events, put together",
			commits: []es.StoredCommit{commit(t, "order/a", 1, started, shipped), commit(t, "order/b", 5, shipped)},
			results: []result{passes, passes}, put: []string{"order/a@1", "order/a@2", "order/b@5"}, calls: 1,
		},
		{
			name: "poison holds nobody up, and nothing of its commit goes out",
			commits: []es.StoredCommit{
				commit(t, "order/a", 1, started), unknown, future, broken, commit(t, "order/b", 1, started),
			},
			results: []result{passes, never, never, never, passes}, put: []string{"order/a@1", "order/b@1"}, calls: 1,
		},
		{
			name: "an event that is published in two versions",
			commits: []es.StoredCommit{commit(
				t, "order/a", 6, order.Cancelled{SagaID: "s", Reason: order.ReasonExpired},
			)},
			results: []result{passes}, put: []string{"order/a@6", "order/a@6/v2"}, calls: 1,
		},
		{
			name: "one version that the bus has no room for",
			commits: []es.StoredCommit{commit(
				t, "order/a", 6, order.Cancelled{SagaID: "s", Reason: order.ReasonExpired},
			)},
			bus: bus{busy: map[string]bool{"order/a@6": true}}, results: []result{mayPass},
			put: []string{"order/a@6/v2"}, calls: 1,
		},
		{
			name: "what breaks its contract stays here",
			commits: []es.StoredCommit{
				commit(t, "order/a", 1, started, order.Shipped{}), commit(t, "order/b", 1, started),
			},
			results: []result{never, passes}, put: []string{"order/b@1"}, calls: 1,
		},
		{name: "nothing but poison", commits: []es.StoredCommit{unknown}, results: []result{never}},
		{
			name:    "an event that the bus has no room for",
			commits: []es.StoredCommit{commit(t, "order/a", 1, started, shipped), commit(t, "order/b", 1, started)},
			bus:     bus{busy: map[string]bool{"order/a@1": true}}, results: []result{mayPass, passes},
			put: []string{"order/a@2", "order/b@1"}, calls: 1,
		},
		{
			name:    "an event that the bus never takes",
			commits: []es.StoredCommit{commit(t, "order/a", 1, started, shipped), commit(t, "order/b", 1, started)},
			bus:     bus{busy: map[string]bool{"order/a@1": true}, never: map[string]bool{"order/a@2": true}},
			results: []result{never, passes}, put: []string{"order/b@1"}, calls: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			results := publish.Publisher{Registry: contract.Registry(), Orders: orders{}, Bus: &tt.bus}.Commits(
				context.Background(), tt.commits,
			)
			if len(results) != len(tt.commits) {
				t.Fatalf("%d results for %d commits", len(results), len(tt.commits))
			}
			for i, err := range results {
				got := passes
				if err != nil {
					got = mayPass
				}
				if poison.Is(err) {
					got = never
				}
				if got != tt.results[i] {
					t.Errorf("commit %d: %v", i, err)
				}
			}
			if !slices.Equal(tt.bus.put, tt.put) || tt.bus.calls != tt.calls {
				t.Errorf("put %v in %d calls, want %v in %d", tt.bus.put, tt.bus.calls, tt.put, tt.calls)
			}
		})
	}
}

var (
	price  = money.Money{Amount: 1, Currency: "USD"}
	placed = order.Placed{
		OrderID: "a", CustomerID: "c", AccountID: "a", Lines: []order.Line{{SKU: "s", Quantity: 1, UnitPrice: price}},
		Total: price, Address: "pd1:x", Revision: 1, PlacedAt: "p",
	}
)

// placedOrders are orders of a store in which somebody has placed order/b.
type placedOrders struct{}

func (placedOrders) AsOf(_ context.Context, orderID string, p es.Point) (es.Past[order.State], error) {
	past := es.Past[order.State]{Version: p.Version}
	if orderID == "b" {
		past.State = order.Evolve(past.State, placed)
	}
	return past, nil
}

// With each commit of an order comes the order as it is after that very commit, however much later
// it is published.
func TestUpdated(t *testing.T) {
	commits := []es.StoredCommit{
		commit(t, "order/a", 1, placed, order.Started{SagaID: "s"}),
		commit(t, "order/a", 3, order.Confirmed{SagaID: "s", PaymentID: "p", ShipmentID: "h", TrackingNumber: "t"}),
		commit(t, "order/a", 4, order.Shipped{ShipmentID: "h", Revision: 1}, order.Delivered{ShipmentID: "h"}),
	}
	kept := memstore.New(contract.Registry())
	for i, c := range commits {
		events, err := contract.Registry().DecodeCommit(c, 0)
		if err != nil {
			t.Fatal(err)
		}
		head, err := kept.At(t.Context(), c.Stream, c.First-1)
		if err != nil {
			t.Fatal(err)
		}
		next := es.Commit{Head: head, ID: strconv.Itoa(i), Time: time.Unix(1, 0)}
		for _, e := range events {
			next.Events = append(next.Events, e.Data)
		}
		if _, err := kept.Append(t.Context(), []es.Commit{next}); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("throttled")
	for i, want := range []struct {
		id, status string
		sequence   int64
	}{
		{"order/a@2/updated", "placed", 2}, {"order/a@3/updated", "confirmed", 3},
		{"order/a@5/updated", "delivered", 5},
	} {
		envelopes, err := publish.Envelopes(
			t.Context(), contract.Registry(), order.Decider.Repository(order.Category, kept), commits[i],
		)
		if err != nil {
			t.Fatal(err)
		}
		e := envelopes[len(envelopes)-1]
		data, err := contract.Decode(e)
		updated, ok := data.(contract.OrderUpdated)
		if err != nil || !ok || e.ID != want.id || e.Sequence != want.sequence || updated.Status != want.status ||
			updated.Address != "pd1:x" {
			t.Errorf("commit %d: %s %+v, %v", i, e.ID, data, err)
		}
		b := &bus{}
		results := publish.Publisher{
			Registry: contract.Registry(), Orders: asOf{broken}, Bus: b,
		}.Commits(t.Context(), commits[i:i+1])
		if i == 0 && results[0] != nil ||
			i > 0 && (!errors.Is(results[0], broken) || poison.Is(results[0]) || len(b.put) > 0) {
			t.Errorf("commit %d of a store that doesn't answer: %v, %v", i, results, b.put)
		}
		b = &bus{}
		results = publish.Publisher{
			Registry: contract.Registry(),
			Orders:   order.Decider.Repository(order.Category, memstore.New(contract.Registry())), Bus: b,
		}.
			Commits(t.Context(), commits[i:i+1])
		if i > 0 && (!poison.Is(results[0]) || len(b.put) > 0) {
			t.Errorf("commit %d of a stream that is not there: %v, %v", i, results, b.put)
		}
	}
}

// asOf answers an error.
type asOf struct{ err error }

func (a asOf) AsOf(context.Context, string, es.Point) (es.Past[order.State], error) {
	return es.Past[order.State]{}, a.err
}

// However often commits come and in whatever order, an event has one id.
func TestDuplicatesAndShuffles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		commits := []es.StoredCommit{
			commit(t, "order/a", 1, order.Started{SagaID: "s"}, order.Shipped{ShipmentID: "s"}),
			commit(t, "order/a", 3, order.Delivered{ShipmentID: "s"}),
			commit(t, "order/b", 1, placed, order.Started{SagaID: "s"}),
			commit(t, "order/b", 3, order.Confirmed{SagaID: "s", PaymentID: "p", ShipmentID: "h", TrackingNumber: "t"}),
		}
		b := &bus{}
		p := publish.Publisher{Registry: contract.Registry(), Orders: placedOrders{}, Bus: b}
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			for i, err := range p.Commits(context.Background(), rapid.Permutation(commits).Draw(t, "order")) {
				if err != nil {
					t.Fatalf("commit %d: %v", i, err)
				}
			}
		}
		slices.Sort(b.put)
		if got, want := slices.Compact(b.put), []string{
			"order/a@1", "order/a@2", "order/a@3", "order/b@1", "order/b@2", "order/b@2/updated", "order/b@3",
			"order/b@3/updated",
		}; !slices.Equal(got, want) {
			t.Fatalf("published %v, want %v", got, want)
		}
	})
}

// The events that a mail follows from say whose order it is and what the mail says of it, so that
// nobody has to ask the order's stream. Of an order that nobody has placed they say nothing.
func TestEventsTellTheirOrder(t *testing.T) {
	confirmed := order.Confirmed{SagaID: "s", PaymentID: "p", ShipmentID: "h", TrackingNumber: "t"}
	first := []any{
		placed, order.Started{SagaID: "s"}, confirmed, order.Shipped{ShipmentID: "h"}, order.Delivered{ShipmentID: "h"},
		order.Cancelled{SagaID: "s", Reason: order.ReasonExpired},
	}
	unit := contract.Money{Amount: 1, Currency: "USD"}
	type told struct {
		CustomerID string
		Lines      []contract.OrderLine
		Total      *contract.Money
	}
	whole := told{"c", []contract.OrderLine{{SKU: "s", Quantity: 1, UnitPrice: unit, Amount: &unit}}, &unit}
	for of, tt := range map[string]struct {
		events []any
		want   told
	}{"an order": {first, whole}, "one that is not there": {first[2:], told{}}} {
		envelopes, err := publish.Envelopes(
			t.Context(), contract.Registry(), orders{}, commit(t, "order/a", 1, tt.events...),
		)
		if err != nil {
			t.Fatal(err)
		}
		tell := 0
		for _, e := range envelopes {
			data, err := contract.Decode(e)
			if err != nil {
				t.Fatal(err)
			}
			var got told
			want := tt.want
			switch d := data.(type) {
			case contract.OrderConfirmed:
				got = told{d.CustomerID, d.Lines, d.Total}
			case contract.OrderShipped:
				got, want = told{d.CustomerID, nil, nil}, told{tt.want.CustomerID, nil, nil}
				if d.TrackingNumber != "t" {
					t.Errorf("%s: %s tells the tracking number %q", of, e.ID, d.TrackingNumber)
				}
			case contract.OrderDelivered:
				got, want = told{d.CustomerID, nil, nil}, told{tt.want.CustomerID, nil, nil}
			case contract.OrderCancelled:
				got = told{d.CustomerID, d.Lines, d.Total}
			case contract.OrderCancelledV2:
				got = told{d.CustomerID, d.Lines, d.Total}
			default:
				continue
			}
			if tell++; cmp.Diff(want, got) != "" {
				t.Errorf("%s: %s tells %s", of, e.ID, cmp.Diff(want, got))
			}
		}
		if tell != 5 {
			t.Errorf("%s: %d events tell it", of, tell)
		}
	}
}

// What is told of an order says who closed it and why, and which steps of its undo are spent: the
// one behind order.undo-failed is another than the one before.
func TestUpdatedTellsAll(t *testing.T) {
	closed := order.Cancelling{
		Reason: order.ReasonCustomer, Detail: "d", Note: "pd1:n", From: order.StatusPlaced,
		Origin: order.OriginCustomer,
	}
	failed := order.UndoFailed{SagaID: "run-1", Steps: []string{"refund payment"}}
	var data []contract.OrderUpdated
	for _, events := range [][]any{
		{placed, order.Started{SagaID: "run-1"}, closed}, {placed, order.Started{SagaID: "run-1"}, closed, failed},
	} {
		envelopes, err := publish.Envelopes(
			t.Context(), contract.Registry(), orders{}, commit(t, "order/a", 1, events...),
		)
		if err != nil {
			t.Fatal(err)
		}
		e, err := contract.Decode(envelopes[len(envelopes)-1])
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, e.(contract.OrderUpdated))
	}
	unit := contract.Money{Amount: 1, Currency: "USD"}
	want := contract.OrderUpdated{
		OrderID: "a", CustomerID: "c", AccountID: "a", Status: "cancelling", Revision: 1, Total: unit,
		Lines:   []contract.OrderLine{{SKU: "s", Quantity: 1, UnitPrice: unit, Amount: &unit}},
		Address: "pd1:x", PlacedAt: "p", Reason: "customer.request", Detail: "d", Note: "pd1:n", Origin: "customer",
		SagaID: "run-1", SagaState: "compensating",
	}
	then := want
	then.SagaState, then.FailedSteps = "failed", []string{"refund payment"}
	if diff := cmp.Diff([]contract.OrderUpdated{want, then}, data); diff != "" {
		t.Error(diff)
	}
}

// What is counted is what the bus took, each event once in whatever versions it is published.
func TestCount(t *testing.T) {
	declined := func(id string) es.StoredCommit {
		return commit(
			t, es.NewStreamID("payment", id), 1,
			payment.Declined{PaymentID: id, OrderID: "o", Code: "account.insufficient-funds"},
		)
	}
	refused := func(id string) es.StoredCommit {
		return commit(
			t, es.NewStreamID("reservation", id), 1,
			stock.Refused{ReservationID: id, OrderID: "o", Code: "stock.insufficient"},
		)
	}
	counted := map[string]int64{}
	p := publish.Publisher{
		Registry: contract.Registry(), Orders: orders{}, Bus: &bus{busy: map[string]bool{"payment/b@1": true}},
		Count: func(metric string, n int64) { counted[metric] += n },
	}
	commits := []es.StoredCommit{
		declined("a"), declined("b"), refused("a"), refused("b"),
		commit(t, "order/a", 6, order.Cancelled{SagaID: "s", Reason: order.ReasonExpired}),
	}
	results := p.Commits(t.Context(), commits)
	want := map[string]int64{publish.MetricDeclines: 1, publish.MetricStockOuts: 2}
	if !maps.Equal(counted, want) {
		t.Errorf("counted %v, want %v; %v", counted, want, results)
	}
}
