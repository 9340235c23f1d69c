package trace_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	otel "go.opentelemetry.io/otel/trace"

	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/trace"
)

// recorded is a context whose spans are kept, so many percent of them.
func recorded(t testing.TB, percent float64) (context.Context, *tracetest.SpanRecorder) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(
		sdk.WithSpanProcessor(recorder),
		sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())),
	)
	return trace.With(t.Context(), trace.NewTracer(provider, percent)), recorder
}

// only is the one span that ended.
func only(t *testing.T, r *tracetest.SpanRecorder) sdk.ReadOnlySpan {
	t.Helper()
	if len(r.Ended()) != 1 {
		t.Fatalf("%d spans ended", len(r.Ended()))
	}
	return r.Ended()[0]
}

func idOf(c trace.Context) string { return c.TraceID + "/" + c.SpanID }

func parentOf(s sdk.ReadOnlySpan) string {
	return s.Parent().TraceID().String() + "/" + s.Parent().SpanID().String()
}

func TestBegin(t *testing.T) {
	sampled := trace.Context{TraceID: id, SpanID: span, Sampled: true}
	unsampled := trace.Context{TraceID: id, SpanID: span}
	for name, tc := range map[string]struct {
		given   trace.Context
		percent float64
		want    bool
	}{
		"nothing given, all recorded":                 {trace.Context{}, 100, true},
		"nothing given, none recorded":                {trace.Context{}, 0, false},
		"the client records, and all is recorded":     {sampled, 100, true},
		"the client records, and nothing is recorded": {sampled, 0, false},
		"the client doesn't record":                   {unsampled, 100, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, recorder := recorded(t, tc.percent)
			_, span, onward := trace.Begin(ctx, tc.given, "POST /orders")
			span.End(nil)
			if span.Recorded() != tc.want || onward.Sampled != tc.want || len(onward.TraceID) != 32 ||
				len(onward.SpanID) != 16 {
				t.Fatalf("recorded %t, onward %+v", span.Recorded(), onward)
			}
			if tc.given.TraceID != "" && onward.TraceID != tc.given.TraceID {
				t.Errorf("leaves the client's trace: %+v", onward)
			}
			if !tc.want {
				if len(recorder.Started()) != 0 || tc.given.TraceID != "" && onward.SpanID != tc.given.SpanID {
					t.Errorf("%d spans, onward %+v", len(recorder.Started()), onward)
				}
				return
			}
			s := only(t, recorder)
			if s.SpanKind() != otel.SpanKindServer || s.Name() != "POST /orders" || onward != span.Context() {
				t.Errorf("%v %s, onward %+v", s.SpanKind(), s.Name(), onward)
			}
			if tc.given.TraceID != "" && (parentOf(s) != idOf(tc.given) || !s.Parent().IsRemote()) {
				t.Errorf("below %s", parentOf(s))
			}
		})
	}
}

// Without a tracer there is a trace to follow in the log, and nothing is recorded of it.
func TestBeginWithoutTracer(t *testing.T) {
	ctx, span, onward := trace.Begin(t.Context(), trace.Context{}, "GET /orders")
	if span.Recorded() || onward.Sampled || trace.ID(onward.String()) == "" || ctx != t.Context() {
		t.Errorf("%t, %+v", span.Recorded(), onward)
	}
}

// A client that may decide does, up to whether there are spans at all.
func TestFollow(t *testing.T) {
	given := trace.Context{TraceID: id, SpanID: span, Sampled: true}
	ctx, recorder := recorded(t, 0)
	_, made, onward := trace.Follow(ctx, given, "GET /orders")
	made.End(nil)
	if !made.Recorded() || !onward.Sampled || parentOf(only(t, recorder)) != idOf(given) {
		t.Errorf("recorded %t, onward %+v", made.Recorded(), onward)
	}
	_, made, onward = trace.Follow(t.Context(), given, "x")
	if made.Recorded() || onward.Sampled || onward.TraceID != id {
		t.Errorf("without a tracer: recorded %t, onward %+v", made.Recorded(), onward)
	}
	given.Sampled = false
	if _, made, onward := trace.Follow(ctx, given, "x"); made.Recorded() || onward != given {
		t.Errorf("not recorded by the client: recorded %t, onward %+v", made.Recorded(), onward)
	}
}

