// fill-backorders gives what is available again to the orders that wait for it.
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
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/backorder"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/stock"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db := dynamodb.NewFromConfig(config)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(order.Register, stock.Register))
	filler := wiring.Complete(backorder.Filler{
		Stock: stock.New(stock.Deps{
			Store: store, Clock: clock.System{}, Counters: stocktable.New(db, awsenv.Env("STOCK_TABLE")),
			Lines: stocktable.NewLines(db, awsenv.Env("STOCK_TABLE"), awsenv.Env("WAITLIST_TABLE")),
		}),
		Orders: order.New(order.Deps{Store: store, Clock: clock.System{}}),
		Tokens: tasktoken.New(sfn.NewFromConfig(config)),
		Clock:  clock.System{},
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(db, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Handler(
		func(ctx context.Context, m queue.Message) error { return filler.Handle(ctx, m.Body) }, journal,
	))
}
