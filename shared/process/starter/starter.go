// Package starter starts the saga's runs: one that fulfils for each order.placed, one that undoes
// for each order.cancelling that no run of the saga caused.
package starter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/order"
)

// ErrUnfit says of a message that no run can be started for it: it isn't an event of the bus, or
// none that this consumer knows.
var ErrUnfit = errors.New("starter: no run follows from the message")

// Runs starts a run, unless it was started before. fresh may be true too where that run still goes.
type Runs interface {
	Start(context.Context, saga.Run) (fresh bool, err error)
}

// Starter starts runs for events.
type Starter struct{ Runs Runs }

// Handle starts the run that follows from the event in a message's body, which is EventBridge's
// JSON around the envelope. The same event any number of times starts one run. A message from which
// no run follows is an ErrUnfit.
func (s Starter) Handle(ctx context.Context, body []byte) error {
	envelope, err := contract.Open(body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	data, err := contract.Decode(envelope)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	var run saga.Run
	switch e := data.(type) {
	case contract.OrderPlaced:
		run = saga.Fulfil(e.OrderID)
	case contract.OrderCancelling:
		if e.Origin == string(order.OriginSaga) {
			// The run that closed the order undoes it too.
			slog.InfoContext(ctx, "no run: the saga closed the order itself", "event", envelope.ID)
			return nil
		}
		run = saga.Undo(e.OrderID, envelope.Sequence)
	default:
		return fmt.Errorf("%w: %s is a %s", ErrUnfit, envelope.ID, envelope.Type)
	}
	if subject := string(es.NewStreamID(order.Category, run.Input.OrderID)); envelope.Subject != subject {
		return fmt.Errorf("%w: %s is about %s and of %s", ErrUnfit, envelope.ID, subject, envelope.Subject)
	}
	run.Input.CorrelationID = envelope.CorrelationID
	fresh, err := s.Runs.Start(ctx, run)
	if err != nil {
		return fmt.Errorf("starter: %s: %w", envelope.ID, err)
	}
	slog.InfoContext(ctx, "run started", "event", envelope.ID, "run", run.Name, "mode", string(run.Input.Mode), "fresh",
		fresh,
		"correlationId", envelope.CorrelationID)
	return nil
}
