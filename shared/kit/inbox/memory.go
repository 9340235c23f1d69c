package inbox

import (
	"context"
	"sync"
)

// Memory is a Store in memory, for tests and for trying out. It forgets nothing by itself. It is
// safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	entries map[Key]Entry
}

// NewMemory makes an empty store.
func NewMemory() *Memory { return &Memory{entries: map[Key]Entry{}} }

// Swap implements Store.
func (m *Memory) Swap(ctx context.Context, next Entry, was string) (Entry, bool, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there := m.entries[next.Key]
	if there.Token != was {
		return there, Written(there, next), nil
	}
	m.entries[next.Key] = next
	return next, true, nil
}

// Get is the entry of a key, the zero Entry where there is none.
func (m *Memory) Get(key Key) Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.entries[key]
}

// Written reports whether the entry that is there is what a Swap of next wrote, whose answer was
// lost. It is for implementations of Store.
func Written(there, next Entry) bool { return there.Token == next.Token && there.State == next.State }
