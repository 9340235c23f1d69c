// Package backoff paces the tries at something that may pass if it is tried again: full jitter (AWS
// Architecture Blog, "Exponential Backoff And Jitter") under a growing ceiling, and an end while
// there is still time to do something about the failure.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"

	"orderflow/shared/kit/clock"
)

// Pace says how tries follow each other.
type Pace struct {
	Base   time.Duration // ceiling of the first wait; it doubles with each
	Max    time.Duration // ceiling of every wait
	Margin time.Duration // no try begins with less than this left to ctx's deadline
	Tries  int           // the most there are; for callers without a deadline
}

// Backoff counts the tries at one thing. It is not safe for concurrent use.
type Backoff struct {
	pace    Pace
	clock   clock.Clock
	ceiling time.Duration
	tried   int
}

// New starts counting: the first try is under way.
func New(pace Pace, c clock.Clock) *Backoff {
	return &Backoff{pace: pace, clock: c, ceiling: pace.Base, tried: 1}
}

// Tried is the number of tries that were begun.
func (b *Backoff) Tried() int { return b.tried }

// Again waits for the next try. It is false, without waiting, where there is none: the tries are
// spent, or the deadline would be too near.
func (b *Backoff) Again(ctx context.Context) bool {
	if b.tried >= b.pace.Tries || ctx.Err() != nil {
		return false
	}
	wait := rand.N(b.ceiling) // #nosec G404 -- jitter is no secret
	if deadline, ok := ctx.Deadline(); ok && b.clock.Now().Add(wait+b.pace.Margin).After(deadline) {
		return false
	}
	if b.clock.Sleep(ctx, wait) != nil {
		return false
	}
	b.tried++
	b.ceiling = min(2*b.ceiling, b.pace.Max)
	return true
}
