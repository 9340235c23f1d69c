// Package tracetest keeps the spans of a test.
package tracetest

import (
	"context"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"orderflow/shared/kit/trace"
)

// Spans are the spans that have ended, in the order of their ends.
type Spans struct{ recorder *tracetest.SpanRecorder }

// Record is a context whose spans are kept: of what begins there so many percent, and all of what
// follows from what is recorded.
func Record(t testing.TB, percent float64) (context.Context, Spans) {
	t.Helper()
	s := Spans{tracetest.NewSpanRecorder()}
	provider := sdk.NewTracerProvider(
		sdk.WithSpanProcessor(s.recorder), sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())))
	return trace.With(t.Context(), trace.NewTracer(provider, percent)), s
}

// All are all of them.
func (s Spans) All() []sdk.ReadOnlySpan { return s.recorder.Ended() }

// Named are those with that name.
func (s Spans) Named(name string) (all []sdk.ReadOnlySpan) {
	for _, span := range s.All() {
		if span.Name() == name {
			all = append(all, span)
		}
	}
	return all
}

// One is the only one with that name.
func (s Spans) One(t testing.TB, name string) sdk.ReadOnlySpan {
	t.Helper()
	all := s.Named(name)
	if len(all) != 1 {
		t.Fatalf("%d spans are called %q: %v", len(all), name, s.Names())
	}
	return all[0]
}

// Names are the names of all.
func (s Spans) Names() (names []string) {
	for _, span := range s.All() {
		names = append(names, span.Name())
	}
	return names
}

// Open is how many have begun and not ended.
func (s Spans) Open() int { return len(s.recorder.Started()) - len(s.recorder.Ended()) }

// Of is a span as what follows from it carries it.
func Of(s sdk.ReadOnlySpan) trace.Context {
	return trace.Context{
		TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(),
		Sampled: s.SpanContext().IsSampled(),
	}
}

// Parent is what a span is below, none at the top of a trace.
func Parent(s sdk.ReadOnlySpan) trace.Context {
	if !s.Parent().IsValid() {
		return trace.Context{}
	}
	return trace.Context{
		TraceID: s.Parent().TraceID().String(), SpanID: s.Parent().SpanID().String(), Sampled: s.Parent().IsSampled(),
	}
}

// Links are what a span is linked to.
func Links(s sdk.ReadOnlySpan) (all []trace.Context) {
	for _, l := range s.Links() {
		all = append(all, trace.Context{
			TraceID: l.SpanContext.TraceID().String(), SpanID: l.SpanContext.SpanID().String(),
			Sampled: l.SpanContext.IsSampled(),
		})
	}
	return all
}

// Attribute is an attribute's text, "" for none.
func Attribute(s sdk.ReadOnlySpan, key string) string {
	for _, a := range s.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}
