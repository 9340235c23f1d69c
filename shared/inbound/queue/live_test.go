package queue_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"orderflow/shared/inbound/queue"
)

// What is marked as a replay never reaches the handler; everything else does, as it is.
func TestLiveOnly(t *testing.T) {
	old := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(old) })
	for _, tc := range []struct {
		name, body string
		replay     bool
	}{
		{"live", `{"detail-type":"order.placed","detail":{"id":"order/o1@1"}}`, false},
		{"replayed", `{"detail-type":"order.placed","replay-name":"again","detail":{"id":"order/o1@1"}}`, true},
		{"replayed, without a name", `{"replay-name":"","detail":{}}`, true},
		{"the field inside of the detail", `{"detail":{"replay-name":"again"}}`, false},
		{"no replay by null, which EventBridge never writes", `{"replay-name":null}`, false},
		{"no JSON", `replay-name`, false},
		{"no object", `["replay-name"]`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var reached []string
			handle := queue.LiveOnly(func(_ context.Context, m queue.Message) error {
				reached = append(reached, string(m.Body))
				return nil
			})
			if err := handle(t.Context(), queue.Message{ID: "m", Body: []byte(tc.body)}); err != nil {
				t.Fatal(err)
			}
			want := []string{tc.body}
			if tc.replay {
				want = nil
			}
			if !slices.Equal(reached, want) {
				t.Errorf("reached %q, want %q", reached, want)
			}
		})
	}
}
