// Package ordertask speaks the order saga's language for the order itself: its inputs and outputs
// are what statemachines/order-saga.asl.json sends and reads.
package ordertask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/stock"
)

// Tasks carries out the order's steps of the saga.
type Tasks struct {
	Orders order.Service
	Stock  Stock
	Tokens Tokens
	Clock  clock.Clock
}

// Stock tells of reservations. stock.Service is one.
type Stock interface {
	Reservation(ctx context.Context, orderID string, revision int64) (stock.ReservationState, error)
}

// Tokens answers runs that wait. An answer that nobody waits for any more is no error.
type Tokens interface {
	Succeed(ctx context.Context, token string, output any) error
}

// Input is what every task gets. SagaID is the name of the run.
type Input struct {
	OrderID       string `json:"orderId"`
	SagaID        string `json:"sagaId"`
	CorrelationID string `json:"correlationId,omitempty"`
	Traceparent   string `json:"traceparent,omitempty"`
	Tracestate    string `json:"tracestate,omitempty"`
}

func (in Input) from() es.Metadata {
	return es.Metadata{CorrelationID: in.CorrelationID, Traceparent: in.Traceparent, Tracestate: in.Tracestate}
}

// Validate says what the input lacks.
func (in Input) Validate() error {
	switch {
	case in.OrderID == "":
		return errors.New("orderId is missing")
	case in.SagaID == "":
		return errors.New("sagaId is missing")
	}
	return nil
}

// Order is what the saga needs to know of an order; the run keeps it in $order, and sends the items
// to the inventory as they are.
type Order struct {
	OrderID string       `json:"orderId"`
	Status  order.Status `json:"status"`
	// Revision is that of all three attempts in runs of earlier definitions, under which none was
	// ever tried again.
	Revision         int64                    `json:"revision"`
	StockRevision    int64                    `json:"stockRevision"`
	PaymentRevision  int64                    `json:"paymentRevision"`
	ShipmentRevision int64                    `json:"shipmentRevision"`
	CustomerID       string                   `json:"customerId"`
	AccountID        string                   `json:"accountId"`
	Total            money.Money              `json:"total"`
	Items            []contract.InventoryItem `json:"items"`
	Address          personal.Sealed          `json:"address"`
	CorrelationID    string                   `json:"correlationId"`
	// OutOfStock has the run wait for stock that is short, or not.
	OutOfStock goods.OutOfStock `json:"outOfStock,omitempty"`
}

// Status is the answer of the tasks that only move the order on.
type Status struct {
	OrderID string       `json:"orderId"`
	Status  order.Status `json:"status"`
}

// StartInput says what the run has waited for before, and nothing of one that hasn't, or was begun
// by an earlier definition.
type StartInput struct {
	Input
	Waited order.WaitKind `json:"waited,omitempty"`
}

// Start takes an order for a run and answers with what the run needs of it, open. order.ErrHeld
// where it waits for approval, order.ErrFulfilled where another run has finished it,
// order.ErrCancelling where somebody closed it, also since an earlier try of this task.
func (t Tasks) Start(ctx context.Context, in StartInput) (Order, error) {
	task := "start-order"
	if in.Waited != "" { // another commit than the first time
		task += "-after-" + string(in.Waited)
	}
	return open(t.runFor(ctx, task, in.Input, order.Start{SagaID: in.SagaID}))
}

// open is an order that a run goes on with, and why it doesn't with another.
func open(o Order, err error) (Order, error) {
	switch {
	case err != nil || o.Status.Open():
		return o, err
	case o.Status.Final() && o.Status != order.StatusCancelled:
		return Order{}, order.ErrFulfilled.New("the order is %s", o.Status)
	}
	return Order{}, order.ErrCancelling.New("the order is %s", o.Status)
}

// ReduceInput says which reservation has less than was ordered.
type ReduceInput struct {
	Input
	Revision int64 `json:"revision"`
}

// Validate says what the input lacks.
func (in ReduceInput) Validate() error {
	if in.Revision < 1 {
		return fmt.Errorf("revision is %d, the first is 1", in.Revision)
	}
	return in.Input.Validate()
}

// Reduce has an order be for what is reserved for it, before anything is charged, and answers as
// Start does. stock.ErrNotReserved where nothing is.
func (t Tasks) Reduce(ctx context.Context, in ReduceInput) (Order, error) {
	task := fmt.Sprintf("reduce-order-%d", in.Revision)
	req := saga.Request(t.Clock, in.SagaID, task, in.OrderID, in.from())
	return open(answer(t.Orders.Reduce(ctx, req, in.OrderID, in.Revision,
		func(ctx context.Context) ([]goods.Item, error) {
			reservation, err := t.Stock.Reservation(ctx, in.OrderID, in.Revision)
			if err == nil && reservation.Status != es.AttemptDone {
				err = stock.ErrNotReserved.New("the reservation is %s", reservation.Status)
			}
			return reservation.Items, err
		},
	)))
}

