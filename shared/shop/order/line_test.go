package order

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
)

func ppm(n int64) *int64 { return &n }

func adjusted(quantity, price, discount, tax int64) Line {
	return Line{
		SKU: "cd-1", Quantity: quantity, UnitPrice: eur(price),
		Discount: &Adjustment{Name: "Sale", Amount: eur(discount)},
		Tax:      &Adjustment{Name: "VAT", Amount: eur(tax), RatePPM: ppm(190_000)},
	}
}

func TestAmount(t *testing.T) {
	with := func(change func(*Line)) Line {
		l := adjusted(3, 1000, 500, 475)
		change(&l)
		return l
	}
	mixed := money.ErrMixedCurrency
	for _, tt := range []struct {
		name  string
		line  Line
		want  int64
		fault *faults.Spec
		field string
	}{
		{"quantity × price", Line{Quantity: 3, UnitPrice: eur(1000)}, 3000, nil, ""},
		{"less a discount, plus a tax", adjusted(3, 1000, 500, 475), 2975, nil, ""},
		{"a discount alone", with(func(l *Line) { l.Tax = nil }), 2500, nil, ""},
		{"a tax alone", with(func(l *Line) { l.Discount = nil }), 3475, nil, ""},
		{"a discount of everything", adjusted(3, 1000, 3000, 0), 0, nil, ""},
		{"a tax on nothing", adjusted(3, 1000, 3000, 10), 10, nil, ""},
		{"nothing of anything", adjusted(1, 0, 0, 0), 0, nil, ""},
		{
			"a discount of more than there is", adjusted(3, 1000, 3001, 500), 0, ErrInvalidLines,
			"discount.amount.amount",
		},
		{"a discount below zero", adjusted(3, 1000, -1, 0), 0, ErrInvalidLines, "discount.amount.amount"},
		{"a tax below zero", adjusted(3, 1000, 0, -1), 0, ErrInvalidLines, "tax.amount.amount"},
		{
			"a discount in dollars", with(func(l *Line) { l.Discount.Amount.Currency = "USD" }), 0, mixed,
			"discount.amount",
		},
		{"a tax in dollars", with(func(l *Line) { l.Tax.Amount.Currency = "USD" }), 0, mixed, "tax.amount"},
		{
			"a discount in no currency", with(func(l *Line) { l.Discount.Amount = money.Money{} }), 0, mixed,
			"discount.amount",
		},
		{"a tax in no currency", with(func(l *Line) { l.Tax.Amount = money.Money{} }), 0, mixed, "tax.amount"},
		{"out of range", Line{Quantity: 1 << 40, UnitPrice: eur(1 << 40)}, 0, money.ErrOverflow, "unitPrice"},
		{"out of range by its tax", adjusted(1<<31, 1<<31, 0, 1<<62), 0, money.ErrOverflow, "tax.amount"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.line.Amount()
			if tt.fault == nil {
				if err != nil || got != eur(tt.want) {
					t.Errorf("%v, %v, want %d", got, err, tt.want)
				}
				return
			}
			if f, _ := faults.As(err); !errors.Is(err, tt.fault) || f.Field != tt.field || got != (money.Money{}) {
				t.Errorf("%v, %v, want %v in %q", got, err, tt.fault, tt.field)
			}
		})
	}
}

