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

	"orderflow/shared/clock"
	"orderflow/shared/ident"
	"orderflow/shared/inbox"
)

// start is when a test's clock starts. Times have milliseconds, as fine as an entry has to keep them.
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
		"remove":                remove,
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

func remove(t *testing.T, s inbox.Store) {
	k := key()
	ctx := t.Context()
	if err := s.Remove(ctx, k, "a"); err != nil {
		t.Fatal(err)
	}
	first, second := entry(k, "a"), entry(k, "b")
	wantSwap(t, s, first, "", true, first)
	if err := s.Remove(ctx, k, "b"); err != nil { // another's
		t.Fatal(err)
	}
	wantSwap(t, s, second, "", false, first)
	for range 2 {
		if err := s.Remove(ctx, k, "a"); err != nil {
			t.Fatal(err)
		}
	}
	wantSwap(t, s, second, "", true, second)
	for _, state := range []inbox.State{inbox.Done, inbox.Failed} {
		second.State = state
		wantSwap(t, s, second, "b", true, second)
		if err := s.Remove(ctx, k, "b"); err != nil { // it is no claim any more
			t.Fatal(err)
		}
		wantSwap(t, s, first, "", false, second)
	}
}

func apart(t *testing.T, s inbox.Store) {
	k := key()
	other := inbox.Key{Consumer: "another", Event: k.Event}
	further := inbox.Key{Consumer: k.Consumer, Event: k.Event + "0"}
	for i, each := range []inbox.Key{k, other, further} {
		e := entry(each, fmt.Sprint(i))
		wantSwap(t, s, e, "", true, e)
	}
	if err := s.Remove(t.Context(), k, "0"); err != nil {
		t.Fatal(err)
	}
	wantSwap(t, s, entry(other, "x"), "", false, entry(other, "1"))
	wantSwap(t, s, entry(further, "x"), "", false, entry(further, "2"))
}

// race: of many who come at once with an event one has the effect, also after a crash with takeovers.
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

// model draws consumers that come, crash, refuse, give back and go on late, at any time, and compares what they are told with what has happened.
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
		)
		ctx := context.Background()
		t.Repeat(map[string]func(*rapid.T){
			"come": func(t *rapid.T) {
				e := event
				e.TakeOver = rapid.SampledFrom([]string{"", "", "p1", "p2", "p3"}).Draw(t, "permit")
				permitted := e.TakeOver != "" && !used[e.TakeOver]
				expired := held != nil && !c.Now().Before(held.Until())
				claim, err := box.Claim(ctx, e)
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
				if held == nil && effect == "" {
					t.Skip("it may be forgotten")
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
