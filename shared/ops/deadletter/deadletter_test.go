package deadletter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/deadletter/deadlettertest"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/trail"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	queueARN    = "arn:aws:sqs:us-east-1:123456789012:s-start-saga"
	lettersARN  = "arn:aws:sqs:us-east-1:123456789012:s-dead-letters"
	functionARN = "arn:aws:lambda:us-east-1:123456789012:function:s-"
	event       = `{"detail-type":"order.placed","detail":{"id":"order/o1@1","correlationid":"c1"}}`
)

var policy = deadletter.Policy{MinAge: 5 * time.Minute, MaxRedrives: 3, Spacing: 2}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

var errCrash = errors.New("the process ends here")

// plant is a stack around the dead letters of one queue: its messages, its consumer, whose effect
// is idempotent, and the redrive.
type plant struct {
	t       interface{ Fatalf(string, ...any) }
	table   deadlettertest.Memory
	clock   *clock.Fake
	queue   []queued
	effect  map[string]int // times that a message's effect happened, by its body
	done    map[string]bool
	poison  bool
	gone    bool
	invoke  string // what a function fails of
	trouble error  // on the way to the consumer
	runs    map[string]string
	told    []string
	values  map[string]int64
	sent    int

	crashAt, calls int // the call that crashes, half of them after they took effect; 0 for none
}

type queued struct {
	id         string
	body       string
	attributes map[string]string
	receives   int
}

func newPlant(t interface{ Fatalf(string, ...any) }) *plant {
	p := &plant{
		t: t, clock: clock.NewFake(start), effect: map[string]int{}, done: map[string]bool{}, runs: map[string]string{},
		values: map[string]int64{},
	}
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
		if p.trouble != nil {
			return p.trouble
		}
		p.sent++
		p.queue = append(
			p.queue, queued{id: fmt.Sprintf("m%d", p.sent), body: string(m.Body), attributes: maps.Clone(m.Attributes)},
		)
		return nil
	})
}

// Invoke implements deadletter.Functions.
func (p *plant) Invoke(_ context.Context, _ string, payload []byte) (string, error) {
	return p.invoke, p.at(func() error {
		if p.trouble == nil && p.invoke == "" {
			p.effect[string(payload)]++
		}
		return p.trouble
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
		if p.trouble != nil {
			return p.trouble
		}
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

func (p *plant) redriver() deadletter.Redriver {
	return deadletter.Redriver{
		Table: &p.table, Queues: p, Functions: p, Runs: p, Alerts: p, Clock: p.clock, Policy: policy,
		Measure: func(metric, consumer string, value int64) { p.values[metric+" "+consumer] = value },
	}
}

func (p *plant) redrive() (deadletter.Summary, error) { return p.redriver().Run(context.Background()) }

func (p *plant) record(l deadletter.Letter) error {
	return deadletter.Recorder{
		Table: &p.table, Records: dynamostore.Records{}, Clock: p.clock, Policy: policy, Stack: "s",
	}.Record(context.Background(), l)
}

// consume lets the consumer try each message in the queue once. What the journal doesn't make a
// dead letter comes again.
func (p *plant) consume() {
	journal := deadletter.Journal{Table: &p.table, Clock: p.clock, DeadLetters: p}
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
			err = journal.Succeeded(context.Background(), id, queueARN)
		}
		if err == nil {
			continue
		}
		if over, err := journal.Failed(
			context.Background(), deadletter.Note{Queue: "s-start-saga", MessageID: m.id, Error: err.Error()},
			deadletter.Letter{
				QueueARN: queueARN, MessageID: m.id, Body: []byte(m.body), Attributes: m.attributes, Sent: p.clock.Now(),
			},
		); err != nil || !over {
			p.queue = append(p.queue, m)
		}
	}
}

// Move implements deadletter.Mover: the letter goes to the recorder, as often as that fails.
func (p *plant) Move(_ context.Context, l deadletter.Letter) error {
	attributes := maps.Clone(l.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes[deadletter.AttributeMoved] = l.Moved()
	moved := deadletter.Letter{
		QueueARN: lettersARN, MessageID: "of a move", Body: l.Body, Attributes: attributes, Sent: l.Sent,
	}
	for try := 0; p.record(moved) != nil; try++ {
		if try == 5 {
			p.t.Fatalf("the letter can't be recorded")
		}
	}
	return nil
}

// give has the consumer note so many tries that failed, and its queue give the message up after
// them.
func (p *plant) give(n deadletter.Note, tries int) {
	n.Queue, n.MessageID, n.First, n.Last = "s-start-saga", "m", start, start
	for range tries {
		if _, err := p.table.Note(context.Background(), n); err != nil {
			p.t.Fatalf("%v", err)
		}
	}
	if err := p.record(
		deadletter.Letter{QueueARN: lettersARN, SourceARN: queueARN, MessageID: "m", Body: []byte(event)},
	); err != nil {
		p.t.Fatalf("%v", err)
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

// A message fails three times, its entry has the error that the consumer met, it is not redriven
// before its time, and is resolved by its consumer's success.
func TestMended(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	if e.Status != deadletter.StatusOpen || e.Error != "no such table" || e.Failures != 3 ||
		e.Consumer != "start-saga" || e.Topic != "order.placed" || e.CorrelationID != "c1" ||
		e.Kind != deadletter.KindQueue || e.Target != queueARN || !e.FirstFailure.Equal(start) ||
		!e.Next.Equal(start.Add(5*time.Minute)) {
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
	if p.values["Redrives "] != 1 {
		t.Errorf("measured %v", p.values)
	}
	if e := p.only(); e.Status != deadletter.StatusRedriving || e.Redrives != 1 ||
		p.queue[0].attributes["dead-letter-id"] != e.ID || p.queue[0].attributes["redrive-attempt"] != "1" {
		t.Errorf("%+v, sent %+v", e, p.queue)
	}
	if s, err := p.redrive(); err != nil || s != (deadletter.Summary{}) {
		t.Errorf("a second time: %+v, %v", s, err)
	}
	if p.values["OpenDeadLetters "] != 1 || p.values["OpenDeadLetters start-saga"] != 1 ||
		p.values["SpentDeadLetters "] != 0 || p.values["OldestDeadLetterSeconds "] != 300 {
		t.Errorf("measured %v", p.values)
	}
	p.consume()
	if e := p.only(); e.Status != deadletter.StatusResolved || p.effect[event] != 1 || !e.Next.IsZero() ||
		!e.Closed.Equal(p.clock.Now()) {
		t.Errorf("%+v, effects %v", e, p.effect)
	}
}

// What fails each time is redriven three times, each wait twice as long as the one before, and is
// spent then: operations is told once, and a person can go on.
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
	if len(p.told) != 1 || !strings.Contains(p.told[0], e.ID) || !strings.Contains(p.told[0], "no such table") ||
		p.only().Status != deadletter.StatusSpent ||
		p.values["SpentDeadLetters "] != 1 || p.values["OpenDeadLetters "] != 0 {
		t.Errorf("told %q, %+v, measured %v", p.told, p.only(), p.values)
	}
	p.poison = false
	desk := deadletter.Desk{Table: &p.table, Clock: p.clock}
	if _, err := desk.Redrive(t.Context(), e.ID, deadletter.Order{Request: es.Request{CommitID: "r"}}); err != nil {
		t.Fatal(err)
	}
	p.goOn()
	if e := p.only(); e.Status != deadletter.StatusResolved || e.Redrives != 4 || p.effect[event] != 1 ||
		len(p.told) != 1 {
		t.Errorf("%+v, effects %v, told %q", e, p.effect, p.told)
	}
}

// Wherever the process ends, in the redrive, the consumer, the journal or the recorder, before or
// right after anything that it does: the effect happens once, and the entry is resolved; one that
// stays poisoned is spent, and operations is told, a second time only where the process ended
// between telling and writing that down.
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
			case poisoned && (got.Status != deadletter.StatusSpent || got.Redrives != 3 || len(p.told) < 1 ||
				len(p.told) > 2 || p.effect[event] != 0):
				t.Fatalf(
					"crash at %d: %s after %d redrives, told %d times", crashAt, got.Status, got.Redrives, len(p.told),
				)
			}
		}
		if points < 12 {
			t.Fatalf("only %d points were met", points)
		}
	}
}

