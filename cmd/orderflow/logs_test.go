package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"orderflow/shared/aws/invocationlog"
)

const loggedOrder = "924a0ed6-c797-5b84-82cb-36e13b188d6c"

func TestLogsRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no order":  {[]string{"logs"}, "logs: expected one order id; see --help"},
		"two":       {[]string{"logs", loggedOrder, loggedOrder}, "logs: expected one order id; see --help"},
		"no id":     {[]string{"logs", "Ada"}, `logs: expected an order id, a UUID, got "Ada"`},
		"a pattern": {[]string{"logs", `x" -"y`}, `logs: expected an order id, a UUID, got "x\" -\"y"`},
		"no time":   {[]string{"logs", loggedOrder, "--since", "0s"}, "logs: --since: expected a time above 0, got 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := root(&stackFlag{})
			cmd.SetArgs(tc.args)
			if err := cmd.ExecuteContext(t.Context()); err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}

func TestLogsPrints(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 987_654_321, time.FixedZone("", 3600))
	line := func(function, text string) invocationlog.Line {
		return invocationlog.Line{Time: at, Function: function, Text: []byte(text)}
	}
	lines := []invocationlog.Line{
		line("start-saga", `{"timestamp":"t","level":"INFO","message":"run started","run":"r","fresh":true,"subject":`+
			`"order/`+loggedOrder+`","orderId":"`+loggedOrder+`","correlationId":"c","traceId":"d","requestId":"q"}`),
		line("follow-shipments", `{"level":"ERROR","message":"message failed","error":"no\nsuch order","reason":"a b",`+
			`"subject":"shipment/s","orderId":"`+loggedOrder+`"}`),
		line("f", `oops`+"\x1b[2J"),
	}
	var out bytes.Buffer
	if err := (logsOptions{}).print(&out, loggedOrder, lines); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`2026-05-01T11:00:00.987Z  start-saga        INFO  run started fresh=true run=r`,
		`2026-05-01T11:00:00.987Z  follow-shipments  ERROR message failed error="no\nsuch order" reason="a b" ` +
			`subject=shipment/s`,
		`2026-05-01T11:00:00.987Z  f                 "oops\x1b[2J"`,
	}
	if out.String() != strings.Join(want, "\n")+"\n" {
		t.Errorf("printed\n%s\nwant\n%s", &out, strings.Join(want, "\n"))
	}
	out.Reset()
	if err := (logsOptions{asJSON: true}).print(&out, loggedOrder, lines[:1]); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"function": "start-saga"`, `"correlationId": "c"`, `"traceId": "d"`} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("printed %s, want %s", &out, part)
		}
	}
}
