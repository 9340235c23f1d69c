//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sesv2types "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/aws/metrics"
	"orderflow/shared/inbound/stream"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/sweep"
	"orderflow/shared/read/view"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// functions are the stack's functions by their names without the stack's.
func functions(t *testing.T) map[string]lambdatypes.FunctionConfiguration {
	t.Helper()
	found := map[string]lambdatypes.FunctionConfiguration{}
	for pages := lambda.NewListFunctionsPaginator(
		stack.functions, &lambda.ListFunctionsInput{},
	); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out.Functions {
			if name, ok := strings.CutPrefix(aws.ToString(f.FunctionName), stack.Stack+"-"); ok {
				found[name] = f
			}
		}
	}
	return found
}

// actingAs gives clients with what a function's role allows. The role itself trusts Lambda only, so
// that its policies are copied to one that trusts the test.
func actingAs(t *testing.T, role string) aws.Config {
	t.Helper()
	roles := iam.NewFromConfig(stack.config)
	trust, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []object{{
		"Effect": "Allow", "Principal": object{"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	created, err := roles.CreateRole(
		t.Context(),
		&iam.CreateRoleInput{
			RoleName: aws.String("e2e-" + ident.New()), AssumeRolePolicyDocument: aws.String(string(trust)),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	attached, err := roles.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	if err != nil || len(attached.AttachedPolicies) > 0 {
		t.Fatalf("role %s has managed policies %+v, %v; its own say it all", role, attached, err)
	}
	list, err := roles.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: &role})
	if err != nil || len(list.PolicyNames) == 0 {
		t.Fatalf("policies of role %s: %+v, %v", role, list, err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		for _, name := range list.PolicyNames {
			if _, err := roles.DeleteRolePolicy(
				ctx, &iam.DeleteRolePolicyInput{RoleName: created.Role.RoleName, PolicyName: &name},
			); err != nil {
				t.Error(err)
			}
		}
		if _, err := roles.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: created.Role.RoleName}); err != nil {
			t.Error(err)
		}
	})
	for _, name := range list.PolicyNames {
		policy, err := roles.GetRolePolicy(t.Context(), &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		if err != nil {
			t.Fatal(err)
		}
		document, err := url.QueryUnescape(aws.ToString(policy.PolicyDocument))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := roles.PutRolePolicy(
			t.Context(),
			&iam.PutRolePolicyInput{RoleName: created.Role.RoleName, PolicyName: &name, PolicyDocument: &document},
		); err != nil {
			t.Fatal(err)
		}
	}
	session, err := sts.NewFromConfig(stack.config).AssumeRole(
		t.Context(), &sts.AssumeRoleInput{RoleArn: created.Role.Arn, RoleSessionName: aws.String("e2e")},
	)
	if err != nil {
		t.Fatal(err)
	}
	config := stack.config.Copy()
	config.Credentials = credentials.NewStaticCredentialsProvider(
		aws.ToString(session.Credentials.AccessKeyId), aws.ToString(session.Credentials.SecretAccessKey),
		aws.ToString(session.Credentials.SessionToken))
	return config
}

func denied(err error) bool {
	var coded smithy.APIError
	return errors.As(err, &coded) && strings.HasPrefix(coded.ErrorCode(), "AccessDenied")
}

// attempt tries something with the rights of a function.
type attempt = func(ctx context.Context, config aws.Config) error

// attempts are tries by what they try.
type attempts = map[string]attempt

// attributeS and attributeN are values of keys.
func attributeS(v string) dynamodbtypes.AttributeValue {
	return &dynamodbtypes.AttributeValueMemberS{Value: v}
}

func attributeN(v string) dynamodbtypes.AttributeValue {
	return &dynamodbtypes.AttributeValueMemberN{Value: v}
}

var (
	triedEvent    = item{"stream": attributeS("order/" + ident.New()), "version": attributeN("1")}
	triedSnapshot = item{"stream": attributeS("account/" + ident.New()), "fold": attributeS("none")}
	triedFigure   = item{"pk": attributeS("e2e"), "sk": attributeS("permissions")}
)

func tryUpdate(table string, key item) attempt {
	return func(ctx context.Context, config aws.Config) error {
		_, err := dynamodb.NewFromConfig(config).UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &table, Key: key, UpdateExpression: aws.String("SET forged = :f"),
			ExpressionAttributeValues: item{":f": attributeS("f")},
		})
		return err
	}
}

func tryRemove(table string, key item) attempt {
	return func(ctx context.Context, config aws.Config) error {
		_, err := dynamodb.NewFromConfig(config).DeleteItem(
			ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: key},
		)
		return err
	}
}

