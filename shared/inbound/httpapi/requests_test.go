package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/shop/shipment"
)

// TestRequests counts what each operation asks of the tables, the keys of customers aside, when it
// is carried out for the first time: each number is the least that its guarantees allow. Streams
// are queries of the events table, appended are its writes, transactions and single puts. A
// customer's command is one request more, to the quota.
func TestRequests(t *testing.T) {
	listed := object{"prices": []object{usd(1050)}}
	for _, tt := range []struct {
		name string
		send func(s *shop) request
		want string
	}{
		{
			"register",
			func(*shop) request { return post(customerCaller("eve"), "/customers", newcomer("eve", "Eve")) },
			// the customer
			"appended 1, quota 1, streams 1",
		},
		{
			"register, by an operator",
			func(*shop) request { return post(operator, "/customers", newcomer("eve", "Eve")) },
			// the customer, and whom the key is about, before a data key is made
			"appended 1, streams 2",
		},
		{
			"place an order", func(*shop) request { return post(ada, "/orders", anOrder()) },
			// the customer
			"appended 1, products 1, quota 1, streams 1",
		},
		// the account and its customer
		{"deposit", moved(operator, "deposits", object{"amount": usd(5)}), "appended 1, streams 2"},
		{"withdraw", moved(ada, "withdrawals", object{"amount": usd(5)}), "appended 1, quota 1, streams 2"},
		{"apply interest", moved(operator, "interest", object{"rateBasisPoints": 500}), "appended 1, streams 2"},
		{
			"transfer",
			func(s *shop) request {
				return moved(ada, "transfers", object{"toAccountId": s.bobs, "amount": usd(5)})(s)
			},
			// the other account and its customer besides
			"appended 1, quota 1, streams 4",
		},
		{
			"cancel", func(s *shop) request { return post(ada, "/orders/"+s.order+"/cancel", object{}) },
			"appended 1, quota 1, streams 1",
		},
		{
			"refund", func(s *shop) request {
				s.leave()
				return s.refund(aPiece())
			},
			// the order, its payment and the account
			"appended 1, streams 3",
		},
		{
			"dispatch", func(s *shop) request {
				return post(carrier, "/shipments/"+s.ship(shipment.StatusPrepared)+"/dispatch", nil)
			},
			// the shipment and its reservation
			"appended 1, streams 2",
		},
		{
			"deliver", func(s *shop) request {
				return post(carrier, "/shipments/"+s.ship(shipment.StatusDispatched)+"/deliver", nil)
			},
			"appended 1, streams 1",
		},
		{
			"list a product", func(*shop) request { return putProduct(operator, "cd-3", listed, "If-None-Match", "*") },
			"appended 1",
		},
		{
			"reprice", func(*shop) request { return putProduct(operator, "cd-2", listed, "If-Match", `"1"`) },
			"appended 1, products 1, streams 1",
		},
		{
			"count a new item", func(*shop) request { return put(operator, "/stock/cd-3", 5, "If-None-Match", "*") },
			"appended 1",
		},
		{
			"count an item", func(*shop) request { return put(operator, "/stock/cd-1", 12, "If-Match", `"1"`) },
			// the row, and once more for the answer; the stream's end
			"appended 1, stock 2, streams 1",
		},
		{"read an order", func(s *shop) request { return get(ada, "/orders/"+s.order) }, "streams 1"},
		{"read its history", func(s *shop) request { return get(ada, "/orders/"+s.order+"/history") }, "streams 1"},
		{"read a customer", func(*shop) request { return get(ada, "/customers/ada") }, "streams 1"},
		{"read stock", func(*shop) request { return get(ada, "/stock/cd-1") }, "stock 1"},
		{"read a product", func(*shop) request { return get(ada, "/products/cd-1") }, "products 1"},
		{"read an account", func(s *shop) request { return get(ada, "/accounts/"+s.account) }, "streams 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			r := tt.send(s)
			s.asked.take()
			if res := s.send(r); res.status >= http.StatusBadRequest {
				t.Fatal(res.status, res.raw)
			}
			if got := inWords(s.asked.take()); got != tt.want {
				t.Errorf("asked %s, want %s", got, tt.want)
			}
		})
	}
}

// moved is a movement of ada's account.
func moved(who caller, what string, body object) func(*shop) request {
	return func(s *shop) request { return post(who, "/accounts/"+s.account+"/"+what, body) }
}

func inWords(counts map[string]int) string {
	var words []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s %d", what, counts[what]))
	}
	return strings.Join(words, ", ")
}
