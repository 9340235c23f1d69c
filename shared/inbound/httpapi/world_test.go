package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/ops/alarms"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/ops/deadletter/deadlettertest"
	"orderflow/shared/ops/effects"
	"orderflow/shared/ops/executions"
	"orderflow/shared/ops/rebuild"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/read/view/viewtest"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/customer/customertest"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/product/producttest"
	"orderflow/shared/shop/quota"
	"orderflow/shared/shop/quota/quotatest"
	"orderflow/shared/shop/refund"
	requests "orderflow/shared/shop/request"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
	"orderflow/shared/shop/trail"
)

const scope, carrierScope, pricingScope = "orderflow/operator", "orderflow/carrier", "orderflow/pricing"

var auth = httpapi.Auth{
	CustomerClaim: "username", OperatorScope: scope, CarrierScope: carrierScope, PricingScope: pricingScope,
	GroupsClaim: "cognito:groups", OperatorGroup: "operators", CarrierGroup: "carriers", PricingGroup: "quotes",
}

// world is the edge on the real services over a store in memory.
type world struct {
	letters   deadlettertest.Memory
	t         testing.TB
	store     *spyStore
	counters  *stocktest.Counters
	rows      *producttest.Rows
	stocks    stock.Service
	vault     *customertest.Keys
	clock     *clock.Fake
	log       *syncBuffer
	orders    order.Service
	customers customer.Service
	shipments shipment.Service
	products  product.Service
	lists     orderLists
	views     *viewtest.Memory
	stats     statistics
	figures   analyticstest.Memory
	commands  func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	queries   func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	operates  func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)
	takes     httpapi.Commands // what commands is made of
	sees      httpapi.Queries  // what queries is made of
	runs      runs
	mails     mails
	audit     audit.State    // as the loss audit left it
	alarms    []alarms.Alarm // as CloudWatch has them
	broken    error          // of both
	keys      atomic.Int64
	asked     tally
	counter   quotatest.Memory
}

// perHour is a world's quota. No test but that of the quota reaches it.
const perHour = 1000

