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
}

// items adds the lines up by SKU, ordered by SKU: what is to be packed.
func (c Copy) items() []Item { return goods.Sum(c.Lines) }

// Confirmation says that an order may be shipped, and as which shipment.
type Confirmation struct {
	OrderID    string
	Sequence   int64 // of the order's event
	ShipmentID string
}

// Known is all that shipping knows of an order. Either part is zero where it has not come yet.
type Known struct {
	Copy         Copy
	Confirmation Confirmation
}

// Ready reports whether the order's shipment can be prepared: it is confirmed, and the copy is as
// new as that. The two come in any order.
func (k Known) Ready() bool {
	return k.Confirmation.Sequence > 0 && k.Copy.Sequence >= k.Confirmation.Sequence && k.Copy.Status == statusConfirmed
}

// statusConfirmed is an order's status between its confirmation and its dispatch, as its events
// call it.
const statusConfirmed = "confirmed"

// Copies keeps what shipping knows of orders, a row an order. Both answer with the row as it is
// then, so that whoever brings the part that was missing sees that it is whole, and so does a
// repeat of either.
type Copies interface {
	// Put keeps a copy. One that is not newer than what is there is refused: fresh is false, and
	// the row as it was.
	Put(ctx context.Context, c Copy) (known Known, fresh bool, err error)
	// Confirm keeps a confirmation, the newest.
	Confirm(ctx context.Context, c Confirmation) (Known, error)
}
