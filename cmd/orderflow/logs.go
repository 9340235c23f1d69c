package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/spf13/cobra"

	"orderflow/shared/aws/invocationlog"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/trail"
)

const logsLong = `Shows what the functions logged about an order, from the request that placed it to its last mail, in
the order of time. It asks CloudWatch Logs with your AWS credentials, which need
logs:DescribeLogGroups and logs:FilterLogEvents.

Each line has the time, the function, the level, the message and what else it says. --json prints the
lines whole, with correlation id, trace id and the invocation's request id.`

// logsOptions are the command's flags.
type logsOptions struct {
	since  time.Duration
	asJSON bool
}

func logsCommand(stack *stackFlag) *cobra.Command {
	o := logsOptions{}
	cmd := &cobra.Command{
		Use: "logs ORDER", Short: "Shows what the functions logged about an order", Long: logsLong,
		Example: "  orderflow logs ID --since 1h", Args: needsOne("order id"),
		ValidArgsFunction: completion(newestOrders).over(stack.connect),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args[0]); err != nil {
				return fmt.Errorf("logs: %w", err)
			}
			return o.run(cmd.Context(), stack, args[0], cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.since, "since", 24*time.Hour, "how far back to look, for example 168h")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

// check refuses what no line can be found by.
func (o logsOptions) check(orderID string) error {
	if !ident.Valid(orderID) {
		return fmt.Errorf("expected an order id, a UUID, got %q", orderID)
	}
	if o.since <= 0 {
		return fmt.Errorf("--since: expected a time above 0, got %s", o.since)
	}
	return nil
}

func (o logsOptions) run(ctx context.Context, stack *stackFlag, orderID string, out io.Writer) error {
	d, err := stack.find(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	log := invocationlog.Log{API: cloudwatchlogs.NewFromConfig(d.Config()), Stack: d.Stack}
	lines, err := log.About(ctx, orderID, now.Add(-o.since), now)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf(
			"logs: no function of %s logged anything about order %s in the last %s; look further back with --since, "+
				"as far as LogRetentionDays goes", d.Stack, orderID, o.since,
		)
	}
	return o.print(out, orderID, lines)
}

func (o logsOptions) print(out io.Writer, orderID string, lines []invocationlog.Line) error {
	if o.asJSON {
		return printJSON(out, lines)
	}
	width := 0
	for _, l := range lines {
		width = max(width, len(l.Function))
	}
	for _, l := range lines {
		at := l.Time.UTC().Format("2006-01-02T15:04:05.000Z")
		if _, err := fmt.Fprintf(out, "%s  %-*s  %s\n", at, width, l.Function, said(l.Text, orderID)); err != nil {
			return err
		}
	}
	return nil
}

// unsaid are the parts of a line that are shown elsewhere, or are the same for all of an order.
var unsaid = []string{
	"timestamp", "level", "message", "requestId", trail.KeyOrderID, trail.KeyCorrelationID, trail.KeyTraceID,
}

// said is what a line says, in short.
func said(text json.RawMessage, orderID string) string {
	var fields map[string]any
	if json.Unmarshal(text, &fields) != nil {
		return strconv.Quote(string(text))
	}
	if fields[trail.KeySubject] == "order/"+orderID {
		delete(fields, trail.KeySubject)
	}
	level, _ := fields["level"].(string)
	parts := []string{fmt.Sprintf("%-5s", level), shown(fields["message"], "")}
	for _, name := range unsaid {
		delete(fields, name)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, name+"="+shown(fields[name], " ="))
	}
	return strings.Join(parts, " ")
}

// shown is a value on one line, of which nothing reaches the terminal but its text. It is in quotes
// where it has to be, or has one of marks.
func shown(value any, marks string) string {
	if text, ok := value.(string); ok {
		if quoted := strconv.Quote(text); strings.ContainsAny(text, marks) || quoted != `"`+text+`"` {
			return quoted
		}
		return text
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(text)
}
