package publish

import (
	"context"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/recent"
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
	states *recent.Of[version, order.State]
}

// version is an order at a version.
type version struct {
	orderID string
	number  int64
}

// NewRecent remembers at most so many versions of orders, each of some kilobytes.
func NewRecent(orders Orders, most int) *Recent {
	return &Recent{orders: orders, states: recent.New[version, order.State](most)}
}

// AsOf implements Orders: what is remembered, though without its time, else what the orders say.
func (r *Recent) AsOf(ctx context.Context, orderID string, p es.Point) (es.Past[order.State], error) {
	if state, ok := r.states.Recall(version{orderID, p.Version}); ok {
		return es.Past[order.State]{State: state, Version: p.Version}, nil
	}
	return r.orders.AsOf(ctx, orderID, p)
}

// Remember notes what an order is at a version. What was used the longest ago makes room.
func (r *Recent) Remember(orderID string, number int64, state order.State) {
	r.states.Remember(version{orderID, number}, state)
}
