package eventtail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/aws/eventtail"
	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
)

const queueURL = "https://sqs.example.com/t"

// account keeps what was called, and what is there. The call named fails fails.
type account struct {
	calls         []string
	fails         string
	refuses       bool // the rule refuses its target
	queue, rule   bool
	targets       int
	pattern       string
	policy        string
	waiting, read int
	foreign       bool // the first message is none of the shop's
	stop          func()
}

var errCall = errors.New("no such luck")

func (a *account) call(name string) error {
	a.calls = append(a.calls, name)
	if name == a.fails {
		return errCall
	}
	return nil
}

func (a *account) PutRule(
	ctx context.Context, in *eventbridge.PutRuleInput, _ ...func(*eventbridge.Options),
) (*eventbridge.PutRuleOutput, error) {
	if err := a.call("PutRule"); err != nil {
		a.rule = true // it was made, and the answer is lost
		return nil, err
	}
	if a.stop != nil {
		a.stop()
		if a.rule = true; ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	a.rule, a.pattern = true, aws.ToString(in.EventPattern)
	return &eventbridge.PutRuleOutput{RuleArn: aws.String("arn:rule")}, nil
}

func (a *account) PutTargets(
	_ context.Context, in *eventbridge.PutTargetsInput, _ ...func(*eventbridge.Options),
) (*eventbridge.PutTargetsOutput, error) {
	if err := a.call("PutTargets"); err != nil {
		return nil, err
	}
	if a.refuses {
		return &eventbridge.PutTargetsOutput{
			FailedEntryCount: 1, FailedEntries: []ebtypes.PutTargetsResultEntry{{ErrorMessage: aws.String("too many")}},
		}, nil
	}
	a.targets += len(in.Targets)
	return &eventbridge.PutTargetsOutput{}, nil
}

func (a *account) RemoveTargets(
	context.Context, *eventbridge.RemoveTargetsInput, ...func(*eventbridge.Options),
) (*eventbridge.RemoveTargetsOutput, error) {
	a.targets = 0
	return &eventbridge.RemoveTargetsOutput{}, a.call("RemoveTargets")
}

func (a *account) DeleteRule(
	context.Context, *eventbridge.DeleteRuleInput, ...func(*eventbridge.Options),
) (*eventbridge.DeleteRuleOutput, error) {
	if err := a.call("DeleteRule"); err != nil {
		return nil, err
	}
	if a.targets > 0 {
		return nil, errors.New("the rule has targets")
	}
	a.rule = false
	return &eventbridge.DeleteRuleOutput{}, nil
}

func (a *account) CreateQueue(
	context.Context, *sqs.CreateQueueInput, ...func(*sqs.Options),
) (*sqs.CreateQueueOutput, error) {
	if err := a.call("CreateQueue"); err != nil {
		return nil, err
	}
	a.queue = true
	return &sqs.CreateQueueOutput{QueueUrl: aws.String(queueURL)}, nil
}

func (a *account) GetQueueAttributes(
	context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options),
) (*sqs.GetQueueAttributesOutput, error) {
	out := &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"QueueArn": "arn:queue"}}
	return out, a.call("GetQueueAttributes")
}

func (a *account) SetQueueAttributes(
	_ context.Context, in *sqs.SetQueueAttributesInput, _ ...func(*sqs.Options),
) (*sqs.SetQueueAttributesOutput, error) {
	a.policy = in.Attributes["Policy"]
	return &sqs.SetQueueAttributesOutput{}, a.call("SetQueueAttributes")
}

func (a *account) ReceiveMessage(
	context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options),
) (*sqs.ReceiveMessageOutput, error) {
	if err := a.call("ReceiveMessage"); err != nil {
		return nil, err
	}
	out := &sqs.ReceiveMessageOutput{}
	if a.foreign {
		out.Messages = []types.Message{{ReceiptHandle: aws.String("f"), Body: aws.String(`{"detail":[]}`)}}
	}
	for n := range a.waiting {
		out.Messages = append(out.Messages, types.Message{
			ReceiptHandle: aws.String(fmt.Sprint("r", n)),
			Body: aws.String(fmt.Sprintf(`{"detail-type":"order.placed","source":"order-service","detail":{`+
				`"id":"e%d","type":"order.placed","source":"order-service","time":"2026-03-01T12:00:00Z"}}`, n)),
		})
	}
	return out, nil
}

func (a *account) DeleteMessageBatch(
	_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options),
) (*sqs.DeleteMessageBatchOutput, error) {
	a.read += len(in.Entries)
	return &sqs.DeleteMessageBatchOutput{}, a.call("DeleteMessageBatch")
}

func (a *account) DeleteQueue(
	context.Context, *sqs.DeleteQueueInput, ...func(*sqs.Options),
) (*sqs.DeleteQueueOutput, error) {
	if err := a.call("DeleteQueue"); err != nil {
		return nil, err
	}
	a.queue = false
	return &sqs.DeleteQueueOutput{}, nil
}

