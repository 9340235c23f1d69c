package httpapi_test

import (
	"net/http"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// prepared is a shop whose order is reserved, paid and packed: two of cd-1 and one of cd-2.
func prepared(t *testing.T) (s *shop, shipmentID string) {
	t.Helper()
	s = newShop(t)
	s.must(http.StatusOK, put(operator, "/stock/cd-2", 3, "If-None-Match", "*"))
	now, err := s.orders.Get(t.Context(), s.order)
	if err != nil {
		t.Fatal(err)
	}
	items := []stock.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 1}}
	if _, err := s.stocks.Reserve(
		t.Context(), s.command(), stock.Reservation{OrderID: s.order, Revision: 1, Items: items},
	); err != nil {
		t.Fatal(err)
	}
	payments := payment.New(payment.Deps{Store: s.store, Clock: s.clock})
	if _, err := payments.Charge(t.Context(), s.command(), payment.Charge{
		OrderID: s.order, Revision: 1, CustomerID: "ada", AccountID: s.account, Amount: now.State.Total,
	}); err != nil {
		t.Fatal(err)
	}
	shipmentID = s.ship(shipment.StatusPrepared)
	return s, shipmentID
}

// TestAmendOrder amends an order over HTTP: the answer, stock and account are what it then is, and
// a repeat is answered as the first was.
func TestAmendOrder(t *testing.T) {
	s, shipmentID := prepared(t)
	before := s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	total := func(raw response) float64 { return raw.body["total"].(object)["amount"].(float64) }
	body := object{
		"lines":  []object{{"sku": "cd-1", "quantity": 1}, {"sku": "cd-2", "quantity": 2}},
		"reason": "one is a present",
	}
	tag := before.headers["Etag"]
	s.must(http.StatusPreconditionRequired, patch(ada, "/orders/"+s.order, "", body))
	s.must(http.StatusNotFound, patch(bob, "/orders/"+s.order, tag, body))
	s.must(http.StatusPreconditionFailed, patch(ada, "/orders/"+s.order, `"1"`, body))
	var after response
	for range 2 { // the second time, its answer was lost
		after = s.must(http.StatusOK, patch(ada, "/orders/"+s.order, tag, body))
		amendment, _ := after.body["amendment"].(object)
		if len(after.body["lines"].([]any)) != 2 || amendment["by"] != "customer" || amendment["revision"] != 2.0 ||
			amendment["reason"] != "one is a present" {
			t.Errorf("amended: %s", after.raw)
		}
	}
	s.must(http.StatusPreconditionFailed, patch(ada, "/orders/"+s.order, tag, object{
		"lines": []object{{"sku": "cd-1", "quantity": 1}},
	}))
	account := s.must(http.StatusOK, get(ada, "/accounts/"+s.account))
	if left := account.body["balance"].(object)["amount"].(float64); left != 5000-total(after) {
		t.Errorf("the account has %v, after %s", left, after.raw)
	}
	for sku, reserved := range map[string]float64{"cd-1": 1, "cd-2": 2} {
		if level := s.must(http.StatusOK, get(operator, "/stock/"+sku)); level.body["reserved"] != reserved {
			t.Errorf("%s: %s", sku, level.raw)
		}
	}
	packed := s.must(http.StatusOK, get(carrier, "/shipments/"+shipmentID))
	if items := packed.body["items"].([]any); items[1].(object)["quantity"] != 2.0 {
		t.Errorf("packed: %s", packed.raw)
	}
	tag = after.headers["Etag"]
	far := abroad("US", object{"state": "NY", "postalCode": "10001", "city": "New York"})
	for name, tc := range map[string]struct {
		body   object
		status int
		code   string
	}{
		"too many pieces": {
			object{"lines": []object{{"sku": "cd-2", "quantity": 4}}}, http.StatusUnprocessableEntity,
			"stock.insufficient",
		},
		"every line": {object{"lines": []object{}}, http.StatusUnprocessableEntity, "order.invalid-lines"},
		"another price": {
			object{"lines": []object{{"sku": "cd-1", "quantity": 1, "unitPrice": usd(1)}}}, http.StatusConflict,
			"order.price-changed",
		},
		"a discount": {
			object{"lines": []object{{
				"sku": "cd-1", "quantity": 1, "discount": object{"name": "mine", "amount": usd(1)},
			}}},
			http.StatusForbidden, "auth.forbidden",
		},
		"a line that is not there": {
			object{"lines": []object{{"line": 7, "sku": "cd-1", "quantity": 1}}}, http.StatusUnprocessableEntity,
			"order.invalid-lines",
		},
		"another line's SKU": {
			object{"lines": []object{{"line": 1, "sku": "cd-1", "quantity": 1}}}, http.StatusUnprocessableEntity,
			"order.invalid-lines",
		},
		"nowhere": {
			object{"shippingAddress": far["shippingAddress"]},
			http.StatusUnprocessableEntity, "shipment.country-not-served",
		},
	} {
		if res := s.must(tc.status, patch(ada, "/orders/"+s.order, tag, tc.body)); res.text("code") != tc.code {
			t.Errorf("%s: %s", name, res.raw)
		}
	}
	if now := s.must(http.StatusOK, get(ada, "/orders/"+s.order)); now.headers["Etag"] != tag {
		t.Errorf("a refused amendment changed the order: %s", now.raw)
	}
	// A label of what was packed before is refused; one of what is packed now ends it.
	s.must(http.StatusPreconditionRequired, post(carrier, "/shipments/"+shipmentID+"/label", nil))
	s.must(
		http.StatusPreconditionFailed, post(carrier, "/shipments/"+shipmentID+"/label", nil).with("If-Match", `"2"`),
	)
	labelled := s.must(
		http.StatusOK,
		post(carrier, "/shipments/"+shipmentID+"/label", nil).with("If-Match", packed.headers["Etag"]),
	)
	if labelled.body["labelled"] != true || labelled.text("status") != "prepared" {
		t.Errorf("labelled: %s", labelled.raw)
	}
	late := s.must(http.StatusConflict, patch(ada, "/orders/"+s.order, tag, object{
		"lines": []object{{"sku": "cd-2", "quantity": 1}},
	}))
	if late.text("code") != "shipment.labelled" {
		t.Errorf("after the label: %s", late.raw)
	}
	s.must(http.StatusAccepted, post(ada, "/orders/"+s.order+"/cancel", object{}))
	tag = s.must(http.StatusOK, get(ada, "/orders/"+s.order)).headers["Etag"]
	late = s.must(http.StatusConflict, patch(ada, "/orders/"+s.order, tag, body))
	if late.text("code") != "order.cancelling" {
		t.Errorf("after the cancellation: %s", late.raw)
	}
}

