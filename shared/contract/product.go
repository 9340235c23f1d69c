package contract

import (
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/product"
)

// ProductPrice is what one piece costs in a currency.
type ProductPrice struct {
	Amount    int64  `json:"amount" doc:"Minor units of the currency: cents of a dollar." minimum:"0"`
	Currency  string `json:"currency" doc:"ISO 4217 alphabetic code." pattern:"^[A-Z]{3}$" example:"USD"`
	ValidFrom string `json:"validFrom,omitempty" doc:"When it comes into force, in UTC (RFC 3339). A price without it is in force until another one of its currency is. Of each currency, the price with the latest validFrom that has come is in force." format:"date-time"`
}

// ProductListed is product.listed.
type ProductListed struct {
	SKU        string         `json:"sku" doc:"What is for sale." minLength:"1"`
	Prices     []ProductPrice `json:"prices" doc:"All of its prices, by currency and validFrom; no two have both in common." minItems:"1" nullable:"false"`
	OutOfStock string         `json:"outOfStock,omitempty" doc:"What becomes of orders that are short of it: backorder has them wait. Missing, they are cancelled." enum:"backorder"`
	Partial    bool           `json:"partial,omitempty" doc:"Where an order can have some of it, that is sold, and outOfStock says what becomes of the rest: what would be cancelled is dropped, and what waits becomes an order of its own."`
}

// ProductRepriced is product.repriced.
type ProductRepriced struct {
	SKU        string         `json:"sku" doc:"What has other prices." minLength:"1"`
	Prices     []ProductPrice `json:"prices" doc:"All of its prices from here on, by currency and validFrom; no two have both in common." minItems:"1" nullable:"false"`
	OutOfStock string         `json:"outOfStock,omitempty" doc:"What becomes of orders that are short of it: backorder has them wait. Missing, they are cancelled." enum:"backorder"`
	Partial    bool           `json:"partial,omitempty" doc:"Where an order can have some of it, that is sold, and outOfStock says what becomes of the rest: what would be cancelled is dropped, and what waits becomes an order of its own."`
}

// ProductWithdrawn is product.withdrawn.
type ProductWithdrawn struct {
	SKU string `json:"sku" doc:"What is not for sale any more. It may be listed again." minLength:"1"`
}

// missing is what a policy makes of what is not there.
func missing(p goods.OutOfStock) string {
	if p.Waits() {
		return string(goods.Backorder)
	}
	return ""
}

func prices(of []product.Price) []ProductPrice {
	out := make([]ProductPrice, len(of))
	for i, p := range of {
		out[i] = ProductPrice{Amount: p.Amount, Currency: p.Currency}
		if !p.ValidFrom.IsZero() {
			out[i].ValidFrom = p.ValidFrom.UTC().Format(time.RFC3339Nano)
		}
	}
	return out
}

func productTypes() []entry {
	of := func(name, description string) Type {
		return Type{Name: name, Version: 1, Context: "product", Subject: "product/{sku}", Description: description}
	}
	return []entry{
		publish(
			of("product.listed", "A SKU is for sale, for the first time or again."),
			func(_ es.Recorded, e product.Listed) ProductListed {
				return ProductListed{
					SKU: e.SKU, Prices: prices(e.Prices), OutOfStock: missing(e.OutOfStock),
					Partial: e.OutOfStock.Partial(),
				}
			},
		),
		publish(
			of(
				"product.repriced",
				"A SKU has other prices, now or from a time on, or another policy for when it is out of stock.",
			),
			func(_ es.Recorded, e product.Repriced) ProductRepriced {
				return ProductRepriced{
					SKU: e.SKU, Prices: prices(e.Prices), OutOfStock: missing(e.OutOfStock),
					Partial: e.OutOfStock.Partial(),
				}
			},
		),
		publish(
			of("product.withdrawn", "A SKU is not for sale any more."),
			func(_ es.Recorded, e product.Withdrawn) ProductWithdrawn {
				return ProductWithdrawn{SKU: e.SKU}
			},
		),
	}
}
