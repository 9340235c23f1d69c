package topic_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"orderflow/shared/aws/topic"
)

type fakeSNS struct {
	sent *sns.PublishInput
	err  error
}

func (f *fakeSNS) Publish(
	_ context.Context, in *sns.PublishInput, _ ...func(*sns.Options),
) (*sns.PublishOutput, error) {
	f.sent = in
	return &sns.PublishOutput{}, f.err
}

func TestTell(t *testing.T) {
	api := &fakeSNS{}
	if err := topic.New(api, "arn:topic").Tell(t.Context(), strings.Repeat("s", 101), "text"); err != nil {
		t.Fatal(err)
	}
	if *api.sent.TopicArn != "arn:topic" || *api.sent.Message != "text" || len(*api.sent.Subject) != 100 {
		t.Errorf("sent %+v", api.sent)
	}
	api.err = errors.New("trouble")
	if err := topic.New(api, "arn:topic").Tell(t.Context(), "s", "t"); !errors.Is(err, api.err) {
		t.Error(err)
	}
}
