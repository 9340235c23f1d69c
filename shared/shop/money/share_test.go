package money

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestShare(t *testing.T) {
	tests := []struct {
		amount, n, of, want int64
	}{
		{100, 1, 3, 33},
		{67, 1, 2, 33},
		{34, 1, 1, 34},
		{0, 2, 5, 0},
		{1, 1, 3, 0},
		{100, 0, 3, 0},
		{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64 - 1},
	}
	for _, tt := range tests {
		got, err := Money{tt.amount, "EUR"}.Share(tt.n, tt.of)
		if want := (Money{tt.want, "EUR"}); err != nil || got != want {
			t.Errorf("%d of %d parts of %d: %v, %v, want %v", tt.n, tt.of, tt.amount, got, err, want)
		}
	}
	for _, bad := range [][3]int64{{-1, 1, 3}, {100, -1, 3}, {100, 0, 0}, {100, 4, 3}} {
		if _, err := (Money{bad[0], "EUR"}).Share(bad[1], bad[2]); !errors.Is(err, ErrOverflow) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestSharesSumUp: however the parts are taken, they come to the amount, and parts of one size
// differ by one minor unit at most.
func TestSharesSumUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, 1_000_000_000_000).Draw(t, "amount")
		parts := rapid.Int64Range(1, 60).Draw(t, "parts")
		single := rapid.Bool().Draw(t, "one by one")
		least, most, sum := int64(math.MaxInt64), int64(0), int64(0)
		for rest := parts; rest > 0; {
			n := int64(1)
			if !single {
				n = rapid.Int64Range(1, rest).Draw(t, "n")
			}
			share, err := Money{amount - sum, "EUR"}.Share(n, rest)
			if err != nil {
				t.Fatal(err)
			}
			least, most = min(least, share.Amount), max(most, share.Amount)
			sum, rest = sum+share.Amount, rest-n
		}
		if sum != amount || single && most-least > 1 {
			t.Errorf("%d in %d parts: %d in all, each %d to %d", amount, parts, sum, least, most)
		}
	})
}
