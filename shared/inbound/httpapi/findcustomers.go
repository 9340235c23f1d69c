package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// findCustomersBody has the address in the body: what is in the URL stands in access logs, in a
// browser's history and in its Referer.
type findCustomersBody struct {
	Email string `json:"email" minLength:"3" maxLength:"254" pattern:"^[^@\\s]+@[^@\\s]+$" doc:"The customer's e-mail address, in any case" example:"ada@example.com"`
	Limit int    `json:"limit,omitempty" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of customers per page"`
	After string `json:"after,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The next value of the previous page"`
}

type findCustomersInput struct{ Body findCustomersBody }

type foundCustomerAnswer struct {
	ID string `json:"id"`
}

type findCustomersAnswer struct {
	Customers []foundCustomerAnswer `json:"customers" doc:"Ordered by id. A new address appears, and that of a customer who is being erased disappears, after moments; an earlier one never appears."`
	Next      string                `json:"next,omitempty" doc:"The after value of the next page; absent on the last page. A page may be shorter than limit even if more pages follow."`
}

type findCustomersOutput struct{ Body findCustomersAnswer }

func (s *server) customerSearch(q Queries) {
	register(s, accessOperator, huma.Operation{
		OperationID: "findCustomers", Method: http.MethodPost, Path: "/customers/search",
		Summary: "Find customers by their e-mail address",
		Description: "For operators. Several customers may have the same address. A POST because a URL stands in " +
			"access logs, and an e-mail address may not; it changes nothing and needs no Idempotency-Key. " +
			"Addresses are stored encrypted, and found by a keyed hash that erasure destroys. Customers who were " +
			"registered by a release without this search are found after `orderflow customers index`.",
		Errors: []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
	}, q.findCustomers)
}

func (q Queries) findCustomers(ctx context.Context, _ identity, in *findCustomersInput) (*findCustomersOutput, error) {
	found, next, err := q.Customers.Find(ctx, in.Body.Email, in.Body.After, in.Body.Limit)
	if err != nil {
		return nil, err
	}
	out := &findCustomersOutput{Body: findCustomersAnswer{
		Customers: make([]foundCustomerAnswer, len(found)), Next: next,
	}}
	for i, id := range found {
		out.Body.Customers[i].ID = id
	}
	return out, nil
}

func (s *server) customerIndex(c Commands) {
	register(s, accessOperator, huma.Operation{
		OperationID: "indexCustomer", Method: http.MethodPut, Path: "/customers/{id}/index",
		Summary: "Let a customer be found by their e-mail address",
		Description: "For operators, once after an upgrade from a release without the search: " +
			"`orderflow customers index` does it for all customers. Customers who register or change their address " +
			"are found without it. Repeating it changes nothing, and neither does it for an erased customer.",
		Errors: []int{http.StatusNotFound},
	}, c.indexCustomer)
}

func (c Commands) indexCustomer(ctx context.Context, _ identity, in *customerPath) (*customerOutput, error) {
	res, err := c.Customers.MakeFindable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	version := res.Head.Version()
	return &customerOutput{ETag: etag(version), Body: customerAnswer{ID: in.ID, Version: version}}, nil
}
