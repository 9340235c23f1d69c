package ordertask_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/inbound/ordertask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/order/ordertest"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

type everybody struct{}

func (everybody) Registered(context.Context, string) (bool, error) { return true, nil }

// stand places one order and gives the tasks over it.
func stand(t *testing.T) (ordertask.Tasks, order.Service, string) {
	t.Helper()
	vault := personal.NewMemory()
	if err := vault.Enrol(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	fake := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	price := money.Money{Amount: 150, Currency: "EUR"}
	lines := []order.Line{
		{SKU: "b", Quantity: 1, UnitPrice: price}, {SKU: "a", Quantity: 2, UnitPrice: price},
		{SKU: "b", Quantity: 3, UnitPrice: price},
	}
	orders := order.New(order.Deps{
		Store: memstore.New(es.NewRegistry(order.Register), memstore.Staggered(t.Name())),
		Clock: fake, Vault: vault, Customers: everybody{}, Prices: ordertest.PricesOf(lines...),
	})
	_, err := orders.Place(t.Context(), es.Request{
		CommitID: "place", Time: fake.Now(), Metadata: es.Metadata{CorrelationID: "corr"},
	}, order.PlaceInput{
		OrderID: "o1", CustomerID: "c1", AccountID: "a1", Currency: "EUR", Lines: ordertest.Inputs(lines...),
		Address: shipment.Address{
			Recipient: "A Customer", Line1: "Street 1", PostalCode: "1000 AA", City: "Amsterdam", Country: "NL",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ordertask.Tasks{Orders: orders, Clock: fake}, orders, "o1"
}

func TestStartAnswersWithWhatTheRunNeeds(t *testing.T) {
	tasks, orders, id := stand(t)
	in := ordertask.Input{OrderID: id, SagaID: "run-1"}
	got, err := tasks.Start(t.Context(), ordertask.StartInput{Input: in})
	if err != nil {
		t.Fatal(err)
	}
	state, err := orders.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	want := ordertask.Order{
		OrderID: id, Status: order.StatusPlaced, Revision: 1, StockRevision: 1, PaymentRevision: 1,
		ShipmentRevision: 1, CustomerID: "c1", AccountID: "a1",
		Total: money.Money{Amount: 900, Currency: "EUR"},
		Items: []contract.InventoryItem{{SKU: "a", Quantity: 2}, {SKU: "b", Quantity: 4}}, Address: state.State.Address,
		CorrelationID: "corr",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("answer %+v, want %+v", got, want)
	}
	again, err := tasks.Start(t.Context(), ordertask.StartInput{Input: in})
	if err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("sent twice: %+v, %v", again, err)
	}
	history, err := orders.History(t.Context(), id)
	if err != nil || len(history) != 2 {
		t.Fatalf("%d events, %v; want placed and started", len(history), err)
	}
	if m := history[1].Metadata; m.CorrelationID != "corr" || m.CausationID != "run-1/start-order" {
		t.Errorf("metadata %+v", m)
	}
}

func TestCloseSaysWhy(t *testing.T) {
	tests := []struct {
		name   string
		in     ordertask.CloseInput
		detail string
	}{
		{
			"a task's fault",
			ordertask.CloseInput{
				Reason: "account.insufficient-funds", Step: "charge payment",
				Cause: `{"errorMessage":"too little","errorType":"account.insufficient-funds"}`,
			},
			"too little",
		},
		{
			"a token's fault",
			ordertask.CloseInput{Reason: "stock.insufficient", Step: "reserve stock", Cause: "not enough of \"a\""},
			"not enough of \"a\"",
		},
		{
			"a failure of ours",
			ordertask.CloseInput{Reason: order.ReasonSaga, Step: "charge payment", Cause: "States.Timeout"},
			"could not charge payment",
		},
		{"a run that only undoes", ordertask.CloseInput{Reason: order.ReasonExpired}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tasks, orders, id := stand(t)
			tt.in.Input = ordertask.Input{OrderID: id, SagaID: "run-1"}
			got, err := tasks.Close(t.Context(), tt.in)
			if err != nil || got.Status != order.StatusCancelling {
				t.Fatalf("answer %+v, %v", got, err)
			}
			res, err := orders.Get(t.Context(), id)
			if err != nil || res.State.Reason != tt.in.Reason || res.State.Detail != tt.detail ||
				res.State.ClosedBy != order.OriginSaga {
				t.Errorf("order %+v, %v; want detail %q", res.State, err, tt.detail)
			}
		})
	}
}

// TestWays takes orders along whole ways, each task sent twice.
func TestWays(t *testing.T) {
	run := ordertask.Input{OrderID: "o1", SagaID: "run-1", CorrelationID: "corr"}
	type task func(context.Context, ordertask.Tasks) (order.Status, error)
	start := func(ctx context.Context, t ordertask.Tasks) (order.Status, error) {
		o, err := t.Start(ctx, ordertask.StartInput{Input: run})
		return o.Status, err
	}
	confirm := func(ctx context.Context, t ordertask.Tasks) (order.Status, error) {
		s, err := t.Confirm(
			ctx, ordertask.ConfirmInput{Input: run, PaymentID: "p", ShipmentID: "s", TrackingNumber: "OF1"},
		)
		return s.Status, err
	}
	closing := func(ctx context.Context, t ordertask.Tasks) (order.Status, error) {
		o, err := t.Close(ctx, ordertask.CloseInput{Input: run, Reason: order.ReasonSaga, Step: "confirm order"})
		return o.Status, err
	}
	cancel := func(ctx context.Context, t ordertask.Tasks) (order.Status, error) {
		s, err := t.FinishUndo(ctx, run)
		return s.Status, err
	}
	failUndo := func(ctx context.Context, t ordertask.Tasks) (order.Status, error) {
		s, err := t.FailUndo(ctx, ordertask.FailUndoInput{Input: run, Steps: []string{"refund payment"}})
		return s.Status, err
	}
	tests := []struct {
		name  string
		tasks []task
		want  order.Status
		saga  order.SagaState
		fault *faults.Spec // of the last task
	}{
		{"confirmed", []task{start, confirm}, order.StatusConfirmed, order.SagaCompleted, nil},
		{
			"confirmed, and its answer lost", []task{start, confirm, closing}, order.StatusConfirmed,
			order.SagaCompleted, nil,
		},
		{
			"finished by another run", []task{start, confirm, start}, order.StatusConfirmed, order.SagaCompleted,
			order.ErrFulfilled,
		},
		{
			"started again while it is undone", []task{start, closing, start}, order.StatusCancelling,
			order.SagaCompensating, order.ErrCancelling,
		},
		{
			"started again after it is undone", []task{start, closing, cancel, start}, order.StatusCancelled,
			order.SagaCompleted, order.ErrCancelling,
		},
		{"undone", []task{start, closing, cancel}, order.StatusCancelled, order.SagaCompleted, nil},
		{
			"confirm after close", []task{start, closing, confirm}, order.StatusCancelling, order.SagaCompensating,
			order.ErrCancelling,
		},
		{"undo failed", []task{start, closing, failUndo}, order.StatusCancelling, order.SagaFailed, nil},
		{"cancelled without close", []task{start, cancel}, order.StatusPlaced, order.SagaRunning, order.ErrNotClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tasks, orders, id := stand(t)
			for i, task := range tt.tasks {
				last := i == len(tt.tasks)-1
				for range 2 {
					_, err := task(t.Context(), tasks)
					if last && tt.fault != nil {
						if !errors.Is(err, tt.fault) {
							t.Fatalf("error %v, want %v", err, tt.fault)
						}
					} else if err != nil {
						t.Fatal(err)
					}
				}
			}
			res, err := orders.Get(t.Context(), id)
			if err != nil || res.State.Status != tt.want || res.State.Saga != tt.saga {
				t.Errorf(
					"order is %s, saga %s, %v; want %s, %s", res.State.Status, res.State.Saga, err, tt.want, tt.saga,
				)
			}
		})
	}
}

// TestOnceFinished: a run that comes when another one has finished the order is told so.
func TestOnceFinished(t *testing.T) {
	tasks, orders, id := stand(t)
	if _, err := orders.Run(
		t.Context(), es.Request{CommitID: "c", Time: tasks.Clock.Now()}, id, order.Confirm{SagaID: "run-1"},
	); err != nil {
		t.Fatal(err)
	}
	if got, err := tasks.Start(t.Context(), ordertask.StartInput{
		Input: ordertask.Input{OrderID: id, SagaID: "run-2"},
	}); !errors.Is(
		err, order.ErrFulfilled,
	) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRequests: each task reads the order once and writes once. What is done is not written again.
func TestRequests(t *testing.T) {
	_, orders, id := stand(t)
	history, err := orders.History(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	store := &estest.Hooked{Store: memstore.New(es.NewRegistry(order.Register))}
	fake := clock.NewFake(history[0].Time)
	placed := estest.Load(t, store, es.NewStreamID(order.Category, id), 0).Head
	estest.Append(t, store, placed, "place", history[0].Data)
	tasks := ordertask.Tasks{Orders: order.New(order.Deps{Store: store, Clock: fake}), Clock: fake}
	in := ordertask.Input{OrderID: id, SagaID: "run-1", CorrelationID: "corr"}
	for _, task := range []struct {
		name string
		run  func() error
	}{
		{"start", func() error { _, err := tasks.Start(t.Context(), ordertask.StartInput{Input: in}); return err }},
		{"close", func() error {
			_, err := tasks.Close(t.Context(), ordertask.CloseInput{Input: in, Reason: order.ReasonSaga})
			return err
		}},
		{"cancel", func() error { _, err := tasks.FinishUndo(t.Context(), in); return err }},
	} {
		for again := range int64(2) {
			loads, appends := store.Loads.Load(), store.Appends.Load()
			if err := task.run(); err != nil {
				t.Fatal(err)
			}
			if l, a := store.Loads.Load()-loads, store.Appends.Load()-appends; l != 1 || a != 1-again {
				t.Errorf("%s, time %d: %d loads and %d appends", task.name, again, l, a)
			}
		}
	}
}

func TestUnknownOrder(t *testing.T) {
	tasks, _, _ := stand(t)
	if _, err := tasks.Start(
		t.Context(), ordertask.StartInput{Input: ordertask.Input{OrderID: "nobody", SagaID: "run-1"}},
	); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}
