// Package analyticstest holds a table of figures in memory, and the properties that every
// analytics.Table is put through. Only tests import it.
package analyticstest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/analytics"
)

// Memory is an analytics.Table. The zero Memory is empty. It is safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	orders   map[string]analytics.Order
	counters map[analytics.Row]analytics.Counters
}

var _ analytics.Table = (*Memory)(nil)

// Orders implements analytics.Table.
func (m *Memory) Orders(_ context.Context, ids []string) (map[string]analytics.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]analytics.Order{}
	for _, id := range ids {
		if o, ok := m.orders[id]; ok {
			found[id] = o
		}
	}
	return found, nil
}

// Write implements analytics.Table.
func (m *Memory) Write(_ context.Context, orders []analytics.Order, additions []analytics.Addition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(orders) + len(additions); n > analytics.MaxWrites {
		return fmt.Errorf("analyticstest: %d writes at once", n)
	}
	written := map[string]bool{}
	for _, o := range orders {
		if written[o.ID] {
			return fmt.Errorf("analyticstest: order %s is written twice at once", o.ID)
		}
		written[o.ID] = true
		if now := m.orders[o.ID].Revision; now != o.Revision {
			return &es.ConflictError{Stream: es.NewStreamID("order", o.ID), Expected: o.Revision, Actual: now}
		}
	}
	if m.orders == nil {
		m.orders, m.counters = map[string]analytics.Order{}, map[analytics.Row]analytics.Counters{}
	}
	for _, o := range orders {
		kept := analytics.Order{ID: o.ID, Revision: o.Revision + 1}
		text, err := json.Marshal(o)
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if err != nil {
			return err
		}
		m.orders[o.ID] = kept
	}
	for _, a := range additions {
		if m.counters[a.Row] == nil {
			m.counters[a.Row] = analytics.Counters{}
		}
		for name, n := range a.Counters {
			m.counters[a.Row][name] += n
		}
	}
	return nil
}

// Days implements analytics.Table.
func (m *Memory) Days(_ context.Context, from, to analytics.Date) (map[analytics.Date]analytics.Counters, error) {
	found := map[analytics.Date]analytics.Counters{}
	for row, counters := range m.rows(analytics.KindDay) {
		if row.Date >= from && row.Date <= to {
			found[row.Date] = counters
		}
	}
	return found, nil
}

// Hours implements analytics.Table.
func (m *Memory) Hours(_ context.Context, day analytics.Date) (map[time.Time]analytics.Counters, error) {
	found := map[time.Time]analytics.Counters{}
	for row, counters := range m.rows(analytics.KindHour) {
		if row.Date == day {
			found[row.Hour] = counters
		}
	}
	return found, nil
}

// Best implements analytics.Table.
func (m *Memory) Best(_ context.Context, day analytics.Date, n int) ([]analytics.SKU, error) {
	best := []analytics.SKU{}
	for row, counters := range m.rows(analytics.KindSKU) {
		if row.Date == day {
			best = append(best, analytics.SKU{SKU: row.SKU, Pieces: counters[analytics.CounterPieces]})
		}
	}
	slices.SortFunc(best, func(a, b analytics.SKU) int {
		return cmp.Or(cmp.Compare(b.Pieces, a.Pieces), cmp.Compare(a.SKU, b.SKU))
	})
	return best[:min(n, len(best))], nil
}

func (m *Memory) rows(kind analytics.Kind) map[analytics.Row]analytics.Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[analytics.Row]analytics.Counters{}
	for row, counters := range m.counters {
		if row.Kind == kind {
			found[row] = maps.Clone(counters)
		}
	}
	return found
}
