// Package analyticstable keeps the figures of shared/read/analytics in a DynamoDB table: an
// analytics.Table.
//
//	pk                        sk          item
//	<generation>#order#<id>   order       an analytics.Order: data (JSON) and revision
//	<generation>#hour#<date>  <begins>    counters: count_<name>; short where an hour has many:
//	                                      s.<sku> pieces, m<minute> orders, t<milliseconds> times
//	<generation>#sku#<date>   <sku>       pieces
//
// A generation is a set of figures that was counted from nothing. The index best has the items with
// pieces, by pk and pieces, so that what was sold most on a day is read without reading what else
// was sold. Items of days, <generation>#day#<month>, are of releases that kept them beside the
// hours; nobody reads them.
package analyticstable

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/analytics"
)

// API is what the table needs of the DynamoDB client.
type API interface {
	BatchGetItem(
		context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(
		context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
	) (*dynamodb.TransactWriteItemsOutput, error)
}

// IndexBest is the index of SKUs by pieces.
const IndexBest = "best"

const (
	attrPK       = "pk"
	attrSK       = "sk"
	attrData     = "data"
	attrRevision = "revision"
	attrPieces   = "pieces"
	prefixCount  = "count_"
	skOrder      = "order"
)

// short are the attributes of counters that an hour has many of, by how the counters begin.
// Releases before wrote pieces as count_sold.<sku>; both are added up.
func short() map[string]string {
	return map[string]string{analytics.PrefixSold: "s.", analytics.PrefixMinute: "m", analytics.PrefixTook: "t"}
}

// attributeOf is where an hour's row has a counter.
func attributeOf(counter string) string {
	for prefix, attribute := range short() {
		if rest, ok := strings.CutPrefix(counter, prefix); ok {
			return attribute + rest
		}
	}
	return prefixCount + counter
}

// counterOf is the counter that an attribute of an hour's row is; ok is false for one that is none.
func counterOf(attribute string) (counter string, ok bool) {
	if counter, ok = strings.CutPrefix(attribute, prefixCount); ok {
		return counter, true
	}
	for prefix, begins := range short() {
		if rest, ok := strings.CutPrefix(attribute, begins); ok {
			return prefix + rest, true
		}
	}
	return "", false
}

// Table is an analytics.Table. It is safe for concurrent use.
type Table struct {
	api        API
	table      string
	generation string
}

var _ analytics.Table = Table{}

// New gives the figures of one generation in an existing table. How often a failed request is sent
// again is up to the client.
func New(api API, table, generation string) Table {
	return Table{api: api, table: table, generation: generation}
}

func (t Table) partition(kind, name string) string { return t.generation + "#" + kind + "#" + name }

func key(pk, sk string) dynamo.Item {
	return dynamo.Item{attrPK: dynamo.S(pk), attrSK: dynamo.S(sk)}
}

func (t Table) orderKey(id string) dynamo.Item { return key(t.partition(skOrder, id), skOrder) }

// rowKey is a row's key.
func (t Table) rowKey(r analytics.Row) dynamo.Item {
	switch r.Kind {
	case analytics.KindHour:
		return key(t.partition("hour", string(r.Date)), r.Hour.UTC().Format(time.RFC3339))
	case analytics.KindSKU:
		return key(t.partition("sku", string(r.Date)), r.SKU)
	}
	panic(fmt.Sprintf("analyticstable: no row is a %q", r.Kind))
}

// Read implements analytics.Table with one consistent batch read. It is an es.ErrUnavailable where
// DynamoDB is too busy to read all.
func (t Table) Read(ctx context.Context, ids []string, hours []analytics.Row) (
	map[string]analytics.Order, map[analytics.Row]analytics.Counters, error,
) {
	var keys []dynamo.Item
	for _, id := range ids {
		keys = append(keys, t.orderKey(id))
	}
	rows, rowAt := map[analytics.Row]analytics.Counters{}, map[string]analytics.Row{}
	for _, r := range hours {
		item := t.rowKey(r)
		keys, rows[r], rowAt[place(item)] = append(keys, item), nil, r
	}
	items, err := dynamo.BatchGet(
		ctx, t.api, t.table, types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(true)}, nil,
	)
	if err != nil {
		return nil, nil, fmt.Errorf("analyticstable: read %d orders and %d hours: %w", len(ids), len(hours), err)
	}
	orders := map[string]analytics.Order{}
	for _, item := range items {
		if r, ok := rowAt[place(item)]; ok {
			if rows[r], err = countersOf(item); err != nil {
				return nil, nil, err
			}
			continue
		}
		o, err := t.orderOf(item)
		if err != nil {
			return nil, nil, err
		}
		orders[o.ID] = o
	}
	return orders, rows, nil
}

