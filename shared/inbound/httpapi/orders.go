package httpapi

import (
	"context"
	"errors"
	"net/http"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/trail"
)

type address struct {
	Recipient  string `json:"recipient" minLength:"1" maxLength:"100" example:"Ada Lovelace"`
	Line1      string `json:"line1" minLength:"1" maxLength:"100" example:"12 St James's Square"`
	Line2      string `json:"line2,omitempty" maxLength:"100"`
	PostalCode string `json:"postalCode,omitempty" maxLength:"20" doc:"Required if the country has postal codes. In the country's format; case, spaces and hyphens don't matter. Kept as written." example:"SW1Y 4LB"`
	City       string `json:"city,omitempty" maxLength:"100" doc:"Required in most countries; some, such as HK and AE, have a state instead" example:"London"`
	State      string `json:"state,omitempty" maxLength:"100" doc:"State, province, prefecture, area or emirate, in the customer's words. Required if the country's addresses have one, for example in US, CA, JP, BR, HK and AE" example:"Greater London"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2" example:"GB"`
	Phone      string `json:"phone,omitempty" maxLength:"30" pattern:"^\\+?[ ()./-]*([0-9][ ()./-]*){5,15}$" doc:"For the carrier: 5 to 15 digits, with an optional leading +, and with spaces and ( ) . / - between them" example:"+44 20 7946 0958"`
}

// shipTo is an address as it is kept: what is stored and what is answered are the same.
func (a address) shipTo() shipment.Address { return shipment.Address(a).Trimmed() }

type placeOrderBody struct {
	CustomerID      string       `json:"customerId,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The customer who orders. Required for operators and pricing systems; customers may omit it."`
	Currency        currencyCode `json:"currency,omitempty" doc:"The currency of the order. Required if no line has a unit price; all unit prices are in this currency." example:"USD"`
	Lines           []orderLine  `json:"lines" minItems:"1" maxItems:"100" doc:"At most 40 different SKUs. A SKU may occur on several lines. The total is at most 1000000000000 minor units."`
	ShippingAddress address      `json:"shippingAddress"`
	OutOfStock      string       `json:"outOfStock,omitempty" enum:"reject,backorder,partial-wait,partial-drop" doc:"What becomes of the order if stock is short: it is cancelled (reject), waits until there is enough (backorder), or goes on without what is missing. That becomes an order of its own, which waits (partial-wait; if all is missing, the order itself waits), or is dropped and never charged (partial-drop; if all is missing, the order is cancelled). By default what its strictest product says: each of these is stricter than those behind it."`
}

type placeOrderInput struct {
	Keyed
	Body placeOrderBody
}

type orderPath struct {
	ID string `path:"id" format:"uuid" doc:"The order's id"`
}

type cancelOrderBody struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"In the caller's own words. Stored encrypted, like an address."`
}

type cancelOrderInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The order's id"`
	Body cancelOrderBody
}

type addressAnswer struct {
	_          struct{} `nullable:"true"`
	Recipient  string   `json:"recipient"`
	Line1      string   `json:"line1"`
	Line2      string   `json:"line2,omitempty"`
	PostalCode string   `json:"postalCode" doc:"Empty if the country has none"`
	City       string   `json:"city" doc:"Empty if the country's addresses have none"`
	State      string   `json:"state,omitempty"`
	Country    string   `json:"country"`
	Phone      string   `json:"phone,omitempty"`
}

func answerAddress(to shipment.Address) *addressAnswer {
	return &addressAnswer{
		Recipient: to.Recipient, Line1: to.Line1, Line2: to.Line2, PostalCode: to.PostalCode, City: to.City,
		State:   to.State,
		Country: to.Country, Phone: to.Phone,
	}
}

type sagaAnswer struct {
	ID    string          `json:"id" doc:"The execution of the state machine that processes the order; empty before one has started"`
	State order.SagaState `json:"state" enum:"pending,running,completed,compensating,failed"`
}

type paymentAnswer struct {
	_  struct{} `nullable:"true"`
	ID string   `json:"id"`
}

type shipmentAnswer struct {
	_              struct{} `nullable:"true"`
	ID             string   `json:"id"`
	TrackingNumber string   `json:"trackingNumber"`
}

