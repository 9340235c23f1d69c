package ordertask

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
)

// WaitInput is what a task gets that has a run wait: the task token that ends the wait, and the
// deadline in the run's own time.
type WaitInput struct {
	Input
	Token string `json:"token"`
	Until string `json:"until"`
}

// Validate says what the input lacks.
func (in WaitInput) Validate() error {
	if in.Token == "" {
		return errors.New("token is missing")
	}
	if _, err := clock.ParseTime(in.Until); err != nil {
		return fmt.Errorf("until: %w", err)
	}
	return in.Input.Validate()
}

func (in WaitInput) park() order.Park { return order.Park{Token: in.Token, SagaID: in.SagaID} }

// AwaitApproval has an order that matches rules wait for approval, and its run with it. Where the
// order waits no more, or never has to, the run goes on at once.
func (t Tasks) AwaitApproval(ctx context.Context, in WaitInput) (Status, error) {
	return t.await(ctx, "await-approval", in, order.Hold{Until: in.Until, Park: in.park()})
}

// AwaitStockInput says which reservation waits.
type AwaitStockInput struct {
	WaitInput
	Revision int64 `json:"revision"`
}

// Validate says what the input lacks.
func (in AwaitStockInput) Validate() error {
	if in.Revision < 1 {
		return fmt.Errorf("revision is %d, the first is 1", in.Revision)
	}
	return in.WaitInput.Validate()
}

// AwaitStock has an order wait with its reservation, like AwaitApproval. What fills the reservation
// is no event of the order, so the reservation is asked once the run is parked: whoever filled it
// before found nobody to wake.
func (t Tasks) AwaitStock(ctx context.Context, in AwaitStockInput) (Status, error) {
	status := Status{OrderID: in.OrderID}
	short, err := t.short(ctx, in.OrderID, in.Revision)
	if err == nil && len(short) > 0 {
		status, err = t.await(ctx, "await-stock", in.WaitInput, order.Backorder{
			Revision: in.Revision, Items: short, Until: in.Until, Park: in.park(),
		})
		if err == nil {
			short, err = t.short(ctx, in.OrderID, in.Revision)
		}
	}
	if err != nil || len(short) > 0 {
		return status, err
	}
	return status, t.Tokens.Succeed(ctx, in.Token, status)
}

// short is what a reservation waits for: nothing of one that waits no more.
func (t Tasks) short(ctx context.Context, orderID string, revision int64) ([]goods.Item, error) {
	reservation, err := t.Stock.Reservation(ctx, orderID, revision)
	if err != nil || reservation.Status != es.AttemptWaiting {
		return nil, err
	}
	return reservation.Short(), nil
}

// AwaitPaymentInput says which payment was declined, and how.
type AwaitPaymentInput struct {
	WaitInput
	Revision int64  `json:"revision"`
	Code     string `json:"code"`
	Cause    string `json:"cause"` // as Step Functions gives it
}

// Validate says what the input lacks.
func (in AwaitPaymentInput) Validate() error {
	switch {
	case in.Revision < 1:
		return fmt.Errorf("revision is %d, the first is 1", in.Revision)
	case in.Code == "":
		return errors.New("code is missing")
	}
	return in.WaitInput.Validate()
}

// AwaitPayment has an order wait for another try of its payment, like AwaitApproval.
func (t Tasks) AwaitPayment(ctx context.Context, in AwaitPaymentInput) (Status, error) {
	return t.await(ctx, "await-payment", in.WaitInput, order.RequirePayment{
		Revision: in.Revision, Code: in.Code, Detail: message(in.Cause), Until: in.Until, Park: in.park(),
	})
}

// await parks the run. What ends the wait may have come before: whoever brought it about found
// nobody to wake, so the run is woken here. One of the two sees the other, since both append to the
// order's stream.
func (t Tasks) await(ctx context.Context, task string, in WaitInput, c order.Command) (Status, error) {
	req := saga.WaitRequest(t.Clock, in.SagaID, task, in.OrderID, in.Token, in.from())
	res, err := t.Orders.Run(ctx, req, in.OrderID, c)
	if err != nil {
		return Status{}, err
	}
	if !res.State.Waits(in.park()) {
		err = t.Tokens.Succeed(ctx, in.Token, Status{OrderID: in.OrderID, Status: res.State.Status})
	}
	return Status{OrderID: in.OrderID, Status: res.State.Status}, err
}

// ExpireInput says which wait's deadline has passed.
type ExpireInput struct {
	Input
	Wait     order.WaitKind `json:"wait"`
	Revision int64          `json:"revision"`
}

// Validate says what the input lacks.
func (in ExpireInput) Validate() error {
	switch {
	case in.Wait == "":
		return errors.New("wait is missing")
	case in.Revision < 1:
		return fmt.Errorf("revision is %d, the first is 1", in.Revision)
	}
	return in.Input.Validate()
}

// Expire closes an order whose deadline has passed, if it still waits so. One whose stock has come
// goes on, though nobody has told its run so far.
func (t Tasks) Expire(ctx context.Context, in ExpireInput) (Status, error) {
	if in.Wait == order.WaitStock {
		if short, err := t.short(ctx, in.OrderID, in.Revision); err != nil || len(short) == 0 {
			return Status{OrderID: in.OrderID}, err
		}
	}
	task := fmt.Sprintf("expire-%s-%d", in.Wait, in.Revision)
	return t.run(ctx, task, in.Input, order.Expire{Wait: in.Wait, Revision: in.Revision, SagaID: in.SagaID})
}
