//go:build e2e

package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/invocationlog"
	"orderflow/shared/kit/trace"
)

// One order is followed from the request that places it to its last mail, through one trace: each
// line that any function writes about it has the trace that the client began, and its correlation
// id. The carrier's requests carry both on. The spans that the functions send are one tree below
// the client's, from the request to each mail.
func TestOrderIsOneTrace(t *testing.T) {
	t.Parallel()
	began := time.Now()
	c := newCustomer(t, 10_000)
	of, correlation := trace.New(true), "e2e-trace-"+c.id
	traced := func(r request) request {
		return r.with("Traceparent", of.String()).with("Tracestate", tracestate).with("X-Correlation-ID", correlation)
	}
	lines := onSale(t, line(newStock(t, 10), 1, 1_250))
	placed := must[order](t, http.StatusAccepted, traced(post(c.token, "/orders", anOrder(lines...))))
	_, p := c.prepared(t, placed.ID)
	for _, step := range []string{"dispatch", "deliver"} {
		must[parcel](t, http.StatusOK, traced(post(stack.operator, "/shipments/"+p.ID+"/"+step, nil)))
	}
	c.becomes(t, placed.ID, "delivered")
	stated(t, correlation)

	log := invocationlog.Log{API: cloudwatchlogs.NewFromConfig(stack.config), Stack: stack.Stack}
	written := eventually(t, "the last mail of the order is in the log", func() ([]invocationlog.Line, bool) {
		lines, err := log.About(t.Context(), placed.ID, began.Add(-time.Minute), time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		mails := 0
		for _, l := range lines {
			if strings.Contains(string(l.Text), `"message":"mail sent"`) {
				mails++
			}
		}
		return lines, mails == 4 // placed, confirmed, shipped, delivered
	})
	var functions []string
	for _, l := range written {
		var said struct {
			Subject, OrderID, CorrelationID, TraceID string
			OrderIDs                                 []string
		}
		if err := json.Unmarshal(l.Text, &said); err != nil {
			t.Fatalf("%s: %v", l.Text, err)
		}
		switch {
		case l.Function == "answer-queries": // the test's own reads, each a trace of its own
		case len(said.OrderIDs) > 0: // a batch of several commits
			functions = append(functions, l.Function)
		case said.OrderID != placed.ID || said.Subject == "" || said.CorrelationID != correlation ||
			said.TraceID != of.TraceID:
			t.Errorf("%s: %s", l.Function, l.Text)
		default:
			functions = append(functions, l.Function)
		}
	}
	for _, f := range []string{
		"accept-commands", "project-views", "publish-events", "start-saga", "advance-order", "process-inventory",
		"process-payment", "schedule-shipment", "send-mails", "prepare-shipments", "follow-shipments", "analyse-orders",
	} {
		if !slices.Contains(functions, f) {
			t.Errorf("%s wrote nothing about the order", f)
		}
	}
	oneTree(t, of, placed.ID)
}

// tracestate is what the client's own tracing system says.
const tracestate = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"

// stated checks that all that was stored of what the client began carries the client's tracestate:
// it goes by HTTP, events, the bus, queues and the saga.
func stated(t *testing.T, correlation string) {
	t.Helper()
	stored := commits(t, correlation)
	if of := categories(stored); of["order"] < 4 || of["payment"] == 0 || of["reservation"] == 0 || of["shipment"] < 3 {
		t.Errorf("stored was %v", of)
	}
	for _, c := range stored {
		meta, _ := c["meta"].(*dynamodbtypes.AttributeValueMemberM)
		if got, ok := meta.Value["tracestate"].(*dynamodbtypes.AttributeValueMemberS); !ok || got.Value != tracestate {
			t.Errorf("%v carries %v", c["stream"], meta.Value)
		}
	}
}

// recorded is a span as infra/local/traces tells of it.
type recorded struct {
	TraceID, SpanID, ParentSpanID, Name, Service string
	Attributes                                   map[string]string
}

// function is the function that a span is of.
func (r recorded) function() string { return strings.TrimPrefix(r.Service, stack.Stack+"-") }

// oneTree waits for the spans of an order's trace, and checks that each is below the client's own
// and that there is one of each function that the order passes. What is handled together with other
// orders is linked to the trace.
func oneTree(t *testing.T, client trace.Context, orderID string) {
	t.Helper()
	viewer := os.Getenv("ORDERFLOW_TRACES")
	if viewer == "" {
		t.Fatal("ORDERFLOW_TRACES says where the spans are: infra/local/test.sh sets it")
	}
	type whole struct{ Spans, Linked []recorded }
	got := eventually(t, "the spans of the order are sent", func() (of whole, enough bool) {
		response := spansOf(t, viewer+"/api/traces/"+client.TraceID)
		if err := json.Unmarshal(response, &of); err != nil {
			t.Fatal(err)
		}
		mails := 0
		for _, s := range of.Spans {
			if s.Name == "send mail" {
				mails++
			}
		}
		return of, mails == 4
	})
	parents := map[string]string{}
	for _, s := range got.Spans {
		parents[s.SpanID] = s.ParentSpanID
	}
	functions := map[string]bool{}
	for _, s := range got.Spans {
		functions[s.function()] = true
		above := s.SpanID
		for steps := 0; above != client.SpanID; steps++ {
			next, known := parents[above]
			if !known || steps > len(parents) {
				t.Errorf("%s of %s is not below the client's span: nothing is known of %s", s.Name, s.Service, above)
				break
			}
			above = next
		}
		if of := s.Attributes["orderflow.order.id"]; of != "" && of != orderID {
			t.Errorf("%s of %s is about the order %s", s.Name, s.Service, of)
		}
	}
	for _, s := range got.Linked {
		functions[s.function()] = true
	}
	for _, f := range []string{
		"accept-commands", "project-views", "publish-events", "start-saga", "advance-order", "process-inventory",
		"process-payment", "schedule-shipment", "send-mails", "prepare-shipments", "follow-shipments", "analyse-orders",
	} {
		if !functions[f] {
			t.Errorf("no span of %s", f)
		}
	}
}

func spansOf(t *testing.T, url string) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
