package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/money"
)

func ordersCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "orders", Short: "Lists, shows, watches, places and changes orders",
		Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	connect := stack.connect
	cmd.AddCommand(
		ordersListCommand(stack), ordersShowCommand(stack), ordersHistoryCommand(connect),
		ordersEffectsCommand(connect),
		ordersWatchCommand(clock.System{}, connect), ordersPlaceCommand(connect), ordersAmendCommand(connect),
		ordersCancelCommand(connect), ordersPayCommand(connect), ordersApproveCommand(connect),
		ordersDeclineCommand(connect), ordersRefundCommand(connect),
	)
	return cmd
}

func ordersShowCommand(stack *stackFlag) *cobra.Command {
	var wait, asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Shows an order with the timeline of its events and saga steps",
		Long: "Shows an order: its lines, what it waits for or why it was cancelled, and the timeline of its events " +
			"and " +
			"saga steps. With --json, it is the order as the API has it.",
		Example: "  orderflow orders show ID\n  orderflow orders show ID --json",
		Args:    needsOne("order id"), ValidArgsFunction: completion(newestOrders).over(stack.connect),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			client, err := operatorClient(cmd.Context(), d)
			if err != nil {
				return err
			}
			if wait {
				if err := client.Wait(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			if asJSON {
				answer, err := client.Get(cmd.Context(), shop.Path("orders", args[0]), nil)
				if err != nil {
					return err
				}
				return printRaw(cmd.OutOrStdout(), answer)
			}
			return showOrder(cmd.Context(), cmd.OutOrStdout(), client, args[0])
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the order's saga is through, at most 10 seconds")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's answer as JSON")
	return cmd
}

// connect is a client of the stack's API, as an operator.
func (s *stackFlag) connect(ctx context.Context) (*shop.Client, error) {
	if s.api != nil {
		s.asked = true
		return s.api(ctx)
	}
	d, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	return operatorClient(ctx, d)
}

func operatorClient(ctx context.Context, d *deployment.Deployment) (*shop.Client, error) {
	url, err := d.APIURL()
	if err != nil {
		return nil, err
	}
	token := os.Getenv("ORDERFLOW_OPERATOR_TOKEN") // of an issuer that is not the stack's own pool
	if token == "" {
		if token, err = d.OperatorToken(ctx); err != nil {
			return nil, err
		}
	}
	return shop.New(url, token), nil
}

// moment is one line of a timeline.
type moment struct {
	at   time.Time
	what string
}

func showOrder(ctx context.Context, out io.Writer, client *shop.Client, id string) error {
	order, err := client.Order(ctx, id)
	if err != nil {
		return err
	}
	events, err := client.History(ctx, id)
	if err != nil {
		return err
	}
	moments := make([]moment, 0, len(events))
	for _, e := range events {
		moments = append(moments, moment{e.Time, fmt.Sprintf("%-18s %s", e.Type, facts(e.Data))})
	}
	all, err := client.Executions(ctx, id)
	if err != nil {
		return err
	}
	for _, x := range all.Executions {
		for _, step := range x.Steps {
			if slices.Contains([]string{"Task", "Succeed", "Fail"}, step.Type) {
				moments = append(moments, moment{step.Entered, "  saga: " + step.Name})
			}
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return a.at.Compare(b.at) })
	if _, err := fmt.Fprintln(out, strings.Join(orderLines(order), "\n")); err != nil {
		return err
	}
	for _, m := range moments {
		if _, err := fmt.Fprintf(
			out, "  +%6d ms  %s\n", m.at.Sub(moments[0].at).Milliseconds(), strings.TrimSpace(m.what),
		); err != nil {
			return err
		}
	}
	return nil
}

// orderLines are an order for people: what it is now, and why.
func orderLines(o shop.Order) []string {
	lines := []string{fmt.Sprintf("order %s: %s, %s", o.ID, o.Status, o.Total)}
	if o.CustomerID != "" {
		lines = append(lines, fmt.Sprintf(
			"  customer %s, version %d, placed %s", o.CustomerID, o.Version, o.PlacedAt.Format(time.RFC3339),
		))
	}
	for i, l := range o.Lines {
		lines = append(lines, fmt.Sprintf("  line %d: %d × %s, %s", i, l.Quantity, l.SKU, l.Amount))
	}
	if w := o.Wait; w != nil {
		line := fmt.Sprintf("  waits for %s until %s", w.For, w.Until.Format(time.RFC3339))
		for _, why := range append(w.Rules, w.Code, w.Detail) {
			if why != "" {
				line += ", " + why
			}
		}
		lines = append(lines, line)
		for _, q := range w.Queue {
			lines = append(lines, fmt.Sprintf("    %d × %s: place %d in the line", q.Quantity, q.SKU, q.Place))
		}
	}
	if o.Shipment != nil {
		line := "  shipment " + o.Shipment.ID
		if o.Shipment.TrackingNumber != "" {
			line += ", tracking number " + o.Shipment.TrackingNumber
		}
		lines = append(lines, line)
	}
	return append(lines, cancellation(o)...)
}

// cancellation says why an order was cancelled; nothing where it wasn't.
func cancellation(o shop.Order) []string {
	if c := o.Cancellation; c.Reason != "" {
		return []string{strings.TrimSuffix("  cancelled: "+c.Reason+", "+c.Detail, ", ")}
	}
	return nil
}

// facts are the parts of an event that a timeline shows.
func facts(data map[string]any) string {
	var out []string
	for _, name := range []string{
		"reason", "detail", "origin", "paymentId", "trackingNumber", "steps", "rules", "code", "until", "difference",
	} {
		v, ok := data[name]
		if !ok || v == "" {
			continue
		}
		if name == "difference" {
			v = amountOf(v)
		}
		out = append(out, fmt.Sprintf("%s=%v", name, v))
	}
	return strings.Join(out, " ")
}

// amountOf is an amount of an event as people read it.
func amountOf(data any) any {
	var m money.Money
	text, err := json.Marshal(data)
	if err != nil || json.Unmarshal(text, &m) != nil {
		return data
	}
	return m
}
