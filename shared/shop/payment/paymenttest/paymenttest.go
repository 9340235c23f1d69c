// Package paymenttest is the suite that payments and accounts pass together on every store. Only
// tests import it.
package paymenttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/payment"
)

// Run puts the services on a store that knows the events of payments and accounts. Its streams are
// its own, so the store may hold others.
func Run(t *testing.T, store es.Store, c clock.Clock) {
	t.Run("many orders of one account", func(t *testing.T) { manyOrders(t, newStand(store, c)) })
	t.Run("one order many times", func(t *testing.T) { oneOrder(t, newStand(store, c)) })
	t.Run("money is conserved", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { conserve(t.Context(), rt, newStand(store, c), steps.Draw(rt, "steps")) })
	})
}

// stand is the services on a store that the suite interferes with, and ids that nobody else has.
type stand struct {
	store    *estest.Hooked
	clock    clock.Clock
	payments payment.Service
	accounts account.Service
	customer string
	order    string
}

func newStand(store es.Store, c clock.Clock) *stand {
	s := &stand{store: &estest.Hooked{Store: store}, clock: c, customer: ident.New(), order: ident.New()}
	s.payments = payment.New(payment.Deps{Store: s.store, Clock: c})
	s.accounts = account.New(account.Deps{Store: s.store, Clock: c, Customers: accounttest.Everybody{}})
	return s
}

func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

func (s *stand) request(id string) es.Request { return es.Request{CommitID: id, Time: s.clock.Now()} }

// by is a request of a caller with keys of their own.
func (s *stand) by(actor, id string) es.Request {
	return es.Request{CommitID: actor + id, Time: s.clock.Now(), Metadata: es.Metadata{Actor: actor}}
}

// open opens a customer's account with that balance, and gives its id.
func (s *stand) open(ctx context.Context, t reporter, customer string, balance int64) string {
	if _, err := s.accounts.Open(ctx, s.by(customer, "open"), customer, "EUR"); err != nil {
		t.Fatalf("open: %v", err)
	}
	id := account.ID(customer, "EUR")
	if _, err := s.accounts.Deposit(ctx, s.by(customer, "first"), id, "0", eur(balance)); err != nil {
		t.Fatalf("deposit: %v", err)
	}
	return id
}

// manyOrders: 50 orders of 30 charge 1000 at once. 33 are paid, and the account is never overdrawn.
func manyOrders(t *testing.T, s *stand) {
	id := s.open(t.Context(), t, s.customer, 1000)
	var wg sync.WaitGroup
	var done, declined atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			_, err := s.payments.Charge(t.Context(), s.request(fmt.Sprint(i)),
				payment.Charge{
					OrderID: fmt.Sprint(s.order, i), Revision: 1, CustomerID: s.customer, AccountID: id,
					Amount: eur(30),
				})
			switch {
			case err == nil:
				done.Add(1)
			case errors.Is(err, account.ErrInsufficientFunds):
				declined.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 33 || declined.Load() != 17 {
		t.Errorf("%d paid and %d declined, want 33 and 17", done.Load(), declined.Load())
	}
	s.want(t, id, 10)
}

// oneOrder is charged 40 times at once by 20 runs, while others refund it: it ends taken back, with
// all the money there.
func oneOrder(t *testing.T, s *stand) {
	id := s.open(t.Context(), t, s.customer, 1000)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			req := s.request(fmt.Sprint(i / 2))
			if i%5 == 4 {
				back, err := s.payments.Refund(t.Context(), req, s.order, 1)
				if err != nil || back.Status != payment.StatusRefunded && back.Status != payment.StatusVoided {
					t.Errorf("refund: %+v, %v", back, err)
				}
				return
			}
			_, err := s.payments.Charge(
				t.Context(), req,
				payment.Charge{OrderID: s.order, Revision: 1, CustomerID: s.customer, AccountID: id, Amount: eur(700)},
			)
			if err != nil && !errors.Is(err, es.ErrAttemptClosed) {
				t.Errorf("charge: %v", err)
			}
		})
	}
	wg.Wait()
	s.want(t, id, 1000)
}

func (s *stand) want(t *testing.T, accountID string, balance int64) {
	t.Helper()
	res, err := s.accounts.Get(t.Context(), accountID)
	if err != nil || res.State.Balance != balance {
		t.Errorf("the account holds %d, %v, want %d", res.State.Balance, err, balance)
	}
}
