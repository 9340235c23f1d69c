//go:build integration

package inboxtable_test

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/inbox/inboxtest"
	"orderflow/shared/kit/inboxtable"
)

// TestMain draws fewer examples than a test in memory: each costs some dozen requests.
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
	table := awstest.Table(t, awstest.Key("event:S", "consumer:S"))
	inboxtest.Run(t, inboxtable.New(dynamodb.NewFromConfig(awstest.Config(t)), table))
}

// Writes whose answers are lost and that the client sends again: each is met as one's own.
func TestDynamoDBLosingAnswers(t *testing.T) {
	table := awstest.Table(t, awstest.Key("event:S", "consumer:S"))
	inboxtest.Run(t, inboxtable.New(twice{dynamodb.NewFromConfig(awstest.Config(t))}, table))
}

// twice carries every request out twice and answers as the second time, as a client does whose
// first answer was lost.
type twice struct{ inboxtable.API }

func (w twice) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	_, _ = w.API.PutItem(ctx, in, o...)
	return w.API.PutItem(ctx, in, o...)
}