// The same with any number of crashes at any points. So many may use all redrives up; then it is a
// person's.
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
			if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(
				context.Background(), e.ID, deadletter.Order{},
			); err != nil {
				t.Fatal(err)
			}
			p.goOn()
		}
		if e := p.only(); e.Status != deadletter.StatusResolved || p.effect[event] != 1 {
			t.Fatalf("%s, %d effects: %+v", e.Status, p.effect[event], e)
		}
	})
}

// A consumer that is not there any more is found out at once, and operations is told; when it is
// back, a person can redrive.
func TestGone(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	p.gone, p.poison = true, false
	p.clock.Advance(policy.MinAge)
	p.goOn()
	got := p.only()
	if got.Status != deadletter.StatusSpent || got.Redrives != 1 ||
		!strings.Contains(got.RedriveError, "no longer exists") || got.Hint == "" || len(p.told) != 1 ||
		got.Error != e.Error || got.Failures != e.Failures {
		t.Fatalf("%+v, told %q", got, p.told)
	}
	p.gone = false
	if ordered, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(
		t.Context(), e.ID, deadletter.Order{},
	); err != nil || ordered.Hint != "" {
		t.Fatalf("%+v, %v", ordered, err)
	}
	p.goOn()
	if got := p.only(); got.Status != deadletter.StatusResolved || p.effect[event] != 1 {
		t.Errorf("%+v", got)
	}
}

// An effect of which nobody knows whether it happened waits for a person, who is told; the message
// then says that they accept a second one.
func TestHeld(t *testing.T) {
	p := newPlant(t)
	p.give(deadletter.Note{Error: "unknown", Held: true}, deadletter.Tries)
	p.goOn()
	e := p.only()
	if e.Status != deadletter.StatusOpen || !e.Held || e.Redrives != 0 || len(p.told) != 1 ||
		p.values["SpentDeadLetters "] != 1 {
		t.Fatalf("%+v, told %q", e, p.told)
	}
	desk := deadletter.Desk{Table: &p.table, Clock: p.clock}
	if _, err := desk.Redrive(
		t.Context(), e.ID, deadletter.Order{Request: es.Request{CommitID: "1"}},
	); !errors.Is(err, deadletter.ErrHeld) {
		t.Errorf("without a word: %v", err)
	}
	if _, err := desk.Redrive(
		t.Context(), e.ID, deadletter.Order{Request: es.Request{CommitID: "2"}, TakeOver: true},
	); err != nil {
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

// A permit is for one attempt: another attempt in the place of one that was not answered needs
// another.
func TestTakeOverIsForOneAttempt(t *testing.T) {
	p := newPlant(t)
	p.give(deadletter.Note{Error: "unknown", Held: true}, deadletter.Tries)
	desk := deadletter.Desk{Table: &p.table, Clock: p.clock}
	order := func(takeOver bool) error {
		_, err := desk.Redrive(
			t.Context(), p.only().ID, deadletter.Order{Request: es.Request{CommitID: ident.New()}, TakeOver: takeOver},
		)
		return err
	}
	if err := order(true); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second once the lease has ended
		if _, err := p.redrive(); err != nil {
			t.Fatal(err)
		}
		p.clock.Advance(15 * time.Minute)
	}
	if err := order(false); !errors.Is(err, deadletter.ErrHeld) {
		t.Errorf("a further attempt without a word: %v", err)
	}
	if err := order(true); err != nil {
		t.Fatal(err)
	}
	if _, err := p.redrive(); err != nil || len(p.queue) != 3 {
		t.Fatalf("%v, sent %+v", err, p.queue)
	}
	for i, attempt := range []string{"1", "1", "2"} {
		if a := p.queue[i].attributes; a["redrive-attempt"] != attempt || a["take-over"] != "true" {
			t.Errorf("sent %d: %v, want attempt %s", i, a, attempt)
		}
	}
}

// source is a letter, what is recorded of it, and what its redrive does.
type source struct {
	letter  deadletter.Letter
	want    deadletter.Entry
	effects string // part of what a function is invoked with, or is sent
}

// recordAndRedrive records each letter twice, wants one entry, and redrives it.
func recordAndRedrive(t *testing.T, cases map[string]source) {
	t.Helper()
	for name, tc := range cases {
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
				Status: e.Status, Consumer: e.Consumer, Topic: e.Topic, CorrelationID: e.CorrelationID, Kind: e.Kind,
				Target: e.Target, Failures: e.Failures, Error: tc.want.Error,
			}
			if !tc.want.FirstFailure.IsZero() {
				got.FirstFailure = e.FirstFailure
			}
			if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tc.want); a != b {
				t.Errorf("recorded %s\nwant     %s", a, b)
			}
			p.goOn()
			if e.Kind == deadletter.KindUndo {
				return // its run is another test's
			}
			e = p.only()
			if open := tc.want.Status == deadletter.StatusOpen; open != (e.Status == deadletter.StatusResolved) ||
				!open != (len(p.told) == 1 && e.Hint != "") {
				t.Errorf("ends %+v, told %q", e, p.told)
			}
			if all := fmt.Sprint(p.effect); tc.effects != "" && !strings.Contains(all, tc.effects) {
				t.Errorf("effects %s, want %s", all, tc.effects)
			}
		})
	}
}

