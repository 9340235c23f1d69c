package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/poison"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/viewtest"
)

// added is the event of a stream of numbers; row is its sum, in digits, so that order shows.
type (
	added struct {
		Digit string `json:"digit"`
	}
	row struct {
		Digits string `json:"digits"`
	}
)

func evolve(r row, e es.Recorded) row { return row{r.Digits + e.Data.(added).Digit} }

var sums = view.Definition[row]{
	Name: "sums", Category: "sum", Evolve: evolve,
	Events: func(r *es.Registry) { es.Register[added](r, "sum.added", 1) },
	Tallies: func(_ string, r row) []view.Tally {
		return []view.Tally{{Name: "digits", ID: "all", Counters: map[string]int64{"n": int64(len(r.Digits))}}}
	},
}

// table is a table in memory that counts what is asked of it, and of which some Puts meet another
// writer.
type table struct {
	*viewtest.Memory
	conflicts  int // how many of the next Puts meet another writer
	onConflict func()
	looks      int
	puts, rows int // requests, and what was written by them
	err        error
}

func newTable(rows ...view.Item) *table {
	t := &table{Memory: viewtest.NewMemory()}
	for _, r := range rows {
		if err := t.Memory.Put(context.Background(), view.Write{Generation: generation(1), Next: r})[0]; err != nil {
			panic(err)
		}
	}
	return t
}

func generation(n int64) view.Generation { return view.Generation{View: "sums", Number: n} }

func (t *table) Look(
	ctx context.Context, views []string, places []view.Place,
) (map[string]view.Control, []view.Looked, error) {
	t.looks++
	if t.err != nil {
		return nil, nil, t.err
	}
	return t.Memory.Look(ctx, views, places)
}

func (t *table) Put(ctx context.Context, writes ...view.Write) []error {
	t.puts++
	results := make([]error, len(writes))
	for i, w := range writes {
		if t.conflicts > 0 {
			t.conflicts--
			if t.onConflict != nil {
				t.onConflict()
			}
			results[i] = &es.ConflictError{Stream: es.NewStreamID("sum", w.Next.ID), Expected: w.Old, Actual: -1}
			continue
		}
		t.rows++
		results[i] = t.Memory.Put(ctx, w)[0]
	}
	return results
}

// at is the row of the stream in a generation: its digits.
func (t *table) at(number int64) string {
	item, err := t.Memory.Row(context.Background(), generation(number), "1")
	if err != nil {
		panic(err)
	}
	var r row
	if item.Sequence == 0 {
		return ""
	}
	if err := json.Unmarshal(item.Data, &r); err != nil || int64(len(r.Digits)) != item.Sequence {
		panic(fmt.Sprint(item, err))
	}
	return r.Digits
}

// item is the row with those digits.
func item(digits string) view.Item {
	return view.Item{ID: "1", Sequence: int64(len(digits)), Data: json.RawMessage(`{"digits":"` + digits + `"}`)}
}

// handle has a new projector handle one commit.
func handle(store es.Store, table view.Projection, c es.StoredCommit, views ...view.View) error {
	if len(views) == 0 {
		views = []view.View{sums.View()}
	}
	return view.NewProjector(store, table, clock.NewFake(start), nil, views...).HandleBatch(
		context.Background(), []es.StoredCommit{c},
	)[0]
}

// loads counts what is read from a store.
type loads struct {
	es.Store
	n int
}

func (l *loads) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	l.n++
	return l.Store.Load(ctx, stream, after)
}

const stream es.StreamID = "sum/1"

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// setup stores the digits 1 to 6 in commits of one, two and three events.
func setup(t *testing.T) (*loads, *es.Registry, []es.StoredCommit) {
	t.Helper()
	registry := view.Registry(sums.View())
	store := memstore.New(registry)
	var commits []es.StoredCommit
	head := mustLoad(t, store).Head
	for _, events := range [][]any{{added{"1"}}, {added{"2"}, added{"3"}}, {added{"4"}, added{"5"}, added{"6"}}} {
		c := es.Commit{
			Head: head, ID: "c" + events[0].(added).Digit, Time: start.Add(time.Duration(len(commits)) * time.Second),
			Events: events,
		}
		stored, err := registry.EncodeCommit(c)
		if err != nil {
			t.Fatal(err)
		}
		appended, err := store.Append(context.Background(), []es.Commit{c})
		if err != nil {
			t.Fatal(err)
		}
		head, commits = appended.Heads[0], append(commits, stored)
	}
	return &loads{Store: store}, registry, commits
}

