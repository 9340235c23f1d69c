package es

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// StreamID names a stream: a category, a slash and the id of the thing, as in "order/5f0c2f5e-…".
// It is the subject of every event of the stream.
type StreamID string

// NewStreamID joins a category and an id.
func NewStreamID(category, id string) StreamID { return StreamID(category + "/" + id) }

// Category is the part before the first slash: the kind of thing. Without a slash it is the whole.
func (s StreamID) Category() string {
	category, _, _ := strings.Cut(string(s), "/")
	return category
}

// ID is the part behind the first slash, further ones included. Without a slash it is "".
func (s StreamID) ID() string {
	_, id, _ := strings.Cut(string(s), "/")
	return id
}

// Valid reports whether both parts are there.
func (s StreamID) Valid() bool { return s.Category() != "" && s.ID() != "" }

// Head is the end of a stream as somebody saw it: the version of its last event and the commit that
// holds it.
//
// It is opaque on purpose. A condition on a put sees only the item that is being put, so a bare
// number that is too high, or that lies inside a commit, could not be refused, and would leave a
// gap. Whoever holds a Head has it from a store, or from a snapshot that a store's Head went into,
// so its version did end a commit; or it is Empty. Heads are comparable with ==.
type Head struct {
	stream  StreamID
	first   int64
	version int64
	commit  string
}

// StoreHead makes the Head of a stream whose last commit has that id and holds the events from
// version first to version last; 0, 0 and "" for a stream without events. It is for implementations
// of Store and Snapshots alone (shared/archtest holds to that).
func StoreHead(stream StreamID, first, last int64, commit string) Head {
	return Head{stream: stream, first: first, version: last, commit: commit}
}

// Empty is the Head of a stream that is taken to have no events, without a read. It is for a stream
// that is nearly always new, as one whose id follows from a request is. What is appended to it
// stands at version 1 or is a *ConflictError: no gap can follow from a Head that was wrong.
func Empty(stream StreamID) Head { return Head{stream: stream} }

// Stream is the stream that the Head ends.
func (h Head) Stream() StreamID { return h.stream }

// Version is the sequence of the last event, 0 for a stream that has none.
func (h Head) Version() int64 { return h.version }

// First is the version of the first event of the last commit, 0 for a stream that has none.
func (h Head) First() int64 { return h.first }

// CommitID is the id of the commit that the last event came in, "" for a stream that has none.
func (h Head) CommitID() string { return h.commit }

// Metadata says where a commit comes from. It travels with every event of the commit. Each part may
// be "".
type Metadata struct {
	CorrelationID string `json:"correlationId,omitempty"` // one id for all that follows from one request
	CausationID   string `json:"causationId,omitempty"`   // the event or command that this follows from directly
	Traceparent   string `json:"traceparent,omitempty"`   // W3C Trace Context
	// what other tracing systems tell each other, by W3C Trace Context too: as trace.State gives it
	Tracestate string `json:"tracestate,omitempty"`
	// who asked: a pseudonym like customer/<id>, or a part of the program; never a name
	Actor string `json:"actor,omitempty"`
	// which of several acted, where the actor is one of them: person/<id> or machine/<id>, by the
	// id that their issuer gave them; never a name
	Principal string `json:"principal,omitempty"`
}

// By is who acted, as precisely as it is known.
func (m Metadata) By() string { return cmp.Or(m.Principal, m.Actor) }

// System is the kind of those who act within the program.
const System = "system"

// Who is By in two parts: the kind, as customer, person or machine, and which of them it is. A part
// of the program is one of the kind System. Both are "" where nobody is named.
func (m Metadata) Who() (kind, id string) {
	kind, id, apart := strings.Cut(m.By(), "/")
	if !apart && kind != "" {
		return System, kind
	}
	return kind, id
}

// Commit is what one decision writes: one or more events on one stream, all or none.
type Commit struct {
	Head        Head   // where it goes
	ID          string // derived from the command, so that a second try is recognised as the first one's own; never ""
	Fingerprint string // of the request, so that a key used again with another body is noticed; may be ""
	// Time is when it was decided; never zero. What is stored is the store's present time at the
	// try that wrote it, where that is later: what was so at a moment that is settled stays so.
	Time     time.Time
	Metadata Metadata
	Events   []any // at least one, each a value of a registered type
}

