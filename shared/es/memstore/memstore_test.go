package memstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"orderflow/shared/es"
	"orderflow/shared/es/estest"
	"orderflow/shared/es/memstore"
)

func TestStore(t *testing.T) {
	estest.Run(t, func(_ *testing.T, registry *es.Registry) estest.Backend {
		s := memstore.New(registry)
		return estest.Backend{
			Store: s, Counters: &counters{values: map[string]int64{}}, Reopen: func(registry *es.Registry) es.Store { return s.Reopen(registry) },
		}
	})
}

func TestSnapshots(t *testing.T) { estest.RunSnapshots(t, &memstore.Snapshots{}) }

func TestScanRefuses(t *testing.T) {
	s := memstore.New(es.NewRegistry())
	for _, tt := range []struct {
		segment, segments int
		from              string
	}{{0, 0, ""}, {-1, 1, ""}, {2, 2, ""}, {0, 1, "x"}, {0, 1, "a/b@x"}, {0, 1, "7"}} {
		for page, err := range s.Scan(t.Context(), tt.segment, tt.segments, tt.from) {
			if err == nil {
				t.Errorf("%+v: %+v", tt, page)
			}
		}
	}
}

// counters change under the store's lock; their own is for the tests that read them meanwhile.
type counters struct {
	mu     sync.Mutex
	values map[string]int64
}

var errBelowZero = errors.New("below zero")

func (c *counters) Add(name string, n int64) es.Effect { return addition{c, name, n} }

func (c *counters) Refused(err error) bool { return errors.Is(err, errBelowZero) }

func (c *counters) Value(_ context.Context, name string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[name], nil
}

type addition struct {
	counters *counters
	name     string
	n        int64
}

func (a addition) EffectName() string { return "add to " + a.name }

func (a addition) Check() error {
	if v, err := a.counters.Value(context.Background(), a.name); err != nil || v+a.n < 0 {
		return errBelowZero
	}
	return nil
}

func (a addition) Apply() {
	a.counters.mu.Lock()
	defer a.counters.mu.Unlock()
	a.counters.values[a.name] += a.n
}
