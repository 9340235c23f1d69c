// advance-order carries out the saga's steps on the order itself: start, confirm, close, cancel,
// fail-undo.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/inbound/ordertask"
	"orderflow/shared/inbound/sfntask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	store := dynamostore.New(dynamodb.NewFromConfig(config), awsenv.Env("EVENTS_TABLE"), es.NewRegistry(order.Register))
	tasks := ordertask.Tasks{
		Orders: order.New(order.Deps{Store: store, Clock: clock.System{}, Recent: order.NewRecent()}),
		Clock:  clock.System{},
	}
	awsenv.Start(sfntask.Router{
		"start":     sfntask.Task(tasks.Start),
		"confirm":   sfntask.Task(tasks.Confirm),
		"close":     sfntask.Task(tasks.Close),
		"cancel":    sfntask.Task(tasks.FinishUndo),
		"fail-undo": sfntask.Task(tasks.FailUndo),
	}.Handle)
}
