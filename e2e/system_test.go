//go:build e2e

// Package e2e_test tries the deployed stack from outside: over HTTP as customers and operators do,
// and by the services' own APIs where something has to be broken, watched or repaired.
//
// The stack is the tests' own. Its settings are changed for a while (a mapping paused, a queue's
// visibility shortened) and put back, so that it must be on an emulator and not shared. A test that
// changes settings doesn't run in parallel: then no other test runs.
package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cloudformationtypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

const (
	// patience is how long a test waits for what the stack does by itself. An order takes seconds;
	// a busy machine takes a multiple of that.
	patience = 90 * time.Second
	// together is how many tests run side by side: they mostly wait.
	together = "8"
)

// stack is the deployment under test.
var stack struct {
	*deployment.Deployment
	config   aws.Config
	parts    map[string]cloudformationtypes.StackResourceSummary // by logical id
	api      string
	operator string // a token

	tables    *dynamodb.Client
	queues    *sqs.Client
	functions *lambda.Client
	runs      *sfn.Client
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := 1
	err := find()
	if err == nil {
		err = flag.Set("test.parallel", together)
	}
	if err == nil {
		began := time.Now()
		code = m.Run()
		err = errors.Join(noDeadLetters(), scheduled(began))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func find() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	endpoint := os.Getenv("ORDERFLOW_TEST_ENDPOINT")
	if endpoint == "" || os.Getenv("AWS_ENDPOINT_URL") != endpoint {
		return errors.New(
			"ORDERFLOW_TEST_ENDPOINT and AWS_ENDPOINT_URL have to name one emulator: the tests change the " +
				"stack's settings",
		)
	}
	found, err := deployment.Find(ctx, cmp.Or(os.Getenv("ORDERFLOW_STACK"), "orderflow-e2e"))
	if err != nil {
		return err
	}
	stack.Deployment = found
	if stack.api, err = found.APIURL(); err != nil {
		return err
	}
	if stack.operator, err = found.OperatorToken(ctx); err != nil {
		return err
	}
	stack.config, stack.parts = found.Config(), map[string]cloudformationtypes.StackResourceSummary{}
	for pages := cloudformation.NewListStackResourcesPaginator(
		cloudformation.NewFromConfig(stack.config), &cloudformation.ListStackResourcesInput{StackName: &found.Stack},
	); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, part := range out.StackResourceSummaries {
			stack.parts[aws.ToString(part.LogicalResourceId)] = part
		}
	}
	stack.tables, stack.queues = dynamodb.NewFromConfig(stack.config), sqs.NewFromConfig(stack.config)
	stack.functions, stack.runs = lambda.NewFromConfig(stack.config), sfn.NewFromConfig(stack.config)
	return nil
}

// partsOf are the names, URLs or ARNs of the stack's parts of a type, by logical id.
func partsOf(kind string) map[string]string {
	found := map[string]string{}
	for id, part := range stack.parts {
		if aws.ToString(part.ResourceType) == kind {
			found[id] = aws.ToString(part.PhysicalResourceId)
		}
	}
	return found
}

// noDeadLetters says which dead letters the tests have left: each takes away those that it makes,
// so that any other is a fault of the system.
func noDeadLetters() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := stack.Outputs["DeadLettersQueueUrl"]
	out, err := stack.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range out.Messages {
		if body := aws.ToString(m.Body); !sentTwice(body) {
			errs = append(errs, fmt.Errorf("a dead letter that no test made waits to be recorded: %s", body))
		}
	}
	letters := deadlettertable.New(stack.tables, stack.Outputs["DeadLettersTable"])
	for pages := dynamodb.NewScanPaginator(stack.tables, &dynamodb.ScanInput{
		TableName:                aws.String(stack.Outputs["DeadLettersTable"]),
		FilterExpression:         aws.String("#part = :entry AND #status IN (:open, :redriving, :spent)"),
		ExpressionAttributeNames: map[string]string{"#part": "part", "#status": "status"},
		ExpressionAttributeValues: item{
			":entry":     &dynamodbtypes.AttributeValueMemberS{Value: "entry"},
			":open":      &dynamodbtypes.AttributeValueMemberS{Value: "open"},
			":redriving": &dynamodbtypes.AttributeValueMemberS{Value: "redriving"},
			":spent":     &dynamodbtypes.AttributeValueMemberS{Value: "spent"},
		},
	}); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, i := range out.Items {
			id, _ := i["id"].(*dynamodbtypes.AttributeValueMemberS)
			data, ok := i["data"].(*dynamodbtypes.AttributeValueMemberS)
			if !ok || id == nil {
				continue
			}
			m, err := letters.Message(ctx, id.Value)
			if err != nil || !sentTwice(string(m.Body)) {
				errs = append(errs, err, fmt.Errorf("a dead letter that no test made: %s", data.Value))
			}
		}
	}
	return errors.Join(errs...)
}

