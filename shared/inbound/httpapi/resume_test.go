package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"orderflow/shared/shop/order"
)

// TestPayAgain: a declined payment is tried again by the order's customer or an operator, with an
// account of the customer's in the order's currency, and once a wait.
func TestPayAgain(t *testing.T) {
	s := newShop(t)
	euros := s.must(http.StatusCreated, post(ada, "/accounts", object{"currency": "EUR"})).text("id")
	pay := func(who caller, key string, body object) request {
		return post(who, "/orders/"+s.order+"/payment", body).with("Idempotency-Key", key)
	}
	checkProblem(t, s.send(pay(ada, "early", object{})), http.StatusConflict, "order.not-waiting")
	s.follow(order.RequirePayment{
		Revision: 1, Code: "account.insufficient-funds", Detail: "too little", Until: "2026-03-01T12:30:00Z",
		Park: order.Park{Token: "secret", SagaID: "run"},
	})
	shown := s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	wait, _ := shown.body["wait"].(object)
	if shown.text("status") != "payment-required" || wait["for"] != "payment" ||
		wait["until"] != "2026-03-01T12:30:00Z" || wait["code"] != "account.insufficient-funds" {
		t.Errorf("shown %s", shown.raw)
	}
	checkProblem(t, s.send(pay(bob, "b", object{})), http.StatusNotFound, "order.not-found")
	checkProblem(
		t, s.send(pay(ada, "c", object{"accountId": s.bobs})), http.StatusUnprocessableEntity, "account.not-yours",
	)
	checkProblem(
		t, s.send(pay(ada, "d", object{"accountId": euros})), http.StatusUnprocessableEntity,
		"account.wrong-currency",
	)
	for range 2 { // the request may come twice
		paid := s.must(http.StatusAccepted, pay(ada, "e", object{"accountId": s.account}))
		if paid.text("status") != "placed" || paid.text("accountId") != s.account {
			t.Errorf("paid again: %s", paid.raw)
		}
	}
	checkProblem(t, s.send(pay(operator, "f", object{})), http.StatusConflict, "order.not-waiting")
	history := s.must(http.StatusOK, get(ada, "/orders/"+s.order+"/history"))
	types := []string{}
	events, _ := history.body["events"].([]any)
	for _, e := range events {
		types = append(types, fmt.Sprint(e.(object)["type"]))
	}
	wantTypes(t, types, "order.placed", "order.payment-required", "order.payment-requested")
	s.follow(order.Close{Origin: order.OriginSaga, Reason: order.ReasonSaga})
	checkProblem(t, s.send(pay(ada, "g", object{})), http.StatusConflict, "order.cancelling")
}

// TestHeld: an order that matches a rule waits for an operator, who says why.
func TestHeld(t *testing.T) {
	s := newShop(t)
	place := func() string {
		placed := s.must(http.StatusAccepted, post(ada, "/orders", toFrance()))
		if rules, _ := placed.body["holdRules"].([]any); len(rules) != 1 || rules[0] != order.RuleCountry {
			t.Errorf("placed %s", placed.raw)
		}
		return placed.text("id")
	}
	why := object{"reason": "known to us"}
	s.order = place()
	checkProblem(t, s.send(post(ada, "/orders/"+s.order+"/approve", why)), http.StatusForbidden, "auth.forbidden")
	checkProblem(t, s.send(post(ada, "/orders/"+s.order+"/decline", why)), http.StatusForbidden, "auth.forbidden")
	s.follow(order.Hold{Until: "2026-03-02T12:00:00Z", Park: order.Park{Token: "secret", SagaID: "run"}})
	shown := s.must(http.StatusOK, get(ada, "/orders/"+s.order))
	if wait, _ := shown.body["wait"].(object); shown.text("status") != "held" || wait["for"] != "approval" {
		t.Errorf("shown %s", shown.raw)
	}
	approved := s.must(http.StatusAccepted, post(operator, "/orders/"+s.order+"/approve", why))
	approval, _ := approved.body["approval"].(object)
	if approved.text("status") != "placed" || approval["note"] != "known to us" || approval["by"] == "" {
		t.Errorf("approved: %s", approved.raw)
	}
	checkProblem(
		t, s.send(post(operator, "/orders/"+s.order+"/decline", why)), http.StatusConflict, "order.not-waiting",
	)
	s.order = place()
	declined := s.must(http.StatusAccepted, post(operator, "/orders/"+s.order+"/decline", why))
	closed, _ := declined.body["cancellation"].(object)
	if declined.text("status") != "cancelling" || closed["reason"] != "order.declined" ||
		closed["note"] != "known to us" {
		t.Errorf("declined: %s", declined.raw)
	}
	checkProblem(
		t, s.send(post(operator, "/orders/"+s.order+"/approve", why)), http.StatusConflict, "order.cancelling",
	)
	plain := s.must(http.StatusAccepted, post(ada, "/orders", anOrder())).text("id")
	checkProblem(
		t, s.send(post(operator, "/orders/"+plain+"/approve", why)), http.StatusConflict, "order.not-waiting",
	)
}

func wantTypes(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("events %v, want %v", got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("events %v, want %v", got, want)
		}
	}
}
