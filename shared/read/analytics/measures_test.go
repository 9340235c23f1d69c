package analytics_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/faults"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
)

// count counts messages by the calendar of a zone.
func count(t *testing.T, table analytics.Table, zone string, bodies ...[]byte) {
	t.Helper()
	a := analyser(table)
	a.Calendar = analytics.MustCalendar(zone)
	if err := errors.Join(a.Handle(t.Context(), bodies)...); err != nil {
		t.Fatal(err)
	}
}

// lifeOf are the messages of an order that is placed and confirmed.
func lifeOf(t *testing.T, id string, at time.Time, took time.Duration) [][]byte {
	t.Helper()
	return [][]byte{
		analyticstest.Message(t, id, 1, at, placed(id, "a")),
		analyticstest.Message(t, id, 3, at.Add(took), confirmed),
	}
}

// A day's percentiles are those of all its orders: hours' percentiles are neither added nor
// averaged, by which one slow order of a quiet hour would count as much as a hundred of a busy one.
func TestPercentilesOfSeveralHours(t *testing.T) {
	table := &analyticstest.Memory{}
	for n := range 99 {
		count(t, table, "UTC", lifeOf(t, fmt.Sprint("busy-", n), noon, time.Second)...)
	}
	count(t, table, "UTC", lifeOf(t, "quiet", noon.Add(3*time.Hour), 50*time.Minute)...)
	decided := day(t, table).Decided
	if decided.Orders() != 100 {
		t.Fatalf("%d orders", decided.Orders())
	}
	for percent, want := range map[int64]time.Duration{
		1: time.Second, 50: time.Second, 99: time.Second, 100: time.Hour,
	} {
		if got, beyond, known := decided.Percentile(percent); got != want || beyond || !known {
			t.Errorf("%d of a hundred within %v, beyond %v, known %v; want %v", percent, got, beyond, known, want)
		}
	}
}

// A percentile is never below what an order took, and never so much above that another bound is
// between. A higher one is never less.
func TestPercentilesAgainstTheTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var took []time.Duration
		var times analytics.Durations
		for range rapid.IntRange(1, 40).Draw(t, "orders") {
			exponent := rapid.IntRange(0, 9).Draw(t, "exponent")
			d := time.Duration(rapid.Int64Range(0, 30).Draw(t, "took")) * time.Millisecond
			for range exponent {
				d *= 10
			}
			took = append(took, d)
			times = times.Plus(of(d))
		}
		slices.Sort(took)
		for percent := int64(1); percent <= 100; percent++ {
			rank := (int64(len(took))*percent + 99) / 100
			exact := took[rank-1]
			got, beyond, known := times.Percentile(percent)
			want, wantBeyond := time.Duration(0), true
			for _, bound := range analytics.Bounds() {
				if bound >= exact {
					want, wantBeyond = bound, false
					break
				}
			}
			if got != want || beyond != wantBeyond || !known {
				t.Fatalf("%d of a hundred within %v, %v, %v; the one at it took %v", percent, got, beyond, known, exact)
			}
		}
	})
}

// of is the times of one order, by the documented rule: the first bound that is not below.
func of(took time.Duration) analytics.Durations {
	for _, bound := range analytics.Bounds() {
		if took <= bound {
			return analytics.Durations{{AtMost: bound, Orders: 1}}
		}
	}
	return analytics.Durations{{Orders: 1}}
}

// The bounds are documented, rise, and are whole milliseconds, by which buckets are named.
func TestBounds(t *testing.T) {
	bounds := analytics.Bounds()
	if n := len(bounds); n != 38 || bounds[0] != 100*time.Millisecond || bounds[n-1] != 30*24*time.Hour {
		t.Errorf("%d bounds: %v", n, bounds)
	}
	for i, b := range bounds {
		if b%time.Millisecond != 0 || i > 0 && (b <= bounds[i-1] || b > 3*bounds[i-1]) {
			t.Errorf("%v follows %v", b, bounds[max(0, i-1)])
		}
	}
}

