// Package customers is the read model of customers: the counters of their orders, and what of their own stream is not personal.
//
// The counters of a customer change in one transaction with the row of the order that changes them, by the difference between the order's old row
// and its new one. So they are exact as long as each row is, whatever comes twice, late or in another order.
package customers

import (
	"context"
	"time"

	"orderflow/shared/customer"
	"orderflow/shared/es"
	"orderflow/shared/order"
	"orderflow/shared/view/orders"
)

// Counters count a customer's orders. A status, reason or currency that counts nothing may be missing.
type Counters struct {
	Orders            int64                  `json:"orders" doc:"Placed in all, however they ended"`
	ByStatus          map[order.Status]int64 `json:"byStatus" doc:"Orders by where they stand now"`
	CancelledByReason map[order.Reason]int64 `json:"cancelledByReason" doc:"Cancelled orders by their reason"`
	ConfirmedTotal    map[string]int64       `json:"confirmedTotal" doc:"Minor units by currency, of orders that are confirmed, shipped or delivered"`
}

// Profile is what the customer's own stream says, without personal data.
type Profile struct {
	CustomerID   string    `json:"customerId"`
	Registered   bool      `json:"registered"`
	RegisteredAt time.Time `json:"registeredAt,omitzero"`
	Sequence     int64     `json:"version" doc:"Version of the customer's own stream, 0 for none"`
}

// Row is a customer's statistics.
type Row struct {
	Profile
	Counters
}

// At is the version of the last event of the customer's stream that is folded in.
func (p Profile) At() int64 { return p.Sequence }

// EvolveProfile folds an event of a customer's stream. It makes no decision and never fails.
func EvolveProfile(p Profile, e es.Recorded) Profile {
	if d, ok := e.Data.(customer.Registered); ok {
		p.CustomerID, p.Registered, p.RegisteredAt = d.CustomerID, true, e.Time
	}
	p.Sequence = e.Version
	return p
}

// Open counts the orders on which the saga is not through.
func (c Counters) Open() int64 {
	return c.ByStatus[order.StatusPlaced] + c.ByStatus[order.StatusCancelling]
}

// Confirmed counts the orders that were confirmed and not cancelled since, whether they are on their way or not.
func (c Counters) Confirmed() int64 {
	return c.ByStatus[order.StatusConfirmed] + c.ByStatus[order.StatusShipped] + c.ByStatus[order.StatusDelivered]
}

// Cancelled counts the orders that are cancelled and undone.
func (c Counters) Cancelled() int64 { return c.ByStatus[order.StatusCancelled] }

// Delta is how the counters of an order's customer change when its row goes from old to next; the zero Row is an order that was not there. An order
// that is cancelled after it was confirmed leaves the confirmed ones, with its money. What does not change is missing.
func Delta(old, next orders.Row) Counters {
	var d Counters
	d.add(old, -1)
	d.add(next, +1)
	drop(d.ByStatus)
	drop(d.CancelledByReason)
	drop(d.ConfirmedTotal)
	return d
}

// IsZero reports whether nothing changes.
func (c Counters) IsZero() bool {
	return c.Orders == 0 && len(c.ByStatus) == 0 && len(c.CancelledByReason) == 0 && len(c.ConfirmedTotal) == 0
}

// Plus gives the sum of two sets of counters. Counters that come to zero are left out.
func (c Counters) Plus(o Counters) Counters {
	return Counters{
		Orders:            c.Orders + o.Orders,
		ByStatus:          plus(c.ByStatus, o.ByStatus),
		CancelledByReason: plus(c.CancelledByReason, o.CancelledByReason),
		ConfirmedTotal:    plus(c.ConfirmedTotal, o.ConfirmedTotal),
	}
}

// add counts one order, sign times.
func (c *Counters) add(r orders.Row, sign int64) {
	if r.Status == "" {
		return
	}
	c.Orders += sign
	c.ByStatus = count(c.ByStatus, r.Status, sign)
	switch r.Status {
	case order.StatusCancelled:
		c.CancelledByReason = count(c.CancelledByReason, r.Reason, sign)
	case order.StatusConfirmed, order.StatusShipped, order.StatusDelivered:
		c.ConfirmedTotal = count(c.ConfirmedTotal, r.Total.Currency, sign*r.Total.Amount)
	}
}

func count[K comparable](m map[K]int64, key K, n int64) map[K]int64 {
	if m == nil {
		m = map[K]int64{}
	}
	m[key] += n
	return m
}

func drop[K comparable](m map[K]int64) {
	for key, n := range m {
		if n == 0 {
			delete(m, key)
		}
	}
}

func plus[K comparable](a, b map[K]int64) map[K]int64 {
	var sum map[K]int64
	for key, n := range a {
		sum = count(sum, key, n)
	}
	for key, n := range b {
		sum = count(sum, key, n)
	}
	drop(sum)
	return sum
}

// Reader reads statistics.
type Reader interface {
	// Statistics gives a customer's row. A customer who never ordered, or whom nobody knows, has zero counters and is not registered.
	Statistics(ctx context.Context, customerID string) (Row, error)
}
