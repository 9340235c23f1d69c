package archtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"orderflow/shared/ops/deadletter"
)

const sagaFile = "statemachines/order-saga.asl.json"

// arbiter is the state that decides between confirm and undo. Up to it a run fulfils, from it on it
// undoes.
const arbiter = "CloseOrder"

// withoutLastCatch lists tasks that may lack the Catch of States.ALL, each with its reason. Empty:
// also a dead letter that can't be sent has a state to go to.
var withoutLastCatch = map[string]string{}

// beyondUndo are the faults of an undoing step after which nothing else is undone either: what left
// with the carrier is paid for and out of stock.
var beyondUndo = []string{"shipment.dispatched"}

// nothingLeft are the faults of a fulfilling step that say that nothing is left to fulfil, and so
// nothing to decide.
var nothingLeft = []string{"order.fulfilled"}

// halfDone are the faults of a fulfilling step that say that half of what was asked is done, with
// which the order goes on.
var halfDone = []string{"stock.partial"}

// machine is a state machine in Amazon States Language, as far as the rules need it.
type machine struct {
	Comment        string
	QueryLanguage  string
	StartAt        string
	TimeoutSeconds float64
	States         map[string]state
}

type state struct {
	Type           string
	Resource       string
	Arguments      object
	TimeoutSeconds timeout
	Seconds        float64
	Retry          []retrier
	Catch          []catcher
	Choices        []struct{ Next string }
	Default        string
	Next           string
	End            bool
}

// timeout is a number of seconds, or the expression of a deadline, which is 0 here: the state waits
// for people, for as long as a parameter says.
type timeout float64

func (s *timeout) UnmarshalJSON(text []byte) error {
	if string(text) == deadline {
		return nil
	}
	return json.Unmarshal(text, (*float64)(s))
}

// deadline is what is left until the deadline of what a run waits for, in whole seconds.
const deadline = `"{% $max([1, $ceil(($wait.deadline - $millis()) / 1000)]) %}"`

// waitStates are the states that wait for people, or for stock, each with the parameter that says
// for how many minutes at most.
var waitStates = map[string]string{
	"AwaitApproval": "HoldMinutes", "AwaitStock": "BackorderMinutes", "AwaitPayment": "PaymentMinutes",
}

type retrier struct {
	ErrorEquals     []string
	IntervalSeconds *float64
	BackoffRate     *float64
	MaxDelaySeconds *float64
	MaxAttempts     *float64
	JitterStrategy  string
}

type catcher struct {
	ErrorEquals []string
	Next        string
}

func parseMachine(t *testing.T, text string) machine {
	t.Helper()
	var m machine
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m machine) names() []string { return slices.Sorted(maps.Keys(m.States)) }

// next lists where a state can go to.
func (s state) next() []string {
	var all []string
	for _, c := range s.Choices {
		all = append(all, c.Next)
	}
	for _, c := range s.Catch {
		all = append(all, c.Next)
	}
	for _, n := range []string{s.Default, s.Next} {
		if n != "" {
			all = append(all, n)
		}
	}
	return all
}

func or(value *float64, otherwise float64) float64 {
	if value == nil {
		return otherwise
	}
	return *value
}

// worst is the longest that a state can take, in seconds: each attempt times out and each delay is
// at its longest. Numbers that the language has defaults for count with them (3 attempts, 1 s, rate
// 2).
func (s state) worst() float64 {
	switch s.Type {
	case "Wait":
		return s.Seconds
	case "Task":
	default:
		return 0
	}
	total := float64(s.TimeoutSeconds)
	for _, r := range s.Retry {
		delay := or(r.IntervalSeconds, 1)
		for range int(or(r.MaxAttempts, 3)) {
			total += math.Min(delay, or(r.MaxDelaySeconds, math.Inf(1))) + float64(s.TimeoutSeconds)
			delay *= or(r.BackoffRate, 2)
		}
	}
	return total
}

// longest is the longest way from a state to an end, or up to a state where it stops, or waits for
// people. A loop makes it endless.
func (m machine) longest(from, stop string, seen ...string) float64 {
	if from == stop || waitStates[from] != "" {
		return 0
	}
	if slices.Contains(seen, from) {
		return math.Inf(1)
	}
	s := m.States[from]
	rest := 0.0
	for _, n := range s.next() {
		rest = math.Max(rest, m.longest(n, stop, append(slices.Clone(seen), from)...))
	}
	return s.worst() + rest
}

