package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

var (
	operator2 = caller{claims: map[string]string{"sub": "operator-2", "scope": scope}}
	carrier2  = caller{claims: map[string]string{"sub": "carrier-2", "scope": carrierScope}}
)

// keyed is an operation and what can differ about a request for it. The requests are made for a
// shop of their own.
type keyed struct {
	name   string
	route  string // as in the document
	setup  func(s *pair)
	first  func(s *pair) request
	body   func(s *pair) request // another body; nil where there is none
	target func(s *pair) request // another target; nil where the body names all that there is
	// other is the same thing as others may ask for it, and what they are told.
	other  func(s *pair) request
	status int
	again  bool // what the other caller asks for happens a second time
}

// pair is a shop with two orders and accounts of ada's, a shipment of each order, and two dead
// letters.
type pair struct {
	*shop
	second  *shop  // the same, with the other order
	euros   string // ada's other account
	theirs  string // bob's, in the same currency
	letters []string
	at      [2]string // the shipments
}

func newPair(t testing.TB, op keyed) *pair {
	s := newShop(t)
	p := &pair{shop: s, letters: s.addLetters(2, nil)}
	p.euros = s.must(http.StatusCreated, post(ada, "/accounts", object{"currency": "EUR"})).text("id")
	s.must(http.StatusCreated, post(operator, "/accounts/"+p.euros+"/deposits", object{"amount": euros(5000)}))
	p.theirs = s.must(http.StatusCreated, post(bob, "/accounts", object{"currency": "EUR"})).text("id")
	other := *s
	other.order = s.must(http.StatusAccepted, post(ada, "/orders", anOrder())).text("id")
	p.second = &other
	if op.setup != nil {
		op.setup(p)
	}
	return p
}

// ships takes both shipments that far.
func ships(to shipment.Status) func(*pair) {
	return func(p *pair) { p.at = [2]string{p.ship(to), p.second.ship(to)} }
}

// leaves has both orders paid and sent.
func leaves(p *pair) {
	p.must(http.StatusCreated, post(operator, "/accounts/"+p.account+"/deposits", object{"amount": usd(5000)}))
	p.leave()
	p.second.leave()
}

// unpaid has both orders wait for another try of their payment.
func unpaid(p *pair) {
	for _, id := range []string{p.order, p.second.order} {
		if _, err := p.orders.Run(p.t.Context(), es.Request{CommitID: "declined " + id, Time: p.clock.Now()}, id,
			order.RequirePayment{Revision: 1, Code: "account.insufficient-funds", Until: "2026-03-01T12:30:00Z"},
		); err != nil {
			p.t.Fatal(err)
		}
	}
}

// held has two orders that wait for approval.
func held(p *pair) {
	for _, s := range []*shop{p.shop, p.second} {
		s.order = s.must(http.StatusAccepted, post(ada, "/orders", toFrance())).text("id")
	}
}

// toFrance is an order of a country whose orders are held.
func toFrance() object {
	return set(set(anOrder(), "shippingAddress.country", "FR"), "shippingAddress.postalCode", "75001")
}

// picture is all that a request could change.
func (p *pair) picture() string {
	out := []string{fmt.Sprint(p.store.commits.Load(), " commits")}
	for _, path := range []string{
		"/orders/" + p.order, "/orders/" + p.second.order,
		"/accounts/" + p.account, "/accounts/" + p.euros, "/accounts/" + p.bobs, "/accounts/" + p.theirs,
		"/shipments/" + p.at[0], "/shipments/" + p.at[1],
		"/dead-letters/" + p.letters[0], "/dead-letters/" + p.letters[1],
	} {
		if !strings.HasSuffix(path, "/") {
			out = append(out, p.must(http.StatusOK, get(operator, path)).raw)
		}
	}
	return strings.Join(out, "\n")
}

func euros(amount int64) object { return object{"amount": amount, "currency": "EUR"} }

func newcomer(id, name string) object {
	return object{"customerId": id, "name": name, "email": "eve@example.com"}
}

// each is the same request under the same key, by somebody else.
func by(who caller, f func(*pair) request) func(*pair) request {
	return func(p *pair) request {
		r := f(p)
		r.who = who
		return r
	}
}

