package product

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orderflow/shared/clock"
	"orderflow/shared/es"
)

// Rows are what the streams fold to, a row a SKU. The effect is for the appends of one es.Store, which performs it together with the commit or not at all.
type Rows interface {
	// Put writes the product's row. The append is refused with an es.ErrConflict where the row's version is not before, 0 for no row.
	Put(p Product, before int64) es.Effect
	// Row reads a row, consistently with every append that was answered before. Without a row it gives the zero Product.
	Row(ctx context.Context, sku string) (Product, error)
	// Batch reads the rows that there are of at most MaxBatch SKUs, each named once, with one request, and more where the table is busy. Each row is consistent
	// with every append that was answered before. It is an es.ErrUnavailable where the table stays too busy.
	Batch(ctx context.Context, skus []string) ([]Product, error)
	// List gives rows in the order of their SKUs, as bytes compare: at most limit of those behind the SKU after, "" for the first ones. It may lag behind the
	// appends by moments.
	List(ctx context.Context, withdrawn bool, after string, limit int) ([]Product, error)
	// Mend writes the row of a product on its own, or takes it away where the product is one that nobody ever listed. It is an es.ErrConflict where the row's
	// version is not before, 0 for no row.
	Mend(ctx context.Context, sku string, p Product, before int64) error
}

// Deps is what the service works with.
type Deps struct {
	Store es.Store
	Clock clock.Clock // waits after a conflict; which price is in force is decided by the times that callers name
	Rows  Rows
}

// Service lists, reprices and withdraws products, and says what they cost.
type Service struct{ deps Deps }

// New makes the service.
func New(deps Deps) Service { return Service{deps: deps} }

// Match is the version that somebody decided on, as If-Match and If-None-Match tell it: 0 for a product that nobody has listed before.
type Match struct{ Version int64 }

// Set makes a product as desired: the prices that are named take the place of all that there were, scheduled ones included. match is the version that
// this was decided on; any other is ErrVersionMismatch. What the product is already changes nothing. ErrInvalidPrices and money.ErrCurrency name the price.
//
// A request that was carried out before, known by its commit id, is answered with the product while nobody has changed it since; later it is ErrVersionMismatch.
//
// However long the stream is, it costs a read of the row, one of the stream's last commit, and the transaction over both.
func (s Service) Set(ctx context.Context, req es.Request, sku string, want Desired, match Match) (Product, error) {
	switch {
	case !ValidSKU(sku):
		return Product{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	case match.Version < 0:
		return Product{}, ErrVersionRequired.New("name the version that this was decided on")
	case want.Withdrawn && len(want.Prices) > 0:
		return Product{}, ErrInvalidPrices.Field("body.prices", "a withdrawn product has no prices")
	}
	if !want.Withdrawn {
		if err := check(want.Prices); err != nil {
			return Product{}, err
		}
	}
	command := set{sku: sku, want: Desired{Withdrawn: want.Withdrawn, Prices: sorted(want.Prices)}}
	var product Product
	tries := 0
	err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) (err error) {
		tries++
		product, err = s.once(ctx, req, command, match.Version, tries > raceTries)
		return err
	})
	return product, err
}

// raceTries is how often row and stream may differ before that is taken for damage: while a transaction becomes visible, for moments, they may.
const raceTries = 4

// once is one try of Set. damaged says that row and stream may be of different times for good: then the stream counts, from its first event on, and the row
// is mended by what is written.
func (s Service) once(ctx context.Context, req es.Request, command set, want int64, damaged bool) (Product, error) {
	stream := es.NewStreamID(Category, command.sku)
	row, err := s.deps.Rows.Row(ctx, command.sku)
	if err != nil {
		return Product{}, fmt.Errorf("product: read row: %w", err)
	}
	product := row
	head, err := s.deps.Store.At(ctx, stream, row.Version)
	if errors.Is(err, es.ErrConflict) && damaged {
		product, head, err = s.fold(ctx, stream)
	}
	if err != nil {
		return Product{}, err
	}
	switch {
	case product.Version == want:
	case product.Version == want+1 && head.CommitID() == req.CommitID:
		return product, nil
	case want == 0:
		return Product{}, ErrVersionMismatch.New("%s was listed before: its version is %d", quote(command.sku), product.Version)
	default:
		return Product{}, ErrVersionMismatch.New("the version of %s is %d, not %d", quote(command.sku), product.Version, want)
	}
	events, err := Decider.Decide(command, product)
	if err != nil || len(events) == 0 {
		return product, err
	}
	commit := req.Commit(head)
	for _, e := range events {
		commit.Events = append(commit.Events, e)
		product = Evolve(product, e)
	}
	appended, err := s.deps.Store.Append(ctx, []es.Commit{commit}, s.deps.Rows.Put(product, row.Version))
	if err == nil && appended.Recognised { // an earlier try had arrived, and what it wrote is the answer
		err = &es.ConflictError{Stream: stream, Expected: want, Actual: appended.Heads[0].Version()}
	}
	return product, err
}

