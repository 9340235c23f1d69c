package archtest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/decimal"
	"orderflow/shared/read/view"
)

// mostResources is what a transformed template stays under; CloudFormation refuses more than 500.
const mostResources = 400

// edit breaks an example in one place.
type edit struct{ old, new, want string }

func (e edit) apply(t *testing.T, text string) string {
	t.Helper()
	if e.old == "" {
		return text
	}
	if !strings.Contains(text, e.old) {
		t.Fatalf("the example has no %q", e.old)
	}
	return strings.Replace(text, e.old, e.new, 1)
}

func (e edit) template(t *testing.T, text string) template {
	t.Helper()
	return parseTemplate(t, e.apply(t, text))
}

// Actions that AWS checks against no resource, so that they can only be granted on *.
var withoutResource = []string{
	"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
	"logs:ListLogDeliveries",
	"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
	"states:SendTaskSuccess", "states:SendTaskFailure",
	"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
}

// Resources that the template can't name, by action, with the only forms in which a policy may mean
// all of them: what has no name until it exists, or whose name may be all that is left of it, and
// what SES asks about besides the sender, whose address the statement's condition names.
var unnamed = map[string][]string{
	"sqs:GetQueueUrl":                         {"arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-*"},
	"dynamodb:ListStreams":                    {"${EventsTable.Arn}/stream/*"},
	"cloudwatch:DescribeAlarms":               {"arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*"},
	"states:DescribeExecution":                {runsOfTheSaga},
	"states:DescribeStateMachineForExecution": {runsOfTheSaga},
	"states:GetExecutionHistory":              {runsOfTheSaga},
	"ses:SendEmail": {
		"arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*",
		"arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/*",
	},
}

// runsOfTheSaga are executions, which have no name until they exist.
const runsOfTheSaga = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${OrderSaga.Name}:*"

// Actions that change or take away what was written. Nobody has them on the events.
var rewriting = []string{
	"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
	"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete", "dynamodb:DeleteTable",
	"dynamodb:UpdateTable",
}

// Actions that only read. The query side has no others on tables and keys.
var reading = []string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "kms:Decrypt"}

// Functions that may read any stream, each with the reason. The others reach only those that they
// name.
var readsEveryStream = map[string]string{
	"project-views": "its views are of all contexts, and it never writes events",
	"audit-events":  "it publishes what was lost of any context, and it never writes events",
}

// statement is a statement of a role's policy.
type statement struct {
	effect      string
	actions     []string
	resources   []any
	condition   any
	leadingKeys []any
	sender      string // the parameter with the only address to send from
	extras      any    // NotAction or NotResource
}

// allows says whether it allows an action on a resource of the template.
func (s statement) allows(action, resource string) bool {
	return s.effect == "Allow" && slices.Contains(s.actions, action) &&
		slices.ContainsFunc(s.resources, func(r any) bool { return target(r) == resource })
}

// statements lists what a role allows, by its own text and by policies that are put on it elsewhere
// in the template.
func statements(t template, role string) []statement {
	var all []statement
	for _, p := range list(t.prop(role, "Policies")) {
		all = append(all, statementsIn(at(p, "PolicyDocument"))...)
	}
	for _, id := range policiesOf(t, role) {
		all = append(all, statementsIn(t.prop(id, "PolicyDocument"))...)
	}
	return all
}

// statementsIn lists what a policy allows, and where it allows something under a condition of the
// template only, what it allows then.
func statementsIn(document any) []statement {
	var all []statement
	for _, s := range list(at(document, "Statement")) {
		if branches := list(at(s, "Fn::If")); len(branches) == 3 {
			s = branches[1]
		}
		st := statement{effect: textAt(s, "Effect"), resources: list(at(s, "Resource")), condition: at(s, "Condition")}
		for _, a := range list(at(s, "Action")) {
			st.actions = append(st.actions, fmt.Sprint(a))
		}
		st.leadingKeys = list(at(s, "Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys"))
		st.sender = textAt(s, "Condition", "StringEquals", "ses:FromAddress", "Ref")
		st.extras = at(s, "NotAction")
		if st.extras == nil {
			st.extras = at(s, "NotResource")
		}
		all = append(all, st)
	}
	return all
}

// policiesOf lists the policies that are put on a role from outside, by logical id.
func policiesOf(t template, role string) []string {
	return slices.DeleteFunc(t.ofType(policyType), func(id string) bool {
		return !slices.ContainsFunc(list(t.prop(id, "Roles")), func(r any) bool { return target(r) == role })
	})
}

// roleMay says whether a role allows an action on a resource of the template.
func roleMay(t template, role, action, resource string) bool {
	return slices.ContainsFunc(statements(t, role), func(s statement) bool { return s.allows(action, resource) })
}

// withSubject is the condition on every use of the key that wraps the personal data keys: the
// request says whose it is, and nothing else. The first half alone is true of a request that says
// nothing.
var withSubject = object{
	"ForAllValues:StringEquals": object{"kms:EncryptionContextKeys": []any{"subject"}},
	"Null":                      object{"kms:EncryptionContext:subject": "false"},
}

