package stocktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/stock"
)

// on is the service on a store around the shop's own.
func (s *shop) on(store es.Store) stock.Service {
	return stock.New(stock.Deps{
		Store: store, Clock: clock.NewFake(estest.Start), Counters: s.Counters, Lines: s.Lines,
	})
}

// wait reserves for an order that waits where there is too little.
func (s *shop) wait(t tester, order string, items ...stock.Item) (stock.ReservationState, error) {
	t.Helper()
	return s.service.Reserve(context.Background(), request(), stock.Reservation{
		OrderID: order, Revision: 1, Items: items, Backorder: true,
	})
}

// waits lets new orders wait, one after the other, each for so many pieces.
func (s *shop) waits(t tester, name string, quantities ...int64) []string {
	t.Helper()
	orders := make([]string, len(quantities))
	for i, quantity := range quantities {
		orders[i] = ident.New()
		_, err := s.wait(t, orders[i], stock.Item{SKU: name, Quantity: quantity})
		wantFault(t, err, stock.ErrBackordered, name)
	}
	return orders
}

// restock counts some more pieces than are on hand, and serves the line if the event says so.
func (s *shop) restock(t tester, name string, more int64) {
	t.Helper()
	ctx := context.Background()
	level, found, err := s.Counters.Level(ctx, name)
	if err == nil {
		match := stock.Match{Version: level.Version, MustBeNew: !found || level.Version == 0}
		_, err = s.service.Set(ctx, request(), name, level.OnHand+more, match)
	}
	if err != nil {
		t.Fatalf("restock %s: %v", name, err)
	}
	s.settle(t, es.NewStreamID(stock.Category, name))
}

// settle does what follows from the events of streams that nobody has served yet, and from what
// that leads to.
func (s *shop) settle(t tester, streams ...es.StreamID) {
	t.Helper()
	var skus []string
	for _, stream := range streams {
		for _, e := range s.events(t, stream) {
			skus = append(skus, woken(e)...)
		}
	}
	for len(skus) > 0 {
		sku := skus[0]
		skus = skus[1:]
		hooked := &estest.Hooked{Store: s.Store, Before: func(commits []es.Commit) error {
			skus = append(skus, woken(commits[0].Events[0])...)
			return nil
		}}
		service := s.on(hooked)
		if err := service.Serve(context.Background(), request(), sku); err != nil {
			t.Fatalf("serve %s: %v", sku, err)
		}
	}
}

// woken are the SKUs whose lines an event has served.
func woken(event any) []string {
	switch e := event.(type) {
	case stock.Restocked:
		return e.Waiting
	case stock.Released:
		return e.Waiting
	case stock.Amended:
		return e.Waiting
	case stock.Reserved:
		return e.Waiting
	case stock.Backordered:
		return e.Waiting
	case stock.Voided:
		return e.Waiting
	}
	return nil
}

// wantStatus compares the reservations of some orders.
func (s *shop) wantStatus(t tester, orders []string, want ...es.AttemptStatus) {
	t.Helper()
	for i, order := range orders {
		state, err := s.service.Reservation(context.Background(), order, 1)
		wanted := want[i]
		if err != nil || state.Status != wanted {
			t.Errorf("the reservation of order %d is %s, %v, want %s", i, state.Status, err, wanted)
		}
	}
}

const (
	waiting = es.AttemptWaiting
	done    = es.AttemptDone
)

