package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/faults"
)

// Level is how much there is of a SKU.
type Level struct {
	SKU       string
	OnHand    int64     // available and reserved together
	Available int64     // what the next order can have
	Reserved  int64     // what orders have
	Version   int64     // grows by one when somebody counts and when a reservation leaves, not when an order reserves
	Departed  int64     // how many reservations of it have left so far; the rest of Version is the version of the SKU's stream
	CountedAt time.Time // when somebody counted last, in UTC; zero in a row that was counted last by a release that did not keep it
}

// Counts is the version of the SKU's stream: how often somebody has counted it.
func (l Level) Counts() int64 { return l.Version - l.Departed }

// Departure is an item that leaves the warehouse, and what the books said of its SKU when that was decided.
type Departure struct {
	Item
	Counts     int64 // Level.Counts
	CountedOff bool  // the last count was without the pieces
}

// Counters are the rows that say how much of each SKU is available and reserved. The effects are for the appends of one es.Store, which performs them
// together with the commits or not at all.
type Counters interface {
	// Reserve moves the items from available to reserved. The append is refused with Insufficient, naming each SKU that is short, where too few are
	// available or nobody has counted the SKU.
	Reserve(items []Item) es.Effect
	// Release moves the items from reserved back to available.
	Release(items []Item) es.Effect
	// Commit takes the departures out of reserved for good, and adds one to what has departed of each SKU. One that is counted off is still among what is on
	// hand by mistake: it becomes available. The append is refused with an es.ErrConflict where somebody has counted since a departure was decided.
	Commit(departures []Departure) es.Effect
	// Restock adds delta to what is available, by a count at that time, and says that the SKU's stream is then at version. The append is refused with
	// ErrInsufficient where less than -delta is available, and with an es.ErrConflict where another number of reservations has departed: then delta was taken
	// from a level that is past.
	Restock(sku string, delta, version, departed int64, at time.Time) es.Effect
	// Level reads a row, consistently with every append that was answered before. found is false where nobody has counted the SKU.
	Level(ctx context.Context, sku string) (level Level, found bool, err error)
}

// Deps is what the service works with.
type Deps struct {
	Store    es.Store
	Clock    clock.Clock
	Counters Counters
}

// Service reserves, releases and counts stock.
type Service struct {
	deps     Deps
	attempts es.Attempt[ReservationState]
}

// New makes the service.
func New(deps Deps) Service {
	return Service{deps: deps, attempts: es.Attempt[ReservationState]{
		Category: ReservationCategory, Store: deps.Store, Clock: deps.Clock,
		Fold: func(h es.History) (ReservationState, error) {
			return es.Fold(ReservationState{ID: h.Head.Stream().ID()}, EvolveReservation, h.Events)
		},
		Status: func(s ReservationState) es.AttemptStatus { return s.Status },
		Fault:  ReservationState.fault,
	}}
}

// Reserve reserves all the items or none. ErrInsufficient names the SKUs that are short, and ErrInvalidQuantity what no stock could satisfy; either stays
// the answer for this revision of the order, whatever is counted later. es.ErrAttemptClosed where the reservation was released before it came.
func (s Service) Reserve(ctx context.Context, req es.Request, r Reservation) (ReservationState, error) {
	id := ReservationID(r.OrderID, r.Revision)
	attempts := s.attempts
	attempts.Refused = func(f *faults.Fault) any {
		return Refused{ReservationID: id, OrderID: r.OrderID, Code: f.Code, Detail: f.Detail}
	}
	return attempts.Do(ctx, id, req, func(context.Context) (es.Plan, error) {
		items, err := demand(r.Items)
		if err != nil {
			return es.Plan{}, err
		}
		return es.Plan{
			Event:   Reserved{ReservationID: id, OrderID: r.OrderID, Items: items},
			Effects: []es.Effect{s.deps.Counters.Reserve(items)},
		}, nil
	})
}

// Release takes the reservation of one revision of an order back: exactly the items that its own event names. One that never came is voided, and
// will be refused should it still come; one that was refused or released is left as it is. ErrCommitted where the items have left.
func (s Service) Release(ctx context.Context, req es.Request, orderID string, revision int64) (ReservationState, error) {
	id := ReservationID(orderID, revision)
	return s.attempts.Undo(ctx, id, req, Voided{ReservationID: id, OrderID: orderID}, func(_ context.Context, state ReservationState) (es.Plan, error) {
		if state.Committed {
			return es.Plan{}, ErrCommitted.New("the reserved items have left the warehouse")
		}
		return es.Plan{
			Event:   Released{ReservationID: id, OrderID: orderID, Items: state.Items},
			Effects: []es.Effect{s.deps.Counters.Release(state.Items)},
		}, nil
	})
}