func tryPut(table string, key item) attempt {
	return func(ctx context.Context, config aws.Config) error {
		_, err := dynamodb.NewFromConfig(config).PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: key})
		return err
	}
}

func tryGet(table string, key item) attempt {
	return func(ctx context.Context, config aws.Config) error {
		_, err := dynamodb.NewFromConfig(config).GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key})
		return err
	}
}

func tryPublish(source, kind string) attempt {
	return func(ctx context.Context, config aws.Config) error {
		_, err := eventbridge.NewFromConfig(config).PutEvents(ctx, &eventbridge.PutEventsInput{
			Entries: []eventbridgetypes.PutEventsRequestEntry{{
				EventBusName: aws.String(stack.Outputs["BusName"]), Source: &source, DetailType: &kind, Detail: aws.String("{}"),
			}},
		})
		return err
	}
}

func tryQuery(ctx context.Context, config aws.Config) error {
	_, err := dynamodb.NewFromConfig(config).Query(ctx, &dynamodb.QueryInput{
		TableName: aws.String(stack.Outputs["EventsTable"]), KeyConditionExpression: aws.String("#s = :s"),
		ExpressionAttributeNames:  map[string]string{"#s": "stream"},
		ExpressionAttributeValues: item{":s": triedEvent["stream"]},
	})
	return err
}

func tryReadSnapshot(ctx context.Context, config aws.Config) error {
	_, err := dynamodb.NewFromConfig(config).GetItem(
		ctx, &dynamodb.GetItemInput{TableName: aws.String(stack.Outputs["SnapshotsTable"]), Key: triedSnapshot},
	)
	return err
}

func tryScan(ctx context.Context, config aws.Config) error {
	_, err := dynamodb.NewFromConfig(config).Scan(
		ctx, &dynamodb.ScanInput{TableName: aws.String(stack.Outputs["EventsTable"]), Limit: aws.Int32(1)},
	)
	return err
}

func trySendTo(output string) attempt {
	return func(ctx context.Context, config aws.Config) error {
		_, err := sqs.NewFromConfig(config).SendMessage(
			ctx,
			&sqs.SendMessageInput{QueueUrl: aws.String(stack.Outputs[output]), MessageBody: aws.String("forged")},
		)
		return err
	}
}

func tryStart(ctx context.Context, config aws.Config) error {
	_, err := sfn.NewFromConfig(config).StartExecution(
		ctx,
		&sfn.StartExecutionInput{StateMachineArn: aws.String(stack.Outputs["SagaArn"]), Input: aws.String("{}")},
	)
	return err
}

func trySendAs(from string) attempt {
	return func(ctx context.Context, config aws.Config) error {
		text := &sesv2types.Content{Data: aws.String("forged")}
		_, err := sesv2.NewFromConfig(config).SendEmail(ctx, &sesv2.SendEmailInput{
			FromEmailAddress: &from, Destination: &sesv2types.Destination{
				ToAddresses: []string{"forged@example.com"},
			},
			Content: &sesv2types.EmailContent{
				Simple: &sesv2types.Message{Subject: text, Body: &sesv2types.Body{Text: text}},
			},
		})
		return err
	}
}

func tryReceiveFrom(output string) attempt {
	return func(ctx context.Context, config aws.Config) error {
		_, err := sqs.NewFromConfig(config).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: aws.String(stack.Outputs[output]), AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"},
		})
		return err
	}
}

func tryEntries(ctx context.Context, config aws.Config) error {
	_, err := dynamodb.NewFromConfig(config).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(stack.Outputs["DeadLettersTable"]),
		Key:       item{"id": attributeS("a"), "part": attributeS("entry")},
	})
	return err
}

// tryWrap uses the key without a word on whose data key it is.
func tryWrap(ctx context.Context, config aws.Config) error {
	_, err := kms.NewFromConfig(config).GenerateDataKey(
		ctx,
		&kms.GenerateDataKeyInput{
			KeyId: aws.String(partsOf("AWS::KMS::Key")["PersonalDataKey"]), KeySpec: kmstypes.DataKeySpecAes256,
		},
	)
	return err
}

// forbiddenToAll is what no function may do.
func forbiddenToAll() attempts {
	events, views, stock, keys := stack.Outputs["EventsTable"], stack.Outputs["ViewsTable"],
		stack.Outputs["StockTable"], stack.Outputs["KeysTable"]
	return attempts{
		"wrap a key that is nobody's": tryWrap,
		"change an event":             tryUpdate(events, triedEvent), "delete an event": tryRemove(events, triedEvent),
		"read all events at once": tryScan,
		"delete a view's row":     tryRemove(views, item{"pk": attributeS("a"), "sk": attributeS("b")}),
		"delete a person's key":   tryRemove(keys, item{"subject": attributeS("a")}),
		"delete a counter":        tryRemove(stock, item{"sku": attributeS("a")}),
		"delete a snapshot":       tryRemove(stack.Outputs["SnapshotsTable"], triedSnapshot),
		"start a saga by message": trySendTo("StartSagaQueueUrl"), "order stock": trySendTo("InventoryQueueUrl"),
		"forge a mail":             trySendTo("SendMailsQueueUrl"),
		"publish as somebody else": tryPublish("somebody-service", "order.shown"),
		"publish what is no event": tryPublish("order-service", "order.shown"),
		"delete a figure":          tryRemove(stack.Outputs["AnalyticsTable"], triedFigure),
	}
}

