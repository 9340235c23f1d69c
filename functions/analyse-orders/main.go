// analyse-orders counts orders, revenue, cancellations, what is sold, how long orders take and how
// often stock is short, by hour and day.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/analyticstable"
	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/metrics"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/read/analytics"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	tables, counts := dynamodb.NewFromConfig(config), metrics.New(os.Stdout, clock.System{})
	orders := metrics.Service("order-service", awsenv.Env("STACK"))
	analyser := wiring.Complete(analytics.Analyser{
		Table:    analyticstable.New(tables, awsenv.Env("ANALYTICS_TABLE"), awsenv.Env("ANALYTICS_GENERATION")),
		Calendar: analytics.MustCalendar(awsenv.Env("TIME_ZONE")),
		Clock:    clock.System{},
		News: analytics.News{
			Count: func(metric, reason string) { counts.Count(metric, 1, orders.With("Reason", reason)) },
			Took:  func(metric string, d time.Duration) { counts.Seconds(metric, d, orders) },
		},
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(tables, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Together(func(ctx context.Context, messages []queue.Message) []error {
		return analyser.Handle(ctx, queue.Bodies(messages))
	}, journal))
}
