// Package awstest gives integration tests a real endpoint and tables of their own. Only tests
// import it.
package awstest

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"orderflow/shared/kit/awsclient"
	"orderflow/shared/kit/ident"
)

// EndpointVariable names the endpoint that integration tests run against, as in
// "http://127.0.0.1:4566".
const EndpointVariable = "ORDERFLOW_TEST_ENDPOINT"

// DynamoDBLocalVariable names the endpoint of Amazon's DynamoDB Local, which infra/local/test.sh
// starts where the machine has Java.
const DynamoDBLocalVariable = "ORDERFLOW_DYNAMODB_LOCAL_ENDPOINT"

// tableWait is how long a table may take to come up.
const tableWait = 30 * time.Second

// Endpoint is the endpoint that integration tests run against. Without one the test fails: a suite
// that silently skips itself proves nothing.
func Endpoint(t testing.TB) string {
	t.Helper()
	return endpointOf(t, EndpointVariable)
}

func endpointOf(t testing.TB, variable string) string {
	t.Helper()
	endpoint := os.Getenv(variable)
	if u, err := url.Parse(endpoint); endpoint == "" || err != nil || u.Host == "" {
		t.Fatalf("%s is %q: this needs the URL of a local AWS endpoint", variable, endpoint)
	}
	return endpoint
}

// Config is an aws.Config for Endpoint, with credentials that real AWS refuses, so that a wrong
// endpoint does no harm.
func Config(t testing.TB) aws.Config {
	t.Helper()
	return configOf(Endpoint(t))
}

func configOf(endpoint string) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		APIOptions:   []func(*middleware.Stack) error{awsclient.PlainBodies},
	}
}

// DynamoDBLocal is an aws.Config for Amazon's DynamoDB Local, which has that service alone and does
// it as AWS does. Where there is none a test is skipped (what starts the tests says so), and a
// benchmark fails.
func DynamoDBLocal(t testing.TB) aws.Config {
	t.Helper()
	if _, isTest := t.(*testing.T); isTest && os.Getenv(DynamoDBLocalVariable) == "" {
		t.Skipf("%s is not set", DynamoDBLocalVariable)
	}
	return configOf(endpointOf(t, DynamoDBLocalVariable))
}

// OnEachDynamoDB runs a test on the DynamoDB of Endpoint and on DynamoDB Local.
func OnEachDynamoDB(t *testing.T, test func(t *testing.T, config aws.Config)) {
	t.Helper()
	t.Run("default", func(t *testing.T) { test(t, Config(t)) })
	t.Run("DynamoDB Local", func(t *testing.T) { test(t, DynamoDBLocal(t)) })
}

// Table creates a table from a definition whose TableName may be nil, under a name that no other
// test has, and deletes it when the test ends. It returns the name once the table takes requests.
func Table(t testing.TB, input *dynamodb.CreateTableInput) string {
	t.Helper()
	return TableIn(t, Config(t), input)
}

// TableIn is Table, elsewhere.
func TableIn(t testing.TB, config aws.Config, input *dynamodb.CreateTableInput) string {
	t.Helper()
	client := dynamodb.NewFromConfig(config)
	definition := *input
	definition.TableName = aws.String(Unique(t, "table"))
	if definition.BillingMode == "" && definition.ProvisionedThroughput == nil {
		definition.BillingMode = types.BillingModePayPerRequest
	}
	ctx, cancel := context.WithTimeout(context.Background(), tableWait)
	defer cancel()
	// Nobody else uses the name: a table that is there already, or is not there any more, is an
	// answer that was lost and asked for again.
	var exists *types.ResourceInUseException
	if _, err := client.CreateTable(ctx, &definition); err != nil && !errors.As(err, &exists) {
		t.Fatalf("create table %s: %v", *definition.TableName, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), tableWait)
		defer cancel()
		var gone *types.ResourceNotFoundException
		if _, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: definition.TableName}); err != nil &&
			!errors.As(err, &gone) {
			t.Errorf("delete table %s: %v", *definition.TableName, err)
		}
	})
	waiter := dynamodb.NewTableExistsWaiter(
		client,
		func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second },
	)
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: definition.TableName}, tableWait); err != nil {
		t.Fatalf("table %s does not come up: %v", *definition.TableName, err)
	}
	return *definition.TableName
}

// Unique is a name for a resource of this test alone: prefix, a part of the test's name and a
// random part; letters, digits and hyphens, at most 63.
func Unique(t testing.TB, prefix string) string {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '-'
	}, t.Name())
	return prefix + "-" + name[:min(len(name), 24)] + "-" + ident.New()[:8]
}

// Key is the key schema of a table: a partition key, and a sort key where one is named. Attributes
// are given as "name:S", "name:N" or "name:B".
func Key(partition string, sort ...string) *dynamodb.CreateTableInput {
	input := &dynamodb.CreateTableInput{}
	for i, attribute := range append([]string{partition}, sort...) {
		name, kind, _ := strings.Cut(attribute, ":")
		role := types.KeyTypeHash
		if i > 0 {
			role = types.KeyTypeRange
		}
		input.KeySchema = append(
			input.KeySchema, types.KeySchemaElement{AttributeName: aws.String(name), KeyType: role},
		)
		input.AttributeDefinitions = append(input.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeType(kind)})
	}
	return input
}

// EventsTable defines the events table as the template does.
func EventsTable() *dynamodb.CreateTableInput { return Key("stream:S", "version:N") }

// SnapshotsTable defines the table of snapshots as the template does.
func SnapshotsTable() *dynamodb.CreateTableInput { return Key("stream:S", "fold:S") }

// ViewsTable defines the views table as the template does.
func ViewsTable() *dynamodb.CreateTableInput {
	table := Key("pk:S", "sk:S")
	for _, index := range []string{"gsi1", "gsi2", "gsi3"} {
		key := Key(index+"pk:S", index+"sk:S")
		table.AttributeDefinitions = append(table.AttributeDefinitions, key.AttributeDefinitions...)
		table.GlobalSecondaryIndexes = append(table.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(index), KeySchema: key.KeySchema,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		})
	}
	return table
}
