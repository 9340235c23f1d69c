package shipment

import (
	"orderflow/shared/es"
	"orderflow/shared/faults"
)

// State is a shipment, folded.
type State struct {
	ID             string
	OrderID        string
	Status         es.AttemptStatus
	TrackingNumber string // "" where it was never scheduled
	Code           string // of the fault that it was refused with
	Detail         string // of that fault
}

// Evolve folds an event into a shipment.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Scheduled:
		s = State{ID: e.ShipmentID, OrderID: e.OrderID, Status: es.AttemptDone, TrackingNumber: e.TrackingNumber}
	case Refused:
		s = State{ID: e.ShipmentID, OrderID: e.OrderID, Status: es.AttemptRefused, Code: e.Code, Detail: e.Detail}
	case Cancelled:
		s.Status = es.AttemptUndone
	case Voided:
		s = State{ID: e.ShipmentID, OrderID: e.OrderID, Status: es.AttemptVoided}
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