// TestQueueLetters: what a queue's consumer gave up goes back to that queue, with its attributes.
func TestQueueLetters(t *testing.T) {
	recordAndRedrive(t, map[string]source{
		"a queue without a note": {
			deadletter.Letter{
				QueueARN: lettersARN, SourceARN: queueARN,
				Body:       []byte(`{"version":1,"command":"reserve.stock","correlationId":"c2"}`),
				Attributes: map[string]string{"a": "b"},
			},
			deadletter.Entry{Status: "open", Consumer: "start-saga", Topic: "reserve.stock", CorrelationID: "c2",
				Kind: "queue", Target: queueARN, Failures: 1,
				Error: "no error was noted: the consumer crashed, ran out of time, or was never run"}, "reserve.stock",
		},
		"a queue, no JSON": {
			deadletter.Letter{QueueARN: lettersARN, SourceARN: queueARN, Body: []byte("no JSON")},
			deadletter.Entry{
				Status: "open", Consumer: "start-saga", Kind: "queue", Target: queueARN, Failures: 1,
				Error: "no error was noted",
			}, "no JSON",
		},
		"a queue, as SQS says, whatever the sender says": {
			deadletter.Letter{
				QueueARN: lettersARN, SourceARN: queueARN, Body: []byte(event),
				Attributes: map[string]string{"TARGET_ARN": functionARN + "sweep-orders"},
			},
			deadletter.Entry{Status: "open", Consumer: "start-saga", Topic: "order.placed", CorrelationID: "c1",
				Kind: "queue", Target: queueARN, Failures: 1,
				Error: "no error was noted"}, "order/o1@1",
		},
		"more attributes than go back": {
			deadletter.Letter{
				QueueARN: lettersARN, SourceARN: queueARN, Body: []byte("body"),
				Attributes: map[string]string{"1": "", "2": "", "3": "", "4": "", "5": "", "6": "", "7": "", "8": ""},
			},
			deadletter.Entry{
				Status: "spent", Consumer: "start-saga", Kind: "none", Target: queueARN, Failures: 1,
				Error: "no error was noted",
			}, "",
		},
		"as many as do": {
			deadletter.Letter{
				QueueARN: lettersARN, SourceARN: queueARN, Body: []byte("body"),
				Attributes: map[string]string{"1": "", "2": "", "3": "", "4": "", "5": "", "6": "", "7": ""},
			},
			deadletter.Entry{
				Status: "open", Consumer: "start-saga", Kind: "queue", Target: queueARN, Failures: 1,
				Error: "no error was noted",
			}, "body",
		},
		"from nobody": {
			deadletter.Letter{QueueARN: lettersARN, Body: []byte(event)},
			deadletter.Entry{
				Status: "spent", Consumer: "dead-letters", Topic: "order.placed", CorrelationID: "c1", Kind: "none",
				Failures: 1, Error: "it says neither who gave it up nor why",
			}, "",
		},
		"names without end": {
			deadletter.Letter{
				QueueARN: lettersARN, SourceARN: queueARN,
				Body: []byte(
					`{"detail-type":"` + strings.Repeat("ü", 3_000) + `","detail":{"correlationid":"` +
						strings.Repeat("c", 3_000) + `"}}`,
				),
			},
			deadletter.Entry{Status: "open", Consumer: "start-saga", Topic: strings.Repeat("ü", 128),
				CorrelationID: strings.Repeat("c", 256), Kind: "queue", Target: queueARN, Failures: 1,
				Error: "no error was noted"}, "",
		},
	})
}

// TestInvocationLetters: what a schedule, a rule or Lambda could not deliver is delivered to the
// same target.
func TestInvocationLetters(t *testing.T) {
	recordAndRedrive(t, map[string]source{
		"a rule": {
			deadletter.Letter{QueueARN: lettersARN, Body: []byte(event), Attributes: map[string]string{
				"RULE_ARN": "arn:rule", "TARGET_ARN": queueARN, "ERROR_CODE": "NO_PERMISSIONS",
				"ERROR_MESSAGE": "not allowed", "RETRY_ATTEMPTS": "4"}},
			deadletter.Entry{Status: "open", Consumer: "start-saga", Topic: "order.placed", CorrelationID: "c1",
				Kind: "queue", Target: queueARN, Failures: 5,
				Error: "NO_PERMISSIONS: not allowed"}, "order/o1@1",
		},
		"a schedule": {
			deadletter.Letter{
				QueueARN: lettersARN, Body: []byte(`{"a":1}`),
				Attributes: map[string]string{"TARGET_ARN": functionARN + "sweep-orders", "ERROR_CODE": "x"},
			},
			deadletter.Entry{
				Status: "open", Consumer: "sweep-orders", Kind: "invocation", Target: functionARN + "sweep-orders",
				Failures: 1, Error: "x",
			}, `{"a":1}`,
		},
		"a schedule, of the function's alias": {
			deadletter.Letter{
				QueueARN: lettersARN, Body: []byte(`{"a":1}`),
				Attributes: map[string]string{"TARGET_ARN": functionARN + "sweep-orders:live", "ERROR_CODE": "x"},
			},
			deadletter.Entry{
				Status: "open", Consumer: "sweep-orders", Kind: "invocation", Target: functionARN + "sweep-orders",
				Failures: 1, Error: "x",
			}, `{"a":1}`,
		},
		"an invocation": {
			deadletter.Letter{QueueARN: lettersARN,
				Body: []byte(`{"timestamp":"2026-03-01T11:00:00Z","requestContext":{"functionArn":"` + functionARN +
					`sweep-orders:$LATEST",` +
					`"condition":"RetriesExhausted","approximateInvokeCount":2},"requestPayload":{"b":2},` +
					`"responsePayload":{"errorMessage":"table gone","errorType":"errorString"}}`)},
			deadletter.Entry{
				Status: "open", Consumer: "sweep-orders", Kind: "invocation", Target: functionARN + "sweep-orders",
				Failures: 2, Error: "table gone",
			}, `{"b":2}`,
		},
		"a batch that Lambda gave up": {
			deadletter.Letter{QueueARN: lettersARN,
				Body: []byte(`{"requestContext":{"functionArn":"` + functionARN +
					`publish-events","condition":"RecordAgeExceeded"},` +
					`"DDBStreamBatchInfo":{"shardId":"sh","startSequenceNumber":"1","endSequenceNumber":"9",` +
					`"batchSize":5}}`)},
			deadletter.Entry{
				Status: "spent", Consumer: "publish-events", Kind: "none", Target: functionARN + "publish-events",
				Failures: 1, Error: "RecordAgeExceeded: Lambda gave up 5 records",
			}, "",
		},
	})
}

// TestCanaryLetters: a canary of the audit is not sent again.
func TestCanaryLetters(t *testing.T) {
	recordAndRedrive(t, map[string]source{
		"a canary that a rule could not deliver": {
			deadletter.Letter{QueueARN: lettersARN, Body: []byte(`{"detail-type":"audit.sampled"}`),
				Attributes: map[string]string{
					"TARGET_ARN": "arn:aws:sqs:us-east-1:123456789012:s-audit", "ERROR_CODE": "THROTTLING"}},
			deadletter.Entry{Status: "spent", Consumer: "audit", Topic: "audit.sampled", Kind: "none",
				Target: "arn:aws:sqs:us-east-1:123456789012:s-audit", Failures: 1,
				Error: "THROTTLING"}, "",
		},
		"a canary that no audit took": {
			deadletter.Letter{QueueARN: lettersARN, SourceARN: "arn:aws:sqs:us-east-1:123456789012:s-audit",
				Body: []byte(`{"detail-type":"audit.sampled"}`)},
			deadletter.Entry{Status: "spent", Consumer: "audit", Topic: "audit.sampled", Kind: "none",
				Target: "arn:aws:sqs:us-east-1:123456789012:s-audit", Failures: 1,
				Error: "no error was noted"}, "",
		},
	})
}

