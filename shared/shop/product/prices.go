package product

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
)

// Limits of a product.
const (
	// MaxPrices is how many prices a product has at most, over all currencies, past and scheduled
	// ones included. A row then has at most about 7 KB.
	MaxPrices = 100
	// MaxPrice is the highest price in minor units: ten million of a currency with cents.
	MaxPrice = 1_000_000_000
)

// The bounds of ValidFrom: RFC 3339 can write no other times in UTC.
var (
	minValidFrom = time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC) // the zero time stands for no ValidFrom
	maxValidFrom = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// sorted orders prices by currency and then by ValidFrom, and gives their times in UTC.
func sorted(prices []Price) []Price {
	out := slices.Clone(prices)
	for i := range out {
		if !out[i].ValidFrom.IsZero() {
			out[i].ValidFrom = out[i].ValidFrom.UTC()
		}
	}
	slices.SortStableFunc(out, func(a, b Price) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), a.ValidFrom.Compare(b.ValidFrom))
	})
	return out
}

// samePrices compares prices that are sorted.
func samePrices(a, b []Price) bool {
	return slices.EqualFunc(a, b, func(p, q Price) bool { return p.Money == q.Money && p.ValidFrom.Equal(q.ValidFrom) })
}

// check refuses prices that a product can't have, and names the field of the request. No two prices
// have currency and ValidFrom in common, so that at any time one price of a currency is in force at
// most.
func check(prices []Price) error {
	switch {
	case len(prices) == 0:
		return ErrInvalidPrices.Field("body.prices", "a product that is for sale needs at least one price")
	case len(prices) > MaxPrices:
		return ErrInvalidPrices.Field("body.prices", "expected at most %d prices, got %d", MaxPrices, len(prices))
	}
	type key struct {
		currency string
		from     int64
		nanos    int
	}
	first := make(map[key]int, len(prices))
	for i, p := range prices {
		if p.Amount < 0 || p.Amount > MaxPrice {
			return ErrInvalidPrices.Field(
				priceField(i, "amount"), "expected 0 to %d minor units, got %d", MaxPrice, p.Amount,
			)
		}
		if err := money.CheckCurrency(p.Currency); err != nil {
			return inField(err, priceField(i, "currency"))
		}
		if !p.ValidFrom.IsZero() && (p.ValidFrom.Before(minValidFrom) || p.ValidFrom.After(maxValidFrom)) {
			return ErrInvalidPrices.Field(priceField(i, "validFrom"), "expected a time in the years 1 to 9999 in UTC")
		}
		at := key{currency: p.Currency, from: p.ValidFrom.Unix(), nanos: p.ValidFrom.Nanosecond()}
		if j, twice := first[at]; twice {
			return ErrInvalidPrices.Field(priceField(i, "validFrom"),
				"prices[%d] is in %s too, and valid from the same time: leave one of the two out", j, p.Currency)
		}
		first[at] = i
	}
	return nil
}

func priceField(i int, name string) string { return fmt.Sprintf("body.prices[%d].%s", i, name) }

// Offer is what the shop asks for a SKU at a time.
type Offer struct {
	SKU     string
	Version int64         // of the product that it was read from
	Prices  []money.Money // one per currency, ordered by currency; never empty
	// OutOfStock is what becomes of orders that are short of it, "" for reject.
	OutOfStock goods.OutOfStock
}

// Price is what one piece costs in that currency. It is false if there is no price in it.
func (o Offer) Price(currency string) (money.Money, bool) {
	i := slices.IndexFunc(o.Prices, func(m money.Money) bool { return m.Currency == currency })
	if i < 0 {
		return money.Money{}, false
	}
	return o.Prices[i], true
}

// Current gives the prices in force at a time, one per currency, ordered by currency: of each
// currency, the price with the latest ValidFrom that is not after that time.
func (p Product) Current(at time.Time) []money.Money {
	var current []money.Money
	for _, price := range p.Prices {
		switch last := len(current) - 1; {
		case price.ValidFrom.After(at):
		case last >= 0 && current[last].Currency == price.Currency:
			current[last] = price.Money
		default:
			current = append(current, price.Money)
		}
	}
	return current
}

// Offer is what the shop asks at a time. It is false if the SKU is not for sale then: never listed,
// withdrawn, or without a price in force.
func (p Product) Offer(at time.Time) (Offer, bool) {
	current := p.Current(at)
	return Offer{SKU: p.SKU, Version: p.Version, Prices: current, OutOfStock: p.OutOfStock}, len(current) > 0
}
