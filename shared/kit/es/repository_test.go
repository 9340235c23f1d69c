package es_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
)

// asked is a store that counts what is read of it.
type asked struct {
	*memstore.Store
	loads, since int
	events       int
}

func (a *asked) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	h, err := a.Store.Load(ctx, stream, after)
	a.loads, a.events = a.loads+1, a.events+len(h.Events)
	return h, err
}

func (a *asked) Since(ctx context.Context, head es.Head) (es.History, error) {
	h, err := a.Store.Since(ctx, head)
	a.since, a.events = a.since+1, a.events+len(h.Events)
	return h, err
}

// shelf is a table of snapshots that a test breaks.
type shelf struct {
	memstore.Snapshots
	newest func(es.Snapshot, bool, error) (es.Snapshot, bool, error)
	puts   int
}

func (s *shelf) Newest(ctx context.Context, stream es.StreamID, fold string) (es.Snapshot, bool, error) {
	kept, found, err := s.Snapshots.Newest(ctx, stream, fold)
	if s.newest != nil {
		return s.newest(kept, found, err)
	}
	return kept, found, err
}

func (s *shelf) Keep(ctx context.Context, snapshot es.Snapshot) error {
	s.puts++
	return s.Snapshots.Keep(ctx, snapshot)
}

func (s *shelf) Replace(ctx context.Context, snapshot es.Snapshot) error {
	s.puts++
	return s.Snapshots.Replace(ctx, snapshot)
}

// digits is a state in which each event and its place show.
type digits struct {
	Text string `json:"text"`
}

func digitsOf(store es.Store, snapshots es.Snapshots) es.Repository[digits, opened] {
	return es.Repository[digits, opened]{
		Category: "thing", Store: store, Clock: clock.NewFake(estest.Start.Add(24 * time.Hour)), Snapshots: snapshots,
		Fold: "digits/1", Every: 5,
		Initial: func() digits { return digits{} },
		Evolve:  func(d digits, e opened) digits { return digits{d.Text + fmt.Sprint(e.N) + "."} },
	}
}

// grow appends commits of the given sizes, which hold their own versions, and gives each as it is
// stored.
func grow(t testing.TB, store es.Store, id string, sizes ...int) (commits []es.StoredCommit) {
	t.Helper()
	registry := es.NewRegistry(register)
	head := estest.Load(t, store, es.NewStreamID("thing", id), 0).Head
	for _, size := range sizes {
		c := estest.Commit(head, fmt.Sprintf("c%d", head.Version()))
		for i := range size {
			c.Events = append(c.Events, opened{int(head.Version()) + i + 1})
		}
		stored, err := registry.EncodeCommit(c)
		if err != nil {
			t.Fatal(err)
		}
		head = estest.Append(t, store, head, c.ID, c.Events...)
		commits = append(commits, stored)
	}
	return commits
}

func upTo(n int) (d digits) {
	for i := range n {
		d.Text += fmt.Sprint(i+1) + "."
	}
	return d
}

func wantDigits(t *testing.T, r es.Repository[digits, opened], version int) {
	t.Helper()
	got, err := r.Get(t.Context(), "1")
	if err != nil || got.State != upTo(version) || got.Head.Version() != int64(version) {
		t.Errorf("%+v, %v, want %d", got, err, version)
	}
}

// TestSnapshotsByPolicy: a commit that takes the stream across a multiple of five leaves a snapshot
// of all that there is, and no other does.
func TestSnapshotsByPolicy(t *testing.T) {
	store, kept := memstore.New(es.NewRegistry(register)), &shelf{}
	r := digitsOf(store, kept)
	wantDigits(t, r, 0)
	var commits []es.StoredCommit
	sizes := []int{3, 1, 2, 3, 5, 1, 11}
	for i, wrote := range []int{0, 0, 1, 0, 1, 1, 1} { // ends 3, 4, 6, 9, 14, 15, 26
		commits = append(commits, grow(t, store, "1", sizes[i])...)
		puts := kept.puts
		for range 2 { // each comes twice, and the second time there is nothing to add
			if err := r.Handle(t.Context(), commits[i]); err != nil {
				t.Fatal(err)
			}
		}
		if kept.puts-puts != wrote {
			t.Errorf("versions %d to %d: %d snapshots", commits[i].First, commits[i].Last(), kept.puts-puts)
		}
	}
	if s, found, err := kept.Newest(t.Context(), "thing/1", "digits/1"); err != nil || !found ||
		s.Head.Version() != 26 {
		t.Errorf("%+v, %t, %v", s, found, err)
	}
	wantDigits(t, r, 26)
	other := commits[2]
	other.Stream = "order/1"
	if err := r.Handle(t.Context(), other); err != nil {
		t.Error(err)
	}
}