// writes are what functions that only read may not do.
func writes() attempts {
	events, views, stock, keys := stack.Outputs["EventsTable"], stack.Outputs["ViewsTable"],
		stack.Outputs["StockTable"], stack.Outputs["KeysTable"]
	return attempts{
		"write an event":       tryPut(events, triedEvent),
		"change a counter":     tryUpdate(stock, item{"sku": attributeS("a")}),
		"write a view's row":   tryPut(views, item{"pk": attributeS("a"), "sk": attributeS("b")}),
		"write a person's key": tryPut(keys, item{"subject": attributeS("a")}), "start a run": tryStart,
	}
}

// forbidden is what each function may not do besides.
func forbidden() map[string]attempts {
	noWrites := writes()
	nothing := writes()
	nothing["read an order"] = tryQuery
	onlyOrders := writes()
	onlyOrders["read a person's key"] = tryGet(stack.Outputs["KeysTable"], item{"subject": attributeS("a")})
	onlyOrders["change how far a view is"] = tryPut(
		stack.Outputs["ViewsTable"], item{"pk": attributeS("control"), "sk": attributeS("orders")},
	)
	return map[string]attempts{
		"analyse-orders": {
			"read an order": tryQuery, "write an event": noWrites["write an event"], "start a run": tryStart,
		},
		"answer-queries":    noWrites,
		"answer-operations": onlyOrders,
		"accept-commands":   {"write a view's row": noWrites["write a view's row"], "start a run": tryStart},
		"publish-events":    maps.Clone(noWrites),
		"serve-console":     nothing,
		"project-views": {
			"write an event": noWrites["write an event"], "change a counter": noWrites["change a counter"],
			"start a run": tryStart,
		},
		"finish-erasure": {
			"change a counter": noWrites["change a counter"], "write a view's row": noWrites["write a view's row"],
			"start a run": tryStart,
		},
		"start-saga": {"write an event": noWrites["write an event"], "change a counter": noWrites["change a counter"]},
		"process-payment": {
			"change a counter": noWrites["change a counter"], "write a person's key": noWrites["write a person's key"],
		},
		"process-inventory": {"write a person's key": noWrites["write a person's key"], "start a run": tryStart},
		"schedule-shipment": {
			"write a person's key": noWrites["write a person's key"], "change a counter": noWrites["change a counter"],
		},
		"advance-order":       {"change a counter": noWrites["change a counter"], "start a run": tryStart},
		"record-dead-letters": noWrites,
		"redrive-dead-letters": {
			"read an order": tryQuery, "write an event": noWrites["write an event"],
			"write a view's row": noWrites["write a view's row"],
		},
		"send-mails": {
			"write an event": noWrites["write an event"], "write a person's key": noWrites["write a person's key"],
			"start a run":                tryStart,
			"send mail as somebody else": trySendAs("somebody@example.com"),
		},
		"follow-mails": {
			"write a person's key": noWrites["write a person's key"], "write a view's row": noWrites["write a view's row"],
			"start a run": tryStart,
		},
		"audit-events": noWrites,
		"prepare-shipments": {
			"change a counter": noWrites["change a counter"], "write a view's row": noWrites["write a view's row"],
			"write a person's key": noWrites["write a person's key"], "start a run": tryStart,
		},
		"follow-shipments": {
			"write a view's row":   noWrites["write a view's row"],
			"write a person's key": noWrites["write a person's key"], "start a run": tryStart,
		},
		"commit-stock": {
			"write a view's row":   noWrites["write a view's row"],
			"write a person's key": noWrites["write a person's key"], "start a run": tryStart,
		},
		"simulate-carrier": {
			"write a view's row":   noWrites["write a view's row"],
			"write a person's key": noWrites["write a person's key"], "start a run": tryStart,
		},
		"sweep-orders": {"write a view's row": noWrites["write a view's row"]},
	}
}

