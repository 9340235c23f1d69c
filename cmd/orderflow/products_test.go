package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/product/producttest"
)

// TestInspectProducts finds what differs and leaves it, mends it when asked to, and finds nothing
// any more.
func TestInspectProducts(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	store, rows := memstore.New(es.NewRegistry(product.Register)), producttest.NewRows()
	i := product.Inspection{
		Service: product.New(
			product.Deps{Store: store, Clock: clock.NewFake(noon), Rows: rows},
		),
		Scanner:  store,
		Segments: 2,
		Parallel: 2,
	}
	prices := []product.Price{producttest.Eur(999), producttest.From(producttest.Eur(799), noon)}
	for _, sku := range []string{"cd-1", "cd-2", "cd-3"} {
		if _, err := i.Service.Set(
			t.Context(),
			es.Request{CommitID: sku, Time: noon},
			sku,
			product.Desired{Prices: prices},
			product.Match{},
		); err != nil {
			t.Fatal(err)
		}
	}
	for _, damage := range []struct {
		sku    string
		row    product.Product
		before int64
	}{
		{"cd-1", product.Product{}, 1},
		{"cd-2", product.Product{SKU: "cd-2", Version: 1, Withdrawn: true}, 1},
		{"cd-9", product.Product{SKU: "cd-9", Version: 4, Prices: make([]product.Price, 7)}, 0},
	} {
		if err := rows.Mend(t.Context(), damage.sku, damage.row, damage.before); err != nil {
			t.Fatal(err)
		}
	}
	const right = "events: listed at version 1 for EUR 9.99, EUR 7.99 from 2026-03-01T12:00:00Z\n"
	const found = "different   cd-1: row: missing; " + right +
		"different   cd-2: row: withdrawn at version 1; " + right
	look := func(mend, asJSON bool, skus ...string) (string, error) {
		var out strings.Builder
		run := verifyProducts
		if mend {
			run = rebuildProducts
		}
		err := run(t.Context(), &out, i, skus, asJSON)
		return out.String(), err
	}
	for range 2 {
		out, err := look(false, false)
		wantError(t, err, "3 of 4 products differ from their events; run orderflow products rebuild")
		if !strings.HasPrefix(out, found) ||
			!strings.Contains(
				out,
				", and 2 more; events: missing\n4 products compared with their events; 3 differ\n",
			) {
			t.Errorf("printed is\n%s", out)
		}
	}
	out, err := look(false, true, "cd-1")
	wantError(t, err, "1 of 1 products")
	var report product.Report
	if err := json.Unmarshal(
		[]byte(out),
		&report,
	); err != nil || len(report.Drifts) != 1 || report.Drifts[0].Row.Known() ||
		report.Drifts[0].Folded.Version != 1 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := look(
		true,
		false,
		"cd-1",
	); err != nil ||
		!strings.Contains(out, "1 products compared with their events; 1 corrected") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := look(
		true,
		false,
	); err != nil ||
		!strings.Contains(out, "4 products compared with their events; 2 corrected") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := look(false, false); err != nil || out != "3 products compared with their events; 0 differ\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestProductsCommands(t *testing.T) {
	for _, tc := range []struct {
		args string
		want string
	}{
		{"products", "products: expected a command"},
		{"products verify a b", `products verify: expected one SKU, or none for all, got "a b"`},
		{"products rebuild -- -x", `products rebuild: expected one SKU, or none for all, got "-x"`},
		{"products verify --segments 0", "products verify: --segments: expected 1 to 1000, got 0"},
		{"products lists", `products: unknown command "lists"`},
	} {
		cmd := root(&stackFlag{})
		cmd.SetArgs(strings.Fields(tc.args))
		wantError(t, cmd.ExecuteContext(t.Context()), tc.want)
	}
}
