package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/aws/sfnstart"
	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/reconcile"
	"orderflow/shared/ops/recount"
	"orderflow/shared/ops/resume"
	"orderflow/shared/ops/verify"
	"orderflow/shared/read/view/catalog"
)

const verifyLong = `Compares each order with its payment, its reservation, its shipment and its execution, what
came into accounts with what went out and what is left, the stock counters with the events, and the views with a
replay, and counts dead letters, while orders continue to change all of them. It changes nothing. It rechecks what
doesn't fit, until --patience ends.
Exit status 1: there are findings.

It reads the whole events table, and is resumable: the same command continues after an interruption.
See docs/verify.md for what it checks.`

// verification is what was found of a stack.
type verification struct {
	Orders      reconcile.Report `json:"orders"`
	Stock       *recount.Report  `json:"stock,omitempty"`
	Views       []verify.Report  `json:"views,omitempty"`
	DeadLetters *undone          `json:"deadLetters,omitempty"`
}

// undone counts what consumers have given up.
type undone struct {
	Open      int `json:"open"` // entries that wait for their next redrive
	Redriving int `json:"redriving"`
	Spent     int `json:"spent"`   // exhausted entries, which wait for a person
	Waiting   int `json:"waiting"` // messages of the queue that are not recorded yet
}

// verifyTool is a comparison with its flags.
type verifyTool struct {
	orders   reconcile.Verify
	only     bool
	folder   string
	json     bool
	out, err io.Writer
}

func verifyCommand(stack *stackFlag) *cobra.Command {
	v := &verifyTool{orders: reconcile.Verify{Clock: clock.System{}, Registry: contract.Registry()}}
	cmd := &cobra.Command{
		Use:     "verify",
		Example: "  orderflow verify --json",
		Short:   "Compares orders, money, stock and views with each other", Long: verifyLong,
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case checkSegments(v.orders.Segments) != nil:
				return fmt.Errorf("verify: %w", checkSegments(v.orders.Segments))
			case v.orders.Patience < 0:
				return fmt.Errorf("verify: --patience: expected 0s or more, got %s", v.orders.Patience)
			case v.orders.Overdue <= 0:
				return fmt.Errorf("verify: --overdue: expected more than 0s, got %s", v.orders.Overdue)
			}
			v.out, v.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return v.run(cmd.Context(), stack)
		},
	}
	f := cmd.Flags()
	f.IntVar(&v.orders.Segments, "segments", 8, "segments of the events table to read in parallel")
	f.DurationVar(&v.orders.Patience, "patience", 30*time.Second, "how long to recheck what doesn't fit")
	f.DurationVar(
		&v.orders.Overdue, "overdue", 24*time.Hour, "how long an order may stay open after its deadline or last event",
	)
	f.BoolVar(&v.only, "orders-only", false, "compare orders and money alone")
	f.StringVar(
		&v.folder, "state", "", "folder for the state (default: orderflow/verify in the user's cache folder)",
	)
	f.BoolVar(&v.json, "json", false, "print the report as JSON")
	return cmd
}

func (v *verifyTool) run(ctx context.Context, stack *stackFlag) error {
	d, err := stack.find(ctx)
	if err != nil {
		return err
	}
	events, err := d.Output("EventsTable")
	if err != nil {
		return err
	}
	machine, err := d.Output("SagaArn")
	if err != nil {
		return err
	}
	v.orders.Runs = sfnstart.New(sfn.NewFromConfig(d.Config()), machine, v.orders.Clock)
	folder, err := stateFolder(v.folder, "verify")
	if err != nil {
		return err
	}
	arguments := struct {
		Stack    string
		Segments int
	}{d.ID, v.orders.Segments}
	file := resume.File[reconcile.State]{Path: filepath.Join(folder, resume.Name("verify", arguments)+".json")}
	from, _, err := file.Load(func(s reconcile.State) bool { return s.Fits(v.orders.Segments) })
	if err != nil {
		return err
	}
	api := dynamodb.NewFromConfig(d.Config(), func(o *dynamodb.Options) { o.Retryer = viewRetryer() })
	if !v.only {
		tools, err := openStock(d)
		if err != nil {
			return err
		}
		v.orders.Lines = tools.lines
	}
	v.orders.Store, v.orders.Keep = dynamostore.New(api, events, v.orders.Registry), file.Save
	bar := progressBar(v.err, "Comparing orders", int(commitsIn(ctx, api, events)))
	v.orders.Progress = func(commits int64) { _ = bar.Set64(commits) } // a failing progress bar stops nothing
	var found verification
	found.Orders, err = v.orders.Run(ctx, from)
	_ = bar.Exit()
	if err != nil {
		return stoppedBy(ctx, err, "nothing was changed; the same command continues")
	}
	if !v.only {
		if err := errors.Join(
			v.stock(ctx, stack, &found), v.views(ctx, stack, &found), v.deadLetters(ctx, d, &found),
		); err != nil {
			return stoppedBy(ctx, err, "nothing was changed")
		}
	}
	if err := file.Remove(); err != nil {
		return err
	}
	return found.print(v.out, v.json)
}

