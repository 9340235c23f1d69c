package orders_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/read/view/viewtest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// counted is what changes in the customer's counters when an order's row goes from old to next.
func counted(old, next orders.Row) map[string]int64 {
	changes := view.Difference(orders.View.Tallies("o1", old), orders.View.Tallies("o1", next))
	if len(changes) == 0 {
		return nil
	}
	return changes[0].Counters
}

func TestTallies(t *testing.T) {
	type counters = map[string]int64
	row := func(status order.Status, reason order.Reason) orders.Row {
		return orders.Row{
			OrderID: "o1", CustomerID: "c1", Status: status, Reason: reason,
			Total: money.Money{Amount: 1999, Currency: "USD"},
		}
	}
	free := row(order.StatusConfirmed, "")
	free.Total.Amount = 0
	refunded := func(amount int64) orders.Row {
		r := row(order.StatusDelivered, "")
		r.Refunded = money.Money{Amount: amount, Currency: "USD"}
		return r
	}
	tests := []struct {
		name      string
		old, next orders.Row
		want      counters
	}{
		{"placed", orders.Row{}, row(order.StatusPlaced, ""), counters{"orders": 1, "status_placed": 1}},
		{"started", row(order.StatusPlaced, ""), row(order.StatusPlaced, ""), nil},
		{
			"confirmed", row(order.StatusPlaced, ""), row(order.StatusConfirmed, ""),
			counters{"status_placed": -1, "status_confirmed": 1, "total_USD": 1999},
		},
		{
			"shipped", row(order.StatusConfirmed, ""), row(order.StatusShipped, ""),
			counters{"status_confirmed": -1, "status_shipped": 1},
		},
		{
			"delivered", row(order.StatusShipped, ""), row(order.StatusDelivered, ""),
			counters{"status_shipped": -1, "status_delivered": 1},
		},
		{
			"refunded in part", row(order.StatusShipped, ""), refunded(500),
			counters{"status_shipped": -1, "status_delivered": 1, "refunded_USD": 500},
		},
		{"and further", refunded(500), refunded(1999), counters{"refunded_USD": 1499}},
		{"closed after it was confirmed", row(order.StatusConfirmed, ""),
			row(order.StatusCancelling, "customer.request"), counters{
				"status_confirmed": -1, "status_cancelling": 1, "total_USD": -1999,
			}},
		{"cancelled", row(order.StatusCancelling, "customer.request"), row(order.StatusCancelled, "customer.request"),
			counters{
				"status_cancelling": -1, "status_cancelled": 1, "reason_customer.request": 1,
			}},
		{
			"everything at once", orders.Row{}, row(order.StatusCancelled, "order.expired"),
			counters{"orders": 1, "status_cancelled": 1, "reason_order.expired": 1},
		},
		{"an order that costs nothing", orders.Row{}, free, counters{"orders": 1, "status_confirmed": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, counted(tt.old, tt.next)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// However an order's events are grouped, the differences add up to the same counters, and counters
// never fall below zero on the way.
func TestTalliesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sum := map[string]int64{}
		var row orders.Row
		version := int64(0)
		for _, commit := range viewtest.DrawOrder(t, "o1", "c1") {
			old := row
			for _, e := range commit {
				version++
				row = orders.Evolve(row, es.Recorded{Version: version, Time: viewtest.Epoch, Data: e})
			}
			for name, n := range counted(old, row) {
				if sum[name] += n; sum[name] < 0 {
					t.Fatalf("version %d: %s is %d", version, name, sum[name])
				}
			}
			if diff := cmp.Diff(
				counted(orders.Row{}, row), sum,
				cmpopts.IgnoreMapEntries(func(_ string, n int64) bool { return n == 0 }),
			); diff != "" {
				t.Fatalf("version %d: (-at once +step by step)\n%s", version, diff)
			}
		}
	})
}

// A row whose stream does not begin with an order is in no list and counts nothing.
func TestRowWithoutOrder(t *testing.T) {
	row := orders.Evolve(
		orders.Row{}, es.Recorded{Version: 1, Time: viewtest.Epoch, Data: order.Started{SagaID: "run"}},
	)
	if keys, tallies := orders.View.Keys("o1", row), orders.View.Tallies("o1", row); keys != nil || tallies != nil {
		t.Errorf("%v, %v", keys, tallies)
	}
}

// TestKeys: an order is in three lists, and all that happens to it changes its place in one alone.
func TestKeys(t *testing.T) {
	const placed = "2026-02-28T23:59:58.000000000Z#o1"
	for _, status := range order.Statuses() {
		for _, saga := range []order.SagaState{order.SagaPending, order.SagaRunning, order.SagaFailed} {
			row := orders.Row{
				CustomerID: "c1", Status: status, Saga: orders.Saga{State: saga}, PlacedAt: viewtest.Epoch,
				UpdatedAt: viewtest.Epoch.Add(1),
			}
			want := []view.Key{
				{Index: view.Index1, Partition: "c1", Sort: placed},
				{Index: view.Index2, Partition: "1", Sort: placed},
				{Index: view.Index3, Partition: string(status) + "#1", Sort: placed},
			}
			if diff := cmp.Diff(want, orders.View.Keys("o1", row)); diff != "" {
				t.Errorf("%s, %s: (-want +got)\n%s", status, saga, diff)
			}
		}
	}
}
