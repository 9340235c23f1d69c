package console

import "strconv"

// chart is a drawing of bars, a group for each day. The page's table says the same in numbers.
type chart struct {
	Title, Unit   string
	Kinds         []string // of the bars of a group
	Width, Height int
	Bars          []bar
	Lines         []gridLine // of the axis, with what they stand for
	Dates         []mark

	groups []group
	name   func(int64) string
}

type group struct {
	date   string
	values []int64
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
	chartHeight = 240
	chartLeft   = 110 // what the axis's numbers take
	chartBottom = 30  // what the dates take
	chartTop    = 14
	mostDates   = 8 // that have room beside each other
)

func (c *chart) add(date string, values []int64, name func(int64) string) {
	c.groups, c.name = append(c.groups, group{date, values}), name
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
	c.Width, c.Height = chartWidth, chartHeight
	top := int64(1)
	for _, g := range c.groups {
		for _, v := range g.values {
			top = max(top, min(v, 1<<62)) // so that no step leads beyond an int64
		}
	}
	step := stepOf(top)
	top = (top + step - 1) / step * step
	const space = chartHeight - chartBottom - chartTop
	y := func(v int64) int { return chartTop + space - scaled(v, top, space) }
	for v := int64(0); v <= top; v += step {
		c.Lines = append(c.Lines, gridLine{y(v), c.says(v)})
	}
	if len(c.groups) == 0 {
		return
	}
	slot := (chartWidth - chartLeft) / len(c.groups)
	wide := max(2, (slot-4)/max(1, len(c.Kinds)))
	every := (len(c.groups) + mostDates - 1) / mostDates
	for i, g := range c.groups {
		left := chartLeft + i*slot + 2
		for k, v := range g.values {
			c.Bars = append(c.Bars, bar{
				left + k*wide, y(v), wide - 1, y(0) - y(v), c.Kinds[k], g.date + ": " + c.says(v) + " " + c.Kinds[k],
			})
		}
		if i%every == 0 {
			c.Dates = append(c.Dates, mark{left, g.date[len(g.date)-5:]})
		}
	}
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
