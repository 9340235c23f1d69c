package order

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
)

// bought has three lines: three pieces for 10.00, one piece of the same SKU with a discount and a
// tax for 4.50, and two that cost nothing.
var bought = Placed{
	OrderID: "o1", CustomerID: "c1", AccountID: "a1", Address: "pd1:x", Revision: 1,
	PlacedAt: "2026-03-01T12:00:00Z", Total: eur(1450),
	Lines: []Line{
		{SKU: "cd-1", Quantity: 3, UnitPrice: eur(333), Tax: &Adjustment{Name: "VAT", Amount: eur(1)}},
		{
			SKU: "cd-1", Quantity: 1, UnitPrice: eur(500), Discount: &Adjustment{Name: "sale", Amount: eur(100)},
			Tax: &Adjustment{Name: "VAT", Amount: eur(50)},
		},
		{SKU: "gift", Quantity: 2, UnitPrice: eur(0)},
	},
}

// dispatched is what was ordered, after it has left.
func dispatched(more ...Event) []Event {
	return append([]Event{bought, started, confirmed, shipped}, more...)
}

// refunded is a refund as it is stored.
func refunded(id string, total int64, lines ...RefundedLine) Refunded {
	r := Refunded{
		RefundID: id, PaymentID: "p1", Amount: eur(0), Lines: lines, Reason: RefundDamaged, By: "person/p",
		RefundedAt: "2026-03-01T12:00:00Z", Total: eur(total),
	}
	for _, l := range lines {
		r.Amount.Amount += l.Amount.Amount
	}
	return r
}

func pieces(line, quantity, amount int64) RefundedLine {
	return RefundedLine{Line: line, SKU: bought.Lines[line].SKU, Quantity: quantity, Amount: eur(amount)}
}

func giveBackLines(id string, lines ...LineRefund) GiveBack {
	return GiveBack{RefundID: id, Lines: lines, Reason: RefundDamaged, By: "person/p", Now: noon}
}

func of(line, quantity int64) LineRefund { return LineRefund{Line: new(line), Quantity: quantity} }

