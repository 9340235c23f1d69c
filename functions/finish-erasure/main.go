// finish-erasure makes sure for customer.erased that the customer's data key is destroyed, deletes
// their sign-in, and cancels their orders that have not left.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/keyvault"
	"orderflow/shared/aws/userpool"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/erasure"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	tables := dynamodb.NewFromConfig(config)
	store := dynamostore.New(
		tables, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(customer.Register, order.Register, shipment.Register),
	)
	finish := wiring.Complete(erasure.Finisher{
		Customers: customer.New(customer.Deps{
			Store: store, Clock: clock.System{}, Eraser: keyvault.NewEraser(tables, awsenv.Env("KEYS_TABLE")),
		}),
		Users: userpool.New(cognitoidentityprovider.NewFromConfig(config), awsenv.Env("USER_POOL_ID")),
		Lists: orders.NewLists(viewtable.New(tables, awsenv.Env("VIEWS_TABLE")), clock.System{}),
		Orders: order.New(order.Deps{
			Store: store, Clock: clock.System{},
			Shipments: shipment.New(shipment.Deps{Store: store, Clock: clock.System{}}),
		}),
		Clock: clock.System{},
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(tables, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Handler(
		func(ctx context.Context, m queue.Message) error { return finish.Handle(ctx, m.Body) }, journal,
	))
}