// leg is the longest that a run fulfils, from its start or from where it waited, until it waits,
// ends or comes to the arbiter: that long, and the undo after it, nothing need come of an order.
func (m machine) leg() float64 {
	longest := m.longest(m.StartAt, arbiter)
	for name := range waitStates {
		s := m.States[name]
		for _, n := range s.next() {
			// The task that begins to wait may have been tried again and again before.
			longest = math.Max(longest, s.worst()+m.longest(n, arbiter))
		}
	}
	return longest
}

// largest is the largest whole number that a parameter's pattern allows, by its digits.
func largest(parameter any) float64 {
	match := digits.FindStringSubmatch(textAt(parameter, "AllowedPattern"))
	if match == nil {
		return math.Inf(1)
	}
	more, err := strconv.Atoi(match[1])
	if err != nil {
		return math.Inf(1)
	}
	return math.Pow10(more+1) - 1
}

var digits = regexp.MustCompile(`\[1-9\]\[0-9\]\{0,(\d)\}\)?$`)

// budget: the machine's time-out runs no Catch, so it lies above the worst case: what it may wait
// for people, a leg before the first wait and one after each, and the undo. A payment that is tried
// again within its time takes some of that. And what its comment says of that is true.
func budget(m machine, t template) (found findings) {
	waiting, legs, leg, undo := 0.0, 1, m.leg(), m.longest(arbiter, "")
	for name, parameter := range waitStates {
		if _, ok := m.States[name]; ok {
			waiting += 60 * largest(t.Parameters[parameter])
			legs++
		}
	}
	worst := waiting + float64(legs)*leg + undo
	if math.IsInf(worst, 1) {
		found.addf("the machine has a loop, so it has no worst case")
		return found
	}
	if m.TimeoutSeconds <= worst {
		found.addf("TimeoutSeconds is %v, and the worst case takes %v", m.TimeoutSeconds, worst)
	}
	if want := fmt.Sprintf(
		"waits %.0f s + %d × fulfil %.0f s + undo %.0f s = %.0f s", waiting, legs, leg, undo, worst,
	); !strings.Contains(m.Comment, want) {
		found.addf("the comment doesn't say %q", want)
	}
	return found
}

// tasks: each has a time-out, retries everything with full jitter, and ends in a Catch of
// States.ALL.
func tasks(m machine) (found findings) {
	for _, name := range m.names() {
		s := m.States[name]
		if s.Type == "Parallel" || s.Type == "Map" {
			found.addf("%s is a %s, which the rules of this package don't look into", name, s.Type)
		}
		if s.Type != "Task" {
			continue
		}
		if s.TimeoutSeconds <= 0 && waitStates[name] == "" {
			found.addf("%s has no TimeoutSeconds", name)
		}
		if n := len(s.Retry); n == 0 || !slices.Equal(s.Retry[n-1].ErrorEquals, []string{"States.ALL"}) ||
			or(s.Retry[n-1].MaxAttempts, 3) < 1 {
			found.addf("%s doesn't retry States.ALL at last", name)
		}
		for _, r := range s.Retry {
			if or(r.MaxAttempts, 3) > 0 && (r.JitterStrategy != "FULL" || r.MaxDelaySeconds == nil) {
				found.addf("%s retries %s without full jitter or without MaxDelaySeconds", name, r.ErrorEquals)
			}
		}
		if n := len(s.Catch); withoutLastCatch[name] == "" &&
			(n == 0 || !slices.Equal(s.Catch[n-1].ErrorEquals, []string{"States.ALL"})) {
			found.addf("%s doesn't end in a Catch of States.ALL", name)
		}
	}
	return found
}

// fair: a command by queue names its customer, whose commands wait behind those of others where
// they are many (docs/decisions/0097-fair-queues.md).
func fair(m machine) (found findings) {
	for _, name := range m.names() {
		s := m.States[name]
		if strings.HasSuffix(s.Resource, ":sqs:sendMessage.waitForTaskToken") &&
			textAt(s.Arguments, "MessageGroupId") != "{% $order.customerId %}" {
			found.addf("%s sends a command that names no customer", name)
		}
	}
	return found
}

