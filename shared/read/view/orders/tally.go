package orders

import (
	"context"
	"strings"

	"orderflow/shared/read/view"
	"orderflow/shared/shop/order"
)

// tallyCustomer names the counters of a customer's orders.
const tallyCustomer = "customer"

// The counters' names: one that has no parts, and the prefixes of those by status, reason and
// currency.
const (
	counterOrders = "orders"
	prefixStatus  = "status_"
	prefixReason  = "reason_"
	prefixTotal   = "total_"

	prefixRefunded = "refunded_"
)

// tallies is what an order adds to its customer's counters. An order that is cancelled after it was
// confirmed leaves the confirmed ones, with its money.
func tallies(id string, r Row) []view.Tally {
	if r.Status == "" {
		return nil
	}
	c := map[string]int64{counterOrders: 1, prefixStatus + string(r.Status): 1}
	switch r.Status {
	case order.StatusCancelled:
		c[prefixReason+string(r.Reason)] = 1
	case order.StatusConfirmed, order.StatusShipped, order.StatusDelivered:
		c[prefixTotal+r.Total.Currency] = r.Total.Amount
		if r.Refunded.Amount > 0 {
			c[prefixRefunded+r.Refunded.Currency] = r.Refunded.Amount
		}
	}
	return []view.Tally{{Name: tallyCustomer, ID: r.CustomerID, Counters: c, Rows: keys(id, r)[0]}}
}

// Counters count a customer's orders. A status, reason or currency that counts nothing may be
// missing.
type Counters struct {
	Orders            int64                  `json:"orders" doc:"Placed in all, however they ended"`
	ByStatus          map[order.Status]int64 `json:"byStatus" doc:"Orders by where they stand now"`
	CancelledByReason map[order.Reason]int64 `json:"cancelledByReason" doc:"Cancelled orders by their reason"`
	ConfirmedTotal    map[string]int64       `json:"confirmedTotal" doc:"Minor units by currency, of orders that are confirmed, shipped or delivered"`
	RefundedTotal     map[string]int64       `json:"refundedTotal" doc:"Minor units by currency, of these, that were given back after the order had left"`
}

// Open counts the orders on which the saga is not through.
func (c Counters) Open() int64 {
	open := c.ByStatus[order.StatusCancelling]
	for _, status := range order.OpenStatuses() {
		open += c.ByStatus[status]
	}
	return open
}

// Confirmed counts the orders that were confirmed and not cancelled since, whether they are on
// their way or not.
func (c Counters) Confirmed() int64 {
	return c.ByStatus[order.StatusConfirmed] + c.ByStatus[order.StatusShipped] + c.ByStatus[order.StatusDelivered]
}

// Cancelled counts the orders that are cancelled and undone.
func (c Counters) Cancelled() int64 { return c.ByStatus[order.StatusCancelled] }

// AnyConfirmed reports whether an order of the customer is confirmed, or further.
func (l Lists) AnyConfirmed(ctx context.Context, customerID string) (bool, error) {
	counters, err := l.Counters(ctx, customerID)
	return counters.Confirmed() > 0, err
}

// Counters reads a customer's. Its maps are never nil, and hold nothing that counts nothing. It
// reads consistently: what is missing is still on its way to the view.
func (l Lists) Counters(ctx context.Context, customerID string) (Counters, error) {
	tally, err := l.rows.Tally(ctx, tallyCustomer, customerID)
	if err != nil {
		return Counters{}, err
	}
	return countersOf(tally), nil
}

func countersOf(tally map[string]int64) Counters {
	c := Counters{
		Orders: tally[counterOrders], ByStatus: map[order.Status]int64{}, CancelledByReason: map[order.Reason]int64{},
		ConfirmedTotal: map[string]int64{}, RefundedTotal: map[string]int64{},
	}
	for name, n := range tally {
		if status, ok := strings.CutPrefix(name, prefixStatus); ok {
			set(c.ByStatus, order.Status(status), n)
		} else if reason, ok := strings.CutPrefix(name, prefixReason); ok {
			set(c.CancelledByReason, order.Reason(reason), n)
		} else if code, ok := strings.CutPrefix(name, prefixTotal); ok {
			set(c.ConfirmedTotal, code, n)
		} else if code, ok := strings.CutPrefix(name, prefixRefunded); ok {
			set(c.RefundedTotal, code, n)
		}
	}
	return c
}

func set[K comparable](m map[K]int64, key K, n int64) {
	if n != 0 {
		m[key] = n
	}
}
