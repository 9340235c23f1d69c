package payment

import (
	"errors"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
)

func TestDecideGiveBack(t *testing.T) {
	eur := func(n int64) money.Money { return money.Money{Amount: n, Currency: "EUR"} }
	paid := Processed{PaymentID: "p1", OrderID: "o1", AccountID: "a1", Amount: eur(300)}
	given := func(amount, refunded int64) PartiallyRefunded {
		return PartiallyRefunded{
			PaymentID: "p1", OrderID: "o1", AccountID: "a1", RefundID: "r", Amount: eur(amount),
			Refunded: eur(refunded),
		}
	}
	for name, tt := range map[string]struct {
		given  []Event
		amount money.Money
		then   PartiallyRefunded
		fault  *faults.Spec
	}{
		"a part":              {[]Event{paid}, eur(100), given(100, 100), nil},
		"another part":        {[]Event{paid, given(100, 100)}, eur(50), given(50, 150), nil},
		"the rest":            {[]Event{paid, given(100, 100)}, eur(200), given(200, 300), nil},
		"all":                 {[]Event{paid}, eur(300), given(300, 300), nil},
		"too much":            {[]Event{paid}, eur(301), PartiallyRefunded{}, ErrExceeds},
		"too much by now":     {[]Event{paid, given(100, 100)}, eur(201), PartiallyRefunded{}, ErrExceeds},
		"nothing":             {[]Event{paid}, eur(0), PartiallyRefunded{}, ErrExceeds},
		"less than nothing":   {[]Event{paid, given(100, 100)}, eur(-1), PartiallyRefunded{}, ErrExceeds},
		"another currency":    {[]Event{paid}, money.Money{Amount: 1, Currency: "USD"}, PartiallyRefunded{}, ErrExceeds},
		"of what is not paid": {nil, eur(1), PartiallyRefunded{}, ErrNotProcessed},
		"of what is declined": {[]Event{Declined{PaymentID: "p1"}}, eur(1), PartiallyRefunded{}, ErrNotProcessed},
		"of what is refunded": {[]Event{paid, Refunded{Amount: eur(300)}}, eur(1), PartiallyRefunded{}, ErrNotProcessed},
	} {
		t.Run(name, func(t *testing.T) {
			state := Initial()
			for _, e := range tt.given {
				state = Evolve(state, e)
			}
			got, err := giveBack(GiveBack{PaymentID: "p1", RefundID: "r", Amount: tt.amount}, state)
			if tt.fault == nil && err != nil || tt.fault != nil && !errors.Is(err, tt.fault) || got != tt.then {
				t.Errorf("%+v, %v, want %+v, %v", got, err, tt.then, tt.fault)
			}
			if state = Evolve(state, got); tt.fault == nil && (state.attemptStatus() != es.AttemptDone ||
				state.left() != eur(300-tt.then.Refunded.Amount)) {
				t.Errorf("%s is left of %+v", state.left(), state)
			}
		})
	}
}
