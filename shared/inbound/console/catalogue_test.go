package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hostileIn puts a text that must stay one wherever people write some.
func hostileIn(text string) string { return strings.ReplaceAll(text, `"HOSTILE"`, quoted(hostile)) }

const aProduct = `{"sku":"BOOK-1","withdrawn":false,"current":[{"amount":1999,"currency":"EUR"}],
	"prices":[{"amount":1999,"currency":"EUR"},
	{"amount":1799,"currency":"EUR","validFrom":"2026-11-27T00:00:00.5-05:00"}],"outOfStock":"backorder","version":4}`

// The list has the products that are for sale, or those that are not; a SKU leads to its product.
func TestProducts(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /products?limit=25", http.StatusOK, `{"products":[`+aProduct+`],"next":"CURSOR"}`)
	w.answer("GET /products?cursor=CURSOR&limit=25&withdrawn=true", http.StatusOK, `{"products":[]}`)
	wantSafe(t, w.get("/products"), `href="products/BOOK-1"`, "EUR 19.99", "products?cursor=CURSOR")
	wantSafe(t, w.get("/products?withdrawn=true&cursor=CURSOR"), "No product is withdrawn.")
	w.requests()
	out := w.get("/products?sku=+BOOK-1+")
	if to := out.Header().Get("Location"); out.Code != http.StatusSeeOther || to != "products/BOOK-1" {
		t.Errorf("a SKU leads to %d %s", out.Code, to)
	}
	wantPage(t, w.get("/products?sku=a/b"), http.StatusUnprocessableEntity, "A SKU has 1 to 64 letters")
	wantPage(t, w.get("/products/a%20b"), http.StatusNotFound, "There is no such product.")
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
}

// A product shows what it costs, now and later, and who changed it and why. The form has every
// price as it is, to the nanosecond and the offset.
func TestProduct(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /products/BOOK-1", http.StatusOK, aProduct)
	w.answer("GET /products/BOOK-1/history?limit=25", http.StatusOK, hostileIn(`{"changes":[
		{"version":4,"time":"2026-02-28T09:00:00Z","kind":"repriced","reason":"HOSTILE","outOfStock":"backorder",
		"prices":[{"amount":1999,"currency":"EUR"}],"actor":{"kind":"person","id":"HOSTILE"}},
		{"version":3,"time":"2026-02-27T09:00:00Z","kind":"withdrawn"}],"next":"CURSOR"}`))
	wantSafe(t, w.get("/products/BOOK-1?done=set"), "Done: orders that are placed", "&lt;script&gt;",
		`value="2026-11-27T00:00:00.5-05:00"`, `value="EUR 17.99"`, `name="version" value="4"`, "2026-11-27 05:00:00",
		`<option value="backorder" selected>`, `href="../products/BOOK-1?cursor=CURSOR"`, "/withdraw\"")
	wantSafe(t, w.get("/products/NEW"), "NEW was never listed.", "List the product", `name="version" value="0"`)
	if asked := w.requests(); len(asked) != 4 {
		t.Errorf("two pages asked for %s", asked)
	}
}

