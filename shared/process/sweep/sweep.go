// Package sweep finds orders that stand still and takes them on: it starts the run that never came,
// closes the order whose run is gone, resumes the undo that stopped, has the order follow its
// shipment where the event that says so was lost or spent, and cancels what nobody can send any
// more since its customer is erased. It is what makes every order end although a starter is
// dead-lettered, an execution times out or its error can't be caught.
//
// The view says where to look, the order's own stream what is true; all that the sweep does is
// decided by the stream. It does one thing an order and leaves a state in which the next sweep
// finds what is left, so it may stop or be cut off anywhere, and two may run at once:
//
//	placed, no run has taken it   start the fulfilling run; where that run was and is gone, close it
//	waiting for approval, stock   nothing until a budget after the deadline, which its run measures;
//	or its payment                then as if it were placed
//	placed, a run has taken it    close the order: the arbiter on its stream decides whether the run
//	                              was faster
//	being undone                  start the undoing run, or a further one where it was and is gone
//	undo failed                   count: people have to look
//	confirmed or shipped          compare with the shipment: close the order of one that was taken
//	                              back, have it follow one that left or arrived, cancel what has not
//	                              left where the customer is erased, and count those that nobody has
//	                              prepared, and those that say what can't be true of their shipment or
//	                              their stock: people have to look
//	shipped                       close its reservation; an order is delivered once that is closed
//	final, or in no stream        the view is wrong; log
//	not to be read                count: people have to look
//
// Closing is followed by the start of the undoing run, under the name that the event's own starter
// gives it too. Between the two the order is one that is being undone, which a later sweep takes
// on.
package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/trace"
	"orderflow/shared/process/choreography"
	"orderflow/shared/process/saga"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/trail"
)

// Rows says where to look. All give the oldest orders first, and read as the caller goes on: Open
// and Failed those that were placed and last changed when dated says, the others those that were
// placed then, though they may have changed since. One whose row can't be read is an es.ErrCorrupt,
// behind which they go on.
type Rows interface {
	// Open gives the orders on which the saga is not through.
	Open(ctx context.Context, dated orders.Dated) iter.Seq2[orders.Listed, error]
	// Failed gives the orders whose undo has failed.
	Failed(ctx context.Context, dated orders.Dated) iter.Seq2[orders.Listed, error]
	// Waiting gives the orders of a slot that are confirmed, behind a place or from the beginning.
	// There are orders.Slots slots.
	Waiting(ctx context.Context, slot int, dated orders.Dated, after string) iter.Seq2[orders.Listed, error]
	// Shipped gives the orders of a slot that are shipped, like Waiting.
	Shipped(ctx context.Context, slot int, dated orders.Dated, after string) iter.Seq2[orders.Listed, error]
}

// Orders is what the sweep needs of order.Service.
type Orders interface {
	choreography.Orders
	History(ctx context.Context, orderID string) ([]es.Recorded, error)
	Cancel(ctx context.Context, req es.Request, orderID string, in order.CancelInput) (es.Result[order.State], error)
}

// Customers says who is erased. customer.Service is one.
type Customers interface {
	// Registered reports whether the customer is known. customer.ErrErased where they are erased.
	Registered(ctx context.Context, customerID string) (bool, error)
}

// Shipments says how far shipments are. shipment.Service is one.
type Shipments interface {
	Get(ctx context.Context, orderID string, revision int64) (shipment.State, error)
}

// Stock closes reservations. stock.Service is one.
type Stock interface {
	Reservation(ctx context.Context, orderID string, revision int64) (stock.ReservationState, error)
	Commit(ctx context.Context, req es.Request, orderID string, revision int64) (stock.ReservationState, error)
}

// Runs starts runs of the saga.
type Runs interface {
	// Start starts a run, unless there was one of its name. fresh is false where that one has
	// ended; where it still goes, fresh is either, so whoever has to know asks Running first.
	Start(ctx context.Context, run saga.Run) (fresh bool, err error)
	// Running reports whether the run with that name still goes. One that never was does not.
	Running(ctx context.Context, name string) (bool, error)
}

