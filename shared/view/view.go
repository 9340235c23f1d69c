// Package view keeps read models exact: each event of a stream is folded into the stream's row once, in order, whatever order it is delivered in,
// and however often.
//
// A row holds the version of the last event that is folded into it. A commit that comes is compared with it: not above, and it is done; next, and it
// is applied; further, and the events between are read from the store and applied with it. So a commit that was parked in a dead letter never holes a row,
// and bringing a row up to date needs no more than its stream's name.
//
// A further view is a package of its own with a row and its fold, a Rows for it, and one Of at the projector.
package view

import (
	"context"
	"fmt"

	"orderflow/shared/clock"
	"orderflow/shared/es"
)

// Row is what a view keeps of a stream.
type Row interface {
	// At is the version of the last event that is folded in, 0 for a stream of which there is none.
	At() int64
}

// Rows keeps the rows of a view.
type Rows[R Row] interface {
	// Get reads the row of a stream's id, consistent with every Put that was answered before. The zero row where there is none.
	Get(ctx context.Context, id string) (R, error)
	// Put writes next in place of old, together with everything else that depends on the difference, all or none. It is an es.ErrConflict, and
	// nothing is written, where the row is not at old's version any more or somebody else is writing.
	Put(ctx context.Context, id string, old, next R) error
}

// View is a read model that the projector keeps.
type View interface {
	category() string
	apply(ctx context.Context, p *Projector, stream es.StreamID, events []es.Recorded) error
}

// Of makes a view of the streams of a category: a row a stream, folded with evolve, which also takes over the event's version. evolve is pure and never fails.
func Of[R Row](category string, evolve func(R, es.Recorded) R, rows Rows[R]) View {
	return fold[R]{streams: category, evolve: evolve, rows: rows}
}

// Projector keeps views up to date. It is safe for concurrent use, also by many processes.
type Projector struct {
	store    es.Store
	registry *es.Registry
	clock    clock.Clock
	views    map[string][]View
}

// New makes a projector that reads what it missed from store and knows the event types of registry.
func New(store es.Store, registry *es.Registry, c clock.Clock, views ...View) *Projector {
	p := &Projector{store: store, registry: registry, clock: c, views: map[string][]View{}}
	for _, v := range views {
		p.views[v.category()] = append(p.views[v.category()], v)
	}
	return p
}

// Handle folds a commit into every view of its category; a commit of another category is nobody's and costs nothing. The error is an es.ErrCorrupt or
// *es.UnknownTypeError where the commit, or one that was missed before it, can't be read; any other may pass when the commit comes again.
func (p *Projector) Handle(ctx context.Context, commit es.StoredCommit) error {
	views := p.views[commit.Stream.Category()]
	if len(views) == 0 {
		return nil
	}
	events, err := p.registry.DecodeCommit(commit, 0)
	if err != nil {
		return err
	}
	return p.applyAll(ctx, views, commit.Stream, events)
}

// CatchUp folds everything that the store has of a stream and its rows have not. It is the repair for a commit that never came.
func (p *Projector) CatchUp(ctx context.Context, stream es.StreamID) error {
	return p.applyAll(ctx, p.views[stream.Category()], stream, nil)
}

func (p *Projector) applyAll(ctx context.Context, views []View, stream es.StreamID, events []es.Recorded) error {
	for _, v := range views {
		if err := v.apply(ctx, p, stream, events); err != nil {
			return fmt.Errorf("view of %s: %w", stream, err)
		}
	}
	return nil
}

type fold[R Row] struct {
	streams string
	evolve  func(R, es.Recorded) R
	rows    Rows[R]
}

func (f fold[R]) category() string { return f.streams }

// apply folds the events of one commit, or with none all that the store has, into the stream's row. A conflict means that another projector was faster:
// the row is read again, and may then be where it should be.
func (f fold[R]) apply(ctx context.Context, p *Projector, stream es.StreamID, events []es.Recorded) error {
	return es.RetryConflicts(ctx, p.clock, func(ctx context.Context) error {
		old, err := f.rows.Get(ctx, stream.ID())
		if err != nil {
			return err
		}
		pending, err := f.pending(ctx, p.store, stream, old.At(), events)
		if err != nil || len(pending) == 0 {
			return err
		}
		next := old
		for _, e := range pending {
			if e.Version != next.At()+1 {
				return fmt.Errorf("%w: %s is not the event after version %d", es.ErrCorrupt, e.ID(), next.At())
			}
			next = f.evolve(next, e)
		}
		return f.rows.Put(ctx, stream.ID(), old, next)
	})
}

// pending gives the events above version at: the commit's own where they follow on it, else the store's, which has the commit too.
func (f fold[R]) pending(ctx context.Context, store es.Store, stream es.StreamID, at int64, events []es.Recorded) ([]es.Recorded, error) {
	if n := len(events); n > 0 && events[n-1].Version <= at {
		return nil, nil
	}
	if len(events) > 0 && events[0].Version <= at+1 {
		return events[at+1-events[0].Version:], nil
	}
	history, err := store.Load(ctx, stream, at)
	if err != nil {
		return nil, err
	}
	if n := len(events); n > 0 && history.Head.Version() < events[n-1].Version {
		return nil, fmt.Errorf("%w: the store ends at version %d, before %s", es.ErrCorrupt, history.Head.Version(), events[n-1].ID())
	}
	return history.Events, nil
}
