// Package executions shows how the state machine carried an order: its executions, the steps that
// each entered, and the machine as each ran it.
package executions

import (
	"context"
	"errors"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/order"
)

// ErrUnknown is of an execution that never was, or that is no longer kept.
var ErrUnknown = errors.New("executions: no such execution")

// Kept is for how long Step Functions keeps an execution after its end.
const Kept = 90 * 24 * time.Hour

// Most is how many executions of an order are shown: the first, and the newest of the others. Each
// is three requests to Step Functions, or two once its definition is known.
const Most = 10

// settled is how long an execution that has just started may not be found yet: Step Functions
// describes executions with a delay.
const settled = time.Minute

// Status is what became of an execution, as Step Functions names it.
type Status string

// The statuses of an execution.
const (
	Running        Status = "RUNNING"
	Succeeded      Status = "SUCCEEDED"
	Failed         Status = "FAILED"
	TimedOut       Status = "TIMED_OUT"
	Aborted        Status = "ABORTED"
	PendingRedrive Status = "PENDING_REDRIVE"
)

// Execution is one of an order's.
type Execution struct {
	Name    string
	Expired bool // it was, and Step Functions keeps it no more: only its name is known
	Status  Status
	Started time.Time
	Ended   time.Time // zero while it runs
	Error   string    // that it ended with
	Cause   string
	Steps   []Step // in the order in which it entered them
	Cut     bool   // its history is longer than what was read
	Machine Machine
}

// Step is a state that an execution entered.
type Step struct {
	Name    string
	Type    string // Task, Choice, Succeed, Fail, …
	Entered time.Time
	Exited  time.Time // zero while it is there
	Tries   int       // of a task
	Failed  bool      // its last try did
	Error   string    // of its last try that failed
	Cause   string
}

// Orders gives the events of an order, oldest first. order.ErrNotFound where there are none.
type Orders interface {
	History(ctx context.Context, orderID string) ([]es.Recorded, error)
}

// Runs reads executions. ErrUnknown where there is none of that name.
type Runs interface {
	Find(ctx context.Context, name string) (Execution, error)
}

// Desk shows the executions of orders.
type Desk struct {
	Orders Orders
	Runs   Runs
	Clock  clock.Clock
}

// New makes a Desk.
func New(d Desk) Desk { return wiring.Complete(d) }

// Of gives the executions of an order, in the order in which its events name them, and how many
// were left out beyond Most. An execution that no event names yet is found by its name: that which
// fulfils, and the first one that undoes. A later one that resumes the undo shows once it has
// written.
func (d Desk) Of(ctx context.Context, orderID string) (found []Execution, omitted int, err error) {
	history, err := d.Orders.History(ctx, orderID)
	if err != nil {
		return nil, 0, err
	}
	names := named(orderID, history)
	if omitted = len(names) - Most; omitted > 0 {
		names = slices.Delete(names, 1, 1+omitted)
	}
	found = make([]Execution, 0, len(names))
	for _, n := range names {
		x, err := d.Runs.Find(ctx, n.name)
		switch {
		case errors.Is(err, ErrUnknown):
			if !n.seen.IsZero() && d.Clock.Now().Sub(n.seen) > settled {
				found = append(found, Execution{Name: n.name, Expired: true})
			}
		case err != nil:
			return nil, 0, err
		default:
			found = append(found, x)
		}
	}
	return found, max(omitted, 0), nil
}

// name is an execution's, and when the first event said that it exists; zero where none has.
type name struct {
	name string
	seen time.Time
}

// named lists the executions of an order, each once.
func named(orderID string, history []es.Recorded) []name {
	all := []name{{name: saga.FulfilName(orderID)}}
	add := func(of string, seen time.Time) {
		i := slices.IndexFunc(all, func(n name) bool { return n.name == of })
		switch {
		case of == "":
		case i < 0:
			all = append(all, name{of, seen})
		case all[i].seen.IsZero():
			all[i].seen = seen
		}
	}
	for _, e := range history {
		switch data := e.Data.(type) {
		case order.Started:
			add(data.SagaID, e.Time)
		case order.Parked:
			add(data.SagaID, e.Time)
		case order.Confirmed:
			add(data.SagaID, e.Time)
		case order.Cancelling:
			if data.SagaID != "" {
				add(data.SagaID, e.Time)
			} else {
				add(saga.UndoName(orderID, e.Version), time.Time{})
			}
		case order.Cancelled:
			add(data.SagaID, e.Time)
		case order.UndoFailed:
			add(data.SagaID, e.Time)
		}
	}
	return all
}
