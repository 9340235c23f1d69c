package archtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/view"
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
	"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
	"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
	"states:SendTaskSuccess", "states:SendTaskFailure",
	"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
}

// Resources that the template can't name, by action, with the only forms in which a policy may mean all of them: what has no name until it exists, and what
// SES asks about besides the sender, whose address the statement's condition names.
var unnamed = map[string][]string{
	"dynamodb:ListStreams":     {"${EventsTable.Arn}/stream/*"},
	"states:DescribeExecution": {"arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${OrderSaga.Name}:*"},
	"ses:SendEmail": {
		"arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*",
		"arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/*",
	},
}

// Actions that change or take away what was written. Nobody has them on the events.
var rewriting = []string{
	"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
	"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete", "dynamodb:DeleteTable", "dynamodb:UpdateTable",
}

// Actions that only read. The query side has no others on tables and keys.
var reading = []string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "kms:Decrypt"}

// Functions that may read any stream, each with the reason. The others reach only those that they name.
var readsEveryStream = map[string]string{
	"project-views": "its views are of all contexts, and it never writes events",
	"audit-events":  "it publishes what was lost of any context, and it never writes events",
}

// statement is a statement of a role's policy.
type statement struct {
	effect      string
	actions     []string
	resources   []any
	leadingKeys []any
	sender      string // the parameter with the only address to send from
	extras      any    // NotAction or NotResource
}

