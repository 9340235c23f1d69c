package recount

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock"
)

const (
	// again is the wait between two looks at rows that did not agree.
	again = 500 * time.Millisecond
	// remembered is how far before the beginning commits are remembered one by one: see horizon.
	remembered = time.Hour
)

// Report is what a comparison came to.
type Report struct {
	Rows        int64        `json:"rows"`
	Commits     int64        `json:"commits"`     // that were read, of all kinds
	Differences []Difference `json:"differences"` // never nil; by SKU
	Unreadable  []string     `json:"unreadable"`  // never nil
}

// Store is what a comparison reads.
type Store interface {
	es.Store
	es.Scanner
}

// Changed is a stream that got events of late, and a version that it has at least.
type Changed struct {
	Stream  es.StreamID
	Version int64
}

// Verify compares the rows with what the events come to. It writes nothing. Orders that go on
// meanwhile change both, and rows that differ for that are looked at again until Patience ends,
// with what has been stored since. A row that changes all the time may never be found equal: a
// rebuild that only looks compares it exactly.
type Verify struct {
	Store    Store
	Registry *es.Registry // knows the events of stock
	Rows     Rows
	// Recent gives the streams that got events since a time, and may give others too. It may lack
	// some: then rows that they changed are not found equal.
	Recent   func(ctx context.Context, since time.Time) iter.Seq2[Changed, error]
	Clock    clock.Clock
	Segments int           // of the store, read side by side; at least 1
	Patience time.Duration // how long rows that differ are looked at again
	SKUs     []string      // which, none for all
	Parallel int           // segments at once, 0 for all
	Progress Progress      // may be nil
}

// verifying is a comparison under way.
type verifying struct {
	Verify
	// horizon splits the commits in two, by the time that each has in the store. Those of an
	// earlier time were all read by the scan, since they were there: each later one is remembered
	// by its stream, so that what Recent names is added once. A commit that comes after the scan
	// with an earlier time, by a clock that is an hour late, is not added, and its row not found
	// equal.
	horizon time.Time

	mu         sync.Mutex
	sums       sums
	known      map[es.StreamID]int64 // the versions that are in the sums
	unreadable []string
}

// Run compares. What differs is in the report; the error is the store's or the table's.
func (v Verify) Run(ctx context.Context) (Report, error) {
	if v.Segments < 1 {
		return Report{}, fmt.Errorf("recount: %d segments; there is 1 at least", v.Segments)
	}
	began := v.Clock.Now()
	u := &verifying{Verify: v, horizon: began.Add(-remembered), sums: sums{}, known: map[es.StreamID]int64{}}
	report := Report{Differences: []Difference{}, Unreadable: []string{}}
	count := counted{tell: v.Progress}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(cmp.Or(v.Parallel, v.Segments))
	for n := range v.Segments {
		group.Go(func() error { return u.scan(groupCtx, n, &count) })
	}
	if err := group.Wait(); err != nil {
		return report, err
	}
	report.Commits = count.commits
	different, rows, err := u.compare(ctx)
	if err != nil {
		return report, err
	}
	report.Rows = rows
	if err := u.settle(ctx, different, began.Add(-remembered)); err != nil {
		return report, err
	}
	for _, sku := range slices.Sorted(maps.Keys(different)) {
		report.Differences = append(report.Differences, *different[sku])
	}
	report.Unreadable = append(report.Unreadable, u.unreadable...)
	return report, nil
}

// scan adds up a segment.
func (u *verifying) scan(ctx context.Context, segment int, count *counted) error {
	for page, err := range u.Store.Scan(ctx, segment, u.Segments, "") {
		r, err := readPage(u.Registry, page, err)
		if err != nil {
			return err
		}
		u.mu.Lock()
		u.unreadable = append(u.unreadable, r.unreadable...)
		for _, e := range r.events {
			u.sums.add(e.Data, "")
			// What a SKU was counted is remembered anyway: its stream may be too long to be read
			// again.
			if e.Stream.Category() == stock.Category || !e.Time.Before(u.horizon) {
				u.known[e.Stream] = max(u.known[e.Stream], e.Version)
			}
		}
		u.mu.Unlock()
		count.add(r.commits)
	}
	return ctx.Err()
}

// asked reports whether a row is of one of the SKUs that are compared.
func asked(skus []string, row string) bool {
	return len(skus) == 0 || slices.Contains(skus, stock.SKUOf(row))
}

// compare gives what differs at first sight, by SKU.
func (u *verifying) compare(ctx context.Context) (different map[string]*Difference, rows int64, err error) {
	different = map[string]*Difference{}
	for sku, numbers := range u.sums {
		if asked(u.SKUs, sku) && numbers != (stock.Numbers{}) {
			different[sku] = &Difference{SKU: sku, Events: numbers, Note: noRow}
		}
	}
	for page, err := range u.Rows.Rows(ctx) {
		if err != nil {
			return nil, 0, err
		}
		for _, row := range page {
			if !asked(u.SKUs, row.SKU) {
				continue
			}
			rows++
			if delete(different, row.SKU); row.Numbers != u.sums[row.SKU] {
				different[row.SKU] = &Difference{SKU: row.SKU, Row: row.Numbers, Events: u.sums[row.SKU]}
			}
		}
	}
	return different, rows, nil
}

const noRow = "there is no row"

// settle looks at what differs again, with what has been stored since, until nothing does or
// patience ends.
func (u *verifying) settle(ctx context.Context, different map[string]*Difference, since time.Time) error {
	for end := u.Clock.Now().Add(u.Patience); len(different) > 0; {
		if err := u.catchUp(ctx, since); err != nil {
			return err
		}
		for sku, d := range different {
			row, found, err := u.Rows.Row(ctx, sku)
			if err != nil {
				return err
			}
			before := *d
			if d.Row, d.Events, d.Note = row.Numbers, u.sums[sku], ""; d.Row == d.Events {
				delete(different, sku)
				continue
			}
			switch {
			case !found:
				d.Note = noRow
			case before.Row != d.Row || before.Events != d.Events:
				d.Note = changing
			}
		}
		if len(different) == 0 || !u.Clock.Now().Before(end) {
			return nil
		}
		if err := u.Clock.Sleep(ctx, again); err != nil {
			return err
		}
	}
	return nil
}

const changing = "it went on changing; stock rebuild --dry-run compares it exactly"

// catchUp adds the events that are not in the sums.
func (u *verifying) catchUp(ctx context.Context, since time.Time) error {
	for c, err := range u.Recent(ctx, since) {
		if err != nil {
			return err
		}
		known := u.known[c.Stream]
		if !ours(c.Stream) || known >= c.Version {
			continue
		}
		history, err := u.Store.Load(ctx, c.Stream, known)
		if err != nil {
			return err
		}
		for _, e := range history.Events {
			if known > 0 || !e.Time.Before(u.horizon) {
				u.sums.add(e.Data, "")
			}
		}
		u.known[c.Stream] = max(known, history.Head.Version())
	}
	return nil
}
