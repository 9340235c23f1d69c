package product_test

import (
	"fmt"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/product/producttest"
)

func TestService(t *testing.T) {
	producttest.Run(t, func(t *testing.T, registry *es.Registry) producttest.Backend {
		return producttest.Backend{
			Store: memstore.New(registry, memstore.Staggered(t.Name())), Rows: producttest.NewRows(), Contended: true,
		}
	})
}

// TestTwins: of two deliveries of one change the one finds what the other writes half done, in the
// stream and in its row.
func TestTwins(t *testing.T) {
	for name, version := range map[string]int64{"listed": 0, "repriced": 1} {
		t.Run(name, func(t *testing.T) {
			estest.Twins(t, 2, func(t *testing.T) (*memstore.Store, func() (string, error)) {
				store := memstore.New(es.NewRegistry(product.Register))
				s := product.New(product.Deps{Store: store, Clock: clock.NewFake(estest.Start),
					Rows: producttest.NewRows()})
				set := func(id string, amount, version int64) (string, error) {
					want := product.Desired{Prices: []product.Price{producttest.Eur(amount)}}
					p, err := s.Set(t.Context(), es.Request{CommitID: id, Time: estest.Start}, "cd-1", want,
						product.Match{Version: version})
					return fmt.Sprintf("%+v", p), err
				}
				if version > 0 {
					if _, err := set("first", 1, 0); err != nil {
						t.Fatal(err)
					}
				}
				return store, func() (string, error) { return set("do", 2, version) }
			})
		})
	}
}