// Stage is where an order stood still.
type Stage string

// The stages.
const (
	StagePending      Stage = "pending"      // placed, and no run has taken it
	StageRunning      Stage = "running"      // placed, and a run has taken it
	StageCompensating Stage = "compensating" // being undone
	StageFailed       Stage = "failed"       // the undo has failed
	StageStopped      Stage = "stopped"      // confirmed, and its shipment is taken back
	StageLeft         Stage = "left"         // its shipment has left or arrived, and it doesn't say so
	StageUnbooked     Stage = "unbooked"     // shipped, and its reservation is still open
	StageErased       Stage = "erased"       // confirmed and not left, and its customer is erased
	StageUnprepared   Stage = "unprepared"   // confirmed, and nobody has prepared its shipment
	StageAtOdds       Stage = "at-odds"      // what it and its shipment say can't both be true
	StageBehind       Stage = "behind"       // final; its row in the view does not say so yet
	StageUnknown      Stage = "unknown"      // in the view, and in no stream
	StageUnreadable   Stage = "unreadable"   // what its stream holds can't be read
)

// Action is what the sweep did about an order.
type Action string

// The actions.
const (
	ActionNone      Action = "none"
	ActionStarted   Action = "started" // the fulfilling run
	ActionClosed    Action = "closed"
	ActionResumed   Action = "resumed"   // the undoing run
	ActionFollowed  Action = "followed"  // its shipment
	ActionCancelled Action = "cancelled" // as an operator would
	ActionCommitted Action = "committed" // its stock
	ActionLeft      Action = "left"      // to a run that still goes, or to one that another sweep has started
	ActionPostponed Action = "postponed" // to the next sweep: this one had acted on MaxActions
)

// The metrics of a sweep. They are several, since an alarm says nothing new while it stands: an
// order that waits for people must not hide the next that stands still.
const (
	// orders that stand still, or can't be read, though nothing was said of them yet
	MetricFound  = "OrdersFoundBySweep"
	MetricFailed = "OrdersUndoFailed" // orders whose undo has failed and that wait for people
	// MetricUnprepared counts confirmed orders whose shipment nobody has prepared, among those that
	// the sweep has looked at.
	MetricUnprepared = "OrdersUnprepared"
	// MetricAtOdds counts, among the same, those that say what can't be true of their shipment or
	// of their stock.
	MetricAtOdds = "OrdersAtOdds"
)

// Budget reads a budget in whole seconds. It panics on one that is none: a function without one
// must not start.
func Budget(seconds string) time.Duration {
	n, err := decimal.Whole(seconds, 1, math.MaxInt32)
	if err != nil {
		panic("sweep: a budget in seconds: " + err.Error())
	}
	return time.Duration(n) * time.Second
}

// Limits of one sweep.
const (
	// MaxActions is how many orders one sweep acts on of those that stand still, and once more of
	// those that wait; the rest waits for the next, of the former looked at and counted. Those
	// under way when it is met come on top.
	MaxActions = 500
	// SlotsASweep is how many slots of the orders that wait, and of those on their way, one sweep
	// looks through: with sweeps five minutes apart each has its turn every half an hour, and once
	// an hour though half of the sweeps are late, fail or never come.
	SlotsASweep = 2
	// workers is how many orders are looked at side by side.
	workers = 8
	// margin is kept back before the deadline, so that a sweep ends by itself and says what it did.
	margin = 5 * time.Second
	// keeping is what of that is kept for saying how far it came, once nothing else is under way.
	keeping = 2 * time.Second
)

