package dynamostore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// LoadWith loads a stream together with an item of any table: as of one moment, and where the
// stream is no longer than one event, in one request. That is a TransactGetItems of the stream's
// first commit, of the place of version 2 and of the item, which take two read units for each 4 KB.
// It is for streams that hardly ever go on; of those that did, Load reads the rest of it a moment
// later. There is no item where it is empty.
//
// Calls at the same time share requests: while one is under way, the others wait, and are the next
// one together. No read begins before its call.
//
// A write to what is read, at the same time, makes it read again, as long as es.RetryConflicts
// does. The errors are those of Load.
func (s *Store) LoadWith(
	ctx context.Context, stream es.StreamID, table string, key dynamo.Item,
) (history es.History, item dynamo.Item, err error) {
	var first, second dynamo.Item
	err = es.RetryConflicts(ctx, s.clock, func(ctx context.Context) (err error) {
		first, second, item, err = s.start(ctx, stream, table, key)
		return err
	})
	if err != nil {
		return es.History{}, nil, err
	}
	history = es.History{Head: es.StoreHead(stream, 0, 0, "")}
	if len(first) > 0 {
		commit, err := decodeItem(stream, first)
		if err != nil {
			return es.History{}, nil, err
		}
		if err := s.add(&history, commit, 0); err != nil {
			return es.History{}, nil, err
		}
	}
	if len(second) > 0 || history.Head.Version() > 1 {
		history, err = s.Load(ctx, stream, 0)
	}
	return history, item, err
}

// start reads the items of a stream's first two versions, and another one. It is an es.ErrConflict
// where one of them is being written.
func (s *Store) start(
	ctx context.Context, stream es.StreamID, table string, key dynamo.Item,
) (first, second, item dynamo.Item, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, err
	}
	version := func(n int64) types.Get {
		return types.Get{
			TableName: &s.table, Key: dynamo.Item{attrStream: dynamo.S(string(stream)), attrVersion: dynamo.N(n)},
		}
	}
	items, err := s.joint.read(ctx, version(1), version(2), types.Get{TableName: &table, Key: key})
	switch {
	case dynamo.CancelledFor(err, dynamo.ReasonConflict):
		return nil, nil, nil, conflict(es.StoreHead(stream, 0, 0, ""), unknownVersion)
	case err != nil:
		return nil, nil, nil, failed("load", err)
	}
	return items[0], items[1], items[2], nil
}
