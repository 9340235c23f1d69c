package viewtest

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
)

// Memory is a view.Table in memory.
type Memory struct {
	mu          sync.Mutex
	rows        map[view.Generation]map[string]view.Item
	tallies     map[tallyKey]*tally
	positions   map[view.Generation]map[int]view.Position
	controls    map[string]view.Control
	checkpoints map[string]view.Checkpoint
	noted       map[string]bool
}

type tallyKey struct {
	generation view.Generation
	name, id   string
}

type tally struct {
	counters map[string]int64
	revision int64
}

var _ view.Table = (*Memory)(nil)

// NewMemory makes an empty table.
func NewMemory() *Memory {
	return &Memory{
		rows: map[view.Generation]map[string]view.Item{}, tallies: map[tallyKey]*tally{},
		positions: map[view.Generation]map[int]view.Position{},
		controls:  map[string]view.Control{}, checkpoints: map[string]view.Checkpoint{}, noted: map[string]bool{},
	}
}

// Row implements view.Rows.
func (m *Memory) Row(_ context.Context, g view.Generation, id string) (view.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.row(g, id), nil
}

func (m *Memory) row(g view.Generation, id string) view.Item {
	if item, ok := m.rows[g][id]; ok {
		return item
	}
	return view.Item{ID: id}
}

// Look implements view.Rows.
func (m *Memory) Look(
	_ context.Context, views []string, places []view.Place,
) (map[string]view.Control, []view.Looked, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	controls, looked := map[string]view.Control{}, make([]view.Looked, len(places))
	for _, name := range views {
		controls[name] = m.control(name)
	}
	for i, p := range places {
		looked[i].Row = m.row(p.Generation, p.ID)
	}
	return controls, looked, nil
}

// Put implements view.Rows.
func (m *Memory) Put(_ context.Context, writes ...view.Write) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make([]error, len(writes))
	for i, w := range writes {
		results[i] = m.put(w)
	}
	return results
}

func (m *Memory) put(w view.Write) error {
	g, id := w.Generation, w.Next.ID
	if actual := m.rows[g][id].Sequence; actual != w.Old {
		return &es.ConflictError{Stream: es.NewStreamID(g.View, id), Expected: w.Old, Actual: actual}
	}
	if m.rows[g] == nil {
		m.rows[g] = map[string]view.Item{}
	}
	m.rows[g][id] = w.Next
	for _, d := range w.Differences {
		k := tallyKey{g, d.Name, d.ID}
		if m.tallies[k] == nil {
			m.tallies[k] = &tally{counters: map[string]int64{}}
		}
		m.tallies[k].revision++
		for name, n := range d.Counters {
			m.tallies[k].counters[name] += n
		}
	}
	return nil
}

// List implements view.Rows.
func (m *Memory) List(_ context.Context, g view.Generation, q view.Query) iter.Seq2[view.Member, error] {
	return func(yield func(view.Member, error) bool) {
		var found []view.Member
		m.mu.Lock()
		for _, item := range m.rows[g] {
			for _, k := range item.Keys {
				if k.Index == q.Index && k.Partition == q.Partition && k.Sort > q.After &&
					(q.Before == "" || k.Sort < q.Before) {
					found = append(found, view.Member{ID: item.ID, Sort: k.Sort})
				}
			}
		}
		m.mu.Unlock()
		slices.SortFunc(found, func(a, b view.Member) int { return cmp.Compare(a.Sort, b.Sort) })
		if q.Descending {
			slices.Reverse(found)
		}
		for _, member := range found {
			if !yield(member, nil) {
				return
			}
		}
	}
}

// Tally implements view.Rows.
func (m *Memory) Tally(
	_ context.Context, g view.Generation, name, id string,
) (counters map[string]int64, revision int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tallies[tallyKey{g, name, id}]
	if t == nil {
		return map[string]int64{}, 0, nil
	}
	return maps.Clone(t.counters), t.revision, nil
}

// Control implements view.Controls.
func (m *Memory) Control(_ context.Context, name string) (view.Control, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.control(name), nil
}

func (m *Memory) control(name string) view.Control {
	c := m.controls[name]
	c.View = name
	return c
}

// Save implements view.Controls.
func (m *Memory) Save(_ context.Context, c view.Control) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if actual := m.controls[c.View].Revision; actual != c.Revision {
		return &es.ConflictError{Stream: es.NewStreamID("control", c.View), Expected: c.Revision, Actual: actual}
	}
	c.Revision++
	m.controls[c.View] = c
	return nil
}

// Advance implements view.Checkpoints.
func (m *Memory) Advance(_ context.Context, token string, of map[string]view.Checkpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.noted[token] {
		return nil
	}
	m.noted[token] = true
	for name, c := range of {
		m.checkpoints[name] = m.checkpoints[name].Add(c)
	}
	return nil
}

// Checkpoints implements view.Checkpoints.
func (m *Memory) Checkpoints(context.Context) (map[string]view.Checkpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.checkpoints), nil
}

// Position implements view.Table.
func (m *Memory) Position(_ context.Context, g view.Generation, segment int) (view.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.positions[g][segment], nil
}

// SavePosition implements view.Table.
func (m *Memory) SavePosition(_ context.Context, g view.Generation, segment int, p view.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.positions[g] == nil {
		m.positions[g] = map[int]view.Position{}
	}
	m.positions[g][segment] = p
	return nil
}

// Entries implements view.Table: all in the first segment, in pages of three.
func (m *Memory) Entries(_ context.Context, name string, segment, _ int) iter.Seq2[[]view.Entry, error] {
	return func(yield func([]view.Entry, error) bool) {
		if segment > 0 {
			return
		}
		for page := range slices.Chunk(m.All(name), 3) {
			if !yield(page, nil) {
				return
			}
		}
	}
}

