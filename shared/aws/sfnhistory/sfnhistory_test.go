package sfnhistory_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/aws/sfnhistory"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/executions"
)

const machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:saga"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// service is Step Functions with one execution.
type service struct {
	described  sfn.DescribeExecutionOutput
	definition string
	events     []types.HistoryEvent
	page       int // events at once
	err        error
	asked      []string
	withData   bool
}

func (s *service) DescribeExecution(
	_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options),
) (*sfn.DescribeExecutionOutput, error) {
	s.asked = append(s.asked, "execution "+*in.ExecutionArn)
	return &s.described, s.err
}

func (s *service) DescribeStateMachineForExecution(
	_ context.Context, in *sfn.DescribeStateMachineForExecutionInput, _ ...func(*sfn.Options),
) (*sfn.DescribeStateMachineForExecutionOutput, error) {
	s.asked = append(s.asked, "machine "+*in.ExecutionArn)
	return &sfn.DescribeStateMachineForExecutionOutput{Definition: &s.definition}, s.err
}

func (s *service) GetExecutionHistory(
	_ context.Context, in *sfn.GetExecutionHistoryInput, _ ...func(*sfn.Options),
) (*sfn.GetExecutionHistoryOutput, error) {
	s.asked = append(s.asked, "history "+*in.ExecutionArn)
	s.withData = s.withData || in.IncludeExecutionData == nil || *in.IncludeExecutionData
	from, _ := strconv.Atoi(aws.ToString(in.NextToken))
	to := min(from+s.page, len(s.events))
	out := &sfn.GetExecutionHistoryOutput{Events: s.events[from:to]}
	if to < len(s.events) {
		out.NextToken = aws.String(strconv.Itoa(to))
	}
	return out, s.err
}

func event(id, after int64, at time.Duration, kind types.HistoryEventType) types.HistoryEvent {
	return types.HistoryEvent{Id: id, PreviousEventId: after, Timestamp: aws.Time(noon.Add(at)), Type: kind}
}

func entered(e types.HistoryEvent, name string) types.HistoryEvent {
	e.StateEnteredEventDetails = &types.StateEnteredEventDetails{Name: &name}
	return e
}

func exited(e types.HistoryEvent) types.HistoryEvent {
	e.StateExitedEventDetails = &types.StateExitedEventDetails{}
	return e
}

const definition = `{"StartAt": "Release", "States": {
	"Release": {"Type": "Task", "Resource": "x", "Next": "Undone",
		"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}]},
	"Undone": {"Type": "Succeed"}, "Failed": {"Type": "Fail"}}}`

func TestFind(t *testing.T) {
	failed := event(4, 3, 300*time.Millisecond, types.HistoryEventTypeTaskFailed)
	failed.TaskFailedEventDetails = &types.TaskFailedEventDetails{
		Error: aws.String("stock.inconsistent"),
		Cause: aws.String(`{"errorMessage":"sku A","errorType":"stock.inconsistent","stackTrace":[]}`),
	}
	timedOut := event(6, 5, 1300*time.Millisecond, types.HistoryEventTypeTaskTimedOut)
	timedOut.TaskTimedOutEventDetails = &types.TaskTimedOutEventDetails{
		Error: aws.String("States.Timeout"), Cause: aws.String("no answer"),
	}
	s := &service{
		page: 2, definition: definition,
		described: sfn.DescribeExecutionOutput{
			Status: types.ExecutionStatusFailed, StartDate: &noon, StopDate: aws.Time(noon.Add(2 * time.Second)),
			Error: aws.String("saga.undo-failed"), Cause: aws.String("release"),
		},
		events: []types.HistoryEvent{
			event(1, 0, 0, types.HistoryEventTypeExecutionStarted),
			entered(event(2, 0, 0, types.HistoryEventTypeTaskStateEntered), "Release"),
			event(3, 2, 0, types.HistoryEventTypeTaskScheduled),
			failed,
			event(5, 4, time.Second, types.HistoryEventTypeTaskScheduled),
			timedOut,
			exited(event(7, 6, 1400*time.Millisecond, types.HistoryEventTypeTaskStateExited)),
			entered(event(8, 7, 1500*time.Millisecond, types.HistoryEventTypeFailStateEntered), "Failed"),
		},
	}
	got, err := sfnhistory.New(s, machine).Find(t.Context(), "o1")
	if err != nil {
		t.Fatal(err)
	}
	want := executions.Execution{
		Name: "o1", Status: executions.Failed, Started: noon, Ended: noon.Add(2 * time.Second),
		Error: "saga.undo-failed", Cause: "release",
		Steps: []executions.Step{
			{
				Name: "Release", Type: "Task", Entered: noon, Exited: noon.Add(1400 * time.Millisecond), Tries: 2,
				Failed: true,
				Error:  "States.Timeout", Cause: "no answer",
			},
			{Name: "Failed", Type: "Fail", Entered: noon.Add(1500 * time.Millisecond)},
		},
		Machine: executions.Machine{Start: "Release", States: []executions.State{
			{Name: "Release", Type: "Task", Next: []executions.Transition{
				{To: "Undone"}, {To: "Failed", Errors: []string{executions.Everything}},
			}},
			{Name: "Undone", Type: "Succeed", End: true}, {Name: "Failed", Type: "Fail", End: true},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range s.events {
		s.events[i].PreviousEventId = 0
	}
	got, err = sfnhistory.New(s, machine).Find(t.Context(), "o1")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("of events that don't say what they follow: %v, %s", err, diff)
	}
	const arn = "arn:aws:states:eu-west-1:123456789012:execution:saga:o1"
	for _, asked := range s.asked {
		if !strings.HasSuffix(asked, " "+arn) {
			t.Errorf("asked for %s", asked)
		}
	}
	if s.withData {
		t.Error("it asks for input and output")
	}
}

func TestFindNone(t *testing.T) {
	for name, tt := range map[string]struct{ api, want error }{
		"never was, or is gone": {&types.ExecutionDoesNotExist{}, executions.ErrUnknown},
		"no answer":             {context.DeadlineExceeded, context.DeadlineExceeded},
		"asked too often":       {&smithy.GenericAPIError{Code: "ThrottlingException"}, es.ErrUnavailable},
	} {
		_, err := sfnhistory.New(&service{err: tt.api, page: 1}, machine).Find(t.Context(), "o1")
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// The machine that an execution runs stays the same: it is asked for once.
func TestFindAgain(t *testing.T) {
	s := &service{page: 1, definition: definition}
	h := sfnhistory.New(s, machine)
	first, err := h.Find(t.Context(), "o1")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, err := h.Find(t.Context(), "o1")
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
	}
	if _, err := h.Find(t.Context(), "o2"); err != nil { // another execution may run another one
		t.Fatal(err)
	}
	asked := map[string]int{}
	for _, one := range s.asked {
		what, _, _ := strings.Cut(one, " ")
		asked[what]++
	}
	if diff := cmp.Diff(map[string]int{"execution": 4, "machine": 2, "history": 4}, asked); diff != "" {
		t.Error(diff)
	}
	for i := range 1000 { // more than are remembered
		if _, err := h.Find(t.Context(), strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := h.Find(t.Context(), "o1"); err != nil || !cmp.Equal(first, again) {
		t.Errorf("%+v, %v", again, err)
	}
}

// A history of any length takes a few requests.
func TestFindCuts(t *testing.T) {
	s := &service{page: 1, definition: definition}
	for id := range int64(50) {
		s.events = append(s.events, entered(event(id+1, id, 0, types.HistoryEventTypeTaskStateEntered), "Release"))
	}
	got, err := sfnhistory.New(s, machine).Find(t.Context(), "o1")
	if err != nil || !got.Cut || len(got.Steps) != 4 || len(s.asked) != 6 {
		t.Errorf("%d steps, cut %v, %d requests, %v", len(got.Steps), got.Cut, len(s.asked), err)
	}
}

// What a task said may be long, and may have what belongs to a customer.
func TestCauses(t *testing.T) {
	const sealed = "pd1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for name, tt := range map[string]struct{ given, want string }{
		"a function's":      {`{"errorMessage":"no stock","errorType":"x"}`, "no stock"},
		"no message":        {`{"errorType":"x"}`, `{"errorType":"x"}`},
		"plain":             {"no answer", "no answer"},
		"sealed":            {"note " + sealed + " is odd", "note (sealed) is odd"},
		"long":              {strings.Repeat("é", 600), strings.Repeat("é", 500) + "…"},
		"cut at a boundary": {"a" + strings.Repeat("é", 600), "a" + strings.Repeat("é", 499) + "…"},
	} {
		s := &service{page: 1, definition: definition}
		s.described.Cause = &tt.given
		got, err := sfnhistory.New(s, machine).Find(t.Context(), "o1")
		if err != nil || got.Cause != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, got.Cause, err, tt.want)
		}
	}
}