// statements lists what a role allows, and where it allows something under a condition only, what it allows then.
func statements(t template, role string) []statement {
	var all []statement
	for _, p := range list(t.prop(role, "Policies")) {
		for _, s := range list(at(p, "PolicyDocument", "Statement")) {
			if branches := list(at(s, "Fn::If")); len(branches) == 3 {
				s = branches[1]
			}
			st := statement{effect: textAt(s, "Effect"), resources: list(at(s, "Resource"))}
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
	}
	return all
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

// roles: each names its actions and resources, in its own text.
func roles(t template) (found findings) {
	for _, id := range t.ofType(roleType) {
		if t.prop(id, "ManagedPolicyArns") != nil {
			found.addf("%s has a managed policy, which is wider than what is needed", id)
		}
		if len(statements(t, id)) == 0 {
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
				for _, r := range s.resources {
					if p := pattern(r); p != "" && !(p == "*" && slices.Contains(withoutResource, a)) && !slices.Contains(unnamed[a], p) {
						found.addf("%s allows %s on %s", id, a, p)
					}
				}
				if a == "ses:SendEmail" && s.sender != "MailFrom" {
					found.addf("%s allows %s from any address", id, a)
				}
				if slices.ContainsFunc(s.resources, func(r any) bool { return target(r) == "EventsTable" }) && slices.Contains(rewriting, a) {
					found.addf("%s allows %s on the events, which are only ever added to", id, a)
				}
			}
		}
	}
	return found
}

// functions: each has a role that nobody else has, a log group that ends, tracing, a binary of its own, and a name of the stack's.
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
		} else if stackName(t.prop(id, "FunctionName")) != name || textAt(t.prop(logs, "LogGroupName"), "Fn::Sub") != "/aws/lambda/${AWS::StackName}-"+name {
			found.addf("%s or its log group isn't named after the stack and functions/%s", id, name)
		}
		if t.prop(id, "LoggingConfig", "LogFormat") != "JSON" {
			found.addf("%s doesn't log JSON, which its metrics are read from", id)
		}
		if t.prop(id, "Tracing") != "Active" {
			found.addf("%s isn't traced", id)
		}
		if t.prop(id, "Handler") != "bootstrap" || t.prop(id, "Runtime") != "provided.al2023" || textAt(t.Resources[id].Metadata, "BuildMethod") != "go1.x" {
			found.addf("%s isn't built as a Go binary for provided.al2023", id)
		}
		if numberAt(t.prop(id, "MemorySize")) == 0 || t.prop(id, "Architectures") == nil {
			found.addf("%s doesn't say its memory or architecture", id)
		}
		for _, s := range statements(t, role) {
			for _, r := range s.resources {
				onEvents := target(r) == "EventsTable" && textAt(r, "Fn::GetAtt") == "EventsTable.Arn"
				if onEvents && len(s.leadingKeys) == 0 && readsEveryStream[name] == "" {
					found.addf("%s reaches every stream; its policy names those that are its own (dynamodb:LeadingKeys)", id)
				}
				if onEvents && readsEveryStream[name] != "" && slices.ContainsFunc(s.actions, func(a string) bool { return !slices.Contains(reading, a) }) {
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
		if t.prop(id, "Tracing", "Enabled") != true || t.prop(id, "Logging", "IncludeExecutionData") != false || t.prop(id, "Logging", "Level") != "ALL" {
			found.addf("%s isn't traced and logged without its data", id)
		}
		if t.Resources[target(t.prop(id, "Role"))].Type != roleType {
			found.addf("%s has no role of its own", id)
		}
	}
	return found
}

// tables: kept as their kind needs. The keys have no backup, or the erased would come back; nor have the snapshots, which the events make again.
func tables(t template) (found findings) {
	for _, id := range t.ofType(tableType) {
		name := stackName(t.prop(id, "TableName"))
		if name == "" {
			found.addf("%s isn't named after the stack", id)
		}
		if t.prop(id, "BillingMode") != "PAY_PER_REQUEST" || t.prop(id, "SSESpecification", "SSEEnabled") != true || t.prop(id, "DeletionProtectionEnabled") == nil {
			found.addf("%s isn't on demand, encrypted and protected by parameter", id)
		}
		recoverable := t.prop(id, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")
		if name == "keys" && recoverable != false {
			found.addf("%s can be recovered, and the persons that were erased with it", id)
		}
		if name == "snapshots" && recoverable != false {
			found.addf("%s has a backup, and nobody would restore it", id)
		}
		if name != "keys" && name != "snapshots" && at(recoverable, "Fn::If") == nil {
			found.addf("%s isn't recoverable by parameter", id)
		}
		if name == "inbox" && (t.prop(id, "TimeToLiveSpecification", "Enabled") != true || t.prop(id, "TimeToLiveSpecification", "AttributeName") != "expires") {
			found.addf("%s keeps what the inbox has forgotten", id)
		}
		if name == "events" && t.prop(id, "StreamSpecification", "StreamViewType") != "NEW_IMAGE" {
			found.addf("%s doesn't stream new images", id)
		}
	}
	return found
}

// size counts the resources that SAM makes of a template.
func size(t template) int {
	n := 0
	for _, r := range t.Resources {
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
			if r.Properties["AutoPublishAlias"] != nil {
				n += 3
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
				t.Errorf("%s may read a generation for %s, and it is kept up for %s", id, timeout+view.CacheFor, view.ReaderGrace)
			}
		case "project-views":
			if timeout >= view.WriterGrace {
				t.Errorf("%s may write a generation for %s, and what is left of it is deleted after %s", id, timeout, view.WriterGrace)
			}
		}
		if timeout == 0 {
			t.Errorf("%s has no timeout", id)
		}
	}
}

func TestTemplate(t *testing.T) {
	whole := mainTemplate(t)
	wantNone(t, roles(whole))
	wantNone(t, functions(whole))
	wantNone(t, tables(whole))
	for name, one := range map[string]template{"template.yaml": whole, "infra/alarms.yaml": alarmsTemplate(t)} {
		if n := size(one); n >= mostResources {
			t.Errorf("%s makes about %d resources, and stays under %d", name, n, mostResources)
		}
		for id, r := range one.Resources {
			if strings.HasPrefix(r.Type, "AWS::Serverless::") && !slices.Contains([]string{serverlessFunction, serverlessMachine}, r.Type) {
				t.Errorf("%s: %s is of type %s, which these rules don't look into", name, id, r.Type)
			}
		}
	}
	if n := len(whole.ofType(serverlessFunction)); n < 10 {
		t.Errorf("only %d functions were found", n)
	}
}

const functionTemplate = `
Globals: {Function: {Handler: bootstrap, Runtime: provided.al2023, Architectures: [arm64], MemorySize: 256, Tracing: Active}}
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
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: [xray:PutTraceSegments], Resource: '*'}
              - {Effect: Allow, Action: ses:SendEmail, Resource: !Sub 'arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*', Condition: {StringEquals: {'ses:FromAddress': !Ref MailFrom}}}
              - Effect: Allow
                Action: dynamodb:Query
                Resource: !GetAtt EventsTable.Arn
                Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': [order/*]}}
  EventsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub '${AWS::StackName}-events'
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [IsRecoverable, true, false]}
      DeletionProtectionEnabled: !If [IsProtected, true, false]
      SSESpecification: {SSEEnabled: true}
  KeysTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub '${AWS::StackName}-keys'
      BillingMode: PAY_PER_REQUEST
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: false}
      DeletionProtectionEnabled: !If [IsProtected, true, false]
      SSESpecification: {SSEEnabled: true}
  InboxTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub '${AWS::StackName}-inbox'
      BillingMode: PAY_PER_REQUEST
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [IsRecoverable, true, false]}
      DeletionProtectionEnabled: !If [IsProtected, true, false]
      SSESpecification: {SSEEnabled: true}
`

func TestTemplateRulesFind(t *testing.T) {
	for name, tc := range map[string]edit{
		"good":                     {"", "", ""},
		"a managed policy":         {"      Policies:", "      ManagedPolicyArns: [x]\n      Policies:", "managed policy"},
		"a wildcard action":        {"Action: dynamodb:Query", "Action: 'dynamodb:*'", "allows dynamodb:*"},
		"a wildcard at times":      {"- {Effect: Allow, Action: [xray:PutTraceSegments], Resource: '*'}", "- !If [Own, {Effect: Allow, Action: 's3:*', Resource: x}, !Ref AWS::NoValue]", "allows s3:*"},
		"a wildcard resource":      {"Resource: !GetAtt EventsTable.Arn", "Resource: '*'", "allows dynamodb:Query on *"},
		"a wildcard in a Sub":      {"Resource: !GetAtt EventsTable.Arn", "Resource: !Sub '${EventsTable.Arn}/*'", "allows dynamodb:Query on ${EventsTable.Arn}/*"},
		"mails from anybody":       {"Condition: {StringEquals: {'ses:FromAddress': !Ref MailFrom}}", "Condition: {StringEqualsIfExists: {'ses:FromAddress': !Ref MailFrom}}", "from any address"},
		"mails in other accounts":  {"${AWS::AccountId}:identity/*", "*:identity/*", "allows ses:SendEmail on"},
		"everything but":           {"Action: dynamodb:Query", "NotAction: dynamodb:Query", "doesn't simply allow"},
		"a deny":                   {"- Effect: Allow", "- Effect: Deny", "doesn't simply allow"},
		"events rewritten":         {"Action: dynamodb:Query", "Action: dynamodb:UpdateItem", "allows dynamodb:UpdateItem on the events"},
		"events taken away":        {"Action: dynamodb:Query", "Action: [dynamodb:Query, dynamodb:DeleteItem]", "allows dynamodb:DeleteItem on the events"},
		"every stream":             {"                Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': [order/*]}}\n", "", "reaches every stream"},
		"a query side that writes": {"Action: dynamodb:Query", "Action: [dynamodb:PutItem]", "the query side only reads"},
		"a role of SAM's":          {"      Role: !GetAtt DoRole.Arn\n", "", "Do has no role of its own"},
		"a log group of Lambda's":  {"{LogFormat: JSON, LogGroup: !Ref DoLogs}", "{LogFormat: JSON}", "Do has no log group"},
		"another's log group":      {"/aws/lambda/${AWS::StackName}-answer-queries", "/aws/lambda/${AWS::StackName}-other", "isn't named after"},
		"logs as text":             {"LogFormat: JSON, ", "", "doesn't log JSON"},
		"logs for ever":            {", RetentionInDays: 7", "", "DoLogs keeps for ever"},
		"no tracing":               {", Tracing: Active", "", "Do isn't traced"},
		"another runtime":          {"provided.al2023", "python3.13", "isn't built as a Go binary"},
		"a table by capacity":      {"PAY_PER_REQUEST", "PROVISIONED", "EventsTable isn't on demand"},
		"no protection":            {"      DeletionProtectionEnabled: !If [IsProtected, true, false]\n", "", "EventsTable isn't on demand"},
		"no recovery":              {"!If [IsRecoverable, true, false]", "false", "EventsTable isn't recoverable"},
		"keys come back":           {"PointInTimeRecoveryEnabled: false", "PointInTimeRecoveryEnabled: !If [IsRecoverable, true, false]", "KeysTable can be recovered"},
		"snapshots come back":      {"${AWS::StackName}-events", "${AWS::StackName}-snapshots", "EventsTable has a backup"},
		"an inbox for ever":        {"      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}\n", "", "InboxTable keeps"},
		"half a stream":            {"NEW_IMAGE", "KEYS_ONLY", "new images"},
	} {
		t.Run(name, func(t *testing.T) {
			template := tc.template(t, functionTemplate)
			wantOne(t, slices.Concat(roles(template), functions(template), tables(template)), tc.want)
		})
	}
	t.Run("a role shared", func(t *testing.T) {
		template := parseTemplate(t, functionTemplate)
		template.Resources["Do2"] = template.Resources["Do"]
		wantOne(t, functions(template), "share DoRole")
	})
	t.Run("size", func(t *testing.T) {
		template := parseTemplate(t, functionTemplate)
		if n := size(template); n != 6 {
			t.Errorf("the size is %d, want 6", n)
		}
		var events object
		if err := json.Unmarshal([]byte(`{"A": {}, "B": {}}`), &events); err != nil {
			t.Fatal(err)
		}
		template.Resources["Do"].Properties["Events"] = events
		if n := size(template); n != 10 {
			t.Errorf("with two events the size is %d, want 10", n)
		}
	})
}