// Sweeper sweeps.
type Sweeper struct {
	Rows      Rows
	Orders    Orders
	Shipments Shipments
	Customers Customers
	Stock     Stock
	Runs      Runs
	Rounds    Rounds
	Clock     clock.Clock
	Budget    time.Duration // an order that is not final and has not changed for so long stands still; above zero
	// Count takes each metric once a sweep, also where it is 0.
	Count func(metric string, orders int64)
}

// Summary is what one sweep came to.
type Summary struct {
	Found   map[Stage]int  `json:"found"`   // orders past their budget
	Actions map[Action]int `json:"actions"` // what was done about them
	// orders that could not be looked at or acted on; the next sweep finds them again
	Errors     int  `json:"errors"`
	Unfinished bool `json:"unfinished"` // some orders were postponed, or not even looked at
}

// Standing is how many orders are past their budget and stand still, or can't be read, without
// those that have a metric of their own: those of MetricFound.
func (s Summary) Standing() int {
	n := 0
	for stage, found := range s.Found {
		if !slices.Contains([]Stage{StageBehind, StageUnknown, StageFailed, StageUnprepared, StageAtOdds}, stage) {
			n += found
		}
	}
	return n
}

// Sweep looks through all orders that stand still and acts on them. An order that fails does not
// hold up the others; the error then joins the first ten that failed. An order that can't be read
// is no error, only found: it is the same in each sweep, and must not hide the next that fails.
// Sweep stops acting after MaxActions, and looking five seconds before ctx's deadline, and says
// either in the summary.
func (s Sweeper) Sweep(ctx context.Context) (Summary, error) {
	if s.Budget <= 0 {
		return Summary{}, fmt.Errorf("sweep: a budget of %s", s.Budget)
	}
	run := &run{Sweeper: s, summary: Summary{Found: map[Stage]int{}, Actions: map[Action]int{}}}
	work, cancel := ahead(ctx, keeping)
	defer cancel()
	looking, cancel := ahead(ctx, margin)
	defer cancel()
	now := s.Clock.Now()
	dated := orders.Dated{Before: now.Add(-s.Budget), After: now.Add(clock.Skew)}
	// Those of which the undo failed are first: it costs little, and what the others take must not
	// hide it.
	run.through(work, looking, s.Rows.Failed(looking, dated), run.one, run.never)
	run.through(work, looking, s.Rows.Open(looking, dated), run.one, run.never)
	run.rounds(ctx, work, looking, dated)

	summary, err := run.summary, errors.Join(run.errs...)
	s.Count(MetricFound, int64(summary.Standing()))
	s.Count(MetricFailed, int64(summary.Found[StageFailed]))
	s.Count(MetricUnprepared, int64(summary.Found[StageUnprepared]))
	s.Count(MetricAtOdds, int64(summary.Found[StageAtOdds]))
	attrs := []any{
		"found", summary.Found, "actions", summary.Actions, "errors", summary.Errors, "unfinished", summary.Unfinished,
	}
	if err != nil {
		attrs = append(attrs, "error", err.Error())
	}
	slog.InfoContext(ctx, "sweep done", attrs...)
	return summary, err
}

// run is one sweep under way.
type run struct {
	Sweeper

	mu      sync.Mutex
	acted   int
	summary Summary
	errs    []error
	blind   bool // the position can't be kept
}

// acts are the actions that MaxActions counts.
var acts = []Action{ActionStarted, ActionClosed, ActionResumed, ActionFollowed, ActionCancelled, ActionCommitted}

// maxErrs is how many errors a sweep returns in full; the log has them all.
const maxErrs = 10

// ahead is ctx with a deadline that is earlier by so much, where it has one.
func ahead(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-by))
	}
	return context.WithCancel(ctx)
}

// page is how many orders of a list are looked at before it is noted how far that came.
const page = 8 * workers

