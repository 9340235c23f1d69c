package view

import (
	"context"
	"iter"
	"time"
)

// Generation names a set of rows of a view. Its number is never used again.
type Generation struct {
	View   string
	Number int64 // from 1
}

// Query asks for a part of a list.
type Query struct {
	Index      Index
	Partition  string
	After      string // only sort keys above this; "" from the beginning
	Before     string // only sort keys below this; "" to the end
	Descending bool
	Limit      int // how many rows the caller expects to take, 0 for all: what is read ahead, not a bound
}

// Place is where a row is kept.
type Place struct {
	Generation Generation
	ID         string
}

// Member is a row in a list.
type Member struct {
	ID   string
	Sort string // its place in the list
}

// Looked is what was found in a place: a row, as Rows.Row gives it, or why it can't be read.
type Looked struct {
	Row Item
	Err error
}

// Write puts a row in place of the one whose sequence is Old, and adds the differences to tallies,
// all or none.
type Write struct {
	Generation  Generation
	Old         int64
	Next        Item
	Differences []Tally
}

// Rows reads and writes rows and tallies.
type Rows interface {
	// Row reads a row, consistent with every Put that was answered before. An Item with Sequence 0
	// where there is none.
	Row(ctx context.Context, g Generation, id string) (Item, error)
	// Look reads the controls of views as Control does, and for each place its row as Row does, all
	// in as few requests as they fit into. The error is about all of them.
	Look(ctx context.Context, views []string, places []Place) (map[string]Control, []Looked, error)
	// Put carries out writes of different rows in as few requests as is worth it, and returns one
	// result for each. It is an es.ErrConflict, and nothing is written, where the row is not at Old
	// any more or somebody else is writing. Of writes that are sent together one that is refused
	// keeps back no other.
	Put(ctx context.Context, writes ...Write) []error
	// List says which rows a list has, in the order of their sort keys, page by page as the caller
	// goes on. An index holds keys alone and follows its rows within a moment: a row itself may say
	// that it has left the list.
	List(ctx context.Context, g Generation, q Query) iter.Seq2[Member, error]
	// Tally reads counters, consistent like Row. revision changes with each write of them; without
	// any it is 0.
	Tally(ctx context.Context, g Generation, name, id string) (counters map[string]int64, revision int64, err error)
}

// Controls says which generations the views have.
type Controls interface {
	// Control reads a view's, consistent with every Save that was answered before. A view of which
	// there is none has its zero Control.
	Control(ctx context.Context, view string) (Control, error)
	// Save writes c in place of the one with its Revision, which goes up by one. It is an
	// es.ErrConflict where that has changed.
	Save(ctx context.Context, c Control) error
}

// Checkpoint says how far a view's rows have come.
type Checkpoint struct {
	Newest time.Time // of all commits that were folded, when the newest was made; not after At, whatever it says
	// how many events were folded into the serving rows. A projector that dies before it noted them
	// leaves some uncounted
	Events int64
	Lag    time.Duration // age of the oldest event that the last batch brought, when it was folded
	At     time.Time     // when the last batch was folded
}

// Add gives the checkpoint with one more: the sum of their events, and all else of the one that is
// newer.
func (c Checkpoint) Add(more Checkpoint) Checkpoint {
	events := c.Events + more.Events
	if more.Newest.After(c.Newest) {
		c = more
	}
	c.Events = events
	return c
}

// Checkpoints keeps one checkpoint a view.
type Checkpoints interface {
	// Advance notes what came to views, by their names: to each its checkpoint is added. What was
	// noted before by the same token, as where the answer was lost, changes nothing.
	Advance(ctx context.Context, token string, of map[string]Checkpoint) error
	// Checkpoints reads those of all views.
	Checkpoints(ctx context.Context) (map[string]Checkpoint, error)
}

// Table keeps everything about views.
type Table interface {
	Rows
	Controls
	Checkpoints

	// Position reads how far a segment's scan has come that builds a generation; the zero Position
	// where nothing is stored.
	Position(ctx context.Context, g Generation, segment int) (Position, error)
	// SavePosition stores it.
	SavePosition(ctx context.Context, g Generation, segment int, p Position) error

	// Entries reads one of segments parts of everything that is kept of a view's generations, page
	// by page, consistently and in no order.
	Entries(ctx context.Context, view string, segment, segments int) iter.Seq2[[]Entry, error]
	// Delete takes entries away. One that is gone already is no error.
	Delete(ctx context.Context, entries []Entry) error
}

// Position is how far a segment's scan has come.
type Position struct {
	From    string // where the store's scan goes on
	Done    bool   // the segment is through
	Commits int64  // of the store that were read, of whatever category
	Events  int64  // of the view's category among them
	// Unreadable counts what can't be read: streams, and pages with items that can't be read at
	// all.
	Unreadable int64
}

// EntryKind is what an entry is.
type EntryKind string

// The kinds of entries.
const (
	KindRow      EntryKind = "row"
	KindTally    EntryKind = "tally"
	KindPosition EntryKind = "position"
)

// Entry is one item of a generation.
type Entry struct {
	Generation Generation
	Kind       EntryKind
	Name       string // a tally's name, a position's segment
	ID         string // of the row, or whose tally it is
	Row        Item   // where it is a row
	Counters   map[string]int64
}
