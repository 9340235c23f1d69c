package product

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func price(amount int64, currency string) Price {
	return Price{Money: money.Money{Amount: amount, Currency: currency}}
}

func (p Price) from(at time.Time) Price {
	p.ValidFrom = at
	return p
}

func TestCheck(t *testing.T) {
	zone := time.FixedZone("", 3600)
	many := func(n int) []Price {
		prices := make([]Price, n)
		for i := range prices {
			prices[i] = price(1, "EUR").from(noon.Add(time.Duration(i)))
		}
		return prices
	}
	for _, tc := range []struct {
		name   string
		prices []Price
		fault  *faults.Spec
		field  string
	}{
		{"one", []Price{price(999, "EUR")}, nil, ""},
		{"nothing to pay", []Price{price(0, "EUR")}, nil, ""},
		{"the highest", []Price{price(MaxPrice, "EUR")}, nil, ""},
		{"one a currency", []Price{price(999, "EUR"), price(1099, "USD"), price(120, "JPY")}, nil, ""},
		{"scheduled only", []Price{price(999, "EUR").from(noon)}, nil, ""},
		{
			"now, then, and then",
			[]Price{price(999, "EUR"), price(899, "EUR").from(noon), price(799, "EUR").from(noon.Add(1))}, nil, "",
		},
		{
			"the same time of two currencies", []Price{price(999, "EUR").from(noon), price(999, "USD").from(noon)},
			nil, "",
		},
		{"as many as may be", many(MaxPrices), nil, ""},
		{"the first moment", []Price{price(1, "EUR").from(minValidFrom)}, nil, ""},
		{"the last moment", []Price{price(1, "EUR").from(maxValidFrom)}, nil, ""},

		{"none", nil, ErrInvalidPrices, "body.prices"},
		{"too many", many(MaxPrices + 1), ErrInvalidPrices, "body.prices"},
		{"below nothing", []Price{price(999, "EUR"), price(-1, "USD")}, ErrInvalidPrices, "body.prices[1].amount"},
		{"absurd", []Price{price(MaxPrice+1, "EUR")}, ErrInvalidPrices, "body.prices[0].amount"},
		{"no currency", []Price{price(999, "")}, money.ErrCurrency, "body.prices[0].currency"},
		{"unknown currency", []Price{price(999, "ZZZ")}, money.ErrCurrency, "body.prices[0].currency"},
		{"a currency that was given up", []Price{price(999, "DEM")}, money.ErrCurrency, "body.prices[0].currency"},
		{
			"twice now", []Price{price(999, "EUR"), price(999, "USD"), price(899, "EUR")}, ErrInvalidPrices,
			"body.prices[2].validFrom",
		},
		{
			"twice then, in two zones", []Price{price(999, "EUR").from(noon), price(999, "EUR").from(noon.In(zone))},
			ErrInvalidPrices, "body.prices[1].validFrom",
		},
		{
			"before our era", []Price{price(1, "EUR").from(time.Date(0, 12, 31, 23, 0, 0, 0, time.UTC))},
			ErrInvalidPrices, "body.prices[0].validFrom",
		},
		{
			"after the years of four digits", []Price{price(1, "EUR").from(maxValidFrom.Add(1))},
			ErrInvalidPrices, "body.prices[0].validFrom",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := check(tc.prices)
			if tc.fault == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if f, ok := faults.As(err); !errors.Is(err, tc.fault) || !ok || f.Field != tc.field {
				t.Errorf("%v at %q, want %v at %q", err, f.Field, tc.fault, tc.field)
			}
		})
	}
}

// drawPrices draws prices that a product can have: few currencies and times, so that they meet.
func drawPrices(t *rapid.T) []Price {
	all := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Price {
		p := price(
			rapid.Int64Range(0, 9).Draw(t, "amount"),
			rapid.SampledFrom([]string{"EUR", "JPY", "USD"}).Draw(t, "currency"),
		)
		if minutes := rapid.IntRange(-1, 4).Draw(t, "minutes"); minutes >= 0 {
			zone := time.FixedZone("", rapid.IntRange(-12, 12).Draw(t, "zone")*3600)
			p = p.from(noon.Add(time.Duration(minutes) * time.Minute).In(zone))
		}
		return p
	}), 1, 12, func(p Price) string { return p.Currency + p.ValidFrom.UTC().String() })
	return all.Draw(t, "prices")
}

