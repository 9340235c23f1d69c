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
	"golang.org/x/term"

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

// viewAttempts is how often a request is sent in all: work over a whole table meets throttles, and
// has time.
const viewAttempts = 12

// plainEvery is how often progress is a line where there is no terminal.
const plainEvery = 5 * time.Second

// viewRetryer has no quota of retries, as the SDK's own has for a client as a whole: dozens of
// workers that a table throttles at once would use it up.
func viewRetryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.RateLimiter = viewAttempts, ratelimit.None
	})
}

func viewsCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "views", Short: "Rebuilds and verifies views", Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(viewsListCommand(stack), viewsRebuildCommand(stack), viewsVerifyCommand(stack))
	return cmd
}

// viewTools are a stack's store and table of views.
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
	return view.View{}, fmt.Errorf("there is no view %q; there are %s", name, strings.Join(names, ", "))
}

// count is about how many items a table has. DynamoDB counts every six hours or so.
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
		Use:   "list",
		Short: "Lists the views: which generation serves, what is being built, and how far each has come",
		Args:  needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tools, err := openViews(cmd.Context(), stack)
			if err != nil {
				return err
			}
			return listViews(cmd.Context(), cmd.OutOrStdout(), tools, rows)
		},
	}
	cmd.Flags().BoolVar(&rows, "rows", false, "count the rows, which reads the whole table of views")
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
		Use:   "rebuild NAME",
		Short: "Makes a view's rows anew beside those that serve, and then lets the new ones serve",
		Long: "Makes a view's rows anew from the events, beside those that serve, and then lets the new ones serve. " +
			"The API answers throughout. It may be cut off\n" +
			"anywhere and given again: it goes on where it was. Until it is, or is cancelled, each event is written " +
			"to both generations.",
		Args: needsOne("name of a view"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case r.Segments < 1 || r.Segments > rebuild.MaxSegments:
				return fmt.Errorf("views rebuild: --segments is 1 to %d, not %d", rebuild.MaxSegments, r.Segments)
			case r.Rate < 0:
				return fmt.Errorf("views rebuild: --rate is 0 or more, not %d", r.Rate)
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
		&r.Segments, "segments", 8, "parts of the events that are read side by side; one that goes on keeps its own",
	)
	cmd.Flags().IntVar(&r.Rate, "rate", 0, "events a second at most, 0 for no limit")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "give the new generation up, and delete what there is of it")
	cmd.Flags().BoolVar(
		&r.AcceptUnreadable, "accept-unreadable", false,
		"let the new generation serve although some streams can't be read and are missing in it",
	)
	return cmd
}

// holder names this process as no other.
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
		return stoppedBy(ctx, err, "orderflow views rebuild "+name+" --cancel goes on with deleting")
	}
	if cancelled {
		_, err = fmt.Fprintf(out, "The rebuild of %s is cancelled; what served goes on serving.\n", name)
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
		return fmt.Errorf("%w\nWhat served goes on serving. Give the command again with a program that can read "+
			"them, or let the new generation serve without them: "+
			"orderflow views rebuild %s --accept-unreadable", err, name)
	case err != nil:
		return stoppedBy(ctx, err, "orderflow views rebuild "+name+" goes on where it was, --cancel gives it up")
	case result.Finished:
		_, err = fmt.Fprintf(
			out,
			"An earlier rebuild of %s had let generation %d serve and was cut off; its end is done. To rebuild once "+
				"more, give the command again.\n",
			name, result.Generation,
		)
		return err
	}
	_, err = fmt.Fprintf(
		out, "Generation %d of %s serves: %d events from %d commits, in %s.\n", result.Generation, name, result.Events,
		result.Commits, time.Since(began).Round(time.Millisecond),
	)
	if err == nil && result.Unreadable > 0 {
		_, err = fmt.Fprintf(out, "%d that can't be read are missing in it.\n", result.Unreadable)
	}
	return err
}

// buildProgress shows a rebuild's progress: a bar on a terminal, a line now and then elsewhere.
type buildProgress struct {
	out    io.Writer
	name   string
	bar    *progressbar.ProgressBar
	shown  bool // the bar is on a terminal
	phase  rebuild.Phase
	lineAt time.Time
}

func newBuildProgress(out io.Writer, name string, total int64) *buildProgress {
	f, isFile := out.(*os.File)
	shown := isFile && term.IsTerminal(int(f.Fd()))
	return &buildProgress{out: out, name: name, shown: shown, bar: progressbar.NewOptions64(max(total, 1),
		progressbar.OptionSetWriter(out), progressbar.OptionSetVisibility(shown),
		progressbar.OptionSetDescription(name),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("commits"),
		progressbar.OptionThrottle(100*time.Millisecond))}
}

func (b *buildProgress) show(p rebuild.Progress) {
	if b.shown {
		if p.Commits > b.bar.GetMax64() { // the table's own count is hours old
			b.bar.ChangeMax64(p.Commits)
		}
		if p.Phase != b.phase {
			b.bar.Describe(b.name + ": " + string(p.Phase))
		}
		_ = b.bar.Set64(p.Commits) // a bar that can't be drawn has nobody who looks at it
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
		Use:   "verify NAME",
		Short: "Compares a view with a replay of the events, row by row",
		Long: "Compares a view with a replay of the events, row by row and counter by counter, while both go on " +
			"changing. It changes nothing. A row that is behind\n" +
			"is looked at again until --patience ends. Ends with 1 where anything is not as it should be.",
		Args: needsOne("name of a view"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case v.Segments < 1 || v.Segments > rebuild.MaxSegments:
				return fmt.Errorf("views verify: --segments is 1 to %d, not %d", rebuild.MaxSegments, v.Segments)
			case v.Patience < 0:
				return fmt.Errorf("views verify: --patience is 0 or more, not %s", v.Patience)
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
				v.Progress = nil // the report is soon there
			}
			report, err := v.Run(cmd.Context())
			shown.end()
			if err != nil {
				return stoppedBy(cmd.Context(), err, "nothing was changed")
			}
			return printReport(cmd.OutOrStdout(), report, asJSON)
		},
	}
	cmd.Flags().IntVar(&v.Segments, "segments", 8, "parts of the events that are read side by side")
	cmd.Flags().DurationVar(&v.Patience, "patience", 30*time.Second, "how long what does not agree is looked at again")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// stoppedBy says how to go on where an error comes of ctx having ended; any other error, and none,
// stay what they are.
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
