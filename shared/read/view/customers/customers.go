// Package customers is the read model of customers: what of their own stream is not personal. Their
// statistics are that, and what the view of orders counts for them: the two are fed by streams of
// their own, and each is as new as its own.
package customers

import (
	"context"
	"errors"
	"strconv"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
)

// View is the read model of the customers' own streams.
var View = view.Definition[Profile]{
	Name: "customers", Category: customer.Category, Events: customer.Register, Evolve: Evolve, Keys: keys,
}

// all is the list of all customers, <slot>: <registeredAt>#<customer>, where slots is how many
// partitions it is spread over.
const (
	all   = view.Index1
	slots = 4
)

func keys(id string, p Profile) []view.Key {
	if !p.Registered {
		return nil // the stream begins with something else than a customer
	}
	return []view.Key{{
		Index: all, Partition: strconv.Itoa(view.Slot(id, slots)), Sort: view.TimeKey(p.RegisteredAt, id),
	}}
}

// Profile is what the customer's own stream says, without personal data.
type Profile struct {
	CustomerID   string    `json:"customerId"`
	Registered   bool      `json:"registered"`
	RegisteredAt time.Time `json:"registeredAt,omitzero"`
	ErasedAt     time.Time `json:"erasedAt,omitzero"`
	Sequence     int64     `json:"version" doc:"Version of the customer's own stream, 0 for none"`
}

// Row is a customer's statistics.
type Row struct {
	Profile
	orders.Counters
}

// Evolve folds an event of a customer's stream. It makes no decision and never fails.
func Evolve(p Profile, e es.Recorded) Profile {
	switch d := e.Data.(type) {
	case customer.Registered:
		p.CustomerID, p.Registered, p.RegisteredAt = d.CustomerID, true, e.Time
	case customer.Erased:
		p.ErasedAt = e.Time
	}
	p.Sequence = e.Version
	return p
}

// Reader reads statistics.
type Reader interface {
	// Statistics gives a customer's row. A customer who never ordered, or whom nobody knows, has
	// zero counters and is not registered.
	Statistics(ctx context.Context, customerID string) (Row, error)
}

// Statistics is a Reader on a table of views.
type Statistics struct {
	profiles *view.Reader[Profile]
	orders   orders.Lists
}

// NewStatistics reads statistics from a table of views.
func NewStatistics(source view.Source, c clock.Clock) Statistics {
	return Statistics{profiles: view.NewReader(View, source, c), orders: orders.NewLists(source, c)}
}

// Statistics implements Reader. It reads consistently: what is missing is still on its way to the
// views.
func (s Statistics) Statistics(ctx context.Context, customerID string) (Row, error) {
	profile, err := s.profiles.Row(ctx, customerID)
	if err != nil {
		return Row{}, err
	}
	profile.CustomerID = customerID
	counters, err := s.orders.Counters(ctx, customerID)
	return Row{Profile: profile, Counters: counters}, err
}

// Query says which customers to list.
type Query struct {
	Limit  int    // rows of a page, 1 to orders.MaxLimit; 0 is orders.DefaultLimit
	Cursor string // the Next of the page before, "" for the first page
}

// Page is a part of the list.
type Page struct {
	Rows []Profile
	Next string // the cursor of the next page, "" where this is the last
}

// Lister lists customers.
type Lister interface {
	// List gives the customers, erased ones too, who registered last first. A query that can't be
	// is orders.ErrInvalidQuery, a cursor that is none orders.ErrInvalidCursor. A row shows up a
	// moment after its event.
	List(ctx context.Context, q Query) (Page, error)
}

// List implements Lister.
func (s Statistics) List(ctx context.Context, q Query) (Page, error) {
	limit, before, err := q.Check()
	if err != nil {
		return Page{}, err
	}
	partitions := make([]string, slots)
	for i := range partitions {
		partitions[i] = strconv.Itoa(i)
	}
	var page Page
	last := ""
	part := view.Query{Index: all, Before: before, Descending: true, Limit: limit + 1}
	for listed, err := range s.profiles.Spread(ctx, part, partitions) {
		if err != nil {
			return Page{}, err
		}
		if len(page.Rows) == limit {
			page.Next = view.NewCursor(cursors, last)
			break
		}
		page.Rows, last = append(page.Rows, listed.Row), listed.Sort
	}
	return page, nil
}

// cursors is the list that the cursors belong to.
const cursors = "customers"

// Check says what is wrong with a query; else it gives the limit that is meant, and the place
// before which the page lies.
func (q Query) Check() (limit int, before string, err error) {
	if limit = q.Limit; limit == 0 {
		limit = orders.DefaultLimit
	}
	if limit < 1 || limit > orders.MaxLimit {
		return 0, "", orders.ErrInvalidQuery.Field("query.limit", "expected 1 to %d, got %d", orders.MaxLimit, limit)
	}
	if q.Cursor == "" {
		return limit, "", nil
	}
	before, err = view.ParseCursor(q.Cursor, cursors)
	switch {
	case errors.Is(err, view.ErrOtherCursor):
		return 0, "", orders.ErrInvalidCursor.Field("query.cursor", "the cursor belongs to another list")
	case err != nil:
		return 0, "", orders.ErrInvalidCursor.Field(
			"query.cursor", "malformed cursor; send the next value of the previous page",
		)
	}
	return limit, before, nil
}
