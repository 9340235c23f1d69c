package queue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/deadletter"
)

var errRule = faults.Declare(faults.Rule, "test.rule")

// batch is an event with one message for each body; the id of a message is "m-" and its body.
func batch(bodies ...string) events.SQSEvent {
	var e events.SQSEvent
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: "m-" + body, Body: body,
			Attributes:     map[string]string{"ApproximateReceiveCount": fmt.Sprint(i + 1)},
			EventSourceARN: "arn:aws:sqs:us-east-1:123456789012:inventory-commands",
		})
	}
	return e
}

func failed(r events.SQSEventResponse) []string {
	ids := []string{}
	for _, f := range r.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func TestHandler(t *testing.T) {
	for _, tc := range []struct {
		name   string
		bodies []string
		fails  map[string]error
		want   []string
	}{
		{"no message", nil, nil, []string{}},
		{"all done", []string{"a", "b", "c"}, nil, []string{}},
		{"one fails", []string{"a", "b", "c"}, map[string]error{"b": errors.New("no")}, []string{"m-b"}},
		{
			"one is refused", []string{"a", "b"}, map[string]error{"a": fmt.Errorf("x: %w", errRule.New("no"))},
			[]string{"m-a"},
		},
		{
			"all fail", []string{"a", "b"}, map[string]error{"a": errors.New("no"), "b": errors.New("no")},
			[]string{"m-a", "m-b"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var taken []string
			handle := queue.Handler(func(_ context.Context, m queue.Message) error {
				taken = append(taken, string(m.Body))
				if m.ID != "m-"+string(m.Body) || m.ReceiveCount != len(taken) {
					t.Errorf("message %+v", m)
				}
				return tc.fails[string(m.Body)]
			}, nil)
			got, err := handle(t.Context(), batch(tc.bodies...))
			if err != nil || got.BatchItemFailures == nil || !slices.Equal(failed(got), tc.want) {
				t.Errorf("failed %v (nil: %v), %v, want %v", failed(got), got.BatchItemFailures == nil, err, tc.want)
			}
			if !slices.Equal(taken, tc.bodies) {
				t.Errorf("took %v", taken)
			}
		})
	}
}

func TestAnswerOnTheWire(t *testing.T) {
	handler := lambda.NewHandler(queue.Handler(func(_ context.Context, m queue.Message) error {
		if string(m.Body) == "bad" {
			return errors.New("no")
		}
		return nil
	}, nil))
	for _, tc := range []struct {
		bodies []string
		want   string
	}{
		{nil, `{"batchItemFailures":[]}`},
		{[]string{"good"}, `{"batchItemFailures":[]}`},
		{[]string{"good", "bad"}, `{"batchItemFailures":[{"itemIdentifier":"m-bad"}]}`},
	} {
		payload, err := json.Marshal(batch(tc.bodies...))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := handler.Invoke(t.Context(), payload); err != nil || string(got) != tc.want {
			t.Errorf("%v: %s, %v, want %s", tc.bodies, got, err, tc.want)
		}
	}
}

// TestShares: each message is tried, with its part of what those before it left over, and half a
// second stays for the answer. The bubble's clock stands still but for who waits.
func TestShares(t *testing.T) {
	const forever = time.Hour // until its context ends, as a call does whose answer does not come
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		takes   []time.Duration
		want    []time.Duration // each one's share
		fails   []string
	}{
		{"one", 10 * time.Second, []time.Duration{0}, []time.Duration{9500 * time.Millisecond}, []string{}},
		{
			"all at once", 2500 * time.Millisecond, []time.Duration{0, 0},
			[]time.Duration{time.Second, 2 * time.Second}, []string{},
		},
		{"the first hangs", 4500 * time.Millisecond, []time.Duration{forever, 0, 0, 0},
			[]time.Duration{time.Second, time.Second, 1500 * time.Millisecond, 3 * time.Second}, []string{"m-0"}},
		{"the second hangs", 4500 * time.Millisecond,
			[]time.Duration{400 * time.Millisecond, forever, 200 * time.Millisecond, 0},
			[]time.Duration{time.Second, 1200 * time.Millisecond, 1200 * time.Millisecond, 2200 * time.Millisecond},
			[]string{"m-1"}},
		{
			"all hang", 2500 * time.Millisecond, []time.Duration{forever, forever},
			[]time.Duration{time.Second, time.Second}, []string{"m-0", "m-1"},
		},
		{
			"little time", 502 * time.Millisecond, []time.Duration{forever, 0},
			[]time.Duration{time.Millisecond, time.Millisecond}, []string{"m-0"},
		},
		{"no time", 500 * time.Millisecond, []time.Duration{0, 0}, nil, []string{"m-0", "m-1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tc.timeout)
				defer cancel()
				var bodies []string
				for i := range tc.takes {
					bodies = append(bodies, fmt.Sprint(i))
				}
				var shares []time.Duration
				got, err := queue.Handler(func(ctx context.Context, _ queue.Message) error {
					own, _ := ctx.Deadline()
					shares = append(shares, time.Until(own))
					return clock.System{}.Sleep(ctx, tc.takes[len(shares)-1])
				}, nil)(ctx, batch(bodies...))
				if err != nil || !slices.Equal(failed(got), tc.fails) || !slices.Equal(shares, tc.want) {
					t.Errorf("failed %v, %v, want %v; shares %v, want %v", failed(got), err, tc.fails, shares, tc.want)
				}
				if ctx.Err() != nil {
					t.Error("the answer comes after the function's deadline")
				}
			})
		})
	}
	t.Run("no deadline", func(t *testing.T) {
		got, err := queue.Handler(func(ctx context.Context, _ queue.Message) error {
			if own, ok := ctx.Deadline(); ok {
				t.Errorf("the message has until %v", own)
			}
			return nil
		}, nil)(context.WithoutCancel(t.Context()), batch("a", "b"))
		if err != nil || len(got.BatchItemFailures) != 0 {
			t.Errorf("failed %v, %v", failed(got), err)
		}
	})
}

