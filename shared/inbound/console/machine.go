package console

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
)

// What the page reads of GET /orders/{id}/executions.

type executionList struct {
	Executions []execution `json:"executions"`
	Omitted    int         `json:"omitted"`
}

type execution struct {
	Name      string     `json:"name"`
	Expired   bool       `json:"expired"`
	Status    string     `json:"status"`
	StartedAt time.Time  `json:"startedAt"`
	EndedAt   *time.Time `json:"endedAt"`
	Error     string     `json:"error"`
	Cause     string     `json:"cause"`
	Steps     []step     `json:"steps"`
	Truncated bool       `json:"truncated"`
	StartAt   string     `json:"startAt"`
	States    []state    `json:"states"`
}

type step struct {
	Name      string     `json:"name"`
	Type      string     `json:"type"`
	EnteredAt time.Time  `json:"enteredAt"`
	ExitedAt  *time.Time `json:"exitedAt"`
	Tries     int        `json:"tries"`
	Failed    bool       `json:"failed"`
	Error     string     `json:"error"`
	Cause     string     `json:"cause"`
}

type state struct {
	Name  string       `json:"name"`
	Type  string       `json:"type"`
	Waits bool         `json:"waits"`
	End   bool         `json:"end"`
	Next  []transition `json:"next"`
}

type transition struct {
	To        string   `json:"to"`
	Otherwise bool     `json:"otherwise"`
	Errors    []string `json:"errors"`
}

// Live reports whether more may come of it.
func (e execution) Live() bool { return e.Status == "RUNNING" || e.Status == "PENDING_REDRIVE" }

// Undoes reports whether it began with the undo.
func (e execution) Undoes() bool { return strings.Contains(e.Name, "-undo-") }

// at says what became of its i-th step: done, failed, now or ended, of one that the execution ended
// in.
func (e execution) at(i int) string {
	s := e.Steps[i]
	switch {
	case s.Type == "Fail":
		return "failed"
	case s.ExitedAt != nil && s.Failed:
		return "failed"
	case s.ExitedAt != nil:
		return "done"
	case i < len(e.Steps)-1:
		return "done"
	case e.Live():
		return "now"
	case e.Status == "SUCCEEDED":
		return "done"
	}
	return "failed" // the execution ended while it was there
}

// machine is an execution drawn: the states of the machine that it ran, and the way that it took.
type machine struct {
	Width, Height int
	States        []machineState
	Arrows        []machineArrow
	Title         string
	// Elsewhere is the state that most steps lead to after any error that they don't name. Arrows
	// to it are drawn where they were taken: all of them would hide the others.
	Elsewhere string
}

// machineState is a box. Its Kind is its shape: task, wait, choice or end. What became of it, in
// the style's words: idle, done, failed or now.
type machineState struct {
	X, Y, Width, Height int
	Name, Kind, Became  string
	Says                string // a second line
}

// machineArrow is a way from one state to another. Its Kind is next or error; Taken counts how
// often the execution went it.
type machineArrow struct {
	Path, Kind, From, To string
	Taken                int
	Says                 string
}

// tips are the heads that arrows have.
var tips = []string{"idle", "next", "error"}

// Tip is the head that the arrow has.
func (a machineArrow) Tip() string {
	if a.Taken == 0 {
		return "idle"
	}
	return a.Kind
}

// Hexagon is the outline of a choice.
func (s machineState) Hexagon() string {
	const cut = 10
	return fmt.Sprintf("M%d,%d h%d l%d,%d l%d,%d h%d l%d,%d z", s.X+cut, s.Y, s.Width-2*cut, cut, s.Height/2,
		-cut, s.Height/2, 2*cut-s.Width, -cut, -s.Height/2)
}

// The drawing's measures, in units of its own.
const (
	stateWidth  = 178
	stateHeight = 44
	stateRow    = 84
	machineEdge = 12 // around all
)

// inWords is a state's name as words, each of which begins with a capital: ReserveStock is reserve
// stock.
func inWords(name string) string {
	var words strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			words.WriteByte(' ')
		}
		words.WriteRune(unicode.ToLower(r))
	}
	return words.String()
}

