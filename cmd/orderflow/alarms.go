package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/ops/alarms"
)

func alarmsCommand(connect connectFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use: "alarms", Short: "Lists the stack's alarms", Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(alarmsListCommand(connect))
	return cmd
}

func alarmsListCommand(connect connectFunc) *cobra.Command {
	var all bool
	return apiCommand{
		use: "list", short: "Lists the alarms that are in alarm, with what to do", args: needsNone,
		long: "Lists the alarms that are in alarm, what each means and where it is written what to do. Needs no " +
			"rights in AWS: the API answers it.",
		example: "  orderflow alarms list --all",
		flags:   func(f *pflag.FlagSet) { f.BoolVar(&all, "all", false, "those that are quiet, too") },
		ask: func(ctx context.Context, c *shop.Client, _ []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, "/alarms", nil)
		},
		show: shows(func(list struct {
			Alarms []struct {
				Name    string       `json:"name"`
				State   alarms.State `json:"state"`
				Since   string       `json:"since"`
				Says    string       `json:"says"`
				Runbook string       `json:"runbook"`
				Silent  bool         `json:"silent"`
			} `json:"alarms"`
		}) []string {
			t, on := listOf(table.Row{"alarm", "state", "since", "means", "what to do"}), 0
			for _, a := range list.Alarms {
				state := string(a.State)
				if a.Silent {
					state += ", notifies nobody"
				}
				if a.State == alarms.InAlarm {
					on++
				}
				if all || a.State == alarms.InAlarm {
					t.AppendRow(table.Row{a.Name, state, a.Since, a.Says, a.Runbook})
				}
			}
			summary := fmt.Sprintf("%d of %d alarms are in alarm.", on, len(list.Alarms))
			if t.Length() == 0 {
				return []string{summary}
			}
			return []string{t.Render(), summary}
		}),
	}.over(connect)
}

func auditCommand(connect connectFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Shows where the loss audit stands", Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(auditShowCommand(connect))
	return cmd
}

func auditShowCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "show", short: "Shows what the loss audit has looked at", args: needsNone,
		long: "Shows what the loss audit has looked at, which runs on a schedule. What it found are alarms " +
			"(orderflow alarms list). events audit compares the whole store by hand. See docs/audit.md.",
		example: "  orderflow audit show",
		ask: func(ctx context.Context, c *shop.Client, _ []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, "/audit", nil)
		},
		show: shows(func(a struct {
			Since    string `json:"since"`
			Through  string `json:"through"`
			Began    string `json:"began"`
			Failed   string `json:"failed"`
			Canaries int    `json:"canaries"`
			Oldest   string `json:"oldestCanary"`
		}) []string {
			if a.Since == "" {
				return []string{"No audit has run yet."}
			}
			lines := []string{fmt.Sprintf("looked at: events from %s to %s", a.Since, a.Through)}
			if a.Began != "" {
				lines = append(lines, "under way: a cycle that began at "+a.Began)
			}
			if a.Failed != "" {
				lines = append(lines, "failed: something of the hour "+a.Failed+"; the next cycle looks again")
			}
			if a.Canaries > 0 {
				lines = append(lines, fmt.Sprintf("on the bus: %d of its own events, since %s", a.Canaries, a.Oldest))
			}
			return lines
		}),
	}.over(connect)
}
