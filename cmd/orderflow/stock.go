package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/aws/journaltable"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/recount"
	"orderflow/shared/ops/resume"
	"orderflow/shared/shop/stock"
)

func stockCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "stock", Short: "Shows and counts stock, and verifies and rebuilds its counters",
		Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(
		stockShowCommand(stack.connect), stockCountCommand(stack.connect), stockSplitCommand(stack.connect),
		stockHistoryCommand(stack.connect), stockMovementsCommand(stack.connect),
		stockWaitlistCommand(stack.connect),
		stockVerifyCommand(stack), stockRebuildCommand(stack),
	)
	return cmd
}

// stockTools are a stack's store and its counter rows.
type stockTools struct {
	stack    string // its id
	api      *dynamodb.Client
	events   string // the table
	store    *dynamostore.Store
	registry *es.Registry
	rows     stocktable.Rows
	lines    *stocktable.Lines
	journal  journaltable.Table
}

func openStock(d *deployment.Deployment) (stockTools, error) {
	var names [4]string
	for i, output := range []string{"EventsTable", "StockTable", "JournalTable", "WaitlistTable"} {
		var err error
		if names[i], err = d.Output(output); err != nil {
			return stockTools{}, err
		}
	}
	api := dynamodb.NewFromConfig(d.Config(), func(o *dynamodb.Options) { o.Retryer = viewRetryer() })
	registry := es.NewRegistry(stock.Register)
	return stockTools{
		stack: d.ID, api: api, events: names[0], registry: registry,
		store:   dynamostore.New(api, names[0], registry),
		rows:    stocktable.NewRows(api, names[1], clock.System{}),
		lines:   stocktable.NewLines(api, names[1], names[3]),
		journal: journaltable.New(api, names[2]),
	}, nil
}

// checkSKUs checks the form of SKUs.
func checkSKUs(skus []string) error {
	for _, sku := range skus {
		if !stock.ValidSKU(sku) {
			return fmt.Errorf("--sku: expected the form of a SKU, got %q", sku)
		}
	}
	return nil
}

// checkSegments checks the number of segments.
func checkSegments(n int) error {
	if n < 1 || n > recount.MaxSegments {
		return fmt.Errorf("--segments: expected 1 to %d, got %d", recount.MaxSegments, n)
	}
	return nil
}

const stockVerifyLong = `Compares the counters of each SKU with the totals of its events, while orders continue to
change both. It changes nothing. It rechecks a row that differs, with the events stored since, until --patience
ends. Exit status 1: something differs, or can't be read.

It reads the whole store, which is the only way to find all reservations of a SKU. See docs/stock.md.`

func stockVerifyCommand(stack *stackFlag) *cobra.Command {
	v := recount.Verify{Clock: clock.System{}}
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify",
		Example: "  orderflow stock verify --sku BOOK-1",
		Short:   "Compares the stock counters with the events", Long: stockVerifyLong, Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(checkSegments(v.Segments), checkSKUs(v.SKUs)); err != nil {
				return fmt.Errorf("stock verify: %w", err)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			tools, err := openStock(d)
			if err != nil {
				return err
			}
			v.Store, v.Registry, v.Rows = tools.store, tools.registry, tools.rows
			v.Recent = recently(tools.journal, v.Clock)
			bar := progressBar(cmd.ErrOrStderr(), "Comparing", int(commitsIn(cmd.Context(), tools.api, tools.events)))
			v.Progress = func(commits int64) { _ = bar.Set64(commits) } // a failing progress bar stops nothing
			report, err := v.Run(cmd.Context())
			_ = bar.Exit()
			if err != nil {
				return stoppedBy(cmd.Context(), err, "nothing was changed")
			}
			return printStockReport(cmd.OutOrStdout(), report, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&v.SKUs, "sku", nil, "SKUs to compare (default: all)")
	f.IntVar(&v.Segments, "segments", 8, "segments of the events table to read in parallel")
	f.DurationVar(&v.Patience, "patience", 30*time.Second, "how long to recheck a row that differs")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// recently gives the streams with events since a time, from the loss audit's journal.
func recently(
	journal audit.Reader, c clock.Clock,
) func(context.Context, time.Time) iter.Seq2[recount.Changed, error] {
	return func(ctx context.Context, since time.Time) iter.Seq2[recount.Changed, error] {
		return func(yield func(recount.Changed, error) bool) {
			for hour := since.UTC().Truncate(time.Hour); !hour.After(c.Now()); hour = hour.Add(time.Hour) {
				for note, err := range journal.Notes(ctx, audit.InViews, hour) {
					if errors.Is(err, audit.ErrUnreadable) {
						continue // rows that its streams changed are not found equal
					}
					if err != nil {
						yield(recount.Changed{}, err)
						return
					}
					for stream, spans := range note.Versions {
						if !yield(recount.Changed{Stream: stream, Version: spans[len(spans)-1].Through}, nil) {
							return
						}
					}
				}
			}
		}
	}
}

func printStockReport(out io.Writer, r recount.Report, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, r); err != nil {
			return err
		}
	} else {
		lines := differences(r.Differences, r.Unreadable)
		const summary = "%d rows compared with %d commits; %d differ"
		lines = append(lines, fmt.Sprintf(summary, r.Rows, r.Commits, len(r.Differences)))
		if _, err := fmt.Fprintln(out, strings.Join(lines, "\n")); err != nil {
			return err
		}
	}
	if n := len(r.Differences) + len(r.Unreadable); n > 0 {
		return fmt.Errorf("stock: %d rows differ from their events, %d commits can't be read; "+
			"run orderflow stock rebuild to correct the rows (docs/stock.md)", len(r.Differences), len(r.Unreadable))
	}
	return nil
}

