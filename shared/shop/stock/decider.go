package stock

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
)

// ReservationState is a reservation, folded.
type ReservationState struct {
	ID      string
	OrderID string
	Status  es.AttemptStatus
	Items   []Item // those that are reserved, were, or are waited for; none where nothing ever was
	Rows    []Item // that they are reserved in, by row; none where each is in its SKU's own
	// Places are where it stands in lines, while it waits; Revision is the order's then.
	Places   []Place
	Revision int64
	// Departed: the items have left, and the attempt is done for good.
	Departed  bool
	Committed bool   // closed: the order has left, and nothing follows any more
	Code      string // of the fault that it was refused with
	Detail    string // of that fault
}

// quantity is how many pieces of a SKU the reservation has or had.
func (s ReservationState) quantity(sku string) int64 {
	for _, item := range s.Items {
		if item.SKU == sku {
			return item.Quantity
		}
	}
	return 0
}

// Short is what a reservation that waits stands in lines for.
func (s ReservationState) Short() []Item {
	items := make([]Item, len(s.Places))
	for i, p := range s.Places {
		items[i] = Item{SKU: p.SKU, Quantity: p.Quantity}
	}
	return items
}

// EvolveReservation folds an event into a reservation.
func EvolveReservation(s ReservationState, e ReservationEvent) ReservationState {
	switch e := e.(type) {
	case Reserved:
		s = ReservationState{
			ID: e.ReservationID, OrderID: e.OrderID, Status: es.AttemptDone, Items: e.Items, Rows: e.Rows,
		}
	case Backordered:
		s = ReservationState{
			ID: e.ReservationID, OrderID: e.OrderID, Status: es.AttemptWaiting, Items: e.Items, Places: e.Places,
			Revision: e.Revision,
		}
	case Refused:
		s = ReservationState{
			ID: e.ReservationID, OrderID: e.OrderID, Status: es.AttemptRefused, Code: e.Code, Detail: e.Detail,
		}
	case Amended:
		s.Items, s.Rows = e.Items, e.Rows
	case Released:
		s.Status = es.AttemptUndone
	case Departed:
		s.Departed = true
	case Committed:
		s.Departed, s.Committed = true, true
	case Voided:
		s = ReservationState{ID: e.ReservationID, OrderID: e.OrderID, Status: es.AttemptVoided}
	}
	return s
}

// fault is what a refused reservation was refused with, and that one waits which does.
func (s ReservationState) fault() *faults.Fault {
	if s.Status == es.AttemptWaiting {
		return backordered(s.Places)
	}
	if spec, ok := faults.Lookup(s.Code); ok {
		return spec.New("%s", s.Detail)
	}
	return &faults.Fault{Kind: faults.Rule, Code: s.Code, Detail: s.Detail} // of a release that knew more codes
}

// State is a SKU, folded. How many pieces there are stands in the counters alone: reservations and
// departures change it without an event of the SKU's.
type State struct {
	Known bool // somebody has counted it
}

// Decider decides for a SKU's stream.
var Decider = es.Decider[adjustment, State, Event]{
	Initial: func() State { return State{} }, Decide: decide, Evolve: Evolve,
}

// Evolve folds an event into a SKU.
func Evolve(State, Event) State { return State{Known: true} }

// decide takes the difference against what was on hand: what is reserved stays reserved.
func decide(c adjustment, s State) ([]Event, error) {
	if err := checkOnHand(c.OnHand); err != nil {
		return nil, err
	}
	if s.Known && c.OnHand == c.Before {
		return nil, nil
	}
	return []Event{Restocked{SKU: c.SKU, Delta: c.OnHand - c.Before, Counted: c.OnHand}}, nil
}
