// Package httpapi is the HTTP edge: commands, queries and operations as three handlers, their
// description as one OpenAPI document, and every failure as one form of problem document (RFC
// 9457).
//
// The handlers run in Lambda behind an API Gateway HTTP API (payload format 2.0), whose JWT
// authorizer has verified the caller's token.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/effects"
	"orderflow/shared/ops/executions"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/quota"
	"orderflow/shared/shop/refund"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// Commands is what the command side works with.
type Commands struct {
	Auth        Auth
	Clock       clock.Clock
	Log         *slog.Logger
	Orders      order.Service
	Customers   customer.Service
	Accounts    account.Service
	Stock       stock.Service
	Products    product.Service
	Shipments   shipment.Service
	Refunds     refund.Service
	DeadLetters deadletter.Desk
	Quota       *quota.Guard // of customers
}

// Queries is what the query side works with. None of it writes.
type Queries struct {
	Auth        Auth
	Clock       clock.Clock
	Log         *slog.Logger
	Orders      order.Service
	Customers   customer.Service
	Accounts    account.Service
	Stock       stock.Service
	Products    product.Service
	Shipments   shipment.Service
	Lists       orders.Reader
	AllOrders   allorders.Reader
	Statistics  customers.Reader
	Everybody   customers.Lister
	Figures     analytics.Reader
	DeadLetters deadletter.Desk
}

// Operations is what shows operators the machinery. None of it writes. It has a function of its
// own: what customers call every day links none of it, and may do none of it.
type Operations struct {
	Auth       Auth
	Clock      clock.Clock
	Log        *slog.Logger
	Executions executions.Desk
	Effects    effects.Desk
	Views      Views
	Audit      Audits
	Alarms     Alarms
}

// NewCommands makes the handler of the commands.
func NewCommands(c Commands) http.Handler {
	c = wiring.Complete(c)
	s := newServer(c.Auth, c.Clock, c.Log)
	s.quota = c.Quota
	s.commands(c)
	s.deadLetterCommands(c)
	return s.edge
}

// NewQueries makes the handler of the queries, which also serves the OpenAPI document of all.
func NewQueries(q Queries) http.Handler {
	q = wiring.Complete(q)
	s := newServer(q.Auth, q.Clock, q.Log)
	s.queries(q)
	s.deadLetterQueries(q)
	s.document()
	return s.edge
}

// NewOperations makes the handler of the operations.
func NewOperations(o Operations) http.Handler {
	o = wiring.Complete(o)
	s := newServer(o.Auth, o.Clock, o.Log)
	s.operations(o)
	return s.edge
}

// errNoQuery is of an event with parameters and without the query that they come from, which API
// Gateway never makes. The proxy would take the parameters, in which repeated ones are joined by
// commas and pass for one.
var errNoQuery = errors.New("httpapi: the event has query parameters and no query")

// Lambda makes the function's handler. What the proxy can't turn into a request is the client's
// mistake: it is answered like one, and the function does not fail of it.
func Lambda(h http.Handler, m Mapping) func(
	context.Context, events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	proxy := httpadapter.NewV2(h)
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		if event.RawPath == "" {
			event.RawPath = event.RequestContext.HTTP.Path
		}
		ctx = m.strip(ctx, &event)
		// API Gateway has decoded the path. Encoded again, a "?" or "%" in it stays part of the
		// path.
		event.RawPath = (&url.URL{Path: event.RawPath}).EscapedPath()
		response, err := events.APIGatewayV2HTTPResponse{}, errNoQuery
		if event.RawQueryString != "" || len(event.QueryStringParameters) == 0 {
			response, err = proxy.ProxyWithContext(ctx, event)
		}
		if err != nil {
			slog.WarnContext(
				ctx, "request can't be read", "error", err.Error(), "apiRequestId", event.RequestContext.RequestID,
			)
			p := ofFault(ErrMalformed.New("malformed request"))
			out := newAnswer()
			p.write(out)
			return events.APIGatewayV2HTTPResponse{
				StatusCode: p.Status, Headers: map[string]string{"Content-Type": p.ContentType("")},
				Body: out.body.String(),
			}, nil
		}
		return response, nil
	}
}

// Route is an operation's id, and the key by which API Gateway leads to it, as GET /orders/{id}.
type Route struct{ Operation, Key string }

