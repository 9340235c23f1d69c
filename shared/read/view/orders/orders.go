// Package orders is the read model of orders: one row an order, folded from the order's stream, for
// lists, for whoever looks for orders that stand still, and with it what each customer's orders
// come to.
//
// The row is fed by the order's stream alone. It lags behind the stream by a moment; whoever must
// see their own write folds the stream instead.
package orders

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// View is the read model: rows, the lists that they are in, and the counters of their customers.
var View = view.Definition[Row]{
	Name: "orders", Category: order.Category, Events: order.Register, Evolve: Evolve, Keys: keys, Tallies: tallies,
}

// Row is what lists show of an order. The zero Row is an order of which nothing is known.
type Row struct {
	OrderID        string       `json:"id"`
	CustomerID     string       `json:"customerId"`
	Status         order.Status `json:"status"`
	Saga           Saga         `json:"saga"`
	Total          money.Money  `json:"total"`
	Refunded       money.Money  `json:"refunded,omitzero"` // of it, after the order had left
	LineCount      int          `json:"lineCount"`
	Items          string       `json:"items,omitempty"`  // what it holds, for Holds
	PlacedAt       time.Time    `json:"placedAt"`         // as the order says
	UpdatedAt      time.Time    `json:"updatedAt"`        // of the last commit that is folded in
	Reason         order.Reason `json:"reason,omitempty"` // why it is cancelled
	PaymentID      string       `json:"paymentId,omitempty"`
	TrackingNumber string       `json:"trackingNumber,omitempty"`
	WaitsUntil     time.Time    `json:"waitsUntil,omitzero"` // the deadline of what it waits for
	Sequence       int64        `json:"version"`             // of the last event that is folded in, 0 for none
}

// Saga is the run that has the order, and where it stands.
type Saga struct {
	ID    string          `json:"id,omitempty"`
	State order.SagaState `json:"state"`
}

// Evolve folds an event of an order's stream into its row. It makes no decision and never fails.
func Evolve(r Row, e es.Recorded) Row {
	switch d := e.Data.(type) {
	case order.Placed:
		r = Row{
			OrderID: d.OrderID, CustomerID: d.CustomerID, Status: order.StatusPlaced,
			Saga:  Saga{State: order.SagaPending},
			Total: d.Total, LineCount: len(d.Lines), Items: itemsOf(d.Lines), PlacedAt: placedAt(d, e.Time),
		}
	case order.Started:
		r.Saga = Saga{ID: d.SagaID, State: order.SagaRunning}
		if r.Status == order.StatusBackordered { // what it waited for is there
			r.Status, r.WaitsUntil = order.StatusPlaced, time.Time{}
		}
	case order.Held:
		r.Status, r.WaitsUntil = order.StatusHeld, deadline(d.Until)
	case order.Backordered:
		r.Status, r.WaitsUntil = order.StatusBackordered, deadline(d.Until)
	case order.PaymentRequired:
		r.Status, r.WaitsUntil = order.StatusPaymentRequired, deadline(d.Until)
	case order.Approved, order.PaymentRequested:
		r.Status, r.WaitsUntil = order.StatusPlaced, time.Time{}
	case order.Confirmed:
		r.WaitsUntil = time.Time{}
		r.Status, r.Saga = order.StatusConfirmed, Saga{ID: d.SagaID, State: order.SagaCompleted}
		r.PaymentID, r.TrackingNumber = d.PaymentID, d.TrackingNumber
	case order.Amended:
		r.Total, r.LineCount, r.Items = d.Total, len(d.Lines), itemsOf(d.Lines)
	case order.Cancelling:
		r.WaitsUntil = time.Time{}
		r.Status, r.Saga.State, r.Reason = order.StatusCancelling, order.SagaCompensating, d.Reason
		if d.SagaID != "" {
			r.Saga.ID = d.SagaID
		}
	case order.Cancelled:
		r.Status, r.Saga = order.StatusCancelled, Saga{ID: d.SagaID, State: order.SagaCompleted}
	case order.UndoFailed:
		r.Saga = Saga{ID: d.SagaID, State: order.SagaFailed}
	case order.Shipped:
		r.Status = order.StatusShipped
	case order.Delivered:
		r.Status = order.StatusDelivered
	case order.Refunded:
		r.Refunded = d.Total
	}
	r.UpdatedAt, r.Sequence = e.Time, e.Version
	return r
}

// itemSize is how many characters of Items each SKU has.
const itemSize = 8

// item is what stands for a SKU: 48 bits of a hash of it. With the SKUs themselves the row of more
// orders would be above 1 KB, and each of its writes dearer. Two of a million SKUs are taken
// for each other with a probability of one to 500, and one for a given other of them with one to
// 280 million.
func item(sku string) string {
	sum := sha256.Sum256([]byte(sku))
	return base64.RawURLEncoding.EncodeToString(sum[:itemSize/4*3])
}

func itemsOf(lines []order.Line) string {
	var all []string
	for _, l := range lines {
		all = append(all, item(l.SKU))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "")
}

// Holds reports whether the order has a line of the SKU.
func (r Row) Holds(sku string) bool {
	wanted := item(sku)
	for items := range slices.Chunk([]byte(r.Items), itemSize) {
		if string(items) == wanted {
			return true
		}
	}
	return false
}

// placedAt is what the order itself says: its commit is written a moment later. One that says
// nothing is as old as that.
func placedAt(d order.Placed, written time.Time) time.Time {
	if at, err := clock.ParseTime(d.PlacedAt); err == nil {
		return at.UTC()
	}
	return written
}

// deadline is what an order waits until. Where it can't be read, the order is looked at as if it
// waited for nothing.
func deadline(until string) time.Time {
	at, err := clock.ParseTime(until)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// Reader lists orders.
type Reader interface {
	// List gives a customer's orders, newest first. A query that can't be is ErrInvalidQuery, a
	// cursor that does not belong to it ErrInvalidCursor. A row shows up a moment after its event;
	// a page never shows one order twice.
	List(ctx context.Context, customerID string, q Query) (Page, error)
}

// Page is a part of a list.
type Page struct {
	Rows []Row
	Next string // the cursor of the next page, "" where this is the last
	// of a page that looks for something: how many orders were looked at, and when the last of them
	// was placed
	Looked  int
	Through time.Time
}
