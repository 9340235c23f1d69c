// Package inboxtest is the suite that every inbox.Store passes.
package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/inbox"
)

// start is when a test's clock starts. Times have milliseconds, as fine as an entry has to keep
// them.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123_000_000, time.UTC)

const (
	lease     = time.Minute
	retention = 35 * 24 * time.Hour
)

// Run puts a store through the suite. It may hold entries of other tests.
func Run(t *testing.T, s inbox.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, inbox.Store){
		"swap":                  swap,
		"late writes":           lateWrites,
		"entries are apart":     apart,
		"claims race":           race,
		"any order of anything": model,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func key() inbox.Key { return inbox.Key{Consumer: "test", Event: "order/" + ident.New() + "@1"} }

func entry(k inbox.Key, token string) inbox.Entry {
	return inbox.Entry{
		Key: k, Payload: inbox.Hash([]byte(token)), State: inbox.Claimed, Token: token, Claims: 1,
		Claimed: start, Until: start.Add(lease), Expires: start.Add(retention).Truncate(time.Second),
	}
}

// wantSwap swaps, and fails unless what is there then is want, the zero Entry for none.
func wantSwap(t *testing.T, s inbox.Store, next inbox.Entry, was string, swapped bool, want inbox.Entry) {
	t.Helper()
	there, got, err := s.Swap(context.Background(), next, was)
	if err != nil || got != swapped {
		t.Fatalf("swap: %t, %v, want %t", got, err, swapped)
	}
	if diff := cmp.Diff(want, there); diff != "" {
		t.Fatalf("there is (-want +got):\n%s", diff)
	}
}

func swap(t *testing.T, s inbox.Store) {
	k := key()
	first, second, third := entry(k, "a"), entry(k, "b"), entry(k, "c")
	wantSwap(t, s, second, "a", false, inbox.Entry{})
	wantSwap(t, s, first, "", true, first)
	wantSwap(t, s, first, "", true, first) // the answer was lost
	wantSwap(t, s, second, "", false, first)
	wantSwap(t, s, second, "x", false, first)
	second.Claims, second.Until, second.Permits = 2, start.Add(time.Hour), []string{"<p>/2", "p/1"}
	wantSwap(t, s, second, "a", true, second)
	wantSwap(t, s, second, "a", true, second) // again
	wantSwap(t, s, third, "a", false, second)
	done := second
	done.State, done.Result = inbox.Done, "<ü> \"result\"\n"
	wantSwap(t, s, done, "b", true, done)
	wantSwap(t, s, done, "b", true, done)
	wantSwap(t, s, second, "", false, done) // the same token, and not what it wrote last
	wantSwap(t, s, third, "b", true, third)
}

func apart(t *testing.T, s inbox.Store) {
	k := key()
	other := inbox.Key{Consumer: "another", Event: k.Event}
	further := inbox.Key{Consumer: k.Consumer, Event: k.Event + "0"}
	for i, each := range []inbox.Key{k, other, further} {
		e := entry(each, fmt.Sprint(i))
		wantSwap(t, s, e, "", true, e)
	}
	wantSwap(t, s, entry(other, "x"), "", false, entry(other, "1"))
	wantSwap(t, s, entry(further, "x"), "", false, entry(further, "2"))
}

// errLate is the answer to a write that is not carried out yet, or whose answer is lost.
var errLate = errors.New("no answer")

// late is a store whose claims have lost answers, arrive when nobody waits for them any more, or
// arrive a second time.
type late struct {
	inbox.Store
	fate    func() string
	pending []func()
}

// Swap implements inbox.Store.
func (l *late) Swap(ctx context.Context, next inbox.Entry, was string) (inbox.Entry, bool, error) {
	fate := "arrives"
	if next.State == inbox.Claimed {
		fate = l.fate()
	}
	if fate == "arrives late" || fate == "arrives twice" {
		l.pending = append(l.pending, func() { _, _, _ = l.Store.Swap(context.WithoutCancel(ctx), next, was) })
	}
	if fate == "arrives late" {
		return inbox.Entry{}, false, errLate
	}
	there, swapped, err := l.Store.Swap(ctx, next, was)
	if fate == "is not answered" {
		err = errors.Join(err, errLate)
	}
	return there, swapped, err
}

// lateWrites: whatever becomes of the claims' writes, a claim holds no longer than its try: whoever
// comes next has the effect, or its result, and it happens once.
func lateWrites(t *testing.T, s inbox.Store) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock.NewFake(start)
		store := &late{Store: s, fate: func() string {
			fates := []string{"arrives", "arrives late", "arrives twice", "is not answered"}
			return rapid.SampledFrom(fates).Draw(t, "the claim")
		}}
		box := inbox.Inbox{Store: store, Clock: c, Consumer: "test", Lease: lease, Retention: retention}
		event := inbox.Event{ID: key().Event, Payload: "p"}
		if rapid.Bool().Draw(t, "somebody died before") {
			healthy := box
			healthy.Store = s
			if _, err := healthy.Claim(context.Background(), event); err != nil {
				t.Fatal(err)
			}
			c.Advance(lease)
			event.TakeOver = "p1"
		}
		effects := 0
		for range rapid.IntRange(1, 6).Draw(t, "tries") {
			outcome := rapid.SampledFrom([]error{nil, inbox.ErrNotDone, inbox.ErrRefused}).Draw(t, "the effect")
			result, fresh, err := box.Do(context.Background(), event, func(context.Context) (string, error) {
				if outcome == nil {
					effects++
				}
				return "r", outcome
			})
			switch {
			case effects > 1:
				t.Fatalf("%d effects", effects)
			case errors.Is(err, errLate):
			case fresh && errors.Is(err, outcome), !fresh && err == nil && result == "r" && effects == 1:
			default:
				t.Fatalf("result %q, fresh %t, %v", result, fresh, err)
			}
			for len(store.pending) > 0 && rapid.Bool().Draw(t, "a write arrives") {
				arrive := store.pending[0]
				store.pending = store.pending[1:]
				arrive()
			}
		}
		for _, arrive := range store.pending {
			arrive()
		}
		healthy := box
		healthy.Store = s
		has := func(context.Context) (string, error) { return "r", nil }
		if result, _, err := healthy.Do(context.Background(), event, has); err != nil || result != "r" {
			t.Fatalf("in the end: %q, %v", result, err)
		}
	})
}

