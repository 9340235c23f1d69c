package view

import (
	"slices"
	"time"
)

// Control says which generations a view has. The zero Control, but for its View, is a view of which
// nothing was ever rebuilt: generation 1 serves.
//
// A generation is built, serves, drains (readers may still use it, so it is still written), is
// retired (not written any more; what is left of it is being deleted), and is gone.
type Control struct {
	View     string
	Revision int64 // of this Control; 0 where it was never saved
	Serving  int64
	Last     int64 // the highest number that was ever given
	Building *Building
	Draining []int64
	Retired  []int64
}

// Building is a generation that a rebuild fills.
type Building struct {
	Number    int64
	Segments  int    // of the scan, fixed when it began
	Holder    string // the process that builds it
	Beat      int64  // goes up while the holder works, so that others can tell by a clock of their own whether it does
	StartedAt time.Time
}

// serving is the number of the generation that serves.
func (c Control) serving() int64 { return max(c.Serving, 1) }

// ServingGeneration is the generation that readers use.
func (c Control) ServingGeneration() Generation {
	return Generation{View: c.View, Number: c.serving()}
}

// BuildingGeneration is the generation that is being built. Only where there is one.
func (c Control) BuildingGeneration() Generation {
	return Generation{View: c.View, Number: c.Building.Number}
}

// Live lists the generations that a projector writes, the newest first: what readers see in the
// serving one is then in the one being built.
func (c Control) Live() []Generation {
	numbers := append([]int64{c.serving()}, c.Draining...)
	if c.Building != nil {
		numbers = append(numbers, c.Building.Number)
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	live := make([]Generation, len(numbers))
	for i, n := range numbers {
		live[i] = Generation{View: c.View, Number: n}
	}
	return live
}

// IsLive reports whether a generation may be written or read. One that is younger than this Control
// is.
func (c Control) IsLive(g Generation) bool {
	return g.Number > max(c.Last, 1) || slices.Contains(c.Live(), g)
}

// Begin declares the next generation.
func (c Control) Begin(holder string, segments int, now time.Time) Control {
	c.Serving = c.serving()
	c.Last = max(c.Last, c.Serving) + 1
	c.Building = &Building{Number: c.Last, Segments: segments, Holder: holder, StartedAt: now}
	return c
}

// Held hands the generation being built to a holder, or says that the holder still works.
func (c Control) Held(holder string) Control {
	b := *c.Building
	b.Holder, b.Beat = holder, b.Beat+1
	c.Building = &b
	return c
}

// Switched lets the generation that was built serve, and the one that served drain.
func (c Control) Switched() Control {
	c.Draining = append(slices.Clone(c.Draining), c.serving())
	c.Serving, c.Building = c.Building.Number, nil
	return c
}

// Dropped gives up the generation being built.
func (c Control) Dropped() Control {
	c.Retired = append(slices.Clone(c.Retired), c.Building.Number)
	c.Building = nil
	return c
}

// Drained retires generations that no reader uses any more.
func (c Control) Drained(numbers []int64) Control {
	c.Draining = without(c.Draining, numbers)
	c.Retired = append(slices.Clone(c.Retired), numbers...)
	return c
}

// Deleted forgets retired generations of which nothing is left.
func (c Control) Deleted(numbers []int64) Control {
	c.Retired = without(c.Retired, numbers)
	return c
}

func without(numbers, gone []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(numbers), func(n int64) bool { return slices.Contains(gone, n) })
}
