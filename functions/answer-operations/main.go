// answer-operations is the part of the HTTP API that shows operators what the machinery does. It
// calls nothing that writes, and its role would not let it.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"orderflow/shared/aws/alarmlist"
	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/marktable"
	"orderflow/shared/aws/sfnhistory"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/inboxtable"
	"orderflow/shared/ops/effects"
	"orderflow/shared/ops/executions"
	"orderflow/shared/ops/rebuild"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

func main() {
	log, config, now := awsenv.Logger(), awsenv.Config(context.Background()), clock.System{}
	tables := dynamodb.NewFromConfig(config)
	store := dynamostore.New(tables, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(
		order.Register, payment.Register, stock.Register, shipment.Register))
	orders := order.New(order.Deps{Store: store, Clock: now})
	awsenv.Start(httpapi.Lambda(httpapi.NewOperations(httpapi.Operations{
		Auth: httpapi.Auth{
			CustomerClaim: awsenv.Env("CUSTOMER_CLAIM"), OperatorScope: awsenv.Env("OPERATOR_SCOPE"),
			CarrierScope: awsenv.Env("CARRIER_SCOPE"), PricingScope: awsenv.Env("PRICING_SCOPE"),
			GroupsClaim: awsenv.Env("GROUPS_CLAIM"), OperatorGroup: os.Getenv("OPERATOR_GROUP"),
			CarrierGroup: os.Getenv("CARRIER_GROUP"), PricingGroup: os.Getenv("PRICING_GROUP"),
		},
		Clock: now, Log: log,
		Executions: executions.New(executions.Desk{
			Orders: orders, Runs: sfnhistory.New(sfn.NewFromConfig(config), awsenv.Env("SAGA_ARN")), Clock: now,
		}),
		Effects: effects.New(effects.Desk{
			Orders: orders, Streams: store, Inbox: inboxtable.NewReader(tables, awsenv.Env("INBOX_TABLE")),
		}),
		Views:  rebuild.Statuses{Table: viewtable.New(tables, awsenv.Env("VIEWS_TABLE")), Views: catalog.Views()},
		Audit:  marktable.New(tables, awsenv.Env("MARKS_TABLE"), now),
		Alarms: alarmlist.New(cloudwatch.NewFromConfig(config), awsenv.Env("STACK")),
	}), httpapi.Mapping{Domain: os.Getenv("API_DOMAIN"), Path: os.Getenv("API_BASE_PATH")}))
}
