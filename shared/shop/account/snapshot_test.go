package account_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
)

// history draws events that an account may have had, and such as it never could: a fold is total.
var history = rapid.SliceOf(rapid.OneOf(
	rapid.Custom(func(t *rapid.T) account.Event {
		return account.Opened{
			AccountID: rapid.String().Draw(t, "id"), CustomerID: rapid.String().Draw(t, "customer"),
			Currency: rapid.String().Draw(t, "currency"),
		}
	}),
	rapid.Custom(func(t *rapid.T) account.Event {
		return account.Deposited{
			Amount:    amounts.Draw(t, "amount"),
			Reference: rapid.SampledFrom([]string{"deposit/d", "payment/p", ""}).Draw(t, "reference"),
		}
	}),
	rapid.Custom(func(t *rapid.T) account.Event { return account.Withdrawn{Amount: amounts.Draw(t, "amount")} }),
	rapid.Custom(func(t *rapid.T) account.Event { return account.TransferredOut{Amount: amounts.Draw(t, "amount")} }),
	rapid.Custom(func(t *rapid.T) account.Event { return account.TransferredIn{Amount: amounts.Draw(t, "amount")} }),
	rapid.Custom(func(t *rapid.T) account.Event { return account.InterestApplied{Amount: amounts.Draw(t, "amount")} }),
))

var amounts = rapid.Custom(func(t *rapid.T) money.Money { return eur(rapid.Int64().Draw(t, "minor units")) })

func folded(s account.State, events []account.Event) account.State {
	for _, e := range events {
		s = account.Evolve(s, e)
	}
	return s
}

// TestStateSurvivesJSON: folded on from a snapshot at any place, an account is what it is without.
func TestStateSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := history.Draw(t, "events")
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		text, err := json.Marshal(folded(account.State{}, events[:cut]))
		if err != nil {
			t.Fatal(err)
		}
		var kept account.State
		if err := json.Unmarshal(text, &kept); err != nil {
			t.Fatal(err)
		}
		if got, want := folded(kept, events[cut:]), folded(account.State{}, events); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// TestFoldKeepsItsMeaning: a change of Evolve or State that gives this stream other snapshots has
