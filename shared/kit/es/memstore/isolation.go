package memstore

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"runtime"
	"slices"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// item is what one append writes in one piece: a commit, or a row of an effect.
type item struct {
	stream es.StreamID
	first  int64
	rows   any // the Rows that the row is of
	row    string
}

// pending is an append of several items that is decided, and of which single reads don't see all
// yet.
type pending struct {
	left []item // that are not seen yet, in the order in which they will be
	show map[item]func()
	gone func() error // not nil once whoever sent it has gone
}

// isolation is how appends of several items become visible. The store's lock guards it.
type isolation struct {
	random    *rand.Rand // nil where they become visible at once
	meanwhile func()
	order     []int
	halted    *pending          // the one that meanwhile looks at
	looks     int               // how many reads it has withstood
	hidden    map[item]*pending // what can't be seen yet, and which append it is of
	adrift    []*pending        // whose answers were missed
}

// Option changes how a Store behaves.
type Option func(*contents)

// Clock stamps commits with the time that it tells, as a store of production does. Without it they
// keep their own.
func Clock(clk clock.Clock) Option { return func(c *contents) { c.clock = clk } }

// Staggered makes a Store show what one append writes on several streams, and by effects made with
// Rows, one item after the other, in any order. That is what DynamoDB promises no more of to single
// reads than; conditions of appends, and Confirm, see whole appends alone, and meet an ErrConflict
// while one is under way. Half of such appends are answered as if the client had missed the answer
// and sent the request again while it was under way: by an ErrConflict, with a part to be seen, so
// that whoever decides again meets what it wrote itself. The rest shows as reads go on, and at the
// latest once the append's context has ended, as it does where es.RetryConflicts returns. The same
// seed makes the same choices: a test's name.
func Staggered(seed string) Option {
	sum := sha256.Sum256([]byte(seed))
	return func(c *contents) { c.random = rand.New(rand.NewChaCha8(sum)) }
}

// Meanwhile has f called during each append of several items that comes, before the first of them
// can be seen, and after each but the last: what another client does at that moment. They become
// visible in the order given, of their places in the append: commits first, then the rows of
// effects. An order that doesn't fit the number of items is not followed. nil ends it. What f does
// is not interrupted in turn. Where f reads again and again, or writes at the same place, the
// append goes on.
func (s *Store) Meanwhile(order []int, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meanwhile, s.order = f, slices.Clone(order)
}

// visible is what single reads see of a stream: all, but for a last commit that is not there yet.
func (c *contents) visible(stream es.StreamID) []es.StoredCommit {
	commits := c.streams[stream]
	if n := len(commits) - 1; n >= 0 && c.hidden[item{stream: stream, first: commits[n].First}] != nil {
		return commits[:n]
	}
	return commits
}

// underWay lets an append that would touch an item meet the one that has written it and can't be
// seen there yet: that is a conflict, and the item can be seen the next time.
func (c *contents) underWay(touched ...item) bool {
	met := false
	for _, i := range touched {
		if p := c.hidden[i]; p != nil {
			c.next(p)
			met = true
		}
	}
	return met
}

// next shows one more item.
func (c *contents) next(p *pending) {
	if len(p.left) == 0 {
		return
	}
	shown := p.left[0]
	p.left = p.left[1:]
	delete(c.hidden, shown)
	if show := p.show[shown]; show != nil {
		show()
	}
	if len(p.left) == 0 {
		c.adrift = slices.DeleteFunc(c.adrift, func(q *pending) bool { return p == q })
	}
}

// patience is how many single reads see the same part of an append that a test looks at: whoever
// waits for the rest is not kept waiting for ever.
const patience = 8

// reading is what single reads begin with: meanwhile what is adrift goes on.
func (c *contents) reading() {
	if c.halted != nil {
		if c.looks++; c.looks%patience == 0 {
			c.next(c.halted)
		}
	}
	c.ended()
	for _, p := range slices.Clone(c.adrift) {
		if c.random.IntN(2) == 0 {
			c.next(p)
		}
	}
}

// ended shows all of what is adrift and whose senders have gone.
func (c *contents) ended() {
	for _, p := range slices.Clone(c.adrift) {
		for p.gone() != nil && len(p.left) > 0 {
			c.next(p)
		}
	}
}

// reveal makes an append visible that is carried out, and reports whether its answer is missed. It
// is called with the lock held, and gives it away meanwhile.
func (c *contents) reveal(ctx context.Context, items []item, show map[item]func()) (missed bool) {
	p := &pending{left: slices.Clone(items), show: show, gone: ctx.Err}
	meanwhile := c.meanwhile
	if meanwhile != nil {
		c.meanwhile = nil
		defer func() { c.meanwhile = meanwhile }()
	}
	if len(items) < 2 || meanwhile == nil && c.random == nil {
		for len(p.left) > 0 {
			c.next(p)
		}
		return false
	}
	for _, i := range items {
		c.hidden[i] = p
	}
	if meanwhile != nil {
		if len(c.order) == len(items) {
			for i, at := range c.order {
				p.left[i] = items[at]
			}
		}
		for len(p.left) > 0 {
			c.halted, c.looks = p, 0
			c.mu.Unlock()
			meanwhile()
			c.mu.Lock()
			c.halted = nil
			c.next(p)
		}
		return false
	}
	c.random.Shuffle(len(p.left), func(i, j int) { p.left[i], p.left[j] = p.left[j], p.left[i] })
	if c.random.IntN(2) == 0 {
		for range c.random.IntN(len(items)) {
			c.next(p)
		}
		c.adrift = append(c.adrift, p)
		return true
	}
	for len(p.left) > 0 {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		c.next(p)
	}
	return false
}