// through looks at the orders of a list by look, some side by side, and begins none once looking is
// done or full says so. place is behind which it would go on, "" where it came to none, and done
// says that it came to the end.
func (r *run) through(
	ctx, looking context.Context, list iter.Seq2[orders.Listed, error],
	look func(context.Context, string) (Stage, Action, error), full func() bool,
) (place string, done bool) {
	var group *errgroup.Group
	begun, next := 0, ""
	settle := func() (ok bool) {
		if group != nil {
			_ = group.Wait() // the errors are noted
		}
		if group = nil; ctx.Err() != nil { // some were cut off
			return false
		}
		place = next
		return true
	}
	done = true
	for listed, err := range list {
		if r.stop(looking) || full() {
			done = false
			break
		}
		if unreadable(err) {
			r.unreadable(trail.With(ctx, trail.Order(listed.ID, es.Metadata{})), err)
			continue
		}
		if err != nil {
			r.failed(trail.With(ctx, trail.Order(listed.ID, es.Metadata{})), listed.ID, err)
			done = false
			break
		}
		if group == nil {
			group = &errgroup.Group{}
			group.SetLimit(workers)
		}
		group.Go(func() error { r.look(ctx, listed.ID, look); return nil })
		if begun, next = begun+1, listed.Place; begun%page == 0 && !settle() {
			return place, false
		}
	}
	done = settle() && done
	return place, done
}

// look looks at an order. One that breaks the program keeps back no other.
func (r *run) look(ctx context.Context, id string, look func(context.Context, string) (Stage, Action, error)) {
	defer func() {
		if broken := recover(); broken != nil {
			r.failed(ctx, id, fmt.Errorf("panic: %v\n%s", broken, debug.Stack()))
		}
	}()
	ctx = trail.With(ctx, trail.Order(id, es.Metadata{}))
	stage, action, err := look(ctx, id)
	if unreadable(err) {
		r.unreadable(ctx, err)
		return
	}
	if err != nil {
		r.failed(ctx, id, err)
	}
	r.note(ctx, stage, action)
}

// unreadable reports whether an order's stream can't be read, now or later.
func unreadable(err error) bool {
	var unknown *es.UnknownTypeError
	return errors.Is(err, es.ErrCorrupt) || errors.As(err, &unknown)
}

// stop reports whether the time for looking is over.
func (r *run) stop(looking context.Context) bool {
	if looking.Err() == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Unfinished = true
	return true
}

// never is full of a list that is looked through whatever is acted on.
func (r *run) never() bool { return false }

// full reports whether the sweep has acted on as many orders as it may.
func (r *run) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.acted < MaxActions {
		return false
	}
	r.summary.Unfinished = true
	return true
}

func (r *run) failed(ctx context.Context, id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slog.ErrorContext(ctx, "sweep: order failed", "error", err.Error())
	r.fail(fmt.Errorf("sweep: order %q: %w", id, err))
}

// fail counts an error.
func (r *run) fail(err error) {
	if r.summary.Errors++; len(r.errs) < maxErrs {
		r.errs = append(r.errs, err)
	}
}

// broken notes what is wrong with no order.
func (r *run) broken(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slog.ErrorContext(ctx, "sweep: the rounds fail", "error", err.Error())
	r.fail(fmt.Errorf("sweep: %w", err))
}

func (r *run) unreadable(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slog.ErrorContext(ctx, "sweep: order can't be read", "error", err.Error())
	r.summary.Found[StageUnreadable]++
	r.summary.Actions[ActionNone]++
}

func (r *run) note(ctx context.Context, stage Stage, action Action) {
	if stage == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Found[stage]++
	if action != "" {
		r.summary.Actions[action]++
	}
	if slices.Contains(acts, action) {
		r.acted++
	}
	slog.WarnContext(
		ctx, "sweep: order stands still", "stage", string(stage), "action", string(cmp.Or(action, "failed")),
	)
}

