package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	cmd := &cobra.Command{
		Use: "deadletters", Short: "Shows messages that consumers gave up, and sends them back",
		Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(
		letterCommand(
			stack, &letters{what: "list"}, "list", "Lists dead letters, the last recorded first", "", needsNone,
		),
		letterCommand(stack, &letters{what: "show"}, "show ID", "Shows a dead letter with its message",
			"Personal data in the message is left out: (sealed) stands there. A redrive sends the message as it is.",
			needsOne("dead letter's id")),
		letterCommand(stack, &letters{what: "redrive"}, "redrive ID... | --all",
			"Sends dead letters back to the consumers that they came from",
			"Lets the stack send dead letters back, each to the consumer that it came from and to no other, within "+
				"a minute; show and list tell what became of them.\n"+
				"One that is on its way already is not sent again for a quarter of an hour, and an undo not before "+
				"it has ended, so that the command may be interrupted and given again.\n"+
				"With --all, all that the filters select and that are open or spent. What is held, since nobody "+
				"knows whether its effect happened, is passed over without --take-over.",
			cobra.ArbitraryArgs),
		letterCommand(stack, &letters{what: "discard"}, "discard ID... | --all",
			"Closes dead letters that are not needed",
			"Closes dead letters whose messages are not needed, by their ids also those that are on their way. With "+
				"--all, all that the filters select and that are open or spent.", cobra.ArbitraryArgs),
	)
	return cmd
}

// letters is one of the commands.
type letters struct {
	what string

	topic, consumer, part, status string
	olderThan                     time.Duration
	limit                         int
	all, dryRun, json, takeOver   bool
	reason                        string

	client   *shop.Client
	clock    clock.Clock
	out      io.Writer
	progress io.Writer
}

func letterCommand(stack *stackFlag, l *letters, use, short, long string, args cobra.PositionalArgs) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: strings.TrimSpace(short + ".\n\n" + long), Args: args,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := l.check(cmd, ids); err != nil {
				return fmt.Errorf("deadletters %s: %w", l.what, err)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			if l.client, err = operatorClient(cmd.Context(), d); err != nil {
				return err
			}
			l.clock, l.out, l.progress = clock.System{}, cmd.OutOrStdout(), cmd.ErrOrStderr()
			return l.run(cmd.Context(), ids)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&l.json, "json", false, "print JSON")
	if l.what == "show" {
		return cmd
	}
	f.StringVar(
		&l.topic, "topic", "",
		"of this topic: an event's type as order.placed, a command's name, or the category of a stored record that "+
			"can't be read",
	)
	f.StringVar(&l.consumer, "consumer", "", "of this consumer: the function, or the queue that it takes from")
	f.StringVar(&l.part, "error", "", "whose error has this in it, in these very letters")
	f.DurationVar(&l.olderThan, "older-than", 0, "recorded longer ago, as 90m or 24h")
	f.StringVar(&l.status, "status", "", "that are "+strings.Join(l.statuses(), ", "))
	if l.what == "list" {
		f.IntVar(&l.limit, "limit", 50, "how many at most; 0 for all")
		return cmd
	}
	f.BoolVar(&l.all, "all", false, "all that the filters select")
	f.BoolVar(&l.dryRun, "dry-run", false, "show which it would be, and change nothing")
	if l.what == "redrive" {
		f.BoolVar(&l.takeOver, "take-over", false, "also what is held: its effect may happen a second time")
	} else {
		f.StringVar(&l.reason, "reason", "", "why they are not needed, without personal data")
	}
	return cmd
}

// statuses are those that the command is about: an order is for what isn't closed or under way.
func (l *letters) statuses() (names []string) {
	of := deadletter.Statuses()
	if l.what != "list" {
		of = []deadletter.Status{deadletter.StatusOpen, deadletter.StatusSpent}
	}
	for _, s := range of {
		names = append(names, string(s))
	}
	return names
}

