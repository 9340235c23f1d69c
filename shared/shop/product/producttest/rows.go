// Package producttest is the suite that the product service passes on every store, and rows in
// memory. Only tests import it.
package producttest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/product"
)

// Rows are rows in memory, for the appends of a memstore. They are safe for concurrent use.
type Rows struct {
	rows memstore.Rows[product.Product]
}

// NewRows makes rows of nothing.
func NewRows() *Rows { return &Rows{} }

// Put implements product.Rows.
func (r *Rows) Put(p product.Product, before int64) es.Effect {
	return r.rows.Effect("write product", []string{p.SKU}, func(rows map[string]product.Product) error {
		if there := rows[p.SKU].Version; there != before {
			return &es.ConflictError{Stream: es.NewStreamID(product.Category, p.SKU), Expected: before, Actual: there}
		}
		rows[p.SKU] = p
		return nil
	})
}

// Row implements product.Rows.
func (r *Rows) Row(ctx context.Context, sku string) (product.Product, error) {
	row, _ := r.rows.Get(sku)
	return row, ctx.Err()
}

// Batch implements product.Rows.
func (r *Rows) Batch(ctx context.Context, skus []string) (found []product.Product, err error) {
	for _, sku := range skus {
		if row, ok := r.rows.Get(sku); ok {
			found = append(found, row)
		}
	}
	return found, ctx.Err()
}

// List implements product.Rows.
func (r *Rows) List(ctx context.Context, withdrawn bool, after string, limit int) (page []product.Product, err error) {
	rows := slices.Collect(maps.Values(r.rows.All()))
	slices.SortFunc(rows, func(a, b product.Product) int { return strings.Compare(a.SKU, b.SKU) })
	for _, row := range rows {
		if row.Withdrawn == withdrawn && row.SKU > after && len(page) < limit {
			page = append(page, row)
		}
	}
	return page, ctx.Err()
}

// Mend implements product.Rows.
func (r *Rows) Mend(ctx context.Context, sku string, p product.Product, before int64) error {
	err := r.rows.Update([]string{sku}, func(rows map[string]product.Product) error {
		switch there := rows[sku].Version; {
		case there != before:
			return &es.ConflictError{Stream: es.NewStreamID(product.Category, sku), Expected: before, Actual: there}
		case p.Known():
			rows[sku] = p
		default:
			delete(rows, sku)
		}
		return nil
	})
	return cmp.Or(err, ctx.Err())
}