func (o keyed) with(status int, again bool, other func(*pair) request) keyed {
	o.other, o.status, o.again = other, status, again
	return o
}

// keyedOperations are all POSTs of the API: TestKeysOfAllOperations says so.
func keyedOperations() []keyed {
	account := func(of func(*pair) string, what string, who caller, body func(*pair) object) func(*pair) request {
		return func(p *pair) request { return post(who, "/accounts/"+of(p)+"/"+what, body(p)) }
	}
	own, ownEuros := func(p *pair) string { return p.account }, func(p *pair) string { return p.euros }
	is := func(o object) func(*pair) object { return func(*pair) object { return o } }
	move := func(what string, who caller) keyed {
		first := account(own, what, who, is(object{"amount": usd(5)}))
		return keyed{
			name: what, route: "/accounts/{id}/" + what, first: first,
			body:   account(own, what, who, is(object{"amount": usd(6)})),
			target: account(ownEuros, what, who, is(object{"amount": euros(5)})),
		}.with(http.StatusCreated, true, by(operator2, first))
	}
	transfer := func(_ *pair, from, to string, amount object) request {
		return post(ada, "/accounts/"+from+"/transfers", object{"toAccountId": to, "amount": amount})
	}
	sent := func(p *pair) request { return transfer(p, p.account, p.bobs, usd(5)) }
	interest := account(own, "interest", operator, is(object{"rateBasisPoints": 500}))
	place := func(body object, who caller) func(*pair) request {
		return func(*pair) request { return post(who, "/orders", body) }
	}
	cancel := func(who caller, second bool, body object) func(*pair) request {
		return func(p *pair) request {
			id := p.order
			if second {
				id = p.second.order
			}
			return post(who, "/orders/"+id+"/cancel", body)
		}
	}
	on := func(what string, who caller, second bool, body object) func(*pair) request {
		return func(p *pair) request {
			id := p.order
			if second {
				id = p.second.order
			}
			return post(who, "/orders/"+id+"/"+what, body)
		}
	}
	why := object{"reason": "late"}
	shipped := func(what string, who caller, n int) func(*pair) request {
		return func(p *pair) request { return post(who, "/shipments/"+p.at[n]+"/"+what, nil) }
	}
	labelled := func(who caller, n int) func(*pair) request {
		return func(p *pair) request { return shipped("label", who, n)(p).with("If-Match", `"2"`) }
	}
	letter := func(what string, n int, body object) func(*pair) request {
		return func(p *pair) request { return post(operator, "/dead-letters/"+p.letters[n]+"/"+what, body) }
	}
	register := func(body object) func(*pair) request {
		return func(*pair) request { return post(operator, "/customers", body) }
	}
	open := func(who caller, body object) func(*pair) request {
		return func(*pair) request { return post(who, "/accounts", body) }
	}
	placed := anOrder()
	withdrawal := move("withdrawals", ada)
	return []keyed{
		{
			name: "register", route: "/customers",
			first:  register(newcomer("eve", "Eve")),
			body:   register(newcomer("eve", "Eva")),
			target: register(newcomer("mallory", "Eve")),
			other:  by(operator2, register(newcomer("eve", "Eve"))), status: http.StatusConflict,
		},
		keyed{
			name: "order", route: "/orders",
			first: place(placed, ada),
			body:  place(set(placed, "lines.0.quantity", 3), ada),
		}.with(http.StatusAccepted, true, place(set(placed, "customerId", "ada"), operator)),
		keyed{
			name: "operator's order", route: "/orders", first: place(set(placed, "customerId", "ada"), operator),
			body: place(set(set(placed, "customerId", "ada"), "shippingAddress.city", "Leeds"), operator),
			// whose order it is, is what it is about
			target: place(set(placed, "customerId", "bob"), operator),
		}.with(http.StatusAccepted, true, place(set(placed, "customerId", "ada"), operator2)),
		{
			name: "cancel", route: "/orders/{id}/cancel",
			first:  cancel(ada, false, why),
			body:   cancel(ada, false, object{"reason": "dear"}),
			target: cancel(ada, true, why), other: cancel(operator, false, why), status: http.StatusAccepted,
		},
		{
			name: "cancel without a reason", route: "/orders/{id}/cancel", first: cancel(operator, false, object{}),
			body: cancel(operator, false, why), target: cancel(operator, true, object{}),
			other: cancel(operator2, false, object{}), status: http.StatusAccepted,
		},
		{
			name: "cancel what is confirmed", route: "/orders/{id}/cancel", setup: ships(shipment.StatusPrepared),
			first: cancel(
				ada,
				false,
				why,
			), body: cancel(ada, false, object{"reason": "dear"}), target: cancel(ada, true, why),
			other: cancel(operator, false, why), status: http.StatusAccepted,
		},
		keyed{
			name: "refund", route: "/orders/{id}/refunds", setup: leaves,
			first:  func(p *pair) request { return p.refund(aPiece()) },
			body:   func(p *pair) request { return p.refund(aGoodwill(1)) },
			target: func(p *pair) request { return p.second.refund(aPiece()) },
		}.with(http.StatusCreated, true, by(operator2, func(p *pair) request { return p.refund(aPiece()) })),
		keyed{
			name: "refund with a note", route: "/orders/{id}/refunds", setup: leaves,
			first:  func(p *pair) request { return p.refund(set(aPiece(), "note", "she called")) },
			body:   func(p *pair) request { return p.refund(set(aPiece(), "note", "she wrote")) },
			target: func(p *pair) request { return p.second.refund(set(aPiece(), "note", "she called")) },
		}.with(http.StatusCreated, true, by(operator2, func(p *pair) request {
			return p.refund(set(aPiece(), "note", "she called"))
		})),
		{
			name: "pay", route: "/orders/{id}/payment", setup: unpaid,
			first: on("payment", ada, false, object{}),
			body: func(p *pair) request {
				return post(ada, "/orders/"+p.order+"/payment", object{"accountId": p.account})
			},
			target: on("payment", ada, true, object{}),
			other:  on("payment", operator, false, object{}), status: http.StatusConflict,
		},
		{
			name: "approve", route: "/orders/{id}/approve", setup: held, first: on("approve", operator, false, why),
			body:   on("approve", operator, false, object{"reason": "known"}),
			target: on("approve", operator, true, why),
			other:  on("approve", operator2, false, why), status: http.StatusAccepted,
		},
		{
			name: "decline", route: "/orders/{id}/decline", setup: held, first: on("decline", operator, false, why),
			body:   on("decline", operator, false, object{"reason": "unknown"}),
			target: on("decline", operator, true, why),
			other:  on("decline", operator2, false, why), status: http.StatusAccepted,
		},
		{
			name: "dispatch", route: "/shipments/{id}/dispatch",
			setup:  ships(shipment.StatusPrepared),
			first:  shipped("dispatch", carrier, 0),
			target: shipped("dispatch", carrier, 1), other: shipped("dispatch", carrier2, 0), status: http.StatusOK,
		},
		{
			name: "label", route: "/shipments/{id}/label",
			setup:  ships(shipment.StatusPrepared),
			first:  labelled(carrier, 0),
			target: labelled(carrier, 1), other: labelled(carrier2, 0), status: http.StatusOK,
		},
		{
			name: "deliver", route: "/shipments/{id}/deliver",
			setup:  ships(shipment.StatusDispatched),
			first:  shipped("deliver", operator, 0),
			target: shipped("deliver", operator, 1), other: shipped("deliver", carrier, 0), status: http.StatusOK,
		},
		{
			name: "open", route: "/accounts",
			first:  open(ada, object{"currency": "JPY"}),
			target: open(ada, object{"currency": "CHF"}),
			other:  open(operator, object{"currency": "JPY", "customerId": "ada"}), status: http.StatusConflict,
		},
		{
			name: "operator opens", route: "/accounts",
			first:  open(operator, object{"currency": "JPY", "customerId": "ada"}),
			target: open(operator, object{"currency": "JPY", "customerId": "bob"}),
			other:  open(operator2, object{"currency": "JPY", "customerId": "ada"}), status: http.StatusConflict,
		},
		move("deposits", operator),
		withdrawal,
		keyed{
			name: "transfer", route: "/accounts/{id}/transfers", first: sent,
			body:   func(p *pair) request { return transfer(p, p.account, p.bobs, usd(6)) },
			target: func(p *pair) request { return transfer(p, p.euros, p.theirs, euros(5)) },
		}.with(http.StatusCreated, true, by(operator, sent)),
		keyed{
			name: "interest", route: "/accounts/{id}/interest", first: interest,
			body:   account(own, "interest", operator, is(object{"rateBasisPoints": 501})),
			target: account(ownEuros, "interest", operator, is(object{"rateBasisPoints": 500})),
		}.with(http.StatusCreated, true, by(operator2, interest)),
		{
			name: "redrive", route: "/dead-letters/{id}/redrive", first: letter("redrive", 0, object{}),
			body: letter("redrive", 0, object{"takeOver": true}), target: letter("redrive", 1, object{}),
			other: by(operator2, letter("redrive", 0, object{})), status: http.StatusAccepted,
		},
		{
			name: "discard", route: "/dead-letters/{id}/discard", first: letter("discard", 0, object{"reason": "a"}),
			body: letter("discard", 0, object{"reason": "b"}), target: letter("discard", 1, object{"reason": "a"}),
			other: by(operator2, letter("discard", 0, object{"reason": "a"})), status: http.StatusOK,
		},
	}
}

