//go:build integration

package payment_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/adapter/awstest"
	"orderflow/shared/adapter/dynamostore"
	"orderflow/shared/clock"
)

// examples is how many random histories are played on the real table.
const examples = 8

// TestOnDynamoDB runs what depends on the store's own conditions and transactions.
func TestOnDynamoDB(t *testing.T) {
	client := dynamodb.NewFromConfig(awstest.Config(t))
	store := dynamostore.New(client, awstest.Table(t, awstest.EventsTable()), registry())
	t.Run("one account, many orders", func(t *testing.T) {
		oneAccountManyOrders(t, newStand(store, clock.System{}).funded(t, 1000), 50)
	})
	t.Run("one order, many times", func(t *testing.T) {
		oneOrderManyTimes(t, newStand(store, clock.System{}).funded(t, 1000), 20)
	})
	for seed := range examples {
		t.Run(fmt.Sprintf("money is conserved, seed %d", seed), func(t *testing.T) {
			conserve(t.Context(), t, newStand(store, clock.System{}), steps.Example(seed))
		})
	}
}
