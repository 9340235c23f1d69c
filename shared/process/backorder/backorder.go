// Package backorder serves the orders that wait for stock: what is available again goes to the
// oldest that it is enough for, and their runs go on.
package backorder

import (
	"context"
	"fmt"
	"log/slog"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/order"
)

// Stock serves the lines of those that wait.
type Stock interface {
	Serve(ctx context.Context, req es.Request, sku string) error
}

// Orders tells which run waits with an order.
type Orders interface {
	Get(ctx context.Context, orderID string) (es.Result[order.State], error)
}

// Tokens answers runs that wait. An answer that nobody waits for any more is no error.
type Tokens interface {
	Succeed(ctx context.Context, token string, output any) error
}

// Filler follows the events of stock that say for which SKUs orders wait.
type Filler struct {
	Stock  Stock
	Orders Orders
	Tokens Tokens
	Clock  clock.Clock
}

// Answer is the output of the task that waited.
type Answer struct {
	OrderID string       `json:"orderId"`
	Status  order.Status `json:"status"`
}

// Handle takes an event. Each of them names the lines that it lets go on, and none is of use twice.
func (f Filler) Handle(ctx context.Context, body []byte) error {
	return contract.Handle(ctx, body,
		contract.On(func(ctx context.Context, e es.Envelope, restocked contract.StockRestocked) error {
			return f.serve(ctx, e, restocked.Waiting)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, released contract.StockReleased) error {
			return f.serve(ctx, e, released.Waiting)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, amended contract.StockAmended) error {
			return f.serve(ctx, e, amended.Waiting)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, voided contract.StockVoided) error {
			return f.serve(ctx, e, voided.Waiting)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, moved contract.StockBackordered) error {
			return f.serve(ctx, e, moved.Waiting)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, reserved contract.StockReserved) error {
			if err := f.wake(ctx, e, reserved); err != nil {
				return err
			}
			return f.serve(ctx, e, reserved.Waiting)
		}),
	)
}

func (f Filler) serve(ctx context.Context, e es.Envelope, skus []string) error {
	for _, sku := range skus {
		req := contract.Request(e, "fill-backorders", ident.Derive("fill-backorders", e.ID, sku), f.Clock.Now())
		if err := f.Stock.Serve(ctx, req, sku); err != nil {
			return fmt.Errorf("backorder: %s: %w", e.ID, err)
		}
	}
	return nil
}

// wake lets the run of an order go on that waited for this reservation. A run that is not parked
// yet finds the reservation when it is.
func (f Filler) wake(ctx context.Context, e es.Envelope, reserved contract.StockReserved) error {
	if len(reserved.Waiting) == 0 {
		return nil
	}
	got, err := f.Orders.Get(ctx, reserved.OrderID)
	if err != nil {
		return fmt.Errorf("backorder: %s: %w", e.ID, err)
	}
	// Those that parked for another wait have been woken from this one.
	if state := got.State; state.Wait == nil || state.Wait.Kind == order.WaitStock {
		for _, try := range state.Parked {
			if err := f.Tokens.Succeed(ctx, try.Token, Answer{OrderID: state.ID, Status: state.Status}); err != nil {
				return fmt.Errorf("backorder: %s: %w", e.ID, err)
			}
			slog.InfoContext(ctx, "run woken", "event", e.ID, "run", try.SagaID)
		}
	}
	return nil
}
