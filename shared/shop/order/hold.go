package order

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"orderflow/shared/kit/decimal"
	"orderflow/shared/shop/money"
)

// The rules by which an order waits for approval, as its events name them.
const (
	RuleAmount     = "amount"      // it comes to more than its currency's limit
	RuleCountry    = "country"     // it goes to one of the countries
	RuleFirstOrder = "first-order" // no order of its customer was confirmed yet
)

// HoldRules says which orders wait for approval before anything is reserved. The zero HoldRules
// hold none, and ask for nothing.
type HoldRules struct {
	Amounts     map[string]int64 // by currency, in minor units: what an order may come to
	Countries   []string         // ISO 3166-1 alpha-2
	FirstOrders bool
}

// ParseHoldRules reads what parameters say: limits such as EUR:100000,USD:120000, in minor units,
// countries joined by commas, and whether first orders are held, true or false. "" is none.
func ParseHoldRules(amounts, countries, firstOrders string) (HoldRules, error) {
	rules := HoldRules{Amounts: map[string]int64{}}
	for text := range elements(amounts) {
		currency, limit, _ := strings.Cut(text, ":")
		n, err := decimal.Whole(limit, 0, MaxTotal)
		if err == nil {
			err = money.CheckCurrency(currency)
		}
		if _, twice := rules.Amounts[currency]; err == nil && twice {
			err = fmt.Errorf("%s has two limits", currency)
		}
		if err != nil {
			return HoldRules{}, fmt.Errorf("order: limits of orders: %q: %w", text, err)
		}
		rules.Amounts[currency] = n
	}
	for country := range elements(countries) {
		if len(country) != 2 || strings.ToUpper(country) != country {
			return HoldRules{}, fmt.Errorf("order: countries of orders: %q is no code of a country", country)
		}
		rules.Countries = append(rules.Countries, country)
	}
	switch firstOrders {
	case "true":
		rules.FirstOrders = true
	case "false", "":
	default:
		return HoldRules{}, fmt.Errorf("order: first orders: expected true or false, got %q", firstOrders)
	}
	return rules, nil
}

// MustParseHoldRules is ParseHoldRules for a function, which must not start otherwise.
func MustParseHoldRules(amounts, countries, firstOrders string) HoldRules {
	rules, err := ParseHoldRules(amounts, countries, firstOrders)
	if err != nil {
		panic(err)
	}
	return rules
}

// elements are those of a list that is joined by commas.
func elements(list string) func(yield func(string) bool) {
	if list == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(list, ",")
}

// match are the rules that an order matches by what it comes to and where it goes.
func (r HoldRules) match(total money.Money, country string) (matched []string) {
	if limit, ok := r.Amounts[total.Currency]; ok && total.Amount > limit {
		matched = append(matched, RuleAmount)
	}
	if slices.Contains(r.Countries, country) {
		matched = append(matched, RuleCountry)
	}
	return matched
}

// amended refuses a customer's amendment that would make an order one to approve, since none of
// that waits any more. It also refuses one that makes an order dearer while it is held: whoever
// approves it has seen what it came to.
func (r HoldRules) amended(e Amended, in AmendInput) error {
	if in.By != OriginCustomer {
		return nil
	}
	total, country := money.Money{}, ""
	if e.Difference.Amount > 0 {
		total = e.Total
	}
	if e.Address != "" {
		country = in.Address.Country
	}
	if matched := r.match(total, country); len(matched) > 0 {
		return ErrHeld.New("an order like that waits for approval (%s): the shop can change it, or place another order",
			strings.Join(matched, ", "))
	}
	return nil
}

// Confirmations says whose orders were confirmed.
type Confirmations interface {
	// AnyConfirmed reports whether an order of the customer was confirmed, and not cancelled since.
	// It may lag: an order that was confirmed a moment ago need not count.
	AnyConfirmed(ctx context.Context, customerID string) (bool, error)
}

// matched are the rules that an order matches, of what is known where it is placed. Who the
// customer is, and where they live, is in no event.
func (s Service) matched(ctx context.Context, in PlaceInput, lines []Line) ([]string, error) {
	total, err := Total(lines)
	if err != nil {
		return nil, err
	}
	matched := s.deps.HoldRules.match(total, in.Address.Country)
	if !s.deps.HoldRules.FirstOrders {
		return matched, nil
	}
	known, err := s.deps.Confirmations.AnyConfirmed(ctx, in.CustomerID)
	if err != nil {
		return nil, fmt.Errorf("order: look up earlier orders: %w", err)
	}
	if !known {
		matched = append(matched, RuleFirstOrder)
	}
	return matched, nil
}
