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
func lacks(t *testing.T, o order, want ...shop.Line) {
	t.Helper()
	missing := map[string]int64{}
	if o.Missing == nil || o.Missing.Rest != "dropped" {
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
	lacks(t, o, shop.Line{SKU: short, Quantity: 1}, shop.Line{SKU: gone, Quantity: 1})
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
	lacks(t, c.ends(t, id, "cancelled"), shop.Line{SKU: short, Quantity: 1}, shop.Line{SKU: gone, Quantity: 1})
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
	lacks(t, o, shop.Line{SKU: sku, Quantity: 3})
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
