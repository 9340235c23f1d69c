package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/order"
)

func sagaCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "saga", Short: "Lists, shows and retries the executions that process orders",
		Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(
		sagaListCommand(stack), sagaStalledCommand(stack), sagaShowCommand(stack), sagaRetryCommand(stack),
	)
	return cmd
}

// executions are those of a stack's saga.
type executions struct {
	api     executionsAPI
	machine string // its ARN
}

// executionsAPI is what the commands ask of Step Functions. sfn.Client is one.
type executionsAPI interface {
	sfn.ListExecutionsAPIClient
	DescribeExecution(
		context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options),
	) (*sfn.DescribeExecutionOutput, error)
}

func openExecutions(d *deployment.Deployment) (executions, error) {
	machine, err := d.Output("SagaArn")
	return executions{sfn.NewFromConfig(d.Config()), machine}, err
}

// openSaga finds a stack, its executions, and its API.
func openSaga(ctx context.Context, stack *stackFlag) (*deployment.Deployment, executions, *shop.Client, error) {
	d, err := stack.find(ctx)
	if err != nil {
		return nil, executions{}, nil, err
	}
	all, err := openExecutions(d)
	if err != nil {
		return nil, executions{}, nil, err
	}
	client, err := operatorClient(ctx, d)
	return d, all, client, err
}

// arn is that of an execution.
func (e executions) arn(name string) string {
	return strings.Replace(e.machine, ":stateMachine:", ":execution:", 1) + ":" + name
}

// execution is one that is there.
type execution struct {
	Name    string                `json:"name"`
	OrderID string                `json:"orderId,omitempty"` // which the name of a redrive's doesn't tell
	Status  types.ExecutionStatus `json:"status"`
	Started time.Time             `json:"startedAt"`
	Stopped *time.Time            `json:"stoppedAt,omitempty"`
}

// find gives the execution with a name, and nil if there was none, or if it is no longer kept.
func (e executions) find(ctx context.Context, name string) (*execution, error) {
	out, err := e.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(e.arn(name))})
	var gone *types.ExecutionDoesNotExist
	if errors.As(err, &gone) {
		return nil, nil //nolint:nilnil // what is not there is no error
	}
	if err != nil {
		return nil, fmt.Errorf("describe execution %s: %w", name, err)
	}
	of := saga.OrderOf(name)
	if in, err := saga.ParseInput([]byte(aws.ToString(out.Input))); err == nil {
		of = in.OrderID
	}
	return &execution{
		Name: name, OrderID: of, Status: out.Status, Started: aws.ToTime(out.StartDate),
		Stopped: out.StopDate,
	}, nil
}

func sagaListCommand(stack *stackFlag) *cobra.Command {
	var status string
	var limit int
	var asJSON bool
	statuses := types.ExecutionStatus("").Values()
	cmd := &cobra.Command{
		Use: "list", Short: "Lists executions, newest first", Args: needsNone,
		Long:    "Lists executions, newest first. Step Functions keeps them for 90 days after their end.",
		Example: "  orderflow saga list --status FAILED",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if status != "" && !slices.Contains(statuses, types.ExecutionStatus(status)) {
				return fmt.Errorf("%s: --status: expected one of %s, got %q", path(cmd), names(statuses), status)
			}
			if limit < 1 || limit > maxExecutions {
				return fmt.Errorf("%s: --limit: expected 1 to %d, got %d", path(cmd), maxExecutions, limit)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			all, err := openExecutions(d)
			if err != nil {
				return err
			}
			found, err := all.list(cmd.Context(), types.ExecutionStatus(status), limit)
			if err != nil {
				return err
			}
			return printExecutions(cmd.OutOrStdout(), found, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&status, "status", "", "executions in this status: "+names(statuses))
	f.IntVar(&limit, "limit", 50, "maximum number of executions")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// maxExecutions is the most that one request of ListExecutions gives.
const maxExecutions = 1000

func (e executions) list(ctx context.Context, status types.ExecutionStatus, limit int) ([]execution, error) {
	found := []execution{}
	pages := sfn.NewListExecutionsPaginator(e.api, &sfn.ListExecutionsInput{
		StateMachineArn: &e.machine, StatusFilter: status,
		MaxResults: int32(limit), //nolint:gosec // at most maxExecutions
	})
	for pages.HasMorePages() && len(found) < limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list executions: %w", err)
		}
		for _, x := range page.Executions {
			name := aws.ToString(x.Name)
			found = append(found, execution{
				Name: name, OrderID: saga.OrderOf(name), Status: x.Status, Started: aws.ToTime(x.StartDate),
				Stopped: x.StopDate,
			})
		}
	}
	return found[:min(len(found), limit)], nil
}

func printExecutions(out io.Writer, found []execution, asJSON bool) error {
	if asJSON {
		return printJSON(out, found)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"execution", "status", "started", "took"})
	for _, x := range found {
		took := ""
		if x.Stopped != nil {
			took = x.Stopped.Sub(x.Started).Round(time.Millisecond).String()
		}
		t.AppendRow(table.Row{x.Name, x.Status, x.Started.UTC().Format(time.RFC3339), took})
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}

// stalledOrder is an order that nobody works on.
type stalledOrder struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Saga      string    `json:"saga"`
	UpdatedAt time.Time `json:"updatedAt"`
	Why       string    `json:"why"`
}

