package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func tokenCommand(stack *stackFlag) *cobra.Command {
	var customer string
	var operator, carrier, pricing bool
	cmd := &cobra.Command{
		Use:     "token --customer ID | --operator | --carrier | --pricing",
		Example: "  TOKEN=$(orderflow token --operator)",
		Short:   "Prints a signed access token for the API",
		Long: "Prints a signed access token for the API, from the stack's own user pool.\n" +
			"An operator's token allows every operation, a carrier's token shipments, a pricing system's token " +
			"orders at prices that it sets.\n" +
			"A customer's token is available on a local emulator only, because issuing one resets the customer's " +
			"password.",
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkWho(cmd, customer, operator, carrier, pricing); err != nil {
				return fmt.Errorf("token: %w; see --help", err)
			}
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
			case pricing:
				token, err = d.PricingToken(cmd.Context())
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
	cmd.Flags().BoolVar(&pricing, "pricing", false, "act as a checkout or quote system that sets prices")
	return cmd
}

// checkWho checks that exactly one of them is given, before the first request to AWS.
func checkWho(cmd *cobra.Command, customer string, operator, carrier, pricing bool) error {
	given := 0
	flags := map[string]bool{"customer": customer != "", "operator": operator, "carrier": carrier, "pricing": pricing}
	for name, says := range flags {
		switch {
		case says:
			given++
		case cmd.Flags().Changed(name):
			return fmt.Errorf("--%s: expected true, got false", name)
		}
	}
	if given != 1 {
		return errors.New("expected exactly one of --customer, --operator, --carrier and --pricing")
	}
	return nil
}
