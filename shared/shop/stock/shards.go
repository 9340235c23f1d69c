package stock

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"orderflow/shared/kit/es"
)

// maxRows is how many rows a reservation is in at most, with those that it is given back to: a
// transaction takes 100 items, of which others than rows are a few.
const maxRows = 90

// wide reports whether rows are more than a reservation may be in.
func wide(rows []Item) bool {
	names := map[string]bool{}
	for _, row := range rows {
		names[row.SKU], names[SKUOf(row.SKU)] = true, true
	}
	return len(names) > maxRows
}

// widest is the SKU that most of the rows are of.
func widest(rows []Item) (sku string) {
	of := map[string]int{}
	for _, row := range rows {
		name := SKUOf(row.SKU)
		if of[name]++; of[name] > of[sku] {
			sku = name
		}
	}
	return sku
}

// MaxShards is into how many shards the stock of a SKU is split at most.
const MaxShards = 16

// ShardsCategory is the first part of the id of a stream that says how a SKU's stock is split.
const ShardsCategory = "shards"

// ShardRow names the row of a shard, from 1 to MaxShards. No SKU has such a name.
func ShardRow(sku string, shard int64) string { return sku + "#" + strconv.FormatInt(shard, 10) }

// SKUOf gives the SKU of a row: its own name, unless the row is a shard's.
func SKUOf(row string) string {
	sku, _, _ := strings.Cut(row, "#")
	return sku
}

// Row is a row of counters: a SKU's own, or a shard's. Waiting and Passed are those of the SKU's
// line, and of its own row alone.
type Row struct {
	Name string
	Numbers
	Epoch   int64
	Waiting int64
	Passed  int64
}

// closed reports whether nobody may have pieces but the first of those that wait.
func (r Row) closed() bool { return r.Waiting > 0 && r.Passed >= MaxPassed }

// Elsewhere is the refusal of a row of a SKU that is split: others may have what it lacks.
func Elsewhere(sku string) error {
	return fmt.Errorf("stock: %s is split, and too few are in one row: %w", quote(sku), es.ErrConflict)
}

// Summed is the level of a SKU, of which these are the rows, its own first.
func Summed(rows []Row) Level {
	var all Numbers
	for _, row := range rows {
		all = all.Plus(row.Numbers)
	}
	return Level{
		SKU: SKUOf(rows[0].Name), OnHand: all.Available + all.Reserved, Available: all.Available,
		Reserved: all.Reserved, Version: all.Counts + all.Departed, Departed: all.Departed, Shards: all.Shards,
		Epoch: rows[0].Epoch,
	}
}

// split reports whether a row that is short is one of several of its SKU.
func (s Short) split(row string) bool { return s.Shards > 1 || SKUOf(row) != row }

// Refusal is what rows refuse a reservation with that were short: they tell what the SKU lacks,
// unless it is split.
func (s Shortage) Refusal() error {
	rows := slices.Sorted(maps.Keys(s))
	for _, row := range rows {
		if s[row].split(row) {
			return Elsewhere(SKUOf(row))
		}
	}
	return Insufficient(rows)
}

// split are the SKUs of the rows that were short, where one of them is split: what they lack is
// told by all of their rows.
func (s Shortage) split() map[string]bool {
	skus, split := map[string]bool{}, false
	for row, short := range s {
		skus[SKUOf(row)], split = true, split || short.split(row)
	}
	if !split {
		return nil
	}
	return skus
}

// known are the SKUs that a process has met split. It may be behind, and reservations may try a row
// in vain for it; no more follows from it.
type known struct {
	mu     sync.Mutex
	shards map[string]int64
}

// of gives how many shards a SKU has as far as it is known: 1 where it is not split.
func (k *known) of(sku string) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return max(k.shards[sku], 1)
}

func (k *known) note(sku string, shards int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if shards > 1 {
		k.shards[sku] = shards
	} else {
		delete(k.shards, sku)
	}
}

// rooms are the rows of SKUs that are split, by SKU, as they were looked at: what is taken from
// them. Those of other SKUs are not looked at. While somebody waits for a SKU, all that is
// available of it is in its own row.
type rooms map[string][]Row

