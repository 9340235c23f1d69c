package sfntask_test

import (
	"encoding/json"
	"testing"

	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/trace/tracetest"
)

// A task of the saga goes on with the trace of its execution's input, and is named after its step.
func TestTaskHasASpan(t *testing.T) {
	of := trace.New(true)
	for task, want := range map[string]struct{ name, code string }{
		"double": {"task double", ""}, "refuse": {"task refuse", "test.too-few"}, "canary": {"task none", "task.invalid"},
	} {
		ctx, spans := tracetest.Record(t, 0)
		input, err := json.Marshal(map[string]any{"task": task, "orderId": "o-1", "n": 1})
		if err != nil {
			t.Fatal(err)
		}
		carried, err := json.Marshal(map[string]any{"task": task, "traceparent": of.String(), "orderId": "o-1"})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = router.Handle(ctx, input) // without a trace
		_, _ = router.Handle(ctx, carried)
		if len(spans.All()) != 1 || spans.Open() != 0 {
			t.Fatalf("%v", spans.Names())
		}
		s := spans.All()[0]
		if tracetest.Parent(s) != of || tracetest.Attribute(s, "orderflow.order.id") != "o-1" {
			t.Errorf("%s: below %+v, %v", task, tracetest.Parent(s), s.Attributes())
		}
		// The task's own types don't know the traceparent here, which refuses the input.
		if task == "canary" && (s.Name() != want.name || tracetest.Attribute(s, "error.type") != want.code) ||
			task != "canary" && s.Name() != want.name {
			t.Errorf("%s: %s, %v", task, s.Name(), s.Attributes())
		}
	}
}