func mustLoad(t *testing.T, store es.Store) es.History {
	t.Helper()
	h, err := store.Load(context.Background(), stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHandle(t *testing.T) {
	tests := []struct {
		name   string
		row    string
		commit int
		want   string
		loads  int
		puts   int
	}{
		{"the first", "", 0, "1", 0, 1},
		{"again", "1", 0, "1", 0, 0},
		{"the next", "1", 1, "123", 0, 1},
		{"late", "123456", 1, "123456", 0, 0},
		{"further: the commits between are read, with all that follows", "", 1, "123456", 1, 1},
		{"the last one first", "", 2, "123456", 1, 1},
		{"a commit of which the row has a part", "1234", 2, "123456", 0, 1},
		{"a commit of which the row has the last event", "123", 1, "123", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store, _, commits := setup(t)
			table := newTable()
			if tt.row != "" {
				table = newTable(item(tt.row))
			}
			if err := handle(store, table, commits[tt.commit]); err != nil {
				t.Fatal(err)
			}
			if table.at(1) != tt.want || store.n != tt.loads || table.puts != tt.puts || table.looks != 1 {
				t.Errorf("row %s after %d loads, %d looks, %d puts; want %s after %d loads, 1 look, %d puts",
					table.at(1), store.n, table.looks, table.puts, tt.want, tt.loads, tt.puts)
			}
		})
	}
}

// A batch costs one read and one put, however many commits, streams and views it has rows for, and
// whatever order its commits are in.
func TestBatch(t *testing.T) {
	for name, tt := range map[string]struct {
		commits []int
		loads   int
	}{
		"in order":                {[]int{0, 1, 2}, 0},
		"in another order, twice": {[]int{2, 0, 1, 0, 2}, 0},
		"one is missing":          {[]int{0, 2}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			store, _, commits := setup(t)
			table, plain := newTable(), sums
			plain.Name, plain.Tallies = "plain", nil
			var batch []es.StoredCommit
			for _, i := range tt.commits {
				other := commits[i]
				other.Stream = "sum/2"
				batch = append(batch, commits[i], es.StoredCommit{Stream: "stock/1"})
				if len(tt.commits) > 2 {
					batch = append(batch, other)
				}
			}
			p := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View(), plain.View())
			if err := errors.Join(p.HandleBatch(t.Context(), batch)...); err != nil {
				t.Fatal(err)
			}
			streams := len(batch)/len(tt.commits) - 1
			if table.looks != 1 || table.puts != 1 || table.rows != 2*streams || table.at(1) != "123456" ||
				store.n != 2*tt.loads {
				t.Errorf(
					"%q in %d rows of %d streams, by %d looks, %d loads and %d puts", table.at(1), table.rows, streams,
					table.looks, store.n, table.puts,
				)
			}
		})
	}
}

// Which generations there are is read with each batch. The rows that are read with that are those
// of the generations before: where they have changed, the others are read too, once.
func TestGenerationsThatChange(t *testing.T) {
	store, _, commits := setup(t)
	table := newTable()
	p := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View())
	control := view.Control{View: "sums"}
	for i, change := range []func(view.Control) view.Control{
		nil, func(c view.Control) view.Control { return c.Begin("me", 1, start) }, nil, view.Control.Switched,
	} {
		if change != nil {
			if err := table.Save(t.Context(), change(control)); err != nil {
				t.Fatal(err)
			}
			control, _ = table.Control(t.Context(), "sums")
		}
		before := table.looks
		if err := p.HandleBatch(t.Context(), commits[min(i, 2):min(i, 2)+1])[0]; err != nil {
			t.Fatal(err)
		}
		if looks, want := table.looks-before, []int{1, 2, 1, 1}[i]; looks != want {
			t.Errorf("batch %d: %d looks, want %d", i, looks, want)
		}
	}
	if table.at(1) != "123456" || table.at(2) != "123456" {
		t.Errorf("generation 1 has %q, 2 has %q", table.at(1), table.at(2))
	}
}

