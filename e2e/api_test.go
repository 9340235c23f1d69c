//go:build e2e

package e2e_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

func inParallel(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// movement is money paid in or out.
type movement struct {
	ID      string      `json:"id"`
	Balance money.Money `json:"balance"`
}

// A key names one order: sent again, also at once and many times, there is one.
func TestKeyPlacesOneOrder(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 10_000)
	sku := newStock(t, 100)
	place := post(c.token, "/orders", anOrder(onSale(t, line(sku, 1, 500))...))
	answers := make([]answer, 8)
	inParallel(len(answers), func(i int) { answers[i] = send(t, place) })
	id := decode[order](t, answers[0].body).ID
	for i, a := range answers {
		if o := decode[order](t, a.body); a.status != http.StatusAccepted || o.ID != id ||
			a.header.Get("Location") != "/orders/"+id {
			t.Errorf("answer %d is %s", i, a)
		}
	}
	got := c.ends(t, id, "confirmed")
	if again := must[order](t, http.StatusAccepted, place); again.ID != id || again.Status != "confirmed" ||
		again.Version != got.Version {
		t.Errorf("sent again when it is confirmed: %+v", again)
	}
	p := refused(t, http.StatusUnprocessableEntity, "idempotency.key-reused",
		post(c.token, "/orders", anOrder(line(sku, 2, 500))).with("Idempotency-Key", place.header["Idempotency-Key"]))
	if len(p.Errors) != 1 || p.Errors[0].Location != "header.Idempotency-Key" {
		t.Errorf("the problem is %+v", p)
	}
	if h := types(c.history(t, id)); h != "order.placed order.started order.confirmed" {
		t.Errorf("history is %s", h)
	}
	c.counts(t, 1, 0)
	checkStock(t, sku, shop.Stock{OnHand: 100, Available: 99, Reserved: 1})
	if balance := c.balance(t); balance != 9_500 {
		t.Errorf("balance is %d", balance)
	}
	// The key is the customer's: another's same key is another order.
	other := newCustomer(t, 0)
	if o := must[order](
		t, http.StatusAccepted,
		post(other.token, "/orders", anOrder(line(sku, 1, 500))).with(
			"Idempotency-Key", place.header["Idempotency-Key"],
		),
	); o.ID == id {
		t.Error("two customers got one order")
	}
}

// A key moves money once.
func TestKeyMovesMoneyOnce(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 10_000)
	for _, m := range []struct {
		name, token, path string
		balance           int64 // afterwards
	}{
		{"deposit", stack.operator, "/accounts/" + c.account + "/deposits", 13_000},
		{"withdrawal", c.token, "/accounts/" + c.account + "/withdrawals", 10_000},
	} {
		move := post(m.token, m.path, object{"amount": usd(3_000)})
		answers := make([]answer, 8)
		inParallel(len(answers), func(i int) { answers[i] = send(t, move) })
		first := decode[movement](t, answers[0].body)
		for _, a := range answers {
			if got := decode[movement](t, a.body); a.status != http.StatusCreated || got != first ||
				got.Balance != usd(m.balance) {
				t.Errorf("%s: %s, want the balance %d and the answer %+v", m.name, a, m.balance, first)
			}
		}
		refused(t, http.StatusUnprocessableEntity, "idempotency.key-reused",
			post(m.token, m.path, object{"amount": usd(3_001)}).with("Idempotency-Key", move.header["Idempotency-Key"]))
		if balance := c.balance(t); balance != m.balance {
			t.Errorf("%s: balance is %d, want %d", m.name, balance, m.balance)
		}
	}
	refused(t, http.StatusUnprocessableEntity, "account.insufficient-funds",
		post(c.token, "/accounts/"+c.account+"/withdrawals", object{"amount": usd(10_001)}))
}

