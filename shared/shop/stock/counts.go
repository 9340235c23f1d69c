package stock

import (
	"context"
	"fmt"
	"time"

	"orderflow/shared/kit/es"
)

// Count is a count of a SKU, as its history shows it.
type Count struct {
	Version int64 // of the SKU's stream: the first count is 1
	Time    time.Time
	Before  int64 // were on hand, as the books had it
	Counted int64 // are on hand
	// Left is what the books say has left since the count before. Of the first count it is 0.
	Left     int64
	Metadata es.Metadata // of its event: who counted
}

// Delta is what the count changed.
func (c Count) Delta() int64 { return c.Counted - c.Before }

// Counts lists the counts of a SKU whose version is below before, newest first, at most limit of
// them; before 0 begins with the newest. next is before of the next page, 0 on the last one. A page
// reads what it shows and one event more, however many there are. What orders did between two
// counts is in their reservations, of which a SKU has no list; what it comes to is Left. A limit
// below 1 or a before below 0 is an error of the caller's program. ErrNotFound where nobody has
// counted the SKU.
func (s Service) Counts(
	ctx context.Context, sku string, before int64, limit int,
) (counts []Count, next int64, err error) {
	switch {
	case limit < 1 || before < 0:
		return nil, 0, fmt.Errorf("stock: no page has %d counts before version %d", limit, before)
	case !ValidSKU(sku):
		return nil, 0, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	case before == 1:
		return nil, 0, nil
	}
	events := s.deps.Store.Read(ctx, es.NewStreamID(Category, sku), es.Range{
		Through: max(before-1, 0), Backwards: true, Limit: limit + 1,
	})
	for r, err := range events {
		e, ok := r.Data.(Restocked)
		if err == nil && !ok {
			err = fmt.Errorf("%w: %s is a %T, not a count", es.ErrCorrupt, r.ID(), r.Data)
		}
		if err != nil {
			return nil, 0, err
		}
		if last := len(counts) - 1; last >= 0 {
			counts[last].Left = e.Counted - counts[last].Before
		}
		if len(counts) == limit {
			return counts, counts[limit-1].Version, nil
		}
		counts = append(counts, Count{
			Version: r.Version, Time: r.Time, Before: e.Counted - e.Delta, Counted: e.Counted, Metadata: r.Metadata,
		})
	}
	if len(counts) == 0 && before == 0 {
		return nil, 0, ErrNotFound.New("nobody has counted %s", quote(sku))
	}
	return counts, 0, nil
}

// Waiting reads the line of a SKU and up to limit of those who stand in it behind a ticket, in
// their order. Nobody waits for a SKU that nobody knows.
func (s Service) Waiting(ctx context.Context, sku string, after int64, limit int) (Line, []Entry, error) {
	if limit < 1 || after < 0 {
		return Line{}, nil, fmt.Errorf("stock: no page has %d entries after ticket %d", limit, after)
	}
	if !ValidSKU(sku) {
		return Line{}, nil, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	}
	line, err := s.deps.Lines.Line(ctx, sku)
	if err != nil {
		return Line{}, nil, err
	}
	entries, err := s.deps.Lines.Entries(ctx, sku, after, limit)
	return line, entries, err
}
