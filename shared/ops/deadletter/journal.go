package deadletter

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
)

// Tries is how many tries of its consumer's own a message has. Only those count that ran and
// failed: a queue counts what it hands out, also to an invocation that was throttled and never ran.
const Tries = 3

// MaxReceives is how often a queue hands a message out before it gives it up by itself (its
// maxReceiveCount): half an hour of throttling at least. It ends what makes the consumer crash or
// run out of time, which can't be noted.
const MaxReceives = 30

// Mover moves a message that has failed for the last time to the queue of dead letters. One that
// was moved may be moved again, since a consumer may die before its own queue knows of it.
type Mover interface {
	Move(context.Context, Letter) error
}

// Journal is what a queue's consumer tells of its tries. All fields are required.
type Journal struct {
	Table       Table
	Clock       clock.Clock
	DeadLetters Mover
}

// Failed notes a try that failed at the message of a letter, which is as it lies in the consumer's
// queue. First and Last of the note are the journal's to set. After the last try the message is
// moved to the dead letters: over says that its queue is done with it. Else, and where it can't be
// moved, it must come again.
func (j Journal) Failed(ctx context.Context, n Note, l Letter) (over bool, err error) {
	n.First = j.Clock.Now()
	n.Last, n.Error, n.Code = n.First, shorten(n.Error, maxError), shorten(n.Code, maxName)
	if n, err = j.Table.Note(ctx, n); err != nil || n.Tries < Tries {
		return false, err
	}
	err = j.DeadLetters.Move(ctx, l)
	return err == nil, err
}

// Succeeded closes the entry of a message that was redriven to a queue and is handled now. A
// message says by itself which entry that is: one that is of another queue, or is not there, is
// nothing to close.
func (j Journal) Succeeded(ctx context.Context, id, queueARN string) error {
	if !ident.Valid(id) {
		return nil
	}
	if _, err := change(ctx, j.Table, id, func(e Entry) (Entry, bool) {
		return e.resolved(j.Clock.Now()), e.Status != StatusResolved && e.Kind == KindQueue && e.Target == queueARN
	}); err != nil && !errors.Is(err, ErrNoEntry) {
		return fmt.Errorf("deadletter: resolve %s: %w", id, err)
	}
	return nil
}
