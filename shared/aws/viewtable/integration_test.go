//go:build integration

package viewtable_test

import (
	"context"
	"flag"
	"os"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/read/view/viewtest"
)

// TestMain draws fewer examples than a test in memory: each costs some hundred requests.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "20"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestDynamoDB(t *testing.T) {
	api := dynamodb.NewFromConfig(awstest.Config(t))
	table := awstest.Table(t, awstest.ViewsTable())
	viewtest.Run(t, viewtable.New(api, table))
}

// Other transactions on the same items, which a local endpoint never has of its own, are met and
// tried again.
func TestDynamoDBUnderContention(t *testing.T) {
	api := &contended{API: dynamodb.NewFromConfig(awstest.Config(t))}
	table := awstest.Table(t, awstest.ViewsTable())
	viewtest.Deliver(t, viewtable.New(api, table))
	if api.n.Load() < 100 {
		t.Errorf("%d writes met another one", api.n.Load()/2)
	}
}

// contended refuses every other write as DynamoDB does when a transaction on the item is under way.
type contended struct {
	viewtable.API
	n atomic.Int64
}

func (c *contended) refuses() bool { return c.n.Add(1)%2 == 1 }

func (c *contended) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	if c.refuses() {
		return nil, &types.TransactionConflictException{}
	}
	return c.API.PutItem(ctx, in, o...)
}

func (c *contended) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	if c.refuses() {
		reasons := make([]types.CancellationReason, len(in.TransactItems))
		for i := range reasons {
			reasons[i].Code = aws.String("None")
		}
		reasons[len(reasons)-1].Code = aws.String("TransactionConflict")
		return nil, &types.TransactionCanceledException{CancellationReasons: reasons}
	}
	return c.API.TransactWriteItems(ctx, in, o...)
}
