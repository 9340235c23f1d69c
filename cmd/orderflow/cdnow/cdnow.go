// Package cdnow turns the purchase log of CDNOW, a shop that sold CDs in 1997 and 1998, into
// orders, and says from the log alone how each must end.
//
// The log gives a purchase's customer, day, number of CDs and total, not its items. An item of the
// catalogue here is a price: a purchase of n CDs for a total becomes the one or two lines of whole
// cents that add up to it, and a SKU is the CD that costs so much.
package cdnow

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Currency of the log.
const Currency = "USD"

// Purchase is one line of the log.
type Purchase struct {
	Customer string // as in the log: five digits
	Day      time.Time
	CDs      int64
	Total    int64 // cents
}

// Parse reads CDNOW_sample.txt (customer, customer in the sample, day, CDs, dollars; no header) or
// CDNOW_master.txt (a header; customer, day, CDs, dollars), told apart by their columns. It skips
// offset purchases and reads at most limit, all with limit 0. A line that is neither is an error
// with its number.
func Parse(r io.Reader, offset, limit int) ([]Purchase, error) {
	var purchases []Purchase
	lines := bufio.NewScanner(r)
	seen := 0
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || number == 1 && fields[0] == "customer_id" {
			continue
		}
		seen++
		if seen <= offset {
			continue
		}
		p, err := parse(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		purchases = append(purchases, p)
		if limit > 0 && len(purchases) == limit {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return purchases, nil
}

func parse(fields []string) (Purchase, error) {
	switch len(fields) {
	case 4:
	case 5:
		fields = slices.Delete(slices.Clone(fields), 1, 2)
	default:
		return Purchase{}, fmt.Errorf("expected 4 or 5 columns, got %d", len(fields))
	}
	if _, err := strconv.ParseUint(fields[0], 10, 32); err != nil {
		return Purchase{}, fmt.Errorf("customer: expected a number, got %q", fields[0])
	}
	day, err := time.Parse("20060102", fields[1])
	if err != nil {
		return Purchase{}, fmt.Errorf("day: expected YYYYMMDD, got %q", fields[1])
	}
	cds, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || cds < 1 {
		return Purchase{}, fmt.Errorf("number of CDs: expected 1 or more, got %q", fields[2])
	}
	total, err := cents(fields[3])
	if err != nil {
		return Purchase{}, err
	}
	return Purchase{Customer: fields[0], Day: day, CDs: cds, Total: total}, nil
}

// cents reads dollars with two decimals exactly: never by way of a float.
func cents(s string) (int64, error) {
	dollars, fraction, _ := strings.Cut(s, ".")
	if len(fraction) == 2 {
		if c, err := strconv.ParseUint(dollars+fraction, 10, 62); err == nil {
			return int64(c), nil
		}
	}
	return 0, fmt.Errorf("dollar value: expected dollars and two decimals, got %q", s)
}

// Line is one line of an order.
type Line struct {
	SKU      string
	Quantity int64
	Price    int64 // cents a piece
}

// Outcome is how an order must end: the status, and the reason where it is cancelled.
type Outcome struct {
	Status string
	Reason string
}

// The outcomes. An order that several things stand against ends by the first, since the steps come
// in this order.
var (
	Confirmed    = Outcome{Status: "confirmed"}
	OutOfStock   = Outcome{Status: "cancelled", Reason: "stock.insufficient"}
	Underfunded  = Outcome{Status: "cancelled", Reason: "account.insufficient-funds"}
	Unservable   = Outcome{Status: "cancelled", Reason: "shipment.country-not-served"}
	unserved     = "AQ" // Antarctica: ISO 3166-1 has it, carriers have not
	homeCountry  = "US"
	everyNth     = 10 // customers are taken by turns in the order of their first purchase
	turnOfFunds  = 3
	turnOfPlaces = 7
)

// Order is a purchase as it is placed.
type Order struct {
	Number   int // position in the selection, from 1
	Customer string
	Lines    []Line
	Total    int64
	Outcome  Outcome
}

// Customer is who places orders.
type Customer struct {
	ID      string // in the log
	Funds   int64  // cents to deposit before the first order; 0 is none
	Country string
	Orders  int
}

// Plan is everything to set up, everything to place, and what must be true afterwards, all from the
// log alone.
type Plan struct {
	Customers []Customer
	Prices    map[string]int64 // the catalogue: cents a piece, by SKU
	Stock     map[string]int64 // on hand before the first order
	Orders    []Order
}

// NewPlan decides what goes wrong so that every undo really runs, and so that timing has no say in
// it: some customers' funds are below their smallest order, one SKU's stock is below its smallest
// line, some customers live where no carrier goes. Everybody else can pay, and every other SKU
// covers, all that is asked for at once.
func NewPlan(purchases []Purchase) Plan {
	p := Plan{Prices: map[string]int64{}, Stock: map[string]int64{}}
	positions := map[string]int{}
	smallest := map[string]int64{}     // by customer
	smallestLine := map[string]int64{} // by SKU
	popularity := map[string]int{}
	for i, purchase := range purchases {
		at, known := positions[purchase.Customer]
		if !known {
			at = len(p.Customers)
			positions[purchase.Customer] = at
			p.Customers = append(p.Customers, Customer{ID: purchase.Customer, Country: homeCountry})
			smallest[purchase.Customer] = purchase.Total
		}
		smallest[purchase.Customer] = min(smallest[purchase.Customer], purchase.Total)
		p.Customers[at].Funds += purchase.Total
		p.Customers[at].Orders++
		o := Order{Number: i + 1, Customer: purchase.Customer, Lines: split(purchase), Total: purchase.Total}
		for _, l := range o.Lines {
			p.Prices[l.SKU] = l.Price
			p.Stock[l.SKU] += l.Quantity
			popularity[l.SKU]++
			if n, ok := smallestLine[l.SKU]; !ok || l.Quantity < n {
				smallestLine[l.SKU] = l.Quantity
			}
		}
		p.Orders = append(p.Orders, o)
	}
	short := mostPopular(popularity)
	if short != "" {
		p.Stock[short] = smallestLine[short] - 1
	}
	poor := map[string]bool{}
	for i := range p.Customers {
		c := &p.Customers[i]
		switch i % everyNth {
		case turnOfFunds:
			if smallest[c.ID] > 0 {
				c.Funds, poor[c.ID] = smallest[c.ID]-1, true
			}
		case turnOfPlaces:
			c.Country = unserved
		}
	}
	for i := range p.Orders {
		o := &p.Orders[i]
		switch {
		case slices.ContainsFunc(o.Lines, func(l Line) bool { return l.SKU == short }):
			o.Outcome = OutOfStock
		case poor[o.Customer]:
			o.Outcome = Underfunded
		case p.Customers[positions[o.Customer]].Country == unserved:
			o.Outcome = Unservable
		default:
			o.Outcome = Confirmed
		}
	}
	return p
}

// split finds the whole cents that add up to the total: n CDs at the price rounded down, or some of
// them at a cent more.
func split(p Purchase) []Line {
	price, dearer := p.Total/p.CDs, p.Total%p.CDs
	var lines []Line
	if p.CDs > dearer {
		lines = append(lines, Line{SKU: sku(price), Quantity: p.CDs - dearer, Price: price})
	}
	if dearer > 0 {
		lines = append(lines, Line{SKU: sku(price + 1), Quantity: dearer, Price: price + 1})
	}
	return lines
}

func sku(price int64) string { return fmt.Sprintf("CD-%04d", price) }

func mostPopular(popularity map[string]int) string {
	best := ""
	for s, n := range popularity {
		if best == "" || cmp.Or(cmp.Compare(n, popularity[best]), cmp.Compare(best, s)) > 0 {
			best = s
		}
	}
	return best
}

// Totals are what a customer's orders must come to.
type Totals struct {
	Orders    int64
	Confirmed int64
	Cancelled int64
	Money     int64 // cents of the confirmed orders
}

// Expected adds up, per customer of the log, how their orders must end.
func (p Plan) Expected() map[string]Totals {
	out := map[string]Totals{}
	for _, o := range p.Orders {
		t := out[o.Customer]
		t.Orders++
		if o.Outcome == Confirmed {
			t.Confirmed++
			t.Money += o.Total
		} else {
			t.Cancelled++
		}
		out[o.Customer] = t
	}
	return out
}

// StockLeft is what must be available of each SKU when every order is final.
func (p Plan) StockLeft() map[string]int64 {
	left := map[string]int64{}
	for s, n := range p.Stock {
		left[s] = n
	}
	for _, o := range p.Orders {
		if o.Outcome != Confirmed {
			continue
		}
		for _, l := range o.Lines {
			left[l.SKU] -= l.Quantity
		}
	}
	return left
}
