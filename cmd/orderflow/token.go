package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func tokenCommand(stack *stackFlag) *cobra.Command {
	var customer string
	var operator bool
	cmd := &cobra.Command{
		Use:   "token --customer ID | --operator",
		Short: "Prints a signed access token for the API",
		Long: "Prints a signed access token for the API, from the stack's own user pool.\nAn operator's token works everywhere; a customer's is made on an emulator on this machine only, " +
			"since making one sets the customer's password.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (customer != "") == operator {
				return errors.New("token: give either --customer ID or --operator")
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			var token string
			if operator {
				token, err = d.OperatorToken(cmd.Context())
			} else {
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
	return cmd
}
