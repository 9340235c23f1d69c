package stock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/goods"
)

// Level is how much there is of a SKU.
type Level struct {
	SKU       string
	OnHand    int64 // available and reserved together
	Available int64 // what the next order can have
	Reserved  int64 // what orders have and is still in the warehouse
	Version   int64 // grows by one when somebody counts and when a parcel leaves, not when an order reserves
	Departed  int64 // how many parcels have left with it so far; the rest of Version is the version of the SKU's stream
	Shards    int64 // into how many it is split, 1 where it was once, and 0 where it never was
	Epoch     int64 // of the SKU's own row, where it is split or was
}

// Counts is the version of the SKU's stream: how often somebody has counted it.
func (l Level) Counts() int64 { return l.Version - l.Departed }

// Counters are the rows that say how much of each SKU is available and reserved. The effects are
// for the appends of one es.Store, which performs them together with the commits or not at all.
// Each refuses, with an es.ErrConflict, where a row has another mark than marks say, and notes it
// there.
type Counters interface {
	// Reserve moves the items, each of a row, from available to reserved. The append is refused
	// with shortage's Refusal where too few are available, nobody has counted the SKU, or those
	// that wait for it have been passed MaxPassed times. Then shortage holds what those rows were,
	// and nothing else.
	Reserve(items []Item, marks Marks, shortage Shortage) es.Effect
	// ReserveRest is Reserve for what is to be had where there is a shortage: of the SKUs that are
	// short it takes all that was met, and leaves those alone of which there was nothing. The
	// append is refused, with an es.ErrConflict, where more of those, or less of anything, is
	// available.
	ReserveRest(items []Item, marks Marks, shortage Shortage) es.Effect
	// ReserveAll is Reserve for several reservations, items being what they want together. It is
	// refused as well where somebody waits for a SKU: who passes those that wait is counted alone.
	ReserveAll(items []Item, marks Marks, shortage Shortage) es.Effect
	// Stands changes nothing. The append is refused, with an es.ErrConflict, where the epoch of a
	// row is another than in the shortage.
	Stands(shortage Shortage) es.Effect
	// Lacks changes nothing, and has the append refused: with Insufficient, naming the SKUs of the
	// shortage, where the epoch of each row is as in it, and else with an es.ErrConflict.
	Lacks(shortage Shortage) es.Effect
	// Release moves the items from reserved back to available, and begins another epoch of each
	// row. ErrInconsistent where fewer are reserved. Where others wait for a SKU and waiting does
	// not say so, it notes that there and is refused with an es.ErrConflict.
	Release(items []Item, marks Marks, waiting Waiting) es.Effect
	// Depart takes the items out of reserved for good, and adds one to what has departed of each
	// SKU. ErrInconsistent where fewer are reserved.
	Depart(items []Item, marks Marks) es.Effect
	// Restock adds delta, which was taken from a level, to what is available, says that the SKU's
	// stream is then at version, and begins another epoch of the row. The append is refused with
	// ErrInconsistent where the row is of another version than the one before that, with an
	// es.ErrConflict where somebody has counted or a parcel has departed since the level was read,
	// or where another epoch has begun of one that is split, and with ErrInsufficient where less
	// than -delta is available. Who waits is as with Release.
	Restock(from Level, delta, version int64, marks Marks, waiting Waiting) es.Effect
	// Move adds changes to rows, makes those of shards that are not there, and begins another epoch
	// of those that are a SKU's own. ErrInconsistent where one of these is not there, or fewer are
	// reserved than are taken away, and an es.ErrConflict where fewer are available. Where what is
	// available in a SKU's own row changes, who waits is as with Release.
	Move(changes []Change, marks Marks, waiting Waiting) es.Effect
	// Undeparted changes nothing. The append is refused, with an es.ErrConflict, where a parcel has
	// departed from a row since.
	Undeparted(rows []Row) es.Effect
	// Level reads a SKU, consistently with every append that was answered before. found is false
	// where nobody has counted the SKU.
	Level(ctx context.Context, sku string) (level Level, found bool, err error)
	// Shards reads all rows of a SKU, its own first and then those of MaxShards, as Level does:
	// nothing was moved between them meanwhile. Those that are not there are empty. The epoch of
	// the SKU's own row is from before the others were read.
	Shards(ctx context.Context, sku string) ([]Row, error)
}