// A batch of one view's commits alone forgets nothing of the generations of another.
func TestGenerationsOfAnotherView(t *testing.T) {
	store, _, commits := setup(t)
	table, other := newTable(), sums
	other.Name, other.Category, other.Events = "products", "product", func(*es.Registry) {}
	if err := table.Save(t.Context(), view.Control{View: "sums", Serving: 4, Last: 4}); err != nil {
		t.Fatal(err)
	}
	product := commits[0]
	product.Stream = "product/1"
	p := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View(), other.View())
	for i, want := range []int{2, 3, 4} {
		batch := []es.StoredCommit{commits[0]}
		if i == 1 {
			batch = []es.StoredCommit{product}
		}
		if err := p.HandleBatch(t.Context(), batch)[0]; err != nil || table.looks != want {
			t.Errorf("batch %d: %d looks, want %d, %v", i, table.looks, want, err)
		}
	}
}

// A commit that can't be read fails alone, with those behind it, whose events are after its own.
func TestFaultInABatch(t *testing.T) {
	store, _, commits := setup(t)
	broken := commits[1]
	broken.Events = []es.Stored{{Type: "sum.divided", Schema: 1, Data: json.RawMessage(`{}`)}}
	third := commits[2]
	third.First = 7 // the store has none such
	other := commits[0]
	other.Stream = "sum/2"
	table := newTable()
	errs := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View()).HandleBatch(
		t.Context(), []es.StoredCommit{commits[0], broken, third, other},
	)
	if errs[0] != nil || !poison.Is(errs[1]) || !errors.Is(errs[2], es.ErrCorrupt) || errs[3] != nil {
		t.Error(errs)
	}
	if table.at(1) != "1" {
		t.Errorf("the row has %q", table.at(1))
	}
}

// What batches bring is noted once in a while, for all views at once, and nothing of it twice.
func TestCheckpointsAreCollected(t *testing.T) {
	store, _, commits := setup(t)
	table, now, advances := newTable(), clock.NewFake(start.Add(time.Hour)), 0
	hooked := viewtest.Hooked{Table: table, Hook: func(_ context.Context, request string, after bool) error {
		if request == "Advance" && !after {
			advances++
		}
		return nil
	}}
	second := sums
	second.Name, second.Tallies = "more-sums", nil
	p := view.NewProjector(store, hooked, now, nil, sums.View(), second.View())
	for i, want := range []struct {
		after    time.Duration
		advances int
		events   int64
	}{
		{0, 1, 1}, {view.CheckpointEvery - 1, 1, 1}, {0, 1, 1}, {1, 2, 6}, {view.CheckpointEvery, 2, 6},
	} {
		now.Advance(want.after)
		if err := p.HandleBatch(t.Context(), commits[min(i, 2):min(i, 2)+1])[0]; err != nil {
			t.Fatal(err)
		}
		got, err := table.Checkpoints(t.Context())
		if err != nil || advances != want.advances || got["sums"].Events != want.events ||
			got["more-sums"] != got["sums"] {
			t.Errorf("batch %d: %+v after %d advances, %v; want %+v", i, got, advances, err, want)
		}
	}
}

func TestCatchUp(t *testing.T) {
	store, _, _ := setup(t)
	for _, from := range []string{"", "12", "123456"} {
		table := newTable()
		if from != "" {
			table = newTable(item(from))
		}
		p := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View())
		if err := p.CatchUp(context.Background(), stream); err != nil || table.at(1) != "123456" {
			t.Errorf("from %q: %q, %v", from, table.at(1), err)
		}
	}
	table := newTable()
	p := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View())
	if err := p.CatchUp(context.Background(), "sum/none"); err != nil || table.puts != 0 {
		t.Errorf("a stream without events: %d puts, %v", table.puts, err)
	}
}

