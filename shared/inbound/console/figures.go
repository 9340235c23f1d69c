package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
	_ "time/tzdata" // Lambda's image has no zones of its own

	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/money"
)

type figures struct {
	Days     []day   `json:"days"`
	TimeZone string  `json:"timeZone"`
	Decided  decided `json:"decided"`
}

// decided is how long orders took. A percentile is absent where there are no orders, or where it is
// longer than all bounds.
type decided struct {
	Orders    int64  `json:"orders"`
	P50Millis *int64 `json:"p50Millis"`
	P95Millis *int64 `json:"p95Millis"`
	P99Millis *int64 `json:"p99Millis"`
}

type day struct {
	Date              string           `json:"date"`
	Orders            int64            `json:"orders"`
	Confirmed         int64            `json:"confirmed"`
	Cancelled         int64            `json:"cancelled"`
	CancelledByReason map[string]int64 `json:"cancelledByReason"`
	Revenue           []money.Money    `json:"revenue"`
	Refunded          []money.Money    `json:"refunded"`
	Refunds           int64            `json:"refunds"`
	StockOuts         int64            `json:"stockOuts"`
	Decided           decided          `json:"decided"`
	Hours             []hour           `json:"hours"` // of today alone
	TopSkus           []struct {
		SKU    string `json:"sku"`
		Pieces int64  `json:"pieces"`
	} `json:"topSkus"`
}

type hour struct {
	Start     time.Time `json:"start"`
	Orders    int64     `json:"orders"`
	Confirmed int64     `json:"confirmed"`
	Cancelled int64     `json:"cancelled"`
}

type minuteList struct {
	Minutes       []minuteOrders `json:"minutes"`
	Orders        int64          `json:"orders"`
	TimeZone      string         `json:"timeZone"`
	SettledBefore time.Time      `json:"settledBefore"`
	WithoutMinute int64          `json:"ordersWithoutMinute"`
}

type minuteOrders struct {
	Start  time.Time `json:"start"`
	Orders int64     `json:"orders"`
}

// depths are how many dead-letter entries are not closed.
type depths struct {
	Returning int64           `json:"returning"`
	Waiting   int64           `json:"waiting"`
	Oldest    *time.Time      `json:"oldest"`
	AtLeast   bool            `json:"atLeast"`
	Consumers []consumerDepth `json:"consumers"`
}

type consumerDepth struct {
	Consumer  string     `json:"consumer"`
	Returning int64      `json:"returning"`
	Waiting   int64      `json:"waiting"`
	Oldest    *time.Time `json:"oldest"`
}

type orderCosts struct {
	PricesOf string      `json:"pricesOf"`
	Region   string      `json:"region"`
	Source   string      `json:"source"`
	Orders   []orderCost `json:"orders"`
}

type orderCost struct {
	Ends    string     `json:"ends"`
	Dollars string     `json:"dollars"`
	Lines   []costLine `json:"lines"`
}

type costLine struct {
	Item     string `json:"item"`
	Quantity string `json:"quantity"`
	Dollars  string `json:"dollars"`
}

type figuresView struct {
	Spans      []int
	Span       int
	TimeZone   string
	Days       []day // newest first
	None       bool  // nothing happened in all of them
	Charts     []chart
	Percentile []percentile // of the orders of all days
	Decided    int64        // of how many orders
	Reasons    []counted    // of cancellations, most frequent first
	Minutes    part[minuteList]
	ByMinute   chart
	Letters    part[depths]
	Costs      part[orderCosts]
}

type counted struct {
	Name  string
	Count int64
}

// spans are how many days the page shows, of 92 that the API gives at once.
var spans = []int{7, 14, 31}

