package shipment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/shipment/shipmenttest"
)

func TestCopies(t *testing.T) { shipmenttest.Run(t, shipmenttest.NewCopies()) }

func TestReady(t *testing.T) {
	confirmed := shipment.Confirmation{OrderID: "o", Sequence: 3, ShipmentID: "s"}
	for name, tc := range map[string]struct {
		known shipment.Known
		want  string
	}{
		"nothing": {shipment.Known{}, ""},
		"a confirmed copy": {
			shipment.Known{Copy: shipment.Copy{Sequence: 3, Status: "confirmed", ShipmentID: "own"}}, "own",
		},
		"a confirmed copy, and a confirmation": {shipment.Known{
			Copy: shipment.Copy{Sequence: 3, Status: "confirmed", ShipmentID: "own"}, Confirmation: confirmed,
		}, "own"},
		"a copy of what has left": {
			shipment.Known{Copy: shipment.Copy{Sequence: 4, Status: "shipped", ShipmentID: "own"}}, "",
		},
		"a copy without its shipment": {
			shipment.Known{Copy: shipment.Copy{Sequence: 3, Status: "confirmed"}}, "",
		},
		"a confirmation only": {shipment.Known{Confirmation: confirmed}, ""},
		"a copy from before": {
			shipment.Known{Copy: shipment.Copy{Sequence: 2, Status: "placed"}, Confirmation: confirmed}, "",
		},
		"a copy of a confirmation before": {
			shipment.Known{Copy: shipment.Copy{Sequence: 2, Status: "confirmed"}, Confirmation: confirmed}, "",
		},
		"both": {
			shipment.Known{Copy: shipment.Copy{Sequence: 3, Status: "confirmed"}, Confirmation: confirmed},
			confirmed.ShipmentID,
		},
		"closed since": {
			shipment.Known{Copy: shipment.Copy{Sequence: 4, Status: "cancelling"}, Confirmation: confirmed}, "",
		},
	} {
		if got := tc.known.Ready(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestProgress takes a shipment through its life, in order and out of it: what it refuses changes
// nothing, and what it is told twice neither.
func TestProgress(t *testing.T) {
	id := shipment.ID("o", 1)
	type step func(*dispatch) error
	schedule := func(d *dispatch) error {
		_, err := d.service.Schedule(
			t.Context(), request(),
			shipment.Schedule{
				OrderID: "o", Revision: 1, CustomerID: "ada", Address: d.seal(t, "order.address", address),
			},
		)
		return err
	}
	cancel := func(d *dispatch) error {
		_, err := d.service.Cancel(
			t.Context(), request(), shipment.Cancel{OrderID: "o", Revision: 1, Origin: "customer"},
		)
		return err
	}
	prepare := func(d *dispatch) error {
		_, err := d.service.Prepare(t.Context(), request(), id, shipment.Copy{
			OrderID: "o", Sequence: 3, Status: "confirmed", Revision: 1, CustomerID: "ada", Address: d.home,
			Lines: []shipment.Item{{SKU: "cd-2", Quantity: 1}, {SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 3}},
		})
		return err
	}
	leave := func(d *dispatch) error {
		_, err := d.service.Dispatch(t.Context(), request(), id)
		return err
	}
	arrive := func(d *dispatch) error {
		_, err := d.service.Deliver(t.Context(), request(), id)
		return err
	}
	erase := func(d *dispatch) error { return d.vault.Erase(t.Context(), "ada") }
	for _, tc := range []struct {
		name  string
		steps []step
		want  error // of the last step
		then  string
	}{
		{"prepare", []step{schedule, prepare}, nil, "Scheduled Prepared"},
		{"prepare twice", []step{schedule, prepare, prepare}, nil, "Scheduled Prepared"},
		{"prepare what is not there", []step{prepare}, shipment.ErrNotFound, ""},
		{"prepare what was cancelled", []step{schedule, cancel, prepare}, shipment.ErrCancelled, "Scheduled Cancelled"},
		{"prepare what was voided", []step{cancel, prepare}, shipment.ErrCancelled, "Voided"},
		{"prepare what left", []step{schedule, prepare, leave, prepare}, nil, "Scheduled Prepared Dispatched"},
		{"dispatch", []step{schedule, prepare, leave}, nil, "Scheduled Prepared Dispatched"},
		{"dispatch twice", []step{schedule, prepare, leave, leave}, nil, "Scheduled Prepared Dispatched"},
		{"dispatch what is not there", []step{leave}, shipment.ErrNotFound, ""},
		{"dispatch what is not prepared", []step{schedule, leave}, shipment.ErrNotPrepared, "Scheduled"},
		{
			"dispatch what was cancelled", []step{schedule, prepare, cancel, leave}, shipment.ErrCancelled,
			"Scheduled Prepared Cancelled",
		},
		{
			"dispatch what arrived", []step{schedule, prepare, leave, arrive, leave}, nil,
			"Scheduled Prepared Dispatched Delivered",
		},
		{
			"dispatch to where nobody can read", []step{schedule, prepare, erase, leave}, shipment.ErrAddressUnreadable,
			"Scheduled Prepared",
		},
		{
			"dispatch again, and by now nobody can read", []step{schedule, prepare, leave, erase, leave}, nil,
			"Scheduled Prepared Dispatched",
		},
		{
			"deliver what left before", []step{schedule, prepare, leave, erase, arrive}, nil,
			"Scheduled Prepared Dispatched Delivered",
		},
		{"deliver", []step{schedule, prepare, leave, arrive}, nil, "Scheduled Prepared Dispatched Delivered"},
		{
			"deliver twice", []step{schedule, prepare, leave, arrive, arrive}, nil,
			"Scheduled Prepared Dispatched Delivered",
		},
		{"deliver what is not there", []step{arrive}, shipment.ErrNotFound, ""},
		{
			"deliver what has not left", []step{schedule, prepare, arrive}, shipment.ErrNotDispatched,
			"Scheduled Prepared",
		},
		{"deliver what was cancelled", []step{schedule, cancel, arrive}, shipment.ErrCancelled, "Scheduled Cancelled"},
		{"cancel what is prepared", []step{schedule, prepare, cancel}, nil, "Scheduled Prepared Cancelled"},
		{
			"cancel what left", []step{schedule, prepare, leave, cancel}, shipment.ErrDispatched,
			"Scheduled Prepared Dispatched",
		},
		{
			"cancel what arrived", []step{schedule, prepare, leave, arrive, cancel}, shipment.ErrDispatched,
			"Scheduled Prepared Dispatched Delivered",
		},
		{"schedule what left", []step{schedule, prepare, leave, schedule}, nil, "Scheduled Prepared Dispatched"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDispatch(t)
			var err error
			for _, step := range tc.steps {
				err = step(d)
			}
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if got := events(t, d, id); got != tc.then {
				t.Errorf("the events are %q, want %q", got, tc.then)
			}
			found, err := d.service.Find(t.Context(), id)
			if (tc.then == "") != errors.Is(err, shipment.ErrNotFound) {
				t.Errorf("found %+v, %v", found, err)
			}
			packed := shipment.State{
				CustomerID: "ada", Items: []shipment.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 4}},
				Address: d.home,
			}
			if !strings.Contains(tc.then, "Prepared") {
				packed = shipment.State{}
			}
			got := shipment.State{
				CustomerID: found.State.CustomerID, Items: found.State.Items, Address: found.State.Address,
			}
			if diff := cmp.Diff(packed, got); diff != "" {
				t.Errorf("packed is (-want +got):\n%s", diff)
			}
			if left := strings.Contains(
				tc.then, "Dispatched",
			); left != (found.State.DispatchedAt == "1970-01-01T00:00:00Z") {
				t.Errorf("it left at %q", found.State.DispatchedAt)
			}
			for _, e := range estest.Load(t, d.store, es.NewStreamID(shipment.Category, id), 0).Events {
				if arrived, ok := e.Data.(shipment.Delivered); ok && arrived.DispatchedAt != "1970-01-01T00:00:00Z" {
					t.Errorf("its arrival says %+v", arrived)
				}
			}
		})
	}
}

