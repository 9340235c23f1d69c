package order

import (
	"context"
	"errors"
	"slices"
	"testing"

	"orderflow/shared/shop/money"
	"orderflow/shared/shop/shipment"
)

// known says of whom an order was confirmed.
type known map[string]bool

func (k known) AnyConfirmed(_ context.Context, customerID string) (bool, error) {
	return k[customerID], nil
}

// TestMatched: an order matches each rule that it breaks, and asks for nothing that no rule needs.
func TestMatched(t *testing.T) {
	all := HoldRules{Amounts: map[string]int64{"EUR": 300}, Countries: []string{"FR"}, FirstOrders: true}
	in := func(customer, country, currency string) PlaceInput {
		return PlaceInput{
			CustomerID: customer, Currency: currency, Address: shipment.Address{Country: country},
		}
	}
	two := append(lines(1), lines(1)...)
	for name, tt := range map[string]struct {
		rules HoldRules
		in    PlaceInput
		lines []Line
		want  []string
	}{
		"no rule":             {HoldRules{}, in("new", "FR", "EUR"), two, nil},
		"none that it breaks": {all, in("c1", "NL", "EUR"), lines(1), nil},
		"too dear":            {all, in("c1", "NL", "EUR"), two, []string{RuleAmount}},
		"another currency":    {HoldRules{Amounts: map[string]int64{"USD": 1}}, in("c1", "NL", "EUR"), two, nil},
		"a country":           {all, in("c1", "FR", "EUR"), lines(1), []string{RuleCountry}},
		"a first order":       {all, in("new", "NL", "EUR"), lines(1), []string{RuleFirstOrder}},
		"all":                 {all, in("new", "FR", "EUR"), two, []string{RuleAmount, RuleCountry, RuleFirstOrder}},
	} {
		t.Run(name, func(t *testing.T) {
			s := Service{deps: Deps{HoldRules: tt.rules}}
			if tt.rules.FirstOrders {
				s.deps.Confirmations = known{"c1": true}
			}
			got, err := s.matched(t.Context(), tt.in, tt.lines)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("matches %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestAmendedIntoAHold: a customer can't come round a rule by ordering little and asking for more.
func TestAmendedIntoAHold(t *testing.T) {
	rules := HoldRules{Amounts: map[string]int64{"EUR": 300}, Countries: []string{"FR"}}
	eur := func(n int64) money.Money { return money.Money{Amount: n, Currency: "EUR"} }
	dearer := func(total int64) Amended { return Amended{Total: eur(total), Difference: eur(1)} }
	moved := Amended{Total: eur(400), Difference: eur(0), Address: "sealed"}
	to := func(by Origin, country string) AmendInput {
		return AmendInput{By: by, Address: &shipment.Address{Country: country}}
	}
	for name, tt := range map[string]struct {
		amended Amended
		in      AmendInput
		refused bool
	}{
		"within the limit":         {dearer(300), AmendInput{By: OriginCustomer}, false},
		"above the limit":          {dearer(301), AmendInput{By: OriginCustomer}, true},
		"above it by an operator":  {dearer(301), AmendInput{By: OriginOperator}, false},
		"less, and still above it": {Amended{Total: eur(400), Difference: eur(-1)}, AmendInput{By: OriginCustomer}, false},
		"to another country":       {moved, to(OriginCustomer, "NL"), false},
		"to a country of the rule": {moved, to(OriginCustomer, "FR"), true},
		"there by an operator":     {moved, to(OriginOperator, "FR"), false},
		"where it goes already":    {dearer(300), to(OriginCustomer, "FR"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := rules.amended(tt.amended, tt.in); errors.Is(err, ErrHeld) != tt.refused {
				t.Errorf("error %v", err)
			}
		})
	}
}

// unreachable can't say whose orders were confirmed.
type unreachable struct{ error }

func (u unreachable) AnyConfirmed(context.Context, string) (bool, error) { return false, u.error }

// TestMatchedUnknown: an order isn't placed that may have to be held.
func TestMatchedUnknown(t *testing.T) {
	down := unreachable{errors.New("down")}
	s := Service{deps: Deps{HoldRules: HoldRules{FirstOrders: true}, Confirmations: down}}
	if _, err := s.matched(t.Context(), PlaceInput{CustomerID: "c1"}, lines(1)); !errors.Is(err, down.error) {
		t.Errorf("error %v", err)
	}
}

func TestParseHoldRules(t *testing.T) {
	got, err := ParseHoldRules("EUR:100000,JPY:0", "FR,LU", "true")
	if err != nil || got.Amounts["EUR"] != 100_000 || len(got.Amounts) != 2 || got.Amounts["JPY"] != 0 ||
		!slices.Equal(got.Countries, []string{"FR", "LU"}) || !got.FirstOrders {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParseHoldRules("", "", "false"); err != nil || len(got.Amounts)+len(got.Countries) > 0 ||
		got.FirstOrders {
		t.Errorf("nothing is %+v, %v", got, err)
	}
	for name, text := range map[string][3]string{
		"no limit": {"EUR", "", ""}, "a negative one": {"EUR:-1", "", ""}, "a fraction": {"EUR:1.5", "", ""},
		"no currency": {"EURO:1", "", ""}, "two limits": {"EUR:1,EUR:2", "", ""}, "an empty one": {"EUR:1,", "", ""},
		"no country": {"", "France", ""}, "a small one": {"", "fr", ""}, "neither": {"", "", "yes"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseHoldRules(text[0], text[1], text[2]); err == nil {
				t.Errorf("reads as %+v", got)
			}
			defer func() {
				if recover() == nil {
					t.Error("a function starts with them")
				}
			}()
			MustParseHoldRules(text[0], text[1], text[2])
		})
	}
}
