package redrive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"orderflow/shared/aws/redrive"
	"orderflow/shared/ops/deadletter"
)

type fakeSQS struct {
	find, send error
	sent       []*sqs.SendMessageInput
}

//nolint:revive // the SDK names it
func (f *fakeSQS) GetQueueUrl(
	_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options),
) (*sqs.GetQueueUrlOutput, error) {
	return &sqs.GetQueueUrlOutput{QueueUrl: aws.String("https://" + *in.QueueName)}, f.find
}

func (f *fakeSQS) SendMessage(
	_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options),
) (*sqs.SendMessageOutput, error) {
	f.sent = append(f.sent, in)
	return &sqs.SendMessageOutput{}, f.send
}

// answered is an error that a service answered with.
func answered(status int, code string) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "trouble"},
	}}
}

// kinds are what an error may tell of a message. No error is of two of them.
var kinds = []error{deadletter.ErrGone, deadletter.ErrRefused, deadletter.ErrNotSent}

func kind(err error) (found error) {
	for _, k := range kinds {
		if errors.Is(err, k) {
			found = errors.Join(found, k)
		}
	}
	return found
}

func TestQueues(t *testing.T) {
	const arn = "arn:aws:sqs:us-east-1:123456789012:s-start-saga"
	lost := errors.New("connection reset")
	for name, tc := range map[string]struct {
		api   fakeSQS
		fails bool
		want  error
	}{
		"sent": {fakeSQS{}, false, nil},
		"no queue": {
			fakeSQS{find: fmt.Errorf("x: %w", &sqstypes.QueueDoesNotExist{})}, true, deadletter.ErrGone,
		},
		"deleted under it": {
			fakeSQS{send: fmt.Errorf("x: %w", &sqstypes.QueueDoesNotExist{})}, true, deadletter.ErrGone,
		},
		"may not find it":        {fakeSQS{find: answered(403, "AccessDenied")}, true, deadletter.ErrRefused},
		"too many to find it":    {fakeSQS{find: answered(400, "ThrottlingException")}, true, deadletter.ErrNotSent},
		"no answer to the find":  {fakeSQS{find: lost}, true, deadletter.ErrNotSent},
		"no service to find it":  {fakeSQS{find: answered(503, "ServiceUnavailable")}, true, deadletter.ErrNotSent},
		"may not send":           {fakeSQS{send: answered(403, "AccessDenied")}, true, deadletter.ErrRefused},
		"a message that is none": {fakeSQS{send: answered(400, "InvalidMessageContents")}, true, deadletter.ErrRefused},
		"too many":               {fakeSQS{send: answered(403, "RequestThrottled")}, true, deadletter.ErrNotSent},
		"no answer":              {fakeSQS{send: lost}, true, nil},
		"an answer of trouble":   {fakeSQS{send: answered(500, "InternalFailure")}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := redrive.NewQueues(&tc.api).Send(
				t.Context(), arn, deadletter.Message{Body: []byte("body"), Attributes: map[string]string{"a": "b"}},
			)
			if got := kind(err); (err != nil) != tc.fails || !errors.Is(got, tc.want) {
				t.Fatal(err)
			}
			if !tc.fails {
				in := tc.api.sent[0]
				if *in.QueueUrl != "https://s-start-saga" || *in.MessageBody != "body" ||
					*in.MessageAttributes["a"].StringValue != "b" || *in.MessageAttributes["a"].DataType != "String" {
					t.Errorf("sent %+v", in)
				}
			}
		})
	}
}

type fakeLambda struct {
	out *lambda.InvokeOutput
	err error
}

func (f fakeLambda) Invoke(
	_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options),
) (*lambda.InvokeOutput, error) {
	if *in.FunctionName != "arn:f:"+redrive.Alias || string(in.Payload) != "{}" || in.InvocationType != "" {
		return nil, errors.New("another call")
	}
	return f.out, f.err
}

func TestFunctions(t *testing.T) {
	for name, tc := range map[string]struct {
		api     fakeLambda
		failure string // what the function says
		fails   bool
		want    error
	}{
		"passes": {fakeLambda{out: &lambda.InvokeOutput{Payload: []byte("null")}}, "", false, nil},
		"fails": {
			fakeLambda{
				out: &lambda.InvokeOutput{
					FunctionError: aws.String("Unhandled"),
					Payload:       []byte(`{"errorMessage":"no such table","errorType":"x"}`),
				},
			},
			"no such table", false, nil,
		},
		"fails, no words": {
			fakeLambda{out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`odd`)}},
			"the function fails: Unhandled odd", false, nil,
		},
		"no function": {
			fakeLambda{err: fmt.Errorf("x: %w", &lambdatypes.ResourceNotFoundException{})}, "", true,
			deadletter.ErrGone,
		},
		"throttled":    {fakeLambda{err: &lambdatypes.TooManyRequestsException{}}, "", true, deadletter.ErrNotSent},
		"may not":      {fakeLambda{err: answered(403, "AccessDeniedException")}, "", true, deadletter.ErrRefused},
		"no answer":    {fakeLambda{err: context.DeadlineExceeded}, "", true, nil},
		"Lambda fails": {fakeLambda{err: answered(500, "ServiceException")}, "", true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			failure, err := redrive.NewFunctions(tc.api).Invoke(t.Context(), "arn:f", []byte("{}"))
			if got := kind(err); failure != tc.failure || (err != nil) != tc.fails || !errors.Is(got, tc.want) {
				t.Errorf("%q, %v", failure, err)
			}
		})
	}
}
