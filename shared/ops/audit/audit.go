// Package audit looks for events that were stored and never published, and publishes them.
//
// Two consumers read the events' stream, each by itself, and write what they did into a journal,
// one note a batch: publish-events what the bus has accepted, project-views what it has met. An
// audit compares the two sides of the journal. Where a commit was met, is older than the time that
// publishing may take and is not noted as accepted, it is loaded from the store and goes through
// the same publisher as the first time, so that its events have the ids that they had or should
// have had: whoever has taken them already knows them.
//
// A stream has no gaps. So where the version below one that was noted is noted nowhere, the audit
// looks there too: a note that was lost hides nothing for long.
//
// Whether the bus delivers what it accepts is tried with one event of the audit's own a run, a
// canary, which a rule takes to a queue that the audit reads.
//
// What both consumers have missed leaves no note, and is not found here: package whole reads the
// whole store for it.
package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	spans "orderflow/shared/kit/trace"
)

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

// State is where the audit stands. A cycle looks at every stream that was noted from an hour on; it
// may take several runs.
type State struct {
	Since time.Time   `json:"since"`           // commits that are older are not the audit's
	Began time.Time   `json:"began,omitzero"`  // of the cycle under way; zero where none is
	Hour  time.Time   `json:"hour"`            // where the cycle goes on, or the next one begins
	After es.StreamID `json:"after,omitempty"` // in that hour
	// the first hour of the cycle in which something failed; zero where nothing did
	Failed time.Time `json:"failed,omitzero"`
	// Looked says up to when what was noted has shown already where notes are missing below it.
	Looked time.Time `json:"looked,omitzero"`
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
	// notedFor is how old a commit may be of which it is known what was noted: notes of it are
	// deleted for their age later.
	notedFor = Keep - Window
	// Reach is how far ahead of an hour a commit may have been decided that is found by one of its
	// stream that was noted in that hour, where it was noted nowhere itself.
	Reach = 24 * time.Hour
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
	below   = 4 // commits that are read together below what was noted
)

