//go:build integration

package shippingtable_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/shippingtable"
	"orderflow/shared/shop/shipment/shipmenttest"
)

func TestCopies(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		shipmenttest.Run(
			t, shippingtable.New(dynamodb.NewFromConfig(config), awstest.TableIn(t, config, awstest.Key("order:S"))),
		)
	})
}
