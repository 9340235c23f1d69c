package saga

import (
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// Actor is who acts in the events that a run's tasks write.
const Actor = "order-saga"

// AttemptInput is what every task of a run is given that makes an attempt or takes one back.
type AttemptInput struct {
	OrderID       string `json:"orderId"`
	Revision      int64  `json:"revision"`
	SagaID        string `json:"sagaId"` // the name of the run
	CorrelationID string `json:"correlationId,omitempty"`
	Traceparent   string `json:"traceparent,omitempty"`
	Tracestate    string `json:"tracestate,omitempty"`
}

// From is the request that the task follows from.
func (in AttemptInput) From() es.Metadata {
	return es.Metadata{CorrelationID: in.CorrelationID, Traceparent: in.Traceparent, Tracestate: in.Tracestate}
}

// Validate says what the input lacks.
func (in AttemptInput) Validate() error {
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

// WaitRequest is Request for the task with which a run begins to wait: each try has a token of its
// own, and begins anew.
func WaitRequest(c clock.Clock, run, task, orderID, token string, from es.Metadata) es.Request {
	req := Request(c, run, task, orderID, from)
	req.CommitID = ident.Derive("saga-wait", run, task, orderID, token)
	return req
}

// Request identifies one task of a run, which follows from the request that placed the order: from
// has its correlation id and trace. The commit's id derives from run, task and order: Step
// Functions may send a task more than once.
func Request(c clock.Clock, run, task, orderID string, from es.Metadata) es.Request {
	return es.Request{
		CommitID: ident.Derive("saga-task", run, task, orderID),
		Time:     c.Now(),
		Metadata: es.Metadata{
			CorrelationID: from.CorrelationID, CausationID: run + "/" + task,
			Traceparent: from.Traceparent, Tracestate: from.Tracestate, Actor: Actor,
		},
	}
}
