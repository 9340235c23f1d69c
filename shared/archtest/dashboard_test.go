package archtest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/aws/metrics"
	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/read/analytics"
)

const dashboardType = "AWS::CloudWatch::Dashboard"

// documented are the metrics of AWS that a dashboard may show, with the dimension that they have
// alone, by the services' pages: HTTP APIs, Step Functions, Lambda, SQS and DynamoDB.
var documented = map[string]map[string][]string{
	"AWS/ApiGateway": {"ApiId": {"Count", "4xx", "5xx", "Latency", "IntegrationLatency"}},
	"AWS/States": {"StateMachineArn": {
		"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsAborted", "ExecutionsTimedOut",
		"ExecutionThrottled", "ExecutionTime",
	}},
	"AWS/Lambda": {"FunctionName": {
		"Invocations", "Errors", "Throttles", "Duration", "IteratorAge", "ConcurrentExecutions",
		"DestinationDeliveryFailures",
	}},
	"AWS/SQS": {"QueueName": {
		"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent",
	}},
	"AWS/DynamoDB": {"TableName": {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "WriteThrottleEvents"}},
}

// ordersMetrics are what is counted of orders, in the dimensions service and Stack.
var ordersMetrics = []string{
	analytics.MetricPlaced, analytics.MetricConfirmed, analytics.MetricCancelled, analytics.MetricDecided,
	publish.MetricDeclines, publish.MetricStockOuts,
}

// Each widget of the dashboard shows metrics that the code counts or that AWS documents, of what
// the stack has.
func TestDashboard(t *testing.T) {
	whole, nested, bodies := mainTemplate(t), nestedTemplates(t), 0
	for _, file := range nested {
		for _, id := range file.ofType(dashboardType) {
			bodies++
			wantNone(t, widgets(textOf(file.prop(id, "DashboardBody")), whole, emitted(sources(t))))
		}
	}
	if bodies != 1 {
		t.Errorf("%d dashboards were found", bodies)
	}
}

// widgets looks at what a dashboard shows of a stack, whose functions count metrics by themselves.
func widgets(body string, of template, counted map[string]bool) (found findings) {
	var dashboard struct {
		Widgets []struct {
			Type       string
			Properties struct {
				Title   string
				Metrics [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil || len(dashboard.Widgets) == 0 {
		found.addf("the body is no dashboard: %v", err)
	}
	names := map[string][]string{
		"FunctionName": namesOf(of, serverlessFunction, "FunctionName"), "QueueName": namesOf(of, queueType, "QueueName"),
		"TableName": namesOf(of, tableType, "TableName"), "ApiId": {"${ApiId}"}, "StateMachineArn": {"${SagaArn}"},
	}
	for _, w := range dashboard.Widgets {
		if w.Type != "metric" || w.Properties.Title == "" || len(w.Properties.Metrics) == 0 {
			found.addf("a widget shows no metric, or has no title")
		}
		for _, m := range w.Properties.Metrics {
			if problem := shows(m, names, counted); problem != "" {
				found.addf("%s: %v %s", w.Properties.Title, m, problem)
			}
		}
	}
	return found
}

// namesOf are the names of resources, as a template inside the stack writes them.
func namesOf(of template, kind, property string) (names []string) {
	for _, id := range of.ofType(kind) {
		names = append(names, "${Prefix}-"+stackName(of.prop(id, property)))
	}
	return names
}

// shows says what is wrong with a metric of a widget: namespace, name, dimensions in pairs, and
// perhaps how it is drawn.
func shows(m []any, names map[string][]string, counted map[string]bool) string {
	var text []string
	for _, part := range m {
		if s, ok := part.(string); ok {
			text = append(text, s)
		}
	}
	if len(text) < 4 || len(text)%2 != 0 {
		return "is no metric with dimensions"
	}
	namespace, name, dimensions := text[0], text[1], text[2:]
	if namespace != metrics.Namespace {
		if !slices.Contains(documented[namespace][dimensions[0]], name) || len(dimensions) != 2 {
			return "is not documented"
		}
		if !slices.Contains(names[dimensions[0]], dimensions[1]) {
			return "is of something that the stack has not"
		}
		return ""
	}
	switch written := strings.Join(dimensions, " "); {
	case written == "Stack ${Prefix}" && counted[name]:
		return ""
	case written == "service order-service Stack ${Prefix}" && slices.Contains(ordersMetrics, name):
		return ""
	case strings.HasPrefix(written, "service order-service Stack ${Prefix} Reason ") &&
		name == analytics.MetricCancelled && slices.Contains(reasons(), dimensions[5]):
		return ""
	}
	return "is counted nowhere"
}

// reasons are the kinds of reasons that a cancellation may have, by its contract.
func reasons() []string {
	field, _ := reflect.TypeFor[contract.CancellationReason]().FieldByName("Kind")
	return strings.Split(field.Tag.Get("enum"), ",")
}

func TestDashboardFinds(t *testing.T) {
	of := parseTemplate(t, "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      "+
		"FunctionName: !Sub '${AWS::StackName}-f'\n")
	counted := map[string]bool{"Redrives": true}
	for metric, want := range map[string]string{
		`"AWS/Lambda", "Errors", "FunctionName", "${Prefix}-f", {"stat": "Sum"}`:                                  "",
		`"orderflow", "Redrives", "Stack", "${Prefix}"`:                                                           "",
		`"orderflow", "OrdersPlaced", "service", "order-service", "Stack", "${Prefix}"`:                           "",
		`"orderflow", "OrdersCancelled", "service", "order-service", "Stack", "${Prefix}", "Reason", "stock"`:     "",
		`"AWS/Lambda", "Mistakes", "FunctionName", "${Prefix}-f"`:                                                 "is not documented",
		`"AWS/Lambda", "Errors", "Function", "${Prefix}-f"`:                                                       "is not documented",
		`"AWS/Lambda", "Errors", "FunctionName", "${Prefix}-g"`:                                                   "has not",
		`"orderflow", "Missing", "Stack", "${Prefix}"`:                                                            "counted nowhere",
		`"orderflow", "OrdersPlaced", "Stack", "${Prefix}"`:                                                       "counted nowhere",
		`"orderflow", "OrdersCancelled", "service", "order-service", "Stack", "${Prefix}", "Reason", "full moon"`: "counted nowhere",
		`"orderflow", "OrdersPlaced"`:                                                                             "no metric with dimensions",
	} {
		body := `{"widgets": [{"type": "metric", "properties": {"title": "t", "metrics": [[` + metric + `]]}}]}`
		wantOne(t, widgets(body, of, counted), want)
	}
	wantOne(t, widgets(`{"widgets": [{"type": "text"}]}`, of, counted), "shows no metric")
	wantOne(t, widgets(`{"widgets": []}`, of, counted), "no dashboard")
}
