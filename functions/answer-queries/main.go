// answer-queries is the query side of the HTTP API. It calls nothing that writes, and its role
// would not let it.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"orderflow/shared/aws/analyticstable"
	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/keyvault"
	"orderflow/shared/aws/producttable"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

func main() {
	log, config, now := awsenv.Logger(), awsenv.Config(context.Background()), clock.System{}
	tables := dynamodb.NewFromConfig(config)
	store := dynamostore.New(tables, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(
		order.Register, customer.Register, account.Register, stock.Register, shipment.Register, product.Register))
	vault := keyvault.New(tables, kms.NewFromConfig(config), awsenv.Env("KEYS_TABLE"), awsenv.Env("KEY_ID"))
	views := viewtable.New(tables, awsenv.Env("VIEWS_TABLE"))
	statistics := customers.NewStatistics(views, now)
	awsenv.Start(httpapi.Lambda(httpapi.NewQueries(httpapi.Queries{
		Auth: httpapi.Auth{
			CustomerClaim: awsenv.Env("CUSTOMER_CLAIM"), OperatorScope: awsenv.Env("OPERATOR_SCOPE"),
			CarrierScope: awsenv.Env("CARRIER_SCOPE"), PricingScope: awsenv.Env("PRICING_SCOPE"),
			GroupsClaim: awsenv.Env("GROUPS_CLAIM"), OperatorGroup: os.Getenv("OPERATOR_GROUP"),
			CarrierGroup: os.Getenv("CARRIER_GROUP"), PricingGroup: os.Getenv("PRICING_GROUP"),
		},
		Clock: now, Log: log,
		Orders: order.New(order.Deps{Store: store, Clock: now, Vault: vault}),
		Customers: customer.New(customer.Deps{
			Store: store, Clock: now, Vault: vault, Addresses: vault.Addresses(tables),
		}),
		Accounts: account.New(account.Deps{
			Store: store, Clock: now, Snapshots: dynamostore.NewSnapshots(tables, awsenv.Env("SNAPSHOTS_TABLE")),
		}),
		Stock: stock.New(stock.Deps{
			Store: store, Clock: now, Counters: stocktable.New(tables, awsenv.Env("STOCK_TABLE")),
			Lines: stocktable.NewLines(tables, awsenv.Env("STOCK_TABLE"), awsenv.Env("WAITLIST_TABLE")),
		}),
		Products: product.New(product.Deps{
			Store: store, Clock: now, Rows: producttable.New(tables, awsenv.Env("PRODUCTS_TABLE"), now),
		}),
		Shipments: shipment.New(shipment.Deps{Store: store, Clock: now, Vault: vault}),
		Lists:     orders.NewLists(views, now), AllOrders: allorders.NewLists(views, now),
		Statistics: statistics, Everybody: statistics,
		Figures: analytics.NewReports(
			analyticstable.New(tables, awsenv.Env("ANALYTICS_TABLE"), awsenv.Env("ANALYTICS_GENERATION")),
			awsenv.Env("TIME_ZONE"),
		),
		DeadLetters: deadletter.Desk{Table: deadlettertable.New(tables, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: now},
	}), httpapi.Mapping{Domain: os.Getenv("API_DOMAIN"), Path: os.Getenv("API_BASE_PATH")}))
}
