// Package order is the order: what happened to it, what may happen next, and who decides between
// confirming and cancelling.
package order

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
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
	// HoldRules are those that it matches: it waits for approval before anything is reserved
	HoldRules []string `json:"holdRules,omitempty"`
	// OutOfStock is what becomes of it where stock is short; "" is reject
	OutOfStock goods.OutOfStock `json:"outOfStock,omitempty"`
	// RestOf is the order of which this is what was not there
	RestOf string `json:"restOf,omitempty"`
}

// Started: a run of the saga took the order.
type Started struct {
	SagaID string `json:"sagaId"`
}

// Held: the order waits for approval. Nothing is reserved yet.
type Held struct {
	Rules []string `json:"rules"` // that it matches
	Until string   `json:"until"` // RFC 3339, for people: the run measures the time
}

// Approved: the order goes on, whatever rules it matches.
type Approved struct {
	By   string          `json:"by"`             // the actor
	Note personal.Sealed `json:"note,omitempty"` // why, in their own words
}

// Backordered: the order waits for stock.
type Backordered struct {
	Revision int64        `json:"revision"` // of the reservation that was not possible
	Items    []goods.Item `json:"items"`    // what is missing
	Until    string       `json:"until"`    // as in Held
}

// PaymentRequired: the payment was declined. The stock stays reserved while the order waits for
// another try.
type PaymentRequired struct {
	Revision int64  `json:"revision"` // of the payment that was declined
	Code     string `json:"code"`
	Detail   string `json:"detail,omitempty"` // without personal data
	Until    string `json:"until"`            // as in Held
}

// PaymentRequested: the payment is tried again, as another attempt.
type PaymentRequested struct {
	AccountID string `json:"accountId"` // that it charges
	Revision  int64  `json:"revision"`  // of the order and of the payment
	By        string `json:"by"`        // the actor
}

// Parked: a run waits with a task token. Several tries may park; the last one counts. It is stored
// and not published: whoever has the token ends the wait.
type Parked struct {
	Token  string `json:"token"`
	SagaID string `json:"sagaId"`
}

// Confirmed: stock is reserved, the payment charged and a shipment scheduled.
type Confirmed struct {
	SagaID         string `json:"sagaId"`
	PaymentID      string `json:"paymentId"`
	ShipmentID     string `json:"shipmentId"`
	TrackingNumber string `json:"trackingNumber"`
	// RestID is the order that was placed with this event, of what was not there and waits
	RestID string `json:"restId,omitempty"`
}

// Cancelling: the order will not be fulfilled; what was done for it is being undone.
type Cancelling struct {
	Reason Reason          `json:"reason"`
	Detail string          `json:"detail,omitempty"` // of the fault; without personal data
	Note   personal.Sealed `json:"note,omitempty"`   // the customer's own words
	From   Status          `json:"from"`             // an open one, or Confirmed
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

func (Placed) orderEvent()           {}
func (Started) orderEvent()          {}
func (Held) orderEvent()             {}
func (Approved) orderEvent()         {}
func (Backordered) orderEvent()      {}
func (PaymentRequired) orderEvent()  {}
func (PaymentRequested) orderEvent() {}
func (Parked) orderEvent()           {}
func (Confirmed) orderEvent()        {}
func (Cancelling) orderEvent()       {}
func (Cancelled) orderEvent()        {}
func (UndoFailed) orderEvent()       {}
func (Shipped) orderEvent()          {}
func (Delivered) orderEvent()        {}

// Register adds the order's events to a registry.
func Register(r *es.Registry) {
	es.Register[Placed](r, "order.placed", 1)
	es.Register[Started](r, "order.started", 1)
	es.Register[Held](r, "order.held", 1)
	es.Register[Approved](r, "order.approved", 1)
	es.Register[Backordered](r, "order.backordered", 1)
	es.Register[PaymentRequired](r, "order.payment-required", 1)
	es.Register[PaymentRequested](r, "order.payment-requested", 1)
	es.Register[Parked](r, "order.parked", 1)
	es.Register[Confirmed](r, "order.confirmed", 1)
	es.Register[Amended](r, "order.amended", 1)
	es.Register[Cancelling](r, "order.cancelling", 1)
	es.Register[Cancelled](r, "order.cancelled", 1)
	es.Register[UndoFailed](r, "order.undo-failed", 1)
	es.Register[Shipped](r, "order.shipped", 1)
	es.Register[Delivered](r, "order.delivered", 1)
	es.Register[Refunded](r, "order.refunded", 1)
}
