package rebuild_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/ops/rebuild"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/viewtest"
)

// digit is the event of the streams; a row is its stream's digits, in a list of its own parity, and
// counts in a tally.
type (
	digit struct {
		Digit int `json:"digit"`
	}
	row struct {
		Digits string `json:"digits"`
	}
)

var digits = view.Definition[row]{
	Name: "digits", Category: "number", Events: func(r *es.Registry) { es.Register[digit](r, "number.grown", 1) },
	Evolve: func(r row, e es.Recorded) row { return row{r.Digits + fmt.Sprint(e.Data.(digit).Digit)} },
	Keys: func(id string, r row) []view.Key {
		return []view.Key{
			{Index: view.Index1, Partition: fmt.Sprint("even-", len(r.Digits)%2 == 0), Sort: id},
			{Index: view.Index2, Partition: "all", Sort: id},
		}
	},
	Tallies: func(id string, r row) []view.Tally {
		return []view.Tally{{
			Name: "digits", ID: id[:1], Counters: map[string]int64{"n": int64(len(r.Digits))},
			Rows: view.Key{Index: view.Index2, Partition: "all"},
		}}
	},
}

var (
	start    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	registry = view.Registry(digits.View())
	errDead  = errors.New("the process died")
)

// TestMain keeps the log out of the tests' output.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func generation(n int64) view.Generation { return view.Generation{View: "digits", Number: n} }

// pages is a store that scans in pages of two commits, so that a stream is on several.
type pages struct{ *memstore.Store }

