package httpapi_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

// gets is what a request is answered with to nobody, to the customer whom it is about, to
// another customer, and to operators.
type gets struct{ none, owner, other, operator int }

// access is who may make a request.
type access struct {
	name string
	when func(s *shop, who caller) request
	want gets
}

// grant wants each request to be answered to each caller as it says.
func grant(t *testing.T, cases []access) {
	t.Helper()
	// What a carrier may do; everything else that is not for anybody is refused.
	carriers := []string{"dispatch ada's shipment", "deliver ada's shipment", "read ada's shipment"}
	// What a pricing system may do.
	pricing := []string{"order for ada", "read a product", "list products"}
	for _, c := range cases {
		byCarrier := http.StatusForbidden
		if c.want.none == http.StatusOK || slices.Contains(carriers, c.name) {
			byCarrier = c.want.operator
		}
		byPricing := http.StatusForbidden
		if c.want.none == http.StatusOK || slices.Contains(pricing, c.name) {
			byPricing = c.want.operator
		}
		for _, as := range []struct {
			name string
			who  caller
			want int
		}{
			{"none", nobody, c.want.none}, {"owner", ada, c.want.owner}, {"other", bob, c.want.other},
			{"carrier", carrier, byCarrier}, {"pricing", quotes, byPricing},
			{"operator", operator, c.want.operator}, {"operator who prices", pricer, c.want.operator},
		} {
			t.Run(c.name+"/"+as.name, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				r := c.when(s, as.who)
				before := s.store.commits.Load()
				res := s.send(r)
				if res.status != as.want {
					t.Fatalf("%d, want %d: %s", res.status, as.want, res.raw)
				}
				if res.status >= 400 && s.store.commits.Load() != before {
					t.Error("something was written")
				}
				if res.status == http.StatusUnauthorized && res.headers["Www-Authenticate"] != "Bearer" {
					t.Errorf("headers are %v", res.headers)
				}
			})
		}
	}
}

// TestAccessToCustomers: customers register, read, change and erase themselves; operators do so for
// anybody.
func TestAccessToCustomers(t *testing.T) {
	grant(t, []access{
		{"register oneself or a new customer", func(_ *shop, who caller) request {
			if who.claims["sub"] == operator.claims["sub"] || who.claims["sub"] == pricer.claims["sub"] {
				return post(who, "/customers", set(person(), "customerId", "eve"))
			}
			return post(who, "/customers", person())
		}, gets{401, 409, 409, 201}},
		{
			"register another",
			func(_ *shop, who caller) request { return post(who, "/customers", set(person(), "customerId", "eve")) },
			gets{401, 403, 403, 201},
		},
		{"read ada", func(_ *shop, who caller) request { return get(who, "/customers/ada") }, gets{401, 200, 404, 200}},
		{"change ada", func(_ *shop, who caller) request {
			return patch(who, "/customers/ada", `"1"`, object{"name": "Ada King"})
		}, gets{401, 200, 404, 200}},
		{
			"erase ada", func(_ *shop, who caller) request { return remove(who, "/customers/ada") },
			gets{401, 200, 404, 200},
		},
		{
			"find who has an address", func(_ *shop, who caller) request {
				return post(who, "/customers/search", object{"email": "ada@example.com"})
			}, gets{401, 403, 403, 200},
		},
		{"index ada", func(_ *shop, who caller) request {
			return request{who: who, method: http.MethodPut, path: "/customers/ada/index"}
		}, gets{401, 403, 403, 200}},
		{
			"list all customers", func(_ *shop, who caller) request { return get(who, "/customers") },
			gets{401, 403, 403, 200},
		},
		{
			"read ada's statistics", func(_ *shop, who caller) request { return get(who, "/customers/ada/statistics") },
			gets{401, 200, 404, 200},
		},
	})
}