// What an operator sets reaches the API over the version that they saw, with the reason. What can't
// be meant goes back to the form as they typed it, and reaches nobody.
func TestSetProduct(t *testing.T) {
	form := url.Values{
		"version": {"4"}, "amount": {" EUR 18.50 ", "", "JPY 500"}, "from": {"", "", "2026-11-27T00:00:00-05:00"},
		"outOfStock": {"partial-wait"}, "reason": {" a sale "},
	}
	for name, tc := range map[string]struct {
		change map[string][]string
		header string
		body   string
		status int
		says   string
	}{
		"a new version": {nil, `"4"`, `{"outOfStock":"partial-wait","prices":[{"amount":1850,"currency":"EUR"},` +
			`{"amount":500,"currency":"JPY","validFrom":"2026-11-27T00:00:00-05:00"}],"reason":"a sale"}`, 303, ""},
		"a new product": {map[string][]string{"version": {"0"}}, "*", `{"outOfStock":"partial-wait","prices":` +
			`[{"amount":1850,"currency":"EUR"},{"amount":500,"currency":"JPY","validFrom":"2026-11-27T00:00:00-05:00"}],` +
			`"reason":"a sale"}`, 303, ""},
		"no prices":      {map[string][]string{"amount": {"", " "}}, "", "", 422, "At least one price is needed."},
		"no reason":      {map[string][]string{"reason": {" "}}, "", "", 422, "A reason of 1 to 500 characters"},
		"a long reason":  {map[string][]string{"reason": {strings.Repeat("ä", 501)}}, "", "", 422, "A reason of 1 to 500"},
		"no amount":      {map[string][]string{"amount": {"1850"}}, "", "", 422, "Price 1: expected a currency"},
		"half a cent":    {map[string][]string{"amount": {"EUR 1.005"}}, "", "", 422, "expected 2 decimals of EUR"},
		"too much":       {map[string][]string{"amount": {"EUR 10000000.01"}}, "", "", 422, "expected an amount from"},
		"no time":        {map[string][]string{"from": {"tomorrow"}}, "", "", 422, "Price 1: "},
		"no policy":      {map[string][]string{"outOfStock": {"burn"}}, "", "", 422, "Choose what becomes of orders"},
		"no version":     {map[string][]string{"version": {""}}, "", "", 422, "The form has no version."},
		"below versions": {map[string][]string{"version": {"-1"}}, "", "", 422, "The form has no version."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer("PUT /products/BOOK-1", http.StatusOK, aProduct)
			w.answer("GET /products/BOOK-1", http.StatusOK, aProduct)
			sent := url.Values{}
			for field, values := range form {
				sent[field] = values
			}
			for field, values := range tc.change {
				sent[field] = values
			}
			out := w.post("/products/BOOK-1/set", sent)
			wantStatus(t, out, tc.status)
			if tc.status == http.StatusUnprocessableEntity {
				wantPage(t, out, tc.status, tc.says, "2026-11-27T00:00:00", `action="../../products/BOOK-1/set"`)
				for _, asked := range w.requests() {
					if !strings.HasPrefix(asked, "GET ") {
						t.Errorf("the API was asked to %s", asked)
					}
				}
				return
			}
			if to := out.Header().Get("Location"); to != "../BOOK-1?done=set" {
				t.Errorf("leads to %s", to)
			}
			match := w.asked[0].Header.Get("If-Match") + w.asked[0].Header.Get("If-None-Match")
			if len(w.asked) != 1 || match != tc.header || w.bodies[0] != tc.body {
				t.Errorf("asked %v over %s with %s", w.asked, match, w.bodies)
			}
		})
	}
	w := newWorld(t)
	const refused = http.StatusPreconditionFailed
	w.answer("PUT /products/BOOK-1", refused, `{"code":"product.version-mismatch","detail":"it is 5"}`)
	wantPage(t, w.post("/products/BOOK-1/set", form), refused, "Somebody else changed it", "it is 5")
}

// A withdrawal asks for a reason as well.
func TestWithdrawProduct(t *testing.T) {
	w := newWorld(t)
	w.answer("PUT /products/BOOK-1", http.StatusOK, aProduct)
	const path = "/products/BOOK-1/withdraw"
	for _, bad := range []url.Values{
		{"version": {"4"}}, {"version": {"4"}, "reason": {strings.Repeat("x", 501)}},
	} {
		wantPage(t, w.post(path, bad), http.StatusUnprocessableEntity, "A reason is missing")
	}
	wantPage(t, w.post(path, url.Values{"version": {"x"}, "reason": {"r"}}), http.StatusBadRequest, "can&#39;t be read")
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
	wantStatus(t, w.post(path, url.Values{"version": {"4"}, "reason": {"recalled"}}), http.StatusSeeOther)
	if len(w.asked) != 1 || w.asked[0].Header.Get("If-Match") != `"4"` ||
		w.bodies[0] != `{"reason":"recalled","withdrawn":true}` {
		t.Errorf("asked %v with %s", w.asked, w.bodies)
	}
}

