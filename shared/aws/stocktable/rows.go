package stocktable

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
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
		for page, err := range dynamo.Scan(ctx, r.api, in) {
			if err != nil {
				yield(nil, fmt.Errorf("stocktable: scan: %w", err))
				return
			}
			rows := make([]recount.Row, len(page.Items))
			for i, item := range page.Items {
				if rows[i], err = rowOf(item); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(rows, nil) {
				return
			}
		}
	}
}

// Row implements recount.Rows.
func (r Rows) Row(ctx context.Context, sku string) (recount.Row, bool, error) {
	item, err := dynamo.Get(ctx, r.api, r.name, key(sku))
	if err != nil {
		return recount.Row{}, false, fmt.Errorf("stocktable: read %q: %w", sku, err)
	}
	if len(item) == 0 {
		return recount.Row{}, false, nil
	}
	row, err := rowOf(item)
	return row, err == nil, err
}

// Mark implements recount.Rows.
func (r Rows) Mark(ctx context.Context, sku, mark string) error {
	row, failed, err := r.update(ctx, sku, &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String("SET #rebuild = :mark, #wasAvailable = #available, #wasReserved = #reserved, " +
			"#wasRev = #rev, #wasDeparted = if_not_exists(#departed, :zero), " +
			"#wasShards = if_not_exists(#shards, :zero)"),
		ConditionExpression: aws.String("attribute_exists(#rev) AND attribute_not_exists(#rebuild)"),
		ExpressionAttributeNames: dynamo.Names("rebuild", "available", "reserved", "rev", "departed", "shards",
			"wasAvailable", "wasReserved", "wasRev", "wasDeparted", "wasShards"),
		ExpressionAttributeValues: dynamo.Item{":mark": dynamo.S(mark), ":zero": dynamo.N(0)},
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
			"#wasDeparted, #wasShards ADD #available :available, #reserved :reserved, #rev :rev, " +
			"#departed :departed, #shards :shards, #epoch :one"),
		ConditionExpression: aws.String("#rebuild = :mark"),
		ExpressionAttributeNames: dynamo.Names("rebuild", "rebuilt", "available", "reserved", "rev", "departed",
			"shards", "wasAvailable", "wasReserved", "wasRev", "wasDeparted", "wasShards", "epoch"),
		ExpressionAttributeValues: dynamo.Item{
			":mark": dynamo.S(mark), ":available": dynamo.N(by.Available), ":reserved": dynamo.N(by.Reserved),
			":rev": dynamo.N(by.Counts), ":departed": dynamo.N(by.Departed), ":shards": dynamo.N(by.Shards),
			":one": dynamo.N(1),
		},
	})
	if failed && row.Rebuilt != mark {
		return fmt.Errorf("stocktable: correct %q: %w", sku, recount.ErrMarked)
	}
	return err
}

// Create implements recount.Rows.
func (r Rows) Create(ctx context.Context, sku, mark string, numbers stock.Numbers) error {
	row, failed, err := r.update(ctx, sku, &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String("SET #rebuilt = :mark, #available = :available, #reserved = :reserved, " +
			"#rev = :rev, #departed = :departed, #shards = :shards ADD #epoch :one"),
		ConditionExpression: aws.String("attribute_not_exists(#rev)"),
		ExpressionAttributeNames: dynamo.Names(
			"rebuilt", "available", "reserved", "rev", "departed", "shards", "epoch",
		),
		ExpressionAttributeValues: dynamo.Item{
			":mark": dynamo.S(mark), ":available": dynamo.N(numbers.Available), ":reserved": dynamo.N(numbers.Reserved),
			":rev": dynamo.N(numbers.Counts), ":departed": dynamo.N(numbers.Departed),
			":shards": dynamo.N(numbers.Shards), ":one": dynamo.N(1),
		},
	})
	if err == nil && failed && row.Rebuilt != mark {
		return fmt.Errorf("stocktable: make %q: %w", sku, recount.ErrMarked)
	}
	return err
}

// Unmark implements recount.Rows.
func (r Rows) Unmark(ctx context.Context, sku string) error {
	_, _, err := r.update(ctx, sku, &dynamodb.UpdateItemInput{
		UpdateExpression: aws.String(
			"REMOVE #rebuild, #wasAvailable, #wasReserved, #wasRev, #wasDeparted, #wasShards",
		),
		ConditionExpression: aws.String("attribute_exists(#rev)"),
		ExpressionAttributeNames: dynamo.Names("rev", "rebuild", "wasAvailable", "wasReserved", "wasRev",
			"wasDeparted", "wasShards"),
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
		met, refused := dynamo.ConditionFailed(err)
		switch {
		case err == nil:
			return row, false, nil
		case refused && len(met) == 0:
			return row, true, nil
		case refused:
			row, err = rowOf(met)
			return row, true, err
		case !dynamo.Contended(err) || !tries.Again(ctx):
			return row, false, fmt.Errorf("stocktable: write %q: %w", sku, dynamo.Failed(err))
		}
	}
}

// rowOf reads a row with what a rebuild keeps in it.
func rowOf(item dynamo.Item) (recount.Row, error) {
	r := dynamo.Read(item)
	sku := r.String("sku")
	if err := r.Err(); err != nil {
		return recount.Row{}, fmt.Errorf("stocktable: a row without a SKU: %w", err)
	}
	level, err := levelOf(sku, item)
	if err != nil {
		return recount.Row{}, err
	}
	row := recount.Row{SKU: sku, Mark: markOf(item), Numbers: stock.Numbers{
		Available: level.Available, Reserved: level.Reserved, Counts: level.Counts(), Departed: level.Departed,
		Shards: level.Shards,
	}}
	row.Rebuilt = dynamo.Read(item).OptionalString("rebuilt")
	if row.Mark == "" {
		return row, nil
	}
	row.Was = stock.Numbers{
		Available: r.Number("wasAvailable"), Reserved: r.Number("wasReserved"),
		Counts: r.Number("wasRev"), Departed: r.Number("wasDeparted"), Shards: r.OptionalNumber("wasShards"),
	}
	if err := r.Err(); err != nil {
		return recount.Row{}, fmt.Errorf("stocktable: row %q: %w", sku, err)
	}
	return row, nil
}
