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
)

func customersCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "customers", Short: "Looks after customers", Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(customersEraseCommand(stack))
	return cmd
}

func customersEraseCommand(stack *stackFlag) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "erase ID",
		Short: "Erases a customer for good: nobody can read their personal data any more",
		Long: "Erases a customer for good. Their data key is destroyed, and with it name, e-mail address, shipping " +
			"addresses and notes can't be read any more wherever they are stored.\n" +
			"Orders, accounts and balances stay, under the pseudonym. An order that is not shipped yet is cancelled " +
			"and refunded.\n" +
			"On a terminal it asks first. Exit status 0 says that the customer is erased, now or before; 1 that " +
			"they may not be.",
		Args: needsOne("customer id"),
		RunE: func(cmd *cobra.Command, args []string) error {
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
			return eraseCustomer(cmd.Context(), cmd.OutOrStdout(), client, args[0])
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}

// confirmErasure asks for the customer's id again: whoever meant another one notices.
func confirmErasure(in io.Reader, out io.Writer, id string) error {
	if f, ok := in.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return errors.New("customers erase: nobody can be asked here; say --yes if you are sure")
	}
	return askForID(in, out, id)
}

func askForID(in io.Reader, out io.Writer, id string) error {
	if _, err := fmt.Fprintf(out, "This can't be undone. To erase customer %s, type their id again: ", id); err != nil {
		return fmt.Errorf("customers erase: ask: %w", err)
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("customers erase: read the answer: %w", err)
	}
	if strings.TrimSpace(line) != id {
		return errors.New("customers erase: that is another id; nothing was erased")
	}
	return nil
}

func eraseCustomer(ctx context.Context, out io.Writer, client *shop.Client, id string) error {
	erased, err := client.EraseCustomer(ctx, id)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "customer %s: erased at %s\n"+
		"  destroyed  the data key: name, e-mail address, shipping addresses and notes can't be read any more\n"+
		"  follows    the sign-in in the stack's own user pool is deleted; one at an identity provider of yours is "+
		"yours to delete\n"+
		"  stays      orders, accounts and balances under the pseudonym\n", erased.ID,
		erased.ErasedAt.Format(time.RFC3339))
	return err
}
