package deadletter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/clock"
	"orderflow/shared/saga"
)

// ErrGone says that there is no consumer any more to send to. Trying again can't help.
var ErrGone = errors.New("deadletter: the consumer no longer exists")

// Queues sends messages to queues. An ErrGone where the queue is not there.
type Queues interface {
	Send(ctx context.Context, queueARN string, m Message) error
}

// Functions invokes functions and waits for their answer. The error is an ErrGone where the function is not there, and else what the function, or Lambda, says.
type Functions interface {
	Invoke(ctx context.Context, functionARN string, payload []byte) error
}

// Runs starts runs of the order's state machine, and tells how they ended.
type Runs interface {
	// Start starts a run, unless one of its name was started before.
	Start(context.Context, saga.Run) (fresh bool, err error)
	// Ended says whether the run with that name has ended, and what it failed of, "" where it didn't fail.
	Ended(ctx context.Context, name string) (ended bool, failure string, err error)
}

// Alerts tells people. A message may be told twice; its subject names the entry.
type Alerts interface {
	Tell(ctx context.Context, subject, text string) error
}

// The metrics of a run, in the dimension Stack, and the first in Consumer besides.
const (
	MetricOpen   = "OpenDeadLetters"         // open or being redriven
	MetricSpent  = "SpentDeadLetters"        // spent, or waiting for a person
	MetricOldest = "OldestDeadLetterSeconds" // since the oldest open one was recorded, 0 where there is none
)

// Limits of one run.
const (
	maxRedrives = 500 // entries that it takes on; the rest waits for the next
	maxCounted  = 10_000
	workers     = 8
	margin      = 10 * time.Second // kept back before the deadline for what is under way, and for the count
)

// Redriver brings entries back. All fields are required.
type Redriver struct {
	Table     Table
	Queues    Queues
	Functions Functions
	Runs      Runs
	Alerts    Alerts
	Clock     clock.Clock
	Policy    Policy
	// Measure takes each metric once a run, also where it is 0. consumer is "" for that of all.
	Measure func(metric, consumer string, value int64)
}

// Summary is what a run came to.
type Summary struct {
	Sent       int  `json:"sent"`     // to a queue or a run, which answers later
	Resolved   int  `json:"resolved"` // by functions that answered at once
	Failed     int  `json:"failed"`   // the same, and what could not be sent
	Alerted    int  `json:"alerted"`
	Skipped    int  `json:"skipped"` // somebody else was faster
	Errors     int  `json:"errors"`  // the next run finds them again
	Unfinished bool `json:"unfinished"`
}

