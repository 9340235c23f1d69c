// Package sweep finds orders that stand still and takes them on: it starts the run that never came, closes the order whose run is gone, and resumes
// the undo that stopped. It is what makes every order end although a starter is dead-lettered, an execution times out or its error can't be caught.
//
// The view says where to look, the order's own stream what is true; all that the sweep does is decided by the stream. It does one thing an order and
// leaves a state in which the next sweep finds what is left, so it may stop or be cut off anywhere, and two may run at once:
//
//	placed, no run has taken it   start the fulfilling run; where that run was and is gone, close the order
//	placed, a run has taken it    close the order: the arbiter on its stream decides whether the run was faster
//	being undone                  start the undoing run, or a further one where it was and is gone
//	undo failed                   count: people have to look
//	final, or in no stream        the view is wrong; log
//
// Closing is followed by the start of the undoing run, under the name that the event's own starter gives it too. Between the two the order is one that
// is being undone, which a later sweep takes on.
package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/ident"
	"orderflow/shared/order"
	"orderflow/shared/saga"
)

// Rows says where to look. Both give orders that nothing has changed since before, the longest unchanged first, and read as the caller goes on.
type Rows interface {
	// Open gives the orders on which the saga is not through.
	Open(ctx context.Context, before time.Time) iter.Seq2[string, error]
	// Failed gives the orders whose undo has failed.
	Failed(ctx context.Context, before time.Time) iter.Seq2[string, error]
}

// Orders is what the sweep needs of order.Service.
type Orders interface {
	History(ctx context.Context, orderID string) ([]es.Recorded, error)
	Run(ctx context.Context, req es.Request, orderID string, c order.Command) (es.Result[order.State], error)
}

// Runs starts runs of the saga.
type Runs interface {
	// Start starts a run, unless there was one of its name: then fresh is false.
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
	StageBehind       Stage = "behind"       // final; its row in the view does not say so yet
	StageUnknown      Stage = "unknown"      // in the view, and in no stream
)

// Action is what the sweep did about an order.
type Action string

// The actions.
const (
	ActionNone    Action = "none"
	ActionStarted Action = "started" // the fulfilling run
	ActionClosed  Action = "closed"
	ActionResumed Action = "resumed" // the undoing run
	ActionLeft    Action = "left"    // to a run that still goes, or to one that another sweep has started
)

// Metric is the metric that counts the orders that a sweep finds standing still.
const Metric = "OrdersFoundBySweep"

// Budget reads a budget in whole seconds. It panics on one that is none: a function without one must not start.
func Budget(seconds string) time.Duration {
	n, err := strconv.ParseInt(seconds, 10, 32)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("sweep: a budget of %q seconds", seconds))
	}
	return time.Duration(n) * time.Second
}

// Limits of one sweep.
const (
	// MaxActions is how many orders one sweep acts on; the rest waits for the next. Orders that are only looked at do not count.
	MaxActions = 500
	// workers is how many orders are looked at side by side.
	workers = 8
	// margin is kept back before the deadline, so that a sweep ends by itself and says what it did.
	margin = 5 * time.Second
)

// Sweeper sweeps.
type Sweeper struct {
	Rows   Rows
	Orders Orders
	Runs   Runs
	Clock  clock.Clock
	Budget time.Duration // an order that is not final and has not changed for so long stands still; above zero
	// Count takes how many orders stand still, once a sweep, also where there are none.
	Count func(orders int64)
}

// Summary is what one sweep came to.
type Summary struct {
	Found      map[Stage]int  `json:"found"`   // orders past their budget
	Actions    map[Action]int `json:"actions"` // what was done about them
	Errors     int            `json:"errors"`  // orders that could not be looked at or acted on; the next sweep finds them again
	Unfinished bool           `json:"unfinished"`
}

// Standing is how many orders are past their budget and not final: those that the metric counts.
func (s Summary) Standing() int {
	n := 0
	for stage, found := range s.Found {
		if stage != StageBehind && stage != StageUnknown {
			n += found
		}
	}
	return n
}