// A key counts for one caller and one operation, and names one request of theirs, whatever that is
// about.
func TestKeysAreTheCallersOwn(t *testing.T) {
	t.Parallel()
	c, other := newCustomer(t, 10_000), newCustomer(t, 10_000)
	sku, key := newStock(t, 100), ident.New()
	under := func(r request) request { return r.with("Idempotency-Key", key) }
	reused := func(r request) {
		t.Helper()
		refused(t, http.StatusUnprocessableEntity, "idempotency.key-reused", under(r))
	}
	// A customer and an operator withdraw under one key: both are paid.
	withdraw := func(token, account string) request {
		return post(token, "/accounts/"+account+"/withdrawals", object{"amount": usd(1_000)})
	}
	hers := must[movement](t, http.StatusCreated, under(withdraw(c.token, c.account)))
	theirs := must[movement](t, http.StatusCreated, under(withdraw(stack.operator, c.account)))
	if hers.ID == theirs.ID || theirs.Balance != usd(8_000) || c.balance(t) != 8_000 {
		t.Errorf("%+v and %+v", hers, theirs)
	}
	reused(withdraw(stack.operator, other.account))
	// A customer and an operator order under one key: there are two orders.
	lines := anOrder(onSale(t, line(sku, 1, 500))...)
	first := must[order](t, http.StatusAccepted, under(post(c.token, "/orders", lines)))
	lines["customerId"] = c.id
	second := must[order](t, http.StatusAccepted, under(post(stack.operator, "/orders", lines)))
	if first.ID == second.ID {
		t.Errorf("both have the order %s", first.ID)
	}
	c.ends(t, first.ID, "confirmed")
	c.ends(t, second.ID, "confirmed")
	// A key that cancels one order cancels no other, and takes nothing back for it: eight at once.
	orders := [2]string{first.ID, second.ID}
	answers := make([]answer, 8)
	inParallel(len(answers), func(i int) {
		answers[i] = send(t, under(post(c.token, "/orders/"+orders[i%2]+"/cancel", object{"reason": "late"})))
	})
	cancelled := 0
	if answers[1].status == http.StatusAccepted {
		cancelled = 1
	}
	for i, a := range answers {
		want := http.StatusUnprocessableEntity
		if i%2 == cancelled {
			want = http.StatusAccepted
		}
		if a.status != want {
			t.Errorf("answer %d is %s, want %d", i, a, want)
		}
	}
	c.ends(t, orders[cancelled], "cancelled")
	reused(post(c.token, "/orders/"+orders[1-cancelled]+"/cancel", object{"reason": "late"}))
	if o := c.order(t, orders[1-cancelled]); o.Cancellation != nil {
		t.Errorf("the other order is %s", o.Status)
	}
	if balance := c.balance(t); balance != 7_500 {
		t.Errorf("balance is %d", balance)
	}
}

// What an erased customer leaves takes nothing more in, and is paid out by an operator alone, down
// to nothing.
func TestBalanceAtErasure(t *testing.T) {
	t.Parallel()
	c, other := newCustomer(t, 5_000), newCustomer(t, 1_000)
	withdraw := func(token string, cents int64) request {
		return post(token, "/accounts/"+c.account+"/withdrawals", object{"amount": usd(cents)})
	}
	must[object](t, http.StatusOK, request{method: http.MethodDelete, path: "/customers/" + c.id, token: c.token})
	for code, r := range map[string]request{
		"customer.erased": post(stack.operator, "/accounts/"+c.account+"/deposits", object{"amount": usd(1)}),
		"account.cannot-receive": post(other.token, "/accounts/"+other.account+"/transfers", object{
			"toAccountId": c.account, "amount": usd(1),
		}),
		"account.unknown-customer": post(stack.operator, "/accounts", object{
			"customerId": "e2e-" + ident.New(), "currency": "USD",
		}),
	} {
		refused(t, http.StatusUnprocessableEntity, code, r)
	}
	refused(t, http.StatusUnprocessableEntity, "customer.erased", withdraw(c.token, 1)) // the token is still valid
	found := must[struct {
		ID      string      `json:"id"`
		Balance money.Money `json:"balance"`
	}](t, http.StatusOK, get(stack.operator, "/accounts?customerId="+c.id+"&currency=USD"))
	if found.ID != c.account || found.Balance != usd(5_000) {
		t.Errorf("found %+v", found)
	}
	if paid := must[movement](t, http.StatusCreated, withdraw(stack.operator, 5_000)); paid.Balance != usd(0) {
		t.Errorf("paid out: %+v", paid)
	}
}

