package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/shipment"
)

// ShipmentScheduled is shipment.scheduled.
type ShipmentScheduled struct {
	ShipmentID     string `json:"shipmentId" doc:"The shipment." minLength:"1"`
	OrderID        string `json:"orderId" doc:"The order that it brings." minLength:"1"`
	TrackingNumber string `json:"trackingNumber" doc:"Its number for the customer." minLength:"1"`
}

// ShipmentRefused is shipment.refused.
type ShipmentRefused struct {
	ShipmentID string `json:"shipmentId" doc:"The shipment." minLength:"1"`
	OrderID    string `json:"orderId" doc:"The order that it would have brought." minLength:"1"`
	Code       string `json:"code" doc:"The rule that forbade it: shipment.country-not-served, for one." minLength:"1"`
	Detail     string `json:"detail,omitempty" doc:"The same in words, without personal data."`
}

// ShipmentPrepared is shipment.prepared. It has no address: who needs it asks for it, with the
// right to read it.
type ShipmentPrepared struct {
	ShipmentID string      `json:"shipmentId" doc:"The shipment." minLength:"1"`
	OrderID    string      `json:"orderId" doc:"The order that it brings." minLength:"1"`
	Items      []StockItem `json:"items" doc:"What is packed, one item a SKU." minItems:"1" nullable:"false"`
}

// ShipmentDispatched is shipment.dispatched.
type ShipmentDispatched struct {
	ShipmentID     string `json:"shipmentId" doc:"The shipment. It can't be cancelled from here on." minLength:"1"`
	OrderID        string `json:"orderId" doc:"The order that it brings." minLength:"1"`
	TrackingNumber string `json:"trackingNumber" doc:"Its number for the customer." minLength:"1"`
	DispatchedAt   string `json:"dispatchedAt,omitempty" doc:"When it left, RFC 3339. Missing of releases that did not keep it." format:"date-time"`
	StockClosed    bool   `json:"stockClosed,omitempty" doc:"The reservation of the order was closed in the same transaction (stock.committed). Missing where it is closed later."`
}

// ShipmentDelivered is shipment.delivered.
type ShipmentDelivered struct {
	ShipmentID   string `json:"shipmentId" doc:"The shipment." minLength:"1"`
	OrderID      string `json:"orderId" doc:"The order that it brought." minLength:"1"`
	DispatchedAt string `json:"dispatchedAt,omitempty" doc:"When it had left, as in shipment.dispatched, for who hears of the arrival first." format:"date-time"`
	StockClosed  bool   `json:"stockClosed,omitempty" doc:"As in shipment.dispatched."`
}

// ShipmentCancelled is shipment.cancelled.
type ShipmentCancelled struct {
	ShipmentID string `json:"shipmentId" doc:"The shipment." minLength:"1"`
	OrderID    string `json:"orderId" doc:"The order that it would have brought." minLength:"1"`
	Origin     string `json:"origin,omitempty" doc:"Who wants the order cancelled: customer, operator, saga or sweep. Where it is missing, the saga."`
	Reason     string `json:"reason,omitempty" doc:"Why, as in order.cancelling. Where it is missing, it follows from who."`
	Note       string `json:"note,omitempty" doc:"The words of a person who cancels: ciphertext under the customer's data key, for the order that is closed after them."`
}

// ShipmentVoided is shipment.voided.
type ShipmentVoided struct {
	ShipmentID string `json:"shipmentId" doc:"The shipment." minLength:"1"`
	OrderID    string `json:"orderId" doc:"The order that it would have brought." minLength:"1"`
}

func shipmentTypes() []entry {
	of := func(name, description string) Type {
		return Type{
			Name: name, Version: 1, Context: "shipment", Subject: "shipment/{shipmentId}", Description: description,
		}
	}
	return []entry{
		publish(of("shipment.scheduled", "An order's shipment is scheduled."),
			func(_ es.Recorded, e shipment.Scheduled) ShipmentScheduled {
				return ShipmentScheduled{ShipmentID: e.ShipmentID, OrderID: e.OrderID, TrackingNumber: e.TrackingNumber}
			}),
		publish(of("shipment.refused", "An order can't be shipped to where it should go."),
			func(_ es.Recorded, e shipment.Refused) ShipmentRefused {
				return ShipmentRefused{ShipmentID: e.ShipmentID, OrderID: e.OrderID, Code: e.Code, Detail: e.Detail}
			}),
		publish(of("shipment.prepared", "A shipment is packed and waits for the carrier."),
			func(_ es.Recorded, e shipment.Prepared) ShipmentPrepared {
				return ShipmentPrepared{ShipmentID: e.ShipmentID, OrderID: e.OrderID, Items: items(e.Items)}
			}),
		shipmentAmended(of(
			"shipment.amended", "The order was amended: the shipment brings something else, or goes elsewhere.",
		)),
		shipmentLabelled(of("shipment.labelled", "A shipment's label is printed: what is in it is final.")),
		publish(of("shipment.dispatched", "The carrier has a shipment."),
			func(_ es.Recorded, e shipment.Dispatched) ShipmentDispatched {
				return ShipmentDispatched{
					ShipmentID: e.ShipmentID, OrderID: e.OrderID, TrackingNumber: e.TrackingNumber,
					DispatchedAt: e.DispatchedAt, StockClosed: e.StockClosed,
				}
			}),
		publish(of("shipment.delivered", "The carrier handed a shipment over."),
			func(_ es.Recorded, e shipment.Delivered) ShipmentDelivered {
				return ShipmentDelivered{
					ShipmentID: e.ShipmentID, OrderID: e.OrderID, DispatchedAt: e.DispatchedAt,
					StockClosed: e.StockClosed,
				}
			}),
		publish(of("shipment.cancelled", "A scheduled shipment will not leave."),
			func(_ es.Recorded, e shipment.Cancelled) ShipmentCancelled {
				return ShipmentCancelled{
					ShipmentID: e.ShipmentID, OrderID: e.OrderID, Origin: e.Origin, Reason: e.Reason,
					Note: string(e.Note),
				}
			}),
		publish(of("shipment.voided", "The shipment was taken back before it was scheduled; it will not be any more."),
			func(_ es.Recorded, e shipment.Voided) ShipmentVoided {
				return ShipmentVoided{ShipmentID: e.ShipmentID, OrderID: e.OrderID}
			}),
	}
}