func sagaStalledCommand(stack *stackFlag) *cobra.Command {
	var olderThan time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use: "stalled", Short: "Lists the orders that the saga is not through with and that no execution works on",
		Long: "Lists the orders that the saga is not through with and that no execution works on, and those whose " +
			"undo " +
			"failed. sweep-orders takes the former on by itself; the latter need people.\n" +
			"It asks Step Functions once for each order that is under way. Exit status 1: there are such orders.",
		Example: "  orderflow saga stalled --older-than 15m", Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if olderThan <= 0 {
				return fmt.Errorf("%s: --older-than: expected a duration above 0, got %s", path(cmd), olderThan)
			}
			_, all, client, err := openSaga(cmd.Context(), stack)
			if err != nil {
				return err
			}
			found, err := all.stalled(cmd.Context(), client.Orders, clock.System{}.Now().Add(-olderThan))
			if err != nil {
				return err
			}
			return printStalled(cmd.OutOrStdout(), found, asJSON)
		},
	}
	cmd.Flags().DurationVar(&olderThan, "older-than", 5*time.Minute, "orders whose last change is longer ago")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// underWay are the statuses of orders that an execution works on.
var underWay = []order.Status{
	order.StatusPlaced, order.StatusHeld, order.StatusBackordered, order.StatusPaymentRequired, order.StatusCancelling,
}

// stalled gives the orders, oldest change first, that have not changed since and stand still.
func (e executions) stalled(ctx context.Context, list shop.Lister, since time.Time) ([]stalledOrder, error) {
	found := []stalledOrder{}
	for _, status := range underWay {
		query := url.Values{"status": {string(status)}, "limit": {strconv.Itoa(pageOfOrders)}}
		for more := true; more; more = query.Get("cursor") != "" {
			page, next, err := list(ctx, query)
			if err != nil {
				return nil, err
			}
			for _, o := range page {
				if !o.UpdatedAt.Before(since) {
					continue
				}
				why, err := e.whyStalled(ctx, o)
				if err != nil {
					return nil, err
				}
				if why != "" {
					found = append(found, stalledOrder{o.ID, o.Status, o.Saga.ID, o.UpdatedAt, why})
				}
			}
			query.Set("cursor", next)
		}
	}
	slices.SortStableFunc(found, func(a, b stalledOrder) int {
		return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.ID, b.ID))
	})
	return found, nil
}

// whyStalled says why nobody works on an order, "" if somebody does.
func (e executions) whyStalled(ctx context.Context, o shop.ListedOrder) (string, error) {
	if o.Saga.State == string(order.SagaFailed) {
		return "its undo failed", nil
	}
	x, err := e.find(ctx, cmp.Or(o.Saga.ID, saga.FulfilName(o.ID)))
	switch {
	case err != nil:
		return "", err
	case x == nil:
		return "no execution has started", nil
	case x.Status != types.ExecutionStatusRunning:
		return "its execution has ended: " + string(x.Status), nil
	}
	return "", nil
}

func printStalled(out io.Writer, found []stalledOrder, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, found); err != nil {
			return err
		}
	} else if len(found) > 0 {
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.AppendHeader(table.Row{"order", "status", "changed", "why"})
		for _, o := range found {
			t.AppendRow(table.Row{o.ID, o.Status, o.UpdatedAt.Format(time.RFC3339), o.Why})
		}
		if _, err := fmt.Fprintln(out, t.Render()); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return fmt.Errorf(
			"%d orders are stalled; orderflow saga show says where, and orderflow saga retry takes on what never "+
				"started or could not be undone", len(found),
		)
	}
	return nil
}

