package shipment

import (
	"fmt"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/personal"
)

// Status is where a shipment stands.
type Status string

// The statuses. A shipment that nobody scheduled has none.
const (
	StatusScheduled  Status = "scheduled"
	StatusPrepared   Status = "prepared"
	StatusDispatched Status = "dispatched"
	StatusDelivered  Status = "delivered"
	StatusRefused    Status = "refused"
	StatusCancelled  Status = "cancelled"
	StatusVoided     Status = "voided"
)

// State is a shipment, folded.
type State struct {
	ID             string
	OrderID        string
	Revision       int64 // of the order; 0 where it was never scheduled
	Status         Status
	TrackingNumber string          // "" where it was never scheduled
	CustomerID     string          // from here to Address, "" and none before it is prepared or amended
	Items          []Item          //
	Address        personal.Sealed // an Address under the customer's data key
	Labelled       bool            // its contents are final
	DispatchedAt   string          // RFC 3339, "" before it left
	StockClosed    bool            // as in Dispatched
	Code           string          // of the fault that it was refused with
	Detail         string          // of that fault
	Cancelled      Cancelled       // who took it back, and why; zero where nobody did
}

// Exists reports whether there is such a shipment at all.
func (s State) Exists() bool { return s.Status != "" }

// Packed reports whether it is ready to leave, or has left.
func (s State) Packed() bool {
	return s.Status == StatusPrepared || s.Status == StatusDispatched || s.Status == StatusDelivered
}

// Attempt is where the shipment stands as an attempt to ship: once scheduled it is done, however
// far it comes.
func (s State) Attempt() es.AttemptStatus {
	switch s.Status {
	case StatusScheduled, StatusPrepared, StatusDispatched, StatusDelivered:
		return es.AttemptDone
	case StatusRefused:
		return es.AttemptRefused
	case StatusCancelled:
		return es.AttemptUndone
	case StatusVoided:
		return es.AttemptVoided
	}
	return es.AttemptOpen
}

// command is one of the commands below, on a shipment that is scheduled. Scheduling and cancelling
// are the attempt's.
type command interface{ shipmentCommand() }

type prepare struct {
	customerID string
	items      []Item
	address    personal.Sealed
}

type dispatch struct{ at time.Time }

type deliver struct{}

func (prepare) shipmentCommand()  {}
func (dispatch) shipmentCommand() {}
func (deliver) shipmentCommand()  {}

// decider decides how far a shipment comes. Its stream is the arbiter between dispatching and
// cancelling: whichever commit comes first decides.
var decider = es.Decider[command, State, Event]{
	Initial: func() State { return State{} }, Decide: decide, Evolve: Evolve,
}

func decide(c command, s State) ([]Event, error) {
	switch s.Status {
	case "":
		return nil, ErrNotFound.New("there is no such shipment")
	case StatusRefused, StatusCancelled, StatusVoided:
		return nil, ErrCancelled.New("the shipment is %s", s.Status)
	}
	switch c := c.(type) {
	case prepare:
		if s.Status != StatusScheduled {
			return nil, nil
		}
		if len(s.Items) > 0 { // amended since the order was as the copy has it
			c = prepare{customerID: s.CustomerID, items: s.Items, address: s.Address}
		}
		return []Event{Prepared{
			ShipmentID: s.ID, OrderID: s.OrderID, CustomerID: c.customerID, Items: c.items, Address: c.address,
		}}, nil
	case amend:
		return amended(c, s)
	case label:
		return labelled(s)
	case dispatch:
		switch s.Status {
		case StatusScheduled:
			return nil, ErrNotPrepared.New("the shipment is scheduled, and not prepared")
		case StatusPrepared:
			return []Event{Dispatched{
				ShipmentID: s.ID, OrderID: s.OrderID, TrackingNumber: s.TrackingNumber,
				DispatchedAt: c.at.UTC().Format(time.RFC3339Nano),
			}}, nil
		}
		return nil, nil
	case deliver:
		switch s.Status {
		case StatusDispatched:
			return []Event{Delivered{
				ShipmentID: s.ID, OrderID: s.OrderID, DispatchedAt: s.DispatchedAt, StockClosed: s.StockClosed,
			}}, nil
		case StatusDelivered:
			return nil, nil
		}
		return nil, ErrNotDispatched.New("the shipment is %s", s.Status)
	}
	return nil, fmt.Errorf("shipment: unknown command %T", c)
}

// Evolve folds an event into a shipment.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Scheduled:
		s = State{
			ID: e.ShipmentID, OrderID: e.OrderID, Revision: max(e.Revision, 1), Status: StatusScheduled,
			TrackingNumber: e.TrackingNumber,
		}
	case Refused:
		s = State{ID: e.ShipmentID, OrderID: e.OrderID, Status: StatusRefused, Code: e.Code, Detail: e.Detail}
	case Prepared:
		s.Status, s.CustomerID, s.Items, s.Address = StatusPrepared, e.CustomerID, e.Items, e.Address
	case Amended:
		s.CustomerID, s.Items, s.Address = e.CustomerID, e.Items, e.Address
	case Labelled:
		s.Labelled = true
	case Dispatched:
		s.Status, s.DispatchedAt, s.StockClosed = StatusDispatched, e.DispatchedAt, e.StockClosed
	case Delivered:
		s.Status = StatusDelivered
	case Cancelled:
		s.Status, s.Cancelled = StatusCancelled, e
	case Voided:
		s = State{ID: e.ShipmentID, OrderID: e.OrderID, Status: StatusVoided}
	}
	return s
}

// fault is what a refused shipment was refused with.
func (s State) fault() *faults.Fault {
	if spec, ok := faults.Lookup(s.Code); ok {
		return spec.New("%s", s.Detail)
	}
	return &faults.Fault{Kind: faults.Rule, Code: s.Code, Detail: s.Detail} // of a release that knew more codes
}