// anything is the error name that stands for all.
const anything = "States.ALL"

// most is how many steps make a state of errors one that is not drawn from each of them.
const most = 5

// way is what leads from one state to another, however often the machine says it.
type way struct {
	from, to int
	direct   bool // not only after an error
	quiet    bool // only after an error that no step names, to the state that most lead to
	errors   []string
	taken    int
}

func (w way) drawn() bool { return !w.quiet || w.taken > 0 }

// drawMachine draws an execution. ok is false where there is nothing to draw.
func drawMachine(e execution) (m machine, ok bool) {
	index := map[string]int{}
	for i, s := range e.States {
		index[s.Name] = i
	}
	first, known := index[e.StartAt]
	if !known {
		return m, false
	}
	ways, elsewhere := waysOf(e, index)
	if elsewhere >= 0 {
		m.Elsewhere = inWords(e.States[elsewhere].Name)
	}
	// The first node is where the walk begins.
	order := append([]int{first}, slices.DeleteFunc(indexes(len(e.States)), func(i int) bool { return i == first })...)
	place := make([]int, len(order))
	for at, i := range order {
		place[i] = at
	}
	var edges [][2]int
	var shown []way
	for _, w := range ways {
		edges = append(edges, [2]int{place[w.from], place[w.to]})
		if w.drawn() {
			shown = append(shown, w)
		}
	}
	l := arrange(len(order), stateWidth, edges, func(i int) bool { return ways[i].drawn() })
	m.Width = int(math.Ceil(l.width())) + 2*machineEdge
	m.Height = (len(l.rows)-1)*stateRow + stateHeight + 2*machineEdge
	for i, s := range e.States {
		m.States = append(m.States, e.box(s, l.nodes[place[i]]))
	}
	for i, edge := range l.edges {
		w := shown[i]
		a := machineArrow{
			Path: l.path(edge), Kind: "next", Taken: w.taken,
			From: e.States[w.from].Name, To: e.States[w.to].Name,
		}
		a.Says = inWords(a.From) + " to " + inWords(a.To)
		if !w.direct {
			a.Kind = "error"
			a.Says += ": " + strings.Join(w.errors, ", ")
		}
		m.Arrows = append(m.Arrows, a)
	}
	// What was taken is drawn over what was not.
	slices.SortStableFunc(m.Arrows, func(a, b machineArrow) int { return min(a.Taken, 1) - min(b.Taken, 1) })
	m.Title = e.inOneSentence()
	return m, true
}

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// waysOf lists what leads from each state to another one, each once, and which state most steps
// lead to after any error, -1 where there is none.
func waysOf(e execution, index map[string]int) (ways []way, elsewhere int) {
	at := func(from, to int) *way {
		i := slices.IndexFunc(ways, func(w way) bool { return w.from == from && w.to == to })
		if i < 0 {
			ways = append(ways, way{from: from, to: to})
			i = len(ways) - 1
		}
		return &ways[i]
	}
	after := make([]int, len(e.States)) // any error
	for from, s := range e.States {
		for _, t := range s.Next {
			to, known := index[t.To]
			if !known || to == from {
				continue
			}
			w := at(from, to)
			w.direct = w.direct || len(t.Errors) == 0
			w.errors = append(w.errors, t.Errors...)
			if slices.Contains(t.Errors, anything) {
				after[to]++
			}
		}
	}
	for i := range e.Steps[:max(0, len(e.Steps)-1)] {
		from, ok := index[e.Steps[i].Name]
		to, also := index[e.Steps[i+1].Name]
		if ok && also && from != to {
			at(from, to).taken++
		}
	}
	elsewhere = -1
	for to, n := range after {
		if n >= most && (elsewhere < 0 || n > after[elsewhere]) {
			elsewhere = to
		}
	}
	for i := range ways {
		ways[i].quiet = ways[i].to == elsewhere && !ways[i].direct
	}
	return ways, elsewhere
}

