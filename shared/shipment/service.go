package shipment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/faults"
	"orderflow/shared/ident"
	"orderflow/shared/personal"
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
	Vault  personal.Vault            // what only cancels needs none
	Serves func(country string) bool // whether orders are shipped there; what only cancels needs none
}

// Service schedules and cancels shipments.
type Service struct {
	deps     Deps
	attempts es.Attempt[State]
}

// New makes the service.
func New(deps Deps) Service {
	return Service{deps: deps, attempts: es.Attempt[State]{
		Category: Category, Store: deps.Store, Clock: deps.Clock,
		Fold: func(h es.History) (State, error) {
			return es.Fold(State{ID: h.Head.Stream().ID()}, Evolve, h.Events)
		},
		Status: func(s State) es.AttemptStatus { return s.Status },
		Fault:  State.fault,
	}}
}

// Schedule schedules the shipment of one revision of an order. ErrCountryNotServed and ErrAddressUnreadable stay the answer for that revision;
// es.ErrAttemptClosed where the shipment was cancelled before.
func (s Service) Schedule(ctx context.Context, req es.Request, c Schedule) (State, error) {
	id := ID(c.OrderID, c.Revision)
	attempts := s.attempts
	attempts.Refused = func(f *faults.Fault) any {
		return Refused{ShipmentID: id, OrderID: c.OrderID, Code: f.Code, Detail: f.Detail}
	}
	return attempts.Do(ctx, id, req, func(ctx context.Context) (es.Plan, error) {
		address, err := s.open(ctx, c)
		if err != nil {
			return es.Plan{}, err
		}
		if !s.deps.Serves(address.Country) {
			// The detail is stored in clear and published: it doesn't tell which country.
			return es.Plan{}, ErrCountryNotServed.New("orders are not shipped to the address's country")
		}
		return es.Plan{Event: Scheduled{ShipmentID: id, OrderID: c.OrderID, TrackingNumber: TrackingNumber(id)}}, nil
	})
}

// open decrypts where the shipment goes.
func (s Service) open(ctx context.Context, c Schedule) (Address, error) {
	var address Address
	plain, err := s.deps.Vault.Open(ctx, c.CustomerID, addressField, c.Address)
	switch {
	case errors.Is(err, personal.ErrErased):
		return address, ErrAddressUnreadable.New("the customer's personal data is erased")
	case err != nil:
		return address, fmt.Errorf("shipment: open the address of order %s: %w", c.OrderID, err)
	}
	// The decoder's error may quote the address, and goes to a log.
	if json.Unmarshal(plain, &address) != nil {
		return address, fmt.Errorf("shipment: the address of order %s is no address", c.OrderID)
	}
	return address, nil
}

// Cancel takes the shipment of one revision of an order back. One that was never scheduled is voided, and will be refused should it still be; one that was
// refused or cancelled is left as it is.
func (s Service) Cancel(ctx context.Context, req es.Request, orderID string, revision int64) (State, error) {
	id := ID(orderID, revision)
	return s.attempts.Undo(ctx, id, req, Voided{ShipmentID: id, OrderID: orderID}, func(context.Context, State) (es.Plan, error) {
		return es.Plan{Event: Cancelled{ShipmentID: id, OrderID: orderID}}, nil
	})
}

// Get loads the shipment of one revision of an order. One that nobody tried is open.
func (s Service) Get(ctx context.Context, orderID string, revision int64) (State, error) {
	return s.attempts.Get(ctx, ID(orderID, revision))
}