// check refuses what can't be meant, before anything is asked of anybody.
func (l *letters) check(cmd *cobra.Command, ids []string) error {
	filtered := false
	for _, name := range []string{"topic", "consumer", "error", "older-than", "status"} {
		filtered = filtered || cmd.Flags().Changed(name)
	}
	switch {
	case l.status != "" && !slices.Contains(l.statuses(), l.status):
		return fmt.Errorf("--status is one of %s, not %q", strings.Join(l.statuses(), ", "), l.status)
	case l.olderThan <= 0 && cmd.Flags().Changed("older-than"):
		return fmt.Errorf("--older-than is a time as 90m, not %s", l.olderThan)
	case l.limit < 0:
		return fmt.Errorf("--limit is 0 or more, not %d", l.limit)
	case l.what != "redrive" && l.what != "discard":
		return nil
	case l.all && len(ids) > 0:
		return errors.New("give either ids or --all")
	case !l.all && len(ids) == 0:
		return errors.New("give ids, or --all; see --help")
	case !l.all && filtered:
		return errors.New("filters go with --all")
	}
	return nil
}

func (l *letters) run(ctx context.Context, ids []string) error {
	switch l.what {
	case "show":
		return l.show(ctx, ids[0])
	case "list":
		most := l.limit
		if most > 0 {
			most++ // to know whether there are more
		}
		found, err := l.find(ctx, []string{l.status}, most)
		if err != nil {
			return err
		}
		more := l.limit > 0 && len(found) > l.limit
		if more {
			found = found[:l.limit]
		}
		if err := l.print(found); err != nil {
			return err
		}
		if more {
			l.say("There are more; --limit 0 shows all.")
		}
		return nil
	}
	return l.decide(ctx, ids)
}

