package stocktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/recount"
	"orderflow/shared/shop/stock"
)

// Backend is a store under test with its counters.
type Backend struct {
	Store    es.Store // that is an es.Scanner, too
	Counters stock.Counters
	Lines    stock.Lines
	Rows     recount.Rows                                // of the counters
	Lose     func(ctx context.Context, sku string) error // takes a row away, as who restores a table does
}

// Run puts the stock service through the suite. open is called a few times, with a registry that
// knows stock's events.
func Run(t *testing.T, open func(t *testing.T, registry *es.Registry) Backend) {
	t.Helper()
	b := open(t, es.NewRegistry(stock.Register))
	fake := clock.NewFake(estest.Start) // of those who do one thing after the other, and need not wait
	for _, c := range []struct {
		name  string
		test  func(*testing.T, *shop)
		clock clock.Clock
	}{
		{"count", counting, fake},
		{"a count that was made before", countedBefore, fake},
		{"a count below what is reserved", countedBelow, fake},
		{"reservations", reservations, fake},
		{"a refusal stays", refusalStays, fake},
		{"a refusal that is too late", inBetween, fake},
		{"amendments", amendments, fake},
		{"amended while it is rebuilt", amendedWhileRebuilt, fake},
		{"a count after a departure", countedAfterDeparture, fake},
		{"a departure closes the books", departureCloses, fake},
		{"counts around a departure", countedAroundDeparture, fake},
		{"parcels that a count names", leftWith, fake},
		{"a shelf and its books", shelf, fake},
		{"as many SKUs as may be", manySKUs, fake},
		{"lost answers", lostAnswers, fake},
		{"orders together", reservedTogether, fake},
		{"refusals together", refusedTogether, fake},
		{"more together than a transaction takes", packedTogether, fake},
		{"together as alone", togetherAsAlone, fake},
		{"lost answers together", lostTogether, fake},
		{"orders race for the last", race, clock.System{}},
		{"a split SKU", splitSKU, fake},
		{"orders for more than a shard has", acrossShards, fake},
		{"an amendment of a split SKU", amendedShards, fake},
		{"scattered pieces", scattered, fake},
		{"a split SKU sells out", sellOut, clock.System{}},
		{"batches race for the last", raceTogether, clock.System{}},
		{"one attempt from many sides", oneAttempt, clock.System{}},
		{"everything at once", everything, clock.System{}},
		{"as a simple model does", model, fake},
		{"orders that wait", inLine, fake},
		{"orders that are passed", passing, fake},
		{"a restock on the way into the line", between, fake},
		{"nobody is forgotten", nobodyForgotten, fake},
		{"a line while it is rebuilt", servedWhileRebuilt, fake},
		{"what there is", partly, fake},
		{"what there is, all or nothing", partlyAll, fake},
		{"what there is meanwhile", partlyBetween, fake},
		{"what there is for those who pass", partlyPassing, fake},
		{"what there is of a split SKU", partlySplit, fake},
		{"what there is in many rows", partlyScattered, fake},
		{"what there is of a SKU that is oversold", partlyOversold, fake},
		{"oversold shards", oversold, fake},
		{"what there is beside a split SKU", partlyLate, fake},
		{"what there is beside a split SKU, again", partlyLateAgain, fake},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, shopOn(b, c.clock)) })
	}
	// What reads all of a store begins with an empty one, and waits for nothing.
	own := func() *shop { return shopOn(open(t, es.NewRegistry(stock.Register)), clock.NewFake(estest.Start)) }
	t.Run("rows that are broken", func(t *testing.T) { broken(t, own()) })
	t.Run("a shard that is lost", func(t *testing.T) { lostShard(t, own) })
	t.Run("rebuilt while orders go on", func(t *testing.T) { recounted(t, own) })
}

func shopOn(b Backend, c clock.Clock) *shop {
	return &shop{Backend: b, service: stock.New(stock.Deps{
		Store: b.Store, Clock: c, Counters: b.Counters, Lines: b.Lines,
	})}
}

// shop is the service under test.
type shop struct {
	Backend
	service stock.Service
}

// tester is what testing.T and rapid.T share.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// request is a command of its own.
func request() es.Request { return es.Request{CommitID: ident.New(), Time: estest.Start} }

// sku names a SKU that no other test uses.
func sku(name string) string { return name + "-" + ident.New()[:8] }

// stocked is a SKU of which n are on hand.
func (s *shop) stocked(t tester, n int64) string {
	t.Helper()
	name := sku("cd")
	if _, err := s.service.Set(context.Background(), request(), name, n, stock.Match{MustBeNew: true}); err != nil {
		t.Fatalf("stock %s: %v", name, err)
	}
	return name
}

func (s *shop) want(t tester, name string, available, reserved, version int64) {
	t.Helper()
	s.wantLeft(t, name, available, reserved, version, 0)
}

// wantLeft is want of a SKU that was counted so many times, and with which so many reservations
// have left.
func (s *shop) wantLeft(t tester, name string, available, reserved, counts, departed int64) {
	t.Helper()
	got, err := s.service.Get(context.Background(), name)
	got.Shards, got.Epoch = 0, 0 // what is in them is the same
	want := stock.Level{
		SKU: name, OnHand: available + reserved, Available: available, Reserved: reserved, Version: counts + departed,
		Departed: departed,
	}
	if err != nil || got != want {
		t.Errorf("level is %+v, %v, want %+v", got, err, want)
	}
}

func wantFault(t tester, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %v: %s", err, want, text)
	}
}

func counting(t *testing.T, s *shop) {
	name := sku("cd")
	_, err := s.service.Get(t.Context(), name)
	wantFault(t, err, stock.ErrNotFound, name)
	set := func(n int64, match stock.Match, want error, level stock.Level) {
		t.Helper()
		got, err := s.service.Set(t.Context(), request(), name, n, match)
		wantFault(t, err, want, "")
		level.SKU = name
		if want == nil && got != level {
			t.Errorf("level is %+v, want %+v", got, level)
		}
	}
	set(5, stock.Match{Version: 1}, stock.ErrVersionMismatch, stock.Level{})
	set(5, stock.Match{Version: -1}, stock.ErrVersionRequired, stock.Level{})
	set(-1, stock.Match{MustBeNew: true}, stock.ErrInvalidQuantity, stock.Level{})
	set(0, stock.Match{MustBeNew: true}, nil, stock.Level{Version: 1})
	set(0, stock.Match{MustBeNew: true}, stock.ErrVersionMismatch, stock.Level{})
	set(0, stock.Match{}, stock.ErrVersionMismatch, stock.Level{})
	set(5, stock.Match{Version: 1}, nil, stock.Level{OnHand: 5, Available: 5, Version: 2})
	set(6, stock.Match{Version: 1}, stock.ErrVersionMismatch, stock.Level{})
	set(6, stock.Match{Version: 3}, stock.ErrVersionMismatch, stock.Level{})
	set(5, stock.Match{Version: 2}, nil, stock.Level{OnHand: 5, Available: 5, Version: 2}) // nothing new, no event
	set(2, stock.Match{Version: 2}, nil, stock.Level{OnHand: 2, Available: 2, Version: 3})
	want := []any{
		stock.Restocked{SKU: name, Delta: 0, Counted: 0}, stock.Restocked{SKU: name, Delta: 5, Counted: 5},
		stock.Restocked{SKU: name, Delta: -3, Counted: 2},
	}
	if diff := cmp.Diff(want, s.events(t, es.NewStreamID(stock.Category, name))); diff != "" {
		t.Error(diff)
	}
	for _, odd := range []string{"", "-x", "a b", "a/b", strings.Repeat("x", 65)} {
		_, err := s.service.Set(t.Context(), request(), odd, 1, stock.Match{MustBeNew: true})
		wantFault(t, err, stock.ErrNotFound, "")
		_, err = s.service.Get(t.Context(), odd)
		wantFault(t, err, stock.ErrNotFound, "")
	}
}

