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
	TimeZone string      `json:"timeZone" doc:"Time zone of the days and hours" example:"Europe/Amsterdam"`
	Days     []dayAnswer `json:"days" doc:"Every day of the period, including days without orders. The figures lag behind the orders by seconds."`
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
	for i, d := range days {
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
	return out, nil
}

func figuresOf(f analytics.Figures) FiguresAnswer {
	return FiguresAnswer{
		Orders: f.Orders, Confirmed: f.Confirmed, Cancelled: f.Cancelled, CancelledByKind: f.Kinds,
		CancelledByReason: f.Reasons,
		Revenue:           f.Revenue, Refunded: f.Refunded, Refunds: f.Refunds, GivenBack: f.GivenBack,
	}
}
