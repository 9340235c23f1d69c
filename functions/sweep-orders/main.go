// sweep-orders finds orders that stand still and takes them on.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/metrics"
	"orderflow/shared/aws/sfnstart"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/aws/sweeptable"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/inbound/schedule"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/process/sweep"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

func main() {
	awsenv.Logger()
	config := awsenv.Config(context.Background())
	db, counts, stack := dynamodb.NewFromConfig(config), metrics.New(os.Stdout, clock.System{}), awsenv.Env("STACK")
	registry := es.NewRegistry(customer.Register, order.Register, shipment.Register, stock.Register)
	store := dynamostore.New(db, awsenv.Env("EVENTS_TABLE"), registry)
	shipments := shipment.New(shipment.Deps{Store: store, Clock: clock.System{}})
	awsenv.Start(schedule.Handler("sweep-orders", wiring.Complete(sweep.Sweeper{
		Rows:      orders.NewLists(viewtable.New(db, awsenv.Env("VIEWS_TABLE")), clock.System{}),
		Orders:    order.New(order.Deps{Store: store, Clock: clock.System{}, Shipments: shipments}),
		Shipments: shipments,
		Customers: customer.New(customer.Deps{Store: store, Clock: clock.System{}}),
		Stock: stock.New(stock.Deps{
			Store: store, Clock: clock.System{}, Counters: stocktable.New(db, awsenv.Env("STOCK_TABLE")),
		}),
		Rounds: sweeptable.New(db, awsenv.Env("MARKS_TABLE")),
		Runs:   sfnstart.New(sfn.NewFromConfig(config), awsenv.Env("SAGA_ARN"), clock.System{}),
		Clock:  clock.System{},
		Budget: sweep.Budget(awsenv.Env("ORDER_BUDGET_SECONDS")),
		Count:  func(metric string, orders int64) { counts.Count(metric, orders, metrics.Dimensions{"Stack": stack}) },
	}).Sweep))
}