func (s *shop) events(t tester, stream es.StreamID) (events []any) {
	t.Helper()
	h, err := s.Store.Load(context.Background(), stream, 0)
	if err != nil {
		t.Fatalf("load %s: %v", stream, err)
	}
	for _, e := range h.Events {
		events = append(events, e.Data)
	}
	return events
}

func countedBefore(t *testing.T, s *shop) {
	name, first := sku("cd"), request()
	for range 2 {
		got, err := s.service.Set(t.Context(), first, name, 5, stock.Match{MustBeNew: true})
		if err != nil || got.Available != 5 || got.Version != 1 {
			t.Errorf("level is %+v, %v", got, err)
		}
	}
	if _, err := s.service.Reserve(
		t.Context(), request(),
		stock.Reservation{OrderID: ident.New(), Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 2}}},
	); err != nil {
		t.Error(err)
	}
	if got, err := s.service.Set(t.Context(), first, name, 5, stock.Match{MustBeNew: true}); err != nil ||
		got.Available != 3 || got.Reserved != 2 || got.Version != 1 {
		t.Errorf("a repeat after a reservation is answered with %+v, %v", got, err)
	}
	if _, err := s.service.Set(t.Context(), request(), name, 7, stock.Match{Version: 1}); err != nil {
		t.Error(err)
	}
	if got, err := s.service.Set(
		t.Context(), first, name, 5, stock.Match{MustBeNew: true},
	); !errors.Is(err, stock.ErrVersionMismatch) {
		t.Errorf("a repeat after another count is answered with %+v, %v", got, err)
	}
	// Without an id of the request's own, the second try meets what the first one did.
	if _, err := s.service.Set(
		t.Context(), request(), name, 7, stock.Match{Version: 1},
	); !errors.Is(err, stock.ErrVersionMismatch) {
		t.Errorf("a repeat with another id: %v", err)
	}
}

func countedBelow(t *testing.T, s *shop) {
	name := s.stocked(t, 5)
	order := ident.New()
	if _, err := s.service.Reserve(
		t.Context(), request(),
		stock.Reservation{OrderID: order, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 3}}},
	); err != nil {
		t.Fatal(err)
	}
	_, err := s.service.Set(t.Context(), request(), name, 2, stock.Match{Version: 1})
	wantFault(t, err, stock.ErrInsufficient, "")
	s.want(t, name, 2, 3, 1)
	if got, err := s.service.Set(t.Context(), request(), name, 3, stock.Match{Version: 1}); err != nil ||
		got.Available != 0 || got.Reserved != 3 {
		t.Errorf("level is %+v, %v", got, err)
	}
	if got, err := s.service.Set(t.Context(), request(), name, 9, stock.Match{Version: 2}); err != nil ||
		got.Available != 6 || got.Reserved != 3 {
		t.Errorf("level is %+v, %v", got, err)
	}
	if _, err := s.service.Release(t.Context(), request(), order, 1); err != nil {
		t.Fatal(err)
	}
	s.want(t, name, 9, 0, 3)
}

func reservations(t *testing.T, s *shop) {
	type step func(order string, items []stock.Item) (stock.ReservationState, error)
	reserve := func(order string, items []stock.Item) (stock.ReservationState, error) {
		return s.service.Reserve(t.Context(), request(), stock.Reservation{OrderID: order, Revision: 1, Items: items})
	}
	release := func(order string, _ []stock.Item) (stock.ReservationState, error) {
		return s.service.Release(t.Context(), request(), order, 1)
	}
	commit := func(order string, _ []stock.Item) (stock.ReservationState, error) {
		return s.service.Commit(t.Context(), request(), order, 1)
	}
	leave := func(order string, _ []stock.Item) (stock.ReservationState, error) {
		_, err := s.service.Leave(t.Context(), request(), order, 1)
		return stock.ReservationState{}, err
	}
	// the same attempt with other items
	other := func(order string, items []stock.Item) (stock.ReservationState, error) {
		return reserve(order, []stock.Item{{SKU: items[0].SKU, Quantity: 1}})
	}
	next := func(order string, items []stock.Item) (stock.ReservationState, error) {
		return s.service.Reserve(t.Context(), request(), stock.Reservation{OrderID: order, Revision: 2, Items: items})
	}
	for _, tc := range []struct {
		name   string
		a, b   int64 // wanted of two SKUs, of which 5 and 2 are there; that of a on two lines
		steps  []step
		want   error // of the last step
		status es.AttemptStatus
		held   bool
		events []string
		left   bool
	}{
		{"commit", 3, 2, []step{reserve, commit}, nil, es.AttemptDone, true, []string{"reserved", "committed"}, true},
		{
			"commit twice", 3, 2, []step{reserve, commit, commit}, nil, es.AttemptDone, true,
			[]string{"reserved", "committed"}, true,
		},
		{
			"reserve what has left", 3, 2, []step{reserve, commit, reserve}, nil, es.AttemptDone, true,
			[]string{"reserved", "committed"}, true,
		},
		{
			"release what has left", 3, 2, []step{reserve, commit, release}, stock.ErrCommitted, es.AttemptDone, true,
			[]string{"reserved", "committed"}, true,
		},
		{
			"commit what was released", 3, 2, []step{reserve, release, commit}, stock.ErrNotReserved, es.AttemptUndone,
			false, []string{"reserved", "released"}, false,
		},
		{
			"commit what was refused", 6, 1, []step{reserve, commit}, stock.ErrNotReserved, es.AttemptRefused, false,
			[]string{"refused"}, false,
		},
		{"commit what never came", 3, 2, []step{commit}, stock.ErrNotReserved, es.AttemptOpen, false, nil, false},
		{"leave", 3, 2, []step{reserve, leave}, nil, es.AttemptDone, true, []string{"reserved", "departed"}, true},
		{
			"leave twice", 3, 2, []step{reserve, leave, leave}, nil, es.AttemptDone, true,
			[]string{"reserved", "departed"}, true,
		},
		{"commit what left", 3, 2, []step{reserve, leave, commit, commit}, nil, es.AttemptDone, true,
			[]string{"reserved", "departed", "committed"}, true},
		{
			"leave what is committed", 3, 2, []step{reserve, commit, leave}, nil, es.AttemptDone, true,
			[]string{"reserved", "committed"}, true,
		},
		{"release what left", 3, 2, []step{reserve, leave, release}, stock.ErrCommitted, es.AttemptDone, true,
			[]string{"reserved", "departed"}, true},
		{"leave what was released", 3, 2, []step{reserve, release, leave}, stock.ErrNotReserved, es.AttemptUndone,
			false,
			[]string{"reserved", "released"}, false},
		{"leave what never came", 3, 2, []step{leave}, stock.ErrNotReserved, es.AttemptOpen, false, nil, false},
		{"reserve", 3, 2, []step{reserve}, nil, es.AttemptDone, true, []string{"reserved"}, false},
		{"reserve all", 5, 2, []step{reserve}, nil, es.AttemptDone, true, []string{"reserved"}, false},
		{"reserve twice", 3, 2, []step{reserve, reserve}, nil, es.AttemptDone, true, []string{"reserved"}, false},
		{
			"reserve something else", 3, 2, []step{reserve, other}, nil, es.AttemptDone, true, []string{"reserved"},
			false,
		},
		{
			"too many on two lines", 6, 1, []step{reserve}, stock.ErrInsufficient, es.AttemptRefused, false,
			[]string{"refused"}, false,
		},
		{
			"too many of one of two", 3, 3, []step{reserve}, stock.ErrInsufficient, es.AttemptRefused, false,
			[]string{"refused"}, false,
		},
		{
			"too many, twice", 3, 3, []step{reserve, reserve}, stock.ErrInsufficient, es.AttemptRefused, false,
			[]string{"refused"}, false,
		},
		{
			"release", 3, 2, []step{reserve, release}, nil, es.AttemptUndone, false, []string{"reserved", "released"},
			false,
		},
		{
			"release twice", 3, 2, []step{reserve, release, release}, nil, es.AttemptUndone, false,
			[]string{"reserved", "released"}, false,
		},
		{
			"release what was refused", 6, 1, []step{reserve, release}, nil, es.AttemptRefused, false,
			[]string{"refused"}, false,
		},
		{"release what never came", 3, 2, []step{release}, nil, es.AttemptVoided, false, []string{"voided"}, false},
		{
			"release what never came, twice", 3, 2, []step{release, release}, nil, es.AttemptVoided, false,
			[]string{"voided"}, false,
		},
		{
			"reserve too late", 3, 2, []step{release, reserve}, es.ErrAttemptClosed, es.AttemptVoided, false,
			[]string{"voided"}, false,
		},
		{
			"reserve too late, too many", 6, 2, []step{release, reserve}, es.ErrAttemptClosed, es.AttemptVoided, false,
			[]string{"voided"}, false,
		},
		{
			"reserve what was released", 3, 2, []step{reserve, release, reserve}, es.ErrAttemptClosed, es.AttemptUndone,
			false, []string{"reserved", "released"}, false,
		},
		{"the next revision", 3, 2, []step{release, next}, nil, es.AttemptVoided, true, []string{"voided"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b, order := s.stocked(t, 5), s.stocked(t, 2), ident.New()
			items := []stock.Item{{SKU: b, Quantity: tc.b}, {SKU: a, Quantity: tc.a - 1}, {SKU: a, Quantity: 1}}
			var err error
			for _, step := range tc.steps {
				_, err = step(order, items)
			}
			wantFault(t, err, tc.want, "")
			if errors.Is(tc.want, stock.ErrInsufficient) {
				for name, short := range map[string]bool{a: tc.a > 5, b: tc.b > 2} {
					if strings.Contains(err.Error(), name) != short {
						t.Errorf("%v, want it to name %s: %v", err, name, short)
					}
				}
				if strings.ContainsAny(strings.NewReplacer(a, "", b, "").Replace(err.Error()), "0123456789") {
					t.Errorf("%v tells a number", err)
				}
			}
			got, err := s.service.Reservation(t.Context(), order, 1)
			if err != nil || got.Status != tc.status {
				t.Errorf("reservation is %+v, %v, want %s", got, err, tc.status)
			}
			var events []string
			for _, e := range s.events(t, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(order, 1))) {
				events = append(events, strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "stock.")))
			}
			if diff := cmp.Diff(tc.events, events); diff != "" {
				t.Error(diff)
			}
			switch {
			case tc.left:
				s.wantLeft(t, a, 5-tc.a, 0, 1, 1)
				s.wantLeft(t, b, 2-tc.b, 0, 1, 1)
			case tc.held:
				s.want(t, a, 5-tc.a, tc.a, 1)
				s.want(t, b, 2-tc.b, tc.b, 1)
			default:
				s.want(t, a, 5, 0, 1)
				s.want(t, b, 2, 0, 1)
			}
		})
	}
	t.Run("a SKU that nobody counted", func(t *testing.T) {
		name := sku("cd")
		_, err := reserve(ident.New(), []stock.Item{{SKU: name, Quantity: 1}})
		wantFault(t, err, stock.ErrInsufficient, name)
		_, err = s.service.Get(t.Context(), name)
		wantFault(t, err, stock.ErrNotFound, name)
	})
}

// countedAfterDeparture: pieces that left are neither put back nor taken twice by the next count,
// and a count from before they left is refused.
func countedAfterDeparture(t *testing.T, s *shop) {
	name, order := s.stocked(t, 10), ident.New()
	if _, err := s.service.Reserve(
		t.Context(), request(),
		stock.Reservation{OrderID: order, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 4}}},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := s.service.Commit(t.Context(), request(), order, 1); err != nil {
		t.Fatal(err)
	}
	s.wantLeft(t, name, 6, 0, 1, 1)
	_, err := s.service.Set(t.Context(), request(), name, 10, stock.Match{Version: 1})
	wantFault(t, err, stock.ErrVersionMismatch, "is 2, not 1")
	if got, err := s.service.Set(t.Context(), request(), name, 6, stock.Match{Version: 2}); err != nil ||
		got.Version != 2 {
		t.Errorf("what is there, counted: %+v, %v", got, err)
	}
	if got, err := s.service.Set(t.Context(), request(), name, 10, stock.Match{Version: 2}); err != nil ||
		got.OnHand != 10 || got.Version != 3 {
		t.Errorf("four more, counted: %+v, %v", got, err)
	}
	want := []any{stock.Restocked{SKU: name, Delta: 10, Counted: 10}, stock.Restocked{SKU: name, Delta: 4, Counted: 10}}
	if diff := cmp.Diff(want, s.events(t, es.NewStreamID(stock.Category, name))); diff != "" {
		t.Error(diff)
	}
	s.wantLeft(t, name, 10, 0, 2, 1)
}

