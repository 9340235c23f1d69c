package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/stock"
)

// pages reads a list page by page, and checks that no page is longer than asked for.
func (w *world) pages(path, list string, limit int) (all []object) {
	w.t.Helper()
	for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
		query := fmt.Sprintf("?limit=%d", limit)
		if cursor != "" {
			query += "&cursor=" + cursor
		}
		page := w.must(http.StatusOK, get(operator, path+query))
		entries, ok := page.body[list].([]any)
		if !ok || len(entries) > limit || n > 100 {
			w.t.Fatalf("%d a page: %s", limit, page.raw)
		}
		for _, e := range entries {
			all = append(all, e.(object))
		}
		cursor = page.text("next")
	}
	return all
}

// TestProductHistory: each change with who made it and why, newest first, on pages that put
// together are all of them. A reason is no part of the state.
func TestProductHistory(t *testing.T) {
	w := newWorld(t)
	const path = "/products/cd-9"
	checkProblem(t, w.send(get(operator, path+"/history")), http.StatusNotFound, "product.not-found")
	set := func(match, value string, body object) {
		t.Helper()
		w.must(http.StatusOK, putProduct(operator, "cd-9", body, match, value))
	}
	later := object{"amount": 899, "currency": "EUR", "validFrom": "2026-11-27T00:00:00Z"}
	set("If-None-Match", "*", object{"prices": []any{eur(999)}, "reason": "new this spring"})
	set("If-Match", `"1"`, object{"prices": []any{eur(999), later}, "outOfStock": "backorder", "reason": "sale"})
	set("If-Match", `"2"`, object{
		"prices": []any{eur(999), later}, "outOfStock": "backorder", "reason": "nothing changes",
	})
	set("If-Match", `"2"`, object{"withdrawn": true, "reason": "recalled"})
	set("If-Match", `"3"`, object{"prices": []any{eur(1099)}})
	by := object{"kind": "person", "id": "operator-1"}
	const at = "2026-03-01T12:00:00Z"
	price := func(amount float64) object { return object{"amount": amount, "currency": "EUR"} }
	sale := object{"amount": 899.0, "currency": "EUR", "validFrom": "2026-11-27T00:00:00Z"}
	want := []object{
		{"version": 4.0, "time": at, "kind": "listed", "prices": []any{price(1099)}, "outOfStock": "reject", "actor": by},
		{"version": 3.0, "time": at, "kind": "withdrawn", "reason": "recalled", "actor": by},
		{
			"version": 2.0, "time": at, "kind": "repriced", "prices": []any{price(999), sale},
			"outOfStock": "backorder", "reason": "sale", "actor": by,
		},
		{
			"version": 1.0, "time": at, "kind": "listed", "prices": []any{price(999)}, "outOfStock": "reject",
			"reason": "new this spring", "actor": by,
		},
	}
	for limit := 1; limit <= 5; limit++ {
		if diff := cmp.Diff(want, w.pages(path+"/history", "changes", limit)); diff != "" {
			t.Errorf("%d a page (-want +got):\n%s", limit, diff)
		}
	}
	for name, bad := range map[string]object{
		"no reason":  {"prices": []any{eur(999)}, "reason": ""},
		"a long one": {"prices": []any{eur(999)}, "reason": string(make([]byte, 501))},
	} {
		t.Run(name, func(t *testing.T) {
			res := w.send(putProduct(operator, "cd-9", bad, "If-Match", `"4"`))
			checkProblem(t, res, http.StatusBadRequest, "request.invalid")
		})
	}
}

// TestStockHistory: each count with what the books had and what left since the one before.
func TestStockHistory(t *testing.T) {
	s, shipmentID := packed(t) // ten on the shelf, two of them in a parcel
	checkProblem(t, s.send(get(operator, "/stock/nothing/history")), http.StatusNotFound, "stock.not-found")
	s.must(http.StatusOK, post(carrier, "/shipments/"+shipmentID+"/dispatch", nil))
	s.must(http.StatusOK, put(operator, "/stock/cd-1", 7, "If-Match", `"2"`)) // and one was missing
	s.must(http.StatusOK, split(operator, "/stock/cd-1/shards", 4))
	s.must(http.StatusOK, put(operator, "/stock/cd-1", 27, "If-Match", `"3"`))
	by := object{"kind": "person", "id": "operator-1"}
	const at = "2026-03-01T12:00:00Z"
	want := []object{
		{"sequence": 3.0, "time": at, "counted": 27.0, "before": 7.0, "delta": 20.0, "left": 0.0, "actor": by},
		{"sequence": 2.0, "time": at, "counted": 7.0, "before": 8.0, "delta": -1.0, "left": 2.0, "actor": by},
		{"sequence": 1.0, "time": at, "counted": 10.0, "before": 0.0, "delta": 10.0, "left": 0.0, "actor": by},
	}
	for limit := 1; limit <= 4; limit++ {
		if diff := cmp.Diff(want, s.pages("/stock/cd-1/history", "counts", limit)); diff != "" {
			t.Errorf("%d a page (-want +got):\n%s", limit, diff)
		}
	}
}

// TestWaitlist: who waits, in line, page by page; nobody where nobody does.
func TestWaitlist(t *testing.T) {
	s := newShop(t)
	empty := s.must(http.StatusOK, get(operator, "/stock/nothing/waitlist"))
	if entries, ok := empty.body["entries"].([]any); !ok || len(entries) > 0 || empty.body["waiting"] != 0.0 {
		t.Errorf("nobody knows it: %s", empty.raw)
	}
	var want []object
	for i := range 5 {
		orderID := ident.New()
		_, err := s.stocks.Reserve(context.Background(), es.Request{CommitID: ident.New(), Time: s.clock.Now()},
			stock.Reservation{
				OrderID: orderID, Revision: 1, Backorder: true, Items: []stock.Item{{SKU: "cd-1", Quantity: int64(20 + i)}},
			})
		if err == nil {
			t.Fatal("it waits for nothing")
		}
		want = append(want, object{"orderId": orderID, "revision": 1.0, "quantity": float64(20 + i)})
	}
	for limit := 1; limit <= 6; limit++ {
		if diff := cmp.Diff(want, s.pages("/stock/cd-1/waitlist", "entries", limit)); diff != "" {
			t.Errorf("%d a page (-want +got):\n%s", limit, diff)
		}
	}
	if res := s.must(http.StatusOK, get(operator, "/stock/cd-1/waitlist")); res.body["waiting"] != 5.0 {
		t.Errorf("how many wait: %s", res.raw)
	}
	// A cursor leads on in the list that gave it and in no other.
	next := s.must(http.StatusOK, get(operator, "/stock/cd-1/waitlist?limit=1")).text("next")
	for _, bad := range []string{
		"/stock/cd-2/waitlist?cursor=" + next, "/stock/cd-1/history?cursor=" + next,
		"/products/cd-1/history?cursor=" + next, "/stock/cd-1/waitlist?cursor=x",
	} {
		checkProblem(t, s.send(get(operator, bad)), http.StatusBadRequest, "cursor.invalid")
	}
}
