//go:build integration

package analyticstable_test

import (
	"context"
	"flag"
	"os"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/analyticstable"
	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
)

// TestMain draws fewer examples than a test in memory: each costs some hundred requests.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "15"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestDynamoDB(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		client := dynamodb.NewFromConfig(config)
		api, table := &contended{API: client}, awstest.TableIn(t, config, analyticsTable())
		analyticstest.Run(t,
			func() analytics.Table { return analyticstable.New(client, table, ident.New()) },
			func() analytics.Table { return analyticstable.New(api, table, ident.New()) })
		if api.n.Load() < 100 {
			t.Errorf("%d requests", api.n.Load())
		}
	})
}

// contended refuses every fifth transaction as DynamoDB does while another one is under way, or
// while it throttles, and reads some of the orders only.
type contended struct {
	analyticstable.API
	n atomic.Int64
}

func (c *contended) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	reasons := map[int64]string{0: "TransactionConflict", 5: "ThrottlingError"}
	if reason := reasons[c.n.Add(1)%10]; reason != "" && in.TransactItems[0].Put != nil {
		return nil, &types.TransactionCanceledException{
			CancellationReasons: []types.CancellationReason{{Code: aws.String("None")}, {Code: aws.String(reason)}},
		}
	}
	return c.API.TransactWriteItems(ctx, in, o...)
}

func (c *contended) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	if c.n.Add(1)%7 == 0 {
		return &dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems}, nil
	}
	return c.API.BatchGetItem(ctx, in, o...)
}

// analyticsTable defines the table as the template does.
func analyticsTable() *dynamodb.CreateTableInput {
	table := awstest.Key("pk:S", "sk:S")
	table.AttributeDefinitions = append(table.AttributeDefinitions,
		types.AttributeDefinition{AttributeName: aws.String("pieces"), AttributeType: types.ScalarAttributeTypeN})
	table.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
		IndexName: aws.String(analyticstable.IndexBest), KeySchema: awstest.Key("pk:S", "pieces:N").KeySchema,
		Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
	}}
	return table
}