// differences is a table of the rows that differ, and a line for each unreadable commit.
func differences(rows []recount.Difference, unreadable []string) (lines []string) {
	if len(rows) > 0 {
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.AppendHeader(table.Row{"SKU", "", "available", "reserved", "counts", "departed", "shards", ""})
		t.SetColumnConfigs([]table.ColumnConfig{
			{Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight},
			{Number: 5, Align: text.AlignRight}, {Number: 6, Align: text.AlignRight},
			{Number: 7, Align: text.AlignRight},
		})
		for _, d := range rows {
			row := func(sku, what string, n stock.Numbers, note string) {
				t.AppendRow(table.Row{sku, what, n.Available, n.Reserved, n.Counts, n.Departed, n.Shards, note})
			}
			row(d.SKU, "row", d.Row, d.Note)
			row("", "events", d.Events, oversold(d))
		}
		lines = append(lines, t.Render())
	}
	for _, u := range unreadable {
		lines = append(lines, "can't be read: "+u)
	}
	return lines
}

// oversold is the note on a row with more reserved than on hand.
func oversold(d recount.Difference) string {
	if d.Events.Available >= 0 {
		return ""
	}
	return fmt.Sprintf("%d more are reserved than are on hand", -d.Events.Available)
}

const stockRebuildLong = `Corrects the counters of each SKU from the events, while orders continue.
It marks the rows, reads the whole store, and adds to each row what was missing when it was marked. Changes by orders
in the meantime are neither lost nor counted twice. While a row is marked, each order that changes it needs a second
attempt, so don't leave a rebuild unfinished: run the command again to continue it, or with --cancel to cancel it.

Don't rebuild while another release is being deployed: releases from before this command don't know
the marks. See docs/stock.md for the permissions that it needs, and what it costs.`

// stockRebuild is a rebuild with its flags.
type stockRebuild struct {
	arguments recount.Arguments
	accept    bool
	cancel    bool
	folder    string
	json      bool

	out, progress io.Writer
}

