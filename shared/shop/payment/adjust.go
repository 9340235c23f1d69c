package payment

import (
	"context"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

// ErrNotCharged: only what stands charged can be adjusted.
var ErrNotCharged = faults.Declare(faults.Conflict, "payment.not-charged")

// Adjusted: the order comes to another amount. The account was charged the difference or got it
// back, in the transaction of the order's own event.
type Adjusted struct {
	PaymentID  string      `json:"paymentId"`
	OrderID    string      `json:"orderId"`
	AccountID  string      `json:"accountId"`
	Amount     money.Money `json:"amount"`     // that stands charged from here on
	Difference money.Money `json:"difference"` // against before: below 0 for what the account got back, never 0
}

func (Adjusted) paymentEvent() {}

// Adjustment gives, at each try, what the append of an order's amendment writes besides, so that
// exactly that amount stands charged for one revision of the order from that very moment on: the
// account has one movement, of the difference. Nothing is to be written where just that is charged.
//
// ErrNotCharged where nothing is. What the account refuses (account.Err…) is the error, and is not
// recorded: the payment stands as it did.
func (s Service) Adjustment(
	orderID string, revision int64, customerID string, amount money.Money,
) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
	id := ID(orderID, revision)
	return func(ctx context.Context, req es.Request) ([]es.Commit, []es.Effect, error) {
		history, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, id), 0)
		if err != nil {
			return nil, nil, err
		}
		paid, err := fold(history)
		if err != nil {
			return nil, nil, err
		}
		if paid.Status != StatusProcessed {
			return nil, nil, ErrNotCharged.New("the payment is %s", paid.Status)
		}
		less := paid.Amount
		less.Amount = -less.Amount
		difference, err := amount.Add(less)
		if err != nil || difference.Amount == 0 {
			return nil, nil, err
		}
		_, moved, err := account.Plan(ctx, s.accounts, req, paid.AccountID, movement(id, customerID, difference))
		if err != nil {
			return nil, nil, err
		}
		moved.ID = req.CommitID // a payment is adjusted more than once: the reference alone doesn't tell them apart
		event := Adjusted{
			PaymentID: id, OrderID: orderID, AccountID: paid.AccountID, Amount: amount, Difference: difference,
		}
		return []es.Commit{req.Commit(history.Head, event), moved}, nil, nil
	}
}

// movement is what a difference, which is not 0, is to the account.
func movement(id, customerID string, difference money.Money) account.Command {
	if difference.Amount > 0 {
		return account.Charge{CustomerID: customerID, Amount: difference, Reference: reference(id)}
	}
	difference.Amount = -difference.Amount
	return account.Refund{Amount: difference, Reference: reference(id)}
}
