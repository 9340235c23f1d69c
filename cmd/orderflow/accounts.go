package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/shop/money"
)

func accountsCommand(connect connectFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use: "accounts", Short: "Opens and shows customers' accounts, and moves their money",
		Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(
		accountsOpenCommand(connect), accountsFindCommand(connect), accountsShowCommand(connect),
		movementCommand(connect, "deposit", "deposits", "Puts money into an account"),
		movementCommand(connect, "withdraw", "withdrawals", "Takes money out of an account"),
		accountsTransferCommand(connect), accountsStatementCommand(connect),
	)
	return cmd
}

type account struct {
	ID         string      `json:"id"`
	CustomerID string      `json:"customerId"`
	Balance    money.Money `json:"balance"`
}

var printAccount = shows(func(a account) []string {
	return []string{fmt.Sprintf("account %s of %s: %s", a.ID, a.CustomerID, a.Balance)}
})

func accountsOpenCommand(connect connectFunc) *cobra.Command {
	var customer, currency string
	return apiCommand{
		use: "open", short: "Opens a customer's account in a currency", args: needsNone, keyed: true,
		example: "  orderflow accounts open --customer ada --currency EUR",
		flags:   func(f *pflag.FlagSet) { ofCustomer(f, &customer, &currency) },
		check:   func(*cobra.Command) error { return needsCustomer(customer, currency) },
		ask: func(ctx context.Context, c *shop.Client, _ []string, key http.Header) (json.RawMessage, error) {
			body := map[string]string{"customerId": customer, "currency": currency}
			return c.Send(ctx, http.MethodPost, "/accounts", key, body)
		},
		show: printAccount,
	}.over(connect)
}

func ofCustomer(f *pflag.FlagSet, customer, currency *string) {
	f.StringVar(customer, "customer", "", "the customer's id")
	f.StringVar(currency, "currency", "", "ISO 4217 code of the account's currency")
}

func needsCustomer(customer, currency string) error {
	for name, value := range map[string]string{"customer": customer, "currency": currency} {
		if value == "" {
			return fmt.Errorf("--%s: expected; see --help", name)
		}
	}
	return nil
}

func accountsFindCommand(connect connectFunc) *cobra.Command {
	var customer, currency string
	return apiCommand{
		use: "find", short: "Finds a customer's account in a currency", args: needsNone,
		example: "  orderflow accounts find --customer ada --currency EUR",
		flags:   func(f *pflag.FlagSet) { ofCustomer(f, &customer, &currency) },
		check:   func(*cobra.Command) error { return needsCustomer(customer, currency) },
		ask: func(ctx context.Context, c *shop.Client, _ []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, "/accounts", url.Values{"customerId": {customer}, "currency": {currency}})
		},
		show: printAccount,
	}.over(connect)
}

func accountsShowCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "show ID", short: "Shows an account and its balance", args: needsOne("account id"),
		example: "  orderflow accounts show ID",
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, shop.Path("accounts", args[0]), nil)
		},
		show: printAccount,
	}.over(connect)
}

func movementCommand(connect connectFunc, name, resource, short string) *cobra.Command {
	amount := &amountFlag{}
	return apiCommand{
		use: name + " ID", short: short, args: needsOne("account id"), keyed: true,
		example: "  orderflow accounts " + name + " ID --amount 'EUR 25.00'",
		flags:   func(f *pflag.FlagSet) { f.Var(amount, "amount", "how much, in the account's currency") },
		check:   func(*cobra.Command) error { return needsAmount(amount) },
		ask: func(ctx context.Context, c *shop.Client, args []string, key http.Header) (json.RawMessage, error) {
			body := map[string]money.Money{"amount": amount.of}
			return c.Send(ctx, http.MethodPost, shop.Path("accounts", args[0], resource), key, body)
		},
		show: shows(func(m struct {
			ID      string      `json:"id"`
			Amount  money.Money `json:"amount"`
			Balance money.Money `json:"balance"`
		}) []string {
			return []string{fmt.Sprintf("movement %s: %s, and a balance of %s", m.ID, m.Amount, m.Balance)}
		}),
	}.over(connect)
}

func needsAmount(amount *amountFlag) error {
	if amount.of.Amount == 0 {
		return errNoAmount
	}
	return nil
}

func accountsTransferCommand(connect connectFunc) *cobra.Command {
	amount, to := &amountFlag{}, ""
	return apiCommand{
		use: "transfer ID", short: "Moves money from an account to another one", args: needsOne("account " +
			"id"), keyed: true,
		example: "  orderflow accounts transfer ID --to 0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10 --amount 'EUR 25.00'",
		flags: func(f *pflag.FlagSet) {
			f.Var(amount, "amount", "how much, in the currency of both")
			f.StringVar(&to, "to", "", "id of the account that gets it")
		},
		check: func(*cobra.Command) error {
			if to == "" {
				return fmt.Errorf("--to: expected; see --help")
			}
			return needsAmount(amount)
		},
		ask: func(ctx context.Context, c *shop.Client, args []string, key http.Header) (json.RawMessage, error) {
			body := map[string]any{"toAccountId": to, "amount": amount.of}
			return c.Send(ctx, http.MethodPost, shop.Path("accounts", args[0], "transfers"), key, body)
		},
		show: shows(func(m struct {
			ID      string      `json:"id"`
			To      string      `json:"toAccountId"`
			Amount  money.Money `json:"amount"`
			Balance money.Money `json:"balance"`
		}) []string {
			return []string{fmt.Sprintf("transfer %s: %s to %s, and a balance of %s", m.ID, m.Amount, m.To, m.Balance)}
		}),
	}.over(connect)
}

func accountsStatementCommand(connect connectFunc) *cobra.Command {
	list := pages{list: "movements"}
	return apiCommand{
		use: "statement ID", short: "Shows an account's newest movements, with the balance after each",
		args: needsOne("account id"), example: "  orderflow accounts statement ID --limit 20",
		flags: func(f *pflag.FlagSet) { list.flag(f, 20, "movements") },
		check: func(*cobra.Command) error { return list.check() },
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return list.read(ctx, c, shop.Path("accounts", args[0], "statement"), nil)
		},
		show: shows(func(s struct {
			Movements []struct {
				Time      time.Time   `json:"time"`
				Kind      string      `json:"kind"`
				Amount    money.Money `json:"amount"`
				Balance   money.Money `json:"balance"`
				Reference string      `json:"reference"`
			} `json:"movements"`
			Next string `json:"next"`
		}) []string {
			t := table.NewWriter()
			t.SetStyle(table.StyleLight)
			t.AppendHeader(table.Row{"time", "", "amount", "balance", "for"})
			t.SetColumnConfigs([]table.ColumnConfig{
				{Number: 3, Align: text.AlignRight, AlignHeader: text.AlignRight},
				{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight},
			})
			for _, m := range s.Movements {
				t.AppendRow(table.Row{m.Time.Format(time.RFC3339), m.Kind, m.Amount, m.Balance, m.Reference})
			}
			return withMore([]string{t.Render()}, s.Next)
		}),
	}.over(connect)
}
