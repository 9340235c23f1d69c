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

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/trace"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/trail"
)

// Why a message did not get to its consumer. Of any other error nobody knows whether it did.
var (
	// ErrGone says that there is no consumer any more to send to. Trying again can't help.
	ErrGone = errors.New("deadletter: the consumer no longer exists")
	// ErrRefused says that nothing was sent, for a reason that hardly passes by itself: a
	// permission is missing, or the message is not one that can be sent.
	ErrRefused = errors.New("deadletter: the message can't be sent")
	// ErrNotSent says that nothing was sent, for a reason that passes: too many requests, or no
	// answer to the question where to send it.
	ErrNotSent = errors.New("deadletter: the message could not be sent")
)

// InvokeTimeout is how long Functions waits for a function: longer than any that is invoked may
// take, and less than a claim's lease.
const InvokeTimeout = 130 * time.Second

// Queues sends messages to queues. The error is an ErrGone, an ErrRefused, an ErrNotSent, or says
// that it isn't known whether the message was sent.
type Queues interface {
	Send(ctx context.Context, queueARN string, m Message) error
}

// Functions invokes functions and waits for their answer, up to InvokeTimeout: failure is what the
// function failed of, "" where it didn't. The error is like that of Queues.
type Functions interface {
	Invoke(ctx context.Context, functionARN string, payload []byte) (failure string, err error)
}

// Runs starts runs of the order's state machine, and tells how they ended.
type Runs interface {
	// Start starts a run, unless one of its name was started before.
	Start(context.Context, saga.Run) (fresh bool, err error)
	// Ended says whether the run with that name has ended, and what it failed of, "" where it
	// didn't fail.
	Ended(ctx context.Context, name string) (ended bool, failure string, err error)
}

// Alerts tells people. A message may be told twice; its subject names the entry.
type Alerts interface {
	Tell(ctx context.Context, subject, text string) error
}

// The metrics of a run, in the dimension Stack, and the first in Consumer besides.
const (
	MetricOpen     = "OpenDeadLetters"         // open or being redriven
	MetricSpent    = "SpentDeadLetters"        // spent, or waiting for a person
	MetricOldest   = "OldestDeadLetterSeconds" // since the oldest open one was opened, 0 where there is none
	MetricErrors   = "RedriveErrors"           // entries that the run could not see to
	MetricRedrives = "Redrives"                // attempts that the run sent
)

// Limits of one run.
const (
	maxRedrives = 500    // entries that it takes on; the rest waits for the next
	maxCounted  = 10_000 // entries of each status
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
	Failed     int  `json:"failed"`   // the same, and what was refused, or never answered
	Alerted    int  `json:"alerted"`
	Skipped    int  `json:"skipped"`    // somebody else was faster
	Errors     int  `json:"errors"`     // a later run finds them again
	Unfinished bool `json:"unfinished"` // no time was left for some
}

// Run takes on the entries that are due: it claims each, sends its message, and where the answer
// comes at once writes it down. It tells operations of those that are spent or wait for a person.
// Two runs at once do each thing once; a run that is cut off leaves claims behind whose leases end.
//
// What goes wrong with an entry is logged and measured and is no error of the run, which would be a
// dead letter itself. The error says that the table of the entries could not be read.
func (r Redriver) Run(ctx context.Context) (Summary, error) {
	run := &run{Redriver: r}
	taking := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		taking, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	broken := run.take(ctx, taking)
	if err := r.measure(ctx); err != nil {
		broken = errors.Join(broken, err)
	}
	r.Measure(MetricErrors, "", int64(run.summary.Errors))
	r.Measure(MetricRedrives, "", int64(run.summary.Sent+run.summary.Resolved))
	slog.InfoContext(ctx, "redrive done", "summary", run.summary)
	if broken != nil {
		return run.summary, fmt.Errorf("deadletter: redrive: %w", broken)
	}
	return run.summary, nil
}

// run is one run under way.
type run struct {
	Redriver

	mu      sync.Mutex
	summary Summary
}

// take sees to the entries that are due, as long as taking goes on. The error says that they could
// not be found.
func (r *run) take(ctx, taking context.Context) error {
	var group errgroup.Group
	group.SetLimit(workers)
	defer func() { _ = group.Wait() }() // what goes wrong is noted
	taken := 0
	for e, err := range r.Table.Due(taking, r.Clock.Now()) {
		switch {
		case taking.Err() != nil, taken == maxRedrives:
			r.count(func(s *Summary) { s.Unfinished = true })
			return nil
		case errors.Is(err, ErrUnreadable):
			r.failed(ctx, e.ID, err)
			continue
		case err != nil:
			return err
		}
		taken++
		group.Go(func() error {
			if !r.inTime(ctx, e) { // it has waited for its turn
				r.count(func(s *Summary) { s.Unfinished = true })
				return nil
			}
			about := trail.With(ctx, e.trail())
			if err := r.one(about, taking, e.ID); err != nil {
				r.failed(about, e.ID, err)
			}
			return nil
		})
	}
	return nil
}

