package inbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/inbox/inboxtest"
)

func TestMemory(t *testing.T) { inboxtest.Run(t, inbox.NewMemory()) }

func TestMemoryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := inbox.NewMemory()
	if _, _, err := m.Swap(ctx, inbox.Entry{}, ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	event   = inbox.Event{ID: "order/o1@1", Payload: inbox.Hash([]byte("p"))}
	key     = inbox.Key{Consumer: "c", Event: event.ID}
	errBoom = errors.New("boom")
)

// hooked is a store that a test can make fail.
type hooked struct {
	*inbox.Memory
	swap func(inbox.Entry) (before, after error)
}

func (h *hooked) Swap(ctx context.Context, next inbox.Entry, was string) (inbox.Entry, bool, error) {
	var before, after error
	if h.swap != nil {
		before, after = h.swap(next)
	}
	if before != nil {
		return inbox.Entry{}, false, before
	}
	there, swapped, err := h.Memory.Swap(ctx, next, was)
	return there, swapped, errors.Join(err, after)
}

type stand struct {
	inbox.Inbox
	store *hooked
	clock *clock.Fake
}

func newStand() *stand {
	s := &stand{store: &hooked{Memory: inbox.NewMemory()}, clock: clock.NewFake(noon)}
	s.Inbox = inbox.Inbox{
		Store: s.store, Clock: s.clock, Consumer: "c", Lease: time.Minute, Retention: 35 * 24 * time.Hour,
	}
	return s
}

func (s *stand) do(t *testing.T, result string, fail error) (string, bool, error) {
	t.Helper()
	return s.Do(t.Context(), event, func(context.Context) (string, error) { return result, fail })
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestDo(t *testing.T) {
	s := newStand()
	for i := range 3 {
		result, fresh, err := s.do(t, "sent", nil)
		if result != "sent" || fresh != (i == 0) || err != nil {
			t.Errorf("time %d: %q, %t, %v", i, result, fresh, err)
		}
	}
	e := s.store.Get(key)
	if e.State != inbox.Done || e.Claims != 1 || e.Payload != event.Payload || !e.Until.Equal(noon.Add(time.Minute)) ||
		!e.Expires.Equal(noon.Add(s.Retention)) {
		t.Errorf("kept is %+v", e)
	}
	tampered := event
	tampered.Payload = "x"
	_, _, err := s.Do(t.Context(), tampered, nil)
	wantErr(t, err, inbox.ErrTampered)
}

// What an effect's error says decides who may come next.
func TestDoFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		state inbox.State
		next  error // what the next one meets within the lease
		later error // and after it
	}{
		{"it did not happen", errors.Join(inbox.ErrNotDone, errBoom), inbox.Failed, nil, nil},
		{"it was refused", errors.Join(inbox.ErrRefused, errBoom), inbox.Failed, nil, nil},
		{"nobody knows", errBoom, inbox.Claimed, inbox.ErrInFlight, inbox.ErrOutcomeUnknown},
	} {
		for name, wait := range map[string]bool{"at once": false, "later": true} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				s := newStand()
				_, fresh, err := s.do(t, "", tt.err)
				wantErr(t, err, errBoom)
				if !fresh {
					t.Error("not fresh")
				}
				if unknown := errors.Is(err, inbox.ErrOutcomeUnknown); unknown != (tt.state == inbox.Claimed) {
					t.Errorf("%v", err)
				}
				e := s.store.Get(key)
				if e.State != tt.state || errors.Is(tt.err, inbox.ErrRefused) && !strings.Contains(e.Result, "boom") {
					t.Errorf("kept is %+v", e)
				}
				want := tt.next
				if wait {
					s.clock.Advance(time.Minute)
					want = tt.later
				}
				_, _, err = s.do(t, "sent", nil)
				wantErr(t, err, want)
				if e := s.store.Get(key); want == nil && (e.State != inbox.Done || e.Claims != 1 && e.Claims != 2) {
					t.Errorf("kept is %+v", e)
				}
			})
		}
	}
}

