package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// until stands for any deadline: the model has no time, and a deadline may come at any moment.
const until = "2026-03-01T12:00:00Z"

// steps are all that may happen next.
func steps(w world) []step {
	var out []step
	add := func(name string, change func(*world)) {
		next := w.clone()
		change(&next)
		next.forget()
		out = append(out, step{name, next})
	}
	for i := range w.Runs {
		w.stepsOfRun(i, add)
	}
	for i, m := range w.Messages {
		add(m.To+" gets "+m.Event, func(w *world) { w.deliver(i, true) })
		if w.Can.Late > 0 {
			add(m.To+" gets "+m.Event+", and will again", func(w *world) { w.Can.Late--; w.deliver(i, false) })
		}
	}
	for i, l := range w.Sent {
		if w.Can.Late > 0 {
			add(fmt.Sprintf("late: %s of %s", l.Effect, l.Run), func(w *world) {
				w.Can.Late--
				w.Sent = slices.Delete(w.Sent, i, i+1)
				_ = w.perform(l) // nobody reads the answer
			})
		}
	}
	w.stepsOfPeople(add)
	w.stepsOfSweep(add)
	return out
}

type adder func(name string, change func(*world))

// stepsOfRun are those of an execution: its next state, also with an answer that is lost, a
// deadline, and its end by whatever no Catch sees.
func (w world) stepsOfRun(i int, add adder) {
	r := w.Runs[i]
	if !r.live() {
		return
	}
	if w.Can.Crashes > 0 {
		add(r.Name+" dies", func(w *world) { w.Can.Crashes--; w.Runs[i].At = died })
	}
	if r.At == parked {
		if !w.Can.WaitForEver {
			add(r.Name+"'s deadline", func(w *world) { w.expire(i) })
		}
		return
	}
	add(fmt.Sprintf("%s: %s", r.Name, r.At), func(w *world) { w.advance(i) })
	if w.Can.Crashes > 0 {
		add(fmt.Sprintf("%s: %s, and its answer is lost", r.Name, r.At), func(w *world) {
			w.Can.Crashes--
			w.advance(i)
			w.Runs[i] = r
			if w.Runs[i].At == atLook {
				w.Runs[i].At = atAwait
			}
			if r.At == atHold || r.At == atRequire || r.At == atAwait || r.At == atLook {
				w.Runs[i].Try++ // the state is tried again, with another token
			}
		})
	}
}

// request is what a run asks for in its place.
func (r run) request() late {
	return late{Effect: string(r.At), Run: r.Name, Revision: r.Payment, Pieces: r.Pieces, Try: r.Try}
}

// perform carries out a request of a run.
func (w *world) perform(l late) error {
	park := order.Park{Token: run{Name: l.Run, Try: l.Try}.token(), SagaID: l.Run}
	switch place(l.Effect) {
	case atStart:
		return w.decide(order.Start{SagaID: l.Run})
	case atReserve:
		return w.reserve(l.Pieces)
	case atReduce:
		return w.reduce()
	case atCharge:
		return w.charge(l.Revision, l.Pieces)
	case atSchedule:
		return w.schedule()
	case atConfirm:
		return w.decide(order.Confirm{SagaID: l.Run, PaymentID: "payment", ShipmentID: "shipment"})
	case atHold:
		return w.decide(order.Hold{Until: until, Park: park})
	case atRequire:
		return w.decide(order.RequirePayment{Revision: l.Revision, Code: "test", Until: until, Park: park})
	case atAwait:
		return w.decide(order.Backorder{Revision: w.Order.StockRevision, Until: until, Park: park})
	case atClose:
		return w.decide(order.Close{Origin: order.OriginSaga, Reason: order.ReasonSaga, SagaID: l.Run})
	case atCancel:
		return w.takeBack()
	case atRefund:
		w.refund(l.Revision)
	case atRelease:
		w.release(l.Pieces)
	case atFinish:
		return w.decide(order.FinishUndo{SagaID: l.Run})
	}
	return nil
}

