package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/aws/eventbus"
	"orderflow/shared/aws/journaltable"
	"orderflow/shared/aws/marktable"
	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/audit/whole"
	"orderflow/shared/ops/resume"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/shop/order"
)

func eventsAuditCommand(stack *stackFlag) *cobra.Command {
	a := &wholeAuditor{clock: clock.System{}}
	cmd := &cobra.Command{
		Use:     "audit",
		Example: "  orderflow events audit\n  orderflow events audit --republish",
		Short:   "Finds events that are missing on the bus or in the views, and publishes them",
		Long: "Compares each stored commit with what publish-events and project-views noted in the journal. The " +
			"function audit-events compares their notes with each other only,\n" +
			"and can't find an event that both missed, for example because the table's stream was not read for 12 " +
			"hours.\n" +
			"It changes nothing. Exit status 1: something is missing.\n\n" +
			"With --republish, it publishes the missing events as publish-events does, with the same ids, and brings " +
			"the views up to date.\n" +
			"Exit status 1: something is still missing. After an interruption, run the same command again: it " +
			"continues where it stopped. It may then publish\n" +
			"a few events of each segment twice; consumers detect the duplicates by their ids.",
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.check(); err != nil {
				return fmt.Errorf("events audit: %w", err)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			a.deployment, a.out, a.progress = d, cmd.OutOrStdout(), cmd.ErrOrStderr()
			a.arguments.Deployment = d.ID
			return a.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(
		&a.arguments.From, "from", "720h",
		"earliest commit: a time such as 2026-11-01T00:00:00Z, or an age such as 24h; commits older than 30 days "+
			"are never republished",
	)
	f.StringVar(&a.arguments.To, "to", "", "end of the range, excluded, in the form of --from (default: now)")
	f.DurationVar(&a.settle, "settle", 10*time.Minute, "minimum age of a commit; younger ones may still be in transit")
	f.StringVar(&a.arguments.Stream, "stream", "", "one stream, for example order/<id>, instead of the whole store")
	f.IntVar(&a.arguments.Segments, "segments", 4, "segments of the events table to read in parallel")
	f.BoolVar(
		&a.arguments.Republish, "republish", false,
		"publish the events that are missing on the bus, and bring the views up to date",
	)
	f.BoolVar(
		&a.arguments.Refused, "refused", false,
		"with --republish, retry commits that could not be published before",
	)
	f.Float64Var(&a.rate, "rate", 50, "with --republish, maximum number of commits per second")
	f.StringVar(
		&a.name, "name", "", "name that identifies the state (default: derived from the other flags)",
	)
	f.StringVar(
		&a.folder, "state", "",
		"folder for the state of audits (default: orderflow/audits in the user's cache folder)",
	)
	f.BoolVar(&a.json, "json", false, "print the report as JSON")
	return cmd
}

// wholeAuditor compares a stack's whole store with its journal.
type wholeAuditor struct {
	arguments    whole.Arguments
	settle       time.Duration
	rate         float64
	name, folder string
	json         bool

	deployment *deployment.Deployment
	clock      clock.Clock
	out        io.Writer
	progress   io.Writer
}

// check checks the flags before the first request to AWS.
func (a *wholeAuditor) check() error {
	switch {
	case !(a.rate > 0):
		return fmt.Errorf("--rate: expected more than 0, got %v", a.rate)
	case a.arguments.Segments < 1 || a.arguments.Segments > 1000:
		return fmt.Errorf("--segments: expected 1 to 1000, got %d", a.arguments.Segments)
	case a.arguments.Stream != "" && !es.StreamID(a.arguments.Stream).Valid():
		return fmt.Errorf("--stream: expected a stream such as order/<id>, got %q", a.arguments.Stream)
	case a.arguments.Refused && !a.arguments.Republish:
		return errors.New("--refused: expected with --republish only")
	}
	if a.arguments.Settle = a.settle.String(); a.arguments.Stream != "" {
		a.arguments.Segments = 1
	}
	if a.name != "" {
		if err := resume.CheckName(a.name); err != nil {
			return err
		}
	}
	now := a.clock.Now()
	// the stack knows since when commits are noted; here, any time will do
	_, err := whole.Begin(a.name, a.arguments, now.Add(-audit.MaxAge), now)
	return err
}

func (a *wholeAuditor) run(ctx context.Context) error {
	tools, err := viewsOf(a.deployment)
	if err != nil {
		return err
	}
	marksTable, err := a.deployment.Output("MarksTable")
	if err != nil {
		return err
	}
	journalTable, err := a.deployment.Output("JournalTable")
	if err != nil {
		return err
	}
	busName, err := a.deployment.Output("BusName")
	if err != nil {
		return err
	}
	marks := marktable.New(tools.api, marksTable, a.clock)
	file, state, err := a.begin(ctx, marks)
	if err != nil {
		return err
	}
	store := dynamostore.New(tools.api, tools.events, contract.Registry())
	bus := eventbus.New(
		eventbridge.NewFromConfig(a.deployment.Config(), func(o *eventbridge.Options) { o.RetryMaxAttempts = 10 }),
		busName, a.clock,
	)
	run := whole.Whole{
		Noted: journaltable.New(tools.api, journalTable), Earlier: marks,
		Clock: a.clock, State: state, Journal: file,
		Publish: publish.Publisher{
			Registry: contract.Registry(), Orders: order.Decider.Repository(order.Category, store), Bus: bus,
		}.Commits,
		CatchUp: view.NewProjector(tools.store, tools.table, a.clock, nil, catalog.Views()...).CatchUp,
		Pace:    rate.NewLimiter(rate.Limit(a.rate), whole.MaxBatch),
	}
	total := int64(-1)
	if a.arguments.Stream != "" {
		run.Source = whole.FromStream(store, es.StreamID(a.arguments.Stream))
	} else {
		run.Source = whole.FromStore(store, a.arguments.Segments)
		total = commitsIn(ctx, tools.api, tools.events)
	}
	bar := progressBar(a.progress, "Comparing", int(total))
	run.Progress = func(r whole.Report) {
		if total > 0 && r.Commits > total { // DynamoDB updates its count every six hours
			total = r.Commits
			bar.ChangeMax64(total)
		}
		bar.Describe(fmt.Sprintf("Comparing, %d found", found(r)))
		_ = bar.Set64(r.Commits) // a failing progress bar stops nothing
	}
	report, err := run.Run(ctx)
	_ = bar.Exit()
	if err != nil && ctx.Err() != nil {
		return &stoppedError{err: err, hint: "run the same command again to continue the audit"}
	}
	if err != nil {
		return fmt.Errorf("%w\nRun the same command again to continue", err)
	}
	if err := file.Remove(); err != nil {
		return err
	}
	if err := a.report(report); err != nil {
		return err
	}
	if report.Left > 0 {
		return fmt.Errorf(
			"%d of %d commits are missing on the bus or in the views, or can't be read", report.Left, report.Judged,
		)
	}
	return nil
}

// begin loads the state of an interrupted audit, or makes a new one.
func (a *wholeAuditor) begin(ctx context.Context, marks marktable.Table) (whole.File, whole.State, error) {
	if a.name == "" {
		a.name = a.arguments.Name()
	}
	folder, err := stateFolder(a.folder, "audits")
	if err != nil {
		return whole.File{}, whole.State{}, fmt.Errorf("events audit: %w", err)
	}
	file := whole.File{File: resume.File[whole.State]{Path: filepath.Join(folder, a.name+".json")}}
	state, going, err := file.Load(a.name, a.arguments)
	if err != nil {
		return file, state, fmt.Errorf("events audit: %w", err)
	}
	if going {
		a.say(
			"Continuing audit %s, begun %s: %d commits so far\n", a.name, state.Began.Format(time.RFC3339),
			state.Commits,
		)
		return file, state, nil
	}
	kept, err := marks.State(ctx)
	if err != nil {
		return file, state, err
	}
	state, err = whole.Begin(a.name, a.arguments, kept.Since, a.clock.Now())
	return file, state, err
}

// stateFolder is where commands of a kind keep their state: the given folder, or one in the user's
// cache folder.
func stateFolder(given, kind string) (string, error) {
	if given != "" {
		return given, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no cache folder, give --state: %w", err)
	}
	return filepath.Join(cache, "orderflow", kind), nil
}

func found(r whole.Report) (n int64) {
	for _, of := range r.Found {
		n += of
	}
	return n
}

func (a *wholeAuditor) report(r whole.Report) error {
	if a.json {
		return printJSON(a.out, struct {
			Name      string `json:"name"`
			Republish bool   `json:"republish"`
			whole.Report
		}{a.name, a.arguments.Republish, r})
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendRow(table.Row{"commits", r.Asked.UTC().Format(time.RFC3339) + " to " + r.To.UTC().Format(time.RFC3339)})
	t.AppendRow(table.Row{"commits read", r.Commits})
	t.AppendRow(table.Row{"compared", r.Judged})
	if r.Unjudged > 0 {
		t.AppendRow(table.Row{
			"not checked", fmt.Sprintf("%d, before %s", r.Unjudged, r.From.UTC().Format(time.RFC3339)),
		})
	}
	t.AppendRow(table.Row{"found", found(r)})
	for _, k := range []struct {
		kind whole.Kind
		says string
	}{
		{whole.Unmarked, "missing on the bus and in the views"}, {whole.Unpublished, "missing on the bus"},
		{whole.Unseen, "missing in the views"},
		{whole.Refused, "can't be published"}, {whole.Unreadable, "the commit or a note can't be read"},
	} {
		if n := r.Found[k.kind]; n > 0 {
			t.AppendRow(table.Row{"  " + string(k.kind), fmt.Sprintf("%d: %s", n, k.says)})
		}
	}
	if a.arguments.Republish {
		t.AppendRow(table.Row{"events published", r.Republished})
		t.AppendRow(table.Row{"streams updated in the views", r.CaughtUp})
		t.AppendRow(table.Row{"left", r.Left})
	}
	lines := []string{t.Render()}
	for _, f := range r.Findings {
		lines = append(lines, line(f))
	}
	if n := found(r) - int64(len(r.Findings)); n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", n))
	}
	if next := a.next(r); next != "" {
		lines = append(lines, "Next: "+next)
	}
	_, err := fmt.Fprintln(a.out, strings.Join(lines, "\n"))
	return err
}

// line is a finding for people.
func line(f whole.Finding) string {
	text := fmt.Sprintf("%-11s", f.Kind)
	if f.Stream != "" {
		text += "  " + string(f.Stream)
	}
	if f.First > 0 {
		text += fmt.Sprintf("@%d, %d events of %s", f.First, f.Events, f.Time.UTC().Format(time.RFC3339))
	}
	if f.Mended {
		text += ", repaired"
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// next tells people what to do about the findings that are left.
func (a *wholeAuditor) next(r whole.Report) string {
	switch {
	case r.Left == 0:
		return ""
	case !a.arguments.Republish && r.Found[whole.Unmarked]+r.Found[whole.Unpublished]+r.Found[whole.Unseen] > 0:
		return "run the same command with --republish, which publishes them with their original ids and brings the " +
			"views up to date (docs/audit.md)"
	case r.Found[whole.Refused] > 0 && !a.arguments.Refused:
		return "fix what prevents the refused commits from being published, deploy, and run the command with " +
			"--republish --refused (docs/audit.md)"
	}
	return "see the details of each finding above (docs/audit.md)"
}

// say writes a note for people, apart from the result.
func (a *wholeAuditor) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.progress, format, args...) // there is no other place to report a failure to
}
