package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// sagaView is the part of an order's page about its executions. It is a page of its own for who has
// no scripts.
type sagaView struct {
	ID         string
	From       string // where a script asks for the part again; "" on a page of its own
	Live       bool
	Executions []executionView
	Omitted    int
}

type executionView struct {
	execution

	ID      string // of its drawing, on the page
	Mood    string // of its status, in the style's words
	InWords string
	Took    string
	Machine *machine // nil where there is nothing to draw
	Told    []toldStep
}

// toldStep is a step in words.
type toldStep struct {
	Name, Says string
	At         time.Time
}

// moods are the colours of an execution's status.
var moods = map[string]string{
	"RUNNING": "open", "PENDING_REDRIVE": "open", "SUCCEEDED": "resolved", "FAILED": "spent", "TIMED_OUT": "spent",
	"ABORTED": "spent",
}

// orderSaga is the part saga of an order's page, and a page of its own. A script asks with what it
// has seen, and gets nothing while that is all there is.
func (c Console) orderSaga(x *exchange) error {
	id := x.PathValue("id")
	var list executionList
	if err := x.api.get(x.Context(), "/orders/"+url.PathEscape(id)+"/executions", nil, &list); err != nil {
		return err
	}
	v := sagaView{ID: id, Omitted: list.Omitted}
	seen := make([]string, len(list.Executions))
	for i, e := range list.Executions {
		view := executionView{
			execution: e, ID: "run-" + strconv.Itoa(i), Mood: moods[e.Status],
			InWords: strings.ToLower(strings.ReplaceAll(e.Status, "_", " ")), Told: e.told(),
		}
		if e.EndedAt != nil {
			view.Took = took(e.EndedAt.Sub(e.StartedAt))
		}
		if m, ok := drawMachine(e); ok {
			view.Machine = &m
		}
		v.Executions = append(v.Executions, view)
		v.Live = v.Live || e.Live()
		seen[i] = e.sign()
	}
	if !x.partial() {
		return x.render("saga", "Order "+short(id)+": saga", v)
	}
	now := strings.Join(seen, ".")
	if x.URL.Query().Get("seen") == now {
		x.status = http.StatusNoContent
		return nil
	}
	v.From = url.PathEscape(id) + "/saga?" + url.Values{"seen": {now}}.Encode()
	return x.renderPart("saga", "saga", v)
}

// sign is what tells two looks at an execution apart: its history only grows.
func (e execution) sign() string {
	tries, exits := 0, 0
	for _, s := range e.Steps {
		tries += s.Tries
		if s.ExitedAt != nil {
			exits++
		}
		if s.Failed {
			exits++
		}
	}
	return fmt.Sprintf("%s-%d-%d-%d", e.Status, len(e.Steps), tries, exits)
}

// told is what the drawing shows, as a list.
func (e execution) told() (all []toldStep) {
	for i, s := range e.Steps {
		var says []string
		switch e.at(i) {
		case "now":
			says = append(says, "is under way")
		case "failed":
			says = append(says, "failed")
		default:
			if s.ExitedAt != nil {
				says = append(says, "took "+took(s.ExitedAt.Sub(s.EnteredAt)))
			}
		}
		if s.Tries > 1 {
			says = append(says, strconv.Itoa(s.Tries)+" tries")
		}
		if s.Error != "" {
			why := s.Error
			if s.Cause != "" {
				why += ": " + s.Cause
			}
			if !s.Failed {
				why = "a try failed with " + why
			}
			says = append(says, why)
		}
		all = append(all, toldStep{inWords(s.Name), strings.Join(says, ", "), s.EnteredAt})
	}
	return all
}
