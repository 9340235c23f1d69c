package deadletter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/clock"
	"orderflow/shared/deadletter"
	"orderflow/shared/deadletter/deadlettertest"
	"orderflow/shared/es"
	"orderflow/shared/ident"
	"orderflow/shared/saga"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	queueARN    = "arn:aws:sqs:us-east-1:123456789012:s-start-saga"
	functionARN = "arn:aws:lambda:us-east-1:123456789012:function:s-"
	event       = `{"detail-type":"order.placed","detail":{"id":"order/o1@1","correlationid":"c1"}}`
)

var policy = deadletter.Policy{MinAge: 5 * time.Minute, MaxRedrives: 3, Spacing: 2}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

var errCrash = errors.New("the process ends here")

// plant is a stack around the dead letters of one queue: its messages, its consumer, whose effect is idempotent, and the redrive.
type plant struct {
	t      interface{ Fatalf(string, ...any) }
	table  deadlettertest.Memory
	clock  *clock.Fake
	queue  []queued
	effect map[string]int // times that a message's effect happened, by its body
	done   map[string]bool
	poison bool
	gone   bool
	invoke error // what a function answers
	runs   map[string]string
	told   []string
	values map[string]int64
	sent   int

	crashAt, calls int // the call that crashes, half of them after they took effect; 0 for none
}

type queued struct {
	id         string
	body       string
	attributes map[string]string
	receives   int
}

func newPlant(t interface{ Fatalf(string, ...any) }) *plant {
	p := &plant{t: t, clock: clock.NewFake(start), effect: map[string]int{}, done: map[string]bool{}, runs: map[string]string{}, values: map[string]int64{}}
	p.table.Fail = func(string) (error, error) { return p.point() }
	return p
}

// point is a place at which the process may end: before what is done there, or right after it.
func (p *plant) point() (before, after error) {
	p.calls++
	switch p.crashAt {
	case 2*p.calls - 1:
		return errCrash, nil
	case 2 * p.calls:
		return nil, errCrash
	}
	return nil, nil
}

func (p *plant) at(f func() error) error {
	before, after := p.point()
	if before != nil {
		return before
	}
	if err := f(); err != nil {
		return err
	}
	return after
}

// Send implements deadletter.Queues.
func (p *plant) Send(_ context.Context, arn string, m deadletter.Message) error {
	return p.at(func() error {
		if p.gone {
			return fmt.Errorf("%w: %s", deadletter.ErrGone, arn)
		}
		if arn != queueARN {
			p.t.Fatalf("sent to %s", arn)
		}
		p.sent++
		p.queue = append(p.queue, queued{id: fmt.Sprintf("m%d", p.sent), body: string(m.Body), attributes: maps.Clone(m.Attributes)})
		return nil
	})
}

// Invoke implements deadletter.Functions.
func (p *plant) Invoke(_ context.Context, _ string, payload []byte) error {
	return p.at(func() error {
		if p.invoke == nil {
			p.effect[string(payload)]++
		}
		return p.invoke
	})
}

// Start implements deadletter.Runs.
func (p *plant) Start(_ context.Context, run saga.Run) (bool, error) {
	if err := run.Validate(); err != nil {
		return false, err
	}
	if run.Input.CorrelationID != "c3" {
		return false, fmt.Errorf("%s is said to belong to %q", run.Name, run.Input.CorrelationID)
	}
	return true, p.at(func() error {
		if _, ok := p.runs[run.Name]; !ok {
			p.runs[run.Name] = "running"
		}
		return nil
	})
}

// Ended implements deadletter.Runs.
func (p *plant) Ended(_ context.Context, name string) (bool, string, error) {
	state := p.runs[name]
	return state != "running", strings.TrimPrefix(state, "succeeded"), nil
}

// Tell implements deadletter.Alerts.
func (p *plant) Tell(_ context.Context, subject, text string) error {
	return p.at(func() error {
		p.told = append(p.told, subject+"\n"+text)
		return nil
	})
}

func (p *plant) redrive() (deadletter.Summary, error) {
	return deadletter.Redriver{
		Table: &p.table, Queues: p, Functions: p, Runs: p, Alerts: p, Clock: p.clock, Policy: policy,
		Measure: func(metric, consumer string, value int64) { p.values[metric+" "+consumer] = value },
	}.Run(context.Background())
}