type cancellationAnswer struct {
	_      struct{}     `nullable:"true"`
	Reason order.Reason `json:"reason" doc:"customer.request, operator.request, customer.erased, order.expired, saga.step-failed, or the code of the error that stopped the order" example:"stock.insufficient"`
	Detail string       `json:"detail,omitempty"`
	Note   string       `json:"note,omitempty" doc:"The words of the person who cancelled. Absent if there are none, or if the customer is erased."`
	By     order.Origin `json:"by" enum:"customer,operator,saga,sweep"`
}

type waitAnswer struct {
	_      struct{}       `nullable:"true"`
	For    order.WaitKind `json:"for" enum:"approval,stock,payment"`
	Until  string         `json:"until" format:"date-time" doc:"When the order is cancelled if it still waits"`
	Rules  []string       `json:"rules,omitempty" doc:"Only for approval: the rules that the order matches"`
	Items  []goods.Item   `json:"items,omitempty" doc:"Only for stock: what was missing when the order began to wait"`
	Queue  []queueAnswer  `json:"queue,omitempty" doc:"Only for stock, and only without asOf: where the order stands now. Absent once all of it is reserved. It changes without a new version of the order: read it without If-None-Match."`
	Code   string         `json:"code,omitempty" doc:"Only for payment: the code of the error that declined it" example:"account.insufficient-funds"`
	Detail string         `json:"detail,omitempty"`
}

// queueAnswer is a place in the line for a product.
type queueAnswer struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity" doc:"Pieces that the order waits for"`
	Place    int64  `json:"place" doc:"1 for the order that is the next to get some"`
}

// queue tells where an order stands that waits for stock.
func (q Queries) queue(ctx context.Context, s order.State) ([]queueAnswer, error) {
	if s.Wait == nil || s.Wait.Kind != order.WaitStock {
		return nil, nil
	}
	places, err := q.Stock.Queue(ctx, s.ID, s.StockRevision)
	answer := make([]queueAnswer, len(places))
	for i, p := range places {
		answer[i] = queueAnswer(p)
	}
	return answer, err
}

func answerWait(w *order.Wait) *waitAnswer {
	if w == nil {
		return nil
	}
	return &waitAnswer{For: w.Kind, Until: w.Until, Rules: w.Rules, Items: w.Items, Code: w.Code, Detail: w.Detail}
}

type missingAnswer struct {
	_       struct{}     `nullable:"true"`
	Items   []goods.Item `json:"items"`
	Rest    string       `json:"rest" enum:"dropped,waits" doc:"What became of it. What waits is an order of its own once this one is confirmed; cancelling this one by then cancels that as well, while it waits."`
	OrderID string       `json:"orderId,omitempty" doc:"That order's id. Absent before this one is confirmed, and if nothing waits."`
}

func answerMissing(s order.State) *missingAnswer {
	if len(s.Missing) == 0 {
		return nil
	}
	answer := &missingAnswer{Items: s.Missing, Rest: "dropped", OrderID: s.RestID}
	if len(s.Rest) > 0 {
		answer.Rest = "waits"
	}
	return answer
}

type orderAnswer struct {
	ID              string              `json:"id"`
	CustomerID      string              `json:"customerId"`
	AccountID       string              `json:"accountId" doc:"The account that pays"`
	Status          order.Status        `json:"status" enum:"placed,held,backordered,payment-required,confirmed,cancelling,cancelled,shipped,delivered"`
	Lines           []lineAnswer        `json:"lines"`
	Total           money.Money         `json:"total" doc:"The sum of the line amounts: what the customer pays"`
	PricedBy        string              `json:"pricedBy,omitempty" doc:"Who set the prices: catalogue, or the actor who set a price, a discount or a tax. Absent for orders from releases in which every caller set prices." example:"catalogue"`
	ShippingAddress *addressAnswer      `json:"shippingAddress" doc:"null if the customer is erased"`
	Erased          bool                `json:"erased" doc:"true if the customer is erased: shipping address and note are unreadable"`
	PlacedAt        string              `json:"placedAt" format:"date-time"`
	HoldRules       []string            `json:"holdRules,omitempty" doc:"The rules that the order matches. It waits for approval before anything is reserved. Absent if it matches none."`
	Approval        *approvalAnswer     `json:"approval" doc:"null unless an order that matches rules was approved"`
	Wait            *waitAnswer         `json:"wait" doc:"null unless the order waits for approval, stock or payment"`
	Saga            sagaAnswer          `json:"saga"`
	Payment         *paymentAnswer      `json:"payment" doc:"null before the order is confirmed"`
	Shipment        *shipmentAnswer     `json:"shipment" doc:"null before the order is confirmed"`
	Cancellation    *cancellationAnswer `json:"cancellation" doc:"null unless the order is cancelling or cancelled"`
	Refunds         []orderRefundAnswer `json:"refunds,omitempty" doc:"Refunds after dispatch, oldest first"`
	Refunded        *money.Money        `json:"refunded,omitempty" doc:"Their total"`
	Refundable      *money.Money        `json:"refundable,omitempty" doc:"What may still be refunded of a dispatched order"`
	Missing         *missingAnswer      `json:"missing" doc:"What was not in stock, and that the order goes on without; null if all was. Lines and total are without it."`
	RestOf          string              `json:"restOf,omitempty" doc:"The id of the order of which this is what was not in stock"`
	Amendment       *amendmentAnswer    `json:"amendment" doc:"The last one; null if the order was never amended"`
	Version         int64               `json:"version" doc:"Sequence number of the order's last event"`
	ChangedAt       string              `json:"changedAt,omitempty" format:"date-time" doc:"Only with asOf: when the order reached the state shown"`
}

