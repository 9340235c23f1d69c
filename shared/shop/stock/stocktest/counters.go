// Package stocktest is the suite that the stock service passes on every store, and counters in
// memory. Only tests import it.
package stocktest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/ops/recount"
	"orderflow/shared/shop/stock"
)

// Counters are rows of stock in memory, for the appends of a memstore, and of recount. They are
// safe for concurrent use.
type Counters struct{ rows memstore.Rows[row] }

// row is a row of counters.
type row struct {
	recount.Row
	Epoch, Passed int64
	line          []stock.Entry // by ticket; never changed in place
}

// short is the row as a shortage has it.
func (r row) short(wanted int64) stock.Short {
	return stock.Short{
		Wanted: wanted, Available: r.Available, Epoch: r.Epoch, Shards: r.Shards, Waiting: int64(len(r.line)),
		Passed: r.Passed,
	}
}

// closed reports whether nobody but the first of the line may have pieces.
func (r row) closed() bool { return len(r.line) > 0 && r.Passed >= stock.MaxPassed }

// without takes an entry out of the line.
func (r row) without(ticket int64) row {
	if len(r.line) > 0 && r.line[0].Ticket == ticket {
		r.Passed = 0
	}
	r.line = slices.DeleteFunc(slices.Clone(r.line), func(e stock.Entry) bool { return e.Ticket == ticket })
	return r
}

var (
	_ stock.Counters = (*Counters)(nil)
	_ stock.Lines    = (*Counters)(nil)
	_ recount.Rows   = (*Counters)(nil)
)

// NewCounters makes counters of nothing.
func NewCounters() *Counters { return &Counters{} }

// String shows every row, so that a test sees whether one has changed.
func (c *Counters) String() string { return fmt.Sprint(c.rows.All()) }

// Reserve implements stock.Counters.
func (c *Counters) Reserve(items []stock.Item, marks stock.Marks, shortage stock.Shortage) es.Effect {
	return c.reserve(items, marks, shortage, row.closed)
}

// ReserveRest implements stock.Counters.
func (c *Counters) ReserveRest(items []stock.Item, marks stock.Marks, shortage stock.Shortage) es.Effect {
	names := slices.Collect(maps.Keys(shortage))
	for _, item := range items {
		if _, short := shortage[item.SKU]; !short {
			names = append(names, item.SKU)
		}
	}
	return c.rows.Effect("reserve the rest", names, func(rows map[string]row) error {
		took := map[string]bool{}
		for _, item := range items {
			met := rows[item.SKU]
			_, short := shortage[item.SKU]
			switch {
			case !marks.Meet(item.SKU, met.Mark):
				return stock.Met(item.SKU)
			case met.Available < item.Quantity, met.closed(), short && met.Available > item.Quantity:
				return stock.Refill(item.SKU)
			}
			met.Numbers = met.Numbers.Plus(stock.Numbers{Available: -item.Quantity, Reserved: item.Quantity})
			met.Passed++
			rows[item.SKU], took[item.SKU] = met, true
		}
		for sku, short := range shortage {
			if !took[sku] && rows[sku].Epoch != short.Epoch {
				return stock.Refill(sku)
			}
		}
		return nil
	})
}

// ReserveAll implements stock.Counters.
func (c *Counters) ReserveAll(items []stock.Item, marks stock.Marks, shortage stock.Shortage) es.Effect {
	return c.reserve(items, marks, shortage, func(r row) bool { return len(r.line) > 0 })
}

// reserve reserves where no row is closed.
func (c *Counters) reserve(
	items []stock.Item, marks stock.Marks, shortage stock.Shortage, closed func(row) bool,
) es.Effect {
	return c.each("reserve stock", items, marks, func(rows map[string]row) error {
		clear(shortage)
		for _, item := range items {
			if met := rows[item.SKU]; met.Available < item.Quantity || closed(met) {
				shortage[item.SKU] = met.short(item.Quantity)
			}
		}
		if len(shortage) > 0 {
			return shortage.Refusal()
		}
		return nil
	}, func(i stock.Item) stock.Numbers { return stock.Numbers{Available: -i.Quantity, Reserved: i.Quantity} })
}

// Stands implements stock.Counters.
func (c *Counters) Stands(shortage stock.Shortage) es.Effect {
	return c.rows.Effect("out of stock", slices.Collect(maps.Keys(shortage)), func(rows map[string]row) error {
		for sku, short := range shortage {
			if rows[sku].Epoch != short.Epoch {
				return stock.Refill(sku)
			}
		}
		return nil
	})
}

