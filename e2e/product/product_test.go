//go:build integration

// Package product_test puts the product service through its suite on the tables that it has on AWS:
// rows and events in one transaction.
package product_test

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/producttable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/product/producttest"
)

// TestMain makes the suite's random runs fewer than in memory: each of their steps is some requests
// here.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// table is the key schema of template.yaml's ProductsTable.
func table() *dynamodb.CreateTableInput {
	input := awstest.Key("sku:S")
	input.AttributeDefinitions = append(input.AttributeDefinitions, types.AttributeDefinition{
		AttributeName: aws.String("status"), AttributeType: types.ScalarAttributeTypeS,
	})
	input.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{
		{
			IndexName: aws.String(
				producttable.IndexByStatus,
			),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
			KeySchema: []types.KeySchemaElement{
				{
					AttributeName: aws.String("status"),
					KeyType:       types.KeyTypeHash,
				},
				{AttributeName: aws.String("sku"), KeyType: types.KeyTypeRange},
			},
		},
	}
	return input
}

func TestService(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		client := dynamodb.NewFromConfig(config)
		producttest.Run(t, func(t *testing.T, registry *es.Registry) producttest.Backend {
			return producttest.Backend{
				Store: dynamostore.New(client, awstest.TableIn(t, config, awstest.EventsTable()), registry),
				Rows:  producttable.New(client, awstest.TableIn(t, config, table()), clock.System{}),
			}
		})
	})
}

// counting counts the requests of each operation.
type counting struct {
	*dynamodb.Client
	made map[string]int
}

func (c counting) BatchGetItem(
	ctx context.Context,
	in *dynamodb.BatchGetItemInput,
	o ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	c.made["BatchGetItem"]++
	return c.Client.BatchGetItem(ctx, in, o...)
}

func (c counting) GetItem(
	ctx context.Context,
	in *dynamodb.GetItemInput,
	o ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	c.made["GetItem"]++
	return c.Client.GetItem(ctx, in, o...)
}

func (c counting) Query(
	ctx context.Context,
	in *dynamodb.QueryInput,
	o ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	c.made["Query"]++
	return c.Client.Query(ctx, in, o...)
}

func (c counting) TransactWriteItems(
	ctx context.Context,
	in *dynamodb.TransactWriteItemsInput,
	o ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	c.made["TransactWriteItems"]++
	return c.Client.TransactWriteItems(ctx, in, o...)
}

// TestRequests: what each operation costs, whatever happened to the product before.
func TestRequests(t *testing.T) {
	client := counting{Client: dynamodb.NewFromConfig(awstest.Config(t)), made: map[string]int{}}
	service := product.New(product.Deps{
		Store: dynamostore.New(
			client,
			awstest.Table(t, awstest.EventsTable()),
			es.NewRegistry(product.Register),
		),
		Clock: clock.System{},
		Rows:  producttable.New(client, awstest.Table(t, table()), clock.System{}),
	})
	set := func(sku string, version int64, id string) func() error {
		return func() error {
			price := product.Price{Money: money.Money{Amount: version, Currency: "EUR"}}
			_, err := service.Set(
				t.Context(),
				es.Request{CommitID: id, Time: estest.Start},
				sku,
				product.Desired{Prices: []product.Price{price}},
				product.Match{Version: version},
			)
			return err
		}
	}
	for version := range int64(5) {
		if err := set("cd-0", version, strings.Repeat("x", int(version)+1))(); err != nil {
			t.Fatal(err)
		}
	}
	skus := make([]string, 40)
	for i := range skus {
		skus[i] = "cd-" + strings.Repeat("0", i+1)
	}
	for name, tc := range map[string]struct {
		do   func() error
		want map[string]int
	}{
		"list":    {set("cd-1", 0, "first"), map[string]int{"TransactWriteItems": 1}},
		"reprice": {set("cd-0", 5, "sixth"), map[string]int{"GetItem": 1, "Query": 1, "TransactWriteItems": 1}},
		"read": {
			func() error { _, err := service.Get(t.Context(), "cd-0"); return err }, map[string]int{"GetItem": 1},
		},
		"a page": {
			func() error { _, err := service.List(t.Context(), false, "", 100); return err },
			map[string]int{"Query": 1},
		},
		"offers": {
			func() error { _, err := service.Offers(t.Context(), skus, estest.Start); return err },
			map[string]int{"BatchGetItem": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			clear(client.made)
			if err := tc.do(); err != nil {
				t.Fatal(err)
			}
			for _, operation := range []string{"BatchGetItem", "GetItem", "Query", "TransactWriteItems"} {
				if client.made[operation] != tc.want[operation] {
					t.Errorf("%d requests %s, want %d", client.made[operation], operation, tc.want[operation])
				}
			}
		})
	}
}
