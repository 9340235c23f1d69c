package stock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
)

// MaxPassed is how many reservations may get pieces of a SKU past the first that waits for it.
// After that many, nobody but the first gets any.
const MaxPassed = 10

// Waiter is a reservation that waits, as the lines know it.
type Waiter struct {
	ReservationID string
	OrderID       string
	Revision      int64
}

// Place is where a reservation stands in the line of a SKU. Who came before has a lower ticket.
type Place struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Ticket   int64  `json:"ticket"`
}

// Entry is a place with who stands there.
type Entry struct {
	Waiter
	Place
}

// Line is the line of a SKU and its own row, as they were in one epoch. While somebody waits, the
// rows of shards have nothing (Counters.Move).
type Line struct {
	Epoch     int64
	Available int64
	Waiting   int64 // reservations in it
	Passed    int64 // reservations that got pieces past the first in it
	First     int64 // the ticket of the first, 0 where nobody waits
}

// closed reports whether nobody but the first may have pieces.
func (l Line) closed() bool { return l.Waiting > 0 && l.Passed >= MaxPassed }

// Serves reports whether it is the turn of who stands at a place: there is enough for them, and the
// rule keeps it for nobody else. They wait on only until Serve is through.
func (l Line) Serves(p Place) bool {
	return l.Available >= p.Quantity && !(l.closed() && p.Ticket > l.First)
}

// Lines are those of the reservations that wait, one a SKU, beside the rows of counters. A ticket
// is the epoch that its reservation came in, which began with it: no clock orders the lines.
//
// Whoever joins or leaves a line begins another epoch of its row. So whatever lets a reservation
// have pieces that it could not have before ends an epoch: more is available, or another is first.
type Lines interface {
	// Line reads a line. What follows from it is written only in its epoch.
	Line(ctx context.Context, sku string) (Line, error)
	// Entries gives up to limit entries of a line behind a ticket, in their order, consistently.
	Entries(ctx context.Context, sku string, after int64, limit int) ([]Entry, error)
	// Ahead counts the entries of a line before a ticket.
	Ahead(ctx context.Context, sku string, ticket int64) (int64, error)
	// Fill is Counters.Reserve for a reservation that waits, and takes it out of the lines that it
	// stands in. It is refused with Insufficient where that is with the shortage's Refusal; and,
	// with an es.ErrConflict, in another epoch of a line.
	Fill(places []Place, lines map[string]Line, rows []Item, marks Marks, shortage Shortage) es.Effect
	// Stand puts a reservation into the lines of join, with the tickets that those places have, in
	// the epochs of the shortage, and takes it out of those of leave, in the epochs of the lines.
	// Refused, with an es.ErrConflict, in any other epoch.
	Stand(w Waiter, join []Place, shortage Shortage, leave []Place, lines map[string]Line) es.Effect
}

// join are the places at the ends of the lines of what is short, but for those that it stands in
// already.
func (s Shortage) join(standing []Place) []Place {
	var places []Place
	for _, sku := range slices.Sorted(maps.Keys(s)) {
		if !stands(standing, sku) {
			places = append(places, Place{SKU: sku, Quantity: s[sku].Wanted, Ticket: s[sku].Epoch + 1})
		}
	}
	return places
}

func stands(places []Place, sku string) bool {
	return slices.ContainsFunc(places, func(p Place) bool { return p.SKU == sku })
}

// skus are those of places.
func skus(places []Place) []string {
	var out []string
	for _, p := range places {
		out = append(out, p.SKU)
	}
	return out
}

// waiter is the reservation as the lines know it.
func (s ReservationState) waiter() Waiter {
	return Waiter{ReservationID: s.ID, OrderID: s.OrderID, Revision: s.Revision}
}

// backordered is the answer to a reservation that waits.
func backordered(places []Place) *faults.Fault {
	return ErrBackordered.New("waits for %s", list(skus(places)))
}

