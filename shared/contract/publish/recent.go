package publish

import (
	"container/list"
	"context"
	"sync"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

var _ rememberer = (*Recent)(nil)

// MostRecent is how many versions of orders a function has room to remember: some megabytes, and
// more than the orders that are under way at a time in one shard of the stream.
const MostRecent = 1_000

// Recent is Orders that remembers those that were folded last, so that the next commit of an order
// costs no query. What an order was at a version never changes: nothing that is remembered can be
// out of date, whoever else publishes, and in whatever order commits come. It is safe for
// concurrent use.
type Recent struct {
	orders Orders
	most   int

	mu     sync.Mutex
	states map[version]*list.Element
	used   list.List // of remembered, the one that was used last in front
}

// version is an order at a version.
type version struct {
	orderID string
	number  int64
}

type remembered struct {
	version
	state order.State
}

// NewRecent remembers at most so many versions of orders, each of some kilobytes.
func NewRecent(orders Orders, most int) *Recent {
	return &Recent{orders: orders, most: most, states: map[version]*list.Element{}}
}

// AsOf implements Orders: what is remembered, though without its time, else what the orders say.
func (r *Recent) AsOf(ctx context.Context, orderID string, p es.Point) (es.Past[order.State], error) {
	if state, ok := r.recall(version{orderID, p.Version}); ok {
		return es.Past[order.State]{State: state, Version: p.Version}, nil
	}
	return r.orders.AsOf(ctx, orderID, p)
}

func (r *Recent) recall(v version) (order.State, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.states[v]
	if at == nil {
		return order.State{}, false
	}
	r.used.MoveToFront(at)
	return at.Value.(remembered).state, true
}

// Remember notes what an order is at a version. What was used the longest ago makes room.
func (r *Recent) Remember(orderID string, number int64, state order.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := version{orderID, number}
	if at := r.states[v]; at != nil {
		r.used.MoveToFront(at)
		return
	}
	r.states[v] = r.used.PushFront(remembered{v, state})
	if last := r.used.Back(); r.used.Len() > r.most {
		delete(r.states, r.used.Remove(last).(remembered).version)
	}
}
