package console

import (
	"cmp"
	"strconv"
	"strings"
)

// graph is what caused what, as a drawing: a row for each event, with its cause on the left and the
// event on the right. Arrows lead from a cause to its event, and from an event to the steps of the
// execution that it started.
type graph struct {
	Width, Height int
	Rows          []graphRow
	Arrows        []arrow
}

type graphRow struct {
	Cause, Event box // no cause's box where an event of the order itself is the cause
	Sequence     int64
}

// box is a rectangle with a line of what it is, and one of which.
type box struct {
	X, Y, Width, Height int
	What, Which         string
}

// arrow is a path of SVG. Its kind is direct, or starts for what an event started.
type arrow struct{ Path, Kind string }

// The drawing's measures, in units of its own.
const (
	rowHeight  = 64
	boxHeight  = 44
	causeX     = 50
	causeWidth = 280
	eventX     = 400
	eventWidth = 260
	graphWidth = 710
	tip        = 7 // what an arrow's tip takes
)

// draw lays the events of one order out.
func draw(events []event) graph {
	g := graph{Width: graphWidth, Height: max(1, len(events)) * rowHeight}
	rowOf := map[string]int{}
	for i, e := range events {
		y := i*rowHeight + (rowHeight-boxHeight)/2
		row := graphRow{
			Event:    box{eventX, y, eventWidth, boxHeight, e.Type, when(e.Time)},
			Sequence: e.Sequence,
		}
		if from, own := rowOf[e.CausationID]; own {
			g.Arrows = append(g.Arrows, arrow{onTheRight(from, i), "direct"})
		} else if what, which := cause(e.CausationID); what != "" {
			row.Cause = box{causeX, y, causeWidth, boxHeight, what, which}
			g.Arrows = append(g.Arrows, arrow{across(i), "direct"})
		}
		if from, ok := startedBy(e.CausationID, events[:i]); ok {
			g.Arrows = append(g.Arrows, arrow{onTheLeft(from, i), "starts"})
		}
		rowOf[e.ID] = i
		g.Rows = append(g.Rows, row)
	}
	return g
}

// cause says in words what a causation id names: a request, a step of an execution, an event of
// another stream.
func cause(id string) (what, which string) {
	kind, rest, whole := strings.Cut(id, "/")
	stream, sequence, ofStream := strings.Cut(rest, "@")
	switch {
	case id == "":
		return "", ""
	case kind == "http":
		return "request", rest
	case ofStream:
		return "event " + sequence + " of the " + kind, stream
	case whole:
		return "saga: " + words(rest), kind
	}
	return "cause", id
}

// startedBy finds the event that started the execution which a causation id is a step of. An
// execution that undoes is named <order>-undo-<sequence of the event>, with a further number for a
// further one; the first one of an order is started by its first event.
func startedBy(id string, events []event) (row int, ok bool) {
	run, step, whole := strings.Cut(id, "/")
	if !whole || run == "http" || strings.Contains(step, "@") {
		return 0, false
	}
	_, undo, undoes := strings.Cut(run, "-undo-")
	sequence, _, _ := strings.Cut(cmp.Or(undo, "1"), "-")
	for i, e := range events {
		if strconv.FormatInt(e.Sequence, 10) == sequence {
			return i, true
		}
	}
	return 0, !undoes && len(events) > 0
}

func middle(row int) int { return row*rowHeight + rowHeight/2 }

func across(row int) string {
	return "M" + point(causeX+causeWidth, middle(row)) + " H" + strconv.Itoa(eventX-tip)
}

// onTheLeft leads from below an event to the cause in a later row, past the causes between.
func onTheLeft(from, to int) string {
	return "M" + point(eventX+20, middle(from)+boxHeight/2) + " v" + strconv.Itoa((rowHeight-boxHeight)/2) +
		" H" + strconv.Itoa(causeX/2) + " V" + strconv.Itoa(middle(to)) + " H" + strconv.Itoa(causeX-tip)
}

// onTheRight leads from an event to a later one that it caused itself.
func onTheRight(from, to int) string {
	edge := eventX + eventWidth
	return "M" + point(edge, middle(from)) + " h" + strconv.Itoa((graphWidth-edge)/2) +
		" V" + strconv.Itoa(middle(to)) + " H" + strconv.Itoa(edge+tip)
}

func point(x, y int) string { return strconv.Itoa(x) + "," + strconv.Itoa(y) }
