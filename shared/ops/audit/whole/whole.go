// Package whole looks for events that were stored and never published by reading the whole store,
// and publishes them.
//
// The audit of package audit compares the marks of two consumers with each other, and doesn't find
// what both have missed: a time in which the events' stream was not read until its records were
// gone. Here each commit is compared with the marks of its stream. It is for a person, after such a
// time: it reads all there is.
//
// Effects come in this order: publish, mark, bring the views up to date, mark that, note the page.
// So a run that ends anywhere, killed too, goes on when it is run again, leaves out nothing, and
// publishes at most what each part was at a second time, with the ids that it had.
package whole

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/resume"
)

const (
	// MaxBatch is the most commits that are published at once, and so what a Pace has to allow at
	// once.
	MaxBatch = 100
	// MaxFindings is how many findings a Report lists. All are counted.
	MaxFindings = 1000
	// readers is how many marks of a page are read side by side.
	readers = 8
)

// Marks keeps the marks. Its writes come in any order, any number of times, and beside those of the
// consumers and of the audit.
type Marks interface {
	audit.Marks
	// Marks gives those of the streams' marks that there are; they may be seconds old. Those that
	// can't be read are an audit.ErrUnreadable that comes with the others.
	Marks(ctx context.Context, streams []es.StreamID) (map[es.StreamID]audit.Mark, error)
	// Mark gives the mark of a stream as it is. One that can't be read is an audit.ErrUnreadable.
	Mark(ctx context.Context, stream es.StreamID) (audit.Mark, error)
	// Refused notes what can never be published.
	Refused(ctx context.Context, stream es.StreamID, spans ...audit.Span) error
}

// Pace holds the publishing back; a *rate.Limiter is one.
type Pace interface {
	WaitN(ctx context.Context, n int) error
}

// Whole is one comparison of a store with its marks.
type Whole struct {
	Source  Source
	Marks   Marks
	Clock   clock.Clock
	State   State // where it stands
	Journal Journal
	// Publish, CatchUp and Pace are needed where what is found is to be mended. CatchUp brings the
	// views up to date with all of a stream.
	Publish audit.Handle
	CatchUp func(ctx context.Context, stream es.StreamID) error
	Pace    Pace
	// Progress, if it is not nil, is told how far it has come after each page. Its calls don't
	// overlap.
	Progress func(Report)

	mu   sync.Mutex
	from time.Time // commits before it are not judged
}

