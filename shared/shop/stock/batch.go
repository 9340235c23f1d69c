package stock

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
)

// maxTransaction is how many items a transaction takes: a commit for each order, and a row for each
// SKU. Of the most that these can be, in bytes, it takes ten times as much.
const maxTransaction = 100

// Command asks to reserve, as one of several that do.
type Command struct {
	Request     es.Request
	Reservation Reservation
}

// Reply is the answer to a Command.
type Reply struct {
	State ReservationState
	Err   error
}

// ReserveAll reserves for several orders, and answers each as Reserve does. Those that can be
// reserved go into as few transactions as take them, in which a SKU that several of them ask for is
// one row with the sum: a SKU that everybody wants takes as many transactions a second, and carries
// an order's part of each.
//
// Who can't be reserved for with the others is reserved for alone, behind them: whose reservation
// somebody has begun, who comes a second time, and whom there is not enough for once those before
// have theirs. So a refusal is always one that Reserve has decided.
func (s Service) ReserveAll(ctx context.Context, commands []Command) []Reply {
	replies := make([]Reply, len(commands))
	packs, alone := packed(commands)
	for _, p := range packs {
		alone = append(alone, s.reserveTogether(ctx, p, replies)...)
	}
	slices.SortFunc(alone, func(a, b wanted) int { return cmp.Compare(a.at, b.at) })
	for _, w := range alone {
		replies[w.at].State, replies[w.at].Err = s.Reserve(ctx, w.Request, w.Reservation)
	}
	return replies
}

// wanted is a command of several: its place among them, and what it asks for.
type wanted struct {
	Command
	at    int
	id    string
	items []Item // one an SKU
	rows  []Item // that these are taken from
}

// packed puts commands into transactions that take them, in their order. alone is what no
// transaction can begin with.
func packed(commands []Command) (packs [][]wanted, alone []wanted) {
	seen, rows := map[string]bool{}, map[string]bool{} // reservations; SKUs of the last pack
	for i, c := range commands {
		w := wanted{Command: c, at: i, id: ReservationID(c.Reservation.OrderID, c.Reservation.Revision)}
		var err error
		if w.items, err = demand(c.Reservation.Items); err != nil || seen[w.id] {
			alone = append(alone, w)
			continue
		}
		seen[w.id] = true
		size := 1 + len(rows)
		for _, item := range w.items {
			if !rows[item.SKU] {
				size++
			}
		}
		last := len(packs) - 1
		if last < 0 || len(packs[last])+size > maxTransaction {
			packs, rows, last = append(packs, nil), map[string]bool{}, last+1
		}
		packs[last] = append(packs[last], w)
		for _, item := range w.items {
			rows[item.SKU] = true
		}
	}
	return packs, alone
}

// reserveTogether reserves for all of a pack that it can in one transaction. left are those of whom
// that tells nothing.
func (s Service) reserveTogether(ctx context.Context, pack []wanted, replies []Reply) (left []wanted) {
	marks, shortage, in := Marks{}, Shortage{}, rooms{}
	err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		for {
			var out []wanted
			out, pack = s.placeAll(pack, in)
			left = append(left, out...)
			if len(pack) < 2 {
				left, pack = append(left, pack...), nil
				return nil
			}
			states, err := s.appendAll(ctx, pack, marks, shortage)
			if err == nil {
				for i, state := range states {
					replies[pack[i].at].State = state
				}
				// There are none where an earlier try was there.
				left, pack = append(left, pack[len(states):]...), nil
				return nil
			}
			if out, pack = split(pack, err, shortage); len(out) == 0 {
				return cmp.Or(s.look(ctx, shortage.split(), in, func(own Row) bool { return own.Waiting > 0 }), err)
			}
			left = append(left, out...)
		}
	})
	for _, w := range pack {
		replies[w.at].Err = err
	}
	return left
}

// placeAll says from which rows each of a pack takes its items. out are those whom the rows don't
// reach to that were looked at.
func (s Service) placeAll(pack []wanted, looked rooms) (out, rest []wanted) {
	in, seed := maps.Clone(looked), ""
	for _, w := range pack {
		seed = cmp.Or(seed, w.id) // all from the same shard, and another one each time
		var short Shortage
		if w.rows, short = s.place(w.items, in, seed); len(short) > 0 || wide(w.rows) {
			out = append(out, w)
		} else {
			rest = append(rest, w)
		}
	}
	return out, rest
}

// appendAll is one transaction for a pack.
func (s Service) appendAll(
	ctx context.Context, pack []wanted, marks Marks, shortage Shortage,
) ([]ReservationState, error) {
	clear(shortage)
	tries := make([]es.Try, len(pack))
	var all []Item
	for i, w := range pack {
		event := reserved(w.id, w.Reservation.OrderID, w.items, w.rows, marks)
		tries[i] = es.Try{ID: w.id, Request: w.Request, Event: event}
		all = append(all, w.rows...)
	}
	return s.attempts.DoAll(ctx, tries, s.deps.Counters.ReserveAll(goods.Sum(all), marks, shortage))
}

// split takes those out of a pack that its refusal is about: whose reservation somebody has begun,
// and whom what is available doesn't reach to, those before them served first. There are none where
// it is about all.
func split(pack []wanted, refusal error, shortage Shortage) (out, rest []wanted) {
	var begun *es.ConflictError
	fits := func(wanted) bool { return true }
	switch {
	case errors.Is(refusal, es.ErrLimit): // rows of shards are more than SKUs
		fits = func(wanted) bool { return false }
	case errors.As(refusal, &begun) && begun.Actual > 0:
		fits = func(w wanted) bool { return es.NewStreamID(ReservationCategory, w.id) != begun.Stream }
	case errors.Is(refusal, ErrInsufficient):
		left := make(map[string]int64, len(shortage))
		for sku, short := range shortage {
			if left[sku] = 0; short.Available < short.Wanted { // else the row has another reason
				left[sku] = short.Available
			}
		}
		fits = func(w wanted) bool { return take(left, w.items) }
	}
	for _, w := range pack {
		if fits(w) {
			rest = append(rest, w)
		} else {
			out = append(out, w)
		}
	}
	return out, rest
}

// take takes items out of what is left of some SKUs, all or none. Of others there is enough.
func take(left map[string]int64, items []Item) bool {
	for _, item := range items {
		if n, short := left[item.SKU]; short && n < item.Quantity {
			return false
		}
	}
	for _, item := range items {
		if _, short := left[item.SKU]; short {
			left[item.SKU] -= item.Quantity
		}
	}
	return true
}
