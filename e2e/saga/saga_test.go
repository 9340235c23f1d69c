//go:build integration

// Package saga_test runs the saga's table: the state machine of statemachines/order-saga.asl.json,
// on a real engine, over the real steps on real tables, with each step failing in each way, and
// each step of the undo succeeding or failing after it. Where it fails, a further undoing run
// follows, as a redrive of its dead letter starts one.
package saga_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"orderflow/shared/shop/order"
)

// fault is a way in which a step goes wrong.
type fault string

const (
	none       fault = "no fault"
	business   fault = "business fault" // the rules forbid it
	crash      fault = "crash"          // the function's process ends before the effect, each time
	timeOut    fault = "time-out"       // the function hangs before the effect, each time
	duplicate  fault = "duplicate"      // the step is carried out twice
	late       fault = "late arrival"   // as time-out, and the effect comes when the run has ended
	lostAnswer fault = "lost answer"    // the effect is there, and its answer never arrives, each time
)

// The steps, as function and task.
const (
	start    = "advance-order/start"
	reserve  = "process-inventory/reserve.stock"
	charge   = "process-payment/charge"
	schedule = "schedule-shipment/schedule"
	confirm  = "advance-order/confirm"

	backorder = "process-inventory/backorder.stock" // what reserves for an order that may wait

	partial = "process-inventory/partial.stock" // what reserves for an order that goes on with what is there
	reduce  = "advance-order/reduce"

	partialOrWait = "process-inventory/partial-backorder.stock" // the same, where what is missing waits

	awaitApproval = "advance-order/await-approval"
	awaitStock    = "advance-order/await-stock"
	awaitPayment  = "advance-order/await-payment"
	expire        = "advance-order/expire"

	closing = "advance-order/close"

	unschedule = "schedule-shipment/cancel"
	refund     = "process-payment/refund"
	release    = "process-inventory/release.stock"
	cancel     = "advance-order/cancel"
)

var (
	fulfilSteps = []string{start, reserve, charge, schedule, confirm}
	// of an order of which not all is there
	partialSteps = []string{start, partial, reduce, charge, schedule, confirm}
	undoSteps    = []string{closing, unschedule, refund, release, cancel}
	undoings     = append([]string{""}, undoSteps...) // which step of undoing fails, and "" where none does
	faultKinds   = []fault{business, crash, timeOut, duplicate, late, lostAnswer}
)

// want is what must be true at the end of a case.
type want struct {
	status       order.Status
	saga         order.SagaState
	runs         map[string]string // the run's name without the order's id → its status
	short        bool              // the order goes on with one piece, at its own price
	rest         order.Status      // of the order of what was not there; "" where there is none
	reserved     bool              // the order's stock is still set aside
	waits        bool              // the order still stands in line for stock
	left         bool              // the pieces have left the warehouse
	charged      bool              // the customer's money is still gone
	paid         bool              // the customer has deposited what was missing
	scheduled    bool              // a shipment still stands
	deadLetters  int               // in the saga's own queue
	reason       order.Reason
	checkReasons bool
}

// pieces is for how many the order is, at one a line.
func (w want) pieces() int64 {
	if w.short {
		return 1
	}
	return quantity
}

// price is what they come to.
func (w want) price() int64 {
	if w.short {
		return first
	}
	return total
}

func undone() want {
	return want{status: order.StatusCancelled, saga: order.SagaCompleted, runs: map[string]string{"": "SUCCEEDED"}}
}

func confirmed() want {
	return want{
		status: order.StatusConfirmed, saga: order.SagaCompleted, runs: map[string]string{"": "SUCCEEDED"},
		reserved: true, charged: true, scheduled: true,
	}
}

// expect derives the outcome of one case from the rules alone: which effects had happened when the
// step failed, which of them were taken back, and whether a late one finds its attempt closed.
func expect(step string, f fault, undo string, undoFails bool) want {
	if f == duplicate || step == confirm && f == lostAnswer && !(undoFails && undo == closing) {
		// nothing to undo: the second try meets the first one's commit, and close order finds the
		// order confirmed
		return confirmed()
	}
	w := undone()
	at := slices.Index(fulfilSteps, step)
	happened := func(s string) bool {
		i := slices.Index(fulfilSteps, s)
		return i < at || i == at && f == lostAnswer
	}
	// What is not undone stands, and nothing closed its attempt to the one that arrives late.
	stands := func(s string) bool { return happened(s) || s == step && f == late }
	switch {
	case undoFails && undo == closing:
		return unresolved(step, f, stands)
	case undoFails:
		w.status, w.saga, w.runs[""], w.deadLetters = order.StatusCancelling, order.SagaFailed, "FAILED", 1
		w.reserved = undo == release && stands(reserve)
		w.charged = undo == refund && stands(charge)
		w.scheduled = undo == unschedule && stands(schedule)
	}
	if f == business && step != start && step != confirm {
		w.checkReasons = true
		w.reason = map[string]order.Reason{
			reserve: "stock.insufficient", charge: order.ReasonExpired,
			schedule: "shipment.country-not-served",
		}[step]
	}
	if f == business && (step == start || step == confirm) {
		w.checkReasons, w.reason = true, order.ReasonCustomer // what forbids these is that a customer closed the order
	}
	return w
}

