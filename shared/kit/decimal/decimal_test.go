package decimal_test

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/decimal"
)

// odd are texts that Go takes for numbers in one way or another, and that are refused.
var odd = []string{
	"", " ", "010", "00", "007", "-0", "-01", "+5", "0x10", "0b1", "0o7", "1_000", "1e3", "1E3", "5.", ".5",
	" 5", "5 ", "5\n", "٥", "Inf", "NaN", "0x1p-2", "9223372036854775808", "-9223372036854775809",
}

func TestWhole(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "10": 10, "-1": -1, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		if got, err := decimal.Whole(text, math.MinInt64, math.MaxInt64); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range append(odd, "1.5", "1.0", "ten") {
		if got, err := decimal.Whole(text, math.MinInt64, math.MaxInt64); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	for text, good := range map[string]bool{"0": false, "1": true, "60": true, "61": false, "-1": false} {
		if _, err := decimal.Whole(text, 1, 60); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFraction(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "1": 1, "2.50": 2.5, "0.5": 0.5, "100": 100} {
		if got, err := decimal.Fraction(text, 0, 100); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range append(odd, "-1", "-0.5", "100.1", "1.2.3", "1,5") {
		if got, err := decimal.Fraction(text, 0, 100); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// A number is written in one way, and that one is read.
func TestOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n")
		text := strconv.FormatInt(n, 10)
		if got, err := decimal.Whole(text, math.MinInt64, math.MaxInt64); err != nil || got != n {
			t.Fatalf("%s is %d, %v", text, got, err)
		}
		other := rapid.StringMatching(`[-+]?0*[0-9]{1,20}`).Draw(t, "text")
		if got, err := decimal.Whole(other, math.MinInt64, math.MaxInt64); err == nil &&
			strconv.FormatInt(got, 10) != other {
			t.Fatalf("%q is %d", other, got)
		}
	})
}
