// Package deadletter keeps a record of every message that a consumer gave up, and brings it back:
// an entry is recorded with the error that the consumer met, redriven after a while to the consumer
// that it came from and to no other, and closed by the outcome of that alone.
//
//	            ┌──────── failure ───────┐
//	            ▼                        │
//	letter ──> open ──claim──> redriving ┴─success──> resolved
//	            ▲ │                 └─the last redrive failed or got no answer,
//	            │ │                   or the consumer is gone──> spent ─┐
//	            │ └─discard──> discarded                               │
//	            └────────────── an operator's redrive ─────────────────┘
//
// A claim comes before the message is sent and carries its attempt with it. Between any two of
// claim, send, effect and answer the process may end: the claim's lease then ends too, and the same
// attempt is sent again, a few times. The message may so arrive twice, as any message may; each
// consumer has its effect once. What the consumer met stands in the entry's Error, and what the
// redrive itself met in RedriveError, so that neither hides the other.
package deadletter

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"orderflow/shared/kit/decimal"
	"orderflow/shared/shop/trail"
)

// Status is where an entry stands.
type Status string

// The statuses.
const (
	StatusOpen      Status = "open"      // waits for its next redrive, or for a person
	StatusRedriving Status = "redriving" // was sent, and has not answered yet
	StatusResolved  Status = "resolved"  // its consumer has handled it
	StatusSpent     Status = "spent"     // every redrive failed, or none is possible: waits for a person
	StatusDiscarded Status = "discarded" // a person decided that it is not needed
)

// Statuses lists all of them.
func Statuses() []Status {
	return []Status{StatusOpen, StatusRedriving, StatusResolved, StatusSpent, StatusDiscarded}
}

// Kind is the way back of an entry's message.
type Kind string

// The kinds.
const (
	// a message, to the queue that its consumer takes from; the consumer answers later
	KindQueue      Kind = "queue"
	KindRecord     Kind = "record"     // a record of the events' stream, to the function that reads it
	KindInvocation Kind = "invocation" // what a function was invoked with asynchronously
	KindUndo       Kind = "undo"       // an order whose undo failed, for a further undoing run
	KindNone       Kind = "none"       // there is none
)

// Attributes that a message carries when it is redriven.
const (
	AttributeID       = "dead-letter-id"
	AttributeAttempt  = "redrive-attempt"
	AttributeTakeOver = "take-over" // "true": a person accepts that the effect may happen twice
	// Of a message that its consumer moved to the dead letters: its queue and its id there, with a
	// space between.
	AttributeMoved = "moved-from"
)

// ErrConflict says that the entry has changed, or is there, since it was read.
var ErrConflict = errors.New("deadletter: the entry has changed")

// ErrNoEntry says that there is no such entry.
var ErrNoEntry = errors.New("deadletter: no such entry")

// ErrUnreadable says of an entry that what is stored can't be read.
var ErrUnreadable = errors.New("deadletter: the entry can't be read")

// The longest texts of an entry, in bytes. What a message says of itself may be of any length, and
// an index takes keys of 1 KB in all.
const (
	maxError = 4_000
	maxName  = 256 // topic, consumer, target, correlation id, code
)

// maxRequests is how many requests of operators an entry remembers, so as to know one that is sent
// again.
const maxRequests = 20

