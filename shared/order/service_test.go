package order_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/es/memstore"
	"orderflow/shared/faults"
	"orderflow/shared/money"
	"orderflow/shared/order"
	"orderflow/shared/personal"
	"orderflow/shared/shipment"
)

// nobody is registered.
type nobody struct{}

func (nobody) Registered(context.Context, string) (bool, error) { return false, nil }

// TestErrorsTellNothing: what goes to a log or to an event tells neither who orders nor where the order goes.
func TestErrorsTellNothing(t *testing.T) {
	vault := personal.NewMemory()
	if err := vault.Enrol(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	service := order.New(order.Deps{Store: memstore.New(es.NewRegistry(order.Register)), Clock: clock.System{}, Vault: vault, Customers: nobody{}})
	t.Run("a customer that nobody knows", func(t *testing.T) {
		_, err := service.Place(t.Context(), es.Request{CommitID: "c"}, order.PlaceInput{
			OrderID: "o", CustomerID: "ada", Lines: []order.Line{{SKU: "cd-1", Quantity: 1, UnitPrice: money.Money{Amount: 1, Currency: "USD"}}},
			Address: shipment.Address{Recipient: "Ada Lovelace", Line1: "12 St James's Square", PostalCode: "SW1Y 4LB", City: "London", Country: "GB"},
		})
		if !errors.Is(err, order.ErrUnknownCustomer) || strings.Contains(err.Error(), "ada") {
			t.Error(err)
		}
	})
	t.Run("an address that is none", func(t *testing.T) {
		sealed, err := vault.Seal(t.Context(), "ada", order.AddressField, []byte("Ψ"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = service.OpenAddress(t.Context(), order.State{ID: "o", CustomerID: "ada", Address: sealed})
		if _, isFault := faults.As(err); err == nil || isFault || strings.ContainsAny(err.Error(), "ΨÎ") {
			t.Error(err)
		}
	})
}
