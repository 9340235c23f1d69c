package stock

import (
	"context"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
)

// Amended: the order wants other items. Only the difference has moved, in the transaction of the
// order's own event.
type Amended struct {
	ReservationID string `json:"reservationId"`
	OrderID       string `json:"orderId"`
	Items         []Item `json:"items"`              // all that are reserved from here on; one an SKU, ordered by SKU
	Taken         []Item `json:"taken,omitempty"`    // of them, those that were not reserved before
	Returned      []Item `json:"returned,omitempty"` // that were, and are anybody's again
	// Where a SKU is split into shards: the rows that all are reserved in from here on, those that
	// were taken from, and those in which what is returned was reserved.
	Rows         []Item `json:"rows,omitempty"`
	TakenFrom    []Item `json:"takenFrom,omitempty"`
	ReturnedFrom []Item `json:"returnedFrom,omitempty"`
	Marks        Marks  `json:"marks,omitempty"`
	// Waiting are SKUs of what is returned that others wait for.
	Waiting []string `json:"waiting,omitempty"`
}

func (Amended) reservationEvent() {}

// changed is what an amendment changed in the rows.
func (e Amended) changed() []Change {
	return slices.Concat(
		taken(rowsOf(e.TakenFrom, e.Taken), e.Marks), returned(rowsOf(e.ReturnedFrom, e.Returned), e.Marks),
	)
}

// Amendment gives, at each try, what the append of an order's amendment writes besides, so that
// exactly the items are reserved for one revision of the order from that very moment on. Nothing
// moves but the difference: what stays reserved was never anybody else's, even for a moment, and
// only what is added has to be available. Nothing is to be written where just those are reserved.
//
// ErrNotReserved where nothing is, ErrCommitted where the items have left, ErrInvalidQuantity for
// what no stock could satisfy. The append is refused with Insufficient where too few of what is
// added are available, with ErrInconsistent where the counters can't follow, and with an
// es.ErrConflict where another try is due.
func (s Service) Amendment(
	orderID string, revision int64, items []Item,
) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
	marks, waiting, shortage, split := Marks{}, Waiting{}, Shortage{}, map[string]bool{}
	return func(ctx context.Context, req es.Request) ([]es.Commit, []es.Effect, error) {
		wanted, err := demand(items)
		if err != nil {
			return nil, nil, err
		}
		state, history, err := s.reservation(ctx, orderID, revision)
		switch {
		case err != nil:
			return nil, nil, err
		case state.Departed:
			return nil, nil, ErrCommitted.New("the reserved items have left the warehouse")
		case state.Status != es.AttemptDone:
			return nil, nil, ErrNotReserved.New("the reservation is %s", state.Status)
		}
		event := Amended{ReservationID: state.ID, OrderID: state.OrderID, Items: wanted}
		event.Taken, event.Returned = goods.Difference(state.Items, wanted)
		rows, err := s.placeAfter(ctx, shortage, split, rooms{}, event.Taken, state.ID)
		switch {
		case len(shortage) > 0: // by rows that were read one by one
			return []es.Commit{req.Commit(history.Head, event)}, []es.Effect{s.deps.Counters.Lacks(shortage)}, nil
		case err != nil:
			return nil, nil, err
		}
		if event, err = event.in(state, rows); err != nil {
			return nil, nil, err
		}
		var effects []es.Effect
		if len(rows) > 0 {
			effects = append(effects, s.deps.Counters.Reserve(rows, marks, shortage))
		}
		if len(event.Returned) > 0 {
			effects = append(effects, s.giveBack(rowsOf(event.ReturnedFrom, event.Returned), marks, waiting))
		}
		if len(effects) == 0 {
			return nil, nil, nil
		}
		event.Marks, event.Waiting = marks.on(event.changed()), waiting.of(event.Returned)
		return []es.Commit{req.Commit(history.Head, event)}, effects, nil
	}
}

// in says in which rows the amendment of a reservation takes and gives back. What is taken comes
// from rows. ErrInvalidQuantity where all of them are more than a transaction takes.
func (e Amended) in(state ReservationState, rows []Item) (Amended, error) {
	before := rowsOf(state.Rows, state.Items)
	back := parts(before, e.Returned)
	stay, _ := goods.Difference(back, slices.Concat(before, rows))
	if wide(stay) || wide(slices.Concat(back, rows)) {
		return e, ErrInvalidQuantity.New("the items are in too many rows of stock to be changed at once; change fewer")
	}
	e.Rows = unlike(stay, e.Items)
	e.TakenFrom, e.ReturnedFrom = unlike(rows, e.Taken), unlike(back, e.Returned)
	return e, nil
}

// parts says from which rows items are taken, out of those that have them.
func parts(rows, items []Item) (out []Item) {
	for _, item := range items {
		for _, row := range rows {
			if n := min(row.Quantity, item.Quantity); n > 0 && SKUOf(row.SKU) == item.SKU {
				out = append(out, Item{SKU: row.SKU, Quantity: n})
				item.Quantity -= n
			}
		}
	}
	return out
}
