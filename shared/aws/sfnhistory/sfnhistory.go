// Package sfnhistory reads what Step Functions keeps of executions.
package sfnhistory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/ops/executions"
	"orderflow/shared/shop/personal"
)

const (
	pageOfEvents = 1000 // the most that Step Functions gives at once
	// mostPages bounds what is read of a history. A run of the saga that goes through has 40
	// events, and one that retries everything a few hundred.
	mostPages = 4
	longest   = 1000 // bytes of a cause that are shown
)

// API is what History needs of the Step Functions client.
type API interface {
	sfn.GetExecutionHistoryAPIClient
	DescribeExecution(
		context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options),
	) (*sfn.DescribeExecutionOutput, error)
	DescribeStateMachineForExecution(
		context.Context, *sfn.DescribeStateMachineForExecutionInput, ...func(*sfn.Options),
	) (*sfn.DescribeStateMachineForExecutionOutput, error)
}

// remembered is of how many executions a process knows the machine, each some kilobytes.
const remembered = 200

// History reads the executions of one state machine. It is safe for concurrent use.
type History struct {
	api      API
	prefix   string // of the ARNs of its executions
	machines *machines
}

// machines are those of executions by their names. An execution runs one machine to its end, and
// Step Functions refills the requests for it with one a second, for the whole account: pages that
// watch executions would use them up.
type machines struct {
	mu    sync.Mutex
	known map[string]executions.Machine
}

// New makes a History of the state machine with that ARN.
func New(api API, machine string) History {
	return History{
		api, strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":",
		&machines{known: map[string]executions.Machine{}},
	}
}

// Find implements executions.Runs.
func (h History) Find(ctx context.Context, name string) (executions.Execution, error) {
	arn := aws.String(h.prefix + name)
	out, err := h.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: arn})
	if err != nil {
		return executions.Execution{}, failed("describe", name, err)
	}
	x := executions.Execution{
		Name: name, Status: executions.Status(out.Status), Started: aws.ToTime(out.StartDate),
		Ended: aws.ToTime(out.StopDate), Error: aws.ToString(out.Error), Cause: words(aws.ToString(out.Cause)),
	}
	if x.Machine, err = h.machine(ctx, name, arn); err != nil {
		return executions.Execution{}, err
	}
	if x.Steps, x.Cut, err = h.steps(ctx, arn); err != nil {
		return executions.Execution{}, failed("read the history of", name, err)
	}
	return x, nil
}

// machine is the one that an execution runs, or ran.
func (h History) machine(ctx context.Context, name string, arn *string) (executions.Machine, error) {
	h.machines.mu.Lock()
	machine, known := h.machines.known[name]
	h.machines.mu.Unlock()
	if known {
		return machine, nil
	}
	ran, err := h.api.DescribeStateMachineForExecution(
		ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: arn},
	)
	if err != nil {
		return machine, failed("describe the machine of", name, err)
	}
	if machine, err = executions.ParseMachine([]byte(aws.ToString(ran.Definition))); err != nil {
		return machine, failed("read the machine of", name, err)
	}
	h.machines.mu.Lock()
	defer h.machines.mu.Unlock()
	if len(h.machines.known) >= remembered {
		clear(h.machines.known)
	}
	h.machines.known[name] = machine
	return machine, nil
}

func failed(doing, name string, err error) error {
	var gone *types.ExecutionDoesNotExist
	if errors.As(err, &gone) {
		return fmt.Errorf("%w: %s", executions.ErrUnknown, name)
	}
	return fmt.Errorf("sfnhistory: %s %s: %w", doing, name, dynamo.Failed(err))
}

// steps reads the states that an execution entered. Input and output of the steps are not asked
// for.
func (h History) steps(ctx context.Context, arn *string) (steps []executions.Step, cut bool, err error) {
	pages := sfn.NewGetExecutionHistoryPaginator(h.api, &sfn.GetExecutionHistoryInput{
		ExecutionArn: arn, MaxResults: pageOfEvents, IncludeExecutionData: aws.Bool(false),
	})
	at := map[int64]int{} // of an event, the index of its step, behind one
	for range mostPages {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, false, err
		}
		for _, event := range page.Events {
			step := at[event.PreviousEventId]
			if event.PreviousEventId == 0 { // the first, and all that a stand-in for AWS gives
				step = len(steps)
			}
			if entered := event.StateEnteredEventDetails; entered != nil {
				steps = append(steps, executions.Step{
					Name: aws.ToString(entered.Name), Type: strings.TrimSuffix(string(event.Type), "StateEntered"),
					Entered: aws.ToTime(event.Timestamp),
				})
				step = len(steps)
			}
			if at[event.Id] = step; step > 0 {
				follow(&steps[step-1], event)
			}
		}
		if !pages.HasMorePages() {
			return steps, false, nil
		}
	}
	return steps, true, nil
}

// follow counts a try, or notes when a step ended or why a try failed.
func follow(s *executions.Step, event types.HistoryEvent) {
	switch event.Type {
	case types.HistoryEventTypeTaskScheduled, types.HistoryEventTypeLambdaFunctionScheduled:
		s.Tries++
		s.Failed = false
	}
	if event.StateExitedEventDetails != nil {
		s.Exited = aws.ToTime(event.Timestamp)
	}
	if name, cause := failure(event); name != nil || cause != nil {
		s.Failed, s.Error, s.Cause = true, aws.ToString(name), words(aws.ToString(cause))
	}
}

// failure is why a try failed, as far as an event says it.
func failure(event types.HistoryEvent) (name, cause *string) {
	switch {
	case event.TaskFailedEventDetails != nil:
		return event.TaskFailedEventDetails.Error, event.TaskFailedEventDetails.Cause
	case event.TaskTimedOutEventDetails != nil:
		return event.TaskTimedOutEventDetails.Error, event.TaskTimedOutEventDetails.Cause
	case event.TaskSubmitFailedEventDetails != nil:
		return event.TaskSubmitFailedEventDetails.Error, event.TaskSubmitFailedEventDetails.Cause
	case event.TaskStartFailedEventDetails != nil:
		return event.TaskStartFailedEventDetails.Error, event.TaskStartFailedEventDetails.Cause
	case event.LambdaFunctionFailedEventDetails != nil:
		return event.LambdaFunctionFailedEventDetails.Error, event.LambdaFunctionFailedEventDetails.Cause
	case event.LambdaFunctionTimedOutEventDetails != nil:
		return event.LambdaFunctionTimedOutEventDetails.Error, event.LambdaFunctionTimedOutEventDetails.Cause
	case event.EvaluationFailedEventDetails != nil:
		return event.EvaluationFailedEventDetails.Error, event.EvaluationFailedEventDetails.Cause
	}
	return nil, nil
}

// words are a cause without personal data. A function's cause is a document with its message; the
// stack of a panic in it is for its log.
func words(cause string) string {
	var of struct {
		Message *string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(cause), &of) == nil && of.Message != nil {
		cause = *of.Message
	}
	cause = personal.Hide(cause)
	if len(cause) <= longest {
		return cause
	}
	short := cause[:longest]
	for !utf8.ValidString(short) {
		short = short[:len(short)-1]
	}
	return short + "…"
}
