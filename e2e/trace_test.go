//go:build e2e

package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"orderflow/shared/aws/invocationlog"
	"orderflow/shared/kit/trace"
)

// One order is followed from the request that places it to its last mail, through one trace: each
// line that any function writes about it has the trace that the client began, and its correlation
// id. The carrier's requests carry both on.
func TestOrderIsOneTrace(t *testing.T) {
	t.Parallel()
	began := time.Now()
	c := newCustomer(t, 10_000)
	of, correlation := trace.New(true), "e2e-trace-"+c.id
	traced := func(r request) request {
		return r.with("Traceparent", of.String()).with("X-Correlation-ID", correlation)
	}
	lines := onSale(t, line(newStock(t, 10), 1, 1_250))
	placed := must[order](t, http.StatusAccepted, traced(post(c.token, "/orders", anOrder(lines...))))
	_, p := c.prepared(t, placed.ID)
	for _, step := range []string{"dispatch", "deliver"} {
		must[parcel](t, http.StatusOK, traced(post(stack.operator, "/shipments/"+p.ID+"/"+step, nil)))
	}
	c.becomes(t, placed.ID, "delivered")

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
}
