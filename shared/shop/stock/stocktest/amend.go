package stocktest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/stock"
)

// amend makes a reservation one of those items, as the append of an order's amendment does.
func (s *shop) amend(req es.Request, order string, items ...stock.Item) error {
	return s.write(req, s.service.Amendment(order, 1, items))
}

// write appends what the stock gives to be written, as who writes more besides does.
func (s *shop) write(req es.Request, plan func(context.Context, es.Request) ([]es.Commit, []es.Effect, error)) error {
	return es.RetryConflicts(context.Background(), clock.NewFake(estest.Start), func(ctx context.Context) error {
		commits, effects, err := plan(ctx, req)
		if err != nil || len(commits) == 0 {
			return err
		}
		_, err = s.Store.Append(ctx, commits, effects...)
		return err
	})
}

// amendments: an amendment moves the difference alone, all of it or nothing; what undoes the order,
// or takes it out, then has exactly what stands.
func amendments(t *testing.T, s *shop) {
	a, b, c := s.stocked(t, 10), s.stocked(t, 10), s.stocked(t, 2)
	order := ident.New()
	_, err := s.service.Reserve(t.Context(), request(), stock.Reservation{
		OrderID: order, Revision: 1, Items: []stock.Item{{SKU: a, Quantity: 4}, {SKU: b, Quantity: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	version := func() int64 { return s.reserved(t, order).Head.Version() }
	// One SKU more of what is there already, on two lines; one less; one new.
	req := request()
	for range 2 { // the second time, its answer was lost
		err = s.amend(
			req, order, stock.Item{SKU: a, Quantity: 1}, stock.Item{SKU: b, Quantity: 2},
			stock.Item{SKU: b, Quantity: 1}, stock.Item{SKU: c, Quantity: 2},
		)
		if err != nil || version() != 2 {
			t.Fatalf("amended: %v, version %d", err, version())
		}
	}
	s.want(t, a, 9, 1, 1)
	s.want(t, b, 7, 3, 1)
	s.want(t, c, 0, 2, 1)
	// More than there is of one: nothing moves of the others either.
	err = s.amend(request(), order, stock.Item{SKU: b, Quantity: 3}, stock.Item{SKU: c, Quantity: 3})
	wantFault(t, err, stock.ErrInsufficient, c)
	s.want(t, a, 9, 1, 1)
	s.want(t, c, 0, 2, 1)
	// What nobody has left needs nothing available.
	if err = s.amend(request(), order, stock.Item{SKU: c, Quantity: 2}); err != nil {
		t.Fatal(err)
	}
	s.want(t, a, 10, 0, 1)
	s.want(t, b, 10, 0, 1)
	s.want(t, c, 0, 2, 1)
	wantFault(t, s.amend(request(), order), stock.ErrInvalidQuantity, "at least one piece")
	taken := ident.New()
	_, errReserve := s.service.Reserve(t.Context(), request(), stock.Reservation{
		OrderID: taken, Revision: 1, Items: []stock.Item{{SKU: b, Quantity: 5}},
	})
	errAmend := s.amend(request(), taken, stock.Item{SKU: b, Quantity: 7})
	_, errLeave := s.service.Leave(t.Context(), request(), taken, 1)
	if err := errors.Join(errReserve, errAmend, errLeave); err != nil {
		t.Fatal(err)
	}
	s.wantLeft(t, b, 3, 0, 1, 1)
	wantFault(t, s.amend(request(), taken, stock.Item{SKU: b, Quantity: 1}), stock.ErrCommitted, "left")
	if _, err := s.service.Release(t.Context(), request(), order, 1); err != nil {
		t.Fatal(err)
	}
	s.want(t, c, 2, 0, 1)
	wantFault(t, s.amend(request(), order, stock.Item{SKU: c, Quantity: 1}), stock.ErrNotReserved, "undone")
	wantFault(t, s.amend(request(), ident.New(), stock.Item{SKU: c, Quantity: 1}), stock.ErrNotReserved, "open")
	changed := map[string]stock.Numbers{}
	for _, e := range s.reserved(t, order).Events {
		for _, change := range stock.Changes(e.Data) {
			changed[change.SKU] = changed[change.SKU].Plus(change.Numbers)
		}
	}
	if diff := cmp.Diff(map[string]stock.Numbers{a: {}, b: {}, c: {}}, changed); diff != "" {
		t.Errorf("the events add up to %s", diff)
	}
}

// reserved are the events of an order's reservation.
func (s *shop) reserved(t testing.TB, order string) es.History {
	t.Helper()
	return estest.Load(t, s.Store, es.NewStreamID(stock.ReservationCategory, stock.ReservationID(order, 1)), 0)
}

// amendedWhileRebuilt: an amendment meets a mark, and reckons with it.
func amendedWhileRebuilt(t *testing.T, s *shop) {
	a, b, order, mark := s.stocked(t, 5), s.stocked(t, 5), ident.New(), ident.New()
	_, err := s.service.Reserve(t.Context(), request(), stock.Reservation{
		OrderID: order, Revision: 1, Items: []stock.Item{{SKU: a, Quantity: 2}},
	})
	if err := errors.Join(err, s.Rows.Mark(t.Context(), a, mark), s.Rows.Mark(t.Context(), b, mark)); err != nil {
		t.Fatal(err)
	}
	if err := s.amend(request(), order, stock.Item{SKU: b, Quantity: 3}); err != nil {
		t.Fatal(err)
	}
	events := s.reserved(t, order).Events
	if got := events[1].Data.(stock.Amended).Marks; !maps.Equal(got, stock.Marks{a: mark, b: mark}) {
		t.Errorf("the event has the marks %v", got)
	}
	s.want(t, a, 5, 0, 1)
	s.want(t, b, 2, 3, 1)
}

// amend is the model's: only the first revision of each order is amended.
func (m *machine) amend(t *rapid.T) {
	order := rapid.SampledFrom(m.orders).Draw(t, "order")
	a := m.attempts[stock.ReservationID(order, 1)]
	if a == nil {
		a = &attempt{}
	}
	var items []stock.Item
	for range rapid.IntRange(1, 4).Draw(t, "lines") {
		items = append(items, stock.Item{
			SKU: rapid.SampledFrom(m.skus).Draw(t, "sku"), Quantity: rapid.Int64Range(1, 4).Draw(t, "quantity"),
		})
	}
	wanted := map[string]int64{}
	for _, item := range goods.Sum(items) {
		wanted[item.SKU] = item.Quantity
	}
	var want error
	switch {
	case a.left:
		want = stock.ErrCommitted
	case a.status != es.AttemptDone:
		want = stock.ErrNotReserved
	case slices.ContainsFunc(items, func(i stock.Item) bool {
		return wanted[i.SKU]-a.items[i.SKU] > m.onHand[i.SKU]-m.held[i.SKU]
	}):
		want = stock.ErrInsufficient
	default:
		for _, name := range m.skus {
			m.held[name] += wanted[name] - a.items[name]
		}
		a.items = wanted
	}
	if err := m.shop.amend(request(), order, items...); !errors.Is(err, want) {
		t.Fatalf("amended: %v, want %v", err, want)
	}
}
