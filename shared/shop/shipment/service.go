package shipment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/trail"
)

// addressField is what an order's address is sealed as.
const addressField = "order.address"

// ID names the attempt to ship one revision of an order.
func ID(orderID string, revision int64) string {
	return ident.Derive(Category, orderID, strconv.FormatInt(revision, 10))
}

// Schedule asks for a shipment.
type Schedule struct {
	OrderID    string
	Revision   int64
	CustomerID string          // whose data key the address is under
	Address    personal.Sealed // an Address
}

// Deps is what the service works with.
type Deps struct {
	Store  es.Store
	Clock  clock.Clock
	Vault  personal.Vault            `wiring:"optional"` // what schedules, dispatches and shows addresses needs it
	Serves func(country string) bool `wiring:"optional"` // whether orders are shipped there; what schedules needs it
	Books  Books                     `wiring:"optional"` // of what is in the warehouse; what dispatches needs them
}

// Books are changed at the very moment at which a shipment leaves.
type Books interface {
	// Departure gives, at each try, what the append of a dispatch writes besides, by the same
	// request: what closes the books of that revision, or nothing where they have heard of it and
	// are closed later. A fault, from it or from an effect of it,
	// says that they can't follow.
	Departure(orderID string, revision int64) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error)
}

// Service schedules and cancels shipments, and says how far they have come.
type Service struct {
	deps     Deps
	attempts es.Attempt[State]
	handler  es.Handler[command, State, Event]
}

// New makes the service.
func New(deps Deps) Service {
	handler := es.Handler[command, State, Event]{
		Category: Category, Decider: decider, Store: deps.Store, Clock: deps.Clock, Continues: true,
	}
	return Service{deps: wiring.Complete(deps), handler: handler, attempts: es.Attempt[State]{
		Category: Category, Store: deps.Store, Clock: deps.Clock,
		Fold: func(h es.History) (State, error) {
			return es.Fold(State{ID: h.Head.Stream().ID()}, Evolve, h.Events)
		},
		Status: State.Attempt,
		Fault:  State.fault,
	}}
}

// Schedule schedules the shipment of one revision of an order. ErrCountryNotServed and
// ErrAddressUnreadable stay the answer for that revision; es.ErrAttemptClosed where the shipment
// was cancelled before.
func (s Service) Schedule(ctx context.Context, req es.Request, c Schedule) (State, error) {
	id := ID(c.OrderID, c.Revision)
	attempts := s.attempts
	attempts.Refused = func(f *faults.Fault) es.Plan {
		return es.Plan{Event: Refused{ShipmentID: id, OrderID: c.OrderID, Code: f.Code, Detail: f.Detail}}
	}
	return attempts.Do(ctx, id, req, func(ctx context.Context, _ *es.Reads) (es.Plan, error) {
		address, err := s.readable(ctx, State{OrderID: c.OrderID, CustomerID: c.CustomerID, Address: c.Address})
		if err != nil {
			return es.Plan{}, err
		}
		if !s.deps.Serves(address.Country) {
			// The detail is stored in clear and published: it doesn't tell which country.
			return es.Plan{}, ErrCountryNotServed.New("orders are not shipped to the address's country")
		}
		return es.Plan{Event: Scheduled{
			ShipmentID: id, OrderID: c.OrderID, TrackingNumber: TrackingNumber(id), Revision: c.Revision,
		}}, nil
	})
}

// readable decrypts where a shipment goes. ErrAddressUnreadable where nobody can any more.
func (s Service) readable(ctx context.Context, of State) (Address, error) {
	address, err := s.OpenAddress(ctx, of)
	if errors.Is(err, personal.ErrErased) {
		return address, ErrAddressUnreadable.New("the customer's personal data is erased")
	}
	return address, err
}

