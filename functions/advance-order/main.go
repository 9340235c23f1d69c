// advance-order carries out the saga's steps on the order itself: start, reduce, confirm,
// close, cancel, fail-undo, and those with which it waits: await-approval, await-stock,
// await-payment, expire.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/tasktoken"
	"orderflow/shared/inbound/ordertask"
	"orderflow/shared/inbound/sfntask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/stock"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	registry := es.NewRegistry(order.Register, stock.Register)
	store := dynamostore.New(dynamodb.NewFromConfig(config), awsenv.Env("EVENTS_TABLE"), registry)
	tasks := ordertask.Tasks{
		Orders: order.New(order.Deps{Store: store, Clock: clock.System{}, Recent: order.NewRecent()}),
		Stock:  stock.New(stock.Deps{Store: store, Clock: clock.System{}}),
		Tokens: tasktoken.New(sfn.NewFromConfig(config)),
		Clock:  clock.System{},
	}
	awsenv.Start(sfntask.Router{
		"start":          sfntask.Task(tasks.Start),
		"await-approval": sfntask.Task(tasks.AwaitApproval),
		"await-stock":    sfntask.Task(tasks.AwaitStock),
		"await-payment":  sfntask.Task(tasks.AwaitPayment),
		"expire":         sfntask.Task(tasks.Expire),
		"reduce":         sfntask.Task(tasks.Reduce),
		"confirm":        sfntask.Task(tasks.Confirm),
		"close":          sfntask.Task(tasks.Close),
		"cancel":         sfntask.Task(tasks.FinishUndo),
		"fail-undo":      sfntask.Task(tasks.FailUndo),
	}.Handle)
}