func TestTotalOfAdjustments(t *testing.T) {
	with := func(change func(*Adjustment)) []Line {
		l := adjusted(3, 1000, 500, 475)
		change(l.Tax)
		return []Line{lines(1)[0], l}
	}
	long := strings.Repeat("x", MaxAdjustmentName+1)
	for _, tt := range []struct {
		name  string
		lines []Line
		field string // of what is refused
	}{
		{"as it should be", with(func(*Adjustment) {}), ""},
		{"a name in another script", with(func(a *Adjustment) { a.Name = "消費税 8.875 %" }), ""},
		{"the longest name", with(func(a *Adjustment) { a.Name = strings.Repeat("ß", MaxAdjustmentName) }), ""},
		{"no rate", with(func(a *Adjustment) { a.RatePPM = nil }), ""},
		{"a rate of nothing", with(func(a *Adjustment) { a.RatePPM = ppm(0) }), ""},
		{"no name", with(func(a *Adjustment) { a.Name = "" }), "body.lines[1].tax.name"},
		{"a blank name", with(func(a *Adjustment) { a.Name = " " }), "body.lines[1].tax.name"},
		{"a name of two lines", with(func(a *Adjustment) { a.Name = "VAT\nTotal" }), "body.lines[1].tax.name"},
		{
			"a name that turns the line around", with(func(a *Adjustment) { a.Name = "\u202eTAV" }),
			"body.lines[1].tax.name",
		},
		{"a name that is no UTF-8", with(func(a *Adjustment) { a.Name = "\xff" }), "body.lines[1].tax.name"},
		{"too long a name", with(func(a *Adjustment) { a.Name = long }), "body.lines[1].tax.name"},
		{"a rate below zero", with(func(a *Adjustment) { a.RatePPM = ppm(-1) }), "body.lines[1].tax.ratePpm"},
		{
			"a rate above all", with(func(a *Adjustment) { a.RatePPM = ppm(MaxRatePPM + 1) }),
			"body.lines[1].tax.ratePpm",
		},
		{
			"an absurd tax", with(func(a *Adjustment) { a.Amount.Amount = MaxTotal + 1 }),
			"body.lines[1].tax.amount.amount",
		},
		{"a tax that makes it too dear", with(func(a *Adjustment) { a.Amount.Amount = MaxTotal }), "body.lines"},
		{"another currency", with(func(a *Adjustment) { a.Amount.Currency = "USD" }), "body.lines[1].tax.amount"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Total(tt.lines)
			f, _ := faults.As(err)
			switch {
			case tt.field == "" && (err != nil || got != eur(300+2975)):
				t.Errorf("%v, %v", got, err)
			case tt.field != "" && (f == nil || f.Field != tt.field):
				t.Errorf("%v, want a fault in %q", err, tt.field)
			}
		})
	}
}

// TestLineRule compares amounts and totals with those of unlimited numbers: exact, never below
// zero, within the limits, and such that every number of them is the same in a program that
// computes in doubles.
func TestLineRule(t *testing.T) {
	amount := func(most int64) *rapid.Generator[int64] {
		edge := rapid.Int64Range(most-2, most+2)
		return rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64Range(0, most), edge, rapid.Int64())
	}
	quantities := rapid.OneOf(rapid.Int64Range(1, 5), rapid.Int64Range(MaxQuantity-1, MaxQuantity))
	dearest := rapid.Int64Range(MaxUnitPrice-1, MaxUnitPrice)
	prices := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, MaxUnitPrice), dearest)
	adjustment := func(t *rapid.T, name string, most int64) *Adjustment {
		if !rapid.Bool().Draw(t, name) {
			return nil
		}
		return &Adjustment{Name: name, Amount: eur(amount(most).Draw(t, name+" amount"))}
	}
	rapid.Check(t, func(t *rapid.T) {
		drawn := make([]Line, rapid.IntRange(1, 5).Draw(t, "lines"))
		sum, valid := new(big.Int), true
		for i := range drawn {
			l := Line{SKU: "cd-1", Quantity: quantities.Draw(t, "quantity"), UnitPrice: eur(prices.Draw(t, "price"))}
			gross := l.Quantity * l.UnitPrice.Amount
			l.Discount, l.Tax = adjustment(t, "discount", gross), adjustment(t, "tax", MaxTotal)
			drawn[i] = l
			want, possible := big.NewInt(gross), true
			if l.Discount != nil {
				want.Sub(want, big.NewInt(l.Discount.Amount.Amount))
				possible = l.Discount.Amount.Amount >= 0 && l.Discount.Amount.Amount <= gross
				valid = valid && l.Discount.Amount.Amount <= MaxTotal
			}
			if l.Tax != nil {
				want.Add(want, big.NewInt(l.Tax.Amount.Amount))
				possible = possible && l.Tax.Amount.Amount >= 0 && want.IsInt64()
				valid = valid && l.Tax.Amount.Amount <= MaxTotal
			}
			got, err := l.Amount()
			if (err == nil) != possible || possible && (got != eur(want.Int64()) || got.Amount < 0) {
				t.Fatalf("%+v comes to %v, %v, and not to %v", l, got, err, want)
			}
			sum.Add(sum, want)
			valid = valid && possible
		}
		valid = valid && sum.IsInt64() && sum.Int64() <= MaxTotal
		total, err := Total(drawn)
		if (err == nil) != valid || valid && total != eur(sum.Int64()) {
			t.Fatalf("the total of %+v is %v, %v, and not %v", drawn, total, err, sum)
		}
		if !valid {
			return
		}
		slices.Reverse(drawn)
		if again, err := Total(drawn); err != nil || again != total {
			t.Fatalf("in another order it is %v, %v", again, err)
		}
		for _, n := range []int64{total.Amount, drawn[0].UnitPrice.Amount} {
			if int64(float64(n)) != n {
				t.Fatalf("%d is another number as a double", n)
			}
		}
	})
}