// Routes lists what the three handlers serve. The document of all, which is no operation in it, is
// the last of the queries.
func Routes() (commands, queries, operations []Route) {
	c, q := newServer(Auth{}, clock.System{}, nil), newServer(Auth{}, clock.System{}, nil)
	o := newServer(Auth{}, clock.System{}, nil)
	c.commands(Commands{})
	c.deadLetterCommands(Commands{})
	q.queries(Queries{})
	q.deadLetterQueries(Queries{})
	q.document()
	o.operations(Operations{})
	return c.routes, q.routes, o.routes
}

// server collects operations.
type server struct {
	edge   *edge
	mounts []func(huma.API)
	routes []Route
	quota  *quota.Guard // nil where nothing counts: queries write nothing
}

func newServer(auth Auth, c clock.Clock, log *slog.Logger) *server {
	return &server{edge: &edge{
		mux: http.NewServeMux(), operations: map[string]operation{}, auth: auth.Checked(), clock: c, log: log,
	}}
}

// newAPI makes a huma API of the operations that are mounted on it. takes is called with what each
// says that it takes.
func newAPI(mux *http.ServeMux, auth Auth, takes func(parameters)) huma.API {
	settings := config(auth)
	settings.OnAddOperation = append(settings.OnAddOperation, func(doc *huma.OpenAPI, op *huma.Operation) {
		tighten(op, doc.Components.Schemas)
		takes(parametersOf(op, doc.Components.Schemas))
		op.Parameters = append(op.Parameters, &huma.Param{Ref: "#/components/parameters/" + correlationParameter})
	})
	return humago.New(mux, settings)
}

// register adds an operation. Its errors become problems here, its caller is known by then.
//
// What huma derives from the types, for the check and for the document alike, is made with the
// operation's first request, in an API of its own: a cold start serves one request, and all
// operations together would take longer than all else before it.
func register[I, O any](s *server, a access, op huma.Operation, run func(context.Context, identity, *I) (*O, error)) {
	op.MaxBodyBytes = maxBody + 1 // huma refuses a body that reaches the limit
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusServiceUnavailable)
	if counts(a, op.Method) {
		op.Errors = append(op.Errors, http.StatusTooManyRequests)
	}
	if a != accessOpen {
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		op.Security = []map[string][]string{{"jwt": {}}}
	}
	switch a {
	case accessOperator:
		op.Security = []map[string][]string{{"jwt": {s.edge.auth.OperatorScope}}}
	case accessCarrier: // either scope
		op.Security = []map[string][]string{{"jwt": {s.edge.auth.OperatorScope}}, {"jwt": {s.edge.auth.CarrierScope}}}
	}
	mount := func(api huma.API) {
		huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
			x := exchangeOf(ctx)
			if err := s.charge(ctx, x); err != nil {
				return nil, s.refused(ctx, x, err)
			}
			out, err := run(ctx, x.caller, in)
			if err != nil {
				return nil, s.refused(ctx, x, err)
			}
			return out, nil
		})
	}
	s.mounts = append(s.mounts, mount)
	key := op.Method + " " + op.Path
	s.routes = append(s.routes, Route{op.OperationID, key})
	s.edge.add(key, a, func() (http.Handler, parameters) {
		var takes parameters
		mux := http.NewServeMux()
		mount(newAPI(mux, s.edge.auth, func(p parameters) { takes = p }))
		return mux, takes
	})
}

// refused makes the problem of a request that is not carried out.
func (s *server) refused(ctx context.Context, x *exchange, err error) *problem {
	p := problemOf(ctx, s.edge.log, err)
	x.code = p.Code
	return p
}

