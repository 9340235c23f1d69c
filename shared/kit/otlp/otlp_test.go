package otlp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	otel "go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"orderflow/shared/kit/otlp"
	"orderflow/shared/kit/trace"
)

// kept is a Sender that keeps what it is given.
type kept struct {
	size     int
	requests [][]byte
	fail     error
}

func (k *kept) Size() int { return k.size }

func (k *kept) Send(_ context.Context, request []byte) error {
	if k.fail != nil {
		return k.fail
	}
	k.requests = append(k.requests, request)
	return nil
}

// spans are those of all requests, read with the protocol's own types.
func (k *kept) spans(t require) (all []*tracepb.Span) {
	for _, request := range k.requests {
		// An ExportTraceServiceRequest has the same bytes; its package needs gRPC.
		var of tracepb.TracesData
		if err := (proto.UnmarshalOptions{}).Unmarshal(request, &of); err != nil {
			t.Fatalf("%v", err)
		}
		if unknown := of.ProtoReflect().GetUnknown(); len(unknown) != 0 {
			t.Fatalf("unknown fields % x", unknown)
		}
		for _, r := range of.ResourceSpans {
			for _, s := range r.ScopeSpans {
				all = append(all, s.Spans...)
			}
		}
	}
	return all
}

type require interface {
	Fatalf(format string, args ...any)
}

func drawID(t *rapid.T, n int) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Filter(func(b []byte) bool {
		return slices.ContainsFunc(b, func(x byte) bool { return x != 0 })
	}).Draw(t, "id")
}

func drawContext(t *rapid.T) otel.SpanContext {
	return otel.NewSpanContext(otel.SpanContextConfig{
		TraceID: otel.TraceID(drawID(t, 16)), SpanID: otel.SpanID(drawID(t, 8)),
		TraceFlags: otel.TraceFlags(rapid.Byte().Draw(t, "flags")), Remote: rapid.Bool().Draw(t, "remote"),
	})
}

func drawAttributes(t *rapid.T) []attribute.KeyValue {
	value := rapid.OneOf(
		rapid.Map(rapid.String(), attribute.StringValue), rapid.Map(rapid.Bool(), attribute.BoolValue),
		rapid.Map(rapid.Int64(), attribute.Int64Value), rapid.Map(rapid.Float64(), attribute.Float64Value),
		rapid.Map(rapid.SliceOf(rapid.String()), attribute.StringSliceValue),
		rapid.Map(rapid.SliceOf(rapid.Bool()), attribute.BoolSliceValue),
		rapid.Map(rapid.SliceOf(rapid.Int64()), attribute.Int64SliceValue),
		rapid.Map(rapid.SliceOf(rapid.Float64()), attribute.Float64SliceValue),
	)
	all := make([]attribute.KeyValue, rapid.IntRange(0, 4).Draw(t, "attributes"))
	for i := range all {
		all[i] = attribute.KeyValue{Key: attribute.Key(fmt.Sprintf("key.%d", i)), Value: value.Draw(t, "value")}
	}
	return all
}

// plain is an attribute's value as JSON would have it.
func plain(v attribute.Value) any {
	switch v.Type() {
	case attribute.STRINGSLICE:
		return anys(v.AsStringSlice())
	case attribute.BOOLSLICE:
		return anys(v.AsBoolSlice())
	case attribute.INT64SLICE:
		return anys(v.AsInt64Slice())
	case attribute.FLOAT64SLICE:
		return anys(v.AsFloat64Slice())
	default:
		return v.AsInterface()
	}
}

func anys[T any](of []T) []any {
	all := make([]any, len(of))
	for i, v := range of {
		all[i] = v
	}
	return all
}

func read(v *commonpb.AnyValue) any {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue
	case *commonpb.AnyValue_IntValue:
		return v.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return v.DoubleValue
	case *commonpb.AnyValue_ArrayValue:
		all := make([]any, len(v.ArrayValue.Values))
		for i, one := range v.ArrayValue.Values {
			all[i] = read(one)
		}
		return all
	}
	return nil
}

func same(got []*commonpb.KeyValue, want []attribute.KeyValue) bool {
	return slices.EqualFunc(got, want, func(g *commonpb.KeyValue, w attribute.KeyValue) bool {
		return g.Key == string(w.Key) &&
			fmt.Sprintf("%T%v", read(g.Value), read(g.Value)) == fmt.Sprintf("%T%v", plain(w.Value), plain(w.Value))
	})
}

func sameTime(got uint64, want time.Time) bool {
	return got == uint64(want.UnixNano())
}

// TestEncode: what is sent is what the protocol's own types read as the span that it was made of.
func TestEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stub := tracetest.SpanStub{
			Name:        rapid.StringN(1, 20, -1).Draw(t, "name"),
			SpanContext: drawContext(t),
			Parent:      drawContext(t),
			SpanKind: rapid.SampledFrom(
				[]otel.SpanKind{
					otel.SpanKindInternal,
					otel.SpanKindServer,
					otel.SpanKindClient,
					otel.SpanKindProducer,
					otel.SpanKindConsumer,
				},
			).Draw(
				t,
				"kind",
			),
			StartTime:  time.Unix(0, rapid.Int64Range(1, math.MaxInt64/2).Draw(t, "start")),
			EndTime:    time.Unix(0, rapid.Int64Range(1, math.MaxInt64/2).Draw(t, "end")),
			Attributes: drawAttributes(t),
			Status: sdk.Status{
				Code: rapid.SampledFrom([]codes.Code{codes.Unset, codes.Ok, codes.Error}).Draw(t, "status"),
			},
			DroppedAttributes: rapid.IntRange(
				0,
				9,
			).Draw(
				t,
				"a",
			),
			DroppedEvents:        rapid.IntRange(0, 9).Draw(t, "e"),
			DroppedLinks:         rapid.IntRange(0, 9).Draw(t, "l"),
			Resource:             resource.NewWithAttributes("https://schema", attribute.String("service.name", "f")),
			InstrumentationScope: instrumentation.Scope{Name: "orderflow", Version: "1"},
		}
		if rapid.Bool().Draw(t, "root") {
			stub.Parent = otel.SpanContext{}
		}
		if stub.Status.Code == codes.Error {
			stub.Status.Description = rapid.String().Draw(t, "description")
		}
		for range rapid.IntRange(0, 3).Draw(t, "links") {
			stub.Links = append(stub.Links, sdk.Link{SpanContext: drawContext(t), Attributes: drawAttributes(t)})
		}
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			stub.Events = append(stub.Events, sdk.Event{Name: "e", Time: stub.StartTime, Attributes: drawAttributes(t)})
		}
		to := &kept{size: math.MaxInt}
		recorder := otlp.NewRecorder(to)
		recorder.OnEnd(stub.Snapshot())
		if _, err := recorder.Flush(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
		all := to.spans(t)
		if len(all) != 1 {
			t.Fatalf("%d spans", len(all))
		}
		got := all[0]
		traceID, spanID := stub.SpanContext.TraceID(), stub.SpanContext.SpanID()
		parent := stub.Parent.SpanID()
		if !stub.Parent.IsValid() && len(got.ParentSpanId) != 0 ||
			stub.Parent.IsValid() && !bytes.Equal(got.ParentSpanId, parent[:]) {
			t.Fatalf("parent %x", got.ParentSpanId)
		}
		flags := uint32(stub.SpanContext.TraceFlags()) | 0x100
		if stub.Parent.IsRemote() {
			flags |= 0x200
		}
		status := got.GetStatus()
		code := map[codes.Code]tracepb.Status_StatusCode{codes.Ok: 1, codes.Error: 2}[stub.Status.Code]
		switch {
		case !bytes.Equal(got.TraceId, traceID[:]), !bytes.Equal(got.SpanId, spanID[:]), got.Name != stub.Name,
			int(got.Kind) != int(stub.SpanKind), !sameTime(got.StartTimeUnixNano, stub.StartTime),
			!sameTime(got.EndTimeUnixNano, stub.EndTime), !same(got.Attributes, stub.Attributes),
			int(got.DroppedAttributesCount) != stub.DroppedAttributes,
			int(got.DroppedEventsCount) != stub.DroppedEvents,
			int(got.DroppedLinksCount) != stub.DroppedLinks, status.GetCode() != code,
			status.GetMessage() != stub.Status.Description, got.Flags != flags, len(got.Links) != len(stub.Links),
			len(got.Events) != len(stub.Events):
			t.Fatalf("%+v\nof %+v", got, stub)
		}
		for i, l := range got.Links {
			of := stub.Links[i].SpanContext
			traceID, spanID := of.TraceID(), of.SpanID()
			if !bytes.Equal(l.TraceId, traceID[:]) || !bytes.Equal(l.SpanId, spanID[:]) ||
				!same(l.Attributes, stub.Links[i].Attributes) {
				t.Fatalf("link %+v", l)
			}
		}
		for i, e := range got.Events {
			if e.Name != "e" || !same(e.Attributes, stub.Events[i].Attributes) ||
				e.TimeUnixNano != got.StartTimeUnixNano {
				t.Fatalf("event %+v", e)
			}
		}
	})
}

// end ends n spans of a provider whose recorder it gives.
func end(to otlp.Sender, n int, attributes ...attribute.KeyValue) *otlp.Recorder {
	recorder := otlp.NewRecorder(to)
	tracer := otlp.NewProvider(trace.Service("f", "", "eu-west-1"), recorder).Tracer("orderflow")
	for i := range n {
		_, span := tracer.Start(context.Background(), fmt.Sprint("span-", i), otel.WithAttributes(attributes...))
		span.End()
	}
	return recorder
}

// More spans than a request may have are several requests, with each span once.
func TestRequestsAreBounded(t *testing.T) {
	to := &kept{size: 1_000}
	sent, err := end(to, 50, attribute.String("of", strings.Repeat("x", 100))).Flush(t.Context(), 0)
	if err != nil || sent != 50 {
		t.Fatalf("%d, %v", sent, err)
	}
	names := map[string]bool{}
	for _, s := range to.spans(t) {
		names[s.Name] = true
	}
	if len(names) != 50 || len(to.requests) < 10 ||
		slices.ContainsFunc(to.requests, func(r []byte) bool { return len(r) > 1_000 }) {
		t.Errorf("%d spans in %d requests", len(names), len(to.requests))
	}
	// A span that no request takes is lost, and none besides.
	to = &kept{size: 200}
	recorder := end(to, 1, attribute.String("of", strings.Repeat("x", 400)))
	if sent, err := recorder.Flush(t.Context(), 0); err == nil || sent != 0 {
		t.Errorf("%d, %v", sent, err)
	}
}

// However many spans end, memory is bounded, and the loss is told.
func TestSpansAreBounded(t *testing.T) {
	to := &kept{size: math.MaxInt}
	sent, err := end(to, otlp.MaxSpans+3).Flush(t.Context(), 0)
	if sent != otlp.MaxSpans || err == nil || !strings.Contains(err.Error(), "3 spans") {
		t.Errorf("%d, %v", sent, err)
	}
}

// What was not sent is not sent later: it would take the time of another invocation.
func TestFailureIsFinal(t *testing.T) {
	to := &kept{size: math.MaxInt, fail: errors.New("down")}
	recorder := end(to, 2)
	if sent, err := recorder.Flush(
		t.Context(),
		0,
	); sent != 0 || err == nil ||
		!strings.Contains(err.Error(), "2 spans") {
		t.Errorf("%d, %v", sent, err)
	}
	to.fail = nil
	if sent, err := recorder.Flush(t.Context(), 0); sent != 0 || err != nil || len(to.requests) != 0 {
		t.Errorf("%d, %v", sent, err)
	}
}

// The environment's own variables of OpenTelemetry's SDK change neither limits nor what is
// recorded.
func TestEnvironmentChangesNothing(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_SAMPLER": "always_off", "OTEL_SPAN_LINK_COUNT_LIMIT": "1", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0",
	} {
		t.Setenv(name, value)
	}
	to := &kept{size: math.MaxInt}
	if _, err := end(to, 1, attribute.String("a", "b")).Flush(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if all := to.spans(t); len(all) != 1 || len(all[0].Attributes) != 1 {
		t.Errorf("%+v", all)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	to := &kept{size: math.MaxInt}
	if _, err := end(to, 1, attribute.String("a", strings.Repeat("é", 10_000))).Flush(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := to.spans(t)[0].Attributes[0].Value.GetStringValue(); got != strings.Repeat("é", 512) {
		t.Errorf("%d bytes", len(got))
	}
}

// A text that is no UTF-8 would cost all spans of the request: Protobuf's readers refuse the whole.
func TestTextsAreUTF8(t *testing.T) {
	to := &kept{size: math.MaxInt}
	recorder := end(to, 1, attribute.String("a\xff", "b\xff"), attribute.StringSlice("c", []string{"d\xff"}))
	if _, err := recorder.Flush(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	all := to.spans(t)[0].Attributes
	if len(all) != 2 || all[0].Key != "a\ufffd" || all[0].Value.GetStringValue() != "b\ufffd" ||
		all[1].Value.GetArrayValue().Values[0].GetStringValue() != "d\ufffd" {
		t.Errorf("%v", all)
	}
}

func TestCollector(t *testing.T) {
	var answer atomic.Int64
	var got atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Store(
			r.Method + " " + r.URL.Path + " " + r.Header.Get(
				"Content-Type",
			) + " " + string(
				body,
			) + " " + r.Header.Get(
				"Idempotency-Key",
			),
		)
		w.WriteHeader(int(answer.Load()))
	}))
	defer server.Close()
	c, err := otlp.NewCollector(server.URL+"/v1/traces", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	for status, fails := range map[int]bool{200: false, 202: false, 400: true, 429: true, 503: true} {
		answer.Store(int64(status))
		if err := c.Send(t.Context(), []byte("request")); (err != nil) != fails {
			t.Errorf("%d: %v", status, err)
		}
	}
	if want := "POST /v1/traces application/x-protobuf request "; got.Load() != want {
		t.Errorf("%q, want %q", got.Load(), want)
	}
}

// A collector may take a request and reject spans of it (the protocol's partial success): these
// are lost like those that were not sent.
func TestCollectorRejectsSpans(t *testing.T) {
	answer := func(rejected uint64, why string) []byte {
		partial := append(binary.AppendUvarint([]byte{1 << 3}, rejected), 2<<3|2, byte(len(why)))
		partial = append(partial, why...)
		return append([]byte{1<<3 | 2, byte(len(partial))}, partial...)
	}
	for name, tc := range map[string]struct {
		answer []byte
		kind   string
		sent   int
		says   string
	}{
		"none":              {nil, "application/x-protobuf", 5, ""},
		"three":             {answer(3, "too many"), "application/x-protobuf", 2, "3 spans: otlp: the collector rejects 3: too many"},
		"all":               {answer(5, ""), "application/x-protobuf", 0, "5 spans"},
		"more than there":   {answer(99, ""), "application/x-protobuf", 0, "5 spans"},
		"a warning":         {answer(0, "old schema"), "application/x-protobuf", 5, ""},
		"breaks off":        {answer(3, "too many")[:5], "application/x-protobuf", 5, ""},
		"a negative number": {answer(math.MaxUint64, ""), "application/x-protobuf", 5, ""},
		"another form":      {answer(3, ""), "text/html", 5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				_, _ = w.Write(tc.answer)
			}))
			defer server.Close()
			c, err := otlp.NewCollector(server.URL, server.Client())
			if err != nil {
				t.Fatal(err)
			}
			sent, err := end(c, 5).Flush(t.Context(), 0)
			if sent != tc.sent || (err != nil) != (tc.says != "") ||
				err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%d sent, %v", sent, err)
			}
		})
	}
}

// A function that was frozen wakes up with a connection that the collector has closed meanwhile.
func TestConnectionClosedWhileFrozen(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewUnstartedServer(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }),
	)
	server.Start()
	defer server.Close()
	c, err := otlp.NewCollector(server.URL, &http.Client{Transport: &http.Transport{MaxIdleConns: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := c.Send(t.Context(), []byte("request")); err != nil {
			t.Fatal(err)
		}
		server.CloseClientConnections()
	}
	if requests.Load() != 20 {
		t.Errorf("%d requests", requests.Load())
	}
}

// A collector that hangs takes the time that it may have, and no more.
func TestFlushIsBounded(t *testing.T) {
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	defer server.Close()
	defer close(released)
	c, err := otlp.NewCollector(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = end(c, 1).Flush(t.Context(), 20*time.Millisecond)
	if took := time.Since(began); err == nil || !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

func TestEndpoints(t *testing.T) {
	for address, allowed := range map[string]bool{
		"https://collector.example.com/v1/traces": true, "http://localhost:4318/v1/traces": true,
		"http://127.0.0.1:4318/v1/traces": true, "http://[::1]:4318": true,
		"http://collector.example.com/v1/traces": false, "http://127.0.0.1.example.com": false, "": false, "/v1/traces": false,
		"ftp://localhost": false, "https://user:secret@collector.example.com": false,
	} {
		if _, err := otlp.NewCollector(address, http.DefaultClient); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
	for address, allowed := range map[string]bool{
		"169.254.79.129:2000": true, "localhost:2000": true, "": false, "localhost": false, ":2000": false,
	} {
		if _, err := otlp.NewDaemon(address); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// X-Ray's daemon takes a line that names the format, a mark, and the request in base64, each in one
// datagram, however many spans there are.
func TestDaemon(t *testing.T) {
	listener, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	d, err := otlp.NewDaemon(listener.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	const spans = 300 // some 120 KB
	recorder := end(d, spans, attribute.String("of", strings.Repeat("x", 300)))
	flushed := make(chan error, 1)
	go func() { _, err := recorder.Flush(context.WithoutCancel(t.Context()), 0); flushed <- err }()
	got, names := &kept{}, map[string]bool{}
	_ = listener.SetReadDeadline(time.Now().Add(10 * time.Second))
	for buffer := make([]byte, 1<<17); len(names) < spans; {
		n, _, err := listener.ReadFrom(buffer)
		if err != nil {
			t.Fatalf("%v, after %d spans", err, len(names))
		}
		head, body, _ := strings.Cut(string(buffer[:n]), "\n")
		mark, text := body[:3], body[3:]
		request, err := base64.StdEncoding.DecodeString(text)
		if head != `{"format":"json","version":1}` || mark != "T1S" || err != nil {
			t.Fatalf("%q %q %v", head, mark, err)
		}
		got.requests = [][]byte{request}
		for _, s := range got.spans(t) {
			names[s.Name] = true
		}
	}
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	if len(slices.Collect(maps.Keys(names))) != spans {
		t.Errorf("%d spans", len(names))
	}
}

// Nobody listens, and then somebody does: a datagram that failed costs no other.
func TestDaemonComesBack(t *testing.T) {
	listener, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.LocalAddr().String()
	_ = listener.Close()
	d, err := otlp.NewDaemon(address)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = d.Send(t.Context(), []byte("lost")) // the system may tell with the next one that nobody took it
	}
	if listener, err = (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", address); err != nil {
		t.Skip("the port was taken meanwhile")
	}
	defer func() { _ = listener.Close() }()
	_ = listener.SetReadDeadline(time.Now().Add(10 * time.Second))
	for range 2 { // the first one may hear of those before it
		_ = d.Send(t.Context(), []byte("request"))
	}
	if _, _, err := listener.ReadFrom(make([]byte, 100)); err != nil {
		t.Error(err)
	}
}