// ways: every failure of a fulfilling step goes to the arbiter, but what says that nothing is left
// to fulfil, which ends the run, or that half of it is done, behind which another step comes before
// the next; a failure of an undoing step goes on as its success does, unless
// there is nothing left to leave out, or nothing may be undone any more, and the run then fails;
// every state that is named exists.
func ways(m machine) (found findings) {
	fulfilling := m.reached(m.StartAt, arbiter)
	for _, name := range m.names() {
		s := m.States[name]
		for _, n := range s.next() {
			if _, ok := m.States[n]; !ok {
				found.addf("%s goes to %s, which there is not", name, n)
			}
		}
		for _, c := range s.Catch {
			switch {
			case fulfilling[name] && only(c, nothingLeft) && m.States[c.Next].Type == "Succeed":
			case fulfilling[name] && m.leadsToWait(name, c):
			case fulfilling[name] && only(c, halfDone) && m.States[c.Next].Type == "Task" &&
				m.States[c.Next].Next == s.Next:
			case fulfilling[name] && c.Next != arbiter:
				found.addf("%s: a Catch goes to %s and not to %s", name, c.Next, arbiter)
			case fulfilling[name] || c.Next == s.Next:
			case name != arbiter && m.anyOf(s.Next, "Task") && !only(c, beyondUndo):
				found.addf("%s: its Catch goes to %s and leaves out %s", name, c.Next, s.Next)
			case m.succeeds(c.Next):
				found.addf("%s: its Catch goes to %s, from where the run can still succeed", name, c.Next)
			}
		}
	}
	return found
}

// leadsToWait reports whether a Catch of faults that are named goes to where the run waits for
// people, or may, or from where it waits to what its deadline asks.
func (m machine) leadsToWait(name string, c catcher) bool {
	if waitStates[name] != "" {
		return only(c, []string{"States.Timeout"}) && m.States[c.Next].Type == "Task" && waitStates[c.Next] == ""
	}
	waiting := waitStates[c.Next] != "" || slices.ContainsFunc(
		m.States[c.Next].Choices, func(choice struct{ Next string }) bool { return waitStates[choice.Next] != "" },
	)
	return waiting && !slices.Contains(c.ErrorEquals, "States.ALL")
}

// only reports whether a Catch is of nothing but these faults.
func only(c catcher, codes []string) bool {
	return !slices.ContainsFunc(c.ErrorEquals, func(code string) bool { return !slices.Contains(codes, code) })
}

// reached is the set of states that can be reached from one, itself included, without going through
// another.
func (m machine) reached(from, without string) map[string]bool {
	set := map[string]bool{}
	var walk func(string)
	walk = func(name string) {
		if name == without || set[name] {
			return
		}
		set[name] = true
		for _, n := range m.States[name].next() {
			walk(n)
		}
	}
	walk(from)
	return set
}

// succeeds says whether a run can still succeed from a state on.
func (m machine) succeeds(from string) bool {
	for name := range m.reached(from, "") {
		if m.States[name].Type == "Succeed" || m.States[name].End {
			return true
		}
	}
	return false
}

// anyOf says whether a state of a type can be reached.
func (m machine) anyOf(from, kind string) bool {
	for name := range m.reached(from, "") {
		if m.States[name].Type == kind {
			return true
		}
	}
	return false
}

// errorNames: what a Retry or a Catch names is reserved by the language or the runtime, or a fault
// that somebody declared.
func errorNames(m machine, declared []string) (found findings) {
	for _, name := range m.names() {
		var codes []string
		for _, r := range m.States[name].Retry {
			codes = append(codes, r.ErrorEquals...)
		}
		for _, c := range m.States[name].Catch {
			codes = append(codes, c.ErrorEquals...)
		}
		for _, code := range codes {
			reserved := slices.ContainsFunc(
				[]string{"States.", "Lambda.", "Sandbox."}, func(p string) bool { return strings.HasPrefix(code, p) },
			)
			if !reserved && !slices.Contains(declared, code) {
				found.addf("%s names the error %s, which no fault declares", name, code)
			}
		}
	}
	return found
}

var placeholder = regexp.MustCompile(`\$\{(\w+)\}`)

// substitutions: what the machine leaves open is what the template fills in.
func substitutions(text string, t template) (found findings) {
	given, _ := sagaProperty(t, "DefinitionSubstitutions").(object)
	open := map[string]bool{}
	for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
		open[match[1]] = true
	}
	for name := range open {
		if given[name] == nil {
			found.addf("the machine needs %s and the template doesn't give it", name)
		}
	}
	for name := range given {
		if !open[name] {
			found.addf("the template gives %s and the machine doesn't use it", name)
		}
	}
	return found
}

func sagaProperty(t template, name string) any {
	for _, id := range t.ofType(serverlessMachine) {
		return t.Resources[id].Properties[name]
	}
	return nil
}

