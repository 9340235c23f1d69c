package httpapi

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/request"
)

type registerCustomerBody struct {
	CustomerID string `json:"customerId,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"A pseudonym. Operators choose it. Customers may omit it; it is the one in their token."`
	Name       string `json:"name" minLength:"1" maxLength:"200" example:"Ada Lovelace"`
	Email      string `json:"email" minLength:"3" maxLength:"254" pattern:"^[^@\\s]+@[^@\\s]+$" example:"ada@example.com" doc:"An address without a display name, in ASCII (write internationalised domains as xn--…). The domain contains a dot."`
}

type registerCustomerInput struct {
	Keyed
	Body registerCustomerBody
}

type customerAnswer struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

type customerOutput struct {
	ETag string `header:"ETag"`
	Body customerAnswer
}

func (c Commands) registerCustomer(
	ctx context.Context, id identity, in *registerCustomerInput,
) (*customerOutput, error) {
	customerID, err := id.actsFor(in.Body.CustomerID)
	if err != nil {
		return nil, err
	}
	in.Body.CustomerID = customerID
	req, err := in.request(ctx, id, c.Clock.Now(), "register-customer", "", in.Body)
	if err != nil {
		return nil, err
	}
	if id.isOperator() { // a customer registers nobody but themselves: their own stream knows the key
		target := string(es.NewStreamID(customer.Category, customerID))
		req.Claim = request.Claim(req.CommitID, "register-customer", target)
	}
	res, err := c.Customers.Register(
		ctx, req, customer.RegisterInput{CustomerID: customerID, Name: in.Body.Name, Email: in.Body.Email},
	)
	if err != nil {
		return nil, err
	}
	version := res.Head.Version()
	return &customerOutput{ETag: etag(version), Body: customerAnswer{ID: customerID, Version: version}}, nil
}

type changeCustomerBody struct {
	Name  string `json:"name,omitempty" minLength:"1" maxLength:"200" doc:"Omit to keep the name" example:"Ada King"`
	Email string `json:"email,omitempty" minLength:"3" maxLength:"254" pattern:"^[^@\\s]+@[^@\\s]+$" doc:"Omit to keep the address. The rules for new customers apply." example:"king@example.com"`
}

type changeCustomerInput struct {
	ID      string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The customer's id"`
	IfMatch string `header:"If-Match" doc:"The ETag of the customer version to change" example:"\"1\""`
	Body    changeCustomerBody
}

type personAnswer struct {
	ID             string                 `json:"id"`
	Name           *string                `json:"name" nullable:"true" doc:"null if the customer is erased"`
	Email          *string                `json:"email" nullable:"true" doc:"null if the customer is erased"`
	MailSuppressed customer.Reason        `json:"mailSuppressed,omitempty" enum:"bounce,complaint" doc:"Why no mail is sent to the address: it takes none (bounce), or its owner reported the shop's mails as spam (complaint). Absent if mails are sent. Set the address again to resume."`
	Erased         bool                   `json:"erased" doc:"true if the customer is erased: name and e-mail address are unreadable"`
	ErasedAt       string                 `json:"erasedAt,omitempty" format:"date-time" doc:"When the customer was first erased"`
	ErasedWhy      customer.ErasureReason `json:"erasedWhy,omitempty" enum:"requested,retention,mistaken,ordered" doc:"Why, where whoever erased the customer gave a reason"`
	Version        int64                  `json:"version" doc:"Sequence number of the customer's last event"`
}

type personOutput struct {
	ETag string `header:"ETag"`
	Body personAnswer
}

func (q Queries) getCustomer(ctx context.Context, id identity, in *customerPath) (*personOutput, error) {
	if !id.sees(in.ID) {
		return nil, customer.ErrNotFound.New("there is no such customer")
	}
	res, err := q.Customers.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answerPerson(ctx, q.Customers, res)
}

