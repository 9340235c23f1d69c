//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/aws/redrive"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/deadletter"
)

// redrives is how often tests have run the redrive.
var redrives atomic.Int64

// runRedrive runs the redrive once. The stack's schedule may be faster.
func runRedrive(t *testing.T) deadletter.Summary {
	t.Helper()
	redrives.Add(1)
	out, err := stack.functions.Invoke(
		t.Context(),
		&lambda.InvokeInput{FunctionName: deployed("redrive-dead-letters"), Payload: []byte(`{}`)},
	)
	if err != nil || out.FunctionError != nil {
		t.Fatalf("redrive: %v %s", err, out.Payload)
	}
	return decode[deadletter.Summary](t, out.Payload)
}

// deployed names a function as whoever invokes it does: by its alias.
func deployed(function string) *string {
	return aws.String(stack.Stack + "-" + function + ":" + redrive.Alias)
}

// setVariables changes some of a function's variables until the test ends, as a deployment does: it
// publishes a version and moves the alias to it.
func setVariables(t *testing.T, function string, changes map[string]string) {
	t.Helper()
	name := stack.Stack + "-" + function
	configured, err := stack.functions.GetFunctionConfiguration(
		t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: deployed(function)},
	)
	if err != nil {
		t.Fatal(err)
	}
	set := func(ctx context.Context, variables map[string]string) error {
		if _, err := stack.functions.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
			FunctionName: &name, Environment: &lambdatypes.Environment{Variables: variables},
		}); err != nil {
			return err
		}
		return lambda.NewFunctionUpdatedV2Waiter(stack.functions).Wait(
			ctx, &lambda.GetFunctionInput{FunctionName: &name}, patience,
		)
	}
	move := func(ctx context.Context, version *string) error {
		_, err := stack.functions.UpdateAlias(ctx, &lambda.UpdateAliasInput{
			FunctionName: &name, Name: aws.String(redrive.Alias), FunctionVersion: version,
		})
		return err
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		back := move(ctx, configured.Version)
		if err := errors.Join(back, set(ctx, configured.Environment.Variables)); err != nil {
			t.Error(err)
		}
	})
	changed := maps.Clone(configured.Environment.Variables)
	maps.Copy(changed, changes)
	if err := set(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	published, err := stack.functions.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: &name})
	if err == nil {
		err = move(t.Context(), published.Version)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// policy puts a policy of the test's own on a function's role, until the test ends or it is taken
// away.
func policy(t *testing.T, function, effect string, actions []string, resource string) (remove func()) {
	t.Helper()
	arn := aws.ToString(functions(t)[function].Role)
	return rolePolicy(t, arn[strings.LastIndexByte(arn, '/')+1:], effect, actions, resource)
}

// rolePolicy is policy, for a role.
func rolePolicy(t *testing.T, role, effect string, actions []string, resource string) (remove func()) {
	t.Helper()
	roles, name := iam.NewFromConfig(stack.config), "e2e-"+ident.New()
	document, err := json.Marshal(object{
		"Version": "2012-10-17", "Statement": []object{{"Effect": effect, "Action": actions, "Resource": resource}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roles.PutRolePolicy(
		t.Context(),
		&iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: aws.String(string(document))},
	); err != nil {
		t.Fatal(err)
	}
	there := true
	remove = func() {
		if !there {
			return
		}
		there = false
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := roles.DeleteRolePolicy(
			ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &name},
		); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(remove)
	return remove
}

// operations hears what the topic operations is told from now on.
func operations(t *testing.T) (heard func(mark string) []string) {
	t.Helper()
	url, arn := newQueue(t, "sns.amazonaws.com")
	topics := sns.NewFromConfig(stack.config)
	subscribed, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: aws.String(stack.Outputs["OperationsTopicArn"]), Protocol: aws.String("sqs"), Endpoint: &arn,
		ReturnSubscriptionArn: true,
		Attributes:            map[string]string{"RawMessageDelivery": "true"},
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
	var all []string
	return func(mark string) (with []string) {
		for {
			out, err := stack.queues.ReceiveMessage(
				t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10},
			)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range out.Messages {
				all = append(all, aws.ToString(m.Body))
				if _, err := stack.queues.DeleteMessage(
					t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle},
				); err != nil {
					t.Fatal(err)
				}
			}
			if len(out.Messages) == 0 {
				break
			}
		}
		for _, text := range all {
			if strings.Contains(text, mark) {
				with = append(with, text)
			}
		}
		return with
	}
}

// redriven runs the redrive until a dead letter has one of the statuses.
func redriven(t *testing.T, id string, statuses ...string) letter {
	t.Helper()
	return eventually(t, "dead letter "+id+" "+strings.Join(statuses, " or "), func() (letter, bool) {
		runRedrive(t)
		l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+id))
		for _, s := range statuses {
			if l.Status == s {
				return l, true
			}
		}
		return l, false
	})
}

