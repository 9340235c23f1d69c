// Package lifecycle checks the order's whole life: what people, runs of the saga, consumers, the
// sweep, crashes and duplicates can do to it together.
//
// The order's own decisions are those of shared/shop/order, called here. Everything around it is a
// small model: attempts at stock, payment and shipment, runs with a place in the state machine,
// messages, task tokens. A breadth-first search visits every state that any order of steps leads
// to, and the first state that breaks a rule is printed with the shortest history that leads there.
package lifecycle

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// step is something that may happen in a world, and the world after it.
type step struct {
	name string
	next world
}

// graph is what a search has visited.
type graph struct {
	worlds []world
	from   []int    // index of the world before, by the shortest history
	by     []string // the step that led from there
	after  [][]int
}

// explore visits every world that steps lead to. A broken rule ends it, and the error says how it
// came about.
func explore(begin world, steps func(world) []step, rule func(world) error) (graph, error) {
	g := graph{worlds: []world{begin}, from: []int{-1}, by: []string{"begin"}}
	seen := map[[sha256.Size]byte]int{sha256.Sum256([]byte(begin.key())): 0}
	for i := 0; i < len(g.worlds); i++ {
		if err := rule(g.worlds[i]); err != nil {
			return g, fmt.Errorf("%w\n%s", err, g.history(i))
		}
		var after []int
		for _, s := range steps(g.worlds[i]) {
			key := sha256.Sum256([]byte(s.next.key()))
			to, known := seen[key]
			if !known {
				to = len(g.worlds)
				seen[key] = to
				g.worlds, g.from, g.by = append(g.worlds, s.next), append(g.from, i), append(g.by, s.name)
			}
			after = append(after, to)
		}
		g.after = append(g.after, after)
	}
	return g, nil
}

// history are the steps that led to a world, the world itself last.
func (g graph) history(i int) string {
	var steps []string
	for at := i; at >= 0; at = g.from[at] {
		steps = append(steps, g.by[at])
	}
	slices.Reverse(steps)
	return fmt.Sprintf("%d steps:\n  %s\nleave\n  %s", len(steps)-1, strings.Join(steps, "\n  "), g.worlds[i].key())
}

// reaches gives for each world whether a world of the kind can still follow.
func (g graph) reaches(kind func(world) bool) []bool {
	before := make([][]int, len(g.worlds))
	var open []int
	can := make([]bool, len(g.worlds))
	for i, w := range g.worlds {
		for _, to := range g.after[i] {
			before[to] = append(before[to], i)
		}
		if kind(w) {
			can[i], open = true, append(open, i)
		}
	}
	for len(open) > 0 {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		for _, i := range before[at] {
			if !can[i] {
				can[i], open = true, append(open, i)
			}
		}
	}
	return can
}