func TestTail(t *testing.T) {
	a := &account{waiting: 2}
	tail, err := eventtail.Open(t.Context(), a, a, "bus", "t", eventtail.Wanted{
		Types: []string{"order.placed"}, Subject: "order/o1",
	})
	if err != nil {
		t.Fatal(err)
	}
	var pattern struct {
		Source []string            `json:"source"`
		Type   []string            `json:"detail-type"`
		Detail map[string][]string `json:"detail"`
	}
	if err := json.Unmarshal([]byte(a.pattern), &pattern); err != nil ||
		!slices.Contains(pattern.Source, "order-service") || !cmp.Equal(pattern.Type, []string{"order.placed"}) ||
		!cmp.Equal(pattern.Detail["subject"], []string{"order/o1"}) {
		t.Errorf("%v: %s", err, a.pattern)
	}
	if !strings.Contains(a.policy, `"aws:SourceArn":"arn:rule"`) || !strings.Contains(a.policy, `"arn:queue"`) {
		t.Errorf("the queue takes events by %s", a.policy)
	}
	got, err := tail.Next(t.Context())
	if err != nil || len(got) != 2 || got[1].ID != "e1" || got[1].Type != "order.placed" || a.read != 2 {
		t.Errorf("%v: %+v, %d read", err, got, a.read)
	}
	a.waiting = 0
	if got, err := tail.Next(t.Context()); err != nil || len(got) != 0 || a.read != 2 {
		t.Errorf("%v: %+v", err, got)
	}
	if err := tail.Close(t.Context()); err != nil || a.queue || a.rule {
		t.Errorf("%v: a queue: %t, a rule: %t", err, a.queue, a.rule)
	}
}

// TestEventsOfAll: without a wish, the rule takes all events of the shop, and no one else's.
func TestEventsOfAll(t *testing.T) {
	a := &account{}
	if _, err := eventtail.Open(t.Context(), a, a, "bus", "t", eventtail.Wanted{}); err != nil {
		t.Fatal(err)
	}
	var pattern map[string][]string
	if err := json.Unmarshal([]byte(a.pattern), &pattern); err != nil || len(pattern) != 1 ||
		!slices.Contains(pattern["source"], "payment-service") || len(pattern["source"]) > 10 {
		t.Errorf("%v: %s", err, a.pattern)
	}
}

// TestNothingIsLeft: whatever fails while a tail is opened, what was made is taken away.
func TestNothingIsLeft(t *testing.T) {
	for _, fails := range []string{
		"CreateQueue", "PutRule", "GetQueueAttributes", "SetQueueAttributes", "PutTargets", "a target",
	} {
		a := &account{fails: fails, refuses: fails == "a target"}
		_, err := eventtail.Open(t.Context(), a, a, "bus", "t", eventtail.Wanted{})
		if err == nil || a.queue || a.rule {
			t.Errorf("%s: %v: a queue: %t, a rule: %t", fails, err, a.queue, a.rule)
		}
	}
}

// TestCloseGoesOn: what can't be taken away is named, and the rest is.
func TestCloseGoesOn(t *testing.T) {
	for fails, says := range map[string]string{
		"RemoveTargets": errCall.Error(), "DeleteRule": "delete the rule t of bus by hand",
		"DeleteQueue": "delete the queue " + queueURL + " by hand",
	} {
		a := &account{fails: fails}
		tail, err := eventtail.Open(t.Context(), a, a, "bus", "t", eventtail.Wanted{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tail.Close(t.Context()); !errors.Is(err, errCall) || !strings.Contains(err.Error(), says) ||
			a.queue != (fails == "DeleteQueue") || a.rule != (fails == "DeleteRule") {
			t.Errorf("%s: %v: a queue: %t, a rule: %t", fails, err, a.queue, a.rule)
		}
	}
}

// TestOpenIsStopped: a tail that is stopped while it is opened ends no request without its answer,
// and leaves nothing.
func TestOpenIsStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	a := &account{stop: stop}
	_, err := eventtail.Open(ctx, a, a, "bus", "t", eventtail.Wanted{})
	if !errors.Is(err, context.Canceled) || a.queue || a.rule || !slices.Contains(a.calls, "PutTargets") {
		t.Errorf("%v: a queue: %t, a rule: %t, after %s", err, a.queue, a.rule, a.calls)
	}
}

// TestForeign: what can't be read hides no event that came with it.
func TestForeign(t *testing.T) {
	a := &account{waiting: 2, foreign: true}
	tail, err := eventtail.Open(t.Context(), a, a, "bus", "t", eventtail.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tail.Next(t.Context())
	if !errors.Is(err, contract.ErrInvalid) || len(got) != 2 || got[0].ID != "e0" || a.read != 3 {
		t.Errorf("%v: %+v, %d read", err, got, a.read)
	}
}

func TestUnreadable(t *testing.T) {
	a := &account{fails: "ReceiveMessage"}
	tail, err := eventtail.Open(t.Context(), a, a, "bus", "t", eventtail.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	var got []es.Envelope
	if got, err = tail.Next(t.Context()); !errors.Is(err, errCall) || got != nil {
		t.Errorf("%v %v", got, err)
	}
}