// TestRecordLetters: a record of the events' stream goes back to its function, if its image is
// there.
func TestRecordLetters(t *testing.T) {
	record := `{"version":1,"consumer":"project-views","stream":"order/o1","firstSequence":3,"sequenceNumber":"300",` +
		`"eventId":"e1","streamArn":"arn:stream","poison":true,` +
		`"error":"no commit","at":"2026-03-01T11:00:00Z","image":{"stream":{"S":"order/o1"},"version":{"N":"3"},` +
		`"meta":{"M":{"correlationId":{"S":"c9"}}}}}`
	recordAndRedrive(t, map[string]source{
		"a record": {
			deadletter.Letter{QueueARN: lettersARN, Body: []byte(record)},
			deadletter.Entry{Status: "open", Consumer: "project-views", Topic: "order", CorrelationID: "c9",
				Kind: "record", Target: functionARN + "project-views", Failures: 1,
				Error: "no commit"}, `{"Records":[{"dynamodb":{"Keys":{"stream":{"S":"order/o1"},` +
				`"version":{"N":"3"}},"NewImage":`,
		},
		"a record whose events can be read": {
			deadletter.Letter{
				QueueARN: lettersARN,
				Body: []byte(strings.Replace(
					record, `"image":{`,
					`"tries":9,"firstFailure":"2026-03-01T10:00:00Z",`+
						`"image":{"events":{"L":[{"M":{"type":{"S":"order.placed"}}}]},`,
					1,
				)),
			},
			deadletter.Entry{Status: "open", Consumer: "project-views", Topic: "order.placed", CorrelationID: "c9",
				Kind: "record", Target: functionARN + "project-views", Failures: 9,
				FirstFailure: start.Add(-2 * time.Hour), Error: "no commit"}, `"S":"order.placed"`,
		},
		"a record without its image": {
			deadletter.Letter{
				QueueARN: lettersARN, Body: []byte(strings.SplitN(record, `,"image"`, 2)[0] + "}"),
			},
			deadletter.Entry{
				Status: "spent", Consumer: "project-views", Topic: "order", Kind: "none",
				Target: functionARN + "project-views", Failures: 1, Error: "no commit",
			}, "",
		},
	})
}

// TestSagaLetters: an undo whose steps failed, or an order that could not be closed, waits for a
// new execution.
func TestSagaLetters(t *testing.T) {
	recordAndRedrive(t, map[string]source{
		"an undo": {
			deadletter.Letter{QueueARN: lettersARN,
				Body: []byte(`{"consumer":"order-saga","problem":"undo failed","orderId":"o1",` +
					`"execution":"arn:aws:states:x:1:execution:m:o1",` +
					`"correlationId":"c3","failed":[{"step":"refund payment","error":"States.TaskFailed",` +
					`"cause":"down"}],"at":"2026-03-01T11:00:00Z"}`)},
			deadletter.Entry{Status: "open", Consumer: "order-saga", Topic: "undo", CorrelationID: "c3", Kind: "undo",
				Target: "o1", Failures: 1,
				Error: "undo failed; refund payment: States.TaskFailed down"}, "",
		},
		"an undo whose steps were tried": {
			deadletter.Letter{QueueARN: lettersARN,
				Body: []byte(`{"consumer":"order-saga","problem":"undo failed","orderId":"o1",` +
					`"execution":"arn:aws:states:x:1:execution:m:o1",` +
					`"failed":[{"step":"refund payment","error":"E","tries":9},{"step":"release stock","error":"E",` +
					`"tries":2}],"at":"2026-03-01T11:00:00Z"}`)},
			deadletter.Entry{
				Status: "open", Consumer: "order-saga", Topic: "undo", Kind: "undo", Target: "o1", Failures: 11,
				Error: "undo failed; refund payment: E; release stock: E",
			}, "",
		},
		"an order that could not be closed": {
			deadletter.Letter{QueueARN: lettersARN,
				Body: []byte(`{"consumer":"order-saga","problem":"close unresolved","orderId":"o1",` +
					`"execution":"arn:aws:states:x:1:execution:m:o1",` +
					`"correlationId":"c4","failed":[{"step":"close order","error":"States.Timeout"}],` +
					`"at":"2026-03-01T11:00:00Z"}`)},
			deadletter.Entry{Status: "open", Consumer: "order-saga", Topic: "undo", CorrelationID: "c4", Kind: "undo",
				Target: "o1", Failures: 1,
				Error: "close unresolved; close order: States.Timeout"}, "",
		},
	})
}

// A function's answer is the outcome; a record that fails again while it is open has no second
// entry, and one that fails after it was resolved is open again.
func TestFunctionThatAnswers(t *testing.T) {
	p := newPlant(t)
	letter := func(message string) deadletter.Letter {
		return deadletter.Letter{QueueARN: lettersARN, MessageID: message,
			Body: []byte(
				`{"consumer":"project-views","stream":"order/o1","sequenceNumber":"3","eventId":"e","streamArn":"a",` +
					`"error":"no commit","at":"2026-03-01T11:00:00Z","image":{}}`)}
	}
	for _, m := range []string{"1", "2"} {
		if err := p.record(letter(m)); err != nil {
			t.Fatal(err)
		}
	}
	p.invoke = "still no commit"
	p.clock.Advance(policy.MinAge)
	if s, err := p.redrive(); err != nil || s.Failed != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	if e := p.only(); e.Status != deadletter.StatusOpen || e.Error != "still no commit" || e.Failures != 3 ||
		e.Redrives != 1 || !e.Next.Equal(p.clock.Now().Add(10*time.Minute)) {
		t.Errorf("%+v", e)
	}
	p.invoke = ""
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

// A spent undo is a new undoing run, which is asked how it stands, and whose own letter counts for
// the same entry.
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
				body, err := json.Marshal(map[string]any{
					"consumer": "order-saga", "problem": "undo failed", "orderId": orderID, "correlationId": "c3",
					"execution": "arn:aws:states:r:1:execution:m:" + run,
				})
				if err != nil {
					t.Fatal(err)
				}
				return deadletter.Letter{
					QueueARN: lettersARN, MessageID: "of " + run, Body: body,
				}
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

// A letter of an attempt before says nothing of the present one, and a success does whatever the
// entry says.
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
	if s, err := p.redrive(); err != nil || s.Sent != 1 || p.only().Redrives != 1 ||
		p.queue[0].attributes["redrive-attempt"] != "1" {
		t.Fatalf("%+v, %v, %+v", s, err, p.queue)
	}
	for range 3 {
		p.consume()
	}
	failed := p.only()
	if failed.Status != deadletter.StatusOpen {
		t.Fatalf("%+v", failed)
	}
	if err := p.record(deadletter.Letter{
		QueueARN: lettersARN, SourceARN: queueARN, MessageID: "late", Body: []byte(event), Attributes: late.attributes,
	}); err != nil {
		t.Fatal(err)
	}
	if got := p.only(); got.Status != deadletter.StatusOpen || got.Failures != failed.Failures ||
		!got.Next.Equal(failed.Next) {
		t.Errorf("after the late letter %+v, before %+v", got, failed)
	}
	if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Discard(
		t.Context(), e.ID, deadletter.Order{},
	); err != nil {
		t.Fatal(err)
	}
	if err := (deadletter.Journal{
		Table: &p.table, Clock: p.clock,
	}).Succeeded(t.Context(), e.ID, queueARN); err != nil || p.only().Status != deadletter.StatusResolved {
		t.Errorf("%v, %+v", err, p.only())
	}
	if err := (deadletter.Journal{Table: &p.table, Clock: p.clock}).Succeeded(
		t.Context(), ident.New(), queueARN,
	); err != nil {
		t.Errorf("of an entry that there is not: %v", err)
	}
}

