// start-saga starts the saga's runs for order.placed and order.cancelling, and wakes those that
// wait.
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
	"orderflow/shared/aws/tasktoken"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/starter"
	"orderflow/shared/shop/order"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db, machine := dynamodb.NewFromConfig(config), sfn.NewFromConfig(config)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(order.Register))
	start := wiring.Complete(starter.Starter{
		Runs:   sfnstart.New(machine, awsenv.Env("SAGA_ARN"), clock.System{}),
		Orders: order.New(order.Deps{Store: store, Clock: clock.System{}}),
		Tokens: tasktoken.New(machine),
	})
	journal := deadletter.Journal{
		Table:       deadlettertable.New(db, awsenv.Env("DEAD_LETTERS_TABLE")),
		Clock:       clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Handler(
		func(ctx context.Context, m queue.Message) error { return start.Handle(ctx, m.Body) }, journal,
	))
}
