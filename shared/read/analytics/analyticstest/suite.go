package analyticstest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	gocmp "github.com/google/go-cmp/cmp"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/analytics"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// Zone has a day of 23 hours and one of 25 within the drawn times.
const Zone = "Europe/Amsterdam"

// day is the last of March's, on which the clocks of Zone are put forward.
var day = time.Date(2026, 3, 28, 22, 30, 0, 0, time.UTC)

// Message is EventBridge's JSON around the newest published form of a stored event of an order.
func Message(t interface{ Fatal(...any) }, orderID string, version int64, at time.Time, event any) []byte {
	name, schema, ok := contract.Registry().Name(event)
	if !ok {
		t.Fatal(fmt.Sprintf("%T is not registered", event))
	}
	versions, err := contract.Versions(es.Recorded{
		Stream: es.NewStreamID(order.Category, orderID), Version: version, Type: name, Schema: schema, Data: event,
		Time: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	envelope := versions[len(versions)-1]
	body, err := json.Marshal(map[string]any{
		"detail-type": envelope.Type, "source": envelope.Source, "detail": envelope,
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// kinds are the kinds of the reasons that are drawn.
var kinds = map[order.Reason]string{
	order.ReasonCustomer: "customer", "stock.insufficient": "stock", "stock.another": "stock",
}

// life is an order as it went, to be counted the simple way.
type life struct {
	id                           string
	placed, confirmed, cancelled time.Time // zero where it was not
	reason                       order.Reason
	total                        money.Money
	lines                        []order.Line
	refunds                      []refund
	amendments                   []amendment // all but the first after the confirmation, if there is one
	waits                        []shortage  // for stock
}

// shortage is a moment at which stock was short of something of an order.
type shortage struct {
	at       time.Time
	sequence int64
}

// amendment is a change of what an order comes to.
type amendment struct {
	at       time.Time
	sequence int64
	by       int64
	pieces   int64 // of one SKU
	partial  bool  // since not all was there
}

// amendedSKU is what amendments are of.
const amendedSKU = "sku-amended"

func drawAmendments(t *rapid.T, l life, at func(string, time.Time) time.Time) (amendments []amendment, total int64) {
	total, pieces := l.total.Amount, int64(0)
	for i := range rapid.IntRange(0, 3).Draw(t, "amendments") {
		a := amendment{sequence: int64(6 + i), by: rapid.Int64Range(-total, 500).Draw(t, "amended by")}
		a.pieces = rapid.Int64Range(-pieces, 5).Draw(t, "pieces amended")
		a.partial = rapid.Bool().Draw(t, "is partial")
		from := l.confirmed
		if i == 0 || l.confirmed.IsZero() { // while it was held
			a.sequence, from = 2, l.placed
		}
		if a.sequence == 2 && i > 0 {
			break
		}
		a.at, total, pieces = at("amended", from), total+a.by, pieces+a.pieces
		amendments = append(amendments, a)
	}
	return amendments, total
}

// refund is money that was given back.
type refund struct {
	at     time.Time
	amount int64
}

func drawLife(t *rapid.T, id string) life {
	at := func(name string, from time.Time) time.Time {
		return from.Add(time.Duration(rapid.IntRange(0, 36*60).Draw(t, name)) * time.Minute)
	}
	l := life{
		id: id, placed: at("placed", day),
		total: money.Money{Currency: rapid.SampledFrom([]string{"EUR", "JPY"}).Draw(t, "currency")},
	}
	for range rapid.IntRange(1, 4).Draw(t, "lines") {
		// of which some hours have no room for all
		sku := strings.Repeat("long-", 50*rapid.IntRange(0, 1).Draw(t, "long")) +
			fmt.Sprint("sku-", rapid.IntRange(1, 5).Draw(t, "sku"))
		unit := money.Money{Amount: rapid.Int64Range(0, 1000).Draw(t, "price"), Currency: l.total.Currency}
		line := order.Line{SKU: sku, Quantity: rapid.Int64Range(1, 9).Draw(t, "quantity"), UnitPrice: unit}
		adjustment := func(name string, most int64) *order.Adjustment {
			if !rapid.Bool().Draw(t, name) {
				return nil
			}
			amount := money.Money{Amount: rapid.Int64Range(0, most).Draw(t, name+" amount"), Currency: unit.Currency}
			return &order.Adjustment{Name: name, Amount: amount}
		}
		line.Discount, line.Tax = adjustment("discount", unit.Amount), adjustment("tax", 1000)
		l.lines = append(l.lines, line)
	}
	var err error
	if l.total, err = order.Total(l.lines); err != nil {
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "is confirmed") {
		// by a clock that may be ten minutes late
		l.confirmed = at("confirmed", l.placed.Add(-time.Duration(rapid.IntRange(0, 10).Draw(t, "late"))*time.Minute))
		l.confirmed = l.confirmed.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "more")) * time.Millisecond)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "waits") {
		l.waits = append(l.waits, shortage{at: at("waits", l.placed), sequence: int64(4 + i)})
	}
	var total int64
	l.amendments, total = drawAmendments(t, l, at)
	if !l.confirmed.IsZero() {
		for range rapid.IntRange(0, 3).Draw(t, "refunds") {
			amount := rapid.Int64Range(0, total/3).Draw(t, "refunded")
			l.refunds = append(l.refunds, refund{at: at("refunded at", l.confirmed), amount: amount})
		}
	}
	if len(l.refunds) == 0 && rapid.Bool().Draw(t, "is cancelled") {
		l.cancelled = at("cancelled", slices.MaxFunc([]time.Time{l.placed, l.confirmed}, time.Time.Compare))
		l.reason = rapid.SampledFrom(slices.Sorted(maps.Keys(kinds))).Draw(t, "reason")
	}
	return l
}

func (l life) messages(t *rapid.T) [][]byte {
	bodies := [][]byte{Message(
		t, l.id, 1, l.placed, order.Placed{OrderID: l.id, CustomerID: "ada", Lines: l.lines, Total: l.total},
	)}
	if !l.confirmed.IsZero() {
		bodies = append(
			bodies,
			Message(t, l.id, 3, l.confirmed, order.Confirmed{PaymentID: "p", ShipmentID: "s", TrackingNumber: "OF1"}),
		)
	}
	if !l.cancelled.IsZero() {
		bodies = append(bodies, Message(t, l.id, 15, l.cancelled, order.Cancelled{Reason: l.reason}))
	}
	for _, a := range l.amendments {
		amended := order.Amended{
			Revision: 2, Lines: l.lines, Total: l.total, By: order.OriginCustomer, Reason: order.ReasonCustomer,
			Difference: money.Money{Amount: a.by, Currency: l.total.Currency},
		}
		if a.partial {
			amended.By, amended.Reason = order.OriginSaga, order.ReasonPartial
		}
		switch {
		case a.pieces > 0:
			amended.Added = []goods.Item{{SKU: amendedSKU, Quantity: a.pieces}}
		case a.pieces < 0:
			amended.Removed = []goods.Item{{SKU: amendedSKU, Quantity: -a.pieces}}
		}
		bodies = append(bodies, Message(t, l.id, a.sequence, a.at, amended))
	}
	for _, w := range l.waits {
		bodies = append(bodies, Message(t, l.id, w.sequence, w.at, order.Backordered{
			Items: []goods.Item{{SKU: "sku-1", Quantity: 1}}, Until: "2026-04-30T00:00:00Z",
		}))
	}
	for i, r := range l.refunds {
		amount := money.Money{Amount: r.amount, Currency: l.total.Currency}
		bodies = append(bodies, Message(t, l.id, 20+int64(i), r.at, order.Refunded{
			RefundID: fmt.Sprint(i), PaymentID: "p", Amount: amount, Goodwill: &amount, Reason: order.RefundLate,
			By: "person/p", RefundedAt: r.at.Format(time.RFC3339), Total: amount,
		}))
	}
	return bodies
}

// decided is when an order was, and how long after its placing.
func (l life) decided() (at time.Time, took time.Duration, ok bool) {
	at = l.confirmed
	if at.IsZero() {
		at = l.cancelled
	}
	return at, at.Sub(l.placed), !at.IsZero()
}

// bucket has one order that took so long.
func bucket(took time.Duration) analytics.Bucket {
	for _, bound := range analytics.Bounds() {
		if bound >= took {
			return analytics.Bucket{AtMost: bound, Orders: 1}
		}
	}
	return analytics.Bucket{Orders: 1}
}

// short is when stock was first short of something of an order, by its events' sequence.
func (l life) short() (at time.Time, ok bool) {
	all := slices.Clone(l.waits)
	for _, a := range l.amendments {
		if a.partial {
			all = append(all, shortage{a.at, a.sequence})
		}
	}
	if kinds[l.reason] == "stock" {
		all = append(all, shortage{l.cancelled, 15})
	}
	if len(all) == 0 {
		return at, false
	}
	return slices.MinFunc(all, func(a, b shortage) int { return cmp.Compare(a.sequence, b.sequence) }).at, true
}

// counted is what the figures between two moments should be, the simple way: by looking at each
// order.
func counted(lives []life, from, to time.Time) (f analytics.Figures, best []analytics.SKU) {
	within := func(at time.Time) bool { return !at.IsZero() && !at.Before(from) && at.Before(to) }
	f = analytics.Figures{Kinds: map[string]int64{}, Reasons: map[string]int64{}}
	revenue, refunded, pieces := map[string]int64{}, map[string]int64{}, map[string]int64{}
	given := map[string]int64{}
	for _, l := range lives {
		if within(l.placed) {
			f.Orders++
		}
		if within(l.confirmed) {
			f.Confirmed++
			revenue[l.total.Currency] += l.total.Amount
			for _, line := range l.lines {
				pieces[line.SKU] += line.Quantity
			}
		}
		if within(l.cancelled) {
			f.Cancelled++
			f.Kinds[kinds[l.reason]]++
			f.Reasons[string(l.reason)]++
			if !l.confirmed.IsZero() {
				refunded[l.total.Currency] += l.total.Amount
				for _, a := range l.amendments {
					refunded[l.total.Currency] += a.by
				}
			}
		}
		for _, a := range l.amendments {
			switch before := a.sequence < 3; {
			case l.confirmed.IsZero():
			case before && within(l.confirmed):
				revenue[l.total.Currency] += a.by
				pieces[amendedSKU] += max(a.pieces, 0)
			case !before && within(a.at):
				if a.by > 0 {
					revenue[l.total.Currency] += a.by
				}
				if a.by < 0 {
					refunded[l.total.Currency] -= a.by
				}
				pieces[amendedSKU] += max(a.pieces, 0)
			}
		}
	}
	for _, l := range lives {
		if at, took, ok := l.decided(); ok && within(at) {
			f.Decided = f.Decided.Plus(analytics.Durations{bucket(took)})
		}
		if at, ok := l.short(); ok && within(at) {
			f.StockOuts++
		}
	}
	maps.DeleteFunc(pieces, func(_ string, n int64) bool { return n == 0 })
	for _, l := range lives {
		for _, r := range l.refunds {
			if within(r.at) {
				f.Refunds++
				given[l.total.Currency] += r.amount
			}
		}
	}
	amounts := func(by map[string]int64) (all []money.Money) {
		for _, currency := range slices.Sorted(maps.Keys(by)) {
			if by[currency] != 0 {
				all = append(all, money.Money{Amount: by[currency], Currency: currency})
			}
		}
		return all
	}
	f.Revenue, f.Refunded, f.GivenBack = amounts(revenue), amounts(refunded), amounts(given)
	for sku, n := range pieces {
		best = append(best, analytics.SKU{SKU: sku, Pieces: n})
	}
	slices.SortFunc(best, func(a, b analytics.SKU) int {
		return cmp.Or(cmp.Compare(b.Pieces, a.Pieces), cmp.Compare(a.SKU, b.SKU))
	})
	return f, best
}

// ErrCrash is what a Crashing table fails with.
var ErrCrash = errors.New("analyticstest: crash")

// Crashing breaks off around writes as Next says: before them, or after them, so that the answer is
// lost. At a third kind of moment somebody else writes in between.
type Crashing struct {
	analytics.Table
	Next func() Crash
}

// Crash is what happens at a write.
type Crash int

// The kinds of crashes.
const (
	None Crash = iota
	Before
	After
	Busy // another transaction is on one of the items
)

// Write implements analytics.Table.
func (c Crashing) Write(ctx context.Context, orders []analytics.Order, additions []analytics.Addition) error {
	switch c.Next() {
	case Before:
		return ErrCrash
	case Busy:
		return &es.ConflictError{
			Stream: es.NewStreamID("order", orders[0].ID), Expected: orders[0].Revision, Actual: -1,
		}
	case After:
		if err := c.Table.Write(ctx, orders, additions); err != nil {
			return err
		}
		return ErrCrash
	case None:
	}
	return c.Table.Write(ctx, orders, additions)
}

// Run puts a table through the properties. fresh gives one without anything in it, which is used
// for one example; contended gives such a one that may refuse a write for others' sake, or leave
// out what it should read, now and then.
func Run(t *testing.T, fresh, contended func() analytics.Table) {
	t.Run("figures", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { figures(t, contended()) }) })
	t.Run("best", func(t *testing.T) { best(t, fresh()) })
	t.Run("far", func(t *testing.T) { far(t, fresh()) })
}