// What no bound holds is said to be beyond all, and not to be the last bound; nothing at all has no
// percentile; less than nothing is the least.
func TestTimesAtTheEnds(t *testing.T) {
	const month = 30 * 24 * time.Hour
	for name, tc := range map[string]struct {
		took          time.Duration
		want          time.Duration
		beyond, known bool
	}{
		"longer than all bounds":        {month + time.Millisecond, 0, true, true},
		"as long as the last":           {month, month, false, true},
		"at once":                       {0, 100 * time.Millisecond, false, true},
		"before it was placed, by then": {-time.Hour, 100 * time.Millisecond, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			table := &analyticstest.Memory{}
			count(t, table, "UTC", lifeOf(t, "o1", noon, tc.took)...)
			reports := analytics.Reports{Table: table, Calendar: analytics.MustCalendar("UTC")}
			days, err := reports.Daily(t.Context(), analytics.Query{From: "2026-03-01", To: "2026-04-01"})
			if err != nil {
				t.Fatal(err)
			}
			var all analytics.Durations
			for _, d := range days {
				all = all.Plus(d.Decided)
			}
			if got, beyond, known := all.Percentile(50); got != tc.want || beyond != tc.beyond || known != tc.known {
				t.Errorf("within %v, beyond %v, known %v", got, beyond, known)
			}
		})
	}
	if _, _, known := (analytics.Durations{}).Percentile(99); known {
		t.Error("a percentile of nothing")
	}
}

// A confirmation that comes after the cancellation it was before moves what was counted.
func TestDecisionThatComesLate(t *testing.T) {
	table := &analyticstest.Memory{}
	stopped := analyticstest.Message(t, "o1", 5, noon.Add(2*time.Hour), order.Cancelled{Reason: order.ReasonCustomer})
	life := lifeOf(t, "o1", noon, 4*time.Second)
	for i, want := range []time.Duration{0, 2 * time.Hour, 5 * time.Second} {
		count(t, table, "UTC", [][]byte{stopped, life[0], life[1]}[i])
		decided := day(t, table).Decided
		if got, _, known := decided.Percentile(99); got != want || known != (want > 0) || decided.Orders() > 1 {
			t.Errorf("after message %d: %v", i, decided)
		}
	}
}

// An order that a release before has begun to count is not counted by the minute, in whatever order
// its other events come: nothing is taken off that was never added. In a table that counts from
// nothing it is.
func TestOrdersOfTheReleaseBefore(t *testing.T) {
	life := lifeOf(t, "o1", noon, 4*time.Second)
	stopped := analyticstest.Message(t, "o1", 5, noon.Add(time.Hour), order.Cancelled{Reason: "stock.insufficient"})
	before, again := &analyticstest.Memory{}, &analyticstest.Memory{}
	row := analytics.Row{Kind: analytics.KindHour, Date: "2026-03-01", Hour: noon}
	if err := before.Write(
		t.Context(),
		[]analytics.Order{{ID: "o1", Placed: &analytics.Placed{Sequence: 1, Time: noon, Total: placed("o1", "a").Total}}},
		[]analytics.Addition{{Row: row, Counters: analytics.Counters{"orders": 1}}},
	); err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{stopped, life[1], life[0]} {
		count(t, before, "UTC", body)
		count(t, again, "UTC", body)
	}
	hours, err := before.Hours(t.Context(), "2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	for hour, counters := range hours {
		for name, n := range counters {
			if n < 0 {
				t.Errorf("%s: %s is %d", hour, name, n)
			}
		}
	}
	if d := day(t, before); d.Orders != 1 || d.Confirmed != 1 || d.Cancelled != 1 || d.StockOuts != 0 ||
		d.Decided.Orders() != 0 {
		t.Errorf("%+v", d)
	}
	if d := day(t, again); d.Orders != 1 || d.StockOuts != 1 || d.Decided.Orders() != 1 {
		t.Errorf("counted from nothing: %+v", d)
	}
	for table, unknown := range map[*analyticstest.Memory]int64{before: 1, again: 0} {
		reports := analytics.Reports{Table: table, Calendar: analytics.MustCalendar("UTC")}
		m, err := reports.Minutes(t.Context(), analytics.Stretch{Before: noon.Add(time.Minute), Count: 60})
		if err != nil || m.Unknown != unknown || m.All[59].Orders != 1-unknown {
			t.Errorf("%+v, %v; want %d without a minute", m, err, unknown)
		}
	}
}

