//go:build e2e

package e2e_test

import (
	"net/http"
	"testing"

	"orderflow/cmd/orderflow/shop"
)

// placeFor orders, and says what is to become of it where stock is short.
func (c customer) placeFor(t *testing.T, policy string, lines ...shop.Line) string {
	t.Helper()
	body := with(anOrder(onSale(t, lines...)...), "outOfStock", policy)
	return must[order](t, http.StatusAccepted, post(c.token, "/orders", body)).ID
}

// lacks compares what an order goes on without.
func lacks(t *testing.T, o order, rest string, want ...shop.Line) {
	t.Helper()
	missing := map[string]int64{}
	if o.Missing == nil || o.Missing.Rest != rest {
		t.Fatalf("the order goes on without %+v", o.Missing)
	}
	for _, l := range o.Missing.Items {
		missing[l.SKU] += l.Quantity
	}
	for _, l := range want {
		missing[l.SKU] -= l.Quantity
	}
	for sku, n := range missing {
		if n != 0 {
			t.Errorf("the order goes on without %+v: %d of %s too many", o.Missing, n, sku)
		}
	}
}

// What is there of an order is sent, and the rest is dropped: it is on no parcel, in no total, and
// nobody pays for it. What comes in later changes nothing, and a cancel gives back what was taken
// and no more.
func TestWhatIsThereIsSent(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	short, gone, ample := newStock(t, 3), newStock(t, 0), newStock(t, 9)
	id := c.placeFor(
		t, "partial-drop", line(short, 2, 100), line(gone, 1, 1_000), line(ample, 4, 50), line(short, 2, 100),
	)
	o, p := c.prepared(t, id)
	pieces := map[string]int64{}
	for _, l := range o.Lines {
		pieces[l.SKU] += l.Quantity
	}
	if len(o.Lines) != 3 || pieces[short] != 3 || pieces[ample] != 4 || o.Total != usd(500) {
		t.Errorf("the order is for %+v, %s", o.Lines, o.Total)
	}
	lacks(t, o, "dropped", shop.Line{SKU: short, Quantity: 1}, shop.Line{SKU: gone, Quantity: 1})
	packed := map[string]int64{}
	for _, i := range p.Items {
		packed[i.SKU] += i.Quantity
	}
	if len(packed) != 2 || packed[short] != 3 || packed[ample] != 4 {
		t.Errorf("packed %+v", p.Items)
	}
	if balance := c.balance(t); balance != 5_000-500 {
		t.Errorf("balance is %d", balance)
	}
	if h := types(c.history(t, id)); h != "order.placed order.started order.amended order.confirmed" {
		t.Errorf("history is %s", h)
	}
	mailbox := customerMailbox{c.id}
	mailbox.gets(t, "not in stock", "1 × "+short, "1 × "+gone, "USD 5.00")
	mailbox.gets(t, "was confirmed", "USD 5.00")
	restock(t, gone, 2)
	restock(t, short, 5)
	checkStock(t, gone, shop.Stock{OnHand: 2, Available: 2})
	checkStock(t, short, shop.Stock{OnHand: 5, Available: 2, Reserved: 3})
	must[order](t, http.StatusAccepted, post(c.token, "/orders/"+id+"/cancel", object{}))
	o = c.ends(t, id, "cancelled")
	lacks(t, o, "dropped", shop.Line{SKU: short, Quantity: 1}, shop.Line{SKU: gone, Quantity: 1})
	checkStock(t, gone, shop.Stock{OnHand: 2, Available: 2})
	checkStock(t, short, shop.Stock{OnHand: 5, Available: 5})
	checkStock(t, ample, shop.Stock{OnHand: 9, Available: 9})
	if balance := c.balance(t); balance != 5_000 {
		t.Errorf("balance is %d", balance)
	}
}

// The payment that is declined, and tried again, is of what is there.
func TestWhatIsThereIsPaidAgain(t *testing.T) {
	t.Parallel()
	c, sku := newCustomer(t, 100), newStock(t, 2)
	id := c.placeFor(t, "partial-drop", line(sku, 5, 100))
	o := c.waits(t, id, "payment-required")
	lacks(t, o, "dropped", shop.Line{SKU: sku, Quantity: 3})
	if o.Total != usd(200) {
		t.Errorf("%s are to be paid", o.Total)
	}
	c.deposit(t, 100)
	must[order](t, http.StatusAccepted, post(c.token, "/orders/"+id+"/payment", object{}))
	c.ends(t, id, "confirmed")
	if balance := c.balance(t); balance != 0 {
		t.Errorf("balance is %d", balance)
	}
}

