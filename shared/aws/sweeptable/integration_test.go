//go:build integration

package sweeptable_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/sweeptable"
	"orderflow/shared/process/sweep/sweeptest"
)

func TestDynamoDB(t *testing.T) {
	table := awstest.Table(t, awstest.Key("stream:S"))
	sweeptest.Run(t, sweeptable.New(dynamodb.NewFromConfig(awstest.Config(t)), table))
}

// Each write is carried out twice and answered as the second time, as where the first answer was
// lost.
func TestDynamoDBLosingAnswers(t *testing.T) {
	table := awstest.Table(t, awstest.Key("stream:S"))
	sweeptest.Run(t, sweeptable.New(twice{dynamodb.NewFromConfig(awstest.Config(t))}, table))
}

type twice struct{ sweeptable.API }

func (w twice) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	_, _ = w.API.PutItem(ctx, in, o...)
	return w.API.PutItem(ctx, in, o...)
}
