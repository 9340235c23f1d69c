package queue

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/kit/trace"
	"orderflow/shared/shop/trail"
)

// minAlone is what each message of a batch should have at least where the batch as a whole has
// failed: time for a call or two, on the connection that is there by then.
const minAlone = 250 * time.Millisecond

// MaxTogether is MaxBatch for a function that takes its batches with Together. It is larger, since
// a message needs time of its own only where the batch as a whole has failed, in half of the time.
func MaxTogether(timeout time.Duration) int { return max(1, int((timeout-reserve)/2/minAlone)) }

// Together makes a function's handler for awsenv.Start of a handler for all messages of a batch at
// once, for work that is cheaper together: a row that each of them would write is written once. The
// handler returns one error for each message, in their order, nil for one that is done.
//
// It has half of the time that is left until half a second ahead of the function's deadline. Each
// message that failed in it, by whatever cause, its own, another's, the end of the time or a panic,
// is then handled once more alone, as Handler does it, in its share of the other half. So a message
// fails by itself only, and what is wrong with one brings none of the others nearer to the dead
// letters. What was done together is handled again where its error says that it failed: the handler
// has to bear a message that it was done with, as one of a queue has to anyway.
//
// The mapping's BatchSize must be no larger than MaxTogether of the function's timeout. Each
// message logs one line, and a batch that fails as a whole one more.
//
// The journal is what it is for Handler.
func Together(
	handle func(context.Context, []Message) []error, journal Journal,
) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	alone := func(ctx context.Context, m Message) error { return each(handle(ctx, []Message{m}), 1)[0] }
	return func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		open := make([]*events.SQSMessage, len(batch.Records))
		for i := range batch.Records {
			open[i] = &batch.Records[i]
		}
		if len(open) > 1 {
			open = together(ctx, open, handle, journal)
		}
		failures := []events.SQSBatchItemFailure{} // never nil, as in Handler
		for i, record := range open {
			if take(ctx, record, len(open)-i, alone, journal) {
				failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
			}
		}
		return events.SQSEventResponse{BatchItemFailures: failures}, nil
	}
}

// together runs handle on all messages and gives those that are not done.
func together(
	ctx context.Context, records []*events.SQSMessage, handle func(context.Context, []Message) []error, journal Journal,
) (open []*events.SQSMessage) {
	start, messages := time.Now(), make([]Message, len(records))
	for i, record := range records {
		messages[i] = messageOf(record)
	}
	spans := begin(ctx, records, messages)
	own, all := trace.Together(ctx, traceparents(messages), trace.Consumer, "process", queueName(records[0]))
	if all.Recorded() {
		all.Set(trace.ProcessedBatch(trace.SystemSQS, queueName(records[0]), len(messages))...)
	}
	ctx = own
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		own, cancel = context.WithDeadline(ctx, start.Add(deadline.Add(-reserve).Sub(start)/2))
		defer cancel()
	}
	var errs []error
	if err := guard(func() error { errs = each(handle(own, messages), len(messages)); return nil }); err != nil {
		slog.WarnContext(
			ctx, "batch failed, its messages are handled alone", "messages", len(messages), "error", err.Error(),
		)
		end(spans, func(int) error { return err })
		all.End(err)
		return records
	}
	for i, record := range records {
		if errs[i] == nil && journal != nil && closeEntry(own, messages[i], journal) != nil {
			errs[i] = errNotClosed
		}
		if errs[i] != nil {
			open = append(open, record)
			continue
		}
		report(trail.With(ctx, messages[i].Trail()), record, messages[i], time.Since(start), nil)
	}
	end(spans, func(i int) error { return errs[i] })
	all.End(nil)
	return open
}

// begin makes the spans of messages, each in its own trace; none where none is recorded.
func begin(ctx context.Context, records []*events.SQSMessage, messages []Message) (spans []trace.Span) {
	if !trace.On(ctx) {
		return nil
	}
	spans = make([]trace.Span, len(messages))
	for i := range messages {
		_, spans[i] = messages[i].begin(ctx, queueName(records[i]), messages[i].Trail())
	}
	return spans
}

func end(spans []trace.Span, err func(int) error) {
	for i, span := range spans {
		span.End(err(i))
	}
}

// traceparents are those that messages carry.
func traceparents(messages []Message) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range messages {
			if !yield(messages[i].Trail().Traceparent) {
				return
			}
		}
	}
}

// each makes sure of one error for each of n messages. A handler that answers for fewer or more has
// a mistake, and nobody knows which message it means.
func each(errs []error, n int) []error {
	if len(errs) != n {
		panic(fmt.Sprintf("%d errors for %d messages", len(errs), n))
	}
	return errs
}

// Trails are what messages are about, in their order.
func Trails(messages []Message) []trail.Trail {
	trails := make([]trail.Trail, len(messages))
	for i, m := range messages {
		trails[i] = m.Trail()
	}
	return trails
}

// Bodies are the bodies of messages, in their order.
func Bodies(messages []Message) [][]byte {
	bodies := make([][]byte, len(messages))
	for i, m := range messages {
		bodies[i] = m.Body
	}
	return bodies
}