// Recorded is an event as it stands in a stream.
type Recorded struct {
	Stream      StreamID
	Version     int64 // position in the stream, from 1
	Type        string
	Schema      int // version of the type's schema as it was stored
	Data        any // the event, brought up to the present schema
	CommitID    string
	Fingerprint string
	Time        time.Time // the commit's, in UTC
	Metadata    Metadata
}

// ID is the event's id: unique in the store, and the same each time that it is read or published.
func (r Recorded) ID() string { return fmt.Sprintf("%s@%d", r.Stream, r.Version) }

// History is what Load found: the events after the version that was asked for, and the stream's
// end.
type History struct {
	Head   Head
	Events []Recorded
}

// Commit finds the fingerprint of the commit with that id among the events loaded. An Attempt's
// commits have longer ids than its Requests: see Do.
func (h History) Commit(id string) (fingerprint string, found bool) {
	for i := range h.Events {
		if h.Events[i].CommitID == id {
			return h.Events[i].Fingerprint, true
		}
	}
	return "", false
}

// Effect is a write outside of the streams that must be true together with the commits: a counter
// that they imply. Only stores know how to perform one; each store says which further methods it
// needs of it.
type Effect interface {
	// EffectName says in an error what could not be done.
	EffectName() string
}

// Appended is the answer to Append.
type Appended struct {
	Heads []Head // where the commits end, in their order
	// Recognised means that these commits were there already: an earlier try with the same ids had
	// arrived. What that try decided may differ from what this one did, so the caller loads again
	// and answers from what is stored.
	Recognised bool
}

// Range is the part of a stream that Read gives: the events above version After, up to and with
// Through where that is above 0. The zero Range is the whole.
type Range struct {
	After int64
	// Since, where it is set, is a Head of the stream that was met before, in place of After:
	// forwards, what came after it, as Store.Since does, page by page.
	Since     Head
	Through   int64
	Backwards bool // the last event first
	Limit     int  // of events, where it is above 0: from the side on which Read begins
}

// Reader reads streams, each by itself: what one append wrote on two of them may be seen on the one
// and not yet on the other, until that append is answered. Store.Confirm tells of several at once.
type Reader interface {
	// Load reads the events of a stream whose version is above after, in order and complete, and
	// consistent with every append that was answered before. With 0 it reads all; the Head is the
	// stream's end whatever after is. A stream without events is not an error: its Head has version
	// 0. An event that can't be read is an ErrCorrupt or an *UnknownTypeError; a store that can't
	// be asked at present is an ErrUnavailable, here as everywhere.
	Load(ctx context.Context, stream StreamID, after int64) (History, error)
	// Since reads the events after a Head that was met before, however long ago, and with them the
	// stream's present end. It is an ErrUnknownHead where the stream holds no such commit in that
	// place: the Head is of another store, or of this one before it was restored from a backup.
	// Else it is like Load.
	Since(ctx context.Context, head Head) (History, error)
	// Read gives a part of a stream, event by event, and reads from the store only as far as the
	// caller goes on: who stops costs nothing more. What it gives is consistent with every append
	// that was answered before the call; an append during it may be seen or not. After an error
	// there is nothing more. The errors are Load's, and Since's where the Range has a Head.
	Read(ctx context.Context, stream StreamID, r Range) iter.Seq2[Recorded, error]
	// At gives the Head for a version that came from outside (If-Match), 0 for a stream without
	// events. It is a *ConflictError where the stream does not end there.
	At(ctx context.Context, stream StreamID, version int64) (Head, error)
}

