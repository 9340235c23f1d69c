// Package auditqueue reads the queue that the canaries of the loss audit arrive in.
package auditqueue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/ops/audit"
)

// API is what the queue needs of the SQS client.
type API interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessage(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error)
}

// most is how many messages SQS gives at once.
const most = 10

// Queue is an audit.Sample.
type Queue struct {
	api API
	url string
}

// New reads the queue with that URL.
func New(api API, url string) Queue { return Queue{api: api, url: url} }

// Receive implements audit.Sample; it gives up to ten messages.
func (q Queue) Receive(ctx context.Context, wait time.Duration) ([]audit.Arrival, error) {
	out, err := q.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: most,
		WaitTimeSeconds:             int32(wait / time.Second), //nolint:gosec // SQS refuses more than 20
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
	})
	if err != nil {
		return nil, fmt.Errorf("auditqueue: receive: %w", err)
	}
	arrivals := make([]audit.Arrival, len(out.Messages))
	for i, m := range out.Messages {
		arrivals[i] = audit.Arrival{Body: []byte(aws.ToString(m.Body)), Receipt: aws.ToString(m.ReceiptHandle)}
		sent, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("auditqueue: message %s doesn't say when it was sent", aws.ToString(m.MessageId))
		}
		arrivals[i].At = time.UnixMilli(sent).UTC()
	}
	return arrivals, nil
}

// Delete implements audit.Sample, with one request a message: an audit has one, as a rule.
func (q Queue) Delete(ctx context.Context, arrivals []audit.Arrival) error {
	for _, a := range arrivals {
		if _, err := q.api.DeleteMessage(
			ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: aws.String(a.Receipt)},
		); err != nil {
			return fmt.Errorf("auditqueue: delete: %w", err)
		}
	}
	return nil
}