// TestAmendUnderWay: an order that its run is at just now is not amended, and is worth another try
// in a moment.
func TestAmendUnderWay(t *testing.T) {
	s := newShop(t)
	res := s.must(http.StatusConflict, patch(ada, "/orders/"+s.order, `"1"`, object{
		"lines": []object{{"sku": "cd-1", "quantity": 1}},
	}))
	if res.text("code") != "order.under-way" || res.headers["Retry-After"] != "1" {
		t.Errorf("amended: %s %v", res.raw, res.headers)
	}
}

// TestAmendByPricing: an operator who may name prices also does so in an amendment, and then nobody
// else adds pieces.
func TestAmendByPricing(t *testing.T) {
	s, _ := prepared(t)
	both := caller{claims: map[string]string{"sub": "operator-1", "scope": "openid " + scope + " " + pricingScope}}
	tag := s.must(http.StatusOK, get(ada, "/orders/"+s.order)).headers["Etag"]
	res := s.must(http.StatusOK, patch(both, "/orders/"+s.order, tag, object{"lines": []object{
		{"sku": "cd-1", "quantity": 2, "unitPrice": usd(700), "discount": object{"name": "sorry", "amount": usd(101)}},
	}}))
	if got := res.body["total"].(object)["amount"]; got != 1299.0 {
		t.Errorf("amended: %s", res.raw)
	}
	tag = res.headers["Etag"]
	more := s.must(http.StatusUnprocessableEntity, patch(ada, "/orders/"+s.order, tag, object{
		"lines": []object{{"sku": "cd-1", "quantity": 3}},
	}))
	if more.text("code") != "order.prices-named" {
		t.Errorf("more: %s", more.raw)
	}
	less := s.must(http.StatusOK, patch(ada, "/orders/"+s.order, tag, object{
		"lines": []object{{"sku": "cd-1", "quantity": 1}},
	}))
	if got := less.body["total"].(object)["amount"]; got != 650.0 { // half of the discount, rounded down
		t.Errorf("amended: %s", less.raw)
	}
}

// command is one that this test gives by itself.
func (s *shop) command() es.Request {
	return es.Request{CommitID: ident.New(), Time: s.clock.Now()}
}
