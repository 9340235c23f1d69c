package audit

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// Kind is what a note says of its commits.
type Kind string

// The kinds of notes.
const (
	Published Kind = "published" // the bus accepted them
	Refused   Kind = "refused"   // they can never be published as they are, though the audit has tried
	Abandoned Kind = "abandoned" // they were never published, and are too old to be published now
	Seen      Kind = "seen"      // the other consumer is done with them: applied, or given up as poison
)

// Side is what a note is about: an audit compares one side with the other.
type Side string

// The sides.
const (
	OnBus   Side = "bus"   // what became of commits on the bus
	InViews Side = "views" // what the consumer that keeps the views has met
)

// Side is the side that notes of the kind are on.
func (k Kind) Side() Side {
	if k == Seen {
		return InViews
	}
	return OnBus
}

// Versions are versions of several streams.
type Versions map[es.StreamID]Spans

// Note is what one consumer, or an audit, found out at once. It is never changed: one that says
// more is written beside it.
type Note struct {
	Kind     Kind
	At       time.Time // when it was written, by the writer's clock
	Versions Versions
}

// Keep is how long a note is kept. It is longer than MaxAge: by then all that it stood for is too
// old to be published again.
const Keep = 35 * 24 * time.Hour

// ErrUnreadable says of a note, or of a position that an earlier release kept, that it can't be
// read.
var ErrUnreadable = errors.New("audit: what was noted can't be read")

// Writer appends to the journal.
type Writer interface {
	// Write appends a note. The same note again, written twice or sent twice, changes nothing that
	// it says. One without versions is not written.
	Write(ctx context.Context, note Note) error
}

// Reader reads the journal.
type Reader interface {
	// Notes gives the notes of a side that were written in an hour, in any order, all that were
	// answered before. One that can't be read is an ErrUnreadable, and the others come; after any
	// other error there is nothing more.
	Notes(ctx context.Context, side Side, hour time.Time) iter.Seq2[Note, error]
}

// Journal is the journal as an audit needs it.
type Journal interface {
	Writer
	Reader
	// Written reports whether the note is there, all of it.
	Written(ctx context.Context, note Note) (bool, error)
}

// Position is how far a stream was when a release before the journal noted it last.
type Position struct {
	Settled Spans // published or refused
	Refused Spans
	Seen    int64 // the newest version that was met
	Err     error // an ErrUnreadable, where it can't be read
}

// Positions are those of a release before the journal. They go 35 days after the last of them was
// written.
type Positions interface {
	// Positions gives those that there are of the streams.
	Positions(ctx context.Context, streams []es.StreamID) (map[es.StreamID]Position, error)
}

// Book is what the journal says of all streams, from an hour on. It is safe for concurrent use.
//
// It takes about 150 bytes a stream: 125 MB for a month of 100,000 orders, of 8 streams each.
type Book struct {
	journal Reader
	clock   clock.Clock
	sides   []Side

	reading sync.Mutex // one reads from the journal, and the others wait for what it brings
	low     time.Time  // the first hour that was read; zero before any was
	high    time.Time  // the last hour, which may have got further notes since

	mu         sync.RWMutex
	streams    map[es.StreamID]entry
	refused    Versions
	abandoned  Versions
	unreadable map[string]error
}

// entry is what most streams have, of which there are many.
type entry struct {
	published Spans
	newest    int64 // version that was seen
}

// NewBook is a Book of these sides of which nothing was read yet.
func NewBook(journal Reader, c clock.Clock, sides ...Side) *Book {
	return &Book{
		journal: journal, clock: c, sides: sides, streams: map[es.StreamID]entry{}, refused: Versions{},
		abandoned: Versions{}, unreadable: map[string]error{},
	}
}

// readers is how many hours are read side by side.
const readers = 8

