package sfnstart

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"orderflow/shared/kit/clock"
)

// status is Step Functions with one run.
type status struct {
	API
	status types.ExecutionStatus
	err    error
	asked  string
}

func (s *status) DescribeExecution(
	_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options),
) (*sfn.DescribeExecutionOutput, error) {
	s.asked = aws.ToString(in.ExecutionArn)
	return &sfn.DescribeExecutionOutput{Status: s.status}, s.err
}

func TestRunning(t *testing.T) {
	down := errors.New("down")
	for name, tt := range map[string]struct {
		api  status
		want bool
		err  error
	}{
		"running":         {status{status: types.ExecutionStatusRunning}, true, nil},
		"redrive to come": {status{status: types.ExecutionStatusPendingRedrive}, true, nil},
		"succeeded":       {status{status: types.ExecutionStatusSucceeded}, false, nil},
		"failed":          {status{status: types.ExecutionStatusFailed}, false, nil},
		"timed out":       {status{status: types.ExecutionStatusTimedOut}, false, nil},
		"aborted":         {status{status: types.ExecutionStatusAborted}, false, nil},
		"never was":       {status{err: &types.ExecutionDoesNotExist{}}, false, nil},
		"no answer":       {status{err: down}, false, down},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := New(&tt.api, machine, clock.NewFake(start)).Running(context.Background(), "o1-undo-2")
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
			if want := "arn:aws:states:us-east-1:123456789012:execution:order-saga:o1-undo-2"; tt.api.asked != want {
				t.Errorf("asked for %s, want %s", tt.api.asked, want)
			}
		})
	}
}

func TestEnded(t *testing.T) {
	down := errors.New("down")
	for name, tt := range map[string]struct {
		api     status
		ended   bool
		failure string
		err     error
	}{
		"running":   {status{status: types.ExecutionStatusRunning}, false, "", nil},
		"succeeded": {status{status: types.ExecutionStatusSucceeded}, true, "", nil},
		"failed":    {status{status: types.ExecutionStatusFailed}, true, "run r FAILED", nil},
		"never was": {status{err: &types.ExecutionDoesNotExist{}}, true, "there is no run r", nil},
		"no answer": {status{err: down}, false, "", down},
	} {
		t.Run(name, func(t *testing.T) {
			ended, failure, err := New(&tt.api, machine, clock.NewFake(start)).Ended(context.Background(), "r")
			if ended != tt.ended || failure != tt.failure || !errors.Is(err, tt.err) {
				t.Errorf("%v, %q, %v", ended, failure, err)
			}
		})
	}
}
