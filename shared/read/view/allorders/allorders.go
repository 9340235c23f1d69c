// Package allorders lists the orders of all customers for operators, newest first. The rows are
// those of the view of orders.
package allorders

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/order"
)

// Query says which orders to list.
type Query struct {
	Status     order.Status // "" for any
	CustomerID string       // "" for anybody
	SKU        string       // "" for any; else those that have a line of it now
	After      time.Time    // placed then or later; zero for any
	Before     time.Time    // placed before then; zero for any
	Limit      int          // rows of a page, 1 to orders.MaxLimit; 0 is orders.DefaultLimit
	Cursor     string       // the Next of the page before, "" for the first page
}

// Reader lists orders.
type Reader interface {
	// List gives orders, newest first. A query that can't be is orders.ErrInvalidQuery, a cursor
	// that does not belong to it orders.ErrInvalidCursor. A row shows up a moment after its event.
	// An order that the list has from its first page to its last is on one page.
	List(ctx context.Context, q Query) (orders.Page, error)
}

// Lists is a Reader on a table of views.
type Lists struct{ orders orders.Lists }

// NewLists reads lists from a table of views.
func NewLists(source view.Source, c clock.Clock) Lists {
	return Lists{orders: orders.NewLists(source, c)}
}

// List implements Reader.
func (l Lists) List(ctx context.Context, q Query) (orders.Page, error) {
	limit, after, before, err := q.Check()
	if err != nil || before != "" && before <= after {
		return orders.Page{}, err
	}
	part := view.Query{After: after, Before: before, Descending: true, Limit: limit + 1}
	if q.SKU != "" {
		return l.search(ctx, q, limit, part)
	}
	var page orders.Page
	last := ""
	for listed, err := range l.rows(ctx, q, part) {
		if err != nil {
			return orders.Page{}, err
		}
		if len(page.Rows) == limit {
			page.Next = view.NewCursor(q.list(), last)
			break
		}
		page.Rows, last = append(page.Rows, listed.Row), listed.Sort
	}
	return page, nil
}

// MaxLooked is how many orders a page looks at for a SKU. There is no list by SKU: an entry for
// each line of each order would cost more than all that operators look for. A row is a read unit,
// so a page costs what a write of 200 entries does.
const MaxLooked = 1000

// search is a page of those orders that have the SKU. It ends where it is full, or where it has
// looked at MaxLooked orders; Next goes on behind the last of them.
func (l Lists) search(ctx context.Context, q Query, limit int, part view.Query) (page orders.Page, err error) {
	part.Limit = MaxLooked + 1
	last := ""
	for listed, err := range l.rows(ctx, q, part) {
		if err != nil {
			return orders.Page{}, err
		}
		if len(page.Rows) == limit || page.Looked == MaxLooked {
			page.Next = view.NewCursor(q.list(), last)
			break
		}
		page.Looked, page.Through, last = page.Looked+1, listed.Row.PlacedAt, listed.Sort
		if listed.Row.Holds(q.SKU) {
			page.Rows = append(page.Rows, listed.Row)
		}
	}
	return page, nil
}

// rows reads the list that a query means. A customer's are in one partition of their own.
func (l Lists) rows(ctx context.Context, q Query, part view.Query) iter.Seq2[view.Listed[orders.Row], error] {
	if q.CustomerID != "" {
		return l.orders.Of(ctx, q.CustomerID, q.Status, part)
	}
	return l.orders.All(ctx, q.Status, part)
}

// Check says what is wrong with a query; else it gives the limit that is meant, and the places of
// the list between which the page lies, "" for no end.
func (q Query) Check() (limit int, after, before string, err error) {
	if q.Status != "" && !slices.Contains(order.Statuses(), q.Status) {
		return 0, "", "", orders.ErrInvalidQuery.Field("query.status", "%q is no status of an order", q.Status)
	}
	if limit = q.Limit; limit == 0 {
		limit = orders.DefaultLimit
	}
	if limit < 1 || limit > orders.MaxLimit {
		return 0, "", "", orders.ErrInvalidQuery.Field(
			"query.limit", "expected 1 to %d, got %d", orders.MaxLimit, limit,
		)
	}
	if !q.After.IsZero() {
		after = view.Time(q.After)
	}
	if !q.Before.IsZero() {
		before = view.Time(q.Before)
	}
	if before != "" && before <= after {
		return 0, "", "", orders.ErrInvalidQuery.Field("query.placedBefore", "expected a time after placedAfter")
	}
	if q.Cursor == "" {
		return limit, after, before, nil
	}
	place, err := view.ParseCursor(q.Cursor, q.list())
	switch {
	case errors.Is(err, view.ErrOtherCursor):
		return 0, "", "", orders.ErrInvalidCursor.Field(
			"query.cursor", "the cursor belongs to a list with another filter",
		)
	case err != nil:
		return 0, "", "", orders.ErrInvalidCursor.Field(
			"query.cursor", "malformed cursor; send the next value of the previous page",
		)
	case before == "" || place < before:
		before = place
	}
	return limit, after, before, nil
}

// list names the list of a query: all that it asks for but the page.
func (q Query) list() string {
	list := []string{"orders", string(q.Status), q.CustomerID, bound(q.After), bound(q.Before)}
	if q.SKU != "" { // cursors of lists without one stay valid
		list = append(list, q.SKU)
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("allorders: strings always encode: " + err.Error())
	}
	return string(text)
}

func bound(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return view.Time(t)
}