// Cover reads what was noted since a time, as far as it was not read before. What was decided then
// can't have been noted earlier, apart from what clocks differ by.
func (b *Book) Cover(ctx context.Context, since time.Time) error {
	b.reading.Lock()
	defer b.reading.Unlock()
	now := b.clock.Now()
	if oldest := now.Add(-Keep); since.Before(oldest) {
		since = oldest
	}
	from, last := hourOf(since.Add(-clock.Skew)), hourOf(now.Add(clock.Skew))
	switch {
	case b.low.IsZero():
		if err := b.read(ctx, from, last); err != nil {
			return err
		}
		b.low, b.high = from, last
	case from.Before(b.low):
		if err := b.read(ctx, from, b.low.Add(-time.Hour)); err != nil {
			return err
		}
		b.low = from
	}
	return nil
}

// Refresh reads what was noted since the Book was read last.
func (b *Book) Refresh(ctx context.Context) error {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.low.IsZero() {
		return nil
	}
	last := hourOf(b.clock.Now().Add(clock.Skew))
	// The last two hours that were read could get notes since: they reach ahead of the clock.
	if err := b.read(ctx, b.high.Add(-time.Hour), last); err != nil {
		return err
	}
	b.high = last
	return nil
}

// read reads some hours.
func (b *Book) read(ctx context.Context, from, through time.Time) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for hour := from; !hour.After(through); hour = hour.Add(time.Hour) {
		for _, side := range b.sides {
			group.Go(func() error {
				for note, err := range b.journal.Notes(ctx, side, hour) {
					switch {
					case errors.Is(err, ErrUnreadable):
						b.broken(err)
					case err != nil:
						return err
					default:
						b.Add(note)
					}
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// broken keeps a note that can't be read, once.
func (b *Book) broken(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unreadable[err.Error()] = err
}

// Unreadable are the notes that could not be read so far.
func (b *Book) Unreadable() []error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []error
	for _, text := range slices.Sorted(maps.Keys(b.unreadable)) {
		all = append(all, b.unreadable[text])
	}
	return all
}

// Add adds a note. Any order and any number of times come to the same.
func (b *Book) Add(note Note) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for stream, spans := range note.Versions {
		e := b.streams[stream]
		switch note.Kind {
		case Published:
			e.published = e.published.Add(spans...)
		case Refused:
			b.refused[stream] = b.refused[stream].Add(spans...)
			continue
		case Abandoned:
			b.abandoned[stream] = b.abandoned[stream].Add(spans...)
			continue
		case Seen:
			for _, s := range spans {
				e.newest = max(e.newest, s.Through)
			}
		}
		b.streams[stream] = e
	}
}

// AddPosition adds what a release before the journal noted of a stream.
func (b *Book) AddPosition(stream es.StreamID, p Position) {
	b.Add(Note{Kind: Published, Versions: Versions{stream: p.Settled.Minus(p.Refused...)}})
	b.Add(Note{Kind: Refused, Versions: Versions{stream: p.Refused}})
	if p.Seen > 0 {
		b.Add(Note{Kind: Seen, Versions: Versions{stream: {{From: 1, Through: p.Seen}}}})
	}
}

// Settled are the versions of a stream that nothing is left to be done for: they were published,
// can't be or are too old to be.
func (b *Book) Settled(stream es.StreamID) Spans {
	b.mu.RLock()
	defer b.mu.RUnlock()
	published, refused, abandoned := b.streams[stream].published, b.refused[stream], b.abandoned[stream]
	if len(refused)+len(abandoned) == 0 {
		return published
	}
	return published.Add(slices.Concat(refused, abandoned)...)
}

// Refused are the versions of a stream that could not be published, and were not since.
func (b *Book) Refused(stream es.StreamID) Spans {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.refused[stream].Minus(b.streams[stream].published...)
}

// Newest is the newest version of a stream that the other consumer has met, 0 where it has met
// none.
func (b *Book) Newest(stream es.StreamID) int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.streams[stream].newest
}

func hourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }
