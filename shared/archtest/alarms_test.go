package archtest

import (
	"fmt"
	"go/ast"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"orderflow/shared/aws/metrics"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/inbound/stream"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/sweep"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/view"
)

// An alarm as CloudWatch compares it: metric with dimension, statistic, threshold.
type alarm struct {
	metric    string // namespace and name, with dimensions: "AWS/SQS Depth QueueName=work"; of metric math, each term
	statistic string
	threshold float64
	// seconds within which it goes off below its threshold or without data, for what is never
	// silent so long; 0 for one that goes off above it
	below float64
}

func (a alarm) String() string {
	if a.below > 0 {
		return fmt.Sprintf("%s of %s < %v in %v s", a.statistic, a.metric, a.threshold, a.below)
	}
	return fmt.Sprintf("%s of %s > %v", a.statistic, a.metric, a.threshold)
}

// slowest is how many seconds an alarm may gather before it compares.
const slowest = 300

// failed is the pattern that finds what a function logs of its own failures, and what Lambda does.
const failed = `{ ($.level = "ERROR") || ($.record.status = "timeout") || ($.record.status = "failure") }`

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

// metricOf is a metric with its dimensions.
func metricOf(m any) string {
	text := written(at(m, "Namespace")) + " " + written(at(m, "MetricName"))
	for _, d := range list(at(m, "Dimensions")) {
		text += " " + textAt(d, "Name") + "=" + written(at(d, "Value"))
	}
	return text
}

