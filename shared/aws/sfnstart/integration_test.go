//go:build integration

package sfnstart_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/sfnstart"
	"orderflow/shared/kit/clock"
	"orderflow/shared/process/saga"
)

// A run is started once, however many start it, while it runs and after it ended; and a name that
// another run has is refused.
func TestMachine(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := sfn.NewFromConfig(awstest.Config(t))
	created, err := client.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: aws.String(awstest.Unique(t, "machine")), RoleArn: aws.String(awstest.Role(t, "states.amazonaws.com")),
		Definition: aws.String(`{"StartAt":"Wait","States":{"Wait":{"Type":"Wait","Seconds":1,"End":true}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := client.DeleteStateMachine(
			ctx, &sfn.DeleteStateMachineInput{StateMachineArn: created.StateMachineArn},
		); err != nil {
			t.Error(err)
		}
	})
	machine := sfnstart.New(client, aws.ToString(created.StateMachineArn), clock.System{})
	run := saga.Fulfil("o1")

	var starters sync.WaitGroup
	var fresh atomic.Int32
	for range 8 {
		starters.Go(func() {
			first, err := machine.Start(ctx, run)
			if err != nil {
				t.Error(err)
			}
			if first {
				fresh.Add(1)
			}
		})
	}
	starters.Wait()
	// Real Step Functions answers a repeated start as if it were the first while the run is open.
	if fresh.Load() < 1 {
		t.Error("nobody started the run")
	}
	list, err := client.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: created.StateMachineArn})
	if err != nil || len(list.Executions) != 1 || aws.ToString(list.Executions[0].Name) != run.Name {
		t.Fatalf("executions %+v, %v", list, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; <-tick.C {
		if running, err = machine.Running(ctx, run.Name); err != nil {
			t.Fatal(err)
		}
	}
	if first, err := machine.Start(ctx, run); err != nil || first {
		t.Errorf("after its end the run was started: %v, %v", first, err)
	}
	other := run
	other.Input.Mode = saga.ModeUndo
	if _, err := machine.Start(ctx, other); !errors.Is(err, sfnstart.ErrNameTaken) {
		t.Errorf("another run under the name: %v", err)
	}
}
