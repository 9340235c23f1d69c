//go:build e2e

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/klauspost/compress/zstd"

	"orderflow/shared/kit/ident"
)

// What a person says of themselves can be read by those who may, and stands nowhere else in clear:
// not in a table, on the bus, in a run of the saga, in the dead letters or in a log.
func TestPersonalDataIsNowhereInClear(t *testing.T) {
	t.Parallel()
	began := time.Now().Add(-time.Second)
	secret := func(what string) string { return what + strings.ReplaceAll(ident.New(), "-", "")[:10] }
	name, email, recipient, street := secret("name"), secret("mail"), secret("recipient"), secret("street")
	floor, city, state, note := secret("floor"), secret("city"), secret("state"), secret("note")
	code := fmt.Sprintf("%05d-%04d", rand.IntN(1e5), rand.IntN(1e4))
	phone := fmt.Sprintf("+1 555 %010d", rand.Int64N(1e10))
	secrets := []string{name, email, recipient, street, floor, code, city, state, phone, note}
	bus := listen(t)

	c := customer{id: "e2e-" + ident.New()}
	var err error
	if c.token, err = stack.CustomerToken(t.Context(), c.id); err != nil {
		t.Fatal(err)
	}
	must[object](
		t, http.StatusCreated, post(c.token, "/customers", object{"name": name, "email": email + "@example.com"}),
	)
	c.account, _ = must[object](
		t, http.StatusCreated, post(c.token, "/accounts", object{"currency": "USD"}),
	)["id"].(string)
	c.deposit(t, 1_000)
	body := with(anOrder(onSale(t, line(newStock(t, 1), 1, 100))...), "shippingAddress", object{
		"recipient": recipient, "line1": street, "line2": floor, "postalCode": code, "city": city,
		"state": state, "country": "US", "phone": phone,
	})
	placed := must[order](t, http.StatusAccepted, post(c.token, "/orders", body))
	c.ends(t, placed.ID, "confirmed")
	must[order](t, http.StatusAccepted, post(c.token, "/orders/"+placed.ID+"/cancel", object{"reason": note}))
	c.ends(t, placed.ID, "cancelled")
	c.counts(t, 0, 1)

	own := send(t, get(c.token, "/orders/"+placed.ID)).String()
	for _, s := range []string{recipient, street, floor, code, city, state, phone, note} {
		if !strings.Contains(own, s) {
			t.Errorf("the customer can't read %s", s)
		}
	}

	// Each place with what shows that the search would have found something there.
	for _, place := range []struct{ name, mark, text string }{
		{"table events", placed.ID, dump(t, "EventsTable")},
		{"table views", placed.ID, dump(t, "ViewsTable")},
		{"table keys", c.id, dump(t, "KeysTable")},
		{"table inbox", "", dump(t, "InboxTable")},
		{"table stock", "", dump(t, "StockTable")},
		{"table snapshots", "", dump(t, "SnapshotsTable")},
		{"bus: registered", c.id, bus.event(t, "customer.registered", c.id)},
		{"bus: placed", placed.ID, bus.event(t, "order.placed", placed.ID)},
		{"bus: cancelling", placed.ID, bus.event(t, "order.cancelling", placed.ID)},
		{"bus: scheduled", placed.ID, bus.event(t, "shipment.scheduled", placed.ID)},
		{"bus: cancelled", placed.ID, bus.event(t, "order.cancelled", placed.ID)},
		{"bus: all of it", "order.cancelled", strings.Join(bus.heard, "")},
		{"run that fulfils", placed.ID, runs(t, placed.ID)},
		{"run that undoes", "-undo-", runs(t, placed.ID+"-undo-4")},
		{"dead letters", "", letters(t)},
		{"logs", placed.ID, logs(t, began, placed.ID)},
		{"history", placed.ID, send(t, get(stack.operator, "/orders/"+placed.ID+"/history")).String()},
		{"list", placed.ID, send(t, get(stack.operator, "/customers/"+c.id+"/orders")).String()},
	} {
		if !strings.Contains(place.text, place.mark) {
			t.Errorf("%s: there is nothing of the order", place.name)
		}
		for _, s := range secrets {
			if strings.Contains(strings.ToLower(place.text), s) {
				t.Errorf("%s: %s stands there in clear", place.name, s)
			}
		}
	}
}

// listener keeps what the bus says.
type listener struct {
	queue string
	rule  string // its ARN
	heard []string
}

// listen makes a listener to everything on the bus.
func listen(t *testing.T) *listener {
	t.Helper()
	queue, arn := newQueue(t, "events.amazonaws.com")
	rules, bus, rule := eventbridge.NewFromConfig(stack.config), aws.String(stack.Outputs["BusName"]),
		aws.String("e2e-"+ident.New())
	made, err := rules.PutRule(
		t.Context(),
		&eventbridge.PutRuleInput{
			Name: rule, EventBusName: bus, EventPattern: aws.String(`{"source":[{"prefix":""}]}`),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	target := eventbridgetypes.Target{Id: aws.String("listener"), Arn: &arn}
	if _, err := rules.PutTargets(
		t.Context(),
		&eventbridge.PutTargetsInput{Rule: rule, EventBusName: bus, Targets: []eventbridgetypes.Target{target}},
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := rules.RemoveTargets(
			ctx, &eventbridge.RemoveTargetsInput{Rule: rule, EventBusName: bus, Ids: []string{*target.Id}},
		); err != nil {
			t.Error(err)
		}
		if _, err := rules.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: rule, EventBusName: bus}); err != nil {
			t.Error(err)
		}
	})
	return &listener{queue: queue, rule: aws.ToString(made.RuleArn)}
}