// inLine: what comes in goes to the oldest that fit, in their order, and a place in the line is
// what is told of it.
func inLine(t *testing.T, s *shop) {
	t.Run("in order", func(t *testing.T) {
		name := s.stocked(t, 0)
		orders := s.waits(t, name, 2, 3, 1, 1)
		queue, err := s.service.Queue(t.Context(), orders[2], 1)
		if want := []stock.Queue{{SKU: name, Quantity: 1, Place: 3}}; err != nil || !slices.Equal(queue, want) {
			t.Errorf("the queue is %+v, %v, want %+v", queue, err, want)
		}
		s.restock(t, name, 3)
		s.wantStatus(t, orders, done, waiting, done, waiting)
		s.want(t, name, 0, 3, 2)
		s.restock(t, name, 4)
		s.wantStatus(t, orders, done, done, done, done)
	})
	t.Run("a SKU that nobody counted", func(t *testing.T) {
		name := sku("cd")
		orders := s.waits(t, name, 2)
		s.restock(t, name, 2)
		s.wantStatus(t, orders, done)
		s.want(t, name, 0, 2, 1)
	})
	t.Run("a release", func(t *testing.T) {
		name, first := s.stocked(t, 2), ident.New()
		if _, err := s.wait(t, first, stock.Item{SKU: name, Quantity: 2}); err != nil {
			t.Fatal(err)
		}
		orders := s.waits(t, name, 1, 2)
		if _, err := s.service.Release(t.Context(), request(), first, 1); err != nil {
			t.Fatal(err)
		}
		s.settle(t, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(first, 1)))
		s.wantStatus(t, orders, done, waiting)
	})
	t.Run("a split SKU", func(t *testing.T) {
		name, other, order := s.stocked(t, 3), s.stocked(t, 4), ident.New()
		s.split(t, name, 3)
		s.split(t, other, 2)
		orders := s.waits(t, name, 4) // all pieces are in one row from here on
		_, err := s.wait(t, order, stock.Item{SKU: name, Quantity: 2}, stock.Item{SKU: other, Quantity: 3})
		if err != nil {
			t.Fatal(err) // it passes the first
		}
		s.split(t, name, 2)
		if _, err := s.service.Release(t.Context(), request(), order, 1); err != nil {
			t.Fatal(err)
		}
		s.settle(t, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(order, 1)))
		s.wantStatus(t, orders, waiting)
		s.restock(t, name, 1)
		s.wantStatus(t, orders, done)
		s.want(t, name, 0, 4, 2)
		s.want(t, other, 4, 0, 1)
	})
	t.Run("a SKU of the order that is split", func(t *testing.T) {
		name, other, both := s.stocked(t, 0), s.stocked(t, 6), ident.New()
		s.split(t, other, 3)
		_, err := s.wait(t, both, stock.Item{SKU: name, Quantity: 1}, stock.Item{SKU: other, Quantity: 5})
		wantFault(t, err, stock.ErrBackordered, name)
		s.restock(t, name, 1)
		s.wantStatus(t, []string{both}, done)
		s.want(t, other, 1, 5, 1)
	})
	t.Run("an amendment", func(t *testing.T) {
		name, other, first := s.stocked(t, 2), s.stocked(t, 1), ident.New()
		if _, err := s.wait(t, first, stock.Item{SKU: name, Quantity: 2}); err != nil {
			t.Fatal(err)
		}
		orders := s.waits(t, name, 1)
		err := s.amend(request(), first, stock.Item{SKU: name, Quantity: 1}, stock.Item{SKU: other, Quantity: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.settle(t, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(first, 1)))
		s.wantStatus(t, orders, done)
	})
	t.Run("cancelled while it waits", func(t *testing.T) {
		name := s.stocked(t, 1)
		orders := s.waits(t, name, 2, 2)
		again, err := s.wait(t, orders[0], stock.Item{SKU: name, Quantity: 2})
		wantFault(t, err, stock.ErrBackordered, "")
		if len(again.Places) != 1 {
			t.Errorf("a repeat stands at %+v", again.Places)
		}
		state, err := s.service.Release(t.Context(), request(), orders[0], 1)
		if err != nil || state.Status != es.AttemptVoided {
			t.Fatalf("released to %s, %v", state.Status, err)
		}
		_, err = s.wait(t, orders[0], stock.Item{SKU: name, Quantity: 2})
		wantFault(t, err, es.ErrAttemptClosed, "")
		s.restock(t, name, 1)
		s.wantStatus(t, orders, es.AttemptVoided, done)
	})
	t.Run("two SKUs that come one after the other", func(t *testing.T) {
		a, b := s.stocked(t, 0), s.stocked(t, 0)
		both := ident.New()
		_, err := s.wait(t, both, stock.Item{SKU: a, Quantity: 1}, stock.Item{SKU: b, Quantity: 1},
			stock.Item{SKU: a, Quantity: 1})
		wantFault(t, err, stock.ErrBackordered, a)
		orders := append([]string{both}, s.waits(t, a, 1)...)
		s.restock(t, a, 2) // the first is short of b alone from here on, and holds no pieces of a back
		s.wantStatus(t, orders, waiting, done)
		queue, err := s.service.Queue(t.Context(), both, 1)
		if err != nil || len(queue) != 1 || queue[0].SKU != b {
			t.Errorf("the queue is %+v, %v", queue, err)
		}
		s.restock(t, b, 1)
		s.wantStatus(t, orders, waiting, done)
		s.restock(t, a, 1)
		s.wantStatus(t, orders, done, done)
		s.want(t, a, 0, 3, 3)
	})
}

