package stock_test

import (
	"context"
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
			Store: memstore.New(registry, memstore.Staggered(t.Name())), Counters: counters, Rows: counters,
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