// withCustomer has the API know ada, with orders in two currencies and an account in one.
func (w *world) withCustomer(erased bool, open string) {
	text := `{"id":"ada","name":"HOSTILE","email":"HOSTILE","mailSuppressed":"bounce","erased":false,"version":3}`
	if erased {
		text = `{"id":"ada","name":null,"email":null,"erased":true,"erasedAt":"2026-03-01T11:59:00Z",
			"erasedWhy":"ordered","version":4}`
	}
	w.answer("GET /customers/ada", http.StatusOK, hostileIn(text))
	w.answer("GET /customers/ada/statistics", http.StatusOK, `{"orders":7,"open":`+open+`,"confirmed":4,"cancelled":2,
		"confirmedTotal":[{"amount":12345,"currency":"EUR"}],"refundedTotal":[{"amount":7,"currency":"JPY"}]}`)
	w.answer("GET /customers/ada/orders?limit=10", http.StatusOK, orderList)
	w.answer("GET /accounts?currency=EUR&customerId=ada", http.StatusOK,
		`{"id":"`+accountID+`","customerId":"ada","balance":{"amount":4200,"currency":"EUR"},"version":9}`)
}

const accountID = "6a0c2f5e-3a0d-5c1b-8a4e-2f6d7c9b0a22"

// A customer's page has who they are, what they ordered and what they have.
func TestCustomer(t *testing.T) {
	w := newWorld(t)
	w.withCustomer(false, "1")
	wantSafe(t, w.get("/customers/ada"), "&lt;script&gt;", "No mail goes to the address: it takes none", "EUR 123.45",
		"JPY 7", "EUR 42.00", "../accounts/"+accountID, "../orders/"+orderID, "Erase the customer",
		"../orders?customer=ada")
	if diff := cmp.Diff(4, len(w.requests())); diff != "" {
		t.Errorf("a customer's page costs another number of requests (-want +got):\n%s", diff)
	}
	wantPage(t, w.get("/customers/nobody"), http.StatusNotFound, "There is nothing here.")
}

// Who is erased shows as erased, and how far their erasure is. The page asks again until that is
// over.
func TestErasedCustomer(t *testing.T) {
	w := newWorld(t)
	w.withCustomer(true, "2")
	out := w.get("/customers/ada?done=erase")
	wantSafe(t, out, "Done: the customer is erased.", "<small>erased</small>", "by order of a court or an authority",
		"2 of 7 orders are still being cancelled", `data-poll hx-get="ada"`, "EUR 42.00")
	if strings.Contains(out.Body.String(), "Erase the customer") {
		t.Error("an erased customer can be erased")
	}
	w.requests()
	w.withCustomer(true, "0")
	part := w.send(http.MethodGet, "/customers/ada", nil, signedIn, byScript)
	wantSafe(t, part, "No order is under way.")
	if body := part.Body.String(); strings.Contains(body, "data-poll") || strings.Contains(body, "<html") {
		t.Errorf("the part is %s", body)
	}
	if asked := w.requests(); len(asked) != 3 {
		t.Errorf("the part asked for %s", asked)
	}
}

