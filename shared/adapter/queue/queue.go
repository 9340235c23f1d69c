// Package queue takes messages from an SQS queue in a Lambda function. Its mapping must have ReportBatchItemFailures.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/faults"
)

const (
	// minimum is the time that each message but the first is given at least: none is begun with less.
	minimum = 2 * time.Second
	// reserve is kept back from the last message, so that the answer for the whole batch still gets out. A function that times out
	// answers nothing, and then the messages that are done come again too.
	reserve = 500 * time.Millisecond
)

// errNoTime is why a message was not begun.
var errNoTime = errors.New("queue: too little time is left to begin")

// Message is one message as it was received.
type Message struct {
	ID           string
	Body         []byte
	ReceiveCount int // how often the queue has handed it out, this time included; 0 where the queue did not say
}

// Handler makes a function's handler for lambda.Start of a handler for one message. The messages of a batch are taken one after the other. One whose
// handler returns an error comes again, and after the queue's maxReceiveCount ends in its dead-letter queue; the others of the batch are done.
//
// The messages' context ends half a second ahead of the function's deadline. With less than two seconds left to it no message but the first is begun: the
// rest of the batch comes again. A panic is left alone: the whole batch comes again, to another environment. Each message logs one line.
func Handler(handle func(context.Context, Message) error) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
			defer cancel()
		}
		// Never nil: an answer of null is read by some as a failure of the whole batch.
		failures := []events.SQSBatchItemFailure{}
		for i := range batch.Records {
			if take(ctx, &batch.Records[i], i == 0, handle) != nil {
				failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: batch.Records[i].MessageId})
			}
		}
		return events.SQSEventResponse{BatchItemFailures: failures}, nil
	}
}

// take runs handle on one message and logs what came of it. The first of a batch is begun in any case, so that no queue stands still.
func take(ctx context.Context, record *events.SQSMessage, first bool, handle func(context.Context, Message) error) error {
	start := time.Now()
	m := Message{ID: record.MessageId, Body: []byte(record.Body)}
	if n, err := strconv.Atoi(record.Attributes["ApproximateReceiveCount"]); err == nil {
		m.ReceiveCount = n
	}
	err := errNoTime
	if first || enough(ctx) {
		err = handle(ctx, m)
	}
	attrs := []slog.Attr{
		slog.String("queue", record.EventSourceARN[strings.LastIndexByte(record.EventSourceARN, ':')+1:]),
		slog.String("messageId", m.ID), slog.Int("receiveCount", m.ReceiveCount), slog.Int64("ms", time.Since(start).Milliseconds()),
	}
	if err == nil {
		slog.LogAttrs(ctx, slog.LevelInfo, "message done", attrs...)
		return nil
	}
	attrs = append(attrs, slog.String("error", err.Error()))
	if fault, ok := faults.As(err); ok {
		attrs = append(attrs, slog.String("code", fault.Code))
	}
	slog.LogAttrs(ctx, slog.LevelError, "message failed", attrs...)
	return err
}

// enough reports whether a message may be begun.
func enough(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) >= minimum-reserve)
}