// A client that says of each request that it is recorded, under ids of its choice, gets no more
// than its share.
func TestClientsCantRaiseTheRate(t *testing.T) {
	const requests, percent = 4_000, 5.0
	ctx, _ := recorded(t, percent)
	source := rand.New(rand.NewPCG(1, 2)) // the same each time
	trace.SetRandom(ctx, source.Float64)
	n := 0
	for range requests {
		_, span, _ := trace.Begin(
			ctx,
			trace.Context{TraceID: strings.Repeat("0", 31) + "1", SpanID: span, Sampled: true},
			"x",
		)
		if span.Recorded() {
			n++
		}
		span.End(nil)
	}
	if n < requests*4/100 || n > requests*6/100 {
		t.Errorf("%d of %d requests are recorded at %v %%", n, requests, percent)
	}
}

func TestContinue(t *testing.T) {
	ctx, recorder := recorded(t, 0) // what has begun elsewhere is followed, whatever begins here
	inner, span := trace.Continue(
		ctx,
		trace.Context{TraceID: id, SpanID: span, Sampled: true}.String(),
		trace.Consumer,
		"process",
		"orders",
	)
	_, child := trace.Inside(inner, trace.Client, "append", "events")
	child.End(nil)
	span.End(nil)
	all := recorder.Ended()
	if len(all) != 2 || all[1].Name() != "process orders" || all[1].SpanKind() != otel.SpanKindConsumer ||
		all[0].Name() != "append events" || parentOf(all[0]) != idOf(span.Context()) ||
		all[0].SpanContext().TraceID().String() != id {
		t.Errorf("%v", all)
	}
	for name, traceparent := range map[string]string{
		"nothing": "", "malformed": "00-x", "not recorded": trace.Context{TraceID: id, SpanID: "00f067aa0ba902b7"}.String(),
	} {
		inner, span := trace.Continue(ctx, traceparent, trace.Consumer, "process", "orders")
		if _, child := trace.Inside(inner, trace.Client, "append", "events"); span.Recorded() || child.Recorded() {
			t.Errorf("%s is continued", name)
		}
	}
}

// What carries no trace begins one, by the chance that a request has.
func TestContinueNothing(t *testing.T) {
	ctx, recorder := recorded(t, 100)
	for _, traceparent := range []string{"", "00-x"} {
		_, span := trace.Continue(ctx, traceparent, trace.Consumer, "process", "mails")
		span.End(nil)
	}
	_, span := trace.Continue(ctx, trace.New(false).String(), trace.Consumer, "process", "mails")
	all := recorder.Ended()
	if len(all) != 2 || span.Recorded() || all[0].Parent().IsValid() || all[0].SpanKind() != otel.SpanKindConsumer ||
		all[0].SpanContext().TraceID() == all[1].SpanContext().TraceID() {
		t.Errorf("%v, %t", all, span.Recorded())
	}
}

func TestTogether(t *testing.T) {
	one := func(sampled bool) trace.Context { c := trace.New(sampled); return c }
	a, b, unsampled := one(true), one(true), one(false)
	sibling := a.Child()
	for name, tc := range map[string]struct {
		causes []trace.Context
		none   bool
		parent string
		links  []string
	}{
		"nothing":                      {none: true},
		"nothing recorded":             {causes: []trace.Context{unsampled}, none: true},
		"one":                          {causes: []trace.Context{a}, parent: idOf(a)},
		"two of one trace":             {causes: []trace.Context{a, sibling}, parent: idOf(sibling), links: []string{idOf(a)}},
		"two traces":                   {causes: []trace.Context{a, b}, links: []string{idOf(a), idOf(b)}},
		"one of them unrecorded":       {causes: []trace.Context{unsampled, a}, parent: idOf(a)},
		"a cause twice":                {causes: []trace.Context{a, b, a}, links: []string{idOf(a), idOf(b)}},
		"a commit without traceparent": {causes: []trace.Context{{}, a}, parent: idOf(a)},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, recorder := recorded(t, 0)
			_, span := trace.Together(ctx, traceparents(tc.causes), trace.Consumer, "process", "events")
			span.End(nil)
			if tc.none {
				if span.Recorded() || len(recorder.Started()) != 0 {
					t.Errorf("%d spans", len(recorder.Started()))
				}
				return
			}
			s := only(t, recorder)
			if got := parentOf(s); s.Parent().IsValid() != (tc.parent != "") || tc.parent != "" && got != tc.parent {
				t.Errorf("below %s, want %s", got, tc.parent)
			}
			if got := linksOf(s); !slices.Equal(got, tc.links) {
				t.Errorf("links %v, want %v", got, tc.links)
			}
		})
	}
}