// Deps is what the service works with.
type Deps struct {
	Store    es.Store
	Clock    clock.Clock
	Counters Counters `wiring:"optional"` // what only looks at reservations needs none; lines do
	Lines    Lines    `wiring:"optional"` // what lets no reservation wait needs none
}

// Service reserves, releases and counts stock.
type Service struct {
	deps     Deps
	attempts es.Attempt[ReservationState]
	known    *known
}

// New makes the service.
func New(deps Deps) Service {
	if deps.Lines != nil && deps.Counters == nil {
		panic("stock: lines without counters: who serves a line may have to read the rows of another SKU")
	}
	met := &known{shards: map[string]int64{}}
	return Service{deps: wiring.Complete(deps), known: met, attempts: es.Attempt[ReservationState]{
		Category: ReservationCategory, Store: deps.Store, Clock: deps.Clock,
		Fold: func(h es.History) (ReservationState, error) {
			return es.Fold(ReservationState{ID: h.Head.Stream().ID()}, EvolveReservation, h.Events)
		},
		Status: func(s ReservationState) es.AttemptStatus { return s.Status },
		Fault:  ReservationState.fault,
	}}
}

// Reserve reserves all the items or none. ErrInsufficient names the SKUs that are short, and
// ErrInvalidQuantity what no stock could satisfy; either stays the answer for this revision of the
// order, whatever is counted later. What comes in before the refusal is written is reserved after
// all. es.ErrAttemptClosed where the reservation was released before it came. ErrBackordered where
// it waits. A Partial one that there is not all for is reserved with what there is, and ErrPartial
// stays the answer for as long as it has less than it is asked for.
func (s Service) Reserve(ctx context.Context, req es.Request, r Reservation) (ReservationState, error) {
	id := ReservationID(r.OrderID, r.Revision)
	attempts, marks, shortage, split, in := s.attempts, Marks{}, Shortage{}, map[string]bool{}, rooms{}
	var wanted []Item
	attempts.Refused = func(f *faults.Fault) es.Plan {
		p := es.Plan{Event: Refused{ReservationID: id, OrderID: r.OrderID, Code: f.Code, Detail: f.Detail}}
		items, rows := s.rest(wanted, shortage, in, id)
		switch {
		case len(shortage) > 0 && r.Partial && len(items) > 0:
			if len(split) > 0 { // which rows refuse the rest isn't told: the next try looks at all
				for _, item := range wanted {
					split[item.SKU] = true
				}
			}
			p.Event = reserved(id, r.OrderID, items, rows, marks)
			p.Effects = []es.Effect{s.deps.Counters.ReserveRest(rows, marks, shortage)}
		case len(shortage) > 0 && r.Backorder:
			places := shortage.join(nil)
			p.Event = Backordered{
				ReservationID: id, OrderID: r.OrderID, Revision: r.Revision, Items: wanted, Places: places,
			}
			w := Waiter{ReservationID: id, OrderID: r.OrderID, Revision: r.Revision}
			p.Effects = []es.Effect{s.deps.Lines.Stand(w, places, shortage, nil, nil)}
		case len(shortage) > 0:
			p.Effects = []es.Effect{s.deps.Counters.Stands(shortage)}
		}
		return p
	}
	state, err := attempts.Do(ctx, id, req, func(ctx context.Context, _ *es.Reads) (es.Plan, error) {
		items, err := demand(r.Items)
		if err != nil {
			clear(shortage)
			return es.Plan{}, err
		}
		wanted = items
		rows, err := s.placeAfter(ctx, shortage, split, in, items, id)
		if sku := shortage.scattered(); (r.Backorder || r.Partial) && sku != "" {
			return es.Plan{}, cmp.Or(s.gather(ctx, moving("stock-gather", req), sku), Elsewhere(sku))
		}
		if len(shortage) > 0 && r.Partial {
			_, rows = s.rest(items, shortage, in, id)
			rows = append(rows, shortage.gone()...) // they are in its transaction, too
		}
		if err != nil && !wide(rows) {
			return es.Plan{}, err
		}
		if wide(rows) {
			sku := widest(rows)
			return es.Plan{}, cmp.Or(s.gather(ctx, moving("stock-gather", req), sku), Elsewhere(sku))
		}
		return es.Plan{
			Event:   reserved(id, r.OrderID, items, rows, marks),
			Effects: []es.Effect{s.deps.Counters.Reserve(rows, marks, shortage)},
		}, nil
	})
	if more, _ := goods.Difference(state.Items, wanted); err == nil && r.Partial && len(more) > 0 {
		err = partly(more)
	}
	return state, err
}

