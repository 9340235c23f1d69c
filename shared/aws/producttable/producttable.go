// Package producttable keeps the rows of the catalogue in a DynamoDB table, one row per SKU. The
// event store writes a row in the transaction that appends the product's event; Mend corrects a
// row.
//
// The table's key is sku (S). A row has rev (N), the version of the stream product/<sku>; status
// (S), listed or withdrawn; and prices (L), a list of maps with amount (N), currency (S) and, for a
// price with a ValidFrom, validFrom (S, RFC 3339 in UTC). The index by-status has all rows, by
// status and sku.
package producttable

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/product"
)

// API is what the table needs of a DynamoDB client: DeleteItem and PutItem for Mend only.
type API interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...option) (*dynamodb.BatchGetItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...option) (*dynamodb.DeleteItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...option) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...option) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...option) (*dynamodb.QueryOutput, error)
}

type option = func(*dynamodb.Options)

// IndexByStatus is the index of rows by status and SKU.
const IndexByStatus = "by-status"

const (
	attrSKU       = "sku"
	attrRev       = "rev"
	attrStatus    = "status"
	attrPrices    = "prices"
	attrAmount    = "amount"
	attrCurrency  = "currency"
	attrValidFrom = "validFrom"

	statusListed    = "listed"
	statusWithdrawn = "withdrawn"
)

// pace of the requests for keys that a batch read left unprocessed.
var pace = backoff.Pace{
	Base: 20 * time.Millisecond, Max: 500 * time.Millisecond, Margin: 500 * time.Millisecond, Tries: 20,
}

type attributes = map[string]types.AttributeValue

// Table keeps the rows. It is safe for concurrent use.
type Table struct {
	api   API
	table string
	clock clock.Clock
}

// New gives the rows in an existing table. The client retries failed requests; the clock is for the
// waits between the parts of a batch read.
func New(api API, table string, c clock.Clock) Table { return Table{api: api, table: table, clock: c} }

var _ product.Rows = Table{}

// Row implements product.Rows, with one strongly consistent read.
func (t Table) Row(ctx context.Context, sku string) (product.Product, error) {
	in := &dynamodb.GetItemInput{TableName: &t.table, Key: key(sku), ConsistentRead: aws.Bool(true)}
	out, err := t.api.GetItem(ctx, in)
	if err != nil {
		return product.Product{}, fmt.Errorf("producttable: read %q: %w", sku, err)
	}
	if len(out.Item) == 0 {
		return product.Product{}, nil
	}
	return decode(out.Item)
}

// Batch implements product.Rows, with one strongly consistent batch read. It asks again for the
// keys that DynamoDB leaves unprocessed, until the deadline is near.
func (t Table) Batch(ctx context.Context, skus []string) ([]product.Product, error) {
	keys := make([]map[string]types.AttributeValue, len(skus))
	for i, sku := range skus {
		keys[i] = key(sku)
	}
	products := make([]product.Product, 0, len(skus))
	for tries := backoff.New(pace, t.clock); ; {
		out, err := t.api.BatchGetItem(ctx,
			&dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
				t.table: {Keys: keys, ConsistentRead: aws.Bool(true)},
			}})
		if err != nil {
			return nil, fmt.Errorf("producttable: read %d rows: %w", len(keys), err)
		}
		for _, item := range out.Responses[t.table] {
			p, err := decode(item)
			if err != nil {
				return nil, err
			}
			products = append(products, p)
		}
		if keys = out.UnprocessedKeys[t.table].Keys; len(keys) == 0 {
			return products, nil
		}
		if !tries.Again(ctx) {
			return nil, fmt.Errorf("producttable: %w: the table is too busy to read %d of %d rows",
				es.ErrUnavailable, len(keys), len(skus))
		}
	}
}

