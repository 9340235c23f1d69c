// Package trail says what work is about: the stream, the order, the request that it follows from
// and its trace. It travels in the context, and each line of the log that is written with that
// context has it (shared/aws/awsenv), so that an order can be followed through all functions.
package trail

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/trace"
)

// Trail is what work is about. What is not known is "".
type Trail struct {
	Subject       string // the stream: "shipment/<id>"
	OrderID       string // which its data is of
	CorrelationID string
	Traceparent   string // W3C Trace Context; lines have its trace id
	Tracestate    string // which goes with it
}

// The names under which lines have it.
const (
	KeySubject       = "subject"
	KeyOrderID       = "orderId"
	KeyCorrelationID = "correlationId"
	KeyTraceID       = "traceId"
)

// orders is the category of orders' streams.
const orders = "order/"

// maxText bounds each part, in bytes. What comes from outside may be of any length.
const maxText = 256

// Order is the trail of an order, whose events have that metadata.
func Order(orderID string, m es.Metadata) Trail {
	return Trail{
		OrderID: orderID, CorrelationID: m.CorrelationID, Traceparent: m.Traceparent, Tracestate: m.Tracestate,
	}.whole()
}

// OfCommit is the trail of a stored commit. The order is that of the first event that names one.
func OfCommit(c es.StoredCommit) Trail {
	t := Trail{
		Subject: string(c.Stream), CorrelationID: c.Metadata.CorrelationID,
		Traceparent: c.Metadata.Traceparent, Tracestate: c.Metadata.Tracestate,
	}
	for _, e := range c.Events {
		t.OrderID = cmp.Or(t.OrderID, orderOf(e.Data))
	}
	return t.whole()
}

// OfMessage is the trail of a message, as far as it says: an event in EventBridge's JSON around it,
// a command, a task's input, or a dead letter. It may be anything.
func OfMessage(body []byte) Trail {
	type parts struct {
		OrderID       string `json:"orderId"`
		CorrelationID string `json:"correlationId"`
		Traceparent   string `json:"traceparent"`
		Tracestate    string `json:"tracestate"`
		Stream        string `json:"stream"`
	}
	var m struct {
		parts

		Detail struct {
			Subject       string          `json:"subject"`
			CorrelationID string          `json:"correlationid"`
			Traceparent   string          `json:"traceparent"`
			Tracestate    string          `json:"tracestate"`
			Data          json.RawMessage `json:"data"`
		} `json:"detail"`
	}
	_ = json.Unmarshal(body, &m) // a field of another type keeps back no other
	return Trail{
		Subject: cmp.Or(m.Detail.Subject, m.Stream), OrderID: cmp.Or(orderOf(m.Detail.Data), m.OrderID),
		CorrelationID: cmp.Or(m.Detail.CorrelationID, m.CorrelationID),
		Traceparent:   cmp.Or(m.Detail.Traceparent, m.Traceparent),
		Tracestate:    cmp.Or(m.Detail.Tracestate, m.Tracestate),
	}.whole()
}

// orderOf is the order that an event's data names.
func orderOf(data []byte) string {
	var of struct {
		OrderID string `json:"orderId"`
	}
	_ = json.Unmarshal(data, &of)
	return of.OrderID
}

// whole says of an order's stream whose it is and of an order which stream it has, and drops what
// has not the form of an id: it comes from outside, and may be anything.
func (t Trail) whole() Trail {
	for _, part := range []*string{&t.Subject, &t.OrderID, &t.CorrelationID} {
		if !plain(*part) {
			*part = ""
		}
	}
	if trace.ID(t.Traceparent) == "" {
		t.Traceparent, t.Tracestate = "", ""
	}
	t.Tracestate = trace.State(t.Tracestate)
	if id, ok := strings.CutPrefix(t.Subject, orders); ok && t.OrderID == "" {
		t.OrderID = id
	}
	if t.Subject == "" && t.OrderID != "" {
		t.Subject = orders + t.OrderID
	}
	return t
}

func plain(text string) bool {
	return len(text) <= maxText && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._:/-", r)
	})
}

// over is t with what it lacks from below.
func (t Trail) over(below Trail) Trail {
	of := t
	if of.Traceparent == "" { // the two are of one trace
		of.Traceparent, of.Tracestate = below.Traceparent, below.Tracestate
	}
	of.Subject, of.OrderID = cmp.Or(t.Subject, below.Subject), cmp.Or(t.OrderID, below.OrderID)
	of.CorrelationID = cmp.Or(t.CorrelationID, below.CorrelationID)
	return of
}

// followed is the trail of a context. What is learned on the way is learned for all who have it.
type followed struct {
	mu sync.Mutex
	Trail
}

type key struct{}

// With is a context for work that is about t. What t doesn't say is as it was.
func With(ctx context.Context, t Trail) context.Context {
	return context.WithValue(ctx, key{}, &followed{Trail: t.whole().over(Of(ctx))})
}

// Learn adds what is not known yet to the trail of a context that With made: the order that a
// request places, the request that an order comes from. In other contexts it does nothing.
func Learn(ctx context.Context, t Trail) {
	if f, ok := ctx.Value(key{}).(*followed); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.Trail = f.over(t.whole())
	}
}

// Of is the trail of a context.
func Of(ctx context.Context) Trail {
	f, ok := ctx.Value(key{}).(*followed)
	if !ok {
		return Trail{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Trail
}

// attrs are what a line has of the trail.
func (t Trail) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 4)
	for _, a := range []slog.Attr{
		slog.String(KeySubject, t.Subject), slog.String(KeyOrderID, t.OrderID),
		slog.String(KeyCorrelationID, t.CorrelationID), slog.String(KeyTraceID, trace.ID(t.Traceparent)),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

// handler adds the context's trail to each line.
type handler struct{ slog.Handler }

// Handler gives what next writes the trail of the line's context, but for what the line says
// itself.
func Handler(next slog.Handler) slog.Handler { return handler{next} }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := Of(ctx).attrs()
	r.Attrs(func(said slog.Attr) bool {
		attrs = slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Key == said.Key })
		return true
	})
	if len(attrs) > 0 {
		r = r.Clone()
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
