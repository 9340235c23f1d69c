package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
)

// calls are the bodies of each call of a handler, joined.
type calls []string

func (c *calls) note(messages []queue.Message) {
	var bodies []string
	for _, body := range queue.Bodies(messages) {
		bodies = append(bodies, string(body))
	}
	*c = append(*c, strings.Join(bodies, ""))
}

// What fails together is handled alone, whatever it failed by, and only what fails alone has
// failed.
func TestTogether(t *testing.T) {
	no := errors.New("no")
	all := func(messages []queue.Message, failing string) []error {
		errs := make([]error, len(messages))
		for i, m := range messages {
			if strings.Contains(failing, string(m.Body)) {
				errs[i] = no
			}
		}
		return errs
	}
	for _, tc := range []struct {
		name   string
		bodies string
		handle func(messages []queue.Message) []error
		calls  calls
		fails  []string
	}{
		{"no message", "", nil, nil, []string{}},
		{"one", "a", func(m []queue.Message) []error { return all(m, "") }, calls{"a"}, []string{}},
		{"one that fails", "a", func(m []queue.Message) []error { return all(m, "a") }, calls{"a"}, []string{"m-a"}},
		{"all done", "abc", func(m []queue.Message) []error { return all(m, "") }, calls{"abc"}, []string{}},
		{
			"one fails by itself", "abc", func(m []queue.Message) []error { return all(m, "b") }, calls{"abc", "b"},
			[]string{"m-b"},
		},
		{"one fails the others", "abc", func(m []queue.Message) []error {
			if len(m) > 1 {
				return all(m, "abc")
			}
			return all(m, "b")
		}, calls{"abc", "a", "b", "c"}, []string{"m-b"}},
		{"one panics", "abc", func(m []queue.Message) []error {
			if slices.ContainsFunc(m, func(m queue.Message) bool { return string(m.Body) == "b" }) {
				panic("a mistake")
			}
			return all(m, "")
		}, calls{"abc", "a", "b", "c"}, []string{"m-b"}},
		{
			"an answer too few", "ab", func(m []queue.Message) []error { return all(m, "")[1:] }, calls{"ab", "a", "b"},
			[]string{"m-a", "m-b"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var taken calls
			got, err := queue.Together(func(_ context.Context, messages []queue.Message) []error {
				taken.note(messages)
				for _, m := range messages {
					if m.ID != "m-"+string(m.Body) || m.ReceiveCount != strings.Index(tc.bodies, string(m.Body))+1 {
						t.Errorf("message %+v", m)
					}
				}
				return tc.handle(messages)
			}, nil)(t.Context(), batch(strings.Split(tc.bodies, "")...))
			if err != nil || got.BatchItemFailures == nil || !slices.Equal(failed(got), tc.fails) ||
				!slices.Equal(taken, tc.calls) {
				t.Errorf("failed %v, %v, want %v; calls %v, want %v", failed(got), err, tc.fails, taken, tc.calls)
			}
		})
	}
}

// The batch has half of the time, and each that failed in it its share of the other half; half a
// second stays for the answer.
func TestTogetherShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 8500*time.Millisecond)
		defer cancel()
		var shares []time.Duration
		got, err := queue.Together(func(ctx context.Context, messages []queue.Message) []error {
			own, _ := ctx.Deadline()
			shares = append(shares, time.Until(own))
			err := clock.System{}.Sleep(ctx, time.Hour) // until its context ends
			return slices.Repeat([]error{err}, len(messages))
		}, nil)(ctx, batch("a", "b"))
		if want := []time.Duration{4 * time.Second, 2 * time.Second, 2 * time.Second}; err != nil ||
			!slices.Equal(shares, want) {
			t.Errorf("shares %v, %v, want %v", shares, err, want)
		}
		if !slices.Equal(failed(got), []string{"m-a", "m-b"}) || ctx.Err() != nil {
			t.Errorf("failed %v; %v", failed(got), ctx.Err())
		}
	})
}

// With the largest batch that may be, each message that failed together has a quarter of a second.
func TestMaxTogether(t *testing.T) {
	for timeout, want := range map[time.Duration]int{30 * time.Second: 59, 10 * time.Second: 19, time.Second: 1, 0: 1} {
		if got := queue.MaxTogether(timeout); got != want {
			t.Errorf("%v: %d, want %d", timeout, got, want)
		}
	}
}

// Each message has one line, whether it was done together or alone, and the panic that took the
// others along is told.
func TestTogetherLogs(t *testing.T) {
	log := captureLog(t)
	_, err := queue.Together(func(_ context.Context, messages []queue.Message) []error {
		if len(messages) > 1 {
			panic("a mistake")
		}
		return []error{nil}
	}, nil)(t.Context(), batch("a", "b"))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if err != nil || len(lines) != 3 || !strings.Contains(lines[0], "a mistake") {
		t.Fatalf("%v, %q", err, lines)
	}
	for i, line := range lines[1:] {
		if !strings.Contains(line, "message done") ||
			!strings.Contains(line, fmt.Sprintf(`"messageId":"m-%c"`, 'a'+i)) {
			t.Errorf("%s", line)
		}
	}
}

// What is redriven is done when its dead letter is closed, though it was handled with others; where
// it can't be, it is handled again alone, and what came of that counts.
func TestJournalOfBatches(t *testing.T) {
	text := func(s string) events.SQSMessageAttribute {
		return events.SQSMessageAttribute{DataType: "String", StringValue: &s}
	}
	for name, tc := range map[string]struct {
		fails  error
		failed []string
		closed []string
		notes  int
	}{
		"closed":     {nil, []string{}, []string{closedLetter}, 0},
		"not closed": {errors.New("down"), []string{"m-a"}, []string{closedLetter, closedLetter}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := batch("a", "b")
			e.Records[0].MessageAttributes = map[string]events.SQSMessageAttribute{
				"dead-letter-id": text("letter"), "redrive-attempt": text("1"),
			}
			j := &journal{fails: tc.fails}
			got, err := queue.Together(
				func(_ context.Context, messages []queue.Message) []error { return make([]error, len(messages)) }, j,
			)(t.Context(), e)
			if err != nil || !slices.Equal(failed(got), tc.failed) || !slices.Equal(j.closed, tc.closed) ||
				len(j.notes) != tc.notes {
				t.Errorf("failed %v, %v; closed %v, notes %v", failed(got), err, j.closed, j.notes)
			}
		})
	}
}
