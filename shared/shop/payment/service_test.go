package payment_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/payment/paymenttest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

func registry() *es.Registry { return es.NewRegistry(payment.Register, account.Register) }

// stand is the services on a store that a test can interfere with. Its ids are its own, so several
// can share a store.
type stand struct {
	store    *estest.Hooked
	payments payment.Service
	accounts account.Service
	customer string
	account  string // of the customer, in EUR
	order    string
}

func newStand(store es.Store, c clock.Clock) *stand {
	s := &stand{store: &estest.Hooked{Store: store}, customer: ident.New(), order: ident.New()}
	s.payments = payment.New(payment.Deps{Store: s.store, Clock: c})
	s.accounts = account.New(account.Deps{Store: s.store, Clock: c, Customers: accounttest.Everybody{}})
	s.account = account.ID(s.customer, "EUR")
	return s
}

// inMemory is on a store that shows what one append writes one by one, in the order that the test's
// name makes.
func inMemory(t testing.TB) *stand {
	t.Helper()
	return newStand(memstore.New(registry(), memstore.Staggered(t.Name())), clock.NewFake(noon))
}

func request(id string) es.Request { return es.Request{CommitID: id, Time: noon} }

// funded opens the account with that balance, which is not 0.
func (s *stand) funded(t *testing.T, balance int64) *stand {
	t.Helper()
	if _, err := s.accounts.Open(t.Context(), request("open"), s.customer, "EUR"); err != nil {
		t.Fatal(err)
	}
	s.deposit(t, "first", balance)
	return s
}

func (s *stand) deposit(t *testing.T, key string, amount int64) {
	t.Helper()
	if _, err := s.accounts.Deposit(t.Context(), request(key), s.account, key, eur(amount)); err != nil {
		t.Fatal(err)
	}
}

func (s *stand) charge(ctx context.Context, by string, amount int64) (payment.State, error) {
	return s.payments.Charge(
		ctx, request(by),
		payment.Charge{
			OrderID: s.order, Revision: 1, CustomerID: s.customer, AccountID: s.account, Amount: eur(amount),
		},
	)
}

func (s *stand) refund(ctx context.Context, by string) (payment.State, error) {
	return s.payments.Refund(ctx, request(by), s.order, 1)
}