// OpenAddress decrypts where a shipment that is prepared goes. personal.ErrErased where the
// customer was erased.
func (s Service) OpenAddress(ctx context.Context, of State) (Address, error) {
	var address Address
	plain, err := s.deps.Vault.Open(ctx, of.CustomerID, addressField, of.Address)
	if err != nil {
		return address, fmt.Errorf("shipment: open the address of order %s: %w", of.OrderID, err)
	}
	// The decoder's error may quote the address, and goes to a log.
	if json.Unmarshal(plain, &address) != nil {
		return address, fmt.Errorf("shipment: the address of order %s is no address", of.OrderID)
	}
	return address, nil
}

// Cancel asks for a shipment to be taken back.
type Cancel struct {
	OrderID  string
	Revision int64
	Origin   string          // who wants the order cancelled: an order.Origin
	Reason   string          // why: an order.Reason
	Note     personal.Sealed // their own words, or ""
}

// Cancel takes the shipment of one revision of an order back. One that was never scheduled is
// voided, and will be refused should it still be; one that was refused or cancelled is left as it
// is. ErrDispatched where it has left.
func (s Service) Cancel(ctx context.Context, req es.Request, c Cancel) (State, error) {
	id := ID(c.OrderID, c.Revision)
	voided := Voided{ShipmentID: id, OrderID: c.OrderID}
	return s.attempts.Undo(ctx, id, req, voided, func(_ context.Context, _ *es.Reads, state State) (es.Plan, error) {
		if state.Status == StatusDispatched || state.Status == StatusDelivered {
			return es.Plan{}, ErrDispatched.New("the shipment is %s", state.Status)
		}
		return es.Plan{
			Event: Cancelled{ShipmentID: id, OrderID: c.OrderID, Origin: c.Origin, Reason: c.Reason, Note: c.Note},
		}, nil
	})
}

// Prepare packs a shipment with what its order has, as the shop's own copy says. One that is
// prepared or further is left as it is. ErrNotFound where it was never scheduled, ErrCancelled
// where it was refused or taken back.
func (s Service) Prepare(ctx context.Context, req es.Request, shipmentID string, of Copy) (es.Result[State], error) {
	return s.handler.Handle(
		ctx, shipmentID, req, prepare{customerID: of.CustomerID, items: of.items(), address: of.Address},
	)
}

// Dispatch hands a shipment over to the carrier: it can't be cancelled from here on. In the same
// transaction its pieces leave the books of the warehouse, and those of its order are closed. One
// that has left is left as it is. ErrNotFound, ErrCancelled, ErrNotPrepared where it is not packed,
// or ErrAddressUnreadable where nobody can say any more where it goes. Books that can't follow
// don't keep it, since it has left: whoever closes the books of the order meets that again.
//
// It is decided on the very state whose address can be read. That it can't has to be so while the
// shipment is in that state still: the vault is asked after the stream, and a twin of the request
// may have been through before. Whoever asks for it, it continues the order that the shipment is
// of, with the correlation id of the stream's first event.
func (s Service) Dispatch(
	ctx context.Context, req es.Request, shipmentID string,
) (res es.Result[State], err error) {
	depart, again := s.departing(), false // again: the first try has met something, maybe its key
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		for {
			history, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, shipmentID), 0)
			if err != nil {
				return err
			}
			res = es.Result[State]{Head: history.Head}
			if len(history.Events) > 0 {
				first := history.Events[0].Metadata
				res.CorrelationID, res.Traceparent = first.CorrelationID, first.Traceparent
			}
			if res.State, err = decider.Fold(history); err != nil {
				return err
			}
			if fingerprint, found := history.Commit(req.CommitID); found {
				res.Repeated = true
				if fingerprint != req.Fingerprint {
					return es.ErrKeyReused
				}
				return nil
			}
			unreadable := s.leavable(ctx, res.State)
			if unreadable != nil && !faults.Final(unreadable) {
				return unreadable
			}
			events, refused := decider.Decide(dispatch{at: req.Time}, res.State)
			claims := req.Unclaimed()
			if again || unreadable != nil || refused != nil || len(events) == 0 {
				if claims, err = req.Claimed(ctx, s.deps.Store); err != nil {
					return err
				}
			}
			again = true
			if unreadable != nil {
				return cmp.Or(s.deps.Store.Confirm(ctx, history.Head), unreadable)
			}
			if refused != nil || len(events) == 0 {
				return refused
			}
			req := req
			req.Metadata.CorrelationID = cmp.Or(res.CorrelationID, req.Metadata.CorrelationID)
			dispatched := events[0].(Dispatched) // there is no other event of a dispatch
			var recognised bool
			if res, recognised, err = depart(ctx, req, res, dispatched, claims); err != nil || !recognised {
				return err
			}
		}
	})
	return res, err
}

