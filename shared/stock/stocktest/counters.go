// Package stocktest is the suite that the stock service passes on every store, and counters in memory. Only tests import it.
package stocktest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"orderflow/shared/es"
	"orderflow/shared/recount"
	"orderflow/shared/stock"
)

// Counters are rows of stock in memory, for the appends of a memstore. They are safe for concurrent use.
type Counters struct {
	mu      sync.Mutex
	settled sync.Cond // no effect that may come has not come yet
	coming  int
	rows    map[string]stock.Level
	marks   map[string]string        // of the rows that are being rebuilt
	was     map[string]stock.Numbers // theirs when they were marked
	rebuilt map[string]string
}

var _ recount.Rows = (*Counters)(nil)

// NewCounters makes counters of nothing.
func NewCounters() *Counters {

	c := &Counters{
		rows: map[string]stock.Level{}, marks: map[string]string{}, was: map[string]stock.Numbers{},
		rebuilt: map[string]string{},
	}
	c.settled.L = &c.mu
	return c

}

// String shows every row, so that a test sees whether one has changed.
func (c *Counters) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.rows)
}

// Reserve implements stock.Counters.
func (c *Counters) Reserve(items []stock.Item, marks stock.Marks) es.Effect {
	return &effect{name: "reserve stock", counters: c, check: func() error {
		if err := c.meet(items, marks); err != nil {
			return err
		}
		var short []string
		for _, item := range items {
			if c.rows[item.SKU].Available < item.Quantity {
				short = append(short, item.SKU)
			}
		}
		if len(short) > 0 {
			return stock.Insufficient(short)
		}
		return nil
	}, apply: func() {
		for _, item := range items {
			c.move(item.SKU, -item.Quantity, item.Quantity)
		}
	}}
}

// Release implements stock.Counters.
func (c *Counters) Release(items []stock.Item, marks stock.Marks) es.Effect {
	check := func() error { return cmp.Or(c.meet(items, marks), c.reserved(items)) }
	return &effect{name: "release stock", counters: c, check: check, apply: func() {
		for _, item := range items {
			c.move(item.SKU, item.Quantity, -item.Quantity)
		}
	}}
}

// Depart implements stock.Counters.
func (c *Counters) Depart(items []stock.Item, marks stock.Marks) es.Effect {
	check := func() error { return cmp.Or(c.meet(items, marks), c.reserved(items)) }
	return &effect{name: "depart stock", counters: c, check: check, apply: func() {
		for _, item := range items {
			c.move(item.SKU, 0, -item.Quantity)
			row := c.rows[item.SKU]
			row.Version, row.Departed = row.Version+1, row.Departed+1
			c.rows[item.SKU] = row
		}
	}}
}

// meet compares the rows' marks with those that an effect reckons with.
func (c *Counters) meet(items []stock.Item, marks stock.Marks) (err error) {
	for _, item := range items {
		if !marks.Meet(item.SKU, c.marks[item.SKU]) {
			err = stock.Met(item.SKU)
		}
	}
	return err
}

// reserved refuses where fewer are reserved than are to be taken out of it.
func (c *Counters) reserved(items []stock.Item) error {
	for _, item := range items {
		if c.rows[item.SKU].Reserved < item.Quantity {
			return stock.Inconsistent(item.SKU, "fewer than %d are reserved", item.Quantity)
		}
	}
	return nil
}

// Restock implements stock.Counters.
func (c *Counters) Restock(from stock.Level, delta, version int64, marks stock.Marks) es.Effect {
	return &effect{name: "restock", counters: c, check: func() error {
		met := c.rows[from.SKU]
		switch {
		case !marks.Meet(from.SKU, c.marks[from.SKU]):
			return stock.Met(from.SKU)
		case met.Counts() != version-1:
			return stock.Inconsistent(from.SKU, "they are at version %d before version %d of its stream", met.Counts(), version)
		case met.Version != from.Version || met.Departed != from.Departed:
			stream := es.NewStreamID(stock.Category, from.SKU)
			return &es.ConflictError{Stream: stream, Expected: from.Version, Actual: met.Version}
		case met.Available+delta < 0:
			return stock.Insufficient([]string{from.SKU})
		}
		return nil
	}, apply: func() {
		c.move(from.SKU, delta, 0)
		row := c.rows[from.SKU]
		row.Version = version + row.Departed
		c.rows[from.SKU] = row
	}}
}

// Level implements stock.Counters.
func (c *Counters) Level(ctx context.Context, sku string) (stock.Level, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row, found := c.rows[sku]
	return row, found, ctx.Err()
}

