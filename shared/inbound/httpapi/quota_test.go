package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/quota"
)

// quota makes a guard over the world's counter.
func (w *world) quota(perHour int64) *quota.Guard {
	return quota.New(quota.Deps{Counter: spyQuota{&w.counter, &w.asked}, Clock: w.clock, PerHour: perHour})
}

// limit gives the commands another quota, as another deployment does.
func (w *world) limit(perHour int64) {
	takes := w.takes
	takes.Quota = w.quota(perHour)
	w.commands = httpapi.Lambda(httpapi.NewCommands(takes), httpapi.Mapping{})
}

// used is a shop in which ada has used up an hour's quota of three with the order that it gives,
// and a second one.
func used(t *testing.T) (s *shop, first request) {
	t.Helper()
	s = newShop(t)
	s.clock.Advance(quota.Window)
	s.limit(3)
	first = post(ada, "/orders", anOrder()).with("Idempotency-Key", "first")
	s.must(http.StatusAccepted, first)
	s.must(http.StatusAccepted, post(ada, "/orders", anOrder()))
	s.must(http.StatusNotFound, post(ada, "/orders/5f0c2f5e-0000-4000-8000-000000000000/cancel", object{}))
	return s, first
}

// TestQuota: what is over the quota is answered 429 with the seconds until the customer's hour
// ends, and nothing is read or written for it. Whoever waits so long is served.
func TestQuota(t *testing.T) {
	s, _ := used(t)
	s.asked.take()
	commits := s.store.commits.Load()
	over := s.must(http.StatusTooManyRequests, post(ada, "/orders", anOrder()))
	if over.text("code") != "quota.exceeded" || over.headers["Content-Type"] != "application/problem+json" ||
		over.headers["X-Correlation-Id"] == "" {
		t.Errorf("it answers %v, %s", over.headers, over.raw)
	}
	if asked := inWords(s.asked.take()); asked != "quota 1" || s.store.commits.Load() != commits {
		t.Errorf("it asked %s", asked)
	}
	seconds, err := strconv.Atoi(over.headers["Retry-After"])
	wait := quota.HourOf("ada", s.clock.Now()).End().Sub(s.clock.Now())
	if err != nil || time.Duration(seconds)*time.Second < wait || time.Duration(seconds-1)*time.Second >= wait {
		t.Errorf("Retry-After is %q, and the hour ends in %s", over.headers["Retry-After"], wait)
	}
	if log := s.log.String(); !strings.Contains(log, `"status":429,"code":"quota.exceeded"`) {
		t.Error("the log doesn't say so")
	}
	s.clock.Advance(time.Duration(seconds) * time.Second)
	s.must(http.StatusAccepted, post(ada, "/orders", anOrder()))
}

// TestQuotaInTheLastMoment: the wait is never 0, which would call for a retry at once.
func TestQuotaInTheLastMoment(t *testing.T) {
	s, _ := used(t)
	s.clock.Advance(quota.HourOf("ada", s.clock.Now()).End().Sub(s.clock.Now()) - 1)
	if over := s.must(http.StatusTooManyRequests, post(ada, "/orders", anOrder())); over.headers["Retry-After"] != "1" {
		t.Errorf("Retry-After is %q", over.headers["Retry-After"])
	}
}

// TestQuotaCountsOnce: a request that comes again has its answer, though the quota is used up, and
// takes no other request's place.
func TestQuotaCountsOnce(t *testing.T) {
	s := newShop(t)
	s.clock.Advance(quota.Window)
	s.limit(2)
	first := post(ada, "/orders", anOrder()).with("Idempotency-Key", "first")
	placed := s.must(http.StatusAccepted, first)
	s.must(http.StatusAccepted, first)
	s.must(http.StatusAccepted, post(ada, "/orders", anOrder()))
	s.must(http.StatusTooManyRequests, post(ada, "/orders", anOrder()))
	if again := s.must(http.StatusAccepted, first); again.text("id") != placed.text("id") {
		t.Error("a repeat placed another order")
	}
	// The key of another operation is another command's.
	s.must(http.StatusTooManyRequests,
		post(ada, "/orders/"+s.order+"/cancel", object{}).with("Idempotency-Key", "first"))
}

