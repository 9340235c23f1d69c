package paymenttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/payment"
)

// op is one thing that somebody asks for. Few keys and orders make many repeats and many late ones.
type op struct {
	Kind   string // deposit, withdraw, charge, refund
	Key    int    // of a movement, or the order's number
	Who    int    // whose movement
	From   string // the account that a charge names, seen from the order's owner: own, other or none
	Run    int    // which run of the saga asks
	Amount int64
}

// step is what happens at once, and what goes wrong meanwhile: one fault an append, as long as
// there are any.
type step struct {
	Ops    []op
	Faults []string // "", conflict, lost
}

const (
	people = 2
	keys   = 5 // of each person's movements, and as many orders
	funds  = 500
)

// bought says of each order whose it is and how much: person 0 can pay any two of theirs.
var bought = [keys]struct {
	owner  int
	amount int64
}{{1, 0}, {0, 30}, {0, 100}, {0, 400}, {1, 400}}

var steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
	return step{
		Ops: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
			return op{
				Kind: rapid.SampledFrom([]string{
					"deposit", "withdraw", "charge", "charge", "charge", "refund", "refund",
				}).Draw(t, "kind"),
				Key:    rapid.IntRange(0, keys-1).Draw(t, "key"),
				Who:    rapid.IntRange(0, people-1).Draw(t, "who"),
				From:   rapid.SampledFrom([]string{"own", "own", "own", "own", "other", "none"}).Draw(t, "from"),
				Run:    rapid.IntRange(0, 1).Draw(t, "run"),
				Amount: rapid.SampledFrom([]int64{0, 1, 30, 100, 400}).Draw(t, "amount"),
			}
		}), 1, 4).Draw(t, "ops"),
		Faults: rapid.SliceOfN(rapid.SampledFrom([]string{"", estest.Conflict, estest.Lost}), 0, 4).Draw(t, "faults"),
	}
}), 1, 12)

// reporter is what is needed of a test, rapid's or the testing package's.
type reporter interface{ Fatalf(string, ...any) }

type world struct {
	*stand
	ctx     context.Context
	answers map[op]string // of each charge that was answered, until its order is refunded
	closed  map[int]bool  // orders with an answered refund
}

// conserve takes the steps one after the other and checks the rules after each.
func conserve(ctx context.Context, t reporter, s *stand, all []step) {
	w := &world{stand: s, ctx: ctx, answers: map[op]string{}, closed: map[int]bool{}}
	for who := range people {
		s.open(ctx, t, w.person(who), funds)
	}
	for _, st := range all {
		w.take(t, st)
		w.check(t)
	}
	w.repeat(t, all)
}

func (w *world) person(who int) string { return fmt.Sprint(w.customer, "-", who) }

func (w *world) order(n int) string { return fmt.Sprint(w.stand.order, "-", n) }

// do carries an operation out. The answer is "" where there is none: nobody knows what happened.
func (w *world) do(o op) (answer string, err error) {
	ctx, id := w.ctx, account.ID(w.person(o.Who), "EUR")
	switch o.Kind {
	case "deposit":
		_, err = w.accounts.Deposit(ctx, w.by(w.person(o.Who), "d"), id, fmt.Sprint(o.Key), eur(o.Amount))
	case "withdraw":
		_, err = w.accounts.Withdraw(ctx, w.by(w.person(o.Who), "w"), id, fmt.Sprint(o.Key), eur(o.Amount))
	case "charge":
		b := bought[o.Key]
		from := map[string]string{"own": w.person(b.owner), "other": w.person(1 - b.owner), "none": "nobody"}[o.From]
		_, err = w.payments.Charge(ctx, w.request(fmt.Sprint("charge", o.Run)), payment.Charge{
			OrderID: w.order(o.Key), Revision: 1, CustomerID: w.person(b.owner), AccountID: account.ID(from, "EUR"),
			Amount: eur(b.amount),
		})
	case "refund":
		_, err = w.payments.Refund(ctx, w.request(fmt.Sprint("refund", o.Run)), w.order(o.Key), 1)
	}
	if fault, ok := faults.As(err); ok {
		return fault.Code, nil
	}
	switch {
	case err == nil:
		return "done", nil
	case errors.Is(err, es.ErrKeyReused):
		return "key reused", nil
	case errors.Is(err, estest.ErrLost):
		return "", nil
	}
	return "", err
}

