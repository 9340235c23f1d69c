package product

import (
	"fmt"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/goods"
)

// maxSKU is the length of a SKU.
const maxSKU = 64

// ValidSKU reports whether a SKU has the form that all have: 1 to 64 letters, digits, dots,
// underscores and hyphens, the first a letter or digit.
func ValidSKU(sku string) bool { return ident.IsName(sku, maxSKU, "._-") }

// quote is a SKU as a detail shows it, cut where it is too long to be one.
func quote(sku string) string { return fmt.Sprintf("%.*q", maxSKU, sku) }

// Product is a product, folded. The zero Product is one that nobody ever listed.
type Product struct {
	SKU       string  `json:"sku"`
	Version   int64   `json:"version"`   // of its stream, which each change makes longer by one
	Withdrawn bool    `json:"withdrawn"` // it was for sale once
	Prices    []Price `json:"prices"`    // by currency and then by ValidFrom; none where it is withdrawn
	// OutOfStock is what becomes of orders that are short of it, "" for reject.
	OutOfStock goods.OutOfStock `json:"outOfStock,omitempty"`
}

// Known reports whether the product was ever listed.
func (p Product) Known() bool { return p.Version > 0 }

// Desired is the whole state that a product is to have.
type Desired struct {
	Withdrawn bool
	Prices    []Price // all of them, in any order; none of a product that is withdrawn
	// OutOfStock is what becomes of orders that are short of it; "" is reject.
	OutOfStock goods.OutOfStock
	// Reason is why, for the history. It is no part of the state: one that is there already is not
	// written for another reason.
	Reason string
}

// set is the command to bring a SKU into the desired state. Its prices are sorted.
type set struct {
	sku  string
	want Desired
}

// Decider decides for a product.
var Decider = es.Decider[set, Product, Event]{
	Initial: func() Product { return Product{} },
	Decide:  decide,
	Evolve:  Evolve,
}

// Evolve folds an event into a product.
func Evolve(p Product, e Event) Product {
	version := p.Version + 1
	switch e := e.(type) {
	case Listed:
		return Product{SKU: e.SKU, Version: version, Prices: e.Prices, OutOfStock: e.OutOfStock}
	case Repriced:
		return Product{SKU: e.SKU, Version: version, Prices: e.Prices, OutOfStock: e.OutOfStock}
	case Withdrawn:
		return Product{SKU: e.SKU, Version: version, Withdrawn: true}
	}
	p.Version = version
	return p
}

func decide(c set, p Product) ([]Event, error) {
	switch {
	case c.want.Withdrawn && !p.Known():
		return nil, ErrNotFound.New("nobody has listed %s", quote(c.sku))
	case c.want.Withdrawn && p.Withdrawn:
		return nil, nil
	case c.want.Withdrawn:
		return []Event{Withdrawn{SKU: c.sku, Reason: c.want.Reason}}, nil
	case !p.Known() || p.Withdrawn:
		return []Event{Listed{
			SKU: c.sku, Prices: c.want.Prices, OutOfStock: c.want.OutOfStock, Reason: c.want.Reason,
		}}, nil
	case p.OutOfStock == c.want.OutOfStock && samePrices(p.Prices, c.want.Prices):
		return nil, nil
	}
	return []Event{Repriced{
		SKU: c.sku, Prices: c.want.Prices, OutOfStock: c.want.OutOfStock, Reason: c.want.Reason,
	}}, nil
}