func traceparents(of []trace.Context) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, c := range of {
			if !yield(c.String()) {
				return
			}
		}
	}
}

func linksOf(s sdk.ReadOnlySpan) (links []string) {
	for _, l := range s.Links() {
		links = append(links, l.SpanContext.TraceID().String()+"/"+l.SpanContext.SpanID().String())
	}
	return links
}

// Of more causes than a span has links for, the last ones are kept, and the span says how many are
// not: nobody takes 128 of 200 orders for all.
func TestMoreCausesThanLinks(t *testing.T) {
	const causes = trace.MaxLinks + 72
	var all []trace.Context
	for range causes {
		all = append(all, trace.New(true))
	}
	ctx, recorder := recorded(t, 0)
	_, span := trace.Together(ctx, traceparents(all), trace.Consumer, "process", "events")
	span.End(nil)
	s := only(t, recorder)
	links := linksOf(s)
	if len(links) != trace.MaxLinks || links[0] != idOf(all[72]) || links[len(links)-1] != idOf(all[causes-1]) {
		t.Errorf("%d links from %s to %s", len(links), links[0], links[len(links)-1])
	}
	if !slices.Contains(s.Attributes(), attribute.Int("orderflow.links.left_out", 72)) || s.DroppedLinks() != 0 {
		t.Errorf("%v, %d dropped", s.Attributes(), s.DroppedLinks())
	}
}

func TestOnward(t *testing.T) {
	ctx, _ := recorded(t, 0)
	given := trace.New(true).String()
	inner, span := trace.Continue(ctx, given, trace.Consumer, "process", "orders")
	if got := trace.Onward(inner, given); got != span.Context().String() {
		t.Errorf("%s, want the span %+v", got, span.Context())
	}
	// A batch has the commits of other traces too.
	if other := trace.New(true).String(); trace.Onward(inner, other) != other {
		t.Error("what is of another trace is taken out of it")
	}
	if trace.Onward(ctx, given) != given || trace.Onward(ctx, "") != "" {
		t.Error("without a span something else is carried on")
	}
	if got := trace.Onward(inner, ""); got != span.Context().String() {
		t.Errorf("what was given no trace carries %q, want the span %+v", got, span.Context())
	}
}

func TestLink(t *testing.T) {
	ctx, recorder := recorded(t, 0)
	own, other := trace.New(true), trace.New(true)
	inner, span := trace.Continue(ctx, own.String(), trace.Consumer, "process", "orders")
	for _, to := range []string{own.Child().String(), trace.New(false).String(), "", other.String()} {
		trace.Link(inner, to)
	}
	trace.Link(ctx, other.String()) // to no span
	span.End(nil)
	if links := linksOf(only(t, recorder)); !slices.Equal(links, []string{idOf(other)}) {
		t.Errorf("%v", links)
	}
}

var errRefused = faults.Declare(faults.Invalid, "trace.refused")

// How a span failed is told by a code. What an error says is not: it may quote anything.
func TestEnd(t *testing.T) {
	for want, err := range map[string]error{
		"trace.refused": fmt.Errorf("of canary@example.com: %w", errRefused.New("canary@example.com")),
		"timeout":       fmt.Errorf("canary: %w", context.DeadlineExceeded),
		"internal":      errors.New("canary@example.com"),
		"":              nil,
	} {
		ctx, recorder := recorded(t, 0)
		_, span := trace.Continue(ctx, trace.New(true).String(), trace.Server, "task", "charge")
		span.End(err)
		s := only(t, recorder)
		if s.Status().Description != want || (s.Status().Code == codes.Error) != (err != nil) ||
			(want != "") != slices.Contains(s.Attributes(), attribute.String("error.type", want)) {
			t.Errorf("%v: %+v %v", err, s.Status(), s.Attributes())
		}
		if strings.Contains(fmt.Sprint(s.Attributes(), s.Status(), s.Events()), "canary") {
			t.Errorf("%v: its text is in the span", err)
		}
	}
}