// event is the event of that type about the mark, as a consumer of the bus gets it.
func (l *listener) event(t *testing.T, eventType, mark string) string {
	t.Helper()
	return eventually(t, eventType+" on the bus", func() (string, bool) {
		for _, body := range l.heard {
			if strings.Contains(body, mark) && strings.Contains(body, `"`+eventType+`"`) {
				return body, true
			}
		}
		l.receive(t)
		return "", false
	})
}

// drain takes what is there.
func (l *listener) drain(t *testing.T) {
	t.Helper()
	for l.receive(t) > 0 {
	}
}

func (l *listener) receive(t *testing.T) int {
	t.Helper()
	out, err := stack.queues.ReceiveMessage(
		t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &l.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range out.Messages {
		l.heard = append(l.heard, aws.ToString(m.Body))
		if _, err := stack.queues.DeleteMessage(
			t.Context(), &sqs.DeleteMessageInput{QueueUrl: &l.queue, ReceiptHandle: m.ReceiptHandle},
		); err != nil {
			t.Fatal(err)
		}
	}
	return len(out.Messages)
}

// runs is all that Step Functions keeps of a run of the saga, by its name, or of any run, by its
// ARN.
func runs(t *testing.T, name string) string {
	t.Helper()
	arn := name
	if !strings.HasPrefix(name, "arn:") {
		arn = strings.Replace(stack.Outputs["SagaArn"], ":stateMachine:", ":execution:", 1) + ":" + name
	}
	execution, err := stack.runs.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	all := []any{execution}
	for pages := sfn.NewGetExecutionHistoryPaginator(
		stack.runs, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, IncludeExecutionData: aws.Bool(true)},
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Events)
	}
	return text(t, all)
}

// letters is what the table of dead letters shows, with the messages.
func letters(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, e := range entries(t, "") {
		all.WriteString(send(t, get(stack.operator, "/dead-letters/"+e.ID)).String())
	}
	return all.String()
}

// logs is what the stack has logged since, once it has something about the mark.
func logs(t *testing.T, since time.Time, mark string) string {
	t.Helper()
	client := cloudwatchlogs.NewFromConfig(stack.config)
	var groups []string
	for pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(
		client, &cloudwatchlogs.DescribeLogGroupsInput{},
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.LogGroups {
			if name := aws.ToString(g.LogGroupName); strings.Contains(name, "/"+stack.Stack+"-") {
				groups = append(groups, name)
			}
		}
	}
	if deployed := len(functions(t)); len(groups) < deployed+2 {
		t.Errorf("%d log groups for %d functions, the API and the saga", len(groups), deployed)
	}
	return eventually(t, "logs about "+mark, func() (string, bool) {
		var all strings.Builder
		for _, group := range groups {
			in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(since.UnixMilli())}
			for pages := cloudwatchlogs.NewFilterLogEventsPaginator(client, in); pages.HasMorePages(); {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page.Events {
					all.WriteString(aws.ToString(e.Message))
				}
			}
		}
		return all.String(), strings.Contains(all.String(), mark)
	})
}

// dump is everything in a table.
func dump(t *testing.T, output string) string {
	t.Helper()
	var all strings.Builder
	for _, i := range scan(
		t, &dynamodb.ScanInput{TableName: aws.String(stack.Outputs[output]), ConsistentRead: aws.Bool(true)},
	) {
		write(&all, &dynamodbtypes.AttributeValueMemberM{Value: i})
	}
	return all.String()
}

var unzstd = sync.OnceValue(func() *zstd.Decoder {
	z, err := zstd.NewReader(nil)
	if err != nil {
		panic(err)
	}
	return z
})

func write(out *strings.Builder, v dynamodbtypes.AttributeValue) {
	switch v := v.(type) {
	case *dynamodbtypes.AttributeValueMemberM:
		for name, e := range v.Value {
			out.WriteString(" " + name + "=")
			write(out, e)
		}
	case *dynamodbtypes.AttributeValueMemberL:
		for _, e := range v.Value {
			write(out, e)
		}
	case *dynamodbtypes.AttributeValueMemberS:
		out.WriteString(v.Value)
	case *dynamodbtypes.AttributeValueMemberB:
		out.Write(v.Value)
		if plain, err := unzstd().DecodeAll(v.Value, nil); err == nil { // the events of a commit may be compressed
			out.Write(plain)
		}
	case *dynamodbtypes.AttributeValueMemberSS:
		out.WriteString(strings.Join(v.Value, " "))
	case *dynamodbtypes.AttributeValueMemberBS:
		for _, e := range v.Value {
			write(out, &dynamodbtypes.AttributeValueMemberB{Value: e})
		}
	default: // numbers and truth values
		fmt.Fprintf(out, "%v", v)
	}
}