// allowed is what each function may do: it shows that the rest isn't denied for want of valid
// credentials.
func allowed() attempts {
	return attempts{
		"record-dead-letters": tryReceiveFrom("DeadLettersQueueUrl"), "redrive-dead-letters": tryEntries,
		"start-saga": tryReceiveFrom("StartSagaQueueUrl"), "publish-events": trySendTo("DeadLettersQueueUrl"),
		"analyse-orders": tryUpdate(stack.Outputs["AnalyticsTable"], triedFigure), "serve-console": tryName,
		"answer-operations": tryQuery,
	}
}

// tryName asks who one is, which needs valid credentials and no permission.
func tryName(ctx context.Context, config aws.Config) error {
	_, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	return err
}

// A policy counts from the next request on, also where the same text counted before: the local AWS
// keeps what a text says, and not whether a role has it.
func TestPolicyCountsAtOnce(t *testing.T) {
	arn := aws.ToString(functions(t)["advance-order"].Role)
	config := actingAs(t, arn[strings.LastIndexByte(arn, '/')+1:])
	caller, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	role := strings.Split(aws.ToString(caller.Arn), "/")[1] // arn:…:assumed-role/role/session
	reads := func(want bool) {
		t.Helper()
		if err := tryReadSnapshot(t.Context(), config); want != (err == nil) {
			t.Errorf("reads a snapshot: %v, want %v", err, want)
		}
	}
	reads(false)
	for range 2 {
		remove := rolePolicy(t, role, "Allow", []string{"dynamodb:GetItem"}, "*")
		reads(true)
		deny := rolePolicy(t, role, "Deny", []string{"dynamodb:GetItem"}, "*")
		reads(false)
		deny()
		reads(true)
		remove()
		reads(false)
	}
}

// What a function does, its role has to allow: the emulator enforces it, so that all other tests
// show that each may do enough. This one shows that none may do more.
func TestPermissions(t *testing.T) {
	t.Parallel()
	deployed, everybody, more, allowed := functions(t), forbiddenToAll(), forbidden(), allowed()
	// Of a consumer that is new this says nothing: what everybody may not, it may not.
	for name := range more {
		if _, ok := deployed[name]; !ok {
			t.Errorf("%s is not deployed", name)
		}
	}

	// Without this the snapshots would be of no use, and nobody would notice: what can't be read
	// costs a replay.
	readers := []string{"accept-commands", "answer-queries", "process-payment", "project-views"}
	keepers := []string{"accept-commands", "process-payment", "project-views"}

	// A note of anybody else's would keep a loss from being found, and so would another state. The
	// earlier release of publish-events writes into the table that has the state.
	noters := []string{"audit-events", "project-views", "publish-events"}
	auditors := []string{"audit-events", "publish-events"}

	for name, function := range deployed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arn := aws.ToString(function.Role)
			config := actingAs(t, arn[strings.LastIndexByte(arn, '/')+1:])
			may, ok := allowed[name]
			if _, known := more[name]; !ok && known {
				may = tryQuery
			} else if !ok {
				may = tryEntries // the journal, which each consumer of a queue keeps
			}
			if err := may(t.Context(), config); err != nil {
				t.Fatalf("what it needs: %v", err)
			}
			if name == "publish-events" {
				takeEntry(t, "dead-letters", "forged") // nothing in it says who sent it
			}
			if err := tryReadSnapshot(t.Context(), config); slices.Contains(readers, name) != (err == nil) {
				t.Errorf("reads a snapshot: %v", err)
			}
			keep := tryPut(stack.Outputs["SnapshotsTable"], triedSnapshot)
			if err := keep(t.Context(), config); slices.Contains(keepers, name) != (err == nil) {
				t.Errorf("writes a snapshot: %v", err)
			}
			copied := tryUpdate(stack.Outputs["ShippingTable"], item{"order": attributeS(ident.New())})
			if err := copied(t.Context(), config); (name == "prepare-shipments") != (err == nil) {
				t.Errorf("changes shipping's copy of an order: %v", err)
			}
			side := audit.OnBus
			if name == "project-views" {
				side = audit.InViews
			}
			note := tryPut(stack.Outputs["JournalTable"], item{
				"bucket": attributeS("e2e#" + string(side) + "#0"), "id": attributeS(ident.New()),
			})
			if err := note(t.Context(), config); slices.Contains(noters, name) != (err == nil) {
				t.Errorf("writes a note: %v", err)
			}
			state := tryUpdate(stack.Outputs["MarksTable"], item{"stream": attributeS("audit/state")})
			if err := state(t.Context(), config); slices.Contains(auditors, name) != (err == nil) {
				t.Errorf("changes the audit's state: %v", err)
			}
			for _, tries := range []attempts{everybody, more[name]} {
				for what, try := range tries {
					if name == "redrive-dead-letters" &&
						slices.Contains([]string{"start a saga by message", "order stock", "forge a mail"}, what) {
						continue // that is what it is for
					}
					if err := try(t.Context(), config); !denied(err) {
						t.Errorf("may %s: %v", what, err)
					}
				}
			}
		})
	}
}