// abandoned makes a consumer's queue whose dead letters the stack records and redrives, lets a
// message end among them, and deletes the queue.
func abandoned(t *testing.T) (consumer, message string, deployAgain func() (url string)) {
	t.Helper()
	consumer, message = "e2e-"+ident.New(), "of a queue that is deleted "+ident.New()
	create := func(name string, attributes map[string]string) (url, arn string) {
		t.Helper()
		created, err := stack.queues.CreateQueue(
			t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(stack.Stack + "-" + name), Attributes: attributes},
		)
		if err != nil {
			t.Fatal(err)
		}
		out, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: created.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{
				sqstypes.QueueAttributeNameQueueArn,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(created.QueueUrl), out.Attributes["QueueArn"]
	}
	remove := func(url string) {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
			t.Error(err)
		}
	}
	letters, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String(stack.Outputs["DeadLettersQueueUrl"]),
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	const tries = 3
	// A message comes again at once. The client leaves out a visibility of 0 of a request.
	attributes := map[string]string{
		"VisibilityTimeout": "0",
		"RedrivePolicy":     text(t, object{"deadLetterTargetArn": letters.Attributes["QueueArn"], "maxReceiveCount": tries}),
	}
	url, arn := create(consumer, attributes)
	policy(t, "redrive-dead-letters", "Allow", []string{"sqs:GetQueueUrl", "sqs:SendMessage"}, arn)
	if _, err := stack.queues.SendMessage(
		t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &message},
	); err != nil {
		t.Fatal(err)
	}
	for try := range tries + 1 { // the last one moves it
		out, err := stack.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
		if err != nil || try < tries && len(out.Messages) == 0 {
			t.Fatalf("try %d: %+v, %v", try, out, err)
		}
	}
	remove(url)
	return consumer, message, func() string {
		t.Helper()
		url, _ := create(consumer, attributes)
		t.Cleanup(func() { remove(url) })
		return url
	}
}

// Lambda takes a message before it knows whether it may run the function, and each time counts as
// received. Here nobody runs it: the test takes the message more often than a consumer has tries.
// Then the consumer fails once, and has its other tries: the order ends, and leaves no dead letter.
func TestThrottlesAreNoTries(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 2)
	buyer.ends(t, buyer.place(t, line(sku, 1, 100)).ID, "confirmed") // the functions are warm
	queue, name := stack.Outputs["StartSagaQueueUrl"], stack.Stack+"-start-saga"
	visibility := sqstypes.QueueAttributeNameVisibilityTimeout
	t.Cleanup(func() { setQueue(t, queue, visibility, "60") })
	out, err := stack.functions.ListEventSourceMappings(
		t.Context(), &lambda.ListEventSourceMappingsInput{FunctionName: deployed("start-saga")},
	)
	if err != nil || len(out.EventSourceMappings) != 1 {
		t.Fatalf("mappings of %s: %+v, %v", name, out, err)
	}
	enable := func(on bool) {
		t.Helper()
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.functions.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{
			UUID: out.EventSourceMappings[0].UUID, Enabled: &on,
		}); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { enable(true) })
	enable(false)
	setQueue(t, queue, visibility, "0")
	placed := buyer.place(t, line(sku, 1, 100))
	for range 2 * deadletter.Tries {
		eventually(t, "the message is received by nobody", func() (struct{}, bool) {
			got, err := stack.queues.ReceiveMessage(
				t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 1},
			)
			return struct{}{}, err == nil && len(got.Messages) == 1
		})
	}
	mend := policy(t, "start-saga", "Deny", []string{"states:StartExecution"}, "*")
	setQueue(t, queue, visibility, "3")
	enable(true)
	eventually(t, "the consumer fails", func() (string, bool) {
		text := logContent(t, placed.PlacedAt, "start-saga").text
		return text, strings.Contains(text, "message failed") && strings.Contains(text, "AccessDenied")
	})
	mend()
	buyer.ends(t, placed.ID, "confirmed")
	for _, l := range entries(t, "consumer=start-saga") {
		if l.LastFailure.After(placed.PlacedAt) {
			t.Errorf("a dead letter of throttles: %+v", l)
		}
	}
}

