package product

import (
	"context"
	"fmt"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
)

// Kind says what a change did.
type Kind string

// The kinds.
const (
	KindListed    Kind = "listed"
	KindRepriced  Kind = "repriced"
	KindWithdrawn Kind = "withdrawn"
)

// Change is what somebody changed of a product, as its history shows it.
type Change struct {
	Version    int64 // of the product from then on
	Time       time.Time
	Kind       Kind
	Prices     []Price          // all that there were from then on
	OutOfStock goods.OutOfStock // "" for reject
	Reason     string           // "" where nobody gave one
	Metadata   es.Metadata      // of its event: who changed it
}

// History lists the changes of a product whose version is below before, newest first, at most limit
// of them; before 0 begins with the newest. next is before of the next page, 0 on the last one. A
// page reads what it shows and one event more, however many there are. A limit below 1 or a before
// below 0 is an error of the caller's program. ErrNotFound where the product was never listed.
func (s Service) History(
	ctx context.Context, sku string, before int64, limit int,
) (changes []Change, next int64, err error) {
	switch {
	case limit < 1 || before < 0:
		return nil, 0, fmt.Errorf("product: no page has %d changes before version %d", limit, before)
	case !ValidSKU(sku):
		return nil, 0, ErrNotFound.New("no SKU has the form of %s", quote(sku))
	case before == 1:
		return nil, 0, nil
	}
	events := s.deps.Store.Read(ctx, es.NewStreamID(Category, sku), es.Range{
		Through: max(before-1, 0), Backwards: true, Limit: limit + 1,
	})
	for r, err := range events {
		if err != nil {
			return nil, 0, err
		}
		if len(changes) == limit {
			return changes, changes[limit-1].Version, nil
		}
		c, err := changeOf(r)
		if err != nil {
			return nil, 0, err
		}
		changes = append(changes, c)
	}
	if len(changes) == 0 && before == 0 {
		return nil, 0, ErrNotFound.New("nobody has listed %s", quote(sku))
	}
	return changes, 0, nil
}

func changeOf(r es.Recorded) (Change, error) {
	c := Change{Version: r.Version, Time: r.Time, Metadata: r.Metadata}
	switch e := r.Data.(type) {
	case Listed:
		c.Kind, c.Prices, c.OutOfStock, c.Reason = KindListed, e.Prices, e.OutOfStock, e.Reason
	case Repriced:
		c.Kind, c.Prices, c.OutOfStock, c.Reason = KindRepriced, e.Prices, e.OutOfStock, e.Reason
	case Withdrawn:
		c.Kind, c.Reason = KindWithdrawn, e.Reason
	default:
		return Change{}, fmt.Errorf("%w: %s is a %T, not an event of a product", es.ErrCorrupt, r.ID(), r.Data)
	}
	return c, nil
}
