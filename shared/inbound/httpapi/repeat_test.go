package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/shipment"
)

// TestRepeat: a request that is sent again with its key has the same answer, and happens once.
func TestRepeat(t *testing.T) {
	for _, c := range []struct {
		name string
		when func(s *shop) request
	}{
		{"register", func(*shop) request { return post(customerCaller("eve"), "/customers", person()) }},
		{"order", func(*shop) request { return post(ada, "/orders", anOrder()) }},
		{
			"operator's order",
			func(*shop) request { return post(operator, "/orders", set(anOrder(), "customerId", "ada")) },
		},
		{"order at the catalogue's prices", func(*shop) request {
			return post(ada, "/orders", set(anOrder(object{"sku": "cd-1", "quantity": 1}), "currency", "USD"))
		}},
		{"quoted order", func(*shop) request { return post(quotes, "/orders", quotedOrder()) }},
		{"cancel", func(s *shop) request { return post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"}) }},
		{"cancel what is confirmed", func(s *shop) request {
			s.ship(shipment.StatusPrepared)
			return post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"})
		}},
		{"dispatch", func(s *shop) request {
			return post(operator, "/shipments/"+s.ship(shipment.StatusPrepared)+"/dispatch", nil)
		}},
		{"deliver", func(s *shop) request {
			return post(operator, "/shipments/"+s.ship(shipment.StatusDispatched)+"/deliver", nil)
		}},
		{"dispatch what has left", func(s *shop) request {
			return post(operator, "/shipments/"+s.ship(shipment.StatusDispatched)+"/dispatch", nil)
		}},
		{"open", func(*shop) request { return post(ada, "/accounts", object{"currency": "EUR"}) }},
		{"deposit", func(s *shop) request {
			return post(operator, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)})
		}},
		{"withdraw", func(s *shop) request {
			return post(ada, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(5)})
		}},
		{"transfer", func(s *shop) request {
			return post(ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(5)})
		}},
		{"interest", func(s *shop) request {
			return post(operator, "/accounts/"+s.account+"/interest", object{"rateBasisPoints": 500})
		}},
		{"interest on nothing", func(s *shop) request {
			return post(operator, "/accounts/"+s.bobs+"/interest", object{"rateBasisPoints": 500})
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
			if again.status != first.status || again.raw != first.raw ||
				again.headers["Location"] != first.headers["Location"] ||
				again.headers["Etag"] != first.headers["Etag"] {
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
	again := s.must(
		http.StatusAccepted, post(ada, "/orders", set(anOrder(), "customerId", "ada")).with("Idempotency-Key", "k"),
	)
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

// TestStockIsTheCallersOwn: the same number against the same version is the same request only from
// the same caller, and only until another is set.
func TestStockIsTheCallersOwn(t *testing.T) {
	s := newShop(t)
	another := caller{claims: map[string]string{"sub": "operator-2", "scope": scope}}
	count := put(operator, "/stock/cd-1", 15, "If-Match", `"1"`)
	first := s.must(http.StatusOK, count)
	if again := s.must(http.StatusOK, count); again.raw != first.raw {
		t.Errorf("first %s\nagain %s", first.raw, again.raw)
	}
	theirs := count
	theirs.who = another
	checkProblem(t, s.send(theirs), http.StatusPreconditionFailed, "stock.version-mismatch")
	s.must(http.StatusOK, put(another, "/stock/cd-1", 30, "If-Match", `"2"`))
	checkProblem(t, s.send(count), http.StatusPreconditionFailed, "stock.version-mismatch")
}

// TestCancelThatChangesNothing leaves no trace of its key.
func TestCancelThatChangesNothing(t *testing.T) {
	s := newShop(t)
	path := "/orders/" + s.order + "/cancel"
	first := s.must(http.StatusAccepted, post(ada, path, object{"reason": "late"}))
	commits := s.store.commits.Load()
	for _, reason := range []string{"wrong size", "found it cheaper"} {
		if again := s.must(
			http.StatusAccepted, post(ada, path, object{"reason": reason}).with("Idempotency-Key", "k"),
		); again.raw != first.raw {
			t.Errorf("first %s\nagain %s", first.raw, again.raw)
		}
	}
	if s.store.commits.Load() != commits {
		t.Error("something was written")
	}
}

// TestRepeatAfterErasure: nobody can tell any more whether a request with personal data is the
// same.
func TestRepeatAfterErasure(t *testing.T) {
	for _, c := range []struct {
		name   string
		when   func(s *shop) request
		status int
		code   string
	}{
		{
			"register", func(*shop) request { return post(customerCaller("eve"), "/customers", person()) }, 422,
			"customer.erased",
		},
		{"order", func(*shop) request { return post(ada, "/orders", anOrder()) }, 422, "customer.erased"},
		{
			"cancel with a reason",
			func(s *shop) request { return post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"}) }, 422,
			"customer.erased",
		},
		{"cancel", func(s *shop) request { return post(ada, "/orders/"+s.order+"/cancel", object{}) }, 202, ""},
		{"open", func(*shop) request { return post(ada, "/accounts", object{"currency": "EUR"}) }, 201, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			r := c.when(s).with("Idempotency-Key", "k")
			if first := s.send(r); first.status >= 300 {
				t.Fatalf("%d: %s", first.status, first.raw)
			}
			s.erase(r.who.claims["username"])
			if again := s.send(r); again.status != c.status || again.text("code") != c.code {
				t.Errorf("%d %s, want %d %s", again.status, again.raw, c.status, c.code)
			}
		})
	}
}

// TestFingerprintConfirmsNoGuess: who reads the events and guesses the key and the body can't tell
// that the guess is right.
func TestFingerprintConfirmsNoGuess(t *testing.T) {
	stored := func(s *shop, stream es.StreamID) string {
		t.Helper()
		h, err := s.store.Load(context.Background(), stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		return h.Events[len(h.Events)-1].Fingerprint
	}
	var registered, placed, cancelled []string
	for range 2 { // two shops hear the same requests and differ in nothing but the customers' data keys
		s := newShop(t)
		s.must(http.StatusCreated, post(customerCaller("eve"), "/customers", person()).with("Idempotency-Key", "eve"))
		order := s.must(http.StatusAccepted, post(ada, "/orders", anOrder()).with("Idempotency-Key", "1")).text("id")
		placed = append(placed, stored(s, es.StreamID("order/"+order)))
		s.must(
			http.StatusAccepted,
			post(ada, "/orders/"+order+"/cancel", object{"reason": "late"}).with("Idempotency-Key", "2"),
		)
		cancelled = append(cancelled, stored(s, es.StreamID("order/"+order)))
		registered = append(registered, stored(s, "customer/eve"))
	}
	for name, pair := range map[string][]string{"registered": registered, "placed": placed, "cancelled": cancelled} {
		if pair[0] == "" || pair[0] == pair[1] {
			t.Errorf("%s: the fingerprint %q follows from the request alone", name, pair[0])
		}
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
		{"cancel with many keys", func(s *shop, _ int) request {
			return post(ada, "/orders/"+s.order+"/cancel", object{})
		}, map[int]int{202: n}, 2},
		{"one key for many orders", func(_ *shop, i int) request {
			return post(ada, "/orders", set(anOrder(), "lines.0.quantity", i+1)).with("Idempotency-Key", "k")
		}, map[int]int{202: 1, 422: n - 1}, 1},
		{
			"stock at one version",
			func(_ *shop, i int) request { return put(operator, "/stock/cd-1", 20+i, "If-Match", `"1"`) },
			map[int]int{200: 1, 412: n - 1}, 1,
		},
		{"withdraw what is there for one", func(s *shop, _ int) request {
			return post(ada, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(2600)})
		}, map[int]int{201: 1, 422: n - 1}, 2},
		{"send what is there for one", func(s *shop, _ int) request {
			return post(ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(2600)})
		}, map[int]int{201: 1, 422: n - 1}, 3},
		{"send once with one key", func(s *shop, _ int) request {
			return post(
				ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(2600)},
			).with("Idempotency-Key", "k")
		}, map[int]int{201: n}, 3},
		{"interest once with one key", func(s *shop, _ int) request {
			return post(
				operator, "/accounts/"+s.account+"/interest", object{"rateBasisPoints": 500},
			).with("Idempotency-Key", "k")
		}, map[int]int{201: n}, 2},
		{
			"open one account with many keys",
			func(_ *shop, _ int) request { return post(ada, "/accounts", object{"currency": "EUR"}) },
			map[int]int{201: 1, 409: n - 1}, 2,
		},
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
