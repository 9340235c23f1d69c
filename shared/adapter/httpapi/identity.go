package httpapi

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"
)

// Auth says how to read a token. The JWT authorizer of API Gateway has verified it; what it says is read here once more, so that a route that lost
// its authorizer answers 401 and not everything.
type Auth struct {
	CustomerClaim string // the claim that holds a customer's id
	OperatorScope string // the scope that operators have
}

// identity is who asks.
type identity struct {
	subject  string // the token's subject, a pseudonym
	customer string // the customer's id, "" for an operator
	operator bool
}

// customerPattern is the form of a customer's id. A name or an e-mail address can't have it by mistake: such a claim is refused.
const customerPattern = `^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`

var customerForm = regexp.MustCompile(customerPattern)

// identify reads the caller from the event that API Gateway made.
func (a Auth) identify(ctx context.Context) (identity, error) {
	rc, ok := core.GetAPIGatewayV2ContextFromContext(ctx)
	if !ok || rc.Authorizer == nil || rc.Authorizer.JWT == nil || len(rc.Authorizer.JWT.Claims) == 0 {
		return identity{}, ErrUnauthenticated.New("a bearer token is required")
	}
	jwt := rc.Authorizer.JWT
	id := identity{subject: jwt.Claims["sub"]}
	if slices.Contains(jwt.Scopes, a.OperatorScope) || slices.Contains(strings.Fields(jwt.Claims["scope"]), a.OperatorScope) {
		id.operator = true
		return id, nil
	}
	id.customer = jwt.Claims[a.CustomerClaim]
	if !customerForm.MatchString(id.customer) {
		return identity{}, ErrNoCustomer.New("the token names neither a customer nor an operator")
	}
	return id, nil
}

// actsFor says for which customer a command is: a customer's own, the named one for an operator.
func (id identity) actsFor(named string) (string, error) {
	switch {
	case id.operator && named == "":
		return "", ErrInvalid.Field("body.customerId", "an operator names the customer")
	case id.operator:
		return named, nil
	case named != "" && named != id.customer:
		return "", ErrForbidden.Field("body.customerId", "customers act for themselves only")
	}
	return id.customer, nil
}

// sees reports whether a customer's things may be shown to the caller. What may not be shown is answered like what is not there.
func (id identity) sees(customer string) bool { return id.operator || id.customer == customer }

// access is who may call a route at all.
type access int

const (
	accessOpen     access = iota // anybody
	accessSignedIn               // customers and operators
	accessOperator               // operators
)

func (id identity) allowed(a access) error {
	if a == accessOperator && !id.operator {
		return ErrForbidden.New("this is for operators")
	}
	return nil
}