// mathOf writes the terms of an alarm on metric math out; in brackets those that are no result.
func mathOf(terms []any) string {
	var all []string
	for _, m := range terms {
		text := textAt(m, "Id") + " = " + textAt(m, "Expression")
		if at(m, "MetricStat") != nil {
			text += fmt.Sprintf(
				"%s of %s in %v s", textAt(m, "MetricStat", "Stat"), metricOf(at(m, "MetricStat", "Metric")),
				numberAt(m, "MetricStat", "Period"),
			)
		}
		if at(m, "ReturnData") == false {
			text = "(" + text + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// alarmsOf lists the alarms of a template by logical id.
func alarmsOf(t template) map[string]alarm {
	all := map[string]alarm{}
	for _, id := range t.ofType(alarmType) {
		one := alarm{
			metric:    metricOf(t.Resources[id].Properties),
			statistic: written(t.prop(id, "Statistic")) + written(t.prop(id, "ExtendedStatistic")),
			threshold: numberAt(t.prop(id, "Threshold")),
		}
		if terms := list(t.prop(id, "Metrics")); len(terms) > 0 {
			one.metric = mathOf(terms)
		}
		if t.prop(id, "ComparisonOperator") == "LessThanThreshold" {
			one.below = numberAt(t.prop(id, "Period"))
		}
		all[id] = one
	}
	return all
}

func above(metric, statistic string, threshold float64) alarm {
	return alarm{metric: metric, statistic: statistic, threshold: threshold}
}

// counts is the alarm on a metric that the functions count by themselves.
func counts(metric, statistic string, threshold float64) alarm {
	return above(metrics.Namespace+" "+metric+" Stack=!Prefix", statistic, threshold)
}

// stopped is the alarm on a function that a schedule invokes, when it has not run for so many
// seconds.
func stopped(function string, seconds float64) alarm {
	return alarm{
		metric: "AWS/Lambda Invocations FunctionName=" + function, statistic: "Sum", threshold: 1, below: seconds,
	}
}

// standstill is the alarm on a consumer of the events' stream that is not invoked though events are
// stored: what IteratorAge can't say, which is only measured when it is.
func standstill(function string) alarm {
	return above("(stored = SampleCount of AWS/DynamoDB SuccessfulRequestLatency TableName=events Operation=PutItem "+
		"in 300 s), "+
		"(invoked = Sum of AWS/Lambda Invocations FunctionName="+function+
		" in 300 s), standstill = IF(FILL(stored, 0) > 0 AND FILL(invoked, 0) == 0, 1, 0)", "", 0)
}

// crowded is the alarm on the functions that run at once, in percent of what the account may run.
var crowded = above("(running = Maximum of AWS/Lambda ConcurrentExecutions in 60 s), "+
	"percent = 100 * running / SERVICE_QUOTA(running)", "", 80)

// throttled is the alarm on what one hot key can throttle: a stream of events, the counter of an
// SKU, the orders of one status.
var throttled = func() alarm {
	index := "read-models GlobalSecondaryIndexName=" + viewtable.IndexName(view.Index3) // orders by status
	refused := func(id, table string) string {
		return "(" + id + " = Sum of AWS/DynamoDB WriteThrottleEvents TableName=" + table + " in 60 s), "
	}
	return above(refused("events", "events")+refused("stock", "stock")+refused("orders", index)+
		"throttled = FILL(events, 0) + FILL(stock, 0) + FILL(orders, 0)", "", 0)
}()

// reputation are the alarms on what AWS judges an account's mail by. Each goes off before AWS
// reviews the account, at 5 % and 0.1 %. They are there where the stack sends mail.
var reputation = []alarm{
	above("AWS/SES Reputation.BounceRate", "Maximum", 0.04),
	above("AWS/SES Reputation.ComplaintRate", "Maximum", 0.0008),
}

// slow is the alarm on commands that take long: longer than an erasure, which waits for 3 seconds.
var slow = above("AWS/Lambda Duration FunctionName=accept-commands", "p99", 5000)

// silent is the alarm on a shop in which nobody orders. It waits as long as a parameter says, and
// is there where that says anything.
var silent = alarm{
	metric: metrics.Namespace + " " + analytics.MetricPlaced + ordersOf, statistic: "Sum", threshold: 1, below: 60,
}

// ordersOf are the dimensions of what is counted of orders.
const ordersOf = " service=order-service Stack=!Prefix"

// unwanted is the alarm on orders that are cancelled, in percent of those that ended. Its threshold
// is a parameter.
var unwanted = above("(cancelled = Sum of "+metrics.Namespace+" "+analytics.MetricCancelled+ordersOf+" in 3600 s), "+
	"(confirmed = Sum of "+metrics.Namespace+" "+analytics.MetricConfirmed+ordersOf+" in 3600 s), "+
	"(ended = FILL(cancelled, 0) + FILL(confirmed, 0)), "+
	"percent = IF(ended >= 10, 100 * FILL(cancelled, 0) / ended, 0)", "", 0)

// markFailures is the alarm on notes that are lost. One now and then is made good by the next of
// its stream, so that it takes three periods in a row.
var markFailures = counts(audit.MetricMarkFailures, "Sum", 0)

// byTurns are the alarms on what a sweep counts in one slot alone. Each slot has its turn once an
// hour, so that within less they would come and go.
var byTurns = []alarm{counts(sweep.MetricUnprepared, "Maximum", 0), counts(sweep.MetricAtOdds, "Maximum", 0)}

// patient are the alarms that wait: so many periods, of which so many are past the threshold.
var patient = map[alarm][2]float64{
	standstill("project-views"): {6, 3}, markFailures: {3, 3}, crowded: {5, 3}, throttled: {5, 3}, slow: {3, 3},
	silent:   {0, 0}, // a parameter
	unwanted: {1, 1},
}

// AWS charges for each metric that an alarm is on. So what another alarm tells of has none of its
// own. The four lists below say which other alarm that is.

// readAtTimes are the queues that no mapping reads, whose age so says nothing.
var readAtTimes = map[string]string{"audit": audit.MetricCanaryMissing + " and audit-events-stopped"}

// missedElsewhere are the rules of which it shows in another place that EventBridge lost an event.
var missedElsewhere = map[string]string{
	"order-placed":      sweep.MetricFound,
	"order-cancelling":  sweep.MetricFound,
	"wait-ended":        sweep.MetricFound,
	"prepare-shipments": sweep.MetricUnprepared,
	"follow-shipments":  sweep.MetricAtOdds,
	"commit-stock":      sweep.MetricAtOdds,
	"fill-backorders":   "the next count of the SKU, or the order's deadline",
	"simulate-carrier":  "whoever tries the stack out",
	"audit-sampled":     audit.MetricCanaryMissing,
}

// foundByAudit are the consumers of the events' stream of which the loss audit finds what they are
// not invoked for.
var foundByAudit = map[string]string{"publish-events": audit.MetricMissing}

// failsByItself are the functions whose errors nothing else shows. Those of the API are its 5xx; a
// queue's and a schedule's function leaves dead letters; a stream's falls behind; the recorder's
// own dead letters stay in their queues, and its log tells of them.
var failsByItself = map[string]string{redriveFunction: "its dead letters are no entries"}

// wanted lists the alarms that a template has to have, from what can get stuck in it.
func wanted(t template) []alarm {
	all := []alarm{
		above("AWS/ApiGateway 5xx ApiId=!ApiId", "Sum", 0),
		// all functions of the account together: they share its concurrency, and none reserves any
		above("AWS/Lambda Throttles", "Sum", 0),
		// the order of a run that timed out or was aborted is found by the sweep
		above("AWS/States ExecutionsFailed StateMachineArn=!SagaArn", "Sum", 0),
		above("AWS/States ExecutionThrottled StateMachineArn=!SagaArn", "Sum", 0),
		above("AWS/Events ThrottledRules EventBusName=orders", "Sum", 0),
		crowded,
		throttled,
		slow,
		silent,
		unwanted,
		counts(sweep.MetricFound, "Maximum", 0),
		counts(sweep.MetricFailed, "Maximum", 0),
		counts(view.MetricLagSeconds, "Maximum", 300),
		counts(stream.MetricSnapshotFailures, "Sum", 0),
		stopped("sweep-orders", 900),
		counts(audit.MetricMissing, "Sum", 0),
		counts(audit.MetricUnpublishable, "Sum", 0),
		counts(audit.MetricAbandoned, "Sum", 0),
		markFailures,
		counts(audit.MetricCanaryMissing, "Sum", 0),
		stopped("audit-events", 7200),
		counts(deadletter.MetricOpen, "Maximum", 0),
		counts(deadletter.MetricSpent, "Maximum", 0),
		counts(deadletter.MetricErrors, "Sum", 0),
		// what can't be recorded is no error of the function, and neither old nor visible in its
		// queue
		above("orderflow record-dead-letters-failures", "Sum", 0),
		stopped("redrive-dead-letters", 900),
	}
	all = append(all, byTurns...)
	all = append(all, reputation...)
	for _, id := range t.ofType(ruleType) {
		if ofAWS(t, id) { // has no dead letters to be lost
			continue
		}
		if name := stackName(t.prop(id, "Name")); missedElsewhere[name] == "" {
			all = append(
				all, above("AWS/Events InvocationsFailedToBeSentToDlq EventBusName=orders RuleName="+name, "Sum", 0),
			)
		}
	}
	dead := deadLetterQueues(t)
	for _, id := range t.ofType(queueType) {
		switch name := stackName(t.prop(id, "QueueName")); {
		case slices.Contains(dead, id):
			all = append(all, above("AWS/SQS ApproximateNumberOfMessagesVisible QueueName="+name, "Maximum", 0))
		case readAtTimes[name] == "":
			all = append(all, above("AWS/SQS ApproximateAgeOfOldestMessage QueueName="+name, "Maximum", 300))
		}
	}
	steps := sagaSteps(t)
	for _, id := range t.ofType(serverlessFunction) {
		name := stackName(t.prop(id, "FunctionName"))
		if slices.Contains(steps, id) {
			all = append(all, above("orderflow "+name+"-failures", "Sum", 0))
		}
		if failsByItself[name] != "" {
			all = append(all, above("AWS/Lambda Errors FunctionName="+name, "Sum", 0))
		}
		if len(eventsOf(t, id, "DynamoDB")) == 0 {
			continue
		}
		all = append(
			all, above("AWS/Lambda IteratorAge FunctionName="+name, "Maximum", 300000),
			above("AWS/Lambda DestinationDeliveryFailures FunctionName="+name, "Sum", 0),
		)
		if foundByAudit[name] == "" {
			all = append(all, standstill(name))
		}
	}
	return all
}

// sagaSteps lists the functions that the state machine invokes. A refusal of the business is a
// function error there, so Errors says nothing of their health.
func sagaSteps(t template) (ids []string) {
	given, _ := sagaProperty(t, "DefinitionSubstitutions").(object)
	for _, value := range given {
		if id := target(value); t.Resources[id].Type == serverlessFunction {
			ids = append(ids, id)
		}
	}
	return ids
}

// alarming: each alarm that is wanted is there, none is about something that there is not, and each
// notifies the topic as soon as it can know.
func alarming(whole template, nested map[string]template) (found findings) {
	alarms := inside(whole, nested)
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
		if h.below > 0 {
			comparison, missing = "LessThanThreshold", "breaching"
		}
		condition := ""
		if slices.Contains(reputation, h) {
			condition, missing = "HasMail", "ignore" // they have a value only now and then
		}
		if alarms.prop(id, "Metrics") != nil {
			condition = "HasMetricMath"
		}
		if h == silent {
			condition = "ExpectsOrders"
		}
		if alarms.Resources[id].Condition != condition {
			found.addf("%s is not always there, or not where it has to be left out", id)
		}
		for _, m := range unfilled(alarms, id) {
			found.addf("%s sticks where %s has no data", id, m)
		}
		// Lambda's metrics come later than the table's, so that the newest five minutes often look
		// like a standstill; and what is stored at the end of five minutes is read in the next.
		evaluations, datapoints := 1.0, 0.0
		if waits, ok := patient[h]; ok {
			evaluations, datapoints = waits[0], waits[1]
		}
		period := numberAt(alarms.prop(id, "Period"))
		if turns := slices.Contains(byTurns, h); h.below == 0 && period > slowest && !turns || turns &&
			period != 3600 ||
			numberAt(alarms.prop(id, "EvaluationPeriods")) != evaluations ||
			numberAt(alarms.prop(id, "DatapointsToAlarm")) != datapoints {
			found.addf("%s waits too long, or not long enough", id)
		}
		if alarms.prop(id, "ActionsEnabled") != nil || alarms.prop(id, "Unit") != nil {
			found.addf("%s has its actions off, or takes a part of its metric", id)
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
		if written(alarms.prop(id, "AlarmDescription")) == "" {
			found.addf("%s has no description", id)
		}
	}
	for _, id := range append(sagaSteps(whole), functionNamed(whole, recordFunction)) {
		name := stackName(whole.prop(id, "FunctionName"))
		if !counted(alarms, name) {
			found.addf("no filter counts what %s-failures is on", name)
		}
	}
	return found
}

// unfilled lists the metrics without which the alarm would keep its state: CloudWatch does so where
// an alarm has a metric of AWS/DynamoDB and data is missing, whatever its TreatMissingData says
// (AlarmThatSendsEmail in AWS's guide). So such an alarm is on an expression, in which each metric
// stands in FILL.
func unfilled(t template, id string) (metrics []string) {
	const sticky = "AWS/DynamoDB"
	if written(t.prop(id, "Namespace")) == sticky {
		return []string{written(t.prop(id, "MetricName"))}
	}
	terms := list(t.prop(id, "Metrics"))
	isSticky := func(m any) bool { return textAt(m, "MetricStat", "Metric", "Namespace") == sticky }
	if !slices.ContainsFunc(terms, isSticky) {
		return nil
	}
	for _, m := range terms {
		if at(m, "MetricStat") == nil {
			continue
		}
		name := regexp.QuoteMeta(textAt(m, "Id"))
		filled, bare := regexp.MustCompile(`FILL\(`+name+`, \d+\)`), regexp.MustCompile(`\b`+name+`\b`)
		for _, e := range terms {
			if bare.MatchString(filled.ReplaceAllString(textAt(e, "Expression"), "")) {
				metrics = append(metrics, textAt(m, "Id"))
			}
		}
	}
	return metrics
}

// counted says whether a metric filter on the function's log group feeds the metric of its
// failures, with one for each.
func counted(alarms template, function string) bool {
	for _, id := range alarms.ofType(metricFilterType) {
		if textAt(alarms.prop(id, "LogGroupName"), "Fn::Sub") != "/aws/lambda/${Prefix}-"+function ||
			alarms.prop(id, "FilterPattern") != failed {
			continue
		}
		for _, m := range list(alarms.prop(id, "MetricTransformations")) {
			if textAt(m, "MetricNamespace") == metrics.Namespace &&
				written(at(m, "MetricName")) == function+"-failures" && textAt(m, "MetricValue") == "1" {
				return true
			}
		}
	}
	return false
}

// metricNames lists what the packages of the tree call their metrics: constants named Metric…, by
// package and name.
func metricNames(files []source) map[string]string {
	all := map[string]string{}
	for _, f := range files {
		if f.forTests() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					if lit, ok := spec.Values[i].(*ast.BasicLit); ok && strings.HasPrefix(name.Name, "Metric") {
						all[f.ast.Name.Name+"."+name.Name], _ = strconv.Unquote(lit.Value)
					}
				}
			}
			return true
		})
	}
	return all
}

