package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/es"
)

func TestTail(t *testing.T) {
	errQueue := errors.New("no queue")
	event := es.Envelope{
		ID: "order/o1@1", Type: "order.placed", Subject: "order/o1", CorrelationID: "c", Time: noon, Data: []byte(`{}`),
	}
	const line = "2026-03-01T12:00:00Z  order.placed             order/o1  correlation c\n"
	for name, tt := range map[string]struct {
		flags tailFlags
		comes [][]es.Envelope // what each look brings; behind them nothing does, until the time is over
		err   error
		stops bool // by hand, at the end
		lines int
		says  string
	}{
		"as many as were " +
			"wanted": {tailFlags{count: 2}, [][]es.Envelope{{event}, {}, {event, event}}, nil, false, 2, ""},
		"for some time": {tailFlags{timeout: time.Millisecond}, [][]es.Envelope{{event}}, nil, false, 1, ""},
		"too few": {
			tailFlags{count: 2, timeout: time.Millisecond}, [][]es.Envelope{{event}}, nil, false, 1,
			"1 of 2 events came within 1ms",
		},
		"until Ctrl-C":   {tailFlags{count: 2}, [][]es.Envelope{{event}}, nil, true, 1, ""},
		"it can't go on": {tailFlags{}, [][]es.Envelope{{event}}, errQueue, false, 1, "no queue"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			looks := 0
			next := func(ctx context.Context) ([]es.Envelope, error) {
				if looks++; looks <= len(tt.comes) {
					return tt.comes[looks-1], nil
				}
				if tt.stops {
					stop()
				}
				if tt.err != nil {
					return nil, tt.err
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			var out bytes.Buffer
			err := tt.flags.follow(ctx, &out, next)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
			if out.String() != strings.Repeat(line, tt.lines) {
				t.Errorf("printed %q", out.String())
			}
		})
	}
	var out bytes.Buffer
	f := tailFlags{json: true}
	if err := f.print(&out, event); err != nil || !strings.Contains(out.String(), `"subject":"order/o1"`) ||
		strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v %q", err, out.String())
	}
}

// leftTail brings one event at once, and can't be taken away.
type leftTail struct{ closed bool }

func (*leftTail) Next(context.Context) ([]es.Envelope, error) { return []es.Envelope{{ID: "e1"}}, nil }

func (l *leftTail) Close(ctx context.Context) error {
	l.closed = ctx.Err() == nil
	return errors.New("delete the rule by hand")
}

// TestTailLeft: what a tail could not take away is said however it ends, also by Ctrl-C and by a
// reader that has enough.
func TestTailLeft(t *testing.T) {
	interrupted, stop := context.WithCancel(t.Context())
	stop()
	for name, tt := range map[string]struct {
		ctx context.Context
		out io.Writer
	}{
		"as many as were wanted": {t.Context(), io.Discard},
		"by Ctrl-C":              {interrupted, io.Discard},
		"nobody reads":           {t.Context(), results{brokenPipe{}}},
	} {
		tail := &leftTail{}
		err := (&tailFlags{count: 1}).toTheEnd(tt.ctx, tt.out, tail)
		var stopped *stoppedError
		if !errors.As(err, &stopped) || stopped.hint != "delete the rule by hand" || errors.Is(err, errUnread) ||
			!tail.closed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTailFlags(t *testing.T) {
	for args, says := range map[string]string{
		"--count -1": "--count: expected 0 or more", "--type " +
			"order.plaiced": `--type: expected the type of a published event`,
		"--timeout -1s": "--timeout",
	} {
		refused(t, []string{says}, append([]string{"events", "tail"}, strings.Fields(args)...)...)
	}
	f := tailFlags{orderID: "o1"}
	if err := f.check(); err != nil || f.wanted.Subject != "order/o1" {
		t.Errorf("%v %+v", err, f.wanted)
	}
}
