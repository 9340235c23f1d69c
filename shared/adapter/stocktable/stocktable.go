// Package stocktable keeps the counters of stock in a DynamoDB table: one row a SKU, changed only
// by the transactions of the event store that write the events that a change follows from.
//
// The table's key is sku (S). A row has available (N) and reserved (N), rev (N), the version of the
// stream stock/<sku>, and departed (N), how many parcels have left with pieces of it; a row without
// departed has 0. Rows of earlier releases may have counted (S) and countedRev (N), when somebody
// counted last: nothing reads them any more.
package stocktable

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/es"
	"orderflow/shared/stock"
)

// API is what the counters need of a DynamoDB client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
}

// Table keeps the counters. It is safe for concurrent use.
type Table struct {
	api  API
	name string
}

// New makes counters on an existing table.
func New(api API, table string) *Table { return &Table{api: api, name: table} }

var _ stock.Counters = (*Table)(nil)

// Level implements stock.Counters, with one strongly consistent read.
func (t *Table) Level(ctx context.Context, sku string) (stock.Level, bool, error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key(sku), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return stock.Level{}, false, fmt.Errorf("stocktable: read %q: %w", sku, err)
	}
	if len(out.Item) == 0 {
		return stock.Level{}, false, nil
	}
	available, err1 := numberOf(out.Item, "available")
	reserved, err2 := numberOf(out.Item, "reserved")
	version, err3 := numberOf(out.Item, "rev")
	departed, err4 := departedOf(out.Item)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return stock.Level{}, false, fmt.Errorf("stocktable: row %q: %w", sku, err)
	}
	return stock.Level{
		SKU: sku, OnHand: available + reserved, Available: available, Reserved: reserved,
		Version: version + departed, Departed: departed,
	}, true, nil
}

// Reserve implements stock.Counters.
func (t *Table) Reserve(items []stock.Item) es.Effect {
	return effect{name: "reserve stock", items: t.updates(items, "SET #available = #available - :q, #reserved = #reserved + :q", "#available >= :q"),
		refusal: func(reasons []types.CancellationReason) error {
			var short []string
			for i := range reasons {
				if conditionFailed(reasons[i]) {
					short = append(short, items[i].SKU)
				}
			}
			if len(short) == 0 {
				return nil
			}
			return stock.Insufficient(short)
		}}
}

// Release implements stock.Counters.
func (t *Table) Release(items []stock.Item) es.Effect {
	const update = "SET #available = #available + :q, #reserved = #reserved - :q"
	return effect{
		name: "release stock", items: t.updates(items, update, "#reserved >= :q"), refusal: notReserved(items),
	}
}

// Depart implements stock.Counters.
func (t *Table) Depart(items []stock.Item) es.Effect {
	updates := make([]types.TransactWriteItem, len(items))
	for i, item := range items {
		updates[i].Update = &types.Update{
			TableName: &t.name, Key: key(item.SKU),
			UpdateExpression:          aws.String("SET #reserved = #reserved - :q ADD #departed :one"),
			ConditionExpression:       aws.String("#reserved >= :q"),
			ExpressionAttributeNames:  map[string]string{"#reserved": "reserved", "#departed": "departed"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":q": number(item.Quantity), ":one": number(1)},
		}
	}
	return effect{name: "depart stock", items: updates, refusal: notReserved(items)}
}

// notReserved says which row has less reserved than is to be taken out of it.
func notReserved(items []stock.Item) func([]types.CancellationReason) error {
	return func(reasons []types.CancellationReason) error {
		for i := range reasons {
			if conditionFailed(reasons[i]) {
				return stock.Inconsistent(items[i].SKU, "fewer than %d are reserved", items[i].Quantity)
			}
		}
		return nil
	}
}

// updates are the same update and condition for each of the items.
func (t *Table) updates(items []stock.Item, update, condition string) []types.TransactWriteItem {
	out := make([]types.TransactWriteItem, len(items))
	for i, item := range items {
		out[i].Update = &types.Update{
			TableName: &t.name, Key: key(item.SKU), UpdateExpression: &update, ConditionExpression: &condition,
			ExpressionAttributeNames:  map[string]string{"#available": "available", "#reserved": "reserved"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":q": number(item.Quantity)},
		}
	}
	return out
}

// Restock implements stock.Counters. A row is made with the stream's first event, and has the
// version before this one from then on.
func (t *Table) Restock(sku string, delta, version, departed int64) es.Effect {
	update := &types.Update{
		TableName: &t.name, Key: key(sku),
		UpdateExpression:                    aws.String("SET #available = #available + :delta, #rev = :version"),
		ConditionExpression:                 aws.String("#rev = :before AND #available >= :least"),
		ExpressionAttributeNames:            map[string]string{"#available": "available", "#rev": "rev"},
		ExpressionAttributeValues:           map[string]types.AttributeValue{":delta": number(delta), ":version": number(version)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if version == 1 {
		update.UpdateExpression = aws.String("SET #available = :delta, #reserved = :zero, #rev = :version")
		update.ConditionExpression = aws.String("attribute_not_exists(#rev)")
		update.ExpressionAttributeNames["#reserved"] = "reserved"
		update.ExpressionAttributeValues[":zero"] = number(0)
	} else {
		update.ExpressionAttributeValues[":before"] = number(version - 1)
		update.ExpressionAttributeValues[":least"] = number(-delta)
		update.ExpressionAttributeNames["#departed"] = "departed"
		if departed == 0 {
			update.ConditionExpression = aws.String("#rev = :before AND #available >= :least AND attribute_not_exists(#departed)")
		} else {
			update.ConditionExpression = aws.String("#rev = :before AND #available >= :least AND #departed = :departed")
			update.ExpressionAttributeValues[":departed"] = number(departed)
		}
	}
	return effect{name: "restock", items: []types.TransactWriteItem{{Update: update}}, refusal: func(reasons []types.CancellationReason) error {
		if !conditionFailed(reasons[0]) {
			return nil
		}
		before, err := numberOf(reasons[0].Item, "rev")
		if err != nil || before != version-1 {
			return stock.Inconsistent(sku, "they are at version %d before version %d of its stream", before, version)
		}
		if met, err := departedOf(reasons[0].Item); err != nil || met != departed {
			return &es.ConflictError{Stream: es.NewStreamID(stock.Category, sku), Expected: version - 1 + departed, Actual: before + met}
		}
		return stock.Insufficient([]string{sku})
	}}
}

// effect is a dynamostore.Effect.
type effect struct {
	name    string
	items   []types.TransactWriteItem
	refusal func([]types.CancellationReason) error
}

// EffectName implements es.Effect.
func (e effect) EffectName() string { return e.name }

// TransactItems implements dynamostore.Effect.
func (e effect) TransactItems() ([]types.TransactWriteItem, error) { return e.items, nil }

// Refusal implements dynamostore.Effect.
func (e effect) Refusal(reasons []types.CancellationReason) error { return e.refusal(reasons) }

func conditionFailed(r types.CancellationReason) bool {
	return aws.ToString(r.Code) == "ConditionalCheckFailed"
}

func key(sku string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"sku": &types.AttributeValueMemberS{Value: sku}}
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// departedOf is 0 in a row of which nothing has left.
func departedOf(item map[string]types.AttributeValue) (int64, error) {
	if _, ok := item["departed"]; !ok {
		return 0, nil
	}
	return numberOf(item, "departed")
}

func numberOf(item map[string]types.AttributeValue, name string) (int64, error) {
	v, ok := item[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("%s is no number", name)
	}
	return strconv.ParseInt(v.Value, 10, 64)
}
