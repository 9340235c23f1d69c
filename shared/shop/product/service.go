package product

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/wiring"
)

// Rows hold the state of each product, one row per SKU. An effect is for the appends of one
// es.Store, which performs it together with the commit or not at all.
type Rows interface {
	// Put writes the product's row. It is an es.ErrConflict if the version of the present row is
	// not before; 0 stands for no row.
	Put(p Product, before int64) es.Effect
	// Row reads a row, consistently with every append that was answered before. It is the zero
	// Product if there is none.
	Row(ctx context.Context, sku string) (Product, error)
	// Batch reads the rows of at most MaxBatch SKUs, each named once, with one request, or more if
	// the table is busy. SKUs without a row are left out. Each row is consistent with every append
	// that was answered before. It is an es.ErrUnavailable if the table stays busy.
	Batch(ctx context.Context, skus []string) ([]Product, error)
	// List reads at most limit rows whose SKU follows after, in the order of their SKUs' bytes. It
	// may lag behind the appends by moments.
	List(ctx context.Context, withdrawn bool, after string, limit int) ([]Product, error)
	// Mend writes a product's row outside of an append, or deletes it if the product was never
	// listed. It is an es.ErrConflict if the version of the present row is not before; 0 stands
	// for no row.
	Mend(ctx context.Context, sku string, p Product, before int64) error
}

// Deps is what the service works with.
type Deps struct {
	Store es.Store    `wiring:"optional"` // who only reads needs none
	Clock clock.Clock // for waits after a conflict; callers name the time at which a price must be in force
	Rows  Rows
}

// Service lists, reprices and withdraws products, and says what they cost.
type Service struct{ deps Deps }

// New makes the service.
func New(deps Deps) Service { return Service{deps: wiring.Complete(deps)} }

// Match is the version that a change was decided on (If-Match). 0 stands for a product that was
// never listed (If-None-Match: *).
type Match struct{ Version int64 }

// Set brings a product into the desired state. The desired prices replace all that there were,
// scheduled ones included; a state that is there already writes nothing. ErrVersionMismatch if the
// product's version is not match. ErrInvalidPrices and money.ErrCurrency name the price.
//
// A duplicate of a request, known by its commit id, is answered like the first one until somebody
// changes the product; after that it is ErrVersionMismatch.
//
// It costs three requests, however long the stream is: the row, the stream's last commit, and the
// transaction that writes both. A product that was never listed is nearly always new: it is written
// without a read, and the transaction's conditions tell where it is not.
func (s Service) Set(ctx context.Context, req es.Request, sku string, want Desired, match Match) (Product, error) {
	switch {
	case !ValidSKU(sku):
		return Product{}, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	case match.Version < 0:
		return Product{}, ErrVersionRequired.New("name the version that this was decided on")
	}
	if !want.Withdrawn || len(want.Prices) > 0 {
		if err := check(want.Prices); err != nil {
			return Product{}, err
		}
	}
	if want.Withdrawn && len(want.Prices) > 0 {
		return Product{}, ErrInvalidPrices.Field("body.prices", "a withdrawn product has no prices")
	}
	command := set{sku: sku, want: Desired{
		Withdrawn: want.Withdrawn, Prices: sorted(want.Prices), OutOfStock: want.OutOfStock.Stored(),
		Reason: want.Reason,
	}}
	var product Product
	tries, taken := 0, match.Version == 0 && !want.Withdrawn // taken for new
	err := es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) (err error) {
		if taken {
			taken = false
			product, err = s.write(ctx, req, command, present{head: es.Empty(es.NewStreamID(Category, sku))})
			return err
		}
		tries++
		product, err = s.once(ctx, req, command, match.Version, tries > raceTries)
		return err
	})
	return product, err
}

// present is a product with its stream's end, and the version of its row.
type present struct {
	Product
	head es.Head
	row  int64
}

// raceTries is how many tries may find row and stream at different versions before that counts as
// damage. Both become visible within moments of each other. If a try mistakes such a moment for
// damage, its answer is right all the same: it decides on the events.
const raceTries = 4

