package sfnstart

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Running reports whether the run with that name still goes. One that never was, or that Step Functions has forgotten, does not.
func (m *Machine) Running(ctx context.Context, name string) (bool, error) {
	execution, err := m.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(m.execution(name))})
	var unknown *types.ExecutionDoesNotExist
	if errors.As(err, &unknown) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sfnstart: describe %s: %w", name, err)
	}
	return execution.Status == types.ExecutionStatusRunning || execution.Status == types.ExecutionStatusPendingRedrive, nil
}
