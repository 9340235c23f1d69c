package es

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/faults"
)

// AttemptStatus is where an attempt stands.
type AttemptStatus int

// The statuses. An attempt leaves Open once: to Done, Refused or Voided. Done may become Undone.
// Nothing else ever changes.
const (
	AttemptOpen    AttemptStatus = iota // nothing has happened
	AttemptDone                         // the effect is in the world
	AttemptRefused                      // a rule forbade the effect; the answer stays, whatever changes later
	AttemptUndone                       // the effect was there and was taken back
	AttemptVoided                       // taken back before it came: the effect that arrives late is refused
)

func (s AttemptStatus) String() string {
	return [...]string{"open", "done", "refused", "undone", "voided"}[s]
}

// ErrAttemptClosed is the answer to an effect that arrives after it was taken back, a fault of the
// kind Conflict. It is no ErrConflict, and is final.
var ErrAttemptClosed = faults.Declare(faults.Conflict, "attempt.closed")

// Plan is what trying or undoing an attempt would write: an event on its own stream and, in the
// same transaction, what it does elsewhere. The store's limits on one append hold for all of it
// together.
type Plan struct {
	Event   any      // on the attempt's stream; required
	Commits []Commit // on other streams, with ids that follow from the command as well
	Effects []Effect // beside the streams
}

// Attempt is the one rule for effects on the world: each try at an effect has a stream of its own,
// whose first commit says done, refused or voided. A repeat of either command gets the same answer,
// a command that comes late is refused, and undoing what never happened is harmless.
//
// S is the state of the attempt's stream. Fault and Refused are there both or neither; everything
// else is required.
type Attempt[S any] struct {
	Category string // of the attempts' streams
	Store    Store
	// waits after a conflict, and tells how near the deadline is; the time of a commit is the
	// Request's
	Clock  clock.Clock
	Fold   func(History) (S, error)
	Status func(S) AttemptStatus // AttemptOpen for the state of a stream without events
	// Fault gives back, from the state of a refused attempt, the fault that it was refused with.
	Fault func(S) *faults.Fault
	// Refused makes the event that records a refusal. Nil records none: then a refused attempt
	// stays open and may be tried again.
	Refused func(*faults.Fault) any
}

// Do carries out the attempt id. plan is asked only while the attempt is open; a final fault from
// it, or from an effect at the append, is the attempt's refusal. The answer to each later Do is the
// same as to the first: nil, the refusal, or ErrAttemptClosed once it was taken back.
//
// plan reads streams from what it is given, and from nowhere else: see Reads. So a refusal is one
// of the attempt and those streams as they were together, and never of what a twin of this very
// request has changed while its own attempt could not be seen yet.
//
// The id of the commit is "do:" and the request's CommitID, and History.Commit finds it by that.
// Where that commit is there with another fingerprint the answer is ErrKeyReused; once
// RetryConflicts gives up it is an ErrConflict. Any other error is plan's, Fold's or the store's,
// as it is. The state beside an error is the last that was read.
func (a Attempt[S]) Do(
	ctx context.Context, id string, req Request, plan func(context.Context, *Reads) (Plan, error),
) (S, error) {
	return a.settle(ctx, id, "do:", req, func(ctx context.Context, from *Reads, state S) (*Plan, error) {
		switch status := a.Status(state); status {
		case AttemptOpen:
			p, err := plan(ctx, from)
			return &p, err
		case AttemptDone:
			return nil, nil
		case AttemptRefused:
			return nil, a.Fault(state)
		default:
			return nil, ErrAttemptClosed.New("%s is %s", NewStreamID(a.Category, id), status)
		}
	}, a.Refused)
}

