package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/es/memstore"
	"orderflow/shared/poison"
	"orderflow/shared/view"
)

// added is the event of a stream of numbers; row is its sum, in digits, so that order shows.
type (
	added struct {
		Digit string `json:"digit"`
	}
	row struct {
		digits   string
		sequence int64
	}
)

func (r row) At() int64 { return r.sequence }

func evolve(r row, e es.Recorded) row {
	return row{digits: r.digits + e.Data.(added).Digit, sequence: e.Version}
}

// rows is one row that counts what is asked of it.
type rows struct {
	row        row
	conflicts  int // how many of the next Puts meet another writer
	onConflict func()
	gets, puts int
	err        error
}

func (r *rows) Get(context.Context, string) (row, error) {
	r.gets++
	return r.row, r.err
}

func (r *rows) Put(_ context.Context, id string, old, next row) error {
	r.puts++
	if r.conflicts > 0 {
		r.conflicts--
		if r.onConflict != nil {
			r.onConflict()
		}
		return &es.ConflictError{Stream: es.NewStreamID("sum", id), Expected: old.sequence, Actual: -1}
	}
	if old != r.row {
		return errors.New("old is not what Get gave")
	}
	r.row = next
	return nil
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
	registry := es.NewRegistry(func(r *es.Registry) { es.Register[added](r, "sum.added", 1) })
	store := memstore.New(registry)
	var commits []es.StoredCommit
	head := mustLoad(t, store).Head
	for _, events := range [][]any{{added{"1"}}, {added{"2"}, added{"3"}}, {added{"4"}, added{"5"}, added{"6"}}} {
		c := es.Commit{Head: head, ID: "c" + events[0].(added).Digit, Time: start, Events: events}
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
		row    row
		commit int
		want   row
		loads  int
		puts   int
	}{
		{"the first", row{}, 0, row{"1", 1}, 0, 1},
		{"again", row{"1", 1}, 0, row{"1", 1}, 0, 0},
		{"the next", row{"1", 1}, 1, row{"123", 3}, 0, 1},
		{"late", row{"123456", 6}, 1, row{"123456", 6}, 0, 0},
		{"further: the commits between are read, with all that follows", row{}, 1, row{"123456", 6}, 1, 1},
		{"the last one first", row{}, 2, row{"123456", 6}, 1, 1},
		{"a commit of which the row has a part", row{"1234", 4}, 2, row{"123456", 6}, 0, 1},
		{"a commit of which the row has the last event", row{"123", 3}, 1, row{"123", 3}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store, registry, commits := setup(t)
			table := &rows{row: tt.row}
			p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
			if err := p.Handle(context.Background(), commits[tt.commit]); err != nil {
				t.Fatal(err)
			}
			if table.row != tt.want || store.n != tt.loads || table.puts != tt.puts || table.gets != 1 {
				t.Errorf("row %+v after %d loads, %d gets, %d puts; want %+v after %d loads, 1 get, %d puts",
					table.row, store.n, table.gets, table.puts, tt.want, tt.loads, tt.puts)
			}
		})
	}
}

func TestCatchUp(t *testing.T) {
	store, registry, _ := setup(t)
	for _, from := range []row{{}, {"12", 2}, {"123456", 6}} {
		table := &rows{row: from}
		p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
		if err := p.CatchUp(context.Background(), stream); err != nil || table.row != (row{"123456", 6}) {
			t.Errorf("from %+v: %+v, %v", from, table.row, err)
		}
	}
	table := &rows{}
	p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
	if err := p.CatchUp(context.Background(), "sum/none"); err != nil || table.puts != 0 {
		t.Errorf("a stream without events: %d puts, %v", table.puts, err)
	}
}

func TestEveryViewOfACategory(t *testing.T) {
	store, registry, commits := setup(t)
	first, second, other := &rows{}, &rows{row: row{"1", 1}}, &rows{}
	p := view.New(store, registry, clock.NewFake(start),
		view.Of("sum", evolve, view.Rows[row](first)), view.Of("sum", evolve, view.Rows[row](second)), view.Of("product", evolve, view.Rows[row](other)))
	if err := p.Handle(context.Background(), commits[0]); err != nil {
		t.Fatal(err)
	}
	if first.row.sequence != 1 || second.row.sequence != 1 || other.gets != 0 {
		t.Errorf("%+v, %+v, %+v", first, second, other)
	}
}

func TestOtherCategoriesCostNothing(t *testing.T) {
	store, registry, commits := setup(t)
	table := &rows{}
	p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
	commits[0].Stream = "stock/1"
	commits[0].Events[0].Type = "nobody.knows"
	if err := p.Handle(context.Background(), commits[0]); err != nil || store.n+table.gets+table.puts != 0 {
		t.Errorf("%d loads, %d gets, %d puts, %v", store.n, table.gets, table.puts, err)
	}
}

func TestConflicts(t *testing.T) {
	t.Run("are tried again", func(t *testing.T) {
		store, registry, commits := setup(t)
		table := &rows{conflicts: 3}
		p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
		if err := p.Handle(context.Background(), commits[0]); err != nil || table.row.sequence != 1 || table.gets != 4 {
			t.Errorf("%+v, %v", table, err)
		}
	})
	t.Run("with somebody who has done it", func(t *testing.T) {
		store, registry, commits := setup(t)
		table := &rows{conflicts: 1}
		table.onConflict = func() { table.row = row{"123", 3} }
		p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
		if err := p.Handle(context.Background(), commits[0]); err != nil || table.row.digits != "123" || table.puts != 1 {
			t.Errorf("%+v, %v", table, err)
		}
	})
	t.Run("without end may pass later", func(t *testing.T) {
		store, registry, commits := setup(t)
		table := &rows{conflicts: 1 << 30}
		p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
		if err := p.Handle(context.Background(), commits[0]); !errors.Is(err, es.ErrConflict) || poison.Is(err) {
			t.Error(err)
		}
	})
}

func TestFailures(t *testing.T) {
	t.Run("a table that does not answer may pass", func(t *testing.T) {
		store, registry, commits := setup(t)
		down := errors.New("down")
		p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](&rows{err: down})))
		if err := p.Handle(context.Background(), commits[0]); !errors.Is(err, down) || poison.Is(err) {
			t.Error(err)
		}
	})
	t.Run("an event that nobody knows can never pass", func(t *testing.T) {
		store, registry, commits := setup(t)
		table := &rows{}
		p := view.New(store, registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
		commits[0].Events = []es.Stored{{Type: "sum.divided", Schema: 1, Data: json.RawMessage(`{}`)}}
		if err := p.Handle(context.Background(), commits[0]); !poison.Is(err) || table.puts != 0 {
			t.Error(err)
		}
	})
	t.Run("a commit that the store does not have can never pass", func(t *testing.T) {
		_, registry, commits := setup(t)
		table := &rows{}
		p := view.New(memstore.New(registry), registry, clock.NewFake(start), view.Of("sum", evolve, view.Rows[row](table)))
		if err := p.Handle(context.Background(), commits[2]); !errors.Is(err, es.ErrCorrupt) || table.puts != 0 {
			t.Error(err)
		}
	})
}
