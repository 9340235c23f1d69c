// follow-mails follows what becomes of mails: an address that takes none, or whose owner calls them
// spam, gets no more of them.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/inbound/mailfeedback"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/shop/customer"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db := dynamodb.NewFromConfig(config)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(customer.Register))
	reports := wiring.Complete(mailfeedback.Handler{
		Customers: customer.New(customer.Deps{Store: store, Clock: clock.System{}}), Clock: clock.System{},
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(db, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Handler(queue.LiveOnly(
		func(ctx context.Context, m queue.Message) error { return reports.Handle(ctx, m.Body) },
	), journal))
}