// An erasure needs a reason and the id again, exactly; then it reaches the API once.
func TestEraseCustomer(t *testing.T) {
	w := newWorld(t)
	w.answer("DELETE /customers/ada?reason=requested", http.StatusOK, `{"id":"ada","version":4}`)
	for name, tc := range map[string]struct {
		form url.Values
		says string
	}{
		"nothing":             {url.Values{}, "A reason is missing."},
		"no reason":           {url.Values{"again": {"ada"}}, "A reason is missing."},
		"a reason of its own": {url.Values{"again": {"ada"}, "reason": {"Ada wants it"}}, "A reason is missing."},
		"no id":               {url.Values{"reason": {"requested"}}, "Nobody was erased."},
		"another id":          {url.Values{"again": {"bob"}, "reason": {"requested"}}, "Nobody was erased."},
		"in capitals":         {url.Values{"again": {"ADA"}, "reason": {"requested"}}, "Nobody was erased."},
	} {
		t.Run(name, func(t *testing.T) {
			wantPage(t, w.post("/customers/ada/erase", tc.form), http.StatusUnprocessableEntity, tc.says)
		})
	}
	form := url.Values{"again": {" ada "}, "reason": {"requested"}}
	other := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	wantStatus(t, w.post("/customers/ada/erase", form, other), http.StatusForbidden)
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
	out := w.post("/customers/ada/erase", form)
	wantStatus(t, out, http.StatusSeeOther)
	if to := out.Header().Get("Location"); to != "../ada?done=erase" {
		t.Errorf("leads to %s", to)
	}
	if diff := cmp.Diff([]string{"DELETE /customers/ada?reason=requested"}, w.requests()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The list has no names; an id leads to its customer.
func TestCustomers(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /customers?limit=25", http.StatusOK, `{"customers":[
		{"id":"ada","registeredAt":"2026-03-01T10:00:00Z","erased":false},
		{"id":"bob","registeredAt":"2026-03-01T09:00:00Z","erased":true,"erasedAt":"2026-03-01T11:00:00Z"}],
		"next":"CURSOR"}`)
	w.answer("GET /customers?cursor=CURSOR&limit=25", http.StatusOK, `{"customers":[]}`)
	wantSafe(t, w.get("/customers"), `href="customers/ada"`, "status-erased", "2026-03-01 11:00:00", "cursor=CURSOR")
	wantSafe(t, w.get("/customers?cursor=CURSOR"), "Nobody has registered yet.")
	w.requests()
	if to := w.get("/customers?id=+ada").Header().Get("Location"); to != "customers/ada" {
		t.Errorf("an id leads to %s", to)
	}
	wantPage(t, w.get("/customers?id=a/../b"), http.StatusUnprocessableEntity, "A customer&#39;s id has 1 to 64")
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
}

// An account is found by its id, or by whose it is. It shows each movement with the balance after
// it.
func TestAccounts(t *testing.T) {
	w := newWorld(t)
	w.withCustomer(false, "0")
	wantSafe(t, w.get("/accounts"), "orderflow verify")
	for query, to := range map[string]string{
		"id=" + accountID:             "accounts/" + accountID,
		"customer=+ada&currency=eur+": "accounts/" + accountID,
	} {
		out := w.get("/accounts?" + query)
		if got := out.Header().Get("Location"); out.Code != http.StatusSeeOther || got != to {
			t.Errorf("%s leads to %d %s", query, out.Code, got)
		}
	}
	for query, tc := range map[string]struct {
		status int
		says   string
	}{
		"id=17": {422, "id: expected an account"}, "customer=ada": {422, "Expected a customer&#39;s id"},
		"customer=a/b&currency=EUR": {422, "Expected a customer&#39;s id"}, "currency=EUR": {422, "Expected"},
		"customer=ada&currency=CHF": {404, "ada has no account in CHF."},
	} {
		wantPage(t, w.get("/accounts?"+query), tc.status, tc.says)
	}
	w.answer("GET /accounts/"+accountID, http.StatusOK,
		`{"id":"`+accountID+`","customerId":"ada","balance":{"amount":4200,"currency":"EUR"},"version":9}`)
	w.answer("GET /accounts/"+accountID+"/statement?limit=25", http.StatusOK, hostileIn(`{"movements":[
		{"sequence":9,"time":"2026-03-01T11:00:00Z","kind":"transfer-out","amount":{"amount":-800,"currency":"EUR"},
		"balance":{"amount":4200,"currency":"EUR"},"reference":"HOSTILE","counterparty":"`+orderID+`",
		"actor":{"kind":"customer","id":"HOSTILE"}}],"next":"CURSOR"}`))
	w.answer("GET /accounts/"+accountID+"/statement?cursor=CURSOR&limit=25", http.StatusOK, `{"movements":[]}`)
	w.requests()
	wantSafe(t, w.get("/accounts/"+accountID), "EUR -8.00", "EUR 42.00", "transfer out", "&lt;script&gt;",
		"../customers/ada", "../accounts/"+orderID, accountID+"?cursor=CURSOR")
	wantSafe(t, w.get("/accounts/"+accountID+"?cursor=CURSOR"), "No money has moved yet.")
	if asked := w.requests(); len(asked) != 4 {
		t.Errorf("two pages asked for %s", asked)
	}
}
