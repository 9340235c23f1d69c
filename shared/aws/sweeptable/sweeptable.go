// Package sweeptable keeps how far the sweep has come with the orders that wait: one item, with a
// key of its own, in the table that has the audit's state too.
//
//	stream    S  the key: sweep/position
//	revision  N  grows with each write
//	position  S  a sweep.Position as JSON
package sweeptable

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/process/sweep"
)

// API is what the table needs of the DynamoDB client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

const (
	attrStream   = "stream"
	attrRevision = "revision"
	attrPosition = "position"

	keyPosition = "sweep/position"
)

// Table is a sweep.Rounds. It is safe for concurrent use.
type Table struct {
	api   API
	table string
}

var _ sweep.Rounds = Table{}

// New keeps the position in an existing table.
func New(api API, table string) Table { return Table{api: api, table: table} }

// Load implements sweep.Rounds with one consistent read.
func (t Table) Load(ctx context.Context) (sweep.Position, error) {
	item, err := dynamo.Get(ctx, t.api, t.table, dynamo.Item{attrStream: dynamo.S(keyPosition)})
	if err != nil {
		return sweep.Position{}, fmt.Errorf("sweeptable: read the position: %w", err)
	}
	return decode(item)
}

// Save implements sweep.Rounds with one conditional write. One whose answer was lost, and that the
// client sent again, meets what it wrote itself.
func (t Table) Save(ctx context.Context, p sweep.Position) (sweep.Position, bool, error) {
	in := &dynamodb.PutItemInput{
		TableName: &t.table, ConditionExpression: aws.String("attribute_not_exists(#stream)"),
		ExpressionAttributeNames:            map[string]string{"#stream": attrStream},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if p.Revision > 0 {
		in.ConditionExpression = aws.String("#revision = :was")
		in.ExpressionAttributeNames = map[string]string{"#revision": attrRevision}
		in.ExpressionAttributeValues = dynamo.Item{":was": dynamo.N(p.Revision)}
	}
	p.Revision++
	data, err := json.Marshal(p)
	if err != nil {
		return sweep.Position{}, false, fmt.Errorf("sweeptable: encode the position: %w", err)
	}
	in.Item = dynamo.Item{
		attrStream: dynamo.S(keyPosition), attrRevision: dynamo.N(p.Revision), attrPosition: dynamo.S(string(data)),
	}
	_, err = t.api.PutItem(ctx, in)
	if met, refused := dynamo.ConditionFailed(err); refused {
		there, err := decode(met)
		return p, err == nil && len(met) > 0 && there == p, err
	}
	if err != nil {
		return sweep.Position{}, false, fmt.Errorf("sweeptable: write the position: %w", dynamo.Failed(err))
	}
	return p, true, nil
}

// decode reads an item; none is the zero Position.
func decode(item dynamo.Item) (p sweep.Position, err error) {
	if len(item) == 0 {
		return p, nil
	}
	r := dynamo.Read(item)
	data := r.String(attrPosition)
	if err = r.Err(); err == nil {
		err = json.Unmarshal([]byte(data), &p)
	}
	if err != nil {
		return sweep.Position{}, fmt.Errorf("sweeptable: the position can't be read: %w", err)
	}
	return p, nil
}