// Undo takes the attempt id back: plan says how, and is asked only of a done one; voided is the
// event that closes an open one. A refused, voided or undone attempt is left as it is.
//
// The id of the commit is "undo:" and the request's CommitID, so the request may be that of the Do.
// Errors are as with Do, but for the refusals: a fault from plan, or from an effect of it, is not
// recorded, and leaves the attempt done.
func (a Attempt[S]) Undo(
	ctx context.Context, id string, req Request, voided any, plan func(context.Context, *Reads, S) (Plan, error),
) (S, error) {
	return a.settle(ctx, id, "undo:", req, func(ctx context.Context, from *Reads, state S) (*Plan, error) {
		switch a.Status(state) {
		case AttemptOpen:
			return &Plan{Event: voided}, nil
		case AttemptDone:
			p, err := plan(ctx, from, state)
			return &p, err
		default:
			return nil, nil
		}
	}, nil)
}

// Get loads the attempt. One that nobody tried is open. The errors are the store's and Fold's.
func (a Attempt[S]) Get(ctx context.Context, id string) (S, error) {
	history, err := a.Store.Load(ctx, NewStreamID(a.Category, id), 0)
	if err != nil {
		var none S
		return none, err
	}
	return a.Fold(history)
}

// settle loads, plans and appends until the attempt's stream tells the answer by itself: after each
// append the stream is read again. command goes ahead of the request's commit id, so that a Do and
// an Undo of one request are two commits.
func (a Attempt[S]) settle(ctx context.Context, id, command string, req Request,
	plan func(context.Context, *Reads, S) (*Plan, error), refused func(*faults.Fault) any,
) (S, error) {
	var state S
	if req.CommitID == "" { // with the command before it, no store would miss it
		return state, fmt.Errorf("es: attempt %s: the request has no commit id", NewStreamID(a.Category, id))
	}
	req.CommitID = command + req.CommitID
	err := RetryConflicts(ctx, a.Clock, func(ctx context.Context) error {
		for {
			from := &Reads{store: a.Store}
			history, err := from.Load(ctx, NewStreamID(a.Category, id), 0)
			if err != nil {
				return err
			}
			if state, err = a.Fold(history); err != nil {
				return err
			}
			fingerprint, found := history.Commit(req.CommitID)
			if found && fingerprint != req.Fingerprint {
				return ErrKeyReused
			}
			var claims []Commit
			if !found {
				if claims, err = req.Claimed(ctx, a.Store); err != nil {
					return err
				}
			}
			p, err := plan(ctx, from, state)
			if err == nil && p == nil {
				return nil
			}
			if err == nil && found {
				// A second write of the same command would be an effect too many, and one that
				// changed nothing would go on for ever.
				return fmt.Errorf(
					"es: attempt %s: commit %q is there and the attempt is still %s", history.Head.stream, req.CommitID,
					a.Status(state),
				)
			}
			if err == nil {
				p.Commits = append(claims, p.Commits...)
				err = a.append(ctx, history.Head, req, *p)
			}
			fault, ok := faults.As(err)
			if ok && faults.Final(err) && p != nil { // p == nil: the fault is the attempt's answer
				var record any
				if refused != nil && a.Status(state) == AttemptOpen {
					record = refused(fault)
				}
				err = a.refuse(ctx, history.Head, req, from, record, err)
			}
			if err != nil {
				return err
			}
		}
	})
	if errors.Is(err, ErrConflict) {
		return state, fmt.Errorf("attempt %s: %w", NewStreamID(a.Category, id), err)
	}
	return state, err
}

// refuse records a refusal, or answers with it where record is nil, once all that it was decided on
// is known to have been so at one moment. Where that is the attempt's stream alone, the append of
// the record tells as much.
func (a Attempt[S]) refuse(ctx context.Context, head Head, req Request, from *Reads, record any, refusal error) error {
	if record == nil || from.several() {
		if err := from.confirm(ctx); err != nil {
			return err
		}
	}
	if record == nil {
		return refusal
	}
	return a.append(ctx, head, req, Plan{Event: record})
}

func (a Attempt[S]) append(ctx context.Context, head Head, req Request, p Plan) error {
	commits := append([]Commit{req.Commit(head, p.Event)}, p.Commits...)
	_, err := a.Store.Append(ctx, commits, p.Effects...)
	return err
}
