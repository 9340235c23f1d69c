// Package producttest is the suite that the product service passes on every store, and rows in memory. Only tests import it.
package producttest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"orderflow/shared/es"
	"orderflow/shared/product"
)

// Rows are rows in memory, for the appends of a memstore. They are safe for concurrent use.
type Rows struct {
	mu   sync.Mutex
	rows map[string]product.Product
}

// NewRows makes rows of nothing.
func NewRows() *Rows { return &Rows{rows: map[string]product.Product{}} }

// Put implements product.Rows.
func (r *Rows) Put(p product.Product, before int64) es.Effect {
	return &put{rows: r, product: p, before: before}
}

// Row implements product.Rows.
func (r *Rows) Row(ctx context.Context, sku string) (product.Product, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rows[sku], ctx.Err()
}

// Batch implements product.Rows.
func (r *Rows) Batch(ctx context.Context, skus []string) (found []product.Product, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sku := range skus {
		if row, ok := r.rows[sku]; ok {
			found = append(found, row)
		}
	}
	return found, ctx.Err()
}

// List implements product.Rows.
func (r *Rows) List(ctx context.Context, withdrawn bool, after string, limit int) (page []product.Product, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range slices.SortedFunc(maps.Values(r.rows), func(a, b product.Product) int { return strings.Compare(a.SKU, b.SKU) }) {
		if row.Withdrawn == withdrawn && row.SKU > after && len(page) < limit {
			page = append(page, row)
		}
	}
	return page, ctx.Err()
}

// Mend implements product.Rows.
func (r *Rows) Mend(ctx context.Context, sku string, p product.Product, before int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch there := r.rows[sku].Version; {
	case there != before:
		return &es.ConflictError{Stream: es.NewStreamID(product.Category, sku), Expected: before, Actual: there}
	case p.Known():
		r.rows[sku] = p
	default:
		delete(r.rows, sku)
	}
	return ctx.Err()
}

// put is a memstore.Effect. The store's lock keeps effects apart; the rows' own is for those who read meanwhile.
type put struct {
	rows    *Rows
	product product.Product
	before  int64
}

// EffectName implements es.Effect.
func (*put) EffectName() string { return "write product" }

// Check implements memstore.Effect.
func (e *put) Check() error {
	e.rows.mu.Lock()
	defer e.rows.mu.Unlock()
	if there := e.rows.rows[e.product.SKU].Version; there != e.before {
		return &es.ConflictError{Stream: es.NewStreamID(product.Category, e.product.SKU), Expected: e.before, Actual: there}
	}
	return nil
}

// Apply implements memstore.Effect.
func (e *put) Apply() {
	e.rows.mu.Lock()
	defer e.rows.mu.Unlock()
	e.rows.rows[e.product.SKU] = e.product
}
