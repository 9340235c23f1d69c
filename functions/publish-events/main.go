// publish-events publishes the commits of the events table's stream on the bus, and with each
// commit of an order the whole order as it is after it.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/eventbus"
	"orderflow/shared/aws/journaltable"
	"orderflow/shared/aws/metrics"
	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/inbound/stream"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/audit"
	"orderflow/shared/shop/order"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	bus := eventbus.New(eventbridge.NewFromConfig(config), awsenv.Env("BUS_NAME"), clock.System{})
	counts, stack := metrics.New(os.Stdout, clock.System{}), awsenv.Env("STACK")
	db := dynamodb.NewFromConfig(config)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(order.Register))
	marker := wiring.Complete(audit.Marker{
		Journal: journaltable.New(db, awsenv.Env("JOURNAL_TABLE")),
		Clock:   clock.System{},
		Failed: func(streams int64) {
			counts.Count(audit.MetricMarkFailures, streams, metrics.Dimensions{"Stack": stack})
		},
	})
	awsenv.Start(stream.Consumer{
		Name:   "publish-events",
		Decode: dynamostore.CommitFromImage,
		HandleBatch: marker.Published(wiring.Complete(publish.Publisher{
			Registry: contract.Registry(), Bus: bus,
			Orders: publish.NewRecent(order.Decider.Repository(order.Category, store), publish.MostRecent),
			Count:  func(metric string, n int64) { counts.Count(metric, n, metrics.Service("order-service", stack)) },
		}).Commits),
		DeadLetters: stream.NewQueue(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}.Run)
}
