// accept-commands is the command side of the HTTP API: it decides and appends. What follows from a
// command happens elsewhere.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/keyvault"
	"orderflow/shared/aws/producttable"
	"orderflow/shared/aws/quotatable"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/quota"
	"orderflow/shared/shop/refund"
	"orderflow/shared/shop/request"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

func main() {
	log, config, now := awsenv.Logger(), awsenv.Config(context.Background()), clock.System{}
	tables := dynamodb.NewFromConfig(config)
	store := dynamostore.New(tables, awsenv.Env("EVENTS_TABLE"), es.NewRegistry(
		order.Register, customer.Register, account.Register, stock.Register, shipment.Register, product.Register,
		request.Register, payment.Register, refund.Register))
	vault := keyvault.New(tables, kms.NewFromConfig(config), awsenv.Env("KEYS_TABLE"), awsenv.Env("KEY_ID"))
	snaps, index := dynamostore.NewSnapshots(tables, awsenv.Env("SNAPSHOTS_TABLE")), vault.Addresses(tables)
	customers := customer.New(customer.Deps{Store: store, Clock: now, Vault: vault, Eraser: vault, Addresses: index})
	counters, rows := stocktable.New(tables, awsenv.Env("STOCK_TABLE")),
		producttable.New(tables, awsenv.Env("PRODUCTS_TABLE"), now)
	stocks := stock.New(stock.Deps{Store: store, Clock: now, Counters: counters})
	products := product.New(product.Deps{Store: store, Clock: now, Rows: rows})
	shipments := shipment.New(shipment.Deps{
		Store: store, Clock: now, Vault: vault, Books: stocks, Serves: shipment.Served(awsenv.Env("SERVED_COUNTRIES")),
	})
	perHour, quotas := quota.MustParse(awsenv.Env("CUSTOMER_QUOTA_PER_HOUR")), awsenv.Env("QUOTAS_TABLE")
	accounts := account.New(account.Deps{Store: store, Clock: now, Customers: customers, Snapshots: snaps, Mends: true})
	payments := payment.New(payment.Deps{Store: store, Clock: now, Snapshots: snaps, Mends: true})
	awsenv.Start(httpapi.Lambda(httpapi.NewCommands(httpapi.Commands{
		Auth: httpapi.Auth{
			CustomerClaim: awsenv.Env("CUSTOMER_CLAIM"), OperatorScope: awsenv.Env("OPERATOR_SCOPE"),
			CarrierScope: awsenv.Env("CARRIER_SCOPE"), PricingScope: awsenv.Env("PRICING_SCOPE"),
			GroupsClaim: awsenv.Env("GROUPS_CLAIM"), OperatorGroup: os.Getenv("OPERATOR_GROUP"),
			CarrierGroup: os.Getenv("CARRIER_GROUP"), PricingGroup: os.Getenv("PRICING_GROUP"),
		},
		Clock: now, Log: log, Orders: order.New(order.Deps{
			Store: store, Clock: now, Vault: vault, Customers: customers, Prices: products, Shipments: shipments,
			Reservations: stocks, Payments: payments, Accounts: accounts,
			HoldRules: order.MustParseHoldRules(
				os.Getenv("HOLD_AMOUNTS"), os.Getenv("HOLD_COUNTRIES"), os.Getenv("HOLD_FIRST_ORDERS")),
			Confirmations: orders.NewLists(viewtable.New(tables, awsenv.Env("VIEWS_TABLE")), now),
		}),
		Customers: customers, Accounts: accounts, Stock: stocks, Products: products, Shipments: shipments,
		Refunds:     refund.New(refund.Deps{Store: store, Clock: now, Vault: vault, Payments: payments}),
		DeadLetters: deadletter.Desk{Table: deadlettertable.New(tables, awsenv.Env("DEAD_LETTERS_TABLE")), Clock: now},
		Quota:       quota.New(quota.Deps{Counter: quotatable.New(tables, quotas), Clock: now, PerHour: perHour}),
	}), httpapi.Mapping{Domain: os.Getenv("API_DOMAIN"), Path: os.Getenv("API_BASE_PATH")}))
}
