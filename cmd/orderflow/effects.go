package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
)

func ordersEffectsCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "effects ID", short: "Shows what was done for an order: money, stock, parcels and mails",
		args: needsOne("order id"), complete: newestOrders, example: "  orderflow orders effects ID",
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, shop.Path("orders", args[0], "effects"), nil)
		},
		show: shows(effectLines),
	}.over(connect)
}

// effects are what the API says was done for an order.
type effects struct {
	Attempts []struct {
		Kind     string `json:"kind"`
		ID       string `json:"id"`
		Revision int64  `json:"revision"`
		Events   []struct {
			Type string         `json:"type"`
			Time time.Time      `json:"time"`
			Data map[string]any `json:"data"`
		} `json:"events"`
	} `json:"attempts"`
	Mails []struct {
		About   string    `json:"about"`
		Outcome string    `json:"outcome"`
		Time    time.Time `json:"time"`
		Why     string    `json:"why"`
	} `json:"mails"`
	Omitted int `json:"omitted"`
}

func effectLines(of effects) (lines []string) {
	if of.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("%d attempts at most are left out", of.Omitted))
	}
	for _, a := range of.Attempts {
		lines = append(lines, fmt.Sprintf("%s %s, of revision %d", a.Kind, a.ID, a.Revision))
		for _, e := range a.Events {
			says := facts(e.Data)
			if amount, ok := e.Data["amount"]; ok {
				says = strings.TrimSpace(fmt.Sprintf("%v %s", amountOf(amount), says))
			}
			line := fmt.Sprintf("  %s  %-20s %s", e.Time.Format(time.RFC3339), e.Type, says)
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	for _, m := range of.Mails {
		line := fmt.Sprintf("mail about %s: %s, %s", m.About, m.Outcome, m.Time.Format(time.RFC3339))
		if m.Why != "" {
			line += ", " + m.Why
		}
		lines = append(lines, line)
	}
	return lines
}