func stockRebuildCommand(stack *stackFlag) *cobra.Command {
	r := &stockRebuild{}
	cmd := &cobra.Command{
		Use:     "rebuild",
		Example: "  orderflow stock rebuild --dry-run\n  orderflow stock rebuild",
		Short:   "Corrects the stock counters from the events", Long: stockRebuildLong,
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(checkSegments(r.arguments.Segments), checkSKUs(r.arguments.SKUs)); err != nil {
				return fmt.Errorf("stock rebuild: %w", err)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			tools, err := openStock(d)
			if err != nil {
				return err
			}
			r.out, r.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			r.arguments.Deployment = tools.stack
			slices.Sort(r.arguments.SKUs)
			if r.cancel {
				return r.cancelAll(cmd.Context(), tools)
			}
			return r.run(cmd.Context(), tools)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&r.arguments.SKUs, "sku", nil, "SKUs to rebuild (default: all)")
	f.IntVar(&r.arguments.Segments, "segments", 8, "segments of the events table to read in parallel")
	f.BoolVar(&r.arguments.DryRun, "dry-run", false,
		"compare only, and correct nothing; exit status 1: something differs")
	f.BoolVar(&r.accept, "accept-unreadable", false, "correct rows even if some commits can't be read")
	f.BoolVar(&r.cancel, "cancel", false, "cancel all rebuilds: remove their marks, and correct nothing")
	f.StringVar(&r.folder, "state", "",
		"folder for the state of the rebuild (default: orderflow/stock in the user's cache folder)")
	f.BoolVar(&r.json, "json", false, "print the result as JSON")
	return cmd
}

// file keeps the state of the rebuild.
func (r *stockRebuild) file() (resume.File[recount.State], error) {
	folder, err := stateFolder(r.folder, "stock")
	return resume.File[recount.State]{Path: filepath.Join(folder, r.arguments.Name()+".json")}, err
}

func (r *stockRebuild) cancelAll(ctx context.Context, tools stockTools) error {
	file, err := r.file()
	if err != nil {
		return fmt.Errorf("stock rebuild: %w", err)
	}
	marked, err := recount.Cancel(ctx, tools.rows)
	if err != nil {
		return stoppedBy(ctx, err, "run the same command again to remove the remaining marks")
	}
	if err := file.Remove(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.out, "Marks removed from %d rows; nothing was corrected.\n", marked)
	return err
}

func (r *stockRebuild) run(ctx context.Context, tools stockTools) error {
	file, err := r.file()
	if err != nil {
		return fmt.Errorf("stock rebuild: %w", err)
	}
	state, going, err := file.Load(func(s recount.State) bool { return s.Fits(r.arguments) })
	switch {
	case err != nil:
		return fmt.Errorf("stock rebuild: %w", err)
	case going:
		_, _ = fmt.Fprintf(r.progress, "Continuing rebuild %s: %d commits so far\n", state.Mark, state.Commits)
	default:
		if state, err = recount.Begin(r.arguments, ident.New()); err != nil {
			return err
		}
	}
	bar := progressBar(r.progress, "Reading", int(commitsIn(ctx, tools.api, tools.events)))
	result, err := recount.Rebuild{
		Scanner: tools.store, Registry: tools.registry, Rows: tools.rows, Clock: clock.System{},
		State: state, Keeper: file,
		AcceptUnreadable: r.accept,
		Progress:         func(commits int64) { _ = bar.Set64(commits) }, // a failing progress bar stops nothing
	}.Run(ctx)
	_ = bar.Exit()
	return r.end(ctx, file, result, err)
}

// end removes the state of a rebuild that can't continue, and reports the result.
func (r *stockRebuild) end(
	ctx context.Context, file resume.File[recount.State], result recount.Result, err error,
) error {
	const again = "run orderflow stock rebuild again to continue, or with --cancel to cancel it"
	switch {
	case err != nil && ctx.Err() != nil:
		return &stoppedError{err: err, hint: again}
	case errors.Is(err, recount.ErrMarked):
		return fmt.Errorf(
			"%w\nrun orderflow stock rebuild --cancel to remove the marks of all rebuilds, then start again",
			errors.Join(err, file.Remove()),
		)
	case errors.Is(err, recount.ErrUnreadable):
		return errors.Join(r.print(result),
			fmt.Errorf("%w: nothing was corrected; run the command again with a release that can read them, "+
				"or with --accept-unreadable", errors.Join(err, file.Remove())))
	case err != nil:
		return fmt.Errorf("%w\n%s", err, again)
	}
	if err := errors.Join(file.Remove(), r.print(result)); err != nil {
		return err
	}
	if r.arguments.DryRun && len(result.Corrections) > 0 {
		return fmt.Errorf("stock: %d of %d rows differ from their events", len(result.Corrections), result.Rows)
	}
	return nil
}

func (r *stockRebuild) print(result recount.Result) error {
	if r.json {
		return printJSON(r.out, result)
	}
	lines := differences(result.Corrections, result.Unreadable)
	what := "corrected"
	if r.arguments.DryRun || len(result.Unreadable) > 0 && !r.accept {
		what = "differ; nothing was corrected"
	}
	const summary = "%d commits read; %d of %d rows %s"
	lines = append(lines, fmt.Sprintf(summary, result.Commits, len(result.Corrections), result.Rows, what))
	_, err := fmt.Fprintln(r.out, strings.Join(lines, "\n"))
	return err
}
