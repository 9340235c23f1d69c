package analytics

import (
	"slices"
	"time"
)

// What orders are counted as, for those who watch the shop (docs/metrics.md).
const (
	MetricPlaced    = "OrdersPlaced"
	MetricConfirmed = "OrdersConfirmed"
	MetricCancelled = "OrdersCancelled" // also by Reason
	MetricDecided   = "SagaDurationSeconds"
)

// News hears what has become of orders, in metrics.
type News struct {
	// Count adds one to a metric: to that of all reasons, with "", and to that of one.
	Count func(metric, reason string)
	// Took adds a duration to MetricDecided.
	Took func(metric string, d time.Duration)
}

// news is that an order was placed, confirmed or cancelled.
type news struct {
	metric string
	reason string // of MetricCancelled: the kind of it, of which the contract names all
	// took is the time from placed to confirmed, or to cancelled of an order that was never
	// confirmed. decided says that it is known.
	took    time.Duration
	decided bool
}

func (n News) tell(all []news) {
	if n.Count == nil {
		return
	}
	for _, one := range all {
		n.Count(one.metric, "")
		if one.reason != "" {
			n.Count(one.metric, one.reason)
		}
		if one.decided {
			n.Took(MetricDecided, one.took)
		}
	}
}

// news are what is new of an order. A batch that has a replayed event of it brings none.
func (p pending) news(before, next Order) (all []news) {
	if slices.ContainsFunc(p.facts, func(f fact) bool { return f.replayed }) {
		return nil
	}
	if before.Placed == nil && next.Placed != nil {
		all = append(all, news{metric: MetricPlaced})
	}
	if before.Confirmed == nil && next.Confirmed != nil {
		n := news{metric: MetricConfirmed}
		n.took, n.decided = next.took(next.Confirmed.Time)
		all = append(all, n)
	}
	if before.Cancelled == nil && next.Cancelled != nil {
		n := news{metric: MetricCancelled, reason: next.Cancelled.Kind}
		if next.Confirmed == nil {
			n.took, n.decided = next.took(next.Cancelled.Time)
		}
		all = append(all, n)
	}
	return all
}

// took is how long after its placing something happened to the order, by the events' own times. It
// is not known of an order whose placing comes later, nor where clocks say that it took less than
// nothing.
func (o Order) took(until time.Time) (d time.Duration, known bool) {
	if o.Placed == nil || until.Before(o.Placed.Time) {
		return 0, false
	}
	return until.Sub(o.Placed.Time), true
}
