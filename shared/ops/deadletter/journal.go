package deadletter

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
)

// Journal is what a queue's consumer tells of its tries. Both fields are required.
type Journal struct {
	Table Table
	Clock clock.Clock
}

// Failed notes a try that failed, for the day on which its message becomes a dead letter. First and
// Last of the note are the journal's to set.
func (j Journal) Failed(ctx context.Context, n Note) error {
	n.First = j.Clock.Now()
	n.Last, n.Error, n.Code = n.First, shorten(n.Error, maxError), shorten(n.Code, maxName)
	return j.Table.Note(ctx, n)
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
