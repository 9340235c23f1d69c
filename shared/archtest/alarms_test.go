package archtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// An alarm as CloudWatch compares it: metric with dimension, statistic, threshold.
type alarm struct {
	metric    string // namespace and name, with dimensions: "AWS/SQS Depth QueueName=work"
	statistic string
	threshold float64
	below     bool // goes off below its threshold and without data: what it watches is never silent
}

func (a alarm) String() string {
	sign := ">"
	if a.below {
		sign = "<"
	}
	return fmt.Sprintf("%s of %s %s %v", a.statistic, a.metric, sign, a.threshold)
}

// written is a value as one string, whatever it is made of.
func written(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case nil:
		return ""
	}
	if name := stackName(value); name != "" {
		return name
	}
	if ref := textAt(value, "Ref"); ref != "" {
		return "!" + ref
	}
	return fmt.Sprint(value)
}

// alarmsOf lists the alarms of a template by logical id.
func alarmsOf(t template) map[string]alarm {
	all := map[string]alarm{}
	for _, id := range t.ofType(alarmType) {
		metric := written(t.prop(id, "Namespace")) + " " + written(t.prop(id, "MetricName"))
		for _, d := range list(t.prop(id, "Dimensions")) {
			metric += " " + textAt(d, "Name") + "=" + written(at(d, "Value"))
		}
		all[id] = alarm{
			metric: metric, statistic: written(t.prop(id, "Statistic")), threshold: numberAt(t.prop(id, "Threshold")),
			below: t.prop(id, "ComparisonOperator") == "LessThanThreshold",
		}
	}
	return all
}

func above(metric, statistic string, threshold float64) alarm {
	return alarm{metric: metric, statistic: statistic, threshold: threshold}
}

// Queues that no mapping reads, with the age in seconds that a message may come to: a schedule's function reads them, at the least each hour.
var readAtTimes = map[string]float64{"audit": 7200}

// wanted lists the alarms that a template has to have, from what can get stuck in it.
func wanted(t template) []alarm {
	all := []alarm{
		above("AWS/ApiGateway 5xx ApiId=!ApiId", "Sum", 0),
		above("AWS/States ExecutionsFailed StateMachineArn=!SagaArn", "Sum", 0),
		above("AWS/States ExecutionsTimedOut StateMachineArn=!SagaArn", "Sum", 0),
		above("AWS/States ExecutionsAborted StateMachineArn=!SagaArn", "Sum", 0),
		above("orderflow OrdersFoundBySweep Stack=!Prefix", "Maximum", 0),
		above("orderflow OrdersUndoFailed Stack=!Prefix", "Maximum", 0),
		above("orderflow ViewLagSeconds Stack=!Prefix", "Maximum", 300),
		above("orderflow SnapshotFailures Stack=!Prefix", "Sum", 0),
		{metric: "AWS/Lambda Invocations FunctionName=sweep-orders", statistic: "Sum", threshold: 1, below: true},
		above("orderflow EventsMissing Stack=!Prefix", "Sum", 0),
		above("orderflow EventsUnpublishable Stack=!Prefix", "Sum", 0),
		above("orderflow CanaryMissing Stack=!Prefix", "Sum", 0),
		{metric: "AWS/Lambda Invocations FunctionName=audit-events", statistic: "Sum", threshold: 1, below: true},
		above("orderflow OpenDeadLetters Stack=!Prefix", "Maximum", 0),
		above("orderflow OldestDeadLetterSeconds Stack=!Prefix", "Maximum", 21600),
		above("orderflow SpentDeadLetters Stack=!Prefix", "Maximum", 0),
		{metric: "AWS/Lambda Invocations FunctionName=redrive-dead-letters", statistic: "Sum", threshold: 1, below: true},
	}
	dead := deadLetterQueues(t)
	for _, id := range t.ofType(queueType) {
		q := " QueueName=" + stackName(t.prop(id, "QueueName"))
		if !slices.Contains(dead, id) {
			age, ok := readAtTimes[stackName(t.prop(id, "QueueName"))]
			if !ok {
				age = 300
			}
			all = append(all, above("AWS/SQS ApproximateAgeOfOldestMessage"+q, "Maximum", age))
			continue
		}
		all = append(all,
			above("AWS/SQS NumberOfMessagesReceived"+q, "Sum", 0),
			above("AWS/SQS ApproximateNumberOfMessagesVisible"+q, "Maximum", 0),
			above("AWS/SQS ApproximateAgeOfOldestMessage"+q, "Maximum", 86400))
	}
	steps := sagaSteps(t)
	for _, id := range t.ofType(serverlessFunction) {
		name := stackName(t.prop(id, "FunctionName"))
		all = append(all, above("AWS/Lambda Throttles FunctionName="+name, "Sum", 0))
		if slices.Contains(steps, id) {
			all = append(all, above("orderflow "+name+"-failures", "Sum", 0))
		} else {
			all = append(all, above("AWS/Lambda Errors FunctionName="+name, "Sum", 0))
		}
		if len(eventsOf(t, id, "DynamoDB")) > 0 {
			all = append(all, above("AWS/Lambda IteratorAge FunctionName="+name, "Maximum", 300000))
		}
	}
	return all
}

