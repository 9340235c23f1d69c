package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/trace/tracetest"
	"orderflow/shared/shop/shipment"
)

// A request is a span below its client's. What it brings about carries the span, and the span has
// the pattern of the path and the order that was placed, and nothing that the client wrote.
func TestRequestHasASpan(t *testing.T) {
	s := newShop(t)
	ctx, spans := tracetest.Record(t, 100)
	client := trace.New(true)
	r := post(ada, "/orders", anOrder()).with("Traceparent", client.String()).with("X-Correlation-ID", "till-7")
	r.ctx = ctx
	id := s.must(http.StatusAccepted, r).text("id")
	span := spans.One(t, "POST /orders")
	if tracetest.Parent(span) != client {
		t.Errorf("below %+v", tracetest.Parent(span))
	}
	for key, want := range map[string]string{
		"http.request.method": "POST", "http.route": "/orders", "http.response.status_code": "202", "error.type": "",
		"orderflow.order.id": id, "orderflow.subject": "order/" + id, "orderflow.correlation.id": "till-7",
	} {
		if got := tracetest.Attribute(span, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	events, err := s.orders.History(ctx, id)
	if err != nil || events[0].Metadata.Traceparent != tracetest.Of(span).String() {
		t.Errorf("%v: %v carries %q", err, events[0].Type, events[0].Metadata.Traceparent)
	}
}

// What a client did wrong is no failure of the span. Of a path that nothing has, it says nothing.
func TestRequestsThatFail(t *testing.T) {
	s := newShop(t)
	ctx, spans := tracetest.Record(t, 100)
	r := get(ada, "/canary@example.com")
	r.ctx = ctx
	if res := s.send(r); res.status != http.StatusNotFound {
		t.Fatal(res.status)
	}
	span := spans.One(t, "HTTP")
	if tracetest.Attribute(span, "error.type") != "" ||
		tracetest.Attribute(span, "http.response.status_code") != "404" {
		t.Errorf("%v", span.Attributes())
	}
	for _, a := range span.Attributes() {
		if strings.Contains(a.Value.String(), "canary") {
			t.Errorf("%s is %s", a.Key, a.Value.String())
		}
	}
}

// Whether a trace is recorded is an operator's to say, and no customer's.
func TestOperatorsDecideOnTheirTraces(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		who  caller
		want int
	}{{operator, 1}, {ada, 0}} {
		ctx, spans := tracetest.Record(t, 0)
		client := trace.New(true)
		r := get(c.who, "/stock/cd-1").with("Traceparent", client.String())
		r.ctx = ctx
		s.must(http.StatusOK, r)
		all := spans.Named("GET /stock/{sku}")
		if len(all) != c.want || len(all) == 1 && tracetest.Parent(all[0]) != client {
			t.Errorf("%v: %v", c.who, spans.Names())
		}
	}
}

// A carrier's report is a trace of its own, which is linked to that of the order.
func TestCarriersReportIsLinked(t *testing.T) {
	s := newShop(t)
	of := trace.New(true)
	s.saga.Traceparent = of.String()
	id := s.ship(shipment.StatusPrepared)
	ctx, spans := tracetest.Record(t, 100)
	r := post(carrier, "/shipments/"+id+"/dispatch", nil)
	r.ctx = ctx
	s.must(http.StatusOK, r)
	span := spans.One(t, "POST /shipments/{id}/dispatch")
	if links := tracetest.Links(span); len(links) != 1 || links[0] != of || tracetest.Of(span).TraceID == of.TraceID {
		t.Errorf("%+v is linked to %v", tracetest.Of(span), links)
	}
}