// stepTimes: a function gives up before its state does, so that it is the function that says what
// happened. For a command by queue that is the function that takes it from the queue.
func stepTimes(m machine, t template) (found findings) {
	for _, name := range m.names() {
		s := m.States[name]
		if s.Type != "Task" || waitStates[name] != "" {
			continue
		}
		for _, argument := range []string{"FunctionName", "QueueUrl"} {
			match := placeholder.FindStringSubmatch(textAt(s.Arguments, argument))
			if match == nil {
				continue
			}
			id := target(at(sagaProperty(t, "DefinitionSubstitutions"), match[1]))
			// A queue of dead letters has no count, and no consumer to wait for.
			tries := min(deadletter.Tries, numberAt(t.prop(id, "RedrivePolicy", "maxReceiveCount")))
			if given := tries * numberAt(t.prop(id, "VisibilityTimeout")); given >= float64(s.TimeoutSeconds) {
				found.addf(
					"%s waits %v s, and the consumer of its queue tries a message for %v s by itself", name,
					s.TimeoutSeconds, given,
				)
			}
			for _, f := range t.ofType(serverlessFunction) {
				if f != id && !slices.Contains(queuesOf(t, f), id) {
					continue
				}
				if timeout := numberAt(t.prop(f, "Timeout")); timeout == 0 || timeout >= float64(s.TimeoutSeconds) {
					found.addf("%s waits %v s for %s, which may take %v", name, s.TimeoutSeconds, f, timeout)
				}
			}
		}
	}
	return found
}

// sweepBudget: the sweep doesn't touch an order that a run may still be working on, from one event
// of it to the next.
func sweepBudget(m machine, t template) (found findings) {
	text, longest := textAt(t.Parameters["OrderBudgetSeconds"], "Default"), m.leg()+m.longest(arbiter, "")
	if budget, err := strconv.ParseFloat(text, 64); err != nil || budget <= longest {
		found.addf("OrderBudgetSeconds is %q by default, and a run may take %v", text, longest)
	}
	return found
}

func TestMachine(t *testing.T) {
	text := readFile(t, sagaFile)
	m, template := parseMachine(t, text), mainTemplate(t)
	declared, _ := declaredFaults(sources(t))
	t.Run("budget", func(t *testing.T) { wantNone(t, budget(m, template)) })
	t.Run("tasks", func(t *testing.T) { wantNone(t, tasks(m)) })
	t.Run("ways", func(t *testing.T) { wantNone(t, ways(m)) })
	t.Run("fair", func(t *testing.T) { wantNone(t, fair(m)) })
	t.Run("error names", func(t *testing.T) { wantNone(t, errorNames(m, declared)) })
	t.Run("substitutions", func(t *testing.T) { wantNone(t, substitutions(text, template)) })
	t.Run("step times", func(t *testing.T) { wantNone(t, stepTimes(m, template)) })
	t.Run("sweep budget", func(t *testing.T) { wantNone(t, sweepBudget(m, template)) })
}

// TestTransitions: each state that is entered is paid for. An order that goes through enters the
// choice of the way and a state for each of its five steps, and one whose stock is refused ten.
func TestTransitions(t *testing.T) {
	m := parseMachine(t, readFile(t, sagaFile))
	entered := func(from string) (n int) {
		for name := from; name != ""; name = m.States[name].Next {
			n++
		}
		return n
	}
	fulfil := m.States[m.StartAt].Choices[0].Next
	if n := 1 + entered(fulfil); n != 6 || !m.States["ConfirmOrder"].End {
		t.Errorf("an order that goes through enters %d states", n)
	}
	undo := m.States["Closed"].Choices[0].Next
	last := m.States["AllUndone"].Choices[0].Next
	if n := 1 + entered(fulfil) - entered(m.States["ReserveStock"].Next) + entered(arbiter) + entered(undo) +
		entered(last); n != 10 {
		t.Errorf("an order whose stock is refused enters %d states", n)
	}
}

