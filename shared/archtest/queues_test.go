package archtest

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/inbound/queue"
	"orderflow/shared/ops/deadletter"
)

const (
	fourDays      = 345600  // SQS's default
	fourteenDays  = 1209600 // the longest that SQS keeps a message, in seconds
	twelveHours   = 43200
	streamReaders = 2 // more than two readers of a shard are throttled
	// a queue's visibility timeout, in timeouts of its function; its mapping's batching window
	// comes on top
	visibilityRate = 6
	windowless     = 10
)

// queuesOf lists the queues that a function takes messages from, by logical id.
func queuesOf(t template, function string) []string {
	var ids []string
	for _, e := range eventsOf(t, function, "SQS") {
		ids = append(ids, target(e["Queue"]))
	}
	return ids
}

// eventsOf lists the properties of a function's events of a type. A mapping from a queue that
// stands by itself is such an event of the function.
func eventsOf(t template, function, kind string) []object {
	var all []object
	for _, id := range t.ofType(lambdaMapping) {
		if kind == "SQS" && target(t.prop(id, "FunctionName")) == function {
			e := maps.Clone(t.Resources[id].Properties)
			e["Queue"] = e["EventSourceArn"]
			all = append(all, e)
		}
	}
	events, _ := t.Resources[function].Properties["Events"].(object)
	for _, e := range events {
		if textAt(e, "Type") == kind {
			p, _ := at(e, "Properties").(object)
			all = append(all, p)
		}
	}
	return all
}

