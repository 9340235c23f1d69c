package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/shop/customer"
)

// find asks who has an address, without an Idempotency-Key.
func (w *world) find(body object) []string {
	w.t.Helper()
	res := w.must(http.StatusOK, post(operator, "/customers/search", body).with("Idempotency-Key", ""))
	ids := []string{}
	for _, found := range res.body["customers"].([]any) {
		ids = append(ids, found.(object)["id"].(string))
	}
	return ids
}

// An operator finds who has an address at present: in any case, all who share it, page by page, and
// nobody who moved or is erased. The address is in no line of the log.
func TestFindCustomers(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"a1", "a2", "b1"} {
		address := map[byte]string{'a': "Shared.Address@example.com", 'b': "b@example.com"}[id[0]]
		body := object{"customerId": id, "name": "X", "email": address}
		w.must(http.StatusCreated, post(operator, "/customers", body))
	}
	want := func(step, address string, ids ...string) {
		t.Helper()
		if diff := cmp.Diff(append([]string{}, ids...), w.find(object{"email": address})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	want("registered", "shared.address@EXAMPLE.com", "a1", "a2")
	want("somebody else's", "b@example.com", "b1")
	want("nobody's", "nobody@example.com")
	w.must(http.StatusOK, patch(operator, "/customers/a2", `"1"`, object{"email": "b@example.com"}))
	want("left", "shared.address@example.com", "a1")
	want("moved", "b@example.com", "a2", "b1")
	first := w.must(http.StatusOK, post(operator, "/customers/search", object{"email": "b@example.com", "limit": 1}))
	if first.text("next") != "a2" {
		t.Errorf("the first of two pages: %s", first.raw)
	}
	if got := w.find(object{"email": "b@example.com", "limit": 1, "after": "a2"}); !cmp.Equal(got, []string{"b1"}) {
		t.Errorf("the second of two pages has %s", got)
	}
	w.must(http.StatusOK, remove(operator, "/customers/a1"))
	want("erased", "shared.address@example.com")
	log := strings.ToLower(w.log.String())
	if strings.Contains(log, "shared.address") || strings.Contains(log, "b@example") {
		t.Errorf("the log has an address: %s", log)
	}
}

// Customers of a release without the search are found once they are indexed.
func TestIndexCustomer(t *testing.T) {
	w := newWorld(t)
	before := customer.New(customer.Deps{Store: w.store, Clock: w.clock, Vault: w.vault, Eraser: w.vault})
	takes := w.takes
	takes.Customers = before
	w.commands = httpapi.Lambda(httpapi.NewCommands(takes), httpapi.Mapping{})
	w.must(http.StatusCreated, post(ada, "/customers", person()))
	address := object{"email": person()["email"]}
	if got := w.find(address); len(got) > 0 {
		t.Errorf("found %s before", got)
	}
	w.commands = httpapi.Lambda(httpapi.NewCommands(w.takes), httpapi.Mapping{})
	index := request{who: operator, method: http.MethodPut, path: "/customers/ada/index"}
	for range 2 {
		if res := w.must(http.StatusOK, index); res.text("id") != "ada" || res.body["version"] != 1.0 {
			t.Errorf("%s", res.raw)
		}
	}
	if got := w.find(address); !cmp.Equal(got, []string{"ada"}) {
		t.Errorf("found %s", got)
	}
	index.path = "/customers/nobody/index"
	w.must(http.StatusNotFound, index)
}

// What can't be an address is refused without repeating it.
func TestFindCustomersRefused(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string]object{
		"no address": {}, "a name": {"email": "ada lovelace"}, "no dot": {"email": "ada@localhost"},
		"umlauts": {"email": "ada@m\u00fcnchen.de"}, "page 0": {"email": "a@example.com", "limit": 0},
		"page 101": {"email": "a@example.com", "limit": 101}, "a place": {"email": "a@example.com", "after": "a/b"},
		"another field": {"email": "a@example.com", "name": "x"},
	} {
		res := w.must(http.StatusBadRequest, post(operator, "/customers/search", body))
		if email, _ := body["email"].(string); email != "" && strings.Contains(res.raw, email) {
			t.Errorf("%s: the answer repeats %s", name, res.raw)
		}
	}
}
