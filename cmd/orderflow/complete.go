package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/shop/order"
)

// completion is what a shell may complete an argument to: ids, each with words on it. It is one
// request, and nil completes nothing.
type completion func(ctx context.Context, c *shop.Client) ([]cobra.Completion, error)

// completedWithin is how long somebody who pressed a key waits.
const completedWithin = 3 * time.Second

// over completes the first argument only. Where the API can't be reached, it completes nothing.
func (of completion) over(connect connectFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if of == nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completedWithin)
		defer cancel()
		client, err := connect(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		all, err := of(ctx, client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var fit []cobra.Completion
		for _, c := range all {
			if strings.HasPrefix(c, begun) {
				fit = append(fit, c)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

// newestOrders are the orders that people ask about most.
func newestOrders(ctx context.Context, c *shop.Client) ([]cobra.Completion, error) {
	return completedOrders(ctx, c, url.Values{"limit": {"50"}})
}

// ordersIn are the newest orders in a status.
func ordersIn(s order.Status) completion {
	return func(ctx context.Context, c *shop.Client) ([]cobra.Completion, error) {
		return completedOrders(ctx, c, url.Values{"limit": {"50"}, "status": {string(s)}})
	}
}

func completedOrders(ctx context.Context, c *shop.Client, query url.Values) (all []cobra.Completion, err error) {
	orders, _, err := c.Orders(ctx, query)
	for _, o := range orders {
		all = append(all, cobra.CompletionWithDesc(o.ID, o.Status+", "+o.CustomerID))
	}
	return all, err
}

// someProducts are those of the first page.
func someProducts(ctx context.Context, c *shop.Client) (all []cobra.Completion, err error) {
	products, err := c.Products(ctx, url.Values{"limit": {"100"}})
	for _, p := range products.Products {
		all = append(all, cobra.CompletionWithDesc(p.SKU, amounts(p.Current)))
	}
	return all, err
}

// someCustomers are those of the first page, without the erased.
func someCustomers(ctx context.Context, c *shop.Client) (all []cobra.Completion, err error) {
	customers, err := c.Customers(ctx, url.Values{"limit": {"100"}})
	for _, of := range customers.Customers {
		if !of.Erased {
			all = append(all, of.ID)
		}
	}
	return all, err
}

// newestEntries are the newest dead-letter entries.
func newestEntries(ctx context.Context, c *shop.Client) (all []cobra.Completion, err error) {
	entries, _, err := c.DeadLetters(ctx, url.Values{"limit": {"50"}})
	for _, e := range entries {
		all = append(all, cobra.CompletionWithDesc(e.ID, e.Consumer+": "+e.Code))
	}
	return all, err
}
