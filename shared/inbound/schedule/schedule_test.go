package schedule_test

import (
	"context"
	"errors"
	"testing"

	"orderflow/shared/inbound/schedule"
	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/trace/tracetest"
)

// Each run has a span of its own trace, and what it does is below it; it ends however the run does.
func TestRunsHaveSpans(t *testing.T) {
	ctx, spans := tracetest.Record(t, 100)
	broken := errors.New("canary")
	for _, want := range []error{nil, broken} {
		got, err := schedule.Handler("sweep-orders", func(ctx context.Context) (int, error) {
			_, span := trace.Inside(ctx, trace.Client, "append", "events")
			span.End(nil)
			return 7, want
		})(ctx)
		if got != 7 || !errors.Is(err, want) {
			t.Errorf("%d, %v", got, err)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = schedule.Handler("sweep-orders", func(context.Context) (int, error) { panic("canary") })(ctx)
	}()
	runs, appends := spans.Named("run sweep-orders"), spans.Named("append events")
	if len(runs) != 3 || len(appends) != 2 || spans.Open() != 0 {
		t.Fatalf("%v", spans.Names())
	}
	for i, code := range []string{"", "internal", "panic"} {
		if got := tracetest.Attribute(runs[i], "error.type"); got != code {
			t.Errorf("run %d fails by %q, want %q", i, got, code)
		}
		trigger, above := tracetest.Attribute(runs[i], "faas.trigger"), tracetest.Parent(runs[i])
		if trigger != "timer" || above != (trace.Context{}) {
			t.Errorf("run %d is triggered by %q, below %v", i, trigger, above)
		}
	}
	first, second := tracetest.Of(runs[0]), tracetest.Of(runs[1])
	if tracetest.Parent(appends[0]) != first || first.TraceID == second.TraceID {
		t.Error("the runs are not a trace each, with what they do")
	}
}
