package stock_test

import (
	"testing"

	"orderflow/shared/es"
	"orderflow/shared/es/memstore"
	"orderflow/shared/stock/stocktest"
)

func TestService(t *testing.T) {
	stocktest.Run(t, func(_ *testing.T, registry *es.Registry) stocktest.Backend {
		counters := stocktest.NewCounters()
		return stocktest.Backend{
			Store: memstore.New(registry, memstore.Staggered(t.Name())), Counters: counters, Rows: counters, Lose: counters.Lose,
		}
	})
}
