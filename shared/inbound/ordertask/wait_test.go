package ordertask_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"orderflow/shared/inbound/ordertask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/stock"
)

const until = "2026-03-01T12:30:00Z"

// tokens notes which runs were woken.
type tokens struct{ woken []string }

func (w *tokens) Succeed(_ context.Context, token string, _ any) error {
	w.woken = append(w.woken, token)
	return nil
}

// waiting is an order that a run has in hand, declined, held or short of stock, and what may become
// of it.
type waiting struct {
	tasks       ordertask.Tasks
	orders      order.Service
	tokens      *tokens
	tries       int
	reservation stock.ReservationState
	asked       func() // once the reservation was asked
}

// Reservation implements ordertask.Stock.
func (w *waiting) Reservation(context.Context, string, int64) (stock.ReservationState, error) {
	was := w.reservation
	if w.asked != nil {
		w.asked()
	}
	return was, nil
}

func newWaiting(t *testing.T, rules ...string) *waiting { return newWaitingFor(t, 1, rules...) }

// newWaitingFor is newWaiting for so many pieces.
func newWaitingFor(t *testing.T, pieces int64, rules ...string) *waiting {
	t.Helper()
	store := memstore.New(es.NewRegistry(order.Register), memstore.Staggered(t.Name()))
	fake := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	orders := order.New(order.Deps{Store: store, Clock: fake})
	price := money.Money{Amount: 150, Currency: "EUR"}
	if _, err := orders.Run(t.Context(), es.Request{CommitID: "place", Time: fake.Now()}, "o1", order.Place{
		OrderID: "o1", CustomerID: "c1", AccountID: "a1", HoldRules: rules,
		Lines: []order.Line{{SKU: "s", Quantity: pieces, UnitPrice: price}}, Now: fake.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	woken := &tokens{}
	w := &waiting{orders: orders, tokens: woken, reservation: stock.ReservationState{
		Status: es.AttemptWaiting, Places: []stock.Place{{SKU: "s", Quantity: 1, Ticket: 1}},
	}}
	w.tasks = ordertask.Tasks{Orders: orders, Stock: w, Tokens: woken, Clock: fake}
	return w
}

// run carries out a command of somebody else.
func (w *waiting) run(c order.Command) error {
	w.tries++
	req := es.Request{CommitID: fmt.Sprint("command ", w.tries), Time: w.tasks.Clock.Now()}
	_, err := w.orders.Run(context.Background(), req, "o1", c)
	return err
}

func (w *waiting) state(t *testing.T) order.State {
	t.Helper()
	res, err := w.orders.Get(t.Context(), "o1")
	if err != nil {
		t.Fatal(err)
	}
	return res.State
}

func starts(waited order.WaitKind) func(*waiting) error {
	return func(w *waiting) error {
		_, err := w.tasks.Start(context.Background(), ordertask.StartInput{Input: input, Waited: waited})
		return err
	}
}

// The run's own steps, and what others may do meanwhile.
var (
	input = ordertask.Input{OrderID: "o1", SagaID: "run-1"}
	start = starts("")
	again = starts(order.WaitStock)
	waits = func(token string, revision int64) func(*waiting) error {
		return func(w *waiting) error {
			_, err := w.tasks.AwaitPayment(context.Background(), ordertask.AwaitPaymentInput{
				WaitInput: ordertask.WaitInput{Input: input, Token: token, Until: until},
				Revision:  revision, Code: "account.insufficient-funds", Cause: `{"errorMessage":"too little"}`,
			})
			return err
		}
	}
	lacks = func(token string) func(*waiting) error {
		return func(w *waiting) error {
			_, err := w.tasks.AwaitStock(context.Background(), ordertask.AwaitStockInput{
				WaitInput: ordertask.WaitInput{Input: input, Token: token, Until: until}, Revision: 1,
			})
			return err
		}
	}
	comes = func(w *waiting) error { w.reservation.Status = es.AttemptDone; return nil }
	// meanwhile has the stock come between what the task reads and what it writes.
	meanwhile = func(w *waiting) error { w.asked = func() { _ = comes(w) }; return nil }
	holds     = func(token string) func(*waiting) error {
		return func(w *waiting) error {
			_, err := w.tasks.AwaitApproval(
				context.Background(), ordertask.WaitInput{Input: input, Token: token, Until: until},
			)
			return err
		}
	}
	expires = func(kind order.WaitKind, revision int64) func(*waiting) error {
		return func(w *waiting) error {
			_, err := w.tasks.Expire(
				context.Background(), ordertask.ExpireInput{Input: input, Wait: kind, Revision: revision},
			)
			return err
		}
	}
	does = func(c order.Command) func(*waiting) error {
		return func(w *waiting) error { return w.run(c) }
	}
	pays     = does(order.RequestPayment{By: "customer/c1"})
	approves = does(order.Approve{By: "person/o"})
	declines = does(order.Decline{})
	cancels  = does(order.Close{Origin: order.OriginCustomer, Reason: order.ReasonCustomer})
)

// TestReduce: an order is for what its reservation has, and answered so that the run can go on.
func TestReduce(t *testing.T) {
	reserved := func(n int64) stock.ReservationState {
		return stock.ReservationState{Status: es.AttemptDone, Items: []stock.Item{{SKU: "s", Quantity: n}}}
	}
	for _, tt := range []struct {
		name     string
		reserved stock.ReservationState
		steps    []func(*waiting) error
		total    int64
		fault    error
	}{
		{"less than is ordered", reserved(1), []func(*waiting) error{start}, 150, nil},
		{"all", reserved(3), []func(*waiting) error{start}, 450, nil},
		{"none", stock.ReservationState{}, []func(*waiting) error{start}, 0, stock.ErrNotReserved},
		{"of an order that is closed", reserved(1), []func(*waiting) error{start, cancels}, 0, order.ErrCancelling},
		{
			"of one that another run has finished", reserved(1),
			[]func(*waiting) error{start, does(order.Confirm{SagaID: "run-2", ShipmentID: "s1"})}, 0, order.ErrFulfilled,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWaitingFor(t, 3)
			w.reservation = tt.reserved
			for _, step := range tt.steps {
				if err := step(w); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // Step Functions may send it twice
				got, err := w.tasks.Reduce(t.Context(), ordertask.ReduceInput{Input: input, Revision: 1})
				if !errors.Is(err, tt.fault) || got.Total.Amount != tt.total {
					t.Errorf("answered %+v, %v", got, err)
				}
				if tt.fault == nil && (len(got.Items) != 1 || got.Items[0].Quantity*150 != tt.total ||
					got.StockRevision != 1) {
					t.Errorf("the run goes on with %+v", got)
				}
			}
		})
	}
	for _, in := range []ordertask.ReduceInput{{Revision: 1}, {Input: input}} {
		if in.Validate() == nil {
			t.Errorf("%+v is taken", in)
		}
	}
}

// TestWaits: a run that waits is woken by whoever ends the wait, or wakes itself where that came
// before it was parked.
func TestWaits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rules  []string
		steps  []func(*waiting) error
		status order.Status
		woken  []string // by the tasks themselves
		fault  *faults.Spec
	}{
		{
			name: "declined", steps: []func(*waiting) error{start, waits("t1", 1)},
			status: order.StatusPaymentRequired,
		},
		{
			name: "declined, and parked twice", status: order.StatusPaymentRequired,
			steps: []func(*waiting) error{start, waits("t1", 1), waits("t1", 1), waits("t2", 1)},
		},
		{
			name: "cancelled before it is parked", steps: []func(*waiting) error{start, cancels, waits("t1", 1)},
			status: order.StatusCancelling, woken: []string{"t1"},
		},
		{
			name: "paid before another try is parked", status: order.StatusPlaced, woken: []string{"t2"},
			steps: []func(*waiting) error{start, waits("t1", 1), pays, waits("t2", 1)},
		},
		{
			name: "declined again", status: order.StatusPaymentRequired,
			steps: []func(*waiting) error{start, waits("t1", 1), pays, start, waits("t2", 2)},
		},
		{
			name: "never paid", status: order.StatusCancelling,
			steps: []func(*waiting) error{start, waits("t1", 1), expires(order.WaitPayment, 1)},
		},
		{
			name: "the deadline, while the payment is under way", status: order.StatusPlaced,
			steps: []func(*waiting) error{
				start, waits("t1", 1), pays, expires(order.WaitPayment, 1), expires(order.WaitPayment, 1),
			},
		},
		{
			name: "start what is held", rules: []string{"amount"}, steps: []func(*waiting) error{start},
			status: order.StatusPlaced, fault: order.ErrHeld,
		},
		{
			name: "held", rules: []string{"amount"}, steps: []func(*waiting) error{holds("t1"), holds("t1")},
			status: order.StatusHeld,
		},
		{
			name: "approved before it is parked", rules: []string{"amount"},
			steps:  []func(*waiting) error{approves, holds("t1"), start},
			status: order.StatusPlaced, woken: []string{"t1"},
		},
		{
			name: "out of stock", steps: []func(*waiting) error{start, lacks("t1"), lacks("t1"), lacks("t2")},
			status: order.StatusBackordered,
		},
		{
			name: "in stock before it asks", steps: []func(*waiting) error{start, comes, lacks("t1"), again},
			status: order.StatusPlaced, woken: []string{"t1"},
		},
		{
			name: "in stock before it is parked", steps: []func(*waiting) error{start, meanwhile, lacks("t1")},
			status: order.StatusBackordered, woken: []string{"t1"},
		},
		{
			name: "in stock", steps: []func(*waiting) error{start, lacks("t1"), comes, again, again},
			status: order.StatusPlaced,
		},
		{
			name: "in stock, and nobody says so until the deadline", status: order.StatusPlaced,
			steps: []func(*waiting) error{start, lacks("t1"), comes, expires(order.WaitStock, 1), again},
		},
		{
			name: "in stock, and declined", status: order.StatusPaymentRequired,
			steps: []func(*waiting) error{start, lacks("t1"), comes, again, waits("t2", 1)},
		},
		{
			name: "never in stock", status: order.StatusCancelling,
			steps: []func(*waiting) error{start, lacks("t1"), expires(order.WaitStock, 1)},
		},
		{
			name: "cancelled before it waits for stock", steps: []func(*waiting) error{start, cancels, lacks("t1")},
			status: order.StatusCancelling, woken: []string{"t1"},
		},
		{
			name: "declined before it is parked", rules: []string{"amount"},
			steps:  []func(*waiting) error{declines, holds("t1")},
			status: order.StatusCancelling, woken: []string{"t1"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWaiting(t, tt.rules...)
			for i, step := range tt.steps {
				err := step(w)
				if last := i == len(tt.steps)-1; last && tt.fault != nil {
					if !errors.Is(err, tt.fault) {
						t.Errorf("error %v, want %v", err, tt.fault)
					}
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if s := w.state(t); s.Status != tt.status || !slices.Equal(w.tokens.woken, tt.woken) {
				t.Errorf("the order is %s, woken %v; want %s, %v", s.Status, w.tokens.woken, tt.status, tt.woken)
			}
		})
	}
}

// TestWhoEndsTheWait: of two that end a wait the first decides, and the other finds that it did.
func TestWhoEndsTheWait(t *testing.T) {
	type end struct {
		name string
		do   func(*waiting) error
		ends order.Status
		why  order.Reason
	}
	cancel := end{"cancel", cancels, order.StatusCancelling, order.ReasonCustomer}
	for kind, of := range map[string]struct {
		begin func(*testing.T) *waiting
		ends  []end
	}{
		"held": {
			func(t *testing.T) *waiting {
				w := newWaiting(t, "amount")
				if err := holds("t1")(w); err != nil {
					t.Fatal(err)
				}
				return w
			},
			[]end{
				{"approve", approves, order.StatusPlaced, ""},
				{"decline", declines, order.StatusCancelling, order.ReasonDeclined}, cancel,
				{"deadline", expires(order.WaitApproval, 1), order.StatusCancelling, order.ReasonExpired},
			},
		},
		"backordered": {
			func(t *testing.T) *waiting {
				w := newWaiting(t)
				if err := errors.Join(start(w), lacks("t1")(w)); err != nil {
					t.Fatal(err)
				}
				return w
			},
			[]end{
				{"stock", func(w *waiting) error { return errors.Join(comes(w), again(w)) }, order.StatusPlaced, ""},
				cancel, {"deadline", expires(order.WaitStock, 1), order.StatusCancelling, order.ReasonExpired},
			},
		},
		"unpaid": {
			func(t *testing.T) *waiting {
				w := newWaiting(t)
				if err := errors.Join(start(w), waits("t1", 1)(w)); err != nil {
					t.Fatal(err)
				}
				return w
			},
			[]end{
				{"pay", pays, order.StatusPlaced, ""}, cancel,
				{"deadline", expires(order.WaitPayment, 1), order.StatusCancelling, order.ReasonExpired},
			},
		},
	} {
		for _, first := range of.ends {
			for _, second := range of.ends {
				t.Run(kind+"/"+first.name+" before "+second.name, func(t *testing.T) {
					w := of.begin(t)
					if err := first.do(w); err != nil {
						t.Fatal(err)
					}
					if tries := w.state(t).Awaited(); len(tries) != 1 || tries[0].Token != "t1" {
						t.Errorf("the run that waits is not woken, but %+v", tries)
					}
					err := second.do(w)
					want, why := first.ends, first.why
					if first.ends == order.StatusPlaced && second.name == "cancel" {
						want, why = second.ends, second.why // what goes on can still be cancelled
					}
					if _, refused := faults.As(err); err != nil && !refused {
						t.Fatal(err)
					}
					s := w.state(t)
					if s.Status != want || s.Reason != why || s.PaymentRevision > 2 {
						t.Errorf("the order is %s (%s), payment %d; want %s (%s)", s.Status, s.Reason,
							s.PaymentRevision, want, why)
					}
				})
			}
		}
	}
}

// TestWaitInputs: what a task needs and lacks is refused.
func TestWaitInputs(t *testing.T) {
	wait := ordertask.WaitInput{Input: input, Token: "t", Until: until}
	unparked, endless, nobodys := wait, wait, wait
	unparked.Token, endless.Until, nobodys.OrderID = "", "soon", ""
	pay := ordertask.AwaitPaymentInput{WaitInput: wait, Revision: 1, Code: "c"}
	unnumbered, unexplained := pay, pay
	unnumbered.Revision, unexplained.Code = 0, ""
	lack := ordertask.AwaitStockInput{WaitInput: wait, Revision: 1}
	nowhere := lack
	nowhere.Revision = 0
	expire := ordertask.ExpireInput{Input: input, Wait: order.WaitPayment, Revision: 1}
	ofNothing, ofNoTry := expire, expire
	ofNothing.Wait, ofNoTry.Revision = "", 0
	for name, in := range map[string]interface{ Validate() error }{
		"no token": unparked, "no deadline": endless, "no order": nobodys, "no revision": unnumbered,
		"no code": unexplained, "no reservation": nowhere, "no wait": ofNothing, "no try": ofNoTry,
	} {
		if err := in.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, in := range []interface{ Validate() error }{wait, pay, lack, expire} {
		if err := in.Validate(); err != nil {
			t.Error(err)
		}
	}
}
