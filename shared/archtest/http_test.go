package archtest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"orderflow/shared/inbound/httpapi"
)

// The document itself is served and is no operation in it.
const documentRoute = "GET /openapi.json"

// consoleRoutes need no token: the console's pages ask for one, and hand it to the API, which
// decides (docs/decisions/0115).
var consoleRoutes = []string{"GET /console", "GET /console/{proxy+}", "POST /console/{proxy+}"}

// operations lists what an OpenAPI document describes, as route keys.
func operations(t *testing.T, text string) []string {
	t.Helper()
	var document struct{ Paths map[string]map[string]any }
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for path, methods := range document.Paths {
		for method := range methods {
			if method != "parameters" {
				keys = append(keys, strings.ToUpper(method)+" "+path)
			}
		}
	}
	return keys
}

// routes: what the functions serve is what can be reached, with a token, and reading goes to the
// side that can't write.
func routes(t template, served []string) (found findings) {
	have := map[string]string{}
	commands, _, shown := httpapi.Routes()
	for _, id := range t.ofType(routeType) {
		key, _ := t.prop(id, "RouteKey").(string)
		have[key] = id
		if slices.Contains(consoleRoutes, key) {
			if textAt(t.prop(id, "Target"), "Fn::Sub") != "integrations/${ConsoleIntegration}" {
				found.addf("%s doesn't lead to ConsoleIntegration", id)
			}
			continue
		}
		if !slices.Contains(served, key) && key != documentRoute {
			found.addf("%s leads to %s, which nobody serves", id, key)
		}
		if t.prop(id, "AuthorizationType") != "JWT" ||
			t.Resources[target(t.prop(id, "AuthorizerId"))].Type != "AWS::ApiGatewayV2::Authorizer" {
			found.addf("%s needs no token", id)
		}
		is := func(r httpapi.Route) bool { return r.Key == key }
		side := "QueriesIntegration"
		switch {
		case slices.ContainsFunc(commands, is):
			side = "CommandsIntegration"
		case slices.ContainsFunc(shown, is):
			side = "OperationsIntegration"
		}
		if textAt(t.prop(id, "Target"), "Fn::Sub") != "integrations/${"+side+"}" {
			found.addf("%s doesn't lead to %s", id, side)
		}
	}
	for _, key := range append(slices.Clone(served), documentRoute) {
		if have[key] == "" {
			found.addf("no route leads to %s", key)
		}
	}
	for id, r := range t.Resources {
		if r.Type == "AWS::Lambda::Permission" && r.Properties["SourceArn"] == nil {
			found.addf("%s lets anybody's API invoke the function", id)
		}
		if r.Type == "AWS::ApiGatewayV2::Stage" &&
			(at(r.Properties, "AccessLogSettings") == nil ||
				at(r.Properties, "DefaultRouteSettings", "ThrottlingRateLimit") == nil) {
			found.addf("%s neither logs nor limits", id)
		}
		if r.Type == "AWS::ApiGatewayV2::Stage" {
			found = append(found, routeLimits(t, id, have)...)
		}
	}
	return found
}

// waits reports whether a resource depends on another one, or on one that does.
func waits(t template, id, on string) bool {
	return slices.ContainsFunc(dependsOn(t.Resources[id]), func(next string) bool {
		return next == on || waits(t, next, on)
	})
}

// routeLimits: what a stage says of single routes is of routes that there are, and which are there
// before it: API Gateway refuses any other. have are the routes by their keys.
func routeLimits(t template, stage string, have map[string]string) (found findings) {
	settings, _ := t.prop(stage, "RouteSettings").(object)
	for key, of := range settings {
		route := have[key]
		if route == "" {
			found.addf("%s limits %s, which is no route", stage, key)
		} else if !waits(t, stage, route) {
			found.addf("%s limits %s, and doesn't depend on %s", stage, key, route)
		}
		if at(of, "ThrottlingRateLimit") == nil || at(of, "ThrottlingBurstLimit") == nil {
			found.addf("%s lifts a limit of %s: a route's settings are in place of the stage's", stage, key)
		}
	}
	return found
}

// TestRouteLimits: what holds an instance for seconds, what starts an execution, and what anybody
// may ask for, has a limit of its own.
func TestRouteLimits(t *testing.T) {
	settings, _ := mainTemplate(t).prop("HttpApiStage", "RouteSettings").(object)
	for _, key := range append([]string{"POST /orders", "GET /orders/{id}"}, consoleRoutes...) {
		if settings[key] == nil {
			t.Errorf("%s has no limit of its own", key)
		}
	}
}

