//go:build e2e

package e2e_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listedCustomer is a row of the list of customers.
type listedCustomer struct {
	ID           string    `json:"id"`
	RegisteredAt time.Time `json:"registeredAt"`
	Erased       bool      `json:"erased"`
}

// walkOrders goes through all pages of the operator's list, and gives the ids.
func walkOrders(t *testing.T, query string) (ids []string) {
	t.Helper()
	for cursor := ""; ; {
		p := must[page](t, http.StatusOK, get(stack.operator, "/orders"+query+cursor))
		ids = append(ids, p.ids()...)
		if p.Next == "" {
			return ids
		}
		cursor = "&cursor=" + p.Next
	}
}

// An operator finds the orders of all customers by status, customer and time, and pages through
// them. Other tests place orders meanwhile: what is placed later comes before, and changes no page.
func TestOperatorsListOrders(t *testing.T) {
	t.Parallel()
	first, second := newCustomer(t, 10_000), newCustomer(t, 10_000)
	sku := newStock(t, 100)
	began := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	var own []string // newest first
	for i := range 6 {
		id := []customer{first, second}[i%2].place(t, line(sku, 1, 100)).ID
		own = append([]string{id}, own...)
	}
	short := first.place(t, line(sku, 1_000, 100)).ID
	first.ends(t, short, "cancelled")
	for i, id := range own {
		[]customer{second, first}[i%2].ends(t, id, "confirmed")
	}
	eventually(t, "the lists have all of it", func() ([]string, bool) {
		ids := walkOrders(t, "?limit=100&status=confirmed&placedAfter="+began)
		return ids, !slices.ContainsFunc(own, func(id string) bool { return !slices.Contains(ids, id) })
	})

	of := func(all []string, keep ...string) []string {
		return slices.DeleteFunc(append([]string{}, all...), func(id string) bool { return !slices.Contains(keep, id) })
	}
	for query, want := range map[string][]string{
		"?limit=3&status=confirmed&placedAfter=" + began: own,
		"?limit=2&placedAfter=" + began:                  append([]string{short}, own...),
		"?limit=5&status=cancelled&placedAfter=" + began: {short},
		"?limit=100&placedBefore=" + began:               {},
		"?limit=2&customer=" + second.id:                 {own[0], own[2], own[4]},
		"?limit=2&status=cancelled&customer=" + first.id: {short},
	} {
		got := walkOrders(t, query)
		if diff := cmp.Diff(want, of(got, append([]string{short}, own...)...)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", query, diff)
		}
		sorted := slices.Clone(got)
		slices.Sort(sorted)
		if len(slices.Compact(sorted)) != len(got) {
			t.Errorf("%s shows an order twice", query)
		}
	}
	refused(t, http.StatusForbidden, "auth.forbidden", get(first.token, "/orders"))
	top := must[page](t, http.StatusOK, get(stack.operator, "/orders?limit=1"))
	refused(t, http.StatusBadRequest, "cursor.invalid", get(stack.operator, "/orders?status=placed&cursor="+top.Next))
	refused(t, http.StatusBadRequest, "request.invalid", get(stack.operator, "/orders?status="))
	refused(t, http.StatusBadRequest, "request.invalid", get(stack.operator, "/orders?status=placed&status=confirmed"))
	refused(
		t, http.StatusBadRequest, "request.invalid", get(stack.operator, "/orders?placedAfter=2026-01-01T00:00:00,5Z"),
	)
}

// An operator pages through the customers; one who is erased stays in the list.
func TestOperatorsListCustomers(t *testing.T) {
	t.Parallel()
	older, newer := newCustomer(t, 1_000), newCustomer(t, 1_000)
	must[object](t, http.StatusOK, erase(older.token, older.id))
	walk := func() (rows []listedCustomer) {
		for cursor := ""; ; {
			page := must[struct {
				Customers []listedCustomer `json:"customers"`
				Next      string           `json:"next"`
			}](t, http.StatusOK, get(stack.operator, "/customers?limit=100"+cursor))
			rows = append(rows, page.Customers...)
			if page.Next == "" {
				return rows
			}
			cursor = "&cursor=" + page.Next
		}
	}
	at := func(rows []listedCustomer, id string) int {
		return slices.IndexFunc(rows, func(r listedCustomer) bool { return r.ID == id })
	}
	rows := eventually(t, "both are listed", func() ([]listedCustomer, bool) {
		rows := walk()
		gone := at(rows, older.id)
		return rows, gone >= 0 && at(rows, newer.id) >= 0 && rows[gone].Erased
	})
	if at(rows, newer.id) > at(rows, older.id) || rows[at(rows, newer.id)].Erased {
		t.Errorf("the list is %+v", rows)
	}
	refused(t, http.StatusForbidden, "auth.forbidden", get(newer.token, "/customers"))
}