// A consumer that is poisoned fails three times, and its dead letter has the consumer's own error.
// It is redriven after the age. Mended, the consumer has its effect once, though it crashes between
// effect and acknowledgement; a message that stays poison is spent, and so is one whose queue was
// deleted: of each operations is told once.
func TestDeadLettersComeBack(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 2)
	buyer.ends(t, buyer.place(t, line(sku, 1, 100)).ID, "confirmed") // the functions are warm
	settings := map[string]string{"DEAD_LETTER_MIN_AGE": "1", "DEAD_LETTER_MAX_REDRIVES": "2"}
	setVariables(t, "record-dead-letters", settings)
	setVariables(t, "redrive-dead-letters", settings)
	queue, visibility := stack.Outputs["StartSagaQueueUrl"], sqstypes.QueueAttributeNameVisibilityTimeout
	t.Cleanup(func() { setQueue(t, queue, visibility, "60") })
	setQueue(t, queue, visibility, "2")
	heard := operations(t)

	mend := policy(t, "start-saga", "Deny", []string{"states:StartExecution"}, "*")
	placed := buyer.place(t, line(sku, 1, 100))
	never := `{"mark":"` + ident.New() + `"}`
	if _, err := stack.queues.SendMessage(
		t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &never},
	); err != nil {
		t.Fatal(err)
	}
	deleted, orphan, deployAgain := abandoned(t)

	poisoned := findEntry(t, "start-saga", placed.ID, "open", "redriving")
	if poisoned.RetryCount != 3 || !strings.Contains(poisoned.Error, "AccessDenied") ||
		poisoned.Topic != "order.placed" || poisoned.Kind != "queue" || poisoned.CorrelationID == "" ||
		poisoned.FirstFailure.Before(placed.PlacedAt) || !poisoned.LastFailure.After(poisoned.FirstFailure) ||
		poisoned.NextRedriveAt == nil {
		t.Errorf("the dead letter is %+v", poisoned)
	}
	spent := findEntry(t, "start-saga", never, "open", "redriving", "spent")
	gone := findEntry(t, deleted, orphan, "open", "redriving", "spent")

	// Mended, it has its effect, and can't say so: the order goes on, and the dead letter stays
	// open.
	unsaid := policy(t, "start-saga", "Deny", []string{"dynamodb:PutItem"}, "*")
	mend()
	eventually(t, "the redriven message has its effect", func() (order, bool) {
		runRedrive(t)
		o := buyer.order(t, placed.ID)
		return o, o.Status == "confirmed"
	})
	if l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+poisoned.ID)); l.Status == "resolved" {
		t.Errorf("the dead letter is closed without its consumer's answer: %+v", l)
	}
	unsaid()
	// It may have used its redrives up by then: a person goes on, by the command line.
	if l := eventually(t, "an answer", func() (letter, bool) {
		l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+poisoned.ID))
		return l, l.Status != "redriving"
	}); l.Status == "spent" {
		deadLetters(t, "redrive", poisoned.ID)
	}
	if l := redriven(t, poisoned.ID, "resolved"); l.ClosedAt == nil {
		t.Errorf("%+v", l)
	}
	if got := buyer.ends(t, placed.ID, "confirmed"); got.Saga.ID != placed.ID {
		t.Errorf("run %s has confirmed it", got.Saga.ID)
	}
	checkStock(t, sku, shop.Stock{OnHand: 2, Reserved: 2})
	if balance := buyer.balance(t); balance != 800 {
		t.Errorf("the balance is %d: the order was charged more or less than once", balance)
	}

	for what, stays := range map[string]struct {
		letter
		redrives int
	}{"stays poison": {spent, 2}, "has no queue": {gone, 1}} {
		l := stays.letter
		got := redriven(t, l.ID, "spent")
		eventually(t, what+": operations is told", func() ([]string, bool) {
			runRedrive(t)
			told := heard(l.ID)
			return told, len(told) > 0
		})
		runRedrive(t)
		if told := heard(l.ID); len(told) != 1 || !strings.Contains(told[0], got.Error) {
			t.Errorf("%s: operations is told %q", what, told)
		}
		if got.Redrives != stays.redrives {
			t.Errorf("%s: %+v", what, got)
		}
	}
	if l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+gone.ID)); !strings.Contains(
		l.RedriveError, deadletter.ErrGone.Error(),
	) || l.Hint == "" || l.Error != gone.Error || l.RetryCount != gone.RetryCount {
		t.Errorf("%+v", l)
	}
	url := deployAgain()
	these := []string{"redrive", "--all", "--consumer", deleted, "--error", gone.Error, "--older-than", "1s"}
	if text := deadLetters(t, append(these, "--dry-run")...); !strings.Contains(text, gone.ID) ||
		strings.Contains(text, spent.ID) {
		t.Errorf("to be redriven are %s", text)
	}
	if l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+gone.ID)); l.Status != "spent" {
		t.Errorf("a dry run has left %+v", l)
	}
	for range 2 {
		deadLetters(t, these...)
	}
	if l := redriven(t, gone.ID, "redriving"); l.Redrives != 2 {
		t.Errorf("ordered twice it is %+v", l)
	}
	deadLetters(t, these...)
	runRedrive(t)
	takeMessage(t, url, orphan)
	if out, err := stack.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url}); err != nil ||
		len(out.Messages) != 0 {
		t.Errorf("sent more than once: %+v, %v", out, err)
	}
	listed := decode[[]letter](
		t, []byte(deadLetters(t, "list", "--status", "spent", "--consumer", "start-saga", "--json")),
	)
	if len(listed) == 0 || listed[0].ID != spent.ID {
		t.Errorf("the command line lists %+v", listed)
	}
	if text := deadLetters(t, "show", spent.ID); !strings.Contains(text, spent.ID) ||
		!strings.Contains(text, strings.Trim(never, "{}")[8:20]) {
		t.Errorf("the command line shows %s", text)
	}
	deadLetters(t, "discard", spent.ID, gone.ID, "--reason", "made by a test")
}

