//go:build integration

// Package stock_test puts the stock service through its suite on the tables that it has on AWS:
// counters and events in one transaction.
package stock_test

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock/stocktest"
)

// TestMain makes the suite's random runs fewer than in memory: each of their steps is some requests
// here.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "20", "rapid.steps": "15"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestService(t *testing.T) {
	stocktest.Run(t, func(t *testing.T, registry *es.Registry) stocktest.Backend {
		client, table := dynamodb.NewFromConfig(awstest.Config(t)), awstest.Table(t, awstest.Key("sku:S"))
		return stocktest.Backend{
			Store:    dynamostore.New(client, awstest.Table(t, awstest.EventsTable()), registry),
			Counters: stocktable.New(client, table),
			Lines:    stocktable.NewLines(client, table, awstest.Table(t, awstest.Key("sku:S", "ticket:N"))),
			Rows:     stocktable.NewRows(client, table, clock.System{}),
			Lose: func(ctx context.Context, sku string) error {
				_, err := client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
					TableName: &table, Key: map[string]types.AttributeValue{
						"sku": &types.AttributeValueMemberS{Value: sku},
					},
				})
				return err
			},
		}
	})
}