// pattern is a resource as text, when it holds a wildcard that a reference doesn't bring along.
func pattern(resource any) string {
	s, ok := resource.(string)
	if !ok {
		s = textAt(resource, "Fn::Sub")
	}
	if strings.ContainsAny(s, "*?") {
		return s
	}
	return ""
}

// idleRole is of a state machine that never runs, and may do nothing.
const idleRole = "ConfigurationRole"

// roles: each names its actions and resources, in its own text or in a policy beside it, and trusts
// one service.
func roles(t template) (found findings) {
	for _, id := range t.ofType(policyType) {
		on := list(t.prop(id, "Roles"))
		if len(on) != 1 || t.Resources[target(on[0])].Type != roleType || t.prop(id, "Users") != nil ||
			t.prop(id, "Groups") != nil {
			found.addf("%s isn't on one role of the template", id)
		}
	}
	for _, id := range t.ofType(roleType) {
		found = append(found, trusts(t, id)...)
		if t.prop(id, "ManagedPolicyArns") != nil {
			found.addf("%s has a managed policy, which is wider than what is needed", id)
		}
		if len(statements(t, id)) == 0 && id != idleRole {
			found.addf("%s allows nothing", id)
		}
		for _, s := range statements(t, id) {
			if s.effect != "Allow" || s.extras != nil || len(s.actions) == 0 || len(s.resources) == 0 {
				found.addf("%s has a statement that doesn't simply allow actions on resources", id)
			}
			for _, a := range s.actions {
				if strings.ContainsAny(a, "*?") {
					found.addf("%s allows %s", id, a)
				}
				if strings.HasPrefix(a, "kms:") && !reflect.DeepEqual(s.condition, any(withSubject)) {
					found.addf("%s allows %s for what isn't one subject's", id, a)
				}
				for _, r := range s.resources {
					if p := pattern(r); p != "" && !(p == "*" && slices.Contains(withoutResource, a)) &&
						!slices.Contains(unnamed[a], p) {
						found.addf("%s allows %s on %s", id, a, p)
					}
				}
				if a == "ses:SendEmail" && s.sender != "MailFrom" {
					found.addf("%s allows %s from any address", id, a)
				}
				if slices.ContainsFunc(s.resources, func(r any) bool { return target(r) == "EventsTable" }) &&
					slices.Contains(rewriting, a) {
					found.addf("%s allows %s on the events, which are only ever added to", id, a)
				}
			}
			if s.allows("dynamodb:PutItem", "EventsTable") && !s.allows("dynamodb:GetItem", "EventsTable") {
				found.addf("%s appends events, and can't TransactGetItems what it refuses on (dynamodb:GetItem)", id)
			}
		}
	}
	return found
}

// trusts: a role is taken by one service, and where that acts for whoever asks it, for this account
// alone.
func trusts(t template, role string) (found findings) {
	said := list(t.prop(role, "AssumeRolePolicyDocument", "Statement"))
	if len(said) != 1 {
		found.addf("%s has %d statements on who may take it, not one", role, len(said))
		return found
	}
	service := textAt(said[0], "Principal", "Service")
	want := object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"Service": service}}
	if service != "lambda.amazonaws.com" { // Lambda takes a function's role without saying for whom
		want["Condition"] = object{"StringEquals": object{"aws:SourceAccount": object{"Ref": "AWS::AccountId"}}}
	}
	users := map[string]string{}
	for _, id := range t.ofType(serverlessFunction) {
		users[target(t.prop(id, "Role"))] = "lambda.amazonaws.com"
	}
	for _, id := range t.ofType(serverlessMachine) {
		users[target(t.prop(id, "Role"))] = "states.amazonaws.com"
	}
	for _, id := range t.ofType(machineType) {
		users[target(t.prop(id, "RoleArn"))] = "states.amazonaws.com"
	}
	for _, id := range t.ofType(scheduleType) {
		users[target(t.prop(id, "Target", "RoleArn"))] = "scheduler.amazonaws.com"
	}
	if users[role] != service || !reflect.DeepEqual(said[0], any(want)) {
		found.addf("%s trusts somebody else than the service that it is for, or more", role)
	}
	return found
}

