// Package inbox lets a consumer have one effect for each event, though the event comes any number
// of times, from any number of places at once.
//
// Before the effect the consumer claims the event for a while (a lease), and after it says what
// came of it:
//
//	none ──claim──> claimed ──done──> done            every later claim gets the stored result
//	                      └──fail, release──> failed  the effect is known not to have happened;
//	                                                  whoever comes next may claim
//
// An entry is never taken away. A write may arrive long after whoever sent it has given it up, and
// a claim that came where its entry had been taken away would stand as one of which nobody knows
// what came. Each write names the token of what it replaces, and the token of the one that replaced
// it keeps it from arriving.
//
// A claim whose lease ended without a word is what a crash leaves: nobody knows whether the effect
// happened. An effect that may happen twice is taken over then; for one that must not, the event is
// an ErrOutcomeUnknown until a person decides. They decide by a permit, which is good for one
// claim.
//
// What it guarantees: of all claims on an event of a consumer one holds at a time, by a condition
// of the store and not by a look before; without takeovers an effect is begun once and not again,
// unless it is known that it did not happen. What it does not: an effect and its entry are not
// written together, so that "exactly once" it is for nobody. An effect that goes on after its lease
// can meet the one that took over; where that does harm, the effect needs a condition of its own.
// An entry is forgotten after its retention, so an event that may come later than that is to be
// refused by its age.
//
// It knows nothing of queues, events or AWS: an event is an id and the hash of what the effect
// follows from.
package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
)

var (
	// ErrInFlight says that somebody else holds the claim. It may pass: they say done, or their
	// lease ends.
	ErrInFlight = errors.New("inbox: another claim is in flight")
	// ErrOutcomeUnknown says that a claim ended without a word: the effect happened or not. Trying
	// again can't tell, and would risk a second one.
	ErrOutcomeUnknown = errors.New("inbox: the outcome of an earlier try is unknown")
	// ErrTampered says that the event came before with another payload. One of the two is none of
	// the publisher's.
	ErrTampered = errors.New("inbox: the event came before with another payload")
	// ErrLost says that the claim is somebody else's by now, or forgotten: the lease had ended.
	ErrLost = errors.New("inbox: the claim is lost")
)

// State is where the handling of an event stands.
type State string

// The states.
const (
	Claimed State = "claimed" // somebody is at it, or was when they died
	Done    State = "done"
	Failed  State = "failed" // the effect is known not to have happened
)

// Key names an entry: each consumer handles each event for itself.
type Key struct {
	Consumer string
	Event    string // the event's id; without personal data
}

// Entry is what is kept of one event's handling by one consumer.
type Entry struct {
	Key     Key
	Payload string // Hash of what the effect follows from
	State   State
	Token   string    // of the claim that wrote the entry, a random one: who holds it may change it
	Claims  int64     // how often the event was claimed, this claim included
	Claimed time.Time // when, by the claimer's clock
	Until   time.Time // the end of the claim's lease
	Result  string    // of Done what came of it, of Failed why; without personal data
	Permits []string  // that claims on the event came with, nil for none: each is used
	Expires time.Time // from then on the store may forget the entry, and need not
}

// Store keeps entries. An implementation passes the suite of package inboxtest.
type Store interface {
	// Swap writes next where the entry of its key has the token was, or where there is none and was
	// is "". Where something else stands nothing is written, and that is returned, the zero Entry
	// for none. An entry that has next's own token and state already counts as written: an answer
	// was lost. Where it is an error, the write may have happened, and may yet.
	Swap(ctx context.Context, next Entry, was string) (there Entry, swapped bool, err error)
}

// Hash is the SHA-256 of a payload, in hexadecimal. Where the payload follows from personal data in
// clear, so does its hash: a guess could be confirmed by it.
func Hash(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}

// Inbox is one consumer's. All fields but TakeOver are required. It is safe for concurrent use.
type Inbox struct {
	Store    Store
	Clock    clock.Clock
	Consumer string
	// Lease is how long a claim holds: longer than a try may take, and shorter than the time after
	// which the event comes again after a crash. It is more than the second that Do needs to say
	// what came of the effect.
	Lease time.Duration
	// Retention is how long an entry is kept, from its last change on: longer than an event can
	// come again, and no shorter than the lease.
	Retention time.Duration
	// TakeOver says that a claim whose lease has ended may be taken over: the effect may happen
	// twice.
	TakeOver bool
}

// Event is what a claim is on.
type Event struct {
	ID      string
	Payload string // Hash of what the effect follows from
	// TakeOver is the id of a permit, "" for none: somebody decided that the effect may happen once
	// more. It lets one claim take over another whose lease has ended, where the inbox does not;
	// the claim that comes with it uses it up, and whoever brings it again is one without.
	TakeOver string
}

// Claim is a claim that was granted, or what came of an earlier one.
type Claim struct {
	Done   bool   // the effect happened before
	Result string // of the effect that happened before
	entry  Entry
}

// Until is the end of the lease of a claim that was granted.
func (c Claim) Until() time.Time { return c.entry.Until }

