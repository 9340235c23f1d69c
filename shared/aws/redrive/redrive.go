// Package redrive sends dead letters back to the queue or the function that they came from.
package redrive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"orderflow/shared/ops/deadletter"
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
		// It was only asked for, so that whatever happened, nothing was sent.
		return fmt.Errorf("%w: find queue %s: %w", cmp.Or(told(err), deadletter.ErrNotSent), name, err)
	}
	attributes := map[string]sqstypes.MessageAttributeValue{}
	for attribute, value := range m.Attributes {
		attributes[attribute] = sqstypes.MessageAttributeValue{
			DataType: aws.String("String"), StringValue: aws.String(value),
		}
	}
	if _, err := q.api.SendMessage(
		ctx,
		&sqs.SendMessageInput{
			QueueUrl: queue.QueueUrl, MessageBody: aws.String(string(m.Body)), MessageAttributes: attributes,
		},
	); err != nil {
		return fmt.Errorf("%w: send to queue %s: %w", cmp.Or(told(err), errUnknown), name, err)
	}
	return nil
}

// errUnknown says that a message may have been taken.
var errUnknown = errors.New("redrive: it isn't known whether the message was sent")

// told is what an error tells of a message: that there is nothing to send it to, that it was
// refused, or that it was too much at the moment; nil where it tells nothing.
func told(err error) error {
	var (
		queue    *sqstypes.QueueDoesNotExist
		function *lambdatypes.ResourceNotFoundException
		answer   smithy.APIError
	)
	switch {
	case errors.As(err, &queue), errors.As(err, &function):
		return deadletter.ErrGone
	case !errors.As(err, &answer): // none came
		return nil
	case throttles.IsErrorThrottle(err) == aws.TrueTernary:
		return deadletter.ErrNotSent
	case status(err)/100 == 4:
		return deadletter.ErrRefused
	}
	return nil
}

// throttles tells answers that there were too many requests. Of what is answered so nothing was
// done.
var throttles = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// status is the HTTP status of an answer, 0 where none came.
func status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// Lambda is what Functions needs of the Lambda client.
type Lambda interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// NewLambda makes a client that waits for a function to end, and invokes it once: an answer that
// was lost is none, and the attempt comes again by itself.
func NewLambda(config aws.Config) *lambda.Client {
	return lambda.NewFromConfig(config, func(o *lambda.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(deadletter.InvokeTimeout)
		o.Retryer = aws.NopRetryer{}
	})
}

// Alias is that of every function of a stack. What is invoked by it is what was deployed last; the
// function itself may be ahead of it while a release takes over.
const Alias = "live"

// Functions is a deadletter.Functions.
type Functions struct{ api Lambda }

// NewFunctions makes an invoker of functions.
func NewFunctions(api Lambda) Functions { return Functions{api: api} }

// Invoke implements deadletter.Functions.
func (f Functions) Invoke(ctx context.Context, functionARN string, payload []byte) (failure string, err error) {
	out, err := f.api.Invoke(
		ctx, &lambda.InvokeInput{FunctionName: aws.String(functionARN + ":" + Alias), Payload: payload},
	)
	if err != nil {
		return "", fmt.Errorf(
			"%w: invoke function %s: %w", cmp.Or(told(err), errUnknown),
			functionARN[strings.LastIndexByte(functionARN, ':')+1:], err,
		)
	}
	if out.FunctionError == nil {
		return "", nil
	}
	var answer struct {
		Message string `json:"errorMessage"`
	}
	_ = json.Unmarshal(out.Payload, &answer) // what is no JSON has no message
	return cmp.Or(answer.Message, fmt.Sprintf("the function fails: %s %s", *out.FunctionError, out.Payload)), nil
}