func (c Commands) changeCustomer(ctx context.Context, id identity, in *changeCustomerInput) (*personOutput, error) {
	if !id.sees(in.ID) {
		return nil, customer.ErrNotFound.New("there is no such customer")
	}
	version, err := expectedVersion(in.IfMatch, "", customer.ErrVersionRequired.Field("header.If-Match",
		"expected If-Match with the ETag that you read"))
	if err != nil {
		return nil, err
	}
	// A PATCH needs no key: the caller, the version and what they ask for name it.
	req := es.Request{
		CommitID: ident.Derive("change-customer", id.actor(), in.ID, strconv.FormatInt(version, 10)),
		Time:     c.Clock.Now(), Metadata: metadata(ctx),
	}
	wanted := customer.ChangeInput{Name: in.Body.Name, Email: in.Body.Email}
	res, err := c.Customers.Change(ctx, req, in.ID, version, wanted)
	if err != nil {
		return nil, err
	}
	return answerPerson(ctx, c.Customers, res)
}

// answerPerson decrypts what the customer says of themselves. Of one who is erased there is
// nothing.
func answerPerson(
	ctx context.Context, customers customer.Service, res es.Result[customer.State],
) (*personOutput, error) {
	s, version := res.State, res.Head.Version()
	out := &personOutput{ETag: etag(version), Body: personAnswer{
		ID: s.ID, ErasedAt: s.ErasedAt, ErasedWhy: s.Why, Version: version,
	}}
	name, email, err := customers.Open(ctx, s)
	switch {
	case errors.Is(err, personal.ErrErased):
		out.Body.Erased = true
	case err != nil:
		return nil, err
	default:
		out.Body.Name, out.Body.Email, out.Body.MailSuppressed = &name, &email, s.Suppressed
	}
	return out, nil
}

type eraseCustomerInput struct {
	ID     string                 `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The customer's id"`
	Reason customer.ErasureReason `query:"reason" enum:"requested,retention,mistaken,ordered" doc:"Why, which the event keeps: the customer asked for it, the time for which customers are kept is over, they are registered by mistake or twice, or a court or authority orders it. Not a text, which would outlive the customer's key."`
}

type erasedCustomerAnswer struct {
	ID        string                 `json:"id"`
	ErasedAt  string                 `json:"erasedAt" format:"date-time" doc:"When the customer was first erased"`
	ErasedWhy customer.ErasureReason `json:"erasedWhy,omitempty" enum:"requested,retention,mistaken,ordered" doc:"Why, where whoever erased the customer first gave a reason"`
	Version   int64                  `json:"version"`
}

type erasedCustomerOutput struct {
	ETag string `header:"ETag"`
	Body erasedCustomerAnswer
}

func (c Commands) eraseCustomer(
	ctx context.Context, id identity, in *eraseCustomerInput,
) (*erasedCustomerOutput, error) {
	if !id.sees(in.ID) {
		return nil, customer.ErrNotFound.New("there is no such customer")
	}
	// A DELETE needs no key: a customer is erased once, whoever asks for it and however often.
	req := es.Request{CommitID: ident.Derive("erase-customer", in.ID), Time: c.Clock.Now(), Metadata: metadata(ctx)}
	res, err := c.Customers.Erase(ctx, req, in.ID, in.Reason)
	if err != nil {
		return nil, err
	}
	version := res.Head.Version()
	return &erasedCustomerOutput{
		ETag: etag(version), Body: erasedCustomerAnswer{
			ID: in.ID, ErasedAt: res.State.ErasedAt, ErasedWhy: res.State.Why, Version: version,
		},
	}, nil
}

type listOrdersInput struct {
	ID     string       `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The customer's id"`
	Status order.Status `query:"status" enum:"placed,held,backordered,payment-required,confirmed,cancelling,cancelled,shipped,delivered" doc:"Only orders in this status"`
	Limit  int          `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of orders per page"`
	Cursor string       `query:"cursor" maxLength:"1024" doc:"The next value of the previous page; opaque"`
}

