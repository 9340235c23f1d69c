// project-views keeps the views up with the commits of the events table's stream.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/journaltable"
	"orderflow/shared/aws/metrics"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/inbound/stream"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/audit"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/shop/account"
)

func main() {
	awsenv.Logger()
	config, views, now := awsenv.Config(context.Background()), catalog.Views(), clock.System{}
	db, counts, stack := dynamodb.NewFromConfig(config), metrics.New(os.Stdout, now), awsenv.Env("STACK")
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), view.Registry(views...))
	projector := view.NewProjector(store, viewtable.New(db, awsenv.Env("VIEWS_TABLE")), now, func(lag view.Lag) {
		// The alarm is on the metric of the stack, so that a further view needs none of its own.
		counts.Seconds(view.MetricLagSeconds, lag.Age, metrics.Dimensions{"Stack": stack})
		counts.Seconds(view.MetricLagSeconds, lag.Age, metrics.Dimensions{"Stack": stack, "View": lag.View})
		counts.Count(view.MetricLagEvents, lag.Events, metrics.Dimensions{"Stack": stack, "View": lag.View})
	}, views...)
	ledger := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(account.Register))
	accounts := account.States(ledger, dynamostore.NewSnapshots(db, awsenv.Env("SNAPSHOTS_TABLE")))
	marker := wiring.Complete(audit.Marker{
		Journal: journaltable.New(db, awsenv.Env("JOURNAL_TABLE")),
		Clock:   now,
		Failed: func(streams int64) {
			counts.Count(audit.MetricMarkFailures, streams, metrics.Dimensions{"Stack": stack})
		},
	})
	awsenv.Start(stream.Consumer{
		Name:        "project-views",
		Decode:      dynamostore.CommitFromImage,
		HandleBatch: marker.Seen(projector.HandleBatch),
		Needs:       projector.Needs,
		Aside:       accounts.Handle,
		AsideFailed: func() { counts.Count(stream.MetricSnapshotFailures, 1, metrics.Dimensions{"Stack": stack}) },
		DeadLetters: stream.NewQueue(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}.Run)
}