func TestEveryViewOfACategory(t *testing.T) {
	store, _, commits := setup(t)
	table := newTable()
	second := sums
	second.Name, second.Tallies = "more-sums", nil
	other := view.Definition[row]{Name: "products", Category: "product", Evolve: evolve, Events: func(*es.Registry) {}}
	if err := handle(store, table, commits[0], sums.View(), second.View(), other.View()); err != nil {
		t.Fatal(err)
	}
	got, err := table.Memory.Row(context.Background(), view.Generation{View: "more-sums", Number: 1}, "1")
	if err != nil || got.Sequence != 1 || table.at(1) != "1" || table.puts != 1 || table.rows != 2 || table.looks != 1 {
		t.Errorf("%+v, %v; %d rows by %d puts after %d looks", got, err, table.rows, table.puts, table.looks)
	}
}

func TestOtherCategoriesCostNothing(t *testing.T) {
	store, _, commits := setup(t)
	table := newTable()
	commits[0].Stream = "stock/1"
	commits[0].Events[0].Type = "nobody.knows"
	if err := handle(store, table, commits[0]); err != nil || store.n+table.looks+table.puts != 0 {
		t.Errorf("%d loads, %d looks, %d puts, %v", store.n, table.looks, table.puts, err)
	}
}

// Each commit goes to every generation that is live, the newest first, and to none that is retired.
func TestGenerations(t *testing.T) {
	store, _, commits := setup(t)
	table := newTable()
	control := view.Control{
		View: "sums", Serving: 3, Last: 5, Building: &view.Building{Number: 5}, Draining: []int64{2},
		Retired: []int64{1, 4},
	}
	if err := table.Save(context.Background(), control); err != nil {
		t.Fatal(err)
	}
	var order []int64
	hooked := viewtest.Hooked{Table: table, Hook: func(_ context.Context, request string, after bool) error {
		if request == "Put" && after {
			for n := range int64(6) {
				if table.at(n) != "" && !slices.Contains(order, n) {
					order = append(order, n)
				}
			}
		}
		return nil
	}}
	if err := handle(store, hooked, commits[0]); err != nil {
		t.Fatal(err)
	}
	if want := []int64{5, 3, 2}; !slices.Equal(order, want) {
		t.Errorf("written were %v, want %v", order, want)
	}
}

// A generation that can't be written keeps back no other, and the commit comes again.
func TestGenerationThatFails(t *testing.T) {
	store, _, commits := setup(t)
	table := newTable()
	if err := table.Save(context.Background(), view.Control{View: "sums"}.Begin("me", 1, start)); err != nil {
		t.Fatal(err)
	}
	if err := table.Memory.Put(context.Background(), view.Write{
		Generation: generation(2), Next: view.Item{ID: "1", Sequence: 1, Data: json.RawMessage(`[]`)},
	})[0]; err != nil {
		t.Fatal(err)
	}
	err := handle(store, table, commits[1])
	if !errors.Is(err, es.ErrCorrupt) || !strings.Contains(err.Error(), "generation 2") || table.at(1) != "123456" {
		t.Errorf("%v; generation 1 has %q", err, table.at(1))
	}
}

