package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/process/sweep"
	"orderflow/shared/process/sweep/sweeptest"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

func TestMemory(t *testing.T) { sweeptest.Run(t, &sweeptest.Memory{}) }

// turns are lists without orders, which note when each was looked through.
type turns struct {
	*world
	looked map[string][]time.Time
	dies   string // the list that the sweep dies of
}

func (l *turns) Waiting(_ context.Context, slot int, _ orders.Dated, _ string) iter.Seq2[orders.Listed, error] {
	return l.list(fmt.Sprint("waiting ", slot))
}

func (l *turns) Shipped(_ context.Context, slot int, _ orders.Dated, _ string) iter.Seq2[orders.Listed, error] {
	return l.list(fmt.Sprint("shipped ", slot))
}

func (l *turns) list(name string) iter.Seq2[orders.Listed, error] {
	return func(func(orders.Listed, error) bool) {
		if l.dies == "at once" || l.dies == name {
			panic("killed")
		}
		l.looked[name] = append(l.looked[name], l.clock.Now())
	}
}

// sweeps sweeps, and survives what kills the sweep.
func (l *turns) sweeps() {
	defer func() { _ = recover() }()
	s := l.sweeper()
	s.Rows = l
	_, _ = s.Sweep(context.Background())
}

// Sweeps come every five minutes, as precisely as a schedule is, to a minute: some twice, some
// never, and some die or can't say how far they came. Each slot is looked through once an hour all
// the same, as long as no more than five of twelve are lost.
func TestEachSlotHasItsTurnOnceAnHour(t *testing.T) {
	const every, runs, lost = 5 * time.Minute, 72, 5
	rapid.Check(t, func(t *rapid.T) {
		l := &turns{world: newWorld(), looked: map[string][]time.Time{}}
		precision := rapid.SampledFrom([]time.Duration{
			0, 200 * time.Millisecond, 59 * time.Second,
		}).Draw(t, "precision")
		var fates []string
		for n := range runs {
			offset := time.Duration(rapid.Int64Range(-int64(precision), int64(precision)).Draw(t, "offset"))
			if at := start.Add(time.Duration(n)*every + offset); at.After(l.clock.Now()) {
				l.clock.Advance(at.Sub(l.clock.Now()))
			}
			all := []string{"comes", "comes", "comes twice", "never comes", "dies", "keeps nothing"}
			fate := rapid.SampledFrom(all).Draw(t, "fate")
			bad := 0
			for _, before := range fates[max(0, len(fates)-11):] {
				if before != "comes" && before != "comes twice" {
					bad++
				}
			}
			if bad >= lost {
				fate = "comes"
			}
			fates = append(fates, fate)
			l.dies = ""
			rounds := l.rounds
			switch fate {
			case "never comes":
				continue
			case "comes twice":
				l.sweeps()
			case "dies":
				l.dies = "at once"
			case "keeps nothing":
				l.rounds = deaf{l.rounds}
			}
			l.sweeps()
			l.rounds = rounds
		}
		for slot := range orders.Slots {
			for _, kind := range []string{"waiting", "shipped"} {
				name := fmt.Sprint(kind, " ", slot)
				last := start
				for _, at := range append(l.looked[name], l.clock.Now()) {
					if gap := at.Sub(last); gap > time.Hour {
						t.Fatalf("%s is not looked through for %s, until %s: %v", name, gap, at, fates)
					}
					last = at
				}
			}
		}
	})
}

// deaf keeps nothing.
type deaf struct{ sweep.Rounds }

func (deaf) Save(context.Context, sweep.Position) (sweep.Position, bool, error) {
	return sweep.Position{}, false, errDown
}

// What a sweep has no time for, the next one begins with: each order is looked at, none is left
// out, and none again before all were.
func TestSweepGoesOnWhereTheLastOneStopped(t *testing.T) {
	const all, took = 700, 100 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		slot := orders.Slot("o1")
		for n := 0; len(w.ids) < all; n++ {
			if id := fmt.Sprint("order-", n); orders.Slot(id) == slot {
				w.do(t, id, order.Placed{OrderID: id, CustomerID: "c1"}, started, confirmed)
				w.clock.Advance(time.Millisecond)
			}
		}
		w.clock.Advance(budget + time.Second)
		slow := &slowly{Orders: w.sweeper().Orders, takes: took, looked: map[string]int{}}
		for sweeps := 1; ; sweeps++ {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // five of them for looking
			s := w.sweeper()
			s.Orders = slow
			summary, err := s.Sweep(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if !summary.Unfinished {
				if sweeps < 2 || len(slow.looked) != all {
					t.Errorf("%d sweeps looked at %d of %d orders", sweeps, len(slow.looked), all)
				}
				break
			}
		}
		for id, times := range slow.looked {
			if times != 1 {
				t.Errorf("%s was looked at %d times", id, times)
			}
		}
	})
}