func TestTakeOver(t *testing.T) {
	for name, prepare := range map[string]func(*stand, *inbox.Event){
		"by the inbox": func(s *stand, _ *inbox.Event) { s.TakeOver = true },
		"by the event": func(_ *stand, e *inbox.Event) { e.TakeOver = "p" },
	} {
		t.Run(name, func(t *testing.T) {
			s, e := newStand(), event
			prepare(s, &e)
			died, err := s.Claim(t.Context(), event)
			wantErr(t, err, nil)
			_, err = s.Claim(t.Context(), e)
			wantErr(t, err, inbox.ErrInFlight)
			s.clock.Advance(time.Minute)
			second, err := s.Claim(t.Context(), e)
			wantErr(t, err, nil)
			wantErr(t, s.Done(t.Context(), died, "late"), inbox.ErrLost)
			wantErr(t, s.Done(t.Context(), second, "second"), nil)
			if got := s.store.Get(key); got.Result != "second" || got.Claims != 2 {
				t.Errorf("kept is %+v", got)
			}
		})
	}
}

// A permit is good for one claim, whatever came of the claim and whoever came in between.
func TestPermitIsUsedOnce(t *testing.T) {
	const permitted, unpermitted = "p1", ""
	type come struct {
		permit string
		effect error // of the effect where there is one
		want   error // nil: the effect happened
	}
	for name, tt := range map[string]struct {
		comes   []come
		effects int // in all, the one that nobody knows of aside
	}{
		"unknown again": {
			[]come{
				{permitted, errBoom, inbox.ErrOutcomeUnknown}, {permitted, nil, inbox.ErrOutcomeUnknown},
				{permitted, nil, inbox.ErrOutcomeUnknown},
			},
			1,
		},
		"done":             {[]come{{permitted, nil, nil}, {permitted, nil, nil}, {unpermitted, nil, nil}}, 1},
		"given back, done": {[]come{{permitted, inbox.ErrNotDone, inbox.ErrNotDone}, {permitted, nil, nil}}, 2},
		"given back, unknown": {[]come{{permitted, inbox.ErrNotDone, inbox.ErrNotDone},
			{permitted, errBoom, inbox.ErrOutcomeUnknown},
			{permitted, nil, inbox.ErrOutcomeUnknown}}, 2},
		"given back, unknown by another": {[]come{{permitted, inbox.ErrNotDone, inbox.ErrNotDone},
			{unpermitted, errBoom, inbox.ErrOutcomeUnknown},
			{permitted, nil, inbox.ErrOutcomeUnknown}}, 2},
		"refused, unknown": {[]come{{permitted, inbox.ErrRefused, inbox.ErrRefused},
			{permitted, errBoom, inbox.ErrOutcomeUnknown},
			{permitted, nil, inbox.ErrOutcomeUnknown}}, 2},
		"another permit": {[]come{{permitted, errBoom, inbox.ErrOutcomeUnknown},
			{"p2", errBoom, inbox.ErrOutcomeUnknown}, {permitted, nil, inbox.ErrOutcomeUnknown},
			{"p2", nil, inbox.ErrOutcomeUnknown}, {"p3", nil, nil}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand()
			_, err := s.Claim(t.Context(), event) // and dies
			wantErr(t, err, nil)
			effects := 0
			for i, c := range tt.comes {
				s.clock.Advance(2 * s.Lease)
				e := event
				e.TakeOver = c.permit
				_, _, err := s.Do(t.Context(), e, func(context.Context) (string, error) {
					effects++
					return "sent", c.effect
				})
				if !errors.Is(err, c.want) {
					t.Errorf("time %d: error %v, want %v", i, err, c.want)
				}
			}
			if effects != tt.effects {
				t.Errorf("%d effects, want %d", effects, tt.effects)
			}
		})
	}
	t.Run("by a claim that needs none", func(t *testing.T) {
		s := newStand()
		e := event
		e.TakeOver = permitted
		for _, want := range []error{nil, inbox.ErrOutcomeUnknown} {
			_, err := s.Claim(t.Context(), e)
			wantErr(t, err, want)
			s.clock.Advance(s.Lease)
		}
	})
	t.Run("though the claim could not be written", func(t *testing.T) {
		s := newStand()
		_, err := s.Claim(t.Context(), event)
		wantErr(t, err, nil)
		s.clock.Advance(s.Lease)
		e := event
		e.TakeOver = permitted
		tries := 0
		s.store.swap = func(inbox.Entry) (error, error) {
			if tries++; tries == 2 { // the first finds the claim that died
				return nil, errBoom
			}
			return nil, nil
		}
		_, err = s.Claim(t.Context(), e)
		wantErr(t, err, errBoom)
		s.store.swap = nil
		if got := s.store.Get(key); got.State != inbox.Failed || len(got.Permits) != 1 {
			t.Errorf("kept is %+v", got)
		}
	})
}