// Sweep looks through all orders that stand still and acts on them. An order that fails does not hold up the others; the error then joins
// all that failed. It stops five seconds before ctx's deadline or after MaxActions, and says so in the summary.
func (s Sweeper) Sweep(ctx context.Context) (Summary, error) {
	if s.Budget <= 0 {
		return Summary{}, fmt.Errorf("sweep: a budget of %s", s.Budget)
	}
	run := &run{Sweeper: s, summary: Summary{Found: map[Stage]int{}, Actions: map[Action]int{}}}
	looking := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		looking, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	before := s.Clock.Now().Add(-s.Budget)
	run.through(ctx, looking, s.Rows.Open(looking, before))
	run.through(ctx, looking, s.Rows.Failed(looking, before))

	summary, err := run.summary, errors.Join(run.errs...)
	s.Count(int64(summary.Standing()))
	attrs := []any{"found", summary.Found, "actions", summary.Actions, "errors", summary.Errors, "unfinished", summary.Unfinished}
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
}

// maxErrs is how many errors a sweep returns in full; the log has them all.
const maxErrs = 10

// through looks at the orders of a list, some side by side, and begins none once looking is done.
func (r *run) through(ctx, looking context.Context, ids iter.Seq2[string, error]) {
	var group errgroup.Group
	group.SetLimit(workers)
	for id, err := range ids {
		if r.stop(looking) {
			break
		}
		if err != nil {
			r.failed(ctx, id, err)
			break
		}
		group.Go(func() error {
			stage, action, err := r.one(ctx, id)
			if err != nil {
				r.failed(ctx, id, err)
			}
			r.note(ctx, id, stage, action)
			return nil
		})
	}
	_ = group.Wait() // the errors are noted
}

// stop reports whether the sweep has come to one of its limits.
func (r *run) stop(looking context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if looking.Err() != nil || r.acted >= MaxActions {
		r.summary.Unfinished = true
	}
	return r.summary.Unfinished
}

func (r *run) failed(ctx context.Context, id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slog.ErrorContext(ctx, "sweep: order failed", "orderId", id, "error", err.Error())
	if r.summary.Errors++; len(r.errs) < maxErrs {
		r.errs = append(r.errs, fmt.Errorf("sweep: order %q: %w", id, err))
	}
}

func (r *run) note(ctx context.Context, id string, stage Stage, action Action) {
	if stage == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Found[stage]++
	if action != "" {
		r.summary.Actions[action]++
	}
	if action == ActionStarted || action == ActionClosed || action == ActionResumed {
		r.acted++
	}
	slog.WarnContext(ctx, "sweep: order stands still", "orderId", id, "stage", string(stage), "action", string(cmp.Or(action, "failed")))
}

// one looks at an order's stream and acts on what that says. No stage means that the order does not stand still; no action, that one failed.
func (r *run) one(ctx context.Context, id string) (Stage, Action, error) {
	o, err := r.load(ctx, id)
	if errors.Is(err, order.ErrNotFound) {
		return StageUnknown, ActionNone, nil
	}
	if err != nil {
		return "", "", err
	}
	budgets := int64(r.Clock.Now().Sub(o.changed) / r.Budget)
	if budgets < 1 {
		return "", "", nil // it has moved on
	}
	switch {
	case o.state.Status.Final():
		return StageBehind, ActionNone, nil
	case o.state.Saga == order.SagaFailed:
		return StageFailed, ActionNone, nil
	case o.state.Status == order.StatusCancelling:
		did, err := r.resumeUndo(ctx, o, budgets)
		return StageCompensating, did, err
	case o.state.Saga == order.SagaPending:
		did, err := r.startOrClose(ctx, o)
		return StagePending, did, err
	}
	did, err := r.close(ctx, o)
	return StageRunning, did, err
}

