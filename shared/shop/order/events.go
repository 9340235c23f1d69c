// Package order is the order: what happened to it, what may happen next, and who decides between
// confirming and cancelling.
package order

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/personal"
)

// Category is the first part of an order's stream id.
const Category = "order"

// Event is one of the events below.
type Event interface{ orderEvent() }

// Placed: a customer ordered. The saga takes it from here.
type Placed struct {
	OrderID    string          `json:"orderId"`
	CustomerID string          `json:"customerId"`
	AccountID  string          `json:"accountId"` // that the payment charges
	Lines      []Line          `json:"lines"`
	Total      money.Money     `json:"total"`
	Address    personal.Sealed `json:"address"` // a shipment.Address under the customer's data key
	// names the attempts at stock, payment and shipment; an amendment raises it
	Revision int64  `json:"revision"`
	PlacedAt string `json:"placedAt"` // RFC 3339, for people; the commit's time orders things
	// PricedBy says whose prices the lines have: PricedByCatalogue, or the actor who named one, or
	// a discount or a tax. "" in events of releases in which every caller named the prices.
	PricedBy string `json:"pricedBy,omitempty"`
}

// Started: a run of the saga took the order.
type Started struct {
	SagaID string `json:"sagaId"`
}

// Confirmed: stock is reserved, the payment charged and a shipment scheduled.
type Confirmed struct {
	SagaID         string `json:"sagaId"`
	PaymentID      string `json:"paymentId"`
	ShipmentID     string `json:"shipmentId"`
	TrackingNumber string `json:"trackingNumber"`
}

// Cancelling: the order will not be fulfilled; what was done for it is being undone.
type Cancelling struct {
	Reason Reason          `json:"reason"`
	Detail string          `json:"detail,omitempty"` // of the fault; without personal data
	Note   personal.Sealed `json:"note,omitempty"`   // the customer's own words
	From   Status          `json:"from"`             // Placed or Confirmed
	Origin Origin          `json:"origin"`           // who closed it
	SagaID string          `json:"sagaId,omitempty"` // the run that closed it, which then also undoes it
}

// Cancelled: everything that was done for the order is undone.
type Cancelled struct {
	SagaID string `json:"sagaId"`
	Reason Reason `json:"reason"`
}

// UndoFailed: steps of the undo are spent; people have to look. The order stays cancelling.
type UndoFailed struct {
	SagaID string   `json:"sagaId"`
	Steps  []string `json:"steps"`
}

// Shipped: the shipment left the warehouse. From here on the order can't be cancelled.
type Shipped struct {
	ShipmentID string `json:"shipmentId"`
	Revision   int64  `json:"revision,omitempty"` // names the reservation that left with it
	// RFC 3339: when the pieces left; "" where the shipment doesn't say
	DispatchedAt string `json:"dispatchedAt,omitempty"`
	// the reservation is closed; false where this event leads to that
	StockClosed bool `json:"stockClosed,omitempty"`
}

// Delivered: the carrier handed it over.
type Delivered struct {
	ShipmentID string `json:"shipmentId"`
}

func (Placed) orderEvent()     {}
func (Started) orderEvent()    {}
func (Confirmed) orderEvent()  {}
func (Cancelling) orderEvent() {}
func (Cancelled) orderEvent()  {}
func (UndoFailed) orderEvent() {}
func (Shipped) orderEvent()    {}
func (Delivered) orderEvent()  {}

// Register adds the order's events to a registry.
func Register(r *es.Registry) {
	es.Register[Placed](r, "order.placed", 1)
	es.Register[Started](r, "order.started", 1)
	es.Register[Confirmed](r, "order.confirmed", 1)
	es.Register[Cancelling](r, "order.cancelling", 1)
	es.Register[Cancelled](r, "order.cancelled", 1)
	es.Register[UndoFailed](r, "order.undo-failed", 1)
	es.Register[Shipped](r, "order.shipped", 1)
	es.Register[Delivered](r, "order.delivered", 1)
}