// slowly takes its time for each order.
type slowly struct {
	sweep.Orders
	takes  time.Duration
	mu     sync.Mutex
	looked map[string]int
}

func (s *slowly) History(ctx context.Context, id string) ([]es.Recorded, error) {
	time.Sleep(s.takes) //nolint:forbidigo // of the bubble's clock
	s.mu.Lock()
	s.looked[id]++
	s.mu.Unlock()
	return s.Orders.History(ctx, id)
}

// An order that can't be looked at in time, or that breaks the program, keeps back none behind it.
func TestWhatBreaksKeepsBackNobody(t *testing.T) {
	for name, trouble := range map[string]func(context.Context) ([]es.Recorded, error){
		"a panic":  func(context.Context) ([]es.Recorded, error) { panic("broken") },
		"an error": func(context.Context) ([]es.Recorded, error) { return nil, errDown },
		"no answer": func(ctx context.Context) ([]es.Recorded, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.do(t, "o1", placed, started, confirmed)
				slot := orders.Slot("o1")
				for n := 0; len(w.ids) < 20; n++ {
					if id := fmt.Sprint("order-", n); orders.Slot(id) == slot {
						w.do(t, id, order.Placed{OrderID: id, CustomerID: "c1"}, started, confirmed)
					}
				}
				w.clock.Advance(budget + time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s := w.sweeper()
				s.Orders = troubled{s.Orders, trouble}
				summary, err := s.Sweep(ctx)
				if err == nil || summary.Errors != 1 || summary.Found[sweep.StageUnprepared] != 19 || ctx.Err() != nil {
					t.Errorf("%+v, %v, %v", summary, err, ctx.Err())
				}
				if at, err := w.rounds.Load(t.Context()); err != nil || at.Waiting.Begun > 0 {
					t.Errorf("%+v, %v", at, err)
				}
			})
		})
	}
}

// troubled has trouble with o1.
type troubled struct {
	sweep.Orders
	trouble func(context.Context) ([]es.Recorded, error)
}

func (o troubled) History(ctx context.Context, id string) ([]es.Recorded, error) {
	if id == "o1" {
		return o.trouble(ctx)
	}
	return o.Orders.History(ctx, id)
}

// What kills each sweep that comes to it hides one slot and not all: the next one has its turn
// after three, and operations hear of it.
func TestSlotThatKills(t *testing.T) {
	l := &turns{world: newWorld(), looked: map[string][]time.Time{}}
	slot := orders.Slot("o1")
	l.dies = fmt.Sprint("waiting ", slot)
	for range sweep.MaxBegun {
		l.sweeps()
	}
	if len(l.looked) > 0 {
		t.Fatalf("looked at %v", l.looked)
	}
	s := l.sweeper()
	s.Rows = l
	if _, err := s.Sweep(t.Context()); err == nil {
		t.Error("nobody hears of it")
	}
	want := []string{fmt.Sprint("waiting ", (slot+1)%orders.Slots), fmt.Sprint("waiting ", (slot+2)%orders.Slots)}
	for range orders.Slots {
		l.sweeps()
	}
	for _, name := range want {
		if len(l.looked[name]) == 0 {
			t.Errorf("%s had no turn: %v", name, slices.Sorted(maps.Keys(l.looked)))
		}
	}
}