// found is an order as its stream has it.
type found struct {
	id          string
	state       order.State
	version     int64
	changed     time.Time // when the last event was decided
	closedAt    int64     // version of order.cancelling, 0 where there is none
	correlation string
}

func (r *run) load(ctx context.Context, id string) (found, error) {
	events, err := r.Orders.History(ctx, id)
	if err != nil {
		return found{}, err
	}
	o := found{id: id, correlation: events[0].Metadata.CorrelationID}
	if o.state, err = es.Fold(order.Decider.Initial(), order.Decider.Evolve, events); err != nil {
		return found{}, err
	}
	for _, e := range events {
		o.version, o.changed = e.Version, e.Time
		if _, closed := e.Data.(order.Cancelling); closed {
			o.closedAt = e.Version
		}
	}
	return o, nil
}

// startOrClose starts the run of an order that none has taken. One that was started, took nothing and is gone will not be better the second time.
func (r *run) startOrClose(ctx context.Context, o found) (Action, error) {
	if fresh, err := r.Runs.Start(ctx, saga.Fulfil(o.id)); err != nil || fresh {
		return action(ActionStarted, err)
	}
	if running, err := r.Runs.Running(ctx, saga.FulfilName(o.id)); err != nil || running {
		return action(ActionLeft, err)
	}
	return r.close(ctx, o)
}

// close asks the arbiter, and starts the undo where the order is closed by now. The commit's id names the version that stood still, so that two sweeps
// at once close the order with one commit.
func (r *run) close(ctx context.Context, o found) (Action, error) {
	req := es.Request{
		CommitID: ident.Derive("sweep-close", o.id, strconv.FormatInt(o.version, 10)),
		Time:     r.Clock.Now(),
		Metadata: es.Metadata{CorrelationID: o.correlation, CausationID: "sweep-orders", Actor: "sweep-orders"},
	}
	if _, err := r.Orders.Run(ctx, req, o.id, order.Close{Origin: order.OriginSweep, Reason: order.ReasonExpired}); err != nil {
		return "", err
	}
	o, err := r.load(ctx, o.id)
	if err != nil {
		return "", err
	}
	if o.state.Status != order.StatusCancelling || o.state.ClosedBy == order.OriginSaga {
		return ActionLeft, nil // a run was faster: it has confirmed the order, or undoes it itself
	}
	_, err = r.Runs.Start(ctx, saga.Undo(o.id, o.closedAt))
	return action(ActionClosed, err)
}

// resumeUndo starts the undoing run, unless one goes. The further runs are named by the budgets that have passed since the order last changed: in each
// there is one at most. It looks whether a run goes only after its name was taken: looked at before, another sweep could start it in between.
func (r *run) resumeUndo(ctx context.Context, o found, budgets int64) (Action, error) {
	if o.state.SagaID != "" { // the run that closed the order undoes it too
		if running, err := r.Runs.Running(ctx, o.state.SagaID); err != nil || running {
			return action(ActionLeft, err)
		}
	}
	if fresh, err := r.Runs.Start(ctx, saga.Undo(o.id, o.closedAt)); err != nil || fresh {
		return action(ActionResumed, err)
	}
	before := []string{saga.UndoName(o.id, o.closedAt)}
	if budgets > 1 {
		before = append(before, saga.ResumeUndoName(o.id, o.closedAt, budgets-1))
	}
	for _, name := range before {
		if running, err := r.Runs.Running(ctx, name); err != nil || running {
			return action(ActionLeft, err)
		}
	}
	if fresh, err := r.Runs.Start(ctx, saga.ResumeUndo(o.id, o.closedAt, budgets)); err != nil || fresh {
		return action(ActionResumed, err)
	}
	return ActionLeft, nil // it was started in this budget
}

// action is what was done, where nothing went wrong.
func action(a Action, err error) (Action, error) {
	if err != nil {
		return "", err
	}
	return a, nil
}