// A panic leaves what a crash does.
func TestDoPanics(t *testing.T) {
	s := newStand()
	func() {
		defer func() { _ = recover() }()
		_, _, _ = s.Do(t.Context(), event, func(context.Context) (string, error) { panic("crash") })
	}()
	s.clock.Advance(time.Minute)
	_, _, err := s.do(t, "again", nil)
	wantErr(t, err, inbox.ErrOutcomeUnknown)
}

func TestStoreFails(t *testing.T) {
	states := func(of inbox.State, before, after error) func(inbox.Entry) (error, error) {
		return func(next inbox.Entry) (error, error) {
			if next.State == of {
				return before, after
			}
			return nil, nil
		}
	}
	lostAndKept := func(next inbox.Entry) (error, error) {
		if next.State == inbox.Claimed {
			return nil, errBoom
		}
		return errors.New("no"), nil
	}
	for _, tt := range []struct {
		name   string
		swap   func(inbox.Entry) (error, error)
		effect error
		calls  int
		next   error // what the next one meets after the lease
	}{
		{"at the claim", states(inbox.Claimed, errBoom, nil), nil, 0, nil},
		{"the claim's answer is lost", states(inbox.Claimed, nil, errBoom), nil, 0, nil},
		{"the claim's answer is lost, and it can't be taken back", lostAndKept, nil, 0, inbox.ErrOutcomeUnknown},
		{"at done", states(inbox.Done, errBoom, nil), nil, 1, inbox.ErrOutcomeUnknown},
		{"the answer of done is lost", states(inbox.Done, nil, errBoom), nil, 1, nil},
		{"at fail", states(inbox.Failed, errBoom, nil), inbox.ErrRefused, 1, inbox.ErrOutcomeUnknown},
		{"at release", states(inbox.Failed, errBoom, nil), inbox.ErrNotDone, 1, inbox.ErrOutcomeUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand()
			s.store.swap = tt.swap
			calls := 0
			_, _, err := s.Do(t.Context(), event, func(context.Context) (string, error) {
				calls++
				return "sent", tt.effect
			})
			wantErr(t, err, errBoom)
			if calls != tt.calls {
				t.Errorf("%d effects, want %d", calls, tt.calls)
			}
			if tt.effect == nil && calls > 0 && !strings.Contains(err.Error(), "sent") {
				t.Errorf("%v doesn't tell the result", err)
			}
			s.store.swap = nil
			s.clock.Advance(time.Minute)
			_, _, err = s.do(t, "again", nil)
			wantErr(t, err, tt.next)
		})
	}
}

