package stocktest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock"
)

func (s *shop) split(t tester, name string, shards int64) {
	t.Helper()
	level, err := s.service.Shard(context.Background(), request(), name, shards)
	if err != nil || level.Shards != shards {
		t.Fatalf("split %s into %d: %+v, %v", name, shards, level, err)
	}
}

// splitSKU: a SKU that is split is reserved, given back, counted and sent as any other.
func splitSKU(t *testing.T, s *shop) {
	name, ctx := s.stocked(t, 10), t.Context()
	reserve := func(quantity int64) (order string) {
		t.Helper()
		c := command(stock.Item{SKU: name, Quantity: quantity})
		_, err := s.service.Reserve(ctx, c.Request, c.Reservation)
		wantFault(t, err, nil, "")
		return c.Reservation.OrderID
	}
	before := reserve(1)
	s.split(t, name, 4)
	s.want(t, name, 9, 1, 1)
	first, second := reserve(2), reserve(2)
	s.want(t, name, 5, 5, 1)
	_, err := s.service.Release(ctx, request(), first, 1)
	wantFault(t, err, nil, "")
	s.want(t, name, 7, 3, 1)
	_, err = s.service.Leave(ctx, request(), second, 1)
	wantFault(t, err, nil, "")
	s.wantLeft(t, name, 7, 1, 1, 1)
	_, err = s.service.Release(ctx, request(), before, 1) // of the time before
	wantFault(t, err, nil, "")
	s.wantLeft(t, name, 8, 0, 1, 1)
	set := func(n, version int64, want error) {
		t.Helper()
		_, err := s.service.Set(ctx, request(), name, n, stock.Match{Version: version})
		wantFault(t, err, want, "")
	}
	set(12, 1, stock.ErrVersionMismatch)
	set(12, 2, nil)
	s.wantLeft(t, name, 12, 0, 2, 1)
	third := reserve(3)
	set(2, 3, stock.ErrInsufficient)
	set(4, 3, nil) // all but one are in rows of shards
	s.wantLeft(t, name, 1, 3, 3, 1)
	s.split(t, name, 16)
	s.split(t, name, 2)
	s.split(t, name, 2)
	s.wantLeft(t, name, 1, 3, 3, 1)
	s.split(t, name, 1)
	_, err = s.service.Commit(ctx, request(), third, 1)
	wantFault(t, err, nil, "")
	s.wantLeft(t, name, 1, 0, 3, 2)
	reserve(1)
	c := command(stock.Item{SKU: name, Quantity: 1})
	_, err = s.service.Reserve(ctx, c.Request, c.Reservation)
	wantFault(t, err, stock.ErrInsufficient, name)
	for _, shards := range []int64{-1, 0, stock.MaxShards + 1} {
		_, err := s.service.Shard(ctx, request(), name, shards)
		wantFault(t, err, stock.ErrInvalidQuantity, "expected 1 to 16")
	}
	for _, odd := range []string{sku("nobody-counted"), "", "a#1"} {
		_, err := s.service.Shard(ctx, request(), odd, 2)
		wantFault(t, err, stock.ErrNotFound, "")
	}
	// A request that comes again is carried out once.
	req := request()
	for range 2 {
		if _, err := s.service.Shard(ctx, req, name, 3); err != nil {
			t.Error(err)
		}
	}
	if events := s.events(t, es.NewStreamID(stock.ShardsCategory, name)); len(events) == 0 ||
		events[len(events)-1].(stock.Sharded).Before != 1 {
		t.Errorf("the last event is %+v", events[len(events)-1])
	}
}