// taken are the marks of the dead letters that tests have made and taken away.
var taken sync.Map

// sentTwice reports whether a message is one that a test has sent: where the answer to sending it
// is lost, the client sends it again, and the queue has it twice.
func sentTwice(body string) (twice bool) {
	taken.Range(func(mark, _ any) bool {
		twice = strings.Contains(body, mark.(string))
		return !twice
	})
	return twice
}

// scheduled says whether the redrive's schedule has begun runs of it besides those that tests have:
// each minute one. A few tests alone are too short to tell.
func scheduled(since time.Time) error {
	if time.Since(since) < 3*time.Minute {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	runs := int64(0)
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(cloudwatchlogs.NewFromConfig(stack.config),
		&cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String("/aws/lambda/" + stack.Stack + "-redrive-dead-letters"),
			StartTime:    aws.Int64(since.UnixMilli()),
		}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if strings.Contains(aws.ToString(e.Message), `"redrive done"`) {
				runs++
			}
		}
	}
	if own := redrives.Load(); runs < own+2 {
		return fmt.Errorf("the redrive ran %d times, of which tests began %d: its schedule doesn't fire", runs, own)
	}
	return nil
}

// eventually asks again and again, until there is an answer or patience is at its end.
func eventually[T any](t *testing.T, what string, ask func() (T, bool)) T {
	t.Helper()
	return within(t, patience, what, ask)
}

