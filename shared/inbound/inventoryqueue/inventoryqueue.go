// Package inventoryqueue speaks the language of the queue inventory-commands: it carries out the
// commands on stock that the order saga sends there, and answers the run that waits.
package inventoryqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/stock"
)

// The commands.
const (
	ReserveStock = "reserve.stock"
	ReleaseStock = "release.stock"
)

// Message is a command as it stands in the queue.
type Message = contract.InventoryCommand

// Answer is the output of a task that succeeded.
type Answer struct {
	ReservationID string `json:"reservationId"`
}

// ErrUnfit says of a message that it is no command of this queue: its detail names places and
// rules, and no values. It will be none when it comes again either; the queue's count takes it to
// the dead letters.
var ErrUnfit = faults.Declare(faults.Invalid, "inventory.unfit")

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

// Handle carries out the command in a message's body and answers its task token. A fault is an
// answer too. Any other error leaves the message in the queue and the run waiting: the command
// comes again and gives the same answer, whether its first try got as far as the effect or not.
// What is no command is an ErrUnfit, and nothing is done of it; the run is told where the message
// says which one waits.
func (h Handler) Handle(ctx context.Context, body []byte) error {
	m, err := decode(body)
	if unfit, ok := faults.As(err); ok {
		return errors.Join(err, h.tell(ctx, body, unfit))
	}
	state, err := h.carryOut(ctx, m)
	log := slog.With(
		"command", m.Command, "orderId", m.OrderID, "revision", m.Revision, "sagaId", m.SagaID, "correlationId",
		m.CorrelationID,
	)
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

// tell answers the run that waits for a message that is unfit, which would wait until its time is
// up. To the run it is a step that failed, as that would be: it tries again and then undoes what
// never happened. A message of another version is not read for its token: the same name may be
// another thing there, and a newer program may be about to carry it out.
func (h Handler) tell(ctx context.Context, body []byte, unfit *faults.Fault) error {
	version, token := head(body)
	if version != contract.InventoryCommandVersion || token == "" {
		return nil
	}
	return h.Tokens.Fail(ctx, token, unfit.Code, unfit.Detail)
}

// command decodes what is published as InventoryCommand in events/asyncapi.yaml.
var command = contract.CommandDecoder[Message]()

// decode takes nothing that it doesn't understand in full. The error is an ErrUnfit.
func decode(body []byte) (Message, error) {
	if version, _ := head(body); version != 0 && version != contract.InventoryCommandVersion {
		return Message{}, ErrUnfit.New("version %d, known is %d", version, contract.InventoryCommandVersion)
	}
	m, err := command(body)
	if err != nil {
		return m, ErrUnfit.New("%s", err)
	}
	if m.Command == ReserveStock && len(m.Items) == 0 {
		return m, ErrUnfit.New("message.items: expected array length >= 1 to reserve")
	}
	return m, nil
}

// head reads version and token of a message, whatever else it is: 0 and "" where one isn't there by
// exactly that name.
func head(body []byte) (version int, token string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || json.Unmarshal(fields["version"], &version) != nil {
		return 0, ""
	}
	if json.Unmarshal(fields["taskToken"], &token) != nil {
		return version, ""
	}
	return version, token
}
