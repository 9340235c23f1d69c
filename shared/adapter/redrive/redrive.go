// Package redrive sends dead letters back to the queue or the function that they came from.
package redrive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/deadletter"
)

// SQS is what Queues needs of the SQS client.
type SQS interface {
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Queues is a deadletter.Queues.
type Queues struct{ api SQS }

// NewQueues makes a sender to queues.
func NewQueues(api SQS) Queues { return Queues{api: api} }

// Send implements deadletter.Queues.
func (q Queues) Send(ctx context.Context, queueARN string, m deadletter.Message) error {
	name := queueARN[strings.LastIndexByte(queueARN, ':')+1:]
	queue, err := q.api.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return gone(err, "queue "+name)
	}
	attributes := map[string]sqstypes.MessageAttributeValue{}
	for attribute, value := range m.Attributes {
		attributes[attribute] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	if _, err := q.api.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String(string(m.Body)), MessageAttributes: attributes}); err != nil {
		return gone(err, "queue "+name)
	}
	return nil
}

// gone says of an error whether it is that there is no such thing.
func gone(err error, what string) error {
	var (
		queue    *sqstypes.QueueDoesNotExist
		function *lambdatypes.ResourceNotFoundException
	)
	if errors.As(err, &queue) || errors.As(err, &function) {
		return fmt.Errorf("%w: %s: %w", deadletter.ErrGone, what, err)
	}
	return fmt.Errorf("redrive: %s: %w", what, err)
}

// Lambda is what Functions needs of the Lambda client.
type Lambda interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// invokeTimeout is how long a function that is invoked may take: longer than any of ours does.
const invokeTimeout = 70 * time.Second

// NewLambda makes a client that waits for a function to end, and invokes it once: an answer that was lost is none, and the attempt comes again by itself.
func NewLambda(config aws.Config) *lambda.Client {
	return lambda.NewFromConfig(config, func(o *lambda.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(invokeTimeout)
		o.Retryer = aws.NopRetryer{}
	})
}

// Functions is a deadletter.Functions.
type Functions struct{ api Lambda }

// NewFunctions makes an invoker of functions.
func NewFunctions(api Lambda) Functions { return Functions{api: api} }

// Invoke implements deadletter.Functions.
func (f Functions) Invoke(ctx context.Context, functionARN string, payload []byte) error {
	out, err := f.api.Invoke(ctx, &lambda.InvokeInput{FunctionName: &functionARN, Payload: payload})
	if err != nil {
		return gone(err, "function "+functionARN[strings.LastIndexByte(functionARN, ':')+1:])
	}
	if out.FunctionError == nil {
		return nil
	}
	var answer struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(out.Payload, &answer) != nil || answer.Message == "" {
		return fmt.Errorf("redrive: the function fails: %s %s", *out.FunctionError, out.Payload)
	}
	return errors.New(answer.Message)
}