// one looks at an order's stream and acts on what that says. No stage means that the order does not
// stand still; no action, that one failed.
func (r *run) one(ctx context.Context, id string) (Stage, Action, error) {
	o, err := r.load(ctx, id)
	if errors.Is(err, order.ErrNotFound) {
		return StageUnknown, ActionNone, nil
	}
	if err != nil {
		return "", "", err
	}
	if !o.stands() {
		return "", "", nil // it has moved on
	}
	stage, act := StageRunning, r.close
	switch {
	case o.state.Status.Final():
		return StageBehind, ActionNone, nil
	case o.state.Saga == order.SagaFailed:
		return StageFailed, ActionNone, nil
	case o.state.Status == order.StatusCancelling:
		stage, act = StageCompensating, r.resumeUndo
	case o.state.Saga == order.SagaPending:
		stage, act = StagePending, r.startOrClose
	case o.undated:
		act = r.closeIfGone
	}
	if r.full() {
		return stage, ActionPostponed, nil
	}
	did, err := act(ctx, o)
	return stage, did, err
}

// waiting compares an order that waits for its shipment, to leave or to arrive, with the shipment's
// own stream, and has it follow where it does not. Its events may be spent: what they would have
// done is done by the same commands. What has not left is compared with its customer's stream too.
func (r *run) waiting(ctx context.Context, id string) (Stage, Action, error) {
	o, err := r.load(ctx, id)
	if errors.Is(err, order.ErrNotFound) {
		return StageUnknown, ActionNone, nil
	}
	if err != nil || !o.stands() || o.state.Status != order.StatusConfirmed && o.state.Status != order.StatusShipped {
		return "", "", err
	}
	s, err := r.Shipments.Get(ctx, id, o.state.ShipmentRevision)
	if err != nil {
		return "", "", err
	}
	switch {
	case s.Status == shipment.StatusDelivered:
		return r.follow(ctx, o, StageLeft, func(req es.Request) (es.Result[order.State], error) {
			arrival := choreography.Arrival{Orders: r.Orders, Stock: r.Stock}
			return arrival.Deliver(ctx, req, id, order.Deliver{
				ShipmentID: s.ID, DispatchedAt: s.DispatchedAt, StockClosed: s.StockClosed,
			})
		})
	case o.state.Status == order.StatusShipped:
		return r.shipped(ctx, o) // it is with the carrier: that may take days
	case s.Status == shipment.StatusDispatched:
		return r.follow(ctx, o, StageLeft, func(req es.Request) (es.Result[order.State], error) {
			return r.Orders.Run(ctx, req, id, order.Ship{
				ShipmentID: s.ID, DispatchedAt: s.DispatchedAt, StockClosed: s.StockClosed,
			})
		})
	case s.Status == shipment.StatusCancelled:
		return r.follow(ctx, o, StageStopped, func(req es.Request) (es.Result[order.State], error) {
			return r.Orders.CloseStopped(ctx, req, id, order.Stopped{
				ShipmentID: s.ID, Origin: order.Origin(s.Cancelled.Origin), Reason: order.Reason(s.Cancelled.Reason),
				Note: s.Cancelled.Note,
			})
		})
	}
	switch _, err := r.Customers.Registered(ctx, o.state.CustomerID); {
	case errors.Is(err, customer.ErrErased):
		return r.erased(ctx, o)
	case err != nil:
		return "", "", err
	case s.Status == shipment.StatusPrepared:
		return "", "", nil // waits for the carrier: that may take days
	}
	return StageUnprepared, ActionNone, nil
}

// shipped compares an order that has left with its reservation, which order.shipped closes.
func (r *run) shipped(ctx context.Context, o found) (Stage, Action, error) {
	reservation, err := r.Stock.Reservation(ctx, o.id, o.state.StockRevision)
	if err != nil || reservation.Committed {
		return "", "", err
	}
	_, err = r.Stock.Commit(ctx, o.request(r.Clock, "sweep-commit"), o.id, o.state.StockRevision)
	return settled(ctx, StageUnbooked, ActionCommitted, err)
}

