package analytics_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

func TestMemory(t *testing.T) {
	memory := func() analytics.Table { return &analyticstest.Memory{} }
	analyticstest.Run(t, memory, memory)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func analyser(table analytics.Table) analytics.Analyser {
	return analytics.Analyser{Table: table, Calendar: analytics.MustCalendar("UTC"), Clock: clock.NewFake(noon)}
}

func placed(id string, skus ...string) order.Placed {
	p := order.Placed{
		OrderID: id, CustomerID: "ada", Total: money.Money{Amount: 100 * int64(len(skus)), Currency: "USD"},
	}
	for _, sku := range skus {
		p.Lines = append(
			p.Lines, order.Line{SKU: sku, Quantity: 1, UnitPrice: money.Money{Amount: 100, Currency: "USD"}},
		)
	}
	return p
}

var confirmed = order.Confirmed{PaymentID: "p", ShipmentID: "s", TrackingNumber: "OF1"}

func day(t *testing.T, table analytics.Table) analytics.Day {
	t.Helper()
	days, err := analytics.Reports{Table: table, Calendar: analytics.MustCalendar("UTC")}.
		Daily(t.Context(), analytics.Query{From: "2026-03-01", To: "2026-03-01", Best: 10})
	if err != nil {
		t.Fatal(err)
	}
	return days[0]
}

// A message that can't be counted is refused with its reason, and the others of its batch are
// counted.
func TestUnfit(t *testing.T) {
	good := string(analyticstest.Message(t, "o1", 1, noon, placed("o1", "a", "b")))
	given := string(analyticstest.Message(t, "o1", 6, noon, order.Refunded{
		RefundID: "r", PaymentID: "p", Amount: money.Money{Amount: 50, Currency: "USD"}, Reason: order.RefundLate,
		By: "person/p", RefundedAt: "2026-03-01T12:00:00Z", Total: money.Money{Amount: 50, Currency: "USD"},
	}))
	done := string(analyticstest.Message(t, "o1", 5, noon, order.Cancelled{Reason: order.ReasonCustomer}))
	var many []string
	for i := range order.MaxSKUs + 1 {
		many = append(many, fmt.Sprint("sku-", i))
	}
	for name, tc := range map[string]struct{ body, says string }{
		"nothing":                 {"", "ends too early"},
		"no JSON":                 {"order.placed", "no JSON from byte 1"},
		"an unknown type":         {strings.ReplaceAll(good, "order.placed", "order.teleported"), "unknown type"},
		"a version of the future": {strings.Replace(good, `"dataversion":1`, `"dataversion":9`, 1), "version 9"},
		"a type that is not for us": {
			string(analyticstest.Message(t, "o1", 2, noon, order.Started{SagaID: "s"})), "not expected here",
		},
		"another order's stream": {
			strings.Replace(good, `"subject":"order/o1"`, `"subject":"order/o2"`, 1), "order/o2",
		},
		"a negative total": {
			strings.Replace(good, `"total":{"amount":200`, `"total":{"amount":-200`, 1), "data.total.amount",
		},
		"too large a total": {
			strings.Replace(good, `"total":{"amount":200`, `"total":{"amount":1000000000001`, 1), "data.total.amount",
		},
		"a currency that is none": {
			strings.Replace(
				good, `"total":{"amount":200,"currency":"USD"`, `"total":{"amount":200,"currency":"USd"`, 1,
			),
			"data.total.currency",
		},
		"no pieces": {
			strings.Replace(good, `"quantity":1`, `"quantity":0`, 1), "data.lines[0].quantity",
		},
		"no SKU":                   {strings.Replace(good, `"sku":"b"`, `"sku":""`, 1), "data.lines[1].sku"},
		"a kind that there is not": {strings.Replace(done, `"kind":"customer"`, `"kind":"mood"`, 1), "kind"},
		"a version that is not ours": {strings.Replace(strings.Replace(
			strings.Replace(done, `"dataversion":2`, `"dataversion":1`, 1), "cancelled:2", "cancelled:1", 1,
		),
			`{"kind":"customer","code":"customer.request"}`, `"customer.request"`, 1), "in version 1, and not expected here"},
		"a time beyond the dates": {
			strings.Replace(good, `"time":"2026-03-01T`, `"time":"9999-03-01T`, 1), "not of 9999",
		},
		"a fraction": {strings.Replace(good, `"quantity":1`, `"quantity":1.5`, 1), "quantity"},
		"too many SKUs": {
			string(analyticstest.Message(t, "o1", 1, noon, placed("o1", many...))), "at most 40 SKUs",
		},
		"a reason that is a text": {
			strings.Replace(done, "customer.request", "found it cheaper", 1), "data.reason.code",
		},
		"a refund below zero": {
			strings.Replace(given, `"amount":50`, `"amount":-50`, 1), "data.amount.amount",
		},
		"a refund in no currency": {
			strings.Replace(given, `"amount":50,"currency":"USD"`, `"amount":50,"currency":"USd"`, 1),
			"data.amount.currency",
		},
		"another event of its kind": {
			strings.Replace(strings.Replace(good, `"sequence":1`, `"sequence":7`, 1), "@1", "@7", 1),
			"was placed by its event 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := &analyticstest.Memory{}
			other := analyticstest.Message(t, "o2", 1, noon, placed("o2", "a"))
			errs := analyser(table).Handle(t.Context(), [][]byte{[]byte(good), []byte(tc.body), other})
			if errs[0] != nil || errs[2] != nil || !errors.Is(errs[1], contract.ErrMalformed) ||
				!strings.Contains(errs[1].Error(), tc.says) {
				t.Errorf("%v, want one with %q", errs, tc.says)
			}
			if got := day(t, table); got.Orders != 2 {
				t.Errorf("%d orders are counted", got.Orders)
			}
		})
	}
}

// An order that was placed in a currency that was withdrawn since is counted like any other, live
// or replayed.
func TestWithdrawnCurrency(t *testing.T) {
	table := &analyticstest.Memory{}
	body := strings.ReplaceAll(string(analyticstest.Message(t, "o1", 1, noon, placed("o1", "a"))), `"USD"`, `"BGN"`)
	bodies := [][]byte{[]byte(body), analyticstest.Message(t, "o1", 2, noon, confirmed)}
	if errs := analyser(table).Handle(t.Context(), bodies); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	if got := day(t, table).Revenue; !slices.Equal(got, []money.Money{{Amount: 100, Currency: "BGN"}}) {
		t.Errorf("the revenue is %v", got)
	}
}

// The most pieces that an event may have can't bring a sum over the edge.
func TestPiecesOverflow(t *testing.T) {
	body := string(analyticstest.Message(t, "o1", 1, noon, placed("o1", "a", "a")))
	body = strings.ReplaceAll(body, `"quantity":1`, `"quantity":9223372036854775807`)
	if errs := analyser(&analyticstest.Memory{}).Handle(
		t.Context(), [][]byte{[]byte(body)},
	); !errors.Is(errs[0], contract.ErrMalformed) {
		t.Errorf("%v", errs)
	}
}

// recording keeps how large each write was.
type recording struct {
	analytics.Table
	sizes []int
	fail  error
}

func (r *recording) Write(ctx context.Context, orders []analytics.Order, additions []analytics.Addition) error {
	if r.fail != nil {
		return r.fail
	}
	r.sizes = append(r.sizes, len(orders)+len(additions))
	return r.Table.Write(ctx, orders, additions)
}

// busy is a table that is too busy for the first few requests, and for which somebody else writes
// ahead of the first Write.
type busy struct {
	analytics.Table
	reads, writes int // that it is too busy for
	ahead         func()
}

func (b *busy) Read(ctx context.Context, ids []string, hours []analytics.Row) (
	map[string]analytics.Order, map[analytics.Row]analytics.Counters, error,
) {
	if b.reads--; b.reads >= 0 {
		return nil, nil, es.ErrUnavailable
	}
	return b.Table.Read(ctx, ids, hours)
}