const oneKey = "the-key"

// TestKeysOfAllOperations: whatever is a POST is in the table, so that what is added later has its
// key tried as well.
func TestKeysOfAllOperations(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]any
	}
	text := newWorld(t).must(http.StatusOK, get(nobody, "/openapi.json")).raw
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, op := range keyedOperations() {
		tried[op.route] = true
		if doc.Paths[op.route]["post"] == nil {
			t.Errorf("%s is no POST", op.route)
		}
	}
	for path, methods := range doc.Paths {
		if methods["post"] != nil && !tried[path] && path != "/customers/search" { // it has none
			t.Errorf("nobody tries the keys of POST %s", path)
		}
	}
}

// TestKeyOfOneCaller: the same request has the same answer; another body or another target under
// the key is refused, and nothing happens.
func TestKeyOfOneCaller(t *testing.T) {
	for _, op := range keyedOperations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, op)
			before := p.picture()
			first := p.send(op.first(p).with("Idempotency-Key", oneKey))
			done := p.picture()
			if first.status >= 300 || done == before {
				t.Fatalf("%d %s", first.status, first.raw)
			}
			again := p.send(op.first(p).with("Idempotency-Key", oneKey))
			if again.status != first.status || again.raw != first.raw ||
				again.headers["Location"] != first.headers["Location"] {
				t.Errorf("first %d %s\nagain %d %s", first.status, first.raw, again.status, again.raw)
			}
			for what, r := range map[string]func(*pair) request{"body": op.body, "target": op.target} {
				if r != nil {
					res := p.send(r(p).with("Idempotency-Key", oneKey))
					if res.text("code") != "idempotency.key-reused" ||
						!slices.Equal(locations(res), []string{"header.Idempotency-Key"}) {
						t.Errorf("another %s: %d %s", what, res.status, res.raw)
					}
				}
			}
			if now := p.picture(); now != done {
				t.Errorf("something happened:\n%s\nnow\n%s", done, now)
			}
		})
	}
}