// departureCloses: what a dispatch writes takes the pieces out and closes their reservation, once.
func departureCloses(t *testing.T, s *shop) {
	name, order, ctx := s.stocked(t, 10), ident.New(), t.Context()
	items := []stock.Item{{SKU: name, Quantity: 4}}
	if _, err := s.service.Reserve(
		ctx, request(), stock.Reservation{OrderID: order, Revision: 1, Items: items},
	); err != nil {
		t.Fatal(err)
	}
	if err := s.write(request(), s.service.Departure(order, 1)); err != nil {
		t.Fatal(err)
	}
	again, _, err := s.service.Departure(order, 1)(ctx, request())
	if err != nil || len(again) > 0 {
		t.Errorf("another dispatch writes %+v, %v", again, err)
	}
	if first, err := s.service.Leave(ctx, request(), order, 1); err != nil || first {
		t.Errorf("they leave again: %v, %v", first, err)
	}
	if state, err := s.service.Commit(ctx, request(), order, 1); err != nil || !state.Committed {
		t.Errorf("closed again: %+v, %v", state, err)
	}
	_, err = s.service.Release(ctx, request(), order, 1)
	wantFault(t, err, stock.ErrCommitted, "")
	s.wantLeft(t, name, 6, 0, 1, 1)
	id := stock.ReservationID(order, 1)
	events := s.events(t, es.NewStreamID(stock.ReservationCategory, id))
	if len(events) != 3 {
		t.Fatalf("the events are %+v", events)
	}
	want := stock.Committed{ReservationID: id, OrderID: order, Items: items, Departed: true}
	if diff := cmp.Diff(want, events[2]); diff != "" {
		t.Error(diff)
	}
}

// parcel is what is reserved for the first revision of an order.
func parcel(order string) stock.Parcel { return stock.Parcel{OrderID: order, Revision: 1} }

