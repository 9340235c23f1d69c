package es_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
)

// The example of these tests: a hold on a box of balls. Taking one is an effect on the box, a
// counter beside the streams, and is written in a ledger as well, another stream.
type (
	taken    struct{}
	refused  struct{ Code, Detail string }
	given    struct{}
	forgone  struct{}
	movement struct {
		N int64 `json:"n"`
	}
)

var (
	errEmpty  = faults.Declare(faults.Rule, "box.empty")
	errBusy   = faults.Declare(faults.Unavailable, "box.busy")
	errSealed = faults.Declare(faults.Conflict, "box.sealed")
)

// recordRefused records a refusal with nothing beside it.
func recordRefused(f *faults.Fault) es.Plan { return es.Plan{Event: refused{f.Code, f.Detail}} }

func registerHold(r *es.Registry) {
	es.Register[taken](r, "hold.taken", 1)
	es.Register[refused](r, "hold.refused", 1)
	es.Register[given](r, "hold.given", 1)
	es.Register[forgone](r, "hold.forgone", 1)
	es.Register[movement](r, "ledger.moved", 1)
}

type hold struct {
	status es.AttemptStatus
	fault  *faults.Fault
}

func foldHold(h es.History) (hold, error) {
	return es.Fold(hold{}, func(s hold, e any) hold {
		switch e := e.(type) {
		case taken:
			s.status = es.AttemptDone
		case refused:
			spec, _ := faults.Lookup(e.Code)
			s.status, s.fault = es.AttemptRefused, spec.New("%s", e.Detail)
		case given:
			s.status = es.AttemptUndone
		case forgone:
			s.status = es.AttemptVoided
		}
		return s
	}, h.Events)
}

// box is the world: balls that are left, and how often one was taken and given back.
type box struct{ rows memstore.Rows[contents] }

type contents struct{ balls, taken, given int }

func newBox(balls int) *box {
	b := &box{}
	b.fill(balls)
	return b
}

func (b *box) counts() (balls, taken, given int) {
	in, _ := b.rows.Get("box")
	return in.balls, in.taken, in.given
}

func (b *box) fill(n int) {
	add := func(rows map[string]contents) error {
		in := rows["box"]
		in.balls += n
		rows["box"] = in
		return nil
	}
	for errors.Is(b.rows.Update([]string{"box"}, add), es.ErrConflict) {
	}
}

func (b *box) take(back bool) es.Effect {
	return b.rows.Effect("take a ball", []string{"box"}, func(rows map[string]contents) error {
		in := rows["box"]
		switch {
		case back:
			in.balls, in.given = in.balls+1, in.given+1
		case in.balls == 0:
			return errEmpty.New("no ball is left")
		default:
			in.balls, in.taken = in.balls-1, in.taken+1
		}
		rows["box"] = in
		return nil
	})
}

const ledger = es.StreamID("ledger/1")

// holds is the attempt, with the plans that its commands have.
type holds struct {
	es.Attempt[hold]
	box  *box
	plan func() error // asked ahead of each plan; its error is the plan's
}

func newHolds(s es.Store, balls int) *holds {
	return &holds{box: newBox(balls), Attempt: es.Attempt[hold]{
		Category: "hold", Store: s, Clock: clock.NewFake(time.Now()), Fold: foldHold,
		Status:  func(s hold) es.AttemptStatus { return s.status },
		Fault:   func(s hold) *faults.Fault { return s.fault },
		Refused: recordRefused,
	}}
}

func (h *holds) write(
	ctx context.Context, from *es.Reads, req es.Request, event any, n int64, effect es.Effect,
) (es.Plan, error) {
	if h.plan != nil {
		if err := h.plan(); err != nil {
			return es.Plan{}, err
		}
	}
	account, err := from.Load(ctx, ledger, 0)
	if err != nil {
		return es.Plan{}, err
	}
	req.CommitID = fmt.Sprintf("%s:%d", req.CommitID, n)
	return es.Plan{
		Event: event, Commits: []es.Commit{req.Commit(account.Head, movement{n})}, Effects: []es.Effect{effect},
	}, nil
}

func (h *holds) do(ctx context.Context, id string, req es.Request) (hold, error) {
	return h.Do(ctx, id, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		return h.write(ctx, from, req, taken{}, -1, h.box.take(false))
	})
}

