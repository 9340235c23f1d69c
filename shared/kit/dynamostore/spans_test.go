package dynamostore

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/trace/tracetest"
)

// What follows from a commit is below its append. In an append for several traces each commit keeps
// its own.
func TestAppendHasASpan(t *testing.T) {
	var written []string
	fails, taken := false, false
	note := func(item attributes) {
		r := read(item)
		written = append(written, r.meta().Traceparent)
	}
	s := New(fakeAPI{
		put: func(in *dynamodb.PutItemInput) error {
			note(in.Item)
			switch {
			case taken:
				return &types.ConditionalCheckFailedException{Item: item(order, 4, 2, "theirs")}
			case fails:
				return errors.New("canary")
			}
			return nil
		},
		transact: func(in *dynamodb.TransactWriteItemsInput) error {
			for _, i := range in.TransactItems {
				note(i.Put.Item)
			}
			return nil
		},
	}, "events", es.NewRegistry(estest.Register))
	own, other := trace.New(true), trace.New(true)
	of := func(stream es.StreamID, c trace.Context) es.Commit {
		commit := commitAt(stream, 3, "mine")
		commit.Metadata.Traceparent = c.String()
		return commit
	}

	ctx, spans := tracetest.Record(t, 0)
	ctx, request := trace.Continue(ctx, own.String(), trace.Server, "POST", "/orders")
	if _, err := s.Append(ctx, []es.Commit{of(order, own)}); err != nil {
		t.Fatal(err)
	}
	span := spans.One(t, "append events")
	if tracetest.Parent(span) != request.Context() || !slices.Equal(written, []string{tracetest.Of(span).String()}) {
		t.Errorf("below %+v, carries %v", tracetest.Parent(span), written)
	}
	for key, want := range map[string]string{
		"db.system.name": "aws.dynamodb", "db.operation.name": "PutItem", "db.collection.name": "events",
	} {
		if got := tracetest.Attribute(span, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if tracetest.Attribute(span, "orderflow.event.types") == "" {
		t.Errorf("no types in %v", span.Attributes())
	}

	written = nil
	if _, err := s.Append(ctx, []es.Commit{of(order, other), of(account, own)}); err != nil {
		t.Fatal(err)
	}
	span = spans.Named("append events")[1]
	if !slices.Equal(written, []string{other.String(), tracetest.Of(span).String()}) ||
		!slices.Equal(tracetest.Links(span), []trace.Context{other}) ||
		tracetest.Attribute(span, "db.operation.name") != "TransactWriteItems" {
		t.Errorf("carry %v, links %v", written, tracetest.Links(span))
	}

	fails = true
	if _, err := s.Append(ctx, []es.Commit{of(order, own)}); err == nil {
		t.Fatal("no error")
	}
	if span := spans.Named("append events")[2]; tracetest.Attribute(span, "error.type") == "" {
		t.Errorf("%v", span.Attributes())
	}

	taken = true
	if _, err := s.Append(ctx, []es.Commit{of(order, own)}); !errors.Is(err, es.ErrConflict) {
		t.Fatal(err)
	}
	span = spans.Named("append events")[3]
	if tracetest.Attribute(span, "orderflow.outcome") != "conflict" || tracetest.Attribute(span, "error.type") != "" {
		t.Errorf("%v", span.Attributes())
	}

	written, fails, taken = nil, false, false
	if _, err := s.Append(
		t.Context(),
		[]es.Commit{of(order, own)},
	); err != nil ||
		!slices.Equal(written, []string{own.String()}) {
		t.Errorf("without a span %v, %v", written, err)
	}
}