// TestNoTimeIsLeft: a handler that goes on after its context has ended is the one thing that keeps
// others from being begun; the answer comes all the same.
func TestNoTimeIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		taken := 0
		got, err := queue.Handler(func(ctx context.Context, _ queue.Message) error {
			taken++
			return clock.System{}.Sleep(context.WithoutCancel(ctx), 9500*time.Millisecond)
		}, nil)(ctx, batch("a", "b"))
		if err != nil || taken != 1 || !slices.Equal(failed(got), []string{"m-b"}) {
			t.Errorf("failed %v, %v, %d taken", failed(got), err, taken)
		}
	})
}

// TestMaxBatch: with the largest batch that may be, and with no larger one, each message has a
// second and a half whatever the others take.
func TestMaxBatch(t *testing.T) {
	for timeout, want := range map[time.Duration]int{
		10 * time.Second: 6, 30 * time.Second: 19, 2 * time.Second: 1, time.Second: 1,
	} {
		if got := queue.MaxBatch(timeout); got != want {
			t.Errorf("%v: %d, want %d", timeout, got, want)
		}
	}
}

// TestPanic: a message that breaks the handler fails alone.
func TestPanic(t *testing.T) {
	log := captureLog(t)
	var taken []string
	got, err := queue.Handler(func(_ context.Context, m queue.Message) error {
		taken = append(taken, string(m.Body))
		if string(m.Body) == "b" {
			panic("a mistake")
		}
		return nil
	}, nil)(t.Context(), batch("a", "b", "c"))
	if err != nil || !slices.Equal(failed(got), []string{"m-b"}) || !slices.Equal(taken, []string{"a", "b", "c"}) {
		t.Errorf("failed %v, %v, took %v", failed(got), err, taken)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%q", lines)
	}
	for _, w := range []string{`"level":"ERROR"`, `"messageId":"m-b"`, "a mistake", `"stack":`, "TestPanic"} {
		if !strings.Contains(lines[1], w) {
			t.Errorf("%s lacks %s", lines[1], w)
		}
	}
}

// captureLog keeps what is logged during the test.
func captureLog(t *testing.T) *bytes.Buffer {
	log, before := &bytes.Buffer{}, slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return log
}

