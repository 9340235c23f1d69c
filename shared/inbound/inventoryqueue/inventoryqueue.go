// Package inventoryqueue speaks the language of the queue inventory-commands: it carries out the
// commands on stock that the order saga sends there, and answers the run that waits.
package inventoryqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/trail"
)

// The commands.
const (
	ReserveStock   = "reserve.stock"
	BackorderStock = "backorder.stock" // reserves, or waits for its turn
	PartialStock   = "partial.stock"   // reserves what there is
	// PartialBackorderStock reserves what there is, or waits for its turn where that is nothing.
	PartialBackorderStock = "partial-backorder.stock"
	ReleaseStock          = "release.stock"
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
	ReserveAll(ctx context.Context, commands []stock.Command) []stock.Reply
	Release(ctx context.Context, req es.Request, orderID string, revision int64) (stock.ReservationState, error)
}

// Handler carries out commands on stock.
type Handler struct {
	Stock  Stock
	Clock  clock.Clock
	Tokens Tokens
}

// Handle carries out the commands in the bodies of messages, and answers the task token of each. It
// returns an error for each, in their order. A fault is an answer too, and no error. Any other
// error leaves the message in the queue and the run waiting: the command comes again and gives the
// same answer, whether its first try got as far as the effect or not. What is no command is an
// ErrUnfit, and nothing is done of it; the run is told where the message says which one waits.
//
// What is to be reserved for several orders is reserved together. The commands of one order are
// carried out one after the other, in their order. The trails say what the messages are about, in
// their order too: their traces are in the messages' attributes.
func (h Handler) Handle(ctx context.Context, bodies [][]byte, trails []trail.Trail) []error {
	errs := make([]error, len(bodies))
	var commands []*command
	for i, body := range bodies {
		m, err := decode(body)
		if unfit, ok := faults.As(err); ok {
			errs[i] = errors.Join(err, h.tell(trail.With(ctx, trails[i]), body, unfit))
			continue
		}
		commands = append(commands, &command{Message: m, trail: trails[i], err: &errs[i]})
	}
	for len(commands) > 0 {
		var now []*command
		now, commands = firsts(commands)
		h.carryOut(ctx, now)
		// The answers wait for the service that takes them, and not for each other.
		var all sync.WaitGroup
		for _, c := range now {
			all.Go(func() { *c.err = h.answer(trail.With(ctx, c.trail), c) })
		}
		all.Wait()
	}
	return errs
}

// command is a message that is understood, and what came of it.
type command struct {
	Message
	stock.Reply
	trail trail.Trail
	err   *error
}

// firsts are the first commands of each order.
func firsts(commands []*command) (first, later []*command) {
	seen := map[string]bool{}
	for _, c := range commands {
		if seen[c.OrderID] {
			later = append(later, c)
			continue
		}
		seen[c.OrderID] = true
		first = append(first, c)
	}
	return first, later
}

// carryOut carries out commands of different orders: what is released first, for those who reserve.
func (h Handler) carryOut(ctx context.Context, commands []*command) {
	var reserving []*command
	var reservations []stock.Command
	for _, c := range commands {
		req := saga.Request(h.Clock, c.SagaID, c.Command, c.OrderID, es.Metadata{
			CorrelationID: c.CorrelationID, Traceparent: c.trail.Traceparent, Tracestate: c.trail.Tracestate,
		})
		if c.Command == ReleaseStock {
			c.State, c.Err = h.Stock.Release(ctx, req, c.OrderID, c.Revision)
			continue
		}
		items := make([]stock.Item, len(c.Items))
		for i, item := range c.Items {
			items[i] = stock.Item(item)
		}
		reserving = append(reserving, c)
		reservations = append(reservations, stock.Command{Request: req, Reservation: stock.Reservation{
			OrderID: c.OrderID, Revision: c.Revision, Items: items,
			Backorder: c.Command == BackorderStock || c.Command == PartialBackorderStock,
			Partial:   c.Command == PartialStock || c.Command == PartialBackorderStock,
		}})
	}
	for i, reply := range h.Stock.ReserveAll(ctx, reservations) {
		reserving[i].Reply = reply
	}
}

// answer answers the run that waits for a command that was carried out or refused.
func (h Handler) answer(ctx context.Context, c *command) error {
	log := slog.With("command", c.Command, "revision", c.Revision, "sagaId", c.SagaID)
	if fault, ok := faults.As(c.Err); ok && faults.Final(c.Err) {
		log.WarnContext(ctx, "stock command refused", "code", fault.Code, "detail", fault.Detail)
		if c.TaskToken == "" {
			return nil
		}
		return h.Tokens.Fail(ctx, c.TaskToken, fault.Code, fault.Detail)
	}
	if c.Err != nil {
		return fmt.Errorf("inventoryqueue: %s of order %s: %w", c.Command, c.OrderID, c.Err)
	}
	log.InfoContext(ctx, "stock command carried out", "reservationId", c.State.ID, "status", c.State.Status.String())
	if c.TaskToken == "" {
		return nil
	}
	return h.Tokens.Succeed(ctx, c.TaskToken, Answer{ReservationID: c.State.ID})
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

// What is published as InventoryCommand, BackorderCommand, PartialCommand and
// PartialBackorderCommand in events/asyncapi.yaml.
var (
	inventory = contract.CommandDecoder[Message]()
	backorder = contract.CommandDecoder[contract.BackorderCommand]()
	partial   = contract.CommandDecoder[contract.PartialCommand]()

	partialBackorder = contract.CommandDecoder[contract.PartialBackorderCommand]()
)

// decoderOf is the decoder of the command that a message names.
func decoderOf(body []byte) func([]byte) (Message, error) {
	var named struct {
		Command string `json:"command"`
	}
	if json.Unmarshal(body, &named) == nil {
		switch named.Command {
		case BackorderStock:
			return as(backorder)
		case PartialStock:
			return as(partial)
		case PartialBackorderStock:
			return as(partialBackorder)
		}
	}
	return inventory
}

// as reads a command whose message has the members of every other.
func as[T contract.BackorderCommand | contract.PartialCommand | contract.PartialBackorderCommand](
	decode func([]byte) (T, error),
) func([]byte) (Message, error) {
	return func(body []byte) (Message, error) {
		m, err := decode(body)
		return Message(m), err
	}
}

// decode takes nothing that it doesn't understand in full. The error is an ErrUnfit.
func decode(body []byte) (Message, error) {
	if version, _ := head(body); version != 0 && version != contract.InventoryCommandVersion {
		return Message{}, ErrUnfit.New("version %d, known is %d", version, contract.InventoryCommandVersion)
	}
	m, err := decoderOf(body)(body)
	if err != nil {
		return m, ErrUnfit.New("%s", err)
	}
	if m.Command != ReleaseStock && len(m.Items) == 0 {
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
