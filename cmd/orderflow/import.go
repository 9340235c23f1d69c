package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"orderflow/cmd/orderflow/cdnow"
	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/money"
)

func importCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use: "import", Short: "Imports purchases as orders", Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(importCDNOWCommand(stack))
	return cmd
}

func importCDNOWCommand(stack *stackFlag) *cobra.Command {
	i := &importer{clock: clock.System{}}
	var limit, offset int
	cmd := &cobra.Command{
		Use:     "cdnow FILE",
		Example: "  orderflow import cdnow CDNOW_sample.txt --limit 200",
		Short:   "Places the purchases of the CDNOW data set as orders, and checks the books",
		Long: "Places the purchases of the CDNOW data set (CDNOW_sample.txt or CDNOW_master.txt) as orders over " +
			"HTTP. It registers the customers, opens and funds\n" +
			"their accounts, lists the items at the file's prices, stocks them, places each purchase by SKU and " +
			"quantity, and waits for its final state.\n" +
			"Then it compares views and streams with totals computed from the file alone. Some accounts, one item " +
			"and some addresses are set up so that\n" +
			"orders fail at each step and are undone. If the deployment has a simulated carrier, the import also " +
			"waits until each confirmed order is delivered.\n" +
			"Each run has its own ids.",
		Args: needsOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case limit < 0:
				return fmt.Errorf("import: --limit: expected 0 or more, got %d", limit)
			case offset < 0:
				return fmt.Errorf("import: --offset: expected 0 or more, got %d", offset)
			case i.concurrency < 1:
				return fmt.Errorf("import: --concurrency: expected 1 or more, got %d", i.concurrency)
			case i.patience <= 0:
				return fmt.Errorf("import: --patience: expected more than 0s, got %s", i.patience)
			}
			purchases, err := readPurchases(args[0], offset, limit)
			if err != nil {
				return err
			}
			if i.deployment, err = stack.find(cmd.Context()); err != nil {
				return err
			}
			if i.client, err = operatorClient(cmd.Context(), i.deployment); err != nil {
				return err
			}
			i.carried = i.deployment.Outputs["SimulatedCarrier"] == "true"
			i.run = strconv.FormatInt(i.clock.Now().UnixMilli(), 36)
			i.out, i.progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return partly(i.importPlan(cmd.Context(), cdnow.NewPlan(purchases)))
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "number of purchases to import; 0 for all")
	cmd.Flags().IntVar(&offset, "offset", 0, "number of purchases to skip first")
	cmd.Flags().IntVar(&i.concurrency, "concurrency", 8, "number of orders in progress at the same time")
	cmd.Flags().DurationVar(
		&i.patience, "patience", 5*time.Minute,
		"timeout for an order to become final, and again for its delivery",
	)
	return cmd
}

func readPurchases(path string, offset, limit int) ([]cdnow.Purchase, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	purchases, err := cdnow.Parse(f, offset, limit)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(purchases) == 0 {
		return nil, fmt.Errorf("%s: no purchases from number %d on; lower --offset", path, offset+1)
	}
	return purchases, nil
}

// importer runs one import.
type importer struct {
	deployment  *deployment.Deployment
	client      *shop.Client
	clock       clock.Clock
	run         string // makes the ids of this run its own
	concurrency int
	patience    time.Duration
	carried     bool // a simulated carrier delivers what is confirmed
	out         io.Writer
	progress    io.Writer
}

// viewTimeout is how long a view may lag before what it lacks counts as a difference.
const viewTimeout = time.Minute

// followed is an order of the plan and what became of it.
type followed struct {
	cdnow.Order
	placed    shop.Order
	ended     cdnow.Outcome // as its own events say
	took      time.Duration // from order.placed to the event that made it final, by their own times
	delivered bool
}

func (i *importer) customerID(c string) string { return "cdnow-" + i.run + "-" + c }
func (i *importer) sku(s string) string        { return i.run + "-" + s }
func dollars(cents int64) money.Money          { return money.Money{Amount: cents, Currency: cdnow.Currency} }

