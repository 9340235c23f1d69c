package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
)

var printProduct = shows(func(p shop.Product) []string {
	what := "on sale"
	if p.Withdrawn {
		what = "withdrawn"
	}
	lines := []string{fmt.Sprintf("%s: %s, version %d", p.SKU, what, p.Version)}
	for _, price := range p.Prices {
		from := ""
		if price.ValidFrom != "" {
			from = " from " + price.ValidFrom
		}
		lines = append(lines, "  "+price.String()+from)
	}
	if p.OutOfStock != "" {
		lines = append(lines, "  out of stock: "+p.OutOfStock)
	}
	return lines
})

func productsListCommand(connect connectFunc) *cobra.Command {
	list := pages{list: "products"}
	var withdrawn bool
	return apiCommand{
		use: "list", short: "Lists products with their present prices", args: needsNone,
		example: "  orderflow products list --limit 20",
		flags: func(f *pflag.FlagSet) {
			list.flag(f, 50, "products")
			f.BoolVar(&withdrawn, "withdrawn", false, "those that are no longer sold")
		},
		check: func(*cobra.Command) error { return list.check() },
		ask: func(ctx context.Context, c *shop.Client, _ []string, _ http.Header) (json.RawMessage, error) {
			query := url.Values{}
			if withdrawn {
				query.Set("withdrawn", "true")
			}
			return list.read(ctx, c, "/products", query)
		},
		show: shows(func(page shop.Products) []string {
			t := table.NewWriter()
			t.SetStyle(table.StyleLight)
			t.AppendHeader(table.Row{"SKU", "price", "out of stock", "version"})
			for _, p := range page.Products {
				t.AppendRow(table.Row{p.SKU, amounts(p.Current), p.OutOfStock, p.Version})
			}
			return withMore([]string{t.Render()}, page.Next)
		}),
	}.over(connect)
}

func productsShowCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "show SKU", short: "Shows a product with all its prices", args: needsOne("SKU"), complete: someProducts,
		example: "  orderflow products show BOOK-1",
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, shop.Path("products", args[0]), nil)
		},
		show: printProduct,
	}.over(connect)
}

// productFlags is a product as it is to be.
type productFlags struct {
	texts      []string
	outOfStock string
	reason     string
	version    int64
	prices     []shop.ProductPrice
}

func productsSetCommand(connect connectFunc) *cobra.Command {
	f := &productFlags{}
	return apiCommand{
		use: "set SKU", short: "Puts a SKU on sale, or changes its prices",
		long: "Puts a SKU on sale, or changes its prices: those that are given take the place of all that it has.\n" +
			"Without --version, the product may have changed since you looked at it.",
		example: "  orderflow products set BOOK-1 --price 'EUR 12.99'\n" +
			"  orderflow products set BOOK-1 --price 'EUR 12.99' --price 'EUR 9.99@2027-01-01T00:00:00Z' \\\n" +
			"    --out-of-stock backorder --version 3",
		args: needsOne("SKU"), complete: someProducts,
		flags: func(flags *pflag.FlagSet) {
			flags.StringArrayVar(
				&f.texts, "price", nil, "a price, as in 'EUR 12.99', or with @ and the time from which it is valid; "+
					"repeat it for more",
			)
			flags.StringVar(
				&f.outOfStock, "out-of-stock", "", "what becomes of its orders where stock is short: reject or "+
					"backorder",
			)
			addVersion(flags, &f.version)
			addReason(flags, &f.reason)
		},
		check: f.check,
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			body := map[string]any{"prices": f.prices}
			if f.outOfStock != "" {
				body["outOfStock"] = f.outOfStock
			}
			if f.reason != "" {
				body["reason"] = f.reason
			}
			return putProduct(ctx, c, args[0], f.version, body)
		},
		show: printProduct,
	}.over(connect)
}

func addVersion(flags *pflag.FlagSet, version *int64) {
	flags.Int64Var(version, "version", 0, "the product's version that you read; the present one by default")
	flags.Lookup("version").DefValue = ""
}

func addReason(flags *pflag.FlagSet, reason *string) {
	flags.StringVar(reason, "reason", "", "why, for the product's history, without personal data")
}

func (f *productFlags) check(*cobra.Command) error {
	if len(f.texts) == 0 {
		return errors.New("--price: expected one at least, as in 'EUR 12.99'")
	}
	for _, text := range f.texts {
		amount, from, timed := strings.Cut(text, "@")
		price, err := parsePrice(amount)
		if err == nil && timed {
			_, err = clock.ParseTime(from)
		}
		if err != nil {
			return fmt.Errorf("--price: %w", err)
		}
		f.prices = append(f.prices, shop.ProductPrice{Money: price, ValidFrom: from})
	}
	return notBelow(f.version)
}

func notBelow(version int64) error {
	if version < 0 {
		return fmt.Errorf("--version: expected 1 or more, got %d", version)
	}
	return nil
}

// putProduct writes over the given version, or over the one that there is.
func putProduct(
	ctx context.Context, c *shop.Client, sku string, version int64, body any,
) (answer json.RawMessage, err error) {
	at := shop.Path("products", sku)
	if version == 0 {
		if version, err = c.Version(ctx, at); err != nil {
			return nil, err
		}
	}
	return c.Send(ctx, http.MethodPut, at, shop.IfVersion(version), body)
}

func productsWithdrawCommand(connect connectFunc) *cobra.Command {
	var version int64
	var reason string
	return apiCommand{
		use: "withdraw SKU", short: "Takes a SKU off sale", args: needsOne("SKU"), complete: someProducts,
		long:    "Takes a SKU off sale. Orders that are placed keep their prices. products set puts it on sale again.",
		example: "  orderflow products withdraw BOOK-1",
		flags: func(f *pflag.FlagSet) {
			addVersion(f, &version)
			addReason(f, &reason)
		},
		check: func(*cobra.Command) error { return notBelow(version) },
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			body := map[string]any{"withdrawn": true}
			if reason != "" {
				body["reason"] = reason
			}
			return putProduct(ctx, c, args[0], version, body)
		},
		show: printProduct,
	}.over(connect)
}