func TestOneLineForEachMessage(t *testing.T) {
	log := captureLog(t)
	got, err := queue.Handler(func(_ context.Context, m queue.Message) error {
		if string(m.Body) == "b" {
			return fmt.Errorf("because: %w", errRule.New("so"))
		}
		return nil
	}, nil)(t.Context(), batch("a", "b"))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if err != nil || len(got.BatchItemFailures) != 1 || len(lines) != 2 {
		t.Fatalf("%+v, %v, %q", got, err, lines)
	}
	for i, want := range [][]string{
		{`"level":"INFO"`, `"queue":"inventory-commands"`, `"messageId":"m-a"`, `"receiveCount":1`},
		{`"level":"ERROR"`, `"messageId":"m-b"`, `because: test.rule: so`, `"code":"test.rule"`},
	} {
		for _, w := range want {
			if !strings.Contains(lines[i], w) {
				t.Errorf("%s lacks %s", lines[i], w)
			}
		}
	}
}

// journal is a queue.Journal that remembers, and fails or waits as it is told.
type journal struct {
	notes  []deadletter.Note
	closed []string
	fails  error
	hangs  bool
	over   bool // each failure is the last one
}

func (j *journal) call(ctx context.Context) error {
	if j.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return j.fails
}

func (j *journal) Failed(ctx context.Context, n deadletter.Note, l deadletter.Letter) (bool, error) {
	j.notes = append(j.notes, n)
	if l.MessageID != n.MessageID || !strings.HasSuffix(l.QueueARN, ":"+n.Queue) {
		return false, fmt.Errorf("a note of %s in %s, and a letter of %s in %s", n.MessageID, n.Queue, l.MessageID,
			l.QueueARN)
	}
	return j.over, j.call(ctx)
}

// closedLetter is how the journal notes the dead letter that a redriven message names.
const closedLetter = "letter of arn:aws:sqs:us-east-1:123456789012:inventory-commands"

func (j *journal) Succeeded(ctx context.Context, id, queueARN string) error {
	j.closed = append(j.closed, id+" of "+queueARN)
	return j.call(ctx)
}

// The journal learns of each try that fails, with its real error, and of each dead letter that was
// handled; what it can't take down fails no message that failed anyway, and each that is redriven
// and done.
func TestJournal(t *testing.T) {
	text := func(s string) events.SQSMessageAttribute {
		return events.SQSMessageAttribute{DataType: "String", StringValue: &s}
	}
	fault := errRule.New("no")
	for name, tc := range map[string]struct {
		redriven bool
		err      error
		panics   bool
		journal  journal
		failed   []string
		want     journal
	}{
		"done": {failed: []string{}},
		"fails": {
			err: errors.New("trouble"), failed: []string{"m-a"},
			want: journal{notes: []deadletter.Note{{Error: "trouble"}}},
		},
		"a fault": {
			err: fault, failed: []string{"m-a"},
			want: journal{notes: []deadletter.Note{{Error: fault.Error(), Code: "test.rule"}}},
		},
		"held": {
			err: poison.Hold(errors.New("unknown")), failed: []string{"m-a"},
			want: journal{notes: []deadletter.Note{{Error: poison.Hold(errors.New("unknown")).Error(), Held: true}}},
		},
		"panics": {
			panics: true, failed: []string{"m-a"},
			want: journal{notes: []deadletter.Note{{Error: "queue: the handler panics: a mistake"}}},
		},
		"fails for the last time": {
			err: errors.New("trouble"), journal: journal{over: true}, failed: []string{},
			want: journal{notes: []deadletter.Note{{Error: "trouble"}}},
		},
		"no note": {
			err: errors.New("trouble"), journal: journal{fails: errors.New("down")}, failed: []string{"m-a"},
			want: journal{notes: []deadletter.Note{{Error: "trouble"}}},
		},
		"redriven": {redriven: true, failed: []string{}, want: journal{closed: []string{closedLetter}}},
		"redriven, fails": {
			redriven: true, err: errors.New("still"), failed: []string{"m-a"},
			want: journal{notes: []deadletter.Note{{Error: "still"}}},
		},
		"redriven, not closed": {redriven: true, journal: journal{fails: errors.New("down")}, failed: []string{"m-a"},
			want: journal{
				closed: []string{closedLetter},
				notes: []deadletter.Note{{
					Error: "queue: the message is handled, and its dead letter not closed: down",
				}}}},
	} {
		t.Run(name, func(t *testing.T) {
			e := batch("a")
			if tc.redriven {
				e.Records[0].MessageAttributes = map[string]events.SQSMessageAttribute{
					"dead-letter-id": text("letter"), "redrive-attempt": text("1"),
				}
			}
			got, err := queue.Handler(func(context.Context, queue.Message) error {
				if tc.panics {
					panic("a mistake")
				}
				return tc.err
			}, &tc.journal)(t.Context(), e)
			if err != nil || !slices.Equal(failed(got), tc.failed) {
				t.Errorf("failed %v, %v, want %v", failed(got), err, tc.failed)
			}
			for i := range tc.want.notes {
				tc.want.notes[i].Queue, tc.want.notes[i].MessageID = "inventory-commands", "m-a"
			}
			if !slices.Equal(tc.journal.notes, tc.want.notes) || !slices.Equal(tc.journal.closed, tc.want.closed) {
				t.Errorf(
					"noted %+v, closed %v, want %+v, %v", tc.journal.notes, tc.journal.closed, tc.want.notes,
					tc.want.closed,
				)
			}
		})
	}
}