// deadLetters runs orderflow deadletters.
func deadLetters(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(
		t.Context(), "go",
		append([]string{"run", "../cmd/orderflow", "--stack", stack.Stack, "deadletters"}, args...)...,
	) // #nosec G204 -- of this checkout
	var errs strings.Builder
	command.Stderr = &errs
	out, err := command.Output()
	if err != nil {
		t.Fatalf("deadletters %s: %v: %s%s", strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

// jsonOf is an item as DynamoDB's streams have it.
func jsonOf(t *testing.T, value dynamodbtypes.AttributeValue) any {
	t.Helper()
	switch v := value.(type) {
	case *dynamodbtypes.AttributeValueMemberS:
		return object{"S": v.Value}
	case *dynamodbtypes.AttributeValueMemberN:
		return object{"N": v.Value}
	case *dynamodbtypes.AttributeValueMemberB:
		return object{"B": v.Value}
	case *dynamodbtypes.AttributeValueMemberBOOL:
		return object{"BOOL": v.Value}
	case *dynamodbtypes.AttributeValueMemberM:
		fields := object{}
		for name, f := range v.Value {
			fields[name] = jsonOf(t, f)
		}
		return object{"M": fields}
	case *dynamodbtypes.AttributeValueMemberL:
		list := []any{}
		for _, e := range v.Value {
			list = append(list, jsonOf(t, e))
		}
		return object{"L": list}
	}
	t.Fatalf("a %T in an item", value)
	return nil
}

// A record of the stream goes back to the function that gave it up, which answers: a good one is
// resolved, one that can't be read keeps its error; an invocation goes back with what it was
// invoked with.
func TestDeadLettersOfFunctions(t *testing.T) {
	t.Parallel()
	buyer := newCustomer(t, 1_000)
	out, err := stack.tables.GetItem(t.Context(),
		&dynamodb.GetItemInput{TableName: aws.String(stack.Outputs["EventsTable"]), Key: item{
			"stream":  &dynamodbtypes.AttributeValueMemberS{Value: "customer/" + buyer.id},
			"version": &dynamodbtypes.AttributeValueMemberN{Value: "1"},
		}})
	if err != nil || out.Item == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	image := object{}
	for name, value := range out.Item {
		image[name] = jsonOf(t, value)
	}
	mark := ident.New()
	for name, tc := range map[string]struct {
		consumer, message string
		wants             string // of the entry's error, "" where it is resolved
	}{
		"a record": {"project-views", text(t, object{
			"version": 1, "consumer": "project-views", "stream": "customer/" + buyer.id, "firstSequence": 1,
			"sequenceNumber": "1", "eventId": ident.New(),
			"streamArn": stack.Outputs["EventsStreamArn"], "error": "made by a test", "at": "2026-03-01T12:00:00Z",
			"image": image,
		}), ""},
		"a record that can't be read": {"project-views", text(t, object{
			"version": 1, "consumer": "project-views", "stream": "order/" + mark, "firstSequence": 1,
			"sequenceNumber": "2", "eventId": ident.New(),
			"streamArn": stack.Outputs["EventsStreamArn"], "error": "made by a test", "at": "2026-03-01T12:00:00Z",
			"image": object{"stream": object{"S": "order/" + mark}, "version": object{"N": "1"}},
		}), "corrupt commit"},
		"an invocation": {"sweep-orders",
			fmt.Sprintf(`{"timestamp":"2026-03-01T12:00:00Z",`+
				`"requestContext":{"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:`+
				`%s-sweep-orders:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":2},`+
				`"requestPayload":{"mark":"%s"},"responsePayload":{"errorMessage":"made by a test"}}`,
				stack.Stack, mark), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := stack.queues.SendMessage(
				t.Context(),
				&sqs.SendMessageInput{
					QueueUrl: aws.String(stack.Outputs["DeadLettersQueueUrl"]), MessageBody: &tc.message,
				},
			); err != nil {
				t.Fatal(err)
			}
			find := mark
			if name == "a record" {
				find = buyer.id
			}
			l := findEntry(t, tc.consumer, find, "open")
			if l.Error != "made by a test" {
				t.Errorf("%+v", l)
			}
			must[letter](t, http.StatusAccepted, post(stack.operator, "/dead-letters/"+l.ID+"/redrive", object{}))
			if tc.wants == "" {
				redriven(t, l.ID, "resolved")
				return
			}
			got := eventually(t, "the function's answer", func() (letter, bool) {
				runRedrive(t)
				l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+l.ID))
				return l, l.Status == "open" && l.Redrives == 1
			})
			if !strings.Contains(got.Error, tc.wants) || got.RetryCount != 2 {
				t.Errorf("%+v", got)
			}
			takeEntry(t, tc.consumer, find)
		})
	}
}

