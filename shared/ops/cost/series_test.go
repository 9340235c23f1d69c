package cost_test

import (
	"math/big"
	"testing"

	"orderflow/shared/ops/cost"
)

// TestMetrics: metrics are paid for by the hours in which they are written, and no month has more
// than 730.
func TestMetrics(t *testing.T) {
	for _, tt := range []struct{ orders, cancelled, want string }{
		{"0", "0", "0"},
		{"1", "0", "9/730"},
		{"73", "73", "12/10"},
		{"730", "365", "21/2"},
		{"1000000", "500000", "12"},
	} {
		orders, _ := new(big.Rat).SetString(tt.orders)
		cancelled, _ := new(big.Rat).SetString(tt.cancelled)
		want, _ := new(big.Rat).SetString(tt.want)
		got := cost.Metrics(orders, cancelled)[cost.SeriesMonth]
		if got == nil {
			got = new(big.Rat)
		}
		if got.Cmp(want) != 0 {
			t.Errorf("%s orders, %s of them cancelled: %s metrics, want %s", tt.orders, tt.cancelled, got, want)
		}
	}
}