// Each alarm watches a part that is there, and tells the topic operations when it goes off.
func TestAlarms(t *testing.T) {
	t.Parallel()
	watch := cloudwatch.NewFromConfig(stack.config)
	topic := stack.Outputs["OperationsTopicArn"]
	mailbox, mailboxARN := newQueue(t, "sns.amazonaws.com")
	topics := sns.NewFromConfig(stack.config)
	subscribed, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: &mailboxARN, ReturnSubscriptionArn: true,
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := topics.Unsubscribe(
			ctx, &sns.UnsubscribeInput{SubscriptionArn: subscribed.SubscriptionArn},
		); err != nil {
			t.Error(err)
		}
	})
	var alarms []cloudwatchtypes.MetricAlarm
	for pages := cloudwatch.NewDescribeAlarmsPaginator(
		watch, &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(stack.Stack + "-")},
	); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		alarms = append(alarms, out.MetricAlarms...)
	}

	parts := map[string][]string{
		"QueueName": {}, "FunctionName": {}, "StateMachineArn": {stack.Outputs["SagaArn"]},
		"ApiId": {stack.Outputs["ApiId"]},
		"Stack": {stack.Stack}, "EventBusName": {stack.Outputs["BusName"]}, "RuleName": {},
	}
	for _, url := range partsOf("AWS::SQS::Queue") {
		parts["QueueName"] = append(parts["QueueName"], url[strings.LastIndexByte(url, '/')+1:])
	}
	for name := range functions(t) {
		parts["FunctionName"] = append(parts["FunctionName"], stack.Stack+"-"+name)
	}
	rules, err := eventbridge.NewFromConfig(stack.config).ListRules(
		t.Context(), &eventbridge.ListRulesInput{EventBusName: aws.String(stack.Outputs["BusName"])},
	)
	if err != nil || rules.NextToken != nil {
		t.Fatalf("rules: %+v, %v", rules, err)
	}
	for _, r := range rules.Rules {
		parts["RuleName"] = append(parts["RuleName"], aws.ToString(r.Name))
	}
	watched := map[string]bool{}
	for _, a := range alarms {
		name := aws.ToString(a.AlarmName)
		if !slices.Equal(a.AlarmActions, []string{topic}) || !aws.ToBool(a.ActionsEnabled) {
			t.Errorf("%s tells %v", name, a.AlarmActions)
		}
		for _, d := range a.Dimensions {
			if !slices.Contains(parts[aws.ToString(d.Name)], aws.ToString(d.Value)) {
				t.Errorf("%s watches %s %s, which isn't there", name, aws.ToString(d.Name), aws.ToString(d.Value))
			}
			watched[aws.ToString(d.Value)+" "+aws.ToString(a.MetricName)] = true
		}
	}
	letters := stack.Outputs["DeadLettersQueueUrl"]
	if !watched[letters[strings.LastIndexByte(letters, '/')+1:]+" ApproximateNumberOfMessagesVisible"] {
		t.Error("no alarm watches the dead letters that nobody records")
	}

	// Those on metrics of our own go off by their metric, which the functions only write to the
	// log; the others, whose metrics only AWS writes, by being set.
	waiting := map[string]bool{}
	set := func(name *string, state cloudwatchtypes.StateValue) {
		if _, err := watch.SetAlarmState(
			t.Context(),
			&cloudwatch.SetAlarmStateInput{AlarmName: name, StateValue: state, StateReason: aws.String("drill")},
		); err != nil {
			t.Fatal(err)
		}
	}
	var own []cloudwatchtypes.MetricAlarm
	for _, a := range alarms {
		waiting[aws.ToString(a.AlarmName)] = true
		if aws.ToString(a.Namespace) == metrics.Namespace {
			own = append(own, a)
		} else {
			set(a.AlarmName, cloudwatchtypes.StateValueAlarm)
		}
		set(a.AlarmName, cloudwatchtypes.StateValueOk)
	}
	for _, name := range []string{
		sweep.MetricFound, sweep.MetricFailed, sweep.MetricUnprepared, sweep.MetricAtOdds, view.MetricLagSeconds,
		stream.MetricSnapshotFailures, audit.MetricMissing, audit.MetricUnpublishable,
		audit.MetricAbandoned, audit.MetricMarkFailures, audit.MetricCanaryMissing, deadletter.MetricOpen,
		deadletter.MetricSpent,
	} {
		if !slices.ContainsFunc(
			own, func(a cloudwatchtypes.MetricAlarm) bool { return aws.ToString(a.MetricName) == name },
		) {
			t.Errorf("no alarm watches %s", name)
		}
	}
	for _, a := range own {
		var data []cloudwatchtypes.MetricDatum
		for ago := range aws.ToInt32(a.EvaluationPeriods) {
			data = append(data, cloudwatchtypes.MetricDatum{
				MetricName: a.MetricName, Dimensions: a.Dimensions, Value: aws.Float64(aws.ToFloat64(a.Threshold) + 1),
				Timestamp: aws.Time(time.Now().Add(-time.Duration(ago*aws.ToInt32(a.Period)) * time.Second)),
			})
		}
		if _, err := watch.PutMetricData(
			t.Context(), &cloudwatch.PutMetricDataInput{Namespace: a.Namespace, MetricData: data},
		); err != nil {
			t.Fatal(err)
		}
		eventually(t, aws.ToString(a.AlarmName)+" goes off", func() (cloudwatchtypes.StateValue, bool) {
			out, err := watch.DescribeAlarms(
				t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{aws.ToString(a.AlarmName)}},
			)
			if err != nil || len(out.MetricAlarms) != 1 {
				t.Fatalf("%+v, %v", out, err)
			}
			return out.MetricAlarms[0].StateValue, out.MetricAlarms[0].StateValue == cloudwatchtypes.StateValueAlarm
		})
	}
	collect(t, mailbox, waiting)
	for _, a := range own {
		set(a.AlarmName, cloudwatchtypes.StateValueOk)
	}
}

