// Package analytics counts what happens to orders: how many are placed, confirmed and cancelled,
// what they come to, what is given back, what is sold most, how long they take and how often stock
// is short, by hour and day; and how many are placed by the minute.
//
// It knows of orders what their events on the bus say, and asks nobody. Each order has a small row
// of its own that says which of its events are counted; it is written in one transaction with the
// sums that follow from them, so that an event counts once however often, in whatever order and how
// late it comes. A batch of events is one such transaction, or a few: an hour's row is written once
// for all of them, and has what was sold in the hour as long as it is small.
package analytics

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// MaxWrites is how many orders and rows one Write takes, and one Read: the limit of DynamoDB's
// TransactWriteItems and BatchGetItem.
const MaxWrites = 100

// pace of tries at a transaction that met another one, or a table that is too busy. What contends
// are batches of the same function, a few at once.
var pace = backoff.Pace{Base: 20 * time.Millisecond, Max: time.Second, Margin: 250 * time.Millisecond, Tries: 50}

// Table keeps orders and counters.
type Table interface {
	// Read reads what is known of orders, and rows of hours, consistent with every Write that was
	// answered before. An order that is not there is left out, a row that is not there has no
	// counters. At most MaxWrites of both, each once. A table that is too busy is an
	// es.ErrUnavailable, here and in Write.
	Read(ctx context.Context, ids []string, hours []Row) (map[string]Order, map[Row]Counters, error)
	// Write puts orders in the place of those with their Revision, which goes up by one, and makes
	// the additions, all or none. It is an es.ErrConflict, and nothing is written, where an order
	// is at another revision by now or somebody else is writing. At most MaxWrites of both, each
	// order and row once.
	Write(ctx context.Context, orders []Order, additions []Addition) error
	// Hours reads the rows of the hours of a day, by when they begin, in UTC.
	Hours(ctx context.Context, day Date) (map[time.Time]Counters, error)
	// Best gives the BestRead rows of a day's SKUs with the most pieces, or all if there are fewer,
	// in no order. It follows Write within a moment.
	Best(ctx context.Context, day Date) ([]SKU, error)
	// Pieces reads rows of a day's SKUs, as many as asked for. One that is not there is left out.
	Pieces(ctx context.Context, day Date, skus []string) (map[string]int64, error)
}

// BestRead is how many SKUs' rows are read of a day to put equals into order.
const BestRead = 200

// Analyser counts the events of the bus.
type Analyser struct {
	Table    Table
	Calendar Calendar
	Clock    clock.Clock
	// News is told what has been counted, once it is: of each fact once, and of one whose writing
	// was not answered, not at all. It is not told of events that are replayed.
	News News `wiring:"optional"`
}

// pending is an order with what came in of it.
type pending struct {
	id       string
	facts    []fact
	messages []int // where each fact came from
}

// Handle counts the events in messages' bodies and says of each whether it is counted: nil for one
// that was counted before, too. What can never be counted is a contract.ErrMalformed and keeps
// nothing else from it. Any other error is one of all messages whose events were to be written
// together.
func (a Analyser) Handle(ctx context.Context, bodies [][]byte) []error {
	errs := make([]error, len(bodies))
	var open []pending
	for i, body := range bodies {
		f, err := readFact(ctx, body)
		if err != nil {
			errs[i] = err
			continue
		}
		at := slices.IndexFunc(open, func(p pending) bool { return p.id == f.order })
		if at < 0 {
			at, open = len(open), append(open, pending{id: f.order})
		}
		open[at].facts, open[at].messages = append(open[at].facts, f), append(open[at].messages, i)
	}
	tries := backoff.New(pace, a.Clock)
	for len(open) > 0 {
		n, err := a.count(ctx, open, errs)
		if (errors.Is(err, es.ErrConflict) || errors.Is(err, es.ErrUnavailable)) && tries.Again(ctx) {
			continue
		}
		if err != nil {
			for m := range messagesOf(open[:n]) {
				errs[m] = fmt.Errorf("analytics: count order events: %w", err)
			}
		}
		open = open[n:]
	}
	return errs
}

func messagesOf(orders []pending) iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, p := range orders {
			for _, m := range p.messages {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// count counts the first n orders, as many as one transaction takes. It writes into errs which
// facts don't fit what is known of the order by now.
func (a Analyser) count(ctx context.Context, open []pending, errs []error) (n int, err error) {
	open, ids, hours := a.readable(open)
	known, rows, err := a.Table.Read(ctx, ids, hours)
	if err != nil {
		return len(open), err
	}
	var orders []Order
	var told []news
	all := sum{}
	for _, p := range open {
		before := known[p.id]
		before.ID = p.id
		for _, m := range p.messages {
			errs[m] = nil // of a try before
		}
		next, added, changed := before.count(a.Calendar, p.facts, func(i int, err error) { errs[p.messages[i]] = err })
		if changed {
			added = added.spilled(rows, all)
			writes := len(orders) + 1 + len(all)
			for r := range added {
				if all[r] == nil {
					writes++
				}
			}
			if len(orders) > 0 && writes > MaxWrites {
				break
			}
			orders = append(orders, next)
			told = append(told, p.news(before, next)...)
			all.addAll(added, 1)
		}
		n++
	}
	if len(orders) == 0 {
		return n, nil
	}
	if err := a.Table.Write(ctx, orders, all.additions()); err != nil {
		return n, err
	}
	a.News.tell(told)
	return n, nil
}

// readable gives the first orders, as many as one Read takes, with what it reads: them, and the
// hours in which they were confirmed, where pieces are counted.
func (a Analyser) readable(open []pending) (taken []pending, ids []string, hours []Row) {
	for i, p := range open {
		at := slices.IndexFunc(p.facts, func(f fact) bool { return f.confirmed != nil })
		var more []Row
		if at >= 0 {
			if r := hourRow(a.Calendar, p.facts[at].confirmed.Time); !slices.Contains(hours, r) {
				more = []Row{r}
			}
		}
		if len(ids)+1+len(hours)+len(more) > MaxWrites {
			return open[:i], ids, hours
		}
		ids, hours = append(ids, p.id), append(hours, more...)
	}
	return open, ids, hours
}