// Entry is what is known of a dead letter. Times are UTC, and zero where they don't apply.
type Entry struct {
	ID       string `json:"id"`
	Revision int64  `json:"-"` // counts the writes; the table's
	Status   Status `json:"status"`
	Consumer string `json:"consumer"` // the function, or the queue that it takes from, without the stack's name
	// an event's type, a command's name, or the category of a record that can't be read; "" where
	// the message doesn't say
	Topic         string `json:"topic"`
	CorrelationID string `json:"correlationId"`
	// what the message is about besides, as far as it says (shared/shop/trail)
	Subject     string `json:"subject,omitempty"`
	OrderID     string `json:"orderId,omitempty"`
	Traceparent string `json:"traceparent,omitempty"`
	Tracestate  string `json:"tracestate,omitempty"`
	Kind        Kind   `json:"kind"`
	Target      string `json:"target"` // the ARN of the queue or function, or the order's id
	Origin      string `json:"origin"` // the queue of dead letters that it came from

	Error        string    `json:"error"`
	Code         string    `json:"code"`     // of the fault, where the error is one
	Failures     int       `json:"failures"` // tries that failed, in all
	FirstFailure time.Time `json:"firstFailure,omitzero"`
	LastFailure  time.Time `json:"lastFailure,omitzero"`
	RecordedAt   time.Time `json:"recordedAt"`
	ReopenedAt   time.Time `json:"reopenedAt,omitzero"` // when it failed anew after it was resolved

	Redrives     int    `json:"redrives"`     // attempts that were begun, in all: the number of the present one
	Automatic    int    `json:"automatic"`    // of those that nobody ordered, since it was opened
	Ordered      bool   `json:"ordered"`      // a person ordered the next attempt, or the present one
	Sends        int    `json:"sends"`        // of the present attempt: above 1 where the answer to one was lost
	RedriveError string `json:"redriveError"` // why the last redrive came to no answer of the consumer
	// open: the next redrive; redriving: the lease's end; with Alert: when operations is told
	Next     time.Time `json:"next,omitzero"`
	Held     bool      `json:"held"`     // only a person may redrive it
	TakeOver bool      `json:"takeOver"` // the next redrive may have the effect a second time
	Hint     string    `json:"hint"`     // what to do where a redrive is not possible
	Alert    bool      `json:"alert"`    // operations is still to be told
	// the last messages that told of a failure, by which one that comes twice is known
	Letters  []string  `json:"letters"`
	Requests []Request `json:"requests"`        // the last of operators
	Closed   time.Time `json:"closed,omitzero"` // when it was resolved or discarded
	ClosedBy string    `json:"closedBy"`
	Reason   string    `json:"reason"` // of the discard, in the operator's words
	// what operators decided, the last maxRequests of it; none of what earlier releases decided
	Decisions []Decision `json:"decisions,omitempty"`
}

// Decision is what an operator decided about an entry, and had an effect.
type Decision struct {
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Action   Action    `json:"action"`
	Reason   string    `json:"reason,omitempty"` // in the operator's words
	TakeOver bool      `json:"takeOver,omitempty"`
}

// Action is what an operator can decide.
type Action string

// The actions.
const (
	ActionRedrive Action = "redrive"
	ActionDiscard Action = "discard"
)

// about notes what the entry's message is about.
func (e *Entry) about(t trail.Trail) {
	e.Subject, e.OrderID, e.Traceparent, e.Tracestate = t.Subject, t.OrderID, t.Traceparent, t.Tracestate
}

// trail is what the entry's message is about.
func (e Entry) trail() trail.Trail {
	return trail.Trail{
		Subject: e.Subject, OrderID: e.OrderID, CorrelationID: e.CorrelationID,
		Traceparent: e.Traceparent, Tracestate: e.Tracestate,
	}
}

// Request is an operator's request as an entry remembers it.
type Request struct {
	ID          string `json:"id"` // follows from the operation, the operator and the key
	Fingerprint string `json:"fingerprint"`
}

// Message is what goes back to the consumer: the body as it was, and the attributes that its sender
// gave it.
type Message struct {
	Body       []byte
	Attributes map[string]string
}

// Note is what a queue's consumer leaves of a try that failed. The message itself takes no error
// along to the dead letters.
type Note struct {
	Queue     string // its name
	MessageID string
	Error     string
	Code      string
	Tries     int // how many tries were noted, this one included: the table's to count
	Held      bool
	First     time.Time
	Last      time.Time
}

// Policy says when and how often an entry is redriven.
type Policy struct {
	MinAge      time.Duration // from a failure to the first redrive
	MaxRedrives int           // of themselves, since the entry was opened; a person may go on
	Spacing     float64       // each wait is so many times the one before
}

