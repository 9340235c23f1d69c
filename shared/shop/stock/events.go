// Package stock is what is in the warehouse: how much was counted of each SKU, and which orders
// have reserved how much of it.
//
// A reservation is an attempt with a stream of its own (reservation/<id>). The rows of counters
// beside the streams say how much of a SKU is available: they change in the same transaction as the
// events that they follow from, and their conditions are what keeps stock from falling below zero.
package stock

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
)

// Category is the first part of a SKU's stream id: what was counted of it.
const Category = "stock"

// ReservationCategory is the first part of a reservation's stream id.
const ReservationCategory = "reservation"

// Item is a quantity of one SKU.
type Item = goods.Item

// ReservationEvent is an event of a reservation's stream.
type ReservationEvent interface{ reservationEvent() }

// Reserved: the items are the order's.
type Reserved struct {
	ReservationID string `json:"reservationId"`
	OrderID       string `json:"orderId"`
	Items         []Item `json:"items"` // one an SKU, ordered by SKU
	// Rows are those that the items were taken from, where a SKU is split into shards.
	Rows  []Item `json:"rows,omitempty"`
	Marks Marks  `json:"marks,omitempty"`
	// Waiting are the SKUs in whose lines it stood until now. Others may be first there.
	Waiting []string `json:"waiting,omitempty"`
}

// Backordered: the items are not all to be had, and the reservation waits for them. Each further
// one of a reservation says in which lines it stands from then on.
type Backordered struct {
	ReservationID string  `json:"reservationId"`
	OrderID       string  `json:"orderId"`
	Revision      int64   `json:"revision"` // of the order
	Items         []Item  `json:"items"`    // all that it asks for, one an SKU, ordered by SKU
	Places        []Place `json:"places"`   // of the SKUs that are short, ordered by SKU
	// Waiting are the SKUs whose lines it left. Others may be first there.
	Waiting []string `json:"waiting,omitempty"`
}

// Refused: the items could not be reserved, and will not be for this revision of the order.
type Refused struct {
	ReservationID string `json:"reservationId"`
	OrderID       string `json:"orderId"`
	Code          string `json:"code"`   // of the fault
	Detail        string `json:"detail"` // of the fault
}

// Released: the items are anybody's again.
type Released struct {
	ReservationID string   `json:"reservationId"`
	OrderID       string   `json:"orderId"`
	Items         []Item   `json:"items"`          // exactly those that stood reserved
	Rows          []Item   `json:"rows,omitempty"` // that they stood in
	Marks         Marks    `json:"marks,omitempty"`
	Waiting       []string `json:"waiting,omitempty"` // SKUs of the items that others wait for
}

// Departed: the items have left the warehouse, in the transaction of their shipment's dispatch.
// They are not on hand any more, and can't be released.
type Departed struct {
	ReservationID string `json:"reservationId"`
	OrderID       string `json:"orderId"`
	Items         []Item `json:"items"`          // exactly those that stood reserved
	Rows          []Item `json:"rows,omitempty"` // that they stood in
	Marks         Marks  `json:"marks,omitempty"`
}

// Committed: the parcel has left, and the reservation is closed.
type Committed struct {
	ReservationID string `json:"reservationId"`
	OrderID       string `json:"orderId"`
	Items         []Item `json:"items"` // exactly those that stood reserved
	// Departed: the items left by the event of that name. Without it they leave by this one, as in
	// the releases that had no other.
	Departed bool `json:"departed,omitempty"`
	// CountedOff are SKUs of an earlier release, which took their pieces out of what is reserved
	// and left what is on hand as it was. No release writes them any more.
	CountedOff []string `json:"countedOff,omitempty"`
	Rows       []Item   `json:"rows,omitempty"` // exactly those of Reserved
	Marks      Marks    `json:"marks,omitempty"`
}

// Voided: the reservation was taken back before it came, or while it waited. Should it come late,
// it is refused.
type Voided struct {
	ReservationID string   `json:"reservationId"`
	OrderID       string   `json:"orderId"`
	Waiting       []string `json:"waiting,omitempty"` // SKUs in whose lines it stood until now
}

func (Reserved) reservationEvent()    {}
func (Backordered) reservationEvent() {}
func (Refused) reservationEvent()     {}
func (Released) reservationEvent()    {}
func (Departed) reservationEvent()    {}
func (Committed) reservationEvent()   {}
func (Voided) reservationEvent()      {}

// Event is an event of a SKU's stream.
type Event interface{ stockEvent() }

// Restocked: somebody counted a SKU.
type Restocked struct {
	SKU     string   `json:"sku"`
	Delta   int64    `json:"delta"`   // against what was on hand: what was counted then, less what has left since
	Counted int64    `json:"counted"` // on hand: what is available and what is reserved
	Marks   Marks    `json:"marks,omitempty"`
	Waiting []string `json:"waiting,omitempty"` // the SKU, where orders wait for it
}

func (Restocked) stockEvent() {}

// Sharded: the stock of a SKU is split, and what is available was moved between its rows.
type Sharded struct {
	SKU    string `json:"sku"`
	Shards int64  `json:"shards"`          // from now on, 1 where it is not split any more
	Before int64  `json:"before"`          // 0 where it never was
	Moved  []Item `json:"moved,omitempty"` // by row; together nothing
	Marks  Marks  `json:"marks,omitempty"`
}

// Register adds the events of stock and reservations to a registry.
func Register(r *es.Registry) {
	es.Register[Reserved](r, "stock.reserved", 1)
	es.Register[Backordered](r, "stock.backordered", 1)
	es.Register[Refused](r, "stock.refused", 1)
	es.Register[Amended](r, "stock.amended", 1)
	es.Register[Released](r, "stock.released", 1)
	es.Register[Departed](r, "stock.departed", 1)
	es.Register[Committed](r, "stock.committed", 1)
	es.Register[Voided](r, "stock.voided", 1)
	es.Register[Restocked](r, "stock.restocked", 1)
	es.Register[Sharded](r, "stock.sharded", 1)
}
