package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
)

// WriterGrace is how long a projector may go on writing to a generation after it has read that
// there is such a one: longer than a function that runs a projector has (shared/archtest compares).
// Only then is what is left of a retired generation deleted.
const WriterGrace = 40 * time.Second

// CheckpointEvery is how long a projector collects what it will note in the checkpoints: two
// requests for all views in place of one for each view and batch. What it folded since the last
// time is not noted while nothing else comes to it, and is lost to the count when it ends.
const CheckpointEvery = 10 * time.Second

// Projection is what a projector needs of a table.
type Projection interface {
	Rows
	Controls
	Checkpoints
}

// The metrics of a projector, taken once a view and batch.
const (
	MetricLagSeconds = "ViewLagSeconds" // Lag.Age
	MetricLagEvents  = "ViewLagEvents"  // Lag.Events
)

// Lag says how far a view's serving rows were behind when a batch was folded into them.
type Lag struct {
	View   string
	Age    time.Duration // of the oldest event that they lacked, when it was folded; not below 0, though clocks differ
	Events int64         // that they lacked
}

// Projector keeps views up to date. It is safe for concurrent use, also by many processes.
type Projector struct {
	folder  Folder
	table   Projection
	views   map[string][]View
	observe func(Lag)

	mu      sync.Mutex
	control map[string]Control    // as they were read last: what the next batch most likely finds
	noted   map[string]Checkpoint // what is to be noted
	notedAt time.Time             // when something was last noted; zero: never
}

// NewProjector makes a projector of views that reads what it missed from store. observe takes the
// lag of each view that a batch has changed; it may be nil.
func NewProjector(store es.Store, table Projection, c clock.Clock, observe func(Lag), views ...View) *Projector {
	p := &Projector{
		folder: Folder{Store: store, Rows: table, Clock: c}, table: table, observe: observe, views: map[string][]View{},
		control: map[string]Control{}, noted: map[string]Checkpoint{},
	}
	p.folder.Registry = Registry(views...)
	for _, v := range views {
		p.views[v.category] = append(p.views[v.category], v)
	}
	return p
}

// Needs reports whether there is a view of the commit's category. Without one there is nothing to
// do for it.
func (p *Projector) Needs(c es.StoredCommit) bool { return len(p.views[c.Stream.Category()]) > 0 }

// HandleBatch folds commits into every view of their categories, in all generations that are live,
// and returns one result for each; a commit that it doesn't need costs nothing and passes, whatever
// becomes of the others. An error is an es.ErrCorrupt or *es.UnknownTypeError where the commit, one
// that was missed before it, or the row can't be read; any other may pass when the commit comes
// again.
//
// It reads once which generations there are, which is after it was handed the commits: that order
// is what a rebuild counts on. The rows come with them, by the generations that there were before.
// The commits of a stream are folded together, a write for each of its rows, and the rows of a
// batch are put together.
func (p *Projector) HandleBatch(ctx context.Context, commits []es.StoredCommit) []error {
	results := make([]error, len(commits))
	if streams := p.streams(commits, results); len(streams) > 0 {
		lags := map[string]*batchLag{}
		p.handle(ctx, streams, lags)
		for _, s := range streams {
			for i, of := range s.commits {
				results[of] = s.errs[i]
			}
		}
		p.report(ctx, lags)
	}
	return results
}

// CatchUp folds everything that the store has of a stream and its rows have not. It is the repair
// for a commit that never came.
func (p *Projector) CatchUp(ctx context.Context, stream es.StreamID) error {
	views := p.views[stream.Category()]
	if len(views) == 0 {
		return nil
	}
	s := &batchStream{id: stream, views: views, commits: []int{0}, each: [][]es.Recorded{nil}, errs: make([]error, 1)}
	p.handle(ctx, []*batchStream{s}, map[string]*batchLag{})
	return s.errs[0]
}

// batchStream is what a batch has of one stream.
type batchStream struct {
	id      es.StreamID
	views   []View
	commits []int           // by their places in the batch
	each    [][]es.Recorded // the events of each
	errs    []error         // what becomes of each
}

// streams decodes the commits that are needed, once for all views, and sorts them by their streams.
// What can't be decoded has its result.
func (p *Projector) streams(commits []es.StoredCommit, results []error) []*batchStream {
	var all []*batchStream
	byID := map[es.StreamID]*batchStream{}
	for i, c := range commits {
		if !p.Needs(c) {
			continue
		}
		events, err := p.folder.Registry.DecodeCommit(c, 0)
		if err != nil {
			results[i] = err
			continue
		}
		s := byID[c.Stream]
		if s == nil {
			s = &batchStream{id: c.Stream, views: p.views[c.Stream.Category()]}
			byID[c.Stream], all = s, append(all, s)
		}
		s.commits, s.each, s.errs = append(s.commits, i), append(s.each, events), append(s.errs, nil)
	}
	return all
}

// fail notes an error of all commits of the stream.
func (s *batchStream) fail(err error) {
	for i := range s.errs {
		s.errs[i] = errors.Join(s.errs[i], err)
	}
}

// events are those of all commits.
func (s *batchStream) events() []es.Recorded { return slices.Concat(s.each...) }

// rowOf is a row that a batch's stream is folded into.
type rowOf struct {
	*batchStream
	view    View
	serving bool
	rank    int // 0 for the newest generation of its view
	place   Place
}

// rows are those of streams, by the controls of their views.
func rows(streams []*batchStream, controls map[string]Control) []rowOf {
	var all []rowOf
	for _, s := range streams {
		for _, v := range s.views {
			control := controls[v.name]
			control.View = v.name
			for rank, g := range control.Live() {
				all = append(all, rowOf{
					batchStream: s, view: v, rank: rank, serving: g == control.ServingGeneration(),
					place: Place{Generation: g, ID: s.id.ID()},
				})
			}
		}
	}
	return all
}