// The leases of a claim. A queue's message is tried three times, each of which its visibility
// timeout follows; each lease of an attempt is twice the one before, since the queue of a consumer
// that stands still for hours must not fill with copies. A run is asked how it stands: most take
// seconds, and one that waits for its retries an hour.
const (
	minLease     = 15 * time.Minute
	minUndoLease = 5 * time.Second
	maxUndoLease = time.Minute
	maxWait      = 24 * time.Hour
)

// ParsePolicy reads a policy as a function's environment has it: whole seconds, a whole number, and
// a number of at least 1. It panics on anything else: a function without one must not start.
func ParsePolicy(minAgeSeconds, maxRedrives, spacing string) Policy {
	age, errAge := decimal.Whole(minAgeSeconds, 1, math.MaxInt32)
	most, errMost := decimal.Whole(maxRedrives, 0, math.MaxInt16)
	factor, errFactor := decimal.Fraction(spacing, 1, 100)
	if err := errors.Join(errAge, errMost, errFactor); err != nil {
		panic("deadletter: a policy of seconds, redrives and spacing: " + err.Error())
	}
	return Policy{MinAge: time.Duration(age) * time.Second, MaxRedrives: int(most), Spacing: factor}
}

// How often one attempt is sent before it counts as failed for want of an answer: a message for
// eight hours (15 + 30 + 60 + 120 + 240 minutes), an undoing run asked for almost two, which is
// longer than one can take.
const (
	maxSends = 5
	maxAsked = 120
)

// wait is the time to the next redrive after so many, at most a day.
func (p Policy) wait(redrives int) time.Duration {
	if wait := float64(p.MinAge) * math.Pow(p.Spacing, float64(redrives)); wait < float64(maxWait) {
		return time.Duration(wait)
	}
	return maxWait
}

// opened is when an entry was opened the last time.
func (e Entry) opened() time.Time {
	if e.ReopenedAt.After(e.RecordedAt) {
		return e.ReopenedAt
	}
	return e.RecordedAt
}

// failure is a try, or several, of which a letter or an answer tells.
type failure struct {
	err, code   string
	tries       int
	first, last time.Time
	held        bool
	hint        string // not "": a redrive is of no use; what to do instead
}

// failed is the entry after a failure: open for the next redrive, or spent.
func (p Policy) failed(e Entry, f failure, now time.Time) Entry {
	e.noteFailure(f)
	e.RedriveError = ""
	e.Held, e.Hint = f.held, f.hint
	return p.back(e, now)
}

// back is the entry after an attempt that came to nothing.
func (p Policy) back(e Entry, now time.Time) Entry {
	e.TakeOver, e.Ordered, e.Sends = false, false, 0
	e.Closed, e.ClosedBy, e.Reason = time.Time{}, "", ""
	switch {
	case e.Hint != "", e.Automatic >= p.MaxRedrives && !e.Held:
		e.Status, e.Alert, e.Next = StatusSpent, true, now
	case e.Held:
		e.Status, e.Alert, e.Next = StatusOpen, true, now
	default:
		e.Status, e.Alert, e.Next = StatusOpen, false, now.Add(p.wait(e.Automatic))
	}
	return e
}

// unanswered is the entry after an attempt that the consumer has not answered, or that was refused
// on its way there. The consumer's own error and count stay. A hint says that another attempt is of
// no use.
func (p Policy) unanswered(e Entry, why, hint string, now time.Time) Entry {
	e.RedriveError, e.Hint = shorten(why, maxError), hint
	e.Held = e.TakeOver // a person let it go once, and nobody knows whether that had the effect
	return p.back(e, now)
}

// unsent is the entry after an attempt whose message was certainly not sent, for a reason that
// passes: no attempt at all. ok is false where the same attempt may have been sent before; its
// lease then ends as any does.
func (p Policy) unsent(e Entry, why string, now time.Time) (_ Entry, ok bool) {
	if e.Sends > 1 {
		return e, false
	}
	e.Redrives--
	if !e.Ordered {
		e.Automatic--
	}
	e.Status, e.Sends, e.RedriveError, e.Next = StatusOpen, 0, shorten(why, maxError), now.Add(p.MinAge)
	return e, true
}

