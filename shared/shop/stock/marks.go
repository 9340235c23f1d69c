package stock

import (
	"fmt"

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

// Change is what an event changed in a row of counters.
type Change struct {
	SKU     string
	Numbers Numbers
	Mark    string // of the rebuild that the row was in, "" for none
}

// Numbers are those of a row of counters, or what is added to them.
type Numbers struct {
	Available int64 `json:"available"`
	Reserved  int64 `json:"reserved"`
	Counts    int64 `json:"counts"`   // the version of the SKU's stream
	Departed  int64 `json:"departed"` // parcels
}

// Plus adds.
func (n Numbers) Plus(o Numbers) Numbers {
	return Numbers{n.Available + o.Available, n.Reserved + o.Reserved, n.Counts + o.Counts, n.Departed + o.Departed}
}

// Minus subtracts.
func (n Numbers) Minus(o Numbers) Numbers {
	return n.Plus(Numbers{-o.Available, -o.Reserved, -o.Counts, -o.Departed})
}

// Changes are what an event of a SKU's or a reservation's stream changed in the rows. All events in
// any order add up to the rows as they are.
func Changes(event any) []Change {
	switch e := event.(type) {
	case Reserved:
		return changes(e.Items, e.Marks, func(i Item) Numbers {
			return Numbers{Available: -i.Quantity, Reserved: i.Quantity}
		})
	case Amended:
		return e.changed()
	case Released:
		return changes(e.Items, e.Marks, func(i Item) Numbers {
			return Numbers{Available: i.Quantity, Reserved: -i.Quantity}
		})
	case Departed:
		return changes(e.Items, e.Marks, departed)
	case Committed:
		if e.Departed {
			return nil
		}
		off := make(map[string]bool, len(e.CountedOff))
		for _, sku := range e.CountedOff {
			off[sku] = true
		}
		return changes(e.Items, e.Marks, func(i Item) Numbers {
			n := departed(i)
			if off[i.SKU] {
				n.Available = i.Quantity
			}
			return n
		})
	case Restocked:
		return []Change{{SKU: e.SKU, Numbers: Numbers{Available: e.Delta, Counts: 1}, Mark: e.Marks[e.SKU]}}
	}
	return nil
}

func departed(i Item) Numbers { return Numbers{Reserved: -i.Quantity, Departed: 1} }

func changes(items []Item, marks Marks, of func(Item) Numbers) []Change {
	out := make([]Change, len(items))
	for i, item := range items {
		out[i] = Change{SKU: item.SKU, Numbers: of(item), Mark: marks[item.SKU]}
	}
	return out
}
