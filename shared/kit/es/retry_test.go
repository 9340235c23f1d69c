package es_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

func TestRetryConflicts(t *testing.T) {
	conflict := fmt.Errorf("append: %w", &es.ConflictError{Stream: "a/1", Expected: 1, Actual: 2})
	other := errors.New("other")
	// The fake's time is far ahead, so that no deadline counted from it comes to pass while the
	// test runs.
	start := time.Now().Add(24 * time.Hour)
	always := func(err error) []error {
		all := make([]error, 100)
		for i := range all {
			all[i] = err
		}
		return all
	}
	tests := []struct {
		name     string
		answers  []error // nil from then on
		deadline time.Duration
		err      error
		min, max int // tries
		longest  time.Duration
	}{
		{name: "success", min: 1, max: 1},
		{name: "another error", answers: []error{other}, err: other, min: 1, max: 1},
		{
			name: "success after conflicts", answers: []error{conflict, conflict, conflict}, min: 4, max: 4,
			longest: 10*time.Millisecond + 20*time.Millisecond + 40*time.Millisecond,
		},
		{
			name: "another error after a conflict", answers: []error{conflict, other}, err: other, min: 2, max: 2,
			longest: 10 * time.Millisecond,
		},
		{
			name: "conflicts for ever", answers: always(conflict), err: es.ErrConflict, min: 50, max: 50,
			longest: 49 * 500 * time.Millisecond,
		},
		{
			name: "a deadline", answers: always(conflict), deadline: 2 * time.Second, err: es.ErrConflict, min: 4,
			max: 50, longest: 1500 * time.Millisecond,
		},
		{
			name: "a deadline that is near", answers: always(conflict), deadline: 499 * time.Millisecond,
			err: es.ErrConflict, min: 1, max: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := clock.NewFake(start)
			ctx := t.Context()
			if tt.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, start.Add(tt.deadline))
				defer cancel()
			}
			tries := 0
			err := es.RetryConflicts(ctx, c, func(context.Context) error {
				if tries++; tries <= len(tt.answers) {
					return tt.answers[tries-1]
				}
				return nil
			})
			if !errors.Is(err, tt.err) || tries < tt.min || tries > tt.max {
				t.Errorf("%v after %d tries", err, tries)
			}
			if waited := c.Now().Sub(start.UTC()); waited > tt.longest {
				t.Errorf("waited %v, at most %v expected", waited, tt.longest)
			}
		})
	}
}

func TestRetryConflictsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := es.RetryConflicts(ctx, clock.NewFake(time.Now()), func(context.Context) error {
		tries++
		cancel()
		return es.ErrConflict
	})
	if !errors.Is(err, es.ErrConflict) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// TestRetryConflictsWithoutAClock: it is missed at the first call, and not only at the first
// conflict.
func TestRetryConflictsWithoutAClock(t *testing.T) {
	h := things(newHooked())
	h.Clock = nil
	holds := newHolds(newHooked(), 1)
	holds.Clock = nil
	_, handled := h.Handle(t.Context(), "1", request("a"), 1)
	_, done := holds.Do(t.Context(), "1", request("a"), func(context.Context, *es.Reads) (es.Plan, error) {
		t.Error("the plan was asked")
		return es.Plan{}, nil
	})
	for name, err := range map[string]error{"Handle": handled, "Do": done} {
		if err == nil || err.Error() != "es: retries need a Clock" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
