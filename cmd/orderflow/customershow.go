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
)

func customersListCommand(connect connectFunc) *cobra.Command {
	list := pages{list: "customers"}
	return apiCommand{
		use: "list", short: "Lists customers, the newest first, without their names", args: needsNone,
		example: "  orderflow customers list --limit 20",
		flags:   func(f *pflag.FlagSet) { list.flag(f, 50, "customers") },
		check:   func(*cobra.Command) error { return list.check() },
		ask: func(ctx context.Context, c *shop.Client, _ []string, _ http.Header) (json.RawMessage, error) {
			return list.read(ctx, c, "/customers", nil)
		},
		show: shows(func(page shop.Customers) []string {
			t := table.NewWriter()
			t.SetStyle(table.StyleLight)
			t.AppendHeader(table.Row{"customer", "registered", ""})
			for _, c := range page.Customers {
				note := ""
				if c.Erased {
					note = "erased"
				}
				t.AppendRow(table.Row{c.ID, c.RegisteredAt, note})
			}
			return withMore([]string{t.Render()}, page.Next)
		}),
	}.over(connect)
}

func customersRegisterCommand(connect connectFunc) *cobra.Command {
	var name, email string
	return apiCommand{
		use: "register ID", short: "Registers a customer", args: needsOne("customer id"), keyed: true,
		example: "  orderflow customers register ada --name 'Ada Lovelace' --email ada@example.com",
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&name, "name", "", "the customer's name")
			f.StringVar(&email, "email", "", "the customer's address, to which mails go")
		},
		check: func(*cobra.Command) error {
			for flag, value := range map[string]string{"name": name, "email": email} {
				if value == "" {
					return fmt.Errorf("--%s: expected; see --help", flag)
				}
			}
			return nil
		},
		ask: func(ctx context.Context, c *shop.Client, args []string, key http.Header) (json.RawMessage, error) {
			body := map[string]string{"customerId": args[0], "name": name, "email": email}
			return c.Send(ctx, http.MethodPost, "/customers", key, body)
		},
		show: shows(func(c struct {
			ID string `json:"id"`
		}) []string {
			return []string{"customer " + c.ID + ": registered"}
		}),
	}.over(connect)
}

func customersShowCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "show ID", short: "Shows a customer's name and address for mail", args: needsOne("customer id"),
		long: "Shows a customer's name and address for mail: personal data, which the terminal keeps in its " +
			"history.",
		example: "  orderflow customers show ada", complete: someCustomers,
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, shop.Path("customers", args[0]), nil)
		},
		show: shows(func(c struct {
			ID         string  `json:"id"`
			Name       *string `json:"name"`
			Email      *string `json:"email"`
			Erased     bool    `json:"erased"`
			ErasedAt   string  `json:"erasedAt"`
			ErasedWhy  string  `json:"erasedWhy"`
			Suppressed string  `json:"mailSuppressed"`
			Version    int64   `json:"version"`
		}) []string {
			if c.Erased || c.Name == nil || c.Email == nil {
				line := fmt.Sprintf("customer %s: erased %s", c.ID, c.ErasedAt)
				if c.ErasedWhy != "" {
					line += ", " + c.ErasedWhy
				}
				return []string{line}
			}
			lines := []string{fmt.Sprintf("customer %s: %s <%s>, version %d", c.ID, *c.Name, *c.Email, c.Version)}
			if c.Suppressed != "" {
				lines = append(lines, "  gets no mail: "+c.Suppressed)
			}
			return lines
		}),
	}.over(connect)
}