func (p *plant) record(l deadletter.Letter) error {
	return deadletter.Recorder{Table: &p.table, Clock: p.clock, Policy: policy, Stack: "s"}.Record(context.Background(), l)
}

// consume lets the consumer try each message in the queue once. What has failed three times goes to the recorder, as often as that fails.
func (p *plant) consume() {
	journal := deadletter.Journal{Table: &p.table, Clock: p.clock}
	taken := p.queue
	p.queue = nil
	for _, m := range taken {
		m.receives++
		err := p.at(func() error {
			if p.poison {
				return errors.New("no such table")
			}
			if !p.done[m.body] { // the consumer's own condition
				p.done[m.body] = true
				p.effect[m.body]++
			}
			return nil
		})
		if id := m.attributes[deadletter.AttributeID]; err == nil && id != "" {
			err = journal.Succeeded(context.Background(), id)
		}
		if err == nil {
			continue
		}
		_ = journal.Failed(context.Background(), deadletter.Note{Queue: "s-start-saga", MessageID: m.id, Error: err.Error(), Receives: m.receives})
		if m.receives < 3 {
			p.queue = append(p.queue, m)
			continue
		}
		l := deadletter.Letter{QueueARN: queueARN + "-dlq", MessageID: m.id, Body: []byte(m.body), Attributes: m.attributes, SourceARN: queueARN, Sent: p.clock.Now()}
		for try := 0; p.record(l) != nil; try++ {
			if try == 5 {
				p.t.Fatalf("the letter can't be recorded")
			}
		}
	}
}

// fail puts the message through the queue until it is a dead letter, and gives its entry.
func (p *plant) fail() deadletter.Entry {
	p.queue = append(p.queue, queued{id: "m0", body: event})
	for len(p.queue) > 0 {
		p.consume()
	}
	return p.only()
}

// only is the one entry that there is.
func (p *plant) only() deadletter.Entry {
	crashAt, calls := p.crashAt, p.calls
	p.crashAt = 0
	defer func() { p.crashAt, p.calls = crashAt, calls }()
	page, err := p.table.List(context.Background(), deadletter.Query{Limit: 10})
	if err != nil || len(page.Entries) != 1 {
		p.t.Fatalf("%d entries, %v", len(page.Entries), err)
	}
	return page.Entries[0]
}

// goOn lets the stack work for a while.
func (p *plant) goOn() {
	for range 60 {
		_, _ = p.redrive() // what it says of crashes is not the matter here
		for range 4 {
			p.consume()
		}
		p.clock.Advance(5 * time.Minute)
		if e := p.only(); len(p.queue) == 0 && e.Next.IsZero() {
			break
		}
	}
	_, _ = p.redrive()
}

// A message fails three times, its entry has the error that the consumer met, it is not redriven before its time, and is resolved by its consumer's success.
func TestMended(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	if e.Status != deadletter.StatusOpen || e.Error != "no such table" || e.Failures != 3 || e.Consumer != "start-saga" || e.Topic != "order.placed" || e.CorrelationID != "c1" ||
		e.Kind != deadletter.KindQueue || e.Target != queueARN || !e.FirstFailure.Equal(start) || !e.Next.Equal(start.Add(5*time.Minute)) {
		t.Fatalf("recorded %+v", e)
	}
	p.poison = false
	p.clock.Advance(5*time.Minute - 1)
	if s, err := p.redrive(); err != nil || s != (deadletter.Summary{}) {
		t.Errorf("before its time: %+v, %v", s, err)
	}
	p.clock.Advance(1)
	if s, err := p.redrive(); err != nil || s != (deadletter.Summary{Sent: 1}) {
		t.Errorf("%+v, %v", s, err)
	}
	if e := p.only(); e.Status != deadletter.StatusRedriving || e.Redrives != 1 || p.queue[0].attributes["dead-letter-id"] != e.ID || p.queue[0].attributes["redrive-attempt"] != "1" {
		t.Errorf("%+v, sent %+v", e, p.queue)
	}
	if s, err := p.redrive(); err != nil || s != (deadletter.Summary{}) {
		t.Errorf("a second time: %+v, %v", s, err)
	}
	if p.values["OpenDeadLetters "] != 1 || p.values["OpenDeadLetters start-saga"] != 1 || p.values["SpentDeadLetters "] != 0 || p.values["OldestDeadLetterSeconds "] != 300 {
		t.Errorf("measured %v", p.values)
	}
	p.consume()
	if e := p.only(); e.Status != deadletter.StatusResolved || p.effect[event] != 1 || !e.Next.IsZero() || !e.Closed.Equal(p.clock.Now()) {
		t.Errorf("%+v, effects %v", e, p.effect)
	}
}