// emitted lists what functions count in the dimension Stack alone. A main.go counts either a metric
// by its name, or whatever a service hands it, which are the metrics of the service's package; the
// dimensions are written in it, and With adds one for some values only.
func emitted(files []source) map[string]bool {
	names, all := metricNames(files), map[string]bool{}
	for _, f := range files {
		if !within(f.dir(), "functions") {
			continue
		}
		byStack := map[string]bool{} // variables that are just the dimension Stack
		stackAlone := func(n ast.Expr) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if with, ok := call.Fun.(*ast.SelectorExpr); ok && with.Sel.Name == "With" {
					n = with.X
				}
			}
			switch d := n.(type) {
			case *ast.Ident:
				return byStack[d.Name]
			case *ast.CompositeLit:
				if len(d.Elts) != 1 {
					return false
				}
				pair, ok := d.Elts[0].(*ast.KeyValueExpr)
				if !ok {
					return false
				}
				key, ok := pair.Key.(*ast.BasicLit)
				return ok && key.Value == `"Stack"`
			}
			return false
		}
		count := func(n ast.Node) (metric ast.Expr) {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 3 || !stackAlone(call.Args[2]) {
				return nil
			}
			if fun, ok := call.Fun.(*ast.SelectorExpr); !ok || fun.Sel.Name != "Count" && fun.Sel.Name != "Seconds" {
				return nil
			}
			return call.Args[0]
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if name, ok := left.(*ast.Ident); ok && len(n.Rhs) == len(n.Lhs) {
						byStack[name.Name] = stackAlone(n.Rhs[i])
					}
				}
			case *ast.CompositeLit:
				service, ok := n.Type.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				for _, field := range n.Elts {
					ast.Inspect(field, func(n ast.Node) bool {
						if _, another := n.(*ast.CompositeLit); another {
							return false
						}
						if _, handed := count(n).(*ast.Ident); handed {
							for name, value := range names {
								if strings.HasPrefix(name, fmt.Sprint(service.X)+".") {
									all[value] = true
								}
							}
						}
						return true
					})
				}
			case *ast.CallExpr:
				if metric, ok := count(n).(*ast.SelectorExpr); ok {
					all[names[fmt.Sprint(metric.X)+"."+metric.Sel.Name]] = true
				}
			}
			return true
		})
	}
	return all
}

// measured: what an alarm waits for of the functions' own metrics is what they count, in that
// dimension.
func measured(alarms []alarm, counted map[string]bool) (found findings) {
	for _, a := range alarms {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(a.metric, metrics.Namespace+" "), " Stack=!Prefix"); ok &&
			!counted[name] && !strings.HasSuffix(a.metric, ordersOf) { // those, awsenv's TestLines sees written
			found.addf("no function counts %s in the dimension Stack alone", name)
		}
	}
	return found
}

// publishable: the topic takes from alarms of this stack, and from nobody else.
func publishable(t template, topic string) (found findings) {
	var said []any
	for _, id := range t.ofType(topicPolicyType) {
		if slices.ContainsFunc(list(t.prop(id, "Topics")), func(to any) bool { return target(to) == topic }) {
			said = append(said, list(t.prop(id, "PolicyDocument", "Statement"))...)
		}
	}
	want := []any{object{
		"Sid": "AlarmsOfThisStack", "Effect": "Allow", "Principal": object{"Service": "cloudwatch.amazonaws.com"},
		"Action": "sns:Publish", "Resource": object{"Ref": topic},
		"Condition": object{"ArnLike": object{"aws:SourceArn": object{
			"Fn::Sub": "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}-*",
		}}},
	}}
	if !reflect.DeepEqual(said, want) {
		found.addf("%s doesn't take from the stack's alarms, and from nothing else", topic)
	}
	return found
}

