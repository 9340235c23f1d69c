package viewtable

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/customer"
	"orderflow/shared/es"
	"orderflow/shared/order"
	"orderflow/shared/view/customers"
)

// The counters' attributes: one that has no parts, and the prefixes of those by status, reason and currency.
const (
	attrOrders   = "orders"
	prefixStatus = "status_"
	prefixReason = "reason_"
	prefixTotal  = "total_"
)

// Customers is the table as view.Rows of customers' profiles and as customers.Reader. The counters beside the profile are Orders' to write.
type Customers struct {
	api   API
	table string
}

// NewCustomers gives the customers of the table.
func NewCustomers(api API, table string) Customers { return Customers{api: api, table: table} }

// Get implements view.Rows.
func (c Customers) Get(ctx context.Context, id string) (customers.Profile, error) {
	item, err := c.read(ctx, id)
	if err != nil {
		return customers.Profile{}, err
	}
	return profile(item)
}

// Put implements view.Rows.
func (c Customers) Put(ctx context.Context, id string, old, next customers.Profile) error {
	values := map[string]types.AttributeValue{
		":customer": text(id), ":registered": &types.AttributeValueMemberBOOL{Value: next.Registered},
		":at": text(next.RegisteredAt.UTC().Format(keyTime)), ":sequence": number(next.Sequence),
	}
	_, err := c.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &c.table, Key: primaryKey(customerKey(id), skStatistics),
		UpdateExpression:          aws.String("SET customerId = :customer, registered = :registered, registeredAt = :at, profileSequence = :sequence"),
		ConditionExpression:       isSequence("profileSequence", old.Sequence, values),
		ExpressionAttributeValues: values,
	})
	if err != nil {
		return conflict(err, es.NewStreamID(customer.Category, id), old.Sequence)
	}
	return nil
}

// Statistics implements customers.Reader. It reads consistently: what is missing is still on its way to the view.
func (c Customers) Statistics(ctx context.Context, customerID string) (customers.Row, error) {
	item, err := c.read(ctx, customerID)
	if err != nil {
		return customers.Row{}, err
	}
	var row customers.Row
	if row.Profile, err = profile(item); err != nil {
		return customers.Row{}, err
	}
	row.CustomerID = customerID
	row.Counters, err = counters(item)
	return row, err
}

func (c Customers) read(ctx context.Context, id string) (map[string]types.AttributeValue, error) {
	out, err := c.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &c.table, Key: primaryKey(customerKey(id), skStatistics), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("viewtable: read customer %s: %w", id, err)
	}
	return out.Item, nil
}

func profile(item map[string]types.AttributeValue) (customers.Profile, error) {
	r := reader{item: item}
	p := customers.Profile{CustomerID: r.text("customerId"), Sequence: r.number("profileSequence")}
	if registered, ok := item["registered"].(*types.AttributeValueMemberBOOL); ok && registered.Value {
		p.Registered, p.RegisteredAt = true, r.time("registeredAt")
	}
	return p, r.err
}

// counters reads the counters of an item. Its maps are never nil, and hold nothing that counts nothing.
func counters(item map[string]types.AttributeValue) (customers.Counters, error) {
	r := reader{item: item}
	c := customers.Counters{
		Orders: r.number(attrOrders), ByStatus: map[order.Status]int64{}, CancelledByReason: map[order.Reason]int64{}, ConfirmedTotal: map[string]int64{},
	}
	for name := range item {
		if status, ok := strings.CutPrefix(name, prefixStatus); ok {
			set(c.ByStatus, order.Status(status), r.number(name))
		} else if reason, ok := strings.CutPrefix(name, prefixReason); ok {
			set(c.CancelledByReason, order.Reason(reason), r.number(name))
		} else if code, ok := strings.CutPrefix(name, prefixTotal); ok {
			set(c.ConfirmedTotal, code, r.number(name))
		}
	}
	return c, r.err
}

func set[K comparable](m map[K]int64, key K, n int64) {
	if n != 0 {
		m[key] = n
	}
}

// addCounters is the update that adds a difference to a customer's counters. Table and key are the caller's to name.
func addCounters(d customers.Counters) *types.Update {
	amounts := map[string]int64{}
	set(amounts, attrOrders, d.Orders)
	for status, n := range d.ByStatus {
		set(amounts, prefixStatus+string(status), n)
	}
	for reason, n := range d.CancelledByReason {
		set(amounts, prefixReason+string(reason), n)
	}
	for code, n := range d.ConfirmedTotal {
		set(amounts, prefixTotal+code, n)
	}
	u := &types.Update{ExpressionAttributeNames: map[string]string{}, ExpressionAttributeValues: map[string]types.AttributeValue{}}
	parts := make([]string, 0, len(amounts))
	for i, name := range slices.Sorted(maps.Keys(amounts)) {
		n := strconv.Itoa(i)
		u.ExpressionAttributeNames["#c"+n], u.ExpressionAttributeValues[":c"+n] = name, number(amounts[name])
		parts = append(parts, "#c"+n+" :c"+n)
	}
	u.UpdateExpression = aws.String("ADD " + strings.Join(parts, ", "))
	return u
}
