package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// TestAccountOfThePast: opened at noon, 50 dollars in at once, 10 out an hour later.
func TestAccountOfThePast(t *testing.T) {
	s := newShop(t)
	path := "/accounts/" + s.account
	s.clock.Advance(time.Hour)
	s.must(http.StatusCreated, post(ada, path+"/withdrawals", object{"amount": usd(1000)}))
	s.clock.Advance(es.Settled)
	for _, c := range []struct {
		asOf      string
		version   float64
		balance   float64
		changedAt string
	}{
		{"1", 1, 0, "2026-03-01T12:00:00Z"},
		{"2", 2, 5000, "2026-03-01T12:00:00Z"},
		{"3", 3, 4000, "2026-03-01T13:00:00Z"},
		{"2026-03-01T12:00:00Z", 2, 5000, "2026-03-01T12:00:00Z"},
		{"2026-03-01T13:00:00%2B01:00", 2, 5000, "2026-03-01T12:00:00Z"},
		{"2026-03-01T12:59:59.999999999Z", 2, 5000, "2026-03-01T12:00:00Z"},
		{"2026-03-01T08:00:00-05:00", 3, 4000, "2026-03-01T13:00:00Z"},
	} {
		res := s.must(http.StatusOK, get(ada, path+"?asOf="+c.asOf))
		balance, _ := res.body["balance"].(object)
		if _, tagged := res.headers["Etag"]; tagged || res.body["version"] != c.version ||
			balance["amount"] != c.balance || res.text("changedAt") != c.changedAt {
			t.Errorf("as of %s: %v %s", c.asOf, res.headers, res.raw)
		}
	}
	now := s.must(http.StatusOK, get(ada, path))
	if _, told := now.body["changedAt"]; told || now.headers["Etag"] != `"3"` {
		t.Errorf("now: %v %s", now.headers, now.raw)
	}
}