// figures: whatever order the events of orders come in, how often, in which batches, some side by
// side, and whatever breaks off, each hour and each day has what its events say, and the hours come
// to the day.
func figures(t *rapid.T, table analytics.Table) {
	var lives []life
	var bodies [][]byte
	for i := range rapid.IntRange(1, 8).Draw(t, "orders") {
		l := drawLife(t, fmt.Sprintf("order-%d", i))
		lives, bodies = append(lives, l), append(bodies, l.messages(t)...)
	}
	again := rapid.SliceOfN(rapid.SampledFrom(bodies), 0, 10).Draw(t, "again")
	queue := rapid.Permutation(slices.Concat(bodies, again)).Draw(t, "queue")
	crashes := rapid.SliceOfN(rapid.SampledFrom([]Crash{None, Before, After, Busy}), 0, 12).Draw(t, "crashes")
	var mu sync.Mutex
	a := analytics.Analyser{Calendar: analytics.MustCalendar(Zone), Clock: clock.NewFake(day)}
	a.Table = Crashing{Table: table, Next: func() Crash {
		mu.Lock()
		defer mu.Unlock()
		if len(crashes) == 0 {
			return None
		}
		next := crashes[0]
		crashes = crashes[1:]
		return next
	}}
	for len(queue) > 0 {
		var batches [][][]byte // that are handled side by side
		for range rapid.IntRange(1, 3).Draw(t, "side by side") {
			n := min(len(queue), rapid.IntRange(1, 12).Draw(t, "batch"))
			batches, queue = append(batches, queue[:n]), queue[n:]
		}
		failed := make([][][]byte, len(batches))
		var group sync.WaitGroup
		for i, batch := range batches {
			group.Go(func() {
				for m, err := range a.Handle(context.Background(), batch) {
					if err != nil {
						failed[i] = append(failed[i], batch[m])
					}
				}
			})
		}
		group.Wait()
		queue = append(queue, slices.Concat(failed...)...)
	}
	check(t, lives, table)
}