// advance is one state of the machine.
func (w *world) advance(i int) {
	r := &w.Runs[i]
	asked := r.request()
	err := w.perform(asked)
	w.remember(asked)
	switch r.At {
	case atStart:
		switch {
		case errors.Is(err, order.ErrHeld):
			r.At, r.Try = atHold, r.Try+1
		case err != nil:
			r.At = atClose
		case w.Order.Status.Open():
			if r.Payment == 0 || w.Can.Fault != chargesBefore {
				r.Pieces = w.ordered()
			}
			r.At, r.Payment = atReserve, w.Order.PaymentRevision
		default:
			r.At = ended // another run has fulfilled it
		}
	case atReserve:
		switch r.At = next(err, atCharge); {
		case errors.Is(err, errBackordered):
			r.At, r.Try = atAwait, r.Try+1
		case errors.Is(err, errPartial) && w.Can.Fault != reducesNothing:
			r.At = atReduce
		case errors.Is(err, errPartial):
			r.At = atCharge
		}
	case atReduce:
		r.At, r.Pieces = next(err, atCharge), w.ordered()
		if err == nil && !w.Order.Status.Open() {
			r.At = ended // another run has fulfilled it
		}
	case atCharge:
		if r.At = next(err, atSchedule); errors.Is(err, errRefused) {
			r.At, r.Try = atRequire, r.Try+1
		}
	case atSchedule:
		r.At = next(err, atConfirm)
	case atConfirm:
		r.At = next(err, ended)
	case atHold:
		w.park(r, order.WaitApproval, 1)
	case atRequire:
		w.park(r, order.WaitPayment, r.Payment)
	case atAwait:
		if w.park(r, order.WaitStock, w.Order.StockRevision); r.At == parked {
			r.At = atLook
		}
	case atLook:
		if r.At = parked; !w.InLine && w.Can.Fault != looksNever {
			r.At = atStart
		}
	case atClose:
		switch w.Order.Status {
		case order.StatusCancelling:
			if r.At, r.Payment = atCancel, w.Order.PaymentRevision; w.Can.Fault == refundsTheFirst {
				r.Payment = 1
			}
			if r.Pieces == 0 {
				r.Pieces = w.ordered()
			}
		default:
			r.At = ended
		}
	case atCancel:
		if r.At = atRefund; err != nil {
			r.At = ended
			_ = w.decide(order.FailUndo{SagaID: r.Name, Steps: []string{"cancel shipment"}})
		}
	case atRefund:
		r.At = atRelease
	case atRelease:
		r.At = atFinish
	case atFinish:
		r.At = ended
	}
}

func next(err error, on place) place {
	if err != nil {
		return atClose
	}
	return on
}

// park leaves a run waiting, or answers its token at once where the decision has come before.
func (w *world) park(r *run, kind order.WaitKind, revision int64) {
	if wait := w.Order.Wait; wait == nil || wait.Kind != kind || wait.Revision != revision {
		if w.Can.Fault == parksBlindly {
			r.At, r.Waits, r.Revision = parked, kind, revision
			return
		}
		r.At = atStart
		return
	}
	r.At, r.Waits, r.Revision = parked, kind, revision
}

// expire is a deadline: the order closes if it still waits so, and goes on if not, or if its stock
// is there.
func (w *world) expire(i int) {
	r := &w.Runs[i]
	if r.Waits != order.WaitStock || w.InLine {
		_ = w.decide(order.Expire{Wait: r.Waits, Revision: r.Revision, SagaID: r.Name})
	}
	if r.At = atStart; w.Order.Status == order.StatusCancelling {
		r.At = atClose
	}
	r.Waits, r.Revision = "", 0
}

// deliver hands a message to its consumer.
func (w *world) deliver(i int, away bool) {
	m := w.Messages[i]
	if away {
		w.Messages = slices.Delete(w.Messages, i, i+1)
	}
	switch m.Event {
	case "placed":
		w.start("fulfil", atStart)
	case "cancelling":
		if w.Can.Fault != wakesNobody {
			w.answer()
		}
		w.start("undo", atClose)
	case "go on":
		w.answer()
	case "restocked":
		w.serve()
	case "reserved":
		if wait := w.Order.Wait; wait == nil || wait.Kind == order.WaitStock {
			w.answer()
		}
	case "confirmed":
		if w.Shipment == shipment.StatusScheduled {
			w.Shipment, w.Packed = shipment.StatusPrepared, w.ordered()
		}
	case "taken back":
		_ = w.decide(order.Close{
			Origin: order.OriginCustomer, Reason: order.ReasonCustomer, Stopped: w.Order.ShipmentID,
		})
	case "dispatched":
		_ = w.decide(order.Ship{ShipmentID: "shipment", StockClosed: true})
	case "delivered":
		_ = w.decide(order.Deliver{ShipmentID: "shipment", StockClosed: true})
	}
}