// lines reads those of the places.
func (s Service) lines(ctx context.Context, places []Place) (map[string]Line, error) {
	lines := make(map[string]Line, len(places))
	for _, p := range places {
		line, err := s.deps.Lines.Line(ctx, p.SKU)
		if err != nil {
			return nil, err
		}
		lines[p.SKU] = line
	}
	return lines, nil
}

// maxServed is how many reservations one Serve moves. Their events bring it here again.
const maxServed = 100

// Serve gives what is available of a SKU to those that wait for it: each time to the oldest that it
// is enough for in this very epoch, unless the rule keeps it for the first. What that one is short
// of besides decides in which lines it stands from then on. Whatever lets another one have pieces
// afterwards is an event whose Waiting brings Serve here again.
func (s Service) Serve(ctx context.Context, req es.Request, sku string) error {
	for range maxServed {
		var served bool
		err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) (err error) {
			served, err = s.serve(ctx, req, sku)
			return err
		})
		if err != nil {
			return fmt.Errorf("stock: serve %s: %w", quote(sku), err)
		}
		if !served {
			return nil
		}
	}
	return nil
}

// serve moves the first reservation that can be, and reports whether there was one.
func (s Service) serve(ctx context.Context, req es.Request, sku string) (bool, error) {
	const page = 25
	line, err := s.deps.Lines.Line(ctx, sku)
	for after := int64(0); err == nil && line.Available > 0; {
		var entries []Entry
		if entries, err = s.deps.Lines.Entries(ctx, sku, after, page); len(entries) == 0 {
			break
		}
		for _, e := range entries {
			after = e.Ticket
			if line.closed() && e.Ticket > line.First {
				return false, nil
			}
			if e.Quantity > line.Available {
				continue
			}
			if served, err := s.fill(ctx, req, e, line.Epoch); served || err != nil {
				return served, err
			}
		}
	}
	return false, err
}

// fill reserves for a reservation that waits in a line, in one epoch of that, where all its items
// are to be had. Where they are not, it stands in the lines of those that are short, and in no
// others. It reports whether either has changed anything.
func (s Service) fill(ctx context.Context, req es.Request, e Entry, epoch int64) (bool, error) {
	stream := es.NewStreamID(ReservationCategory, e.ReservationID)
	history, err := s.deps.Store.Load(ctx, stream, 0)
	if err != nil {
		return false, err
	}
	state, err := s.attempts.Fold(history)
	if err != nil {
		return false, err
	}
	if state.Status != es.AttemptWaiting || !slices.Contains(state.Places, e.Place) {
		return false, nil // it has left the line since that was read, by an event that brings Serve here
	}
	lines, err := s.lines(ctx, state.Places)
	if err != nil {
		return false, err
	}
	if lines[e.SKU].Epoch != epoch {
		return false, Refill(e.SKU)
	}
	version := strconv.FormatInt(history.Head.Version(), 10)
	req.CommitID = ident.Derive("fill", req.CommitID, state.ID, version)
	shortage, err := s.take(ctx, req, history.Head, state, lines)
	if !errors.Is(err, ErrInsufficient) {
		return err == nil, err
	}
	if other := shortage.scattered(); other != "" {
		return false, cmp.Or(s.gather(ctx, moving("stock-gather", req), other), Elsewhere(other))
	}
	moved, changes := state.moved(shortage)
	if !changes {
		return false, nil
	}
	_, err = s.deps.Store.Append(ctx, []es.Commit{req.Commit(history.Head, moved.event)},
		s.deps.Lines.Stand(state.waiter(), moved.join, shortage, moved.leave, lines))
	return err == nil, err
}

