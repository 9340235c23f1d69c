package queue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"orderflow/shared/adapter/queue"
	"orderflow/shared/faults"
)

var errRule = faults.Declare(faults.Rule, "test.rule")

// batch is an event with one message for each body; the id of a message is "m-" and its body.
func batch(bodies ...string) events.SQSEvent {
	var e events.SQSEvent
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: "m-" + body, Body: body, Attributes: map[string]string{"ApproximateReceiveCount": fmt.Sprint(i + 1)},
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
		{"one is refused", []string{"a", "b"}, map[string]error{"a": fmt.Errorf("x: %w", errRule.New("no"))}, []string{"m-a"}},
		{"all fail", []string{"a", "b"}, map[string]error{"a": errors.New("no"), "b": errors.New("no")}, []string{"m-a", "m-b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var taken []string
			handle := queue.Handler(func(_ context.Context, m queue.Message) error {
				taken = append(taken, string(m.Body))
				if m.ID != "m-"+string(m.Body) || m.ReceiveCount != len(taken) {
					t.Errorf("message %+v", m)
				}
				return tc.fails[string(m.Body)]
			})
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
	}))
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

func TestDeadline(t *testing.T) {
	for _, tc := range []struct {
		name string
		left time.Duration
		want []string // failures
	}{
		{"an hour", time.Hour, []string{}},
		{"less than a message is given", 1900 * time.Millisecond, []string{"m-b", "m-c"}},
		{"nothing", -time.Second, []string{"m-b", "m-c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			deadline := time.Now().Add(tc.left)
			ctx, cancel := context.WithDeadline(t.Context(), deadline)
			defer cancel()
			got, err := queue.Handler(func(ctx context.Context, _ queue.Message) error {
				if own, ok := ctx.Deadline(); !ok || deadline.Sub(own) != 500*time.Millisecond {
					t.Errorf("the message has until %v, the function until %v", own, deadline)
				}
				return nil
			})(ctx, batch("a", "b", "c"))
			if err != nil || !slices.Equal(failed(got), tc.want) {
				t.Errorf("failed %v, %v, want %v", failed(got), err, tc.want)
			}
		})
	}
	t.Run("used up on the way", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(700*time.Millisecond))
		defer cancel()
		got, err := queue.Handler(func(ctx context.Context, _ queue.Message) error {
			<-ctx.Done() // as a call does whose answer does not come
			return ctx.Err()
		})(ctx, batch("a", "b"))
		if err != nil || !slices.Equal(failed(got), []string{"m-a", "m-b"}) {
			t.Errorf("failed %v, %v", failed(got), err)
		}
		if ctx.Err() != nil {
			t.Error("the answer comes after the function's deadline")
		}
	})
}

func TestPanicIsLeftAlone(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the panic is swallowed")
		}
	}()
	handle := queue.Handler(func(context.Context, queue.Message) error { panic("a mistake") })
	if _, err := handle(t.Context(), batch("a")); err != nil {
		t.Error(err)
	}
}

func TestOneLineForEachMessage(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	got, err := queue.Handler(func(_ context.Context, m queue.Message) error {
		if string(m.Body) == "b" {
			return fmt.Errorf("because: %w", errRule.New("so"))
		}
		return nil
	})(t.Context(), batch("a", "b"))
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
