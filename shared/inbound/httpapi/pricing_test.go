package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/ident"
)

func unpriced(sku string, quantity int64) object { return object{"sku": sku, "quantity": quantity} }

// inDollars is an order of ada's in dollars.
func inDollars(lines ...object) object {
	return set(set(anOrder(lines...), "currency", "USD"), "customerId", "ada")
}

// quotedOrder is one with all that only those send who may name prices: 2 × 9.00 − 1.00 + 1.53 =
// 18.53, and 9.99.
func quotedOrder() object {
	quoted := line("cd-1", 2, 900)
	quoted["discount"] = object{"name": "Regular customer", "amount": usd(100)}
	quoted["tax"] = object{"name": "Sales tax", "amount": usd(153), "ratePpm": 90_000}
	quoted["amount"] = usd(1853)
	return inDollars(quoted, unpriced("cd-2", 1))
}

// asJSON is a part of an answer as what it is made of.
func asJSON(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNobodyInventsAPrice: neither a customer nor an operator gets anything for less than the
// catalogue asks, nor a carrier anything at all; nothing is written, and the key is free.
func TestNobodyInventsAPrice(t *testing.T) {
	for name, who := range map[string]caller{"customer": ada, "operator": operator} {
		for body, order := range map[string]object{
			"for nothing":          inDollars(line("cd-1", 1, 0)),
			"for a cent":           inDollars(line("cd-1", 1, 1)),
			"for more":             inDollars(line("cd-1", 1, 1051)),
			"one line for nothing": inDollars(line("cd-1", 1, 1050), line("cd-1", 1, 0)),
		} {
			t.Run(name+" "+body, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				before := s.store.commits.Load()
				res := s.send(post(who, "/orders", order).with("Idempotency-Key", "k"))
				checkProblem(t, res, http.StatusConflict, "order.price-changed")
				if s.store.commits.Load() != before {
					t.Error("something was written")
				}
				good := post(who, "/orders", inDollars(unpriced("cd-1", 1)))
				s.must(http.StatusAccepted, good.with("Idempotency-Key", "k"))
			})
		}
		for _, field := range []string{"discount", "tax", "amount"} {
			t.Run(name+" with "+field, func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				before := s.store.commits.Load()
				quoted, _ := quotedOrder()["lines"].([]any)[0].(object)
				l := object{"sku": "cd-1", "quantity": 2, field: quoted[field]}
				res := s.send(post(who, "/orders", inDollars(unpriced("cd-2", 1), l)))
				checkProblem(t, res, http.StatusForbidden, "auth.forbidden")
				if got := locations(res); len(got) != 1 || got[0] != "body.lines[1]."+field ||
					s.store.commits.Load() != before {
					t.Errorf("errors at %v", got)
				}
			})
		}
	}
}

// TestPriceChanged: the problem says what each line costs now, for programs, and the order can be
// sent again with it under the same key.
func TestPriceChanged(t *testing.T) {
	s := newShop(t)
	s.list("cd-2", 1, 1299)
	order := inDollars(line("cd-2", 1, 999), line("cd-1", 2, 1050), unpriced("cd-2", 1))
	res := s.send(post(ada, "/orders", order).with("Idempotency-Key", "k"))
	checkProblem(t, res, http.StatusConflict, "order.price-changed")
	prices := []object{
		{"index": 0, "sku": "cd-2", "unitPrice": usd(1299)}, {"index": 1, "sku": "cd-1", "unitPrice": usd(1050)},
		{"index": 2, "sku": "cd-2", "unitPrice": usd(1299)},
	}
	if diff := cmp.Diff(asJSON(t, prices), res.body["lines"]); diff != "" {
		t.Error(diff)
	}
	if got := locations(res); len(got) != 1 || got[0] != "body.lines[0].unitPrice" {
		t.Errorf("errors at %v", got)
	}
	good := post(ada, "/orders", set(order, "lines.0.unitPrice.amount", 1299))
	placed := s.must(http.StatusAccepted, good.with("Idempotency-Key", "k"))
	diff := cmp.Diff(asJSON(t, usd(1299+2100+1299)), placed.body["total"])
	if diff != "" || placed.text("pricedBy") != "catalogue" {
		t.Errorf("%s: %s", placed.raw, diff)
	}
}

// TestNotForSale names each line that nobody sells.
func TestNotForSale(t *testing.T) {
	s := newShop(t)
	s.withdraw("cd-2", 1)
	before := s.store.commits.Load()
	for name, who := range map[string]caller{"customer": ada, "operator": operator, "pricing system": quotes} {
		res := s.send(post(who, "/orders", inDollars(line("cd-3", 1, 1), line("cd-1", 1, 1050), line("cd-2", 1, 999))))
		checkProblem(t, res, http.StatusUnprocessableEntity, "order.not-for-sale")
		if got := strings.Join(locations(res), " "); got != "body.lines[0].sku body.lines[2].sku" {
			t.Errorf("%s: errors at %s", name, got)
		}
	}
	res := s.send(post(ada, "/orders", set(anOrder(unpriced("cd-1", 1)), "currency", "EUR")))
	checkProblem(t, res, http.StatusUnprocessableEntity, "order.not-for-sale")
	if s.store.commits.Load() != before {
		t.Error("something was written")
	}
}