func TestRehydrateInTwoReads(t *testing.T) {
	store, kept := &asked{Store: memstore.New(es.NewRegistry(register))}, &shelf{}
	r := digitsOf(store, kept)
	commits := grow(t, store.Store, "1", 4, 4, 4, 4, 2)
	for _, c := range commits[:4] {
		if err := r.Handle(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	grow(t, store.Store, "1", 1, 1)
	*store = asked{Store: store.Store}
	wantDigits(t, r, 20)
	// The snapshots were written when the stream had 18 events.
	if store.loads != 0 || store.since != 1 || store.events != 2 {
		t.Errorf("%d loads, %d since, %d events", store.loads, store.since, store.events)
	}
}

// TestSnapshotsThatDoNotAnswer: the table hangs, and the request has its time for a replay; whose
// own time is up hears of that.
func TestSnapshotsThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(es.NewRegistry(register))
		grow(t, store, "1", 3, 4)
		r := digitsOf(store, silent{})
		wantDigits(t, r, 7)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if got, err := r.Get(ctx, "1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// silent is a table of snapshots that never answers.
type silent struct{ es.Snapshots }

func (silent) Newest(ctx context.Context, _ es.StreamID, _ string) (es.Snapshot, bool, error) {
	<-ctx.Done()
	return es.Snapshot{}, false, ctx.Err()
}

// TestUselessSnapshots: whatever is wrong with one costs a replay, and the next Handle puts a good
// one in its place.
func TestUselessSnapshots(t *testing.T) {
	tests := map[string]struct {
		newest func(es.Snapshot, bool, error) (es.Snapshot, bool, error)
		mended bool
	}{
		"lost": {
			newest: func(es.Snapshot, bool, error) (es.Snapshot, bool, error) { return es.Snapshot{}, false, nil },
		},
		"corrupt": {
			newest: func(es.Snapshot, bool, error) (es.Snapshot, bool, error) {
				return es.Snapshot{}, false, es.ErrCorrupt
			},
			mended: true,
		},
		"out of reach": {
			newest: func(es.Snapshot, bool, error) (es.Snapshot, bool, error) {
				return es.Snapshot{}, false, es.ErrUnavailable
			},
		},
		"gone with its table": {
			newest: func(es.Snapshot, bool, error) (es.Snapshot, bool, error) {
				return es.Snapshot{}, false, errTooMuch
			},
		},
		"of another shape": {newest: func(s es.Snapshot, _ bool, _ error) (es.Snapshot, bool, error) {
			s.State = []byte(`{"text":7}`)
			return s, true, nil
		}, mended: true},
		"of another stream": {newest: func(s es.Snapshot, _ bool, _ error) (es.Snapshot, bool, error) {
			s.Head = es.StoreHead("thing/2", s.Head.First(), s.Head.Version(), s.Head.CommitID())
			return s, true, nil
		}, mended: true},
		"of another fold": {newest: func(s es.Snapshot, _ bool, _ error) (es.Snapshot, bool, error) {
			s.Fold = "digits/2"
			return s, true, nil
		}, mended: true},
		"from beyond the stream's end": {newest: func(s es.Snapshot, _ bool, _ error) (es.Snapshot, bool, error) {
			s.Head, s.State = es.StoreHead("thing/1", 90, 99, "c90"), []byte(`{"text":"future"}`)
			return s, true, nil
		}, mended: true},
		"of a commit that was another": {newest: func(s es.Snapshot, _ bool, _ error) (es.Snapshot, bool, error) {
			s.Head = es.StoreHead("thing/1", s.Head.First(), s.Head.Version(), "other")
			return s, true, nil
		}, mended: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			store, kept := &asked{Store: memstore.New(es.NewRegistry(register))}, &shelf{}
			r := digitsOf(store, kept)
			for _, c := range grow(t, store.Store, "1", 3, 4) {
				if err := r.Handle(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			kept.newest = tt.newest
			wantDigits(t, r, 7)
			if store.loads == 0 {
				t.Error("no replay")
			}
			commit := grow(t, store.Store, "1", 4)[0]
			if err := r.Handle(t.Context(), commit); err != nil {
				t.Fatal(err)
			}
			if kept.newest = nil; tt.mended {
				*store = asked{Store: store.Store}
				if wantDigits(t, r, 11); store.loads > 0 || store.events > 0 {
					t.Errorf("after it was mended %d loads of %d events", store.loads, store.events)
				}
			}
		})
	}
}

func TestHandleRefuses(t *testing.T) {
	store := memstore.New(es.NewRegistry(register))
	commit := grow(t, store, "1", 6)[0]
	r := digitsOf(store, &shelf{})
	r.Every = 0
	if err := r.Handle(t.Context(), commit); err == nil {
		t.Error("Every is 0 and nobody says so")
	}
	if r.Every, r.Fold = 5, ""; r.Handle(t.Context(), commit) == nil {
		t.Error("Fold is empty and nobody says so")
	}
	// A commit that the store does not have: whoever sends it speaks of another store.
	if err := digitsOf(
		memstore.New(es.NewRegistry(register)), &shelf{},
	).Handle(t.Context(), commit); !errors.Is(err, es.ErrCorrupt) {
		t.Error(err)
	}
}

// TestPast compares states as of each version and time with a replay of the prefix, while the clock
// jumps.
func TestPast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store, ctx := memstore.New(es.NewRegistry(register)), context.Background()
		stream := es.StreamID("thing/1")
		r := digitsOf(store, &shelf{})
		var ends []int // version that a commit ends with
		var times []time.Time
		newest := time.Time{}
		for i := range rapid.IntRange(0, 12).Draw(t, "commits") {
			h, err := store.Load(ctx, stream, 0)
			if err != nil {
				t.Fatal(err)
			}
			at := estest.Start.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "seconds")) * time.Second)
			c := es.Commit{Head: h.Head, ID: fmt.Sprint(i), Time: at}
			for n := range rapid.IntRange(1, 4).Draw(t, "events") {
				c.Events = append(c.Events, opened{int(h.Head.Version()) + n + 1})
			}
			if _, err := store.Append(ctx, []es.Commit{c}); err != nil {
				t.Fatal(err)
			}
			if at.After(newest) {
				newest = at
			}
			ends, times = append(ends, int(h.Head.Version())+len(c.Events)), append(times, newest)
		}
		end := 0
		if len(ends) > 0 {
			end = ends[len(ends)-1]
		}
		for version := 1; version <= end+1; version++ {
			got, err := r.AsOf(ctx, "1", es.Point{Version: int64(version)})
			if want := min(version, end); err != nil || got.State != upTo(want) || got.Version != int64(want) {
				t.Fatalf("as of version %d: %+v, %v", version, got, err)
			}
		}
		for second := -6; second <= 6; second++ {
			at := estest.Start.Add(time.Duration(second) * time.Second)
			want, since := 0, time.Time{}
			for i := range ends {
				if !times[i].After(at) {
					want, since = ends[i], times[i]
				}
			}
			got, err := r.AsOf(ctx, "1", es.Point{Time: at})
			if err != nil || got.State != upTo(want) || got.Version != int64(want) || !got.Time.Equal(since) {
				t.Fatalf("as of second %d: %+v, %v, want version %d of %v", second, got, err, want, since)
			}
		}
		now, err := r.AsOf(ctx, "1", es.Point{})
		if err != nil || now.State != upTo(end) || !now.Time.Equal(newest) {
			t.Fatalf("now: %+v, %v", now, err)
		}
	})
}