func newWorld(t testing.TB) *world {
	registry := es.NewRegistry(
		order.Register, customer.Register, account.Register, stock.Register, shipment.Register, product.Register,
		requests.Register, payment.Register, refund.Register,
	)
	now := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	w := &world{
		t: t, counters: stocktest.NewCounters(),
		rows: producttest.NewRows(), vault: customertest.NewKeys(), clock: now, log: &syncBuffer{},
	}
	w.store = &spyStore{Store: memstore.New(registry, memstore.Clock(now)), asked: &w.asked}
	counters, rows := spyCounters{w.counters, &w.asked}, spyRows{w.rows, &w.asked}
	w.views = viewtest.NewMemory()
	log := slog.New(trail.Handler(slog.NewJSONHandler(w.log, nil)))
	w.customers = customer.New(customer.Deps{
		Store: w.store, Clock: w.clock, Vault: w.vault, Eraser: w.vault, Addresses: w.vault,
	})
	accounts := account.New(account.Deps{Store: w.store, Clock: w.clock, Customers: w.customers})
	w.stocks = stock.New(stock.Deps{Store: w.store, Clock: w.clock, Counters: counters, Lines: w.counters})
	w.products = product.New(product.Deps{Store: w.store, Clock: w.clock, Rows: rows})
	w.shipments = shipment.New(shipment.Deps{
		Store: w.store, Clock: w.clock, Vault: w.vault, Serves: shipment.Served("GB"), Books: w.stocks,
	})
	w.orders = order.New(order.Deps{
		Store: w.store, Clock: w.clock, Vault: w.vault, Customers: w.customers, Prices: w.products,
		Shipments: w.shipments, Reservations: w.stocks,
		Payments: payment.New(payment.Deps{Store: w.store, Clock: w.clock}),
		Accounts: accounts, HoldRules: order.HoldRules{Countries: []string{"FR"}},
	})
	w.lists = func(_ context.Context, customerID string, q orders.Query) (orders.Page, error) {
		_, _, err := q.Check(customerID)
		return orders.Page{}, err
	}
	w.stats = func(ctx context.Context, customerID string) (customers.Row, error) {
		_, err := w.customers.Get(ctx, customerID)
		known := err == nil
		if errors.Is(err, customer.ErrNotFound) {
			err = nil
		}
		return customers.Row{Profile: customers.Profile{CustomerID: customerID, Registered: known}}, err
	}
	w.takes = httpapi.Commands{
		Auth: auth, Clock: w.clock, Log: log, Orders: w.orders, Customers: w.customers, Accounts: accounts,
		Stock:    w.stocks,
		Products: w.products, Shipments: w.shipments,
		Refunds: refund.New(refund.Deps{
			Store: w.store, Clock: w.clock, Vault: w.vault,
			Payments: payment.New(payment.Deps{Store: w.store, Clock: w.clock}),
		}),
		DeadLetters: deadletter.Desk{Table: &w.letters, Clock: w.clock}, Quota: w.quota(perHour),
	}
	w.commands = httpapi.Lambda(httpapi.NewCommands(w.takes), httpapi.Mapping{})
	w.sees = httpapi.Queries{
		Auth: auth, Clock: w.clock, Log: log, Orders: w.orders, Customers: w.customers, Accounts: accounts,
		Stock:    w.stocks,
		Products: w.products, Shipments: w.shipments,
		Lists: orderLists(func(
			ctx context.Context, id string, q orders.Query,
		) (orders.Page, error) {
			return w.lists(ctx, id, q)
		}),
		AllOrders: allorders.NewLists(w.views, w.clock), Everybody: customers.NewStatistics(w.views, w.clock),
		Statistics: statistics(func(
			ctx context.Context, id string,
		) (customers.Row, error) {
			return w.stats(ctx, id)
		}),
		Figures:     analytics.Reports{Table: &w.figures, Calendar: analytics.MustCalendar("Europe/Amsterdam")},
		DeadLetters: deadletter.Desk{Table: &w.letters, Clock: w.clock},
	}
	w.queries = httpapi.Lambda(httpapi.NewQueries(w.sees), httpapi.Mapping{})
	w.runs, w.mails = runs{}, mails{}
	w.operates = httpapi.Lambda(httpapi.NewOperations(httpapi.Operations{
		Auth: auth, Clock: w.clock, Log: log,
		Executions: executions.New(executions.Desk{Orders: w.orders, Runs: w.runs, Clock: w.clock}),
		Effects:    effects.New(effects.Desk{Orders: w.orders, Streams: w.store, Inbox: w.mails}),
		Views:      rebuild.Statuses{Table: w.views, Views: catalog.Views()}, Audit: w, Alarms: w,
	}), httpapi.Mapping{})
	return w
}

// State is where the loss audit stands.
func (w *world) State(context.Context) (audit.State, error) { return w.audit, w.broken }

// Alarms are the stack's.
func (w *world) Alarms(context.Context) ([]alarms.Alarm, error) { return w.alarms, w.broken }

// runs are executions by their names.
type runs map[string]executions.Execution

func (all runs) Find(_ context.Context, name string) (executions.Execution, error) {
	x, ok := all[name]
	if !ok {
		return x, executions.ErrUnknown
	}
	return x, nil
}

// mails are entries of the inbox by their events.
type mails map[string]inbox.Entry

func (all mails) Entries(_ context.Context, consumer string, events []string) (found []inbox.Entry, _ error) {
	for _, e := range events {
		if entry, ok := all[e]; ok && consumer == entry.Key.Consumer {
			found = append(found, entry)
		}
	}
	return found, nil
}

// operated are the routes that lead to the operations' function.
var operated = sync.OnceValue(func() *http.ServeMux {
	mux := http.NewServeMux()
	_, _, operations := httpapi.Routes()
	for _, r := range operations {
		mux.Handle(r.Key, http.NotFoundHandler())
	}
	return mux
})

