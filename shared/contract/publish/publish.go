// Package publish turns stored commits into published events.
package publish

import (
	"context"
	"fmt"

	"orderflow/shared/contract"
	"orderflow/shared/es"
	"orderflow/shared/poison"
)

// Bus takes envelopes and returns one result for each.
type Bus interface {
	Put(context.Context, []es.Envelope) []error
}

// Publisher publishes commits.
type Publisher struct {
	Registry *es.Registry
	Bus      Bus
}

// Commits publishes the events of commits, all together, and returns one result for each commit: nil once all of its events are on the bus, a poison.Err where
// an event of it can't be read, has no contract or is refused by the bus, or what may pass if the commit is tried again. Then those of its events that passed
// are published again, with the same ids. Nothing is published of a commit of which an event can't be read or mapped.
func (p Publisher) Commits(ctx context.Context, commits []es.StoredCommit) []error {
	results := make([]error, len(commits))
	var envelopes []es.Envelope
	var owners []int // the commit of each envelope
	for i, c := range commits {
		mapped, err := Envelopes(p.Registry, c)
		if err != nil {
			results[i] = poison.Mark(fmt.Errorf("publish %s@%d: %w", c.Stream, c.First, err))
			continue
		}
		for _, e := range mapped {
			envelopes, owners = append(envelopes, e), append(owners, i)
		}
	}
	if len(envelopes) == 0 {
		return results
	}
	for n, err := range p.Bus.Put(ctx, envelopes) {
		if err == nil {
			continue
		}
		// What can never pass tells more about the commit than what may.
		if owner := owners[n]; results[owner] == nil || poison.Is(err) && !poison.Is(results[owner]) {
			results[owner] = fmt.Errorf("publish %s: %w", envelopes[n].ID, err)
		}
	}
	return results
}

// Envelopes maps the events of a commit to their published forms, in each version that is published, all of them or none. What breaks its contract is not
// published either: that is one dead letter here, where the mistake is, and not one at each consumer. The errors are those of decoding, of
// contract.Versions and of contract.Check.
func Envelopes(registry *es.Registry, c es.StoredCommit) ([]es.Envelope, error) {
	events, err := registry.DecodeCommit(c, 0)
	if err != nil {
		return nil, err
	}
	out := make([]es.Envelope, 0, len(events))
	for _, r := range events {
		versions, err := contract.Versions(r)
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
