//go:build integration

package eventarchive_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/eventarchive"
	"orderflow/shared/kit/clock"
)

// What an archive holds comes again through the rule, with the replay's name; a rule for live
// events alone lets none of it pass. Which rules get it is not tried here: the stand-in replays
// through all rules of a bus, whatever FilterArns says.
func TestArchive(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	events, queues := eventbridge.NewFromConfig(awstest.Config(t)), sqs.NewFromConfig(awstest.Config(t))
	name := awstest.Unique(t, "archive")
	bus, err := events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, archive := events.DeleteArchive(ctx, &eventbridge.DeleteArchiveInput{ArchiveName: &name})
		_, bus := events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &name})
		if err := errors.Join(archive, bus); err != nil {
			t.Error(err)
		}
	})
	if _, err := events.CreateArchive(
		ctx, &eventbridge.CreateArchiveInput{ArchiveName: &name, EventSourceArn: bus.EventBusArn},
	); err != nil {
		t.Fatal(err)
	}
	all, allRule := ruleToQueue(ctx, t, events, queues, name, "all", `{"source":["order-service"]}`)
	mail, _ := ruleToQueue(
		ctx, t, events, queues, name, "mail", `{"source":["order-service"],"replay-name":[{"exists":false}]}`,
	)
	began := time.Now()
	if _, err := events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: &name, Source: aws.String("order-service"), DetailType: aws.String("order.placed"),
		Detail: aws.String(`{"id":"order/o@1"}`),
	}}}); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{all, mail} {
		if got := receive(ctx, t, queues, url); got["replay-name"] != nil {
			t.Errorf("live is %v", got)
		}
	}
	var last eventarchive.Status
	status, err := eventarchive.Run(ctx, events, clock.System{}, eventarchive.Replay{
		Name: name, Archive: name, Rules: []string{allRule}, From: began.Add(-time.Minute), To: began.Add(time.Minute),
	}, func(s eventarchive.Status) { last = s })
	if err != nil || status.State != "COMPLETED" || last != status {
		t.Fatalf("%+v, told %+v, %v", status, last, err)
	}
	if got := receive(ctx, t, queues, all); got["replay-name"] != name ||
		got["detail"].(map[string]any)["id"] != "order/o@1" {
		t.Errorf("replayed is %v", got)
	}
	out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &mail})
	if err != nil || len(out.Messages) > 0 {
		t.Errorf("the rule for live events let pass %+v, %v", out, err)
	}
	if _, err := eventarchive.Run(ctx, events, clock.System{}, eventarchive.Replay{
		Name: name, Archive: name, Rules: []string{allRule}, From: began.Add(-time.Hour), To: began.Add(time.Minute),
	}, func(eventarchive.Status) {}); !errors.Is(err, eventarchive.ErrNameTaken) {
		t.Errorf("the same name for another window: %v", err)
	}
}

// receive takes the next message of a queue.
func receive(ctx context.Context, t *testing.T, queues *sqs.Client, url string) (event map[string]any) {
	t.Helper()
	for {
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &event); err != nil {
				t.Fatal(err)
			}
			if _, err := queues.DeleteMessage(
				ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle},
			); err != nil {
				t.Fatal(err)
			}
			return event
		}
	}
}

// ruleToQueue makes a queue behind a rule of the bus, and removes both when the test ends.
func ruleToQueue(
	ctx context.Context, t *testing.T, events *eventbridge.Client, queues *sqs.Client, bus, name, pattern string,
) (url, rule string) {
	t.Helper()
	queue, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(bus + "-" + name)})
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: queue.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	made, err := events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventBusName: &bus, EventPattern: &pattern})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: &name, EventBusName: &bus, Targets: []types.Target{{
			Id: aws.String("queue"), Arn: aws.String(attributes.Attributes["QueueArn"]),
		}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, targets := events.RemoveTargets(
			ctx, &eventbridge.RemoveTargetsInput{Rule: &name, EventBusName: &bus, Ids: []string{"queue"}},
		)
		_, rule := events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name, EventBusName: &bus})
		_, message := queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: queue.QueueUrl})
		if err := errors.Join(targets, rule, message); err != nil {
			t.Error(err)
		}
	})
	return aws.ToString(queue.QueueUrl), aws.ToString(made.RuleArn)
}
