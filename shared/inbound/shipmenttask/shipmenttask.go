// Package shipmenttask speaks the order saga's language for shipments: its inputs and outputs are
// what statemachines/order-saga.asl.json sends and reads.
package shipmenttask

import (
	"context"
	"errors"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

// Tasks carries out the saga's steps on shipments.
type Tasks struct {
	Shipments shipment.Service
	Clock     clock.Clock
}

// Input is what every task gets.
type Input = saga.AttemptInput

// ScheduleInput says where the shipment goes.
type ScheduleInput struct {
	Input
	CustomerID string          `json:"customerId"`
	Address    personal.Sealed `json:"address"`
}

// Validate says what the input lacks.
func (in ScheduleInput) Validate() error {
	switch {
	case in.CustomerID == "":
		return errors.New("customerId is missing")
	case in.Address == "":
		return errors.New("address is missing")
	}
	return in.Input.Validate()
}

// Scheduled names the shipment.
type Scheduled struct {
	ShipmentID     string `json:"shipmentId"`
	TrackingNumber string `json:"trackingNumber"`
}

// Schedule schedules the shipment.
func (t Tasks) Schedule(ctx context.Context, in ScheduleInput) (Scheduled, error) {
	state, err := t.Shipments.Schedule(ctx, t.request("schedule-shipment", in.Input), shipment.Schedule{
		OrderID: in.OrderID, Revision: in.Revision, CustomerID: in.CustomerID, Address: in.Address,
	})
	if err != nil {
		return Scheduled{}, err
	}
	return Scheduled{ShipmentID: state.ID, TrackingNumber: state.TrackingNumber}, nil
}

// Status says where the shipment stands: undone, voided, or refused where it was so before.
type Status struct {
	ShipmentID string `json:"shipmentId"`
	Status     string `json:"status"`
}

// Cancel takes the shipment back.
func (t Tasks) Cancel(ctx context.Context, in Input) (Status, error) {
	state, err := t.Shipments.Cancel(
		ctx, t.request("cancel-shipment", in),
		shipment.Cancel{OrderID: in.OrderID, Revision: in.Revision, Origin: string(order.OriginSaga)},
	)
	if err != nil {
		return Status{}, err
	}
	return Status{ShipmentID: state.ID, Status: state.Attempt().String()}, nil
}

func (t Tasks) request(task string, in Input) es.Request {
	return saga.Request(t.Clock, in.SagaID, task, in.OrderID, in.From())
}
