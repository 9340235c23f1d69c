package payment

import (
	"context"
	"fmt"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

// The faults of giving a part of a payment back.
var (
	// ErrNotProcessed: nothing was taken, or all of it is given back.
	ErrNotProcessed = faults.Declare(faults.Conflict, "payment.not-processed")
	ErrExceeds      = faults.Declare(faults.Conflict, "payment.refund-exceeds")
)

// PartiallyRefunded: the account got back a part of what Processed had taken, or the rest of it,
// for an order that stands.
type PartiallyRefunded struct {
	PaymentID string      `json:"paymentId"`
	OrderID   string      `json:"orderId"`
	AccountID string      `json:"accountId"`
	RefundID  string      `json:"refundId"`
	Amount    money.Money `json:"amount"`
	Refunded  money.Money `json:"refunded"` // by all of them, with this one
}

func (PartiallyRefunded) paymentEvent() {}

// GiveBack is a part of a payment that goes back to its account, at least one minor unit.
type GiveBack struct {
	PaymentID string
	RefundID  string
	Amount    money.Money
	Reference string // the stream of the attempt at the refund
}

// GiveBack gives the commits of payment and account, for the plan of an attempt that is the
// refund's own: it alone tells whether the refund was carried out before. ErrNotProcessed where
// there is no such payment, or all of it is given back; ErrExceeds where less than that is left.
func (s Service) GiveBack(ctx context.Context, from *es.Reads, req es.Request, g GiveBack) ([]es.Commit, error) {
	h, err := from.Load(ctx, es.NewStreamID(Category, g.PaymentID), 0)
	if err != nil {
		return nil, err
	}
	paid, err := fold(h)
	if err != nil {
		return nil, err
	}
	event, err := giveBack(g, paid)
	if err != nil {
		return nil, err
	}
	_, commit, err := account.Plan(ctx, s.accounts.From(from), req, paid.AccountID,
		account.Refund{Amount: g.Amount, Reference: g.Reference})
	if err != nil {
		return nil, fmt.Errorf("payment %s: give %s back: %w", g.PaymentID, g.Amount, err)
	}
	return []es.Commit{req.Commit(h.Head, event), commit}, nil
}

func giveBack(g GiveBack, s State) (PartiallyRefunded, error) {
	if s.Status != StatusProcessed {
		return PartiallyRefunded{}, ErrNotProcessed.New("the payment is %s", s.Status)
	}
	refunded, err := s.Returned.Add(g.Amount)
	if err != nil {
		return PartiallyRefunded{}, err
	}
	if refunded.Currency != s.Amount.Currency || g.Amount.Amount < 1 || refunded.Amount > s.Amount.Amount {
		return PartiallyRefunded{}, ErrExceeds.New("of %s, %s can't be given back", s.Amount, refunded)
	}
	return PartiallyRefunded{
		PaymentID: s.ID, OrderID: s.OrderID, AccountID: s.AccountID, RefundID: g.RefundID, Amount: g.Amount,
		Refunded: refunded,
	}, nil
}

// left is what was taken and is not given back yet.
func (s State) left() money.Money {
	return money.Money{Amount: s.Amount.Amount - s.Returned.Amount, Currency: s.Amount.Currency}
}