// TestAccessToOrders: customers order, cancel and read for themselves; pricing systems order for
// anybody.
func TestAccessToOrders(t *testing.T) {
	grant(t, []access{
		{
			"order for ada",
			func(_ *shop, who caller) request { return post(who, "/orders", set(anOrder(), "customerId", "ada")) },
			gets{401, 202, 403, 202},
		},
		{
			"cancel ada's order",
			func(s *shop, who caller) request { return post(who, "/orders/"+s.order+"/cancel", object{}) },
			gets{401, 202, 404, 202},
		},
		{"refund ada's order", func(s *shop, who caller) request {
			s.leave()
			return post(who, "/orders/"+s.order+"/refunds", aPiece())
		}, gets{401, 403, 403, 201}},
		{
			"read ada's order", func(s *shop, who caller) request { return get(who, "/orders/"+s.order) },
			gets{401, 200, 404, 200},
		},
		{
			"read how it was", func(s *shop, who caller) request { return get(who, "/orders/"+s.order+"?asOf=1") },
			gets{401, 200, 404, 200},
		},
		{
			"read its history", func(s *shop, who caller) request { return get(who, "/orders/"+s.order+"/history") },
			gets{401, 200, 404, 200},
		},
		{
			"read its executions",
			func(s *shop, who caller) request { return get(who, "/orders/"+s.order+"/executions") },
			gets{401, 403, 403, 200},
		},
		{
			"read what was done for it",
			func(s *shop, who caller) request { return get(who, "/orders/"+s.order+"/effects") },
			gets{401, 403, 403, 200},
		},
		{"list all orders", func(_ *shop, who caller) request { return get(who, "/orders") }, gets{401, 403, 403, 200}},
		{
			"list ada's orders", func(_ *shop, who caller) request { return get(who, "/customers/ada/orders") },
			gets{401, 200, 404, 200},
		},
	})
}

// TestAccessToAccounts: customers move their own money; only operators bring money in.
func TestAccessToAccounts(t *testing.T) {
	grant(t, []access{
		{"open ada's account", func(_ *shop, who caller) request {
			return post(who, "/accounts", object{"currency": "EUR", "customerId": "ada"})
		}, gets{401, 201, 403, 201}},
		{"deposit to ada", func(s *shop, who caller) request {
			return post(who, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)})
		}, gets{401, 403, 403, 201}},
		{"withdraw from ada", func(s *shop, who caller) request {
			return post(who, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(5)})
		}, gets{401, 201, 404, 201}},
		{"send from ada to bob", func(s *shop, who caller) request {
			return post(who, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(5)})
		}, gets{401, 201, 404, 201}},
		{"apply interest to ada's", func(s *shop, who caller) request {
			return post(who, "/accounts/"+s.account+"/interest", object{"rateBasisPoints": 500})
		}, gets{401, 403, 403, 201}},
		{"find ada's account", func(_ *shop, who caller) request {
			return get(who, "/accounts?customerId=ada&currency=USD")
		}, gets{401, 200, 404, 200}},
		{
			"read ada's account", func(s *shop, who caller) request { return get(who, "/accounts/"+s.account) },
			gets{401, 200, 404, 200},
		},
		{
			"read how the account was",
			func(s *shop, who caller) request { return get(who, "/accounts/"+s.account+"?asOf=1") },
			gets{401, 200, 404, 200},
		},
		{
			"read its statement",
			func(s *shop, who caller) request { return get(who, "/accounts/"+s.account+"/statement") },
			gets{401, 200, 404, 200},
		},
	})
}

// TestAccessToStock: everybody reads stock, and operators set it.
func TestAccessToStock(t *testing.T) {
	grant(t, []access{
		{
			"set stock", func(_ *shop, who caller) request { return put(who, "/stock/cd-1", 9, "If-Match", `"1"`) },
			gets{401, 403, 403, 200},
		},
		{
			"split stock", func(_ *shop, who caller) request { return split(who, "/stock/cd-1/shards", 4) },
			gets{401, 403, 403, 200},
		},
		{
			"read the counts", func(_ *shop, who caller) request { return get(who, "/stock/cd-1/history") },
			gets{401, 403, 403, 200},
		},
		{
			"read what orders moved", func(_ *shop, who caller) request { return get(who, "/stock/cd-1/movements") },
			gets{401, 403, 403, 200},
		},
		{
			"read who waits", func(_ *shop, who caller) request { return get(who, "/stock/cd-1/waitlist") },
			gets{401, 403, 403, 200},
		},
		{"read stock", func(_ *shop, who caller) request { return get(who, "/stock/cd-1") }, gets{401, 200, 200, 200}},
	})
}

