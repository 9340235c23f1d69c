package contract

import (
	"cmp"
	"strings"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

// OrderLine is one line of an order.
type OrderLine struct {
	SKU       string           `json:"sku" doc:"What is ordered. The same SKU may stand on several lines." minLength:"1"`
	Quantity  int64            `json:"quantity" doc:"Pieces." minimum:"1"`
	UnitPrice Money            `json:"unitPrice" doc:"Price of one piece."`
	Discount  *OrderAdjustment `json:"discount,omitempty" doc:"Taken off the line, where there is one."`
	Tax       *OrderAdjustment `json:"tax,omitempty" doc:"Added to the line, where there is one: not a tax that the unit price includes."`
	Amount    *Money           `json:"amount,omitempty" doc:"What the line comes to: quantity times unit price, less the discount, plus the tax. Missing of releases that had neither."`
}

// Line is the line in the order's own terms. What it comes to follows from the rest.
func (l OrderLine) Line() order.Line {
	return order.Line{
		SKU: l.SKU, Quantity: l.Quantity, UnitPrice: l.UnitPrice.Money(),
		Discount: l.Discount.adjustment(), Tax: l.Tax.adjustment(),
	}
}

// OrderAdjustment is a discount or a tax of a line.
type OrderAdjustment struct {
	Name    string `json:"name" doc:"What it is, for people." minLength:"1"`
	Amount  Money  `json:"amount" doc:"For the whole line, 0 or more."`
	RatePPM *int64 `json:"ratePpm,omitempty" doc:"The rate that the amount comes from, for people, in parts per million: 88750 is 8.875 %. Nothing is computed from it." minimum:"0" maximum:"1000000"`
}

// OrderPlaced is order.placed. It has no address: who needs it asks for it, with the right to read
// it.
type OrderPlaced struct {
	OrderID    string      `json:"orderId" doc:"The order." minLength:"1"`
	CustomerID string      `json:"customerId" doc:"Who ordered, as a pseudonym." minLength:"1"`
	Lines      []OrderLine `json:"lines" doc:"What is ordered." minItems:"1" nullable:"false"`
	Total      Money       `json:"total" doc:"What the order comes to: the sum of its lines' amounts. It is what is charged."`
	PricedBy   string      `json:"pricedBy,omitempty" doc:"Whose prices they are: catalogue, or the actor who named one, or a discount or a tax, as a pseudonym. Missing of releases in which every caller named prices."`
	HoldRules  []string    `json:"holdRules,omitempty" doc:"The rules that the order matches: it waits for approval before anything is reserved. Missing where it matches none." nullable:"false"`
	OutOfStock string      `json:"outOfStock,omitempty" doc:"What becomes of it where stock is short: with backorder it waits. Missing, it is cancelled." enum:"backorder"`
	Partial    bool        `json:"partial,omitempty" doc:"Where some of it is there, that is sold, and outOfStock says what becomes of the rest: what would be cancelled is dropped, and what waits becomes an order of its own."`
	RestOf     string      `json:"restOf,omitempty" doc:"The order of which this is what was not there." minLength:"1"`
}

// OrderHeld is order.held.
type OrderHeld struct {
	OrderID    string   `json:"orderId" doc:"The order. Nothing is reserved for it yet." minLength:"1"`
	Rules      []string `json:"rules" doc:"The rules that it matches." minItems:"1" nullable:"false"`
	Until      string   `json:"until" doc:"When it is closed if nobody has approved it, RFC 3339." format:"date-time"`
	CustomerID string   `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym." minLength:"1"`
}

// OrderApproved is order.approved. The words of who approved are left out.
type OrderApproved struct {
	OrderID string `json:"orderId" doc:"The order." minLength:"1"`
	By      string `json:"by" doc:"Who approved it, as a pseudonym." minLength:"1"`
}

// OrderBackordered is order.backordered.
type OrderBackordered struct {
	OrderID    string      `json:"orderId" doc:"The order." minLength:"1"`
	Items      []StockItem `json:"items" doc:"What is missing." minItems:"1" nullable:"false"`
	Until      string      `json:"until" doc:"When it is closed if they have not come in, RFC 3339." format:"date-time"`
	CustomerID string      `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym." minLength:"1"`
	Lines      []OrderLine `json:"lines,omitempty" doc:"What is ordered." minItems:"1" nullable:"false"`
	Total      *Money      `json:"total,omitempty" doc:"What is to be paid, once all of it is there."`
}

// OrderPaymentRequired is order.payment-required.
type OrderPaymentRequired struct {
	OrderID    string      `json:"orderId" doc:"The order. Its stock stays reserved." minLength:"1"`
	Code       string      `json:"code" doc:"What declined the payment: the code of the fault." minLength:"1"`
	Detail     string      `json:"detail,omitempty" doc:"The fault in words, without personal data."`
	Until      string      `json:"until" doc:"When it is closed if it is not paid, RFC 3339." format:"date-time"`
	CustomerID string      `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym." minLength:"1"`
	Lines      []OrderLine `json:"lines,omitempty" doc:"What is ordered." minItems:"1" nullable:"false"`
	Total      *Money      `json:"total,omitempty" doc:"What is to be paid."`
}

// OrderPaymentRequested is order.payment-requested.
type OrderPaymentRequested struct {
	OrderID   string `json:"orderId" doc:"The order." minLength:"1"`
	AccountID string `json:"accountId" doc:"The account that is to pay." minLength:"1"`
	Revision  int64  `json:"revision" doc:"The order's revision from here on, which names the payment that is tried." minimum:"2"`
	By        string `json:"by" doc:"Who asked for it, as a pseudonym." minLength:"1"`
}

// OrderWait is what an order waits for.
type OrderWait struct {
	Kind   string      `json:"kind" doc:"approval, stock or payment." minLength:"1"`
	Until  string      `json:"until" doc:"When the order is closed if it still waits, RFC 3339." format:"date-time"`
	Rules  []string    `json:"rules,omitempty" doc:"The rules that it matches, where it waits for approval." nullable:"false"`
	Items  []StockItem `json:"items,omitempty" doc:"What is missing, where it waits for stock." nullable:"false"`
	Code   string      `json:"code,omitempty" doc:"What declined the payment, where it waits for one."`
	Detail string      `json:"detail,omitempty" doc:"The same in words, without personal data."`
}

func waitOf(w *order.Wait) *OrderWait {
	if w == nil {
		return nil
	}
	return &OrderWait{
		Kind: string(w.Kind), Until: w.Until, Rules: w.Rules, Items: items(w.Items), Code: w.Code, Detail: w.Detail,
	}
}

// OrderStarted is order.started.
type OrderStarted struct {
	OrderID string `json:"orderId" doc:"The order." minLength:"1"`
	SagaID  string `json:"sagaId" doc:"The run that fulfils it." minLength:"1"`
}

// OrderConfirmed is order.confirmed.
type OrderConfirmed struct {
	OrderID        string      `json:"orderId" doc:"The order." minLength:"1"`
	PaymentID      string      `json:"paymentId" doc:"The payment that was charged." minLength:"1"`
	ShipmentID     string      `json:"shipmentId" doc:"The shipment that is scheduled." minLength:"1"`
	TrackingNumber string      `json:"trackingNumber" doc:"The shipment's number for the customer." minLength:"1"`
	CustomerID     string      `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym. Missing of releases that did not tell." minLength:"1"`
	Lines          []OrderLine `json:"lines,omitempty" doc:"What is ordered. Missing where customerId is." minItems:"1" nullable:"false"`
	Total          *Money      `json:"total,omitempty" doc:"What the order comes to: the sum of its lines' amounts. Missing where customerId is."`
	RestID         string      `json:"restId,omitempty" doc:"The order that was placed with this event, of what was not there and waits." minLength:"1"`
}

// OrderCancelling is order.cancelling. The customer's own words are left out.
type OrderCancelling struct {
	OrderID string `json:"orderId" doc:"The order." minLength:"1"`
	Reason  string `json:"reason" doc:"Why: the code of the fault that stopped it, or customer.request, operator.request, customer.erased, order.expired, order.declined, saga.step-failed." minLength:"1"`
	Detail  string `json:"detail,omitempty" doc:"The fault in words, without personal data."`
	From    string `json:"from" doc:"The status that it leaves: placed, held, backordered, payment-required or confirmed." minLength:"1"`
	Origin  string `json:"origin" doc:"Who closed it: customer, operator, saga or sweep." minLength:"1"`
}

// OrderCancelled is order.cancelled in its first version.
type OrderCancelled struct {
	OrderID    string      `json:"orderId" doc:"The order." minLength:"1"`
	Reason     string      `json:"reason" doc:"As in order.cancelling." minLength:"1"`
	CustomerID string      `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym. Missing of releases that did not tell." minLength:"1"`
	Lines      []OrderLine `json:"lines,omitempty" doc:"What is ordered. Missing where customerId is." minItems:"1" nullable:"false"`
	Total      *Money      `json:"total,omitempty" doc:"What the order comes to: the sum of its lines' amounts. Missing where customerId is."`
}

// OrderCancelledV2 is order.cancelled in its second version. The first has codes alone, which grow
// with each new rule: who counts or writes mails by them has to be changed with the rules. Kinds
// are few, and stay.
type OrderCancelledV2 struct {
	OrderID    string             `json:"orderId" doc:"The order." minLength:"1"`
	Reason     CancellationReason `json:"reason" doc:"Why."`
	CustomerID string             `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym. Missing of releases that did not tell." minLength:"1"`
	Lines      []OrderLine        `json:"lines,omitempty" doc:"What is ordered. Missing where customerId is." minItems:"1" nullable:"false"`
	Total      *Money             `json:"total,omitempty" doc:"What the order comes to: the sum of its lines' amounts. Missing where customerId is."`
}

// CancellationReason says why an order was cancelled, for programs to tell apart.
type CancellationReason struct {
	Kind string `json:"kind" doc:"Who stopped it: customer, operator, time (expired), a refusal, or a failure of ours." enum:"customer,operator,expired,payment,stock,shipment,failure"`
	Code string `json:"code" doc:"As reason in order.cancelling." minLength:"1"`
}

// cancellation finds the kind of a reason. What nobody foresaw counts as a failure of ours.
func cancellation(r order.Reason) CancellationReason {
	kinds := map[order.Reason]string{
		order.ReasonCustomer: "customer", order.ReasonErased: "customer", order.ReasonOperator: "operator",
		order.ReasonExpired: "expired", order.ReasonDeclined: "operator",
	}
	kind, ok := kinds[r]
	if !ok {
		context, _, _ := strings.Cut(string(r), ".")
		kind = map[string]string{
			"account": "payment", "payment": "payment", "stock": "stock", "shipment": "shipment",
		}[context]
	}
	return CancellationReason{Kind: cmp.Or(kind, "failure"), Code: string(r)}
}

// OrderUndoFailed is order.undo-failed.
type OrderUndoFailed struct {
	OrderID string   `json:"orderId" doc:"The order. It stays cancelling." minLength:"1"`
	SagaID  string   `json:"sagaId" doc:"The run that could not undo it." minLength:"1"`
	Steps   []string `json:"steps" doc:"The steps that are spent." minItems:"1" nullable:"false"`
}

// OrderShipped is order.shipped.
type OrderShipped struct {
	OrderID        string `json:"orderId" doc:"The order. It can't be cancelled from here on." minLength:"1"`
	ShipmentID     string `json:"shipmentId" doc:"The shipment that left." minLength:"1"`
	Revision       int64  `json:"revision,omitempty" doc:"The order's revision that left. Where it is missing, it is the first." minimum:"1"`
	DispatchedAt   string `json:"dispatchedAt,omitempty" doc:"When the pieces left, RFC 3339. Where it is missing, nobody knows better than the event's time." format:"date-time"`
	StockClosed    bool   `json:"stockClosed,omitempty" doc:"The order's reservation is closed (stock.committed). Missing where this event leads to that."`
	CustomerID     string `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym. Missing of releases that did not tell." minLength:"1"`
	TrackingNumber string `json:"trackingNumber,omitempty" doc:"The shipment's number for the customer. Missing of releases that did not tell." minLength:"1"`
}

// OrderDelivered is order.delivered.
type OrderDelivered struct {
	OrderID    string `json:"orderId" doc:"The order." minLength:"1"`
	ShipmentID string `json:"shipmentId" doc:"The shipment that arrived." minLength:"1"`
	CustomerID string `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym. Missing of releases that did not tell." minLength:"1"`
}

// OrderUpdatedType is the name of the one type that no stored event stands behind: it carries
// state, for those who keep a copy.
const OrderUpdatedType = "order.updated"

// OrderUpdated is order.updated: the whole order as it is after the commit whose last event has the
// envelope's sequence. Whoever keeps a copy takes one with a higher sequence than theirs, and no
// other.
type OrderUpdated struct {
	OrderID        string      `json:"orderId" doc:"The order." minLength:"1"`
	CustomerID     string      `json:"customerId" doc:"Who ordered, as a pseudonym." minLength:"1"`
	AccountID      string      `json:"accountId" doc:"The account that pays." minLength:"1"`
	Status         string      `json:"status" doc:"placed, held, backordered, payment-required, confirmed, cancelling, cancelled, shipped or delivered." minLength:"1"`
	Revision       int64       `json:"revision" doc:"Grows with each change on purpose." minimum:"1"`
	Lines          []OrderLine `json:"lines" doc:"What is ordered." minItems:"1" nullable:"false"`
	Total          Money       `json:"total" doc:"What the order comes to: the sum of its lines' amounts."`
	PricedBy       string      `json:"pricedBy,omitempty" doc:"Whose prices they are, as in order.placed."`
	Address        string      `json:"address" doc:"Where it goes: ciphertext under the customer's data key, which opens for shipping alone." minLength:"1"`
	PlacedAt       string      `json:"placedAt" doc:"When it was placed, RFC 3339." minLength:"1"`
	PaymentID      string      `json:"paymentId,omitempty" doc:"The payment, once the order is confirmed."`
	ShipmentID     string      `json:"shipmentId,omitempty" doc:"The shipment, once the order is confirmed."`
	TrackingNumber string      `json:"trackingNumber,omitempty" doc:"The shipment's number for the customer, once the order is confirmed."`
	Reason         string      `json:"reason,omitempty" doc:"Why it is being cancelled, as in order.cancelling."`
	Detail         string      `json:"detail,omitempty" doc:"The same in words, as in order.cancelling."`
	Note           string      `json:"note,omitempty" doc:"The words of the person who cancelled: ciphertext under the customer's data key."`
	Origin         string      `json:"origin,omitempty" doc:"Who closed it, as in order.cancelling."`
	SagaID         string      `json:"sagaId,omitempty" doc:"The run of the saga that had it last, once one did."`
	SagaState      string      `json:"sagaState,omitempty" doc:"Where the saga stands: pending, running, completed, compensating or failed. Missing of releases that did not tell."`
	FailedSteps    []string    `json:"failedSteps,omitempty" doc:"The steps of the undo that are spent, while it is failed." nullable:"false"`
	Wait           *OrderWait  `json:"wait,omitempty" doc:"What it waits for, while it does."`

	Refunds []OrderRefund `json:"refunds,omitempty" doc:"What was given back after it had left, oldest first." minItems:"1" nullable:"false"`
}

// Updated makes the order.updated of a commit, in each version that is published, as Versions does:
// last is the commit's last event, and state the order as of it. The errors are those of Versions.
func Updated(last es.Recorded, state order.State) ([]es.Envelope, error) {
	r := last
	r.Type, r.Data = OrderUpdatedType, state
	versions, err := Versions(r)
	for i := range versions {
		versions[i].ID += "/updated" // beside the event of that number
	}
	return versions, err
}

// orderTotal is what an order comes to, nil where it is not known.
func orderTotal(s order.State) *Money {
	if s.ID == "" {
		return nil
	}
	return new(amount(s.Total))
}

func orderLines(of []order.Line) []OrderLine {
	lines := make([]OrderLine, len(of))
	for i, l := range of {
		lines[i] = OrderLine{
			SKU: l.SKU, Quantity: l.Quantity, UnitPrice: amount(l.UnitPrice),
			Discount: adjustment(l.Discount), Tax: adjustment(l.Tax),
		}
		if comesTo, err := l.Amount(); err == nil { // of what was placed it always is
			lines[i].Amount = new(amount(comesTo))
		}
	}
	return lines
}

// adjustment is the adjustment in the order's own terms, nil for none.
func (a *OrderAdjustment) adjustment() *order.Adjustment {
	if a == nil {
		return nil
	}
	return &order.Adjustment{Name: a.Name, Amount: a.Amount.Money(), RatePPM: a.RatePPM}
}

func adjustment(a *order.Adjustment) *OrderAdjustment {
	if a == nil {
		return nil
	}
	return &OrderAdjustment{Name: a.Name, Amount: amount(a.Amount), RatePPM: a.RatePPM}
}

func orderTypes() []entry {
	of := func(name, description string) Type {
		return Type{Name: name, Version: 1, Context: "order", Subject: "order/{orderId}", Description: description}
	}
	second := func(name, description string) Type {
		t := of(name, description)
		t.Version = 2
		return t
	}
	return []entry{
		publish(of("order.placed", "A customer ordered."), func(_ es.Recorded, e order.Placed) OrderPlaced {
			return OrderPlaced{
				OrderID: e.OrderID, CustomerID: e.CustomerID, Lines: orderLines(e.Lines), Total: amount(e.Total),
				PricedBy: e.PricedBy, HoldRules: e.HoldRules, OutOfStock: missing(e.OutOfStock),
				Partial: e.OutOfStock.Partial(), RestOf: e.RestOf,
			}
		}),
		publish(of("order.started", "A run of the saga took the order."),
			func(r es.Recorded, e order.Started) OrderStarted {
				return OrderStarted{OrderID: r.Stream.ID(), SagaID: e.SagaID}
			}),
		publishWith(of("order.held", "The order waits for approval; nothing is reserved yet."),
			func(r es.Recorded, e order.Held, s order.State) OrderHeld {
				return OrderHeld{OrderID: r.Stream.ID(), Rules: e.Rules, Until: e.Until, CustomerID: s.CustomerID}
			}),
		publish(of("order.approved", "An order that waited for approval goes on."),
			func(r es.Recorded, e order.Approved) OrderApproved {
				return OrderApproved{OrderID: r.Stream.ID(), By: e.By}
			}),
		publishWith(of("order.backordered", "The order waits for stock."),
			func(r es.Recorded, e order.Backordered, s order.State) OrderBackordered {
				return OrderBackordered{
					OrderID: r.Stream.ID(), Items: items(e.Items), Until: e.Until, CustomerID: s.CustomerID,
					Lines: orderLines(s.Lines), Total: orderTotal(s),
				}
			}),
		publishWith(of("order.payment-required", "The payment was declined; the order waits for another try."),
			func(r es.Recorded, e order.PaymentRequired, s order.State) OrderPaymentRequired {
				return OrderPaymentRequired{
					OrderID: r.Stream.ID(), Code: e.Code, Detail: e.Detail, Until: e.Until,
					CustomerID: s.CustomerID, Lines: orderLines(s.Lines), Total: orderTotal(s),
				}
			}),
		publish(of("order.payment-requested", "The declined payment is tried again."),
			func(r es.Recorded, e order.PaymentRequested) OrderPaymentRequested {
				return OrderPaymentRequested{
					OrderID: r.Stream.ID(), AccountID: e.AccountID, Revision: e.Revision, By: e.By,
				}
			}),
		publishWith(of("order.confirmed", "Stock is reserved, the payment charged and a shipment scheduled."),
			func(r es.Recorded, e order.Confirmed, s order.State) OrderConfirmed {
				return OrderConfirmed{
					OrderID: r.Stream.ID(), PaymentID: e.PaymentID, ShipmentID: e.ShipmentID,
					TrackingNumber: e.TrackingNumber,
					CustomerID:     s.CustomerID, Lines: orderLines(s.Lines), Total: orderTotal(s), RestID: e.RestID,
				}
			}),
		orderAmended(of(
			"order.amended", "The order has other lines, or goes elsewhere; all that was done for it has followed.",
		)),
		publish(of("order.cancelling", "The order will not be fulfilled; what was done for it is being undone."),
			func(r es.Recorded, e order.Cancelling) OrderCancelling {
				return OrderCancelling{
					OrderID: r.Stream.ID(), Reason: string(e.Reason), Detail: e.Detail, From: string(e.From),
					Origin: string(e.Origin),
				}
			}),
		publishWith(of("order.cancelled", "Everything that was done for the order is undone."),
			func(r es.Recorded, e order.Cancelled, s order.State) OrderCancelled {
				return OrderCancelled{
					OrderID: r.Stream.ID(), Reason: string(e.Reason),
					CustomerID: s.CustomerID, Lines: orderLines(s.Lines), Total: orderTotal(s),
				}
			}).until("2026-11-23", "2027-11-23"), // from then on .retired() in place of this takes it off the bus
		publishWith(second("order.cancelled", "Everything that was done for the order is undone."),
			func(r es.Recorded, e order.Cancelled, s order.State) OrderCancelledV2 {
				return OrderCancelledV2{
					OrderID: r.Stream.ID(), Reason: cancellation(e.Reason),
					CustomerID: s.CustomerID, Lines: orderLines(s.Lines), Total: orderTotal(s),
				}
			}),
		publish(of("order.undo-failed", "Steps of the undo are spent; people have to look."),
			func(r es.Recorded, e order.UndoFailed) OrderUndoFailed {
				return OrderUndoFailed{OrderID: r.Stream.ID(), SagaID: e.SagaID, Steps: e.Steps}
			}),
		publishWith(of("order.shipped", "The shipment left the warehouse."),
			func(r es.Recorded, e order.Shipped, s order.State) OrderShipped {
				return OrderShipped{
					OrderID: r.Stream.ID(), ShipmentID: e.ShipmentID, Revision: e.Revision,
					DispatchedAt: e.DispatchedAt, StockClosed: e.StockClosed,
					CustomerID: s.CustomerID, TrackingNumber: s.TrackingNumber,
				}
			}),
		publishWith(of("order.delivered", "The carrier handed the order over."),
			func(r es.Recorded, e order.Delivered, s order.State) OrderDelivered {
				return OrderDelivered{OrderID: r.Stream.ID(), ShipmentID: e.ShipmentID, CustomerID: s.CustomerID}
			}),
		publish(of(OrderUpdatedType, "The whole order, after whatever happened to it."),
			func(_ es.Recorded, s order.State) OrderUpdated {
				return OrderUpdated{
					OrderID: s.ID, CustomerID: s.CustomerID, AccountID: s.AccountID, Status: string(s.Status),
					Revision: s.Revision, Lines: orderLines(s.Lines),
					Total: amount(s.Total), PricedBy: s.PricedBy, Address: string(s.Address), PlacedAt: s.PlacedAt,
					PaymentID: s.PaymentID, ShipmentID: s.ShipmentID,
					TrackingNumber: s.TrackingNumber, Reason: string(s.Reason), Detail: s.Detail, Note: string(s.Note),
					Origin: string(s.ClosedBy),
					SagaID: s.SagaID, SagaState: string(s.Saga), FailedSteps: s.FailedSteps, Wait: waitOf(s.Wait),
					Refunds: orderRefunds(s.Refunds),
				}
			}),
	}
}