// noteFailure takes a failure down and changes nothing else.
func (e *Entry) noteFailure(f failure) {
	e.Error, e.Code = shorten(f.err, maxError), shorten(f.code, maxName)
	e.Failures += f.tries
	if e.FirstFailure.IsZero() || !f.first.IsZero() && f.first.Before(e.FirstFailure) {
		e.FirstFailure = f.first
	}
	if f.last.After(e.LastFailure) {
		e.LastFailure = f.last
	}
}

// shorten cuts a text at so many bytes, at a character's end.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// answers says whether an answer to the attempt is the one that the entry waits for. A late one of
// an attempt before says nothing of the present one.
func (e Entry) answers(attempt int) bool {
	return e.Status == StatusRedriving && e.Redrives == attempt
}

// claimed is the entry with a claim on its next attempt, or again on the one whose lease has ended;
// ok is false where it isn't due.
func (e Entry) claimed(now time.Time) (_ Entry, ok bool) {
	if e.Next.IsZero() || e.Next.After(now) || e.Alert || e.Held {
		return e, false
	}
	switch e.Status {
	case StatusOpen:
		e.Status, e.Redrives, e.Sends = StatusRedriving, e.Redrives+1, 1
		if !e.Ordered {
			e.Automatic++
		}
	case StatusRedriving:
		e.Sends++
	default:
		return e, false
	}
	e.Next = now.Add(e.lease())
	return e, true
}

// silent says whether the present attempt was sent as often as one is, and nobody answered.
func (e Entry) silent(now time.Time) bool {
	most := maxSends
	if e.Kind == KindUndo {
		most = maxAsked
	}
	return e.Status == StatusRedriving && e.Sends >= most && !e.Next.After(now)
}

// lease is how long the present send may take to be answered.
func (e Entry) lease() time.Duration {
	doublings := max(e.Sends-1, 0)
	if e.Kind == KindUndo {
		return min(maxUndoLease, minUndoLease<<min(doublings, maxSends))
	}
	return minLease << min(doublings, maxSends-1)
}

// resolved is the entry after its message was handled. That counts whatever the entry says: also of
// an attempt before, and though somebody discarded it.
func (e Entry) resolved(now time.Time) Entry {
	e.Status, e.Next, e.Alert, e.Held, e.TakeOver, e.Ordered, e.Sends = StatusResolved, time.Time{}, false, false,
		false, false, 0
	e.Closed, e.ClosedBy, e.Reason, e.Hint, e.RedriveError = now, "", "", "", ""
	return e
}

// alerted is the entry after operations was told.
func (e Entry) alerted() Entry {
	e.Alert = false
	if e.Status != StatusOpen || e.Held {
		e.Next = time.Time{}
	}
	return e
}

// knows says whether a letter was recorded before.
func (e Entry) knows(letter string) bool {
	for _, l := range e.Letters {
		if l == letter {
			return true
		}
	}
	return false
}

// remember keeps the last items of a list.
func remember[T any](list []T, item T) []T {
	list = append(list[:len(list):len(list)], item)
	return list[max(0, len(list)-maxRequests):]
}

// Place orders entries by when they were recorded. It never changes, so that a list can be read
// page by page while entries come and go.
func (e Entry) Place() string { return e.RecordedAt.UTC().Format(placeForm) + "#" + e.ID }

// placeForm has a fixed width, so that texts sort as times do.
const placeForm = "2006-01-02T15:04:05.000000000Z"

// PlaceBefore is a place before which lie exactly the entries that were recorded before a time.
func PlaceBefore(t time.Time) string { return t.UTC().Format(placeForm) }

// what names an entry for people.
func (e Entry) what() string {
	return fmt.Sprintf("%s of %s", cmp.Or(e.Topic, "message"), e.Consumer)
}