// take reserves all the items of a reservation that waits. ErrInsufficient where they are not all
// to be had; then the shortage says of which, in the epochs of the lines where it stands.
func (s Service) take(
	ctx context.Context, req es.Request, head es.Head, state ReservationState, lines map[string]Line,
) (Shortage, error) {
	short, others := state.lacks(lines)
	marks, shortage, in := Marks{}, Shortage{}, rooms{}
	for { // again where a row has a mark, or its SKU is split
		rows, lacking := s.place(others, maps.Clone(in), state.ID)
		if len(lacking) > 0 {
			maps.Copy(lacking, short)
			return lacking, Insufficient(slices.Sorted(maps.Keys(lacking)))
		}
		for _, p := range state.Places {
			rows = append(rows, Item{SKU: p.SKU, Quantity: p.Quantity})
		}
		slices.SortFunc(rows, func(a, b Item) int { return cmp.Compare(a.SKU, b.SKU) })
		if len(rows)+len(state.Places) >= maxTransaction {
			sku := widest(rows)
			return nil, cmp.Or(s.gather(ctx, moving("stock-gather", req), sku), Elsewhere(sku))
		}
		event := reserved(state.ID, state.OrderID, state.Items, rows, marks)
		event.Waiting = skus(state.Places)
		known := maps.Clone(marks)
		_, err := s.deps.Store.Append(ctx, []es.Commit{req.Commit(head, event)},
			s.deps.Lines.Fill(state.Places, lines, rows, marks, shortage))
		switch {
		case errors.Is(err, es.ErrConflict) && !maps.Equal(known, marks):
			continue
		case !errors.Is(err, ErrInsufficient):
			return nil, err
		}
		split := map[string]bool{}
		for row, met := range shortage {
			switch sku := SKUOf(row); {
			case !met.split(row) || stands(state.Places, sku):
			case in[sku] != nil: // somebody has taken from it since
				return nil, Elsewhere(sku)
			default:
				split[sku] = true
			}
		}
		if len(split) == 0 {
			return shortage, err
		}
		if err := s.look(ctx, split, in, Row.closed); err != nil {
			return nil, err
		}
	}
}

// lacks is what a reservation that waits is short of in the lines where it stands, and others are
// its items in no line.
func (s ReservationState) lacks(lines map[string]Line) (short Shortage, others []Item) {
	short = Shortage{}
	for _, p := range s.Places {
		if line := lines[p.SKU]; !line.Serves(p) {
			short[p.SKU] = Short{
				Wanted: p.Quantity, Available: line.Available, Epoch: line.Epoch, Waiting: line.Waiting,
			}
		}
	}
	for _, item := range s.Items {
		if !stands(s.Places, item.SKU) {
			others = append(others, item)
		}
	}
	return short, others
}

// move is how a reservation goes from lines to others.
type move struct {
	event       Backordered
	join, leave []Place
}

// moved is where a waiting reservation stands once it is short of something else; false where it
// stays where it is.
func (s ReservationState) moved(shortage Shortage) (move, bool) {
	m := move{join: shortage.join(s.Places), event: Backordered{
		ReservationID: s.ID, OrderID: s.OrderID, Revision: s.Revision, Items: s.Items,
	}}
	for _, p := range s.Places {
		if _, short := shortage[p.SKU]; short {
			m.event.Places = append(m.event.Places, p)
		} else {
			m.leave = append(m.leave, p)
		}
	}
	m.event.Places = append(m.event.Places, m.join...)
	slices.SortFunc(m.event.Places, func(a, b Place) int { return cmp.Compare(a.SKU, b.SKU) })
	m.event.Waiting = skus(m.leave)
	return m, len(m.join)+len(m.leave) > 0
}

// Queue is where a waiting reservation stands, for who asked for it.
type Queue struct {
	SKU      string
	Quantity int64
	Place    int64 // 1 for the next to get some
}

// Queue tells where the reservation of one revision of an order stands; nothing where it does not
// wait.
func (s Service) Queue(ctx context.Context, orderID string, revision int64) ([]Queue, error) {
	state, err := s.Reservation(ctx, orderID, revision)
	if err != nil || state.Status != es.AttemptWaiting {
		return nil, err
	}
	queue := make([]Queue, len(state.Places))
	for i, p := range state.Places {
		ahead, err := s.deps.Lines.Ahead(ctx, p.SKU, p.Ticket)
		if err != nil {
			return nil, err
		}
		queue[i] = Queue{SKU: p.SKU, Quantity: p.Quantity, Place: ahead + 1}
	}
	return queue, nil
}