// nested: each stack inside the stack gets what its parameters ask for, and one with alarms a topic
// that these may publish to.
func nested(whole template, files map[string]template) (found findings) {
	used := map[string]bool{}
	for _, id := range whole.ofType(stackType) {
		file := textAt(whole.prop(id, "TemplateURL"))
		used[file] = true
		if files[file].Resources == nil {
			found.addf("%s is made of %s, which is not there", id, file)
		}
		given, _ := whole.prop(id, "Parameters").(object)
		for name, p := range files[file].Parameters {
			if given[name] == nil && p["Default"] == nil {
				found.addf("%s doesn't give %s", id, name)
			}
		}
		for name := range given {
			if files[file].Parameters[name] == nil {
				found.addf("%s gives %s, which nothing asks for", id, name)
			}
		}
		if files[file].Parameters["TopicArn"] == nil {
			continue // it has no alarms
		}
		topic := target(given["TopicArn"])
		if written(given["Prefix"]) != "!AWS::StackName" || whole.Resources[topic].Type != topicType {
			found.addf("%s gives another name than the stack's, or something else than a topic", id)
			continue
		}
		found = append(found, publishable(whole, topic)...)
	}
	for file, one := range files {
		for id, r := range one.Resources {
			if strings.HasPrefix(r.Type, "AWS::Serverless::") {
				found.addf("%s of %s: a nested stack is plain CloudFormation", id, file)
			}
		}
	}
	return found
}

