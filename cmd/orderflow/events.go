package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/aws/consumerqueue"
	"orderflow/shared/aws/eventarchive"
	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/replay"
	"orderflow/shared/ops/resume"
	"orderflow/shared/shop/order"
)

func eventsCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "events", Short: "Shows, replays, audits and documents events", Args: cobra.ArbitraryArgs,
		RunE: needsSubcommand,
	}
	cmd.AddCommand(
		eventsTailCommand(stack), eventsReplayCommand(stack), eventsAuditCommand(stack), eventsExportCommand(),
	)
	return cmd
}

func eventsReplayCommand(stack *stackFlag) *cobra.Command {
	r := &replayer{clock: clock.System{}}
	cmd := &cobra.Command{
		Use:     "replay --consumer NAME",
		Example: "  orderflow events replay --consumer start-saga --stream order/ID",
		Short:   "Sends stored events again to one consumer, and to no other",
		Long: "Sends stored events again to the queue of one consumer, and to no other. The events have the format " +
			"in which the consumer's rules deliver them,\n" +
			"their original ids, and the replay's name (replay-name). Only events that match the consumer's rules " +
			"are sent.\n\n" +
			"A consumer is a queue behind a rule of the bus, and has the tag " + consumerqueue.TagConsumer +
			". A queue with the tag " + consumerqueue.TagReplay + "=" + consumerqueue.ReplayNever +
			", such as the queue for mail, is rejected.\n\n" +
			"After an interruption, run the same command again: the replay continues where it stopped. It may then " +
			"send one page of each segment twice.\n" +
			"With --archive, EventBridge replays the events in its archive of the bus through the consumer's rules.",
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.check(cmd); err != nil {
				return fmt.Errorf("events replay: %w", err)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			r.deployment, r.out, r.progress = d, cmd.OutOrStdout(), cmd.ErrOrStderr()
			return r.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(
		&r.consumer, "consumer", "", "name of the consumer: the value of its queue's tag "+consumerqueue.TagConsumer,
	)
	f.StringSliceVar(
		&r.types, "type", nil, "event type, for example order.placed; may be repeated (default: all types)",
	)
	f.StringVar(
		&r.from, "from", "",
		"earliest commit: a time such as 2026-11-01T00:00:00Z, or an age such as 24h (default: the first commit)",
	)
	f.StringVar(&r.to, "to", "", "end of the range, excluded, in the form of --from (default: now)")
	f.StringVar(&r.stream, "stream", "", "one stream, for example order/<id>, instead of the whole store")
	f.StringVar(
		&r.name, "name", "",
		"name of the replay, which marks its events and identifies its state (default: derived from the other flags)",
	)
	f.Float64Var(&r.rate, "rate", 100, "maximum number of messages per second")
	f.IntVar(&r.segments, "segments", 4, "segments of the events table to read in parallel")
	f.BoolVar(&r.dryRun, "dry-run", false, "count the events by type, and send nothing")
	f.BoolVar(&r.json, "json", false, "print the summary as JSON")
	f.BoolVar(&r.archive, "archive", false, "let EventBridge replay from its archive of the bus (AWS only)")
	f.StringVar(
		&r.folder, "state", "",
		"folder for the state of replays (default: orderflow/replays in the user's cache folder)",
	)
	return cmd
}

// replayer runs one replay.
type replayer struct {
	consumer, from, to, stream, name, folder string
	types                                    []string
	rate                                     float64
	segments                                 int
	dryRun, json, archive                    bool

	deployment *deployment.Deployment
	clock      clock.Clock
	out        io.Writer
	progress   io.Writer
}

// check checks the flags before the first request to AWS.
func (r *replayer) check(cmd *cobra.Command) error {
	switch {
	case r.consumer == "":
		return errors.New("--consumer: expected a name; see --help")
	case !(r.rate > 0):
		return fmt.Errorf("--rate: expected more than 0, got %v", r.rate)
	case r.segments < 1 || r.segments > 1000:
		return fmt.Errorf("--segments: expected 1 to 1000, got %d", r.segments)
	case r.stream != "" && !es.StreamID(r.stream).Valid():
		return fmt.Errorf("--stream: expected a stream such as order/<id>, got %q", r.stream)
	}
	if r.archive {
		for _, flag := range []string{"type", "stream", "rate", "segments", "dry-run", "state"} {
			if cmd.Flags().Changed(flag) {
				return fmt.Errorf(
					"--%s is not possible with --archive, which replays every event of the time range that the "+
						"consumer's rules match; omit one of them",
					flag,
				)
			}
		}
	}
	if r.stream != "" {
		r.segments = 1
	}
	slices.Sort(r.types)
	r.types = slices.Compact(r.types)
	if r.name != "" {
		if err := resume.CheckName(r.name); err != nil {
			return err
		}
	}
	_, err := replay.Begin(r.name, r.arguments(), r.clock.Now())
	return err
}

func (r *replayer) arguments() replay.Arguments {
	a := replay.Arguments{
		Consumer: r.consumer, Types: r.types, From: r.from, To: r.to, Stream: r.stream, Segments: r.segments,
	}
	if r.deployment != nil {
		a.Deployment = r.deployment.ID
	}
	return a
}

func (r *replayer) run(ctx context.Context) error {
	events := eventbridge.NewFromConfig(r.deployment.Config(), func(o *eventbridge.Options) { o.RetryMaxAttempts = 10 })
	queues := sqs.NewFromConfig(r.deployment.Config())
	busName, err := r.deployment.Output("BusName")
	if err != nil {
		return err
	}
	bus, err := consumerqueue.FindBus(ctx, events, queues, busName)
	if err != nil {
		return err
	}
	consumer, err := bus.Replayable(ctx, r.consumer)
	if err != nil {
		return err
	}
	if r.name == "" {
		r.name = r.arguments().Name()
	}
	if r.archive {
		return r.fromArchive(ctx, events, consumer)
	}
	sender, err := consumerqueue.NewSender(bus, consumer, r.name, r.clock)
	if err != nil {
		return err
	}
	return r.fromStore(ctx, sender)
}

// summary is what --json prints.
type summary struct {
	Name     string           `json:"name"`
	Consumer string           `json:"consumer"`
	From     time.Time        `json:"from"`
	To       time.Time        `json:"to"`
	DryRun   bool             `json:"dryRun"`
	Archive  string           `json:"archive,omitempty"` // the state of EventBridge's replay
	Counts   *replay.Counts   `json:"counts,omitempty"`
	Failures []replay.Failure `json:"failures,omitempty"` // the first of them
}

func (r *replayer) fromStore(ctx context.Context, sender *consumerqueue.Sender) error {
	file, state, err := r.begin()
	if err != nil {
		return err
	}
	tableName, err := r.deployment.Output("EventsTable")
	if err != nil {
		return err
	}
	client := dynamodb.NewFromConfig(r.deployment.Config(), func(o *dynamodb.Options) { o.RetryMaxAttempts = 10 })
	store := dynamostore.New(client, tableName, contract.Registry())
	run := replay.Replay{Consumer: sender, Pace: rate.NewLimiter(rate.Limit(r.rate), replay.MaxBatch), State: state}
	total, orders := int64(-1), order.Decider.Repository(order.Category, store)
	if r.stream != "" {
		run.Source = replay.FromStream(store, orders, es.StreamID(r.stream), state.Selection(r.clock))
	} else {
		run.Source = replay.FromStore(store, contract.Registry(), orders, r.segments, state.Selection(r.clock))
		total = commitsIn(ctx, client, tableName)
	}
	what := "Replaying"
	if r.dryRun {
		what = "Counting"
	} else {
		run.Journal = file
	}
	bar := progressBar(r.progress, what, int(total))
	run.Progress = func(c replay.Counts) {
		if total > 0 && c.Commits > total { // DynamoDB updates its count every six hours
			total = c.Commits
			bar.ChangeMax64(total)
		}
		bar.Describe(fmt.Sprintf("%s, %d sent", what, replay.Total(c.Sent)))
		_ = bar.Set64(c.Commits) // a failing progress bar stops nothing
	}
	err = run.Run(ctx)
	_ = bar.Exit()
	if err != nil && ctx.Err() != nil {
		return &stoppedError{err: err, hint: "run the same command again to continue the replay"}
	}
	if err != nil {
		return fmt.Errorf("%w\nRun the same command again to continue", err)
	}
	if !r.dryRun {
		if err := file.Remove(); err != nil {
			return err
		}
	}
	s := run.State
	if err := r.report(summary{
		Name: r.name, Consumer: r.consumer, From: s.From, To: s.To, DryRun: r.dryRun, Counts: &s.Counts,
		Failures: s.Failures,
	}); err != nil {
		return err
	}
	if s.Counts.Failed > 0 {
		return fmt.Errorf(
			"%d commits or events could not be replayed; the first %d are listed", s.Counts.Failed, len(s.Failures),
		)
	}
	return nil
}

// begin loads the state of an interrupted replay, or makes a new one. A dry run always starts anew.
func (r *replayer) begin() (replay.File, replay.State, error) {
	folder, err := stateFolder(r.folder, "replays")
	if err != nil {
		return replay.File{}, replay.State{}, fmt.Errorf("events replay: %w", err)
	}
	file := replay.File{Path: filepath.Join(folder, r.name+".json")}
	if !r.dryRun {
		state, found, err := file.Load(r.name, r.arguments())
		if err != nil {
			return file, state, err
		}
		if found {
			r.say(
				"Continuing replay %s, begun %s: %d sent so far\n", r.name, state.Began.Format(time.RFC3339),
				replay.Total(state.Counts.Sent),
			)
			return file, state, nil
		}
	}
	state, err := replay.Begin(r.name, r.arguments(), r.clock.Now())
	return file, state, err
}

// commitsIn is how many commits the table holds, which DynamoDB counts every six hours; -1 where
// that is unknown.
func commitsIn(ctx context.Context, client *dynamodb.Client, tableName string) int64 {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &tableName})
	if err != nil || aws.ToInt64(out.Table.ItemCount) == 0 {
		return -1 // the bar then has no end; nothing else needs it
	}
	return *out.Table.ItemCount
}