// caller is who sends a request, as API Gateway's authorizer tells.
type caller struct {
	claims map[string]string
	scopes []string
	token  string // in the header Authorization; "" for none
}

var (
	nobody   = caller{}
	ada      = customerCaller("ada")
	bob      = customerCaller("bob")
	operator = caller{claims: map[string]string{"sub": "operator-1", "scope": "openid " + scope}}
	// carrier names a customer too, as tokens of some issuers do.
	carrier = caller{claims: map[string]string{"sub": "carrier-1", "username": "ada", "scope": carrierScope}}
	quotes  = caller{claims: map[string]string{"sub": "quotes-1", "username": "ada", "scope": pricingScope}}
	// pricer is an operator who may name prices.
	pricer = caller{claims: map[string]string{"sub": "operator-2", "scope": scope + " " + pricingScope}}
)

func customerCaller(id string) caller {
	return caller{claims: map[string]string{"sub": "sub-" + id, "username": id, "scope": "openid"}}
}

// request is an HTTP request before API Gateway makes an event of it.
type request struct {
	who     caller
	method  string
	path    string            // with its query
	headers map[string]string // besides Content-Type and, for a POST, Idempotency-Key; "" takes one away
	body    any               // a string is sent as it stands, []byte as base64, anything else as JSON
	ctx     context.Context
}

// empty is the value of a header that is sent and empty.
const empty = "\x00"

type response struct {
	status  int
	headers map[string]string
	raw     string
	body    map[string]any
}

func (w *world) send(r request) response {
	w.t.Helper()
	path, query, _ := strings.Cut(r.path, "?")
	headers := map[string]string{}
	if r.body != nil {
		headers["content-type"] = "application/json"
	}
	if r.method == http.MethodPost {
		headers["idempotency-key"] = fmt.Sprintf("key-%d", w.keys.Add(1))
	}
	if r.who.token != "" {
		headers["authorization"] = "Bearer " + r.who.token
	}
	for name, value := range r.headers {
		headers[strings.ToLower(name)] = value
	}
	maps.DeleteFunc(headers, func(_, value string) bool { return value == "" })
	for name, value := range headers {
		if value == empty {
			headers[name] = ""
		}
	}
	event := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RawPath: path, RawQueryString: query, QueryStringParameters: joined(query), Headers: headers,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RequestID: "api-request", DomainName: "api.example.com",
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.method, Path: path},
		},
	}
	if r.who.claims != nil {
		event.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{
			JWT: &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{
				Claims: r.who.claims, Scopes: r.who.scopes,
			},
		}
	}
	switch b := r.body.(type) {
	case nil:
	case string:
		event.Body = b
	case []byte:
		event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString(b), true
	default:
		text, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		event.Body = string(text)
	}
	handler := w.commands
	if r.method == http.MethodGet || path == "/customers/search" {
		handler = w.queries
		path := &url.URL{Path: path}
		if _, pattern := operated().Handler(&http.Request{Method: r.method, URL: path, Host: "x"}); pattern != "" {
			handler = w.operates
		}
	}
	if r.ctx == nil {
		r.ctx = context.Background()
	}
	out, err := handler(r.ctx, event)
	if err != nil {
		w.t.Fatalf("%s %s: the function failed: %v", r.method, r.path, err)
	}
	res := response{status: out.StatusCode, headers: out.Headers, raw: out.Body}
	if out.StatusCode == http.StatusNotModified && out.Body == "" {
		return res
	}
	if err := json.Unmarshal([]byte(out.Body), &res.body); err != nil {
		w.t.Fatalf("%s %s: %d answers no JSON: %q", r.method, r.path, out.StatusCode, out.Body)
	}
	return res
}

// joined is what API Gateway makes of a query besides passing it on: values joined by commas.
func joined(query string) map[string]string {
	values, err := url.ParseQuery(query)
	if err != nil || len(values) == 0 {
		return nil
	}
	of := map[string]string{}
	for name, all := range values {
		of[name] = strings.Join(all, ",")
	}
	return of
}