// TestOrderedPricesStand: an order is answered as it was placed, whatever became of its products,
// also to its request that is sent again.
func TestOrderedPricesStand(t *testing.T) {
	s := newShop(t)
	place := post(ada, "/orders", anOrder()).with("Idempotency-Key", "k")
	first := s.must(http.StatusAccepted, place)
	s.list("cd-1", 1, 5000)
	s.withdraw("cd-2", 1)
	if again := s.must(http.StatusAccepted, place); again.raw != first.raw {
		t.Errorf("first %s\nagain %s", first.raw, again.raw)
	}
	if read := s.must(http.StatusOK, get(ada, "/orders/"+first.text("id"))); read.raw != first.raw {
		t.Errorf("placed %s\nread   %s", first.raw, read.raw)
	}
	checkProblem(t, s.send(post(ada, "/orders", anOrder())), http.StatusUnprocessableEntity, "order.not-for-sale")
}

// TestQuotedOrder: who may name prices does, of what is listed, and the order says who it was, what
// each line comes to and why.
func TestQuotedOrder(t *testing.T) {
	for name, who := range map[string]caller{"pricing": quotes, "operator": pricer} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			placed := s.must(http.StatusAccepted, post(who, "/orders", quotedOrder()))
			by := name + "/" + ident.Derive("subject", "", who.claims["sub"])
			want := []object{
				{
					"sku": "cd-1", "quantity": 2, "unitPrice": usd(900), "amount": usd(1853),
					"discount": object{"name": "Regular customer", "amount": usd(100)},
					"tax":      object{"name": "Sales tax", "amount": usd(153), "ratePpm": 90_000},
				},
				{"sku": "cd-2", "quantity": 1, "unitPrice": usd(999), "amount": usd(999)},
			}
			if diff := cmp.Diff(asJSON(t, want), placed.body["lines"]); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(asJSON(t, usd(2852)), placed.body["total"]); diff != "" {
				t.Error(diff)
			}
			if placed.text("pricedBy") != by || placed.text("customerId") != "ada" {
				t.Errorf("for %s, priced by %s, want %s", placed.text("customerId"), placed.text("pricedBy"), by)
			}
			// The customer sees it, as any order, and its history who priced it.
			read := s.must(http.StatusOK, get(ada, "/orders/"+placed.text("id")))
			if read.raw != placed.raw {
				t.Errorf("placed %s\nread   %s", placed.raw, read.raw)
			}
			history := s.must(http.StatusOK, get(ada, "/orders/"+placed.text("id")+"/history"))
			for _, part := range []string{`"pricedBy":"` + by + `"`, `"ratePpm":90000`} {
				if !strings.Contains(history.raw, part) {
					t.Errorf("history is %s", history.raw)
				}
			}
		})
	}
}

// TestBadQuotes: a caller who may name prices is held to the rule of the line.
func TestBadQuotes(t *testing.T) {
	for _, tt := range []struct {
		path           string
		value          any
		status         int
		code, location string
	}{
		{"lines.0.amount.amount", 1854, 422, "order.invalid-lines", "body.lines[0].amount"},
		{"lines.0.amount.currency", "EUR", 422, "order.invalid-lines", "body.lines[0].amount"},
		{"lines.0.discount.amount.amount", 1801, 422, "order.invalid-lines", "body.lines[0].discount.amount.amount"},
		{"lines.0.discount.amount.amount", -1, 400, "request.invalid", "body.lines[0].discount.amount.amount"},
		{"lines.0.discount.amount.currency", "EUR", 400, "money.mixed-currencies", "body.lines[0].discount.amount"},
		{"lines.0.tax.amount.amount", -1, 400, "request.invalid", "body.lines[0].tax.amount.amount"},
		{"lines.0.tax.amount.currency", "EUR", 400, "money.mixed-currencies", "body.lines[0].tax.amount"},
		{"lines.0.tax.name", "", 400, "request.invalid", "body.lines[0].tax.name"},
		{"lines.0.tax.name", "VAT\n", 422, "order.invalid-lines", "body.lines[0].tax.name"},
		{"lines.0.tax.ratePpm", 1.5, 400, "request.invalid", "body.lines[0].tax.ratePpm"},
		{"lines.0.tax.ratePpm", 1_000_001, 400, "request.invalid", "body.lines[0].tax.ratePpm"},
		{"lines.0.unitPrice.amount", -1, 400, "request.invalid", "body.lines[0].unitPrice.amount"},
		{"lines.0.quantity", -1, 400, "request.invalid", "body.lines[0].quantity"},
		{"lines.0.unitPrice.currency", "EUR", 400, "money.mixed-currencies", "body.lines[0].unitPrice"},
		{"currency", "EUR", 400, "money.mixed-currencies", "body.lines[0].unitPrice"},
		{"customerId", "nobody", 422, "order.unknown-customer", "body.customerId"},
	} {
		t.Run(tt.path, func(t *testing.T) {
			s := newShop(t)
			before := s.store.commits.Load()
			res := s.send(post(quotes, "/orders", set(quotedOrder(), tt.path, tt.value)))
			checkProblem(t, res, tt.status, tt.code)
			if got := locations(res); len(got) != 1 || got[0] != tt.location || s.store.commits.Load() != before {
				t.Errorf("errors at %v, want %s", got, tt.location)
			}
		})
	}
	t.Run("for nobody", func(t *testing.T) {
		order := quotedOrder()
		delete(order, "customerId")
		checkProblem(t, newShop(t).send(post(quotes, "/orders", order)), http.StatusBadRequest, "request.invalid")
	})
	t.Run("in no currency", func(t *testing.T) {
		res := newShop(t).send(post(ada, "/orders", anOrder(unpriced("cd-1", 1))))
		checkProblem(t, res, http.StatusBadRequest, "order.currency-missing")
	})
}
