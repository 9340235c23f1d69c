package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/deadletter"
)

func deadLettersCommand(stack *stackFlag) *cobra.Command {
	return deadLettersOf(clock.System{}, stack.connect)
}

// deadLettersOf is the command over an API. It connects once the flags are checked.
func deadLettersOf(c clock.Clock, connect connectFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use: "deadletters", Short: "Shows, redrives and discards dead-letter entries",
		Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(
		deadLettersListCommand(c, connect), deadLettersShowCommand(c, connect),
		deadLettersRedriveCommand(c, connect), deadLettersDiscardCommand(c, connect),
	)
	return cmd
}

type connectFunc func(context.Context) (*shop.Client, error)

// deadLetters is what each of the commands works with.
type deadLetters struct {
	client   *shop.Client
	clock    clock.Clock
	out      io.Writer
	progress io.Writer
}

func openDeadLetters(cmd *cobra.Command, c clock.Clock, connect connectFunc) (*deadLetters, error) {
	client, err := connect(cmd.Context())
	return &deadLetters{client: client, clock: c, out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr()}, err
}

// say writes a note for people, apart from the result.
func (d *deadLetters) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.progress, format+"\n", args...) // there is no other place to report a failure to
}

func deadLettersListCommand(c clock.Clock, connect connectFunc) *cobra.Command {
	filter := entryFilter{statuses: deadletter.Statuses()}
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Example: "  orderflow deadletters list --status open --older-than 1h",
		Short:   "Lists dead-letter entries, newest first",
		Long:    "Lists dead-letter entries, newest first.", Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := filter.check(cmd); err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
			if limit < 0 {
				return fmt.Errorf("%s: --limit: expected 0 or more, got %d", path(cmd), limit)
			}
			d, err := openDeadLetters(cmd, c, connect)
			if err != nil {
				return err
			}
			return d.list(cmd.Context(), filter, limit, asJSON)
		},
	}
	filter.addTo(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "maximum number of entries; 0 for all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *deadLetters) list(ctx context.Context, filter entryFilter, limit int, asJSON bool) error {
	most := limit
	if most > 0 {
		most++ // to know whether there are more
	}
	found, err := d.find(ctx, filter, []string{filter.status}, most)
	if err != nil {
		return err
	}
	more := limit > 0 && len(found) > limit
	if more {
		found = found[:limit]
	}
	if err := d.printEntries(found, asJSON); err != nil {
		return err
	}
	if more {
		d.say("There are more entries; --limit 0 shows all.")
	}
	return nil
}