func (r *replayer) fromArchive(ctx context.Context, events *eventbridge.Client, consumer consumerqueue.Consumer) error {
	archive, err := r.deployment.Output("ArchiveName")
	if err != nil {
		return fmt.Errorf(
			"--archive: the stack keeps no archive (ArchiveRetentionDays is 0); omit --archive to replay from the "+
				"store: %w",
			err,
		)
	}
	rules, err := consumer.RuleARNs()
	if err != nil {
		return err
	}
	begun, err := replay.Begin(r.name, r.arguments(), r.clock.Now())
	if err != nil {
		return err
	}
	r.say("Replay %s through the rules of %s; EventBridge replays whole minutes of event time\n", r.name, r.consumer)
	bar := progressBar(r.progress, "Replaying", 100)
	status, err := eventarchive.Run(ctx, events, r.clock, eventarchive.Replay{
		Name: r.name, Archive: archive, Rules: rules, From: begun.From, To: begun.To,
	}, func(s eventarchive.Status) {
		if whole := s.To.Sub(s.From); whole > 0 && s.Last.After(s.From) {
			// a failing progress bar stops nothing
			_ = bar.Set64(int64(100 * min(1, float64(s.Last.Sub(s.From))/float64(whole))))
		}
	})
	_ = bar.Exit()
	if err != nil && ctx.Err() != nil {
		return &stoppedError{
			err:  err,
			hint: "the replay was cancelled; events that were sent stay sent, and a new replay needs another --name",
		}
	}
	if err != nil {
		return err
	}
	return r.report(summary{
		Name: r.name, Consumer: r.consumer, From: status.From, To: status.To, Archive: status.State,
	})
}

