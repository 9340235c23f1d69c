// Package shippingtable keeps what shipping knows of orders in a DynamoDB table of its own: a
// shipment.Copies.
//
// The table's key is order (S). A row has of the copy: sequence (N), status (S), revision (N),
// customer (S), lines (S, JSON) and address (S, ciphertext), and of the confirmation: confirmed
// (N), the order's sequence, and shipment (S). Either part may be missing. Each write is one
// UpdateItem whose answer is the row as it is then.
package shippingtable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

// API is what the table needs of a DynamoDB client.
type API interface {
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
}

// Table is a shipment.Copies. It is safe for concurrent use.
type Table struct {
	api  API
	name string
}

// New makes copies in an existing table. How often a failed request is sent again is up to the
// client.
func New(api API, table string) Table { return Table{api: api, name: table} }

var _ shipment.Copies = Table{}

type attributes = map[string]types.AttributeValue

// Put implements shipment.Copies.
func (t Table) Put(ctx context.Context, c shipment.Copy) (known shipment.Known, fresh bool, err error) {
	lines, err := json.Marshal(c.Lines)
	if err != nil {
		return shipment.Known{}, false, fmt.Errorf("shippingtable: encode lines: %w", err)
	}
	row, fresh, err := t.update(ctx, &dynamodb.UpdateItemInput{
		Key: attributes{"order": text(c.OrderID)},
		UpdateExpression: aws.String("SET #sequence = :sequence, #status = :status, #revision = :revision, " +
			"#customer = :customer, #lines = :lines, " +
			"#address = :address"),
		ConditionExpression: aws.String("attribute_not_exists(#sequence) OR #sequence < :sequence"),
		ExpressionAttributeNames: map[string]string{
			"#sequence": "sequence", "#status": "status", "#revision": "revision", "#customer": "customer",
			"#lines": "lines", "#address": "address",
		},
		ExpressionAttributeValues: attributes{
			":sequence": number(c.Sequence), ":status": text(c.Status), ":revision": number(c.Revision),
			":customer": text(c.CustomerID),
			":lines":    text(string(lines)), ":address": text(string(c.Address)),
		},
	})
	if err != nil {
		return shipment.Known{}, false, err
	}
	known, err = knownOf(c.OrderID, row)
	return known, fresh, err
}

// Confirm implements shipment.Copies.
func (t Table) Confirm(ctx context.Context, c shipment.Confirmation) (shipment.Known, error) {
	row, _, err := t.update(ctx, &dynamodb.UpdateItemInput{
		Key:                       attributes{"order": text(c.OrderID)},
		UpdateExpression:          aws.String("SET #confirmed = :confirmed, #shipment = :shipment"),
		ConditionExpression:       aws.String("attribute_not_exists(#confirmed) OR #confirmed < :confirmed"),
		ExpressionAttributeNames:  map[string]string{"#confirmed": "confirmed", "#shipment": "shipment"},
		ExpressionAttributeValues: attributes{":confirmed": number(c.Sequence), ":shipment": text(c.ShipmentID)},
	})
	if err != nil {
		return shipment.Known{}, err
	}
	return knownOf(c.OrderID, row)
}

// update gives the row after the update, or where its condition refused it the row as it was.
func (t Table) update(ctx context.Context, in *dynamodb.UpdateItemInput) (row attributes, updated bool, err error) {
	in.TableName = &t.name
	in.ReturnValues = types.ReturnValueAllNew
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	out, err := t.api.UpdateItem(ctx, in)
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused):
		return refused.Item, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("shippingtable: %w", err)
	}
	return out.Attributes, true, nil
}

func knownOf(orderID string, row attributes) (shipment.Known, error) {
	var known shipment.Known
	var errs []error
	if _, there := row["sequence"]; there {
		c := &known.Copy
		*c = shipment.Copy{
			OrderID: orderID, Sequence: numberOf(row, "sequence", &errs), Status: textOf(row, "status", &errs),
			Revision:   numberOf(row, "revision", &errs),
			CustomerID: textOf(row, "customer", &errs), Address: personal.Sealed(textOf(row, "address", &errs)),
		}
		if err := json.Unmarshal([]byte(textOf(row, "lines", &errs)), &c.Lines); err != nil {
			errs = append(errs, err)
		}
	}
	if _, there := row["confirmed"]; there {
		known.Confirmation = shipment.Confirmation{
			OrderID: orderID, Sequence: numberOf(row, "confirmed", &errs), ShipmentID: textOf(row, "shipment", &errs),
		}
	}
	if err := errors.Join(errs...); err != nil {
		return shipment.Known{}, fmt.Errorf("shippingtable: row of order %s: %w", orderID, err)
	}
	return known, nil
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func textOf(row attributes, name string, errs *[]error) string {
	v, ok := row[name].(*types.AttributeValueMemberS)
	if !ok {
		*errs = append(*errs, fmt.Errorf("%s is no text", name))
		return ""
	}
	return v.Value
}

func numberOf(row attributes, name string, errs *[]error) int64 {
	v, ok := row[name].(*types.AttributeValueMemberN)
	if !ok {
		*errs = append(*errs, fmt.Errorf("%s is no number", name))
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		*errs = append(*errs, fmt.Errorf("%s: %w", name, err))
	}
	return n
}