// What a batch brought is counted once, for the generation that serves, and measured from the
// oldest event that the rows lacked.
func TestLagAndCheckpoint(t *testing.T) {
	store, _, commits := setup(t)
	table := newTable(item("1"))
	if err := table.Save(context.Background(), view.Control{View: "sums"}.Begin("me", 1, start)); err != nil {
		t.Fatal(err)
	}
	var lags []view.Lag
	now := start.Add(7 * time.Second)
	p := view.NewProjector(store, table, clock.NewFake(now), func(l view.Lag) { lags = append(lags, l) }, sums.View())
	for _, batch := range [][]es.StoredCommit{commits, commits} {
		for _, err := range p.HandleBatch(context.Background(), batch) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := []view.Lag{{View: "sums", Age: 6 * time.Second, Events: 5}}; !slices.Equal(lags, want) {
		t.Errorf("lags %+v, want %+v", lags, want)
	}
	got, err := table.Checkpoints(context.Background())
	want := view.Checkpoint{Newest: start.Add(2 * time.Second), Events: 5, Lag: 6 * time.Second, At: now}
	if err != nil || got["sums"] != want {
		t.Errorf("checkpoint %+v, %v; want %+v", got["sums"], err, want)
	}
}

// An event that is dated a week ahead hides nothing that is folded after it.
func TestCheckpointOfAnEventDatedAhead(t *testing.T) {
	store, _, commits := setup(t)
	table, now := newTable(), clock.NewFake(start.Add(7*time.Second))
	p := view.NewProjector(store, table, now, nil, sums.View())
	commits = slices.Clone(commits)
	for i := range commits[:2] {
		now.Advance(view.CheckpointEvery)
		if commits[i].Time = now.Now(); i == 0 {
			commits[i].Time = start.Add(7 * 24 * time.Hour)
		}
		if err := p.HandleBatch(t.Context(), commits[i:i+1])[0]; err != nil {
			t.Fatal(err)
		}
		got, err := table.Checkpoints(t.Context())
		if err != nil || !got["sums"].At.Equal(now.Now()) || got["sums"].Newest.After(now.Now()) {
			t.Errorf("after %d: %+v, %v", i+1, got["sums"], err)
		}
	}
}

// A checkpoint that can't be written fails no commit, and a clock that is behind gives no negative
// lag.
func TestCheckpointThatFails(t *testing.T) {
	store, _, commits := setup(t)
	table := viewtest.Hooked{Table: newTable(), Hook: func(_ context.Context, request string, _ bool) error {
		if request == "Advance" {
			return errors.New("throttled")
		}
		return nil
	}}
	var lags []view.Lag
	p := view.NewProjector(
		store, table, clock.NewFake(start.Add(-time.Hour)), func(l view.Lag) { lags = append(lags, l) }, sums.View(),
	)
	errs := p.HandleBatch(context.Background(), commits[:1])
	if want := []view.Lag{{View: "sums", Events: 1}}; errs[0] != nil || !slices.Equal(lags, want) {
		t.Errorf("%v, lags %+v, want %+v", errs[0], lags, want)
	}
}

// What a write folded counts once though its answer was lost: whether the client has sent it again
// and met its own row, or given up, and whoever has written the row since.
func TestLostAnswers(t *testing.T) {
	errLost := errors.New("no answer")
	for name, tt := range map[string]struct {
		written bool  // the first write is done
		answer  error // and what is answered to it
		others  int   // how many others have written the row since
		counted int64 // events, of the six that the store has
		fails   bool
	}{
		"sent again": {written: true, answer: es.ErrConflict, counted: 1},
		"sent again, behind others": {
			written: true, answer: es.ErrConflict, others: view.MaxWriters - 1, counted: 1,
		},
		"given up":                      {written: true, answer: errLost, counted: 1},
		"given up, behind others":       {written: true, answer: errLost, others: view.MaxWriters - 1, counted: 1},
		"never written":                 {answer: errLost, fails: true},
		"a conflict":                    {answer: es.ErrConflict, counted: 1},
		"somebody else was faster":      {answer: es.ErrConflict, others: 1},
		"behind more than a row names":  {written: true, answer: es.ErrConflict, others: view.MaxWriters},
		"given up, and nobody can tell": {written: true, answer: errLost, others: view.MaxWriters, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			store, registry, commits := setup(t)
			ctx, table, lost := t.Context(), newTable(), true
			hooked := viewtest.Hooked{Table: table, Hook: func(ctx context.Context, request string, after bool) error {
				if request != "Put" || !lost || after != tt.written {
					return nil
				}
				lost = false
				for i := range tt.others {
					history := mustLoad(t, store)
					folder := view.Folder{Store: store, Registry: registry, Rows: table, Clock: clock.NewFake(start)}
					folded := folder.Apply(ctx, view.Change{
						View: sums.View(), Generation: generation(1), Stream: stream, Events: history.Events[:2+i],
					})
					if folded[0].Err != nil {
						t.Error(folded[0].Err)
					}
				}
				return tt.answer
			}}
			var counted int64
			p := view.NewProjector(
				store, hooked, clock.NewFake(start), func(l view.Lag) { counted += l.Events }, sums.View(),
			)
			err := p.HandleBatch(ctx, commits[:1])[0]
			got, unread := table.Checkpoints(ctx)
			if (err != nil) != tt.fails || counted != tt.counted || unread != nil || got["sums"].Events != tt.counted {
				t.Errorf(
					"%v; the metric says %d, the checkpoint %+v, %v; want %d", err, counted, got["sums"], unread,
					tt.counted,
				)
			}
			if want := "123456"[:max(1, 1+tt.others)]; !tt.fails && table.at(1) != want {
				t.Errorf("the row has %q, want %q", table.at(1), want)
			}
		})
	}
}

