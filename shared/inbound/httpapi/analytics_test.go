package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/cost"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// TestDailyFigures: what was counted is shown by the days and hours of the shop's zone, and a day
// on which nothing happened as nothing.
func TestDailyFigures(t *testing.T) {
	w := newWorld(t)
	total, given := money.Money{Amount: 1200, Currency: "EUR"}, money.Money{Amount: 7, Currency: "EUR"}
	before := time.Date(2026, 3, 28, 22, 30, 0, 0, time.UTC) // 23:30 there
	after := time.Date(2026, 3, 29, 1, 10, 0, 0, time.UTC)   // 03:10 on a day without 02:00 to 03:00
	analyser := analytics.Analyser{
		Table: &w.figures, Calendar: analytics.MustCalendar("Europe/Amsterdam"), Clock: clock.NewFake(after),
	}
	for _, err := range analyser.Handle(t.Context(), [][]byte{
		analyticstest.Message(t, "o1", 1, before, order.Placed{
			OrderID: "o1", CustomerID: "ada",
			Lines: []order.Line{{SKU: "cd-1", Quantity: 3, UnitPrice: money.Money{Amount: 400, Currency: "EUR"}}},
			Total: total,
		}),
		analyticstest.Message(
			t, "o1", 3, after, order.Confirmed{PaymentID: "p", ShipmentID: "s", TrackingNumber: "OF1"},
		),
		analyticstest.Message(t, "o1", 5, after, order.Cancelled{Reason: order.ReasonCustomer}),
		analyticstest.Message(t, "o2", 7, after, order.Refunded{
			RefundID: "r", PaymentID: "p", Amount: given, Goodwill: &given, Reason: order.RefundLate, By: "person/p",
			RefundedAt: "2026-03-29T01:10:00Z", Total: given,
		}),
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	figures := func(query string) (zone any, days []any) {
		t.Helper()
		r := w.must(http.StatusOK, get(operator, "/analytics/daily?"+query))
		days, _ = r.body["days"].([]any)
		return r.body["timeZone"], days
	}
	check := func(got any, want object) {
		t.Helper()
		text, err := json.Marshal(want)
		if err == nil {
			want = nil
			err = json.Unmarshal(text, &want)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n%v, want\n%v", err, got, want)
		}
	}
	nothing := func(more object) object {
		o := object{
			"orders": 0, "confirmed": 0, "cancelled": 0, "cancelledByKind": object{}, "cancelledByReason": object{},
			"revenue": []any{}, "refunded": []any{}, "refunds": 0, "givenBack": []any{}, "stockOuts": 0,
			"decided": object{"orders": 0, "buckets": []any{}},
		}
		maps.Copy(o, more)
		return o
	}
	took := func(orders, millis int) object { // each of them
		return object{
			"orders": orders, "p50Millis": millis, "p95Millis": millis, "p99Millis": millis,
			"buckets": []object{{"atMostMillis": millis, "orders": orders}},
		}
	}
	eur := []object{{"amount": 1200, "currency": "EUR"}}
	happened := func(more object) object {
		maps.Copy(more, object{
			"confirmed": 1, "cancelled": 1, "cancelledByKind": object{"customer": 1},
			"cancelledByReason": object{"customer.request": 1},
			"revenue":           eur, "refunded": eur, "refunds": 1,
			"givenBack": []object{{"amount": 7, "currency": "EUR"}}, "decided": took(1, 3*60*60*1000),
		})
		return nothing(more)
	}
	zone, days := figures("from=2026-03-27&to=2026-03-29&top=1")
	if zone != "Europe/Amsterdam" || len(days) != 3 {
		t.Fatalf("%v, %v", zone, days)
	}
	check(days[0], nothing(object{"date": "2026-03-27", "topSkus": []any{}}))
	check(days[1], nothing(object{"date": "2026-03-28", "topSkus": []any{}, "orders": 1}))
	check(days[2], happened(object{"date": "2026-03-29", "topSkus": []object{{"sku": "cd-1", "pieces": 3}}}))

	whole := w.must(http.StatusOK, get(operator, "/analytics/daily?from=2026-03-27&to=2026-03-29"))
	check(whole.body["decided"], took(1, 3*60*60*1000))

	_, days = figures("from=2026-03-29&to=2026-03-29&hours=true")
	hours, _ := days[0].(object)["hours"].([]any)
	if len(hours) != 23 {
		t.Fatalf("%d hours", len(hours))
	}
	check(hours[1], nothing(object{"start": "2026-03-29T01:00:00+01:00"}))
	check(hours[2], happened(object{"start": "2026-03-29T03:00:00+02:00"}))
}

// TestFiguresOfNoZone: a mistyped time zone takes down the figures, says why, and takes down
// nothing else.
func TestFiguresOfNoZone(t *testing.T) {
	w := newWorld(t)
	w.sees.Figures = analytics.NewReports(&w.figures, "Europe/Atlantis")
	w.queries = httpapi.Lambda(httpapi.NewQueries(w.sees), httpapi.Mapping{})
	r := w.must(http.StatusServiceUnavailable, get(operator, "/analytics/daily?from=2026-03-01&to=2026-03-01"))
	if r.body["code"] != analytics.ErrNoTimeZone.Code() ||
		!strings.Contains(fmt.Sprint(r.body["detail"]), `TimeZone is "Europe/Atlantis"`) {
		t.Errorf("it says %v", r.body)
	}
	w.must(http.StatusOK, get(operator, "/dead-letters"))
}

// TestTimesOfAPeriod: the period's percentiles are those of all its orders. What took longer than
// all bounds is in a bucket without one, and a percentile that is there is absent.
func TestTimesOfAPeriod(t *testing.T) {
	w := newWorld(t)
	at := w.clock.Now()
	analyser := analytics.Analyser{Table: &w.figures, Calendar: analytics.MustCalendar("UTC"), Clock: w.clock}
	for i, took := range []time.Duration{time.Second, time.Second, 40 * 24 * time.Hour} {
		id := fmt.Sprint("o", i)
		for _, err := range analyser.Handle(t.Context(), [][]byte{
			analyticstest.Message(t, id, 1, at, order.Placed{OrderID: id, CustomerID: "ada", Lines: []order.Line{{
				SKU: "cd-1", Quantity: 1, UnitPrice: money.Money{Amount: 1, Currency: "EUR"},
			}}, Total: money.Money{Amount: 1, Currency: "EUR"}}),
			analyticstest.Message(t, id, 9, at.Add(took), order.Cancelled{Reason: "stock.insufficient"}),
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	res := w.must(http.StatusOK, get(operator, "/analytics/daily?from=2026-03-01&to=2026-04-12"))
	want := object{
		"orders": 3.0, "p50Millis": 1000.0,
		"buckets": []any{object{"atMostMillis": 1000.0, "orders": 2.0}, object{"orders": 1.0}},
	}
	if diff := cmp.Diff(want, res.body["decided"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	days, _ := res.body["days"].([]any)
	if first := days[0].(object); first["stockOuts"] != 2.0 {
		t.Errorf("the first day has %v stock-outs", first["stockOuts"])
	}
}

// TestMinuteFigures: the minutes that are over, before now and before a time, in the shop's zone.
func TestMinuteFigures(t *testing.T) {
	w := newWorld(t)
	w.clock.Advance(30 * time.Second)
	now := w.clock.Now() // 12:00:30, and 13:00:30 there
	analyser := analytics.Analyser{
		Table: &w.figures, Calendar: analytics.MustCalendar("Europe/Amsterdam"), Clock: w.clock,
	}
	for i, ago := range []time.Duration{0, 31 * time.Second, 89 * time.Second, 2 * time.Minute} {
		id := fmt.Sprint("o", i)
		body := analyticstest.Message(t, id, 1, now.Add(-ago), order.Placed{
			OrderID: id, CustomerID: "ada", Lines: []order.Line{{
				SKU: "cd-1", Quantity: 1, UnitPrice: money.Money{Amount: 1, Currency: "EUR"},
			}}, Total: money.Money{Amount: 1, Currency: "EUR"},
		})
		if err := analyser.Handle(t.Context(), [][]byte{body})[0]; err != nil {
			t.Fatal(err)
		}
	}
	minute := func(start string, orders float64) object { return object{"start": start, "orders": orders} }
	for query, want := range map[string]object{
		"minutes=3": {
			"timeZone": "Europe/Amsterdam", "orders": 3.0, "settledBefore": "2026-03-01T11:58:30Z",
			"ordersWithoutMinute": 0.0,
			"minutes": []any{
				minute("2026-03-01T12:57:00+01:00", 0), minute("2026-03-01T12:58:00+01:00", 1),
				minute("2026-03-01T12:59:00+01:00", 2),
			},
		},
		"minutes=1&before=2026-03-01T11:59:59Z": {
			"timeZone": "Europe/Amsterdam", "orders": 1.0, "settledBefore": "2026-03-01T11:58:30Z",
			"ordersWithoutMinute": 0.0, "minutes": []any{minute("2026-03-01T12:58:00+01:00", 1)},
		},
	} {
		if diff := cmp.Diff(want, w.must(http.StatusOK, get(operator, "/analytics/minutes?"+query)).body); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	hour, _ := w.must(http.StatusOK, get(operator, "/analytics/minutes")).body["minutes"].([]any)
	if len(hour) != 60 {
		t.Errorf("%d minutes by default", len(hour))
	}
}

// TestDeadLetterDepth: what is not closed, by who gave it up, and since when.
func TestDeadLetterDepth(t *testing.T) {
	w := newWorld(t)
	res := w.must(http.StatusOK, get(operator, "/analytics/dead-letters"))
	if diff := cmp.Diff(object{"returning": 0.0, "waiting": 0.0, "consumers": []any{}}, res.body); diff != "" {
		t.Errorf("without entries (-want +got):\n%s", diff)
	}
	w.addLetters(6, func(i int, e *deadletter.Entry) { // of start-saga 0, 2 and 4, of send-mails the others
		e.Status = []deadletter.Status{
			deadletter.StatusOpen, deadletter.StatusResolved, deadletter.StatusSpent, deadletter.StatusRedriving,
			deadletter.StatusOpen, deadletter.StatusDiscarded,
		}[i]
		e.Held = i == 4
	})
	res = w.must(http.StatusOK, get(operator, "/analytics/dead-letters"))
	want := object{
		"returning": 2.0, "waiting": 2.0, "oldest": "2026-03-01T11:54:00Z", "consumers": []any{
			object{"consumer": "start-saga", "returning": 1.0, "waiting": 2.0, "oldest": "2026-03-01T11:54:00Z"},
			object{"consumer": "send-mails", "returning": 1.0, "waiting": 0.0, "oldest": "2026-03-01T11:57:00Z"},
		},
	}
	if diff := cmp.Diff(want, res.body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDeadLetterDepthBeyondItsBound says that it is at least so many.
func TestDeadLetterDepthBeyondItsBound(t *testing.T) {
	w := newWorld(t)
	w.addLetters(deadletter.MaxDepth+1, nil)
	res := w.must(http.StatusOK, get(operator, "/analytics/dead-letters"))
	if res.body["atLeast"] != true || res.body["returning"] != float64(deadletter.MaxDepth) ||
		res.body["oldest"] != w.clock.Now().Add(-(deadletter.MaxDepth+1)*time.Minute).Format(time.RFC3339) {
		t.Errorf("%s", res.raw)
	}
}

// TestOrderCost: the recorded counts times the price list, with where the prices are from; the
// lines come to the sum.
func TestOrderCost(t *testing.T) {
	res := newWorld(t).must(http.StatusOK, get(operator, "/analytics/cost"))
	list, err := cost.Prices()
	if err != nil {
		t.Fatal(err)
	}
	if res.text("pricesOf") != list.Date || res.text("region") != list.Region || res.text("source") != list.Source {
		t.Errorf("prices of %s", res.raw)
	}
	orders, _ := res.body["orders"].([]any)
	if len(orders) != 2 {
		t.Fatalf("%d kinds of orders", len(orders))
	}
	for i, ends := range []string{"delivered", "cancelled"} {
		one, _ := orders[i].(object)
		lines, _ := one["lines"].([]any)
		sum := new(big.Rat)
		for _, line := range lines {
			amount, ok := new(big.Rat).SetString(fmt.Sprint(line.(object)["dollars"]))
			if !ok || amount.Sign() < 0 {
				t.Errorf("%v", line)
				continue
			}
			sum.Add(sum, amount)
		}
		total, ok := new(big.Rat).SetString(fmt.Sprint(one["dollars"]))
		rounded := big.NewRat(int64(len(lines)), 10_000_000) // each line is rounded by itself
		if off := new(big.Rat).Sub(sum, total); one["ends"] != ends || !ok || total.Sign() <= 0 || len(lines) < 8 ||
			off.Abs(off).Cmp(rounded) > 0 {
			t.Errorf("%s: %v, its lines come to %s", ends, one["dollars"], sum.FloatString(7))
		}
	}
}