func TestAlarms(t *testing.T) {
	whole, files := mainTemplate(t), nestedTemplates(t)
	wantNone(t, alarming(whole, files))
	wantNone(t, nested(whole, files))
	wantNone(t, measured(wanted(whole), emitted(sources(t))))
	if n := len(inside(whole, files).ofType(alarmType)); n < 40 {
		t.Errorf("only %d alarms were found", n)
	}
	if n, most := watched(inside(whole, files)), maxWatched+ofConsumers(whole, files); n > most {
		t.Errorf("the alarms are on %d metrics, of which each is paid for; at most %d", n, most)
	}
}

// maxWatched is how many metrics the stack's own alarms may be on. CloudWatch charges for each. A
// consumer that is added brings its own (docs/consumers.md).
const maxWatched = 59

// ofConsumers counts the metrics of the alarms that consumers bring with them.
func ofConsumers(whole template, files map[string]template) (n int) {
	const file = "infra/consumer-alarms.yaml"
	for _, stack := range whole.ofType(stackType) {
		if textAt(whole.prop(stack, "TemplateURL")) == file {
			n += watched(files[file])
		}
	}
	return n
}

// watched counts the metrics that alarms are on: of metric math, each that an expression is made
// of. Those of some conditions are left out.
func watched(t template, without ...string) (n int) {
	for _, id := range t.ofType(alarmType) {
		if slices.Contains(without, t.Resources[id].Condition) {
			continue
		}
		terms := list(t.prop(id, "Metrics"))
		if len(terms) == 0 {
			n++
		}
		for _, term := range terms {
			if at(term, "MetricStat") != nil {
				n++
			}
		}
	}
	return n
}