func TestConflicts(t *testing.T) {
	t.Run("are tried again", func(t *testing.T) {
		store, _, commits := setup(t)
		table := newTable()
		table.conflicts = 3
		if err := handle(store, table, commits[0]); err != nil || table.at(1) != "1" || table.looks != 4 {
			t.Errorf("%q after %d looks, %v", table.at(1), table.looks, err)
		}
	})
	t.Run("with somebody who has done it", func(t *testing.T) {
		store, _, commits := setup(t)
		table := newTable()
		table.conflicts = 1
		table.onConflict = func() {
			w := view.Write{Generation: generation(1), Next: item("123")}
			if err := table.Memory.Put(context.Background(), w)[0]; err != nil {
				t.Error(err)
			}
		}
		if err := handle(store, table, commits[0]); err != nil || table.at(1) != "123" || table.puts != 1 {
			t.Errorf("%q after %d puts, %v", table.at(1), table.puts, err)
		}
	})
	t.Run("without end may pass later", func(t *testing.T) {
		store, _, commits := setup(t)
		table := newTable()
		table.conflicts = 1 << 30
		if err := handle(store, table, commits[0]); !errors.Is(err, es.ErrConflict) || poison.Is(err) {
			t.Error(err)
		}
	})
}

func TestFailures(t *testing.T) {
	down := errors.New("down")
	t.Run("a table that does not answer may pass", func(t *testing.T) {
		store, _, commits := setup(t)
		table := newTable()
		table.err = down
		if err := handle(store, table, commits[0]); !errors.Is(err, down) || poison.Is(err) {
			t.Error(err)
		}
	})
	t.Run("generations that can't be read keep all back", func(t *testing.T) {
		store, _, commits := setup(t)
		table := viewtest.Hooked{Table: newTable(), Hook: func(context.Context, string, bool) error { return down }}
		stock := commits[0]
		stock.Stream = "stock/1"
		p := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View())
		batch := []es.StoredCommit{stock, commits[0], commits[1], stock}
		errs := p.HandleBatch(context.Background(), batch)
		if len(errs) != len(batch) {
			t.Fatal(errs)
		}
		for i, c := range batch { // what the projector does not need has not failed, wherever it stands
			if needs := c.Stream != "stock/1"; p.Needs(c) != needs || errors.Is(errs[i], down) != needs ||
				(errs[i] != nil) != needs {
				t.Errorf("%s: needed %v, %v", c.Stream, p.Needs(c), errs[i])
			}
		}
	})
	t.Run("what time ran out for is not done", func(t *testing.T) {
		store, _, commits := setup(t)
		ctx, cancel := context.WithCancel(context.Background())
		memory := newTable()
		if err := memory.Save(ctx, view.Control{View: "sums"}.Begin("me", 1, start)); err != nil {
			t.Fatal(err)
		}
		table := viewtest.Hooked{Table: memory, Hook: func(_ context.Context, request string, after bool) error {
			if request == "Put" && after { // of the generation being built
				cancel()
			}
			return nil
		}}
		errs := view.NewProjector(store, table, clock.NewFake(start), nil, sums.View()).HandleBatch(ctx, commits)
		for _, err := range errs {
			if !errors.Is(err, context.Canceled) {
				t.Error(errs)
			}
		}
		if memory.at(2) != "123456" || memory.at(1) != "" {
			t.Errorf("the generation being built has %q, the serving one %q", memory.at(2), memory.at(1))
		}
	})
	t.Run("an event that nobody knows can never pass", func(t *testing.T) {
		store, _, commits := setup(t)
		table := newTable()
		commits[0].Events = []es.Stored{{Type: "sum.divided", Schema: 1, Data: json.RawMessage(`{}`)}}
		if err := handle(store, table, commits[0]); !poison.Is(err) || table.puts != 0 {
			t.Error(err)
		}
	})
	t.Run("a commit that the store does not have can never pass", func(t *testing.T) {
		_, registry, commits := setup(t)
		table := newTable()
		if err := handle(memstore.New(registry), table, commits[2]); !errors.Is(err, es.ErrCorrupt) || table.puts != 0 {
			t.Error(err)
		}
	})
}

