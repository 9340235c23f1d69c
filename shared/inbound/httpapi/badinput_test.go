package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/shop/account"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// badCase is a request that can't be.
type badCase struct {
	name     string
	when     func(*shop) request
	status   int
	code     string
	location string // of one of the errors, "" for none
}

// refuseAll wants each case to be answered by one clear problem, and nothing to be written.
func refuseAll(t *testing.T, cases []badCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			r := c.when(s)
			commits, counters := s.store.commits.Load(), s.counters.String()
			res := s.send(r)
			checkProblem(t, res, c.status, c.code)
			if got := locations(res); c.location == "" && len(got) > 0 || c.location != "" &&
				!slices.Contains(got, c.location) {
				t.Errorf("errors are at %q, want %q: %s", got, c.location, res.raw)
			}
			if got := s.store.commits.Load(); got != commits {
				t.Errorf("%d commits were written", got-commits)
			}
			if got := s.counters.String(); got != counters {
				t.Errorf("the counters went from %s to %s", counters, got)
			}
		})
	}
}

// orderText is an order as it is sent.
const orderText = `{"lines":[{"sku":"cd-1","quantity":1,"unitPrice":{"amount":100,"currency":"USD"}}],` +
	`"shippingAddress":{"recipient":"A","line1":"B","postalCode":"C","city":"D","country":"GB"}}`

const unknownID = "0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10"

func placing(body any) func(*shop) request {
	return func(*shop) request { return post(ada, "/orders", body) }
}

func changed(path string, value any) func(*shop) request { return placing(set(anOrder(), path, value)) }

func depositing(amount any) func(*shop) request {
	return func(s *shop) request {
		return post(
			operator, "/accounts/"+s.account+"/deposits", object{"amount": object{"amount": amount, "currency": "USD"}},
		)
	}
}

func reading(who caller, path string) func(*shop) request {
	return func(*shop) request { return get(who, path) }
}

// TestBadOrder: an order whose fields are unknown, missing or of another type.
func TestBadOrder(t *testing.T) {
	refuseAll(t, []badCase{
		{"unknown field", changed("colour", "red"), 400, "request.invalid", "body.colour"},
		{"unknown field in a line", changed("lines.0.colour", 5), 400, "request.invalid", "body.lines[0].colour"},
		{
			"unknown field in an address", changed("shippingAddress.planet", "Mars"), 400, "request.invalid",
			"body.shippingAddress.planet",
		},
		{
			"field in another case",
			placing(object{"Lines": anOrder()["lines"], "shippingAddress": anOrder()["shippingAddress"]}), 400,
			"request.invalid", "body.Lines",
		},
		{"missing field", placing(object{"lines": anOrder()["lines"]}), 400, "request.invalid", "body"},
		{"quantity is a string", changed("lines.0.quantity", "2"), 400, "request.invalid", "body.lines[0].quantity"},
		{"quantity is a fraction", changed("lines.0.quantity", 1.5), 400, "request.invalid", "body.lines[0].quantity"},
		{"quantity is null", changed("lines.0.quantity", nil), 400, "request.invalid", "body.lines[0].quantity"},
		{"quantity is true", changed("lines.0.quantity", true), 400, "request.invalid", "body.lines[0].quantity"},
		{
			"quantity with a decimal point", placing(strings.Replace(orderText, `"quantity":1`, `"quantity":1.0`, 1)),
			400, "request.invalid", "body",
		},
		{
			"quantity with an exponent", placing(strings.Replace(orderText, `"quantity":1`, `"quantity":1e2`, 1)), 400,
			"request.invalid", "body",
		},
		{"optional field is null", changed("customerId", nil), 400, "request.invalid", "body.customerId"},
		{
			"optional field of a part is null", changed("shippingAddress.line2", nil), 400, "request.invalid",
			"body.shippingAddress.line2",
		},
		{"price is an object less", changed("lines.0.unitPrice", 5), 400, "request.invalid", "body.lines[0].unitPrice"},
		{"lines is an object", changed("lines", object{}), 400, "request.invalid", "body.lines"},
		{"lines is null", changed("lines", nil), 400, "request.invalid", "body.lines"},
		{"a line is null", changed("lines", []any{nil}), 400, "request.invalid", "body.lines[0]"},
		{"body is a list", placing([]any{}), 400, "request.invalid", "body"},
		{"body is a string", placing(`"order"`), 400, "request.invalid", "body"},
		{"body is null", placing(`null`), 400, "request.invalid", "body"},
	})
}

