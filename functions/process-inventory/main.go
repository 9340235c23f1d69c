// process-inventory reserves and releases stock as the order saga asks it to by queue, and answers
// the run that waits.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/aws/tasktoken"
	"orderflow/shared/inbound/inventoryqueue"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/shop/stock"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db := dynamodb.NewFromConfig(config)
	inventory := wiring.Complete(inventoryqueue.Handler{
		Stock: stock.New(stock.Deps{
			Store:    dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(stock.Register)),
			Clock:    clock.System{},
			Counters: stocktable.New(db, awsenv.Env("STOCK_TABLE")),
			Lines:    stocktable.NewLines(db, awsenv.Env("STOCK_TABLE"), awsenv.Env("WAITLIST_TABLE")),
		}),
		Clock:  clock.System{},
		Tokens: tasktoken.New(sfn.NewFromConfig(config)),
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(db, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Together(func(ctx context.Context, messages []queue.Message) []error {
		return inventory.Handle(ctx, queue.Bodies(messages), queue.Trails(messages))
	}, journal))
}
