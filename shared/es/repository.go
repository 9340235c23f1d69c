package es

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"orderflow/shared/clock"
)

// Repository gives the state of one aggregate's streams: the present one, from the newest snapshot and the events since, and past ones.
//
// A Handler recognises a repeated request by its commit among the events, so it reads them all and asks no Repository. What decides on a state
// that comes out of one has to recognise repeats by itself, as an Attempt does by its own stream.
type Repository[S, E any] struct {
	Category string // of the streams
	Initial  func() S
	Evolve   func(S, E) S
	Store    Reader
	Clock    clock.Clock // tells what is settled; what asks for no time of the past needs none

	// Snapshots, Fold and Every are there together, or none is, and then each state is folded from the stream's first event.
	Snapshots Snapshots
	// Fold names what Initial and Evolve do, and its version: "account/2". A snapshot of another Fold is not looked at, so whoever changes the state's type,
	// or what an event does to it, gives it another version. Versions that run side by side keep a snapshot each.
	Fold string
	// Every is after how many events of a stream a snapshot is written.
	Every int64
}

// Snapshot is a state as it was at an end that its stream once had.
type Snapshot struct {
	Head  Head
	Fold  string
	Time  time.Time // of the newest commit that is folded in, in UTC: see Point
	State json.RawMessage
}

// Snapshots keeps the newest snapshot of each stream and fold. They are a shortcut, never the truth: one that is lost costs a replay.
type Snapshots interface {
	// Newest finds the snapshot. One that can't be read is an ErrCorrupt; a store that can't be asked at present is an ErrUnavailable.
	Newest(ctx context.Context, stream StreamID, fold string) (s Snapshot, found bool, err error)
	// Keep puts a snapshot in the place of an older one or of none, and leaves a newer one as it is. A state that is too large is a *LimitError.
	Keep(ctx context.Context, s Snapshot) error
	// Replace puts a snapshot in the place of whatever is there, which was of no use. The errors are Keep's.
	Replace(ctx context.Context, s Snapshot) error
}

// Point is a moment in a stream's life: as of a version, which counts where it is above 0, or else as of a time. The zero Point is now.
//
// As of a time is up to the first commit that is later. The order of a stream is its versions', and clocks may jump back, so a commit counts as no
// older than those before it: what was decided in sight of an event is never there without it.
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

// snapshotWait is how long an answer about a snapshot is waited for: many times what one takes, and a fraction of what a request has.
const snapshotWait = time.Second

// Get gives the present state: with a snapshot for two reads, however long the stream is. A stream without events gives the initial state and a Head of
// version 0. A snapshot that is lost, unreadable, of another fold or not of this stream costs a replay and no more, and so does a table of snapshots
// that does not answer within a second, or is gone: it is Handle that says so. The errors are the store's and Fold's.
func (r Repository[S, E]) Get(ctx context.Context, id string) (Result[S], error) {
	f, head, _, err := r.present(ctx, id)
	return Result[S]{State: f.state, Head: head}, err
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

// Handle writes a snapshot where the commit takes its stream across a multiple of Every; other commits, and those of other streams, cost nothing.
// It is for whatever follows the store's commits, away from the requests. Commits may come in any order and more than once, and one that never comes
// costs a longer replay. The errors are the stores' and Fold's.
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
	f, head, useless, err := r.present(ctx, c.Stream.ID())
	if err != nil {
		return err
	}
	if head.version < c.Last() {
		return fmt.Errorf("%w: %s ends at version %d, before its commit %q", ErrCorrupt, c.Stream, head.version, c.ID)
	}
	state, err := json.Marshal(f.state)
	if err != nil {
		return fmt.Errorf("es: snapshot of %s: %w", c.Stream, err)
	}
	snapshot := Snapshot{Head: head, Fold: r.Fold, Time: f.time, State: state}
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
func (r Repository[S, E]) snapshot(ctx context.Context, stream StreamID) (f folded[S], from Head, useless bool, err error) {
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
