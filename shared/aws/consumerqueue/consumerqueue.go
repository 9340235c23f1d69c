// Package consumerqueue finds the consumers of an EventBridge bus, and hands events to one of them
// as its rules would.
//
// A consumer is a queue that a rule of the bus hands over to, in this stack or in another. Tags of
// the queue say what it is: TagConsumer its name, TagReplay whether events may be replayed to it.
// What is not tagged is not replayed to: nobody said that it bears it.
package consumerqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// The tags of a consumer's queue.
const (
	TagConsumer = "orderflow:consumer" // its name, which no other consumer of the bus has
	TagReplay   = "orderflow:replay"   // ReplayAllowed or ReplayNever
)

// The values of TagReplay.
const (
	ReplayAllowed = "allowed"
	ReplayNever   = "never" // what the consumer does reaches people, and would reach them again
)

var (
	// ErrUnknown says that the bus has no consumer of that name.
	ErrUnknown = errors.New("consumerqueue: no such consumer")
	// ErrNever says that a consumer is tagged never.
	ErrNever = errors.New("consumerqueue: the consumer is never replayed to")
	// ErrUnfit says that events can't be replayed to a consumer as its rules would deliver them.
	ErrUnfit = errors.New("consumerqueue: can't replay to the consumer")
)

// EventsAPI is what finding consumers needs of the EventBridge client.
type EventsAPI interface {
	DescribeEventBus(
		context.Context, *eventbridge.DescribeEventBusInput, ...func(*eventbridge.Options),
	) (*eventbridge.DescribeEventBusOutput, error)
	ListRules(
		context.Context, *eventbridge.ListRulesInput, ...func(*eventbridge.Options),
	) (*eventbridge.ListRulesOutput, error)
	ListTargetsByRule(
		context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options),
	) (*eventbridge.ListTargetsByRuleOutput, error)
	TestEventPattern(
		context.Context, *eventbridge.TestEventPatternInput, ...func(*eventbridge.Options),
	) (*eventbridge.TestEventPatternOutput, error)
}

// QueuesAPI is what finding consumers, and sending to one, needs of the SQS client.
type QueuesAPI interface {
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	ListQueueTags(context.Context, *sqs.ListQueueTagsInput, ...func(*sqs.Options)) (*sqs.ListQueueTagsOutput, error)
	SendMessageBatch(
		context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options),
	) (*sqs.SendMessageBatchOutput, error)
}

// Rule is a rule that hands over to a consumer.
type Rule struct {
	Name    string
	ARN     string
	Pattern string // as JSON
	Enabled bool
	// Shared says that the rule hands over to others too: EventBridge itself can't replay to one
	// target of a rule.
	Shared bool
	// Reshaped says that the rule hands over something else than the event.
	Reshaped bool
}

// Consumer is a consumer of a bus.
type Consumer struct {
	Name     string // "" where the queue has no TagConsumer
	Replay   string // its TagReplay
	QueueARN string
	QueueURL string
	Rules    []Rule // that have a pattern, by name
}

// Bus is a bus whose consumers are looked for.
type Bus struct {
	ARN    string
	name   string
	events EventsAPI
	queues QueuesAPI
}

// FindBus finds a bus by its name.
func FindBus(ctx context.Context, events EventsAPI, queues QueuesAPI, name string) (Bus, error) {
	out, err := events.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &name})
	if err != nil {
		return Bus{}, fmt.Errorf("consumerqueue: find bus %s: %w", name, err)
	}
	return Bus{ARN: aws.ToString(out.Arn), name: name, events: events, queues: queues}, nil
}