func (r *replayer) report(s summary) error {
	if r.json {
		return printJSON(r.out, s)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendRow(table.Row{"replay", s.Name})
	t.AppendRow(table.Row{"consumer", s.Consumer})
	from := "the beginning"
	if !s.From.IsZero() {
		from = s.From.UTC().Format(time.RFC3339)
	}
	t.AppendRow(table.Row{"commits", from + " to " + s.To.UTC().Format(time.RFC3339)})
	if s.Archive != "" {
		t.AppendRow(table.Row{"state", s.Archive})
	}
	if c := s.Counts; c != nil {
		t.AppendRow(table.Row{"commits read", c.Commits})
		for _, part := range []struct {
			what   string
			byType map[string]int64
			shown  bool
		}{{"selected", c.Selected, true}, {"not matched by its rules", c.Unwanted, true}, {"sent", c.Sent, !s.DryRun}} {
			if !part.shown {
				continue
			}
			t.AppendRow(table.Row{part.what, replay.Total(part.byType)})
			for _, name := range slices.Sorted(maps.Keys(part.byType)) {
				t.AppendRow(table.Row{"  " + name, part.byType[name]})
			}
		}
		if c.Failed > 0 {
			t.AppendRow(table.Row{"failed", c.Failed})
		}
	}
	if _, err := fmt.Fprintln(r.out, t.Render()); err != nil {
		return err
	}
	for _, f := range s.Failures {
		if _, err := fmt.Fprintln(r.out, "failed:", strings.TrimPrefix(f.ID+": "+f.Error, ": ")); err != nil {
			return err
		}
	}
	return nil
}

// say writes a note for people, apart from the result.
func (r *replayer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.progress, format, args...) // there is no other place to report a failure to
}
