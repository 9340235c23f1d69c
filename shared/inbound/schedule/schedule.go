// Package schedule takes what a clock begins: a function that looks for work by itself.
package schedule

import (
	"context"

	"orderflow/shared/kit/trace"
)

// Handler makes a function's handler for awsenv.Start of what its schedule runs. Each run has a
// span, which begins a trace: it follows from nothing. What a run does about an order or a message
// is linked to that one's trace.
func Handler[Summary any](
	name string, work func(context.Context) (Summary, error),
) func(context.Context) (Summary, error) {
	return func(ctx context.Context) (Summary, error) {
		ctx, span, _ := trace.Begin(ctx, trace.Context{}, "run "+name)
		defer span.Close()
		span.Set(trace.Timer())
		summary, err := work(ctx)
		span.End(err)
		return summary, err
	}
}
