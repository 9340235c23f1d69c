package stock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
)

func TestService(t *testing.T) {
	stocktest.Run(t, func(_ *testing.T, registry *es.Registry) stocktest.Backend {
		counters := stocktest.NewCounters()
		return stocktest.Backend{
			Store: memstore.New(registry, memstore.Staggered(t.Name())), Counters: counters, Lines: counters,
			Rows: counters,
			Lose: counters.Lose,
		}
	})
}

// TestTwins: of two deliveries of one command the one finds what the other writes half done, on
// streams and in rows, and both have one answer.
func TestTwins(t *testing.T) {
	ctx := context.Background()
	request := func(id string) es.Request { return es.Request{CommitID: id, Time: estest.Start} }
	const order = "o1"
	items := []stock.Item{{SKU: "cd-1", Quantity: 2}}
	for name, tt := range map[string]struct {
		reserved bool
		do       func(s stock.Service) (any, error)
	}{
		"reserve": {false, func(s stock.Service) (any, error) {
			return s.Reserve(ctx, request("do"), stock.Reservation{OrderID: order, Revision: 1, Items: items})
		}},
		"release": {true, func(s stock.Service) (any, error) { return s.Release(ctx, request("do"), order, 1) }},
		"commit":  {true, func(s stock.Service) (any, error) { return s.Commit(ctx, request("do"), order, 1) }},
		"count": {false, func(s stock.Service) (any, error) {
			return s.Set(ctx, request("do"), "cd-1", 1, stock.Match{Version: 1})
		}},
		"count without what has left": {true, func(s stock.Service) (any, error) {
			return s.Set(ctx, request("do"), "cd-1", 1, stock.Match{Version: 1},
				stock.Parcel{OrderID: order, Revision: 1})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			estest.Twins(t, 2, func(t *testing.T) (*memstore.Store, func() (string, error)) {
				store := memstore.New(es.NewRegistry(stock.Register))
				s := stock.New(stock.Deps{Store: store, Clock: clock.NewFake(estest.Start),
					Counters: stocktest.NewCounters()})
				if _, err := s.Set(ctx, request("first"), "cd-1", 2, stock.Match{MustBeNew: true}); err != nil {
					t.Fatal(err)
				}
				if tt.reserved {
					if _, err := s.Reserve(ctx, request("reserve"),
						stock.Reservation{OrderID: order, Revision: 1, Items: items}); err != nil {
						t.Fatal(err)
					}
				}
				return store, func() (string, error) {
					answer, err := tt.do(s)
					return fmt.Sprintf("%+v", answer), err
				}
			})
		})
	}
}

// TestTwinsOfABatch: the one of two deliveries of a batch finds what the other writes half done.
func TestTwinsOfABatch(t *testing.T) {
	estest.Twins(t, 3, func(t *testing.T) (*memstore.Store, func() (string, error)) {
		store, counters := memstore.New(es.NewRegistry(stock.Register)), stocktest.NewCounters()
		if err := counters.Create(t.Context(), "cd-1", "m", stock.Numbers{Available: 2, Counts: 1}); err != nil {
			t.Fatal(err)
		}
		s := stock.New(stock.Deps{Store: store, Clock: clock.NewFake(estest.Start), Counters: counters})
		return store, func() (string, error) {
			replies := s.ReserveAll(t.Context(), []stock.Command{of("o1", "cd-1", 1), of("o2", "cd-1", 1)})
			return fmt.Sprintf("%+v", replies), errors.Join(replies[0].Err, replies[1].Err)
		}
	})
}

// of asks for pieces of a SKU.
func of(order, sku string, quantity int64) stock.Command {
	return stock.Command{
		Request: es.Request{CommitID: order, Time: estest.Start},
		Reservation: stock.Reservation{
			OrderID: order, Revision: 1, Items: []stock.Item{{SKU: sku, Quantity: quantity}},
		},
	}
}

