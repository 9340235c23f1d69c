package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/deadletter/deadlettertest"
)

const (
	workQueue    = "arn:aws:sqs:us-east-1:123456789012:s-work"
	lettersQueue = "arn:aws:sqs:us-east-1:123456789012:s-dead-letters"
)

// line is a queue with a mapping as AWS has them: each receive counts, whatever becomes of the
// invocation, and what was received too often moves to the dead letters.
type line struct {
	t        *testing.T
	table    deadlettertest.Memory
	messages []events.SQSMessage
	receives map[string]int
	runs     map[string]int // of the handler, by body
	moved    []string       // by the queue itself
	down     error          // why nothing can be moved by the consumer
}

func newLine(t *testing.T, bodies ...string) *line {
	l := &line{t: t, receives: map[string]int{}, runs: map[string]int{}}
	for _, body := range bodies {
		l.messages = append(l.messages, events.SQSMessage{
			MessageId: "m-" + body, Body: body, EventSourceARN: workQueue, Attributes: map[string]string{},
		})
	}
	return l
}

func (l *line) clock() clock.Clock {
	return clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
}

var redriving = deadletter.Policy{MinAge: 5 * time.Minute, MaxRedrives: 3, Spacing: 2}

// What becomes of an invocation, where it is not what the handler says.
var (
	errThrottled = errors.New("the function never ran")
	errCrashed   = errors.New("the function crashed once it had run")
)

// receive hands all messages out once, to a function that fails by its handler or as a whole.
func (l *line) receive(whole error, handle func(body string) error) {
	l.t.Helper()
	var batch events.SQSEvent
	for _, m := range l.messages {
		if l.receives[m.Body]++; l.receives[m.Body] > deadletter.MaxReceives {
			l.moved = append(l.moved, m.Body)
			recorder := deadletter.Recorder{Table: &l.table, Clock: l.clock(), Policy: redriving, Stack: "s"}
			if err := recorder.Record(l.t.Context(), deadletter.Letter{
				QueueARN: lettersQueue, MessageID: m.MessageId, Body: []byte(m.Body), SourceARN: workQueue,
			}); err != nil {
				l.t.Fatal(err)
			}
			continue
		}
		m.Attributes["ApproximateReceiveCount"] = fmt.Sprint(l.receives[m.Body])
		batch.Records = append(batch.Records, m)
	}
	l.messages = batch.Records
	if errors.Is(whole, errThrottled) || len(batch.Records) == 0 {
		return
	}
	work := queue.Handler(func(_ context.Context, m queue.Message) error {
		l.runs[string(m.Body)]++
		if errors.Is(whole, errCrashed) {
			return nil
		}
		return handle(string(m.Body))
	}, deadletter.Journal{Table: &l.table, Clock: l.clock(), DeadLetters: l})
	got, err := work(l.t.Context(), batch)
	if err != nil {
		l.t.Fatal(err)
	}
	if errors.Is(whole, errCrashed) {
		return // nobody gets the answer
	}
	l.messages = slices.DeleteFunc(l.messages, func(m events.SQSMessage) bool {
		return !slices.Contains(failed(got), m.MessageId)
	})
}

// Move implements deadletter.Mover: the letter is recorded at once, as a message of another id.
func (l *line) Move(ctx context.Context, letter deadletter.Letter) error {
	if l.down != nil {
		return l.down
	}
	return deadletter.Recorder{Table: &l.table, Clock: l.clock(), Policy: redriving, Stack: "s"}.Record(
		ctx, deadletter.Letter{
			QueueARN: lettersQueue, MessageID: "moved", Body: letter.Body,
			Attributes: map[string]string{deadletter.AttributeMoved: letter.Moved()},
		},
	)
}

// entries are the dead letters, by consumer, failures and error.
func (l *line) entries() (found []string) {
	l.t.Helper()
	page, err := l.table.List(l.t.Context(), deadletter.Query{Limit: 10})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, e := range page.Entries {
		found = append(found, fmt.Sprintf("%s %d %s", e.Consumer, e.Failures, e.Error))
	}
	return found
}

