// Package shipmenttask speaks the order saga's language for shipments: its inputs and outputs are what statemachines/order-saga.asl.json sends and reads.
package shipmenttask

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/ident"
	"orderflow/shared/personal"
	"orderflow/shared/shipment"
)

// Tasks carries out the saga's steps on shipments.
type Tasks struct {
	Shipments shipment.Service
	Clock     clock.Clock
}

// Input is what every task gets. SagaID is the name of the run.
type Input struct {
	OrderID       string `json:"orderId"`
	Revision      int64  `json:"revision"`
	SagaID        string `json:"sagaId"`
	CorrelationID string `json:"correlationId,omitempty"`
}

// Validate says what the input lacks.
func (in Input) Validate() error {
	switch {
	case in.OrderID == "":
		return errors.New("orderId is missing")
	case in.Revision < 1:
		return fmt.Errorf("revision is %d, the first is 1", in.Revision)
	case in.SagaID == "":
		return errors.New("sagaId is missing")
	}
	return nil
}

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
	state, err := t.Shipments.Schedule(ctx, t.request("schedule", in.Input), shipment.Schedule{
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
	state, err := t.Shipments.Cancel(ctx, t.request("cancel", in), in.OrderID, in.Revision)
	if err != nil {
		return Status{}, err
	}
	return Status{ShipmentID: state.ID, Status: state.Status.String()}, nil
}

// request derives the commit's id from run, task and order: Step Functions may send one task more than once.
func (t Tasks) request(task string, in Input) es.Request {
	return es.Request{
		CommitID: ident.Derive("shipment-task", in.SagaID, task, in.OrderID, strconv.FormatInt(in.Revision, 10)),
		Time:     t.Clock.Now(),
		Metadata: es.Metadata{CorrelationID: in.CorrelationID, CausationID: in.SagaID + "/" + task, Actor: "order-saga"},
	}
}
