package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/shop"
)

// api answers each request with what a test has for it, by method and path, and keeps what was
// asked.
type api struct {
	answers map[string]string // JSON; a problem, if it has a status and a code
	asked   []string          // method, path and query, precondition or key, and body
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	line := r.Method + " " + r.URL.RequestURI()
	for _, header := range []string{"Idempotency-Key", "If-Match", "If-None-Match"} {
		if value := r.Header.Get(header); value != "" {
			line += " " + header + ": " + value
		}
	}
	a.asked = append(a.asked, strings.TrimSpace(line+" "+string(body)))
	answer, known := a.answers[r.Method+" "+r.URL.RequestURI()] // a page of a list
	if !known {
		answer, known = a.answers[r.Method+" "+r.URL.Path]
	}
	if !known {
		answer = `{"status":404,"code":"order.not-found","detail":"there is no such order"}`
	}
	var problem struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	}
	if json.Unmarshal([]byte(answer), &problem) == nil && problem.Code != "" {
		w.WriteHeader(problem.Status)
	}
	_, _ = io.WriteString(w, answer)
}

// numbered are so many entries of a list.
func numbered(n int) string { return strings.TrimSuffix(strings.Repeat(`{"n":7},`, n), ",") }

// pretty is JSON as --json prints it.
func pretty(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		panic(err)
	}
	return b.String() + "\n"
}

// outcome is what a command does.
type outcome struct {
	status     int
	out, hints string
	asked      []string
}

// runs runs a command line against an API.
func runs(t *testing.T, answers map[string]string, args ...string) outcome {
	t.Helper()
	a := &api{answers: answers}
	server := httptest.NewServer(a)
	defer server.Close()
	stack := &stackFlag{api: func(context.Context) (*shop.Client, error) { return shop.New(server.URL, "token"), nil }}
	var out, hints bytes.Buffer
	status := run(t.Context(), stack, args, &out, &hints)
	return outcome{status, out.String(), hints.String(), a.asked}
}

const (
	placedOrder = `{"id":"o1","customerId":"ada","status":"placed","version":3,` +
		`"total":{"amount":2598,"currency":"EUR"},` +
		`"placedAt":"2026-03-01T12:00:00Z","wait":null,"shipment":null,"cancellation":null,` +
		`"shippingAddress":{"recipient":"Ada","line1":"1 Street","city":"London","postalCode":"SW1Y 4LB","country":"GB"},` +
		`"lines":[{"sku":"BOOK-1","quantity":2,"unitPrice":{"amount":1299,"currency":"EUR"},` +
		`"amount":{"amount":2598,"currency":"EUR"}},` +
		`{"sku":"BOOK-2","quantity":1,"unitPrice":{"amount":0,"currency":"EUR"},"amount":{"amount":0,"currency":"EUR"}}]}`
	waitingOrder = `{"id":"o1","customerId":"ada","status":"backordered","version":4,` +
		`"total":{"amount":7,"currency":"EUR"},"placedAt":"2026-03-01T12:00:00Z",` +
		`"wait":{"for":"stock","until":"2026-03-15T12:00:00Z"}}`
	anAccount = `{"id":"a1","customerId":"ada","balance":{"amount":500,"currency":"EUR"},"version":2}`
	someStock = `{"sku":"BOOK-1","onHand":12,"available":10,"reserved":2,"shards":4,"version":3}`
	aProduct  = `{"sku":"BOOK-1","version":3,"withdrawn":false,"outOfStock":"backorder",` +
		`"current":[{"amount":1299,"currency":"EUR"}],"prices":[{"amount":1299,"currency":"EUR"},` +
		`{"amount":999,"currency":"EUR","validFrom":"2027-01-01T00:00:00Z"}]}`
	aParcel = `{"id":"s1","orderId":"o1","status":"dispatched","labelled":true,"trackingNumber":"OF1",` +
		`"items":[{"sku":"BOOK-1","quantity":2}],"version":3}`
	someAlarms = `{"alarms":[{"name":"view-lag","state":"ALARM","since":"2026-03-01T11:00:00Z","says":"It lags.",` +
		`"runbook":"docs/runbooks.md#view-lag","silent":true},{"name":"age","state":"OK"}]}`
	whoRefuses = `{"status":409,"code":"order.not-waiting","detail":"the order does not wait"}`
)

