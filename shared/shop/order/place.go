package order

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/shipment"
)

// Prices says what is for sale, and for how much.
type Prices interface {
	// Offers reads what each SKU costs at a time, consistently with every change that was answered
	// before. A SKU that is not for sale is left out.
	Offers(ctx context.Context, skus []string, at time.Time) (map[string]product.Offer, error)
}

// PlaceInput is an order as a caller gives it.
type PlaceInput struct {
	OrderID    string
	CustomerID string
	AccountID  string // the customer's in Currency
	Currency   string // of every amount: see Currency
	Lines      []LineInput
	// NamedBy is the actor who may name prices, discounts and taxes. "" for anybody else: then a
	// unit price that is given is the one that the caller expects.
	NamedBy string
	// OutOfStock is what becomes of the order where stock is short; "" for what its products say.
	OutOfStock goods.OutOfStock
	Address    shipment.Address
}

// LineInput is a line as a caller gives it.
type LineInput struct {
	SKU       string
	Quantity  int64
	UnitPrice *money.Money // nil for what the catalogue says
	Discount  *Adjustment
	Tax       *Adjustment
	Amount    *money.Money // what the caller takes the line to come to, nil where they don't say
}

// LinePrice is what the catalogue asks for a piece of a line.
type LinePrice struct {
	Line      int // from 0
	SKU       string
	UnitPrice money.Money
}

// PriceChangedError is an ErrPriceChanged with the present price of each line.
type PriceChangedError struct {
	*faults.Several // the lines whose price is another one
	Lines           []LinePrice
}

// Unwrap gives the fault.
func (e *PriceChangedError) Unwrap() error { return e.Several }

// Currency finds the one currency of an order: the one that is stated, or the first price's. All
// that are given have to agree. ErrCurrencyMissing where there is none.
func Currency(stated string, lines []LineInput) (string, error) {
	currency := stated
	if stated != "" {
		if err := money.CheckCurrency(stated); err != nil {
			return "", at(err, "body.currency")
		}
	}
	for i, l := range lines {
		if l.UnitPrice == nil {
			continue
		}
		if err := money.CheckCurrency(l.UnitPrice.Currency); err != nil {
			return "", at(err, lineField(i, "unitPrice.currency"))
		}
		if currency == "" {
			currency = l.UnitPrice.Currency
		}
		if l.UnitPrice.Currency != currency {
			return "", money.ErrMixedCurrency.Field(lineField(i, "unitPrice"),
				"the order is in %s, and this price in %s", currency, l.UnitPrice.Currency)
		}
	}
	if currency == "" {
		return "", ErrCurrencyMissing.Field("body.currency", "name the currency where no line names a unit price")
	}
	return currency, nil
}

// Place orders. Everything that can be refused is refused before anything is written, and the
// request's key is free again. The catalogue is read once, for all lines together, and what it says
// stands in the order for ever: a request that was carried out before is answered from what is
// stored, whatever its products cost by now.
//
// ErrNotForSale names each line whose SKU nobody sells in the order's currency; a price that the
// caller expects and that is another one is a *PriceChangedError. A caller who may name prices
// sells what is listed, and nothing else.
//
// personal.ErrErased where the customer was erased, also to a request that was carried out before.
// The request's fingerprint is stored as one under the customer's key, since it follows from the
// address.
func (s Service) Place(ctx context.Context, req es.Request, in PlaceInput) (es.Result[State], error) {
	if err := checkShape(in.unpriced()); err != nil {
		return es.Result[State]{}, err
	}
	if err := in.Address.Validate(); err != nil {
		return es.Result[State]{}, err
	}
	known, err := s.deps.Customers.Registered(ctx, in.CustomerID)
	if err != nil {
		return es.Result[State]{}, fmt.Errorf("order: look up customer: %w", err)
	}
	if !known {
		return es.Result[State]{}, ErrUnknownCustomer.Field("body.customerId", "the customer is not registered")
	}
	plain, err := json.Marshal(in.Address)
	if err != nil {
		return es.Result[State]{}, fmt.Errorf("order: encode address: %w", err)
	}
	address, err := s.deps.Vault.Seal(ctx, in.CustomerID, AddressField, plain)
	if err != nil {
		return es.Result[State]{}, fmt.Errorf("order: seal address: %w", err)
	}
	if req.Fingerprint, err = s.deps.Vault.Fingerprint(ctx, in.CustomerID, req.Fingerprint); err != nil {
		return es.Result[State]{}, fmt.Errorf("order: fingerprint request: %w", err)
	}
	return s.handler.Create(ctx, in.OrderID, req, func(ctx context.Context, placed State) (Command, error) {
		place := Place{
			OrderID: in.OrderID, CustomerID: in.CustomerID, AccountID: in.AccountID, PricedBy: in.pricedBy(),
			Address: address, Now: req.Time,
		}
		if placed.Exists() { // under another key: nothing is decided any more
			return place, nil
		}
		if place.Lines, place.OutOfStock, err = s.priced(ctx, in, req.Time); err == nil {
			place.HoldRules, err = s.matched(ctx, in, place.Lines)
		}
		return place, err
	})
}

