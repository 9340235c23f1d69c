// Package shipment is what brings an order to its customer. Each revision of an order has one shipment: an attempt with a stream of its own.
package shipment

import "orderflow/shared/es"

// Category is the first part of a shipment's stream id.
const Category = "shipment"

// Event is one of the events below.
type Event interface{ shipmentEvent() }

// Scheduled: the carrier will come for it.
type Scheduled struct {
	ShipmentID     string `json:"shipmentId"`
	OrderID        string `json:"orderId"`
	TrackingNumber string `json:"trackingNumber"`
}

// Refused: the order can't be shipped where it is to go, and won't be in this revision of it.
type Refused struct {
	ShipmentID string `json:"shipmentId"`
	OrderID    string `json:"orderId"`
	Code       string `json:"code"`   // of the fault
	Detail     string `json:"detail"` // of the fault
}

// Cancelled: the carrier will not come any more.
type Cancelled struct {
	ShipmentID string `json:"shipmentId"`
	OrderID    string `json:"orderId"`
}

// Voided: the shipment was cancelled before it was scheduled. Should that come late, it is refused.
type Voided struct {
	ShipmentID string `json:"shipmentId"`
	OrderID    string `json:"orderId"`
}

func (Scheduled) shipmentEvent() {}
func (Refused) shipmentEvent()   {}
func (Cancelled) shipmentEvent() {}
func (Voided) shipmentEvent()    {}

// Register adds the shipment's events to a registry.
func Register(r *es.Registry) {
	es.Register[Scheduled](r, "shipment.scheduled", 1)
	es.Register[Refused](r, "shipment.refused", 1)
	es.Register[Cancelled](r, "shipment.cancelled", 1)
	es.Register[Voided](r, "shipment.voided", 1)
}
