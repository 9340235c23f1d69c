// orderflow is the operator's command line: it puts orders in, looks at them, and gets tokens.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "orderflow:", err)
		os.Exit(1)
	}
}

// stackFlag is the stack that a command is about.
type stackFlag struct{ name string }

func (s *stackFlag) find(ctx context.Context) (*deployment.Deployment, error) {
	return deployment.Find(ctx, s.name)
}

func root() *cobra.Command {
	stack := &stackFlag{}
	cmd := &cobra.Command{
		Use:           "orderflow",
		Short:         "Runs an orderflow deployment from the command line",
		Long:          "Runs an orderflow deployment from the command line. Credentials, region and endpoint come from the environment, as for every AWS tool;\nAWS_ENDPOINT_URL names an emulator.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	name := os.Getenv("ORDERFLOW_STACK")
	if name == "" {
		name = "orderflow-local"
	}
	cmd.PersistentFlags().StringVar(&stack.name, "stack", name, "CloudFormation stack (ORDERFLOW_STACK)")
	cmd.AddCommand(importCommand(stack), tokenCommand(stack), ordersCommand(stack))
	return cmd
}
