// Package sweeptest is the suite that every sweep.Rounds passes, and one in memory. Only tests
// import it.
package sweeptest

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/process/sweep"
)

// Memory is a sweep.Rounds in memory. It is safe for concurrent use.
type Memory struct {
	mu sync.Mutex
	at sweep.Position
}

// Load implements sweep.Rounds.
func (m *Memory) Load(ctx context.Context) (sweep.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at, ctx.Err()
}

// Save implements sweep.Rounds.
func (m *Memory) Save(ctx context.Context, p sweep.Position) (sweep.Position, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil || p.Revision != m.at.Revision {
		return sweep.Position{}, false, err
	}
	p.Revision++
	m.at = p
	return p, true, nil
}

// Run puts Rounds in which nothing was ever saved through the suite.
func Run(t *testing.T, r sweep.Rounds) {
	t.Helper()
	ctx := t.Context()
	load := func(want sweep.Position) {
		t.Helper()
		if got, err := r.Load(ctx); err != nil || got != want {
			t.Fatalf("%v: (-want +got)\n%s", err, cmp.Diff(want, got))
		}
	}
	load(sweep.Position{})
	first := sweep.Position{Waiting: sweep.Place{Slot: 3, After: "2026-01-02T03:04:05.000000000Z#o1", Begun: 2}}
	saved, ok, err := r.Save(ctx, first)
	if first.Revision = 1; err != nil || !ok || saved != first {
		t.Fatalf("%+v, %t, %v", saved, ok, err)
	}
	load(first)
	second := first
	second.Shipped.Slot = 11
	if saved, ok, err = r.Save(ctx, second); err != nil || !ok {
		t.Fatal(ok, err)
	}
	load(saved)
	for name, late := range map[string]sweep.Position{
		"one of before": first, "one of the beginning": {}, "one that never was": {Revision: 7},
	} {
		late.Waiting.Slot = 9
		if _, ok, err := r.Save(ctx, late); ok || err != nil {
			t.Errorf("%s is saved: %t, %v", name, ok, err)
		}
	}
	load(saved)
	// Of many who save in place of one, one does.
	var wg sync.WaitGroup
	wins := make(chan sweep.Position, 8)
	for slot := range 8 {
		wg.Go(func() {
			mine := saved
			mine.Waiting.Slot = slot
			if won, ok, err := r.Save(context.Background(), mine); err != nil {
				t.Error(err)
			} else if ok {
				wins <- won
			}
		})
	}
	wg.Wait()
	if len(wins) != 1 {
		t.Fatalf("%d were saved", len(wins))
	}
	load(<-wins)
}
