package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
)

func customersIndexCommand(connect connectFunc) *cobra.Command {
	return &cobra.Command{
		Use:     "index",
		Example: "  orderflow customers index",
		Short:   "Lets all customers be found by their e-mail address",
		Long: "Lets all customers be found by their e-mail address, once after an upgrade from a release without " +
			"this search.\n\n" +
			"Customers who register or change their address meanwhile are found as they are then. You may interrupt " +
			"the command and run it again.",
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			return indexCustomers(cmd.Context(), cmd.OutOrStdout(), client)
		},
	}
}

// indexCustomers goes through the list of all customers. One who registers meanwhile is found
// anyway.
func indexCustomers(ctx context.Context, out io.Writer, client *shop.Client) error {
	query := url.Values{"limit": {strconv.Itoa(pageOfOrders)}}
	done := 0
	for {
		page, err := client.Customers(ctx, query)
		for i := 0; err == nil && i < len(page.Customers); i++ {
			if page.Customers[i].Erased {
				continue
			}
			if err = client.IndexCustomer(ctx, page.Customers[i].ID); err == nil {
				done++
			}
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return &stoppedError{err: err, hint: fmt.Sprintf("%d customers are done; run the same command again", done)}
		case err != nil:
			return err
		case page.Next == "":
			_, err := fmt.Fprintf(out, "%d customers can be found by their e-mail address.\n", done)
			return err
		}
		query.Set("cursor", page.Next)
	}
}
