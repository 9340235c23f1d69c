// finish-erasure makes sure for customer.erased that the customer's data key is destroyed, and deletes their sign-in.
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
	"orderflow/shared/clock"
	"orderflow/shared/customer"
	"orderflow/shared/deadletter"
	"orderflow/shared/erasure"
	"orderflow/shared/es"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	tables := dynamodb.NewFromConfig(config)
	finish := erasure.Finisher{
		Customers: customer.New(customer.Deps{
			Store:  dynamostore.New(tables, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(customer.Register)),
			Clock:  clock.System{},
			Eraser: keyvault.NewEraser(tables, awsenv.Env("KEYS_TABLE")),
		}),
		Users: userpool.New(cognitoidentityprovider.NewFromConfig(config), awsenv.Env("USER_POOL_ID")),
	}
	journal := deadletter.Journal{Table: deadlettertable.New(tables, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{}}
	lambda.Start(queue.Handler(func(ctx context.Context, m queue.Message) error { return finish.Handle(ctx, m.Body) }, journal))
}
