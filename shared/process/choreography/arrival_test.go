package choreography_test

import (
	"context"
	"errors"
	"testing"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/choreography"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/shipment/shipmenttest"
	"orderflow/shared/shop/stock"
)

var errBusy = errors.New("busy")

// books are stock that fails.
type books struct{ err error }

func (b books) Commit(context.Context, es.Request, string, int64) (stock.ReservationState, error) {
	return stock.ReservationState{}, b.err
}

// left is a shop whose order has left by a dispatch that told the books nothing, and has arrived.
// Nobody hears of order.shipped.
func left(t *testing.T, unshipped bool) (w *world, arrived []byte) {
	t.Helper()
	w = newWorld(t)
	consume := w.consumers(shipmenttest.NewCopies())
	consume["commit"] = func([]byte) error { return nil }
	w.settle(consume)
	earlier := shipment.New(shipment.Deps{Store: w.store, Clock: w.clock, Vault: w.vault, Books: unheard{}})
	_, errDispatch := earlier.Dispatch(t.Context(), w.request(), shipmentID)
	if !unshipped {
		w.publish()
		w.settle(consume)
	}
	_, errDeliver := w.shipments.Deliver(t.Context(), w.request(), shipmentID)
	if err := errors.Join(errDispatch, errDeliver); err != nil {
		t.Fatal(err)
	}
	return w, delivered(t, envelopeOf(t, w, "shipment.delivered"))
}

// An order that has arrived holds no stock, though order.shipped is lost, however often and from
// whichever state the order hears of the arrival.
func TestShippedIsLost(t *testing.T) {
	for name, unshipped := range map[string]bool{
		"and the order is shipped": false, "and the order is confirmed": true,
	} {
		t.Run(name, func(t *testing.T) {
			w, arrived := left(t, unshipped)
			follower := choreography.Follower{Orders: w.orders, Stock: w.stock, Clock: w.clock}
			for range 3 {
				if err := follower.Handle(t.Context(), arrived); err != nil {
					t.Fatal(err)
				}
			}
			w.check(t)
			w.belongs(t)
			reservation, err := w.stock.Reservation(t.Context(), orderID, 1)
			if err != nil || !reservation.Committed {
				t.Errorf("the reservation is %+v, %v", reservation, err)
			}
			// The booking that comes after all changes nothing.
			committer := choreography.Committer{Stock: w.stock, Clock: w.clock}
			if err := committer.Handle(t.Context(), delivered(t, envelopeOf(t, w, "order.shipped"))); err != nil {
				t.Error(err)
			}
			w.check(t)
		})
	}
}

// What the dispatch has closed is looked up by nobody: books that can't be asked keep back neither
// the arrival nor the booking.
func TestClosedByTheDispatch(t *testing.T) {
	w := newWorld(t)
	consume := w.consumers(shipmenttest.NewCopies())
	w.settle(consume)
	_, errDispatch := w.shipments.Dispatch(t.Context(), w.request(), shipmentID)
	_, errDeliver := w.shipments.Deliver(t.Context(), w.request(), shipmentID)
	if err := errors.Join(errDispatch, errDeliver); err != nil {
		t.Fatal(err)
	}
	if closed, err := w.stock.Reservation(t.Context(), orderID, 1); err != nil || !closed.Committed {
		t.Errorf("the reservation is %+v, %v", closed, err)
	}
	follower := choreography.Follower{Orders: w.orders, Stock: books{errBusy}, Clock: w.clock}
	for range 2 {
		if err := follower.Handle(t.Context(), delivered(t, envelopeOf(t, w, "shipment.delivered"))); err != nil {
			t.Fatal(err)
		}
	}
	// A rule of an earlier release sends it to the booking all the same.
	committer := choreography.Committer{Stock: books{errBusy}, Clock: w.clock}
	if err := committer.Handle(t.Context(), delivered(t, envelopeOf(t, w, "order.shipped"))); err != nil {
		t.Error(err)
	}
	w.check(t)
	w.belongs(t)
}

// Books that may follow later keep an order from being delivered: nobody would look at it again.
// Books that can't follow don't, and are told of each time.
func TestArrivalAndTheBooks(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status order.Status
	}{
		"busy":         {errBusy, order.StatusShipped},
		"inconsistent": {stock.ErrInconsistent.New("no"), order.StatusDelivered},
		"not reserved": {stock.ErrNotReserved.New("no"), order.StatusDelivered},
	} {
		t.Run(name, func(t *testing.T) {
			w, arrived := left(t, false)
			for range 2 {
				follower := choreography.Follower{Orders: w.orders, Stock: books{tt.err}, Clock: w.clock}
				if err := follower.Handle(t.Context(), arrived); !errors.Is(err, tt.err) ||
					errors.Is(err, contract.ErrMalformed) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				if got, err := w.orders.Get(t.Context(), orderID); err != nil || got.State.Status != tt.status {
					t.Errorf("the order is %s, %v, want %s", got.State.Status, err, tt.status)
				}
			}
			mended := choreography.Follower{Orders: w.orders, Stock: w.stock, Clock: w.clock}
			if err := mended.Handle(t.Context(), arrived); err != nil {
				t.Fatal(err)
			}
			w.check(t)
		})
	}
}
