package notification

import (
	"fmt"

	"orderflow/shared/contract"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// OrderRefunded is of money that was given back for an order that has left.
const OrderRefunded Kind = "order-refunded"

// Refund is what a mail says of a refund.
type Refund struct {
	Lines    []order.RefundedLine
	Shipping *money.Money // nil for nothing
	Goodwill *money.Money // nil for nothing
	Reason   order.RefundReason
}

// part is a part of a refund as the templates see it.
type part struct{ What, Amount string }

// refundReasons says why money was given back, to the one who ordered. What is not here is ours and
// not theirs.
var refundReasons = map[order.RefundReason]string{
	order.RefundReturned:   "It is for what you sent back.",
	order.RefundDamaged:    "We are sorry that something arrived damaged.",
	order.RefundWrongItem:  "We are sorry that something else arrived than you had ordered.",
	order.RefundMissing:    "We are sorry that something did not arrive.",
	order.RefundLate:       "We are sorry that your order took so long.",
	order.RefundOvercharge: "We are sorry that we had charged too much.",
	order.RefundGoodwill:   "We hope that it makes up for the trouble.",
}

const ourRefundReason = "It is for your order."

// of fills in what the templates see of a refund.
func (r Refund) of(s shown) shown {
	for _, l := range r.Lines {
		what := oneLine(l.SKU)
		if l.Quantity > 0 {
			what = fmt.Sprintf("%d × %s", l.Quantity, what)
		}
		s.Parts = append(s.Parts, part{What: what, Amount: l.Amount.String()})
	}
	for _, other := range []struct {
		what   string
		amount *money.Money
	}{{"Shipping", r.Shipping}, {"Goodwill", r.Goodwill}} {
		if other.amount != nil {
			s.Parts = append(s.Parts, part{What: other.what, Amount: other.amount.String()})
		}
	}
	s.Reason = refundReasons[r.Reason]
	if s.Reason == "" {
		s.Reason = ourRefundReason
	}
	return s
}

// refundedTopic is a topic of a refund.
func refundedTopic(e contract.OrderRefunded) topic {
	about := ordered(OrderRefunded, e.OrderID, e.CustomerID).of(nil, &e.Amount)
	given := Refund{
		Shipping: moneyOf(e.Shipping), Goodwill: moneyOf(e.Goodwill), Reason: order.RefundReason(e.Reason),
	}
	for _, l := range e.Lines {
		given.Lines = append(
			given.Lines, order.RefundedLine{Line: l.Line, SKU: l.SKU, Quantity: l.Quantity, Amount: l.Amount.Money()},
		)
	}
	about.content.Refund = &given
	return about
}

// moneyOf is an amount that may be missing.
func moneyOf(m *contract.Money) *money.Money {
	if m == nil {
		return nil
	}
	return new(m.Money())
}