// goodMachine keeps every rule. A state takes 10+1+10 s at worst: fulfil has one, undo three.
const goodMachine = `{
  "Comment": "waits 0 s + 1 × fulfil 21 s + undo 63 s = 84 s", "StartAt": "Step", "TimeoutSeconds": 85, "States": {
    "Step": {"Type": "Task", "TimeoutSeconds": 10, "Arguments": {"FunctionName": "${StepArn}"}, "Next": "Done",
      "Retry": [{"ErrorEquals": ["a.known"], "MaxAttempts": 0},
                {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1, "MaxDelaySeconds": 5, "JitterStrategy": "FULL"}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]},
    "CloseOrder": {"Type": "Task", "TimeoutSeconds": 10, "Next": "Undo",
      "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
      "Arguments": {"QueueUrl": "${QueueUrl}", "MessageGroupId": "{% $order.customerId %}"},
      "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1, "MaxDelaySeconds": 5, "JitterStrategy": "FULL"}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Lost"}]},
    "Undo": {"Type": "Task", "TimeoutSeconds": 10, "Next": "UndoMore",
      "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1, "MaxDelaySeconds": 5, "JitterStrategy": "FULL"}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "UndoMore"}]},
    "UndoMore": {"Type": "Task", "TimeoutSeconds": 10, "Next": "Done",
      "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1, "IntervalSeconds": 1, "MaxDelaySeconds": 5, "JitterStrategy": "FULL"}],
      "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Lost"}]},
    "Done": {"Type": "Succeed"},
    "Lost": {"Type": "Fail"}
  }}`

const machineTemplate = `
Parameters: {OrderBudgetSeconds: {Default: '85'}}
Resources:
  Saga: {Type: 'AWS::Serverless::StateMachine', Properties: {DefinitionSubstitutions: {StepArn: !GetAtt Step.Arn, QueueUrl: !Ref Commands}}}
  Step: {Type: 'AWS::Serverless::Function', Properties: {Timeout: 9}}
  Close: {Type: 'AWS::Serverless::Function', Properties: {Timeout: 9, Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Commands.Arn}}}}}
  Commands: {Type: 'AWS::SQS::Queue'}
`

func TestMachineRulesFind(t *testing.T) {
	rules := func(t *testing.T, text, templateText string) findings {
		m, template := parseMachine(t, text), parseTemplate(t, templateText)
		return slices.Concat(
			budget(m, template), tasks(m), fair(m), ways(m),
			errorNames(m, []string{"a.known", "order.fulfilled", "shipment.dispatched"}),
			substitutions(text, template), stepTimes(m, template), sweepBudget(m, template),
		)
	}
	for name, tc := range map[string]edit{
		"good": {"", "", ""},
		"time-out below the budget": {
			`"TimeoutSeconds": 85`, `"TimeoutSeconds": 84`, "TimeoutSeconds is 84, and the worst case takes 84",
		},
		"a figure that is not true": {"undo 63 s", "undo 62 s", `doesn't say "waits 0 s + 1 × fulfil 21 s + undo 63 s = 84 s"`},
		"more attempts":             {`"MaxAttempts": 1`, `"MaxAttempts": 2`, "the worst case takes"},
		"a loop": {
			`"Done": {"Type": "Succeed"}`, `"Done": {"Type": "Pass", "Next": "Undo"}`, "loop",
		},
		"a task without time-out": {
			`"Undo": {"Type": "Task", "TimeoutSeconds": 10,`, `"Undo": {"Type": "Task",`, "Undo has no TimeoutSeconds",
		},
		"no retry of everything": {
			`{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1`, `{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1`,
			"doesn't retry States.ALL",
		},
		"a command of nobody": {
			`, "MessageGroupId": "{% $order.customerId %}"`, "", "CloseOrder sends a command that names no customer",
		},
		"no retry":             {`"MaxAttempts": 1`, `"MaxAttempts": 0`, "doesn't retry States.ALL"},
		"retry without jitter": {`, "JitterStrategy": "FULL"`, ``, "without full jitter"},
		"a catch of names only": {
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "UndoMore"}]`,
			`"Catch": [{"ErrorEquals": ["a.known"], "Next": "UndoMore"}]`, "Undo doesn't end in a Catch",
		},
		"no catch": {
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "UndoMore"}]`, `"Catch": []`,
			"Undo doesn't end in a Catch",
		},
		"a step that skips the arbiter": {
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]`,
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Undo"}]`, "Step: a Catch goes to Undo",
		},
		"a step that ends the run": {
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]`,
			`"Catch": [{"ErrorEquals": ["a.known"], "Next": "Done"},
                {"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]`,
			"Step: a Catch goes to Done",
		},
		"a step that finds nothing left to do": {
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]`,
			`"Catch": [{"ErrorEquals": ["order.fulfilled"], "Next": "Done"},
                {"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]`,
			"",
		},
		"a step that finds that, and fails": {
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]`,
			`"Catch": [{"ErrorEquals": ["order.fulfilled"], "Next": "Lost"},
                {"ErrorEquals": ["States.ALL"], "Next": "CloseOrder"}]`,
			"Step: a Catch goes to Lost",
		},
		"an undo that skips the rest": {
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "UndoMore"}]`,
			`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Lost"}]`,
			"Undo: its Catch goes to Lost and leaves out UndoMore",
		},
		"an undo that goes on after what can't be undone": {`"Catch": [{"ErrorEquals": ["States.ALL"],` +
			` "Next": "UndoMore"}]`,
			`"Catch": [{"ErrorEquals": ["shipment.dispatched"], "Next": "Done"}, {"ErrorEquals": ["States.ALL"],` +
				` "Next": "UndoMore"}]`, "Undo: its Catch goes to Done, from where"},
		"an undo that ends there": {`"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "UndoMore"}]`,
			`"Catch": [{"ErrorEquals": ["shipment.dispatched"], "Next": "Lost"}, {"ErrorEquals": ["States.ALL"],` +
				` "Next": "UndoMore"}]`, ""},
		"a close that is left open, by an End": {`"Next": "Lost"}]},
    "Undo":`, `"Next": "Last"}]},
    "Last": {"Type": "Pass", "End": true},
    "Undo":`, "CloseOrder: its Catch goes to Last, from where"},
		"a close that is left open": {`"Next": "Lost"}]},
    "Undo":`, `"Next": "Done"}]},
    "Undo":`, "CloseOrder: its Catch goes to Done, from where"},
		"a state that is not there":   {`"Lost": {"Type": "Fail"}`, `"Gone": {"Type": "Fail"}`, "goes to Lost"},
		"an error that nobody has":    {"a.known", "a.unknown", "names the error a.unknown"},
		"a substitution that is none": {"${StepArn}", "${OtherArn}", "needs OtherArn"},
		"one that nobody uses":        {"${StepArn}", "x", "gives StepArn"},
		"a function that outlasts": {
			`"Step": {"Type": "Task", "TimeoutSeconds": 10`, `"Step": {"Type": "Task", "TimeoutSeconds": 9`,
			"Step waits 9 s for Step",
		},
		"a consumer that outlasts": {
			`"CloseOrder": {"Type": "Task", "TimeoutSeconds": 10`, `"CloseOrder": {"Type": "Task", "TimeoutSeconds": 9`,
			"CloseOrder waits 9 s for Close",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, rules(t, tc.apply(t, goodMachine), machineTemplate), tc.want)
		})
	}
	t.Run("a sweep that is too early", func(t *testing.T) {
		wantOne(t, rules(t, goodMachine, strings.Replace(machineTemplate, "'85'", "'84'", 1)), "OrderBudgetSeconds")
	})
}

