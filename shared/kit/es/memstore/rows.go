package memstore

import (
	"maps"
	"sync"
	"sync/atomic"

	"orderflow/shared/kit/es"
)

// Rows are rows beside the streams, by their names, that the effects of appends change. The zero
// value has none. They are safe for concurrent use.
type Rows[R any] struct {
	mu           sync.Mutex
	whole, shown map[string]R
	beside       atomic.Pointer[contents] // the streams, once an append has changed a row
}

// Get gives the row of that name as a single read sees it.
func (r *Rows[R]) Get(name string) (row R, found bool) {
	r.reading()
	r.mu.Lock()
	defer r.mu.Unlock()
	row, found = r.shown[name]
	return row, found
}

// All gives every row as single reads see it.
func (r *Rows[R]) All() map[string]R {
	r.reading()
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.shown)
}

// Update changes rows without an append, as an Effect's change does. It is an ErrConflict where an
// append that changes one of them is under way.
func (r *Rows[R]) Update(names []string, change func(rows map[string]R) error) error {
	if c := r.beside.Load(); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended()
		for _, name := range names {
			if c.underWay(item{rows: r, row: name}) {
				return es.ErrConflict
			}
		}
	}
	e := rowsEffect[R]{of: r, names: names, change: change}
	if err := e.Check(); err != nil {
		return err
	}
	e.Apply()
	for _, name := range names {
		r.show(name)
	}
	return nil
}

// reading is a read beside the streams, as one of them is.
func (r *Rows[R]) reading() {
	if c := r.beside.Load(); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reading()
	}
}

func (r *Rows[R]) put(name string, row R) {
	if r.whole == nil {
		r.whole, r.shown = map[string]R{}, map[string]R{}
	}
	r.whole[name] = row
}

// Effect makes an effect on the rows of those names. change gets those of them that there are, and
// changes the map; its error refuses the append, and nothing is changed.
func (r *Rows[R]) Effect(name string, names []string, change func(rows map[string]R) error) es.Effect {
	return &rowsEffect[R]{of: r, name: name, names: names, change: change}
}

type rowsEffect[R any] struct {
	of      *Rows[R]
	name    string
	names   []string
	change  func(map[string]R) error
	changed map[string]R
}

// EffectName implements es.Effect.
func (e *rowsEffect[R]) EffectName() string { return e.name }

// Check implements Effect.
func (e *rowsEffect[R]) Check() error {
	e.of.mu.Lock()
	defer e.of.mu.Unlock()
	e.changed = make(map[string]R, len(e.names))
	for _, name := range e.names {
		if row, found := e.of.whole[name]; found {
			e.changed[name] = row
		}
	}
	return e.change(e.changed)
}

// Apply implements Effect.
func (e *rowsEffect[R]) Apply() {
	e.of.mu.Lock()
	defer e.of.mu.Unlock()
	for _, name := range e.names {
		if row, found := e.changed[name]; found {
			e.of.put(name, row)
		} else {
			delete(e.of.whole, name)
		}
	}
}

// staged is an effect whose rows become visible one by one.
type staged interface {
	rows(beside *contents) []shownRow
}

// shownRow is a row that an effect touches, and what makes it visible.
type shownRow struct {
	item
	show func()
}

func (e *rowsEffect[R]) rows(beside *contents) []shownRow {
	e.of.beside.Store(beside)
	out := make([]shownRow, len(e.names))
	for i, name := range e.names {
		out[i] = shownRow{item{rows: e.of, row: name}, func() { e.of.show(name) }}
	}
	return out
}

func (r *Rows[R]) show(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if row, found := r.whole[name]; found {
		r.shown[name] = row
	} else {
		delete(r.shown, name)
	}
}