// Deposited 1000, withdrawn 200, transferred 300 out, 5 % interest: 525. The statement tells it,
// newest first.
func TestLedger(t *testing.T) {
	t.Parallel()
	c, other := newCustomer(t, 1_000), newCustomer(t, 0)
	must[movement](
		t, http.StatusCreated, post(c.token, "/accounts/"+c.account+"/withdrawals", object{"amount": usd(200)}),
	)
	transfer := post(
		c.token, "/accounts/"+c.account+"/transfers", object{"toAccountId": other.account, "amount": usd(300)},
	)
	first, again := must[movement](t, http.StatusCreated, transfer), must[movement](t, http.StatusCreated, transfer)
	if first != again || first.Balance != usd(500) {
		t.Errorf("transfer %+v, sent again %+v; want the balance 500 and the same answer", first, again)
	}
	refused(
		t, http.StatusForbidden, "auth.forbidden",
		post(c.token, "/accounts/"+c.account+"/interest", object{"rateBasisPoints": 500}),
	)
	must[movement](
		t, http.StatusCreated, post(stack.operator, "/accounts/"+c.account+"/interest", object{"rateBasisPoints": 500}),
	)
	if mine, theirs := c.balance(t), other.balance(t); mine != 525 || theirs != 300 {
		t.Errorf("balances are %d and %d, want 525 and 300", mine, theirs)
	}
	var kinds []string
	path := "/accounts/" + c.account + "/statement?limit=3"
	for cursor := ""; ; {
		page := must[struct {
			Movements []struct {
				Kind    string      `json:"kind"`
				Balance money.Money `json:"balance"`
			} `json:"movements"`
			Next string `json:"next"`
		}](t, http.StatusOK, get(c.token, path+cursor))
		for _, m := range page.Movements {
			kinds = append(kinds, fmt.Sprintf("%s %d", m.Kind, m.Balance.Amount))
		}
		if page.Next == "" {
			break
		}
		cursor = "&cursor=" + page.Next
	}
	if want := []string{
		"interest 525", "transfer-out 500", "withdrawal 800", "deposit 1000",
	}; !slices.Equal(kinds, want) {
		t.Errorf("the statement is %q, want %q", kinds, want)
	}
	refused(t, http.StatusNotFound, "account.not-found", get(other.token, path))
}