// must sends a request that has to succeed.
func (w *world) must(status int, r request) response {
	w.t.Helper()
	res := w.send(r)
	if res.status != status {
		w.t.Fatalf("%s %s: %d, want %d: %s", r.method, r.path, res.status, status, res.raw)
	}
	return res
}

func (r response) text(name string) string {
	value, _ := r.body[name].(string)
	return value
}

func post(who caller, path string, body any) request {
	return request{who: who, method: http.MethodPost, path: path, body: body}
}

func put(who caller, path string, onHand int, header, value string) request {
	return request{
		who: who, method: http.MethodPut, path: path, body: map[string]any{"onHand": onHand},
		headers: map[string]string{header: value},
	}
}

func split(who caller, path string, shards int) request {
	return request{who: who, method: http.MethodPut, path: path, body: map[string]any{"shards": shards}}
}

func patch(who caller, path, ifMatch string, body any) request {
	r := request{who: who, method: http.MethodPatch, path: path, body: body}
	return r.with("If-Match", ifMatch)
}

func get(who caller, path string) request {
	return request{who: who, method: http.MethodGet, path: path}
}

func remove(who caller, path string) request {
	return request{who: who, method: http.MethodDelete, path: path}
}

func (r request) with(name, value string) request {
	headers := maps.Clone(r.headers)
	if headers == nil {
		headers = map[string]string{}
	}
	headers[name] = value
	r.headers = headers
	return r
}

type object = map[string]any

func person() object { return object{"name": "Ada Lovelace", "email": "ada@example.com"} }

func usd(amount int64) object { return object{"amount": amount, "currency": "USD"} }

func line(sku string, quantity, price int64) object {
	return object{"sku": sku, "quantity": quantity, "unitPrice": usd(price)}
}

func anOrder(lines ...object) object {
	if len(lines) == 0 {
		lines = []object{line("cd-1", 2, 1050), line("cd-2", 1, 999)}
	}
	return object{"lines": lines, "shippingAddress": object{
		"recipient": "Ada Lovelace", "line1": "12 St James's Square", "postalCode": "SW1Y 4LB", "city": "London",
		"country": "GB",
	}}
}

// abroad is an order to an address in another country, which has recipient, line1 and the fields.
func abroad(country string, fields object) object {
	to := object{"recipient": "Ada Lovelace", "line1": "1 Main Street", "country": country}
	maps.Copy(to, fields)
	o := anOrder()
	o["shippingAddress"] = to
	return o
}

// set changes a copy of an order at a path.
func set(o object, path string, value any) object {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	var copied object
	if err := json.Unmarshal(text, &copied); err != nil {
		panic(err)
	}
	var at any = copied
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		if list, ok := at.([]any); ok {
			at = list[int(step[0]-'0')]
			continue
		}
		at = at.(object)[step]
	}
	at.(object)[steps[len(steps)-1]] = value
	return copied
}

// list puts an article on sale, where its version is that one, 0 for a new one: for so many minor
// units, of dollars where no currency is named.
func (w *world) list(sku string, version, price int64, currencies ...string) {
	w.t.Helper()
	if len(currencies) == 0 {
		currencies = []string{"USD"}
	}
	prices := make([]object, len(currencies))
	for i, c := range currencies {
		prices[i] = object{"amount": price, "currency": c}
	}
	w.setProduct(sku, version, object{"prices": prices})
}

// withdraw takes an article of that version off sale.
func (w *world) withdraw(sku string, version int64) {
	w.t.Helper()
	w.setProduct(sku, version, object{"withdrawn": true})
}

func (w *world) setProduct(sku string, version int64, body object) {
	w.t.Helper()
	if version == 0 {
		w.must(http.StatusOK, putProduct(operator, sku, body, "If-None-Match", "*"))
		return
	}
	w.must(http.StatusOK, putProduct(operator, sku, body, "If-Match", fmt.Sprintf("%q", fmt.Sprint(version))))
}

