// schedule-shipment carries out the saga's steps on shipments: schedule, cancel.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/keyvault"
	"orderflow/shared/inbound/sfntask"
	"orderflow/shared/inbound/shipmenttask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/shipment"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db := dynamodb.NewFromConfig(config)
	tasks := shipmenttask.Tasks{
		Shipments: shipment.New(shipment.Deps{
			Store:  dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(shipment.Register)),
			Clock:  clock.System{},
			Vault:  keyvault.New(db, kms.NewFromConfig(config), awsenv.Env("KEYS_TABLE"), awsenv.Env("KEY_ID")),
			Serves: shipment.Served(awsenv.Env("SERVED_COUNTRIES")),
		}),
		Clock: clock.System{},
	}
	awsenv.Start(sfntask.Router{
		"schedule": sfntask.Task(tasks.Schedule),
		"cancel":   sfntask.Task(tasks.Cancel),
	}.Handle)
}
