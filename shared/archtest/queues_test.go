package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/adapter/queue"
)

const (
	fourDays       = 345600  // SQS's default
	fourteenDays   = 1209600 // the longest that SQS keeps a message, in seconds
	maxReceives    = 3
	twelveHours    = 43200
	streamReaders  = 2 // more than two readers of a shard are throttled
	visibilityRate = 6 // a queue's visibility timeout, in timeouts of its function; its mapping's batching window comes on top
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

// eventsOf lists the properties of a function's events of a type.
func eventsOf(t template, function, kind string) []object {
	var all []object
	events, _ := t.Resources[function].Properties["Events"].(object)
	for _, e := range events {
		if textAt(e, "Type") == kind {
			p, _ := at(e, "Properties").(object)
			all = append(all, p)
		}
	}
	return all
}

// deadLetterQueues lists the queues that something ends in: of a queue, a rule, a schedule, a stream's mapping, an asynchronous invocation, a consumer
// or the saga.
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

// queues: each has a dead letter queue or is one, which keeps for as long as SQS can; each is encrypted and is named after the stack.
func queues(t template) (found findings) {
	dead := deadLetterQueues(t)
	for _, id := range t.ofType(queueType) {
		to := target(t.prop(id, "RedrivePolicy", "deadLetterTargetArn"))
		switch {
		case slices.Contains(dead, id) && to != "":
			found.addf("%s is a dead letter queue and has one itself", id)
		case !slices.Contains(dead, id) && to == "":
			found.addf("%s has no dead letter queue", id)
		case to != "" && numberAt(t.prop(id, "RedrivePolicy", "maxReceiveCount")) != maxReceives:
			found.addf("%s gives up after another number of receives than %d", id, maxReceives)
		}
		// A message keeps its age when it moves to the dead letter queue, so that what is to lie there for ten days may be four days old at most before.
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

// consumers: how functions take messages from queues and records from streams.
func consumers(t template, files []source) (found findings) {
	readers := map[string]int{}
	for _, id := range t.ofType(serverlessFunction) {
		timeout := numberAt(t.prop(id, "Timeout"))
		if timeout == 0 {
			found.addf("%s has no timeout", id)
		}
		if t.prop(id, "ReservedConcurrentExecutions") != nil {
			found.addf("%s reserves concurrency: what it refuses counts as received, so bound it by MaximumConcurrency", id)
		}
		for _, e := range eventsOf(t, id, "SQS") {
			q := target(e["Queue"])
			window := numberAt(e, "MaximumBatchingWindowInSeconds")
			if visibility := numberAt(t.prop(q, "VisibilityTimeout")); visibility < visibilityRate*timeout+window {
				found.addf("%s hides a message for %v s, and its function %s may take %v after a window of %v", q, visibility, id, timeout, window)
			}
			if !slices.Contains(list(e["FunctionResponseTypes"]), any("ReportBatchItemFailures")) {
				found.addf("%s doesn't report the failures of a batch one by one", id)
			}
			// A handler of whole batches needs time for each message only where a batch fails as a whole.
			most := queue.MaxBatch(time.Duration(timeout) * time.Second)
			if takesTogether(files, functionName(t, id)) {
				most = queue.MaxTogether(time.Duration(timeout) * time.Second)
			}
			if numberAt(e, "BatchSize") < 1 || numberAt(e, "BatchSize") > float64(most) {
				found.addf("%s takes batches of %v, and has time for 1 to %d", id, numberAt(e, "BatchSize"), most)
			}
			if numberAt(e, "BatchSize") > windowless && window == 0 {
				found.addf("%s takes batches of more than %d without a window, which AWS refuses", id, windowless)
			}
			if numberAt(e, "ScalingConfig", "MaximumConcurrency") < 2 {
				found.addf("%s has no MaximumConcurrency", id)
			}
		}
		for _, e := range eventsOf(t, id, "DynamoDB") {
			readers[target(e["Stream"])]++
			if e["StartingPosition"] != "TRIM_HORIZON" {
				found.addf("%s doesn't read its stream from TRIM_HORIZON", id)
			}
			if _, ok := e["FunctionResponseTypes"]; ok {
				found.addf("%s answers batch item failures: a stream's consumer fails as a whole or not at all", id)
			}
			if numberAt(e, "MaximumRetryAttempts") != -1 || numberAt(e, "MaximumRecordAgeInSeconds") != twelveHours || e["BisectBatchOnFunctionError"] != true {
				found.addf("%s doesn't try each record for 12 hours, bisecting", id)
			}
			on := at(e, "DestinationConfig", "OnFailure")
			if textAt(on, "Type") != "SQS" || t.Resources[target(at(on, "Destination"))].Type != queueType {
				found.addf("%s has no queue for what its stream gives up", id)
			} else if target(at(on, "Destination")) != target(t.prop(id, "Environment", "Variables", "DEAD_LETTER_QUEUE_URL")) {
				found.addf("%s writes its dead letters elsewhere than its mapping does", id)
			}
		}
	}
	for stream, n := range readers {
		if n > streamReaders {
			found.addf("the stream of %s has %d readers", stream, n)
		}
	}
	for _, id := range t.ofType(lambdaMapping) {
		found.addf("%s: a mapping is written as an event of its function, where these rules look", id)
	}
	return found
}

// takesTogether says whether a function's wiring takes its batches as a whole.
func takesTogether(files []source, function string) bool {
	return slices.ContainsFunc(files, func(f source) bool {
		return f.dir() == "functions/"+function && strings.Contains(f.text, "lambda.Start(queue.Together(")
	})
}

// handovers: a rule hands over to a queue that takes from that rule alone; what is invoked asynchronously has somewhere to go when it fails.
func handovers(t template) (found findings) {
	for _, id := range t.ofType(ruleType) {
		for _, to := range list(t.prop(id, "Targets")) {
			if q := target(at(to, "Arn")); t.Resources[q].Type != queueType {
				found.addf("%s hands over to %s, which isn't a queue", id, q)
			} else if !admits(t, q, id) {
				found.addf("%s: no policy of %s names it as the source", id, q)
			}
			if q := target(at(to, "DeadLetterConfig", "Arn")); t.Resources[q].Type != queueType {
				found.addf("%s has a target without dead letters", id)
			} else if !admits(t, q, id) {
				found.addf("%s: no policy of %s names it as the source", id, q)
			}
		}
	}
	for _, id := range t.ofType(scheduleType) {
		if t.Resources[target(t.prop(id, "Target", "DeadLetterConfig", "Arn"))].Type != queueType {
			found.addf("%s has a target without dead letters", id)
		}
		f := target(t.prop(id, "Target", "Arn"))
		if t.Resources[target(t.prop(f, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination"))].Type != queueType {
			found.addf("%s is invoked asynchronously and its failures go nowhere", f)
		}
	}
	return found
}

// admits says whether a policy of the queue lets EventBridge send in the name of the rule. A statement without a source would let any rule of anybody.
func admits(t template, queue, rule string) bool {
	for _, id := range t.ofType(queuePolicyType) {
		if !slices.ContainsFunc(list(t.prop(id, "Queues")), func(q any) bool { return target(q) == queue }) {
			continue
		}
		for _, s := range list(t.prop(id, "PolicyDocument", "Statement")) {
			if target(at(s, "Resource")) != queue || textAt(s, "Action") != "sqs:SendMessage" {
				continue
			}
			sources := list(at(s, "Condition", "ArnEquals", "aws:SourceArn"))
			if slices.ContainsFunc(sources, func(a any) bool { return target(a) == rule }) {
				return true
			}
		}
	}
	return false
}

func TestQueues(t *testing.T) {
	template := mainTemplate(t)
	if n := len(deadLetterQueues(template)); n < 8 {
		t.Errorf("only %d dead letter queues were found", n)
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
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub '${AWS::StackName}-dead', MessageRetentionPeriod: 1209600, SqsManagedSseEnabled: true}
  Allow:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Work, !Ref Dead]
      PolicyDocument:
        Statement:
          - {Action: sqs:SendMessage, Resource: !GetAtt Work.Arn, Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}}
          - {Action: sqs:SendMessage, Resource: !GetAtt Dead.Arn, Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      Targets: [{Id: work, Arn: !GetAtt Work.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}]
  Schedule:
    Type: AWS::Scheduler::Schedule
    Properties: {Target: {Arn: !GetAtt Worker.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/do-work/
      Timeout: 10
      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}}
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
	const mapping = "\n  Mapping: {Type: 'AWS::Lambda::EventSourceMapping'}\n"
	for name, tc := range map[string]edit{
		"good":                        {"", "", ""},
		"no dead letter queue":        {"      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}\n", "", "Work has no dead letter queue"},
		"other receives":              {"maxReceiveCount: 3", "maxReceiveCount: 5", "another number of receives"},
		"short retention":             {"MessageRetentionPeriod: 1209600, Sqs", "MessageRetentionPeriod: 345600, Sqs", "Dead doesn't keep"},
		"no encryption":               {"SqsManagedSseEnabled: true}", "SqsManagedSseEnabled: false}", "Dead isn't encrypted"},
		"no stack in the name":        {"!Sub '${AWS::StackName}-work'", "work", "Work isn't named"},
		"short visibility":            {"VisibilityTimeout: 60", "VisibilityTimeout: 59", "Work hides a message for 59 s"},
		"too large a batch":           {"BatchSize: 6", "BatchSize: 7", "Worker takes batches of 7, and has time for 1 to 6"},
		"a window":                    {"BatchSize: 6", "BatchSize: 6, MaximumBatchingWindowInSeconds: 1", "may take 10 after a window of 1"},
		"a batch of 10 by default":    {"BatchSize: 6, ", "", "Worker takes batches of"},
		"no batch item failures":      {"FunctionResponseTypes: [ReportBatchItemFailures], ", "", "Worker doesn't report"},
		"no maximum concurrency":      {", ScalingConfig: {MaximumConcurrency: 2}", "", "Worker has no MaximumConcurrency"},
		"reserved concurrency":        {"      EventInvokeConfig:", "      ReservedConcurrentExecutions: 5\n      EventInvokeConfig:", "reserves concurrency"},
		"no timeout":                  {"Timeout: 10\n      Env", "Env", "Reader has no timeout"},
		"latest":                      {"TRIM_HORIZON", "LATEST", "TRIM_HORIZON"},
		"stream, failures one by one": {"            StartingPosition", "            FunctionResponseTypes: [ReportBatchItemFailures]\n            StartingPosition", "Reader answers batch item failures"},
		"stream that gives up":        {"MaximumRetryAttempts: -1", "MaximumRetryAttempts: 10", "for 12 hours"},
		"stream without bisecting":    {"BisectBatchOnFunctionError: true", "BisectBatchOnFunctionError: false", "for 12 hours"},
		"stream that forgets":         {"            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}\n", "", "Reader has no queue"},
		"dead letters elsewhere":      {"DEAD_LETTER_QUEUE_URL: !Ref Dead", "DEAD_LETTER_QUEUE_URL: !Ref Work", "elsewhere"},
		"a mapping apart":             {"\nResources:", "\nResources:" + mapping, "Mapping: a mapping is written"},
		"a rule to a function":        {"Arn: !GetAtt Work.Arn, Dead", "Arn: !GetAtt Worker.Arn, Dead", "which isn't a queue"},
		"a rule without letters":      {", DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}]", "}]", "Rule has a target without"},
		"a queue open to all":         {"Resource: !GetAtt Work.Arn, Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}", "Resource: !GetAtt Work.Arn", "no policy of Work"},
		"letters that don't arrive":   {"Queues: [!Ref Work, !Ref Dead]", "Queues: [!Ref Work]", "no policy of Dead"},
		"a schedule without":          {"Arn: !GetAtt Worker.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}", "Arn: !GetAtt Worker.Arn", "Schedule has a target"},
		"asynchronous, nowhere":       {"      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}}\n", "", "Worker is invoked asynchronously"},
	} {
		t.Run(name, func(t *testing.T) {
			template := tc.template(t, queueTemplate)
			wantOne(t, slices.Concat(queues(template), consumers(template, nil), handovers(template)), tc.want)
		})
	}
	t.Run("together", func(t *testing.T) {
		wiring := []source{parseSource(t, "functions/do-work/main.go", "package main\n\nfunc main() { lambda.Start(queue.Together(handle)) }\n")}
		for _, tc := range []edit{
			{"BatchSize: 6", "BatchSize: 10", ""},
			{"BatchSize: 6", "BatchSize: 11", "more than 10 without a window"},
			{"BatchSize: 6", "BatchSize: 20, MaximumBatchingWindowInSeconds: 0", "batches of 20, and has time for 1 to 19"},
		} {
			found := consumers(tc.template(t, queueTemplate), wiring)
			if tc.want == "" {
				wantNone(t, found)
			} else if len(found) == 0 || !strings.Contains(fmt.Sprint(found), tc.want) {
				t.Errorf("%v: found %v", tc, found)
			}
		}
	})
	t.Run("three readers", func(t *testing.T) {
		template := parseTemplate(t, queueTemplate)
		template.Resources["Second"], template.Resources["Third"] = template.Resources["Reader"], template.Resources["Reader"]
		wantOne(t, consumers(template, nil), "3 readers")
	})
}
