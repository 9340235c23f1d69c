package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/kit/clock"
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
			"revenue": []any{}, "refunded": []any{}, "refunds": 0, "givenBack": []any{},
		}
		maps.Copy(o, more)
		return o
	}
	eur := []object{{"amount": 1200, "currency": "EUR"}}
	happened := func(more object) object {
		maps.Copy(more, object{
			"confirmed": 1, "cancelled": 1, "cancelledByKind": object{"customer": 1},
			"cancelledByReason": object{"customer.request": 1},
			"revenue":           eur, "refunded": eur, "refunds": 1,
			"givenBack": []object{{"amount": 7, "currency": "EUR"}},
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
