package customers_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"orderflow/shared/customer"
	"orderflow/shared/es"
	"orderflow/shared/money"
	"orderflow/shared/order"
	"orderflow/shared/view/customers"
	"orderflow/shared/view/orders"
	"orderflow/shared/view/viewtest"
)

type (
	byStatus = map[order.Status]int64
	byReason = map[order.Reason]int64
	totals   = map[string]int64
)

func TestDelta(t *testing.T) {
	row := func(status order.Status, reason order.Reason) orders.Row {
		return orders.Row{OrderID: "o1", CustomerID: "c1", Status: status, Reason: reason, Total: money.Money{Amount: 1999, Currency: "USD"}}
	}
	free := row(order.StatusConfirmed, "")
	free.Total.Amount = 0
	tests := []struct {
		name      string
		old, next orders.Row
		want      customers.Counters
	}{
		{"placed", orders.Row{}, row(order.StatusPlaced, ""), customers.Counters{Orders: 1, ByStatus: byStatus{"placed": 1}}},
		{"started", row(order.StatusPlaced, ""), row(order.StatusPlaced, ""), customers.Counters{}},
		{"confirmed", row(order.StatusPlaced, ""), row(order.StatusConfirmed, ""), customers.Counters{
			ByStatus: byStatus{"placed": -1, "confirmed": 1}, ConfirmedTotal: totals{"USD": 1999},
		}},
		{"shipped", row(order.StatusConfirmed, ""), row(order.StatusShipped, ""), customers.Counters{ByStatus: byStatus{"confirmed": -1, "shipped": 1}}},
		{"delivered", row(order.StatusShipped, ""), row(order.StatusDelivered, ""), customers.Counters{ByStatus: byStatus{"shipped": -1, "delivered": 1}}},
		{"closed after it was confirmed", row(order.StatusConfirmed, ""), row(order.StatusCancelling, "customer.request"), customers.Counters{
			ByStatus: byStatus{"confirmed": -1, "cancelling": 1}, ConfirmedTotal: totals{"USD": -1999},
		}},
		{"cancelled", row(order.StatusCancelling, "customer.request"), row(order.StatusCancelled, "customer.request"), customers.Counters{
			ByStatus: byStatus{"cancelling": -1, "cancelled": 1}, CancelledByReason: byReason{"customer.request": 1},
		}},
		{"everything at once", orders.Row{}, row(order.StatusCancelled, "order.expired"), customers.Counters{
			Orders: 1, ByStatus: byStatus{"cancelled": 1}, CancelledByReason: byReason{"order.expired": 1},
		}},
		{"an order that costs nothing", orders.Row{}, free, customers.Counters{Orders: 1, ByStatus: byStatus{"confirmed": 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := customers.Delta(tt.old, tt.next)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.IsZero() != (tt.name == "started") {
				t.Errorf("IsZero is %v", got.IsZero())
			}
		})
	}
}

// However an order's events are grouped, the differences add up to the same counters, and counters never fall below zero on the way.
func TestDeltasAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum customers.Counters
		var first, row orders.Row
		version := int64(0)
		for _, commit := range viewtest.DrawOrder(t, "o1", "c1") {
			old := row
			for _, e := range commit {
				version++
				row = orders.Evolve(row, es.Recorded{Version: version, Time: viewtest.Epoch, Data: e})
			}
			sum = sum.Plus(customers.Delta(old, row))
			if diff := cmp.Diff(customers.Delta(first, row), sum, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("version %d: (-at once +step by step)\n%s", version, diff)
			}
			if sum.Orders != 1 || sum.Open()+sum.Confirmed()+sum.Cancelled() != 1 {
				t.Fatalf("version %d: one order counts as %+v", version, sum)
			}
			for code, n := range sum.ConfirmedTotal {
				if n < 0 {
					t.Fatalf("version %d: %d %s", version, n, code)
				}
			}
		}
	})
}

func TestProfile(t *testing.T) {
	event := es.Recorded{Stream: "customer/c1", Version: 1, Time: viewtest.Epoch, Data: customer.Registered{CustomerID: "c1", Name: "pd1:name", Email: "pd1:email"}}
	got := customers.EvolveProfile(customers.Profile{}, event)
	want := customers.Profile{CustomerID: "c1", Registered: true, RegisteredAt: viewtest.Epoch, Sequence: 1}
	if got != want || got.At() != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRowJSON(t *testing.T) {
	row := customers.Row{Profile: customers.Profile{CustomerID: "c1"}}
	row.Counters = customers.Counters{Orders: 2, ByStatus: byStatus{"placed": 2}, CancelledByReason: byReason{}, ConfirmedTotal: totals{}}
	got, err := json.Marshal(row)
	want := `{"customerId":"c1","registered":false,"version":0,"orders":2,"byStatus":{"placed":2},"cancelledByReason":{},"confirmedTotal":{}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}
