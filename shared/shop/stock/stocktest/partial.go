package stocktest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/stock"
)

// part reserves what there is of some items.
func (s *shop) part(req es.Request, order string, items ...stock.Item) (stock.ReservationState, error) {
	return s.service.Reserve(context.Background(), req, stock.Reservation{
		OrderID: order, Revision: 1, Items: items, Partial: true,
	})
}

func (s *shop) wantItems(t tester, order string, want ...stock.Item) {
	t.Helper()
	got, err := s.service.Reservation(context.Background(), order, 1)
	if err != nil || got.Status != done || !slices.Equal(got.Items, want) {
		t.Errorf("reserved %s %v, %v, want %v", got.Status, got.Items, err, want)
	}
}

// partly: a reservation that takes what there is has exactly that, keeps it whatever comes in
// later, and gives exactly that back. Lines of one SKU are one demand.
func partly(t *testing.T, s *shop) {
	ample, short, gone := s.stocked(t, 5), s.stocked(t, 3), s.stocked(t, 0)
	order, req := ident.New(), request()
	wanted := []stock.Item{
		{SKU: short, Quantity: 2}, {SKU: ample, Quantity: 4}, {SKU: gone, Quantity: 1}, {SKU: short, Quantity: 2},
	}
	has := []stock.Item{{SKU: ample, Quantity: 4}, {SKU: short, Quantity: 3}}
	slices.SortFunc(has, func(a, b stock.Item) int {
		if a.SKU < b.SKU {
			return -1
		}
		return 1
	})
	for range 2 {
		_, err := s.part(req, order, wanted...)
		wantFault(t, err, stock.ErrPartial, short)
		wantFault(t, err, stock.ErrPartial, gone)
		s.wantItems(t, order, has...)
		s.want(t, ample, 1, 4, 1)
		s.want(t, short, 0, 3, 1)
		s.want(t, gone, 0, 0, 1)
		s.restock(t, ident.New(), 1) // of something else
	}
	s.restock(t, gone, 2)
	s.restock(t, short, 2)
	_, err := s.part(request(), order, wanted...) // of another run
	wantFault(t, err, stock.ErrPartial, gone)
	_, err = s.part(request(), order, has...) // as its order is for by now
	wantFault(t, err, nil, "")
	s.wantItems(t, order, has...)
	if _, err := s.service.Release(t.Context(), request(), order, 1); err != nil {
		t.Error(err)
	}
	s.want(t, ample, 5, 0, 1)
	s.want(t, short, 5, 0, 2)
	s.want(t, gone, 2, 0, 2)
	_, err = s.part(request(), order, wanted...)
	wantFault(t, err, es.ErrAttemptClosed, "")
}

// partlyAll: where there is all, or nothing, a reservation that takes what there is does as any
// other.
func partlyAll(t *testing.T, s *shop) {
	name, order := s.stocked(t, 2), ident.New()
	_, err := s.part(request(), order, stock.Item{SKU: name, Quantity: 2})
	wantFault(t, err, nil, "")
	s.wantItems(t, order, stock.Item{SKU: name, Quantity: 2})
	refused := ident.New()
	for range 2 {
		_, err = s.part(request(), refused, stock.Item{SKU: name, Quantity: 1}, stock.Item{SKU: sku("no"), Quantity: 1})
		wantFault(t, err, stock.ErrInsufficient, name)
		s.restock(t, name, 2) // the refusal stays
	}
	s.want(t, name, 4, 2, 3)
	waits := ident.New()
	gone := s.stocked(t, 0)
	for _, want := range []error{stock.ErrBackordered, stock.ErrBackordered} {
		_, err = s.service.Reserve(t.Context(), request(), stock.Reservation{
			OrderID: waits, Revision: 1, Items: []stock.Item{{SKU: gone, Quantity: 2}}, Partial: true, Backorder: true,
		})
		wantFault(t, err, want, gone)
	}
	s.restock(t, gone, 1) // who waits has all or nothing
	s.wantStatus(t, []string{waits}, waiting)
	s.restock(t, gone, 1)
	s.wantItems(t, waits, stock.Item{SKU: gone, Quantity: 2})
}

