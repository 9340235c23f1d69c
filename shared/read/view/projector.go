package view

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// WriterGrace is how long a projector may go on writing to a generation after it has read that
// there is such a one: longer than a function that runs a projector has (shared/archtest compares).
// Only then is what is left of a retired generation deleted.
const WriterGrace = 40 * time.Second

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
}

// NewProjector makes a projector of views that reads what it missed from store. observe takes the
// lag of each view that a batch has changed; it may be nil.
func NewProjector(store es.Store, table Projection, c clock.Clock, observe func(Lag), views ...View) *Projector {
	p := &Projector{
		folder: Folder{Store: store, Rows: table, Clock: c}, table: table, observe: observe, views: map[string][]View{},
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
// is what a rebuild counts on. It writes one checkpoint a view that has changed; that it can't be
// written fails no commit.
func (p *Projector) HandleBatch(ctx context.Context, commits []es.StoredCommit) []error {
	results, lags := make([]error, len(commits)), map[string]*batchLag{}
	var controls map[string]Control
	var unread error // why nobody knows which generations there are
	for i, c := range commits {
		if !p.Needs(c) {
			continue
		}
		if controls == nil && unread == nil {
			if controls, unread = p.table.Controls(ctx); unread != nil {
				unread = fmt.Errorf("read the views' generations: %w", unread)
			}
		}
		if results[i] = cmp.Or(unread, ctx.Err()); results[i] == nil {
			results[i] = p.handle(ctx, controls, p.views[c.Stream.Category()], c, lags)
		}
	}
	p.report(ctx, lags)
	return results
}

// CatchUp folds everything that the store has of a stream and its rows have not. It is the repair
// for a commit that never came.
func (p *Projector) CatchUp(ctx context.Context, stream es.StreamID) error {
	if len(p.views[stream.Category()]) == 0 {
		return nil
	}
	controls, err := p.table.Controls(ctx)
	if err != nil {
		return fmt.Errorf("read the views' generations: %w", err)
	}
	return p.apply(ctx, controls, p.views[stream.Category()], stream, nil, map[string]*batchLag{})
}

func (p *Projector) handle(
	ctx context.Context, controls map[string]Control, views []View, c es.StoredCommit, lags map[string]*batchLag,
) error {
	events, err := p.folder.Registry.DecodeCommit(c, 0)
	if err != nil {
		return err
	}
	return p.apply(ctx, controls, views, c.Stream, events, lags)
}

// apply brings a stream's row up to date in each view and generation. One that fails keeps back no
// other.
func (p *Projector) apply(
	ctx context.Context, controls map[string]Control, views []View, stream es.StreamID, events []es.Recorded,
	lags map[string]*batchLag,
) error {
	var errs []error
	for _, v := range views {
		control := controls[v.name]
		control.View = v.name
		for _, g := range control.Live() {
			folded, err := p.folder.Apply(ctx, v, g, stream, events)
			if err != nil {
				errs = append(errs, fmt.Errorf("view %s, generation %d, %s: %w", v.name, g.Number, stream, err))
				continue
			}
			if g == control.ServingGeneration() && len(folded) > 0 {
				lag := lags[v.name]
				if lag == nil {
					lag = &batchLag{}
					lags[v.name] = lag
				}
				lag.add(p.folder.Clock.Now(), folded)
			}
		}
	}
	return errors.Join(errs...)
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

func (p *Projector) report(ctx context.Context, lags map[string]*batchLag) {
	for name, l := range lags {
		c := Checkpoint{Newest: l.newest, Events: l.events, Lag: l.age, At: l.at}
		if err := p.table.Advance(ctx, name, token(), c); err != nil {
			slog.WarnContext(ctx, "checkpoint of a view not written", "view", name, "error", err.Error())
		}
		if p.observe != nil {
			p.observe(Lag{View: name, Age: l.age, Events: l.events})
		}
	}
}

// Folder folds events into rows of one generation at a time.
type Folder struct {
	Store    es.Store
	Registry *es.Registry
	Rows     Rows
	Clock    clock.Clock
}

// Apply folds the events of one stream that are given, in order, into its row, with all that the
// row lacks before them; without any, all that the store has. It returns what it folded: nothing
// where the row had it already. A conflict means that another writer was faster: the row is read
// again, and may then be where it should be. So it may after a write of Apply's own whose answer
// was lost, which the row's Writers tell: what that write folded is returned.
func (f Folder) Apply(
	ctx context.Context, v View, g Generation, stream es.StreamID, events []es.Recorded,
) (folded []es.Recorded, err error) {
	writer := token()
	err = es.RetryConflicts(ctx, f.Clock, func(ctx context.Context) error {
		old, err := f.Rows.Row(ctx, g, stream.ID())
		if err != nil || slices.Contains(old.Writers, writer) {
			return err
		}
		folded, err = f.pending(ctx, stream, old.Sequence, events)
		if err != nil || len(folded) == 0 {
			return err
		}
		err = f.put(ctx, v, g, writer, old, folded)
		if err != nil && !errors.Is(err, es.ErrConflict) && f.wrote(ctx, g, stream.ID(), writer) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return folded, nil
}

// wrote reports whether a row is known to have a write. A request that failed may have been carried
// out.
func (f Folder) wrote(ctx context.Context, g Generation, id, writer string) bool {
	row, err := f.Rows.Row(ctx, g, id)
	return err == nil && slices.Contains(row.Writers, writer)
}

// token tells one write from all others, by 65 random bits.
func token() string { return rand.Text()[:13] }

// ApplyNew is Apply for a stream that most likely has no row yet: where the events begin with the
// stream's first, it writes without reading before. A row that is there after all costs the write
// that was refused.
func (f Folder) ApplyNew(
	ctx context.Context, v View, g Generation, stream es.StreamID, events []es.Recorded,
) (folded []es.Recorded, err error) {
	if len(events) > 0 && events[0].Version == 1 {
		if err := f.put(ctx, v, g, token(), Item{ID: stream.ID()}, events); !errors.Is(err, es.ErrConflict) {
			return events, err
		}
	}
	return f.Apply(ctx, v, g, stream, events)
}

func (f Folder) put(ctx context.Context, v View, g Generation, writer string, old Item, events []es.Recorded) error {
	next, err := v.fold(old, events)
	if err != nil {
		return err
	}
	next.Writers = append([]string{writer}, old.Writers[:min(len(old.Writers), MaxWriters-1)]...)
	before, err := v.tallies(old)
	if err != nil {
		return err
	}
	after, err := v.tallies(next)
	if err != nil {
		return err
	}
	if n := max(len(before), len(after)); n > MaxTallies {
		return fmt.Errorf("view %s: row %s adds to %d tallies, and may to %d", v.name, old.ID, n, MaxTallies)
	}
	return f.Rows.Put(ctx, g, old.Sequence, next, Difference(before, after))
}

// pending gives the events above version at: the given ones where they follow on it, else the
// store's, which has them too.
func (f Folder) pending(
	ctx context.Context, stream es.StreamID, at int64, events []es.Recorded,
) ([]es.Recorded, error) {
	if n := len(events); n > 0 && events[n-1].Version <= at {
		return nil, nil
	}
	if len(events) > 0 && events[0].Version <= at+1 {
		return events[at+1-events[0].Version:], nil
	}
	history, err := f.Store.Load(ctx, stream, at)
	if err != nil {
		return nil, err
	}
	if n := len(events); n > 0 && history.Head.Version() < events[n-1].Version {
		return nil, fmt.Errorf(
			"%w: the store ends at version %d, before %s", es.ErrCorrupt, history.Head.Version(), events[n-1].ID(),
		)
	}
	return history.Events, nil
}
