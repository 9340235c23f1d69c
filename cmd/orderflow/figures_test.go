package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// someFigures are the API's answers at 00:00:30 of a day in the shop's zone, which is the day
// before in UTC.
func someFigures() map[string]string {
	return map[string]string{
		"GET /analytics/minutes": `{"timeZone":"Europe/Amsterdam","orders":7,"ordersWithoutMinute":3,"minutes":[
			{"start":"2026-03-01T23:57:00+01:00","orders":2},{"start":"2026-03-01T23:58:00+01:00","orders":0},
			{"start":"2026-03-01T23:59:00+01:00","orders":5}]}`,
		"GET /analytics/daily": `{"timeZone":"Europe/Amsterdam","decided":{"orders":12,"p50Millis":2000,"p95Millis":90000},
			"days":[{"date":"2026-03-01","orders":12,"confirmed":9,"cancelled":3,
			"cancelledByReason":{"a.b":1,"stock.insufficient":2},"stockOuts":2,"revenue":[{"amount":9007199254740993,
			"currency":"EUR"}],"refunded":[],"decided":{"orders":12,"p50Millis":2000,"p95Millis":90000},
			"topSkus":[{"sku":"BOOK-1","pieces":7}],"hours":[{"start":"2026-03-01T23:00:00+01:00","orders":12,
			"decided":{"orders":0}}]},{"date":"2026-03-02","decided":{"orders":0}}]}`,
		"GET /analytics/dead-letters": `{"returning":2,"waiting":1,"oldest":"2026-03-01T09:00:00Z","atLeast":true,
			"consumers":[{"consumer":"start-saga","returning":2,"waiting":1}]}`,
		"GET /analytics/cost": `{"pricesOf":"2025","region":"us-east-1","orders":[{"ends":"delivered",
			"dollars":"0.0006742"},{"ends":"cancelled","dollars":"0.0005903"}]}`,
	}
}

// The days are the shop's: its clocks say what today is, and no clock of the machine that asks.
func TestFigures(t *testing.T) {
	for name, tc := range map[string]struct {
		args  string
		asked string // of the days
		says  []string
		not   string
	}{
		"by day": {
			"figures", "from=2026-02-24&hours=false&to=2026-03-02&top=3",
			[]string{
				"│ 2026-03-01 │     12 │         9 │         3 │              2 │         2 s │   1.5 min │ > 30 days │ " +
					"EUR 90071992547409.93 │          │ BOOK-1 (7)   │",
				"│ 2026-03-02 │      0 │         0 │         0 │              0 │           – │         – │         – │ ",
				"Time zone: Europe/Amsterdam.\n",
				"Last hour, without the minute that is not over: 7 orders placed, at most 5 in a minute, at 23:59; " +
					"3 that an earlier release counted have no minute.\n",
				"Decided: 12 orders, half within 2 s, 95 of 100 within 1.5 min, 99 of 100 not within 30 days.\n",
				"Cancelled: stock.insufficient 2, a.b 1.\n",
				"Dead letters: at least 2 come back by themselves, at least 1 wait for a person, the oldest since " +
					"2026-03-01T09:00:00Z: start-saga 2 + 1.\n",
				"An order costs US$ 0.0006742 if it is delivered, US$ 0.0005903 if it is cancelled, by list prices of " +
					"2025 in us-east-1.\n",
			}, "T23:",
		},
		"by hour": {
			"figures --by hour --days 1", "from=2026-03-02&hours=true&to=2026-03-02&top=3",
			[]string{"│ 2026-03-01T23:00:00+01:00 │     12 │"}, "BOOK-1",
		},
		"by minute": {
			"figures --by minute --days 92", "from=2025-12-01&hours=false&to=2026-03-02&top=3",
			[]string{"│ 2026-03-01T23:58:00+01:00 │      0 │"}, "BOOK-1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := runs(t, someFigures(), strings.Fields(tc.args)...)
			asked := []string{
				"GET /analytics/minutes", "GET /analytics/daily?" + tc.asked, "GET /analytics/dead-letters",
				"GET /analytics/cost",
			}
			if got.status != 0 || got.hints != "" || !slices.Equal(got.asked, asked) {
				t.Errorf("status %d, hints %q, asked for %q, want %q", got.status, got.hints, got.asked, asked)
			}
			for _, want := range tc.says {
				if !strings.Contains(got.out, want) {
					t.Errorf("it doesn't say %q:\n%s", want, got.out)
				}
			}
			if strings.Contains(got.out, tc.not) {
				t.Errorf("it says %q:\n%s", tc.not, got.out)
			}
		})
	}
}