// place is an item's key as one text.
func place(item dynamo.Item) string {
	r := dynamo.Read(item)
	return r.OptionalString(attrPK) + " " + r.OptionalString(attrSK)
}

func (t Table) orderOf(item dynamo.Item) (o analytics.Order, err error) {
	r := dynamo.Read(item)
	pk, data, revision := r.String(attrPK), r.String(attrData), r.Number(attrRevision)
	id, ok := strings.CutPrefix(pk, t.partition(skOrder, ""))
	if !ok {
		r.Failf(attrPK, "is no order's of generation %s", t.generation)
	}
	if err = r.Err(); err == nil {
		err = json.Unmarshal([]byte(data), &o)
	}
	if err != nil {
		return o, fmt.Errorf("%w: analyticstable: item %s: %w", es.ErrCorrupt, pk, err)
	}
	o.ID, o.Revision = id, revision
	return o, nil
}

// Write implements analytics.Table with one transaction.
func (t Table) Write(ctx context.Context, orders []analytics.Order, additions []analytics.Addition) error {
	writes := make([]types.TransactWriteItem, 0, len(orders)+len(additions))
	for _, o := range orders {
		data, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("analyticstable: order %s: %w", o.ID, err)
		}
		put := &types.Put{
			TableName: &t.table, Item: t.orderKey(o.ID),
			ConditionExpression: aws.String("attribute_not_exists(" + attrPK + ")"),
		}
		put.Item[attrData], put.Item[attrRevision] = dynamo.S(string(data)), dynamo.N(o.Revision+1)
		if o.Revision > 0 {
			put.ConditionExpression = aws.String("#revision = :revision")
			put.ExpressionAttributeNames = map[string]string{"#revision": attrRevision}
			put.ExpressionAttributeValues = dynamo.Item{":revision": dynamo.N(o.Revision)}
		}
		writes = append(writes, types.TransactWriteItem{Put: put})
	}
	for _, a := range additions {
		u := &types.Update{
			TableName: &t.table, Key: t.rowKey(a.Row), ExpressionAttributeNames: map[string]string{},
			ExpressionAttributeValues: dynamo.Item{},
		}
		var adds []string
		for i, name := range slices.Sorted(maps.Keys(a.Counters)) {
			n := strconv.Itoa(i)
			attribute := name // CounterPieces
			if a.Row.Kind == analytics.KindHour {
				attribute = attributeOf(name)
			}
			u.ExpressionAttributeNames["#c"+n], u.ExpressionAttributeValues[":c"+n] = attribute,
				dynamo.N(a.Counters[name])
			adds = append(adds, "#c"+n+" :c"+n)
		}
		u.UpdateExpression = aws.String("ADD " + strings.Join(adds, ", "))
		writes = append(writes, types.TransactWriteItem{Update: u})
	}
	// The SDK gives each call a token, by which a request that is sent again after its answer was
	// lost is known. The next call of ours has another one, and meets the orders at their next
	// revision: the caller reads that they are.
	_, err := t.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	switch {
	case err == nil:
		return nil
	case dynamo.CancelledFor(err, passing...):
		err = fmt.Errorf("%w: %w", es.ErrConflict, err)
	default:
		err = dynamo.Failed(err)
	}
	return fmt.Errorf("analyticstable: write %d orders and %d rows: %w", len(orders), len(additions), err)
}