// minutesOf are the starts and orders of a stretch in a zone.
func minutesOf(t *testing.T, table analytics.Table, zone string, before time.Time, n int) (minutes []analytics.Minute) {
	t.Helper()
	reports := analytics.Reports{Table: table, Calendar: analytics.MustCalendar(zone)}
	m, err := reports.Minutes(t.Context(), analytics.Stretch{Before: before, Count: n})
	if err != nil || len(m.All) != n {
		t.Fatalf("%d minutes, %v", len(m.All), err)
	}
	return m.All
}

// The minute that is not over is not shown: it would look like a drop. Minutes without an order are
// zeros and no gaps, and the first is a whole one.
func TestMinutesThatAreOver(t *testing.T) {
	table := &analyticstest.Memory{}
	for i, second := range []int{0, 59, 119, 240, 270} {
		count(t, table, "UTC", lifeOf(t, fmt.Sprint("o", i), noon.Add(time.Duration(second)*time.Second), 0)...)
	}
	got := minutesOf(t, table, "UTC", noon.Add(4*time.Minute+40*time.Second), 5)
	var orders []int64
	for _, m := range got {
		orders = append(orders, m.Orders)
	}
	if !slices.Equal(orders, []int64{0, 2, 1, 0, 0}) || !got[0].Start.Equal(noon.Add(-time.Minute)) {
		t.Errorf("%v", got)
	}
}

// Where the clocks change, minutes go on one after the other: one hour's labels come twice, or not
// at all, and each order is in one minute.
func TestMinutesWhereClocksChange(t *testing.T) {
	for name, tc := range map[string]struct {
		zone   string
		before time.Time
		labels []string // and how often each hour's label comes
		times  []int
	}{
		"put forward": {
			"Europe/Amsterdam", time.Date(2026, 3, 29, 2, 0, 0, 0, time.UTC), []string{"01:00", "03:00"}, []int{1, 1},
		},
		"put back": {
			"Europe/Amsterdam", time.Date(2026, 10, 25, 2, 0, 0, 0, time.UTC), []string{"02:00", "01:00"}, []int{2, 0},
		},
		"put back by half an hour": {
			"Australia/Lord_Howe", time.Date(2026, 4, 4, 16, 0, 0, 0, time.UTC), []string{"01:30", "02:15"}, []int{2, 1},
		},
		"over midnight, a quarter of an hour off": {
			"Asia/Kathmandu", time.Date(2026, 3, 1, 19, 0, 0, 0, time.UTC), []string{"23:00", "00:00"}, []int{1, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := &analyticstest.Memory{}
			start := tc.before.Add(-2 * time.Hour)
			for n := range 120 {
				at := start.Add(time.Duration(n) * time.Minute)
				count(t, table, tc.zone, lifeOf(t, fmt.Sprint("o", n), at, 0)...)
			}
			labels := map[string]int{}
			for n, m := range minutesOf(t, table, tc.zone, tc.before, 120) {
				if want := start.Add(time.Duration(n) * time.Minute); !m.Start.Equal(want) || m.Orders != 1 {
					t.Fatalf("minute %d: %v has %d orders; want 1 at %v", n, m.Start, m.Orders, want)
				}
				labels[m.Start.Format("15:04")]++
			}
			for i, label := range tc.labels {
				if labels[label] != tc.times[i] {
					t.Errorf("%s comes %d times, not %d: %v", label, labels[label], tc.times[i],
						slices.Sorted(maps.Keys(labels)))
				}
			}
		})
	}
}

