// Package dynamostore is an es.Store on one DynamoDB table.
//
// The table's key is stream (S) and version (N), the version of a commit's first event: one item holds one commit. Items are only ever put, and each put
// has the condition that its key is free. Since a commit's key follows from the Head that it was decided on, that condition is the whole of the
// concurrency control: one write request for each decision, no read before it and no lock.
//
// # Lost answers
//
// The SDK sends a request again whose answer was lost. A repeated put then meets its own item: the condition fails, DynamoDB returns the item that it
// failed on, and its commit id tells that it is ours (es.Appended.Recognised). A repeated transaction has the client token of the first try, with which
// DynamoDB answers success for ten minutes without writing again; after that, and for each new call, its commits are recognised as those of a put are.
// So a caller that sees an error does not know whether the commits were written, and finds out by trying the same commits again.
package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/es"
)

// API is what the store needs of a DynamoDB client.
type API interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Store keeps streams in a table. It is safe for concurrent use.
type Store struct {
	api      API
	table    string
	registry *es.Registry
}

// New makes a store on an existing table. It asks for nothing: a table that is missing, or has another key, is the error of the first call. How often a
// failed request is sent again, and for how long, is up to the client.
func New(api API, table string, registry *es.Registry) *Store {
	return &Store{api: api, table: table, registry: registry}
}

// Load implements es.Store: one strongly consistent query for each MB of events, and one more where after is above 0, which finds the commit that
// holds that version. A gap or an overlap between commits is an es.ErrCorrupt, as is an item that can't be read.
func (s *Store) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	if err := ctx.Err(); err != nil {
		return es.History{}, err
	}
	history := es.History{Head: es.StoreHead(stream, 0, "")}
	var last es.StoredCommit    // zero: none met yet
	fromBeginning := after <= 0 // the first commit that is met has to be the stream's first
	take := func(item map[string]types.AttributeValue) error {
		commit, err := decodeItem(stream, item)
		if err != nil {
			return err
		}
		if last.First > 0 && commit.First != last.Last()+1 || last.First == 0 && commit.First != 1 && fromBeginning {
			return corrupt(stream, commit.First, "the commit before it ends at version %d", max(last.Last(), 0))
		}
		events, err := s.registry.DecodeCommit(commit, after)
		if err != nil {
			return err
		}
		history.Events = append(history.Events, events...)
		history.Head, last = commit.Head(), commit
		return nil
	}
	if after > 0 {
		out, err := s.query(ctx, s.lastCommit(stream, after))
		if err != nil {
			return es.History{}, err
		}
		if len(out.Items) > 0 {
			if err := take(out.Items[0]); err != nil {
				return es.History{}, err
			}
		} else {
			fromBeginning = true // the stream had no events a moment ago; whatever comes now begins it
		}
	}
	query := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("#stream = :stream AND #version > :version"),
		ExpressionAttributeNames:  map[string]string{"#stream": attrStream, "#version": attrVersion},
		ExpressionAttributeValues: map[string]types.AttributeValue{":stream": text(string(stream)), ":version": number(last.First)},
	}
	for {
		out, err := s.query(ctx, query)
		if err != nil {
			return es.History{}, err
		}
		for _, item := range out.Items {
			if err := take(item); err != nil {
				return es.History{}, err
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return history, nil
		}
		query.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// At implements es.Store, with one strongly consistent query for the last commit. An item that can't be read is an es.ErrCorrupt.
func (s *Store) At(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	if err := ctx.Err(); err != nil {
		return es.Head{}, err
	}
	query := s.lastCommit(stream, maxVersion)
	query.ProjectionExpression = aws.String("#stream, #version, #count, #commit")
	query.ExpressionAttributeNames["#count"] = attrCount
	query.ExpressionAttributeNames["#commit"] = attrCommit
	out, err := s.query(ctx, query)
	if err != nil {
		return es.Head{}, err
	}
	head := es.StoreHead(stream, 0, "")
	if len(out.Items) > 0 {
		if head, err = decodeHead(stream, out.Items[0]); err != nil {
			return es.Head{}, err
		}
	}
	if head.Version() != version {
		return es.Head{}, &es.ConflictError{Stream: stream, Expected: version, Actual: head.Version()}
	}
	return head, nil
}

// maxVersion is above every version.
const maxVersion = 1<<63 - 1

// lastCommit asks for the last commit that starts at or below a version.
func (s *Store) lastCommit(stream es.StreamID, version int64) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		ScanIndexForward:          aws.Bool(false),
		Limit:                     aws.Int32(1),
		KeyConditionExpression:    aws.String("#stream = :stream AND #version <= :version"),
		ExpressionAttributeNames:  map[string]string{"#stream": attrStream, "#version": attrVersion},
		ExpressionAttributeValues: map[string]types.AttributeValue{":stream": text(string(stream)), ":version": number(version)},
	}
}

func (s *Store) query(ctx context.Context, input *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	out, err := s.api.Query(ctx, input)
	if err != nil {
		return nil, failed("query", err)
	}
	return out, nil
}

// failed wraps an error of the service, and marks one that may pass.
func failed(what string, err error) error {
	if throttledTransaction(err) || retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary {
		return fmt.Errorf("dynamostore: %s: %w: %w", what, es.ErrUnavailable, err)
	}
	return fmt.Errorf("dynamostore: %s: %w", what, err)
}

// throttledTransaction reports whether a transaction was cancelled for want of throughput and for nothing else.
func throttledTransaction(err error) bool {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	throttled := false
	for _, r := range cancelled.CancellationReasons {
		switch aws.ToString(r.Code) {
		case "", reasonNone:
		case reasonThrottling, reasonThroughput:
			throttled = true
		default:
			return false
		}
	}
	return throttled
}

// retryThrottled makes the client try a throttled transaction again as it does a throttled put: the SDK leaves every cancelled transaction to its caller.
func retryThrottled(o *dynamodb.Options) {
	if o.Retryer != nil {
		o.Retryer = transactionRetryer{o.Retryer}
	}
}

type transactionRetryer struct{ aws.Retryer }

// IsErrorRetryable implements aws.Retryer.
func (r transactionRetryer) IsErrorRetryable(err error) bool {
	return throttledTransaction(err) || r.Retryer.IsErrorRetryable(err)
}

func corrupt(stream es.StreamID, version int64, format string, args ...any) error {
	return fmt.Errorf("%w: %s@%d: %s", es.ErrCorrupt, stream, version, fmt.Sprintf(format, args...))
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