// rest is what is to be had of items of which some are short, and from which rows.
func (s Service) rest(items []Item, shortage Shortage, in rooms, seed string) (rest, rows []Item) {
	ample, there := shortage.ample(items), shortage.There()
	rows, _ = s.place(ample, maps.Clone(in), seed) // nothing of that is short
	rows = append(rows, there...)
	slices.SortFunc(rows, func(a, b Item) int { return cmp.Compare(a.SKU, b.SKU) })
	return goods.Sum(append(ample, there...)), rows
}

// reserved is the event of items that are taken from rows.
func reserved(id, orderID string, items, rows []Item, marks Marks) Reserved {
	return Reserved{
		ReservationID: id, OrderID: orderID, Items: items, Rows: unlike(rows, items), Marks: marks.of(rows),
	}
}

// Release takes the reservation of one revision of an order back: exactly the items that its own
// events come to. One that never came is voided, and will be refused should it still come; so is
// one that waits, which leaves the lines that it stands in. One that was refused or released is
// left as it is. ErrCommitted where the items have left.
func (s Service) Release(
	ctx context.Context, req es.Request, orderID string, revision int64,
) (ReservationState, error) {
	id, marks, waiting := ReservationID(orderID, revision), Marks{}, Waiting{}
	release := func(ctx context.Context, _ *es.Reads, state ReservationState) (es.Plan, error) {
		if state.Status == es.AttemptWaiting {
			lines, err := s.lines(ctx, state.Places)
			return es.Plan{
				Event:   Voided{ReservationID: id, OrderID: orderID, Waiting: skus(state.Places)},
				Effects: []es.Effect{s.deps.Lines.Stand(state.waiter(), nil, nil, state.Places, lines)},
			}, err
		}
		if state.Departed {
			return es.Plan{}, ErrCommitted.New("the reserved items have left the warehouse")
		}
		event := Released{ReservationID: id, OrderID: orderID, Items: state.Items, Rows: state.Rows}
		event.Marks, event.Waiting = marks.on(Changes(event)), waiting.of(state.Items)
		effect := s.giveBack(rowsOf(state.Rows, state.Items), marks, waiting)
		return es.Plan{Event: event, Effects: []es.Effect{effect}}, nil
	}
	return s.attempts.Undo(ctx, id, req, Voided{ReservationID: id, OrderID: orderID}, release)
}

// giveBack makes what is reserved in rows anybody's again.
func (s Service) giveBack(rows []Item, marks Marks, waiting Waiting) es.Effect {
	if slices.ContainsFunc(rows, func(row Item) bool { return SKUOf(row.SKU) != row.SKU }) {
		return s.deps.Counters.Move(returned(rows, nil), marks, waiting)
	}
	return s.deps.Counters.Release(rows, marks, waiting)
}

