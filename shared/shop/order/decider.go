package order

import (
	"fmt"
	"slices"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/personal"
)

// Status is where an order stands.
type Status string

// The statuses.
const (
	StatusPlaced          Status = "placed"
	StatusHeld            Status = "held"             // waits for approval, before anything is reserved
	StatusBackordered     Status = "backordered"      // waits for stock
	StatusPaymentRequired Status = "payment-required" // waits for another try of its payment
	StatusConfirmed       Status = "confirmed"
	StatusCancelling      Status = "cancelling"
	StatusCancelled       Status = "cancelled"
	StatusShipped         Status = "shipped"
	StatusDelivered       Status = "delivered"
)

// OpenStatuses are those of orders that are neither confirmed nor closed yet.
func OpenStatuses() []Status {
	return []Status{StatusPlaced, StatusHeld, StatusBackordered, StatusPaymentRequired}
}

// Statuses lists them all, in the order in which orders come to them.
func Statuses() []Status {
	return append(OpenStatuses(), StatusConfirmed, StatusCancelling, StatusCancelled, StatusShipped, StatusDelivered)
}

// Open reports whether the order is neither confirmed nor closed yet.
func (s Status) Open() bool {
	return s == StatusPlaced || s == StatusHeld || s == StatusBackordered || s == StatusPaymentRequired
}

// Final reports whether the saga has nothing left to do.
func (s Status) Final() bool { return !s.Open() && s != StatusCancelling && s != "" }

// SagaState is where an order's saga stands.
type SagaState string

// The saga's states. A run that undid everything is completed too; the order's status tells which
// way it ended.
const (
	SagaPending      SagaState = "pending"      // placed, no run has taken it yet
	SagaRunning      SagaState = "running"      // a run is fulfilling it
	SagaCompensating SagaState = "compensating" // a run is undoing it
	SagaCompleted    SagaState = "completed"    // confirmed, or cancelled and undone
	SagaFailed       SagaState = "failed"       // a step of the undo is spent; people have to look
)

// State is an order, folded.
type State struct {
	ID         string
	CustomerID string
	AccountID  string
	Status     Status
	Lines      []Line
	Total      money.Money
	Address    personal.Sealed
	// Revision grows with each change on purpose. The attempts at stock, payment and shipment keep
	// the one under which they were tried.
	Revision         int64
	StockRevision    int64
	PaymentRevision  int64
	ShipmentRevision int64
	PlacedAt         string
	PricedBy         string
	SagaID           string
	Saga             SagaState
	PaymentID        string
	ShipmentID       string
	TrackingNumber   string
	Reason           Reason
	Detail           string
	Note             personal.Sealed
	ClosedBy         Origin
	FailedSteps      []string
	HoldRules        []string         // that it matches
	OutOfStock       goods.OutOfStock // what becomes of it where stock is short; "" is reject
	Approval         *Approval
	Wait             *Wait      // nil where it waits for nothing
	Parked           []Park     // the tries to wait, of the wait that is on or was the last
	Refunds          []Refunded // oldest first
	Amendment        *Amendment // nil for an order that nobody amended
	// Missing is what it went on without, since it was not there; one item a SKU, ordered by SKU.
	Missing []goods.Item
	Rest    []Line // of that what waits, none where it is dropped
	RestID  string // the order that it is, once this one is confirmed
	RestOf  string // the order that this one is the rest of
}

// Exists reports whether the order was placed.
func (s State) Exists() bool { return s.Status != "" }

// Decider decides for orders.
var Decider = es.Decider[Command, State, Event]{
	Initial: func() State { return State{} }, Decide: decide, Evolve: Evolve,
}

