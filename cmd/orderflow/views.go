package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/rebuild"
	"orderflow/shared/ops/verify"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
)

// viewAttempts is the number of attempts for a request: work over a whole table is throttled, and
// has time.
const viewAttempts = 12

// plainEvery is the interval of progress lines where there is no terminal.
const plainEvery = 5 * time.Second

// viewRetryer has no retry quota. The SDK's default quota is for a client as a whole, and dozens of
// workers that are throttled at the same time exhaust it.
func viewRetryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.RateLimiter = viewAttempts, ratelimit.None
	})
}

func viewsCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "views", Short: "Lists, rebuilds and verifies views", Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(viewsListCommand(stack), viewsRebuildCommand(stack), viewsVerifyCommand(stack))
	return cmd
}

// viewTools are a stack's store and its table of views.
type viewTools struct {
	api      *dynamodb.Client
	events   string // the table
	store    *dynamostore.Store
	registry *es.Registry
	table    viewtable.Table
}

func openViews(ctx context.Context, stack *stackFlag) (viewTools, error) {
	d, err := stack.find(ctx)
	if err != nil {
		return viewTools{}, err
	}
	return viewsOf(d)
}

func viewsOf(d *deployment.Deployment) (viewTools, error) {
	events, views := d.Outputs["EventsTable"], d.Outputs["ViewsTable"]
	if events == "" || views == "" {
		return viewTools{}, fmt.Errorf("stack %s has no outputs EventsTable and ViewsTable", d.Stack)
	}
	api := dynamodb.NewFromConfig(d.Config(), func(o *dynamodb.Options) { o.Retryer = viewRetryer() })
	registry := view.Registry(catalog.Views()...)
	return viewTools{
		api: api, events: events, store: dynamostore.New(api, events, registry), registry: registry,
		table: viewtable.New(api, views),
	}, nil
}

func viewNamed(name string) (view.View, error) {
	var names []string
	for _, v := range catalog.Views() {
		if v.Name() == name {
			return v, nil
		}
		names = append(names, v.Name())
	}
	return view.View{}, fmt.Errorf("unknown view %q; expected one of %s", name, strings.Join(names, ", "))
}

// count is the approximate number of items of a table. DynamoDB counts about every six hours.
func (t viewTools) count(ctx context.Context) (int64, error) {
	out, err := t.api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.events})
	if err != nil {
		return 0, fmt.Errorf("describe table %s: %w", t.events, err)
	}
	return aws.ToInt64(out.Table.ItemCount), nil
}

func viewsListCommand(stack *stackFlag) *cobra.Command {
	var rows bool
	cmd := &cobra.Command{
		Use:     "list",
		Example: "  orderflow views list",
		Short:   "Lists the views with their generations, rebuilds and checkpoints",
		Args:    needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tools, err := openViews(cmd.Context(), stack)
			if err != nil {
				return err
			}
			return listViews(cmd.Context(), cmd.OutOrStdout(), tools, rows)
		},
	}
	cmd.Flags().BoolVar(&rows, "rows", false, "count the rows; reads the whole table of views")
	return cmd
}

func listViews(ctx context.Context, out io.Writer, tools viewTools, rows bool) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	header := table.Row{"view", "serves", "building", "draining", "newest commit", "events", "last lag"}
	if rows {
		header = append(header, "rows")
	}
	t.AppendHeader(header)
	for _, v := range catalog.Views() {
		s, err := rebuild.StatusOf(ctx, tools.table, v)
		if err != nil {
			return err
		}
		building, newest, lag := "", "", ""
		if b := s.Control.Building; b != nil {
			building = fmt.Sprintf(
				"%d: %d of %d segments, %d events, since %s", b.Number, s.Progress.Done, s.Progress.Segments,
				s.Progress.Events, b.StartedAt.Format(time.RFC3339),
			)
		}
		if c := s.Checkpoint; !c.Newest.IsZero() {
			newest, lag = c.Newest.Format(time.RFC3339Nano), c.Lag.String()
		}
		row := table.Row{
			v.Name(), s.Control.ServingGeneration().Number, building, numbers(s.Control.Draining, s.Control.Retired),
			newest, s.Checkpoint.Events, lag,
		}
		if rows {
			n, err := countRows(ctx, tools.table, v, s.Control.ServingGeneration())
			if err != nil {
				return err
			}
			row = append(row, n)
		}
		t.AppendRow(row)
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}

func numbers(lists ...[]int64) string {
	var all []string
	for _, list := range lists {
		for _, n := range list {
			all = append(all, fmt.Sprint(n))
		}
	}
	return strings.Join(all, ", ")
}

