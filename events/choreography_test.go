package events_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/choreography"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/shipment/shipmenttest"
	"orderflow/shared/shop/stock"
)

// asked notes what consumers ask of the contexts.
type asked struct{ commands []string }

func (a *asked) note(format string, args ...any) {
	a.commands = append(a.commands, fmt.Sprintf(format, args...))
}

func (a *asked) Prepare(
	_ context.Context, _ es.Request, id string, of shipment.Copy,
) (r es.Result[shipment.State], err error) {
	a.note("prepare %s with %d lines", id, len(of.Lines))
	return r, nil
}

func (a *asked) Dispatch(_ context.Context, _ es.Request, id string) (r es.Result[shipment.State], err error) {
	a.note("dispatch %s", id)
	r.State.ID = id
	return r, nil
}

func (a *asked) DeliverFrom(
	_ context.Context, _ es.Request, from es.Result[shipment.State],
) (r es.Result[shipment.State], err error) {
	a.note("deliver %s", from.State.ID)
	return r, nil
}

func (a *asked) Run(_ context.Context, _ es.Request, id string, c order.Command) (r es.Result[order.State], err error) {
	a.note("%T %s", c, id)
	return r, nil
}

func (a *asked) RunFrom(
	_ context.Context, _ es.Request, _ es.Result[order.State], c order.Command,
) (r es.Result[order.State], err error) {
	a.note("%T of what was given", c)
	return r, nil
}

func (a *asked) CloseStopped(
	_ context.Context, _ es.Request, id string, _ order.Stopped,
) (r es.Result[order.State], err error) {
	a.note("close %s", id)
	return r, nil
}

func (a *asked) Commit(
	_ context.Context, _ es.Request, id string, revision int64,
) (r stock.ReservationState, err error) {
	a.note("commit %s, revision %d", id, revision)
	return r, nil
}

// What each consumer does with its samples: the command that follows, and nothing with an event
// that is not its own.
func TestChoreography(t *testing.T) {
	var confirmed es.Envelope
	read(t, "samples/order.confirmed/v1.json", &confirmed)
	orderID := es.StreamID(confirmed.Subject).ID()
	shipmentID := shipment.ID(orderID, 1)
	a, now := &asked{}, clock.NewFake(time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC))
	preparer := choreography.Preparer{Copies: shipmenttest.NewCopies(), Shipments: a, Clock: now}
	for name, tt := range map[string]struct {
		handle func(context.Context, []byte) error
		want   []string
	}{
		"prepare-shipments": {preparer.Handle, []string{"prepare " + shipmentID + " with 2 lines"}},
		"follow-shipments": {
			choreography.Follower{Orders: a, Stock: a, Clock: now}.Handle, []string{"order.Ship " + orderID},
		},
		"commit-stock": {
			choreography.Committer{Stock: a, Clock: now}.Handle, []string{"commit " + orderID + ", revision 1"},
		},
		"simulate-carrier": {
			choreography.Carrier{Shipments: a, Clock: now}.Handle,
			[]string{"dispatch " + shipmentID, "deliver " + shipmentID},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for file, failures := range map[string]int{name: 0, name + "-poison": 1} {
				var batch events.SQSEvent
				read(t, "samples/invoke/"+file+".json", &batch)
				a.commands = nil
				answer, err := queue.Handler(
					func(ctx context.Context, m queue.Message) error { return tt.handle(ctx, m.Body) }, nil,
				)(t.Context(), batch)
				if err != nil || len(answer.BatchItemFailures) != failures {
					t.Errorf("%s: %d failures, %v", file, len(answer.BatchItemFailures), err)
				}
				want := tt.want
				if failures > 0 {
					want = nil
				}
				if diff := cmp.Diff(want, a.commands); diff != "" {
					t.Errorf("%s (-want +got):\n%s", file, diff)
				}
			}
		})
	}
}
