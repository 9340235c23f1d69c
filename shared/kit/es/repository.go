package es

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"orderflow/shared/kit/clock"
)

// Repository gives the state of one aggregate's streams: the present one, from the newest snapshot
// and the events since, and past ones.
//
// A Handler recognises a repeated request by its commit among the events, so it reads them all and
// asks no Repository. What decides on a state that comes out of one has to recognise repeats by
// itself, as an Attempt does by its own stream.
type Repository[S, E any] struct {
	Category string // of the streams
	Initial  func() S
	Evolve   func(S, E) S
	Store    Reader
	Clock    clock.Clock // tells what is settled; what asks for no time of the past needs none

	// Snapshots, Fold and Every are there together, or none is, and then each state is folded from
	// the stream's first event.
	Snapshots Snapshots
	// Fold names what Initial and Evolve do, and its version: "account/2". A snapshot of another
	// Fold is not looked at, so whoever changes the state's type, or what an event does to it,
	// gives it another version. Versions that run side by side keep a snapshot each.
	Fold string
	// Every is after how many events of a stream a snapshot is written.
	Every int64
	// Mends says that Get writes a snapshot where it had to fold far without one, more than
	// farBehind times Every, or as far as it came in its time. It is for whoever may write, and
	// can't do without.
	Mends bool
}

// farBehind is how many snapshots a stream has to lack before a Get writes one.
const farBehind = 10

// Snapshot is a state as it was at an end that its stream once had.
type Snapshot struct {
	Head  Head
	Fold  string
	Time  time.Time // of the newest commit that is folded in, in UTC: see Point
	State json.RawMessage
}

// Snapshots keeps the newest snapshot of each stream and fold. They are a shortcut, never the
// truth: one that is lost costs a replay.
type Snapshots interface {
	// Newest finds the snapshot. One that can't be read is an ErrCorrupt; a store that can't be
	// asked at present is an ErrUnavailable.
	Newest(ctx context.Context, stream StreamID, fold string) (s Snapshot, found bool, err error)
	// Keep puts a snapshot in the place of an older one or of none, and leaves a newer one as it
	// is. A state that is too large is a *LimitError.
	Keep(ctx context.Context, s Snapshot) error
	// Replace puts a snapshot in the place of whatever is there, which was of no use. The errors
	// are Keep's.
	Replace(ctx context.Context, s Snapshot) error
}

// Point is a moment in a stream's life: as of a version, which counts where it is above 0, or else
// as of a time. The zero Point is now.
//
// As of a time is up to the first commit that is later. The order of a stream is its versions', and
// clocks may jump back, so a commit counts as no older than those before it: what was decided in
// sight of an event is never there without it.
type Point struct {
	Version int64
	Time    time.Time
}

// Past is a state as of a Point.
type Past[S any] struct {
	State   S
	Version int64     // of the last event that is folded in, 0 for none
	Time    time.Time // when the stream came to be so, in UTC
}

// snapshotWait is how long an answer about a snapshot is waited for: many times what one takes, and
// a fraction of what a request has.
const snapshotWait = time.Second

// Get gives the present state: with a snapshot for two reads, however long the stream is. A stream
// without events gives the initial state and a Head of version 0. A snapshot that is lost,
// unreadable, of another fold or not of this stream costs a replay and no more, and so does a table
// of snapshots that does not answer within a second, or is gone: it is Handle that says so. The
// errors are the store's and Fold's.
//
// Where it Mends, a stream that is too long for the time that there is costs a few requests that
// end in an ErrUnavailable: each goes on where the one before it came to.
func (r Repository[S, E]) Get(ctx context.Context, id string) (Result[S], error) {
	if r.Mends && r.Snapshots != nil {
		return r.mended(ctx, NewStreamID(r.Category, id))
	}
	f, head, _, err := r.present(ctx, id)
	return Result[S]{State: f.state, Head: head}, err
}

// mended is Get, page by page, and with a snapshot where there was none for long.
func (r Repository[S, E]) mended(ctx context.Context, stream StreamID) (Result[S], error) {
	reading, cancel := threeQuarters(ctx)
	defer cancel()
	f, from, end, useless, err := r.goOn(reading, stream)
	late := err != nil && reading.Err() != nil && ctx.Err() == nil
	if late && end != from || err == nil && end.version-from.version > farBehind*r.Every {
		bounded, cancel := context.WithTimeout(ctx, snapshotWait)
		defer cancel()
		if err := r.keep(bounded, f, end, useless); err != nil && late {
			return Result[S]{State: f.state}, err
		} // else it costs the next one as much as this one
	}
	if late {
		err = fmt.Errorf("%w: %s has more events than could be read: it was folded up to version %d: %w",
			ErrUnavailable, stream, end.version, err)
	}
	if end.version == 0 {
		end = Head{stream: stream}
	}
	return Result[S]{State: f.state, Head: end}, err
}

// AsOf gives the state at a Point. A version beyond the stream's end gives the present state:
// Past.Version says how far it goes. A time that is not settled is ErrNotSettled; the answer to one
// that is stays the same for ever. It folds from the stream's first event, without a snapshot, and
// holds no more than a page of them. The errors are the store's and Fold's.
func (r Repository[S, E]) AsOf(ctx context.Context, id string, p Point) (Past[S], error) {
	if p == (Point{}) {
		f, _, _, err := r.present(ctx, id)
		return f.past(), err
	}
	if !p.Settles().IsZero() {
		if r.Clock == nil {
			return Past[S]{}, errors.New("es: what was so at a time needs a Clock")
		}
		if err := p.settled(r.Clock.Now()); err != nil {
			return Past[S]{}, err
		}
	}
	f := r.initial()
	for e, err := range r.Store.Read(ctx, NewStreamID(r.Category, id), Range{Through: max(p.Version, 0)}) {
		if err != nil {
			return Past[S]{}, err
		}
		if !p.reaches(e.Version, e.Time) {
			break
		}
		if err := add(&f, r.Evolve, e); err != nil {
			return Past[S]{}, err
		}
	}
	return f.past(), nil
}

// Handle writes a snapshot where the commit takes its stream across a multiple of Every; other
// commits, and those of other streams, cost nothing. It is for whatever follows the store's
// commits, away from the requests. Commits may come in any order and more than once, and one that
// never comes costs a longer replay. The errors are the stores' and Fold's.
//
// It goes on from the newest snapshot that there is, page by page. Where three quarters of ctx's
// time are not enough, or something fails on the way, it writes how far it came, and the next one
// goes on from there: so however long a stream is, and however little time there is for it, it
// comes to have its snapshot.
func (r Repository[S, E]) Handle(ctx context.Context, c StoredCommit) error {
	if c.Stream.Category() != r.Category || r.Snapshots == nil {
		return nil
	}
	if r.Every < 1 || r.Fold == "" {
		return fmt.Errorf("es: snapshots of %s need Fold and Every", r.Category)
	}
	if (c.First-1)/r.Every == c.Last()/r.Every {
		return nil
	}
	reading, cancel := threeQuarters(ctx)
	defer cancel()
	f, from, end, useless, err := r.goOn(reading, c.Stream)
	switch {
	case err != nil && reading.Err() != nil && ctx.Err() == nil && end != from:
		err = nil // its time is up, and it came further
	case err == nil && end.version < c.Last():
		err = fmt.Errorf("%w: %s ends at version %d, before its commit %q", ErrCorrupt, c.Stream, end.version, c.ID)
	}
	if end == from {
		return err
	}
	return errors.Join(err, r.keep(ctx, f, end, useless))
}

// goOn folds what came after the newest snapshot, from one Head to another. The state is as of the
// latter, beside an error too. useless says that there is a snapshot of no use.
func (r Repository[S, E]) goOn(ctx context.Context, stream StreamID) (f folded[S], from, end Head, useless bool,
	err error) {
	f, from, useless, err = r.snapshot(ctx, stream)
	if err != nil {
		return f, from, from, useless, err
	}
	end, err = r.advance(ctx, &f, stream, from)
	if errors.Is(err, ErrUnknownHead) {
		f, from, useless = r.initial(), Head{}, true
		end, err = r.advance(ctx, &f, stream, from)
	}
	return f, from, end, useless, err
}

// threeQuarters of the time that ctx has are for reading, so that there is some left for writing.
func threeQuarters(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/4))
}