// expectUnpaid derives the outcome of one case of an order whose payment is declined, where a step
// of its wait goes wrong: nobody pays in time, or the wait fails, and it is undone.
func expectUnpaid(step string, f fault, undo string, undoFails bool) want {
	w := undone()
	switch {
	case undoFails && undo == closing:
		w.runs[""], w.deadLetters, w.reserved = "FAILED", 1, true
		w.status, w.saga = order.StatusPaymentRequired, order.SagaRunning
		switch {
		case f == duplicate, step == expire && f == lostAnswer: // the deadline has closed it
			w.status, w.saga = order.StatusCancelling, order.SagaCompensating
		case step == awaitPayment && f != lostAnswer:
			// A wait that comes late finds the order as its run has left it.
			w.status = order.StatusPlaced
			if f == late {
				w.status = order.StatusPaymentRequired
			}
		}
		if step == expire && f == late {
			w.status, w.saga = order.StatusCancelling, order.SagaCompensating
		}
		return w
	case undoFails:
		w.status, w.saga, w.runs[""], w.deadLetters = order.StatusCancelling, order.SagaFailed, "FAILED", 1
		w.reserved = undo == release
	}
	w.checkReasons, w.reason = true, order.ReasonSaga
	if f == duplicate || step == expire && f == lostAnswer {
		w.reason = order.ReasonExpired
	}
	return w
}

// expectBackordered derives the outcome of one case of an order that waits for stock, where a step
// up to the end of its wait goes wrong: nothing comes in in time, or the wait fails, and it is
// undone.
func expectBackordered(step string, f fault, undo string, undoFails bool) want {
	w := undone()
	inLine := step != backorder || f != crash && f != timeOut
	expired := f == duplicate || step == expire && f == lostAnswer
	switch {
	case undoFails && undo == closing:
		w.runs[""], w.deadLetters, w.waits = "FAILED", 1, inLine
		w.status, w.saga = order.StatusBackordered, order.SagaRunning
		switch {
		case expired, step == expire && f == late:
			w.status, w.saga = order.StatusCancelling, order.SagaCompensating
		case step == backorder, step == awaitStock && (f == crash || f == timeOut):
			w.status = order.StatusPlaced
		}
		return w
	case undoFails:
		w.status, w.saga, w.runs[""], w.deadLetters = order.StatusCancelling, order.SagaFailed, "FAILED", 1
		w.waits = undo == release && inLine
	}
	w.checkReasons, w.reason = true, order.ReasonSaga
	if expired {
		w.reason = order.ReasonExpired
	}
	return w
}

// expectPartial derives the outcome of one case of an order of which one piece is there, where a
// step goes wrong.
func expectPartial(step string, f fault, undo string, undoFails bool) want {
	if f == duplicate {
		w := confirmed()
		w.short = true
		return w
	}
	w := undone()
	w.short, w.checkReasons, w.reason = true, true, order.ReasonSaga
	at := slices.Index(partialSteps, step)
	stands := func(s string) bool {
		i := slices.Index(partialSteps, s)
		return i < at || i == at && (f == lostAnswer || f == late)
	}
	switch {
	case undoFails && undo == closing:
		return want{
			status: order.StatusPlaced, saga: order.SagaRunning, runs: map[string]string{"": "FAILED"}, deadLetters: 1,
			short: true, reserved: stands(partial), charged: stands(charge),
		}
	case undoFails:
		w.status, w.saga, w.runs[""], w.deadLetters = order.StatusCancelling, order.SagaFailed, "FAILED", 1
		w.reserved = undo == release && stands(partial)
		w.charged = undo == refund && stands(charge)
	}
	return w
}

// mended is the outcome of a further undoing run, once what broke is whole again: whatever the
// first one has left standing is taken back. An order that was confirmed all along stays so.
func (w want) mended() want {
	if w.status == order.StatusConfirmed {
		w.deadLetters = 0
		return w
	}
	return want{status: order.StatusCancelled, saga: order.SagaCompleted}
}