func (p pages) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		for page, err := range p.Store.Scan(ctx, segment, segments, from) {
			for len(page.Commits) > 2 && err == nil {
				last := page.Commits[1]
				if !yield(
					es.ScanPage{Commits: page.Commits[:2], Next: fmt.Sprintf("%s@%d", last.Stream, last.First)}, nil,
				) {
					return
				}
				page.Commits = page.Commits[2:]
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// world is a store with a table of views.
type world struct {
	store   pages
	table   *viewtest.Memory
	clock   *clock.Fake
	commits []es.StoredCommit
}

func newWorld() *world {
	return &world{store: pages{memstore.New(registry)}, table: viewtest.NewMemory(), clock: clock.NewFake(start)}
}

// append adds a commit of n events to a stream.
func (w *world) append(stream es.StreamID, n int) es.StoredCommit {
	history, err := w.store.Load(context.Background(), stream, 0)
	if err != nil {
		panic(err)
	}
	c := es.Commit{Head: history.Head, ID: fmt.Sprint("commit-", len(w.commits)), Time: start}
	for i := range n {
		c.Events = append(c.Events, digit{(int(history.Head.Version()) + i + 1) % 10})
	}
	if _, err := w.store.Append(context.Background(), []es.Commit{c}); err != nil {
		panic(err)
	}
	stored, err := registry.EncodeCommit(c)
	if err != nil {
		panic(err)
	}
	w.commits = append(w.commits, stored)
	return stored
}

func (w *world) projector(table view.Projection) *view.Projector {
	return view.NewProjector(w.store, table, w.clock, nil, digits.View())
}

func (w *world) project(t fataler, commits ...es.StoredCommit) {
	for _, err := range w.projector(w.table).HandleBatch(context.Background(), commits) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) rebuild(table view.Table, holder string) rebuild.Rebuild {
	return rebuild.Rebuild{
		View: digits.View(), Store: w.store, Registry: registry, Table: table, Clock: w.clock, Holder: holder,
		Segments: 3, Parallel: 1,
	}
}

type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

// check compares everything of the view with what a replay makes of the store: the generation, and
// nothing beside it.
func (w *world) check(t fataler, number int64) {
	w.checkRows(t, number)
	for _, e := range w.table.All("digits") {
		if e.Generation.Number != number || e.Kind == view.KindPosition {
			t.Fatalf("left is %+v", e)
		}
	}
}

// checkRows compares the rows of a generation with a replay, all at the streams' ends.
func (w *world) checkRows(t fataler, number int64) {
	want := viewtest.NewMemory()
	replay := view.Folder{Store: w.store, Registry: registry, Rows: want, Clock: w.clock}
	for _, stream := range w.streams() {
		if err := replay.Apply(context.Background(), view.Change{
			View: digits.View(), Generation: generation(number), Stream: stream,
		})[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	kept := slices.DeleteFunc(
		w.table.All("digits"),
		func(e view.Entry) bool { return e.Generation.Number != number || e.Kind == view.KindPosition },
	)
	if diff := cmp.Diff(want.All("digits"), kept); diff != "" {
		t.Fatalf("generation %d is not the replay (-want +got):\n%s", number, diff)
	}
}

func (w *world) streams() []es.StreamID {
	var all []es.StreamID
	for _, c := range w.commits {
		if c.Stream.Category() == "number" && !slices.Contains(all, c.Stream) {
			all = append(all, c.Stream)
		}
	}
	return all
}

func (w *world) control(t fataler) view.Control {
	c, err := w.table.Control(context.Background(), "digits")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// small is a world of some streams whose rows serve, one of them behind, one wrong, one of no
// stream.
func small(t fataler) *world {
	w := newWorld()
	for i := range 6 {
		stream := es.NewStreamID("number", fmt.Sprint("abc"[i%3:i%3+1], i))
		w.project(t, w.append(stream, 1), w.append(stream, 2))
	}
	w.append("other/1", 1)
	w.append("number/a0", 1)
	for id, digits := range map[string]string{"b1": "999", "lost": "1"} {
		item, err := w.table.Row(context.Background(), generation(1), id)
		if err != nil {
			t.Fatal(err)
		}
		old := item.Sequence
		item.Sequence, item.Data = int64(len(digits)), json.RawMessage(`{"digits":"`+digits+`"}`)
		if err := w.table.Put(
			context.Background(), view.Write{Generation: generation(1), Old: old, Next: item},
		)[0]; err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestRun(t *testing.T) {
	w := small(t)
	var phases []rebuild.Phase
	var last rebuild.Progress
	r := w.rebuild(w.table, "me")
	r.Progress = func(p rebuild.Progress) {
		if last = p; !slices.Contains(phases, p.Phase) {
			phases = append(phases, p.Phase)
		}
	}
	got, err := r.Run(context.Background())
	if want := (rebuild.Result{Generation: 2, Commits: 14, Events: 19}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	w.check(t, 2)
	if diff := cmp.Diff(
		view.Control{View: "digits", Revision: 4, Serving: 2, Last: 2, Draining: []int64{}, Retired: []int64{}},
		w.control(t),
	); diff != "" {
		t.Errorf("control (-want +got):\n%s", diff)
	}
	wantPhases := []rebuild.Phase{
		rebuild.PhaseScan, rebuild.PhaseSettle, rebuild.PhaseDrain, rebuild.PhaseRetire, rebuild.PhaseDelete,
	}
	if !slices.Equal(phases, wantPhases) || last.Commits != 14 || last.Events != 19 || last.Done != 3 ||
		last.Deleted != 13 {
		t.Errorf("phases %v, at the end %+v", phases, last)
	}
	if waited := w.clock.Now().Sub(start); waited != view.ReaderGrace+view.WriterGrace {
		t.Errorf("the old generation was kept for %s", waited)
	}
	// And once more: the next number, and the same rows.
	if got, err := r.Run(context.Background()); err != nil || got.Generation != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	w.check(t, 3)
}

// All at once, in a table of many rows.
func TestRunSideBySide(t *testing.T) {
	w := newWorld()
	for i := range 200 {
		w.append(es.NewStreamID("number", fmt.Sprint("abcd"[i%4:i%4+1], i%67)), 1+i%3)
	}
	r := w.rebuild(w.table, "me")
	r.Segments, r.Parallel, r.Clock = 7, 0, clock.NewFake(start)
	var group errgroup.Group
	var mu sync.Mutex
	group.Go(func() error { _, err := r.Run(context.Background()); return err })
	for range 2 {
		group.Go(func() error {
			for i := range 60 {
				mu.Lock()
				c := w.append(es.NewStreamID("number", fmt.Sprint("d", i%70)), 1)
				mu.Unlock()
				if err := errors.Join(w.projector(w.table).HandleBatch(
					context.Background(), []es.StoredCommit{c},
				)...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	// What the projectors did before the rebuild began is in both.
	for _, stream := range w.streams() {
		if err := w.projector(w.table).CatchUp(context.Background(), stream); err != nil {
			t.Fatal(err)
		}
	}
	// On a clock of its own the rebuild did not wait for the projectors, so that rows of the old
	// generation may have come back.
	w.checkRows(t, 2)
}

// Wherever the process dies, before or after any of its requests, the old generation serves until
// the new one does, and the next process ends the work.
func TestDeathAnywhere(t *testing.T) {
	deaths := 0
	for at := 1; ; at++ {
		w := small(t)
		requests := 0
		table := viewtest.Hooked{Table: w.table, Hook: func(context.Context, string, bool) error {
			if requests++; requests >= at {
				return errDead // and nothing gets through any more
			}
			return nil
		}}
		_, err := w.rebuild(table, "first").Run(context.Background())
		if err == nil {
			break
		}
		if !errors.Is(err, errDead) {
			t.Fatalf("at request %d: %v", at, err)
		}
		deaths++
		control := w.control(t)
		if control.ServingGeneration() == generation(2) {
			w.checkRows(t, 2)
		} else if control.ServingGeneration() != generation(1) {
			t.Fatalf("at request %d: %+v", at, control)
		}
		result, err := w.rebuild(w.table, "second").Run(context.Background())
		if err != nil {
			t.Fatalf("after a death at request %d: %v", at, err)
		}
		if result.Finished {
			w.check(t, 2)
			continue
		}
		w.check(t, w.control(t).Serving)
		if !result.Resumed && control.Building != nil {
			t.Errorf("after a death at request %d the rebuild began anew", at)
		}
	}
	if deaths < 50 {
		t.Errorf("the process died %d times only", deaths)
	}
}

// Cancelling, wherever the rebuild is, and wherever the one who cancels dies, leaves the old
// generation serving as it was.
func TestCancelAnywhere(t *testing.T) {
	for at := 1; ; at++ {
		w := small(t)
		before := w.table.All("digits")
		requests := 0
		cancelAt := viewtest.Hooked{Table: w.table, Hook: func(ctx context.Context, request string, _ bool) error {
			if requests++; requests != at {
				return nil
			}
			died := 0
			dying := viewtest.Hooked{Table: w.table, Hook: func(context.Context, string, bool) error {
				if died++; died > at%9 {
					return errDead
				}
				return nil
			}}
			if _, err := w.rebuild(dying, "other").Cancel(ctx); err != nil && !errors.Is(err, errDead) {
				t.Errorf("cancel at request %d, %s: %v", at, request, err)
			}
			if _, err := w.rebuild(w.table, "other").Cancel(ctx); err != nil {
				t.Errorf("cancel at request %d, %s: %v", at, request, err)
			}
			return nil
		}}
		result, err := w.rebuild(cancelAt, "me").Run(context.Background())
		if requests < at {
			break
		}
		switch control := w.control(t); {
		case errors.Is(err, rebuild.ErrCancelled):
			if control.ServingGeneration() != generation(1) || control.Building != nil {
				t.Fatalf("at request %d: %+v", at, control)
			}
			// What the cancelled process wrote last is deleted with the next generation that is.
			left := slices.DeleteFunc(
				w.table.All("digits"), func(e view.Entry) bool { return e.Generation != generation(1) },
			)
			if diff := cmp.Diff(before, left); diff != "" {
				t.Fatalf("at request %d (-before +after):\n%s", at, diff)
			}
			if _, err := w.rebuild(w.table, "me").Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			w.check(t, 3)
		case err == nil: // too early or too late: there was nothing to cancel
			w.check(t, result.Generation)
		default:
			t.Fatalf("at request %d: %v", at, err)
		}
	}
	w := small(t)
	if cancelled, err := w.rebuild(w.table, "me").Cancel(context.Background()); cancelled || err != nil {
		t.Errorf("cancelled %v, %v, where nothing was built", cancelled, err)
	}
}

// A second process is refused while the first one works, and takes over from one that is dead or
// that has let go.
func TestSecondProcess(t *testing.T) {
	ctx := context.Background()
	begun := func(w *world, holder string) {
		c := w.control(t)
		if err := w.table.Save(ctx, c.Begin(holder, 3, start)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("while the first works", func(t *testing.T) {
		w := small(t)
		begun(w, "first")
		working := viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, request string, _ bool) error {
			if c := w.control(t); request == "Control" && w.clock.Now().After(start) && c.Building != nil {
				return w.table.Save(ctx, c.Held("first"))
			}
			return nil
		}}
		_, err := w.rebuild(working, "second").Run(ctx)
		if !errors.Is(err, rebuild.ErrUnderWay) || !strings.Contains(err.Error(), "first") ||
			w.control(t).Building.Holder != "first" {
			t.Errorf("%v", err)
		}
	})
	t.Run("of two at once, one", func(t *testing.T) {
		w := small(t)
		begun(w, "dead")
		second := viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, request string, after bool) error {
			if c := w.control(t); request == "Save" && !after && c.Building != nil && c.Building.Holder == "dead" {
				return w.table.Save(ctx, c.Held("third"))
			}
			return nil
		}}
		if _, err := w.rebuild(second, "second").Run(ctx); err != nil {
			// the third says nothing more, so the second takes over in the end
			t.Error(err)
		}
		w.check(t, 2)
	})
	t.Run("when the first has died", func(t *testing.T) {
		w := small(t)
		begun(w, "first")
		result, err := w.rebuild(w.table, "second").Run(ctx)
		if err != nil || !result.Resumed || w.clock.Now().Sub(start) <= view.ReaderGrace+view.WriterGrace {
			t.Errorf("%+v, %v after %s", result, err, w.clock.Now().Sub(start))
		}
		w.check(t, 2)
	})
	t.Run("at once when the first let go", func(t *testing.T) {
		w := small(t)
		stop, cancel := context.WithCancel(ctx)
		stopping := viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, request string, after bool) error {
			if request == "SavePosition" && after {
				cancel()
			}
			return nil
		}}
		if _, err := w.rebuild(stopping, "first").Run(stop); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if b := w.control(t).Building; b == nil || b.Holder != "" {
			t.Fatalf("%+v", b)
		}
		result, err := w.rebuild(w.table, "second").Run(ctx)
		if err != nil || !result.Resumed || w.clock.Now().Sub(start) != view.ReaderGrace+view.WriterGrace {
			t.Errorf("%+v, %v after %s", result, err, w.clock.Now().Sub(start))
		}
		w.check(t, 2)
	})
	t.Run("the first notices that it was overtaken", func(t *testing.T) {
		w := small(t)
		puts := 0
		overtaken := viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, request string, after bool) error {
			if request != "Put" || !after {
				return nil
			}
			if puts++; puts == 3 {
				w.clock.Advance(time.Hour) // it was frozen
				_, err := w.rebuild(w.table, "second").Run(ctx)
				return err
			}
			return nil
		}}
		_, err := w.rebuild(overtaken, "first").Run(ctx)
		if !errors.Is(err, rebuild.ErrCancelled) && !errors.Is(err, rebuild.ErrTaken) {
			t.Error(err)
		}
		w.checkRows(t, 2)
	})
}

// What can't be read is missing in the new generation, so it serves only if somebody says so, and
// what was scanned till then is not scanned again; or once it can be read.
func TestUnreadable(t *testing.T) {
	for name, failure := range map[string]struct {
		scan   error
		view   view.View
		mended bool
	}{
		"an item of the store":       {fmt.Errorf("%w: number/x@1", es.ErrCorrupt), digits.View(), false},
		"an item, till it is mended": {fmt.Errorf("%w: number/x@1", es.ErrCorrupt), digits.View(), true},
		"an event, till it is known": {nil, digits.View(), true},
		"an event": {nil, func() view.View {
			d := digits
			d.Tallies = func(id string, _ row) []view.Tally {
				return []view.Tally{{Name: "t", ID: id[:1], Counters: map[string]int64{"n": 1}}}
			}
			return d.View()
		}(), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := small(t)
			r := w.rebuild(w.table, "me")
			r.View = failure.view
			if failure.scan == nil {
				unknown := es.NewRegistry(func(r *es.Registry) { es.Register[struct{ X int }](r, "number.shrunk", 1) })
				r.Registry = unknown
			} else {
				r.Store = corrupt{w.store, failure.scan}
			}
			result, err := r.Run(context.Background())
			if !errors.Is(err, rebuild.ErrUnreadable) || !strings.Contains(err.Error(), "number/") ||
				result.Unreadable == 0 || w.control(t).Serving != 1 {
				t.Fatalf("%+v, %v", result, err)
			}
			if failure.mended {
				result, err := w.rebuild(w.table, "newer").Run(context.Background())
				if err != nil || !result.Resumed || result.Generation != 2 || result.Unreadable != 0 {
					t.Errorf("%+v, %v", result, err)
				}
				w.check(t, 2)
				return
			}
			r.AcceptUnreadable = true
			accepted, err := r.Run(context.Background())
			if err != nil || !accepted.Resumed || accepted.Generation != 2 || accepted.Unreadable != result.Unreadable {
				t.Errorf("%+v, %v", accepted, err)
			}
			if failure.scan != nil {
				w.check(t, 2)
			}
		})
	}
}

// corrupt is a store each page of which has an item that can't be read.
type corrupt struct {
	pages
	err error
}

func (c corrupt) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		for page, err := range c.pages.Scan(ctx, segment, segments, from) {
			if !yield(page, errors.Join(err, c.err)) {
				return
			}
		}
	}
}

// Contention is no failure, however long it lasts: it ends with a rebuild that is cancelled, or
// with the others' writes.
func TestContention(t *testing.T) {
	for name, cancelled := range map[string]bool{"ends": false, "ends with the rebuild": true} {
		t.Run(name, func(t *testing.T) {
			w := small(t)
			tries := 0
			busy := viewtest.Hooked{Table: w.table, Hook: func(ctx context.Context, request string, after bool) error {
				if request != "Put" || after {
					return nil
				}
				switch tries++; {
				case cancelled && tries == 100:
					_, err := w.rebuild(w.table, "other").Cancel(ctx)
					return errors.Join(err, es.ErrConflict)
				case cancelled || tries < 200:
					return es.ErrConflict
				}
				return nil
			}}
			_, err := w.rebuild(busy, "me").Run(context.Background())
			if cancelled {
				if !errors.Is(err, rebuild.ErrCancelled) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w.check(t, 2)
		})
	}
}

// A rebuild says that it works also where page after page has no stream of the view.
func TestWorksWithoutStreams(t *testing.T) {
	w := small(t)
	for range 30 {
		w.append("other/2", 1)
	}
	d := digits
	d.Name, d.Category = "letters", "letter"
	said := 0
	r := w.rebuild(viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, request string, after bool) error {
		if request == "Save" && !after {
			said++
		}
		return nil
	}}, "me")
	r.View, r.Store, r.Segments = d.View(), slow{w.store, w.clock}, 1
	if _, err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if pages := (len(w.commits) + 1) / 2; said < pages {
		t.Errorf("it said so %d times in %d pages", said, pages)
	}
}

// slow is a store that takes three seconds for a page.
type slow struct {
	pages
	clock *clock.Fake
}

func (s slow) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		for page, err := range s.pages.Scan(ctx, segment, segments, from) {
			if s.clock.Advance(3 * time.Second); !yield(page, err) {
				return
			}
		}
	}
}

func TestStoreThatIsDown(t *testing.T) {
	w := small(t)
	r := w.rebuild(w.table, "me")
	r.Store = corrupt{w.store, es.ErrUnavailable}
	if _, err := r.Run(context.Background()); !errors.Is(err, es.ErrUnavailable) || w.control(t).Serving != 1 {
		t.Error(err)
	}
}

func TestRate(t *testing.T) {
	w := newWorld()
	for i := range 20 {
		w.append(es.NewStreamID("number", fmt.Sprint("a", i)), 1)
	}
	r := w.rebuild(w.table, "me")
	r.Rate = 2
	if _, err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if took := w.clock.Now().Sub(start) - view.ReaderGrace - view.WriterGrace; took != 9500*time.Millisecond {
		t.Errorf("20 events at 2 a second took %s", took)
	}
	w.check(t, 2)
}

// An index that does not follow keeps the new generation from serving.
func TestIndexThatDoesNotFollow(t *testing.T) {
	w := small(t)
	behind := lagging{w.table, 5}
	r := w.rebuild(&behind, "me")
	if _, err := r.Run(context.Background()); err != nil || behind.times > 0 {
		t.Errorf("%v with %d answers left", err, behind.times)
	}
	behind.times = 1 << 30
	if _, err := r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "index") ||
		w.control(t).Serving != 2 {
		t.Error(err)
	}
}

