package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"orderflow/shared/aws/invocationlog"
	"orderflow/shared/kit/awsclient"
	"orderflow/shared/ops/cost"
)

const costLong = `Shows what an order costs, one that is delivered and one that is cancelled at its last step,
and what a month costs: by AWS's list prices, without free tiers, discounts, taxes, storage and data
transfer. The counts were taken on a deployed stack, one order after the other, where no batch has two
orders in it: it is the price for a shop with little to do. A month has the metrics of its orders as
well, which are paid for by the hours in which orders come. docs/cost.md says what is counted and what
is assumed.

With --since it shows what the functions of a deployed stack have asked of AWS instead. It reads the
lines that invocations log with the parameter CountRequests=true.`

// costOptions are the command's flags.
type costOptions struct {
	orders    []int64 // a month
	cancelled int     // of a hundred
	since     time.Duration
	asJSON    bool
}

func costCommand(stack *stackFlag) *cobra.Command {
	o, orders := costOptions{orders: []int64{0, 1_000, 100_000}}, 0
	cmd := &cobra.Command{
		Use:     "cost",
		Example: "  orderflow cost --orders-per-month 100000",
		Short:   "Shows the bill of an order and of a month", Long: costLong, Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given := cmd.Flags().Changed("orders-per-month")
			if cmd.Flags().Changed("since") {
				if given {
					return errors.New("cost: --since and --orders-per-month: choose one")
				}
				return o.measure(cmd.Context(), stack, cmd.OutOrStdout())
			}
			if given {
				o.orders = []int64{int64(orders)}
			}
			return o.list(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.IntVar(&orders, "orders-per-month", 0, "one number of orders, instead of 0, 1000 and 100000")
	f.IntVar(&o.cancelled, "cancelled", 15, "how many of a hundred orders are cancelled")
	f.DurationVar(&o.since, "since", 0, "show what the stack's functions have asked for in this time, for example 1h")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

// maxOrders bounds the numbers of orders, so that no column overflows.
const maxOrders = 1_000_000_000

// check refuses what no month can have.
func (o costOptions) check() error {
	if o.cancelled < 0 || o.cancelled > 100 {
		return fmt.Errorf("cost: --cancelled: expected 0 to 100, got %d", o.cancelled)
	}
	for _, n := range o.orders {
		if n < 0 || n > maxOrders {
			return fmt.Errorf("cost: --orders-per-month: expected 0 to %d, got %d", maxOrders, n)
		}
	}
	return nil
}

// priced is a usage with its bill.
type priced struct {
	Lines []pricedLine `json:"lines"`
	Total string       `json:"totalDollars"`
	Mail  string       `json:"ofWhichMailDollars"`
}

type pricedLine struct {
	Item     cost.Item `json:"item"`
	Quantity string    `json:"quantity"`
	Dollars  string    `json:"dollars"`
}

// month is a month with a number of orders.
type month struct {
	Orders int64 `json:"orders"`
	priced
}

// costReport is what the command shows.
type costReport struct {
	Prices struct {
		Date, Region, Source string
	} `json:"prices"`
	Orders map[string]priced `json:"orders"` // by how they end
	Idle   priced            `json:"idleMonth"`
	Months []month           `json:"months"`
}

func price(list cost.PriceList, usage cost.Usage) (priced, error) {
	lines, total, err := list.Bill(usage)
	if err != nil {
		return priced{}, err
	}
	p, mail := priced{Total: cost.Dollars(total)}, new(big.Rat)
	for _, l := range lines {
		if l.Item == cost.Mail {
			mail = l.Amount
		}
		p.Lines = append(
			p.Lines, pricedLine{Item: l.Item, Quantity: cost.Number(l.Quantity), Dollars: cost.Dollars(l.Amount)},
		)
	}
	p.Mail = cost.Dollars(mail)
	return p, nil
}

func (o costOptions) report() (costReport, error) {
	var r costReport
	if err := o.check(); err != nil {
		return r, err
	}
	list, err := cost.Prices()
	if err != nil {
		return r, err
	}
	r.Prices.Date, r.Prices.Region, r.Prices.Source = list.Date, list.Region, list.Source
	idle, err := cost.Idle()
	if err != nil {
		return r, err
	}
	if r.Idle, err = price(list, idle); err != nil {
		return r, err
	}
	r.Orders = map[string]priced{}
	mixed := cost.Usage{} // an order of the month on average
	for kind, share := range map[string]int{cost.Delivered: 100 - o.cancelled, cost.Cancelled: o.cancelled} {
		one, err := cost.OfOrder(kind)
		if err != nil {
			return r, err
		}
		if r.Orders[kind], err = price(list, one); err != nil {
			return r, err
		}
		mixed = mixed.Plus(one.Scaled(big.NewRat(int64(share), 100)))
	}
	for _, n := range o.orders {
		m := month{Orders: n}
		placed := new(big.Rat).SetInt64(n)
		metrics := cost.Metrics(placed, new(big.Rat).Mul(placed, big.NewRat(int64(o.cancelled), 100)))
		if m.priced, err = price(list, idle.Plus(mixed.Scaled(placed)).Plus(metrics)); err != nil {
			return r, err
		}
		r.Months = append(r.Months, m)
	}
	return r, nil
}

// list shows what orders and months cost.
func (o costOptions) list(out io.Writer) error {
	r, err := o.report()
	if err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(out, r)
	}
	for _, kind := range []string{cost.Delivered, cost.Cancelled} {
		if err := printBill(out, "An order that is "+kind, r.Orders[kind]); err != nil {
			return err
		}
	}
	if err := printBill(out, "A month without orders", r.Idle); err != nil {
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"orders a month", "US$", "of which mail"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 1, Align: text.AlignRight}, {Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight},
	})
	for _, m := range r.Months {
		t.AppendRow(table.Row{m.Orders, m.Total, m.Mail})
	}
	_, err = fmt.Fprintf(
		out, "A month, with %d of 100 orders cancelled\n%s\n\nPrices of %s, %s: %s.\n", o.cancelled, t.Render(),
		r.Prices.Date, r.Prices.Region, r.Prices.Source,
	)
	return err
}

