// Package replay sends events that are stored to one consumer again.
//
// A replay reads the store page by page, in parts side by side, maps what was asked for with the
// contract that publish-events maps it with, and hands it to the consumer alone: the envelopes have
// the ids that they had, so that a consumer that takes each event once notices those that it has
// had.
//
// What becomes of a fault follows from two orders of effects: a page is sent before it is noted as
// done, and a page whose sending failed is never noted. So a replay that ends anywhere, killed too,
// goes on when it is run again, loses nothing, and sends at most the page that each part was at a
// second time.
//
// Events of one stream come in their order within a page, and in no order across pages and parts.
// Consumers tolerate any order in any case: the queue in front of them keeps none.
package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/resume"
)

// ErrUnknownType says of a type that nothing of that name is published.
var ErrUnknownType = errors.New("replay: unknown event type")

// MaxBatch is the most envelopes that are handed to a consumer at once, and so what a Pace has to
// allow at once.
const MaxBatch = 10

// maxFailures is how many failures are kept with their reasons. All are counted.
const maxFailures = 100

// Consumer takes what is replayed.
type Consumer interface {
	// Wants reports whether the consumer's rules would deliver the event, marked as a replay.
	Wants(context.Context, es.Envelope) (bool, error)
	// Send hands over up to MaxBatch envelopes and returns one result for each: nil once it is
	// accepted for good, a poison.Err where it never will be, or what may pass if the envelope is
	// sent again.
	Send(context.Context, []es.Envelope) []error
}

// Pace holds a replay back; a *rate.Limiter is one.
type Pace interface {
	WaitN(ctx context.Context, n int) error
}

// Selection says which events are meant.
type Selection struct {
	Types []string  // published types; none: all of them
	From  time.Time // of the commits that are meant, this one included; zero: from the first
	To    time.Time // of the commits that are not meant any more
	// Ahead, where it is not nil, tells the time by which a commit is dated ahead, by a clock that
	// is wrong. Such a one is meant as well: it is no younger for that.
	Ahead clock.Clock
}

// Validate names a type that there is not, with those that there are, and a window in which no time
// is.
func (s Selection) Validate() error {
	known := publishedTypes()
	for _, t := range s.Types {
		if !slices.Contains(known, t) {
			return fmt.Errorf("%w %q; published are %s", ErrUnknownType, t, strings.Join(known, ", "))
		}
	}
	if !s.From.Before(s.To) {
		return fmt.Errorf("replay: no time lies from %s to %s", s.From.Format(time.RFC3339), s.To.Format(time.RFC3339))
	}
	return nil
}

// publishedTypes lists the types of the catalogue that are published at present, by name.
func publishedTypes() []string {
	var names []string
	for _, t := range contract.Types() {
		if t.Published {
			names = append(names, t.Name)
		}
	}
	return slices.Compact(names)
}

func (s Selection) during(t time.Time) bool {
	return !t.Before(s.From) && (t.Before(s.To) || s.Ahead != nil && clock.Ahead(t, s.Ahead.Now()))
}

func (s Selection) named(eventType string) bool {
	return len(s.Types) == 0 || slices.Contains(s.Types, eventType)
}

// Counts says how far a replay has come. An event that is published in two versions is two events
// here, as it is to consumers.
type Counts struct {
	Commits  int64            `json:"commits"`  // read from the store
	Selected map[string]int64 `json:"selected"` // events that were asked for, by type
	Sent     map[string]int64 `json:"sent"`     // of those, the ones that the consumer's queue took, by type
	Unwanted map[string]int64 `json:"unwanted"` // of those, the ones that no rule of the consumer delivers, by type
	Failed   int64            `json:"failed"`   // commits and events that can't be read, mapped or sent
}

// Total adds the counts of all types up.
func Total(byType map[string]int64) (n int64) {
	for _, count := range byType {
		n += count
	}
	return n
}

