//go:build e2e

package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
)

// open goes to a page of the console.
func (b *browser) open(s stack, path string) {
	b.Helper()
	b.do(chromedp.Navigate(s.console + path))
}

// reveal opens the form of an action.
func (b *browser) reveal(name string) {
	b.Helper()
	b.do(chromedp.Click(chromedp.CSS(`details:has(form[action$="/` + name + `"]) > summary`)))
}

// TestProduct: an operator lists a product at a price that can't be, and at one that can, meets
// somebody else's change, and looks at its history.
func TestProduct(t *testing.T) {
	s, b := find(t), open(t)
	sku := "console-" + ident.New()
	b.signIn(s)
	b.expects(http.StatusUnprocessableEntity)
	b.expects(http.StatusPreconditionFailed)
	b.open(s, "/products")
	b.shows("h1", "Products")
	b.do(chromedp.SendKeys(chromedp.CSS(`input[name=sku]`), sku), chromedp.Click(chromedp.CSS(`main form button`)))
	b.shows("main", "was never listed")
	form := `form[action$="/set"] `
	b.do(chromedp.SendKeys(chromedp.CSS(form+"input[name=amount]"), "EUR 12.999"),
		chromedp.SendKeys(chromedp.CSS(form+"input[name=reason]"), "new <b>here</b>"),
		chromedp.Click(chromedp.CSS(form+"button")))
	b.shows("main", "expected 2 decimals of EUR")
	b.check("product-wrong")
	b.do(chromedp.SetValue(chromedp.CSS(form+"input[name=amount]"), "EUR 12.99"),
		chromedp.Click(chromedp.CSS(form+"button")))
	b.shows("main", "Done: orders that are placed from now on have these prices.")
	b.shows("#history + div", "new <b>here</b>")
	b.reveal("set")
	b.check("product")

	// Somebody else is faster.
	product, err := s.Get(t.Context(), shop.Path("products", sku), nil)
	if err != nil || !strings.Contains(string(product), `"amount":1299`) {
		t.Fatalf("the API says %s, %v", product, err)
	}
	if err := s.WithdrawProduct(t.Context(), sku, 1); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.SendKeys(chromedp.CSS(form+"input[name=reason]"), "late"),
		chromedp.Click(chromedp.CSS(form+"button")))
	b.shows("h1", "Somebody else changed it since you opened the page.")
	b.open(s, "/products?withdrawn=true")
	b.shows("h1", "Products")
	b.check("products")
	b.open(s, "/products/"+sku)
	b.shows("#history + div", "withdrawn")
}

// TestWaitsForStock: an item for which an order waits shows who waits, and its counts.
func TestWaitsForStock(t *testing.T) {
	s, b := find(t), open(t)
	o := held(t, s)
	sku := o.Lines[0].SKU
	if err := s.CountStock(t.Context(), sku, 7); err != nil {
		t.Fatal(err)
	}
	b.signIn(s)
	b.open(s, "/stock?"+url.Values{"sku": {sku}}.Encode())
	b.shows("main", "Nobody waits for it.")
	b.shows("#counts ~ div", "-3")
	b.check("stock-counts")
}

// TestHealth: an operator sees the alarms, how far the views are, and where the loss audit stands.
func TestHealth(t *testing.T) {
	s, b := find(t), open(t)
	b.signIn(s)
	b.open(s, "/health")
	b.shows("h1", "Health")
	b.shows("#views + div", "customers")
	b.do(chromedp.Click(chromedp.CSS("main details > summary")))
	b.shows("main details", "view-lag")
	if text := b.text("main"); strings.Contains(text, "did not answer") {
		t.Errorf("a part is missing: %s", text)
	}
	b.check("health")
}

// TestErasure: an operator looks at a customer and their account, erases the customer with a reason
// and the id typed again, and sees the order undone and the money left.
func TestErasure(t *testing.T) {
	s, b := find(t), open(t)
	o := held(t, s)
	b.signIn(s)
	b.expects(http.StatusUnprocessableEntity)
	b.open(s, "/customers")
	b.shows("main", o.CustomerID)
	b.check("customers")
	b.do(chromedp.EmulateViewport(390, 900), chromedp.Click(chromedp.CSS(".menu summary")))
	b.shows(".menu", "Dead letters")
	b.check("menu")
	b.open(s, "/customers/"+o.CustomerID)
	b.shows("main", "Test <b>Person</b>")
	b.shows("#accounts + div", "EUR 100.00")
	b.reveal("erase")
	b.check("customer")
	b.do(chromedp.Click(chromedp.CSS(`#accounts + div a`)))
	b.shows("h1", "Account")
	b.shows("main", "deposit")
	b.check("account")
	b.open(s, "/accounts")
	b.shows("h1", "Accounts")
	b.check("accounts")

	b.open(s, "/customers/"+o.CustomerID)
	b.reveal("erase")
	const form = `form[action$="/erase"] `
	erase := func(again string) {
		b.do(chromedp.Click(chromedp.CSS(form+`input[value="requested"]`)),
			chromedp.SetValue(chromedp.CSS(form+"input[name=again]"), again),
			chromedp.Click(chromedp.CSS(form+"button")))
	}
	erase("somebody-else")
	b.shows("h1", "Nobody was erased.")
	b.open(s, "/customers/"+o.CustomerID)
	b.reveal("erase")
	erase(o.CustomerID)
	b.shows("main", "Done: the customer is erased.")
	b.shows("#live", "the customer asked for it")
	b.shows("#live", "No order is under way.") // without a reload
	b.check("customer-erased")
	b.open(s, "/orders/"+o.ID)
	b.shows("main", "Erased: the customer's data key is destroyed")
	left, err := s.Get(t.Context(), "/accounts", url.Values{"customerId": {o.CustomerID}, "currency": {"EUR"}})
	if err != nil || !strings.Contains(string(left), `"balance":{"amount":10000,"currency":"EUR"}`) {
		t.Errorf("left is %s, %v", left, err)
	}
	erased, err := s.Get(t.Context(), shop.Path("customers", o.CustomerID), nil)
	if err != nil || !strings.Contains(string(erased), `"erasedWhy":"requested"`) {
		t.Errorf("the API says %s, %v", erased, err)
	}
}