func (s *stand) want(t *testing.T, status payment.Status, balance int64) {
	t.Helper()
	p, err := s.payments.Get(t.Context(), s.order, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.accounts.Get(t.Context(), s.account)
	if err != nil {
		t.Fatal(err)
	}
	if p.Status != status || a.State.Balance != balance {
		t.Errorf(
			"the payment is %s and the account holds %d, want %s and %d", p.Status, a.State.Balance, status, balance,
		)
	}
}

// events lists the events of the payment and the account.
func (s *stand) events(t *testing.T) (ofPayment, ofAccount []any) {
	t.Helper()
	for _, e := range estest.Load(t, s.store, es.NewStreamID(payment.Category, payment.ID(s.order, 1)), 0).Events {
		ofPayment = append(ofPayment, e.Data)
	}
	for _, e := range estest.Load(t, s.store, es.NewStreamID(account.Category, s.account), 0).Events {
		ofAccount = append(ofAccount, e.Data)
	}
	return ofPayment, ofAccount
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestChargeAndRefund(t *testing.T) {
	s := inMemory(t).funded(t, 1000)
	id := payment.ID(s.order, 1)
	reference := "payment/" + id
	paid, err := s.charge(t.Context(), "run 1", 300)
	if err != nil {
		t.Fatal(err)
	}
	if want := (payment.State{
		ID: id, OrderID: s.order, AccountID: s.account, Amount: eur(300), Status: payment.StatusProcessed,
	}); paid != want {
		t.Errorf("charged %+v, want %+v", paid, want)
	}
	for _, by := range []string{"run 1", "run 2"} {
		if again, err := s.charge(t.Context(), by, 300); err != nil || again != paid {
			t.Errorf("again by %s: %+v, %v", by, again, err)
		}
	}
	s.want(t, payment.StatusProcessed, 700)
	for _, by := range []string{"run 1", "run 1", "run 2"} {
		if back, err := s.refund(t.Context(), by); err != nil || back.Status != payment.StatusRefunded ||
			back.Amount != eur(300) {
			t.Errorf("refund by %s: %+v, %v", by, back, err)
		}
	}
	_, err = s.charge(t.Context(), "run 1", 300)
	wantErr(t, err, es.ErrAttemptClosed)
	s.want(t, payment.StatusRefunded, 1000)

	ofPayment, ofAccount := s.events(t)
	if diff := cmp.Diff([]any{
		payment.Processed{PaymentID: id, OrderID: s.order, AccountID: s.account, Amount: eur(300)},
		payment.Refunded{PaymentID: id, OrderID: s.order, AccountID: s.account, Amount: eur(300)},
	}, ofPayment); diff != "" {
		t.Errorf("payment (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{
		account.Withdrawn{Amount: eur(300), Reference: reference},
		account.Deposited{Amount: eur(300), Reference: reference},
	}, ofAccount[2:]); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
}

// TestDeclined: the first answer is the answer, whatever the account could pay later, and there is
// nothing to refund.
func TestDeclined(t *testing.T) {
	tests := []struct {
		name   string
		change func(*payment.Charge)
		want   *faults.Spec
	}{
		{"insufficient funds", func(c *payment.Charge) { c.Amount = eur(1001) }, account.ErrInsufficientFunds},
		{"another's account", func(c *payment.Charge) { c.CustomerID = "somebody" }, account.ErrNotYours},
		{"no account", func(c *payment.Charge) { c.AccountID = "none" }, account.ErrNotOpen},
		{"another currency", func(c *payment.Charge) { c.Amount.Currency = "USD" }, account.ErrWrongCurrency},
		{"less than nothing", func(c *payment.Charge) { c.Amount.Amount = -1 }, account.ErrAmountNotPositive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := inMemory(t).funded(t, 1000)
			c := payment.Charge{
				OrderID: s.order, Revision: 1, CustomerID: s.customer, AccountID: s.account, Amount: eur(10),
			}
			tt.change(&c)
			_, first := s.payments.Charge(t.Context(), request("run 1"), c)
			wantErr(t, first, tt.want)
			s.want(t, payment.StatusDeclined, 1000)

			s.deposit(t, "more", 5000)
			c = payment.Charge{
				OrderID: s.order, Revision: 1, CustomerID: s.customer, AccountID: s.account, Amount: eur(10),
			}
			for _, by := range []string{"run 1", "run 2"} {
				_, again := s.payments.Charge(t.Context(), request(by), c)
				if again == nil || again.Error() != first.Error() {
					t.Errorf("again by %s: %v, want %v", by, again, first)
				}
			}
			before := s.store.Writes.Load()
			if back, err := s.refund(t.Context(), "undo"); err != nil || back.Status != payment.StatusDeclined {
				t.Errorf("refund: %+v, %v", back, err)
			}
			if n := s.store.Writes.Load() - before; n != 0 {
				t.Errorf("the refund appended %d times", n)
			}
			s.want(t, payment.StatusDeclined, 6000)
			// A deliberate second try is another attempt.
			c.Revision = 2
			if _, err := s.payments.Charge(t.Context(), request("run 1"), c); err != nil {
				t.Errorf("revision 2: %v", err)
			}
			s.want(t, payment.StatusDeclined, 5990)
		})
	}
}

// TestFree: nothing is paid without touching an account, even one that isn't there.
func TestFree(t *testing.T) {
	s := inMemory(t)
	paid, err := s.charge(t.Context(), "run", 0)
	if err != nil || paid.Status != payment.StatusProcessed || paid.Amount != eur(0) {
		t.Fatalf("charge: %+v, %v", paid, err)
	}
	back, err := s.refund(t.Context(), "run")
	if err != nil || back.Status != payment.StatusRefunded {
		t.Fatalf("refund: %+v, %v", back, err)
	}
	_, err = s.charge(t.Context(), "run", 0)
	wantErr(t, err, es.ErrAttemptClosed)
	if _, ofAccount := s.events(t); len(ofAccount) != 0 {
		t.Errorf("the account has %v", ofAccount)
	}
}

// TestLateCharge arrives after the payment was taken back.
func TestLateCharge(t *testing.T) {
	s := inMemory(t).funded(t, 1000)
	for _, by := range []string{"run 1", "run 1", "run 2"} {
		if back, err := s.refund(t.Context(), by); err != nil || back.Status != payment.StatusVoided ||
			back.ID != payment.ID(s.order, 1) {
			t.Fatalf("refund by %s: %+v, %v", by, back, err)
		}
	}
	for range 2 {
		_, err := s.charge(t.Context(), "run 1", 300)
		wantErr(t, err, es.ErrAttemptClosed)
	}
	s.want(t, payment.StatusVoided, 1000)
}

// TestLostAnswers: each append arrives and its answer does not; the next try finds what the first
// did.
func TestLostAnswers(t *testing.T) {
	s := inMemory(t).funded(t, 1000)
	lost := errors.New("lost")
	lose := func(es.Appended, error) (es.Appended, error) { return es.Appended{}, lost }
	s.store.After = lose
	_, err := s.charge(t.Context(), "run", 300)
	wantErr(t, err, lost)
	s.store.After = nil
	if _, err := s.charge(t.Context(), "run", 300); err != nil {
		t.Error(err)
	}
	s.want(t, payment.StatusProcessed, 700)
	s.store.After = lose
	_, err = s.refund(t.Context(), "run")
	wantErr(t, err, lost)
	s.store.After = nil
	if _, err := s.refund(t.Context(), "run"); err != nil {
		t.Error(err)
	}
	s.want(t, payment.StatusRefunded, 1000)
}

// TestTwinsDecideDifferently: two deliveries of one task carry one commit id. One finds no money,
// the other does; the first that is written decides for both.
func TestTwinsDecideDifferently(t *testing.T) {
	for _, firstDeclines := range []bool{true, false} {
		t.Run(fmt.Sprintf("first declines %v", firstDeclines), func(t *testing.T) {
			s := inMemory(t).funded(t, 100)
			charge := func() error {
				_, err := s.charge(t.Context(), "run", 300)
				return err
			}
			if !firstDeclines {
				s.deposit(t, "more", 1000)
			}
			var second error
			s.store.Before = func([]es.Commit) error {
				s.store.Before = nil // the first has decided, and now comes second
				if firstDeclines {
					s.deposit(t, "more", 1000)
				} else if _, err := s.accounts.Withdraw(
					t.Context(), request("w"), s.account, "w", eur(1000),
				); err != nil {
					t.Error(err)
				}
				second = charge()
				return nil
			}
			first := charge()
			if firstDeclines {
				// The refusal meets the twin's commit under its own id, and must not take it for
				// its own decision.
				if first != nil || second != nil {
					t.Errorf("answers %v and %v, want none", first, second)
				}
				s.want(t, payment.StatusProcessed, 800)
				return
			}
			if !errors.Is(first, account.ErrInsufficientFunds) || !errors.Is(second, account.ErrInsufficientFunds) {
				t.Errorf("answers %v and %v, want a refusal", first, second)
			}
			s.want(t, payment.StatusDeclined, 100)
		})
	}
}

func TestSuite(t *testing.T) {
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			paymenttest.Run(t, memstore.New(registry(), memstore.Staggered(t.Name())), clock.NewFake(noon))
		})
	}
}