// abilities: who takes from something, or sends to it, may. What a consumer's own work needs, only
// running it shows; without these it never runs, or loses what it gives up.
func abilities(t template) (found findings) {
	need := func(who, role, id string, actions ...string) {
		for _, a := range actions {
			if !roleMay(t, role, a, id) {
				found.addf("%s may not %s on %s", who, a, id)
			}
		}
	}
	send := func(who, role string, to any) {
		if to != nil {
			need(who, role, target(to), "sqs:SendMessage")
		}
	}
	for _, id := range t.ofType(serverlessFunction) {
		role := target(t.prop(id, "Role"))
		for _, q := range queuesOf(t, id) {
			need(
				id, role, q, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
				"sqs:GetQueueAttributes",
			)
		}
		for _, e := range eventsOf(t, id, "DynamoDB") {
			need(
				id, role, target(e["Stream"]), "dynamodb:DescribeStream", "dynamodb:GetRecords",
				"dynamodb:GetShardIterator",
			)
			send(id, role, at(e, "DestinationConfig", "OnFailure", "Destination"))
		}
		send(id, role, t.prop(id, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination"))
		send(id, role, t.prop(id, "Environment", "Variables", "DEAD_LETTER_QUEUE_URL"))
	}
	for _, id := range t.ofType(scheduleType) {
		role := target(t.prop(id, "Target", "RoleArn"))
		need(id, role, target(t.prop(id, "Target", "Arn")), "lambda:InvokeFunction")
		send(id, role, t.prop(id, "Target", "DeadLetterConfig", "Arn"))
	}
	for _, id := range t.ofType(serverlessMachine) {
		role := target(t.prop(id, "Role"))
		given, _ := t.prop(id, "DefinitionSubstitutions").(object)
		for _, value := range given {
			switch to := target(value); t.Resources[to].Type {
			case serverlessFunction:
				need(id, role, to, "lambda:InvokeFunction")
			case queueType:
				need(id, role, to, "sqs:SendMessage")
			}
		}
	}
	return found
}

// functions: each has a role that nobody else has, a log group that ends, tracing, a binary of its
// own, and a name of the stack's.
func functions(t template) (found findings) {
	owners := map[string]string{}
	for _, id := range t.ofType(serverlessFunction) {
		name := functionName(t, id)
		role := target(t.prop(id, "Role"))
		if t.Resources[role].Type != roleType {
			found.addf("%s has no role of its own", id)
		} else if owners[role] != "" {
			found.addf("%s and %s share %s", owners[role], id, role)
		}
		owners[role] = id
		logs := target(t.prop(id, "LoggingConfig", "LogGroup"))
		if t.Resources[logs].Type != logGroupType {
			found.addf("%s has no log group of its own", id)
		} else if stackName(t.prop(id, "FunctionName")) != name ||
			textAt(t.prop(logs, "LogGroupName"), "Fn::Sub") != "/aws/lambda/${AWS::StackName}-"+name {
			found.addf("%s or its log group isn't named after the stack and functions/%s", id, name)
		}
		if t.prop(id, "LoggingConfig", "LogFormat") != "JSON" {
			found.addf("%s doesn't log JSON, which its metrics are read from", id)
		}
		byParameter := object{"Fn::If": []any{"IsTraced", "Active", "PassThrough"}}
		if !reflect.DeepEqual(t.prop(id, "Tracing"), any(byParameter)) {
			found.addf("%s isn't traced where, and only where, the parameter TraceExporter says so", id)
		}
		if t.prop(id, "Handler") != "bootstrap" || t.prop(id, "Runtime") != "provided.al2023" ||
			textAt(t.Resources[id].Metadata, "BuildMethod") != "go1.x" {
			found.addf("%s isn't built as a Go binary for provided.al2023", id)
		}
		if numberAt(t.prop(id, "MemorySize")) == 0 || t.prop(id, "Architectures") == nil {
			found.addf("%s doesn't say its memory or architecture", id)
		}
		for _, s := range statements(t, role) {
			for _, r := range s.resources {
				onEvents := target(r) == "EventsTable" && textAt(r, "Fn::GetAtt") == "EventsTable.Arn"
				if onEvents && len(s.leadingKeys) == 0 && readsEveryStream[name] == "" {
					found.addf(
						"%s reaches every stream; its policy names those that are its own (dynamodb:LeadingKeys)", id,
					)
				}
				if onEvents && readsEveryStream[name] != "" &&
					slices.ContainsFunc(s.actions, func(a string) bool { return !slices.Contains(reading, a) }) {
					found.addf("%s may read every stream and does more", id)
				}
			}
			for _, a := range s.actions {
				data := strings.HasPrefix(a, "dynamodb:") || strings.HasPrefix(a, "kms:")
				if name == "answer-queries" && data && !slices.Contains(reading, a) {
					found.addf("%s may %s, and the query side only reads", id, a)
				}
			}
		}
	}
	for _, id := range t.ofType(logGroupType) {
		if t.prop(id, "RetentionInDays") == nil {
			found.addf("%s keeps for ever", id)
		}
	}
	for _, id := range t.ofType(serverlessMachine) {
		if !reflect.DeepEqual(t.prop(id, "Tracing", "Enabled"), any(object{"Fn::If": []any{"IsTraced", true, false}})) {
			found.addf("%s isn't traced where, and only where, the parameter TraceExporter says so", id)
		}
		if t.prop(id, "Logging", "IncludeExecutionData") != false || t.prop(id, "Logging", "Level") != "ALL" {
			found.addf("%s isn't logged without its data", id)
		}
		if t.Resources[target(t.prop(id, "Role"))].Type != roleType {
			found.addf("%s has no role of its own", id)
		}
	}
	return found
}

// tables: kept as their kind needs. The keys have no backup, or the erased would come back; nor
// have the snapshots, which the events make again, and the quotas, which are of an hour.
func tables(t template) (found findings) {
	for _, id := range t.ofType(tableType) {
		name := stackName(t.prop(id, "TableName"))
		if name == "" {
			found.addf("%s isn't named after the stack", id)
		}
		if t.prop(id, "BillingMode") != "PAY_PER_REQUEST" || t.prop(id, "DeletionProtectionEnabled") == nil {
			found.addf("%s isn't on demand and protected by parameter", id)
		}
		// DynamoDB encrypts in any case. What a key of KMS's adds is paid for with each use of it.
		if t.prop(id, "SSESpecification") != nil {
			found.addf("%s is encrypted with a key that KMS charges for", id)
		}
		recoverable := t.prop(id, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")
		if name == "keys" && recoverable != false {
			found.addf("%s can be recovered, and the persons that were erased with it", id)
		}
		passing := name == "snapshots" || name == "quotas"
		if passing && recoverable != false {
			found.addf("%s has a backup, and nobody would restore it", id)
		}
		if name != "keys" && !passing && at(recoverable, "Fn::If") == nil {
			found.addf("%s isn't recoverable by parameter", id)
		}
		if (name == "inbox" || name == "quotas") && (t.prop(id, "TimeToLiveSpecification", "Enabled") != true ||
			t.prop(id, "TimeToLiveSpecification", "AttributeName") != "expires") {
			found.addf("%s keeps what has had its time", id)
		}
		if name == "events" && t.prop(id, "StreamSpecification", "StreamViewType") != "NEW_IMAGE" {
			found.addf("%s doesn't stream new images", id)
		}
	}
	return found
}

// Parameters that may be fractions. Of a Number CloudFormation takes 1.5 and 1e1 too, so that a
// whole one, and one that a function reads, is a String with a pattern, or one of a list.
var fractions = []string{"ApiRateLimit"}

// oddNumbers are texts that some program takes for a number, and that shared/kit/decimal refuses.
var oddNumbers = []string{"", "010", "0x10", "+5", "-5", "1_0", "1e1", " 5", "5 ", "5."}

// parameters: each is explained or a choice, shown in a group, and whole where it has to be.
func parameters(t template) (found findings) {
	shown := map[string]bool{}
	for _, group := range list(at(t.Metadata["AWS::CloudFormation::Interface"], "ParameterGroups")) {
		for _, name := range list(at(group, "Parameters")) {
			shown[fmt.Sprint(name)] = true
			if t.Parameters[fmt.Sprint(name)] == nil {
				found.addf("a group shows %v, which is no parameter", name)
			}
		}
	}
	for name, p := range t.Parameters {
		if !shown[name] {
			found.addf("%s is in no group", name)
		}
		if p["Description"] == nil && p["AllowedValues"] == nil {
			found.addf("%s has no description", name)
		}
		if p["Type"] == "Number" && p["AllowedValues"] == nil && !slices.Contains(fractions, name) {
			found.addf("%s takes fractions", name)
		}
		allowed, err := regexp.Compile("^(?:" + textAt(p, "AllowedPattern") + ")$")
		if err != nil || p["AllowedPattern"] != nil && !allowed.MatchString(textAt(p, "Default")) {
			found.addf("%s has a default that it refuses: %v", name, err)
			continue
		}
		for _, odd := range oddNumbers {
			isNumber := p["Type"] == "String" && decimal.IsWhole(textAt(p, "Default")) && p["AllowedValues"] == nil
			if isNumber && (p["AllowedPattern"] == nil || allowed.MatchString(odd)) {
				found.addf("%s is a number, and %q passes for one", name, odd)
			}
		}
	}
	return found
}

// The longest name that AWS takes, by type, and the property that it stands in.
var longestNames = map[string]struct {
	property string
	most     int
}{
	serverlessFunction:                     {"FunctionName", 64},
	serverlessMachine:                      {"Name", 80},
	machineType:                            {"StateMachineName", 80},
	queueType:                              {"QueueName", 80},
	tableType:                              {"TableName", 255},
	logGroupType:                           {"LogGroupName", 512},
	alarmType:                              {"AlarmName", 255},
	ruleType:                               {"Name", 64},
	scheduleGroupType:                      {"Name", 64},
	topicType:                              {"TopicName", 256},
	"AWS::Events::EventBus":                {"Name", 256},
	"AWS::KMS::Alias":                      {"AliasName", 256},
	ssmType:                                {"Name", 900}, // of 1011 for the ARN
	"AWS::ApiGatewayV2::Api":               {"Name", 128},
	"AWS::ApiGatewayV2::Authorizer":        {"Name", 128},
	"AWS::Cognito::UserPool":               {"UserPoolName", 128},
	"AWS::Cognito::UserPoolClient":         {"ClientName", 128},
	"AWS::Cognito::UserPoolDomain":         {"Domain", 63},
	"AWS::Cognito::UserPoolResourceServer": {"Name", 256},
}

// room is how long a stack's name may be, by the names that begin with it; findings are names of
// whose limit nothing is known.
func room(templates ...template) (most int, found findings) {
	most = 128 // of a stack
	for _, t := range templates {
		for id, r := range t.Resources {
			for property, value := range r.Properties {
				text := strings.NewReplacer("${AWS::StackName}", "", "${Prefix}", "").Replace(textAt(value, "Fn::Sub"))
				if text == textAt(value, "Fn::Sub") || !strings.HasSuffix(property, "Name") ||
					r.Type == metricFilterType || property == "MetricName" {
					continue
				}
				limit := longestNames[r.Type]
				if limit.property != property {
					found.addf("%s: nothing is known of how long the %s of an %s may be", id, property, r.Type)
					continue
				}
				most = min(most, limit.most-len(text))
			}
		}
	}
	return most, found
}

// size counts the resources that SAM makes of a template.
func size(t template) int {
	n := 0
	for id, r := range t.Resources {
		n++
		switch r.Type {
		case serverlessFunction:
			events, _ := r.Properties["Events"].(object)
			n += 2 * len(events) // a mapping or permission each, and a rule or role at times
			for _, made := range []string{"EventInvokeConfig", "FunctionUrlConfig"} {
				if r.Properties[made] != nil {
					n++
				}
			}
			if t.prop(id, "AutoPublishAlias") != nil {
				n += 3 // a version, the alias, and a deployment group where it is gradual
			}
			if r.Properties["Role"] == nil {
				n++
			}
		case serverlessMachine:
			if r.Properties["Role"] == nil {
				n++
			}
		}
	}
	return n
}

// A rebuild counts on how long a function may go on with a generation of a view that it has found.
func TestGraceOfGenerations(t *testing.T) {
	whole := mainTemplate(t)
	for _, id := range whole.ofType(serverlessFunction) {
		timeout := time.Duration(numberAt(whole.prop(id, "Timeout"))) * time.Second
		switch functionName(whole, id) {
		case "answer-queries":
			if timeout+view.CacheFor >= view.ReaderGrace {
				t.Errorf(
					"%s may read a generation for %s, and it is kept up for %s", id, timeout+view.CacheFor,
					view.ReaderGrace,
				)
			}
		case "project-views":
			if timeout >= view.WriterGrace {
				t.Errorf(
					"%s may write a generation for %s, and what is left of it is deleted after %s", id, timeout,
					view.WriterGrace,
				)
			}
		}
		if timeout == 0 {
			t.Errorf("%s has no timeout", id)
		}
	}
}

// A shop that sells has a carrier, and somebody who gets its alarms: whoever deploys it is told so,
// and its own settings say so whatever was chosen before.
func TestProduction(t *testing.T) {
	whole := mainTemplate(t)
	equals := func(parameter, value string) object {
		return object{"Fn::Equals": []any{object{"Ref": parameter}, value}}
	}
	var asserted []any
	for _, rule := range whole.Rules {
		if reflect.DeepEqual(rule["RuleCondition"], any(equals("Stage", "prod"))) {
			for _, a := range list(rule["Assertions"]) {
				asserted = append(asserted, at(a, "Assert"))
			}
		}
	}
	for what, want := range map[string]object{
		"the simulated carrier":   equals("SimulatedCarrier", "false"),
		"alarms that nobody gets": {"Fn::Not": []any{equals("AlarmEmail", "")}},
	} {
		if !slices.ContainsFunc(asserted, func(a any) bool { return reflect.DeepEqual(a, any(want)) }) {
			t.Errorf("no rule keeps %s out of production: %v", what, whole.Rules)
		}
	}
	_, prod, _ := strings.Cut(readFile(t, "samconfig.toml"), "[prod.global.parameters]")
	prod, _, _ = strings.Cut(prod, "[prod.build.parameters]")
	for _, want := range []string{`"Stage=prod"`, `"SimulatedCarrier=false"`} {
		if !strings.Contains(prod, want) {
			t.Errorf("samconfig.toml's [prod] doesn't say %s: %s", want, prod)
		}
	}
}

func TestTemplate(t *testing.T) {
	whole := mainTemplate(t)
	wantNone(t, parameters(whole))
	wantNone(t, roles(whole))
	wantNone(t, abilities(whole))
	wantNone(t, functions(whole))
	wantNone(t, tables(whole))
	all := nestedTemplates(t)
	all["template.yaml"] = whole
	for name, one := range all {
		if n := size(one); n >= mostResources {
			t.Errorf("%s makes about %d resources, and stays under %d", name, n, mostResources)
		}
		for id, r := range one.Resources {
			if strings.HasPrefix(r.Type, "AWS::Serverless::") &&
				!slices.Contains([]string{serverlessFunction, serverlessMachine}, r.Type) {
				t.Errorf("%s: %s is of type %s, which these rules don't look into", name, id, r.Type)
			}
		}
	}
	if n := len(whole.ofType(serverlessFunction)); n < 10 {
		t.Errorf("only %d functions were found", n)
	}
	most, found := room(whole, inside(whole, nestedTemplates(t)))
	wantNone(t, found)
	if told := fmt.Sprintf(
		"The stack's name has at most %d characters.", most,
	); !strings.Contains(readFile(t, "README.md"), told) {
		t.Errorf("README.md doesn't say: %s", told)
	}
}

const functionTemplate = `
Globals: {Function: {Handler: bootstrap, Runtime: provided.al2023, Architectures: [arm64], MemorySize: 256, Tracing: !If [IsTraced, Active, PassThrough]}}
Resources:
  Do:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      FunctionName: !Sub '${AWS::StackName}-answer-queries'
      CodeUri: functions/answer-queries/
      Role: !GetAtt DoRole.Arn
      LoggingConfig: {LogFormat: JSON, LogGroup: !Ref DoLogs}
  DoLogs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Sub '/aws/lambda/${AWS::StackName}-answer-queries', RetentionInDays: 7}
  DoRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: [xray:PutTraceSegments], Resource: '*'}
              - {Effect: Allow, Action: ses:SendEmail, Resource: !Sub 'arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*', Condition: {StringEquals: {'ses:FromAddress': !Ref MailFrom}}}
              - Effect: Allow
                Action: kms:Decrypt
                Resource: !GetAtt Key.Arn
                Condition:
                  ForAllValues:StringEquals: {'kms:EncryptionContextKeys': [subject]}
                  'Null': {'kms:EncryptionContext:subject': 'false'}
              - Effect: Allow
                Action: dynamodb:Query
                Resource: !GetAtt EventsTable.Arn
                Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': [order/*]}}
  DoMore:
    Type: AWS::IAM::Policy
    Properties: {Roles: [!Ref DoRole], PolicyDocument: {Statement: [{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn}]}}
  Schedule: {Type: 'AWS::Scheduler::Schedule', Properties: {Target: {Arn: !GetAtt Do.Arn, RoleArn: !GetAtt ScheduleRole.Arn, DeadLetterConfig: {Arn: !GetAtt Queue.Arn}}}}
  ScheduleRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: scheduler.amazonaws.com}
            Action: sts:AssumeRole
            Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Do.Arn}
              - {Effect: Allow, Action: sqs:SendMessage, Resource: [!GetAtt Queue.Arn]}
  EventsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub '${AWS::StackName}-events'
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [IsRecoverable, true, false]}
      DeletionProtectionEnabled: !If [IsProtected, true, false]
  KeysTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub '${AWS::StackName}-keys'
      BillingMode: PAY_PER_REQUEST
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: false}
      DeletionProtectionEnabled: !If [IsProtected, true, false]
  InboxTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub '${AWS::StackName}-inbox'
      BillingMode: PAY_PER_REQUEST
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [IsRecoverable, true, false]}
      DeletionProtectionEnabled: !If [IsProtected, true, false]
`

func TestTemplateRulesFind(t *testing.T) {
	for name, tc := range map[string]edit{
		"good": {"", "", ""},
		"a managed policy": {
			"      Policies:", "      ManagedPolicyArns: [x]\n      Policies:", "managed policy",
		},
		"a wildcard action": {"Action: dynamodb:Query", "Action: 'dynamodb:*'", "allows dynamodb:*"},
		"a wildcard at times": {
			"- {Effect: Allow, Action: [xray:PutTraceSegments], Resource: '*'}",
			"- !If [Own, {Effect: Allow, Action: 's3:*', Resource: x}, !Ref AWS::NoValue]", "allows s3:*",
		},
		"a wildcard resource": {
			"Resource: !GetAtt EventsTable.Arn", "Resource: '*'", "allows dynamodb:Query on *",
		},
		"a wildcard in a Sub": {
			"Resource: !GetAtt EventsTable.Arn", "Resource: !Sub '${EventsTable.Arn}/*'",
			"allows dynamodb:Query on ${EventsTable.Arn}/*",
		},
		"mails from anybody": {
			"Condition: {StringEquals: {'ses:FromAddress': !Ref MailFrom}}",
			"Condition: {StringEqualsIfExists: {'ses:FromAddress': !Ref MailFrom}}", "from any address",
		},
		"mails in other accounts": {"${AWS::AccountId}:identity/*", "*:identity/*", "allows ses:SendEmail on"},
		"everything but":          {"Action: dynamodb:Query", "NotAction: dynamodb:Query", "doesn't simply allow"},
		"a deny":                  {"- Effect: Allow", "- Effect: Deny", "doesn't simply allow"},
		"events rewritten": {
			"Action: dynamodb:Query", "Action: dynamodb:UpdateItem", "allows dynamodb:UpdateItem on the events",
		},
		"events taken away": {
			"Action: dynamodb:Query", "Action: [dynamodb:Query, dynamodb:DeleteItem]",
			"allows dynamodb:DeleteItem on the events",
		},
		"a key without a subject": {
			"                  'Null': {'kms:EncryptionContext:subject': 'false'}\n", "",
			"DoRole allows kms:Decrypt for what isn't one subject's",
		},
		"a key and more keys": {
			"'kms:EncryptionContextKeys': [subject]", "'kms:EncryptionContextKeys': [subject, more]",
			"DoRole allows kms:Decrypt for what isn't one subject's",
		},
		"trust in anybody": {
			"Principal: {Service: lambda.amazonaws.com}", "Principal: {AWS: '*'}", "DoRole trusts somebody else",
		},
		"trust in another service": {
			"Principal: {Service: lambda.amazonaws.com}", "Principal: {Service: ec2.amazonaws.com}",
			"DoRole trusts somebody else",
		},
		"trust in one more": {
			"[{Effect: Allow, Principal: {Service: lambda",
			"[{Effect: Allow, Principal: {AWS: '*'}, Action: sts:AssumeRole}, {Effect: Allow, Principal: " +
				"{Service: lambda",
			"DoRole has 2 statements",
		},
		"trust for any account": {
			"            Condition: {StringEquals: {aws:SourceAccount: !Ref AWS::AccountId}}\n", "",
			"ScheduleRole trusts somebody else",
		},
		"a policy for users": {
			"Properties: {Roles: [!Ref DoRole],", "Properties: {Roles: [!Ref DoRole], Users: [x],",
			"DoMore isn't on one role",
		},
		"a policy on any role": {
			"Properties: {Roles: [!Ref DoRole],", "Properties: {Roles: [admin],", "DoMore isn't on one role",
		},
		"a policy that is wide": {
			"Action: sqs:SendMessage, Resource: !GetAtt", "Action: 'sqs:*', Resource: !GetAtt", "DoRole allows sqs:*",
		},
		"every stream": {
			"                Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': [order/*]}}\n", "",
			"reaches every stream",
		},
		"a query side that writes": {"Action: dynamodb:Query", "Action: [dynamodb:GetItem, dynamodb:PutItem]",
			"the query side only reads"},
		"refusals unconfirmed": {"Action: dynamodb:Query", "Action: [dynamodb:Query, dynamodb:PutItem]",
			"DoRole appends events, and can't"},
		"a role of SAM's": {"      Role: !GetAtt DoRole.Arn\n", "", "Do has no role of its own"},
		"a log group of Lambda's": {"{LogFormat: JSON, LogGroup: !Ref DoLogs}", "{LogFormat: JSON}",
			"Do has no log group"},
		"another's log group": {"/aws/lambda/${AWS::StackName}-answer-queries",
			"/aws/lambda/${AWS::StackName}-other", "isn't named after"},
		"logs as text":        {"LogFormat: JSON, ", "", "doesn't log JSON"},
		"logs for ever":       {", RetentionInDays: 7", "", "DoLogs keeps for ever"},
		"no tracing":          {", Tracing: !If [IsTraced, Active, PassThrough]", "", "Do isn't traced"},
		"tracing in any case": {"!If [IsTraced, Active, PassThrough]", "Active", "Do isn't traced where, and only"},
		"a key that is paid for": {"      BillingMode: PAY_PER_REQUEST\n      StreamSpec",
			"      BillingMode: PAY_PER_REQUEST\n      SSESpecification: {SSEEnabled: true}\n      StreamSpec",
			"EventsTable is encrypted with a key that KMS charges for"},
		"another runtime":     {"provided.al2023", "python3.13", "isn't built as a Go binary"},
		"a table by capacity": {"PAY_PER_REQUEST", "PROVISIONED", "EventsTable isn't on demand"},
		"no protection": {"      DeletionProtectionEnabled: !If [IsProtected, true, false]\n", "",
			"EventsTable isn't on demand"},
		"no recovery": {"!If [IsRecoverable, true, false]", "false", "EventsTable isn't recoverable"},
		"keys come back": {"PointInTimeRecoveryEnabled: false",
			"PointInTimeRecoveryEnabled: !If [IsRecoverable, true, false]", "KeysTable can be recovered"},
		"snapshots come back": {"${AWS::StackName}-events", "${AWS::StackName}-snapshots",
			"EventsTable has a backup"},
		"an inbox for ever": {"      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}\n", "",
			"InboxTable keeps"},
		"half a stream": {"NEW_IMAGE", "KEYS_ONLY", "new images"},
	} {
		t.Run(name, func(t *testing.T) {
			template := tc.template(t, functionTemplate)
			wantOne(
				t, slices.Concat(roles(template), abilities(template), functions(template), tables(template)), tc.want,
			)
		})
	}
	t.Run("room", func(t *testing.T) {
		const name = "FunctionName: !Sub '${AWS::StackName}-answer-queries'"
		for _, tc := range []struct {
			edit
			most int
		}{
			{edit{}, 49},
			{
				edit{"{LogGroupName: !Sub '/aws/lambda", "{LogGroupName: !Sub '" + strings.Repeat("x", 480), ""},
				512 - 480 - len("/-answer-queries"),
			},
			{edit{name, "FunctionName: !Sub '${AWS::StackName}-" + strings.Repeat("x", 30) + "'", ""}, 33},
			{
				edit{
					name, "Alias: x\n      OtherName: !Sub '${AWS::StackName}-other'",
					"Do: nothing is known of how long the OtherName",
				},
				119,
			},
		} {
			most, found := room(tc.template(t, functionTemplate))
			wantOne(t, found, tc.want)
			if tc.want == "" && most != tc.most {
				t.Errorf("%q leaves %d characters, want %d", tc.new, most, tc.most)
			}
		}
	})
	t.Run("a role shared", func(t *testing.T) {
		template := parseTemplate(t, functionTemplate)
		template.Resources["Do2"] = template.Resources["Do"]
		wantOne(t, functions(template), "share DoRole")
	})
	t.Run("size", func(t *testing.T) {
		template := parseTemplate(t, functionTemplate)
		if n := size(template); n != 9 {
			t.Errorf("the size is %d, want 9", n)
		}
		var events object
		if err := json.Unmarshal([]byte(`{"A": {}, "B": {}}`), &events); err != nil {
			t.Fatal(err)
		}
		template.Resources["Do"].Properties["Events"] = events
		if n := size(template); n != 13 {
			t.Errorf("with two events the size is %d, want 13", n)
		}
	})
}

const abilityTemplate = `
Resources:
  Work: {Type: 'AWS::SQS::Queue'}
  Dead: {Type: 'AWS::SQS::Queue'}
  Do:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt DoRole.Arn
      EventInvokeConfig: {DestinationConfig: {OnFailure: {Destination: !GetAtt Dead.Arn}}}
      Events:
        Work: {Type: SQS, Properties: {Queue: !GetAtt Work.Arn}}
        Events: {Type: DynamoDB, Properties: {Stream: !GetAtt EventsTable.StreamArn, DestinationConfig: {OnFailure: {Destination: !GetAtt Dead.Arn}}}}
  DoRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility, sqs:GetQueueAttributes], Resource: !GetAtt Work.Arn}
              - {Effect: Allow, Action: [dynamodb:DescribeStream, dynamodb:GetRecords, dynamodb:GetShardIterator], Resource: !GetAtt EventsTable.StreamArn}
              - {Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Dead.Arn} # Do's
  Schedule: {Type: 'AWS::Scheduler::Schedule', Properties: {Target: {Arn: !GetAtt Do.Arn, RoleArn: !GetAtt ScheduleRole.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}}}
  ScheduleRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt Do.Arn}
              - {Effect: Allow, Action: sqs:SendMessage, Resource: [!GetAtt Dead.Arn]} # Schedule's
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {Role: !GetAtt MachineRole.Arn, DefinitionSubstitutions: {DoArn: !GetAtt Do.Arn, WorkUrl: !Ref Work}}
  MachineRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: lambda:InvokeFunction, Resource: [!GetAtt Do.Arn]}
              - {Effect: Allow, Action: sqs:SendMessage, Resource: [!GetAtt Work.Arn]}
`

func TestAbilityRulesFind(t *testing.T) {
	for name, tc := range map[string]edit{
		"good":                   {"", "", ""},
		"a queue not taken from": {"sqs:DeleteMessage, ", "", "Do may not sqs:DeleteMessage on Work"},
		"a stream not read":      {"dynamodb:GetRecords, ", "", "Do may not dynamodb:GetRecords on EventsTable"},
		"letters not sent": {
			"Action: sqs:SendMessage, Resource: !GetAtt Dead.Arn} # Do's",
			"Action: sqs:SendMessage, Resource: !GetAtt Work.Arn}", "Do may not sqs:SendMessage on Dead",
		},
		"letters refused": {
			"{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Dead.Arn} # Do's",
			"{Effect: Deny, Action: sqs:SendMessage, Resource: !GetAtt Dead.Arn}", "Do may not sqs:SendMessage on Dead",
		},
		"a schedule of nothing": {
			"Action: lambda:InvokeFunction, Resource: !GetAtt Do.Arn",
			"Action: lambda:GetFunction, Resource: !GetAtt Do.Arn", "Schedule may not lambda:InvokeFunction on Do",
		},
		"a schedule's letters": {
			"Resource: [!GetAtt Dead.Arn]} # Schedule's", "Resource: [!GetAtt Work.Arn]}",
			"Schedule may not sqs:SendMessage on Dead",
		},
		"a step that is not invoked": {
			"Resource: [!GetAtt Do.Arn]", "Resource: [!GetAtt More.Arn]", "Machine may not lambda:InvokeFunction on Do",
		},
		"a command that doesn't leave": {
			"Resource: [!GetAtt Work.Arn]", "Resource: [!GetAtt More.Arn]", "Machine may not sqs:SendMessage on Work",
		},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, abilities(tc.template(t, abilityTemplate)), tc.want) })
	}
}