// box is a state where the layout put it, and what became of it.
func (e execution) box(s state, n *layerNode) machineState {
	b := machineState{
		X: machineEdge + int(n.x-n.width/2), Y: machineEdge + n.row*stateRow, Width: stateWidth, Height: stateHeight,
		Name: inWords(s.Name), Kind: "task", Became: "idle",
	}
	switch {
	case s.Type == "Choice":
		b.Kind = "choice"
	case s.Type == "Succeed", s.Type == "Fail":
		b.Kind = "end"
	case s.Waits:
		b.Kind = "wait"
	}
	times, tries := 0, 0
	var last step
	for i, at := range e.Steps {
		if at.Name != s.Name {
			continue
		}
		times, tries, last = times+1, tries+at.Tries, at
		b.Became = e.at(i)
	}
	if times == 0 {
		return b
	}
	var says []string
	switch b.Became {
	case "now":
		says = append(says, "now")
	case "failed":
		says = append(says, shorter(orElse(last.Error, orElse(e.Error, "failed")), 26))
	}
	if tries > times {
		says = append(says, fmt.Sprintf("%d tries", tries))
	}
	if times > 1 {
		says = append(says, fmt.Sprintf("%d times", times))
	}
	if len(says) == 0 && last.ExitedAt != nil {
		says = append(says, took(last.ExitedAt.Sub(last.EnteredAt)))
	}
	b.Says = strings.Join(says, ", ")
	return b
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}

// shorter cuts a text at so many characters.
func shorter(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// took is a duration as people read it.
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// inOneSentence is the drawing's title.
func (e execution) inOneSentence() string {
	text := fmt.Sprintf("%d states, of which the execution entered %d", len(e.States), len(e.entered()))
	if n := len(e.Steps); n > 0 {
		last := e.Steps[n-1]
		switch e.at(n - 1) {
		case "now":
			text += "; it is now at " + inWords(last.Name)
		default:
			text += "; the last is " + inWords(last.Name)
		}
	}
	return text + ". The list of steps says the same in words."
}

func (e execution) entered() map[string]bool {
	all := map[string]bool{}
	for _, s := range e.Steps {
		all[s.Name] = true
	}
	return all
}

// path is an edge as SVG has it: from the lower side of a box to the upper side of another one,
// through its bends. One that leads back goes up, and ends at the lower side.
func (l *layers) path(e *layerEdge) string {
	top := func(n *layerNode) float64 { return float64(machineEdge + n.row*stateRow) }
	type dot struct{ x, y float64 }
	var dots []dot
	for i, n := range e.path {
		x := machineEdge + n.x
		switch i {
		case 0:
			dots = append(dots, dot{x + port(n, n.down, e.path[1]), top(n) + stateHeight})
		case len(e.path) - 1:
			dots = append(dots, dot{x + port(n, n.up, e.path[i-1]), top(n)})
		default:
			dots = append(dots, dot{x, top(n)}, dot{x, top(n) + stateHeight})
		}
	}
	if e.back {
		slices.Reverse(dots)
	}
	// the tip of the arrow lies before its end
	end := &dots[len(dots)-1]
	if e.back {
		end.y += tip
	} else {
		end.y -= tip
	}
	var b strings.Builder
	fmt.Fprintf(&b, "M%.0f,%.0f", dots[0].x, dots[0].y)
	for i, d := range dots[1:] {
		from := dots[i]
		if from.x == d.x {
			fmt.Fprintf(&b, " L%.0f,%.0f", d.x, d.y)
			continue
		}
		half := (from.y + d.y) / 2
		fmt.Fprintf(&b, " C%.0f,%.0f %.0f,%.0f %.0f,%.0f", from.x, half, d.x, half, d.x, d.y)
	}
	return b.String()
}

// port is where a line meets a box, from its middle: lines on a side don't meet each other there.
func port(n *layerNode, side []*layerNode, other *layerNode) float64 {
	sorted := slices.SortedStableFunc(slices.Values(side), func(a, b *layerNode) int {
		if a.x < b.x {
			return -1
		} else if a.x > b.x {
			return 1
		}
		return 0
	})
	i := slices.Index(sorted, other)
	return n.width*float64(i+1)/float64(len(sorted)+1) - n.width/2
}