// sagaSteps lists the functions that the state machine invokes. A refusal of the business is a function error there, so Errors says nothing of their health.
func sagaSteps(t template) (ids []string) {
	given, _ := sagaProperty(t, "DefinitionSubstitutions").(object)
	for _, value := range given {
		if id := target(value); t.Resources[id].Type == serverlessFunction {
			ids = append(ids, id)
		}
	}
	return ids
}

// alarming: each alarm that is wanted is there, none is about something that there is not, and each notifies the topic when it goes off.
func alarming(whole, alarms template) (found findings) {
	want, have := wanted(whole), alarmsOf(alarms)
	for _, w := range want {
		there := false
		for _, h := range have {
			there = there || h == w
		}
		if !there {
			found.addf("no alarm on the %s", w)
		}
	}
	names := map[string]string{}
	for id, h := range have {
		if !slices.Contains(want, h) {
			found.addf("%s is on the %s, which nothing calls for", id, h)
		}
		name := stackName(alarms.prop(id, "AlarmName"))
		if name == "" || names[name] != "" {
			found.addf("%s isn't named after the stack, or is named like %s", id, names[name])
		}
		names[name] = id
		comparison, missing := "GreaterThanThreshold", "notBreaching"
		if h.below {
			comparison, missing = "LessThanThreshold", "breaching"
		}
		if alarms.prop(id, "ComparisonOperator") != comparison || alarms.prop(id, "TreatMissingData") != missing {
			found.addf("%s doesn't go off past its threshold, or takes missing data for the wrong thing", id)
		}
		if a := list(alarms.prop(id, "AlarmActions")); len(a) != 1 || target(a[0]) != "TopicArn" {
			found.addf("%s doesn't notify the topic", id)
		}
		if alarms.prop(id, "OKActions") != nil {
			found.addf("%s also notifies when all is well, which each new alarm is at first", id)
		}
		if textAt(alarms.Resources[id].Properties, "AlarmDescription") == "" {
			found.addf("%s has no description", id)
		}
	}
	for _, id := range sagaSteps(whole) {
		name := stackName(whole.prop(id, "FunctionName"))
		if !counted(alarms, name) {
			found.addf("no filter counts what %s-failures is on", name)
		}
	}
	return found
}

// counted says whether a metric filter on the function's log group feeds the metric of its failures.
func counted(alarms template, function string) bool {
	for _, id := range alarms.ofType(metricFilterType) {
		if textAt(alarms.prop(id, "LogGroupName"), "Fn::Sub") != "/aws/lambda/${Prefix}-"+function {
			continue
		}
		pattern, _ := alarms.prop(id, "FilterPattern").(string)
		for _, m := range list(alarms.prop(id, "MetricTransformations")) {
			if textAt(m, "MetricNamespace") == "orderflow" && written(at(m, "MetricName")) == function+"-failures" && strings.Contains(pattern, `$.level = "ERROR"`) {
				return true
			}
		}
	}
	return false
}

// nested: the stack of the alarms gets what its parameters ask for, and the topic lets alarms in.
func nested(whole, alarms template) (found findings) {
	for _, id := range whole.ofType(stackType) {
		given, _ := whole.prop(id, "Parameters").(object)
		for name := range alarms.Parameters {
			if given[name] == nil {
				found.addf("%s doesn't give %s", id, name)
			}
		}
		for name := range given {
			if alarms.Parameters[name] == nil {
				found.addf("%s gives %s, which nothing asks for", id, name)
			}
		}
		if written(given["Prefix"]) != "!AWS::StackName" || whole.Resources[target(given["TopicArn"])].Type != "AWS::SNS::Topic" {
			found.addf("%s gives another name than the stack's, or something else than a topic", id)
		}
	}
	for id, r := range alarms.Resources {
		if strings.HasPrefix(r.Type, "AWS::Serverless::") {
			found.addf("%s: a nested stack is plain CloudFormation", id)
		}
	}
	return found
}

