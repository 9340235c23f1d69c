package money

import (
	"fmt"
	"strings"

	"orderflow/shared/kit/decimal"
)

// Parse reads an amount as String writes it, EUR 12.99: all of the currency's decimals, or none. It
// is from least to most minor units, and not below 0. Its errors are for the person who typed it.
func Parse(text string, least, most int64) (Money, error) {
	currency, number, ok := strings.Cut(text, " ")
	if !ok {
		return Money{}, fmt.Errorf("expected a currency and an amount, as in 'EUR 12.99', got %q", text)
	}
	if err := CheckCurrency(currency); err != nil {
		return Money{}, err
	}
	digits := Decimals(currency)
	whole, fraction, has := strings.Cut(number, ".")
	switch {
	case !has:
		fraction = strings.Repeat("0", digits)
	case len(fraction) != digits || digits == 0:
		return Money{}, fmt.Errorf("expected %d decimals of %s, or none, got %q", digits, currency, text)
	}
	minor := strings.TrimLeft(whole+fraction, "0")
	if minor == "" {
		minor = "0"
	}
	amount, err := decimal.Whole(minor, max(least, 0), most)
	if err != nil || !decimal.IsWhole(whole) || whole[0] == '0' && len(whole) > 1 {
		return Money{}, fmt.Errorf("expected an amount from %s to %s, as in 'EUR 12.99', got %q",
			Money{Amount: max(least, 0), Currency: currency}, Money{Amount: most, Currency: currency}, text)
	}
	return Money{Amount: amount, Currency: currency}, nil
}
