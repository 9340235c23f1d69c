//go:build e2e

package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"orderflow/cmd/orderflow/shop"
)

// The stack's PaymentMinutes and HoldMinutes, and how much later than that the clocks of the saga's
// machine and of the functions may say it is.
const (
	waitsFor = time.Minute
	slack    = time.Minute
)

// waits waits until the order waits so.
func (c customer) waits(t *testing.T, id, status string) order {
	t.Helper()
	got := eventually(t, "order "+id+" "+status, func() (order, bool) {
		o := c.order(t, id)
		return o, o.Status == status || o.Status == "cancelled"
	})
	if got.Status != status || got.Wait == nil {
		t.Fatalf("order %s is %s, want %s: %+v", id, got.Status, status, got.Cancellation)
	}
	return got
}

// between is the time from an order's first event of one type to its first of another.
func between(t *testing.T, history []event, from, to string) time.Duration {
	t.Helper()
	at := map[string]time.Time{}
	for _, e := range history {
		if _, seen := at[e.Type]; !seen {
			at[e.Type] = e.Time
		}
	}
	if at[from].IsZero() || at[to].IsZero() {
		t.Fatalf("history is %s", types(history))
	}
	return at[to].Sub(at[from])
}

// An order whose payment is declined waits with its stock reserved, and is cancelled at its
// deadline.
func TestUnpaidOrderExpires(t *testing.T) {
	t.Parallel()
	buyer, sku := newCustomer(t, 99), newStock(t, 10)
	id := buyer.place(t, line(sku, 2, 50)).ID
	got := buyer.waits(t, id, "payment-required")
	if got.Wait.For != "payment" || got.Wait.Code != "account.insufficient-funds" {
		t.Errorf("waits for %+v", got.Wait)
	}
	checkStock(t, sku, shop.Stock{OnHand: 10, Available: 8, Reserved: 2})
	got = buyer.ends(t, id, "cancelled")
	if got.Cancellation.Reason != "order.expired" || got.Cancellation.By != "saga" || got.Wait != nil {
		t.Errorf("cancelled %+v, waits for %+v", got.Cancellation, got.Wait)
	}
	history := buyer.history(t, id)
	if h := types(history); h !=
		"order.placed order.started order.payment-required order.cancelling order.cancelled" {
		t.Errorf("history is %s", h)
	}
	if took := between(t, history, "order.started", "order.cancelling"); took < waitsFor || took > waitsFor+slack {
		t.Errorf("closed after %s", took)
	}
	checkStock(t, sku, shop.Stock{OnHand: 10, Available: 10})
	if balance := buyer.balance(t); balance != 99 {
		t.Errorf("balance is %d", balance)
	}
}

// A declined payment is tried again after a deposit, once for a request that comes twice. Another
// try that is declined leaves the order as it waits.
func TestOrderIsPaidAgain(t *testing.T) {
	t.Parallel()
	buyer, sku := newCustomer(t, 99), newStock(t, 10)
	id := buyer.place(t, line(sku, 2, 50)).ID
	buyer.waits(t, id, "payment-required")
	pay := func(key string) request {
		return post(buyer.token, "/orders/"+id+"/payment", object{}).with("Idempotency-Key", key)
	}
	must[order](t, http.StatusAccepted, pay("first"))
	again := eventually(t, "declined again", func() (string, bool) {
		h := types(buyer.history(t, id))
		return h, strings.Count(h, "order.payment-required") == 2
	})
	if strings.Contains(again, "cancel") {
		t.Errorf("history is %s", again)
	}
	buyer.deposit(t, 1)
	must[order](t, http.StatusAccepted, pay("second"))
	must[order](t, http.StatusAccepted, pay("second"))
	got := buyer.ends(t, id, "confirmed")
	if got.Payment == nil || buyer.balance(t) != 0 {
		t.Errorf("paid %+v, balance %d", got.Payment, buyer.balance(t))
	}
	if h := types(buyer.history(t, id)); strings.Count(h, "order.payment-requested") != 2 {
		t.Errorf("history is %s", h)
	}
	refused(t, http.StatusConflict, "order.not-waiting", pay("third"))
	checkStock(t, sku, shop.Stock{OnHand: 10, Available: 8, Reserved: 2})
}

// A customer cancels while the order waits: it ends at once.
func TestUnpaidOrderIsCancelled(t *testing.T) {
	t.Parallel()
	buyer, sku := newCustomer(t, 99), newStock(t, 10)
	id := buyer.place(t, line(sku, 2, 50)).ID
	buyer.waits(t, id, "payment-required")
	must[order](t, http.StatusAccepted, post(buyer.token, "/orders/"+id+"/cancel", object{}))
	if got := buyer.ends(t, id, "cancelled"); got.Cancellation.Reason != "customer.request" {
		t.Errorf("cancelled %+v", got.Cancellation)
	}
	if took := between(
		t, buyer.history(t, id), "order.started", "order.cancelled",
	); took >= waitsFor {
		t.Errorf("cancelled after %s", took)
	}
	checkStock(t, sku, shop.Stock{OnHand: 10, Available: 10})
}

// An order that matches a rule waits for an operator before anything is reserved, and is cancelled
// at its deadline where nobody decides.
func TestOrderIsHeld(t *testing.T) {
	t.Parallel()
	why := object{"reason": "known to us"}
	for _, c := range []struct {
		name, decision, ends, reason string
	}{
		{"approved", "approve", "confirmed", ""}, {"declined", "decline", "cancelled", "order.declined"},
		{"left alone", "", "cancelled", "order.expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			buyer, sku := newCustomer(t, 1_000), newStock(t, 10)
			body := with(anOrder(onSale(t, line(sku, 2, 50))...), "shippingAddress", shop.Address{
				Recipient: "Test Person", Line1: "1 Test Street", PostalCode: "1111", City: "Luxembourg", Country: "LU",
			})
			id := must[order](t, http.StatusAccepted, post(buyer.token, "/orders", body)).ID
			buyer.waits(t, id, "held")
			checkStock(t, sku, shop.Stock{OnHand: 10, Available: 10})
			if c.decision != "" {
				refused(t, http.StatusForbidden, "auth.forbidden",
					post(buyer.token, "/orders/"+id+"/"+c.decision, why))
				must[order](t, http.StatusAccepted, post(stack.operator, "/orders/"+id+"/"+c.decision, why))
			}
			got := buyer.ends(t, id, c.ends)
			switch {
			case c.reason == "" && (got.Approval == nil || got.Approval.Note != "known to us"):
				t.Errorf("approved by %+v", got.Approval)
			case c.reason != "" && got.Cancellation.Reason != c.reason:
				t.Errorf("cancelled %+v", got.Cancellation)
			}
		})
	}
}
