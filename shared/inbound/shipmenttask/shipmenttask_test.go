package shipmenttask_test

import (
	"encoding/json"
	"errors"
	"testing"

	"orderflow/shared/inbound/shipmenttask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

func newTasks(t *testing.T) (tasks shipmenttask.Tasks, store *estest.Hooked, address personal.Sealed) {
	t.Helper()
	store, vault, now := &estest.Hooked{Store: memstore.New(es.NewRegistry(shipment.Register),
		memstore.Staggered(t.Name()))}, personal.NewMemory(), clock.NewFake(estest.Start)
	if err := vault.Enrol(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	address, err := vault.Seal(
		t.Context(), "ada", "order.address", []byte(`{"recipient":"Ada Lovelace","country":"GB"}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	service := shipment.New(shipment.Deps{Store: store, Clock: now, Vault: vault, Serves: shipment.Served("GB")})
	return shipmenttask.Tasks{Shipments: service, Clock: now}, store, address
}

func TestTasks(t *testing.T) {
	tasks, store, address := newTasks(t)
	in := shipmenttask.Input{OrderID: "o-1", Revision: 1, SagaID: "o-1", CorrelationID: "c-1"}
	scheduled, err := tasks.Schedule(
		t.Context(), shipmenttask.ScheduleInput{Input: in, CustomerID: "ada", Address: address},
	)
	id := shipment.ID("o-1", 1)
	if want := (shipmenttask.Scheduled{ShipmentID: id, TrackingNumber: shipment.TrackingNumber(id)}); err != nil ||
		scheduled != want {
		t.Fatalf("scheduled %+v, %v, want %+v", scheduled, err, want)
	}
	again, err := tasks.Schedule(
		t.Context(), shipmenttask.ScheduleInput{Input: in, CustomerID: "ada", Address: address},
	)
	if err != nil || again != scheduled {
		t.Errorf("then %+v, %v", again, err)
	}
	cancelled, err := tasks.Cancel(t.Context(), in)
	if want := (shipmenttask.Status{ShipmentID: id, Status: "undone"}); err != nil || cancelled != want {
		t.Errorf("cancelled %+v, %v, want %+v", cancelled, err, want)
	}
	if _, err := tasks.Schedule(
		t.Context(), shipmenttask.ScheduleInput{Input: in, CustomerID: "ada", Address: address},
	); !errors.Is(err, es.ErrAttemptClosed) {
		t.Errorf("scheduled after that: %v", err)
	}
	events := estest.Load(t, store, es.NewStreamID(shipment.Category, id), 0).Events
	if len(events) != 2 {
		t.Fatalf("%d events", len(events))
	}
	for i, cause := range []string{"o-1/schedule-shipment", "o-1/cancel-shipment"} {
		if want := (es.Metadata{
			CorrelationID: "c-1", CausationID: cause, Actor: "order-saga",
		}); events[i].Metadata != want {
			t.Errorf("event %d has %+v, want %+v", i, events[i].Metadata, want)
		}
	}
}

func TestCancelOfNothing(t *testing.T) {
	tasks, _, _ := newTasks(t)
	in := shipmenttask.Input{OrderID: "o-1", Revision: 1, SagaID: "o-1"}
	if got, err := tasks.Cancel(t.Context(), in); err != nil || got.Status != "voided" {
		t.Errorf("cancelled %+v, %v", got, err)
	}
}

func TestFailures(t *testing.T) {
	tasks, store, address := newTasks(t)
	in := shipmenttask.Input{OrderID: "o-1", Revision: 1, SagaID: "o-1"}
	store.Before = func([]es.Commit) error { return es.ErrUnavailable }
	if _, err := tasks.Schedule(
		t.Context(), shipmenttask.ScheduleInput{Input: in, CustomerID: "ada", Address: address},
	); !errors.Is(err, es.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := tasks.Cancel(t.Context(), in); !errors.Is(err, es.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	store.Before = nil
	if _, err := tasks.Schedule(
		t.Context(), shipmenttask.ScheduleInput{Input: in, CustomerID: "eve", Address: address},
	); !errors.Is(err, shipment.ErrAddressUnreadable) {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	good := `{"orderId":"o-1","revision":1,"sagaId":"o-1","customerId":"ada","address":"pd1:AAAA"}`
	for _, tc := range []struct{ change, want string }{
		{`{}`, ""},
		{`{"orderId":""}`, "orderId is missing"},
		{`{"revision":0}`, "revision is 0, the first is 1"},
		{`{"sagaId":""}`, "sagaId is missing"},
		{`{"customerId":""}`, "customerId is missing"},
		{`{"address":""}`, "address is missing"},
	} {
		var in shipmenttask.ScheduleInput
		for _, text := range []string{good, tc.change} {
			if err := json.Unmarshal([]byte(text), &in); err != nil {
				t.Fatal(err)
			}
		}
		if err := in.Validate(); (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
			t.Errorf("%s: %v, want %q", tc.change, err, tc.want)
		}
	}
}
