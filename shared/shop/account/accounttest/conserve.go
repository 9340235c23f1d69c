package accounttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
)

// op is a transfer, or interest, that somebody asks for. Few callers and keys make many repeats,
// and many other requests under a key that was used.
type op struct {
	Who      int
	From, To int // the account after the last one is nobody's
	Key      int
	Amount   int64 // of a transfer; 0 asks for interest on From
}

// step is what happens at once, and what goes wrong meanwhile: one fault an append, as long as
// there are any.
type step struct {
	Ops    []op
	Faults []string // "", conflict, lost
}

const (
	holders = 3
	callers = 2
	keys    = 4 // of each caller
	funds   = 500
	rate    = 333
)

var steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
	return step{
		Ops: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
			return op{
				Who:    rapid.IntRange(0, callers-1).Draw(t, "who"),
				From:   rapid.IntRange(0, holders-1).Draw(t, "from"),
				To:     rapid.IntRange(0, holders).Draw(t, "to"),
				Key:    rapid.IntRange(0, keys-1).Draw(t, "key"),
				Amount: rapid.SampledFrom([]int64{0, -1, 1, 30, 200, 400, 501}).Draw(t, "amount"),
			}
		}), 1, 4).Draw(t, "ops"),
		Faults: rapid.SliceOfN(rapid.SampledFrom([]string{"", estest.Conflict, estest.Lost}), 0, 4).Draw(t, "faults"),
	}
}), 1, 10)

// reporter is what is needed of a test, rapid's or the testing package's.
type reporter interface{ Fatalf(string, ...any) }

type ledger struct {
	ctx       context.Context
	clock     clock.Clock
	store     *estest.Hooked
	snapshots memstore.Snapshots
	accounts  account.Service
	ids       [holders + 1]string
	actors    [callers]string
}

// conserve takes the steps one after the other and checks after each that the accounts together
// hold what they were given, and what interest added. A snapshot of each account is written between
// the steps.
func conserve(ctx context.Context, t reporter, store es.Store, c clock.Clock, all []step) {
	l := &ledger{ctx: ctx, clock: c, store: &estest.Hooked{Store: store}}
	l.accounts = account.New(account.Deps{Store: l.store, Clock: c, Customers: Everybody{}, Snapshots: &l.snapshots,
		Mends: true})
	for i := range l.actors {
		l.actors[i] = "operator/" + ident.New()
	}
	for i := range l.ids {
		customer := ident.New()
		l.ids[i] = account.ID(customer, "EUR")
		if i == holders {
			break
		}
		if _, err := l.accounts.Open(ctx, request(c, customer, "open"), customer, "EUR"); err != nil {
			t.Fatalf("open: %v", err)
		}
		if _, err := l.accounts.Deposit(ctx, request(c, customer, "first"), l.ids[i], "first", eur(funds)); err != nil {
			t.Fatalf("deposit: %v", err)
		}
	}
	for _, st := range all {
		l.take(t, st)
		l.check(t)
		l.snapshot(t)
	}
	l.repeat(t, all)
}

// do carries an operation out. The answer is "" where there is none: nobody knows what happened.
func (l *ledger) do(o op) (answer string, err error) {
	key := fmt.Sprint(o.Key)
	req := es.Request{CommitID: "any", Time: l.clock.Now(), Metadata: es.Metadata{Actor: l.actors[o.Who]}}
	var done any
	if o.Amount == 0 {
		done, err = l.accounts.ApplyInterest(l.ctx, req, l.ids[o.From], key, rate)
	} else {
		done, err = l.accounts.Transfer(l.ctx, req, l.ids[o.From], l.ids[o.To], key, eur(o.Amount))
	}
	if fault, ok := faults.As(err); ok {
		return fault.Code, nil
	}
	switch {
	case err == nil:
		return fmt.Sprint(done), nil
	case errors.Is(err, es.ErrKeyReused):
		return "key reused", nil
	case errors.Is(err, estest.ErrLost):
		return "", nil
	}
	return "", err
}

