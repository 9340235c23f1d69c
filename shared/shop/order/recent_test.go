package order_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/order"
)

// The commands of an order's life.
var (
	start   = order.Start{SagaID: "run-1"}
	confirm = order.Confirm{SagaID: "run-1", PaymentID: "p1", ShipmentID: "s1", TrackingNumber: "OF1"}
	closes  = order.Close{Origin: order.OriginSaga, Reason: order.ReasonExpired, SagaID: "run-1"}
	ship    = order.Ship{ShipmentID: "s1"}
	deliver = order.Deliver{ShipmentID: "s1"}
)

var life = []order.Command{
	start, order.Start{SagaID: "run-2"}, confirm, closes, order.FinishUndo{SagaID: "run-1"},
	order.FailUndo{SagaID: "run-1", Steps: []string{"refund payment"}},
	order.FailUndo{SagaID: "run-1", Steps: []string{"release stock"}}, ship, deliver,
	order.Close{Origin: order.OriginCustomer, Reason: order.ReasonCustomer, Stopped: "s1"},
}

// placedIn is a store with an order that is placed.
func placedIn(t interface{ Fatal(...any) }) *estest.Hooked {
	store := &estest.Hooked{Store: memstore.New(es.NewRegistry(order.Register))}
	placed := asks("place").Commit(es.Empty("order/o1"), order.Placed{OrderID: "o1", CustomerID: "c1", Revision: 1})
	if _, err := store.Append(context.Background(), []es.Commit{placed}); err != nil {
		t.Fatal(err)
	}
	return store
}

func asks(id string) es.Request {
	return es.Request{CommitID: id, Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func process(store es.Store, remembers *order.Recent) order.Service {
	return order.New(order.Deps{Store: store, Clock: clock.System{}, Recent: remembers})
}

// TestRememberedOrder: the next command of a process on an order reads nothing, unless another
// process was there in between.
func TestRememberedOrder(t *testing.T) {
	for name, tt := range map[string]struct {
		remembers *order.Recent
		later     time.Duration
		meanwhile order.Command // of another process
		want      error
		loads     int64
	}{
		"remembered":               {order.NewRecent(), time.Minute - 1, nil, nil, 1},
		"forgotten":                {order.NewRecent(), time.Minute, nil, nil, 2},
		"not remembered":           {nil, 0, nil, nil, 2},
		"closed by somebody else":  {order.NewRecent(), 0, closes, order.ErrCancelling, 2},
		"carried out by a process": {order.NewRecent(), 0, confirm, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			store := placedIn(t)
			now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
			service := order.New(order.Deps{Store: store, Clock: now, Recent: tt.remembers})
			another := process(store.Store, nil)
			if _, err := service.Run(t.Context(), asks("start"), "o1", start); err != nil {
				t.Fatal(err)
			}
			now.Advance(tt.later)
			if tt.meanwhile != nil {
				if _, err := another.Run(t.Context(), asks("meanwhile"), "o1", tt.meanwhile); err != nil {
					t.Fatal(err)
				}
			}
			res, err := service.Run(t.Context(), asks("confirm"), "o1", confirm)
			if !errors.Is(err, tt.want) || store.Loads.Load() != tt.loads {
				t.Errorf("%v after %d loads", err, store.Loads.Load())
			}
			read, readErr := another.Get(t.Context(), "o1")
			if readErr != nil ||
				tt.want == nil && (read.Head != res.Head || read.State.Status != order.StatusConfirmed) {
				t.Errorf("stored is %+v, %v, and the answer %+v", read, readErr, res)
			}
		})
	}
}

// TestRememberingChangesNothing: processes that remember orders, and get each request any number of
// times, write and answer what those do that read each time.
func TestRememberingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		remembering, reading := placedIn(t), placedIn(t)
		var processes []order.Service
		for range 3 {
			processes = append(processes, process(remembering, order.NewRecent()))
		}
		reader := process(reading, nil)
		for range rapid.IntRange(1, 24).Draw(t, "requests") {
			n := rapid.IntRange(0, len(life)-1).Draw(t, "command")
			by := rapid.IntRange(0, len(processes)-1).Draw(t, "process")
			request := asks(strconv.Itoa(n))
			got, gotErr := processes[by].Run(t.Context(), request, "o1", life[n])
			want, wantErr := reader.Run(t.Context(), request, "o1", life[n])
			if text(gotErr) != text(wantErr) || got.State.Status != want.State.Status || got.Head != want.Head {
				t.Fatalf("%T: %+v, %v; want %+v, %v", life[n], got, gotErr, want, wantErr)
			}
		}
		if got, want := ids(t, remembering), ids(t, reading); !slices.Equal(got, want) {
			t.Errorf("commits %v, want %v", got, want)
		}
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func ids(t *rapid.T, store es.Store) (all []string) {
	h, err := store.Load(t.Context(), "order/o1", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range h.Events {
		all = append(all, e.CommitID)
	}
	return all
}
