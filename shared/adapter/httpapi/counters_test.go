package httpapi_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"orderflow/shared/es"
	"orderflow/shared/stock"
)

// memCounters are the stock's rows beside the store in memory.
type memCounters struct {
	mu   sync.Mutex
	rows map[string]stock.Level
}

func newCounters() *memCounters { return &memCounters{rows: map[string]stock.Level{}} }

// String shows every row, so that a test sees whether one has changed.
func (m *memCounters) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprint(m.rows)
}

// Level implements stock.Counters.
func (m *memCounters) Level(_ context.Context, sku string) (stock.Level, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	level, found := m.rows[sku]
	return level, found, nil
}

// Restock implements stock.Counters.
func (m *memCounters) Restock(sku string, delta, version, _ int64, _ time.Time) es.Effect {
	return restock{rows: m, sku: sku, delta: delta, version: version}
}

// Reserve implements stock.Counters. The HTTP edge reserves nothing.
func (m *memCounters) Reserve([]stock.Item) es.Effect { panic("the HTTP edge reserves nothing") }

// Release implements stock.Counters.
func (m *memCounters) Release([]stock.Item) es.Effect { panic("the HTTP edge releases nothing") }

// Commit implements stock.Counters.
func (m *memCounters) Commit([]stock.Departure) es.Effect { panic("the HTTP edge commits nothing") }

type restock struct {
	rows           *memCounters
	sku            string
	delta, version int64
}

// EffectName implements es.Effect.
func (r restock) EffectName() string { return "restock" }

// Check implements memstore.Effect.
func (r restock) Check() error {
	r.rows.mu.Lock()
	defer r.rows.mu.Unlock()
	if r.rows.rows[r.sku].Available+r.delta < 0 {
		return stock.Insufficient([]string{r.sku})
	}
	return nil
}

// Apply implements memstore.Effect.
func (r restock) Apply() {
	r.rows.mu.Lock()
	defer r.rows.mu.Unlock()
	l := r.rows.rows[r.sku]
	r.rows.rows[r.sku] = stock.Level{SKU: r.sku, OnHand: l.OnHand + r.delta, Available: l.Available + r.delta, Reserved: l.Reserved, Version: r.version}
}
