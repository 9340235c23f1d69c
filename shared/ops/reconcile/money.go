package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/refund"
)

// Money is what moved in one currency, in minor units: by the accounts' own events, and by those of
// the attempts that moved it.
type Money struct {
	Balances   int64 `json:"balances"` // that the accounts' events come to
	Deposits   Sides `json:"deposits"`
	Withdrawn  Sides `json:"withdrawals"`
	Interest   Sides `json:"interest"`
	Charged    Sides `json:"payments"`
	GivenBack  Sides `json:"refunds"`
	Sent       Sides `json:"sent"`
	Received   int64 `json:"received"`   // by transfers
	HeldOrders int64 `json:"heldOrders"` // what orders were paid with, and nobody has given back
}

// Sides are the two books of one kind of movement.
type Sides struct {
	Accounts int64 `json:"accounts"`
	Attempts int64 `json:"attempts"`
}

func (s Sides) plus(o Sides) Sides { return Sides{s.Accounts + o.Accounts, s.Attempts + o.Attempts} }

func (m Money) plus(o Money) Money {
	return Money{
		Balances: m.Balances + o.Balances, Deposits: m.Deposits.plus(o.Deposits),
		Withdrawn: m.Withdrawn.plus(o.Withdrawn), Interest: m.Interest.plus(o.Interest),
		Charged: m.Charged.plus(o.Charged), GivenBack: m.GivenBack.plus(o.GivenBack), Sent: m.Sent.plus(o.Sent),
		Received: m.Received + o.Received, HeldOrders: m.HeldOrders + o.HeldOrders,
	}
}

// count adds what a commit moves.
func (u *run) count(c es.StoredCommit, money map[string]Money) error {
	switch c.Stream.Category() {
	case account.Category, payment.Category, account.DepositCategory, account.WithdrawalCategory,
		account.InterestCategory, account.TransferCategory:
	default:
		return nil
	}
	events, err := u.Registry.DecodeCommit(c, 0)
	if err != nil {
		return err
	}
	for _, e := range events {
		currency, moved := movement(e.Data)
		if currency != "" {
			money[currency] = money[currency].plus(moved)
		}
	}
	return nil
}

// movement is what an event moves, and in which currency; "" for none.
func movement(event any) (currency string, m Money) {
	switch e := event.(type) {
	case account.Deposited:
		m.Balances = e.Amount.Amount
		if es.StreamID(e.Reference).Category() == account.DepositCategory {
			m.Deposits.Accounts = e.Amount.Amount
		} else {
			m.GivenBack.Accounts = e.Amount.Amount
		}
		return e.Amount.Currency, m
	case account.Withdrawn:
		m.Balances = -e.Amount.Amount
		if es.StreamID(e.Reference).Category() == account.WithdrawalCategory {
			m.Withdrawn.Accounts = e.Amount.Amount
		} else {
			m.Charged.Accounts = e.Amount.Amount
		}
		return e.Amount.Currency, m
	case account.TransferredOut:
		m.Balances, m.Sent.Accounts = -e.Amount.Amount, e.Amount.Amount
		return e.Amount.Currency, m
	case account.TransferredIn:
		m.Balances, m.Received = e.Amount.Amount, e.Amount.Amount
		return e.Amount.Currency, m
	case account.InterestApplied:
		m.Balances, m.Interest.Accounts = e.Amount.Amount, e.Amount.Amount
		return e.Amount.Currency, m
	case account.DepositProcessed:
		return e.Amount.Currency, Money{Deposits: Sides{Attempts: e.Amount.Amount}}
	case account.WithdrawalProcessed:
		return e.Amount.Currency, Money{Withdrawn: Sides{Attempts: e.Amount.Amount}}
	case account.InterestProcessed:
		return e.Amount.Currency, Money{Interest: Sides{Attempts: e.Amount.Amount}}
	case account.TransferProcessed:
		return e.Amount.Currency, Money{Sent: Sides{Attempts: e.Amount.Amount}}
	case payment.Processed:
		return e.Amount.Currency, Money{Charged: Sides{Attempts: e.Amount.Amount}, HeldOrders: e.Amount.Amount}
	case payment.Adjusted:
		m := Money{HeldOrders: e.Difference.Amount}
		if e.Difference.Amount > 0 {
			m.Charged.Attempts = e.Difference.Amount
		} else {
			m.GivenBack.Attempts = -e.Difference.Amount
		}
		return e.Difference.Currency, m
	case payment.PartiallyRefunded:
		return e.Amount.Currency, Money{GivenBack: Sides{Attempts: e.Amount.Amount}, HeldOrders: -e.Amount.Amount}
	case payment.Refunded:
		return e.Amount.Currency, Money{GivenBack: Sides{Attempts: e.Amount.Amount}, HeldOrders: -e.Amount.Amount}
	}
	return "", Money{}
}