func TestStretches(t *testing.T) {
	for name, tc := range map[string]struct {
		stretch analytics.Stretch
		field   string
	}{
		"an hour":       {analytics.Stretch{Before: noon, Count: 60}, ""},
		"a day":         {analytics.Stretch{Before: noon, Count: 1440}, ""},
		"a minute more": {analytics.Stretch{Before: noon, Count: 1441}, "query.minutes"},
		"none":          {analytics.Stretch{Before: noon}, "query.minutes"},
		"no time":       {analytics.Stretch{Count: 60}, "query.before"},
		"long before":   {analytics.Stretch{Before: noon.AddDate(-56, 0, 0), Count: 60}, "query.before"},
		"far ahead":     {analytics.Stretch{Before: noon.AddDate(7973, 0, 0), Count: 60}, "query.before"},
		"the last year": {analytics.Stretch{Before: noon.AddDate(7972, 0, 0), Count: 60}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := analytics.NewReports(&analyticstest.Memory{}, "UTC").Minutes(t.Context(), tc.stretch)
			fault, ok := faults.As(err)
			if tc.field == "" && err != nil ||
				tc.field != "" && (!ok || !errors.Is(err, analytics.ErrInvalidPeriod) || fault.Field != tc.field) {
				t.Errorf("%v, want one about %q", err, tc.field)
			}
		})
	}
	if _, err := analytics.NewReports(&analyticstest.Memory{}, "Europe/Atlantis").Minutes(
		t.Context(), analytics.Stretch{Before: noon, Count: 1},
	); !errors.Is(err, analytics.ErrNoTimeZone) {
		t.Errorf("minutes of no zone: %v", err)
	}
}

// An order that stock was short of counts once, in the hour of the first time, whatever comes
// first.
func TestStockOuts(t *testing.T) {
	waits := analyticstest.Message(t, "o1", 4, noon.Add(time.Hour), order.Backordered{
		Items: []goods.Item{{SKU: "a", Quantity: 1}}, Until: "2026-04-01T00:00:00Z",
	})
	stopped := analyticstest.Message(t, "o1", 9, noon.Add(5*time.Hour), order.Cancelled{Reason: "stock.insufficient"})
	wanted := analyticstest.Message(t, "o2", 9, noon, order.Cancelled{Reason: order.ReasonCustomer})
	table := &recording{Table: &analyticstest.Memory{}}
	for i, want := range []map[int]int64{{17: 1}, {13: 1}, {13: 1}, {13: 1}} {
		count(t, table, "UTC", [][]byte{stopped, waits, waits, wanted}[i])
		hours, err := table.Hours(t.Context(), "2026-03-01")
		if err != nil {
			t.Fatal(err)
		}
		got := map[int]int64{}
		for hour, counters := range hours {
			if n := counters["stock-outs"]; n != 0 {
				got[hour.Hour()] = n
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("after message %d: %v, want %v", i, got, want)
		}
	}
	if want := []int{2, 3, 2}; !slices.Equal(table.sizes, want) { // the same event again is no write
		t.Errorf("writes of %v, want %v", table.sizes, want)
	}
}

// What a late event moves, after the time zone was changed, out of an hour that never had it, is
// shown as nothing there.
func TestLessThanNothing(t *testing.T) {
	table := &analyticstest.Memory{}
	row := analytics.Row{Kind: analytics.KindHour, Date: "2026-03-01", Hour: noon}
	err := table.Write(t.Context(), nil, []analytics.Addition{{
		Row: row, Counters: analytics.Counters{"stock-outs": -1, "took.100": -1, "took.200": 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if d := day(t, table); d.StockOuts != 0 || d.Decided.Orders() != 1 {
		t.Errorf("%+v", d)
	}
}
