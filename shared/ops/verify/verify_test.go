package verify_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/ops/verify"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/read/view/viewtest"
	"orderflow/shared/shop/order"
)

var (
	registry = view.Registry(orders.View.View())
	serving  = view.Generation{View: "orders", Number: 1}
)

// world has three orders of two customers, all confirmed, in a view that is right.
type world struct {
	store *memstore.Store
	table *viewtest.Memory
	clock *clock.Fake
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{store: memstore.New(registry), table: viewtest.NewMemory(), clock: clock.NewFake(viewtest.Epoch)}
	for _, id := range []string{"ada-1", "ada-2", "bob-1"} {
		customer, _, _ := strings.Cut(id, "-")
		w.project(t, w.append(t, id, order.Placed{OrderID: id, CustomerID: customer}))
		w.project(
			t, w.append(t, id, order.Started{SagaID: "run"}, order.Confirmed{SagaID: "run", TrackingNumber: "OF"}),
		)
	}
	return w
}

func (w *world) append(t *testing.T, id string, events ...any) es.StoredCommit {
	t.Helper()
	history, err := w.store.Load(context.Background(), es.NewStreamID(order.Category, id), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := es.Commit{Head: history.Head, ID: fmt.Sprint(id, history.Head.Version()), Time: viewtest.Epoch, Events: events}
	stored, err := registry.EncodeCommit(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Append(context.Background(), []es.Commit{c}); err != nil {
		t.Fatal(err)
	}
	return stored
}

func (w *world) project(t *testing.T, c es.StoredCommit) {
	t.Helper()
	p := view.NewProjector(w.store, w.table, w.clock, nil, orders.View.View())
	if err := errors.Join(p.HandleBatch(context.Background(), []es.StoredCommit{c})...); err != nil {
		t.Fatal(err)
	}
}

func (w *world) verify(table view.Table) verify.Verify {
	return verify.Verify{
		View: orders.View.View(), Store: w.store, Registry: registry, Table: table, Clock: w.clock, Segments: 2,
		Parallel: 1, Patience: 10 * time.Second,
	}
}

// change writes a row over.
func (w *world) change(t *testing.T, id string, f func(*view.Item)) {
	t.Helper()
	row, err := w.table.Row(context.Background(), serving, id)
	if err != nil {
		t.Fatal(err)
	}
	old := row.Sequence
	f(&row)
	if err := w.table.Put(
		context.Background(), view.Write{Generation: serving, Old: old, Next: row},
	)[0]; err != nil {
		t.Fatal(err)
	}
}

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		broken func(*testing.T, *world)
		want   []verify.Finding
	}{
		"nothing": {func(*testing.T, *world) {}, []verify.Finding{}},
		"a member of a row": {func(t *testing.T, w *world) {
			w.change(
				t, "ada-1",
				func(i *view.Item) { i.Data = []byte(strings.Replace(string(i.Data), "confirmed", "shipped", 1)) },
			)
		}, []verify.Finding{{
			Kind: verify.Different, ID: "ada-1", Detail: `status is "shipped", and by the replay "confirmed"`,
		}}},
		"a list": {func(t *testing.T, w *world) {
			w.change(t, "ada-1", func(i *view.Item) { i.Keys = i.Keys[:1] })
		}, []verify.Finding{{
			Kind: verify.Different, ID: "ada-1",
			Detail: "it is in the lists [{1 ada 2026-02-28T23:59:58.000000000Z#ada-1}], and by the replay in " +
				"[{1 ada 2026-02-28T23:59:58.000000000Z#ada-1} {2 1 2026-02-28T23:59:58.000000000Z#ada-1} " +
				"{3 confirmed#1 2026-02-28T23:59:58.000000000Z#ada-1}]",
		}}},
		"a row that is ahead of its stream": {func(t *testing.T, w *world) {
			w.change(t, "ada-1", func(i *view.Item) { i.Sequence = 4 })
		}, []verify.Finding{{
			Kind: verify.Different, ID: "ada-1", Detail: "the row is at version 4, and the stream ends at 3",
		}}},
		"a row that is no JSON": {func(t *testing.T, w *world) {
			w.change(t, "ada-1", func(i *view.Item) { i.Data = []byte(`{`) })
		}, []verify.Finding{{Kind: verify.Different, ID: "ada-1", Detail: "stored is {"}}},
		"a row that is missing": {func(t *testing.T, w *world) {
			if err := w.table.Delete(
				context.Background(), []view.Entry{{Generation: serving, Kind: view.KindRow, ID: "bob-1"}},
			); err != nil {
				t.Fatal(err)
			}
		}, []verify.Finding{
			{Kind: verify.Behind, ID: "bob-1", Detail: "there is no row, and 3 events in the stream"},
			{
				Kind: verify.Miscounted, Tally: "customer", ID: "bob",
				Detail: "orders is 1, and by the replay 0, status_confirmed is 1, and by the replay 0",
			},
		}},
		"a row that stays behind": {func(t *testing.T, w *world) {
			w.append(t, "bob-1", order.Shipped{})
		}, []verify.Finding{{
			Kind: verify.Behind, ID: "bob-1", Detail: "the row is at version 3, 1 events before the stream's end",
		}}},
		"a row of no stream": {func(t *testing.T, w *world) {
			if err := w.table.Put(context.Background(), view.Write{
				Generation: serving, Next: view.Item{ID: "nobody", Sequence: 1, Data: []byte(`{}`)},
			})[0]; err != nil {
				t.Fatal(err)
			}
		}, []verify.Finding{{Kind: verify.Stray, ID: "nobody", Detail: "there is no such stream"}}},
		"a counter": {func(t *testing.T, w *world) {
			row := view.Item{ID: "gone", Sequence: 1, Data: []byte(`{}`)}
			wrong := []view.Tally{{
				Name: "customer", ID: "ada", Counters: map[string]int64{"orders": 1, "status_placed": -1},
			}}
			if err := w.table.Put(
				context.Background(), view.Write{Generation: serving, Next: row, Differences: wrong},
			)[0]; err != nil {
				t.Fatal(err)
			}
			if err := w.table.Delete(
				context.Background(), []view.Entry{{Generation: serving, Kind: view.KindRow, ID: "gone"}},
			); err != nil {
				t.Fatal(err)
			}
		}, []verify.Finding{{
			Kind: verify.Miscounted, Tally: "customer", ID: "ada",
			Detail: "orders is 3, and by the replay 2, status_placed is -1, and by the replay 0",
		}}},
		"counters of nobody": {func(t *testing.T, w *world) {
			row := view.Item{ID: "gone", Sequence: 1, Data: []byte(`{}`)}
			wrong := []view.Tally{
				{Name: "customer", ID: "eve", Counters: map[string]int64{"orders": 1}},
				{Name: "customer", ID: "zero", Counters: map[string]int64{"orders": 0}},
			}
			if err := w.table.Put(
				context.Background(), view.Write{Generation: serving, Next: row, Differences: wrong},
			)[0]; err != nil {
				t.Fatal(err)
			}
			if err := w.table.Delete(
				context.Background(), []view.Entry{{Generation: serving, Kind: view.KindRow, ID: "gone"}},
			); err != nil {
				t.Fatal(err)
			}
		}, []verify.Finding{{
			Kind: verify.Miscounted, Tally: "customer", ID: "eve", Detail: "orders is 1, and by the replay 0",
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tt.broken(t, w)
			got, err := w.verify(w.table).Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			// Of a row that is no JSON the rest of the detail is the row.
			if len(got.Findings) > 0 && strings.HasPrefix(got.Findings[0].Detail, "stored is {") {
				got.Findings[0].Detail = "stored is {"
			}
			if diff := cmp.Diff(tt.want, got.Findings); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.View != "orders" || got.Generation != 1 || got.Rows < 3 || got.Tallies < 2 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What changes while it is compared is no finding: a row that is a moment behind, an order and a
// customer that came meanwhile.
func TestUnderWrites(t *testing.T) {
	reached := 0
	for _, request := range []string{"Row", "Entries", "Tally", "List"} {
		for n := 1; n < 12; n++ {
			w, requests, changed := newWorld(t), 0, false
			behind := w.append(t, "ada-2", order.Shipped{})
			table := viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, r string, _ bool) error {
				if r == request {
					requests++
				}
				if requests < n || changed {
					return nil
				}
				changed = true
				w.project(t, behind)
				w.project(t, w.append(t, "bob-1", order.Shipped{}))
				w.project(t, w.append(t, "cy-1", order.Placed{OrderID: "cy-1", CustomerID: "cy"}))
				w.project(t, w.append(t, "ada-3", order.Placed{OrderID: "ada-3", CustomerID: "ada"}))
				return nil
			}}
			got, err := w.verify(table).Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if changed {
				reached++
			}
			if changed && len(got.Findings) > 0 {
				t.Errorf("changed at request %d, %s: %+v", n, request, got.Findings)
			}
		}
	}
	if reached < 10 {
		t.Errorf("it changed %d times only", reached)
	}
}

// unreadable is a store of which a page has an item that can't be read, and a stream that can't.
type unreadable struct{ *memstore.Store }

func (u unreadable) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		for page, err := range u.Store.Scan(ctx, segment, segments, from) {
			if segment == 0 {
				err = errors.Join(err, fmt.Errorf("%w: order/x@1", es.ErrCorrupt))
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

func (u unreadable) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	if stream == "order/bob-1" {
		return es.History{}, fmt.Errorf("%w: order/bob-1@2", es.ErrCorrupt)
	}
	return u.Store.Load(ctx, stream, after)
}

func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	v := w.verify(w.table)
	v.Store = unreadable{w.store}
	got, err := v.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []verify.Finding{
		{Kind: verify.Unreadable, Detail: "es: corrupt commit: order/x@1"},
		{Kind: verify.Unreadable, ID: "bob-1", Detail: "es: corrupt commit: order/bob-1@2"},
		{Kind: verify.Unreadable, Tally: "customer", ID: "bob", Detail: "es: corrupt commit: order/bob-1@2"},
	}
	if diff := cmp.Diff(want, got.Findings); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A generation that was switched away while it was compared says nothing.
func TestSwitchedMeanwhile(t *testing.T) {
	w := newWorld(t)
	table := viewtest.Hooked{Table: w.table, Hook: func(ctx context.Context, request string, _ bool) error {
		if c, err := w.table.Control(ctx, "orders"); request != "Row" || err != nil || c.Revision > 0 {
			return err
		}
		if err := w.table.Save(
			ctx, view.Control{View: "orders"}.Begin("me", 1, viewtest.Epoch).Switched(),
		); err != nil {
			return err
		}
		return w.table.Delete(ctx, w.table.All("orders"))
	}}
	if _, err := w.verify(table).Run(context.Background()); !errors.Is(err, verify.ErrSwitched) {
		t.Error(err)
	}
}

func TestFailures(t *testing.T) {
	down := errors.New("down")
	for _, request := range []string{"Control", "Row", "Entries", "Tally", "List"} {
		w := newWorld(t)
		w.append(t, "ada-1", order.Shipped{})
		if err := w.table.Put(context.Background(), view.Write{
			Generation: serving, Next: view.Item{ID: "x", Sequence: 1, Data: []byte(`{}`)},
			Differences: []view.Tally{{Name: "customer", ID: "ada", Counters: map[string]int64{"orders": 1}}},
		})[0]; err != nil {
			t.Fatal(err)
		}
		table := viewtest.Hooked{Table: w.table, Hook: func(_ context.Context, r string, _ bool) error {
			if r == request {
				return down
			}
			return nil
		}}
		if _, err := w.verify(table).Run(context.Background()); !errors.Is(err, down) {
			t.Errorf("%s: %v", request, err)
		}
	}
	v := newWorld(t).verify(viewtest.NewMemory())
	v.Segments = 0
	if _, err := v.Run(context.Background()); err == nil {
		t.Error("no segments are taken")
	}
}