// Commit says that what is reserved for one revision of an order left the warehouse at that time: exactly the items that its own event names. One that has left
// is left as it is. ErrNotReserved where nothing is reserved.
//
// The books hear of a departure after it. Who counts in between finds the shelf without the pieces: of what was counted at that time or later, the pieces leave
// what is reserved alone.
func (s Service) Commit(ctx context.Context, req es.Request, orderID string, revision int64, left time.Time) (ReservationState, error) {
	id := ReservationID(orderID, revision)
	var state ReservationState
	err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		history, err := s.deps.Store.Load(ctx, es.NewStreamID(ReservationCategory, id), 0)
		if err != nil {
			return err
		}
		if state, err = s.attempts.Fold(history); err != nil {
			return err
		}
		switch {
		case state.Committed:
			return nil
		case state.Status != es.AttemptDone:
			return ErrNotReserved.New("the reservation is %s", state.Status)
		}
		departures, err := s.departures(ctx, state.Items, left)
		if err != nil {
			return err
		}
		event := Committed{ReservationID: id, OrderID: orderID, Items: state.Items}
		for _, d := range departures {
			if d.CountedOff {
				event.CountedOff = append(event.CountedOff, d.SKU)
			}
		}
		if _, err = s.deps.Store.Append(ctx, []es.Commit{req.Commit(history.Head, event)}, s.deps.Counters.Commit(departures)); err != nil {
			return err
		}
		state = EvolveReservation(state, event)
		return nil
	})
	return state, err
}

// departures compares the last count of each SKU with the time at which the items left.
func (s Service) departures(ctx context.Context, items []Item, left time.Time) ([]Departure, error) {
	out := make([]Departure, len(items))
	for i, item := range items {
		level, _, err := s.deps.Counters.Level(ctx, item.SKU)
		if err != nil {
			return nil, fmt.Errorf("stock: read level: %w", err)
		}
		out[i] = Departure{Item: item, Counts: level.Counts(), CountedOff: !level.CountedAt.IsZero() && !level.CountedAt.Before(left)}
	}
	return out, nil
}

// Reservation loads the reservation of one revision of an order. One that nobody tried is open.
func (s Service) Reservation(ctx context.Context, orderID string, revision int64) (ReservationState, error) {
	return s.attempts.Get(ctx, ReservationID(orderID, revision))
}

// Set says how many pieces of a SKU are on hand, those that are reserved included. match is the version that was counted against; any other is
// ErrVersionMismatch: so it is too when pieces have left since, which nobody knows to be in the number or not. ErrInsufficient where more are reserved than would be on hand.
//
// The request's time is taken for the time of the count: what was dispatched before it is taken to be missing in the number, whether the books have heard of
// that or not (Commit), and what is dispatched after it to be in it.
//
// The number that was counted before, with its own version, changes nothing where no piece is reserved. A request that was carried out before, known by its commit id, is answered
// with the present level while nobody has counted since; one whose id is another each time, and whose first answer was lost, meets the version that it
// made itself.
func (s Service) Set(ctx context.Context, req es.Request, sku string, onHand int64, match Match) (Level, error) {
	if !ValidSKU(sku) {
		return Level{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	}
	if match.want() < 0 {
		return Level{}, ErrVersionRequired.New("name the version that was counted against")
	}
	err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		return s.count(ctx, req, count{SKU: sku, OnHand: onHand}, match.want())
	})
	if err != nil {
		return Level{}, err
	}
	return s.Get(ctx, sku)
}

// count is one try of Set.
func (s Service) count(ctx context.Context, req es.Request, c count, want int64) error {
	history, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, c.SKU), 0)
	if err != nil {
		return err
	}
	state, err := Decider.Fold(history)
	if err != nil {
		return err
	}
	if fingerprint, found := history.Commit(req.CommitID); found {
		switch {
		case fingerprint != req.Fingerprint:
			return es.ErrKeyReused
		case history.Head.CommitID() != req.CommitID:
			return ErrVersionMismatch.New("%s was counted again since: its version is %d", quote(c.SKU), history.Head.Version())
		}
		return nil
	}
	level, _, err := s.deps.Counters.Level(ctx, c.SKU)
	if err != nil {
		return fmt.Errorf("stock: read level: %w", err)
	}
	if level.Counts() != history.Head.Version() {
		// The row changes together with the stream, so somebody has counted between the two reads.
		return &es.ConflictError{Stream: history.Head.Stream(), Expected: history.Head.Version(), Actual: level.Counts()}
	}
	switch {
	case level.Version == want:
	case want == 0:
		return ErrVersionMismatch.New("%s was counted before: its version is %d", quote(c.SKU), level.Version)
	default:
		return ErrVersionMismatch.New("the version of %s is %d, not %d", quote(c.SKU), level.Version, want)
	}
	c.Before, c.Reserved = level.OnHand, level.Reserved
	events, err := Decider.Decide(c, state)
	if err != nil || len(events) == 0 {
		return err
	}
	commit := req.Commit(history.Head)
	for _, e := range events {
		commit.Events = append(commit.Events, e)
	}
	effect := s.deps.Counters.Restock(c.SKU, c.OnHand-c.Before, history.Head.Version()+int64(len(events)), level.Departed, req.Time)
	_, err = s.deps.Store.Append(ctx, []es.Commit{commit}, effect)
	if errors.Is(err, ErrInsufficient) {
		return ErrInsufficient.Field("body.onHand", "more of %s are reserved than %d", quote(c.SKU), c.OnHand)
	}
	return err
}

// Get reads how much there is of a SKU: it always shows one's own write. ErrNotFound where nobody has counted it.
func (s Service) Get(ctx context.Context, sku string) (Level, error) {
	if !ValidSKU(sku) {
		return Level{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	}
	level, found, err := s.deps.Counters.Level(ctx, sku)
	if err != nil {
		return Level{}, fmt.Errorf("stock: read level: %w", err)
	}
	if !found {
		return Level{}, ErrNotFound.New("nobody has counted %s", quote(sku))
	}
	return level, nil
}