// advance folds what came after a Head into the state, commit by commit, and gives the Head that it
// came to. The two fit each other beside an error too.
func (r Repository[S, E]) advance(ctx context.Context, f *folded[S], stream StreamID, from Head) (Head, error) {
	end := from
	var commit []Recorded // the one under way: where it ends shows only behind it
	fold := func() error {
		if len(commit) == 0 {
			return nil
		}
		for i := range commit { // before the state has any of them
			if _, ok := commit[i].Data.(E); !ok {
				return alien(commit[i])
			}
		}
		for _, e := range commit {
			if err := add(f, r.Evolve, e); err != nil {
				return err
			}
		}
		end = Head{stream: stream, first: commit[0].Version, version: f.version, commit: commit[0].CommitID}
		commit = commit[:0]
		return nil
	}
	for e, err := range r.Store.Read(ctx, stream, Range{Since: from}) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && len(commit) > 0 && commit[0].CommitID != e.CommitID {
			err = fold()
		}
		if err != nil {
			return end, err
		}
		commit = append(commit, e)
	}
	return end, fold()
}

// keep writes a snapshot, in the place of one that is of no use or of an older one.
func (r Repository[S, E]) keep(ctx context.Context, f folded[S], at Head, useless bool) error {
	state, err := json.Marshal(f.state)
	if err != nil {
		return fmt.Errorf("es: snapshot of %s: %w", at.stream, err)
	}
	snapshot := Snapshot{Head: at, Fold: r.Fold, Time: f.time, State: state}
	if useless {
		return r.Snapshots.Replace(ctx, snapshot)
	}
	return r.Snapshots.Keep(ctx, snapshot)
}

// present folds all that there is. useless says that there is a snapshot of no use.
func (r Repository[S, E]) present(ctx context.Context, id string) (f folded[S], end Head, useless bool, err error) {
	stream := NewStreamID(r.Category, id)
	f, from, useless, err := r.snapshot(ctx, stream)
	if err != nil {
		return f, Head{}, false, err
	}
	var history History
	if from.version > 0 {
		history, err = r.Store.Since(ctx, from)
		if errors.Is(err, ErrUnknownHead) {
			f, from, useless = r.initial(), Head{}, true
		}
	}
	if from.version == 0 {
		history, err = r.Store.Load(ctx, stream, 0)
	}
	if err != nil {
		return f, Head{}, false, err
	}
	for _, e := range history.Events {
		if err := add(&f, r.Evolve, e); err != nil {
			return f, Head{}, false, err
		}
	}
	return f, history.Head, useless, nil
}

// snapshot gives the newest snapshot and its Head, or the initial state and a Head of version 0.
func (r Repository[S, E]) snapshot(ctx context.Context, stream StreamID) (
	f folded[S], from Head, useless bool, err error,
) {
	if r.Snapshots == nil {
		return r.initial(), Head{}, false, nil
	}
	bounded, cancel := context.WithTimeout(ctx, snapshotWait)
	defer cancel()
	s, found, err := r.Snapshots.Newest(bounded, stream, r.Fold)
	switch {
	case ctx.Err() != nil:
		return r.initial(), Head{}, false, ctx.Err()
	case err != nil || !found:
		return r.initial(), Head{}, errors.Is(err, ErrCorrupt), nil
	}
	f = folded[S]{version: s.Head.version, time: s.Time}
	if s.Head.stream != stream || s.Head.version < 1 || s.Fold != r.Fold || json.Unmarshal(s.State, &f.state) != nil {
		return r.initial(), Head{}, true, nil // it costs a replay
	}
	return f, s.Head, false, nil
}

// From is the same repository, which reads from elsewhere: in a plan, from what the plan was given.
func (r Repository[S, E]) From(reader Reader) Repository[S, E] {
	r.Store = reader
	return r
}

func (r Repository[S, E]) initial() folded[S] { return folded[S]{state: r.Initial()} }

// reaches reports whether an event of that version and time is in what was so at the Point.
func (p Point) reaches(version int64, at time.Time) bool {
	if p.Version > 0 {
		return version <= p.Version
	}
	return !at.After(p.Time)
}

// folded is a state on its way through a stream.
type folded[S any] struct {
	state   S
	version int64
	time    time.Time // the newest so far
}

func (f *folded[S]) past() Past[S] { return Past[S]{State: f.state, Version: f.version, Time: f.time} }

func add[S, E any](f *folded[S], evolve func(S, E) S, e Recorded) error {
	state, err := Fold(f.state, evolve, []Recorded{e})
	if err != nil {
		return err
	}
	f.state, f.version = state, e.Version
	if e.Time.After(f.time) {
		f.time = e.Time
	}
	return nil
}
