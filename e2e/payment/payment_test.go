//go:build integration || e2e

// Package payment_test puts accounts and payments through their suites on the table that they have on AWS: each movement of money is one transaction there.
package payment_test

import (
	"flag"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/account"
	"orderflow/shared/account/accounttest"
	"orderflow/shared/adapter/awstest"
	"orderflow/shared/adapter/dynamostore"
	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/payment"
	"orderflow/shared/payment/paymenttest"
)

// TestMain makes the suites' random runs fewer than in memory: each of their steps is many requests here.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("rapid.checks", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestServices(t *testing.T) {
	store := dynamostore.New(dynamodb.NewFromConfig(awstest.Config(t)), awstest.Table(t, awstest.EventsTable()), es.NewRegistry(account.Register, payment.Register))
	t.Run("accounts", func(t *testing.T) { accounttest.Run(t, store, clock.System{}) })
	t.Run("payments", func(t *testing.T) { paymenttest.Run(t, store, clock.System{}) })
}
