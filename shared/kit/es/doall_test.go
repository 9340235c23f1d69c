package es_test

import (
	"errors"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
)

// takeAll takes a ball for each of the holds, by one append: which are those of Do.
func (h *holds) takeAll(t *testing.T, ids ...string) ([]hold, error) {
	tries := make([]es.Try, len(ids))
	for i, id := range ids {
		tries[i] = es.Try{ID: id, Request: request(id), Event: taken{}}
	}
	return h.DoAll(t.Context(), tries, h.box.takeSome(len(ids)))
}

// takeSome takes some balls, all or none.
func (b *box) takeSome(n int) es.Effect {
	return b.rows.Effect("take some balls", []string{"box"}, func(rows map[string]contents) error {
		in := rows["box"]
		if in.balls < n {
			return errEmpty.New("%d balls are left", in.balls)
		}
		in.balls, in.taken = in.balls-n, in.taken+n
		rows["box"] = in
		return nil
	})
}

// TestDoAll: several attempts are done by one append, and each finds it by itself. One that fails
// leaves all as they were, and says whose attempt has begun.
func TestDoAll(t *testing.T) {
	do := func(id string) func(t *testing.T, h *holds) {
		return func(t *testing.T, h *holds) {
			if _, err := h.do(t.Context(), id, request("before")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tt := range map[string]struct {
		before func(*testing.T, *holds)
		balls  int
		done   bool
		err    error
		begun  es.StreamID
		left   int
	}{
		"all":         {balls: 3, done: true, left: 1},
		"one too few": {balls: 1, err: errEmpty, left: 1},
		"one is there": {
			balls: 3, before: do("b"), err: es.ErrConflict, begun: "hold/b", left: 2,
		},
		"all are there": {
			balls: 3, left: 1, before: func(t *testing.T, h *holds) {
				if _, err := h.takeAll(t, "a", "b"); err != nil {
					t.Fatal(err)
				}
			},
		},
		"one is there by this very request": {
			balls: 3, before: func(t *testing.T, h *holds) {
				if _, err := h.do(t.Context(), "a", request("a")); err != nil {
					t.Fatal(err)
				}
			}, err: es.ErrConflict, begun: "hold/a", left: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHold(tt.balls)
			if tt.before != nil {
				tt.before(t, h)
			}
			appends, loads := s.Appends.Load(), s.Loads.Load()
			states, err := h.takeAll(t, "a", "b")
			if !errors.Is(err, tt.err) || (len(states) == 2) != tt.done || len(states) > 0 && !tt.done {
				t.Errorf("%+v, %v", states, err)
			}
			var begun *es.ConflictError
			if errors.As(err, &begun) != (tt.begun != "") ||
				begun != nil && (begun.Stream != tt.begun || begun.Actual < 1) {
				t.Errorf("%v, want one at %s", err, tt.begun)
			}
			if s.Appends.Load() != appends+1 || s.Loads.Load() != loads {
				t.Errorf("%d appends, %d loads", s.Appends.Load()-appends, s.Loads.Load()-loads)
			}
			if balls(h) != tt.left {
				t.Errorf("%d balls are left, want %d", balls(h), tt.left)
			}
			for _, state := range states {
				if state.status != es.AttemptDone {
					t.Errorf("the state is %s", state.status)
				}
			}
			if !tt.done {
				return
			}
			writes := s.Writes.Load()
			for _, id := range []string{"a", "b"} {
				if state, err := h.do(t.Context(), id, request(id)); err != nil || state.status != es.AttemptDone {
					t.Errorf("%s, done again: %s, %v", id, state.status, err)
				}
			}
			if s.Writes.Load() != writes {
				t.Error("what is done was done again")
			}
			if state, err := h.undo(t.Context(), "b", request("b")); err != nil || state.status != es.AttemptUndone {
				t.Errorf("undone: %s, %v", state.status, err)
			}
		})
	}
}

// TestDoAllRefuses: what Do takes care of is no try of several.
func TestDoAllRefuses(t *testing.T) {
	claiming := request("a")
	claiming.Claim = es.Claim{Stream: "key/1", Event: movement{1}}
	for name, tries := range map[string][]es.Try{
		"a claim":      {{ID: "1", Request: claiming, Event: taken{}}},
		"no commit id": {{ID: "1", Event: taken{}}},
		"one attempt, twice": {
			{ID: "1", Request: request("a"), Event: taken{}}, {ID: "1", Request: request("b"), Event: taken{}},
		},
		"nothing":             nil,
		"an unknown event":    {{ID: "1", Request: request("a"), Event: 7}},
		"an attempt of no id": {{Request: request("a"), Event: taken{}}},
	} {
		h, s := newHold(1)
		if states, err := h.DoAll(t.Context(), tries); err == nil || states != nil || s.Writes.Load() > 0 {
			t.Errorf("%s: %+v, %v", name, states, err)
		}
	}
}

// TestDoAllTwins: of two deliveries of the same attempts one writes, and both find it.
func TestDoAllTwins(t *testing.T) {
	estest.Twins(t, 3, func(t *testing.T) (*memstore.Store, func() (string, error)) {
		store := memstore.New(es.NewRegistry(registerHold))
		h := newHolds(store, 2)
		return store, func() (string, error) {
			if _, err := h.takeAll(t, "a", "b"); err != nil && !errors.Is(err, es.ErrConflict) {
				return "", err
			}
			a, err := h.do(t.Context(), "a", request("a"))
			if err != nil {
				return "", err
			}
			b, err := h.do(t.Context(), "b", request("b"))
			return a.status.String() + " " + b.status.String(), err
		}
	})
}
