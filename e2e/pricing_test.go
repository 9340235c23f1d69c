//go:build e2e

package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

// reprice sets what an article costs, in place of the version that it has.
func reprice(t *testing.T, sku, version string, body object) {
	t.Helper()
	put := request{method: http.MethodPut, path: "/products/" + sku, token: stack.operator, body: body}
	must[object](t, http.StatusOK, put.with("If-Match", version))
}

func unpriced(sku string, quantity int64) shop.Line { return shop.Line{SKU: sku, Quantity: quantity} }

// The catalogue names the prices: nobody gets anything at another one, and an order keeps those
// that it was placed at.
func TestCatalogueNamesThePrices(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 10_000)
	sku, other := newStock(t, 10), newStock(t, 10)
	onSale(t, line(sku, 1, 1_250), line(other, 1, 999))
	key := "e2e-" + ident.New()
	place := func(lines ...shop.Line) request {
		return post(c.token, "/orders", with(anOrder(lines...), "currency", "USD")).with("Idempotency-Key", key)
	}
	refusals := []struct {
		name     string
		as       request
		status   int
		code     string
		location string
	}{
		{
			"for nothing", place(line(sku, 1, 0), line(other, 1, 999)), 409, "order.price-changed",
			"body.lines[0].unitPrice",
		},
		{
			"for less, by an operator", post(
				stack.operator, "/orders", with(anOrder(line(sku, 1, 1)), "customerId", c.id),
			),
			409, "order.price-changed", "body.lines[0].unitPrice",
		},
		{
			"what nobody lists", place(line(sku, 1, 1_250), line("e2e-"+ident.New(), 1, 1)),
			422, "order.not-for-sale", "body.lines[1].sku",
		},
		{
			"in another currency", post(c.token, "/orders", with(anOrder(unpriced(sku, 1)), "currency", "EUR")),
			422, "order.not-for-sale", "body.lines[0].sku",
		},
		{
			"in no currency", post(c.token, "/orders", anOrder(unpriced(sku, 1))),
			400, "order.currency-missing", "body.currency",
		},
	}
	for _, r := range refusals {
		p := refused(t, r.status, r.code, r.as)
		if len(p.Errors) != 1 || p.Errors[0].Location != r.location {
			t.Errorf("%s: the problem is %+v", r.name, p)
		}
	}
	// The key is still free.
	good := place(unpriced(sku, 2), line(other, 1, 999))
	first := must[order](t, http.StatusAccepted, good)
	if first.Total != usd(3_499) || first.PricedBy != "catalogue" {
		t.Errorf("placed is %+v", first)
	}
	reprice(t, sku, `"1"`, object{"prices": []money.Money{usd(2_000)}})
	reprice(t, other, `"1"`, object{"withdrawn": true})
	if again := must[order](t, http.StatusAccepted, good); again.ID != first.ID || again.Total != usd(3_499) {
		t.Errorf("sent again it is %+v", again)
	}
	now := func(l shop.Line) request { return post(c.token, "/orders", anOrder(l)) }
	changed := refused(t, http.StatusConflict, "order.price-changed", now(line(sku, 1, 1_250)))
	if len(changed.Lines) != 1 || changed.Lines[0].SKU != sku || changed.Lines[0].UnitPrice != usd(2_000) {
		t.Errorf("the problem is %+v", changed)
	}
	refused(t, http.StatusUnprocessableEntity, "order.not-for-sale", now(line(other, 1, 999)))
	c.ends(t, first.ID, "confirmed")
	if balance := c.balance(t); balance != 10_000-3_499 {
		t.Errorf("balance is %d", balance)
	}
}

// A pricing system names prices, discounts and taxes of what is listed, and does nothing else. What
// the line comes to is what is charged, counted and refunded.
func TestPricingSystem(t *testing.T) {
	t.Parallel()
	token, err := stack.PricingToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := newCustomer(t, 5_000)
	sku := newStock(t, 10)
	onSale(t, line(sku, 1, 1_250))
	quoted := object{
		"sku": sku, "quantity": 2, "unitPrice": usd(1_000),
		"discount": object{"name": "Regular customer", "amount": usd(100)},
		"tax":      object{"name": "Sales tax", "amount": usd(169), "ratePpm": 88_750}, "amount": usd(2_069),
	}
	quote := func() object { return with(with(anOrder(), "lines", []object{quoted}), "customerId", c.id) }
	refused(t, http.StatusForbidden, "auth.forbidden", post(c.token, "/orders", quote()))
	refused(t, http.StatusForbidden, "auth.forbidden", post(stack.operator, "/orders", quote()))
	placed := must[order](t, http.StatusAccepted, post(token, "/orders", quote()))
	if placed.Total != usd(2_069) || placed.CustomerID != c.id || !strings.HasPrefix(placed.PricedBy, "pricing/") {
		t.Errorf("placed is %+v", placed)
	}
	refused(t, http.StatusForbidden, "auth.forbidden", get(token, "/orders/"+placed.ID))
	refused(t, http.StatusForbidden, "auth.forbidden", get(token, "/accounts/"+c.account))
	refused(t, http.StatusForbidden, "auth.forbidden", post(token, "/orders/"+placed.ID+"/cancel", object{}))

	c.ends(t, placed.ID, "confirmed")
	if balance := c.balance(t); balance != 5_000-2_069 {
		t.Errorf("balance is %d", balance)
	}
	if s := c.counts(t, 1, 0); !slices.Equal(s.ConfirmedTotal, []money.Money{usd(2_069)}) {
		t.Errorf("statistics are %+v", s)
	}
	must[order](t, http.StatusAccepted, post(c.token, "/orders/"+placed.ID+"/cancel", object{}))
	c.ends(t, placed.ID, "cancelled")
	if balance := c.balance(t); balance != 5_000 {
		t.Errorf("refunded, the balance is %d", balance)
	}
}