type orderAccepted struct {
	Location string `header:"Location" doc:"URL of the order"`
	ETag     string `header:"ETag"`
	Body     orderAnswer
}

type orderInput struct {
	Past
	Watch
	ID string `path:"id" format:"uuid" doc:"The order's id"`
}

type orderOutput struct {
	Status int
	ETag   string `header:"ETag" doc:"The version. Absent with asOf, because it would name a past state."`
	Body   orderAnswer
}

func (c Commands) placeOrder(ctx context.Context, id identity, in *placeOrderInput) (*orderAccepted, error) {
	customerID, err := id.actsFor(in.Body.CustomerID)
	if err != nil {
		return nil, err
	}
	in.Body.CustomerID = customerID // named or left out, it is the same request
	req, err := in.request(ctx, id, c.Clock.Now(), "place-order", "", in.Body)
	if err != nil {
		return nil, err
	}
	to := in.Body.ShippingAddress.shipTo()
	place := order.PlaceInput{
		OrderID: order.ID(id.actor(), in.Key), CustomerID: customerID, Address: to,
		OutOfStock: goods.OutOfStock(in.Body.OutOfStock),
	}
	if err := in.Body.price(id, &place); err != nil {
		return nil, err
	}
	trail.Learn(ctx, trail.Trail{OrderID: place.OrderID})
	res, err := c.Orders.Place(ctx, req, place)
	if err != nil {
		return nil, err
	}
	// The same key was sent with the same body, or Place has refused it: the address is the stored
	// one, and need not be decrypted.
	answer, err := answerOrder(res.State, res.Head.Version(), &to, "")
	if err != nil {
		return nil, err
	}
	return accepted(answer), nil
}

