// finish-erasure makes sure for customer.erased that the customer's data key is destroyed, deletes their sign-in, and cancels their orders that have not left.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/adapter/awsenv"
	"orderflow/shared/adapter/deadlettertable"
	"orderflow/shared/adapter/dynamostore"
	"orderflow/shared/adapter/keyvault"
	"orderflow/shared/adapter/queue"
	"orderflow/shared/adapter/userpool"
	"orderflow/shared/adapter/viewtable"
	"orderflow/shared/clock"
	"orderflow/shared/customer"
	"orderflow/shared/deadletter"
	"orderflow/shared/erasure"
	"orderflow/shared/es"
	"orderflow/shared/order"
	"orderflow/shared/shipment"
	"orderflow/shared/view/orders"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	tables := dynamodb.NewFromConfig(config)
	store := dynamostore.New(tables, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(customer.Register, order.Register, shipment.Register))
	finish := erasure.Finisher{
		Customers: customer.New(customer.Deps{Store: store, Clock: clock.System{}, Eraser: keyvault.NewEraser(tables, awsenv.Env("KEYS_TABLE"))}),
		Users:     userpool.New(cognitoidentityprovider.NewFromConfig(config), awsenv.Env("USER_POOL_ID")),
		Lists:     orders.NewLists(viewtable.New(tables, awsenv.Env("VIEWS_TABLE")), clock.System{}),
		Orders: order.New(order.Deps{
			Store: store, Clock: clock.System{}, Shipments: shipment.New(shipment.Deps{Store: store, Clock: clock.System{}}),
		}),
		Clock: clock.System{},
	}
	journal := deadletter.Journal{Table: deadlettertable.New(tables, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{}}
	lambda.Start(queue.Handler(func(ctx context.Context, m queue.Message) error { return finish.Handle(ctx, m.Body) }, journal))
}
