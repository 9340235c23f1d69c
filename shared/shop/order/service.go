package order

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

// The fields that an order's sealed data is bound to.
const (
	AddressField = "order.address"
	NoteField    = "order.note"
)

// Customers says who may order.
type Customers interface {
	// Registered reports whether the customer is known. A fault says why one who is known may not
	// order.
	Registered(ctx context.Context, customerID string) (bool, error)
}

// Shipments takes shipments back, and has them follow an amendment.
type Shipments interface {
	// Cancel takes the shipment of one revision of an order back. shipment.ErrDispatched where it
	// has left.
	Cancel(ctx context.Context, req es.Request, c shipment.Cancel) (shipment.State, error)
	// Amendment gives the shipment of that revision of an order other contents.
	Amendment(orderID string, revision int64, to shipment.Contents) Part
}

// Deps is what the service works with.
type Deps struct {
	Store     es.Store
	Clock     clock.Clock
	Vault     personal.Vault `wiring:"optional"`
	Customers Customers      `wiring:"optional"`
	Prices    Prices         `wiring:"optional"`
	Shipments Shipments      `wiring:"optional"`
	// who amends needs both
	Reservations Reservations `wiring:"optional"`
	Payments     Payments     `wiring:"optional"`
	Accounts     Accounts     `wiring:"optional"`
	// HoldRules say which orders wait for approval. First orders need Confirmations.
	HoldRules     HoldRules     `wiring:"optional"`
	Confirmations Confirmations `wiring:"optional"`
	// Recent is for whoever runs one command after the other on an order: where the same process
	// has left it, and it is still so, the next one needs no read.
	Recent *Recent `wiring:"optional"`
}

// Service carries out the commands on orders.
type Service struct {
	deps    Deps
	handler es.Handler[Command, State, Event]
}

// New makes the service. Who only runs commands needs neither Vault nor Customers nor Prices;
// Shipments are for who cancels, and
// Accounts for who pays again.
func New(deps Deps) Service {
	s := Service{
		deps: wiring.Complete(deps),
		handler: es.Handler[Command, State, Event]{
			Category: Category, Decider: Decider, Store: deps.Store, Clock: deps.Clock, Continues: true,
		},
	}
	s.handler.Beside = Service{deps: s.deps, handler: s.handler}.beside
	return s
}

// CancelInput says who wants an order cancelled, and why.
type CancelInput struct {
	Origin Origin // OriginCustomer or OriginOperator
	Reason Reason // "" for that it is what they want
	Note   string // in their own words
	// CustomerID is who asks, where Origin is OriginCustomer: it has to be their own order.
	CustomerID string
}

// Cancel is a person's request to cancel an order: it closes the order by the command Close, and
// the saga then undoes it. Of a confirmed order it takes the shipment back first: the shipment's
// stream decides between this and the dispatch. ErrDispatched where the shipment is dispatched.
// ErrNotFound also for another customer's order. An order that is closed already is left as it is:
// nothing is written, and the request's key may be used again. personal.ErrErased where there is a
// note and the customer was erased. With a note the request's fingerprint is stored as one under
// the customer's key, since it follows from the note. What it writes belongs to the order, and has
// the correlation id of the order's first event.
//
// Where it ends between the two, whoever follows shipments closes the order.
func (s Service) Cancel(ctx context.Context, req es.Request, orderID string, in CancelInput) (es.Result[State], error) {
	loaded, err := s.handler.Load(ctx, orderID)
	if err != nil {
		return es.Result[State]{}, err
	}
	if !loaded.State.Exists() || in.Origin == OriginCustomer && in.CustomerID != loaded.State.CustomerID {
		return es.Result[State]{}, NotFound()
	}
	command := Close{Origin: in.Origin, Reason: cmp.Or(in.Reason, in.Origin.reason())}
	command.Note, req.Fingerprint, err = s.sealNote(ctx, loaded.State.CustomerID, in.Note, req.Fingerprint)
	if err != nil {
		return es.Result[State]{}, err
	}
	res, err := s.handler.HandleLoaded(ctx, loaded, req, command)
	if !errors.Is(err, ErrShipmentUnderWay) {
		return res, err
	}
	req.Metadata.CorrelationID = cmp.Or(res.CorrelationID, req.Metadata.CorrelationID)
	stopped, err := s.deps.Shipments.Cancel(ctx, req, shipment.Cancel{
		OrderID: orderID, Revision: res.State.ShipmentRevision, Origin: string(in.Origin),
		Reason: string(command.Reason),
		Note:   command.Note,
	})
	if errors.Is(err, shipment.ErrDispatched) {
		return res, ErrDispatched.New("the order's shipment is dispatched, and the order can't be cancelled any more")
	}
	if err != nil {
		return res, fmt.Errorf("order: take the shipment of order %s back: %w", orderID, err)
	}
	command.Stopped, req.Claim.Begun = stopped.ID, true
	return s.handler.Handle(ctx, orderID, req, command)
}

// reason is why a person's order is cancelled.
func (o Origin) reason() Reason {
	if o == OriginOperator {
		return ReasonOperator
	}
	return ReasonCustomer
}

