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

// Amended is what order.amended said. It counts once the order is confirmed: then what it comes to
// is what it was placed for and what its amendments changed until then.
type Amended struct {
	Sequence   int64            `json:"sequence"`
	Time       time.Time        `json:"time"`
	Difference money.Money      `json:"difference"`
	Partial    bool             `json:"partial,omitempty"` // the order goes on without what was not there
	Pieces     map[string]int64 `json:"pieces,omitempty"`  // that were added, by SKU, until they are counted
}

func amendedOf(e es.Envelope, d contract.OrderAmended) (*Amended, error) {
	a := &Amended{
		Sequence: e.Sequence, Time: e.Time.UTC(), Difference: d.Difference.Money(), Pieces: map[string]int64{},
		Partial: d.Reason == string(order.ReasonPartial),
	}
	if n := a.Difference.Amount; n < -order.MaxTotal || n > order.MaxTotal {
		return nil, fmt.Errorf("data.difference.amount is %d at most, either way, not %d", int64(order.MaxTotal), n)
	}
	if err := money.CheckCode(a.Difference.Currency); err != nil {
		return nil, fmt.Errorf("data.difference.currency: %w", err)
	}
	if len(d.Added) > order.MaxSKUs {
		return nil, fmt.Errorf("data.added names at most %d SKUs, not %d", order.MaxSKUs, len(d.Added))
	}
	for i, item := range d.Added {
		if item.SKU == "" || len(item.SKU) > maxSKUText || item.Quantity < 1 || item.Quantity > maxPieces {
			return nil, fmt.Errorf(
				"data.added[%d] is 1 to %d pieces of an SKU of 1 to %d bytes", i, maxPieces, maxSKUText,
			)
		}
		a.Pieces[item.SKU] = item.Quantity
	}
	return a, nil
}

// withAmendment is the order with an amendment more; fresh is false where it was known.
func (o Order) withAmendment(a Amended) (next Order, fresh bool) {
	if slices.ContainsFunc(o.Amended, func(known Amended) bool { return known.Sequence == a.Sequence }) {
		return o, false
	}
	o.Amended = append(slices.Clip(o.Amended), a)
	return o, true
}

// addAmendments adds what an order that is placed and confirmed was amended by. Until the
// confirmation that only makes the order another one; after it, more is revenue and sold, and less
// is refunded, as with an order that is cancelled.
func (o Order) addAmendments(add func(at time.Time, counter string, n int64)) {
	for _, a := range o.Amended {
		at, after := a.Time, a.Sequence > o.Confirmed.Sequence
		if !after {
			at = o.Confirmed.Time
		}
		switch d := a.Difference; {
		case d.Amount == 0:
		case after && d.Amount < 0:
			add(at, counterRefunded+d.Currency, -d.Amount)
		default:
			add(at, counterRevenue+d.Currency, d.Amount)
		}
		for sku, pieces := range a.Pieces {
			add(at, counterSold+sku, pieces)
		}
	}
}

// comesTo is the total of a placed order after all amendments that are known.
func (o Order) comesTo() money.Money {
	total := o.Placed.Total
	for _, a := range o.Amended {
		total.Amount += a.Difference.Amount
	}
	return total
}

// countedAmendments are an order's amendments once they are counted.
func (o Order) countedAmendments() []Amended {
	counted := slices.Clone(o.Amended)
	for i := range counted {
		counted[i].Pieces = nil
	}
	return counted
}
