package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

type statement struct {
	AccountID string      `json:"accountId"`
	Balance   money.Money `json:"balance"`
	Movements []movement  `json:"movements"`
	Next      string      `json:"next"`
}

type movement struct {
	Sequence     int64       `json:"sequence"`
	Time         time.Time   `json:"time"`
	Kind         string      `json:"kind"`
	Amount       money.Money `json:"amount"`
	Balance      money.Money `json:"balance"`
	Reference    string      `json:"reference"`
	Counterparty string      `json:"counterparty"`
	Actor        *actor      `json:"actor"`
}

var currencyForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Z]{3}$`) })

type accountsView struct{ Customer, Currency, Wrong string }

// findAccount leads to an account, by its id or by whose it is and in which currency.
func (c Console) findAccount(x *exchange) error {
	asked := x.URL.Query()
	get := func(name string) string { return strings.TrimSpace(asked.Get(name)) }
	v := accountsView{Customer: get("customer"), Currency: strings.ToUpper(get("currency"))}
	id := get("id")
	switch {
	case ident.Valid(id):
		return x.redirect("accounts/" + url.PathEscape(id))
	case id != "":
		v.Wrong = "id: expected an account's id, as 0b8d3f0e-7a51-4f9c-9d8e-2f6a1c3b5d7e, got " + id
	case v.Customer == "" && v.Currency == "":
		return x.render("accounts", "Accounts", v)
	case !customerForm().MatchString(v.Customer) || !currencyForm().MatchString(v.Currency):
		v.Wrong = "Expected a customer's id and a currency of three letters, as EUR."
	}
	if v.Wrong != "" {
		x.status = http.StatusUnprocessableEntity
		return x.render("accounts", "Accounts", v)
	}
	found := &accountState{}
	query := url.Values{"customerId": {v.Customer}, "currency": {v.Currency}}
	err := unlessMissing(x.api.get(x.Context(), "/accounts", query, found), &found)
	if err != nil {
		return err
	}
	if found == nil {
		v.Wrong = v.Customer + " has no account in " + v.Currency + "."
		x.status = http.StatusNotFound
		return x.render("accounts", "Accounts", v)
	}
	return x.redirect("accounts/" + url.PathEscape(found.ID))
}

type accountView struct {
	Account     accountState
	Movements   []movement
	First, Next string
}

// account is an account with its movements, newest first, each with the balance right after it.
func (c Console) account(x *exchange) error {
	id := x.PathValue("id")
	query := url.Values{"limit": {pageSize}}
	if cursor := x.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	v, page := accountView{First: url.PathEscape(id)}, statement{}
	work, ctx := errgroup.WithContext(x.Context())
	work.Go(func() error { return x.api.get(ctx, "/accounts/"+url.PathEscape(id), nil, &v.Account) })
	work.Go(func() error { return x.api.get(ctx, "/accounts/"+url.PathEscape(id)+"/statement", query, &page) })
	if err := work.Wait(); err != nil {
		return err
	}
	v.Movements = page.Movements
	if page.Next != "" {
		v.Next = v.First + "?" + url.Values{"cursor": {page.Next}}.Encode()
	}
	return x.render("account", "Account "+short(id), v)
}
