package stream

import (
	"context"
	"log/slog"
	"time"

	"orderflow/shared/shop/trail"
)

// The time that the work aside gets, of what an invocation has left by then: half of it, but no
// more than two seconds.
const (
	asidePart = 2
	asideMax  = 2 * time.Second
)

// MetricSnapshotFailures counts snapshots that were not written.
const MetricSnapshotFailures = "SnapshotFailures"

// aside does the work that may be lost, for the commits that are handled. What goes wrong with it
// is told and changes nothing.
func (c Consumer) aside(ctx context.Context, items []*item) {
	if c.Aside == nil {
		return
	}
	if deadline, ok := ctx.Deadline(); ok {
		now := c.Clock.Now()
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, now.Add(min(deadline.Sub(now)/asidePart, asideMax)))
		defer cancel()
	}
	for _, it := range items {
		if !it.done {
			continue
		}
		ctx := trail.With(ctx, it.trail())
		if err := guard(ctx, func() error { return c.Aside(ctx, it.commit) }); err != nil {
			slog.WarnContext(
				ctx, "work aside is lost", "consumer", c.Name, "firstSequence", it.commit.First, "error", err.Error(),
			)
			c.AsideFailed()
		}
	}
}
