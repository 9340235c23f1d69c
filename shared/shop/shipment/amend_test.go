package shipment_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/shop/shipment"
)

// amend gives the shipment of an order's first revision other contents, as the append of an order's
// amendment does.
func (d *dispatch) amend(t *testing.T, to shipment.Contents) error {
	t.Helper()
	amendment, req := d.service.Amendment("o", 1, to), request()
	return es.RetryConflicts(t.Context(), clock.NewFake(estest.Start), func(ctx context.Context) error {
		commits, effects, err := amendment(ctx, req)
		if err == nil {
			_, err = d.store.Append(ctx, commits, effects...)
		}
		return err
	})
}

// TestAmend: an amendment reaches what the carrier sees, whether it comes before the shipment is
// prepared from an older copy or after, and none does once it is labelled.
func TestAmend(t *testing.T) {
	id := shipment.ID("o", 1)
	type step struct {
		name string
		do   func(*dispatch) error
	}
	schedule := step{"schedule", func(d *dispatch) error {
		_, err := d.service.Schedule(
			t.Context(), request(), shipment.Schedule{OrderID: "o", Revision: 1, CustomerID: "ada", Address: d.home},
		)
		return err
	}}
	prepare := step{"prepare", func(d *dispatch) error {
		_, err := d.service.Prepare(t.Context(), request(), id, shipment.Copy{
			OrderID: "o", Sequence: 3, Status: "confirmed", Revision: 1, CustomerID: "ada", Address: d.home,
			Lines: []shipment.Item{{SKU: "cd-1", Quantity: 2}},
		})
		return err
	}}
	amend := step{"amend", func(d *dispatch) error {
		return d.amend(t, shipment.Contents{
			Revision: 2, CustomerID: "ada", Address: d.seal(t, "order.address", address),
			Items: []shipment.Item{{SKU: "cd-2", Quantity: 1}, {SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 1}},
		})
	}}
	label := step{"label", func(d *dispatch) error {
		now, err := d.service.Find(t.Context(), id)
		if err == nil {
			_, err = d.service.Label(t.Context(), request(), id, now.Head.Version())
		}
		return err
	}}
	cancel := step{"cancel", func(d *dispatch) error {
		_, err := d.service.Cancel(t.Context(), request(), shipment.Cancel{OrderID: "o", Revision: 1})
		return err
	}}
	leave := step{"leave", func(d *dispatch) error {
		_, err := d.service.Dispatch(t.Context(), request(), id)
		return err
	}}
	before := []shipment.Item{{SKU: "cd-1", Quantity: 2}}
	after := []shipment.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 2}}
	for _, tc := range []struct {
		steps []step
		want  error // of the last step
		then  string
		items []shipment.Item
	}{
		{[]step{schedule, prepare, amend}, nil, "Scheduled Prepared Amended", after},
		{[]step{schedule, amend, prepare}, nil, "Scheduled Amended Prepared", after},
		{[]step{schedule, amend, prepare, leave}, nil, "Scheduled Amended Prepared Dispatched", after},
		{[]step{schedule, prepare, amend, label}, nil, "Scheduled Prepared Amended Labelled", after},
		{[]step{schedule, prepare, label, amend}, shipment.ErrLabelled, "Scheduled Prepared Labelled", before},
		{[]step{schedule, prepare, label, label}, nil, "Scheduled Prepared Labelled", before},
		{[]step{schedule, prepare, label, leave}, nil, "Scheduled Prepared Labelled Dispatched", before},
		{[]step{schedule, prepare, label, leave, label}, nil, "Scheduled Prepared Labelled Dispatched", before},
		{[]step{schedule, prepare, label, cancel}, nil, "Scheduled Prepared Labelled Cancelled", before},
		{[]step{schedule, prepare, leave, amend}, shipment.ErrDispatched, "Scheduled Prepared Dispatched", before},
		{[]step{schedule, label}, shipment.ErrNotPrepared, "Scheduled", nil},
		{[]step{schedule, prepare, cancel, label}, shipment.ErrCancelled, "Scheduled Prepared Cancelled", before},
		{[]step{schedule, cancel, amend}, shipment.ErrCancelled, "Scheduled Cancelled", nil},
		{[]step{cancel, amend}, shipment.ErrCancelled, "Voided", nil},
		{[]step{amend}, shipment.ErrNotFound, "", nil},
		{[]step{label}, shipment.ErrNotFound, "", nil},
	} {
		name := ""
		for _, s := range tc.steps {
			name += s.name + " "
		}
		t.Run(name, func(t *testing.T) {
			d := newDispatch(t)
			for i, s := range tc.steps {
				err := s.do(d)
				if last := i == len(tc.steps)-1; last && !errors.Is(err, tc.want) || !last && err != nil {
					t.Fatalf("%s: %v, want %v", s.name, err, tc.want)
				}
			}
			if got := events(t, d, id); got != tc.then {
				t.Errorf("the events are %q, want %q", got, tc.then)
			}
			state, err := d.service.Get(t.Context(), "o", 1)
			if diff := cmp.Diff(tc.items, state.Items); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
			if state.Address != "" {
				if to, err := d.service.OpenAddress(t.Context(), state); err != nil || to != address {
					t.Errorf("it goes to %+v, %v", to, err)
				}
			}
		})
	}
}

// TestAmendToNowhere: a new address is held to the same rule as an order's first one.
func TestAmendToNowhere(t *testing.T) {
	d := newDispatch(t)
	err := d.amend(t, shipment.Contents{
		Revision: 2, CustomerID: "ada", Address: d.home, Country: "AQ",
		Items: []shipment.Item{{SKU: "cd-1", Quantity: 1}},
	})
	if !errors.Is(err, shipment.ErrCountryNotServed) {
		t.Errorf("amended: %v", err)
	}
}

// TestLabelledAsRead: a label names the version that it was printed from. One that was amended
// since is another.
func TestLabelledAsRead(t *testing.T) {
	d, id := packedFirst(t)
	read, err := d.service.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	contents := shipment.Contents{
		Revision: 2, CustomerID: "ada", Address: d.home, Items: []shipment.Item{{SKU: "cd-1", Quantity: 1}},
	}
	if err := d.amend(t, contents); err != nil {
		t.Fatal(err)
	}
	if _, err := d.service.Label(t.Context(), request(), id, read.Head.Version()); !errors.Is(
		err, shipment.ErrVersionMismatch,
	) {
		t.Errorf("labelled: %v", err)
	}
	req := request()
	for range 2 { // the second time, its answer was lost
		res, err := d.service.Label(t.Context(), req, id, read.Head.Version()+1)
		if err != nil || !res.State.Labelled {
			t.Errorf("labelled: %+v, %v", res.State, err)
		}
	}
}

// packedFirst is a shipment of the first revision that waits for the carrier.
func packedFirst(t *testing.T) (d *dispatch, id string) {
	t.Helper()
	d, id = newDispatch(t), shipment.ID("o", 1)
	_, errSchedule := d.service.Schedule(
		t.Context(), request(), shipment.Schedule{OrderID: "o", Revision: 1, CustomerID: "ada", Address: d.home},
	)
	_, errPrepare := d.service.Prepare(t.Context(), request(), id, shipment.Copy{
		OrderID: "o", Revision: 1, CustomerID: "ada", Address: d.home,
		Lines: []shipment.Item{{SKU: "cd-1", Quantity: 3}},
	})
	if err := errors.Join(errSchedule, errPrepare); err != nil {
		t.Fatal(err)
	}
	return d, id
}
