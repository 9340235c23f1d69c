// Package money is an exact amount in one currency: whole minor units in an int64, never a float.
package money

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"orderflow/shared/kit/faults"
)

// The faults of arithmetic and of input.
var (
	ErrOverflow      = faults.Declare(faults.Invalid, "money.overflow")
	ErrCurrency      = faults.Declare(faults.Invalid, "money.unknown-currency")
	ErrMixedCurrency = faults.Declare(faults.Invalid, "money.mixed-currencies")
)

// Money is an amount of minor units (cents of a dollar, yen of a yen) in an ISO 4217 currency.
// The zero Money is nothing in no currency: a sum with it, on either side, is the other side.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Add gives m + o, or a fault on mixed currencies or overflow.
func (m Money) Add(o Money) (Money, error) {
	switch {
	case m == Money{}:
		return o, nil
	case o == Money{}:
		return m, nil
	}
	if m.Currency != o.Currency {
		return Money{}, ErrMixedCurrency.New("%s and %s can't be added", m.Currency, o.Currency)
	}
	sum := m.Amount + o.Amount
	if (sum > m.Amount) != (o.Amount > 0) {
		return Money{}, ErrOverflow.New("%d + %d is out of range", m.Amount, o.Amount)
	}
	return Money{Amount: sum, Currency: m.Currency}, nil
}

// Times gives m × n for a quantity n ≥ 0, or a fault on overflow.
func (m Money) Times(n int64) (Money, error) {
	if n < 0 || m.Amount < 0 {
		return Money{}, ErrOverflow.New("%d × %d: factors must not be negative", m.Amount, n)
	}
	hi, lo := bits.Mul64(uint64(m.Amount), uint64(n))
	if hi != 0 || lo > 1<<63-1 {
		return Money{}, ErrOverflow.New("%d × %d is out of range", m.Amount, n)
	}
	return Money{Amount: int64(lo), Currency: m.Currency}, nil
}

// BasisPoints gives n hundredths of a percent of m, rounded to whole minor units, a half to the
// even one: over many amounts the roundings cancel out. A fault on overflow, or where m or n is
// negative.
func (m Money) BasisPoints(n int64) (Money, error) {
	const whole = 10_000
	if n < 0 || m.Amount < 0 {
		return Money{}, ErrOverflow.New("%d × %d/%d: factors must not be negative", m.Amount, n, whole)
	}
	hi, lo := bits.Mul64(uint64(m.Amount), uint64(n))
	if hi >= whole/2 { // the quotient is 2^63 or more
		return Money{}, ErrOverflow.New("%d × %d/%d is out of range", m.Amount, n, whole)
	}
	quotient, rest := bits.Div64(hi, lo, whole)
	if 2*rest > whole || 2*rest == whole && quotient%2 == 1 {
		quotient++
	}
	if quotient > 1<<63-1 {
		return Money{}, ErrOverflow.New("%d × %d/%d is out of range", m.Amount, n, whole)
	}
	return Money{Amount: int64(quotient), Currency: m.Currency}, nil
}

// String writes the amount with the decimals of the currency's minor unit: "USD 12.34", "JPY 500",
// "RSD 1999.00". For people only.
func (m Money) String() string {
	digits := Decimals(m.Currency)
	abs := strings.TrimPrefix(strconv.FormatInt(m.Amount, 10), "-")
	if pad := digits + 1 - len(abs); pad > 0 {
		abs = strings.Repeat("0", pad) + abs
	}
	sign := ""
	if m.Amount < 0 {
		sign = "-"
	}
	if digits == 0 {
		return fmt.Sprintf("%s %s%s", m.Currency, sign, abs)
	}
	cut := len(abs) - digits
	return fmt.Sprintf("%s %s%s.%s", m.Currency, sign, abs[:cut], abs[cut:])
}
