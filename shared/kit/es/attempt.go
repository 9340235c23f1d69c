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

// The statuses. An attempt leaves Open once: to Done, Refused, Waiting or Voided. Done may become
// Undone, and Waiting becomes Done or Voided. Nothing else ever changes.
const (
	AttemptOpen    AttemptStatus = iota // nothing has happened
	AttemptDone                         // the effect is in the world
	AttemptRefused                      // a rule forbade the effect; the answer stays, whatever changes later
	AttemptUndone                       // the effect was there and was taken back
	AttemptVoided                       // taken back before it came: the effect that arrives late is refused
	// put off: it comes by a commit of its own, when it can; a Do is told by Fault that it waits
	AttemptWaiting
)

func (s AttemptStatus) String() string {
	return [...]string{"open", "done", "refused", "undone", "voided", "waiting"}[s]
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
	// Appended, where it is set, is told the ends of Commits' streams once the plan is written, and
	// of an earlier try that is found in its place nothing.
	Appended func(ends []Head)
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
	// Fault gives back, from the state of a refused attempt, the fault that it was refused with,
	// and of one that waits the fault that says so.
	Fault func(S) *faults.Fault
	// Refused plans how a refusal is recorded. Effects hold it to what it was decided on: an
	// ErrConflict of theirs has the attempt decided again. Nil records none: then a refused attempt
	// stays open and may be tried again.
	Refused func(*faults.Fault) Plan
}

// doing is what goes ahead of a request's commit id in the commit that does what it asks for.
const doing = "do:"

// Do carries out the attempt id. plan is asked only while the attempt is open; a final fault from
// it, or from an effect at the append, is the attempt's refusal. The answer to each later Do is the
// same as to the first: nil, the refusal, or ErrAttemptClosed once it was taken back.
//
// plan reads streams from what it is given, and from nowhere else: see Reads. So a refusal is one
// of the attempt and those streams as they were together, and never of what a twin of this very
// request has changed while its own attempt could not be seen yet.
//
// A first try finds nothing on the attempt's stream, so Do begins as if it were empty, without a
// read: the append, or the joint read ahead of a refusal, says whether it is. A repeat costs a plan
// and a refused append more than its answer.
//
// The id of the commit is "do:" and the request's CommitID, and History.Commit finds it by that.
// Where that commit is there with another fingerprint the answer is ErrKeyReused; once
// RetryConflicts gives up it is an ErrConflict. Any other error is plan's, Fold's or the store's,
// as it is. The state beside an error is the last that was read.
func (a Attempt[S]) Do(
	ctx context.Context, id string, req Request, plan func(context.Context, *Reads) (Plan, error),
) (S, error) {
	stream := NewStreamID(a.Category, id)
	empty := &History{Head: Head{stream: stream}}
	return a.settle(ctx, stream, doing, req, empty, func(ctx context.Context, from *Reads, state S) (*Plan, error) {
		switch status := a.Status(state); status {
		case AttemptOpen:
			p, err := plan(ctx, from)
			return &p, err
		case AttemptDone:
			return nil, nil
		case AttemptRefused, AttemptWaiting:
			return nil, a.Fault(state)
		default:
			return nil, ErrAttemptClosed.New("%s is %s", stream, status)
		}
	}, a.Refused)
}

// Try is an attempt that DoAll carries out with others.
type Try struct {
	ID      string
	Request Request // one that claims nothing
	Event   any     // on the attempt's stream
}

// DoAll carries out several attempts for the first time, by one append of all their events and the
// effects: all or none. It takes their streams to be empty, as Do does, and decides nothing. Where
// it gives no states, Do tells of each what becomes of it: after an error, be it an ErrConflict,
// which it doesn't try again, or a fault of an effect, which is nobody's refusal yet; and without
// one, where an earlier try of all of them is there already.
//
// The commits are those of Do: each finds what the other has written. A *ConflictError names the
// stream of an attempt that somebody has begun, where its Actual is above 0.
func (a Attempt[S]) DoAll(ctx context.Context, tries []Try, effects ...Effect) ([]S, error) {
	commits := make([]Commit, len(tries))
	for i, t := range tries {
		switch {
		case t.Request.CommitID == "":
			return nil, fmt.Errorf("es: attempt %s: the request has no commit id", NewStreamID(a.Category, t.ID))
		case t.Request.Claim.Stream != "":
			return nil, fmt.Errorf("es: attempt %s: a request with a claim is carried out alone",
				NewStreamID(a.Category, t.ID))
		}
		t.Request.CommitID = doing + t.Request.CommitID
		commits[i] = t.Request.Commit(Empty(NewStreamID(a.Category, t.ID)), t.Event)
	}
	appended, err := a.Store.Append(ctx, commits, effects...)
	if err != nil || appended.Recognised {
		return nil, err
	}
	states := make([]S, len(tries))
	for i, head := range appended.Heads {
		if states[i], err = a.Fold(*after(History{}, head, commits[i])); err != nil {
			return nil, err
		}
	}
	return states, nil
}

