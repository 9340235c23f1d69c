// Package eventtail shows somebody what an EventBridge bus carries, while it does: a queue and a
// rule of their own, which are gone with them.
//
// It costs what a consumer costs, about 0.40 US$ for a million events and as much for a million
// requests to the queue, and takes nothing from any consumer.
package eventtail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
)

// retention is how long an event waits for somebody who has died, in seconds: the least that SQS
// takes.
const retention = "60"

// wait is how long a request for events waits for some, in seconds: the most that SQS takes.
const wait = 20

// EventsAPI is what a tail needs of the EventBridge client.
type EventsAPI interface {
	PutRule(
		context.Context, *eventbridge.PutRuleInput, ...func(*eventbridge.Options),
	) (*eventbridge.PutRuleOutput, error)
	PutTargets(
		context.Context, *eventbridge.PutTargetsInput, ...func(*eventbridge.Options),
	) (*eventbridge.PutTargetsOutput, error)
	RemoveTargets(
		context.Context, *eventbridge.RemoveTargetsInput, ...func(*eventbridge.Options),
	) (*eventbridge.RemoveTargetsOutput, error)
	DeleteRule(
		context.Context, *eventbridge.DeleteRuleInput, ...func(*eventbridge.Options),
	) (*eventbridge.DeleteRuleOutput, error)
}

// QueuesAPI is what a tail needs of the SQS client.
type QueuesAPI interface {
	CreateQueue(context.Context, *sqs.CreateQueueInput, ...func(*sqs.Options)) (*sqs.CreateQueueOutput, error)
	GetQueueAttributes(
		context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options),
	) (*sqs.GetQueueAttributesOutput, error)
	SetQueueAttributes(
		context.Context, *sqs.SetQueueAttributesInput, ...func(*sqs.Options),
	) (*sqs.SetQueueAttributesOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(
		context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options),
	) (*sqs.DeleteMessageBatchOutput, error)
	DeleteQueue(context.Context, *sqs.DeleteQueueInput, ...func(*sqs.Options)) (*sqs.DeleteQueueOutput, error)
}

// Wanted is which events are shown.
type Wanted struct {
	Types   []string // empty for all
	Subject string   // one stream, for example order/<id>; empty for all
}

// pattern is the rule's. Every event has a source, so that a rule for all has one too.
func (w Wanted) pattern() (string, error) {
	p := map[string]any{"source": sources()}
	if len(w.Types) > 0 {
		p["detail-type"] = w.Types
	}
	if w.Subject != "" {
		p["detail"] = map[string]any{"subject": []string{w.Subject}}
	}
	text, err := json.Marshal(p)
	return string(text), err
}

// sources are those of the shop's events: a bus may carry others too.
func sources() (all []string) {
	seen := map[string]bool{}
	for _, t := range contract.Types() {
		if s := t.Source(); !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	}
	return all
}

// Tail is open from Open to Close.
type Tail struct {
	events EventsAPI
	queues QueuesAPI
	bus    string
	name   string // of the rule, its target and the queue
	queue  string // its URL, "" before it is there
	ruled  bool   // the rule may be there
}

// Open makes a queue and a rule of that name, which nothing else has. What it has made when it
// fails, it has taken away again, as far as that was possible. That ctx ends cuts no request off,
// since nobody would know what came of it: then it fails behind the last one.
func Open(ctx context.Context, events EventsAPI, queues QueuesAPI, bus, name string, w Wanted) (*Tail, error) {
	t := &Tail{events: events, queues: queues, bus: bus, name: name}
	whole := context.WithoutCancel(ctx)
	if err := errors.Join(t.open(whole, w), ctx.Err()); err != nil {
		return nil, errors.Join(fmt.Errorf("eventtail: open %s: %w", name, err), t.Close(whole))
	}
	return t, nil
}

func (t *Tail) open(ctx context.Context, w Wanted) error {
	pattern, err := w.pattern()
	if err != nil {
		return err
	}
	queue, err := t.queues.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName:  &t.name,
		Attributes: map[string]string{string(types.QueueAttributeNameMessageRetentionPeriod): retention},
	})
	if err != nil {
		return err
	}
	t.queue = aws.ToString(queue.QueueUrl)
	t.ruled = true // also where the answer is lost
	rule, err := t.events.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: &t.name, EventBusName: &t.bus, EventPattern: &pattern,
		Description: aws.String("Shows events to somebody who is looking. Delete it if nobody is."),
	})
	if err != nil {
		return err
	}
	attributes, err := t.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &t.queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return err
	}
	queueARN := attributes.Attributes[string(types.QueueAttributeNameQueueArn)]
	policy, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": []map[string]any{{
			"Effect": "Allow", "Principal": map[string]string{"Service": "events.amazonaws.com"},
			"Action": "sqs:SendMessage", "Resource": queueARN,
			"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": aws.ToString(rule.RuleArn)}},
		}},
	})
	if err != nil {
		return err
	}
	if _, err := t.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: &t.queue, Attributes: map[string]string{string(types.QueueAttributeNamePolicy): string(policy)},
	}); err != nil {
		return err
	}
	put, err := t.events.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: &t.name, EventBusName: &t.bus, Targets: []ebtypes.Target{{Id: &t.name, Arn: &queueARN}},
	})
	if err == nil && put.FailedEntryCount > 0 {
		err = fmt.Errorf("the rule takes no target: %s", aws.ToString(put.FailedEntries[0].ErrorMessage))
	}
	return err
}

// Next gives events that have come, at most ten, or none after 20 seconds. EventBridge may deliver
// one twice, and in any order. One that can't be read is an error beside the others.
func (t *Tail) Next(ctx context.Context) ([]es.Envelope, error) {
	out, err := t.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &t.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
	})
	if err != nil || len(out.Messages) == 0 {
		return nil, err
	}
	found := make([]es.Envelope, 0, len(out.Messages))
	read := make([]types.DeleteMessageBatchRequestEntry, len(out.Messages))
	var errs []error
	for i, m := range out.Messages {
		e, err := contract.Open([]byte(aws.ToString(m.Body)))
		if err != nil {
			errs = append(errs, err)
		} else {
			found = append(found, e)
		}
		read[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle}
	}
	// What is not deleted is shown twice, and gone with the queue.
	_, err = t.queues.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &t.queue, Entries: read})
	return found, errors.Join(append(errs, err)...)
}

// Close takes away what Open has made. It goes on where a part of it fails.
func (t *Tail) Close(ctx context.Context) error {
	var errs []error
	if t.ruled {
		_, err := t.events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{
			Rule: &t.name, EventBusName: &t.bus, Ids: []string{t.name},
		})
		var gone *ebtypes.ResourceNotFoundException
		if err != nil && !errors.As(err, &gone) {
			errs = append(errs, err)
		}
		rule := &eventbridge.DeleteRuleInput{Name: &t.name, EventBusName: &t.bus}
		if _, err := t.events.DeleteRule(ctx, rule); err != nil && !errors.As(err, &gone) {
			errs = append(errs, fmt.Errorf("delete the rule %s of %s by hand: %w", t.name, t.bus, err))
		}
	}
	if t.queue != "" {
		if _, err := t.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &t.queue}); err != nil {
			errs = append(errs, fmt.Errorf("delete the queue %s by hand: %w", t.queue, err))
		}
	}
	return errors.Join(errs...)
}