// TestAccessToShipments: carriers and operators alone see and move shipments.
func TestAccessToShipments(t *testing.T) {
	grant(t, []access{
		{"dispatch ada's shipment", func(s *shop, who caller) request {
			return post(who, "/shipments/"+s.ship(shipment.StatusPrepared)+"/dispatch", nil)
		}, gets{401, 403, 403, 200}},
		{"deliver ada's shipment", func(s *shop, who caller) request {
			return post(who, "/shipments/"+s.ship(shipment.StatusDispatched)+"/deliver", nil)
		}, gets{401, 403, 403, 200}},
		{
			"read ada's shipment",
			func(s *shop, who caller) request { return get(who, "/shipments/"+s.ship(shipment.StatusScheduled)) },
			gets{401, 403, 403, 200},
		},
	})
}

// TestAccessToProducts: everybody but carriers reads products, and operators set them.
func TestAccessToProducts(t *testing.T) {
	grant(t, []access{
		{"list a product", func(_ *shop, who caller) request {
			return putProduct(who, "cd-9", priced(eur(999)), "If-None-Match", "*")
		}, gets{401, 403, 403, 200}},
		{
			"read a product",
			func(s *shop, who caller) request { return get(who, "/products/"+s.listed("cd-9", eur(999))) },
			gets{401, 200, 200, 200},
		},
		{
			"read what changed",
			func(s *shop, who caller) request { return get(who, "/products/"+s.listed("cd-9", eur(999))+"/history") },
			gets{401, 403, 403, 200},
		},
		{"list products", func(_ *shop, who caller) request { return get(who, "/products") }, gets{401, 200, 200, 200}},
		{
			"list withdrawn products",
			func(_ *shop, who caller) request { return get(who, "/products?withdrawn=true") }, gets{401, 403, 403, 200},
		},
	})
}

// TestAccessToOperations: operators alone see dead-letter entries and figures; everybody reads the
// document.
func TestAccessToOperations(t *testing.T) {
	grant(t, []access{
		{
			"list dead letters", func(_ *shop, who caller) request { return get(who, "/dead-letters") },
			gets{401, 403, 403, 200},
		},
		{
			"read a dead letter",
			func(s *shop, who caller) request { return get(who, "/dead-letters/"+s.addLetters(1, nil)[0]) },
			gets{401, 403, 403, 200},
		},
		{"redrive a dead letter", func(s *shop, who caller) request {
			return post(who, "/dead-letters/"+s.addLetters(1, nil)[0]+"/redrive", object{})
		}, gets{401, 403, 403, 202}},
		{"discard a dead letter", func(s *shop, who caller) request {
			return post(who, "/dead-letters/"+s.addLetters(1, nil)[0]+"/discard", object{})
		}, gets{401, 403, 403, 200}},
		{"list the views", func(_ *shop, who caller) request { return get(who, "/views") }, gets{401, 403, 403, 200}},
		{"read the audit", func(_ *shop, who caller) request { return get(who, "/audit") }, gets{401, 403, 403, 200}},
		{"list the alarms", func(_ *shop, who caller) request { return get(who, "/alarms") }, gets{401, 403, 403, 200}},
		{"read the figures", func(_ *shop, who caller) request {
			return get(who, "/analytics/daily?from=2026-03-01&to=2026-03-01")
		}, gets{401, 403, 403, 200}},
		{"read the minutes", func(_ *shop, who caller) request {
			return get(who, "/analytics/minutes")
		}, gets{401, 403, 403, 200}},
		{"count the dead letters", func(_ *shop, who caller) request {
			return get(who, "/analytics/dead-letters")
		}, gets{401, 403, 403, 200}},
		{"read what an order costs", func(_ *shop, who caller) request {
			return get(who, "/analytics/cost")
		}, gets{401, 403, 403, 200}},
		{
			"read the description", func(_ *shop, who caller) request { return get(who, "/openapi.json") },
			gets{200, 200, 200, 200},
		},
	})
}

