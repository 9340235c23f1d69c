package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
)

// maxSpans is how many spans are kept, some 1 KB each. The oldest traces make room.
const maxSpans = 50_000

// span is a span as it is kept and shown.
type span struct {
	TraceID    string            `json:"traceId"`
	SpanID     string            `json:"spanId"`
	ParentID   string            `json:"parentSpanId,omitempty"`
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	Service    string            `json:"service"`
	Start      time.Time         `json:"start"`
	End        time.Time         `json:"end"`
	Error      string            `json:"error,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Links      []link            `json:"links,omitempty"`
}

// link leads to a span.
type link struct {
	TraceID string `json:"traceId"`
	SpanID  string `json:"spanId"`
}

// store keeps the newest traces.
type store struct {
	mu     sync.Mutex
	limit  int
	kept   int
	traces map[string][]span
	order  []string // of the traces' first spans
}

func newStore(limit int) *store { return &store{limit: limit, traces: map[string][]span{}} }

// add keeps what a request brings.
func (s *store) add(of *tracepb.TracesData) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range of.GetResourceSpans() {
		service := texts(r.GetResource().GetAttributes())["service.name"]
		for _, scope := range r.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				kept := spanOf(service, one)
				if _, known := s.traces[kept.TraceID]; !known {
					s.order = append(s.order, kept.TraceID)
				}
				s.traces[kept.TraceID] = append(s.traces[kept.TraceID], kept)
				s.kept++
			}
		}
	}
	for s.kept > s.limit && len(s.order) > 1 {
		s.kept -= len(s.traces[s.order[0]])
		delete(s.traces, s.order[0])
		s.order = s.order[1:]
	}
}

func spanOf(service string, p *tracepb.Span) span {
	kept := span{
		TraceID: hex.EncodeToString(p.GetTraceId()), SpanID: hex.EncodeToString(p.GetSpanId()),
		ParentID: hex.EncodeToString(p.GetParentSpanId()), Name: p.GetName(), Service: service,
		Kind:  strings.ToLower(strings.TrimPrefix(p.GetKind().String(), "SPAN_KIND_")),
		Start: at(p.GetStartTimeUnixNano()), End: at(p.GetEndTimeUnixNano()), Attributes: texts(p.GetAttributes()),
	}
	if p.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		kept.Error = p.GetStatus().GetMessage()
		if kept.Error == "" {
			kept.Error = "error"
		}
	}
	for _, l := range p.GetLinks() {
		kept.Links = append(kept.Links, link{hex.EncodeToString(l.GetTraceId()), hex.EncodeToString(l.GetSpanId())})
	}
	return kept
}

func at(nanoseconds uint64) time.Time {
	return time.Unix(0, int64(nanoseconds)).UTC() //nolint:gosec // of this century
}

func texts(all []*commonpb.KeyValue) map[string]string {
	of := make(map[string]string, len(all))
	for _, a := range all {
		of[a.GetKey()] = text(a.GetValue())
	}
	return of
}

func text(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return fmt.Sprint(v.DoubleValue)
	case *commonpb.AnyValue_ArrayValue:
		var all []string
		for _, one := range v.ArrayValue.GetValues() {
			all = append(all, text(one))
		}
		return strings.Join(all, ", ")
	}
	return ""
}

// trace gives the spans of a trace, by their starts, and the spans of other traces that are linked
// to it.
func (s *store) trace(id string) (spans, linked []span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spans = slices.Clone(s.traces[id])
	slices.SortStableFunc(spans, func(a, b span) int { return a.Start.Compare(b.Start) })
	if len(spans) == 0 {
		return nil, nil
	}
	for _, other := range s.order {
		for _, one := range s.traces[other] {
			if other != id && slices.ContainsFunc(one.Links, func(l link) bool { return l.TraceID == id }) {
				linked = append(linked, one)
			}
		}
	}
	return spans, linked
}

// summary is a trace in the list.
type summary struct {
	TraceID  string
	Name     string
	Start    time.Time
	Took     time.Duration
	Spans    int
	Services int
	Errors   int
	OrderID  string
}

// newest lists traces, the newest first. of is a trace's id, an order's, or a text that any of its
// attributes has; "" for all.
func (s *store) newest(of string, limit int) (all []summary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.order) - 1; i >= 0 && len(all) < limit; i-- {
		if spans := s.traces[s.order[i]]; of == "" || s.order[i] == of || slices.ContainsFunc(spans, about(of)) {
			all = append(all, summarize(spans))
		}
	}
	return all
}

func about(of string) func(span) bool {
	return func(one span) bool {
		for _, value := range one.Attributes {
			if value == of {
				return true
			}
		}
		return false
	}
}

func summarize(spans []span) summary {
	first, last := spans[0], spans[0]
	of, services := summary{Spans: len(spans)}, map[string]bool{}
	for _, one := range spans {
		if one.Start.Before(first.Start) {
			first = one
		}
		if one.End.After(last.End) {
			last = one
		}
		if services[one.Service] = true; one.Error != "" {
			of.Errors++
		}
		if of.OrderID == "" {
			of.OrderID = one.Attributes["orderflow.order.id"]
		}
	}
	of.TraceID, of.Name, of.Start, of.Took, of.Services = first.TraceID, first.Name, first.Start, last.End.Sub(
		first.Start,
	), len(
		services,
	)
	return of
}
