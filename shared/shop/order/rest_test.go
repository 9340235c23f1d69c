package order

import (
	"errors"
	"fmt"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/goods"
)

// divided is a service with an order of which a part is there, and the rest is to wait.
type divided struct {
	*testing.T
	Service
	store *estest.Hooked
	tries int
}

func newDivided(t *testing.T, policy goods.OutOfStock) *divided {
	t.Helper()
	store := &estest.Hooked{Store: memstore.New(es.NewRegistry(Register))}
	d := &divided{T: t, store: store, Service: New(Deps{Store: store, Clock: clock.NewFake(noon)})}
	ordered := []Line{
		{
			SKU: "cd-1", Quantity: 3, UnitPrice: eur(100), Discount: &Adjustment{Name: "Sale", Amount: eur(10)},
			Tax: &Adjustment{Name: "VAT", Amount: eur(8)},
		},
		{SKU: "cd-2", Quantity: 1, UnitPrice: eur(50)},
	}
	d.do("o1", Place{
		OrderID: "o1", CustomerID: "c1", AccountID: "a1", Lines: ordered, Address: "pd1:x", PricedBy: "pricing/q",
		OutOfStock: policy, HoldRules: []string{RuleAmount}, Now: noon,
	})
	d.do("o1", Approve{By: "person/o"})
	d.do("o1", Start{SagaID: "run-1"})
	d.do("o1", Reduce{Revision: 1, Items: []goods.Item{{SKU: "cd-1", Quantity: 1}}})
	return d
}

// do carries out a command of its own.
func (d *divided) do(id string, c Command) {
	d.Helper()
	d.tries++
	if err := d.try(fmt.Sprint("command ", d.tries), id, c); err != nil {
		d.Fatal(err)
	}
}

func (d *divided) try(commit, id string, c Command) error {
	_, err := d.Service.Run(d.Context(), es.Request{
		CommitID: commit, Time: noon, Metadata: es.Metadata{CorrelationID: "of " + id, CausationID: commit},
	}, id, c)
	return err
}

// rest is the order of what was not there.
func (d *divided) rest() (State, []es.Recorded) {
	d.Helper()
	history, err := d.store.Load(d.Context(), es.NewStreamID(Category, RestID("o1")), 0)
	if err != nil {
		d.Fatal(err)
	}
	state, err := Decider.Fold(history)
	if err != nil {
		d.Fatal(err)
	}
	return state, history.Events
}

var confirms = Confirm{SagaID: "run-1", PaymentID: "p1", ShipmentID: "s1", TrackingNumber: "OF1"}

// TestRestIsPlaced: with the confirmation of an order the rest of it is one of its own, once,
// whatever is lost or comes twice: the same customer's, at the prices that it had, and both come to
// what was ordered.
func TestRestIsPlaced(t *testing.T) {
	for name, run := range map[string]func(*divided) error{
		"at once":               func(d *divided) error { return d.try("confirm", "o1", confirms) },
		"again":                 func(d *divided) error { _ = d.try("confirm", "o1", confirms); return d.try("confirm", "o1", confirms) },
		"again, by another run": func(d *divided) error { _ = d.try("confirm", "o1", confirms); return d.try("other", "o1", confirms) },
		"after a conflict": func(d *divided) error {
			d.store.Inject([]string{estest.Conflict})
			return d.try("confirm", "o1", confirms)
		},
		"after a lost answer": func(d *divided) error {
			d.store.Inject([]string{estest.Lost})
			_ = d.try("confirm", "o1", confirms)
			d.store.Heal()
			return d.try("confirm", "o1", confirms)
		},
		"after a payment by another account": func(d *divided) error {
			d.do("o1", RequirePayment{Revision: 1, Until: tomorrow})
			d.do("o1", RequestPayment{AccountID: "a1", By: "customer/c1"})
			return d.try("confirm", "o1", confirms)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDivided(t, goods.PartialWait)
			if err := run(d); err != nil {
				t.Fatal(err)
			}
			first, err := d.Get(t.Context(), "o1")
			if err != nil || first.State.Status != StatusConfirmed || first.State.RestID != RestID("o1") {
				t.Fatalf("the order is %+v, %v", first.State, err)
			}
			rest, events := d.rest()
			if rest.Status != StatusPlaced || len(events) != 1 || rest.RestOf != "o1" || rest.CustomerID != "c1" ||
				rest.AccountID != "a1" || rest.Address != "pd1:x" || rest.PricedBy != "pricing/q" ||
				rest.OutOfStock != goods.Backorder || rest.unapproved() {
				t.Errorf("the rest is %+v", rest)
			}
			if events[0].Metadata.CorrelationID != "of o1" {
				t.Errorf("it comes from %+v", events[0].Metadata)
			}
			if sum := first.State.Total.Amount + rest.Total.Amount; sum != 348 || rest.Lines[0].Quantity != 2 ||
				rest.Lines[0].Discount.Amount != eur(7) || rest.Lines[0].Tax.Amount != eur(6) {
				t.Errorf("both come to %d: %+v", sum, rest.Lines)
			}
		})
	}
}