// Store keeps streams. Each implementation passes the suite in estest.
type Store interface {
	Reader
	// Confirm reports whether each of the heads is the end of its stream, all of them at one moment
	// between the call and its answer: nil where they are. It is a *ConflictError where one is not,
	// and where a write to one of the streams is under way. It sees whole appends alone, however
	// many streams and effects they have. Ahead of any request come what CheckHeads says, and a
	// *LimitError.
	Confirm(ctx context.Context, heads ...Head) error
	// Append writes the commits and the effects, all or none. A *ConflictError (errors.Is
	// ErrConflict) says that somebody else has appended since the Head was loaded; a *LimitError,
	// before any write, that a limit of the store would be passed. Ahead of any write come, too,
	// what CheckCommits says, and the refusal of an event that is not registered. The refusal of an
	// Effect is returned as the effect gave it; where a Head is out of date as well, the conflict
	// wins, since the caller decides again. Any other error leaves open whether the commits were
	// written. No two effects of one append may touch the same thing.
	//
	// A store that has a clock stamps the commits with it right before each try to write them, and
	// gives a try up within WriteLimit. A further try has a stamp of its own, and is recognised by
	// the commits' ids.
	Append(ctx context.Context, commits []Commit, effects ...Effect) (Appended, error)
}

// The sentinels that callers act on.
var (
	// ErrConflict: the stream has moved on. Load again and decide again.
	ErrConflict = errors.New("es: the stream has moved on")
	// ErrKeyReused: the commit exists, and was made from another request.
	ErrKeyReused = errors.New("es: the key was used with another request")
	// ErrCorrupt: what is stored can't be read. What a newer program has stored is an
	// *UnknownTypeError, and not corrupt.
	ErrCorrupt = errors.New("es: corrupt commit")
	// ErrUnavailable: the store was busy or did not answer. Whether the commits were written is
	// open: the same commits, tried again, meet themselves.
	ErrUnavailable = errors.New("es: the store is not available")
	// ErrUnknownHead: the stream has no such commit. What was derived from it, a snapshot for one,
	// is of no use here.
	ErrUnknownHead = errors.New("es: the stream has no such commit")
	// ErrLimit: a commit or transaction is larger than the store can hold.
	ErrLimit = errors.New("es: over a limit of the store")
)

// ConflictError says which end was expected and which was met.
type ConflictError struct {
	Stream   StreamID
	Expected int64
	// the version met, which the stream has at least; or -1 where the store could not tell (a write
	// to the same item was under way)
	Actual int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("es: %s: expected version %d, found %d", e.Stream, e.Expected, e.Actual)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// LimitError names the limit that was passed. Nothing was written.
type LimitError struct {
	// What is counted: "bytes of a commit", "bytes of a commit's events", "bytes of a transaction",
	// "items of a transaction", "bytes of a snapshot".
	What   string
	Limit  int
	Actual int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("es: %d %s are over the limit of %d", e.Actual, e.What, e.Limit)
}

// Is makes errors.Is(err, ErrLimit) true.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// CheckCommits refuses what no store may take: no commits, two commits on one stream, a commit
// without events, an id, a time or a valid stream. Every store asks it before it writes.
func CheckCommits(commits []Commit) error {
	if len(commits) == 0 {
		return errors.New("es: nothing to append")
	}
	seen := make(map[StreamID]bool, len(commits))
	for _, c := range commits {
		switch {
		case c.Head.stream == "":
			return fmt.Errorf("es: commit %q has no stream: its Head comes from no store", c.ID)
		case !c.Head.stream.Valid():
			return fmt.Errorf("es: %q is no stream: category or id is missing", c.Head.stream)
		case c.ID == "":
			return fmt.Errorf("es: a commit on %s has no id", c.Head.stream)
		case len(c.Events) == 0:
			return fmt.Errorf("es: commit %q on %s has no events", c.ID, c.Head.stream)
		case c.Time.IsZero():
			return fmt.Errorf("es: commit %q on %s has no time", c.ID, c.Head.stream)
		case seen[c.Head.stream]:
			return fmt.Errorf("es: two commits on %s in one append", c.Head.stream)
		}
		seen[c.Head.stream] = true
	}
	return nil
}

// CheckHeads refuses what no store can confirm: no heads, two of one stream, one of no valid
// stream. Every store asks it before it reads.
func CheckHeads(heads []Head) error {
	if len(heads) == 0 {
		return errors.New("es: nothing to confirm")
	}
	seen := make(map[StreamID]bool, len(heads))
	for _, h := range heads {
		switch {
		case !h.stream.Valid():
			return fmt.Errorf("es: %q is no stream: its Head comes from no store", h.stream)
		case seen[h.stream]:
			return fmt.Errorf("es: two heads of %s", h.stream)
		}
		seen[h.stream] = true
	}
	return nil
}
