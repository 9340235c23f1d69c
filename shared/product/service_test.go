package product_test

import (
	"testing"

	"orderflow/shared/es"
	"orderflow/shared/es/memstore"
	"orderflow/shared/product/producttest"
)

func TestService(t *testing.T) {
	producttest.Run(t, func(t *testing.T, registry *es.Registry) producttest.Backend {
		return producttest.Backend{
			Store: memstore.New(registry, memstore.Staggered(t.Name())), Rows: producttest.NewRows(), Contended: true,
		}
	})
}
