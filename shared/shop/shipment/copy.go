package shipment

import (
	"context"

	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/personal"
)

// Copy is what shipping keeps of an order: a copy of its own, taken from the events that carry the
// whole order, so that nothing here ever asks the order.
type Copy struct {
	OrderID    string
	Sequence   int64 // the order's version that this is a copy of
	Status     string
	Revision   int64
	CustomerID string
	Lines      []Item // as ordered: a SKU may stand in them more than once
	Address    personal.Sealed
	// of the shipment, once the order is confirmed; "" too of releases whose copies did not keep it
	ShipmentID string
}

// items adds the lines up by SKU, ordered by SKU: what is to be packed.
func (c Copy) items() []Item { return goods.Sum(c.Lines) }

// Confirmation says that an order may be shipped, and as which shipment. It is what releases took
// from order.confirmed whose copies did not say as much.
type Confirmation struct {
	OrderID    string
	Sequence   int64 // of the order's event
	ShipmentID string
}

// Known is all that shipping knows of an order. Either part is zero where it has not come.
type Known struct {
	Copy         Copy
	Confirmation Confirmation
}

// Ready gives the shipment to prepare, "" where there is none: the copy is of the order as it was
// confirmed. A copy that doesn't name the shipment has it from a confirmation that it is as new as;
// those two come in any order.
func (k Known) Ready() (shipmentID string) {
	switch {
	case k.Copy.Status != statusConfirmed:
		return ""
	case k.Copy.ShipmentID == "" && k.Copy.Sequence >= k.Confirmation.Sequence:
		return k.Confirmation.ShipmentID
	}
	return k.Copy.ShipmentID
}

// statusConfirmed is an order's status between its confirmation and its dispatch, as its events
// call it.
const statusConfirmed = "confirmed"

// Copies keeps what shipping knows of orders, a row an order. Both answer with the row as it is
// then, so that whoever completes it sees that it is whole, and so does a repeat.
type Copies interface {
	// Put keeps a copy. One that is not newer than what is there is refused: fresh is false, and
	// the row as it was. It counts as newer than one of the same sequence that lacks the shipment
	// which it names.
	Put(ctx context.Context, c Copy) (known Known, fresh bool, err error)
	// Confirm keeps a confirmation, the newest.
	Confirm(ctx context.Context, c Confirmation) (Known, error)
}
