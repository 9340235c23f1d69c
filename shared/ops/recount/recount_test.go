package recount_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/recount"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
)

// warehouse has ten pieces of some SKUs, on a store in memory.
type warehouse struct {
	*testing.T
	registry *es.Registry
	store    *memstore.Store
	counters *stocktest.Counters
	clock    *clock.Fake
	stock    stock.Service
	orders   int
	streams  map[es.StreamID]bool
}

func newWarehouse(t *testing.T, skus ...string) *warehouse {
	w := &warehouse{
		T: t, registry: es.NewRegistry(stock.Register), counters: stocktest.NewCounters(),
		clock:   clock.NewFake(estest.Start),
		streams: map[es.StreamID]bool{},
	}
	w.store = memstore.New(w.registry)
	w.stock = stock.New(stock.Deps{Store: w.store, Clock: w.clock, Counters: w.counters})
	for _, sku := range skus {
		if _, err := w.stock.Set(t.Context(), w.request(), sku, 10, stock.Match{MustBeNew: true}); err != nil {
			t.Fatal(err)
		}
		w.streams[es.NewStreamID(stock.Category, sku)] = true
	}
	w.clock.Advance(24 * time.Hour)
	return w
}

func (w *warehouse) request() es.Request {
	return es.Request{CommitID: ident.New(), Time: w.clock.Now()}
}

// order reserves a piece, and has it leave or gives it back.
func (w *warehouse) order(sku string) {
	w.Helper()
	w.orders++
	id := fmt.Sprint("order-", w.orders)
	w.streams[es.NewStreamID(stock.ReservationCategory, stock.ReservationID(id, 1))] = true
	r := stock.Reservation{OrderID: id, Revision: 1, Items: []stock.Item{{SKU: sku, Quantity: 1}}}
	_, err := w.stock.Reserve(w.Context(), w.request(), r)
	if err == nil && w.orders%3 == 0 {
		_, err = w.stock.Leave(w.Context(), w.request(), id, 1)
	} else if err == nil && w.orders%3 == 1 {
		_, err = w.stock.Release(w.Context(), w.request(), id, 1)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// keep reserves a piece and keeps it.
func (w *warehouse) keep(sku string) {
	w.Helper()
	for w.order(sku); w.orders%3 != 2; {
		w.order(sku)
	}
}

func (w *warehouse) spoil(sku string, by stock.Numbers) {
	w.Helper()
	if err := errors.Join(
		w.counters.Mark(w.Context(), sku, "spoil"), w.counters.Correct(w.Context(), sku, "spoil", by),
	); err != nil {
		w.Fatal(err)
	}
}

// recent names every stream, with the version that it has.
func (w *warehouse) recent(ctx context.Context, _ time.Time) iter.Seq2[recount.Changed, error] {
	return func(yield func(recount.Changed, error) bool) {
		for stream := range w.streams {
			history, err := w.store.Load(ctx, stream, 0)
			if !yield(recount.Changed{Stream: stream, Version: history.Head.Version()}, err) || err != nil {
				return
			}
		}
		yield(recount.Changed{Stream: "order/o-1", Version: 7}, nil) // none of ours
	}
}

// busy is a store whose shop has customers while it is read.
type busy struct {
	*memstore.Store
	meanwhile func()
}

func (b busy) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		b.meanwhile()
		for page, err := range b.Store.Scan(ctx, segment, segments, from) {
			b.meanwhile()
			if !yield(page, err) {
				return
			}
		}
	}
}

// readOnly are rows that nobody may write.
type readOnly struct{ *stocktest.Counters }

func (readOnly) Mark(context.Context, string, string) error { panic("marked") }
func (readOnly) Unmark(context.Context, string) error       { panic("unmarked") }
func (readOnly) Correct(context.Context, string, string, stock.Numbers) error {
	panic("corrected")
}

func (readOnly) Create(context.Context, string, string, stock.Numbers) error { panic("created") }