func (h *holds) undo(ctx context.Context, id string, req es.Request) (hold, error) {
	return h.Undo(ctx, id, req, forgone{}, func(ctx context.Context, from *es.Reads, s hold) (es.Plan, error) {
		if s.status != es.AttemptDone {
			return es.Plan{}, fmt.Errorf("asked to undo what is %s", s.status)
		}
		return h.write(ctx, from, req, given{}, 1, h.box.take(true))
	})
}

func newHold(balls int, options ...memstore.Option) (*holds, *estest.Hooked) {
	s := &estest.Hooked{Store: memstore.New(es.NewRegistry(registerHold), options...)}
	return newHolds(s, balls), s
}

func balls(h *holds) int {
	n, _, _ := h.box.counts()
	return n
}

// moved is the ledger's sum.
func moved(t interface{ Fatal(...any) }, s es.Store) (sum int64) {
	h, err := s.Load(context.Background(), ledger, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range h.Events {
		sum += e.Data.(movement).N
	}
	return sum
}

// TestAttempt: each status met by each command, of the request that led there and of another.
func TestAttempt(t *testing.T) {
	const open, done, refusedStatus, undone, voided = es.AttemptOpen, es.AttemptDone, es.AttemptRefused,
		es.AttemptUndone, es.AttemptVoided
	reach := map[es.AttemptStatus]func(context.Context, *holds, es.Request) error{
		open: func(context.Context, *holds, es.Request) error { return nil },
		done: func(ctx context.Context, h *holds, req es.Request) error { _, err := h.do(ctx, "1", req); return err },
		refusedStatus: func(ctx context.Context, h *holds, req es.Request) error {
			h.box.fill(-1)
			defer h.box.fill(1) // what was refused stays so, though it would be possible from now on
			if _, err := h.do(ctx, "1", req); !errors.Is(err, errEmpty) {
				return fmt.Errorf("the first answer: %w", err)
			}
			return nil
		},
		undone: func(ctx context.Context, h *holds, req es.Request) error {
			if _, err := h.do(ctx, "1", req); err != nil {
				return err
			}
			_, err := h.undo(ctx, "1", req)
			return err
		},
		voided: func(ctx context.Context, h *holds, req es.Request) error {
			_, err := h.undo(ctx, "1", req)
			return err
		},
	}
	tests := []struct {
		from    es.AttemptStatus
		undo    bool
		to      es.AttemptStatus
		err     error
		changed bool
	}{
		{from: open, to: done, changed: true},
		{from: done, to: done},
		{from: refusedStatus, to: refusedStatus, err: errEmpty},
		{from: undone, to: undone, err: es.ErrAttemptClosed},
		{from: voided, to: voided, err: es.ErrAttemptClosed},
		{from: open, undo: true, to: voided, changed: true},
		{from: done, undo: true, to: undone, changed: true},
		{from: refusedStatus, undo: true, to: refusedStatus},
		{from: undone, undo: true, to: undone},
		{from: voided, undo: true, to: voided},
	}
	for _, tt := range tests {
		for _, id := range []string{"same", "another"} {
			name := fmt.Sprintf("do %s by %s request", tt.from, id)
			if tt.undo {
				name = "un" + name
			}
			t.Run(name, func(t *testing.T) {
				h, s := newHold(1)
				if err := reach[tt.from](t.Context(), h, request("same")); err != nil {
					t.Fatal(err)
				}
				command := h.do
				if tt.undo {
					command = h.undo
				}
				for again := range 3 {
					writes := s.Writes.Load()
					got, err := command(t.Context(), "1", request(id))
					if got.status != tt.to || !errors.Is(err, tt.err) {
						t.Errorf("time %d: %s, %v, want %s, %v", again, got.status, err, tt.to, tt.err)
					}
					if f, ok := faults.As(err); tt.err == errEmpty && (!ok || f.Detail != "no ball is left") {
						t.Errorf("time %d: the refusal is %v", again, err)
					}
					if wrote := s.Writes.Load() > writes; wrote != (tt.changed && again == 0) {
						t.Errorf("time %d: wrote: %v", again, wrote)
					}
				}
				wantWorld(t, h, s, tt.to, 1)
			})
		}
	}
}

// TestAttemptCosts: a first try asks the store nothing about its own stream, before or after. What
// is there already costs a refused append ahead of the read that tells the answer.
func TestAttemptCosts(t *testing.T) {
	fill := func(*holds) error { return nil }
	do := func(h *holds) error { _, err := h.do(context.Background(), "1", request("a")); return err }
	undo := func(h *holds) error { _, err := h.undo(context.Background(), "1", request("b")); return err }
	empty := func(h *holds) error { h.box.fill(-1); return do(h) }
	type cost struct{ loads, appends, confirms int64 } // one load more for each plan: the ledger's
	for name, tt := range map[string]struct {
		before, command func(*holds) error
		err             error
		want            cost
	}{
		"done":             {before: fill, command: do, want: cost{loads: 1, appends: 1}},
		"done again":       {before: do, command: do, want: cost{loads: 2, appends: 1}},
		"late, after void": {before: undo, command: do, err: es.ErrAttemptClosed, want: cost{loads: 2, appends: 1}},
		"refused": {
			before: fill, command: empty, err: errEmpty, want: cost{loads: 1, appends: 2, confirms: 1},
		},
		"undone": {before: do, command: undo, want: cost{loads: 2, appends: 1}},
		"undone again": {before: func(h *holds) error { return errors.Join(do(h), undo(h)) }, command: undo,
			want: cost{loads: 1}},
		"voided": {before: fill, command: undo, want: cost{loads: 1, appends: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHold(1)
			if err := tt.before(h); err != nil {
				t.Fatal(err)
			}
			before := cost{s.Loads.Load(), s.Appends.Load(), s.Confirms.Load()}
			if err := tt.command(h); !errors.Is(err, tt.err) {
				t.Error(err)
			}
			got := cost{
				s.Loads.Load() - before.loads, s.Appends.Load() - before.appends, s.Confirms.Load() - before.confirms,
			}
			if got != tt.want {
				t.Errorf("it costs %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestOthersOnAnotherStream: who is overtaken on another stream reads that again, and not the
// attempt's own, of which the refused append has told that nothing is there. Where something is
// there after all, the next append tells.
func TestOthersOnAnotherStream(t *testing.T) {
	for name, tt := range map[string]struct {
		twin           bool // carries the attempt out once the first append was refused
		loads, appends int64
	}{
		"somebody else's": {false, 2, 2},
		"and a twin's":    {true, 3, 2}, // the ledger twice, and the attempt
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHold(1)
			twin, overtaken := *h, 0
			twin.Store = s.Store
			s.Before = func([]es.Commit) error {
				switch overtaken++; {
				case overtaken == 1:
					ledgerHas, err := s.Store.Load(t.Context(), ledger, 0)
					if err != nil {
						return err
					}
					other := es.Request{CommitID: "other", Time: time.Now()}.Commit(ledgerHas.Head, movement{0})
					_, err = s.Store.Append(t.Context(), []es.Commit{other})
					return err
				case overtaken == 2 && tt.twin:
					_, err := twin.do(t.Context(), "1", request("b"))
					return err
				}
				return nil
			}
			if got, err := h.do(t.Context(), "1", request("a")); err != nil || got.status != es.AttemptDone {
				t.Errorf("%s, %v", got.status, err)
			}
			if loads, appends := s.Loads.Load(), s.Appends.Load(); loads != tt.loads || appends != tt.appends {
				t.Errorf("%d loads and %d appends, want %d and %d", loads, appends, tt.loads, tt.appends)
			}
			s.Before = nil
			wantWorld(t, h, s, es.AttemptDone, 1)
		})
	}
}

// TestPlanIsToldItsEnds: whoever plans is told the ends of the plan's streams, and not that of a
// claim, where this very call has appended to them.
func TestPlanIsToldItsEnds(t *testing.T) {
	for name, claim := range map[string]es.Claim{
		"": {}, "with a claim": {Stream: "key/1", Event: movement{0}},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHold(1)
			told := 0
			do := func() {
				req := request("a")
				req.Claim = claim
				_, err := h.Do(t.Context(), "1", req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
					p, err := h.write(ctx, from, req, taken{}, -1, h.box.take(false))
					p.Appended = func(ends []es.Head) {
						history, err := s.Load(ctx, ledger, 0)
						if told++; err != nil || len(ends) != 1 || ends[0] != history.Head {
							t.Errorf("told %+v, want %+v, %v", ends, history.Head, err)
						}
					}
					return p, err
				})
				if err != nil {
					t.Error(err)
				}
			}
			do()
			do()
			if told != 1 {
				t.Errorf("told %d times", told)
			}
		})
	}
}

// TestRepeatNeedsNoPlan: what is done stays done, though the plan could not be made any more.
func TestRepeatNeedsNoPlan(t *testing.T) {
	for _, broken := range []error{errBusy.New("x"), errSealed.New("x"), errors.New("internal")} {
		h, s := newHold(1)
		if _, err := h.do(t.Context(), "1", request("a")); err != nil {
			t.Fatal(err)
		}
		h.plan = func() error { return broken }
		if got, err := h.do(t.Context(), "1", request("a")); err != nil || got.status != es.AttemptDone {
			t.Errorf("%v: %s, %v", broken, got.status, err)
		}
		wantWorld(t, h, s, es.AttemptDone, 1)
	}
}

// wantWorld checks that box and ledger say what the status does: the effect is there once, or not
// at all.
func wantWorld(t *testing.T, h *holds, s es.Store, status es.AttemptStatus, filled int) {
	t.Helper()
	held := 0
	if status == es.AttemptDone {
		held = 1
	}
	balls, taken, given := h.box.counts()
	if balls != filled-held || taken-given != held || taken > 1 || moved(t, s) != int64(-held) {
		t.Errorf(
			"%s: %d balls, %d times taken, %d times given back, ledger %d", status, balls, taken, given, moved(t, s),
		)
	}
	got, err := h.Get(t.Context(), "1")
	if err != nil || got.status != status {
		t.Errorf("stored is %s, %v, want %s", got.status, err, status)
	}
}

func TestAttemptKeyReused(t *testing.T) {
	other := func(id string) es.Request { r := request(id); r.Fingerprint = "other"; return r }
	h, s := newHold(1)
	if _, err := h.do(t.Context(), "1", request("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.do(t.Context(), "1", other("a")); !errors.Is(err, es.ErrKeyReused) {
		t.Error(err)
	}
	// An undo is not the do's request, though its id may be the same.
	if got, err := h.undo(t.Context(), "1", other("a")); err != nil || got.status != es.AttemptUndone {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := h.undo(t.Context(), "1", request("a")); !errors.Is(err, es.ErrKeyReused) {
		t.Error(err)
	}
	wantWorld(t, h, s, es.AttemptUndone, 1)
}

func TestAttemptPlanFails(t *testing.T) {
	internal := errors.New("internal")
	tests := []struct {
		name     string
		err      error
		forgets  bool // the attempt records no refusals
		recorded bool
	}{
		{"a rule", errEmpty.New("planned"), false, true},
		{"a wrapped rule", fmt.Errorf("charge: %w", errEmpty.New("planned")), false, true},
		{"a rule that is not recorded", errEmpty.New("planned"), true, false},
		{"unavailable", errBusy.New("x"), false, false},
		{"an internal error", internal, false, false},
		{"a used key", es.ErrKeyReused, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, s := newHold(1)
			if tt.forgets {
				h.Refused = nil
			}
			h.plan = func() error { return tt.err }
			if _, err := h.do(t.Context(), "1", request("a")); err == nil ||
				err.Error() != unwrapFault(tt.err).Error() {
				t.Errorf("the answer is %v", err)
			}
			h.plan = nil
			got, err := h.do(t.Context(), "1", request("a"))
			if tt.recorded {
				if !errors.Is(err, errEmpty) || got.status != es.AttemptRefused {
					t.Errorf("%+v, %v", got, err)
				}
				wantWorld(t, h, s, es.AttemptRefused, 1)
			} else {
				if err != nil {
					t.Error(err)
				}
				wantWorld(t, h, s, es.AttemptDone, 1)
			}
		})
	}
}

// unwrapFault is the error's fault, which is all that a stream keeps of it, or the error itself.
func unwrapFault(err error) error {
	if f, ok := faults.As(err); ok && faults.Final(err) {
		return f
	}
	return err
}

// TestAttemptThatNeverSettles: a fold that overlooks the event would have it written for ever.
func TestAttemptThatNeverSettles(t *testing.T) {
	h, s := newHold(5)
	h.Fold = func(es.History) (hold, error) { return hold{}, nil }
	if _, err := h.do(t.Context(), "1", request("a")); err == nil || errors.Is(err, es.ErrConflict) {
		t.Error(err)
	}
	if _, taken, _ := h.box.counts(); taken != 1 || s.Appends.Load() != 1 {
		t.Errorf("taken %d times in %d appends", taken, s.Appends.Load())
	}
}

func TestAttemptErrors(t *testing.T) {
	down := errors.New("down")
	h := newHolds(failing{err: down}, 1)
	if _, err := h.do(t.Context(), "1", request("a")); !errors.Is(err, down) {
		t.Error(err)
	}
	if _, err := h.undo(t.Context(), "1", request("a")); !errors.Is(err, down) {
		t.Error(err)
	}
	if _, err := h.Get(t.Context(), "1"); !errors.Is(err, down) {
		t.Error(err)
	}
	h, _ = newHold(1)
	h.Fold = func(es.History) (hold, error) { return hold{}, es.ErrCorrupt }
	if _, err := h.do(t.Context(), "1", request("a")); !errors.Is(err, es.ErrCorrupt) {
		t.Error(err)
	}
	// Contention that does not end keeps being a conflict, and names the attempt.
	h, s := newHold(1)
	s.Before = func([]es.Commit) error { return &es.ConflictError{Stream: ledger, Actual: -1} }
	if _, err := h.do(t.Context(), "1", request("a")); !errors.Is(err, es.ErrConflict) {
		t.Error(err)
	}
	for _, status := range []es.AttemptStatus{
		es.AttemptOpen, es.AttemptDone, es.AttemptRefused, es.AttemptUndone, es.AttemptVoided,
	} {
		if status.String() == "" {
			t.Errorf("status %d has no name", status)
		}
	}
}

// mishap is what happens to one append.
type mishap int

const (
	none      mishap = iota
	busy             // not carried out, and says so
	contended        // not carried out: somebody was at work on an item
	overtaken        // somebody else writes in the ledger first
	lost             // carried out, and the answer is lost
	lostEarly        // carried out, and the answer is a conflict: the client's own retry met a transaction under way
)

var errLost = errors.New("no answer")

// unlucky lets mishaps happen to appends, one after the other, and none when they are used up.
func unlucky(s *estest.Hooked, mishaps []mishap) {
	var next mishap
	s.Before = func(commits []es.Commit) error {
		next = none
		if len(mishaps) > 0 {
			next, mishaps = mishaps[0], mishaps[1:]
		}
		switch next {
		case busy:
			return fmt.Errorf("%w: throttled", es.ErrUnavailable)
		case contended:
			return &es.ConflictError{Stream: commits[0].Head.Stream(), Expected: commits[0].Head.Version(), Actual: -1}
		case overtaken:
			h, err := s.Store.Load(context.Background(), ledger, 0)
			if err != nil {
				return err
			}
			_, err = s.Store.Append(context.Background(), []es.Commit{estest.Commit(h.Head, ident.New(), movement{0})})
			return err
		}
		return nil
	}
	s.After = func(a es.Appended, err error) (es.Appended, error) {
		switch {
		case err == nil && next == lost:
			return es.Appended{}, errLost
		case err == nil && next == lostEarly:
			return es.Appended{}, &es.ConflictError{Stream: a.Heads[0].Stream(), Actual: -1}
		}
		return a, err
	}
}

// TestAttemptProperty: whatever is asked of an attempt in whatever order, with mishaps at each
// write and a world that changes meanwhile, it has one answer for ever, the effect comes once at
// most, and nothing is left of it when it was taken back.
func TestAttemptProperty(t *testing.T) {
	legal := map[es.AttemptStatus][]es.AttemptStatus{
		es.AttemptOpen: {es.AttemptOpen, es.AttemptDone, es.AttemptRefused, es.AttemptVoided},
		es.AttemptDone: {es.AttemptDone, es.AttemptUndone}, es.AttemptRefused: {es.AttemptRefused},
		es.AttemptUndone: {es.AttemptUndone}, es.AttemptVoided: {es.AttemptVoided},
	}
	rapid.Check(t, func(t *rapid.T) {
		h, s := newHold(0, memstore.Staggered(fmt.Sprint(rapid.Uint64().Draw(t, "seed"))))
		filled := 0
		status := es.AttemptOpen
		var answer error // of the first do that was answered for good
		answered := false
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "fill") {
				h.box.fill(1)
				filled++
			}
			unlucky(
				s,
				rapid.SliceOfN(
					rapid.Map(rapid.IntRange(int(none), int(lostEarly)), func(n int) mishap { return mishap(n) }), 0, 6,
				).Draw(t, "mishaps"),
			)
			req := request(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "request"))
			undo := rapid.IntRange(0, 3).Draw(t, "undo") == 0
			command := h.do
			if undo {
				command = h.undo
			}
			got, err := command(context.Background(), "1", req)
			// What is stored moves along the statuses only, and box and ledger move with it.
			stored, failed := h.Get(context.Background(), "1")
			if failed != nil {
				t.Fatal(failed)
			}
			moves := false
			for _, to := range legal[status] {
				moves = moves || to == stored.status
			}
			if !moves {
				t.Fatalf("from %s to %s", status, stored.status)
			}
			before := status
			status = stored.status
			held := 0
			if status == es.AttemptDone {
				held = 1
			}
			if balls, taken, given := h.box.counts(); balls != filled-held || taken > 1 || given > 1 ||
				taken-given != held || moved(t, s.Store) != int64(-held) {
				t.Fatalf(
					"%s: %d of %d balls, %d taken, %d given, ledger %d", status, balls, filled, taken, given,
					moved(t, s.Store),
				)
			}
			if errors.Is(err, errLost) || errors.Is(err, es.ErrUnavailable) {
				continue // the caller knows nothing, and will ask again
			}
			if got.status != status {
				t.Fatalf("the answer says %s, stored is %s", got.status, status)
			}
			switch {
			case undo && err != nil:
				t.Fatalf("undo of %s: %v", before, err)
			case undo && (status == es.AttemptOpen || status == es.AttemptDone):
				t.Fatalf("undone, and %s", status)
			case undo:
			case status == es.AttemptUndone || status == es.AttemptVoided:
				if !errors.Is(err, es.ErrAttemptClosed) {
					t.Fatalf("do of %s: %v", status, err)
				}
			case answered && fmt.Sprint(err) != fmt.Sprint(answer):
				t.Fatalf("answered %v, and now %v", answer, err)
			case status == es.AttemptDone && err != nil, status == es.AttemptRefused && !errors.Is(err, errEmpty),
				status == es.AttemptOpen:
				t.Fatalf("do ended %s with %v", status, err)
			default:
				answer, answered = err, true
			}
		}
	})
}

