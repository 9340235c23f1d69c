// Package choreography is what follows an order's confirmation: each context reacts to the events
// of another, and nobody directs them.
//
//	order.updated (confirmed) → shipping prepares → shipment.prepared
//	  → an operator or the carrier dispatches → shipment.dispatched, stock.departed, stock.committed
//	  → order.shipped; shipment.delivered → order.delivered
//
// Any event may come late, more than once and before another that caused it. Each reaction is a
// command that changes nothing when it comes again, its commit's id derives from the event, and
// what a command meets that it can't follow decides: a shipment that is cancelled is not prepared.
// Nothing is undone here: undoing is the saga's alone (docs/sagas.md).
package choreography

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// request identifies a consumer's command that follows from an event: the same event any number of
// times is one command.
func request(c clock.Clock, e es.Envelope, consumer, command string) es.Request {
	return contract.Request(e, consumer, ident.Derive("choreography", consumer, command, e.ID), c.Now())
}

// The consumers, as commits name who acted.
const (
	preparer  = "prepare-shipments"
	follower  = "follow-shipments"
	committer = "commit-stock"
	carrier   = "simulate-carrier"
)

// Shipments is what the consumers ask of shipments.
type Shipments interface {
	Prepare(ctx context.Context, req es.Request, shipmentID string, of shipment.Copy) (es.Result[shipment.State], error)
	Dispatch(ctx context.Context, req es.Request, shipmentID string) (es.Result[shipment.State], error)
	DeliverFrom(
		ctx context.Context, req es.Request, from es.Result[shipment.State],
	) (es.Result[shipment.State], error)
}

// Preparer is shipping: it keeps a copy of each order that is confirmed, and prepares its shipment.
type Preparer struct {
	Copies    shipment.Copies
	Shipments Shipments
	Clock     clock.Clock
}

// Handle takes order.updated, in any order and any number of times: the copy is kept unless there
// is one as new, and while it says that the order is confirmed its shipment is prepared, by each
// repeat too. The rule sends the order as it was confirmed and no other. The rule of earlier
// releases sends every copy, and order.confirmed beside copies that were kept without their
// shipment. Another message is a contract.ErrMalformed.
func (p Preparer) Handle(ctx context.Context, body []byte) error {
	return contract.Handle(ctx, body, contract.On(p.updated), contract.On(p.confirmed))
}

func (p Preparer) updated(ctx context.Context, e es.Envelope, updated contract.OrderUpdated) error {
	known, fresh, err := p.Copies.Put(ctx, copyOf(updated, e.Sequence))
	if err != nil {
		return fmt.Errorf("choreography: %s: %w", e.ID, err)
	}
	if !fresh {
		slog.InfoContext(ctx, "copy refused: there is one as new", "event", e.ID, "sequence", known.Copy.Sequence)
	}
	return p.prepare(ctx, e, known)
}

func (p Preparer) confirmed(ctx context.Context, e es.Envelope, confirmed contract.OrderConfirmed) error {
	known, err := p.Copies.Confirm(ctx, shipment.Confirmation{
		OrderID: confirmed.OrderID, Sequence: e.Sequence, ShipmentID: confirmed.ShipmentID,
	})
	if err != nil {
		return fmt.Errorf("choreography: %s: %w", e.ID, err)
	}
	return p.prepare(ctx, e, known)
}

// prepare prepares the shipment of an order of which all is known.
func (p Preparer) prepare(ctx context.Context, e es.Envelope, known shipment.Known) error {
	id := known.Ready()
	if id == "" {
		return nil
	}
	// The shipment and not the event names the command: more than one event may bring it about, and
	// a shipment is prepared once.
	req := request(p.Clock, e, preparer, "prepare")
	req.CommitID = ident.Derive("choreography", preparer, "prepare", id)
	_, err := p.Shipments.Prepare(ctx, req, id, known.Copy)
	if errors.Is(err, shipment.ErrCancelled) {
		slog.InfoContext(ctx, "not prepared: the shipment is cancelled", "event", e.ID, "shipment", id)
		return nil
	}
	if err != nil {
		return fmt.Errorf("choreography: %s: prepare shipment %s: %w", e.ID, id, err)
	}
	return nil
}

// copyOf is what shipping keeps of an order: the prices are none of its business.
func copyOf(e contract.OrderUpdated, sequence int64) shipment.Copy {
	c := shipment.Copy{
		OrderID: e.OrderID, Sequence: sequence, Status: e.Status, Revision: e.Revision, CustomerID: e.CustomerID,
		Address: personal.Sealed(e.Address), ShipmentID: e.ShipmentID,
		Lines: make([]shipment.Item, len(e.Lines)),
	}
	for i, l := range e.Lines {
		c.Lines[i] = shipment.Item{SKU: l.SKU, Quantity: l.Quantity}
	}
	return c
}

// Orders is what Follower asks of orders.
type Orders interface {
	Run(ctx context.Context, req es.Request, orderID string, c order.Command) (es.Result[order.State], error)
	RunFrom(
		ctx context.Context, req es.Request, from es.Result[order.State], c order.Command,
	) (es.Result[order.State], error)
	CloseStopped(ctx context.Context, req es.Request, orderID string, by order.Stopped) (es.Result[order.State], error)
}

// Arrival is an order that arrives.
type Arrival struct {
	Orders Orders
	Stock  Stock
}