// figures shows what the API counts: by minutes, hours and days; how deep the dead letters are; and
// what an order costs. What can't be had of these but the days keeps nothing else from being shown.
func (c Console) figures(x *exchange) error {
	v := figuresView{Spans: spans, Span: spans[0]}
	for _, days := range spans {
		if x.URL.Query().Get("days") == strconv.Itoa(days) {
			v.Span = days
		}
	}
	days := v.Span
	var f, today figures
	var work sync.WaitGroup
	var errs [4]error
	work.Go(func() { f, today, errs[0] = c.daily(x, days) })
	work.Go(func() { errs[1] = read(x, "/analytics/minutes", &v.Minutes) })
	work.Go(func() { errs[2] = read(x, "/analytics/dead-letters", &v.Letters) })
	work.Go(func() { errs[3] = read(x, "/analytics/cost", &v.Costs) })
	work.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	v.TimeZone, v.Reasons = f.TimeZone, reasons(f.Days)
	v.ByMinute, v.Charts = byMinute(v.Minutes.Is), append(byHour(today), charts(f)...)
	v.Percentile, v.Decided = f.Decided.percentiles(), f.Decided.Orders
	v.None = !slices.ContainsFunc(f.Days, day.happened)
	v.Days = slices.Clone(f.Days)
	slices.Reverse(v.Days)
	return x.render("figures", "Figures", v)
}

// daily reads so many days up to today's, and today with its hours.
func (c Console) daily(x *exchange, days int) (f, today figures, err error) {
	// The answer says in which time zone the shop is, where it may be a day earlier or later.
	now := c.Clock.Now().UTC()
	err = x.api.get(x.Context(), "/analytics/daily", url.Values{
		"from": {now.AddDate(0, 0, -1).Format(time.DateOnly)}, "to": {now.AddDate(0, 0, 1).Format(time.DateOnly)},
		"hours": {"true"}, "top": {"0"},
	}, &today)
	if err != nil {
		return f, today, err
	}
	zone, err := time.LoadLocation(today.TimeZone)
	if err != nil {
		return f, today, fmt.Errorf("the time zone of the figures: %w", err)
	}
	now = now.In(zone)
	first, last := now.AddDate(0, 0, 1-days).Format(time.DateOnly), now.Format(time.DateOnly)
	today.Days = slices.DeleteFunc(today.Days, func(d day) bool { return d.Date != last })
	err = x.api.get(x.Context(), "/analytics/daily", url.Values{"from": {first}, "to": {last}}, &f)
	return f, today, err
}

// happened says whether anything did.
func (d day) happened() bool { return d.Orders+d.Confirmed+d.Cancelled+d.Refunds+d.StockOuts > 0 }