func (v *verifyTool) stock(ctx context.Context, stack *stackFlag, found *verification) error {
	d, err := stack.find(ctx)
	if err != nil {
		return err
	}
	tools, err := openStock(d)
	if err != nil {
		return err
	}
	report, err := recount.Verify{
		Store: tools.store, Registry: tools.registry, Rows: tools.rows, Clock: v.orders.Clock,
		Recent: recently(tools.journal, v.orders.Clock), Segments: v.orders.Segments, Patience: v.orders.Patience,
	}.Run(ctx)
	found.Stock = &report
	return err
}

func (v *verifyTool) views(ctx context.Context, stack *stackFlag, found *verification) error {
	tools, err := openViews(ctx, stack)
	if err != nil {
		return err
	}
	for _, of := range catalog.Views() {
		report, err := verify.Verify{
			View: of, Store: tools.store, Registry: tools.registry, Table: tools.table, Clock: v.orders.Clock,
			Segments: v.orders.Segments, Patience: v.orders.Patience,
		}.Run(ctx)
		if err != nil {
			return err
		}
		found.Views = append(found.Views, report)
	}
	return nil
}

// deadLetters counts them.
func (v *verifyTool) deadLetters(ctx context.Context, d *deployment.Deployment, found *verification) error {
	table, errTable := d.Output("DeadLettersTable")
	queue, errQueue := d.Output("DeadLettersQueueUrl")
	if err := errors.Join(errTable, errQueue); err != nil {
		return err
	}
	entries := deadlettertable.New(dynamodb.NewFromConfig(d.Config()), table)
	found.DeadLetters = &undone{}
	for status, count := range map[deadletter.Status]*int{
		deadletter.StatusOpen: &found.DeadLetters.Open, deadletter.StatusRedriving: &found.DeadLetters.Redriving,
		deadletter.StatusSpent: &found.DeadLetters.Spent,
	} {
		for q := (deadletter.Query{Status: status, Limit: deadletter.MaxPage}); ; {
			page, err := entries.List(ctx, q)
			if err != nil {
				return err
			}
			*count += len(page.Entries)
			if q.After = page.Next; page.Next == "" {
				break
			}
		}
	}
	const waiting = sqstypes.QueueAttributeNameApproximateNumberOfMessages
	got, err := sqs.NewFromConfig(d.Config()).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{waiting},
	})
	if err != nil {
		return err
	}
	found.DeadLetters.Waiting, err = strconv.Atoi(got.Attributes[string(waiting)])
	return err
}

// lines are the findings of what is left undone.
func (u undone) lines() (lines []string) {
	for _, of := range []struct {
		rule, what string
		count      int
	}{
		{"dead-letters.open", "entries wait for a redrive", u.Open},
		{"dead-letters.redriving", "entries are being redriven", u.Redriving},
		{"dead-letters.spent", "entries are exhausted, and wait for a person", u.Spent},
		{"dead-letters.waiting", "messages are not recorded yet", u.Waiting},
	} {
		if of.count > 0 {
			lines = append(lines, fmt.Sprintf("%-20s %d %s", of.rule, of.count, of.what))
		}
	}
	return lines
}

// lines are the findings, one a line, for people.
func (f verification) lines() (lines []string) {
	for _, o := range f.Orders.Findings {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%-20s %s %s", o.Rule, o.Stream, o.Detail)))
	}
	if f.Orders.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", f.Orders.More))
	}
	if f.Stock != nil {
		for _, d := range f.Stock.Differences {
			const line = "%-20s stock/%s %+v, and by its events %+v"
			lines = append(lines, fmt.Sprintf(line, "stock.counters", d.SKU, d.Row, d.Events))
		}
		for _, u := range f.Stock.Unreadable {
			lines = append(lines, fmt.Sprintf("%-20s %s", "event.unreadable", u))
		}
	}
	for _, view := range f.Views {
		for _, x := range view.Findings {
			lines = append(lines, fmt.Sprintf("%-20s %s %s %s", "view."+string(x.Kind), view.View, x.ID, x.Detail))
		}
	}
	if f.DeadLetters != nil {
		lines = append(lines, f.DeadLetters.lines()...)
	}
	return lines
}

func (f verification) print(out io.Writer, asJSON bool) error {
	lines := f.lines()
	if asJSON {
		if err := printJSON(out, f); err != nil {
			return err
		}
	} else {
		summary := fmt.Sprintf("%d orders and %d accounts compared by %d commits; %d findings",
			f.Orders.Orders, f.Orders.Accounts, f.Orders.Commits, len(lines))
		if _, err := fmt.Fprintln(out, strings.Join(append(lines, summary), "\n")); err != nil {
			return err
		}
	}
	if len(lines) > 0 {
		return fmt.Errorf("verify: %d findings (docs/verify.md)", len(lines))
	}
	return nil
}
