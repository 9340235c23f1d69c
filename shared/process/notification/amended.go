package notification

import (
	"orderflow/shared/contract"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// OrderAmended is of an order that has other lines, or goes elsewhere.
const OrderAmended Kind = "order-amended"

// OrderPartial is of an order that goes on without what was not there.
const OrderPartial Kind = "order-partial"

// OrderRest is of an order that is what was not there of another one.
const OrderRest Kind = "order-rest"

// Amended is what a mail says of a change, besides what stands.
type Amended struct {
	Difference money.Money // of the total, against before; an order that is not paid yet is not charged for it either
	Elsewhere  bool        // it goes to another address
}

// of fills in what the templates see of a change.
func (a Amended) of(s shown) shown {
	if d := a.Difference; d.Amount > 0 {
		s.More = d.String()
	} else if d.Amount < 0 {
		s.Less = money.Money{Amount: -d.Amount, Currency: d.Currency}.String()
	}
	if a.Elsewhere {
		s.Elsewhere = "It goes to the address that came with the change."
	}
	return s
}

// placedTopic is a topic of an order that was placed.
func placedTopic(e contract.OrderPlaced) topic {
	kind := OrderPlaced
	if e.RestOf != "" {
		kind = OrderRest
	}
	about := ordered(kind, e.OrderID, e.CustomerID).of(e.Lines, &e.Total)
	about.content.RestOf = e.RestOf
	return about
}

// amendedTopic is a topic of a change.
func amendedTopic(e contract.OrderAmended) topic {
	if order.Reason(e.Reason) == order.ReasonPartial {
		about := ordered(OrderPartial, e.OrderID, e.CustomerID).of(e.Lines, &e.Total)
		for _, item := range e.Removed {
			about.content.Missing = append(about.content.Missing, goods.Item(item))
		}
		about.content.RestWaits = len(e.Rest) > 0
		return about
	}
	about := ordered(OrderAmended, e.OrderID, e.CustomerID).of(e.Lines, &e.Total)
	about.content.Amended = &Amended{Difference: e.Difference.Money(), Elsewhere: e.AddressChanged}
	return about
}