// Lacks implements stock.Counters.
func (c *Counters) Lacks(shortage stock.Shortage) es.Effect {
	skus := slices.Sorted(maps.Keys(shortage))
	return c.rows.Effect("lack of stock", skus, func(rows map[string]row) error {
		for _, sku := range skus {
			if rows[sku].Epoch != shortage[sku].Epoch {
				return stock.Refill(sku)
			}
		}
		return stock.Insufficient(skus)
	})
}

// Line implements stock.Lines.
func (c *Counters) Line(ctx context.Context, sku string) (stock.Line, error) {
	row, _ := c.rows.Get(sku)
	line := stock.Line{
		Epoch: row.Epoch, Available: row.Available, Waiting: int64(len(row.line)), Passed: row.Passed,
	}
	if len(row.line) > 0 {
		line.First = row.line[0].Ticket
	}
	return line, ctx.Err()
}

// Entries implements stock.Lines.
func (c *Counters) Entries(ctx context.Context, sku string, after int64, limit int) ([]stock.Entry, error) {
	var entries []stock.Entry
	row, _ := c.rows.Get(sku)
	for _, e := range row.line {
		if e.Ticket > after && len(entries) < limit {
			entries = append(entries, e)
		}
	}
	return entries, ctx.Err()
}

// Ahead implements stock.Lines.
func (c *Counters) Ahead(ctx context.Context, sku string, ticket int64) (n int64, err error) {
	row, _ := c.rows.Get(sku)
	for _, e := range row.line {
		if e.Ticket < ticket {
			n++
		}
	}
	return n, ctx.Err()
}

// Fill implements stock.Lines.
func (c *Counters) Fill(
	places []stock.Place, lines map[string]stock.Line, items []stock.Item, marks stock.Marks, shortage stock.Shortage,
) es.Effect {
	at := func(sku string) (stock.Place, bool) {
		i := slices.IndexFunc(places, func(p stock.Place) bool { return p.SKU == sku })
		if i < 0 {
			return stock.Place{}, false
		}
		return places[i], true
	}
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = item.SKU
	}
	return c.rows.Effect("fill", names, func(rows map[string]row) error {
		clear(shortage)
		var short []string
		for _, item := range items {
			met := rows[item.SKU]
			place, stands := at(item.SKU)
			switch {
			case !marks.Meet(item.SKU, met.Mark):
				return stock.Met(item.SKU)
			case stands && met.Epoch != lines[item.SKU].Epoch:
				return stock.Refill(item.SKU)
			case met.Available < item.Quantity, met.closed() && (!stands || met.line[0].Ticket != place.Ticket):
				shortage[item.SKU] = met.short(item.Quantity)
				short = append(short, item.SKU)
			}
			met.Numbers = met.Numbers.Plus(stock.Numbers{Available: -item.Quantity, Reserved: item.Quantity})
			met.Passed++
			if stands {
				met = met.without(place.Ticket)
				met.Epoch++
			}
			rows[item.SKU] = met
		}
		if len(short) > 0 {
			return stock.Insufficient(short)
		}
		return nil
	})
}

// Stand implements stock.Lines.
func (c *Counters) Stand(
	w stock.Waiter, join []stock.Place, shortage stock.Shortage, leave []stock.Place, lines map[string]stock.Line,
) es.Effect {
	epochs := map[string]int64{}
	for _, p := range join {
		epochs[p.SKU] = shortage[p.SKU].Epoch
	}
	for _, p := range leave {
		epochs[p.SKU] = lines[p.SKU].Epoch
	}
	return c.rows.Effect("move in line", slices.Collect(maps.Keys(epochs)), func(rows map[string]row) error {
		for sku, epoch := range epochs {
			if rows[sku].Epoch != epoch {
				return stock.Refill(sku)
			}
		}
		for _, p := range join {
			met := rows[p.SKU]
			if len(met.line) == 0 {
				met.Passed = 0
			}
			met.SKU, met.Epoch = p.SKU, p.Ticket
			met.line = append(slices.Clone(met.line), stock.Entry{Waiter: w, Place: p})
			rows[p.SKU] = met
		}
		for _, p := range leave {
			met := rows[p.SKU].without(p.Ticket)
			met.Epoch++
			rows[p.SKU] = met
		}
		return nil
	})
}

// Release implements stock.Counters.
func (c *Counters) Release(items []stock.Item, marks stock.Marks, waiting stock.Waiting) es.Effect {
	return c.each("release stock", items, marks, func(rows map[string]row) (err error) {
		for _, item := range items {
			if !waiting.Meet(item.SKU, int64(len(rows[item.SKU].line))) {
				err = stock.Queued(item.SKU)
			}
		}
		return cmp.Or(err, reserved(items)(rows))
	}, func(i stock.Item) stock.Numbers {
		return stock.Numbers{Available: i.Quantity, Reserved: -i.Quantity}
	})
}

