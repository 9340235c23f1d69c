package orders

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
	"orderflow/shared/shop/order"
)

// The lists, an index each. An order is in the last one until it is cancelled or delivered.
const (
	byCustomer       = view.Index1 // <customer>: <placedAt>#<order>
	byCustomerStatus = view.Index2 // <customer>#<status>: <placedAt>#<order>
	standing         = view.Index3 // open, failed, waiting-<slot> or shipped-<slot>: <updatedAt>#<order>
)

// The lists of orders that are to go on.
const (
	standingOpen    = "open"     // the saga is not through
	standingFailed  = "failed"   // its undo waits for people
	standingWaiting = "waiting-" // and a slot: confirmed, and waits for its shipment to leave
	standingShipped = "shipped-" // and a slot: on its way. Some are for ever, since nobody says that they arrived
)

// Slots is how many lists the orders that wait are spread over, by their ids: orders wait for days,
// and who looks through them looks at a part at a time.
const Slots = 12

func waiting(slot int) string { return standingWaiting + strconv.Itoa(slot) }
func shipped(slot int) string { return standingShipped + strconv.Itoa(slot) }

// Slot is the one that an order has while it waits or is on its way.
func Slot(id string) int { return view.Slot(id, Slots) }

func statusList(customerID string, s order.Status) string { return customerID + "#" + string(s) }

func keys(id string, r Row) []view.Key {
	if r.Status == "" {
		return nil // the stream begins with something else than an order
	}
	placed := view.TimeKey(r.PlacedAt, id)
	in := []view.Key{
		{Index: byCustomer, Partition: r.CustomerID, Sort: placed},
		{Index: byCustomerStatus, Partition: statusList(r.CustomerID, r.Status), Sort: placed},
	}
	list := standingOpen
	switch {
	case r.Status == order.StatusConfirmed:
		list = waiting(Slot(id))
	case r.Status == order.StatusShipped:
		list = shipped(Slot(id))
	case r.Status.Final():
		return in
	case r.Saga.State == order.SagaFailed:
		list = standingFailed
	}
	return append(in, view.Key{Index: standing, Partition: list, Sort: view.TimeKey(r.UpdatedAt, id)})
}

// Lists reads the lists of the view. It is a Reader, and what the sweep looks through.
type Lists struct{ rows *view.Reader[Row] }

// NewLists reads lists from a table of views.
func NewLists(source view.Source, c clock.Clock) Lists {
	return Lists{rows: view.NewReader(View, source, c)}
}

// List implements Reader.
func (l Lists) List(ctx context.Context, customerID string, q Query) (Page, error) {
	limit, from, err := q.Check(customerID)
	if err != nil {
		return Page{}, err
	}
	list := view.Query{Descending: true, Limit: limit + 1}
	if from != (Position{}) {
		list.Before = view.TimeKey(from.PlacedAt, from.OrderID)
	}
	var rows []Row
	for listed, err := range l.Of(ctx, customerID, q.Status, list) {
		if err != nil {
			return Page{}, err
		}
		if rows = append(rows, listed.Row); len(rows) > limit {
			break
		}
	}
	return q.NewPage(customerID, limit, rows), nil
}

// Of reads a customer's orders of a status, "" for all, by the time when they were placed. Which
// list it is that part is of follows from that.
func (l Lists) Of(
	ctx context.Context, customerID string, status order.Status, part view.Query,
) iter.Seq2[view.Listed[Row], error] {
	if part.Index, part.Partition = byCustomer, customerID; status != "" {
		part.Index, part.Partition = byCustomerStatus, statusList(customerID, status)
	}
	return l.rows.List(ctx, part)
}

// Dated says which orders of a list are meant, by the date of the last change of each: those that
// were changed before one time, and those whose change is dated after another. That is in the
// future: the clock that dated it was wrong, and nobody knows when it was.
type Dated struct{ Before, After time.Time }

// Listed is an order in a list.
type Listed struct {
	ID    string
	Place string // in the list, to go on after
}

// Open gives the orders on which the saga is not through, those with the oldest date first. It
// reads as the caller goes on. The list lags, so the order itself may have moved on. A row that
// can't be read is an es.ErrCorrupt, behind which it goes on.
func (l Lists) Open(ctx context.Context, dated Dated) iter.Seq2[Listed, error] {
	return l.standing(ctx, standingOpen, dated, "")
}

// Failed gives the orders whose undo has failed, like Open.
func (l Lists) Failed(ctx context.Context, dated Dated) iter.Seq2[Listed, error] {
	return l.standing(ctx, standingFailed, dated, "")
}

// Waiting gives the orders of a slot, 0 to Slots-1, that are confirmed, behind a place or from the
// beginning, like Open.
func (l Lists) Waiting(ctx context.Context, slot int, dated Dated, after string) iter.Seq2[Listed, error] {
	return l.standing(ctx, waiting(slot), dated, after)
}

// Shipped gives the orders of a slot that are shipped, like Waiting.
func (l Lists) Shipped(ctx context.Context, slot int, dated Dated, after string) iter.Seq2[Listed, error] {
	return l.standing(ctx, shipped(slot), dated, after)
}

// standing reads both parts of a list, a query each.
func (l Lists) standing(ctx context.Context, list string, dated Dated, after string) iter.Seq2[Listed, error] {
	before, ahead := view.Time(dated.Before), view.Time(dated.After)
	parts := []view.Query{
		{Index: standing, Partition: list, After: after, Before: before},
		{Index: standing, Partition: list, After: max(after, ahead)},
	}
	if after >= before {
		parts = parts[1:]
	}
	return func(yield func(Listed, error) bool) {
		for _, q := range parts {
			for listed, err := range l.rows.List(ctx, q) {
				if !yield(Listed{ID: listed.ID, Place: listed.Sort}, err) || err != nil &&
					!errors.Is(err, es.ErrCorrupt) {
					return
				}
			}
		}
	}
}
