package main

import (
	"io"
	"strings"
	"testing"
)

// What can't be meant is refused before anything is asked of AWS, and names its flag.
func TestReplayFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // whoever asks all the same is refused there
	for _, tc := range []struct {
		args string
		says string
	}{
		{"", "give --consumer"},
		{"--consumer c --rate 0", "--rate is more than 0"},
		{"--consumer c --rate NaN", "--rate is more than 0"},
		{"--consumer c --segments 0", "--segments is 1 to 1000, not 0"},
		{"--consumer c --stream order", `--stream is a category, a slash and an id, as order/<id>, not "order"`},
		{"--consumer c --name a/b", `"a/b" is no name`},
		{"--consumer c --from monday", `from is a time as in 2026-11-01T00:00:00Z, or how long ago as in 24h, not "monday"`},
		{"--consumer c --from 1h --to 2h", "no time lies from"},
		{"--consumer c --type order.placed --type order.plcaed", `unknown event type "order.plcaed"; published are account.deposited`},
		{"--consumer c --archive --type order.placed", "--type is not possible with --archive"},
		{"--consumer c --archive --stream order/1", "--stream is not possible with --archive"},
		{"--consumer c --archive --rate 5", "--rate is not possible with --archive"},
		{"--consumer c --archive --dry-run", "--dry-run is not possible with --archive"},
		{"--consumer c extra", "unknown command"},
	} {
		cmd := root()
		cmd.SetArgs(append([]string{"events", "replay"}, strings.Fields(tc.args)...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", tc.args, err, tc.says)
		}
	}
}