// Departure gives, at each try, what the append of a dispatch writes besides, so that the books of
// what is reserved for one revision of an order change and are closed at the very moment at which
// its parcel leaves: a count that was made before it meets another version from then on. Nothing is
// to be written where the items have left before; then Commit is still to come. ErrNotReserved
// where nothing is reserved; the append is refused with ErrInconsistent where the counters can't
// follow, and with an es.ErrConflict where another try is due.
func (s Service) Departure(
	orderID string, revision int64,
) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
	marks := Marks{}
	return func(ctx context.Context, req es.Request) ([]es.Commit, []es.Effect, error) {
		state, history, err := s.reservation(ctx, orderID, revision)
		if err != nil || state.Departed {
			return nil, nil, err
		}
		commits, effects, err := s.departure(req, history.Head, state, marks)
		if err == nil {
			state.Departed = true
			commits[0].Events = append(commits[0].Events, closing(state))
		}
		return commits, effects, err
	}
}

// departure is what Departure gives for items that have not left.
func (s Service) departure(
	req es.Request, head es.Head, state ReservationState, marks Marks,
) ([]es.Commit, []es.Effect, error) {
	if state.Status != es.AttemptDone {
		return nil, nil, ErrNotReserved.New("the reservation is %s", state.Status)
	}
	event := Departed{
		ReservationID: state.ID, OrderID: state.OrderID, Items: state.Items, Rows: state.Rows,
		Marks: marks.of(rowsOf(state.Rows, state.Items)),
	}
	return []es.Commit{req.Commit(head, event)}, []es.Effect{s.depart(state, marks)}, nil
}

// depart takes what is reserved out of the rows that it is in.
func (s Service) depart(state ReservationState, marks Marks) es.Effect {
	if len(state.Rows) > 0 {
		return s.deps.Counters.Move(departed(state.Rows, nil), marks, nil)
	}
	return s.deps.Counters.Depart(state.Items, marks)
}

// closing is the last event of a reservation whose order has left.
func closing(state ReservationState) Committed {
	return Committed{
		ReservationID: state.ID, OrderID: state.OrderID, Items: state.Items, Rows: state.Rows, Departed: state.Departed,
	}
}

// Leave says that the items have left, where their shipment's dispatch did not say so to the books:
// one of a release whose dispatches told them nothing, or one that the counters could not follow.
// first reports whether it was this request that made them leave, now, at an earlier try, or by a
// dispatch with the same commit id. The errors are Departure's.
func (s Service) Leave(ctx context.Context, req es.Request, orderID string, revision int64) (first bool, err error) {
	marks := Marks{}
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		state, history, err := s.reservation(ctx, orderID, revision)
		if err != nil {
			return err
		}
		if _, first = history.Commit(req.CommitID); first || state.Departed {
			return nil
		}
		commits, effects, err := s.departure(req, history.Head, state, marks)
		if err != nil {
			return err
		}
		_, err = s.deps.Store.Append(ctx, commits, effects...)
		first = err == nil
		return err
	})
	return first, err
}

// Commit says that an order is shipped, and closes the reservation of one revision of it, where its
// dispatch has not. Items that have not left by then leave by this. One that is closed is left as
// it is. ErrNotReserved where nothing is reserved, ErrInconsistent where the
// counters can't follow.
func (s Service) Commit(ctx context.Context, req es.Request, orderID string, revision int64) (ReservationState, error) {
	var state ReservationState
	marks := Marks{}
	err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		var history es.History
		var err error
		if state, history, err = s.reservation(ctx, orderID, revision); err != nil {
			return err
		}
		switch {
		case state.Committed:
			return nil
		case state.Status != es.AttemptDone:
			return ErrNotReserved.New("the reservation is %s", state.Status)
		}
		event := closing(state)
		var effects []es.Effect
		if !state.Departed {
			event.Marks = marks.of(rowsOf(state.Rows, state.Items))
			effects = append(effects, s.depart(state, marks))
		}
		commits := []es.Commit{req.Commit(history.Head, event)}
		if _, err = s.deps.Store.Append(ctx, commits, effects...); err != nil {
			return err
		}
		state = EvolveReservation(state, event)
		return nil
	})
	return state, err
}

