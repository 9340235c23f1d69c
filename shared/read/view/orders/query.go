package orders

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/order"
)

// The rows of a page.
const (
	DefaultLimit = 10
	MaxLimit     = 100
)

// The faults of a query.
var (
	ErrInvalidQuery  = faults.Declare(faults.Invalid, "query.invalid")
	ErrInvalidCursor = faults.Declare(faults.Invalid, "cursor.invalid")
)

// Query says which of a customer's orders to list.
type Query struct {
	Status order.Status // "" lists all
	Limit  int          // rows of a page, 1 to MaxLimit; 0 is DefaultLimit
	Cursor string       // the Next of the page before, "" for the first page
}

// Position is a place in a list: behind the order that was placed then. The zero Position is the
// list's beginning.
type Position struct {
	PlacedAt time.Time
	OrderID  string
}

// cursor is what a cursor says: the list that it belongs to, and the place in it. It is not signed:
// the list's customer is compared with the one that the caller was let in for, so a forged one only
// moves to another place of the same list.
type cursor struct {
	Version    int          `json:"v"`
	CustomerID string       `json:"c"`
	Status     order.Status `json:"s,omitempty"`
	PlacedAt   string       `json:"p"`
	OrderID    string       `json:"o"`
}

const cursorVersion = 1

// Check says what is wrong with a query of this customer's orders; else it gives the limit that is
// meant and where the page begins.
func (q Query) Check(customerID string) (limit int, from Position, err error) {
	if q.Status != "" && !slices.Contains(order.Statuses(), q.Status) {
		return 0, Position{}, ErrInvalidQuery.Field("query.status", "%q is no status of an order", q.Status)
	}
	if limit = q.Limit; limit == 0 {
		limit = DefaultLimit
	}
	if limit < 1 || limit > MaxLimit {
		return 0, Position{}, ErrInvalidQuery.Field("query.limit", "a page has 1 to %d orders, not %d", MaxLimit, limit)
	}
	if q.Cursor == "" {
		return limit, Position{}, nil
	}
	c, err := parseCursor(q.Cursor)
	placedAt, errTime := clock.ParseTime(c.PlacedAt)
	if err != nil || errTime != nil || c.Version != cursorVersion || c.OrderID == "" || placedAt.IsZero() {
		return 0, Position{}, ErrInvalidCursor.Field(
			"query.cursor", "malformed cursor; send the next value of the previous page",
		)
	}
	if c.CustomerID != customerID || c.Status != q.Status {
		return 0, Position{}, ErrInvalidCursor.Field("query.cursor", "the cursor belongs to another list")
	}
	return limit, Position{PlacedAt: placedAt, OrderID: c.OrderID}, nil
}

// NewPage makes the page of a checked query from the rows at its place in the list, of which there
// may be one more than limit: that one says that another page follows.
func (q Query) NewPage(customerID string, limit int, rows []Row) Page {
	if len(rows) <= limit {
		return Page{Rows: rows}
	}
	last := rows[limit-1]
	text, err := json.Marshal(cursor{
		Version: cursorVersion, CustomerID: customerID, Status: q.Status,
		PlacedAt: last.PlacedAt.UTC().Format(time.RFC3339Nano), OrderID: last.OrderID,
	})
	if err != nil {
		panic("orders: a cursor of strings always encodes: " + err.Error())
	}
	return Page{Rows: rows[:limit], Next: base64.RawURLEncoding.EncodeToString(text)}
}

func parseCursor(text string) (cursor, error) {
	var c cursor
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return c, err
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("text after the cursor")
	}
	return c, nil
}
