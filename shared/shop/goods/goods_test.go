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

// TestDifference: what comes and goes leads from the one to the other, and a SKU is never in both.
func TestDifference(t *testing.T) {
	a, b, c := goods.Item{SKU: "a", Quantity: 2}, goods.Item{SKU: "b", Quantity: 1}, goods.Item{SKU: "c", Quantity: 3}
	for name, tt := range map[string]struct{ before, after, more, less []goods.Item }{
		"nothing":        {},
		"the same":       {before: []goods.Item{a, b}, after: []goods.Item{b, a}},
		"one more":       {before: []goods.Item{a}, after: []goods.Item{a, b}, more: []goods.Item{b}},
		"one less":       {before: []goods.Item{a, b}, after: []goods.Item{b}, less: []goods.Item{a}},
		"another":        {before: []goods.Item{c}, after: []goods.Item{b}, more: []goods.Item{b}, less: []goods.Item{c}},
		"of lines":       {before: []goods.Item{a, a}, after: []goods.Item{a}, less: []goods.Item{a}},
		"from all":       {before: []goods.Item{c, a}, less: []goods.Item{a, c}},
		"split in lines": {before: []goods.Item{{SKU: "a", Quantity: 4}}, after: []goods.Item{a, a}},
	} {
		more, less := goods.Difference(tt.before, tt.after)
		if !slices.Equal(more, tt.more) || !slices.Equal(less, tt.less) {
			t.Errorf("%s: %v more, %v less; want %v, %v", name, more, less, tt.more, tt.less)
		}
	}
}

// TestStricter: of two policies the one that keeps more of an order together applies, in either
// order. What nobody knows counts as the strictest.
func TestStricter(t *testing.T) {
	const none, reject, backorder = goods.OutOfStock(""), goods.Reject, goods.Backorder
	const wait, drop = goods.PartialWait, goods.PartialDrop
	for _, tc := range []struct{ a, b, want goods.OutOfStock }{
		{backorder, backorder, backorder}, {backorder, reject, reject}, {backorder, none, reject}, {reject, none, reject},
		{none, none, reject}, {drop, drop, drop}, {drop, backorder, backorder}, {drop, reject, reject},
		{drop, none, reject}, {drop, "later", reject}, {drop, wait, wait}, {wait, backorder, backorder},
	} {
		if got, back := tc.a.Stricter(tc.b), tc.b.Stricter(tc.a); got != tc.want || back != tc.want {
			t.Errorf("of %q and %q it is %q and %q, want %q", tc.a, tc.b, got, back, tc.want)
		}
	}
	if reject.Stored() != none || none.Stored() != none || backorder.Stored() != backorder {
		t.Error("only what differs from the default is stored")
	}
	for _, p := range []goods.OutOfStock{reject, backorder, wait, drop} {
		if got := goods.Lenient().Stricter(p); got != p {
			t.Errorf("the most lenient is stricter than %s: %s", p, got)
		}
	}
}