// TestCommands: what each command asks the API for, what it prints, and its exit status.
func TestCommands(t *testing.T) {
	toLondon := []string{
		"--recipient", "Ada", "--line1", "1 Street", "--city", "London", "--postal-code", "SW1Y 4LB", "--country", "GB",
	}
	const london = `"shippingAddress":{"recipient":"Ada","line1":"1 Street","postalCode":"SW1Y 4LB","city":"London",` +
		`"country":"GB"}`
	for name, tt := range map[string]struct {
		args    string // separated by spaces; %s stands for the address
		more    []string
		answers map[string]string
		asked   []string
		out     string // of people; a part of what is printed to them where a command fails
		status  int
	}{
		"place": {
			"orders place --customer ada --currency EUR --line BOOK-1=2,BOOK-2=1 --key k", toLondon,
			map[string]string{"POST /orders": placedOrder},
			[]string{`POST /orders Idempotency-Key: k {"currency":"EUR","customerId":"ada","lines":[` +
				`{"sku":"BOOK-1","quantity":2},{"sku":"BOOK-2","quantity":1}],` + london + `}`},
			"order o1: placed, EUR 25.98\n", 0,
		},
		"place and wait": {
			"orders place --customer ada --currency EUR --line BOOK-1=2 --out-of-stock backorder --key k", toLondon,
			map[string]string{"POST /orders": waitingOrder},
			[]string{`POST /orders Idempotency-Key: k {"currency":"EUR","customerId":"ada","lines":[` +
				`{"sku":"BOOK-1","quantity":2}],"outOfStock":"backorder",` + london + `}`},
			"order o1: backordered, EUR 0.07\n  waits for stock until 2026-03-15T12:00:00Z\n", 0,
		},
		"place nothing": {"orders place --customer ada --currency EUR", toLondon, nil, nil, "--line: expected", 2},
		"place for nobody": {"orders place --currency EUR --line BOOK-1=2", toLondon, nil, nil, "--customer: " +
			"expected", 2},
		"place none of it": {
			"orders place --customer ada --currency EUR --line BOOK-1=0", toLondon, nil, nil,
			`--line: expected SKU=QUANTITY, got "BOOK-1=0"`, 2,
		},
		"amend quantities": {
			"orders amend o1 --quantity 0=3 --remove 1 --add CD-1=1 --reason why", nil,
			map[string]string{"GET /orders/o1": placedOrder, "PATCH /orders/o1": placedOrder},
			[]string{"GET " +
				"/orders/o1", `PATCH /orders/o1 If-Match: "3" {"lines":[{"line":0,"sku":"BOOK-1","quantity":3},` +
				`{"sku":"CD-1","quantity":1}],"reason":"why"}`},
			"order o1: placed, EUR 25.98\n", 0,
		},
		"amend the address": {
			"orders amend o1 --line1 2 --version 3", nil,
			map[string]string{"GET /orders/o1": placedOrder, "PATCH /orders/o1": placedOrder},
			[]string{"GET /orders/o1?asOf=3", `PATCH /orders/o1 If-Match: "3" {` + strings.Replace(london, "1 "+
				"Street", "2", 1) + `}`},
			"order o1: placed, EUR 25.98\n", 0,
		},
		"amend another version": {
			"orders amend o1 --remove 0 --version 2", nil,
			map[string]string{
				"GET /orders/o1":   strings.Replace(placedOrder, `"version":3`, `"version":2`, 1),
				"PATCH /orders/o1": `{"status":412,"code":"order.version-conflict","detail":"it is at version 3"}`,
			},
			[]string{
				"GET /orders/o1?asOf=2",
				`PATCH /orders/o1 If-Match: "2" {"lines":[{"line":1,"sku":"BOOK-2","quantity":1}]}`,
			}, "it is at version 3", 3,
		},
		"amend no line": {
			"orders amend o1 --remove 2", nil, map[string]string{"GET /orders/o1": placedOrder},
			[]string{"GET /orders/o1"}, "order o1 has no line 2", 1,
		},
		"amend a line twice": {"orders amend o1 --remove 0 --quantity 0=1", nil, nil, nil, "--remove: expected", 2},
		"amend nothing":      {"orders amend o1", nil, nil, nil, "orders amend: expected --quantity", 2},
		"cancel": {
			"orders cancel o1 --reason twice --key k", nil, map[string]string{"POST /orders/o1/cancel": placedOrder},
			[]string{`POST /orders/o1/cancel Idempotency-Key: k {"reason":"twice"}`}, "order o1: placed, EUR " +
				"25.98\n", 0,
		},
		"cancel without a word": {"orders cancel o1", nil, nil, nil, "expected --reason", 2},
		"cancel what is not there": {
			"orders cancel o2 --reason twice --key k", nil, nil,
			[]string{`POST /orders/o2/cancel Idempotency-Key: k {"reason":"twice"}`}, "order.not-found", 3,
		},
		"pay": {
			"orders pay o1 --key k", nil, map[string]string{"POST /orders/o1/payment": placedOrder},
			[]string{`POST /orders/o1/payment Idempotency-Key: k {}`}, "order o1: placed, EUR 25.98\n", 0,
		},
		"pay otherwise": {
			"orders pay o1 --account a2 --key k", nil, map[string]string{"POST /orders/o1/payment": placedOrder},
			[]string{`POST /orders/o1/payment Idempotency-Key: k {"accountId":"a2"}`}, "order o1: placed, EUR " +
				"25.98\n", 0,
		},
		"approve": {
			"orders approve o1 --reason known --key k", nil, map[string]string{"POST /orders/o1/approve": placedOrder},
			[]string{`POST /orders/o1/approve Idempotency-Key: k {"reason":"known"}`}, "order o1: placed, EUR " +
				"25.98\n", 0,
		},
		"decline": {
			"orders decline o1 --reason unknown --key k", nil, map[string]string{"POST " +
				"/orders/o1/decline": placedOrder},
			[]string{`POST /orders/o1/decline Idempotency-Key: k {"reason":"unknown"}`}, "order o1: placed, EUR " +
				"25.98\n", 0,
		},
		"decline with a blank": {"orders decline o1 --reason", []string{" "}, nil, nil, "orders decline: expected " +
			"--reason", 2},
		"approve too late": {
			"orders approve o1 --reason known --key k", nil, map[string]string{"POST /orders/o1/approve": whoRefuses},
			[]string{`POST /orders/o1/approve Idempotency-Key: k {"reason":"known"}`}, "order.not-waiting", 3,
		},
		"history": {
			"orders history o1", nil,
			map[string]string{"GET /orders/o1/history": `{"events":[{"sequence":1,"type":"order.placed",` +
				`"time":"2026-03-01T12:00:00Z","actor":{"kind":"customer","id":"ada"},"data":{"reason":"x"}}]}`},
			[]string{"GET /orders/o1/history"},
			"  1  2026-03-01T12:00:00Z  order.placed           customer ada             reason=x\n", 0,
		},
		"effects": {
			"orders effects o1", nil,
			map[string]string{"GET /orders/o1/effects": `{"omitted":1,"attempts":[{"kind":"payment","id":"p1",` +
				`"revision":2,"events":[{"type":"payment.declined","time":"2026-03-01T12:00:00Z","data":{"code":"x",` +
				`"amount":{"amount":500,"currency":"EUR"}}}]}],"mails":[{"about":"order.placed","outcome":"refused",` +
				`"time":"2026-03-01T12:00:00Z","why":"no such address"}]}`},
			[]string{"GET /orders/o1/effects"},
			"1 attempts at most are left out\npayment p1, of revision 2\n" +
				"  2026-03-01T12:00:00Z  payment.declined     EUR 5.00 code=x\n" +
				"mail about order.placed: refused, 2026-03-01T12:00:00Z, no such address\n", 0,
		},
		"open": {
			"accounts open --customer ada --currency EUR --key k", nil, map[string]string{"POST /accounts": anAccount},
			[]string{`POST /accounts Idempotency-Key: k {"currency":"EUR","customerId":"ada"}`},
			"account a1 of ada: EUR 5.00\n", 0,
		},
		"open for nobody": {"accounts open --currency EUR", nil, nil, nil, "--customer: expected", 2},
		"find": {
			"accounts find --customer ada --currency EUR", nil, map[string]string{"GET /accounts": anAccount},
			[]string{"GET /accounts?currency=EUR&customerId=ada"}, "account a1 of ada: EUR 5.00\n", 0,
		},
		"an account": {
			"accounts show a1", nil, map[string]string{"GET /accounts/a1": anAccount}, []string{"GET /accounts/a1"},
			"account a1 of ada: EUR 5.00\n", 0,
		},
		"deposit": {
			"accounts deposit a1 --key k --amount", []string{"EUR 25.00"},
			map[string]string{"POST /accounts/a1/deposits": `{"id":"m1","amount":{"amount":2500,"currency":"EUR"},` +
				`"balance":{"amount":3000,"currency":"EUR"}}`},
			[]string{`POST /accounts/a1/deposits Idempotency-Key: k {"amount":{"amount":2500,"currency":"EUR"}}`},
			"movement m1: EUR 25.00, and a balance of EUR 30.00\n", 0,
		},
		"withdraw": {
			"accounts withdraw a1 --key k --amount", []string{"JPY 25"},
			map[string]string{"POST /accounts/a1/withdrawals": `{"id":"m1","amount":{"amount":25,"currency":"JPY"},` +
				`"balance":{"amount":0,"currency":"JPY"}}`},
			[]string{`POST /accounts/a1/withdrawals Idempotency-Key: k {"amount":{"amount":25,"currency":"JPY"}}`},
			"movement m1: JPY 25, and a balance of JPY 0\n", 0,
		},
		"deposit nothing": {"accounts deposit a1", nil, nil, nil, "--amount: expected", 2},
		"deposit a number": {
			"accounts deposit a1 --amount 25.00", nil, nil, nil, "expected a currency and an amount",
			2,
		},
		"transfer": {
			"accounts transfer a1 --to a2 --key k --amount", []string{"EUR 1"},
			map[string]string{"POST /accounts/a1/transfers": `{"id":"t1","toAccountId":"a2",` +
				`"amount":{"amount":100,"currency":"EUR"},"balance":{"amount":400,"currency":"EUR"}}`},
			[]string{`POST /accounts/a1/transfers Idempotency-Key: k ` +
				`{"amount":{"amount":100,"currency":"EUR"},"toAccountId":"a2"}`},
			"transfer t1: EUR 1.00 to a2, and a balance of EUR 4.00\n", 0,
		},
		"transfer to nobody": {"accounts transfer a1 --amount", []string{"EUR 1"}, nil, nil, "--to: expected", 2},
		"statement": {
			"accounts statement a1 --limit 1", nil,
			map[string]string{"GET /accounts/a1/statement": `{"movements":[{"time":"2026-03-01T12:00:00Z",` +
				`"kind":"deposit","amount":{"amount":2500,"currency":"EUR"},"balance":{"amount":3000,"currency":"EUR"}}],` +
				`"next":"c"}`},
			[]string{"GET /accounts/a1/statement?limit=1"},
			"┌──────────────────────┬─────────┬───────────┬───────────┬─────┐\n" +
				"│ TIME                 │         │    AMOUNT │   BALANCE │ FOR │\n" +
				"├──────────────────────┼─────────┼───────────┼───────────┼─────┤\n" +
				"│ 2026-03-01T12:00:00Z │ deposit │ EUR 25.00 │ EUR 30.00 │     │\n" +
				"└──────────────────────┴─────────┴───────────┴───────────┴─────┘\nThere are more; --limit 0 shows all.\n", 0,
		},
		"a statement to its end": {
			"accounts statement a1 --json --limit 0", nil, map[string]string{
				"GET /accounts/a1/statement?limit=100":          `{"movements":[{"n":1},{"n":2}],"next":"c"}`,
				"GET /accounts/a1/statement?cursor=c&limit=100": `{"movements":[{"n":3}]}`,
			},
			[]string{"GET /accounts/a1/statement?limit=100", "GET /accounts/a1/statement?cursor=c&limit=100"},
			pretty(`{"movements":[{"n":1},{"n":2},{"n":3}]}`), 0,
		},
		"more of a statement than a page": {
			"accounts statement a1 --json --limit 102", nil, map[string]string{
				"GET /accounts/a1/statement?limit=100":        `{"movements":[` + numbered(100) + `],"next":"c"}`,
				"GET /accounts/a1/statement?cursor=c&limit=2": `{"movements":[{"n":8},{"n":9}],"next":"d"}`,
			},
			[]string{"GET /accounts/a1/statement?limit=100", "GET /accounts/a1/statement?cursor=c&limit=2"},
			pretty(`{"movements":[` + numbered(100) + `,{"n":8},{"n":9}],"next":"d"}`), 0,
		},
		"a statement of less than nothing": {"accounts statement a1 --limit -1", nil, nil, nil, "--limit: expected 0 or more", 2},
		"a parcel": {
			"shipments show s1", nil, map[string]string{"GET /shipments/s1": aParcel}, []string{"GET /shipments/s1"},
			"shipment s1 of order o1: dispatched, version 3, labelled, tracking number OF1\n  2 × BOOK-1\n", 0,
		},
		"label": {
			"shipments label s1 --version 2 --key k", nil, map[string]string{"POST /shipments/s1/label": aParcel},
			[]string{`POST /shipments/s1/label Idempotency-Key: k If-Match: "2"`},
			"shipment s1 of order o1: dispatched, version 3, labelled, tracking number OF1\n  2 × BOOK-1\n", 0,
		},
		"label without a look": {"shipments label s1", nil, nil, nil, "--version: expected", 2},
		"dispatch": {
			"shipments dispatch s1 --key k", nil, map[string]string{"POST /shipments/s1/dispatch": aParcel},
			[]string{`POST /shipments/s1/dispatch Idempotency-Key: k`},
			"shipment s1 of order o1: dispatched, version 3, labelled, tracking number OF1\n  2 × BOOK-1\n", 0,
		},
		"deliver": {
			"shipments deliver s1 --key k", nil, map[string]string{"POST /shipments/s1/deliver": aParcel},
			[]string{`POST /shipments/s1/deliver Idempotency-Key: k`},
			"shipment s1 of order o1: dispatched, version 3, labelled, tracking number OF1\n  2 × BOOK-1\n", 0,
		},
		"stock, its counts": {
			"stock history BOOK-1 --limit 2", nil, map[string]string{"GET /stock/BOOK-1/history": `{"counts":[{"sequence":2,` +
				`"time":"2026-03-01T12:00:00Z","counted":10,"before":12,"delta":-2,"left":8,` +
				`"actor":{"kind":"person","id":"grace"}},{"sequence":1,"time":"2026-02-01T12:00:00Z","counted":20,` +
				`"before":0,"delta":20,"left":0}],"next":"N"}`},
			[]string{"GET /stock/BOOK-1/history?limit=2"},
			"┌──────────────────────┬─────────┬──────────────┬────────────┬─────────────┬──────────────┐\n" +
				"│ TIME                 │ COUNTED │ IN THE BOOKS │ CHANGED BY │ LEFT BEFORE │ BY           │\n" +
				"├──────────────────────┼─────────┼──────────────┼────────────┼─────────────┼──────────────┤\n" +
				"│ 2026-03-01T12:00:00Z │      10 │           12 │         -2 │           8 │ person grace │\n" +
				"│ 2026-02-01T12:00:00Z │      20 │            0 │        +20 │           0 │ unknown      │\n" +
				"└──────────────────────┴─────────┴──────────────┴────────────┴─────────────┴──────────────┘\n" +
				"There are more; --limit 0 shows all.\n", 0,
		},
		"stock, what orders did": {
			"stock movements BOOK-1", nil, map[string]string{"GET /stock/BOOK-1/movements": `{"movements":[` +
				`{"time":"2026-03-01T12:00:00Z","kind":"stock.reserved","orderId":"o1","revision":1,"quantity":2,` +
				`"available":-2,"onHand":0,"actor":{"kind":"system","id":"order-saga"}}],"lookedAt":3,"next":"N"}`},
			[]string{"GET /stock/BOOK-1/movements?limit=10"},
			"┌──────────────────────┬────────────────┬────────┬───────────┬─────────┬───────┬───────────────────┐\n" +
				"│ TIME                 │ EVENT          │ PIECES │ AVAILABLE │ ON HAND │ ORDER │ BY                │\n" +
				"├──────────────────────┼────────────────┼────────┼───────────┼─────────┼───────┼───────────────────┤\n" +
				"│ 2026-03-01T12:00:00Z │ stock.reserved │      2 │        -2 │      +0 │ o1    │ system order-saga │\n" +
				"└──────────────────────┴────────────────┴────────┴───────────┴─────────┴───────┴───────────────────┘\n" +
				"Looked at 3 orders.\nThere are older ones; --cursor N shows them.\n", 0,
		},
		"stock, older movements": {
			"stock movements BOOK-1 --cursor N --limit 1 --json", nil,
			map[string]string{"GET /stock/BOOK-1/movements?cursor=N&limit=1": `{"movements":[]}`},
			[]string{"GET /stock/BOOK-1/movements?cursor=N&limit=1"}, pretty(`{"movements":[]}`), 0,
		},
		"stock, too many movements": {
			"stock movements BOOK-1 --limit 26", nil, nil, nil, "--limit: expected 1 to 25, got 26", 2,
		},
		"stock, who waits": {
			"stock waitlist BOOK-1 --limit 1", nil, map[string]string{"GET /stock/BOOK-1/waitlist": `{"waiting":3,` +
				`"passed":1,"entries":[{"orderId":"o1","revision":1,"quantity":2}],"next":"N"}`},
			[]string{"GET /stock/BOOK-1/waitlist?limit=1"}, "┌───┬───────┬──────────┬────────┐\n" +
				"│   │ ORDER │ REVISION │ PIECES │\n├───┼───────┼──────────┼────────┤\n" +
				"│ 1 │ o1    │        1 │      2 │\n└───┴───────┴──────────┴────────┘\n" +
				"3 wait; 1 got pieces past the first.\nThere are more; --limit 0 shows all.\n", 0,
		},
		"stock, nobody waits": {
			"stock waitlist BOOK-1", nil, map[string]string{"GET /stock/BOOK-1/waitlist": `{"entries":[]}`},
			[]string{"GET /stock/BOOK-1/waitlist?limit=20"}, "Nobody waits for it.\n", 0,
		},
		"stock, less than nothing": {"stock history BOOK-1 --limit -1", nil, nil, nil, "--limit: expected 0 or more, got -1", 2},
		"product, its changes": {
			"products history BOOK-1", nil, map[string]string{"GET /products/BOOK-1/history": `{"changes":[` +
				`{"version":2,"time":"2026-03-01T12:00:00Z","kind":"repriced","reason":"sale","outOfStock":"reject",` +
				`"prices":[{"amount":1299,"currency":"EUR"},` +
				`{"amount":999,"currency":"EUR","validFrom":"2027-01-01T00:00:00Z"}],` +
				`"actor":{"kind":"person","id":"grace"}},{"version":1,"time":"2026-02-01T12:00:00Z",` +
				`"kind":"withdrawn"}]}`},
			[]string{"GET /products/BOOK-1/history?limit=20"}, "version 2, 2026-03-01T12:00:00Z: repriced by person grace: " +
				"\"sale\"\n  EUR 12.99\n  EUR 9.99 from 2027-01-01T00:00:00Z\n  out of stock: reject\n" +
				"version 1, 2026-02-01T12:00:00Z: withdrawn by unknown\n", 0,
		},
		"product, withdrawn for a reason": {
			"products withdraw BOOK-1 --version 3 --reason recalled", nil,
			map[string]string{"PUT /products/BOOK-1": aProduct},
			[]string{`PUT /products/BOOK-1 If-Match: "3" {"reason":"recalled","withdrawn":true}`},
			"BOOK-1: on sale, version 3\n  EUR 12.99\n  EUR 9.99 from 2027-01-01T00:00:00Z\n" +
				"  out of stock: backorder\n", 0,
		},
		"alarms, those that are on": {
			"alarms list", nil, map[string]string{"GET /alarms": someAlarms}, []string{"GET /alarms"},
			"┌──────────┬────────────────────────┬──────────────────────┬──────────┬───────────────────────────┐\n" +
				"│ ALARM    │ STATE                  │ SINCE                │ MEANS    │ WHAT TO DO                │\n" +
				"├──────────┼────────────────────────┼──────────────────────┼──────────┼───────────────────────────┤\n" +
				"│ view-lag │ ALARM, notifies nobody │ 2026-03-01T11:00:00Z │ It lags. │ docs/runbooks.md#view-lag │\n" +
				"└──────────┴────────────────────────┴──────────────────────┴──────────┴───────────────────────────┘\n" +
				"1 of 2 alarms are in alarm.\n", 0,
		},
		"alarms, none is on": {
			"alarms list", nil, map[string]string{"GET /alarms": `{"alarms":[{"name":"age","state":"OK"}]}`},
			[]string{"GET /alarms"}, "0 of 1 alarms are in alarm.\n", 0,
		},
		"figures of too many days": {"figures --days 93", nil, nil, nil, "figures: --days: expected 1 to 92, got 93", 2},
		"figures that the API refuses": {
			"figures", nil, map[string]string{"GET /analytics/minutes": `{"status":403,"code":"auth.forbidden"}`},
			[]string{"GET /analytics/minutes"}, "auth.forbidden", 3,
		},
		"audit, in a cycle": {
			"audit show", nil, map[string]string{"GET /audit": `{"since":"2026-03-01T01:00:00Z",` +
				`"through":"2026-03-01T10:00:00Z","began":"2026-03-01T11:00:00Z","failed":"2026-03-01T09:00:00Z",` +
				`"canaries":2,"oldestCanary":"2026-03-01T06:00:00Z"}`}, []string{"GET /audit"},
			"looked at: events from 2026-03-01T01:00:00Z to 2026-03-01T10:00:00Z\n" +
				"under way: a cycle that began at 2026-03-01T11:00:00Z\n" +
				"failed: something of the hour 2026-03-01T09:00:00Z; the next cycle looks again\n" +
				"on the bus: 2 of its own events, since 2026-03-01T06:00:00Z\n", 0,
		},
		"audit, none yet": {
			"audit show", nil, map[string]string{"GET /audit": `{"canaries":0}`}, []string{"GET /audit"},
			"No audit has run yet.\n", 0,
		},
		"stock": {
			"stock show BOOK-1", nil, map[string]string{"GET /stock/BOOK-1": someStock}, []string{"GET /stock/BOOK-1"},
			"BOOK-1: 12 on hand, 10 available and 2 reserved, version 3, in 4 shards\n", 0,
		},
		"count": {
			"stock count BOOK-1 --on-hand 12 --version 3 --left s1", nil, map[string]string{"PUT " +
				"/stock/BOOK-1": someStock},
			[]string{`PUT /stock/BOOK-1 If-Match: "3" {"left":["s1"],"onHand":12}`},
			"BOOK-1: 12 on hand, 10 available and 2 reserved, version 3, in 4 shards\n", 0,
		},
		"count the first time": {
			"stock count BOOK-1 --on-hand 0 --new", nil, map[string]string{"PUT /stock/BOOK-1": someStock},
			[]string{`PUT /stock/BOOK-1 If-None-Match: * {"onHand":0}`},
			"BOOK-1: 12 on hand, 10 available and 2 reserved, version 3, in 4 shards\n", 0,
		},
		"count at no version": {"stock count BOOK-1 --on-hand 12", nil, nil, nil, "expected either --version", 2},
		"count nothing":       {"stock count BOOK-1 --new", nil, nil, nil, "--on-hand: expected 0 or more", 2},
		"split": {
			"stock split BOOK-1 --shards 4", nil, map[string]string{"PUT /stock/BOOK-1/shards": someStock},
			[]string{`PUT /stock/BOOK-1/shards {"shards":4}`},
			"BOOK-1: 12 on hand, 10 available and 2 reserved, version 3, in 4 shards\n", 0,
		},
		"split into too many": {"stock split BOOK-1 --shards 17", nil, nil, nil, "--shards: expected 1 to 16, got " +
			"17", 2},
		"a product": {
			"products show BOOK-1", nil, map[string]string{"GET /products/BOOK-1": aProduct},
			[]string{"GET /products/BOOK-1"},
			"BOOK-1: on sale, version 3\n  EUR 12.99\n  EUR 9.99 from 2027-01-01T00:00:00Z\n  out of stock: " +
				"backorder\n", 0,
		},
		"products": {
			"products list --limit 1 --withdrawn", nil, map[string]string{"GET /products": `{"products":[]}`},
			[]string{"GET /products?limit=1&withdrawn=true"},
			"┌─────┬───────┬──────────────┬─────────┐\n│ SKU │ PRICE │ OUT OF STOCK │ VERSION │\n" +
				"├─────┼───────┼──────────────┼─────────┤\n└─────┴───────┴──────────────┴─────────┘\n", 0,
		},
		"set a new product": {
			"products set BOOK-1 --price", []string{"EUR 12.99", "--price", "EUR 9.99@2027-01-01T00:00:00Z"},
			map[string]string{"PUT /products/BOOK-1": aProduct},
			[]string{"GET /products/BOOK-1", `PUT /products/BOOK-1 If-None-Match: * {"prices":[` +
				`{"amount":1299,"currency":"EUR"},{"amount":999,"currency":"EUR","validFrom":"2027-01-01T00:00:00Z"}]}`},
			"BOOK-1: on sale, version 3\n  EUR 12.99\n  EUR 9.99 from 2027-01-01T00:00:00Z\n  out of stock: " +
				"backorder\n", 0,
		},
		"set a known version": {
			"products set BOOK-1 --version 2 --out-of-stock backorder --price", []string{"EUR 12.99"},
			map[string]string{"PUT /products/BOOK-1": aProduct},
			[]string{`PUT /products/BOOK-1 If-Match: "2" {"outOfStock":"backorder","prices":[` +
				`{"amount":1299,"currency":"EUR"}]}`},
			"BOOK-1: on sale, version 3\n  EUR 12.99\n  EUR 9.99 from 2027-01-01T00:00:00Z\n  out of stock: " +
				"backorder\n", 0,
		},
		"set no price": {"products set BOOK-1", nil, nil, nil, "--price: expected one at least", 2},
		"withdraw a product": {
			"products withdraw BOOK-1", nil,
			map[string]string{"GET /products/BOOK-1": aProduct, "PUT /products/BOOK-1": aProduct},
			[]string{"GET /products/BOOK-1", `PUT /products/BOOK-1 If-Match: "3" {"withdrawn":true}`},
			"BOOK-1: on sale, version 3\n  EUR 12.99\n  EUR 9.99 from 2027-01-01T00:00:00Z\n  out of stock: " +
				"backorder\n", 0,
		},
		"customers": {
			"customers list --limit 2", nil,
			map[string]string{"GET /customers": `{"customers":[{"id":"ada","registeredAt":"2026-03-01T12:00:00Z"},` +
				`{"id":"bob","registeredAt":"2026-02-01T12:00:00Z","erased":true}]}`},
			[]string{"GET /customers?limit=2"},
			"┌──────────┬──────────────────────┬────────┐\n│ CUSTOMER │ REGISTERED           │        │\n" +
				"├──────────┼──────────────────────┼────────┤\n│ ada      │ 2026-03-01T12:00:00Z │        │\n" +
				"│ bob      │ 2026-02-01T12:00:00Z │ erased │\n└──────────┴──────────────────────┴────────┘\n", 0,
		},
		"register": {
			"customers register ada --email ada@example.com --key k --name", []string{"Ada Lovelace"},
			map[string]string{"POST /customers": `{"id":"ada","version":1}`},
			[]string{`POST /customers Idempotency-Key: k ` +
				`{"customerId":"ada","email":"ada@example.com","name":"Ada Lovelace"}`},
			"customer ada: registered\n", 0,
		},
		"a customer": {
			"customers show ada", nil,
			map[string]string{"GET /customers/ada": `{"id":"ada","name":"Ada Lovelace","email":"ada@example.com",` +
				`"version":1,"mailSuppressed":"bounced"}`},
			[]string{"GET /customers/ada"}, "customer ada: Ada Lovelace <ada@example.com>, version 1\n" +
				"  gets no mail: bounced\n", 0,
		},
		"an erased customer": {
			"customers show ada", nil,
			map[string]string{"GET /customers/ada": `{"id":"ada","name":null,"email":null,"erased":true,` +
				`"erasedAt":"2026-03-01T12:00:00Z"}`},
			[]string{"GET /customers/ada"}, "customer ada: erased 2026-03-01T12:00:00Z\n", 0,
		},
		"no such command": {"orders plaice", nil, nil, nil, `orders: unknown command "plaice"`, 2},
		"no such flag":    {"stock show BOOK-1 --much", nil, nil, nil, "unknown flag: --much", 2},
		"no argument":     {"accounts show", nil, nil, nil, "expected one account id", 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := runs(t, tt.answers, append(strings.Fields(tt.args), tt.more...)...)
			if got.status != tt.status {
				t.Errorf("exit status %d, want %d: %s", got.status, tt.status, got.hints)
			}
			if diff := cmp.Diff(tt.asked, got.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if tt.status != 0 {
				if got.out != "" || !strings.Contains(got.hints, tt.out) {
					t.Errorf("printed %q, and to people %q", got.out, got.hints)
				}
				return
			}
			if diff := cmp.Diff(tt.out, got.out); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
			if strings.Contains(tt.args, "--key k") && !strings.Contains(got.hints, "repeat the command with --key k") {
				t.Errorf("to people: %q", got.hints)
			}
		})
	}
}

