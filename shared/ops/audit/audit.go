// Package audit looks for events that were stored and never published, and publishes them.
//
// Two consumers read the events' stream, each by itself. publish-events marks, stream by stream,
// what the bus has accepted; project-views marks what it has met. An audit compares the two marks
// of each stream that was changed of late. Where a version was met, is older than the time that
// publishing may take and is not marked as accepted, its commit is loaded from the store and goes
// through the same publisher as the first time, so that its events have the ids that they had or
// should have had: whoever has taken them already knows them.
//
// Whether the bus delivers what it accepts is tried with one event of the audit's own a run, a
// canary, which a rule takes to a queue that the audit reads.
//
// What both consumers have missed leaves no mark, and is not found here: package whole reads the
// whole store for it.
package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
)

// Index finds the streams that were changed.
type Index interface {
	// Changed gives up to limit streams of one of Shards parts of those that were last met in an
	// hour, from 0 to Shards-1, behind the stream after, in the order of their names. next is the
	// stream to go on behind, "" at the part's end. The marks may be seconds old. Those that can't
	// be read are an ErrUnreadable, errors.Join'ed, that comes with the others.
	Changed(
		ctx context.Context, hour time.Time, shard int, after es.StreamID, limit int,
	) (marks []Mark, next es.StreamID, err error)
	// Mark gives the mark of a stream as it is.
	Mark(ctx context.Context, stream es.StreamID) (Mark, error)
	// Accepted and Refused note what has come of publishing.
	Accepted(ctx context.Context, stream es.StreamID, spans ...Span) error
	Refused(ctx context.Context, stream es.StreamID, spans ...Span) error
}

// Shards is in how many parts an hour's streams are: one partition of an index takes 1,000 writes a
// second.
const Shards = 8

// Commits reads streams.
type Commits interface {
	// Commits gives the commits that have a part in a range. One that can't be read is an
	// es.ErrCorrupt, after which there is nothing more.
	Commits(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.StoredCommit, error]
}

// States keeps the state of the audit.
type States interface {
	// Take gives the state, the zero State before the first audit, and keeps all others from taking
	// it until then or until it is kept. taken is false where somebody else has it.
	Take(ctx context.Context, until time.Time) (state State, taken bool, err error)
	// Keep keeps the state, and lets the next one take it.
	Keep(ctx context.Context, state State) error
}

// State is where the audit stands. A cycle looks at every stream that was met from an hour on; it
// may take several runs.
type State struct {
	Since time.Time   `json:"since"`           // commits that are older are not the audit's
	Began time.Time   `json:"began,omitzero"`  // of the cycle under way; zero where none is
	Hour  time.Time   `json:"hour"`            // where the cycle goes on, or the next one begins
	Shard int         `json:"shard,omitempty"` // in that hour
	After es.StreamID `json:"after,omitempty"` // in that shard
	// the first hour of the cycle in which something failed; zero where nothing did
	Failed time.Time `json:"failed,omitzero"`
	// Canaries are those that the bus has accepted and that have neither arrived nor been given up.
	Canaries []Canary `json:"canaries,omitempty"`
}

// Limits of one audit.
const (
	// Window is how far back each cycle begins, before the one ahead of it began: what could not be
	// told then is told now.
	Window = 2 * time.Hour
	// MaxAge is how old a commit may be to be published again. Consumers remember what they have
	// had for 35 days; what is older would be new to them.
	MaxAge = 30 * 24 * time.Hour
	// MaxCommits is how many commits one audit publishes again, as far as its time goes. Those of
	// the streams under way when it is met come on top.
	MaxCommits = 10_000
	// Lease is how long one audit keeps the others out. A function that audits has to have less
	// time.
	Lease = 3 * time.Minute

	// streams that are looked at before it is asked whether to go on, and commits that are
	// published at once
	page    = 100
	workers = 8 // streams that are looked at side by side
)

// What is kept back before the deadline. Whatever hangs in one part takes nothing from the next.
const (
	keeping = 3 * time.Second         // for the state, once nothing else is under way
	working = keeping + waits*wait    // and for the canaries' arrival, once nothing is published and marked any more
	looking = working + 3*time.Second // and for what is under way, once no further stream is looked at
	sending = 10 * time.Second        // the most that the canary may take
)

// The metrics of an audit.
const (
	MetricMissing       = "EventsMissing"       // events that the bus had not accepted in time, and can
	MetricRepublished   = "EventsRepublished"   // of those, the ones that it has accepted now
	MetricUnpublishable = "EventsUnpublishable" // events that can't be published, counted once
	// events that the bus has not accepted and that are too old by now to be published, counted
	// once
	MetricAbandoned     = "EventsAbandoned"
	MetricStreams       = "StreamsAudited" // streams that were looked at
	MetricCanaryMissing = "CanaryMissing"  // canaries that the bus accepted and that did not arrive in time
	MetricCanaryLatency = "CanaryLatencySeconds"
)

