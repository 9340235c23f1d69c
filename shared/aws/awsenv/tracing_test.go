package awsenv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"orderflow/shared/kit/trace"
)

// collector is a collector that keeps the spans that it gets.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	spans  []*tracepb.ResourceSpans
	status int
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var of tracepb.TracesData
		if err := proto.Unmarshal(body, &of); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spans = append(c.spans, of.ResourceSpans...)
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take() []*tracepb.ResourceSpans {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.spans
	c.spans = nil
	return spans
}

func (c *collector) answers(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// variables are a function's own, with those of a test.
func variables(of map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := of[name]; ok {
			return value
		}
		return map[string]string{
			"TRACE_PERCENT": "100", "AWS_LAMBDA_FUNCTION_NAME": "shop-f", "AWS_REGION": "eu-west-1",
		}[name]
	}
}

func captured(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

// invocation is a context as Lambda's library makes it.
func invocation(t *testing.T, left time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(left))
	t.Cleanup(cancel)
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "request-7"})
}

// recording is a handler that has one span a call, and then does something.
func recording(t *tracing, then func() error) lambda.Handler {
	return traced{tracing: t, Handler: lambda.NewHandler(func(ctx context.Context) (string, error) {
		_, span, _ := trace.Begin(ctx, trace.Context{}, "POST /orders")
		span.End(nil)
		return "answer", then()
	})}
}

// Spans have been sent when the answer goes out: behind it, Lambda freezes the process.
func TestSpansAreSentBeforeTheAnswer(t *testing.T) {
	c := newCollector(t)
	h := recording(tracingOf(variables(map[string]string{
		"TRACE_EXPORTER": "otlp", "TRACE_ENDPOINT": c.URL + "/v1/traces",
	})), func() error { return nil })
	for range 2 {
		answer, err := h.Invoke(invocation(t, time.Minute), nil)
		if string(answer) != `"answer"` || err != nil {
			t.Fatalf("%s, %v", answer, err)
		}
		got := c.take()
		if len(got) != 1 || len(got[0].ScopeSpans[0].Spans) != 1 {
			t.Fatalf("%v", got)
		}
		text := got[0].String()
		for _, want := range []string{"shop-f", "eu-west-1", "aws_lambda", "request-7", "POST /orders"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s in %s", want, text)
			}
		}
	}
}

// A handler's failure, and its crash, is what somebody wants to see the trace of.
func TestSpansOfWhatFails(t *testing.T) {
	c := newCollector(t)
	of := tracingOf(variables(map[string]string{"TRACE_EXPORTER": "otlp", "TRACE_ENDPOINT": c.URL}))
	fails := errors.New("fails")
	if _, err := recording(
		of,
		func() error { return fails },
	).Invoke(
		invocation(t, time.Minute),
		nil,
	); !errors.Is(
		err,
		fails,
	) {
		t.Error(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is swallowed")
			}
		}()
		_, _ = recording(of, func() error { panic("oops") }).Invoke(invocation(t, time.Minute), nil)
	}()
	if got := c.take(); len(got) != 2 {
		t.Errorf("%d requests", len(got))
	}
}

// A collector that is away costs spans, and never an answer. The log says it once, and again when
// it is away again.
func TestCollectorIsAway(t *testing.T) {
	log, c := captured(t), newCollector(t)
	h := recording(tracingOf(variables(map[string]string{"TRACE_EXPORTER": "otlp", "TRACE_ENDPOINT": c.URL})),
		func() error { return nil })
	warnings := 0
	for i, status := range []int{503, 503, 500, 200, 503, 503} {
		c.answers(status)
		answer, err := h.Invoke(invocation(t, time.Minute), nil)
		if string(answer) != `"answer"` || err != nil {
			t.Fatalf("%s, %v", answer, err)
		}
		if i == 0 || i == 4 {
			warnings++
		}
		if got := strings.Count(log.String(), "spans not sent"); got != warnings {
			t.Errorf("after %d invocations %d warnings: %s", i+1, got, log)
		}
	}
	c.Close()
	if answer, err := h.Invoke(invocation(t, time.Minute), nil); string(answer) != `"answer"` || err != nil {
		t.Errorf("%s, %v", answer, err)
	}
}

// A collector that hangs gets what is left of the invocation but for the answer's own time, and
// never more than its share.
func TestCollectorHangs(t *testing.T) {
	captured(t)
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	defer server.Close()
	defer close(released)
	h := recording(tracingOf(variables(map[string]string{"TRACE_EXPORTER": "otlp", "TRACE_ENDPOINT": server.URL})),
		func() error { return nil })
	for _, left := range []time.Duration{answerTime / 2, answerTime + 20*time.Millisecond, time.Minute} {
		began := time.Now()
		if answer, err := h.Invoke(invocation(t, left), nil); string(answer) != `"answer"` || err != nil {
			t.Errorf("%s, %v", answer, err)
		}
		if took := time.Since(began); took > 10*flushTime {
			t.Errorf("with %v left it takes %v", left, took)
		}
	}
}

func TestTracingOf(t *testing.T) {
	for _, exporter := range []string{"", "none"} {
		if tracingOf(variables(map[string]string{"TRACE_EXPORTER": exporter})) != nil {
			t.Errorf("%q records", exporter)
		}
	}
	if tracingOf(
		variables(map[string]string{"TRACE_EXPORTER": "xray", "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000"}),
	) == nil {
		t.Error("X-Ray gets nothing")
	}
	for name, of := range map[string]map[string]string{
		"TRACE_EXPORTER": {"TRACE_EXPORTER": "jaeger"},
		"endpoint":       {"TRACE_EXPORTER": "otlp", "TRACE_ENDPOINT": "http://collector.example.com"},
		"TRACE_PERCENT":  {"TRACE_EXPORTER": "xray", "TRACE_PERCENT": "101"},
		"got \"NaN\"":    {"TRACE_EXPORTER": "xray", "TRACE_PERCENT": "NaN"},
		"got \"\"":       {"TRACE_EXPORTER": "xray", "TRACE_PERCENT": ""},
		"X-Ray's daemon": {"TRACE_EXPORTER": "xray", "AWS_XRAY_DAEMON_ADDRESS": "nowhere"},
	} {
		func() {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, name) {
					t.Errorf("%v: %q, want %s", of, said, name)
				}
			}()
			tracingOf(variables(of))
		}()
	}
}