func (s *server) commands(c Commands) {
	post := func(id, path, summary, description string, status int, errs ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Description: description,
			DefaultStatus: status,
			Errors: append(
				errs, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			),
		}
	}
	register(s, accessSignedIn, post("registerCustomer", "/customers", "Register a customer",
		"Name and e-mail address are stored encrypted, under the customer's own key.", http.StatusCreated),
		c.registerCustomer)
	register(s, accessSignedIn, huma.Operation{
		OperationID: "changeCustomer", Method: http.MethodPatch, Path: "/customers/{id}",
		Summary: "Change a customer's name or e-mail address",
		Description: "For the customer and operators. Omitted fields stay as they are, and null is rejected. " +
			"If-Match names the version to change. Mails written from then on go to the new address. A request " +
			"that changes nothing writes nothing, and the version stays. A duplicate request from the same " +
			"caller is detected until the customer is changed again.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusNotFound, http.StatusPreconditionFailed, http.StatusPreconditionRequired,
		},
	}, c.changeCustomer)
	register(s, accessSignedIn, huma.Operation{
		OperationID: "eraseCustomer", Method: http.MethodDelete, Path: "/customers/{id}",
		Summary: "Permanently erase a customer",
		Description: "Destroys the customer's data key, and answers about three seconds later, when nothing " +
			"remembers it any more: name, e-mail address, shipping addresses and notes are then unreadable " +
			"wherever they are stored. Orders, accounts and balances stay under the pseudonym. From then on, an " +
			"account receives refunds only, and only an operator can pay out its balance: GET /accounts finds " +
			"the account, POST /accounts/{id}/withdrawals pays it out. Orders that are not dispatched are " +
			"cancelled and refunded, usually within moments. New orders are rejected, and the id is never reused. " +
			"Customers erase themselves; operators erase any customer. A duplicate request has the same answer.",
		Errors: []int{http.StatusNotFound},
	}, c.eraseCustomer)
	register(s, accessOrdering, post("placeOrder", "/orders", "Place an order",
		"The catalogue sets the prices at the time when the order is placed, and the order keeps them. If a "+
			"line's unitPrice differs from the catalogue's, 409 order.price-changed shows the current price of each "+
			"line in lines. 422 order.not-for-sale names each line whose SKU is not listed, is withdrawn, or has no "+
			"price in the order's currency. In both cases nothing is stored, and the key is free: a new request "+
			"with the same key and other prices creates at most one order. Callers with the required scope set "+
			"prices, discounts and taxes themselves, for listed SKUs and for the customer whom they name. Accepted "+
			"means stored; stock, payment and shipment follow. Read the order at Location with wait until the "+
			"state of its saga is completed or failed.",
		http.StatusAccepted), c.placeOrder)
	register(s, accessSignedIn, post("cancelOrder", "/orders/{id}/cancel", "Cancel an order",
		"Possible until the order's shipment is dispatched. The saga undoes what was done for the order: its "+
			"status becomes cancelling, then cancelled. If the order is already cancelling or cancelled, the answer "+
			"shows it unchanged: nothing is stored, not even the reason, and the key may be used again.",
		http.StatusAccepted, http.StatusNotFound), c.cancelOrder)
	register(s, accessOperator, post("refundOrder", "/orders/{id}/refunds", "Refund a dispatched order",
		"For operators. Pays back what was paid for lines, shipping or as goodwill, to the account that paid. "+
			"Order, payment and account change in one step, or none does. Possible once the order is shipped or "+
			"delivered; before that, 409 order.not-dispatched: cancel the order instead. A refund doesn't move "+
			"stock. 409 order.refund-exceeds means that more than is left was asked for: of a line's pieces, of "+
			"its amount, or of the order's total. 409 order.too-many-refunds: an order has at most 50. A refund "+
			"that is rejected writes nothing, and the key may be used again.",
		http.StatusCreated, http.StatusNotFound), c.refundOrder)
	register(s, accessSignedIn, post("payOrder", "/orders/{id}/payment", "Pay an order again",
		"For an order in status payment-required, whose payment was declined: tries it again, after a deposit or "+
			"from another account of the same customer in the order's currency. The stock stays reserved until "+
			"wait.until; then the order is cancelled with reason order.expired. Read the order with wait to see how "+
			"the payment ends: it may be declined again. In any other status the answer is 409 order.not-waiting.",
		http.StatusAccepted, http.StatusNotFound), c.payOrder)
	register(s, accessOperator, post("approveOrder", "/orders/{id}/approve", "Approve a held order",
		"For operators: an order in status held, or placed with holdRules, goes on. The history shows who approved "+
			"it. If it is approved already, the answer shows it unchanged.",
		http.StatusAccepted, http.StatusNotFound), c.approveOrder)
	register(s, accessOperator, post("declineOrder", "/orders/{id}/decline", "Decline a held order",
		"For operators: an order in status held, or placed with holdRules, is cancelled with reason order.declined. "+
			"If it is cancelled already, the answer shows it unchanged. To cancel an order that goes on, use cancel.",
		http.StatusAccepted, http.StatusNotFound), c.declineOrder)
	register(s, accessSignedIn, post("openAccount", "/accounts", "Open an account",
		"Orders are paid from the customer's account in the order's currency.", http.StatusCreated), c.openAccount)
	register(s, accessOperator, post("deposit", "/accounts/{id}/deposits", "Pay money in",
		"For operators, who vouch for incoming money. The customer must be registered and not erased.",
		http.StatusCreated, http.StatusNotFound), c.deposit)
	register(s, accessSignedIn, post("withdraw", "/accounts/{id}/withdrawals", "Pay money out",
		"Only operators pay out the balance of an erased customer.",
		http.StatusCreated, http.StatusNotFound), c.withdraw)
	register(s, accessSignedIn, post("transfer", "/accounts/{id}/transfers", "Send money to another account",
		"Both accounts change in one step, or neither does. The receiving account has the same currency, and "+
			"its customer is registered and not erased; otherwise the answer is 422 account.cannot-receive, without "+
			"further details.",
		http.StatusCreated, http.StatusNotFound), c.transfer)
	register(s, accessOperator, post("applyInterest", "/accounts/{id}/interest", "Add interest to the balance",
		"For operators. The interest is the rate applied to the current balance, rounded to whole minor units, "+
			"half to even. If it rounds to zero, the account stays unchanged, and the key counts as used.",
		http.StatusCreated, http.StatusNotFound), c.applyInterest)
	register(s, accessCarrier, post("dispatchShipment", "/shipments/{id}/dispatch",
		"Dispatch a shipment",
		"For operators and the carrier: reports that the shipment left with the carrier. Possible once the "+
			"shipment is prepared, which follows the order's confirmation, and while its address is readable: 422 "+
			"shipment.address-unreadable if the customer is erased. The order becomes shipped and can't be "+
			"cancelled any more, and its pieces leave the stock. If the shipment is already dispatched, the answer "+
			"shows it unchanged.",
		http.StatusOK, http.StatusNotFound), c.dispatchShipment)
	register(s, accessCarrier, post("deliverShipment", "/shipments/{id}/deliver",
		"Deliver a shipment",
		"For operators and the carrier: reports that the carrier delivered the shipment. Possible once the "+
			"shipment is dispatched. The order becomes delivered. If the shipment is already delivered, the answer "+
			"shows it unchanged.",
		http.StatusOK, http.StatusNotFound), c.deliverShipment)
	register(s, accessOperator, huma.Operation{
		OperationID: "setStock", Method: http.MethodPut, Path: "/stock/{sku}",
		Summary: "Set the number of pieces on hand",
		Description: "On hand means in the warehouse, including reserved pieces. Read the stock, count, and " +
			"send the number with the ETag that you read in If-Match. 412 means that a shipment was dispatched " +
			"or that somebody else counted in the meantime: read and count again. If a shipment had left the " +
			"shelf without being dispatched, count without its pieces and name it in left: this request " +
			"dispatches it. If-None-Match: * creates a new item. 409 stock.inconsistent means that the counters " +
			"need the repair in docs/stock.md. A duplicate request from the same caller is detected until the " +
			"number is set again.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusNotFound, http.StatusPreconditionFailed, http.StatusPreconditionRequired,
		},
	}, c.setStock)
	register(s, accessOperator, huma.Operation{
		OperationID: "shardStock", Method: http.MethodPut, Path: "/stock/{sku}/shards",
		Summary: "Split the stock of an item that sells fast",
		Description: "For operators. A row of the stock takes about 500 transactions a second. This request splits " +
			"the stock of an item into as many rows, spreads what is available evenly over them, and doesn't stop " +
			"orders meanwhile. Orders take from any of them, so that the item sells out exactly. The same " +
			"number again spreads what is available anew. 1 has one row for all.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusNotFound,
		},
	}, c.shardStock)
	register(s, accessOperator, huma.Operation{
		OperationID: "setProduct", Method: http.MethodPut, Path: "/products/{sku}",
		Summary: "Set a product's prices, or withdraw it",
		Description: "For operators. The body is the whole desired state. Its prices replace all prices of the " +
			"product, including scheduled ones. withdrawn takes the product off sale, with its prices; a body " +
			"with prices lists it again. A body that changes nothing writes nothing. Orders keep the prices at " +
			"which they were placed. If-Match names the version to change; If-None-Match: * lists a product " +
			"that was never listed. A duplicate request from the same caller has the same answer, until the " +
			"product is changed again.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusNotFound, http.StatusPreconditionFailed, http.StatusPreconditionRequired,
		},
	}, c.setProduct)
	s.amendments(c)
	s.customerIndex(c)
}

