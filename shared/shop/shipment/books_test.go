package shipment_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// packed is a shipment that waits for the carrier, of the second revision of an order, with three
// of ten pieces. reserved says whether the stock knows of it.
func packed(t *testing.T, reserved bool) (d *dispatch, id string) {
	d, id = newDispatch(t), shipment.ID("o", 2)
	_, errSchedule := d.service.Schedule(
		t.Context(), request(), shipment.Schedule{OrderID: "o", Revision: 2, CustomerID: "ada", Address: d.home},
	)
	_, errPrepare := d.service.Prepare(t.Context(), request(), id, shipment.Copy{
		OrderID: "o", Revision: 2, CustomerID: "ada", Address: d.home,
		Lines: []shipment.Item{{SKU: "cd-1", Quantity: 3}},
	})
	_, errCount := d.stock.Set(t.Context(), request(), "cd-1", 10, stock.Match{MustBeNew: true})
	if err := errors.Join(errSchedule, errPrepare, errCount); err != nil {
		t.Fatal(err)
	}
	if reserved {
		r := stock.Reservation{OrderID: "o", Revision: 2, Items: []stock.Item{{SKU: "cd-1", Quantity: 3}}}
		if _, err := d.stock.Reserve(t.Context(), request(), r); err != nil {
			t.Fatal(err)
		}
	}
	return d, id
}

// books stand in for those of stock: they answer so, or their effect is refused so.
type books struct{ answer, effect error }

func (b books) Departure(string, int64) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
	return func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
		return nil, []es.Effect{b}, b.answer
	}
}

func (books) EffectName() string { return "books" }
func (b books) Check() error     { return b.effect }
func (books) Apply()             {}

// TestDispatchTakesThePiecesOut: a dispatch and what it takes out of the books, which it closes,
// are one append, of the revision that left.
func TestDispatchTakesThePiecesOut(t *testing.T) {
	d, id := packed(t, true)
	var appended []int
	d.store.Before = func(commits []es.Commit) error { appended = append(appended, len(commits)); return nil }
	for range 2 {
		if _, err := d.service.Dispatch(t.Context(), request(), id); err != nil {
			t.Fatal(err)
		}
	}
	level, err := d.stock.Get(t.Context(), "cd-1")
	want := stock.Level{SKU: "cd-1", OnHand: 7, Available: 7, Version: 2, Departed: 1}
	if err != nil || level != want || len(appended) != 1 || appended[0] != 2 {
		t.Errorf("the level is %+v, %v; appended %v", level, err, appended)
	}
	state, err := d.stock.Reservation(t.Context(), "o", 2)
	if err != nil || !state.Departed || !state.Committed {
		t.Errorf("the reservation is %+v, %v", state, err)
	}
	stream := es.NewStreamID(stock.ReservationCategory, stock.ReservationID("o", 2))
	departed := estest.Load(t, d.store, stream, 1).Events[0]
	dispatched := estest.Load(t, d.store, es.NewStreamID(shipment.Category, id), 2).Events[0]
	if departed.CommitID != dispatched.CommitID || departed.Metadata != dispatched.Metadata {
		t.Errorf("one request wrote %+v and %+v", departed, dispatched)
	}
	if !dispatched.Data.(shipment.Dispatched).StockClosed {
		t.Errorf("it doesn't say that the books are closed: %+v", dispatched.Data)
	}
}

// TestLostAnswerOfADispatch: the same request again changes nothing, in neither place.
func TestLostAnswerOfADispatch(t *testing.T) {
	d, id := packed(t, true)
	d.store.After = func(es.Appended, error) (es.Appended, error) { return es.Appended{}, es.ErrUnavailable }
	req := request()
	if _, err := d.service.Dispatch(t.Context(), req, id); !errors.Is(err, es.ErrUnavailable) {
		t.Fatal(err)
	}
	d.store.After = nil
	res, err := d.service.Dispatch(t.Context(), req, id)
	level, errLevel := d.stock.Get(t.Context(), "cd-1")
	if err != nil || errLevel != nil || !res.Repeated || level.OnHand != 7 || level.Departed != 1 {
		t.Errorf("%+v, %v; %+v, %v", res, err, level, errLevel)
	}
	req.Fingerprint = "another"
	if _, err := d.service.Dispatch(t.Context(), req, id); !errors.Is(err, es.ErrKeyReused) {
		t.Errorf("the key of another request: %v", err)
	}
}

// TestBooksThatCannotFollow: what has left has left. Books that can't be asked at present are
// another matter.
func TestBooksThatCannotFollow(t *testing.T) {
	inconsistent := stock.Inconsistent("cd-1", "fewer than 3 are reserved")
	for name, tc := range map[string]struct {
		books books
		want  error
	}{
		"nothing is reserved":     {books{answer: stock.ErrNotReserved.New("the reservation is open")}, nil},
		"the counters are broken": {books{effect: inconsistent}, nil},
		"they don't answer":       {books{answer: es.ErrUnavailable}, es.ErrUnavailable},
		"they can't be written":   {books{effect: es.ErrUnavailable}, es.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d, id := packed(t, false)
			service := shipment.New(shipment.Deps{Store: d.store, Clock: d.clock, Vault: d.vault, Books: tc.books})
			req := request()
			for range 2 {
				if _, err := service.Dispatch(t.Context(), req, id); !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			}
			want := "Scheduled Prepared"
			if tc.want == nil {
				want = "Scheduled Prepared Dispatched"
			}
			if got := events(t, d, id); got != want {
				t.Errorf("the events are %s, want %s", got, want)
			}
			if got, err := service.Find(t.Context(), id); err != nil || got.State.StockClosed {
				t.Errorf("the books are closed by the dispatch: %+v, %v", got, err)
			}
		})
	}
}

// TestTwinOfADispatch: of two deliveries of one dispatch the one finds what the other writes half
// done, on the shipment, on the reservation and in the books, and both have one answer.
func TestTwinOfADispatch(t *testing.T) {
	estest.Twins(t, 3, func(t *testing.T) (*memstore.Store, func() (string, error)) {
		d, id := packed(t, true)
		req := request()
		return d.store.Store.(*memstore.Store), func() (string, error) {
			res, err := d.service.Dispatch(t.Context(), req, id)
			return fmt.Sprintf("%+v", res.State), err
		}
	})
}