// leavable refuses a packed shipment of which nobody can say any more where it goes.
func (s Service) leavable(ctx context.Context, of State) error {
	if of.Status != StatusPrepared {
		return nil
	}
	_, err := s.readable(ctx, of)
	return err
}

// departing appends a dispatch with the claims that go with it, and what the books have to say of
// it: the event tells whether that closes them. recognised means that an earlier try was there.
func (s Service) departing() func(
	ctx context.Context, req es.Request, of es.Result[State], dispatched Dispatched, claims []es.Commit,
) (res es.Result[State], recognised bool, err error) {
	var departure func(context.Context, es.Request) ([]es.Commit, []es.Effect, error)
	return func(
		ctx context.Context, req es.Request, of es.Result[State], dispatched Dispatched, claims []es.Commit,
	) (res es.Result[State], recognised bool, err error) {
		if departure == nil {
			departure = s.deps.Books.Departure(of.State.OrderID, of.State.Revision)
		}
		with := func(books []es.Commit, effects ...es.Effect) (es.Result[State], bool, error) {
			dispatched.StockClosed = len(books) > 0
			commits := slices.Concat([]es.Commit{req.Commit(of.Head, dispatched)}, claims, books)
			appended, err := s.deps.Store.Append(ctx, commits, effects...)
			if err != nil {
				return of, false, err
			}
			res := of
			res.State, res.Head = Evolve(of.State, dispatched), appended.Heads[0]
			return res, appended.Recognised, nil
		}
		books, effects, err := departure(ctx, req)
		if err == nil {
			res, recognised, err = with(books, effects...)
		}
		if !faults.Final(err) {
			return res, recognised, err
		}
		slog.ErrorContext(
			trail.With(ctx, trail.Order(of.State.OrderID, req.Metadata)),
			"a shipment leaves, and the books of stock can't follow",
			"shipment", of.State.ID, "revision", of.State.Revision, "error", err.Error(),
		)
		return with(nil)
	}
}

// Deliver says that the carrier handed a shipment over. One that has arrived is left as it is.
// ErrNotFound, ErrCancelled, or ErrNotDispatched where it has not left.
func (s Service) Deliver(ctx context.Context, req es.Request, shipmentID string) (es.Result[State], error) {
	return s.handler.Handle(ctx, shipmentID, req, deliver{})
}

// DeliverFrom is Deliver on what Dispatch has given, without a read where the shipment is still as
// it was then.
func (s Service) DeliverFrom(
	ctx context.Context, req es.Request, from es.Result[State],
) (es.Result[State], error) {
	return s.handler.HandleFrom(ctx, from, req, deliver{})
}

// Find loads a shipment by its own id. ErrNotFound where there is none.
func (s Service) Find(ctx context.Context, shipmentID string) (es.Result[State], error) {
	res, err := s.handler.Get(ctx, shipmentID)
	if err == nil && !res.State.Exists() {
		err = ErrNotFound.New("there is no such shipment")
	}
	return res, err
}

// Get loads the shipment of one revision of an order. One that nobody tried is open.
func (s Service) Get(ctx context.Context, orderID string, revision int64) (State, error) {
	return s.attempts.Get(ctx, ID(orderID, revision))
}
