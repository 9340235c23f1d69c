package inboxtable

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/inbox"
)

// Reader shows entries to people. It decides nothing: what it reads may be of a moment ago.
type Reader struct {
	api   dynamo.BatchGetter
	table string
}

// NewReader makes a reader of an existing table.
func NewReader(api dynamo.BatchGetter, table string) Reader { return Reader{api, table} }

// Entries gives those of a consumer for events, as far as there are any, in any order. It takes at
// most dynamo.MaxBatch events.
func (r Reader) Entries(ctx context.Context, consumer string, events []string) ([]inbox.Entry, error) {
	var of types.KeysAndAttributes
	for _, e := range events {
		of.Keys = append(of.Keys, keyOf(inbox.Key{Event: e, Consumer: consumer}))
	}
	if len(of.Keys) == 0 {
		return nil, nil
	}
	items, err := dynamo.BatchGet(ctx, r.api, r.table, of, nil)
	if err != nil {
		return nil, fmt.Errorf("inboxtable: entries: %w", err)
	}
	var entries []inbox.Entry
	for _, item := range items {
		e, err := decode(item)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}
