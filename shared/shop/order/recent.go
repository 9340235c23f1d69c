package order

import (
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/recent"
)

// Bounds of what a process remembers of orders. A Head that is remembered counts only as long as
// its commit is there: so it is forgotten long before somebody could have put a restored table in
// the place of this one.
const (
	mostRecent = 1_000 // some megabytes, and more than are under way at a time in one process
	recentFor  = time.Minute
)

// Recent are orders as this process left them. It is safe for concurrent use; nil remembers
// nothing.
type Recent struct{ orders *recent.Of[string, left] }

type left struct {
	es.Result[State]
	at time.Time
}

// NewRecent remembers nothing yet.
func NewRecent() *Recent { return &Recent{orders: recent.New[string, left](mostRecent)} }

func (r *Recent) recall(orderID string, now time.Time) (es.Result[State], bool) {
	if r == nil {
		return es.Result[State]{}, false
	}
	l, ok := r.orders.Recall(orderID)
	return l.Result, ok && now.Sub(l.at) < recentFor
}

func (r *Recent) remember(orderID string, res es.Result[State], now time.Time) {
	if r != nil {
		r.orders.Remember(orderID, left{res, now})
	}
}