// TestSomebodyElsesIsLikeUnknown: the two answers can't be told apart.
func TestSomebodyElsesIsLikeUnknown(t *testing.T) {
	s := newShop(t)
	const unknown = "0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10"
	for _, c := range []struct{ theirs, unknown request }{
		{get(bob, "/orders/"+s.order), get(bob, "/orders/"+unknown)},
		{get(bob, "/orders/"+s.order+"/history"), get(bob, "/orders/"+unknown+"/history")},
		{get(bob, "/accounts/"+s.account), get(bob, "/accounts/"+unknown)},
		{get(bob, "/accounts/"+s.account+"/statement"), get(bob, "/accounts/"+unknown+"/statement")},
		{
			post(bob, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(5)}),
			post(bob, "/accounts/"+unknown+"/transfers", object{"toAccountId": s.bobs, "amount": usd(5)}),
		},
		{get(bob, "/customers/ada/statistics"), get(bob, "/customers/nobody/statistics")},
		{get(bob, "/customers/ada"), get(bob, "/customers/nobody")},
		{patch(bob, "/customers/ada", `"1"`, person()), patch(bob, "/customers/nobody", `"1"`, person())},
		{patch(bob, "/customers/ada", "", person()), patch(bob, "/customers/nobody", "", person())},
		{remove(bob, "/customers/ada"), remove(bob, "/customers/nobody")},
		{post(bob, "/orders/"+s.order+"/cancel", object{}), post(bob, "/orders/"+unknown+"/cancel", object{})},
	} {
		if theirs, unknown := s.send(c.theirs), s.send(c.unknown); theirs.raw != unknown.raw ||
			theirs.status != unknown.status {
			t.Errorf("%s %s: %s, but unknown is %s", c.theirs.method, c.theirs.path, theirs.raw, unknown.raw)
		}
	}
}

// TestIdentity: what tokens say about their bearer.
func TestIdentity(t *testing.T) {
	for _, c := range []struct {
		name string
		who  caller
		path string
		want int
		code string
	}{
		{
			"operator by the authorizer's scopes",
			caller{claims: map[string]string{"sub": "o"}, scopes: []string{scope}}, "/orders/{ada's}", 200, "",
		},
		{"operator by claim", operator, "/orders/{ada's}", 200, ""},
		{
			"operator who is a carrier too",
			caller{claims: map[string]string{"sub": "o", "scope": carrierScope + " " + scope}}, "/orders/{ada's}", 200,
			"",
		},
		{
			"carrier by the authorizer's scopes",
			caller{claims: map[string]string{"sub": "c", "username": "ada"}, scopes: []string{carrierScope}},
			"/orders/{ada's}", 403, "auth.forbidden",
		},
		{
			"pricing by the authorizer's scopes",
			caller{claims: map[string]string{"sub": "q", "username": "ada"}, scopes: []string{pricingScope}},
			"/orders/{ada's}", 403, "auth.forbidden",
		},
		{"operator who prices too", pricer, "/orders/{ada's}", 200, ""},
		{
			"a scope that only looks like it",
			caller{claims: map[string]string{"sub": "x", "username": "bob", "scope": scope + "s x" + scope}},
			"/orders/{ada's}", 404, "order.not-found",
		},
		{
			"no customer", caller{claims: map[string]string{"sub": "x", "scope": "openid"}}, "/stock/cd-1", 403,
			"auth.no-customer",
		},
		{
			"an e-mail address for a customer",
			caller{claims: map[string]string{"sub": "x", "username": "ada@example.com", "scope": "openid"}},
			"/stock/cd-1", 403, "auth.no-customer",
		},
		{"no claims", caller{claims: map[string]string{}}, "/stock/cd-1", 401, "auth.required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			path := c.path
			if path == "/orders/{ada's}" {
				path = "/orders/" + s.order
			}
			if res := s.send(get(c.who, path)); res.status != c.want || res.text("code") != c.code {
				t.Errorf("%d, want %d %s: %s", res.status, c.want, c.code, res.raw)
			}
		})
	}
}