// reservation loads the reservation of one revision of an order with its history.
func (s Service) reservation(
	ctx context.Context, orderID string, revision int64,
) (state ReservationState, history es.History, err error) {
	stream := es.NewStreamID(ReservationCategory, ReservationID(orderID, revision))
	if history, err = s.deps.Store.Load(ctx, stream, 0); err == nil {
		state, err = s.attempts.Fold(history)
	}
	return state, history, err
}

// Reservation loads the reservation of one revision of an order. One that nobody tried is open.
func (s Service) Reservation(ctx context.Context, orderID string, revision int64) (ReservationState, error) {
	return s.attempts.Get(ctx, ReservationID(orderID, revision))
}

// Set says how many pieces of a SKU are on the shelf, those that are reserved and packed included.
// match is the version as it was read before anybody looked at the shelf; any other is
// ErrVersionMismatch: so it is where a parcel has left since, which nobody knows to be in the
// number or not. No clock decides that.
//
// left are parcels with pieces of the SKU that were gone from the shelf by then, whether anybody
// had said so or not: a carrier's call may come late, or again. They have left by this request, and
// the number is without them. At most MaxLeft; ErrNotLeft for one that can't have left with the
// SKU.
//
// ErrInsufficient where more are reserved than would be on hand, ErrInconsistent where the counters
// are not what the SKU's events say. What is refused has written nothing, but where somebody else
// changes the SKU meanwhile: then the named parcels may have left all the same, as they have.
//
// The number that was counted before, with its own version, changes nothing. A request that was
// carried out before, known by its commit id, is answered with the present level while nobody has
// counted since; one whose id is another each time, and whose first answer was lost, meets the
// version that it made itself.
func (s Service) Set(
	ctx context.Context, req es.Request, sku string, onHand int64, match Match, left ...Parcel,
) (Level, error) {
	if !ValidSKU(sku) {
		return Level{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	}
	if match.want() < 0 {
		return Level{}, ErrVersionRequired.New("name the version that was counted against")
	}
	c, want := adjustment{SKU: sku, OnHand: onHand}, expected{version: match.want()}
	var open []Parcel
	err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) (err error) {
		open, want.left, err = s.open(ctx, req, c, want.version, left)
		return err
	})
	if err != nil {
		return Level{}, err
	}
	for _, p := range open {
		first, err := s.leave(ctx, leaving(req, p), p)
		if err != nil {
			return Level{}, err
		}
		if first {
			want.left++
		}
	}
	marks, waiting := Marks{}, Waiting{}
	if want == (expected{}) {
		if level, counted, err := s.countNew(ctx, req, c, marks, waiting); counted || err != nil {
			return level, err
		}
	}
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		return s.count(ctx, req, c, want, marks, waiting)
	})
	if err != nil {
		return Level{}, err
	}
	level, err := s.Get(ctx, sku)
	if err != nil || level.Shards <= 1 {
		return level, err
	}
	// Where others are at the rows all the time, orders take from the SKU's own as well.
	if err = s.again(ctx, moving("stock-spread", req), sku); errors.Is(err, es.ErrConflict) {
		err = nil
	}
	return level, err
}

// moving is the request by which a count moves pieces between the rows of its SKU.
func moving(why string, req es.Request) es.Request {
	return es.Request{CommitID: ident.Derive(why, req.CommitID), Time: req.Time, Metadata: req.Metadata}
}

