package money

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/faults"
)

func usd(n int64) Money { return Money{Amount: n, Currency: "USD"} }

func TestAdd(t *testing.T) {
	tests := []struct {
		name string
		a, b Money
		want Money
		err  *faults.Spec
	}{
		{"two amounts", usd(1), usd(2), usd(3), nil},
		{"to nothing", Money{}, usd(2), usd(2), nil},
		{"nothing", usd(2), Money{}, usd(2), nil},
		{"nothing to nothing", Money{}, Money{}, Money{}, nil},
		{"zero of a currency is not nothing", usd(0), Money{1, "EUR"}, Money{}, ErrMixedCurrency},
		{"two currencies", usd(1), Money{1, "EUR"}, Money{}, ErrMixedCurrency},
		{"to the largest", usd(math.MaxInt64 - 1), usd(1), usd(math.MaxInt64), nil},
		{"above the largest", usd(math.MaxInt64), usd(1), Money{}, ErrOverflow},
		{"below the smallest", usd(math.MinInt64), usd(-1), Money{}, ErrOverflow},
		{"the extremes", usd(math.MinInt64), usd(math.MaxInt64), usd(-1), nil},
		{"zero", usd(math.MaxInt64), usd(0), usd(math.MaxInt64), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.a.Add(tt.b)
			if got != tt.want || (err != nil) != (tt.err != nil) || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%v, %v, want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// extreme draws amounts of which many are near a limit.
func extreme() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.Int64Range(math.MaxInt64-3, math.MaxInt64),
		rapid.Int64Range(math.MinInt64, math.MinInt64+3),
		rapid.Int64Range(3037000490, 3037000510)) // around the root of the largest
}

// TestArithmetic compares sums, products and parts with those of unlimited numbers: exact, or a
// fault.
func TestArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := extreme().Draw(t, "a"), extreme().Draw(t, "b")
		x, y := big.NewInt(a), big.NewInt(b)
		compare := func(op string, got Money, err error, want *big.Int, allowed bool) {
			if fits := allowed && want.IsInt64(); fits != (err == nil) || fits && got != usd(want.Int64()) || !fits &&
				!errors.Is(err, ErrOverflow) {
				t.Fatalf("%d %s %d: %v, %v, want %v", a, op, b, got, err, want)
			}
		}
		sum, err := usd(a).Add(usd(b))
		compare("+", sum, err, new(big.Int).Add(x, y), true)
		back, err := usd(b).Add(usd(a))
		compare("+ (swapped)", back, err, new(big.Int).Add(x, y), true)
		product, err := usd(a).Times(b)
		compare("×", product, err, new(big.Int).Mul(x, y), a >= 0 && b >= 0)
		part, err := usd(a).BasisPoints(b)
		whole := big.NewInt(10_000)
		want, rest := new(big.Int).QuoRem(new(big.Int).Mul(x, y), whole, new(big.Int))
		if half := rest.Lsh(rest, 1).Cmp(whole); half > 0 || half == 0 && want.Bit(0) == 1 {
			want.Add(want, big.NewInt(1))
		}
		compare("bp", part, err, want, a >= 0 && b >= 0)
	})
}

// TestBasisPoints: a half is rounded to the even side, all else to the nearest.
func TestBasisPoints(t *testing.T) {
	for _, tt := range []struct{ amount, n, want int64 }{
		{500, 500, 25}, {0, 500, 0}, {500, 0, 0}, {500, 10_000, 500}, {500, 20_000, 1000},
		{49, 100, 0}, {50, 100, 0}, {51, 100, 1}, {149, 100, 1}, {150, 100, 2}, {151, 100, 2}, {250, 100, 2},
		{251, 100, 3}, {350, 100, 4},
		{1, 4_999, 0}, {1, 5_000, 0}, {1, 5_001, 1}, {3, 5_000, 2},
		{math.MaxInt64, 10_000, math.MaxInt64}, {math.MaxInt64, 1, 922337203685478},
	} {
		if got, err := (Money{tt.amount, "JPY"}).BasisPoints(tt.n); err != nil || got != (Money{tt.want, "JPY"}) {
			t.Errorf("%d of %d: %v, %v, want %d", tt.n, tt.amount, got, err, tt.want)
		}
	}
	for _, tt := range [][2]int64{
		{-1, 100}, {1, -100}, {math.MaxInt64, 10_001}, {math.MaxInt64, math.MaxInt64}, {math.MaxInt64, 20_000},
	} {
		if got, err := usd(tt[0]).BasisPoints(tt[1]); !errors.Is(err, ErrOverflow) {
			t.Errorf("%d of %d: %v, %v", tt[1], tt[0], got, err)
		}
	}
}

func TestTimesKeepsTheCurrency(t *testing.T) {
	if got, err := (Money{500, "JPY"}).Times(3); err != nil || got != (Money{1500, "JPY"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := usd(math.MaxInt64).Times(0); err != nil || got != usd(0) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestString(t *testing.T) {
	for want, m := range map[string]Money{
		"USD 12.34": usd(1234), "USD 0.05": usd(5), "USD 0.00": usd(0), "USD -0.05": usd(-5), "USD -12.34": usd(-1234),
		"JPY 500": {500, "JPY"}, "JPY -1": {-1, "JPY"}, "KWD 0.001": {1, "KWD"}, "KWD 12.345": {12345, "KWD"},
		"RSD 1999.00": {199900, "RSD"}, "IQD 1.500": {1500, "IQD"}, "COP 0.05": {5, "COP"},
		"PKR -12.34": {-1234, "PKR"}, "ZWG 0.10": {10, "ZWG"},
		"BGN 19.99": {1999, "BGN"}, "ITL 1999": {1999, "ITL"}, "XAU 5": {5, "XAU"}, "CLF 1.0000": {10000, "CLF"},
		"USD 92233720368547758.07": usd(math.MaxInt64), "USD -92233720368547758.08": usd(math.MinInt64),
	} {
		if got := m.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	got, err := json.Marshal(usd(math.MaxInt64))
	if err != nil || string(got) != `{"amount":9223372036854775807,"currency":"USD"}` {
		t.Errorf("%s, %v", got, err)
	}
	var m Money
	if err := json.Unmarshal(got, &m); err != nil || m != usd(math.MaxInt64) {
		t.Errorf("%v, %v", m, err)
	}
	for _, bad := range []string{
		`{"amount":1.5}`, `{"amount":9223372036854775808}`, `{"amount":"1"}`, `{"amount":1e400}`,
	} {
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
