//go:build integration

package quotatable_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/quotatable"
	"orderflow/shared/shop/quota"
	"orderflow/shared/shop/quota/quotatest"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestTable(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		quotatest.Suite(
			t, quotatable.New(dynamodb.NewFromConfig(config), awstest.TableIn(t, config, awstest.Key("hour:S"))),
		)
	})
}

// twice carries each update out twice and answers as the second time, as a client does whose first
// answer was lost.
type twice struct{ *dynamodb.Client }

func (w twice) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	if _, err := w.Client.UpdateItem(ctx, in, o...); err != nil {
		return nil, err
	}
	return w.Client.UpdateItem(ctx, in, o...)
}

// TestLostAnswers: an update that is carried out twice takes no second place, the last one neither.
func TestLostAnswers(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		api := dynamodb.NewFromConfig(config)
		table := quotatable.New(twice{api}, awstest.TableIn(t, config, awstest.Key("hour:S")))
		for i := range 4 {
			admitted, _, err := table.Add(
				t.Context(), quota.HourOf("ada", at), quota.CommandOf(strconv.Itoa(i)),
				quota.Bounds{Commands: 3, Requests: 15},
			)
			if err != nil || admitted != (i < 3) {
				t.Errorf("command %d: %v, %v", i+1, admitted, err)
			}
		}
	})
}

// TestItem: an hour's item says when it may go, has nothing of a command but its fingerprint, and
// costs one write unit up to a quota of 100.
func TestItem(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		api, name := dynamodb.NewFromConfig(config), awstest.TableIn(t, config, awstest.Key("hour:S"))
		units := 0.0
		table := quotatable.New(metered{api, &units}, name)
		hour := quota.HourOf("a-customer-whose-id-is-a-uuid-3f8a", at)
		for i := range 100 {
			command := quota.CommandOf(fmt.Sprint("POST /orders ", i))
			if _, _, err := table.Add(
				t.Context(), hour, command, quota.Bounds{Commands: 100, Requests: 500},
			); err != nil {
				t.Fatal(err)
			}
		}
		if units != 100 {
			t.Errorf("100 commands cost %v write units", units)
		}
		key := "a-customer-whose-id-is-a-uuid-3f8a#" + hour.Start.Format(time.RFC3339)
		out, err := api.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: &name, Key: map[string]types.AttributeValue{"hour": &types.AttributeValueMemberS{Value: key}},
			ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			t.Fatal(err)
		}
		expires, _ := out.Item["expires"].(*types.AttributeValueMemberN)
		if expires == nil || expires.Value != strconv.FormatInt(hour.Start.Add(25*time.Hour).Unix(), 10) ||
			len(out.Item) != 4 {
			t.Errorf("the item of %s is %v", key, out.Item)
		}
	})
}

// metered adds up the write units of updates.
type metered struct {
	*dynamodb.Client
	units *float64
}

func (m metered) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.UpdateItem(ctx, in, o...)
	if err == nil {
		*m.units += *out.ConsumedCapacity.CapacityUnits
	}
	return out, err
}
