// Package view keeps read models exact: each event of a stream is folded into the stream's row
// once, in order, whatever order it is delivered in, and however often.
//
// A row holds the version of the last event that is folded into it. A commit that comes is compared
// with it: not above, and it is done; next, and it is applied; further, and the events between are
// read from the store and applied with it. So a commit that was parked in a dead letter never holes
// a row, and bringing a row up to date needs no more than its stream's name.
//
// # Generations
//
// The rows of a view are kept in generations. One serves; a rebuild fills the next beside it and
// then switches (package rebuild). Three rules make any interleaving of writers, rebuild and
// readers come out right:
//
//   - A rebuild declares the generation that it builds first, and reads the store after that.
//   - A projector reads which generations there are after it has received its commits, and writes
//     each commit to all that are live, the newest first.
//   - Every write of a row has the condition that the row is where it was read.
//
// So a commit is either in the store when the rebuild reads it, or comes to a projector that knows
// of the new generation; and what readers have seen in the old generation is in the new one when it
// begins to serve.
//
// # A further view
//
// is a package of its own that defines it, and a line in the list of package catalog:
//
//	var View = view.Definition[Row]{
//		Name: "parcels", Category: shipment.Category, Events: shipment.Register, Evolve: evolve,
//	}
package view

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"orderflow/shared/kit/es"
)

// Definition says what a view is: one row a stream of a category. R is what encoding/json writes
// and reads back the same, for that is how a table keeps it.
type Definition[R any] struct {
	Name     string             // lower-case letters, digits and hyphens, from a letter; part of every key
	Category string             // of the streams that have a row each
	Events   func(*es.Registry) // registers the event types of the category

	// Evolve folds an event into a row; the zero R is the row of a stream of which nothing is
	// known. It is pure and never fails.
	Evolve func(R, es.Recorded) R
	// Keys says in which lists a row is: at most one key an index. nil for a view without lists.
	Keys func(id string, row R) []Key
	// Tallies says what a row adds to counters elsewhere. They change by the difference when the
	// row changes, in one transaction with it, so that they are exact as long as each row is. At
	// most MaxTallies a row. nil for a view that counts nothing.
	Tallies func(id string, row R) []Tally
}

// MaxTallies is how many counters' items one row may change at once: a transaction has 100 items,
// of which the row is one, and a row that moves leaves as many as it comes to.
const MaxTallies = 49

// Index is one of the lists' indexes that a table of views has. Each view has all of them to
// itself.
type Index int

// The indexes.
const (
	Index1 Index = 1 + iota
	Index2
	Index3
)

// Indexes are all of them.
func Indexes() []Index { return []Index{Index1, Index2, Index3} }

// Key puts a row in a list.
type Key struct {
	Index     Index
	Partition string // the list
	Sort      string // the row's place in it, which no other row of the list has
}

// Tally is a set of counters that rows add to.
type Tally struct {
	Name     string           // which kind, as in "customer"
	ID       string           // whose
	Counters map[string]int64 // what is added to each; a counter that is missing is 0
	// Rows is a list that has every row which adds to this tally. Verifying finds them by it.
	Rows Key
}

// Item is a row in the form that tables keep. The zero Item, but for its ID, is the row of a stream
// of which nothing is known.
type Item struct {
	ID       string
	Sequence int64           // version of the last event that is folded in, 0 for none
	Data     json.RawMessage // the row
	Keys     []Key
	// Writers are the last MaxWriters writes of the row, the newest first: by its token, whoever
	// wrote and got no answer knows its own write again.
	Writers []string
}

// MaxWriters is how many of a row's writes it names. A write that more than these have followed
// before its writer looks again is taken for somebody else's.
const MaxWriters = 3

// View is a Definition whose row's type is hidden, so that views of all kinds are in one list.
type View struct {
	name, category string
	events         func(*es.Registry)
	change         func(Item, []es.Recorded) (next Item, before, after []Tally, err error)
	tallies        func(Item) ([]Tally, error)
}

// Name is the view's name.
func (v View) Name() string { return v.name }

// Category is the category of the streams that have rows in it.
func (v View) Category() string { return v.category }

// Stream is the stream that a row is folded from.
func (v View) Stream(id string) es.StreamID { return es.NewStreamID(v.category, id) }

// Fold gives the row that comes of old and the events after it. An old row that can't be read, and
// events that don't follow on it, are an es.ErrCorrupt.
func (v View) Fold(old Item, events []es.Recorded) (Item, error) {
	next, _, _, err := v.change(old, events)
	return next, err
}