// look reads the rows of SKUs. What is in a SKU's own row is not there where that is shut for who
// reserves.
func (s Service) look(ctx context.Context, skus map[string]bool, into rooms, shut func(Row) bool) error {
	for sku := range skus {
		rows, err := s.deps.Counters.Shards(ctx, sku)
		if err != nil {
			return fmt.Errorf("stock: read shards: %w", err)
		}
		s.known.note(sku, rows[0].Shards)
		if shut(rows[0]) {
			rows[0].Available = min(rows[0].Available, 0)
		}
		into[sku] = rows
	}
	return nil
}

// placeAfter says from which rows items are taken, behind a try that met the shortage: where that
// is of a SKU that is split, its rows are looked at, as those are that tries before it met, which
// split has. They are in the rooms then, and nothing is taken from those. seed chooses among
// shards. Where all rows of a SKU have too few together, the answer is Insufficient, and the
// shortage says so; else it is empty.
func (s Service) placeAfter(
	ctx context.Context, shortage Shortage, split map[string]bool, in rooms, items []Item, seed string,
) ([]Item, error) {
	clear(in)
	maps.Copy(split, shortage.split())
	err := s.look(ctx, split, in, Row.closed)
	clear(shortage)
	if err != nil {
		return nil, err
	}
	rows, short := s.place(items, maps.Clone(in), seed)
	if len(short) > 0 {
		maps.Copy(shortage, short)
		return nil, Insufficient(slices.Sorted(maps.Keys(short)))
	}
	return rows, nil
}

// place says from which rows a reservation takes its items, and what they lack: nothing where it
// was not looked. seed chooses among the shards of a SKU. Nothing is taken from the rooms where
// something is lacking.
func (s Service) place(items []Item, in rooms, seed string) (rows []Item, short Shortage) {
	taken := rooms{}
	for _, item := range items {
		shards := s.known.of(item.SKU)
		all, looked := in[item.SKU]
		switch {
		case looked:
			part, left := draw(all, item, pick(seed, max(all[0].Shards, 1)))
			if left == nil {
				if short == nil {
					short = Shortage{}
				}
				available := Summed(all).Available
				short[item.SKU] = Short{
					Wanted: item.Quantity, Available: available, Epoch: all[0].Epoch, Shards: all[0].Shards,
					Waiting: all[0].Waiting,
					Passed:  all[0].Passed,
					Scattered: slices.ContainsFunc(all[1:], func(row Row) bool {
						return row.Available > 0 || row.Available < 0 && available > 0
					}),
				}
				continue
			}
			taken[item.SKU], rows = left, append(rows, part...)
		case shards > 1:
			rows = append(rows, Item{SKU: ShardRow(item.SKU, pick(seed, shards)), Quantity: item.Quantity})
		default:
			rows = append(rows, item)
		}
	}
	if len(short) == 0 {
		maps.Copy(in, taken)
	}
	return rows, short
}

// pick chooses a shard.
func pick(seed string, shards int64) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(seed)) // never fails
	return int64(h.Sum32())%shards + 1
}

// draw takes the pieces of an item out of rows: of the shard that is preferred or the next one that
// has enough, of the SKU's own row, or else of several, as few as will do. left are the rows then,
// nil where they have too few.
func draw(rows []Row, item Item, preferred int64) (part []Item, left []Row) {
	left = slices.Clone(rows)
	order := make([]int, 0, len(rows)) // shards from the preferred one on, and the SKU's own row last
	for i := range rows[1:] {
		order = append(order, 1+(i+int(preferred)-1)%(len(rows)-1))
	}
	order = append(order, 0)
	if i := slices.IndexFunc(order, func(n int) bool { return rows[n].Available >= item.Quantity }); i >= 0 {
		left[order[i]].Available -= item.Quantity
		return []Item{{SKU: rows[order[i]].Name, Quantity: item.Quantity}}, left
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rows[b].Available, rows[a].Available) })
	open := item.Quantity
	for _, n := range order {
		take := min(open, rows[n].Available)
		if take <= 0 {
			break
		}
		left[n].Available -= take
		open -= take
		part = append(part, Item{SKU: rows[n].Name, Quantity: take})
	}
	if open > 0 {
		return nil, nil
	}
	slices.SortFunc(part, func(a, b Item) int { return cmp.Compare(a.SKU, b.SKU) })
	return part, left
}

