package contract

import (
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

// TestUpdatedInEachVersion: the whole order is published as any other type is, once a second
// version of it is there.
func TestUpdatedInEachVersion(t *testing.T) {
	before := catalogued()
	t.Cleanup(func() { theCatalogue.catalogue = before })
	theCatalogue.catalogue = newCatalogue(orderTypes, func() []entry {
		return []entry{publish(Type{Name: OrderUpdatedType, Version: 2, Context: "order", Subject: "order/{orderId}"},
			func(_ es.Recorded, s order.State) OrderShipped {
				return OrderShipped{OrderID: s.ID, ShipmentID: s.ShipmentID}
			})}
	})
	last := es.Recorded{Stream: "order/o1", Version: 3, Type: "order.confirmed", Schema: 1, Time: time.Unix(1, 0)}
	got, err := Updated(last, order.State{ID: "o1", ShipmentID: "s"})
	if err != nil || len(got) != 2 {
		t.Fatalf("%d, %v", len(got), err)
	}
	for i, want := range []string{"order/o1@3/updated", "order/o1@3/v2/updated"} {
		if got[i].ID != want || got[i].DataVersion != i+1 || got[i].Type != OrderUpdatedType || got[i].Sequence != 3 {
			t.Errorf("version %d is %+v", i+1, got[i])
		}
	}
}
