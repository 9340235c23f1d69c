package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/shop/goods"
)

func shipmentsCommand(connect connectFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use: "shipments", Short: "Shows, labels, dispatches and delivers parcels",
		Args: cobra.ArbitraryArgs, RunE: needsSubcommand,
	}
	cmd.AddCommand(
		shipmentsShowCommand(connect), shipmentsLabelCommand(connect),
		shipmentsReportCommand(connect, "dispatch", "Reports that a parcel has left"),
		shipmentsReportCommand(connect, "deliver", "Reports that a parcel has arrived"),
	)
	return cmd
}

var printShipment = shows(func(s struct {
	ID       string       `json:"id"`
	OrderID  string       `json:"orderId"`
	Status   string       `json:"status"`
	Labelled bool         `json:"labelled"`
	Tracking string       `json:"trackingNumber"`
	Items    []goods.Item `json:"items"`
	Version  int64        `json:"version"`
}) []string {
	line := fmt.Sprintf("shipment %s of order %s: %s, version %d", s.ID, s.OrderID, s.Status, s.Version)
	if s.Labelled {
		line += ", labelled"
	}
	if s.Tracking != "" {
		line += ", tracking number " + s.Tracking
	}
	lines := []string{line}
	for _, item := range s.Items {
		lines = append(lines, fmt.Sprintf("  %d × %s", item.Quantity, item.SKU))
	}
	return lines
})

func shipmentsShowCommand(connect connectFunc) *cobra.Command {
	return apiCommand{
		use: "show ID", short: "Shows a parcel", args: needsOne("shipment id"),
		long:    "Shows a parcel: what is in it, and whether it has left. orders show has its id.",
		example: "  orderflow shipments show ID",
		ask: func(ctx context.Context, c *shop.Client, args []string, _ http.Header) (json.RawMessage, error) {
			return c.Get(ctx, shop.Path("shipments", args[0]), nil)
		},
		show: printShipment,
	}.over(connect)
}

func shipmentsLabelCommand(connect connectFunc) *cobra.Command {
	var version int64
	return apiCommand{
		use: "label ID", short: "Reports that a parcel's label is printed, which fixes its contents",
		long: "Reports that a parcel's label is printed. From then on its order can't be changed, only cancelled.\n" +
			"--version is the one whose contents were packed: it is refused if they have changed since.",
		example: "  orderflow shipments label ID --version 2", args: needsOne("shipment id"), keyed: true,
		flags: func(f *pflag.FlagSet) { f.Int64Var(&version, "version", 0, "the parcel's version that was packed") },
		check: func(*cobra.Command) error {
			if version < 1 {
				return fmt.Errorf("--version: expected the version that shipments show prints, got %d", version)
			}
			return nil
		},
		ask: func(ctx context.Context, c *shop.Client, args []string, key http.Header) (json.RawMessage, error) {
			key.Set("If-Match", shop.IfVersion(version).Get("If-Match"))
			return c.Send(ctx, http.MethodPost, shop.Path("shipments", args[0], "label"), key, nil)
		},
		show: printShipment,
	}.over(connect)
}

func shipmentsReportCommand(connect connectFunc, name, short string) *cobra.Command {
	return apiCommand{
		use: name + " ID", short: short, args: needsOne("shipment id"), keyed: true,
		example: "  orderflow shipments " + name + " ID",
		ask: func(ctx context.Context, c *shop.Client, args []string, key http.Header) (json.RawMessage, error) {
			return c.Send(ctx, http.MethodPost, shop.Path("shipments", args[0], name), key, nil)
		},
		show: printShipment,
	}.over(connect)
}
