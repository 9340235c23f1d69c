package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"time"

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
	TopSkus           []struct {
		SKU    string `json:"sku"`
		Pieces int64  `json:"pieces"`
	} `json:"topSkus"`
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

// figures shows what the API counts by days: orders, what became of them, and revenue.
func (c Console) figures(x *exchange) error {
	v := figuresView{Spans: spans, Span: x.URL.Query().Get("days")}
	if !slices.Contains(spans, v.Span) {
		v.Span = spans[0]
	}
	days, err := strconv.Atoi(v.Span)
	if err != nil {
		return err
	}
	// The last day may have begun already where the shop is, and not in UTC.
	last := c.Clock.Now().UTC()
	var f figures
	err = x.api.get(x.Context(), "/analytics/daily", url.Values{
		"from": {last.AddDate(0, 0, 1-days).Format(time.DateOnly)}, "to": {last.Format(time.DateOnly)},
	}, &f)
	if err != nil {
		return err
	}
	v.TimeZone, v.Charts, v.Reasons = f.TimeZone, charts(f.Days), reasons(f.Days)
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

// charts are one of orders, and one of revenue for each currency.
func charts(days []day) []chart {
	orders := chart{Title: "Orders a day", Unit: "orders", Kinds: []string{"placed", "confirmed", "cancelled"}}
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
