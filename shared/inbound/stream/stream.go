// Package stream runs a consumer of the events table's stream in a Lambda function: it turns
// records into commits, tries again what may pass, and keeps one record that can't pass from
// holding up the others.
//
// The function answers nil or an error for a batch as a whole, never a list of failed records: not
// every implementation of the mapping honours such a list, and one that doesn't loses records. So
// the mapping must not have ReportBatchItemFailures.
package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/kit/trace"
	"orderflow/shared/shop/trail"
)

// pace is how the tries at a batch follow each other.
var pace = backoff.Pace{Base: 50 * time.Millisecond, Max: 2 * time.Second, Margin: 250 * time.Millisecond, Tries: 25}

// The time that is kept back, of what an invocation has left at its start, for sending dead
// letters: a fifth, but no more than five seconds.
const (
	reservePart = 5
	reserveMax  = 5 * time.Second
)

// Consumer handles the commits of a batch of stream records. Exactly one of Handle and HandleBatch
// is set. Both must be idempotent, since any commit can come again, and must not count on order: a
// commit is handed on although an earlier one of its stream has failed. An error of theirs can
// never pass where poison.Is says so; any other may pass again.
type Consumer struct {
	Name string // in dead letters and in the log: the function's name

	// Decode reads the commit in a record's new image. What it can't read can never pass.
	Decode func(image map[string]events.DynamoDBAttributeValue) (es.StoredCommit, error)

	// Handle handles one commit.
	Handle func(context.Context, es.StoredCommit) error

	// HandleBatch handles commits together and returns nil, or one result for each. It is called
	// again with those alone that failed.
	HandleBatch func(context.Context, []es.StoredCommit) []error

	// Needs, if it is not nil, reports whether there is anything to do for a commit. One for which
	// there is nothing passes whatever is down, so that it is no sign that the trouble of the
	// others is theirs.
	Needs func(es.StoredCommit) bool

	// Aside is done for each commit that was handled, once nothing of the batch waits any more. It
	// is for what may be lost: a failure of it, or a lack of time, neither repeats the batch nor
	// makes a dead letter. It is logged, and AsideFailed is told. Both are there together, or
	// neither is.
	Aside       func(context.Context, es.StoredCommit) error
	AsideFailed func()

	DeadLetters DeadLetterSender
	Clock       clock.Clock // System where it is nil
}

// item is a record on its way through the consumer.
type item struct {
	record *events.DynamoDBEventRecord
	commit es.StoredCommit
	err    error     // of the last try that came to an end by itself; nil before the first
	tries  int       // that came to an end by themselves, and failed
	first  time.Time // when the first of them did
	done   bool
}

// trail is what the record is about, as far as it can be read.
func (it *item) trail() trail.Trail {
	if it.commit.Stream == "" {
		stream, _ := place(it.record.Change.Keys)
		return trail.OfCommit(es.StoredCommit{Stream: es.StreamID(stream)})
	}
	return trail.OfCommit(it.commit)
}

func (it *item) poison() bool { return it.err != nil && poison.Is(it.err) }

// Batch is what the function is invoked with: records as DynamoDB's stream delivers them, or one
// that is redriven.
type Batch struct {
	events.DynamoDBEvent
	// Redrive says that the record was a dead letter and is sent again (shared/ops/deadletter), by
	// somebody who waits for the answer.
	Redrive bool `json:"redrive,omitempty"`
}

// Run handles a batch; it is the function's handler.
//
// Only inserts are commits: nothing else happens to a table that is append-only. What fails and may
// pass again is tried again until near the deadline. Then: a record that can never pass becomes a
// dead letter; so does one that failed while others passed; where nothing passed for which there
// was anything to do, the trouble is not the record's, and Run returns an error, so that the whole
// batch comes again. It also does if a dead letter can't be sent, or if time ran out before every
// record had a full try.
//
// What is redriven is tried once, and its error is the answer: its dead letter exists.
func (c Consumer) Run(ctx context.Context, batch Batch) error {
	if (c.Handle == nil) == (c.HandleBatch == nil) || (c.Aside == nil) != (c.AsideFailed == nil) ||
		c.DeadLetters == nil {
		return fmt.Errorf(
			"stream: consumer %s has to have one handler and a sender of dead letters, and with work aside somebody "+
				"who hears of its failure",
			c.Name,
		)
	}
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	items := c.read(ctx, batch.DynamoDBEvent)
	ctx, span := begin(ctx, items)
	defer span.Close()
	err := c.run(ctx, batch, items)
	span.End(err)
	return err
}