// TestKeyOfAnotherCaller: two callers who chose one key never get each other's answer.
func TestKeyOfAnotherCaller(t *testing.T) {
	for _, op := range keyedOperations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, op)
			first := p.send(op.first(p).with("Idempotency-Key", oneKey))
			done := p.picture()
			theirs := p.send(op.other(p).with("Idempotency-Key", oneKey))
			if theirs.status != op.status || theirs.text("code") == "idempotency.key-reused" {
				t.Fatalf("%d %s", theirs.status, theirs.raw)
			}
			if op.again != (p.picture() != done) &&
				!strings.HasPrefix(op.route, "/dead-letters") { // an entry counts who asked
				t.Errorf("after\n%s\nthere is\n%s", done, p.picture())
			}
			if op.again && theirs.text("id") == first.text("id") {
				t.Errorf("both are %s", first.raw)
			}
			if op.again { // and neither is the other's afterwards
				if again := p.send(op.other(p).with("Idempotency-Key", oneKey)); again.raw != theirs.raw {
					t.Errorf("first %s\nagain %s", theirs.raw, again.raw)
				}
			}
			if again := p.send(op.first(p).with("Idempotency-Key", oneKey)); op.again && again.raw != first.raw {
				t.Errorf("first %s\nagain %s", first.raw, again.raw)
			}
		})
	}
}

