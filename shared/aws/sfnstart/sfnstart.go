// Package sfnstart starts runs of the saga's state machine.
package sfnstart

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/process/saga"
)

// ErrNameTaken says that another run, with another input, has the name.
var ErrNameTaken = errors.New("sfnstart: the name belongs to a run with another input")

// pace is how the tries at a start follow each other. The margin leaves the queue's consumer time
// to answer.
var pace = backoff.Pace{Base: 50 * time.Millisecond, Max: time.Second, Margin: 1500 * time.Millisecond, Tries: 20}

// API is what Machine needs of the Step Functions client.
type API interface {
	StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	DescribeExecution(
		context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options),
	) (*sfn.DescribeExecutionOutput, error)
}

// Machine starts runs of one state machine.
type Machine struct {
	api   API
	arn   string
	clock clock.Clock
}

// New makes a Machine of the ARN of a state machine, or of one of its aliases.
func New(api API, arn string, c clock.Clock) *Machine { return &Machine{api: api, arn: arn, clock: c} }

// Start starts a run, unless one with its name was started before. fresh is false where that one
// has ended, for as long as Step Functions remembers it. Where it still goes, fresh says nothing:
// Step Functions answers the same input as if it were the first time, and not every stand-in does;
// Running tells. The input of the one before must mean the same, else it is an ErrNameTaken. A run
// that can't be is a saga.ErrInvalid. Throttling and the like are tried again until one and a half
// seconds before ctx's deadline.
func (m *Machine) Start(ctx context.Context, run saga.Run) (fresh bool, err error) {
	if err := run.Validate(); err != nil {
		return false, err
	}
	for tries := backoff.New(pace, m.clock); ; {
		fresh, err = m.start(ctx, run)
		if err == nil || final(err) || !tries.Again(ctx) {
			return fresh, err
		}
	}
}

func (m *Machine) start(ctx context.Context, run saga.Run) (fresh bool, err error) {
	_, err = m.api.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: aws.String(m.arn), Name: aws.String(run.Name), Input: aws.String(run.Input.JSON()),
	})
	var exists *types.ExecutionAlreadyExists
	if !errors.As(err, &exists) {
		if err != nil {
			return false, fmt.Errorf("sfnstart: start %s: %w", run.Name, err)
		}
		return true, nil
	}
	// The name belongs to a run that has ended, or to one with another input. The text alone may
	// differ.
	execution, err := m.api.DescribeExecution(
		ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(m.execution(run.Name))},
	)
	if err != nil {
		return false, fmt.Errorf("sfnstart: describe %s: %w", run.Name, err)
	}
	input, err := saga.ParseInput([]byte(aws.ToString(execution.Input)))
	if err != nil || !input.Means(run.Input) {
		return false, fmt.Errorf("%w: %s has %s", ErrNameTaken, run.Name, aws.ToString(execution.Input))
	}
	return false, nil
}

// execution is the ARN of a run: the state machine's, with the kind changed and the name added. An
// alias is no part of it: a name belongs to the state machine, whatever started the run.
func (m *Machine) execution(name string) string {
	parts := strings.Split(m.arn, ":") // arn, partition, states, region, account, stateMachine, name, alias
	machine := strings.Join(parts[:min(len(parts), 7)], ":")
	return strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + name
}

// final reports whether trying again within the invocation is of no use.
func final(err error) bool {
	var (
		machine *types.StateMachineDoesNotExist
		arn     *types.InvalidArn
		name    *types.InvalidName
		input   *types.InvalidExecutionInput
		denied  interface{ ErrorCode() string }
	)
	return errors.Is(err, ErrNameTaken) || errors.As(err, &machine) || errors.As(err, &arn) || errors.As(err, &name) ||
		errors.As(err, &input) ||
		errors.As(err, &denied) && denied.ErrorCode() == "AccessDeniedException"
}