func TestDefinitionsThatLackSomething(t *testing.T) {
	for name, change := range map[string]func(*view.Definition[row]){
		"no name":                      func(d *view.Definition[row]) { d.Name = "" },
		"a name that would break keys": func(d *view.Definition[row]) { d.Name = "a#b" },
		"no category":                  func(d *view.Definition[row]) { d.Category = "" },
		"no events":                    func(d *view.Definition[row]) { d.Events = nil },
		"no fold":                      func(d *view.Definition[row]) { d.Evolve = nil },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			d := sums
			change(&d)
			d.View()
		})
	}
}

func TestKeysAndTalliesThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*view.Definition[row]){
		"two keys of an index": func(d *view.Definition[row]) {
			d.Keys = func(string, row) []view.Key {
				return []view.Key{{view.Index1, "a", "b"}, {view.Index1, "c", "d"}}
			}
		},
		"no such index": func(d *view.Definition[row]) {
			d.Keys = func(string, row) []view.Key { return []view.Key{{4, "a", "b"}} }
		},
		"no place": func(d *view.Definition[row]) {
			d.Keys = func(string, row) []view.Key { return []view.Key{{view.Index1, "a", ""}} }
		},
		"no list": func(d *view.Definition[row]) {
			d.Keys = func(string, row) []view.Key { return []view.Key{{view.Index1, "", "b"}} }
		},
		"too many tallies": func(d *view.Definition[row]) {
			d.Tallies = func(string, row) []view.Tally { return make([]view.Tally, view.MaxTallies+1) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, _, commits := setup(t)
			table := newTable()
			d := sums
			change(&d)
			if err := handle(store, table, commits[0], d.View()); err == nil || table.puts != 0 {
				t.Errorf("%v after %d puts", err, table.puts)
			}
		})
	}
}

// A tally that a row leaves goes down by what the row had added, and one that nothing changes is
// not touched.
func TestDifference(t *testing.T) {
	tally := func(id string, counters map[string]int64) view.Tally {
		return view.Tally{Name: "n", ID: id, Counters: counters}
	}
	got := view.Difference(
		[]view.Tally{
			tally("left", map[string]int64{"x": 2, "zero": 0}), tally("same", map[string]int64{"x": 3}),
			tally("changed", map[string]int64{"x": 1, "y": 1}),
		},
		[]view.Tally{
			tally("come", map[string]int64{"x": 2}), tally("same", map[string]int64{"x": 3}),
			tally("changed", map[string]int64{"x": 1, "y": 5}),
		})
	want := []view.Tally{
		tally("left", map[string]int64{"x": -2}), tally("changed", map[string]int64{"y": 4}),
		tally("come", map[string]int64{"x": 2}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