func (c *Counters) move(sku string, available, reserved int64) {
	row := c.rows[sku]
	row.SKU, row.Available, row.Reserved = sku, row.Available+available, row.Reserved+reserved
	row.OnHand = row.Available + row.Reserved
	c.rows[sku] = row
}

// numbers are a row's.
func (c *Counters) numbers(sku string) stock.Numbers {
	l := c.rows[sku]
	return stock.Numbers{Available: l.Available, Reserved: l.Reserved, Counts: l.Counts(), Departed: l.Departed}
}

func (c *Counters) add(sku string, by stock.Numbers) {
	c.move(sku, by.Available, by.Reserved)
	row := c.rows[sku]
	row.Version, row.Departed = row.Version+by.Counts+by.Departed, row.Departed+by.Departed
	c.rows[sku] = row
}

func (c *Counters) row(sku string) (recount.Row, bool) {
	_, found := c.rows[sku]
	if !found {
		return recount.Row{}, false
	}
	return recount.Row{
		SKU: sku, Numbers: c.numbers(sku), Mark: c.marks[sku], Was: c.was[sku], Rebuilt: c.rebuilt[sku],
	}, true
}

// Rows implements recount.Rows.
func (c *Counters) Rows(ctx context.Context) iter.Seq2[[]recount.Row, error] {
	return func(yield func([]recount.Row, error) bool) {
		c.mu.Lock()
		skus := slices.Sorted(maps.Keys(c.rows))
		c.mu.Unlock()
		for _, sku := range skus {
			row, _, err := c.Row(ctx, sku)
			if !yield([]recount.Row{row}, err) || err != nil {
				return
			}
		}
	}
}

// Row implements recount.Rows.
func (c *Counters) Row(ctx context.Context, sku string) (recount.Row, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row, found := c.row(sku)
	return row, found, ctx.Err()
}

// between holds the rows while no effect is between its check and its change.
func (c *Counters) between() func() {
	c.mu.Lock()
	for c.coming > 0 {
		c.settled.Wait()
	}
	return c.mu.Unlock
}

// Mark implements recount.Rows.
func (c *Counters) Mark(_ context.Context, sku, mark string) error {
	defer c.between()()
	switch row, found := c.row(sku); {
	case row.Mark == mark:
	case !found || row.Mark != "":
		return recount.ErrMarked
	default:
		c.marks[sku], c.was[sku] = mark, row.Numbers
	}
	return nil
}

// Correct implements recount.Rows.
func (c *Counters) Correct(_ context.Context, sku, mark string, by stock.Numbers) error {
	defer c.between()()
	switch {
	case c.marks[sku] == mark:
		c.add(sku, by)
		c.rebuilt[sku] = mark
		delete(c.marks, sku)
		delete(c.was, sku)
	case c.rebuilt[sku] != mark:
		return recount.ErrMarked
	}
	return nil
}

// Create implements recount.Rows.
func (c *Counters) Create(_ context.Context, sku, mark string, numbers stock.Numbers) error {
	defer c.between()()
	if _, found := c.rows[sku]; !found {
		c.add(sku, numbers)
		c.rebuilt[sku] = mark
	}
	return nil
}

// Unmark implements recount.Rows.
func (c *Counters) Unmark(_ context.Context, sku string) error {
	defer c.between()()
	delete(c.marks, sku)
	delete(c.was, sku)
	return nil
}

// Lose takes a row away, as who restores a table from a backup does.
func (c *Counters) Lose(_ context.Context, sku string) error {
	defer c.between()()
	delete(c.rows, sku)
	delete(c.marks, sku)
	return nil
}

// effect is a memstore.Effect. The store's lock keeps effects apart; the counters' own is for those who read meanwhile.
type effect struct {
	name     string
	counters *Counters
	check    func() error
	apply    func()
}

// EffectName implements es.Effect.
func (e *effect) EffectName() string { return e.name }

// Check implements memstore.Effect.
func (e *effect) Check() error {
	e.counters.mu.Lock()
	defer e.counters.mu.Unlock()
	err := e.check()
	if err == nil {
		e.counters.coming++ // each append has one effect, so nothing else refuses it
	}
	return err
}

// Apply implements memstore.Effect.
func (e *effect) Apply() {
	e.counters.mu.Lock()
	defer e.counters.mu.Unlock()
	e.apply()
	e.counters.coming--
	e.counters.settled.Broadcast()
}
