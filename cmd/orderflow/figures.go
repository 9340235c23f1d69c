package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/money"
)

const figuresLong = `Shows what the console's page Figures shows: what happened to orders by day, by hour or by
minute, how long they took until they were decided, how many stock was short of, how many dead-letter
entries are not closed, and what an order costs by list prices. Days are of the shop's time zone, and
follow the orders within about a minute. With --json it prints the API's four answers.`

// The most that the API shows.
const (
	mostDays     = 92
	mostHourDays = 7
)

// figuresOptions are the command's flags.
type figuresOptions struct {
	days int
	by   string
}

func figuresCommand(connect connectFunc) *cobra.Command {
	var o figuresOptions
	return apiCommand{
		use: "figures", short: "Shows what happened to orders, how fast, and what waits", long: figuresLong,
		example: "  orderflow figures --days 31\n  orderflow figures --by minute",
		args:    needsNone,
		flags: func(f *pflag.FlagSet) {
			f.IntVar(&o.days, "days", 7, "how many days, today's included: up to 92, and up to 7 by hour")
			f.StringVar(&o.by, "by", "day", "what a line is of: day, hour or minute, which are those of the last hour")
		},
		check: func(*cobra.Command) error { return o.check() },
		ask: func(ctx context.Context, c *shop.Client, _ []string, _ http.Header) (json.RawMessage, error) {
			return o.ask(ctx, c)
		},
		show: shows(o.lines),
	}.over(connect)
}

func (o *figuresOptions) check() error {
	most := mostDays
	switch o.by {
	case "day", "minute":
	case "hour":
		most = mostHourDays
	default:
		return fmt.Errorf("--by: expected day, hour or minute, got %q", o.by)
	}
	if o.days < 1 || o.days > most {
		return fmt.Errorf("--days: expected 1 to %d, got %d", most, o.days)
	}
	return nil
}