// What is kept back before the deadline. Whatever hangs in one part takes nothing from the next.
const (
	keeping = 3 * time.Second         // for the state, once nothing else is under way
	working = keeping + waits*wait    // and for the canaries' arrival, once nothing is published and noted any more
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
	Journal Journal
	Earlier Positions
	Commits Commits
	Publish Handle // without notes: the audit writes its own
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

// Audit looks at the streams that were noted since the hour in which the cycle before began, less
// Window, and sends a canary. It does as much of that as fits before ctx's deadline and MaxCommits;
// the next audit goes on there. A stream that fails does not hold up the others; the error then
// joins the first ten that failed. Effects come in this order: publish, note that, note how far it
// came. So an audit that ends anywhere repeats something and leaves out nothing.
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
	run := &run{
		Auditor: a, now: now, state: state, horizon: Horizon(state.Since, now),
		book: NewBook(a.Journal, a.Clock, OnBus),
	}
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

// Horizon is the time before whose commits nothing is published again: nothing was noted before
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
	book    *Book // the bus's side

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
	if oldest := hourOf(r.now.Add(-notedFor)); s.Hour.Before(oldest) {
		slog.ErrorContext(ctx, "audit passes over what it has not come to in time", "from", s.Hour, "to", oldest)
		s.Hour, s.After = oldest, ""
	}
	if s.Began.IsZero() {
		s.Began = r.now
	}
	defer func() { r.summary.Behind = int64(r.now.Sub(s.Hour).Seconds()) }()
	for ; !s.Hour.After(hourOf(r.now)); s.Hour, s.After = s.Hour.Add(time.Hour), "" {
		if !r.hour(ctx, ahead) {
			r.summary.Unfinished = true
			return
		}
	}
	for _, err := range r.book.Unreadable() {
		r.failed(ctx, "journal", err)
	}
	s.Hour, s.After, s.Looked = hourOf(s.Began.Add(-Window)), "", s.Began.Add(-r.Settle-clock.Skew)
	if !s.Failed.IsZero() {
		s.Hour, s.Looked = earlier(s.Hour, s.Failed), earlier(s.Looked, s.Failed.Add(-clock.Skew))
	}
	s.Began, s.Failed = time.Time{}, time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (r *run) full(ahead context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ahead.Err() != nil || r.commits >= MaxCommits
}

// trace is what was noted of a stream in an hour, on either side.
type trace struct {
	stream es.StreamID
	notes  []traced
}

// traced are versions of one note.
type traced struct {
	Span
	at time.Time
}

// spans are all versions of the trace.
func (t trace) spans() (all Spans) {
	for _, n := range t.notes {
		all = all.Add(n.Span)
	}
	return all
}

// fresh reports whether any version of a span was noted after that time.
func (t trace) fresh(s Span, after time.Time) bool {
	return slices.ContainsFunc(t.notes, func(n traced) bool { return s.Has(n.Span) && n.at.After(after) })
}

// there is when a commit was there at the latest: when it says that it was decided, or when a
// version of it or one above it was noted. The first is the word of whichever machine decided it,
// and one that is dated ahead must not hide that it is lost.
func (t trace) there(c es.StoredCommit) time.Time {
	at := c.Time
	for _, n := range t.notes {
		if n.Through >= c.First {
			at = earlier(at, n.at)
		}
	}
	return at
}

// traces gives what consumers noted in the state's hour, by stream. A note of what was seen that
// can't be read comes back.
func (r *run) traces(ctx context.Context) ([]trace, error) {
	found := map[es.StreamID][]traced{}
	for _, side := range []Side{InViews, OnBus} {
		for note, err := range r.Journal.Notes(ctx, side, r.state.Hour) {
			switch {
			case errors.Is(err, ErrUnreadable) && side == InViews:
				r.comesBack(ctx, "journal", err)
			case errors.Is(err, ErrUnreadable): // the book has it too
			case err != nil:
				return nil, err
			case note.Kind == Seen || note.Kind == Published:
				for stream, spans := range note.Versions {
					for _, s := range spans {
						found[stream] = append(found[stream], traced{s, note.At})
					}
				}
			}
		}
	}
	all := make([]trace, 0, len(found))
	for _, stream := range slices.Sorted(maps.Keys(found)) {
		all = append(all, trace{stream, found[stream]})
	}
	return all, nil
}

// hour looks at what is left of the state's hour, and reports whether that was all of it.
func (r *run) hour(ctx, ahead context.Context) bool {
	if r.full(ahead) {
		return false
	}
	traces, err := r.traces(ahead)
	if err == nil {
		err = r.book.Cover(ahead, r.state.Hour)
	}
	if err != nil {
		r.failed(ctx, "journal", err)
		return false
	}
	traces = slices.DeleteFunc(traces, func(t trace) bool { return t.stream <= r.state.After })
	for part := range slices.Chunk(traces, page) {
		if err := r.page(ctx, ahead, part); err != nil {
			r.failed(ctx, "journal", err)
			return false
		}
		if r.full(ahead) {
			return false
		}
		r.state.After = part[len(part)-1].stream
	}
	return true
}

// page looks at some streams.
func (r *run) page(ctx, ahead context.Context, traces []trace) error {
	r.count(Summary{Streams: int64(len(traces))})
	suspects := slices.DeleteFunc(slices.Clone(traces), func(t trace) bool { return len(r.suspicious(t)) == 0 })
	if len(suspects) == 0 {
		return nil
	}
	if err := r.book.Refresh(ahead); err != nil { // what they lack may have been published since
		return err
	}
	var group errgroup.Group
	group.SetLimit(workers)
	for _, t := range suspects {
		group.Go(func() error {
			if r.full(ahead) {
				return nil
			}
			if err := guard(func() error { return r.stream(ctx, ahead, t) }); err != nil {
				r.comesBack(ctx, string(t.stream), err)
			}
			return nil
		})
	}
	return group.Wait() // each error is noted
}

// suspicion is a part of a stream to look at: a span that was noted, and what lies below it down to
// a version that is left out. That is the one ahead of the span where nothing is missing below it,
// and else the last of the span that was noted below it in the same hour.
type suspicion struct {
	Span
	after int64
}

// suspicious gives the parts of a stream to look at, the newest first.
func (r *run) suspicious(t trace) (parts []suspicion) {
	settled := r.book.Settled(t.stream)
	spans := t.spans()
	for i, s := range slices.Backward(spans) {
		lower := int64(0)
		if i > 0 {
			lower = spans[i-1].Through
		}
		switch before := s.From - 1; {
		case before > 0 && !settled.Has(Span{before, before}) && t.fresh(s, r.state.Looked):
			parts = append(parts, suspicion{s, lower})
		case !settled.Has(s):
			parts = append(parts, suspicion{s, before})
		}
	}
	return parts
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
	abandoned Spans             // what is too old to be published again
	rest      Spans             // what the store can't read
	corrupt   error             // and why
}

func (l lost) none() bool { return len(l.commits)+len(l.abandoned)+len(l.rest) == 0 }

// without leaves out what is known to be settled.
func (l lost) without(settled Spans) lost {
	l.commits = slices.DeleteFunc(l.commits, func(c es.StoredCommit) bool { return settled.Has(Of(c)) })
	l.abandoned, l.rest = l.abandoned.Minus(settled...), l.rest.Minus(settled...)
	return l
}

// stream looks at a stream, and publishes what it lacks.
func (r *run) stream(ctx, ahead context.Context, t trace) error {
	l, err := r.missing(ctx, t)
	if err != nil || l.none() {
		return err
	}
	earlier, err := r.Earlier.Positions(ctx, []es.StreamID{t.stream})
	if err := errors.Join(err, earlier[t.stream].Err); err != nil {
		return err
	}
	if l = l.without(earlier[t.stream].Settled); l.none() {
		return nil
	}
	var accepted, refused Spans
	var errs []error
	var published, refusals int64 // events
	if len(l.abandoned) > 0 {
		slog.ErrorContext(
			ctx, "lost events are too old to be published", "stream", t.stream, "versions", l.abandoned.String(),
		)
	}
	refuse := func(spans Spans, err error) {
		slog.ErrorContext(
			ctx, "events can't be published", "stream", t.stream, "versions", spans.String(), "error", err.Error(),
		)
		refused, refusals = refused.Add(spans...), refusals+spans.events()
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
				accepted = accepted.Add(Of(c))
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
	for _, n := range []struct {
		kind  Kind
		spans Spans
		count Summary
	}{
		{Published, accepted, Summary{Missing: published, Republished: published}},
		{Refused, refused, Summary{Unpublishable: refusals}},
		{Abandoned, l.abandoned, Summary{Abandoned: l.abandoned.events()}},
	} {
		if len(n.spans) == 0 {
			continue
		}
		noted, err := r.note(ctx, Note{Kind: n.kind, At: r.Clock.Now(), Versions: Versions{t.stream: n.spans}})
		if errs = append(errs, err); noted {
			r.count(n.count)
		}
	}
	return errors.Join(errs...)
}

// note writes a note, and reports whether it is there, though the answer may be an error. Where
// nobody can tell it is true: an alarm had better go off twice than never.
func (r *run) note(ctx context.Context, n Note) (noted bool, err error) {
	if err = r.Journal.Write(ctx, n); err == nil {
		return true, nil
	}
	written, unknown := r.Journal.Written(ctx, n)
	return written || unknown != nil, err
}

// publish leaves time for the notes.
func (r *run) publish(ctx context.Context, commits []es.StoredCommit) []error {
	ctx, cancel := before(ctx, noteMax)
	defer cancel()
	for _, c := range commits {
		spans.Link(ctx, c.Metadata.Traceparent)
	}
	return Guarded(r.Publish)(ctx, commits)
}

// missing loads what a stream lacks, the newest first.
func (r *run) missing(ctx context.Context, t trace) (l lost, err error) {
	for _, part := range r.suspicious(t) {
		var more bool
		if more, err = r.look(ctx, t, part, &l); err != nil || !more {
			break
		}
	}
	return l, err
}

// look loads a part of a stream, from its newest commit back, and adds what is lost. more is false
// where the audit has enough.
func (r *run) look(ctx context.Context, t trace, part suspicion, l *lost) (more bool, err error) {
	var unread Spans
	reached, end, corrupt := part.Through+1, false, false
	// The store gives nothing beyond a commit that it can't read. How many versions that one has
	// shows where the store can be read again.
	for through := part.Through; through > part.after && !end; through = min(through, reached-1) - 1 {
		var failed error
		for c, err := range r.Commits.Commits(ctx, t.stream, es.Range{
			After: part.after, Through: through, Backwards: true, Limit: int(through-part.From) + 1 + below,
		}) {
			if failed = err; err != nil {
				break
			}
			if c.Last()+1 < reached {
				unread = unread.Add(Span{c.Last() + 1, reached - 1})
			}
			reached = c.First
			if end, err = r.judge(ctx, t, part.Span, c, l); err != nil {
				return false, err
			}
			if end {
				break
			}
		}
		if failed == nil {
			break
		}
		if !poison.Is(failed) {
			return false, failed
		}
		l.corrupt, corrupt = failed, true
	}
	if !end && corrupt && reached > part.after+1 {
		unread = unread.Add(Span{part.after + 1, reached - 1})
	}
	l.rest = l.rest.Add(unread.Minus(r.book.Settled(t.stream)...)...)
	return !r.enough(), nil
}

// judge adds a commit of a stream to what is lost if it is, and reports whether that ends the look
// at a span that was noted and at what lies below it.
func (r *run) judge(ctx context.Context, t trace, noted Span, c es.StoredCommit, l *lost) (end bool, err error) {
	found := c.Last() >= noted.From
	switch {
	case !found && c.Time.Before(r.state.Hour.Add(-Reach)):
		return true, nil
	case c.Time.Before(r.state.Since), r.now.Sub(c.Time) > notedFor: // nobody knows any more
		return true, nil
	}
	if err := r.book.Cover(ctx, c.Time); err != nil {
		return false, err
	}
	switch {
	case r.book.Settled(t.stream).Has(Of(c)):
		return !found, nil
	case c.Time.Before(r.horizon):
		l.abandoned = l.abandoned.Add(Of(c))
	case !t.there(c).After(r.now.Add(-r.Settle)):
		l.commits = append(l.commits, c)
		return r.take(), nil // the rest is still missing in the next audit
	}
	return false, nil
}

// take counts a commit that is published again, and reports whether it was the last one for this
// audit.
func (r *run) take() (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits++
	return r.commits >= MaxCommits
}

// enough reports whether this audit has published what it may.
func (r *run) enough() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
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