func events(t *testing.T, d *dispatch, id string) string {
	t.Helper()
	var names []string
	for _, e := range estest.Load(t, d.store, es.NewStreamID(shipment.Category, id), 0).Events {
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", e.Data), "shipment."))
	}
	return strings.Join(names, " ")
}

// TestMovesBelongToTheOrder: who dispatches and who delivers acts by a request of their own, and
// what that writes belongs with what the shipment began with.
func TestMovesBelongToTheOrder(t *testing.T) {
	d, id := newDispatch(t), shipment.ID("o", 1)
	req := func(correlation, causation string) es.Request {
		r := request()
		r.Metadata = es.Metadata{CorrelationID: correlation, CausationID: causation}
		return r
	}
	_, errSchedule := d.service.Schedule(
		t.Context(), req("order's", "saga"),
		shipment.Schedule{OrderID: "o", Revision: 1, CustomerID: "ada", Address: d.home},
	)
	_, errPrepare := d.service.Prepare(
		t.Context(), req("order's", "event"), id,
		shipment.Copy{CustomerID: "ada", Address: d.home, Lines: []shipment.Item{{SKU: "cd-1", Quantity: 1}}},
	)
	_, errDispatch := d.service.Dispatch(t.Context(), req("carrier's", "http/1"), id)
	_, errDeliver := d.service.Deliver(t.Context(), req("another's", "http/2"), id)
	if err := errors.Join(errSchedule, errPrepare, errDispatch, errDeliver); err != nil {
		t.Fatal(err)
	}
	var got []es.Metadata
	for _, e := range estest.Load(t, d.store, es.NewStreamID(shipment.Category, id), 0).Events {
		got = append(got, e.Metadata)
	}
	want := []es.Metadata{
		{CorrelationID: "order's", CausationID: "saga"}, {CorrelationID: "order's", CausationID: "event"},
		{CorrelationID: "order's", CausationID: "http/1"},
		{CorrelationID: "order's", CausationID: "http/2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDispatchRacesCancel: of those who want it to leave and those who don't, one side gets the
// answer that it is so.
func TestDispatchRacesCancel(t *testing.T) {
	for range 30 {
		d, id := newDispatch(t), shipment.ID("o", 1)
		if _, err := d.service.Schedule(
			t.Context(), request(),
			shipment.Schedule{
				OrderID: "o", Revision: 1, CustomerID: "ada", Address: d.seal(t, "order.address", address),
			},
		); err != nil {
			t.Fatal(err)
		}
		if _, err := d.service.Prepare(
			t.Context(), request(), id,
			shipment.Copy{CustomerID: "ada", Address: d.home, Lines: []shipment.Item{{SKU: "cd-1", Quantity: 1}}},
		); err != nil {
			t.Fatal(err)
		}
		left, stopped := make([]error, 4), make([]error, 4)
		var wg sync.WaitGroup
		for i := range left {
			wg.Go(func() { _, left[i] = d.service.Dispatch(context.Background(), request(), id) })
			wg.Go(func() {
				_, stopped[i] = d.service.Cancel(
					context.Background(), request(), shipment.Cancel{OrderID: "o", Revision: 1},
				)
			})
		}
		wg.Wait()
		hasLeft := events(t, d, id) == "Scheduled Prepared Dispatched"
		if !hasLeft && events(t, d, id) != "Scheduled Prepared Cancelled" {
			t.Fatalf("the events are %s", events(t, d, id))
		}
		for i := range left {
			if hasLeft && (left[i] != nil || !errors.Is(stopped[i], shipment.ErrDispatched)) || !hasLeft &&
				(!errors.Is(left[i], shipment.ErrCancelled) || stopped[i] != nil) {
				t.Errorf("left %v: dispatch %v, cancel %v", hasLeft, left[i], stopped[i])
			}
		}
	}
}

// overtaken is a vault that is asked for an address too late: meanwhile a twin of the request has
// been through.
type overtaken struct {
	personal.Vault
	meanwhile func()
}

func (o *overtaken) Open(ctx context.Context, subject, field string, sealed personal.Sealed) ([]byte, error) {
	if f := o.meanwhile; f != nil {
		o.meanwhile = nil
		f()
	}
	return o.Vault.Open(ctx, subject, field, sealed)
}

// TestDispatchOvertakenByItsTwin: the twin dispatched the shipment, and its customer was erased
// after that. It is dispatched, and not refused.
func TestDispatchOvertakenByItsTwin(t *testing.T) {
	d, id := newDispatch(t), shipment.ID("o", 1)
	schedule := shipment.Schedule{OrderID: "o", Revision: 1, CustomerID: "ada", Address: d.home}
	if _, err := d.service.Schedule(t.Context(), request(), schedule); err != nil {
		t.Fatal(err)
	}
	prepared := shipment.Copy{
		OrderID: "o", Sequence: 3, Status: "confirmed", Revision: 1, CustomerID: "ada", Address: d.home,
		Lines: []shipment.Item{{SKU: "cd-1", Quantity: 1}},
	}
	if _, err := d.service.Prepare(t.Context(), request(), id, prepared); err != nil {
		t.Fatal(err)
	}
	req := request()
	late := &overtaken{Vault: d.vault, meanwhile: func() {
		if _, err := d.service.Dispatch(t.Context(), req, id); err != nil {
			t.Error(err)
		}
		if err := d.vault.Erase(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
	}}
	slow := shipment.New(shipment.Deps{Store: d.store, Clock: clock.NewFake(estest.Start), Vault: late,
		Serves: shipment.Served("GB,NL")})
	if res, err := slow.Dispatch(t.Context(), req, id); err != nil || res.State.Status != shipment.StatusDispatched {
		t.Errorf("%+v, %v", res.State, err)
	}
}
