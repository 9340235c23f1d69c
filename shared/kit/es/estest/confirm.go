package estest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
)

func confirm(t *testing.T, b Backend) {
	one, two, none := Stream(), Stream(), Stream()
	first := Load(t, b.Store, one, 0).Head
	heads := uneven(t, b.Store, one, 1, 3, 2) // ends 1, 4, 6
	other := uneven(t, b.Store, two, 2)[0]
	empty := Load(t, b.Store, none, 0).Head
	end := heads[2]
	for _, all := range [][]es.Head{{end}, {empty}, {end, other}, {other, empty, end}} {
		if err := b.Store.Confirm(t.Context(), all...); err != nil {
			t.Errorf("%+v: %v", all, err)
		}
	}
	for _, tt := range []struct {
		name  string
		heads []es.Head
		at    es.Head
	}{
		{"the beginning of a stream that has events", []es.Head{first}, first},
		{"an end of before", []es.Head{heads[0]}, heads[0]},
		{"an end of before among others", []es.Head{other, heads[1], empty}, heads[1]},
		{"another commit's", []es.Head{empty, es.StoreHead(one, end.First(), 6, "strange")},
			es.StoreHead(one, 5, 6, "strange")},
		{"a shorter commit's", []es.Head{es.StoreHead(one, 5, 5, "c2")}, es.StoreHead(one, 5, 5, "c2")},
		{"a longer commit's", []es.Head{es.StoreHead(one, 5, 7, "c2"), other}, es.StoreHead(one, 5, 7, "c2")},
		{"a commit's that is not there", []es.Head{es.StoreHead(none, 3, 4, "c")}, es.StoreHead(none, 3, 4, "c")},
	} {
		var conflict *es.ConflictError
		err := b.Store.Confirm(t.Context(), tt.heads...)
		if !errors.As(err, &conflict) || conflict.Stream != tt.at.Stream() || conflict.Expected != tt.at.Version() {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for name, heads := range map[string][]es.Head{
		"nothing": {}, "no store's": {{}}, "one stream twice": {end, end},
		"two ends of one stream": {heads[0], other, end},
	} {
		if err := b.Store.Confirm(t.Context(), heads...); err == nil || errors.Is(err, es.ErrConflict) ||
			errors.Is(err, es.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Store.Confirm(ctx, end); !errors.Is(err, context.Canceled) || errors.Is(err, es.ErrConflict) {
		t.Errorf("a cancelled context: %v", err)
	}
}

// confirmMany: a store with a limit takes half as many heads of streams with events as its appends
// take items.
func confirmMany(t *testing.T, b Backend) {
	if b.Limits == nil {
		t.Skip("this store has no limits")
	}
	var heads []es.Head
	for range b.Limits.Items/2 + 1 {
		heads = append(heads, Append(t, b.Store, Load(t, b.Store, Stream(), 0).Head, "c", Noted{}))
	}
	if err := b.Store.Confirm(t.Context(), heads[1:]...); err != nil {
		t.Error(err)
	}
	var limit *es.LimitError
	if err := b.Store.Confirm(t.Context(), heads...); !errors.As(err, &limit) || limit.Limit != b.Limits.Items {
		t.Errorf("%d heads: %v", len(heads), err)
	}
}

// confirmWhole: of streams that grow together, ends that are confirmed are of one and the same
// append, whatever was read of them one after the other.
func confirmWhole(t *testing.T, b Backend) {
	const writers, appends = 2, 10
	streams := []es.StreamID{Stream(), Stream(), Stream()}
	counter := Stream().ID()
	ctx := context.Background()
	load := func() (heads []es.Head, err error) {
		for _, s := range streams {
			h, err := b.Store.Load(ctx, s, 0)
			if err != nil {
				return nil, err
			}
			heads = append(heads, h.Head)
		}
		return heads, nil
	}
	var left, confirmed atomic.Int64
	left.Store(writers)
	together(writers+2, func(i int) {
		if i < writers {
			defer left.Add(-1)
			for n := 0; n < appends; {
				heads, err := load()
				if err == nil {
					var commits []es.Commit
					for _, h := range heads {
						commits = append(commits, Commit(h, fmt.Sprintf("w%d-%d", i, n), Counted{}))
					}
					_, err = b.Store.Append(ctx, commits, b.Counters.Add(counter, 1))
				}
				switch {
				case err == nil:
					n++
				case !errors.Is(err, es.ErrConflict):
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
			return
		}
		for last := false; ; {
			heads, err := load()
			if err == nil {
				err = b.Store.Confirm(ctx, heads...)
			}
			switch {
			case err == nil:
				confirmed.Add(1)
				if heads[0].Version() != heads[1].Version() || heads[0].Version() != heads[2].Version() {
					t.Errorf("ends at %d, %d and %d are confirmed", heads[0].Version(), heads[1].Version(),
						heads[2].Version())
				}
				if last {
					return
				}
			case !errors.Is(err, es.ErrConflict):
				t.Errorf("reader %d: %v", i, err)
				return
			}
			last = left.Load() == 0
		}
	})
	if confirmed.Load() < 2 {
		t.Errorf("%d were confirmed", confirmed.Load())
	}
}

// confirm asks about some of the ends that the streams ever had.
func (m *machine) confirm(t *rapid.T) {
	var heads []es.Head
	stale := false
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(m.streams), 1, len(m.streams), rapid.ID)
	for _, s := range some.Draw(t, "streams") {
		all := m.heads[s]
		at := len(all) - 1
		if rapid.SampledFrom([]bool{false, false, true}).Draw(t, "old") {
			at = rapid.IntRange(0, len(all)-1).Draw(t, "head")
		}
		stale = stale || at < len(all)-1
		heads = append(heads, all[at])
	}
	var conflict *es.ConflictError
	err := m.b.Store.Confirm(context.Background(), heads...)
	if !stale && err != nil || stale && !errors.As(err, &conflict) {
		t.Fatalf("%+v: %v, stale: %t", heads, err, stale)
	}
	if stale {
		all := m.heads[conflict.Stream]
		if slices.Contains(heads, all[len(all)-1]) {
			t.Fatalf("%+v: %v, of an end that is one", heads, err)
		}
	}
}