// The pauses between two questions: half as long again each time. Many tests wait at once, and a
// question is work for the machine that they wait for.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// within is eventually for what takes another time.
func within[T any](t *testing.T, patience time.Duration, what string, ask func() (T, bool)) T {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := firstPause; ; pause = min(pause*3/2, lastPause) {
		answer, ok := ask()
		if ok {
			return answer
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s; last seen: %+v", what, patience, answer)
		}
		select {
		case <-time.After(pause):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// cleaning is a context for what a test puts back after its own has ended.
func cleaning() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

type object = map[string]any

// request is one HTTP request. A body that is a string is sent as it is.
type request struct {
	method, path, token string
	header              map[string]string
	body                any
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// send sends a request, and again as the API asks for while it answers 503.
func send(t *testing.T, r request) answer {
	t.Helper()
	return sendTo(t, stack.api, r)
}

// sendTo is send to another API than the stack's.
func sendTo(t *testing.T, api string, r request) answer {
	t.Helper()
	return eventually(t, r.method+" "+r.path, func() (answer, bool) {
		a := sendOnce(t, api, r)
		return a, a.status != http.StatusServiceUnavailable
	})
}

func sendOnce(t *testing.T, api string, r request) answer {
	t.Helper()
	var content []byte
	switch body := r.body.(type) {
	case nil:
	case string:
		content = []byte(body)
	default:
		var err error
		if content, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), r.method, api+r.path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}
}

func get(token, path string) request {
	return request{method: http.MethodGet, path: path, token: token}
}

// post has a key of its own.
func post(token, path string, body any) request {
	return request{method: http.MethodPost, path: path, token: token, body: body}.with("Idempotency-Key", ident.New())
}

func (r request) with(name, value string) request {
	header := map[string]string{name: value}
	for n, v := range r.header {
		if n != name {
			header[n] = v
		}
	}
	r.header = header
	return r
}

// must sends a request that is to be answered with that status, and decodes what it is answered.
func must[T any](t *testing.T, status int, r request) T {
	t.Helper()
	a := send(t, r)
	if a.status != status {
		t.Fatalf("%s %s: %s, want %d", r.method, r.path, a, status)
	}
	return decode[T](t, a.body)
}

func decode[T any](t *testing.T, text []byte) T {
	t.Helper()
	var out T
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}

// problem is what a request that is not carried out is answered.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
	Lines []struct {
		SKU       string      `json:"sku"`
		UnitPrice money.Money `json:"unitPrice"`
	} `json:"lines"`
}

// refused sends a request that is to be answered with a problem.
func refused(t *testing.T, status int, code string, r request) problem {
	t.Helper()
	a := send(t, r)
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf(
			"%s %s: %s (%s), want a problem with status %d", r.method, r.path, a, a.header.Get("Content-Type"), status,
		)
	}
	p := decode[problem](t, a.body)
	if p.Code != code || p.Status != status || p.Type != "urn:problem-type:orderflow:"+code || p.Title == "" {
		t.Fatalf("%s %s: %s, want code %s", r.method, r.path, a, code)
	}
	return p
}

// order is an order as the API shows it.
type order struct {
	ID              string        `json:"id"`
	CustomerID      string        `json:"customerId"`
	AccountID       string        `json:"accountId"`
	Status          string        `json:"status"`
	Lines           []shop.Line   `json:"lines"`
	Total           money.Money   `json:"total"`
	PricedBy        string        `json:"pricedBy"`
	ShippingAddress *shop.Address `json:"shippingAddress"`
	PlacedAt        time.Time     `json:"placedAt"`
	Saga            struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"saga"`
	Wait *struct {
		For   string    `json:"for"`
		Until time.Time `json:"until"`
		Code  string    `json:"code"`
		Items []struct {
			SKU      string `json:"sku"`
			Quantity int64  `json:"quantity"`
		} `json:"items"`
		Queue []struct {
			SKU   string `json:"sku"`
			Place int64  `json:"place"`
		} `json:"queue"`
	} `json:"wait"`
	Approval *struct {
		By   string `json:"by"`
		Note string `json:"note"`
	} `json:"approval"`
	Payment *struct {
		ID string `json:"id"`
	} `json:"payment"`
	Shipment *struct {
		ID             string `json:"id"`
		TrackingNumber string `json:"trackingNumber"`
	} `json:"shipment"`
	Cancellation *struct {
		Reason string `json:"reason"`
		Detail string `json:"detail"`
		Note   string `json:"note"`
		By     string `json:"by"`
	} `json:"cancellation"`
	Missing *struct {
		Items   []shop.Line `json:"items"` // SKUs and quantities alone
		Rest    string      `json:"rest"`
		OrderID string      `json:"orderId"`
	} `json:"missing"`
	RestOf  string `json:"restOf"`
	Version int64  `json:"version"`
}

// statistics are a customer's totals as the API shows them.
type statistics struct {
	Orders            int64            `json:"orders"`
	Open              int64            `json:"open"`
	Confirmed         int64            `json:"confirmed"`
	Cancelled         int64            `json:"cancelled"`
	ByStatus          map[string]int64 `json:"byStatus"`
	CancelledByReason map[string]int64 `json:"cancelledByReason"`
	ConfirmedTotal    []money.Money    `json:"confirmedTotal"`
	RefundedTotal     []money.Money    `json:"refundedTotal"`
}

// page is a page of a customer's orders.
type page struct {
	Orders []struct {
		ID             string      `json:"id"`
		Status         string      `json:"status"`
		Total          money.Money `json:"total"`
		LineCount      int         `json:"lineCount"`
		TrackingNumber string      `json:"trackingNumber"`
		Reason         string      `json:"reason"`
	} `json:"orders"`
	Next string `json:"next"`
}

func (p page) ids() []string {
	ids := make([]string, len(p.Orders))
	for i, o := range p.Orders {
		ids[i] = o.ID
	}
	return ids
}

func usd(cents int64) money.Money { return money.Money{Amount: cents, Currency: "USD"} }

// customer is a registered customer with an account.
type customer struct {
	id, token, account string
}

// newCustomer registers a customer, with funds in an account in US dollars.
func newCustomer(t *testing.T, cents int64) customer {
	t.Helper()
	c := customer{id: "e2e-" + ident.New()}
	var err error
	if c.token, err = stack.CustomerToken(t.Context(), c.id); err != nil {
		t.Fatal(err)
	}
	must[object](
		t, http.StatusCreated,
		post(c.token, "/customers", object{"name": "Test Person", "email": c.id + "@example.com"}),
	)
	opened := must[struct {
		ID string `json:"id"`
	}](t, http.StatusCreated, post(c.token, "/accounts", object{"currency": "USD"}))
	c.account = opened.ID
	if cents > 0 {
		c.deposit(t, cents)
	}
	return c
}

func (c customer) deposit(t *testing.T, cents int64) {
	t.Helper()
	must[object](
		t, http.StatusCreated, post(stack.operator, "/accounts/"+c.account+"/deposits", object{"amount": usd(cents)}),
	)
}

func (c customer) balance(t *testing.T) int64 {
	t.Helper()
	return must[struct {
		Balance money.Money `json:"balance"`
	}](t, http.StatusOK, get(c.token, "/accounts/"+c.account)).Balance.Amount
}

func (c customer) statistics(t *testing.T) statistics {
	t.Helper()
	return must[statistics](t, http.StatusOK, get(c.token, "/customers/"+c.id+"/statistics"))
}

func (c customer) orders(t *testing.T, query string) page {
	t.Helper()
	return must[page](t, http.StatusOK, get(c.token, "/customers/"+c.id+"/orders"+query))
}

func (c customer) order(t *testing.T, id string) order {
	t.Helper()
	return must[order](t, http.StatusOK, get(c.token, "/orders/"+id))
}

// place places an order to a country that is served.
func (c customer) place(t *testing.T, lines ...shop.Line) order {
	t.Helper()
	return must[order](t, http.StatusAccepted, post(c.token, "/orders", anOrder(onSale(t, lines...)...)))
}

// ends waits for the end of an order's saga.
func (c customer) ends(t *testing.T, id, status string) order {
	t.Helper()
	got := eventually(t, "order "+id+" "+status, func() (order, bool) {
		o := c.order(t, id)
		return o, o.Status == "cancelled" || o.Status == "confirmed" && status == "confirmed" ||
			o.Saga.State == "failed"
	})
	if got.Status != status || got.Saga.State != "completed" {
		t.Fatalf(
			"order %s ends %s with its saga %s, want %s: %+v", id, got.Status, got.Saga.State, status, got.Cancellation,
		)
	}
	return got
}

// counts waits until the view of the customer has that many orders confirmed and cancelled, and
// none that is open.
func (c customer) counts(t *testing.T, confirmed, cancelled int64) statistics {
	t.Helper()
	s := eventually(t, "statistics of "+c.id, func() (statistics, bool) {
		s := c.statistics(t)
		return s, s.Open == 0 && s.Confirmed == confirmed && s.Cancelled == cancelled
	})
	if s.Orders != confirmed+cancelled {
		t.Errorf("%d orders, of which %d confirmed and %d cancelled", s.Orders, confirmed, cancelled)
	}
	return s
}

func anOrder(lines ...shop.Line) object {
	return object{"lines": lines, "shippingAddress": shop.Address{
		Recipient: "Test Person", Line1: "1 Test Street", PostalCode: "1011 AB", City: "Amsterdam", Country: "NL",
	}}
}

func line(sku string, quantity, cents int64) shop.Line {
	return shop.Line{SKU: sku, Quantity: quantity, UnitPrice: new(usd(cents))}
}

// listed are the articles that tests have put on sale, and their prices.
var listed sync.Map

// onSale puts what stands on lines on sale, at the prices that are expected there.
func onSale(t *testing.T, lines ...shop.Line) []shop.Line {
	t.Helper()
	for _, l := range lines {
		if price, known := listed.Load(l.SKU); known {
			if price != *l.UnitPrice {
				t.Fatalf("%s is on sale for %v, and not for %v", l.SKU, price, *l.UnitPrice)
			}
			continue
		}
		// Where two do so at once, the API takes the second request for the first one sent again.
		body := object{"prices": []money.Money{*l.UnitPrice}}
		list := request{method: http.MethodPut, path: "/products/" + l.SKU, token: stack.operator, body: body}
		must[object](t, http.StatusOK, list.with("If-None-Match", "*"))
		listed.Store(l.SKU, *l.UnitPrice)
	}
	return lines
}

// newStock stocks an article of the test's own.
func newStock(t *testing.T, pieces int64) string {
	t.Helper()
	sku := "e2e-" + ident.New()
	must[object](
		t, http.StatusOK,
		request{
			method: http.MethodPut, path: "/stock/" + sku, token: stack.operator, body: object{"onHand": pieces},
		}.with("If-None-Match", "*"),
	)
	return sku
}

func checkStock(t *testing.T, sku string, want shop.Stock) {
	t.Helper()
	if got := must[shop.Stock](t, http.StatusOK, get(stack.operator, "/stock/"+sku)); got != want {
		t.Errorf("stock of %s is %+v, want %+v", sku, got, want)
	}
}

// event is an event of an order's history.
type event struct {
	Sequence      int64     `json:"sequence"`
	ID            string    `json:"id"`
	Type          string    `json:"type"`
	Time          time.Time `json:"time"`
	CorrelationID string    `json:"correlationId"`
	CausationID   string    `json:"causationId"`
	Data          object    `json:"data"`
}

func (c customer) history(t *testing.T, id string) []event {
	t.Helper()
	return must[struct {
		Events []event `json:"events"`
	}](t, http.StatusOK, get(c.token, "/orders/"+id+"/history")).Events
}

func types(events []event) string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.Type
	}
	return strings.Join(names, " ")
}

type item = map[string]dynamodbtypes.AttributeValue

// commits gives the commits of the events table whose correlation id begins with prefix.
func commits(t *testing.T, prefix string) []item {
	t.Helper()
	return scan(t, &dynamodb.ScanInput{
		TableName: aws.String(stack.Outputs["EventsTable"]), ConsistentRead: aws.Bool(true),
		FilterExpression:          aws.String("begins_with(#meta.#correlation, :prefix)"),
		ExpressionAttributeNames:  map[string]string{"#meta": "meta", "#correlation": "correlationId"},
		ExpressionAttributeValues: item{":prefix": &dynamodbtypes.AttributeValueMemberS{Value: prefix}},
	})
}

func scan(t *testing.T, in *dynamodb.ScanInput) []item {
	t.Helper()
	var items []item
	for pages := dynamodb.NewScanPaginator(stack.tables, in); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, out.Items...)
	}
	return items
}

// categories counts commits by the first part of their stream.
func categories(items []item) map[string]int {
	count := map[string]int{}
	for _, i := range items {
		if stream, ok := i["stream"].(*dynamodbtypes.AttributeValueMemberS); ok {
			category, _, _ := strings.Cut(stream.Value, "/")
			count[category]++
		}
	}
	return count
}

// letter is a dead letter as the API shows it.
type letter = shop.DeadLetter

// entries are the last dead letters that a query selects.
func entries(t *testing.T, query string) []letter {
	t.Helper()
	return must[struct {
		DeadLetters []letter `json:"deadLetters"`
	}](t, http.StatusOK, get(stack.operator, "/dead-letters?limit=100&"+query)).DeadLetters
}

// findEntry waits for a dead letter of a consumer that has mark in its message, in one of the
// statuses.
func findEntry(t *testing.T, consumer, mark string, statuses ...string) letter {
	t.Helper()
	return eventually(t, "dead letter of "+consumer+" with "+mark+" "+strings.Join(statuses, " or "),
		func() (letter, bool) {
			var last letter
			for _, e := range entries(t, "consumer="+consumer) {
				l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+e.ID))
				if !strings.Contains(string(l.Message), mark) {
					continue
				}
				if last = l; slices.Contains(statuses, l.Status) {
					return l, true
				}
			}
			return last, false
		})
}

// takeEntry waits for a dead letter of a consumer that has mark in its message, and discards it.
func takeEntry(t *testing.T, consumer, mark string) letter {
	t.Helper()
	l := findEntry(t, consumer, mark, "open", "spent")
	taken.Store(mark, true)
	must[letter](
		t, http.StatusOK, post(stack.operator, "/dead-letters/"+l.ID+"/discard", object{"reason": "made by a test"}),
	)
	return l
}

// takeMessage waits for a message that has mark in its body, and takes it out of the queue. Others
// stay.
func takeMessage(t *testing.T, queueURL, mark string) string {
	t.Helper()
	return eventually(t, "message with "+mark+" in "+queueURL, func() (string, bool) {
		out, err := stack.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &queueURL, MaxNumberOfMessages: 10, VisibilityTimeout: 1,
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			if strings.Contains(aws.ToString(m.Body), mark) {
				if _, err := stack.queues.DeleteMessage(
					t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queueURL, ReceiptHandle: m.ReceiptHandle},
				); err != nil {
					t.Fatal(err)
				}
				return aws.ToString(m.Body), true
			}
		}
		return "", false
	})
}

// newQueue is a queue of the test's own, which a service may send to.
func newQueue(t *testing.T, service string) (url, arn string) {
	t.Helper()
	created, err := stack.queues.CreateQueue(
		t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("e2e-" + ident.New())},
	)
	if err != nil {
		t.Fatal(err)
	}
	url = aws.ToString(created.QueueUrl)
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
			t.Error(err)
		}
	})
	attributes, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	arn = attributes.Attributes["QueueArn"]
	policy, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []object{{
		"Effect": "Allow", "Principal": object{"Service": service}, "Action": "sqs:SendMessage", "Resource": arn,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	setQueue(t, url, sqstypes.QueueAttributeNamePolicy, string(policy))
	return url, arn
}

func setQueue(t *testing.T, url string, name sqstypes.QueueAttributeName, value string) {
	t.Helper()
	ctx, cancel := cleaning()
	defer cancel()
	if _, err := stack.queues.SetQueueAttributes(
		ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{string(name): value}},
	); err != nil {
		t.Error(err)
	}
}
