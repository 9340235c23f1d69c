// Package shippingtable keeps what shipping knows of orders in a DynamoDB table of its own: a
// shipment.Copies.
//
// The table's key is order (S). A row has of the copy: sequence (N), status (S), revision (N),
// customer (S), lines (S, JSON), address (S, ciphertext) and, of a confirmed order, shipmentId (S),
// which rows of earlier releases lack; and of a confirmation: confirmed (N), the order's sequence,
// and shipment (S). Either part may be missing. Each write is one UpdateItem whose answer is the
// row as it is then.
package shippingtable

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
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

// Put implements shipment.Copies.
func (t Table) Put(ctx context.Context, c shipment.Copy) (known shipment.Known, fresh bool, err error) {
	lines, err := json.Marshal(c.Lines)
	if err != nil {
		return shipment.Known{}, false, fmt.Errorf("shippingtable: encode lines: %w", err)
	}
	in := &dynamodb.UpdateItemInput{
		Key: dynamo.Item{"order": dynamo.S(c.OrderID)},
		UpdateExpression: aws.String("SET #sequence = :sequence, #status = :status, #revision = :revision, " +
			"#customer = :customer, #lines = :lines, #address = :address"),
		ConditionExpression: aws.String("attribute_not_exists(#sequence) OR #sequence < :sequence"),
		ExpressionAttributeNames: map[string]string{
			"#sequence": "sequence", "#status": "status", "#revision": "revision", "#customer": "customer",
			"#lines": "lines", "#address": "address",
		},
		ExpressionAttributeValues: dynamo.Item{
			":sequence": dynamo.N(c.Sequence), ":status": dynamo.S(c.Status), ":revision": dynamo.N(c.Revision),
			":customer": dynamo.S(c.CustomerID),
			":lines":    dynamo.S(string(lines)), ":address": dynamo.S(string(c.Address)),
		},
	}
	if c.ShipmentID != "" {
		*in.UpdateExpression += ", #shipmentId = :shipmentId"
		*in.ConditionExpression += " OR #sequence = :sequence AND attribute_not_exists(#shipmentId)"
		in.ExpressionAttributeNames["#shipmentId"] = "shipmentId"
		in.ExpressionAttributeValues[":shipmentId"] = dynamo.S(c.ShipmentID)
	}
	row, fresh, err := t.update(ctx, in)
	if err != nil {
		return shipment.Known{}, false, err
	}
	known, err = knownOf(c.OrderID, row)
	return known, fresh, err
}

// Confirm implements shipment.Copies.
func (t Table) Confirm(ctx context.Context, c shipment.Confirmation) (shipment.Known, error) {
	row, _, err := t.update(ctx, &dynamodb.UpdateItemInput{
		Key:                       dynamo.Item{"order": dynamo.S(c.OrderID)},
		UpdateExpression:          aws.String("SET #confirmed = :confirmed, #shipment = :shipment"),
		ConditionExpression:       aws.String("attribute_not_exists(#confirmed) OR #confirmed < :confirmed"),
		ExpressionAttributeNames:  map[string]string{"#confirmed": "confirmed", "#shipment": "shipment"},
		ExpressionAttributeValues: dynamo.Item{":confirmed": dynamo.N(c.Sequence), ":shipment": dynamo.S(c.ShipmentID)},
	})
	if err != nil {
		return shipment.Known{}, err
	}
	return knownOf(c.OrderID, row)
}

// update gives the row after the update, or where its condition refused it the row as it was.
func (t Table) update(ctx context.Context, in *dynamodb.UpdateItemInput) (row dynamo.Item, updated bool, err error) {
	in.TableName = &t.name
	in.ReturnValues = types.ReturnValueAllNew
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	out, err := t.api.UpdateItem(ctx, in)
	if met, refused := dynamo.ConditionFailed(err); refused {
		return met, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("shippingtable: %w", dynamo.Failed(err))
	}
	return out.Attributes, true, nil
}

func knownOf(orderID string, row dynamo.Item) (shipment.Known, error) {
	var known shipment.Known
	r := dynamo.Read(row)
	if r.Has("sequence") {
		c := &known.Copy
		*c = shipment.Copy{
			OrderID: orderID, Sequence: r.Number("sequence"), Status: r.String("status"),
			Revision:   r.Number("revision"),
			CustomerID: r.String("customer"), Address: personal.Sealed(r.String("address")),
		}
		if r.Has("shipmentId") {
			c.ShipmentID = r.String("shipmentId")
		}
		if err := json.Unmarshal([]byte(r.String("lines")), &c.Lines); err != nil {
			r.Failf("lines", "is no list of lines: %w", err)
		}
	}
	if r.Has("confirmed") {
		known.Confirmation = shipment.Confirmation{
			OrderID: orderID, Sequence: r.Number("confirmed"), ShipmentID: r.String("shipment"),
		}
	}
	if err := r.Err(); err != nil {
		return shipment.Known{}, fmt.Errorf("shippingtable: row of order %s: %w", orderID, err)
	}
	return known, nil
}
