//go:build integration

package deadlettertable_test

import (
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
