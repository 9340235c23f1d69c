// audit-events publishes what was stored and never published, and tries whether the bus delivers.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/auditqueue"
	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/eventbus"
	"orderflow/shared/aws/journaltable"
	"orderflow/shared/aws/marktable"
	"orderflow/shared/aws/metrics"
	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/inbound/schedule"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/audit"
	"orderflow/shared/shop/order"
)

func main() {
	awsenv.Logger()
	config, now := awsenv.Config(context.Background()), clock.System{}
	db, counts, dimensions := dynamodb.NewFromConfig(config), metrics.New(os.Stdout, now),
		metrics.Dimensions{"Stack": awsenv.Env("STACK")}
	marks := marktable.New(db, awsenv.Env("MARKS_TABLE"), now)
	bus := eventbus.New(eventbridge.NewFromConfig(config), awsenv.Env("BUS_NAME"), now)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), contract.Registry())
	awsenv.Start(schedule.Handler("audit-events", wiring.Complete(audit.Auditor{
		Journal: journaltable.New(db, awsenv.Env("JOURNAL_TABLE")),
		Earlier: marks,
		States:  marks,
		Commits: store,
		Publish: wiring.Complete(publish.Publisher{
			Registry: contract.Registry(), Orders: order.Decider.Repository(order.Category, store), Bus: bus,
		}).Commits,
		Bus:     bus,
		Sample:  auditqueue.New(sqs.NewFromConfig(config), awsenv.Env("AUDIT_QUEUE_URL")),
		Clock:   now,
		Settle:  audit.Settle(awsenv.Env("SETTLE_SECONDS")),
		Count:   func(metric string, n int64) { counts.Count(metric, n, dimensions) },
		Latency: func(metric string, d time.Duration) { counts.Seconds(metric, d, dimensions) },
	}).Audit))
}