// List implements product.Rows, with a query of the index for each MB of rows.
func (t Table) List(ctx context.Context, withdrawn bool, after string, limit int) ([]product.Product, error) {
	query := &dynamodb.QueryInput{
		TableName: &t.table, IndexName: aws.String(IndexByStatus),
		Limit:                     aws.Int32(int32(min(limit, maxPage))), //nolint:gosec // at most maxPage
		KeyConditionExpression:    aws.String("#status = :status"),
		ExpressionAttributeNames:  map[string]string{"#status": attrStatus},
		ExpressionAttributeValues: attributes{":status": text(statusOf(withdrawn))},
	}
	if after != "" {
		query.KeyConditionExpression = aws.String("#status = :status AND #sku > :after")
		query.ExpressionAttributeNames["#sku"], query.ExpressionAttributeValues[":after"] = attrSKU, text(after)
	}
	var products []product.Product
	for {
		out, err := t.api.Query(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("producttable: list rows: %w", err)
		}
		for _, item := range out.Items {
			p, err := decode(item)
			if err != nil {
				return nil, err
			}
			if products = append(products, p); len(products) == limit {
				return products, nil
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return products, nil
		}
		query.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// maxPage is the most rows that a query asks for.
const maxPage = 1000

// Put implements product.Rows.
func (t Table) Put(p product.Product, before int64) es.Effect {
	return put{table: t, product: p, before: before}
}

// Mend implements product.Rows, with one conditional write.
func (t Table) Mend(ctx context.Context, sku string, p product.Product, before int64) error {
	condition, names, values := asBefore(before)
	var err error
	if p.Known() {
		_, err = t.api.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &t.table, Item: encode(p),
			ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
	} else {
		_, err = t.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &t.table, Key: key(sku),
			ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
	}
	var (
		moved *types.ConditionalCheckFailedException
		other *types.TransactionConflictException
	)
	switch {
	case errors.As(err, &moved):
		return conflict(sku, before, moved.Item)
	case errors.As(err, &other):
		return conflict(sku, before, nil)
	case err != nil:
		return fmt.Errorf("producttable: write %q: %w", sku, err)
	}
	return nil
}

// put is a dynamostore.Effect.
type put struct {
	table   Table
	product product.Product
	before  int64
}

// EffectName implements es.Effect.
func (put) EffectName() string { return "write product" }

// TransactItems implements dynamostore.Effect.
func (e put) TransactItems() ([]types.TransactWriteItem, error) {
	condition, names, values := asBefore(e.before)
	return []types.TransactWriteItem{{Put: &types.Put{
		TableName: &e.table.table, Item: encode(e.product),
		ConditionExpression: &condition, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}, nil
}

// Refusal implements dynamostore.Effect.
func (e put) Refusal(reasons []types.CancellationReason) error {
	if aws.ToString(reasons[0].Code) != "ConditionalCheckFailed" {
		return nil
	}
	return conflict(e.product.SKU, e.before, reasons[0].Item)
}

// unknownVersion is a ConflictError's Actual if DynamoDB did not return the row.
const unknownVersion = -1

func conflict(sku string, before int64, met attributes) error {
	actual, err := numberOf(met, attrRev)
	if err != nil {
		actual = unknownVersion
	}
	return &es.ConflictError{Stream: es.NewStreamID(product.Category, sku), Expected: before, Actual: actual}
}

// asBefore is the condition that the row has the version before; 0 stands for no row.
func asBefore(before int64) (condition string, names map[string]string, values attributes) {
	if before == 0 {
		return "attribute_not_exists(#sku)", map[string]string{"#sku": attrSKU}, nil
	}
	return "#rev = :before", map[string]string{"#rev": attrRev}, attributes{":before": number(before)}
}

func encode(p product.Product) attributes {
	prices := make([]types.AttributeValue, len(p.Prices))
	for i, price := range p.Prices {
		m := attributes{attrAmount: number(price.Amount), attrCurrency: text(price.Currency)}
		if !price.ValidFrom.IsZero() {
			m[attrValidFrom] = text(price.ValidFrom.UTC().Format(time.RFC3339Nano))
		}
		prices[i] = &types.AttributeValueMemberM{Value: m}
	}
	return attributes{
		attrSKU: text(p.SKU), attrRev: number(p.Version), attrStatus: text(statusOf(p.Withdrawn)),
		attrPrices: &types.AttributeValueMemberL{Value: prices},
	}
}

func decode(item attributes) (product.Product, error) {
	sku, err1 := textOf(item, attrSKU)
	version, err2 := numberOf(item, attrRev)
	status, err3 := textOf(item, attrStatus)
	prices, err4 := pricesOf(item)
	err := errors.Join(err1, err2, err3, err4)
	if err == nil && status != statusListed && status != statusWithdrawn {
		err = fmt.Errorf("%s is %q", attrStatus, status)
	}
	if err != nil {
		return product.Product{}, fmt.Errorf("%w: producttable: row %q: %w", es.ErrCorrupt, sku, err)
	}
	return product.Product{SKU: sku, Version: version, Withdrawn: status == statusWithdrawn, Prices: prices}, nil
}

func pricesOf(item attributes) ([]product.Price, error) {
	list, ok := item[attrPrices].(*types.AttributeValueMemberL)
	if !ok {
		return nil, fmt.Errorf("%s is no list", attrPrices)
	}
	if len(list.Value) == 0 {
		return nil, nil
	}
	prices := make([]product.Price, len(list.Value))
	for i, v := range list.Value {
		m, ok := v.(*types.AttributeValueMemberM)
		if !ok {
			return nil, fmt.Errorf("%s[%d] is no map", attrPrices, i)
		}
		amount, err1 := numberOf(m.Value, attrAmount)
		currency, err2 := textOf(m.Value, attrCurrency)
		from, err3 := timeOf(m.Value, attrValidFrom)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", attrPrices, i, err)
		}
		prices[i] = product.Price{Money: money.Money{Amount: amount, Currency: currency}, ValidFrom: from}
	}
	return prices, nil
}

func statusOf(withdrawn bool) string {
	if withdrawn {
		return statusWithdrawn
	}
	return statusListed
}

func key(sku string) attributes { return attributes{attrSKU: text(sku)} }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func textOf(item attributes, name string) (string, error) {
	v, ok := item[name].(*types.AttributeValueMemberS)
	if !ok {
		return "", fmt.Errorf("%s is no text", name)
	}
	return v.Value, nil
}

func numberOf(item attributes, name string) (int64, error) {
	v, ok := item[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("%s is no number", name)
	}
	return strconv.ParseInt(v.Value, 10, 64)
}

// timeOf is the zero time where there is none.
func timeOf(item attributes, name string) (time.Time, error) {
	if item[name] == nil {
		return time.Time{}, nil
	}
	v, err := textOf(item, name)
	if err != nil {
		return time.Time{}, err
	}
	return clock.ParseTime(v)
}
