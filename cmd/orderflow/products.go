package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/spf13/cobra"

	"orderflow/shared/aws/producttable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/product"
)

func productsCommand(stack *stackFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "products",
		Short: "Shows and changes products, and verifies and rebuilds their rows",
		Args:  cobra.ArbitraryArgs,
		RunE:  needsSubcommand,
	}
	cmd.AddCommand(
		productsListCommand(stack.connect), productsShowCommand(stack.connect), productsSetCommand(stack.connect),
		productsWithdrawCommand(stack.connect), productsHistoryCommand(stack.connect),
		productsVerifyCommand(stack), productsRebuildCommand(stack),
	)
	return cmd
}

func productsVerifyCommand(stack *stackFlag) *cobra.Command {
	var segments int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "verify [SKU]",
		Example: "  orderflow products verify",
		Short:   "Compares the rows that orders take prices from with the events",
		Long: "Compares the row of each product, or of one product, with its events. It changes nothing.\n" +
			"Orders and price changes continue meanwhile. Exit status 1: a row differs from its events, or something " +
			"can't be read.",
		Args: oneSKUOrNone,
		RunE: func(cmd *cobra.Command, skus []string) error {
			i, err := openInspection(cmd, stack, segments)
			if err != nil {
				return err
			}
			return verifyProducts(cmd.Context(), cmd.OutOrStdout(), i, skus, asJSON)
		},
	}
	cmd.Flags().IntVar(&segments, "segments", 4, "segments of the events table to read in parallel")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func verifyProducts(
	ctx context.Context, out io.Writer, i product.Inspection, skus []string, asJSON bool,
) error {
	report, err := inspect(ctx, i, skus)
	if err != nil {
		return err
	}
	if err := printInspection(out, "differ", report, asJSON); err != nil {
		return err
	}
	if err := unreadableProducts(report); err != nil {
		return err
	}
	if len(report.Drifts) > 0 {
		return fmt.Errorf("%d of %d products differ from their events; run orderflow products rebuild to correct them",
			len(report.Drifts), report.Products)
	}
	return nil
}

func productsRebuildCommand(stack *stackFlag) *cobra.Command {
	var segments int
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "rebuild [SKU]",
		Example: "  orderflow products rebuild BOOK-1",
		Short:   "Corrects the rows that orders take prices from, from the events",
		Long: "Corrects the row of each product, or of one product, from its events. Orders and price changes " +
			"continue meanwhile.\n" +
			"After an interruption, run it again: it starts from the beginning. Exit status 1: something can't be " +
			"read.",
		Args: oneSKUOrNone,
		RunE: func(cmd *cobra.Command, skus []string) error {
			i, err := openInspection(cmd, stack, segments)
			if err != nil {
				return err
			}
			return rebuildProducts(cmd.Context(), cmd.OutOrStdout(), i, skus, asJSON)
		},
	}
	cmd.Flags().IntVar(&segments, "segments", 4, "segments of the events table to read in parallel")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

func rebuildProducts(
	ctx context.Context, out io.Writer, i product.Inspection, skus []string, asJSON bool,
) error {
	i.Mend = true
	report, err := inspect(ctx, i, skus)
	if err != nil {
		return err
	}
	if err := printInspection(out, "corrected", report, asJSON); err != nil {
		return err
	}
	return unreadableProducts(report)
}

// oneSKUOrNone is for commands about one product or, without an argument, all.
func oneSKUOrNone(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && !product.ValidSKU(args[0]) {
		return fmt.Errorf(
			"%s: expected one SKU, or none for all, got %q; see --help", path(cmd), strings.Join(args, " "),
		)
	}
	return nil
}

const maxInspectionSegments = 1000

// openInspection is an inspection of a stack's products that mends nothing.
func openInspection(cmd *cobra.Command, stack *stackFlag, segments int) (product.Inspection, error) {
	if segments < 1 || segments > maxInspectionSegments {
		return product.Inspection{}, fmt.Errorf(
			"%s: --segments: expected 1 to %d, got %d", path(cmd), maxInspectionSegments, segments,
		)
	}
	d, err := stack.find(cmd.Context())
	if err != nil {
		return product.Inspection{}, err
	}
	events, err := d.Output("EventsTable")
	if err != nil {
		return product.Inspection{}, err
	}
	rows, err := d.Output("ProductsTable")
	if err != nil {
		return product.Inspection{}, err
	}
	api := dynamodb.NewFromConfig(d.Config(), func(o *dynamodb.Options) { o.Retryer = viewRetryer() })
	store := dynamostore.New(api, events, es.NewRegistry(product.Register))
	return product.Inspection{
		Scanner: store, Segments: segments, Parallel: 4 * segments,
		Service: product.New(product.Deps{
			Store: store, Clock: clock.System{}, Rows: producttable.New(api, rows, clock.System{}),
		}),
	}, nil
}

// inspect looks at one product or, without a SKU, at all.
func inspect(ctx context.Context, i product.Inspection, skus []string) (product.Report, error) {
	run := i.Run
	if len(skus) > 0 {
		run = func(ctx context.Context) (product.Report, error) { return i.One(ctx, skus[0]) }
	}
	report, err := run(ctx)
	return report, stoppedBy(
		ctx, err, "run it again to start from the beginning; corrected rows stay corrected",
	)
}

func unreadableProducts(report product.Report) error {
	if n := len(report.Unreadable); n > 0 {
		return fmt.Errorf("%d products or commits can't be read", n)
	}
	return nil
}

func printInspection(out io.Writer, verb string, report product.Report, asJSON bool) error {
	if asJSON {
		return printJSON(out, report)
	}
	var lines []string
	for _, d := range report.Drifts {
		lines = append(lines, fmt.Sprintf("different   %s: row: %s; events: %s", d.SKU(), says(d.Row), says(d.Folded)))
	}
	for _, text := range report.Unreadable {
		lines = append(lines, "unreadable  "+text)
	}
	_, err := fmt.Fprintf(out, "%s\n", strings.Join(append(lines,
		fmt.Sprintf("%d products compared with their events; %d %s", report.Products, len(report.Drifts), verb)), "\n"))
	return err
}

// says describes a product in a few words.
func says(p product.Product) string {
	switch {
	case !p.Known():
		return "missing"
	case p.Withdrawn:
		return fmt.Sprintf("withdrawn at version %d", p.Version)
	}
	var prices strings.Builder
	for i, price := range p.Prices {
		if i == 5 && len(p.Prices) > 6 {
			fmt.Fprintf(&prices, ", and %d more", len(p.Prices)-i)
			break
		}
		if i > 0 {
			prices.WriteString(", ")
		}
		prices.WriteString(price.String())
		if !price.ValidFrom.IsZero() {
			prices.WriteString(" from " + price.ValidFrom.Format("2006-01-02T15:04:05Z07:00"))
		}
	}
	return fmt.Sprintf("listed at version %d for %s", p.Version, prices.String())
}
