package console

import (
	"cmp"
	"slices"
)

// layers is a drawing of a graph in layers, from the top down: each edge leads to a lower layer,
// but for those that lead back. An edge over more than one layer has a bend in each between, so
// that it leads around what is there.
//
// It is Sugiyama's way: break the cycles, put each node as far down as what leads to it asks for,
// order each layer by its neighbours, and then pull the nodes over each other.
type layers struct {
	nodes []*layerNode // the graph's own
	rows  [][]*layerNode
	edges []*layerEdge
}

type layerNode struct {
	row      int
	x        float64 // of its middle
	width    float64
	up, down []*layerNode // its neighbours in the rows beside
}

// layerEdge leads from one node to another one. Path has both, and the bends between, from the top
// down; back says that the edge leads up.
type layerEdge struct {
	from, to int
	path     []*layerNode
	back     bool
}

const (
	layerGap  = 24 // between two nodes of a row
	bendWidth = 10
	sweeps    = 12
)

// arrange lays a graph out, of n nodes of one width and of edges as pairs of their indexes. The
// first node is at the top. The edges that drawn says no of have their part in which row a node is
// in, so that it doesn't move with them, and none in the drawing. No edge leads from a node to
// itself.
func arrange(n int, width float64, edges [][2]int, drawn func(int) bool) layers {
	l := layers{}
	for range n {
		l.nodes = append(l.nodes, &layerNode{width: width})
	}
	for _, e := range edges {
		l.edges = append(l.edges, &layerEdge{from: e[0], to: e[1]})
	}
	l.breakCycles()
	l.rank()
	all := l.edges
	l.edges = nil
	for i, e := range all {
		if drawn(i) {
			l.edges = append(l.edges, e)
		}
	}
	l.bend()
	l.order()
	l.place()
	return l
}

// breakCycles finds the edges that lead back, by a walk from the first node.
func (l *layers) breakCycles() {
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, len(l.nodes))
	var walk func(int)
	walk = func(n int) {
		state[n] = open
		for _, e := range l.edges {
			if e.from != n {
				continue
			}
			switch state[e.to] {
			case open:
				e.back = true
			case unseen:
				walk(e.to)
			}
		}
		state[n] = done
	}
	for n := range l.nodes {
		if state[n] == unseen {
			walk(n)
		}
	}
}

// ends are an edge's nodes, the upper one first.
func (e *layerEdge) ends() (upper, lower int) {
	if e.back {
		return e.to, e.from
	}
	return e.from, e.to
}

// rank gives each node the row below all that lead to it.
func (l *layers) rank() {
	for range l.nodes { // the longest way has no more steps than there are nodes
		for _, e := range l.edges {
			upper, lower := e.ends()
			l.nodes[lower].row = max(l.nodes[lower].row, l.nodes[upper].row+1)
		}
	}
	last := 0
	for _, n := range l.nodes {
		last = max(last, n.row)
	}
	l.rows = make([][]*layerNode, last+1)
	for _, n := range l.nodes {
		l.rows[n.row] = append(l.rows[n.row], n)
	}
}

// bend gives each edge its way through the rows between its ends.
func (l *layers) bend() {
	for _, e := range l.edges {
		upper, lower := e.ends()
		e.path = []*layerNode{l.nodes[upper]}
		for row := l.nodes[upper].row + 1; row < l.nodes[lower].row; row++ {
			bend := &layerNode{row: row, width: bendWidth}
			l.rows[row] = append(l.rows[row], bend)
			e.path = append(e.path, bend)
		}
		e.path = append(e.path, l.nodes[lower])
		for i := range e.path[1:] {
			e.path[i].down = append(e.path[i].down, e.path[i+1])
			e.path[i+1].up = append(e.path[i+1].up, e.path[i])
		}
	}
}