func TestParameterRulesFind(t *testing.T) {
	const asked = `
Metadata: {'AWS::CloudFormation::Interface': {ParameterGroups: [{Parameters: [Seconds, Days]}]}}
Parameters:
  Seconds: {Type: String, Default: '5', AllowedPattern: '[1-9]', Description: How long.}
  Days: {Type: Number, Default: 1, AllowedValues: [1, 3]}
`
	for name, tc := range map[string]edit{
		"good":          {"", "", ""},
		"not shown":     {"[Seconds, Days]", "[Days]", "Seconds is in no group"},
		"not there":     {"[Seconds, Days]", "[Seconds, Days, Years]", "a group shows Years"},
		"not explained": {", Description: How long.", "", "Seconds has no description"},
		"an odd number": {"'[1-9]'", "'[0-9]+'", `Seconds is a number, and "010" passes for one`},
		"any text":      {", AllowedPattern: '[1-9]'", "", "Seconds is a number, and"},
		"a fraction": {
			"Type: String, Default: '5', AllowedPattern: '[1-9]'", "Type: Number, Default: 5",
			"Seconds takes fractions",
		},
		"a wrong default":  {"Default: '5'", "Default: '55'", "Seconds has a default that it refuses"},
		"a broken pattern": {"'[1-9]'", "'[1-9'", "Seconds has a default that it refuses"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, parameters(tc.template(t, asked)), tc.want) })
	}
}
