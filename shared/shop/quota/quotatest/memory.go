// Package quotatest keeps hours in memory, and has the suite that every counter passes. Only tests
// import it.
package quotatest

import (
	"context"
	"slices"
	"sync"

	"orderflow/shared/shop/quota"
)

// Memory is a counter in memory. It is safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	hours map[quota.Hour]quota.Count
	asked int
	err   error
}

var _ quota.Counter = (*Memory)(nil)

// Add implements quota.Counter.
func (m *Memory) Add(
	_ context.Context, h quota.Hour, c quota.Command, b quota.Bounds,
) (bool, quota.Count, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.err != nil {
		return false, quota.Count{}, m.err
	}
	there := m.hours[h]
	known := slices.Contains(there.Commands, c)
	if there.Requests >= b.Requests || !known && int64(len(there.Commands)) >= b.Commands {
		return false, quota.Count{Commands: slices.Clone(there.Commands), Requests: there.Requests}, nil
	}
	if !known {
		there.Commands = append(there.Commands, c)
	}
	there.Requests++
	if m.hours == nil {
		m.hours = map[quota.Hour]quota.Count{}
	}
	m.hours[h] = there
	return true, quota.Count{}, nil
}

// Fail has every further count end with the error; nil has none.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Asked says how often it was asked.
func (m *Memory) Asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}