// What fails each time is redriven three times, each wait twice as long as the one before, and is spent then: operations is told once, and a person can go on.
func TestSpent(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	for attempt, wait := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute} {
		if e.Status != deadletter.StatusOpen || e.Next.Sub(p.clock.Now()) != wait || e.Redrives != attempt {
			t.Fatalf("before redrive %d: %+v", attempt+1, e)
		}
		p.clock.Advance(wait)
		if s, err := p.redrive(); err != nil || s.Sent != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		for range 3 {
			p.consume()
		}
		e = p.only()
	}
	if e.Status != deadletter.StatusSpent || e.Failures != 12 || e.Redrives != 3 || !e.FirstFailure.Equal(start) {
		t.Fatalf("%+v", e)
	}
	p.goOn()
	if len(p.told) != 1 || !strings.Contains(p.told[0], e.ID) || !strings.Contains(p.told[0], "no such table") || p.only().Status != deadletter.StatusSpent ||
		p.values["SpentDeadLetters "] != 1 || p.values["OpenDeadLetters "] != 0 {
		t.Errorf("told %q, %+v, measured %v", p.told, p.only(), p.values)
	}
	p.poison = false
	desk := deadletter.Desk{Table: &p.table, Clock: p.clock}
	if _, err := desk.Redrive(t.Context(), e.ID, deadletter.Order{Request: es.Request{CommitID: "r"}}); err != nil {
		t.Fatal(err)
	}
	p.goOn()
	if e := p.only(); e.Status != deadletter.StatusResolved || e.Redrives != 4 || p.effect[event] != 1 || len(p.told) != 1 {
		t.Errorf("%+v, effects %v, told %q", e, p.effect, p.told)
	}
}

// Wherever the process ends, in the redrive, the consumer, the journal or the recorder, before or right after anything that it does: the effect happens once, and the
// entry is resolved; one that stays poisoned is spent, and operations is told, a second time only where the process ended between telling and writing that down.
func TestEndsAnywhere(t *testing.T) {
	for _, poisoned := range []bool{false, true} {
		points := 0
		for crashAt := 0; crashAt <= 2*points; crashAt++ {
			p := newPlant(t)
			p.poison = true
			e := p.fail()
			p.poison = poisoned
			p.clock.Advance(policy.MinAge)
			p.calls, p.crashAt = 0, crashAt
			p.goOn()
			if crashAt == 0 {
				points = min(p.calls, 150)
			}
			got := p.only()
			switch {
			case got.ID != e.ID, len(p.queue) != 0:
				t.Fatalf("crash at %d: another entry, or %d messages are left", crashAt, len(p.queue))
			case !poisoned && (got.Status != deadletter.StatusResolved || p.effect[event] != 1 || len(p.told) != 0):
				t.Fatalf("crash at %d: %s, %d effects, told %q: %+v", crashAt, got.Status, p.effect[event], p.told, got)
			case poisoned && (got.Status != deadletter.StatusSpent || got.Redrives != 3 || len(p.told) < 1 || len(p.told) > 2 || p.effect[event] != 0):
				t.Fatalf("crash at %d: %s after %d redrives, told %d times", crashAt, got.Status, got.Redrives, len(p.told))
			}
		}
		if points < 12 {
			t.Fatalf("only %d points were met", points)
		}
	}
}

