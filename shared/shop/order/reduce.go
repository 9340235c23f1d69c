package order

import (
	"context"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
)

// ReasonPartial is why an order goes on without pieces that were not there.
const ReasonPartial Reason = "stock.partial"

// Reduce has an order be for what is reserved for it, where that is less than was ordered. Nothing
// was charged or scheduled by then.
type Reduce struct {
	Revision int64        // of the reservation
	Items    []goods.Item // that are reserved
}

func (Reduce) orderCommand() {}

// reduce: what is reserved follows from the reservation's own events, so all runs reduce an order
// alike. Once the order has gone further, it is for what is reserved.
func reduce(c Reduce, s State) ([]Event, error) {
	switch {
	case s.Status == StatusCancelling || s.Status == StatusCancelled:
		return nil, ErrCancelling.New("the order is %s", s.Status)
	case s.unapproved():
		return nil, ErrHeld.New("the order waits for approval")
	case s.Status != StatusPlaced || c.Revision != s.StockRevision:
		return nil, nil
	}
	kept, rest, err := divide(s.Lines, c.Items)
	if err != nil {
		return nil, err
	}
	_, removed := goods.Difference(itemsOf(s.Lines), itemsOf(kept))
	if len(removed) == 0 {
		return nil, nil
	}
	total, err := Total(kept)
	if err != nil {
		return nil, err
	}
	if !s.OutOfStock.Waits() {
		rest = nil
	}
	return []Event{Amended{
		Revision: s.Revision + 1, Lines: kept, Total: total,
		Difference: money.Money{Amount: total.Amount - s.Total.Amount, Currency: total.Currency}, // both 0 to MaxTotal
		Removed:    removed, PricedBy: s.PricedBy, By: OriginSaga, Reason: ReasonPartial,
		Rest: rest,
	}}, nil
}

// divide divides lines into those of the pieces that are there, and those of the rest. Lines of one
// SKU get theirs in their order. A line that is divided keeps its share of discount and tax for
// what is there, and what is left of them is the rest's: together they come to what it came to.
func divide(lines []Line, there []goods.Item) (kept, rest []Line, err error) {
	left := map[string]int64{}
	for _, item := range there {
		left[item.SKU] += item.Quantity
	}
	for _, l := range lines {
		n := min(l.Quantity, left[l.SKU])
		left[l.SKU] -= n
		switch n {
		case l.Quantity:
			kept = append(kept, l)
		case 0:
			rest = append(rest, l)
		default:
			part, err := l.reducedTo(n)
			if err != nil {
				return nil, nil, err
			}
			kept, rest = append(kept, part), append(rest, l.without(part))
		}
	}
	return kept, rest, nil
}

// without is what is left of a line that a part of it was taken from.
func (l Line) without(part Line) Line {
	l.Quantity -= part.Quantity
	l.Discount, l.Tax = l.Discount.without(part.Discount), l.Tax.without(part.Tax)
	return l
}

func (a *Adjustment) without(part *Adjustment) *Adjustment {
	if a == nil {
		return nil
	}
	left := *a
	left.Amount.Amount -= part.Amount.Amount // a share of it
	return &left
}

// missing adds up what an order has gone on without.
func (s State) missing(e Amended) []goods.Item {
	if e.Reason != ReasonPartial {
		return s.Missing
	}
	return goods.Sum(slices.Concat(s.Missing, e.Removed))
}

// Reduce has an order be for what its reservation has, where that is less than was ordered.
// reserved tells, at each try behind the order, what it has. ErrCancelling where somebody closed
// the order. What is so already changes nothing.
func (s Service) Reduce(
	ctx context.Context, req es.Request, orderID string, revision int64,
	reserved func(context.Context) ([]goods.Item, error),
) (es.Result[State], error) {
	began := s.deps.Clock.Now()
	res, err := s.handler.HandleWith(ctx, orderID, req, func(ctx context.Context, state State) (Command, error) {
		if state.Status != StatusPlaced { // nothing may be reserved any more
			return Reduce{Revision: revision}, nil
		}
		items, err := reserved(ctx)
		return Reduce{Revision: revision, Items: items}, err
	})
	if err == nil {
		s.deps.Recent.remember(orderID, res, began)
	}
	return res, err
}
