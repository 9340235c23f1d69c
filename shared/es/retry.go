package es

import (
	"context"
	"errors"
	"time"

	"orderflow/shared/backoff"
	"orderflow/shared/clock"
)

// pace of retries on conflicts: quick at first, since whoever won is through already.
var pace = backoff.Pace{Base: 10 * time.Millisecond, Max: 500 * time.Millisecond, Margin: 500 * time.Millisecond, Tries: 50}

// RetryConflicts runs f again while it ends in ErrConflict: contention is not failure. It gives up, with the conflict, when ctx's
// deadline is within half a second (so that the caller can still answer) or after 50 tries.
func RetryConflicts(ctx context.Context, c clock.Clock, f func(context.Context) error) error {
	for tries := backoff.New(pace, c); ; {
		err := f(ctx)
		if !errors.Is(err, ErrConflict) || !tries.Again(ctx) {
			return err
		}
	}
}
