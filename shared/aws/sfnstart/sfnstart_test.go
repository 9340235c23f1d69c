package sfnstart

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"orderflow/shared/kit/clock"
	"orderflow/shared/process/saga"
)

const machine = "arn:aws:states:us-east-1:123456789012:stateMachine:order-saga"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fake is Step Functions: a start with the name and the input of a run that goes is a success like
// the first. Each of fails is the answer to one StartExecution; with a lost one the run is there
// although.
type fake struct {
	runs     map[string]string // input by execution ARN
	ended    bool              // no run goes any more
	strict   bool              // refuses every name that was used, as stand-ins of Step Functions do
	fails    []error
	lost     bool
	describe error
	starts   int
}

func (f *fake) StartExecution(
	_ context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options),
) (*sfn.StartExecutionOutput, error) {
	f.starts++
	arn := "arn:aws:states:us-east-1:123456789012:execution:order-saga:" + aws.ToString(in.Name)
	if len(f.fails) > 0 {
		err := f.fails[0]
		f.fails = f.fails[1:]
		if f.lost {
			f.runs[arn] = aws.ToString(in.Input)
		}
		return nil, err
	}
	if name := aws.ToString(in.StateMachineArn); name != machine && name != machine+":live" {
		return nil, &types.StateMachineDoesNotExist{}
	}
	if input, exists := f.runs[arn]; exists && (f.ended || f.strict || input != aws.ToString(in.Input)) {
		return nil, &types.ExecutionAlreadyExists{}
	}
	f.runs[arn] = aws.ToString(in.Input)
	return &sfn.StartExecutionOutput{ExecutionArn: aws.String(arn)}, nil
}

func (f *fake) DescribeExecution(
	_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options),
) (*sfn.DescribeExecutionOutput, error) {
	if f.describe != nil {
		return nil, f.describe
	}
	input, ok := f.runs[aws.ToString(in.ExecutionArn)]
	if !ok {
		return nil, &types.ExecutionDoesNotExist{}
	}
	return &sfn.DescribeExecutionOutput{Input: aws.String(input)}, nil
}

func TestStart(t *testing.T) {
	const arn = "arn:aws:states:us-east-1:123456789012:execution:order-saga:o1"
	run := saga.Fulfil("o1")
	run.Input.CorrelationID = "c"
	throttled := &smithy.GenericAPIError{Code: "ThrottlingException"}
	down := errors.New("connection refused")
	many := make([]error, 100)
	for i := range many {
		many[i] = down
	}
	tests := []struct {
		name   string
		run    saga.Run
		api    fake
		fresh  bool
		err    error
		starts int
	}{
		{name: "the first time", run: run, fresh: true, starts: 1},
		{
			name: "again, while the run goes", run: run, api: fake{runs: map[string]string{arn: run.Input.JSON()}},
			fresh: true, starts: 1,
		},
		{
			name: "again, while the run goes, and names are taken once", run: run,
			api: fake{runs: map[string]string{arn: run.Input.JSON()}, strict: true}, starts: 1,
		},
		{
			name: "again, after its end", run: run,
			api: fake{runs: map[string]string{arn: run.Input.JSON()}, ended: true}, starts: 1,
		},
		{
			name: "again, of a starter that doesn't say what it belongs to", run: run,
			api: fake{runs: map[string]string{arn: saga.Fulfil("o1").Input.JSON()}}, starts: 1,
		},
		{
			name: "again, with the input written otherwise", run: run,
			api: fake{runs: map[string]string{arn: `{ "mode": "fulfil", "orderId": "o1", "version": 1 }`}}, starts: 1,
		},
		{
			name: "the name belongs to another run", run: run,
			api: fake{runs: map[string]string{arn: saga.Fulfil("o2").Input.JSON()}}, err: ErrNameTaken, starts: 1,
		},
		{
			name: "the name belongs to something else", run: run, api: fake{runs: map[string]string{arn: `"x"`}},
			err: ErrNameTaken, starts: 1,
		},
		{name: "throttled twice", run: run, api: fake{fails: []error{throttled, throttled}}, fresh: true, starts: 3},
		{name: "the answer is lost", run: run, api: fake{fails: []error{down}, lost: true}, fresh: true, starts: 2},
		{
			name: "the answer is lost, and the run has ended", run: run,
			api: fake{fails: []error{down}, lost: true, ended: true}, starts: 2,
		},
		{name: "down", run: run, api: fake{fails: many}, err: down, starts: pace.Tries},
		{
			name: "the other run can't be seen", run: run,
			api: fake{runs: map[string]string{arn: "{}"}, describe: down}, err: down, starts: pace.Tries,
		},
		{name: "an impossible run", run: saga.Fulfil("a/b"), err: saga.ErrInvalid},
		{
			name: "not allowed", run: run,
			api: fake{fails: []error{&smithy.GenericAPIError{Code: "AccessDeniedException"}}},
			err: &smithy.GenericAPIError{}, starts: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.api.runs == nil {
				tt.api.runs = map[string]string{}
			}
			fresh, err := New(&tt.api, machine, clock.NewFake(start)).Start(context.Background(), tt.run)
			var api *smithy.GenericAPIError
			if wantAPI := errors.As(tt.err, &api); wantAPI && !errors.As(err, &api) || !wantAPI &&
				!errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if fresh != tt.fresh || tt.api.starts != tt.starts {
				t.Errorf("fresh %v after %d starts, want %v after %d", fresh, tt.api.starts, tt.fresh, tt.starts)
			}
			if _, there := tt.api.runs[arn]; err == nil && !there {
				t.Error("no run is there")
			}
		})
	}
}

func TestStateMachineThatIsGone(t *testing.T) {
	api := &fake{runs: map[string]string{}}
	var gone *types.StateMachineDoesNotExist
	if _, err := New(api, machine+"-old", clock.NewFake(start)).Start(
		context.Background(), saga.Fulfil("o1"),
	); !errors.As(err, &gone) || api.starts != 1 {
		t.Errorf("%v after %d starts", err, api.starts)
	}
}

// Executions that were started by an alias have the names of the state machine: one is found again
// whether it was started by the alias, by another version's, or by none.
func TestStartByAlias(t *testing.T) {
	api := &fake{runs: map[string]string{}, strict: true}
	for _, arn := range []string{machine + ":live", machine, machine + ":live"} {
		fresh, err := New(api, arn, clock.NewFake(start)).Start(t.Context(), saga.Fulfil("o1"))
		if err != nil || fresh != (api.starts == 1) {
			t.Errorf("start %d by %s: fresh %t, %v", api.starts, arn, fresh, err)
		}
	}
}
