package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/shop/customer"
)

func customersCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "customers", Short: "Lists, registers, shows and erases " +
			"customers, and lets them be found", Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(
		customersListCommand(stack.connect), customersRegisterCommand(stack.connect),
		customersShowCommand(stack.connect), customersEraseCommand(stack), customersIndexCommand(stack.connect),
	)
	return cmd
}

func customersEraseCommand(stack *stackFlag) *cobra.Command {
	var yes bool
	var reason string
	cmd := &cobra.Command{
		Use:     "erase ID",
		Example: "  orderflow customers erase ada --reason requested",
		Short:   "Permanently erases a customer's personal data",
		Long: "Permanently erases a customer's personal data. It destroys the customer's data key: name, e-mail " +
			"address, shipping addresses and notes become unreadable wherever they are stored.\n" +
			"Orders, accounts and balances stay under the pseudonym. Orders that are not yet shipped are cancelled " +
			"and refunded.\n" +
			"On a terminal the command asks for confirmation. Exit status 0: the customer is erased, now or earlier. " +
			"Exit status 1: the customer is possibly not erased.",
		Args: needsOne("customer id"), ValidArgsFunction: completion(someCustomers).over(stack.connect),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := isErasureReason(reason); err != nil {
				return err
			}
			if !yes {
				if err := confirmErasure(cmd.InOrStdin(), cmd.ErrOrStderr(), args[0]); err != nil {
					return err
				}
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			client, err := operatorClient(cmd.Context(), d)
			if err != nil {
				return err
			}
			return eraseCustomer(cmd.Context(), cmd.OutOrStdout(), client, args[0], reason)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask for confirmation")
	cmd.Flags().StringVar(
		&reason, "reason", "", "why, which the event keeps: requested by the customer, retention (kept long enough), "+
			"mistaken (registered by mistake, or twice) or ordered by a court or an authority",
	)
	return cmd
}

// isErasureReason refuses what the API would, before anybody is asked for confirmation.
func isErasureReason(reason string) error {
	switch why := customer.ErasureReason(reason); why {
	case "", customer.ErasureRequested, customer.ErasureRetention, customer.ErasureMistaken, customer.ErasureOrdered:
		return nil
	}
	return fmt.Errorf(
		"customers erase: --reason: expected requested, retention, mistaken or ordered, got %q; see --help", reason,
	)
}

// confirmErasure asks for the customer's id again, which catches a mistyped one.
func confirmErasure(in io.Reader, out io.Writer, id string) error {
	if f, ok := in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return errors.New("customers erase: can't ask for confirmation without a terminal; give --yes to confirm")
	}
	return askForID(in, out, id)
}

func askForID(in io.Reader, out io.Writer, id string) error {
	if _, err := fmt.Fprintf(out, "This can't be undone. To erase customer %s, type the id again: ", id); err != nil {
		return fmt.Errorf("customers erase: ask: %w", err)
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("customers erase: read the answer: %w", err)
	}
	if strings.TrimSpace(line) != id {
		return errors.New("customers erase: expected the same id, got another one; nothing was erased")
	}
	return nil
}

func eraseCustomer(ctx context.Context, out io.Writer, client *shop.Client, id, reason string) error {
	erased, err := client.EraseCustomer(ctx, id, reason)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "customer %s: erased at %s\n"+
		"  destroyed  the data key: name, e-mail address, shipping addresses and notes are unreadable now\n"+
		"  follows    the stack deletes the sign-in from its own user pool; if you use another identity provider, "+
		"delete the sign-in there\n"+
		"  stays      orders, accounts and balances, under the pseudonym\n", erased.ID,
		erased.ErasedAt.Format(time.RFC3339))
	return err
}