// unpriced are the lines without anything that is paid.
func (in PlaceInput) unpriced() []Line {
	lines := make([]Line, len(in.Lines))
	for i, l := range in.Lines {
		lines[i] = Line{SKU: l.SKU, Quantity: l.Quantity}
	}
	return lines
}

// pricedBy is who decides on what is paid.
func (in PlaceInput) pricedBy() string {
	for _, l := range in.Lines {
		if in.NamedBy != "" && (l.UnitPrice != nil || l.Discount != nil || l.Tax != nil) {
			return in.NamedBy
		}
	}
	return PricedByCatalogue
}

// priced makes the order's lines of what the caller gives and of what the catalogue says at a time.
// policy is what becomes of the order where stock is short: what its strictest product says, unless
// the caller does.
func (s Service) priced(
	ctx context.Context, in PlaceInput, now time.Time,
) (lines []Line, policy goods.OutOfStock, err error) {
	skus := make([]string, len(in.Lines))
	for i, l := range in.Lines {
		skus[i] = l.SKU
	}
	offers, err := s.deps.Prices.Offers(ctx, skus, now)
	if err != nil {
		return nil, "", fmt.Errorf("order: read prices: %w", err)
	}
	lines, policy = in.unpriced(), goods.Lenient()
	current := make([]LinePrice, len(lines))
	var unsold, changed []faults.Place
	for i, l := range in.Lines {
		offer, listed := offers[l.SKU]
		policy = policy.Stricter(offer.OutOfStock)
		price, offered := offer.Price(in.Currency)
		current[i] = LinePrice{Line: i, SKU: l.SKU, UnitPrice: price}
		lines[i].UnitPrice, lines[i].ProductVersion = price, offer.Version
		lines[i].Discount, lines[i].Tax = l.Discount, l.Tax
		switch named := l.UnitPrice != nil && in.NamedBy != ""; {
		case !listed:
			unsold = append(unsold, faults.Place{Field: lineField(i, "sku"), Detail: l.SKU + " is not for sale"})
		case named:
			lines[i].UnitPrice, lines[i].ProductVersion = *l.UnitPrice, 0
		case !offered:
			unsold = append(unsold, faults.Place{
				Field: lineField(i, "sku"), Detail: fmt.Sprintf("%s has no price in %s", l.SKU, in.Currency),
			})
		case l.UnitPrice != nil && *l.UnitPrice != price:
			changed = append(changed, faults.Place{
				Field:  lineField(i, "unitPrice"),
				Detail: fmt.Sprintf("%s costs %s, and not %s", l.SKU, price, *l.UnitPrice),
			})
		}
	}
	if len(unsold) > 0 {
		return nil, "", ErrNotForSale.Several(unsold)
	}
	if len(changed) > 0 {
		return nil, "", &PriceChangedError{Several: ErrPriceChanged.Several(changed), Lines: current}
	}
	return lines, cmp.Or(in.OutOfStock, policy), in.agrees(lines)
}

// agrees compares what lines come to with what the caller takes them to come to.
func (in PlaceInput) agrees(lines []Line) error {
	var wrong []faults.Place
	for i, l := range lines {
		amount, err := l.checked()
		if err != nil {
			return within(err, i)
		}
		if expected := in.Lines[i].Amount; expected != nil && *expected != amount {
			wrong = append(wrong, faults.Place{
				Field:  lineField(i, "amount"),
				Detail: fmt.Sprintf("quantity × unit price − discount + tax is %s, and not %s", amount, *expected),
			})
		}
	}
	if len(wrong) > 0 {
		return ErrInvalidLines.Several(wrong)
	}
	return nil
}
