package deadletter

import (
	"context"
	"time"
)

// Depth is how many entries are not closed yet.
type Depth struct {
	Returning int64 // open or being redriven: they come back by themselves
	Waiting   int64 // exhausted or held: for a person
	// Oldest is since when the oldest of all of them is open, OldestReturning of those that return;
	// zero where there is none.
	Oldest, OldestReturning time.Time
}

func (d *Depth) add(e Entry) {
	older := func(of *time.Time) {
		if of.IsZero() || e.opened().Before(*of) {
			*of = e.opened()
		}
	}
	older(&d.Oldest)
	if e.Status == StatusSpent || e.Held {
		d.Waiting++
		return
	}
	d.Returning++
	older(&d.OldestReturning)
}

// Depths are how many entries are not closed yet, in all and by their consumer.
type Depths struct {
	All        Depth
	ByConsumer map[string]Depth
	// AtLeast says that there are more entries of a status than were counted.
	AtLeast bool
}

// depthsOf counts what stands in a table, the first recorded first, so that the oldest is among it;
// of each status, at least so many.
func depthsOf(ctx context.Context, table Table, most int) (Depths, error) {
	d := Depths{ByConsumer: map[string]Depth{}}
	for _, status := range []Status{StatusOpen, StatusRedriving, StatusSpent} {
		counted := 0
		for q := (Query{Status: status, Limit: MaxPage, Oldest: true}); ; {
			page, err := table.List(ctx, q)
			if err != nil {
				return d, err
			}
			counted += len(page.Entries)
			for _, e := range page.Entries {
				d.All.add(e)
				one := d.ByConsumer[e.Consumer]
				one.add(e)
				d.ByConsumer[e.Consumer] = one
			}
			if q.After = page.Next; q.After == "" {
				break
			}
			if counted >= most {
				d.AtLeast = true
				break
			}
		}
	}
	return d, nil
}

// MaxDepth is how many entries of each status Depths counts: ten pages.
const MaxDepth = 10 * MaxPage

// Depths counts the entries that are not closed yet, up to MaxDepth of each status.
func (d Desk) Depths(ctx context.Context) (Depths, error) { return depthsOf(ctx, d.Table, MaxDepth) }