func (c Commands) cancelOrder(ctx context.Context, id identity, in *cancelOrderInput) (*orderAccepted, error) {
	req, err := in.claimed(ctx, id, c.Clock.Now(), "cancel-order", order.Category, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	cancel := order.CancelInput{Origin: order.OriginCustomer, CustomerID: id.customer, Note: in.Body.Reason}
	if id.isOperator() {
		cancel.Origin = order.OriginOperator
	}
	res, err := c.Orders.Cancel(ctx, req, in.ID, cancel)
	if err != nil {
		return nil, err
	}
	answer, err := openOrder(ctx, c.Orders, id, res.State, res.Head.Version())
	if err != nil {
		return nil, err
	}
	return accepted(answer), nil
}

// getOrder lets in by the present state, whatever is asked for: who may not see it learns nothing
// of its past.
func (q Queries) getOrder(ctx context.Context, id identity, in *orderInput) (*orderOutput, error) {
	if err := in.Watch.allowed(in.Past); err != nil {
		return nil, err
	}
	res, err := visibleOrder(ctx, q.Orders, id, in.ID)
	if err != nil {
		return nil, err
	}
	if in.asked() {
		return q.pastOrder(ctx, id, in, res.Head.Version())
	}
	if in.Wait > 0 {
		if res, err = q.watch(ctx, res, in.Watch); err != nil {
			return nil, err
		}
	}
	out := &orderOutput{Status: http.StatusNotModified, ETag: etag(res.Head.Version())}
	if in.known(res) {
		return out, nil
	}
	out.Status = http.StatusOK
	out.Body, err = openOrder(ctx, q.Orders, id, res.State, res.Head.Version())
	if err == nil && out.Body.Wait != nil {
		out.Body.Wait.Queue, err = q.queue(ctx, res.State)
	}
	return out, err
}

// pastOrder answers with the order as it was; version is the present one.
func (q Queries) pastOrder(
	ctx context.Context, id identity, in *orderInput, version int64,
) (*orderOutput, error) {
	if err := in.within(version); err != nil {
		return nil, err
	}
	past, err := q.Orders.AsOf(ctx, in.ID, in.AsOf.point)
	if err != nil {
		return nil, in.failed(err, q.Clock.Now())
	}
	answer, err := openOrder(ctx, q.Orders, id, past.State, past.Version)
	if err != nil {
		return nil, err
	}
	answer.ChangedAt = changedAt(past.Time)
	return &orderOutput{Status: http.StatusOK, Body: answer}, nil
}

func accepted(a orderAnswer) *orderAccepted {
	return &orderAccepted{Location: "/orders/" + a.ID, ETag: etag(a.Version), Body: a}
}

// visibleOrder loads an order that the caller may see.
func visibleOrder(
	ctx context.Context, orders order.Service, id identity, orderID string,
) (es.Result[order.State], error) {
	res, err := orders.Get(ctx, orderID)
	if err == nil && !id.sees(res.State.CustomerID) {
		return es.Result[order.State]{}, order.NotFound()
	}
	return res, err
}

// openOrder decrypts what belongs to the answer. What nobody can read any more is left out.
func openOrder(
	ctx context.Context, orders order.Service, id identity, s order.State, version int64,
) (orderAnswer, error) {
	var to *shipment.Address
	opened, err := orders.OpenAddress(ctx, s)
	erased := errors.Is(err, personal.ErrErased)
	switch {
	case err == nil:
		to = &opened
	case !erased:
		return orderAnswer{}, err
	}
	open := func(note personal.Sealed) (string, error) {
		words, err := orders.OpenNote(ctx, s, note)
		if errors.Is(err, personal.ErrErased) {
			erased = true
			return "", nil
		}
		return words, err
	}
	note, err := open(s.Note)
	if err != nil {
		return orderAnswer{}, err
	}
	answer, err := answerOrder(s, version, to, note)
	if err != nil {
		return orderAnswer{}, err
	}
	if s.Amendment != nil {
		if answer.Amendment.Reason, err = open(s.Amendment.Note); err != nil {
			return orderAnswer{}, err
		}
	}
	if s.Approval != nil {
		answer.Approval = &approvalAnswer{By: s.Approval.By}
		if answer.Approval.Note, err = open(s.Approval.Note); err != nil {
			return orderAnswer{}, err
		}
	}
	answer.Erased = erased
	answer.Refunds, err = answerRefunds(ctx, orders, id, s)
	return answer, err
}

func answerOrder(s order.State, version int64, to *shipment.Address, note string) (orderAnswer, error) {
	lines, err := answerLines(s.Lines)
	if err != nil {
		return orderAnswer{}, err
	}
	a := orderAnswer{
		ID: s.ID, CustomerID: s.CustomerID, AccountID: s.AccountID, Status: s.Status, Lines: lines, Total: s.Total,
		PricedBy: s.PricedBy, PlacedAt: s.PlacedAt, HoldRules: s.HoldRules, Wait: answerWait(s.Wait),
		Missing: answerMissing(s), RestOf: s.RestOf,
		Saga: sagaAnswer{ID: s.SagaID, State: s.Saga}, Version: version,
	}
	if to != nil {
		a.ShippingAddress = answerAddress(*to)
	}
	if s.PaymentID != "" {
		a.Payment = &paymentAnswer{ID: s.PaymentID}
	}
	if s.ShipmentID != "" {
		a.Shipment = &shipmentAnswer{ID: s.ShipmentID, TrackingNumber: s.TrackingNumber}
	}
	if s.Dispatched() {
		a.Refundable = new(s.Refundable())
	}
	if len(s.Refunds) > 0 {
		a.Refunded = new(s.Refunded())
	}
	if s.Amendment != nil {
		a.Amendment = &amendmentAnswer{Revision: s.Amendment.Revision, By: s.Amendment.By}
	}
	if s.Reason != "" {
		a.Cancellation = &cancellationAnswer{Reason: s.Reason, Detail: s.Detail, Note: note, By: s.ClosedBy}
	}
	return a, nil
}
