package httpapi

import (
	"fmt"

	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// price is what one piece costs. Its limit is order.MaxUnitPrice.
type price struct {
	Amount   int64        `json:"amount" minimum:"0" maximum:"1000000000" doc:"Minor units, for example cents for USD and yen for JPY" example:"1999"`
	Currency currencyCode `json:"currency" example:"USD"`
}

func (p *price) money() *money.Money {
	if p == nil {
		return nil
	}
	return &money.Money{Amount: p.Amount, Currency: string(p.Currency)}
}

type orderLine struct {
	SKU       string      `json:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" example:"CD-0042"`
	Quantity  int64       `json:"quantity" minimum:"1" maximum:"100000" example:"2"`
	UnitPrice *price      `json:"unitPrice,omitempty" doc:"The price that the caller expects for one piece. Omit to accept the catalogue's price. From a caller who may set prices, it is the price."`
	Discount  *adjustment `json:"discount,omitempty" doc:"Subtracted from the line. For callers who may set prices."`
	Tax       *adjustment `json:"tax,omitempty" doc:"Added to the line: not a tax that the unit price includes. For callers who may set prices."`
	Amount    *lineAmount `json:"amount,omitempty" doc:"The line amount that the caller expects: quantity × unitPrice − discount + tax. A different amount is rejected. For callers who may set prices."`
}

// lineAmount is a part of a line, or the whole of it. Its limit is order.MaxTotal.
type lineAmount struct {
	Amount   int64        `json:"amount" minimum:"0" maximum:"1000000000000" doc:"Minor units, for the whole line" example:"192"`
	Currency currencyCode `json:"currency" example:"USD"`
}

func (a *lineAmount) money() *money.Money {
	if a == nil {
		return nil
	}
	return &money.Money{Amount: a.Amount, Currency: string(a.Currency)}
}

type adjustment struct {
	Name    string     `json:"name" minLength:"1" maxLength:"64" doc:"A name for people. It is stored and published permanently: don't include personal data." example:"Sales tax"`
	Amount  lineAmount `json:"amount"`
	RatePPM *int64     `json:"ratePpm,omitempty" minimum:"0" maximum:"1000000" doc:"The rate behind the amount, in parts per million: 88750 means 8.875 %. It is shown only; nothing is computed from it." example:"88750"`
}

type lineAnswer struct {
	SKU       string            `json:"sku"`
	Quantity  int64             `json:"quantity"`
	UnitPrice money.Money       `json:"unitPrice"`
	Discount  *adjustmentAnswer `json:"discount,omitempty"`
	Tax       *adjustmentAnswer `json:"tax,omitempty"`
	Amount    money.Money       `json:"amount" doc:"Line amount: quantity × unitPrice − discount + tax"`
}

type adjustmentAnswer struct {
	Name    string      `json:"name"`
	Amount  money.Money `json:"amount" doc:"For the whole line"`
	RatePPM *int64      `json:"ratePpm,omitempty" doc:"The rate behind the amount, in parts per million"`
}

// price fills in what an order's lines are to cost, and who says so.
func (b placeOrderBody) price(id identity, place *order.PlaceInput) error {
	if id.namesPrices() {
		place.NamedBy = id.actor()
	}
	place.Lines = make([]order.LineInput, len(b.Lines))
	var err error
	for i, l := range b.Lines {
		if place.Lines[i], err = l.input(id, i); err != nil {
			return err
		}
	}
	if place.Currency, err = order.Currency(string(b.Currency), place.Lines); err != nil {
		return err
	}
	place.AccountID = account.ID(place.CustomerID, place.Currency)
	return nil
}

// input is the line of that place in the order's terms.
func (l orderLine) input(id identity, place int) (order.LineInput, error) {
	if field := l.adjusts(); field != "" && !id.namesPrices() {
		return order.LineInput{}, ErrForbidden.Field(
			fmt.Sprintf("body.lines[%d].%s", place, field), "allowed only for callers who may set prices; omit it",
		)
	}
	return order.LineInput{
		SKU: l.SKU, Quantity: l.Quantity, UnitPrice: l.UnitPrice.money(),
		Discount: l.Discount.domain(), Tax: l.Tax.domain(), Amount: l.Amount.money(),
	}, nil
}

// adjusts names the first field of those that only callers who may name prices send, "" for none.
func (l orderLine) adjusts() string {
	switch {
	case l.Discount != nil:
		return "discount"
	case l.Tax != nil:
		return "tax"
	case l.Amount != nil:
		return "amount"
	}
	return ""
}

func (a *adjustment) domain() *order.Adjustment {
	if a == nil {
		return nil
	}
	return &order.Adjustment{Name: a.Name, Amount: *a.Amount.money(), RatePPM: a.RatePPM}
}

func answerAdjustment(a *order.Adjustment) *adjustmentAnswer {
	if a == nil {
		return nil
	}
	return &adjustmentAnswer{Name: a.Name, Amount: a.Amount, RatePPM: a.RatePPM}
}

func answerLines(lines []order.Line) ([]lineAnswer, error) {
	out := make([]lineAnswer, len(lines))
	for i, l := range lines {
		amount, err := l.Amount()
		if err != nil {
			return nil, fmt.Errorf("httpapi: line %d of a stored order: %w", i, err)
		}
		out[i] = lineAnswer{
			SKU: l.SKU, Quantity: l.Quantity, UnitPrice: l.UnitPrice,
			Discount: answerAdjustment(l.Discount), Tax: answerAdjustment(l.Tax), Amount: amount,
		}
	}
	return out, nil
}
