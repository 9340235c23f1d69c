package deadletter

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/trail"
)

// The faults of what operators ask for.
var (
	ErrNotFound      = faults.Declare(faults.NotFound, "dead-letter.not-found")
	ErrClosed        = faults.Declare(faults.Conflict, "dead-letter.closed")
	ErrNotRedrivable = faults.Declare(faults.Rule, "dead-letter.not-redrivable")
	ErrHeld          = faults.Declare(faults.Rule, "dead-letter.outcome-unknown")
	ErrInvalid       = faults.Declare(faults.Invalid, "dead-letter.invalid")
)

// Desk is where operators look at entries and decide. Both fields are required.
type Desk struct {
	Table Table
	Clock clock.Clock
}

// Order is an operator's order about an entry. The request's id and fingerprint tell an order that
// is sent again.
type Order struct {
	Request  es.Request
	TakeOver bool   // of a redrive: the effect may happen a second time
	Reason   string // in the operator's words, "" for none
}

// Get gives an entry and its message, which is empty where it can't be read; ErrNotFound where
// there is none.
func (d Desk) Get(ctx context.Context, id string) (Entry, Message, error) {
	e, err := d.Table.Get(ctx, id)
	if err != nil {
		return Entry{}, Message{}, missing(err)
	}
	m, err := d.Table.Message(ctx, id)
	if errors.Is(err, ErrUnreadable) {
		slog.ErrorContext(
			trail.With(ctx, e.trail()), "message of a dead letter is unreadable", "deadLetterId", id, "error",
			err.Error(),
		)
		return e, Message{}, nil
	}
	return e, m, missing(err)
}

// List gives a page of entries, the last recorded first.
func (d Desk) List(ctx context.Context, q Query) (Page, error) {
	if q.Limit < 1 || q.Limit > MaxPage {
		return Page{}, ErrInvalid.Field("query.limit", "a page has 1 to %d entries", MaxPage)
	}
	return d.Table.List(ctx, q)
}

// Redrive lets the next run of the redrive send an entry's message, whatever the policy says. One
// that is due or under way is left as it is, so that any number of orders are one redrive; but a
// message that was not answered in its first lease is sent anew, as a further attempt. It is
// refused for an entry that is closed (ErrClosed), that has no way back (ErrNotRedrivable), and,
// without TakeOver, for one whose consumer doesn't know whether its effect happened (ErrHeld); nor
// does a further attempt go on with the TakeOver of the one before. TakeOver means nothing for any
// other entry. An undoing run that is under way is asked how it stands, and not begun anew.
func (d Desk) Redrive(ctx context.Context, id string, o Order) (Entry, error) {
	return d.carryOut(ctx, id, o, func(e Entry) (Entry, error) {
		unanswered := e.Status == StatusRedriving && e.Sends > 1 && e.Kind != KindUndo
		switch now := d.Clock.Now(); {
		case e.Status == StatusResolved, e.Status == StatusDiscarded:
			return e, ErrClosed.New("the dead letter is %s", e.Status)
		case e.Kind == KindNone:
			return e, ErrNotRedrivable.New("the dead letter has no way back. %s", e.Hint)
		case (e.Held || unanswered && e.TakeOver) && !o.TakeOver:
			return e, ErrHeld.Field(
				"body.takeOver",
				"nobody knows whether the effect happened: look, and then say that it may happen twice, or discard "+
					"the dead letter",
			)
		case e.Status == StatusOpen && (e.Next.IsZero() || e.Next.After(now) || e.Alert), e.Status == StatusSpent,
			unanswered:
			e.Status, e.Next, e.Alert, e.Ordered, e.Hint = StatusOpen, now, false, true, ""
			e.decide(now, ActionRedrive, o)
		}
		e.Held, e.TakeOver = false, e.TakeOver || o.TakeOver && e.Held
		return e, nil
	})
}

// Discard closes an entry whose message is not needed, also one that is under way: its consumer's
// success then still resolves it, and its failure says nothing any more. It is refused for one that
// is resolved (ErrClosed).
func (d Desk) Discard(ctx context.Context, id string, o Order) (Entry, error) {
	return d.carryOut(ctx, id, o, func(e Entry) (Entry, error) {
		switch e.Status {
		case StatusResolved:
			return e, ErrClosed.New("the dead letter is resolved")
		case StatusDiscarded:
		default:
			e.Status, e.Alert, e.Held, e.Closed, e.ClosedBy, e.Reason = StatusDiscarded, false, false, d.Clock.Now(),
				o.Request.Metadata.By(), o.Reason
			e.Next = time.Time{}
			e.decide(e.Closed, ActionDiscard, o)
		}
		return e, nil
	})
}

// decide notes an order that changes the entry.
func (e *Entry) decide(now time.Time, action Action, o Order) {
	e.Decisions = remember(e.Decisions, Decision{
		At: now, By: o.Request.Metadata.By(), Action: action, Reason: o.Reason,
		TakeOver: o.TakeOver && (e.Held || e.TakeOver),
	})
}

// carryOut changes an entry by an order, unless it was carried out before. The same key with
// another order, also about another entry, is an es.ErrKeyReused.
func (d Desk) carryOut(ctx context.Context, id string, o Order, f func(Entry) (Entry, error)) (Entry, error) {
	asked := Request{ID: o.Request.CommitID, Fingerprint: o.Request.Fingerprint}
	for try := 1; ; try++ {
		e, err := d.Table.Get(ctx, id)
		if err != nil {
			return Entry{}, missing(err)
		}
		before, found, err := d.decided(ctx, e, asked.ID)
		switch {
		case err != nil:
			return Entry{}, err
		case found && before.Fingerprint != asked.Fingerprint:
			return Entry{}, es.ErrKeyReused
		case found:
			return e, nil
		}
		next, err := f(e)
		if err != nil {
			return Entry{}, err
		}
		next.Requests = remember(next.Requests, asked)
		if err = d.Table.Decide(ctx, next, asked); err == nil || !errors.Is(err, ErrConflict) || try == changeTries {
			next.Revision++
			return next, err
		}
	}
}

// decided finds a request by its id: among those of the entry, which knows its own and those of
// earlier releases, or among all.
func (d Desk) decided(ctx context.Context, e Entry, requestID string) (Request, bool, error) {
	for _, r := range e.Requests {
		if r.ID == requestID {
			return r, true, nil
		}
	}
	return d.Table.Decided(ctx, requestID)
}

func missing(err error) error {
	if errors.Is(err, ErrNoEntry) {
		return ErrNotFound.New("there is no such dead letter")
	}
	return err
}
