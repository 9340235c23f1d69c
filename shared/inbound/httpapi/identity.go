package httpapi

import (
	"context"
	"slices"
	"strings"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"orderflow/shared/kit/ident"
)

// Auth says how to read a token. The JWT authorizer of API Gateway has verified it; what it says is
// read here once more, so that a route that lost its authorizer answers 401 and not everything.
type Auth struct {
	CustomerClaim string // the claim that holds a customer's id
	OperatorScope string // the scope that operators have
	CarrierScope  string // the scope that carriers have
	PricingScope  string // the scope that pricing systems have, and operators who may name prices as well
}

// identity is who asks.
type identity struct {
	customer string // the customer's id, "" for anybody else
	operator string // an operator's pseudonym, "" for anybody else
	carrier  string // a carrier's pseudonym, "" for anybody else
	pricing  string // a pricing system's pseudonym, "" for anybody else
	prices   bool   // an operator's right to name prices
}

// identify reads the caller from the event that API Gateway made.
func (a Auth) identify(ctx context.Context) (identity, error) {
	rc, ok := core.GetAPIGatewayV2ContextFromContext(ctx)
	if !ok || rc.Authorizer == nil || rc.Authorizer.JWT == nil || len(rc.Authorizer.JWT.Claims) == 0 {
		return identity{}, ErrUnauthenticated.New("expected a bearer token in the header Authorization")
	}
	jwt := rc.Authorizer.JWT
	has := func(scope string) bool {
		return slices.Contains(jwt.Scopes, scope) || slices.Contains(strings.Fields(jwt.Claims["scope"]), scope)
	}
	// There are issuers whose subjects are e-mail addresses.
	pseudonym := ident.Derive("subject", jwt.Claims["iss"], jwt.Claims["sub"])
	switch {
	case has(a.OperatorScope):
		return identity{operator: pseudonym, prices: has(a.PricingScope)}, nil
	case has(a.CarrierScope):
		return identity{carrier: pseudonym}, nil
	case has(a.PricingScope):
		return identity{pricing: pseudonym}, nil
	}
	id := identity{customer: jwt.Claims[a.CustomerClaim]}
	// A name or an e-mail address can't have the form of an id by mistake: such a claim is refused.
	if !ident.IsName(id.customer, 64, "_-") {
		return identity{}, ErrNoCustomer.New(
			"the token is for no customer, operator, carrier or pricing system; get one with the claim or scope for it")
	}
	return id, nil
}

// isOperator reports whether the caller works for the shop.
func (id identity) isOperator() bool { return id.operator != "" }

// namesPrices reports whether the caller decides on prices, discounts and taxes, in place of the
// catalogue.
func (id identity) namesPrices() bool { return id.pricing != "" || id.prices }

// actor is the caller as events name them.
func (id identity) actor() string {
	switch {
	case id.isOperator():
		return "operator/" + id.operator
	case id.carrier != "":
		return "carrier/" + id.carrier
	case id.pricing != "":
		return "pricing/" + id.pricing
	}
	return "customer/" + id.customer
}

// actsFor says for which customer a command is: a customer's own, the named one for an operator or
// a pricing system.
func (id identity) actsFor(named string) (string, error) {
	switch {
	case id.customer == "" && named == "":
		return "", ErrInvalid.Field("body.customerId", "expected a customer id; only customers may omit it")
	case id.customer == "":
		return named, nil
	case named != "" && named != id.customer:
		return "", ErrForbidden.Field(
			"body.customerId", "expected the caller's own id, got another one; customers act for themselves only",
		)
	}
	return id.customer, nil
}

// sees reports whether a customer's things may be shown to the caller. What may not be shown is
// answered like what is not there.
func (id identity) sees(customer string) bool { return id.isOperator() || id.customer == customer }

// access is who may call a route at all.
type access int

const (
	accessOpen     access = iota // anybody
	accessSignedIn               // customers and operators
	accessOrdering               // who orders: customers, operators and pricing systems
	accessCarrier                // carriers and operators
	accessOperator               // operators
)

// allowed refuses a carrier everything but what carriers do, and a pricing system everything but to
// read the catalogue and to place orders.
func (id identity) allowed(a access) error {
	switch {
	case a == accessOpen, id.isOperator(), a == accessCarrier && id.carrier != "",
		a == accessSignedIn && id.customer != "", a == accessOrdering && (id.customer != "" || id.pricing != ""):
		return nil
	case a == accessOperator:
		return ErrForbidden.New("allowed for operators only")
	case a == accessCarrier:
		return ErrForbidden.New("allowed for carriers and operators only")
	case a == accessOrdering:
		return ErrForbidden.New("allowed for customers, operators and pricing systems only")
	}
	return ErrForbidden.New("allowed for customers and operators only")
}
