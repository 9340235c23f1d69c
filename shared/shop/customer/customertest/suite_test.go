package customertest_test

import (
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/customer/customertest"
)

func TestMemory(t *testing.T) {
	keys := customertest.NewKeys()
	customertest.Run(t, customertest.Parts{
		Store: memstore.New(es.NewRegistry(customer.Register)), Vault: keys, Eraser: keys, Addresses: keys,
	})
}