// Where nobody knows how far sweeps have come, they look at some slots all the same, and at all in
// time.
func TestNoPosition(t *testing.T) {
	for name, rounds := range map[string]sweep.Rounds{"unread": blind{}, "not kept": deaf{&sweeptest.Memory{}}} {
		t.Run(name, func(t *testing.T) {
			l := &turns{world: newWorld(), looked: map[string][]time.Time{}}
			l.rounds = rounds
			s := l.sweeper()
			s.Rows = l
			if summary, err := s.Sweep(t.Context()); !errors.Is(err, errDown) || summary.Errors != 1 {
				t.Errorf("%+v, %v", summary, err)
			}
			if want := 2 * sweep.SlotsASweep; len(l.looked) != want {
				t.Errorf("looked at %v, want %d lists", slices.Sorted(maps.Keys(l.looked)), want)
			}
			if name == "not kept" {
				return
			}
			for range 1000 {
				l.sweeps()
			}
			if len(l.looked) != 2*orders.Slots {
				t.Errorf("looked at %v", slices.Sorted(maps.Keys(l.looked)))
			}
		})
	}
}

// blind can't be read.
type blind struct{ sweep.Rounds }

func (blind) Load(context.Context) (sweep.Position, error) { return sweep.Position{}, errDown }

// Of two sweeps at once one goes on with the orders that wait.
func TestAnotherSweepGoesOn(t *testing.T) {
	l := &turns{world: newWorld(), looked: map[string][]time.Time{}}
	memory := l.rounds
	l.rounds = overtaken{memory}
	l.sweeps()
	if len(l.looked) > 0 {
		t.Errorf("looked at %v", l.looked)
	}
	l.rounds = memory
	l.sweeps()
	if len(l.looked) != 2*sweep.SlotsASweep {
		t.Errorf("looked at %v", l.looked)
	}
}

// overtaken is kept by another sweep between reading and keeping.
type overtaken struct{ sweep.Rounds }

func (o overtaken) Load(ctx context.Context) (sweep.Position, error) {
	at, err := o.Rounds.Load(ctx)
	if err == nil {
		_, _, err = o.Save(ctx, at)
	}
	return at, err
}

// An order that was placed long ago has its budget from when it last changed, though the lists of
// those that wait don't say when that was.
func TestChangedLately(t *testing.T) {
	w := newWorld()
	w.do(t, "o1", placed, started)
	w.clock.Advance(3 * budget)
	w.do(t, "o1", confirmed)
	for _, passed := range []time.Duration{0, budget - time.Second} {
		w.clock.Advance(passed)
		if summary, err := w.sweeper().Sweep(t.Context()); err != nil || len(summary.Found) > 0 {
			t.Errorf("after %s: %+v, %v", passed, summary, err)
		}
	}
	for range orders.Slots {
		w.clock.Advance(time.Second)
		if summary, err := w.sweeper().Sweep(t.Context()); err != nil {
			t.Fatal(err)
		} else if summary.Found[sweep.StageUnprepared] == 1 {
			return
		}
	}
	t.Error("it is never found")
}