// TestTwinWhileOneByOneBecomesVisible: a charge that empties the account, and its refund, are the
// same for a twin that meets them half done.
func TestTwinWhileOneByOneBecomesVisible(t *testing.T) {
	for name, do := range map[string]func(context.Context, *stand) (payment.State, error){
		"charge": func(ctx context.Context, s *stand) (payment.State, error) { return s.charge(ctx, "run", 600) },
		"refund": func(ctx context.Context, s *stand) (payment.State, error) { return s.refund(ctx, "run") },
	} {
		t.Run(name, func(t *testing.T) {
			estest.Twins(t, 2, func(t *testing.T) (*memstore.Store, func() (string, error)) {
				store := memstore.New(registry())
				s := newStand(store, clock.NewFake(noon)).funded(t, 1000)
				if name == "refund" {
					if _, err := s.charge(t.Context(), "run", 600); err != nil {
						t.Fatal(err)
					}
				}
				return store, func() (string, error) {
					answer, err := do(t.Context(), s)
					return fmt.Sprintf("%+v", answer), err
				}
			})
		})
	}
}

// TestChargeAfterAnAnsweredDeposit: a deposit of which its sender was told counts at once, though
// the account's stream does not show it yet. A charge that is declined stays so.
func TestChargeAfterAnAnsweredDeposit(t *testing.T) {
	store := memstore.New(registry())
	s := newStand(store, clock.NewFake(noon)).funded(t, 100)
	deposit := func(ctx context.Context) error {
		_, err := s.accounts.Deposit(ctx, request("second"), s.account, "second", eur(500))
		return err
	}
	seen, charged := 0, false
	store.Meanwhile([]int{0, 1}, func() {
		if seen++; seen != 2 {
			return
		}
		if err := deposit(t.Context()); err != nil {
			t.Errorf("the client's own repeat: %v", err)
		}
		if _, err := s.charge(t.Context(), "run", 600); err != nil {
			t.Errorf("the charge: %v", err)
		}
		charged = true
	})
	if err := deposit(t.Context()); err != nil || !charged {
		t.Errorf("%v, charged: %t", err, charged)
	}
	store.Meanwhile(nil, nil)
	s.want(t, payment.StatusProcessed, 0)
}