// lagging is a table whose lists are empty some times.
type lagging struct {
	*viewtest.Memory
	times int
}

func (l *lagging) List(ctx context.Context, g view.Generation, q view.Query) iter.Seq2[view.Member, error] {
	if l.times > 0 {
		l.times--
		return func(func(view.Member, error) bool) {}
	}
	return l.Memory.List(ctx, g, q)
}

func TestSettingsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*rebuild.Rebuild){
		"no segments":         func(r *rebuild.Rebuild) { r.Segments = 0 },
		"too many segments":   func(r *rebuild.Rebuild) { r.Segments = rebuild.MaxSegments + 1 },
		"a rate below nought": func(r *rebuild.Rebuild) { r.Rate = -1 },
	} {
		w := small(t)
		r := w.rebuild(w.table, "me")
		if change(&r); true {
			if _, err := r.Run(context.Background()); err == nil || w.control(t).Revision != 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestStatus(t *testing.T) {
	ctx, w := context.Background(), small(t)
	stop, cancel := context.WithCancel(ctx)
	stopping := viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, request string, after bool) error {
		if request == "SavePosition" && after {
			cancel()
		}
		return nil
	}}
	if _, err := w.rebuild(stopping, "me").Run(stop); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s, err := rebuild.StatusOf(ctx, w.table, digits.View())
	if err != nil || s.Control.Building == nil || s.Progress.Commits == 0 || s.Progress.Segments != 3 ||
		s.Checkpoint.Events != 18 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestAnyInterleaving has writers, projectors, readers and rebuilds that die at work on one table,
// each request of theirs in an order that is drawn.
func TestAnyInterleaving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for i := range rapid.IntRange(0, 8).Draw(t, "commits before") {
			w.project(t, w.append(es.NewStreamID("number", fmt.Sprint("ab"[i%2:i%2+1], i%4)), 1+i%2))
		}
		s := newSchedule()
		table := viewtest.Hooked{Table: w.table, Hook: s.wait}
		delivered := make(chan es.StoredCommit, 64)
		for p := range 2 {
			s.start(fmt.Sprint("projector-", p), func(ctx context.Context) {
				projector := w.projector(table)
				for {
					s.yield(ctx)
					batch := take(delivered, 3)
					for i, err := range projector.HandleBatch(ctx, batch) {
						if err != nil {
							delivered <- batch[i] // it comes again
						}
					}
					if len(batch) == 0 && s.ending() {
						return
					}
				}
			})
		}
		rebuilding := 0
		spawn := func() {
			rebuilding++
			holder := fmt.Sprint("rebuild-", rebuilding)
			s.start(holder, func(ctx context.Context) {
				_, err := w.rebuild(table, holder).Run(ctx)
				s.note(err)
			})
		}
		spawn()
		writes := rapid.IntRange(0, 12).Draw(t, "writes")
		for step := 0; len(s.waiting) > 0; step++ {
			what := rapid.SampledFrom([]string{
				"go", "go", "go", "go", "go", "go", "go", "go", "write", "die", "again", "tick",
			}).Draw(t, "what")
			if step > 250 {
				what = "go"
			}
			switch what {
			case "write":
				if writes == 0 {
					continue
				}
				writes--
				c := w.append(
					es.NewStreamID(
						"number", fmt.Sprint(rapid.SampledFrom([]string{"a0", "a1", "b2", "c3"}).Draw(t, "stream")),
					),
					rapid.IntRange(1, 2).Draw(t, "events"),
				)
				delivered <- c
				if rapid.Bool().Draw(t, "twice") {
					delivered <- c
				}
			case "die":
				s.kill(rapid.SampledFrom(s.names()).Draw(t, "who dies"))
			case "again":
				if rebuilding < 4 {
					spawn()
				}
			case "tick":
				w.clock.Advance(rapid.SampledFrom([]time.Duration{
					time.Second, time.Minute, -time.Second,
				}).Draw(t, "tick"))
			default:
				s.release(rapid.SampledFrom(s.names()).Draw(t, "who goes on"))
			}
			// Whoever reads now sees rows that are the fold of a beginning of their streams.
			serving := w.control(t).ServingGeneration()
			for _, e := range w.table.All("digits") {
				if step%8 == 0 && e.Generation == serving && e.Kind == view.KindRow {
					history, err := w.store.Load(context.Background(), es.NewStreamID("number", e.ID), 0)
					if err != nil {
						t.Fatal(err)
					}
					want, err := digits.View().Fold(view.Item{ID: e.ID}, history.Events[:e.Row.Sequence])
					if diff := cmp.Diff(want, e.Row); err != nil || diff != "" {
						t.Fatalf("served is (-want +got):\n%s%v", diff, err)
					}
				}
			}
			if step > 200 {
				s.end()
			}
		}
		for _, err := range s.errs {
			if err != nil && !errors.Is(err, errDead) && !errors.Is(err, rebuild.ErrUnderWay) &&
				!errors.Is(err, rebuild.ErrTaken) &&
				!errors.Is(err, rebuild.ErrCancelled) && !errors.Is(err, es.ErrConflict) {
				t.Fatal(err)
			}
		}
		// In the end every commit is delivered, and whatever rebuild is left over ends.
		w.project(t, w.commits...)
		for {
			result, err := w.rebuild(w.table, "last").Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if c := w.control(t); !result.Finished && len(c.Retired)+len(c.Draining) == 0 {
				break
			}
		}
		w.check(t, w.control(t).Serving)
	})
}