// erase erases a customer.
func (w *world) erase(customerID string) {
	w.t.Helper()
	w.must(http.StatusOK, remove(operator, "/customers/"+customerID))
}

// shop is a world with ada and bob registered, ada's account funded with 50 dollars, bob's with
// nothing, one article and one order of ada's.
type shop struct {
	*world
	order   string
	account string // ada's
	bobs    string // bob's account

	letter, shipment string // where a test has made them
	saga             es.Metadata
}

func newShop(t testing.TB) *shop {
	w := newWorld(t)
	w.must(http.StatusCreated, post(ada, "/customers", person()))
	w.must(http.StatusCreated, post(bob, "/customers", person()))
	opened := w.must(http.StatusCreated, post(ada, "/accounts", object{"currency": "USD"}))
	w.must(http.StatusCreated, post(operator, "/accounts/"+opened.text("id")+"/deposits", object{"amount": usd(5000)}))
	bobs := w.must(http.StatusCreated, post(bob, "/accounts", object{"currency": "USD"}))
	w.must(http.StatusOK, put(operator, "/stock/cd-1", 10, "If-None-Match", "*"))
	w.list("cd-1", 0, 1050)
	w.list("cd-2", 0, 999)
	placed := w.must(http.StatusAccepted, post(ada, "/orders", anOrder()))
	return &shop{world: w, order: placed.text("id"), account: opened.text("id"), bobs: bobs.text("id")}
}

// ship confirms the order and takes its shipment as far as that: to the status scheduled or any
// behind it.
func (s *shop) ship(to shipment.Status) (shipmentID string) {
	s.t.Helper()
	ctx, id := context.Background(), shipment.ID(s.order, 1)
	step := func(name string) es.Request {
		return es.Request{CommitID: ident.Derive("test", s.order, name), Time: s.clock.Now(), Metadata: s.saga}
	}
	placed, err := s.orders.Get(ctx, s.order)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.shipments.Schedule(
		ctx, step("schedule"),
		shipment.Schedule{OrderID: s.order, Revision: 1, CustomerID: "ada", Address: placed.State.Address},
	); err != nil {
		s.t.Fatal(err)
	}
	s.run(order.Confirm{SagaID: "s", PaymentID: "p", ShipmentID: id, TrackingNumber: shipment.TrackingNumber(id)})
	for _, next := range []struct {
		status shipment.Status
		move   func() error
	}{
		{shipment.StatusScheduled, func() error { return nil }},
		{shipment.StatusPrepared, func() error {
			_, err := s.shipments.Prepare(ctx, step("prepare"), id, shipment.Copy{
				CustomerID: "ada", Address: placed.State.Address,
				Lines: []shipment.Item{{SKU: "cd-2", Quantity: 1}, {SKU: "cd-1", Quantity: 2}},
			})
			return err
		}},
		{
			shipment.StatusDispatched,
			func() error { _, err := s.shipments.Dispatch(ctx, step("dispatch"), id); return err },
		},
		{
			shipment.StatusDelivered,
			func() error { _, err := s.shipments.Deliver(ctx, step("deliver"), id); return err },
		},
	} {
		if err := next.move(); err != nil {
			s.t.Fatal(err)
		}
		if next.status == to {
			return id
		}
	}
	s.t.Fatalf("no shipment comes to be %s", to)
	return ""
}

// follow carries out a command that follows from the shipment.
func (s *shop) follow(c order.Command) {
	s.t.Helper()
	if _, err := s.orders.Run(
		context.Background(), es.Request{CommitID: ident.New(), Time: s.clock.Now()}, s.order, c,
	); err != nil {
		s.t.Fatal(err)
	}
}

// run carries out commands of the saga and of the carrier on the order.
func (s *shop) run(commands ...order.Command) {
	s.t.Helper()
	for i, c := range commands {
		req := es.Request{CommitID: ident.Derive("test", s.order, fmt.Sprint(i)), Time: s.clock.Now()}
		if _, err := s.orders.Run(context.Background(), req, s.order, c); err != nil {
			s.t.Fatal(err)
		}
	}
}