// ask gives the API's four answers as one. What today is, the first of them says.
func (o *figuresOptions) ask(ctx context.Context, c *shop.Client) (json.RawMessage, error) {
	var err error
	get := func(path string, query url.Values) (answer json.RawMessage) {
		if err == nil {
			answer, err = c.Get(ctx, path, query)
		}
		return answer
	}
	all := map[string]json.RawMessage{"minutes": get("/analytics/minutes", nil)}
	var minutes minuteFigures
	if err == nil {
		err = json.Unmarshal(all["minutes"], &minutes)
	}
	if err != nil {
		return nil, err
	}
	if len(minutes.Minutes) == 0 {
		return nil, errors.New("the API's answer has no minutes")
	}
	// The last minute that is over ends now, by the shop's clocks.
	today := minutes.Minutes[len(minutes.Minutes)-1].Start.Add(time.Minute)
	all["daily"] = get("/analytics/daily", url.Values{
		"from":  {today.AddDate(0, 0, 1-o.days).Format(time.DateOnly)},
		"to":    {today.Format(time.DateOnly)},
		"hours": {strconv.FormatBool(o.by == "hour")}, "top": {"3"},
	})
	all["deadLetters"], all["cost"] = get("/analytics/dead-letters", nil), get("/analytics/cost", nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// allFigures are the API's answers.
type allFigures struct {
	Minutes minuteFigures `json:"minutes"`
	Daily   struct {
		TimeZone string       `json:"timeZone"`
		Days     []dayFigures `json:"days"`
		Decided  decidedTimes `json:"decided"`
	} `json:"daily"`
	DeadLetters struct {
		depth
		AtLeast   bool `json:"atLeast"`
		Consumers []struct {
			Consumer string `json:"consumer"`
			depth
		} `json:"consumers"`
	} `json:"deadLetters"`
	Cost struct {
		PricesOf string `json:"pricesOf"`
		Region   string `json:"region"`
		Orders   []struct {
			Ends    string `json:"ends"`
			Dollars string `json:"dollars"`
		} `json:"orders"`
	} `json:"cost"`
}

type minuteFigures struct {
	Orders        int64 `json:"orders"`
	WithoutMinute int64 `json:"ordersWithoutMinute"`
	Minutes       []struct {
		Start  time.Time `json:"start"`
		Orders int64     `json:"orders"`
	} `json:"minutes"`
}

// outcomes are the figures of a day or an hour.
type outcomes struct {
	Orders    int64            `json:"orders"`
	Confirmed int64            `json:"confirmed"`
	Cancelled int64            `json:"cancelled"`
	Reasons   map[string]int64 `json:"cancelledByReason"`
	StockOuts int64            `json:"stockOuts"`
	Revenue   []money.Money    `json:"revenue"`
	Refunded  []money.Money    `json:"refunded"`
	Decided   decidedTimes     `json:"decided"`
}

type dayFigures struct {
	Date string `json:"date"`
	outcomes
	TopSKUs []struct {
		SKU    string `json:"sku"`
		Pieces int64  `json:"pieces"`
	} `json:"topSkus"`
	Hours []struct {
		Start time.Time `json:"start"`
		outcomes
	} `json:"hours"`
}

type depth struct {
	Returning int64  `json:"returning"`
	Waiting   int64  `json:"waiting"`
	Oldest    string `json:"oldest"`
}

// decidedTimes are the times within which orders were decided. One is absent where there are no
// orders, or where it is longer than 30 days.
type decidedTimes struct {
	Orders    int64  `json:"orders"`
	P50Millis *int64 `json:"p50Millis"`
	P95Millis *int64 `json:"p95Millis"`
	P99Millis *int64 `json:"p99Millis"`
}

// cells are the three times, for a table.
func (d decidedTimes) cells() []any {
	cells := make([]any, 0, 3)
	for _, millis := range []*int64{d.P50Millis, d.P95Millis, d.P99Millis} {
		switch {
		case d.Orders == 0:
			cells = append(cells, "–")
		case millis == nil:
			cells = append(cells, "> 30 days")
		default:
			cells = append(cells, clock.Words(time.Duration(*millis)*time.Millisecond))
		}
	}
	return cells
}

// summary says how many orders were decided, and how fast.
func (d decidedTimes) summary() string {
	if d.Orders == 0 {
		return "Decided: no order."
	}
	line := fmt.Sprintf("Decided: %d orders", d.Orders)
	for i, millis := range []*int64{d.P50Millis, d.P95Millis, d.P99Millis} {
		within := "not within 30 days"
		if millis != nil {
			within = "within " + clock.Words(time.Duration(*millis)*time.Millisecond)
		}
		line += fmt.Sprintf(", %s %s", []string{"half", "95 of 100", "99 of 100"}[i], within)
	}
	return line + "."
}

// lines are what people read of the answers.
func (o *figuresOptions) lines(f allFigures) []string {
	lines := []string{
		o.table(f).Render(), "Time zone: " + f.Daily.TimeZone + ".", f.Minutes.summary(),
		f.Daily.Decided.summary(), f.reasons(), f.letters(),
	}
	var costs []string
	for _, order := range f.Cost.Orders {
		costs = append(costs, "US$ "+order.Dollars+" if it is "+order.Ends)
	}
	return append(lines, fmt.Sprintf(
		"An order costs %s, by list prices of %s in %s.", strings.Join(costs, ", "), f.Cost.PricesOf, f.Cost.Region,
	))
}

// table has a line for each day, hour or minute.
func (o *figuresOptions) table(f allFigures) table.Writer {
	if o.by == "minute" {
		t := listOf(table.Row{"minute", "placed"}, 2)
		for _, m := range f.Minutes.Minutes {
			t.AppendRow(table.Row{m.Start.Format(time.RFC3339), m.Orders})
		}
		return t
	}
	head := table.Row{
		o.by, "placed", "confirmed", "cancelled", "short of stock", "half within", "95 of 100", "99 of 100", "revenue",
		"refunded",
	}
	if o.by == "day" {
		head = append(head, "best sellers")
	}
	t := listOf(head, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	for _, d := range f.Daily.Days {
		if o.by == "day" {
			var best []string
			for _, s := range d.TopSKUs {
				best = append(best, fmt.Sprintf("%s (%d)", s.SKU, s.Pieces))
			}
			t.AppendRow(append(d.row(d.Date), strings.Join(best, ", ")))
			continue
		}
		for _, h := range d.Hours {
			t.AppendRow(h.row(h.Start.Format(time.RFC3339)))
		}
	}
	return t
}

func (o outcomes) row(of string) table.Row {
	row := append(table.Row{of, o.Orders, o.Confirmed, o.Cancelled, o.StockOuts}, o.Decided.cells()...)
	return append(row, amounts(o.Revenue), amounts(o.Refunded))
}

// summary says how many orders were placed, and in which minute the most.
func (m minuteFigures) summary() string {
	most := m.Minutes[0]
	for _, one := range m.Minutes {
		if one.Orders > most.Orders {
			most = one
		}
	}
	line := fmt.Sprintf("Last hour, without the minute that is not over: %d orders placed", m.Orders)
	if most.Orders > 0 {
		line += fmt.Sprintf(", at most %d in a minute, at %s", most.Orders, most.Start.Format("15:04"))
	}
	if m.WithoutMinute > 0 {
		line += fmt.Sprintf("; %d that an earlier release counted have no minute", m.WithoutMinute)
	}
	return line + "."
}

// reasons are why orders were cancelled, the most frequent first.
func (f allFigures) reasons() string {
	sum := map[string]int64{}
	for _, d := range f.Daily.Days {
		for reason, n := range d.Reasons {
			sum[reason] += n
		}
	}
	var all []string
	for _, reason := range slices.SortedStableFunc(maps.Keys(sum), func(a, b string) int {
		if sum[a] != sum[b] {
			return int(sum[b] - sum[a])
		}
		return strings.Compare(a, b)
	}) {
		all = append(all, fmt.Sprintf("%s %d", reason, sum[reason]))
	}
	if len(all) == 0 {
		return "Cancelled: no order."
	}
	return "Cancelled: " + strings.Join(all, ", ") + "."
}

// letters are the dead-letter entries that are not closed.
func (f allFigures) letters() string {
	d := f.DeadLetters
	if len(d.Consumers) == 0 {
		return "Dead letters: none is open."
	}
	least := ""
	if d.AtLeast {
		least = "at least "
	}
	line := fmt.Sprintf("Dead letters: %s%d come back by themselves, %s%d wait for a person", least, d.Returning, least,
		d.Waiting)
	if d.Oldest != "" {
		line += ", the oldest since " + d.Oldest
	}
	var by []string
	for _, c := range d.Consumers {
		by = append(by, fmt.Sprintf("%s %d + %d", c.Consumer, c.Returning, c.Waiting))
	}
	return line + ": " + strings.Join(by, ", ") + "."
}
