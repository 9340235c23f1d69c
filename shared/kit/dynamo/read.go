package dynamo

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/es"
)

// MaxBatch is how many keys a batch read takes.
const MaxBatch = 100

type option = func(*dynamodb.Options)

// Getter is what Get needs of a DynamoDB client.
type Getter interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...option) (*dynamodb.GetItemOutput, error)
}

// Get reads one item, strongly consistent: none is an empty Item.
func Get(ctx context.Context, api Getter, table string, key Item) (Item, error) {
	out, err := api.GetItem(
		ctx, &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)},
	)
	if err != nil {
		return nil, Failed(err)
	}
	return out.Item, nil
}

// Querier is what Query needs of a DynamoDB client.
type Querier interface {
	Query(context.Context, *dynamodb.QueryInput, ...option) (*dynamodb.QueryOutput, error)
}

// Query gives the items of a query, page by page as the caller goes on. After an error there is
// nothing more.
func Query(ctx context.Context, api Querier, in *dynamodb.QueryInput) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		page := *in
		for {
			out, err := api.Query(ctx, &page)
			if err != nil {
				yield(nil, Failed(err))
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
			page.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

// Scanner is what Scan needs of a DynamoDB client.
type Scanner interface {
	Scan(context.Context, *dynamodb.ScanInput, ...option) (*dynamodb.ScanOutput, error)
}

// Scan gives the pages of a scan, each as the caller goes on. A page may be empty and the next one
// not. After an error there is nothing more.
func Scan(ctx context.Context, api Scanner, in *dynamodb.ScanInput) iter.Seq2[*dynamodb.ScanOutput, error] {
	return func(yield func(*dynamodb.ScanOutput, error) bool) {
		page := *in
		for {
			out, err := api.Scan(ctx, &page)
			if err != nil {
				yield(nil, Failed(err))
				return
			}
			if !yield(out, nil) || len(out.LastEvaluatedKey) == 0 {
				return
			}
			page.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

// BatchGetter is what BatchGet needs of a DynamoDB client.
type BatchGetter interface {
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...option) (*dynamodb.BatchGetItemOutput, error)
}

// BatchGet reads the items that there are of at most MaxBatch keys of a table, in any order. It
// asks again for the keys that DynamoDB leaves unprocessed, as long as tries has it; without tries
// it asks once. What is left then is an es.ErrUnavailable, and no item is given.
func BatchGet(
	ctx context.Context, api BatchGetter, table string, of types.KeysAndAttributes, tries *backoff.Backoff,
) (items []Item, err error) {
	all := len(of.Keys)
	for {
		out, err := api.BatchGetItem(
			ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: of}},
		)
		if err != nil {
			return nil, Failed(err)
		}
		items = append(items, out.Responses[table]...)
		if of.Keys = out.UnprocessedKeys[table].Keys; len(of.Keys) == 0 {
			return items, nil
		}
		if tries == nil || !tries.Again(ctx) {
			return nil, fmt.Errorf(
				"%w: the table is too busy to read %d of %d items", es.ErrUnavailable, len(of.Keys), all,
			)
		}
	}
}