// All gives everything that is kept of a view's generations, but for who wrote it.
func (m *Memory) All(name string) []view.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []view.Entry
	for g, rows := range m.rows {
		for id, row := range rows {
			row.Writers = nil
			all = append(all, view.Entry{Generation: g, Kind: view.KindRow, ID: id, Row: row})
		}
	}
	for k, t := range m.tallies {
		all = append(
			all,
			view.Entry{
				Generation: k.generation, Kind: view.KindTally, Name: k.name, ID: k.id,
				Counters: maps.Clone(t.counters),
			},
		)
	}
	for g, positions := range m.positions {
		for segment := range positions {
			all = append(all, view.Entry{Generation: g, Kind: view.KindPosition, Name: strconv.Itoa(segment)})
		}
	}
	all = slices.DeleteFunc(all, func(e view.Entry) bool { return e.Generation.View != name })
	slices.SortFunc(all, func(a, b view.Entry) int {
		return cmp.Or(
			cmp.Compare(a.Generation.Number, b.Generation.Number), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID),
		)
	})
	return all
}

// Delete implements view.Table.
func (m *Memory) Delete(_ context.Context, entries []view.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		switch e.Kind {
		case view.KindRow:
			delete(m.rows[e.Generation], e.ID)
		case view.KindTally:
			delete(m.tallies, tallyKey{e.Generation, e.Name, e.ID})
		case view.KindPosition:
			segment, err := strconv.Atoi(e.Name)
			if err != nil {
				return err
			}
			delete(m.positions[e.Generation], segment)
		}
	}
	return nil
}

// Hooked is a table that asks Hook around each request: before it, and after a write. An error
// before keeps the request from being made; one after it keeps its answer from coming.
type Hooked struct {
	view.Table
	Hook func(ctx context.Context, request string, after bool) error
}

func (h Hooked) write(ctx context.Context, request string, do func() error) error {
	if err := h.Hook(ctx, request, false); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return h.Hook(ctx, request, true)
}

// Row implements view.Rows.
func (h Hooked) Row(ctx context.Context, g view.Generation, id string) (view.Item, error) {
	if err := h.Hook(ctx, "Row", false); err != nil {
		return view.Item{}, err
	}
	return h.Table.Row(ctx, g, id)
}

// Look implements view.Rows.
func (h Hooked) Look(
	ctx context.Context, views []string, places []view.Place,
) (map[string]view.Control, []view.Looked, error) {
	if err := h.Hook(ctx, "Look", false); err != nil {
		return nil, nil, err
	}
	return h.Table.Look(ctx, views, places)
}

// Put implements view.Rows: the writes that change tallies are one request together, and each other
// one is a request.
func (h Hooked) Put(ctx context.Context, writes ...view.Write) []error {
	results := make([]error, len(writes))
	var together []int
	for i, w := range writes {
		if len(w.Differences) > 0 {
			together = append(together, i)
			continue
		}
		results[i] = h.write(ctx, "Put", func() error { return h.Table.Put(ctx, w)[0] })
	}
	if len(together) == 0 {
		return results
	}
	// What was written may have no answer, and what was refused is so whatever is said of the rest.
	err := h.write(ctx, "Put", func() error {
		for _, i := range together {
			results[i] = h.Table.Put(ctx, writes[i])[0]
		}
		return nil
	})
	for _, i := range together {
		results[i] = cmp.Or(results[i], err)
	}
	return results
}

// List implements view.Rows.
func (h Hooked) List(ctx context.Context, g view.Generation, q view.Query) iter.Seq2[view.Member, error] {
	return func(yield func(view.Member, error) bool) {
		if err := h.Hook(ctx, "List", false); err != nil {
			yield(view.Member{}, err)
			return
		}
		h.Table.List(ctx, g, q)(yield)
	}
}

// Tally implements view.Rows.
func (h Hooked) Tally(
	ctx context.Context, g view.Generation, name, id string,
) (counters map[string]int64, revision int64, err error) {
	if err := h.Hook(ctx, "Tally", false); err != nil {
		return nil, 0, err
	}
	return h.Table.Tally(ctx, g, name, id)
}

// Control implements view.Controls.
func (h Hooked) Control(ctx context.Context, name string) (view.Control, error) {
	if err := h.Hook(ctx, "Control", false); err != nil {
		return view.Control{}, err
	}
	return h.Table.Control(ctx, name)
}

// Save implements view.Controls.
func (h Hooked) Save(ctx context.Context, c view.Control) error {
	return h.write(ctx, "Save", func() error { return h.Table.Save(ctx, c) })
}

// Advance implements view.Checkpoints.
func (h Hooked) Advance(ctx context.Context, token string, of map[string]view.Checkpoint) error {
	return h.write(ctx, "Advance", func() error { return h.Table.Advance(ctx, token, of) })
}

// SavePosition implements view.Table.
func (h Hooked) SavePosition(ctx context.Context, g view.Generation, segment int, p view.Position) error {
	return h.write(ctx, "SavePosition", func() error { return h.Table.SavePosition(ctx, g, segment, p) })
}

// Entries implements view.Table.
func (h Hooked) Entries(ctx context.Context, name string, segment, segments int) iter.Seq2[[]view.Entry, error] {
	return func(yield func([]view.Entry, error) bool) {
		for page, err := range h.Table.Entries(ctx, name, segment, segments) {
			if err == nil {
				err = h.Hook(ctx, "Entries", false)
			}
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// Delete implements view.Table.
func (h Hooked) Delete(ctx context.Context, entries []view.Entry) error {
	return h.write(ctx, "Delete", func() error { return h.Table.Delete(ctx, entries) })
}