// Run takes on the entries that are due: it claims each, sends its message, and where the answer comes at once writes it down. It tells operations of those that
// are spent or wait for a person. Two runs at once do each thing once; a run that is cut off leaves claims behind whose leases end.
func (r Redriver) Run(ctx context.Context) (Summary, error) {
	run := &run{Redriver: r}
	taking := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		taking, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	var group errgroup.Group
	group.SetLimit(workers)
	taken := 0
	for e, err := range r.Table.Due(taking, r.Clock.Now()) {
		if taking.Err() != nil || taken == maxRedrives {
			run.count(func(s *Summary) { s.Unfinished = true })
			break
		}
		if err != nil {
			run.failed(ctx, "", err)
			break
		}
		taken++
		group.Go(func() error {
			if err := run.one(ctx, e.ID); err != nil {
				run.failed(ctx, e.ID, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are noted
	if err := r.measure(ctx); err != nil {
		run.failed(ctx, "", err)
	}
	slog.InfoContext(ctx, "redrive done", "summary", run.summary)
	return run.summary, errors.Join(run.errs...)
}

// run is one run under way.
type run struct {
	Redriver

	mu      sync.Mutex
	summary Summary
	errs    []error
}

// maxErrs is how many errors a run returns in full; the log has them all.
const maxErrs = 10

func (r *run) failed(ctx context.Context, id string, err error) {
	slog.ErrorContext(ctx, "redrive fails", "deadLetterId", id, "error", err.Error())
	r.count(func(s *Summary) {
		if s.Errors++; len(r.errs) < maxErrs {
			r.errs = append(r.errs, fmt.Errorf("deadletter: redrive %s: %w", id, err))
		}
	})
}

func (r *run) count(f func(*Summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.summary)
}

// one does what is due for an entry.
func (r *run) one(ctx context.Context, id string) error {
	e, err := r.Table.Get(ctx, id)
	if err != nil {
		return err
	}
	now := r.Clock.Now()
	if e.Alert && !e.Next.IsZero() && !e.Next.After(now) {
		return r.alert(ctx, e)
	}
	e, ok := e.claimed(now)
	if !ok {
		r.count(func(s *Summary) { s.Skipped++ })
		return nil
	}
	if err := r.Table.Update(ctx, e); err != nil {
		if errors.Is(err, ErrConflict) {
			r.count(func(s *Summary) { s.Skipped++ })
			return nil
		}
		return err
	}
	answered, err := r.send(ctx, e)
	slog.InfoContext(ctx, "dead letter redriven", "deadLetterId", e.ID, "consumer", e.Consumer, "attempt", e.Redrives, "send", e.Sends, "answered", answered, "correlationId",
		e.CorrelationID)
	switch {
	case err != nil:
		return r.settle(ctx, e, err)
	case answered:
		r.count(func(s *Summary) { s.Resolved++ })
		_, err = change(ctx, r.Table, e.ID, func(e Entry) (Entry, bool) { return e.resolved(r.Clock.Now()), e.Status != StatusResolved })
		return err
	}
	r.count(func(s *Summary) { s.Sent++ })
	return nil
}

// send sends an entry's message to its consumer. answered says that the consumer has handled it; without it the answer comes later. An error is the consumer's
// answer, or says that nothing was sent; of a message that was sent all the same the consumer's answer counts.
func (r *run) send(ctx context.Context, e Entry) (answered bool, err error) {
	if e.Kind == KindUndo {
		return r.undo(ctx, e)
	}
	m, err := r.Table.Message(ctx, e.ID)
	if err != nil {
		return false, err
	}
	switch e.Kind {
	case KindQueue:
		attributes := map[string]string{AttributeID: e.ID, AttributeAttempt: strconv.Itoa(e.Redrives)}
		if e.TakeOver {
			attributes[AttributeTakeOver] = "true"
		}
		maps.Copy(attributes, withoutOurs(m.Attributes))
		return false, r.Queues.Send(ctx, e.Target, Message{Body: m.Body, Attributes: attributes})
	case KindRecord:
		payload, err := invocation(m.Body)
		if err != nil {
			return false, err
		}
		return true, r.Functions.Invoke(ctx, e.Target, payload)
	case KindInvocation:
		return true, r.Functions.Invoke(ctx, e.Target, m.Body)
	}
	return false, fmt.Errorf("deadletter: there is no way back for a %s", e.Kind)
}

func withoutOurs(attributes map[string]string) map[string]string {
	others := maps.Clone(attributes)
	for _, name := range []string{AttributeID, AttributeAttempt, AttributeTakeOver} {
		delete(others, name)
	}
	return others
}

// undo starts the undoing run of the attempt, or asks how it stands.
func (r *run) undo(ctx context.Context, e Entry) (answered bool, err error) {
	name := undoName(e.ID, e.Redrives)
	input := saga.Input{Version: saga.InputVersion, OrderID: e.Target, Mode: saga.ModeUndo, CorrelationID: e.CorrelationID}
	if _, err := r.Runs.Start(ctx, saga.Run{Name: name, Input: input}); err != nil {
		return false, err
	}
	if e.Sends == 1 {
		return false, nil
	}
	ended, failure, err := r.Runs.Ended(ctx, name)
	if err == nil && ended && failure != "" {
		err = errors.New(failure)
	}
	return ended, err
}

// settle writes down that a redrive failed, unless the consumer has answered in between.
func (r *run) settle(ctx context.Context, e Entry, cause error) error {
	r.count(func(s *Summary) { s.Failed++ })
	attempt, now := e.Redrives, r.Clock.Now()
	f := failure{err: cause.Error(), tries: 1, first: now, last: now}
	if errors.Is(cause, ErrGone) {
		f.hint = "Its consumer is not there any more. Discard it, or deploy the consumer again and redrive it."
	}
	_, err := change(ctx, r.Table, e.ID, func(e Entry) (Entry, bool) {
		if !e.answers(attempt) {
			return e, false
		}
		return r.Policy.failed(e, f, now), true
	})
	return err
}

// alert tells operations of an entry. It is claimed first, so that of two runs one tells; where one dies between telling and writing that down, the next tells
// again once the claim's lease has ended.
func (r *run) alert(ctx context.Context, e Entry) error {
	e.Next = r.Clock.Now().Add(minLease)
	if err := r.Table.Update(ctx, e); err != nil {
		if errors.Is(err, ErrConflict) {
			r.count(func(s *Summary) { s.Skipped++ })
			return nil
		}
		return err
	}
	e.Revision++
	subject, text := e.alertText()
	if err := r.Alerts.Tell(ctx, subject, text); err != nil {
		return err
	}
	r.count(func(s *Summary) { s.Alerted++ })
	_, err := change(ctx, r.Table, e.ID, func(now Entry) (Entry, bool) { return now.alerted(), now.Alert && now.Next.Equal(e.Next) })
	return err
}

// alertText is what operations is told. It holds nothing of the message.
func (e Entry) alertText() (subject, text string) {
	why := fmt.Sprintf("spent after %d redrives", e.Redrives)
	switch {
	case e.Held:
		why = "waits for a person"
	case e.Hint != "":
		why = "can't be redriven"
	}
	return "Dead letter " + e.ID, fmt.Sprintf("The dead letter %s, %s, %s.\n\nError: %s\nFailures: %d, the first %s, the last %s\nCorrelation id: %s\n%s\n"+
		"orderflow deadletters show %s", e.ID, e.what(), why, e.Error, e.Failures, e.FirstFailure.Format(time.RFC3339), e.LastFailure.Format(time.RFC3339), e.CorrelationID,
		e.Hint, e.ID)
}

// measure counts what stands in the table. Beyond maxCounted it says at least so many.
func (r Redriver) measure(ctx context.Context) error {
	open, oldest := map[string]int64{}, time.Time{}
	var all, spent int64
	counted := 0
	for _, status := range []Status{StatusOpen, StatusRedriving, StatusSpent} {
		for q := (Query{Status: status, Limit: MaxPage}); counted < maxCounted; {
			page, err := r.Table.List(ctx, q)
			if err != nil {
				return err
			}
			counted += len(page.Entries)
			for _, e := range page.Entries {
				if status == StatusSpent || e.Held {
					spent++
					continue
				}
				all++
				open[e.Consumer]++
				if oldest.IsZero() || e.RecordedAt.Before(oldest) {
					oldest = e.RecordedAt
				}
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
	}
	r.Measure(MetricOpen, "", all)
	for consumer, n := range open {
		r.Measure(MetricOpen, consumer, n)
	}
	r.Measure(MetricSpent, "", spent)
	var age time.Duration
	if !oldest.IsZero() {
		age = max(0, r.Clock.Now().Sub(oldest))
	}
	r.Measure(MetricOldest, "", int64(age/time.Second))
	return nil
}
