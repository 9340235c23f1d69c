package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
)

// leave has the order paid, and takes it to where it has left.
func (s *shop) leave() {
	s.t.Helper()
	ctx := context.Background()
	placed, err := s.orders.Get(ctx, s.order)
	if err != nil {
		s.t.Fatal(err)
	}
	payments := payment.New(payment.Deps{Store: s.store, Clock: s.clock})
	req := es.Request{CommitID: ident.Derive("test", s.order, "charge"), Time: s.clock.Now()}
	if _, err := payments.Charge(ctx, req, payment.Charge{
		OrderID: s.order, Revision: 1, CustomerID: "ada", AccountID: s.account, Amount: placed.State.Total,
	}); err != nil {
		s.t.Fatal(err)
	}
	s.run(order.Confirm{
		SagaID: "s", PaymentID: payment.ID(s.order, 1), ShipmentID: "shipment", TrackingNumber: "OF-1",
	}, order.Ship{ShipmentID: "shipment"})
}

func (s *shop) refund(body object) request {
	return post(operator, "/orders/"+s.order+"/refunds", body)
}

func aPiece() object {
	return object{"reason": "damaged", "lines": []object{{"line": 0, "quantity": 1}}}
}

func aGoodwill(amount int64) object { return object{"reason": "late", "goodwill": usd(amount)} }

// TestRefund: a refund is shown on the order, in its history and in the statement; who refunded,
// and what they wrote about it, to operators alone.
func TestRefund(t *testing.T) {
	s := newShop(t)
	s.leave()
	body := object{
		"reason": "damaged", "note": "Ada sent photos", "shipping": usd(100),
		"lines": []object{{"sku": "cd-1", "quantity": 1}, {"line": 1, "amount": usd(9)}},
	}
	made := s.must(http.StatusCreated, s.refund(body))
	amount := func(n float64) object { return object{"amount": n, "currency": "USD"} }
	want := object{
		"id": made.text("id"), "orderId": s.order, "accountId": s.account, "amount": amount(1159), "reason": "damaged",
		"shipping": amount(100), "refundedAt": "2026-03-01T12:00:00Z", "by": "person/operator-1",
		"refunded": amount(1159),
		"lines": []any{
			object{"line": 0.0, "sku": "cd-1", "quantity": 1.0, "amount": amount(1050)},
			object{"line": 1.0, "sku": "cd-2", "amount": amount(9)},
		},
	}
	if diff := cmp.Diff(want, made.body); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if made.headers["Location"] != "/orders/"+s.order {
		t.Errorf("location %q", made.headers["Location"])
	}
	s.must(http.StatusCreated, s.refund(aGoodwill(41)))

	for _, who := range []caller{operator, ada} {
		seen := s.must(http.StatusOK, get(who, "/orders/"+s.order))
		left := []any{seen.body["refunded"], seen.body["refundable"]}
		if diff := cmp.Diff([]any{amount(1200), amount(1899)}, left); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
		refunds, _ := seen.body["refunds"].([]any)
		if len(refunds) != 2 {
			t.Fatalf("%s", seen.raw)
		}
		first, _ := refunds[0].(object)
		shown := first["by"] == "person/operator-1" && first["note"] == "Ada sent photos"
		hidden := !strings.Contains(seen.raw, "operator-1") && !strings.Contains(seen.raw, "photos")
		if who.claims["sub"] == operator.claims["sub"] && !shown || who.claims["sub"] == ada.claims["sub"] && !hidden {
			t.Errorf("%v sees %s", who.claims, seen.raw)
		}
		history := s.must(http.StatusOK, get(who, "/orders/"+s.order+"/history"))
		if !strings.Contains(history.raw, `"order.refunded"`) || strings.Contains(history.raw, "note") ||
			strings.Contains(history.raw, "operator-1") != (who.claims["sub"] == operator.claims["sub"]) {
			t.Errorf("%v sees %s", who.claims, history.raw)
		}
	}
	statement := s.must(http.StatusOK, get(ada, "/accounts/"+s.account+"/statement"))
	movements, _ := statement.body["movements"].([]any)
	line, _ := movements[1].(object)
	if diff := cmp.Diff(amount(1159), line["amount"]); diff != "" || line["kind"] != "refund" ||
		line["reference"] != "refund/"+made.text("id") {
		t.Errorf("statement %s", statement.raw)
	}

	s.erase("ada")
	if seen := s.must(http.StatusOK, get(operator, "/orders/"+s.order)); strings.Contains(seen.raw, "photos") ||
		!strings.Contains(seen.raw, made.text("id")) {
		t.Errorf("of an erased customer: %s", seen.raw)
	}
	s.must(http.StatusCreated, s.refund(aGoodwill(1)))
	if res := s.send(s.refund(body)); res.status < 400 || res.status >= 500 {
		t.Errorf("a note about an erased customer: %d %s", res.status, res.raw)
	}
}

