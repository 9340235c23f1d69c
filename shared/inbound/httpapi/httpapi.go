// Package httpapi is the HTTP edge: commands and queries as two handlers, their description as one
// OpenAPI document, and every failure as one form of problem document (RFC 9457).
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
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/product"
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
	DeadLetters deadletter.Desk
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

// NewCommands makes the handler of the commands.
func NewCommands(c Commands) http.Handler {
	s := newServer(c.Auth, c.Clock, c.Log)
	s.commands(c)
	s.deadLetterCommands(c)
	return s.edge
}

// NewQueries makes the handler of the queries, which also serves the OpenAPI document of both.
func NewQueries(q Queries) http.Handler {
	s := newServer(q.Auth, q.Clock, q.Log)
	s.queries(q)
	s.deadLetterQueries(q)
	s.document()
	return s.edge
}

// errNoQuery is of an event with parameters and without the query that they come from, which API
// Gateway never makes. The proxy would take the parameters, in which repeated ones are joined by
// commas and pass for one.
var errNoQuery = errors.New("httpapi: the event has query parameters and no query")

// Lambda makes the function's handler. What the proxy can't turn into a request is the client's
// mistake: it is answered like one, and the function does not fail of it.
func Lambda(h http.Handler) func(
	context.Context, events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	proxy := httpadapter.NewV2(h)
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		if event.RawPath == "" {
			event.RawPath = event.RequestContext.HTTP.Path
		}
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
			p := ofFault(ErrMalformed.New("the request can't be read"))
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

// server collects operations.
type server struct {
	edge *edge
	api  huma.API
}

func newServer(auth Auth, c clock.Clock, log *slog.Logger) *server {
	mux := http.NewServeMux()
	e := &edge{mux: mux, access: map[string]access{}, takes: map[string]parameters{}, auth: auth, clock: c, log: log}
	settings := config(auth)
	settings.OnAddOperation = append(settings.OnAddOperation, func(doc *huma.OpenAPI, op *huma.Operation) {
		tighten(op, doc.Components.Schemas)
		e.takes[op.Method+" "+op.Path] = parametersOf(op, doc.Components.Schemas)
		op.Parameters = append(op.Parameters, &huma.Param{Ref: "#/components/parameters/" + correlationParameter})
	})
	return &server{edge: e, api: humago.New(mux, settings)}
}

// register adds an operation. Its errors become problems here, its caller is known by then.
func register[I, O any](s *server, a access, op huma.Operation, run func(context.Context, identity, *I) (*O, error)) {
	op.MaxBodyBytes = maxBody + 1 // huma refuses a body that reaches the limit
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusServiceUnavailable)
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
	s.edge.access[op.Method+" "+op.Path] = a
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		x := exchangeOf(ctx)
		out, err := run(ctx, x.caller, in)
		if err != nil {
			p := problemOf(ctx, s.edge.log, err)
			x.code = p.Code
			return nil, p
		}
		return out, nil
	})
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
		"Name and e-mail address are stored encrypted under a key of the customer's own.", http.StatusCreated),
		c.registerCustomer)
	register(s, accessSignedIn, huma.Operation{
		OperationID: "changeCustomer", Method: http.MethodPatch, Path: "/customers/{id}",
		Summary: "Change a customer's name or e-mail address",
		Description: "For the customer and operators. What is left out stays, and null is refused. If-Match names " +
			"the version that is changed. Mails that are written from then on go to the new address. What is so " +
			"already changes nothing, and the version stays. Sent again by the same caller, the request is " +
			"recognised until somebody changes something else.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusNotFound, http.StatusPreconditionFailed, http.StatusPreconditionRequired,
		},
	}, c.changeCustomer)
	register(s, accessSignedIn, huma.Operation{
		OperationID: "eraseCustomer", Method: http.MethodDelete, Path: "/customers/{id}",
		Summary: "Erase a customer for good",
		Description: "The customer's data key is destroyed before this is answered: nobody can read name, e-mail " +
			"address, shipping addresses and notes any more, wherever they are " +
			"stored. Orders, accounts and balances stay, under the pseudonym. From then on nothing but " +
			"refunds comes into an account, and only an operator takes its balance out: " +
			"GET /accounts finds it, POST /accounts/{id}/withdrawals pays it out. " +
			"Orders that have not left are cancelled and refunded, as a rule within moments, new ones are refused, " +
			"and the id " +
			"is nobody's again. Customers erase themselves; operators erase anybody. Sent again, it has the " +
			"same answer.",
		Errors: []int{http.StatusNotFound},
	}, c.eraseCustomer)
	register(s, accessOrdering, post("placeOrder", "/orders", "Place an order",
		"The catalogue names the prices, as they are when the order is placed; they stand in it for ever. "+
			"Where a line's unitPrice is another one than the catalogue's, 409 order.price-changed says in "+
			"lines what each "+
			"line costs now. 422 order.not-for-sale names each line whose SKU is not listed, is withdrawn, or has "+
			"no price in "+
			"the order's currency. Either way nothing is stored and the key is free: sent again under it with "+
			"other prices, "+
			"there is one order at most. Callers with the scope for it name prices, discounts and taxes themselves, "+
			"of SKUs that are listed, for the customer whom they name. "+
			"Accepted means stored: stock, payment and shipment follow. Follow the order at Location until its "+
			"saga's state is "+
			"completed or failed.",
		http.StatusAccepted), c.placeOrder)
	register(s, accessSignedIn, post("cancelOrder", "/orders/{id}/cancel", "Cancel an order",
		"Possible until the order's shipment is dispatched. What was done for the order is undone: its status is "+
			"cancelling, and then cancelled. "+
			"An order that is cancelling or cancelled already is answered as it stands: nothing is stored, the "+
			"reason neither, and the key may be used again.",
		http.StatusAccepted, http.StatusNotFound), c.cancelOrder)
	register(s, accessSignedIn, post("openAccount", "/accounts", "Open an account",
		"Orders are paid from the customer's account in the order's currency.", http.StatusCreated), c.openAccount)
	register(s, accessOperator, post("deposit", "/accounts/{id}/deposits", "Pay money in",
		"For operators: money comes in only by somebody who can vouch for it, "+
			"and only for a customer who is registered and not erased.", http.StatusCreated, http.StatusNotFound),
		c.deposit)
	register(s, accessSignedIn, post("withdraw", "/accounts/{id}/withdrawals", "Pay money out",
		"What an erased customer left is paid out by operators alone.",
		http.StatusCreated, http.StatusNotFound), c.withdraw)
	register(s, accessSignedIn, post("transfer", "/accounts/{id}/transfers", "Send money to another account",
		"The money leaves the one account and reaches the other in one step, or nothing happens. "+
			"Any account in the same currency can receive whose customer is registered and not erased; "+
			"where it can't, the answer is 422 account.cannot-receive and nothing more.",
		http.StatusCreated, http.StatusNotFound), c.transfer)
	register(s, accessOperator, post("applyInterest", "/accounts/{id}/interest", "Add interest to the balance",
		"For operators. The interest is the rate's part of the balance as it stands, rounded to whole minor units, "+
			"a half to the even one. "+
			"It may round to nothing; then the account stays as it was, and the key is used all the same.",
		http.StatusCreated, http.StatusNotFound), c.applyInterest)
	register(s, accessCarrier, post("dispatchShipment", "/shipments/{id}/dispatch",
		"Hand a shipment over to the carrier",
		"For operators and the carrier. Possible once the shipment is prepared, which follows the order's "+
			"confirmation, and as long as somebody can read where it goes: 422 "+
			"shipment.address-unreadable where the customer is erased. From then on the order can't be cancelled: "+
			"it becomes shipped, and its pieces leave the stock. A shipment that has left already is answered "+
			"as it stands.",
		http.StatusOK, http.StatusNotFound), c.dispatchShipment)
	register(s, accessCarrier, post("deliverShipment", "/shipments/{id}/deliver",
		"Say that the carrier handed a shipment over",
		"For operators and the carrier. Possible once the shipment is dispatched: its order becomes delivered. One "+
			"that has arrived already is answered as it stands.",
		http.StatusOK, http.StatusNotFound), c.deliverShipment)
	register(s, accessOperator, huma.Operation{
		OperationID: "setStock", Method: http.MethodPut, Path: "/stock/{sku}", Summary: "Say how many pieces there are",
		Description: "On hand is what lies in the warehouse, reserved pieces included. Read the stock, then count, " +
			"then send the " +
			"number with the ETag that you read in If-Match: where a shipment was dispatched or somebody else " +
			"counted since, the " +
			"answer is 412, and you read and count again. A shipment that was gone from the shelf while nobody had " +
			"dispatched it " +
			"belongs into left: the number is without it, and it is dispatched by this. If-None-Match: * makes a " +
			"new article. " +
			"409 stock.inconsistent says that the counters need the repair of docs/stock.md. " +
			"Sent again by the same caller, the request is recognised until somebody sets another number.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusNotFound, http.StatusPreconditionFailed, http.StatusPreconditionRequired,
		},
	}, c.setStock)
	register(s, accessOperator, huma.Operation{
		OperationID: "setProduct", Method: http.MethodPut, Path: "/products/{sku}",
		Summary: "Say what a product costs, or withdraw it",
		Description: "For operators. The body is the whole desired state. Its prices replace all prices of " +
			"the product, " +
			"scheduled ones included. withdrawn takes the product off sale, with its prices; a body with " +
			"prices lists it " +
			"again. A body that changes nothing writes nothing. Orders keep the prices that they were placed " +
			"at. If-Match " +
			"names the version that you decided on; If-None-Match: * lists a product that was never listed. " +
			"A duplicate " +
			"of the same caller's request has the same answer, until somebody changes the product.",
		Errors: []int{
			http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
			http.StatusNotFound, http.StatusPreconditionFailed, http.StatusPreconditionRequired,
		},
	}, c.setProduct)
}

