package es

import (
	"context"
	"errors"
	"time"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
)

// pace of retries on conflicts: quick at first, since whoever won is through already.
var pace = backoff.Pace{
	Base: 10 * time.Millisecond, Max: 500 * time.Millisecond, Margin: 500 * time.Millisecond, Tries: 50,
}

// RetryConflicts runs f again while it ends in ErrConflict: contention is not failure. It gives up,
// with the conflict, when ctx's deadline is within half a second (so that the caller can still
// answer), when ctx is done, or after 50 tries. The waits between them are random, up to 10 ms at
// first and up to 500 ms in the end. Any other error, and success, come back at once. Without a
// Clock it fails before f is called. The context that f is given ends when RetryConflicts returns.
func RetryConflicts(ctx context.Context, c clock.Clock, f func(context.Context) error) error {
	if c == nil {
		return errors.New("es: retries need a Clock")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for tries := backoff.New(pace, c); ; {
		err := f(ctx)
		if !errors.Is(err, ErrConflict) || !tries.Again(ctx) {
			return err
		}
	}
}
