package es

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"orderflow/shared/clock"
)

// The pace of retries on conflicts: full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter") under a growing ceiling.
const (
	retryBase   = 10 * time.Millisecond
	retryMax    = 500 * time.Millisecond
	retryMargin = 500 * time.Millisecond
	retryLimit  = 50
)

// RetryConflicts runs f again while it ends in ErrConflict: contention is not failure. It gives up, with the conflict, when ctx's
// deadline is within half a second (so that the caller can still answer) or after 50 tries.
func RetryConflicts(ctx context.Context, c clock.Clock, f func(context.Context) error) error {
	ceiling := retryBase
	for try := 1; ; try++ {
		err := f(ctx)
		if !errors.Is(err, ErrConflict) || try == retryLimit {
			return err
		}
		wait := rand.N(ceiling)
		if deadline, ok := ctx.Deadline(); ok && c.Now().Add(wait+retryMargin).After(deadline) {
			return err
		}
		if c.Sleep(ctx, wait) != nil {
			return err
		}
		ceiling = min(2*ceiling, retryMax)
	}
}