func (l *line) want(left, moved int, entries ...string) {
	l.t.Helper()
	if got := l.entries(); len(l.messages) != left || len(l.moved) != moved || !slices.Equal(got, entries) {
		l.t.Errorf("%d messages are left, %q moved, entries %q; want %d, %d, %q", len(l.messages), l.moved, got, left,
			moved, entries)
	}
}

// However often a message was handed out to nobody, its consumer has three tries.
func TestThrottlesAreNoTries(t *testing.T) {
	captureLog(t)
	no := func(string) error { return errors.New("no") }
	l := newLine(t, "a")
	for range 20 {
		l.receive(errThrottled, nil)
	}
	for range deadletter.Tries - 1 {
		l.receive(nil, no)
		l.receive(errThrottled, nil)
	}
	l.want(1, 0)
	l.receive(nil, no)
	l.want(0, 0, "work 3 no")
	if l.runs["a"] != deadletter.Tries {
		t.Errorf("the consumer ran %d times", l.runs["a"])
	}
}

// One that passes in its last try is no dead letter, and leaves none behind.
func TestLastTryPasses(t *testing.T) {
	captureLog(t)
	l := newLine(t, "a")
	for range deadletter.Tries - 1 {
		l.receive(nil, func(string) error { return errors.New("no") })
	}
	l.receive(nil, func(string) error { return nil })
	l.want(0, 0)
}

// A message that is poison ends after its tries, and takes nothing from those beside and behind it.
func TestPoisonBlocksNobody(t *testing.T) {
	captureLog(t)
	poison := func(body string) error {
		if body == "poison" {
			panic("a mistake")
		}
		return nil
	}
	l := newLine(t, "a", "poison", "b")
	l.receive(nil, poison)
	l.want(1, 0)
	for range deadletter.Tries - 1 {
		l.receive(errThrottled, nil)
		l.receive(nil, poison)
	}
	l.want(0, 0, "work 3 queue: the handler panics: a mistake")
	if l.runs["a"] != 1 || l.runs["b"] != 1 || l.runs["poison"] != 3 {
		t.Errorf("runs: %v", l.runs)
	}
}

// What makes the function crash, and what is never run at all, ends by the queue: the entry says
// that nobody knows why.
func TestQueueIsTheBackstop(t *testing.T) {
	captureLog(t)
	for name, whole := range map[string]error{"crashes": errCrashed, "never runs": errThrottled} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, "a")
			for range deadletter.MaxReceives {
				l.receive(whole, nil)
			}
			l.want(1, 0)
			l.receive(whole, nil)
			if l.want(0, 1, l.entries()...); len(l.entries()) != 1 ||
				!strings.HasPrefix(l.entries()[0], "work 1 no error was noted: ") {
				t.Errorf("%q", l.entries())
			}
		})
	}
}

// While nothing can be moved to the dead letters, a message that fails comes again: it is not lost,
// and has a try more.
func TestFailureThatIsNotMoved(t *testing.T) {
	captureLog(t)
	l := newLine(t, "a")
	no := func(string) error { return errors.New("no") }
	for range deadletter.Tries - 1 {
		l.receive(nil, no)
	}
	l.down = errors.New("down")
	l.receive(nil, no)
	l.want(1, 0)
	l.down = nil
	l.receive(nil, no)
	l.want(0, 0, "work 4 no")
}

// A consumer that moves a message and dies before its queue knows of it moves it again, and SQS
// moves it in the end: it is one dead letter.
func TestMovedTwice(t *testing.T) {
	captureLog(t)
	l := newLine(t, "a")
	no := func(string) error { return errors.New("no") }
	for range deadletter.Tries - 1 {
		l.receive(nil, no)
	}
	again := slices.Clone(l.messages)
	l.receive(nil, no)
	l.messages = slices.Clone(again)
	l.receive(nil, no)
	l.messages = again
	for len(l.messages) > 0 {
		l.receive(errThrottled, nil)
	}
	l.want(0, 1, "work 3 no")
}