// spyStore counts what is read and written, and fails when it is told to.
type spyStore struct {
	es.Store
	asked   *tally
	commits atomic.Int64
	loads   atomic.Int64

	mu     sync.Mutex
	load   func() error
	append func() error
	since  func() error
	lost   error // in the place of an append's answer
}

// lose lets the answer of each append be that error, though it was carried out; nil brings the
// answers back.
func (s *spyStore) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = err
}

func (s *spyStore) fail(onLoad, onAppend func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load, s.append = onLoad, onAppend
}

func (s *spyStore) failure(of func() func() error) error {
	s.mu.Lock()
	f := of()
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

func (s *spyStore) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	s.loads.Add(1)
	s.asked.add("streams")
	if err := s.failure(func() func() error { return s.load }); err != nil {
		return es.History{}, err
	}
	return s.Store.Load(ctx, stream, after)
}

func (s *spyStore) Since(ctx context.Context, head es.Head) (es.History, error) {
	s.asked.add("streams")
	if err := s.failure(func() func() error { return s.since }); err != nil {
		return es.History{}, err
	}
	return s.Store.Since(ctx, head)
}

func (s *spyStore) At(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	s.asked.add("streams")
	return s.Store.At(ctx, stream, version)
}

func (s *spyStore) Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error] {
	s.asked.add("streams")
	return s.Store.Read(ctx, stream, r)
}

func (s *spyStore) Confirm(ctx context.Context, heads ...es.Head) error {
	s.asked.add("confirmed")
	return s.Store.Confirm(ctx, heads...)
}

func (s *spyStore) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	s.asked.add("appended")
	if err := s.failure(func() func() error { return s.append }); err != nil {
		return es.Appended{}, err
	}
	appended, err := s.Store.Append(ctx, commits, effects...)
	if err == nil && !appended.Recognised {
		s.commits.Add(int64(len(commits)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.lost != nil {
		return es.Appended{}, s.lost
	}
	return appended, err
}

// tally counts requests by what they ask.
type tally struct {
	mu sync.Mutex
	of map[string]int
}

func (a *tally) add(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil {
		a.of = map[string]int{}
	}
	a.of[what]++
}

// take gives what was counted, and begins anew.
func (a *tally) take() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := a.of
	a.of = nil
	return of
}

// without leaves out what f asks.
func (a *tally) without(f func()) {
	before := a.take()
	f()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of = before
}

// spyQuota counts what a quota asks.
type spyQuota struct {
	quota.Counter
	asked *tally
}

func (s spyQuota) Add(
	ctx context.Context, h quota.Hour, c quota.Command, b quota.Bounds,
) (bool, quota.Count, error) {
	s.asked.add("quota")
	return s.Counter.Add(ctx, h, c, b)
}

// spyRows counts the reads of the catalogue.
type spyRows struct {
	product.Rows
	asked *tally
}

func (s spyRows) Row(ctx context.Context, sku string) (product.Product, error) {
	s.asked.add("products")
	return s.Rows.Row(ctx, sku)
}

func (s spyRows) Batch(ctx context.Context, skus []string) ([]product.Product, error) {
	s.asked.add("products")
	return s.Rows.Batch(ctx, skus)
}

// spyCounters counts the reads of the stock's counters.
type spyCounters struct {
	stock.Counters
	asked *tally
}

func (s spyCounters) Level(ctx context.Context, sku string) (stock.Level, bool, error) {
	s.asked.add("stock")
	return s.Counters.Level(ctx, sku)
}

type orderLists func(context.Context, string, orders.Query) (orders.Page, error)

func (f orderLists) List(ctx context.Context, id string, q orders.Query) (orders.Page, error) {
	return f(ctx, id, q)
}

type statistics func(context.Context, string) (customers.Row, error)

func (f statistics) Statistics(ctx context.Context, id string) (customers.Row, error) {
	return f(ctx, id)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