// TestBadOrderLines: an order of too many or too few lines, or of quantities and prices that can't
// be.
func TestBadOrderLines(t *testing.T) {
	many := func(n int, sku func(int) string) []object {
		lines := make([]object, n)
		for i := range lines {
			lines[i] = line(sku(i), 1, 100)
		}
		return lines
	}
	same := func(int) string { return "cd-1" }
	other := func(i int) string { return fmt.Sprintf("cd-%d", i) }
	refuseAll(t, []badCase{
		{"empty order", changed("lines", []any{}), 400, "request.invalid", "body.lines"},
		{"101 lines", changed("lines", many(101, same)), 400, "request.invalid", "body.lines"},
		{"an order over the total", func(s *shop) request {
			s.list("dear", 0, order.MaxUnitPrice)
			return post(ada, "/orders", anOrder(line("dear", order.MaxQuantity, order.MaxUnitPrice)))
		}, 422, "order.invalid-lines", "body.lines"},
		{"41 SKUs", changed("lines", many(41, other)), 422, "order.invalid-lines", "body.lines"},
		{"quantity 0", changed("lines.1.quantity", 0), 400, "request.invalid", "body.lines[1].quantity"},
		{"quantity -1", changed("lines.1.quantity", -1), 400, "request.invalid", "body.lines[1].quantity"},
		{
			"absurd quantity", changed("lines.1.quantity", order.MaxQuantity+1), 400, "request.invalid",
			"body.lines[1].quantity",
		},
		{
			"negative price", changed("lines.0.unitPrice.amount", -1), 400, "request.invalid",
			"body.lines[0].unitPrice.amount",
		},
		{
			"absurd price", changed("lines.0.unitPrice.amount", order.MaxUnitPrice+1), 400, "request.invalid",
			"body.lines[0].unitPrice.amount",
		},
		{
			"price over int64", placing(strings.Replace(orderText, `"amount":100`, `"amount":9223372036854775808`, 1)),
			400, "request.invalid", "body.lines[0].unitPrice.amount",
		},
		{
			"price over every float", placing(strings.Replace(orderText, `"amount":100`, `"amount":1e400`, 1)), 400,
			"request.malformed", "body",
		},
		{
			"mixed currencies", changed("lines.1.unitPrice.currency", "EUR"), 400, "money.mixed-currencies",
			"body.lines[1].unitPrice",
		},
		{
			"unknown currency", changed("lines.0.unitPrice.currency", "ZZZ"), 400, "money.unknown-currency",
			"body.lines[0].unitPrice.currency",
		},
		{
			"currency in lower case", changed("lines.0.unitPrice.currency", "usd"), 400, "request.invalid",
			"body.lines[0].unitPrice.currency",
		},
		{"empty SKU", changed("lines.0.sku", ""), 400, "request.invalid", "body.lines[0].sku"},
		{"SKU with a slash", changed("lines.0.sku", "a/b"), 400, "request.invalid", "body.lines[0].sku"},
		{"long SKU", changed("lines.0.sku", strings.Repeat("x", 65)), 400, "request.invalid", "body.lines[0].sku"},
	})
}

// TestBadAddress: an order whose shipping address the country or the carrier can't use.
func TestBadAddress(t *testing.T) {
	without := func(field string) func(*shop) request {
		o := set(anOrder(), "shippingAddress.line2", "Flat 3")
		delete(o["shippingAddress"].(object), field)
		return placing(o)
	}
	refuseAll(t, []badCase{
		{
			"country in lower case", changed("shippingAddress.country", "gb"), 400, "request.invalid",
			"body.shippingAddress.country",
		},
		{
			"no recipient", changed("shippingAddress.recipient", ""), 400, "request.invalid",
			"body.shippingAddress.recipient",
		},
		{
			"blank recipient", changed("shippingAddress.recipient", " "), 400, "shipment.invalid-address",
			"body.shippingAddress.recipient",
		},
		{
			"line break in a city", changed("shippingAddress.city", "Lon\ndon"), 400, "shipment.invalid-address",
			"body.shippingAddress.city",
		},
		{
			"no postal code where there is one", without("postalCode"),
			400, "shipment.invalid-address", "body.shippingAddress.postalCode",
		},
		{
			"another country's postal code", changed("shippingAddress.postalCode", "1015 CJ"),
			400, "shipment.invalid-address", "body.shippingAddress.postalCode",
		},
		{
			"no city where there is one", without("city"),
			400, "shipment.invalid-address", "body.shippingAddress.city",
		},
		{
			"no state where there is one", placing(abroad("US", object{"city": "New York", "postalCode": "10001"})),
			400, "shipment.invalid-address", "body.shippingAddress.state",
		},
		{
			"no area in Hong Kong", placing(abroad("HK", object{"city": "Central"})),
			400, "shipment.invalid-address", "body.shippingAddress.state",
		},
		{
			"a country that there is not", changed("shippingAddress.country", "ZZ"),
			400, "shipment.invalid-address", "body.shippingAddress.country",
		},
		{
			"words for a phone", changed("shippingAddress.phone", "call me"),
			400, "request.invalid", "body.shippingAddress.phone",
		},
		{
			"a phone that is too long", changed("shippingAddress.phone", "+1234567890123456"),
			400, "request.invalid", "body.shippingAddress.phone",
		},
		{
			"a state that is null", changed("shippingAddress.state", nil),
			400, "request.invalid", "body.shippingAddress.state",
		},
	})
}

