package console

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

type viewList struct {
	Views []viewStatus `json:"views"`
}

type viewStatus struct {
	Name       string     `json:"name"`
	Generation int64      `json:"generation"`
	Newest     *time.Time `json:"newest"`
	Events     int64      `json:"events"`
	LagMillis  int64      `json:"lagMillis"`
	FoldedAt   *time.Time `json:"foldedAt"`
	Draining   []int64    `json:"draining"`
	Rebuild    *struct {
		Generation int64     `json:"generation"`
		StartedAt  time.Time `json:"startedAt"`
		Segments   int64     `json:"segments"`
		Done       int64     `json:"done"`
		Events     int64     `json:"events"`
	} `json:"rebuild"`
}

// Lag is how old the oldest event of the last batch was.
func (v viewStatus) Lag() time.Duration { return time.Duration(v.LagMillis) * time.Millisecond }

type auditState struct {
	Since    *time.Time `json:"since"`
	Through  *time.Time `json:"through"`
	Began    *time.Time `json:"began"`
	Failed   *time.Time `json:"failed"`
	Canaries int64      `json:"canaries"`
	Oldest   *time.Time `json:"oldestCanary"`
}

type alarmList struct {
	Alarms []alarm `json:"alarms"`
}

type alarm struct {
	Name    string     `json:"name"`
	State   string     `json:"state"`
	Since   *time.Time `json:"since"`
	Reason  string     `json:"reason"`
	Says    string     `json:"says"`
	Runbook string     `json:"runbook"`
	Silent  bool       `json:"silent"`
}

// part is something of a page that can't be had by itself.
type part[T any] struct {
	Is    T
	Wrong string // why it is not there
}

type healthView struct {
	On, Quiet []alarm // in alarm, and not
	Alarms    part[alarmList]
	Views     part[viewList]
	Audit     part[auditState]
}

// health shows what says whether the machinery works: alarms, views and the loss audit. What can't
// be had of these keeps nothing else from being shown.
func (c Console) health(x *exchange) error {
	var v healthView
	var work sync.WaitGroup
	var errs [3]error
	work.Go(func() { errs[0] = read(x, "/alarms", &v.Alarms) })
	work.Go(func() { errs[1] = read(x, "/views", &v.Views) })
	work.Go(func() { errs[2] = read(x, "/audit", &v.Audit) })
	work.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, a := range v.Alarms.Is.Alarms {
		if a.State == "ALARM" {
			v.On = append(v.On, a)
		} else {
			v.Quiet = append(v.Quiet, a)
		}
	}
	return x.render("health", "Health", v)
}

// read reads a part of a page. What the API fails at belongs to the part; what it refuses, to the
// page.
func read[T any](x *exchange, path string, into *part[T]) error {
	err := x.api.get(x.Context(), path, nil, &into.Is)
	var p *Problem
	if errors.As(err, &p) && p.Status >= http.StatusInternalServerError {
		x.console.Log.ErrorContext(x.Context(), "part of a page failed", "error", err.Error())
		into.Wrong = p.refusal().what
		return nil
	}
	return err
}
