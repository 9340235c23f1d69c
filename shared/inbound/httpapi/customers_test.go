package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/customer"
)

// wantCustomer sends a request and compares what is answered of ada, with the version in the ETag.
func (w *world) wantCustomer(r request, name, email any, version float64) response {
	w.t.Helper()
	res := w.must(http.StatusOK, r)
	want := object{"id": "ada", "name": name, "email": email, "erased": false, "version": version}
	if diff := cmp.Diff(want, res.body); diff != "" {
		w.t.Errorf("%s %s (-want +got)\n%s", r.method, r.path, diff)
	}
	if tag := res.headers["Etag"]; tag != map[float64]string{1: `"1"`, 2: `"2"`, 3: `"3"`}[version] {
		w.t.Errorf("ETag %s at version %v", tag, version)
	}
	return res
}

// TestCustomer reads and changes a customer: what is left out stays, what is so already is not
// written.
func TestCustomer(t *testing.T) {
	w := newWorld(t)
	const path = "/customers/ada"
	w.must(http.StatusNotFound, get(ada, path))
	w.must(http.StatusCreated, post(ada, "/customers", person()))
	w.wantCustomer(get(ada, path), "Ada Lovelace", "ada@example.com", 1)
	w.wantCustomer(get(operator, path), "Ada Lovelace", "ada@example.com", 1)

	w.wantCustomer(patch(ada, path, `"1"`, object{"name": "Ada King"}), "Ada King", "ada@example.com", 2)
	w.wantCustomer(patch(operator, path, `"2"`, object{"email": "king@example.com"}), "Ada King", "king@example.com", 3)
	written := w.store.commits.Load()
	for _, body := range []object{{}, {"name": "Ada King"}, {"name": "Ada King", "email": "king@example.com"}} {
		w.wantCustomer(patch(ada, path, `"3"`, body), "Ada King", "king@example.com", 3)
	}
	// The operator's answer was lost, and the customer's own first change is long past.
	w.wantCustomer(patch(operator, path, `"2"`, object{"email": "king@example.com"}), "Ada King", "king@example.com", 3)
	res := w.must(http.StatusPreconditionFailed, patch(ada, path, `"1"`, object{"name": "Ada King"}))
	if res.text("code") != "customer.version-mismatch" {
		t.Errorf("%s", res.raw)
	}
	w.wantCustomer(get(ada, path), "Ada King", "king@example.com", 3)
	if now := w.store.commits.Load(); now != written {
		t.Errorf("%d commits more", now-written)
	}
	for _, secret := range []string{"Lovelace", "King", "example.com"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log tells %s", secret)
		}
	}
}

// TestCustomerMailSuppressed: who reads a customer sees that no mail goes to them, and why, until
// the address is given again.
func TestCustomerMailSuppressed(t *testing.T) {
	w := newWorld(t)
	const path = "/customers/ada"
	w.must(http.StatusCreated, post(ada, "/customers", person()))
	stored := customer.New(customer.Deps{Store: w.store, Clock: clock.System{}})
	req := es.Request{CommitID: "report", Time: time.Unix(1, 0)}
	if _, err := stored.SuppressMail(t.Context(), req, "ada", 1, customer.ReasonBounce); err != nil {
		t.Fatal(err)
	}
	for _, r := range []request{
		get(ada, path), get(operator, path), patch(ada, path, `"2"`, object{"name": "Ada Lovelace"}),
	} {
		if res := w.must(http.StatusOK, r); res.text("mailSuppressed") != "bounce" || res.body["version"] != 2.0 {
			t.Errorf("%s %s: %s", r.method, r.path, res.raw)
		}
	}
	w.wantCustomer(patch(ada, path, `"2"`, object{"email": "ada@example.com"}), "Ada Lovelace", "ada@example.com", 3)
}

// TestCustomerThatCannotBeChanged: each request that can't be is answered by one clear problem, and
// nothing is written.
func TestCustomerThatCannotBeChanged(t *testing.T) {
	name := object{"name": "Ada King"}
	for _, c := range []struct {
		name   string
		match  string
		body   any
		status int
		code   string
		place  string
	}{
		{"no version", "", name, 428, "customer.version-required", "header.If-Match"},
		{"any version", "*", name, 400, "request.invalid", "header.If-Match"},
		{"a bare number", "1", name, 400, "request.invalid", "header.If-Match"},
		{"a weak tag", `W/"1"`, name, 400, "request.invalid", "header.If-Match"},
		{"two versions", `"1", "2"`, name, 400, "request.invalid", "header.If-Match"},
		{"version 0", `"0"`, name, 400, "request.invalid", "header.If-Match"},
		{"a version to come", `"2"`, name, 412, "customer.version-mismatch", ""},
		{"a name that is null", `"1"`, object{"name": nil}, 400, "request.invalid", "body.name"},
		{"an address that is null", `"1"`, object{"email": nil}, 400, "request.invalid", "body.email"},
		{"no name", `"1"`, object{"name": ""}, 400, "request.invalid", "body.name"},
		{"a blank name", `"1"`, object{"name": " \u00a0"}, 400, "customer.invalid", "body.name"},
		{"a name of two lines", `"1"`, object{"name": "Ada\nKing"}, 400, "customer.invalid", "body.name"},
		{
			"a name that is too long", `"1"`, object{"name": strings.Repeat("ß", 201)}, 400, "request.invalid",
			"body.name",
		},
		{"no address", `"1"`, object{"email": "king"}, 400, "request.invalid", "body.email"},
		{"an address on no domain", `"1"`, object{"email": "king@localhost"}, 400, "customer.invalid", "body.email"},
		{"another id", `"1"`, object{"customerId": "bob"}, 400, "request.invalid", "body.customerId"},
		{"a list", `"1"`, []object{name}, 400, "request.invalid", "body"},
		{"no body", `"1"`, nil, 400, "request.malformed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.must(http.StatusCreated, post(ada, "/customers", person()))
			before := w.store.commits.Load()
			res := w.must(c.status, patch(ada, "/customers/ada", c.match, c.body))
			place := ""
			if list, _ := res.body["errors"].([]any); len(list) > 0 {
				first, _ := list[0].(object)
				place, _ = first["location"].(string)
			}
			if res.text("code") != c.code || place != c.place {
				t.Errorf("%s at %q, want %s at %q: %s", res.text("code"), place, c.code, c.place, res.raw)
			}
			if w.store.commits.Load() != before {
				t.Error("something was written")
			}
		})
	}
}

// TestErasedCustomer reads as erased, and can't be changed.
func TestErasedCustomer(t *testing.T) {
	w := newWorld(t)
	w.must(http.StatusCreated, post(ada, "/customers", person()))
	w.must(http.StatusOK, patch(ada, "/customers/ada", `"1"`, object{"name": "Ada King"}))
	w.erase("ada")
	want := object{
		"id": "ada", "name": nil, "email": nil, "erased": true, "erasedAt": "2026-03-01T12:00:00Z", "version": 3.0,
	}
	for _, who := range []caller{ada, operator} {
		if diff := cmp.Diff(want, w.must(http.StatusOK, get(who, "/customers/ada")).body); diff != "" {
			t.Error(diff)
		}
		for _, match := range []string{`"1"`, `"2"`, `"3"`} {
			res := w.must(
				http.StatusUnprocessableEntity, patch(who, "/customers/ada", match, object{"name": "Ada King"}),
			)
			if res.text("code") != "customer.erased" {
				t.Errorf("%s", res.raw)
			}
		}
	}
}
