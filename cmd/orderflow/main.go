// orderflow is the operator's command line: it shows and changes orders, customers, accounts,
// products, stock, shipments and dead-letter entries over the API, replays and audits events,
// compares orders, money, stock and views and rebuilds what differs, gets tokens, opens the
// console, and examines deployments. docs/command-line.md lists the commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
)

// The exit statuses. docs/command-line.md has them for people.
const (
	exitFailed      = 1   // something failed, or a comparison has found something
	exitUsage       = 2   // arguments, flags or environment are wrong, and nothing was asked
	exitRefused     = 3   // the API has refused the request, and nothing was written
	exitInterrupted = 130 // 128 + SIGINT
	exitUnread      = 141 // 128 + SIGPIPE
)

func main() {
	// Where a terminal is closed, or a pipe's reader has enough, a command still takes away what it
	// has made.
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	signal.Ignore(syscall.SIGPIPE)
	status := run(ctx, &stackFlag{}, os.Args[1:], results{os.Stdout}, os.Stderr)
	stop()
	os.Exit(status)
}

// run runs a command and gives its exit status.
func run(ctx context.Context, stack *stackFlag, args []string, out, hints io.Writer) int {
	cmd := root(stack)
	out, hints = screen{out}, screen{hints}
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(hints)
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		hint := "orders that are already placed continue"
		var stopped *stoppedError
		if errors.As(err, &stopped) {
			hint = stopped.hint
		}
		_, _ = fmt.Fprintln(hints, "orderflow: interrupted;", hint)
		return exitInterrupted
	case errors.Is(err, errUnread):
		return exitUnread
	}
	_, _ = fmt.Fprintln(hints, "orderflow:", err)
	return failed(err, stack.asked)
}

// failed is the exit status of an error.
func failed(err error, asked bool) int {
	var problem *shop.Problem
	var part *partError
	switch {
	case errors.As(err, &part):
		return exitFailed
	case errors.As(err, &problem) && problem.Status < http.StatusInternalServerError:
		return exitRefused
	case !asked:
		return exitUsage
	}
	return exitFailed
}

// stoppedError is what an interrupted command returns to say how to continue.
type stoppedError struct {
	err  error
	hint string // how to continue
}

func (e *stoppedError) Error() string { return e.err.Error() }
func (e *stoppedError) Unwrap() error { return e.err }

// partError is what a command returns that may have written something, whatever the API says to the
// rest.
type partError struct{ err error }

func (e *partError) Error() string { return e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

func partly(err error) error {
	if err == nil {
		return nil
	}
	return &partError{err}
}

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
type stackFlag struct {
	name  string
	asked bool        // whether the command has got as far as to look for it
	api   connectFunc // a client of an API that is none of a stack's; nil for the stack's
}

func (s *stackFlag) find(ctx context.Context) (*deployment.Deployment, error) {
	if s.name == "" {
		return nil, errors.New("ORDERFLOW_STACK is empty: set it to the name of a stack, or unset it")
	}
	s.asked = true
	return deployment.Find(ctx, s.name)
}

func root(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "orderflow",
		Short: "Operates an orderflow deployment",
		Long: "Operates an orderflow deployment. Credentials, region and endpoint come from the environment, as for " +
			"other AWS tools.\nSet AWS_ENDPOINT_URL to use an emulator.",
		Example: "  orderflow orders list --status cancelled   # which orders were cancelled\n" +
			"  orderflow orders show ID                   # why one was, and what was undone\n" +
			"  orderflow orders watch ID                  # what becomes of one\n" +
			"  orderflow deadletters list                 # what waits for people",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	name, named := os.LookupEnv("ORDERFLOW_STACK")
	if !named {
		name = deployment.LocalStack
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
		accountsCommand(stack.connect), shipmentsCommand(stack.connect), sagaCommand(stack),
		costCommand(stack), doctorCommand(stack), logsCommand(stack), verifyCommand(stack), tourCommand(stack),
		consoleCommand(stack), alarmsCommand(stack.connect), auditCommand(stack.connect),
		figuresCommand(stack.connect),
	)
	strict(cmd)
	return cmd
}
