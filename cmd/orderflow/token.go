package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func tokenCommand(stack *stackFlag) *cobra.Command {
	var customer string
	var operator, carrier bool
	cmd := &cobra.Command{
		Use:   "token --customer ID | --operator | --carrier",
		Short: "Prints a signed access token for the API",
		Long: "Prints a signed access token for the API, from the stack's own user pool.\nAn operator's token works everywhere, a carrier's for shipments; a customer's is made on an emulator on this machine only, " +
			"since making one sets the customer's password.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			var token string
			switch {
			case operator:
				token, err = d.OperatorToken(cmd.Context())
			case carrier:
				token, err = d.CarrierToken(cmd.Context())
			default:
				token, err = d.CustomerToken(cmd.Context(), customer)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringVar(&customer, "customer", "", "id of the customer to act as")
	cmd.Flags().BoolVar(&operator, "operator", false, "act as an operator")
	cmd.Flags().BoolVar(&carrier, "carrier", false, "act as the carrier")
	cmd.MarkFlagsOneRequired("customer", "operator", "carrier")
	cmd.MarkFlagsMutuallyExclusive("customer", "operator", "carrier")
	return cmd
}