// passing: at most MaxPassed reservations get pieces past the first in a line, newcomers and
// others.
func passing(t *testing.T, s *shop) {
	name := s.stocked(t, 0)
	amended := ident.New()
	s.restock(t, name, 1)
	if _, err := s.wait(t, amended, stock.Item{SKU: name, Quantity: 1}); err != nil {
		t.Fatal(err)
	}
	large := s.waits(t, name, 5)
	newcomer := func() error {
		_, err := s.service.Reserve(t.Context(), request(), stock.Reservation{
			OrderID: ident.New(), Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 1}},
		})
		return err
	}
	for range stock.MaxPassed {
		s.restock(t, name, 1)
		if err := newcomer(); err != nil {
			t.Fatal(err)
		}
	}
	s.restock(t, name, 4)
	wantFault(t, newcomer(), stock.ErrInsufficient, name)
	wantFault(t, s.amend(request(), amended, stock.Item{SKU: name, Quantity: 2}), stock.ErrInsufficient, name)
	small := s.waits(t, name, 1)
	s.wantStatus(t, append(large, small...), waiting, waiting)
	s.restock(t, name, 2) // the first has its own, and what is left is the next one's
	s.wantStatus(t, append(large, small...), done, done)
	s.want(t, name, 0, stock.MaxPassed+7, stock.MaxPassed+4)
	s.restock(t, name, 1)
	if err := newcomer(); err != nil {
		t.Errorf("nobody waits any more: %v", err)
	}
}

// between: nothing that happens between a shortage and the place in the line goes unnoticed.
func between(t *testing.T, s *shop) {
	name, order := s.stocked(t, 0), ident.New()
	raised := false
	hooked := &estest.Hooked{Store: s.Store, Before: func(commits []es.Commit) error {
		if _, waits := commits[0].Events[0].(stock.Backordered); waits && !raised {
			raised = true
			s.restock(t, name, 1)
		}
		return nil
	}}
	service := s.on(hooked)
	state, err := service.Reserve(t.Context(), request(), stock.Reservation{
		OrderID: order, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 1}}, Backorder: true,
	})
	if err != nil || state.Status != done || !raised {
		t.Errorf("the reservation is %s, %v, raised %v", state.Status, err, raised)
	}
}

// nobodyForgotten lets orders, cancellations, restocks and crashes go on in any order, and whoever
// serves the lines come late and twice. In the end nobody waits who fits by the rule.
func nobodyForgotten(t *testing.T, s *shop) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{shop: s, published: map[es.StreamID]int64{}}
		w.hooked = &estest.Hooked{Store: s.Store}
		w.hooked.Before = func([]es.Commit) error {
			if w.crashes && rand.N(5) == 0 {
				return es.ErrUnavailable
			}
			if w.meanwhile != nil && rand.N(2) == 0 {
				meanwhile := w.meanwhile
				w.meanwhile = nil
				meanwhile()
			}
			return nil
		}
		w.hooked.After = func(a es.Appended, err error) (es.Appended, error) {
			if err == nil && w.crashes && rand.N(6) == 0 {
				return es.Appended{}, es.ErrUnavailable
			}
			return a, err
		}
		w.flaky = s.on(w.hooked)
		for range 2 {
			w.skus = append(w.skus, s.stocked(t, 0))
		}
		t.Repeat(map[string]func(*rapid.T){
			"order": w.order, "another order": w.order, "cancel": w.cancel, "amend": w.change, "split": w.spread,
			"restock": w.count, "serve": w.serve,
			"restock in between": func(t *rapid.T) {
				name, more := rapid.SampledFrom(w.skus).Draw(t, "sku"), rapid.Int64Range(1, 3).Draw(t, "more")
				w.meanwhile = func() { w.more(t, name, more) }
			},
			"crashes": func(t *rapid.T) { w.crashes = rapid.Bool().Draw(t, "crashes") },
		})
		w.crashes, w.meanwhile = false, nil
		for w.publish(t); len(w.events) > 0; w.publish(t) {
			w.serve(t)
		}
		w.check(t)
	})
}