func (b *busy) Write(ctx context.Context, orders []analytics.Order, additions []analytics.Addition) error {
	if b.writes--; b.writes >= 0 {
		return es.ErrUnavailable
	}
	if f := b.ahead; f != nil {
		b.ahead = nil
		f()
	}
	return b.Table.Write(ctx, orders, additions)
}

// A table that is too busy is asked again, and brings no message nearer to the dead letters.
func TestBusyTable(t *testing.T) {
	table := &busy{Table: &analyticstest.Memory{}, reads: 3, writes: 2}
	bodies := [][]byte{
		analyticstest.Message(t, "o1", 1, noon, placed("o1", "a")),
		analyticstest.Message(t, "o2", 1, noon, placed("o2", "a")),
	}
	if errs := analyser(table).Handle(t.Context(), bodies); errors.Join(errs...) != nil || day(t, table).Orders != 2 {
		t.Errorf("%v", errs)
	}
	table.reads = 1000
	bodies[0] = analyticstest.Message(t, "o3", 1, noon, placed("o3", "a"))
	if errs := analyser(table).Handle(t.Context(), bodies[:1]); !errors.Is(errs[0], es.ErrUnavailable) {
		t.Errorf("a table that stays busy: %v", errs)
	}
}

// What a fact comes to is what is known of its order when it is counted, and not what was known at
// a try before.
func TestRefusalOfATryBefore(t *testing.T) {
	first, second := analyticstest.Message(t, "o1", 1, noon, placed("o1", "a")),
		analyticstest.Message(t, "o1", 2, noon, placed("o1", "a"))
	memory := &analyticstest.Memory{}
	table := &busy{Table: memory, ahead: func() {
		if errs := analyser(memory).Handle(t.Context(), [][]byte{second}); errs[0] != nil {
			t.Error(errs[0])
		}
	}}
	// the second one doesn't fit, until it turns out to be the one that is counted
	errs := analyser(table).Handle(t.Context(), [][]byte{first, second})
	if !errors.Is(errs[0], contract.ErrMalformed) || errs[1] != nil || day(t, table).Orders != 1 {
		t.Errorf("%v", errs)
	}
}