func check(t *rapid.T, lives []life, table analytics.Table) {
	from := analytics.Date("2026-03-28")
	reports := analytics.Reports{Table: table, Calendar: analytics.MustCalendar(Zone)}
	days, err := reports.Daily(
		context.Background(), analytics.Query{From: from, To: from.Add(5), Hours: true, Best: 10},
	)
	if err != nil {
		t.Fatal(err)
	}
	same := func(what any, got, want any) {
		if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%v (-want +got):\n%s", what, diff)
		}
	}
	zone := days[0].Hours[0].Start.Location()
	var orders int64
	for i, d := range days {
		start := time.Date(2026, 3, 28+i, 0, 0, 0, 0, zone)
		end := start.AddDate(0, 0, 1)
		want, best := counted(lives, start, end)
		same(d.Date, d.Figures, want)
		same(d.Date, d.Best, best)
		checkMinutes(t, lives, reports, end)
		if hours := int(end.Sub(start) / time.Hour); len(d.Hours) != hours {
			t.Fatalf("%s has %d hours, not %d", d.Date, len(d.Hours), hours)
		}
		var sum int64
		for _, h := range d.Hours {
			want, _ := counted(lives, h.Start, h.Start.Add(time.Hour))
			same(h.Start, h.Figures, want)
			sum += h.Orders
		}
		if sum != d.Orders {
			t.Fatalf("%s: %d orders in its hours, %d in all", d.Date, sum, d.Orders)
		}
		orders += sum
	}
	if orders != int64(len(lives)) {
		t.Fatalf("%d orders are counted of %d", orders, len(lives))
	}
}

