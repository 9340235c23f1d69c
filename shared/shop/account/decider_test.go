package account

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/shop/money"
)

func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

// decision is what a command comes to after some events.
type decision struct {
	name  string
	given []Event
	when  Command
	then  []Event
	err   error
}

// decides wants each command to yield its events, or its error.
func decides(t *testing.T, cases []decision) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			state := Decider.Initial()
			for _, e := range tt.given {
				state = Decider.Evolve(state, e)
			}
			got, err := Decider.Decide(tt.when, state)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.then, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecideOpen: an account is opened once, in a currency in use.
func TestDecideOpen(t *testing.T) {
	opened := Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"}
	decides(t, []decision{
		{"open", nil, Open{"a1", "c1", "EUR"}, []Event{opened}, nil},
		{"open what is open", []Event{opened}, Open{"a1", "c1", "EUR"}, nil, ErrAlreadyOpen},
		{"open in no currency", nil, Open{"a1", "c1", "EURO"}, nil, money.ErrCurrency},
	})
}

// TestDecideDeposit: a deposit is positive, in the account's currency, and leaves room for what was
// taken.
func TestDecideDeposit(t *testing.T) {
	opened := Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"}
	holding := func(amount int64) []Event {
		return []Event{opened, Deposited{Amount: eur(amount), Reference: "deposit/d0"}}
	}
	decides(t, []decision{
		{"deposit", []Event{opened}, Deposit{eur(500), "deposit/d1"}, []Event{Deposited{eur(500), "deposit/d1"}}, nil},
		{"deposit to no account", nil, Deposit{eur(500), "deposit/d1"}, nil, ErrNotOpen},
		{"deposit nothing", []Event{opened}, Deposit{eur(0), "deposit/d1"}, nil, ErrAmountNotPositive},
		{"deposit less than nothing", holding(100), Deposit{eur(-1), "deposit/d1"}, nil, ErrAmountNotPositive},
		{
			"deposit the least number", holding(100), Deposit{eur(math.MinInt64), "deposit/d1"}, nil,
			ErrAmountNotPositive,
		},
		{"deposit another currency", []Event{opened}, Deposit{usd(500), "deposit/d1"}, nil, ErrWrongCurrency},
		{"deposit no currency", []Event{opened}, Deposit{money.Money{Amount: 1}, "deposit/d1"}, nil, ErrWrongCurrency},
		{
			"deposit up to the limit", holding(1), Deposit{eur(math.MaxInt64 - 1), "deposit/d1"},
			[]Event{Deposited{eur(math.MaxInt64 - 1), "deposit/d1"}}, nil,
		},
		{"deposit over the limit", holding(2), Deposit{eur(math.MaxInt64 - 1), "deposit/d1"}, nil, money.ErrOverflow},
		{"deposit over the limit once what was taken comes back",
			append(holding(math.MaxInt64), Withdrawn{eur(math.MaxInt64), "payment/p1"}),
			Deposit{eur(1), "deposit/d1"}, nil, money.ErrOverflow},
	})
}

// TestDecideWithdraw: nobody takes more than the account holds.
func TestDecideWithdraw(t *testing.T) {
	opened := Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"}
	holding := func(amount int64) []Event {
		return []Event{opened, Deposited{Amount: eur(amount), Reference: "deposit/d0"}}
	}
	decides(t, []decision{
		{
			"withdraw", holding(500), Withdraw{eur(200), "withdrawal/w1"},
			[]Event{Withdrawn{eur(200), "withdrawal/w1"}}, nil,
		},
		{
			"withdraw everything", holding(500), Withdraw{eur(500), "withdrawal/w1"},
			[]Event{Withdrawn{eur(500), "withdrawal/w1"}}, nil,
		},
		{"withdraw too much", holding(500), Withdraw{eur(501), "withdrawal/w1"}, nil, ErrInsufficientFunds},
		{
			"withdraw what was withdrawn", append(holding(500), Withdrawn{eur(300), "withdrawal/w1"}),
			Withdraw{eur(201), "withdrawal/w2"}, nil, ErrInsufficientFunds,
		},
		{"withdraw from no account", nil, Withdraw{eur(1), "withdrawal/w1"}, nil, ErrNotOpen},
		{"withdraw nothing", holding(500), Withdraw{eur(0), "withdrawal/w1"}, nil, ErrAmountNotPositive},
		{"withdraw less than nothing", holding(500), Withdraw{eur(-5), "withdrawal/w1"}, nil, ErrAmountNotPositive},
		{"withdraw another currency", holding(500), Withdraw{usd(5), "withdrawal/w1"}, nil, ErrWrongCurrency},
	})
}