func TestDecideGiveBack(t *testing.T) {
	one := giveBackLines("r1", of(0, 1))
	all := giveBackLines("r1", of(2, 2), of(0, 3), of(1, 1))
	goodwill := GiveBack{
		RefundID: "r2", Shipping: new(eur(100)), Goodwill: new(eur(50)), Reason: RefundLate, Note: "pd1:n",
		By: "person/p", Now: noon,
	}
	given := refunded("r2", 483, pieces(0, 1, 333))
	given.Amount, given.Lines, given.Note, given.Reason = eur(150), nil, "pd1:n", RefundLate
	given.Shipping, given.Goodwill = new(eur(100)), new(eur(50))
	decides(t, []decision{
		{"a piece", dispatched(), one, []Event{refunded("r1", 333, pieces(0, 1, 333))}, nil},
		{"a piece, once delivered", dispatched(delivered), one, []Event{refunded("r1", 333, pieces(0, 1, 333))}, nil},
		{"again", dispatched(refunded("r1", 333, pieces(0, 1, 333))), one, nil, nil},
		{
			"the last of three pieces has the cent", dispatched(refunded("r1", 666, pieces(0, 2, 666))),
			giveBackLines("r2", of(0, 1)), []Event{refunded("r2", 1000, pieces(0, 1, 334))}, nil,
		},
		{
			"all, in the order's order", dispatched(), all,
			[]Event{refunded("r1", 1450, pieces(0, 3, 1000), pieces(1, 1, 450), pieces(2, 2, 0))}, nil,
		},
		{
			"by the SKU", dispatched(), giveBackLines("r1", LineRefund{SKU: "gift", Quantity: 1}),
			[]Event{refunded("r1", 0, pieces(2, 1, 0))}, nil,
		},
		{
			"a part of a price", dispatched(),
			giveBackLines("r1", LineRefund{Line: new(int64(1)), Amount: new(eur(5))}),
			[]Event{refunded("r1", 5, pieces(1, 0, 5))}, nil,
		},
		{
			"pieces after a part of their price", dispatched(refunded("r1", 100, pieces(0, 0, 100))),
			giveBackLines("r2", of(0, 3)), []Event{refunded("r2", 1000, pieces(0, 3, 900))}, nil,
		},
		{
			"pieces for less", dispatched(),
			giveBackLines("r1", LineRefund{Line: new(int64(0)), Quantity: 3, Amount: new(eur(1))}),
			[]Event{refunded("r1", 1, pieces(0, 3, 1))}, nil,
		},
		{
			"shipping and goodwill", dispatched(refunded("r1", 333, pieces(0, 1, 333))), goodwill, []Event{given}, nil,
		},

		{"of what is not there", nil, one, nil, ErrNotFound},
		{"of what is placed", []Event{bought}, one, nil, ErrNotDispatched},
		{"of what is confirmed", []Event{bought, started, confirmed}, one, nil, ErrNotDispatched},
		{"of what is being cancelled", []Event{bought, cancelling}, one, nil, ErrCancelling},
		{"of what is cancelled", []Event{bought, cancelling, cancelled}, one, nil, ErrCancelling},
		{"a piece too many", dispatched(), giveBackLines("r1", of(0, 4)), nil, ErrRefundExceeds},
		{
			"a piece too many, after others", dispatched(refunded("r1", 666, pieces(0, 2, 666))),
			giveBackLines("r2", of(0, 2)), nil, ErrRefundExceeds,
		},
		{
			"more than is left of a line", dispatched(refunded("r1", 333, pieces(0, 1, 333))),
			giveBackLines("r2", LineRefund{Line: new(int64(0)), Amount: new(eur(668))}), nil, ErrRefundExceeds,
		},
		{
			"more than is left of the order, by a line", dispatched(given),
			giveBackLines("r3", of(0, 3), of(1, 1)), nil, ErrRefundExceeds,
		},
		{
			"more than is left of the order, by goodwill",
			dispatched(refunded("r1", 1450, pieces(0, 3, 1000), pieces(1, 1, 450))), goodwill, nil, ErrRefundExceeds,
		},
	})
}

