package stocktable

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/recount"
	"orderflow/shared/shop/stock"
)

// RowsAPI is what Rows needs of a DynamoDB client: to compare rows, GetItem and Scan alone.
type RowsAPI interface {
	API
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
}

// Rows are the rows of the table for who compares and repairs them.
type Rows struct {
	api   RowsAPI
	name  string
	clock clock.Clock
}

// NewRows gives the rows of an existing table.
func NewRows(api RowsAPI, table string, c clock.Clock) Rows {
	return Rows{api: api, name: table, clock: c}
}

var _ recount.Rows = Rows{}

// Rows implements recount.Rows, with a strongly consistent scan: 256 read units a MB.
func (r Rows) Rows(ctx context.Context) iter.Seq2[[]recount.Row, error] {
	return func(yield func([]recount.Row, error) bool) {
		in := &dynamodb.ScanInput{TableName: &r.name, ConsistentRead: aws.Bool(true)}
		for {
			out, err := r.api.Scan(ctx, in)
			if err != nil {
				yield(nil, fmt.Errorf("stocktable: scan: %w", err))
				return
			}
			rows := make([]recount.Row, len(out.Items))
			for i, item := range out.Items {
				if rows[i], err = rowOf(item); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(rows, nil) || len(out.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

// Row implements recount.Rows.
func (r Rows) Row(ctx context.Context, sku string) (recount.Row, bool, error) {
	in := &dynamodb.GetItemInput{TableName: &r.name, Key: key(sku), ConsistentRead: aws.Bool(true)}
	out, err := r.api.GetItem(ctx, in)
	if err != nil {
		return recount.Row{}, false, fmt.Errorf("stocktable: read %q: %w", sku, err)
	}
	if len(out.Item) == 0 {
		return recount.Row{}, false, nil
	}
	row, err := rowOf(out.Item)
	return row, err == nil, err
}

// Mark implements recount.Rows.
func (r Rows) Mark(ctx context.Context, sku, mark string) error {
	row, failed, err := r.update(ctx, sku, &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String("SET #rebuild = :mark, #wasAvailable = #available, #wasReserved = #reserved, " +
			"#wasRev = #rev, #wasDeparted = if_not_exists(#departed, :zero)"),
		ConditionExpression: aws.String("attribute_exists(#rev) AND attribute_not_exists(#rebuild)"),
		ExpressionAttributeNames: names("rebuild", "available", "reserved", "rev", "departed",
			"wasAvailable", "wasReserved", "wasRev", "wasDeparted"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":mark": text(mark), ":zero": number(0)},
	})
	if failed && row.Mark != mark {
		return fmt.Errorf("stocktable: mark %q: %w", sku, recount.ErrMarked)
	}
	return err
}

// Correct implements recount.Rows.
func (r Rows) Correct(ctx context.Context, sku, mark string, by stock.Numbers) error {
	row, failed, err := r.update(ctx, sku, &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String("SET #rebuilt = :mark REMOVE #rebuild, #wasAvailable, #wasReserved, #wasRev, " +
			"#wasDeparted ADD #available :available, #reserved :reserved, #rev :rev, #departed :departed"),
		ConditionExpression: aws.String("#rebuild = :mark"),
		ExpressionAttributeNames: names("rebuild", "rebuilt", "available", "reserved", "rev", "departed",
			"wasAvailable", "wasReserved", "wasRev", "wasDeparted"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":mark": text(mark), ":available": number(by.Available), ":reserved": number(by.Reserved),
			":rev": number(by.Counts), ":departed": number(by.Departed),
		},
	})
	if failed && row.Rebuilt != mark {
		return fmt.Errorf("stocktable: correct %q: %w", sku, recount.ErrMarked)
	}
	return err
}

// Create implements recount.Rows.
func (r Rows) Create(ctx context.Context, sku, mark string, numbers stock.Numbers) error {
	_, _, err := r.update(ctx, sku, &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String("SET #rebuilt = :mark, #available = :available, #reserved = :reserved, " +
			"#rev = :rev, #departed = :departed"),
		ConditionExpression:      aws.String("attribute_not_exists(#rev)"),
		ExpressionAttributeNames: names("rebuilt", "available", "reserved", "rev", "departed"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":mark": text(mark), ":available": number(numbers.Available), ":reserved": number(numbers.Reserved),
			":rev": number(numbers.Counts), ":departed": number(numbers.Departed),
		},
	})
	return err
}

// Unmark implements recount.Rows.
func (r Rows) Unmark(ctx context.Context, sku string) error {
	_, _, err := r.update(ctx, sku, &dynamodb.UpdateItemInput{
		UpdateExpression:         aws.String("REMOVE #rebuild, #wasAvailable, #wasReserved, #wasRev, #wasDeparted"),
		ConditionExpression:      aws.String("attribute_exists(#rev)"),
		ExpressionAttributeNames: names("rev", "rebuild", "wasAvailable", "wasReserved", "wasRev", "wasDeparted"),
	})
	return err
}

// pace is how the tries at a row follow each other that orders change at the same time.
var pace = backoff.Pace{Base: 10 * time.Millisecond, Max: 500 * time.Millisecond, Tries: 50}

// update changes a row. failed says that its condition was not met, and row is what it was then.
func (r Rows) update(
	ctx context.Context, sku string, in *dynamodb.UpdateItemInput,
) (row recount.Row, failed bool, err error) {
	in.TableName, in.Key = &r.name, key(sku)
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	for tries := backoff.New(pace, r.clock); ; {
		_, err = r.api.UpdateItem(ctx, in)
		var refused *types.ConditionalCheckFailedException
		var conflict *types.TransactionConflictException
		switch {
		case err == nil:
			return row, false, nil
		case errors.As(err, &refused):
			if len(refused.Item) > 0 {
				row, err = rowOf(refused.Item)
				return row, true, err
			}
			return row, true, nil
		case !errors.As(err, &conflict) || !tries.Again(ctx):
			return row, false, fmt.Errorf("stocktable: write %q: %w", sku, err)
		}
	}
}

// rowOf reads a row with what a rebuild keeps in it.
func rowOf(item map[string]types.AttributeValue) (recount.Row, error) {
	sku, ok := item["sku"].(*types.AttributeValueMemberS)
	if !ok {
		return recount.Row{}, errors.New("stocktable: a row without a SKU")
	}
	level, err := levelOf(sku.Value, item)
	if err != nil {
		return recount.Row{}, err
	}
	row := recount.Row{SKU: sku.Value, Mark: markOf(item), Numbers: stock.Numbers{
		Available: level.Available, Reserved: level.Reserved, Counts: level.Counts(), Departed: level.Departed,
	}}
	if rebuilt, ok := item["rebuilt"].(*types.AttributeValueMemberS); ok {
		row.Rebuilt = rebuilt.Value
	}
	if row.Mark == "" {
		return row, nil
	}
	var errs [4]error
	for i, n := range []struct {
		name string
		into *int64
	}{
		{"wasAvailable", &row.Was.Available}, {"wasReserved", &row.Was.Reserved},
		{"wasRev", &row.Was.Counts}, {"wasDeparted", &row.Was.Departed},
	} {
		*n.into, errs[i] = numberOf(item, n.name)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return recount.Row{}, fmt.Errorf("stocktable: row %q: %w", sku.Value, err)
	}
	return row, nil
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
