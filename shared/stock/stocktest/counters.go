// Package stocktest is the suite that the stock service passes on every store, and counters in memory. Only tests import it.
package stocktest

import (
	"context"
	"fmt"
	"sync"

	"orderflow/shared/es"
	"orderflow/shared/stock"
)

// Counters are rows of stock in memory, for the appends of a memstore. They are safe for concurrent use.
type Counters struct {
	mu   sync.Mutex
	rows map[string]stock.Level
}

// NewCounters makes counters of nothing.
func NewCounters() *Counters { return &Counters{rows: map[string]stock.Level{}} }

// String shows every row, so that a test sees whether one has changed.
func (c *Counters) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.rows)
}

// Reserve implements stock.Counters.
func (c *Counters) Reserve(items []stock.Item) es.Effect {
	return &effect{name: "reserve stock", counters: c, check: func() error {
		var short []string
		for _, item := range items {
			if c.rows[item.SKU].Available < item.Quantity {
				short = append(short, item.SKU)
			}
		}
		if len(short) > 0 {
			return stock.Insufficient(short)
		}
		return nil
	}, apply: func() {
		for _, item := range items {
			c.move(item.SKU, -item.Quantity, item.Quantity)
		}
	}}
}

// Release implements stock.Counters.
func (c *Counters) Release(items []stock.Item) es.Effect {
	return &effect{name: "release stock", counters: c, check: func() error { return c.reserved(items) }, apply: func() {
		for _, item := range items {
			c.move(item.SKU, item.Quantity, -item.Quantity)
		}
	}}
}

// Depart implements stock.Counters.
func (c *Counters) Depart(items []stock.Item) es.Effect {
	return &effect{name: "depart stock", counters: c, check: func() error { return c.reserved(items) }, apply: func() {
		for _, item := range items {
			c.move(item.SKU, 0, -item.Quantity)
			row := c.rows[item.SKU]
			row.Version, row.Departed = row.Version+1, row.Departed+1
			c.rows[item.SKU] = row
		}
	}}
}

// reserved refuses where fewer are reserved than are to be taken out of it.
func (c *Counters) reserved(items []stock.Item) error {
	for _, item := range items {
		if c.rows[item.SKU].Reserved < item.Quantity {
			return stock.Inconsistent(item.SKU, "fewer than %d are reserved", item.Quantity)
		}
	}
	return nil
}

// Restock implements stock.Counters.
func (c *Counters) Restock(sku string, delta, version, departed int64) es.Effect {
	return &effect{name: "restock", counters: c, check: func() error {
		if there := c.rows[sku].Departed; there != departed {
			return &es.ConflictError{Stream: es.NewStreamID(stock.Category, sku), Expected: departed, Actual: there}
		}
		if c.rows[sku].Available+delta < 0 {
			return stock.Insufficient([]string{sku})
		}
		return nil
	}, apply: func() {
		c.move(sku, delta, 0)
		row := c.rows[sku]
		row.Version = version + departed
		c.rows[sku] = row
	}}
}

// Level implements stock.Counters.
func (c *Counters) Level(ctx context.Context, sku string) (stock.Level, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row, found := c.rows[sku]
	return row, found, ctx.Err()
}

func (c *Counters) move(sku string, available, reserved int64) {
	row := c.rows[sku]
	row.SKU, row.Available, row.Reserved = sku, row.Available+available, row.Reserved+reserved
	row.OnHand = row.Available + row.Reserved
	c.rows[sku] = row
}

// effect is a memstore.Effect. The store's lock keeps effects apart; the counters' own is for those who read meanwhile.
type effect struct {
	name     string
	counters *Counters
	check    func() error
	apply    func()
}

// EffectName implements es.Effect.
func (e *effect) EffectName() string { return e.name }

// Check implements memstore.Effect.
func (e *effect) Check() error {
	e.counters.mu.Lock()
	defer e.counters.mu.Unlock()
	return e.check()
}

// Apply implements memstore.Effect.
func (e *effect) Apply() {
	e.counters.mu.Lock()
	defer e.counters.mu.Unlock()
	e.apply()
}