// TestDecideCharge: a payment comes from the customer's own account, and may come back.
func TestDecideCharge(t *testing.T) {
	opened := Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"}
	holding := func(amount int64) []Event {
		return []Event{opened, Deposited{Amount: eur(amount), Reference: "deposit/d0"}}
	}
	decides(t, []decision{
		{"charge", holding(500), Charge{"c1", eur(500), "payment/p1"}, []Event{Withdrawn{eur(500), "payment/p1"}}, nil},
		{"charge too much", holding(500), Charge{"c1", eur(501), "payment/p1"}, nil, ErrInsufficientFunds},
		{"charge another's account", holding(500), Charge{"c2", eur(5), "payment/p1"}, nil, ErrNotYours},
		{
			"charge another's account too much in another currency", holding(500), Charge{"c2", usd(501), "payment/p1"},
			nil, ErrNotYours,
		},
		{"charge no account", nil, Charge{"c1", eur(5), "payment/p1"}, nil, ErrNotOpen},
		{"charge another currency", holding(500), Charge{"c1", usd(5), "payment/p1"}, nil, ErrWrongCurrency},
		{"charge nothing", holding(500), Charge{"c1", eur(0), "payment/p1"}, nil, ErrAmountNotPositive},
		{
			"refund", append(holding(500), Withdrawn{eur(300), "payment/p1"}), Refund{eur(300), "payment/p1"},
			[]Event{Deposited{eur(300), "payment/p1"}}, nil,
		},
		{"refund at the limit", append(holding(math.MaxInt64), Withdrawn{eur(math.MaxInt64), "payment/p1"}),
			Refund{eur(math.MaxInt64), "payment/p1"},
			[]Event{Deposited{eur(math.MaxInt64), "payment/p1"}}, nil},
		{"refund to no account", nil, Refund{eur(1), "payment/p1"}, nil, ErrNotOpen},
	})
}

// TestDecideTransferOut: money leaves for another account in the same currency.
func TestDecideTransferOut(t *testing.T) {
	opened := Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"}
	holding := func(amount int64) []Event {
		return []Event{opened, Deposited{Amount: eur(amount), Reference: "deposit/d0"}}
	}
	decides(t, []decision{
		{
			"send", holding(500), TransferOut{"a2", eur(500), "transfer/t1"},
			[]Event{TransferredOut{"a2", eur(500), "transfer/t1"}}, nil,
		},
		{"send too much", holding(500), TransferOut{"a2", eur(501), "transfer/t1"}, nil, ErrInsufficientFunds},
		{"send from no account", nil, TransferOut{"a2", eur(1), "transfer/t1"}, nil, ErrNotOpen},
		{"send nothing", holding(500), TransferOut{"a2", eur(0), "transfer/t1"}, nil, ErrAmountNotPositive},
		{"send less than nothing", holding(500), TransferOut{"a2", eur(-1), "transfer/t1"}, nil, ErrAmountNotPositive},
		{"send another currency", holding(500), TransferOut{"a2", usd(5), "transfer/t1"}, nil, ErrWrongCurrency},
		{"send to oneself", holding(500), TransferOut{"a1", eur(5), "transfer/t1"}, nil, ErrSameAccount},
	})
}

// TestDecideTransferIn: money arrives where it fits, now and once what was taken comes back.
func TestDecideTransferIn(t *testing.T) {
	opened := Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"}
	holding := func(amount int64) []Event {
		return []Event{opened, Deposited{Amount: eur(amount), Reference: "deposit/d0"}}
	}
	decides(t, []decision{
		{
			"receive", []Event{opened}, TransferIn{"a2", eur(500), "transfer/t1"},
			[]Event{TransferredIn{"a2", eur(500), "transfer/t1"}}, nil,
		},
		{"receive on no account", nil, TransferIn{"a2", eur(500), "transfer/t1"}, nil, ErrCannotReceive},
		{"receive nothing", []Event{opened}, TransferIn{"a2", eur(0), "transfer/t1"}, nil, ErrAmountNotPositive},
		{"receive another currency", []Event{opened}, TransferIn{"a2", usd(500), "transfer/t1"}, nil, ErrCannotReceive},
		{
			"receive up to the limit", holding(1), TransferIn{"a2", eur(math.MaxInt64 - 1), "transfer/t1"},
			[]Event{TransferredIn{"a2", eur(math.MaxInt64 - 1), "transfer/t1"}}, nil,
		},
		{
			"receive over the limit", holding(2), TransferIn{"a2", eur(math.MaxInt64 - 1), "transfer/t1"}, nil,
			ErrCannotReceive,
		},
		{"receive over the limit once what was taken comes back",
			append(holding(math.MaxInt64), Withdrawn{eur(math.MaxInt64), "payment/p1"}),
			TransferIn{"a2", eur(1), "transfer/t1"}, nil, ErrCannotReceive},
		{"refund what was received", []Event{
			opened, TransferredIn{"a2", eur(5), "transfer/t1"}, Withdrawn{eur(5), "payment/p1"},
		}, Refund{eur(5), "payment/p1"},
			[]Event{Deposited{eur(5), "payment/p1"}}, nil},
	})
}