// Evolve folds an event into an order.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Placed:
		first := max(e.Revision, 1)
		s = State{
			ID: e.OrderID, CustomerID: e.CustomerID, AccountID: e.AccountID, Status: StatusPlaced, Lines: e.Lines,
			Total: e.Total, Address: e.Address,
			Revision: first, StockRevision: first, PaymentRevision: first, ShipmentRevision: first,
			PlacedAt: e.PlacedAt, PricedBy: e.PricedBy, HoldRules: e.HoldRules, OutOfStock: e.OutOfStock,
			Saga: SagaPending, RestOf: e.RestOf,
		}
	case Started:
		s.SagaID, s.Saga = e.SagaID, SagaRunning
		if s.waitsForStock() {
			s.Status, s.Wait = StatusPlaced, nil
		}
	case Held, Approved, Backordered, PaymentRequired, PaymentRequested, Parked:
		s = evolveWait(s, e)
	case Confirmed:
		s.Wait = nil
		s.Status, s.Saga, s.SagaID = StatusConfirmed, SagaCompleted, e.SagaID
		s.PaymentID, s.ShipmentID, s.TrackingNumber = e.PaymentID, e.ShipmentID, e.TrackingNumber
		s.RestID = e.RestID
	case Cancelling:
		s.Wait = nil
		s.Status, s.Saga = StatusCancelling, SagaCompensating
		s.Reason, s.Detail, s.Note, s.ClosedBy = e.Reason, e.Detail, e.Note, e.Origin
		if e.SagaID != "" {
			s.SagaID = e.SagaID
		}
	case Cancelled:
		s.Status, s.Saga, s.SagaID, s.FailedSteps = StatusCancelled, SagaCompleted, e.SagaID, nil
	case UndoFailed:
		s.Saga, s.SagaID, s.FailedSteps = SagaFailed, e.SagaID, e.Steps
	case Amended:
		s = evolveAmended(s, e)
	case Shipped:
		s.Status = StatusShipped
	case Delivered:
		s.Status = StatusDelivered
	case Refunded:
		s = s.refunded(e)
	}
	return s
}

func decide(c Command, s State) ([]Event, error) {
	if _, placing := c.(Place); !placing && !s.Exists() {
		return nil, ErrNotFound.New("there is no such order")
	}
	switch c := c.(type) {
	case Place:
		return place(c, s)
	case Start:
		return start(c, s)
	case Hold:
		return hold(c, s)
	case Approve:
		return approve(c, s)
	case Decline:
		return decline(c, s)
	case Backorder:
		return backorder(c, s)
	case RequirePayment:
		return requirePayment(c, s)
	case RequestPayment:
		return requestPayment(c, s)
	case Expire:
		return expire(c, s)
	case Confirm:
		return confirm(c, s)
	case Close:
		return closeOrder(c, s)
	case FinishUndo:
		return finishUndo(c, s)
	case FailUndo:
		return failUndo(c, s)
	case Amend:
		return amend(c, s)
	case Reduce:
		return reduce(c, s)
	case Ship:
		return ship(c, s)
	case Deliver:
		return deliver(c, s)
	case GiveBack:
		return giveBack(c, s)
	}
	return nil, fmt.Errorf("order: unknown command %T", c)
}

func place(c Place, s State) ([]Event, error) {
	if s.Exists() {
		return nil, nil
	}
	total, err := Total(c.Lines)
	if err != nil {
		return nil, err
	}
	return []Event{Placed{
		OrderID: c.OrderID, CustomerID: c.CustomerID, AccountID: c.AccountID, Lines: c.Lines, Total: total,
		Address: c.Address, Revision: 1,
		PlacedAt: c.Now.UTC().Format(time.RFC3339Nano), PricedBy: c.PricedBy, HoldRules: c.HoldRules,
		OutOfStock: c.OutOfStock.Stored(),
	}}, nil
}

// start: whichever run asks may go on with an order that is still open, since each of its steps is
// an attempt; one that is being undone is refused, and so is one that nobody has approved yet. A
// run that waited for stock starts the order again: what let it go on is no event of the order.
func start(c Start, s State) ([]Event, error) {
	switch {
	case s.Status == StatusCancelling || s.Status == StatusCancelled:
		return nil, ErrCancelling.New("the order is %s", s.Status)
	case s.unapproved():
		return nil, ErrHeld.New("the order waits for approval")
	case !s.Status.Open() || s.SagaID == c.SagaID && !s.waitsForStock():
		return nil, nil
	}
	return []Event{Started{SagaID: c.SagaID}}, nil
}

