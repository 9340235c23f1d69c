package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
)

// Marks keeps the marks. Its writes come in any order, any number of times, and from several
// processes at once.
type Marks interface {
	// Accepted notes what the bus has accepted of a stream.
	Accepted(ctx context.Context, stream es.StreamID, spans ...Span) error
	// Seen notes that the other consumer has met a version of a stream.
	Seen(ctx context.Context, stream es.StreamID, version int64) error
}

// Handle handles commits together and returns nil, or one result for each: what a stream's consumer
// does with a batch.
type Handle = func(context.Context, []es.StoredCommit) []error

// The time that marks get, of what an invocation has left: half of it, but no more than two
// seconds.
const (
	markPart = 2
	markMax  = 2 * time.Second
)

// markers is how many marks are written side by side.
const markers = 16

// MetricMarkFailures counts marks that were not written.
const MetricMarkFailures = "MarkFailures"

// Marker writes marks beside what a consumer does: one request for each stream of a batch. A mark
// may be lost. That is told, and changes nothing for the batch: where it was one of publishing, the
// audit publishes the events again, with the ids that they had; where it was one of seeing, the
// next one of that stream stands for it too, and until then a loss stays unnoticed if the
// publication of the same commit was lost as well.
type Marker struct {
	Marks  Marks
	Clock  clock.Clock
	Failed func(streams int64) // is told how many marks of a batch were not written, where any were not
}

// Published is handle, which publishes, with marks for the commits that passed.
func (m Marker) Published(handle Handle) Handle {
	return func(ctx context.Context, commits []es.StoredCommit) []error {
		results := handle(ctx, commits)
		spans := map[es.StreamID][]Span{}
		for i, c := range commits {
			if Passed(results, i) {
				spans[c.Stream] = append(spans[c.Stream], Of(c))
			}
		}
		write(ctx, m, spans, func(ctx context.Context, stream es.StreamID, s []Span) error {
			return m.Marks.Accepted(ctx, stream, s...)
		})
		return results
	}
}

// Seen is handle with marks for the commits that it is through with: those that passed and those
// that never can.
func (m Marker) Seen(handle Handle) Handle {
	return func(ctx context.Context, commits []es.StoredCommit) []error {
		results := handle(ctx, commits)
		newest := map[es.StreamID]int64{}
		for i, c := range commits {
			if Passed(results, i) || i < len(results) && poison.Is(results[i]) {
				newest[c.Stream] = max(newest[c.Stream], c.Last())
			}
		}
		write(ctx, m, newest, m.Marks.Seen)
		return results
	}
}

// Passed says of one of the commits whether it has passed, by a Handle's results.
func Passed(results []error, i int) bool {
	if results == nil {
		return true
	}
	return i < len(results) && results[i] == nil
}

// write writes a mark for each stream.
func write[V any](
	ctx context.Context, m Marker, marks map[es.StreamID]V, mark func(context.Context, es.StreamID, V) error,
) {
	if len(marks) == 0 {
		return
	}
	if deadline, ok := ctx.Deadline(); ok {
		now := m.Clock.Now()
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, now.Add(min(deadline.Sub(now)/markPart, markMax)))
		defer cancel()
	}
	failed := make(chan error, len(marks))
	var group errgroup.Group
	group.SetLimit(markers)
	for stream, value := range marks {
		group.Go(func() error {
			if err := guard(func() error { return mark(ctx, stream, value) }); err != nil {
				slog.WarnContext(ctx, "mark is lost", "stream", stream, "error", err.Error())
				failed <- err
			}
			return nil
		})
	}
	_ = group.Wait() // each error is in failed
	if n := len(failed); n > 0 {
		m.Failed(int64(n))
	}
}

// Guarded is handle with panics as results: what breaks it can never pass, and keeps back no other
// commit.
func Guarded(handle Handle) Handle {
	var guarded Handle
	guarded = func(ctx context.Context, commits []es.StoredCommit) (results []error) {
		err := guard(func() error { results = handle(ctx, commits); return nil })
		switch {
		case err == nil:
			return results
		case len(commits) == 1:
			return []error{poison.Mark(err)}
		}
		results = make([]error, len(commits))
		for i := range commits { // alone, each shows whether it is the one
			results[i] = errors.Join(guarded(ctx, commits[i:i+1])...)
		}
		return results
	}
	return guarded
}

// guard runs f and turns a panic into an error: in a goroutine it would end the process, and the
// batch with it.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("audit panics", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("audit: panic: %v", r)
		}
	}()
	return f()
}
