// Package queue takes messages from an SQS queue in a Lambda function. Its mapping must have
// ReportBatchItemFailures.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/poison"
	"orderflow/shared/kit/trace"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/shop/trail"
)

// reserve is kept back from the messages, so that the answer for the whole batch still gets out. A
// function that times out answers nothing, and then the messages that are done come again too.
const reserve = 500 * time.Millisecond

// minShare is what a message should have at least: time for a call or two on a new connection, and
// for a conflict to be tried again.
const minShare = 1500 * time.Millisecond

// MaxBatch is the largest BatchSize that the mapping of a function with that timeout may have. With
// more, a message's share of the time is too small to be a fair try, and each unfair one brings it
// nearer to the dead letters.
func MaxBatch(timeout time.Duration) int { return max(1, int((timeout-reserve)/minShare)) }

// noteTime is kept back of a message's share, so that a try that failed can be noted.
const noteTime = 400 * time.Millisecond

// errNoTime is why a message was not begun.
var errNoTime = errors.New("queue: no time is left to begin")

// Message is one message as it was received.
type Message struct {
	ID           string
	Body         []byte
	ReceiveCount int // how often the queue has handed it out, this time included; 0 where the queue did not say
	// Attributes are those that the sender gave it, of type String, Number, or a kind of these, as
	// texts. What EventBridge delivers has none.
	Attributes map[string]string
	QueueARN   string
	Sent       time.Time // first, zero where the queue did not say

	about       *trail.Trail // as the sender has it; nil where nobody has read it yet
	sourceARN   string       // the queue that SQS moved it from
	traceparent string       // of the span that is about the message; "" where none is recorded
}

// The attributes that carry W3C Trace Context where the body has no place for it.
const (
	traceparent = "traceparent"
	tracestate  = "tracestate"
)

// Trail is what the message is about, as far as it says.
func (m Message) Trail() trail.Trail {
	if m.about == nil {
		m.about = m.read()
	}
	of := *m.about
	of.Traceparent = cmp.Or(m.traceparent, of.Traceparent) // the span's is of the same trace
	return of
}

// read reads what the message is about. It parses the body, so each message is read once.
func (m Message) read() *trail.Trail {
	of := trail.OfMessage(m.Body)
	if of.Traceparent == "" {
		of.Traceparent, of.Tracestate = m.Attributes[traceparent], trace.State(m.Attributes[tracestate])
	}
	return &of
}

// begin makes the span of a message, which is what follows from it then.
func (m *Message) begin(ctx context.Context, queue string, about trail.Trail) (context.Context, trace.Span) {
	ctx, span := trace.Continue(ctx, about.Traceparent, trace.Consumer, "process", queue)
	if span.Recorded() {
		m.traceparent = span.Context().String()
		span.Set(trace.Processed(trace.SystemSQS, queue, m.ID)...)
		span.Set(trace.About(about.Subject, about.OrderID, about.CorrelationID)...)
	}
	return ctx, span
}

// TakeOver is the id of a person's permit, "" for none: they looked into an effect of which nobody
// knows whether it happened, let the message be redriven, and want the effect though it may happen
// twice. It names the dead letter and the redrive, "<dead-letter-id>/<redrive-attempt>", so that it
// is the same in each copy and at each receive of what that redrive sent, and another one the next
// time that a person permits it.
func (m Message) TakeOver() string {
	id, attempt := m.Attributes[deadletter.AttributeID], m.Attributes[deadletter.AttributeAttempt]
	if m.Attributes[deadletter.AttributeTakeOver] != "true" || id == "" || attempt == "" {
		return ""
	}
	return id + "/" + attempt
}

// Journal is told of tries, for the dead letters: deadletter.Journal is one.
type Journal interface {
	// Failed notes a try that failed at a message. Why is lost otherwise: SQS moves the message
	// alone. After the last one that the message has it is a dead letter: over says that the queue
	// is done with it.
	Failed(context.Context, deadletter.Note, deadletter.Letter) (over bool, err error)
	// Succeeded closes the entry of the dead letter of that queue that was handled now.
	Succeeded(ctx context.Context, deadLetterID, queueARN string) error
}

// Handler makes a function's handler for awsenv.Start of a handler for one message. The messages of
// a batch are taken one after the other. One whose handler returns an error or panics comes again,
// and is a dead letter after its third failure (deadletter.Tries), which the journal counts; the
// others of the batch are done. What makes the function crash or run out of time fails uncounted,
// and ends by the queue's maxReceiveCount.
//
// Every message that is received counts as received, so each is tried. Its context ends with its
// share of the time: what is left until half a second ahead of the function's deadline, divided by
// the messages that are not done yet. What one leaves over is for those behind it, and one that
// uses its share up takes nothing from them. The mapping's BatchSize must be no larger than
// MaxBatch of the function's timeout. Only a handler that goes on after its context has ended can
// keep others from being begun. Each message logs one line. Its context says what the message is
// about (Message.Trail).
//
// The journal is told of each try that failed, as far as the message's share allows: what it can't
// note is logged and nothing more. A message that was redriven is done only when the journal knows
// of it; else it comes again, as after a crash right behind the effect. A consumer of dead letters
// themselves has none (nil).
func Handler(
	handle func(context.Context, Message) error, journal Journal,
) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		// Never nil: an answer of null is read by some as a failure of the whole batch.
		failures := []events.SQSBatchItemFailure{}
		for i := range batch.Records {
			if take(ctx, &batch.Records[i], len(batch.Records)-i, handle, journal) {
				failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: batch.Records[i].MessageId})
			}
		}
		return events.SQSEventResponse{BatchItemFailures: failures}, nil
	}
}

