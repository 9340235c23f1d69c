package account

import (
	"fmt"
	"math"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
)

// State is an account, folded. Snapshots keep it as JSON: see Fold.
type State struct {
	ID         string `json:"id"`
	CustomerID string `json:"customerId"`
	Currency   string `json:"currency"`
	Balance    int64  `json:"balance"` // minor units, never negative
	// PaidIn is all that ever came in and was no refund, in minor units: deposits, transfers,
	// interest. Every balance and every refund is a part of it, so as long as it fits an int64 a
	// refund can't fail: what the Charge took, the account can always take back.
	PaidIn int64 `json:"paidIn"`
}

// Exists reports whether the account was opened.
func (s State) Exists() bool { return s.ID != "" }

// Money is the balance with its currency.
func (s State) Money() money.Money { return money.Money{Amount: s.Balance, Currency: s.Currency} }

// Decider decides for accounts. A movement of money is repeated safely by its attempt's stream and
// not here: to know every reference that it ever met, the state would have to grow for ever.
var Decider = es.Decider[Command, State, Event]{
	Initial: func() State { return State{} }, Decide: decide, Evolve: Evolve,
}

// Evolve folds an event into an account.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Opened:
		s = State{ID: e.AccountID, CustomerID: e.CustomerID, Currency: e.Currency}
	case Deposited:
		s.Balance += e.Amount.Amount
		if es.StreamID(e.Reference).Category() == DepositCategory {
			s.PaidIn += e.Amount.Amount
		}
	case Withdrawn:
		s.Balance -= e.Amount.Amount
	case TransferredOut:
		s.Balance -= e.Amount.Amount
	case TransferredIn:
		s.Balance += e.Amount.Amount
		s.PaidIn += e.Amount.Amount
	case InterestApplied:
		s.Balance += e.Amount.Amount
		s.PaidIn += e.Amount.Amount
	}
	return s
}

func decide(c Command, s State) ([]Event, error) {
	if c, ok := c.(Open); ok {
		return open(c, s)
	}
	if c, ok := c.(TransferIn); ok {
		return transferIn(c, s)
	}
	if !s.Exists() {
		return nil, ErrNotOpen.New("there is no such account")
	}
	switch c := c.(type) {
	case Deposit:
		return deposit(c, s)
	case Withdraw:
		return withdraw(c.Amount, Withdrawn(c), s)
	case Charge:
		if c.CustomerID != s.CustomerID {
			return nil, ErrNotYours.New("the account is another customer's")
		}
		return withdraw(c.Amount, Withdrawn{Amount: c.Amount, Reference: c.Reference}, s)
	case TransferOut:
		if c.ToAccountID == s.ID {
			return nil, ErrSameAccount.Field("body.toAccountId", "an account sends nothing to itself")
		}
		return withdraw(c.Amount, TransferredOut(c), s)
	case ApplyInterest:
		return applyInterest(c, s)
	case Refund:
		if err := movable(c.Amount, s); err != nil {
			return nil, err
		}
		return []Event{Deposited(c)}, nil
	}
	return nil, fmt.Errorf("account: unknown command %T", c)
}

func open(c Open, s State) ([]Event, error) {
	if s.Exists() {
		return nil, ErrAlreadyOpen.New("the customer has an account in %s already", s.Currency)
	}
	if err := money.CheckCurrency(c.Currency); err != nil {
		return nil, inField(err, "body.currency")
	}
	return []Event{Opened(c)}, nil
}

func deposit(c Deposit, s State) ([]Event, error) {
	if err := movable(c.Amount, s); err != nil {
		return nil, err
	}
	if !countable(c.Amount, s) {
		return nil, money.ErrOverflow.Field(
			"body.amount.amount", "with %s more, the account would have taken in more than it can count", c.Amount,
		)
	}
	return []Event{Deposited(c)}, nil
}

// withdraw takes an amount out, as that event says.
func withdraw(amount money.Money, as Event, s State) ([]Event, error) {
	if err := movable(amount, s); err != nil {
		return nil, err
	}
	if amount.Amount > s.Balance {
		// The balance itself is not for everybody who reads why an order was cancelled.
		return nil, ErrInsufficientFunds.New("the account does not hold %s", amount)
	}
	return []Event{as}, nil
}

// transferIn is decided when the sender is found able to send.
func transferIn(c TransferIn, s State) ([]Event, error) {
	if c.Amount.Amount <= 0 {
		return nil, movable(c.Amount, s)
	}
	if !s.Exists() || c.Amount.Currency != s.Currency || !countable(c.Amount, s) {
		return nil, cannotReceive()
	}
	return []Event{TransferredIn(c)}, nil
}

func cannotReceive() error {
	return ErrCannotReceive.Field("body.toAccountId", "no account of that id can receive this amount")
}

// applyInterest adds interest to the balance as it stands. Interest that rounds to nothing is no
// event.
func applyInterest(c ApplyInterest, s State) ([]Event, error) {
	if c.RateBasisPoints < 1 || c.RateBasisPoints > MaxRate {
		return nil, ErrRateOutOfRange.Field(
			"body.rateBasisPoints", "a rate is 1 to %d basis points, not %d", MaxRate, c.RateBasisPoints,
		)
	}
	amount, err := s.Money().BasisPoints(c.RateBasisPoints)
	if err != nil || amount.Amount == 0 {
		return nil, err
	}
	if !countable(amount, s) {
		return nil, money.ErrOverflow.Field(
			"body.rateBasisPoints", "with %s more, the account would have taken in more than it can count", amount,
		)
	}
	return []Event{InterestApplied{RateBasisPoints: c.RateBasisPoints, Amount: amount, Reference: c.Reference}}, nil
}

// countable reports whether PaidIn has room for a positive amount.
func countable(amount money.Money, s State) bool { return amount.Amount <= math.MaxInt64-s.PaidIn }

// movable refuses an amount that no account of this currency can move.
func movable(amount money.Money, s State) error {
	if amount.Amount <= 0 {
		return ErrAmountNotPositive.Field(
			"body.amount.amount", "an amount is at least 1 minor unit, not %d", amount.Amount,
		)
	}
	if amount.Currency != s.Currency {
		return ErrWrongCurrency.Field(
			"body.amount.currency", "the account is in %s, the amount in %q", s.Currency, amount.Currency,
		)
	}
	return nil
}

// inField says of a fault where in the request it arose.
func inField(err error, field string) error {
	if f, ok := faults.As(err); ok {
		f.Field = field
	}
	return err
}
