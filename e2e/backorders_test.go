//go:build e2e

package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"orderflow/cmd/orderflow/shop"
)

// placeAndWait orders with the wish to wait where there is too little of it.
func (c customer) placeAndWait(t *testing.T, lines ...shop.Line) string {
	t.Helper()
	body := with(anOrder(onSale(t, lines...)...), "outOfStock", "backorder")
	return must[order](t, http.StatusAccepted, post(c.token, "/orders", body)).ID
}

// restock counts a SKU of which so many are on hand by then.
func restock(t *testing.T, sku string, onHand int64) {
	t.Helper()
	a := send(t, get(stack.operator, "/stock/"+sku))
	must[object](t, http.StatusOK, request{
		method: http.MethodPut, path: "/stock/" + sku, token: stack.operator, body: object{"onHand": onHand},
	}.with("If-Match", a.header.Get("ETag")))
}

// places are where an order stands, by what it waits for.
func (c customer) places(t *testing.T, id string) map[string]int64 {
	t.Helper()
	places := map[string]int64{}
	if o := c.order(t, id); o.Wait != nil {
		for _, q := range o.Wait.Queue {
			places[q.SKU] = q.Place
		}
	}
	return places
}

// What comes in goes to the orders that wait for it, the first that came first, and each knows its
// place until then.
func TestBackordersAreFilledInOrder(t *testing.T) {
	t.Parallel()
	sku := newStock(t, 1)
	var buyers []customer
	var ids []string
	for range 3 {
		buyer := newCustomer(t, 1_000)
		id := buyer.placeAndWait(t, line(sku, 1, 50), line(sku, 1, 50)) // two lines of one article
		got := buyer.waits(t, id, "backordered")
		if got.Wait.For != "stock" || len(got.Wait.Items) != 1 || got.Wait.Items[0].Quantity != 2 {
			t.Errorf("waits for %+v", got.Wait)
		}
		buyers, ids = append(buyers, buyer), append(ids, id)
		if place := buyer.places(t, id)[sku]; place != int64(len(ids)) {
			t.Errorf("order %d is told place %d", len(ids), place)
		}
	}
	checkStock(t, sku, shop.Stock{OnHand: 1, Available: 1})
	restock(t, sku, 3)
	buyers[0].ends(t, ids[0], "confirmed")
	if place := buyers[2].places(t, ids[2])[sku]; place != 2 {
		t.Errorf("the last is told place %d", place)
	}
	checkStock(t, sku, shop.Stock{OnHand: 3, Available: 1, Reserved: 2})
	restock(t, sku, 7)
	for i := range 2 {
		buyers[i+1].ends(t, ids[i+1], "confirmed")
	}
	checkStock(t, sku, shop.Stock{OnHand: 7, Available: 1, Reserved: 6})
	if h := types(buyers[0].history(t, ids[0])); h !=
		"order.placed order.started order.backordered order.started order.confirmed" {
		t.Errorf("history is %s", h)
	}
	customerMailbox{buyers[0].id}.gets(t, "waits for stock", sku)
}

// An order that waits can be cancelled, and nobody behind it waits for it any more.
func TestBackorderIsCancelled(t *testing.T) {
	t.Parallel()
	first, second, sku := newCustomer(t, 1_000), newCustomer(t, 1_000), newStock(t, 1)
	large := first.placeAndWait(t, line(sku, 5, 50))
	first.waits(t, large, "backordered")
	small := second.placeAndWait(t, line(sku, 2, 50))
	second.waits(t, small, "backordered")
	must[order](t, http.StatusAccepted, post(first.token, "/orders/"+large+"/cancel", object{}))
	if got := first.ends(t, large, "cancelled"); got.Cancellation.Reason != "customer.request" {
		t.Errorf("cancelled %+v", got.Cancellation)
	}
	if place := second.places(t, small)[sku]; place != 1 {
		t.Errorf("the second is told place %d", place)
	}
	restock(t, sku, 2)
	second.ends(t, small, "confirmed")
	checkStock(t, sku, shop.Stock{OnHand: 2, Reserved: 2})
}