// once is one try of Set. If damaged is true, row and stream may differ for good, as after a
// restore. Then the try decides on the events, from the first one, and what it writes mends the
// row.
func (s Service) once(ctx context.Context, req es.Request, command set, want int64, damaged bool) (Product, error) {
	stream := es.NewStreamID(Category, command.sku)
	row, err := s.deps.Rows.Row(ctx, command.sku)
	if err != nil {
		return Product{}, fmt.Errorf("product: read row: %w", err)
	}
	p := present{Product: row, row: row.Version}
	p.head, err = s.deps.Store.At(ctx, stream, row.Version)
	if errors.Is(err, es.ErrConflict) && damaged {
		p.Product, p.head, err = s.fold(ctx, stream)
	}
	if err != nil {
		return Product{}, err
	}
	switch {
	case p.Version == want:
		return s.write(ctx, req, command, p)
	case p.Version == want+1 && p.head.CommitID() == req.CommitID:
		return p.Product, nil
	case want == 0:
		return Product{}, ErrVersionMismatch.New(
			"%s was listed before: its version is %d", quote(command.sku), p.Version,
		)
	default:
		return Product{}, ErrVersionMismatch.New(
			"the version of %s is %d, not %d", quote(command.sku), p.Version, want,
		)
	}
}

// write decides on the present product and appends what follows.
func (s Service) write(ctx context.Context, req es.Request, command set, p present) (Product, error) {
	product := p.Product
	events, err := Decider.Decide(command, product)
	if err != nil || len(events) == 0 {
		return product, err
	}
	commit := req.Commit(p.head)
	for _, e := range events {
		commit.Events = append(commit.Events, e)
		product = Evolve(product, e)
	}
	appended, err := s.deps.Store.Append(ctx, []es.Commit{commit}, s.deps.Rows.Put(product, p.row))
	if err == nil && appended.Recognised { // by an earlier try, which decides the answer
		err = &es.ConflictError{
			Stream: p.head.Stream(), Expected: p.head.Version(), Actual: appended.Heads[0].Version(),
		}
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

// Drift is a row that differs from the fold of its stream.
type Drift struct {
	Row    Product `json:"row"`    // the zero Product where there is none
	Folded Product `json:"folded"` // the zero Product where the stream has no events
}

// Check compares a SKU's row with the fold of its stream, while both may change. found is true if
// they differ for good, and not only while a change becomes visible. It reads the whole stream.
func (s Service) Check(ctx context.Context, sku string) (drift Drift, found bool, err error) {
	return s.compare(ctx, sku, func(context.Context, Drift) error { return nil })
}

// Mend is Check, and corrects a row that differs. A change that is made at the same time wins.
func (s Service) Mend(ctx context.Context, sku string) (drift Drift, found bool, err error) {
	return s.compare(ctx, sku, func(ctx context.Context, d Drift) error {
		return s.deps.Rows.Mend(ctx, sku, d.Folded, d.Row.Version)
	})
}

func (s Service) compare(
	ctx context.Context, sku string, mend func(context.Context, Drift) error,
) (d Drift, found bool, err error) {
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
	return a.SKU == b.SKU && a.Version == b.Version && a.Withdrawn == b.Withdrawn && a.OutOfStock == b.OutOfStock &&
		samePrices(a.Prices, b.Prices)
}

// Get reads a product. It sees every change that was answered before. ErrNotFound if it was never
// listed.
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

// List reads at most limit products whose SKU follows after, in the order of their SKUs: those for
// sale, or those that are withdrawn.
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

// Offers gives what each SKU costs at a time, by SKU. It leaves out what is not for sale then:
// never listed, withdrawn, or without a price in force. A SKU may be named more than once. Each
// offer is consistent with every change that was answered before.
//
// The caller names the time: the one at which the order is placed, by the clock that stamps the
// order. It is compared with the validFrom that an operator wrote, and with no other machine's
// clock.
func (s Service) Offers(ctx context.Context, skus []string, at time.Time) (map[string]Offer, error) {
	wanted := slices.Clone(skus)
	slices.Sort(wanted)
	// Nobody can have listed a SKU of another form.
	wanted = slices.DeleteFunc(slices.Compact(wanted), func(sku string) bool { return !ValidSKU(sku) })
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
