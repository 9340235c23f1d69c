package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/ops/audit/whole"
)

// What can't be meant is refused before anything is asked of AWS, and names its flag.
func TestReplayFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	for _, tc := range []struct {
		args string
		says string
	}{
		{"", "--consumer: expected a name"},
		{"--consumer c --rate 0", "--rate: expected more than 0, got 0"},
		{"--consumer c --rate NaN", `invalid argument "NaN" for "--rate" flag`},
		{"--consumer c --segments 0", "--segments: expected 1 to 1000, got 0"},
		{"--consumer c --stream order", `--stream: expected a stream such as order/<id>, got "order"`},
		{"--consumer c --name a/b", `"a/b" is no name`},
		{
			"--consumer c --from monday",
			`from is a time as in 2026-11-01T00:00:00Z, or how long ago as in 24h, not "monday"`,
		},
		{"--consumer c --from 1h --to 2h", "no time lies from"},
		{
			"--consumer c --type order.placed --type order.plcaed",
			`unknown event type "order.plcaed"; published are account.deposited`,
		},
		{"--consumer c --archive --type order.placed", "--type is not possible with --archive"},
		{"--consumer c --archive --stream order/1", "--stream is not possible with --archive"},
		{"--consumer c --archive --rate 5", "--rate is not possible with --archive"},
		{"--consumer c --archive --dry-run", "--dry-run is not possible with --archive"},
		{"--consumer c extra", `events replay: expected no arguments, got "extra"; see --help`},
	} {
		cmd := root(&stackFlag{})
		cmd.SetArgs(append([]string{"events", "replay"}, strings.Fields(tc.args)...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", tc.args, err, tc.says)
		}
	}
}

func TestAuditFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	for _, tc := range []struct {
		args string
		says string
	}{
		{"--rate 0", "--rate: expected more than 0, got 0"},
		{"--segments 1001", "--segments: expected 1 to 1000, got 1001"},
		{"--stream order", `--stream: expected a stream such as order/<id>, got "order"`},
		{"--refused", "--refused: expected with --republish only"},
		{"--name a/b", `"a/b" is no name`},
		{"--from monday", `from is a time as in 2026-11-01T00:00:00Z, or how long ago as in 24h, not "monday"`},
		{"--from 1h --to 2h", "no time lies from"},
		{"--from 1m", "no commit can be judged from"},
		{"--settle 0s", "settle is a time above 0"},
		{"extra", `events audit: expected no arguments, got "extra"; see --help`},
		{"--settle soon", `events audit: invalid argument "soon" for "--settle" flag`},
		{"--lost", "events audit: unknown flag: --lost; see --help"},
	} {
		cmd := root(&stackFlag{})
		cmd.SetArgs(append([]string{"events", "audit"}, strings.Fields(tc.args)...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", tc.args, err, tc.says)
		}
	}
}

// What is found and what is left is said, with what to do about it.
func TestAuditReport(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	lost := whole.Report{
		Asked: at.Add(-time.Hour), From: at, To: at.Add(time.Hour), Commits: 9, Judged: 7, Unjudged: 2, Left: 2,
		Found: map[whole.Kind]int64{whole.Unmarked: 1, whole.Refused: 1},
		Findings: []whole.Finding{
			{Kind: whole.Unmarked, Stream: "order/a", First: 3, Events: 2, Time: at},
			{Kind: whole.Refused, Stream: "order/b", First: 1, Events: 1, Time: at, Detail: "no contract"},
		},
	}
	mended := lost
	mended.Left, mended.Republished, mended.Findings = 1, 2, slices.Clone(lost.Findings)
	mended.Findings[0].Mended = true
	for name, tc := range map[string]struct {
		report    whole.Report
		republish bool
		says      []string
	}{
		"found": {
			lost, false,
			[]string{
				"unmarked     order/a@3, 2 events of 2026-03-01T12:00:00Z\n",
				"refused      order/b@1, 1 events of 2026-03-01T12:00:00Z: no contract",
				"2, before 2026-03-01T12:00:00Z", "Next: run the same command with --republish",
			},
		},
		"mended": {
			mended, true,
			[]string{
				"order/a@3, 2 events of 2026-03-01T12:00:00Z, repaired",
				"Next: fix what prevents", "--republish --refused",
			},
		},
		"nothing": {whole.Report{Asked: at, From: at, To: at}, false, []string{"found        │ 0"}},
	} {
		var out strings.Builder
		a := wholeAuditor{out: &out, arguments: whole.Arguments{Republish: tc.republish}}
		if err := a.report(tc.report); err != nil {
			t.Fatal(err)
		}
		for _, want := range tc.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, out.String())
			}
		}
		if tc.report.Left == 0 && strings.Contains(out.String(), "Next:") {
			t.Errorf("%s: there is nothing to do:\n%s", name, out.String())
		}
	}
}
