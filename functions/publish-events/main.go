// publish-events publishes the commits of the events table's stream on the bus.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/adapter/awsenv"
	"orderflow/shared/adapter/dynamostore"
	"orderflow/shared/adapter/eventbus"
	"orderflow/shared/adapter/stream"
	"orderflow/shared/clock"
	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	bus := eventbus.New(eventbridge.NewFromConfig(config), awsenv.Env("BUS_NAME"), clock.System{})
	lambda.Start(stream.Consumer{
		Name:        "publish-events",
		Decode:      dynamostore.CommitFromImage,
		HandleBatch: publish.Publisher{Registry: contract.Registry(), Bus: bus}.Commits,
		DeadLetters: stream.NewQueue(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}.Run)
}
