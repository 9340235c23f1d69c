// Package publish turns stored commits into published events.
package publish

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/shop/order"
)

// Bus takes envelopes and returns one result for each.
type Bus interface {
	Put(context.Context, []es.Envelope) []error
}

// Orders gives orders as they were.
type Orders interface {
	AsOf(ctx context.Context, orderID string, p es.Point) (es.Past[order.State], error)
}

// rememberer is Orders that want to know what an order is at a version, as Recent does.
type rememberer interface {
	Remember(orderID string, version int64, state order.State)
}

// Publisher publishes commits.
type Publisher struct {
	Registry *es.Registry
	Orders   Orders
	Bus      Bus
	// Count adds to a metric what of the published events is counted. An event that is published
	// again is counted again.
	Count func(metric string, n int64) `wiring:"optional"`
}

// What of the published events is counted, for those who watch the shop (docs/metrics.md).
const (
	MetricDeclines  = "PaymentDeclines"
	MetricStockOuts = "StockOuts"
)

// counted is the metric that the events of a type are counted by.
var counted = map[string]string{
	"payment.declined": MetricDeclines, "stock.refused": MetricStockOuts, "stock.backordered": MetricStockOuts,
}

// fact is an event, in whatever version it is published.
type fact struct {
	subject, name string
	sequence      int64
}

// Commits publishes the events of commits, all together, and returns one result for each commit:
// nil once all of its events are on the bus, a poison.Err where an event of it can't be read, has
// no contract or is refused by the bus, or what may pass if the commit is tried again. Then those
// of its events that passed are published again, with the same ids. Nothing is published of a
// commit of which an event can't be read or mapped.
func (p Publisher) Commits(ctx context.Context, commits []es.StoredCommit) []error {
	results := make([]error, len(commits))
	var envelopes []es.Envelope
	var owners []int // the commit of each envelope
	for i, c := range commits {
		mapped, err := Envelopes(ctx, p.Registry, p.Orders, c)
		if err != nil {
			if results[i] = fmt.Errorf("publish %s@%d: %w", c.Stream, c.First, err); CanNeverPass(err) {
				results[i] = poison.Mark(results[i])
			}
			continue
		}
		for _, e := range mapped {
			envelopes, owners = append(envelopes, e), append(owners, i)
		}
	}
	if len(envelopes) == 0 {
		return results
	}
	published := map[fact]bool{}
	for n, err := range p.Bus.Put(ctx, envelopes) {
		if err == nil {
			e := envelopes[n]
			published[fact{e.Subject, e.Type, e.Sequence}] = true
			continue
		}
		// What can never pass tells more about the commit than what may.
		if owner := owners[n]; results[owner] == nil || poison.Is(err) && !poison.Is(results[owner]) {
			results[owner] = fmt.Errorf("publish %s: %w", envelopes[n].ID, err)
		}
	}
	p.count(published)
	return results
}

func (p Publisher) count(published map[fact]bool) {
	if p.Count == nil {
		return
	}
	sums := map[string]int64{}
	for f := range published {
		if metric, ok := counted[f.name]; ok {
			sums[metric]++
		}
	}
	for metric, n := range sums {
		p.Count(metric, n)
	}
}

// Envelopes makes all that is published of a commit, or nothing: its events, and behind those of an
// order the whole order as it is after them, which those events carry parts of as well. orders is
// asked only for an order that was there before the commit. The errors are those of
// es.Registry.DecodeCommit, contract.VersionsOf, contract.Check, UpdatedAt and orders; CanNeverPass
// tells them apart.
func Envelopes(ctx context.Context, registry *es.Registry, orders Orders, c es.StoredCommit) ([]es.Envelope, error) {
	events, err := registry.DecodeCommit(c, 0)
	if err != nil {
		return nil, err
	}
	if c.Stream.Category() != order.Category {
		return forms(events, order.State{})
	}
	state, err := after(ctx, orders, c, events)
	if err != nil {
		return nil, err
	}
	envelopes, err := forms(events, state)
	if err != nil {
		return nil, err
	}
	updated, err := UpdatedAt(events[len(events)-1], state)
	if err != nil {
		return nil, err
	}
	return append(envelopes, updated...), nil
}

// forms maps the events of a commit to their published forms, in each version that is published,
// all of them or none. What breaks its contract is not published either: that is one dead letter
// here, where the mistake is, and not one at each consumer. of is the order as of the commit where
// it is an order's. The errors are those of contract.VersionsOf and of contract.Check.
func forms(events []es.Recorded, of order.State) ([]es.Envelope, error) {
	out := make([]es.Envelope, 0, len(events))
	for _, r := range events {
		versions, err := contract.VersionsOf(r, of)
		if err != nil {
			return nil, err
		}
		for _, e := range versions {
			if err := contract.Check(e); err != nil {
				return nil, err
			}
		}
		out = append(out, versions...)
	}
	return out, nil
}

// UpdatedAt makes the order.updated of the commit that ends with last, where state is the order as
// of it. One that nobody has placed has none.
func UpdatedAt(last es.Recorded, state order.State) ([]es.Envelope, error) {
	if state.ID == "" {
		return nil, nil
	}
	versions, err := contract.Updated(last, state)
	for _, e := range versions {
		if err == nil {
			err = contract.Check(e)
		}
	}
	if err != nil {
		return nil, err
	}
	return versions, nil
}

// after is the order as of the commit's last event: what it was before the commit, and the commit's
// events on it.
func after(ctx context.Context, orders Orders, c es.StoredCommit, events []es.Recorded) (order.State, error) {
	state := order.Decider.Initial()
	if before := c.First - 1; before > 0 {
		past, err := orders.AsOf(ctx, c.Stream.ID(), es.Point{Version: before})
		if err == nil && past.Version != before {
			err = fmt.Errorf(
				"%w: %s ends at version %d, before its commit %q", es.ErrCorrupt, c.Stream, past.Version, c.ID,
			)
		}
		if err != nil {
			return state, err
		}
		state = past.State
	}
	state, err := es.Fold(state, order.Evolve, events)
	if recent, ok := orders.(rememberer); ok && err == nil {
		recent.Remember(c.Stream.ID(), c.Last(), state)
	}
	return state, err
}

// CanNeverPass reports whether an error of Envelopes stays, however often it is tried: what is
// stored can't be read, has no contract or breaks it.
func CanNeverPass(err error) bool {
	var unknown *es.UnknownTypeError
	return errors.Is(err, es.ErrCorrupt) || errors.Is(err, contract.ErrUnmapped) ||
		errors.Is(err, contract.ErrInvalid) || errors.As(err, &unknown)
}