// Auditor audits.
type Auditor struct {
	Index   Index
	Commits Commits
	Publish Handle // without marks: the audit writes its own
	States  States
	Bus     Bus
	Sample  Sample
	Clock   clock.Clock
	// Settle is how long an event may take from its decision to the bus, and a canary from the bus
	// to the queue; above zero and below Window.
	Settle time.Duration
	// Count takes each metric once an audit, also where it is 0, and Latency each canary that
	// arrived.
	Count   func(metric string, n int64)
	Latency func(metric string, d time.Duration)
}

// Settle reads a time to settle in whole seconds. It panics on one that is none: a function without
// one must not start.
func Settle(seconds string) time.Duration {
	n, err := decimal.Whole(seconds, 1, int64(Window/time.Second)-1)
	if err != nil {
		panic("audit: seconds to settle: " + err.Error())
	}
	return time.Duration(n) * time.Second
}

// Summary is what one audit came to.
type Summary struct {
	Busy          bool  `json:"busy,omitempty"` // another audit is under way, and nothing was done
	Streams       int64 `json:"streams"`        // looked at
	Missing       int64 `json:"missing"`        // events, as the metrics
	Republished   int64 `json:"republished"`
	Unpublishable int64 `json:"unpublishable"`
	Abandoned     int64 `json:"abandoned"`
	Arrived       int64 `json:"arrived"`       // canaries
	CanaryMissing int64 `json:"canaryMissing"` // canaries
	// streams that could not be looked at or published; the next cycle comes back to them
	Errors     int   `json:"errors"`
	Unfinished bool  `json:"unfinished"`    // the cycle goes on in the next audit
	Behind     int64 `json:"behindSeconds"` // how far before now the cycle's hour is that comes next
}

// Audit looks at the streams that were met since the hour in which the cycle before began, less
// Window, and sends a canary. It does as much of that as fits before ctx's deadline and MaxCommits;
// the next audit goes on there. A stream that fails does not hold up the others; the error then
// joins the first ten that failed. Effects come in this order: publish, mark, note how far it came.
// So an audit that ends anywhere repeats something and leaves out nothing.
func (a Auditor) Audit(ctx context.Context) (Summary, error) {
	if a.Settle <= 0 || a.Settle >= Window {
		return Summary{}, fmt.Errorf("audit: %s to settle", a.Settle)
	}
	now := a.Clock.Now()
	state, taken, err := a.States.Take(ctx, now.Add(Lease))
	if err != nil || !taken {
		return Summary{Busy: err == nil}, err
	}
	if state.Since.IsZero() {
		state.Since = now.Add(-Window)
	}
	run := &run{Auditor: a, now: now, state: state, horizon: Horizon(state.Since, now)}
	taken1, err := run.canary(ctx)
	run.failed(ctx, "canary", err)
	run.cycle(ctx)
	taken2, err := run.await(ctx)
	run.failed(ctx, "canary", err)
	s := run.summary
	for metric, n := range map[string]int64{
		MetricMissing: s.Missing, MetricRepublished: s.Republished, MetricUnpublishable: s.Unpublishable,
		MetricAbandoned: s.Abandoned,
		MetricStreams:   s.Streams, MetricCanaryMissing: s.CanaryMissing,
	} {
		a.Count(metric, n)
	}

	// Kept before the messages are deleted: one that comes again is a canary that nobody waits for.
	if err := a.States.Keep(ctx, run.state); err != nil {
		run.failed(ctx, "state", err)
	} else {
		run.failed(ctx, "sample", a.Sample.Delete(ctx, slices.Concat(taken1, taken2)))
	}
	slog.InfoContext(ctx, "audit done", "summary", run.summary)
	return run.summary, errors.Join(run.errs...)
}

// before is ctx with a deadline that is earlier by so much, where it has one.
func before(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-by))
	}
	return ctx, func() {}
}

// Horizon is the time before whose commits nothing is published again: there were no marks before
// since, and consumers don't remember what is older than MaxAge.
func Horizon(since, now time.Time) time.Time {
	if oldest := now.Add(-MaxAge); since.Before(oldest) {
		return oldest
	}
	return since
}

// run is one audit under way.
type run struct {
	Auditor
	now     time.Time
	horizon time.Time // commits before it are not published again
	state   State

	mu      sync.Mutex
	commits int // that were published again
	summary Summary
	errs    []error
}

// maxErrs is how many errors an audit returns in full; the log has them all.
const maxErrs = 10

func (r *run) failed(ctx context.Context, what string, err error) {
	if err == nil {
		return
	}
	slog.ErrorContext(ctx, "audit fails", "of", what, "error", err.Error())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Errors++
	if len(r.errs) < maxErrs {
		r.errs = append(r.errs, fmt.Errorf("audit %s: %w", what, err))
	}
}

func hourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// cycle goes on with the cycle under way, or begins one. It begins nothing once it is time to look
// at no more, and ends what it has begun in time for the rest of the audit.
func (r *run) cycle(ctx context.Context) {
	ctx, cancel := before(ctx, working)
	defer cancel()
	ahead, cancel := before(ctx, looking-working)
	defer cancel()
	s := &r.state
	if s.Hour.IsZero() {
		s.Hour = hourOf(r.now.Add(-Window))
	}
	if oldest := hourOf(r.now.Add(-MaxAge)); s.Hour.Before(oldest) {
		slog.ErrorContext(ctx, "audit passes over what it has not come to in time", "from", s.Hour, "to", oldest)
		s.Hour, s.Shard, s.After = oldest, 0, ""
	}
	if s.Began.IsZero() {
		s.Began = r.now
	}
	defer func() { r.summary.Behind = int64(r.now.Sub(s.Hour).Seconds()) }()
	for ; !s.Hour.After(hourOf(r.now)); s.Hour, s.Shard = s.Hour.Add(time.Hour), 0 {
		for ; s.Shard < Shards; s.Shard, s.After = s.Shard+1, "" {
			for more := true; more; more = s.After != "" {
				var next es.StreamID
				var err error
				if !r.full(ahead) {
					next, err = r.page(ctx, ahead)
				}
				if err != nil || r.full(ahead) {
					r.failed(ctx, "index", err)
					r.summary.Unfinished = true
					return
				}
				s.After = next
			}
		}
	}
	s.Hour, s.Shard, s.After = hourOf(s.Began.Add(-Window)), 0, ""
	if !s.Failed.IsZero() && s.Failed.Before(s.Hour) {
		s.Hour = s.Failed
	}
	s.Began, s.Failed = time.Time{}, time.Time{}
}

func (r *run) full(ahead context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ahead.Err() != nil || r.commits >= MaxCommits
}

// page looks at the next streams of the cycle.
func (r *run) page(ctx, ahead context.Context) (next es.StreamID, err error) {
	marks, next, err := r.Index.Changed(ahead, r.state.Hour, r.state.Shard, r.state.After, page)
	if err != nil && !errors.Is(err, ErrUnreadable) {
		return "", err
	}
	for _, unreadable := range es.Parts(err) {
		r.comesBack(ctx, "mark", unreadable)
	}
	var group errgroup.Group
	group.SetLimit(workers)
	for _, m := range marks {
		group.Go(func() error {
			if r.full(ahead) {
				return nil
			}
			if err := guard(func() error { return r.stream(ctx, ahead, m) }); err != nil {
				r.comesBack(ctx, string(m.Stream), err)
			}
			return nil
		})
	}
	_ = group.Wait() // each error is noted
	return next, nil
}