// deadLetterQueues lists the queues that something ends in: of a queue, a rule, a schedule, a
// stream's mapping, an asynchronous invocation, a consumer or the saga.
func deadLetterQueues(t template) []string {
	set := map[string]bool{}
	add := func(value any) { set[target(value)] = true }
	for _, id := range t.ofType(queueType) {
		add(t.prop(id, "RedrivePolicy", "deadLetterTargetArn"))
	}
	for _, id := range t.ofType(ruleType) {
		for _, to := range list(t.prop(id, "Targets")) {
			add(at(to, "DeadLetterConfig", "Arn"))
		}
	}
	for _, id := range t.ofType(scheduleType) {
		add(t.prop(id, "Target", "DeadLetterConfig", "Arn"))
	}
	for _, id := range t.ofType(serverlessFunction) {
		add(t.prop(id, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination"))
		add(t.prop(id, "Environment", "Variables", "DEAD_LETTER_QUEUE_URL"))
		for _, e := range eventsOf(t, id, "DynamoDB") {
			add(at(e, "DestinationConfig", "OnFailure", "Destination"))
		}
	}
	add(at(sagaProperty(t, "DefinitionSubstitutions"), "DeadLetterQueueUrl"))
	var ids []string
	for id := range set {
		if t.Resources[id].Type == queueType {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// receives is how often a queue hands a message out. One with a mapping counts what was throttled
// too, so that AWS advises 5 at least; its consumer counts its own tries. One that a function reads
// when it runs is handed out by nobody else.
func receives(t template, queue string) float64 {
	if slices.ContainsFunc(t.ofType(serverlessFunction), func(f string) bool {
		return slices.Contains(queuesOf(t, f), queue)
	}) {
		return deadletter.MaxReceives
	}
	return deadletter.Tries
}

// queues: each has a dead letter queue or is one, which keeps for as long as SQS can; each is
// encrypted and is named after the stack.
func queues(t template) (found findings) {
	dead := deadLetterQueues(t)
	for _, id := range t.ofType(queueType) {
		to := target(t.prop(id, "RedrivePolicy", "deadLetterTargetArn"))
		switch {
		case slices.Contains(dead, id) && to != "":
			found.addf("%s is a dead letter queue and has one itself", id)
		case !slices.Contains(dead, id) && to == "":
			found.addf("%s has no dead letter queue", id)
		case to != "" && numberAt(t.prop(id, "RedrivePolicy", "maxReceiveCount")) != receives(t, id):
			found.addf("%s gives up after another number of receives than %v", id, receives(t, id))
		}
		// A message keeps its age when it moves to the dead letter queue, so that what is to lie
		// there for ten days may be four days old at most before.
		switch keeps := numberAt(t.prop(id, "MessageRetentionPeriod")); {
		case slices.Contains(dead, id) && keeps != fourteenDays:
			found.addf("%s doesn't keep for 14 days", id)
		case !slices.Contains(dead, id) && keeps != fourDays:
			found.addf("%s doesn't keep for 4 days", id)
		}
		if t.prop(id, "SqsManagedSseEnabled") != true {
			found.addf("%s isn't encrypted", id)
		}
		if stackName(t.prop(id, "QueueName")) == "" {
			found.addf("%s isn't named after the stack", id)
		}
	}
	return found
}

// nobodyWaits are the functions whose mappings gather batches, with the seconds that they may. What
// a customer waits for at the screen, or the saga, is handed over at once. A minute is the most:
// the alarm on a queue's age goes off after five.
var nobodyWaits = map[string]float64{
	"project-views":     1,  // lists and statistics; what has an id is read from events
	"prepare-shipments": 5,  // the warehouse
	"follow-shipments":  5,  // the order's status; the shipment itself has it at once
	"send-mails":        5,  // a mail is minutes under way
	"commit-stock":      30, // what it counts was reserved before, so that nobody can buy it
	"analyse-orders":    60, // figures by hour and day
}

// gathers finds a mapping that lets somebody wait.
func gathers(t template, function string, mapping object) (found findings) {
	window, most := numberAt(mapping, "MaximumBatchingWindowInSeconds"), nobodyWaits[functionName(t, function)]
	if window > most {
		found.addf("%s gathers for %v s what may wait for %v (nobodyWaits)", function, window, most)
	}
	return found
}

// leastOf is a number, or the least that a mapping of the template has in its place.
func leastOf(t template, value any) float64 {
	of, ok := at(value, "Fn::FindInMap").([]any)
	if !ok || len(of) != 3 {
		return numberAt(value)
	}
	least := math.Inf(1)
	for _, figures := range t.Mappings[fmt.Sprint(of[0])] {
		least = min(least, numberAt(figures, fmt.Sprint(of[2])))
	}
	return least
}

// consumers: how functions take messages from queues and records from streams.
func consumers(t template, files []source) (found findings) {
	readers, takers, dead := map[string]int{}, map[string][]string{}, deadLetterQueues(t)
	for _, id := range t.ofType(serverlessFunction) {
		timeout := numberAt(t.prop(id, "Timeout"))
		if timeout == 0 {
			found.addf("%s has no timeout", id)
		}
		taken := len(eventsOf(t, id, "SQS")) + len(eventsOf(t, id, "DynamoDB"))
		if taken > 0 && t.prop(id, "ReservedConcurrentExecutions") != nil {
			found.addf(
				"%s reserves concurrency: what it refuses counts as received, so bound it by MaximumConcurrency", id,
			)
		}
		for _, e := range eventsOf(t, id, "SQS") {
			q := target(e["Queue"])
			if !slices.Contains(takers[q], id) {
				takers[q] = append(takers[q], id)
			}
			found = append(found, gathers(t, id, e)...)
			window := numberAt(e, "MaximumBatchingWindowInSeconds")
			if visibility := numberAt(t.prop(q, "VisibilityTimeout")); visibility < visibilityRate*timeout+window {
				found.addf(
					"%s hides a message for %v s, and its function %s may take %v after a window of %v", q, visibility,
					id, timeout, window,
				)
			}
			if !slices.Contains(list(e["FunctionResponseTypes"]), any("ReportBatchItemFailures")) {
				found.addf("%s doesn't report the failures of a batch one by one", id)
			}
			// A handler of whole batches needs time for each message only where a batch fails as a
			// whole, and one that takes all at once needs the time of one.
			most := queue.MaxBatch(time.Duration(timeout) * time.Second)
			if startsWith(files, functionName(t, id), "queue.Together(") {
				most = queue.MaxTogether(time.Duration(timeout) * time.Second)
			}
			if startsWith(files, functionName(t, id), "queue.SideBySide(") {
				most = queue.MaxSideBySide
			}
			if numberAt(e, "BatchSize") < 1 || numberAt(e, "BatchSize") > float64(most) {
				found.addf("%s takes batches of %v, and has time for 1 to %d", id, numberAt(e, "BatchSize"), most)
			}
			if numberAt(e, "BatchSize") > windowless && window == 0 {
				found.addf("%s takes batches of more than %d without a window, which AWS refuses", id, windowless)
			}
			// What an account that is busy refuses counts as received, and brings a message nearer
			// to its dead letters. Those have nothing behind them. With a maximum Lambda polls an
			// idle queue by five connections, without one by two.
			switch most := leastOf(t, at(e, "ScalingConfig", "MaximumConcurrency")); {
			case slices.Contains(dead, q) && at(e, "ScalingConfig", "MaximumConcurrency") != nil:
				found.addf("%s takes from %s with a MaximumConcurrency, which keeps five pollers awake", id, q)
			case !slices.Contains(dead, q) && most < 2:
				found.addf("%s has no MaximumConcurrency", id)
			}
		}
		for _, e := range eventsOf(t, id, "DynamoDB") {
			readers[target(e["Stream"])]++
			found = append(found, gathers(t, id, e)...)
			if e["StartingPosition"] != "TRIM_HORIZON" {
				found.addf("%s doesn't read its stream from TRIM_HORIZON", id)
			}
			if _, ok := e["FunctionResponseTypes"]; ok {
				found.addf("%s answers batch item failures: a stream's consumer fails as a whole or not at all", id)
			}
			if numberAt(e, "MaximumRetryAttempts") != -1 || numberAt(e, "MaximumRecordAgeInSeconds") != twelveHours ||
				e["BisectBatchOnFunctionError"] != true {
				found.addf("%s doesn't try each record for 12 hours, bisecting", id)
			}
			on := at(e, "DestinationConfig", "OnFailure")
			if textAt(on, "Type") != "SQS" || t.Resources[target(at(on, "Destination"))].Type != queueType {
				found.addf("%s has no queue for what its stream gives up", id)
			} else if target(at(on, "Destination")) != target(t.prop(
				id, "Environment", "Variables", "DEAD_LETTER_QUEUE_URL",
			)) {
				found.addf("%s writes its dead letters elsewhere than its mapping does", id)
			}
		}
	}
	for q, by := range takers {
		if len(by) > 1 {
			found.addf("%s has %d consumers, of which each message meets one", q, len(by))
		}
	}
	for stream, n := range readers {
		if n > streamReaders {
			found.addf("the stream of %s has %d readers", stream, n)
		}
	}
	for _, id := range t.ofType(lambdaMapping) {
		f, q := target(t.prop(id, "FunctionName")), target(t.prop(id, "EventSourceArn"))
		if t.Resources[f].Type != serverlessFunction || t.Resources[q].Type != queueType {
			found.addf("%s: a mapping by itself takes from a queue of the template to a function of it", id)
			continue
		}
		// Lambda refuses a mapping whose function may not take from the queue yet.
		for _, p := range policiesOf(t, target(t.prop(f, "Role"))) {
			if slices.ContainsFunc(
				statementsIn(t.prop(p, "PolicyDocument")),
				func(s statement) bool { return s.allows("sqs:ReceiveMessage", q) },
			) &&
				!slices.Contains(list(t.Resources[id].DependsOn), any(p)) {
				found.addf("%s doesn't wait for %s, which allows it", id, p)
			}
		}
	}
	return found
}

// startsWith says whether a function's wiring takes its batches with that handler.
func startsWith(files []source, function, handler string) bool {
	return slices.ContainsFunc(files, func(f source) bool {
		return f.dir() == "functions/"+function && strings.Contains(f.text, "awsenv.Start("+handler)
	})
}

// retries is how often what fails is tried again, whoever does it: three tries in all, as a message
// of a queue has.
const retries = deadletter.Tries - 1.0

// notTriedAgain are the functions whose asynchronous invocations are not, with the reason.
var notTriedAgain = map[string]string{redriveFunction: "its next run comes in a minute and does the same work"}

// triedAgain says whether a policy of retries is the one of this house.
func triedAgain(policy any) bool { return numberAt(at(policy, "MaximumRetryAttempts")) == retries }

// untilTomorrow is the policy of retries of a rule: EventBridge's own, and its most. What a rule
// can't hand over to one queue it can't to another.
var untilTomorrow = object{"MaximumEventAgeInSeconds": 86400.0, "MaximumRetryAttempts": 185.0}

// handovers: a rule of the bus is on, and hands over to a queue that takes from its rules alone;
// what is invoked asynchronously has somewhere to go when it fails; and what fails is tried again.
func handovers(t template) (found findings) {
	senders, dead := map[string][]string{}, deadLetterQueues(t) // the rules that send to a queue
	for _, id := range t.ofType(ruleType) {
		aws := ofAWS(t, id)
		if target(t.prop(id, "EventBusName")) != "Bus" && !aws {
			found.addf("%s is not a rule of the bus", id)
		}
		if !on(t.prop(id, "State")) {
			found.addf("%s is off, and no parameter says so", id)
		}
		for _, to := range list(t.prop(id, "Targets")) {
			if !reflect.DeepEqual(at(to, "RetryPolicy"), any(untilTomorrow)) {
				found.addf("%s has a target that isn't tried for a day", id)
			}
			if q := target(at(to, "Arn")); t.Resources[q].Type != queueType {
				found.addf("%s hands over to %s, which isn't a queue", id, q)
			} else {
				senders[q] = append(senders[q], id)
			}
			if q := target(at(to, "DeadLetterConfig", "Arn")); aws && q == "" {
				continue // reported says why
			} else if t.Resources[q].Type != queueType {
				found.addf("%s has a target without dead letters", id)
			} else {
				senders[q] = append(senders[q], id)
			}
		}
	}
	for _, id := range t.ofType(queueType) {
		found = append(found, admits(t, id, senders[id], slices.Contains(dead, id))...)
	}
	for _, id := range t.ofType(serverlessFunction) {
		invoked := t.prop(id, "EventInvokeConfig")
		if once := notTriedAgain[functionName(t, id)] != ""; invoked != nil &&
			(once && at(invoked, "MaximumRetryAttempts") != 0.0 || !once && !triedAgain(invoked)) {
			found.addf("%s isn't invoked three times in all", id)
		}
	}
	for _, id := range t.ofType(scheduleType) {
		if !on(t.prop(id, "State")) {
			found.addf("%s is off, and no parameter says so", id)
		}
		if t.Resources[target(t.prop(id, "GroupName"))].Type != scheduleGroupType {
			found.addf("%s is in no group of the stack's own, by which AWS counts", id)
		}
		if !triedAgain(t.prop(id, "Target", "RetryPolicy")) {
			found.addf("%s has a target that isn't tried three times in all", id)
		}
		if t.Resources[target(t.prop(id, "Target", "DeadLetterConfig", "Arn"))].Type != queueType {
			found.addf("%s has a target without dead letters", id)
		}
		f := target(t.prop(id, "Target", "Arn"))
		if t.Resources[target(t.prop(
			f, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination",
		))].Type != queueType {
			found.addf("%s is invoked asynchronously and its failures go nowhere", f)
		}
	}
	return found
}

// on says whether a rule or a schedule is at work, or is where a condition holds.
func on(state any) bool {
	return state == nil || state == "ENABLED" || len(list(at(state, "Fn::If"))) == 3
}

// rulesOfTheBus are the sources that the policy of the rules' dead letters lets in.
var rulesOfTheBus = object{"ArnLike": object{"aws:SourceArn": object{
	"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${Bus}/*",
}}}

// admits: what sends to a queue by its policy is EventBridge, in the name of the rules that hand
// over to it, and nobody else; to dead letters, in the name of whatever rule of the bus. A second
// statement, or a second policy, which would replace the first, has no place there.
func admits(t template, queue string, rules []string, dead bool) (found findings) {
	var said []any
	for _, id := range t.ofType(queuePolicyType) {
		if slices.ContainsFunc(list(t.prop(id, "Queues")), func(q any) bool { return target(q) == queue }) {
			said = append(said, list(t.prop(id, "PolicyDocument", "Statement"))...)
		}
	}
	if len(rules) == 0 && len(said) == 0 {
		return nil
	}
	if len(said) != 1 {
		found.addf("%s has %d statements on who may send to it, not one", queue, len(said))
		return found
	}
	s, _ := said[0].(object)
	var sources []string
	for _, source := range list(at(s, "Condition", "ArnEquals", "aws:SourceArn")) {
		sources = append(sources, target(source))
	}
	want := object{
		"Effect": "Allow", "Principal": object{"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource":  s["Resource"],
		"Condition": object{"ArnEquals": object{"aws:SourceArn": at(s, "Condition", "ArnEquals", "aws:SourceArn")}},
	}
	if dead {
		want["Condition"] = rulesOfTheBus
	}
	has := maps.Clone(s)
	delete(has, "Sid")
	if target(s["Resource"]) != queue || !reflect.DeepEqual(has, want) {
		found.addf("%s lets in more than rules, or less", queue)
	}
	if dead {
		return found
	}
	for _, rule := range rules {
		if !slices.Contains(sources, rule) {
			found.addf("%s: no policy of %s names it as the source", rule, queue)
		}
	}
	for _, source := range sources {
		if !slices.Contains(rules, source) {
			found.addf("%s lets in %s, which doesn't hand over to it", queue, source)
		}
	}
	return found
}

// TestQueues: whatever the stack gives up ends in one queue. Each further one is polled for as long
// as it is there, and has an alarm, which together cost US$ 0.20 a month.
func TestQueues(t *testing.T) {
	template := mainTemplate(t)
	if dead := deadLetterQueues(template); !slices.Equal(dead, []string{"DeadLettersQueue"}) {
		t.Errorf("dead letters lie in %v, not in DeadLettersQueue alone", dead)
	}
	wantNone(t, queues(template))
	wantNone(t, consumers(template, sources(t)))
	wantNone(t, handovers(template))
}

const queueTemplate = `
Resources:
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub '${AWS::StackName}-work'
      VisibilityTimeout: 60
      MessageRetentionPeriod: 345600
      SqsManagedSseEnabled: true
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 30}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub '${AWS::StackName}-dead', MessageRetentionPeriod: 1209600, SqsManagedSseEnabled: true}
  WorkPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Work]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: events.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Work.Arn
            Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}
  DeadPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Dead]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: events.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Dead.Arn
            Condition: {ArnLike: {aws:SourceArn: !Sub 'arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${Bus}/*'}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      Targets: [{Id: work, Arn: !GetAtt Work.Arn, RetryPolicy: {MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185}, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}]
  Schedule:
    Type: AWS::Scheduler::Schedule
    Properties: {GroupName: !Ref Group, Target: {Arn: !GetAtt Worker.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}, RetryPolicy: {MaximumRetryAttempts: 2}}}
  Group: {Type: 'AWS::Scheduler::ScheduleGroup'}
  WorkerRole:
    Type: AWS::IAM::Role
  WorkerPolicy:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [!Ref WorkerRole]
      PolicyDocument: {Statement: [{Effect: Allow, Action: sqs:ReceiveMessage, Resource: !GetAtt Work.Arn}]}
  WorkMapping:
    Type: AWS::Lambda::EventSourceMapping
    DependsOn: WorkerPolicy
    Properties:
      FunctionName: !Ref Worker
      EventSourceArn: !GetAtt Work.Arn
      BatchSize: 5
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: {MaximumConcurrency: 3}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/do-work/
      Role: !GetAtt WorkerRole.Arn
      Timeout: 10
      EventInvokeConfig: {MaximumRetryAttempts: 2, DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}}
      Events:
        Work:
          Type: SQS
          Properties: {Queue: !GetAtt Work.Arn, BatchSize: 6, FunctionResponseTypes: [ReportBatchItemFailures], ScalingConfig: {MaximumConcurrency: 2}}
  Reader:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 10
      Environment: {Variables: {DEAD_LETTER_QUEUE_URL: !Ref Dead}}
      Events:
        Events:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: TRIM_HORIZON
            MaximumRetryAttempts: -1
            MaximumRecordAgeInSeconds: 43200
            BisectBatchOnFunctionError: true
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
`

func TestQueueRulesFind(t *testing.T) {
	for name, tc := range map[string]edit{
		"good": {"", "", ""},
		"no dead letter queue": {
			"      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 30}\n", "",
			"Work has no dead letter queue",
		},
		"other receives": {"maxReceiveCount: 30", "maxReceiveCount: 3", "another number of receives"},
		"short retention": {
			"MessageRetentionPeriod: 1209600, Sqs", "MessageRetentionPeriod: 345600, Sqs", "Dead doesn't keep",
		},
		"no encryption": {
			"SqsManagedSseEnabled: true}", "SqsManagedSseEnabled: false}", "Dead isn't encrypted",
		},
		"no stack in the name": {"!Sub '${AWS::StackName}-work'", "work", "Work isn't named"},
		"short visibility": {
			"VisibilityTimeout: 60", "VisibilityTimeout: 59", "Work hides a message for 59 s",
		},
		"too large a batch": {
			"BatchSize: 6", "BatchSize: 7", "Worker takes batches of 7, and has time for 1 to 6",
		},
		"a window": {
			"BatchSize: 6", "BatchSize: 6, MaximumBatchingWindowInSeconds: 1", "may take 10 after a window of 1",
		},
		"a window where somebody waits": {
			"BatchSize: 6", "BatchSize: 6, MaximumBatchingWindowInSeconds: 1", "Worker gathers for 1 s",
		},
		"a stream's window": {
			"            StartingPosition", "            MaximumBatchingWindowInSeconds: 1\n            StartingPosition",
			"Reader gathers for 1 s",
		},
		"a batch of 10 by default": {"BatchSize: 6, ", "", "Worker takes batches of"},
		"no batch item failures": {
			"FunctionResponseTypes: [ReportBatchItemFailures], ", "", "Worker doesn't report",
		},
		"no maximum concurrency": {
			", ScalingConfig: {MaximumConcurrency: 2}", "", "Worker has no MaximumConcurrency",
		},
		"reserved concurrency": {
			"      EventInvokeConfig:", "      ReservedConcurrentExecutions: 5\n      EventInvokeConfig:",
			"reserves concurrency",
		},
		"no timeout": {"Timeout: 10\n      Env", "Env", "Reader has no timeout"},
		"latest":     {"TRIM_HORIZON", "LATEST", "TRIM_HORIZON"},
		"stream, failures one by one": {
			"            StartingPosition",
			"            FunctionResponseTypes: [ReportBatchItemFailures]\n            StartingPosition",
			"Reader answers batch item failures",
		},
		"stream that gives up": {"MaximumRetryAttempts: -1", "MaximumRetryAttempts: 10", "for 12 hours"},
		"stream without bisecting": {
			"BisectBatchOnFunctionError: true", "BisectBatchOnFunctionError: false", "for 12 hours",
		},
		"stream that forgets": {
			"            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}\n", "",
			"Reader has no queue",
		},
		"dead letters elsewhere": {
			"DEAD_LETTER_QUEUE_URL: !Ref Dead", "DEAD_LETTER_QUEUE_URL: !Ref Work", "elsewhere",
		},
		"a mapping from elsewhere": {
			"EventSourceArn: !GetAtt Work.Arn", "EventSourceArn: !ImportValue work",
			"WorkMapping: a mapping by itself takes from a queue of the template",
		},
		"a mapping to elsewhere": {
			"FunctionName: !Ref Worker", "FunctionName: worker",
			"WorkMapping: a mapping by itself takes from a queue of the template",
		},
		"two that share a queue": {
			"FunctionName: !Ref Worker", "FunctionName: !Ref Reader", "Work has 2 consumers",
		},
		"a mapping too early": {
			"    DependsOn: WorkerPolicy\n", "", "WorkMapping doesn't wait for WorkerPolicy",
		},
		"a mapping of large batches": {"BatchSize: 5", "BatchSize: 8", "Worker takes batches of 8"},
		"a rule of another bus": {
			"EventBusName: !Ref Bus", "EventBusName: default", "Rule is not a rule of the bus",
		},
		"a rule of the default bus": {"      EventBusName: !Ref Bus\n", "", "Rule is not a rule of the bus"},
		"a rule that is off": {
			"EventBusName: !Ref Bus", "EventBusName: !Ref Bus\n      State: DISABLED", "Rule is off",
		},
		"a rule that may be off": {
			"EventBusName: !Ref Bus", "EventBusName: !Ref Bus\n      State: !If [HasMail, ENABLED, DISABLED]", "",
		},
		"a schedule among others": {"GroupName: !Ref Group, ", "", "Schedule is in no group"},
		"a schedule that is off": {
			"Properties: {GroupName:", "Properties: {State: DISABLED, GroupName:", "Schedule is off",
		},
		"a rule to a function": {
			"Arn: !GetAtt Work.Arn, Retry", "Arn: !GetAtt Worker.Arn, Retry", "which isn't a queue",
		},
		"a rule that gives up": {
			"RetryPolicy: {MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185}, ", "",
			"Rule has a target that isn't tried for a day",
		},
		"a schedule that goes on": {
			"RetryPolicy: {MaximumRetryAttempts: 2}}}", "RetryPolicy: {MaximumRetryAttempts: 9}}}",
			"Schedule has a target that isn't tried three times",
		},
		"invoked twice": {
			"EventInvokeConfig: {MaximumRetryAttempts: 2", "EventInvokeConfig: {MaximumRetryAttempts: 1",
			"Worker isn't invoked three times",
		},
		"a redrive that repeats": {
			"CodeUri: functions/do-work/", "CodeUri: functions/redrive-dead-letters/",
			"Worker isn't invoked three times",
		},
		"a rule without letters": {
			", DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}]", "}]", "Rule has a target without",
		},
		"a queue open to all rules": {
			"            Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}\n", "",
			"Work lets in more than rules",
		},
		"a queue open to all": {
			"            Principal: {Service: events.amazonaws.com}", "            Principal: '*'",
			"Work lets in more than rules",
		},
		"a queue that is shut": {
			"          - Effect: Allow", "          - Effect: Deny", "Work lets in more than rules",
		},
		"a queue with a back door": {
			"          - Effect: Allow",
			"          - {Effect: Allow, Principal: '*', Action: sqs:SendMessage, Resource: !GetAtt Work.Arn}\n     " +
				"     - Effect: Allow",
			"Work has 2 statements",
		},
		"another's queue": {
			"            Resource: !GetAtt Work.Arn", "            Resource: !GetAtt Dead.Arn",
			"Work lets in more than rules",
		},
		"another rule": {
			"            Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}",
			"            Condition: {ArnEquals: {aws:SourceArn: !GetAtt Other.Arn}}", "Rule: no policy of Work",
		},
		"a rule more": {
			"            Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}",
			"            Condition: {ArnEquals: {aws:SourceArn: [!GetAtt Rule.Arn, !GetAtt Other.Arn]}}",
			"Work lets in Other",
		},
		"letters of another bus": {
			"rule/${Bus}/*", "rule/*", "Dead lets in more than rules",
		},
		"a maximum for letters": {
			"Queue: !GetAtt Work.Arn, BatchSize: 6", "Queue: !GetAtt Dead.Arn, BatchSize: 6",
			"Worker takes from Dead with a MaximumConcurrency",
		},
		"letters that don't arrive": {"Queues: [!Ref Dead]", "Queues: [!Ref Other]", "Dead has 0 statements"},
		"a schedule without": {
			"Arn: !GetAtt Worker.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}", "Arn: !GetAtt Worker.Arn",
			"Schedule has a target",
		},
		"asynchronous, nowhere": {
			"      EventInvokeConfig: {MaximumRetryAttempts: 2, DestinationConfig: {OnFailure: {Type: SQS, " +
				"Destination: !GetAtt Dead.Arn}}}\n",
			"", "Worker is invoked asynchronously",
		},
	} {
		t.Run(name, func(t *testing.T) {
			template := tc.template(t, queueTemplate)
			wantOne(t, slices.Concat(queues(template), consumers(template, nil), handovers(template)), tc.want)
		})
	}
	for handler, edits := range map[string][]edit{
		"Together": {
			{"BatchSize: 6", "BatchSize: 10", ""},
			{"BatchSize: 6", "BatchSize: 11", "more than 10 without a window"},
			{
				"BatchSize: 6", "BatchSize: 20, MaximumBatchingWindowInSeconds: 0",
				"batches of 20, and has time for 1 to 19",
			},
		},
		"SideBySide": {
			{"BatchSize: 6", "BatchSize: 10", ""},
			{"BatchSize: 6", "BatchSize: 11", "batches of 11, and has time for 1 to 10"},
		},
	} {
		t.Run(handler, func(t *testing.T) {
			wiring := []source{parseSource(t, "functions/do-work/main.go",
				"package main\n\nfunc main() { awsenv.Start(queue."+handler+"(handle)) }\n")}
			for _, tc := range edits {
				found := consumers(tc.template(t, queueTemplate), wiring)
				if tc.want == "" {
					wantNone(t, found)
				} else if len(found) == 0 || !strings.Contains(fmt.Sprint(found), tc.want) {
					t.Errorf("%v: found %v", tc, found)
				}
			}
		})
	}
	t.Run("three readers", func(t *testing.T) {
		template := parseTemplate(t, queueTemplate)
		template.Resources["Second"], template.Resources["Third"] = template.Resources["Reader"],
			template.Resources["Reader"]
		wantOne(t, consumers(template, nil), "3 readers")
	})
}
