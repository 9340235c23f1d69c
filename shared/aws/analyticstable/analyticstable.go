// Package analyticstable keeps the figures of shared/read/analytics in a DynamoDB table: an
// analytics.Table.
//
//	pk                        sk          item
//	<generation>#order#<id>   order       an analytics.Order: data (JSON) and revision
//	<generation>#day#<month>  <date>      counters: count_<name>
//	<generation>#hour#<date>  <begins>    counters: count_<name>
//	<generation>#sku#<date>   <sku>       pieces
//
// A generation is a set of figures that was counted from nothing. The index best has the items with
// pieces, by pk and pieces, so that what was sold most on a day is read without reading what else
// was sold.
package analyticstable

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"orderflow/shared/kit/clock"
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

type attributes = map[string]types.AttributeValue

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

func key(pk, sk string) attributes { return attributes{attrPK: text(pk), attrSK: text(sk)} }

func (t Table) orderKey(id string) attributes { return key(t.partition(skOrder, id), skOrder) }

// rowKey is a row's key, and where its counters stand.
func (t Table) rowKey(r analytics.Row) (item attributes, prefix string) {
	switch r.Kind {
	case analytics.KindDay:
		return key(t.partition("day", r.Date.Month()), string(r.Date)), prefixCount
	case analytics.KindHour:
		return key(t.partition("hour", string(r.Date)), r.Hour.UTC().Format(time.RFC3339)), prefixCount
	case analytics.KindSKU:
		return key(t.partition("sku", string(r.Date)), r.SKU), ""
	}
	panic(fmt.Sprintf("analyticstable: no row is a %q", r.Kind))
}

// Orders implements analytics.Table with one consistent batch read of at most 100 orders. It is an
// es.ErrUnavailable where DynamoDB is too busy to read all.
func (t Table) Orders(ctx context.Context, ids []string) (map[string]analytics.Order, error) {
	keys := make([]attributes, len(ids))
	for i, id := range ids {
		keys[i] = t.orderKey(id)
	}
	out, err := t.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		t.table: {Keys: keys, ConsistentRead: aws.Bool(true)},
	}})
	if err != nil {
		return nil, failed(fmt.Sprintf("read %d orders", len(ids)), err)
	}
	if left := len(out.UnprocessedKeys[t.table].Keys); left > 0 {
		return nil, fmt.Errorf(
			"analyticstable: read %d orders: %w: DynamoDB has left out %d", len(ids), es.ErrUnavailable, left,
		)
	}
	orders := map[string]analytics.Order{}
	for _, item := range out.Responses[t.table] {
		o, err := t.orderOf(item)
		if err != nil {
			return nil, err
		}
		orders[o.ID] = o
	}
	return orders, nil
}

func (t Table) orderOf(item attributes) (o analytics.Order, err error) {
	pk, _ := textOf(item, attrPK)
	id, ok := strings.CutPrefix(pk, t.partition(skOrder, ""))
	data, isText := textOf(item, attrData)
	revision, err := numberOf(item, attrRevision)
	if err == nil && (!ok || !isText) {
		err = errors.New("its key or its data is none of ours")
	}
	if err == nil {
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
		put.Item[attrData], put.Item[attrRevision] = text(string(data)), number(o.Revision+1)
		if o.Revision > 0 {
			put.ConditionExpression = aws.String("#revision = :revision")
			put.ExpressionAttributeNames = map[string]string{"#revision": attrRevision}
			put.ExpressionAttributeValues = attributes{":revision": number(o.Revision)}
		}
		writes = append(writes, types.TransactWriteItem{Put: put})
	}
	for _, a := range additions {
		item, prefix := t.rowKey(a.Row)
		u := &types.Update{
			TableName: &t.table, Key: item, ExpressionAttributeNames: map[string]string{},
			ExpressionAttributeValues: attributes{},
		}
		var adds []string
		for i, name := range slices.Sorted(maps.Keys(a.Counters)) {
			n := strconv.Itoa(i)
			u.ExpressionAttributeNames["#c"+n], u.ExpressionAttributeValues[":c"+n] = prefix+name,
				number(a.Counters[name])
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
	case contended(err):
		return fmt.Errorf(
			"analyticstable: write %d orders and %d rows: %w: %w", len(orders), len(additions), es.ErrConflict, err,
		)
	}
	return failed(fmt.Sprintf("write %d orders and %d rows", len(orders), len(additions)), err)
}

// failed wraps an error of the service, and marks one that may pass: a throttle of the whole
// request, a fault of the service, an answer that breaks off, which the SDK takes for final.
func failed(what string, err error) error {
	var unreadable *smithy.DeserializationError
	broken := errors.As(err, &unreadable) && !errors.Is(err, context.Canceled)
	if broken || retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary {
		return fmt.Errorf("analyticstable: %s: %w: %w", what, es.ErrUnavailable, err)
	}
	return fmt.Errorf("analyticstable: %s: %w", what, err)
}

// contended says whether each reason that a transaction was cancelled for is gone in a moment:
// another transaction on an item, a revision that has moved on, a throttle.
func contended(err error) bool {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || len(cancelled.CancellationReasons) == 0 {
		return false
	}
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "", "None", "ConditionalCheckFailed", "TransactionConflict", "ThrottlingError",
			"ProvisionedThroughputExceeded":
		default:
			return false
		}
	}
	return true
}