// countedAroundDeparture: whatever the clocks of the warehouse and of the carrier say, and in
// whatever order a count and a dispatch come, the pieces that left leave the books once.
func countedAroundDeparture(t *testing.T, s *shop) {
	const there, ordered = 10, 3
	at := func(clock time.Duration) es.Request {
		return es.Request{CommitID: ident.New(), Time: estest.Start.Add(clock)}
	}
	type day struct {
		*testing.T
		name, order string
		skew        time.Duration // of the warehouse's clock against the carrier's
	}
	count := func(d *day, pieces, version int64, want error, left ...stock.Parcel) {
		d.Helper()
		_, err := s.service.Set(d.Context(), at(d.skew), d.name, pieces, stock.Match{Version: version}, left...)
		wantFault(d, err, want, "")
	}
	leaves := func(d *day) {
		d.Helper()
		if _, err := s.service.Leave(d.Context(), at(0), d.order, 1); err != nil {
			d.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name   string
		events func(*day)
		counts int64 // of the SKU
	}{
		{"nobody counts", leaves, 1},
		{"a count that was sent before the dispatch and comes after it", func(d *day) {
			leaves(d)
			count(d, there, 1, stock.ErrVersionMismatch) // as the shelf was
			count(d, there-ordered, 2, nil)              // as it is: nothing new
		}, 1},
		{"a count from before the dispatch that comes before it", func(d *day) {
			count(d, there, 1, nil)
			leaves(d)
		}, 1},
		{"a count after the dispatch", func(d *day) {
			leaves(d)
			count(d, there-ordered, 1, stock.ErrVersionMismatch)
			count(d, there-ordered, 2, nil)
		}, 1},
		{"a carrier's call that comes late", func(d *day) {
			count(d, there-ordered, 1, nil, parcel(d.order))
			leaves(d)
		}, 1},
		{"a carrier's call that comes between the shelf and the count", func(d *day) {
			leaves(d)
			count(d, there-ordered, 1, stock.ErrVersionMismatch, parcel(d.order))
			count(d, there-ordered, 2, nil, parcel(d.order))
		}, 1},
		{"one parcel named twice", func(d *day) {
			count(d, there-ordered, 1, nil, parcel(d.order), parcel(d.order))
			leaves(d)
		}, 1},
		{"what was found besides", func(d *day) {
			count(d, there, 1, nil, parcel(d.order)) // three more than the books had left
			count(d, there-ordered, 3, nil)
		}, 3},
	} {
		for _, skew := range []time.Duration{-time.Hour, -time.Second, 0, time.Second, time.Hour} {
			t.Run(fmt.Sprintf("%s, the clock is off by %s", tc.name, skew), func(t *testing.T) {
				d := &day{T: t, name: s.stocked(t, there), order: ident.New(), skew: skew}
				other := s.stocked(t, there)
				if _, err := s.service.Reserve(t.Context(), at(0), stock.Reservation{
					OrderID: d.order, Revision: 1,
					Items: []stock.Item{{SKU: d.name, Quantity: ordered}, {SKU: other, Quantity: 1}},
				}); err != nil {
					t.Fatal(err)
				}
				tc.events(d)
				for range 2 {
					s.wantLeft(t, d.name, there-ordered, 0, tc.counts, 1)
					s.wantLeft(t, other, there-1, 0, 1, 1)
					if _, err := s.service.Commit(t.Context(), at(time.Hour), d.order, 1); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// leftWith: a count names what left. What can't have left with the SKU is refused, and nothing is
// written.
func leftWith(t *testing.T, s *shop) {
	name, other, order, elsewhere := s.stocked(t, 10), s.stocked(t, 10), ident.New(), ident.New()
	reserve := func(order, name string, quantity int64) {
		t.Helper()
		r := stock.Reservation{OrderID: order, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: quantity}}}
		if _, err := s.service.Reserve(t.Context(), request(), r); err != nil {
			t.Fatal(err)
		}
	}
	reserve(order, name, 3)
	reserve(elsewhere, other, 1)
	released := ident.New()
	reserve(released, name, 1)
	if _, err := s.service.Release(t.Context(), request(), released, 1); err != nil {
		t.Fatal(err)
	}
	dispatched := 0
	named := parcel(order)
	named.Dispatch = func(context.Context, es.Request) error { dispatched++; return nil }
	many := make([]stock.Parcel, stock.MaxLeft+1)
	for i := range many {
		many[i] = parcel(ident.New())
	}
	for _, tc := range []struct {
		name    string
		pieces  int64
		version int64
		left    []stock.Parcel
		want    error
		text    string
	}{
		{"one with other pieces", 7, 1, []stock.Parcel{named, parcel(elsewhere)}, stock.ErrNotLeft, "no pieces"},
		{"one that is not", 7, 1, []stock.Parcel{named, parcel(ident.New())}, stock.ErrNotLeft, "no pieces"},
		{"one that was released", 7, 1, []stock.Parcel{named, parcel(released)}, stock.ErrNotLeft, "no pieces"},
		{"too many", 7, 1, many, stock.ErrNotLeft, "at most 25"},
		{"another version", 7, 2, []stock.Parcel{named}, stock.ErrVersionMismatch, "is 1, not 2"},
		{"below nothing", -1, 1, []stock.Parcel{named}, stock.ErrInvalidQuantity, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.service.Set(
				t.Context(), request(), name, tc.pieces, stock.Match{Version: tc.version}, tc.left...,
			)
			wantFault(t, err, tc.want, tc.text)
			s.want(t, name, 7, 3, 1)
		})
	}
	reserve(ident.New(), name, 4)
	_, err := s.service.Set(t.Context(), request(), name, 3, stock.Match{Version: 1}, named)
	wantFault(t, err, stock.ErrInsufficient, "more of")
	s.want(t, name, 3, 7, 1)
	if dispatched > 0 {
		t.Errorf("dispatched %d times", dispatched)
	}
	// Said again after each answer that was lost, it is done once.
	broken := errors.New("no answer")
	named.Dispatch = func(context.Context, es.Request) error {
		if dispatched++; dispatched == 1 {
			return broken
		}
		return nil
	}
	req := request()
	_, err = s.service.Set(t.Context(), req, name, 8, stock.Match{Version: 1}, named)
	wantFault(t, err, broken, "")
	s.want(t, name, 3, 7, 1)
	for range 3 {
		level, err := s.service.Set(t.Context(), req, name, 8, stock.Match{Version: 1}, named)
		if err != nil || level.OnHand != 8 {
			t.Errorf("counted as %+v, %v", level, err)
		}
		s.wantLeft(t, name, 4, 4, 2, 1)
	}
	if dispatched != 2 {
		t.Errorf("dispatched %d times", dispatched)
	}
}

// shelf lets orders be reserved, and parcels leave, be dispatched late and more than once, and be
// booked, while somebody reads the books, looks at the shelf and sends what they saw, in any order
// and by clocks that say anything. The books never offer what is not there, and in the end have
// what is there; so have the events alone.
func shelf(t *testing.T, s *shop) {
	rapid.Check(t, func(t *rapid.T) {
		w := &warehouse{shop: s, there: 20}
		w.name = s.stocked(t, w.there)
		t.Repeat(map[string]func(*rapid.T){
			"reserve": w.reserve, "leave": w.leave, "dispatch": w.dispatch, "book": w.book,
			"read": w.read, "look": w.look, "send": w.send, "split": w.split, "": w.check,
		})
		w.end(t)
	})
}

// warehouse is what is on the shelf, and what people and machines know of it.
type warehouse struct {
	*shop
	name    string
	there   int64 // pieces on the shelf
	parcels []*shipped
	version int64 // that somebody read, 0 for nobody
	seen    bool  // they have looked at the shelf since
	found   int64 // what they saw there
	change  int64 // pieces that come there with their count, or go
	gone    []stock.Parcel
}

// shipped is a parcel on its way.
type shipped struct {
	order            string
	quantity         int64
	gone             bool // from the shelf
	dispatch, booked bool // were said at least once
}

// request is at a time that means nothing.
func (w *warehouse) request(t *rapid.T) es.Request {
	skew := time.Duration(rapid.Int64Range(-3600, 3600).Draw(t, "clock")) * time.Second
	return es.Request{CommitID: ident.New(), Time: estest.Start.Add(skew)}
}

func (w *warehouse) pick(t *rapid.T, fit func(*shipped) bool) *shipped {
	var fitting []*shipped
	for _, p := range w.parcels {
		if fit(p) {
			fitting = append(fitting, p)
		}
	}
	if len(fitting) == 0 {
		t.Skip("none")
	}
	return rapid.SampledFrom(fitting).Draw(t, "parcel")
}

// split is what an operator does to the rows, and nobody at the shelf notices.
func (w *warehouse) split(t *rapid.T) {
	shards := rapid.Int64Range(1, 3).Draw(t, "shards")
	if _, err := w.service.Shard(context.Background(), w.request(t), w.name, shards); err != nil {
		t.Fatal(err)
	}
}

func (w *warehouse) level(t *rapid.T) stock.Level {
	l, err := w.service.Get(context.Background(), w.name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (w *warehouse) reserve(t *rapid.T) {
	p := &shipped{order: ident.New(), quantity: rapid.Int64Range(1, 4).Draw(t, "quantity")}
	r := stock.Reservation{OrderID: p.order, Revision: 1, Items: []stock.Item{{SKU: w.name, Quantity: p.quantity}}}
	_, err := w.service.Reserve(context.Background(), w.request(t), r)
	if err == nil {
		w.parcels = append(w.parcels, p)
	} else if !errors.Is(err, stock.ErrInsufficient) {
		t.Fatal(err)
	}
}

func (w *warehouse) leave(t *rapid.T) {
	p := w.pick(t, func(p *shipped) bool { return !p.gone })
	p.gone = true
	w.there -= p.quantity
}

// dispatch is the carrier's call, or its repeat.
func (w *warehouse) dispatch(t *rapid.T) {
	p := w.pick(t, func(p *shipped) bool { return p.gone })
	if _, err := w.service.Leave(context.Background(), w.request(t), p.order, 1); err != nil {
		t.Fatal(err)
	}
	p.dispatch = true
}

func (w *warehouse) book(t *rapid.T) {
	p := w.pick(t, func(p *shipped) bool { return p.dispatch })
	if _, err := w.service.Commit(context.Background(), w.request(t), p.order, 1); err != nil {
		t.Fatal(err)
	}
	p.booked = true
}

func (w *warehouse) read(t *rapid.T) { w.version, w.seen = w.level(t).Version, false }

// look sees what is on the shelf, with pieces that are found besides or are to go, and which
// parcels are gone of which it is not known that anybody has said so. Naming others that have left
// does no harm.
func (w *warehouse) look(t *rapid.T) {
	if w.version == 0 {
		t.Skip("nobody counts")
	}
	w.gone = nil
	for _, p := range w.parcels {
		if p.gone && (!p.dispatch || rapid.Bool().Draw(t, "named")) {
			w.gone = append(w.gone, parcel(p.order))
		}
	}
	if len(w.gone) > stock.MaxLeft {
		t.Skip("too many")
	}
	w.change = max(rapid.Int64Range(-2, 2).Draw(t, "change"), w.waiting()-w.there)
	w.found, w.seen = w.there+w.change, true
}

// send sends what was seen, maybe long after.
func (w *warehouse) send(t *rapid.T) {
	if !w.seen {
		t.Skip("nobody has looked")
	}
	req := w.request(t)
	for range rapid.IntRange(1, 2).Draw(t, "tries") {
		_, err := w.service.Set(context.Background(), req, w.name, w.found, stock.Match{Version: w.version}, w.gone...)
		switch {
		case err == nil:
			w.there, w.change = w.there+w.change, 0
			for _, p := range w.parcels {
				p.dispatch = p.dispatch ||
					slices.ContainsFunc(w.gone, func(g stock.Parcel) bool { return g.OrderID == p.order })
			}
		// Fewer than are reserved by now, or the shelf changed since and has to be looked at again.
		case !errors.Is(err, stock.ErrInsufficient) && !errors.Is(err, stock.ErrVersionMismatch):
			t.Fatal(err)
		}
	}
	w.version, w.seen = 0, false
}

// waiting is what is promised and still on the shelf.
func (w *warehouse) waiting() (pieces int64) {
	for _, p := range w.parcels {
		if !p.gone {
			pieces += p.quantity
		}
	}
	return pieces
}

// check: what has left and nobody has said so of is in the books, and is nobody's to have.
func (w *warehouse) check(t *rapid.T) {
	if l := w.level(t); l.Available != w.there-w.waiting() {
		t.Fatalf("%+v are offered of %d, of which %d wait", l, w.there, w.waiting())
	}
}

// end lets all be said that has happened.
func (w *warehouse) end(t *rapid.T) {
	var left int64
	for _, p := range w.parcels {
		if !p.gone {
			continue
		}
		if _, err := w.service.Commit(context.Background(), w.request(t), p.order, 1); err != nil {
			t.Fatal(err)
		}
		events := w.events(t, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(p.order, 1)))
		if committed, _ := events[len(events)-1].(stock.Committed); committed.Departed != (len(events) == 3) {
			t.Fatalf("the events are %+v", events)
		}
		left += p.quantity
	}
	if l := w.level(t); l.OnHand != w.there || l.Reserved != w.waiting() {
		t.Fatalf("%d are there, of which %d wait; the books say %+v", w.there, w.waiting(), l)
	}
	var restocked int64
	for _, e := range w.events(t, es.NewStreamID(stock.Category, w.name)) {
		restocked += e.(stock.Restocked).Delta
	}
	if restocked-left != w.there {
		t.Fatalf("%d are there; by the events %d came and %d left", w.there, restocked, left)
	}
}

func refusalStays(t *testing.T, s *shop) {
	name, order := s.stocked(t, 1), ident.New()
	r := stock.Reservation{OrderID: order, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 2}}}
	_, first := s.service.Reserve(t.Context(), request(), r)
	wantFault(t, first, stock.ErrInsufficient, name)
	if _, err := s.service.Set(t.Context(), request(), name, 9, stock.Match{Version: 1}); err != nil {
		t.Fatal(err)
	}
	_, second := s.service.Reserve(t.Context(), request(), r)
	if second == nil || second.Error() != first.Error() {
		t.Errorf("first %v, then %v", first, second)
	}
	s.want(t, name, 9, 0, 2)
	r.Revision = 2
	if _, err := s.service.Reserve(t.Context(), request(), r); err != nil {
		t.Errorf("the next revision: %v", err)
	}
	s.want(t, name, 7, 2, 2)
}

func manySKUs(t *testing.T, s *shop) {
	var items []stock.Item
	for range stock.MaxSKUs {
		items = append(items, stock.Item{SKU: s.stocked(t, 1), Quantity: 1})
	}
	last := items[len(items)-1].SKU
	order := ident.New()
	if _, err := s.service.Reserve(
		t.Context(), request(), stock.Reservation{OrderID: order, Revision: 1, Items: items},
	); err != nil {
		t.Fatal(err)
	}
	s.want(t, last, 0, 1, 1)
	_, err := s.service.Reserve(
		t.Context(), request(), stock.Reservation{OrderID: ident.New(), Revision: 1, Items: items},
	)
	for _, item := range items {
		wantFault(t, err, stock.ErrInsufficient, item.SKU)
	}
	if _, err := s.service.Release(t.Context(), request(), order, 1); err != nil {
		t.Fatal(err)
	}
	s.want(t, last, 1, 0, 1)
	items = append(items, stock.Item{SKU: s.stocked(t, 1), Quantity: 1})
	_, err = s.service.Reserve(
		t.Context(), request(), stock.Reservation{OrderID: ident.New(), Revision: 1, Items: items},
	)
	wantFault(t, err, stock.ErrInvalidQuantity, "at most 40")
}

// flaky is the shop on a store that loses requests and answers.
func (s *shop) flaky() stock.Service {
	hooked := &estest.Hooked{Store: s.Store}
	hooked.Before = func([]es.Commit) error {
		if rand.N(4) == 0 {
			return es.ErrUnavailable
		}
		return nil
	}
	hooked.After = func(a es.Appended, err error) (es.Appended, error) {
		if err == nil && rand.N(3) == 0 {
			return es.Appended{}, es.ErrUnavailable
		}
		return a, err
	}
	return stock.New(stock.Deps{Store: hooked, Clock: clock.System{}, Counters: s.Counters})
}

// insist sends a command again until its answer comes.
func insist[S any](command func() (S, error)) (S, error) {
	for {
		if state, err := command(); !errors.Is(err, es.ErrUnavailable) {
			return state, err
		}
	}
}

func lostAnswers(t *testing.T, s *shop) {
	flaky := s.flaky()
	for range 10 {
		name, order := s.stocked(t, 3), ident.New()
		items := []stock.Item{{SKU: name, Quantity: 2}}
		reserve, second, release, set := request(), request(), request(), request()
		_, err := insist(func() (stock.ReservationState, error) {
			return flaky.Reserve(t.Context(), reserve, stock.Reservation{OrderID: order, Revision: 1, Items: items})
		})
		wantFault(t, err, nil, "")
		s.want(t, name, 1, 2, 1)
		_, err = insist(func() (stock.ReservationState, error) {
			return flaky.Reserve(t.Context(), second, stock.Reservation{OrderID: order, Revision: 2, Items: items})
		})
		wantFault(t, err, stock.ErrInsufficient, name)
		_, err = insist(func() (stock.Level, error) {
			return flaky.Set(t.Context(), set, name, 5, stock.Match{Version: 1})
		})
		wantFault(t, err, nil, "")
		s.want(t, name, 3, 2, 2)
		_, err = insist(func() (stock.ReservationState, error) { return flaky.Release(t.Context(), release, order, 1) })
		wantFault(t, err, nil, "")
		s.want(t, name, 5, 0, 2)
	}
}

func race(t *testing.T, s *shop) {
	const orders, there = 50, 16
	name := s.stocked(t, there)
	var reserved atomic.Int64
	together(orders, func(n int) {
		quantity := int64(1 + n%3)
		_, err := s.service.Reserve(
			context.Background(), request(),
			stock.Reservation{OrderID: ident.New(), Revision: 1, Items: []stock.Item{{SKU: name, Quantity: quantity}}},
		)
		switch {
		case err == nil:
			reserved.Add(quantity)
		case !errors.Is(err, stock.ErrInsufficient):
			t.Errorf("order %d: %v", n, err)
		}
	})
	// 17 of the orders are for one piece each: whatever the larger ones leave, those take.
	if reserved.Load() != there {
		t.Errorf("%d are reserved, %d were there", reserved.Load(), there)
	}
	s.want(t, name, there-reserved.Load(), reserved.Load(), 1)
}

// together runs f n times at once.
func together(n int, f func(n int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// oneAttempt reserves, releases and commits one attempt from many sides: whoever comes first, it is
// reserved at most once, and then released or committed once.
func oneAttempt(t *testing.T, s *shop) {
	for range 5 {
		name, order := s.stocked(t, 10), ident.New()
		flaky := s.flaky()
		together(12, func(n int) {
			req := request()
			_, err := insist(func() (stock.ReservationState, error) {
				switch n % 3 {
				case 0:
					return flaky.Reserve(
						context.Background(), req,
						stock.Reservation{OrderID: order, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 4}}},
					)
				case 1:
					return flaky.Commit(context.Background(), req, order, 1)
				}
				return flaky.Release(context.Background(), req, order, 1)
			})
			if err != nil && !errors.Is(err, es.ErrAttemptClosed) && !errors.Is(err, stock.ErrNotReserved) &&
				!errors.Is(err, stock.ErrCommitted) {
				t.Errorf("%d: %v", n, err)
			}
		})
		events := s.events(t, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(order, 1)))
		state, err := s.service.Reservation(t.Context(), order, 1)
		if err != nil || !((state.Status == es.AttemptUndone || state.Committed) && len(events) == 2 ||
			state.Status == es.AttemptVoided && len(events) == 1) {
			t.Errorf("the attempt is %s after %d events, %v", state.Status, len(events), err)
		}
		if state.Committed {
			s.wantLeft(t, name, 6, 0, 1, 1)
		} else {
			s.want(t, name, 10, 0, 1)
		}
	}
}

// everything lets orders, their cancellations and counts go on at once, on few SKUs and with lost
// answers. What the rows say in the end is what the events say.
func everything(t *testing.T, s *shop) {
	skus := []string{s.stocked(t, 6), s.stocked(t, 6), s.stocked(t, 6)}
	orders := make([]string, 12)
	for i := range orders {
		orders[i] = ident.New()
	}
	flaky := s.flaky()
	for i, name := range skus[1:] {
		if _, err := s.service.Shard(t.Context(), request(), name, int64(2+i)); err != nil {
			t.Fatal(err)
		}
	}
	together(33, func(n int) {
		ctx, req, order := context.Background(), request(), orders[n%len(orders)]
		var err error
		switch {
		case n < 18:
			var items []stock.Item
			for i, name := range skus {
				if quantity := int64((n + i) % 3); quantity > 0 {
					items = append(items, stock.Item{SKU: name, Quantity: quantity})
				}
			}
			_, err = insist(func() (stock.ReservationState, error) {
				return flaky.Reserve(ctx, req, stock.Reservation{OrderID: order, Revision: 1, Items: items})
			})
		case n < 22:
			_, err = insist(func() (stock.ReservationState, error) { return flaky.Release(ctx, req, order, 1) })
		case n < 25:
			_, err = insist(func() (stock.ReservationState, error) { return flaky.Commit(ctx, req, order, 1) })
		case n >= 30:
			_, err = insist(func() (stock.Level, error) {
				return flaky.Shard(ctx, req, skus[n%len(skus)], int64(1+n%4))
			})
		default:
			name := skus[n%len(skus)]
			_, err = insist(func() (stock.Level, error) {
				level, err := flaky.Get(ctx, name)
				if err != nil {
					return level, err
				}
				return flaky.Set(ctx, req, name, int64(n%9), stock.Match{Version: level.Version})
			})
		}
		if err != nil && !errors.Is(err, stock.ErrInsufficient) && !errors.Is(err, stock.ErrVersionMismatch) &&
			!errors.Is(err, es.ErrAttemptClosed) &&
			!errors.Is(err, stock.ErrNotReserved) && !errors.Is(err, stock.ErrCommitted) {
			t.Errorf("%d: %v", n, err)
		}
	})
	held, left, departed := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, order := range orders {
		state, err := s.service.Reservation(t.Context(), order, 1)
		if err != nil {
			t.Fatal(err)
		}
		if state.Status == es.AttemptDone {
			for _, item := range state.Items {
				if state.Committed {
					left[item.SKU] += item.Quantity
					departed[item.SKU]++
				} else {
					held[item.SKU] += item.Quantity
				}
			}
		}
	}
	for _, name := range skus {
		var restocked int64
		events := s.events(t, es.NewStreamID(stock.Category, name))
		for _, e := range events {
			restocked += e.(stock.Restocked).Delta
		}
		onHand := restocked - left[name]
		if held[name] > onHand {
			t.Errorf("%d of %s are reserved, %d are there", held[name], name, onHand)
		}
		s.wantLeft(t, name, onHand-held[name], held[name], int64(len(events)), departed[name])
	}
}

// machine compares the service, step by step, with two maps.
type machine struct {
	*shop
	skus     []string
	orders   []string
	onHand   map[string]int64
	versions map[string]int64 // counts and departures
	departed map[string]int64
	held     map[string]int64
	attempts map[string]*attempt
}

// attempt is a reservation as the model keeps it.
type attempt struct {
	status es.AttemptStatus
	answer string // to each Reserve while it is not taken back
	items  map[string]int64
	left   bool
}

// model runs random counts, reservations, releases and departures, repeated and out of order.
func model(t *testing.T, s *shop) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			shop: s, onHand: map[string]int64{}, versions: map[string]int64{}, departed: map[string]int64{},
			held: map[string]int64{}, attempts: map[string]*attempt{},
		}
		for range 3 {
			m.skus = append(m.skus, sku("cd"))
			m.orders = append(m.orders, ident.New())
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "amend": m.amend, "release": m.release, "leave": m.leave, "commit": m.commit,
			"set": m.set, "split": m.split,
		})
		for _, name := range m.skus {
			m.compare(t, name)
		}
	})
}

