//go:build integration

package viewtable_test

import (
	"flag"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/adapter/awstest"
	"orderflow/shared/adapter/viewtable"
	"orderflow/shared/view/viewtest"
)

// TestMain draws fewer examples than a test in memory: each costs some hundred requests.
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
	api := dynamodb.NewFromConfig(awstest.Config(t))
	table := awstest.Table(t, viewsTable())
	viewtest.Run(t, viewtest.Tables{Orders: viewtable.NewOrders(api, table), Customers: viewtable.NewCustomers(api, table)})
}

// viewsTable defines the views table as the template does.
func viewsTable() *dynamodb.CreateTableInput {
	table := awstest.Key("pk:S", "sk:S")
	for _, name := range []string{"gsi1pk", "gsi1sk", "gsi2pk", "gsi3pk", "gsi3sk"} {
		table.AttributeDefinitions = append(table.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS})
	}
	for _, index := range []struct{ name, partition, sort string }{
		{viewtable.IndexByCustomer, "gsi1pk", "gsi1sk"}, {viewtable.IndexByCustomerStatus, "gsi2pk", "gsi1sk"}, {viewtable.IndexOpen, "gsi3pk", "gsi3sk"},
	} {
		table.GlobalSecondaryIndexes = append(table.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(index.name), KeySchema: awstest.Key(index.partition+":S", index.sort+":S").KeySchema,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		})
	}
	return table
}
