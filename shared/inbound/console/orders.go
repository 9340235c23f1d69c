package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
)

// statuses are those that the API knows, in the order of an order's life.
var statuses = []string{
	"placed", "held", "backordered", "payment-required", "confirmed", "shipped", "delivered", "cancelling", "cancelled",
}

// pageSize is how many orders a page of the list has.
const pageSize = "25"

type ordersView struct {
	Statuses              []string
	Status, Customer, SKU string
	From, To              string
	LookedAt              int // by a search for a SKU
	LookedThrough         *time.Time
	Filtered              bool
	Orders                []listedOrder
	First, Next           string // addresses of pages of the list
	Wrong                 string
	Sharing               []string // customers who have the address that was looked for
	More                  bool     // there are more of them
}

// findByAddress leads to the orders of the customer who has an e-mail address, or to a choice of
// those who share it. The address comes in a form's body and goes to the API in one: it is in no
// address of a page, no log and no history of a browser.
func (c Console) findByAddress(x *exchange) error {
	if err := x.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	body := map[string]any{"email": strings.TrimSpace(x.PostForm.Get("email")), "limit": mostSharing}
	var found struct {
		Customers []struct {
			ID string `json:"id"`
		} `json:"customers"`
		Next string `json:"next"`
	}
	v := ordersView{Statuses: statuses, First: "orders"}
	var problem *Problem
	switch err := x.api.post(x.Context(), "/customers/search", "", body, &found); {
	case errors.As(err, &problem) && problem.Status == http.StatusBadRequest:
		v.Wrong = "e-mail: expected an address as name@example.com"
	case err != nil:
		return err
	case len(found.Customers) == 0 && found.Next == "":
		v.Wrong = "No customer has this e-mail address."
	case len(found.Customers) == 1 && found.Next == "":
		return x.redirect("orders?customer=" + url.QueryEscape(found.Customers[0].ID))
	}
	if v.Wrong != "" {
		x.status = http.StatusUnprocessableEntity
	}
	v.More = found.Next != ""
	for _, customer := range found.Customers {
		v.Sharing = append(v.Sharing, customer.ID)
	}
	return x.render("orders", "Orders", v)
}

// mostSharing is how many customers of one address a page shows: the API's most.
const mostSharing = 100

// wrongOrder is followed by what was given in place of an order's id.
const wrongOrder = "expected an order's id, as 0b8d3f0e-7a51-4f9c-9d8e-2f6a1c3b5d7e, got "

// orders is the list of all orders, newest first, by what the API can select. An order's id leads
// to the order.
func (c Console) orders(x *exchange) error {
	asked := x.URL.Query()
	get := func(name string) string { return strings.TrimSpace(asked.Get(name)) }
	if id := get("id"); ident.Valid(id) {
		return x.redirect("orders/" + url.PathEscape(id))
	}
	v := ordersView{
		Statuses: statuses, Status: get("status"), Customer: get("customer"), SKU: get("sku"),
		From: get("from"), To: get("to"),
	}
	query, kept := url.Values{"limit": {pageSize}}, url.Values{}
	keep := func(name, value, parameter, means string) {
		if value != "" {
			kept.Set(name, value)
			query.Set(parameter, means)
			v.Filtered = true
		}
	}
	if slices.Contains(statuses, v.Status) {
		keep("status", v.Status, "status", v.Status)
	}
	keep("customer", v.Customer, "customer", v.Customer)
	keep("sku", v.SKU, "sku", v.SKU)
	for name, value := range map[string]string{"from": v.From, "to": v.To} {
		at, ok := minute(value)
		if !ok {
			v.Wrong = name + ": expected a time as 2026-03-01T12:00, got " + value
		}
		keep(name, value, map[string]string{"from": "placedAfter", "to": "placedBefore"}[name], at)
	}
	if v.SKU != "" && !skuForm().MatchString(v.SKU) {
		v.Wrong = wrongSKU
	}
	if get("id") != "" {
		v.Wrong = "id: " + wrongOrder + get("id")
	}
	v.First = "orders?" + kept.Encode()
	if cursor := get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	if v.Wrong != "" {
		x.status = http.StatusUnprocessableEntity
		return x.render("orders", "Orders", v)
	}
	var list orderList
	if err := x.api.get(x.Context(), "/orders", query, &list); err != nil {
		return err
	}
	v.Orders, v.LookedAt, v.LookedThrough = list.Orders, list.LookedAt, list.LookedThrough
	if list.Next != "" {
		kept.Set("cursor", list.Next)
		v.Next = "orders?" + kept.Encode()
	}
	return x.render("orders", "Orders", v)
}

// minute reads what a browser's field of date and time has, as UTC, for the API. "" is no time.
func minute(text string) (rfc3339 string, ok bool) {
	if text == "" {
		return "", true
	}
	if strings.Count(text, ":") == 1 {
		text += ":00"
	}
	if _, err := clock.ParseTime(text + "Z"); err != nil {
		return "", false
	}
	return text + "Z", true
}