// The same with any number of crashes at any points. So many may use all redrives up; then it is a person's.
func TestEndsOften(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlant(t)
		p.poison = true
		p.fail()
		p.poison = false
		p.clock.Advance(policy.MinAge)
		for _, next := range rapid.SliceOfN(rapid.IntRange(1, 40), 0, 12).Draw(t, "crashes") {
			p.calls, p.crashAt = 0, next
			_, _ = p.redrive()
			if rapid.Bool().Draw(t, "consumes") {
				p.consume()
			}
			p.clock.Advance(time.Duration(rapid.IntRange(0, 60).Draw(t, "minutes")) * time.Minute)
		}
		p.crashAt = 0
		p.goOn()
		if e := p.only(); e.Status == deadletter.StatusSpent {
			if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(context.Background(), e.ID, deadletter.Order{}); err != nil {
				t.Fatal(err)
			}
			p.goOn()
		}
		if e := p.only(); e.Status != deadletter.StatusResolved || p.effect[event] != 1 {
			t.Fatalf("%s, %d effects: %+v", e.Status, p.effect[event], e)
		}
	})
}

// A consumer that is not there any more is found out at once, and operations is told; when it is back, a person can redrive.
func TestGone(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	p.gone, p.poison = true, false
	p.clock.Advance(policy.MinAge)
	p.goOn()
	got := p.only()
	if got.Status != deadletter.StatusSpent || got.Redrives != 1 || !strings.Contains(got.Error, "no longer exists") || got.Hint == "" || len(p.told) != 1 {
		t.Fatalf("%+v, told %q", got, p.told)
	}
	p.gone = false
	if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(t.Context(), e.ID, deadletter.Order{}); err != nil {
		t.Fatal(err)
	}
	p.goOn()
	if got := p.only(); got.Status != deadletter.StatusResolved || p.effect[event] != 1 {
		t.Errorf("%+v", got)
	}
}

