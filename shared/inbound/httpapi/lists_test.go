package httpapi_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
)

// project brings streams to the views.
func (w *world) project(streams ...es.StreamID) {
	w.t.Helper()
	p := view.NewProjector(w.store, w.views, w.clock, nil, catalog.Views()...)
	for _, stream := range streams {
		if err := p.CatchUp(w.t.Context(), stream); err != nil {
			w.t.Fatal(err)
		}
	}
}

// walk goes through a list's pages and gives the ids on each.
func (w *world) walk(path, list string) (pages [][]string) {
	w.t.Helper()
	for cursor := ""; ; {
		at, err := url.Parse(path)
		if err != nil {
			w.t.Fatal(err)
		}
		if cursor != "" {
			query := at.Query()
			query.Set("cursor", cursor)
			at.RawQuery = query.Encode()
		}
		res := w.must(http.StatusOK, get(operator, at.String()))
		rows, _ := res.body[list].([]any)
		page := []string{}
		for _, row := range rows {
			id, _ := row.(object)["id"].(string)
			page = append(page, id)
		}
		pages = append(pages, page)
		if cursor = res.text("next"); cursor == "" {
			return pages
		}
	}
}

// TestListAllOrders: operators find any order by its status, its customer and the time when it was
// placed.
func TestListAllOrders(t *testing.T) {
	w := newWorld(t)
	w.listed("cd-1", usd(1050))
	w.listed("cd-2", usd(999))
	start := w.clock.Now()
	var all, adas []string // newest first
	for i := range 6 {
		who := []caller{ada, bob}[i%2]
		if i < 2 {
			w.must(http.StatusCreated, post(who, "/customers", person()))
		}
		id := w.must(http.StatusAccepted, post(who, "/orders", anOrder())).text("id")
		all = append([]string{id}, all...)
		if i%2 == 0 {
			adas = append([]string{id}, adas...)
		}
		if i == 3 {
			w.must(http.StatusAccepted, post(bob, "/orders/"+id+"/cancel", object{}))
		}
		w.project(es.NewStreamID("order", id))
		w.clock.Advance(time.Minute)
	}
	at := func(minutes int) string { return start.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339) }
	for query, want := range map[string][][]string{
		"":                                {all},
		"?limit=2":                        {all[:2], all[2:4], all[4:]},
		"?limit=4":                        {all[:4], all[4:]},
		"?customer=ada&limit=2":           {adas[:2], adas[2:]},
		"?status=cancelling":              {all[2:3]},
		"?status=placed&limit=3":          {{all[0], all[1], all[3]}, all[4:]},
		"?status=cancelling&customer=ada": {{}},
		"?status=cancelling&customer=bob": {all[2:3]},
		"?customer=nobody":                {{}},
		"?placedAfter=" + at(4):           {all[:2]},
		"?placedBefore=" + at(2):          {all[4:]},
		"?sku=cd-1":                       {all},
		"?sku=cd-2&limit=4":               {all[:4], all[4:]},
		"?sku=cd-3":                       {{}},
		"?limit=1&placedAfter=" + at(1) + "&placedBefore=" + at(3):       {all[3:4], all[4:5]},
		"?placedAfter=2026-03-01T13:04:00%2B01:00&placedBefore=" + at(9): {all[:2]},
	} {
		if diff := cmp.Diff(want, w.walk("/orders"+query, "orders")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", query, diff)
		}
	}
	searched := w.must(http.StatusOK, get(operator, "/orders?sku=cd-3"))
	if searched.body["lookedAt"] != 6.0 || searched.body["lookedThrough"] != start.Format(time.RFC3339) {
		t.Errorf("the search says %s", searched.raw)
	}
	res := w.must(http.StatusOK, get(operator, "/orders?limit=1"))
	rows, _ := res.body["orders"].([]any)
	row, _ := rows[0].(object)
	if row["customerId"] != "bob" || row["status"] != "placed" || row["placedAt"] != at(5) || row["version"] != 1.0 {
		t.Errorf("listed %v", row)
	}
	if strings.Contains(res.raw, "London") || strings.Contains(res.raw, "Lovelace") {
		t.Errorf("the list tells %s", res.raw)
	}
	other := w.must(http.StatusOK, get(operator, "/customers?limit=1"))
	for query, place := range map[string]string{
		"?status=lost": "query.status", "?customer=a%2Fb": "query.customer", "?sku=a%2Fb": "query.sku", "?sku=": "query.sku", "?limit=0": "query.limit",
		"?limit=101":          "query.limit",
		"?placedAfter=monday": "query.placedAfter", "?placedBefore=2026-03-01T12:00:00,5Z": "query.placedBefore",
		"?placedAfter=" + at(2) + "&placedBefore=" + at(2): "query.placedBefore", "?cursor=x": "query.cursor",
		"?status=placed&cursor=" + res.text("next"): "query.cursor",
		"?cursor=" + other.text("next") + "x":       "query.cursor",
		"?status=":                                  "query.status", "?status=placed&status=cancelled": "query.status",
		"?state=placed": "query.state",
	} {
		refused := w.must(http.StatusBadRequest, get(operator, "/orders"+query))
		list, _ := refused.body["errors"].([]any)
		if len(list) == 0 || list[0].(object)["location"] != place {
			t.Errorf("%s: %s", query, refused.raw)
		}
	}
}

// TestListCustomers: who registered last comes first, erased ones too, and nothing personal is in
// the list.
func TestListCustomers(t *testing.T) {
	w := newWorld(t)
	var all []string
	for _, id := range []string{"ada", "bob", "cy", "dee", "eve"} {
		w.must(http.StatusCreated, post(customerCaller(id), "/customers", person()))
		all = append([]string{id}, all...)
		w.clock.Advance(time.Minute)
	}
	w.must(http.StatusOK, patch(bob, "/customers/bob", `"1"`, object{"name": "Bob Lovelace"}))
	w.erase("cy")
	for _, id := range all {
		w.project(es.NewStreamID("customer", id))
	}
	for query, want := range map[string][][]string{
		"": {all}, "?limit=2": {all[:2], all[2:4], all[4:]}, "?limit=5": {all},
	} {
		if diff := cmp.Diff(want, w.walk("/customers"+query, "customers")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", query, diff)
		}
	}
	res := w.must(http.StatusOK, get(operator, "/customers"))
	rows, _ := res.body["customers"].([]any)
	want := []object{
		{
			"id": "cy", "registeredAt": "2026-03-01T12:02:00Z", "erased": true, "erasedAt": "2026-03-01T12:05:00Z",
			"version": 2.0,
		},
		{"id": "bob", "registeredAt": "2026-03-01T12:01:00Z", "erased": false, "version": 2.0},
	}
	for i, at := range []int{slices.Index(all, "cy"), slices.Index(all, "bob")} {
		if diff := cmp.Diff(want[i], rows[at]); diff != "" {
			t.Error(diff)
		}
	}
	for _, secret := range []string{"Lovelace", "example.com", "pd1:"} {
		if strings.Contains(res.raw, secret) {
			t.Errorf("the list tells %s: %s", secret, res.raw)
		}
	}
	orders := w.must(http.StatusOK, get(operator, "/orders"))
	for _, query := range []string{
		"?limit=0", "?cursor=x", "?cursor=" + orders.text("next") + "x", "?cursor=", "?name=Ada",
	} {
		w.must(http.StatusBadRequest, get(operator, "/customers"+query))
	}
}