func TestRoutes(t *testing.T) {
	served := operations(t, readFile(t, "docs/openapi.yaml"))
	if len(served) < 17 {
		t.Errorf("only %d operations were found: %s", len(served), served)
	}
	wantNone(t, routes(mainTemplate(t), served))
}

func TestRouteRulesFind(t *testing.T) {
	const document = `
paths: {/orders: {post: {}}, '/orders/{id}': {get: {}}, '/orders/{id}/executions': {get: {}}}`
	const api = `
Resources:
  Authorizer: {Type: 'AWS::ApiGatewayV2::Authorizer'}
  Permission: {Type: 'AWS::Lambda::Permission', Properties: {SourceArn: x}}
  Place:
    Type: AWS::ApiGatewayV2::Route
    Properties: {RouteKey: POST /orders, Target: !Sub 'integrations/${CommandsIntegration}', AuthorizationType: JWT, AuthorizerId: !Ref Authorizer}
  Get:
    Type: AWS::ApiGatewayV2::Route
    Properties: {RouteKey: 'GET /orders/{id}', Target: !Sub 'integrations/${QueriesIntegration}', AuthorizationType: JWT, AuthorizerId: !Ref Authorizer}
  Executions:
    Type: AWS::ApiGatewayV2::Route
    Properties: {RouteKey: 'GET /orders/{id}/executions', Target: !Sub 'integrations/${OperationsIntegration}', AuthorizationType: JWT, AuthorizerId: !Ref Authorizer}
  Document:
    Type: AWS::ApiGatewayV2::Route
    Properties: {RouteKey: GET /openapi.json, Target: !Sub 'integrations/${QueriesIntegration}', AuthorizationType: JWT, AuthorizerId: !Ref Authorizer}
  Pages:
    Type: AWS::ApiGatewayV2::Route
    Properties: {RouteKey: GET /console, Target: !Sub 'integrations/${ConsoleIntegration}', AuthorizationType: NONE}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    DependsOn: [Place]
    Properties: {AccessLogSettings: {DestinationArn: x}, DefaultRouteSettings: {ThrottlingRateLimit: 1}, RouteSettings: {'POST /orders': {ThrottlingRateLimit: 2, ThrottlingBurstLimit: 2}}}
`
	for name, tc := range map[string]edit{
		"good":        {"", "", ""},
		"not served":  {"POST /orders", "POST /order", "Place leads to POST /order, which nobody serves"},
		"not reached": {"POST /orders", "POST /order", "no route leads to POST /orders"},
		"no document": {"/openapi.json", "/openapi", "no route leads to GET /openapi.json"},
		"no token":    {"AuthorizationType: JWT", "AuthorizationType: NONE", "Place needs no token"},
		"pages from queries": {
			"${ConsoleIntegration}", "${QueriesIntegration}", "Pages doesn't lead to ConsoleIntegration",
		},
		"reads from commands": {
			"${QueriesIntegration}", "${CommandsIntegration}", "Get doesn't lead to QueriesIntegration",
		},
		"operations from queries": {
			"${OperationsIntegration}", "${QueriesIntegration}", "Executions doesn't lead to OperationsIntegration",
		},
		"anybody's API": {"SourceArn: x", "Action: x", "Permission lets anybody"},
		"no limit":      {"ThrottlingRateLimit: 1", "DetailedMetricsEnabled: true", "neither logs nor limits"},
		"a limit of no route": {
			"RouteSettings: {'POST /orders'", "RouteSettings: {'POST /order'", "limits POST /order, which is no route",
		},
		"before its route": {"DependsOn: [Place]", "DependsOn: [Get]", "limits POST /orders, and doesn't depend on Place"},
		"half a limit":     {", ThrottlingBurstLimit: 2", "", "lifts a limit of POST /orders"},
		"no access log":    {"AccessLogSettings: {DestinationArn: x}, ", "", "neither logs nor limits"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, routes(tc.template(t, api), operations(t, document)), tc.want) })
	}
}

// Every output names something, so that what reads them (the command line, the end-to-end tests)
// finds it.
func TestOutputs(t *testing.T) {
	whole := mainTemplate(t)
	want := []string{
		"ApiId", "ApiUrl", "EventsTable", "EventsStreamArn", "StockTable", "ViewsTable", "SnapshotsTable", "KeysTable",
		"BusName", "SagaArn",
		"UserPoolId", "CustomerClientId", "OperatorClientId", "InventoryQueueUrl", "OperationsTopicArn",
	}
	have := slices.Collect(maps.Keys(whole.Outputs))
	for _, name := range want {
		if !slices.Contains(have, name) {
			t.Errorf("there is no output %s", name)
		}
	}
}
