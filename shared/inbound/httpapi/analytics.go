package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/read/analytics"
	"orderflow/shared/shop/money"
)

type dailyInput struct {
	From  Day  `query:"from" required:"true" doc:"The first day" example:"2026-03-01"`
	To    Day  `query:"to" required:"true" doc:"The last day; the period has at most 92 days" example:"2026-03-31"`
	Hours bool `query:"hours" doc:"true also shows the hours of each day, for at most 7 days"`
	Top   int  `query:"top" minimum:"0" maximum:"100" default:"10" doc:"Number of SKUs shown for each day"`
}

// Day is a date in a request.
type Day struct{ date analytics.Date }

// Schema implements huma.SchemaProvider.
func (Day) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Format: "date", Pattern: analytics.DatePattern}
	s.PrecomputeMessages()
	return s
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Day) UnmarshalText(text []byte) (err error) {
	if d.date, err = analytics.ParseDate(string(text)); err != nil {
		return fmt.Errorf("expected a calendar date such as 2006-01-02, of the years %d to %d",
			analytics.FirstYear, analytics.LastYear)
	}
	return nil
}

// FiguresAnswer is the figures of an hour or a day. It is exported because huma passes over
// unexported embedded fields.
type FiguresAnswer struct {
	Orders            int64            `json:"orders" doc:"Number of orders placed"`
	Confirmed         int64            `json:"confirmed" doc:"Number of orders confirmed, including orders cancelled later"`
	Cancelled         int64            `json:"cancelled" doc:"Number of orders whose cancellation was completed"`
	CancelledByKind   map[string]int64 `json:"cancelledByKind" doc:"By kind of reason: customer, operator, expired, payment, stock, shipment, failure"`
	CancelledByReason map[string]int64 `json:"cancelledByReason" doc:"By the code of the reason, as in an order"`
	Revenue           []money.Money    `json:"revenue" doc:"Total of the confirmed orders, one entry per currency"`
	Refunded          []money.Money    `json:"refunded" doc:"Total of the confirmed orders whose cancellation was completed, whenever they were confirmed. It is not subtracted from revenue."`
	Refunds           int64            `json:"refunds" doc:"Number of refunds of dispatched orders"`
	GivenBack         []money.Money    `json:"givenBack" doc:"Total of these refunds, one entry per currency. It is neither part of refunded nor subtracted from revenue."`
	StockOuts         int64            `json:"stockOuts" doc:"Number of orders that stock was short of: they waited for stock, went on without some of it, or were cancelled for want of it. Each counts once, at the first of these."`
	Decided           decidedAnswer    `json:"decided" doc:"How long the orders took that were decided in this time"`
}

// decidedAnswer is how long orders took. Buckets of several answers are added; percentiles are not.
type decidedAnswer struct {
	Orders    int64          `json:"orders" doc:"Number of orders that were confirmed, or cancelled without"`
	P50Millis *int64         `json:"p50Millis,omitempty" doc:"Half of them took so many milliseconds at most, from placed to decided. It is the bound of a bucket, and is absent if there are none or if it is longer than all bounds."`
	P95Millis *int64         `json:"p95Millis,omitempty" doc:"The same of 95 of 100"`
	P99Millis *int64         `json:"p99Millis,omitempty" doc:"The same of 99 of 100"`
	Buckets   []bucketAnswer `json:"buckets" doc:"The buckets that have orders, the shortest first. To get percentiles of several periods, add their buckets: percentiles can't be averaged. A time is the difference of two machines' clocks."`
}

type bucketAnswer struct {
	AtMostMillis int64 `json:"atMostMillis,omitempty" doc:"The bucket's bound in milliseconds. Absent in the last bucket, of orders that took more than 30 days."`
	Orders       int64 `json:"orders" doc:"Number of orders that took so long at most, and longer than the bound before"`
}

func decidedOf(t analytics.Durations) decidedAnswer {
	within := func(percent int64) *int64 {
		atMost, beyond, known := t.Percentile(percent)
		if !known || beyond {
			return nil
		}
		millis := atMost.Milliseconds()
		return &millis
	}
	a := decidedAnswer{
		Orders: t.Orders(), P50Millis: within(50), P95Millis: within(95), P99Millis: within(99),
		Buckets: make([]bucketAnswer, len(t)),
	}
	for i, b := range t {
		a.Buckets[i] = bucketAnswer{AtMostMillis: b.AtMost.Milliseconds(), Orders: b.Orders}
	}
	return a
}

type soldAnswer struct {
	SKU    string `json:"sku"`
	Pieces int64  `json:"pieces"`
}

type hourAnswer struct {
	Start time.Time `json:"start" doc:"Start of the hour, in the time zone of the figures"`
	FiguresAnswer
}

