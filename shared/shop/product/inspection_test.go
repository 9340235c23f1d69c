package product_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/product/producttest"
)

// broken has rows and pages that can't be read.
type broken struct {
	product.Rows
	*memstore.Store
	rows map[string]error
	page error
}

func (b broken) Row(ctx context.Context, sku string) (product.Product, error) {
	if err := b.rows[sku]; err != nil {
		return product.Product{}, err
	}
	return b.Rows.Row(ctx, sku)
}

func (b broken) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		for page, err := range b.Store.Scan(ctx, segment, segments, from) {
			if segment == 0 {
				err = errors.Join(err, b.page)
			}
			if !yield(page, err) {
				return
			}
		}
	}
}

// TestInspection: what can't be read is told, and stops nothing; what can't be asked stops the run.
func TestInspection(t *testing.T) {
	store, rows := memstore.New(es.NewRegistry(product.Register)), producttest.NewRows()
	const n = 25
	service := product.New(product.Deps{Store: store, Clock: clock.System{}, Rows: rows})
	for i := range n {
		sku := fmt.Sprintf("cd-%02d", i)
		want := product.Desired{Prices: []product.Price{producttest.Eur(int64(i))}}
		if _, err := service.Set(
			t.Context(),
			es.Request{CommitID: sku, Time: estest.Start},
			sku,
			want,
			product.Match{},
		); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := service.Set(
				t.Context(),
				es.Request{CommitID: "x" + sku, Time: estest.Start},
				sku,
				product.Desired{Withdrawn: true},
				product.Match{Version: 1},
			); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := rows.Mend(t.Context(), "cd-07", product.Product{}, 1); err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, b broken) (product.Report, error) {
		b.Rows, b.Store = rows, store
		calls, last := 0, int64(0)
		report, err := product.Inspection{
			Service: product.New(
				product.Deps{Store: store, Clock: clock.NewFake(estest.Start), Rows: b},
			),
			Scanner:  b,
			Segments: 3,
			Parallel: 5,
			Progress: func(commits, products int64) {
				if calls++; commits+products < last {
					t.Errorf("progress goes back to %d and %d", commits, products)
				}
				last = commits + products
			},
		}.Run(ctx)
		if err == nil && calls < n {
			t.Errorf("progress was told %d times", calls)
		}
		return report, err
	}
	report, err := run(t.Context(), broken{})
	if err != nil || report.Products != n || report.Commits != n+(n+1)/2 || len(report.Drifts) != 1 ||
		report.Drifts[0].SKU() != "cd-07" ||
		len(report.Unreadable) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	corrupt := fmt.Errorf("%w: no version", es.ErrCorrupt)
	report, err = run(t.Context(), broken{
		rows: map[string]error{
			"cd-03": corrupt,
			"cd-08": &es.UnknownTypeError{Stream: "product/cd-08", Version: 1, Type: "product.sold", Schema: 1},
		},
		page: errors.Join(fmt.Errorf("%w: one", es.ErrCorrupt), fmt.Errorf("%w: two", es.ErrCorrupt)),
	})
	if err != nil || report.Products != n || len(report.Drifts) != 1 ||
		len(report.Unreadable) != 3 && len(report.Unreadable) != 4 ||
		!slices.IsSorted(report.Unreadable) {
		t.Errorf("%+v, %v", report, err)
	}
	for name, b := range map[string]broken{
		"a row":  {rows: map[string]error{"cd-03": es.ErrUnavailable}},
		"a page": {page: es.ErrUnavailable},
	} {
		if _, err := run(t.Context(), b); !errors.Is(err, es.ErrUnavailable) {
			t.Errorf("%s that can't be asked for: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(ctx, broken{}); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %v", err)
	}
}
