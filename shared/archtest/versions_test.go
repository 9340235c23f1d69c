package archtest

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/aws/redrive"
)

// mostAlarms is how many alarms CodeDeploy takes for a deployment.
const mostAlarms = 10

// named says whether a value names a function by the alias that SAM makes of it.
func named(t template, value any) bool {
	id, isAlias := strings.CutSuffix(textAt(value, "Ref"), ".Alias")
	return isAlias && t.Resources[id].Type == serverlessFunction
}

// aliased: whoever invokes a function names its alias. What names the function alone runs what no
// release has taken over with yet, and in a gradual deployment all of it at once.
func aliased(t template) (found findings) {
	check := func(id, what string, value any) {
		if !named(t, value) {
			found.addf("%s: %s names no function's alias: %v", id, what, value)
		}
	}
	for id, r := range t.Resources {
		switch r.Type {
		case "AWS::ApiGatewayV2::Integration":
			check(id, "IntegrationUri", r.Properties["IntegrationUri"])
		case "AWS::Lambda::Permission":
			check(id, "FunctionName", r.Properties["FunctionName"])
		case lambdaMapping:
			check(id, "FunctionName", r.Properties["FunctionName"])
		case scheduleType:
			check(id, "Target", at(r.Properties, "Target", "Arn"))
		case serverlessMachine:
			given, _ := r.Properties["DefinitionSubstitutions"].(object)
			for name, value := range given {
				if t.Resources[target(value)].Type == serverlessFunction {
					check(id, name, value)
				}
			}
		}
		if r.Type == roleType || r.Type == policyType {
			for _, s := range statements(t, id) {
				if !slices.Contains(s.actions, "lambda:InvokeFunction") {
					continue
				}
				for _, of := range s.resources {
					alias := func(r any) bool { return named(t, r) && target(r) == target(of) }
					if !slices.ContainsFunc(s.resources, alias) {
						found.addf("%s may not invoke the alias of %s", id, target(of))
					}
				}
			}
		}
	}
	for _, id := range t.ofType(serverlessFunction) {
		if t.prop(id, "AutoPublishAlias") != redrive.Alias {
			found.addf("%s has no alias %s, which dead letters are redriven to", id, redrive.Alias)
		}
		// Else a parameter that has another value stays without effect: SAM publishes no version.
		if revision := (object{"Fn::GetAtt": "Configuration.StateMachineRevisionId"}); !reflect.DeepEqual(
			t.prop(id, "VersionDescription"), any(revision),
		) || !reflect.DeepEqual(at(t.Globals["Function"], "Environment", "Variables", "CONFIGURATION"), any(revision)) {
			found.addf("%s has no version of its own for another configuration", id)
		}
	}
	return found
}

// configured: the configuration has each parameter, so that another value is another revision.
func configured(t template) (found findings) {
	have, _ := at(
		t.prop("Configuration", "Definition"), "States", "Configuration", "Result", "parameters",
	).(object)
	for name := range t.Parameters {
		if !reflect.DeepEqual(have[name], any(object{"Ref": name})) {
			found.addf("Configuration doesn't have %s: with another value no function would be published", name)
		}
	}
	return found
}

// gradual: what a deployment is taken back for are alarms that there are, the same for the
// functions and for the saga, and as many as CodeDeploy takes.
func gradual(t template, inner map[string]template) (found findings) {
	alarms := map[string]bool{}
	for _, r := range inside(t, inner).Resources {
		if r.Type == alarmType {
			alarms[stackName(r.Properties["AlarmName"])] = true
		}
	}
	functions := list(at(t.Globals["Function"], "DeploymentPreference", "Alarms"))
	for _, id := range t.ofType("AWS::StepFunctions::StateMachineAlias") {
		if saga := list(t.prop(id, "DeploymentPreference", "Alarms")); !reflect.DeepEqual(saga, functions) {
			found.addf("%s is taken back for other alarms than the functions", id)
		}
		if t.Resources[id].Condition == "" {
			found.addf("%s is there whatever the parameter Deployment says", id)
		}
	}
	for _, alarm := range functions {
		if !alarms[stackName(alarm)] {
			found.addf("a deployment waits for %s, and there is no such alarm", stackName(alarm))
		}
	}
	if len(functions) == 0 || len(functions) > mostAlarms {
		found.addf("a deployment has %d alarms, and CodeDeploy takes %d", len(functions), mostAlarms)
	}
	return found
}