// TestJSONIsTheAPIs: --json prints the answer as it is, with what this program doesn't know of, and
// every number as it was.
func TestJSONIsTheAPIs(t *testing.T) {
	got := runs(t, map[string]string{"GET /stock/BOOK-1": `{"sku":"BOOK-1","new":[9007199254740993]}`},
		"stock", "show", "BOOK-1", "--json")
	want := "{\n  \"sku\": \"BOOK-1\",\n  \"new\": [\n    9007199254740993\n  ]\n}\n"
	if got.status != 0 || got.out != want || got.hints != "" {
		t.Errorf("%+v", got)
	}
}

// TestNothingIsAsked: who has no stack, and who asks one that is out of order, is told so by the
// exit status.
func TestNothingIsAsked(t *testing.T) {
	t.Setenv("ORDERFLOW_STACK", "")
	var out, hints bytes.Buffer
	if status := run(t.Context(), &stackFlag{}, []string{"stock", "show", "BOOK-1"}, &out, &hints); status != 2 ||
		!strings.Contains(hints.String(), "ORDERFLOW_STACK is empty") {
		t.Errorf("%d: %s", status, hints.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status := run(ctx, &stackFlag{name: "x"}, []string{"verify"}, &out, &hints); status != 130 ||
		!strings.Contains(hints.String(), "interrupted") {
		t.Errorf("%d: %s", status, hints.String())
	}
}

func TestAmounts(t *testing.T) {
	for text, want := range map[string]string{
		"EUR 12.99": "EUR 12.99", "EUR 12": "EUR 12.00", "EUR 0.01": "EUR 0.01", "JPY 500": "JPY 500",
		"KWD 1.500": "KWD 1.500", "EUR 10000000000.00": "EUR 10000000000.00",
		"EUR 12.9": "", "EUR 12.999": "", "JPY 500.00": "", "EUR 0.00": "", "EUR 0": "", "EUR -1": "", "EUR 1e3": "",
		"EUR 01.00": "", "EUR  1": "", "EUR": "", "12.99": "", "12.99 EUR": "", "eur 1": "", "ZZZ 1": "",
		"EUR 1,00": "", "EUR .50": "", "EUR 1.": "", "EUR +1.00": "", "EUR 10000000000.01": "",
		"EUR 99999999999999999999": "", "EUR 1.-1": "",
	} {
		got, err := parseAmount(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	if _, err := parseAmount("EUR 10000000000.01"); err == nil ||
		!strings.Contains(err.Error(), "from EUR 0.01 to EUR 10000000000.00") {
		t.Errorf("too much: %v", err)
	}
	// the API's limits of a price
	for text, want := range map[string]string{
		"EUR 0.00": "EUR 0.00", "EUR 0": "EUR 0.00", "EUR 10000000.00": "EUR 10000000.00", "EUR 10000000.01": "",
		"EUR -0.01": "", "EUR -0": "", "EUR 0.-1": "", "EUR 00": "",
	} {
		got, err := parsePrice(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("a price of %q: %s, %v", text, got, err)
		}
	}
}

// TestCompletion: a shell completes ids, with words on each.
func TestCompletion(t *testing.T) {
	answers := map[string]string{
		"GET /orders":   `{"orders":[{"id":"o1","status":"held","customerId":"ada"},{"id":"p2","status":"held"}]}`,
		"GET /products": `{"products":[` + aProduct + `]}`, "GET /customers": `{"customers":[{"id":"ada"},` +
			`{"id":"bob","erased":true}]}`,
		"GET /dead-letters": `{"deadLetters":[{"id":"d1","consumer":"send-mails","code":"x"}]}`,
	}
	for args, want := range map[string]struct {
		out   string
		asked []string
	}{
		"orders cancel o":       {"o1\theld, ada\n:4\n", []string{"GET /orders?limit=50"}},
		"orders approve o":      {"o1\theld, ada\n:4\n", []string{"GET /orders?limit=50&status=held"}},
		"orders cancel o1 o":    {":4\n", nil},
		"stock show BO":         {"BOOK-1\tEUR 12.99\n:4\n", []string{"GET /products?limit=100"}},
		"customers show a":      {"ada\n:4\n", []string{"GET /customers?limit=100"}},
		"deadletters show d":    {"d1\tsend-mails: x\n:4\n", []string{"GET /dead-letters?limit=50"}},
		"deadletters redrive d": {"d1\tsend-mails: x\n:4\n", []string{"GET /dead-letters?limit=50"}},
	} {
		got := runs(t, answers, append([]string{"__complete"}, strings.Fields(args)...)...)
		if diff := cmp.Diff(want.asked, got.asked); got.status != 0 || got.out != want.out || diff != "" {
			t.Errorf("%s: %d %q %s\n%s", args, got.status, got.out, got.hints, diff)
		}
	}
	if got := runs(t, nil, "__complete", "stock", "show", ""); got.out != ":1\n" {
		t.Errorf("without an answer: %+v", got)
	}
}
