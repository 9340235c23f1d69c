package account_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

func holds(t *testing.T, s *stand, id string, balance int64) {
	t.Helper()
	res, err := s.Get(t.Context(), id)
	if err != nil || res.State.Money() != eur(balance) {
		t.Errorf("%s holds %s, %v, want %s", id, res.State.Money(), err, eur(balance))
	}
}

// TestLedger: opened, 1000 in, 200 out, 300 sent, 5 % interest: 525, and the statement says how.
func TestLedger(t *testing.T) {
	s := inMemory(t).opened(t, 1000)
	to, ctx := s.other(t), t.Context()
	if _, err := s.Withdraw(ctx, request("", ""), s.id, "k", eur(200)); err != nil {
		t.Fatal(err)
	}
	sent, err := s.Transfer(ctx, request("", ""), s.id, to, "k", eur(300))
	if want := (account.TransferProcessed{
		TransferID: account.TransferID("test", "k"), FromAccountID: s.id, ToAccountID: to,
		Amount: eur(300), Balance: eur(500),
	}); err != nil || sent != want {
		t.Fatalf("%+v, %v, want %+v", sent, err, want)
	}
	borne, err := s.ApplyInterest(ctx, request("", ""), s.id, "k", 500)
	if want := (account.InterestProcessed{
		InterestID: account.InterestID("test", "k"), AccountID: s.id, RateBasisPoints: 500,
		Amount: eur(25), Balance: eur(525),
	}); err != nil || borne != want {
		t.Fatalf("%+v, %v, want %+v", borne, err, want)
	}
	s.want(t, 525, 5)
	holds(t, s, to, 300)

	got, err := s.Statement(ctx, s.id, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := account.Statement{
		Account: account.State{ID: s.id, CustomerID: s.customer, Currency: "EUR", Balance: 525, PaidIn: 1025},
		Lines: []account.Line{
			{5, noon, account.KindInterest, eur(25), eur(525), "interest/" + borne.InterestID, "", by},
			{4, noon, account.KindTransferOut, eur(-300), eur(500), "transfer/" + sent.TransferID, to, by},
			{3, noon, account.KindWithdrawal, eur(-200), eur(800),
				"withdrawal/" + account.WithdrawalID("test", "k"), "", by},
			{2, noon, account.KindDeposit, eur(1000), eur(1000), "deposit/" + account.DepositID("test", "first"), "", by},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	theirs, err := s.Statement(ctx, to, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(
		[]account.Line{{2, noon, account.KindTransferIn, eur(300), eur(300), "transfer/" + sent.TransferID, s.id, by}},
		theirs.Lines,
	); diff != "" {
		t.Errorf("the receiver's (-want +got):\n%s", diff)
	}
}

// by is who moves money in these tests.
var by = request("", "").Metadata

// TestStatementOfPayments: what a payment took and gave back is told from a withdrawal and a
// deposit.
func TestStatementOfPayments(t *testing.T) {
	s := inMemory(t).opened(t, 1000)
	for i, c := range []account.Command{
		account.Charge{CustomerID: s.customer, Amount: eur(400), Reference: "payment/p"},
		account.Refund{Amount: eur(400), Reference: "payment/p"},
	} {
		_, commit, err := account.Plan(t.Context(), account.States(s.store, nil), request("", ""), s.id, c)
		if err != nil {
			t.Fatal(i, err)
		}
		if _, err := s.store.Append(t.Context(), []es.Commit{commit}); err != nil {
			t.Fatal(i, err)
		}
	}
	got, err := s.Statement(t.Context(), s.id, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]account.Line{
		{4, noon, account.KindRefund, eur(400), eur(1000), "payment/p", "", by},
		{3, noon, account.KindPayment, eur(-400), eur(600), "payment/p", "", by},
	}, got.Lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStatementPages: the pages, of any size, put together are the whole statement, also while
// money moves.
func TestStatementPages(t *testing.T) {
	s := inMemory(t).opened(t, 1000)
	for i := range 6 {
		if _, err := s.Withdraw(t.Context(), request("", ""), s.id, fmt.Sprint(i), eur(int64(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := s.Statement(t.Context(), s.id, 0, 100)
	if err != nil || len(whole.Lines) != 7 || whole.Next != 0 {
		t.Fatalf("%+v, %v", whole, err)
	}
	for limit := 1; limit <= 8; limit++ {
		var lines []account.Line
		before := int64(0)
		for page := 0; ; page++ {
			got, err := s.Statement(t.Context(), s.id, before, limit)
			if err != nil || len(got.Lines) == 0 || len(got.Lines) > limit {
				t.Fatalf("%d a page: %+v, %v", limit, got, err)
			}
			lines = append(lines, got.Lines...)
			if before = got.Next; before == 0 {
				break
			}
			if _, err := s.Deposit(t.Context(), request("", ""), s.id, fmt.Sprint(limit, page), eur(1)); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(whole.Lines, lines[len(lines)-len(whole.Lines):]); diff != "" {
			t.Errorf("%d a page (-want +got):\n%s", limit, diff)
		}
		for i := 1; i < len(lines); i++ {
			if lines[i].Version != lines[i-1].Version-1 ||
				lines[i].Balance.Amount != lines[i-1].Balance.Amount-lines[i-1].Amount.Amount {
				t.Errorf("%d a page: %+v follows %+v", limit, lines[i], lines[i-1])
			}
		}
	}
}

func TestStatementEdges(t *testing.T) {
	s := inMemory(t)
	_, err := s.Statement(t.Context(), "nobody's", 0, 10)
	wantErr(t, err, account.ErrNotFound)
	s.opened(t, 0)
	for _, before := range []int64{0, 1, 2, 99} {
		if got, err := s.Statement(t.Context(), s.id, before, 10); err != nil || len(got.Lines) != 0 || got.Next != 0 {
			t.Errorf("before %d: %+v, %v", before, got, err)
		}
	}
	for _, bad := range [][2]int{{0, 0}, {0, -1}, {-1, 1}} {
		if _, err := s.Statement(t.Context(), s.id, int64(bad[0]), bad[1]); err == nil {
			t.Errorf("%v is no error", bad)
		}
	}
}

// TestRepeatedTransferAndInterest: whatever has happened since, a repeat says what the first answer
// said.
func TestRepeatedTransferAndInterest(t *testing.T) {
	s := inMemory(t).opened(t, 1000)
	to, ctx := s.other(t), t.Context()
	sent, err := s.Transfer(ctx, request("k", "body"), s.id, to, "k", eur(300))
	if err != nil {
		t.Fatal(err)
	}
	borne, err := s.ApplyInterest(ctx, request("k", "body"), s.id, "k", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Withdraw(ctx, request("", ""), s.id, "all", eur(770)); err != nil {
		t.Fatal(err)
	}
	before := s.store.Writes.Load()
	if again, err := s.Transfer(ctx, request("another commit id", "body"), s.id, to, "k", eur(300)); err != nil ||
		again != sent {
		t.Errorf("%+v, %v, want %+v", again, err, sent)
	}
	if again, err := s.ApplyInterest(ctx, request("another commit id", "body"), s.id, "k", 1000); err != nil ||
		again != borne {
		t.Errorf("%+v, %v, want %+v", again, err, borne)
	}
	for name, do := range map[string]func() error{
		"transfer, another body": func() error {
			_, err := s.Transfer(ctx, request("k", "another"), s.id, to, "k", eur(300))
			return err
		},
		"transfer, another amount": func() error {
			_, err := s.Transfer(ctx, request("k", "body"), s.id, to, "k", eur(301))
			return err
		},
		"transfer, another receiver": func() error {
			_, err := s.Transfer(ctx, request("k", "body"), s.id, "nobody's", "k", eur(300))
			return err
		},
		"interest, another body": func() error {
			_, err := s.ApplyInterest(ctx, request("k", "another"), s.id, "k", 1000)
			return err
		},
		"interest, another rate": func() error {
			_, err := s.ApplyInterest(ctx, request("k", "body"), s.id, "k", 1001)
			return err
		},
	} {
		if err := do(); !errors.Is(err, es.ErrKeyReused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.store.Writes.Load() - before; n != 0 {
		t.Errorf("repeats appended %d times", n)
	}
	s.want(t, 0, 5)
	holds(t, s, to, 300)
}

// TestRefusedTransfer writes nothing on either side, and its key may be used again.
func TestRefusedTransfer(t *testing.T) {
	usd := money.Money{Amount: 1, Currency: "USD"}
	for _, tt := range []struct {
		name   string
		from   func(s *stand) string
		to     func(t *testing.T, s *stand) string
		amount money.Money
		want   error
	}{
		{"too much", own, receiver, eur(1001), account.ErrInsufficientFunds},
		{"nothing", own, receiver, eur(0), account.ErrAmountNotPositive},
		{"less", own, receiver, eur(-1), account.ErrAmountNotPositive},
		{"another currency", own, receiver, usd, account.ErrWrongCurrency},
		{"to oneself", own, func(_ *testing.T, s *stand) string { return s.id }, eur(1), account.ErrSameAccount},
		{"to nobody", own, func(*testing.T, *stand) string { return "nobody's" }, eur(1), account.ErrCannotReceive},
		{"from nobody", func(*stand) string { return "nobody's" }, receiver, eur(1), account.ErrNotFound},
		{"to another currency", own, func(t *testing.T, s *stand) string {
			if _, err := s.Open(t.Context(), request("usd", ""), s.customer, "USD"); err != nil {
				t.Fatal(err)
			}
			return account.ID(s.customer, "USD")
		}, eur(1), account.ErrCannotReceive},
		{"to one that is full", own, func(t *testing.T, s *stand) string {
			if _, err := s.Deposit(t.Context(), request("", ""), s.other(t), "full", eur(1<<63-1)); err != nil {
				t.Fatal(err)
			}
			return s.other(t)
		}, eur(1), account.ErrCannotReceive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := inMemory(t).opened(t, 1000)
			from, to := tt.from(s), tt.to(t, s)
			before := s.store.Writes.Load()
			for range 2 {
				got, err := s.Transfer(t.Context(), request("", "body"), from, to, "k", tt.amount)
				wantErr(t, err, tt.want)
				if got != (account.TransferProcessed{}) {
					t.Errorf("%+v", got)
				}
			}
			if n := s.store.Writes.Load() - before; n != 0 {
				t.Errorf("a refusal appended %d times", n)
			}
			s.want(t, 1000, 2)
			if _, err := s.Deposit(t.Context(), request("", ""), s.id, "more", eur(1)); err != nil {
				t.Error(err)
			}
			if from == s.id {
				if _, err := s.Transfer(
					t.Context(), request("", "another"), from, s.free(t), "k", eur(1001),
				); err != nil {
					t.Errorf("the key again: %v", err)
				}
			}
		})
	}
}

func own(s *stand) string { return s.id }

func receiver(t *testing.T, s *stand) string { return s.other(t) }

// free opens one more account in EUR that holds nothing.
func (s *stand) free(t *testing.T) string {
	t.Helper()
	if _, err := s.Open(t.Context(), request("open-free", ""), s.customer+"-free", "EUR"); err != nil {
		t.Fatal(err)
	}
	return account.ID(s.customer+"-free", "EUR")
}

// TestInterestThatRoundsToNothing leaves the account as it was. The key is used: it stands for the
// answer, also once there is a balance.
func TestInterestThatRoundsToNothing(t *testing.T) {
	s := inMemory(t).opened(t, 0)
	first, err := s.ApplyInterest(t.Context(), request("", ""), s.id, "k", 500)
	if err != nil || first.Amount != eur(0) || first.Balance != eur(0) || first.InterestID == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	s.want(t, 0, 1)
	if _, err := s.Deposit(t.Context(), request("", ""), s.id, "k", eur(1000)); err != nil {
		t.Fatal(err)
	}
	if again, err := s.ApplyInterest(t.Context(), request("", ""), s.id, "k", 500); err != nil || again != first {
		t.Errorf("%+v, %v, want %+v", again, err, first)
	}
	s.want(t, 1000, 2)
}

func TestRefusedInterest(t *testing.T) {
	s := inMemory(t).opened(t, 1<<63-1)
	for _, tt := range []struct {
		id   string
		rate int64
		want error
	}{
		{s.id, 0, account.ErrRateOutOfRange},
		{s.id, account.MaxRate + 1, account.ErrRateOutOfRange},
		{s.id, 1, money.ErrOverflow},
		{"nobody's", 1, account.ErrNotFound},
	} {
		before := s.store.Writes.Load()
		_, err := s.ApplyInterest(t.Context(), request("", ""), tt.id, "k", tt.rate)
		wantErr(t, err, tt.want)
		if n := s.store.Writes.Load() - before; n != 0 {
			t.Errorf("a refusal appended %d times", n)
		}
	}
}

// TestLostTransfer: the sender who heard nothing asks again, and the money went once.
func TestLostTransfer(t *testing.T) {
	s := inMemory(t).opened(t, 1000)
	to := s.other(t)
	lost := errors.New("lost")
	s.store.After = func(es.Appended, error) (es.Appended, error) { return es.Appended{}, lost }
	_, err := s.Transfer(t.Context(), request("", "body"), s.id, to, "k", eur(300))
	wantErr(t, err, lost)
	_, err = s.ApplyInterest(t.Context(), request("", "body"), s.id, "k", 1000)
	wantErr(t, err, lost)
	s.store.After = nil
	if again, err := s.Transfer(t.Context(), request("", "body"), s.id, to, "k", eur(300)); err != nil ||
		again.Balance != eur(700) {
		t.Errorf("%+v, %v", again, err)
	}
	if again, err := s.ApplyInterest(t.Context(), request("", "body"), s.id, "k", 1000); err != nil ||
		again.Balance != eur(770) {
		t.Errorf("%+v, %v", again, err)
	}
	s.want(t, 770, 4)
	holds(t, s, to, 300)
}

// TestStatementTellsTheTimes: a line has the time at which its movement was decided.
func TestStatementTellsTheTimes(t *testing.T) {
	s := newStand(memstore.New(es.NewRegistry(account.Register), memstore.Staggered(t.Name())),
		clock.NewFake(noon)).opened(t, 1000)
	later := request("", "")
	later.Time = noon.Add(time.Hour)
	if _, err := s.Withdraw(t.Context(), later, s.id, "k", eur(1)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Statement(t.Context(), s.id, 0, 2)
	if err != nil || len(got.Lines) != 2 || !got.Lines[0].Time.Equal(later.Time) || !got.Lines[1].Time.Equal(noon) {
		t.Errorf("%+v, %v", got, err)
	}
}
