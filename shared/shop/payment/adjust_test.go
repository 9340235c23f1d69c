package payment_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/payment"
)

// adjust makes that amount stand charged, as the append of an order's amendment does. A refusal is
// one of what was so together: a try whose answer was missed may be seen in part.
func (s *stand) adjust(ctx context.Context, by string, amount int64) error {
	adjustment := s.payments.Adjustment(s.order, 1, s.customer, eur(amount))
	return es.RetryConflicts(ctx, clock.NewFake(noon), func(ctx context.Context) error {
		paid, err := s.store.Load(ctx, es.NewStreamID(payment.Category, payment.ID(s.order, 1)), 0)
		if err != nil {
			return err
		}
		commits, effects, err := adjustment(ctx, request(by))
		if faults.Final(err) {
			if moved := s.store.Confirm(ctx, paid.Head); moved != nil {
				return moved
			}
		}
		if err != nil || len(commits) == 0 {
			return err
		}
		_, err = s.store.Append(ctx, commits, effects...)
		return err
	})
}

// TestAdjust: the account has one movement for each adjustment, of the difference alone, and what
// undoes the order gives back what stands.
func TestAdjust(t *testing.T) {
	s := inMemory(t).funded(t, 1000)
	id := payment.ID(s.order, 1)
	wantErr(t, s.adjust(t.Context(), "early", 300), payment.ErrNotCharged)
	if _, err := s.charge(t.Context(), "run", 300); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		by     string
		amount int64
		want   error
		now    int64
	}{
		{"more", 450, nil, 450},
		{"more", 450, nil, 450}, // its answer was lost
		{"less", 100, nil, 100},
		{"more again", 450, nil, 450},
		{"too much", 1001, account.ErrInsufficientFunds, 450},
		{"the same", 450, nil, 450},
		{"nothing", 0, nil, 0},
		{"all there is", 1000, nil, 1000},
	} {
		wantErr(t, s.adjust(t.Context(), step.by, step.amount), step.want)
		s.want(t, payment.StatusProcessed, 1000-step.now)
	}
	if back, err := s.refund(t.Context(), "undo"); err != nil || back.Amount != eur(1000) {
		t.Errorf("refunded %+v, %v", back, err)
	}
	s.want(t, payment.StatusRefunded, 1000)
	wantErr(t, s.adjust(t.Context(), "late", 1), payment.ErrNotCharged)

	ofPayment, ofAccount := s.events(t)
	adjusted := func(amount, difference int64) payment.Adjusted {
		return payment.Adjusted{
			PaymentID: id, OrderID: s.order, AccountID: s.account, Amount: eur(amount), Difference: eur(difference),
		}
	}
	if diff := cmp.Diff([]any{
		payment.Processed{PaymentID: id, OrderID: s.order, AccountID: s.account, Amount: eur(300)},
		adjusted(450, 150), adjusted(100, -350), adjusted(450, 350), adjusted(0, -450), adjusted(1000, 1000),
		payment.Refunded{PaymentID: id, OrderID: s.order, AccountID: s.account, Amount: eur(1000)},
	}, ofPayment); diff != "" {
		t.Errorf("payment (-want +got):\n%s", diff)
	}
	reference := "payment/" + id
	if diff := cmp.Diff([]any{
		account.Withdrawn{Amount: eur(300), Reference: reference},
		account.Withdrawn{Amount: eur(150), Reference: reference},
		account.Deposited{Amount: eur(350), Reference: reference},
		account.Withdrawn{Amount: eur(350), Reference: reference},
		account.Deposited{Amount: eur(450), Reference: reference},
		account.Withdrawn{Amount: eur(1000), Reference: reference},
		account.Deposited{Amount: eur(1000), Reference: reference},
	}, ofAccount[2:]); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	page, err := s.accounts.Statement(t.Context(), s.account, 0, 3)
	if err != nil || page.Lines[1].Kind != account.KindPayment || page.Lines[2].Kind != account.KindRefund ||
		page.Lines[2].Amount != eur(450) {
		t.Errorf("the statement is %+v, %v", page.Lines, err)
	}
}

// TestAdjustedExactly: whatever is adjusted in between, and however it ends, the account has back
// what it paid, or has paid what stands.
func TestAdjustedExactly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := inMemory(t).funded(t, 1000)
		stands := rapid.Int64Range(0, 1000).Draw(rt, "charged")
		if _, err := s.charge(t.Context(), "run", stands); err != nil {
			rt.Fatal(err)
		}
		for i, amount := range rapid.SliceOfN(rapid.Int64Range(0, 1200), 0, 8).Draw(rt, "amounts") {
			err := s.adjust(t.Context(), fmt.Sprint(i), amount)
			if refused := amount > 1000; refused != errors.Is(err, account.ErrInsufficientFunds) ||
				!refused && err != nil {
				rt.Fatalf("adjusted to %d: %v", amount, err)
			}
			if amount <= 1000 {
				stands = amount
			}
			a, err := s.accounts.Get(t.Context(), s.account)
			if err != nil || a.State.Balance != 1000-stands {
				rt.Fatalf("%d stands, and the account is %+v, %v", stands, a.State, err)
			}
		}
		if rapid.Bool().Draw(rt, "undone") {
			if _, err := s.refund(t.Context(), "undo"); err != nil {
				rt.Fatal(err)
			}
			s.want(t, payment.StatusRefunded, 1000)
		}
	})
}
