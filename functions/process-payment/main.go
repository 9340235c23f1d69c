// process-payment carries out the saga's steps on payments: charge, refund.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/inbound/paymenttask"
	"orderflow/shared/inbound/sfntask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/payment"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db, now := dynamodb.NewFromConfig(config), clock.System{}
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(payment.Register, account.Register))
	snapshots := dynamostore.NewSnapshots(db, awsenv.Env("SNAPSHOTS_TABLE"))
	tasks := paymenttask.Tasks{
		Payments: payment.New(payment.Deps{Store: store, Clock: now, Snapshots: snapshots, Mends: true}), Clock: now,
	}
	awsenv.Start(sfntask.Router{
		"charge": sfntask.Task(tasks.Charge),
		"refund": sfntask.Task(tasks.Refund),
	}.Handle)
}
