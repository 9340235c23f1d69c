package order

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/product"
)

// AmendLine is a line that an order is to have.
type AmendLine struct {
	LineInput
	// Of is the place of the line that this one continues, from 0, in the version that is amended.
	// nil for the first of the same SKU that nothing else continues, and a new line where there is
	// none.
	Of *int
}

func unpriced(lines []AmendLine) []Line {
	out := make([]Line, len(lines))
	for i, l := range lines {
		out[i] = Line{SKU: l.SKU, Quantity: l.Quantity}
	}
	return out
}

// isNew is the place of a line that continues none.
const isNew = -1

// continued finds the line of an order that each of those continues which it is to have.
func continued(present []Line, wanted []AmendLine) ([]int, error) {
	of, taken := make([]int, len(wanted)), make([]bool, len(present))
	for i, w := range wanted {
		if of[i] = isNew; w.Of == nil {
			continue
		}
		at := *w.Of
		switch {
		case at < 0 || at >= len(present):
			return nil, ErrInvalidLines.Field(
				lineField(i, "line"), "the order has lines 0 to %d, not %d", len(present)-1, at,
			)
		case taken[at]:
			return nil, ErrInvalidLines.Field(lineField(i, "line"), "line %d is continued twice", at)
		case present[at].SKU != w.SKU:
			return nil, ErrInvalidLines.Field(
				lineField(i, "sku"), "line %d is of %s, and not of %s", at, present[at].SKU, w.SKU,
			)
		}
		of[i], taken[at] = at, true
	}
	for i, w := range wanted {
		if w.Of != nil {
			continue
		}
		for at, l := range present {
			if !taken[at] && l.SKU == w.SKU {
				of[i], taken[at] = at, true
				break
			}
		}
	}
	return of, nil
}

// names reports whether somebody who may name prices does so on a line.
func (in AmendInput) names(l AmendLine) bool {
	return in.NamedBy != "" && (l.UnitPrice != nil || l.Discount != nil || l.Tax != nil)
}

// amendedLines are the lines that an order is to have, and whose prices they have then.
//
// A line that stays keeps its price, with its discount and tax; of a smaller one, both are smaller
// in proportion. Pieces that are added have the catalogue's price, and no discount or tax: they are
// a line of their own where that is another price. A line on which a caller names something who may
// is as they name it. A unit price that any other caller gives is the one that they expect: of the
// pieces that are added, or else of those that stay.
func (s Service) amendedLines(
	ctx context.Context, state State, in AmendInput, now time.Time,
) (lines []Line, pricedBy string, err error) {
	of, err := continued(state.Lines, in.Lines)
	if err != nil {
		return nil, "", err
	}
	offers, err := s.offersFor(ctx, state, in, of, now)
	if err != nil {
		return nil, "", err
	}
	pricing := amendPricing{currency: state.Total.Currency, offers: offers}
	pricedBy = state.PricedBy
	made := make([][]Line, len(in.Lines))
	for i, w := range in.Lines {
		switch {
		case in.names(w):
			pricedBy = in.NamedBy
			made[i] = []Line{pricing.named(i, w, state.Lines, of[i])}
		case of[i] == isNew:
			made[i] = []Line{pricing.added(i, w, w.Quantity)}
		default:
			made[i], err = pricing.kept(i, w, state.Lines[of[i]])
		}
		if err != nil {
			return nil, "", within(err, i)
		}
	}
	if err := pricing.refusal(); err != nil {
		return nil, "", err
	}
	for i, w := range in.Lines {
		if err := agree(i, w.Amount, made[i]); err != nil {
			return nil, "", err
		}
	}
	return slices.Concat(made...), pricedBy, nil
}

// offersFor reads what the catalogue says of the SKUs of which pieces are added, with one read, and
// with none where there are no such.
func (s Service) offersFor(
	ctx context.Context, state State, in AmendInput, of []int, now time.Time,
) (map[string]product.Offer, error) {
	var skus []string
	for i, w := range in.Lines {
		if of[i] != isNew && w.Quantity <= state.Lines[of[i]].Quantity {
			continue
		}
		if in.NamedBy == "" && state.PricedBy != PricedByCatalogue {
			return nil, ErrPricesNamed.Field(lineField(i, "quantity"),
				"the prices of this order are not the catalogue's: a caller who may set prices adds pieces to it")
		}
		if !slices.Contains(skus, w.SKU) {
			skus = append(skus, w.SKU)
		}
	}
	if len(skus) == 0 {
		return nil, nil
	}
	offers, err := s.deps.Prices.Offers(ctx, skus, now)
	if err != nil {
		return nil, fmt.Errorf("order: read prices: %w", err)
	}
	return offers, nil
}

// amendPricing makes lines, and notes what keeps them from being made.
type amendPricing struct {
	currency        string
	offers          map[string]product.Offer
	unsold, changed []faults.Place
	current         []LinePrice
}