// countNew counts a SKU that nobody has counted, and takes that for true without a read: the
// append's conditions say whether it is. counted is false where they refuse, or an earlier try of
// the request has counted it: then row and stream have to be read.
func (s Service) countNew(
	ctx context.Context, req es.Request, c adjustment, marks Marks, waiting Waiting,
) (level Level, counted bool, err error) {
	if checkOnHand(c.OnHand) != nil {
		return Level{}, false, nil //nolint:nilerr // it may not be what is wrong first
	}
	own := []Item{{SKU: c.SKU}}
	event := Restocked{
		SKU: c.SKU, Delta: c.OnHand, Counted: c.OnHand, Marks: marks.of(own), Waiting: waiting.of(own),
	}
	commit := req.Commit(es.Empty(es.NewStreamID(Category, c.SKU)), event)
	effect := s.deps.Counters.Restock(Level{SKU: c.SKU}, c.OnHand, 1, marks, waiting)
	appended, err := s.deps.Store.Append(ctx, []es.Commit{commit}, effect)
	switch {
	case errors.Is(err, es.ErrConflict) || faults.Final(err):
		return Level{}, false, nil
	case err != nil || appended.Recognised:
		return Level{}, false, err
	}
	return Level{SKU: c.SKU, OnHand: c.OnHand, Available: c.OnHand, Version: 1}, true, nil
}

// open gives those of the parcels that have not left, and how many left by this very request, at an
// earlier try. It refuses all that can be refused before any of them is made to leave, and nothing
// on account of what a twin of the request does: what it refuses is so while the reservations are
// as they were read.
func (s Service) open(
	ctx context.Context, req es.Request, c adjustment, version int64, parcels []Parcel,
) (open []Parcel, left int64, err error) {
	if len(parcels) > MaxLeft {
		return nil, 0, ErrNotLeft.Field("body.left", "expected at most %d parcels, got %d", MaxLeft, len(parcels))
	}
	pieces, ends, refused := int64(0), map[string]es.Head{}, error(nil)
	for i, p := range parcels {
		state, history, err := s.reservation(ctx, p.OrderID, p.Revision)
		if err != nil {
			return nil, 0, err
		}
		quantity := state.quantity(c.SKU)
		_, seen := ends[state.ID]
		ends[state.ID] = history.Head
		switch _, mine := history.Commit(leaving(req, p).CommitID); {
		case seen:
		case state.Status != es.AttemptDone || quantity == 0:
			refused = cmp.Or[error](refused, ErrNotLeft.Field(fmt.Sprintf("body.left[%d]", i),
				"no pieces of %s are reserved for it", quote(c.SKU)))
		case mine:
			left++
		case state.Departed: // before the version that was counted against, or it is another by now
		default:
			open, pieces = append(open, p), pieces+quantity
		}
	}
	if len(open) > 0 && refused == nil {
		level, _, err := s.deps.Counters.Level(ctx, c.SKU)
		if err != nil {
			return nil, 0, fmt.Errorf("stock: read level: %w", err)
		}
		refused = cmp.Or(mismatch(level, c.SKU, expected{version, left}), checkOnHand(c.OnHand))
		if refused == nil && c.OnHand < level.Reserved-pieces {
			refused = moreReserved(c.SKU, c.OnHand)
		}
	}
	if faults.Final(refused) {
		heads := slices.Collect(maps.Values(ends))
		return nil, 0, cmp.Or(s.deps.Store.Confirm(ctx, heads...), refused)
	}
	return open, left, refused
}

// leave makes a parcel leave that a count names.
func (s Service) leave(ctx context.Context, req es.Request, p Parcel) (first bool, err error) {
	if p.Dispatch != nil {
		if err := p.Dispatch(ctx, req); err != nil {
			return false, err
		}
	}
	return s.Leave(ctx, req, p.OrderID, p.Revision)
}

// leaving is the request by which a count says of a parcel that it has left.
func leaving(req es.Request, p Parcel) es.Request {
	id := ident.Derive("stock-left", req.CommitID, ReservationID(p.OrderID, p.Revision))
	return es.Request{CommitID: id, Time: req.Time, Metadata: req.Metadata}
}

// expected is the version that a level has to have: the one that was counted against, and one more
// for each parcel that has left by the count.
type expected struct{ version, left int64 }