type world struct {
	*shop
	hooked    *estest.Hooked
	flaky     stock.Service
	skus      []string
	orders    []string
	events    []string // SKUs whose lines are to be served
	published map[es.StreamID]int64
	crashes   bool
	meanwhile func()
}

func (w *world) order(t *rapid.T) {
	r := stock.Reservation{
		OrderID: ident.New(), Revision: 1, Backorder: rapid.IntRange(0, 4).Draw(t, "policy") > 0,
		Partial: rapid.IntRange(0, 3).Draw(t, "partial") == 0,
	}
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		r.Items = append(r.Items, stock.Item{
			SKU: rapid.SampledFrom(w.skus).Draw(t, "sku"), Quantity: rapid.Int64Range(1, 3).Draw(t, "quantity"),
		})
	}
	w.orders = append(w.orders, r.OrderID)
	req := request()
	_, err := insist(func() (stock.ReservationState, error) {
		return w.flaky.Reserve(context.Background(), req, r)
	})
	if err != nil && !errors.Is(err, stock.ErrBackordered) && !errors.Is(err, stock.ErrInsufficient) &&
		!errors.Is(err, stock.ErrPartial) {
		t.Fatal(err)
	}
}

func (w *world) cancel(t *rapid.T) {
	if len(w.orders) == 0 {
		return
	}
	order, req := rapid.SampledFrom(w.orders).Draw(t, "order"), request()
	if _, err := insist(func() (stock.ReservationState, error) {
		return w.flaky.Release(context.Background(), req, order, 1)
	}); err != nil {
		t.Fatal(err)
	}
}

// spread is what an operator does to the rows of a SKU.
func (w *world) spread(t *rapid.T) {
	name, shards := rapid.SampledFrom(w.skus).Draw(t, "sku"), rapid.Int64Range(1, 3).Draw(t, "shards")
	req := request()
	if _, err := insist(func() (stock.Level, error) {
		return w.flaky.Shard(context.Background(), req, name, shards)
	}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) change(t *rapid.T) {
	if len(w.orders) == 0 {
		return
	}
	order := rapid.SampledFrom(w.orders).Draw(t, "order")
	item := stock.Item{
		SKU: rapid.SampledFrom(w.skus).Draw(t, "sku"), Quantity: rapid.Int64Range(1, 3).Draw(t, "quantity"),
	}
	if err := w.amend(request(), order, item); err != nil && !errors.Is(err, stock.ErrNotReserved) &&
		!errors.Is(err, stock.ErrInsufficient) {
		t.Fatal(err)
	}
}

func (w *world) count(t *rapid.T) {
	w.more(t, rapid.SampledFrom(w.skus).Draw(t, "sku"), rapid.Int64Range(1, 4).Draw(t, "more"))
}

func (w *world) more(t *rapid.T, name string, more int64) {
	req := request()
	if _, err := insist(func() (stock.Level, error) {
		level, err := w.flaky.Get(context.Background(), name)
		if err != nil {
			return level, err
		}
		return w.flaky.Set(context.Background(), req, name, level.OnHand+more, stock.Match{Version: level.Version})
	}); err != nil && !errors.Is(err, stock.ErrVersionMismatch) { // another count came in between
		t.Fatal(err)
	}
}

// publish has the lines served that the events since the last call name.
func (w *world) publish(t *rapid.T) {
	var streams []es.StreamID
	for _, name := range w.skus {
		streams = append(streams, es.NewStreamID(stock.Category, name))
	}
	for _, order := range w.orders {
		streams = append(streams, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(order, 1)))
	}
	for _, stream := range streams {
		history, err := w.Store.Load(context.Background(), stream, w.published[stream])
		if err != nil {
			t.Fatal(err)
		}
		w.published[stream] = history.Head.Version()
		for _, e := range history.Events {
			w.events = append(w.events, woken(e.Data)...)
		}
	}
}