// follow carries out what an order's shipment has come to.
func (r *run) follow(
	ctx context.Context, o found, stage Stage, command func(es.Request) (es.Result[order.State], error),
) (Stage, Action, error) {
	_, err := command(o.request(r.Clock, "sweep-follow"))
	return settled(ctx, stage, ActionFollowed, err)
}

// contradictions are the faults of a command that what an order's shipment or stock says rules out.
var contradictions = []error{
	order.ErrNobodyStopped, order.ErrOtherShipment, order.ErrShipmentUnderWay, stock.ErrNotReserved,
	stock.ErrInconsistent,
}

// settled is what came of a command that an order's shipment calls for. Where the two contradict
// each other it is the same in each sweep: that is counted and told of, and no error, which would
// hide the next one.
func settled(ctx context.Context, stage Stage, did Action, err error) (Stage, Action, error) {
	for _, contradiction := range contradictions {
		if errors.Is(err, contradiction) {
			slog.ErrorContext(ctx, "sweep: an order contradicts its shipment or its stock", "error", err.Error())
			return StageAtOdds, ActionNone, nil
		}
	}
	did, err = action(did, err)
	return stage, did, err
}

// erased cancels an order whose customer is erased, as finish-erasure does for those that the list
// of the customer's orders showed it: nobody can say any more where it goes. One that leaves at the
// same time is the carrier's, and follows its shipment.
func (r *run) erased(ctx context.Context, o found) (Stage, Action, error) {
	_, err := r.Orders.Cancel(
		ctx, o.request(r.Clock, "sweep-erased"), o.id,
		order.CancelInput{Origin: order.OriginOperator, Reason: order.ReasonErased},
	)
	if errors.Is(err, order.ErrDispatched) {
		return StageErased, ActionNone, nil
	}
	return settled(ctx, StageErased, ActionCancelled, err)
}

// found is an order as its stream has it.
type found struct {
	id      string
	state   order.State
	version int64
	changed time.Time // when it came to be so: the time of its newest event
	undated bool      // that lies ahead: the clock of who wrote it was wrong, and nobody knows when it was
	// budgets that have passed since, or since the deadline of what it waits for, or where that is
	// not known, since a time that is the same for all
	budgets  int64
	closedAt int64       // version of order.cancelling, 0 where there is none
	from     es.Metadata // of the request that placed it
}

// stands reports whether nothing has come of the order for a budget. Of one that is undated nobody
// knows, and what is done about it needs another sign.
func (o found) stands() bool { return o.undated || o.budgets >= 1 }

// request identifies a command on the order as it stands still.
func (o found) request(c clock.Clock, command string) es.Request {
	return es.Request{
		CommitID: ident.Derive(command, o.id, strconv.FormatInt(o.version, 10)),
		Time:     c.Now(),
		Metadata: es.Metadata{
			CorrelationID: o.from.CorrelationID, CausationID: "sweep-orders",
			Traceparent: o.from.Traceparent, Tracestate: o.from.Tracestate, Actor: "sweep-orders",
		},
	}
}

// run says in a run whose order it is for.
func (o found) run(run saga.Run) saga.Run {
	run.Input = run.Input.Following(o.from)
	return run
}

func (r *run) load(ctx context.Context, id string) (found, error) {
	events, err := r.Orders.History(ctx, id)
	if err != nil {
		return found{}, err
	}
	from := events[0].Metadata
	trail.Learn(ctx, trail.Order(id, from))
	trace.Link(ctx, from.Traceparent)
	o := found{id: id, from: from}
	if o.state, err = es.Fold(order.Decider.Initial(), order.Decider.Evolve, events); err != nil {
		return found{}, err
	}
	for _, e := range events {
		// a commit is no older than the one before it: a clock that jumps back would use up a
		// budget
		if o.version = e.Version; e.Time.After(o.changed) {
			o.changed = e.Time
		}
		if _, closed := e.Data.(order.Cancelling); closed {
			o.closedAt = e.Version
		}
	}
	now := r.Clock.Now()
	if o.undated = clock.Ahead(o.changed, now); o.undated {
		o.budgets = now.UnixNano() / int64(r.Budget)
	} else {
		o.budgets = max(int64(now.Sub(o.state.WaitsUntil(o.changed))/r.Budget), 0)
	}
	return o, nil
}

