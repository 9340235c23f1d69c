package otlp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// MaxSpans is how many ended spans are kept until the next Flush. Those that end after them are
// lost, and counted.
const MaxSpans = 2048

// Sender sends an ExportTraceServiceRequest.
type Sender interface {
	// Size is the most bytes that a request may have.
	Size() int
	// Send returns when the request is sent, or can't be, or ctx ends. A *RejectedError is of one
	// that was sent, and taken in part.
	Send(ctx context.Context, request []byte) error
}

// Recorder keeps the spans that end until Flush sends them. It is a sdk.SpanProcessor, and safe for
// concurrent use.
type Recorder struct {
	sender Sender

	mu    sync.Mutex
	ended []sdk.ReadOnlySpan
	lost  int
}

// NewRecorder makes a Recorder.
func NewRecorder(sender Sender) *Recorder { return &Recorder{sender: sender} }

// OnStart implements sdk.SpanProcessor.
func (r *Recorder) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor.
func (r *Recorder) OnEnd(span sdk.ReadOnlySpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ended) == MaxSpans {
		r.lost++
		return
	}
	r.ended = append(r.ended, span)
}

// ForceFlush implements sdk.SpanProcessor.
func (r *Recorder) ForceFlush(ctx context.Context) error {
	_, err := r.Flush(ctx, 0)
	return err
}

// Shutdown implements sdk.SpanProcessor.
func (r *Recorder) Shutdown(ctx context.Context) error { return r.ForceFlush(ctx) }

// Flush sends what has ended since the last one, within that time; 0 is ctx's. What can't be sent
// is lost: the next invocation has spans of its own, and its own time. The error says how many.
func (r *Recorder) Flush(ctx context.Context, within time.Duration) (sent int, err error) {
	r.mu.Lock()
	spans, lost := r.ended, r.lost
	r.ended, r.lost = nil, 0
	r.mu.Unlock()
	if len(spans) == 0 && lost == 0 {
		return 0, nil
	}
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	var errs []error
	if lost > 0 {
		errs = append(errs, fmt.Errorf("otlp: %d spans are more than are kept", lost))
	}
	for len(spans) > 0 {
		request, n, err := fit(spans, r.sender.Size())
		if err == nil {
			err = r.sender.Send(ctx, request)
		}
		failed := 0
		if err != nil {
			failed = n
		}
		var rejected *RejectedError
		if errors.As(err, &rejected) {
			failed = int(min(rejected.Spans, int64(n)))
		}
		if sent += n - failed; failed > 0 {
			errs = append(errs, fmt.Errorf("otlp: %d spans: %w", failed, err))
		}
		if spans = spans[n:]; ctx.Err() != nil && len(spans) > 0 {
			errs = append(errs, fmt.Errorf("otlp: %d spans: %w", len(spans), ctx.Err()))
			break
		}
	}
	return sent, errors.Join(errs...)
}

// errTooLarge says of a span that no request takes it.
var errTooLarge = errors.New("the span is larger than a request may be")

// fit encodes as many of the first spans as a request may have: all of them, or a half, and so on.
func fit(spans []sdk.ReadOnlySpan, size int) (request []byte, n int, err error) {
	for n = len(spans); ; n = (n + 1) / 2 {
		if request = encode(spans[:n]); len(request) <= size {
			return request, n, nil
		}
		if n == 1 {
			return nil, 1, errTooLarge
		}
	}
}