// startsByAlias: who starts executions names the saga's alias where there is one.
func startsByAlias(t template) (found findings) {
	want := object{"Fn::If": []any{"IsGradual", object{"Ref": "OrderSagaAlias"}, object{"Ref": "OrderSaga"}}}
	starters := 0
	for _, id := range t.ofType(serverlessFunction) {
		if !roleMay(t, target(t.prop(id, "Role")), "states:StartExecution", "OrderSaga") {
			continue
		}
		starters++
		if got := t.prop(id, "Environment", "Variables", "SAGA_ARN"); !reflect.DeepEqual(got, any(want)) {
			found.addf("%s starts executions by %v", id, got)
		}
	}
	if starters == 0 {
		found.addf("nobody may start executions")
	}
	return found
}

// reached: an execution that began before functions had an alias calls the functions themselves.
func reached(t template) (found findings) {
	for _, id := range t.ofType(serverlessMachine) {
		given, _ := t.prop(id, "DefinitionSubstitutions").(object)
		for _, value := range given {
			of := target(value)
			itself := func(s statement) bool {
				return slices.Contains(s.actions, "lambda:InvokeFunction") && slices.ContainsFunc(
					s.resources, func(r any) bool { return textAt(r, "Fn::GetAtt") == of+".Arn" },
				)
			}
			if t.Resources[of].Type == serverlessFunction &&
				!slices.ContainsFunc(statements(t, target(t.prop(id, "Role"))), itself) {
				found.addf("%s may not invoke %s itself, as executions under way do", id, of)
			}
		}
	}
	return found
}

func TestVersions(t *testing.T) {
	whole := mainTemplate(t)
	wantNone(t, aliased(whole))
	wantNone(t, configured(whole))
	wantNone(t, gradual(whole, nestedTemplates(t)))
	wantNone(t, startsByAlias(whole))
	wantNone(t, reached(whole))
}

// Each rule finds what it is there for: the template, with one thing changed.
func TestVersionRulesFind(t *testing.T) {
	text, inner := readFile(t, "template.yaml"), nestedTemplates(t)
	for name, tc := range map[string]struct {
		edit
		rule func(template) findings
	}{
		"API": {edit{
			"IntegrationUri: !Ref AcceptCommandsFunction.Alias", "IntegrationUri: !GetAtt AcceptCommandsFunction.Arn",
			"CommandsIntegration: IntegrationUri names no function's alias",
		}, aliased},
		"permission": {edit{
			"FunctionName: !Ref AcceptCommandsFunction.Alias", "FunctionName: !Ref AcceptCommandsFunction",
			"CommandsPermission: FunctionName names no function's alias",
		}, aliased},
		"schedule": {edit{
			"Arn: !Ref SweepOrdersFunction.Alias", "Arn: !GetAtt SweepOrdersFunction.Arn",
			"SweepOrdersSchedule: Target names no function's alias",
		}, aliased},
		"task": {edit{
			"AdvanceOrderFunctionArn: !Ref AdvanceOrderFunction.Alias",
			"AdvanceOrderFunctionArn: !Ref AdvanceOrderFunction.Version",
			"OrderSaga: AdvanceOrderFunctionArn names no function's alias",
		}, aliased},
		"role": {edit{
			"                  - !Ref AdvanceOrderFunction.Alias\n", "",
			"OrderSagaRole may not invoke the alias of AdvanceOrderFunction",
		}, aliased},
		"alias": {edit{"AutoPublishAlias: live", "AutoPublishAlias: new", "has no alias live"}, aliased},
		"description": {edit{
			"      VersionDescription: !GetAtt Configuration.StateMachineRevisionId\n", "",
			"Function has no version of its own for another configuration",
		}, aliased},
		"parameter": {edit{
			"                TimeZone: !Ref TimeZone\n", "", "Configuration doesn't have TimeZone",
		}, configured},
		"alarm": {edit{
			"- !Sub '${AWS::StackName}-api-5xx'", "- !Sub '${AWS::StackName}-api-6xx'",
			"a deployment waits for api-6xx, and there is no such alarm",
		}, func(t template) findings { return gradual(t, inner) }},
		"other alarms": {edit{
			"        - !Sub '${AWS::StackName}-dead-letters-open'\n", "", "OrderSagaAlias is taken back for other alarms",
		}, func(t template) findings { return gradual(t, inner) }},
		"always": {edit{
			"StateMachineAlias\n    Condition: IsGradual\n", "StateMachineAlias\n", "OrderSagaAlias is there whatever",
		}, func(t template) findings { return gradual(t, inner) }},
		"under way": {edit{
			"                  - !GetAtt AdvanceOrderFunction.Arn\n", "",
			"OrderSaga may not invoke AdvanceOrderFunction itself",
		}, reached},
		"starter": {edit{
			"SAGA_ARN: !If [IsGradual, !Ref OrderSagaAlias, !Ref OrderSaga]", "SAGA_ARN: !Ref OrderSaga",
			"StartSagaFunction starts executions by",
		}, startsByAlias},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, tc.rule(tc.template(t, text)), tc.want) })
	}
}
