package stock

import (
	"fmt"
	"maps"
	"slices"

	"orderflow/shared/kit/es"
)

// Shortage is what a reservation met that was refused for want of stock: the rows of counters that
// were short, by SKU, as they were at that moment.
//
// More may have come in before anybody writes down that there was too little. So each row has an
// epoch, which grows with everything that can make more of it available, and what follows from a
// shortage is written only while the epochs are those that were met (Counters.Stands).
type Shortage map[string]Short

// Short is a row that was short.
type Short struct {
	Wanted    int64
	Available int64
	Epoch     int64 // 0 where there is no row
	Shards    int64 // of the SKU, as its own row says
	Waiting   int64 // reservations in the SKU's line
	Passed    int64 // that got pieces past the first of them
	Scattered bool  // shards of it have some, though too few, or are oversold, though others have some
}

// there is how much of what is short anybody may have: nothing where that is kept for the first of
// those who wait.
func (s Short) there() int64 {
	if s.Waiting > 0 && s.Passed >= MaxPassed {
		return 0
	}
	return max(s.Available, 0)
}

// There is what is to be had of what is short, in the rows of its SKUs.
func (s Shortage) There() []Item {
	var items []Item
	for _, sku := range slices.Sorted(maps.Keys(s)) {
		if n := s[sku].there(); n > 0 {
			items = append(items, Item{SKU: sku, Quantity: n})
		}
	}
	return items
}

// gone are the rows of what is short of which nothing is to be had.
func (s Shortage) gone() (rows []Item) {
	for _, sku := range slices.Sorted(maps.Keys(s)) {
		if s[sku].there() == 0 {
			rows = append(rows, Item{SKU: sku})
		}
	}
	return rows
}

// ample are the items that are not short.
func (s Shortage) ample(items []Item) []Item {
	return slices.DeleteFunc(slices.Clone(items), func(i Item) bool { _, short := s[i.SKU]; return short })
}

// scattered is a SKU whose shards have pieces, or lack some: nobody waits for it, or takes what is
// there, before all of that is in its own row.
func (s Shortage) scattered() string {
	for sku, short := range s {
		if short.Scattered {
			return sku
		}
	}
	return ""
}

// Refill is the refusal of what follows from a shortage that is over, or may be.
func Refill(sku string) error {
	return fmt.Errorf("stock: more of %s may be available by now: %w", quote(sku), es.ErrConflict)
}