func printBill(out io.Writer, title string, p priced) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight}})
	t.AppendHeader(table.Row{"", "quantity", "US$"})
	for _, l := range p.Lines {
		t.AppendRow(table.Row{l.Item, l.Quantity, l.Dollars})
	}
	t.AppendFooter(table.Row{"total", "", p.Total})
	_, err := fmt.Fprintf(out, "%s\n%s\n\n", title, t.Render())
	return err
}

// measure shows what a stack's functions have asked for.
func (o costOptions) measure(ctx context.Context, stack *stackFlag, out io.Writer) error {
	if o.since <= 0 {
		return fmt.Errorf("cost: --since: expected a time above 0, got %s", o.since)
	}
	d, err := stack.find(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	log := invocationlog.Log{API: cloudwatchlogs.NewFromConfig(d.Config()), Stack: d.Stack}
	counts, err := log.Read(ctx, now.Add(-o.since), now)
	if err != nil {
		return err
	}
	if counts.Invocations() == 0 {
		return fmt.Errorf(
			"cost: no function of %s has counted its requests in the last %s: is CountRequests true?", d.Stack, o.since,
		)
	}
	if o.asJSON {
		return printJSON(out, counts)
	}
	_, err = fmt.Fprintln(out, countsTable(counts))
	return err
}

func countsTable(c cost.Counts) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"function", "invocations", "messages", "requests", "read units", "write units", "CPU ms"})
	var columns []table.ColumnConfig
	for n := 2; n <= 7; n++ {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	t.SortBy([]table.SortBy{{Name: "function"}})
	sum := func(requests []awsclient.Requests) (total awsclient.Requests) {
		for _, r := range requests {
			total.Count, total.Read, total.Write = total.Count+r.Count, total.Read+r.Read, total.Write+r.Write
		}
		return total
	}
	cpu := 0.0
	for name, f := range c.Functions {
		cpu += f.CPUMillis
		r := sum(f.Requests)
		t.AppendRow(table.Row{
			name, f.Invocations, f.Messages, r.Count, r.Read, r.Write, fmt.Sprintf("%.1f", f.CPUMillis),
		})
	}
	total := c.Requests()
	t.AppendFooter(table.Row{"", c.Invocations(), "", total.Count, total.Read, total.Write, fmt.Sprintf("%.1f", cpu)})
	return t.Render()
}