// race: of many who come at once with an event one has the effect, also after a crash with
// takeovers.
func race(t *testing.T, s inbox.Store) {
	c := clock.NewFake(start)
	box := inbox.Inbox{Store: s, Clock: c, Consumer: "test", Lease: lease, Retention: retention, TakeOver: true}
	event := inbox.Event{ID: key().Event, Payload: "p"}
	if _, err := box.Claim(t.Context(), event); err != nil { // and dies
		t.Fatal(err)
	}
	c.Advance(lease)
	var effects, fresh atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, had, err := box.Do(context.Background(), event, func(context.Context) (string, error) {
				effects.Add(1)
				return "r", nil
			})
			if had {
				fresh.Add(1)
			}
			if err != nil && !errors.Is(err, inbox.ErrInFlight) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if effects.Load() != 1 || fresh.Load() != 1 {
		t.Errorf("%d effects, %d of them fresh", effects.Load(), fresh.Load())
	}
	if result, had, err := box.Do(t.Context(), event, nil); had || err != nil || result != "r" {
		t.Errorf("afterwards: %q, %t, %v", result, had, err)
	}
}

// model draws consumers that come, crash, refuse, give back and go on late, at any time, and
// compares what they are told with what has happened.
func model(t *testing.T, s inbox.Store) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock.NewFake(start)
		box := inbox.Inbox{Store: s, Clock: c, Consumer: "test", Lease: lease, Retention: retention}
		event := inbox.Event{ID: key().Event, Payload: "p"}
		var (
			held   *inbox.Claim // the claim that holds
			late   []inbox.Claim
			effect string // the result, once there is one
			used   = map[string]bool{}
			came   bool
		)
		ctx := context.Background()
		t.Repeat(map[string]func(*rapid.T){
			"come": func(t *rapid.T) {
				e := event
				e.TakeOver = rapid.SampledFrom([]string{"", "", "p1", "p2", "p3"}).Draw(t, "permit")
				permitted := e.TakeOver != "" && !used[e.TakeOver]
				expired := held != nil && !c.Now().Before(held.Until())
				claim, err := box.Claim(ctx, e)
				came = true
				switch {
				case effect != "":
					if err != nil || !claim.Done || claim.Result != effect {
						t.Fatalf("after the effect: %+v, %v", claim, err)
					}
				case held != nil && !expired:
					wantIs(t, err, inbox.ErrInFlight)
				case held != nil && !permitted:
					wantIs(t, err, inbox.ErrOutcomeUnknown)
				default:
					if err != nil || claim.Done || !claim.Until().Equal(c.Now().Add(lease)) {
						t.Fatalf("free: %+v, %v", claim, err)
					}
					if held != nil {
						late = append(late, *held)
					}
					held = &claim
					used[e.TakeOver] = true
				}
			},
			"come with another payload": func(t *rapid.T) {
				if !came {
					t.Skip("nobody came yet")
				}
				_, err := box.Claim(ctx, inbox.Event{ID: event.ID, Payload: "other", TakeOver: "p4"})
				wantIs(t, err, inbox.ErrTampered)
			},
			"time passes": func(t *rapid.T) {
				c.Advance(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
			},
			"done": func(t *rapid.T) {
				if held == nil {
					t.Skip("nobody is at it")
				}
				effect = ident.New()
				wantIs(t, box.Done(ctx, *held, effect), nil)
				held = nil
			},
			"give back": func(t *rapid.T) {
				if held == nil {
					t.Skip("nobody is at it")
				}
				wantIs(t, box.Release(ctx, *held), nil)
				held = nil
			},
			"too late": func(t *rapid.T) {
				if len(late) == 0 {
					t.Skip("nobody is")
				}
				claim := rapid.SampledFrom(late).Draw(t, "claim")
				wantIs(t, box.Done(ctx, claim, "late"), inbox.ErrLost)
				wantIs(t, box.Fail(ctx, claim, "late"), inbox.ErrLost)
				wantIs(t, box.Release(ctx, claim), nil)
			},
		})
	})
}

func wantIs(t *rapid.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}