type listedOrderAnswer struct {
	ID             string       `json:"id"`
	CustomerID     string       `json:"customerId"`
	Status         order.Status `json:"status" enum:"placed,held,backordered,payment-required,confirmed,cancelling,cancelled,shipped,delivered"`
	Total          money.Money  `json:"total"`
	Refunded       *money.Money `json:"refunded,omitempty" doc:"Total of the refunds after dispatch"`
	LineCount      int          `json:"lineCount"`
	PlacedAt       time.Time    `json:"placedAt"`
	UpdatedAt      time.Time    `json:"updatedAt"`
	Saga           sagaAnswer   `json:"saga"`
	Reason         order.Reason `json:"reason,omitempty" doc:"Why the order is cancelled"`
	TrackingNumber string       `json:"trackingNumber,omitempty"`
	Version        int64        `json:"version" doc:"Sequence number of the last event that the view has processed"`
}

type listOrdersAnswer struct {
	Orders []listedOrderAnswer `json:"orders" doc:"Newest first. The list is a view, and lags behind the orders by about a second."`
	Next   string              `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
	// of a search
	LookedAt      int        `json:"lookedAt,omitempty" doc:"With sku: how many orders this page looked at, at most 1000. If next is present, it continues behind them."`
	LookedThrough *time.Time `json:"lookedThrough,omitempty" doc:"With sku: when the last order that it looked at was placed"`
}

type listOrdersOutput struct{ Body listOrdersAnswer }

func (q Queries) listOrders(ctx context.Context, id identity, in *listOrdersInput) (*listOrdersOutput, error) {
	if !id.sees(in.ID) {
		return nil, customer.ErrNotFound.New("there is no such customer")
	}
	page, err := q.Lists.List(ctx, in.ID, orders.Query{Status: in.Status, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, err
	}
	return answerList(page), nil
}

func answerList(page orders.Page) *listOrdersOutput {
	out := &listOrdersOutput{Body: listOrdersAnswer{Orders: make([]listedOrderAnswer, len(page.Rows)), Next: page.Next}}
	for i, r := range page.Rows {
		out.Body.Orders[i] = listedOrderAnswer{
			ID: r.OrderID, CustomerID: r.CustomerID, Status: r.Status, Total: r.Total, LineCount: r.LineCount,
			PlacedAt:  r.PlacedAt.UTC(),
			UpdatedAt: r.UpdatedAt.UTC(), Saga: sagaAnswer(r.Saga), Reason: r.Reason, TrackingNumber: r.TrackingNumber,
			Version: r.Sequence,
		}
		if r.Refunded != (money.Money{}) {
			out.Body.Orders[i].Refunded = &r.Refunded
		}
	}
	return out
}

type listAllOrdersInput struct {
	Status       order.Status `query:"status" enum:"placed,held,backordered,payment-required,confirmed,cancelling,cancelled,shipped,delivered" doc:"Only orders in this status"`
	CustomerID   string       `query:"customer" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"Only orders of this customer"`
	SKU          string       `query:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Only orders with a line of this SKU. There is no list by SKU: a page looks at up to 1000 orders, newest first, and may have none of them and a next page."`
	PlacedAfter  Instant      `query:"placedAfter" doc:"Only orders placed at this time or later. Adjacent windows share a bound."`
	PlacedBefore Instant      `query:"placedBefore" doc:"Only orders placed before this time"`
	Limit        int          `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of orders per page"`
	Cursor       string       `query:"cursor" maxLength:"1024" doc:"The next value of the previous page; opaque. Send the same filters."`
}