// Deliver says that an order has arrived. It is final from then on, and nobody looks at it again:
// so its reservation is closed before. Mostly the dispatch has closed it; where it has not, the
// order is shipped and the reservation closed now, whether anybody has heard of order.shipped or
// not. Books that can't follow keep back no arrival; why they can't is the error behind it, each
// time.
func (a Arrival) Deliver(
	ctx context.Context, req es.Request, orderID string, d order.Deliver,
) (es.Result[order.State], error) {
	if d.StockClosed { // said by the event that was written with the closing
		return a.Orders.Run(ctx, req, orderID, d)
	}
	ship := req
	ship.CommitID = ident.Derive("ship", req.CommitID)
	res, err := a.Orders.Run(ctx, ship, orderID, order.Ship(d))
	if err != nil {
		return res, err
	}
	_, closed := a.Stock.Commit(ctx, req, orderID, res.State.StockRevision)
	if closed != nil {
		closed = fmt.Errorf("commit the stock of order %s: %w", orderID, closed)
	}
	if closed != nil && !faults.Final(closed) {
		return res, closed
	}
	res, err = a.Orders.RunFrom(ctx, req, res, d)
	return res, errors.Join(err, closed)
}

// Follower is the order following its shipment.
type Follower struct {
	Orders Orders
	Stock  Stock
	Clock  clock.Clock
}

// Handle takes shipment.dispatched, shipment.delivered and shipment.cancelled, in any order and any
// number of times. The last closes a confirmed order whose cancellation got no further than the
// shipment. Another message is a contract.ErrMalformed; any fault of the order is an error, for the
// shipment and the order would disagree, and one of the stock's, for the order left without stock
// that was reserved.
func (f Follower) Handle(ctx context.Context, body []byte) error {
	return contract.Handle(ctx, body,
		contract.On(func(ctx context.Context, e es.Envelope, d contract.ShipmentDispatched) error {
			_, err := f.Orders.Run(ctx, f.request(e), d.OrderID, order.Ship{
				ShipmentID: d.ShipmentID, DispatchedAt: d.DispatchedAt, StockClosed: d.StockClosed,
			})
			return followed(e, d.OrderID, err)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, d contract.ShipmentDelivered) error {
			arrived := order.Deliver{
				ShipmentID: d.ShipmentID, DispatchedAt: d.DispatchedAt, StockClosed: d.StockClosed,
			}
			_, err := Arrival{Orders: f.Orders, Stock: f.Stock}.Deliver(ctx, f.request(e), d.OrderID, arrived)
			return followed(e, d.OrderID, err)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, c contract.ShipmentCancelled) error {
			_, err := f.Orders.CloseStopped(ctx, f.request(e), c.OrderID, order.Stopped{
				ShipmentID: c.ShipmentID, Origin: order.Origin(c.Origin), Reason: order.Reason(c.Reason),
				Note: personal.Sealed(c.Note),
			})
			return followed(e, c.OrderID, err)
		}),
	)
}

func (f Follower) request(e es.Envelope) es.Request { return request(f.Clock, e, follower, e.Type) }

func followed(e es.Envelope, orderID string, err error) error {
	if err != nil {
		return fmt.Errorf("choreography: %s: order %s: %w", e.ID, orderID, err)
	}
	return nil
}

// Stock is what Committer and Arrival ask of the stock.
type Stock interface {
	Commit(ctx context.Context, req es.Request, orderID string, revision int64) (stock.ReservationState, error)
}

// Committer is the inventory: it closes the reservation of an order that is shipped, where the
// shipment's dispatch could not, or was one of a release that left it to this. Pieces of a dispatch
// that told the books nothing leave them now.
type Committer struct {
	Stock Stock
	Clock clock.Clock
}

// Handle takes order.shipped, any number of times. One that says that the reservation is closed
// asks for nothing. Another message is a contract.ErrMalformed; a fault is an error, for the order
// left without stock that was reserved, or the books of it need repair.
func (c Committer) Handle(ctx context.Context, body []byte) error {
	return contract.Handle(ctx, body, contract.On(c.commit))
}

func (c Committer) commit(ctx context.Context, e es.Envelope, shipped contract.OrderShipped) error {
	if shipped.StockClosed {
		return nil
	}
	// Where no revision is told, nothing could amend orders yet.
	req := request(c.Clock, e, committer, "commit")
	if _, err := c.Stock.Commit(ctx, req, shipped.OrderID, max(shipped.Revision, 1)); err != nil {
		return fmt.Errorf("choreography: %s: commit the stock of order %s: %w", e.ID, shipped.OrderID, err)
	}
	return nil
}

// Carrier stands in for one who comes at once and delivers at once. It says so by the same commands
// as everybody else.
type Carrier struct {
	Shipments Shipments
	Clock     clock.Clock
}

// Handle takes shipment.prepared, any number of times. Another message is a contract.ErrMalformed.
func (c Carrier) Handle(ctx context.Context, body []byte) error {
	return contract.Handle(ctx, body, contract.On(c.carry))
}

func (c Carrier) carry(ctx context.Context, e es.Envelope, prepared contract.ShipmentPrepared) error {
	id := prepared.ShipmentID
	left, err := c.Shipments.Dispatch(ctx, request(c.Clock, e, carrier, "dispatch"), id)
	if errors.Is(err, shipment.ErrCancelled) || errors.Is(err, shipment.ErrAddressUnreadable) {
		slog.InfoContext(ctx, "nothing to carry", "event", e.ID, "shipment", id, "reason", err.Error())
		return nil
	}
	if err == nil {
		_, err = c.Shipments.DeliverFrom(ctx, request(c.Clock, e, carrier, "deliver"), left)
	}
	if err != nil {
		return fmt.Errorf("choreography: %s: carry shipment %s: %w", e.ID, id, err)
	}
	return nil
}