// comesBack notes that a stream failed: the next cycle begins with this hour.
func (r *run) comesBack(ctx context.Context, what string, err error) {
	r.failed(ctx, what, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Failed.IsZero() { // hours come in order
		r.state.Failed = r.state.Hour
	}
}

// lost is what a stream lacks on the bus.
type lost struct {
	commits   []es.StoredCommit // the newest first
	older     int64             // the version up to which commits are too old to be published again, 0 where none is
	abandoned Spans             // of these, what is known to be missing on the bus
	rest      Spans             // of what is missing, what the store can't read, too
	corrupt   error             // and why
}

// stream looks at a stream. The mark it begins with may be old, so what it lacks is asked for
// again.
func (r *run) stream(ctx, ahead context.Context, m Mark) error {
	r.count(Summary{Streams: 1})
	if len(m.Missing()) == 0 {
		return nil
	}
	m, err := r.Index.Mark(ctx, m.Stream)
	if err != nil {
		return err
	}
	l, err := r.missing(ctx, m)
	if err != nil {
		return err
	}
	var accepted, refused []Span
	var errs []error
	var published, refusals int64 // events
	if l.older > m.Published {
		accepted = append(accepted, Span{1, l.older})
	}
	if len(l.abandoned) > 0 {
		slog.ErrorContext(
			ctx, "lost events are too old to be published", "stream", m.Stream, "versions", l.abandoned.String(),
		)
	}
	refuse := func(spans Spans, err error) {
		slog.ErrorContext(
			ctx, "events can't be published", "stream", m.Stream, "versions", spans.String(), "error", err.Error(),
		)
		refused, refusals = append(refused, spans...), refusals+spans.events()
	}
	if len(l.rest) > 0 {
		refuse(l.rest, l.corrupt)
	}
	slices.Reverse(l.commits) // events are published in their order
	for batch := range slices.Chunk(l.commits, page) {
		if ahead.Err() != nil {
			break // the rest is still missing in the next audit
		}
		results := r.publish(ctx, batch)
		for i, c := range batch {
			events := int64(len(c.Events))
			switch {
			case Passed(results, i):
				accepted = append(accepted, Of(c))
				slog.WarnContext(
					ctx, "lost events are published", "stream", c.Stream, "firstSequence", c.First, "events", events,
					"time", c.Time,
				)
				published += events
			case poison.Is(results[i]):
				refuse(Spans{Of(c)}, results[i])
			default:
				errs = append(errs, results[i])
				r.count(Summary{Missing: events})
			}
		}
	}
	// What became of them counts once it is noted: what is not comes again in the next audit.
	if len(accepted) > 0 {
		err := r.Index.Accepted(ctx, m.Stream, accepted...)
		errs = append(errs, err)
		if err == nil || r.noted(ctx, m.Stream, func(m Mark) bool { return !slices.ContainsFunc(accepted, m.Lacks) }) {
			r.count(Summary{Missing: published, Republished: published, Abandoned: l.abandoned.events()})
		}
	}
	if len(refused) > 0 {
		err := r.Index.Refused(ctx, m.Stream, refused...)
		errs = append(errs, err)
		if err == nil || r.noted(
			ctx, m.Stream, func(m Mark) bool { return len(Spans(refused).Minus(m.Refused...)) == 0 },
		) {
			r.count(Summary{Unpublishable: refusals})
		}
	}
	return errors.Join(errs...)
}

// noted reports whether a stream's mark says so, though the answer to noting it was an error. Where
// the mark can't be read either it is true: an alarm had better go off twice than never.
func (r *run) noted(ctx context.Context, stream es.StreamID, says func(Mark) bool) bool {
	m, err := r.Index.Mark(ctx, stream)
	return err != nil || says(m)
}

// publish leaves time for the marks.
func (r *run) publish(ctx context.Context, commits []es.StoredCommit) []error {
	ctx, cancel := before(ctx, markMax)
	defer cancel()
	return Guarded(r.Publish)(ctx, commits)
}

// missing loads what a stream lacks, from its newest event back, up to what was decided before the
// horizon or is known to be published.
func (r *run) missing(ctx context.Context, m Mark) (lost, error) {
	var l lost
	var unread Spans
	gaps, reached, newer := m.Missing(), m.Seen+1, m.SeenAt
	// The store gives nothing beyond a commit that it can't read. How many versions that one has
	// shows where the store can be read again.
	for through := m.Seen; through > m.Published; through = min(through, reached-1) - 1 {
		var failed error
		for c, err := range r.Commits.Commits(
			ctx, m.Stream, es.Range{After: m.Published, Through: through, Backwards: true},
		) {
			if failed = err; err != nil {
				break
			}
			if c.Last()+1 < reached {
				unread = unread.Add(Span{c.Last() + 1, reached - 1})
			}
			done := false
			switch {
			case c.Time.Before(r.horizon):
				l.older = max(l.older, c.Last())
				// Nobody knows what was published before there were marks, or before the stream's
				// mark was deleted for its age.
				if done = c.Time.Before(r.state.Since) || newer.Sub(c.Time) > MaxAge; !done && gaps.Meets(Of(c)) {
					l.abandoned = l.abandoned.Add(Of(c))
				}
			case gaps.Meets(Of(c)) && !met(c, m).After(r.now.Add(-r.Settle)):
				l.commits = append(l.commits, c)
				done = r.take() // the rest is still missing in the next audit
			}
			if reached, newer = c.First, c.Time; done {
				l.rest = gaps.And(unread)
				return l, nil
			}
		}
		if failed == nil {
			break
		}
		if !poison.Is(failed) {
			return l, failed
		}
		l.corrupt = failed
	}
	if l.corrupt != nil && reached > m.Published+1 {
		unread = unread.Add(Span{m.Published + 1, reached - 1})
	}
	l.rest = gaps.And(unread)
	return l, nil
}

// met is when a commit was there at the latest: when it says that it was decided, or when the other
// consumer met the newest version of its stream. The first is the word of whichever machine decided
// it, and one that is dated ahead must not hide that it is lost.
func met(c es.StoredCommit, m Mark) time.Time {
	if !m.SeenAt.IsZero() && m.SeenAt.Before(c.Time) {
		return m.SeenAt
	}
	return c.Time
}

// take counts a commit that is published again, and reports whether it was the last one for this
// audit.
func (r *run) take() (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits++
	return r.commits >= MaxCommits
}

// count adds streams that were looked at, and events by what became of them.
func (r *run) count(more Summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Streams += more.Streams
	r.summary.Missing += more.Missing
	r.summary.Republished += more.Republished
	r.summary.Unpublishable += more.Unpublishable
	r.summary.Abandoned += more.Abandoned
}