// An order whose last event is dated a week ahead is found at once, and what is done about it needs
// no date: a run that goes is let go on, and what is gone is taken up.
func TestDatedAhead(t *testing.T) {
	const week = 7 * 24 * time.Hour
	window := start.UnixNano() / int64(budget)
	resumed := func(n int64) string { return fmt.Sprintf("o1-undo-2-%d", n) }
	for _, tt := range []struct {
		name    string
		events  []any
		runs    map[string]bool
		stage   sweep.Stage
		action  sweep.Action
		started []string
		status  order.Status
	}{
		{
			name: "placed, never started", events: []any{placed},
			stage: sweep.StagePending, action: sweep.ActionStarted,
			started: []string{"o1"}, status: order.StatusPlaced,
		},
		{
			name: "placed, and the run is gone", events: []any{placed}, runs: map[string]bool{"o1": false},
			stage: sweep.StagePending, action: sweep.ActionClosed,
			started: []string{"o1-undo-2"}, status: order.StatusCancelling,
		},
		{
			name: "started, and the run goes", events: []any{placed, started}, runs: map[string]bool{"o1": true},
			stage: sweep.StageRunning, action: sweep.ActionLeft, status: order.StatusPlaced,
		},
		{
			name: "started, and the run is gone", events: []any{placed, started}, runs: map[string]bool{"o1": false},
			stage: sweep.StageRunning, action: sweep.ActionClosed,
			started: []string{"o1-undo-3"}, status: order.StatusCancelling,
		},
		{
			name: "cancelled by the customer, never undone", events: []any{placed, byCustomer},
			stage: sweep.StageCompensating, action: sweep.ActionResumed,
			started: []string{"o1-undo-2"}, status: order.StatusCancelling,
		},
		{
			name: "the undoing run is gone", events: []any{placed, byCustomer},
			runs:  map[string]bool{"o1-undo-2": false},
			stage: sweep.StageCompensating, action: sweep.ActionResumed,
			started: []string{resumed(window)}, status: order.StatusCancelling,
		},
		{
			name: "the further run of the budget before goes", events: []any{placed, byCustomer},
			runs:  map[string]bool{"o1-undo-2": false, resumed(window - 1): true},
			stage: sweep.StageCompensating, action: sweep.ActionLeft, status: order.StatusCancelling,
		},
		{
			name: "the further run of this budget is gone", events: []any{placed, byCustomer},
			runs:  map[string]bool{"o1-undo-2": false, resumed(window): false},
			stage: sweep.StageCompensating, action: sweep.ActionLeft, status: order.StatusCancelling,
		},
		{
			name: "the undo has failed", events: []any{placed, byCustomer, undoFailed},
			stage: sweep.StageFailed, action: sweep.ActionNone, status: order.StatusCancelling,
		},
		{
			name: "confirmed, and nothing follows", events: []any{placed, started, confirmed},
			stage: sweep.StageUnprepared, action: sweep.ActionNone, status: order.StatusConfirmed,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.clock.Advance(week)
			w.do(t, "o1", tt.events...)
			w.clock.Advance(-week)
			maps.Copy(w.runs.names, tt.runs)
			summary, err := w.sweeper().Sweep(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := sweep.Summary{Found: map[sweep.Stage]int{tt.stage: 1}, Actions: map[sweep.Action]int{tt.action: 1}}
			if diff := cmp.Diff(want, summary); diff != "" {
				t.Errorf("summary: (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.started, w.runs.started); diff != "" {
				t.Errorf("started: (-want +got)\n%s", diff)
			}
			if got := w.state(t, "o1").Status; got != tt.status {
				t.Errorf("the order is %s, want %s", got, tt.status)
			}
		})
	}
}

// Clocks that differ by less than five minutes are right: such an order has its budget.
func TestDatedAheadByALittle(t *testing.T) {
	w := newWorld()
	w.clock.Advance(5 * time.Minute)
	w.do(t, "o1", placed)
	w.clock.Advance(-5 * time.Minute)
	for _, passed := range []time.Duration{0, budget} {
		w.clock.Advance(passed)
		if summary, err := w.sweeper().Sweep(t.Context()); err != nil || len(summary.Found) > 0 {
			t.Errorf("after %s: %+v, %v", passed, summary, err)
		}
	}
	w.clock.Advance(5*time.Minute + time.Second)
	if summary, err := w.sweeper().Sweep(t.Context()); err != nil || summary.Found[sweep.StagePending] != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
}

// However many orders there are to act on among those that wait, a sweep passes over none of them.
func TestLimitOfOrdersThatWait(t *testing.T) {
	const all = sweep.MaxActions + 100
	w := newWorld()
	slot := orders.Slot("o1")
	for n := 0; len(w.ids) < all; n++ {
		id := fmt.Sprint("order-", n)
		if orders.Slot(id) != slot {
			continue
		}
		ship := shipment.ID(id, 1)
		w.do(t, id, order.Placed{OrderID: id, CustomerID: "c1", Revision: 1}, started,
			order.Confirmed{SagaID: id, PaymentID: "p1", ShipmentID: ship})
		w.append(t, es.NewStreamID(shipment.Category, ship), nil,
			shipment.Scheduled{ShipmentID: ship, OrderID: id, TrackingNumber: "OF1"},
			shipment.Prepared{ShipmentID: ship, OrderID: id, CustomerID: "c1"},
			shipment.Dispatched{
				ShipmentID: ship, OrderID: id, TrackingNumber: "OF1", DispatchedAt: "2026-01-02T03:00:00Z",
			})
	}
	w.clock.Advance(budget + time.Second)
	first, err := w.sweeper().Sweep(t.Context())
	n := first.Actions[sweep.ActionFollowed]
	if err != nil || !first.Unfinished || n < sweep.MaxActions || n >= all || first.Actions[sweep.ActionPostponed] > 0 {
		t.Errorf("first: %+v, %v", first, err)
	}
	second, err := w.sweeper().Sweep(t.Context())
	if err != nil || second.Unfinished || n+second.Actions[sweep.ActionFollowed] != all {
		t.Errorf("second: %+v, %v", second, err)
	}
}