func (q Queries) listAllOrders(ctx context.Context, _ identity, in *listAllOrdersInput) (*listOrdersOutput, error) {
	page, err := q.AllOrders.List(ctx, allorders.Query{
		Status: in.Status, CustomerID: in.CustomerID, SKU: in.SKU, After: in.PlacedAfter.Time,
		Before: in.PlacedBefore.Time, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, err
	}
	out := answerList(page)
	if page.Looked > 0 {
		through := page.Through.UTC()
		out.Body.LookedAt, out.Body.LookedThrough = page.Looked, &through
	}
	return out, nil
}

type listCustomersInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of customers per page"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next value of the previous page; opaque"`
}

type listedCustomerAnswer struct {
	ID           string `json:"id"`
	RegisteredAt string `json:"registeredAt" format:"date-time"`
	Erased       bool   `json:"erased"`
	ErasedAt     string `json:"erasedAt,omitempty" format:"date-time"`
	Version      int64  `json:"version" doc:"Sequence number of the last event that the view has processed"`
}

type listCustomersAnswer struct {
	Customers []listedCustomerAnswer `json:"customers" doc:"Most recently registered first, including erased customers. The list is a view, and lags behind the customers by about a second."`
	Next      string                 `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type listCustomersOutput struct{ Body listCustomersAnswer }

func (q Queries) listCustomers(ctx context.Context, _ identity, in *listCustomersInput) (*listCustomersOutput, error) {
	page, err := q.Everybody.List(ctx, customers.Query{Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, err
	}
	out := &listCustomersOutput{Body: listCustomersAnswer{
		Customers: make([]listedCustomerAnswer, len(page.Rows)), Next: page.Next,
	}}
	for i, r := range page.Rows {
		out.Body.Customers[i] = listedCustomerAnswer{
			ID: r.CustomerID, RegisteredAt: moment(r.RegisteredAt), Erased: !r.ErasedAt.IsZero(),
			ErasedAt: moment(r.ErasedAt),
			Version:  r.Sequence,
		}
	}
	return out, nil
}

type customerPath struct {
	ID string `path:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" doc:"The customer's id"`
}

type statisticsAnswer struct {
	CustomerID        string                 `json:"customerId"`
	Orders            int64                  `json:"orders" doc:"All orders, in any status"`
	Open              int64                  `json:"open" doc:"Orders in progress: placed or cancelling"`
	Confirmed         int64                  `json:"confirmed" doc:"Orders that were confirmed and not cancelled later"`
	Cancelled         int64                  `json:"cancelled"`
	ByStatus          map[order.Status]int64 `json:"byStatus"`
	CancelledByReason map[order.Reason]int64 `json:"cancelledByReason"`
	ConfirmedTotal    []money.Money          `json:"confirmedTotal" doc:"Total of the confirmed orders, one entry per currency"`
	RefundedTotal     []money.Money          `json:"refundedTotal" doc:"Total of what was refunded of these after dispatch, one entry per currency. It is not subtracted from confirmedTotal."`
}

type statisticsOutput struct{ Body statisticsAnswer }

func (q Queries) getStatistics(ctx context.Context, id identity, in *customerPath) (*statisticsOutput, error) {
	if !id.sees(in.ID) {
		return nil, customer.ErrNotFound.New("there is no such customer")
	}
	row, err := q.Statistics.Statistics(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if !row.Registered && row.Orders == 0 {
		return nil, customer.ErrNotFound.New("there is no such customer")
	}
	a := statisticsAnswer{
		CustomerID: in.ID, Orders: row.Orders, Open: row.Open(), Confirmed: row.Confirmed(), Cancelled: row.Cancelled(),
		ByStatus: row.ByStatus, CancelledByReason: row.CancelledByReason,
		ConfirmedTotal: amounts(row.ConfirmedTotal), RefundedTotal: amounts(row.RefundedTotal),
	}
	if a.ByStatus == nil {
		a.ByStatus = map[order.Status]int64{}
	}
	if a.CancelledByReason == nil {
		a.CancelledByReason = map[order.Reason]int64{}
	}
	return &statisticsOutput{Body: a}, nil
}

// amounts lists minor units by their currency.
func amounts(by map[string]int64) []money.Money {
	all := []money.Money{}
	for _, code := range slices.Sorted(maps.Keys(by)) {
		all = append(all, money.Money{Amount: by[code], Currency: code})
	}
	return all
}