// Tallies gives what a row adds to counters elsewhere. A row that can't be read is an
// es.ErrCorrupt.
func (v View) Tallies(row Item) ([]Tally, error) { return v.tallies(row) }

// View hides the row's type. It panics on a definition that lacks something, a mistake of the
// program that is found at its start.
func (d Definition[R]) View() View {
	if !isViewName(d.Name) || d.Category == "" || d.Events == nil || d.Evolve == nil {
		panic(fmt.Sprintf(
			"view: %q needs a name of lower-case letters, digits and hyphens, a category, its events and a fold",
			d.Name,
		))
	}
	return View{name: d.Name, category: d.Category, events: d.Events, change: d.change, tallies: d.tally}
}

func isViewName(name string) bool {
	rest := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz")
	return rest != name && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Registry knows the events of the views. Views of one category register the same ones.
func Registry(views ...View) *es.Registry {
	var categories []string
	var register []func(*es.Registry)
	for _, v := range views {
		if !slices.Contains(categories, v.category) {
			categories, register = append(categories, v.category), append(register, v.events)
		}
	}
	return es.NewRegistry(register...)
}

func (d Definition[R]) decode(item Item) (R, error) {
	var row R
	if item.Sequence == 0 {
		return row, nil
	}
	if err := json.Unmarshal(item.Data, &row); err != nil {
		//nolint:errorlint // that it is corrupt is what callers act on
		return row, fmt.Errorf("%w: row %s of view %s: %v", es.ErrCorrupt, item.ID, d.Name, err)
	}
	return row, nil
}

// change gives the row that comes of old and the events after it, and what the two add to tallies:
// the old row is decoded once, the new one never.
func (d Definition[R]) change(old Item, events []es.Recorded) (next Item, before, after []Tally, err error) {
	row, err := d.decode(old)
	if err != nil {
		return Item{}, nil, nil, err
	}
	before = d.add(old, row)
	next = Item{ID: old.ID, Sequence: old.Sequence}
	for _, e := range events {
		if e.Version != next.Sequence+1 {
			return Item{}, nil, nil, fmt.Errorf(
				"%w: %s is not the event after version %d", es.ErrCorrupt, e.ID(), next.Sequence,
			)
		}
		row, next.Sequence = d.Evolve(row, e), e.Version
	}
	if next.Sequence == 0 {
		return next, nil, nil, nil
	}
	if next, err = d.encode(next, row); err != nil {
		return Item{}, nil, nil, err
	}
	return next, before, d.add(next, row), nil
}

// encode gives the item with its row and the lists that it is in.
func (d Definition[R]) encode(next Item, row R) (Item, error) {
	var err error
	if next.Data, err = json.Marshal(row); err != nil {
		return Item{}, fmt.Errorf("view %s: row %s: %w", d.Name, next.ID, err)
	}
	if d.Keys != nil {
		next.Keys = d.Keys(next.ID, row)
	}
	for i, k := range next.Keys {
		taken := slices.ContainsFunc(next.Keys[:i], func(o Key) bool { return o.Index == k.Index })
		if taken || k.Partition == "" || k.Sort == "" || !slices.Contains(Indexes(), k.Index) {
			return Item{}, fmt.Errorf(
				"view %s: row %s: %+v is no key, or a second one of its index", d.Name, next.ID, k,
			)
		}
	}
	return next, nil
}

func (d Definition[R]) tally(item Item) ([]Tally, error) {
	if d.Tallies == nil {
		return nil, nil
	}
	row, err := d.decode(item)
	if err != nil {
		return nil, err
	}
	return d.add(item, row), nil
}

// add is what a row adds to tallies.
func (d Definition[R]) add(item Item, row R) []Tally {
	if d.Tallies == nil || item.Sequence == 0 {
		return nil
	}
	return d.Tallies(item.ID, row)
}

// Difference gives by how much tallies change from old to next: each once, without counters that
// stay.
func Difference(old, next []Tally) []Tally {
	var sum []Tally
	add := func(tallies []Tally, sign int64) {
		for _, t := range tallies {
			at := slices.IndexFunc(sum, func(s Tally) bool { return s.Name == t.Name && s.ID == t.ID })
			if at < 0 {
				at, sum = len(sum), append(
					sum, Tally{Name: t.Name, ID: t.ID, Counters: map[string]int64{}, Rows: t.Rows},
				)
			}
			for name, n := range t.Counters {
				if sum[at].Counters[name] += sign * n; sum[at].Counters[name] == 0 {
					delete(sum[at].Counters, name)
				}
			}
		}
	}
	add(old, -1)
	add(next, +1)
	return slices.DeleteFunc(sum, func(t Tally) bool { return len(t.Counters) == 0 })
}
