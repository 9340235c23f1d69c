package queue

import (
	"context"
	"sync"

	"github.com/aws/aws-lambda-go/events"
)

// MaxSideBySide is MaxBatch for a function that takes its batches with SideBySide: each message has
// a connection of its own and its own place in memory.
const MaxSideBySide = 10

// SideBySide is Handler for a handler that waits for others more than it works: the messages of a
// batch are taken all at once, and each has the time of the whole batch as its share. The handler
// has to be safe for concurrent use. Messages that exclude each other, such as two with one event,
// may fail for it and come again.
//
// The mapping's BatchSize must be no larger than MaxSideBySide.
func SideBySide(
	handle func(context.Context, Message) error, journal Journal,
) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		again := make([]bool, len(batch.Records))
		var all sync.WaitGroup
		for i := range batch.Records {
			all.Go(func() { again[i] = take(ctx, &batch.Records[i], 1, handle, journal) })
		}
		all.Wait()
		failures := []events.SQSBatchItemFailure{} // never nil, as in Handler
		for i := range batch.Records {
			if again[i] {
				failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: batch.Records[i].MessageId})
			}
		}
		return events.SQSEventResponse{BatchItemFailures: failures}, nil
	}
}
