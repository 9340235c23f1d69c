//go:build e2e

// Package cost_test counts what orders cost on a deployed stack: requests, units, invocations and
// state transitions, by function and operation, against the budget that the program has with it.
package cost_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/aws/invocationlog"
	"orderflow/shared/kit/awsclient"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/cost"
)

var record = flag.Bool("record", false, "write the budget down as it is counted, in place of comparing")

// budgetFile is where cost.Budget has it from.
const budgetFile = "../../shared/ops/cost/budget.json"

// patience is how long a test waits for what has to happen.
const patience = 90 * time.Second

// calm is how long nothing may be logged until everything that follows from an order has ended.
const calm = 3 * time.Second

// orders is how many orders are counted together: one that is sent again is no more than a tenth.
const orders = 10

// notOfAnOrder are the functions that run by the clock, which the idle month pays for, and the
// queries, which are the test's polling.
var notOfAnOrder = []string{"sweep-orders", "audit-events", "redrive-dead-letters", "answer-queries"}

// loose are the functions of which an order costs more at one time than at another, with their
// tolerance. For the consumers of the events table's stream, two commits that come close together
// are one batch or two. For the figures, the pieces of an SKU stand in the hour's row while that
// has room, and then in a row of their own.
var loose = map[string]float64{"project-views": 0.3, "publish-events": 0.3, "analyse-orders": 1}

var stack struct {
	*deployment.Deployment
	api, operator string
}

func TestMain(m *testing.M) {
	flag.Parse()
	if err := find(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e/cost:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func find() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if endpoint := os.Getenv("ORDERFLOW_TEST_ENDPOINT"); endpoint == "" || os.Getenv("AWS_ENDPOINT_URL") != endpoint {
		return errors.New("ORDERFLOW_TEST_ENDPOINT and AWS_ENDPOINT_URL have to name one emulator")
	}
	name := cmp.Or(os.Getenv("ORDERFLOW_STACK"), "orderflow-e2e")
	if stack.Deployment, err = deployment.Find(ctx, name); err != nil {
		return err
	}
	if stack.api, err = stack.APIURL(); err != nil {
		return err
	}
	stack.operator, err = stack.OperatorToken(ctx)
	return err
}

type object = map[string]any

// call calls the API, and gives what it answers.
func call(t *testing.T, token, method, path string, body object) object {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, stack.api+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	switch method {
	case http.MethodPost:
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", ident.New())
	case http.MethodPut:
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("If-None-Match", "*")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, text, err)
	}
	var answer object
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, text, err)
	}
	return answer
}

// until asks for a thing until it has a status.
func until(t *testing.T, token, path, status string) object {
	t.Helper()
	tick, deadline := time.NewTicker(50*time.Millisecond), time.Now().Add(patience)
	defer tick.Stop()
	for {
		answer := call(t, token, http.MethodGet, path, nil)
		if answer["status"] == status {
			return answer
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not %s within %s: %v", path, status, patience, answer)
		}
		<-tick.C
	}
}

// alone waits until no order of another test is under way. One that nobody pays or approves waits
// for a minute, and is undone then: its requests would be counted.
func alone(t *testing.T) {
	t.Helper()
	machine, err := stack.Output("SagaArn")
	if err != nil {
		t.Fatal(err)
	}
	machines, deadline := sfn.NewFromConfig(stack.Config()), time.Now().Add(patience)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ; ; <-tick.C {
		out, err := machines.ListExecutions(t.Context(), &sfn.ListExecutionsInput{
			StateMachineArn: &machine, StatusFilter: sfntypes.ExecutionStatusRunning, MaxResults: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Executions) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s still runs after %s", aws.ToString(out.Executions[0].Name), patience)
		}
	}
}

// shopper is a customer with money, and an article on sale.
type shopper struct{ id, token, account, sku string }