// passing are the reasons for a cancelled transaction that are gone in a moment: another
// transaction on an item, a revision that has moved on, a throttle.
var passing = []string{
	dynamo.ReasonCondition, dynamo.ReasonConflict, dynamo.ReasonThrottling, dynamo.ReasonThroughput,
}

// Hours implements analytics.Table with one query.
func (t Table) Hours(ctx context.Context, day analytics.Date) (map[time.Time]analytics.Counters, error) {
	hours := map[time.Time]analytics.Counters{}
	in := &dynamodb.QueryInput{
		TableName: &t.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String(attrPK + " = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(t.partition("hour", string(day)))},
	}
	for item, err := range dynamo.Query(ctx, t.api, in) {
		if err != nil {
			return nil, fmt.Errorf("analyticstable: hours of %s: %w", day, err)
		}
		r := dynamo.Read(item)
		at := r.Time(attrSK)
		if err := r.Err(); err != nil {
			return nil, fmt.Errorf("%w: analyticstable: an hour of %s: %w", es.ErrCorrupt, day, err)
		}
		if hours[at], err = countersOf(item); err != nil {
			return nil, err
		}
	}
	return hours, nil
}

// Best implements analytics.Table with one query of the index.
func (t Table) Best(ctx context.Context, day analytics.Date) ([]analytics.SKU, error) {
	in := &dynamodb.QueryInput{
		TableName: &t.table, IndexName: aws.String(IndexBest), KeyConditionExpression: aws.String(attrPK + " = :pk"),
		ScanIndexForward:          aws.Bool(false),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(t.partition("sku", string(day)))},
		Limit:                     aws.Int32(analytics.BestRead),
	}
	best := []analytics.SKU{}
	for item, err := range dynamo.Query(ctx, t.api, in) {
		if err != nil {
			return nil, fmt.Errorf("analyticstable: SKUs of %s: %w", day, err)
		}
		sku, err := skuOf(item)
		if err != nil {
			return nil, err
		}
		if best = append(best, sku); len(best) == analytics.BestRead {
			break
		}
	}
	return best, nil
}

// Pieces implements analytics.Table with a batch read for each hundred SKUs.
func (t Table) Pieces(ctx context.Context, day analytics.Date, skus []string) (map[string]int64, error) {
	pieces := map[string]int64{}
	for chunk := range slices.Chunk(skus, dynamo.MaxBatch) {
		keys := make([]dynamo.Item, len(chunk))
		for i, sku := range chunk {
			keys[i] = t.rowKey(analytics.Row{Kind: analytics.KindSKU, Date: day, SKU: sku})
		}
		items, err := dynamo.BatchGet(ctx, t.api, t.table, types.KeysAndAttributes{Keys: keys}, nil)
		if err != nil {
			return nil, fmt.Errorf("analyticstable: %d SKUs of %s: %w", len(chunk), day, err)
		}
		for _, item := range items {
			sku, err := skuOf(item)
			if err != nil {
				return nil, err
			}
			pieces[sku.SKU] = sku.Pieces
		}
	}
	return pieces, nil
}

func skuOf(item dynamo.Item) (analytics.SKU, error) {
	r := dynamo.Read(item)
	sku := analytics.SKU{SKU: r.String(attrSK), Pieces: r.Number(attrPieces)}
	if err := r.Err(); err != nil {
		return sku, fmt.Errorf("%w: analyticstable: item %s: %w", es.ErrCorrupt, place(item), err)
	}
	return sku, nil
}

func countersOf(item dynamo.Item) (analytics.Counters, error) {
	r := dynamo.Read(item)
	counters := analytics.Counters{}
	for attribute := range item {
		if name, ok := counterOf(attribute); ok {
			counters[name] += r.Number(attribute)
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf(
			"%w: analyticstable: item %s: %w", es.ErrCorrupt, dynamo.Read(item).OptionalString(attrPK), err,
		)
	}
	return counters, nil
}
