// Package stocktest is the suite that the stock service passes on every store, and counters in memory. Only tests import it.
package stocktest

import (
	"context"
	"fmt"
	"sync"
	"time"

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
	return &effect{name: "release stock", counters: c, check: func() error {
		for _, item := range items {
			if c.rows[item.SKU].Reserved < item.Quantity {
				return fmt.Errorf("stocktest: %d of %q are to be released, %d are reserved", item.Quantity, item.SKU, c.rows[item.SKU].Reserved)
			}
		}
		return nil
	}, apply: func() {
		for _, item := range items {
			c.move(item.SKU, item.Quantity, -item.Quantity)
		}
	}}
}

// Commit implements stock.Counters.
func (c *Counters) Commit(departures []stock.Departure) es.Effect {
	return &effect{name: "commit stock", counters: c, check: func() error {
		for _, d := range departures {
			row := c.rows[d.SKU]
			if row.Counts() != d.Counts {
				return &es.ConflictError{Stream: es.NewStreamID(stock.Category, d.SKU), Expected: d.Counts, Actual: row.Counts()}
			}
			if row.Reserved < d.Quantity {
				return fmt.Errorf("stocktest: %d of %q are to leave, %d are reserved", d.Quantity, d.SKU, row.Reserved)
			}
		}
		return nil
	}, apply: func() {
		for _, d := range departures {
			available := int64(0)
			if d.CountedOff {
				available = d.Quantity
			}
			c.move(d.SKU, available, -d.Quantity)
			row := c.rows[d.SKU]
			row.Version, row.Departed = row.Version+1, row.Departed+1
			c.rows[d.SKU] = row
		}
	}}
}

// Restock implements stock.Counters.
func (c *Counters) Restock(sku string, delta, version, departed int64, at time.Time) es.Effect {
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
		row.Version, row.CountedAt = version+departed, at.UTC()
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
