package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/cmd/orderflow/cdnow"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
)

// slowShop takes orders, and lists each as final from the third look after it was placed: the first
// as delivered, the second as cancelled.
type slowShop struct {
	mu     sync.Mutex
	looks  int
	placed []int // at which look
	asked  map[string]int
}

func (s *slowShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var answer any
	switch history := strings.HasSuffix(r.URL.Path, "/history"); {
	case r.Method == http.MethodPost:
		s.asked["place"]++
		s.placed = append(s.placed, s.looks)
		answer = map[string]any{"id": fmt.Sprint("o", len(s.placed)-1), "status": "placed", "placedAt": began}
	case history:
		s.asked["history"]++
		event := func(kind string, after time.Duration, data map[string]any) map[string]any {
			return map[string]any{"type": kind, "time": began.Add(after), "data": data}
		}
		events := []any{event("order.placed", 0, nil), event("order.started", time.Millisecond, nil)}
		if strings.Contains(r.URL.Path, "/o0/") {
			events = append(events, event("order.confirmed", 600*time.Millisecond, nil),
				event("order.delivered", time.Hour, nil))
		} else {
			events = append(events, event("order.cancelling", time.Second, nil),
				event("order.cancelled", 2*time.Second, map[string]any{"reason": "stock.insufficient"}))
		}
		answer = map[string]any{"events": events}
	case r.URL.Path == "/orders":
		s.asked["list"]++
		s.looks++
		rows := []any{}
		for n, at := range s.placed {
			status := "placed"
			if s.looks > at+2 {
				status = []string{"delivered", "cancelled"}[n]
			}
			rows = append(rows, map[string]any{"id": fmt.Sprint("o", n), "status": status, "placedAt": began})
		}
		answer = map[string]any{"orders": rows}
	default:
		s.asked[r.Method+" "+r.URL.Path]++
		w.WriteHeader(http.StatusNotFound)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func newImporter(t *testing.T, api http.Handler) *importer {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return &importer{
		client: shop.New(server.URL, "token"), clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		run: "r", concurrency: 1, patience: time.Hour, out: io.Discard, progress: io.Discard,
	}
}

// TestOrdersAreFollowed: an order costs one request to place it and one that tells its end; the
// list tells of all that are under way.
func TestOrdersAreFollowed(t *testing.T) {
	api := &slowShop{asked: map[string]int{}}
	i := newImporter(t, api)
	var orders []followed
	err := i.watching(t.Context(), func(ctx context.Context, watch *shop.Watch) (err error) {
		if orders, err = i.placeAll(ctx, watch, cdnow.Plan{Orders: make([]cdnow.Order, 2)}); err != nil {
			return err
		}
		return i.deliverAll(ctx, watch, orders)
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := orders[0]; o.ended != cdnow.Confirmed || o.took != 600*time.Millisecond || !o.delivered {
		t.Errorf("the first is %+v", o)
	}
	if o := orders[1]; o.ended != cdnow.OutOfStock || o.took != 2*time.Second || o.delivered {
		t.Errorf("the second is %+v", o)
	}
	// Three looks for each order, and one for the delivery.
	if got := fmt.Sprint(api.asked); got != "map[history:2 list:7 place:2]" {
		t.Errorf("asked %s", got)
	}
}

// TestWatchingFails: where the list can't be read, nobody waits on.
func TestWatchingFails(t *testing.T) {
	i := newImporter(t, http.NotFoundHandler())
	err := i.watching(t.Context(), func(ctx context.Context, watch *shop.Watch) error {
		return i.arrives(ctx, watch, shop.Order{ID: "o"}, shop.ListedOrder.Final)
	})
	var problem *shop.Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
		t.Error(err)
	}
}
