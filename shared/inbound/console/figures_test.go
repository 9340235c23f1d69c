package console_test

import (
	"net/http"
	"strings"
	"testing"
)

const (
	daily = `{"timeZone":"Europe/Amsterdam","decided":{"orders":13,"p50Millis":2000,"p95Millis":90000,"buckets":[]},
	"days":[
	{"date":"2026-02-23","orders":1,"confirmed":1,"cancelled":0,"cancelledByReason":{},"revenue":[],"refunded":[],
	"decided":{"orders":1,"p50Millis":1500,"p95Millis":1500,"p99Millis":1500},"topSkus":[]},
	{"date":"2026-03-01","orders":12,"confirmed":9,"cancelled":3,"stockOuts":2,
	"decided":{"orders":12,"p50Millis":2000,"p95Millis":90000},
	"cancelledByReason":{"stock.insufficient":2,"HOSTILE":1},"revenue":[{"amount":9007199254740993,"currency":"EUR"}],
	"refunded":[{"amount":5,"currency":"JPY"}],"topSkus":[{"sku":"HOSTILE","pieces":7}]}]}`
	hours = `{"timeZone":"Europe/Amsterdam","days":[{"date":"2026-02-28","hours":[
	{"start":"2026-02-28T13:00:00+01:00","orders":77}]},{"date":"2026-03-01","orders":4,"confirmed":0,"cancelled":0,
	"hours":[{"start":"2026-03-01T13:00:00+01:00","orders":4,"confirmed":0,"cancelled":0}]}]}`
	minutes = `{"timeZone":"Europe/Amsterdam","orders":7,"settledBefore":"2026-03-01T11:58:00Z","ordersWithoutMinute":3,
	"minutes":[{"start":"2026-03-01T12:57:00+01:00","orders":2},{"start":"2026-03-01T12:58:00+01:00","orders":0},
	{"start":"2026-03-01T12:59:00+01:00","orders":5}]}`
	letters = `{"returning":2,"waiting":1,"oldest":"2026-03-01T09:00:00Z","atLeast":true,"consumers":[
	{"consumer":"HOSTILE","returning":2,"waiting":1,"oldest":"2026-03-01T09:00:00Z"}]}`
	costs = `{"pricesOf":"2025","region":"us-east-1","source":"HOSTILE","orders":[
	{"ends":"delivered","dollars":"0.0006742","lines":[{"item":"ses.mail","quantity":"4","dollars":"0.0004000"},
	{"item":"b","dollars":"0.0001500"},{"item":"c","dollars":"0.0000564"},{"item":"hidden","dollars":"0"}]},
	{"ends":"cancelled","dollars":"0.0005903","lines":[]}]}`
)

// withFigures has the API answer what the page asks for.
func withFigures(w *world) {
	w.answer("GET /analytics/daily?from=2026-02-23&to=2026-03-01", http.StatusOK, hostileIn(daily))
	w.answer("GET /analytics/daily?from=2026-01-30&to=2026-03-01", http.StatusOK, `{"timeZone":"UTC","days":[]}`)
	w.answer("GET /analytics/daily?from=2026-02-28&hours=true&to=2026-03-02&top=0", http.StatusOK, hours)
	w.answer("GET /analytics/minutes", http.StatusOK, minutes)
	w.answer("GET /analytics/dead-letters", http.StatusOK, hostileIn(letters))
	w.answer("GET /analytics/cost", http.StatusOK, hostileIn(costs))
}

// Figures are of the days of the shop's time zone, with each number in a table and in a drawing
// whose axes have a unit and the zone.
func TestFigures(t *testing.T) {
	w := newWorld(t)
	withFigures(w)
	for _, asked := range []string{"", "?days=7", "?days=1000000"} {
		wantSafe(t, w.get("/figures"+asked), "Europe/Amsterdam", "2026-03-01: 12 placed",
			"2026-03-01 13:00 &#43;01:00: 4 placed", "EUR 90071992547409.93", "JPY 5", "stock.insufficient",
			`aria-current="page">7 days`, "2026-03-01: 2 short", "in orders, by hour, Europe/Amsterdam",
			"in orders, by day, Europe/Amsterdam", ">minute, Europe/Amsterdam<", ">EUR</text>")
	}
	if strings.Contains(w.get("/figures").Body.String(), "77 placed") {
		t.Error("it shows yesterday's hours as today's")
	}
	if asked := w.requests(); len(asked) != 4*5 {
		t.Errorf("four pages asked for %s", asked)
	}
	wantSafe(t, w.get("/figures?days=31"), "Figures", "2026-03-01 13:00 &#43;01:00: 4 placed",
		"No order was placed or decided in these 31 days.", "No order was decided.")
}

