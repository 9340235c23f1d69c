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

// The lists, an index each. What an order is sorted by never changes, so an order changes its place
// in the last one alone, by leaving one status's list for another's.
const (
	byCustomer = view.Index1 // <customer>: <placedAt>#<order>
	byTime     = view.Index2 // <part>: <placedAt>#<order>
	byStatus   = view.Index3 // <status>#<part>: <placedAt>#<order>
)

// Parts is how many partitions each list of all customers' orders is spread over. A page reads them
// all; they take 4,000 writes a second. Another number needs a rebuild.
const Parts = 4

// Slots is how many parts the orders of a status are looked through in, by their ids: orders wait
// for days, and who looks through them looks at a part at a time. It is a multiple of Parts, so
// that the orders of a slot are in one partition.
const Slots = 3 * Parts

// Slot is the one that an order is in.
func Slot(id string) int { return view.Slot(id, Slots) }

func partOf(list string, part int) string { return list + strconv.Itoa(part) }

func statusList(s order.Status) string { return string(s) + "#" }

func keys(id string, r Row) []view.Key {
	if r.Status == "" {
		return nil // the stream begins with something else than an order
	}
	placed, part := view.TimeKey(r.PlacedAt, id), view.Slot(id, Parts)
	return []view.Key{
		{Index: byCustomer, Partition: r.CustomerID, Sort: placed},
		{Index: byTime, Partition: partOf("", part), Sort: placed},
		{Index: byStatus, Partition: partOf(statusList(r.Status), part), Sort: placed},
	}
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
// list it is that part is of follows from that. There is no list by status of each customer: the
// customer's orders are read until there are enough of the status.
func (l Lists) Of(
	ctx context.Context, customerID string, status order.Status, part view.Query,
) iter.Seq2[view.Listed[Row], error] {
	part.Index, part.Partition = byCustomer, customerID
	if status == "" {
		return l.rows.List(ctx, part)
	}
	part.Limit = MaxLimit
	return matching(l.rows.List(ctx, part), func(r Row) bool { return r.Status == status })
}

// All reads the orders of all customers of a status, "" for all, like Of.
func (l Lists) All(ctx context.Context, status order.Status, part view.Query) iter.Seq2[view.Listed[Row], error] {
	if part.Index = byTime; status == "" {
		return l.rows.Spread(ctx, part, partsOf(""))
	}
	part.Index = byStatus
	return l.rows.Spread(ctx, part, partsOf(statusList(status)))
}

// partsOf are the partitions of lists that are spread over them.
func partsOf(lists ...string) []string {
	var all []string
	for _, list := range lists {
		for i := range Parts {
			all = append(all, partOf(list, i))
		}
	}
	return all
}

// matching are those orders of a list that a filter takes, and what can't be read.
func matching(list iter.Seq2[view.Listed[Row], error], takes func(Row) bool) iter.Seq2[view.Listed[Row], error] {
	return func(yield func(view.Listed[Row], error) bool) {
		for listed, err := range list {
			if (err != nil || takes(listed.Row)) && !yield(listed, err) {
				return
			}
		}
	}
}

// Dated says which orders of a list are meant, by a date of each: those dated before one time, and
// those dated after another. That is in the future: the clock that dated it was wrong, and nobody
// knows when it was.
type Dated struct{ Before, After time.Time }

func (d Dated) has(at time.Time) bool { return at.Before(d.Before) || at.After(d.After) }

// Listed is an order in a list.
type Listed struct {
	ID    string
	Place string // in the list, to go on after
}

// Open gives the orders on which the saga is not through, by when they were placed and when they
// last changed: both are so dated, and the deadline of one that waits is past by then too. Those
// that were placed first come first. It reads as the caller goes on. The list lags, so the order
// itself may have moved on. A row that can't be read is an es.ErrCorrupt, behind which it goes on.
func (l Lists) Open(ctx context.Context, dated Dated) iter.Seq2[Listed, error] {
	return l.unfinished(ctx, dated, append(order.OpenStatuses(), order.StatusCancelling), false)
}

// Failed gives the orders whose undo has failed, like Open.
func (l Lists) Failed(ctx context.Context, dated Dated) iter.Seq2[Listed, error] {
	return l.unfinished(ctx, dated, []order.Status{order.StatusCancelling}, true)
}

// Waiting gives the orders of a slot, 0 to Slots-1, that are confirmed, behind a place or from the
// beginning, by when they were placed. It reads no rows, so they may have changed since.
func (l Lists) Waiting(ctx context.Context, slot int, dated Dated, after string) iter.Seq2[Listed, error] {
	return l.slot(ctx, order.StatusConfirmed, slot, dated, after)
}

// Shipped gives the orders of a slot that are shipped, like Waiting. Some are for ever, since
// nobody says that they arrived.
func (l Lists) Shipped(ctx context.Context, slot int, dated Dated, after string) iter.Seq2[Listed, error] {
	return l.slot(ctx, order.StatusShipped, slot, dated, after)
}

func (l Lists) unfinished(
	ctx context.Context, dated Dated, statuses []order.Status, failed bool,
) iter.Seq2[Listed, error] {
	var lists []string
	for _, s := range statuses {
		lists = append(lists, statusList(s))
	}
	return func(yield func(Listed, error) bool) {
		for _, q := range dated.queries("") {
			for listed, err := range matching(l.rows.Spread(ctx, q, partsOf(lists...)), func(r Row) bool {
				return dated.has(r.UpdatedAt) && !r.WaitsUntil.After(dated.Before) &&
					(r.Saga.State == order.SagaFailed) == failed
			}) {
				if !yield(Listed{ID: listed.ID, Place: listed.Sort}, err) || err != nil &&
					!errors.Is(err, es.ErrCorrupt) {
					return
				}
			}
		}
	}
}

func (l Lists) slot(
	ctx context.Context, status order.Status, slot int, dated Dated, after string,
) iter.Seq2[Listed, error] {
	partition := []string{partOf(statusList(status), slot%Parts)}
	return func(yield func(Listed, error) bool) {
		for _, q := range dated.queries(after) {
			for member, err := range l.rows.Members(ctx, q, partition) {
				if err == nil && Slot(member.ID) != slot {
					continue
				}
				if !yield(Listed{ID: member.ID, Place: member.Sort}, err) || err != nil {
					return
				}
			}
		}
	}
}

// queries are those of the parts of a list by status that are so dated, behind a place or from the
// beginning.
func (d Dated) queries(after string) []view.Query {
	before, ahead := view.Time(d.Before), view.Time(d.After)
	both := []view.Query{
		{Index: byStatus, After: after, Before: before}, {Index: byStatus, After: max(after, ahead)},
	}
	if after >= before {
		return both[1:]
	}
	return both
}