// checkMinutes: each minute before a moment has the orders that were placed in it.
func checkMinutes(t *rapid.T, lives []life, reports analytics.Reports, before time.Time) {
	minutes, err := reports.Minutes(
		context.Background(), analytics.Stretch{Before: before, Count: analytics.MaxMinutes},
	)
	if err != nil || len(minutes.All) != analytics.MaxMinutes || minutes.Unknown != 0 {
		t.Fatalf("%d minutes before %s, %d orders without one, %v", len(minutes.All), before, minutes.Unknown, err)
	}
	placed := map[int64]int64{} // by the minute
	for _, l := range lives {
		placed[l.placed.Unix()/60]++
	}
	for i, m := range minutes.All {
		if start := before.Add(time.Duration(i-analytics.MaxMinutes) * time.Minute); !m.Start.Equal(start) {
			t.Fatalf("minute %d before %s begins at %s, not at %s", i, before, m.Start, start)
		}
		if want := placed[m.Start.Unix()/60]; m.Orders != want {
			t.Fatalf("%d orders at %s, not %d", m.Orders, m.Start, want)
		}
	}
}

// best: of more SKUs than are read for one answer, those with the most pieces. Some pieces of a SKU
// are in the rows of hours, some in a row of its own.
func best(t *testing.T, table analytics.Table) {
	const date, most = analytics.Date("2026-05-01"), 260
	hour := analytics.Row{Kind: analytics.KindHour, Date: date, Hour: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
	inHour := analytics.Addition{Row: hour, Counters: analytics.Counters{"orders": 1}}
	var want []analytics.SKU
	var ones, others []analytics.Addition // that move each SKU up in the list
	for n := range most {
		// each two are equals, and come by SKU
		sku := analytics.SKU{SKU: fmt.Sprintf("sku-%03d", n), Pieces: int64(most-n)/2 + 1}
		if n < 100 {
			want = append(want, sku)
		}
		own := sku.Pieces
		switch n {
		case 3: // without a row of its own
			inHour.Counters["sold."+sku.SKU] = sku.Pieces
			continue
		case 5: // with a row that is not among those that are read
			inHour.Counters["sold."+sku.SKU], own = sku.Pieces-2, 2
		case 7, 250: // with a row that may be
			inHour.Counters["sold."+sku.SKU], own = 1, sku.Pieces-1
		}
		row := analytics.Row{Kind: analytics.KindSKU, Date: date, SKU: sku.SKU}
		ones = append(ones, analytics.Addition{Row: row, Counters: analytics.Counters{analytics.CounterPieces: 1}})
		others = append(
			others, analytics.Addition{Row: row, Counters: analytics.Counters{analytics.CounterPieces: own - 1}},
		)
	}
	for _, additions := range [][]analytics.Addition{{inHour}, ones, others} {
		for chunk := range slices.Chunk(additions, analytics.MaxWrites) {
			if err := table.Write(t.Context(), nil, chunk); err != nil {
				t.Fatal(err)
			}
		}
	}
	reports := analytics.Reports{Table: table, Calendar: analytics.MustCalendar("UTC")}
	for _, n := range []int{1, 10, 100} {
		days, err := reports.Daily(t.Context(), analytics.Query{From: date, To: date.Add(1), Best: n})
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want[:n], days[0].Best); diff != "" {
			t.Errorf("the best %d (-want +got):\n%s", n, diff)
		}
		if len(days[1].Best) != 0 {
			t.Errorf("of a day without any: %v", days[1].Best)
		}
	}
	rows, err := table.Best(t.Context(), date)
	if err != nil || len(rows) != analytics.BestRead {
		t.Errorf("%d rows are read, %v", len(rows), err)
	}
	pieces, err := table.Pieces(t.Context(), date, []string{"sku-005", "sku-003", "nobody's"})
	if diff := gocmp.Diff(map[string]int64{"sku-005": 2}, pieces); err != nil || diff != "" {
		t.Errorf("rows of SKUs: %v (-want +got):\n%s", err, diff)
	}
}