// collect waits until each of the alarms has told that it went off.
func collect(t *testing.T, mailbox string, waiting map[string]bool) {
	t.Helper()
	eventually(t, "messages of alarms", func() (map[string]bool, bool) {
		out, err := stack.queues.ReceiveMessage(
			t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &mailbox, MaxNumberOfMessages: 10},
		)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			told := decode[struct{ AlarmName, NewStateValue string }](t, []byte(aws.ToString(m.Body)))
			if told.NewStateValue != "ALARM" {
				t.Errorf("told is %s", aws.ToString(m.Body))
			}
			delete(waiting, told.AlarmName)
			if _, err := stack.queues.DeleteMessage(
				t.Context(), &sqs.DeleteMessageInput{QueueUrl: &mailbox, ReceiptHandle: m.ReceiptHandle},
			); err != nil {
				t.Fatal(err)
			}
		}
		return waiting, len(waiting) == 0
	})
}

// pause stops a function's mapping from a queue; the test's end, or resume before it, lets it go
// on.
func pause(t *testing.T, function string) (resume func()) {
	t.Helper()
	list, err := stack.functions.ListEventSourceMappings(
		t.Context(), &lambda.ListEventSourceMappingsInput{FunctionName: deployed(function)},
	)
	if err != nil || len(list.EventSourceMappings) == 0 {
		t.Fatalf("mappings of %s: %+v, %v", function, list, err)
	}
	one := func(id *string, enabled bool, state string) {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.functions.UpdateEventSourceMapping(
			ctx, &lambda.UpdateEventSourceMappingInput{UUID: id, Enabled: &enabled},
		); err != nil {
			t.Error(err)
			return
		}
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			mapping, err := stack.functions.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: id})
			if err == nil && aws.ToString(mapping.State) == state {
				return
			}
		}
		t.Errorf("the mapping of %s does not get %s", function, state)
	}
	set := func(enabled bool, state string) {
		for _, mapping := range list.EventSourceMappings {
			one(mapping.UUID, enabled, state)
		}
	}
	t.Cleanup(func() { set(true, "Enabled") })
	set(false, "Disabled")
	return func() { set(true, "Enabled") }
}

// shortBudget makes the sweep look at orders that have stood still for a second; the real budget is
// longer than a run of the saga may take.
func shortBudget(t *testing.T) {
	t.Helper()
	setVariables(t, "sweep-orders", map[string]string{"ORDER_BUDGET_SECONDS": "1"})
}

// sweeps runs the sweep until it has acted on an order, and not once more: then it could close what
// it has just started. The stack's schedule may be faster.
func sweeps(t *testing.T, c customer, standing order, stage sweep.Stage, action sweep.Action) {
	t.Helper()
	eventually(t, "the sweep has "+string(action)+" an order", func() (sweep.Summary, bool) {
		out, err := stack.functions.Invoke(
			t.Context(),
			&lambda.InvokeInput{FunctionName: deployed("sweep-orders"), Payload: []byte(`{}`)},
		)
		if err != nil || out.FunctionError != nil {
			t.Fatalf("sweep: %v %s", err, out.Payload)
		}
		s := decode[sweep.Summary](t, out.Payload)
		acted := s.Actions[action] > 0
		if s.Errors > 0 || acted && s.Found[stage] != 1 {
			t.Errorf("the sweep came to %s", out.Payload)
		}
		return s, acted || c.order(t, standing.ID).Version > standing.Version
	})
}