// TestBadBody: a body that is no JSON in UTF-8, or is too large.
func TestBadBody(t *testing.T) {
	refuseAll(t, []badCase{
		{"oversize body", changed("shippingAddress.line2", strings.Repeat("x", 128<<10)), 413, "request.too-large", ""},
		{"malformed body", placing(`{"lines":`), 400, "request.malformed", "body"},
		{"text after the body", placing(orderText + `x`), 400, "request.malformed", "body"},
		{"two bodies", placing(orderText + orderText), 400, "request.malformed", "body"},
		{"no body", func(*shop) request { return post(ada, "/orders", nil) }, 400, "request.malformed", ""},
		{
			"name twice", placing(strings.Replace(orderText, `"quantity":1`, `"quantity":1,"quantity":2`, 1)), 400,
			"request.malformed", "body",
		},
		{"nested deep", placing(strings.Repeat("[", 200) + strings.Repeat("]", 200)), 400, "request.malformed", "body"},
		{"not UTF-8", func(*shop) request {
			return post(ada, "/orders", bytes.Replace([]byte(orderText), []byte(`"A"`), []byte("\"\xff\""), 1))
		}, 400, "request.malformed", "body"},
		{"form", func(*shop) request {
			return post(ada, "/orders", "lines=1").with("Content-Type", "application/x-www-form-urlencoded")
		}, 415, "request.unsupported-media-type", ""},
		{"other JSON", func(*shop) request {
			return post(ada, "/orders", orderText).with("Content-Type", "application/problem+json")
		}, 415, "request.unsupported-media-type", ""},
		{"no charset of that name", func(*shop) request {
			return post(ada, "/orders", orderText).with("Content-Type", "application/json; charset=utf8")
		}, 415, "request.unsupported-media-type", ""},
		{"empty charset", func(*shop) request {
			return post(ada, "/orders", orderText).with("Content-Type", `application/json; charset=""`)
		}, 415, "request.unsupported-media-type", ""},
		{"other parameter", func(*shop) request {
			return post(ada, "/orders", orderText).with("Content-Type", "application/json; version=2")
		}, 415, "request.unsupported-media-type", ""},
		{"two content types", func(*shop) request {
			return post(ada, "/orders", orderText).with("Content-Type", "application/json,application/json")
		}, 415, "request.unsupported-media-type", ""},
		{"other charset", func(*shop) request {
			return post(ada, "/orders", orderText).with("Content-Type", "application/json; charset=latin1")
		}, 415, "request.unsupported-media-type", ""},
		{
			"no content type", func(*shop) request { return post(ada, "/orders", orderText).with("Content-Type", "") },
			415, "request.unsupported-media-type", "",
		},
	})
}

