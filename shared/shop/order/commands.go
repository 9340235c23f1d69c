package order

import (
	"time"

	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/product"
)

// Limits of an order.
const (
	MaxLines     = 100              // lines
	MaxSKUs      = 40               // distinct SKUs: they are reserved in one TransactWriteItems, which takes 100 items
	MaxQuantity  = 100_000          // of one line
	MaxUnitPrice = product.MaxPrice // minor units
	// MaxTotal is the most that an order comes to, in minor units, as much as one deposit may
	// bring. The saga's JSONata, and many a reader of the JSON, compute in doubles, which have each
	// whole number up to 2^53 (9e15) only: up to here no amount of an order is ever rounded.
	MaxTotal = 1_000_000_000_000
)

// Reason says why an order is cancelled: the code of the fault that stopped it, or one of those
// below.
type Reason string

// The reasons that are no fault's code.
const (
	ReasonCustomer Reason = "customer.request"
	ReasonOperator Reason = "operator.request"
	ReasonErased   Reason = "customer.erased"  // its customer was erased before it left
	ReasonExpired  Reason = "order.expired"    // it waited past its deadline, or stood still past its budget
	ReasonDeclined Reason = "order.declined"   // it was held, and an operator said no
	ReasonSaga     Reason = "saga.step-failed" // a step failed for a reason that is ours, not the business's
)

// Origin says who closes an order. Only people may cancel a confirmed order; the saga and the sweep
// take a confirmed one for finished.
type Origin string

// The origins.
const (
	OriginCustomer Origin = "customer"
	OriginOperator Origin = "operator"
	OriginSaga     Origin = "saga"
	OriginSweep    Origin = "sweep"
)

// Command is one of the commands below.
type Command interface{ orderCommand() }

// Place orders.
type Place struct {
	OrderID    string
	CustomerID string
	AccountID  string
	Lines      []Line
	PricedBy   string
	HoldRules  []string // that it matches
	OutOfStock goods.OutOfStock
	Address    personal.Sealed
	Now        time.Time
}

// Start says that a run of the saga takes the order.
type Start struct{ SagaID string }

// Park says which run waits with the order, and the task token that ends the wait. The zero Park is
// none.
type Park struct{ Token, SagaID string }

// Hold has an order that matches rules wait for approval, and parks its run.
type Hold struct {
	Until string // RFC 3339
	Park  Park
}

// Approve lets an order go on that matches rules.
type Approve struct {
	By   string
	Note personal.Sealed
}

// Decline closes an order that matches rules and that nobody has approved.
type Decline struct{ Note personal.Sealed }

// Backorder has an order wait for stock, and parks its run.
type Backorder struct {
	Revision int64 // of the reservation that was not possible
	Items    []goods.Item
	Until    string // RFC 3339
	Park     Park
}

// RequirePayment has an order wait for another try of its payment, and parks its run.
type RequirePayment struct {
	Revision int64 // of the payment that was declined
	Code     string
	Detail   string
	Until    string // RFC 3339
	Park     Park
}

// RequestPayment tries the declined payment again.
type RequestPayment struct {
	AccountID string // "" for the order's
	By        string
}

// Expire closes an order whose deadline has passed, if it still waits so.
type Expire struct {
	Wait     WaitKind
	Revision int64 // of the attempt that it waits with
	SagaID   string
}

// Confirm says that every step is done.
type Confirm struct {
	SagaID         string
	PaymentID      string
	ShipmentID     string
	TrackingNumber string
}

// Close is the one command that ends an order's fulfilment. Everything that wants an order undone
// issues it.
type Close struct {
	Origin Origin
	Reason Reason
	Detail string
	Note   personal.Sealed
	SagaID string
	// Stopped is the shipment that was taken back beforehand, without which a person's close of a
	// confirmed order is ErrShipmentUnderWay.
	Stopped string
}

// FinishUndo says that every step of the undo is done: the order is cancelled.
type FinishUndo struct{ SagaID string }

// FailUndo says that steps of the undo are spent.
type FailUndo struct {
	SagaID string
	Steps  []string
}

// Ship says that the shipment left, when (RFC 3339, "" where nobody knows), and whether that closed
// the reservation.
type Ship struct {
	ShipmentID   string
	DispatchedAt string
	StockClosed  bool
}

// Deliver says that the shipment arrived. That it left, as Ship says, follows, should nobody have
// said so yet.
type Deliver struct {
	ShipmentID   string
	DispatchedAt string
	StockClosed  bool
}

func (Place) orderCommand()          {}
func (Start) orderCommand()          {}
func (Hold) orderCommand()           {}
func (Approve) orderCommand()        {}
func (Decline) orderCommand()        {}
func (Backorder) orderCommand()      {}
func (RequirePayment) orderCommand() {}
func (RequestPayment) orderCommand() {}
func (Expire) orderCommand()         {}
func (Confirm) orderCommand()        {}
func (Close) orderCommand()          {}
func (FinishUndo) orderCommand()     {}
func (FailUndo) orderCommand()       {}
func (Ship) orderCommand()           {}
func (Deliver) orderCommand()        {}
