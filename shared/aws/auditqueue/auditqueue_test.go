package auditqueue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/aws/auditqueue"
	"orderflow/shared/ops/audit"
)

var errDown = errors.New("down")

type api struct {
	received *sqs.ReceiveMessageInput
	messages []types.Message
	deleted  []string
	fail     error
}

func (a *api) ReceiveMessage(
	_ context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options),
) (*sqs.ReceiveMessageOutput, error) {
	a.received = in
	return &sqs.ReceiveMessageOutput{Messages: a.messages}, a.fail
}

func (a *api) DeleteMessage(
	_ context.Context, in *sqs.DeleteMessageInput, _ ...func(*sqs.Options),
) (*sqs.DeleteMessageOutput, error) {
	a.deleted = append(a.deleted, aws.ToString(in.ReceiptHandle))
	return &sqs.DeleteMessageOutput{}, a.fail
}

func TestQueue(t *testing.T) {
	a := &api{
		messages: []types.Message{{
			Body: aws.String("b"), ReceiptHandle: aws.String("r"),
			Attributes: map[string]string{"SentTimestamp": "1772368200123"},
		}},
	}
	q := auditqueue.New(a, "https://queue")
	got, err := q.Receive(t.Context(), 3*time.Second)
	if err != nil || len(got) != 1 || string(got[0].Body) != "b" || !got[0].At.Equal(time.UnixMilli(1772368200123)) ||
		got[0].Receipt != "r" {
		t.Errorf("received %+v, %v", got, err)
	}
	if a.received.WaitTimeSeconds != 3 || a.received.MaxNumberOfMessages != 10 ||
		aws.ToString(a.received.QueueUrl) != "https://queue" ||
		len(a.received.MessageSystemAttributeNames) != 1 {
		t.Errorf("asked for %+v", a.received)
	}
	if err := q.Delete(t.Context(), append(got, audit.Arrival{Receipt: "s"})); err != nil || len(a.deleted) != 2 ||
		a.deleted[1] != "s" {
		t.Errorf("deleted %v, %v", a.deleted, err)
	}
	a.messages[0].Attributes = nil
	if _, err := q.Receive(t.Context(), 0); err == nil {
		t.Error("a message without its time is taken")
	}
	a.fail = errDown
	if _, err := q.Receive(t.Context(), 0); !errors.Is(err, errDown) {
		t.Error(err)
	}
	if err := q.Delete(t.Context(), got); !errors.Is(err, errDown) {
		t.Error(err)
	}
}