// unresolved is the outcome where close order fails: whether the order is confirmed can't be
// learned, so nothing is undone, and people are told.
func unresolved(step string, f fault, stands func(string) bool) want {
	w := want{
		status: order.StatusPlaced, saga: order.SagaPending, runs: map[string]string{"": "FAILED"}, deadLetters: 1,
		reserved: stands(reserve), charged: stands(charge), scheduled: stands(schedule),
	}
	switch {
	case f == business && (step == start || step == charge || step == confirm):
		// a customer closed it, or nobody paid in time
		w.status, w.saga = order.StatusCancelling, order.SagaCompensating
	case stands(confirm):
		w.status, w.saga = order.StatusConfirmed, order.SagaCompleted
	case stands(start):
		w.saga = order.SagaRunning
	}
	return w
}

// isUndone says whether a run in which a step goes wrong comes to a step of undoing: it doesn't
// where the order is confirmed, which closing it may have to find out.
func isUndone(step string, f fault, undo string) bool {
	return f != duplicate && (step != confirm || f != lostAnswer || undo == closing)
}

// caseName joins the parts of a case's name, of which the last one is the step of undoing that
// fails, if any.
func caseName(parts ...string) string {
	if last := len(parts) - 1; parts[last] == "" {
		parts = parts[:last]
	} else {
		parts[last] += " fails"
	}
	return strings.Join(parts, "/")
}

