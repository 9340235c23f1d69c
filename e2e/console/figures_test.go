//go:build e2e

package console_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"orderflow/cmd/orderflow/shop"
)

// counts are what the page says of all its days together, and of the last hour.
type counts struct {
	placed, confirmed, cancelled, short, decided int64
}

// counted reads the page's tables.
func (b *browser) counted() (c counts) {
	b.Helper()
	rows, err := chromedp.Run(b.ctx, chromedp.Evaluate[[][]string](
		`[...document.querySelectorAll("[aria-labelledby=days] tbody tr")].map(
		(r) => [...r.querySelectorAll("td")].map((c) => c.textContent))`))
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range rows {
		for i, n := range []*int64{&c.placed, &c.confirmed, &c.cancelled, &c.short} {
			value, err := strconv.ParseInt(row[i], 10, 64)
			if err != nil {
				b.Fatal(row, err)
			}
			*n += value
		}
	}
	first, _, _ := strings.Cut(b.text("#decided"), " ")
	c.decided, _ = strconv.ParseInt(first, 10, 64) // "No order was decided." is none
	return c
}

// reloaded loads the page until it shows something, for as long as figures may take: a minute to be
// over, and a batch of events to be gathered.
func (b *browser) reloaded(what string, shows func() bool) {
	b.Helper()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for end := time.Now().Add(4 * time.Minute); ; <-look.C {
		b.do(chromedp.Reload())
		b.shows("main", "By day")
		if shows() {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("the page doesn't show %s: %s", what, b.text("main"))
		}
	}
}

// placedAt is when an order was, as its history says.
func placedAt(t *testing.T, s stack, o shop.Order) time.Time {
	t.Helper()
	answer, err := s.Client.Get(t.Context(), "/orders/"+o.ID+"/history", nil)
	if err != nil {
		t.Fatal(err)
	}
	var history struct{ Events []struct{ Time time.Time } }
	if err := json.Unmarshal(answer, &history); err != nil || len(history.Events) == 0 {
		t.Fatalf("the history is %s, %v", answer, err)
	}
	return history.Events[0].Time.UTC()
}

// TestFigures: what is ordered, confirmed, and short of stock is in the figures a moment later: in
// its minute, in the days, and among the orders that were decided. The stack's time zone is UTC.
func TestFigures(t *testing.T) {
	s, b := find(t), open(t)
	b.signIn(s)
	b.do(chromedp.Navigate(s.console + "/figures"))
	b.shows("main", "By day")
	before := b.counted()
	sent, short := placed(t, s, "GB", 2), placed(t, s, "GB", 99)
	want := counts{
		placed: before.placed + 2, confirmed: before.confirmed + 1, cancelled: before.cancelled + 1,
		short: before.short + 1, decided: before.decided + 2,
	}
	b.reloaded(fmt.Sprintf("%+v", want), func() bool { return b.counted() == want })
	for _, o := range []shop.Order{sent, short} {
		minute := placedAt(t, s, o).Format("2006-01-02 15:04") + " +00:00: "
		b.reloaded("the order of "+minute, func() bool {
			orders, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(
				`[...document.querySelectorAll("svg[aria-label^='Orders a minute'] title")].map((t) => t.textContent).
				find((t) => t.startsWith(%q)) ?? ""`, minute)))
			if err != nil {
				t.Fatal(err)
			}
			n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(orders, minute), " placed"))
			return n > 0
		})
	}
	b.shows("#decided", "95 of 100 within ")
	b.shows("main", "An order that is")
	b.do(chromedp.Click(chromedp.CSS("figure details summary")))
	b.shows("figure details", "minute, UTC")
	b.check("figures")
}
