//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

// An order of several lines, two of them of one SKU, is confirmed; stock, money, views and history
// agree about it.
func TestOrderIsConfirmed(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 10_000)
	records, books := newStock(t, 10), newStock(t, 5)
	correlation := "e2e-" + ident.New()
	lines := onSale(t, line(records, 2, 1_250), line(books, 1, 999), line(records, 3, 1_250))
	const total = 2*1_250 + 999 + 3*1_250

	a := send(t, post(c.token, "/orders", anOrder(lines...)).with("X-Correlation-ID", correlation))
	if a.status != http.StatusAccepted {
		t.Fatal(a)
	}
	placed := decode[order](t, a.body)
	if a.header.Get("Location") != "/orders/"+placed.ID || a.header.Get("ETag") != `"1"` ||
		a.header.Get("X-Correlation-ID") != correlation {
		t.Errorf("headers are %v", a.header)
	}
	if placed.Status != "placed" || placed.Saga.State != "pending" || placed.Total != usd(total) ||
		placed.CustomerID != c.id || placed.AccountID != c.account {
		t.Errorf("accepted was %+v", placed)
	}

	got := c.ends(t, placed.ID, "confirmed")
	if got.Payment == nil || got.Payment.ID == "" || got.Shipment == nil || got.Shipment.ID == "" ||
		got.Shipment.TrackingNumber == "" {
		t.Fatalf("payment %+v, shipment %+v", got.Payment, got.Shipment)
	}
	if got.Cancellation != nil || !cmp.Equal(got.Lines, lines) || got.ShippingAddress == nil ||
		got.ShippingAddress.City != "Amsterdam" {
		t.Errorf("the order is %+v", got)
	}
	checkStock(t, records, shop.Stock{OnHand: 10, Available: 5, Reserved: 5})
	checkStock(t, books, shop.Stock{OnHand: 5, Available: 4, Reserved: 1})
	if balance := c.balance(t); balance != 10_000-total {
		t.Errorf("balance is %d", balance)
	}

	s := c.counts(t, 1, 0)
	if !slices.Equal(s.ConfirmedTotal, []money.Money{usd(total)}) || s.ByStatus["confirmed"] != 1 {
		t.Errorf("statistics are %+v", s)
	}
	listed := c.orders(t, "?status=confirmed")
	if len(listed.Orders) != 1 || listed.Orders[0].ID != got.ID || listed.Orders[0].Total != usd(total) ||
		listed.Orders[0].LineCount != 3 ||
		listed.Orders[0].TrackingNumber != got.Shipment.TrackingNumber {
		t.Errorf("listed is %+v", listed)
	}

	history := c.history(t, got.ID)
	if types(history) != "order.placed order.started order.confirmed" {
		t.Fatalf("history is %s", types(history))
	}
	for i, e := range history {
		if e.Sequence != int64(i+1) || e.CorrelationID != correlation || e.CausationID == "" {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if first, last := history[0].CausationID, history[2].CausationID; !strings.HasPrefix(first, "http/") ||
		!strings.HasPrefix(last, got.Saga.ID+"/") {
		t.Errorf("placed is caused by %s, confirmed by %s; the saga is %s", first, last, got.Saga.ID)
	}
	// The correlation id names all that followed, in every stream; the shipment's second commit
	// says that it is prepared.
	want := map[string]int{"order": 3, "reservation": 1, "payment": 1, "account": 1, "shipment": 2}
	eventually(t, fmt.Sprintf("commits by category are %v", want), func() (map[string]int, bool) {
		got := categories(commits(t, correlation))
		return got, maps.Equal(got, want)
	})
}

// Who waits for an order has its end from one request, and news of it from the next.
func TestOrderIsWatched(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	id := c.place(t, line(newStock(t, 5), 1, 1)).ID
	path := "/orders/" + id + "?wait=10"
	confirmed := eventually(t, "order "+id+" is through", func() (answer, bool) {
		a := send(t, get(c.token, path))
		return a, decode[order](t, a.body).Saga.State == "completed"
	})
	tag := confirmed.header.Get("ETag")
	same := send(t, get(c.token, "/orders/"+id+"?wait=1").with("If-None-Match", tag))
	if same.status != http.StatusNotModified || len(same.body) > 0 || same.header.Get("ETag") != tag {
		t.Errorf("nothing happened: %s with %v", same, same.header)
	}
	cancelling := send(t, post(c.token, "/orders/"+id+"/cancel", object{}))
	if cancelling.status != http.StatusAccepted {
		t.Fatal(cancelling)
	}
	tag = cancelling.header.Get("ETag")
	if a := send(t, get(c.token, path).with("If-None-Match", tag)); a.status != http.StatusOK ||
		a.header.Get("ETag") == tag {
		t.Errorf("undone meanwhile: %s with %v", a, a.header)
	}
	if a := send(t, get(newCustomer(t, 0).token, path)); a.status != http.StatusNotFound {
		t.Errorf("a stranger: %s", a)
	}
}

// The list has the newest order first, page by page, and by status.
func TestOrdersAreListed(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	sku := newStock(t, 100)
	var confirmed, all []string
	for i := range 5 {
		quantity := int64(1)
		if i == 2 {
			quantity = 1_000 // more than there are
		}
		all = append(all, c.place(t, line(sku, quantity, 1)).ID)
	}
	for i, id := range all {
		if i == 2 {
			c.ends(t, id, "cancelled")
			continue
		}
		c.ends(t, id, "confirmed")
		confirmed = append(confirmed, id)
	}
	c.counts(t, 4, 1)
	slices.Reverse(all)
	slices.Reverse(confirmed)

	walk := func(query string) [][]string {
		var pages [][]string
		for p := c.orders(t, query); ; p = c.orders(t, query+"&cursor="+p.Next) {
			pages = append(pages, p.ids())
			if p.Next == "" {
				return pages
			}
		}
	}
	for _, w := range []struct {
		query string
		want  [][]string
	}{
		{"?limit=100", [][]string{all}},
		{"?limit=2", [][]string{all[:2], all[2:4], all[4:]}},
		{"?status=confirmed&limit=3", [][]string{confirmed[:3], confirmed[3:]}},
		{"?status=cancelled", [][]string{all[2:3]}},
		{"?status=shipped", [][]string{{}}},
	} {
		if diff := cmp.Diff(w.want, walk(w.query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", w.query, diff)
		}
	}
}

// An order that breaks a rule of the business ends cancelled for that reason, and everything that
// was done for it is undone.
func TestOrderIsCancelled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		lines  func(sku string) []shop.Line // of an article with 10 pieces, for a customer with 100 dollars
		change func(order object)
		reason string
		past   []string // categories in which something was done and undone
	}{
		{
			"out of stock", func(sku string) []shop.Line { return []shop.Line{line(sku, 11, 100)} }, nil,
			"stock.insufficient", nil,
		},
		{
			"out of stock on two lines together",
			func(sku string) []shop.Line { return []shop.Line{line(sku, 6, 100), line(sku, 5, 100)} },
			nil, "stock.insufficient", nil,
		},
		{
			"article that nobody counted",
			func(string) []shop.Line { return []shop.Line{line("e2e-"+ident.New(), 1, 100)} }, nil,
			"stock.insufficient", nil,
		},
		{
			"country that is not served", func(sku string) []shop.Line { return []shop.Line{line(sku, 2, 100)} },
			func(o object) {
				o["shippingAddress"] = shop.Address{
					Recipient: "Test Person", Line1: "1 Test Street", PostalCode: "1", City: "McMurdo", Country: "AQ",
				}
			},
			"shipment.country-not-served", []string{"reservation", "payment"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			buyer := newCustomer(t, 10_000)
			sku := newStock(t, 10)
			body := anOrder(onSale(t, c.lines(sku)...)...)
			if c.change != nil {
				c.change(body)
			}
			correlation := "e2e-" + ident.New()
			placed := must[order](
				t, http.StatusAccepted, post(buyer.token, "/orders", body).with("X-Correlation-ID", correlation),
			)

			got := buyer.ends(t, placed.ID, "cancelled")
			if got.Cancellation == nil || got.Cancellation.Reason != c.reason || got.Cancellation.By != "saga" ||
				got.Cancellation.Detail == "" {
				t.Errorf("cancellation is %+v, want %s", got.Cancellation, c.reason)
			}
			if got.Payment != nil || got.Shipment != nil {
				t.Errorf("payment %+v, shipment %+v", got.Payment, got.Shipment)
			}
			if h := types(buyer.history(
				t, got.ID,
			)); h != "order.placed order.started order.cancelling order.cancelled" {
				t.Errorf("history is %s", h)
			}
			checkStock(t, sku, shop.Stock{OnHand: 10, Available: 10})
			if balance := buyer.balance(t); balance != 10_000 {
				t.Errorf("balance is %d", balance)
			}
			if s := buyer.counts(t, 0, 1); s.CancelledByReason[c.reason] != 1 || len(s.ConfirmedTotal) != 0 {
				t.Errorf("statistics are %+v", s)
			}
			written := categories(commits(t, correlation))
			for _, category := range c.past {
				if written[category] != 2 {
					t.Errorf("%d commits of %s, want it done and undone", written[category], category)
				}
			}
		})
	}
}