// take runs handle on one message, the first of those that are open, logs what came of it, and says
// whether the message must come again.
func take(
	ctx context.Context, record *events.SQSMessage, open int, handle func(context.Context, Message) error,
	journal Journal,
) (again bool) {
	start, m := time.Now(), messageOf(record)
	about := m.Trail()
	ctx, span := m.begin(trail.With(ctx, about), queueName(record), about)
	own, share := ctx, ctx // what the message has, and what of it is the handler's
	if deadline, ok := ctx.Deadline(); ok {
		end := start.Add(deadline.Add(-reserve).Sub(start) / time.Duration(open))
		var cancelOwn, cancelShare context.CancelFunc
		own, cancelOwn = context.WithDeadline(ctx, end)
		defer cancelOwn()
		share = own
		if journal != nil {
			share, cancelShare = context.WithDeadline(own, end.Add(-min(noteTime, end.Sub(start)/2)))
			defer cancelShare()
		}
	}
	err := errNoTime
	if share.Err() == nil {
		err = guard(func() error { return handle(share, m) })
	}
	over := false
	if journal != nil {
		over, err = tell(own, record, m, journal, err)
	}
	report(ctx, record, m, time.Since(start), err)
	span.End(err)
	return err != nil && !over
}

func messageOf(record *events.SQSMessage) Message {
	m := Message{
		ID: record.MessageId, Body: []byte(record.Body), Attributes: map[string]string{},
		QueueARN:  record.EventSourceARN,
		sourceARN: record.Attributes["DeadLetterQueueSourceArn"],
	}
	if ms, err := strconv.ParseInt(record.Attributes["SentTimestamp"], 10, 64); err == nil {
		m.Sent = time.UnixMilli(ms).UTC()
	}
	for name, value := range record.MessageAttributes {
		if value.StringValue != nil {
			m.Attributes[name] = *value.StringValue
		}
	}
	if n, err := strconv.Atoi(record.Attributes["ApproximateReceiveCount"]); err == nil {
		m.ReceiveCount = n
	}
	m.about = m.read()
	return m
}

// report logs what came of a message.
func report(ctx context.Context, record *events.SQSMessage, m Message, took time.Duration, err error) {
	attrs := []slog.Attr{
		slog.String("queue", queueName(record)),
		slog.String("messageId", m.ID), slog.Int("receiveCount", m.ReceiveCount), slog.Int64("ms", took.Milliseconds()),
	}
	if err == nil {
		slog.LogAttrs(ctx, slog.LevelInfo, "message done", attrs...)
		return
	}
	attrs = append(attrs, slog.String("error", err.Error()))
	if fault, ok := faults.As(err); ok {
		attrs = append(attrs, slog.String("code", fault.Code))
	}
	var p *panicError
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	slog.LogAttrs(ctx, slog.LevelError, "message failed", attrs...)
}

func queueName(record *events.SQSMessage) string {
	return record.EventSourceARN[strings.LastIndexByte(record.EventSourceARN, ':')+1:]
}

// errNotClosed says of a message that was redriven that it is handled, and nobody knows.
var errNotClosed = errors.New("queue: the message is handled, and its dead letter not closed")

// closeEntry closes the entry of a message that was redriven and is handled.
func closeEntry(ctx context.Context, m Message, journal Journal) error {
	id := m.Attributes[deadletter.AttributeID]
	if id == "" {
		return nil
	}
	if err := guard(func() error { return journal.Succeeded(ctx, id, m.QueueARN) }); err != nil {
		return fmt.Errorf("%w: %w", errNotClosed, err)
	}
	return nil
}

// tell tells the journal of a try, and gives what the try came to by that, and whether the message
// is a dead letter now.
func tell(
	ctx context.Context, record *events.SQSMessage, m Message, journal Journal, err error,
) (over bool, _ error) {
	if err == nil {
		err = closeEntry(ctx, m, journal)
	}
	if err == nil {
		return false, nil
	}
	note := deadletter.Note{
		Queue: queueName(record), MessageID: m.ID, Error: err.Error(), Held: poison.IsHeld(err),
	}
	if fault, ok := faults.As(err); ok {
		note.Code = fault.Code
	}
	if failed := guard(func() (failed error) {
		over, failed = journal.Failed(ctx, note, m.Letter())
		return failed
	}); failed != nil {
		slog.WarnContext(ctx, "failure not noted", "messageId", m.ID, "error", failed.Error())
	}
	return over, err
}

// panicError is a panic of a handler.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("queue: the handler panics: %v", p.value) }

// guard runs f and turns a panic into an error: a crash would take the whole batch with it, also
// what is done.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{value: r, stack: debug.Stack()}
		}
	}()
	return f()
}
