// Package verify compares a view that serves with a replay of the store, row by row and tally by
// tally, while both go on changing.
//
// A row is compared at its own version, so that one which is a moment behind is no difference: it
// is looked at again until patience ends. A tally is compared with the sum over the replayed rows;
// where they differ, again at a moment at which neither has moved.
package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/read/view"
)

const (
	// again is the wait between two looks at what did not agree.
	again = 500 * time.Millisecond
	// workers is how many rows of a segment are compared side by side.
	workers = 8
)

// ErrSwitched says that the generation that was looked at does not serve any more, so that what was
// found of it says nothing.
var ErrSwitched = errors.New("the view was rebuilt meanwhile; verify again")

// Kind is what was found of a row or tally.
type Kind string

// The kinds of findings.
const (
	Different  Kind = "different"  // a row is not what its stream's events come to
	Stray      Kind = "stray"      // a row of a stream that there is not
	Miscounted Kind = "miscounted" // a tally is not the sum over its rows
	Behind     Kind = "behind"     // a row has not come to its stream's end, or is missing
	Unreadable Kind = "unreadable" // a stream, or an item of the store, can't be read
)

// Finding is something that is not as it should be.
type Finding struct {
	Kind   Kind   `json:"kind"`
	ID     string `json:"id"`              // of the row, or whose tally
	Tally  string `json:"tally,omitempty"` // the tally's name
	Detail string `json:"detail"`
}

// Report is what a comparison came to.
type Report struct {
	View       string    `json:"view"`
	Generation int64     `json:"generation"`
	Rows       int64     `json:"rows"`     // that were compared
	Events     int64     `json:"events"`   // that were replayed
	Tallies    int64     `json:"tallies"`  // that were compared
	Findings   []Finding `json:"findings"` // never nil; by kind and id
}

// Store is what a comparison reads.
type Store interface {
	es.Store
	es.Scanner
}

// Verify compares a view. All but Parallel and Progress are needed.
type Verify struct {
	View     view.View
	Store    Store
	Registry *es.Registry
	Table    view.Table
	Clock    clock.Clock
	Segments int           // of the scans, at least 1
	Parallel int           // segments at once, 0 for all; 1 does one thing at a time
	Patience time.Duration // how long what does not agree is looked at again
	Progress func(commits int64)
}

type tallyKey struct{ name, id string }

// sum is what the replayed rows add to a tally.
type sum struct {
	counters map[string]int64
	rows     view.Key // where its rows are listed; zero where none is known
}

// run is a comparison under way.
type run struct {
	Verify
	generation view.Generation

	mu      sync.Mutex
	report  Report
	commits int64
	seen    map[string]bool
	behind  map[string]bool
	sums    map[tallyKey]*sum
}

// Run compares. The error is an ErrSwitched, or what store or table say; what does not agree is in
// the report.
func (v Verify) Run(ctx context.Context) (Report, error) {
	if v.Segments < 1 {
		return Report{}, fmt.Errorf("verify: %d segments; there is 1 at least", v.Segments)
	}
	control, err := v.Table.Control(ctx, v.View.Name())
	if err != nil {
		return Report{}, err
	}
	u := &run{
		Verify: v, generation: control.ServingGeneration(), seen: map[string]bool{}, behind: map[string]bool{},
		sums:   map[tallyKey]*sum{},
		report: Report{View: v.View.Name(), Generation: control.ServingGeneration().Number, Findings: []Finding{}},
	}
	if err := u.segments(ctx, u.replay); err != nil {
		return u.report, err
	}
	stored, err := u.stored(ctx)
	if err != nil {
		return u.report, err
	}
	deadline := v.Clock.Now().Add(v.Patience)
	if err := u.lookAgain(ctx, deadline); err != nil {
		return u.report, err
	}
	if err := u.tallies(ctx, stored, deadline); err != nil {
		return u.report, err
	}
	if len(u.report.Findings) > 0 {
		if control, err = v.Table.Control(ctx, v.View.Name()); err != nil {
			return u.report, err
		}
		if control.ServingGeneration() != u.generation {
			return u.report, ErrSwitched
		}
	}
	slices.SortFunc(u.report.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Tally, b.Tally), cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Detail, b.Detail),
		)
	})
	return u.report, nil
}