// Nothing is said as nothing.
func TestFiguresOfANewShop(t *testing.T) {
	got := runs(t, map[string]string{
		"GET /analytics/minutes":      `{"timeZone":"UTC","orders":0,"minutes":[{"start":"2026-03-01T11:59:00Z","orders":0}]}`,
		"GET /analytics/daily":        `{"timeZone":"UTC","decided":{"orders":0},"days":[]}`,
		"GET /analytics/dead-letters": `{"returning":0,"waiting":0,"consumers":[]}`,
		"GET /analytics/cost":         someFigures()["GET /analytics/cost"],
	}, "figures")
	for _, want := range []string{
		"Last hour, without the minute that is not over: 0 orders placed.\n", "Decided: no order.\n",
		"Cancelled: no order.\n", "Dead letters: none is open.\n",
	} {
		if got.status != 0 || !strings.Contains(got.out, want) {
			t.Errorf("status %d, %q is missing:\n%s", got.status, want, got.out)
		}
	}
}

// JSON has the four answers, with their numbers as they are.
func TestFiguresAsJSON(t *testing.T) {
	got := runs(t, someFigures(), "figures", "--json")
	var all map[string]map[string]any
	if err := json.Unmarshal([]byte(got.out), &all); err != nil || got.status != 0 {
		t.Fatalf("status %d, %v: %s", got.status, err, got.out)
	}
	if len(all) != 4 || all["minutes"]["orders"] != 7.0 || all["deadLetters"]["waiting"] != 1.0 ||
		all["cost"]["pricesOf"] != "2025" || all["daily"]["timeZone"] != "Europe/Amsterdam" ||
		!strings.Contains(got.out, "9007199254740993") {
		t.Errorf("%s", got.out)
	}
}

// What can't be is refused before anything is asked; what the API refuses, after the request.
func TestFiguresRefused(t *testing.T) {
	for args, want := range map[string]string{
		"figures --days 0":             "figures: --days: expected 1 to 92, got 0",
		"figures --days 93":            "figures: --days: expected 1 to 92, got 93",
		"figures --by hour --days 8":   "figures: --days: expected 1 to 7, got 8",
		"figures --by week":            `figures: --by: expected day, hour or minute, got "week"`,
		"figures 2026-03-01":           "figures: expected no arguments",
		"figures --by minute --days x": "figures: invalid argument",
	} {
		if got := runs(t, someFigures(), strings.Fields(args)...); got.status != exitUsage || len(got.asked) > 0 ||
			!strings.Contains(got.hints, want) {
			t.Errorf("%s: status %d, asked %q: %s", args, got.status, got.asked, got.hints)
		}
	}
	answers := someFigures()
	answers["GET /analytics/dead-letters"] = `{"status":403,"code":"auth.forbidden","detail":"no"}`
	if got := runs(t, answers, "figures"); got.status != exitRefused || got.out != "" {
		t.Errorf("not allowed: status %d: %s%s", got.status, got.out, got.hints)
	}
	for path, answer := range map[string]string{
		"GET /analytics/minutes": `{"minutes":[]}`, "GET /analytics/daily": `{"days":1}`,
	} {
		answers := someFigures()
		answers[path] = answer
		if got := runs(t, answers, "figures"); got.status == 0 || got.out != "" {
			t.Errorf("%s: status %d: %s", answer, got.status, got.out)
		}
	}
}