// A journal that does not answer takes its own time and nobody else's.
func TestJournalThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
		defer cancel()
		var shares []time.Duration
		got, err := queue.Handler(func(ctx context.Context, _ queue.Message) error {
			own, _ := ctx.Deadline()
			shares = append(shares, time.Until(own))
			return clock.System{}.Sleep(ctx, time.Hour)
		}, &journal{hangs: true})(ctx, batch("a", "b"))
		want := []time.Duration{1600 * time.Millisecond, 1600 * time.Millisecond}
		if err != nil || !slices.Equal(failed(got), []string{"m-a", "m-b"}) || !slices.Equal(shares, want) ||
			ctx.Err() != nil {
			t.Errorf("failed %v, %v, %v; shares %v, want %v", failed(got), err, ctx.Err(), shares, want)
		}
	})
}

// A message brings its sender's attributes; only the very word of a person lets an effect happen
// twice, and it names the redrive that it is for.
func TestAttributes(t *testing.T) {
	text := func(s string) events.SQSMessageAttribute {
		return events.SQSMessageAttribute{DataType: "String", StringValue: &s}
	}
	number, custom := text("1"), text("c")
	number.DataType, custom.DataType = "Number", "String.custom"
	texts := func(of map[string]string) map[string]events.SQSMessageAttribute {
		given := map[string]events.SQSMessageAttribute{"n": number, "c": custom, "b": {DataType: "Binary"}}
		for name, value := range of {
			given[name] = text(value)
		}
		return given
	}
	for name, tc := range map[string]struct {
		given    map[string]string
		takeOver string
	}{
		"none":         {map[string]string{}, ""},
		"of a redrive": {map[string]string{"dead-letter-id": "d", "redrive-attempt": "2"}, ""},
		"of a person's redrive": {
			map[string]string{"dead-letter-id": "d", "redrive-attempt": "2", "take-over": "true", "a": "b"}, "d/2",
		},
		"of no redrive":           {map[string]string{"take-over": "true", "redrive-attempt": "2"}, ""},
		"of a redrive, but which": {map[string]string{"take-over": "true", "dead-letter-id": "d"}, ""},
		"of nobody's word": {
			map[string]string{"dead-letter-id": "d", "redrive-attempt": "2", "take-over": "1"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := batch("a")
			e.Records[0].MessageAttributes = texts(tc.given)
			want := map[string]string{"n": "1", "c": "c"} // whatever the type, where it is a text
			maps.Copy(want, tc.given)
			_, err := queue.Handler(func(_ context.Context, m queue.Message) error {
				if !maps.Equal(m.Attributes, want) || m.TakeOver() != tc.takeOver {
					t.Errorf("%v, %q", m.Attributes, m.TakeOver())
				}
				return nil
			}, nil)(t.Context(), e)
			if err != nil {
				t.Error(err)
			}
		})
	}
}