// TestKeyAtOnce: eight requests under one key at once, half of them for another target or with
// another body: one of the two happens, and the others are told.
func TestKeyAtOnce(t *testing.T) {
	const n = 8
	for _, op := range keyedOperations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			other := op.target
			if other == nil {
				other = op.body
			}
			// What each of them alone leaves behind.
			var alone [2]string
			for i, r := range []func(*pair) request{op.first, other} {
				p := newPair(t, op)
				p.send(r(p).with("Idempotency-Key", oneKey))
				alone[i] = p.changed()
			}
			p := newPair(t, op)
			answers := make([]response, n)
			var wg sync.WaitGroup
			for i := range n {
				r := []func(*pair) request{op.first, other}[i%2](p).with("Idempotency-Key", oneKey)
				wg.Go(func() { answers[i] = p.send(r) })
			}
			wg.Wait()
			var done [2]int
			for i, a := range answers {
				switch {
				case a.status < 300:
					done[i%2]++
				case a.text("code") != "idempotency.key-reused":
					t.Errorf("%d %s", a.status, a.raw)
				}
			}
			winner := 0
			if done[1] > 0 {
				winner = 1
			}
			if done[winner] != n/2 || done[1-winner] != 0 {
				t.Errorf("%d and %d were carried out", done[0], done[1])
			}
			if got := p.changed(); got != alone[winner] {
				t.Errorf("it left\n%s\nand alone it leaves\n%s", got, alone[winner])
			}
		})
	}
}

// changed is the picture without what differs from shop to shop.
func (p *pair) changed() string {
	var kept []string
	for _, line := range strings.Split(p.picture(), "\n") {
		var fields struct {
			Status  string
			Version int64
			Balance struct{ Amount int64 }
		}
		if json.Unmarshal([]byte(line), &fields) != nil {
			kept = append(kept, line)
			continue
		}
		kept = append(kept, fmt.Sprint(fields))
	}
	return strings.Join(kept, "\n")
}

// TestKeyOfALostAnswer: whoever hears nothing sends the request again. It happened once, goes on
// where it stopped, and no other takes its key meanwhile.
func TestKeyOfALostAnswer(t *testing.T) {
	for _, op := range keyedOperations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			whole := newPair(t, op)
			want := whole.send(op.first(whole).with("Idempotency-Key", oneKey))
			p := newPair(t, op)
			lost := fmt.Errorf("%w: no answer", es.ErrUnavailable)
			p.store.lose(lost)
			p.world.letters.Fail = func(method string) (before, after error) {
				if method == "Decide" {
					after = lost
				}
				return nil, after
			}
			first := p.send(op.first(p).with("Idempotency-Key", oneKey))
			if first.status != http.StatusServiceUnavailable {
				t.Fatalf("%d %s", first.status, first.raw)
			}
			p.store.lose(nil)
			p.world.letters.Fail = nil
			if op.target != nil {
				checkProblem(
					t,
					p.send(op.target(p).with("Idempotency-Key", oneKey)),
					http.StatusUnprocessableEntity,
					"idempotency.key-reused",
				)
			}
			again := p.send(op.first(p).with("Idempotency-Key", oneKey))
			if again.status != want.status || p.changed() != whole.changed() {
				t.Errorf("%d %s\nleft\n%s\nwant\n%s", again.status, again.raw, p.changed(), whole.changed())
			}
		})
	}
}