// An order that costs nothing needs no money, and moves none.
func TestOrderForNothingIsConfirmed(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 0)
	sku := newStock(t, 1)
	got := c.ends(t, c.place(t, line(sku, 1, 0)).ID, "confirmed")
	if got.Payment == nil || got.Total != usd(0) {
		t.Errorf("the order is %+v", got)
	}
	if account := must[object](t, http.StatusOK, get(c.token, "/accounts/"+c.account)); account["version"] != 1.0 {
		t.Errorf("the account has moved: %v", account)
	}
	checkStock(t, sku, shop.Stock{OnHand: 1, Reserved: 1})
}

// A customer cancels at once, while the saga works, or after it is through: either way all is as it
// was before.
func TestCustomerCancels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		wait func(order) bool
	}{
		{"right after placing", func(order) bool { return true }},
		{"while the saga works", func(o order) bool { return o.Saga.State != "pending" }},
		{"after it is confirmed", func(o order) bool { return o.Status == "confirmed" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			buyer := newCustomer(t, 5_000)
			sku := newStock(t, 4)
			placed := buyer.place(t, line(sku, 3, 700))
			eventually(t, c.name, func() (order, bool) {
				o := buyer.order(t, placed.ID)
				return o, c.wait(o)
			})

			cancel := post(buyer.token, "/orders/"+placed.ID+"/cancel", object{"reason": "changed my mind"})
			a := send(t, cancel)
			if a.status != http.StatusAccepted || a.header.Get("Location") != "/orders/"+placed.ID {
				t.Fatal(a)
			}
			if o := decode[order](t, a.body); o.Status != "cancelling" || o.Saga.State != "compensating" {
				t.Errorf("the answer is %+v", o)
			}
			got := buyer.ends(t, placed.ID, "cancelled")
			if got.Cancellation == nil || got.Cancellation.Reason != "customer.request" ||
				got.Cancellation.By != "customer" || got.Cancellation.Note != "changed my mind" {
				t.Errorf("cancellation is %+v", got.Cancellation)
			}
			// A fulfilling run that was under way may have reserved or charged before it met the
			// end of the order; it undoes that itself.
			eventually(t, "stock and money are back", func() (shop.Stock, bool) {
				s := must[shop.Stock](t, http.StatusOK, get(stack.operator, "/stock/"+sku))
				return s, s == shop.Stock{OnHand: 4, Available: 4} && buyer.balance(t) == 5_000
			})
			buyer.counts(t, 0, 1)

			// Again with the same key, with another, and by an operator: the order stays as it is.
			before := types(buyer.history(t, got.ID))
			for _, again := range []request{
				cancel, post(buyer.token, "/orders/"+placed.ID+"/cancel", object{}),
				post(stack.operator, "/orders/"+placed.ID+"/cancel", object{"reason": "late"}),
			} {
				if o := must[order](t, http.StatusAccepted, again); o.Status != "cancelled" ||
					o.Version != got.Version || o.Cancellation.Reason != "customer.request" {
					t.Errorf("cancelled again, the order is %+v", o)
				}
			}
			if after := types(buyer.history(t, got.ID)); after != before {
				t.Errorf("history was %s and is %s", before, after)
			}
		})
	}
}

// Of two who want the last piece one gets it.
func TestLastPieceIsSoldOnce(t *testing.T) {
	t.Parallel()
	sku := newStock(t, 1)
	racers := []customer{newCustomer(t, 1_000), newCustomer(t, 1_000)}
	placed := make([]order, len(racers))
	inParallel(len(racers), func(i int) { placed[i] = racers[i].place(t, line(sku, 1, 1_000)) })
	count := map[string]int{}
	for i, c := range racers {
		got := eventually(t, "order "+placed[i].ID, func() (order, bool) {
			o := c.order(t, placed[i].ID)
			return o, o.Saga.State == "completed"
		})
		count[got.Status]++
		switch got.Status {
		case "confirmed":
			if balance := c.balance(t); balance != 0 {
				t.Errorf("who got it has %d left", balance)
			}
		case "cancelled":
			if got.Cancellation.Reason != "stock.insufficient" || c.balance(t) != 1_000 {
				t.Errorf("who did not get it: %+v, balance %d", got.Cancellation, c.balance(t))
			}
		}
	}
	if count["confirmed"] != 1 || count["cancelled"] != 1 {
		t.Errorf("they end %v", count)
	}
	checkStock(t, sku, shop.Stock{OnHand: 1, Reserved: 1})
}
