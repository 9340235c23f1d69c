// orderflow is the operator's command line: it places, shows and refunds orders, replays events,
// audits whether they were published, compares orders, money, stock and views, rebuilds views,
// catalogue rows and stock counters, redrives dead-letter entries, erases customers, gets tokens,
// and examines deployments.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && interrupted {
		hint := "orders that are already placed continue"
		var stopped *stoppedError
		if errors.As(err, &stopped) {
			hint = stopped.hint
		}
		fmt.Fprintln(os.Stderr, "orderflow: interrupted;", hint)
		os.Exit(130)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "orderflow:", err)
		os.Exit(1)
	}
}

// stoppedError is what an interrupted command returns to say how to continue.
type stoppedError struct {
	err  error
	hint string // how to continue
}

func (e *stoppedError) Error() string { return e.err.Error() }
func (e *stoppedError) Unwrap() error { return e.err }

// needsSubcommand is for a parent command, which does nothing by itself.
func needsSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: unknown command %q; see --help", path(cmd), args[0])
	}
	return fmt.Errorf("%s: expected a command; see --help", path(cmd))
}

// path is a command without the program's name, which main puts before every error.
func path(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "orderflow ") }

// needsOne is for commands with one argument, and names it.
func needsOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s: expected one %s; see --help", path(cmd), what)
		}
		return nil
	}
}

// needsNone is for commands without arguments.
func needsNone(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: expected no arguments, got %q; see --help", path(cmd), args[0])
	}
	return nil
}

// stackFlag names the stack that a command works on.
type stackFlag struct{ name string }

func (s *stackFlag) find(ctx context.Context) (*deployment.Deployment, error) {
	if s.name == "" {
		return nil, errors.New("ORDERFLOW_STACK is empty: set it to the name of a stack, or unset it")
	}
	return deployment.Find(ctx, s.name)
}

func root() *cobra.Command {
	stack := &stackFlag{}
	cmd := &cobra.Command{
		Use:   "orderflow",
		Short: "Operates an orderflow deployment",
		Long: "Operates an orderflow deployment. Credentials, region and endpoint come from the environment, as for " +
			"other AWS tools.\nSet AWS_ENDPOINT_URL to use an emulator.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	name, named := os.LookupEnv("ORDERFLOW_STACK")
	if !named {
		name = "orderflow-local"
	}
	cmd.PersistentFlags().StringVar(&stack.name, "stack", name, "CloudFormation stack; default from ORDERFLOW_STACK")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if err = fmt.Errorf("%w; see --help", err); cmd.HasParent() {
			err = fmt.Errorf("%s: %w", path(cmd), err)
		}
		return err
	})
	cmd.AddCommand(
		importCommand(stack), tokenCommand(stack), ordersCommand(stack), eventsCommand(stack), viewsCommand(stack),
		customersCommand(stack), deadLettersCommand(stack), stockCommand(stack), productsCommand(stack),
		costCommand(stack), doctorCommand(stack), verifyCommand(stack), tourCommand(stack),
	)
	strict(cmd)
	return cmd
}