// Run compares what is left to be compared, and with Republish mends what it finds. The Report has
// what was found, from the beginning, in the pages that were noted. Of one that ended in between it
// has what was left when that page was read again, and nothing of what had been mended. After an
// error, run again with the State that the Journal kept.
func (w *Whole) Run(ctx context.Context) (Report, error) {
	if got, want := len(w.State.Segments), w.Source.Segments(); got != want {
		return w.State.Report, fmt.Errorf("audit: the state has %d segments, the source %d", got, want)
	}
	w.from = audit.Horizon(w.State.From, w.Clock.Now()) // it may have begun days ago
	g, ctx := errgroup.WithContext(ctx)
	for segment, at := range slices.Clone(w.State.Segments) {
		if at.Done {
			continue
		}
		g.Go(func() error {
			for page, err := range w.Source.Pages(ctx, segment, at.Next) {
				if err != nil {
					return fmt.Errorf("audit: read segment %d: %w", segment, err)
				}
				part, err := w.page(ctx, page)
				if err != nil {
					return err
				}
				if err := w.note(segment, page.Next, part); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	slices.SortFunc(w.State.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.First, b.First), cmp.Compare(a.Detail, b.Detail))
	})
	return w.State.Report, err
}

// suspect is a commit with which something is the matter.
type suspect struct {
	Finding
	commit es.StoredCommit
	unseen bool // by the consumer that keeps the views
}

// page judges the commits of a page and mends what it finds. After an error nothing of the page
// counts.
func (w *Whole) page(ctx context.Context, page Page) (Report, error) {
	part := Report{Commits: int64(len(page.Commits) + len(page.Corrupt))}
	streams := map[es.StreamID][]es.StoredCommit{}
	for _, c := range page.Commits {
		switch {
		case c.Time.Before(w.State.Asked), !c.Time.Before(w.State.To) && !w.undated(c):
		case c.Time.Before(w.from):
			part.Unjudged++
		default:
			part.Judged++
			streams[c.Stream] = append(streams[c.Stream], c)
		}
	}
	suspects, err := w.suspects(ctx, streams)
	if err != nil {
		return part, err
	}
	if w.State.Arguments.Republish {
		if err := w.publish(ctx, suspects, &part); err != nil {
			return part, err
		}
		if err := w.catchUp(ctx, suspects, &part); err != nil {
			return part, err
		}
	}
	for _, corrupt := range page.Corrupt {
		part.find(Finding{Kind: Unreadable, Detail: corrupt.Error()})
	}
	for _, s := range suspects {
		part.find(s.Finding)
	}
	return part, nil
}

// undated reports whether a commit is dated ahead, where nobody said up to when: it is no younger
// for that, and would be judged in no comparison before.
func (w *Whole) undated(c es.StoredCommit) bool {
	return w.State.Arguments.To == "" && clock.Ahead(c.Time, w.Clock.Now())
}

// suspects are the commits with which something is the matter, stream by stream and in order. Marks
// that may be old say of which streams to read the mark as it is.
func (w *Whole) suspects(ctx context.Context, streams map[es.StreamID][]es.StoredCommit) ([]*suspect, error) {
	names := slices.Sorted(maps.Keys(streams))
	marks, err := w.Marks.Marks(ctx, names)
	if err != nil && !errors.Is(err, audit.ErrUnreadable) {
		return nil, err
	}
	all := make([][]*suspect, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, stream := range names {
		if len(judged(marks[stream], streams[stream])) == 0 {
			continue
		}
		g.Go(func() error {
			m, err := w.Marks.Mark(ctx, stream)
			if errors.Is(err, audit.ErrUnreadable) {
				all[i] = []*suspect{{Finding: Finding{Kind: Unreadable, Stream: stream, Detail: err.Error()}}}
				return nil
			}
			all[i] = judged(m, streams[stream])
			return err
		})
	}
	err = g.Wait()
	return slices.Concat(all...), err
}

// judged compares a stream's commits with its mark.
func judged(m audit.Mark, commits []es.StoredCommit) (suspects []*suspect) {
	slices.SortFunc(commits, func(a, b es.StoredCommit) int { return cmp.Compare(a.First, b.First) })
	for _, c := range commits {
		s := &suspect{
			Finding: Finding{Stream: c.Stream, First: c.First, Events: len(c.Events), Time: c.Time}, commit: c,
			unseen: c.Last() > m.Seen,
		}
		switch lacks := m.Lacks(audit.Of(c)); {
		case m.Refused.Meets(audit.Of(c)):
			s.Kind = Refused
		case lacks && s.unseen:
			s.Kind = Unmarked
		case lacks:
			s.Kind = Unpublished
		case s.unseen:
			s.Kind = Unseen
		default:
			continue
		}
		suspects = append(suspects, s)
	}
	return suspects
}

// publish publishes what is not on the bus, and marks it, batch by batch. What the bus doesn't take
// keeps back no other: it is told of, and left to another run. An error is of a batch of several
// that fails altogether, as in an outage, or of a run that is interrupted.
func (w *Whole) publish(ctx context.Context, suspects []*suspect, part *Report) error {
	lost := slices.DeleteFunc(slices.Clone(suspects), func(s *suspect) bool {
		return s.Kind == Unseen || s.Kind == Unreadable || s.Kind == Refused && !w.State.Arguments.Refused
	})
	for batch := range slices.Chunk(lost, MaxBatch) {
		if err := w.Pace.WaitN(ctx, len(batch)); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		commits := make([]es.StoredCommit, len(batch))
		for i, s := range batch {
			commits[i] = s.commit
		}
		accepted, refused := map[es.StreamID][]audit.Span{}, map[es.StreamID][]audit.Span{}
		results := audit.Guarded(w.Publish)(ctx, commits)
		var failed []error
		for i, s := range batch {
			switch {
			case audit.Passed(results, i):
				accepted[s.Stream] = append(accepted[s.Stream], audit.Of(s.commit))
				s.Mended = true
				part.Republished += int64(s.Events)
			case poison.Is(results[i]):
				refused[s.Stream] = append(refused[s.Stream], audit.Of(s.commit))
				s.Kind, s.Detail = Refused, results[i].Error()
			default:
				s.Detail = results[i].Error()
				failed = append(failed, fmt.Errorf("audit: publish %s@%d: %w", s.Stream, s.First, results[i]))
			}
		}
		var ended error
		if n := len(failed); n > 0 && (ctx.Err() != nil || n > 1 && n == len(batch)) {
			ended = failed[0]
		}
		// What was accepted is marked although the rest of the batch was not: it need not be
		// published again.
		ended = errors.Join(ended, note(ctx, accepted, w.Marks.Accepted), note(ctx, refused, w.Marks.Refused))
		if ended != nil {
			return ended
		}
	}
	return nil
}

func note(
	ctx context.Context, spans map[es.StreamID][]audit.Span,
	mark func(context.Context, es.StreamID, ...audit.Span) error,
) error {
	for _, stream := range slices.Sorted(maps.Keys(spans)) {
		if err := mark(ctx, stream, spans[stream]...); err != nil {
			return err
		}
	}
	return nil
}

// catchUp brings the views up to date with the streams of which their consumer has missed
// something. One that can't be read is told of, and stays as it is.
func (w *Whole) catchUp(ctx context.Context, suspects []*suspect, part *Report) error {
	missed := map[es.StreamID][]*suspect{}
	for _, s := range suspects {
		if s.unseen {
			missed[s.Stream] = append(missed[s.Stream], s)
		}
	}
	for _, stream := range slices.Sorted(maps.Keys(missed)) {
		err := w.CatchUp(ctx, stream)
		if err != nil && !poison.Is(err) {
			return fmt.Errorf("audit: bring the views up to date with %s: %w", stream, err)
		}
		var newest int64
		for _, s := range missed[stream] {
			newest = max(newest, s.commit.Last())
			switch {
			case err != nil:
				s.Mended, s.Detail = false, err.Error()
			case s.Kind == Unseen:
				s.Mended = true
			}
		}
		if err != nil {
			continue
		}
		part.CaughtUp++
		if err := w.Marks.Seen(ctx, stream, newest); err != nil {
			return err
		}
	}
	return nil
}

// note keeps that a segment has come to next.
func (w *Whole) note(segment int, next string, part Report) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.State.Segments[segment] = resume.Segment{Next: next, Done: next == ""}
	w.State.add(part)
	if w.Progress != nil {
		w.Progress(w.State.Report)
	}
	return w.Journal.Save(w.State)
}
