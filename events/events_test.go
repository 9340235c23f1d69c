// Package events_test keeps the sample events true: each is put through what would receive it.
package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/inbound/stream"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/deadletter/deadlettertest"
	"orderflow/shared/process/erasure"
	"orderflow/shared/process/saga"
	"orderflow/shared/process/starter"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/order"
)

type bus struct{ put []es.Envelope }

func (b *bus) Put(_ context.Context, envelopes []es.Envelope) []error {
	b.put = append(b.put, envelopes...)
	return make([]error, len(envelopes))
}

type letters struct{ sent []stream.DeadLetter }

func (l *letters) Send(_ context.Context, letter stream.DeadLetter) error {
	l.sent = append(l.sent, letter)
	return nil
}

type runs struct{ started []saga.Run }

func (r *runs) Start(_ context.Context, run saga.Run) (bool, error) {
	r.started = append(r.started, run)
	return true, nil
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// What publish-events makes of its sample is the sample of order.placed.
func TestPublishEvents(t *testing.T) {
	var placed es.Envelope
	read(t, "samples/order.placed/v1.json", &placed)
	want, err := json.Marshal(placed)
	if err != nil {
		t.Fatal(err)
	}
	for name, poisoned := range map[string]int{"publish-events": 0, "publish-events-poison": 1} {
		t.Run(name, func(t *testing.T) {
			var batch stream.Batch
			read(t, "samples/invoke/"+name+".json", &batch)
			b, l := &bus{}, &letters{}
			consumer := stream.Consumer{
				Name: "publish-events", Decode: dynamostore.CommitFromImage, DeadLetters: l,
				HandleBatch: publish.Publisher{
					Registry: contract.Registry(),
					Orders:   order.Decider.Repository(order.Category, memstore.New(contract.Registry())), Bus: b,
				}.Commits,
			}
			if err := consumer.Run(context.Background(), batch); err != nil {
				t.Fatal(err)
			}
			if len(l.sent) != poisoned || len(b.put) != 2 || b.put[1].ID != placed.ID+"/updated" ||
				b.put[1].Sequence != placed.Sequence {
				t.Fatalf("%d letters, %d events", len(l.sent), len(b.put))
			}
			if got, err := json.Marshal(b.put[0]); err != nil || !bytes.Equal(got, want) {
				t.Errorf("published %s, %v; want %s", got, err, want)
			}
		})
	}
}

type eraser struct{ destroyed, deleted, cancelled []string }

func (e *eraser) List(_ context.Context, customerID string, _ orders.Query) (orders.Page, error) {
	var page orders.Page
	for _, status := range []order.Status{order.StatusPlaced, order.StatusConfirmed} {
		page.Rows = append(page.Rows, orders.Row{OrderID: customerID + "-" + string(status), Status: status})
	}
	return page, nil
}

func (e *eraser) Cancel(
	_ context.Context, _ es.Request, orderID string, _ order.CancelInput,
) (r es.Result[order.State], err error) {
	e.cancelled = append(e.cancelled, orderID)
	return r, nil
}

func (e *eraser) DestroyKey(_ context.Context, customerID string) error {
	e.destroyed = append(e.destroyed, customerID)
	return nil
}

func (e *eraser) Delete(_ context.Context, customerID string) error {
	e.deleted = append(e.deleted, customerID)
	return nil
}

func TestFinishErasure(t *testing.T) {
	for name, want := range map[string][]string{
		"finish-erasure": nil, "finish-erasure-poison": {"00000000-0000-4000-8000-000000000003"},
	} {
		t.Run(name, func(t *testing.T) {
			var batch events.SQSEvent
			read(t, "samples/invoke/"+name+".json", &batch)
			e := &eraser{}
			finish := erasure.Finisher{Customers: e, Users: e, Lists: e, Orders: e, Clock: clock.System{}}
			answer, err := queue.Handler(
				func(ctx context.Context, m queue.Message) error { return finish.Handle(ctx, m.Body) }, nil,
			)(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, f := range answer.BatchItemFailures {
				failed = append(failed, f.ItemIdentifier)
			}
			leaving := []string{"sample-grace"}
			if !slices.Equal(e.destroyed, leaving) || !slices.Equal(e.deleted, leaving) ||
				!slices.Equal(e.cancelled, []string{"sample-grace-placed", "sample-grace-confirmed"}) ||
				!slices.Equal(failed, want) {
				t.Errorf(
					"destroyed %v, deleted %v, cancelled %v, failed %v", e.destroyed, e.deleted, e.cancelled, failed,
				)
			}
		})
	}
}

func TestStartSaga(t *testing.T) {
	var placed, cancelling es.Envelope
	read(t, "samples/order.placed/v1.json", &placed)
	read(t, "samples/order.cancelling/v1.json", &cancelling)
	fulfil := saga.Fulfil(es.StreamID(placed.Subject).ID())
	undo := saga.Undo(es.StreamID(cancelling.Subject).ID(), cancelling.Sequence)
	fulfil.Input.CorrelationID, undo.Input.CorrelationID = placed.CorrelationID, cancelling.CorrelationID
	fulfil.Input.Traceparent, undo.Input.Traceparent = placed.Traceparent, cancelling.Traceparent
	tests := []struct {
		name   string
		runs   []saga.Run
		failed []string
	}{
		{"start-saga", []saga.Run{fulfil}, nil},
		{"start-saga-undo", []saga.Run{undo}, nil},
		{"start-saga-poison", []saga.Run{fulfil}, []string{"00000000-0000-4000-8000-000000000003"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var batch events.SQSEvent
			read(t, "samples/invoke/"+tt.name+".json", &batch)
			r := &runs{}
			start := starter.Starter{Runs: r}
			answer, err := queue.Handler(
				func(ctx context.Context, m queue.Message) error { return start.Handle(ctx, m.Body) }, nil,
			)(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			var failed []string
			for _, f := range answer.BatchItemFailures {
				failed = append(failed, f.ItemIdentifier)
			}
			if !slices.Equal(r.started, tt.runs) || !slices.Equal(failed, tt.failed) {
				t.Errorf("started %v, failed %v; want %v, %v", r.started, failed, tt.runs, tt.failed)
			}
		})
	}
}

func TestAnalyseOrders(t *testing.T) {
	for name, failed := range map[string]int{"analyse-orders": 0, "analyse-orders-poison": 1} {
		t.Run(name, func(t *testing.T) {
			var batch events.SQSEvent
			read(t, "samples/invoke/"+name+".json", &batch)
			table := &analyticstest.Memory{}
			analyser := analytics.Analyser{Table: table, Calendar: analytics.MustCalendar("UTC"), Clock: clock.System{}}
			answer, err := queue.Together(func(ctx context.Context, messages []queue.Message) []error {
				return analyser.Handle(ctx, queue.Bodies(messages))
			}, nil)(context.Background(), batch)
			if err != nil || len(answer.BatchItemFailures) != failed {
				t.Fatalf("failed %v, %v", answer.BatchItemFailures, err)
			}
			days, err := analytics.Reports{Table: table, Calendar: analyser.Calendar}.Daily(
				context.Background(), analytics.Query{From: "2026-03-02", To: "2026-03-02"},
			)
			if err != nil || days[0].Orders != 1 || (days[0].Confirmed == 1) != (failed == 0) {
				t.Errorf("counted %+v, %v", days, err)
			}
		})
	}
}

func TestRecordDeadLetters(t *testing.T) {
	var batch events.SQSEvent
	read(t, "samples/invoke/record-dead-letters.json", &batch)
	table := &deadlettertest.Memory{}
	recorder := deadletter.Recorder{
		Table: table, Records: dynamostore.Records{}, Clock: clock.System{},
		Policy: deadletter.ParsePolicy("300", "3", "2"), Stack: "orderflow",
	}
	answer, err := queue.Handler(
		func(ctx context.Context, m queue.Message) error { return recorder.Record(ctx, m.Letter()) }, nil,
	)(context.Background(), batch)
	if err != nil || len(answer.BatchItemFailures) != 0 {
		t.Fatalf("failed %v, %v", answer.BatchItemFailures, err)
	}
	page, err := table.List(
		context.Background(), deadletter.Query{Consumer: "start-saga", Topic: "order.placed", Limit: 2},
	)
	if err != nil || len(page.Entries) != 1 ||
		page.Entries[0].Target != "arn:aws:sqs:us-east-1:123456789012:orderflow-start-saga" {
		t.Errorf("recorded %+v, %v", page.Entries, err)
	}
}