// mismatch is nil where the level has the version that is expected. It is an es.ErrConflict where
// the row doesn't show yet what has left: reservation and row are written together, and seen one by
// one.
func mismatch(level Level, sku string, want expected) error {
	switch {
	case level.Version == want.version+want.left:
		return nil
	case want.version <= level.Version && level.Version < want.version+want.left:
		stream := es.NewStreamID(Category, sku)
		return &es.ConflictError{Stream: stream, Expected: want.version + want.left, Actual: level.Version}
	case want.version == 0:
		return ErrVersionMismatch.New("%s was counted before: its version is %d", quote(sku), level.Version)
	default:
		return ErrVersionMismatch.New("the version of %s is %d, not %d", quote(sku), level.Version, want.version)
	}
}

func moreReserved(sku string, onHand int64) error {
	return ErrInsufficient.Field("body.onHand", "more of %s are reserved than %d", quote(sku), onHand)
}

// count is one try of Set. It reads the row and the stream's end, however often the SKU was
// counted: the row is what the stream would be folded to.
func (s Service) count(
	ctx context.Context, req es.Request, c adjustment, want expected, marks Marks, waiting Waiting,
) error {
	level, _, err := s.deps.Counters.Level(ctx, c.SKU)
	if err != nil {
		return fmt.Errorf("stock: read level: %w", err)
	}
	level.SKU = c.SKU
	from, effects := level, []es.Effect(nil)
	if level.Shards > 0 {
		rows, err := s.deps.Counters.Shards(ctx, c.SKU)
		if err != nil {
			return fmt.Errorf("stock: read shards: %w", err)
		}
		level, from = Summed(rows), Summed(rows[:1])
		effects = append(effects, s.deps.Counters.Undeparted(rows[1:]))
	}
	head, err := s.end(ctx, es.NewStreamID(Category, c.SKU), level.Counts())
	if err != nil {
		return err
	}
	c.Before = level.OnHand
	events := []Event{Restocked{SKU: c.SKU, Delta: c.OnHand - c.Before, Counted: c.OnHand}}
	if head.Version() == level.Counts() {
		if head.CommitID() == req.CommitID {
			return nil
		}
		if err := mismatch(level, c.SKU, want); err != nil {
			return err
		}
		if events, err = Decider.Decide(c, State{Known: head.Version() > 0}); err != nil || len(events) == 0 {
			return err
		}
	} // else the append can't succeed; it tells whether somebody counts just now, or the row is broken
	commit := req.Commit(head)
	for _, e := range events {
		restocked := e.(Restocked) // there is no other event of a SKU
		own := []Item{{SKU: c.SKU}}
		restocked.Marks, restocked.Waiting = marks.of(own), waiting.of(own)
		commit.Events = append(commit.Events, restocked)
	}
	version, delta := head.Version()+int64(len(events)), c.OnHand-c.Before
	effects = append(effects, s.deps.Counters.Restock(from, delta, version, marks, waiting))
	_, err = s.deps.Store.Append(ctx, []es.Commit{commit}, effects...)
	if !errors.Is(err, ErrInsufficient) {
		return err
	}
	if level.Available+delta < 0 || level.Shards == 0 {
		return moreReserved(c.SKU, c.OnHand)
	}
	// They are in the rows of shards.
	return cmp.Or(s.gather(ctx, moving("stock-gather", req), c.SKU), Elsewhere(c.SKU))
}

// end gives the end of a stream that is thought to be at version, with one read of its last commit
// where it is, and two where not.
func (s Service) end(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	head, err := s.deps.Store.At(ctx, stream, version)
	var other *es.ConflictError
	if errors.As(err, &other) {
		head, err = s.deps.Store.At(ctx, stream, other.Actual)
	}
	return head, err
}

// Get reads how much there is of a SKU: it always shows one's own write. ErrNotFound where nobody
// has counted it.
func (s Service) Get(ctx context.Context, sku string) (Level, error) {
	if !ValidSKU(sku) {
		return Level{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	}
	level, found, err := s.deps.Counters.Level(ctx, sku)
	if err != nil {
		return Level{}, fmt.Errorf("stock: read level: %w", err)
	}
	if !found || level.Counts() == 0 {
		return Level{}, ErrNotFound.New("nobody has counted %s", quote(sku))
	}
	return level, nil
}