// take takes what is there, at most so many.
func take(delivered chan es.StoredCommit, most int) (batch []es.StoredCommit) {
	for len(batch) < most {
		select {
		case c := <-delivered:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// schedule lets processes make their requests one at a time, in the order that its owner says.
type schedule struct {
	waiting map[string]chan error // who waits for their turn
	asked   chan string           // somebody waits now, or with a minus has ended
	over    bool
	errs    []error
}

type nameKey struct{}

func newSchedule() *schedule {
	return &schedule{waiting: map[string]chan error{}, asked: make(chan string)}
}

// start has a process run until it waits for the first time, or ends.
func (s *schedule) start(name string, f func(context.Context)) {
	turn := make(chan error)
	ctx := context.WithValue(context.Background(), nameKey{}, name)
	s.waiting[name] = turn
	go func() {
		f(ctx)
		s.asked <- "-" + name
	}()
	s.settle()
}

func (s *schedule) settle() {
	if name, ended := strings.CutPrefix(<-s.asked, "-"); ended {
		delete(s.waiting, name)
	}
}

func (s *schedule) wait(ctx context.Context, _ string, _ bool) error {
	name := ctx.Value(nameKey{}).(string)
	turn := s.waiting[name]
	s.asked <- name
	return <-turn
}

func (s *schedule) yield(ctx context.Context) { _ = s.wait(ctx, "", false) }

func (s *schedule) release(name string) { s.waiting[name] <- nil; s.settle() }
func (s *schedule) kill(name string)    { s.waiting[name] <- errDead; s.settle() }
func (s *schedule) names() []string {
	names := make([]string, 0, len(s.waiting))
	for name := range s.waiting {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
func (s *schedule) end()           { s.over = true }
func (s *schedule) ending() bool   { return s.over }
func (s *schedule) note(err error) { s.errs = append(s.errs, err) }