// The effect has no more time than what is left of the lease by the inbox's clock, and leaves some
// to say what came of it.
func TestEffectsTime(t *testing.T) {
	s := newStand()
	const claiming = 20 * time.Second // that the claim takes, while its lease runs
	s.store.swap = func(next inbox.Entry) (error, error) {
		if next.State == inbox.Claimed {
			s.clock.Advance(claiming)
		}
		return nil, nil
	}
	end := func(ctx context.Context) (end time.Time) {
		_, _, err := s.Do(ctx, event, func(ctx context.Context) (string, error) {
			end, _ = ctx.Deadline()
			return "", inbox.ErrNotDone
		})
		wantErr(t, err, inbox.ErrNotDone)
		return end
	}
	const left = time.Minute - claiming - time.Second
	before := time.Now()
	if got := end(t.Context()); got.Before(before.Add(left)) || got.After(time.Now().Add(left)) {
		t.Errorf("the effect ends at %s, and had %s from %s on", got, left, before)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if got := end(ctx); !got.Equal(deadline.Add(-time.Second)) {
		t.Errorf("the effect ends at %s, and all at %s", got, deadline)
	}
	// What came of it is said though the time is over.
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	_, _, err := s.Do(ctx, event, func(context.Context) (string, error) {
		cancel()
		return "sent", nil
	})
	wantErr(t, err, nil)
	if got := s.store.Get(key); got.State != inbox.Done {
		t.Errorf("kept is %+v", got)
	}
}

// Where nothing is left of the lease, or of the time in all, the effect does not begin, and the
// next one may claim at once.
func TestNoTimeLeft(t *testing.T) {
	over := func(context.Context) (string, error) { t.Error("the effect is begun"); return "", nil }
	t.Run("of the lease", func(t *testing.T) {
		s := newStand()
		s.store.swap = func(next inbox.Entry) (error, error) {
			if next.State == inbox.Claimed {
				s.clock.Advance(s.Lease - time.Second)
			}
			return nil, nil
		}
		_, fresh, err := s.Do(t.Context(), event, over)
		wantErr(t, err, inbox.ErrNotDone)
		if !fresh || s.store.Get(key).State != inbox.Failed {
			t.Errorf("fresh %t, kept is %+v", fresh, s.store.Get(key))
		}
	})
	t.Run("in all", func(t *testing.T) {
		s := newStand()
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		_, _, err := s.Do(ctx, event, over)
		wantErr(t, err, inbox.ErrNotDone)
		if got := s.store.Get(key); got.State != inbox.Failed {
			t.Errorf("kept is %+v", got)
		}
	})
}

// A claim whose writing nobody waits for any more arrives after it was given back, and holds
// nothing: neither where there was no entry before it nor where it was to take over another.
func TestLateClaim(t *testing.T) {
	for name, prepare := range map[string]func(*stand){
		"the first": func(*stand) {},
		"a further": func(s *stand) {
			s.TakeOver = true
			_, err := s.Claim(t.Context(), event) // and dies
			wantErr(t, err, nil)
			s.clock.Advance(s.Lease)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand()
			prepare(s)
			before := s.store.Get(key)
			var claim inbox.Entry
			s.store.swap = func(next inbox.Entry) (error, error) {
				if next.State != inbox.Claimed || next.Claims != before.Claims+1 {
					return nil, nil
				}
				claim = next
				return errBoom, nil
			}
			_, _, err := s.do(t, "sent", nil)
			wantErr(t, err, errBoom)
			s.store.swap = nil
			if _, arrived, err := s.store.Memory.Swap(t.Context(), claim, before.Token); arrived || err != nil {
				t.Errorf("the claim arrived late: %v, %v", arrived, err)
			}
			if result, fresh, err := s.do(t, "sent", nil); result != "sent" || !fresh || err != nil {
				t.Errorf("%q, %t, %v", result, fresh, err)
			}
		})
	}
}

// An inbox that can't keep what it promises grants nothing.
func TestTimesThatCantBe(t *testing.T) {
	for name, change := range map[string]func(*inbox.Inbox){
		"no lease":                        func(i *inbox.Inbox) { i.Lease = 0 },
		"a lease that leaves no time":     func(i *inbox.Inbox) { i.Lease = time.Second },
		"no retention":                    func(i *inbox.Inbox) { i.Retention = 0 },
		"forgotten while the claim holds": func(i *inbox.Inbox) { i.Retention = i.Lease - 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand()
			change(&s.Inbox)
			if _, err := s.Claim(t.Context(), event); err == nil || !strings.Contains(err.Error(), "lease") ||
				s.store.Get(key).State != "" {
				t.Errorf("%v, kept is %+v", err, s.store.Get(key))
			}
		})
	}
}

// An entry that changes all the time ends with the time.
func TestClaimGivesUp(t *testing.T) {
	s := newStand()
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	s.store.swap = func(next inbox.Entry) (error, error) {
		if tries++; tries == 5 {
			cancel()
		}
		failed := next
		failed.State, failed.Token = inbox.Failed, "somebody's"
		there := s.store.Get(key)
		if _, swapped, err := s.store.Memory.Swap(
			context.Background(), failedAs(failed, tries), there.Token,
		); !swapped || err != nil {
			t.Fatal(swapped, err)
		}
		return nil, nil
	}
	_, err := s.Claim(ctx, event)
	wantErr(t, err, context.Canceled)
}

func failedAs(e inbox.Entry, n int) inbox.Entry {
	e.Token += string(rune('0' + n))
	return e
}