// TestTogetherCosts: orders that can all be reserved for are one append for as many as it takes. A
// refusal that is about some of them costs that append, one for the others, and what each costs
// alone.
func TestTogetherCosts(t *testing.T) {
	wide := func(order string) stock.Command {
		c := of(order, order, 1)
		for i := range stock.MaxSKUs - 1 {
			c.Reservation.Items = append(c.Reservation.Items, stock.Item{SKU: fmt.Sprint(order, "-", i), Quantity: 1})
		}
		return c
	}
	type cost struct{ appends, writes, loads int64 }
	for name, tt := range map[string]struct {
		before, commands []stock.Command
		want             cost
	}{
		"nothing": {nil, nil, cost{}},
		"one":     {nil, []stock.Command{of("a", "cd", 1)}, cost{1, 1, 0}},
		"together": {
			nil, []stock.Command{of("a", "cd", 1), of("b", "cd", 2), of("c", "dvd", 2)}, cost{1, 1, 0},
		},
		"as many SKUs as a transaction takes": {nil, []stock.Command{wide("a"), wide("b")}, cost{1, 1, 0}},
		"more than that": {
			nil, []stock.Command{wide("a"), wide("b"), wide("c"), of("d", "cd", 1)}, cost{2, 2, 0},
		},
		"one of two that are not too many together": {
			nil, []stock.Command{of("a", "cd", 5), of("b", "cd", 1)}, cost{4, 2, 0},
		},
		"short for one of three": {nil, []stock.Command{of("a", "cd", 1), of("b", "cd", 9), of("c", "cd", 1)}, cost{4, 2, 0}},
		"there already": {
			[]stock.Command{of("b", "cd", 1)}, []stock.Command{of("a", "cd", 1), of("b", "cd", 1), of("c", "cd", 1)},
			cost{3, 1, 1},
		},
		"twice": {nil, []stock.Command{of("a", "cd", 1), of("b", "cd", 1), of("a", "cd", 1)}, cost{2, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			store := &estest.Hooked{Store: memstore.New(es.NewRegistry(stock.Register))}
			counters := stocktest.NewCounters()
			s := stock.New(stock.Deps{Store: store, Clock: clock.NewFake(estest.Start), Counters: counters})
			for _, c := range append(tt.commands, of("", "cd", 1), of("", "dvd", 1)) {
				for _, item := range c.Reservation.Items {
					five := stock.Numbers{Available: 5, Counts: 1}
					if err := counters.Create(t.Context(), item.SKU, "m", five); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, c := range tt.before {
				if _, err := s.Reserve(t.Context(), c.Request, c.Reservation); err != nil {
					t.Fatal(err)
				}
			}
			before := cost{store.Appends.Load(), store.Writes.Load(), store.Loads.Load()}
			for i, reply := range s.ReserveAll(t.Context(), tt.commands) {
				if reply.Err != nil && !errors.Is(reply.Err, stock.ErrInsufficient) {
					t.Errorf("order %d: %v", i, reply.Err)
				}
			}
			got := cost{
				store.Appends.Load() - before.appends, store.Writes.Load() - before.writes,
				store.Loads.Load() - before.loads,
			}
			if got != tt.want {
				t.Errorf("it costs %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestFlashSale: of 1,000 pieces and 5,000 buyers at the same time, exactly 1,000 get one, however
// often the stock is split anew meanwhile.
func TestFlashSale(t *testing.T) {
	store, counters := memstore.New(es.NewRegistry(stock.Register)), stocktest.NewCounters()
	service := stock.New(stock.Deps{Store: store, Clock: clock.System{}, Counters: counters})
	stocktest.SellOut(t, service, 1000, 5000, 1, 5000)
}

// TestLinesNeedCounters: a function that serves lines and couldn't read rows stops at its start.
func TestLinesNeedCounters(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("lines without counters are taken")
		}
	}()
	stock.New(stock.Deps{
		Store: memstore.New(es.NewRegistry(stock.Register)), Clock: clock.System{}, Lines: stocktest.NewCounters(),
	})
}
