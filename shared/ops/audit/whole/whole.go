// Package whole looks for events that were stored and never published by reading the whole store,
// and publishes them.
//
// The audit of package audit compares the two sides of the journal with each other, and doesn't
// find what both consumers have missed: a time in which the events' stream was not read until its
// records were gone. Here each commit is compared with the journal. It is for a person, after such
// a time: it reads all there is.
//
// Effects come in this order: publish, note that, bring the views up to date, note that, note the
// page. So a run that ends anywhere, killed too, goes on when it is run again, leaves out nothing,
// and publishes at most what each part was at a second time, with the ids that it had.
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
)

// Pace holds the publishing back; a *rate.Limiter is one.
type Pace interface {
	WaitN(ctx context.Context, n int) error
}

// Noted is the journal that a store is compared with.
type Noted interface {
	audit.Reader
	audit.Writer
}

// Whole is one comparison of a store with its journal.
type Whole struct {
	Source  Source
	Noted   Noted
	Earlier audit.Positions
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
	book *audit.Book
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
	w.book = audit.NewBook(w.Noted, w.Clock, audit.OnBus, audit.InViews)
	if err := w.book.Cover(ctx, w.from); err != nil {
		return w.State.Report, fmt.Errorf("audit: read the journal: %w", err)
	}
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
	if err == nil {
		var part Report
		for _, unreadable := range w.book.Unreadable() {
			part.find(Finding{Kind: Unreadable, Detail: unreadable.Error()})
		}
		w.State.add(part)
	}
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

// suspects are the commits with which something is the matter, stream by stream and in order. What
// was read before says of which streams to ask again.
func (w *Whole) suspects(ctx context.Context, streams map[es.StreamID][]es.StoredCommit) (all []*suspect, err error) {
	var names []es.StreamID
	for _, stream := range slices.Sorted(maps.Keys(streams)) {
		if len(w.judged(stream, streams[stream])) > 0 {
			names = append(names, stream)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	if err := w.book.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("audit: read the journal: %w", err)
	}
	earlier, err := w.Earlier.Positions(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, stream := range names {
		p := earlier[stream]
		if p.Err != nil {
			all = append(all, &suspect{Finding: Finding{Kind: Unreadable, Stream: stream, Detail: p.Err.Error()}})
			continue
		}
		w.book.AddPosition(stream, p)
		all = append(all, w.judged(stream, streams[stream])...)
	}
	return all, nil
}

// judged compares a stream's commits with the journal.
func (w *Whole) judged(stream es.StreamID, commits []es.StoredCommit) (suspects []*suspect) {
	slices.SortFunc(commits, func(a, b es.StoredCommit) int { return cmp.Compare(a.First, b.First) })
	settled, refused, newest := w.book.Settled(stream), w.book.Refused(stream), w.book.Newest(stream)
	for _, c := range commits {
		s := &suspect{
			Finding: Finding{Stream: c.Stream, First: c.First, Events: len(c.Events), Time: c.Time}, commit: c,
			unseen: c.Last() > newest,
		}
		switch lacks := !settled.Has(audit.Of(c)); {
		case refused.Meets(audit.Of(c)):
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

// publish publishes what is not on the bus, and notes it, batch by batch. What the bus doesn't take
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
		accepted, refused := audit.Versions{}, audit.Versions{}
		results := audit.Guarded(w.Publish)(ctx, commits)
		var failed []error
		for i, s := range batch {
			switch {
			case audit.Passed(results, i):
				accepted[s.Stream] = accepted[s.Stream].Add(audit.Of(s.commit))
				s.Mended = true
				part.Republished += int64(s.Events)
			case poison.Is(results[i]):
				refused[s.Stream] = refused[s.Stream].Add(audit.Of(s.commit))
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
		// What was accepted is noted although the rest of the batch was not: it need not be
		// published again.
		ended = errors.Join(ended, w.noted(ctx, audit.Published, accepted), w.noted(ctx, audit.Refused, refused))
		if ended != nil {
			return ended
		}
	}
	return nil
}

// noted writes a note.
func (w *Whole) noted(ctx context.Context, kind audit.Kind, versions audit.Versions) error {
	if len(versions) == 0 {
		return nil
	}
	return w.Noted.Write(ctx, audit.Note{Kind: kind, At: w.Clock.Now(), Versions: versions})
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
		var met audit.Spans
		for _, s := range missed[stream] {
			met = met.Add(audit.Of(s.commit))
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
		if err := w.noted(ctx, audit.Seen, audit.Versions{stream: met}); err != nil {
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
