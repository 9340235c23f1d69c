// Package paymenttask speaks the order saga's language for payments: its inputs and outputs are
// what statemachines/order-saga.asl.json sends and reads.
package paymenttask

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/payment"
)

// Tasks carries out the saga's steps on payments.
type Tasks struct {
	Payments payment.Service
	Clock    clock.Clock
}

// Input is what every task gets.
type Input = saga.AttemptInput

// ChargeInput says what to charge to which account.
type ChargeInput struct {
	Input
	CustomerID string      `json:"customerId"`
	AccountID  string      `json:"accountId"`
	Amount     money.Money `json:"amount"`
}

// Validate says what the input lacks.
func (in ChargeInput) Validate() error {
	switch {
	case in.CustomerID == "":
		return errors.New("customerId is missing")
	case in.AccountID == "":
		return errors.New("accountId is missing")
	case in.Amount.Amount < 0:
		return fmt.Errorf("amount is %d, the least is 0", in.Amount.Amount)
	}
	if err := money.CheckCode(in.Amount.Currency); err != nil {
		return err
	}
	return in.Input.Validate()
}

// Charged names the payment.
type Charged struct {
	PaymentID string `json:"paymentId"`
}

// Charge charges the account.
func (t Tasks) Charge(ctx context.Context, in ChargeInput) (Charged, error) {
	state, err := t.Payments.Charge(ctx, t.request("charge-payment", in.Input), payment.Charge{
		OrderID: in.OrderID, Revision: in.Revision, CustomerID: in.CustomerID, AccountID: in.AccountID,
		Amount: in.Amount,
	})
	if err != nil {
		return Charged{}, err
	}
	return Charged{PaymentID: state.ID}, nil
}

// Refunded says how the payment ended: refunded, voided, or declined as it was before.
type Refunded struct {
	PaymentID string         `json:"paymentId"`
	Status    payment.Status `json:"status"`
}

// Refund takes the payment back. It is harmless for one that was never made.
func (t Tasks) Refund(ctx context.Context, in Input) (Refunded, error) {
	state, err := t.Payments.Refund(ctx, t.request("refund-payment", in), in.OrderID, in.Revision)
	if err != nil {
		return Refunded{}, err
	}
	return Refunded{PaymentID: state.ID, Status: state.Status}, nil
}

// request identifies a task on one of the order's payments: each that is tried on purpose has tasks
// of its own.
func (t Tasks) request(task string, in Input) es.Request {
	if in.Revision > 1 {
		task = fmt.Sprintf("%s-%d", task, in.Revision)
	}
	return saga.Request(t.Clock, in.SagaID, task, in.OrderID, in.From())
}