func confirm(c Confirm, s State) ([]Event, error) {
	switch {
	case s.Status.Open():
		confirmed := Confirmed{
			SagaID: c.SagaID, PaymentID: c.PaymentID, ShipmentID: c.ShipmentID, TrackingNumber: c.TrackingNumber,
		}
		if len(s.Rest) > 0 {
			confirmed.RestID = RestID(s.ID)
		}
		return []Event{confirmed}, nil
	case s.Status == StatusCancelling || s.Status == StatusCancelled:
		return nil, ErrCancelling.New("the order is %s", s.Status)
	}
	return nil, nil
}

// closeOrder is the arbiter between confirming and cancelling: whichever commit comes first on the
// order's stream decides. Between cancelling and dispatching the shipment's stream decides: who
// closes a confirmed order has taken its shipment back before.
func closeOrder(c Close, s State) ([]Event, error) {
	person := c.Origin == OriginCustomer || c.Origin == OriginOperator
	switch s.Status {
	case StatusPlaced, StatusHeld, StatusBackordered, StatusPaymentRequired:
	case StatusConfirmed:
		if !person {
			return nil, nil
		}
		if c.Stopped == "" || c.Stopped != s.ShipmentID {
			return nil, ErrShipmentUnderWay.New("the order's shipment is not taken back")
		}
	case StatusShipped, StatusDelivered:
		if !person {
			return nil, nil
		}
		return nil, ErrDispatched.New("the order is %s and can't be cancelled any more", s.Status)
	default:
		return nil, nil
	}
	return []Event{Cancelling{
		Reason: c.Reason, Detail: c.Detail, Note: c.Note, From: s.Status, Origin: c.Origin, SagaID: c.SagaID,
	}}, nil
}

func finishUndo(c FinishUndo, s State) ([]Event, error) {
	switch s.Status {
	case StatusCancelling:
		return []Event{Cancelled{SagaID: c.SagaID, Reason: s.Reason}}, nil
	case StatusCancelled:
		return nil, nil
	}
	return nil, ErrNotClosed.New("the order is %s", s.Status)
}

func failUndo(c FailUndo, s State) ([]Event, error) {
	switch {
	case s.Status == StatusCancelled, s.Saga == SagaFailed && s.SagaID == c.SagaID &&
		slices.Equal(s.FailedSteps, c.Steps):
		return nil, nil
	case s.Status != StatusCancelling:
		return nil, ErrNotClosed.New("the order is %s", s.Status)
	}
	return []Event{UndoFailed{SagaID: c.SagaID, Steps: c.Steps}}, nil
}

func ship(c Ship, s State) ([]Event, error) {
	if err := onItsWay(c.ShipmentID, s); err != nil || s.Status != StatusConfirmed {
		return nil, err
	}
	return []Event{Shipped{
		ShipmentID: c.ShipmentID, Revision: s.StockRevision, DispatchedAt: c.DispatchedAt, StockClosed: c.StockClosed,
	}}, nil
}

// deliver: what tells of the arrival may come before what tells of the departure.
func deliver(c Deliver, s State) ([]Event, error) {
	events, err := ship(Ship(c), s)
	if err != nil || s.Status == StatusDelivered {
		return nil, err
	}
	return append(events, Delivered{ShipmentID: c.ShipmentID}), nil
}

// onItsWay refuses what is said of a shipment that is not the order's, or of an order that is not
// confirmed.
func onItsWay(shipmentID string, s State) error {
	switch s.Status {
	case StatusConfirmed, StatusShipped, StatusDelivered:
		if shipmentID != s.ShipmentID {
			return ErrOtherShipment.New("the order's shipment is %s, and not %s", s.ShipmentID, shipmentID)
		}
		return nil
	case StatusCancelling, StatusCancelled:
		return ErrCancelling.New("the order is %s", s.Status)
	}
	return ErrNotConfirmed.New("the order is %s", s.Status)
}
