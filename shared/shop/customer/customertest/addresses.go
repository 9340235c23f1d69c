// Package customertest is the suite that finding customers by their address passes on every store,
// and addresses in memory. Only tests import it.
package customertest

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/personal"
)

// Keys are data keys and addresses in memory, for the appends of a memstore. They are safe for
// concurrent use.
type Keys struct {
	*personal.Memory
	rows memstore.Rows[entry]
}

type entry struct {
	address string
	version int64
}

// NewKeys makes keys of nobody.
func NewKeys() *Keys { return &Keys{Memory: personal.NewMemory()} }

var _ customer.Addresses = (*Keys)(nil)

// Erase implements personal.Eraser.
func (k *Keys) Erase(ctx context.Context, subject string) error {
	if err := k.Memory.Erase(ctx, subject); err != nil {
		return err
	}
	return k.rows.Update([]string{subject}, func(rows map[string]entry) error {
		delete(rows, subject)
		return nil
	})
}

// Give implements customer.Addresses.
func (k *Keys) Give(ctx context.Context, customerID, address string, version int64) (es.Effect, error) {
	return k.rows.Effect("note address", []string{customerID}, k.give(ctx, customerID, address, version)), ctx.Err()
}

// Mend implements customer.Addresses.
func (k *Keys) Mend(ctx context.Context, customerID, address string, version int64) error {
	err := k.rows.Update([]string{customerID}, func(rows map[string]entry) error {
		if rows[customerID].version > version {
			return nil
		}
		return k.give(ctx, customerID, address, version)(rows)
	})
	if errors.Is(err, personal.ErrErased) {
		return nil
	}
	return err
}

func (k *Keys) give(ctx context.Context, customerID, address string, version int64) func(map[string]entry) error {
	return func(rows map[string]entry) error {
		if _, err := k.Fingerprint(ctx, customerID, ""); err != nil {
			return err
		}
		rows[customerID] = entry{customer.Comparable(address), version}
		return nil
	}
}

// Find implements customer.Addresses.
func (k *Keys) Find(
	ctx context.Context, address, after string, limit int,
) (found []string, next string, err error) {
	for id, e := range k.rows.All() {
		if e.address == customer.Comparable(address) && id > after {
			found = append(found, id)
		}
	}
	slices.SortFunc(found, cmp.Compare[string])
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1]
	}
	return found, next, ctx.Err()
}