// ConfirmInput brings what the steps before have answered.
type ConfirmInput struct {
	Input
	PaymentID      string `json:"paymentId"`
	ShipmentID     string `json:"shipmentId"`
	TrackingNumber string `json:"trackingNumber"`
}

// Confirm confirms the order. order.ErrCancelling where somebody closed it before.
func (t Tasks) Confirm(ctx context.Context, in ConfirmInput) (Status, error) {
	return t.run(ctx, "confirm-order", in.Input, order.Confirm{
		SagaID: in.SagaID, PaymentID: in.PaymentID, ShipmentID: in.ShipmentID, TrackingNumber: in.TrackingNumber,
	})
}

// CloseInput says which step ended the fulfilment, and how.
type CloseInput struct {
	Input
	Reason order.Reason `json:"reason"`
	Step   string       `json:"step"`
	Cause  string       `json:"cause"` // as Step Functions gives it
}

// Close asks the arbiter: the answer's status says whether the run undoes the order or finds it
// confirmed after all.
func (t Tasks) Close(ctx context.Context, in CloseInput) (Order, error) {
	return t.runFor(
		ctx, "close-order", in.Input,
		order.Close{Origin: order.OriginSaga, Reason: in.Reason, Detail: detail(in), SagaID: in.SagaID},
	)
}

// FinishUndo says that everything is undone.
func (t Tasks) FinishUndo(ctx context.Context, in Input) (Status, error) {
	return t.run(ctx, "cancel-order", in, order.FinishUndo{SagaID: in.SagaID})
}

// FailUndoInput names the steps that could not be undone.
type FailUndoInput struct {
	Input
	Steps []string `json:"steps"`
}

// FailUndo marks the order as one that people have to look at.
func (t Tasks) FailUndo(ctx context.Context, in FailUndoInput) (Status, error) {
	return t.run(ctx, "fail-undo", in.Input, order.FailUndo{SagaID: in.SagaID, Steps: in.Steps})
}

func (t Tasks) run(ctx context.Context, task string, in Input, c order.Command) (Status, error) {
	res, err := t.Orders.Run(ctx, saga.Request(t.Clock, in.SagaID, task, in.OrderID, in.from()), in.OrderID, c)
	if err != nil {
		return Status{}, err
	}
	return Status{OrderID: in.OrderID, Status: res.State.Status}, nil
}

// runFor is run for the tasks that come before the run knows the order: they answer with it, and
// with the correlation id of its first event.
func (t Tasks) runFor(ctx context.Context, task string, in Input, c order.Command) (Order, error) {
	req := saga.Request(t.Clock, in.SagaID, task, in.OrderID, in.from())
	return answer(t.Orders.Run(ctx, req, in.OrderID, c))
}

// answer is what a run needs of an order.
func answer(res es.Result[order.State], err error) (Order, error) {
	if err != nil {
		return Order{}, err
	}
	s := res.State
	return Order{
		OrderID: s.ID, Status: s.Status, Revision: s.StockRevision, StockRevision: s.StockRevision,
		PaymentRevision: s.PaymentRevision, ShipmentRevision: s.ShipmentRevision,
		CustomerID: s.CustomerID, AccountID: s.AccountID, Total: s.Total,
		Items: items(s.Lines), Address: s.Address, CorrelationID: res.CorrelationID, OutOfStock: s.OutOfStock,
	}, nil
}

// items adds up the lines of one SKU, ordered by SKU.
func items(lines []order.Line) []contract.InventoryItem {
	ordered := make([]goods.Item, len(lines))
	for i, l := range lines {
		ordered[i] = goods.Item{SKU: l.SKU, Quantity: l.Quantity}
	}
	sums := goods.Sum(ordered)
	out := make([]contract.InventoryItem, len(sums))
	for i, item := range sums {
		out[i] = contract.InventoryItem(item)
	}
	return out
}

// detail says in the order why it is cancelled. A business fault's own text is for the customer;
// any other cause is ours and only the step is named.
func detail(in CloseInput) string {
	if in.Reason != order.ReasonSaga && in.Reason != order.ReasonExpired {
		return message(in.Cause)
	}
	if in.Step == "" {
		return ""
	}
	return fmt.Sprintf("could not %s", in.Step)
}

// message is a fault's own text, of a cause as Step Functions gives it.
func message(cause string) string {
	var failure struct {
		ErrorMessage string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(cause), &failure) == nil && failure.ErrorMessage != "" {
		return failure.ErrorMessage
	}
	return cause
}
