//go:build integration

package deadlettertable_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/deadletter/deadlettertest"
)

// definition is the table as the template defines it.
func definition() *dynamodb.CreateTableInput {
	in := awstest.Key("id:S", "part:S")
	known := map[string]bool{"id": true, "part": true}
	for _, index := range [][3]string{
		{"due", "work", "due"}, {"entries", "kind", "place"}, {"consumers", "consumer", "place"},
		{"topics", "topic", "place"}, {"statuses", "status", "place"},
		{"orders", "orderId", "place"},
	} {
		for _, name := range index[1:] {
			if !known[name] {
				known[name] = true
				in.AttributeDefinitions = append(
					in.AttributeDefinitions,
					types.AttributeDefinition{
						AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS,
					},
				)
			}
		}
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(index[0]), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String(index[1]), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String(index[2]), KeyType: types.KeyTypeRange},
			},
		})
	}
	return in
}

func TestSuite(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		deadlettertest.Run(t, func(t *testing.T) deadletter.Table {
			return deadlettertable.New(dynamodb.NewFromConfig(config), awstest.TableIn(t, config, definition()))
		})
	})
}

// A note is carried out twice and answered as the second time, as where the first answer was lost:
// the try counts once.
func TestNoteLosesItsAnswer(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		client := dynamodb.NewFromConfig(config)
		table := deadlettertable.New(twice{client}, awstest.TableIn(t, config, definition()))
		for try := 1; try <= deadletter.Tries; try++ {
			n, err := table.Note(t.Context(), deadletter.Note{Queue: "q", MessageID: "m", Error: "no"})
			if err != nil || n.Tries != try {
				t.Errorf("try %d: %+v, %v", try, n, err)
			}
		}
	})
}

type twice struct{ deadlettertable.API }

func (w twice) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	_, _ = w.API.UpdateItem(ctx, in, o...)
	return w.API.UpdateItem(ctx, in, o...)
}