func (i *importer) importPlan(ctx context.Context, plan cdnow.Plan) error {
	i.printf(
		"Run %s: %d purchases by %d customers of %d items, stack %s\n", i.run, len(plan.Orders), len(plan.Customers),
		len(plan.Stock), i.deployment.Stack,
	)
	accounts, err := i.setUp(ctx, plan)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	i.printf("Catalogue: %d items listed at the file's prices; the orders name SKU and quantity alone.\n",
		len(plan.Prices))
	var orders []followed
	var took time.Duration
	err = i.watching(ctx, func(ctx context.Context, watch *shop.Watch) (err error) {
		began := i.clock.Now()
		if orders, err = i.placeAll(ctx, watch, plan); err != nil {
			return fmt.Errorf("place orders: %w", err)
		}
		took = i.clock.Now().Sub(began)
		if i.carried {
			if err := i.deliverAll(ctx, watch, orders); err != nil {
				return fmt.Errorf("wait for the carrier: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	i.summary(orders, took)
	differences, err := i.check(ctx, plan, orders, accounts)
	if err != nil {
		return fmt.Errorf("check the books: %w", err)
	}
	if err := i.timelines(ctx, orders); err != nil {
		return fmt.Errorf("timelines: %w", err)
	}
	if err := i.goOn(orders); err != nil {
		return err
	}
	if len(differences) > 0 {
		return fmt.Errorf("%d differences between the file and the books", len(differences))
	}
	return nil
}

// setUp registers and funds the customers, and lists and stocks the items; it gives the accounts by
// customer.
func (i *importer) setUp(ctx context.Context, plan cdnow.Plan) (map[string]string, error) {
	bar := i.bar("Setting up", len(plan.Customers)+len(plan.Stock))
	accounts := make(map[string]string, len(plan.Customers))
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(i.concurrency)
	for _, c := range plan.Customers {
		g.Go(func() error {
			id := i.customerID(c.ID)
			if err := i.client.RegisterCustomer(
				ctx, id, "Customer "+c.ID, "customer-"+c.ID+"@example.com",
			); err != nil {
				return err
			}
			account, err := i.client.OpenAccount(ctx, id, cdnow.Currency)
			if err != nil {
				return err
			}
			if c.Funds > 0 {
				if err := i.client.Deposit(ctx, account, dollars(c.Funds)); err != nil {
					return err
				}
			}
			mu.Lock()
			accounts[c.ID] = account
			mu.Unlock()
			return bar.Add(1)
		})
	}
	for sku, onHand := range plan.Stock {
		g.Go(func() error {
			if err := i.client.ListProduct(ctx, i.sku(sku), dollars(plan.Prices[sku])); err != nil {
				return err
			}
			if err := i.client.NewStock(ctx, i.sku(sku), onHand); err != nil {
				return err
			}
			return bar.Add(1)
		})
	}
	err := g.Wait()
	return accounts, errors.Join(err, bar.Exit())
}

// watching runs f with a watch of the orders. Where the watch fails, f's context ends.
func (i *importer) watching(ctx context.Context, f func(context.Context, *shop.Watch) error) error {
	watch := shop.NewWatch(i.client.Orders, i.clock)
	g, ctx := errgroup.WithContext(ctx)
	looking, stop := context.WithCancel(ctx)
	g.Go(func() error { return watch.Run(looking) })
	g.Go(func() error {
		defer stop()
		return f(ctx, watch)
	})
	return g.Wait()
}

// arrives waits until the list of all orders shows an order where it is waited for.
func (i *importer) arrives(
	ctx context.Context, watch *shop.Watch, o shop.Order, there func(shop.ListedOrder) bool,
) error {
	select {
	case arrival := <-watch.Follow(o.ID, o.PlacedAt, i.patience, there):
		return arrival.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// placeAll places the orders, so many under way at once, and follows each to its end.
func (i *importer) placeAll(ctx context.Context, watch *shop.Watch, plan cdnow.Plan) ([]followed, error) {
	bar := i.bar("Orders final", len(plan.Orders))
	orders := make([]followed, len(plan.Orders))
	countries := map[string]string{}
	for _, c := range plan.Customers {
		countries[c.ID] = c.Country
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(i.concurrency)
	for n, o := range plan.Orders {
		g.Go(func() error {
			f, err := i.follow(ctx, watch, o, countries[o.Customer])
			if err != nil {
				return fmt.Errorf("purchase %d: %w", o.Number, err)
			}
			orders[n] = f
			return bar.Add(1)
		})
	}
	err := g.Wait()
	return orders, errors.Join(err, bar.Exit())
}

// follow places an order and follows it to its end: by the list of all orders, which says that it
// is there, and then by its own events, which say how it ended and when.
func (i *importer) follow(ctx context.Context, watch *shop.Watch, o cdnow.Order, country string) (followed, error) {
	f := followed{Order: o}
	lines := make([]shop.Line, 0, len(o.Lines))
	for _, l := range o.Lines {
		lines = append(lines, shop.Line{SKU: i.sku(l.SKU), Quantity: l.Quantity})
	}
	var err error
	f.placed, err = i.client.PlaceOrder(ctx, i.customerID(o.Customer), cdnow.Currency, lines, shop.Address{
		Recipient: "Customer " + o.Customer, Line1: "1 Main Street", PostalCode: "10001", City: "New York", State: "NY",
		Country: country,
	})
	if err != nil {
		return f, err
	}
	if err := i.arrives(ctx, watch, f.placed, shop.ListedOrder.Final); err != nil {
		return f, err
	}
	events, err := i.client.History(ctx, f.placed.ID)
	if err != nil {
		return f, err
	}
	settled := slices.IndexFunc(events, func(e shop.Event) bool {
		return e.Type == eventConfirmed || e.Type == eventCancelled
	})
	if settled < 0 {
		return f, fmt.Errorf("order %s is final, and its history doesn't say since when", f.placed.ID)
	}
	f.took = events[settled].Time.Sub(events[0].Time)
	f.ended = ended(events)
	return f, nil
}

// The types of the events that make an order final.
const (
	eventConfirmed = "order.confirmed"
	eventCancelled = "order.cancelled"
)

// ended is how an order's saga ended, by the order's events.
func ended(events []shop.Event) cdnow.Outcome {
	var out cdnow.Outcome
	for _, e := range events {
		switch e.Type {
		case eventConfirmed:
			out = cdnow.Confirmed
		case eventCancelled:
			out.Status = "cancelled"
			out.Reason, _ = e.Data["reason"].(string)
		}
	}
	return out
}

// deliverAll follows each order that was confirmed until it is delivered.
func (i *importer) deliverAll(ctx context.Context, watch *shop.Watch, orders []followed) error {
	var carried []*followed
	for n := range orders {
		if orders[n].ended == cdnow.Confirmed {
			carried = append(carried, &orders[n])
		}
	}
	bar := i.bar("Delivered", len(carried))
	g, ctx := errgroup.WithContext(ctx)
	for _, o := range carried {
		g.Go(func() error {
			err := i.arrives(ctx, watch, o.placed, func(l shop.ListedOrder) bool { return l.Status == statusDelivered })
			if err != nil {
				return err
			}
			o.delivered = true
			return bar.Add(1)
		})
	}
	err := g.Wait()
	return errors.Join(err, bar.Exit())
}

// statusDelivered is a status as the API calls it.
const statusDelivered = "delivered"

// until polls at growing intervals, from 100 ms to 2 s, until the timeout.
func (i *importer) until(ctx context.Context, timeout time.Duration, what string, ok func() (bool, error)) error {
	end := i.clock.Now().Add(timeout)
	for wait := 100 * time.Millisecond; ; wait = min(wait*3/2, 2*time.Second) {
		done, err := ok()
		if err != nil || done {
			return err
		}
		if i.clock.Now().After(end) {
			return fmt.Errorf("%s after %s", what, timeout)
		}
		if err := i.clock.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (i *importer) summary(orders []followed, took time.Duration) {
	sold, delivered, reasons := 0, 0, map[string]int{}
	times := make([]time.Duration, 0, len(orders))
	for _, o := range orders {
		times = append(times, o.took)
		if o.ended == cdnow.Confirmed {
			sold++
		} else {
			reasons[o.ended.Reason]++
		}
		if o.delivered {
			delivered++
		}
	}
	slices.Sort(times)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendRow(table.Row{"placed", len(orders)})
	t.AppendRow(table.Row{"confirmed", sold})
	if i.carried {
		t.AppendRow(table.Row{"  delivered", delivered})
	}
	t.AppendRow(table.Row{"cancelled", len(orders) - sold})
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		t.AppendRow(table.Row{"  " + r, reasons[r]})
	}
	t.AppendRow(table.Row{"accepted to final, p50", percentile(times, 50).Round(time.Millisecond)})
	t.AppendRow(table.Row{"accepted to final, p95", percentile(times, 95).Round(time.Millisecond)})
	t.AppendRow(table.Row{"orders/s", fmt.Sprintf("%.1f", float64(len(orders))/took.Seconds())})
	i.printf("\n%s\n", t.Render())
	i.printf("Accepted to final is from order.placed to order.confirmed or order.cancelled, "+
		"by the events' own times.\n"+
		"Orders/s are of all orders, %d at once, until the list of orders shows each as final.\n", i.concurrency)
}

// percentile is the nearest rank in sorted times.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// check compares what the API's views and streams say with what the file says. Views follow in a
// moment, so a difference counts only when it stays.
func (i *importer) check(
	ctx context.Context, plan cdnow.Plan, orders []followed, accounts map[string]string,
) ([]string, error) {
	bar := i.bar("Checking", len(plan.Customers)+len(plan.Stock))
	var mu sync.Mutex
	var differences []string
	differ := func(lines ...string) {
		mu.Lock()
		defer mu.Unlock()
		differences = append(differences, lines...)
	}
	for _, o := range orders {
		if o.ended != o.Outcome {
			differ(fmt.Sprintf(
				"order %s (purchase %d) is %v, the file says %v", o.placed.ID, o.Number, o.ended, o.Outcome,
			))
		}
		if o.placed.Total != dollars(o.Total) {
			differ(fmt.Sprintf("order %s (purchase %d) comes to %s, the file says %s",
				o.placed.ID, o.Number, o.placed.Total, dollars(o.Total)))
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(i.concurrency)
	totals := plan.Expected()
	for _, c := range plan.Customers {
		g.Go(func() error {
			want := totals[c.ID]
			got, err := i.settled(ctx, func() ([]string, error) { return i.checkViews(ctx, c.ID, want, orders) })
			if err != nil {
				return err
			}
			differ(got...)
			balance, err := i.client.Balance(ctx, accounts[c.ID])
			if err != nil {
				return err
			}
			if left := dollars(c.Funds - want.Money); balance != left {
				differ(fmt.Sprintf("account of %s holds %s, the file says %s", i.customerID(c.ID), balance, left))
			}
			return bar.Add(1)
		})
	}
	for sku, left := range plan.StockLeft() {
		g.Go(func() error {
			want := shop.Stock{OnHand: plan.Stock[sku], Available: left, Reserved: plan.Stock[sku] - left}
			if i.carried { // what was reserved has left, a moment after its order has
				want = shop.Stock{OnHand: left, Available: left}
			}
			got, err := i.settled(ctx, func() ([]string, error) {
				got, err := i.client.Stock(ctx, i.sku(sku))
				if err == nil && got != want {
					return []string{fmt.Sprintf("stock of %s is %+v, the file says %+v", i.sku(sku), got, want)}, nil
				}
				return nil, err
			})
			if err != nil {
				return err
			}
			differ(got...)
			return bar.Add(1)
		})
	}
	if err := errors.Join(g.Wait(), bar.Exit()); err != nil {
		return nil, err
	}
	slices.Sort(differences)
	for _, d := range differences {
		i.printf("DIFFERENT: %s\n", d)
	}
	if len(differences) == 0 {
		i.printf("\nBooks checked against the file: %d customers (orders, confirmed money), %d accounts, %d "+
			"items in stock, "+
			"%d orders and their totals: all equal.\n",
			len(plan.Customers), len(accounts), len(plan.Stock), len(orders))
	}
	return differences, nil
}

// settled asks for differences until there are none or viewTimeout is over, and gives the last
// answer.
func (i *importer) settled(ctx context.Context, differences func() ([]string, error)) ([]string, error) {
	var last []string
	var failure error
	err := i.until(ctx, viewTimeout, "views differ", func() (bool, error) {
		last, failure = differences()
		return len(last) == 0, failure
	})
	if failure != nil || ctx.Err() != nil {
		return nil, errors.Join(failure, err)
	}
	return last, nil
}

// checkViews compares a customer's statistics and list of orders.
func (i *importer) checkViews(
	ctx context.Context, customer string, want cdnow.Totals, orders []followed,
) ([]string, error) {
	id := i.customerID(customer)
	stats, err := i.client.Statistics(ctx, id)
	if err != nil {
		return nil, err
	}
	var confirmed int64
	for _, m := range stats.ConfirmedTotal {
		if m.Currency == cdnow.Currency {
			confirmed += m.Amount
		}
	}
	var differences []string
	if got := (cdnow.Totals{
		Orders: stats.Orders, Confirmed: stats.Confirmed, Cancelled: stats.Cancelled, Money: confirmed,
	}); got != want {
		differences = append(differences, fmt.Sprintf("statistics of %s are %+v, the file says %+v", id, got, want))
	}
	listed, err := i.client.CustomerOrders(ctx, id)
	if err != nil {
		return nil, err
	}
	statuses := map[string]string{}
	for _, o := range listed {
		statuses[o.ID] = o.Status
	}
	if int64(len(listed)) != want.Orders || len(statuses) != len(listed) {
		differences = append(
			differences, fmt.Sprintf("%s lists %d orders, the file has %d", id, len(listed), want.Orders),
		)
	}
	for _, o := range orders {
		if want := i.listed(o.Outcome); o.Customer == customer && statuses[o.placed.ID] != want {
			differences = append(
				differences,
				fmt.Sprintf("%s lists order %s as %q, the file says %q", id, o.placed.ID, statuses[o.placed.ID], want),
			)
		}
	}
	return differences, nil
}

// listed is the status that an order with an outcome has in the end.
func (i *importer) listed(o cdnow.Outcome) string {
	if i.carried && o == cdnow.Confirmed {
		return statusDelivered
	}
	return o.Status
}

// timelines shows one order that was confirmed and one that was undone after the most steps.
func (i *importer) timelines(ctx context.Context, orders []followed) error {
	for _, outcomes := range [][]cdnow.Outcome{
		{cdnow.Confirmed}, ofUndone,
	} {
		if id, ok := firstWith(orders, outcomes); ok {
			i.printf("\n")
			if err := showOrder(ctx, i.out, i.client, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// ofUndone are the outcomes of orders that were undone, that after the most steps first.
var ofUndone = []cdnow.Outcome{cdnow.Unservable, cdnow.Underfunded, cdnow.OutOfStock}

// firstWith finds the first order with the first outcome that any order has.
func firstWith(orders []followed, outcomes []cdnow.Outcome) (id string, ok bool) {
	for _, want := range outcomes {
		for _, o := range orders {
			if o.ended == want {
				return o.placed.ID, true
			}
		}
	}
	return "", false
}

// goOn says where to look next.
func (i *importer) goOn(orders []followed) error {
	url, err := i.deployment.APIURL()
	if err != nil {
		return err
	}
	first := orders[0]
	var b strings.Builder
	if endpoint := i.deployment.Config().BaseEndpoint; endpoint != nil {
		fmt.Fprintf(
			&b, "  export AWS_ENDPOINT_URL=%s AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n"+
				"  export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n",
			*endpoint,
		)
	}
	fmt.Fprintf(&b, "  API='%s'\n\nGo on with:\n", url)
	if id, ok := firstWith(orders, ofUndone); ok {
		fmt.Fprintf(&b, "  bin/orderflow orders show %s   # why it was cancelled\n", id)
	}
	b.WriteString("  bin/orderflow orders list --status cancelled\n")
	fmt.Fprintf(&b, "  TOKEN=$(bin/orderflow token --customer %s)\n", i.customerID(first.Customer))
	fmt.Fprintf(&b, "  curl -s -H \"Authorization: Bearer $TOKEN\" $API/orders/%s\n", first.placed.ID)
	fmt.Fprintf(
		&b, "  curl -s -H \"Authorization: Bearer $TOKEN\" \"$API/customers/%s/orders?limit=5\"\n",
		i.customerID(first.Customer),
	)
	i.printf("\nPaste into your terminal, and into each new one:\n%s", b.String())
	return nil
}

func (i *importer) printf(format string, args ...any) {
	// There is no other place to report a failure to.
	_, _ = fmt.Fprintf(i.out, format, args...)
}

func (i *importer) bar(what string, total int) *progressbar.ProgressBar {
	return progressBar(i.progress, fmt.Sprintf("%-13s", what), total)
}
