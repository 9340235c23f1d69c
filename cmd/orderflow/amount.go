package main

import (
	"errors"
	"fmt"
	"strings"

	"orderflow/shared/kit/decimal"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// parseAmount reads an amount as money.Money writes it for people, EUR 12.99: all of the currency's
// decimals, or none. It is above 0.
func parseAmount(text string) (money.Money, error) {
	invalid := func() (money.Money, error) {
		return money.Money{}, fmt.Errorf("expected a currency and an amount above 0, as in 'EUR 12.99', got %q", text)
	}
	currency, number, ok := strings.Cut(text, " ")
	if !ok {
		return invalid()
	}
	if err := money.CheckCurrency(currency); err != nil {
		return money.Money{}, err
	}
	digits := money.Decimals(currency)
	whole, fraction, has := strings.Cut(number, ".")
	switch {
	case !has:
		fraction = strings.Repeat("0", digits)
	case len(fraction) != digits || digits == 0:
		return money.Money{}, fmt.Errorf("expected %d decimals of %s, or none, got %q", digits, currency, text)
	}
	if !decimal.IsWhole(whole) || whole[0] == '0' && len(whole) > 1 {
		return invalid()
	}
	amount, err := decimal.Whole(strings.TrimLeft(whole+fraction, "0"), 1, order.MaxTotal)
	if err != nil {
		return invalid()
	}
	return money.Money{Amount: amount, Currency: currency}, nil
}

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
