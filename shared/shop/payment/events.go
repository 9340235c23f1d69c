// Package payment charges a customer's account for an order, and takes the charge back. Each charge
// is an attempt: whatever comes twice, late or in another order, the account is charged at most
// once, and given back exactly what was taken.
package payment

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
)

// Category is the first part of a payment's stream id.
const Category = "payment"

// Event is one of the events below.
type Event interface{ paymentEvent() }

// Processed: the account was charged. An amount of 0 moved nothing.
type Processed struct {
	PaymentID string      `json:"paymentId"`
	OrderID   string      `json:"orderId"`
	AccountID string      `json:"accountId"`
	Amount    money.Money `json:"amount"`
}

// Declined: a rule forbade the charge, for good.
type Declined struct {
	PaymentID string `json:"paymentId"`
	OrderID   string `json:"orderId"`
	Code      string `json:"code"` // of the fault
	Detail    string `json:"detail"`
}

// Refunded: the account got back what Processed had taken, less what it had back already.
type Refunded struct {
	PaymentID string      `json:"paymentId"`
	OrderID   string      `json:"orderId"`
	AccountID string      `json:"accountId"`
	Amount    money.Money `json:"amount"`
}

// Voided: the payment was taken back before it was made. A charge that arrives later is refused.
type Voided struct {
	PaymentID string `json:"paymentId"`
	OrderID   string `json:"orderId"`
}

func (Processed) paymentEvent() {}
func (Declined) paymentEvent()  {}
func (Refunded) paymentEvent()  {}
func (Voided) paymentEvent()    {}

// Register adds the payment's events to a registry. A program that charges needs those of the
// accounts as well.
func Register(r *es.Registry) {
	es.Register[Processed](r, "payment.processed", 1)
	es.Register[Declined](r, "payment.declined", 1)
	es.Register[Adjusted](r, "payment.adjusted", 1)
	es.Register[Refunded](r, "payment.refunded", 1)
	es.Register[Voided](r, "payment.voided", 1)
	es.Register[PartiallyRefunded](r, "payment.partially-refunded", 1)
}
