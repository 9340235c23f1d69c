package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

// Page is a part of what was asked for.
type Page struct {
	Commits   int64         // that were read for it
	Envelopes []es.Envelope // those of one stream in their order
	Failures  []Failure     // what can't be read or mapped
	Next      string        // the position after the page, "" where it is the segment's last
}

// Source gives what was asked for, in segments that can be read side by side.
type Source interface {
	// Segments is how many there are, at least one. Positions are of one number of segments only.
	Segments() int
	// Pages reads a segment from a position on, "" being its beginning. At least one page comes,
	// empty or not, and after an error none.
	Pages(ctx context.Context, segment int, from string) iter.Seq2[Page, error]
}

// stored is a Source of a whole store.
type stored struct {
	scanner  es.Scanner
	registry *es.Registry
	orders   publish.Orders
	segments int
	of       Selection
}

// FromStore gives what a whole store holds of a selection. Of a commit of which an event can't be
// read or mapped, nothing comes, as nothing of it is published. order.updated, which no store
// holds, is made anew of the orders as they were then.
func FromStore(scanner es.Scanner, registry *es.Registry, orders publish.Orders, segments int, of Selection) Source {
	return stored{scanner: scanner, registry: registry, orders: orders, segments: segments, of: of}
}

func (s stored) Segments() int { return s.segments }

func (s stored) Pages(ctx context.Context, segment int, from string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for scanned, err := range s.scanner.Scan(ctx, segment, s.segments, from) {
			if err != nil && !errors.Is(err, es.ErrCorrupt) {
				yield(Page{}, err)
				return
			}
			page, failed := s.page(ctx, scanned)
			if failed != nil {
				yield(Page{}, failed)
				return
			}
			for _, corrupt := range es.Parts(err) {
				page.Failures = append(page.Failures, Failure{Error: corrupt.Error()})
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

// page is what is selected of a part of the scan. An error is one of the store.
func (s stored) page(ctx context.Context, scanned es.ScanPage) (Page, error) {
	page := Page{Commits: int64(len(scanned.Commits)), Next: scanned.Next}
	slices.SortFunc(scanned.Commits, func(a, b es.StoredCommit) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.First, b.First))
	})
	for _, c := range scanned.Commits {
		whole := c.Stream.Category() == order.Category && s.of.named(contract.OrderUpdatedType)
		if !s.of.during(c.Time) || !whole &&
			!slices.ContainsFunc(c.Events, func(e es.Stored) bool { return s.of.named(e.Type) }) {
			continue
		}
		envelopes, err := publish.Envelopes(ctx, s.registry, s.orders, c)
		if err != nil {
			if !publish.CanNeverPass(err) {
				return Page{}, err
			}
			page.Failures = append(
				page.Failures, Failure{ID: fmt.Sprintf("%s@%d", c.Stream, c.First), Error: err.Error()},
			)
			continue
		}
		page.Envelopes = append(
			page.Envelopes, slices.DeleteFunc(envelopes, func(e es.Envelope) bool { return !s.of.named(e.Type) })...,
		)
	}
	return page, nil
}

// Reader is what FromStream needs of an es.Store.
type Reader interface {
	Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error]
}

// stream is a Source of one stream.
type stream struct {
	reader Reader
	orders publish.Orders
	id     es.StreamID
	of     Selection
}

// streamPage is how many events of one stream a page has.
const streamPage = 100

// FromStream gives what one stream holds of a selection, in order, and with an order's the
// order.updated of each commit behind it. An event that can't be read ends it with an error: those
// behind it are not reached.
func FromStream(reader Reader, orders publish.Orders, id es.StreamID, of Selection) Source {
	return stream{reader: reader, orders: orders, id: id, of: of}
}

func (s stream) Segments() int { return 1 }

// Pages: a position is the version of the last event before it.
func (s stream) Pages(ctx context.Context, _ int, from string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		var after int64
		if from != "" {
			var err error
			if after, err = strconv.ParseInt(from, 10, 64); err != nil || after < 1 {
				yield(Page{}, fmt.Errorf("replay: %q is no position in a stream", from))
				return
			}
		}
		var page Page
		var last es.Recorded // of the commit that is being read
		events := 0
		for r, err := range s.reader.Read(ctx, s.id, es.Range{After: after}) {
			if err == nil && r.CommitID != last.CommitID {
				err = s.updated(ctx, last, &page)
			}
			if err != nil {
				yield(Page{}, err)
				return
			}
			if events == streamPage {
				page.Next = strconv.FormatInt(r.Version-1, 10)
				if !yield(page, nil) {
					return
				}
				page, events = Page{}, 0
			}
			if events++; r.CommitID != last.CommitID {
				page.Commits++
			}
			last = r
			if !s.of.during(r.Time) || !s.of.named(r.Type) {
				continue
			}
			of, err := s.order(ctx, r)
			if err != nil {
				yield(Page{}, err)
				return
			}
			versions, err := contract.VersionsOf(r, of)
			if err != nil {
				page.Failures = append(page.Failures, Failure{ID: r.ID(), Error: err.Error()})
				continue
			}
			page.Envelopes = append(page.Envelopes, versions...)
		}
		if err := s.updated(ctx, last, &page); err != nil {
			yield(Page{}, err)
			return
		}
		yield(page, nil)
	}
}

// order is the order as of an event of it, the zero State of any other stream. What its events
// carry of it is the same for the rest of their commit.
func (s stream) order(ctx context.Context, r es.Recorded) (order.State, error) {
	if s.id.Category() != order.Category {
		return order.State{}, nil
	}
	past, err := s.orders.AsOf(ctx, s.id.ID(), es.Point{Version: r.Version})
	return past.State, err
}

// updated adds the order.updated of the commit that ends with last, where it is selected. An error
// is one of the store.
func (s stream) updated(ctx context.Context, last es.Recorded, page *Page) error {
	if last.Version == 0 || s.id.Category() != order.Category || !s.of.during(last.Time) ||
		!s.of.named(contract.OrderUpdatedType) {
		return nil
	}
	past, err := s.orders.AsOf(ctx, s.id.ID(), es.Point{Version: last.Version})
	if err != nil {
		return err
	}
	envelopes, err := publish.UpdatedAt(last, past.State)
	if err != nil {
		page.Failures = append(page.Failures, Failure{ID: last.ID() + "/updated", Error: err.Error()})
	}
	page.Envelopes = append(page.Envelopes, envelopes...)
	return nil
}