// Days implements analytics.Table with one query a month.
func (t Table) Days(ctx context.Context, from, to analytics.Date) (map[analytics.Date]analytics.Counters, error) {
	days := map[analytics.Date]analytics.Counters{}
	firstOf := func(d analytics.Date) analytics.Date { return analytics.Date(d.Month() + "-01") }
	for first := firstOf(from); first <= to; first = firstOf(first.Add(31)) {
		in := &dynamodb.QueryInput{
			TableName: &t.table, ConsistentRead: aws.Bool(true),
			KeyConditionExpression: aws.String(attrPK + " = :pk AND " + attrSK + " BETWEEN :from AND :to"),
			ExpressionAttributeValues: attributes{
				":pk": text(t.partition("day", first.Month())), ":from": text(string(from)), ":to": text(string(to)),
			},
		}
		for item, err := range t.query(ctx, in) {
			if err != nil {
				return nil, fmt.Errorf("analyticstable: days of %s: %w", first.Month(), err)
			}
			date, _ := textOf(item, attrSK)
			if days[analytics.Date(date)], err = countersOf(item); err != nil {
				return nil, err
			}
		}
	}
	return days, nil
}

// Hours implements analytics.Table with one query.
func (t Table) Hours(ctx context.Context, day analytics.Date) (map[time.Time]analytics.Counters, error) {
	hours := map[time.Time]analytics.Counters{}
	in := &dynamodb.QueryInput{
		TableName: &t.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String(attrPK + " = :pk"),
		ExpressionAttributeValues: attributes{":pk": text(t.partition("hour", string(day)))},
	}
	for item, err := range t.query(ctx, in) {
		if err != nil {
			return nil, fmt.Errorf("analyticstable: hours of %s: %w", day, err)
		}
		begins, _ := textOf(item, attrSK)
		at, err := clock.ParseTime(begins)
		if err != nil {
			return nil, fmt.Errorf("%w: analyticstable: an hour of %s: %w", es.ErrCorrupt, day, err)
		}
		if hours[at], err = countersOf(item); err != nil {
			return nil, err
		}
	}
	return hours, nil
}

// Best implements analytics.Table with one query of the index, of analytics.BestRead entries at
// most.
func (t Table) Best(ctx context.Context, day analytics.Date, n int) ([]analytics.SKU, error) {
	in := &dynamodb.QueryInput{
		TableName: &t.table, IndexName: aws.String(IndexBest), KeyConditionExpression: aws.String(attrPK + " = :pk"),
		ScanIndexForward:          aws.Bool(false),
		ExpressionAttributeValues: attributes{":pk": text(t.partition("sku", string(day)))},
		Limit:                     aws.Int32(analytics.BestRead),
	}
	best := []analytics.SKU{}
	for item, err := range t.query(ctx, in) {
		if err != nil {
			return nil, fmt.Errorf("analyticstable: SKUs of %s: %w", day, err)
		}
		sku, _ := textOf(item, attrSK)
		pieces, err := numberOf(item, attrPieces)
		if err != nil {
			return nil, fmt.Errorf("%w: analyticstable: SKU %q of %s: %w", es.ErrCorrupt, sku, day, err)
		}
		if best = append(best, analytics.SKU{SKU: sku, Pieces: pieces}); len(best) == analytics.BestRead {
			break
		}
	}
	slices.SortFunc(best, func(a, b analytics.SKU) int {
		return cmp.Or(cmp.Compare(b.Pieces, a.Pieces), cmp.Compare(a.SKU, b.SKU))
	})
	return best[:min(n, len(best))], nil
}

// query gives the items of a query, page by page as the caller goes on.
func (t Table) query(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[attributes, error] {
	return func(yield func(attributes, error) bool) {
		for {
			out, err := t.api.Query(ctx, in)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range out.Items {
				if !yield(item, nil) {
					return
				}
			}
			if len(out.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

func countersOf(item attributes) (analytics.Counters, error) {
	counters := analytics.Counters{}
	for attribute := range item {
		name, ok := strings.CutPrefix(attribute, prefixCount)
		if !ok {
			continue
		}
		n, err := numberOf(item, attribute)
		if err != nil {
			pk, _ := textOf(item, attrPK)
			return nil, fmt.Errorf("%w: analyticstable: item %s: %w", es.ErrCorrupt, pk, err)
		}
		counters[name] = n
	}
	return counters, nil
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func textOf(item attributes, name string) (string, bool) {
	v, ok := item[name].(*types.AttributeValueMemberS)
	if !ok {
		return "", false
	}
	return v.Value, true
}

func numberOf(item attributes, name string) (int64, error) {
	v, ok := item[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("%s is no number", name)
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is no whole number of 64 bits: %w", name, err)
	}
	return n, nil
}
