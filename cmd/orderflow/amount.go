package main

import (
	"errors"
	"strings"

	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/product"
)

// parseAmount reads an amount that moves, as money.Money writes it for people, EUR 12.99. It is
// above 0.
func parseAmount(text string) (money.Money, error) { return money.Parse(text, 1, order.MaxTotal) }

// parsePrice reads a price, which may be 0.
func parsePrice(text string) (money.Money, error) { return money.Parse(text, 0, product.MaxPrice) }

// amountFlag is a flag that takes an amount.
type amountFlag struct{ of money.Money }

// String implements pflag.Value.
func (f *amountFlag) String() string {
	if f.of == (money.Money{}) {
		return ""
	}
	return f.of.String()
}

// Set implements pflag.Value.
func (f *amountFlag) Set(text string) (err error) {
	f.of, err = parseAmount(text)
	return err
}

// Type implements pflag.Value.
func (f *amountFlag) Type() string { return "amount" }

var errNoAmount = errors.New("--amount: expected an amount, as in 'EUR 12.99'")

// amounts are several, for people.
func amounts(all []money.Money) string {
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = m.String()
	}
	return strings.Join(texts, ", ")
}
