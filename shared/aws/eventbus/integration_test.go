//go:build integration

package eventbus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/eventbus"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
)

// More events than fit one request arrive behind a rule, each once and unchanged, and the rule sees
// what is inside of the data.
func TestBus(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	bus, queues := eventbridge.NewFromConfig(awstest.Config(t)), sqs.NewFromConfig(awstest.Config(t))
	name := awstest.Unique(t, "bus")
	if _, err := bus.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
	url := ruleToQueue(
		ctx, t, bus, queues, name,
		`{"source":["order-service"],"detail-type":["order.cancelling"],`+
			`"detail":{"data":{"origin":[{"anything-but":["saga"]}]}}}`,
	)

	var envelopes []es.Envelope
	want := map[string]es.Envelope{}
	for i := range 25 {
		origin := "customer"
		if i%5 == 0 {
			origin = "saga"
		}
		e := es.Envelope{
			SpecVersion: "1.0", ID: fmt.Sprintf("order/o%d@3", i), Source: "order-service", Type: "order.cancelling",
			Subject: fmt.Sprintf("order/o%d", i),
			Time:    time.Date(2026, 3, 1, 12, 0, 0, i, time.UTC), DataContentType: "application/json",
			DataSchema: "urn:x", DataVersion: 1, Sequence: 3,
			Data: json.RawMessage(fmt.Sprintf(`{"origin":%q,"detail":"ä <b> \" %d"}`, origin, i)),
		}
		envelopes = append(envelopes, e)
		if origin != "saga" {
			want[e.ID] = e
		}
	}
	for i, err := range eventbus.New(bus, name, clock.System{}).Put(ctx, envelopes) {
		if err != nil {
			t.Errorf("envelope %d: %v", i, err)
		}
	}
	for len(want) > 0 {
		out, err := queues.ReceiveMessage(
			ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(url), MaxNumberOfMessages: 10, WaitTimeSeconds: 1},
		)
		if err != nil {
			t.Fatalf("%d events are missing: %v", len(want), err)
		}
		for _, m := range out.Messages {
			var event struct {
				Detail es.Envelope `json:"detail"`
			}
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &event); err != nil {
				t.Fatal(err)
			}
			sent, ok := want[event.Detail.ID]
			if !ok {
				t.Fatalf("%s arrived, and should not have or had before", event.Detail.ID)
			}
			if got, expected := canonical(t, event.Detail), canonical(t, sent); got != expected {
				t.Errorf("arrived as %s, sent as %s", got, expected)
			}
			delete(want, event.Detail.ID)
			if _, err := queues.DeleteMessage(
				ctx, &sqs.DeleteMessageInput{QueueUrl: aws.String(url), ReceiptHandle: m.ReceiptHandle},
			); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// EventBridge refuses a request as a whole for one of its entries, on the wire: that entry can
// never pass, and the others arrive.
func TestRefusedEntry(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	direct, queues := eventbridge.NewFromConfig(awstest.Config(t)), sqs.NewFromConfig(awstest.Config(t))
	name := awstest.Unique(t, "bus")
	if _, err := direct.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
	url := ruleToQueue(ctx, t, direct, queues, name, `{"source":["order-service"]}`)
	client := awstest.StartProxy(t, 1).Client()
	client.Inject(t, awstest.Fault{
		Operation: "PutEvents", Body: "Entries[?contains(Detail, 'order/o3@1')] | [0]",
		Error: &awstest.Error{Code: "ValidationException", Status: 400},
	})
	var envelopes []es.Envelope
	want := map[string]bool{}
	for i := range 5 {
		e := es.Envelope{
			SpecVersion: "1.0", ID: fmt.Sprintf("order/o%d@1", i), Source: "order-service", Type: "order.placed",
			Subject: fmt.Sprintf("order/o%d", i), Time: time.Date(2026, 3, 1, 12, 0, 0, i, time.UTC),
			DataContentType: "application/json", DataSchema: "urn:x", DataVersion: 1, Sequence: 1,
			Data: json.RawMessage(`{}`),
		}
		envelopes = append(envelopes, e)
		if i != 3 {
			want[e.ID] = true
		}
	}
	faulty := eventbus.New(eventbridge.NewFromConfig(client.Config(t)), name, clock.System{})
	for i, err := range faulty.Put(ctx, envelopes) {
		if (i == 3) != poison.Is(err) || (i == 3) != (err != nil) {
			t.Errorf("envelope %d: %v", i, err)
		}
	}
	if times := client.Happened(t); len(times) != 1 || times[0] < 2 {
		t.Errorf("refused %v times: the request, and the entry alone", times)
	}
	for len(want) > 0 {
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(url), MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
		})
		if err != nil {
			t.Fatalf("%v are missing: %v", want, err)
		}
		for _, m := range out.Messages {
			var event struct {
				Detail es.Envelope `json:"detail"`
			}
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &event); err != nil {
				t.Fatal(err)
			}
			if !want[event.Detail.ID] {
				t.Fatalf("%s arrived, and should not have or had before", event.Detail.ID)
			}
			delete(want, event.Detail.ID)
			if _, err := queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{
				QueueUrl: aws.String(url), ReceiptHandle: m.ReceiptHandle,
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// ruleToQueue makes a queue behind a rule of the bus, and removes both and the bus when the test
// ends.
func ruleToQueue(
	ctx context.Context, t *testing.T, bus *eventbridge.Client, queues *sqs.Client, name, pattern string,
) (url string) {
	t.Helper()
	// Messages of an answer that a busy machine lost are to be seen again well before the test
	// gives up.
	queue, err := queues.CreateQueue(
		ctx,
		&sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: map[string]string{"VisibilityTimeout": "10"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: queue.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bus.PutRule(
		ctx,
		&eventbridge.PutRuleInput{
			Name: aws.String(name), EventBusName: aws.String(name), EventPattern: aws.String(pattern),
		},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: aws.String(name), EventBusName: aws.String(name),
		Targets: []types.Target{{Id: aws.String("queue"), Arn: aws.String(attributes.Attributes["QueueArn"])}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, targets := bus.RemoveTargets(
			ctx,
			&eventbridge.RemoveTargetsInput{
				Rule: aws.String(name), EventBusName: aws.String(name), Ids: []string{"queue"},
			},
		)
		_, rule := bus.DeleteRule(
			ctx, &eventbridge.DeleteRuleInput{Name: aws.String(name), EventBusName: aws.String(name)},
		)
		_, event := bus.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: aws.String(name)})
		_, message := queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: queue.QueueUrl})
		for _, err := range []error{targets, rule, event, message} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return aws.ToString(queue.QueueUrl)
}

// canonical is an envelope with its data's fields in order.
func canonical(t *testing.T, e es.Envelope) string {
	t.Helper()
	var data any
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatal(err)
	}
	var err error
	if e.Data, err = json.Marshal(data); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