func TestDecideInvalidGiveBack(t *testing.T) {
	several := dispatched()
	for i := range MaxRefunds {
		several = append(several, refunded(fmt.Sprint("r", i), 0, pieces(2, 0, 0)))
	}
	usd := money.Money{Amount: 1, Currency: "USD"}
	for name, tt := range map[string]struct {
		given []Event
		when  GiveBack
		fault *faults.Spec
		field string
	}{
		"nothing": {dispatched(), giveBackLines("r"), ErrInvalidRefund, "body"},
		"without a reason": {
			dispatched(), GiveBack{RefundID: "r", Goodwill: new(eur(1))}, ErrInvalidRefund, "body.reason",
		},
		"another line":   {dispatched(), giveBackLines("r", of(3, 1)), ErrInvalidRefund, "body.lines[0].line"},
		"a line below 0": {dispatched(), giveBackLines("r", of(-1, 1)), ErrInvalidRefund, "body.lines[0].line"},
		"a line twice": {
			dispatched(), giveBackLines("r", of(0, 1), of(0, 1)), ErrInvalidRefund, "body.lines[1].line",
		},
		"no line": {
			dispatched(), giveBackLines("r", LineRefund{Quantity: 1}), ErrInvalidRefund, "body.lines[0].line",
		},
		"a SKU of two lines": {
			dispatched(), giveBackLines("r", LineRefund{SKU: "cd-1", Quantity: 1}), ErrInvalidRefund,
			"body.lines[0].sku",
		},
		"a SKU of none": {
			dispatched(), giveBackLines("r", LineRefund{SKU: "cd-2", Quantity: 1}), ErrInvalidRefund,
			"body.lines[0].sku",
		},
		"another line's SKU": {
			dispatched(), giveBackLines("r", LineRefund{Line: new(int64(0)), SKU: "gift", Quantity: 1}),
			ErrInvalidRefund, "body.lines[0].sku",
		},
		"neither pieces nor an amount": {
			dispatched(), giveBackLines("r", of(0, 0)), ErrInvalidRefund, "body.lines[0].quantity",
		},
		"fewer than no pieces": {
			dispatched(), giveBackLines("r", of(0, -1)), ErrInvalidRefund, "body.lines[0].quantity",
		},
		"nothing of a line": {
			dispatched(), giveBackLines("r", LineRefund{Line: new(int64(0)), Amount: new(eur(0))}), ErrInvalidRefund,
			"body.lines[0].amount.amount",
		},
		"less than nothing of pieces": {
			dispatched(), giveBackLines("r", LineRefund{Line: new(int64(0)), Quantity: 1, Amount: new(eur(-1))}),
			ErrInvalidRefund, "body.lines[0].amount.amount",
		},
		"another currency": {
			dispatched(), giveBackLines("r", LineRefund{Line: new(int64(0)), Amount: &usd}), money.ErrMixedCurrency,
			"body.lines[0].amount.currency",
		},
		"goodwill in another currency": {
			dispatched(), GiveBack{RefundID: "r", Goodwill: &usd, Reason: RefundLate}, money.ErrMixedCurrency,
			"body.goodwill.currency",
		},
		"shipping of nothing": {
			dispatched(), GiveBack{RefundID: "r", Shipping: new(eur(0)), Reason: RefundLate}, ErrInvalidRefund,
			"body.shipping.amount",
		},
		"more than the order as shipping": {
			dispatched(), GiveBack{RefundID: "r", Shipping: new(eur(1451)), Reason: RefundLate}, ErrRefundExceeds,
			"body.shipping.amount",
		},
		"more than the order in two parts": {
			dispatched(),
			GiveBack{RefundID: "r", Shipping: new(eur(1000)), Goodwill: new(eur(451)), Reason: RefundLate},
			ErrRefundExceeds, "body",
		},
		"too many": {several, giveBackLines("r", of(0, 1)), ErrTooManyRefunds, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decider.Decide(tt.when, fold(tt.given))
			f, ok := faults.As(err)
			if !ok || !errors.Is(err, tt.fault) || f.Field != tt.field || got != nil {
				t.Errorf("%v, %+v, want %v in %s", got, err, tt.fault, tt.field)
			}
		})
	}
}

// anyOrder draws an order that has left.
func anyOrder(t *rapid.T) State {
	currency := rapid.SampledFrom([]string{"EUR", "JPY", "BHD"}).Draw(t, "currency")
	amount := func(most int64, name string) money.Money {
		return money.Money{Amount: rapid.Int64Range(0, most).Draw(t, name), Currency: currency}
	}
	lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Line {
		l := Line{
			SKU:      rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "sku"),
			Quantity: rapid.Int64Range(1, 12).Draw(t, "quantity"), UnitPrice: amount(2000, "price"),
		}
		if rapid.Bool().Draw(t, "discounted") {
			l.Discount = &Adjustment{Name: "sale", Amount: amount(l.Quantity*l.UnitPrice.Amount, "discount")}
		}
		if rapid.Bool().Draw(t, "taxed") {
			l.Tax = &Adjustment{Name: "VAT", Amount: amount(700, "tax")}
		}
		return l
	}), 1, 4).Draw(t, "lines")
	total, err := Total(lines)
	if err != nil {
		t.Fatal(err)
	}
	p := bought
	p.Lines, p.Total = lines, total
	return fold([]Event{p, started, confirmed, shipped})
}

