package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// meanwhile lets something happen ahead of the n-th look of a request that waits, from 1.
func (s *shop) meanwhile(happens map[int]func()) {
	looks := 0
	s.store.since = func() error {
		if looks++; happens[looks] != nil {
			happens[looks]()
		}
		return nil
	}
}

func (s *shop) confirm() {
	s.run(order.Start{SagaID: "run-1"}, order.Confirm{
		SagaID: "run-1", PaymentID: "p-1", ShipmentID: shipment.ID(s.order, 1), TrackingNumber: "OF1",
	})
}

// TestWatch: what a request that waits is answered, when, and what it asks for until then.
func TestWatch(t *testing.T) {
	start := func(s *shop) { s.run(order.Start{SagaID: "run-1"}) }
	fail := func(s *shop) {
		s.run(
			order.Start{SagaID: "run-1"},
			order.Close{Origin: order.OriginSaga, SagaID: "run-1", Reason: order.ReasonSaga},
			order.FailUndo{SagaID: "run-1", Steps: []string{"refund"}},
		)
	}
	for _, tt := range []struct {
		name   string
		before []func(*shop)
		later  map[int]func(*shop)
		query  string
		has    string // If-None-Match
		status int
		tag    string
		state  string
		took   time.Duration
		looks  int
	}{
		{name: "no wait", status: 200, tag: `"1"`, state: "pending"},
		{name: "no wait, known", has: `"1"`, status: 304, tag: `"1"`},
		{name: "no wait, another", before: []func(*shop){start}, has: `"1"`, status: 200, tag: `"2"`, state: "running"},
		{name: "no wait, of another time", has: `"7"`, status: 200, tag: `"1"`, state: "pending"},
		{
			name: "completed before", before: []func(*shop){(*shop).confirm}, query: "?wait=10",
			status: 200, tag: `"3"`, state: "completed",
		},
		{
			name: "failed before", before: []func(*shop){fail}, query: "?wait=10",
			status: 200, tag: `"4"`, state: "failed",
		},
		{
			name: "completed meanwhile", later: map[int]func(*shop){2: start, 4: (*shop).confirm}, query: "?wait=10",
			status: 200, tag: `"3"`, state: "completed", took: 812500 * time.Microsecond, looks: 4,
		},
		{
			name: "failed meanwhile", before: []func(*shop){start}, later: map[int]func(*shop){1: fail},
			query: "?wait=10", status: 200, tag: `"4"`, state: "failed", took: 100 * time.Millisecond, looks: 1,
		},
		{
			name: "not completed", later: map[int]func(*shop){2: start}, query: "?wait=2",
			status: 200, tag: `"2"`, state: "running", took: 2 * time.Second, looks: 6,
		},
		{
			name: "changed before", before: []func(*shop){start}, has: `"1"`, query: "?wait=10",
			status: 200, tag: `"2"`, state: "running",
		},
		{
			name: "changed meanwhile", later: map[int]func(*shop){3: start}, has: `"1"`, query: "?wait=10",
			status: 200, tag: `"2"`, state: "running", took: 475 * time.Millisecond, looks: 3,
		},
		{
			name: "completed, and not changed", before: []func(*shop){(*shop).confirm}, has: `"3"`,
			query: "?wait=1", status: 304, tag: `"3"`, took: time.Second, looks: 5,
		},
		{
			name: "not changed", has: `"1"`, query: "?wait=10", status: 304, tag: `"1"`, took: 10 * time.Second,
			looks: 14,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			for _, step := range tt.before {
				step(s)
			}
			happens := map[int]func(){}
			for look, step := range tt.later {
				happens[look] = func() { s.asked.without(func() { step(s) }) }
			}
			s.meanwhile(happens)
			s.asked.take()
			began := s.clock.Now()
			res := s.send(get(ada, "/orders/"+s.order+tt.query).with("If-None-Match", tt.has))
			saga, _ := res.body["saga"].(object)
			state, _ := saga["state"].(string)
			if res.status != tt.status || res.headers["Etag"] != tt.tag || state != tt.state {
				t.Errorf("%d %v %s", res.status, res.headers, res.raw)
			}
			if took := s.clock.Now().Sub(began); took != tt.took {
				t.Errorf("answered after %s, want %s", took, tt.took)
			}
			if got, want := inWords(s.asked.take()), fmt.Sprintf("streams %d", 1+tt.looks); got != want {
				t.Errorf("asked %s, want %s", got, want)
			}
		})
	}
}

// TestWatchRefused: nobody waits for an order that they may not see, nor for the past.
func TestWatchRefused(t *testing.T) {
	s := newShop(t)
	const unknown = "0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10"
	began := s.clock.Now()
	for _, tt := range []struct {
		r      request
		status int
		where  string
	}{
		{get(bob, "/orders/"+s.order+"?wait=10"), 404, ""},
		{get(bob, "/orders/"+s.order+"?wait=10").with("If-None-Match", `"1"`), 404, ""},
		{get(bob, "/orders/"+s.order).with("If-None-Match", `"1"`), 404, ""},
		{get(ada, "/orders/"+unknown+"?wait=10"), 404, ""},
		{get(carrier, "/orders/"+s.order+"?wait=10"), 403, ""},
		{get(ada, "/orders/"+s.order+"?wait=10&asOf=1"), 400, "query.wait"},
		{get(ada, "/orders/"+s.order+"?asOf=1").with("If-None-Match", `"1"`), 400, "header.If-None-Match"},
		{get(ada, "/orders/"+s.order+"?wait=0"), 400, "query.wait"},
		{get(ada, "/orders/"+s.order+"?wait=11"), 400, "query.wait"},
		{get(ada, "/orders/"+s.order+"?wait=1.5"), 400, "query.wait"},
		{get(ada, "/orders/"+s.order).with("If-None-Match", "*"), 400, "header.If-None-Match"},
		{get(ada, "/orders/"+s.order).with("If-None-Match", `W/"1"`), 400, "header.If-None-Match"},
	} {
		res := s.send(tt.r)
		if res.status != tt.status || tt.where != "" && fmt.Sprint(locations(res)) != fmt.Sprint([]string{tt.where}) {
			t.Errorf("%s %v: %d %s", tt.r.path, tt.r.headers, res.status, res.raw)
		}
	}
	if took := s.clock.Now().Sub(began); took != 0 {
		t.Errorf("somebody waited for %s", took)
	}
	strangers := s.send(get(bob, "/orders/"+s.order+"?wait=10"))
	if nobodys := s.send(get(bob, "/orders/"+unknown+"?wait=10")); nobodys.raw != strangers.raw {
		t.Errorf("a stranger tells %s from %s", strangers.raw, nobodys.raw)
	}
}

// TestWatchEnds: a wait ends with the function's time, and with a store that can't be asked.
func TestWatchEnds(t *testing.T) {
	s := newShop(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.meanwhile(map[int]func(){2: cancel})
	s.asked.take()
	r := get(ada, "/orders/"+s.order+"?wait=10")
	r.ctx = ctx
	if res := s.send(r); res.status != http.StatusServiceUnavailable {
		t.Errorf("cancelled: %d %s", res.status, res.raw)
	}
	if got := inWords(s.asked.take()); got != "streams 3" {
		t.Errorf("cancelled: asked %s", got)
	}
	s.store.since = func() error { return es.ErrUnavailable }
	if res := s.send(get(ada, "/orders/"+s.order+"?wait=10")); res.status != http.StatusServiceUnavailable {
		t.Errorf("no answer: %d %s", res.status, res.raw)
	}
}
