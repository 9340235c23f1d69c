// record-dead-letters takes what lies in the queues of dead letters into the table of dead letters.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
)

func main() {
	awsenv.Logger()
	recorder := wiring.Complete(deadletter.Recorder{
		Table: deadlettertable.New(
			dynamodb.NewFromConfig(awsenv.Config(context.Background())), awsenv.Env("DEAD_LETTERS_TABLE"),
		),
		Records: dynamostore.Records{},
		Clock:   clock.System{},
		Policy: deadletter.ParsePolicy(
			awsenv.Env("DEAD_LETTER_MIN_AGE"), awsenv.Env("DEAD_LETTER_MAX_REDRIVES"),
			awsenv.Env("DEAD_LETTER_SPACING"),
		),
		Stack: awsenv.Env("STACK"),
	})
	// Its own failures have no journal and no further queue: the letter stays where it is, and
	// comes again.
	awsenv.Start(queue.Handler(
		func(ctx context.Context, m queue.Message) error { return recorder.Record(ctx, m.Letter()) }, nil,
	))
}
