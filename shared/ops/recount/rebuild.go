package recount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/resume"
	"orderflow/shared/shop/stock"
)

// Arguments are what a rebuild was asked for. Who asks for the same again goes on with it.
type Arguments struct {
	Deployment string   `json:"deployment"` // the stack's id
	Segments   int      `json:"segments"`
	SKUs       []string `json:"skus,omitempty"`
	DryRun     bool     `json:"dryRun,omitempty"`
}

// Name is what the rebuild's state is found by.
func (a Arguments) Name() string { return resume.Name("stock", a) }

// stateVersion is the version of State that this program writes and reads.
const stateVersion = 1

// State is how far a rebuild has come. What is in the sums is what was read up to the segments'
// positions.
type State struct {
	Version    int              `json:"version"`
	Arguments  Arguments        `json:"arguments"`
	Mark       string           `json:"mark"`
	Marked     bool             `json:"marked"` // all rows are
	Rows       int64            `json:"rows"`   // how many that were
	Segments   []resume.Segment `json:"segments"`
	Sums       sums             `json:"sums"`
	Commits    int64            `json:"commits"`
	Unreadable []string         `json:"unreadable,omitempty"`
	// Late are rows of shards that were made since all were marked, and are marked as well.
	Late []string `json:"late,omitempty"`
	// Corrections are there once all is read: what differs, by SKU.
	Corrections map[string]Difference `json:"corrections,omitempty"`
	Correcting  bool                  `json:"correcting"`
}

// Begin makes the state of a rebuild that has done nothing. mark is its own: no other has it.
func Begin(a Arguments, mark string) (State, error) {
	if a.Segments < 1 {
		return State{}, fmt.Errorf("recount: %d segments; there is 1 at least", a.Segments)
	}
	return State{
		Version: stateVersion, Arguments: a, Mark: mark, Segments: make([]resume.Segment, a.Segments), Sums: sums{},
	}, nil
}

// Fits reports whether a state that was kept is of that rebuild.
func (s State) Fits(a Arguments) bool {
	return s.Version == stateVersion && s.Arguments.Name() == a.Name() && s.Mark != "" &&
		len(s.Segments) == a.Segments &&
		s.Sums != nil
}

// Keeper keeps a state: resume.File is one.
type Keeper interface{ Save(State) error }

// ErrUnreadable says that something of the store can't be read, and may have changed counters.
var ErrUnreadable = errors.New("what changed the counters can't all be read")

// saveEvery is how often the state is kept while the store is read: what was read since is read
// again after a crash.
const saveEvery = 2 * time.Second

// Rebuild makes the counters what the events come to, while orders go on changing both.
//
// First it marks the rows, and each keeps what it was at that moment. From then on each event that
// changes a row says that it met the mark. Then it reads the store and adds up all events that
// don't say so: that is what the row should have been when it was marked, whatever has come since,
// and the difference is added to what the row is by then. So nothing is lost or counted twice, and
// no order waits; each transaction on a marked row costs a second try.
//
// Each step may be done again. Whoever gives the same command after an end of the program goes on
// with the last state that was kept.
type Rebuild struct {
	Scanner          es.Scanner
	Registry         *es.Registry // knows the events of stock
	Rows             Rows
	Clock            clock.Clock
	State            State // of Begin, or one that was kept
	Keeper           Keeper
	Parallel         int      // segments, or rows, at once; 0 for all of those and some of these
	AcceptUnreadable bool     // correct rows although their events may not all be known
	Progress         Progress // may be nil
}

// Result is what a rebuild came to.
type Result struct {
	Rows        int64        `json:"rows"`
	Commits     int64        `json:"commits"`     // that were read, of all kinds
	Corrections []Difference `json:"corrections"` // as of when the rows were marked; never nil; by SKU
	Unreadable  []string     `json:"unreadable"`  // never nil
}