// sweepsUntil runs the sweep until it has come to the order and done something to it: an order's
// turn is within as many sweeps as there are slots, whichever slot is next.
func sweepsUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	eventually(t, "the sweep has "+what, func() (string, bool) {
		out, err := stack.functions.Invoke(
			t.Context(),
			&lambda.InvokeInput{FunctionName: deployed("sweep-orders"), Payload: []byte(`{}`)},
		)
		if err != nil || out.FunctionError != nil {
			t.Fatalf("sweep: %v %s", err, out.Payload)
		}
		return string(out.Payload), done()
	})
}

// An order of an erased customer that finish-erasure never came to is cancelled by the sweep, and
// refunded.
func TestSweepCancelsWhatNobodyCanSend(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 5)
	placed := buyer.place(t, line(sku, 1, 100))
	buyer.prepared(t, placed.ID)
	resume := pause(t, "finish-erasure")
	must[object](t, http.StatusOK, erase(stack.operator, buyer.id))
	takeMessage(t, stack.Outputs["FinishErasureQueueUrl"], buyer.id)
	resume()
	shortBudget(t)
	sweepsUntil(t, "cancelled the order", func() bool { return buyer.order(t, placed.ID).Status == "cancelled" })
	if got := buyer.order(t, placed.ID); got.Cancellation.Reason != "customer.erased" ||
		got.Cancellation.By != "operator" {
		t.Errorf("cancellation is %+v", got.Cancellation)
	}
	history := buyer.history(t, placed.ID)
	if types(history) != "order.placed order.started order.confirmed order.cancelling order.cancelled" ||
		history[3].CausationID != "sweep-orders" {
		t.Errorf("history is %+v", history)
	}
	if got := must[parcel](
		t, http.StatusOK, get(stack.operator, "/shipments/"+shipment.ID(placed.ID, 1)),
	); got.Status != "cancelled" {
		t.Errorf("the shipment is %+v", got)
	}
	checkStock(t, sku, shop.Stock{OnHand: 5, Available: 5})
	if balance := buyer.balance(t); balance != 1_000 {
		t.Errorf("balance is %d", balance)
	}
}

// An order that has not heard of its shipment's departure hears of it by the sweep.
func TestSweepFollowsTheShipment(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 5)
	resume := pause(t, "follow-shipments")
	placed := buyer.place(t, line(sku, 1, 100))
	_, p := buyer.prepared(t, placed.ID)
	must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+p.ID+"/dispatch", nil))
	takeMessage(t, stack.Outputs["FollowShipmentsQueueUrl"], p.ID)
	resume()
	shortBudget(t)
	sweepsUntil(
		t, "told the order that it is on its way", func() bool { return buyer.order(t, placed.ID).Status == "shipped" },
	)
	history := buyer.history(t, placed.ID)
	if types(history) != "order.placed order.started order.confirmed order.shipped" ||
		history[3].CausationID != "sweep-orders" {
		t.Errorf("history is %+v", history)
	}
	belongs(t, history, history[0].CorrelationID)
	must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+p.ID+"/deliver", nil))
	buyer.becomes(t, placed.ID, "delivered")
	hasStock(t, sku, shop.Stock{OnHand: 4, Available: 4})
}

// reservation is what stock has for an order, read from its stream: no answer of the API says
// whether it is closed.
func reservation(t *testing.T, orderID string) stock.ReservationState {
	t.Helper()
	store := dynamostore.New(stack.tables, stack.Outputs["EventsTable"], es.NewRegistry(stock.Register))
	state, err := stock.New(stock.Deps{Store: store, Clock: clock.System{}}).Reservation(t.Context(), orderID, 1)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// deaf are books that a dispatch tells nothing.
type deaf struct{}

func (deaf) Departure(string, int64) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
	return func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) { return nil, nil, nil }
}

// open is a vault whose every secret is an address.
type open struct{ personal.Vault }

func (open) Open(context.Context, string, string, personal.Sealed) ([]byte, error) {
	return []byte("{}"), nil
}

