package stock

import (
	"fmt"
	"slices"

	"orderflow/shared/kit/es"
)

// Marks are the rows of counters that are being rebuilt, by SKU: the id of the rebuild. It derives
// the counters from the events, while orders go on changing both. So each event says of which rows
// it met with that mark: those have it already, and the rebuild leaves it out. No clock tells the
// one from the other.
//
// Who changes rows begins with no marks. An effect meets others now and then; it then refuses, with
// an es.ErrConflict, and notes in the Marks that it was given which they are, so that the next try
// reckons with them.
type Marks map[string]string

// Meet notes what mark a row has, "" for none, and reports whether that was reckoned with.
func (m Marks) Meet(sku, mark string) bool {
	if m[sku] == mark {
		return true
	}
	if m[sku] = mark; mark == "" {
		delete(m, sku)
	}
	return false
}

// Met is the refusal of an effect that met other marks than it reckoned with.
func Met(sku string) error {
	return fmt.Errorf("stock: the counters of %s begin or end being rebuilt: %w", quote(sku), es.ErrConflict)
}

// of are those of the items, as an event keeps them: nil where there are none.
func (m Marks) of(items []Item) Marks {
	var out Marks
	for _, item := range items {
		if mark := m[item.SKU]; mark != "" {
			if out == nil {
				out = Marks{}
			}
			out[item.SKU] = mark
		}
	}
	return out
}

// on are those of the rows that an event changes, as it keeps them: nil where there are none.
func (m Marks) on(changes []Change) Marks {
	rows := make([]Item, len(changes))
	for i, c := range changes {
		rows[i].SKU = c.SKU
	}
	return m.of(rows)
}

// Waiting are the SKUs that others wait for, as an effect met them that raises what is available:
// its event says so, and whoever serves the lines hears of those events alone.
type Waiting map[string]bool

// Meet notes that others wait, and reports whether that was reckoned with. It does no harm to
// reckon with those who are gone. A nil Waiting reckons with nobody.
func (w Waiting) Meet(sku string, waiting int64) bool {
	if waiting == 0 || w[sku] {
		return true
	}
	if w != nil {
		w[sku] = true
	}
	return false
}

// Queued is the refusal of an effect that met others who wait, and did not reckon with them.
func Queued(sku string) error {
	return fmt.Errorf("stock: others wait for %s: %w", quote(sku), es.ErrConflict)
}

// of are those of the items, as an event keeps them: nil where there are none.
func (w Waiting) of(items []Item) []string {
	var out []string
	for _, item := range items {
		if w[item.SKU] {
			out = append(out, item.SKU)
		}
	}
	return out
}

// Change is what an event changed in a row of counters.
type Change struct {
	SKU     string // or the name of a shard's row
	Numbers Numbers
	Mark    string // of the rebuild that the row was in, "" for none
}

// Numbers are those of a row of counters, or what is added to them.
type Numbers struct {
	Available int64 `json:"available"`
	Reserved  int64 `json:"reserved"`
	Counts    int64 `json:"counts"`   // the version of the SKU's stream
	Departed  int64 `json:"departed"` // parcels
	// into how many shards the SKU is split, 1 where it was once; 0 in the rows of shards
	Shards int64 `json:"shards,omitempty"`
}

// Plus adds.
func (n Numbers) Plus(o Numbers) Numbers {
	return Numbers{
		n.Available + o.Available, n.Reserved + o.Reserved, n.Counts + o.Counts, n.Departed + o.Departed,
		n.Shards + o.Shards,
	}
}

// Minus subtracts.
func (n Numbers) Minus(o Numbers) Numbers {
	return n.Plus(Numbers{-o.Available, -o.Reserved, -o.Counts, -o.Departed, -o.Shards})
}

// Changes are what an event of a SKU's, a reservation's or a shards' stream changed in the rows.
// All events in any order add up to the rows as they are.
//
// What was reserved from a shard's row comes back to the SKU's own: so that row knows of all that
// makes more of the SKU available.
func Changes(event any) []Change {
	switch e := event.(type) {
	case Reserved:
		return taken(rowsOf(e.Rows, e.Items), e.Marks)
	case Amended:
		return e.changed()
	case Released:
		return returned(rowsOf(e.Rows, e.Items), e.Marks)
	case Departed:
		return departed(rowsOf(e.Rows, e.Items), e.Marks)
	case Committed:
		if e.Departed {
			return nil
		}
		all := departed(rowsOf(e.Rows, e.Items), e.Marks)
		for i, item := range e.Items {
			if slices.Contains(e.CountedOff, item.SKU) { // of a release that knew no shards
				all[i].Numbers.Available = item.Quantity
			}
		}
		return all
	case Restocked:
		return []Change{{SKU: e.SKU, Numbers: Numbers{Available: e.Delta, Counts: 1}, Mark: e.Marks[e.SKU]}}
	case Sharded:
		all := changes(e.Moved, nil, func(i Item) Numbers { return Numbers{Available: i.Quantity} })
		return merged(append(all, Change{SKU: e.SKU, Numbers: Numbers{Shards: e.Shards - e.Before}}), e.Marks)
	}
	return nil
}

// rowsOf are the rows that items are in: those of their SKUs, unless an event says otherwise.
func rowsOf(rows, items []Item) []Item {
	if len(rows) > 0 {
		return rows
	}
	return items
}

// unlike are the rows that items are in as an event keeps them: nil where each is its SKU's own.
func unlike(rows, items []Item) []Item {
	if slices.Equal(rows, items) {
		return nil
	}
	return rows
}

// taken moves what is in rows from available to reserved.
func taken(rows []Item, marks Marks) []Change {
	return changes(rows, marks, func(i Item) Numbers {
		return Numbers{Available: -i.Quantity, Reserved: i.Quantity}
	})
}

// returned moves what is reserved in rows to what is available in the SKUs' own.
func returned(rows []Item, marks Marks) []Change {
	all := changes(rows, nil, func(i Item) Numbers { return Numbers{Reserved: -i.Quantity} })
	for _, row := range rows {
		all = append(all, Change{SKU: SKUOf(row.SKU), Numbers: Numbers{Available: row.Quantity}})
	}
	return merged(all, marks)
}

// departed takes rows out of what is reserved. A parcel counts once for each SKU.
func departed(rows []Item, marks Marks) []Change {
	seen := make(map[string]bool, len(rows))
	return changes(rows, marks, func(i Item) Numbers {
		n := Numbers{Reserved: -i.Quantity}
		if sku := SKUOf(i.SKU); !seen[sku] {
			seen[sku], n.Departed = true, 1
		}
		return n
	})
}

func changes(rows []Item, marks Marks, of func(Item) Numbers) []Change {
	out := make([]Change, len(rows))
	for i, item := range rows {
		out[i] = Change{SKU: item.SKU, Numbers: of(item), Mark: marks[item.SKU]}
	}
	return out
}

// merged has one change of each row, in the order in which they come first.
func merged(all []Change, marks Marks) []Change {
	var out []Change
	at := make(map[string]int, len(all))
	for _, c := range all {
		i, seen := at[c.SKU]
		if !seen {
			i = len(out)
			at[c.SKU], out = i, append(out, Change{SKU: c.SKU, Mark: marks[c.SKU]})
		}
		out[i].Numbers = out[i].Numbers.Plus(c.Numbers)
	}
	return out
}