func countRows(ctx context.Context, t view.Table, v view.View, g view.Generation) (int64, error) {
	var n int64
	for page, err := range t.Entries(ctx, v.Name(), 0, 1) {
		if err != nil {
			return 0, err
		}
		for _, e := range page {
			if e.Kind == view.KindRow && e.Generation == g {
				n++
			}
		}
	}
	return n, nil
}

func viewsRebuildCommand(stack *stackFlag) *cobra.Command {
	r := rebuild.Rebuild{Clock: clock.System{}}
	var cancel bool
	cmd := &cobra.Command{
		Use:     "rebuild NAME",
		Example: "  orderflow views rebuild orders",
		Short:   "Rebuilds a view from the events beside the one that serves, and then switches over",
		Long: "Builds a new generation of a view from the events, beside the generation that serves, and then " +
			"switches over. The API answers throughout.\n" +
			"After an interruption, run the command again: it continues where it stopped. Until the rebuild is " +
			"finished or cancelled, each event is written to both generations.",
		Args: needsOne("view name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case r.Segments < 1 || r.Segments > rebuild.MaxSegments:
				return fmt.Errorf(
					"views rebuild: --segments: expected 1 to %d, got %d", rebuild.MaxSegments, r.Segments,
				)
			case r.Rate < 0:
				return fmt.Errorf("views rebuild: --rate: expected 0 or more, got %d", r.Rate)
			}
			var err error
			if r.View, err = viewNamed(args[0]); err != nil {
				return err
			}
			tools, err := openViews(cmd.Context(), stack)
			if err != nil {
				return err
			}
			r.Store, r.Registry, r.Table, r.Holder = tools.store, tools.registry, tools.table, holder()
			total, err := tools.count(cmd.Context())
			if err != nil {
				return err
			}
			shown := newBuildProgress(cmd.ErrOrStderr(), r.View.Name(), total)
			r.Progress = shown.show
			if cancel {
				return cancelRebuild(cmd.Context(), cmd.OutOrStdout(), r, shown)
			}
			return rebuildView(cmd.Context(), cmd.OutOrStdout(), r, shown)
		},
	}
	cmd.Flags().IntVar(
		&r.Segments, "segments", 8,
		"segments of the events table to read in parallel; a rebuild that continues keeps its number",
	)
	cmd.Flags().IntVar(&r.Rate, "rate", 0, "maximum number of events per second; 0 for no limit")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "cancel the rebuild, and delete the new generation")
	cmd.Flags().BoolVar(
		&r.AcceptUnreadable, "accept-unreadable", false,
		"switch over even if streams can't be read and are missing in the new generation",
	)
	return cmd
}

// holder is a unique name of this process.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s, process %d (%s)", host, os.Getpid(), ident.New()[:8])
}

// cancelRebuild is rebuild --cancel.
func cancelRebuild(ctx context.Context, out io.Writer, r rebuild.Rebuild, shown *buildProgress) error {
	name := r.View.Name()
	cancelled, err := r.Cancel(ctx)
	shown.end()
	if err != nil {
		return stoppedBy(ctx, err, "run orderflow views rebuild "+name+" --cancel again to continue deleting")
	}
	if cancelled {
		_, err = fmt.Fprintf(out, "The rebuild of %s is cancelled; the old generation continues to serve.\n", name)
	} else {
		_, err = fmt.Fprintf(out, "No rebuild of %s was under way.\n", name)
	}
	return err
}

func rebuildView(ctx context.Context, out io.Writer, r rebuild.Rebuild, shown *buildProgress) error {
	name := r.View.Name()
	began := time.Now()
	result, err := r.Run(ctx)
	shown.end()
	switch {
	case errors.Is(err, rebuild.ErrUnreadable):
		return fmt.Errorf("%w\nThe old generation continues to serve. Run the command again with a release that can "+
			"read them, or switch over without them: "+
			"orderflow views rebuild %s --accept-unreadable", err, name)
	case err != nil:
		return stoppedBy(
			ctx, err, "run orderflow views rebuild "+name+" again to continue, or with --cancel to cancel it",
		)
	case result.Finished:
		_, err = fmt.Fprintf(
			out,
			"Finished an interrupted rebuild of %s, which had switched to generation %d. To rebuild once more, run "+
				"the command again.\n",
			name, result.Generation,
		)
		return err
	}
	_, err = fmt.Fprintf(
		out, "Generation %d of %s serves: %d events from %d commits, in %s.\n", result.Generation, name, result.Events,
		result.Commits, time.Since(began).Round(time.Millisecond),
	)
	if err == nil && result.Unreadable > 0 {
		_, err = fmt.Fprintf(out, "%d unreadable streams are missing in it.\n", result.Unreadable)
	}
	return err
}