// handle folds what a batch has of streams. A row that fails keeps back no other.
func (p *Projector) handle(ctx context.Context, streams []*batchStream, lags map[string]*batchLag) {
	all, looked, err := p.look(ctx, streams)
	if err != nil {
		for _, s := range streams {
			s.fail(fmt.Errorf("read the views' generations and rows: %w", err))
		}
		return
	}
	// The newest generations first: what readers see in the serving one is then in the one being
	// built.
	for rank := 0; len(all) > 0; rank++ {
		var now, later []rowOf
		for _, r := range all {
			if r.rank == rank {
				now = append(now, r)
			} else {
				later = append(later, r)
			}
		}
		p.fold(ctx, now, looked, lags)
		all = later
	}
}

// look reads which generations there are, and the rows of streams in those that are live: in one
// request, unless that has changed since the batch before.
func (p *Projector) look(ctx context.Context, streams []*batchStream) ([]rowOf, map[Place]Looked, error) {
	var names []string
	for _, s := range streams {
		for _, v := range s.views {
			if !slices.Contains(names, v.name) {
				names = append(names, v.name)
			}
		}
	}
	p.mu.Lock()
	guess := rows(streams, p.control)
	p.mu.Unlock()
	places := make([]Place, len(guess))
	for i, r := range guess {
		places[i] = r.place
	}
	controls, looked, err := p.table.Look(ctx, names, places)
	if err != nil {
		return nil, nil, err
	}
	found := map[Place]Looked{}
	for i, place := range places {
		found[place] = looked[i]
	}
	p.mu.Lock()
	maps.Copy(p.control, controls)
	p.mu.Unlock()
	all, others := rows(streams, controls), []Place{}
	for _, r := range all {
		if _, known := found[r.place]; !known {
			others = append(others, r.place)
		}
	}
	if len(others) > 0 {
		if _, looked, err = p.table.Look(ctx, nil, others); err != nil {
			return nil, nil, err
		}
		for i, place := range others {
			found[place] = looked[i]
		}
	}
	return all, found, nil
}

// fold brings rows up to date, with all commits that the batch has of each one's stream together. A
// row that can't be folded so is folded with one commit after the other, to find out whose fault it
// is.
func (p *Projector) fold(ctx context.Context, all []rowOf, looked map[Place]Looked, lags map[string]*batchLag) {
	changes := make([]Change, len(all))
	for i, r := range all {
		changes[i] = Change{View: r.view, Generation: r.place.Generation, Stream: r.id, Events: r.events()}
		if l := looked[r.place]; l.Err == nil {
			changes[i].Old = &l.Row
		}
	}
	for i, folded := range p.folder.Apply(ctx, changes...) {
		r := all[i]
		switch err := p.told(r, folded, lags); {
		case err == nil:
		case len(r.commits) == 1 || !poison.Is(err):
			r.fail(err)
		default:
			for n, events := range r.each {
				changes[i].Events, changes[i].Old = events, nil
				one := p.folder.Apply(ctx, changes[i])[0]
				r.errs[n] = errors.Join(r.errs[n], p.told(r, one, lags))
			}
		}
	}
}

// told notes what was folded into a row, and gives the error with the row's name.
func (p *Projector) told(r rowOf, folded Folded, lags map[string]*batchLag) error {
	if folded.Err != nil {
		return fmt.Errorf("view %s, generation %d, %s: %w", r.view.name, r.place.Generation.Number, r.id, folded.Err)
	}
	if r.serving && len(folded.Events) > 0 {
		lag := lags[r.view.name]
		if lag == nil {
			lag = &batchLag{}
			lags[r.view.name] = lag
		}
		lag.add(p.folder.Clock.Now(), folded.Events)
	}
	return nil
}

// batchLag is what a batch brought to a view.
type batchLag struct {
	age    time.Duration
	events int64
	newest time.Time
	at     time.Time
}

func (l *batchLag) add(now time.Time, folded []es.Recorded) {
	l.at, l.events = now, l.events+int64(len(folded))
	for _, e := range folded {
		l.age = max(l.age, now.Sub(e.Time))
		at := e.Time
		if at.After(now) { // dated by a clock that is ahead: nothing newer would be noted until then
			at = now
		}
		if at.After(l.newest) {
			l.newest = at
		}
	}
}

// report tells what a batch brought, and notes it where it is time to.
func (p *Projector) report(ctx context.Context, lags map[string]*batchLag) {
	for name, l := range lags {
		if p.observe != nil {
			p.observe(Lag{View: name, Age: l.age, Events: l.events})
		}
	}
	if noted := p.due(lags); len(noted) > 0 {
		if err := p.table.Advance(ctx, token(), noted); err != nil {
			slog.WarnContext(ctx, "checkpoint of the views not written", "error", err.Error())
		}
	}
}

// due collects what a batch brought, and gives what is to be noted now.
func (p *Projector) due(lags map[string]*batchLag) map[string]Checkpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, l := range lags {
		p.noted[name] = p.noted[name].Add(Checkpoint{Newest: l.newest, Events: l.events, Lag: l.age, At: l.at})
	}
	now := p.folder.Clock.Now().Round(0) // by the time of day: the process may be frozen meanwhile
	if age := now.Sub(p.notedAt); !p.notedAt.IsZero() && age >= 0 && age < CheckpointEvery {
		return nil
	}
	noted := p.noted
	if len(noted) > 0 {
		p.noted, p.notedAt = map[string]Checkpoint{}, now
	}
	return noted
}
