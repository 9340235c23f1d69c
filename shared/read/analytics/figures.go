package analytics

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
)

// Kind is what a row counts.
type Kind string

// The kinds of rows.
const (
	KindHour Kind = "hour" // what happened in an hour; a day is the sum of its hours
	KindSKU  Kind = "sku"  // pieces of an SKU, sold on a day, that its hours' rows had no room for
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

// The names of counters. Those that end in a point go on: with a currency, with an SKU, or with a
// reason's kind, a slash and its code.
const (
	counterOrders    = "orders"
	counterConfirmed = "confirmed"
	counterCancelled = "cancelled."
	counterRevenue   = "revenue."
	counterRefunded  = "refunded."
	counterSold      = PrefixSold
	counterStockOuts = "stock-outs"
	counterMinute    = PrefixMinute
	counterTook      = PrefixTook
	// CounterPieces is the only counter of a KindSKU row.
	CounterPieces = "pieces"
)

// The beginnings of counters that an hour has many of, so that a table writes them short.
const (
	PrefixSold   = "sold."   // pieces of an SKU, in the hour in which their order was confirmed
	PrefixMinute = "minute." // orders placed in a minute of the hour, of two digits
	PrefixTook   = "took."   // orders by their time to the decision: a bound in milliseconds, or "more"
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

// What an hour's row has room for, in bytes. It stays below the KB that a write unit pays for: its
// key has 50, its minutes 300, its times 90, and what is left is for pieces by SKU and for all
// else.
const (
	soldRoom  = 370
	otherRoom = 210 // what is above it is taken from the pieces
)

// What counters take in a row, as analyticstable writes them: a name, and a number of two digits
// for each byte of it and one byte more.
const (
	soldBytes    = 2 + 4 // besides the SKU: up to a million pieces
	counterBytes = 6 + 5 // besides the name
)

// reserved says whether a counter has its room in each hour's row, whether it is there yet or not.
func reserved(counter string) bool {
	return strings.HasPrefix(counter, counterMinute) || strings.HasPrefix(counter, counterTook)
}

// spilled is the sum with those pieces in rows of their SKUs that the hour's row has no room for.
// read has the rows that were read; an hour that was not has no room. before is what the same Write
// adds already.
func (s sum) spilled(read map[Row]Counters, before sum) sum {
	out := sum{}
	for r, added := range s {
		row, known := read[r]
		names, sold, others := map[string]bool{}, 0, 0
		take := func(name string) {
			sku, isSold := strings.CutPrefix(name, counterSold)
			switch {
			case names[name], reserved(name):
			case isSold:
				sold += len(sku) + soldBytes
			default:
				others += len(name) + counterBytes
			}
			names[name] = true
		}
		for _, counters := range []Counters{row, before[r], added.others()} {
			for name := range counters {
				take(name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(added)) {
			sku, pieces := strings.CutPrefix(name, counterSold)
			room := soldRoom - max(0, others-otherRoom)
			if pieces && (!known || !names[name] && sold+len(sku)+soldBytes > room) {
				out.add(Row{Kind: KindSKU, Date: r.Date, SKU: sku}, CounterPieces, added[name])
				continue
			}
			take(name)
			out.add(r, name, added[name])
		}
	}
	return out
}

// others are the counters that are no pieces.
func (c Counters) others() Counters {
	others := Counters{}
	for name, n := range c {
		if !strings.HasPrefix(name, counterSold) {
			others[name] = n
		}
	}
	return others
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
	Refunded  []money.Money
	Refunds   int64         // of orders that had left
	GivenBack []money.Money // by these, by currency
	StockOuts int64         // orders that stock was short of, each once
	Decided   Durations     // how long those took that were decided in this time
}

// addAll adds the counters of an hour to those of its day.
func (c Counters) addAll(hour Counters) error {
	for name, n := range hour {
		if n > math.MaxInt64-c[name] {
			return fmt.Errorf("%w: analytics: the sum of %s is beyond what a number holds", es.ErrCorrupt, name)
		}
		c[name] += n
	}
	return nil
}

// sold are the pieces by SKU that the counters of hours have.
func (c Counters) sold() map[string]int64 {
	pieces := map[string]int64{}
	for name, n := range c {
		if sku, ok := strings.CutPrefix(name, counterSold); ok {
			pieces[sku] = n
		}
	}
	return pieces
}

// figuresOf reads the counters of a day or an hour. A counter of another name is one of a later
// version and is passed over. What a late event moves out of an hour that another time zone has
// counted may leave less than nothing in this one's, which is shown as nothing.
func figuresOf(c Counters) Figures {
	f := Figures{
		Orders: c[counterOrders], Confirmed: c[counterConfirmed], Kinds: map[string]int64{},
		Reasons: map[string]int64{}, Revenue: []money.Money{}, Refunded: []money.Money{}, Refunds: c[counterRefunds],
		GivenBack: []money.Money{}, StockOuts: max(0, c[counterStockOuts]), Decided: timesOf(c),
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if c[name] == 0 { // an amendment took it back
			continue
		}
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
		if currency, ok := strings.CutPrefix(name, counterGivenBack); ok {
			f.GivenBack = append(f.GivenBack, money.Money{Amount: c[name], Currency: currency})
		}
	}
	return f
}
