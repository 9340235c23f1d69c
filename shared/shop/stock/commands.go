package stock

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/goods"
)

// Limits.
const (
	MaxSKUs   = 40            // of one reservation: its items are one transaction, which takes 100
	MaxOnHand = 1_000_000_000 // pieces of one SKU, counted or reserved
	MaxLeft   = 25            // parcels that one count names: each is a transaction of its own
)

// maxSKU is the length of a SKU.
const maxSKU = 64

// ValidSKU reports whether a SKU has the form that all have: 1 to 64 letters, digits, dots,
// underscores and hyphens, the first a letter or digit.
func ValidSKU(sku string) bool { return ident.IsName(sku, maxSKU, "._-") }

// quote is a SKU as a detail shows it, cut where it is too long to be one.
func quote(sku string) string { return fmt.Sprintf("%.*q", maxSKU, sku) }

// Reservation asks for the items of one revision of an order.
type Reservation struct {
	OrderID  string
	Revision int64
	Items    []Item // a SKU may stand in it more than once
	// Backorder has it wait where the items are not all to be had, in place of being refused.
	Backorder bool
	// Partial has it take what there is of the items, where that is something: only where there is
	// nothing of any does it wait, or is refused.
	Partial bool
}

// ReservationID names the attempt to reserve stock for one revision of an order.
func ReservationID(orderID string, revision int64) string {
	return ident.Derive(ReservationCategory, orderID, strconv.FormatInt(revision, 10))
}

// Match is the version that somebody counted against, as If-Match and If-None-Match tell it.
type Match struct {
	Version   int64 // Level.Version as it was read; 0 says the same as MustBeNew
	MustBeNew bool  // nobody has counted the SKU before
}

// want is the version that the SKU's stream must have.
func (m Match) want() int64 {
	if m.MustBeNew {
		return 0
	}
	return m.Version
}

// Parcel is what is reserved for one revision of an order, on its way.
type Parcel struct {
	OrderID  string
	Revision int64
	// Dispatch tells whoever else has to know that it has left, ahead of the books of stock, which
	// do nothing twice that it has them do with this request. It comes again where the count does.
	// Nil tells nobody.
	Dispatch func(context.Context, es.Request) error
}

// checkOnHand refuses a number of pieces that can't be.
func checkOnHand(n int64) error {
	if n < 0 || n > MaxOnHand {
		return ErrInvalidQuantity.Field("body.onHand", "expected 0 to %d pieces of a SKU, got %d", MaxOnHand, n)
	}
	return nil
}

// adjustment takes what is on hand of a SKU from one number to another.
type adjustment struct {
	SKU    string
	OnHand int64
	Before int64 // were on hand; 0 of a SKU that nobody has counted
}

// demand adds up the items of each SKU, ordered by SKU: two lines of one SKU, each checked alone,
// would pass with stock for one of them.
func demand(items []Item) ([]Item, error) {
	quantities := make(map[string]int64, len(items))
	var unknown []string
	for _, item := range items {
		if item.Quantity < 1 || item.Quantity > MaxOnHand || quantities[item.SKU]+item.Quantity > MaxOnHand {
			return nil, ErrInvalidQuantity.New("a reservation is for 1 to %d pieces of a SKU, not for %d and %d of %s",
				MaxOnHand, quantities[item.SKU], item.Quantity, quote(item.SKU))
		}
		quantities[item.SKU] += item.Quantity
		if !ValidSKU(item.SKU) && !slices.Contains(unknown, item.SKU) {
			unknown = append(unknown, item.SKU)
		}
	}
	switch {
	case len(items) == 0:
		return nil, ErrInvalidQuantity.New("a reservation is for at least one piece")
	case len(quantities) > MaxSKUs:
		return nil, ErrInvalidQuantity.New("a reservation is for at most %d SKUs, not for %d", MaxSKUs, len(quantities))
	case len(unknown) > 0:
		return nil, Insufficient(unknown) // nothing can have been counted under such a name
	}
	return goods.Sum(items), nil
}
