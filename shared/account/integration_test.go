//go:build integration

package account_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/account"
	"orderflow/shared/adapter/awstest"
	"orderflow/shared/adapter/dynamostore"
	"orderflow/shared/clock"
	"orderflow/shared/es"
)

// TestOnDynamoDB runs what depends on the store's own conditions and transactions.
func TestOnDynamoDB(t *testing.T) {
	client := dynamodb.NewFromConfig(awstest.Config(t))
	store := dynamostore.New(client, awstest.Table(t, awstest.EventsTable()), es.NewRegistry(account.Register))
	t.Run("concurrent withdrawals", func(t *testing.T) {
		concurrentWithdrawals(t, newStand(store, clock.System{}).opened(t, 1000), 50)
	})
	t.Run("concurrent opening", func(t *testing.T) {
		concurrentOpening(t, newStand(store, clock.System{}), 20)
	})
}
