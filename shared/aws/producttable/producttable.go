// Package producttable keeps the rows of the catalogue in a DynamoDB table, one row per SKU. The
// event store writes a row in the transaction that appends the product's event; Mend corrects a
// row.
//
// The table's key is sku (S). A row has rev (N), the version of the stream product/<sku>; status
// (S), listed or withdrawn; and prices (L), a list of maps with amount (N), currency (S) and, for a
// price with a ValidFrom, validFrom (S, RFC 3339 in UTC). outOfStock (S) is there where it is
// another policy than to reject. The index by-status has all rows, by status and sku.
package producttable

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
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
	attrPolicy    = "outOfStock"
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
	item, err := dynamo.Get(ctx, t.api, t.table, key(sku))
	if err != nil {
		return product.Product{}, fmt.Errorf("producttable: read %q: %w", sku, err)
	}
	if len(item) == 0 {
		return product.Product{}, nil
	}
	return decode(item)
}

// Batch implements product.Rows, with one strongly consistent batch read. It asks again for the
// keys that DynamoDB leaves unprocessed, until the deadline is near.
func (t Table) Batch(ctx context.Context, skus []string) ([]product.Product, error) {
	keys := make([]dynamo.Item, len(skus))
	for i, sku := range skus {
		keys[i] = key(sku)
	}
	items, err := dynamo.BatchGet(
		ctx, t.api, t.table, types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(true)},
		backoff.New(pace, t.clock),
	)
	if err != nil {
		return nil, fmt.Errorf("producttable: read %d rows: %w", len(keys), err)
	}
	products := make([]product.Product, len(items))
	for i, item := range items {
		if products[i], err = decode(item); err != nil {
			return nil, err
		}
	}
	return products, nil
}

// List implements product.Rows, with a query of the index for each MB of rows.
func (t Table) List(ctx context.Context, withdrawn bool, after string, limit int) ([]product.Product, error) {
	query := &dynamodb.QueryInput{
		TableName: &t.table, IndexName: aws.String(IndexByStatus),
		Limit:                     aws.Int32(int32(min(limit, maxPage))), //nolint:gosec // at most maxPage
		KeyConditionExpression:    aws.String("#status = :status"),
		ExpressionAttributeNames:  map[string]string{"#status": attrStatus},
		ExpressionAttributeValues: dynamo.Item{":status": dynamo.S(statusOf(withdrawn))},
	}
	if after != "" {
		query.KeyConditionExpression = aws.String("#status = :status AND #sku > :after")
		query.ExpressionAttributeNames["#sku"], query.ExpressionAttributeValues[":after"] = attrSKU, dynamo.S(after)
	}
	var products []product.Product
	for item, err := range dynamo.Query(ctx, t.api, query) {
		if err != nil {
			return nil, fmt.Errorf("producttable: list rows: %w", err)
		}
		p, err := decode(item)
		if err != nil {
			return nil, err
		}
		if products = append(products, p); len(products) == limit {
			break
		}
	}
	return products, nil
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
	met, moved := dynamo.ConditionFailed(err)
	switch {
	case moved, dynamo.Contended(err):
		return conflict(sku, before, met)
	case err != nil:
		return fmt.Errorf("producttable: write %q: %w", sku, dynamo.Failed(err))
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
	if !dynamo.Refused(reasons[0]) {
		return nil
	}
	return conflict(e.product.SKU, e.before, reasons[0].Item)
}

// unknownVersion is a ConflictError's Actual if DynamoDB did not return the row.
const unknownVersion = -1

func conflict(sku string, before int64, met dynamo.Item) error {
	r := dynamo.Read(met)
	actual := r.Number(attrRev)
	if r.Err() != nil {
		actual = unknownVersion
	}
	return &es.ConflictError{Stream: es.NewStreamID(product.Category, sku), Expected: before, Actual: actual}
}

// asBefore is the condition that the row has the version before; 0 stands for no row.
func asBefore(before int64) (condition string, names map[string]string, values dynamo.Item) {
	if before == 0 {
		return "attribute_not_exists(#sku)", map[string]string{"#sku": attrSKU}, nil
	}
	return "#rev = :before", map[string]string{"#rev": attrRev}, dynamo.Item{":before": dynamo.N(before)}
}

func encode(p product.Product) dynamo.Item {
	prices := make([]types.AttributeValue, len(p.Prices))
	for i, price := range p.Prices {
		m := dynamo.Item{attrAmount: dynamo.N(price.Amount), attrCurrency: dynamo.S(price.Currency)}
		if !price.ValidFrom.IsZero() {
			m[attrValidFrom] = dynamo.S(price.ValidFrom.UTC().Format(time.RFC3339Nano))
		}
		prices[i] = dynamo.M(m)
	}
	item := dynamo.Item{
		attrSKU: dynamo.S(p.SKU), attrRev: dynamo.N(p.Version), attrStatus: dynamo.S(statusOf(p.Withdrawn)),
		attrPrices: dynamo.L(prices...),
	}
	if p.OutOfStock != "" {
		item[attrPolicy] = dynamo.S(string(p.OutOfStock))
	}
	return item
}

func decode(item dynamo.Item) (product.Product, error) {
	r := dynamo.Read(item)
	p := product.Product{
		SKU: r.String(attrSKU), Version: r.Number(attrRev), OutOfStock: goods.OutOfStock(r.OptionalString(attrPolicy)),
	}
	switch status := r.String(attrStatus); status {
	case statusListed:
	case statusWithdrawn:
		p.Withdrawn = true
	default:
		r.Failf(attrStatus, "is %q", status)
	}
	r.Maps(attrPrices, func(price *dynamo.Reader) {
		p.Prices = append(p.Prices, product.Price{
			Money:     money.Money{Amount: price.Number(attrAmount), Currency: price.String(attrCurrency)},
			ValidFrom: price.OptionalTime(attrValidFrom),
		})
	})
	if err := r.Err(); err != nil {
		return product.Product{}, fmt.Errorf("%w: producttable: row %q: %w", es.ErrCorrupt, p.SKU, err)
	}
	return p, nil
}

func statusOf(withdrawn bool) string {
	if withdrawn {
		return statusWithdrawn
	}
	return statusListed
}

func key(sku string) dynamo.Item { return dynamo.Item{attrSKU: dynamo.S(sku)} }