// inTime says whether an entry can be seen to before the deadline: for a function, as long as that
// may take.
func (r *run) inTime(ctx context.Context, e Entry) bool {
	deadline, ok := ctx.Deadline()
	needs := margin
	if !e.Alert && (e.Kind == KindRecord || e.Kind == KindInvocation) {
		needs += InvokeTimeout
	}
	return !ok || deadline.Sub(r.Clock.Now()) >= needs
}

func (r *run) failed(ctx context.Context, id string, err error) {
	slog.ErrorContext(ctx, "redrive fails", "deadLetterId", id, "error", err.Error())
	r.count(func(s *Summary) { s.Errors++ })
}

func (r *run) count(f func(*Summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.summary)
}

// one does what is due for an entry. What it sends it sends before sending ends.
func (r *run) one(ctx, sending context.Context, id string) error {
	e, err := r.Table.Get(ctx, id)
	if err != nil {
		return err
	}
	trail.Learn(ctx, e.trail())
	now := r.Clock.Now()
	if e.Alert && !e.Next.IsZero() && !e.Next.After(now) {
		return r.alert(ctx, e)
	}
	if e.silent(now) {
		return r.noAnswer(ctx, id, now)
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
	answered, why, err := r.send(sending, e)
	slog.InfoContext(ctx, "dead letter redriven", "deadLetterId", e.ID, "consumer", e.Consumer, "attempt", e.Redrives,
		"send", e.Sends, "answered", answered)
	switch {
	case err != nil:
		return r.notSent(ctx, e, err)
	case !answered:
		r.count(func(s *Summary) { s.Sent++ })
		return nil
	case why != "":
		now := r.Clock.Now()
		return r.settle(ctx, e, func(e Entry) Entry {
			return r.Policy.failed(e, failure{err: why, tries: 1, first: now, last: now}, now)
		})
	}
	r.count(func(s *Summary) { s.Resolved++ })
	_, err = change(
		ctx, r.Table, e.ID,
		func(e Entry) (Entry, bool) { return e.resolved(r.Clock.Now()), e.Status != StatusResolved },
	)
	return err
}

// send sends an entry's message to its consumer. answered says that the consumer has answered, and
// failure what it failed of, "" where it has handled the message; without it the answer comes
// later.
func (r *run) send(ctx context.Context, e Entry) (answered bool, failure string, err error) {
	trace.Link(ctx, e.Traceparent)
	if e.Kind == KindUndo {
		return r.undo(ctx, e)
	}
	m, err := r.Table.Message(ctx, e.ID)
	switch {
	case errors.Is(err, ErrNoEntry):
		return false, "", fmt.Errorf("%w: it is not in the table", ErrRefused)
	case errors.Is(err, ErrUnreadable):
		return false, "", fmt.Errorf("%w: %w", ErrRefused, err)
	case err != nil:
		return false, "", fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	payload := m.Body
	switch e.Kind {
	case KindQueue:
		attributes := map[string]string{AttributeID: e.ID, AttributeAttempt: strconv.Itoa(e.Redrives)}
		if e.TakeOver {
			attributes[AttributeTakeOver] = "true"
		}
		maps.Copy(attributes, withoutOurs(m.Attributes))
		return false, "", r.Queues.Send(ctx, e.Target, Message{Body: m.Body, Attributes: attributes})
	case KindRecord:
		if payload, err = invocation(m.Body); err != nil {
			return false, "", fmt.Errorf("%w: %w", ErrRefused, err)
		}
	case KindInvocation:
	default:
		return false, "", fmt.Errorf("%w: there is no way back for a %s", ErrRefused, e.Kind)
	}
	failure, err = r.Functions.Invoke(ctx, e.Target, payload)
	return err == nil, failure, err
}

func withoutOurs(attributes map[string]string) map[string]string {
	others := maps.Clone(attributes)
	for _, name := range []string{AttributeID, AttributeAttempt, AttributeTakeOver} {
		delete(others, name)
	}
	return others
}

// undo starts the undoing run of the attempt, or asks how it stands. An error of either says
// nothing about the run: it is asked again when the lease has ended.
func (r *run) undo(ctx context.Context, e Entry) (answered bool, failure string, err error) {
	name := undoName(e.ID, e.Redrives)
	input := saga.Input{
		Version: saga.InputVersion, OrderID: e.Target, Mode: saga.ModeUndo, CorrelationID: e.CorrelationID,
		Traceparent: e.Traceparent, Tracestate: e.Tracestate,
	}
	if _, err = r.Runs.Start(ctx, saga.Run{Name: name, Input: input}); err != nil || e.Sends == 1 {
		return false, "", err
	}
	return r.Runs.Ended(ctx, name)
}

// settle writes down what an attempt came to, unless the consumer has answered it in between.
func (r *run) settle(ctx context.Context, e Entry, outcome func(Entry) Entry) error {
	r.count(func(s *Summary) { s.Failed++ })
	_, err := change(ctx, r.Table, e.ID, func(now Entry) (Entry, bool) { return outcome(now), now.answers(e.Redrives) })
	return err
}

// notSent writes down that a message did not get to its consumer. Of one that may have got there
// the lease decides, as of one whose answer is lost.
func (r *run) notSent(ctx context.Context, e Entry, cause error) error {
	now := r.Clock.Now()
	switch {
	case errors.Is(cause, ErrGone):
		const hint = "Its consumer is not there any more. Discard it, or deploy the consumer again and redrive it."
		return r.settle(ctx, e, func(e Entry) Entry { return r.Policy.unanswered(e, cause.Error(), hint, now) })
	case errors.Is(cause, ErrRefused):
		return r.settle(ctx, e, func(e Entry) Entry { return r.Policy.unanswered(e, cause.Error(), "", now) })
	case errors.Is(cause, ErrNotSent):
		_, err := change(ctx, r.Table, e.ID, func(now Entry) (Entry, bool) {
			if !now.answers(e.Redrives) {
				return now, false
			}
			return r.Policy.unsent(now, cause.Error(), r.Clock.Now())
		})
		return errors.Join(cause, err)
	}
	return cause
}

// noAnswer gives up an attempt that was sent as often as one is, and that nobody answered.
func (r *run) noAnswer(ctx context.Context, id string, now time.Time) error {
	r.count(func(s *Summary) { s.Failed++ })
	_, err := change(ctx, r.Table, id, func(e Entry) (Entry, bool) {
		why := fmt.Sprintf(
			"the consumer has not answered: redrive %d was sent %d times, and the last one had until %s", e.Redrives,
			e.Sends, e.Next.UTC().Format(time.RFC3339),
		)
		return r.Policy.unanswered(e, why, "", now), e.silent(now)
	})
	return err
}

// alert tells operations of an entry. It is claimed first, so that of two runs one tells; where one
// dies between telling and writing that down, the next tells again once the claim's lease has
// ended.
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
	_, err := change(
		ctx, r.Table, e.ID, func(now Entry) (Entry, bool) { return now.alerted(), now.Alert && now.Next.Equal(e.Next) },
	)
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
	met := ""
	if e.RedriveError != "" {
		met = "\nThe redrive: " + e.RedriveError
	}
	return "Dead letter " + e.ID, fmt.Sprintf("The dead letter %s, %s, %s.\n\nError: %s%s\nFailures: %d, the first "+
		"%s, the last %s\nCorrelation id: %s\n%s\n"+
		"orderflow deadletters show %s", e.ID, e.what(), why, e.Error, met, e.Failures,
		e.FirstFailure.Format(time.RFC3339), e.LastFailure.Format(time.RFC3339), e.CorrelationID,
		e.Hint, e.ID)
}

// measure counts what stands in the table, the first recorded first, so that the oldest is among
// it. Beyond maxCounted of a status it says at least so many.
func (r Redriver) measure(ctx context.Context) error {
	d, err := depthsOf(ctx, r.Table, maxCounted)
	if err != nil {
		return err
	}
	r.Measure(MetricOpen, "", d.All.Returning)
	for consumer, of := range d.ByConsumer {
		if of.Returning > 0 {
			r.Measure(MetricOpen, consumer, of.Returning)
		}
	}
	r.Measure(MetricSpent, "", d.All.Waiting)
	var age time.Duration
	if oldest := d.All.OldestReturning; !oldest.IsZero() {
		age = max(0, r.Clock.Now().Sub(oldest))
	}
	r.Measure(MetricOldest, "", int64(age/time.Second))
	return nil
}