// TestDecideInterest: interest is rounded half to even, and may be nothing.
func TestDecideInterest(t *testing.T) {
	opened := Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"}
	holding := func(amount int64) []Event {
		return []Event{opened, Deposited{Amount: eur(amount), Reference: "deposit/d0"}}
	}
	decides(t, []decision{
		{
			"interest", holding(500), ApplyInterest{500, "interest/i1"},
			[]Event{InterestApplied{500, eur(25), "interest/i1"}}, nil,
		},
		{
			"interest, a half above an even number", holding(250), ApplyInterest{100, "interest/i1"},
			[]Event{InterestApplied{100, eur(2), "interest/i1"}}, nil,
		},
		{
			"interest, a half above an odd number", holding(350), ApplyInterest{100, "interest/i1"},
			[]Event{InterestApplied{100, eur(4), "interest/i1"}}, nil,
		},
		{"interest on nothing", []Event{opened}, ApplyInterest{500, "interest/i1"}, nil, nil},
		{"interest that rounds to nothing", holding(50), ApplyInterest{100, "interest/i1"}, nil, nil},
		{"interest on no account", nil, ApplyInterest{500, "interest/i1"}, nil, ErrNotOpen},
		{
			"interest of all", holding(500), ApplyInterest{MaxRate, "interest/i1"},
			[]Event{InterestApplied{MaxRate, eur(500), "interest/i1"}}, nil,
		},
		{"interest of more", holding(500), ApplyInterest{MaxRate + 1, "interest/i1"}, nil, ErrRateOutOfRange},
		{"interest of no rate", holding(500), ApplyInterest{0, "interest/i1"}, nil, ErrRateOutOfRange},
		{"interest of less", holding(500), ApplyInterest{-500, "interest/i1"}, nil, ErrRateOutOfRange},
		{"interest over the limit", holding(math.MaxInt64), ApplyInterest{1, "interest/i1"}, nil, money.ErrOverflow},
	})
}

func TestDecideUnknownCommand(t *testing.T) {
	if _, err := Decider.Decide(nil, State{ID: "a1"}); err == nil {
		t.Error("a command that nobody knows is no error")
	}
}

// TestRules throws random commands at an account. Payments are refunded at most once and with what
// they took, as their attempts see to.
func TestRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := Evolve(State{}, Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"})
		var in, out int64
		taken := []money.Money{}
		amount := rapid.OneOf(
			rapid.Int64Range(-2, 1000), rapid.Int64Range(math.MaxInt64/2, math.MaxInt64), rapid.Int64(),
		)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			m := money.Money{
				Amount:   amount.Draw(t, "amount"),
				Currency: rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "USD"}).Draw(t, "currency"),
			}
			var c Command
			switch rapid.IntRange(0, 7).Draw(t, "command") {
			case 0, 1:
				c = Deposit{m, "deposit/d"}
			case 2:
				c = Withdraw{m, "withdrawal/w"}
			case 3:
				c = Charge{rapid.SampledFrom([]string{"c1", "c1", "c2"}).Draw(t, "customer"), m, "payment/p"}
			case 4:
				if len(taken) == 0 {
					continue
				}
				c, taken = Refund{taken[0], "payment/p"}, taken[1:]
			case 5:
				c = TransferOut{rapid.SampledFrom([]string{"a1", "a2", "a2"}).Draw(t, "to"), m, "transfer/t"}
			case 6:
				c = TransferIn{"a2", m, "transfer/t"}
			case 7:
				c = ApplyInterest{rapid.Int64Range(-1, MaxRate+1).Draw(t, "rate"), "interest/i"}
			}
			events, err := Decider.Decide(c, state)
			if _, refund := c.(Refund); refund && err != nil {
				t.Fatalf("a refund failed: %v", err)
			}
			if _, interest := c.(ApplyInterest); (err == nil) != (len(events) == 1) && (!interest || err != nil) {
				t.Fatalf("%d events with error %v", len(events), err)
			}
			for _, e := range events {
				state = Evolve(state, e)
				switch e := e.(type) {
				case Deposited:
					in += e.Amount.Amount
				case Withdrawn:
					out += e.Amount.Amount
				case TransferredOut:
					out += e.Amount.Amount
				case TransferredIn:
					in += e.Amount.Amount
				case InterestApplied:
					in += e.Amount.Amount
				}
			}
			if _, charge := c.(Charge); charge && err == nil {
				taken = append(taken, m)
			}
			if state.Balance < 0 || state.Balance > state.PaidIn || state.Balance != in-out {
				t.Fatalf(
					"after %#v: balance %d of %d paid in, moved %d in and %d out", c, state.Balance, state.PaidIn, in,
					out,
				)
			}
		}
	})
}
