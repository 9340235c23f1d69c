package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/ops/executions"
)

type executionAnswer struct {
	Name      string            `json:"name" doc:"The order's id for the execution that fulfils it; for one that undoes it, with -undo- and the sequence number of order.cancelling"`
	Expired   bool              `json:"expired,omitempty" doc:"true if Step Functions no longer keeps it, which it does for 90 days after its end: only its name is known"`
	Status    executions.Status `json:"status,omitempty" enum:"RUNNING,SUCCEEDED,FAILED,TIMED_OUT,ABORTED,PENDING_REDRIVE" doc:"As Step Functions names it"`
	StartedAt string            `json:"startedAt,omitempty" format:"date-time"`
	EndedAt   string            `json:"endedAt,omitempty" format:"date-time" doc:"Absent while it runs"`
	Error     string            `json:"error,omitempty" doc:"What it ended with, if it failed" example:"saga.undo-failed"`
	Cause     string            `json:"cause,omitempty" doc:"Without personal data"`
	Steps     []stepAnswer      `json:"steps,omitempty" doc:"The states that it entered, in this order"`
	Truncated bool              `json:"truncated,omitempty" doc:"true if its history has more events than an answer takes: later steps are missing"`
	StartAt   string            `json:"startAt,omitempty" doc:"The state at which the machine starts"`
	States    []stateAnswer     `json:"states,omitempty" doc:"The machine as this execution ran it, which a later release may have changed"`
}

type stepAnswer struct {
	Name      string `json:"name" example:"ReserveStock"`
	Type      string `json:"type" doc:"The state's type" example:"Task"`
	EnteredAt string `json:"enteredAt" format:"date-time"`
	ExitedAt  string `json:"exitedAt,omitempty" format:"date-time" doc:"Absent while the execution is there, and for the state that it ended in with an error"`
	Tries     int    `json:"tries,omitempty" doc:"Of a task"`
	Failed    bool   `json:"failed,omitempty" doc:"true if the last try failed: the step did, if the execution left it"`
	Error     string `json:"error,omitempty" doc:"Of the last try that failed" example:"stock.insufficient"`
	Cause     string `json:"cause,omitempty" doc:"Without personal data"`
}

type stateAnswer struct {
	Name  string             `json:"name" example:"ReserveStock"`
	Type  string             `json:"type" example:"Task"`
	Waits bool               `json:"waits,omitempty" doc:"true for a task that waits until somebody answers it"`
	End   bool               `json:"end,omitempty" doc:"true if an execution may end here"`
	Next  []transitionAnswer `json:"next,omitempty"`
}

type transitionAnswer struct {
	To        string   `json:"to" doc:"The name of a state"`
	Otherwise bool     `json:"otherwise,omitempty" doc:"true for the way of a choice if no other one applies"`
	Errors    []string `json:"errors,omitempty" doc:"The errors that lead there; States.ALL is any. Absent if the state succeeded or chose."`
}

type executionsAnswer struct {
	Executions []executionAnswer `json:"executions" doc:"In the order in which they took the order. An execution that resumes an undo is here once it has written."`
	Omitted    int               `json:"omitted,omitempty" doc:"Number of executions that are left out: the answer has the first one and the nine newest"`
}

type executionsOutput struct{ Body executionsAnswer }

// operations are about what the machinery does. They are for operators, and read only.
func (s *server) operations(o Operations) {
	register(s, accessOperator, huma.Operation{
		OperationID: "getExecutions", Method: http.MethodGet, Path: "/orders/{id}/executions",
		Summary: "Read an order's executions",
		Description: "For operators: the executions of the state machine that carried the order, with the steps that " +
			"each entered, their tries and errors, and the machine as it ran. Step Functions keeps an execution for " +
			"90 days after its end. What has just happened may be missing for a moment.",
		Errors: []int{http.StatusNotFound},
	}, o.getExecutions)
	register(s, accessOperator, huma.Operation{
		OperationID: "getEffects", Method: http.MethodGet, Path: "/orders/{id}/effects",
		Summary: "Read what was done for an order",
		Description: "For operators: the attempts at money, stock and parcels with their events, and the mails that " +
			"were sent. Without personal data. Attempts always reflect what is written.",
		Errors: []int{http.StatusNotFound},
	}, o.getEffects)
	s.machinery(o)
}

func (o Operations) getExecutions(ctx context.Context, _ identity, in *orderPath) (*executionsOutput, error) {
	found, omitted, err := o.Executions.Of(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &executionsOutput{Body: executionsAnswer{
		Executions: make([]executionAnswer, len(found)), Omitted: omitted,
	}}
	for i, x := range found {
		out.Body.Executions[i] = answerExecution(x)
	}
	return out, nil
}

func answerExecution(x executions.Execution) executionAnswer {
	a := executionAnswer{
		Name: x.Name, Expired: x.Expired, Status: x.Status, StartedAt: moment(x.Started), EndedAt: moment(x.Ended),
		Error: x.Error, Cause: x.Cause, Truncated: x.Cut, StartAt: x.Machine.Start,
	}
	for _, s := range x.Steps {
		a.Steps = append(a.Steps, stepAnswer{
			Name: s.Name, Type: s.Type, EnteredAt: moment(s.Entered), ExitedAt: moment(s.Exited), Tries: s.Tries,
			Failed: s.Failed, Error: s.Error, Cause: s.Cause,
		})
	}
	for _, s := range x.Machine.States {
		state := stateAnswer{Name: s.Name, Type: s.Type, Waits: s.Waits, End: s.End}
		for _, t := range s.Next {
			state.Next = append(state.Next, transitionAnswer(t))
		}
		a.States = append(a.States, state)
	}
	return a
}
