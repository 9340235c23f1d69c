package es_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
)

// slow is a store that takes a tenth of a second for a page of two hundred events, as one of a very
// small function does.
type slow struct {
	*memstore.Store
	page  func(n int) error // asked ahead of each page, from 1; nil for that all goes well
	pages int
}

const perPage = 200

func (s *slow) Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error] {
	return func(yield func(es.Recorded, error) bool) {
		n := 0
		for e, err := range s.Store.Read(ctx, stream, r) {
			if n++; n%perPage == 1 && err == nil {
				s.pages++
				if err = (clock.System{}).Sleep(ctx, 100*time.Millisecond); err == nil && s.page != nil {
					err = s.page(s.pages)
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// tally is how many events were folded, and their sum.
type tally struct {
	N   int64 `json:"n"`
	Sum int64 `json:"sum"`
}

func tallies(s es.Store, kept es.Snapshots) es.Repository[tally, opened] {
	return es.Repository[tally, opened]{
		Category: "thing", Store: s, Snapshots: kept, Fold: "tally/1", Every: 100,
		Initial: func() tally { return tally{} },
		Evolve:  func(t tally, e opened) tally { return tally{t.N + 1, t.Sum + int64(e.N)} },
	}
}

// long has a stream of so many events, in commits of seven.
func long(t *testing.T, events int) (*slow, es.StoredCommit) {
	s := &slow{Store: memstore.New(es.NewRegistry(register))}
	sizes := make([]int, 0, events/7+1)
	for ; events > 0; events -= 7 {
		sizes = append(sizes, min(events, 7))
	}
	commits := grow(t, s.Store, "1", sizes...)
	last := commits[len(commits)-1]
	last.First, last.Events = 1, make([]es.Stored, last.Last()) // it takes the stream across some multiple of Every
	return s, last
}

// try is what a function has for it.
func try(r es.Repository[tally, opened], c es.StoredCommit) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return r.Handle(ctx, c)
}

// came checks that the snapshot is what the stream was at its version, and gives that.
func came(t *testing.T, s es.Store, kept es.Snapshots) int64 {
	t.Helper()
	snapshot, found, err := kept.Newest(t.Context(), "thing/1", "tally/1")
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return 0
	}
	var state tally
	n := snapshot.Head.Version()
	if err := json.Unmarshal(snapshot.State, &state); err != nil || state != (tally{n, n * (n + 1) / 2}) {
		t.Fatalf("at version %d it is %+v, %v", n, state, err)
	}
	if _, err := s.Since(t.Context(), snapshot.Head); err != nil {
		t.Fatalf("the stream never ended at version %d: %v", n, err)
	}
	return n
}

// TestSnapshotsInSteps: a stream that can't be folded in the time of one try has its snapshot after
// a few of them, each of which goes on where the one before it came to.
func TestSnapshotsInSteps(t *testing.T) {
	const events = 10_000
	synctest.Test(t, func(t *testing.T) {
		s, last := long(t, events)
		kept := &shelf{}
		r := tallies(s, kept)
		for tries, before := 1, int64(0); before < events; tries++ {
			if err := try(r, last); err != nil {
				t.Fatalf("try %d: %v", tries, err)
			}
			now := came(t, s, kept)
			if step := now - before; step > 15*perPage || step < 13*perPage && now < events {
				t.Errorf("try %d came from %d to %d", tries, before, now)
			}
			if before = now; tries > 4 {
				t.Fatalf("after %d tries it is at version %d", tries, now)
			}
		}
		pages, puts := s.pages, kept.puts
		if err := try(r, last); err != nil || s.pages != pages || kept.puts != puts {
			t.Errorf("once more: %v, %d pages and %d puts", err, s.pages-pages, kept.puts-puts)
		}
		if got, err := r.Get(t.Context(), "1"); err != nil || got.State.N != events {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestSnapshotsInStepsBroken: whatever happens to the snapshot or the store in between, there is a
// good one in the end.
func TestSnapshotsInStepsBroken(t *testing.T) {
	const events = 8_000
	away := errors.New("away")
	for name, tt := range map[string]struct {
		between func(s *slow, kept *shelf)
		is      error // of the try after it
	}{
		"nothing": {between: func(*slow, *shelf) {}},
		"it is lost": {between: func(_ *slow, kept *shelf) {
			kept.Clear()
		}},
		"it is corrupt": {between: func(_ *slow, kept *shelf) {
			kept.newest = func(es.Snapshot, bool, error) (es.Snapshot, bool, error) {
				kept.newest = nil
				return es.Snapshot{}, false, es.ErrCorrupt
			}
		}},
		"it is of another stream's past": {between: func(_ *slow, kept *shelf) {
			kept.newest = func(s es.Snapshot, _ bool, _ error) (es.Snapshot, bool, error) {
				kept.newest = nil
				s.Head = es.StoreHead("thing/1", 999_991, 999_997, "restored")
				return s, true, nil
			}
		}},
		"its table is away": {between: func(_ *slow, kept *shelf) {
			kept.newest = func(es.Snapshot, bool, error) (es.Snapshot, bool, error) {
				kept.newest = nil
				return es.Snapshot{}, false, es.ErrUnavailable
			}
		}},
		"the store is away in the middle": {is: away, between: func(s *slow, _ *shelf) {
			from := s.pages
			s.page = func(n int) error {
				if n > from+3 {
					s.page = nil
					return away
				}
				return nil
			}
		}},
		"the store is away at once": {is: away, between: func(s *slow, _ *shelf) {
			s.page = func(int) error { s.page = nil; return away }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, last := long(t, events)
				kept := &shelf{}
				r := tallies(s, kept)
				if err := try(r, last); err != nil {
					t.Fatal(err)
				}
				tt.between(s, kept)
				if err := try(r, last); !errors.Is(err, tt.is) {
					t.Errorf("%v, want %v", err, tt.is)
				}
				for tries := 0; came(t, s, kept) < events; tries++ {
					if err := try(r, last); err != nil || tries > 3 {
						t.Fatalf("try %d: %v", tries, err)
					}
				}
			})
		})
	}
}

// TestStepsThatCantBe: with no time for a single commit nothing is written, and with an event that
// is none of the stream's what is before it is.
func TestStepsThatCantBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, last := long(t, 2*perPage)
		kept := &shelf{}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := tallies(s, kept).Handle(ctx, last); !errors.Is(err, context.DeadlineExceeded) || kept.puts > 0 {
			t.Errorf("%v, with %d puts", err, kept.puts)
		}
		head := estest.Load(t, s, "thing/1", 0).Head
		estest.Append(t, s, head, "alien", opened{2*perPage + 1}, renamed{})
		if err := try(tallies(s, kept), last); !errors.Is(err, es.ErrCorrupt) {
			t.Errorf("%v", err)
		}
		if n := came(t, s, kept); n != 2*perPage {
			t.Errorf("it came to version %d", n)
		}
	})
}

// TestStepsWithoutAHurry: who has all the time takes it.
func TestStepsWithoutAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 6_000
		s, last := long(t, events)
		kept := &shelf{}
		if err := tallies(s, kept).Handle(t.Context(), last); err != nil || kept.puts != 1 ||
			came(t, s, kept) != events {
			t.Errorf("%v, %d puts", err, kept.puts)
		}
	})
}

