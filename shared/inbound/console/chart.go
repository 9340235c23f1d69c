package console

import "strconv"

// chart is a drawing of bars, a group for each day, hour or minute. A table of the page says the
// same in numbers.
type chart struct {
	Title, Unit, Axis string   // of what is up, and across
	Note              string   // to be read with it
	Kinds             []string // of the bars of a group
	Table             bool     // whether the numbers are in a table of the chart's own

	Left, Right, Bottom, Width, Height int
	Bars                               []bar
	Lines                              []gridLine // of the axis, with what they stand for
	Marks                              []mark
	Groups                             []group

	name  func(int64) string
	rungs []int64 // of an axis that is no even one: what its lines stand for, from 0 up
}

// group is what happened in a day, an hour or a minute.
type group struct {
	Label  string   // as the axis has it
	At     string   // in full
	Values []int64  // by kind
	Says   []string // what they are in words
}

type bar struct {
	X, Y, Width, Height int
	Kind                string
	Says                string // for who points at it
}

type gridLine struct {
	Y    int
	Says string
}

type mark struct {
	X    int
	Says string
}

// The measures of a chart, in units of its own.
const (
	chartWidth  = 760
	chartHeight = 272
	chartLeft   = 110 // what the axis's numbers take
	chartBottom = 48  // what labels and the axis's title take
	chartTop    = 30  // what the unit takes
	mostMarks   = 8   // labels that have room beside each other
	mostLines   = 8
)

func (c *chart) add(g group) {
	for _, v := range g.Values[len(g.Says):] {
		g.Says = append(g.Says, c.says(v))
	}
	c.Groups = append(c.Groups, g)
}

// says writes a number of the axis.
func (c *chart) says(n int64) string {
	if c.name != nil {
		return c.name(n)
	}
	return strconv.FormatInt(n, 10)
}

// layOut makes the drawing. Bars are whole units of the drawing; what they stand for is exact.
func (c *chart) layOut() {
	c.Width, c.Height, c.Left, c.Right = chartWidth, chartHeight, chartLeft, chartWidth
	c.Bottom = chartHeight - chartBottom
	top := int64(1)
	for _, g := range c.Groups {
		for _, v := range g.Values {
			top = max(top, min(v, 1<<62)) // so that no step leads beyond an int64
		}
	}
	y := c.lines(top)
	if len(c.Groups) == 0 {
		return
	}
	slot := (chartWidth - chartLeft) / len(c.Groups)
	wide := max(2, (slot-4)/max(1, len(c.Kinds)))
	every := (len(c.Groups) + mostMarks - 1) / mostMarks
	for i, g := range c.Groups {
		left := chartLeft + i*slot + 2
		for k, v := range g.Values {
			c.Bars = append(c.Bars, bar{
				left + k*wide, y(v), wide - 1, y(0) - y(v), c.Kinds[k], g.At + ": " + g.Says[k] + " " + c.Kinds[k],
			})
		}
		if i%every == 0 {
			c.Marks = append(c.Marks, mark{left, g.Label})
		}
	}
}

// lines draws those of the axis up to a number, and gives where a number is.
func (c *chart) lines(top int64) (y func(int64) int) {
	const space = chartHeight - chartBottom - chartTop
	if len(c.rungs) == 0 {
		step := stepOf(top)
		top = (top + step - 1) / step * step
		y = func(v int64) int { return chartTop + space - scaled(v, top, space) }
		for v := int64(0); v <= top; v += step {
			c.Lines = append(c.Lines, gridLine{y(v), c.says(v)})
		}
		return y
	}
	n := 1
	for n < len(c.rungs)-1 && c.rungs[n] < top {
		n++
	}
	const between = 1000
	y = func(v int64) int {
		return chartTop + space - scaled(rungOf(c.rungs, v, between), int64(n*between), space)
	}
	for i := 0; i <= n; i += (n + mostLines - 1) / mostLines {
		c.Lines = append(c.Lines, gridLine{y(c.rungs[i]), c.says(c.rungs[i])})
	}
	return y
}

// rungOf is where a number is on a ladder: so many for each rung below it, and its part of the
// next.
func rungOf(rungs []int64, v, between int64) int64 {
	for i := 1; i < len(rungs); i++ {
		if low, high := rungs[i-1], rungs[i]; v <= high {
			return int64(i-1)*between + max(0, v-low)*between/(high-low)
		}
	}
	return int64(len(rungs)-1) * between
}

// stepOf is the step of an axis up to a number: 1, 2 or 5 times a power of ten, at most five times.
func stepOf(top int64) int64 {
	for step := int64(1); ; step *= 10 {
		for _, n := range []int64{step, 2 * step, 5 * step} {
			if top/n < 5 {
				return n
			}
		}
	}
}

// scaled is v of top, of a space of so many units, without overflow.
func scaled(v, top int64, space int) int {
	if top > 1<<40 {
		v, top = v>>20, top>>20
	}
	return int(max(0, v) * int64(space) / top)
}