// An event that a rule could not deliver goes to the rule's target, which takes it as if it had
// just come. EventBridge's letter is written by hand: the emulator drops what a rule can't deliver.
func TestUndeliveredEventComesBack(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 1)
	rules := eventbridge.NewFromConfig(stack.config)
	rule, bus := aws.String(stack.Stack+"-order-placed"), aws.String(stack.Outputs["BusName"])
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := rules.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: rule, EventBusName: bus}); err != nil {
			t.Error(err)
		}
	})
	if _, err := rules.DisableRule(
		t.Context(), &eventbridge.DisableRuleInput{Name: rule, EventBusName: bus},
	); err != nil {
		t.Fatal(err)
	}
	described, err := rules.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: rule, EventBusName: bus})
	if err != nil {
		t.Fatal(err)
	}
	queue := stack.Outputs["StartSagaQueueUrl"]
	attributes, err := stack.queues.GetQueueAttributes(
		t.Context(),
		&sqs.GetQueueAttributesInput{
			QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	placed := buyer.place(t, line(sku, 1, 100))
	sample, err := os.ReadFile(filepath.Join("..", "events", "samples", "order.placed", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	envelope := decode[object](t, sample)
	data, _ := envelope["data"].(map[string]any)
	data["orderId"], data["customerId"] = placed.ID, buyer.id
	envelope["id"], envelope["subject"] = "order/"+placed.ID+"@1", "order/"+placed.ID
	is := func(kind, value string) sqstypes.MessageAttributeValue {
		return sqstypes.MessageAttributeValue{DataType: &kind, StringValue: &value}
	}
	if _, err := stack.queues.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: aws.String(stack.Outputs["DeadLettersQueueUrl"]),
		MessageBody: aws.String(text(t, object{
			"version": "0", "id": ident.New(), "detail-type": "order.placed", "source": "order-service",
			"account": "000000000000", "time": "2026-03-02T09:30:01Z",
			"region": "us-east-1", "resources": []string{}, "detail": envelope,
		})),
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{
			"RULE_ARN":   is("String", aws.ToString(described.Arn)),
			"TARGET_ARN": is("String", attributes.Attributes["QueueArn"]), "ERROR_CODE": is("String", "NO_PERMISSIONS"),
			"ERROR_MESSAGE": is("String", "not allowed to send"), "RETRY_ATTEMPTS": is("Number", "2"),
		},
	}); err != nil {
		t.Fatal(err)
	}
	l := findEntry(t, "start-saga", placed.ID, "open")
	if l.Kind != "queue" || l.Topic != "order.placed" || l.CorrelationID == "" ||
		l.Error != "NO_PERMISSIONS: not allowed to send" || l.RetryCount != 3 {
		t.Errorf("the dead letter is %+v", l)
	}
	if o := buyer.order(t, placed.ID); o.Status != "placed" {
		t.Errorf("the order is %s though nobody heard of it", o.Status)
	}
	must[letter](t, http.StatusAccepted, post(stack.operator, "/dead-letters/"+l.ID+"/redrive", object{}))
	redriven(t, l.ID, "resolved")
	buyer.ends(t, placed.ID, "confirmed")
}

// An invocation that fails each time is a dead letter with the function's own error, and comes back
// with what the function was invoked with.
func TestFailedInvocationComesBack(t *testing.T) {
	mark := ident.New()
	mend := policy(t, "sweep-orders", "Deny", []string{"dynamodb:Query", "dynamodb:GetItem"}, "*")
	if _, err := stack.functions.Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: deployed("sweep-orders"), InvocationType: lambdatypes.InvocationTypeEvent,
		Payload: []byte(text(t, object{"mark": mark})),
	}); err != nil {
		t.Fatal(err)
	}
	l := findEntry(t, "sweep-orders", mark, "open")
	if l.Kind != "invocation" || !strings.Contains(l.Error, "AccessDenied") || l.RetryCount != 3 {
		t.Errorf("the dead letter is %+v", l)
	}
	mend()
	must[letter](t, http.StatusAccepted, post(stack.operator, "/dead-letters/"+l.ID+"/redrive", object{}))
	redriven(t, l.ID, "resolved")
	for _, other := range entries(t, "consumer=sweep-orders&status=open") { // the schedule may have met the same
		must[letter](
			t, http.StatusOK,
			post(stack.operator, "/dead-letters/"+other.ID+"/discard", object{"reason": "made by a test"}),
		)
	}
}

