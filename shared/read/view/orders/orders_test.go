package orders_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/read/view/viewtest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// recorded are events of one order's stream, a minute apart.
func recorded(events ...any) []es.Recorded {
	out := make([]es.Recorded, len(events))
	for i, e := range events {
		out[i] = es.Recorded{
			Stream: "order/o1", Version: int64(i + 1), Data: e,
			Time: viewtest.Epoch.Add(time.Duration(i) * time.Minute),
		}
	}
	return out
}

func fold(events []es.Recorded) orders.Row {
	var row orders.Row
	for _, e := range events {
		row = orders.Evolve(row, e)
	}
	return row
}

func TestEvolve(t *testing.T) {
	total := money.Money{Amount: 1234, Currency: "EUR"}
	placed := order.Placed{OrderID: "o1", CustomerID: "c1", AccountID: "a1", Lines: make([]order.Line, 3), Total: total,
		Revision: 1, PlacedAt: viewtest.Epoch.Add(-time.Second).Format(time.RFC3339Nano)}
	confirmed := order.Confirmed{SagaID: "run", PaymentID: "p1", ShipmentID: "s1", TrackingNumber: "OF1"}
	base := orders.Row{
		OrderID: "o1", CustomerID: "c1", Status: order.StatusPlaced, Saga: orders.Saga{State: order.SagaPending},
		Total: total, LineCount: 3, Items: "47DEQpj8", // three lines of the SKU ""
		PlacedAt: viewtest.Epoch.Add(-time.Second),
	}
	with := func(change func(*orders.Row)) orders.Row {
		row := base
		change(&row)
		return row
	}
	tests := []struct {
		name   string
		events []any
		want   orders.Row
	}{
		{"placed", nil, base},
		{
			"started", []any{order.Started{SagaID: "run"}},
			with(func(r *orders.Row) { r.Saga = orders.Saga{ID: "run", State: order.SagaRunning} }),
		},
		{"confirmed", []any{order.Started{SagaID: "run"}, confirmed}, with(func(r *orders.Row) {
			r.Status, r.Saga, r.PaymentID, r.TrackingNumber = order.StatusConfirmed,
				orders.Saga{ID: "run", State: order.SagaCompleted}, "p1", "OF1"
		})},
		{
			"waits for its payment",
			[]any{order.PaymentRequired{Revision: 1, Until: "2026-03-01T12:00:00Z"}, order.Parked{Token: "t"}},
			with(func(r *orders.Row) {
				r.Status, r.WaitsUntil = order.StatusPaymentRequired, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			}),
		},
		{
			"waits for stock", []any{order.Backordered{Revision: 1, Until: "2026-03-01T12:00:00Z"}},
			with(func(r *orders.Row) {
				r.Status, r.WaitsUntil = order.StatusBackordered, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			}),
		},
		{
			"its stock is there",
			[]any{order.Backordered{Revision: 1, Until: "2026-03-01T12:00:00Z"}, order.Started{SagaID: "run"}},
			with(func(r *orders.Row) { r.Saga = orders.Saga{ID: "run", State: order.SagaRunning} }),
		},
		{
			"held until nobody knows when, and approved",
			[]any{order.Held{Rules: []string{"amount"}, Until: "later"}, order.Approved{By: "o"}},
			base,
		},
		{"closed by a run", []any{order.Cancelling{
			Reason: "stock.insufficient", From: order.StatusPlaced, SagaID: "run",
		}}, with(func(r *orders.Row) {
			r.Status, r.Saga, r.Reason = order.StatusCancelling, orders.Saga{ID: "run", State: order.SagaCompensating},
				"stock.insufficient"
		})},
		{"closed by a person", []any{
			order.Started{SagaID: "run"}, order.Cancelling{Reason: order.ReasonCustomer, From: order.StatusPlaced},
		}, with(func(r *orders.Row) {
			r.Status, r.Saga, r.Reason = order.StatusCancelling, orders.Saga{ID: "run", State: order.SagaCompensating},
				order.ReasonCustomer
		})},
		{"undo failed", []any{
			order.Cancelling{Reason: order.ReasonExpired}, order.UndoFailed{SagaID: "undo", Steps: []string{"refund"}},
		}, with(func(r *orders.Row) {
			r.Status, r.Saga, r.Reason = order.StatusCancelling, orders.Saga{ID: "undo", State: order.SagaFailed},
				order.ReasonExpired
		})},
		{"cancelled", []any{
			order.Cancelling{Reason: order.ReasonExpired}, order.Cancelled{SagaID: "undo", Reason: order.ReasonExpired},
		}, with(func(r *orders.Row) {
			r.Status, r.Saga, r.Reason = order.StatusCancelled, orders.Saga{ID: "undo", State: order.SagaCompleted},
				order.ReasonExpired
		})},
		{"shipped and delivered", []any{confirmed, order.Shipped{ShipmentID: "s1"}, order.Delivered{ShipmentID: "s1"}},
			with(func(r *orders.Row) {
				r.Status, r.Saga, r.PaymentID, r.TrackingNumber = order.StatusDelivered,
					orders.Saga{ID: "run", State: order.SagaCompleted}, "p1", "OF1"
			})},
		{"refunded", []any{
			order.Shipped{ShipmentID: "s1"},
			order.Refunded{RefundID: "r1", Total: money.Money{Amount: 2, Currency: "JPY"}},
			order.Refunded{RefundID: "r2", Total: money.Money{Amount: 3, Currency: "JPY"}},
		}, with(func(r *orders.Row) {
			r.Status, r.Refunded = order.StatusShipped, money.Money{Amount: 3, Currency: "JPY"}
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events := recorded(append([]any{placed}, tt.events...)...)
			tt.want.Sequence, tt.want.UpdatedAt = int64(len(events)), events[len(events)-1].Time
			if diff := cmp.Diff(tt.want, fold(events)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Row and order are two folds of one stream: at every version they say the same.
func TestEvolveAgreesWithTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []any
		for _, commit := range viewtest.DrawOrder(t, "o1", "c1") {
			events = append(events, commit...)
		}
		all := recorded(events...)
		for n := range len(all) + 1 {
			state, err := es.Fold(order.Decider.Initial(), order.Evolve, all[:n])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(viewtest.RowOf(state, all[:n]), fold(all[:n])); diff != "" {
				t.Fatalf("version %d: (-order +row)\n%s", n, diff)
			}
		}
	})
}

func TestRowJSON(t *testing.T) {
	row := orders.Row{
		OrderID: "o1", CustomerID: "c1", Status: order.StatusPlaced, Saga: orders.Saga{State: order.SagaPending},
		Total:     money.Money{Amount: 5, Currency: "JPY"},
		LineCount: 1, PlacedAt: viewtest.Epoch, UpdatedAt: viewtest.Epoch, Sequence: 1,
	}
	got, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"o1","customerId":"c1","status":"placed","saga":{"state":"pending"},"total":{"amount":5,` +
		`"currency":"JPY"},"lineCount":1,` +
		`"placedAt":"2026-02-28T23:59:58Z","updatedAt":"2026-02-28T23:59:58Z","version":1}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// A row knows what the order holds now, each SKU once, and no part of one.
func TestHolds(t *testing.T) {
	lines := func(skus ...string) (all []order.Line) {
		for _, sku := range skus {
			all = append(all, order.Line{SKU: sku})
		}
		return all
	}
	row := orders.Evolve(orders.Row{}, es.Recorded{Data: order.Placed{Lines: lines("b", "a", "b")}, Version: 1})
	holds := func() (held string) {
		for _, sku := range []string{"a", "b", "c", "ab", "A", ""} {
			if row.Holds(sku) {
				held += sku
			}
		}
		return held
	}
	if got := holds(); got != "ab" || len(row.Items) != 16 {
		t.Errorf("holds %s in %q", got, row.Items)
	}
	row = orders.Evolve(row, es.Recorded{Data: order.Amended{Lines: lines("c")}, Version: 2})
	if got := holds(); got != "c" {
		t.Errorf("amended, it holds %s", got)
	}
	if (orders.Row{}).Holds("a") {
		t.Error("a row of an earlier release holds something")
	}
}
