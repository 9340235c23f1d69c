// Package goods says how much there is of what. Contexts that move things share it.
package goods

import (
	"maps"
	"slices"
)

// OutOfStock is what becomes of an order that is short of stock.
type OutOfStock string

// The policies, the strictest first: each keeps less of what was ordered together. The zero
// OutOfStock is Reject.
const (
	Reject      OutOfStock = "reject"       // it is cancelled
	Backorder   OutOfStock = "backorder"    // it waits until all of it is there
	PartialWait OutOfStock = "partial-wait" // it goes on without what is missing, which waits, as all does where all is
	PartialDrop OutOfStock = "partial-drop" // it goes on without what is missing; cancelled where all is
)

// lenience orders the policies.
var lenience = []OutOfStock{Reject, Backorder, PartialWait, PartialDrop}

// Stored is a policy as events keep it: "" for Reject, which is what those without one mean.
func (p OutOfStock) Stored() OutOfStock {
	if p == Reject {
		return ""
	}
	return p
}

// Stricter is what applies to what has both. A policy of a later release counts as Reject.
func (p OutOfStock) Stricter(other OutOfStock) OutOfStock {
	return lenience[max(0, min(slices.Index(lenience, p), slices.Index(lenience, other)))]
}

// Lenient is the policy that is stricter than no other.
func Lenient() OutOfStock { return lenience[len(lenience)-1] }

// Partial reports whether what is there is sold without the rest.
func (p OutOfStock) Partial() bool { return p == PartialDrop || p == PartialWait }

// Waits reports whether what is missing waits, be it all of an order.
func (p OutOfStock) Waits() bool { return p == Backorder || p == PartialWait }

// Item is a quantity of one SKU. Events are stored with it: its JSON stays as it is.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Sum adds up the items of each SKU. The sums are ordered by SKU.
func Sum(items []Item) []Item {
	quantities := make(map[string]int64, len(items))
	for _, item := range items {
		quantities[item.SKU] += item.Quantity
	}
	out := make([]Item, 0, len(quantities))
	for _, sku := range slices.Sorted(maps.Keys(quantities)) {
		out = append(out, Item{SKU: sku, Quantity: quantities[sku]})
	}
	return out
}

// Difference is what comes and what goes, so that those who have before have after, as sums by SKU.
// Either is nil where there is none.
func Difference(before, after []Item) (more, less []Item) {
	change := map[string]int64{}
	for _, item := range after {
		change[item.SKU] += item.Quantity
	}
	for _, item := range before {
		change[item.SKU] -= item.Quantity
	}
	for _, sku := range slices.Sorted(maps.Keys(change)) {
		switch n := change[sku]; {
		case n > 0:
			more = append(more, Item{SKU: sku, Quantity: n})
		case n < 0:
			less = append(less, Item{SKU: sku, Quantity: -n})
		}
	}
	return more, less
}
