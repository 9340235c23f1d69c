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
	histories map[string][]types.HistoryEvent
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
			out := &sfn.DescribeExecutionOutput{
				Name: x.Name, Status: x.Status, StartDate: x.StartDate, StopDate: x.StopDate,
			}
			if x.Status == types.ExecutionStatusFailed {
				out.Error, out.Cause = aws.String("undo.failed"), aws.String("release stock")
			}
			return out, nil
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

func (m *machine) GetExecutionHistory(
	_ context.Context, in *sfn.GetExecutionHistoryInput, _ ...func(*sfn.Options),
) (*sfn.GetExecutionHistoryOutput, error) {
	all := m.histories[nameOf(in.ExecutionArn)]
	from := len(aws.ToString(in.NextToken))
	to := min(from+2, len(all))
	out := &sfn.GetExecutionHistoryOutput{Events: all[from:to]}
	if to < len(all) {
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

// TestSagaShow: the steps of an order's executions, the tries of each, and why the last one failed.
func TestSagaShow(t *testing.T) {
	all, m := someExecutions()
	event := func(id, after int64, at time.Duration, kind types.HistoryEventType) types.HistoryEvent {
		return types.HistoryEvent{Id: id, PreviousEventId: after, Timestamp: aws.Time(noon.Add(at)), Type: kind}
	}
	entered := func(e types.HistoryEvent, name string) types.HistoryEvent {
		e.StateEnteredEventDetails = &types.StateEnteredEventDetails{Name: &name}
		return e
	}
	failed := event(5, 4, 300*time.Millisecond, types.HistoryEventTypeTaskFailed)
	failed.TaskFailedEventDetails = &types.TaskFailedEventDetails{Error: aws.String("stock.inconsistent")}
	timedOut := event(7, 6, 1300*time.Millisecond, types.HistoryEventTypeTaskTimedOut)
	timedOut.TaskTimedOutEventDetails = &types.TaskTimedOutEventDetails{
		Error: aws.String("States.Timeout"), Cause: aws.String("no answer"),
	}
	m.histories = map[string][]types.HistoryEvent{
		"o2": {
			event(1, 0, 0, types.HistoryEventTypeExecutionStarted),
			entered(event(2, 0, 0, types.HistoryEventTypeTaskStateEntered), "StartOrder"),
			event(3, 2, 0, types.HistoryEventTypeTaskScheduled),
			entered(event(4, 3, time.Second, types.HistoryEventTypeSucceedStateEntered), "Done"),
		},
		"o2-undo-4": {
			event(1, 0, 0, types.HistoryEventTypeExecutionStarted),
			entered(event(2, 0, 0, types.HistoryEventTypeParallelStateEntered), "Undo"),
			entered(event(3, 2, 200*time.Millisecond, types.HistoryEventTypeTaskStateEntered), "ReleaseStock"),
			event(4, 3, 200*time.Millisecond, types.HistoryEventTypeTaskScheduled),
			failed,
			event(6, 5, 1200*time.Millisecond, types.HistoryEventTypeTaskScheduled),
			timedOut,
			entered(event(8, 2, 250*time.Millisecond, types.HistoryEventTypeTaskStateEntered), "RefundPayment"),
			event(9, 8, 250*time.Millisecond, types.HistoryEventTypeTaskScheduled),
		},
	}
	of := shop.Order{ID: "o2", Status: "cancelling", Saga: shop.Saga{ID: "o2-undo-4", State: "failed"}}
	found, err := all.of(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printSaga(&out, of, found, false); err != nil {
		t.Fatal(err)
	}
	const want = `order o2: cancelling, saga failed
execution o2: SUCCEEDED
  +     0 ms  StartOrder
execution o2-undo-4: FAILED
  +   200 ms  ReleaseStock, 2 tries: States.Timeout: no answer
  +   250 ms  RefundPayment
  ended with undo.failed: release stock
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if found, err := all.of(t.Context(), shop.Order{ID: "o9"}); err != nil || len(found) != 0 {
		t.Errorf("an order without executions: %v, %v", found, err)
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