// order puts each row into the order of its neighbours' middles, down and up in turns, and keeps
// the one with the fewest crossings.
func (l *layers) order() {
	best, fewest := l.copyRows(), l.crossings()
	for i := range sweeps {
		at := map[*layerNode]float64{}
		for _, row := range l.rows {
			for place, n := range row {
				at[n] = float64(place)
			}
		}
		for r := range l.rows {
			row, beside := l.rows[r], func(n *layerNode) []*layerNode { return n.up }
			if i%2 == 1 {
				row, beside = l.rows[len(l.rows)-1-r], func(n *layerNode) []*layerNode { return n.down }
			}
			means := map[*layerNode]float64{}
			for _, n := range row {
				means[n] = at[n]
				if others := beside(n); len(others) > 0 {
					sum := 0.0
					for _, o := range others {
						sum += at[o]
					}
					means[n] = sum / float64(len(others))
				}
			}
			slices.SortStableFunc(row, func(a, b *layerNode) int { return cmp.Compare(means[a], means[b]) })
			for place, n := range row {
				at[n] = float64(place)
			}
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.copyRows(), n
		}
	}
	l.rows = best
}

func (l *layers) copyRows() (rows [][]*layerNode) {
	for _, row := range l.rows {
		rows = append(rows, slices.Clone(row))
	}
	return rows
}

// crossings counts the pairs of lines between two rows that cross.
func (l *layers) crossings() (n int) {
	for r := range l.rows[1:] {
		place := map[*layerNode]int{}
		for i, node := range l.rows[r+1] {
			place[node] = i
		}
		var ends []int // of the lines, by where they begin
		for _, node := range l.rows[r] {
			var of []int
			for _, d := range node.down {
				of = append(of, place[d])
			}
			slices.Sort(of)
			ends = append(ends, of...)
		}
		for i, a := range ends {
			for _, b := range ends[i+1:] {
				if a > b {
					n++
				}
			}
		}
	}
	return n
}

// place pulls the nodes to the middle of their neighbours, as far as their rows let them. Lines
// between bends pull harder than others: long edges are straight.
func (l *layers) place() {
	for _, row := range l.rows {
		spread(row, func(*layerNode) float64 { return 0 })
	}
	for i := range 4 * sweeps {
		for r := range l.rows {
			row := l.rows[r]
			if i%2 == 1 {
				row = l.rows[len(l.rows)-1-r]
			}
			spread(row, middleOfNeighbours)
		}
	}
	left := 0.0
	for _, row := range l.rows {
		left = min(left, row[0].x-row[0].width/2)
	}
	for _, row := range l.rows {
		for _, n := range row {
			n.x -= left
		}
	}
}

func middleOfNeighbours(n *layerNode) float64 {
	sum, weights := 0.0, 0.0
	for _, o := range slices.Concat(n.up, n.down) {
		weight := 1.0
		if n.width == bendWidth && o.width == bendWidth {
			weight = 6
		}
		sum, weights = sum+weight*o.x, weights+weight
	}
	if weights == 0 {
		return n.x
	}
	return sum / weights
}

// spread puts the nodes of a row where they want to be, in their order and with room between them.
// Where that can't be, each gives way to both sides alike.
func spread(row []*layerNode, want func(*layerNode) float64) {
	wanted := make([]float64, len(row))
	for i, n := range row {
		wanted[i] = want(n)
	}
	apart := func(i int) float64 { return (row[i-1].width+row[i].width)/2 + layerGap }
	right, left := slices.Clone(wanted), slices.Clone(wanted)
	for i := 1; i < len(row); i++ {
		right[i] = max(right[i], right[i-1]+apart(i))
	}
	for i := len(row) - 1; i > 0; i-- {
		left[i-1] = min(left[i-1], left[i]-apart(i))
	}
	for i, n := range row {
		n.x = (right[i] + left[i]) / 2
	}
}

// width is that of the whole drawing.
func (l *layers) width() (w float64) {
	for _, row := range l.rows {
		last := row[len(row)-1]
		w = max(w, last.x+last.width/2)
	}
	return w
}
