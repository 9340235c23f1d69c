package whole_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/audit/audittest"
	"orderflow/shared/ops/audit/whole"
	"orderflow/shared/ops/resume"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/viewtest"
)

var (
	now     = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	errDown = errors.New("down")
)

const settle = 10 * time.Minute

// counted is the event of all streams here, and row how many a stream of numbers has. Other streams
// have no view.
type (
	counted struct{}
	row     struct {
		Events int64 `json:"events"`
	}
)

func register(r *es.Registry) { es.Register[counted](r, "thing.counted", 1) }

var numbers = view.Definition[row]{
	Name: "numbers", Category: "number", Events: register,
	Evolve: func(r row, _ es.Recorded) row { return row{r.Events + 1} },
}

// world is a store with its journal, bus and views, where everything may break off.
type world struct {
	mu      sync.Mutex
	clock   *clock.Fake
	store   *memstore.Store
	views   *viewtest.Memory
	journal audittest.Memory
	earlier map[es.StreamID]audit.Position // of a release before the journal
	commits []es.StoredCommit

	bus     []string        // ids of the commits that the run has published, as often as each was
	never   map[string]bool // what can never be published
	down    map[string]bool // what the bus doesn't take, without saying that it never will
	corrupt map[string]bool // what can't be read in the store
	waited  int             // commits that the pace was asked for
	effects int             // that are done until it breaks off, or -1
	saved   []byte
}

func newWorld() *world {
	return &world{
		clock: clock.NewFake(now), store: memstore.New(es.NewRegistry(register)), views: viewtest.NewMemory(),
		journal: audittest.Memory{Broken: map[es.StreamID]bool{}}, earlier: map[es.StreamID]audit.Position{},
		never: map[string]bool{}, down: map[string]bool{}, corrupt: map[string]bool{},
		effects: -1,
	}
}

// failer is a test, of rapid or not.
type failer interface {
	Context() context.Context
	Fatal(args ...any)
}

func id(c es.StoredCommit) string { return fmt.Sprintf("%s@%d", c.Stream, c.First) }