// An undo that is spent is a dead letter, and comes back as a run of its own that takes back what
// is left.
func TestSpentUndoComesBack(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 2)
	buyer.ends(t, buyer.place(t, line(sku, 1, 100)).ID, "confirmed") // the functions are warm
	settings := map[string]string{"DEAD_LETTER_MIN_AGE": "1"}
	setVariables(t, "record-dead-letters", settings)
	setVariables(t, "redrive-dead-letters", settings)

	mend := policy(t, "schedule-shipment", "Deny", []string{"dynamodb:PutItem"}, "*")
	placed := buyer.place(t, line(sku, 1, 100))
	spent := findEntry(t, "order-saga", placed.ID, "open", "redriving")
	if spent.Kind != "undo" || spent.Topic != "undo" || !strings.Contains(spent.Error, "cancel shipment") ||
		spent.CorrelationID == "" || spent.RetryCount < 9 {
		t.Errorf("the dead letter is %+v", spent)
	}
	if o := buyer.order(t, placed.ID); o.Status != "cancelling" || o.Saga.State != "failed" {
		t.Errorf("the order is %s, its saga %s", o.Status, o.Saga.State)
	}
	// What could be undone is, whatever else could not.
	if balance := buyer.balance(t); balance != 900 {
		t.Errorf("the balance is %d", balance)
	}
	checkStock(t, sku, shop.Stock{OnHand: 2, Reserved: 1, Available: 1})

	mend()
	if l := redriven(t, spent.ID, "resolved"); l.Redrives < 1 {
		t.Errorf("%+v", l)
	}
	if o := buyer.ends(t, placed.ID, "cancelled"); !strings.HasPrefix(o.Saga.ID, "redrive-"+spent.ID) ||
		o.Cancellation == nil || o.Cancellation.Reason != "saga.step-failed" {
		t.Errorf("run %s has undone it: %+v", o.Saga.ID, o.Cancellation)
	}
	if balance := buyer.balance(t); balance != 900 {
		t.Errorf("the balance is %d", balance)
	}
	buyer.counts(t, 1, 1)
}