// TestAttemptRace: doing and undoing at once, by several requests each.
func TestAttemptRace(t *testing.T) {
	for round := range 20 {
		h, s := newHold(1, memstore.Staggered(fmt.Sprint(round)))
		const each = 4
		var wg sync.WaitGroup
		start := make(chan struct{})
		undoing := round%2 == 0
		for i := range each {
			wg.Go(func() {
				<-start
				if _, err := h.do(context.Background(), "1", request(fmt.Sprint("d", i/2))); err != nil &&
					(!undoing || !errors.Is(err, es.ErrAttemptClosed)) {
					t.Errorf("do: %v", err)
				}
			})
			if undoing {
				wg.Go(func() {
					<-start
					for range rand.N(3) {
						if _, err := h.Get(context.Background(), "1"); err != nil {
							t.Errorf("get: %v", err)
						}
					}
					if got, err := h.undo(context.Background(), "1", request(fmt.Sprint("u", i/2))); err != nil ||
						got.status == es.AttemptDone || got.status == es.AttemptOpen {
						t.Errorf("undo: %s, %v", got.status, err)
					}
				})
			}
		}
		close(start)
		wg.Wait()
		got, err := h.Get(context.Background(), "1")
		if err != nil || (got.status == es.AttemptDone) == undoing {
			t.Errorf("ended %s, %v", got.status, err)
		}
		wantWorld(t, h, s, got.status, 1)
	}
}

