// Package erasure finishes the erasure of a customer. The request that erases appends
// customer.erased and destroys the customer's data key. Should it die in between, the key is
// destroyed here; here the customer's sign-in goes, in which an identity provider keeps personal
// data of its own; and here the orders are cancelled that have not left, since nobody knows any
// more where they go.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/trail"
)

// Customers destroys the data keys of those who are erased. customer.Service is one.
type Customers interface {
	// DestroyKey destroys the customer's data key; again, it does nothing. customer.ErrNotErased
	// where the customer's stream doesn't have them erased.
	DestroyKey(ctx context.Context, customerID string) error
}

// Users deletes sign-ins.
type Users interface {
	// Delete deletes the sign-in of a customer. That there is none is no error.
	Delete(ctx context.Context, customerID string) error
}

// Orders cancels orders. order.Service is one.
type Orders interface {
	// Cancel closes an order for a person. order.ErrDispatched where its shipment has left; one
	// that is closed already is left as it is.
	Cancel(ctx context.Context, req es.Request, orderID string, in order.CancelInput) (es.Result[order.State], error)
}

// Finisher finishes erasures.
type Finisher struct {
	Customers Customers
	Users     Users
	Lists     orders.Reader
	Orders    Orders
	Clock     clock.Clock
}

// consumer is who acts, as commits name them.
const consumer = "finish-erasure"

// cancel cancels the customer's orders that are open or confirmed, page by page. An order that the
// shipment's stream lets go is the carrier's, who knows where it goes. One that the list doesn't
// show yet is left to the sweep. One that fails keeps back no other; the error joins all that did.
func (f Finisher) cancel(ctx context.Context, envelope es.Envelope, customerID string) (failed error) {
	query := orders.Query{Limit: orders.MaxLimit}
	for {
		page, err := f.Lists.List(ctx, customerID, query)
		if err != nil {
			return errors.Join(failed, fmt.Errorf("list orders: %w", err))
		}
		for _, row := range page.Rows {
			if !row.Status.Open() && row.Status != order.StatusConfirmed {
				continue
			}
			req := contract.Request(
				envelope, consumer, ident.Derive(consumer, envelope.ID, row.OrderID), f.Clock.Now(),
			)
			_, err := f.Orders.Cancel(
				ctx, req, row.OrderID, order.CancelInput{Origin: order.OriginOperator, Reason: order.ReasonErased},
			)
			switch {
			case errors.Is(err, order.ErrDispatched):
				slog.InfoContext(
					trail.With(ctx, trail.Trail{Subject: "order/" + row.OrderID, OrderID: row.OrderID}),
					"not cancelled: the order has left", "event", envelope.ID,
				)
			case err != nil:
				failed = errors.Join(failed, fmt.Errorf("cancel order %s: %w", row.OrderID, err))
			}
		}
		if query.Cursor = page.Next; query.Cursor == "" {
			return failed
		}
		if err := ctx.Err(); err != nil { // the orders behind are another try's
			return errors.Join(failed, err)
		}
	}
}

// Handle finishes the erasure that the event in a message's body tells of, which is EventBridge's
// JSON around the envelope. The same event any number of times does the same. A message that erases
// nobody is a contract.ErrMalformed, and one whose customer isn't erased in their own stream a
// customer.ErrNotErased: what is destroyed here never comes back, so an event alone, which others
// could put on a bus, is not enough.
func (f Finisher) Handle(ctx context.Context, body []byte) error {
	return contract.Handle(ctx, body, contract.On(f.finish))
}

func (f Finisher) finish(ctx context.Context, envelope es.Envelope, erased contract.CustomerErased) error {
	err := f.Customers.DestroyKey(ctx, erased.CustomerID)
	if err == nil {
		err = f.Users.Delete(ctx, erased.CustomerID)
	}
	if err == nil {
		err = f.cancel(ctx, envelope, erased.CustomerID)
	}
	if err != nil {
		return fmt.Errorf("erasure: %s: %w", envelope.ID, err)
	}
	slog.InfoContext(ctx, "erasure finished", "event", envelope.ID)
	return nil
}