// partlyBetween: what comes in, or goes, after a reservation was found to be too much, and before
// it has taken what there is, counts.
func partlyBetween(t *testing.T, s *shop) {
	for name, c := range map[string]struct {
		moves func(s *shop, t tester, short, gone string) error
		want  func(short, gone string) []stock.Item
		err   error
	}{
		"a restock of what is short": {
			func(s *shop, t tester, short, _ string) error { s.restock(t, short, 1); return nil },
			func(short, _ string) []stock.Item { return []stock.Item{{SKU: short, Quantity: 3}} }, stock.ErrPartial,
		},
		"a restock of what was gone": {
			func(s *shop, t tester, _, gone string) error { s.restock(t, gone, 1); return nil },
			func(short, gone string) []stock.Item {
				return []stock.Item{{SKU: short, Quantity: 2}, {SKU: gone, Quantity: 1}}
			}, stock.ErrPartial,
		},
		"another order": {
			func(s *shop, _ tester, short, _ string) error {
				_, err := s.service.Reserve(context.Background(), request(), stock.Reservation{
					OrderID: ident.New(), Revision: 1, Items: []stock.Item{{SKU: short, Quantity: 1}},
				})
				return err
			},
			func(short, _ string) []stock.Item { return []stock.Item{{SKU: short, Quantity: 1}} }, stock.ErrPartial,
		},
		"another order for all": {
			func(s *shop, _ tester, short, _ string) error {
				_, err := s.part(request(), ident.New(), stock.Item{SKU: short, Quantity: 9})
				if errors.Is(err, stock.ErrPartial) {
					err = nil
				}
				return err
			},
			nil, stock.ErrInsufficient,
		},
		"a rebuild": {
			func(s *shop, _ tester, short, _ string) error { return s.Rows.Mark(context.Background(), short, "m") },
			func(short, _ string) []stock.Item { return []stock.Item{{SKU: short, Quantity: 2}} }, stock.ErrPartial,
		},
	} {
		t.Run(name, func(t *testing.T) {
			short, gone, order, moved := s.stocked(t, 2), s.stocked(t, 0), ident.New(), false
			hooked := &estest.Hooked{Store: s.Store}
			tries := 0
			hooked.Before = func([]es.Commit) error {
				if tries++; tries != 2 { // the first is for all
					return nil
				}
				moved = true
				return c.moves(s, t, short, gone)
			}
			_, err := s.on(hooked).Reserve(t.Context(), request(), stock.Reservation{
				OrderID: order, Revision: 1, Partial: true,
				Items: []stock.Item{{SKU: short, Quantity: 4}, {SKU: gone, Quantity: 1}},
			})
			wantFault(t, err, c.err, short)
			if !moved {
				t.Fatal("nothing has come in between")
			}
			if c.want == nil {
				s.wantStatus(t, []string{order}, es.AttemptRefused)
				return
			}
			want := c.want(short, gone)
			slices.SortFunc(want, func(a, b stock.Item) int {
				if a.SKU < b.SKU {
					return -1
				}
				return 1
			})
			s.wantItems(t, order, want...)
		})
	}
}

// partlyPassing: pieces that are kept for the first in a line are not there for anybody else.
func partlyPassing(t *testing.T, s *shop) {
	name, other := s.stocked(t, 0), s.stocked(t, 1)
	s.waits(t, name, 20)
	for range stock.MaxPassed {
		s.restock(t, name, 1)
		order := ident.New()
		_, err := s.part(request(), order, stock.Item{SKU: name, Quantity: 2})
		wantFault(t, err, stock.ErrPartial, name)
		s.wantItems(t, order, stock.Item{SKU: name, Quantity: 1})
	}
	s.restock(t, name, 3)
	_, err := s.part(request(), ident.New(), stock.Item{SKU: name, Quantity: 1})
	wantFault(t, err, stock.ErrInsufficient, name)
	order := ident.New()
	_, err = s.part(request(), order, stock.Item{SKU: name, Quantity: 5}, stock.Item{SKU: other, Quantity: 1})
	wantFault(t, err, stock.ErrPartial, name)
	s.wantItems(t, order, stock.Item{SKU: other, Quantity: 1})
	s.want(t, name, 3, stock.MaxPassed, stock.MaxPassed+2)
}

// partlySplit: what there is of a SKU that is split is all of its rows, and exactly that.
func partlySplit(t *testing.T, s *shop) {
	name, whole := s.stocked(t, 7), s.stocked(t, 9)
	s.split(t, name, 4)
	s.split(t, whole, 4)
	order := ident.New()
	_, err := s.part(request(), order, stock.Item{SKU: name, Quantity: 9}, stock.Item{SKU: whole, Quantity: 5})
	wantFault(t, err, stock.ErrPartial, name)
	s.want(t, name, 0, 7, 1)
	s.want(t, whole, 4, 5, 1)
	if _, err := s.service.Release(t.Context(), request(), order, 1); err != nil {
		t.Error(err)
	}
	s.want(t, name, 7, 0, 1)
	s.want(t, whole, 9, 0, 1)
}