// startOrClose starts the run of an order that none has taken. One that was started, took nothing
// and is gone will not be better the second time.
func (r *run) startOrClose(ctx context.Context, o found) (Action, error) {
	if did, err := r.start(ctx, o.run(saga.Fulfil(o.id)), ActionStarted); err != nil || did != "" {
		return did, err
	}
	return r.close(ctx, o)
}

// start starts a run and gives did, or leaves the order to the run where it goes already. It does
// nothing where the run is gone. It asks again where the name was taken: another sweep may have
// started the run in between.
func (r *run) start(ctx context.Context, run saga.Run, did Action) (Action, error) {
	if left, err := r.leave(ctx, run.Name); err != nil || left != "" {
		return left, err
	}
	if fresh, err := r.Runs.Start(ctx, run); err != nil || fresh {
		return action(did, err)
	}
	return r.leave(ctx, run.Name)
}

// leave leaves the order to the run with that name where it goes.
func (r *run) leave(ctx context.Context, name string) (Action, error) {
	if running, err := r.Runs.Running(ctx, name); err != nil || running {
		return action(ActionLeft, err)
	}
	return "", nil
}

// closeIfGone closes an order that a run has taken, unless the run still goes: Step Functions ends
// it in time by a clock of its own.
func (r *run) closeIfGone(ctx context.Context, o found) (Action, error) {
	if left, err := r.leave(ctx, o.state.SagaID); err != nil || left != "" {
		return left, err
	}
	return r.close(ctx, o)
}

// close asks the arbiter, and starts the undo where the order is closed by now. The commit's id
// names the version that stood still, so that two sweeps at once close the order with one commit.
func (r *run) close(ctx context.Context, o found) (Action, error) {
	if _, err := r.Orders.Run(
		ctx, o.request(r.Clock, "sweep-close"), o.id,
		order.Close{Origin: order.OriginSweep, Reason: order.ReasonExpired},
	); err != nil {
		return "", err
	}
	o, err := r.load(ctx, o.id)
	if err != nil {
		return "", err
	}
	if o.state.Status != order.StatusCancelling || o.state.ClosedBy == order.OriginSaga {
		return ActionLeft, nil // a run was faster: it has confirmed the order, or undoes it itself
	}
	_, err = r.Runs.Start(ctx, o.run(saga.Undo(o.id, o.closedAt)))
	return action(ActionClosed, err)
}

// resumeUndo starts the undoing run, unless one goes. The further runs are named by the budgets
// that have passed since the order last changed: in each there is one at most, and the one of the
// budget before may still go.
func (r *run) resumeUndo(ctx context.Context, o found) (Action, error) {
	var before []string
	if o.state.SagaID != "" { // the run that closed the order undoes it too
		before = append(before, o.state.SagaID)
	}
	if o.budgets > 1 {
		before = append(before, saga.ResumeUndoName(o.id, o.closedAt, o.budgets-1))
	}
	for _, name := range before {
		if left, err := r.leave(ctx, name); err != nil || left != "" {
			return left, err
		}
	}
	for _, run := range []saga.Run{saga.Undo(o.id, o.closedAt), saga.ResumeUndo(o.id, o.closedAt, o.budgets)} {
		if did, err := r.start(ctx, o.run(run), ActionResumed); err != nil || did != "" {
			return did, err
		}
	}
	return ActionLeft, nil // the run of this budget was started, and is gone
}

// action is what was done, where nothing went wrong.
func action(a Action, err error) (Action, error) {
	if err != nil {
		return "", err
	}
	return a, nil
}
