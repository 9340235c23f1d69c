package product

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"orderflow/shared/kit/es"
)

// Inspection compares the row of each product that a store or the rows know with its stream, while
// both go on changing. It keeps no state: a run that was interrupted starts again from nothing.
type Inspection struct {
	Service  Service
	Scanner  es.Scanner
	Mend     bool // make each row what its stream folds to
	Segments int  // of the store, read side by side
	Parallel int  // products compared at once
	// Progress, where it is set, is told how many commits and then how many products are done.
	// Calls do not overlap.
	Progress func(commits, products int64)
}

// Report is what an Inspection found.
type Report struct {
	Commits    int64    `json:"commits"`    // of all streams, read to find the products
	Products   int64    `json:"products"`   // that were compared
	Drifts     []Drift  `json:"drifts"`     // never nil; by SKU
	Unreadable []string `json:"unreadable"` // never nil; in order
}

// SKU is the product that a drift is about.
func (d Drift) SKU() string { return cmp.Or(d.Row.SKU, d.Folded.SKU) }

// Run compares all products. It costs a scan of the whole store, a query for each page of rows, and
// two reads a product; with Mend, a write for each row that differs.
func (i Inspection) Run(ctx context.Context) (Report, error) {
	report := Report{Drifts: []Drift{}, Unreadable: []string{}}
	skus, err := i.streams(ctx, &report)
	if err != nil {
		return report, err
	}
	for _, withdrawn := range []bool{false, true} {
		for after, more := "", true; more; {
			page, err := i.Service.List(ctx, withdrawn, after, inspectionPage)
			if err != nil {
				return report, err
			}
			for _, p := range page {
				skus[p.SKU], after = true, p.SKU
			}
			more = len(page) == inspectionPage
		}
	}
	err = i.compare(ctx, slices.Sorted(maps.Keys(skus)), &report)
	return report, err
}

// inspectionPage is how many rows are listed at once.
const inspectionPage = 1000

// One compares one product.
func (i Inspection) One(ctx context.Context, sku string) (Report, error) {
	report := Report{Drifts: []Drift{}, Unreadable: []string{}}
	err := i.compare(ctx, []string{sku}, &report)
	return report, err
}

// streams lists the SKUs that have a stream.
func (i Inspection) streams(ctx context.Context, report *Report) (map[string]bool, error) {
	skus := map[string]bool{}
	var mu sync.Mutex
	err := together(ctx, i.Segments, ints(i.Segments), func(ctx context.Context, segment int) error {
		for page, err := range i.Scanner.Scan(ctx, segment, i.Segments, "") {
			if err != nil && !errors.Is(err, es.ErrCorrupt) {
				return err
			}
			mu.Lock()
			for _, part := range es.Parts(err) {
				report.Unreadable = append(report.Unreadable, part.Error())
			}
			for _, c := range page.Commits {
				if c.Stream.Category() == Category {
					skus[c.Stream.ID()] = true
				}
			}
			report.Commits += int64(len(page.Commits))
			i.tell(report)
			mu.Unlock()
		}
		return nil
	})
	slices.Sort(report.Unreadable)
	return skus, err
}

func (i Inspection) compare(ctx context.Context, skus []string, report *Report) error {
	look := i.Service.Check
	if i.Mend {
		look = i.Service.Mend
	}
	var mu sync.Mutex
	err := together(ctx, i.Parallel, slices.Values(skus), func(ctx context.Context, sku string) error {
		drift, found, err := look(ctx, sku)
		var unknown *es.UnknownTypeError
		unreadable := errors.Is(err, es.ErrCorrupt) || errors.As(err, &unknown)
		if err != nil && !unreadable {
			return fmt.Errorf("compare %s: %w", sku, err)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case unreadable:
			report.Unreadable = append(report.Unreadable, fmt.Sprintf("%s: %v", sku, err))
		case found:
			report.Drifts = append(report.Drifts, drift)
		}
		report.Products++
		i.tell(report)
		return nil
	})
	slices.SortFunc(report.Drifts, func(a, b Drift) int { return cmp.Compare(a.SKU(), b.SKU()) })
	slices.Sort(report.Unreadable)
	return err
}

func (i Inspection) tell(r *Report) {
	if i.Progress != nil {
		i.Progress(r.Commits, r.Products)
	}
}

func ints(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// together does the work on each item, at most limit at a time, and gives the first error after
// which nothing new was begun.
func together[T any](ctx context.Context, limit int, items iter.Seq[T], work func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	free := make(chan struct{}, max(limit, 1))
	for item := range items {
		free <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-free }()
			if err := work(ctx, item); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