// acrossShards: an order that wants more than any row has takes it from several, and all is given
// back.
func acrossShards(t *testing.T, s *shop) {
	name, other := s.stocked(t, 10), s.stocked(t, 3)
	s.split(t, name, 4)
	c := command(stock.Item{SKU: name, Quantity: 9}, stock.Item{SKU: other, Quantity: 1})
	state, err := s.service.Reserve(t.Context(), c.Request, c.Reservation)
	wantFault(t, err, nil, "")
	if len(state.Items) != 2 || len(state.Rows) != 5 {
		t.Errorf("reserved %+v", state)
	}
	s.want(t, name, 1, 9, 1)
	short := command(stock.Item{SKU: name, Quantity: 2}, stock.Item{SKU: other, Quantity: 5})
	_, err = s.service.Reserve(t.Context(), short.Request, short.Reservation)
	wantFault(t, err, stock.ErrInsufficient, name)
	wantFault(t, err, stock.ErrInsufficient, other)
	replies := s.service.ReserveAll(t.Context(), []stock.Command{
		command(stock.Item{SKU: other, Quantity: 1}), command(stock.Item{SKU: name, Quantity: 1}),
		command(stock.Item{SKU: name, Quantity: 1}),
	})
	wantReplies(t, replies, nil, nil, stock.ErrInsufficient)
	_, err = s.service.Release(t.Context(), request(), c.Reservation.OrderID, 1)
	wantFault(t, err, nil, "")
	s.want(t, name, 9, 1, 1)
	s.want(t, other, 2, 1, 1)
	all := command(stock.Item{SKU: name, Quantity: 9})
	_, err = s.service.Reserve(t.Context(), all.Request, all.Reservation)
	wantFault(t, err, nil, "")
	_, err = s.service.Leave(t.Context(), request(), all.Reservation.OrderID, 1)
	wantFault(t, err, nil, "")
	s.wantLeft(t, name, 0, 1, 1, 1)
	one, two := s.stocked(t, 6), s.stocked(t, 6)
	s.split(t, one, 3)
	s.split(t, two, 3)
	both := command(stock.Item{SKU: one, Quantity: 5}, stock.Item{SKU: two, Quantity: 5})
	_, err = s.service.Reserve(t.Context(), both.Request, both.Reservation)
	wantFault(t, err, nil, "")
	s.want(t, one, 1, 5, 1)
}

// amendedShards: an amendment takes from the rows of shards, and gives back what stands in them to
// the SKU's own.
func amendedShards(t *testing.T, s *shop) {
	name, other := s.stocked(t, 10), s.stocked(t, 5)
	c := command(stock.Item{SKU: name, Quantity: 2}, stock.Item{SKU: other, Quantity: 1})
	order := c.Reservation.OrderID
	_, err := s.service.Reserve(t.Context(), c.Request, c.Reservation) // from the SKU's own row
	wantFault(t, err, nil, "")
	s.split(t, name, 4)
	state := func() stock.ReservationState {
		t.Helper()
		state, err := s.service.Reservation(t.Context(), order, 1)
		wantFault(t, err, nil, "")
		return state
	}
	amend := func(want error, items ...stock.Item) {
		t.Helper()
		wantFault(t, s.amend(request(), order, items...), want, "")
	}
	amend(nil, stock.Item{SKU: name, Quantity: 7}) // more than a shard has
	s.want(t, name, 3, 7, 1)
	s.want(t, other, 5, 0, 1)
	if rows := state().Rows; len(rows) < 3 || rows[0] != (stock.Item{SKU: name, Quantity: 2}) {
		t.Errorf("it is reserved in %v", rows)
	}
	amend(stock.ErrInsufficient, stock.Item{SKU: name, Quantity: 11}, stock.Item{SKU: other, Quantity: 1})
	s.want(t, name, 3, 7, 1)
	amend(nil, stock.Item{SKU: name, Quantity: 6}, stock.Item{SKU: other, Quantity: 2})
	s.want(t, name, 4, 6, 1)
	s.want(t, other, 3, 2, 1)
	// What comes back is in the SKU's own row, and anybody's.
	all := command(stock.Item{SKU: name, Quantity: 4})
	_, err = s.service.Reserve(t.Context(), all.Request, all.Reservation)
	wantFault(t, err, nil, "")
	amend(nil, stock.Item{SKU: name, Quantity: 1})
	s.want(t, name, 5, 5, 1)
	amend(nil, stock.Item{SKU: other, Quantity: 1})
	if rows := state().Rows; rows != nil {
		t.Errorf("it is reserved in %v", rows)
	}
	amend(nil, stock.Item{SKU: name, Quantity: 5}, stock.Item{SKU: other, Quantity: 1})
	_, err = s.service.Leave(t.Context(), request(), order, 1)
	wantFault(t, err, nil, "")
	s.wantLeft(t, name, 1, 4, 1, 1)
	s.wantLeft(t, other, 4, 0, 1, 1)
	_, err = s.service.Release(t.Context(), request(), all.Reservation.OrderID, 1)
	wantFault(t, err, nil, "")
	s.wantLeft(t, name, 5, 0, 1, 1)
}