// A consumer that never answers: the message is sent again with each lease that ends, five times,
// and that is an attempt that failed. In the end operations is told, the consumer's own error
// stays, and its answer still counts when it comes.
func TestNoAnswer(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	for attempt := 1; attempt <= 3; attempt++ {
		p.clock.Advance(p.only().Next.Sub(p.clock.Now()))
		for send, lease := range []time.Duration{
			15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
		} {
			if s, err := p.redrive(); err != nil || s.Sent != 1 || p.only().Redrives != attempt ||
				p.only().Sends != send+1 {
				t.Fatalf("attempt %d, send %d: %+v, %v, %+v", attempt, send+1, s, err, p.only())
			}
			p.clock.Advance(lease)
		}
		if s, err := p.redrive(); err != nil || s.Failed != 1 || s.Sent != 0 {
			t.Fatalf("attempt %d, after its sends: %+v, %v", attempt, s, err)
		}
	}
	got := p.only()
	if got.Status != deadletter.StatusSpent || got.Failures != 3 || got.Error != e.Error ||
		!strings.HasPrefix(got.RedriveError, "the consumer has not answered: redrive 3 was sent 5 times") {
		t.Fatalf("%+v", got)
	}
	if s, err := p.redrive(); err != nil || s.Alerted != 1 || len(p.told) != 1 ||
		!strings.Contains(p.told[0], e.Error) || !strings.Contains(p.told[0], got.RedriveError) {
		t.Errorf("%+v, %v, told %q", s, err, p.told)
	}
	p.poison = false
	p.consume()
	if got := p.only(); got.Status != deadletter.StatusResolved || p.effect[event] != 1 || got.RedriveError != "" {
		t.Errorf("%+v, effects %v", got, p.effect)
	}
}

