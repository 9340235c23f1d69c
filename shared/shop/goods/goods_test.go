package goods_test

import (
	"slices"
	"testing"

	"orderflow/shared/shop/goods"
)

// TestSum: a SKU comes once, whatever the order and the number of its items.
func TestSum(t *testing.T) {
	for name, tc := range map[string]struct{ items, want []goods.Item }{
		"nothing": {nil, []goods.Item{}},
		"one":     {[]goods.Item{{SKU: "a", Quantity: 2}}, []goods.Item{{SKU: "a", Quantity: 2}}},
		"several": {
			[]goods.Item{{SKU: "b", Quantity: 1}, {SKU: "a", Quantity: 2}, {SKU: "b", Quantity: 3}},
			[]goods.Item{{SKU: "a", Quantity: 2}, {SKU: "b", Quantity: 4}},
		},
	} {
		if got := goods.Sum(tc.items); got == nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