func TestAlarms(t *testing.T) {
	whole, alarms := mainTemplate(t), alarmsTemplate(t)
	wantNone(t, alarming(whole, alarms))
	wantNone(t, nested(whole, alarms))
	if n := len(alarms.ofType(alarmType)); n < 50 {
		t.Errorf("only %d alarms were found", n)
	}
}

// The alarms are too many for an example, so what is broken is the real ones.
func TestAlarmRulesFind(t *testing.T) {
	alarmsText, wholeText := readFile(t, "infra/alarms.yaml"), readFile(t, "template.yaml")
	untouched := parseTemplate(t, wholeText)
	for name, tc := range map[string]edit{
		"good":                    {"", "", ""},
		"another metric":          {"MetricName: ApproximateNumberOfMessagesVisible", "MetricName: NumberOfMessagesSent", "no alarm on the Maximum of AWS/SQS ApproximateNumberOfMessagesVisible QueueName=start-saga-dlq"},
		"another dimension":       {"{Name: ApiId, Value", "{Name: ApiName, Value", "no alarm on the Sum of AWS/ApiGateway 5xx ApiId=!ApiId"},
		"another threshold":       {"Threshold: 300000", "Threshold: 400000", "no alarm on the Maximum of AWS/Lambda IteratorAge FunctionName=publish-events > 300000"},
		"another statistic":       {"Statistic: Maximum", "Statistic: Average", "which nothing calls for"},
		"a queue that is gone":    {"Value: !Sub '${Prefix}-start-saga-dlq'", "Value: !Sub '${Prefix}-begin-saga-dlq'", "which nothing calls for"},
		"nobody is told":          {"      AlarmActions: [!Ref TopicArn]\n", "", "doesn't notify the topic"},
		"everybody hears the end": {"      AlarmActions:", "      OKActions: [!Ref TopicArn]\n      AlarmActions:", "when all is well"},
		"no data is no failure":   {"TreatMissingData: notBreaching", "TreatMissingData: breaching", "takes missing data for the wrong thing"},
		"no data is a failure":    {"TreatMissingData: breaching", "TreatMissingData: notBreaching", "SweepOrdersStopped doesn't go off"},
		"two of one name":         {"AlarmName: !Sub '${Prefix}-start-saga-dlq-age'", "AlarmName: !Sub '${Prefix}-start-saga-dlq-depth'", "is named like"},
		"a filter elsewhere":      {"LogGroupName: !Sub '/aws/lambda/${Prefix}-process-payment'", "LogGroupName: !Sub '/aws/lambda/${Prefix}-x'", "no filter counts what process-payment-failures is on"},
		"no description":          {"AlarmDescription: The API answered with a server error.", "Unit: Count", "ApiServerErrors has no description"},
		"a parameter more":        {"Parameters:\n", "Parameters:\n  More: {Type: String}\n", "doesn't give More"},
		"SAM in a nested stack":   {"Type: AWS::Logs::MetricFilter", "Type: AWS::Serverless::Function", "plain CloudFormation"},
	} {
		t.Run(name, func(t *testing.T) {
			alarms := tc.template(t, alarmsText)
			wantOne(t, slices.Concat(alarming(untouched, alarms), nested(untouched, alarms)), tc.want)
		})
	}
	t.Run("a queue without alarms", func(t *testing.T) {
		whole := edit{"    Properties:\n      QueueName: !Sub '${AWS::StackName}-start-saga-dlq'", "    Properties:\n      QueueName: !Sub '${AWS::StackName}-new-dlq'", ""}.template(t, wholeText)
		wantOne(t, alarming(whole, parseTemplate(t, alarmsText)), "AWS/SQS NumberOfMessagesReceived QueueName=new-dlq")
	})
	t.Run("another stack's parameters", func(t *testing.T) {
		whole := edit{"Prefix: !Ref AWS::StackName", "Prefix: orderflow", ""}.template(t, wholeText)
		wantOne(t, nested(whole, parseTemplate(t, alarmsText)), "another name than the stack's")
	})
}
