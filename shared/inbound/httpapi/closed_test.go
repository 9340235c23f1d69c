package httpapi_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

// opened puts an account into the store as an earlier release opened it, whoever the customer is.
func (w *world) opened(customerID, currency string, balance int64) (accountID string) {
	w.t.Helper()
	id := account.ID(customerID, currency)
	head, err := w.store.At(w.t.Context(), es.NewStreamID(account.Category, id), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	events := []any{account.Opened{AccountID: id, CustomerID: customerID, Currency: currency}}
	if balance > 0 {
		amount := money.Money{Amount: balance, Currency: currency}
		events = append(events, account.Deposited{Amount: amount, Reference: "deposit/" + ident.New()})
	}
	earlier := es.Request{CommitID: ident.New(), Time: w.clock.Now()}
	if _, err := w.store.Append(w.t.Context(), []es.Commit{earlier.Commit(head, events...)}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// TestAccountsOfNobody: nothing comes to a customer who is erased or was never registered, and
// nothing is written.
func TestAccountsOfNobody(t *testing.T) {
	s := newShop(t)
	ghosts := s.opened("ghost", "USD", 1000)
	s.erase("bob")
	for _, c := range []struct {
		name, code string
		request    request
	}{
		{"open for an erased customer", "customer.erased",
			post(operator, "/accounts", object{"customerId": "bob", "currency": "EUR"})},
		{"open with a token of theirs", "customer.erased", post(bob, "/accounts", object{"currency": "EUR"})},
		{"open for nobody", "account.unknown-customer",
			post(operator, "/accounts", object{"customerId": "eve", "currency": "EUR"})},
		{"open for oneself, unregistered", "account.unknown-customer",
			post(customerCaller("eve"), "/accounts", object{"currency": "EUR"})},
		{"deposit to an erased customer", "customer.erased",
			post(operator, "/accounts/"+s.bobs+"/deposits", object{"amount": usd(5)})},
		{"deposit to nobody", "account.unknown-customer",
			post(operator, "/accounts/"+ghosts+"/deposits", object{"amount": usd(5)})},
		{"send to an erased customer", "account.cannot-receive",
			post(ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(5)})},
		{"send to nobody", "account.cannot-receive",
			post(ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": ghosts, "amount": usd(5)})},
		{"an operator sends to nobody", "account.cannot-receive",
			post(operator, "/accounts/"+s.account+"/transfers", object{"toAccountId": ghosts, "amount": usd(5)})},
		{"interest for an erased customer", "customer.erased",
			post(operator, "/accounts/"+s.bobs+"/interest", object{"rateBasisPoints": 500})},
		{"interest for nobody", "account.unknown-customer",
			post(operator, "/accounts/"+ghosts+"/interest", object{"rateBasisPoints": 500})},
		{"order for an erased customer", "customer.erased",
			post(operator, "/orders", set(anOrder(), "customerId", "bob"))},
		{"order for nobody", "order.unknown-customer",
			post(operator, "/orders", set(anOrder(), "customerId", "ghost"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			commits := s.store.commits.Load()
			checkProblem(t, s.send(c.request), http.StatusUnprocessableEntity, c.code)
			if n := s.store.commits.Load() - commits; n != 0 {
				t.Errorf("%d commits were written", n)
			}
		})
	}
	// What an earlier release took in for nobody is still theirs, and from when they register their
	// account is like any other.
	ghost := customerCaller("ghost")
	s.must(http.StatusCreated, post(ghost, "/accounts/"+ghosts+"/withdrawals", object{"amount": usd(5)}))
	s.must(http.StatusCreated, post(ghost, "/customers", person()))
	s.must(http.StatusCreated, post(operator, "/accounts/"+ghosts+"/deposits", object{"amount": usd(5)}))
}

// TestNoProbing: whoever sends money to an account that can't receive it learns nothing of that
// account: neither by the answer nor by how much was read for it.
func TestNoProbing(t *testing.T) {
	s := newShop(t)
	s.must(http.StatusCreated, post(customerCaller("eve"), "/customers", person()))
	s.must(http.StatusCreated, post(customerCaller("carol"), "/customers", person()))
	closed := s.must(http.StatusCreated, post(customerCaller("eve"), "/accounts", object{"currency": "USD"})).
		text("id")
	s.erase("eve")
	receivers := map[string]string{
		"none":   ident.New(),
		"closed": closed,
		"in another currency": s.must(http.StatusCreated, post(bob, "/accounts", object{"currency": "EUR"})).
			text("id"),
		"of nobody registered":           s.opened("ghost", "USD", 0),
		"full":                           s.opened("carol", "USD", math.MaxInt64),
		"closed and in another currency": s.opened("eve", "EUR", 100),
	}
	answers, reads := map[string]bool{}, map[int64]bool{}
	for name, to := range receivers {
		loads := s.store.loads.Load()
		res := s.send(post(ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": to, "amount": usd(5)}))
		if res.status != http.StatusUnprocessableEntity || res.text("code") != "account.cannot-receive" {
			t.Errorf("%s: %d %s", name, res.status, res.raw)
		}
		answers[res.raw], reads[s.store.loads.Load()-loads] = true, true
	}
	if len(answers) != 1 || len(reads) != 1 {
		t.Errorf("the answers are %v, with %v reads", answers, reads)
	}
}

const nobodysID = "6f1d8a52-3c1e-5d0b-9a77-2f0f6d1c4e58"

// TestNoProbingElsewhere: what is somebody else's is answered like what is not there, with as many
// reads, on every route that names it.
func TestNoProbingElsewhere(t *testing.T) {
	s := newShop(t)
	order := s.must(http.StatusAccepted, post(bob, "/orders", anOrder())).text("id")
	amount, reason := object{"amount": usd(5)}, object{"reason": "late"}
	for _, c := range []struct {
		method, path string
		body         any
		theirs, none string
	}{
		{http.MethodGet, "/orders/%s", nil, order, nobodysID},
		{http.MethodGet, "/orders/%s?asOf=1", nil, order, nobodysID},
		{http.MethodGet, "/orders/%s?asOf=99", nil, order, nobodysID},
		{http.MethodGet, "/orders/%s/history", nil, order, nobodysID},
		{http.MethodPost, "/orders/%s/cancel", reason, order, nobodysID},
		{http.MethodGet, "/accounts/%s", nil, s.bobs, nobodysID},
		{http.MethodGet, "/accounts/%s?asOf=1", nil, s.bobs, nobodysID},
		{http.MethodGet, "/accounts?currency=USD&customerId=%s", nil, "bob", "nobody"},
		{http.MethodGet, "/accounts/%s/statement", nil, s.bobs, nobodysID},
		{http.MethodPost, "/accounts/%s/withdrawals", amount, s.bobs, nobodysID},
		{http.MethodPost, "/accounts/%s/transfers",
			object{"toAccountId": s.account, "amount": usd(5)}, s.bobs, nobodysID},
		{http.MethodPost, "/accounts/%s/deposits", amount, s.bobs, nobodysID},
		{http.MethodPost, "/accounts/%s/interest", object{"rateBasisPoints": 5}, s.bobs, nobodysID},
		{http.MethodGet, "/customers/%s/orders", nil, "bob", "nobody"},
		{http.MethodGet, "/customers/%s/statistics", nil, "bob", "nobody"},
		{http.MethodDelete, "/customers/%s", nil, "bob", "nobody"},
	} {
		var answers [2]string
		var reads [2]int64
		for i, id := range []string{c.theirs, c.none} {
			loads := s.store.loads.Load()
			res := s.send(request{who: ada, method: c.method, path: fmt.Sprintf(c.path, id), body: c.body})
			answers[i], reads[i] = fmt.Sprint(res.status, res.raw), s.store.loads.Load()-loads
			if res.status < 400 {
				t.Errorf("%s %s: %d", c.method, c.path, res.status)
			}
		}
		if answers[0] != answers[1] || reads[0] != reads[1] {
			t.Errorf(
				"%s %s: %s with %d reads, and %s with %d",
				c.method,
				c.path,
				answers[0],
				reads[0],
				answers[1],
				reads[1],
			)
		}
	}
	// Customers choose no id but their own, so that one that is taken tells them nothing.
	for _, id := range []string{"bob", "nobody"} {
		checkProblem(
			t,
			s.send(post(ada, "/customers", set(person(), "customerId", id))),
			http.StatusForbidden,
			"auth.forbidden",
		)
		checkProblem(
			t,
			s.send(post(ada, "/accounts", object{"customerId": id, "currency": "EUR"})),
			http.StatusForbidden,
			"auth.forbidden",
		)
		checkProblem(
			t,
			s.send(post(ada, "/orders", set(anOrder(), "customerId", id))),
			http.StatusForbidden,
			"auth.forbidden",
		)
	}
}

// TestBalanceAtErasure: what an erased customer leaves stays, is paid out by operators, and by
// nobody who has a token of theirs.
func TestBalanceAtErasure(t *testing.T) {
	s := newShop(t)
	withdraw := func(who caller, amount int64) request {
		return post(who, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(amount)})
	}
	send := func(who caller, amount int64) request {
		return post(who, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(amount)})
	}
	before := withdraw(ada, 100).with("Idempotency-Key", "before")
	first := s.must(http.StatusCreated, before)
	s.erase("ada")
	for _, r := range []request{withdraw(ada, 1), send(ada, 1)} {
		commits := s.store.commits.Load()
		checkProblem(t, s.send(r), http.StatusUnprocessableEntity, "customer.erased")
		if n := s.store.commits.Load() - commits; n != 0 {
			t.Errorf("%d commits were written", n)
		}
	}
	if again := s.must(http.StatusCreated, before); again.raw != first.raw { // which happened
		t.Errorf("first %s\nagain %s", first.raw, again.raw)
	}
	s.must(http.StatusCreated, send(operator, 900))
	found := s.must(http.StatusOK, get(operator, "/accounts?customerId=ada&currency=USD"))
	if balance, _ := found.body["balance"].(object); found.text("id") != s.account || balance["amount"] != 4000.0 {
		t.Errorf("found %s", found.raw)
	}
	paid := s.must(http.StatusCreated, withdraw(operator, 4000))
	if balance, _ := paid.body["balance"].(object); balance["amount"] != 0.0 {
		t.Errorf("after the payout there is %v", balance)
	}
	history, err := s.store.Load(t.Context(), es.NewStreamID(account.WithdrawalCategory, paid.text("id")), 0)
	if err != nil || len(history.Events) != 1 || !strings.HasPrefix(history.Events[0].Metadata.Actor, "operator/") {
		t.Errorf("who paid it out: %+v, %v", history.Events, err)
	}
	checkProblem(t, s.send(withdraw(operator, 1)), http.StatusUnprocessableEntity, "account.insufficient-funds")
}

// TestErasureMeanwhile: money that is on its way while its receiver is erased arrives whole or not
// at all, and what arrives can be paid out.
func TestErasureMeanwhile(t *testing.T) {
	s := newShop(t)
	var wg sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = s.send(
				post(ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(100)}),
			).status
		})
	}
	wg.Go(func() { s.send(remove(operator, "/customers/bob")) })
	wg.Wait()
	arrived := int64(0)
	for _, status := range statuses {
		switch status {
		case http.StatusCreated:
			arrived += 100
		case http.StatusUnprocessableEntity:
		default:
			t.Errorf("%d", status)
		}
	}
	for id, want := range map[string]int64{s.account: 5000 - arrived, s.bobs: arrived} {
		shown := s.must(http.StatusOK, get(operator, "/accounts/"+id))
		if balance, _ := shown.body["balance"].(object); balance["amount"] != float64(want) {
			t.Errorf("%s holds %v, want %d", id, balance, want)
		}
	}
	if arrived > 0 {
		s.must(http.StatusCreated, post(operator, "/accounts/"+s.bobs+"/withdrawals", object{"amount": usd(arrived)}))
	}
}