// Where nothing is there, there is nothing to send: the order is cancelled. And a word that is none
// is refused by name.
func TestNothingIsThere(t *testing.T) {
	t.Parallel()
	c, sku := newCustomer(t, 1_000), newStock(t, 0)
	got := c.ends(t, c.placeFor(t, "partial-drop", line(sku, 1, 100)), "cancelled")
	if got.Cancellation.Reason != "stock.insufficient" || got.Missing != nil {
		t.Errorf("cancelled %+v, without %v", got.Cancellation, got.Missing)
	}
	if balance := c.balance(t); balance != 1_000 {
		t.Errorf("balance is %d", balance)
	}
	p := refused(t, http.StatusBadRequest, "request.invalid",
		post(c.token, "/orders", with(anOrder(line(sku, 1, 100)), "outOfStock", "partial")))
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.outOfStock" {
		t.Errorf("refused %+v", p.Errors)
	}
}

// What is not there waits as an order of its own, from when the first is confirmed: each names the
// other, both come to what was ordered, and each is paid and sent by itself.
func TestRestWaits(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	short, gone := newStock(t, 3), newStock(t, 0)
	id := c.placeFor(t, "partial-wait", line(short, 5, 100), line(gone, 1, 1_000))
	first := c.ends(t, id, "confirmed")
	lacks(t, first, "waits", shop.Line{SKU: short, Quantity: 2}, shop.Line{SKU: gone, Quantity: 1})
	if balance := c.balance(t); first.Total != usd(300) || balance != 5_000-300 {
		t.Errorf("the order comes to %s, balance is %d", first.Total, balance)
	}
	rest := c.waits(t, first.Missing.OrderID, "backordered")
	if rest.RestOf != id || rest.Total != usd(1_200) || len(rest.Lines) != 2 || rest.AccountID != first.AccountID ||
		*rest.ShippingAddress != *first.ShippingAddress || rest.Missing != nil {
		t.Errorf("the rest is %+v", rest)
	}
	belongs(t, c.history(t, rest.ID), c.history(t, id)[0].CorrelationID)
	mailbox := customerMailbox{c.id}
	mailbox.gets(t, "not in stock", "2 × "+short, "1 × "+gone, "USD 3.00", "an order of its own")
	mailbox.gets(t, "The rest of your order", "USD 12.00")
	restock(t, short, 5)
	checkStock(t, short, shop.Stock{OnHand: 5, Available: 2, Reserved: 3})
	restock(t, gone, 1)
	c.ends(t, rest.ID, "confirmed")
	checkStock(t, short, shop.Stock{OnHand: 5, Reserved: 5})
	if balance := c.balance(t); balance != 5_000-1_500 {
		t.Errorf("balance is %d", balance)
	}
	if list := c.orders(t, ""); len(list.ids()) != 2 {
		t.Errorf("the customer's orders are %v", list.ids())
	}
	if h := types(c.history(t, id)); h != "order.placed order.started order.amended order.confirmed" {
		t.Errorf("history is %s", h)
	}
}

// Who cancels the order cancels the rest of it, which waits; and whose order is cancelled before it
// is confirmed has no rest.
func TestRestIsCancelledWithItsOrder(t *testing.T) {
	t.Parallel()
	c, sku := newCustomer(t, 500), newStock(t, 1)
	id := c.placeFor(t, "partial-wait", line(sku, 3, 100))
	rest := c.waits(t, c.ends(t, id, "confirmed").Missing.OrderID, "backordered")
	must[order](t, http.StatusAccepted, post(c.token, "/orders/"+id+"/cancel", object{"reason": "too late"}))
	c.ends(t, id, "cancelled")
	if got := c.ends(t, rest.ID, "cancelled"); got.Cancellation.Reason != "customer.request" ||
		got.Cancellation.Note != "too late" {
		t.Errorf("the rest is cancelled %+v", got.Cancellation)
	}
	restock(t, sku, 4)
	checkStock(t, sku, shop.Stock{OnHand: 4, Available: 4})

	poor := newCustomer(t, 50)
	unpaid := poor.placeFor(t, "partial-wait", line(sku, 6, 100))
	got := poor.waits(t, unpaid, "payment-required")
	lacks(t, got, "waits", shop.Line{SKU: sku, Quantity: 2})
	if got.Missing.OrderID != "" {
		t.Errorf("there is a rest of what is not confirmed: %+v", got.Missing)
	}
	must[order](t, http.StatusAccepted, post(poor.token, "/orders/"+unpaid+"/cancel", object{}))
	poor.ends(t, unpaid, "cancelled")
	if list := poor.orders(t, ""); len(list.ids()) != 1 {
		t.Errorf("the customer's orders are %v", list.ids())
	}
	checkStock(t, sku, shop.Stock{OnHand: 4, Available: 4})
}

// Where nothing is there, all of the order waits, and nothing is divided.
func TestAllOfItWaits(t *testing.T) {
	t.Parallel()
	c, sku := newCustomer(t, 500), newStock(t, 0)
	id := c.placeFor(t, "partial-wait", line(sku, 2, 100))
	if got := c.waits(t, id, "backordered"); got.Missing != nil {
		t.Errorf("it goes on without %+v", got.Missing)
	}
	restock(t, sku, 2)
	if got := c.ends(t, id, "confirmed"); got.Missing != nil || got.Total != usd(200) {
		t.Errorf("it is for %+v, without %+v", got.Lines, got.Missing)
	}
}
