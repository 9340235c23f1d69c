package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"orderflow/shared/kit/ident"
)

// Auth says how to read a token. The JWT authorizer of API Gateway has verified it; what it says is
// read here once more, so that a route that lost its authorizer answers 401 and not everything.
type Auth struct {
	CustomerClaim string // the claim that holds a customer's id
	OperatorScope string // the scope that operators have
	CarrierScope  string // the scope that carriers have
	PricingScope  string // the scope that pricing systems have, and operators who may name prices as well
	GroupsClaim   string // the claim that lists groups or roles
	// The groups of the same three, "" for none.
	OperatorGroup string
	CarrierGroup  string
	PricingGroup  string
}

// userSet are the claims that users fill in themselves (OpenID Connect Core, 5.1), or may: what
// they say of groups would be what a user wishes.
var userSet = []string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
	"website", "email", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "address", "nonce",
	"user_metadata", "unsafe_metadata", // Supabase and Auth0, Clerk
}

// Checked panics where a claim of groups can't be trusted.
func (a Auth) Checked() Auth {
	root, _, _ := strings.Cut(a.GroupsClaim, ".")
	if slices.Contains(userSet, root) || strings.HasPrefix(root, "custom:") {
		panic("httpapi: GroupsClaim: expected a claim that only the issuer sets, got " + a.GroupsClaim)
	}
	return a
}

// identity is who asks.
type identity struct {
	customer string // the customer's id, "" for anybody else
	operator string // an operator's pseudonym, "" for anybody else
	carrier  string // a carrier's pseudonym, "" for anybody else
	pricing  string // a pricing system's pseudonym, "" for anybody else
	prices   bool   // an operator's right to name prices

	principal string // which person or machine the pseudonym is; "" for customers
}

// identify reads the caller from the event that API Gateway made.
func (a Auth) identify(r *http.Request) (identity, error) {
	token, err := readClaims(r)
	if err != nil {
		return identity{}, err
	}
	is := func(scope, group string) bool { return token.grants(scope) || token.puts(a.GroupsClaim, group) }
	// There are issuers whose subjects are e-mail addresses.
	pseudonym := ident.Derive("subject", token.text("iss"), token.text("sub"))
	prices, principal := is(a.PricingScope, a.PricingGroup), token.principal(pseudonym)
	switch {
	case is(a.OperatorScope, a.OperatorGroup):
		return identity{operator: pseudonym, prices: prices, principal: principal}, nil
	case is(a.CarrierScope, a.CarrierGroup):
		return identity{carrier: pseudonym, principal: principal}, nil
	case prices:
		return identity{pricing: pseudonym, principal: principal}, nil
	}
	return a.customerOf(token)
}

// customerOf reads the customer's id. A name or an e-mail address can't have the form of an id by
// mistake: such a claim is refused.
func (a Auth) customerOf(token claims) (identity, error) {
	says, given := plain(token.at(a.CustomerClaim))
	if !given {
		return identity{}, ErrNoCustomer.New(
			"the token is for no customer, operator, carrier or pricing system; get one with the claim or scope for it")
	}
	id, ok := customerID(says)
	if !ok {
		return identity{}, ErrNoCustomer.New(
			"the token's claim %s is no customer id: expected 1 to 64 letters, digits, - and _, which | may separate; "+
				"choose another claim, or have the issuer map one", a.CustomerClaim,
		)
	}
	return identity{customer: id}, nil
}

// bar stands for | in a customer's id.
const bar = "_-_"

// customerID makes an id of what the claim says: the same, or for the ids of Auth0, as
// auth0|5fe435b5, with bar for each |. It can be read back: around a bar stand letters and digits,
// and an id that has one without a | is refused. Otherwise a user could be called like another.
func customerID(says string) (string, bool) {
	parts := strings.Split(says, "|")
	for i, part := range parts {
		last := i == len(parts)-1
		if !ident.IsName(part, 64, "_-") || strings.Contains(part, bar) ||
			!last && strings.TrimRight(part, "_-") != part {
			return "", false
		}
	}
	id := strings.Join(parts, bar)
	return id, ident.IsName(id, 64, "_-")
}

// isOperator reports whether the caller works for the shop.
func (id identity) isOperator() bool { return id.operator != "" }

// namesPrices reports whether the caller decides on prices, discounts and taxes, in place of the
// catalogue.
func (id identity) namesPrices() bool { return id.pricing != "" || id.prices }

// actor is the caller as events name them, and part of what ids derive from: it may never change.
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
