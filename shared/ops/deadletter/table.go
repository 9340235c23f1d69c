package deadletter

import (
	"context"
	"iter"
	"strings"
	"time"
)

// Table keeps entries and notes. An implementation passes the suite of package deadlettertest.
type Table interface {
	// Get gives an entry as it was last written; an ErrNoEntry where there is none.
	Get(ctx context.Context, id string) (Entry, error)
	// Message gives an entry's message; an ErrNoEntry where there is none, and an ErrUnreadable
	// where what is there can't be read.
	Message(ctx context.Context, id string) (Message, error)
	// Create writes an entry that is new, with its message; an ErrConflict where there is one of
	// its id. The entry is there when its message is.
	Create(context.Context, Entry, Message) error
	// Update writes an entry that still has the revision with which it was read; an ErrConflict
	// where it has not.
	Update(context.Context, Entry) error
	// Decide is Update for an operator's request, which is written down with it, both or none. It
	// is an ErrConflict also where a request of that id is there already.
	Decide(context.Context, Entry, Request) error
	// Decided gives a request that Decide wrote down, about whichever entry; found is false where
	// there is none.
	Decided(ctx context.Context, requestID string) (r Request, found bool, err error)
	// Due gives the entries whose Next has come, the longest due first. It may lag behind what was
	// written, so that a claim reads the entry once more. One that can't be read is an
	// ErrUnreadable, and others follow; any other error is the last.
	Due(ctx context.Context, now time.Time) iter.Seq2[Entry, error]
	// List gives a page of entries. It may lag too. One that can't be read is logged and left out.
	List(context.Context, Query) (Page, error)
	// Note writes down a try that failed, and gives what is noted of its message then; a later one
	// replaces the error, keeps the time of the first, and is counted. One that the client sends
	// again, for its answer was lost, counts once.
	Note(context.Context, Note) (Note, error)
	// NoteOf gives what was noted of a message; found is false where nothing was.
	NoteOf(ctx context.Context, queue, messageID string) (note Note, found bool, err error)
}

// MaxPage is the largest page of a list.
const MaxPage = 100

// Query selects entries, the last recorded first. A field that is empty selects all.
type Query struct {
	Consumer string
	Topic    string
	Order    string // whose message it is, by the order's id
	Status   Status
	Error    string    // a part of the error's text, in its very letters
	Before   time.Time // recorded before it
	Oldest   bool      // the first recorded first
	After    string    // the place of the last entry of the page before
	Limit    int       // 1 to MaxPage
}

// Matches says whether an entry is selected; Oldest, After and Limit aside.
func (q Query) Matches(e Entry) bool {
	return (q.Consumer == "" || q.Consumer == e.Consumer) && (q.Topic == "" || q.Topic == e.Topic) &&
		(q.Order == "" || q.Order == e.OrderID) &&
		(q.Status == "" || q.Status == e.Status) &&
		strings.Contains(e.Error, q.Error) && (q.Before.IsZero() || e.Place() < PlaceBefore(q.Before))
}

// Page is a part of a list.
type Page struct {
	Entries []Entry
	Next    string // the place to go on after, "" at the end; a page with one may be short, or empty
}
