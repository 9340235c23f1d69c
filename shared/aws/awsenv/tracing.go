package awsenv

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"orderflow/shared/kit/otlp"
	"orderflow/shared/kit/trace"
)

// The exporters that TRACE_EXPORTER may name.
const (
	exporterNone = "none"
	exporterXRay = "xray"
	exporterOTLP = "otlp"
)

// The time that spans have to be sent in at the end of an invocation, and what is kept back of the
// invocation's own for its answer.
const (
	flushTime   = 500 * time.Millisecond
	answerTime  = 100 * time.Millisecond
	daemonWhere = "127.0.0.1:2000" // where Lambda doesn't say
)

// tracing makes the spans of the process and sends them.
type tracing struct {
	tracer   *trace.Tracer
	recorder *otlp.Recorder
	silent   bool // the last flush failed, and the log has it
}

// tracingOf is what the function's variables ask for; nil where they ask for nothing. Like the
// others it panics where one can't be used: a deployment that is wrong shows at its first start.
func tracingOf(getenv func(string) string) *tracing {
	var sender otlp.Sender
	var err error
	switch exporter := getenv("TRACE_EXPORTER"); exporter {
	case "", exporterNone:
		return nil
	case exporterXRay:
		sender, err = otlp.NewDaemon(cmp.Or(getenv("AWS_XRAY_DAEMON_ADDRESS"), daemonWhere))
	case exporterOTLP:
		sender, err = otlp.NewCollector(getenv("TRACE_ENDPOINT"), &http.Client{
			// One connection, which the next invocation uses again.
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		})
	default:
		err = fmt.Errorf("TRACE_EXPORTER: expected none, xray or otlp, got %q", exporter)
	}
	if err != nil {
		panic("awsenv: " + err.Error())
	}
	percent, err := strconv.ParseFloat(getenv("TRACE_PERCENT"), 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		panic(fmt.Sprintf("awsenv: TRACE_PERCENT: expected 0 to 100, got %q", getenv("TRACE_PERCENT")))
	}
	recorder := otlp.NewRecorder(sender)
	provider := otlp.NewProvider(trace.Service(
		getenv("AWS_LAMBDA_FUNCTION_NAME"), getenv("AWS_LAMBDA_FUNCTION_VERSION"), getenv("AWS_REGION"),
	), invocations{}, recorder)
	return &tracing{tracer: trace.NewTracer(provider, percent), recorder: recorder}
}

// invocations says of the spans that nothing else of the process is above which invocation they are
// of, as the lines of the log do.
type invocations struct{}

// OnStart implements sdk.SpanProcessor.
func (invocations) OnStart(ctx context.Context, span sdk.ReadWriteSpan) {
	if parent := span.Parent(); parent.IsValid() && !parent.IsRemote() {
		return
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		span.SetAttributes(trace.Invocation(lc.AwsRequestID))
	}
}

// OnEnd implements sdk.SpanProcessor.
func (invocations) OnEnd(sdk.ReadOnlySpan) {}

// Shutdown implements sdk.SpanProcessor.
func (invocations) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdk.SpanProcessor.
func (invocations) ForceFlush(context.Context) error { return nil }

// traced is a handler whose work has spans.
type traced struct {
	lambda.Handler
	*tracing
}

// Invoke implements lambda.Handler. The spans are sent before the answer: behind it Lambda freezes
// the process, and what is on its way then is lost. They are sent where the handler panics too.
func (t traced) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	defer t.flush(ctx)
	return t.Handler.Invoke(trace.With(ctx, t.tracer), payload)
}

// flush sends what the invocation recorded, in bounded time. That it can't be sent is the log's and
// nobody else's: one line, until it could be sent again.
func (t *tracing) flush(ctx context.Context) {
	within := flushTime
	if deadline, ok := ctx.Deadline(); ok {
		within = max(time.Nanosecond, min(within, time.Until(deadline)-answerTime))
	}
	sent, err := t.recorder.Flush(ctx, within)
	switch {
	case err == nil && sent > 0:
		t.silent = false
	case err != nil && !t.silent:
		t.silent = true
		slog.WarnContext(ctx, "spans not sent", "error", err.Error())
	}
}