// to come with another Fold, and then with a file of its own. To make that, run the test once
// without the file: it writes what it finds.
func TestFoldKeepsItsMeaning(t *testing.T) {
	stream := []account.Event{
		account.Opened{AccountID: "a1", CustomerID: "c1", Currency: "EUR"},
		account.Deposited{Amount: eur(1000), Reference: "deposit/d1"},
		account.Withdrawn{Amount: eur(200), Reference: "withdrawal/w1"},
		account.Withdrawn{Amount: eur(150), Reference: "payment/p1"},
		account.Deposited{Amount: eur(150), Reference: "payment/p1"},
		account.TransferredOut{ToAccountID: "a2", Amount: eur(300), Reference: "transfer/t1"},
		account.InterestApplied{RateBasisPoints: 500, Amount: eur(25), Reference: "interest/i1"},
		account.TransferredIn{FromAccountID: "a2", Amount: eur(75), Reference: "transfer/t2"},
	}
	var got bytes.Buffer
	met := map[string]bool{}
	state := account.State{}
	for i, e := range stream {
		met[reflect.TypeOf(e).Name()] = true
		state = account.Evolve(state, e)
		text, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(&got, "%d %s %s\n", i+1, reflect.TypeOf(e).Name(), text)
	}
	file := filepath.Join("testdata", strings.ReplaceAll(account.Fold, "/", "-")+".txt")
	want, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		err = os.WriteFile(file, got.Bytes(), 0o600)
		t.Errorf("%s was not there and is written now: %v", file, err)
		return
	}
	if err != nil || got.String() != string(want) {
		t.Errorf("%v: %s means something else now:\n%swant\n%s", err, account.Fold, &got, want)
	}
	// A field that is left out while it is empty, or an event that is not in the stream, could
	// change unseen.
	empty, err := json.Marshal(account.State{})
	var fields map[string]any
	if err = errors.Join(err, json.Unmarshal(empty, &fields)); err != nil ||
		len(fields) != reflect.TypeFor[account.State]().NumField() {
		t.Errorf("%v: the empty state is %s", err, empty)
	}
	if len(met) != 6 {
		t.Errorf("the stream has %d of the 6 types of events: %v", len(met), met)
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

// follow writes the snapshots that a store's commits call for.
func follow(t *testing.T, store *memstore.Store, snapshots es.Snapshots) {
	t.Helper()
	states := account.States(store, snapshots)
	for page, err := range store.Scan(t.Context(), 0, 1, "") {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Commits {
			if err := states.Handle(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRepeatsBehindASnapshot: each kind of request finds its earlier try although the commits of
// that try are in a snapshot, which holds none.
func TestRepeatsBehindASnapshot(t *testing.T) {
	store, snapshots := memstore.New(es.NewRegistry(account.Register), memstore.Staggered(t.Name())),
		&memstore.Snapshots{}
	s := newStand(store, clock.NewFake(noon))
	s.Service = account.New(account.Deps{
		Store: s.store, Clock: clock.NewFake(noon),
		Customers: accounttest.Everybody{}, Snapshots: snapshots,
	})
	s.opened(t, 1000)
	to := s.other(t)
	ctx := t.Context()
	type answers [6]any
	all := func(body string) (a answers, errs [6]error) {
		opened, err := s.Open(ctx, request("open", body), s.customer, "EUR")
		a[0], errs[0] = opened.State.ID, err
		a[1], errs[1] = s.Deposit(ctx, request("", body), s.id, "k", eur(500))
		a[2], errs[2] = s.Withdraw(ctx, request("", body), s.id, "k", eur(100))
		a[3], errs[3] = s.Transfer(ctx, request("", body), s.id, to, "k", eur(50))
		a[4], errs[4] = s.ApplyInterest(ctx, request("", body), s.id, "k", 100)
		a[5], errs[5] = s.Transfer(ctx, request("", body), to, s.id, "back", eur(25))
		return a, errs
	}
	first, errs := all("")
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	for i := range account.Every {
		for _, id := range []string{s.id, to} {
			if _, err := s.Deposit(ctx, request("", ""), id, fmt.Sprint(id, i), eur(1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	follow(t, store, snapshots)
	s.store.Store = bySnapshot{store, t}

	appends := s.store.Writes.Load()
	if again, errs := all(""); again != first || errors.Join(errs[:]...) != nil {
		t.Errorf("again: %+v, %v, want %+v", again, errs, first)
	}
	_, errs = all("another")
	for i, err := range errs {
		if !errors.Is(err, es.ErrKeyReused) {
			t.Errorf("request %d with another body: %v", i, err)
		}
	}
	_, err := s.Open(ctx, request("another key", ""), s.customer, "EUR")
	wantErr(t, err, account.ErrAlreadyOpen)
	_, err = s.Withdraw(ctx, request("", ""), s.id, "too much", eur(10_000))
	wantErr(t, err, account.ErrInsufficientFunds)
	if n := s.store.Writes.Load() - appends; n != 0 {
		t.Errorf("repeats and refusals appended %d times", n)
	}
	// 1000 + 500 - 100 - 50 + 1 % of 1350, a half to the even one, + 25 + 100
	s.want(t, 1489, 7+account.Every)
	if _, err := s.Withdraw(ctx, request("", ""), s.id, "new", eur(1489)); err != nil {
		t.Error(err)
	}
	s.want(t, 0, 8+account.Every)
}

// counted is a store that counts the events that are read of it.
type counted struct {
	es.Store
	events *int
}

func (c counted) Since(ctx context.Context, head es.Head) (es.History, error) {
	h, err := c.Store.Since(ctx, head)
	*c.events += len(h.Events)
	return h, err
}

func (c counted) Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error] {
	return func(yield func(es.Recorded, error) bool) {
		for e, err := range c.Store.Read(ctx, stream, r) {
			*c.events++
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestStatementCost: a page of a long statement reads its own lines and what lies between it and
// the nearer end.
func TestStatementCost(t *testing.T) {
	store, snapshots, events := memstore.New(es.NewRegistry(account.Register), memstore.Staggered(t.Name())),
		&memstore.Snapshots{}, 0
	s := newStand(store, clock.NewFake(noon)).opened(t, 1)
	const size = 3*account.Every + 5
	for i := range size - 2 {
		if _, err := s.Deposit(t.Context(), request("", ""), s.id, fmt.Sprint(i), eur(int64(i+2))); err != nil {
			t.Fatal(err)
		}
	}
	follow(t, store, snapshots)
	s.Service = account.New(account.Deps{
		Store: counted{bySnapshot{store, t}, &events}, Clock: clock.NewFake(noon),
		Customers: accounttest.Everybody{}, Snapshots: snapshots,
	})
	for _, tt := range []struct{ before, first, most int64 }{
		{0, size, 11}, {size + 9, size, 11}, {size - 20, size - 21, 32}, {size / 2, size/2 - 1, size/2 + 12},
		{32, 31, 43}, {2, 0, 3}, {1, 0, 0},
	} {
		events = 0
		page, err := s.Statement(t.Context(), s.id, tt.before, 10)
		if err != nil || page.Account.Balance != (size-1)*size/2 || (len(page.Lines) == 0) != (tt.first == 0) {
			t.Fatalf("before %d: %+v, %v", tt.before, page, err)
		}
		for i, l := range page.Lines {
			if n := tt.first - int64(i); l.Version != n || l.Amount != eur(n-1) || l.Balance != eur((n-1)*n/2) {
				t.Errorf("before %d: line %d is %+v", tt.before, i, l)
			}
		}
		// Behind the snapshot are up to Every events more, here 5.
		if int64(events) > tt.most+5 {
			t.Errorf("before %d: %d events were read, want %d at most", tt.before, events, tt.most)
		}
	}
}
