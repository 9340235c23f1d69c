package queue

import (
	"context"
	"log/slog"

	"orderflow/shared/contract"
)

// LiveOnly keeps replayed events from a handler whose effects reach people, and counts them as
// done: a mail that was sent must not be sent again, however the event came into the queue. Its
// queue is tagged orderflow:replay=never, so that none should; shared/archtest wants both.
func LiveOnly(handle func(context.Context, Message) error) func(context.Context, Message) error {
	return func(ctx context.Context, m Message) error {
		if contract.IsReplay(m.Body) {
			slog.WarnContext(ctx, "replayed event dropped", "messageId", m.ID)
			return nil
		}
		return handle(ctx, m)
	}
}
