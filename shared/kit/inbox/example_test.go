package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/inbox"
)

// A consumer writes to a customer once for each event. A try of which nobody knows what came of it
// is repeated only with a person's permit, and once for each.
func Example() {
	now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	letters := inbox.Inbox{
		Store: inbox.NewMemory(), Clock: now, Consumer: "write-letters", Lease: time.Minute,
		Retention: 35 * 24 * time.Hour,
	}
	handle := func(id, permit string, post func() error) {
		event := inbox.Event{ID: id, Payload: inbox.Hash([]byte("Dear customer")), TakeOver: permit}
		result, fresh, err := letters.Do(
			context.Background(), event, func(context.Context) (string, error) { return "posted", post() },
		)
		switch {
		case errors.Is(err, inbox.ErrOutcomeUnknown):
			fmt.Println(id, "is for a person to decide")
		case err != nil:
			fmt.Println(id, "comes again:", err)
		case fresh:
			fmt.Println(id, result)
		default:
			fmt.Println(id, "was", result, "before")
		}
	}
	arrives := func() error { return nil }
	isLost := func() error { return errors.New("the postman does not come back") }
	isShut := func() error { return fmt.Errorf("%w: the post office is shut", inbox.ErrNotDone) }

	handle("order/1@1", "", isShut)
	handle("order/1@1", "", arrives)
	handle("order/1@1", "", arrives)

	handle("order/2@1", "", isLost)
	now.Advance(letters.Lease)
	handle("order/2@1", "", arrives)
	handle("order/2@1", "permit 1", isLost)
	now.Advance(letters.Lease)
	handle("order/2@1", "permit 1", arrives)
	handle("order/2@1", "permit 2", arrives)

	// Output:
	// order/1@1 comes again: inbox: the effect did not happen: the post office is shut
	// order/1@1 posted
	// order/1@1 was posted before
	// order/2@1 is for a person to decide
	// order/2@1 is for a person to decide
	// order/2@1 is for a person to decide
	// order/2@1 is for a person to decide
	// order/2@1 posted
}
