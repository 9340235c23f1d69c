package main

import (
	"bytes"
	"context"
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

// TestSagaRetry: only what stands still is taken on.
func TestSagaRetry(t *testing.T) {
	all, _ := someExecutions()
	for name, tt := range map[string]struct {
		of   shop.Order
		says string
	}{
		"its undo " +
			"failed": {shop.Order{ID: "o2", Status: "cancelling", Saga: shop.Saga{ID: "o2-undo-4", State: "failed"}}, ""},
		"never started": {shop.Order{ID: "o4", Status: "placed"}, ""},
		"it runs": {
			shop.Order{ID: "o3", Status: "held", Saga: shop.Saga{ID: "o3", State: "running"}}, "its execution is " +
				"running",
		},
		"it is through": {shop.Order{ID: "o2", Status: "shipped"}, "its saga is through"},
	} {
		err := all.retryable(t.Context(), tt.of)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
