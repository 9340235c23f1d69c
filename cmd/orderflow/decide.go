package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
)

// decideFlags is what somebody decides on an order that waits for approval.
type decideFlags struct {
	reason, key string
	json        bool
}

func ordersApproveCommand(connect connectFunc) *cobra.Command {
	return decideCommand(
		connect, "approve", "Lets an order go on that waits for approval", (*shop.Client).ApproveOrder,
	)
}

func ordersDeclineCommand(connect connectFunc) *cobra.Command {
	return decideCommand(connect, "decline", "Closes an order that waits for approval", (*shop.Client).DeclineOrder)
}

// decideCommand is a decision over an API. It connects once the flags are checked.
func decideCommand(
	connect connectFunc, name, short string,
	decide func(c *shop.Client, ctx context.Context, id, key, reason string) (shop.Order, error),
) *cobra.Command {
	f := &decideFlags{}
	cmd := &cobra.Command{
		Use: name + " ID", Short: short,
		Long: short + ". The order keeps who decided, and why.\n\n" +
			"  orderflow orders list --status held\n" +
			"  orderflow orders " + name + " ID --reason 'called the customer'",
		Args: needsOne("order id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(f.reason) == "" {
				return fmt.Errorf("%s: expected --reason, why, in your own words", path(cmd))
			}
			client, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			return f.decide(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(),
				func(ctx context.Context, key string) (shop.Order, error) {
					return decide(client, ctx, args[0], key, f.reason)
				})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.reason, "reason", "", "why, in your own words; stored encrypted")
	flags.StringVar(
		&f.key, "key", "", "the key of an earlier try, which is carried out at most once; by default a new one",
	)
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// decide carries it out.
func (f *decideFlags) decide(
	ctx context.Context, out, hints io.Writer, command func(ctx context.Context, key string) (shop.Order, error),
) error {
	key, err := keyed(hints, f.key)
	if err != nil {
		return err
	}
	of, err := command(ctx, key)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(out, of)
	}
	_, err = fmt.Fprintf(out, "order %s: %s, %s\n", of.ID, of.Status, of.Total)
	return err
}