// begin makes the span of a batch.
func begin(ctx context.Context, items []*item) (context.Context, trace.Span) {
	if len(items) == 0 {
		return ctx, trace.Span{}
	}
	table := tableOf(items[0].record.EventSourceArn)
	ctx, span := trace.Together(ctx, traceparents(items), trace.Consumer, "process", table)
	if span.Recorded() {
		span.Set(trace.ProcessedBatch(trace.SystemStream, table, len(items))...)
		if about := items[0].trail(); len(items) == 1 {
			span.Set(trace.About(about.Subject, about.OrderID, about.CorrelationID)...)
		}
	}
	return ctx, span
}

// traceparents are those of the commits, as far as they can be read.
func traceparents(items []*item) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, it := range items {
			if !yield(it.commit.Metadata.Traceparent) {
				return
			}
		}
	}
}

// tableOf is the name of the table whose stream has that ARN: …:table/NAME/stream/TIME.
func tableOf(arn string) string {
	_, name, _ := strings.Cut(arn, ":table/")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// run handles a batch that is read.
func (c Consumer) run(ctx context.Context, batch Batch, items []*item) error {
	start := c.Clock.Now()
	if batch.Redrive {
		return c.redrive(ctx, items)
	}
	rounds := c.work(ctx, items)

	var done, poisoned, failed, unfinished int
	for _, it := range items {
		switch {
		case it.done:
			done++
		case it.poison():
			poisoned++
		case it.tries > 0:
			failed++
		default:
			unfinished++
		}
	}
	err := c.settle(ctx, items, done, failed, unfinished)
	about, orders := ctx, []string(nil)
	if len(items) == 1 {
		about = trail.With(ctx, items[0].trail())
	} else {
		orders = ordersOf(items)
	}
	attrs := []slog.Attr{
		slog.String("consumer", c.Name), slog.Int("records", len(batch.Records)), slog.Int("commits", len(items)),
		slog.Int("done", done),
		slog.Int("poison", poisoned), slog.Int("failed", failed), slog.Int("unfinished", unfinished),
		slog.Int("rounds", rounds),
		slog.Int64("ms", c.Clock.Now().Sub(start).Milliseconds()),
	}
	if len(orders) > 0 {
		attrs = append(attrs, slog.Any("orderIds", orders))
	}
	if err != nil {
		slog.LogAttrs(
			about, slog.LevelError, "stream batch comes again", append(attrs, slog.String("error", err.Error()))...,
		)
		return err
	}
	slog.LogAttrs(about, slog.LevelInfo, "stream batch done", attrs...)
	c.aside(ctx, items)
	return nil
}

// ordersOf are the orders that a batch is about.
func ordersOf(items []*item) []string {
	seen := map[string]bool{}
	for _, it := range items {
		if id := it.trail().OrderID; id != "" {
			seen[id] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// redrive tries each item once, and fails with the first that does.
func (c Consumer) redrive(ctx context.Context, items []*item) error {
	for _, it := range items {
		ctx := trail.With(ctx, it.trail())
		if !it.poison() {
			c.round(ctx, []*item{it})
		}
		if it.done {
			slog.InfoContext(
				ctx, "redriven record done", "consumer", c.Name, "firstSequence", it.commit.First,
			)
			continue
		}
		err := it.err
		if err == nil {
			err = fmt.Errorf("stream: time ran out: %w", ctx.Err())
		}
		slog.ErrorContext(
			ctx, "redriven record fails", "consumer", c.Name, "firstSequence", it.commit.First, "error", err.Error(),
		)
		return err
	}
	return nil
}

// read decodes the inserts of a batch.
func (c Consumer) read(ctx context.Context, batch events.DynamoDBEvent) []*item {
	items := make([]*item, 0, len(batch.Records))
	for i := range batch.Records {
		record := &batch.Records[i]
		if record.EventName != string(events.DynamoDBOperationTypeInsert) {
			slog.WarnContext(
				ctx, "stream record is no commit", "consumer", c.Name, "event", record.EventName, "sequenceNumber",
				record.Change.SequenceNumber,
			)
			continue
		}
		it := &item{record: record}
		if err := guard(trail.With(ctx, it.trail()), func() (err error) {
			it.commit, err = c.Decode(record.Change.NewImage)
			return err
		}); err != nil {
			it.fail(poison.Mark(err), c.Clock.Now())
		}
		items = append(items, it)
	}
	return items
}

// work tries the items, and again those that may pass, until none is left or time is short. It
// returns the number of rounds.
func (c Consumer) work(ctx context.Context, items []*item) int {
	if deadline, ok := ctx.Deadline(); ok {
		left := deadline.Sub(c.Clock.Now())
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-min(left/reservePart, reserveMax)))
		defer cancel()
	}
	tries := backoff.New(pace, c.Clock)
	for {
		var open []*item
		for _, it := range items {
			if !it.done && !it.poison() {
				open = append(open, it)
			}
		}
		if len(open) == 0 {
			return tries.Tried() - 1
		}
		if c.round(ctx, open); !anyOpen(open) || !tries.Again(ctx) {
			return tries.Tried()
		}
	}
}

func anyOpen(items []*item) bool {
	for _, it := range items {
		if !it.done && !it.poison() {
			return true
		}
	}
	return false
}

// round tries each of the items once.
func (c Consumer) round(ctx context.Context, items []*item) {
	if c.Handle != nil {
		for _, it := range items {
			if ctx.Err() != nil {
				return
			}
			ctx := trail.With(ctx, it.trail())
			c.result(ctx, it, guard(ctx, func() error { return c.Handle(ctx, it.commit) }))
		}
		return
	}
	commits := make([]es.StoredCommit, len(items))
	for i, it := range items {
		commits[i] = it.commit
	}
	var results []error
	if len(items) == 1 {
		ctx = trail.With(ctx, items[0].trail())
	}
	err := guard(ctx, func() error { results = c.HandleBatch(ctx, commits); return nil })
	switch {
	case errors.Is(err, errPanic) && len(items) > 1:
		// One of them breaks the handler: alone, each shows whether it is the one.
		for i := range items {
			if ctx.Err() == nil {
				c.round(ctx, items[i:i+1])
			}
		}
		return
	case err == nil && results != nil && len(results) != len(items):
		err = fmt.Errorf("stream: %d results for %d commits", len(results), len(items))
	}
	for i, it := range items {
		if err == nil && results != nil {
			c.result(ctx, it, results[i])
		} else {
			c.result(ctx, it, err)
		}
	}
}

// result notes what a try came to. A try that the deadline cut off says nothing about the record.
func (c Consumer) result(ctx context.Context, it *item, err error) {
	switch {
	case err == nil:
		it.done = true
	case ctx.Err() != nil && !poison.Is(err):
	default:
		it.fail(err, c.Clock.Now())
	}
}

// fail notes a try that failed.
func (it *item) fail(err error, at time.Time) {
	if it.tries++; it.tries == 1 {
		it.first = at
	}
	it.err = err
}

// settle decides what becomes of the items that are not done.
func (c Consumer) settle(ctx context.Context, items []*item, done, failed, unfinished int) error {
	healthy := slices.ContainsFunc(
		items, func(it *item) bool { return it.done && (c.Needs == nil || c.Needs(it.commit)) },
	)
	if unfinished > 0 || failed > 0 && !healthy {
		return c.again(items, done)
	}
	for _, it := range items {
		if it.done {
			continue
		}
		letter := newDeadLetter(c.Name, it, c.Clock.Now())
		ctx := trail.With(ctx, it.trail())
		slog.ErrorContext(ctx, "stream record becomes a dead letter", "consumer", c.Name,
			"firstSequence", letter.FirstSequence,
			"sequenceNumber", letter.SequenceNumber, "poison", letter.Poison, "error", letter.Error)
		if err := c.DeadLetters.Send(ctx, letter); err != nil {
			return fmt.Errorf(
				"stream: consumer %s: dead letter of %s@%d: %w", c.Name, letter.Stream, letter.FirstSequence, err,
			)
		}
	}
	return nil
}

// again is the error with which a batch comes again.
func (c Consumer) again(items []*item, done int) error {
	err := errors.New("time ran out")
	for _, it := range items {
		if !it.done && it.err != nil && !it.poison() {
			err = it.err
			break
		}
	}
	return fmt.Errorf("stream: consumer %s: %d of %d commits passed: %w", c.Name, done, len(items), err)
}

// errPanic marks a panic that guard caught. What breaks the program once breaks it each time, so it
// is poison, and the process stays fit for the other records.
var errPanic = errors.New("panic")

// guard runs f and turns a panic into an error.
func guard(ctx context.Context, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.ErrorContext(ctx, "stream handler panics", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = poison.Mark(fmt.Errorf("%w: %v", errPanic, r))
		}
	}()
	return f()
}
