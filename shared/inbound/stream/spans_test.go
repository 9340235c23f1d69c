package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/inbound/stream"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/trace/tracetest"
)

// consumed has a consumer handle a batch of commits with these traces.
func consumed(ctx context.Context, handle func(context.Context, []es.StoredCommit) []error, of ...trace.Context) error {
	b, carried := stream.Batch{}, map[string]string{}
	for i, c := range of {
		r := record(fmt.Sprint("order/", i), 1)
		carried[r.Change.Keys["stream"].String()] = c.String()
		b.Records = append(b.Records, r)
	}
	return stream.Consumer{
		Name: "publish-events", HandleBatch: handle, DeadLetters: &letters{},
		Decode: func(image map[string]events.DynamoDBAttributeValue) (es.StoredCommit, error) {
			id := image["stream"].String()
			return es.StoredCommit{
				Stream: es.StreamID(id), First: 1, Metadata: es.Metadata{Traceparent: carried[id]},
			}, nil
		},
	}.Run(ctx, b)
}

func none(context.Context, []es.StoredCommit) []error { return nil }

// A batch of commits of many requests is one span with a link to each, and with the last 128 where
// there are more.
func TestABatchIsLinked(t *testing.T) {
	ctx, spans := tracetest.Record(t, 0)
	const n = 200
	causes := make([]trace.Context, n)
	for i := range causes {
		causes[i] = trace.New(i%4 != 0) // 150 of them are recorded
	}
	if err := consumed(ctx, none, causes...); err != nil {
		t.Fatal(err)
	}
	s := spans.One(t, "process events")
	links := tracetest.Links(s)
	if len(links) != 128 || links[127] != causes[n-1] || tracetest.Parent(s) != (trace.Context{}) ||
		slices.ContainsFunc(links, func(c trace.Context) bool { return !c.Sampled || !slices.Contains(causes, c) }) {
		t.Errorf("%d links, below %+v", len(links), tracetest.Parent(s))
	}
	for key, want := range map[string]string{
		"messaging.system": "aws_dynamodb_streams", "messaging.destination.name": "events",
		"messaging.batch.message_count": "200", "messaging.operation.type": "process", "orderflow.links.left_out": "22",
		"orderflow.order.id": "",
	} {
		if got := tracetest.Attribute(s, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// A commit alone goes on with its own trace.
func TestOneCommitContinues(t *testing.T) {
	ctx, spans := tracetest.Record(t, 0)
	of := trace.New(true)
	if err := consumed(ctx, none, of); err != nil {
		t.Fatal(err)
	}
	s := spans.One(t, "process events")
	if tracetest.Parent(s) != of || len(s.Links()) != 0 || tracetest.Attribute(s, "orderflow.subject") != "order/0" {
		t.Errorf("below %+v, %v", tracetest.Parent(s), s.Attributes())
	}
}

func TestABatchThatFails(t *testing.T) {
	ctx, spans := tracetest.Record(t, 0)
	ctx, cancel := context.WithCancel(ctx)
	err := consumed(ctx, func(_ context.Context, c []es.StoredCommit) []error {
		cancel()
		return slices.Repeat([]error{errors.New("canary")}, len(c))
	}, trace.New(true))
	if s := spans.One(t, "process events"); err == nil || tracetest.Attribute(s, "error.type") == "" {
		t.Errorf("%v, %v", err, s.Attributes())
	}
	if err := consumed(t.Context(), none); err != nil { // nothing at all
		t.Error(err)
	}
}
