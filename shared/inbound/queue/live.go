package queue

import (
	"context"
	"encoding/json"
	"log/slog"
)

// IsReplay reports whether a message is an event that is replayed: one that carries the name of its
// replay, which EventBridge puts into the field replay-name, beside the event's detail, as
// orderflow events replay does. A body that is no JSON object is none.
func IsReplay(body []byte) bool {
	var event struct {
		ReplayName *string `json:"replay-name"`
	}
	return json.Unmarshal(body, &event) == nil && event.ReplayName != nil
}

// LiveOnly keeps replayed events from a handler whose effects reach people, and counts them as
// done: a mail that was sent must not be sent again, however the event came into the queue. Its
// queue is tagged orderflow:replay=never, so that none should; shared/archtest wants both.
func LiveOnly(handle func(context.Context, Message) error) func(context.Context, Message) error {
	return func(ctx context.Context, m Message) error {
		if IsReplay(m.Body) {
			slog.WarnContext(ctx, "replayed event dropped", "messageId", m.ID)
			return nil
		}
		return handle(ctx, m)
	}
}
