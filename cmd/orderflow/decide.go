package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/shared/shop/order"
)

func ordersApproveCommand(connect connectFunc) *cobra.Command {
	return decideCommand(connect, "approve", "Lets an order go on that waits for approval")
}

func ordersDeclineCommand(connect connectFunc) *cobra.Command {
	return decideCommand(connect, "decline", "Closes an order that waits for approval")
}

func decideCommand(connect connectFunc, name, short string) *cobra.Command {
	var reason string
	return apiCommand{
		use: name + " ID", short: short,
		long: short + ". The order keeps who decided, and why.",
		example: "  orderflow orders list --status held\n" +
			"  orderflow orders " + name + " ID --reason 'called the customer'",
		args: needsOne("order id"), complete: ordersIn(order.StatusHeld), keyed: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&reason, "reason", "", "why, in your own words; stored encrypted")
		},
		check: func(*cobra.Command) error { return needsReason(reason) },
		ask:   postOrder(name, func() any { return map[string]string{"reason": reason} }),
		show:  printOrder,
	}.over(connect)
}
