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

// Read implements analytics.Table.
func (m *Memory) Read(_ context.Context, ids []string, hours []analytics.Row) (
	map[string]analytics.Order, map[analytics.Row]analytics.Counters, error,
) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(ids) + len(hours); n > analytics.MaxWrites {
		return nil, nil, fmt.Errorf("analyticstest: %d items are read at once", n)
	}
	found := map[string]analytics.Order{}
	for _, id := range ids {
		if o, ok := m.orders[id]; ok {
			found[id] = o
		}
	}
	rows := map[analytics.Row]analytics.Counters{}
	for _, r := range hours {
		rows[r] = maps.Clone(m.counters[r])
	}
	return found, rows, nil
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
func (m *Memory) Best(_ context.Context, day analytics.Date) ([]analytics.SKU, error) {
	best := []analytics.SKU{}
	for row, counters := range m.rows(analytics.KindSKU) {
		if row.Date == day {
			best = append(best, analytics.SKU{SKU: row.SKU, Pieces: counters[analytics.CounterPieces]})
		}
	}
	slices.SortFunc(best, func(a, b analytics.SKU) int { return cmp.Compare(b.Pieces, a.Pieces) })
	return best[:min(analytics.BestRead, len(best))], nil
}

// Pieces implements analytics.Table.
func (m *Memory) Pieces(_ context.Context, day analytics.Date, skus []string) (map[string]int64, error) {
	found := map[string]int64{}
	for row, counters := range m.rows(analytics.KindSKU) {
		if row.Date == day && slices.Contains(skus, row.SKU) {
			found[row.SKU] = counters[analytics.CounterPieces]
		}
	}
	return found, nil
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