// pick draws an order with a revision, and what the model knows of that attempt.
func (m *machine) pick(t *rapid.T) (order string, revision int64, a *attempt) {
	order, revision = rapid.SampledFrom(m.orders).Draw(t, "order"), rapid.Int64Range(1, 2).Draw(t, "revision")
	id := stock.ReservationID(order, revision)
	if m.attempts[id] == nil {
		m.attempts[id] = &attempt{}
	}
	return order, revision, m.attempts[id]
}

func (m *machine) reserve(t *rapid.T) {
	order, revision, a := m.pick(t)
	var items []stock.Item
	sum := map[string]int64{}
	for range rapid.IntRange(1, 4).Draw(t, "lines") {
		item := stock.Item{
			SKU: rapid.SampledFrom(m.skus).Draw(t, "sku"), Quantity: rapid.Int64Range(1, 4).Draw(t, "quantity"),
		}
		items = append(items, item)
		sum[item.SKU] += item.Quantity
	}
	partial := rapid.Bool().Draw(t, "partial")
	state, err := m.service.Reserve(context.Background(), request(), stock.Reservation{
		OrderID: order, Revision: revision, Items: items, Partial: partial,
	})
	wanted := maps.Clone(sum)
	if a.status == es.AttemptOpen {
		a.status, a.items = es.AttemptDone, sum
		for name, quantity := range sum {
			if n := max(m.onHand[name]-m.held[name], 0); n < quantity && partial {
				sum[name] = n
			} else if n < quantity {
				a.status = es.AttemptRefused
			}
		}
		if maps.DeleteFunc(sum, func(_ string, n int64) bool { return n == 0 }); len(sum) == 0 {
			a.status = es.AttemptRefused
		}
		if a.status == es.AttemptDone {
			for name, quantity := range sum {
				m.held[name] += quantity
			}
		}
		if err != nil {
			a.answer = err.Error()
		}
	}
	if state.Status != a.status {
		t.Fatalf("the reservation is %s, %v, want %s", state.Status, err, a.status)
	}
	switch a.status {
	case es.AttemptDone:
		less := partial && slices.ContainsFunc(slices.Collect(maps.Keys(wanted)), func(name string) bool {
			return a.items[name] < wanted[name]
		})
		if less != errors.Is(err, stock.ErrPartial) || !less && err != nil {
			t.Fatalf("reserved: %v", err)
		}
	case es.AttemptRefused:
		if !errors.Is(err, stock.ErrInsufficient) || err.Error() != a.answer {
			t.Fatalf("refused: %v, at first %s", err, a.answer)
		}
	default:
		if !errors.Is(err, es.ErrAttemptClosed) {
			t.Fatalf("closed: %v", err)
		}
	}
}