// Shard splits the stock of a SKU into so many shards, 1 for none, and spreads what is available
// evenly over them, while orders go on. Where orders wait for it, that stays in the SKU's own row.
// A SKU that has as many shards is spread anew. ErrNotFound where nobody has counted it.
func (s Service) Shard(ctx context.Context, req es.Request, sku string, shards int64) (Level, error) {
	switch {
	case !ValidSKU(sku):
		return Level{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	case shards < 1 || shards > MaxShards:
		return Level{}, ErrInvalidQuantity.Field("body.shards", "expected 1 to %d, got %d", MaxShards, shards)
	}
	err := s.spread(ctx, req, sku, func([]Row) (int64, int64) { return shards, shards })
	if err != nil {
		return Level{}, err
	}
	return s.Get(ctx, sku)
}

// gather has all that is available of a SKU in its own row, and leaves it as many shards as it has.
func (s Service) gather(ctx context.Context, req es.Request, sku string) error {
	return s.spread(ctx, req, sku, func(rows []Row) (int64, int64) { return rows[0].Shards, 1 })
}

// again spreads what is available of a SKU over the shards that it has.
func (s Service) again(ctx context.Context, req es.Request, sku string) error {
	return s.spread(ctx, req, sku, func(rows []Row) (int64, int64) { return rows[0].Shards, rows[0].Shards })
}

// spread makes so many shards of a SKU, and moves what is available over as many as how says.
func (s Service) spread(
	ctx context.Context, req es.Request, sku string, how func([]Row) (shards, over int64),
) error {
	marks := Marks{}
	return es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		head, err := s.end(ctx, es.NewStreamID(ShardsCategory, sku), 0)
		if err != nil || head.CommitID() == req.CommitID {
			return err
		}
		rows, err := s.deps.Counters.Shards(ctx, sku)
		if err != nil {
			return fmt.Errorf("stock: read shards: %w", err)
		}
		if rows[0].Counts == 0 {
			return ErrNotFound.New("nobody has counted %s", quote(sku))
		}
		shards, over := how(rows)
		var waiting Waiting // nobody may come to wait meanwhile, unless all is gathered
		if rows[0].Waiting > 0 {
			over = 1
		}
		if over == 1 {
			waiting = Waiting{sku: true}
		}
		event := Sharded{SKU: sku, Shards: shards, Before: rows[0].Shards, Moved: evenly(rows, over)}
		if event.Shards == max(event.Before, 1) && len(event.Moved) == 0 {
			return nil
		}
		changes := Changes(event)
		event.Marks = marks.on(changes)
		commits := []es.Commit{req.Commit(head, event)}
		_, err = s.deps.Store.Append(ctx, commits, s.deps.Counters.Move(changes, marks, waiting))
		if err == nil {
			s.known.note(sku, shards)
		}
		return err
	})
}

// evenly says what to move so that what is available is spread over the first shards, or is in the
// SKU's own row where it is over one. Where nothing is, since a rebuild found rows oversold, what
// others have goes there.
func evenly(rows []Row, over int64) (moved []Item) {
	available := Summed(rows).Available
	if available < 0 {
		return covered(rows)
	}
	for i, row := range rows {
		want, n := int64(0), int64(i)
		switch {
		case over == 1 && n == 0:
			want = available
		case over > 1 && n >= 1 && n <= over:
			want = available / over
			if n <= available%over {
				want++
			}
		}
		if by := want - row.Available; by != 0 {
			moved = append(moved, Item{SKU: row.Name, Quantity: by})
		}
	}
	return moved
}

// covered moves all that rows have to those that are oversold by more than that.
func covered(rows []Row) (moved []Item) {
	var pieces int64
	for _, row := range rows {
		pieces += max(row.Available, 0)
	}
	for _, row := range rows {
		by := -max(row.Available, 0)
		if row.Available < 0 {
			by = min(pieces, -row.Available)
			pieces -= by
		}
		if by != 0 {
			moved = append(moved, Item{SKU: row.Name, Quantity: by})
		}
	}
	return moved
}
