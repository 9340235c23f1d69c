package account_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

// stand is a service on a store that a test can interfere with. Its ids are its own, so several can
// share a store.
type stand struct {
	account.Service
	store    *estest.Hooked
	customer string
	id       string // of the customer's account in EUR
}

func newStand(store es.Store, c clock.Clock) *stand {
	s := &stand{store: &estest.Hooked{Store: store}, customer: ident.New()}
	s.Service = account.New(account.Deps{Store: s.store, Clock: c, Customers: accounttest.Everybody{}})
	s.id = account.ID(s.customer, "EUR")
	return s
}

// inMemory is on a store that shows what one append writes one by one, in the order that the test's
// name makes.
func inMemory(t testing.TB) *stand {
	t.Helper()
	return newStand(memstore.New(es.NewRegistry(account.Register), memstore.Staggered(t.Name())), clock.NewFake(noon))
}

// opened has the account with that balance.
func (s *stand) opened(t *testing.T, balance int64) *stand {
	t.Helper()
	if _, err := s.Open(t.Context(), request("open", ""), s.customer, "EUR"); err != nil {
		t.Fatal(err)
	}
	if balance > 0 {
		if _, err := s.Deposit(t.Context(), request("first", ""), s.id, "first", eur(balance)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// other opens another customer's account in EUR, once, and gives its id.
func (s *stand) other(t *testing.T) string {
	t.Helper()
	if _, err := s.Open(t.Context(), request("open-other", ""), s.customer+"-other", "EUR"); err != nil {
		t.Fatal(err)
	}
	return account.ID(s.customer+"-other", "EUR")
}

func (s *stand) want(t *testing.T, balance, version int64) {
	t.Helper()
	res, err := s.Get(t.Context(), s.id)
	if err != nil {
		t.Fatal(err)
	}
	if res.State.Money() != eur(balance) || res.Head.Version() != version {
		t.Errorf(
			"account holds %s at version %d, want %s at %d", res.State.Money(), res.Head.Version(), eur(balance),
			version,
		)
	}
}

func request(key, fingerprint string) es.Request {
	return es.Request{CommitID: key, Fingerprint: fingerprint, Time: noon, Metadata: es.Metadata{Actor: "test"}}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestOpen(t *testing.T) {
	s := inMemory(t)
	ctx := t.Context()
	first, err := s.Open(ctx, request("k1", "eur"), s.customer, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	want := account.State{ID: s.id, CustomerID: s.customer, Currency: "EUR"}
	if first.State != want || first.Head.Version() != 1 {
		t.Errorf("opened %+v at %d", first.State, first.Head.Version())
	}
	again, err := s.Open(ctx, request("k1", "eur"), s.customer, "EUR")
	if err != nil || again.State != want || again.Head.Version() != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = s.Open(ctx, request("k1", "other"), s.customer, "EUR")
	wantErr(t, err, es.ErrKeyReused)
	_, err = s.Open(ctx, request("k2", "eur"), s.customer, "EUR")
	wantErr(t, err, account.ErrAlreadyOpen)
	s.want(t, 0, 1)
}

// TestOpenReadsNoAccount: an account that somebody opens is new, so it is read neither ahead of the
// append nor behind it; where it is there, the append has it read.
func TestOpenReadsNoAccount(t *testing.T) {
	s := inMemory(t)
	opened, err := s.Open(t.Context(), request("k1", "eur"), s.customer, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	if loads := s.store.Loads.Load(); loads > 0 {
		t.Errorf("%d streams were read", loads)
	}
	found, err := s.Open(t.Context(), request("k1", "eur"), s.customer, "EUR")
	if err != nil || found != opened {
		t.Errorf("the request again: %+v, %v, want %+v", found, err, opened)
	}
	_, err = s.Open(t.Context(), request("k2", "eur"), s.customer, "EUR")
	wantErr(t, err, account.ErrAlreadyOpen)
	s.want(t, 0, 1)
}

// TestOpenKeyWithAnotherCurrency: the two accounts have different streams, so only the key's own
// stream can tell.
func TestOpenKeyWithAnotherCurrency(t *testing.T) {
	for _, fingerprints := range [][2]string{{"eur", "usd"}, {"", ""}} {
		s := inMemory(t)
		if _, err := s.Open(t.Context(), request("k1", fingerprints[0]), s.customer, "EUR"); err != nil {
			t.Fatal(err)
		}
		_, err := s.Open(t.Context(), request("k1", fingerprints[1]), s.customer, "USD")
		wantErr(t, err, es.ErrKeyReused)
		_, err = s.Get(t.Context(), account.ID(s.customer, "USD"))
		wantErr(t, err, account.ErrNotFound)
		if _, err := s.Open(t.Context(), request("k2", "usd"), s.customer, "USD"); err != nil {
			t.Errorf("another key: %v", err)
		}
	}
}

// TestOpenRefused: what was refused leaves its key free.
func TestOpenRefused(t *testing.T) {
	s := inMemory(t)
	_, err := s.Open(t.Context(), request("k1", "a"), s.customer, "EURO")
	wantErr(t, err, money.ErrCurrency)
	if _, err := s.Open(t.Context(), request("k1", "b"), s.customer, "EUR"); err != nil {
		t.Error(err)
	}
}

func TestGetNothing(t *testing.T) {
	_, err := inMemory(t).Get(t.Context(), "nobody's")
	wantErr(t, err, account.ErrNotFound)
}

// move is Deposit or Withdraw.
type move func(ctx context.Context, req es.Request, accountID, key string, amount money.Money) (account.Movement, error)

func movements(s *stand) map[string]struct {
	do   move
	id   string
	sign int64
} {
	return map[string]struct {
		do   move
		id   string
		sign int64
	}{
		"deposit":    {s.Deposit, account.DepositID("test", "k1"), 1},
		"withdrawal": {s.Withdraw, account.WithdrawalID("test", "k1"), -1},
	}
}

// TestRepeatedMovement: whatever has happened since, a repeat says what the first answer said.
func TestRepeatedMovement(t *testing.T) {
	for name := range movements(inMemory(t)) {
		t.Run(name, func(t *testing.T) {
			s := inMemory(t).opened(t, 1000)
			m := movements(s)[name]
			first, err := m.do(t.Context(), request("k1", "body"), s.id, "k1", eur(300))
			if err != nil {
				t.Fatal(err)
			}
			after := 1000 + 300*m.sign
			if want := (account.Movement{
				ID: m.id, AccountID: s.id, Amount: eur(300), Balance: eur(after),
			}); first != want {
				t.Errorf("movement %+v, want %+v", first, want)
			}
			if _, err := s.Deposit(t.Context(), request("k2", "body"), s.id, "k2", eur(50)); err != nil {
				t.Fatal(err)
			}
			before := s.store.Writes.Load()
			again, err := m.do(t.Context(), request("another commit id", "body"), s.id, "k1", eur(300))
			if err != nil || again != first {
				t.Errorf("again: %+v, %v, want %+v", again, err, first)
			}
			_, err = m.do(t.Context(), request("k1", "another body"), s.id, "k1", eur(300))
			wantErr(t, err, es.ErrKeyReused)
			_, err = m.do(t.Context(), request("k1", "body"), s.id, "k1", eur(301))
			wantErr(t, err, es.ErrKeyReused)
			if n := s.store.Writes.Load() - before; n != 0 {
				t.Errorf("repeats appended %d times", n)
			}
			s.want(t, after+50, 4)
		})
	}
}

// TestRefusedMovement writes nothing, and its key may be tried again, even with another body.
func TestRefusedMovement(t *testing.T) {
	tests := []struct {
		name   string
		do     func(*stand) move
		amount money.Money
		want   error
	}{
		{"withdraw too much", func(s *stand) move { return s.Withdraw }, eur(101), account.ErrInsufficientFunds},
		{"withdraw nothing", func(s *stand) move { return s.Withdraw }, eur(0), account.ErrAmountNotPositive},
		{
			"withdraw another currency", func(s *stand) move { return s.Withdraw },
			money.Money{Amount: 1, Currency: "USD"}, account.ErrWrongCurrency,
		},
		{"deposit nothing", func(s *stand) move { return s.Deposit }, eur(0), account.ErrAmountNotPositive},
		{
			"deposit another currency", func(s *stand) move { return s.Deposit },
			money.Money{Amount: 1, Currency: "USD"}, account.ErrWrongCurrency,
		},
		{"deposit too much", func(s *stand) move { return s.Deposit }, eur(1<<63 - 1), money.ErrOverflow},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := inMemory(t).opened(t, 100)
			before := s.store.Writes.Load()
			for range 2 {
				_, err := tt.do(s)(t.Context(), request("k1", "body"), s.id, "k1", tt.amount)
				wantErr(t, err, tt.want)
			}
			if n := s.store.Writes.Load() - before; n != 0 {
				t.Errorf("a refusal appended %d times", n)
			}
			if _, err := tt.do(s)(t.Context(), request("k1", "another"), s.id, "k1", eur(100)); err != nil {
				t.Errorf("the key again: %v", err)
			}
		})
	}
	t.Run("no account", func(t *testing.T) {
		s := inMemory(t)
		_, err := s.Deposit(t.Context(), request("k1", ""), s.id, "k1", eur(1))
		wantErr(t, err, account.ErrNotFound)
		_, err = s.Withdraw(t.Context(), request("k1", ""), s.id, "k1", eur(1))
		wantErr(t, err, account.ErrNotFound)
	})
}

// TestSomebodyElsesAccount: to a customer it is not there, whatever else would forbid a movement of
// it, and nothing is written.
func TestSomebodyElsesAccount(t *testing.T) {
	s := inMemory(t).opened(t, 1000)
	other, mine := s.ByCustomer("somebody-else"), s.ByCustomer(s.customer)
	before := s.store.Writes.Load()
	for _, amount := range []int64{1, 0, 10_000} {
		_, err := other.Withdraw(t.Context(), request("", ""), s.id, "k", eur(amount))
		wantErr(t, err, account.ErrNotFound)
		_, err = other.Transfer(t.Context(), request("", ""), s.id, s.id, "k", eur(amount))
		wantErr(t, err, account.ErrNotFound)
	}
	if n := s.store.Writes.Load() - before; n != 0 {
		t.Errorf("a refusal appended %d times", n)
	}
	if _, err := mine.Withdraw(t.Context(), request("", ""), s.id, "k", eur(1)); err != nil {
		t.Error(err)
	}
}

// TestLostAnswer: the client that heard nothing asks again, and the money has moved once.
func TestLostAnswer(t *testing.T) {
	for name := range movements(inMemory(t)) {
		t.Run(name, func(t *testing.T) {
			s := inMemory(t).opened(t, 1000)
			m := movements(s)[name]
			lost := errors.New("lost")
			s.store.After = func(es.Appended, error) (es.Appended, error) { return es.Appended{}, lost }
			_, err := m.do(t.Context(), request("k1", "body"), s.id, "k1", eur(300))
			wantErr(t, err, lost)
			s.store.After = nil
			again, err := m.do(t.Context(), request("k1", "body"), s.id, "k1", eur(300))
			if err != nil || again.Balance != eur(1000+300*m.sign) {
				t.Errorf("again: %+v, %v", again, err)
			}
			s.want(t, 1000+300*m.sign, 3)
		})
	}
}

// TestConflicts: contention is not failure.
func TestConflicts(t *testing.T) {
	s := inMemory(t).opened(t, 1000)
	var n atomic.Int64
	s.store.Before = func(c []es.Commit) error {
		if n.Add(1)%4 != 0 {
			return &es.ConflictError{Stream: c[0].Head.Stream(), Actual: -1}
		}
		return nil
	}
	for i := range 3 {
		if _, err := s.Withdraw(t.Context(), request("k", ""), s.id, fmt.Sprint(i), eur(100)); err != nil {
			t.Fatal(err)
		}
	}
	s.want(t, 700, 5)
}

// slowTwin is a store on which something happens between the reads of an attempt and of its
// account, or ahead of the append where neither is read.
type slowTwin struct {
	es.Store
	meanwhile func()
}

func (s *slowTwin) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	if f := s.meanwhile; f != nil && stream.Category() == account.Category {
		s.meanwhile = nil
		f()
	}
	return s.Store.Load(ctx, stream, after)
}

func (s *slowTwin) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	if f := s.meanwhile; f != nil {
		s.meanwhile = nil
		f()
	}
	return s.Store.Append(ctx, commits, effects...)
}

// TestTwin: of two deliveries of one request the slower one finds the account as the faster one
// left it, and must not answer that it is refused.
func TestTwin(t *testing.T) {
	requests := map[string]func(ctx context.Context, s *stand) error{
		"open": func(ctx context.Context, s *stand) error {
			_, err := s.Open(ctx, request("k2", "usd"), s.customer, "USD")
			return err
		},
		"withdraw": func(ctx context.Context, s *stand) error {
			_, err := s.Withdraw(ctx, request("k1", ""), s.id, "k1", eur(1000))
			return err
		},
		"deposit": func(ctx context.Context, s *stand) error {
			_, err := s.Deposit(ctx, request("k1", ""), s.id, "k1", eur(1<<63-1-1000))
			return err
		},
		"transfer": func(ctx context.Context, s *stand) error {
			_, err := s.Transfer(ctx, request("k1", ""), s.id, s.other(t), "k1", eur(1000))
			return err
		},
		"interest": func(ctx context.Context, s *stand) error {
			_, err := s.ApplyInterest(ctx, request("k1", ""), s.id, "k1", account.MaxRate)
			return err
		},
	}
	for name, do := range requests {
		t.Run(name, func(t *testing.T) {
			twins := &slowTwin{Store: memstore.New(es.NewRegistry(account.Register), memstore.Staggered(t.Name()))}
			s := newStand(twins, clock.NewFake(noon)).opened(t, 1000)
			twins.meanwhile = func() {
				if err := do(t.Context(), s); err != nil {
					t.Errorf("the faster: %v", err)
				}
			}
			if err := do(t.Context(), s); err != nil || twins.meanwhile != nil {
				t.Errorf("the slower: %v", err)
			}
		})
	}
}

// TestTwinWhileOneByOneBecomesVisible: of two deliveries of one request the one finds what the
// other writes half done, whichever half it is, and both have one answer.
func TestTwinWhileOneByOneBecomesVisible(t *testing.T) {
	for name, tt := range map[string]struct {
		items int
		do    func(ctx context.Context, s *stand, other string) (any, error)
	}{
		"open": {2, func(ctx context.Context, s *stand, _ string) (any, error) {
			res, err := s.Open(ctx, request("k2", "usd"), s.customer, "USD")
			return res.State, err
		}},
		"withdraw": {2, func(ctx context.Context, s *stand, _ string) (any, error) {
			return s.Withdraw(ctx, request("k1", ""), s.id, "k1", eur(1000))
		}},
		"deposit": {2, func(ctx context.Context, s *stand, _ string) (any, error) {
			return s.Deposit(ctx, request("k1", ""), s.id, "k1", eur(1<<63-1-1000))
		}},
		"transfer": {3, func(ctx context.Context, s *stand, other string) (any, error) {
			return s.Transfer(ctx, request("k1", ""), s.id, other, "k1", eur(1000))
		}},
		"interest": {2, func(ctx context.Context, s *stand, _ string) (any, error) {
			return s.ApplyInterest(ctx, request("k1", ""), s.id, "k1", account.MaxRate)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			estest.Twins(t, tt.items, func(t *testing.T) (*memstore.Store, func() (string, error)) {
				store := memstore.New(es.NewRegistry(account.Register))
				s := newStand(store, clock.NewFake(noon)).opened(t, 1000)
				other := s.other(t)
				return store, func() (string, error) {
					answer, err := tt.do(t.Context(), s, other)
					return fmt.Sprintf("%+v", answer), err
				}
			})
		})
	}
}

// TestAtOnce: appends that are carried out and whose answers are missed are among all that happens
// at once.
func TestAtOnce(t *testing.T) {
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			accounttest.Run(t, memstore.New(es.NewRegistry(account.Register), memstore.Staggered(t.Name())),
				clock.NewFake(noon))
		})
	}
}

func TestPlanNeedsMovement(t *testing.T) {
	s := inMemory(t)
	open := account.Open{AccountID: s.id, CustomerID: s.customer, Currency: "EUR"}
	_, _, err := account.Plan(t.Context(), account.States(s.store, nil), request("k", ""), s.id, open)
	if err == nil {
		t.Error("opening moves no money, and has no commit id")
	}
}
