// start-saga starts the saga's runs for order.placed and order.cancelling.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"orderflow/shared/adapter/awsenv"
	"orderflow/shared/adapter/queue"
	"orderflow/shared/adapter/sfnstart"
	"orderflow/shared/clock"
	"orderflow/shared/saga/starter"
)

func main() {
	awsenv.Logger()
	machine := sfnstart.New(sfn.NewFromConfig(awsenv.Config(context.Background())), awsenv.Env("SAGA_ARN"), clock.System{})
	start := starter.Starter{Runs: machine}
	lambda.Start(queue.Handler(func(ctx context.Context, m queue.Message) error { return start.Handle(ctx, m.Body) }))
}
