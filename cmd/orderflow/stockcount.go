package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/shop/stock"
)

var printStock = shows(func(s struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Shards    int64  `json:"shards"`
	Version   int64  `json:"version"`
}) []string {
	line := fmt.Sprintf(
		"%s: %d on hand, %d available and %d reserved, version %d", s.SKU, s.OnHand, s.Available, s.Reserved, s.Version,
	)
	if s.Shards > 1 {
		line += fmt.Sprintf(", in %d shards", s.Shards)
	}
	return []string{line}
})

func stockShowCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "show SKU", short: "Shows what is there of a SKU", args: needsOne("SKU"), complete: someProducts,
		example: "  orderflow stock show BOOK-1",
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, shop.Path("stock", args[0]), nil)
		},
		show: printStock,
	}.over(connect)
}

func stockCountCommand(connect connectFunc) *cobra.Command {
	var onHand, version int64
	var isNew bool
	var left []string
	return apiCommand{
		use: "count SKU", short: "Sets the stock of a SKU to what was counted",
		long: "Sets the stock of a SKU to what was counted, what is reserved and packed included.\n" +
			"Read the version with stock show before you count: the count is refused if a parcel left, or somebody " +
			"else counted, since. See docs/stock.md.",
		example: "  orderflow stock count BOOK-1 --on-hand 12 --version 3\n" +
			"  orderflow stock count BOOK-2 --on-hand 40 --new",
		args: needsOne("SKU"), complete: someProducts,
		flags: func(f *pflag.FlagSet) {
			f.Int64Var(&onHand, "on-hand", -1, "how many pieces are on the shelf")
			f.Int64Var(&version, "version", 0, "the version that stock show printed before the count")
			f.BoolVar(&isNew, "new", false, "the SKU has no stock yet")
			f.StringSliceVar(&left, "left", nil, "ids of shipments that are gone, and perhaps not yet dispatched")
			f.Lookup("on-hand").DefValue = ""
		},
		check: func(*cobra.Command) error {
			switch {
			case onHand < 0:
				return errors.New("--on-hand: expected 0 or more")
			case isNew == (version > 0):
				return errors.New("expected either --version, as stock show prints it, or --new")
			case version < 0:
				return fmt.Errorf("--version: expected 1 or more, got %d", version)
			}
			return nil
		},
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			body := map[string]any{"onHand": onHand}
			if len(left) > 0 {
				body["left"] = left
			}
			return c.Send(ctx, http.MethodPut, shop.Path("stock", args[0]), shop.IfVersion(version), body)
		},
		show: printStock,
	}.over(connect)
}

func stockSplitCommand(connect connectFunc) *cobra.Command {
	var shards int
	return apiCommand{
		use: "split SKU", short: "Splits the stock of a SKU that sells fast over shards",
		long: "Splits the stock of a SKU that sells fast over shards, while orders go on. 1 puts all back into one " +
			"row. See docs/stock.md.",
		example: "  orderflow stock split BOOK-1 --shards 4", args: needsOne("SKU"), complete: someProducts,
		flags: func(f *pflag.FlagSet) {
			f.IntVar(&shards, "shards", 0, fmt.Sprintf("how many, 1 to %d", stock.MaxShards))
			f.Lookup("shards").DefValue = ""
		},
		check: func(*cobra.Command) error {
			if shards < 1 || shards > stock.MaxShards {
				return fmt.Errorf("--shards: expected 1 to %d, got %d", stock.MaxShards, shards)
			}
			return nil
		},
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			body := map[string]int{"shards": shards}
			return c.Send(ctx, http.MethodPut, shop.Path("stock", args[0], "shards"), http.Header{}, body)
		},
		show: printStock,
	}.over(connect)
}
