package deadletter

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/clock"
)

// Journal is what a queue's consumer tells of its tries. Both fields are required.
type Journal struct {
	Table Table
	Clock clock.Clock
}

// Failed notes a try that failed, for the day on which its message becomes a dead letter. First and Last of the note are the journal's to set.
func (j Journal) Failed(ctx context.Context, n Note) error {
	n.First = j.Clock.Now()
	n.Last, n.Error = n.First, shorten(n.Error)
	return j.Table.Note(ctx, n)
}

// Succeeded closes the entry of a message that was redriven and is handled now. Without the entry there is nothing to close.
func (j Journal) Succeeded(ctx context.Context, id string) error {
	if _, err := change(ctx, j.Table, id, func(e Entry) (Entry, bool) {
		return e.resolved(j.Clock.Now()), e.Status != StatusResolved
	}); err != nil && !errors.Is(err, ErrNoEntry) {
		return fmt.Errorf("deadletter: resolve %s: %w", id, err)
	}
	return nil
}
