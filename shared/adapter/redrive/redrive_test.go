package redrive_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/adapter/redrive"
	"orderflow/shared/deadletter"
)

type fakeSQS struct {
	find, send error
	sent       []*sqs.SendMessageInput
}

func (f *fakeSQS) GetQueueUrl(_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) { //nolint:revive // the SDK names it
	return &sqs.GetQueueUrlOutput{QueueUrl: aws.String("https://" + *in.QueueName)}, f.find
}

func (f *fakeSQS) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	f.sent = append(f.sent, in)
	return &sqs.SendMessageOutput{}, f.send
}

func TestQueues(t *testing.T) {
	const arn = "arn:aws:sqs:us-east-1:123456789012:s-start-saga"
	trouble := errors.New("trouble")
	for name, tc := range map[string]struct {
		api  fakeSQS
		gone bool
		want error
	}{
		"sent":                {fakeSQS{}, false, nil},
		"no queue":            {fakeSQS{find: fmt.Errorf("x: %w", &sqstypes.QueueDoesNotExist{})}, true, deadletter.ErrGone},
		"deleted under it":    {fakeSQS{send: fmt.Errorf("x: %w", &sqstypes.QueueDoesNotExist{})}, true, deadletter.ErrGone},
		"trouble with SQS":    {fakeSQS{send: trouble}, false, trouble},
		"trouble in the find": {fakeSQS{find: trouble}, false, trouble},
	} {
		t.Run(name, func(t *testing.T) {
			err := redrive.NewQueues(&tc.api).Send(t.Context(), arn, deadletter.Message{Body: []byte("body"), Attributes: map[string]string{"a": "b"}})
			if !errors.Is(err, tc.want) || errors.Is(err, deadletter.ErrGone) != tc.gone {
				t.Fatal(err)
			}
			if tc.want == nil {
				in := tc.api.sent[0]
				if *in.QueueUrl != "https://s-start-saga" || *in.MessageBody != "body" || *in.MessageAttributes["a"].StringValue != "b" || *in.MessageAttributes["a"].DataType != "String" {
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

func (f fakeLambda) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if *in.FunctionName != "arn:f" || string(in.Payload) != "{}" || in.InvocationType != "" {
		return nil, errors.New("another call")
	}
	return f.out, f.err
}

func TestFunctions(t *testing.T) {
	for name, tc := range map[string]struct {
		api  fakeLambda
		want string
		gone bool
	}{
		"passes":          {fakeLambda{out: &lambda.InvokeOutput{Payload: []byte("null")}}, "", false},
		"fails":           {fakeLambda{out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorMessage":"no such table","errorType":"x"}`)}}, "no such table", false},
		"fails, no words": {fakeLambda{out: &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`odd`)}}, "Unhandled odd", false},
		"no function":     {fakeLambda{err: fmt.Errorf("x: %w", &lambdatypes.ResourceNotFoundException{})}, "no longer exists", true},
		"throttled":       {fakeLambda{err: &lambdatypes.TooManyRequestsException{}}, "TooManyRequests", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := redrive.NewFunctions(tc.api).Invoke(t.Context(), "arn:f", []byte("{}"))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) || errors.Is(err, deadletter.ErrGone) != tc.gone {
				t.Error(err)
			}
		})
	}
}
