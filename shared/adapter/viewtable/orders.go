package viewtable

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/es"
	"orderflow/shared/money"
	"orderflow/shared/order"
	"orderflow/shared/view/customers"
	"orderflow/shared/view/orders"
)

// Orders is the table as view.Rows of orders, as orders.Reader, and as what the sweep looks through.
type Orders struct {
	api   API
	table string
}

// NewOrders gives the orders of the table.
func NewOrders(api API, table string) Orders { return Orders{api: api, table: table} }

// Get implements view.Rows.
func (o Orders) Get(ctx context.Context, id string) (orders.Row, error) {
	out, err := o.api.GetItem(ctx, &dynamodb.GetItemInput{TableName: &o.table, Key: primaryKey(orderKey(id), skRow), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return orders.Row{}, fmt.Errorf("viewtable: read order %s: %w", id, err)
	}
	return orderRow(out.Item)
}

// Put implements view.Rows: the customer's counters change with the row. A row that changes no counter needs no transaction.
func (o Orders) Put(ctx context.Context, id string, old, next orders.Row) error {
	stream := es.NewStreamID(order.Category, id)
	put := types.Put{TableName: &o.table, Item: orderItem(id, next), ExpressionAttributeValues: map[string]types.AttributeValue{}}
	put.ConditionExpression = isSequence("orderSequence", old.Sequence, put.ExpressionAttributeValues)
	if len(put.ExpressionAttributeValues) == 0 {
		put.ExpressionAttributeValues = nil
	}
	delta := customers.Delta(old, next)
	if delta.IsZero() {
		if _, err := o.api.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression, ExpressionAttributeValues: put.ExpressionAttributeValues,
		}); err != nil {
			return conflict(err, stream, old.Sequence)
		}
		return nil
	}
	count := addCounters(delta)
	count.TableName, count.Key = &o.table, primaryKey(customerKey(next.CustomerID), skStatistics)
	if _, err := o.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: []types.TransactWriteItem{{Put: &put}, {Update: count}},
	}); err != nil {
		return conflict(err, stream, old.Sequence)
	}
	return nil
}

// List implements orders.Reader.
func (o Orders) List(ctx context.Context, customerID string, q orders.Query) (orders.Page, error) {
	limit, from, err := q.Check(customerID)
	if err != nil {
		return orders.Page{}, err
	}
	index, attribute, partition := IndexByCustomer, attrGSI1PK, customerKey(customerID)
	if q.Status != "" {
		index, attribute, partition = IndexByCustomerStatus, attrGSI2PK, statusKey(customerID, q.Status)
	}
	condition, values := attribute+" = :partition", map[string]types.AttributeValue{":partition": text(partition)}
	if from != (orders.Position{}) {
		// A condition and not ExclusiveStartKey: the order at the page's end may have left the list since.
		condition += " AND " + attrGSI1SK + " < :from"
		values[":from"] = text(timeKey(from.PlacedAt, from.OrderID))
	}
	var rows []orders.Row
	for item, err := range o.query(ctx, &dynamodb.QueryInput{
		TableName: &o.table, IndexName: &index, KeyConditionExpression: &condition, ExpressionAttributeValues: values,
		ScanIndexForward: aws.Bool(false), Limit: aws.Int32(int32(limit) + 1), //nolint:gosec // Check bounds the limit
	}) {
		if err != nil {
			return orders.Page{}, fmt.Errorf("viewtable: list orders of customer %s: %w", customerID, err)
		}
		row, err := orderRow(item)
		if err != nil {
			return orders.Page{}, err
		}
		if rows = append(rows, row); len(rows) > limit {
			break
		}
	}
	return q.NewPage(customerID, limit, rows), nil
}

// The partitions of the index open.
const (
	standingOpen   = "open"
	standingFailed = "failed"
)

// Open gives the ids of the orders on which the saga is not through and which nothing has changed since before, the longest unchanged first. It reads as
// the caller goes on. The index lags, so the order itself may have moved on.
func (o Orders) Open(ctx context.Context, before time.Time) iter.Seq2[string, error] {
	return o.standing(ctx, standingOpen, before)
}