// fold folds the stream from its first event.
func (s Service) fold(ctx context.Context, stream es.StreamID) (Product, es.Head, error) {
	history, err := s.deps.Store.Load(ctx, stream, 0)
	if err != nil {
		return Product{}, es.Head{}, err
	}
	product, err := Decider.Fold(history)
	return product, history.Head, err
}

// Drift is a row that is not what its stream folds to.
type Drift struct {
	Row    Product // the zero Product where there is none
	Folded Product // the zero Product where the stream has no events
}

// Check compares a SKU's row with its stream, read from its first event, under changes. found says that they differ for good, and not since a change becomes visible.
func (s Service) Check(ctx context.Context, sku string) (drift Drift, found bool, err error) {
	return s.compare(ctx, sku, func(context.Context, Drift) error { return nil })
}

// Mend is Check, and makes the row what the stream folds to where they differ. A change that comes at the same time wins.
func (s Service) Mend(ctx context.Context, sku string) (drift Drift, found bool, err error) {
	return s.compare(ctx, sku, func(ctx context.Context, d Drift) error { return s.deps.Rows.Mend(ctx, sku, d.Folded, d.Row.Version) })
}

func (s Service) compare(ctx context.Context, sku string, mend func(context.Context, Drift) error) (d Drift, found bool, err error) {
	stream, tries := es.NewStreamID(Category, sku), 0
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) (err error) {
		tries++
		if d.Row, err = s.deps.Rows.Row(ctx, sku); err != nil {
			return fmt.Errorf("product: read row: %w", err)
		}
		if d.Folded, _, err = s.fold(ctx, stream); err != nil {
			return err
		}
		found = !same(d.Row, d.Folded)
		switch {
		case !found:
			return nil
		case tries <= raceTries:
			return &es.ConflictError{Stream: stream, Expected: d.Folded.Version, Actual: d.Row.Version}
		}
		return mend(ctx, d)
	})
	return d, found, err
}

func same(a, b Product) bool {
	return a.SKU == b.SKU && a.Version == b.Version && a.Withdrawn == b.Withdrawn && samePrices(a.Prices, b.Prices)
}

// Get reads a product: it always shows one's own write. ErrNotFound where nobody ever listed it.
func (s Service) Get(ctx context.Context, sku string) (Product, error) {
	if !ValidSKU(sku) {
		return Product{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	}
	row, err := s.deps.Rows.Row(ctx, sku)
	switch {
	case err != nil:
		return Product{}, fmt.Errorf("product: read row: %w", err)
	case !row.Known():
		return Product{}, ErrNotFound.New("nobody has listed %s", quote(sku))
	}
	return row, nil
}

// List gives products in the order of their SKUs: those that are for sale, or those that are withdrawn; at most limit of those behind the SKU after.
func (s Service) List(ctx context.Context, withdrawn bool, after string, limit int) ([]Product, error) {
	if limit < 1 {
		return nil, fmt.Errorf("product: no page has %d products", limit)
	}
	products, err := s.deps.Rows.List(ctx, withdrawn, after, limit)
	if err != nil {
		return nil, fmt.Errorf("product: list rows: %w", err)
	}
	return products, nil
}

// MaxBatch is how many different SKUs Offers takes.
const MaxBatch = 100

// Offers says what each SKU costs at a time, by its SKU. One that is not for sale then is left out: never listed, withdrawn, or without a price in force. It
// sees every change that was answered before. A SKU may be named more than once.
//
// The time is the caller's: who places an order names the moment at which it was placed, and whether a scheduled price is in force follows from that
// moment and from what the operator wrote, not from a second machine's clock.
func (s Service) Offers(ctx context.Context, skus []string, at time.Time) (map[string]Offer, error) {
	wanted := slices.Clone(skus)
	slices.Sort(wanted)
	wanted = slices.DeleteFunc(slices.Compact(wanted), func(sku string) bool { return !ValidSKU(sku) }) // nobody can have listed such a one
	offers := make(map[string]Offer, len(wanted))
	switch {
	case len(wanted) == 0:
		return offers, nil
	case len(wanted) > MaxBatch:
		return nil, fmt.Errorf("product: offers are read for at most %d SKUs, not for %d", MaxBatch, len(wanted))
	}
	rows, err := s.deps.Rows.Batch(ctx, wanted)
	if err != nil {
		return nil, fmt.Errorf("product: read rows: %w", err)
	}
	for _, row := range rows {
		if offer, found := row.Offer(at); found {
			offers[row.SKU] = offer
		}
	}
	return offers, nil
}
