package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"
)

// TestStatement: the account's movements, newest first, on pages that put together are all of them.
func TestStatement(t *testing.T) {
	s := newShop(t)
	path := "/accounts/" + s.account
	withdrawn := s.must(http.StatusCreated, post(ada, path+"/withdrawals", object{"amount": usd(1000)}))
	sent := s.must(http.StatusCreated, post(ada, path+"/transfers", object{"toAccountId": s.bobs, "amount": usd(1500)}))
	if balance, _ := sent.body["balance"].(object); balance["amount"] != 2500.0 ||
		sent.text("fromAccountId") != s.account || sent.text("toAccountId") != s.bobs {
		t.Errorf("transfer is %s", sent.raw)
	}
	borne := s.must(http.StatusCreated, post(operator, path+"/interest", object{"rateBasisPoints": 500}))
	if amount, _ := borne.body["amount"].(object); amount["amount"] != 125.0 || borne.body["rateBasisPoints"] != 500.0 {
		t.Errorf("interest is %s", borne.raw)
	}
	type movement struct {
		sequence        float64
		kind            string
		amount, balance float64
		counterparty    any
	}
	want := []movement{
		{5, "interest", 125, 2625, nil}, {4, "transfer-out", -1500, 2500, s.bobs}, {3, "withdrawal", -1000, 4000, nil},
		{2, "deposit", 5000, 5000, nil},
	}
	for limit := 1; limit <= 5; limit++ {
		var got []movement
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			query := fmt.Sprintf("?limit=%d", limit)
			if cursor != "" {
				query += "&cursor=" + cursor
			}
			page := s.must(http.StatusOK, get(ada, path+"/statement"+query))
			if balance, _ := page.body["balance"].(object); balance["amount"] != 2625.0 ||
				balance["currency"] != "USD" || page.text("accountId") != s.account {
				t.Errorf("page is %s", page.raw)
			}
			list, _ := page.body["movements"].([]any)
			if len(list) == 0 || len(list) > limit {
				t.Fatalf("%d a page: %s", limit, page.raw)
			}
			for _, each := range list {
				m, _ := each.(object)
				amount, _ := m["amount"].(object)
				balance, _ := m["balance"].(object)
				if m["time"] != "2026-03-01T12:00:00Z" || m["reference"] == "" {
					t.Errorf("movement is %v", m)
				}
				got = append(
					got,
					movement{
						m["sequence"].(float64), m["kind"].(string), amount["amount"].(float64),
						balance["amount"].(float64), m["counterparty"],
					},
				)
			}
			cursor = page.text("next")
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d a page: %v, want %v", limit, got, want)
		}
	}
	whole := s.must(http.StatusOK, get(operator, path+"/statement"))
	list, _ := whole.body["movements"].([]any)
	for i, reference := range []string{
		"interest/" + borne.text("id"), "transfer/" + sent.text("id"), "withdrawal/" + withdrawn.text("id"),
	} {
		if m, _ := list[i].(object); m["reference"] != reference {
			t.Errorf("%v, want reference %s", m, reference)
		}
	}
	theirs := s.must(http.StatusOK, get(bob, "/accounts/"+s.bobs+"/statement"))
	list, _ = theirs.body["movements"].([]any)
	if first, _ := list[0].(object); len(list) != 1 || first["kind"] != "transfer-in" ||
		first["counterparty"] != s.account {
		t.Errorf("bob's is %s", theirs.raw)
	}
}

// TestStatementOfNothing is a list, and no null.
func TestStatementOfNothing(t *testing.T) {
	s := newShop(t)
	res := s.must(http.StatusOK, get(bob, "/accounts/"+s.bobs+"/statement"))
	if list, ok := res.body["movements"].([]any); !ok || len(list) != 0 || res.body["next"] != nil {
		t.Errorf("statement is %s", res.raw)
	}
}
