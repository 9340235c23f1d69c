package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/shop/money"
)

type customerList struct {
	Customers []listedCustomer `json:"customers"`
	Next      string           `json:"next"`
}

type listedCustomer struct {
	ID           string     `json:"id"`
	RegisteredAt time.Time  `json:"registeredAt"`
	Erased       bool       `json:"erased"`
	ErasedAt     *time.Time `json:"erasedAt"`
}

// person is a customer as the API shows one: without name and address where they are erased.
type person struct {
	ID             string     `json:"id"`
	Name           string     `json:"name"`
	Email          string     `json:"email"`
	MailSuppressed string     `json:"mailSuppressed"`
	Erased         bool       `json:"erased"`
	ErasedAt       *time.Time `json:"erasedAt"`
	ErasedWhy      string     `json:"erasedWhy"`
	Version        int64      `json:"version"`
}

type statistics struct {
	Orders         int64         `json:"orders"`
	Open           int64         `json:"open"`
	Confirmed      int64         `json:"confirmed"`
	Cancelled      int64         `json:"cancelled"`
	ConfirmedTotal []money.Money `json:"confirmedTotal"`
	RefundedTotal  []money.Money `json:"refundedTotal"`
}

type accountState struct {
	ID         string      `json:"id"`
	CustomerID string      `json:"customerId"`
	Balance    money.Money `json:"balance"`
	Version    int64       `json:"version"`
}

var customerForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
})

type customersView struct {
	Customers   []listedCustomer
	First, Next string // addresses of pages of the list
	Wrong       string
}

// customers is the list of all customers, without names. An id leads to its customer.
func (c Console) customers(x *exchange) error {
	asked := x.URL.Query()
	v := customersView{First: "customers"}
	if id := strings.TrimSpace(asked.Get("id")); id != "" {
		if customerForm().MatchString(id) {
			return x.redirect("customers/" + url.PathEscape(id))
		}
		v.Wrong = "A customer's id has 1 to 64 letters, digits, - and _, and begins with a letter or digit."
		x.status = http.StatusUnprocessableEntity
		return x.render("customers", "Customers", v)
	}
	query := url.Values{"limit": {pageSize}}
	if cursor := asked.Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list customerList
	if err := x.api.get(x.Context(), "/customers", query, &list); err != nil {
		return err
	}
	v.Customers = list.Customers
	if list.Next != "" {
		v.Next = "customers?" + url.Values{"cursor": {list.Next}}.Encode()
	}
	return x.render("customers", "Customers", v)
}

type customerView struct {
	ID         string
	Person     person
	Totals     *statistics // nil where the view knows nothing of them yet
	Orders     []listedOrder
	More       bool // orders than are shown
	Accounts   []accountState
	Currencies []string
	Reasons    []reason
	Undoing    bool // erased, and orders are still being undone
	Done       bool
}

// reason is a word of the API's for why somebody is erased.
type reason struct{ Name, Says string }

var erasureReasons = []reason{
	{"requested", "The customer asked for it"},
	{"retention", "Customers are kept long enough"},
	{"mistaken", "Registered by mistake, or twice"},
	{"ordered", "A court or an authority orders it"},
}

// ordersOfCustomer is how many orders a customer's page shows.
const ordersOfCustomer = "10"

// maxAccounts is in how many currencies a customer's page looks for an account, of those that the
// orders on it have. A form looks in any.
const maxAccounts = 5

// customer is one customer: who they are, their newest orders and their accounts.
func (c Console) customer(x *exchange) error {
	id := x.PathValue("id")
	v := customerView{ID: id, Reasons: erasureReasons}
	totals, list, at := &statistics{}, orderList{}, "/customers/"+url.PathEscape(id)
	work, ctx := errgroup.WithContext(x.Context())
	work.Go(func() error { return x.api.get(ctx, at, nil, &v.Person) })
	work.Go(func() error {
		return unlessMissing(x.api.get(ctx, at+"/statistics", nil, totals), &totals)
	})
	work.Go(func() error {
		return x.api.get(ctx, at+"/orders", url.Values{"limit": {ordersOfCustomer}}, &list)
	})
	if err := work.Wait(); err != nil {
		return err
	}
	v.Totals, v.Orders, v.More = totals, list.Orders, list.Next != ""
	v.Undoing = v.Person.Erased && totals != nil && totals.Open > 0
	if x.partial() {
		return x.renderPart("customer", "erasure", v)
	}
	for _, o := range v.Orders {
		if !slices.Contains(v.Currencies, o.Total.Currency) && len(v.Currencies) < maxAccounts {
			v.Currencies = append(v.Currencies, o.Total.Currency)
		}
	}
	var err error
	if v.Accounts, err = x.api.accounts(x.Context(), id, v.Currencies); err != nil {
		return err
	}
	v.Done = x.URL.Query().Get("done") == "erase"
	return x.render("customer", "Customer "+id, v)
}

// accounts are those that a customer has in some currencies.
func (c caller) accounts(ctx context.Context, customerID string, currencies []string) ([]accountState, error) {
	found := make([]*accountState, len(currencies))
	work, ctx := errgroup.WithContext(ctx)
	for i, currency := range currencies {
		found[i] = &accountState{}
		work.Go(func() error {
			query := url.Values{"customerId": {customerID}, "currency": {currency}}
			return unlessMissing(c.get(ctx, "/accounts", query, found[i]), &found[i])
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	var all []accountState
	for _, a := range found {
		if a != nil {
			all = append(all, *a)
		}
	}
	return all, nil
}

// eraseCustomer erases a customer, once the id is typed again: it can't be undone.
func (c Console) eraseCustomer(x *exchange) error {
	id := x.PathValue("id")
	if err := x.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	why := x.PostForm.Get("reason")
	switch {
	case !slices.ContainsFunc(erasureReasons, func(r reason) bool { return r.Name == why }):
		return refusal{http.StatusUnprocessableEntity, "A reason is missing.", "Go back and choose one."}
	case strings.TrimSpace(x.PostForm.Get("again")) != id:
		return refusal{
			http.StatusUnprocessableEntity, "What you typed is not this customer's id. Nobody was erased.",
			"Go back, and type the id as the page shows it.",
		}
	}
	var answer json.RawMessage
	path := "/customers/" + url.PathEscape(id)
	if err := x.api.erase(x.Context(), path, url.Values{"reason": {why}}, &answer); err != nil {
		return err
	}
	return x.redirect("../" + url.PathEscape(id) + "?done=erase")
}
