// Package quotatable keeps the hours of customers in one DynamoDB table, an item each.
//
//	hour      S   the key: the customer and when the hour began, "ada#2026-03-01T12:17:33Z"
//	commands  BS  the fingerprints of the commands that the hour has had, of 8 bytes each
//	requests  N   how many requests were let in, repeats included
//	expires   N   Unix seconds after which DynamoDB deletes the item: a day after the hour, when
//	              nobody asks for it any more, whatever their clock says
//
// An item of 100 commands has 1 KB, and a count so costs one write unit. Each further 128 commands
// of the same hour cost one more.
package quotatable

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/shop/quota"
)

const (
	attrHour     = "hour"
	attrCommands = "commands"
	attrRequests = "requests"
	attrExpires  = "expires"
)

// keep is how long after its end an hour's item stays.
const keep = 24 * time.Hour

// API is what the table needs of a DynamoDB client.
type API interface {
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
}

// Table is a quota.Counter. It is safe for concurrent use.
type Table struct {
	api   API
	table string
}

var _ quota.Counter = Table{}

// New keeps the hours in an existing table.
func New(api API, table string) Table { return Table{api: api, table: table} }

// fits is the condition on which an hour takes a command. ADD makes an element of a set once: an
// update whose answer was lost may be carried out twice, and counts one request too many.
const fits = "attribute_not_exists(#hour) OR " +
	"#requests < :requests AND (size(#commands) < :commands OR contains(#commands, :command))"

// Add implements quota.Counter with one conditional update.
func (t Table) Add(
	ctx context.Context, h quota.Hour, c quota.Command, b quota.Bounds,
) (admitted bool, there quota.Count, err error) {
	key := h.Customer + "#" + h.Start.UTC().Format(time.RFC3339)
	_, err = t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: dynamo.Item{attrHour: dynamo.S(key)},
		UpdateExpression:         aws.String("SET #expires = :expires ADD #commands :added, #requests :one"),
		ConditionExpression:      aws.String(fits),
		ExpressionAttributeNames: dynamo.Names(attrHour, attrCommands, attrRequests, attrExpires),
		ExpressionAttributeValues: dynamo.Item{
			":command": dynamo.B(c[:]), ":added": &types.AttributeValueMemberBS{Value: [][]byte{c[:]}},
			":one": dynamo.N(1), ":commands": dynamo.N(b.Commands), ":requests": dynamo.N(b.Requests),
			":expires": dynamo.N(h.End().Add(keep).Unix()),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if met, refused := dynamo.ConditionFailed(err); refused {
		there, err = countOf(met)
		return false, there, err
	}
	if err != nil {
		return false, quota.Count{}, fmt.Errorf("quotatable: count a command: %w", dynamo.Failed(err))
	}
	return true, quota.Count{}, nil
}

func countOf(item dynamo.Item) (quota.Count, error) {
	r := dynamo.Read(item)
	count := quota.Count{Requests: r.Number(attrRequests)}
	commands, ok := item[attrCommands].(*types.AttributeValueMemberBS)
	if !ok {
		r.Failf(attrCommands, "is no set of binaries")
		commands = &types.AttributeValueMemberBS{}
	}
	for _, b := range commands.Value {
		if len(b) != len(quota.Command{}) {
			r.Failf(attrCommands, "has one of %d bytes", len(b))
			break
		}
		count.Commands = append(count.Commands, quota.Command(b))
	}
	if err := r.Err(); err != nil {
		return quota.Count{}, fmt.Errorf("quotatable: an hour can't be read: %w", err)
	}
	return count, nil
}
