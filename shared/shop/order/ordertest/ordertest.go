// Package ordertest is a catalogue in memory, for tests that place orders. Only tests import it.
package ordertest

import (
	"context"
	"time"

	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/product"
)

// Prices is a catalogue of one price a SKU.
type Prices map[string]money.Money

// PricesOf lists what stands on lines, at the prices that they have.
func PricesOf(lines ...order.Line) Prices {
	p := Prices{}
	for _, l := range lines {
		p[l.SKU] = l.UnitPrice
	}
	return p
}

// Offers implements order.Prices.
func (p Prices) Offers(_ context.Context, skus []string, _ time.Time) (map[string]product.Offer, error) {
	offers := map[string]product.Offer{}
	for _, sku := range skus {
		if price, listed := p[sku]; listed {
			offers[sku] = product.Offer{SKU: sku, Version: 1, Prices: []money.Money{price}}
		}
	}
	return offers, nil
}

// Inputs are lines as a caller gives them who names or expects what they cost.
func Inputs(lines ...order.Line) []order.LineInput {
	inputs := make([]order.LineInput, len(lines))
	for i, l := range lines {
		inputs[i] = order.LineInput{
			SKU: l.SKU, Quantity: l.Quantity, UnitPrice: &lines[i].UnitPrice, Discount: l.Discount, Tax: l.Tax,
		}
	}
	return inputs
}