func deadLettersShowCommand(c clock.Clock, connect connectFunc) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Example: "  orderflow deadletters show ID",
		Short:   "Shows a dead-letter entry with its message",
		Long: "Shows a dead-letter entry with its message.\n\n" +
			"Personal data in the message is shown as (sealed). A redrive sends the original message.",
		Args: needsOne("entry id"), ValidArgsFunction: completion(newestEntries).over(connect),
		RunE: func(cmd *cobra.Command, ids []string) error {
			d, err := openDeadLetters(cmd, c, connect)
			if err != nil {
				return err
			}
			return d.show(cmd.Context(), ids[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *deadLetters) show(ctx context.Context, id string, asJSON bool) error {
	entry, err := d.client.DeadLetter(ctx, id)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(d.out, entry)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	for _, row := range []struct {
		name  string
		value any
	}{
		{"id", entry.ID}, {"status", entry.Status}, {"consumer", entry.Consumer}, {"topic", entry.Topic},
		{"kind", entry.Kind}, {"correlation id", entry.CorrelationID}, {"error", entry.Error}, {"code", entry.Code},
		{"retry count", entry.RetryCount}, {"first failure", entry.FirstFailure.Format(time.RFC3339)},
		{"last failure", entry.LastFailure.Format(time.RFC3339)},
		{"recorded", entry.RecordedAt.Format(time.RFC3339)}, {"redrives", entry.Redrives},
		{"redrive error", entry.RedriveError}, {"next redrive", optional(entry.NextRedriveAt)},
		{"held", held(entry)},
		{"hint", entry.Hint}, {"closed", optional(entry.ClosedAt)}, {"closed by", entry.ClosedBy},
		{"reason", entry.Reason},
	} {
		if row.value != "" {
			t.AppendRow(table.Row{row.name, row.value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(entry.Attributes)) {
		t.AppendRow(table.Row{"attribute " + name, entry.Attributes[name]})
	}
	for _, d := range entry.Decisions {
		t.AppendRow(table.Row{"decided " + d.At.Format(time.RFC3339), decision(d)})
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: 120}})
	var message bytes.Buffer
	if json.Indent(&message, entry.Message, "", "  ") != nil {
		message.Write(entry.Message)
	}
	_, err = fmt.Fprintf(d.out, "%s\n%s\n", t.Render(), message.String())
	return err
}

// decision says who decided what, and why.
func decision(d shop.Decision) string {
	text := d.Action + " by " + d.By
	if d.TakeOver {
		text += ", though the effect may happen twice"
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text
}

func optional(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

func held(entry shop.DeadLetter) string {
	if !entry.Held {
		return ""
	}
	return "it is unknown whether the effect happened: redrive with --take-over, or discard"
}

// entryFilter selects dead-letter entries.
type entryFilter struct {
	topic, consumer, order, part, status string
	olderThan                            time.Duration
	statuses                             []deadletter.Status // that the command works on
}

// filterFlags are the names of the flags that addTo adds.
var filterFlags = []string{"topic", "consumer", "order", "error", "older-than", "status"}

func (e *entryFilter) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(
		&e.topic, "topic", "",
		"entries of this topic: an event type such as order.placed, a command's name, or the category of a stored "+
			"record that can't be read",
	)
	f.StringVar(&e.consumer, "consumer", "", "entries of this consumer: the function, or the queue that it reads")
	f.StringVar(&e.order, "order", "", "entries about the order with this id")
	f.StringVar(&e.part, "error", "", "entries whose error contains this text; case matters")
	f.DurationVar(&e.olderThan, "older-than", 0, "entries recorded longer ago than this, for example 90m or 24h")
	f.StringVar(&e.status, "status", "", "entries in this status: "+strings.Join(e.names(), ", "))
}

// names are the statuses that the command works on.
func (e *entryFilter) names() (names []string) {
	for _, s := range e.statuses {
		names = append(names, string(s))
	}
	return names
}

// check checks the flags before the first request.
func (e *entryFilter) check(cmd *cobra.Command) error {
	switch {
	case e.status != "" && !slices.Contains(e.names(), e.status):
		return fmt.Errorf("--status: expected one of %s, got %q", strings.Join(e.names(), ", "), e.status)
	case e.olderThan <= 0 && cmd.Flags().Changed("older-than"):
		return fmt.Errorf("--older-than: expected a duration above 0, for example 90m, got %s", e.olderThan)
	}
	return nil
}

// find reads the entries of these statuses that the filter selects, up to a limit; 0 for none.
func (d *deadLetters) find(
	ctx context.Context, filter entryFilter, of []string, limit int,
) (found []shop.DeadLetter, err error) {
	query := url.Values{"limit": {strconv.Itoa(deadletter.MaxPage)}}
	for name, value := range map[string]string{
		"topic": filter.topic, "consumer": filter.consumer, "order": filter.order, "error": filter.part,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if filter.olderThan > 0 {
		query.Set("before", d.clock.Now().Add(-filter.olderThan).Format(time.RFC3339Nano))
	}
	for _, status := range of {
		query.Del("cursor")
		if query.Del("status"); status != "" {
			query.Set("status", status)
		}
		for {
			page, next, err := d.client.DeadLetters(ctx, query)
			if err != nil {
				return nil, err
			}
			found = append(found, page...)
			if limit > 0 && len(found) >= limit {
				return found[:limit], nil
			}
			if next == "" {
				break
			}
			query.Set("cursor", next)
		}
	}
	return found, nil
}

// printEntries lists entries, as JSON or as a table.
func (d *deadLetters) printEntries(found []shop.DeadLetter, asJSON bool) error {
	if asJSON {
		if found == nil {
			found = []shop.DeadLetter{}
		}
		return printJSON(d.out, found)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{
		"id", "status", "consumer", "topic", "age", "retry count", "redrives", "next redrive", "error",
	})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 9, WidthMax: 60}})
	for _, e := range found {
		next := optional(e.NextRedriveAt)
		if e.Held {
			next = "held"
		}
		t.AppendRow(table.Row{
			e.ID, e.Status, e.Consumer, e.Topic, d.clock.Now().Sub(e.RecordedAt).Truncate(time.Second), e.RetryCount,
			e.Redrives, next, e.Error,
		})
	}
	_, err := fmt.Fprintf(d.out, "%s\n%s\n", t.Render(), counted(len(found)))
	return err
}

func counted(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