// segments does something with each segment.
func (u *run) segments(ctx context.Context, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	if u.Parallel > 0 {
		group.SetLimit(u.Parallel)
	}
	for n := range u.Segments {
		group.Go(func() error { return do(ctx, n) })
	}
	return group.Wait()
}

// replay compares the rows of the streams that begin in a segment.
func (u *run) replay(ctx context.Context, segment int) error {
	for page, err := range u.Store.Scan(ctx, segment, u.Segments, "") {
		if err != nil && !errors.Is(err, es.ErrCorrupt) {
			return err
		}
		if err != nil {
			u.find(Finding{Kind: Unreadable, Detail: err.Error()})
		}
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(workers)
		if u.Parallel == 1 {
			group.SetLimit(1)
		}
		for _, c := range page.Commits {
			if c.Stream.Category() == u.View.Category() && c.First == 1 {
				group.Go(func() error { return u.row(groupCtx, c.Stream.ID()) })
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
		u.mu.Lock()
		u.commits += int64(len(page.Commits))
		if u.Progress != nil {
			u.Progress(u.commits)
		}
		u.mu.Unlock()
	}
	return ctx.Err()
}

func (u *run) find(f Finding) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.report.Findings = append(u.report.Findings, f)
}

// replayed is a row as it is kept, and as it should be.
type replayed struct {
	stored, want view.Item
	end          int64 // version of the stream's last event
	tallies      []view.Tally
	unreadable   error // the row's
}

// fold reads a row, and replays its stream up to the row's version.
func (u *run) fold(ctx context.Context, id string) (replayed, error) {
	stored, err := u.Table.Row(ctx, u.generation, id)
	r := replayed{stored: stored}
	if err != nil {
		if !errors.Is(err, es.ErrCorrupt) {
			return r, err
		}
		r.unreadable = err
	}
	history, err := u.Store.Load(ctx, u.View.Stream(id), 0)
	if err != nil {
		return r, err
	}
	r.end = history.Head.Version()
	if r.want, err = u.View.Fold(view.Item{ID: id}, history.Events[:min(stored.Sequence, r.end)]); err != nil {
		return r, err
	}
	r.tallies, err = u.View.Tallies(r.want)
	return r, err
}

// row compares a row and adds what it counts.
func (u *run) row(ctx context.Context, id string) error {
	r, err := u.fold(ctx, id)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen[id] = true
	if err != nil {
		if !poison.Is(err) {
			return err
		}
		u.report.Findings = append(u.report.Findings, Finding{Kind: Unreadable, ID: id, Detail: err.Error()})
		return nil
	}
	u.report.Rows++
	u.report.Events += r.want.Sequence
	for _, t := range r.tallies {
		u.add(tallyKey{t.Name, t.ID}, t)
	}
	switch {
	case r.stored.Sequence == 0 && r.end == 0:
		u.report.Findings = append(u.report.Findings, Finding{Kind: Stray, ID: id, Detail: "there is no such stream"})
	case r.different() != "":
		u.report.Findings = append(u.report.Findings, Finding{Kind: Different, ID: id, Detail: r.different()})
	case r.stored.Sequence < r.end:
		u.behind[id] = true
	}
	return nil
}

func (u *run) add(key tallyKey, t view.Tally) {
	s := u.sums[key]
	if s == nil {
		s = &sum{counters: map[string]int64{}}
		u.sums[key] = s
	}
	s.rows = t.Rows
	for name, n := range t.Counters {
		s.counters[name] += n
	}
}

// different says in what a row differs from the replay, "" where it does not.
func (r replayed) different() string {
	switch {
	case r.unreadable != nil:
		return r.unreadable.Error()
	case r.stored.Sequence > r.end:
		return fmt.Sprintf("the row is at version %d, and the stream ends at %d", r.stored.Sequence, r.end)
	}
	var parts []string
	if string(r.stored.Data) != string(r.want.Data) {
		parts = append(parts, fields(r.stored.Data, r.want.Data))
	}
	if stored, want := byIndex(r.stored.Keys), byIndex(r.want.Keys); !slices.Equal(stored, want) {
		parts = append(parts, fmt.Sprintf("it is in the lists %v, and by the replay in %v", stored, want))
	}
	return strings.Join(parts, "; ")
}

func byIndex(keys []view.Key) []view.Key {
	return slices.SortedFunc(slices.Values(keys), func(a, b view.Key) int { return cmp.Compare(a.Index, b.Index) })
}

// fields names the members in which two JSON objects differ.
func fields(stored, want json.RawMessage) string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(stored, &a) != nil || json.Unmarshal(want, &b) != nil {
		return fmt.Sprintf("stored is %s, and the replay gives %s", stored, want)
	}
	var parts []string
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if string(a[name]) != string(b[name]) {
			parts = append(
				parts, fmt.Sprintf("%s is %s, and by the replay %s", name, orNothing(a[name]), orNothing(b[name])),
			)
		}
	}
	if len(parts) == 0 {
		return "the row is written in another way than the replay writes it"
	}
	return strings.Join(parts, ", ")
}