// take runs the operations of a step at once, with its faults.
func (l *ledger) take(t reporter, st step) {
	l.store.Inject(st.Faults)
	errs := make([]error, len(st.Ops))
	var wg sync.WaitGroup
	for i, o := range st.Ops {
		wg.Go(func() { _, errs[i] = l.do(o) })
	}
	wg.Wait()
	l.store.Heal()
	for i, o := range st.Ops {
		if errs[i] != nil {
			t.Fatalf("%+v: %v", o, errs[i])
		}
	}
}

// snapshot writes a snapshot of each account as it is.
func (l *ledger) snapshot(t reporter) {
	states := account.States(l.store, &l.snapshots)
	states.Every = 1
	for _, id := range l.ids[:holders] {
		if err := states.Handle(
			l.ctx,
			es.StoredCommit{Stream: es.NewStreamID(account.Category, id), First: 1, Events: make([]es.Stored, 1)},
		); err != nil {
			t.Fatalf("snapshot: %v", err)
		}
	}
}

// events reads a stream.
func (l *ledger) events(t reporter, category, id string) []es.Recorded {
	h, err := l.store.Load(l.ctx, es.NewStreamID(category, id), 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return h.Events
}

// check compares what the accounts hold with what they were given, and each side of each transfer
// with what its own stream says.
func (l *ledger) check(t reporter) {
	held, given := int64(0), int64(holders*funds)
	// sides of movements that the accounts have, by what both sides and the attempt say of them
	moved := map[string]int{}
	for _, id := range l.ids[:holders] {
		state := account.State{}
		for _, r := range l.events(t, account.Category, id) {
			e, ok := r.Data.(account.Event)
			if !ok {
				t.Fatalf("%s is a %T", r.ID(), r.Data)
			}
			state = account.Evolve(state, e)
			if state.Balance < 0 || state.Balance > state.PaidIn {
				t.Fatalf("%s: the account holds %d of %d paid in", r.ID(), state.Balance, state.PaidIn)
			}
			switch e := e.(type) {
			case account.TransferredOut:
				moved[fmt.Sprint("out ", e.Reference, id, e.ToAccountID, e.Amount)]++
			case account.TransferredIn:
				moved[fmt.Sprint("in ", e.Reference, e.FromAccountID, id, e.Amount)]++
			case account.InterestApplied:
				moved[fmt.Sprint("interest ", e.Reference, id, e.Amount)]++
				given += e.Amount.Amount
			}
		}
		held += state.Balance
	}
	if held != given {
		t.Fatalf("the accounts hold %d of %d", held, given)
	}
	for side, n := range moved {
		if n != 1 {
			t.Fatalf("%s happened %d times", side, n)
		}
	}
	sides := 0
	for _, actor := range l.actors {
		for key := range keys {
			for _, r := range append(l.events(t, account.TransferCategory, account.TransferID(actor, fmt.Sprint(key))),
				l.events(t, account.InterestCategory, account.InterestID(actor, fmt.Sprint(key)))...) {
				var want []string
				switch e := r.Data.(type) {
				case account.TransferProcessed:
					both := fmt.Sprint(r.Stream, e.FromAccountID, e.ToAccountID, e.Amount)
					want = []string{"out " + both, "in " + both}
				case account.InterestProcessed:
					if e.Amount.Amount > 0 {
						want = []string{fmt.Sprint("interest ", r.Stream, e.AccountID, e.Amount)}
					}
				}
				for _, side := range want {
					if moved[side] != 1 {
						t.Fatalf("%s has no %s", r.ID(), side)
					}
				}
				sides += len(want)
			}
		}
	}
	if sides != len(moved) {
		t.Fatalf("the attempts say %d sides, the accounts %d: %v", sides, len(moved), moved)
	}
}

// repeat asks for everything once more, and again: the second time it has the same answer, and
// nothing is written.
func (l *ledger) repeat(t reporter, all []step) {
	for _, st := range all {
		for _, o := range st.Ops {
			first, err := l.do(o)
			if err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			before := l.store.Writes.Load()
			second, err := l.do(o)
			if err != nil || second != first {
				t.Fatalf("%+v is answered %s (%v) after %s", o, second, err, first)
			}
			if n := l.store.Writes.Load() - before; n != 0 {
				t.Fatalf("%+v, repeated, appended %d times", o, n)
			}
		}
	}
	l.check(t)
}
