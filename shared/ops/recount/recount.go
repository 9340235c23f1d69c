// Package recount derives the counters of stock from the events, and compares or repairs the rows
// that hold them, while orders go on changing both.
//
// Each event says by itself what it changed in which row (stock.Changes), so what all of them come
// to needs no order and no more memory than a few numbers a SKU. Nothing finds the reservations of
// a SKU but reading all that the store holds.
package recount

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock"
)

// Row is a row of counters.
type Row struct {
	SKU string
	stock.Numbers
	Mark    string        // of the rebuild that is at the row, "" for none
	Was     stock.Numbers // the row's, at the moment at which it was marked
	Rebuilt string        // the last rebuild that was through with the row, "" for none
}

// Rows are the table of counters. Every read is consistent with all that was answered before.
type Rows interface {
	// Rows gives all rows, page by page, and nothing more after an error.
	Rows(ctx context.Context) iter.Seq2[[]Row, error]
	// Row gives a row, found being false where there is none.
	Row(ctx context.Context, sku string) (row Row, found bool, err error)
	// Mark marks a row that is there, and has it keep what it was then. One that has the mark is
	// left as it is. ErrMarked where it has another.
	Mark(ctx context.Context, sku, mark string) error
	// Correct adds to a row that has the mark, and takes the mark off. One that the rebuild was
	// through with is left as it is. ErrMarked where it is not the rebuild's.
	Correct(ctx context.Context, sku, mark string, by stock.Numbers) error
	// Create makes a row where there is none. ErrMarked where there is one that the rebuild has not
	// made.
	Create(ctx context.Context, sku, mark string, numbers stock.Numbers) error
	// Unmark takes a mark off, whatever it is, and changes nothing else.
	Unmark(ctx context.Context, sku string) error
}

// ErrMarked says of a row that another rebuild is at it, or has been since.
var ErrMarked = errors.New("another rebuild is at the counters, or they were unmarked")

// MaxSegments is in how many parts a store is read at most.
const MaxSegments = 1000

// workers is how many rows are written side by side, where nothing else is said.
const workers = 16

// each does something with each of the rows, so many at a time.
func each(ctx context.Context, rows Rows, parallel int, do func(context.Context, Row) error) error {
	for page, err := range rows.Rows(ctx) {
		if err != nil {
			return err
		}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for _, row := range page {
			group.Go(func() error { return do(ctx, row) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// sums are what events come to, by SKU.
type sums map[string]stock.Numbers

// add adds what an event changed, but for the rows that it met with that mark.
func (s sums) add(event any, mark string) {
	for _, c := range stock.Changes(event) {
		if mark == "" || c.Mark != mark {
			s[c.SKU] = s[c.SKU].Plus(c.Numbers)
		}
	}
}

// ours reports whether a stream's events change counters.
func ours(stream es.StreamID) bool {
	switch stream.Category() {
	case stock.Category, stock.ReservationCategory, stock.ShardsCategory:
		return true
	}
	return false
}

// read is what a page of the store comes to.
type read struct {
	events     []es.Recorded // of SKUs and reservations
	commits    int64         // of all kinds
	unreadable []string      // what could not be read, and may be of either
}

// readPage decodes what changes counters.
func readPage(registry *es.Registry, page es.ScanPage, err error) (read, error) {
	if err != nil && !errors.Is(err, es.ErrCorrupt) {
		return read{}, err
	}
	r := read{commits: int64(len(page.Commits))}
	for _, corrupt := range es.Parts(err) {
		r.unreadable = append(r.unreadable, corrupt.Error())
	}
	for _, c := range page.Commits {
		if !ours(c.Stream) {
			continue
		}
		events, err := registry.DecodeCommit(c, 0)
		if err != nil {
			r.unreadable = append(r.unreadable, fmt.Sprintf("%s@%d: %s", c.Stream, c.First, err))
			continue
		}
		r.events = append(r.events, events...)
	}
	return r, nil
}

// Difference is a row that is not what the events come to.
type Difference struct {
	SKU    string        `json:"sku"`
	Row    stock.Numbers `json:"row"`
	Events stock.Numbers `json:"events"`
	// What it is, where it is not just another number.
	Note string `json:"note,omitempty"`
}

// Progress is told how many commits were read so far.
type Progress func(commits int64)

// counted adds up what segments read side by side.
type counted struct {
	mu      sync.Mutex
	commits int64
	tell    Progress
}

func (c *counted) add(commits int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.commits += commits; c.tell != nil {
		c.tell(c.commits)
	}
}
