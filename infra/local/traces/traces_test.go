package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func attribute(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{
		Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}},
	}
}

// made is a span that takes a second from that second on.
func made(trace, id, parent byte, name string, second int64, of ...*commonpb.KeyValue) *tracepb.Span {
	s := &tracepb.Span{
		TraceId: bytes.Repeat(
			[]byte{trace},
			16,
		),
		SpanId:            bytes.Repeat([]byte{id}, 8),
		Name:              name,
		Kind:              tracepb.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(time.Unix(second, 0).UnixNano()),
		EndTimeUnixNano:   uint64(time.Unix(second+1, 0).UnixNano()),
		Attributes:        of,
	}
	if parent != 0 {
		s.ParentSpanId = bytes.Repeat([]byte{parent}, 8)
	}
	return s
}

// request asks a viewer; the body is a message or nothing.
func request(
	h http.Handler,
	method, path string,
	body []byte,
	change ...func(*http.Request),
) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(
		context.Background(), method, "http://127.0.0.1:4600"+path, bytes.NewReader(body),
	)
	r.Header.Set("Content-Type", "application/x-protobuf")
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func send(t *testing.T, h http.Handler, service string, spans ...*tracepb.Span) {
	t.Helper()
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{attribute("service.name", service)}},
		ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if w := request(h, http.MethodPost, "/v1/traces", body); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

func id(b byte, n int) string { return strings.Repeat(fmt.Sprintf("%02x", b), n) }

// A trace is a tree of its spans, whichever came first, with what is linked to it.
func TestTrace(t *testing.T) {
	h := newViewer(100)
	send(t, h, "send-mails", made(1, 4, 3, "send mail", 13))
	failed := made(
		1,
		3,
		2,
		"process send-mails",
		12,
		attribute("orderflow.order.id", "o-1"),
		attribute("note", "<script>"),
	)
	failed.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "order.unknown"}
	send(t, h, "send-mails", failed)
	send(t, h, "accept-commands", made(1, 2, 9, "POST /orders", 10)) // below a client's, which nobody sends
	batch := made(2, 7, 0, "process events", 11)
	batch.Links = []*tracepb.Span_Link{{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{2}, 8)}}
	send(t, h, "publish-events", batch)

	page := request(h, http.MethodGet, "/trace/"+id(1, 16), nil).Body.String()
	at := -1
	for _, want := range []string{
		"3 spans of 2 functions in 4s", "o-1", `padding-left: 0rem">POST /orders`, `padding-left: 1rem">process send-mails`,
		"order.unknown", "&lt;script&gt;", `padding-left: 2rem">send mail`, "Linked from", "process events",
	} {
		next := strings.Index(page, want)
		if next <= at {
			t.Errorf("%q is missing or comes too early in\n%s", want, page)
		}
		at = next
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, "ZgotmplZ") {
		t.Error(page)
	}
	if linked := request(
		h,
		http.MethodGet,
		"/trace/"+id(2, 16),
		nil,
	).Body.String(); !strings.Contains(
		linked,
		`href="/trace/`+id(1, 16)+"#"+id(2, 8),
	) {
		t.Errorf("no link in\n%s", linked)
	}

	var of struct{ Spans, Linked []span }
	if err := json.Unmarshal(request(h, http.MethodGet, "/api/traces/"+id(1, 16), nil).Body.Bytes(), &of); err != nil {
		t.Fatal(err)
	}
	if len(of.Spans) != 3 || of.Spans[0].Name != "POST /orders" || len(of.Linked) != 1 ||
		of.Spans[1].Attributes["orderflow.order.id"] != "o-1" {
		t.Errorf("%+v", of)
	}
}

func TestList(t *testing.T) {
	h := newViewer(100)
	send(
		t,
		h,
		"accept-commands",
		made(1, 1, 0, "POST /orders", 10, attribute("orderflow.order.id", "o-1")),
		made(2, 2, 0, "GET /orders", 11),
	)
	for path, want := range map[string][]string{
		"/": {"GET /orders", "POST /orders"}, "/?of=o-1": {"POST /orders"}, "/?of=" + id(2, 16): {"GET /orders"}, "/?of=o-2": nil,
	} {
		page := request(h, http.MethodGet, path, nil).Body.String()
		var got []string
		for _, part := range strings.Split(page, "</a>") {
			if _, name, ok := strings.Cut(part, `<td><a href="/trace/`); ok {
				got = append(got, name[strings.Index(name, ">")+1:])
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// Memory is bounded: the oldest traces make room.
func TestOldTracesMakeRoom(t *testing.T) {
	h := newViewer(10)
	for i := byte(1); i <= 20; i++ {
		send(t, h, "f", made(i, 1, 0, "a", int64(i)), made(i, 2, 1, "b", int64(i)))
	}
	for trace, there := range map[byte]bool{1: false, 15: false, 16: true, 20: true} {
		if w := request(h, http.MethodGet, "/trace/"+id(trace, 16), nil); (w.Code == http.StatusOK) != there {
			t.Errorf("trace %d: %d", trace, w.Code)
		}
	}
}

func TestRefused(t *testing.T) {
	h := newViewer(10)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"400": request(h, http.MethodPost, "/v1/traces", []byte("{}")),
		"413": request(h, http.MethodPost, "/v1/traces", make([]byte, maxRequest+1)),
		// A page from elsewhere that has its own name lead to this machine.
		"403": request(h, http.MethodGet, "/", nil, func(r *http.Request) { r.Host = "traces.example.com:4600" }),
		"404": request(h, http.MethodGet, "/trace/"+id(1, 16), nil),
	} {
		if fmt.Sprint(w.Code) != name {
			t.Errorf("%d, want %s", w.Code, name)
		}
	}
	if err := serve("0.0.0.0:0", "", 1); err == nil {
		t.Error("listens for the network")
	}
	if err := serve("127.0.0.1:0", "", 0); err == nil {
		t.Error("ends with nothing")
	}
}

// It ends with the process that it was started for.
func TestEndsWithItsProcess(t *testing.T) {
	const gone = 1 << 30 // above every process's id
	if err := serve("127.0.0.1:0", t.TempDir()+"/address", gone); err != nil {
		t.Error(err)
	}
}

// Spans that are each other's parents are shown too.
func TestCircle(t *testing.T) {
	h := newViewer(10)
	send(t, h, "f", made(1, 1, 1, "a", 1), made(1, 1, 0, "again", 2))
	if w := request(h, http.MethodGet, "/trace/"+id(1, 16), nil); w.Code != http.StatusOK {
		t.Errorf("%d", w.Code)
	}
}
