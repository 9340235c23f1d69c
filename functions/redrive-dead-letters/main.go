// redrive-dead-letters sends dead letters that are due back to their consumers, and tells
// operations of those that nothing helps.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/metrics"
	"orderflow/shared/aws/redrive"
	"orderflow/shared/aws/sfnstart"
	"orderflow/shared/aws/topic"
	"orderflow/shared/inbound/schedule"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
)

func main() {
	awsenv.Logger()
	config, counts, stack := awsenv.Config(context.Background()), metrics.New(os.Stdout, clock.System{}),
		awsenv.Env("STACK")
	awsenv.Start(schedule.Handler("redrive-dead-letters", wiring.Complete(deadletter.Redriver{
		Table:     deadlettertable.New(dynamodb.NewFromConfig(config), awsenv.Env("DEAD_LETTERS_TABLE")),
		Queues:    redrive.NewQueues(sqs.NewFromConfig(config)),
		Functions: redrive.NewFunctions(redrive.NewLambda(config)),
		Runs:      sfnstart.New(sfn.NewFromConfig(config), awsenv.Env("SAGA_ARN"), clock.System{}),
		Alerts:    topic.New(sns.NewFromConfig(config), awsenv.Env("OPERATIONS_TOPIC_ARN")),
		Clock:     clock.System{},
		Policy: deadletter.ParsePolicy(
			awsenv.Env("DEAD_LETTER_MIN_AGE"), awsenv.Env("DEAD_LETTER_MAX_REDRIVES"),
			awsenv.Env("DEAD_LETTER_SPACING"),
		),
		Measure: func(metric, consumer string, value int64) {
			counts.Count(metric, value, metrics.Dimensions{"Stack": stack}.With("Consumer", consumer))
		},
	}).Run))
}
