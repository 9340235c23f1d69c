// Package shipment is what brings an order to its customer. Each revision of an order has one
// shipment: an attempt with a stream of its own.
package shipment

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/personal"
)

// Category is the first part of a shipment's stream id.
const Category = "shipment"

// Event is one of the events below.
type Event interface{ shipmentEvent() }

// Scheduled: the carrier will come for it.
type Scheduled struct {
	ShipmentID     string `json:"shipmentId"`
	OrderID        string `json:"orderId"`
	TrackingNumber string `json:"trackingNumber"`
	// of the order; 0 of releases that did not keep it, and knew 1 alone
	Revision int64 `json:"revision,omitempty"`
}

// Refused: the order can't be shipped where it is to go, and won't be in this revision of it.
type Refused struct {
	ShipmentID string `json:"shipmentId"`
	OrderID    string `json:"orderId"`
	Code       string `json:"code"`   // of the fault
	Detail     string `json:"detail"` // of the fault
}

// Prepared: it is packed and waits for the carrier. From here on it says by itself what goes where:
// nobody asks the order again.
type Prepared struct {
	ShipmentID string          `json:"shipmentId"`
	OrderID    string          `json:"orderId"`
	CustomerID string          `json:"customerId"` // whose data key the address is under
	Items      []Item          `json:"items"`      // one an SKU, ordered by SKU
	Address    personal.Sealed `json:"address"`    // an Address
}

// Item is a quantity of one SKU.
type Item = goods.Item

// Dispatched: the carrier has it. It can't be cancelled any more.
type Dispatched struct {
	ShipmentID     string `json:"shipmentId"`
	OrderID        string `json:"orderId"`
	TrackingNumber string `json:"trackingNumber"`
	DispatchedAt   string `json:"dispatchedAt,omitempty"` // RFC 3339, UTC; "" of releases that did not keep it
	// the books of stock are closed in the same transaction; false where they could not follow, and
	// of releases that closed them later
	StockClosed bool `json:"stockClosed,omitempty"`
}

// Delivered: the carrier handed it over.
type Delivered struct {
	ShipmentID   string `json:"shipmentId"`
	OrderID      string `json:"orderId"`
	DispatchedAt string `json:"dispatchedAt,omitempty"` // this and the next as in Dispatched, for
	StockClosed  bool   `json:"stockClosed,omitempty"`  // whoever hears of the arrival first
}

// Cancelled: the carrier will not come any more.
type Cancelled struct {
	ShipmentID string `json:"shipmentId"`
	OrderID    string `json:"orderId"`
	// who wants the order cancelled; "" of releases in which the saga alone cancelled shipments
	Origin string `json:"origin,omitempty"`
	// why they want it: an order.Reason; "" of releases that did not keep it
	Reason string `json:"reason,omitempty"`
	// their own words, so that whoever closes the order after them has it too
	Note personal.Sealed `json:"note,omitempty"`
}

// Voided: the shipment was cancelled before it was scheduled. Should that come late, it is refused.
type Voided struct {
	ShipmentID string `json:"shipmentId"`
	OrderID    string `json:"orderId"`
}

func (Scheduled) shipmentEvent()  {}
func (Refused) shipmentEvent()    {}
func (Prepared) shipmentEvent()   {}
func (Dispatched) shipmentEvent() {}
func (Delivered) shipmentEvent()  {}
func (Cancelled) shipmentEvent()  {}
func (Voided) shipmentEvent()     {}

// Register adds the shipment's events to a registry.
func Register(r *es.Registry) {
	es.Register[Scheduled](r, "shipment.scheduled", 1)
	es.Register[Refused](r, "shipment.refused", 1)
	es.Register[Prepared](r, "shipment.prepared", 1)
	es.Register[Amended](r, "shipment.amended", 1)
	es.Register[Labelled](r, "shipment.labelled", 1)
	es.Register[Dispatched](r, "shipment.dispatched", 1)
	es.Register[Delivered](r, "shipment.delivered", 1)
	es.Register[Cancelled](r, "shipment.cancelled", 1)
	es.Register[Voided](r, "shipment.voided", 1)
}