// Stopped is what a shipment that was taken back says.
type Stopped struct {
	ShipmentID string
	Origin     Origin // who wanted it
	Reason     Reason // "" where it doesn't say
	Note       personal.Sealed
}

// CloseStopped closes an order whose shipment was taken back for a person who may have got no
// further. The saga takes shipments back only of orders that are closed: so it is with every order
// but a confirmed one, which is left as it is, and is ErrNobodyStopped.
func (s Service) CloseStopped(
	ctx context.Context, req es.Request, orderID string, by Stopped,
) (es.Result[State], error) {
	res, err := s.Get(ctx, orderID)
	if err != nil || res.State.Status != StatusConfirmed {
		return res, err
	}
	res, err = s.handler.Handle(ctx, orderID, req, Close{
		Origin: by.Origin, Reason: cmp.Or(by.Reason, by.Origin.reason()), Note: by.Note, Stopped: by.ShipmentID,
	})
	if err == nil && res.State.Status == StatusConfirmed {
		err = fmt.Errorf("%w: order %s, shipment %s, by %q", ErrNobodyStopped, orderID, by.ShipmentID, by.Origin)
	}
	return res, err
}

// Run carries out a command of the saga, the sweep or the carrier on an order. What it writes
// belongs to the order, and has the correlation id of the order's first event. An order that is
// remembered is not read, if it is still as it was: the append tells.
func (s Service) Run(
	ctx context.Context, req es.Request, orderID string, c Command,
) (res es.Result[State], err error) {
	began := s.deps.Clock.Now()
	if from, ok := s.deps.Recent.recall(orderID, began); ok && once(c) {
		res, err = s.handler.HandleFrom(ctx, from, req, c)
	} else {
		res, err = s.handler.Handle(ctx, orderID, req, c)
	}
	if err == nil {
		s.deps.Recent.remember(orderID, res, began)
	}
	return res, err
}

// once reports whether a command that was carried out yields no events ever again, whatever has
// come since. Another one has to be looked for in the stream: a run that starts an order, which
// another run then takes over, would take it back when its request comes again.
func once(c Command) bool {
	switch c.(type) {
	case Confirm, FinishUndo, Ship, Deliver:
		return true
	}
	return false
}

// RunFrom is Run on what an earlier command has given, without a read where the order is still as
// it was then.
func (s Service) RunFrom(
	ctx context.Context, req es.Request, from es.Result[State], c Command,
) (es.Result[State], error) {
	return s.handler.HandleFrom(ctx, from, req, c)
}

// Get folds the order's stream: it always shows one's own write. ErrNotFound where there is none.
func (s Service) Get(ctx context.Context, orderID string) (es.Result[State], error) {
	res, err := s.handler.Get(ctx, orderID)
	if err == nil && !res.State.Exists() {
		err = NotFound()
	}
	return res, err
}

// Refresh is Get for whoever has an earlier Result: it reads what came after that, and no more.
func (s Service) Refresh(ctx context.Context, earlier es.Result[State]) (es.Result[State], error) {
	return s.handler.Refresh(ctx, earlier)
}

// NotFound is the one answer about an order that is not there, or is none that the caller may see.
func NotFound() error { return ErrNotFound.New("there is no such order") }

// AsOf gives the order as it was. ErrNotFound where there was none by then.
func (s Service) AsOf(ctx context.Context, orderID string, p es.Point) (es.Past[State], error) {
	past, err := s.handler.AsOf(ctx, orderID, p)
	if err == nil && !past.State.Exists() {
		err = ErrNotFound.New("there was no such order by then")
	}
	return past, err
}

// History gives the events of an order, oldest first. ErrNotFound where there are none.
func (s Service) History(ctx context.Context, orderID string) ([]es.Recorded, error) {
	h, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, orderID), 0)
	if err == nil && len(h.Events) == 0 {
		err = NotFound()
	}
	return h.Events, err
}

// OpenAddress decrypts where the order goes. personal.ErrErased where the customer was erased.
func (s Service) OpenAddress(ctx context.Context, order State) (shipment.Address, error) {
	var address shipment.Address
	plain, err := s.deps.Vault.Open(ctx, order.CustomerID, AddressField, order.Address)
	if err != nil {
		return address, fmt.Errorf("order %s: open address: %w", order.ID, err)
	}
	// The decoder's error may quote the address, and goes to a log.
	if json.Unmarshal(plain, &address) != nil {
		return address, fmt.Errorf("order %s: the address is no address", order.ID)
	}
	return address, nil
}

// OpenNote decrypts what a person wrote who cancelled, approved or amended the order, "" where they
// wrote nothing. personal.ErrErased where the customer was erased.
func (s Service) OpenNote(ctx context.Context, order State, note personal.Sealed) (string, error) {
	if note == "" {
		return "", nil
	}
	plain, err := s.deps.Vault.Open(ctx, order.CustomerID, NoteField, note)
	if err != nil {
		return "", fmt.Errorf("order %s: open note: %w", order.ID, err)
	}
	return string(plain), nil
}
