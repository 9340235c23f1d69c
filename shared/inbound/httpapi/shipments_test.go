package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/shop/shipment"
)

// TestShipment: an operator reads where a shipment stands, what is in it and where it goes, as long
// as that can be read.
func TestShipment(t *testing.T) {
	for _, status := range []shipment.Status{
		shipment.StatusScheduled, shipment.StatusPrepared, shipment.StatusDispatched, shipment.StatusDelivered,
	} {
		s := newShop(t)
		id := s.ship(status)
		res := s.must(http.StatusOK, get(operator, "/shipments/"+id))
		if res.text("id") != id || res.text("orderId") != s.order || res.text("status") != string(status) ||
			res.text("trackingNumber") != shipment.TrackingNumber(id) {
			t.Errorf("%s: %s", status, res.raw)
		}
		to, _ := res.body["shippingAddress"].(object)
		items := []any{object{"sku": "cd-1", "quantity": 2.0}, object{"sku": "cd-2", "quantity": 1.0}}
		if status == shipment.StatusScheduled {
			items = []any{}
		}
		if diff := cmp.Diff(items, res.body["items"]); diff != "" ||
			(to["city"] == "London") != (status != shipment.StatusScheduled) {
			t.Errorf("%s: %s", status, res.raw)
		}
		s.erase("ada")
		if res := s.must(http.StatusOK, get(operator, "/shipments/"+id)); res.body["shippingAddress"] != nil ||
			res.text("status") != string(status) {
			t.Errorf("%s, of an erased customer: %s", status, res.raw)
		}
	}
}

// TestAddressForTheCarrier: a carrier reads where a shipment goes while it is theirs to carry, and
// an operator afterwards too.
func TestAddressForTheCarrier(t *testing.T) {
	for status, shown := range map[shipment.Status]bool{
		shipment.StatusScheduled: false, shipment.StatusPrepared: true, shipment.StatusDispatched: true,
		shipment.StatusDelivered: false, shipment.StatusCancelled: false,
	} {
		s := newShop(t)
		reached := status
		if status == shipment.StatusCancelled {
			reached = shipment.StatusPrepared
		}
		id := s.ship(reached)
		if status == shipment.StatusCancelled {
			s.must(http.StatusAccepted, post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"}))
		}
		if res := s.must(http.StatusOK, get(carrier, "/shipments/"+id)); res.text("status") != string(status) ||
			(res.body["shippingAddress"] != nil) != shown {
			t.Errorf("%s: %s", status, res.raw)
		}
		if res := s.must(
			http.StatusOK, get(operator, "/shipments/"+id),
		); (res.body["shippingAddress"] != nil) != (status != shipment.StatusScheduled) {
			t.Errorf("%s, to an operator: %s", status, res.raw)
		}
	}
	s := newShop(t)
	id := s.ship(shipment.StatusDispatched)
	if res := s.must(
		http.StatusOK, post(carrier, "/shipments/"+id+"/deliver", nil),
	); res.text("status") != "delivered" || res.body["shippingAddress"] != nil {
		t.Errorf("delivered: %s", res.raw)
	}
}

// TestCancelTakesTheShipmentBack: a confirmed order is closed once its shipment can't leave any
// more.
func TestCancelTakesTheShipmentBack(t *testing.T) {
	s := newShop(t)
	id := s.ship(shipment.StatusPrepared)
	if res := s.must(
		http.StatusAccepted, post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"}),
	); res.text("status") != "cancelling" {
		t.Errorf("answered %s", res.raw)
	}
	if res := s.must(http.StatusOK, get(operator, "/shipments/"+id)); res.text("status") != "cancelled" {
		t.Errorf("the shipment is %s", res.raw)
	}
}