// stores stores a commit that was decided some time ago.
func (w *world) stores(t failer, stream es.StreamID, events int, ago time.Duration) es.StoredCommit {
	history, err := w.store.Load(t.Context(), stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := es.Commit{
		Head: history.Head, ID: fmt.Sprint("c", len(w.commits)), Time: now.Add(-ago), Events: make([]any, events),
	}
	for i := range c.Events {
		c.Events[i] = counted{}
	}
	if _, err := w.store.Append(t.Context(), []es.Commit{c}); err != nil {
		t.Fatal(err)
	}
	stored, err := es.NewRegistry(register).EncodeCommit(c)
	if err != nil {
		t.Fatal(err)
	}
	w.commits = append(w.commits, stored)
	return stored
}

// meets is what the two consumers do with a commit, soon after it was decided.
func (w *world) meets(t failer, published, seen bool, c es.StoredCommit) {
	for kind, done := range map[audit.Kind]bool{audit.Published: published, audit.Seen: seen} {
		if !done {
			continue
		}
		at := c.Time
		if at.After(now) { // by a clock that is wrong
			at = now
		}
		note := audit.Note{Kind: kind, At: at, Versions: audit.Versions{c.Stream: {audit.Of(c)}}}
		if err := w.journal.Write(t.Context(), note); err != nil {
			t.Fatal(err)
		}
	}
	if seen {
		if err := w.catchUp(t.Context(), c.Stream); err != nil {
			t.Fatal(err)
		}
	}
}

// book is all that was noted.
func (w *world) book() *audit.Book {
	book := audit.NewBook(nil, w.clock)
	for _, note := range w.journal.All() {
		book.Add(note)
	}
	return book
}

func (w *world) projector() *view.Projector {
	return view.NewProjector(w.store, w.views, w.clock, nil, numbers.View())
}

func (w *world) catchUp(ctx context.Context, stream es.StreamID) error {
	return w.projector().CatchUp(ctx, stream)
}

// effect is done, or broken off ahead of.
func (w *world) effect(f func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.effects == 0 {
		return errDown
	}
	if w.effects > 0 {
		w.effects--
	}
	f()
	return nil
}

func (w *world) Write(ctx context.Context, note audit.Note) error {
	var failed error
	return errors.Join(w.effect(func() { failed = w.journal.Write(ctx, note) }), failed)
}

func (w *world) Notes(ctx context.Context, side audit.Side, hour time.Time) iter.Seq2[audit.Note, error] {
	return w.journal.Notes(ctx, side, hour)
}

func (w *world) Positions(_ context.Context, streams []es.StreamID) (map[es.StreamID]audit.Position, error) {
	found := map[es.StreamID]audit.Position{}
	for _, stream := range streams {
		if p, there := w.earlier[stream]; there {
			found[stream] = p
		}
	}
	return found, nil
}

func (w *world) publish(_ context.Context, commits []es.StoredCommit) []error {
	results := make([]error, len(commits))
	for i, c := range commits {
		if w.never[id(c)] {
			results[i] = poison.Mark(errors.New("no contract"))
			continue
		}
		if w.down[id(c)] {
			results[i] = errDown
			continue
		}
		results[i] = w.effect(func() { w.bus = append(w.bus, id(c)) })
	}
	return results
}

func (w *world) WaitN(_ context.Context, n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waited += n
	return nil
}

func (w *world) Save(s whole.State) error {
	return w.effect(func() {
		var err error
		if w.saved, err = json.Marshal(s); err != nil {
			panic(err)
		}
	})
}

// Scan leaves out what can't be read.
func (w *world) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		for page, err := range w.store.Scan(ctx, segment, segments, from) {
			var corrupt []error
			page.Commits = slices.DeleteFunc(slices.Clone(page.Commits), func(c es.StoredCommit) bool {
				if w.corrupt[id(c)] {
					corrupt = append(corrupt, fmt.Errorf("%w: %s", es.ErrCorrupt, id(c)))
				}
				return w.corrupt[id(c)]
			})
			if err == nil {
				err = errors.Join(corrupt...)
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// Commits gives those of a stream from a version on.
func (w *world) Commits(_ context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.StoredCommit, error] {
	return func(yield func(es.StoredCommit, error) bool) {
		for _, c := range w.commits {
			if c.Stream != stream || c.Last() < r.After {
				continue
			}
			if w.corrupt[id(c)] {
				yield(es.StoredCommit{}, fmt.Errorf("%w: %s", es.ErrCorrupt, id(c)))
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

var month = whole.Arguments{From: "720h", Settle: "10m", Segments: 2}

func with(change func(*whole.Arguments)) whole.Arguments {
	a := month
	change(&a)
	return a
}

var republishing = with(func(a *whole.Arguments) { a.Republish = true })

// run is a run with these arguments, which goes on where the last one was saved, if one was.
func (w *world) run(t failer, a whole.Arguments) (whole.Report, error) {
	state, err := whole.Begin("again", a, now.Add(-60*24*time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	if w.saved != nil {
		if err := json.Unmarshal(w.saved, &state); err != nil {
			t.Fatal(err)
		}
	}
	run := whole.Whole{
		Source: whole.FromStore(w, a.Segments), Noted: w, Earlier: w, Clock: w.clock, State: state, Journal: w,
		Publish: w.publish, Pace: w, CatchUp: func(ctx context.Context, stream es.StreamID) error {
			if err := w.effect(func() {}); err != nil {
				return err
			}
			return w.catchUp(ctx, stream)
		},
	}
	if a.Stream != "" {
		run.Source = whole.FromStream(w, es.StreamID(a.Stream))
	}
	return run.Run(t.Context())
}

// finds is a run from the beginning that comes to its end.
func (w *world) finds(t failer, a whole.Arguments) whole.Report {
	w.saved = nil
	report, err := w.run(t, a)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// kinds are findings as "number/a@1 unseen".
func kinds(r whole.Report) []string {
	out := []string{}
	for _, f := range r.Findings {
		if s := fmt.Sprintf("%s@%d %s", f.Stream, f.First, f.Kind); f.Mended {
			out = append(out, s+", mended")
		} else {
			out = append(out, s)
		}
	}
	return out
}

func wants(t *testing.T, r whole.Report, want ...string) {
	t.Helper()
	if got := kinds(r); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	left := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return strings.HasSuffix(s, "mended") })
	if r.Left != int64(len(left)) {
		t.Errorf("%d are left, want %d", r.Left, len(left))
	}
}

// row is the version up to which a stream's row is.
func (w *world) row(t failer, stream es.StreamID) int64 {
	item, err := w.views.Row(t.Context(), view.Generation{View: "numbers", Number: 1}, stream.ID())
	if err != nil {
		t.Fatal(err)
	}
	return item.Sequence
}

// Each kind of loss is found by its name and changes nothing; then it is mended, and found no more.
func TestKinds(t *testing.T) {
	w := newWorld()
	lost := w.stores(t, "number/a", 2, time.Hour)
	w.stores(t, "number/a", 1, time.Hour)
	w.meets(t, true, true, w.stores(t, "number/b", 1, time.Hour))
	w.meets(t, false, true, w.stores(t, "number/b", 1, time.Hour))
	w.meets(t, true, true, w.stores(t, "number/b", 1, time.Hour))
	w.meets(t, true, false, w.stores(t, "number/c", 1, time.Hour))
	w.stores(t, "stock/a", 1, time.Hour)
	w.meets(t, true, true, w.stores(t, "stock/b", 1, time.Hour))
	w.stores(t, "stock/b", 1, settle-time.Second) // it may be under way

	found := w.finds(t, month)
	wants(
		t, found, "number/a@1 unmarked", "number/a@3 unmarked", "number/b@2 unpublished", "number/c@1 unseen",
		"stock/a@1 unmarked",
	)
	if f := found.Findings[0]; f.Events != 2 || !f.Time.Equal(lost.Time) || found.Commits != 9 || found.Judged != 8 ||
		found.Found[whole.Unmarked] != 3 {
		t.Errorf("%+v", found)
	}
	if len(w.bus) > 0 || w.row(t, "number/a") > 0 {
		t.Errorf("published %v", w.bus)
	}
	mended := w.finds(t, republishing)
	wants(
		t, mended, "number/a@1 unmarked, mended", "number/a@3 unmarked, mended", "number/b@2 unpublished, mended",
		"number/c@1 unseen, mended", "stock/a@1 unmarked, mended",
	)
	if want := []string{
		"number/a@1", "number/a@3", "number/b@2", "stock/a@1",
	}; !slices.Equal(slices.Sorted(slices.Values(w.bus)), want) || w.waited != 4 || mended.Republished != 5 {
		t.Errorf("published %v, %+v", w.bus, mended)
	}
	if b := w.book(); b.Settled("number/a").String() != "1-3" || b.Newest("number/a") != 3 ||
		w.row(t, "number/a") != 3 || w.row(t, "number/c") != 1 || mended.CaughtUp != 3 {
		t.Errorf("settled is %s, caught up %d", b.Settled("number/a"), mended.CaughtUp)
	}
	wants(t, w.finds(t, month))
}

// What lies outside of the window is not published: what is younger or older than was asked for,
// what consumers may have forgotten, and what is older than the journal.
func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		name             string
		from, to         string
		since, ago       time.Duration // of the journal, and of the commit
		judged, unjudged int64
	}{
		{"within", "720h", "", 60 * 24 * time.Hour, time.Hour, 1, 0},
		{"younger than asked for", "720h", "2h", 60 * 24 * time.Hour, time.Hour, 0, 0},
		{"older than asked for", "24h", "", 60 * 24 * time.Hour, 25 * time.Hour, 0, 0},
		{"older than consumers remember", "1000h", "", 60 * 24 * time.Hour, 721 * time.Hour, 0, 1},
		{"older than the journal", "720h", "", 10 * 24 * time.Hour, 11 * 24 * time.Hour, 0, 1},
		{"under way", "720h", "", 60 * 24 * time.Hour, settle - time.Second, 0, 0},
		{"not under way any more", "720h", "0s", 60 * 24 * time.Hour, settle + time.Second, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.stores(t, "stock/a", 1, tt.ago)
			a := with(func(a *whole.Arguments) { a.From, a.To, a.Republish = tt.from, tt.to, true })
			state, err := whole.Begin("again", a, now.Add(-tt.since), now)
			if err != nil {
				t.Fatal(err)
			}
			run := whole.Whole{
				Source: whole.FromStore(w, 2), Noted: w, Earlier: w, Clock: w.clock, State: state, Journal: w,
				Publish: w.publish, CatchUp: w.catchUp, Pace: w,
			}
			if r, err := run.Run(t.Context()); err != nil || r.Judged != tt.judged || r.Unjudged != tt.unjudged ||
				int64(len(w.bus)) != tt.judged {
				t.Errorf("%+v, %v; published %v", r, err, w.bus)
			}
		})
	}
	t.Run("it goes on days later", func(t *testing.T) {
		w := newWorld()
		w.stores(t, "stock/a", 1, 719*time.Hour)
		w.effects = 0
		if _, err := w.run(t, republishing); !errors.Is(err, errDown) {
			t.Fatal(err)
		}
		w.effects = -1
		w.clock.Advance(2 * time.Hour)
		if r, err := w.run(t, republishing); err != nil || r.Unjudged != 1 || len(w.bus) > 0 {
			t.Errorf("%+v, %v; published %v", r, err, w.bus)
		}
	})
}

// A commit that a wrong clock has dated ahead is judged like any other, as long as nobody said up
// to when: it would be in no comparison before its date.
func TestDatedAhead(t *testing.T) {
	const week = 7 * 24 * time.Hour
	w := newWorld()
	w.meets(t, false, true, w.stores(t, "number/a", 1, -week))
	w.meets(t, true, true, w.stores(t, "number/b", 1, -week))
	w.meets(t, false, true, w.stores(t, "number/c", 1, -time.Minute)) // clocks differ by so much: it is too young
	wants(t, w.finds(t, month), "number/a@1 unpublished")
	wants(t, w.finds(t, with(func(a *whole.Arguments) { a.To = "1h" })))
}

// What can't be published is listed each time, and tried again only where that is asked for.
func TestRefused(t *testing.T) {
	w := newWorld()
	bad := w.stores(t, "number/a", 1, time.Hour)
	w.stores(t, "number/a", 1, time.Hour)
	w.never[id(bad)] = true
	first := w.finds(t, republishing)
	wants(t, first, "number/a@1 refused", "number/a@2 unmarked, mended")
	if !strings.Contains(first.Findings[0].Detail, "no contract") ||
		w.book().Refused("number/a").String() != "1" || w.row(t, "number/a") != 2 {
		t.Errorf("%+v, refused is %s", first, w.book().Refused("number/a"))
	}
	clear(w.never)
	wants(t, w.finds(t, republishing), "number/a@1 refused")
	again := with(func(a *whole.Arguments) { a.Republish, a.Refused = true, true })
	wants(t, w.finds(t, again), "number/a@1 refused, mended")
	wants(t, w.finds(t, month))
	if !slices.Equal(w.bus, []string{"number/a@2", "number/a@1"}) {
		t.Errorf("published %v", w.bus)
	}
}

// What the bus doesn't take keeps back nothing else and is left, alone in its batch too; where it
// takes nothing of a batch, the run ends and can go on.
func TestNotTaken(t *testing.T) {
	t.Run("one of many", func(t *testing.T) {
		const commits = 300
		w := newWorld()
		for range commits {
			w.stores(t, "stock/long", 1, time.Hour)
		}
		w.down["stock/long@7"] = true
		r := w.finds(t, republishing)
		if r.Left != 1 || r.Republished != commits-1 || len(w.bus) != commits-1 || r.Found[whole.Unmarked] != commits {
			t.Errorf("%d left, %d published, found %v", r.Left, len(w.bus), r.Found)
		}
		if f := r.Findings[6]; f.First != 7 || f.Mended || f.Detail != errDown.Error() {
			t.Errorf("%+v", f)
		}
		wants(t, w.finds(t, month), "stock/long@7 unpublished")
	})
	t.Run("one alone", func(t *testing.T) {
		w := newWorld()
		w.down[id(w.stores(t, "stock/a", 1, time.Hour))] = true
		r := w.finds(t, republishing)
		wants(t, r, "stock/a@1 unmarked")
		if r.Findings[0].Detail != errDown.Error() {
			t.Errorf("%+v", r.Findings)
		}
	})
	t.Run("an interruption", func(t *testing.T) {
		w := newWorld()
		w.meets(t, false, true, w.stores(t, "stock/a", 1, time.Hour))
		state, err := whole.Begin("again", republishing, now.Add(-60*24*time.Hour), now)
		if err != nil {
			t.Fatal(err)
		}
		ctx, interrupt := context.WithCancel(t.Context())
		run := whole.Whole{
			Source: whole.FromStore(w, 2), Noted: w, Earlier: w, Clock: w.clock, State: state, Journal: w,
			CatchUp: w.catchUp, Pace: w,
			Publish: func(ctx context.Context, _ []es.StoredCommit) []error { interrupt(); return []error{ctx.Err()} },
		}
		if _, err := run.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ends with %v", err)
		}
		r, err := w.run(t, republishing)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, r, "stock/a@1 unpublished, mended")
	})
	t.Run("a whole batch", func(t *testing.T) {
		w := newWorld()
		for range 2 {
			w.down[id(w.stores(t, "stock/a", 1, time.Hour))] = true
		}
		if _, err := w.run(t, republishing); !errors.Is(err, errDown) {
			t.Errorf("ends with %v", err)
		}
		clear(w.down)
		if r, err := w.run(t, republishing); err != nil || r.Left > 0 || len(w.bus) != 2 {
			t.Errorf("%+v, %v; published %v", r, err, w.bus)
		}
	})
}

// What can't be read keeps back nothing else, and is listed.
func TestUnreadable(t *testing.T) {
	w := newWorld()
	w.corrupt[id(w.stores(t, "stock/a", 1, time.Hour))] = true
	w.stores(t, "stock/a", 1, time.Hour)
	w.stores(t, "stock/b", 1, time.Hour)
	w.earlier["stock/b"] = audit.Position{Err: audit.ErrUnreadable}
	w.stores(t, "stock/c", 1, time.Hour)
	w.meets(t, true, true, w.stores(t, "stock/d", 1, time.Hour))
	w.journal.Broken["stock/d"] = true
	r := w.finds(t, republishing)
	wants(
		t, r, "@0 unreadable", "@0 unreadable", "stock/a@2 unmarked, mended", "stock/b@0 unreadable",
		"stock/c@1 unmarked, mended", "stock/d@1 unmarked, mended",
	)
	if !slices.Equal(slices.Sorted(slices.Values(w.bus)), []string{"stock/a@2", "stock/c@1", "stock/d@1"}) ||
		r.Found[whole.Unreadable] != 3 {
		t.Errorf("published %v, %+v", w.bus, r)
	}
	t.Run("a view's stream", func(t *testing.T) {
		w := newWorld()
		w.meets(t, true, false, w.stores(t, "number/a", 1, time.Hour))
		w.stores(t, "number/b", 1, time.Hour)
		state, err := whole.Begin("again", republishing, now.Add(-time.Hour*24), now)
		if err != nil {
			t.Fatal(err)
		}
		run := whole.Whole{
			Source: whole.FromStore(w, 2), Noted: w, Earlier: w, Clock: w.clock, State: state, Journal: w,
			Publish: w.publish, Pace: w,
			CatchUp: func(context.Context, es.StreamID) error { return es.ErrCorrupt },
		}
		r, err := run.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wants(t, r, "number/a@1 unseen", "number/b@1 unmarked")
		if newest := w.book().Newest("number/a"); newest != 0 || !slices.Equal(w.bus, []string{"number/b@1"}) {
			t.Errorf("it was seen up to %d, published %v", newest, w.bus)
		}
	})
}

// All findings are counted, and so many are listed.
func TestManyFindings(t *testing.T) {
	w := newWorld()
	for range whole.MaxFindings + 10 {
		w.stores(t, "stock/long", 1, time.Hour)
	}
	if r := w.finds(t, month); len(r.Findings) != whole.MaxFindings || r.Left != whole.MaxFindings+10 ||
		r.Found[whole.Unmarked] != r.Left {
		t.Errorf("%d findings, %d left of %v", len(r.Findings), r.Left, r.Found)
	}
}

// However many gaps a stream has, what was noted is not published again.
func TestManyGaps(t *testing.T) {
	w := newWorld()
	const commits = 400
	for i := range commits {
		w.meets(t, i%2 == 1, true, w.stores(t, "stock/long", 1, time.Hour))
	}
	r := w.finds(t, republishing)
	if settled := w.book().Settled("stock/long").String(); r.Left > 0 || len(w.bus) != commits/2 || settled != "1-400" {
		t.Errorf("%d published, found %v, settled is %s", len(w.bus), r.Found, settled)
	}
	wants(t, w.finds(t, month))
}

// What a release before the journal has published and met is no finding, though its journal says
// nothing of it; what it has not is.
func TestUpgrade(t *testing.T) {
	w := newWorld()
	for _, stream := range []es.StreamID{"number/a", "number/b", "number/c"} {
		for range 3 {
			w.stores(t, stream, 1, time.Hour)
		}
	}
	spans := audit.Spans{{From: 1, Through: 3}}
	w.earlier["number/a"] = audit.Position{Settled: spans, Seen: 3}
	w.earlier["number/b"] = audit.Position{Settled: spans, Refused: audit.Spans{{From: 2, Through: 2}}, Seen: 2}
	wants(
		t, w.finds(t, month), "number/b@2 refused", "number/b@3 unseen", "number/c@1 unmarked", "number/c@2 unmarked",
		"number/c@3 unmarked",
	)
}

// The journal is read once from the horizon on, and again only its newest hours where a page has
// something to judge.
func TestReads(t *testing.T) {
	const day = 24
	w := newWorld()
	w.meets(t, true, true, w.stores(t, "number/a", 1, time.Hour))
	a := with(func(a *whole.Arguments) { a.From = "24h" })
	wants(t, w.finds(t, a))
	if most := 2 * (day + 2); w.journal.Reads > most { // sides; an hour more on either end, for clocks differ
		t.Errorf("%d hours are read, want at most %d", w.journal.Reads, most)
	}
	w.journal.Reads = 0
	w.stores(t, "number/b", 1, time.Hour)
	wants(t, w.finds(t, a), "number/b@1 unmarked")
	if most := 2 * (day + 2 + 2); w.journal.Reads > most {
		t.Errorf("%d hours are read, want at most %d", w.journal.Reads, most)
	}
}

// One stream is read by itself, page by page, and as far as it can be read.
func TestStream(t *testing.T) {
	const commits = 230
	for cut := range 2 {
		w := newWorld()
		for i := range commits {
			w.stores(t, "stock/long", 1+i%2, time.Hour)
		}
		w.stores(t, "stock/other", 1, time.Hour)
		a := with(func(a *whole.Arguments) { a.Stream, a.Segments, a.Republish = "stock/long", 1, true })
		if cut > 0 { // within the second page
			w.effects = 150
			if _, err := w.run(t, a); !errors.Is(err, errDown) {
				t.Fatal(err)
			}
			w.effects = -1
		}
		r, err := w.run(t, a)
		if err != nil || r.Left > 0 || r.Commits != commits || w.book().Newest("stock/other") > 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if got := slices.Compact(slices.Sorted(slices.Values(w.bus))); len(got) != commits ||
			cut == 0 && len(w.bus) != commits {
			t.Errorf("%d of %d are published, %d times", len(got), commits, len(w.bus))
		}
	}
	w := newWorld()
	w.stores(t, "stock/a", 1, time.Hour)
	w.corrupt[id(w.stores(t, "stock/a", 1, time.Hour))] = true
	wants(
		t, w.finds(t, with(func(a *whole.Arguments) { a.Stream, a.Segments = "stock/a", 1 })), "@0 unreadable",
		"stock/a@1 unmarked",
	)
	run := whole.Whole{
		Source: whole.FromStream(w, "stock/a"), Clock: w.clock, Noted: w, Earlier: w, Journal: w,
		State: whole.State{Segments: []resume.Segment{{Next: "x"}}},
	}
	if _, err := run.Run(t.Context()); err == nil {
		t.Error("a position that is none passes")
	}
}

// Whatever subset of notes there is, and wherever and however often the run breaks off: in the end
// each commit of the window is on the bus and in the views, what is outside of it is not published,
// nothing is published more often than a run broke off, and a further run finds nothing.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		onBus := map[string]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "commits") {
			stream := es.StreamID(rapid.SampledFrom([]string{
				"number/a", "number/b", "stock/a", "stock/b",
			}).Draw(t, "stream"))
			ago := rapid.SampledFrom([]time.Duration{
				721 * time.Hour, 700 * time.Hour, time.Hour, settle, settle - 1,
			}).Draw(t, "ago")
			c := w.stores(t, stream, rapid.IntRange(1, 3).Draw(t, "events"), ago)
			published := rapid.Bool().Draw(t, "published")
			marked := published && rapid.Bool().Draw(t, "marked")
			w.meets(t, marked, rapid.Bool().Draw(t, "seen"), c)
			onBus[id(c)] = published
		}
		cuts := 0
		for range rapid.IntRange(0, 4).Draw(t, "cuts") {
			w.effects = rapid.IntRange(0, 30).Draw(t, "effects")
			if _, err := w.run(t, republishing); err == nil {
				break
			}
			cuts++
			if rapid.IntRange(0, 4).Draw(t, "file") == 0 {
				w.saved = nil // the file is lost
			}
		}
		w.effects = -1
		if r, err := w.run(t, republishing); err != nil || r.Left > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		times := map[string]int{}
		for _, c := range w.bus {
			times[c]++
		}
		newest := map[es.StreamID]int64{}
		for _, c := range w.commits {
			ago := now.Sub(c.Time)
			within := ago >= settle+1 && ago <= audit.MaxAge
			switch {
			case within && !onBus[id(c)] && times[id(c)] == 0:
				t.Fatalf("%s is not published; settled is %s", id(c), w.book().Settled(c.Stream))
			case !within && times[id(c)] > 0:
				t.Fatalf("%s is published, and %s old", id(c), ago)
			case times[id(c)] > 1+cuts:
				t.Fatalf("%s is published %d times, with %d cuts", id(c), times[id(c)], cuts)
			case within:
				newest[c.Stream] = c.Last()
			}
		}
		for stream, version := range newest {
			if seen := w.book().Newest(stream); seen < version ||
				stream.Category() == "number" && w.row(t, stream) < version {
				t.Fatalf("%s has %d events, its row %d, and %d were seen", stream, version, w.row(t, stream), seen)
			}
		}
		if r := w.finds(t, month); len(r.Findings) > 0 {
			t.Fatalf("found again: %v", kinds(r))
		}
	})
}