func orNothing(value json.RawMessage) string {
	if value == nil {
		return "missing"
	}
	return string(value)
}

// stored reads all that is kept of the generation: rows that no scanned stream has brought are
// compared, and the tallies returned.
func (u *run) stored(ctx context.Context) (map[tallyKey]map[string]int64, error) {
	stored := map[tallyKey]map[string]int64{}
	err := u.segments(ctx, func(ctx context.Context, segment int) error {
		for entries, err := range u.Table.Entries(ctx, u.View.Name(), segment, u.Segments) {
			if err != nil {
				return err
			}
			for _, e := range entries {
				if e.Generation != u.generation {
					continue
				}
				u.mu.Lock()
				if e.Kind == view.KindTally {
					stored[tallyKey{e.Name, e.ID}] = e.Counters
				}
				unseen := e.Kind == view.KindRow && !u.seen[e.ID]
				u.mu.Unlock()
				if unseen {
					if err := u.stray(ctx, e.ID); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	return stored, err
}

// stray compares a row of which no stream was scanned: its stream may be younger than the scan.
func (u *run) stray(ctx context.Context, id string) error {
	history, err := u.Store.Load(ctx, u.View.Stream(id), 0)
	if err == nil && history.Head.Version() == 0 {
		u.find(Finding{Kind: Stray, ID: id, Detail: "there is no such stream"})
		return nil
	}
	return u.row(ctx, id)
}

// lookAgain waits for the rows that were behind. One that still is when patience ends is found.
func (u *run) lookAgain(ctx context.Context, deadline time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(u.behind)) {
		for {
			r, err := u.fold(ctx, id)
			if poison.Is(err) {
				u.find(Finding{Kind: Unreadable, ID: id, Detail: err.Error()})
				break
			}
			if err != nil {
				return err
			}
			if different := r.different(); different != "" {
				u.find(Finding{Kind: Different, ID: id, Detail: different})
				break
			}
			if r.stored.Sequence == r.end {
				break
			}
			if !u.Clock.Now().Before(deadline) {
				detail := fmt.Sprintf(
					"the row is at version %d, %d events before the stream's end", r.stored.Sequence,
					r.end-r.stored.Sequence,
				)
				if r.stored.Sequence == 0 {
					detail = fmt.Sprintf("there is no row, and %d events in the stream", r.end)
				}
				u.find(Finding{Kind: Behind, ID: id, Detail: detail})
				break
			}
			if err := u.Clock.Sleep(ctx, again); err != nil {
				return err
			}
		}
	}
	return nil
}

// tallies compares what is kept with the sums, and looks again at what differs.
func (u *run) tallies(ctx context.Context, stored map[tallyKey]map[string]int64, deadline time.Time) error {
	all := maps.Clone(stored)
	for key := range u.sums {
		if _, ok := all[key]; !ok {
			all[key] = nil
		}
	}
	u.report.Tallies = int64(len(all))
	for _, key := range slices.SortedFunc(
		maps.Keys(all), func(a, b tallyKey) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id)) },
	) {
		want := u.sums[key]
		if want == nil {
			want = &sum{}
		}
		if same(all[key], want.counters) {
			continue
		}
		if err := u.tally(ctx, key, want.rows, deadline); err != nil {
			return err
		}
	}
	return nil
}

// tally compares a tally with its rows at a moment at which neither moves: its revision is the same
// before and after they were read. The list of its rows follows them within a moment, so that a
// difference counts only when it stays.
func (u *run) tally(ctx context.Context, key tallyKey, rows view.Key, deadline time.Time) error {
	for {
		before, revision, err := u.Table.Tally(ctx, u.generation, key.name, key.id)
		if err != nil {
			return err
		}
		if rows == (view.Key{}) {
			if rows, err = u.listOf(ctx, key); err != nil {
				return err
			}
		}
		want, err := u.sum(ctx, key, rows)
		if poison.Is(err) {
			u.find(Finding{Kind: Unreadable, Tally: key.name, ID: key.id, Detail: err.Error()})
			return nil
		}
		if err != nil {
			return err
		}
		_, now, err := u.Table.Tally(ctx, u.generation, key.name, key.id)
		if err != nil {
			return err
		}
		if now == revision && same(before, want) {
			return nil
		}
		if !u.Clock.Now().Before(deadline) {
			if now != revision {
				u.find(Finding{
					Kind: Behind, Tally: key.name, ID: key.id,
					Detail: "it did not stand still long enough to be compared",
				})
			} else {
				u.find(Finding{Kind: Miscounted, Tally: key.name, ID: key.id, Detail: miscounted(before, want)})
			}
			return nil
		}
		if err := u.Clock.Sleep(ctx, again); err != nil {
			return err
		}
	}
}

// listOf finds the list that has a tally's rows, where no row that was compared adds to it: one may
// have come since. The zero Key where there is none.
func (u *run) listOf(ctx context.Context, key tallyKey) (rows view.Key, err error) {
	err = u.segments(ctx, func(ctx context.Context, segment int) error {
		for entries, err := range u.Table.Entries(ctx, u.View.Name(), segment, u.Segments) {
			if err != nil {
				return err
			}
			for _, e := range entries {
				if e.Generation != u.generation || e.Kind != view.KindRow {
					continue
				}
				tallies, err := u.View.Tallies(e.Row)
				if err != nil {
					continue // the row itself is found
				}
				for _, t := range tallies {
					if t.Name == key.name && t.ID == key.id {
						u.mu.Lock()
						rows = t.Rows
						u.mu.Unlock()
					}
				}
			}
		}
		return nil
	})
	return rows, err
}

// sum replays the rows that a list has, and adds up what they add to the tally.
func (u *run) sum(ctx context.Context, key tallyKey, rows view.Key) (map[string]int64, error) {
	total := map[string]int64{}
	if rows == (view.Key{}) {
		return total, nil
	}
	for member, err := range u.Table.List(ctx, u.generation, view.Query{Index: rows.Index, Partition: rows.Partition}) {
		if err != nil {
			return nil, err
		}
		r, err := u.fold(ctx, member.ID)
		if err != nil {
			return nil, err
		}
		for _, t := range r.tallies {
			if t.Name == key.name && t.ID == key.id {
				for name, n := range t.Counters {
					total[name] += n
				}
			}
		}
	}
	return total, nil
}

// same compares counters, of which one that is missing is 0.
func same(a, b map[string]int64) bool { return reflect.DeepEqual(counting(a), counting(b)) }

func counting(counters map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for name, n := range counters {
		if n != 0 {
			out[name] = n
		}
	}
	return out
}

func miscounted(stored, want map[string]int64) string {
	var parts []string
	all := maps.Clone(counting(stored))
	maps.Copy(all, counting(want))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if stored[name] != want[name] {
			parts = append(parts, fmt.Sprintf("%s is %d, and by the replay %d", name, stored[name], want[name]))
		}
	}
	return strings.Join(parts, ", ")
}