// TestBadKey: a POST without a usable Idempotency-Key, or with one of another request.
func TestBadKey(t *testing.T) {
	refuseAll(t, []badCase{
		{
			"no key", func(*shop) request { return post(ada, "/orders", orderText).with("Idempotency-Key", "") }, 400,
			"idempotency.key-required", "header.Idempotency-Key",
		},
		{
			"empty key", func(*shop) request { return post(ada, "/orders", orderText).with("Idempotency-Key", empty) },
			400, "idempotency.key-required", "header.Idempotency-Key",
		},
		{"key too long", func(*shop) request {
			return post(ada, "/orders", orderText).with("Idempotency-Key", strings.Repeat("k", 201))
		}, 400, "idempotency.key-invalid", "header.Idempotency-Key"},
		{"key with a comma", func(*shop) request {
			return post(ada, "/orders", orderText).with("Idempotency-Key", "a,b")
		}, 400, "idempotency.key-invalid", "header.Idempotency-Key"},
		{"key with a space", func(*shop) request {
			return post(ada, "/orders", orderText).with("Idempotency-Key", "a b")
		}, 400, "idempotency.key-invalid", "header.Idempotency-Key"},
		{"key beyond ASCII", func(*shop) request {
			return post(ada, "/orders", orderText).with("Idempotency-Key", "schlüssel")
		}, 400, "idempotency.key-invalid", "header.Idempotency-Key"},
		{"key again with another order", func(s *shop) request {
			s.must(http.StatusAccepted, post(ada, "/orders", anOrder()).with("Idempotency-Key", "k"))
			return post(ada, "/orders", set(anOrder(), "lines.0.quantity", 3)).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
		{"key again with another address", func(s *shop) request {
			s.must(http.StatusAccepted, post(ada, "/orders", anOrder()).with("Idempotency-Key", "k"))
			return post(ada, "/orders", set(anOrder(), "shippingAddress.city", "Leeds")).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
		{"key again with another deposit", func(s *shop) request {
			s.must(http.StatusCreated, depositing(100)(s).with("Idempotency-Key", "k"))
			return depositing(101)(s).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
		{"key again with another reason", func(s *shop) request {
			s.must(
				http.StatusAccepted,
				post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"}).with("Idempotency-Key", "k"),
			)
			return post(ada, "/orders/"+s.order+"/cancel", object{"reason": "wrong size"}).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
		{"key again with another person", func(s *shop) request {
			s.must(http.StatusCreated, post(customerCaller("eve"), "/customers", person()).with("Idempotency-Key", "k"))
			return post(
				customerCaller("eve"), "/customers", set(person(), "email", "eve@example.com"),
			).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
	})
}

// TestBadCustomer: a customer who is unknown, erased or somebody else.
func TestBadCustomer(t *testing.T) {
	refuseAll(t, []badCase{
		{
			"order of an unknown customer",
			func(*shop) request { return post(customerCaller("eve"), "/orders", anOrder()) }, 422,
			"order.unknown-customer", "body.customerId",
		},
		{"order of an erased customer", func(s *shop) request {
			s.erase("ada")
			return post(ada, "/orders", anOrder())
		}, 422, "customer.erased", "body.customerId"},
		{"register as an erased customer", func(s *shop) request {
			s.erase("ada")
			return post(ada, "/customers", person())
		}, 422, "customer.erased", "body.customerId"},
		{
			"erase an unknown customer", func(*shop) request { return remove(operator, "/customers/nobody") }, 404,
			"customer.not-found", "",
		},
		{
			"erase an e-mail address", func(*shop) request { return remove(operator, "/customers/ada@example.com") },
			400, "request.invalid", "path.id",
		},
		{
			"erase everybody", func(*shop) request { return remove(operator, "/customers") }, 405,
			"request.method-not-allowed", "",
		},
		{"order for somebody else", changed("customerId", "bob"), 403, "auth.forbidden", "body.customerId"},
		{
			"operator's order for nobody", func(*shop) request { return post(operator, "/orders", anOrder()) }, 400,
			"request.invalid", "body.customerId",
		},
		{"customer id with an e-mail address", func(*shop) request {
			return post(operator, "/customers", set(person(), "customerId", "ada@example.com"))
		}, 400, "request.invalid", "body.customerId"},
		{
			"customer registered twice", func(*shop) request { return post(ada, "/customers", person()) }, 409,
			"customer.already-registered", "body.customerId",
		},
		{
			"no e-mail address",
			func(*shop) request { return post(customerCaller("eve"), "/customers", set(person(), "email", "eve")) },
			400, "request.invalid", "body.email",
		},
	})
}

// TestBadCancellation: an order that can't be cancelled.
func TestBadCancellation(t *testing.T) {
	refuseAll(t, []badCase{
		{
			"cancel an unknown order",
			func(*shop) request { return post(ada, "/orders/"+unknownID+"/cancel", object{}) }, 404, "order.not-found",
			"",
		},
		{
			"cancel somebody's order",
			func(s *shop) request { return post(bob, "/orders/"+s.order+"/cancel", object{}) }, 404, "order.not-found",
			"",
		},
		{
			"cancel no id", func(*shop) request { return post(ada, "/orders/1/cancel", object{}) }, 400,
			"request.invalid", "path.id",
		},
		{"cancel after dispatch", func(s *shop) request {
			s.ship(shipment.StatusDispatched)
			return post(ada, "/orders/"+s.order+"/cancel", object{"reason": "late"})
		}, 409, "order.dispatched", ""},
		{"cancel after dispatch, of which the order knows", func(s *shop) request {
			id := s.ship(shipment.StatusDispatched)
			s.follow(order.Ship{ShipmentID: id})
			return post(operator, "/orders/"+s.order+"/cancel", object{})
		}, 409, "order.dispatched", ""},
		{"long reason", func(s *shop) request {
			return post(ada, "/orders/"+s.order+"/cancel", object{"reason": strings.Repeat("x", 501)})
		}, 400, "request.invalid", "body.reason"},
	})
}

// TestBadShipment: a shipment that can't be dispatched or delivered.
func TestBadShipment(t *testing.T) {
	refuseAll(t, []badCase{
		{
			"dispatch an unknown shipment",
			func(*shop) request { return post(operator, "/shipments/"+unknownID+"/dispatch", nil) }, 404,
			"shipment.not-found", "",
		},
		{
			"dispatch no id", func(*shop) request { return post(operator, "/shipments/1/dispatch", nil) }, 400,
			"request.invalid", "path.id",
		},
		{"dispatch without a key", func(s *shop) request {
			return post(
				operator, "/shipments/"+s.ship(shipment.StatusPrepared)+"/dispatch", nil,
			).with("Idempotency-Key", "")
		}, 400, "idempotency.key-required", "header.Idempotency-Key"},
		{"dispatch what is not prepared", func(s *shop) request {
			return post(operator, "/shipments/"+s.ship(shipment.StatusScheduled)+"/dispatch", nil)
		}, 409, "shipment.not-prepared", ""},
		{"dispatch what is cancelled", func(s *shop) request {
			id := s.ship(shipment.StatusPrepared)
			s.must(http.StatusAccepted, post(ada, "/orders/"+s.order+"/cancel", object{}))
			return post(operator, "/shipments/"+id+"/dispatch", nil)
		}, 409, "shipment.cancelled", ""},
		{"dispatch to a customer who is erased", func(s *shop) request {
			id := s.ship(shipment.StatusPrepared)
			s.erase("ada")
			return post(operator, "/shipments/"+id+"/dispatch", nil)
		}, 422, "shipment.address-unreadable", ""},
		{"deliver what has not left", func(s *shop) request {
			return post(operator, "/shipments/"+s.ship(shipment.StatusPrepared)+"/deliver", nil)
		}, 409, "shipment.not-dispatched", ""},
		{"unknown shipment", reading(operator, "/shipments/"+unknownID), 404, "shipment.not-found", ""},
	})
}

// TestBadAccount: accounts that can't be opened or found, and money that can't move.
func TestBadAccount(t *testing.T) {
	refuseAll(t, []badCase{
		{
			"account opened twice", func(*shop) request { return post(ada, "/accounts", object{"currency": "USD"}) },
			409, "account.already-open", "",
		},
		{
			"account in no currency", func(*shop) request { return post(ada, "/accounts", object{"currency": "ZZZ"}) },
			400, "money.unknown-currency", "body.currency",
		},
		{"deposit of nothing", depositing(0), 400, "request.invalid", "body.amount.amount"},
		{"deposit of less", depositing(-5), 400, "request.invalid", "body.amount.amount"},
		{"absurd deposit", depositing(int64(1e12) + 1), 400, "request.invalid", "body.amount.amount"},
		{"deposit in another currency", func(s *shop) request {
			return post(
				operator, "/accounts/"+s.account+"/deposits", object{"amount": object{"amount": 5, "currency": "EUR"}},
			)
		}, 422, "account.wrong-currency", "body.amount.currency"},
		{
			"deposit by a customer",
			func(s *shop) request { return post(ada, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)}) },
			403, "auth.forbidden", "",
		},
		{"deposit on no account", func(*shop) request {
			return post(operator, "/accounts/"+unknownID+"/deposits", object{"amount": usd(5)})
		}, 404, "account.not-found", ""},
		{"withdrawal of too much", func(s *shop) request {
			return post(ada, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(5001)})
		}, 422, "account.insufficient-funds", ""},
		{"withdrawal from somebody", func(s *shop) request {
			return post(bob, "/accounts/"+s.account+"/withdrawals", object{"amount": usd(5)})
		}, 404, "account.not-found", ""},
	})
}

// TestBadTransfer: money that can't move between two accounts.
func TestBadTransfer(t *testing.T) {
	transfer := func(to func(*shop) string, amount object) func(*shop) request {
		return func(s *shop) request {
			return post(ada, "/accounts/"+s.account+"/transfers", object{"toAccountId": to(s), "amount": amount})
		}
	}
	bobs := func(s *shop) string { return s.bobs }
	refuseAll(t, []badCase{
		{"transfer of too much", transfer(bobs, usd(5001)), 422, "account.insufficient-funds", ""},
		{"transfer of nothing", transfer(bobs, usd(0)), 400, "request.invalid", "body.amount.amount"},
		{"transfer of less", transfer(bobs, usd(-5)), 400, "request.invalid", "body.amount.amount"},
		{"absurd transfer", transfer(bobs, usd(1e12+1)), 400, "request.invalid", "body.amount.amount"},
		{
			"transfer in another currency", transfer(bobs, object{"amount": 5, "currency": "EUR"}), 422,
			"account.wrong-currency", "body.amount.currency",
		},
		{"transfer to an account in another currency", transfer(func(s *shop) string {
			return s.must(http.StatusCreated, post(bob, "/accounts", object{"currency": "EUR"})).text("id")
		}, usd(5)), 422, "account.cannot-receive", "body.toAccountId"},
		{
			"transfer to oneself", transfer(func(s *shop) string { return s.account }, usd(5)), 422,
			"account.same-account", "body.toAccountId",
		},
		{"transfer to no account", transfer(func(*shop) string { return unknownID }, usd(5)),
			422, "account.cannot-receive", "body.toAccountId"},
		{"find an account of nobody", reading(operator, "/accounts?currency=USD"),
			400, "request.invalid", "query.customerId"},
		{"find an account in nothing", reading(ada, "/accounts"), 400, "request.invalid", "query.currency"},
		{"find an account in euros", reading(ada, "/accounts?currency=EUR"), 404, "account.not-found", ""},
		{
			"transfer to no id", transfer(func(*shop) string { return "bob" }, usd(5)), 400, "request.invalid",
			"body.toAccountId",
		},
		{"transfer to nobody", func(s *shop) request {
			return post(ada, "/accounts/"+s.account+"/transfers", object{"amount": usd(5)})
		}, 400, "request.invalid", "body"},
		{"transfer with a rate", func(s *shop) request {
			return post(
				ada, "/accounts/"+s.account+"/transfers",
				object{"toAccountId": s.bobs, "amount": usd(5), "rateBasisPoints": 1},
			)
		}, 400, "request.invalid", "body.rateBasisPoints"},
		{"transfer from no account", func(s *shop) request {
			return post(operator, "/accounts/"+unknownID+"/transfers", object{"toAccountId": s.bobs, "amount": usd(5)})
		}, 404, "account.not-found", ""},
		{"transfer from somebody", func(s *shop) request {
			return post(bob, "/accounts/"+s.account+"/transfers", object{"toAccountId": s.bobs, "amount": usd(5)})
		}, 404, "account.not-found", ""},
		{"transfer without a key", func(s *shop) request {
			return transfer(bobs, usd(5))(s).with("Idempotency-Key", "")
		}, 400, "idempotency.key-required", "header.Idempotency-Key"},
		{"key again with another transfer", func(s *shop) request {
			s.must(http.StatusCreated, transfer(bobs, usd(5))(s).with("Idempotency-Key", "k"))
			return transfer(bobs, usd(6))(s).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
		{"key again with another receiver", func(s *shop) request {
			s.must(http.StatusCreated, transfer(bobs, usd(5))(s).with("Idempotency-Key", "k"))
			return transfer(func(*shop) string { return unknownID }, usd(5))(s).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
	})
}

// TestBadInterest: interest that can't be applied.
func TestBadInterest(t *testing.T) {
	interest := func(rate any) func(*shop) request {
		return func(s *shop) request {
			return post(operator, "/accounts/"+s.account+"/interest", object{"rateBasisPoints": rate})
		}
	}
	refuseAll(t, []badCase{
		{"interest of nothing", interest(0), 400, "request.invalid", "body.rateBasisPoints"},
		{"interest of less", interest(-500), 400, "request.invalid", "body.rateBasisPoints"},
		{"absurd interest", interest(account.MaxRate + 1), 400, "request.invalid", "body.rateBasisPoints"},
		{"interest of a fraction", interest(2.5), 400, "request.invalid", "body.rateBasisPoints"},
		{"interest in words", interest("5 %"), 400, "request.invalid", "body.rateBasisPoints"},
		{"interest by a customer", func(s *shop) request {
			return post(ada, "/accounts/"+s.account+"/interest", object{"rateBasisPoints": 500})
		}, 403, "auth.forbidden", ""},
		{"interest on no account", func(*shop) request {
			return post(operator, "/accounts/"+unknownID+"/interest", object{"rateBasisPoints": 500})
		}, 404, "account.not-found", ""},
		{"key again with other interest", func(s *shop) request {
			s.must(http.StatusCreated, interest(500)(s).with("Idempotency-Key", "k"))
			return interest(501)(s).with("Idempotency-Key", "k")
		}, 422, "idempotency.key-reused", "header.Idempotency-Key"},
	})
}

// TestBadStatement: a statement that can't be shown, or a cursor of another one.
func TestBadStatement(t *testing.T) {
	statement := func(query string) func(*shop) request {
		return func(s *shop) request { return get(ada, "/accounts/"+s.account+"/statement?"+query) }
	}
	cursor := func(text string) func(*shop) request {
		return func(s *shop) request {
			text := strings.Replace(text, "{ada's}", s.account, 1)
			return get(
				ada, "/accounts/"+s.account+"/statement?cursor="+base64.RawURLEncoding.EncodeToString([]byte(text)),
			)
		}
	}
	refuseAll(t, []badCase{
		{
			"statement of no account", reading(operator, "/accounts/"+unknownID+"/statement"),
			404, "account.not-found", "",
		},
		{
			"statement of somebody", func(s *shop) request { return get(bob, "/accounts/"+s.account+"/statement") },
			404, "account.not-found", "",
		},
		{"statement of no id", reading(ada, "/accounts/1/statement"), 400, "request.invalid", "path.id"},
		{"statement, limit 0", statement("limit=0"), 400, "request.invalid", "query.limit"},
		{"statement, limit 101", statement("limit=101"), 400, "request.invalid", "query.limit"},
		{"statement, limit abc", statement("limit=abc"), 400, "request.invalid", "query.limit"},
		{"statement, unknown parameter", statement("page=2"), 400, "request.invalid", "query.page"},
		{"statement, cursor of ours not", statement("cursor=abc"), 400, "cursor.invalid", "query.cursor"},
		{
			"statement, cursor that is long", statement("cursor=" + strings.Repeat("a", 1025)), 400, "request.invalid",
			"query.cursor",
		},
		{
			"statement, cursor of the future", cursor(`{"v":2,"a":"{ada's}","b":2}`), 400, "cursor.invalid",
			"query.cursor",
		},
		{
			"statement, cursor with more in it", cursor(`{"v":1,"a":"{ada's}","b":2,"c":3}`), 400, "cursor.invalid",
			"query.cursor",
		},
		{
			"statement, cursor with text after it", cursor(`{"v":1,"a":"{ada's}","b":2}{}`), 400, "cursor.invalid",
			"query.cursor",
		},
		{
			"statement, cursor before the beginning", cursor(`{"v":1,"a":"{ada's}","b":0}`), 400, "cursor.invalid",
			"query.cursor",
		},
		{
			"statement, another account's cursor", cursor(`{"v":1,"a":"` + unknownID + `","b":2}`), 400,
			"cursor.invalid", "query.cursor",
		},
	})
}

// TestBadStock: a count that can't be stored.
func TestBadStock(t *testing.T) {
	refuseAll(t, []badCase{
		{
			"stock without a version", func(*shop) request { return put(operator, "/stock/cd-1", 5, "If-Match", "") },
			428, "stock.version-required", "header.If-Match",
		},
		{"stock at an old version", func(s *shop) request {
			s.must(http.StatusOK, put(operator, "/stock/cd-1", 12, "If-Match", `"1"`))
			return put(operator, "/stock/cd-1", 5, "If-Match", `"1"`)
		}, 412, "stock.version-mismatch", ""},
		{
			"stock at a version to come",
			func(*shop) request { return put(operator, "/stock/cd-1", 5, "If-Match", `"7"`) }, 412,
			"stock.version-mismatch", "",
		},
		{
			"new stock that is there",
			func(*shop) request { return put(operator, "/stock/cd-1", 5, "If-None-Match", "*") }, 412,
			"stock.version-mismatch", "",
		},
		{
			"stock at two versions",
			func(*shop) request { return put(operator, "/stock/cd-1", 5, "If-Match", `"1", "2"`) }, 400,
			"request.invalid", "header.If-Match",
		},
		{
			"stock at a bare number", func(*shop) request { return put(operator, "/stock/cd-1", 5, "If-Match", `1`) },
			400, "request.invalid", "header.If-Match",
		},
		{"stock at both", func(*shop) request {
			return put(operator, "/stock/cd-1", 5, "If-Match", `"1"`).with("If-None-Match", "*")
		}, 400, "request.invalid", "header.If-None-Match"},
		{
			"negative stock", func(*shop) request { return put(operator, "/stock/cd-1", -1, "If-Match", `"1"`) }, 400,
			"request.invalid", "body.onHand",
		},
		{
			"stock of an impossible SKU",
			func(*shop) request { return put(operator, "/stock/a%20b", 1, "If-None-Match", "*") }, 400,
			"request.invalid", "path.sku",
		},
		{
			"stock by a customer", func(*shop) request { return put(ada, "/stock/cd-1", 5, "If-Match", `"1"`) }, 403,
			"auth.forbidden", "",
		},
		{
			"more shards than may be", func(*shop) request { return split(operator, "/stock/cd-1/shards", 17) }, 400,
			"request.invalid", "body.shards",
		},
		{
			"shards of unknown stock", func(*shop) request { return split(operator, "/stock/nothing/shards", 2) }, 404,
			"stock.not-found", "",
		},
		{"unknown stock", reading(ada, "/stock/nothing"), 404, "stock.not-found", ""},
	})
}

// TestBadRead: things that are unknown, and lists that are asked for wrongly.
func TestBadRead(t *testing.T) {
	refuseAll(t, []badCase{
		{"unknown order", reading(ada, "/orders/"+unknownID), 404, "order.not-found", ""},
		{"unknown order's history", reading(operator, "/orders/"+unknownID+"/history"), 404, "order.not-found", ""},
		{"no order id", reading(ada, "/orders/x"), 400, "request.invalid", "path.id"},
		{"unknown account", reading(operator, "/accounts/"+unknownID), 404, "account.not-found", ""},
		{
			"unknown customer's statistics", reading(operator, "/customers/eve/statistics"),
			404, "customer.not-found", "",
		},
		{
			"unknown query parameter", reading(ada, "/customers/ada/orders?state=placed"), 400, "request.invalid",
			"query.state",
		},
		{"limit 0", reading(ada, "/customers/ada/orders?limit=0"), 400, "request.invalid", "query.limit"},
		{"limit 101", reading(ada, "/customers/ada/orders?limit=101"), 400, "request.invalid", "query.limit"},
		{"limit abc", reading(ada, "/customers/ada/orders?limit=abc"), 400, "request.invalid", "query.limit"},
		{"status nope", reading(ada, "/customers/ada/orders?status=nope"), 400, "request.invalid", "query.status"},
		{"cursor of ours not", reading(ada, "/customers/ada/orders?cursor=abc"), 400, "cursor.invalid", "query.cursor"},
	})
}

// TestBadFigures: a period that has no figures.
func TestBadFigures(t *testing.T) {
	refuseAll(t, []badCase{
		{"figures of no period", reading(operator, "/analytics/daily"), 400, "request.invalid", "query.from"},
		{
			"figures without an end", reading(operator, "/analytics/daily?from=2026-03-01"), 400, "request.invalid",
			"query.to",
		},
		{
			"figures of an empty day", reading(operator, "/analytics/daily?from=&to=2026-03-01"),
			400, "request.invalid", "query.from",
		},
		{
			"figures of a day that there is not", reading(operator, "/analytics/daily?from=2026-02-28&to=2026-02-29"),
			400, "request.invalid", "query.to",
		},
		{
			"figures of a moment", reading(operator, "/analytics/daily?from=2026-03-01T00:00:00Z&to=2026-03-01"), 400,
			"request.invalid", "query.from",
		},
		{
			"figures of the last days that a date can be written of",
			reading(operator, "/analytics/daily?from=9999-12-01&to=9999-12-31"), 400, "request.invalid", "query.from",
		},
		{
			"figures of days long before a shop", reading(operator, "/analytics/daily?from=1969-12-31&to=1970-01-01"),
			400, "request.invalid", "query.from",
		},
		{
			"figures of two days at once",
			reading(operator, "/analytics/daily?from=2026-03-01&from=2026-03-02&to=2026-03-03"), 400, "request.invalid",
			"query.from",
		},
		{
			"figures the wrong way", reading(operator, "/analytics/daily?from=2026-03-02&to=2026-03-01"), 400,
			"analytics.invalid-period", "query.to",
		},
		{
			"figures of too many days", reading(operator, "/analytics/daily?from=2026-03-01&to=2026-06-01"), 400,
			"analytics.invalid-period", "query.to",
		},
		{
			"hours of too many days", reading(operator, "/analytics/daily?from=2026-03-01&to=2026-03-08&hours=true"),
			400, "analytics.invalid-period", "query.hours",
		},
		{
			"hours, perhaps", reading(operator, "/analytics/daily?from=2026-03-01&to=2026-03-01&hours=maybe"), 400,
			"request.invalid", "query.hours",
		},
		{
			"too many SKUs of a day", reading(operator, "/analytics/daily?from=2026-03-01&to=2026-03-01&top=101"), 400,
			"request.invalid", "query.top",
		},
		{"no minutes", reading(operator, "/analytics/minutes?minutes=0"), 400, "request.invalid", "query.minutes"},
		{
			"minutes of more than a day", reading(operator, "/analytics/minutes?minutes=1441"), 400, "request.invalid",
			"query.minutes",
		},
		{
			"minutes before no time", reading(operator, "/analytics/minutes?before=noon"), 400, "request.invalid",
			"query.before",
		},
		{
			"minutes before a shop", reading(operator, "/analytics/minutes?before=1970-01-01T00:00:00Z"), 400,
			"analytics.invalid-period", "query.before",
		},
	})
}

// TestBadRoute: a path or a method that nothing answers.
func TestBadRoute(t *testing.T) {
	refuseAll(t, []badCase{
		{"unknown route", reading(ada, "/nothing"), 404, "request.no-such-route", ""},
		{
			"unknown route with a body", func(*shop) request { return post(ada, "/nothing", object{}) }, 404,
			"request.no-such-route", "",
		},
		{"path with an empty step", reading(ada, "//stock//cd-1"), 404, "request.no-such-route", ""},
		{"path with a slash at its end", reading(ada, "/stock/cd-1/"), 404, "request.no-such-route", ""},
		{"path with dots", reading(ada, "/stock/../stock/cd-1"), 404, "request.no-such-route", ""},
		{"path with a percent sign", reading(ada, "/stock/%zz"), 400, "request.invalid", "path.sku"},
		{"wrong method", func(s *shop) request {
			return request{who: ada, method: http.MethodDelete, path: "/orders/" + s.order + "/cancel"}
		}, 405, "request.method-not-allowed", ""},
	})
}

func checkProblem(t *testing.T, res response, status int, code string) {
	t.Helper()
	if res.status != status || res.text("code") != code {
		t.Fatalf("%d %s, want %d %s: %s", res.status, res.text("code"), status, code, res.raw)
	}
	if got := res.headers["Content-Type"]; got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	if res.body["status"] != float64(status) || res.text("type") != "urn:problem-type:orderflow:"+code ||
		res.text("title") != http.StatusText(status) {
		t.Errorf("type, title or status do not fit: %s", res.raw)
	}
	if res.headers["X-Correlation-Id"] == "" {
		t.Error("there is no correlation id")
	}
	for _, internal := range []string{"goroutine", "json:", "Go struct", "reflect", ".go:"} {
		if strings.Contains(res.raw, internal) {
			t.Errorf("%q shows internals", res.raw)
		}
	}
}

func locations(res response) []string {
	var out []string
	list, _ := res.body["errors"].([]any)
	for _, e := range list {
		place, _ := e.(object)
		location, _ := place["location"].(string)
		out = append(out, location)
	}
	return out
}

// TestLargestOrder: what the description allows at most is taken.
func TestLargestOrder(t *testing.T) {
	s := newShop(t)
	lines := make([]object, order.MaxLines)
	for i := range lines {
		sku := fmt.Sprintf("%064d", i%order.MaxSKUs)
		if i < order.MaxSKUs {
			s.list(sku, 0, order.MaxUnitPrice)
		}
		lines[i] = line(sku, 10, order.MaxUnitPrice)
		for _, field := range []string{"discount", "tax"} {
			name := strings.Repeat("𝄞", order.MaxAdjustmentName)
			lines[i][field] = object{"name": name, "amount": usd(10 * order.MaxUnitPrice), "ratePpm": order.MaxRatePPM}
		}
		lines[i]["amount"] = usd(10 * order.MaxUnitPrice)
	}
	body := set(anOrder(lines...), "customerId", "ada")
	for field, n := range map[string]int{"recipient": 100, "line1": 100, "line2": 100, "city": 100} {
		body = set(body, "shippingAddress."+field, strings.Repeat("ß", n))
	}
	res := s.must(http.StatusAccepted, post(quotes, "/orders", body))
	if total, _ := res.body["total"].(object); total["amount"] != float64(order.MaxTotal) {
		t.Errorf("total is %v, want %v", total["amount"], order.MaxTotal)
	}
}