// find reads the letters of these statuses that the filters select, up to a limit; 0 for none.
func (l *letters) find(ctx context.Context, of []string, limit int) (found []shop.DeadLetter, err error) {
	query := url.Values{"limit": {strconv.Itoa(deadletter.MaxPage)}}
	for name, value := range map[string]string{"topic": l.topic, "consumer": l.consumer, "error": l.part} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if l.olderThan > 0 {
		query.Set("before", l.clock.Now().Add(-l.olderThan).Format(time.RFC3339Nano))
	}
	for _, status := range of {
		query.Del("cursor")
		if query.Del("status"); status != "" {
			query.Set("status", status)
		}
		for {
			page, next, err := l.client.DeadLetters(ctx, query)
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

func (l *letters) show(ctx context.Context, id string) error {
	letter, err := l.client.DeadLetter(ctx, id)
	if err != nil {
		return err
	}
	if l.json {
		return l.printJSON(letter)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	for _, row := range []struct {
		name  string
		value any
	}{
		{"id", letter.ID}, {"status", letter.Status}, {"consumer", letter.Consumer}, {"topic", letter.Topic},
		{"kind", letter.Kind}, {"correlation id", letter.CorrelationID}, {"error", letter.Error}, {"code", letter.Code},
		{"retry count", letter.RetryCount}, {"first failure", letter.FirstFailure.Format(time.RFC3339)},
		{"last failure", letter.LastFailure.Format(time.RFC3339)},
		{"recorded", letter.RecordedAt.Format(time.RFC3339)}, {"redrives", letter.Redrives},
		{"the last redrive", letter.RedriveError}, {"next redrive", optional(letter.NextRedriveAt)},
		{"held", held(letter)},
		{"hint", letter.Hint}, {"closed", optional(letter.ClosedAt)}, {"closed by", letter.ClosedBy},
		{"reason", letter.Reason},
	} {
		if row.value != "" {
			t.AppendRow(table.Row{row.name, row.value})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(letter.Attributes)) {
		t.AppendRow(table.Row{"attribute " + name, letter.Attributes[name]})
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: 120}})
	var message bytes.Buffer
	if json.Indent(&message, letter.Message, "", "  ") != nil {
		message.Write(letter.Message)
	}
	_, err = fmt.Fprintf(l.out, "%s\n%s\n", t.Render(), message.String())
	return err
}

func optional(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

func held(letter shop.DeadLetter) string {
	if !letter.Held {
		return ""
	}
	return "nobody knows whether the effect happened: redrive --take-over, or discard"
}

// decided is what became of one letter.
type decided struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"` // after the order
	Error  string `json:"error,omitempty"`  // why it was refused
}

// decide redrives or discards. One that is refused holds up no other.
func (l *letters) decide(ctx context.Context, ids []string) error {
	var chosen []shop.DeadLetter
	if l.all {
		of := l.statuses()
		if l.status != "" {
			of = []string{l.status}
		}
		found, err := l.find(ctx, of, 0)
		if err != nil {
			return err
		}
		chosen = l.fit(found)
	} else {
		for _, id := range ids {
			letter := shop.DeadLetter{ID: id}
			if l.dryRun {
				var err error
				if letter, err = l.client.DeadLetter(ctx, id); err != nil {
					return err
				}
			}
			chosen = append(chosen, letter)
		}
	}
	if l.dryRun {
		return l.print(l.fit(chosen))
	}
	bar := progressBar(
		l.progress, map[string]string{"redrive": "Redriving", "discard": "Discarding"}[l.what], len(chosen),
	)
	results, refused := make([]decided, 0, len(chosen)), 0
	for _, letter := range chosen {
		result, err := l.order(ctx, letter.ID)
		if err != nil && ctx.Err() != nil {
			_ = bar.Exit()
			if failed := l.report(results); failed != nil {
				return failed
			}
			return &stoppedError{
				err: err,
				hint: fmt.Sprintf(
					"%d of %d are done; give the same command again for the others", len(results), len(chosen),
				),
			}
		}
		if err != nil {
			refused++
			result = decided{ID: letter.ID, Error: err.Error()}
		}
		results = append(results, result)
		_ = bar.Add(1) // a bar that can't be drawn stops nothing
	}
	_ = bar.Exit()
	if err := l.report(results); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("deadletters %s: %d of %d were refused", l.what, refused, len(chosen))
	}
	return nil
}

// fit leaves out the letters that the order is nothing for, and says how many.
func (l *letters) fit(found []shop.DeadLetter) []shop.DeadLetter {
	all := len(found)
	found = slices.DeleteFunc(found, l.passesOver)
	if passed := all - len(found); passed > 0 {
		l.say("%s passed over: closed already, held, or without a way back.", counted(passed))
	}
	return found
}

// passesOver says of a letter that the order would be refused, or was carried out before.
func (l *letters) passesOver(d shop.DeadLetter) bool {
	closed := d.Status == string(deadletter.StatusResolved) || d.Status == string(deadletter.StatusDiscarded)
	return closed || l.what == "redrive" && (d.Kind == string(deadletter.KindNone) || d.Held && !l.takeOver)
}

func (l *letters) order(ctx context.Context, id string) (decided, error) {
	var letter shop.DeadLetter
	var err error
	if l.what == "redrive" {
		letter, err = l.client.RedriveDeadLetter(ctx, id, l.takeOver)
	} else {
		letter, err = l.client.DiscardDeadLetter(ctx, id, l.reason)
	}
	return decided{ID: id, Status: letter.Status}, err
}

func (l *letters) report(results []decided) error {
	if l.json {
		return l.printJSON(results)
	}
	word := map[string]string{"redrive": "to be redriven within a minute", "discard": "discarded"}[l.what]
	for _, r := range results {
		text := word
		switch {
		case r.Error != "":
			text = "refused: " + r.Error
		case r.Status == string(deadletter.StatusRedriving):
			text = "on its way already"
		}
		if _, err := fmt.Fprintln(l.out, r.ID, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(l.out, counted(len(results)))
	return err
}

func (l *letters) print(found []shop.DeadLetter) error {
	if l.json {
		if found == nil {
			found = []shop.DeadLetter{}
		}
		return l.printJSON(found)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{
		"id", "status", "consumer", "topic", "age", "retry count", "redrives", "next redrive", "error",
	})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 9, WidthMax: 60}})
	for _, d := range found {
		next := optional(d.NextRedriveAt)
		if d.Held {
			next = "held"
		}
		t.AppendRow(table.Row{
			d.ID, d.Status, d.Consumer, d.Topic, l.clock.Now().Sub(d.RecordedAt).Truncate(time.Second), d.RetryCount,
			d.Redrives, next, d.Error,
		})
	}
	_, err := fmt.Fprintf(l.out, "%s\n%s\n", t.Render(), counted(len(found)))
	return err
}

func counted(n int) string {
	if n == 1 {
		return "1 dead letter"
	}
	return fmt.Sprintf("%d dead letters", n)
}

// say tells a person something beside the result.
func (l *letters) say(format string, args ...any) {
	_, _ = fmt.Fprintf(l.progress, format+"\n", args...) // what can't be printed has nobody who could be told
}

func (l *letters) printJSON(v any) error {
	e := json.NewEncoder(l.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