// TestQuotaCrash: a command that is counted and then fails, or whose answer is lost, is let in when
// it comes again, though its count was the last.
func TestQuotaCrash(t *testing.T) {
	s := newShop(t)
	s.clock.Advance(quota.Window)
	s.limit(1)
	last := post(ada, "/orders", anOrder()).with("Idempotency-Key", "last")
	s.store.fail(nil, func() error { return es.ErrUnavailable })
	s.must(http.StatusServiceUnavailable, last)
	s.store.fail(nil, nil)
	s.store.lose(es.ErrUnavailable)
	s.must(http.StatusServiceUnavailable, last)
	s.store.lose(nil)
	s.must(http.StatusAccepted, last)
	s.must(http.StatusTooManyRequests, post(ada, "/orders", anOrder()))
}

// TestQuotaCountsCustomers: operators, carriers and pricing systems have no quota, for a customer
// who has used theirs up as well, and reading has none. Another customer has their own.
func TestQuotaCountsCustomers(t *testing.T) {
	s, _ := used(t)
	s.must(http.StatusTooManyRequests, post(ada, "/orders", anOrder()))
	ordered := anOrder()
	ordered["customerId"] = "ada"
	for range 5 {
		s.must(http.StatusAccepted, post(operator, "/orders", ordered))
		s.must(http.StatusAccepted, post(quotes, "/orders", ordered))
		s.must(http.StatusNotFound, post(carrier, "/shipments/5f0c2f5e-0000-4000-8000-000000000000/deliver", nil))
		s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	}
	asked := s.counter.Asked()
	s.must(http.StatusCreated, post(operator, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)}))
	if s.counter.Asked() != asked {
		t.Error("an operator's command is counted")
	}
	s.must(http.StatusAccepted, post(bob, "/orders", anOrder()))
}

// TestQuotaOfWhatIsRefused: what can't be read, and who may not ask, costs nothing and counts
// nothing. What a rule of the shop refuses has been looked up, and counts.
func TestQuotaOfWhatIsRefused(t *testing.T) {
	s := newShop(t)
	s.clock.Advance(quota.Window)
	s.limit(2)
	for range 5 {
		s.must(http.StatusBadRequest, post(ada, "/orders", object{}))
		s.must(http.StatusBadRequest, post(ada, "/orders", anOrder()).with("Idempotency-Key", ""))
		s.must(http.StatusUnsupportedMediaType, post(ada, "/orders", anOrder()).with("Content-Type", "text/plain"))
		s.must(http.StatusForbidden, post(ada, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)}))
		s.must(http.StatusUnauthorized, post(nobody, "/orders", anOrder()))
	}
	s.must(http.StatusConflict, post(ada, "/orders", anOrder(line("cd-1", 1, 1))))
	s.must(http.StatusAccepted, post(ada, "/orders", anOrder()))
	s.must(http.StatusTooManyRequests, post(ada, "/orders", anOrder()))
}

// TestQuotaOfEveryCommand: each command that a customer may give counts: those without a key, too.
func TestQuotaOfEveryCommand(t *testing.T) {
	s := newShop(t)
	s.clock.Advance(quota.Window)
	for name, r := range map[string]request{
		"change": patch(ada, "/customers/ada", `"1"`, object{"name": "Ada King"}),
		"erase":  remove(ada, "/customers/ada"),
		"open":   post(ada, "/accounts", object{"currency": "EUR"}),
		"cancel": post(ada, "/orders/"+s.order+"/cancel", object{}),
	} {
		s.clock.Advance(quota.Window)
		s.limit(1)
		s.must(http.StatusAccepted, post(ada, "/orders", anOrder()))
		if res := s.send(r); res.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d %s", name, res.status, res.raw)
		}
	}
}

// TestQuotaUnavailable: while nothing can be counted, a customer's command is answered 503 and
// nothing is written. An operator's is carried out.
func TestQuotaUnavailable(t *testing.T) {
	s := newShop(t)
	commits := s.store.commits.Load()
	s.counter.Fail(es.ErrUnavailable)
	out := s.must(http.StatusServiceUnavailable, post(ada, "/orders", anOrder()))
	if out.headers["Retry-After"] != "1" || s.store.commits.Load() != commits {
		t.Errorf("it answers %v, and wrote %d", out.headers, s.store.commits.Load()-commits)
	}
	s.counter.Fail(errors.New("no table"))
	s.must(http.StatusInternalServerError, post(ada, "/orders", anOrder()))
	s.must(http.StatusCreated, post(operator, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)}))
}

// TestQuotaOff: a quota of 0 asks for nothing.
func TestQuotaOff(t *testing.T) {
	s := newShop(t)
	s.limit(0)
	asked := s.counter.Asked()
	s.must(http.StatusAccepted, request{
		who: ada, method: http.MethodPost, path: "/orders", body: anOrder(), ctx: context.Background(),
	})
	if s.counter.Asked() != asked {
		t.Error("it is counted")
	}
}