func (w *warehouse) verify(with func(*recount.Verify)) recount.Report {
	w.Helper()
	v := recount.Verify{
		Store: w.store, Registry: w.registry, Rows: readOnly{w.counters}, Recent: w.recent, Clock: w.clock, Segments: 3,
		Parallel: 1, Patience: time.Minute,
	}
	if with != nil {
		with(&v)
	}
	report, err := v.Run(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return report
}

// TestVerifyWhileOrdersGoOn: what orders have changed while the store was read is no difference,
// and what is broken is one.
func TestVerifyWhileOrdersGoOn(t *testing.T) {
	w := newWarehouse(t, "cd-1", "cd-2", "cd-3")
	for range 4 {
		w.order("cd-1")
		w.order("cd-2")
	}
	w.clock.Advance(24 * time.Hour)
	goOn := func(v *recount.Verify) {
		v.Store = busy{w.store, func() {
			w.clock.Advance(time.Second)
			if level, err := w.stock.Get(w.Context(), "cd-1"); err == nil && level.Available > 0 {
				w.order("cd-1")
			}
		}}
	}
	if report := w.verify(goOn); len(report.Differences) > 0 || report.Rows != 3 || report.Commits == 0 {
		t.Errorf("the report is %+v", report)
	}
	w.spoil("cd-1", stock.Numbers{Reserved: 1})
	w.spoil("cd-3", stock.Numbers{Available: -2, Counts: 1})
	if err := w.counters.Lose(t.Context(), "cd-2"); err != nil {
		t.Fatal(err)
	}
	got := w.verify(goOn).Differences
	notes := map[string]string{"cd-1": "", "cd-2": "there is no row", "cd-3": ""}
	if len(got) != len(notes) {
		t.Fatalf("found %+v", got)
	}
	for _, d := range got {
		want, known := notes[d.SKU]
		if !known || d.Note != want || d.SKU == "cd-1" && d.Row.Minus(d.Events) != (stock.Numbers{Reserved: 1}) {
			t.Errorf("found %+v", d)
		}
	}
	if diff := cmp.Diff(recount.Difference{
		SKU: "cd-3", Row: stock.Numbers{Available: 8, Counts: 2}, Events: stock.Numbers{Available: 10, Counts: 1},
	}, got[2]); diff != "" {
		t.Error(diff)
	}
	one := w.verify(func(v *recount.Verify) { v.SKUs = []string{"cd-3", "cd-4"} })
	if len(one.Differences) != 1 || one.Rows != 1 {
		t.Errorf("of one SKU: %+v", one)
	}
}

// TestVerifyCannotCatchUp: a row that is never met as its events are is not said to be right, nor
// wrong for sure.
func TestVerifyCannotCatchUp(t *testing.T) {
	w := newWarehouse(t, "cd-1")
	for name, recent := range map[string]func(context.Context, time.Time) iter.Seq2[recount.Changed, error]{
		"nobody says what is new": func(context.Context, time.Time) iter.Seq2[recount.Changed, error] {
			return func(func(recount.Changed, error) bool) {}
		},
		"each time there is more": func(ctx context.Context, since time.Time) iter.Seq2[recount.Changed, error] {
			return func(yield func(recount.Changed, error) bool) {
				for c, err := range w.recent(ctx, since) {
					if !yield(c, err) {
						return
					}
				}
				w.keep("cd-1")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			report := w.verify(func(v *recount.Verify) {
				v.Recent, v.Patience = recent, time.Second
				v.Store = busy{w.store, func() { w.keep("cd-1") }}
				v.Segments = 1
			})
			if len(report.Differences) != 1 {
				t.Errorf("the report is %+v", report)
			}
		})
		match := stock.Match{Version: w.level("cd-1").Version}
		if _, err := w.stock.Set(t.Context(), w.request(), "cd-1", 30, match); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("no index")
	_, err := recount.Verify{
		Store: busy{w.store, func() { w.keep("cd-1") }}, Registry: w.registry, Rows: w.counters, Clock: w.clock,
		Segments: 1,
		Recent: func(context.Context, time.Time) iter.Seq2[recount.Changed, error] {
			return func(yield func(recount.Changed, error) bool) { yield(recount.Changed{}, broken) }
		},
	}.Run(t.Context())
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func (w *warehouse) level(sku string) stock.Level {
	w.Helper()
	level, err := w.stock.Get(w.Context(), sku)
	if err != nil {
		w.Fatal(err)
	}
	return level
}

// file keeps the last state.
type file struct{ state recount.State }

func (f *file) Save(s recount.State) error { f.state = s; return nil }

func (w *warehouse) rebuild(f *file, mark string, with func(*recount.Rebuild)) (recount.Result, error) {
	w.Helper()
	if mark != "" {
		var err error
		if f.state, err = recount.Begin(recount.Arguments{Segments: 2}, mark); err != nil {
			w.Fatal(err)
		}
	}
	r := recount.Rebuild{
		Scanner: w.store, Registry: w.registry, Rows: w.counters, Clock: w.clock, State: f.state, Keeper: f,
	}
	if with != nil {
		with(&r)
	}
	return r.Run(w.Context())
}

// TestOnlyOneRebuild: a second rebuild leaves the first one's rows alone, and one that was
// cancelled corrects nothing.
func TestOnlyOneRebuild(t *testing.T) {
	w := newWarehouse(t, "cd-1", "cd-2")
	w.spoil("cd-1", stock.Numbers{Available: 3})
	first := &file{}
	stopped := errors.New("stopped")
	_, err := w.rebuild(first, "m-1", func(r *recount.Rebuild) { r.Scanner = failing{stopped} })
	if !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	if _, err := w.rebuild(&file{}, "m-2", nil); !errors.Is(err, recount.ErrMarked) {
		t.Errorf("a second one: %v", err)
	}
	if n, err := recount.Cancel(t.Context(), w.counters); err != nil || n != 2 {
		t.Errorf("%d rows are unmarked, %v", n, err)
	}
	if _, err := w.rebuild(first, "", nil); !errors.Is(err, recount.ErrMarked) {
		t.Errorf("the first one, cancelled: %v", err)
	}
	if level := w.level("cd-1"); level.Available != 13 {
		t.Errorf("the level is %+v", level)
	}
	result, err := w.rebuild(&file{}, "m-3", nil)
	want := []recount.Difference{{
		SKU: "cd-1", Row: stock.Numbers{Available: 13, Counts: 1}, Events: stock.Numbers{Available: 10, Counts: 1},
	}}
	if diff := cmp.Diff(want, result.Corrections); err != nil || diff != "" || result.Rows != 2 {
		t.Errorf("%+v, %v: %s", result, err, diff)
	}
	if level := w.level("cd-1"); level.Available != 10 {
		t.Errorf("the level is %+v", level)
	}
}

// failing is a store that can't be read.
type failing struct{ err error }

func (f failing) Scan(context.Context, int, int, string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) { yield(es.ScanPage{}, f.err) }
}

// TestUnreadable: counters whose events can't all be read are not corrected, unless somebody says
// so.
func TestUnreadable(t *testing.T) {
	w := newWarehouse(t, "cd-1")
	w.spoil("cd-1", stock.Numbers{Available: 3})
	type counted struct{}
	future := es.NewRegistry(stock.Register, func(r *es.Registry) { es.Register[counted](r, "stock.future", 1) })
	_, err := w.store.Reopen(future).Append(t.Context(), []es.Commit{
		w.request().Commit(es.StoreHead(es.NewStreamID(stock.Category, "cd-9"), 0, 0, ""), counted{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if report := w.verify(nil); len(report.Unreadable) != 1 || len(report.Differences) != 1 {
		t.Errorf("the report is %+v", report)
	}
	result, err := w.rebuild(&file{}, "m-1", nil)
	if !errors.Is(err, recount.ErrUnreadable) || len(result.Unreadable) != 1 || w.level("cd-1").Available != 13 {
		t.Errorf("%+v, %v", result, err)
	}
	if n, err := recount.Cancel(t.Context(), w.counters); err != nil || n != 0 {
		t.Errorf("%d rows were left with a mark, %v", n, err)
	}
	result, err = w.rebuild(&file{}, "m-2", func(r *recount.Rebuild) { r.AcceptUnreadable = true })
	if err != nil || len(result.Unreadable) != 1 || w.level("cd-1").Available != 10 {
		t.Errorf("accepted: %+v, %v", result, err)
	}
}

// TestState: a state is of the command that it was kept of, and of no other.
func TestState(t *testing.T) {
	a := recount.Arguments{Deployment: "stack", Segments: 2}
	state, err := recount.Begin(a, "m")
	if err != nil || !state.Fits(a) {
		t.Fatalf("%+v, %v", state, err)
	}
	for name, other := range map[string]recount.Arguments{
		"another stack":  {Deployment: "other", Segments: 2},
		"other segments": {Deployment: "stack", Segments: 3},
		"some SKUs":      {Deployment: "stack", Segments: 2, SKUs: []string{"cd-1"}},
		"a dry run":      {Deployment: "stack", Segments: 2, DryRun: true},
	} {
		if state.Fits(other) {
			t.Errorf("fits %s", name)
		}
	}
	if _, err := recount.Begin(recount.Arguments{}, "m"); err == nil {
		t.Error("no segments")
	}
	if (recount.State{}).Fits(recount.Arguments{}) {
		t.Error("nothing fits")
	}
}