// TestRestIsNotPlaced: no rest is left of an order that was closed before it was confirmed, nor of
// one whose rest is dropped.
func TestRestIsNotPlaced(t *testing.T) {
	for name, tt := range map[string]struct {
		policy goods.OutOfStock
		run    func(*divided) error
		err    error
	}{
		"dropped": {goods.PartialDrop, func(d *divided) error { return d.try("confirm", "o1", confirms) }, nil},
		"cancelled": {goods.PartialWait, func(d *divided) error {
			d.do("o1", Close{Origin: OriginCustomer, Reason: ReasonCustomer})
			return d.try("confirm", "o1", confirms)
		}, ErrCancelling},
		"cancelled meanwhile": {goods.PartialWait, func(d *divided) error {
			closed := false
			d.store.Before = func([]es.Commit) error {
				if !closed {
					closed = true
					d.do("o1", Close{Origin: OriginCustomer, Reason: ReasonCustomer})
				}
				return nil
			}
			return d.try("confirm", "o1", confirms)
		}, ErrCancelling},
		"a store that is down": {goods.PartialWait, func(d *divided) error {
			d.store.Before = func([]es.Commit) error { return es.ErrUnavailable }
			return d.try("confirm", "o1", confirms)
		}, es.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDivided(t, tt.policy)
			if err := tt.run(d); !errors.Is(err, tt.err) {
				t.Fatal(err)
			}
			if rest, _ := d.rest(); rest.Exists() {
				t.Errorf("there is %+v", rest)
			}
		})
	}
}

// TestRestIsClosed: who cancels an order that is confirmed cancels the rest of it with it, in one
// append, as long as that waits or is under way.
func TestRestIsClosed(t *testing.T) {
	rest := RestID("o1")
	for name, tt := range map[string]struct {
		before    []Command // on the rest
		meanwhile Command
		want      Status
	}{
		"that nobody has taken yet": {want: StatusCancelling},
		"that waits": {
			before: []Command{Start{SagaID: "run-2"}, Backorder{Revision: 1, Until: tomorrow}}, want: StatusCancelling,
		},
		"that begins to wait meanwhile": {
			before: []Command{Start{SagaID: "run-2"}}, meanwhile: Backorder{Revision: 1, Until: tomorrow},
			want: StatusCancelling,
		},
		"that is confirmed":           {before: []Command{confirms}, want: StatusConfirmed},
		"that is confirmed meanwhile": {meanwhile: confirms, want: StatusConfirmed},
		"that is closed": {
			before: []Command{Close{Origin: OriginCustomer, Reason: ReasonCustomer}, FinishUndo{}},
			want:   StatusCancelled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDivided(t, goods.PartialWait)
			d.do("o1", confirms)
			for _, c := range tt.before {
				d.do(rest, c)
			}
			if tt.meanwhile != nil {
				d.store.Before = func([]es.Commit) error {
					d.store.Before = nil
					d.do(rest, tt.meanwhile)
					return nil
				}
			}
			d.do("o1", Close{Origin: OriginOperator, Reason: ReasonOperator, Note: "pd1:n", Stopped: "s1"})
			first, err := d.Get(t.Context(), "o1")
			if err != nil || first.State.Status != StatusCancelling {
				t.Errorf("the order is %s, %v", first.State.Status, err)
			}
			got, _ := d.rest()
			if got.Status != tt.want || got.Status == StatusCancelling &&
				(got.Reason != ReasonOperator || got.ClosedBy != OriginOperator || got.Note != "pd1:n") {
				t.Errorf("the rest is %s, by %s: %s", got.Status, got.ClosedBy, got.Reason)
			}
		})
	}
}
