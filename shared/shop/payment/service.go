package payment

import (
	"context"
	"strconv"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

// Deps is what the service works with.
type Deps struct {
	Store     es.Store
	Clock     clock.Clock
	Snapshots es.Snapshots `wiring:"optional"` // of the accounts; nil where there are none
	Mends     bool         // writes a snapshot where an account lacks it for long
}

// Service charges accounts and refunds them.
type Service struct {
	deps     Deps
	accounts es.Repository[account.State, account.Event]
}

// New makes the service.
func New(deps Deps) Service {
	accounts := account.States(deps.Store, deps.Snapshots)
	accounts.Mends = deps.Mends
	return Service{deps: wiring.Complete(deps), accounts: accounts}
}

// ID is the id of the payment for a revision of an order.
func ID(orderID string, revision int64) string {
	return ident.Derive(Category, orderID, strconv.FormatInt(revision, 10))
}

// Charge is what an order wants paid.
type Charge struct {
	OrderID    string
	Revision   int64
	CustomerID string // whose account it must be
	AccountID  string
	Amount     money.Money // 0 is paid without touching the account
}

// Charge takes the money, once for each revision of an order. What the account refuses
// (account.Err…) is recorded, and is the answer to every repeat even if the account could pay by
// then. A payment that was taken back is es.ErrAttemptClosed.
func (s Service) Charge(ctx context.Context, req es.Request, c Charge) (State, error) {
	id := ID(c.OrderID, c.Revision)
	return s.attempt(id, c.OrderID).Do(ctx, id, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		plan := es.Plan{Event: Processed{PaymentID: id, OrderID: c.OrderID, AccountID: c.AccountID, Amount: c.Amount}}
		if c.Amount.Amount == 0 {
			return plan, nil
		}
		_, commit, err := account.Plan(ctx, s.accounts.From(from), req, c.AccountID,
			account.Charge{CustomerID: c.CustomerID, Amount: c.Amount, Reference: reference(id)})
		plan.Commits = []es.Commit{commit}
		return plan, err
	})
}

// Refund takes the payment back: the account gets what was taken, less what it has back already
// (GiveBack), and a payment that was not made yet never will be. One that was declined, or taken
// back before, is left as it is. The state tells which it was.
func (s Service) Refund(ctx context.Context, req es.Request, orderID string, revision int64) (State, error) {
	id := ID(orderID, revision)
	voided := Voided{PaymentID: id, OrderID: orderID}
	return s.attempt(id, orderID).Undo(ctx, id, req, voided,
		func(ctx context.Context, from *es.Reads, paid State) (es.Plan, error) {
			left := paid.left()
			plan := es.Plan{Event: Refunded{PaymentID: id, OrderID: orderID, AccountID: paid.AccountID, Amount: left}}
			if left.Amount == 0 {
				return plan, nil
			}
			// The payment's own events say what to give back, so an order that has changed since
			// can't change it.
			_, commit, err := account.Plan(ctx, s.accounts.From(from), req, paid.AccountID,
				account.Refund{Amount: left, Reference: reference(id)})
			plan.Commits = []es.Commit{commit}
			return plan, err
		})
}

// Get folds the payment for a revision of an order. One that nobody tried is open.
func (s Service) Get(ctx context.Context, orderID string, revision int64) (State, error) {
	id := ID(orderID, revision)
	return s.attempt(id, orderID).Get(ctx, id)
}

func (s Service) attempt(id, orderID string) es.Attempt[State] {
	return es.Attempt[State]{
		Category: Category, Store: s.deps.Store, Clock: s.deps.Clock, Fold: fold, Status: State.attemptStatus,
		Fault: State.fault,
		Refused: func(f *faults.Fault) es.Plan {
			return es.Plan{Event: Declined{PaymentID: id, OrderID: orderID, Code: f.Code, Detail: f.Detail}}
		},
	}
}

// reference is what the account's events name a payment by.
func reference(id string) string { return string(es.NewStreamID(Category, id)) }
