package trace

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"math/rand/v2"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otel "go.opentelemetry.io/otel/trace"

	"orderflow/shared/kit/faults"
)

// MaxLinks is the most links that a span has. Of more causes the last ones are kept, and the
// attribute LinksLeftOut says how many are not.
const MaxLinks = 128

// Tracer makes spans. A context without one has none made, which costs a look into the context.
type Tracer struct {
	spans   otel.Tracer
	percent float64
	random  func() float64 // from 0 to less than 1
}

// NewTracer makes spans with a provider that follows its parents, and records where there is none:
// what is recorded is decided here, for so many percent of what begins.
func NewTracer(provider otel.TracerProvider, percent float64) *Tracer {
	return &Tracer{spans: provider.Tracer("orderflow"), percent: percent, random: rand.Float64}
}

type tracerKey struct{}

// With is a context whose work has spans.
func With(ctx context.Context, t *Tracer) context.Context {
	return context.WithValue(ctx, tracerKey{}, t)
}

func tracerOf(ctx context.Context) *Tracer {
	t, _ := ctx.Value(tracerKey{}).(*Tracer)
	return t
}

// On reports whether work of this context may have spans.
func On(ctx context.Context) bool { return tracerOf(ctx) != nil }

// samples decides on a trace that begins here.
func (t *Tracer) samples() bool { return t != nil && t.random()*100 < t.percent }

// Kind is what a span is, seen from outside.
type Kind otel.SpanKind

// The kinds.
const (
	Internal = Kind(otel.SpanKindInternal)
	Server   = Kind(otel.SpanKindServer)
	Client   = Kind(otel.SpanKindClient)
	Producer = Kind(otel.SpanKindProducer)
	Consumer = Kind(otel.SpanKindConsumer)
)

// Span is a span that is recorded. The zero Span is none: all that it is told is dropped.
type Span struct{ span otel.Span }

// Current is the context's span.
func Current(ctx context.Context) Span {
	if span := otel.SpanFromContext(ctx); span.IsRecording() {
		return Span{span}
	}
	return Span{}
}

// Recorded reports whether anybody will see what the span is told.
func (s Span) Recorded() bool { return s.span != nil }

// Set adds attributes. Whoever has to make them asks Recorded first.
func (s Span) Set(attributes ...attribute.KeyValue) {
	if s.span != nil {
		s.span.SetAttributes(attributes...)
	}
}

// Context is what follows from the span has as its parent, none of the zero Span.
func (s Span) Context() Context {
	if s.span == nil {
		return Context{}
	}
	c := s.span.SpanContext()
	return Context{TraceID: c.TraceID().String(), SpanID: c.SpanID().String(), Sampled: c.IsSampled()}
}

// End ends the span. Of an error it says the code, where the error is one of the business, and
// nothing else: a text may have anything in it.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.Fail(codeOf(err))
	}
	s.span.End()
}

// Call gives the span a better name, known only later.
func (s Span) Call(verb, object string) {
	if s.span != nil {
		s.span.SetName(verb + " " + object)
	}
}

// Close ends a span that a panic keeps from its End: it is deferred.
func (s Span) Close() {
	if s.span != nil && s.span.IsRecording() {
		s.Fail(codePanic)
		s.span.End()
	}
}

// Fail says that what the span is about failed, and with what code.
func (s Span) Fail(code string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, code)
		s.span.SetAttributes(ErrorType(code))
	}
}

// The codes of errors that are no fault.
const (
	codeTimeout  = "timeout"
	codeInternal = "internal"
	codePanic    = "panic"
)

func codeOf(err error) string {
	if fault, ok := faults.As(err); ok {
		return fault.Code
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return codeTimeout
	}
	return codeInternal
}

// Begin makes the span of a request from outside. What comes with it may be anybody's: its trace is
// continued, and a client that does not record its own part is followed, but that it records is no
// reason to. So nobody outside decides what is spent on traces. The Context is what the request's
// commits and messages carry, recorded or not.
func Begin(ctx context.Context, given Context, name string) (context.Context, Span, Context) {
	given.Sampled = given.Sampled && tracerOf(ctx).samples()
	return Follow(ctx, given, name)
}

// Follow is Begin for a client that may decide on what is recorded, such as another function of the
// stack.
func Follow(ctx context.Context, given Context, name string) (context.Context, Span, Context) {
	t := tracerOf(ctx)
	if given == (Context{}) {
		if !t.samples() {
			return ctx, Span{}, New(false)
		}
		ctx, span := t.start(ctx, otel.SpanContext{}, Server, name, nil)
		return ctx, span, span.Context()
	}
	given.Sampled = given.Sampled && t != nil
	if !given.Sampled {
		return ctx, Span{}, given
	}
	ctx, span := t.start(ctx, given.remote(), Server, name, nil)
	return ctx, span, span.Context()
}