// take runs the operations of a step at once, with its faults.
func (w *world) take(t reporter, st step) {
	w.store.Inject(st.Faults)
	answers, errs := make([]string, len(st.Ops)), make([]error, len(st.Ops))
	var wg sync.WaitGroup
	for i, o := range st.Ops {
		wg.Go(func() { answers[i], errs[i] = w.do(o) })
	}
	wg.Wait()
	w.store.Heal()
	for i, o := range st.Ops {
		if errs[i] != nil {
			t.Fatalf("%+v: %v", o, errs[i])
		}
		if o.Kind == "refund" && answers[i] != "" && answers[i] != "done" {
			t.Fatalf("a refund failed: %+v: %s", o, answers[i])
		}
	}
	w.oneAnswer(t, st.Ops, answers)
}

// oneAnswer: all charges of an order are answered alike, until a refund closes it.
func (w *world) oneAnswer(t reporter, ops []op, answers []string) {
	for i, o := range ops {
		order := op{Kind: "charge", Key: o.Key}
		if o.Kind != "charge" || answers[i] == "" {
			continue
		}
		if answers[i] == es.ErrAttemptClosed.Code() {
			continue // a refund came before, whether it was answered or not; check sees to the money
		}
		if w.closed[o.Key] && answers[i] == "done" {
			t.Fatalf("%+v is done after its refund", o)
		}
		if before, ok := w.answers[order]; ok && before != answers[i] {
			t.Fatalf("%+v is answered %s after %s", o, answers[i], before)
		}
		w.answers[order] = answers[i]
	}
	for i, o := range ops {
		if o.Kind == "refund" && answers[i] == "done" {
			w.closed[o.Key] = true
		}
	}
}

// streams lists every stream that the steps can touch.
func (w *world) streams() (out []es.StreamID) {
	for who := range people {
		id := account.ID(w.person(who), "EUR")
		out = append(out, es.NewStreamID(account.Category, id))
		for n := range keys {
			person, key := w.person(who), fmt.Sprint(n)
			out = append(out, es.NewStreamID(account.DepositCategory, account.DepositID(person, key)),
				es.NewStreamID(account.WithdrawalCategory, account.WithdrawalID(person, key)))
		}
	}
	for n := range keys {
		out = append(out, es.NewStreamID(payment.Category, payment.ID(w.order(n), 1)))
	}
	return out
}

// check compares what the accounts hold with what the attempts say, and folds every prefix of every
// stream.
func (w *world) check(t reporter) {
	var held, attempted int64
	for _, stream := range w.streams() {
		h, err := w.store.Load(w.ctx, stream, 0)
		if err != nil {
			t.Fatalf("%v", err)
		}
		for _, e := range h.Events {
			switch e := e.Data.(type) {
			case account.DepositProcessed:
				attempted += e.Amount.Amount
			case account.WithdrawalProcessed:
				attempted -= e.Amount.Amount
			case payment.Processed:
				attempted -= e.Amount.Amount
			case payment.Refunded:
				attempted += e.Amount.Amount
			}
		}
		for n := range len(h.Events) + 1 {
			prefix := es.History{Events: h.Events[:n]}
			var state account.State
			switch stream.Category() {
			case account.Category:
				state, err = account.Decider.Fold(prefix)
			case payment.Category:
				_, err = es.Fold(payment.Initial(), payment.Evolve, prefix.Events)
			}
			if err != nil {
				t.Fatalf("%s: the first %d events: %v", stream, n, err)
			}
			if state.Balance < 0 || state.Balance > state.PaidIn {
				t.Fatalf("%s holds %d of %d paid in after %d events", stream, state.Balance, state.PaidIn, n)
			}
			if n == len(h.Events) {
				held += state.Balance
			}
		}
	}
	if held != attempted {
		t.Fatalf("the accounts hold %d, the attempts moved %d", held, attempted)
	}
}

// repeat asks for everything once more, and again: the second time nothing is written.
func (w *world) repeat(t reporter, all []step) {
	for _, st := range all {
		for _, o := range st.Ops {
			first, err := w.do(o)
			if err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			before := w.store.Writes.Load()
			second, err := w.do(o)
			if err != nil || second != first {
				t.Fatalf("%+v is answered %s (%v) after %s", o, second, err, first)
			}
			if n := w.store.Writes.Load() - before; n != 0 {
				t.Fatalf("%+v, repeated, appended %d times", o, n)
			}
		}
	}
	w.check(t)
}
