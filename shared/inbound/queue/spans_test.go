package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/trace/tracetest"
)

// carrying are messages that carry these traces, as events or, every other one, as commands whose
// trace is an attribute.
func carrying(of ...trace.Context) events.SQSEvent {
	var all events.SQSEvent
	for i, c := range of {
		text, state := c.String(), fmt.Sprintf("a=%d", i)
		m := events.SQSMessage{
			MessageId: fmt.Sprint("m-", i), EventSourceARN: "arn:aws:sqs:us-east-1:1:orders",
			Body: `{"detail":{"subject":"order/o-1","traceparent":"` + text + `","tracestate":"` + state + `"}}`,
		}
		if i%2 == 1 {
			m.Body = `{"orderId":"o-1"}`
			m.MessageAttributes = map[string]events.SQSMessageAttribute{
				"traceparent": {DataType: "String", StringValue: &text},
				"tracestate":  {DataType: "String", StringValue: &state},
			}
		}
		all.Records = append(all.Records, m)
	}
	return all
}

func TestEachMessageHasASpan(t *testing.T) {
	captureLog(t)
	ctx, spans := tracetest.Record(t, 0)
	first, second := trace.New(true), trace.New(true)
	given := map[string]string{}
	handle := queue.Handler(func(ctx context.Context, m queue.Message) error {
		given[m.ID] = m.Trail().Traceparent
		if want := "a=" + strings.TrimPrefix(m.ID, "m-"); m.Trail().Tracestate != want {
			t.Errorf("%s has the tracestate %q, want %q", m.ID, m.Trail().Tracestate, want)
		}
		_, child := trace.Inside(ctx, trace.Client, "append", m.ID)
		child.End(nil)
		if m.ID == "m-1" {
			return errors.New("canary")
		}
		return nil
	}, nil)
	if _, err := handle(ctx, carrying(first, second, trace.New(false))); err != nil {
		t.Fatal(err)
	}
	all := spans.Named("process orders")
	if len(all) != 2 || spans.Open() != 0 {
		t.Fatalf("%v", spans.Names())
	}
	for i, want := range []trace.Context{first, second} {
		s, id := all[i], fmt.Sprint("m-", i)
		if tracetest.Parent(s) != want || given[id] != tracetest.Of(s).String() ||
			tracetest.Parent(spans.One(t, "append "+id)) != tracetest.Of(s) {
			t.Errorf("%s: below %+v, gives %s", id, tracetest.Parent(s), given[id])
		}
		for key, value := range map[string]string{
			"messaging.system": "aws_sqs", "messaging.destination.name": "orders", "messaging.message.id": id,
			"messaging.operation.type": "process", "orderflow.order.id": "o-1", "orderflow.subject": "order/o-1",
			"error.type": map[bool]string{true: "internal"}[i == 1],
		} {
			if got := tracetest.Attribute(s, key); got != value {
				t.Errorf("%s: %s is %q, want %q", id, key, got, value)
			}
		}
	}
	if given["m-2"] == "" {
		t.Error("what isn't recorded is carried no more")
	}
}

// Messages that are handled together are one span that is linked to theirs, each in its own trace,
// where what follows from it stays.
func TestMessagesTogetherAreLinked(t *testing.T) {
	captureLog(t)
	ctx, spans := tracetest.Record(t, 0)
	causes := []trace.Context{trace.New(true), trace.New(true), trace.New(false), trace.New(true)}
	handle := queue.Together(func(ctx context.Context, messages []queue.Message) []error {
		errs := make([]error, len(messages))
		for i, m := range messages {
			if m.ID == "m-3" {
				errs[i] = errors.New("fails")
			}
			if len(messages) > 1 && trace.ID(m.Trail().Traceparent) != causes[i].TraceID {
				t.Errorf("%s is of %s", m.ID, m.Trail().Traceparent)
			}
		}
		_, child := trace.Inside(ctx, trace.Client, "append", "events")
		child.End(nil)
		return errs
	}, nil)
	if _, err := handle(ctx, carrying(causes...)); err != nil {
		t.Fatal(err)
	}
	var batch, each []trace.Context
	for _, s := range spans.Named("process orders") {
		if tracetest.Attribute(s, "messaging.batch.message_count") == "4" {
			batch = tracetest.Links(s)
			if tracetest.Parent(s) != (trace.Context{}) {
				t.Error("a batch of three traces is in one of them")
			}
			if tracetest.Parent(spans.Named("append events")[0]) != tracetest.Of(s) {
				t.Error("what is done for all isn't below the batch")
			}
			continue
		}
		each = append(each, tracetest.Of(s))
	}
	// One of each that is recorded, and one more of that which failed, alone.
	if len(each) != 4 || len(batch) != 3 || spans.Open() != 0 {
		t.Fatalf("%d messages, %d links, %d open", len(each), len(batch), spans.Open())
	}
	for _, link := range batch {
		if !slices.Contains(each, link) {
			t.Errorf("a link to %+v", link)
		}
	}
}

// A handler that panics leaves no span open.
func TestPanicEndsSpans(t *testing.T) {
	captureLog(t)
	ctx, spans := tracetest.Record(t, 0)
	handle := queue.Together(func(context.Context, []queue.Message) []error { panic("oops") }, nil)
	if _, err := handle(ctx, carrying(trace.New(true), trace.New(true))); err != nil {
		t.Fatal(err)
	}
	if spans.Open() != 0 || len(spans.All()) != 5 { // of the batch, and two tries of each
		t.Errorf("%d open, %v", spans.Open(), spans.Names())
	}
}

// With tracing off, or a trace that isn't recorded, nothing is.
func TestNothingIsRecorded(t *testing.T) {
	captureLog(t)
	ctx, spans := tracetest.Record(t, 100)
	for _, handle := range []func(context.Context, events.SQSEvent) (events.SQSEventResponse, error){
		queue.Handler(func(context.Context, queue.Message) error { return nil }, nil),
		queue.Together(func(_ context.Context, m []queue.Message) []error { return make([]error, len(m)) }, nil),
	} {
		if _, err := handle(ctx, carrying(trace.New(false), trace.New(false))); err != nil {
			t.Fatal(err)
		}
	}
	if len(spans.All()) != 0 {
		t.Errorf("%v", spans.Names())
	}
}
