package analytics

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"orderflow/shared/shop/money"
)

// Kind is what a row counts.
type Kind string

// The kinds of rows.
const (
	KindDay  Kind = "day"  // what happened on a day
	KindHour Kind = "hour" // what happened in an hour
	KindSKU  Kind = "sku"  // pieces of an SKU in the orders that were confirmed on a day
)

// Row names counters that many orders add to.
type Row struct {
	Kind Kind
	Date Date
	Hour time.Time // KindHour: when it begins, in UTC
	SKU  string    // KindSKU
}

// Counters are whole numbers by name. Only sums are ever written, so that two writers never
// overwrite each other.
type Counters map[string]int64

// Addition is what is added to a row.
type Addition struct {
	Row      Row
	Counters Counters
}

// The names of counters. Those that end in a point go on: with a currency, or with a reason's kind,
// a slash and its code.
const (
	counterOrders    = "orders"
	counterConfirmed = "confirmed"
	counterCancelled = "cancelled."
	counterRevenue   = "revenue."
	counterRefunded  = "refunded."
	// CounterPieces is the only counter of a KindSKU row.
	CounterPieces = "pieces"
)

// sum is additions, by row.
type sum map[Row]Counters

func (s sum) add(r Row, counter string, n int64) {
	if n == 0 {
		return
	}
	if s[r] == nil {
		s[r] = Counters{}
	}
	if s[r][counter] += n; s[r][counter] == 0 {
		delete(s[r], counter)
	}
	if len(s[r]) == 0 {
		delete(s, r)
	}
}

// addAll adds another sum, times a factor.
func (s sum) addAll(o sum, factor int64) {
	for r, counters := range o {
		for name, n := range counters {
			s.add(r, name, factor*n)
		}
	}
}

// additions gives the sum in an order of its own.
func (s sum) additions() []Addition {
	all := make([]Addition, 0, len(s))
	for r, counters := range s {
		all = append(all, Addition{Row: r, Counters: counters})
	}
	slices.SortFunc(all, func(a, b Addition) int { return strings.Compare(fmt.Sprint(a.Row), fmt.Sprint(b.Row)) })
	return all
}

// Figures are what happened in an hour or on a day.
type Figures struct {
	Orders    int64            // that were placed
	Confirmed int64            // orders that were confirmed, whatever became of them later
	Cancelled int64            // orders whose cancellation was completed
	Kinds     map[string]int64 // of these, by kind of reason
	Reasons   map[string]int64 // of these, by the reason's code
	Revenue   []money.Money    // what the confirmed ones came to, by currency
	// what confirmed orders came to that were cancelled in this time, whenever they were confirmed
	Refunded []money.Money
}

// figuresOf reads the counters of a day or an hour. A counter of another name is one of a later
// version and is passed over.
func figuresOf(c Counters) Figures {
	f := Figures{
		Orders: c[counterOrders], Confirmed: c[counterConfirmed], Kinds: map[string]int64{},
		Reasons: map[string]int64{}, Revenue: []money.Money{}, Refunded: []money.Money{},
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if reason, ok := strings.CutPrefix(name, counterCancelled); ok {
			kind, code, _ := strings.Cut(reason, "/")
			f.Cancelled += c[name]
			f.Kinds[kind] += c[name]
			f.Reasons[code] += c[name]
		}
		if currency, ok := strings.CutPrefix(name, counterRevenue); ok {
			f.Revenue = append(f.Revenue, money.Money{Amount: c[name], Currency: currency})
		}
		if currency, ok := strings.CutPrefix(name, counterRefunded); ok {
			f.Refunded = append(f.Refunded, money.Money{Amount: c[name], Currency: currency})
		}
	}
	return f
}
