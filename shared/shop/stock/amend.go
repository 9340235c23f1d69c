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
	Marks         Marks  `json:"marks,omitempty"`
}

func (Amended) reservationEvent() {}

// changed is what an amendment changed in the rows.
func (e Amended) changed() []Change {
	return slices.Concat(
		changes(e.Taken, e.Marks, func(i Item) Numbers {
			return Numbers{Available: -i.Quantity, Reserved: i.Quantity}
		}),
		changes(e.Returned, e.Marks, func(i Item) Numbers {
			return Numbers{Available: i.Quantity, Reserved: -i.Quantity}
		}),
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
	marks := Marks{}
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
		taken, returned := goods.Difference(state.Items, wanted)
		var effects []es.Effect
		if len(taken) > 0 {
			effects = append(effects, s.deps.Counters.Reserve(taken, marks, Shortage{}))
		}
		if len(returned) > 0 {
			effects = append(effects, s.deps.Counters.Release(returned, marks))
		}
		if len(effects) == 0 {
			return nil, nil, nil
		}
		event := Amended{
			ReservationID: state.ID, OrderID: state.OrderID, Items: wanted, Taken: taken, Returned: returned,
			Marks: marks.of(slices.Concat(taken, returned)),
		}
		return []es.Commit{req.Commit(history.Head, event)}, effects, nil
	}
}
