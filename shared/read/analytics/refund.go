package analytics

import (
	"fmt"
	"slices"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// The names of counters of refunds.
const (
	counterRefunds   = "refunds"
	counterGivenBack = "given-back."
)

// Refunded is what order.refunded said. Of one that is counted the sequence alone is kept: an order
// has several.
type Refunded struct {
	Sequence int64       `json:"sequence"`
	Time     time.Time   `json:"time,omitzero"`
	Amount   money.Money `json:"amount,omitzero"`
}

func refundedOf(e es.Envelope, d contract.OrderRefunded) (*Refunded, error) {
	r := &Refunded{Sequence: e.Sequence, Time: e.Time.UTC(), Amount: d.Amount.Money()}
	if r.Amount.Amount < 0 || r.Amount.Amount > order.MaxTotal {
		return nil, fmt.Errorf("data.amount.amount is 0 to %d, not %d", int64(order.MaxTotal), r.Amount.Amount)
	}
	if err := money.CheckCode(r.Amount.Currency); err != nil {
		return nil, fmt.Errorf("data.amount.currency: %w", err)
	}
	return r, nil
}

// withRefund is the order with a refund more; fresh is false where it was known.
func (o Order) withRefund(r Refunded) (next Order, fresh bool) {
	if slices.ContainsFunc(o.Refunded, func(known Refunded) bool { return known.Sequence == r.Sequence }) {
		return o, false
	}
	o.Refunded = append(slices.Clip(o.Refunded), r)
	return o, true
}

// addRefunds adds the refunds that are not counted yet.
func (o Order) addRefunds(add func(at time.Time, counter string, n int64)) {
	for _, r := range o.Refunded {
		if !r.Time.IsZero() {
			add(r.Time, counterRefunds, 1)
			add(r.Time, counterGivenBack+r.Amount.Currency, r.Amount.Amount)
		}
	}
}

// countedRefunds are an order's refunds once they are counted.
func (o Order) countedRefunds() []Refunded {
	var counted []Refunded
	for _, r := range o.Refunded {
		counted = append(counted, Refunded{Sequence: r.Sequence})
	}
	return counted
}