// Only tokens of the stack's own user pool are let in, on every route.
func TestTokens(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 0)
	for _, r := range []request{
		post("", "/customers", object{"name": "A", "email": "a@example.com"}),
		post("", "/orders", anOrder(line("a", 1, 1))),
		post("", "/orders/"+ident.New()+"/cancel", object{}), post("", "/accounts", object{"currency": "EUR"}),
		post("", "/accounts/"+c.account+"/deposits", object{"amount": usd(1)}),
		post("", "/accounts/"+c.account+"/withdrawals", object{"amount": usd(1)}),
		{method: http.MethodPut, path: "/stock/a", body: object{"onHand": 1}}, get("", "/stock/a"),
		get("", "/orders/"+ident.New()),
		get("", "/orders/"+ident.New()+"/history"), get("", "/customers/"+c.id+"/orders"),
		get("", "/customers/"+c.id+"/statistics"),
		get("", "/accounts/"+c.account), get("", "/accounts/"+c.account+"/statement"),
		post("", "/accounts/"+c.account+"/transfers", object{"toAccountId": ident.New(), "amount": usd(1)}),
		post("", "/accounts/"+c.account+"/interest", object{"rateBasisPoints": 1}),
	} {
		if a := send(t, r); a.status != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: %s", r.method, r.path, a)
		}
	}
	claims := jwt.MapClaims{}
	genuine, _, err := jwt.NewParser().ParseUnverified(c.token, claims)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	forge := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		copied := jwt.MapClaims{}
		for name, value := range claims {
			copied[name] = value
		}
		change(copied)
		token := jwt.NewWithClaims(method, copied)
		token.Header["kid"] = genuine.Header["kid"]
		signed, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	unchanged := func(jwt.MapClaims) {}
	parts := strings.Split(c.token, ".")
	promoted := strings.Split(
		forge(jwt.SigningMethodRS256, key, func(m jwt.MapClaims) { m["scope"] = "orderflow/operator" }), ".",
	)
	for name, token := range map[string]string{
		"garbage":                     "garbage",
		"three parts of garbage":      "a.b.c",
		"signed by another key":       forge(jwt.SigningMethodRS256, key, unchanged),
		"not signed":                  forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, unchanged),
		"signature cut off":           parts[0] + "." + parts[1] + ".",
		"made an operator afterwards": parts[0] + "." + promoted[1] + "." + parts[2],
		"from another issuer": forge(
			jwt.SigningMethodRS256, key, func(m jwt.MapClaims) { m["iss"] = "https://issuer.example.com" },
		),
		"signed with a shared secret":  forge(jwt.SigningMethodHS256, []byte("secret"), unchanged),
		"genuine, but with a blank in": parts[0] + " ." + parts[1] + "." + parts[2],
	} {
		if a := send(t, get(token, "/accounts/"+c.account)); a.status != http.StatusUnauthorized {
			t.Errorf("token %s: %s", name, a)
		}
	}
	c.balance(t) // the genuine one is let in
}

// Customers see and move their own things only; of others' they don't learn that they are there.
func TestCustomersAreApart(t *testing.T) {
	t.Parallel()
	ada, bob := newCustomer(t, 10_000), newCustomer(t, 10_000)
	sku := newStock(t, 10)
	adas := ada.ends(t, ada.place(t, line(sku, 1, 500)).ID, "confirmed")
	for _, c := range []struct {
		status int
		code   string
		as     request
	}{
		{404, "order.not-found", get(bob.token, "/orders/"+adas.ID)},
		{404, "order.not-found", get(bob.token, "/orders/"+adas.ID+"/history")},
		{404, "order.not-found", post(bob.token, "/orders/"+adas.ID+"/cancel", object{})},
		{404, "customer.not-found", get(bob.token, "/customers/"+ada.id+"/orders")},
		{404, "customer.not-found", get(bob.token, "/customers/"+ada.id+"/statistics")},
		{404, "account.not-found", get(bob.token, "/accounts/"+ada.account)},
		{404, "account.not-found", post(bob.token, "/accounts/"+ada.account+"/withdrawals", object{"amount": usd(1)})},
		{
			403, "auth.forbidden",
			post(
				bob.token, "/customers",
				object{"customerId": "e2e-" + ident.New(), "name": "B", "email": "b@example.com"},
			),
		},
		{403, "auth.forbidden", post(bob.token, "/accounts", object{"customerId": ada.id, "currency": "EUR"})},
		{403, "auth.forbidden", post(bob.token, "/orders", with(anOrder(line(sku, 1, 500)), "customerId", ada.id))},
		// Money comes in and stock is counted by operators only, also for one's own account.
		{403, "auth.forbidden", post(bob.token, "/accounts/"+bob.account+"/deposits", object{"amount": usd(1)})},
		{
			403, "auth.forbidden",
			request{
				method: http.MethodPut, path: "/stock/" + sku, token: bob.token, body: object{"onHand": 99},
			}.with("If-Match", `"1"`),
		},
	} {
		t.Run(fmt.Sprintf(
			"%s %s", c.as.method,
			strings.NewReplacer(
				ada.id, "ada", ada.account, "hers", bob.account, "his", adas.ID, "hers", sku, "sku",
			).Replace(c.as.path),
		),
			func(t *testing.T) { refused(t, c.status, c.code, c.as) })
	}
	if ada.balance(t) != 9_500 || bob.balance(t) != 10_000 || ada.order(t, adas.ID).Version != adas.Version {
		t.Error("something has moved")
	}
	// An operator sees them, and acts for whom is named.
	if o := must[order](t, http.StatusOK, get(stack.operator, "/orders/"+adas.ID)); o.CustomerID != ada.id {
		t.Errorf("the operator sees %+v", o)
	}
	refused(t, http.StatusBadRequest, "request.invalid", post(stack.operator, "/accounts", object{"currency": "EUR"}))
	if account := must[object](
		t, http.StatusCreated, post(stack.operator, "/accounts", object{"customerId": bob.id, "currency": "EUR"}),
	); account["customerId"] != bob.id {
		t.Errorf("the operator opened %v", account)
	}
}

