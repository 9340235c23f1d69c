// analyse-orders counts orders, revenue, cancellations and what is sold, by hour and day.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/analyticstable"
	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/read/analytics"
)

func main() {
	awsenv.Logger()
	tables := dynamodb.NewFromConfig(awsenv.Config(context.Background()))
	analyser := wiring.Complete(analytics.Analyser{
		Table:    analyticstable.New(tables, awsenv.Env("ANALYTICS_TABLE"), awsenv.Env("ANALYTICS_GENERATION")),
		Calendar: analytics.MustCalendar(awsenv.Env("TIME_ZONE")),
		Clock:    clock.System{},
	})
	awsenv.Start(queue.Together(func(ctx context.Context, messages []queue.Message) []error {
		return analyser.Handle(ctx, queue.Bodies(messages))
	}, deadletter.Journal{Table: deadlettertable.New(tables, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{}}))
}
