package httpapi_test

import (
	"net/http"
	"testing"

	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// TestMissing: an order that goes on with what is there says what it goes on without, to whoever
// may see it, and asOf shows it as it was.
func TestMissing(t *testing.T) {
	s := newShop(t)
	if all := s.must(http.StatusOK, get(ada, "/orders/"+s.order)); all.body["missing"] != nil {
		t.Errorf("all is there: %s", all.raw)
	}
	if _, err := s.orders.Run(t.Context(), s.command(), s.order, order.Reduce{
		Revision: 1, Items: []goods.Item{{SKU: "cd-1", Quantity: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	got := s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	missing, _ := got.body["missing"].(object)
	items, _ := missing["items"].([]any)
	amendment, _ := got.body["amendment"].(object)
	if len(items) != 2 || missing["rest"] != "dropped" || len(got.body["lines"].([]any)) != 1 ||
		amendment["by"] != "saga" {
		t.Errorf("answered %s", got.raw)
	}
	if was := s.must(http.StatusOK, get(ada, "/orders/"+s.order+"?asOf=1")); was.body["missing"] != nil {
		t.Errorf("as it was placed: %s", was.raw)
	}
}

// TestRest: an order and the rest of it, which waits, name each other; before the order is
// confirmed there is none to name.
func TestRest(t *testing.T) {
	s := newShop(t)
	lines := []order.Line{{SKU: "cd-1", Quantity: 3, UnitPrice: money.Money{Amount: 100, Currency: "EUR"}}}
	placed, err := s.orders.Get(t.Context(), s.order)
	if err != nil {
		t.Fatal(err)
	}
	id := ident.Derive("order", "divided")
	for _, c := range []order.Command{
		order.Place{
			OrderID: id, CustomerID: "ada", AccountID: s.account, Lines: lines, Address: placed.State.Address,
			OutOfStock: goods.PartialWait, Now: s.clock.Now(),
		},
		order.Start{SagaID: "run-1"}, order.Reduce{Revision: 1, Items: []goods.Item{{SKU: "cd-1", Quantity: 1}}},
	} {
		if _, err := s.orders.Run(t.Context(), s.command(), id, c); err != nil {
			t.Fatal(err)
		}
	}
	missing := func() object {
		t.Helper()
		got := s.must(http.StatusOK, get(ada, "/orders/"+id))
		missing, _ := got.body["missing"].(object)
		if missing["rest"] != "waits" {
			t.Errorf("answered %s", got.raw)
		}
		return missing
	}
	if before := missing(); before["orderId"] != nil {
		t.Errorf("before it is confirmed: %v", before)
	}
	if _, err := s.orders.Run(
		t.Context(), s.command(), id, order.Confirm{SagaID: "run-1", PaymentID: "p", ShipmentID: "s"},
	); err != nil {
		t.Fatal(err)
	}
	restID := order.RestID(id)
	if after := missing(); after["orderId"] != restID {
		t.Errorf("once it is confirmed: %v", after)
	}
	rest := s.must(http.StatusOK, get(ada, "/orders/"+restID))
	if total := rest.body["total"].(object)["amount"]; rest.body["restOf"] != id || total != 200.0 ||
		rest.body["missing"] != nil || rest.body["shippingAddress"] == nil {
		t.Errorf("the rest is %s", rest.raw)
	}
	s.must(http.StatusNotFound, get(bob, "/orders/"+restID))
}
