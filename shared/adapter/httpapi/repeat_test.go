package httpapi_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// TestRepeat: a request that is sent again with its key has the same answer, and happens once.
func TestRepeat(t *testing.T) {
	for _, c := range []struct {
		name string
		when func(s *shop) request
	}{
		{"register", func(*shop) request { return post(customerCaller("eve"), "/customers", person()) }},
		{"order", func(*shop) request { return post(ada, "/orders", anOrder()) }},
		{"operator's order", func(*shop) request { return post(operator, "/orders", set(anOrder(), "customerId", "ada")) }},
		{"cancel", func(s *shop) request { return post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"}) }},
		{"open", func(*shop) request { return post(ada, "/accounts", object{"currency": "EUR"}) }},
		{"deposit", func(s *shop) request {
			return post(operator, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)})
		}},
		{"withdraw", func(s *shop) request {
			return post(ada, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(5)})
		}},
		{"set stock", func(*shop) request { return put(operator, "/stock/cd-1", 3, "If-Match", `"1"`) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			r := c.when(s)
			if r.method == http.MethodPost {
				r = r.with("Idempotency-Key", "the-key")
			}
			first := s.send(r)
			if first.status >= 300 {
				t.Fatalf("%d: %s", first.status, first.raw)
			}
			commits, counters := s.store.commits.Load(), s.counters.String()
			again := s.send(r)
			if again.status != first.status || again.raw != first.raw || again.headers["Location"] != first.headers["Location"] || again.headers["Etag"] != first.headers["Etag"] {
				t.Errorf("first %d %s\nagain %d %s", first.status, first.raw, again.status, again.raw)
			}
			if s.store.commits.Load() != commits || s.counters.String() != counters {
				t.Error("it happened twice")
			}
		})
	}
}

// TestCustomerMayNameThemselves: with and without customerId is the same request.
func TestCustomerMayNameThemselves(t *testing.T) {
	s := newShop(t)
	first := s.must(http.StatusAccepted, post(ada, "/orders", anOrder()).with("Idempotency-Key", "k"))
	again := s.must(http.StatusAccepted, post(ada, "/orders", set(anOrder(), "customerId", "ada")).with("Idempotency-Key", "k"))
	if first.raw != again.raw {
		t.Errorf("first %s\nagain %s", first.raw, again.raw)
	}
}

// TestKeysAreTheCustomersOwn: two customers may choose the same key.
func TestKeysAreTheCustomersOwn(t *testing.T) {
	s := newShop(t)
	hers := s.must(http.StatusAccepted, post(ada, "/orders", anOrder()).with("Idempotency-Key", "1"))
	his := s.must(http.StatusAccepted, post(bob, "/orders", anOrder()).with("Idempotency-Key", "1"))
	if hers.text("id") == his.text("id") {
		t.Error("both have one order")
	}
}

// TestRaces: of commands that exclude each other one wins, and the others are told clearly.
func TestRaces(t *testing.T) {
	const n = 8
	for _, c := range []struct {
		name    string
		when    func(s *shop, i int) request
		want    map[int]int // how many answers of each status
		commits int64
	}{
		{"one order with one key", func(_ *shop, _ int) request {
			return post(ada, "/orders", anOrder()).with("Idempotency-Key", "k")
		}, map[int]int{202: n}, 1},
		{"cancel with many keys", func(s *shop, _ int) request { return post(ada, "/orders/"+s.order+"/cancel", object{}) }, map[int]int{202: n}, 1},
		{"one key for many orders", func(_ *shop, i int) request {
			return post(ada, "/orders", set(anOrder(), "lines.0.quantity", i+1)).with("Idempotency-Key", "k")
		}, map[int]int{202: 1, 422: n - 1}, 1},
		{"stock at one version", func(_ *shop, i int) request { return put(operator, "/stock/cd-1", 20+i, "If-Match", `"1"`) }, map[int]int{200: 1, 412: n - 1}, 1},
		{"withdraw what is there for one", func(s *shop, _ int) request {
			return post(ada, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(2600)})
		}, map[int]int{201: 1, 422: n - 1}, 2},
		{"open one account with many keys", func(_ *shop, _ int) request { return post(ada, "/accounts", object{"currency": "EUR"}) }, map[int]int{201: 1, 409: n - 1}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			before := s.store.commits.Load()
			answers := make([]response, n)
			var wg sync.WaitGroup
			for i := range n {
				r := c.when(s, i)
				wg.Go(func() { answers[i] = s.send(r) })
			}
			wg.Wait()
			got := map[int]int{}
			for _, a := range answers {
				got[a.status]++
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("answers are %v, want %v: %s", got, c.want, answers[0].raw)
			}
			if written := s.store.commits.Load() - before; written != c.commits {
				t.Errorf("%d commits, want %d", written, c.commits)
			}
		})
	}
}
