package order_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

// nobody is registered.
type nobody struct{}

func (nobody) Registered(context.Context, string) (bool, error) { return false, nil }

// TestErrorsTellNothing: what goes to a log or to an event tells neither who orders nor where the
// order goes.
func TestErrorsTellNothing(t *testing.T) {
	vault := personal.NewMemory()
	if err := vault.Enrol(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	service := order.New(order.Deps{Store: memstore.New(es.NewRegistry(order.Register), memstore.Staggered(t.Name())),
		Clock: clock.System{}, Vault: vault, Customers: nobody{}})
	t.Run("a customer that nobody knows", func(t *testing.T) {
		_, err := service.Place(t.Context(), es.Request{CommitID: "c"}, order.PlaceInput{
			OrderID: "o", CustomerID: "ada", Currency: "USD", Lines: []order.LineInput{{SKU: "cd-1", Quantity: 1}},
			Address: shipment.Address{
				Recipient: "Ada Lovelace", Line1: "12 St James's Square", PostalCode: "SW1Y 4LB", City: "London",
				Country: "GB",
			},
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

// carrier takes shipments back, and notes what it was asked for.
type carrier struct {
	order.Shipments // it follows no amendment
	asked           []shipment.Cancel
	req             es.Request
	taken           string // the shipment that it took back
}

func (c *carrier) Cancel(_ context.Context, req es.Request, cancel shipment.Cancel) (shipment.State, error) {
	c.asked, c.req = append(c.asked, cancel), req
	return shipment.State{ID: c.taken, Status: shipment.StatusCancelled}, nil
}

// TestCancelOfAConfirmedOrder: it takes back the shipment of the revision that is under way, says
// who wants that and why, and closes the order for the shipment that was taken back and no other.
// What it writes belongs to the order.
func TestCancelOfAConfirmedOrder(t *testing.T) {
	for _, tc := range []struct {
		name   string
		taken  string
		reason order.Reason
		want   error
		status order.Status
		then   order.Reason
	}{
		{"its own", "s2", "", nil, order.StatusCancelling, order.ReasonOperator},
		{"for a reason", "s2", order.ReasonErased, nil, order.StatusCancelling, order.ReasonErased},
		{"another's", "s1", "", order.ErrShipmentUnderWay, order.StatusConfirmed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, shipments := memstore.New(es.NewRegistry(order.Register), memstore.Staggered(t.Name())),
				&carrier{taken: tc.taken}
			head, err := store.At(t.Context(), "order/o", 0)
			if err != nil {
				t.Fatal(err)
			}
			price := money.Money{Amount: 1, Currency: "USD"}
			if _, err := store.Append(t.Context(), []es.Commit{{
				Head: head, ID: "placed", Time: time.Unix(0, 0),
				Metadata: es.Metadata{CorrelationID: "order's", CausationID: "http/1"}, Events: []any{
					order.Placed{
						OrderID: "o", CustomerID: "ada",
						Lines: []order.Line{{SKU: "cd-1", Quantity: 1, UnitPrice: price}}, Total: price, Revision: 2,
					},
					order.Confirmed{SagaID: "o", ShipmentID: "s2"},
				},
			}}); err != nil {
				t.Fatal(err)
			}
			service := order.New(order.Deps{Store: store, Clock: clock.System{}, Shipments: shipments})
			req := es.Request{
				CommitID: "cancel", Time: time.Unix(1, 0),
				Metadata: es.Metadata{CorrelationID: "person's", CausationID: "http/2"},
			}
			_, err = service.Cancel(
				t.Context(), req, "o", order.CancelInput{Origin: order.OriginOperator, Reason: tc.reason},
			)
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			asked := shipment.Cancel{
				OrderID: "o", Revision: 2, Origin: "operator", Reason: string(cmp.Or(tc.reason, order.ReasonOperator)),
			}
			if len(shipments.asked) != 1 || shipments.asked[0] != asked ||
				shipments.req.Metadata.CorrelationID != "order's" {
				t.Errorf("asked for %+v by %+v, want %+v", shipments.asked, shipments.req, asked)
			}
			got, err := service.Get(t.Context(), "o")
			if err != nil || got.State.Status != tc.status || got.State.Reason != tc.then {
				t.Errorf("the order is %+v, %v", got.State, err)
			}
			history, err := service.History(t.Context(), "o")
			if last := history[len(history)-1].Metadata; err != nil || tc.want == nil &&
				(last != es.Metadata{CorrelationID: "order's", CausationID: "http/2"}) {
				t.Errorf("closed by %+v, %v", last, err)
			}
		})
	}
}