// Claim asks for the event. Without an error either the claim is granted and ends with Done, Fail
// or Release, or its Done is true and there is nothing to do. The error is an ErrInFlight,
// ErrOutcomeUnknown or ErrTampered, or the store's. An inbox whose times can't be grants nothing.
func (i Inbox) Claim(ctx context.Context, e Event) (Claim, error) {
	if i.Lease <= settleTime || i.Retention < i.Lease {
		return Claim{}, fmt.Errorf(
			"inbox: %s has a lease of %s and a retention of %s: no claim can hold, or it is forgotten while it does",
			i.Consumer, i.Lease, i.Retention,
		)
	}
	var was Entry
	for {
		now := i.Clock.Now()
		next := Entry{
			Key: Key{Consumer: i.Consumer, Event: e.ID}, Payload: e.Payload, State: Claimed, Token: ident.New(),
			Claims:  was.Claims + 1,
			Claimed: now, Until: now.Add(i.Lease), Permits: was.used(e.TakeOver), Expires: now.Add(i.Retention),
		}
		there, swapped, err := i.Store.Swap(ctx, next, was.Token)
		if err != nil {
			return Claim{}, i.unclaim(ctx, next, was.Token, err)
		}
		if swapped {
			return Claim{entry: next}, nil
		}
		claim, err := i.judge(there, e, now)
		if err != nil || claim.Done {
			return claim, err
		}
		if err := ctx.Err(); err != nil { // others may claim and fail for ever
			return Claim{}, fmt.Errorf("inbox: claim %s: %w", e.ID, err)
		}
		was = there
	}
}

// unclaim takes a claim back whose writing failed with err: it may be written all the same, or be
// written yet, and would stand as one of which nobody knows what came. was is the token of what the
// claim was to replace.
func (i Inbox) unclaim(ctx context.Context, claimed Entry, was string, err error) error {
	settling, cancel := settle(ctx)
	defer cancel()
	err = fmt.Errorf("inbox: claim %s: %w", claimed.Key.Event, err)
	// The claim is there, or is not yet; where it arrives in between, it is met the second time.
	for _, replaced := range []string{claimed.Token, was, claimed.Token} {
		there, swapped, failed := i.giveBack(settling, claimed, replaced)
		if failed != nil {
			return errors.Join(err, failed)
		}
		if swapped || there.Token != claimed.Token && there.Token != was {
			break // somebody else's claim is there, which keeps this one from arriving as well
		}
	}
	return err
}

// giveBack lets whoever comes next claim, in place of the entry with the token replaced. Permits
// that were used stay so.
func (i Inbox) giveBack(ctx context.Context, claimed Entry, replaced string) (there Entry, swapped bool, err error) {
	next := claimed
	next.State, next.Result, next.Expires = Failed, "the claim was given back", i.Clock.Now().Add(i.Retention)
	return i.Store.Swap(ctx, next, replaced)
}

// used is the permits that were used once a claim with this one, "" for none, follows the entry.
func (e Entry) used(permit string) []string {
	if permit == "" || slices.Contains(e.Permits, permit) {
		return e.Permits
	}
	return append(slices.Clone(e.Permits), permit)
}

// permits says whether that permit, "" for none, lets a claim take over the entry's.
func (e Entry) permits(permit string) bool {
	return permit != "" && !slices.Contains(e.Permits, permit)
}

// judge says what an entry that is there means for a claim. Without an error and Done it may be
// taken over.
func (i Inbox) judge(there Entry, e Event, now time.Time) (Claim, error) {
	switch {
	case there.State == "": // it was forgotten since
		return Claim{}, nil
	case there.Payload != e.Payload:
		return Claim{}, fmt.Errorf("%w: %s", ErrTampered, e.ID)
	case there.State == Done:
		return Claim{Done: true, Result: there.Result}, nil
	case there.State == Failed:
		return Claim{}, nil
	case now.Before(there.Until):
		return Claim{}, fmt.Errorf("%w: %s until %s", ErrInFlight, e.ID, there.Until.UTC().Format(time.RFC3339))
	case i.TakeOver || there.permits(e.TakeOver):
		return Claim{}, nil
	}
	return Claim{}, fmt.Errorf(
		"%w: %s was claimed at %s", ErrOutcomeUnknown, e.ID, there.Claimed.UTC().Format(time.RFC3339),
	)
}

// Done says that the effect happened, and keeps its result. ErrLost where the claim is another's by
// now.
func (i Inbox) Done(ctx context.Context, c Claim, result string) error {
	return i.finish(ctx, c, Done, result)
}

// Fail says that the effect did not happen and why: whoever comes next may claim. ErrLost where the
// claim is another's by now.
func (i Inbox) Fail(ctx context.Context, c Claim, reason string) error {
	return i.finish(ctx, c, Failed, reason)
}

func (i Inbox) finish(ctx context.Context, c Claim, s State, result string) error {
	next := c.entry
	next.State, next.Result, next.Expires = s, result, i.Clock.Now().Add(i.Retention)
	_, swapped, err := i.Store.Swap(ctx, next, next.Token)
	switch {
	case err != nil:
		return fmt.Errorf("inbox: %s %s: %w", s, next.Key.Event, err)
	case !swapped:
		return fmt.Errorf("%w: %s", ErrLost, next.Key.Event)
	}
	return nil
}

// Release gives the claim back: the effect did not happen. A claim that is lost is no error. It is
// for a claim that was not ended yet.
func (i Inbox) Release(ctx context.Context, c Claim) error {
	if _, _, err := i.giveBack(ctx, c.entry, c.entry.Token); err != nil {
		return fmt.Errorf("inbox: release %s: %w", c.entry.Key.Event, err)
	}
	return nil
}
