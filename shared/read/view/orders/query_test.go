package orders_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/read/view/orders"
	"orderflow/shared/read/view/viewtest"
	"orderflow/shared/shop/order"
)

// A cursor leads its own list to the end of the page that gave it, and no other list anywhere.
func TestCursor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom(append(order.Statuses(), "")).Draw(t, "status")
		customerID := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9_-]{0,63}`).Draw(t, "customer")
		limit := rapid.IntRange(1, orders.MaxLimit).Draw(t, "limit")
		rows := make([]orders.Row, rapid.IntRange(0, limit+1).Draw(t, "rows"))
		for i := range rows {
			rows[i] = orders.Row{
				OrderID:  rapid.String().Draw(t, "order") + "x",
				PlacedAt: viewtest.Epoch.Add(time.Duration(rapid.Int64().Draw(t, "time") / 4)),
			}
		}
		q := orders.Query{Status: status, Limit: limit}
		page := q.NewPage(customerID, limit, rows)
		if len(rows) <= limit {
			if page.Next != "" || len(page.Rows) != len(rows) {
				t.Fatalf("%d rows, next %q", len(page.Rows), page.Next)
			}
			return
		}
		q.Cursor = page.Next
		gotLimit, from, err := q.Check(customerID)
		last := rows[limit-1]
		if err != nil || gotLimit != limit || from.OrderID != last.OrderID || !from.PlacedAt.Equal(last.PlacedAt) ||
			len(page.Rows) != limit {
			t.Fatalf("%d, %+v, %v; want the place behind %+v", gotLimit, from, err, last)
		}
		if _, _, err := q.Check(customerID + "x"); !errors.Is(err, orders.ErrInvalidCursor) {
			t.Fatalf("another customer: %v", err)
		}
		q.Status = order.StatusPlaced
		if status == order.StatusPlaced {
			q.Status = ""
		}
		if _, _, err := q.Check(customerID); !errors.Is(err, orders.ErrInvalidCursor) {
			t.Fatalf("another status: %v", err)
		}
	})
}

func TestCursorsThatAreNone(t *testing.T) {
	for _, plain := range []string{
		``, `x`, `null`, `{}`, `[]`, `{"v":1,"c":"c1","p":"2026-01-01T00:00:00Z"}`, `{"v":1,"c":"c1","o":"o1"}`,
		`{"v":2,"c":"c1","p":"2026-01-01T00:00:00Z","o":"o1"}`,
		`{"v":1,"c":"c1","p":"2026-01-01T00:00:00,5Z","o":"o1"}`, `{"v":1,"c":"c1","p":"2026-01-01T1:00:00Z","o":"o1"}`,
		`{"v":1,"c":"c1","p":"0001-01-01T00:00:00Z","o":"o1"}`,
		`{"v":1,"c":"c1","p":"today","o":"o1"}`, `{"v":1,"c":"c1","p":"2026-01-01T00:00:00Z","o":"o1","x":1}`,
		`{"v":1,"c":"c1","p":"2026-01-01T00:00:00Z","o":"o1"} x`,
	} {
		for _, cursor := range []string{"!" + plain, base64.RawURLEncoding.EncodeToString([]byte(plain)) + "="} {
			if _, _, err := (orders.Query{Cursor: cursor}).Check("c1"); !errors.Is(err, orders.ErrInvalidCursor) {
				t.Errorf("%q: %v", cursor, err)
			}
		}
		if cursor := base64.RawURLEncoding.EncodeToString([]byte(plain)); cursor != "" {
			if _, _, err := (orders.Query{Cursor: cursor}).Check("c1"); !errors.Is(err, orders.ErrInvalidCursor) {
				t.Errorf("%s: %v", plain, err)
			}
		}
	}
	good := base64.RawURLEncoding.EncodeToString([]byte(`{"v":1,"c":"c1","p":"2026-01-01T00:00:00Z","o":"o1"}`))
	if _, _, err := (orders.Query{Cursor: good}).Check("c1"); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	for limit, want := range map[int]int{0: orders.DefaultLimit, 1: 1, 100: 100, -1: 0, 101: 0} {
		got, _, err := orders.Query{Limit: limit}.Check("c1")
		if got != want || (err == nil) != (want > 0) || err != nil && !errors.Is(err, orders.ErrInvalidQuery) {
			t.Errorf("limit %d: %d, %v", limit, got, err)
		}
	}
	for _, status := range append(order.Statuses(), "") {
		if _, _, err := (orders.Query{Status: status}).Check("c1"); err != nil {
			t.Error(err)
		}
	}
}