// Run rebuilds. Where Arguments.DryRun is set it takes the marks off and corrects nothing; so it
// does, with an ErrUnreadable, where something can't be read. ErrMarked where another rebuild is at
// a row.
func (r Rebuild) Run(ctx context.Context) (Result, error) {
	result := Result{Corrections: []Difference{}, Unreadable: []string{}}
	if err := r.Keeper.Save(r.State); err != nil {
		return result, err
	}
	if err := r.mark(ctx); err != nil {
		return result, err
	}
	for again := true; again; {
		err := r.markLate(ctx)
		if err == nil {
			err = r.read(ctx)
		}
		if err == nil {
			again, err = r.plan(ctx)
		}
		if err == nil && !again && r.corrects() {
			again, err = r.create(ctx)
		}
		if err != nil {
			return result, err
		}
	}
	result.Commits = r.State.Commits
	result.Unreadable = append(result.Unreadable, r.State.Unreadable...)
	for _, sku := range slices.Sorted(maps.Keys(r.State.Corrections)) {
		result.Corrections = append(result.Corrections, r.State.Corrections[sku])
	}
	finish := r.correct
	if !r.corrects() {
		finish = r.unmark
	}
	rows, err := finish(ctx)
	if result.Rows = rows; err == nil && r.unreadable() {
		err = ErrUnreadable
	}
	return result, err
}

// unreadable reports whether too little could be read to correct anything.
func (r *Rebuild) unreadable() bool { return len(r.State.Unreadable) > 0 && !r.AcceptUnreadable }

// corrects reports whether what differs is corrected.
func (r *Rebuild) corrects() bool { return !r.unreadable() && !r.State.Arguments.DryRun }

// mark marks the rows, unless that is done.
func (r *Rebuild) mark(ctx context.Context) error {
	if r.State.Marked {
		return nil
	}
	rows, err := r.asked(ctx, func(ctx context.Context, row Row) error {
		return r.Rows.Mark(ctx, row.SKU, r.State.Mark)
	})
	if err != nil {
		return err
	}
	r.State.Marked, r.State.Rows = true, rows
	return r.Keeper.Save(r.State)
}

// markLate marks the rows that were made since all were marked.
func (r *Rebuild) markLate(ctx context.Context) error {
	for _, sku := range r.State.Late {
		if r.State.Correcting {
			break
		}
		if err := r.Rows.Mark(ctx, sku, r.State.Mark); err != nil {
			return err
		}
	}
	return nil
}

