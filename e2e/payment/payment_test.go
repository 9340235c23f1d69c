//go:build integration

// Package payment_test puts accounts and payments through their suites on the table that they have
// on AWS: each movement of money is one transaction there.
package payment_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/payment/paymenttest"
)

// TestMain makes the suites' random runs fewer than in memory: each of their steps is many requests
// here.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("rapid.checks", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestServices(t *testing.T) {
	store := dynamostore.New(
		dynamodb.NewFromConfig(awstest.Config(t)), awstest.Table(t, awstest.EventsTable()),
		es.NewRegistry(account.Register, payment.Register),
	)
	t.Run("accounts", func(t *testing.T) { accounttest.Run(t, store, clock.System{}) })
	t.Run("payments", func(t *testing.T) { paymenttest.Run(t, store, clock.System{}) })
}

// TestServicesUnderFaults: the same while the wire loses one answer in twelve, throttles, breaks,
// and finds transactions in conflict. Whatever else an append goes through, money neither comes up
// nor goes away, and a repeat has the answer of the first time.
func TestServicesUnderFaults(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", "3"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := flag.Set("rapid.checks", checks); err != nil {
			t.Error(err)
		}
	})
	through := awstest.StartProxy(t, 20260329).Client()
	client := dynamodb.NewFromConfig(through.Config(t), func(o *dynamodb.Options) {
		o.Retryer = retry.AddWithMaxAttempts(awsenv.Retryer(), 30) // the suites take no failure for an answer
	})
	store := dynamostore.New(
		client, awstest.Table(t, awstest.EventsTable()), es.NewRegistry(account.Register, payment.Register),
	)
	faults := []awstest.Fault{
		{Probability: 0.02, Error: &awstest.Error{Code: "ThrottlingException"}},
		{Probability: 0.02, Error: &awstest.Error{Code: "InternalServerError"}},
		{Probability: 0.02, Reset: true},
		{Probability: 0.08, Response: awstest.LostAnswer()},
		{Operation: "PutItem", Probability: 0.3, Error: &awstest.Error{Code: "TransactionConflictException"}},
	}
	for items := 2; items <= 3; items++ { // an attempt, and one account or two
		reasons := strings.Split(strings.Repeat("None ", items-1)+"TransactionConflict", " ")
		list := make([]map[string]string, items)
		for i, code := range reasons {
			list[i] = map[string]string{"Code": code, "Message": code}
		}
		faults = append(faults, awstest.Fault{
			Operation: "TransactWriteItems", Body: fmt.Sprintf("length(TransactItems) == `%d`", items),
			Probability: 0.05,
			Error: &awstest.Error{
				Code: "TransactionCanceledException", Fields: map[string]any{"CancellationReasons": list},
			},
		})
	}
	through.Inject(t, faults...)
	t.Run("accounts", func(t *testing.T) { accounttest.Run(t, store, clock.System{}) })
	t.Run("payments", func(t *testing.T) { paymenttest.Run(t, store, clock.System{}) })
	// Which of them happened is up to chance, and to how many single puts the suites make: few.
	if n := slices.Max(through.Happened(t)); n == 0 {
		t.Error("no fault ever happened")
	}
}
