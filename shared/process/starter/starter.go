// Package starter starts the saga's runs: one that fulfils for each order.placed, one that undoes
// for each order.cancelling that no run of the saga caused.
package starter

import (
	"context"
	"fmt"
	"log/slog"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/order"
)

// Runs starts a run, unless it was started before. fresh may be true too where that run still goes.
type Runs interface {
	Start(context.Context, saga.Run) (fresh bool, err error)
}

// Starter starts runs for events.
type Starter struct{ Runs Runs }

// Handle starts the run that follows from the event in a message's body, which is EventBridge's
// JSON around the envelope. The same event any number of times starts one run. A message from which
// no run follows is a contract.ErrMalformed.
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
			return s.start(ctx, e, saga.Undo(cancelling.OrderID, e.Sequence))
		}),
	)
}

func (s Starter) start(ctx context.Context, e es.Envelope, run saga.Run) error {
	run.Input.CorrelationID = e.CorrelationID
	fresh, err := s.Runs.Start(ctx, run)
	if err != nil {
		return fmt.Errorf("starter: %s: %w", e.ID, err)
	}
	slog.InfoContext(
		ctx, "run started", "event", e.ID, "run", run.Name, "mode", string(run.Input.Mode), "fresh", fresh,
		"correlationId", e.CorrelationID,
	)
	return nil
}
