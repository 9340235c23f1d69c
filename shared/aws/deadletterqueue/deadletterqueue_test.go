package deadletterqueue_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/aws/deadletterqueue"
	"orderflow/shared/ops/deadletter"
)

type api struct {
	sent *sqs.SendMessageInput
	fail error
}

func (a *api) SendMessage(
	_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options),
) (*sqs.SendMessageOutput, error) {
	a.sent = in
	return &sqs.SendMessageOutput{}, a.fail
}

// A message is moved as it is, with what it was redriven for, and says where it was. What it said
// of that before counts for nothing.
func TestMove(t *testing.T) {
	a := &api{}
	letter := deadletter.Letter{
		QueueARN: "arn:queue", MessageID: "m", Body: []byte("body"), Attributes: map[string]string{
			"a": "b", deadletter.AttributeID: "1", deadletter.AttributeAttempt: "2", deadletter.AttributeTakeOver: "true",
			deadletter.AttributeMoved: "arn:elsewhere x",
		},
	}
	if err := deadletterqueue.New(a, "https://queue").Move(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, value := range a.sent.MessageAttributes {
		got[name] = aws.ToString(value.DataType) + " " + aws.ToString(value.StringValue)
	}
	want := map[string]string{
		"a": "String b", deadletter.AttributeID: "String 1", deadletter.AttributeAttempt: "String 2",
		deadletter.AttributeMoved: "String arn:queue m",
	}
	if diff := cmp.Diff(want, got); diff != "" || aws.ToString(a.sent.MessageBody) != "body" ||
		aws.ToString(a.sent.QueueUrl) != "https://queue" {
		t.Errorf("%+v: (-want +got):\n%s", a.sent, diff)
	}
	if letter.Attributes[deadletter.AttributeMoved] != "arn:elsewhere x" {
		t.Error("the message itself is changed")
	}
	letter.Attributes, a.fail = nil, errors.New("down")
	if err := deadletterqueue.New(a, "https://queue").Move(t.Context(), letter); !errors.Is(err, a.fail) {
		t.Errorf("error %v", err)
	}
}
