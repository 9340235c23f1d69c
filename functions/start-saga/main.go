// start-saga starts the saga's runs for order.placed and order.cancelling.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/sfnstart"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/starter"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	start := wiring.Complete(starter.Starter{
		Runs: sfnstart.New(sfn.NewFromConfig(config), awsenv.Env("SAGA_ARN"), clock.System{}),
	})
	journal := deadletter.Journal{
		Table:       deadlettertable.New(dynamodb.NewFromConfig(config), awsenv.Env("DEAD_LETTERS_TABLE")),
		Clock:       clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Handler(
		func(ctx context.Context, m queue.Message) error { return start.Handle(ctx, m.Body) }, journal,
	))
}