func TestBegin(t *testing.T) {
	since := now.Add(-2 * time.Hour)
	for _, tt := range []struct {
		name string
		args whole.Arguments
		none bool // nothing is noted
		says string
	}{
		{
			name: "no time to settle", args: with(func(a *whole.Arguments) { a.Settle = "0s" }),
			says: `settle is a time above 0, not "0s"`,
		},
		{
			name: "no time", args: with(func(a *whole.Arguments) { a.From = "monday" }),
			says: `from is a time as in 2026-11-01T00:00:00Z, or how long ago as in 24h, not "monday"`,
		},
		{name: "no end", args: with(func(a *whole.Arguments) { a.To = "-1h" }), says: "to is a time as in"},
		{
			name: "backwards", args: with(func(a *whole.Arguments) { a.From, a.To = "10m", "1h" }),
			says: "no time lies from 2026-03-31T11:50:00Z to 2026-03-31T11:00:00Z",
		},
		{
			name: "empty, of a stack without an audit",
			args: with(func(a *whole.Arguments) { a.From, a.To = "1h", "1h" }),
			none: true, says: "no time lies",
		},
		{
			name: "before the journal", args: with(func(a *whole.Arguments) { a.To = "3h" }),
			says: "they are noted since 2026-03-31T10:00:00Z",
		},
		{name: "no audit", args: month, none: true, says: whole.ErrNotNoted.Error()},
	} {
		s := since
		if tt.none {
			s = time.Time{}
		}
		if _, err := whole.Begin("again", tt.args, s, now); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.says)
		}
	}
	s, err := whole.Begin("again", month, since, now)
	if err != nil || !s.Asked.Equal(now.Add(-720*time.Hour)) || !s.From.Equal(since) || !s.To.Equal(now.Add(-settle)) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestFile(t *testing.T) {
	file := whole.File{File: resume.File[whole.State]{Path: filepath.Join(t.TempDir(), "again.json")}}
	args := with(func(a *whole.Arguments) { a.Deployment, a.To, a.Stream, a.Republish = "d", "1h", "order/a", true })
	saved, err := whole.Begin("again", args, now.Add(-24*time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	saved.Segments[1], saved.Republished, saved.Findings = resume.Segment{Next: "order/a@1"}, 3,
		[]whole.Finding{{Kind: whole.Refused, Stream: "order/a", First: 1}}
	if err := file.Save(saved); err != nil {
		t.Fatal(err)
	}
	got, found, err := file.Load("again", args)
	if err != nil || !found || !got.From.Equal(saved.From) || got.Segments[1] != saved.Segments[1] ||
		got.Republished != 3 || len(got.Findings) != 1 {
		t.Errorf("saved %+v, found %+v, %t, %v", saved, got, found, err)
	}
	changes := map[string]func(*whole.Arguments){
		"stack": func(a *whole.Arguments) { a.Deployment = "e" }, "from": func(a *whole.Arguments) { a.From = "23h" },
		"to":     func(a *whole.Arguments) { a.To = "" },
		"settle": func(a *whole.Arguments) { a.Settle = "1s" }, "stream": func(a *whole.Arguments) { a.Stream = "" },
		"segments":  func(a *whole.Arguments) { a.Segments = 3 },
		"republish": func(a *whole.Arguments) { a.Republish = false },
		"refused":   func(a *whole.Arguments) { a.Refused = true },
	}
	names := map[string]bool{args.Name(): true}
	for field, change := range changes {
		other := args
		change(&other)
		names[other.Name()] = true
		if _, _, err := file.Load("again", other); err == nil || !strings.Contains(err.Error(), "another --"+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if len(names) != 1+len(changes) {
		t.Errorf("names are %v", slices.Collect(maps.Keys(names)))
	}
	if _, _, err := file.Load("other", args); err == nil {
		t.Error("another run's state passes")
	}
}