func (m *machine) release(t *rapid.T) {
	order, revision, a := m.pick(t)
	state, err := m.service.Release(context.Background(), request(), order, revision)
	var want error
	switch {
	case a.left:
		want = stock.ErrCommitted
	case a.status == es.AttemptOpen:
		a.status = es.AttemptVoided
	case a.status == es.AttemptDone:
		a.status = es.AttemptUndone
		for name, quantity := range a.items {
			m.held[name] -= quantity
		}
	}
	if !errors.Is(err, want) || state.Status != a.status {
		t.Fatalf("the release ends %s, %v, want %s, %v", state.Status, err, a.status, want)
	}
}

func (m *machine) commit(t *rapid.T) {
	order, revision, a := m.pick(t)
	state, err := m.service.Commit(context.Background(), request(), order, revision)
	if want := m.departure(a); !errors.Is(err, want) || state.Status != a.status || state.Committed != a.left {
		t.Fatalf("the commit ends %+v, %v, want %s, %v", state, err, a.status, want)
	}
}

func (m *machine) leave(t *rapid.T) {
	order, revision, a := m.pick(t)
	before := a.left
	first, err := m.service.Leave(context.Background(), request(), order, revision)
	if want := m.departure(a); !errors.Is(err, want) || first != (a.left && !before) {
		t.Fatalf("leaving ends %v, %v, want %s, %v", first, err, a.status, want)
	}
}

