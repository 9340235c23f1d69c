package dynamostore

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// Confirm implements es.Store with one TransactGetItems: of each head the item that it ends with,
// which has to be there, and the one that would follow, which may not. Of all reads that one alone
// is never between two items of a transaction. It takes MaxItems of them, so half as many heads.
// Throttling is an es.ErrUnavailable, as with Append.
func (s *Store) Confirm(ctx context.Context, heads ...es.Head) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := es.CheckHeads(heads); err != nil {
		return err
	}
	var gets []types.TransactGetItem
	var of []place // of each
	for _, h := range heads {
		if h.Version() > 0 {
			gets, of = append(gets, s.getHead(h.Stream(), h.First())), append(of, place{Head: h})
		}
		gets, of = append(gets, s.getHead(h.Stream(), h.Version()+1)), append(of, place{Head: h, next: true})
	}
	if len(gets) > MaxItems {
		return &es.LimitError{What: "items of a transaction", Limit: MaxItems, Actual: len(gets)}
	}
	out, err := s.api.TransactGetItems(
		ctx, &dynamodb.TransactGetItemsInput{TransactItems: gets}, dynamo.RetryThrottled(),
	)
	if err != nil {
		return confirmFailed(of, err)
	}
	if len(out.Responses) != len(gets) {
		return errors.New("dynamostore: confirm: DynamoDB answered for another number of items")
	}
	for i, p := range of {
		if err := p.holds(out.Responses[i].Item); err != nil {
			return err
		}
	}
	return nil
}

// place is where the commit is that a head ends with, or where the next one would be.
type place struct {
	es.Head
	next bool
}

// getHead reads which commit begins with a version.
func (s *Store) getHead(stream es.StreamID, version int64) types.TransactGetItem {
	return types.TransactGetItem{Get: &types.Get{
		TableName: &s.table, Key: dynamo.Item{attrStream: dynamo.S(string(stream)), attrVersion: dynamo.N(version)},
		ProjectionExpression: aws.String("#stream, #version, #count, #commit"),
		ExpressionAttributeNames: map[string]string{
			"#stream": attrStream, "#version": attrVersion, "#count": attrCount, "#commit": attrCommit,
		},
	}}
}

// holds is nil where the item found is what the head says of its place.
func (p place) holds(item dynamo.Item) error {
	if len(item) == 0 {
		if p.next {
			return nil
		}
		return conflict(p.Head, unknownVersion)
	}
	met, err := decodeHead(p.Stream(), item)
	if err != nil {
		return err
	}
	if p.next || met != p.Head {
		return conflict(p.Head, met.Version())
	}
	return nil
}

// confirmFailed tells a read that met a write to one of its items from one that failed.
func confirmFailed(of []place, err error) error {
	if reasons := dynamo.Cancelled(err); len(reasons) == len(of) {
		for i, r := range reasons {
			if aws.ToString(r.Code) == dynamo.ReasonConflict {
				return conflict(of[i].Head, unknownVersion)
			}
		}
	}
	return failed("confirm", err)
}