// price is what the catalogue asks for a piece. Who names the price needs it listed alone.
func (p *amendPricing) price(i int, sku string, named *money.Money) (money.Money, int64) {
	offer, listed := p.offers[sku]
	price, offered := offer.Price(p.currency)
	switch {
	case !listed:
		p.unsold = append(p.unsold, faults.Place{Field: lineField(i, "sku"), Detail: sku + " is not for sale"})
	case named != nil:
		return *named, 0
	case !offered:
		p.unsold = append(p.unsold, faults.Place{
			Field: lineField(i, "sku"), Detail: fmt.Sprintf("%s has no price in %s", sku, p.currency),
		})
	}
	return price, offer.Version
}

// expect notes what a piece costs, and that the caller expects another price, where they do.
func (p *amendPricing) expect(i int, w AmendLine, price money.Money) {
	p.current = append(p.current, LinePrice{Line: i, SKU: w.SKU, UnitPrice: price})
	if w.UnitPrice != nil && *w.UnitPrice != price {
		p.changed = append(p.changed, faults.Place{
			Field:  lineField(i, "unitPrice"),
			Detail: fmt.Sprintf("%s costs %s, and not %s", w.SKU, price, *w.UnitPrice),
		})
	}
}

// added is a line of pieces that the order did not have.
func (p *amendPricing) added(i int, w AmendLine, quantity int64) Line {
	price, version := p.price(i, w.SKU, nil)
	p.expect(i, w, price)
	return Line{SKU: w.SKU, Quantity: quantity, UnitPrice: price, ProductVersion: version}
}

// kept is a line that stays, with what is added to it.
func (p *amendPricing) kept(i int, w AmendLine, line Line) ([]Line, error) {
	if w.Quantity <= line.Quantity {
		p.expect(i, w, line.UnitPrice)
		reduced, err := line.reducedTo(w.Quantity)
		return []Line{reduced}, err
	}
	more := p.added(i, w, w.Quantity-line.Quantity)
	if more.UnitPrice == line.UnitPrice && line.Discount == nil && line.Tax == nil {
		line.Quantity = w.Quantity
		return []Line{line}, nil
	}
	return []Line{line, more}, nil
}

// named is a line as a caller names it who may. A piece costs what the present line says, or else
// the catalogue, where they don't.
func (p *amendPricing) named(i int, w AmendLine, present []Line, of int) Line {
	line := Line{SKU: w.SKU, Quantity: w.Quantity, Discount: w.Discount, Tax: w.Tax}
	if of == isNew {
		line.UnitPrice, line.ProductVersion = p.price(i, w.SKU, w.UnitPrice)
		return line
	}
	line.UnitPrice, line.ProductVersion = present[of].UnitPrice, present[of].ProductVersion
	if w.UnitPrice != nil {
		line.UnitPrice, line.ProductVersion = *w.UnitPrice, 0
	}
	if w.Quantity > present[of].Quantity {
		p.price(i, w.SKU, &line.UnitPrice) // it has to be listed
	}
	return line
}

// refusal names each line that can't be made.
func (p *amendPricing) refusal() error {
	if len(p.unsold) > 0 {
		return ErrNotForSale.Several(p.unsold)
	}
	if len(p.changed) > 0 {
		return &PriceChangedError{Several: ErrPriceChanged.Several(p.changed), Lines: p.current}
	}
	return nil
}

// agree compares what lines come to with what the caller takes them to come to.
func agree(i int, expected *money.Money, made []Line) error {
	var sum money.Money
	for _, l := range made {
		amount, err := l.checked()
		if err == nil {
			sum, err = sum.Add(amount)
		}
		if err != nil {
			return within(err, i)
		}
	}
	if expected != nil && *expected != sum {
		return ErrInvalidLines.Field(
			lineField(i, "amount"), "quantity × unit price − discount + tax is %s, and not %s", sum, *expected,
		)
	}
	return nil
}

// reducedTo is the line with fewer pieces: its discount and its tax are for those that stay.
func (l Line) reducedTo(quantity int64) (Line, error) {
	var err error
	if l.Discount, err = l.Discount.share(quantity, l.Quantity); err != nil {
		return l, at(err, "discount.amount")
	}
	if l.Tax, err = l.Tax.share(quantity, l.Quantity); err != nil {
		return l, at(err, "tax.amount")
	}
	l.Quantity = quantity
	return l, nil
}

// share is the part of an adjustment that is for some of a line's pieces.
func (a *Adjustment) share(pieces, of int64) (*Adjustment, error) {
	if a == nil || pieces == of {
		return a, nil
	}
	part := *a
	var err error
	part.Amount, err = a.Amount.Share(pieces, of)
	return &part, err
}