// far: days of several months are read, and amounts as large as they get are exact.
func far(t *testing.T, table analytics.Table) {
	from := analytics.Date("2026-11-30")
	const days = 92
	want := map[analytics.Date]analytics.Figures{}
	var additions []analytics.Addition
	for i := -1; i <= days; i++ {
		orders, revenue := int64(i+3), math.MaxInt64-int64(i+2)
		row := analytics.Row{
			Kind: analytics.KindHour, Date: from.Add(i), Hour: time.Date(2026, 11, 30+i, 0, 0, 0, 0, time.UTC),
		}
		additions = append(additions, analytics.Addition{
			Row: row, Counters: analytics.Counters{"orders": orders, "revenue.EUR": revenue},
		})
		want[row.Date] = analytics.Figures{
			Orders: orders, Revenue: []money.Money{{Amount: revenue, Currency: "EUR"}},
		}
	}
	if err := table.Write(t.Context(), nil, additions); err != nil {
		t.Fatal(err)
	}
	reports := analytics.Reports{Table: table, Calendar: analytics.MustCalendar("UTC")}
	query := analytics.Query{From: from, To: from.Add(days - 1)}
	got, err := reports.Daily(t.Context(), query)
	if err != nil || len(got) != days {
		t.Fatalf("%d days, %v", len(got), err)
	}
	for _, d := range got {
		if diff := gocmp.Diff(want[d.Date], d.Figures, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d.Date, diff)
		}
	}
	// More than a number holds is no figure.
	next := analytics.Row{Kind: analytics.KindHour, Date: from, Hour: day}
	more := analytics.Addition{Row: next, Counters: analytics.Counters{"revenue.EUR": 100}}
	if err := table.Write(t.Context(), nil, []analytics.Addition{more}); err != nil {
		t.Fatal(err)
	}
	if _, err := reports.Daily(t.Context(), query); !errors.Is(err, es.ErrCorrupt) {
		t.Errorf("a sum of two hours beyond what a number holds: %v", err)
	}
	// One that was read before somebody wrote it is refused, and nothing is written.
	id := ident.New()
	o := analytics.Order{ID: id, Confirmed: &analytics.Confirmed{Sequence: 3, Time: day}}
	date := from.Add(-2)
	row := analytics.Row{Kind: analytics.KindHour, Date: date, Hour: day}
	for i, wantErr := range []error{nil, es.ErrConflict} {
		err := table.Write(
			t.Context(), []analytics.Order{o},
			[]analytics.Addition{{Row: row, Counters: analytics.Counters{"confirmed": 1}}},
		)
		if !errors.Is(err, wantErr) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	hours, err := table.Hours(t.Context(), date)
	if err != nil || hours[day]["confirmed"] != 1 || len(hours) != 1 {
		t.Errorf("hours %v, %v", hours, err)
	}
	empty := analytics.Row{Kind: analytics.KindHour, Date: date, Hour: day.Add(time.Hour)}
	orders, rows, err := table.Read(t.Context(), []string{id, "nobody's"}, []analytics.Row{row, empty})
	if err != nil || len(orders) != 1 || orders[id].Revision != 1 || orders[id].ID != id ||
		orders[id].Confirmed == nil || !orders[id].Confirmed.Time.Equal(day) {
		t.Errorf("orders %+v, %v", orders, err)
	}
	known := map[analytics.Row]analytics.Counters{row: {"confirmed": 1}, empty: nil}
	if diff := gocmp.Diff(known, rows, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