// TestAttemptNeedsARequest: a request without its id or its time is refused, not carried out as
// something that no repeat would recognise.
func TestAttemptNeedsARequest(t *testing.T) {
	noID, noTime := request(""), request("x")
	noTime.Time = time.Time{}
	for want, req := range map[string]es.Request{"has no commit id": noID, "has no time": noTime} {
		s := newHooked()
		h := newHolds(memstore.New(es.NewRegistry(registerHold)), 1)
		_, do := h.do(t.Context(), "1", req)
		_, undo := h.undo(t.Context(), "1", req)
		for _, err := range []error{do, undo} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want one that %s", err, want)
			}
		}
		if got, err := h.Get(t.Context(), "1"); err != nil || got.status != es.AttemptOpen || balls(h) != 1 {
			t.Errorf("%+v, %v, %d balls", got, err, balls(h))
		}
		_, err := things(s).Handle(t.Context(), "1", req, 1)
		if err == nil || s.Appends.Load() != 1 || estest.Load(t, s, "thing/1", 0).Head.Version() != 0 {
			t.Errorf("handled: %v", err)
		}
	}
}

var errPoor = faults.Declare(faults.Rule, "purse.empty")

// pay takes 1 out of a purse, which is the ledger's stream, where there is as much: decided on two
// streams, and written on both.
func pay(ctx context.Context, s es.Store, id string, refused func(*faults.Fault) es.Plan) (hold, error) {
	payments := newHolds(s, 0).Attempt
	payments.Refused = refused
	return payments.Do(ctx, id, request("pay"), func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		h, err := from.Load(ctx, ledger, 0)
		if err != nil {
			return es.Plan{}, err
		}
		left := int64(0)
		for _, e := range h.Events {
			left += e.Data.(movement).N
		}
		if left < 1 {
			return es.Plan{}, errPoor.New("nothing is left")
		}
		commit := request("pay:"+id).Commit(h.Head, movement{-1})
		return es.Plan{Event: taken{}, Commits: []es.Commit{commit}}, nil
	})
}

