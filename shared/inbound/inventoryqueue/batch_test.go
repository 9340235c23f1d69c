package inventoryqueue_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/inbound/inventoryqueue"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock"
)

// body is a command of an order for pieces of cd-1, whose run waits with that token.
func body(command, order, token string, quantity int64) string {
	return fmt.Sprintf(`{"version":1,"command":%q,"taskToken":%q,"orderId":%q,"revision":1,`+
		`"items":[{"sku":"cd-1","quantity":%d}],"sagaId":%q,"correlationId":"c-1"}`, command, token, order, quantity, order)
}

func reserves(order string, quantity int64) string {
	return body(inventoryqueue.ReserveStock, order, "r-"+order, quantity)
}

func releases(order string) string { return body(inventoryqueue.ReleaseStock, order, "x-"+order, 1) }

func succeeds(token, order string) string {
	return fmt.Sprintf("%s succeeds: {ReservationID:%s}", token, stock.ReservationID(order, 1))
}

// TestBatch: each command of a batch has its own answer, and those of one order are carried out in
// their order.
func TestBatch(t *testing.T) {
	short := func(token string) string { return token + ` fails: stock.insufficient: not enough of "cd-1"` }
	closed := func(token, order, is string) string {
		return fmt.Sprintf("%s fails: attempt.closed: reservation/%s is %s", token, stock.ReservationID(order, 1), is)
	}
	for _, tc := range []struct {
		name    string
		bodies  []string
		answers []string
		left    int64
		appends int64 // without the one that the order before the batch took
		unfit   int   // which body is, from 1
	}{
		{name: "nothing", left: 10},
		{
			name: "orders", bodies: []string{reserves("a", 1), reserves("b", 2), reserves("c", 3)},
			answers: []string{succeeds("r-a", "a"), succeeds("r-b", "b"), succeeds("r-c", "c")}, left: 4, appends: 1,
		},
		{
			name: "too many together", bodies: []string{reserves("a", 6), reserves("b", 5), reserves("c", 4)},
			answers: []string{succeeds("r-a", "a"), short("r-b"), succeeds("r-c", "c")}, appends: 4,
		},
		{
			name: "one order twice", bodies: []string{reserves("a", 1), reserves("b", 1), reserves("a", 1)},
			answers: []string{succeeds("r-a", "a"), succeeds("r-a", "a"), succeeds("r-b", "b")}, left: 8, appends: 2,
		},
		{
			name: "reserve, then release", bodies: []string{reserves("a", 7), reserves("b", 1), releases("a")},
			answers: []string{succeeds("r-a", "a"), succeeds("r-b", "b"), succeeds("x-a", "a")}, left: 9, appends: 2,
		},
		{
			name: "release, then reserve", bodies: []string{releases("a"), reserves("b", 1), reserves("a", 7)},
			answers: []string{closed("r-a", "a", "voided"), succeeds("r-b", "b"), succeeds("x-a", "a")},
			left:    9, appends: 3,
		},
		{
			name: "reserve, release, reserve", bodies: []string{reserves("a", 7), releases("a"), reserves("a", 7)},
			answers: []string{succeeds("r-a", "a"), closed("r-a", "a", "undone"), succeeds("x-a", "a")},
			left:    10, appends: 3,
		},
		{
			name: "one that is unfit", bodies: []string{reserves("a", 1), reserves("b", 0), reserves("c", 1)}, unfit: 2,
			answers: []string{
				succeeds("r-a", "a"), "r-b fails: inventory.unfit: message.items[0].quantity: expected number >= 1",
				succeeds("r-c", "c"),
			},
			left: 8, appends: 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newPlainWorld(t)
			before := w.store.Appends.Load()
			for i, err := range w.batch(tc.bodies...) {
				if i+1 == tc.unfit != errors.Is(err, inventoryqueue.ErrUnfit) || i+1 != tc.unfit && err != nil {
					t.Errorf("message %d: %v", i+1, err)
				}
			}
			slices.Sort(w.answers)
			slices.Sort(tc.answers)
			if !slices.EqualFunc(w.answers, tc.answers, strings.HasPrefix) {
				t.Errorf("answers %q, want %q", w.answers, tc.answers)
			}
			if level := w.level("cd-1"); level.Available != tc.left || level.OnHand != 10 {
				t.Errorf("left with %+v, want %d", level, tc.left)
			}
			if n := w.store.Appends.Load() - before; n != tc.appends {
				t.Errorf("%d appends, want %d", n, tc.appends)
			}
		})
	}
}

// TestReleasedFirst: what an order of the batch gives back, another one can have.
func TestReleasedFirst(t *testing.T) {
	w := newWorld(t)
	if err := w.try(reserves("a", 10)); err != nil {
		t.Fatal(err)
	}
	w.answers = nil
	errs := w.batch(reserves("b", 4), releases("a"), reserves("c", 6))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	slices.Sort(w.answers)
	want := []string{succeeds("r-b", "b"), succeeds("r-c", "c"), succeeds("x-a", "a")}
	if !slices.Equal(w.answers, want) {
		t.Errorf("answers %q, want %q", w.answers, want)
	}
}

// TestCrashOfABatch lets a batch die before, behind and in the middle of its transaction and its
// answers, and each of its messages come again: some of them together, or each alone.
func TestCrashOfABatch(t *testing.T) {
	errDied := errors.New("died")
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		var bodies []string
		for i := range rapid.IntRange(2, 5).Draw(rt, "orders") {
			bodies = append(bodies, reserves(fmt.Sprint("o", i), rapid.Int64Range(1, 5).Draw(rt, "quantity")))
		}
		switch rapid.SampledFrom([]string{"before", "behind", "at the answers"}).Draw(rt, "dies") {
		case "before":
			w.store.Before = func([]es.Commit) error { return errDied }
		case "behind":
			w.store.After = func(_ es.Appended, err error) (es.Appended, error) {
				return es.Appended{}, errors.Join(err, errDied)
			}
		default:
			w.tokenErr = errDied
		}
		w.batch(bodies...)
		w.store.Before, w.store.After, w.tokenErr = nil, nil, nil
		first := w.answers
		w.answers = nil
		for rest := bodies; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "come again")
			if err := errors.Join(w.batch(rest[:n]...)...); err != nil {
				rt.Fatal(err)
			}
			rest = rest[n:]
		}
		if len(w.answers) != len(bodies) {
			rt.Errorf("%d commands are answered with %q", len(bodies), w.answers)
		}
		for _, answer := range first { // that was lost may have been heard
			if !slices.Contains(w.answers, answer) {
				rt.Errorf("answered %q, and then %q", answer, w.answers)
			}
		}
		again := w.answers
		w.answers = nil
		if err := errors.Join(w.batch(bodies...)...); err != nil {
			rt.Fatal(err)
		}
		slices.Sort(again)
		slices.Sort(w.answers)
		if !slices.Equal(again, w.answers) {
			rt.Errorf("answered %q, and then %q", again, w.answers)
		}
		if level := w.level("cd-1"); level.Available < 0 || level.OnHand != 10 {
			rt.Errorf("left with %+v", level)
		}
	})
}
