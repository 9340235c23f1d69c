package view

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// Folder folds events into rows.
type Folder struct {
	Store    es.Store
	Registry *es.Registry
	Rows     Rows
	Clock    clock.Clock
}

// Change is a row that events are folded into.
type Change struct {
	View       View
	Generation Generation
	Stream     es.StreamID
	// Events of the stream, in any order, some perhaps twice or missing: what the row lacks besides
	// is read from the store. Without any, all that the store has.
	Events []es.Recorded
	// Old is the row as it was read, or as it most likely is: nil to have it read first.
	Old *Item
}

// Folded is what became of a Change.
type Folded struct {
	Events []es.Recorded // that were folded; none where the row had them already, or after an error
	Err    error
}

// Apply carries out changes of different rows together, and returns one result for each. A conflict
// means that another writer was faster: the row is read again, and may then be where it should be.
// So it may after a write of Apply's own whose answer was lost, which the row's Writers tell: what
// that write folded is returned.
func (f Folder) Apply(ctx context.Context, changes ...Change) []Folded {
	all := make([]*pending, len(changes))
	for i, c := range changes {
		all[i] = &pending{Change: c, writer: token()}
	}
	open := slices.Clone(all)
	err := es.RetryConflicts(ctx, f.Clock, func(ctx context.Context) error {
		if err := f.try(ctx, open); err != nil {
			return err
		}
		open = slices.DeleteFunc(open, func(p *pending) bool { return !errors.Is(p.err, es.ErrConflict) })
		if len(open) > 0 {
			return open[0].err
		}
		return nil
	})
	if err != nil && !errors.Is(err, es.ErrConflict) { // nothing could be read
		for _, p := range open {
			p.err = err
		}
	}
	results := make([]Folded, len(all))
	for i, p := range all {
		if results[i].Err = p.err; p.err == nil {
			results[i].Events = p.folded
		}
	}
	return results
}

// pending is a change under way.
type pending struct {
	Change
	writer string // names its writes
	folded []es.Recorded
	err    error
}

func (p *pending) place() Place { return Place{Generation: p.Generation, ID: p.Stream.ID()} }

// try carries out what is open, once. The error is that nothing could be read; any other is that of
// the change.
func (f Folder) try(ctx context.Context, open []*pending) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	unread := slices.DeleteFunc(slices.Clone(open), func(p *pending) bool { return p.Old != nil })
	looked, err := f.look(ctx, unread)
	if err != nil {
		return err
	}
	for i, p := range unread {
		p.Old, p.err = &looked[i].Row, looked[i].Err
	}
	var writes []Write
	var written []*pending
	for _, p := range open {
		old := p.Old
		p.Old = nil // whatever comes of it, it is read before it is tried again
		if p.err != nil || slices.Contains(old.Writers, p.writer) {
			continue
		}
		write, err := f.write(ctx, p, *old)
		if p.err = err; err == nil && len(p.folded) > 0 {
			writes, written = append(writes, write), append(written, p)
		}
	}
	if len(writes) == 0 {
		return nil
	}
	for i, err := range f.Rows.Put(ctx, writes...) {
		written[i].err = err
	}
	f.settle(ctx, written)
	return nil
}

func (f Folder) look(ctx context.Context, of []*pending) ([]Looked, error) {
	if len(of) == 0 {
		return nil, nil
	}
	places := make([]Place, len(of))
	for i, p := range of {
		places[i] = p.place()
	}
	_, looked, err := f.Rows.Look(ctx, nil, places)
	return looked, err
}

// settle finds out which of the writes that failed were carried out all the same: their rows name
// them.
func (f Folder) settle(ctx context.Context, written []*pending) {
	unclear := slices.DeleteFunc(slices.Clone(written), func(p *pending) bool {
		return p.err == nil || errors.Is(p.err, es.ErrConflict)
	})
	looked, err := f.look(ctx, unclear)
	if err != nil {
		return
	}
	for i, p := range unclear {
		if looked[i].Err == nil && slices.Contains(looked[i].Row.Writers, p.writer) {
			p.err = nil
		}
	}
}

// token tells one write from all others, by 65 random bits.
func token() string { return rand.Text()[:13] }

// write makes the write of what is to be folded into a row; without any there is none.
func (f Folder) write(ctx context.Context, p *pending, old Item) (Write, error) {
	var err error
	if p.folded, err = f.missing(ctx, p.Stream, old.Sequence, p.Events); err != nil || len(p.folded) == 0 {
		return Write{}, err
	}
	next, before, after, err := p.View.change(old, p.folded)
	if err != nil {
		return Write{}, err
	}
	next.Writers = append([]string{p.writer}, old.Writers[:min(len(old.Writers), MaxWriters-1)]...)
	if n := max(len(before), len(after)); n > MaxTallies {
		return Write{}, fmt.Errorf(
			"view %s: row %s adds to %d tallies, and may to %d", p.View.name, old.ID, n, MaxTallies,
		)
	}
	return Write{
		Generation: p.Generation, Old: old.Sequence, Next: next, Differences: Difference(before, after),
	}, nil
}

// missing gives the events above version at: the given ones where they follow on it without a gap,
// else the store's, which has them too.
func (f Folder) missing(
	ctx context.Context, stream es.StreamID, at int64, events []es.Recorded,
) ([]es.Recorded, error) {
	above := slices.DeleteFunc(slices.Clone(events), func(e es.Recorded) bool { return e.Version <= at })
	slices.SortStableFunc(above, func(a, b es.Recorded) int { return cmp.Compare(a.Version, b.Version) })
	above = slices.CompactFunc(above, func(a, b es.Recorded) bool { return a.Version == b.Version })
	n := int64(len(above))
	if n == 0 && len(events) > 0 || n > 0 && above[n-1].Version == at+n {
		return above, nil
	}
	history, err := f.Store.Load(ctx, stream, at)
	if err != nil {
		return nil, err
	}
	if n > 0 && history.Head.Version() < above[n-1].Version {
		return nil, fmt.Errorf(
			"%w: the store ends at version %d, before %s", es.ErrCorrupt, history.Head.Version(), above[n-1].ID(),
		)
	}
	return history.Events, nil
}
