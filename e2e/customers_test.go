//go:build e2e

package e2e_test

import (
	"net/http"
	"testing"

	"orderflow/shared/kit/ident"
)

// person is a customer as the API shows them. Name and Email are "" of one who is erased.
type person struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Email   string `json:"email"`
	Erased  bool   `json:"erased"`
	Version int64  `json:"version"`

	MailSuppressed string `json:"mailSuppressed"`
}

func change(token, customerID, ifMatch string, body object) request {
	r := request{method: http.MethodPatch, path: "/customers/" + customerID, token: token, body: body}
	return r.with("If-Match", ifMatch)
}

// A customer reads themselves and changes their address, and mails go there from then on.
func TestCustomerChangesTheirAddress(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	path := "/customers/" + c.id
	was := must[person](t, http.StatusOK, get(c.token, path))
	if was.Name != "Test Person" || was.Email != c.id+"@example.com" || was.Erased || was.Version != 1 {
		t.Errorf("the customer is %+v", was)
	}
	old, now := customerMailbox{c.id}, customerMailbox{"new-" + c.id}
	old.gets(t, "Welcome to orderflow")

	email := object{"email": now.address()}
	unnamed := request{method: http.MethodPatch, path: path, token: c.token, body: email}
	refused(t, http.StatusPreconditionRequired, "customer.version-required", unnamed)
	refused(t, http.StatusPreconditionFailed, "customer.version-mismatch", change(c.token, c.id, `"2"`, email))
	stranger := newCustomer(t, 1_000)
	refused(t, http.StatusNotFound, "customer.not-found", change(stranger.token, c.id, `"1"`, email))
	refused(t, http.StatusNotFound, "customer.not-found", get(stranger.token, path))
	refused(t, http.StatusNotFound, "customer.not-found", get(stack.operator, "/customers/e2e-"+ident.New()))

	want := person{ID: c.id, Name: "Test Person", Email: now.address(), Version: 2}
	for range 2 { // the second is the first one again, whose answer was lost
		if got := must[person](
			t, http.StatusOK, change(c.token, c.id, `"1"`, object{"email": now.address()}),
		); got != want {
			t.Errorf("changed to %+v", got)
		}
	}
	if got := must[person](t, http.StatusOK, get(stack.operator, path)); got != want {
		t.Errorf("the operator reads %+v", got)
	}
	placed := c.place(t, line(newStock(t, 1), 1, 100))
	now.gets(t, "We received your order "+placed.ID[:8])
	if n := old.count(t, "order"); n != 1 { // the welcome, to orderflow
		t.Errorf("%d mails went to the address of before", n)
	}
}

// An operator finds who has an address: by the present one, until the customer is erased. Then
// nothing is left in their row by which anybody could find it.
func TestFindCustomerByAddress(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	old, now := c.id+"@Example.com", "Moved-"+c.id+"@example.com"
	find := func(token, address string) request {
		return request{method: http.MethodPost, path: "/customers/search", token: token, body: object{"email": address}}
	}
	type page struct {
		Customers []struct {
			ID string `json:"id"`
		} `json:"customers"`
	}
	wantFound := func(address string, want int) {
		t.Helper()
		eventually(t, "found by the address", func() (page, bool) {
			got := must[page](t, http.StatusOK, find(stack.operator, address))
			return got, len(got.Customers) == want && (want == 0 || got.Customers[0].ID == c.id)
		})
	}
	wantFound(old, 1)
	refused(t, http.StatusForbidden, "auth.forbidden", find(c.token, old))
	must[person](t, http.StatusOK, change(c.token, c.id, `"1"`, object{"email": now}))
	wantFound(now, 1)
	wantFound(old, 0)
	index := request{method: http.MethodPut, path: "/customers/" + c.id + "/index", token: stack.operator}
	must[object](t, http.StatusOK, index)
	wantFound(now, 1)
	must[object](t, http.StatusOK, request{method: http.MethodDelete, path: "/customers/" + c.id, token: c.token})
	if got := must[page](t, http.StatusOK, find(stack.operator, now)); len(got.Customers) > 0 {
		t.Errorf("found after the erasure: %+v", got)
	}
	must[object](t, http.StatusOK, index)
	wantFound(now, 0)
}
