// Package accounttest is the suite that the account service passes on every store: what depends on
// the store's own conditions. Only tests import it.
package accounttest

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
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

// Everybody is an account.Customers to whom everybody is registered.
type Everybody struct{}

// Registered implements account.Customers.
func (Everybody) Registered(context.Context, string) (bool, error) { return true, nil }

// Run puts the service on a store that knows the accounts' events. Its streams are its own, so the
// store may hold others.
func Run(t *testing.T, store es.Store, c clock.Clock) {
	accounts := account.New(account.Deps{Store: store, Clock: c, Customers: Everybody{}})
	t.Run("withdrawals at once", func(t *testing.T) { withdrawals(t, accounts, c) })
	t.Run("openings at once", func(t *testing.T) { openings(t, accounts, c) })
	t.Run("transfers at once", func(t *testing.T) { transfers(t, accounts, c) })
	t.Run("money is conserved", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { conserve(t.Context(), rt, store, c, steps.Draw(rt, "steps")) })
	})
}

func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

// request is one of a caller's; with an actor of its own, no other test has its key.
func request(c clock.Clock, actor, key string) es.Request {
	return es.Request{CommitID: actor + key, Fingerprint: key, Time: c.Now(), Metadata: es.Metadata{Actor: actor}}
}

func want(t *testing.T, accounts account.Service, id string, balance, version int64) {
	t.Helper()
	res, err := accounts.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if res.State.Money() != eur(balance) || res.Head.Version() != version {
		t.Errorf(
			"the account holds %s at version %d, want %s at %d", res.State.Money(), res.Head.Version(), eur(balance),
			version,
		)
	}
}

// withdrawals: 50 want 30 each of 1000 at once, each request sent twice. 33 get them, and both
// answers to one request are the same.
func withdrawals(t *testing.T, accounts account.Service, c clock.Clock) {
	customer := ident.New()
	id := account.ID(customer, "EUR")
	if _, err := accounts.Open(t.Context(), request(c, customer, "open"), customer, "EUR"); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Deposit(t.Context(), request(c, customer, "first"), id, "first", eur(1000)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var done, refused atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			key := fmt.Sprint(i)
			var answers [2]error
			var both sync.WaitGroup
			for twin := range answers {
				both.Go(func() {
					_, answers[twin] = accounts.Withdraw(t.Context(), request(c, customer, key), id, key, eur(30))
				})
			}
			both.Wait()
			switch {
			case answers[0] == nil && answers[1] == nil:
				done.Add(1)
			case errors.Is(answers[0], account.ErrInsufficientFunds) &&
				errors.Is(answers[1], account.ErrInsufficientFunds):
				refused.Add(1)
			default:
				t.Errorf("%s: answers %v and %v", key, answers[0], answers[1])
			}
		})
	}
	wg.Wait()
	if done.Load() != 33 || refused.Load() != 17 {
		t.Errorf("%d done and %d refused, want 33 and 17", done.Load(), refused.Load())
	}
	want(t, accounts, id, 10, 2+33)
}

// openings: 20 keys open one account at once, each sent twice. One key did, and is told so both
// times.
func openings(t *testing.T, accounts account.Service, c clock.Clock) {
	customer := ident.New()
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 40 {
		wg.Go(func() {
			_, err := accounts.Open(t.Context(), request(c, customer, fmt.Sprint(i/2)), customer, "EUR")
			if err == nil {
				done.Add(1)
			} else if !errors.Is(err, account.ErrAlreadyOpen) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 2 {
		t.Errorf("%d requests opened it, want the two with one key", done.Load())
	}
	want(t, accounts, account.ID(customer, "EUR"), 0, 1)
}

// transfers: two accounts send each other 100 of their 1000 at once, ten times each, each request
// sent twice. In the end both hold what they held.
func transfers(t *testing.T, accounts account.Service, c clock.Clock) {
	var ids [2]string
	for i := range ids {
		customer := ident.New()
		ids[i] = account.ID(customer, "EUR")
		if _, err := accounts.Open(t.Context(), request(c, customer, "open"), customer, "EUR"); err != nil {
			t.Fatal(err)
		}
		req := request(c, customer, "first")
		if _, err := accounts.Deposit(t.Context(), req, ids[i], "first", eur(1000)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range 40 {
		from, key := i%2, fmt.Sprint(i/4)
		wg.Go(func() {
			req := request(c, ids[from], key)
			if _, err := accounts.Transfer(t.Context(), req, ids[from], ids[1-from], key, eur(100)); err != nil {
				t.Errorf("%s from %d: %v", key, from, err)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		want(t, accounts, id, 1000, 2+10+10)
	}
}
