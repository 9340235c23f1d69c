// orderflow is the operator's command line: it puts orders in, looks at them, replays events,
// audits whether they were published, keeps views and catalogue right, sees to dead letters, erases
// customers, and gets tokens.
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
		hint := "orders that are placed go on to their end without it"
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

// stoppedError is what a command that was interrupted returns where there is something else to say
// of it.
type stoppedError struct {
	err  error
	hint string // how to go on
}

func (e *stoppedError) Error() string { return e.err.Error() }
func (e *stoppedError) Unwrap() error { return e.err }

// needsSubcommand makes a parent that does nothing by itself refuse what it does not know.
func needsSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: unknown command %q; see --help", path(cmd), args[0])
	}
	return fmt.Errorf("%s: name a command; see --help", path(cmd))
}

// path is a command without the program's name, which main puts before every error.
func path(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "orderflow ") }

// needsOne is for commands with one argument, and names it.
func needsOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s: give one %s; see --help", path(cmd), what)
		}
		return nil
	}
}

// needsNone is for commands without arguments.
func needsNone(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s: takes no arguments, not %q; see --help", path(cmd), args[0])
	}
	return nil
}

// stackFlag is the stack that a command is about.
type stackFlag struct{ name string }

func (s *stackFlag) find(ctx context.Context) (*deployment.Deployment, error) {
	if s.name == "" {
		return nil, errors.New("ORDERFLOW_STACK is empty: name a stack in it, or unset it")
	}
	return deployment.Find(ctx, s.name)
}

func root() *cobra.Command {
	stack := &stackFlag{}
	cmd := &cobra.Command{
		Use:   "orderflow",
		Short: "Runs an orderflow deployment from the command line",
		Long: "Runs an orderflow deployment from the command line. Credentials, region and endpoint come " +
			"from the environment, as for every AWS tool;\nAWS_ENDPOINT_URL names an emulator.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	name, named := os.LookupEnv("ORDERFLOW_STACK")
	if !named {
		name = "orderflow-local"
	}
	cmd.PersistentFlags().StringVar(&stack.name, "stack", name, "CloudFormation stack (ORDERFLOW_STACK)")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if err = fmt.Errorf("%w; see --help", err); cmd.HasParent() {
			err = fmt.Errorf("%s: %w", path(cmd), err)
		}
		return err
	})
	cmd.AddCommand(
		importCommand(stack), tokenCommand(stack), ordersCommand(stack), eventsCommand(stack), viewsCommand(stack),
		customersCommand(stack), deadLettersCommand(stack), stockCommand(stack), productsCommand(stack),
	)
	strict(cmd)
	return cmd
}
