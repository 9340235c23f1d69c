package stock

import (
	"orderflow/shared/es"
	"orderflow/shared/faults"
)

// ReservationState is a reservation, folded.
type ReservationState struct {
	ID      string
	OrderID string
	Status  es.AttemptStatus
	Items   []Item // those that are reserved or were; none where nothing ever was
	// Committed: the items have left. The attempt is done for good.
	Committed bool
	Code      string // of the fault that it was refused with
	Detail    string // of that fault
}

// EvolveReservation folds an event into a reservation.
func EvolveReservation(s ReservationState, e ReservationEvent) ReservationState {
	switch e := e.(type) {
	case Reserved:
		s = ReservationState{ID: e.ReservationID, OrderID: e.OrderID, Status: es.AttemptDone, Items: e.Items}
	case Refused:
		s = ReservationState{ID: e.ReservationID, OrderID: e.OrderID, Status: es.AttemptRefused, Code: e.Code, Detail: e.Detail}
	case Released:
		s.Status = es.AttemptUndone
	case Committed:
		s.Committed = true
	case Voided:
		s = ReservationState{ID: e.ReservationID, OrderID: e.OrderID, Status: es.AttemptVoided}
	}
	return s
}

// fault is what a refused reservation was refused with.
func (s ReservationState) fault() *faults.Fault {
	if spec, ok := faults.Lookup(s.Code); ok {
		return spec.New("%s", s.Detail)
	}
	return &faults.Fault{Kind: faults.Rule, Code: s.Code, Detail: s.Detail} // of a release that knew more codes
}

// State is a SKU, folded. How many pieces there are stands in the counters alone: reservations and departures change it without an event of the SKU's.
type State struct {
	Known bool // somebody has counted it
}

// Decider decides for a SKU's stream.
var Decider = es.Decider[count, State, Event]{Initial: func() State { return State{} }, Decide: decide, Evolve: Evolve}

// Evolve folds an event into a SKU.
func Evolve(State, Event) State { return State{Known: true} }

// decide takes the difference against what was on hand: what is reserved stays reserved. The number that was on hand before is news where pieces are reserved:
// they may have left, and then it is without them.
func decide(c count, s State) ([]Event, error) {
	if c.OnHand < 0 || c.OnHand > MaxOnHand {
		return nil, ErrInvalidQuantity.Field("body.onHand", "0 to %d pieces of a SKU are on hand, not %d", MaxOnHand, c.OnHand)
	}
	if s.Known && c.OnHand == c.Before && c.Reserved == 0 {
		return nil, nil
	}
	return []Event{Restocked{SKU: c.SKU, Delta: c.OnHand - c.Before, Counted: c.OnHand}}, nil
}