// partlyLate: what is found short only once the rows of another SKU were looked at leaves that one
// in the rows that it was found in.
func partlyLate(t *testing.T, s *shop) {
	for name, left := range map[string]int64{"some of it": 1, "nothing of it": 0} {
		t.Run(name, func(t *testing.T) {
			split, short, order := s.stocked(t, 6), s.stocked(t, 2), ident.New()
			s.split(t, split, 4)
			hooked, tries := &estest.Hooked{Store: s.Store}, 0
			hooked.Before = func([]es.Commit) error {
				if tries++; tries != 2 { // the first meets the split SKU
					return nil
				}
				_, err := s.service.Reserve(context.Background(), request(), stock.Reservation{
					OrderID: ident.New(), Revision: 1, Items: []stock.Item{{SKU: short, Quantity: 2 - left}},
				})
				return err
			}
			_, err := s.on(hooked).Reserve(t.Context(), request(), stock.Reservation{
				OrderID: order, Revision: 1, Partial: true,
				Items: []stock.Item{{SKU: split, Quantity: 5}, {SKU: short, Quantity: 2}},
			})
			wantFault(t, err, stock.ErrPartial, short)
			s.want(t, split, 1, 5, 1)
			s.want(t, short, 0, 2, 1)
			if _, err := s.service.Release(t.Context(), request(), order, 1); err != nil {
				t.Error(err)
			}
			s.want(t, split, 6, 0, 1)
			s.want(t, short, left, 2-left, 1)
		})
	}
}

// partlyLateAgain: what is found short once a split SKU was is met by the next try.
func partlyLateAgain(t *testing.T, s *shop) {
	split, short, order := s.stocked(t, 2), s.stocked(t, 2), ident.New()
	s.split(t, split, 4)
	hooked, rest := &estest.Hooked{Store: s.Store}, 0
	hooked.Before = func(commits []es.Commit) error {
		event, ok := commits[0].Events[0].(stock.Reserved)
		if !ok || slices.Contains(event.Items, stock.Item{SKU: split, Quantity: 5}) {
			return nil
		}
		if rest++; rest > 1 {
			return nil
		}
		_, err := s.service.Reserve(context.Background(), request(), stock.Reservation{
			OrderID: ident.New(), Revision: 1, Items: []stock.Item{{SKU: short, Quantity: 1}},
		})
		return err
	}
	_, err := s.on(hooked).Reserve(t.Context(), request(), stock.Reservation{
		OrderID: order, Revision: 1, Partial: true,
		Items: []stock.Item{{SKU: split, Quantity: 5}, {SKU: short, Quantity: 2}},
	})
	wantFault(t, err, stock.ErrPartial, short)
	if rest < 2 || rest > 10 { // some of the tries meet half of an append
		t.Errorf("the rest was tried %d times", rest)
	}
	s.want(t, split, 0, 2, 1)
	s.want(t, short, 0, 2, 1)
}

// partlyScattered: an order of which much is in many rows, and much is nowhere, takes what there is
// in one transaction, which names both.
func partlyScattered(t *testing.T, s *shop) {
	var items []stock.Item
	for range stock.MaxSKUs {
		items = append(items, stock.Item{SKU: sku("no"), Quantity: 1})
	}
	for i := range 5 {
		name := s.stocked(t, stock.MaxShards)
		s.split(t, name, stock.MaxShards)
		items[i] = stock.Item{SKU: name, Quantity: stock.MaxShards}
	}
	order := ident.New()
	state, err := s.part(request(), order, items...)
	wantFault(t, err, stock.ErrPartial, items[5].SKU)
	if gone := len(items) - 5; len(state.Items) != 5 || 1+len(state.Rows)+gone > 100 {
		t.Errorf("reserved %v in %d rows, while %d are gone", state.Items, len(state.Rows), gone)
	}
	for _, item := range items[:5] {
		s.want(t, item.SKU, 0, item.Quantity, 1)
	}
}

// partlyOversold: a row of a shard that a rebuild found oversold counts against what there is in
// others.
func partlyOversold(t *testing.T, s *shop) {
	name, order := s.stocked(t, 8), ident.New()
	s.split(t, name, 4)
	_, err := s.part(request(), order, stock.Item{SKU: name, Quantity: 8})
	wantFault(t, err, nil, "")
	_, err = s.service.Release(t.Context(), request(), order, 1) // to the SKU's own row
	wantFault(t, err, nil, "")
	s.spoil(t, stock.ShardRow(name, 2), stock.Numbers{Available: -3}, false)
	order = ident.New()
	_, err = s.part(request(), order, stock.Item{SKU: name, Quantity: 9})
	wantFault(t, err, stock.ErrPartial, name)
	s.wantItems(t, order, stock.Item{SKU: name, Quantity: 5})
}

// oversold: of a SKU of which rows are more oversold than others have, there is nothing, and orders
// wait for it.
func oversold(t *testing.T, s *shop) {
	name, order := s.stocked(t, 8), ident.New()
	s.split(t, name, 4)
	s.spoil(t, stock.ShardRow(name, 2), stock.Numbers{Available: -11}, false)
	s.split(t, name, 3)
	_, err := s.wait(t, order, stock.Item{SKU: name, Quantity: 1})
	wantFault(t, err, stock.ErrBackordered, name)
	_, err = s.part(request(), ident.New(), stock.Item{SKU: name, Quantity: 1})
	wantFault(t, err, stock.ErrInsufficient, name)
	s.want(t, name, -3, 0, 1)
}