// Consumers lists the consumers by the ARNs of their queues. A rule to a queue that there is not
// any more has none.
func (b Bus) Consumers(ctx context.Context) ([]Consumer, error) {
	byQueue := map[string]*Consumer{}
	for page := (&eventbridge.ListRulesInput{EventBusName: &b.name}); ; {
		out, err := b.events.ListRules(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("consumerqueue: list the rules of %s: %w", b.name, err)
		}
		for _, rule := range out.Rules {
			if aws.ToString(rule.EventPattern) == "" {
				continue
			}
			if err := b.targets(ctx, rule, byQueue); err != nil {
				return nil, err
			}
		}
		if page.NextToken = out.NextToken; page.NextToken == nil {
			break
		}
	}
	var all []Consumer
	for _, c := range byQueue {
		found, err := b.describe(ctx, c)
		if err != nil {
			return nil, err
		}
		if found {
			slices.SortFunc(c.Rules, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
			all = append(all, *c)
		}
	}
	slices.SortFunc(all, func(a, b Consumer) int { return strings.Compare(a.QueueARN, b.QueueARN) })
	return all, nil
}

// targets adds a rule to those of each queue that it hands over to.
func (b Bus) targets(ctx context.Context, rule types.Rule, byQueue map[string]*Consumer) error {
	var targets []types.Target
	for page := (&eventbridge.ListTargetsByRuleInput{EventBusName: &b.name, Rule: rule.Name}); ; {
		out, err := b.events.ListTargetsByRule(ctx, page)
		if err != nil {
			return fmt.Errorf("consumerqueue: list the targets of rule %s: %w", aws.ToString(rule.Name), err)
		}
		targets = append(targets, out.Targets...)
		if page.NextToken = out.NextToken; page.NextToken == nil {
			break
		}
	}
	for _, t := range targets {
		queue := aws.ToString(t.Arn)
		if parsed, err := arn.Parse(queue); err != nil || parsed.Service != "sqs" {
			continue
		}
		if byQueue[queue] == nil {
			byQueue[queue] = &Consumer{QueueARN: queue}
		}
		byQueue[queue].Rules = append(byQueue[queue].Rules, Rule{
			Name: aws.ToString(rule.Name), ARN: aws.ToString(rule.Arn), Pattern: aws.ToString(rule.EventPattern),
			Enabled: rule.State == types.RuleStateEnabled, Shared: len(targets) > 1,
			Reshaped: t.Input != nil || t.InputPath != nil || t.InputTransformer != nil,
		})
	}
	return nil
}

// describe finds a consumer's queue and its tags.
func (b Bus) describe(ctx context.Context, c *Consumer) (found bool, err error) {
	queue, err := arn.Parse(c.QueueARN)
	if err != nil {
		return false, fmt.Errorf("consumerqueue: %w", err)
	}
	url, err := b.queues.GetQueueUrl(
		ctx, &sqs.GetQueueUrlInput{QueueName: &queue.Resource, QueueOwnerAWSAccountId: &queue.AccountID},
	)
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("consumerqueue: find queue %s: %w", c.QueueARN, err)
	}
	c.QueueURL = aws.ToString(url.QueueUrl)
	tags, err := b.queues.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &c.QueueURL})
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("consumerqueue: read the tags of queue %s: %w", c.QueueARN, err)
	}
	c.Name, c.Replay = tags.Tags[TagConsumer], tags.Tags[TagReplay]
	return true, nil
}

func gone(err error) bool {
	var missing *sqstypes.QueueDoesNotExist
	return errors.As(err, &missing)
}

// Replayable finds the consumer of a name that events may be replayed to. Else the error is an
// ErrUnknown, an ErrNever or an ErrUnfit that says why.
func (b Bus) Replayable(ctx context.Context, name string) (Consumer, error) {
	all, err := b.Consumers(ctx)
	if err != nil {
		return Consumer{}, err
	}
	var found []Consumer
	var known []string
	for _, c := range all {
		if c.Name == name && name != "" {
			found = append(found, c)
		}
		known = append(known, cmp.Or(c.Name, "(queue "+c.QueueARN+" without the tag "+TagConsumer+")"))
	}
	switch len(found) {
	case 0:
		return Consumer{}, fmt.Errorf(
			"%w: %q; the bus %s has %s", ErrUnknown, name, b.name, cmp.Or(strings.Join(known, ", "), "none"),
		)
	case 1:
		return found[0], found[0].fit()
	}
	return Consumer{}, fmt.Errorf(
		"%w: queues %s and %s are both tagged %s=%s", ErrUnfit, found[0].QueueARN, found[1].QueueARN, TagConsumer, name,
	)
}

// fit says why events may not be replayed to a consumer at all.
func (c Consumer) fit() error {
	switch {
	case c.Replay == ReplayNever:
		return fmt.Errorf(
			"%w: the queue of %s is tagged %s=%s, since what it does reaches people, and would reach them again",
			ErrNever, c.Name, TagReplay, ReplayNever,
		)
	case c.Replay != ReplayAllowed:
		return fmt.Errorf(
			"%w: the queue of %s has %q for its tag %s; tag it %s where each event may come again", ErrUnfit, c.Name,
			c.Replay, TagReplay, ReplayAllowed,
		)
	case !slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Enabled }):
		return fmt.Errorf("%w: no rule of %s is enabled, so nothing would be delivered to it", ErrUnfit, c.Name)
	}
	return nil
}

// RuleARNs are the enabled rules, for EventBridge to replay through. A rule that hands over to
// others too is an ErrUnfit: they would get the events as well.
func (c Consumer) RuleARNs() ([]string, error) {
	var all []string
	for _, r := range c.Rules {
		if r.Enabled && r.Shared {
			return nil, fmt.Errorf(
				"%w: the rule %s hands over to others than %s too, which EventBridge would replay to as well; "+
					"replay from the store",
				ErrUnfit, r.Name, c.Name,
			)
		}
		if r.Enabled {
			all = append(all, r.ARN)
		}
	}
	return all, nil
}
