package sweep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"

	"orderflow/shared/read/view/orders"
)

// Place is how far sweeps have come with the lists of one kind, slot by slot.
type Place struct {
	Slot  int    `json:"slot"`
	After string `json:"after,omitempty"` // the place in the slot's list to go on behind, "" for its beginning
	Begun int    `json:"begun,omitempty"` // how many sweeps began here and have not said how far they came
}

// next is the beginning of the next slot.
func (p Place) next() Place { return Place{Slot: (max(p.Slot, 0) + 1) % orders.Slots} }

// Position is how far sweeps have come with the orders that wait.
type Position struct {
	Revision int64 `json:"revision"` // grows with each Save; 0 before the first
	Waiting  Place `json:"waiting"`
	Shipped  Place `json:"shipped"`
}

// Rounds keeps the Position. No clock says which slot's turn it is: a sweep goes on where the one
// before it came to, whenever either came.
type Rounds interface {
	// Load reads it, consistent with every Save that was answered before. The zero Position where
	// none was ever saved.
	Load(ctx context.Context) (Position, error)
	// Save writes p in place of the one with its Revision, which goes up by one in what it gives
	// back. saved is false, and nothing is written, where another sweep was faster.
	Save(ctx context.Context, p Position) (next Position, saved bool, err error)
}

// MaxBegun is how many sweeps may end without a word at one place before the next slot has its
// turn: what kills each of them must not hide the orders of all other slots. Lambda repeats one
// that dies twice within minutes, so that these are two sweeps of the schedule.
const MaxBegun = 6

// errKilled says that sweeps died at a place.
var errKilled = errors.New("no sweep that began there has come to an end")

// rounds looks through the next slots of the orders that wait, and behind those through the next
// slots of the orders that are on their way: of these there are ever more, since nobody says of
// some that they arrived. What it has no time for, the next sweep begins with.
//
// The position is kept ahead of each slot and at the end, so that a sweep that dies repeats what it
// was at and leaves out nothing. Of two sweeps at once one goes on, and the other stops.
func (r *run) rounds(ctx, work, looking context.Context, dated orders.Dated) {
	if r.stop(looking) {
		return
	}
	r.mu.Lock()
	r.acted = 0
	r.mu.Unlock()
	at, err := r.Rounds.Load(work)
	if err != nil {
		r.broken(ctx, fmt.Errorf("read how far sweeps have come: %w", err))
		at.Waiting.Slot, at.Shipped.Slot = rand.IntN(orders.Slots), rand.IntN(orders.Slots) // rather any than none
		r.blind = true
	}
	for _, kind := range []struct {
		place *Place
		list  func(context.Context, int, orders.Dated, string) iter.Seq2[orders.Listed, error]
	}{{&at.Waiting, r.Rows.Waiting}, {&at.Shipped, r.Rows.Shipped}} {
		for range SlotsASweep {
			if r.stop(looking) {
				break
			}
			p := kind.place
			if p.Begun >= MaxBegun {
				r.broken(ctx, fmt.Errorf("slot %d behind %q: %w", p.Slot, p.After, errKilled))
				*p = p.next()
			}
			if p.Begun++; !r.keep(work, &at) {
				return
			}
			after, done := r.through(work, looking, kind.list(looking, p.Slot, dated, p.After), r.waiting, r.full)
			if after != "" {
				p.After = after
			}
			if p.Begun = 0; !done {
				break
			}
			*p = p.next()
		}
	}
	r.keep(ctx, &at)
}

// keep saves the position. It is false where another sweep was faster, which goes on in place of
// this one. Where the position can't be kept, this one goes on without.
func (r *run) keep(ctx context.Context, at *Position) (goOn bool) {
	if r.blind {
		return true
	}
	next, saved, err := r.Rounds.Save(ctx, *at)
	switch {
	case err != nil:
		r.broken(ctx, fmt.Errorf("keep how far the sweep has come: %w", err))
		r.blind = true
	case !saved:
		slog.InfoContext(ctx, "another sweep goes on with the orders that wait")
		return false
	default:
		*at = next
	}
	return true
}
