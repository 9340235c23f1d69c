package customers_test

import (
	"encoding/json"
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/read/view/viewtest"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
)

func TestProfile(t *testing.T) {
	event := es.Recorded{
		Stream: "customer/c1", Version: 1, Time: viewtest.Epoch,
		Data: customer.Registered{CustomerID: "c1", Name: "pd1:name", Email: "pd1:email"},
	}
	got := customers.Evolve(customers.Profile{}, event)
	want := customers.Profile{CustomerID: "c1", Registered: true, RegisteredAt: viewtest.Epoch, Sequence: 1}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// One who is erased was registered, and their statistics stay.
	changed := customer.Changed{CustomerID: "c1", Name: "pd1:n"}
	got = customers.Evolve(got, es.Recorded{Stream: "customer/c1", Version: 2, Data: changed})
	if want.Sequence = 2; got != want {
		t.Errorf("changed: got %+v, want %+v", got, want)
	}
	later := viewtest.Epoch.Add(time.Hour)
	erased := customer.Erased{CustomerID: "c1", ErasedAt: "2026-03-01T12:00:00Z"}
	got = customers.Evolve(got, es.Recorded{Stream: "customer/c1", Version: 3, Time: later, Data: erased})
	want.ErasedAt = later
	if want.Sequence = 3; got != want {
		t.Errorf("erased: got %+v, want %+v", got, want)
	}
}

func TestRowJSON(t *testing.T) {
	row := customers.Row{Profile: customers.Profile{CustomerID: "c1"}}
	row.Counters = orders.Counters{
		Orders: 2, ByStatus: map[order.Status]int64{"placed": 2}, CancelledByReason: map[order.Reason]int64{},
		ConfirmedTotal: map[string]int64{}, RefundedTotal: map[string]int64{},
	}
	got, err := json.Marshal(row)
	want := `{"customerId":"c1","registered":false,"version":0,"orders":2,"byStatus":{"placed":2},` +
		`"cancelledByReason":{},"confirmedTotal":{},"refundedTotal":{}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}