// TestInForce: whatever prices a product has, in whatever order they were sent, at most one of each
// currency is in force at a time, and it is the one with the latest ValidFrom that is not after it.
func TestInForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prices := drawPrices(t)
		if err := check(prices); err != nil {
			t.Fatal(err)
		}
		p := Product{SKU: "cd-1", Version: 1, Prices: sorted(prices)}
		rand.Shuffle(len(prices), func(i, j int) { prices[i], prices[j] = prices[j], prices[i] })
		if !samePrices(p.Prices, sorted(prices)) {
			t.Fatalf("the order in which they were sent matters: %v, %v", p.Prices, sorted(prices))
		}
		at := noon.Add(time.Duration(rapid.IntRange(-2, 10).Draw(t, "half minutes")) * 30 * time.Second)
		want := map[string]Price{}
		for _, price := range prices {
			if last, there := want[price.Currency]; !price.ValidFrom.After(at) &&
				(!there || price.ValidFrom.After(last.ValidFrom)) {
				want[price.Currency] = price
			}
		}
		offer, offered := p.Offer(at)
		if offered != (len(want) > 0) || len(offer.Prices) != len(want) || offer.SKU != p.SKU ||
			offer.Version != p.Version {
			t.Fatalf("offered %v: %v, want %v", offered, offer, want)
		}
		if !slices.IsSortedFunc(
			offer.Prices, func(a, b money.Money) int { return strings.Compare(a.Currency, b.Currency) },
		) {
			t.Fatalf("not by currency: %v", offer.Prices)
		}
		for _, currency := range []string{"EUR", "JPY", "USD", ""} {
			got, found := offer.Price(currency)
			if found != (want[currency] != Price{}) || got != want[currency].Money {
				t.Fatalf("%s at %s: %v, %v, want %v", currency, at, got, found, want[currency])
			}
		}
		// Time alone changes nothing but which price is in force.
		if before, _ := p.Offer(at.Add(-1)); !slices.Equal(before.Prices, offer.Prices) &&
			!slices.ContainsFunc(prices, func(p Price) bool { return p.ValidFrom.Equal(at) }) {
			t.Fatalf("the offer changed at %s, when no price comes into force: %v, %v", at, before, offer)
		}
	})
}

// TestDecide: what follows from what is wanted, and what is so already.
func TestDecide(t *testing.T) {
	one, other := []Price{price(999, "EUR")}, []Price{price(999, "EUR"), price(899, "EUR").from(noon)}
	sale, end := Desired{Prices: one}, Desired{Withdrawn: true}
	listed := Listed{SKU: "cd-1", Prices: one}
	patient := Desired{Prices: one, OutOfStock: goods.Backorder}
	waits := Repriced{SKU: "cd-1", Prices: one, OutOfStock: goods.Backorder}
	for _, tc := range []struct {
		name  string
		given []Event
		when  Desired
		then  []Event
		fault error
	}{
		{"list", nil, sale, []Event{listed}, nil},
		{"list again", []Event{listed}, sale, nil, nil},
		{"reprice", []Event{listed}, Desired{Prices: other}, []Event{Repriced{SKU: "cd-1", Prices: other}}, nil},
		{"reprice again", []Event{listed, Repriced{SKU: "cd-1", Prices: other}}, Desired{Prices: other}, nil, nil},
		{
			"back to the first price", []Event{listed, Repriced{SKU: "cd-1", Prices: other}}, sale,
			[]Event{Repriced{SKU: "cd-1", Prices: one}}, nil,
		},
		{"another policy", []Event{listed}, patient, []Event{waits}, nil},
		{"another policy again", []Event{listed, waits}, patient, nil, nil},
		{"the default again", []Event{listed, waits}, sale, []Event{Repriced{SKU: "cd-1", Prices: one}}, nil},
		{"withdraw", []Event{listed}, end, []Event{Withdrawn{SKU: "cd-1"}}, nil},
		{"withdraw again", []Event{listed, Withdrawn{SKU: "cd-1"}}, end, nil, nil},
		{"withdraw what nobody listed", nil, end, nil, ErrNotFound},
		{
			"list what is withdrawn, at the price that it had", []Event{listed, Withdrawn{SKU: "cd-1"}}, sale,
			[]Event{listed}, nil,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := Decider.Initial()
			for _, e := range tc.given {
				p = Evolve(p, e)
			}
			got, err := Decider.Decide(set{sku: "cd-1", want: tc.when}, p)
			if !errors.Is(err, tc.fault) {
				t.Errorf("got %v, want %v", err, tc.fault)
			}
			if diff := cmp.Diff(tc.then, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDesired: after a decision the product is as it was wanted, and the same again yields no
// event.
func TestDesired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Decider.Initial()
		for range rapid.IntRange(1, 10).Draw(t, "changes") {
			want := Desired{Withdrawn: rapid.Bool().Draw(t, "withdrawn")}
			if !want.Withdrawn {
				want.Prices = sorted(drawPrices(t))
				want.OutOfStock = rapid.SampledFrom([]goods.OutOfStock{"", goods.Backorder}).Draw(t, "policy")
			}
			events, err := Decider.Decide(set{sku: "cd-1", want: want}, p)
			if err != nil {
				if !errors.Is(err, ErrNotFound) || p.Known() || !want.Withdrawn {
					t.Fatal(err)
				}
				continue
			}
			if len(events) > 1 {
				t.Fatalf("%d events of one decision", len(events))
			}
			version := p.Version + int64(len(events))
			for _, e := range events {
				p = Evolve(p, e)
			}
			if p.SKU != "cd-1" || p.Version != version || p.Withdrawn != want.Withdrawn ||
				p.OutOfStock != want.OutOfStock || !samePrices(p.Prices, want.Prices) {
				t.Fatalf("%+v, want version %d of %+v", p, version, want)
			}
			if again, err := Decider.Decide(set{sku: "cd-1", want: want}, p); err != nil || len(again) > 0 {
				t.Fatalf("again: %v, %v", again, err)
			}
		}
	})
}

func TestValidSKU(t *testing.T) {
	for _, sku := range []string{"a", "CD-0042", "0", "a.b_c-d", strings.Repeat("x", maxSKU)} {
		if !ValidSKU(sku) {
			t.Errorf("%q is none", sku)
		}
	}
	for _, sku := range []string{"", "-a", ".a", "a b", "a/b", "ä", "a\n", strings.Repeat("x", maxSKU+1)} {
		if ValidSKU(sku) {
			t.Errorf("%q is one", sku)
		}
	}
}
