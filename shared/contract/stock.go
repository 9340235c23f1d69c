package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/stock"
)

// StockItem is a quantity of one SKU.
type StockItem struct {
	SKU      string `json:"sku" doc:"What it is a quantity of." minLength:"1"`
	Quantity int64  `json:"quantity" doc:"Pieces." minimum:"1"`
}

// StockReserved is stock.reserved.
type StockReserved struct {
	ReservationID string      `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string      `json:"orderId" doc:"The order that it is for." minLength:"1"`
	Items         []StockItem `json:"items" doc:"What is reserved, one item a SKU." minItems:"1" nullable:"false"`
	Waiting       []string    `json:"waiting,omitempty" doc:"Only of a reservation that waited: the SKUs that it waited for. The order goes on, and others may be next in their lines." nullable:"false"`
}

// StockBackordered is stock.backordered.
type StockBackordered struct {
	ReservationID string       `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string       `json:"orderId" doc:"The order that it is for." minLength:"1"`
	Items         []StockItem  `json:"items" doc:"What it asks for, one item a SKU. Nothing of it is reserved." minItems:"1" nullable:"false"`
	Places        []StockPlace `json:"places" doc:"What is short, and its place in the line of each. A further event replaces them all." minItems:"1" nullable:"false"`
	Waiting       []string     `json:"waiting,omitempty" doc:"SKUs whose lines it left, since they are short no more. Others may be next there." nullable:"false"`
}

// StockPlace is a place in the line of a SKU.
type StockPlace struct {
	SKU      string `json:"sku" doc:"What is waited for." minLength:"1"`
	Quantity int64  `json:"quantity" doc:"Pieces that it wants." minimum:"1"`
	Ticket   int64  `json:"ticket" doc:"Who came before has a lower one. Tickets have gaps, and tell no place by themselves." minimum:"1"`
}

// StockRefused is stock.refused.
type StockRefused struct {
	ReservationID string `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string `json:"orderId" doc:"The order that it was for." minLength:"1"`
	Code          string `json:"code" doc:"The rule that forbade it: stock.insufficient, for one." minLength:"1"`
	Detail        string `json:"detail,omitempty" doc:"The same in words."`
}

// StockReleased is stock.released.
type StockReleased struct {
	ReservationID string      `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string      `json:"orderId" doc:"The order that it was for." minLength:"1"`
	Items         []StockItem `json:"items" doc:"What is available again: all that was reserved." minItems:"1" nullable:"false"`
	Waiting       []string    `json:"waiting,omitempty" doc:"SKUs of the items that orders wait for." nullable:"false"`
}

// StockDeparted is stock.departed.
type StockDeparted struct {
	ReservationID string      `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string      `json:"orderId" doc:"The order that it was for." minLength:"1"`
	Items         []StockItem `json:"items" doc:"What is on hand no more: all that was reserved." minItems:"1" nullable:"false"`
}

// StockCommitted is stock.committed.
type StockCommitted struct {
	ReservationID string      `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string      `json:"orderId" doc:"The order that it was for." minLength:"1"`
	Items         []StockItem `json:"items" doc:"What has left: all that was reserved." minItems:"1" nullable:"false"`
	Departed      bool        `json:"departed,omitempty" doc:"stock.departed came before this, and took the items out of what is on hand. Without it this one does."`
	CountedOff    []string    `json:"countedOff,omitempty" doc:"SKUs of the items that were not on hand any more, and don't leave it once more. Only events of earlier releases have it." nullable:"false"`
}

// StockVoided is stock.voided.
type StockVoided struct {
	ReservationID string   `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string   `json:"orderId" doc:"The order that it would have been for." minLength:"1"`
	Waiting       []string `json:"waiting,omitempty" doc:"SKUs that it waited for until now. Others may be next in their lines." nullable:"false"`
}

// StockRestocked is stock.restocked.
type StockRestocked struct {
	SKU     string   `json:"sku" doc:"What was counted." minLength:"1"`
	Delta   int64    `json:"delta" doc:"Pieces more than were on hand before: than were counted then, less what has left since. Negative for fewer."`
	Counted int64    `json:"counted" doc:"Pieces on hand: those that are available and those that are reserved." minimum:"0"`
	Waiting []string `json:"waiting,omitempty" doc:"The SKU, where orders wait for it." nullable:"false"`
}

func items(of []goods.Item) []StockItem {
	out := make([]StockItem, len(of))
	for i, item := range of {
		out[i] = StockItem(item)
	}
	return out
}

func stockTypes() []entry {
	of := func(name, subject, description string) Type {
		return Type{Name: name, Version: 1, Context: "stock", Subject: subject, Description: description}
	}
	const reservation = "reservation/{reservationId}"
	return []entry{
		publish(of("stock.reserved", reservation, "Stock is reserved for an order."),
			func(_ es.Recorded, e stock.Reserved) StockReserved {
				return StockReserved{
					ReservationID: e.ReservationID, OrderID: e.OrderID, Items: items(e.Items), Waiting: e.Waiting,
				}
			}),
		publish(of("stock.backordered", reservation, "An order waits for stock."),
			func(_ es.Recorded, e stock.Backordered) StockBackordered {
				places := make([]StockPlace, len(e.Places))
				for i, p := range e.Places {
					places[i] = StockPlace(p)
				}
				return StockBackordered{
					ReservationID: e.ReservationID, OrderID: e.OrderID, Items: items(e.Items), Places: places,
					Waiting: e.Waiting,
				}
			}),
		publish(of("stock.refused", reservation, "Stock could not be reserved for an order."),
			func(_ es.Recorded, e stock.Refused) StockRefused {
				return StockRefused{ReservationID: e.ReservationID, OrderID: e.OrderID, Code: e.Code, Detail: e.Detail}
			}),
		stockAmended(of(
			"stock.amended", reservation, "The order was amended: the difference is reserved, or available again.",
		)),
		publish(of("stock.released", reservation, "What was reserved is available again."),
			func(_ es.Recorded, e stock.Released) StockReleased {
				return StockReleased{
					ReservationID: e.ReservationID, OrderID: e.OrderID, Items: items(e.Items), Waiting: e.Waiting,
				}
			}),
		publish(of("stock.departed", reservation, "What was reserved has left the warehouse, with its shipment."),
			func(_ es.Recorded, e stock.Departed) StockDeparted {
				return StockDeparted{ReservationID: e.ReservationID, OrderID: e.OrderID, Items: items(e.Items)}
			}),
		publish(of("stock.committed", reservation, "The pieces have left, and the reservation is closed."),
			func(_ es.Recorded, e stock.Committed) StockCommitted {
				return StockCommitted{
					ReservationID: e.ReservationID, OrderID: e.OrderID, Items: items(e.Items), Departed: e.Departed,
					CountedOff: e.CountedOff,
				}
			}),
		publish(of(
			"stock.voided", reservation,
			"The reservation was taken back before it was made; it will not be made any more.",
		),
			func(_ es.Recorded, e stock.Voided) StockVoided {
				return StockVoided{ReservationID: e.ReservationID, OrderID: e.OrderID, Waiting: e.Waiting}
			}),
		publish(of("stock.restocked", "stock/{sku}", "Somebody counted a SKU."),
			func(_ es.Recorded, e stock.Restocked) StockRestocked {
				return StockRestocked{SKU: e.SKU, Delta: e.Delta, Counted: e.Counted, Waiting: e.Waiting}
			}),
	}
}