// Undo takes the attempt id back: plan says how, and is asked of a done one and of one that waits;
// voided is the event that closes an open one. A refused, voided or undone attempt is left as it
// is.
//
// The id of the commit is "undo:" and the request's CommitID, so the request may be that of the Do.
// Errors are as with Do, but for the refusals: a fault from plan, or from an effect of it, is not
// recorded, and leaves the attempt done.
func (a Attempt[S]) Undo(
	ctx context.Context, id string, req Request, voided any, plan func(context.Context, *Reads, S) (Plan, error),
) (S, error) {
	stream := NewStreamID(a.Category, id)
	return a.settle(ctx, stream, "undo:", req, nil, func(ctx context.Context, from *Reads, state S) (*Plan, error) {
		switch a.Status(state) {
		case AttemptOpen:
			return &Plan{Event: voided}, nil
		case AttemptDone, AttemptWaiting:
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

// settle plans and appends until the attempt's stream tells the answer by itself. known is what the
// stream is taken to be without a read; nil has it read. What is appended tells the next round as
// much as a read would, and so does a conflict with somebody else on another stream. Any other
// conflict, or a plan that can't be made, on a stream that was not read has it read: what is
// assumed decides nothing. command goes ahead of the request's commit id, so that a Do and an Undo
// of one request are two commits.
func (a Attempt[S]) settle(ctx context.Context, stream StreamID, command string, req Request, known *History,
	plan planner[S], refused func(*faults.Fault) Plan,
) (S, error) {
	var state S
	if req.CommitID == "" { // with the command before it, no store would miss it
		return state, fmt.Errorf("es: attempt %s: the request has no commit id", stream)
	}
	req.CommitID = command + req.CommitID
	err := RetryConflicts(ctx, a.Clock, func(ctx context.Context) error {
		for {
			history, read := known, known == nil
			known = nil
			if read {
				found, err := a.Store.Load(ctx, stream, 0)
				if err != nil {
					return err
				}
				history = &found
			}
			var err error
			if state, err = a.Fold(*history); err != nil {
				return err
			}
			var settled bool
			known, settled, err = a.round(ctx, *history, req, state, plan, refused)
			if settled || err != nil && (read || known != nil) {
				return err
			}
		}
	})
	if errors.Is(err, ErrConflict) {
		return state, fmt.Errorf("attempt %s: %w", stream, err)
	}
	return state, err
}

// elsewhere reports whether an append met a commit on another stream than the attempt's own, which
// goes first: it would be the one that is named.
func elsewhere(err error, stream StreamID) bool {
	var conflict *ConflictError
	return errors.As(err, &conflict) && conflict.Stream != stream && conflict.Actual > 0
}

// planner says what a round is to write: nil where the state is the answer, with the error that it
// is answered with.
type planner[S any] func(context.Context, *Reads, S) (*Plan, error)

// round plans and appends once. settled means that err is the answer; else the history is what the
// stream is after the append, nil where that is not known.
func (a Attempt[S]) round(ctx context.Context, history History, req Request, state S,
	plan planner[S], refused func(*faults.Fault) Plan,
) (after *History, settled bool, err error) {
	fingerprint, found := history.Commit(req.CommitID)
	if found && fingerprint != req.Fingerprint {
		return nil, true, ErrKeyReused
	}
	var claims []Commit
	if !found {
		if claims, err = req.Claimed(ctx, a.Store); err != nil {
			return nil, false, err
		}
	}
	from := &Reads{store: a.Store, ends: []Head{history.Head}}
	p, err := plan(ctx, from, state)
	switch {
	case p == nil:
		return nil, true, err
	case err == nil && found:
		// A second write of the same command would be an effect too many, and one that changed
		// nothing would go on for ever.
		return nil, true, fmt.Errorf("es: attempt %s: commit %q is there and the attempt is still %s",
			history.Head.stream, req.CommitID, a.Status(state))
	case err == nil:
		p.Commits = append(claims, p.Commits...)
		if told := p.Appended; told != nil {
			p.Appended = func(ends []Head) { told(ends[len(claims):]) }
		}
		after, err = a.append(ctx, history, req, *p)
		if elsewhere(err, history.Head.stream) {
			after = &history
		}
		if !faults.Final(err) {
			return after, unheard(err), err
		}
	}
	fault, ok := faults.As(err)
	if !ok || !faults.Final(err) {
		return nil, false, err
	}
	var record *Plan
	if refused != nil && a.Status(state) == AttemptOpen {
		p := refused(fault)
		record = &p
	}
	return a.refuse(ctx, history, req, from, record, err)
}

// refuse records a refusal, or answers with it where record is nil, once all that it was decided on
// is known to have been so at one moment. Where that is the attempt's stream alone, the append of
// the record tells as much.
func (a Attempt[S]) refuse(ctx context.Context, history History, req Request, from *Reads, record *Plan,
	refusal error,
) (after *History, settled bool, err error) {
	if record == nil || from.several() {
		if err := from.confirm(ctx); err != nil {
			return nil, false, err
		}
	}
	if record == nil {
		return nil, true, refusal
	}
	after, err = a.append(ctx, history, req, *record)
	return after, unheard(err), err
}

// unheard reports whether an append failed without telling about the stream.
func unheard(err error) bool { return err != nil && !errors.Is(err, ErrConflict) }

// append writes a plan, and gives what the stream is then: nil where an earlier try of the request
// was there already, whose event may be another.
func (a Attempt[S]) append(ctx context.Context, history History, req Request, p Plan) (*History, error) {
	commit := req.Commit(history.Head, p.Event)
	appended, err := a.Store.Append(ctx, append([]Commit{commit}, p.Commits...), p.Effects...)
	if err != nil || appended.Recognised {
		return nil, err
	}
	if p.Appended != nil {
		p.Appended(appended.Heads[1:])
	}
	return after(history, appended.Heads[0], commit), nil
}

// after is a history with the one event of a commit that was appended to it.
func after(history History, head Head, commit Commit) *History {
	return &History{Head: head, Events: append(history.Events, Recorded{
		Stream: head.stream, Version: head.version, Data: commit.Events[0],
		CommitID: commit.ID, Fingerprint: commit.Fingerprint, Time: commit.Time, Metadata: commit.Metadata,
	})}
}