// TestNotSettled: a time of which more may come, or that is yet to come, is refused, and a version
// never.
func TestNotSettled(t *testing.T) {
	store := memstore.New(es.NewRegistry(register))
	grow(t, store, "1", 2)
	r := digitsOf(store, &shelf{})
	for _, tt := range []struct {
		name  string
		now   time.Duration // after the commit
		point es.Point
		err   error
	}{
		{"the moment of the commit, at once", 0, es.Point{Time: estest.Start}, es.ErrNotSettled},
		{"a moment before it settles", es.Settled - 1, es.Point{Time: estest.Start}, es.ErrNotSettled},
		{"as it settles", es.Settled, es.Point{Time: estest.Start}, nil},
		{"in another zone", es.Settled, es.Point{Time: estest.Start.In(time.FixedZone("", -7200))}, nil},
		{"a time to come", time.Hour, es.Point{Time: estest.Start.Add(2 * time.Hour)}, es.ErrNotSettled},
		{"a time before all", 0, es.Point{Time: estest.Start.Add(-time.Hour)}, nil},
		{"a version, at once", 0, es.Point{Version: 2}, nil},
		{"now", 0, es.Point{}, nil},
	} {
		r.Clock = clock.NewFake(estest.Start.Add(tt.now))
		_, err := r.AsOf(t.Context(), "1", tt.point)
		if fault, ok := faults.As(err); !errors.Is(err, tt.err) || ok != (tt.err != nil) || ok &&
			fault.Kind != faults.Conflict {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
	}
	if r.Clock = nil; func() error {
		_, err := r.AsOf(t.Context(), "1",
			es.Point{Time: estest.Start})
		return err
	}() == nil {
		t.Error("a time without a clock")
	}
	if at := (es.Point{Time: estest.Start}).Settles(); !at.Equal(estest.Start.Add(es.Settled)) {
		t.Errorf("it settles at %v", at)
	}
}

// TestThePastStays: writers and readers whose clocks are off, writes that take as long as they may,
// and arrive later still. What was answered about a moment is answered so for ever.
func TestThePastStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		store, ctx := memstore.New(es.NewRegistry(register)), context.Background()
		skew := rapid.OneOf(rapid.Int64Range(-int64(es.SkewLimit), int64(es.SkewLimit)),
			rapid.SampledFrom([]int64{-int64(es.SkewLimit), int64(es.SkewLimit)}))
		most := int64(es.WriteLimit + es.LateLimit)
		type event struct {
			at   time.Duration // by the true time
			step func(now time.Time)
		}
		var events []event
		moments := []time.Time{estest.Start}
		for i := range rapid.IntRange(1, 8).Draw(t, "writes") {
			stamped := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "stamped"))
			takes := time.Duration(rapid.OneOf(rapid.Int64Range(0, most), rapid.Just(most)).Draw(t, "takes"))
			stamp := estest.Start.Add(stamped + time.Duration(skew.Draw(t, "writer's skew")))
			moments = append(moments, stamp)
			var head es.Head
			events = append(events, event{stamped, func(time.Time) {
				h, err := store.Load(ctx, "thing/1", 0)
				if err != nil {
					t.Fatal(err)
				}
				head = h.Head
			}}, event{stamped + takes, func(time.Time) {
				commit := es.Commit{Head: head, ID: fmt.Sprint(i), Time: stamp,
					Events: []any{opened{int(head.Version()) + 1}}}
				if _, err := store.Append(ctx, []es.Commit{commit}); err != nil && !errors.Is(err, es.ErrConflict) {
					t.Fatal(err)
				}
			}})
		}
		answers := map[time.Time]es.Past[digits]{}
		for range rapid.IntRange(1, 30).Draw(t, "reads") {
			of := rapid.SampledFrom(moments).Draw(t, "of")
			off := time.Duration(skew.Draw(t, "reader's skew"))
			// By the reader's clock it settles at that time, or is about to, or did so long ago.
			at := (es.Point{Time: of}).Settles().Sub(estest.Start) - off + rapid.SampledFrom([]time.Duration{
				-3 * time.Second, -1, 0, 1, 3 * time.Second, 2 * time.Minute}).Draw(t, "at")
			events = append(events, event{at, func(now time.Time) {
				r := digitsOf(store, &shelf{})
				r.Clock = clock.NewFake(now.Add(off))
				got, err := r.AsOf(ctx, "1", es.Point{Time: of})
				if errors.Is(err, es.ErrNotSettled) {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if before, asked := answers[of]; asked && before != got {
					t.Fatalf("as of %v was %+v, and is %+v", of, before, got)
				}
				answers[of] = got
			}})
		}
		slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
		for _, e := range events {
			e.step(estest.Start.Add(e.at))
		}
	})
}
