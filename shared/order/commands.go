package order

import (
	"time"

	"orderflow/shared/money"
	"orderflow/shared/personal"
)

// Limits of an order.
const (
	MaxLines     = 100           // lines
	MaxSKUs      = 40            // distinct SKUs: they are reserved in one TransactWriteItems, which takes 100 items
	MaxQuantity  = 100_000       // of one line
	MaxUnitPrice = 1_000_000_000 // minor units: ten million of a currency with cents
	// MaxTotal is the most that an order comes to, in minor units, as much as one deposit may bring. The saga's JSONata, and many a
	// reader of the JSON, compute in doubles, which have each whole number up to 2^53 (9e15) only: up to here no amount of an order is ever rounded.
	MaxTotal = 1_000_000_000_000
)

// Reason says why an order is cancelled: the code of the fault that stopped it, or one of those below.
type Reason string

// The reasons that are no fault's code.
const (
	ReasonCustomer Reason = "customer.request"
	ReasonOperator Reason = "operator.request"
	ReasonErased   Reason = "customer.erased"  // its customer was erased before it left
	ReasonExpired  Reason = "order.expired"    // it stood still past its budget
	ReasonSaga     Reason = "saga.step-failed" // a step failed for a reason that is ours, not the business's
)

// Origin says who closes an order. Only people may cancel a confirmed order; the saga and the sweep take a confirmed one for finished.
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
	Address    personal.Sealed
	Now        time.Time
}

// Start says that a run of the saga takes the order.
type Start struct{ SagaID string }

// Confirm says that every step is done.
type Confirm struct {
	SagaID         string
	PaymentID      string
	ShipmentID     string
	TrackingNumber string
}

// Close is the one command that ends an order's fulfilment. Everything that wants an order undone issues it.
type Close struct {
	Origin Origin
	Reason Reason
	Detail string
	Note   personal.Sealed
	SagaID string
	// Stopped is the shipment that was taken back beforehand, without which a person's close of a confirmed order is ErrShipmentUnderWay.
	Stopped string
}

// Cancel says that the undo is through.
type Cancel struct{ SagaID string }

// FailUndo says that steps of the undo are spent.
type FailUndo struct {
	SagaID string
	Steps  []string
}

// Ship says that the shipment left, and when (RFC 3339, "" where nobody knows).
type Ship struct {
	ShipmentID   string
	DispatchedAt string
}

// Deliver says that the shipment arrived. That it left at that time follows, should nobody have said so yet.
type Deliver struct {
	ShipmentID   string
	DispatchedAt string
}

func (Place) orderCommand()    {}
func (Start) orderCommand()    {}
func (Confirm) orderCommand()  {}
func (Close) orderCommand()    {}
func (Cancel) orderCommand()   {}
func (FailUndo) orderCommand() {}
func (Ship) orderCommand()     {}
func (Deliver) orderCommand()  {}

// Total checks the lines and adds them up: one currency, 0 to MaxTotal.
func Total(lines []Line) (money.Money, error) {
	if len(lines) == 0 {
		return money.Money{}, ErrInvalidLines.Field("body.lines", "an order has at least one line")
	}
	if len(lines) > MaxLines {
		return money.Money{}, ErrInvalidLines.Field("body.lines", "an order has at most %d lines, this one has %d", MaxLines, len(lines))
	}
	skus := map[string]bool{}
	var total money.Money
	for i, l := range lines {
		if l.SKU == "" {
			return money.Money{}, ErrInvalidLines.Field(lineField(i, "sku"), "a line names a SKU")
		}
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return money.Money{}, ErrInvalidLines.Field(lineField(i, "quantity"), "a quantity is 1 to %d, not %d", MaxQuantity, l.Quantity)
		}
		if l.UnitPrice.Amount < 0 || l.UnitPrice.Amount > MaxUnitPrice {
			return money.Money{}, ErrInvalidLines.Field(lineField(i, "unitPrice.amount"), "a unit price is 0 to %d minor units, not %d", MaxUnitPrice, l.UnitPrice.Amount)
		}
		if err := money.CheckCurrency(l.UnitPrice.Currency); err != nil {
			return money.Money{}, inField(err, lineField(i, "unitPrice.currency"))
		}
		amount, err := l.UnitPrice.Times(l.Quantity)
		if err == nil {
			total, err = total.Add(amount)
		}
		if err != nil {
			return money.Money{}, inField(err, lineField(i, "unitPrice"))
		}
		skus[l.SKU] = true
	}
	if len(skus) > MaxSKUs {
		return money.Money{}, ErrInvalidLines.Field("body.lines", "an order names at most %d SKUs, this one names %d", MaxSKUs, len(skus))
	}
	if total.Amount > MaxTotal {
		return money.Money{}, ErrInvalidLines.Field("body.lines", "an order comes to at most %d minor units, this one to %d", int64(MaxTotal), total.Amount)
	}
	return total, nil
}