// start starts a run, of which there is one of a name.
func (w *world) start(name string, at place) {
	if !slices.ContainsFunc(w.Runs, func(r run) bool { return r.Name == name }) {
		w.Runs = append(w.Runs, run{Name: name, At: at})
	}
}

// answer ends the wait of the run that is parked, with the tokens that the order knows.
func (w *world) answer() {
	known := func(r run) bool {
		return slices.ContainsFunc(w.Order.Parked, func(p order.Park) bool { return p.Token == r.token() })
	}
	for i := range w.Runs {
		if r := &w.Runs[i]; (r.At == parked || r.At == atLook) && known(*r) {
			r.At, r.Waits, r.Revision = atStart, "", 0
		}
	}
}

// stepsOfPeople are those of customers, operators and carriers.
func (w world) stepsOfPeople(add adder) {
	o := w.Order
	once := func(name string, left func(*budget) *int, change func(*world)) {
		if *left(&w.Can) > 0 {
			add(name, func(w *world) { *left(&w.Can)--; change(w) })
		}
	}
	once("the customer cancels", func(b *budget) *int { return &b.Cancels }, func(w *world) {
		closing := order.Close{Origin: order.OriginCustomer, Reason: order.ReasonCustomer}
		if err := w.decide(closing); errors.Is(err, order.ErrShipmentUnderWay) &&
			(w.takeBack() == nil || w.Can.Fault == cancelsTooLate) {
			w.send("follow-shipments", "taken back")
		}
	})
	once("an operator approves", func(b *budget) *int { return &b.Approvals }, func(w *world) {
		_ = w.decide(order.Approve{By: "operator"})
	})
	if o.Status == order.StatusHeld {
		once("an operator declines", func(b *budget) *int { return &b.Declines }, func(w *world) {
			_ = w.decide(order.Close{Origin: order.OriginOperator, Reason: order.ReasonDeclined})
		})
	}
	once("the customer deposits", func(b *budget) *int { return &b.Deposits }, func(w *world) {
		w.Balance, w.Deposits = w.Balance+price, w.Deposits+price
	})
	once("a restock", func(b *budget) *int { return &b.Restocks }, func(w *world) {
		w.Counted, w.Available = w.Counted+pieces, w.Available+pieces
		if w.InLine {
			w.send("fill-backorders", "restocked")
		}
	})
	if w.RestOpen {
		once("the rest is confirmed", func(b *budget) *int { return &b.Rests }, func(w *world) { w.RestOpen = false })
	}
	once("the customer wants two pieces", func(b *budget) *int { return &b.More }, func(w *world) { w.amend(2) })
	once("the customer wants one piece", func(b *budget) *int { return &b.Fewer }, func(w *world) { w.amend(1) })
	if o.Status == order.StatusPaymentRequired {
		once("the customer pays again", func(b *budget) *int { return &b.Requests }, func(w *world) {
			_ = w.decide(order.RequestPayment{By: "customer"})
		})
	}
	if w.Shipment == shipment.StatusPrepared {
		add("the carrier takes it", func(w *world) {
			w.Shipment, w.Departed, w.Reserved = shipment.StatusDispatched, w.Departed+w.Held, w.Reserved-w.Held
			w.send("follow-shipments", "dispatched")
		})
	}
	if w.Shipment == shipment.StatusDispatched {
		add("the carrier hands it over", func(w *world) {
			w.Shipment = shipment.StatusDelivered
			w.send("follow-shipments", "delivered")
		})
	}
}

// stepsOfSweep: the sweep takes on an order whose run is gone. It may also come while a run is only
// slow, as often as the budget says.
func (w world) stepsOfSweep(add adder) {
	o := w.Order
	if o.Status.Final() || len(w.Messages) > 0 {
		return
	}
	slow := slices.ContainsFunc(w.Runs, run.live)
	if slow && (w.Can.Sweeps == 0 || o.Wait != nil) {
		return
	}
	add("the sweep comes", func(w *world) {
		if slow {
			w.Can.Sweeps--
		}
		if o.Status.Open() {
			_ = w.decide(order.Close{Origin: order.OriginSweep, Reason: order.ReasonExpired})
			return
		}
		n := 0
		for _, r := range w.Runs {
			if strings.HasPrefix(r.Name, "undo") {
				n++
			}
		}
		w.start(fmt.Sprint("undo-", n), atClose)
	})
}