func (c *Counts) add(other Counts) {
	c.Commits += other.Commits
	c.Failed += other.Failed
	for _, m := range []struct {
		into *map[string]int64
		from map[string]int64
	}{{&c.Selected, other.Selected}, {&c.Sent, other.Sent}, {&c.Unwanted, other.Unwanted}} {
		for t, n := range m.from {
			if *m.into == nil {
				*m.into = map[string]int64{}
			}
			(*m.into)[t] += n
		}
	}
}

// Failure is a commit or an event that a replay had to leave out. It would fail again.
type Failure struct {
	// "<stream>@<version>" of the event, or of the commit's first; "" where only the error says
	ID    string `json:"id,omitempty"`
	Error string `json:"error"`
}

// Replay is one replay.
type Replay struct {
	Source   Source
	Consumer Consumer
	Pace     Pace
	// State is where it stands, and Journal where that is kept. Without a Journal nothing is sent:
	// it is a count of what would be.
	State   State
	Journal Journal
	// Progress, if it is not nil, is told how far it has come after each page. Its calls don't
	// overlap.
	Progress func(Counts)

	mu sync.Mutex
}

// Run sends what is left to be sent. It returns nil once everything was sent but for what the State
// counts as failed. After any other error, run again with the State that the Journal kept.
func (r *Replay) Run(ctx context.Context) error {
	if got, want := len(r.State.Segments), r.Source.Segments(); got != want {
		return fmt.Errorf("replay: the state has %d segments, the source %d", got, want)
	}
	g, ctx := errgroup.WithContext(ctx)
	for segment, at := range slices.Clone(r.State.Segments) {
		if at.Done {
			continue
		}
		g.Go(func() error {
			for page, err := range r.Source.Pages(ctx, segment, at.Next) {
				if err != nil {
					return fmt.Errorf("replay: read segment %d: %w", segment, err)
				}
				counts, failures, err := r.page(ctx, page)
				if err != nil {
					return err
				}
				if err := r.note(segment, page.Next, counts, failures); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// page sends what the consumer wants of a page. After an error nothing of the page counts.
func (r *Replay) page(ctx context.Context, page Page) (Counts, []Failure, error) {
	counts := Counts{
		Commits: page.Commits, Selected: map[string]int64{}, Sent: map[string]int64{}, Unwanted: map[string]int64{},
	}
	failures := page.Failures
	var wanted []es.Envelope
	for _, e := range page.Envelopes {
		counts.Selected[e.Type]++
		wants, err := r.Consumer.Wants(ctx, e)
		if err != nil {
			return counts, nil, fmt.Errorf("replay: %s: %w", e.ID, err)
		}
		if !wants {
			counts.Unwanted[e.Type]++
			continue
		}
		wanted = append(wanted, e)
	}
	if r.Journal != nil {
		for batch := range slices.Chunk(wanted, MaxBatch) {
			if err := r.Pace.WaitN(ctx, len(batch)); err != nil {
				return counts, nil, fmt.Errorf("replay: %w", err)
			}
			for i, err := range r.Consumer.Send(ctx, batch) {
				switch {
				case err == nil:
					counts.Sent[batch[i].Type]++
				case poison.Is(err):
					failures = append(failures, Failure{ID: batch[i].ID, Error: err.Error()})
				default:
					return counts, nil, fmt.Errorf("replay: send %s: %w", batch[i].ID, err)
				}
			}
		}
	}
	counts.Failed = int64(len(failures))
	return counts, failures, nil
}

// note keeps that a segment has come to next.
func (r *Replay) note(segment int, next string, counts Counts, failures []Failure) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.State.Segments[segment] = resume.Segment{Next: next, Done: next == ""}
	r.State.Counts.add(counts)
	if room := maxFailures - len(r.State.Failures); room > 0 {
		r.State.Failures = append(r.State.Failures, failures[:min(room, len(failures))]...)
	}
	if r.Progress != nil {
		r.Progress(r.State.Counts)
	}
	if r.Journal == nil {
		return nil
	}
	return r.Journal.Save(r.State)
}