// TestRevisionsAndOrdersApart: ids that look alike joined up are different payments.
func TestRevisionsAndOrdersApart(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{payment.ID("o", 1), payment.ID("o", 11), payment.ID("o1", 1), payment.ID("o", 2)} {
		if seen[id] {
			t.Errorf("%s twice", id)
		}
		seen[id] = true
	}
}

// TestCommitIDs: the two movements of one payment are two commits of the account.
func TestCommitIDs(t *testing.T) {
	s := inMemory(t).funded(t, 100)
	if _, err := s.charge(t.Context(), "run", 60); err != nil {
		t.Fatal(err)
	}
	if _, err := s.refund(t.Context(), "run"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range estest.Load(t, s.store, es.NewStreamID(account.Category, s.account), 0).Events {
		if seen[e.CommitID] {
			t.Errorf("commit %s twice", e.CommitID)
		}
		seen[e.CommitID] = true
	}
	if !seen["do:payment/"+payment.ID(s.order, 1)] || !seen["undo:payment/"+payment.ID(s.order, 1)] {
		t.Errorf("commits %v", seen)
	}
}

// bySnapshot is a store of which no account is read whole.
type bySnapshot struct {
	es.Store
	t *testing.T
}

func (b bySnapshot) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	if stream.Category() == account.Category {
		b.t.Errorf("%s is read whole", stream)
	}
	return b.Store.Load(ctx, stream, after)
}

// TestRepeatsBehindASnapshot: what a payment did to its account is told by its own stream, although
// the account's commits are in a snapshot.
func TestRepeatsBehindASnapshot(t *testing.T) {
	s, snapshots, now := inMemory(t), &memstore.Snapshots{}, clock.NewFake(noon)
	s.payments = payment.New(payment.Deps{Store: s.store, Clock: now, Snapshots: snapshots})
	s.accounts = account.New(account.Deps{
		Store: s.store, Clock: now, Customers: accounttest.Everybody{}, Snapshots: snapshots,
	})
	s.funded(t, 1000)
	states := account.States(s.store, snapshots)
	grow := func(from int) {
		for i := range account.Every {
			s.deposit(t, fmt.Sprint(from+i), 1)
		}
		head := estest.Load(t, s.store, es.NewStreamID(account.Category, s.account), 0).Head
		if err := states.Handle(
			t.Context(),
			es.StoredCommit{
				Stream: head.Stream(), First: 1, ID: head.CommitID(), Events: make([]es.Stored, head.Version()),
			},
		); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.charge(t.Context(), "run", 300); err != nil {
		t.Fatal(err)
	}
	plain := s.store.Store
	grow(0)
	s.store.Store = bySnapshot{plain, t}
	for _, run := range []string{"run", "another run"} {
		if _, err := s.charge(t.Context(), run, 300); err != nil {
			t.Error(err)
		}
	}
	s.want(t, payment.StatusProcessed, 700+account.Every)
	if _, err := s.refund(t.Context(), "run"); err != nil {
		t.Error(err)
	}
	s.store.Store = plain
	grow(account.Every)
	s.store.Store = bySnapshot{plain, t}
	for _, run := range []string{"run", "another run"} {
		if _, err := s.refund(t.Context(), run); err != nil {
			t.Error(err)
		}
	}
	s.want(t, payment.StatusRefunded, 1000+2*account.Every)
	if _, err := s.charge(t.Context(), "late", 300); !errors.Is(err, es.ErrAttemptClosed) {
		t.Error(err)
	}
	s.want(t, payment.StatusRefunded, 1000+2*account.Every)
}