func TestSaga(t *testing.T) {
	s := newStand(t)
	var cases atomic.Int64
	names := map[caseSpec]string{}
	run := func(t *testing.T, name string, c caseSpec, w want) {
		if before := names[c]; before != "" {
			t.Errorf("%s is %s again", name, before)
		}
		names[c] = name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.run(t, c, w)
			cases.Add(1)
		})
	}
	t.Run("table", func(t *testing.T) {
		run(t, "no fault", caseSpec{}, confirmed())
		for _, step := range fulfilSteps {
			for _, f := range faultKinds {
				for _, undo := range undoings {
					if undo != "" && !isUndone(step, f, undo) {
						continue
					}
					run(
						t, caseName(step, string(f), undo), caseSpec{step: step, fault: f, undoFails: undo},
						expect(step, f, undo, undo != ""),
					)
				}
			}
		}
		for _, step := range []string{awaitPayment, expire} {
			for _, f := range faultKinds {
				if f == business {
					continue // nothing forbids these
				}
				for _, undo := range undoings {
					run(
						t, caseName(step, string(f), undo),
						caseSpec{declined: true, step: step, fault: f, undoFails: undo},
						expectUnpaid(step, f, undo, undo != ""),
					)
				}
			}
		}
		for _, moment := range []string{"before " + expire, "after " + awaitPayment} {
			w := confirmed()
			w.paid = true
			run(t, "paid again/"+moment, caseSpec{declined: true, pays: moment}, w)
			c, w := caseSpec{declined: true, customerCancels: moment}, undone()
			w.checkReasons, w.reason, w.runs["-undo"] = true, order.ReasonCustomer, "SUCCEEDED"
			run(t, "cancelled instead of paid/"+moment, c, w)
		}
		for _, step := range []string{backorder, awaitStock, expire} {
			for _, f := range faultKinds {
				if f == business {
					continue // that it is short is what the case is about
				}
				for _, undo := range undoings {
					run(
						t, caseName("backordered", step, string(f), undo),
						caseSpec{backordered: true, step: step, fault: f, undoFails: undo},
						expectBackordered(step, f, undo, undo != ""),
					)
				}
			}
		}
		for _, moment := range []string{"before " + backorder, "before " + awaitStock, "after " + awaitStock,
			"before " + expire} {
			run(t, "restocked/"+moment, caseSpec{backordered: true, restocks: moment}, confirmed())
			c, w := caseSpec{backordered: true, customerCancels: moment}, undone()
			w.checkReasons, w.reason, w.runs["-undo"] = true, order.ReasonCustomer, "SUCCEEDED"
			run(t, "cancelled instead of restocked/"+moment, c, w)
		}
		for _, step := range []string{partial, reduce, charge} {
			for _, f := range faultKinds {
				if f == business {
					continue // that not all is there is what the case is about
				}
				for _, undo := range undoings {
					if undo != "" && f == duplicate {
						continue // it is confirmed
					}
					run(
						t, caseName("partial", step, string(f), undo),
						caseSpec{partial: true, step: step, fault: f, undoFails: undo},
						expectPartial(step, f, undo, undo != ""),
					)
				}
			}
		}
		short := confirmed()
		short.short = true
		run(t, "partial/no fault", caseSpec{partial: true}, short)
		nothing := undone()
		nothing.checkReasons, nothing.reason = true, "stock.insufficient"
		run(t, "partial/nothing is there", caseSpec{partial: true, step: partial, fault: business}, nothing)
		run(t, "partial/restocked/before "+partial, caseSpec{partial: true, restocks: "before " + partial}, confirmed())
		for _, moment := range []string{"after " + partial, "before " + reduce, "after " + reduce} {
			run(t, "partial/restocked/"+moment, caseSpec{partial: true, restocks: moment}, short)
			c, w := caseSpec{partial: true, customerCancels: moment}, undone()
			w.checkReasons, w.reason, w.runs["-undo"] = true, order.ReasonCustomer, "SUCCEEDED"
			run(t, "partial/cancelled/"+moment, c, w)
		}
		waits := short
		waits.rest = order.StatusPlaced
		run(t, "rest/no fault", caseSpec{partial: true, waits: true}, waits)
		for _, f := range faultKinds {
			if f == business {
				continue
			}
			for _, undo := range undoings {
				if undo != "" && !isUndone(confirm, f, undo) {
					continue
				}
				w := expect(confirm, f, undo, undo != "")
				if w.short = true; w.status == order.StatusConfirmed {
					w.rest = order.StatusPlaced
				}
				run(
					t, caseName("rest", confirm, string(f), undo),
					caseSpec{partial: true, waits: true, step: confirm, fault: f, undoFails: undo}, w,
				)
			}
		}
		closed := undone()
		closed.checkReasons, closed.reason, closed.runs["-undo"] = true, order.ReasonCustomer, "SUCCEEDED"
		closed.rest = order.StatusCancelling
		run(t, "rest/cancelled", caseSpec{partial: true, waits: true, customerCancels: "after " + confirm}, closed)
		expired := undone()
		expired.checkReasons, expired.reason = true, order.ReasonExpired
		all := caseSpec{partial: true, waits: true, step: partialOrWait, fault: business}
		run(t, "rest/nothing is there", all, expired)
		all.restocks = "after " + awaitStock
		run(t, "rest/nothing is there, and all comes in", all, confirmed())
		paid := short
		paid.paid = true
		run(t, "partial/paid again", caseSpec{partial: true, declined: true, pays: "after " + awaitPayment}, paid)
		for _, moment := range []string{"before " + start, "after " + start, "before " + awaitApproval,
			"after " + awaitApproval, "before " + expire} {
			run(t, "approved/"+moment, caseSpec{held: true, decides: moment}, confirmed())
			c, w := caseSpec{held: true, customerCancels: moment}, undone()
			w.checkReasons, w.reason, w.runs["-undo"] = true, order.ReasonCustomer, "SUCCEEDED"
			run(t, "cancelled instead of approved/"+moment, c, w)
		}
		unapproved := undone()
		unapproved.checkReasons, unapproved.reason = true, order.ReasonExpired
		run(t, "never approved", caseSpec{held: true}, unapproved)
		for _, step := range fulfilSteps {
			for _, moment := range []string{"before", "after"} {
				c := caseSpec{customerCancels: moment + " " + step}
				w := undone()
				w.checkReasons, w.reason = true, order.ReasonCustomer
				w.runs["-undo"] = "SUCCEEDED"
				run(t, "customer cancels/"+moment+" "+step, c, w)
			}
		}
		for _, c := range []caseSpec{
			{queueDeleted: "before " + start},
			{queueDeleted: "before " + charge, step: charge, fault: business},
		} {
			w := undone()
			w.status, w.saga, w.runs[""], w.deadLetters, w.reserved = order.StatusCancelling, order.SagaFailed,
				"FAILED", 1, c.step == charge
			run(t, "inventory's queue is deleted/"+c.queueDeleted, c, w)
		}
	})
	t.Run("the shipment has left", func(t *testing.T) {
		c := caseSpec{step: confirm, fault: business, leaves: "before " + unschedule}
		w := want{
			status: order.StatusCancelling, saga: order.SagaFailed, runs: map[string]string{"": "FAILED"},
			deadLetters: 1,
			left:        true, charged: true, scheduled: true, checkReasons: true, reason: order.ReasonCustomer,
		}
		run(t, "nothing else is undone", c, w)
	})
	fmt.Printf("saga table: %d cases\n", cases.Load())
	if want := int64(len(names)); cases.Load() != want {
		t.Errorf("%d cases ran to their end, want %d", cases.Load(), want)
	}
}

// eventually polls until ok, or until two minutes are over: first after a fifth of a second, and
// then after half as long again each time, up to a second. Dozens of cases wait at once, and each
// question is work for the machine that they wait for.
func eventually(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	ctx, cancelPoll := context.WithTimeout(ctx, 2*time.Minute)
	defer cancelPoll()
	for pause := 200 * time.Millisecond; ; pause = min(pause*3/2, time.Second) {
		done, err := ok(ctx)
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(pause):
		}
	}
}
