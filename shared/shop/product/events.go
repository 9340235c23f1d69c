// Package product is the shop's catalogue: which SKUs are for sale, and what each costs in each
// currency, now and later.
//
// Each SKU has a stream (product/<sku>) and a row with the fold of the stream. Both are written in
// one transaction. So placing an order reads the prices of all its SKUs with one batch read, and
// folds no stream.
package product

import (
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
)

// Category is the first part of a product's stream id; the second is its SKU.
const Category = "product"

// Price is what one piece costs in a currency.
type Price struct {
	money.Money
	// ValidFrom is when the price comes into force, in UTC. A price with the zero time is in force
	// until another one in its currency is.
	ValidFrom time.Time `json:"validFrom,omitzero"`
}

// Event is an event of a product's stream. Each commit holds one.
type Event interface{ productEvent() }

// Listed: the SKU is for sale, for the first time or again.
type Listed struct {
	SKU    string  `json:"sku"`
	Prices []Price `json:"prices"` // all that there are, by currency and then by ValidFrom
	// OutOfStock is what becomes of orders that are short of it; "" is reject
	OutOfStock goods.OutOfStock `json:"outOfStock,omitempty"`
	// Reason is why, as whoever changed it wrote it, without personal data: "" for none.
	Reason string `json:"reason,omitempty"`
}

// Repriced: other prices, or another policy, take the place of all those before.
type Repriced struct {
	SKU    string  `json:"sku"`
	Prices []Price `json:"prices"` // all that there are, by currency and then by ValidFrom
	// OutOfStock is what becomes of orders that are short of it; "" is reject
	OutOfStock goods.OutOfStock `json:"outOfStock,omitempty"`
	// Reason is why, as whoever changed it wrote it, without personal data: "" for none.
	Reason string `json:"reason,omitempty"`
}

// Withdrawn: the SKU is not for sale any more, and has no prices.
type Withdrawn struct {
	SKU string `json:"sku"`
	// Reason is why, as whoever changed it wrote it, without personal data: "" for none.
	Reason string `json:"reason,omitempty"`
}

func (Listed) productEvent()    {}
func (Repriced) productEvent()  {}
func (Withdrawn) productEvent() {}

// Register adds the product's events to a registry.
func Register(r *es.Registry) {
	es.Register[Listed](r, "product.listed", 1)
	es.Register[Repriced](r, "product.repriced", 1)
	es.Register[Withdrawn](r, "product.withdrawn", 1)
}
