package keyvault

import (
	"context"
	"fmt"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/personal"
)

// Streams loads a stream together with an item of a table, each as it is: dynamostore.Store is one.
type Streams interface {
	LoadWith(ctx context.Context, stream es.StreamID, table string, key dynamo.Item) (es.History, dynamo.Item, error)
}

// Beside is a customer.Reader: it loads streams together with data keys. It reads a key's row each
// time and remembers none, so that what was destroyed before it is asked opens nothing. It is safe
// for concurrent use.
type Beside struct {
	vault   *Vault
	streams Streams
}

// Beside makes a reader of streams beside the vault's keys.
func (v *Vault) Beside(streams Streams) Beside { return Beside{vault: v, streams: streams} }

// LoadWithKey implements customer.Reader. It takes the requests of LoadWith, and the Opener one to
// KMS where the process has not unwrapped the key yet.
func (b Beside) LoadWithKey(
	ctx context.Context, stream es.StreamID, subject string,
) (es.History, personal.Opener, error) {
	history, row, err := b.streams.LoadWith(ctx, stream, b.vault.name, rowKey(subject))
	if err != nil {
		return es.History{}, nil, fmt.Errorf("keyvault: get key of %s: %w", subject, err)
	}
	return history, opener{vault: b.vault, subject: subject, wrapped: wrappedOf(row)}, nil
}

// opener is a personal.Opener under a key whose row was read.
type opener struct {
	vault   *Vault
	subject string
	wrapped []byte // none where the key was destroyed or there never was one
}

// Open implements personal.Opener.
func (o opener) Open(ctx context.Context, field string, sealed personal.Sealed) ([]byte, error) {
	key, err := o.vault.unwrap(ctx, o.subject, o.wrapped)
	if err != nil {
		return nil, err
	}
	return key.Open(o.subject, field, sealed)
}