// TestPieceByPiece: whatever discount and tax a line has, its pieces come to exactly what was paid
// for it, one by one or some together, and each to the same within one minor unit.
func TestPieceByPiece(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := anyOrder(t)
		for line, l := range state.Lines {
			paid, err := l.Amount()
			if err != nil {
				t.Fatal(err)
			}
			sum := int64(0)
			for rest := l.Quantity; rest > 0; {
				n := rapid.Int64Range(1, rest).Draw(t, "pieces")
				events, err := Decider.Decide(giveBackLines(fmt.Sprint(line, "/", rest), of(int64(line), n)), state)
				if err != nil || len(events) != 1 {
					t.Fatalf("%v, %v", events, err)
				}
				state = Evolve(state, events[0])
				got := events[0].(Refunded).Amount.Amount
				if each := paid.Amount / l.Quantity; got < n*each || got > n*(each+1) {
					t.Fatalf("%d of %d pieces for %d: %d", n, l.Quantity, paid.Amount, got)
				}
				sum, rest = sum+got, rest-n
			}
			if sum != paid.Amount {
				t.Fatalf("line %d came to %d, and %d is given back", line, paid.Amount, sum)
			}
		}
		if state.Refunded() != state.Total || state.Refundable().Amount != 0 {
			t.Fatalf("%s of %s is given back", state.Refunded(), state.Total)
		}
	})
}

// TestNeverMoreThanPaid: whatever is asked for, neither a line nor the order gives back more than
// was paid for it, no piece comes back twice, what is refused changes nothing, and a repeat yields
// nothing.
func TestNeverMoreThanPaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := anyOrder(t)
		for i := range rapid.IntRange(1, 12).Draw(t, "refunds") {
			wanted := GiveBack{RefundID: fmt.Sprint(i), Reason: RefundOther, Now: noon}
			amount := func(name string) *money.Money {
				if rapid.Bool().Draw(t, name) {
					return nil
				}
				return &money.Money{
					Amount: rapid.Int64Range(-1, state.Total.Amount+1).Draw(t, name), Currency: state.Total.Currency,
				}
			}
			for range rapid.IntRange(0, 3).Draw(t, "lines") {
				wanted.Lines = append(wanted.Lines, LineRefund{
					Line:     new(rapid.Int64Range(0, int64(len(state.Lines))).Draw(t, "line")),
					Quantity: rapid.Int64Range(0, 4).Draw(t, "quantity"), Amount: amount("amount"),
				})
			}
			wanted.Shipping, wanted.Goodwill = amount("shipping"), amount("goodwill")
			before := state.Refunds
			events, err := Decider.Decide(wanted, state)
			if err != nil {
				continue
			}
			next := Evolve(state, events[0])
			if len(state.Refunds) != len(before) {
				t.Fatal("the state before has changed")
			}
			state = next
			if again, err := Decider.Decide(wanted, state); err != nil || again != nil {
				t.Fatalf("again: %v, %v", again, err)
			}
		}
		sums, quantities, total := map[int64]int64{}, map[int64]int64{}, int64(0)
		for _, r := range state.Refunds {
			parts := int64(0)
			for _, l := range r.Lines {
				sums[l.Line] += l.Amount.Amount
				quantities[l.Line] += l.Quantity
				parts += l.Amount.Amount
			}
			for _, m := range []*money.Money{r.Shipping, r.Goodwill} {
				if m != nil {
					parts += m.Amount
				}
			}
			if total += r.Amount.Amount; parts != r.Amount.Amount || total != r.Total.Amount {
				t.Fatalf("%+v comes to %d, all to %d", r, parts, total)
			}
		}
		if total > state.Total.Amount || state.Refunded().Amount != total {
			t.Fatalf("%d of %s", total, state.Total)
		}
		for i, l := range state.Lines {
			paid, err := l.Amount()
			if n := int64(i); err != nil || sums[n] > paid.Amount || quantities[n] > l.Quantity {
				t.Fatalf("line %d: %d of %s, %d of %d pieces, %v", i, sums[n], paid, quantities[n], l.Quantity, err)
			}
		}
	})
}