// An effect of which nobody knows whether it happened waits for a person, who is told; the message then says that they accept a second one.
func TestHeld(t *testing.T) {
	p := newPlant(t)
	if err := p.table.Note(t.Context(), deadletter.Note{Queue: "s-start-saga", MessageID: "m", Error: "unknown", Held: true, Receives: 3, First: start, Last: start}); err != nil {
		t.Fatal(err)
	}
	if err := p.record(deadletter.Letter{QueueARN: queueARN + "-dlq", MessageID: "m", Body: []byte(event)}); err != nil {
		t.Fatal(err)
	}
	p.goOn()
	e := p.only()
	if e.Status != deadletter.StatusOpen || !e.Held || e.Redrives != 0 || len(p.told) != 1 || p.values["SpentDeadLetters "] != 1 {
		t.Fatalf("%+v, told %q", e, p.told)
	}
	desk := deadletter.Desk{Table: &p.table, Clock: p.clock}
	if _, err := desk.Redrive(t.Context(), e.ID, deadletter.Order{Request: es.Request{CommitID: "1"}}); !errors.Is(err, deadletter.ErrHeld) {
		t.Errorf("without a word: %v", err)
	}
	if _, err := desk.Redrive(t.Context(), e.ID, deadletter.Order{Request: es.Request{CommitID: "2"}, TakeOver: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.redrive(); err != nil || len(p.queue) != 1 || p.queue[0].attributes["take-over"] != "true" {
		t.Fatalf("%v, sent %+v", err, p.queue)
	}
	p.consume()
	if e := p.only(); e.Status != deadletter.StatusResolved {
		t.Errorf("%+v", e)
	}
}

// Each source of letters: what is recorded, and how it goes back.
func TestSources(t *testing.T) {
	record := `{"version":1,"consumer":"project-views","stream":"order/o1","firstSequence":3,"sequenceNumber":"300","eventId":"e1","streamArn":"arn:stream","poison":true,` +
		`"error":"no commit","at":"2026-03-01T11:00:00Z","image":{"stream":{"S":"order/o1"},"version":{"N":"3"},"meta":{"M":{"correlationId":{"S":"c9"}}}}}`
	dlq := func(name string) string { return "arn:aws:sqs:us-east-1:123456789012:s-" + name + "-dlq" }
	for name, tc := range map[string]struct {
		letter  deadletter.Letter
		want    deadletter.Entry
		effects string // part of what a function is invoked with, or is sent
	}{
		"a queue without a note": {
			deadletter.Letter{QueueARN: queueARN + "-dlq", Body: []byte(`{"version":1,"command":"reserve.stock","correlationId":"c2"}`), Attributes: map[string]string{"a": "b"}},
			deadletter.Entry{Status: "open", Consumer: "start-saga", Topic: "reserve.stock", CorrelationID: "c2", Kind: "queue", Target: queueARN, Failures: 3,
				Error: "no error was noted: the consumer crashed or ran out of time"}, "reserve.stock",
		},
		"a queue, no JSON": {
			deadletter.Letter{QueueARN: queueARN + "-dlq", Body: []byte("no JSON")},
			deadletter.Entry{Status: "open", Consumer: "start-saga", Kind: "queue", Target: queueARN, Failures: 3, Error: "no error was noted"}, "no JSON",
		},
		"a rule": {
			deadletter.Letter{QueueARN: dlq("order-placed-rule"), Body: []byte(event), Attributes: map[string]string{
				"RULE_ARN": "arn:rule", "TARGET_ARN": queueARN, "ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "not allowed", "RETRY_ATTEMPTS": "4"}},
			deadletter.Entry{Status: "open", Consumer: "start-saga", Topic: "order.placed", CorrelationID: "c1", Kind: "queue", Target: queueARN, Failures: 5,
				Error: "NO_PERMISSIONS: not allowed"}, "order/o1@1",
		},
		"a schedule": {
			deadletter.Letter{QueueARN: dlq("sweep-orders"), Body: []byte(`{"a":1}`), Attributes: map[string]string{"TARGET_ARN": functionARN + "sweep-orders", "ERROR_CODE": "x"}},
			deadletter.Entry{Status: "open", Consumer: "sweep-orders", Kind: "invocation", Target: functionARN + "sweep-orders", Failures: 1, Error: "x"}, `{"a":1}`,
		},
		"an invocation": {
			deadletter.Letter{QueueARN: dlq("sweep-orders"), Body: []byte(`{"timestamp":"2026-03-01T11:00:00Z","requestContext":{"functionArn":"` + functionARN + `sweep-orders:$LATEST",` +
				`"condition":"RetriesExhausted","approximateInvokeCount":2},"requestPayload":{"b":2},"responsePayload":{"errorMessage":"table gone","errorType":"errorString"}}`)},
			deadletter.Entry{Status: "open", Consumer: "sweep-orders", Kind: "invocation", Target: functionARN + "sweep-orders", Failures: 2, Error: "table gone"}, `{"b":2}`,
		},
		"the redrive itself": {
			deadletter.Letter{QueueARN: dlq("redrive-dead-letters"), Body: []byte(`{"requestContext":{"functionArn":"` + functionARN + `redrive-dead-letters","condition":"RetriesExhausted"},` +
				`"requestPayload":{}}`)},
			deadletter.Entry{Status: "spent", Consumer: "redrive-dead-letters", Kind: "none", Target: functionARN + "redrive-dead-letters", Failures: 1, Error: "RetriesExhausted"}, "",
		},
		"a batch that Lambda gave up": {
			deadletter.Letter{QueueARN: dlq("publish-events"), Body: []byte(`{"requestContext":{"functionArn":"` + functionARN + `publish-events","condition":"RecordAgeExceeded"},` +
				`"DDBStreamBatchInfo":{"shardId":"sh","startSequenceNumber":"1","endSequenceNumber":"9","batchSize":5}}`)},
			deadletter.Entry{Status: "spent", Consumer: "publish-events", Kind: "none", Target: functionARN + "publish-events", Failures: 1, Error: "RecordAgeExceeded: Lambda gave up 5 records"}, "",
		},
		"a record": {
			deadletter.Letter{QueueARN: dlq("project-views"), Body: []byte(record)},
			deadletter.Entry{Status: "open", Consumer: "project-views", Topic: "order", CorrelationID: "c9", Kind: "record", Target: functionARN + "project-views", Failures: 1,
				Error: "no commit"}, `{"Records":[{"dynamodb":{"Keys":{"stream":{"S":"order/o1"},"version":{"N":"3"}},"NewImage":`,
		},
		"a record without its image": {
			deadletter.Letter{QueueARN: dlq("project-views"), Body: []byte(strings.SplitN(record, `,"image"`, 2)[0] + "}")},
			deadletter.Entry{Status: "spent", Consumer: "project-views", Topic: "order", Kind: "none", Target: functionARN + "project-views", Failures: 1, Error: "no commit"}, "",
		},
		"an undo": {
			deadletter.Letter{QueueARN: dlq("order-saga"), Body: []byte(`{"consumer":"order-saga","problem":"undo failed","orderId":"o1","execution":"arn:aws:states:x:1:execution:m:o1",` +
				`"correlationId":"c3","failed":[{"step":"refund payment","error":"States.TaskFailed","cause":"down"}],"at":"2026-03-01T11:00:00Z"}`)},
			deadletter.Entry{Status: "open", Consumer: "order-saga", Topic: "undo", CorrelationID: "c3", Kind: "undo", Target: "o1", Failures: 1,
				Error: "undo failed; refund payment: States.TaskFailed down"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			tc.letter.MessageID = "m"
			for range 2 { // SQS delivers twice at times
				if err := p.record(tc.letter); err != nil {
					t.Fatal(err)
				}
			}
			e := p.only()
			if !strings.HasPrefix(e.Error, tc.want.Error) {
				t.Errorf("error %q, want %q", e.Error, tc.want.Error)
			}
			got := deadletter.Entry{
				Status: e.Status, Consumer: e.Consumer, Topic: e.Topic, CorrelationID: e.CorrelationID, Kind: e.Kind, Target: e.Target, Failures: e.Failures, Error: tc.want.Error,
			}
			if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tc.want); a != b {
				t.Errorf("recorded %s\nwant     %s", a, b)
			}
			p.goOn()
			if e.Kind == deadletter.KindUndo {
				return // its run is another test's
			}
			e = p.only()
			if open := tc.want.Status == deadletter.StatusOpen; open != (e.Status == deadletter.StatusResolved) || !open != (len(p.told) == 1 && e.Hint != "") {
				t.Errorf("ends %+v, told %q", e, p.told)
			}
			if all := fmt.Sprint(p.effect); tc.effects != "" && !strings.Contains(all, tc.effects) {
				t.Errorf("effects %s, want %s", all, tc.effects)
			}
		})
	}
}

// A function's answer is the outcome; a record that fails again while it is open has no second entry, and one that fails after it was resolved is open again.
func TestFunctionThatAnswers(t *testing.T) {
	p := newPlant(t)
	letter := func(message string) deadletter.Letter {
		return deadletter.Letter{QueueARN: "arn:aws:sqs:us-east-1:123456789012:s-project-views-dlq", MessageID: message, Body: []byte(
			`{"consumer":"project-views","stream":"order/o1","sequenceNumber":"3","eventId":"e","streamArn":"a","error":"no commit","at":"2026-03-01T11:00:00Z","image":{}}`)}
	}
	for _, m := range []string{"1", "2"} {
		if err := p.record(letter(m)); err != nil {
			t.Fatal(err)
		}
	}
	p.invoke = errors.New("still no commit")
	p.clock.Advance(policy.MinAge)
	if s, err := p.redrive(); err != nil || s.Failed != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	if e := p.only(); e.Status != deadletter.StatusOpen || e.Error != "still no commit" || e.Failures != 3 || e.Redrives != 1 || !e.Next.Equal(p.clock.Now().Add(10*time.Minute)) {
		t.Errorf("%+v", e)
	}
	p.invoke = nil
	p.goOn()
	if e := p.only(); e.Status != deadletter.StatusResolved || e.Redrives != 2 {
		t.Errorf("%+v", e)
	}
	if err := p.record(letter("3")); err != nil {
		t.Fatal(err)
	}
	if e := p.only(); e.Status != deadletter.StatusOpen || !e.Closed.IsZero() {
		t.Errorf("after it failed anew: %+v", e)
	}
}

// A spent undo is a new undoing run, which is asked how it stands, and whose own letter counts for the same entry.
func TestUndo(t *testing.T) {
	for name, tc := range map[string]struct {
		ends   string
		letter bool
		want   deadletter.Status
	}{
		"succeeds":                          {"succeeded", false, deadletter.StatusResolved},
		"fails":                             {"refund payment: still down", false, deadletter.StatusOpen},
		"fails, and its letter comes first": {"refund payment: still down", true, deadletter.StatusOpen},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			orderID := ident.New()
			letter := func(run string) deadletter.Letter {
				body, err := json.Marshal(map[string]any{"consumer": "order-saga", "problem": "undo failed", "orderId": orderID, "correlationId": "c3", "execution": "arn:aws:states:r:1:execution:m:" + run})
				if err != nil {
					t.Fatal(err)
				}
				return deadletter.Letter{QueueARN: "arn:aws:sqs:us-east-1:123456789012:s-order-saga-dlq", MessageID: "of " + run, Body: body}
			}
			if err := p.record(letter(orderID)); err != nil {
				t.Fatal(err)
			}
			p.clock.Advance(policy.MinAge)
			if s, err := p.redrive(); err != nil || s.Sent != 1 {
				t.Fatalf("%+v, %v", s, err)
			}
			run := "redrive-" + p.only().ID + "-1"
			p.clock.Advance(time.Minute)
			if s, err := p.redrive(); err != nil || s.Sent != 1 || p.only().Redrives != 1 {
				t.Fatalf("while it goes: %+v, %v, %+v", s, err, p.only())
			}
			p.runs[run] = tc.ends
			if tc.letter {
				if err := p.record(letter(run)); err != nil {
					t.Fatal(err)
				}
			}
			p.clock.Advance(time.Minute)
			if _, err := p.redrive(); err != nil {
				t.Fatal(err)
			}
			if e := p.only(); e.Status != tc.want || len(p.runs) != 1 || e.Redrives != 1 {
				t.Errorf("%+v, runs %v", e, p.runs)
			}
		})
	}
}

// A letter of an attempt before says nothing of the present one, and a success does whatever the entry says.
func TestLateAnswers(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	p.clock.Advance(policy.MinAge)
	if _, err := p.redrive(); err != nil {
		t.Fatal(err)
	}
	late := p.queue[0]
	p.queue = nil
	p.clock.Advance(15 * time.Minute) // the lease's end: it is sent again
	if s, err := p.redrive(); err != nil || s.Sent != 1 || p.only().Redrives != 1 || p.queue[0].attributes["redrive-attempt"] != "1" {
		t.Fatalf("%+v, %v, %+v", s, err, p.queue)
	}
	for range 3 {
		p.consume()
	}
	failed := p.only()
	if failed.Status != deadletter.StatusOpen {
		t.Fatalf("%+v", failed)
	}
	if err := p.record(deadletter.Letter{QueueARN: queueARN + "-dlq", MessageID: "late", Body: []byte(event), Attributes: late.attributes}); err != nil {
		t.Fatal(err)
	}
	if got := p.only(); got.Status != deadletter.StatusOpen || got.Failures != failed.Failures || !got.Next.Equal(failed.Next) {
		t.Errorf("after the late letter %+v, before %+v", got, failed)
	}
	if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Discard(t.Context(), e.ID, deadletter.Order{}); err != nil {
		t.Fatal(err)
	}
	if err := (deadletter.Journal{Table: &p.table, Clock: p.clock}).Succeeded(t.Context(), e.ID); err != nil || p.only().Status != deadletter.StatusResolved {
		t.Errorf("%v, %+v", err, p.only())
	}
	if err := (deadletter.Journal{Table: &p.table, Clock: p.clock}).Succeeded(t.Context(), ident.New()); err != nil {
		t.Errorf("of an entry that there is not: %v", err)
	}
}

func TestParsePolicy(t *testing.T) {
	if got := deadletter.ParsePolicy("300", "3", "2"); got != policy {
		t.Errorf("%+v", got)
	}
	for _, bad := range [][3]string{{"0", "3", "2"}, {"x", "3", "2"}, {"300", "-1", "2"}, {"300", "3", "0.5"}, {"300", "3", "NaN"}, {"", "", ""}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is taken", bad)
				}
			}()
			deadletter.ParsePolicy(bad[0], bad[1], bad[2])
		}()
	}
}
