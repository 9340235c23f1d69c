// Package inventoryqueue speaks the language of the queue inventory-commands: it carries out the commands on stock that the order saga sends there, and
// answers the run that waits.
package inventoryqueue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/faults"
	"orderflow/shared/saga"
	"orderflow/shared/stock"
)

// The commands.
const (
	ReserveStock = "reserve.stock"
	ReleaseStock = "release.stock"
)

// Message is a command as it stands in the queue.
type Message = saga.InventoryCommand

// Item is a quantity of one SKU.
type Item = saga.InventoryItem

// Answer is the output of a task that succeeded.
type Answer struct {
	ReservationID string `json:"reservationId"`
}

// ErrUnfit says of a message that it is no command of this queue. It will be none when it comes again either; the queue's count takes it to the dead letters.
var ErrUnfit = errors.New("inventoryqueue: not a command of this queue")

// Tokens answers runs that wait. An answer that nobody waits for any more is no error.
type Tokens interface {
	Succeed(ctx context.Context, token string, output any) error
	Fail(ctx context.Context, token, code, detail string) error
}

// Stock reserves and releases.
type Stock interface {
	Reserve(ctx context.Context, req es.Request, r stock.Reservation) (stock.ReservationState, error)
	Release(ctx context.Context, req es.Request, orderID string, revision int64) (stock.ReservationState, error)
}

// Handler carries out commands on stock.
type Handler struct {
	Stock  Stock
	Clock  clock.Clock
	Tokens Tokens
}

// Handle carries out the command in a message's body and answers its task token. A fault is an answer too. Any other error leaves the message in the queue
// and the run waiting: the command comes again and gives the same answer, whether its first try got as far as the effect or not.
func (h Handler) Handle(ctx context.Context, body []byte) error {
	m, err := decode(body)
	if err != nil {
		return err
	}
	state, err := h.carryOut(ctx, m)
	log := slog.With("command", m.Command, "orderId", m.OrderID, "revision", m.Revision, "sagaId", m.SagaID, "correlationId", m.CorrelationID)
	if fault, ok := faults.As(err); ok && faults.Final(err) {
		log.WarnContext(ctx, "stock command refused", "code", fault.Code, "detail", fault.Detail)
		if m.TaskToken == "" {
			return nil
		}
		return h.Tokens.Fail(ctx, m.TaskToken, fault.Code, fault.Detail)
	}
	if err != nil {
		return fmt.Errorf("inventoryqueue: %s of order %s: %w", m.Command, m.OrderID, err)
	}
	log.InfoContext(ctx, "stock command carried out", "reservationId", state.ID, "status", state.Status.String())
	if m.TaskToken == "" {
		return nil
	}
	return h.Tokens.Succeed(ctx, m.TaskToken, Answer{ReservationID: state.ID})
}

func (h Handler) carryOut(ctx context.Context, m Message) (stock.ReservationState, error) {
	req := saga.Request(h.Clock, m.SagaID, m.Command, m.OrderID, m.CorrelationID)
	if m.Command == ReleaseStock {
		return h.Stock.Release(ctx, req, m.OrderID, m.Revision)
	}
	items := make([]stock.Item, len(m.Items))
	for i, item := range m.Items {
		items[i] = stock.Item(item)
	}
	return h.Stock.Reserve(ctx, req, stock.Reservation{OrderID: m.OrderID, Revision: m.Revision, Items: items})
}

// decode takes nothing that it doesn't understand in full: a field that is passed over could be the one that matters.
func decode(body []byte) (Message, error) {
	var m Message
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%w: there is more behind the command", ErrUnfit)
	}
	switch {
	case m.Version != saga.InventoryCommandVersion:
		return m, fmt.Errorf("%w: version %d, known is %d", ErrUnfit, m.Version, saga.InventoryCommandVersion)
	case m.Command != ReserveStock && m.Command != ReleaseStock:
		return m, fmt.Errorf("%w: unknown command %q", ErrUnfit, m.Command)
	case m.OrderID == "":
		return m, fmt.Errorf("%w: no orderId", ErrUnfit)
	case m.Revision < 1:
		return m, fmt.Errorf("%w: revision %d", ErrUnfit, m.Revision)
	case m.SagaID == "":
		return m, fmt.Errorf("%w: no sagaId", ErrUnfit)
	}
	return m, nil
}
