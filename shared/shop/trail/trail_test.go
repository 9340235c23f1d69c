package trail_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/trail"
)

const (
	id     = "4bf92f3577b34da6a3ce929d0e0e4736"
	parent = "00-" + id + "-00f067aa0ba902b7-01"
)

func TestOfMessage(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want trail.Trail
	}{
		"an order's event": {
			`{"detail-type":"order.placed","detail":{"subject":"order/o-1","correlationid":"c","traceparent":"` + parent +
				`","tracestate":"a=1, b=2","data":{"orderId":"o-1"}}}`,
			trail.Trail{
				Subject: "order/o-1", OrderID: "o-1", CorrelationID: "c", Traceparent: parent, Tracestate: "a=1,b=2",
			},
		},
		"an event about an order": {
			`{"detail":{"subject":"shipment/s-1","correlationid":"c","data":{"orderId":"o-1"}}}`,
			trail.Trail{Subject: "shipment/s-1", OrderID: "o-1", CorrelationID: "c"},
		},
		"an event about none": {
			`{"detail":{"subject":"customer/c-1","correlationid":"c","data":{"customerId":"c-1"}}}`,
			trail.Trail{Subject: "customer/c-1", CorrelationID: "c"},
		},
		"a command": {
			`{"command":"reserve.stock","orderId":"o-1","correlationId":"c","traceparent":"` + parent +
				`","tracestate":"a=1"}`,
			trail.Trail{
				Subject: "order/o-1", OrderID: "o-1", CorrelationID: "c", Traceparent: parent, Tracestate: "a=1",
			},
		},
		"a malformed tracestate": {
			`{"orderId":"o-1","traceparent":"` + parent + `","tracestate":"<b>"}`,
			trail.Trail{Subject: "order/o-1", OrderID: "o-1", Traceparent: parent},
		},
		"a tracestate of no trace": {
			`{"orderId":"o-1","traceparent":"00-1","tracestate":"a=1"}`,
			trail.Trail{Subject: "order/o-1", OrderID: "o-1"},
		},
		"a dead letter of a record": {
			`{"consumer":"project-views","stream":"payment/p-1","orderId":"o-1","correlationId":"c"}`,
			trail.Trail{Subject: "payment/p-1", OrderID: "o-1", CorrelationID: "c"},
		},
		"data of another form": {
			`{"detail":{"subject":"order/o-1","correlationid":"c","data":[1]}}`,
			trail.Trail{Subject: "order/o-1", OrderID: "o-1", CorrelationID: "c"},
		},
		"a field of another type": {
			`{"detail":{"subject":7,"correlationid":"c","data":{"orderId":"o-1"}}}`,
			trail.Trail{Subject: "order/o-1", OrderID: "o-1", CorrelationID: "c"},
		},
		"no id": {
			`{"orderId":"Ada Lovelace","correlationId":"ada@example.com","traceparent":"00-1"}`, trail.Trail{},
		},
		"too long": {`{"orderId":"` + strings.Repeat("1", 257) + `"}`, trail.Trail{}},
		"no JSON":  {`oops`, trail.Trail{}},
		"nothing":  {"", trail.Trail{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := trail.OfMessage([]byte(tc.body)); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

// Whatever a message holds, no line gets more of it than an id.
func TestOfAnyMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(\{"(orderId|stream|correlationId)":"[^"\\]{0,9}"\}|.*)`).Draw(t, "body")
		got := trail.OfMessage([]byte(text))
		for _, part := range []string{got.Subject, got.OrderID, got.CorrelationID, got.Traceparent} {
			if strings.ContainsAny(part, " @{}\"'\n") {
				t.Errorf("%q of %q", part, text)
			}
		}
	})
}

func TestOfCommit(t *testing.T) {
	meta := es.Metadata{CorrelationID: "c", Traceparent: parent, Tracestate: "a=1"}
	for name, tc := range map[string]struct {
		commit es.StoredCommit
		want   trail.Trail
	}{
		"of an order": {
			es.StoredCommit{Stream: "order/o-1", Metadata: meta, Events: []es.Stored{{Data: []byte(`{}`)}}},
			trail.Trail{
				Subject: "order/o-1", OrderID: "o-1", CorrelationID: "c", Traceparent: parent, Tracestate: "a=1",
			},
		},
		"the first that names one": {
			es.StoredCommit{Stream: "payment/p-1", Metadata: meta, Events: []es.Stored{
				{Data: []byte(`{}`)}, {Data: []byte(`{"orderId":"o-1"}`)}, {Data: []byte(`{"orderId":"o-2"}`)},
			}},
			trail.Trail{
				Subject: "payment/p-1", OrderID: "o-1", CorrelationID: "c", Traceparent: parent, Tracestate: "a=1",
			},
		},
		"of none": {es.StoredCommit{Stream: "stock/OF-1"}, trail.Trail{Subject: "stock/OF-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := trail.OfCommit(tc.commit); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

// The two parts of a trace stay together: what is known of one trace gets no state of another.
func TestTraceStaysWhole(t *testing.T) {
	const other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	ctx := trail.With(t.Context(), trail.Trail{Traceparent: parent, Tracestate: "a=1"})
	got := trail.Of(trail.With(ctx, trail.Trail{OrderID: "o-1"}))
	if got.Traceparent != parent || got.Tracestate != "a=1" {
		t.Errorf("further work of the trace is of %+v", got)
	}
	got = trail.Of(trail.With(ctx, trail.Trail{Traceparent: other}))
	if got.Traceparent != other || got.Tracestate != "" {
		t.Errorf("work of another trace is of %+v", got)
	}
	trail.Learn(ctx, trail.Trail{Traceparent: other, Tracestate: "b=2"})
	if got := trail.Of(ctx); got.Traceparent != parent || got.Tracestate != "a=1" {
		t.Errorf("learned is %+v", got)
	}
}

func TestHandler(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(trail.Handler(slog.NewJSONHandler(&log, nil)))
	ctx := trail.With(t.Context(), trail.Trail{CorrelationID: "c"})
	trail.Learn(ctx, trail.Order("o-1", es.Metadata{CorrelationID: "another", Traceparent: parent}))
	inner := trail.With(ctx, trail.Trail{Subject: "shipment/s-1"})
	for _, tc := range []struct {
		ctx  context.Context
		want string
	}{
		{t.Context(), `"k":"v"}`},
		{ctx, `"k":"v","subject":"order/o-1","orderId":"o-1","correlationId":"c","traceId":"` + id + `"}`},
		{inner, `"k":"v","subject":"shipment/s-1","orderId":"o-1","correlationId":"c","traceId":"` + id + `"}`},
	} {
		log.Reset()
		logger.With("k", "v").InfoContext(tc.ctx, "m")
		if !strings.HasSuffix(strings.TrimSpace(log.String()), tc.want) {
			t.Errorf("%s, want %s", &log, tc.want)
		}
	}
	log.Reset()
	logger.InfoContext(ctx, "m", "orderId", "o-2", "subject", "order/o-2")
	if want := `"orderId":"o-2","subject":"order/o-2","correlationId":"c","traceId":"` + id + `"}`; !strings.HasSuffix(
		strings.TrimSpace(log.String()), want) {
		t.Errorf("%s, want %s", &log, want)
	}
	trail.Learn(t.Context(), trail.Trail{OrderID: "o-1"}) // nobody follows it
	if got := trail.Of(t.Context()); got != (trail.Trail{}) {
		t.Errorf("%+v of a context without", got)
	}
}

// What several learn at once is one trail.
func TestLearnTogether(t *testing.T) {
	ctx := trail.With(t.Context(), trail.Trail{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { trail.Learn(ctx, trail.Trail{OrderID: "o-1"}) })
		all.Go(func() { trail.Learn(ctx, trail.Trail{CorrelationID: "c"}) })
	}
	all.Wait()
	want := trail.Trail{Subject: "order/o-1", OrderID: "o-1", CorrelationID: "c"}
	if got := trail.Of(ctx); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