// buildProgress shows a rebuild's progress: a bar on a terminal, otherwise a line every few
// seconds.
type buildProgress struct {
	out    io.Writer
	name   string
	bar    *progressbar.ProgressBar
	shown  bool // the bar is on a terminal
	phase  rebuild.Phase
	lineAt time.Time
}

func newBuildProgress(out io.Writer, name string, total int64) *buildProgress {
	out, shown := terminal(out)
	return &buildProgress{out: out, name: name, shown: shown, bar: progressbar.NewOptions64(max(total, 1),
		progressbar.OptionSetWriter(out), progressbar.OptionSetVisibility(shown),
		progressbar.OptionSetDescription(name),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("commits"),
		progressbar.OptionThrottle(100*time.Millisecond))}
}

func (b *buildProgress) show(p rebuild.Progress) {
	if b.shown {
		if p.Commits > b.bar.GetMax64() { // the table's count may be hours old
			b.bar.ChangeMax64(p.Commits)
		}
		if p.Phase != b.phase {
			b.bar.Describe(b.name + ": " + string(p.Phase))
		}
		_ = b.bar.Set64(p.Commits) // a failing progress bar stops nothing
		b.phase = p.Phase
		return
	}
	if now := time.Now(); p.Phase != b.phase || now.Sub(b.lineAt) >= plainEvery {
		b.phase, b.lineAt = p.Phase, now
		_, _ = fmt.Fprintf(b.out, "%s, generation %d: %s; %d of %d segments, %d commits, %d events, %d deleted\n",
			b.name, p.Generation, p.Phase, p.Done, p.Segments, p.Commits, p.Events, p.Deleted)
	}
}

func (b *buildProgress) end() {
	if b.shown {
		_ = b.bar.Exit()
		_, _ = fmt.Fprintln(b.out)
	}
}

func viewsVerifyCommand(stack *stackFlag) *cobra.Command {
	v := verify.Verify{Clock: clock.System{}}
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify NAME",
		Example: "  orderflow views verify orders --json",
		Short:   "Compares a view with a replay of the events, row by row",
		Long: "Compares a view with a replay of the events, row by row and counter by counter, while both continue " +
			"to change. It changes nothing.\n" +
			"It rechecks a row that differs, until --patience ends. Exit status 1: there are findings.",
		Args: needsOne("view name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case v.Segments < 1 || v.Segments > rebuild.MaxSegments:
				return fmt.Errorf("views verify: --segments: expected 1 to %d, got %d", rebuild.MaxSegments, v.Segments)
			case v.Patience < 0:
				return fmt.Errorf("views verify: --patience: expected 0s or more, got %s", v.Patience)
			}
			var err error
			if v.View, err = viewNamed(args[0]); err != nil {
				return err
			}
			tools, err := openViews(cmd.Context(), stack)
			if err != nil {
				return err
			}
			v.Store, v.Registry, v.Table = tools.store, tools.registry, tools.table
			total, err := tools.count(cmd.Context())
			if err != nil {
				return err
			}
			shown := newBuildProgress(cmd.ErrOrStderr(), v.View.Name(), total)
			v.Progress = func(commits int64) { shown.show(rebuild.Progress{Phase: "comparing", Commits: commits}) }
			if !shown.shown {
				v.Progress = nil // the report follows soon
			}
			report, err := v.Run(cmd.Context())
			shown.end()
			if err != nil {
				return stoppedBy(cmd.Context(), err, "nothing was changed")
			}
			return printReport(cmd.OutOrStdout(), report, asJSON)
		},
	}
	cmd.Flags().IntVar(&v.Segments, "segments", 8, "segments of the events table to read in parallel")
	cmd.Flags().DurationVar(&v.Patience, "patience", 30*time.Second, "how long to recheck a row that differs")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// stoppedBy adds how to continue to an error that is due to the end of ctx. Other errors, and nil,
// stay as they are.
func stoppedBy(ctx context.Context, err error, hint string) error {
	if err != nil && ctx.Err() != nil {
		return &stoppedError{err: err, hint: hint}
	}
	return err
}

func printReport(out io.Writer, report verify.Report, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, report); err != nil {
			return err
		}
	} else {
		for _, f := range report.Findings {
			what := "row " + f.ID
			switch {
			case f.ID == "":
				what = "store"
			case f.Tally != "":
				what = "tally " + f.Tally + " of " + f.ID
			}
			if _, err := fmt.Fprintf(out, "%-10s  %s: %s\n", f.Kind, what, f.Detail); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(out, "%s, generation %d: %d rows compared with a replay of %d events, %d tallies; "+
			"%d findings\n",
			report.View, report.Generation, report.Rows, report.Events, report.Tallies,
			len(report.Findings)); err != nil {
			return err
		}
	}
	if len(report.Findings) > 0 {
		return fmt.Errorf("view %s: %d findings", report.View, len(report.Findings))
	}
	return nil
}
