package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// OrderAmended is order.amended. It has no address: who needs it asks for it, with the right to
// read it. The words of who amended it are left out.
type OrderAmended struct {
	OrderID        string      `json:"orderId" doc:"The order." minLength:"1"`
	Revision       int64       `json:"revision" doc:"The order's revision from here on." minimum:"2"`
	Lines          []OrderLine `json:"lines" doc:"What is ordered from here on." minItems:"1" nullable:"false"`
	Total          Money       `json:"total" doc:"What the order comes to from here on. Where the order is paid, that is what stands charged."`
	Difference     Money       `json:"difference" doc:"Of the total, against before. Where the order is paid, the account paid that too or, below 0, has it back."`
	Added          []StockItem `json:"added,omitempty" doc:"Pieces that the order did not have, one item a SKU." nullable:"false"`
	Removed        []StockItem `json:"removed,omitempty" doc:"Pieces that it has no more, one item a SKU." nullable:"false"`
	AddressChanged bool        `json:"addressChanged,omitempty" doc:"It goes elsewhere from here on."`
	PricedBy       string      `json:"pricedBy,omitempty" doc:"Whose prices they are, as in order.placed."`
	By             string      `json:"by" doc:"Who wanted it: customer or operator, or saga where not all was there." minLength:"1"`
	Reason         string      `json:"reason" doc:"Why: customer.request or operator.request, or stock.partial where the order goes on without what was not there, and nothing was charged yet." minLength:"1"`
	CustomerID     string      `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym." minLength:"1"`
	Rest           []OrderLine `json:"rest,omitempty" doc:"What was not there and waits: an order of its own once this one is confirmed." nullable:"false"`
}

// StockAmended is stock.amended.
type StockAmended struct {
	ReservationID string      `json:"reservationId" doc:"The reservation." minLength:"1"`
	OrderID       string      `json:"orderId" doc:"The order that it is for." minLength:"1"`
	Items         []StockItem `json:"items" doc:"What is reserved from here on, one item a SKU." minItems:"1" nullable:"false"`
	Taken         []StockItem `json:"taken,omitempty" doc:"What was not reserved before, one item a SKU." nullable:"false"`
	Returned      []StockItem `json:"returned,omitempty" doc:"What is available again, one item a SKU." nullable:"false"`
	Waiting       []string    `json:"waiting,omitempty" doc:"SKUs of what is available again that orders wait for." nullable:"false"`
}

// PaymentAdjusted is payment.adjusted.
type PaymentAdjusted struct {
	PaymentID  string `json:"paymentId" doc:"The payment." minLength:"1"`
	OrderID    string `json:"orderId" doc:"The order that it is for." minLength:"1"`
	AccountID  string `json:"accountId" doc:"The account that was charged the difference, or got it back." minLength:"1"`
	Amount     Money  `json:"amount" doc:"What stands charged from here on."`
	Difference Money  `json:"difference" doc:"Against what stood charged before; below 0 for what the account got back."`
}

// ShipmentAmended is shipment.amended. It has no address: who needs it asks for it, with the right
// to read it.
type ShipmentAmended struct {
	ShipmentID string      `json:"shipmentId" doc:"The shipment." minLength:"1"`
	OrderID    string      `json:"orderId" doc:"The order that it brings." minLength:"1"`
	Revision   int64       `json:"revision" doc:"The order's revision that wants it so." minimum:"1"`
	Items      []StockItem `json:"items" doc:"What it brings from here on, one item a SKU. Where it goes may have changed as well." minItems:"1" nullable:"false"`
}

// ShipmentLabelled is shipment.labelled.
type ShipmentLabelled struct {
	ShipmentID     string `json:"shipmentId" doc:"The shipment. Its order isn't amended any more." minLength:"1"`
	OrderID        string `json:"orderId" doc:"The order that it brings." minLength:"1"`
	TrackingNumber string `json:"trackingNumber" doc:"Its number for the customer." minLength:"1"`
}

func orderAmended(t Type) entry {
	return publishWith(t, func(r es.Recorded, e order.Amended, s order.State) OrderAmended {
		return OrderAmended{
			OrderID: r.Stream.ID(), Revision: e.Revision, Lines: orderLines(e.Lines), Total: amount(e.Total),
			Difference: amount(e.Difference), Added: items(e.Added), Removed: items(e.Removed),
			AddressChanged: e.Address != "", PricedBy: e.PricedBy, By: string(e.By), Reason: string(e.Reason),
			CustomerID: s.CustomerID, Rest: orderLines(e.Rest),
		}
	})
}

func stockAmended(t Type) entry {
	return publish(t, func(_ es.Recorded, e stock.Amended) StockAmended {
		return StockAmended{
			ReservationID: e.ReservationID, OrderID: e.OrderID, Items: items(e.Items), Taken: items(e.Taken),
			Returned: items(e.Returned), Waiting: e.Waiting,
		}
	})
}

func paymentAdjusted(t Type) entry {
	return publish(t, func(_ es.Recorded, e payment.Adjusted) PaymentAdjusted {
		return PaymentAdjusted{
			PaymentID: e.PaymentID, OrderID: e.OrderID, AccountID: e.AccountID, Amount: amount(e.Amount),
			Difference: amount(e.Difference),
		}
	})
}

func shipmentAmended(t Type) entry {
	return publish(t, func(_ es.Recorded, e shipment.Amended) ShipmentAmended {
		return ShipmentAmended{
			ShipmentID: e.ShipmentID, OrderID: e.OrderID, Revision: e.Revision, Items: items(e.Items),
		}
	})
}

func shipmentLabelled(t Type) entry {
	return publish(t, func(_ es.Recorded, e shipment.Labelled) ShipmentLabelled {
		return ShipmentLabelled{ShipmentID: e.ShipmentID, OrderID: e.OrderID, TrackingNumber: e.TrackingNumber}
	})
}
