package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/order"
)

func ordersHistoryCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "history ID", short: "Shows an order's events: what happened when, by whom, and what caused it",
		args: needsOne("order id"), complete: newestOrders, example: "  orderflow orders history ID",
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, shop.Path("orders", args[0], "history"), nil)
		},
		show: shows(func(h struct {
			Events []shop.Event `json:"events"`
		}) []string {
			var lines []string
			for _, e := range h.Events {
				lines = append(lines, eventLine(e))
			}
			return lines
		}),
	}.over(connect)
}

// eventLine is an event for people.
func eventLine(e shop.Event) string {
	by := e.Actor.Kind
	if e.Actor.ID != "" {
		by += " " + e.Actor.ID
	}
	return fmt.Sprintf("%3d  %s  %-22s %-24s %s", e.Sequence, e.Time.Format(time.RFC3339), e.Type, by, facts(e.Data))
}

// orderWatch follows one order.
type orderWatch struct {
	clock   clock.Clock
	client  *shop.Client
	out     io.Writer
	until   string
	timeout time.Duration
	json    bool
}

// watchPause is how long a watch leaves between two looks.
const watchPause = time.Second

func ordersWatchCommand(c clock.Clock, connect connectFunc) *cobra.Command {
	w := &orderWatch{clock: c}
	cmd := &cobra.Command{
		Use: "watch ID", Short: "Shows an order's events as they happen",
		Long: "Shows an order's events as they happen, until the order is delivered or cancelled, or in the status " +
			"of " +
			"--until. With --json, each is a line of JSON.\n" +
			"It asks for the order's history once a second. Exit status 1: the order was not there in time.",
		Example: "  orderflow orders watch ID\n  orderflow orders watch ID --until confirmed --timeout 1m",
		Args:    needsOne("order id"), ValidArgsFunction: completion(newestOrders).over(connect),
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.timeout <= 0 {
				return fmt.Errorf("%s: --timeout: expected a duration above 0, got %s", path(cmd), w.timeout)
			}
			if w.until != "" && !slices.Contains(order.Statuses(), order.Status(w.until)) {
				return fmt.Errorf("%s: --until: expected one of %s, got "+
					"%q", path(cmd), names(order.Statuses()), w.until)
			}
			client, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			w.client, w.out = client, cmd.OutOrStdout()
			return w.follow(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.until, "until", "", "stop once the order is in this status: "+names(order.Statuses()))
	f.DurationVar(&w.timeout, "timeout", 10*time.Minute, "stop after this time")
	f.BoolVar(&w.json, "json", false, "print a line of JSON for each event")
	return cmd
}

func (w *orderWatch) follow(ctx context.Context, id string) error {
	ends := w.clock.Now().Add(w.timeout)
	var seen int64
	var status string
	there := false
	for {
		events, err := w.client.History(ctx, id)
		if err != nil {
			return err
		}
		news := slices.DeleteFunc(events, func(e shop.Event) bool { return e.Sequence <= seen })
		for _, e := range news {
			if err := w.print(e); err != nil {
				return err
			}
			seen, there = e.Sequence, there || e.Type == order.Category+"."+w.until
		}
		if len(news) > 0 { // only an event changes the status
			of, err := w.client.Order(ctx, id)
			if err != nil {
				return err
			}
			status = of.Status
		}
		if there = there || status == w.until; there || isOver(status) {
			return w.arrived(id, status, there)
		}
		if !w.clock.Now().Before(ends) {
			return fmt.Errorf("order %s is %s after %s", id, status, w.timeout)
		}
		if err := w.clock.Sleep(ctx, watchPause); err != nil {
			return err
		}
	}
}

// isOver reports whether nothing more happens to an order. One that is confirmed has yet to leave.
func isOver(status string) bool {
	return status == string(order.StatusDelivered) || status == string(order.StatusCancelled)
}

// arrived is where a watch ends, which is no success if the order will never be as it was to be.
func (w *orderWatch) arrived(id, status string, there bool) error {
	if w.until == "" || there {
		return nil
	}
	return fmt.Errorf("order %s is %s, and not %s", id, status, w.until)
}

func (w *orderWatch) print(e shop.Event) error {
	if w.json {
		var line bytes.Buffer
		if err := json.Compact(&line, e.Raw); err != nil {
			return err
		}
		line.WriteByte('\n')
		_, err := line.WriteTo(w.out)
		return err
	}
	_, err := fmt.Fprintln(w.out, eventLine(e))
	return err
}