func with(o object, name string, value any) object {
	o[name] = value
	return o
}

// What can't be carried out is answered by a problem that says where it is wrong, and nothing is
// written. The unit tests of httpapi have every case; these are those that API Gateway, the proxy
// and the store have a part in.
func TestBadInput(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	sku := newStock(t, 10)
	good := func() object { return anOrder(onSale(t, line(sku, 1, 100))...) }
	correlation := "e2e-" + ident.New()
	place := func(body any) request { return post(c.token, "/orders", body) }
	many := func(n int, sku func(int) string) []shop.Line {
		lines := make([]shop.Line, n)
		for i := range lines {
			lines[i] = line(sku(i), 1, 1)
		}
		return lines
	}
	const unknown = "0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10"
	inEuros := money.Money{Amount: 1, Currency: "EUR"}
	for _, b := range []struct {
		name     string
		as       request
		status   int
		code     string
		location string
	}{
		{"unknown field", place(with(good(), "colour", "red")), 400, "request.invalid", "body.colour"},
		{"wrong type", place(with(good(), "lines", "none")), 400, "request.invalid", "body.lines"},
		{"empty order", place(anOrder([]shop.Line{}...)), 400, "request.invalid", "body.lines"},
		{
			"101 lines", place(anOrder(many(101, func(int) string { return sku })...)), 400, "request.invalid",
			"body.lines",
		},
		{
			"41 SKUs", place(anOrder(many(41, func(i int) string { return fmt.Sprintf("e2e-%d", i) })...)), 422,
			"order.invalid-lines", "body.lines",
		},
		{
			"quantity 0", place(anOrder(line(sku, 1, 1), line(sku, 0, 1))), 400, "request.invalid",
			"body.lines[1].quantity",
		},
		{"negative price", place(anOrder(line(sku, 1, -1))), 400, "request.invalid", "body.lines[0].unitPrice.amount"},
		{
			"absurd price", place(anOrder(line(sku, 1, 1_000_000_001))), 400, "request.invalid",
			"body.lines[0].unitPrice.amount",
		},
		{
			"price over int64", place(strings.Replace(
				text(t, good()), `"amount":100`, `"amount":9223372036854775808`, 1,
			)),
			400, "request.invalid", "body.lines[0].unitPrice.amount",
		},
		{
			"mixed currencies",
			place(anOrder(line(sku, 1, 1), shop.Line{SKU: sku, Quantity: 1, UnitPrice: &inEuros})),
			400, "money.mixed-currencies", "body.lines[1].unitPrice",
		},
		{
			"oversize body", place(with(good(), "customerId", strings.Repeat("x", 128<<10))), 413, "request.too-large",
			"",
		},
		{"malformed body", place(`{"lines":`), 400, "request.malformed", "body"},
		{
			"no key", place(good()).with("Idempotency-Key", ""), 400, "idempotency.key-required",
			"header.Idempotency-Key",
		},
		{
			"key with a comma", place(good()).with("Idempotency-Key", "a,b"), 400, "idempotency.key-invalid",
			"header.Idempotency-Key",
		},
		{
			"other media type", place(good()).with("Content-Type", "text/plain"), 415, "request.unsupported-media-type",
			"",
		},
		{
			"unknown customer", post(stack.operator, "/orders", with(good(), "customerId", "e2e-nobody")), 422,
			"order.unknown-customer", "body.customerId",
		},
		{
			"registered twice", post(c.token, "/customers", object{"name": "A", "email": "a@example.com"}), 409,
			"customer.already-registered", "",
		},
		{
			"account opened twice", post(c.token, "/accounts", object{"currency": "USD"}), 409, "account.already-open",
			"",
		},
		{
			"cancel of an unknown order", post(c.token, "/orders/"+unknown+"/cancel", object{}), 404, "order.not-found",
			"",
		},
		{
			"deposit to an unknown account",
			post(stack.operator, "/accounts/"+unknown+"/deposits", object{"amount": usd(1)}), 404, "account.not-found",
			"",
		},
		{
			"deposit of nothing", post(stack.operator, "/accounts/"+c.account+"/deposits", object{"amount": usd(0)}),
			400, "request.invalid", "body.amount.amount",
		},
		{
			"deposit in another currency",
			post(
				stack.operator, "/accounts/"+c.account+"/deposits",
				object{"amount": money.Money{Amount: 1, Currency: "EUR"}},
			),
			422, "account.wrong-currency", "",
		},
		{
			"withdrawal of too much",
			post(c.token, "/accounts/"+c.account+"/withdrawals", object{"amount": usd(1_001)}), 422,
			"account.insufficient-funds", "",
		},
		{
			"stock without a version",
			request{method: http.MethodPut, path: "/stock/" + sku, token: stack.operator, body: object{"onHand": 5}},
			428, "stock.version-required", "header.If-Match",
		},
		{
			"stock of another version", request{
				method: http.MethodPut, path: "/stock/" + sku, token: stack.operator, body: object{"onHand": 5},
			}.with("If-Match", `"7"`),
			412, "stock.version-mismatch", "",
		},
		{
			"stock made twice", request{
				method: http.MethodPut, path: "/stock/" + sku, token: stack.operator, body: object{"onHand": 5},
			}.with("If-None-Match", "*"),
			412, "stock.version-mismatch", "",
		},
		{"unknown order", get(c.token, "/orders/"+unknown), 404, "order.not-found", ""},
		{"order whose id is none", get(c.token, "/orders/1"), 400, "request.invalid", "path.id"},
		{"forged cursor", get(c.token, "/customers/"+c.id+"/orders?cursor=e30"), 400, "cursor.invalid", "query.cursor"},
		{"page too large", get(c.token, "/customers/"+c.id+"/orders?limit=101"), 400, "request.invalid", "query.limit"},
		{
			"unknown status", get(c.token, "/customers/"+c.id+"/orders?status=lost"), 400, "request.invalid",
			"query.status",
		},
		{
			"unknown parameter", get(c.token, "/customers/"+c.id+"/orders?colour=red"), 400, "request.invalid",
			"query.colour",
		},
	} {
		t.Run(b.name, func(t *testing.T) {
			p := refused(t, b.status, b.code, b.as.with("X-Correlation-ID", correlation))
			if p.Detail == "" {
				t.Errorf("the problem says nothing: %+v", p)
			}
			for _, e := range p.Errors {
				if e.Location == b.location {
					return
				}
			}
			if b.location != "" {
				t.Errorf("places are %+v, want %s", p.Errors, b.location)
			}
		})
	}
	if written := commits(t, correlation); len(written) > 0 {
		t.Errorf("%d commits were written: %v", len(written), written)
	}
	if c.balance(t) != 1_000 || len(c.orders(t, "").Orders) != 0 {
		t.Error("something has moved")
	}
	checkStock(t, sku, shop.Stock{OnHand: 10, Available: 10})
	// The search finds what is written.
	must[order](t, http.StatusAccepted, place(good()).with("X-Correlation-ID", correlation))
	if len(commits(t, correlation)) == 0 {
		t.Error("no commit of an order that was placed is found")
	}
}

func text(t *testing.T, body any) string {
	t.Helper()
	out, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