// departure takes what is reserved out, once.
func (m *machine) departure(a *attempt) error {
	switch {
	case a.left:
	case a.status != es.AttemptDone:
		return stock.ErrNotReserved
	default:
		a.left = true
		for name, quantity := range a.items {
			m.held[name] -= quantity
			m.onHand[name] -= quantity
			m.departed[name]++
			m.versions[name]++
		}
	}
	return nil
}

func (m *machine) set(t *rapid.T) {
	name, n := rapid.SampledFrom(m.skus).Draw(t, "sku"), rapid.Int64Range(0, 8).Draw(t, "on hand")
	version := rapid.SampledFrom([]int64{
		m.versions[name], m.versions[name], m.versions[name], 0, 1, m.versions[name] + 1,
	}).Draw(t, "version")
	_, err := m.service.Set(
		context.Background(), request(), name, n, stock.Match{Version: version, MustBeNew: version == 0},
	)
	var want error
	switch {
	case version != m.versions[name]:
		want = stock.ErrVersionMismatch
	case n < m.held[name]:
		want = stock.ErrInsufficient
	case version == 0 || n != m.onHand[name]:
		m.onHand[name], m.versions[name] = n, version+1
	}
	if !errors.Is(err, want) {
		t.Fatalf("set %d at %d: %v, want %v", n, version, err, want)
	}
	m.compare(t, name)
}

// split changes nothing but where the pieces are.
func (m *machine) split(t *rapid.T) {
	name, shards := rapid.SampledFrom(m.skus).Draw(t, "sku"), rapid.Int64Range(1, 4).Draw(t, "shards")
	_, err := m.service.Shard(context.Background(), request(), name, shards)
	var want error
	if m.versions[name] == 0 {
		want = stock.ErrNotFound
	}
	if !errors.Is(err, want) {
		t.Fatalf("split: %v, want %v", err, want)
	}
	m.compare(t, name)
}

func (m *machine) compare(t *rapid.T, name string) {
	if m.versions[name] == 0 {
		_, err := m.service.Get(context.Background(), name)
		wantFault(t, err, stock.ErrNotFound, name)
		return
	}
	m.wantLeft(t, name, m.onHand[name]-m.held[name], m.held[name], m.versions[name]-m.departed[name], m.departed[name])
}