// Failed gives the ids of the orders whose undo has failed, the longest unchanged first, like Open.
func (o Orders) Failed(ctx context.Context, before time.Time) iter.Seq2[string, error] {
	return o.standing(ctx, standingFailed, before)
}

func (o Orders) standing(ctx context.Context, partition string, before time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for item, err := range o.query(ctx, &dynamodb.QueryInput{
			TableName: &o.table, IndexName: aws.String(IndexOpen),
			KeyConditionExpression: aws.String(attrGSI3PK + " = :partition AND " + attrGSI3SK + " < :before"),
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":partition": text(partition), ":before": text(before.UTC().Format(keyTime)),
			},
			ProjectionExpression: aws.String(attrPK),
		}) {
			if err != nil {
				yield("", fmt.Errorf("viewtable: look through %s orders: %w", partition, err))
				return
			}
			r := reader{item: item}
			id, ok := strings.CutPrefix(r.text(attrPK), orderKey(""))
			if r.err == nil && !ok {
				r.err = fmt.Errorf("viewtable: %s orders: %q is no order's key", partition, r.text(attrPK))
			}
			if !yield(id, r.err) {
				return
			}
		}
	}
}

// query gives the items of a query, page by page as the caller goes on.
func (o Orders) query(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[map[string]types.AttributeValue, error] {
	return func(yield func(map[string]types.AttributeValue, error) bool) {
		for {
			out, err := o.api.Query(ctx, in)
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

func statusKey(customerID string, s order.Status) string {
	return customerKey(customerID) + "#" + string(s)
}

// standing is the partition of the index open that a row is in, "" for none.
func standing(r orders.Row) string {
	switch {
	case r.Status == "" || r.Status.Final():
		return ""
	case r.Saga.State == order.SagaFailed:
		return standingFailed
	}
	return standingOpen
}

func orderItem(id string, r orders.Row) map[string]types.AttributeValue {
	item := primaryKey(orderKey(id), skRow)
	maps.Copy(item, map[string]types.AttributeValue{
		"orderId": text(r.OrderID), "customerId": text(r.CustomerID), "status": text(string(r.Status)),
		"sagaId": text(r.Saga.ID), "sagaState": text(string(r.Saga.State)),
		"totalAmount": number(r.Total.Amount), "totalCurrency": text(r.Total.Currency), "lineCount": number(int64(r.LineCount)),
		"placedAt": text(r.PlacedAt.UTC().Format(keyTime)), "updatedAt": text(r.UpdatedAt.UTC().Format(keyTime)),
		"reason": text(string(r.Reason)), "paymentId": text(r.PaymentID), "trackingNumber": text(r.TrackingNumber),
		"orderSequence": number(r.Sequence),
		attrGSI1PK:      text(customerKey(r.CustomerID)), attrGSI1SK: text(timeKey(r.PlacedAt, id)), attrGSI2PK: text(statusKey(r.CustomerID, r.Status)),
	})
	if partition := standing(r); partition != "" {
		item[attrGSI3PK], item[attrGSI3SK] = text(partition), text(timeKey(r.UpdatedAt, id))
	}
	return item
}

func orderRow(item map[string]types.AttributeValue) (orders.Row, error) {
	if len(item) == 0 {
		return orders.Row{}, nil
	}
	r := reader{item: item}
	row := orders.Row{
		OrderID: r.text("orderId"), CustomerID: r.text("customerId"), Status: order.Status(r.text("status")),
		Saga:      orders.Saga{ID: r.text("sagaId"), State: order.SagaState(r.text("sagaState"))},
		Total:     money.Money{Amount: r.number("totalAmount"), Currency: r.text("totalCurrency")},
		LineCount: int(r.number("lineCount")), PlacedAt: r.time("placedAt"), UpdatedAt: r.time("updatedAt"),
		Reason: order.Reason(r.text("reason")), PaymentID: r.text("paymentId"), TrackingNumber: r.text("trackingNumber"), Sequence: r.number("orderSequence"),
	}
	return row, r.err
}