// A cancelled order's pieces go to those that wait for them.
func TestReleasedStockFillsABackorder(t *testing.T) {
	t.Parallel()
	first, second, sku := newCustomer(t, 1_000), newCustomer(t, 1_000), newStock(t, 2)
	id := first.place(t, line(sku, 2, 50)).ID
	first.ends(t, id, "confirmed")
	waiting := second.placeAndWait(t, line(sku, 2, 50))
	second.waits(t, waiting, "backordered")
	must[order](t, http.StatusAccepted, post(first.token, "/orders/"+id+"/cancel", object{}))
	second.ends(t, waiting, "confirmed")
	first.ends(t, id, "cancelled")
	checkStock(t, sku, shop.Stock{OnHand: 2, Reserved: 2})
}

// An order waits no longer than its deadline, and leaves the line then.
func TestBackorderExpires(t *testing.T) {
	t.Parallel()
	buyer, sku := newCustomer(t, 1_000), newStock(t, 1)
	id := buyer.placeAndWait(t, line(sku, 2, 50))
	buyer.waits(t, id, "backordered")
	got := buyer.ends(t, id, "cancelled")
	if got.Cancellation.Reason != "order.expired" || got.Cancellation.By != "saga" || got.Wait != nil {
		t.Errorf("cancelled %+v, waits for %+v", got.Cancellation, got.Wait)
	}
	history := buyer.history(t, id)
	if took := between(
		t, history, "order.backordered", "order.cancelling",
	); took < waitsFor-slack || took > waitsFor+slack {
		t.Errorf("closed after %s", took)
	}
	restock(t, sku, 2)
	checkStock(t, sku, shop.Stock{OnHand: 2, Available: 2})
	if balance := buyer.balance(t); balance != 1_000 {
		t.Errorf("balance is %d", balance)
	}
}

// The products say what becomes of an order, the strictest of them, unless the order does.
func TestOutOfStockPolicy(t *testing.T) {
	t.Parallel()
	patient, strict, lenient := newStock(t, 0), newStock(t, 0), newStock(t, 1)
	for sku, policy := range map[string]string{patient: "backorder", strict: "reject", lenient: "partial-drop"} {
		must[object](t, http.StatusOK, request{
			method: http.MethodPut, path: "/products/" + sku, token: stack.operator,
			body: object{"prices": []object{price(50)}, "outOfStock": policy},
		}.with("If-None-Match", "*"))
	}
	placed := func(policy string, skus ...string) (customer, string) {
		buyer := newCustomer(t, 1_000)
		lines := make([]object, len(skus))
		for i, sku := range skus {
			lines[i] = object{"sku": sku, "quantity": 2, "unitPrice": usd(50)}
		}
		body := with(anOrder(), "lines", lines)
		if policy != "" {
			body = with(body, "outOfStock", policy)
		}
		return buyer, must[order](t, http.StatusAccepted, post(buyer.token, "/orders", body)).ID
	}
	for _, c := range []struct {
		policy, ends string
		skus         []string
	}{
		{"", "backordered", []string{patient}},
		{"", "cancelled", []string{strict}},
		{"", "cancelled", []string{patient, strict}},
		{"backorder", "backordered", []string{patient, strict}},
		{"reject", "cancelled", []string{patient}},
		{"", "backordered", []string{lenient, patient}},
		{"reject", "cancelled", []string{lenient}},
		{"", "confirmed", []string{lenient}},
	} {
		buyer, id := placed(c.policy, c.skus...)
		if c.ends == "backordered" {
			buyer.waits(t, id, c.ends)
			must[order](t, http.StatusAccepted, post(buyer.token, "/orders/"+id+"/cancel", object{}))
			continue
		}
		got := buyer.ends(t, id, c.ends)
		if c.ends == "confirmed" {
			lacks(t, got, "dropped", shop.Line{SKU: lenient, Quantity: 1})
			continue
		}
		if got.Cancellation.Reason != "stock.insufficient" || slices.ContainsFunc(c.skus, func(sku string) bool {
			return !strings.Contains(got.Cancellation.Detail, sku)
		}) {
			t.Errorf("cancelled %+v", got.Cancellation)
		}
	}
}