// Continue makes the span of work that follows from what carries that traceparent. It is called by
// what is done, and to what: "process", "orders". What carries none, such as what AWS itself says
// of a mail, begins a trace, of so many percent.
func Continue(ctx context.Context, traceparent string, kind Kind, verb, object string) (context.Context, Span) {
	t := tracerOf(ctx)
	if t == nil {
		return ctx, Span{}
	}
	parent, ok := Parse(traceparent)
	if !parent.Sampled && (ok || !t.samples()) {
		return ctx, Span{}
	}
	return t.start(ctx, parent.remote(), kind, verb+" "+object, nil)
}

// Inside makes a span of a part of the work that the context's span is about.
func Inside(ctx context.Context, kind Kind, verb, object string) (context.Context, Span) {
	t := tracerOf(ctx)
	if t == nil || !Current(ctx).Recorded() {
		return ctx, Span{}
	}
	ctx, span := t.spans.Start(ctx, verb+" "+object, otel.WithSpanKind(otel.SpanKind(kind)))
	return ctx, Span{span}
}

// Together makes the span of work that follows from several causes at once, with a link to each
// that is recorded. Where all of these are of one trace, the span is in it, below the last; else it
// begins a trace of its own, since a span has one parent.
func Together(
	ctx context.Context, traceparents iter.Seq[string], kind Kind, verb, object string,
) (context.Context, Span) {
	t := tracerOf(ctx)
	if t == nil {
		return ctx, Span{}
	}
	var causes []otel.SpanContext
	one := true
	for traceparent := range traceparents {
		cause, ok := Parse(traceparent)
		if !ok || !cause.Sampled {
			continue
		}
		remote := cause.remote()
		one = one && (len(causes) == 0 || causes[0].TraceID() == remote.TraceID())
		causes = append(causes, remote)
	}
	if len(causes) == 0 {
		return ctx, Span{}
	}
	var parent otel.SpanContext
	if one {
		parent = causes[len(causes)-1]
	}
	return t.start(ctx, parent, kind, verb+" "+object, causes)
}

// start makes a span below a parent, or at the top of a trace, and with links.
func (t *Tracer) start(
	ctx context.Context, parent otel.SpanContext, kind Kind, name string, causes []otel.SpanContext,
) (context.Context, Span) {
	options := make([]otel.SpanStartOption, 0, 3)
	options = append(options, otel.WithSpanKind(otel.SpanKind(kind)))
	if parent.IsValid() {
		ctx = otel.ContextWithRemoteSpanContext(ctx, parent)
	} else {
		options = append(options, otel.WithNewRoot())
	}
	links, left := linksTo(causes, parent)
	if len(links) > 0 {
		options = append(options, otel.WithLinks(links...))
	}
	ctx, made := t.spans.Start(ctx, name, options...)
	span := Span{made}
	if left > 0 {
		span.Set(LinksLeftOut(left))
	}
	return ctx, span
}

// linksTo are links to causes, each once and none to the parent, and how many are left out.
func linksTo(causes []otel.SpanContext, parent otel.SpanContext) (links []otel.Link, left int) {
	seen := map[otel.SpanID]bool{parent.SpanID(): true}
	for _, cause := range causes {
		if !seen[cause.SpanID()] {
			seen[cause.SpanID()] = true
			links = append(links, otel.Link{SpanContext: cause})
		}
	}
	left = max(0, len(links)-MaxLinks)
	return links[left:], left
}

// Link adds a link from the context's span to what carries that traceparent, where that is of
// another trace, and recorded.
func Link(ctx context.Context, traceparent string) {
	from := Current(ctx)
	to, ok := Parse(traceparent)
	if from.Recorded() && ok && to.Sampled && to.TraceID != from.Context().TraceID {
		from.span.AddLink(otel.Link{SpanContext: to.remote()})
	}
}

// Onward is the traceparent that work carries on which was given one: that of the context's span,
// where it is of the same trace, or the work was given none. What is done for several traces at
// once leaves each its own.
func Onward(ctx context.Context, given string) string {
	span := Current(ctx)
	if of := ID(given); !span.Recorded() || of != "" && of != span.Context().TraceID {
		return given
	}
	return span.Context().String()
}

// remote is a Context in OpenTelemetry's form. What is none gives one that is invalid.
func (c Context) remote() otel.SpanContext {
	var config otel.SpanContextConfig
	// Parse and New make hexadecimal digits; of anything else the ids stay 0, which is none.
	_, _ = hex.Decode(config.TraceID[:], []byte(c.TraceID))
	_, _ = hex.Decode(config.SpanID[:], []byte(c.SpanID))
	config.TraceFlags = config.TraceFlags.WithSampled(c.Sampled)
	config.Remote = true
	return otel.NewSpanContext(config)
}