// Depart implements stock.Counters.
func (c *Counters) Depart(items []stock.Item, marks stock.Marks) es.Effect {
	return c.each("depart stock", items, marks, reserved(items), func(i stock.Item) stock.Numbers {
		return stock.Numbers{Reserved: -i.Quantity, Departed: 1}
	})
}

// reserved refuses where fewer are reserved than are to be taken out of it.
func reserved(items []stock.Item) func(map[string]row) error {
	return func(rows map[string]row) error {
		for _, item := range items {
			if rows[item.SKU].Reserved < item.Quantity {
				return stock.Inconsistent(item.SKU, "fewer than %d are reserved", item.Quantity)
			}
		}
		return nil
	}
}

// each adds to the rows of the items, whose marks are as they were reckoned with, unless they
// refuse.
func (c *Counters) each(
	name string, items []stock.Item, marks stock.Marks, refuse func(map[string]row) error,
	by func(stock.Item) stock.Numbers,
) es.Effect {
	skus := make([]string, len(items))
	for i, item := range items {
		skus[i] = item.SKU
	}
	return c.rows.Effect(name, skus, func(rows map[string]row) (err error) {
		for _, sku := range skus {
			if !marks.Meet(sku, rows[sku].Mark) {
				err = stock.Met(sku)
			}
		}
		if err == nil {
			err = refuse(rows)
		}
		if err != nil {
			return err
		}
		for _, item := range items {
			row := rows[item.SKU]
			row.Numbers = row.Numbers.Plus(by(item))
			if by(item).Available > 0 {
				row.Epoch++
			} else if by(item).Available < 0 {
				row.Passed++
			}
			rows[item.SKU] = row
		}
		return nil
	})
}

// Restock implements stock.Counters.
func (c *Counters) Restock(from stock.Level, delta, version int64, marks stock.Marks,
	waiting stock.Waiting,
) es.Effect {
	return c.rows.Effect("restock", []string{from.SKU}, func(rows map[string]row) error {
		row := rows[from.SKU]
		met := level(from.SKU, row.Row)
		switch {
		case !marks.Meet(from.SKU, row.Mark):
			return stock.Met(from.SKU)
		case !waiting.Meet(from.SKU, int64(len(row.line))):
			return stock.Queued(from.SKU)
		case met.Counts() != version-1:
			return stock.Inconsistent(
				from.SKU, "they are at version %d before version %d of its stream", met.Counts(), version,
			)
		case from.Shards > 0 && row.Epoch != from.Epoch:
			return stock.Elsewhere(from.SKU)
		case met.Version != from.Version || met.Departed != from.Departed:
			stream := es.NewStreamID(stock.Category, from.SKU)
			return &es.ConflictError{Stream: stream, Expected: from.Version, Actual: met.Version}
		case met.Available+delta < 0:
			return stock.Insufficient([]string{from.SKU})
		}
		row.SKU, row.Available, row.Counts = from.SKU, row.Available+delta, version
		row.Epoch++
		rows[from.SKU] = row
		return nil
	})
}

// Move implements stock.Counters.
func (c *Counters) Move(changes []stock.Change, marks stock.Marks, waiting stock.Waiting) es.Effect {
	names := make([]string, len(changes))
	for i, change := range changes {
		names[i] = change.SKU
	}
	return c.rows.Effect("move stock", names, func(rows map[string]row) (err error) {
		for _, change := range changes {
			met, found := rows[change.SKU]
			sku := stock.SKUOf(change.SKU)
			after := met.Numbers.Plus(change.Numbers)
			switch {
			case !marks.Meet(change.SKU, met.Mark):
				err = stock.Met(change.SKU)
			case err != nil:
			case sku == change.SKU && !found:
				err = stock.Inconsistent(sku, "there is no row of it")
			case sku == change.SKU && change.Numbers.Available != 0 && !waiting.Meet(sku, int64(len(met.line))):
				err = stock.Queued(sku)
			case change.Numbers.Reserved < 0 && after.Reserved < 0:
				err = stock.Inconsistent(change.SKU, "fewer than %d are reserved", -change.Numbers.Reserved)
			case change.Numbers.Available < 0 && after.Available < 0:
				err = stock.Elsewhere(sku)
			}
			met.SKU, met.Numbers = change.SKU, after
			if sku == change.SKU {
				met.Epoch++
			}
			rows[change.SKU] = met
		}
		return err
	})
}

