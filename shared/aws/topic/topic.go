// Package topic tells people by an SNS topic.
package topic

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// SNS is what a Topic needs of the SNS client.
type SNS interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// maxSubject is the longest subject that SNS takes, in characters of ASCII.
const maxSubject = 100

// Topic is a deadletter.Alerts.
type Topic struct {
	api SNS
	arn string
}

// New makes a Topic of its ARN.
func New(api SNS, arn string) Topic { return Topic{api: api, arn: arn} }

// Tell publishes a message to all who have subscribed.
func (t Topic) Tell(ctx context.Context, subject, text string) error {
	subject = subject[:min(len(subject), maxSubject)]
	if _, err := t.api.Publish(
		ctx, &sns.PublishInput{TopicArn: &t.arn, Subject: &subject, Message: &text},
	); err != nil {
		return fmt.Errorf("topic: publish: %w", err)
	}
	return nil
}