// serve takes one of the events that are under way, in any order, now and then twice.
func (w *world) serve(t *rapid.T) {
	if w.publish(t); len(w.events) == 0 {
		return
	}
	at := rand.N(len(w.events))
	name, req := w.events[at], request()
	if rand.N(4) > 0 {
		w.events = slices.Delete(w.events, at, at+1)
	}
	if _, err := insist(func() (struct{}, error) {
		return struct{}{}, w.flaky.Serve(context.Background(), req, name)
	}); err != nil {
		t.Fatal(err)
	}
}

// check: the lines hold who waits and nobody else, and none of them could have its pieces.
func (w *world) check(t *rapid.T) {
	ctx := context.Background()
	lines, all, want := map[string]stock.Line{}, map[string]int64{}, map[string]int{}
	for _, name := range w.skus {
		line, err := w.Lines.Line(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := w.Counters.Shards(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = stock.Summed(rows).Available
		if line.Waiting > 0 && all[name] != line.Available {
			t.Fatalf("%d wait for %s, of which %d are in other rows", line.Waiting, name, all[name]-line.Available)
		}
		lines[name] = line
		entries, err := w.Lines.Entries(ctx, name, 0, 1000)
		if err != nil || int64(len(entries)) != line.Waiting {
			t.Fatalf("%d entries, %v, and the row says %d", len(entries), err, line.Waiting)
		}
		for _, e := range entries {
			want[fmt.Sprint(e.ReservationID, e.Place)]++
		}
	}
	for _, order := range w.orders {
		state, err := w.service.Reservation(ctx, order, 1)
		if err != nil {
			t.Fatal(err)
		}
		if state.Status != waiting {
			continue
		}
		tickets := map[string]int64{}
		for _, p := range state.Places {
			tickets[p.SKU] = p.Ticket
			if key := fmt.Sprint(state.ID, p); want[key] != 1 {
				t.Fatalf("%s stands %d times at %+v", state.ID, want[key], p)
			} else {
				delete(want, key)
			}
		}
		fits := true
		for _, item := range state.Items {
			line := lines[item.SKU]
			closed := line.Waiting > 0 && line.Passed >= stock.MaxPassed && line.First != tickets[item.SKU]
			fits = fits && all[item.SKU] >= item.Quantity && !closed
		}
		if fits {
			t.Fatalf("%s waits at %+v, and fits: %+v", state.ID, state.Places, lines)
		}
	}
	if len(want) > 0 {
		t.Fatalf("in lines, and do not wait: %v", want)
	}
}

// servedWhileRebuilt: what a reservation in line has of a split SKU is found again where a rebuild
// begins on the way.
func servedWhileRebuilt(t *testing.T, s *shop) {
	name, split, order := s.stocked(t, 0), s.stocked(t, 4), ident.New()
	s.split(t, split, 4)
	_, err := s.wait(t, order, stock.Item{SKU: name, Quantity: 1}, stock.Item{SKU: split, Quantity: 4})
	wantFault(t, err, stock.ErrBackordered, name)
	level, err := s.service.Get(t.Context(), name)
	if err == nil {
		_, err = s.service.Set(t.Context(), request(), name, 1, stock.Match{Version: level.Version})
	}
	wantFault(t, err, nil, "")
	hooked, marked := &estest.Hooked{Store: s.Store}, false
	hooked.Before = func(commits []es.Commit) error {
		event, ok := commits[0].Events[0].(stock.Reserved)
		if marked || !ok || len(event.Rows) < 5 {
			return nil
		}
		marked = true // once it was looked where the pieces are
		return s.Rows.Mark(context.Background(), stock.ShardRow(split, 2), "m")
	}
	wantFault(t, s.on(hooked).Serve(t.Context(), request(), name), nil, "")
	if !marked {
		t.Error("nothing has come in between")
	}
	s.wantStatus(t, []string{order}, es.AttemptDone)
	s.want(t, split, 0, 4, 1)
}