// A person needn't wait for an answer that may never come: what is under way can be discarded, and
// after its first lease be sent anew.
func TestOrdersWhileUnderWay(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	desk := deadletter.Desk{Table: &p.table, Clock: p.clock}
	order := func() {
		t.Helper()
		if _, err := desk.Redrive(
			t.Context(), e.ID, deadletter.Order{Request: es.Request{CommitID: ident.New()}},
		); err != nil {
			t.Fatal(err)
		}
	}
	p.clock.Advance(policy.MinAge)
	if _, err := p.redrive(); err != nil {
		t.Fatal(err)
	}
	order()
	if s, err := p.redrive(); err != nil || s != (deadletter.Summary{}) {
		t.Errorf("ordered in its first lease: %+v, %v", s, err)
	}
	p.clock.Advance(15 * time.Minute)
	if _, err := p.redrive(); err != nil {
		t.Fatal(err)
	}
	order()
	order()
	for range 2 {
		if _, err := p.redrive(); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.only(); len(p.queue) != 3 || got.Status != deadletter.StatusRedriving || got.Redrives != 2 ||
		got.Automatic != 1 || p.queue[2].attributes["redrive-attempt"] != "2" {
		t.Errorf("ordered after it: %+v, sent %+v", got, p.queue)
	}
	if got, err := desk.Discard(t.Context(), e.ID, deadletter.Order{Reason: "not needed"}); err != nil ||
		got.Status != deadletter.StatusDiscarded {
		t.Fatalf("%+v, %v", got, err)
	}
	late := p.queue[2]
	if err := p.record(deadletter.Letter{
		QueueARN: lettersARN, SourceARN: queueARN, MessageID: "late", Body: []byte(event), Attributes: late.attributes,
	}); err != nil {
		t.Fatal(err)
	}
	if got := p.only(); got.Status != deadletter.StatusDiscarded || got.Reason != "not needed" {
		t.Errorf("after a late failure %+v", got)
	}
	p.poison = false
	p.consume()
	if got := p.only(); got.Status != deadletter.StatusResolved || p.effect[event] != 1 {
		t.Errorf("after a late success %+v, effects %v", got, p.effect)
	}
}

// Trouble on the way to the consumer is none of the consumer's: its error and its count stay, and
// an attempt whose message was certainly not sent is none. Nothing of it fails the run, whose
// failure would be a dead letter itself.
func TestTroubleOnTheWay(t *testing.T) {
	lost := errors.New("connection reset")
	for name, tc := range map[string]struct {
		trouble  error
		want     deadletter.Entry // after the first attempt
		failed   int
		errors   int
		tries    int // attempts until it is spent, 0 where it never is
		finished deadletter.Status
	}{
		"certainly not sent": {
			fmt.Errorf("%w: slow down", deadletter.ErrNotSent),
			deadletter.Entry{
				Status: "open", Next: start.Add(10 * time.Minute), RedriveError: "could not be sent: slow down",
			}, 0, 1, 0, "open",
		},
		"refused": {
			fmt.Errorf("%w: access denied", deadletter.ErrRefused),
			deadletter.Entry{
				Status: "open", Redrives: 1, Automatic: 1, Next: start.Add(15 * time.Minute),
				RedriveError: "can't be sent: access denied",
			}, 1, 0, 3, "spent",
		},
		"nobody knows": {
			lost,
			deadletter.Entry{
				Status: "redriving", Redrives: 1, Automatic: 1, Sends: 1, Next: start.Add(20 * time.Minute),
			},
			0, 1, 3, "spent",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			p.poison = true
			e := p.fail()
			p.trouble = tc.trouble
			p.clock.Advance(policy.MinAge)
			s, err := p.redrive()
			if err != nil || s.Failed != tc.failed || s.Errors != tc.errors ||
				p.values["RedriveErrors "] != int64(tc.errors) {
				t.Errorf("%+v, %v, measured %v", s, err, p.values)
			}
			got := p.only()
			if got.Status != tc.want.Status || got.Redrives != tc.want.Redrives || got.Automatic != tc.want.Automatic ||
				got.Sends != tc.want.Sends || !got.Next.Equal(tc.want.Next) ||
				!strings.HasSuffix(got.RedriveError, tc.want.RedriveError) || got.Error != e.Error ||
				got.Failures != 3 {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
			for range 400 {
				p.clock.Advance(5 * time.Minute)
				if _, err := p.redrive(); err != nil {
					t.Fatal(err)
				}
			}
			if got := p.only(); got.Status != tc.finished || got.Redrives != tc.tries || got.Error != e.Error ||
				got.Failures != 3 {
				t.Errorf("in the end %+v", got)
			}
			p.trouble, p.poison = nil, false
			if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(
				t.Context(), e.ID, deadletter.Order{},
			); err != nil {
				t.Fatal(err)
			}
			p.goOn()
			if got := p.only(); got.Status != deadletter.StatusResolved || p.effect[event] != 1 {
				t.Errorf("mended, %+v", got)
			}
		})
	}
}

// A message that may have been sent before is under way, though it could not be sent again.
func TestResendThatIsNotSent(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	p.fail()
	p.clock.Advance(policy.MinAge)
	if _, err := p.redrive(); err != nil {
		t.Fatal(err)
	}
	p.trouble = deadletter.ErrNotSent
	p.clock.Advance(15 * time.Minute)
	if s, err := p.redrive(); err != nil || s.Errors != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if e := p.only(); e.Status != deadletter.StatusRedriving || e.Redrives != 1 || e.Sends != 2 ||
		!e.Next.Equal(p.clock.Now().Add(30*time.Minute)) {
		t.Errorf("%+v", e)
	}
}

// A table that can't be read is what a run fails of; one entry of it that can't be is not.
func TestTableThatFails(t *testing.T) {
	down := errors.New("down")
	for method, want := range map[string]error{"Due": down, "List": down, "Get": nil, "Update": nil, "Message": nil} {
		p := newPlant(t)
		p.poison = true
		p.fail()
		p.clock.Advance(policy.MinAge)
		p.table.Fail = func(called string) (error, error) {
			if called == method {
				return down, nil
			}
			return nil, nil
		}
		if s, err := p.redrive(); !errors.Is(err, want) || want == nil && s.Errors != 1 {
			t.Errorf("%s fails: %+v, %v", method, s, err)
		}
	}
}

// unreadable is a table one of whose entries can't be read.
type unreadable struct{ *deadlettertest.Memory }

func (u unreadable) Due(ctx context.Context, now time.Time) iter.Seq2[deadletter.Entry, error] {
	return func(yield func(deadletter.Entry, error) bool) {
		if !yield(deadletter.Entry{ID: "odd"}, fmt.Errorf("%w: odd", deadletter.ErrUnreadable)) {
			return
		}
		for e, err := range u.Memory.Due(ctx, now) {
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestUnreadableEntry(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	p.fail()
	p.clock.Advance(policy.MinAge)
	r := p.redriver()
	r.Table = unreadable{&p.table}
	if s, err := r.Run(t.Context()); err != nil || s.Sent != 1 || s.Errors != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// broken is a table whose messages can't be read.
type broken struct{ *deadlettertest.Memory }

func (broken) Message(context.Context, string) (deadletter.Message, error) {
	return deadletter.Message{}, fmt.Errorf("%w: torn", deadletter.ErrUnreadable)
}

// What can't be read can't be sent, however often: it ends, and a person is told and sees the
// entry.
func TestUnreadableMessage(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	before := p.fail()
	r := p.redriver()
	r.Table = broken{&p.table}
	for range 2 * policy.MaxRedrives {
		p.clock.Advance(24 * time.Hour)
		if _, err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e, m, err := deadletter.Desk{Table: r.Table, Clock: p.clock}.Get(t.Context(), before.ID)
	if err != nil || len(m.Body) != 0 || e.Status != deadletter.StatusSpent || e.Error != before.Error ||
		!strings.Contains(e.RedriveError, "torn") || len(p.told) != 1 || len(p.queue) != 0 {
		t.Errorf("%+v, %v, told %q", e, err, p.told)
	}
}

// Functions are invoked while there is time for the longest answer only, also those that have
// waited for others: what is left is the next run's.
func TestTimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, now := newPlant(t), clock.System{}
		p.table.Fail = nil // it counts for one goroutine
		e := func(i int, kind deadletter.Kind, alert bool) {
			if err := p.table.Create(t.Context(), deadletter.Entry{
				ID: ident.Derive("test", fmt.Sprint(i)), Status: deadletter.StatusOpen, Kind: kind, Target: queueARN,
				Next: now.Now().Add(time.Duration(i - 100)), Alert: alert,
			}, deadletter.Message{Body: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 17 {
			e(i, deadletter.KindInvocation, false)
		}
		e(20, deadletter.KindQueue, false)
		e(21, deadletter.KindInvocation, true)
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Second)
		defer cancel()
		r := p.redriver()
		r.Clock, r.Functions, r.Alerts = now, slow{now, 100 * time.Second}, deaf{}
		s, err := r.Run(ctx)
		if want := (deadletter.Summary{Resolved: 16, Sent: 1, Alerted: 1, Unfinished: true}); err != nil || s != want ||
			ctx.Err() != nil {
			t.Errorf("%+v, %v, %v; want %+v", s, err, ctx.Err(), want)
		}
	})
}

// deaf hears everything.
type deaf struct{}

func (deaf) Tell(context.Context, string, string) error { return nil }

// slow answers after a while.
type slow struct {
	clock clock.Clock
	takes time.Duration
}

func (s slow) Invoke(ctx context.Context, _ string, _ []byte) (string, error) {
	return "", s.clock.Sleep(ctx, s.takes)
}

// What was never held is not let go: no order of a person makes a consumer have its effect a second
// time where nobody has to.
func TestTakeOverOfNothing(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	e := p.fail()
	if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(
		t.Context(), e.ID, deadletter.Order{TakeOver: true},
	); err != nil {
		t.Fatal(err)
	}
	if s, err := p.redrive(); err != nil || s.Sent != 1 || p.queue[0].attributes["take-over"] != "" {
		t.Errorf("%+v, %v, sent %+v", s, err, p.queue)
	}
}

// An order to have an effect a second time that nobody answers does not become one that is repeated
// by itself.
func TestTakeOverThatIsNotAnswered(t *testing.T) {
	p := newPlant(t)
	if err := p.table.Create(t.Context(),
		deadletter.Entry{
			ID: ident.New(), Status: deadletter.StatusOpen, Kind: deadletter.KindQueue, Target: queueARN, Held: true,
		},
		deadletter.Message{Body: []byte(event)}); err != nil {
		t.Fatal(err)
	}
	p.trouble = deadletter.ErrRefused
	if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(
		t.Context(), p.only().ID, deadletter.Order{TakeOver: true},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := p.redrive(); err != nil {
		t.Fatal(err)
	}
	p.goOn()
	if e := p.only(); e.Status != deadletter.StatusOpen || !e.Held || e.Redrives != 1 || len(p.told) != 1 {
		t.Errorf("%+v, told %q", e, p.told)
	}
}

// The redrive's own dead letters are not recorded: one a run would be one a minute, and the next
// run does what that one did not.
func TestLettersOfTheRedriveItself(t *testing.T) {
	p := newPlant(t)
	for _, l := range []deadletter.Letter{
		{
			QueueARN: lettersARN, MessageID: "1",
			Body: []byte(
				`{"requestContext":{"functionArn":"` + functionARN +
					`redrive-dead-letters","condition":"RetriesExhausted"},"requestPayload":{}}`,
			),
		},
		{
			QueueARN: lettersARN, MessageID: "2", Body: []byte(`{}`),
			Attributes: map[string]string{"TARGET_ARN": functionARN + "redrive-dead-letters", "ERROR_CODE": "x"},
		},
	} {
		if err := p.record(l); err != nil {
			t.Error(err)
		}
	}
	if page, err := p.table.List(t.Context(), deadletter.Query{Limit: 1}); err != nil || len(page.Entries) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}

// A message that fails anew after it was resolved has all its redrives, and those that people
// ordered cost it none.
func TestRedrivesOfItsOwn(t *testing.T) {
	p := newPlant(t)
	letter := func() {
		t.Helper()
		if err := p.record(deadletter.Letter{QueueARN: lettersARN,
			MessageID: ident.New(), Body: []byte(
				`{"consumer":"project-views","stream":"order/o1","sequenceNumber":"3","eventId":"e","streamArn":"a",` +
					`"error":"no commit","at":"2026-03-01T11:00:00Z","image":{}}`)}); err != nil {
			t.Fatal(err)
		}
	}
	letter()
	p.invoke = "still no commit"
	for range 3 {
		if _, err := (deadletter.Desk{Table: &p.table, Clock: p.clock}).Redrive(
			t.Context(), p.only().ID, deadletter.Order{Request: es.Request{CommitID: ident.New()}},
		); err != nil {
			t.Fatal(err)
		}
		if s, err := p.redrive(); err != nil || s.Failed != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	if e := p.only(); e.Status != deadletter.StatusOpen || e.Redrives != 3 || e.Automatic != 0 ||
		!e.Next.Equal(p.clock.Now().Add(5*time.Minute)) {
		t.Errorf("after three orders %+v", e)
	}
	for range 2 {
		p.clock.Advance(p.only().Next.Sub(p.clock.Now()))
		if _, err := p.redrive(); err != nil {
			t.Fatal(err)
		}
	}
	p.invoke = ""
	p.goOn()
	if e := p.only(); e.Status != deadletter.StatusResolved || e.Redrives != 6 || e.Automatic != 3 {
		t.Fatalf("%+v", e)
	}
	p.clock.Advance(24 * time.Hour)
	letter()
	if e := p.only(); e.Status != deadletter.StatusOpen || e.Automatic != 0 ||
		!e.Next.Equal(p.clock.Now().Add(5*time.Minute)) {
		t.Errorf("failed anew: %+v", e)
	}
	p.clock.Advance(time.Minute)
	if _, err := p.redrive(); err != nil || p.values["OldestDeadLetterSeconds "] != 60 {
		t.Errorf("%v, measured %v: it is as old as since it was opened", err, p.values)
	}
}

// keyed is a table with keys as DynamoDB takes them.
type keyed struct{ *deadlettertest.Memory }

func (k keyed) Get(ctx context.Context, id string) (deadletter.Entry, error) {
	if len(id) > 2_048 {
		return deadletter.Entry{}, errors.New("the key is too long")
	}
	return k.Memory.Get(ctx, id)
}

// What a message calls an id may be anything, and is no reason to fail.
func TestIDsThatAreNone(t *testing.T) {
	p := newPlant(t)
	long := strings.Repeat("x", 3_000)
	if err := (deadletter.Journal{
		Table: keyed{&p.table}, Clock: p.clock,
	}).Succeeded(t.Context(), long, queueARN); err != nil {
		t.Error(err)
	}
	for i, l := range []deadletter.Letter{
		{
			QueueARN: lettersARN, SourceARN: queueARN, Body: []byte(event),
			Attributes: map[string]string{"dead-letter-id": long, "redrive-attempt": "1"},
		},
		{QueueARN: lettersARN, Body: []byte(
			`{"consumer":"order-saga","problem":"undo failed","orderId":"o1",` +
				`"execution":"arn:aws:states:r:1:execution:m:redrive-` + long + `-1"}`)},
	} {
		l.MessageID = fmt.Sprint(i)
		if err := (deadletter.Recorder{
			Table: keyed{&p.table}, Records: dynamostore.Records{}, Clock: p.clock, Policy: policy, Stack: "s",
		}).Record(t.Context(), l); err != nil {
			t.Error(err)
		}
	}
}

// A message says by itself which entry it is of, and anybody can send one: an entry of another
// queue is neither changed by its failure nor closed by its success.
func TestEntriesOfOthers(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	mails := "arn:aws:sqs:us-east-1:123456789012:s-send-mails"
	e := p.fail()
	p.clock.Advance(policy.MinAge)
	if _, err := p.redrive(); err != nil {
		t.Fatal(err)
	}
	before := p.only()
	for _, tc := range []struct{ queue, id string }{
		{mails, e.ID}, {queueARN, "note/s-start-saga/m0"}, {queueARN, ident.New()}, {queueARN, strings.ToUpper(e.ID)},
	} {
		if err := (deadletter.Journal{
			Table: &p.table, Clock: p.clock,
		}).Succeeded(t.Context(), tc.id, tc.queue); err != nil || p.only().Revision != before.Revision {
			t.Errorf("%s of %s: %v, %+v", tc.id, tc.queue, err, p.only())
		}
	}
	for i, tc := range []struct{ queue, id string }{
		{mails, e.ID}, {queueARN, "note/s-start-saga/m0"}, {queueARN, ident.New()},
	} {
		l := deadletter.Letter{
			QueueARN: lettersARN, SourceARN: tc.queue, MessageID: fmt.Sprint("forged", i), Body: []byte(event),
			Attributes: map[string]string{"dead-letter-id": tc.id, "redrive-attempt": "1"},
		}
		if err := p.record(l); err != nil {
			t.Fatal(err)
		}
		page, err := p.table.List(t.Context(), deadletter.Query{Limit: 10})
		if err != nil || len(page.Entries) != i+2 {
			t.Fatalf("%s of %s: %d entries, %v", tc.id, tc.queue, len(page.Entries), err)
		}
	}
	if got, err := p.table.Get(t.Context(), e.ID); err != nil || got.Revision != before.Revision {
		t.Errorf("%+v, %v", got, err)
	}
	order := ident.New()
	if err := p.record(deadletter.Letter{QueueARN: lettersARN,
		MessageID: "run", Body: []byte(
			`{"consumer":"order-saga","problem":"undo failed","orderId":"` + order +
				`","execution":"arn:aws:states:r:1:execution:m:redrive-` + e.ID + `-1"}`)}); err != nil {
		t.Fatal(err)
	}
	if page, err := p.table.List(t.Context(), deadletter.Query{Consumer: "order-saga", Limit: 10}); err != nil ||
		len(page.Entries) != 1 || page.Entries[0].Target != order {
		t.Errorf("%+v, %v", page, err)
	}
}

// What the queue gives up before its consumer has noted three tries made it crash or run out of
// time, or never reached it: the entry says so, and counts what was noted.
func TestQueueGivesUp(t *testing.T) {
	const never = "no error was noted: the consumer crashed, ran out of time, or was never run"
	for tries, want := range map[int]string{
		0: never, 1: "no such table (failure 1 of 3; after it " + never + ")",
		2: "no such table (failure 2 of 3; after it " + never + ")", 3: "no such table", 4: "no such table",
	} {
		p := newPlant(t)
		p.clock.Advance(time.Minute)
		p.give(deadletter.Note{Error: "no such table"}, tries)
		if e := p.only(); e.Error != want || e.Failures != max(1, tries) ||
			!e.FirstFailure.Equal(start) != (tries == 0) || e.LastFailure.Equal(start) != (tries >= 3) {
			t.Errorf("after %d tries: %+v", tries, e)
		}
	}
}

// The last try makes the message the entry that it would be had the queue moved it: what the queue
// moves all the same, since the consumer died before it answered, changes nothing.
func TestLastTryIsTheQueuesLetter(t *testing.T) {
	p := newPlant(t)
	p.poison = true
	before := p.fail()
	if before.Failures != 3 || before.Error != "no such table" || before.Status != deadletter.StatusOpen ||
		before.Target != queueARN || before.Consumer != "start-saga" || before.Origin != "dead-letters" {
		t.Errorf("%+v", before)
	}
	if err := p.record(deadletter.Letter{
		QueueARN: lettersARN, MessageID: "m0", Body: []byte(event), SourceARN: queueARN, Sent: p.clock.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	if after := p.only(); !cmp.Equal(before, after) {
		t.Error(cmp.Diff(before, after))
	}
}

// What SQS says of a letter comes before what its attributes say: a client that sends a message to
// a queue can't make it a dead letter of another one.
func TestForgedMove(t *testing.T) {
	p := newPlant(t)
	if err := p.record(deadletter.Letter{
		QueueARN: lettersARN, MessageID: "m", Body: []byte(event), SourceARN: queueARN,
		Attributes: map[string]string{deadletter.AttributeMoved: queueARN + "-other x"},
	}); err != nil {
		t.Fatal(err)
	}
	e := p.only()
	if e.Target != queueARN || e.Consumer != "start-saga" {
		t.Errorf("%+v", e)
	}
	m, err := p.table.Message(t.Context(), e.ID)
	if err != nil || len(m.Attributes) > 0 {
		t.Errorf("goes back with %v, %v", m.Attributes, err)
	}
}

// An error while a run is asked how it stands says nothing about the run.
func TestUndoThatCannotBeAsked(t *testing.T) {
	p := newPlant(t)
	if err := p.record(deadletter.Letter{QueueARN: lettersARN,
		MessageID: "m", Body: []byte(
			`{"consumer":"order-saga","problem":"undo failed","orderId":"` + ident.New() +
				`","execution":"arn:aws:states:r:1:execution:m:o1","correlationId":"c3"}`)}); err != nil {
		t.Fatal(err)
	}
	p.clock.Advance(policy.MinAge)
	if _, err := p.redrive(); err != nil {
		t.Fatal(err)
	}
	before := p.only()
	p.trouble = errors.New("slow down")
	for range 10 {
		p.clock.Advance(time.Minute)
		if s, err := p.redrive(); err != nil || s.Errors != 1 || s.Failed != 0 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	if e := p.only(); e.Status != deadletter.StatusRedriving || e.Redrives != 1 || e.Error != before.Error ||
		e.Failures != before.Failures {
		t.Errorf("%+v", e)
	}
	p.trouble = nil
	p.runs["redrive-"+before.ID+"-1"] = "succeeded"
	p.clock.Advance(time.Minute)
	if s, err := p.redrive(); err != nil || s.Resolved != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// crowded is a table with more open entries than are counted, and one of each other status.
type crowded struct{ *deadlettertest.Memory }

func (c crowded) List(_ context.Context, q deadletter.Query) (deadletter.Page, error) {
	if !q.Oldest {
		return deadletter.Page{}, errors.New("the oldest would not be among those that are counted")
	}
	e := deadletter.Entry{Status: q.Status, Consumer: "c", RecordedAt: start}
	if q.Status != deadletter.StatusOpen {
		return deadletter.Page{Entries: []deadletter.Entry{e}}, nil
	}
	return deadletter.Page{Entries: slices.Repeat([]deadletter.Entry{e}, q.Limit), Next: "more"}, nil
}

// However many entries are open, those that wait for a person are counted too.
func TestMeasuresOfMany(t *testing.T) {
	p := newPlant(t)
	r := p.redriver()
	r.Table = crowded{&p.table}
	p.clock.Advance(time.Hour)
	if _, err := r.Run(t.Context()); err != nil || p.values["OpenDeadLetters "] != 10_001 ||
		p.values["SpentDeadLetters "] != 1 || p.values["OldestDeadLetterSeconds "] != 3_600 {
		t.Errorf("%v, measured %v", err, p.values)
	}
}

func TestParsePolicy(t *testing.T) {
	if got := deadletter.ParsePolicy("300", "3", "2"); got != policy {
		t.Errorf("%+v", got)
	}
	for _, bad := range [][3]string{
		{"0", "3", "2"}, {"x", "3", "2"}, {"300", "-1", "2"}, {"300", "3", "0.5"}, {"300", "3", "NaN"}, {"", "", ""},
		{"0300", "3", "2"}, {"300", "03", "2"}, {"300", "3", "02"}, {"+300", "3", "2"}, {"300", "+3", "2"},
		{"300", "3", "0x2"}, {"300", "3", "1e1"}, {"300", "3", "2."}, {"300", "3", "101"},
	} {
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

// Each line about an entry says what its message is about, from recording to redriving, and so does
// one about an entry that can't be seen to.
func TestLinesOfAnEntry(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(trail.Handler(slog.NewTextHandler(&log, nil))))
	t.Cleanup(func() { slog.SetDefault(before) })
	p := newPlant(t)
	p.queue = []queued{{id: "m0", body: `{"detail-type":"shipment.prepared","detail":{"id":"shipment/s1@2","subject":` +
		`"shipment/s1","correlationid":"c1","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",` +
		`"data":{"orderId":"o1"}}}`}}
	p.poison = true
	for len(p.queue) > 0 {
		p.consume()
	}
	p.clock.Advance(5 * time.Minute)
	p.trouble = deadletter.ErrNotSent
	_, _ = p.redrive()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	about := 0
	for _, line := range lines {
		if !strings.Contains(line, "deadLetterId=") {
			continue
		}
		about++
		const want = "subject=shipment/s1 orderId=o1 correlationId=c1 traceId=4bf92f3577b34da6a3ce929d0e0e4736"
		if !strings.HasSuffix(line, want) {
			t.Errorf("%s, want %s", line, want)
		}
	}
	if about < 3 { // recorded, redriven, fails
		t.Errorf("%d lines about the entry:\n%s", about, &log)
	}
}
