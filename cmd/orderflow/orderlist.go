package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/order"
)

// pageOfOrders is the largest page that the API gives.
const pageOfOrders = 100

// orderList is a request for a list of orders.
type orderList struct {
	status, customer, email, sku, after, before string
	limit                                       int
	json                                        bool
}

func ordersListCommand(stack *stackFlag) *cobra.Command {
	l := &orderList{}
	cmd := &cobra.Command{
		Use: "list",
		Example: "  orderflow orders list --status backordered\n  orderflow orders list --customer ada --json | jq " +
			"-r '.[].id'",
		Short: "Lists the orders of all customers, newest first",
		Long: "Lists the orders of all customers, newest first.\n\nThe list comes from a view, which lags behind the " +
			"orders by about a second.",
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := l.query()
			if err != nil {
				return fmt.Errorf("orders list: %w", err)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			client, err := operatorClient(cmd.Context(), d)
			if err != nil {
				return err
			}
			return l.list(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), client, query)
		},
	}
	f := cmd.Flags()
	f.StringVar(
		&l.status, "status", "",
		"orders in this status: "+names(order.Statuses()),
	)
	f.StringVar(&l.customer, "customer", "", "orders of this customer")
	f.StringVar(&l.email, "email", "", "orders of all customers who have this e-mail address")
	f.StringVar(&l.sku, "sku", "", "orders with a line of this SKU, found by looking at all orders, newest first")
	f.StringVar(&l.after, "placed-after", "", "orders placed at this time or later, for example 2026-03-01T12:00:00Z")
	f.StringVar(&l.before, "placed-before", "", "orders placed before this time")
	f.IntVar(&l.limit, "limit", 50, "maximum number of orders; 0 for all")
	f.BoolVar(&l.json, "json", false, "print JSON")
	return cmd
}

// names lists what a flag may be.
func names[T ~string](of []T) string {
	all := make([]string, len(of))
	for i, name := range of {
		all[i] = string(name)
	}
	return strings.Join(all, ", ")
}

// query checks the flags before the first request. The API checks the status.
func (l *orderList) query() (url.Values, error) {
	query := url.Values{}
	for name, value := range map[string]string{"status": l.status, "customer": l.customer, "sku": l.sku} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for _, bound := range []struct{ flag, name, value string }{
		{"--placed-after", "placedAfter", l.after}, {"--placed-before", "placedBefore", l.before},
	} {
		if bound.value == "" {
			continue
		}
		if _, err := clock.ParseTime(bound.value); err != nil {
			return nil, fmt.Errorf("%s: %w", bound.flag, err)
		}
		query.Set(bound.name, bound.value)
	}
	if l.email != "" && l.customer != "" {
		return nil, errors.New("expected either --customer or --email, got both")
	}
	if l.limit < 0 {
		return nil, fmt.Errorf("--limit: expected 0 or more, got %d", l.limit)
	}
	return query, nil
}

func (l *orderList) list(ctx context.Context, out, hints io.Writer, client *shop.Client, query url.Values) error {
	found, more, err := l.find(ctx, hints, client, query)
	if err != nil {
		return err
	}
	if err := l.print(out, found); err != nil {
		return err
	}
	if more {
		if _, err := fmt.Fprintln(hints, "There are more orders; --limit 0 shows all."); err != nil {
			return err
		}
	}
	return l.explain(hints, found)
}

// explain says how to find out why an order of the list was cancelled.
func (l *orderList) explain(hints io.Writer, found []shop.ListedOrder) error {
	i := slices.IndexFunc(found, func(o shop.ListedOrder) bool { return o.Status == string(order.StatusCancelled) })
	if l.json || i < 0 {
		return nil
	}
	_, err := fmt.Fprintf(hints, "Why one was cancelled, and what was undone: orderflow orders show %s\n", found[i].ID)
	return err
}

// find reads the orders of the customers who have the address, or those that the query selects.
func (l *orderList) find(
	ctx context.Context, hints io.Writer, client *shop.Client, query url.Values,
) (found []shop.ListedOrder, more bool, err error) {
	if l.email == "" {
		return l.read(ctx, client, query)
	}
	customers, err := client.FindCustomers(ctx, l.email)
	if err != nil {
		return nil, false, err
	}
	if _, err := fmt.Fprintf(hints, "Customers with this address: %s.\n", orNone(customers)); err != nil {
		return nil, false, err
	}
	found = []shop.ListedOrder{}
	for _, customer := range customers {
		query.Set("customer", customer)
		query.Del("cursor")
		theirs, further, err := l.read(ctx, client, query)
		if err != nil {
			return nil, false, err
		}
		found, more = append(found, theirs...), more || further
	}
	slices.SortStableFunc(found, func(a, b shop.ListedOrder) int { return b.PlacedAt.Compare(a.PlacedAt) })
	if l.limit > 0 && len(found) > l.limit {
		found, more = found[:l.limit], true
	}
	return found, more, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// read reads a list page by page, up to the limit.
func (l *orderList) read(
	ctx context.Context, client *shop.Client, query url.Values,
) (found []shop.ListedOrder, more bool, err error) {
	found, more = []shop.ListedOrder{}, true
	for more && (l.limit == 0 || len(found) < l.limit) {
		size := pageOfOrders
		if l.limit > 0 {
			size = min(size, l.limit-len(found))
		}
		query.Set("limit", strconv.Itoa(size))
		page, next, err := client.Orders(ctx, query)
		if err != nil {
			return nil, false, err
		}
		found = append(found, page...)
		more = next != ""
		query.Set("cursor", next)
	}
	return found, more, nil
}

func (l *orderList) print(out io.Writer, found []shop.ListedOrder) error {
	if l.json {
		return printJSON(out, found)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"order", "customer", "status", "reason", "total", "lines", "placed"})
	for _, o := range found {
		t.AppendRow(table.Row{
			o.ID, o.CustomerID, o.Status, o.Reason, o.Total, o.LineCount, o.PlacedAt.Format(time.RFC3339),
		})
	}
	_, err := fmt.Fprintln(out, t.Render())
	return err
}