func newShopper(t *testing.T) shopper {
	t.Helper()
	alone(t)
	s := shopper{id: "cost-" + ident.New(), sku: "cost-" + ident.New()}
	var err error
	if s.token, err = stack.CustomerToken(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	call(t, s.token, http.MethodPost, "/customers", object{"name": "Test Person", "email": s.id + "@example.com"})
	s.account = call(t, s.token, http.MethodPost, "/accounts", object{"currency": "USD"})["id"].(string)
	price := object{"amount": 700, "currency": "USD"}
	call(t, stack.operator, http.MethodPut, "/products/"+s.sku, object{"prices": []object{price}})
	call(t, stack.operator, http.MethodPut, "/stock/"+s.sku, object{"onHand": 10_000})
	call(t, stack.operator, http.MethodPost, "/accounts/"+s.account+"/deposits",
		object{"amount": object{"amount": 1_000_000, "currency": "USD"}})
	return s
}

// Where orders go.
var (
	served = object{
		"recipient": "Test Person", "line1": "1 Test Street", "postalCode": "1011 AB", "city": "Amsterdam",
		"country": "NL",
	}
	unserved = object{
		"recipient": "Test Person", "line1": "1 Test Street", "postalCode": "104 31", "city": "Athens", "country": "GR",
	}
)

func (s shopper) place(t *testing.T, to object) string {
	t.Helper()
	return call(t, s.token, http.MethodPost, "/orders", object{
		"currency": "USD", "lines": []object{{"sku": s.sku, "quantity": 1}},
		"shippingAddress": to,
	})["id"].(string)
}

// delivered takes an order all the way: placed, confirmed by its saga, dispatched and delivered by
// the carrier.
func (s shopper) delivered(t *testing.T) (id string) {
	t.Helper()
	id = s.place(t, served)
	confirmed := until(t, s.token, "/orders/"+id, "confirmed")
	parcel := "/shipments/" + confirmed["shipment"].(object)["id"].(string)
	until(t, stack.operator, parcel, "prepared")
	call(t, stack.operator, http.MethodPost, parcel+"/dispatch", nil)
	until(t, s.token, "/orders/"+id, "shipped")
	call(t, stack.operator, http.MethodPost, parcel+"/deliver", nil)
	until(t, s.token, "/orders/"+id, "delivered")
	return id
}

// cancelled takes an order to its last step, where the shipment is refused, and back.
func (s shopper) cancelled(t *testing.T) (id string) {
	t.Helper()
	id = s.place(t, unserved)
	until(t, s.token, "/orders/"+id, "cancelled")
	return id
}

// counted counts what happens while something is done, once everything that follows has ended.
func counted(t *testing.T, do func()) cost.Counts {
	t.Helper()
	log := invocationlog.Log{API: cloudwatchlogs.NewFromConfig(stack.Config()), Stack: stack.Stack}
	rest := func(since time.Time) cost.Counts {
		tick, deadline := time.NewTicker(250*time.Millisecond), time.Now().Add(patience)
		defer tick.Stop()
		for last, quiet := int64(-1), time.Now(); ; <-tick.C {
			counts, err := log.Read(t.Context(), since, time.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range notOfAnOrder {
				delete(counts.Functions, name)
			}
			if n := counts.Invocations(); n != last {
				last, quiet = n, time.Now()
			}
			if time.Since(quiet) > calm {
				return counts
			}
			if time.Now().After(deadline) {
				t.Fatalf("the stack doesn't come to rest within %s", patience)
			}
		}
	}
	began := time.Now()
	rest(began)
	began = time.Now()
	do()
	return rest(began)
}

// transitions counts the states that an order's executions entered.
func transitions(t *testing.T, order string) (n int64) {
	t.Helper()
	machines := sfn.NewFromConfig(stack.Config())
	machine, err := stack.Output("SagaArn")
	if err != nil {
		t.Fatal(err)
	}
	execution := strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + order
	pages := sfn.NewGetExecutionHistoryPaginator(
		machines, &sfn.GetExecutionHistoryInput{ExecutionArn: aws.String(execution)},
	)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if strings.HasSuffix(string(e.Type), "StateEntered") {
				n++
			}
		}
	}
	return n
}

// An order costs no more than the budget says, function by function and operation by operation:
// one that is delivered, and one that is undone from its last step on. They come one after the
// other, so that no batch has two orders in it: it is what an order costs a shop with little to do.
func TestBudget(t *testing.T) {
	budget, err := cost.Budget()
	if err != nil {
		t.Fatal(err)
	}
	shopper := newShopper(t)
	for _, tc := range []struct {
		name  string
		calls int64 // of the API: the customer's, and the carrier's
		order func(*testing.T) string
	}{
		{"delivered", 3, shopper.delivered},
		{"cancelled", 1, shopper.cancelled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.order(t) // the functions have started
			var ids []string
			counts := counted(t, func() {
				for range orders {
					ids = append(ids, tc.order(t))
				}
			})
			counts.Orders, counts.APIRequests = orders, tc.calls*orders
			for _, id := range ids {
				counts.Transitions += transitions(t, id)
			}
			show(t, counts)
			if *record {
				for name, f := range counts.Functions {
					f.CPUMillis = 0 // of this machine
					counts.Functions[name] = f
				}
				budget[tc.name] = counts
				return
			}
			for _, excess := range withoutKeys(counts).Over(budget[tc.name], loose) {
				t.Error(excess)
			}
		})
	}
	if !*record {
		return
	}
	text, err := json.MarshalIndent(budget, "", "  ")
	if err == nil {
		err = os.WriteFile(budgetFile, append(text, '\n'), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// withoutKeys leaves out what personal data keys are asked for, as far as a function does so once
// an order: a process remembers a key for 3 seconds, so that a slow machine asks more often.
func withoutKeys(c cost.Counts) cost.Counts {
	c.Functions = maps.Clone(c.Functions)
	for name, f := range c.Functions {
		f.Requests = slices.DeleteFunc(slices.Clone(f.Requests), func(r awsclient.Requests) bool {
			return (r.On == "keys" && r.Operation == "GetItem" || r.Service == "KMS") && r.Count <= c.Orders
		})
		c.Functions[name] = f
	}
	return c
}

// show logs the counts of an order, the function with the most requests first.
func show(t *testing.T, c cost.Counts) {
	t.Helper()
	of := func(n float64) float64 { return n / float64(c.Orders) }
	total := c.Requests()
	t.Logf(
		"an order: %.1f requests, %.1f write units, %.1f read units, %.1f events, %.1f invocations, %.1f transitions",
		of(float64(total.Count)), of(total.Write), of(total.Read), of(float64(total.Entries)),
		of(float64(c.Invocations())), of(float64(c.Transitions)),
	)
	var lines []string
	for name, f := range c.Functions {
		for _, r := range f.Requests {
			lines = append(lines, fmt.Sprintf(
				"%-22s %5.2f %s %s %s, units read %.1f, written %.1f", name, of(float64(r.Count)), r.Service, r.Operation,
				r.On, of(r.Read), of(r.Write),
			))
		}
	}
	slices.Sort(lines)
	t.Log("\n" + strings.Join(lines, "\n"))
}
