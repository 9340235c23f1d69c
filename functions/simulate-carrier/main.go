// simulate-carrier stands in for a carrier who comes at once and delivers at once, where the stack
// has none.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/keyvault"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/choreography"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db := dynamodb.NewFromConfig(config)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(shipment.Register, stock.Register))
	vault := keyvault.New(db, kms.NewFromConfig(config), awsenv.Env("KEYS_TABLE"), awsenv.Env("KEY_ID"))
	carrier := wiring.Complete(choreography.Carrier{
		Shipments: shipment.New(shipment.Deps{
			Store: store, Clock: clock.System{}, Vault: vault,
			Books: stock.New(stock.Deps{
				Store: store, Clock: clock.System{}, Counters: stocktable.New(db, awsenv.Env("STOCK_TABLE")),
			}),
		}),
		Clock: clock.System{},
	})
	journal := deadletter.Journal{
		Table: deadlettertable.New(db, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: clock.System{},
		DeadLetters: deadletterqueue.New(sqs.NewFromConfig(config), awsenv.Env("DEAD_LETTER_QUEUE_URL")),
	}
	awsenv.Start(queue.Handler(
		func(ctx context.Context, m queue.Message) error { return carrier.Handle(ctx, m.Body) }, journal,
	))
}