// unbalanced says which books differ: those of each kind of movement, what was sent and received,
// and what came in against what went out and what is left.
func unbalanced(all map[string]Money) (findings []Finding) {
	for _, currency := range slices.Sorted(maps.Keys(all)) {
		m := all[currency]
		for _, side := range []struct {
			name             string
			accounts, others int64
		}{
			{"deposits", m.Deposits.Accounts, m.Deposits.Attempts},
			{"withdrawals", m.Withdrawn.Accounts, m.Withdrawn.Attempts},
			{"interest", m.Interest.Accounts, m.Interest.Attempts},
			{"payments", m.Charged.Accounts, m.Charged.Attempts},
			{"refunds", m.GivenBack.Accounts, m.GivenBack.Attempts},
			{"transfers", m.Sent.Accounts, m.Sent.Attempts},
			{"receipts", m.Received, m.Sent.Accounts},
			{
				"balance", m.Deposits.Attempts + m.Interest.Attempts,
				m.Withdrawn.Attempts + m.HeldOrders + m.Balances,
			},
		} {
			if side.accounts != side.others {
				findings = append(findings, Finding{
					Rule:   "money." + side.name,
					Detail: fmt.Sprintf("%s: %d minor units against %d", currency, side.accounts, side.others),
				})
			}
		}
	}
	return findings
}

// account folds an account page by page: it is never below zero.
func (u *run) account(ctx context.Context, stream es.StreamID) (findings []Finding, err error) {
	state := account.Decider.Initial()
	for e, err := range u.Store.Read(ctx, stream, es.Range{}) {
		if err != nil {
			return findings, err
		}
		event, ok := e.Data.(account.Event)
		if !ok {
			return findings, fmt.Errorf("%w: %s is a %T", es.ErrCorrupt, e.ID(), e.Data)
		}
		if state = account.Evolve(state, event); state.Balance < 0 {
			return append(findings, Finding{
				Rule: "account.below-zero", Stream: stream,
				Detail: fmt.Sprintf("after %s it holds %s", e.ID(), state.Money()),
			}), nil
		}
	}
	return findings, nil
}

// refund compares a refund with its order, which has it once and with the same amount.
func (u *run) refund(ctx context.Context, stream es.StreamID) ([]Finding, error) {
	h, err := u.Store.Load(ctx, stream, 0)
	if err != nil || len(h.Events) == 0 {
		return nil, err
	}
	done, ok := h.Events[0].Data.(refund.Processed)
	if !ok {
		return nil, fmt.Errorf("%w: %s is a %T", es.ErrCorrupt, stream, h.Events[0].Data)
	}
	of, err := u.order(ctx, done.OrderID)
	if err != nil {
		return nil, err
	}
	for _, r := range of.Refunds {
		if r.RefundID == stream.ID() && r.Amount == done.Refund.Amount {
			return nil, nil
		}
	}
	return []Finding{{
		Rule: "refund.order", Stream: stream, Detail: fmt.Sprintf("order %s has no such refund", done.OrderID),
	}}, nil
}
