package httpapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/ops/alarms"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/rebuild"
)

// Views says how far each view is.
type Views interface {
	Statuses(ctx context.Context) ([]rebuild.Status, error)
}

// Audits says where the loss audit stands.
type Audits interface {
	State(ctx context.Context) (audit.State, error)
}

// Alarms lists the stack's alarms.
type Alarms interface {
	Alarms(ctx context.Context) ([]alarms.Alarm, error)
}

// machinery are views, loss audit and alarms.
func (s *server) machinery(o Operations) {
	operation := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
			Description: "For operators. " + description,
		}
	}
	register(s, accessOperator, operation("listViews", "/views", "List the views",
		"How far each view has come, and the rebuild of it that is under way."), o.listViews)
	register(s, accessOperator, operation("getAudit", "/audit", "Read where the loss audit stands",
		"What it has looked at. What it found are alarms, and lines of its log."), o.getAudit)
	register(s, accessOperator, operation("listAlarms", "/alarms", "List the alarms",
		"All alarms whose names begin with the stack's, those in alarm first, with the place where it is written "+
			"what to do."), o.listAlarms)
	register(s, accessOperator, operation("getOrderCost", "/analytics/cost", "Read what an order costs",
		"By AWS's list prices, without free tiers and discounts: what was counted of an order on a deployed stack, "+
			"where no batch had two orders in it. It is not this stack's bill."), o.getOrderCost)
}

type viewAnswer struct {
	Name       string             `json:"name" example:"orders"`
	Generation int64              `json:"generation" doc:"The generation that serves"`
	Newest     string             `json:"newest,omitempty" format:"date-time" doc:"When the newest commit was made that is in the view; absent if none is"`
	Events     int64              `json:"events" doc:"How many events were folded into the view"`
	LagMillis  int64              `json:"lagMillis" doc:"Age of the oldest event of the last batch when it was folded, in milliseconds"`
	FoldedAt   string             `json:"foldedAt,omitempty" format:"date-time" doc:"When the last batch was folded. While nothing happens in the shop, nothing is."`
	Rebuild    *viewRebuildAnswer `json:"rebuild,omitempty" doc:"The rebuild that is under way"`
	Draining   []int64            `json:"draining,omitempty" doc:"Earlier generations that are still read or not deleted yet"`
}

type viewRebuildAnswer struct {
	Generation int64  `json:"generation" doc:"The generation that is being built"`
	StartedAt  string `json:"startedAt" format:"date-time"`
	Segments   int    `json:"segments" doc:"Into how many parts the events are divided"`
	Done       int    `json:"done" doc:"How many parts are through"`
	Events     int64  `json:"events" doc:"How many events were read"`
}

type viewsAnswer struct {
	Views []viewAnswer `json:"views"`
}

type viewsOutput struct{ Body viewsAnswer }

func (o Operations) listViews(ctx context.Context, _ identity, _ *struct{}) (*viewsOutput, error) {
	statuses, err := o.Views.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	out := &viewsOutput{Body: viewsAnswer{Views: []viewAnswer{}}}
	for _, s := range statuses {
		a := viewAnswer{
			Name: s.Control.View, Generation: s.Control.ServingGeneration().Number, Newest: moment(s.Checkpoint.Newest),
			Events: s.Checkpoint.Events, LagMillis: s.Checkpoint.Lag.Milliseconds(), FoldedAt: moment(s.Checkpoint.At),
			Draining: slices.Concat(s.Control.Draining, s.Control.Retired),
		}
		if b := s.Control.Building; b != nil {
			a.Rebuild = &viewRebuildAnswer{
				Generation: b.Number, StartedAt: moment(b.StartedAt), Segments: s.Progress.Segments,
				Done: s.Progress.Done, Events: s.Progress.Events,
			}
		}
		out.Body.Views = append(out.Body.Views, a)
	}
	return out, nil
}

type auditAnswer struct {
	Since    string `json:"since,omitempty" format:"date-time" doc:"Commits that are older are not the audit's; absent before the first audit"`
	Through  string `json:"through,omitempty" format:"date-time" doc:"Up to this hour, what was noted is looked at"`
	Began    string `json:"began,omitempty" format:"date-time" doc:"When the cycle began that is under way; absent if none is"`
	Failed   string `json:"failed,omitempty" format:"date-time" doc:"The first hour of the cycle in which something failed, which the next cycle looks at again; absent if nothing did"`
	Canaries int    `json:"canaries" doc:"How many of the audit's own events are on the bus and have not come back"`
	Oldest   string `json:"oldestCanary,omitempty" format:"date-time" doc:"When the oldest of them was sent"`
}

type auditOutput struct{ Body auditAnswer }

func (o Operations) getAudit(ctx context.Context, _ identity, _ *struct{}) (*auditOutput, error) {
	s, err := o.Audit.State(ctx)
	if err != nil {
		return nil, err
	}
	a := auditAnswer{
		Since: moment(s.Since), Through: moment(s.Hour), Began: moment(s.Began), Failed: moment(s.Failed),
		Canaries: len(s.Canaries),
	}
	if len(s.Canaries) > 0 {
		a.Oldest = moment(slices.MinFunc(s.Canaries, func(a, b audit.Canary) int { return a.At.Compare(b.At) }).At)
	}
	return &auditOutput{Body: a}, nil
}

type alarmAnswer struct {
	Name    string       `json:"name" doc:"Without the stack's name" example:"view-lag"`
	State   alarms.State `json:"state" enum:"OK,ALARM,INSUFFICIENT_DATA" doc:"INSUFFICIENT_DATA mostly means that nothing has happened yet that the alarm counts"`
	Since   string       `json:"since,omitempty" format:"date-time" doc:"When it came into the state"`
	Reason  string       `json:"reason,omitempty" doc:"CloudWatch's own, for the state"`
	Says    string       `json:"says,omitempty" doc:"What the alarm means"`
	Runbook string       `json:"runbook,omitempty" doc:"Where it is written what to do" example:"docs/runbooks.md#view-lag"`
	Silent  bool         `json:"silent,omitempty" doc:"true if its actions are disabled, so that it notifies nobody"`
}

type alarmsAnswer struct {
	Alarms []alarmAnswer `json:"alarms" doc:"Those in alarm first, then by name"`
}

type alarmsOutput struct{ Body alarmsAnswer }

func (o Operations) listAlarms(ctx context.Context, _ identity, _ *struct{}) (*alarmsOutput, error) {
	all, err := o.Alarms.Alarms(ctx)
	if err != nil {
		return nil, err
	}
	out := &alarmsOutput{Body: alarmsAnswer{Alarms: make([]alarmAnswer, len(all))}}
	for i, a := range all {
		out.Body.Alarms[i] = alarmAnswer{
			Name: a.Name, State: a.State, Since: moment(a.Since), Reason: a.Reason, Says: a.Says, Runbook: a.Runbook,
			Silent: a.Silent,
		}
	}
	return out, nil
}
