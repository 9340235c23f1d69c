package console

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // Lambda's image has no zones of its own

	"orderflow/shared/shop/money"
)

type figures struct {
	Days     []day  `json:"days"`
	TimeZone string `json:"timeZone"`
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

type figuresView struct {
	Spans    []string
	Span     string
	TimeZone string
	Days     []day // newest first
	Charts   []chart
	Reasons  []counted // of cancellations, most frequent first
}

type counted struct {
	Name  string
	Count int64
}

// spans are how many days the page shows, of 92 that the API gives at once.
var spans = []string{"7", "14", "31"}

// figures shows what the API counts by days: orders, what became of them, and revenue; and the
// hours of today.
func (c Console) figures(x *exchange) error {
	v := figuresView{Spans: spans, Span: x.URL.Query().Get("days")}
	if !slices.Contains(spans, v.Span) {
		v.Span = spans[0]
	}
	days, err := strconv.Atoi(v.Span)
	if err != nil {
		return err
	}
	// The answer says in which time zone the shop is, where it may be a day earlier or later.
	now := c.Clock.Now().UTC()
	var f, today figures
	err = x.api.get(x.Context(), "/analytics/daily", url.Values{
		"from": {now.AddDate(0, 0, -days).Format(time.DateOnly)}, "to": {now.AddDate(0, 0, 1).Format(time.DateOnly)},
	}, &f)
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(f.TimeZone)
	if err != nil {
		return fmt.Errorf("the time zone of the figures: %w", err)
	}
	now = now.In(zone)
	first, last := now.AddDate(0, 0, 1-days).Format(time.DateOnly), now.Format(time.DateOnly)
	f.Days = slices.DeleteFunc(f.Days, func(d day) bool { return d.Date < first || d.Date > last })
	err = x.api.get(x.Context(), "/analytics/daily", url.Values{
		"from": {last}, "to": {last}, "hours": {"true"}, "top": {"0"},
	}, &today)
	if err != nil {
		return err
	}
	v.TimeZone, v.Reasons = f.TimeZone, reasons(f.Days)
	v.Charts = append(byHour(today.Days, zone), charts(f.Days)...)
	v.Days = slices.Clone(f.Days)
	slices.Reverse(v.Days)
	return x.render("figures", "Figures", v)
}

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

// byHour is a chart of the hours that a day has, 23 or 25 where the clock changes.
func byHour(days []day, zone *time.Location) (all []chart) {
	for _, d := range days {
		c := chart{Title: "Orders an hour, today", Unit: "orders", Kinds: outcomes}
		for _, h := range d.Hours {
			at := h.Start.In(zone).Format("2006-01-02 15:04")
			c.add(at, []int64{h.Orders, h.Confirmed, h.Cancelled}, nil)
		}
		c.layOut()
		all = append(all, c)
	}
	return all
}

// charts are one of orders, and one of revenue for each currency.
func charts(days []day) []chart {
	orders := chart{Title: "Orders a day", Unit: "orders", Kinds: outcomes}
	revenue := map[string]*chart{}
	var currencies []string
	for _, d := range days {
		for _, m := range d.Revenue {
			if revenue[m.Currency] == nil {
				currencies = append(currencies, m.Currency)
				revenue[m.Currency] = &chart{
					Title: "Revenue a day, " + m.Currency, Unit: m.Currency, Kinds: []string{"revenue"},
				}
			}
		}
	}
	slices.Sort(currencies)
	for _, d := range days {
		orders.add(d.Date, []int64{d.Orders, d.Confirmed, d.Cancelled}, nil)
		for _, currency := range currencies {
			taken := money.Money{Currency: currency}
			for _, m := range d.Revenue {
				if m.Currency == currency {
					taken = m
				}
			}
			revenue[currency].add(d.Date, []int64{taken.Amount}, func(n int64) string {
				return money.Money{Amount: n, Currency: currency}.String()
			})
		}
	}
	all := []chart{orders}
	for _, currency := range currencies {
		all = append(all, *revenue[currency])
	}
	for i := range all {
		all[i].layOut()
	}
	return all
}
