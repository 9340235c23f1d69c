// Package sfntask runs the tasks of a Step Functions state machine in a Lambda function.
//
// A Catch and a Retry see only the name of an error, and aws-lambda-go names an error after its
// outermost Go type: after a %w that is "wrapError". So every task answers through this package,
// which finds the fault in the chain and gives its code as the name.
package sfntask

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/trace"
	"orderflow/shared/shop/trail"
)

// The names that a task's error has where no fault of the business gives it one.
var (
	// ErrInvalid: the input can't be understood. It is the state machine's mistake, and trying
	// again can't mend it.
	ErrInvalid = faults.Declare(faults.Invalid, "task.invalid")
	// ErrInternal: anything that is no fault. It may pass if it is tried again. Its text is in the
	// log and nowhere else.
	ErrInternal = faults.Declare(faults.Unavailable, "internal")
)

// Handler runs one kind of task on its input, which no longer holds the field "task".
type Handler func(ctx context.Context, input json.RawMessage) (any, error)

// Router holds the tasks of one function by the name that the input's field "task" gives.
type Router map[string]Handler

// Task makes a Handler of a typed function. The input is decoded strictly: a field that In lacks,
// or anything that does not fit it, is ErrInvalid, and so is what In.Validate (a method `Validate()
// error`, where In has one) refuses.
func Task[In, Out any](f func(context.Context, In) (Out, error)) Handler {
	return func(ctx context.Context, input json.RawMessage) (any, error) {
		var in In
		d := json.NewDecoder(bytes.NewReader(input))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, ErrInvalid.New("%s", err)
		}
		if v, ok := any(in).(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return nil, ErrInvalid.New("%s", err)
			}
		}
		return f(ctx, in)
	}
}

// Handle is the function's handler for awsenv.Start. Its error is always a
// messages.InvokeResponse_Error by value, the only form whose Type aws-lambda-go sends as it
// stands: the fault's code, or "internal". A panic is left alone: it stays a crash, and the
// environment is replaced. Each invocation logs one line. Its context says what the input is about
// (trail.OfMessage).
func (r Router) Handle(ctx context.Context, input json.RawMessage) (any, error) {
	start := time.Now()
	about := trail.OfMessage(input)
	ctx, span := trace.Continue(trail.With(ctx, about), about.Traceparent, trace.Server, "task", "none")
	defer span.Close()
	attrs := make([]slog.Attr, 0, 8)
	out, err := r.run(ctx, input, &attrs)
	if span.Recorded() {
		span.Set(trace.About(about.Subject, about.OrderID, about.CorrelationID)...)
	}
	span.End(err)
	attrs = append(attrs, slog.Int64("ms", time.Since(start).Milliseconds()))
	if err == nil {
		slog.LogAttrs(ctx, slog.LevelInfo, "task done", attrs...)
		return out, nil
	}
	attrs = append(attrs, slog.String("error", err.Error()))
	if fault, ok := faults.As(err); ok {
		slog.LogAttrs(ctx, slog.LevelWarn, "task refused", append(attrs, slog.String("code", fault.Code))...)
		return nil, messages.InvokeResponse_Error{Type: fault.Code, Message: fault.Detail}
	}
	slog.LogAttrs(ctx, slog.LevelError, "task failed", attrs...)
	return nil, messages.InvokeResponse_Error{Type: ErrInternal.Code(), Message: "the log tells more"}
}

// run finds the task and runs it. It notes in attrs what the log line should tell of the input.
func (r Router) run(ctx context.Context, input json.RawMessage, attrs *[]slog.Attr) (any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(input, &fields); err != nil {
		return nil, ErrInvalid.New("%s", err)
	}
	for _, name := range []string{"task", "sagaId"} {
		var value string
		if json.Unmarshal(fields[name], &value) == nil {
			*attrs = append(*attrs, slog.String(name, value))
		}
	}
	var task string
	if err := json.Unmarshal(fields["task"], &task); err != nil {
		return nil, ErrInvalid.New("the input has no task")
	}
	handler, ok := r[task]
	if !ok {
		return nil, ErrInvalid.New("there is no task %q", task)
	}
	trace.Current(ctx).Call("task", task)
	delete(fields, "task")
	rest, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("sfntask: encode the input of %s: %w", task, err)
	}
	return handler(ctx, rest)
}