// TestPersonalData: the owner reads address and note, the history shows neither, and an erased
// customer's read as nothing.
func TestPersonalData(t *testing.T) {
	s := newShop(t)
	s.must(http.StatusAccepted, post(ada, "/orders/"+s.order+"/cancel", object{"reason": "moving house"}))
	res := s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	address, _ := res.body["shippingAddress"].(object)
	cancellation, _ := res.body["cancellation"].(object)
	if address["city"] != "London" || res.body["erased"] != false || cancellation["note"] != "moving house" ||
		cancellation["by"] != "customer" || cancellation["reason"] != "customer.request" {
		t.Errorf("order is %s", res.raw)
	}
	history := s.must(http.StatusOK, get(ada, "/orders/"+s.order+"/history"))
	list, _ := history.body["events"].([]any)
	if len(list) != 2 {
		t.Fatalf("history is %s", history.raw)
	}
	first, _ := list[0].(object)
	data, _ := first["data"].(object)
	if first["type"] != "order.placed" || first["sequence"] != 1.0 || first["id"] != "order/"+s.order+"@1" ||
		first["causationId"] != "http/api-request" || data["customerId"] != "ada" {
		t.Errorf("first event is %v", first)
	}
	for _, e := range list {
		event, _ := e.(object)
		data, _ := event["data"].(object)
		for _, sealed := range []string{"address", "note"} {
			if _, shown := data[sealed]; shown {
				t.Errorf("%v shows %s", event["type"], sealed)
			}
		}
	}
	s.erase("ada")
	res = s.must(http.StatusOK, get(operator, "/orders/"+s.order))
	cancellation, _ = res.body["cancellation"].(object)
	if res.body["shippingAddress"] != nil || res.body["erased"] != true || cancellation["note"] != nil {
		t.Errorf("order of an erased customer is %s", res.raw)
	}
	if again := s.must(http.StatusOK, get(ada, "/orders/"+s.order+"/history")); again.raw != history.raw {
		t.Errorf("history of an erased customer's order is %s", again.raw)
	}
}

// TestErase: whoever asks, and however often, the answer is the first one's. What is not personal
// stays.
func TestErase(t *testing.T) {
	s := newShop(t)
	first := s.must(http.StatusOK, remove(ada, "/customers/ada"))
	if first.raw != "{\"id\":\"ada\",\"erasedAt\":\"2026-03-01T12:00:00Z\",\"version\":2}\n" ||
		first.headers["Etag"] != `"2"` {
		t.Errorf("answered is %q, %v", first.raw, first.headers)
	}
	if err := s.vault.Enrol(t.Context(), "ada"); !errors.Is(err, personal.ErrErased) {
		t.Errorf("the key is there: %v", err)
	}
	commits := s.store.commits.Load()
	s.clock.Advance(time.Hour)
	for _, who := range []caller{ada, operator} {
		if again := s.must(http.StatusOK, remove(who, "/customers/ada")); again.raw != first.raw {
			t.Errorf("again it is %q", again.raw)
		}
	}
	if s.store.commits.Load() != commits {
		t.Error("something was written again")
	}
	balance, _ := s.must(http.StatusOK, get(ada, "/accounts/"+s.account)).body["balance"].(object)
	if balance["amount"] != 5000.0 {
		t.Errorf("the balance is %v", balance)
	}
	s.must(http.StatusOK, get(ada, "/customers/ada/statistics"))
}

// TestOrderAnswer: an order along its way.
func TestOrderAnswer(t *testing.T) {
	s := newShop(t)
	res := s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	if res.text("status") != "placed" || res.body["payment"] != nil || res.body["shipment"] != nil ||
		res.body["cancellation"] != nil || res.headers["Etag"] != `"1"` {
		t.Errorf("placed order is %s", res.raw)
	}
	s.run(
		order.Start{SagaID: "run-1"},
		order.Confirm{SagaID: "run-1", PaymentID: "p-1", ShipmentID: "h-1", TrackingNumber: "OF1"},
	)
	res = s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	payment, _ := res.body["payment"].(object)
	shipment, _ := res.body["shipment"].(object)
	saga, _ := res.body["saga"].(object)
	if res.text("status") != "confirmed" || payment["id"] != "p-1" || shipment["trackingNumber"] != "OF1" ||
		saga["state"] != "completed" || res.headers["Etag"] != `"3"` {
		t.Errorf("confirmed order is %s", res.raw)
	}
}