func (s *server) queries(q Queries) {
	get := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Description: description,
			Errors: []int{http.StatusNotFound},
		}
	}
	past := func(id, path, summary string) huma.Operation {
		o := get(id, path, summary, "Always shows the caller's own writes. asOf shows how it was."+aboutPast)
		o.Errors = append(o.Errors, http.StatusConflict)
		return o
	}
	register(s, accessSignedIn, past("getOrder", "/orders/{id}", "Read an order"), q.getOrder)
	register(
		s, accessSignedIn, get("getOrderHistory", "/orders/{id}/history", "Read all that happened to an order", ""),
		q.getHistory,
	)
	register(s, accessSignedIn, get("getCustomer", "/customers/{id}", "Read a customer",
		"For the customer and operators: name and e-mail address. Always shows the caller's own writes. "+
			"Of a customer who is erased both are null."), q.getCustomer)
	list := func(id, path, summary, description string) huma.Operation {
		op := get(id, path, summary, description)
		op.Errors = nil
		return op
	}
	register(s, accessOperator, list("listCustomers", "/customers", "List all customers",
		"For operators. It has nothing personal: names and addresses are read one by one."), q.listCustomers)
	register(s, accessOperator, list("listAllOrders", "/orders", "List the orders of all customers",
		"For operators. Newest first, page by page. An order that is in the list from the first page to the last "+
			"is on one page."),
		q.listAllOrders)
	register(
		s, accessSignedIn,
		get("listOrders", "/customers/{id}/orders", "List a customer's orders", "Newest first, page by page."),
		q.listOrders,
	)
	register(s, accessSignedIn, get(
		"getStatistics", "/customers/{id}/statistics", "Read a customer's totals",
		"A view: it follows the orders within about a second.",
	),
		q.getStatistics)
	register(
		s, accessCarrier,
		get(
			"getShipment", "/shipments/{id}", "Read a shipment",
			"For operators and the carrier: where it stands, what is packed, and where it goes. The carrier sees no "+
				"address once it is delivered or cancelled.",
		),
		q.getShipment,
	)
	register(s, accessSignedIn, get("getStock", "/stock/{sku}", "Read what is in stock", ""), q.getStock)
	register(s, accessOrdering, get("getProduct", "/products/{sku}", "Read a product",
		"Always shows what was set last. Other callers than operators get 404 until one of its prices is in force."),
		q.getProduct)
	products := get("listProducts", "/products", "List the products that are for sale",
		"Ordered by SKU, page by page. The list follows the products within moments. Only operators see products "+
			"whose prices are all scheduled; for other callers a page may be shorter than limit. If there is a next, "+
			"there are more.")
	products.Errors = nil
	register(s, accessOrdering, products, q.listProducts)
	register(s, accessSignedIn, past("getAccount", "/accounts/{id}", "Read an account"), q.getAccount)
	register(s, accessSignedIn, get("findAccount", "/accounts", "Find a customer's account in a currency",
		"Always shows the caller's own writes. 404 where the customer has none in that currency. "+
			"What an erased customer left is found as well."), q.findAccount)
	register(s, accessSignedIn, get("getStatement", "/accounts/{id}/statement", "Read an account's movements",
		"Newest first, page by page, each with the balance right after it. Always shows the caller's own writes."),
		q.getStatement)
	figures := get("getDailyFigures", "/analytics/daily", "Read what became of orders by day",
		"For operators. Everything counts in the hour in which it happened, so that a day that is over doesn't "+
			"change: a cancellation counts as refunded when it is completed.")
	figures.Errors = nil
	register(s, accessOperator, figures, q.getDailyFigures)
}

// aboutPast says what a query for the past answers.
const aboutPast = " Then changedAt is there, and no ETag; 404 where there is no such version, or was nothing " +
	"yet by that time. A version is settled at once, and a time 20 seconds later: before that, and of a time to " +
	"come, the answer is 409 asof.not-settled with Retry-After. What was answered for a time is answered so for ever."

// etag is a version as an entity tag.
func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }
