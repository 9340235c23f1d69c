package httpapi_test

import (
	"net/http"
	"testing"

	"orderflow/shared/shop/goods"
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
