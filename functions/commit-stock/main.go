// commit-stock closes the reservation of an order that has left the warehouse, where the dispatch
// has not.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/choreography"
	"orderflow/shared/shop/stock"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db := dynamodb.NewFromConfig(config)
	committer := wiring.Complete(choreography.Committer{
		Stock: stock.New(stock.Deps{
			Store:    dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(stock.Register)),
			Clock:    clock.System{},
			Counters: stocktable.New(db, awsenv.Env("STOCK_TABLE")),
		}),
		Clock: clock.System{},
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(db, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Handler(
		func(ctx context.Context, m queue.Message) error { return committer.Handle(ctx, m.Body) }, journal,
	))
}