// TestRefundRefused: what is not dispatched is cancelled or amended; never more is given back than
// was paid.
func TestRefundRefused(t *testing.T) {
	s := newShop(t)
	for name, tt := range map[string]struct {
		body     object
		status   int
		code, at string
	}{
		"no reason": {object{"goodwill": usd(1)}, http.StatusBadRequest, "request.invalid", "body"},
		"another reason": {
			set(aGoodwill(1), "reason", "mood"), http.StatusBadRequest, "request.invalid", "body.reason",
		},
		"an empty list": {
			object{"reason": "late", "lines": []object{}}, http.StatusBadRequest, "request.invalid", "body.lines",
		},
		"nothing of goodwill": {aGoodwill(0), http.StatusBadRequest, "request.invalid", "body.goodwill.amount"},
		"no pieces": {
			set(aPiece(), "lines.0.quantity", 0), http.StatusBadRequest, "request.invalid", "body.lines[0].quantity",
		},
		"nothing at all": {object{"reason": "late"}, http.StatusUnprocessableEntity, "order.invalid-refund", "body"},
		"another line": {
			set(aPiece(), "lines.0.line", 7), http.StatusUnprocessableEntity, "order.invalid-refund",
			"body.lines[0].line",
		},
		"another currency": {
			set(aGoodwill(1), "goodwill.currency", "EUR"), http.StatusBadRequest, "money.mixed-currencies",
			"body.goodwill.currency",
		},
		"too many pieces": {
			set(aPiece(), "lines.0.quantity", 3), http.StatusConflict, "order.refund-exceeds",
			"body.lines[0].quantity",
		},
		"too much": {aGoodwill(3100), http.StatusConflict, "order.refund-exceeds", "body.goodwill.amount"},
	} {
		t.Run(name, func(t *testing.T) {
			left := newShop(t)
			left.leave()
			before := left.store.commits.Load()
			res := left.send(left.refund(tt.body))
			at := locations(res)
			if res.status != tt.status || res.text("code") != tt.code || len(at) != 1 || at[0] != tt.at {
				t.Errorf("%d %s", res.status, res.raw)
			}
			if left.store.commits.Load() != before {
				t.Error("something was written")
			}
		})
	}
	if res := s.send(s.refund(aPiece())); res.status != http.StatusConflict ||
		res.text("code") != "order.not-dispatched" || !strings.Contains(res.text("detail"), "cancel or amend it") {
		t.Errorf("of a placed order: %d %s", res.status, res.raw)
	}
	s.must(http.StatusAccepted, post(ada, "/orders/"+s.order+"/cancel", object{}))
	if res := s.send(s.refund(aPiece())); res.status != http.StatusConflict || res.text("code") != "order.cancelling" {
		t.Errorf("of a closed order: %d %s", res.status, res.raw)
	}
	if res := s.send(post(operator, "/orders/5f0c2f5e-0000-4000-8000-000000000000/refunds", aPiece())); res.status !=
		http.StatusNotFound || res.text("code") != "order.not-found" {
		t.Errorf("of no order: %d %s", res.status, res.raw)
	}
}