func sagaShowCommand(stack *stackFlag) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ORDER", Short: "Shows an order's executions: their steps, the tries of each, and why one failed",
		Example: "  orderflow saga show ID", Args: needsOne("order id"),
		ValidArgsFunction: completion(newestOrders).over(stack.connect),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := stack.connect(cmd.Context())
			if err != nil {
				return err
			}
			of, err := client.Order(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			found, err := client.Executions(cmd.Context(), of.ID)
			if err != nil {
				return err
			}
			return printSaga(cmd.OutOrStdout(), of, found, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printSaga(out io.Writer, o shop.Order, found shop.Executions, asJSON bool) error {
	if asJSON {
		return printJSON(out, found)
	}
	lines := []string{fmt.Sprintf("order %s: %s, saga %s", o.ID, o.Status, o.Saga.State)}
	lines = append(lines, cancellation(o)...)
	for i, x := range found.Executions {
		if i == 1 && found.Omitted > 0 {
			lines = append(lines, fmt.Sprintf("%d executions are left out", found.Omitted))
		}
		if x.Expired {
			lines = append(lines, fmt.Sprintf("execution %s: no longer kept", x.Name))
			continue
		}
		lines = append(lines, fmt.Sprintf("execution %s: %s", x.Name, x.Status))
		for _, s := range x.Steps {
			if s.Type != "Task" {
				continue
			}
			line := fmt.Sprintf("  +%6d ms  %s", s.Entered.Sub(x.Started).Milliseconds(), s.Name)
			if s.Tries > 1 {
				line += fmt.Sprintf(", %d tries", s.Tries)
			}
			if s.Error != "" {
				line += ": " + strings.TrimSuffix(s.Error+": "+s.Cause, ": ")
			}
			lines = append(lines, line)
		}
		if x.Truncated {
			lines = append(lines, "  its history is longer than what is shown")
		}
		if x.Error != "" {
			lines = append(lines, "  ended with "+strings.TrimSuffix(x.Error+": "+x.Cause, ": "))
		}
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

func sagaRetryCommand(stack *stackFlag) *cobra.Command {
	r := &replayer{clock: clock.System{}, consumer: "start-saga", rate: 100, segments: 1}
	cmd := &cobra.Command{
		Use: "retry ORDER", Short: "Has an order taken on again whose execution never started, or whose undo failed",
		Long: "Has an order taken on again whose execution never started: its events are sent to start-saga once " +
			"more.\n" +
			"Of one whose undo failed, the dead-letter entry is redriven, which starts a further execution within a " +
			"minute. Steps that are done are answered from what they did, so it goes on from the one that failed. " +
			"Correct first what made it fail; saga show says what that was.\n" +
			"An order whose execution has ended otherwise is sweep-orders' to take on.",
		Example: "  orderflow saga retry ID", Args: needsOne("order id"),
		ValidArgsFunction: completion(newestOrders).over(stack.connect),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, all, client, err := openSaga(cmd.Context(), stack)
			if err != nil {
				return err
			}
			of, err := client.Order(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if of.Saga.State == string(order.SagaFailed) {
				return all.retryUndo(cmd.Context(), client, cmd.OutOrStdout(), of.Saga.ID, r.json)
			}
			events, err := client.History(cmd.Context(), of.ID)
			if err != nil {
				return err
			}
			if err := all.retryable(cmd.Context(), of, events); err != nil {
				return err
			}
			r.stream = order.Category + "/" + of.ID
			r.deployment, r.out, r.progress = d, cmd.OutOrStdout(), cmd.ErrOrStderr()
			r.name = "retry-" + of.ID + "-" + strconv.FormatInt(of.Version, 10)
			return r.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&r.json, "json", false, "print the summary, or the dead-letter entry, as JSON")
	return cmd
}

// retryable says why an order's events, sent to start-saga once more, would start no execution.
func (e executions) retryable(ctx context.Context, o shop.Order, events []shop.Event) error {
	if !slices.Contains(underWay, order.Status(o.Status)) {
		return fmt.Errorf("order %s is %s: its saga is through", o.ID, o.Status)
	}
	name, starts := saga.FulfilName(o.ID), true
	for _, event := range events {
		if event.Type == order.Category+"."+string(order.StatusCancelling) {
			name = saga.UndoName(o.ID, event.Sequence)
			if starts = event.Data["origin"] != string(order.OriginSaga); !starts {
				name = o.Saga.ID // the execution that closed it undoes it too
			}
		}
	}
	x, err := e.find(ctx, name)
	switch {
	case err != nil:
		return err
	case x != nil && x.Status == types.ExecutionStatusRunning:
		return fmt.Errorf("order %s is %s, and its execution %s is %s", o.ID, o.Status, name, x.Status)
	case x != nil:
		return fmt.Errorf(
			"order %s is %s, and its execution %s is %s: its events start no other one, and sweep-orders takes it on",
			o.ID, o.Status, name, x.Status,
		)
	case !starts:
		return fmt.Errorf(
			"order %s is %s, and the execution that closed it is gone: its events start no other one, and "+
				"sweep-orders takes it on", o.ID, o.Status,
		)
	}
	return nil
}

// retryUndo has the next run of the redrive start a further execution for the one that failed. The
// entry sees to it that there is one at a time.
func (e executions) retryUndo(
	ctx context.Context, client *shop.Client, out io.Writer, execution string, asJSON bool,
) error {
	entry, err := client.RedriveDeadLetter(ctx, deadletter.UndoEntry(e.arn(execution)), "", false)
	if shop.NotFound(err) {
		return fmt.Errorf("the failure of execution %s is not recorded yet: try again in a minute: %w", execution, err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, entry)
	}
	_, err = fmt.Fprintf(
		out, "dead-letter entry %s: %s; within a minute an execution starts, unless one is under way\n", entry.ID,
		entry.Status,
	)
	return err
}