// The alarms are too many for an example, so what is broken is the real ones.
func TestAlarmRulesFind(t *testing.T) {
	const file = "infra/alarms.yaml"
	alarmsText, wholeText := readFile(t, file), readFile(t, "template.yaml")
	untouched := parseTemplate(t, wholeText)
	for name, tc := range map[string]edit{
		"good": {"", "", ""},
		"another metric": {
			"MetricName: ApproximateNumberOfMessagesVisible", "MetricName: NumberOfMessagesSent",
			"no alarm on the Maximum of AWS/SQS ApproximateNumberOfMessagesVisible QueueName=dead-letters",
		},
		"another dimension": {
			"{Name: ApiId, Value", "{Name: ApiName, Value", "no alarm on the Sum of AWS/ApiGateway 5xx ApiId=!ApiId",
		},
		"another threshold": {
			"Threshold: 300000", "Threshold: 400000",
			"no alarm on the Maximum of AWS/Lambda IteratorAge FunctionName=publish-events > 300000",
		},
		"another statistic": {"Statistic: Maximum", "Statistic: Average", "which nothing calls for"},
		"a queue that is gone": {
			"Value: !Sub '${Prefix}-dead-letters'", "Value: !Sub '${Prefix}-dead'",
			"which nothing calls for",
		},
		"nobody is told": {"      AlarmActions: [!Ref TopicArn]\n", "", "doesn't notify the topic"},
		"everybody hears the end": {
			"      AlarmActions:", "      OKActions: [!Ref TopicArn]\n      AlarmActions:", "when all is well",
		},
		"no data is no failure": {
			"TreatMissingData: notBreaching", "TreatMissingData: breaching", "takes missing data for the wrong thing",
		},
		"no data is a failure": {
			"TreatMissingData: breaching", "TreatMissingData: notBreaching", "SweepOrdersStopped doesn't go off",
		},
		"two of one name": {
			"AlarmName: !Sub '${Prefix}-finish-erasure-age'",
			"AlarmName: !Sub '${Prefix}-start-saga-age'", "is named like",
		},
		"a filter elsewhere": {
			"LogGroupName: !Sub '/aws/lambda/${Prefix}-process-payment'",
			"LogGroupName: !Sub '/aws/lambda/${Prefix}-x'", "no filter counts what process-payment-failures is on",
		},
		"a recorder nobody hears": {
			"LogGroupName: !Sub '/aws/lambda/${Prefix}-record-dead-letters'",
			"LogGroupName: !Sub '/aws/lambda/${Prefix}-x'", "no filter counts what record-dead-letters-failures is on",
		},
		"no description": {
			"AlarmDescription: 'The API answered with a server error. What to do: docs/runbooks.md#api-5xx'", "Unit: Count",
			"ApiServerErrors has no description",
		},
		"a parameter more": {"Parameters:\n", "Parameters:\n  More: {Type: String}\n", "doesn't give More"},
		"too slow": {
			"Period: 300\n      EvaluationPeriods: 1", "Period: 86400\n      EvaluationPeriods: 1", "waits too long",
		},
		"too patient": {"EvaluationPeriods: 1\n", "EvaluationPeriods: 100\n", "waits too long"},
		"one of many": {
			"EvaluationPeriods: 1\n", "EvaluationPeriods: 1\n      DatapointsToAlarm: 1\n", "waits too long",
		},
		"late to miss a function": {
			"Period: 900\n", "Period: 90000\n",
			"no alarm on the Sum of AWS/Lambda Invocations FunctionName=sweep-orders < 1 in 900 s",
		},
		"actions off": {
			"      AlarmActions:", "      ActionsEnabled: false\n      AlarmActions:", "has its actions off",
		},
		"another unit": {
			"      AlarmActions:", "      Unit: Percent\n      AlarmActions:", "takes a part of its metric",
		},
		"not always there": {
			"    Type: AWS::CloudWatch::Alarm\n    Properties:\n      AlarmName: !Sub '${Prefix}-api-5xx'",
			"    Type: AWS::CloudWatch::Alarm\n    Condition: Never\n    Properties:\n      AlarmName: !Sub " +
				"'${Prefix}-api-5xx'",
			"ApiServerErrors is not always there",
		},
		"a filter that counts 0": {
			"MetricValue: '1'", "MetricValue: '0'", "no filter counts what advance-order-failures is on",
		},
		"a filter for nothing": {
			`FilterPattern: '{ ($.level = "ERROR")`, `FilterPattern: '{ ($.level = "NEVER")`,
			"no filter counts what advance-order-failures is on",
		},
		"another expression": {
			"FILL(invoked, 0) == 0, 1, 0)", "FILL(invoked, 0) == 0, 2, 0)",
			"standstill = IF(FILL(stored, 0) > 0 AND FILL(invoked, 0) == 0, 1, 0) > 0",
		},
		"a standstill that sticks": {"FILL(stored, 0)", "stored", "Standstill sticks where stored has no data"},
		"a throttle that sticks":   {"+ FILL(stock, 0)", "+ stock", "TablesThrottled sticks where stock has no data"},
		"a table's own metric": {
			"      Namespace: AWS/States\n      MetricName: ExecutionThrottled",
			"      Namespace: AWS/DynamoDB\n      MetricName: UserErrors", "sticks where UserErrors has no data",
		},
		"another index": {
			"GlobalSecondaryIndexName, Value: gsi3", "GlobalSecondaryIndexName, Value: gsi1", "no alarm on the  of (events",
		},
		"a hasty throttle": {
			"EvaluationPeriods: 5\n      DatapointsToAlarm: 3\n      Threshold: 0",
			"EvaluationPeriods: 5\n      DatapointsToAlarm: 1\n      Threshold: 0", "TablesThrottled waits too long",
		},
		"mail without mail": {"    Condition: HasMail\n", "", "MailBounces is not always there"},
		"a rate that comes and goes": {
			"TreatMissingData: ignore", "TreatMissingData: notBreaching", "takes missing data for the wrong thing",
		},
		"metric math without its condition": {
			"    Condition: HasMetricMath\n", "", "not where it has to be left out",
		},

		"another table": {
			"- {Name: TableName, Value: !Sub '${Prefix}-events'}", "- {Name: TableName, Value: !Sub '${Prefix}-stock'}",
			"no alarm on the  of (stored",
		},
		"a turn's figure": {
			"Period: 3600 #", "Period: 300 #", "OrdersUnprepared waits too long, or not long enough",
		},
		"a mark now and then": {
			"EvaluationPeriods: 3\n      DatapointsToAlarm: 3", "EvaluationPeriods: 3\n      DatapointsToAlarm: 1",
			"MarkFailures waits too long, or not long enough",
		},
		"a hasty standstill": {
			"EvaluationPeriods: 6\n      DatapointsToAlarm: 3", "EvaluationPeriods: 6\n      DatapointsToAlarm: 1",
			"waits too long, or not long enough",
		},
		"SAM in a nested stack": {
			"Type: AWS::Logs::MetricFilter", "Type: AWS::Serverless::Function", "plain CloudFormation",
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := nestedTemplates(t)
			files[file] = tc.template(t, alarmsText)
			wantOne(t, slices.Concat(alarming(untouched, files), nested(untouched, files)), tc.want)
		})
	}
	for name, tc := range map[string]edit{
		"a queue without alarms": {
			"    Properties:\n      QueueName: !Sub '${AWS::StackName}-dead-letters'",
			"    Properties:\n      QueueName: !Sub '${AWS::StackName}-new'",
			"AWS/SQS ApproximateNumberOfMessagesVisible QueueName=new",
		},
		"a rule without an alarm": {
			"      Name: !Sub '${AWS::StackName}-order-placed'", "      Name: !Sub '${AWS::StackName}-order-new'",
			"AWS/Events InvocationsFailedToBeSentToDlq EventBusName=orders RuleName=order-new",
		},
		"another stack's parameters": {
			"Prefix: !Ref AWS::StackName", "Prefix: orderflow", "another name than the stack's",
		},
		"a stack of nothing": {
			"TemplateURL: infra/alarms.yaml", "TemplateURL: infra/alarm.yaml", "Alarms is made of infra/alarm.yaml",
		},
		"a topic for another service": {
			"Principal: {Service: cloudwatch.amazonaws.com}", "Principal: {Service: events.amazonaws.com}",
			"OperationsTopic doesn't take from the stack's alarms",
		},
		"a topic for everybody": {
			"            Principal: {Service: cloudwatch.amazonaws.com}\n            Action: sns:Publish\n          " +
				"  Resource: !Ref OperationsTopic\n            Condition:\n              ArnLike:",
			"            Principal: '*'\n            Action: sns:Publish\n            Resource: !Ref " +
				"OperationsTopic\n            Condition:\n              ArnLike:",
			"OperationsTopic doesn't take",
		},
		"a topic for other alarms": {"alarm:${AWS::StackName}-*", "alarm:other-*", "OperationsTopic doesn't take"},
		"a topic with another's rules": {
			"      Topics: [!Ref OperationsTopic]", "      Topics: [!Ref OtherTopic]", "OperationsTopic doesn't take",
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole, files := tc.template(t, wholeText), nestedTemplates(t)
			wantOne(t, slices.Concat(alarming(whole, files), nested(whole, files)), tc.want)
		})
	}
}

