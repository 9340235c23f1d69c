package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
)

func TestStore(t *testing.T) {
	estest.Run(t, func(_ *testing.T, registry *es.Registry) estest.Backend {
		now := clock.NewFake(estest.Start)
		s := memstore.New(registry, memstore.Clock(now))
		return estest.Backend{
			Store: s, Counters: &counters{}, Clock: now,
			Reopen: func(registry *es.Registry) es.Store { return s.Reopen(registry) },
		}
	})
}

// TestStaggered: what is visible bit by bit is the same in the end.
func TestStaggered(t *testing.T) {
	for seed := range 4 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			estest.Run(t, func(_ *testing.T, registry *es.Registry) estest.Backend {
				s := memstore.New(registry, memstore.Staggered(fmt.Sprint(seed)))
				return estest.Backend{
					Store: resending{s}, Counters: &counters{}, Resends: true,
					Reopen: func(registry *es.Registry) es.Store { return resending{s.Reopen(registry)} },
				}
			})
		})
	}
}

// resending is a store whose client sends an append again that it hears is under way, as the one of
// DynamoDB does.
type resending struct{ *memstore.Store }

func (s resending) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	for {
		appended, err := s.Store.Append(ctx, commits, effects...)
		var conflict *es.ConflictError
		if !errors.As(err, &conflict) || conflict.Actual >= 0 {
			return appended, err
		}
	}
}

// TestOneByOne: what an append writes on streams and in rows is seen one after the other, in the
// order that the test names, and by whoever would write there, or asks about several, not before
// all of it is.
func TestOneByOne(t *testing.T) {
	ctx := t.Context()
	s := memstore.New(es.NewRegistry(estest.Register))
	one, two := es.StreamID("test/1"), es.StreamID("test/2")
	rows := &memstore.Rows[int64]{}
	heads := func() (all []es.Head) {
		for _, stream := range []es.StreamID{one, two} {
			all = append(all, estest.Load(t, s, stream, 0).Head)
		}
		return all
	}
	append3 := func(id string) error {
		h := heads()
		_, err := s.Append(ctx, []es.Commit{estest.Commit(h[0], id, estest.Noted{}),
			estest.Commit(h[1], id, estest.Noted{})},
			rows.Effect("count", []string{"n"}, func(rows map[string]int64) error { rows["n"]++; return nil }))
		return err
	}
	var seen []string
	look := func() {
		h := heads()
		n, _ := rows.Get("n")
		seen = append(seen, fmt.Sprint(h[0].Version(), h[1].Version(), n))
	}
	s.Meanwhile([]int{2, 0, 1}, look)
	if err := append3("a"); err != nil {
		t.Fatal(err)
	}
	look()
	if want := []string{"0 0 0", "0 0 1", "1 0 1", "1 1 1"}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
	// Each that meets what can't be seen is sent away, and finds more of it the next time.
	before := heads()
	var answers []error
	asked := false
	s.Meanwhile([]int{2, 0, 1}, func() {
		if asked {
			return
		}
		asked = true
		for range 4 {
			answers = append(answers, s.Confirm(ctx, before...))
		}
	})
	if err := append3("b"); err != nil {
		t.Fatal(err)
	}
	for i, err := range answers {
		var conflict *es.ConflictError
		if !errors.As(err, &conflict) || (conflict.Actual == -1) != (i < 3) {
			t.Errorf("answer %d: %v", i, err)
		}
	}
	asked = false
	s.Meanwhile([]int{0, 1, 2}, func() {
		if !asked {
			asked = true
			if err := append3("d"); !errors.Is(err, es.ErrConflict) {
				t.Errorf("a second append at the same place: %v", err)
			}
		}
	})
	if err := append3("c"); err != nil {
		t.Fatal(err)
	}
	s.Meanwhile(nil, nil)
	if err := append3("d"); err != nil {
		t.Fatal(err)
	}
	if h := heads(); h[0].Version() != 4 || h[1].Version() != 4 || rows.All()["n"] != 4 {
		t.Errorf("%v, %v", h, rows.All())
	}
}

// TestMissedAnswers: half of the appends of several items of a Staggered store are carried out and
// answered by a conflict. They are whole for everybody once the request that they came with has
// ended.
func TestMissedAnswers(t *testing.T) {
	missed, partly := 0, 0
	for seed := range 50 {
		s := memstore.New(es.NewRegistry(estest.Register), memstore.Staggered(fmt.Sprint(seed)))
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Append(ctx, []es.Commit{
			estest.Commit(es.StoreHead("test/1", 0, 0, ""), "c", estest.Noted{}),
			estest.Commit(es.StoreHead("test/2", 0, 0, ""), "c", estest.Noted{}),
		})
		if err != nil && !errors.Is(err, es.ErrConflict) {
			t.Fatal(err)
		}
		one, two := estest.Load(t, s, "test/1", 0).Head.Version(), estest.Load(t, s, "test/2", 0).Head.Version()
		if err != nil {
			missed++
		}
		if one+two < 2 {
			partly++
		}
		if err == nil && one+two < 2 {
			t.Errorf("seed %d: answered, and not to be seen", seed)
		}
		cancel()
		if n := estest.Load(t, s, "test/1", 0).Head.Version() + estest.Load(t, s, "test/2", 0).Head.Version(); n != 2 {
			t.Errorf("seed %d: %d of 2 commits are seen in the end", seed, n)
		}
	}
	if missed < 10 || missed > 40 || partly < 5 {
		t.Errorf("of 50 answers %d were missed, and %d appends seen in part", missed, partly)
	}
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

// counters are rows of numbers.
type counters struct{ rows memstore.Rows[int64] }

var errBelowZero = errors.New("below zero")

func (c *counters) Add(name string, n int64) es.Effect {
	return c.rows.Effect("add to "+name, []string{name}, func(rows map[string]int64) error {
		if rows[name] += n; rows[name] < 0 {
			return errBelowZero
		}
		return nil
	})
}

func (c *counters) Refused(err error) bool { return errors.Is(err, errBelowZero) }

func (c *counters) Value(_ context.Context, name string) (int64, error) {
	n, _ := c.rows.Get(name)
	return n, nil
}
