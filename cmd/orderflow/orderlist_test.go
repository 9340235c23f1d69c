package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"orderflow/cmd/orderflow/shop"
)

// orderAPI serves seven orders and takes down what is asked.
func orderAPI(t *testing.T) (client *shop.Client, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RequestURI())
		q := r.URL.Query()
		from, _ := strconv.Atoi(q.Get("cursor"))
		size, _ := strconv.Atoi(q.Get("limit"))
		page := map[string]any{}
		rows := []map[string]any{}
		for i := from; i < min(from+min(size, 3), 7); i++ {
			rows = append(rows, map[string]any{
				"id": "o" + strconv.Itoa(i), "customerId": "ada", "status": "placed", "lineCount": 2,
				"total":    map[string]any{"amount": 1999, "currency": "USD"},
				"placedAt": time.Date(2026, 3, 1, 12, i, 0, 0, time.UTC),
			})
		}
		page["orders"] = rows
		if next := from + len(rows); next < 7 {
			page["next"] = strconv.Itoa(next)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page)
	}))
	t.Cleanup(api.Close)
	return shop.New(api.URL, "token"), asked
}

func TestListOrders(t *testing.T) {
	for _, tt := range []struct {
		list  orderList
		shown int
		more  bool
		asks  []string
	}{
		{
			orderList{limit: 4, status: "placed", customer: "ada", sku: "b"}, 4, true,
			[]string{
				"/orders?customer=ada&limit=4&sku=b&status=placed",
				"/orders?cursor=3&customer=ada&limit=1&sku=b&status=placed",
			},
		},
		{
			orderList{limit: 7}, 7, false,
			[]string{"/orders?limit=7", "/orders?cursor=3&limit=4", "/orders?cursor=6&limit=1"},
		},
		{
			orderList{json: true, after: "2026-03-01T00:00:00Z"}, 7, false,
			[]string{
				"/orders?limit=100&placedAfter=2026-03-01T00%3A00%3A00Z",
				"/orders?cursor=3&limit=100&placedAfter=2026-03-01T00%3A00%3A00Z",
				"/orders?cursor=6&limit=100&placedAfter=2026-03-01T00%3A00%3A00Z",
			},
		},
	} {
		client, asked := orderAPI(t)
		var out, hints bytes.Buffer
		query, err := tt.list.query()
		if err == nil {
			err = tt.list.list(t.Context(), &out, &hints, client, query)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(*asked, " "); got != strings.Join(tt.asks, " ") {
			t.Errorf("%+v asks %s", tt.list, got)
		}
		if shown := strings.Count(out.String(), "ada"); shown != tt.shown ||
			strings.Contains(hints.String(), "more") != tt.more {
			t.Errorf("%+v shows %s%s", tt.list, &out, &hints)
		}
		if want := map[bool]string{
			true: `"total": {`, false: "USD 19.99",
		}[tt.list.json]; !strings.Contains(out.String(), want) {
			t.Errorf("there is no %s in %s", want, &out)
		}
	}
}

// By an address, the orders of all customers who have it are one list.
func TestListOrdersByAddress(t *testing.T) {
	var asked []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+string(body))
		w.Header().Set("Content-Type", "application/json")
		customer := r.URL.Query().Get("customer")
		switch {
		case strings.Contains(string(body), "nobody"):
			_, _ = io.WriteString(w, `{"customers":[]}`)
		case r.Method == http.MethodPost && !strings.Contains(string(body), "after"):
			_, _ = io.WriteString(w, `{"customers":[{"id":"ada"}],"next":"ada"}`)
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, `{"customers":[{"id":"bob"}]}`)
		default:
			at := map[string]string{"ada": "2026-03-01T12:01:00Z", "bob": "2026-03-01T12:02:00Z"}[customer]
			_ = json.NewEncoder(w).Encode(map[string]any{
				"orders": []any{map[string]any{"id": "o-" + customer, "customerId": customer, "placedAt": at}},
			})
		}
	}))
	defer api.Close()
	for _, tt := range []struct {
		list        orderList
		shows, says string
	}{
		{orderList{limit: 50, email: " ada@example.com"}, "o-bob o-ada", "ada, bob"},
		{orderList{limit: 1, email: "ada@example.com"}, "o-bob", "more orders"},
		{orderList{limit: 1, email: "nobody@example.com"}, "", "none"},
	} {
		asked = nil
		var out, hints bytes.Buffer
		query, err := tt.list.query()
		if err == nil {
			err = tt.list.list(t.Context(), &out, &hints, shop.New(api.URL, "token"), query)
		}
		if err != nil {
			t.Fatal(err)
		}
		shown := strings.Join(regexp.MustCompile("o-[a-z]+").FindAllString(out.String(), -1), " ")
		if shown != tt.shows || !strings.Contains(hints.String(), tt.says) {
			t.Errorf("shows %q and says %q", shown, &hints)
		}
		for _, request := range asked {
			if strings.Contains(strings.SplitN(request, "{", 2)[0], "example.com") {
				t.Errorf("the address is in a URL: %s", request)
			}
		}
	}
}

// What can't be meant is refused before anything is asked of anybody.
func TestListOrdersFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	for _, tt := range []struct{ args, says string }{
		{"--placed-after monday", "--placed-after"}, {"--placed-before 2026-01-01T00:00:00,5Z", "--placed-before"},
		{"--limit -1", "limit"}, {"--email a@example.com --customer ada", "got both"}, {"extra", `expected no arguments, got "extra"`},
	} {
		cmd := root(&stackFlag{})
		cmd.SetArgs(append([]string{"orders", "list"}, strings.Fields(tt.args)...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %s", tt.args, err, tt.says)
		}
	}
}

// TestListSaysWhy: the list has the reason of a cancellation, and names the command that has more.
func TestListSaysWhy(t *testing.T) {
	found := []shop.ListedOrder{
		{ID: "o1", Status: "delivered"}, {ID: "o2", Status: "cancelled", Reason: "stock.insufficient"},
	}
	for _, tt := range []struct {
		list  orderList
		found []shop.ListedOrder
		hint  string
	}{
		{orderList{}, found, "Why one was cancelled, and what was undone: orderflow orders show o2\n"},
		{orderList{}, found[:1], ""},
		{orderList{json: true}, found, ""},
	} {
		var out, hints bytes.Buffer
		if err := tt.list.print(&out, tt.found); err != nil {
			t.Fatal(err)
		}
		if err := tt.list.explain(&hints, tt.found); err != nil || hints.String() != tt.hint {
			t.Errorf("%+v of %d hints %q, %v, want %q", tt.list, len(tt.found), hints.String(), err, tt.hint)
		}
		if len(tt.found) == 2 && !strings.Contains(out.String(), "stock.insufficient") {
			t.Errorf("%+v prints %s", tt.list, out.String())
		}
	}
}