// unclosed is an order that is on its way and whose reservation is not closed: its dispatch told
// the books nothing, and commit-stock never hears of it. The test dispatches by itself, on the
// deployed table.
func unclosed(t *testing.T, buyer customer) (placed order, p parcel) {
	t.Helper()
	resume := pause(t, "commit-stock")
	placed = buyer.place(t, line(newStock(t, 5), 1, 100))
	_, p = buyer.prepared(t, placed.ID)
	store := dynamostore.New(stack.tables, stack.Outputs["EventsTable"], es.NewRegistry(shipment.Register))
	shipments := shipment.New(shipment.Deps{Store: store, Clock: clock.System{}, Vault: open{}, Books: deaf{}})
	if _, err := shipments.Dispatch(t.Context(), es.Request{
		CommitID: ident.New(), Time: time.Now(),
		Metadata: es.Metadata{CorrelationID: ident.New(), CausationID: "http/e2e", Actor: "operator/e2e"},
	}, p.ID); err != nil {
		t.Fatal(err)
	}
	buyer.becomes(t, placed.ID, "shipped")
	takeMessage(t, stack.Outputs["CommitStockQueueUrl"], placed.ID)
	resume()
	if got := reservation(t, placed.ID); got.Departed || got.Committed {
		t.Errorf("the reservation is %+v", got)
	}
	return placed, p
}

// A reservation whose order.shipped was lost is closed by the sweep while the order is on its way.
func TestSweepClosesTheReservation(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	placed, _ := unclosed(t, buyer)
	shortBudget(t)
	sweepsUntil(t, "closed the reservation", func() bool { return reservation(t, placed.ID).Committed })
	if got := buyer.order(t, placed.ID); got.Status != "shipped" {
		t.Errorf("the order is %+v", got)
	}
}

// And it is closed by the arrival where no sweep came in between: a delivered order is on no list
// of the sweep.
func TestArrivalClosesTheReservation(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	placed, p := unclosed(t, buyer)
	must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+p.ID+"/deliver", nil))
	buyer.becomes(t, placed.ID, "delivered")
	if got := reservation(t, placed.ID); !got.Committed {
		t.Errorf("the reservation is %+v", got)
	}
}

// An order whose start was lost is found by the sweep, and confirmed by the run that it starts.
func TestSweepStartsWhatWasLost(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 2)
	resume := pause(t, "start-saga")
	placed := buyer.place(t, line(sku, 1, 100))
	takeMessage(t, stack.Outputs["StartSagaQueueUrl"], placed.ID)
	resume()
	standing := buyer.order(t, placed.ID)
	if standing.Status != "placed" || standing.Saga.State != "pending" {
		t.Fatalf("the order is %+v", standing)
	}
	shortBudget(t)
	sweeps(t, buyer, standing, sweep.StagePending, sweep.ActionStarted)
	if got := buyer.ends(t, placed.ID, "confirmed"); got.Saga.ID != placed.ID {
		t.Errorf("it was confirmed by run %s", got.Saga.ID)
	}
	buyer.counts(t, 1, 0)
	checkStock(t, sku, shop.Stock{OnHand: 2, Available: 1, Reserved: 1})
}

// An order whose run is gone in the middle is closed by the sweep, and all that the run did or
// still caused is undone.
func TestSweepClosesWhatStandsStill(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 2)
	resume := pause(t, "process-inventory")
	placed := buyer.place(t, line(sku, 1, 100))
	eventually(t, "the run waits for its stock", func() (string, bool) {
		out, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl:       aws.String(stack.Outputs["InventoryQueueUrl"]),
			AttributeNames: []sqstypes.QueueAttributeName{"ApproximateNumberOfMessages"},
		})
		if err != nil {
			t.Fatal(err)
		}
		waiting := out.Attributes["ApproximateNumberOfMessages"]
		return waiting, waiting != "0"
	})
	run := strings.Replace(stack.Outputs["SagaArn"], ":stateMachine:", ":execution:", 1) + ":" + placed.ID
	if _, err := stack.runs.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &run}); err != nil {
		t.Fatal(err)
	}
	resume()
	// The command outlives the run that sent it: what comes late is carried out, and undone with
	// the rest.
	eventually(t, "the stock is reserved, though nobody waits for it", func() (shop.Stock, bool) {
		s := must[shop.Stock](t, http.StatusOK, get(stack.operator, "/stock/"+sku))
		return s, s.Reserved == 1
	})
	standing := buyer.order(t, placed.ID)
	if standing.Status != "placed" || standing.Saga.State != "running" {
		t.Fatalf("the order is %+v", standing)
	}
	shortBudget(t)
	sweeps(t, buyer, standing, sweep.StageRunning, sweep.ActionClosed)
	got := buyer.ends(t, placed.ID, "cancelled")
	if got.Cancellation.Reason != "order.expired" || got.Cancellation.By != "sweep" {
		t.Errorf("cancellation is %+v", got.Cancellation)
	}
	buyer.counts(t, 0, 1)
	checkStock(t, sku, shop.Stock{OnHand: 2, Available: 2})
	if balance := buyer.balance(t); balance != 1_000 {
		t.Errorf("balance is %d", balance)
	}
}
