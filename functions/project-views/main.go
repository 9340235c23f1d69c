// project-views keeps the views up with the commits of the events table's stream.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/adapter/awsenv"
	"orderflow/shared/adapter/dynamostore"
	"orderflow/shared/adapter/stream"
	"orderflow/shared/adapter/viewtable"
	"orderflow/shared/clock"
	"orderflow/shared/customer"
	"orderflow/shared/es"
	"orderflow/shared/order"
	"orderflow/shared/view"
	"orderflow/shared/view/customers"
	"orderflow/shared/view/orders"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db, views, registry := dynamodb.NewFromConfig(config), awsenv.Env("VIEWS_TABLE"), es.NewRegistry(order.Register, customer.Register)
	projector := view.New(dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), registry), registry, clock.System{},
		view.Of[orders.Row](order.Category, orders.Evolve, viewtable.NewOrders(db, views)),
		view.Of[customers.Profile](customer.Category, customers.EvolveProfile, viewtable.NewCustomers(db, views)),
	)
	lambda.Start(stream.Consumer{
		Name:        "project-views",
		Decode:      dynamostore.CommitFromImage,
		Handle:      projector.Handle,
		DeadLetters: stream.NewQueue(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}.Run)
}