// scattered: an order whose pieces are in more rows than a transaction takes gets them all the
// same, and gives them back.
func scattered(t *testing.T, s *shop) {
	var items []stock.Item
	for range 7 {
		name := s.stocked(t, stock.MaxShards)
		s.split(t, name, stock.MaxShards)
		items = append(items, stock.Item{SKU: name, Quantity: stock.MaxShards})
	}
	one := command(stock.Item{SKU: items[0].SKU, Quantity: 1})
	c := command(items...)
	replies := s.service.ReserveAll(t.Context(), []stock.Command{c, one})
	wantReplies(t, replies, nil, stock.ErrInsufficient)
	order := c.Reservation.OrderID
	wantFault(t, s.amend(request(), order, items[:3]...), nil, "")
	_, err := s.service.Release(t.Context(), request(), order, 1)
	wantFault(t, err, nil, "")
	for _, item := range items {
		s.want(t, item.SKU, stock.MaxShards, 0, 1)
	}
	// An amendment moves nothing to make room.
	for i := range items {
		s.split(t, items[i].SKU, stock.MaxShards)
	}
	_, err = s.service.Reserve(t.Context(), one.Request, one.Reservation)
	wantFault(t, err, stock.ErrInsufficient, "")
	few := command(stock.Item{SKU: items[0].SKU, Quantity: 1})
	_, err = s.service.Reserve(t.Context(), few.Request, few.Reservation)
	wantFault(t, err, nil, "")
	wantFault(t, s.amend(request(), few.Reservation.OrderID, items...), stock.ErrInvalidQuantity, "too many rows")
}

// sellOut: while the stock of a SKU is split anew again and again, exactly as many orders get a
// piece as there are.
func sellOut(t *testing.T, s *shop) { s.sellOut(t, 30, 16, 5, 60) }

// SellOut has buyers ask for a piece each of what is there, so many at a time, some of them by the
// batch, while an operator changes the shards.
func SellOut(t *testing.T, service stock.Service, there int64, clients, batch, orders int) {
	(&shop{service: service}).sellOut(t, there, clients, batch, orders)
}

func (s *shop) sellOut(t *testing.T, there int64, clients, batch, orders int) {
	name := s.stocked(t, there)
	s.split(t, name, 4)
	var got, refused atomic.Int64
	done := make(chan struct{})
	operator := make(chan struct{})
	go func() {
		defer close(operator)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			shards := []int64{16, 1, 4, 2}[i%4]
			if _, err := s.service.Shard(context.Background(), request(), name, shards); err != nil &&
				!errors.Is(err, es.ErrConflict) && !errors.Is(err, es.ErrUnavailable) {
				t.Errorf("split: %v", err)
			}
		}
	}()
	var next atomic.Int64
	together(clients, func(n int) {
		for {
			size := 1
			if n%2 == 0 {
				size = batch
			}
			from := next.Add(int64(size)) - int64(size)
			size = min(size, orders-int(from))
			if size <= 0 {
				return
			}
			var commands []stock.Command
			for range size {
				commands = append(commands, command(stock.Item{SKU: name, Quantity: 1}))
			}
			for i, reply := range s.service.ReserveAll(context.Background(), commands) {
				err := reply.Err
				for errors.Is(err, es.ErrConflict) || errors.Is(err, es.ErrUnavailable) { // it comes again
					c := commands[i]
					_, err = s.service.Reserve(context.Background(), c.Request, c.Reservation)
				}
				switch {
				case err == nil:
					got.Add(1)
				case errors.Is(err, stock.ErrInsufficient):
					refused.Add(1)
				default:
					t.Errorf("a buyer: %v", err)
				}
			}
		}
	})
	close(done)
	<-operator
	if got.Load() != there || refused.Load() != int64(orders)-there {
		t.Errorf("of %d pieces %d were sold, and %d buyers of %d refused", there, got.Load(), refused.Load(), orders)
	}
	s.want(t, name, 0, there, 1)
}