// TestOrderOfThePast: an order on its way, as it was at each step. What only its customer may read
// is read with it, and is gone with the customer.
func TestOrderOfThePast(t *testing.T) {
	s := newShop(t)
	path := "/orders/" + s.order
	present := map[string]response{}
	look := func() {
		now := s.must(http.StatusOK, get(ada, path))
		version, _ := json.Marshal(now.body["version"])
		present[string(version)] = now
	}
	look()
	s.clock.Advance(time.Minute)
	s.run(order.Start{SagaID: "run-1"})
	look()
	s.clock.Advance(time.Minute)
	s.run(
		order.Start{SagaID: "run-1"},
		order.Confirm{SagaID: "run-1", PaymentID: "p-1", ShipmentID: shipment.ID(s.order, 1), TrackingNumber: "OF1"},
	)
	look()
	s.clock.Advance(time.Minute)
	s.must(http.StatusAccepted, post(ada, path+"/cancel", object{"reason": "too late"}))
	look()
	if len(present) != 4 {
		t.Fatalf("%d versions", len(present))
	}
	for version, was := range present {
		s.clock.Advance(es.Settled)
		past := s.must(http.StatusOK, get(operator, path+"?asOf="+version))
		since := past.text("changedAt")
		byTime := s.must(http.StatusOK, get(ada, path+"?asOf="+since))
		if byTime.raw != past.raw {
			t.Errorf("as of version %s: %s\nas of %s: %s", version, past.raw, since, byTime.raw)
		}
		if delete(past.body, "changedAt"); encoded(t, past.body) != encoded(t, was.body) || past.headers["Etag"] != "" {
			t.Errorf("as of version %s: %s, it was %s", version, past.raw, was.raw)
		}
	}
	s.erase("ada")
	for version := range present {
		if past := s.must(http.StatusOK, get(operator, path+"?asOf="+version)); past.body["shippingAddress"] != nil ||
			strings.Contains(past.raw, "too late") {
			t.Errorf("of an erased customer, as of version %s: %s", version, past.raw)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNotInThePast: what was not there then, and what names no moment. A stranger learns nothing
// from either.
func TestNotInThePast(t *testing.T) {
	s := newShop(t)
	s.clock.Advance(es.Settled)
	const unknown = "0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10"
	for things, id := range map[string]string{"account": s.account, "order": s.order} {
		path := "/" + things + "s/"
		for _, c := range []struct {
			asOf   string
			status int
			code   string
		}{
			{"99", 404, "request.no-such-version"},
			{"999999999999999999", 404, "request.no-such-version"},
			{"2026-03-01T11:59:59Z", 404, things + ".not-found"},
			{"0001-01-01T00:00:00Z", 404, things + ".not-found"},
			{"2026-03-01T12:00:00.000000001Z", 409, "asof.not-settled"},
			{"2026-03-01T14:00:00%2B01:00", 409, "asof.not-settled"},
			{"2999-01-01T00:00:00Z", 409, "asof.not-settled"},
			{"", 400, "request.invalid"},
			{"0", 400, "request.invalid"},
			{"-1", 400, "request.invalid"},
			{"%2B1", 400, "request.invalid"},
			{"1.5", 400, "request.invalid"},
			{"1e3", 400, "request.invalid"},
			{"1000000000000000000", 400, "request.invalid"},
			{"9223372036854775807", 400, "request.invalid"},
			{"9223372036854775808", 400, "request.invalid"},
			{"01", 400, "request.invalid"},
			{"now", 400, "request.invalid"},
			{"2026-03-01", 400, "request.invalid"},
			{"2026-03-01T12:00:00", 400, "request.invalid"},
			{"2026-03-01T12:00:00+01:00", 400, "request.invalid"}, // the + is a space
			{"2026-03-01T12:00:00,5Z", 400, "request.invalid"},
			{"2026-03-01T1:00:00Z", 400, "request.invalid"},
			{"2026-03-01T12:00:00%2B24:00", 400, "request.invalid"},
			{"2026-03-01T12:00:00-23:60", 400, "request.invalid"},
			{"2026-03-01t12:00:00z", 400, "request.invalid"},
			{"2016-12-31T23:59:60Z", 400, "request.invalid"},
			{"2026-03-01T12:00:00.1234567890Z", 400, "request.invalid"},
			{"9999-12-31T23:59:59-00:01", 400, "request.invalid"},
			{"2026-02-30T12:00:00Z", 400, "request.invalid"},
			{"1&asOf=2", 400, "request.invalid"},
		} {
			res := s.send(get(ada, path+id+"?asOf="+c.asOf))
			if res.status != c.status || res.text("code") != c.code {
				t.Errorf("%s as of %q: %d %s", things, c.asOf, res.status, res.raw)
			}
			if c.status != http.StatusNotFound || c.code == "request.no-such-version" {
				if places, _ := res.body["errors"].([]any); len(places) != 1 ||
					places[0].(object)["location"] != "query.asOf" {
					t.Errorf("%s as of %q: %s", things, c.asOf, res.raw)
				}
			}
			if c.code == "asof.not-settled" {
				c.status = http.StatusNotFound // to who may not know that it is there
			}
			theirs, none := s.send(get(bob, path+id+"?asOf="+c.asOf)), s.send(get(bob, path+unknown+"?asOf="+c.asOf))
			if theirs.status != c.status || theirs.raw != none.raw {
				t.Errorf("%s as of %q: a stranger's is %s, an unknown one %s", things, c.asOf, theirs.raw, none.raw)
			}
		}
	}
}

// TestWhenToAskAgain: a moment that is not settled says when it will be, and is answered then; of a
// withdrawal that was sent before it and arrived after it nothing is ever seen there.
func TestWhenToAskAgain(t *testing.T) {
	s := newShop(t)
	path := "/accounts/" + s.account
	s.clock.Advance(time.Minute)
	moment := s.clock.Now()
	ask := func() response { return s.send(get(ada, path+"?asOf="+moment.Format(time.RFC3339))) }
	for _, tt := range []struct {
		after  time.Duration
		status int
		wait   string
	}{
		{1, 409, "20"}, {time.Second / 2, 409, "20"}, {19 * time.Second, 409, "1"}, {500 * time.Millisecond, 200, ""},
		{time.Hour, 200, ""},
	} {
		s.clock.Advance(tt.after)
		if tt.status == http.StatusOK {
			balance, _ := ask().body["balance"].(object)
			if balance["amount"] != 5000.0 {
				t.Errorf("as of %v: %v", moment, balance)
			}
		}
		if res := ask(); res.status != tt.status || res.headers["Retry-After"] != tt.wait {
			t.Errorf("after another %v: %d, Retry-After %q: %s", tt.after, res.status, res.headers["Retry-After"],
				res.raw)
		}
		s.late(func() { s.must(http.StatusCreated, post(ada, path+"/withdrawals", object{"amount": usd(1)})) })
	}
	s.clock.Advance(-time.Hour)
	moment = s.clock.Now().Add(24 * time.Hour)
	if res := ask(); res.status != http.StatusConflict || res.headers["Retry-After"] != "" {
		t.Errorf("of tomorrow: %d, Retry-After %q", res.status, res.headers["Retry-After"])
	}
	moment = s.clock.Now().Add(30 * time.Minute)
	if res := ask(); res.headers["Retry-After"] != "1820" {
		t.Errorf("of soon: %d, Retry-After %q", res.status, res.headers["Retry-After"])
	}
}

// late has a command take an hour from its request to its write.
func (s *shop) late(f func()) {
	s.store.fail(nil, func() error { s.clock.Advance(time.Hour); return nil })
	s.clock.Advance(-time.Hour)
	f()
	s.store.fail(nil, nil)
}
