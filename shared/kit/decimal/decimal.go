// Package decimal reads the numbers that people and programs write: on a command line, in a query,
// in an environment. There is one form: decimal digits. strconv takes more, and by its base 0,
// which flags use, 010 is 8.
package decimal

import (
	"fmt"
	"strconv"
	"strings"
)

// IsWhole reports whether a text is a whole number as Whole reads it, of any size.
func IsWhole(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	return isCardinal(digits) && (digits == text || digits != "0")
}

// isCardinal reports whether a text is decimal digits without leading zeros.
func isCardinal(text string) bool { return areDigits(text) && (text[0] != '0' || text == "0") }

func areDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func isFraction(text string) bool {
	whole, decimals, given := strings.Cut(text, ".")
	return isCardinal(whole) && (!given || areDigits(decimals))
}

// Whole reads a whole number from least to most. It has no leading zeros, no + and nothing between
// its digits.
func Whole(text string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if !IsWhole(text) || err != nil || n < least || n > most {
		return 0, fmt.Errorf("expected a whole number from %d to %d in decimal digits, not %q", least, most, text)
	}
	return n, nil
}

// Fraction reads a number from least to most that may have a fraction, and has neither a sign nor
// an exponent.
func Fraction(text string, least, most float64) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if !isFraction(text) || err != nil || n < least || n > most {
		return 0, fmt.Errorf("expected a number from %v to %v in decimal digits, not %q", least, most, text)
	}
	return n, nil
}