func (s *server) queries(q Queries) {
	get := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: description,
			Errors: []int{http.StatusNotFound},
		}
	}
	past := func(id, path, summary string) huma.Operation {
		o := get(id, path, summary, "Always reflects the caller's own writes. asOf shows a past state."+aboutPast)
		o.Errors = append(o.Errors, http.StatusConflict)
		return o
	}
	getOrder := past("getOrder", "/orders/{id}", "Read an order")
	getOrder.Description += " With wait, the answer comes as soon as there is news."
	getOrder.Responses = map[string]*huma.Response{
		strconv.Itoa(http.StatusNotModified): {Description: "The version in If-None-Match is the present one"},
	}
	register(s, accessSignedIn, getOrder, q.getOrder)
	register(
		s, accessSignedIn, get("getOrderHistory", "/orders/{id}/history", "Read an order's events", ""),
		q.getHistory,
	)
	register(s, accessSignedIn, get("getCustomer", "/customers/{id}", "Read a customer",
		"For the customer and operators: name and e-mail address. Always reflects the caller's own writes. "+
			"Both are null if the customer is erased."), q.getCustomer)
	list := func(id, path, summary, description string) huma.Operation {
		op := get(id, path, summary, description)
		op.Errors = nil
		return op
	}
	register(s, accessOperator, list("listCustomers", "/customers", "List all customers",
		"For operators. Without personal data: read names and addresses customer by customer."), q.listCustomers)
	register(s, accessOperator, list("listAllOrders", "/orders", "List the orders of all customers",
		"For operators. Newest first, in pages. An order that matches the filters while you read all pages is on "+
			"exactly one page."),
		q.listAllOrders)
	register(
		s, accessSignedIn,
		get("listOrders", "/customers/{id}/orders", "List a customer's orders", "Newest first, in pages."),
		q.listOrders,
	)
	register(s, accessSignedIn, get(
		"getStatistics", "/customers/{id}/statistics", "Read a customer's totals",
		"The totals are a view, and lag behind the orders by about a second.",
	),
		q.getStatistics)
	register(
		s, accessCarrier,
		get(
			"getShipment", "/shipments/{id}", "Read a shipment",
			"For operators and the carrier: status, packed items and destination. Once the shipment is delivered or "+
				"cancelled, the carrier no longer sees the address.",
		),
		q.getShipment,
	)
	register(s, accessSignedIn, get("getStock", "/stock/{sku}", "Read the stock of an item", ""), q.getStock)
	register(s, accessOrdering, get("getProduct", "/products/{sku}", "Read a product",
		"Always shows the latest change. Callers other than operators get 404 until a price is in force."),
		q.getProduct)
	products := get("listProducts", "/products", "List the products that are for sale",
		"Ordered by SKU, in pages. The list lags behind the products by moments. Only operators see products whose "+
			"prices are all scheduled; for other callers, a page may be shorter than limit. More pages follow as long "+
			"as next is present.")
	products.Errors = nil
	register(s, accessOrdering, products, q.listProducts)
	register(s, accessSignedIn, past("getAccount", "/accounts/{id}", "Read an account"), q.getAccount)
	register(s, accessSignedIn, get("findAccount", "/accounts", "Find a customer's account in a currency",
		"Always reflects the caller's own writes. 404 if the customer has no account in the currency. "+
			"Also finds the accounts of erased customers."), q.findAccount)
	register(s, accessSignedIn, get("getStatement", "/accounts/{id}/statement", "Read an account's movements",
		"Newest first, in pages, each with the balance right after it. Always reflects the caller's own writes."),
		q.getStatement)
	s.skuHistories(q)
	s.movements(q)
	figures := get("getDailyFigures", "/analytics/daily", "Read daily figures of orders",
		"For operators. Everything counts in the hour in which it happened, so that past days don't change: a "+
			"refund counts when the cancellation is completed.")
	figures.Errors = nil
	register(s, accessOperator, figures, q.getDailyFigures)
	minutes := get("getMinuteFigures", "/analytics/minutes", "Read how many orders were placed in each minute",
		"For operators. The last hour by default, up to a day. The minute that is not over is left out.")
	minutes.Errors = nil
	register(s, accessOperator, minutes, q.getMinuteFigures)
	s.customerSearch(q)
}

// aboutPast says what a query for the past answers.
const aboutPast = " The answer then has changedAt and no ETag; 404 if there is no such version, or if nothing " +
	"existed at that time. A version is settled at once, a time after 20 seconds. For an earlier query, and for a " +
	"time in the future, the answer is 409 asof.not-settled with Retry-After. The answer for a settled time never " +
	"changes."

// etag is a version as an entity tag.
func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }
