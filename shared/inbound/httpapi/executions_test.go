package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/executions"
	"orderflow/shared/shop/order"
)

// append adds events to an order, as a saga would.
func (s *shop) append(events ...any) {
	s.t.Helper()
	id := es.NewStreamID(order.Category, s.order)
	h, err := s.store.Load(context.Background(), id, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.Append(context.Background(), []es.Commit{{
		Head: h.Head, ID: ident.New(), Time: s.clock.Now(), Events: events,
	}}); err != nil {
		s.t.Fatal(err)
	}
}

// The answer has what each execution did, and the machine as it ran.
func TestExecutions(t *testing.T) {
	s := newShop(t)
	at := s.clock.Now()
	s.runs[s.order] = executions.Execution{
		Name: s.order, Status: executions.Failed, Started: at, Ended: at.Add(2 * time.Second),
		Error: "saga.undo-failed", Cause: "release stock",
		Steps: []executions.Step{
			{
				Name: "ReserveStock", Type: "Task", Entered: at, Exited: at.Add(time.Second), Tries: 2,
				Failed: true, Error: "stock.insufficient", Cause: "2 of 3",
			},
			{Name: "Over", Type: "Fail", Entered: at.Add(time.Second)},
		},
		Cut: true,
		Machine: executions.Machine{Start: "ReserveStock", States: []executions.State{
			{Name: "ReserveStock", Type: "Task", Waits: true, Next: []executions.Transition{
				{To: "Over", Errors: []string{"States.ALL"}},
			}},
			{Name: "Over", Type: "Fail", End: true},
		}},
	}
	res := s.must(http.StatusOK, get(operator, "/orders/"+s.order+"/executions"))
	want := object{"executions": []any{object{
		"name": s.order, "status": "FAILED", "startedAt": "2026-03-01T12:00:00Z", "endedAt": "2026-03-01T12:00:02Z",
		"error": "saga.undo-failed", "cause": "release stock", "truncated": true, "startAt": "ReserveStock",
		"steps": []any{
			object{
				"name": "ReserveStock", "type": "Task", "enteredAt": "2026-03-01T12:00:00Z",
				"exitedAt": "2026-03-01T12:00:01Z", "tries": 2.0, "failed": true, "error": "stock.insufficient", "cause": "2 of 3",
			},
			object{"name": "Over", "type": "Fail", "enteredAt": "2026-03-01T12:00:01Z"},
		},
		"states": []any{
			object{"name": "ReserveStock", "type": "Task", "waits": true, "next": []any{
				object{"to": "Over", "errors": []any{"States.ALL"}},
			}},
			object{"name": "Over", "type": "Fail", "end": true},
		},
	}}}
	if diff := cmp.Diff(want, res.body); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What Step Functions no longer keeps is said to have been there. What has not started yet is not
// there.
func TestExecutionsThatAreGone(t *testing.T) {
	s := newShop(t)
	names := func() (all []string) {
		res := s.must(http.StatusOK, get(operator, "/orders/"+s.order+"/executions"))
		list, _ := res.body["executions"].([]any)
		for _, x := range list {
			all = append(all, fmt.Sprint(x.(object)["name"], " ", x.(object)["expired"]))
		}
		return all
	}
	if got := names(); got != nil {
		t.Errorf("an order that nobody has taken has %v", got)
	}
	s.append(order.Started{SagaID: s.order})
	if got := names(); got != nil {
		t.Errorf("an execution that has just started is told as %v", got)
	}
	s.clock.Advance(executions.Kept)
	s.append(order.Cancelling{Reason: order.ReasonOperator, From: order.StatusPlaced, Origin: order.OriginOperator})
	undo := s.order + "-undo-3"
	s.runs[undo] = executions.Execution{Name: undo, Status: executions.Running, Started: s.clock.Now()}
	if diff := cmp.Diff([]string{s.order + " true", undo + " <nil>"}, names()); diff != "" {
		t.Error(diff)
	}
}

// An order has as many executions as people have it taken on again; an answer has the first and the
// newest.
func TestExecutionsAreBounded(t *testing.T) {
	s := newShop(t)
	s.runs[s.order] = executions.Execution{Name: s.order, Status: executions.Succeeded}
	for n := range 20 {
		name := fmt.Sprintf("%s-undo-2-%d", s.order, n)
		s.runs[name] = executions.Execution{Name: name, Status: executions.Failed}
		s.append(order.UndoFailed{SagaID: name, Steps: []string{"release stock"}})
	}
	res := s.must(http.StatusOK, get(operator, "/orders/"+s.order+"/executions"))
	list, _ := res.body["executions"].([]any)
	if len(list) != executions.Most || res.body["omitted"] != 11.0 ||
		list[0].(object)["name"] != s.order || list[1].(object)["name"] != s.order+"-undo-2-11" ||
		list[9].(object)["name"] != s.order+"-undo-2-19" {
		t.Errorf("%s", res.raw)
	}
}

func TestExecutionsOfNoOrder(t *testing.T) {
	s := newShop(t)
	res := s.send(get(operator, "/orders/"+ident.New()+"/executions"))
	if res.status != http.StatusNotFound || res.text("code") != "order.not-found" {
		t.Errorf("%d %s", res.status, res.raw)
	}
}
