package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/shop/money"
)

// pageOf makes a command that shows a list of a SKU.
func pageOf(
	connect connectFunc, use, short, long, collection, field, what string, show func(io.Writer, json.RawMessage) error,
) *cobra.Command {
	list := pages{list: field}
	return apiCommand{
		use: use + " SKU", short: short, long: long, args: needsOne("SKU"), complete: someProducts,
		example: "  orderflow " + collection + " " + use + " BOOK-1",
		flags: func(f *pflag.FlagSet) {
			list.flag(f, 20, what)
		},
		check: func(*cobra.Command) error { return list.check() },
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return list.read(ctx, c, shop.Path(collection, args[0], use), nil)
		},
		show: show,
	}.over(connect)
}

// whoDid is who brought an event about.
type whoDid struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

// String is the actor as people read it.
func (w *whoDid) String() string {
	if w == nil {
		return "unknown"
	}
	return w.Kind + " " + w.ID
}

func stockHistoryCommand(connect connectFunc) *cobra.Command {
	return pageOf(connect, "history", "Shows the counts of a SKU, newest first, and what left between them",
		"Shows the counts of a SKU, newest first: what was counted, what the books had, what left since the count "+
			"before, and who counted.", "stock", "counts", "counts", shows(func(page struct {
			Counts []struct {
				Time    time.Time `json:"time"`
				Counted int64     `json:"counted"`
				Before  int64     `json:"before"`
				Delta   int64     `json:"delta"`
				Left    int64     `json:"left"`
				Actor   *whoDid   `json:"actor"`
			} `json:"counts"`
			Next string `json:"next"`
		}) []string {
			t := listOf(table.Row{"time", "counted", "in the books", "changed by", "left before", "by"}, 2, 3, 4, 5)
			for _, c := range page.Counts {
				t.AppendRow(table.Row{
					c.Time.Format(time.RFC3339), c.Counted, c.Before, fmt.Sprintf("%+d", c.Delta), c.Left, c.Actor,
				})
			}
			return withMore([]string{t.Render()}, page.Next)
		}))
}

func stockMovementsCommand(connect connectFunc) *cobra.Command {
	var limit int
	var cursor string
	return apiCommand{
		use: "movements SKU", short: "Shows what orders did to the stock of a SKU, newest first", args: needsOne("SKU"),
		long: "Shows what was reserved, given back and dispatched of a SKU, for which order and by whom. A page has " +
			"the movements of up to --limit orders that have the SKU now, the most recently placed first; it " +
			"looks at up to 1000 orders. What was counted is the SKU's history.",
		complete: someProducts, example: "  orderflow stock movements BOOK-1",
		flags: func(f *pflag.FlagSet) {
			f.IntVar(&limit, "limit", 10, "maximum number of orders, 1 to 25")
			f.StringVar(&cursor, "cursor", "", "where to go on, as the page before says")
		},
		check: func(*cobra.Command) error {
			if limit < 1 || limit > 25 {
				return fmt.Errorf("--limit: expected 1 to 25, got %d", limit)
			}
			return nil
		},
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if cursor != "" {
				query.Set("cursor", cursor)
			}
			return c.Get(ctx, shop.Path("stock", args[0], "movements"), query)
		},
		show: shows(movementLines),
	}.over(connect)
}

// movements are a page of what orders did to the stock of a SKU.
type movements struct {
	Movements []struct {
		Time      time.Time `json:"time"`
		Kind      string    `json:"kind"`
		OrderID   string    `json:"orderId"`
		Quantity  int64     `json:"quantity"`
		Available int64     `json:"available"`
		OnHand    int64     `json:"onHand"`
		Actor     *whoDid   `json:"actor"`
	} `json:"movements"`
	LookedAt int    `json:"lookedAt"`
	Next     string `json:"next"`
}

func movementLines(page movements) []string {
	t := listOf(table.Row{"time", "event", "pieces", "available", "on hand", "order", "by"}, 3, 4, 5)
	for _, m := range page.Movements {
		t.AppendRow(table.Row{
			m.Time.Format(time.RFC3339), m.Kind, m.Quantity, fmt.Sprintf("%+d", m.Available),
			fmt.Sprintf("%+d", m.OnHand), m.OrderID, m.Actor,
		})
	}
	lines := []string{t.Render(), fmt.Sprintf("Looked at %d orders.", page.LookedAt)}
	if page.Next != "" {
		lines = append(lines, "There are older ones; --cursor "+page.Next+" shows them.")
	}
	return lines
}

func stockWaitlistCommand(connect connectFunc) *cobra.Command {
	return pageOf(connect, "waitlist", "Shows the orders that wait for a SKU, first in line first", "", "stock",
		"entries", "orders", shows(func(page struct {
			Waiting int64 `json:"waiting"`
			Passed  int64 `json:"passed"`
			Entries []struct {
				OrderID  string `json:"orderId"`
				Revision int64  `json:"revision"`
				Quantity int64  `json:"quantity"`
			} `json:"entries"`
			Next string `json:"next"`
		}) []string {
			if len(page.Entries) == 0 {
				return []string{"Nobody waits for it."}
			}
			t := listOf(table.Row{"", "order", "revision", "pieces"}, 1, 3, 4)
			for i, e := range page.Entries {
				t.AppendRow(table.Row{i + 1, e.OrderID, e.Revision, e.Quantity})
			}
			summary := fmt.Sprintf("%d wait; %d got pieces past the first.", page.Waiting, page.Passed)
			return withMore([]string{t.Render(), summary}, page.Next)
		}))
}

func productsHistoryCommand(connect connectFunc) *cobra.Command {
	return pageOf(connect, "history", "Shows what changed of a product, newest first, by whom and why", "", "products",
		"changes", "changes", shows(func(page struct {
			Changes []struct {
				Version int64     `json:"version"`
				Time    time.Time `json:"time"`
				Kind    string    `json:"kind"`
				Prices  []struct {
					money.Money

					ValidFrom string `json:"validFrom"`
				} `json:"prices"`
				OutOfStock string  `json:"outOfStock"`
				Reason     string  `json:"reason"`
				Actor      *whoDid `json:"actor"`
			} `json:"changes"`
			Next string `json:"next"`
		}) []string {
			var out []string
			for _, c := range page.Changes {
				line := fmt.Sprintf("version %d, %s: %s by %s", c.Version, c.Time.Format(time.RFC3339), c.Kind, c.Actor)
				if c.Reason != "" {
					line += fmt.Sprintf(": %q", c.Reason)
				}
				out = append(out, line)
				for _, p := range c.Prices {
					out = append(out, "  "+p.String()+since(p.ValidFrom))
				}
				if c.OutOfStock != "" {
					out = append(out, "  out of stock: "+c.OutOfStock)
				}
			}
			return withMore(out, page.Next)
		}))
}

func since(validFrom string) string {
	if validFrom == "" {
		return ""
	}
	return " from " + validFrom
}

// listOf begins a table, with columns of numbers to the right.
func listOf(header table.Row, numbers ...int) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(header)
	var columns []table.ColumnConfig
	for _, n := range numbers {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}
