package shop_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// list is the list of all orders, as the API gives it: placed a second apart, each of them final
// from a look on.
type list struct {
	final    []int  // of the n-th order: from which look on, 0 for never
	until    string // what it is before, placed where it is empty
	page     int
	looks    int
	requests []url.Values
	fails    error
}

func placedAt(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

func (l *list) orders(_ context.Context, query url.Values) (page []shop.ListedOrder, next string, err error) {
	if !query.Has("cursor") {
		l.looks++
	}
	l.requests = append(l.requests, url.Values{"placedAfter": query["placedAfter"], "cursor": query["cursor"]})
	since, err := clock.ParseTime(query.Get("placedAfter"))
	if err != nil || l.fails != nil {
		return nil, "", errors.Join(err, l.fails)
	}
	from := len(l.final) - 1
	if query.Has("cursor") {
		if from, err = strconv.Atoi(query.Get("cursor")); err != nil {
			return nil, "", err
		}
	}
	for n := from; n >= 0 && !placedAt(n).Before(since); n-- {
		if len(page) == l.page {
			return page, strconv.Itoa(n), nil
		}
		o := shop.ListedOrder{ID: id(n), Status: cmp.Or(l.until, "placed"), PlacedAt: placedAt(n)}
		if l.final[n] > 0 && l.looks >= l.final[n] {
			o.Status = "confirmed"
		}
		page = append(page, o)
	}
	return page, "", nil
}

func id(n int) string { return fmt.Sprint("o", n) }

func final(o shop.ListedOrder) bool { return o.Status == "confirmed" }

// TestWatch: one look tells of all orders that are under way, goes back as far as the oldest of
// them, and reads no page behind the last one.
func TestWatch(t *testing.T) {
	// The first two aren't waited for.
	l := &list{final: []int{1, 1, 5, 2, 2, 3, 2, 0}, page: 4}
	c := clock.NewFake(noon)
	w := shop.NewWatch(l.orders, c)
	var arrivals []<-chan shop.Arrival
	for n := 2; n < 7; n++ {
		arrivals = append(arrivals, w.Follow(id(n), placedAt(n), time.Hour, final))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	for i, arrived := range arrivals {
		if a := <-arrived; a.Err != nil || a.Order.ID != id(i+2) || a.Order.Status != "confirmed" {
			t.Errorf("order %d: %+v", i+2, a)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var asked []string
	for _, q := range l.requests {
		asked = append(asked, strings.TrimSpace(strings.TrimSuffix(q.Get("placedAfter")[17:], "Z")+" "+q.Get("cursor")))
	}
	want := "02, 02 3, 02, 02 3, 02, 02 3, 02, 02 3, 02, 02 3"
	if got := strings.Join(asked, ", "); l.looks != 5 || got != want {
		t.Errorf("%d looks: %s, want %s", l.looks, got, want)
	}
	// 200, 300, then news at the second and third look, 200, 200 and 300 ms.
	if took := c.Now().Sub(noon); took != 1200*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

// TestWatchTimeout: who waits for too long is told where the order is.
func TestWatchTimeout(t *testing.T) {
	l := &list{final: []int{0}, page: 4}
	w := shop.NewWatch(l.orders, clock.NewFake(noon))
	listed := w.Follow(id(0), noon, time.Minute, final)
	unlisted := w.Follow("o-new", noon, time.Second, final)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	for arrived, want := range map[<-chan shop.Arrival]string{
		listed:   "order o0 is placed in the list of all orders after 1m0s",
		unlisted: "order o-new is not yet in the list of all orders after 1s",
	} {
		if a := <-arrived; a.Err == nil || a.Err.Error() != want {
			t.Errorf("%+v, want %s", a, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestWatchTellsWhatIsWaitedFor: an order that may wait for longer than who watches it says so, and
// whose setting that is.
func TestWatchTellsWhatIsWaitedFor(t *testing.T) {
	for status, want := range map[string]string{
		"payment-required": "PaymentMinutes", "held": "HoldMinutes", "backordered": "BackorderMinutes",
	} {
		l := &list{final: []int{0}, page: 4, until: status}
		w := shop.NewWatch(l.orders, clock.NewFake(noon))
		arrived := w.Follow(id(0), noon, time.Minute, final)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		if a := <-arrived; a.Err == nil || !strings.Contains(a.Err.Error(), want) {
			t.Errorf("%s: %+v, want %s", status, a, want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestWatchFails: a list that can't be read ends the watch, and so does ctx.
func TestWatchFails(t *testing.T) {
	down := errors.New("down")
	w := shop.NewWatch((&list{fails: down}).orders, clock.NewFake(noon))
	w.Follow(id(0), noon, time.Minute, final)
	if err := w.Run(t.Context()); !errors.Is(err, down) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := shop.NewWatch((&list{}).orders, clock.NewFake(noon)).Run(ctx); err != nil {
		t.Error(err)
	}
}
