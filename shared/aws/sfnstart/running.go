package sfnstart

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Running reports whether the run with that name still goes. One that never was, or that Step
// Functions has forgotten, does not.
func (m *Machine) Running(ctx context.Context, name string) (bool, error) {
	execution, err := m.api.DescribeExecution(
		ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(m.execution(name))},
	)
	var unknown *types.ExecutionDoesNotExist
	if errors.As(err, &unknown) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sfnstart: describe %s: %w", name, err)
	}
	return execution.Status == types.ExecutionStatusRunning || execution.Status == types.ExecutionStatusPendingRedrive,
		nil
}

// Ended says whether the run with that name has ended, and what it failed of, "" where it did not
// fail. One that never was, or that Step Functions has forgotten, has ended and failed of that.
func (m *Machine) Ended(ctx context.Context, name string) (ended bool, failure string, err error) {
	execution, err := m.api.DescribeExecution(
		ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(m.execution(name))},
	)
	var unknown *types.ExecutionDoesNotExist
	switch {
	case errors.As(err, &unknown):
		return true, "there is no run " + name, nil
	case err != nil:
		return false, "", fmt.Errorf("sfnstart: describe %s: %w", name, err)
	}
	switch execution.Status {
	case types.ExecutionStatusRunning, types.ExecutionStatusPendingRedrive:
		return false, "", nil
	case types.ExecutionStatusSucceeded:
		return true, "", nil
	}
	return true, strings.TrimRight(
		fmt.Sprintf(
			"run %s %s: %s %s", name, execution.Status, aws.ToString(execution.Error), aws.ToString(execution.Cause),
		),
		": ",
	), nil
}
