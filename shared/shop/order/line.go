package order

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
)

// Limits of a line's discount and tax.
const (
	MaxAdjustmentName = 64        // characters
	MaxRatePPM        = 1_000_000 // all of it
)

// PricedByCatalogue is the PricedBy of an order whose prices all come from the catalogue.
const PricedByCatalogue = "catalogue"

// Line is one line of an order. The same SKU may stand on several lines.
type Line struct {
	SKU       string      `json:"sku"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unitPrice"`
	// ProductVersion is the version of the product whose price this is. 0 where the caller named
	// the price, and in events of releases without a catalogue.
	ProductVersion int64       `json:"productVersion,omitempty"`
	Discount       *Adjustment `json:"discount,omitempty"` // taken off
	Tax            *Adjustment `json:"tax,omitempty"`      // added: not one that the unit price includes
}

// Adjustment is a line's discount or tax: for the whole line, and not for each piece.
type Adjustment struct {
	Name   string      `json:"name"` // for people: "Spring sale", "VAT"
	Amount money.Money `json:"amount"`
	// RatePPM says for people which rate the amount comes from, in parts per million: 88,750 is
	// 8.875 %. Nothing is computed from it (decisions/0053). nil where the amount comes from none.
	RatePPM *int64 `json:"ratePpm,omitempty"`
}

// Amount is what the line comes to: quantity × unit price − discount + tax, from 0 on. No other
// code multiplies a quantity by a price. A fault names its field as the line has it
// ("discount.amount").
func (l Line) Amount() (money.Money, error) {
	amount, err := l.UnitPrice.Times(l.Quantity)
	if err != nil {
		return money.Money{}, at(err, "unitPrice")
	}
	if l.Discount != nil {
		off := l.Discount.Amount
		if off.Amount < 0 || off.Amount > amount.Amount {
			return money.Money{}, ErrInvalidLines.Field("discount.amount.amount",
				"a discount is 0 to the price of the line's pieces, %d minor units, not %d", amount.Amount, off.Amount)
		}
		off.Amount = -off.Amount
		if amount, err = plus(amount, off); err != nil {
			return money.Money{}, at(err, "discount.amount")
		}
	}
	if l.Tax != nil {
		if l.Tax.Amount.Amount < 0 {
			return money.Money{}, ErrInvalidLines.Field("tax.amount.amount",
				"a tax is 0 minor units or more, not %d", l.Tax.Amount.Amount)
		}
		if amount, err = plus(amount, l.Tax.Amount); err != nil {
			return money.Money{}, at(err, "tax.amount")
		}
	}
	return amount, nil
}

// plus adds two amounts of one currency. To Add alone, an amount without a currency is nothing, and
// fits every other.
func plus(a, b money.Money) (money.Money, error) {
	if a.Currency != b.Currency {
		return money.Money{}, money.ErrMixedCurrency.New("%q and %q can't be added", a.Currency, b.Currency)
	}
	return a.Add(b)
}

// Total checks the lines and adds up what they come to: one currency, 0 to MaxTotal.
func Total(lines []Line) (money.Money, error) {
	if err := checkShape(lines); err != nil {
		return money.Money{}, err
	}
	var total money.Money
	for i, l := range lines {
		amount, err := l.checked()
		if err != nil {
			return money.Money{}, within(err, i)
		}
		if total, err = total.Add(amount); err != nil {
			return money.Money{}, within(at(err, "unitPrice"), i)
		}
	}
	if total.Amount > MaxTotal {
		return money.Money{}, ErrInvalidLines.Field("body.lines",
			"an order comes to at most %d minor units, this one to %d", int64(MaxTotal), total.Amount)
	}
	return total, nil
}

// checkShape checks what doesn't depend on prices.
func checkShape(lines []Line) error {
	if len(lines) == 0 {
		return ErrInvalidLines.Field("body.lines", "an order has at least one line")
	}
	if len(lines) > MaxLines {
		return ErrInvalidLines.Field(
			"body.lines", "an order has at most %d lines, this one has %d", MaxLines, len(lines),
		)
	}
	skus := map[string]bool{}
	for i, l := range lines {
		if l.SKU == "" {
			return ErrInvalidLines.Field(lineField(i, "sku"), "a line names a SKU")
		}
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return ErrInvalidLines.Field(
				lineField(i, "quantity"), "a quantity is 1 to %d, not %d", MaxQuantity, l.Quantity,
			)
		}
		skus[l.SKU] = true
	}
	if len(skus) > MaxSKUs {
		return ErrInvalidLines.Field(
			"body.lines", "an order names at most %d SKUs, this one names %d", MaxSKUs, len(skus),
		)
	}
	return nil
}

// checked is Amount of a line that is within its limits.
func (l Line) checked() (money.Money, error) {
	if l.UnitPrice.Amount < 0 || l.UnitPrice.Amount > MaxUnitPrice {
		return money.Money{}, ErrInvalidLines.Field("unitPrice.amount",
			"a unit price is 0 to %d minor units, not %d", MaxUnitPrice, l.UnitPrice.Amount)
	}
	if err := money.CheckCurrency(l.UnitPrice.Currency); err != nil {
		return money.Money{}, at(err, "unitPrice.currency")
	}
	if err := l.Discount.check("discount"); err != nil {
		return money.Money{}, err
	}
	if err := l.Tax.check("tax"); err != nil {
		return money.Money{}, err
	}
	return l.Amount()
}

// check checks what a line's arithmetic doesn't. A tax has no limit by its line, and one by the
// order.
func (a *Adjustment) check(field string) error {
	switch {
	case a == nil:
		return nil
	case !isName(a.Name):
		return ErrInvalidLines.Field(field+".name",
			"a name is 1 to %d printable characters, with no space at either end", MaxAdjustmentName)
	case a.Amount.Amount > MaxTotal:
		return ErrInvalidLines.Field(field+".amount.amount",
			"an amount is 0 to %d minor units, not %d", int64(MaxTotal), a.Amount.Amount)
	case a.RatePPM != nil && (*a.RatePPM < 0 || *a.RatePPM > MaxRatePPM):
		return ErrInvalidLines.Field(
			field+".ratePpm", "a rate is 0 to %d parts per million, not %d", MaxRatePPM, *a.RatePPM,
		)
	}
	return nil
}

func isName(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= MaxAdjustmentName &&
		strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func lineField(i int, name string) string { return fmt.Sprintf("body.lines[%d].%s", i, name) }

// at says of a fault in which field it arose.
func at(err error, field string) error {
	if f, ok := faults.As(err); ok {
		f.Field = field
	}
	return err
}

// within puts a fault's field into the line that it is of.
func within(err error, line int) error {
	if f, ok := faults.As(err); ok {
		f.Field = lineField(line, f.Field)
	}
	return err
}