type dayAnswer struct {
	Date string `json:"date" example:"2026-03-01"`
	FiguresAnswer
	TopSKUs []soldAnswer `json:"topSkus" doc:"The SKUs with the most pieces in confirmed orders, in descending order"`
	Hours   []hourAnswer `json:"hours,omitempty" doc:"Only with hours=true: all hours of the day, 23 or 25 on days with a clock change"`
}

type dailyAnswer struct {
	TimeZone string        `json:"timeZone" doc:"Time zone of the days and hours" example:"Europe/Amsterdam"`
	Days     []dayAnswer   `json:"days" doc:"Every day of the period, including days without orders. The figures lag behind the orders by about a minute."`
	Decided  decidedAnswer `json:"decided" doc:"How long the orders took that were decided in the whole period"`
}

type dailyOutput struct{ Body dailyAnswer }

func (q Queries) getDailyFigures(ctx context.Context, _ identity, in *dailyInput) (*dailyOutput, error) {
	days, err := q.Figures.Daily(
		ctx, analytics.Query{From: in.From.date, To: in.To.date, Hours: in.Hours, Best: in.Top},
	)
	if err != nil {
		return nil, err
	}
	out := &dailyOutput{Body: dailyAnswer{TimeZone: q.Figures.Zone(), Days: make([]dayAnswer, len(days))}}
	var decided analytics.Durations
	for i, d := range days {
		decided = decided.Plus(d.Decided)
		day := dayAnswer{
			Date: string(d.Date), FiguresAnswer: figuresOf(d.Figures), TopSKUs: make([]soldAnswer, len(d.Best)),
		}
		for n, sku := range d.Best {
			day.TopSKUs[n] = soldAnswer(sku)
		}
		for _, h := range d.Hours {
			day.Hours = append(day.Hours, hourAnswer{Start: h.Start, FiguresAnswer: figuresOf(h.Figures)})
		}
		out.Body.Days[i] = day
	}
	out.Body.Decided = decidedOf(decided)
	return out, nil
}

func figuresOf(f analytics.Figures) FiguresAnswer {
	return FiguresAnswer{
		Orders: f.Orders, Confirmed: f.Confirmed, Cancelled: f.Cancelled, CancelledByKind: f.Kinds,
		CancelledByReason: f.Reasons,
		Revenue:           f.Revenue, Refunded: f.Refunded, Refunds: f.Refunds, GivenBack: f.GivenBack,
		StockOuts: f.StockOuts, Decided: decidedOf(f.Decided),
	}
}

type minutesInput struct {
	Minutes int     `query:"minutes" minimum:"1" maximum:"1440" default:"60" doc:"How many minutes are shown"`
	Before  Instant `query:"before" doc:"The minute that this time is in is the first that is not shown; now by default. Of the years 1971 to 9998."`
}

type minuteAnswer struct {
	Start  time.Time `json:"start" doc:"Start of the minute, in the time zone of the figures"`
	Orders int64     `json:"orders" doc:"Number of orders placed"`
}

type minutesAnswer struct {
	TimeZone      string         `json:"timeZone" doc:"Time zone of the minutes" example:"Europe/Amsterdam"`
	Minutes       []minuteAnswer `json:"minutes" doc:"Whole minutes that are over, the oldest first, including those without orders"`
	Orders        int64          `json:"orders" doc:"Number of orders placed in all of them"`
	SettledBefore string         `json:"settledBefore" format:"date-time" doc:"Minutes that end after this time may still grow: events are gathered for a minute before they are counted. Events that come late count in their own minute at any time."`
	WithoutMinute int64          `json:"ordersWithoutMinute" doc:"Number of orders in the hours of these minutes that were first counted by an earlier release, which knew no minutes"`
}

type minutesOutput struct{ Body minutesAnswer }

func (q Queries) getMinuteFigures(ctx context.Context, _ identity, in *minutesInput) (*minutesOutput, error) {
	now := q.Clock.Now()
	before := in.Before.Time
	if before.IsZero() {
		before = now
	}
	minutes, err := q.Figures.Minutes(ctx, analytics.Stretch{Before: before, Count: in.Minutes})
	if err != nil {
		return nil, err
	}
	out := &minutesOutput{Body: minutesAnswer{
		TimeZone: q.Figures.Zone(), Minutes: make([]minuteAnswer, len(minutes.All)),
		SettledBefore: moment(now.Add(-analytics.Settles)), WithoutMinute: minutes.Unknown,
	}}
	for i, m := range minutes.All {
		out.Body.Minutes[i] = minuteAnswer(m)
		out.Body.Orders += m.Orders
	}
	return out, nil
}
