package main

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/ops/deadletter"
)

// machine is Step Functions with some executions, by name.
type machine struct {
	all       []types.ExecutionListItem
	described []string
	page      int
}

func nameOf(arn *string) string { return (*arn)[strings.LastIndex(*arn, ":")+1:] }

func (m *machine) DescribeExecution(
	_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options),
) (*sfn.DescribeExecutionOutput, error) {
	name := nameOf(in.ExecutionArn)
	m.described = append(m.described, name)
	for _, x := range m.all {
		if *x.Name == name {
			return &sfn.DescribeExecutionOutput{
				Name: x.Name, Status: x.Status, StartDate: x.StartDate, StopDate: x.StopDate,
			}, nil
		}
	}
	return nil, &types.ExecutionDoesNotExist{}
}

func (m *machine) ListExecutions(
	_ context.Context, in *sfn.ListExecutionsInput, _ ...func(*sfn.Options),
) (*sfn.ListExecutionsOutput, error) {
	fit := slices.DeleteFunc(slices.Clone(m.all), func(x types.ExecutionListItem) bool {
		return in.StatusFilter != "" && x.Status != in.StatusFilter
	})
	from := len(aws.ToString(in.NextToken))
	to := min(from+m.page, len(fit))
	out := &sfn.ListExecutionsOutput{Executions: fit[from:to]}
	if to < len(fit) {
		out.NextToken = aws.String(strings.Repeat(".", to))
	}
	return out, nil
}

func started(name string, status types.ExecutionStatus, took time.Duration) types.ExecutionListItem {
	x := types.ExecutionListItem{Name: &name, Status: status, StartDate: aws.Time(noon)}
	if took > 0 {
		x.StopDate = aws.Time(noon.Add(took))
	}
	return x
}

func someExecutions() (executions, *machine) {
	m := &machine{page: 2, all: []types.ExecutionListItem{
		started("o3", types.ExecutionStatusRunning, 0),
		started("o2-undo-4", types.ExecutionStatusFailed, 1500*time.Millisecond),
		started("o2", types.ExecutionStatusSucceeded, time.Second),
		started("o1", types.ExecutionStatusTimedOut, time.Hour),
	}}
	return executions{m, "arn:aws:states:eu-west-1:123456789012:stateMachine:saga"}, m
}

func TestSagaList(t *testing.T) {
	all, _ := someExecutions()
	for name, tt := range map[string]struct {
		status types.ExecutionStatus
		limit  int
		want   []string
	}{
		"all":            {"", 50, []string{"o3", "o2-undo-4", "o2", "o1"}},
		"the newest":     {"", 3, []string{"o3", "o2-undo-4", "o2"}},
		"those that run": {types.ExecutionStatusRunning, 50, []string{"o3"}},
		"none":           {types.ExecutionStatusAborted, 50, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := all.list(t.Context(), tt.status, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range found {
				got = append(got, x.Name)
				if want, _, _ := strings.Cut(x.Name, "-"); x.OrderID != want {
					t.Errorf("%s is of %s", x.Name, x.OrderID)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	found, err := all.list(t.Context(), types.ExecutionStatusFailed, 1)
	if err != nil {
		t.Fatal(err)
	}
	var people, programs bytes.Buffer
	if err := printExecutions(&people, found, false); err != nil || !strings.Contains(people.String(),
		"│ o2-undo-4 │ FAILED │ 2026-03-01T12:00:00Z │ 1.5s │") {
		t.Errorf("%v\n%s", err, people.String())
	}
	if err := printExecutions(&programs, found, true); err != nil ||
		!strings.Contains(programs.String(), `"orderId": "o2"`) {
		t.Errorf("%v\n%s", err, programs.String())
	}
}

// TestSagaStalled: an order stands still if nobody works on it. One that has just changed may be
// about to be started.
func TestSagaStalled(t *testing.T) {
	all, m := someExecutions()
	listed := func(id, status, execution, state string, age time.Duration) shop.ListedOrder {
		return shop.ListedOrder{
			ID: id, Status: status, Saga: shop.Saga{ID: execution, State: state}, UpdatedAt: noon.Add(-age),
		}
	}
	orders := map[string][]shop.ListedOrder{
		"placed": {
			listed("o3", "placed", "o3", "running", time.Hour), listed("o4", "placed", "", "pending", time.Hour),
			listed("o5", "placed", "", "pending", time.Second), listed("o1", "placed", "o1", "running", 2*time.Hour),
		},
		"cancelling": {listed("o2", "cancelling", "o2-undo-4", "failed", 3*time.Hour)},
	}
	list := func(_ context.Context, query url.Values) (page []shop.ListedOrder, next string, err error) {
		page = orders[query.Get("status")]
		if query.Get("cursor") == "" && len(page) > 1 {
			return page[:1], "more", nil
		}
		if len(page) > 1 {
			page = page[1:]
		}
		return page, "", nil
	}
	got, err := all.stalled(t.Context(), list, noon.Add(-5*time.Minute))
	want := []stalledOrder{
		{"o2", "cancelling", "o2-undo-4", noon.Add(-3 * time.Hour), "its undo failed"},
		{"o1", "placed", "o1", noon.Add(-2 * time.Hour), "its execution has ended: TIMED_OUT"},
		{"o4", "placed", "", noon.Add(-time.Hour), "no execution has started"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	// what is known to have failed, and what has just changed, is not asked for
	if diff := cmp.Diff([]string{"o3", "o4", "o1"}, m.described); diff != "" {
		t.Errorf("described:\n%s", diff)
	}
	var out bytes.Buffer
	if err := printStalled(&out, got, false); err == nil || !strings.Contains(err.Error(), "3 orders are stalled") ||
		!strings.Contains(out.String(), "│ o4    │ placed     │ 2026-03-01T11:00:00Z │ no execution has started") {
		t.Errorf("%v\n%s", err, out.String())
	}
	out.Reset()
	if err := printStalled(&out, []stalledOrder{}, true); err != nil || out.String() != "[]\n" {
		t.Errorf("%v %q", err, out.String())
	}
}

// TestSagaShow: the tasks of an order's executions, the tries of each, and why the last one failed.
func TestSagaShow(t *testing.T) {
	at := noon.Add
	of := shop.Order{ID: "o2", Status: "cancelling", Saga: shop.Saga{ID: "o2-undo-4", State: "failed"}}
	found := shop.Executions{Omitted: 3, Executions: []shop.Execution{
		{Name: "o2", Expired: true},
		{
			Name: "o2-undo-4", Status: "FAILED", Started: noon, Error: "saga.undo-failed", Cause: "release stock",
			Truncated: true,
			Steps: []shop.Step{
				{Name: "WhichWay", Type: "Choice", Entered: noon},
				{
					Name: "ReleaseStock", Type: "Task", Entered: at(200 * time.Millisecond), Tries: 2,
					Error: "States.Timeout", Cause: "no answer",
				},
				{Name: "RefundPayment", Type: "Task", Entered: at(250 * time.Millisecond), Tries: 1},
			},
		},
	}}
	const want = `order o2: cancelling, saga failed
execution o2: no longer kept
3 executions are left out
execution o2-undo-4: FAILED
  +   200 ms  ReleaseStock, 2 tries: States.Timeout: no answer
  +   250 ms  RefundPayment
  its history is longer than what is shown
  ended with saga.undo-failed: release stock
`
	var people, programs bytes.Buffer
	if err := printSaga(&people, of, found, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, people.String()); diff != "" {
		t.Error(diff)
	}
	if err := printSaga(&programs, of, found, true); err != nil ||
		!strings.Contains(programs.String(), `"type": "Choice"`) {
		t.Errorf("%v\n%s", err, programs.String())
	}
}

// TestSagaRetry: only what its events start an execution for is taken on by them. An execution that
// has ended is in the way of another one of its name.
func TestSagaRetry(t *testing.T) {
	all, m := someExecutions()
	m.all = append(m.all, started("o6", types.ExecutionStatusRunning, 0))
	of := func(id, status, execution, state string) shop.Order {
		return shop.Order{ID: id, Status: status, Saga: shop.Saga{ID: execution, State: state}}
	}
	closed := func(by string) []shop.Event {
		return []shop.Event{
			{Sequence: 1, Type: "order.placed"},
			{Sequence: 4, Type: "order.cancelling", Data: map[string]any{"origin": by}},
		}
	}
	for name, tt := range map[string]struct {
		of     shop.Order
		events []shop.Event
		says   string
	}{
		"never started": {of("o4", "placed", "", "pending"), nil, ""},
		"it runs":       {of("o3", "held", "o3", "running"), nil, "execution o3 is RUNNING"},
		"it is through": {of("o2", "shipped", "o2", "completed"), nil, "its saga is through"},
		"it has ended":  {of("o1", "placed", "o1", "running"), nil, "execution o1 is TIMED_OUT"},
		"its undo has ended": {
			of("o2", "cancelling", "o2", "compensating"), closed("customer"), "execution o2-undo-4 is FAILED",
		},
		"its undo never started":               {of("o5", "cancelling", "o5", "compensating"), closed("operator"), ""},
		"nor did that of an order that waited": {of("o6", "cancelling", "o6", "compensating"), closed("customer"), ""},
		"the execution that closed it is gone": {
			of("o1", "cancelling", "o1", "compensating"), closed("saga"), "execution o1 is TIMED_OUT",
		},
		"the same, long ago": {
			of("o9", "cancelling", "o9", "compensating"), closed("saga"), "the execution that closed it is gone",
		},
	} {
		err := all.retryable(t.Context(), tt.of, tt.events)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSagaRetryOfAnUndo: an undo that has failed is a dead-letter entry, whose redrive starts a
// further execution. The first redrive's own execution names the entry.
func TestSagaRetryOfAnUndo(t *testing.T) {
	const entry = "9c0f6ac1-6a52-56b7-9b0c-0f8c9b1f9d10"
	all, _ := someExecutions()
	first := deadletter.UndoEntry(all.arn("o2-undo-4"))
	for execution, want := range map[string]string{"o2-undo-4": first, "redrive-" + entry + "-2": entry} {
		path := "/dead-letters/" + want + "/redrive"
		a := &api{answers: map[string]string{
			"POST " + path: `{"id":"` + want + `","status":"open","consumer":"order-saga","kind":"undo"}`,
		}}
		server := httptest.NewServer(a)
		var out bytes.Buffer
		err := all.retryUndo(t.Context(), shop.New(server.URL, "token"), &out, execution, false)
		server.Close()
		if err != nil || len(a.asked) != 1 || !strings.HasPrefix(a.asked[0], "POST "+path+" Idempotency-Key: ") ||
			!strings.Contains(out.String(), "dead-letter entry "+want+": open") {
			t.Errorf("%s: %v, asked %q, printed %s", execution, err, a.asked, out.String())
		}
	}
	server := httptest.NewServer(&api{})
	defer server.Close()
	err := all.retryUndo(t.Context(), shop.New(server.URL, "token"), io.Discard, "o2-undo-4", false)
	if err == nil || !strings.Contains(err.Error(), "not recorded yet") {
		t.Errorf("before the failure is recorded: %v", err)
	}
}