// TestWaitRulesFind: the rules of the real machine's waits, each broken once.
func TestWaitRulesFind(t *testing.T) {
	text, template := readFile(t, sagaFile), mainTemplate(t)
	for name, tc := range map[string]edit{
		"good": {"", "", ""},
		"a failure that expires the order": {
			`"States.Timeout"
          ],
          "Next": "ExpireWait"`, `"States.ALL"
          ],
          "Next": "ExpireWait"`, "a Catch goes to ExpireWait",
		},
		"any failure that waits": {
			`"order.held"
          ],
          "Assign"`, `"States.ALL"
          ],
          "Assign"`, "StartOrder: a Catch goes to AwaitApproval",
		},
		"any failure that goes on": {
			`"stock.partial"
          ],
          "Assign"`, `"States.ALL"
          ],
          "Assign"`, "ReserveStock: a Catch goes to ReduceOrder",
		},
		"a step that is left out": {
			`"Next": "ReduceOrder"`, `"Next": "ScheduleShipment"`, "ReserveStock: a Catch goes to ScheduleShipment",
		},
		"a step that waits for nobody": {
			`"Next": "MayPayAgain"`, `"Next": "WhichWay"`, "ChargePayment: a Catch goes to WhichWay",
		},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, ways(parseMachine(t, tc.apply(t, text))), tc.want) })
	}
	longer := template
	longer.Parameters = maps.Clone(template.Parameters)
	longer.Parameters["HoldMinutes"] = object{"AllowedPattern": "[1-9][0-9]{0,4}"}
	if found := budget(parseMachine(t, text), longer); len(found) != 2 {
		t.Errorf("an order that may be held for longer than the machine runs: %v", found)
	}
	var m machine
	if json.Unmarshal([]byte(strings.Replace(text, "$wait.deadline - ", "2 * ", 1)), &m) == nil {
		t.Error("a wait without its deadline is read")
	}
}