// reasons counts why orders were cancelled.
func reasons(days []day) (all []counted) {
	sum := map[string]int64{}
	for _, d := range days {
		for name, n := range d.CancelledByReason {
			sum[name] += n
		}
	}
	for name, n := range sum {
		all = append(all, counted{name, n})
	}
	slices.SortFunc(all, func(a, b counted) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// outcomes are the kinds of bars of orders.
var outcomes = []string{"placed", "confirmed", "cancelled"}

// clockTime is how a moment of a chart is written in full: with the offset, since an hour comes
// twice where the clocks are put back.
const clockTime = "2006-01-02 15:04 -07:00"

// byMinute is a chart of the last hour.
func byMinute(m minuteList) chart {
	c := chart{
		Title: "Orders a minute, last hour", Unit: "orders", Axis: "minute, " + m.TimeZone, Kinds: outcomes[:1],
		Table: true,
	}
	var most minuteOrders
	for _, one := range m.Minutes {
		c.add(group{
			Label: one.Start.Format("15:04"), At: one.Start.Format(clockTime), Values: []int64{one.Orders},
		})
		if one.Orders > most.Orders {
			most = one
		}
	}
	c.Note = "No order was placed."
	if most.Orders > 0 {
		c.Note = fmt.Sprintf(
			"Orders placed: %d, at most %d in a minute, at %s.", m.Orders, most.Orders, most.Start.Format("15:04"),
		)
	}
	c.Note += " The minute that is not over is left out, and the last one or two may still grow."
	if m.WithoutMinute > 0 {
		c.Note += fmt.Sprintf(
			" Orders of these hours that an earlier release counted, without a minute: %d.", m.WithoutMinute,
		)
	}
	c.layOut()
	return c
}

// byHour is a chart of the hours that a day has, 23 or 25 where the clock changes.
func byHour(today figures) (all []chart) {
	for _, d := range today.Days {
		c := chart{
			Title: "Orders an hour, today", Unit: "orders", Axis: "hour, " + today.TimeZone, Kinds: outcomes,
			Table: true,
		}
		for _, h := range d.Hours {
			c.add(group{
				Label: h.Start.Format("15:04"), At: h.Start.Format(clockTime),
				Values: []int64{h.Orders, h.Confirmed, h.Cancelled},
			})
		}
		c.layOut()
		all = append(all, c)
	}
	return all
}

// charts are those of the days: orders, stock-outs, the time until they were decided, and revenue
// by currency.
func charts(f figures) []chart {
	axis := "day, " + f.TimeZone
	all := []chart{
		{Title: "Orders a day", Unit: "orders", Axis: axis, Kinds: outcomes},
		{
			Title: "Orders a day that stock was short of", Unit: "orders", Axis: axis, Kinds: []string{"short"},
			Note: "They waited for stock, went on without some of it, or were cancelled for want of it.",
		},
		{
			Title: "Time until orders are decided, a day", Unit: "time at most, in steps that grow", Axis: axis,
			Kinds: []string{"p50", "p95", "p99"}, rungs: rungs(), name: within,
			Note: "From placed to confirmed, or to cancelled without. Half, 95 and 99 of 100 orders took so long at " +
				"most. Two machines' clocks are compared, so that short times are rough.",
		},
	}
	for _, d := range f.Days {
		for i, values := range [][]int64{{d.Orders, d.Confirmed, d.Cancelled}, {d.StockOuts}} {
			all[i].add(group{Label: d.Date[len(d.Date)-5:], At: d.Date, Values: values})
		}
		all[2].add(d.times())
	}
	all = append(all, revenues(f)...)
	for i := range all {
		all[i].layOut()
	}
	return all
}

// revenues are a chart for each currency.
func revenues(f figures) (all []chart) {
	var currencies []string
	for _, d := range f.Days {
		for _, m := range d.Revenue {
			if !slices.Contains(currencies, m.Currency) {
				currencies = append(currencies, m.Currency)
			}
		}
	}
	slices.Sort(currencies)
	for _, currency := range currencies {
		c := chart{
			Title: "Revenue a day, " + currency, Unit: currency, Axis: "day, " + f.TimeZone, Kinds: []string{"revenue"},
			name: func(n int64) string { return money.Money{Amount: n, Currency: currency}.String() },
		}
		for _, d := range f.Days {
			taken := money.Money{Currency: currency}
			for _, m := range d.Revenue {
				if m.Currency == currency {
					taken = m
				}
			}
			c.add(group{Label: d.Date[len(d.Date)-5:], At: d.Date, Values: []int64{taken.Amount}})
		}
		all = append(all, c)
	}
	return all
}

// percentile is a time within which so many of a hundred orders were decided.
type percentile struct {
	Of   string // in words
	Says string // the time
}

// percentiles are those of the orders, none where there are none.
func (d decided) percentiles() (all []percentile) {
	if d.Orders == 0 {
		return nil
	}
	for i, millis := range []*int64{d.P50Millis, d.P95Millis, d.P99Millis} {
		of := []string{"half", "95 of 100", "99 of 100"}[i]
		p := percentile{Of: of + " not within " + within(longest), Says: "more than " + within(longest)}
		if millis != nil {
			p = percentile{Of: of + " within " + within(*millis), Says: within(*millis)}
		}
		all = append(all, p)
	}
	return all
}

// times is a day's group of percentiles.
func (d day) times() group {
	g := group{Label: d.Date[len(d.Date)-5:], At: d.Date, Values: []int64{0, 0, 0}, Says: []string{"–", "–", "–"}}
	for i, p := range d.Decided.percentiles() {
		g.Says[i], g.Values[i] = p.Says, longest
		if millis := []*int64{d.Decided.P50Millis, d.Decided.P95Millis, d.Decided.P99Millis}[i]; millis != nil {
			g.Values[i] = *millis
		}
	}
	return g
}

// Times are a day's percentiles in words.
func (d day) Times() []string { return d.times().Says }

// longest is the last bound that times are counted by, in milliseconds: 30 days.
const longest = 30 * 24 * 60 * 60 * 1000

// rungs are the lines of the axis of times.
func rungs() []int64 {
	const second, minute, hour = 1000, 60 * 1000, 60 * 60 * 1000
	return []int64{
		0, 100, 300, second, 3 * second, 10 * second, 30 * second, minute, 5 * minute, 15 * minute, hour, 6 * hour,
		24 * hour, 7 * 24 * hour, longest,
	}
}

// within writes milliseconds.
func within(millis int64) string {
	if millis == 0 {
		return "0"
	}
	return clock.Words(time.Duration(millis) * time.Millisecond)
}