func TestMeasuredFinds(t *testing.T) {
	const service = "package sweep\nconst MetricFound = \"OrdersFoundBySweep\"\n"
	const wiring = `package main

func main() {
	counts, dimensions := metrics.New(os.Stdout, now), metrics.Dimensions{"Stack": stack}
	awsenv.Start(sweep.Sweeper{Count: func(metric string, n int64) { counts.Count(metric, n, dimensions) }}.Sweep)
}`
	for name, tc := range map[string]struct{ service, wiring edit }{
		"good":               {},
		"by its name":        {wiring: edit{"counts.Count(metric, n", "counts.Count(sweep.MetricFound, n", ""}},
		"with more at times": {wiring: edit{"n, dimensions)", `n, dimensions.With("Consumer", consumer))`, ""}},
		"another name": {
			service: edit{`"OrdersFoundBySweep"`, `"OrdersFound"`, "no function counts OrdersFoundBySweep"},
		},
		"another service": {
			wiring: edit{"sweep.Sweeper{", "other.Sweeper{", "no function counts OrdersFoundBySweep"},
		},
		"another dimension": {
			wiring: edit{`"Stack": stack`, `"Shop": stack`, "no function counts OrdersFoundBySweep"},
		},
		"two dimensions": {
			wiring: edit{`"Stack": stack`, `"Stack": stack, "View": view`, "no function counts OrdersFoundBySweep"},
		},
		"no dimension": {wiring: edit{"n, dimensions)", "n, nil)", "no function counts OrdersFoundBySweep"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := []source{
				parseSource(t, "shared/process/sweep/sweep.go", tc.service.apply(t, service)),
				parseSource(t, "functions/sweep-orders/main.go", tc.wiring.apply(t, wiring)),
			}
			wantOne(
				t, measured([]alarm{counts(sweep.MetricFound, "Maximum", 0)}, emitted(files)),
				tc.service.want+tc.wiring.want,
			)
		})
	}
}
