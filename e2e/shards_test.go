//go:build e2e

package e2e_test

import (
	"net/http"
	"testing"

	"orderflow/cmd/orderflow/shop"
)

// A SKU that is split sells out exactly: also to an order that wants more than any shard has.
func TestSplitSKU(t *testing.T) {
	t.Parallel()
	type split struct {
		shop.Stock
		Version, Shards int64
	}
	sku := newStock(t, 8)
	shards := func(token string, n int) request {
		return request{
			method: http.MethodPut, path: "/stock/" + sku + "/shards", token: token, body: object{"shards": n},
		}
	}
	one, many, none := newCustomer(t, 10_000), newCustomer(t, 10_000), newCustomer(t, 10_000)
	before := must[split](t, http.StatusOK, get(stack.operator, "/stock/"+sku))
	got := must[split](t, http.StatusOK, shards(stack.operator, 4))
	if got.Shards != 4 || got.Version != before.Version || got.Stock != before.Stock {
		t.Errorf("split, it is %+v, and was %+v", got, before)
	}
	many.ends(t, many.place(t, line(sku, 5, 700)).ID, "confirmed")
	cancelled := one.place(t, line(sku, 2, 700))
	one.ends(t, cancelled.ID, "confirmed")
	if o := none.ends(t, none.place(t, line(sku, 2, 700)).ID, "cancelled"); o.Cancellation == nil ||
		o.Cancellation.Reason != "stock.insufficient" {
		t.Errorf("of one piece, two were refused with %+v", o.Cancellation)
	}
	must[order](t, http.StatusAccepted, post(one.token, "/orders/"+cancelled.ID+"/cancel", object{}))
	one.ends(t, cancelled.ID, "cancelled")
	none.ends(t, none.place(t, line(sku, 3, 700)).ID, "confirmed")
	if got := must[split](t, http.StatusOK, shards(stack.operator, 1)); got.Shards != 0 ||
		got.Stock != (shop.Stock{OnHand: 8, Reserved: 8}) {
		t.Errorf("in the end it is %+v", got)
	}
	if a := send(t, shards(one.token, 2)); a.status != http.StatusForbidden {
		t.Error(a)
	}
	if a := send(t, shards(stack.operator, 17)); a.status != http.StatusBadRequest {
		t.Error(a)
	}
}
