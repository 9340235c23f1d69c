package main

import (
	"context"
	"encoding/json"
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
		Short: "Verifies and rebuilds the rows of the catalogue",
		Args:  cobra.ArbitraryArgs,
		RunE:  needsSubcommand,
	}
	cmd.AddCommand(productsVerifyCommand(stack), productsRebuildCommand(stack))
	return cmd
}

func productsVerifyCommand(stack *stackFlag) *cobra.Command {
	return inspectionCommand(stack, product.Inspection{}, &cobra.Command{
		Use:   "verify [SKU]",
		Short: "Compares the rows that orders read their prices from with the events",
		Long: "Compares the row of each product, or of one, with its events. It changes nothing, and orders " +
			"and changes\n" +
			"go on meanwhile. Exit status 1 says that a row differs from its events.",
	})
}

func productsRebuildCommand(stack *stackFlag) *cobra.Command {
	return inspectionCommand(stack, product.Inspection{Mend: true}, &cobra.Command{
		Use:   "rebuild [SKU]",
		Short: "Corrects the rows that orders read their prices from, by the events",
		Long: "Corrects the row of each product, or of one, from its events. Orders and changes go on " +
			"meanwhile. If it\n" +
			"was interrupted, run it again: it starts from the beginning. Exit status 1 says that something can't\n" +
			"be read.",
	})
}

// inspectionCommand gives a command its flags and what it does.
func inspectionCommand(stack *stackFlag, i product.Inspection, cmd *cobra.Command) *cobra.Command {
	var asJSON bool
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 || len(args) == 1 && !product.ValidSKU(args[0]) {
			return fmt.Errorf(
				"%s: give one SKU, or none for all, not %q; see --help", path(cmd), strings.Join(args, " "),
			)
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if i.Segments < 1 || i.Segments > maxInspectionSegments {
			return fmt.Errorf("%s: --segments is 1 to %d, not %d", path(cmd), maxInspectionSegments, i.Segments)
		}
		d, err := stack.find(cmd.Context())
		if err != nil {
			return err
		}
		events, err := d.Output("EventsTable")
		if err != nil {
			return err
		}
		rows, err := d.Output("ProductsTable")
		if err != nil {
			return err
		}
		api := dynamodb.NewFromConfig(d.Config(), func(o *dynamodb.Options) { o.Retryer = viewRetryer() })
		store := dynamostore.New(api, events, es.NewRegistry(product.Register))
		i.Scanner, i.Parallel = store, 4*i.Segments
		i.Service = product.New(product.Deps{
			Store: store, Clock: clock.System{}, Rows: producttable.New(api, rows, clock.System{}),
		})
		return inspect(cmd.Context(), cmd.OutOrStdout(), i, args, asJSON)
	}
	cmd.Flags().IntVar(&i.Segments, "segments", 4, "parts of the events that are read side by side")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

const maxInspectionSegments = 1000

func inspect(ctx context.Context, out io.Writer, i product.Inspection, skus []string, asJSON bool) error {
	run := i.Run
	if len(skus) > 0 {
		run = func(ctx context.Context) (product.Report, error) { return i.One(ctx, skus[0]) }
	}
	report, err := run(ctx)
	if err != nil {
		return stoppedBy(ctx, err, "the same command starts from the beginning; what was corrected stays corrected")
	}
	if err := printInspection(out, i.Mend, report, asJSON); err != nil {
		return err
	}
	switch {
	case len(report.Unreadable) > 0:
		return fmt.Errorf("%d things can't be read", len(report.Unreadable))
	case len(report.Drifts) > 0 && !i.Mend:
		return fmt.Errorf("%d of %d products differ from their events; orderflow products rebuild corrects them",
			len(report.Drifts), report.Products)
	}
	return nil
}

func printInspection(out io.Writer, mended bool, report product.Report, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	var lines []string
	for _, d := range report.Drifts {
		lines = append(lines, fmt.Sprintf("different   %s: row: %s; events: %s", d.SKU(), says(d.Row), says(d.Folded)))
	}
	for _, text := range report.Unreadable {
		lines = append(lines, "unreadable  "+text)
	}
	verb := "differ"
	if mended {
		verb = "were mended"
	}
	_, err := fmt.Fprintf(out, "%s\n", strings.Join(append(lines,
		fmt.Sprintf("%d products compared with their events; %d %s", report.Products, len(report.Drifts), verb)), "\n"))
	return err
}

// says is a product in a few words.
func says(p product.Product) string {
	switch {
	case !p.Known():
		return "not there"
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