// TestGetMends: a state that can't be folded in the time of one request is there after a few of
// them. One that lacks few events is folded, and leaves no snapshot.
func TestGetMends(t *testing.T) {
	const events = 8_000
	get := func(r es.Repository[tally, opened]) (es.Result[tally], error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return r.Get(ctx, "1")
	}
	synctest.Test(t, func(t *testing.T) {
		s, _ := long(t, events)
		kept := &shelf{}
		r := tallies(s, kept)
		r.Mends = true
		tries := 0
		for {
			tries++
			got, err := get(r)
			if err == nil {
				if head := estest.Load(t, s, "thing/1", 0).Head; got.State.N != events || got.Head != head {
					t.Errorf("%+v, want %+v", got, head)
				}
				break
			}
			if !errors.Is(err, es.ErrUnavailable) || tries > 4 {
				t.Fatalf("try %d: %v", tries, err)
			}
		}
		if came(t, s, kept) != events || tries < 3 {
			t.Errorf("after %d tries the snapshot is of version %d", tries, came(t, s, kept))
		}
		puts := kept.puts
		grow(t, s.Store, "1", 400, 400, 200)
		if got, err := get(r); err != nil || got.State.N != events+1000 || kept.puts != puts {
			t.Errorf("a few more: %+v, %v, %d puts", got, err, kept.puts-puts)
		}
		grow(t, s.Store, "1", 1)
		if got, err := get(r); err != nil || got.State.N != events+1001 || kept.puts != puts+1 {
			t.Errorf("too many: %+v, %v, %d puts", got, err, kept.puts-puts)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, _ := long(t, events)
		r := tallies(s, &full{})
		r.Mends = true
		if _, err := get(r); !errors.Is(err, errFull) {
			t.Errorf("nothing can be written, and it says %v", err)
		}
		s.page = func(int) error { return errFull }
		if _, err := get(r); !errors.Is(err, errFull) || errors.Is(err, es.ErrUnavailable) {
			t.Errorf("nothing can be read, and it says %v", err)
		}
	})
}

// full is a table of snapshots that takes none.
type full struct{ memstore.Snapshots }

var errFull = errors.New("full")

func (*full) Keep(context.Context, es.Snapshot) error { return errFull }

// TestGetInAPlan: a plan that reads a state page by page refuses on the stream's end, as one that
// loads it does.
func TestGetInAPlan(t *testing.T) {
	for name, events := range map[string]int{"none": 0, "some": 20} {
		t.Run(name, func(t *testing.T) {
			h, s := newHold(1)
			h.Refused = nil
			r := es.Repository[int64, movement]{
				Category: ledger.Category(), Store: s, Snapshots: &memstore.Snapshots{}, Fold: "sum/1", Every: 1,
				Mends:   true,
				Initial: func() int64 { return 0 }, Evolve: func(sum int64, m movement) int64 { return sum + m.N },
			}
			write := func() {
				estest.Append(t, s, estest.Load(t, s, ledger, 0).Head, ident.New(), movement{1})
			}
			for range events {
				write()
			}
			tries := 0
			_, err := h.Do(t.Context(), "1", request("a"), func(ctx context.Context, from *es.Reads) (es.Plan, error) {
				got, err := r.From(from).Get(ctx, ledger.ID())
				if err != nil || got.State != int64(events+tries) || got.Head.Version() != int64(events+tries) {
					t.Errorf("%+v, %v", got, err)
				}
				if tries++; tries == 1 {
					write() // after it was read
				}
				return es.Plan{}, errEmpty.New("at %d", got.State)
			})
			if fault, ok := faults.As(err); !ok || fault.Detail != fmt.Sprintf("at %d", events+1) || tries != 2 {
				t.Errorf("%v, after %d tries", err, tries)
			}
		})
	}
}