// A batch is one transaction, or as many as its limit asks for; the hour's row is written once in
// each.
func TestOneWriteForABatch(t *testing.T) {
	const seated = 31 // SKUs that the hour's row has room for
	for name, tc := range map[string]struct {
		orders, skus int
		want         []int
	}{
		"fifty orders of one SKU":                         {50, 1, []int{50 + 1}},
		"more orders than fit":                            {120, 1, []int{99 + 1, 21 + 1}},
		"many SKUs of each, one of them of the next, too": {5, 40, []int{3 + 1 + 118 - seated, 2 + 1 + 79}},
	} {
		t.Run(name, func(t *testing.T) {
			table := &recording{Table: &analyticstest.Memory{}}
			var bodies [][]byte
			for i := range tc.orders {
				id, skus := fmt.Sprint("o", i), make([]string, tc.skus)
				for n := range skus {
					skus[n] = fmt.Sprint("sku-", i*(tc.skus-1)+n)
				}
				bodies = append(
					bodies, analyticstest.Message(t, id, 1, noon, placed(id, skus...)),
					analyticstest.Message(t, id, 3, noon, confirmed),
				)
			}
			for range 2 { // the second time there is nothing to write
				for _, err := range analyser(table).Handle(t.Context(), bodies) {
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			if !slices.Equal(table.sizes, tc.want) {
				t.Errorf("writes of %v, want %v", table.sizes, tc.want)
			}
			if got := day(t, table); got.Orders != int64(tc.orders) || got.Confirmed != int64(tc.orders) {
				t.Errorf("counted %+v", got)
			}
			kept, _, err := table.Read(t.Context(), []string{"o0"}, nil)
			if err != nil || kept["o0"].Placed == nil || kept["o0"].Placed.Pieces != nil {
				t.Errorf("%+v is kept, %v: what is counted of its SKUs is of no use any more", kept["o0"], err)
			}
		})
	}
}

// Where the table fails, each message whose event was not counted fails, and no other.
func TestTableFails(t *testing.T) {
	table := &recording{Table: &analyticstest.Memory{}}
	first := analyticstest.Message(t, "o1", 1, noon, placed("o1", "a"))
	if errs := analyser(table).Handle(t.Context(), [][]byte{first}); errs[0] != nil {
		t.Fatal(errs)
	}
	table.fail = errors.New("throttled")
	errs := analyser(table).Handle(
		t.Context(), [][]byte{first, []byte("{}"), analyticstest.Message(t, "o2", 1, noon, placed("o2", "a"))},
	)
	if !errors.Is(errs[0], table.fail) && errs[0] != nil || !errors.Is(errs[1], contract.ErrMalformed) ||
		!errors.Is(errs[2], table.fail) {
		t.Errorf("%v", errs)
	}
}

func TestPeriods(t *testing.T) {
	for name, tc := range map[string]struct {
		query analytics.Query
		field string
	}{
		"a day":            {analytics.Query{From: "2026-03-01", To: "2026-03-01"}, ""},
		"a quarter":        {analytics.Query{From: "2026-03-01", To: "2026-05-31"}, ""},
		"a day more":       {analytics.Query{From: "2026-03-01", To: "2026-06-01"}, "query.to"},
		"the wrong way":    {analytics.Query{From: "2026-03-02", To: "2026-03-01"}, "query.to"},
		"a week's hours":   {analytics.Query{From: "2026-03-01", To: "2026-03-07", Hours: true}, ""},
		"hours, too many":  {analytics.Query{From: "2026-03-01", To: "2026-03-08", Hours: true}, "query.hours"},
		"too many SKUs":    {analytics.Query{From: "2026-03-01", To: "2026-03-01", Best: 101}, "query.top"},
		"fewer than none":  {analytics.Query{From: "2026-03-01", To: "2026-03-01", Best: -1}, "query.top"},
		"all of the years": {analytics.Query{From: "0001-01-01", To: "9999-12-31"}, "query.to"},
	} {
		t.Run(name, func(t *testing.T) {
			days, err := analytics.Reports{
				Table: &analyticstest.Memory{}, Calendar: analytics.MustCalendar("UTC"),
			}.Daily(t.Context(), tc.query)
			fault, ok := faults.As(err)
			switch {
			case tc.field == "" && (err != nil || days[len(days)-1].Date != tc.query.To || days[0].Orders != 0):
				t.Errorf("%v, %v", days, err)
			case tc.field != "" && (!ok || !errors.Is(err, analytics.ErrInvalidPeriod) || fault.Field != tc.field):
				t.Errorf("%v, want one about %s", err, tc.field)
			}
		})
	}
}

// The pattern, which stands in the API's document, and the parser say the same but of the days of a
// month.
func TestDatePattern(t *testing.T) {
	pattern := regexp.MustCompile(analytics.DatePattern)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9]`),
			rapid.StringMatching(`(1969|1970|9998|9999|2024|2026)-(02|04|12|00|13)-(28|29|30|31|00|32)`),
			rapid.StringMatching(`[0-9]{3,5}[-/ ][0-9]{1,2}-[0-9]{1,2}[ Z]?`),
		).Draw(t, "text")
		_, err := analytics.ParseDate(text)
		switch matches := pattern.MatchString(text); {
		case !matches && err == nil:
			t.Fatalf("%q is a date", text)
		case matches && err != nil && text[8:] < "29":
			t.Fatalf("%q is none: %v", text, err)
		}
	})
}

func TestParseDate(t *testing.T) {
	for text, ok := range map[string]bool{
		"2026-02-28": true, "2024-02-29": true, "2026-02-29": false, "2026-2-28": false, "": false,
		"2026-03-01T00:00:00Z": false, "20260301": false,
		"1970-01-01": true, "1969-12-31": false, "0000-01-01": false, "9998-12-31": true, "9999-01-01": false,
	} {
		if _, err := analytics.ParseDate(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Days have the hours that their clocks show, and each moment is in one hour of one day.
func TestCalendar(t *testing.T) {
	for name, tc := range map[string]struct {
		zone  string
		date  analytics.Date
		hours int
		first string
	}{
		"a day in UTC":                      {"UTC", "2026-03-29", 24, "2026-03-29T00:00:00Z"},
		"put forward":                       {"Europe/Amsterdam", "2026-03-29", 23, "2026-03-29T00:00:00+01:00"},
		"put back":                          {"Europe/Amsterdam", "2026-10-25", 25, "2026-10-25T00:00:00+02:00"},
		"between":                           {"Europe/Amsterdam", "2026-07-01", 24, "2026-07-01T00:00:00+02:00"},
		"put forward at midnight":           {"Africa/Cairo", "2026-04-24", 23, "2026-04-24T01:00:00+03:00"},
		"put back at midnight":              {"Africa/Cairo", "2026-10-29", 25, "2026-10-29T00:00:00+03:00"},
		"the day after":                     {"Africa/Cairo", "2026-10-30", 24, "2026-10-30T00:00:00+02:00"},
		"put back to midnight":              {"Atlantic/Azores", "2026-10-25", 25, "2026-10-25T00:00:00Z"},
		"a quarter of an hour off":          {"Asia/Kathmandu", "2026-03-01", 24, "2026-03-01T00:00:00+05:45"},
		"put back by half an hour":          {"Australia/Lord_Howe", "2026-04-05", 25, "2026-04-05T00:00:00+11:00"},
		"the farthest east":                 {"Pacific/Kiritimati", "2026-03-01", 24, "2026-03-01T00:00:00+14:00"},
		"the farthest west":                 {"Etc/GMT+12", "2026-03-01", 24, "2026-03-01T00:00:00-12:00"},
		"a day that the clocks passed over": {"Pacific/Apia", "2011-12-30", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := analytics.MustCalendar(tc.zone)
			hours := c.Hours(tc.date)
			if len(hours) != tc.hours || tc.hours > 0 && hours[0].Format(time.RFC3339) != tc.first {
				t.Fatalf("%d hours, %v; want %d from %s", len(hours), hours, tc.hours, tc.first)
			}
			for i, start := range hours {
				for _, at := range []time.Time{start, start.Add(time.Hour - time.Nanosecond)} {
					if i == len(hours)-1 && at != start && c.Day(at) != tc.date {
						continue // the last hour of a day of 24½
					}
					if !c.Hour(at).Equal(start) || c.Day(at) != tc.date {
						t.Errorf("%v is in the hour of %v on %s", at, c.Hour(at), c.Day(at))
					}
				}
			}
		})
	}
}

// What there are figures of can be shown to its last day, hours included.
func TestFirstAndLastDays(t *testing.T) {
	for _, zone := range []string{"UTC", "Pacific/Kiritimati", "Etc/GMT+12"} {
		for from, to := range map[analytics.Date]analytics.Date{
			"1970-01-01": "1970-01-07", "9998-12-25": "9998-12-31",
		} {
			days, err := analytics.NewReports(&analyticstest.Memory{}, zone).Daily(
				t.Context(), analytics.Query{From: from, To: to, Hours: true, Best: 1},
			)
			if err != nil || len(days) != 7 || len(days[6].Hours) != 24 || days[6].Date != to {
				t.Errorf("%s: %v, %v", zone, days, err)
			}
		}
	}
}

func TestZonesThatThereAreNot(t *testing.T) {
	for _, zone := range []string{"", "Local", "Europe/Atlantis", "+02:00"} {
		if _, err := analytics.NewCalendar(zone); err == nil {
			t.Errorf("%q is taken", zone)
		}
		if _, err := analytics.NewReports(&analyticstest.Memory{}, zone).Daily(
			t.Context(), analytics.Query{From: "2026-03-01", To: "2026-03-01"},
		); !errors.Is(err, analytics.ErrNoTimeZone) {
			t.Errorf("%q: %v", zone, err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is taken by who can do nothing without it", zone)
				}
			}()
			analytics.MustCalendar(zone)
		}()
	}
}