// A panic ends the span that it goes through.
func TestClose(t *testing.T) {
	ctx, recorder := recorded(t, 0)
	func() {
		defer func() { _ = recover() }()
		_, span := trace.Continue(ctx, trace.New(true).String(), trace.Server, "task", "charge")
		defer span.Close()
		panic("oops")
	}()
	if s := only(t, recorder); s.Status().Description != "panic" {
		t.Errorf("%+v", s.Status())
	}
	_, span := trace.Continue(ctx, trace.New(true).String(), trace.Server, "task", "charge")
	span.End(nil)
	span.Close()
	if s := recorder.Ended()[1]; s.Status().Code != codes.Unset {
		t.Errorf("what has ended is closed again: %+v", s.Status())
	}
}

// What is not recorded costs nothing beyond what is carried anyway. (With tracing on, a batch costs
// three allocations to look at its causes.)
func TestUnrecordedAllocatesNothing(t *testing.T) {
	unsampled := trace.Context{TraceID: id, SpanID: span}.String()
	none := func(yield func(string) bool) { yield(unsampled) }
	off := t.Context()
	on, _ := recorded(t, 100)
	for name, work := range map[string]func(){
		"off":        func() { _, s := trace.Continue(off, unsampled, trace.Consumer, "process", "orders"); s.End(nil) },
		"off inside": func() { _, s := trace.Inside(off, trace.Client, "append", "events"); s.End(nil) },
		"off batch":  func() { _, s := trace.Together(off, none, trace.Consumer, "process", "events"); s.End(nil) },
		"off onward": func() { trace.Onward(off, unsampled) },
		"continue":   func() { _, s := trace.Continue(on, unsampled, trace.Consumer, "process", "orders"); s.End(nil) },
		"inside":     func() { _, s := trace.Inside(on, trace.Client, "append", "events"); s.End(nil) },
		"onward":     func() { trace.Onward(on, unsampled) },
	} {
		if n := testing.AllocsPerRun(100, work); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestAttributes: the names are those of the conventions, version 1.43.0. Dashboards and searches
// are made of them.
func TestAttributes(t *testing.T) {
	if trace.SchemaURL != "https://opentelemetry.io/schemas/1.43.0" {
		t.Error(trace.SchemaURL)
	}
	for want, got := range map[string][]attribute.KeyValue{
		"http.request.method=POST http.route=/orders": trace.Request("POST", "/orders"),
		"http.request.method=_OTHER":                  trace.Request("canary", ""),
		"http.response.status_code=202":               {trace.Status(202)},
		"messaging.system=aws_sqs messaging.destination.name=send-mails messaging.operation.type=process " +
			"messaging.operation.name=process messaging.message.id=m-1": trace.Processed(trace.SystemSQS, "send-mails", "m-1"),
		"messaging.system=aws_dynamodb_streams messaging.destination.name=events messaging.operation.type=process " +
			"messaging.operation.name=process messaging.batch.message_count=7": trace.ProcessedBatch(trace.SystemStream, "events", 7),
		"messaging.system=aws_eventbridge messaging.destination.name=orders messaging.operation.type=send " +
			"messaging.operation.name=send messaging.batch.message_count=2": trace.Sent(trace.SystemEventBridge, "orders", 2),
		"messaging.message.id=m-2": {trace.MessageID("m-2")},
		"db.system.name=aws.dynamodb db.operation.name=PutItem db.collection.name=events": trace.Written("PutItem", "events"),
		"service.name=f faas.name=f cloud.provider=aws cloud.platform=aws_lambda service.version=7 faas.version=7 " +
			"cloud.region=eu-west-1": trace.Service("f", "7", "eu-west-1"),
		"faas.invocation_id=r":          {trace.Invocation("r")},
		"error.type=order.unknown":      {trace.ErrorType("order.unknown")},
		"orderflow.outcome=recognised":  {trace.Outcome("recognised")},
		`orderflow.event.types=["a.b"]`: {trace.EventTypes([]string{"a.b"})},
		"orderflow.subject=order/1 orderflow.order.id=1 orderflow.correlation.id=c": trace.About("order/1", "1", "c"),
		"orderflow.order.id=1": trace.About("", "1", ""),
	} {
		var all []string
		for _, a := range got {
			all = append(all, string(a.Key)+"="+a.Value.String())
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