// The last hour is drawn and listed minute by minute, quiet ones too, and says what is not in it.
func TestFiguresByTheMinute(t *testing.T) {
	w := newWorld(t)
	withFigures(w)
	wantSafe(t, w.get("/figures"), "Orders placed: 7, at most 5 in a minute, at 12:59.",
		"The minute that is not over is left out", "an earlier release counted, without a minute: 3.",
		"2026-03-01 12:58 &#43;01:00: 0 placed",
		`<th scope="row">2026-03-01 12:58 &#43;01:00</th><td class="number">0</td>`)
	w.answer("GET /analytics/minutes", http.StatusOK,
		`{"timeZone":"UTC","orders":0,"minutes":[{"start":"2026-03-01T12:00:00Z","orders":0}]}`)
	out := w.get("/figures")
	wantSafe(t, out, "No order was placed. The minute that is not over")
	if strings.Contains(out.Body.String(), "without a minute") {
		t.Error("it speaks of orders without a minute")
	}
}

// An hour that comes twice, where the clocks are put back, has two bars with two names.
func TestHoursThatComeTwice(t *testing.T) {
	w := newWorld(t)
	withFigures(w)
	w.answer("GET /analytics/daily?from=2026-02-28&hours=true&to=2026-03-02&top=0", http.StatusOK,
		`{"timeZone":"Europe/Amsterdam","days":[{"date":"2026-03-01","hours":[
		{"start":"2026-10-25T02:00:00+02:00","orders":1},{"start":"2026-10-25T02:00:00+01:00","orders":2}]}]}`)
	wantSafe(t, w.get("/figures"), "2026-10-25 02:00 &#43;02:00: 1 placed", "2026-10-25 02:00 &#43;01:00: 2 placed")
}

// Percentiles are the API's, of each day and of all days together, and of nothing but them; one
// that is beyond all bounds is not drawn as the last bound.
func TestFiguresOfTimes(t *testing.T) {
	w := newWorld(t)
	withFigures(w)
	wantSafe(t, w.get("/figures"),
		"13 orders were decided: half within 2 s, 95 of 100 within 1.5 min, 99 of 100 not within 30 days.",
		"2026-02-23: 1.5 s p50", "2026-03-01: 1.5 min p95", "2026-03-01: more than 30 days p99",
		`<td class="number">2</td><td class="number">2 s</td><td class="number">1.5 min</td>`+
			`<td class="number">more than 30 days</td>`)
}

// Dead letters and cost say since when they wait, and of when prices are.
func TestFiguresOfDeadLettersAndCost(t *testing.T) {
	w := newWorld(t)
	withFigures(w)
	out := w.get("/figures")
	wantSafe(t, out, "Come back by themselves: at least 2. Wait for a person: at least 1.", "2026-03-01 09:00:00",
		"0.0006742", "0.0005903", "cancelled at its last step", "ses.mail", "list prices of 2025 in us-east-1",
		"It is not your bill.")
	if strings.Contains(out.Body.String(), "hidden") {
		t.Error("more than the dearest items are shown")
	}
	w.answer("GET /analytics/dead-letters", http.StatusOK, `{"returning":0,"waiting":0,"consumers":[]}`)
	wantSafe(t, w.get("/figures"), "No dead letter is open.")
}

// What can't be had keeps nothing else from being shown; without the days there is no page.
func TestFiguresInParts(t *testing.T) {
	for path, says := range map[string]string{
		"/analytics/minutes": "Orders a minute can't be shown.", "/analytics/dead-letters": "By day",
		"/analytics/cost": "By day",
	} {
		w := newWorld(t)
		withFigures(w)
		w.answer("GET "+path, http.StatusServiceUnavailable, `{"code":"unavailable","title":"secret"}`)
		out := w.get("/figures")
		wantSafe(t, out, says, "2026-03-01: 12 placed", `role="alert"`)
		w.answer("GET "+path, http.StatusForbidden, `{"code":"auth.forbidden"}`)
		if out := w.get("/figures"); out.Code == http.StatusOK {
			t.Errorf("%s: a page for who may not: %s", path, out.Body)
		}
	}
	w := newWorld(t)
	withFigures(w)
	w.answer("GET /analytics/daily?from=2026-02-23&to=2026-03-01", http.StatusServiceUnavailable, `{"code":"x"}`)
	wantPage(t, w.get("/figures"), http.StatusServiceUnavailable, "did not answer")
}