func purse(t *testing.T, n int64) *memstore.Store {
	s := memstore.New(es.NewRegistry(registerHold))
	estest.Append(t, s, estest.Load(t, s, ledger, 0).Head, "first", movement{n})
	return s
}

// TestTwinIsNotRefused: whoever reads the purse after a twin of theirs has emptied it, and their
// own payment's stream before its commit can be seen there, is not told that the purse is empty.
func TestTwinIsNotRefused(t *testing.T) {
	for name, record := range map[string]func(*faults.Fault) es.Plan{"recorded": recordRefused, "not recorded": nil} {
		t.Run(name, func(t *testing.T) {
			estest.Twins(t, 2, func(t *testing.T) (*memstore.Store, func() (string, error)) {
				s := purse(t, 1)
				return s, func() (string, error) {
					got, err := pay(t.Context(), s, "1", record)
					return got.status.String(), err
				}
			})
		})
	}
}

// TestRefusalOfThePast: an append that can be seen on the one stream of two is answered by then to
// somebody. A refusal that counts without it would stay for ever.
func TestRefusalOfThePast(t *testing.T) {
	for name, order := range map[string][]int{"the gift first": {0, 1}, "the purse first": {1, 0}} {
		t.Run(name, func(t *testing.T) {
			s := purse(t, 0)
			seen := 0
			s.Meanwhile(order, func() {
				if seen++; seen != 2 {
					return
				}
				got, err := pay(t.Context(), s, "1", recordRefused)
				if err != nil || got.status != es.AttemptDone {
					t.Errorf("%s, %v", got.status, err)
				}
			})
			gift := es.NewStreamID("hold", "gift")
			_, err := s.Append(t.Context(), []es.Commit{
				estest.Commit(estest.Load(t, s, gift, 0).Head, "gift", given{}),
				estest.Commit(estest.Load(t, s, ledger, 0).Head, "gift", movement{1}),
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestRefusalsCost: a refusal costs one Confirm where it can't be told otherwise that it is true,
// and a payment none.
func TestRefusalsCost(t *testing.T) {
	for name, tt := range map[string]struct {
		do       func(context.Context, es.Store) error
		confirms int64
	}{
		"done": {func(ctx context.Context, s es.Store) error { _, err := pay(ctx, s, "1", nil); return err }, 0},
		"refused": {func(ctx context.Context, s es.Store) error {
			_, err := pay(ctx, s, "1", nil)
			_, err2 := pay(ctx, s, "2", nil)
			return errors.Join(err, unless(err2, errPoor))
		}, 1},
		"refused for good": {func(ctx context.Context, s es.Store) error {
			_, err := pay(ctx, s, "1", recordRefused)
			_, err2 := pay(ctx, s, "2", recordRefused)
			return errors.Join(err, unless(err2, errPoor))
		}, 1},
		"refused for good, twice": {func(ctx context.Context, s es.Store) error {
			_, err := pay(ctx, s, "1", recordRefused)
			_, err2 := pay(ctx, s, "2", recordRefused)
			_, err3 := pay(ctx, s, "2", recordRefused)
			return errors.Join(err, unless(err2, errPoor), unless(err3, errPoor))
		}, 2},
		"refused for good by an effect, on the attempt alone": {func(ctx context.Context, s es.Store) error {
			h := newHolds(s, 0)
			_, err := h.Do(ctx, "3", request("a"), func(context.Context, *es.Reads) (es.Plan, error) {
				return es.Plan{Event: taken{}, Effects: []es.Effect{h.box.take(false)}}, nil
			})
			return unless(err, errEmpty)
		}, 0},
		"not undone": {func(ctx context.Context, s es.Store) error {
			h := newHolds(s, 1)
			_, err := h.do(ctx, "4", request("a"))
			_, err2 := h.Undo(ctx, "4", request("a"), forgone{},
				func(context.Context, *es.Reads, hold) (es.Plan, error) {
					return es.Plan{}, errSealed.New("it is too late")
				})
			return errors.Join(err, unless(err2, errSealed))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &estest.Hooked{Store: purse(t, 1)}
			if err := tt.do(t.Context(), s); err != nil || s.Confirms.Load() != tt.confirms {
				t.Errorf("%v, after %d confirms", err, s.Confirms.Load())
			}
		})
	}
}

// unless is nil where an error is the one that is wanted.
func unless(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("%w, not %w", err, want)
}

// TestPlansReadEnds: what doesn't give the end of a stream gives a refusal nothing to be held
// against.
func TestPlansReadEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		read    func(ctx context.Context, from *es.Reads) error
		refused bool // the refusal is answered
	}{
		"a version": {read: func(ctx context.Context, from *es.Reads) error {
			_, err := from.At(ctx, ledger, 3)
			return err
		}},
		"backwards": {read: func(ctx context.Context, from *es.Reads) error {
			for _, err := range from.Read(ctx, ledger, es.Range{Backwards: true}) {
				return err
			}
			return nil
		}},
		"in part": {read: func(ctx context.Context, from *es.Reads) error {
			for _, err := range from.Read(ctx, ledger, es.Range{}) {
				return err
			}
			return nil
		}},
		"to its end": {refused: true, read: func(ctx context.Context, from *es.Reads) error {
			for _, err := range from.Read(ctx, ledger, es.Range{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		"without any": {refused: true, read: func(ctx context.Context, from *es.Reads) error {
			for _, err := range from.Read(ctx, "ledger/2", es.Range{}) {
				return err
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHold(1)
			h.Refused = nil
			head := estest.Load(t, s, ledger, 0).Head
			head = estest.Append(t, s, head, "a", movement{1}, movement{2})
			estest.Append(t, s, head, "b", movement{3})
			_, err := h.Do(t.Context(), "1", request("a"), func(ctx context.Context, from *es.Reads) (es.Plan, error) {
				if err := tt.read(ctx, from); err != nil {
					return es.Plan{}, err
				}
				return es.Plan{}, errEmpty.New("it is so")
			})
			if err == nil || errors.Is(err, errEmpty) != tt.refused {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestStreamThatMovesUnderAPlan: a stream that the plan reads twice, with two ends, is no ground
// for a refusal.
func TestStreamThatMovesUnderAPlan(t *testing.T) {
	h, s := newHold(1)
	tries := 0
	_, err := h.Do(t.Context(), "1", request("a"), func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		tries++
		first, err := from.Load(ctx, ledger, 0)
		if err != nil || tries > 1 {
			return es.Plan{}, errors.Join(err, errEmpty.New("twice the same"))
		}
		estest.Append(t, s, first.Head, "meanwhile", movement{1})
		_, err = from.Since(ctx, first.Head)
		return es.Plan{}, errors.Join(err, errEmpty.New("between two"))
	})
	if f, ok := faults.As(err); !ok || f.Detail != "twice the same" || tries != 2 {
		t.Errorf("%v, after %d tries", err, tries)
	}
}