// read adds up what is left of the store.
func (r *Rebuild) read(ctx context.Context) error {
	var mu sync.Mutex
	saved := r.Clock.Now()
	count := counted{commits: r.State.Commits, tell: r.Progress}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cmp.Or(r.Parallel, len(r.State.Segments)))
	for n := range r.State.Segments {
		group.Go(func() error {
			at := r.State.Segments[n]
			if at.Done {
				return nil
			}
			for page, err := range r.Scanner.Scan(ctx, n, len(r.State.Segments), at.Next) {
				got, err := readPage(r.Registry, page, err)
				if err != nil {
					return err
				}
				mu.Lock()
				for _, e := range got.events {
					r.State.Sums.add(e.Data, r.State.Mark)
				}
				r.State.Unreadable = append(r.State.Unreadable, got.unreadable...)
				r.State.Commits += got.commits
				r.State.Segments[n] = resume.Segment{Next: page.Next, Done: page.Next == ""}
				if now := r.Clock.Now(); now.Sub(saved) >= saveEvery {
					err, saved = r.Keeper.Save(r.State), now
				}
				mu.Unlock()
				count.add(got.commits)
				if err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return errors.Join(err, r.Keeper.Save(r.State))
	}
	return r.Keeper.Save(r.State)
}

// plan keeps what is to be corrected, ahead of the first correction: what was marked tells it no
// more once its mark is off.
//
// again means that all is to be read once more. A SKU's own row that has no mark was made since, by
// its first count. That of a shard may have been lost, and made anew by pieces that were moved
// there: where it isn't what was read, it is marked, so that it can be told.
func (r *Rebuild) plan(ctx context.Context) (again bool, err error) {
	if r.State.Correcting {
		return false, nil
	}
	var late []string
	r.State.Corrections = map[string]Difference{}
	for sku, numbers := range r.State.Sums {
		if asked(r.State.Arguments.SKUs, sku) && numbers != (stock.Numbers{}) {
			r.State.Corrections[sku] = Difference{SKU: sku, Events: numbers, Note: noRow}
		}
	}
	marked := int64(0)
	for page, err := range r.Rows.Rows(ctx) {
		if err != nil {
			return false, err
		}
		for _, row := range page {
			should := r.State.Sums[row.SKU]
			delete(r.State.Corrections, row.SKU)
			if row.Mark != r.State.Mark {
				shard := stock.SKUOf(row.SKU) != row.SKU && asked(r.State.Arguments.SKUs, row.SKU)
				if shard && row.Mark == "" && row.Numbers != should {
					late = append(late, row.SKU)
				}
				continue
			}
			if marked++; row.Was != should {
				r.State.Corrections[row.SKU] = Difference{SKU: row.SKU, Row: row.Was, Events: should}
			}
		}
	}
	if marked != r.State.Rows {
		return false, fmt.Errorf("%w: %d of %d rows have the mark", ErrMarked, marked, r.State.Rows)
	}
	if len(late) > 0 {
		return true, r.anew(late)
	}
	r.State.Correcting = true
	return false, r.Keeper.Save(r.State)
}

// anew has all read once more, with more rows that are marked.
func (r *Rebuild) anew(late []string) error {
	r.State.Late, r.State.Rows = slices.Concat(r.State.Late, late), r.State.Rows+int64(len(late))
	r.State.Segments, r.State.Sums = make([]resume.Segment, len(r.State.Segments)), sums{}
	r.State.Commits, r.State.Unreadable, r.State.Corrections, r.State.Correcting = 0, nil, nil, false
	return r.Keeper.Save(r.State)
}

// create makes the rows that there are none of. again is as with plan: pieces that were moved may
// have made one by now.
func (r *Rebuild) create(ctx context.Context) (again bool, err error) {
	var late []string
	for sku, d := range r.State.Corrections {
		if d.Note != noRow {
			continue
		}
		err := r.Rows.Create(ctx, sku, r.State.Mark, d.Events)
		if made := errors.Is(err, ErrMarked) && stock.SKUOf(sku) != sku; made {
			late = append(late, sku)
		} else if err != nil {
			return false, err
		}
	}
	if len(late) > 0 {
		return true, r.anew(late)
	}
	return false, nil
}

// correct corrects the rows, and gives how many there are.
func (r *Rebuild) correct(ctx context.Context) (rows int64, err error) {
	return r.asked(ctx, func(ctx context.Context, row Row) error {
		d, differs := r.State.Corrections[row.SKU]
		switch {
		case row.Mark == r.State.Mark:
			return r.Rows.Correct(ctx, row.SKU, r.State.Mark, d.Events.Minus(d.Row))
		case differs && d.Note != noRow && row.Rebuilt != r.State.Mark:
			return fmt.Errorf("%w: %s", ErrMarked, row.SKU)
		}
		return nil
	})
}

// unmark takes the marks off.
func (r *Rebuild) unmark(ctx context.Context) (rows int64, err error) {
	return r.asked(ctx, func(ctx context.Context, row Row) error {
		if row.Mark != r.State.Mark {
			return nil
		}
		return r.Rows.Unmark(ctx, row.SKU)
	})
}

// asked does something with each row that was asked for, and counts them.
func (r *Rebuild) asked(ctx context.Context, do func(context.Context, Row) error) (rows int64, err error) {
	var counted atomic.Int64
	err = each(ctx, r.Rows, cmp.Or(r.Parallel, workers), func(ctx context.Context, row Row) error {
		if !asked(r.State.Arguments.SKUs, row.SKU) {
			return nil
		}
		counted.Add(1)
		return do(ctx, row)
	})
	return counted.Load(), err
}

// Cancel cancels all rebuilds: it takes their marks off, and gives how many rows had one. A rebuild
// that is still running ends with an ErrMarked, or has corrected what it was through with.
func Cancel(ctx context.Context, rows Rows) (marked int64, err error) {
	var counted atomic.Int64
	err = each(ctx, rows, workers, func(ctx context.Context, row Row) error {
		if row.Mark == "" {
			return nil
		}
		counted.Add(1)
		return rows.Unmark(ctx, row.SKU)
	})
	return counted.Load(), err
}