// Undeparted implements stock.Counters.
func (c *Counters) Undeparted(read []stock.Row) es.Effect {
	names := make([]string, len(read))
	for i, row := range read {
		names[i] = row.Name
	}
	return c.rows.Effect("no departures", names, func(rows map[string]row) error {
		for _, row := range read {
			if rows[row.Name].Departed != row.Departed {
				return stock.Elsewhere(stock.SKUOf(row.Name))
			}
		}
		return nil
	})
}

// Shards implements stock.Counters.
func (c *Counters) Shards(ctx context.Context, sku string) ([]stock.Row, error) {
	for {
		own, _ := c.rows.Get(sku)
		all := []stock.Row{{
			Name: sku, Numbers: own.Numbers, Epoch: own.Epoch, Waiting: int64(len(own.line)), Passed: own.Passed,
		}}
		for shard := int64(1); shard <= stock.MaxShards; shard++ {
			name := stock.ShardRow(sku, shard)
			row, _ := c.rows.Get(name)
			all = append(all, stock.Row{Name: name, Numbers: row.Numbers, Epoch: row.Epoch})
		}
		if after, _ := c.rows.Get(sku); after.Epoch == own.Epoch || ctx.Err() != nil {
			return all, ctx.Err()
		}
	}
}

// Level implements stock.Counters.
func (c *Counters) Level(ctx context.Context, sku string) (stock.Level, bool, error) {
	row, found := c.rows.Get(sku)
	if row.Shards > 0 {
		rows, err := c.Shards(ctx, sku)
		return stock.Summed(rows), found, err
	}
	return level(sku, row.Row), found, ctx.Err()
}

func level(sku string, row recount.Row) stock.Level {
	return stock.Level{
		SKU: sku, OnHand: row.Available + row.Reserved, Available: row.Available, Reserved: row.Reserved,
		Version: row.Counts + row.Departed, Departed: row.Departed, Shards: row.Shards,
	}
}

// Rows implements recount.Rows.
func (c *Counters) Rows(ctx context.Context) iter.Seq2[[]recount.Row, error] {
	return func(yield func([]recount.Row, error) bool) {
		for _, sku := range slices.Sorted(maps.Keys(c.rows.All())) {
			row, _, err := c.Row(ctx, sku)
			if !yield([]recount.Row{row}, err) || err != nil {
				return
			}
		}
	}
}

// Row implements recount.Rows.
func (c *Counters) Row(ctx context.Context, sku string) (recount.Row, bool, error) {
	row, found := c.rows.Get(sku)
	return row.Row, found, ctx.Err()
}

// Mark implements recount.Rows.
func (c *Counters) Mark(_ context.Context, sku, mark string) error {
	return c.update(sku, func(rows map[string]row) error {
		switch row, found := rows[sku]; {
		case row.Mark == mark:
		case !found || row.Mark != "":
			return recount.ErrMarked
		default:
			row.Mark, row.Was = mark, row.Numbers
			rows[sku] = row
		}
		return nil
	})
}

// Correct implements recount.Rows.
func (c *Counters) Correct(_ context.Context, sku, mark string, by stock.Numbers) error {
	return c.update(sku, func(rows map[string]row) error {
		row := rows[sku]
		switch {
		case row.Mark == mark:
			row.Row = recount.Row{SKU: sku, Numbers: row.Numbers.Plus(by), Rebuilt: mark}
			row.Epoch++
			rows[sku] = row
		case row.Rebuilt != mark:
			return recount.ErrMarked
		}
		return nil
	})
}

// Create implements recount.Rows.
func (c *Counters) Create(_ context.Context, sku, mark string, numbers stock.Numbers) error {
	return c.update(sku, func(rows map[string]row) error {
		switch met, found := rows[sku]; {
		case !found:
			rows[sku] = row{Row: recount.Row{SKU: sku, Numbers: numbers, Rebuilt: mark}, Epoch: 1}
		case met.Rebuilt != mark:
			return recount.ErrMarked
		}
		return nil
	})
}

// Unmark implements recount.Rows.
func (c *Counters) Unmark(_ context.Context, sku string) error {
	return c.update(sku, func(rows map[string]row) error {
		if row, found := rows[sku]; found {
			row.Mark, row.Was = "", stock.Numbers{}
			rows[sku] = row
		}
		return nil
	})
}

// Lose takes a row away, as who restores a table from a backup does.
func (c *Counters) Lose(_ context.Context, sku string) error {
	return c.update(sku, func(rows map[string]row) error {
		delete(rows, sku)
		return nil
	})
}

// update changes a row beside the appends, when none is at it.
func (c *Counters) update(sku string, change func(map[string]row) error) error {
	for {
		if err := c.rows.Update([]string{sku}, change); !errors.Is(err, es.ErrConflict) {
			return err
		}
	}
}
