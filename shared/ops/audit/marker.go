package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
)

// Handle handles commits together and returns nil, or one result for each: what a stream's consumer
// does with a batch.
type Handle = func(context.Context, []es.StoredCommit) []error

// The time that a note gets, of what an invocation has left: half of it, but no more than two
// seconds.
const (
	notePart = 2
	noteMax  = 2 * time.Second
)

// MetricMarkFailures counts streams that a batch could not be noted for.
const MetricMarkFailures = "MarkFailures"

// Marker notes in the journal what a consumer does: one note, and so one request, for each batch.
// A batch of which nothing passed writes nothing. A note may be lost. That is told, and changes
// nothing for the batch: where it was one of publishing, the audit publishes the events again, with
// the ids that they had; where it was one of seeing, the next commit of a stream shows the audit
// where to look, and until then a loss stays unnoticed if the publication of the same commit was
// lost as well.
type Marker struct {
	Journal Writer
	Clock   clock.Clock
	Failed  func(streams int64) // is told of how many streams a note was not written
}

// Published is handle, which publishes, with a note of the commits that passed.
func (m Marker) Published(handle Handle) Handle {
	return func(ctx context.Context, commits []es.StoredCommit) []error {
		results := handle(ctx, commits)
		m.note(ctx, Published, commits, func(i int) bool { return Passed(results, i) })
		return results
	}
}

// Seen is handle with a note of the commits that it is done with: those that passed and those that
// never can.
func (m Marker) Seen(handle Handle) Handle {
	return func(ctx context.Context, commits []es.StoredCommit) []error {
		results := handle(ctx, commits)
		m.note(ctx, Seen, commits, func(i int) bool {
			return Passed(results, i) || i < len(results) && poison.Is(results[i])
		})
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

// note writes the note of a batch.
func (m Marker) note(ctx context.Context, kind Kind, commits []es.StoredCommit, done func(i int) bool) {
	versions := Versions{}
	for i, c := range commits {
		if done(i) {
			versions[c.Stream] = versions[c.Stream].Add(Of(c))
		}
	}
	if len(versions) == 0 {
		return
	}
	now := m.Clock.Now()
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, now.Add(min(deadline.Sub(now)/notePart, noteMax)))
		defer cancel()
	}
	err := guard(func() error { return m.Journal.Write(ctx, Note{Kind: kind, At: now, Versions: versions}) })
	if err != nil {
		slog.WarnContext(ctx, "note is lost", "kind", kind, "streams", len(versions), "error", err.Error())
		m.Failed(int64(len(versions)))
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
