// Package starter starts the saga's runs: one that fulfils for each order.placed, one that undoes
// for each order.cancelling that no run of the saga caused. And it wakes the run that waits with an
// order once the wait is over.
package starter

import (
	"context"
	"fmt"
	"log/slog"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/trace"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/order"
)

// Runs starts a run, unless it was started before. fresh may be true too where that run still goes.
type Runs interface {
	Start(context.Context, saga.Run) (fresh bool, err error)
}

// Orders gives orders as they are. order.Service is one.
type Orders interface {
	Get(ctx context.Context, orderID string) (es.Result[order.State], error)
}

// Tokens answers runs that wait. An answer that nobody waits for any more is no error.
type Tokens interface {
	Succeed(ctx context.Context, token string, output any) error
}

// Starter starts and wakes runs for events.
type Starter struct {
	Runs   Runs
	Orders Orders
	Tokens Tokens
}

// Handle starts or wakes the run that follows from the event in a message's body, which is
// EventBridge's JSON around the envelope. The same event any number of times does the same. A
// message from which nothing follows is a contract.ErrMalformed.
func (s Starter) Handle(ctx context.Context, body []byte) error {
	return contract.Handle(ctx, body,
		contract.On(func(ctx context.Context, e es.Envelope, placed contract.OrderPlaced) error {
			return s.start(ctx, e, saga.Fulfil(placed.OrderID))
		}),
		contract.On(func(ctx context.Context, e es.Envelope, cancelling contract.OrderCancelling) error {
			if cancelling.Origin == string(order.OriginSaga) {
				// The run that closed the order undoes it too.
				slog.InfoContext(ctx, "no run: the saga closed the order itself", "event", e.ID)
				return nil
			}
			if err := s.start(ctx, e, saga.Undo(cancelling.OrderID, e.Sequence)); err != nil {
				return err
			}
			switch order.Status(cancelling.From) {
			case order.StatusPlaced, order.StatusConfirmed: // nothing waits with those
				return nil
			}
			return s.wake(ctx, e, cancelling.OrderID)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, approved contract.OrderApproved) error {
			return s.wake(ctx, e, approved.OrderID)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, requested contract.OrderPaymentRequested) error {
			return s.wake(ctx, e, requested.OrderID)
		}),
	)
}

// wake has the run go on that waits with an order whose wait is over. The order says which one that
// is: one that waits again by now is left alone, and one that is not parked yet finds out by
// itself.
func (s Starter) wake(ctx context.Context, e es.Envelope, orderID string) error {
	res, err := s.Orders.Get(ctx, orderID)
	if err != nil {
		return fmt.Errorf("starter: %s: %w", e.ID, err)
	}
	tries := res.State.Awaited()
	if len(tries) == 0 {
		slog.InfoContext(ctx, "no run waits", "event", e.ID)
	}
	for _, try := range tries {
		if err := s.Tokens.Succeed(ctx, try.Token, woken{Event: e.ID}); err != nil {
			return fmt.Errorf("starter: %s: %w", e.ID, err)
		}
		slog.InfoContext(ctx, "run woken", "event", e.ID, "run", try.SagaID)
	}
	return nil
}

// woken is what a run is told that waited: by what. The rest it reads from the order.
type woken struct {
	Event string `json:"event"`
}

func (s Starter) start(ctx context.Context, e es.Envelope, run saga.Run) error {
	run.Input = run.Input.Following(es.Metadata{
		CorrelationID: e.CorrelationID, Traceparent: trace.Onward(ctx, e.Traceparent), Tracestate: e.Tracestate,
	})
	fresh, err := s.Runs.Start(ctx, run)
	if err != nil {
		return fmt.Errorf("starter: %s: %w", e.ID, err)
	}
	slog.InfoContext(
		ctx, "run started", "event", e.ID, "run", run.Name, "mode", string(run.Input.Mode), "fresh", fresh,
	)
	return nil
}
