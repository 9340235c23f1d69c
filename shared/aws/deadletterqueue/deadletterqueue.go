// Package deadletterqueue moves messages to the queue of dead letters.
package deadletterqueue

import (
	"context"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/ops/deadletter"
)

// SQS is what a Queue needs of the SQS client.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Queue is a deadletter.Mover to one queue.
type Queue struct {
	api SQS
	url string
}

// New makes a mover to the queue with that URL.
func New(api SQS, url string) Queue { return Queue{api: api, url: url} }

// Move implements deadletter.Mover, with one request. SQS takes ten attributes: a message with
// more, that of the move included, can't be moved.
func (q Queue) Move(ctx context.Context, l deadletter.Letter) error {
	attributes := maps.Clone(l.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	delete(attributes, deadletter.AttributeTakeOver) // it was for the tries that have failed
	attributes[deadletter.AttributeMoved] = l.Moved()
	sent := map[string]types.MessageAttributeValue{}
	for name, value := range attributes {
		sent[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if _, err := q.api.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: aws.String(string(l.Body)), MessageAttributes: sent,
	}); err != nil {
		return fmt.Errorf("deadletterqueue: move %s: %w", l.MessageID, err)
	}
	return nil
}
