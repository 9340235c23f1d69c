package stock

import (
	"context"
	"time"

	"orderflow/shared/kit/es"
)

// Movement is what an order did to a SKU at one time.
type Movement struct {
	Kind     string // the event's name: "stock.reserved"
	OrderID  string
	Revision int64 // of the order
	Time     time.Time
	Quantity int64 // pieces that were moved, or that the order waits for
	// By how much the numbers of the SKU changed.
	Available, OnHand int64
	Metadata          es.Metadata // of the event
}

// Movements are those of a SKU that one reservation made, oldest first; none where there is no such
// reservation. What changed nothing is left out, but for a wait.
func (s Service) Movements(ctx context.Context, orderID string, revision int64, sku string) ([]Movement, error) {
	h, err := s.deps.Store.Load(ctx, es.NewStreamID(ReservationCategory, ReservationID(orderID, revision)), 0)
	if err != nil {
		return nil, err
	}
	var all []Movement
	for _, r := range h.Events {
		m := Movement{Kind: r.Type, OrderID: orderID, Revision: revision, Time: r.Time, Metadata: r.Metadata}
		switch e := r.Data.(type) {
		case Reserved:
			m.Quantity = of(sku, e.Items)
			m.Available = -m.Quantity
		case Backordered:
			m.Quantity = of(sku, e.Items)
		case Amended:
			m.Available = of(sku, e.Returned) - of(sku, e.Taken)
			m.Quantity = max(m.Available, -m.Available)
		case Released:
			m.Quantity = of(sku, e.Items)
			m.Available = m.Quantity
		case Departed:
			m.Quantity = of(sku, e.Items)
			m.OnHand = -m.Quantity
		case Committed: // moves what did not depart by an event of its own
			if !e.Departed {
				m.Quantity = of(sku, e.Items)
				m.Available, m.OnHand = e.left(sku, m.Quantity)
			}
		}
		if m.Quantity > 0 {
			all = append(all, m)
		}
	}
	return all, nil
}

// left is how the books' closing changed the numbers of a SKU: it left, but where an earlier
// release had counted it off.
func (e Committed) left(sku string, quantity int64) (available, onHand int64) {
	for _, counted := range e.CountedOff {
		if counted == sku {
			return quantity, 0
		}
	}
	return 0, -quantity
}

// of is how many pieces of a SKU are among items.
func of(sku string, items []Item) (quantity int64) {
	for _, item := range items {
		if item.SKU == sku {
			quantity += item.Quantity
		}
	}
	return quantity
}
