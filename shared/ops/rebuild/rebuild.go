// Package rebuild makes the rows of a view anew from the store, beside the ones that serve, and
// then lets the new ones serve.
//
//	declare   the next generation in the view's control; from then on projectors write to it too
//	scan      the store in segments, side by side, fold what is read into the new generation, and
//	          store after each page how far each segment has come
//	settle    until the lists' indexes have followed
//	switch    in the control: the new generation serves, the old one drains
//	drain     for view.ReaderGrace, until no reader uses the old generation; then it is retired
//	delete    view.WriterGrace later, when no projector writes to it any more, what is left of
//	          retired generations
//
// Why the new generation is exact whatever happens meanwhile stands in package view. Each step can
// be cut off anywhere, by the process's death too, and is taken up by the next Run; until the
// switch the old generation serves as if nothing were under way. Nothing is published: only rows
// are written.
//
// # One at a time
//
// The process that builds a generation says so in the control, and that it still works, every two
// seconds. A second one watches for fifteen seconds by its own clock, so that clocks need not
// agree: where nothing moves it takes over, else it is refused. Two at work on one generation, as
// when one was only paused, do no harm to rows, for each write of a row has the condition that the
// row is where it was read; the one that was overtaken notices and stops.
package rebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/read/view"
)

const (
	beatEvery = 2 * time.Second
	// leaseFor is how long a second process watches before it takes the first for dead.
	leaseFor = 15 * time.Second
	// settleFor is how long an index may take to show a row, and settleEvery how often it is asked.
	settleFor   = time.Minute
	settleEvery = 250 * time.Millisecond
	// settleBlind is waited for where no row is known that the indexes should show.
	settleBlind = 5 * time.Second
	// together is how many streams of a page are folded and written together: some transactions, so
	// that those that add to the same tallies come into one.
	together = 250
	// MaxSegments bounds the segments: each is a goroutine with its workers, and an item.
	MaxSegments = 256
	// maxUnreadable is how many streams that can't be read an error names.
	maxUnreadable = 10
)

// What ends a rebuild before it is through.
var (
	// ErrUnderWay: another process is at it.
	ErrUnderWay = errors.New("a rebuild of this view is under way in another process")
	// ErrTaken: another process has taken over, since this one seemed dead.
	ErrTaken = errors.New("another process has taken this rebuild over")
	// ErrCancelled: somebody has given the new generation up.
	ErrCancelled = errors.New("this rebuild was cancelled")
	// ErrUnreadable: some of what was scanned can't be read, and would be missing.
	ErrUnreadable = errors.New("some commits can't be read")
)

// Store is what a rebuild reads.
type Store interface {
	es.Store
	es.Scanner
}

// Phase is what a rebuild is at.
type Phase string

// The phases.
const (
	PhaseWatch  Phase = "watching whether another process still builds"
	PhaseScan   Phase = "scanning"
	PhaseSettle Phase = "waiting for the indexes"
	PhaseDrain  Phase = "letting readers leave the old generation"
	PhaseRetire Phase = "letting projectors leave the old generation"
	PhaseDelete Phase = "deleting what is left of it"
)

// Progress says how far a rebuild is.
type Progress struct {
	Phase      Phase
	Generation int64
	Commits    int64 // of the store that were scanned, also by the processes that were cut off
	Events     int64 // of the view's category among them
	Segments   int   // of the scan
	Done       int   // segments that are through
	Deleted    int64 // items
}

// Rebuild rebuilds a view. Store, Registry, Table, Clock and Holder are needed.
type Rebuild struct {
	View     view.View
	Store    Store
	Registry *es.Registry
	Table    view.Table
	Clock    clock.Clock
	Holder   string // names this process, as no other
	Segments int    // 1 to MaxSegments; a rebuild that is taken up again keeps its own
	Parallel int    // segments at once, 0 for all; 1 does one thing at a time
	Rate     int    // events a second at most, 0 for no limit
	// AcceptUnreadable switches although some streams can't be read, so that their rows are missing
	// or behind. Without it, segments in which something could not be read are scanned anew by the
	// next Run.
	AcceptUnreadable bool
	Progress         func(Progress) // may be nil; never called by two at once
}

// Result is what a rebuild came to.
type Result struct {
	Generation int64 // that serves now
	Resumed    bool  // an earlier rebuild, which was cut off
	Finished   bool  // there was only the end of an earlier rebuild to do, which had switched
	Commits    int64
	Events     int64
	Unreadable int64 // what can't be read; see view.Position
}

// run is a rebuild under way.
type run struct {
	Rebuild
	folder view.Folder
	pacer  pacer

	mu         sync.Mutex
	control    view.Control // as this process has saved it last
	beatAt     time.Time
	progress   Progress
	unreadable []string       // the first ones
	samples    map[int]string // by segment, the last row that was begun
}

// Run rebuilds the view, or takes up where an earlier process was cut off. The error is an
// ErrUnderWay, ErrTaken, ErrCancelled or ErrUnreadable, or what the store or table say. When ctx
// ends, all is left so that the next Run goes on, at once.
func (r Rebuild) Run(ctx context.Context) (Result, error) {
	if r.Segments < 1 || r.Segments > MaxSegments {
		return Result{}, fmt.Errorf("rebuild: %d segments; there are 1 to %d", r.Segments, MaxSegments)
	}
	if r.Rate < 0 {
		return Result{}, fmt.Errorf("rebuild: a rate of %d events a second", r.Rate)
	}
	u := r.begin()
	control, err := u.Table.Control(ctx, u.View.Name())
	if err != nil {
		return Result{}, err
	}
	if control.Building == nil && len(control.Draining)+len(control.Retired) > 0 {
		return Result{Generation: control.ServingGeneration().Number, Finished: true}, u.finish(ctx)
	}
	resumed, err := u.claim(ctx)
	if err != nil {
		return Result{}, err
	}
	result, err := u.build(ctx)
	result.Resumed = resumed
	if err != nil {
		u.release(ctx)
		return result, err
	}
	return result, u.finish(ctx)
}

// Cancel cancels a rebuild of the view, whichever process runs it, and deletes the generation that
// it was building. What serves goes on serving. It reports whether there was one.
func (r Rebuild) Cancel(ctx context.Context) (cancelled bool, err error) {
	u := r.begin()
	err = u.change(ctx, func(c view.Control) (view.Control, bool, error) {
		if c.Building == nil {
			return c, false, nil
		}
		cancelled = true
		return c.Dropped(), true, nil
	})
	if err != nil {
		return cancelled, err
	}
	return cancelled, u.finish(ctx)
}

func (r Rebuild) begin() *run {
	return &run{
		Rebuild: r, folder: view.Folder{Store: r.Store, Registry: r.Registry, Rows: r.Table, Clock: r.Clock},
		pacer: pacer{clock: r.Clock, rate: r.Rate}, samples: map[int]string{},
	}
}

// change saves what f makes of the control, again where somebody else was faster. f says whether
// there is anything to save.
func (u *run) change(ctx context.Context, f func(view.Control) (view.Control, bool, error)) error {
	return es.RetryConflicts(ctx, u.Clock, func(ctx context.Context) error {
		control, err := u.Table.Control(ctx, u.View.Name())
		if err != nil {
			return err
		}
		next, changed, err := f(control)
		if err != nil || !changed {
			return err
		}
		return u.Table.Save(ctx, next)
	})
}

// claim declares the next generation, or takes over the one that is being built where its holder
// does not work any more.
func (u *run) claim(ctx context.Context) (resumed bool, err error) {
	for {
		control, err := u.Table.Control(ctx, u.View.Name())
		if err != nil {
			return false, err
		}
		if control.Building == nil {
			control = control.Begin(u.Holder, u.Segments, u.Clock.Now())
		} else {
			resumed = control.Building.Holder != u.Holder // else it is ours, and the answer was lost
			if resumed && control.Building.Holder != "" {
				if control, err = u.watch(ctx, control); err != nil {
					return false, err
				}
				if control.Building == nil {
					continue
				}
			}
			control = control.Held(u.Holder)
		}
		err = u.Table.Save(ctx, control)
		if errors.Is(err, es.ErrConflict) {
			continue
		}
		if err != nil {
			return false, err
		}
		control.Revision++
		u.control, u.beatAt = control, u.Clock.Now()
		u.progress.Generation, u.progress.Segments = control.Building.Number, control.Building.Segments
		return resumed, nil
	}
}

// watch gives the control as it stands after a while in which its holder has said nothing, or
// ErrUnderWay.
func (u *run) watch(ctx context.Context, control view.Control) (view.Control, error) {
	u.tell(func(p *Progress) { p.Phase, p.Generation = PhaseWatch, control.Building.Number })
	if err := u.Clock.Sleep(ctx, leaseFor); err != nil {
		return control, err
	}
	now, err := u.Table.Control(ctx, u.View.Name())
	if err != nil || now.Building == nil {
		return now, err
	}
	if *now.Building != *control.Building && now.Building.Holder != "" {
		return now, fmt.Errorf(
			"rebuild of %s: %w: %s, since %s", u.View.Name(), ErrUnderWay, now.Building.Holder,
			now.Building.StartedAt.Format(time.RFC3339),
		)
	}
	return now, nil
}

// beat says that this process still works, if it has not for a while, and finds out whether it may
// go on.
func (u *run) beat(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now := u.Clock.Now(); now.Sub(u.beatAt) >= 0 && now.Sub(u.beatAt) < beatEvery {
		return nil
	}
	next := u.control.Held(u.Holder)
	err := u.Table.Save(ctx, next)
	if errors.Is(err, es.ErrConflict) {
		if next, err = u.Table.Control(ctx, u.View.Name()); err == nil {
			err = u.mine(next)
		}
		next.Revision-- // it is as it was read
	}
	if err != nil {
		return err
	}
	next.Revision++
	u.control, u.beatAt = next, u.Clock.Now()
	return nil
}

// mine says why this process may not go on, if it may not.
func (u *run) mine(c view.Control) error {
	switch {
	case c.Building == nil || c.Building.Number != u.control.Building.Number:
		return fmt.Errorf("rebuild of %s: %w", u.View.Name(), ErrCancelled)
	case c.Building.Holder != u.Holder:
		return fmt.Errorf("rebuild of %s: %w: %s", u.View.Name(), ErrTaken, c.Building.Holder)
	}
	return nil
}

// release lets the next process go on at once, if there is a moment left to say so.
func (u *run) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
	defer cancel()
	_ = u.change(ctx, func(c view.Control) (view.Control, bool, error) { // who can't say so is waited for
		mine := u.mine(c) == nil
		if mine {
			c = c.Held("")
		}
		return c, mine, nil
	})
}

func (u *run) tell(f func(*Progress)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.progress)
	if u.Progress != nil {
		u.Progress(u.progress)
	}
}

// sleep waits and says meanwhile that this process still works.
func (u *run) sleep(ctx context.Context, d time.Duration) error {
	for d > 0 {
		part := min(d, beatEvery)
		if err := u.Clock.Sleep(ctx, part); err != nil {
			return err
		}
		if err := u.beat(ctx); err != nil {
			return err
		}
		d -= part
	}
	return nil
}

// build scans, settles and switches.
func (u *run) build(ctx context.Context) (Result, error) {
	g, segments := u.control.BuildingGeneration(), u.control.Building.Segments
	result := Result{Generation: u.control.ServingGeneration().Number}
	u.tell(func(p *Progress) { p.Phase = PhaseScan })
	group, groupCtx := errgroup.WithContext(ctx)
	if u.Parallel > 0 {
		group.SetLimit(u.Parallel)
	}
	positions := make([]view.Position, segments)
	for n := range segments {
		group.Go(func() (err error) {
			positions[n], err = u.segment(groupCtx, g, n)
			return err
		})
	}
	err := group.Wait()
	for _, p := range positions {
		result.Commits, result.Events, result.Unreadable = result.Commits+p.Commits, result.Events+p.Events,
			result.Unreadable+p.Unreadable
	}
	if err != nil {
		return result, err
	}
	if result.Unreadable > 0 && !u.AcceptUnreadable {
		return result, fmt.Errorf(
			"rebuild of %s: %w: %d, among them %q", u.View.Name(), ErrUnreadable, result.Unreadable, u.unreadable,
		)
	}
	u.tell(func(p *Progress) { p.Phase = PhaseSettle })
	if err := u.settle(ctx, g); err != nil {
		return result, err
	}
	err = u.change(ctx, func(c view.Control) (view.Control, bool, error) {
		if c.ServingGeneration() == g { // an earlier try's answer was lost
			return c, false, nil
		}
		if err := u.mine(c); err != nil {
			return c, false, err
		}
		return c.Switched(), true, nil
	})
	if err != nil {
		return result, err
	}
	result.Generation = g.Number
	return result, nil
}

// segment scans a segment from where it stands.
func (u *run) segment(ctx context.Context, g view.Generation, n int) (view.Position, error) {
	at, err := u.Table.Position(ctx, g, n)
	if err != nil {
		return at, err
	}
	if at.Done && at.Unreadable > 0 && !u.AcceptUnreadable {
		at = view.Position{} // who runs it again without accepting what could not be read has a reader now that can
	}
	u.tell(func(p *Progress) {
		p.Commits, p.Events, p.Done = p.Commits+at.Commits, p.Events+at.Events, p.Done+count(at.Done)
	})
	if at.Done {
		return at, nil
	}
	for page, err := range u.Store.Scan(ctx, n, u.control.Building.Segments, at.From) {
		if err != nil && !errors.Is(err, es.ErrCorrupt) {
			return at, err
		}
		if err != nil {
			at.Unreadable++
			u.note(err)
		}
		if err := u.beat(ctx); err != nil { // there may be pages and pages without a stream of the view
			return at, err
		}
		events, unreadable, err := u.page(ctx, g, n, page)
		if err != nil {
			return at, err
		}
		at.From, at.Done = page.Next, page.Next == ""
		at.Commits, at.Events, at.Unreadable = at.Commits+int64(len(page.Commits)), at.Events+events,
			at.Unreadable+unreadable
		if err := u.Table.SavePosition(ctx, g, n, at); err != nil {
			return at, err
		}
		u.tell(func(p *Progress) {
			p.Commits, p.Events, p.Done = p.Commits+int64(len(page.Commits)), p.Events+events, p.Done+count(at.Done)
		})
	}
	return at, ctx.Err()
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// page folds a page's commits of the view's category: those of a stream together, and some streams
// together.
func (u *run) page(
	ctx context.Context, g view.Generation, segment int, page es.ScanPage,
) (events, unreadable int64, err error) {
	streams := map[es.StreamID][]es.Recorded{}
	broken := map[es.StreamID]bool{}
	var order []es.StreamID
	for _, c := range page.Commits {
		if c.Stream.Category() != u.View.Category() {
			continue
		}
		events += int64(len(c.Events))
		decoded, err := u.Registry.DecodeCommit(c, 0)
		if err != nil && !broken[c.Stream] {
			broken[c.Stream], unreadable = true, unreadable+1
			u.note(fmt.Errorf("%s: %w", c.Stream, err))
		}
		if streams[c.Stream] == nil {
			order = append(order, c.Stream)
		}
		streams[c.Stream] = append(streams[c.Stream], decoded...)
	}
	var changes []view.Change
	for _, stream := range order {
		if broken[stream] {
			continue
		}
		change := view.Change{View: u.View, Generation: g, Stream: stream, Events: streams[stream]}
		if beginning(change.Events) { // there is no row most likely; one that is there costs the write that is refused
			change.Old = &view.Item{ID: stream.ID()}
		}
		changes = append(changes, change)
	}
	size := together
	if u.Rate > 0 {
		size = 1 // even work, and none ahead of its time
	}
	for part := range slices.Chunk(changes, size) {
		n, err := u.fold(ctx, segment, part)
		if unreadable += n; err != nil {
			return events, unreadable, err
		}
	}
	return events, unreadable, nil
}

// beginning reports whether the stream's first event is among events.
func beginning(events []es.Recorded) bool {
	return slices.ContainsFunc(events, func(e es.Recorded) bool { return e.Version == 1 })
}

// fold folds changes of streams that a page had, and counts those that can't be read.
func (u *run) fold(ctx context.Context, segment int, changes []view.Change) (unreadable int64, err error) {
	n := 0
	for _, c := range changes {
		n += len(c.Events)
	}
	if err := u.sleep(ctx, u.pacer.reserve(n)); err != nil {
		return 0, err
	}
	for len(changes) > 0 { // rows that add to one tally get in each other's way, and each gets through in the end
		if err := cmp.Or(ctx.Err(), u.beat(ctx)); err != nil {
			return unreadable, err
		}
		var again []view.Change
		for i, folded := range u.folder.Apply(ctx, changes...) {
			switch c := changes[i]; {
			case folded.Err == nil:
				u.sample(segment, folded)
			case errors.Is(folded.Err, es.ErrConflict):
				c.Old = nil
				again = append(again, c)
			case poison.Is(folded.Err):
				unreadable++
				u.note(fmt.Errorf("%s: %w", c.Stream, folded.Err))
			default:
				return unreadable, fmt.Errorf("rebuild %s: %w", c.Stream, folded.Err)
			}
		}
		changes = again
	}
	return unreadable, nil
}

func (u *run) note(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.unreadable) < maxUnreadable {
		u.unreadable = append(u.unreadable, err.Error())
	}
}

// sample notes a row that was begun: its entries in the indexes are new, where those of a row that
// was there before may be as they were.
func (u *run) sample(segment int, folded view.Folded) {
	if len(folded.Events) == 0 || folded.Events[0].Version > 1 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.samples[segment] = folded.Events[0].Stream.ID()
}

// settle waits until the indexes show the last row that each segment began.
func (u *run) settle(ctx context.Context, g view.Generation) error {
	if len(u.samples) == 0 {
		return u.sleep(ctx, settleBlind)
	}
	for n, id := range u.samples {
		for waited := time.Duration(0); ; waited += settleEvery {
			shown, err := u.shown(ctx, g, id)
			if err != nil {
				return err
			}
			if shown {
				break
			}
			if waited >= settleFor {
				return fmt.Errorf(
					"rebuild of %s: after %s an index does not show row %s of segment %d", u.View.Name(), settleFor, id,
					n,
				)
			}
			if err := u.sleep(ctx, settleEvery); err != nil {
				return err
			}
		}
	}
	return nil
}

// shown reports whether a row is in all its lists.
func (u *run) shown(ctx context.Context, g view.Generation, id string) (bool, error) {
	row, err := u.Table.Row(ctx, g, id)
	if err != nil {
		return false, err
	}
	for _, k := range row.Keys {
		found := false
		for member, err := range u.Table.List(
			ctx, g,
			view.Query{Index: k.Index, Partition: k.Partition, Before: k.Sort + "\x00", Descending: true, Limit: 1},
		) {
			if err != nil {
				return false, err
			}
			found = member == view.Member{ID: id, Sort: k.Sort}
			break
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// finish takes what drains and what is retired to its end.
func (u *run) finish(ctx context.Context) error {
	control, err := u.Table.Control(ctx, u.View.Name())
	if err != nil {
		return err
	}
	if draining := control.Draining; len(draining) > 0 {
		u.tell(func(p *Progress) { p.Phase = PhaseDrain })
		if err := u.Clock.Sleep(ctx, view.ReaderGrace); err != nil {
			return err
		}
		if err := u.change(ctx, func(c view.Control) (view.Control, bool, error) {
			still := slices.DeleteFunc(
				slices.Clone(draining), func(n int64) bool { return !slices.Contains(c.Draining, n) },
			)
			return c.Drained(still), len(still) > 0, nil
		}); err != nil {
			return err
		}
	}
	if control, err = u.Table.Control(ctx, u.View.Name()); err != nil || len(control.Retired) == 0 {
		return err
	}
	u.tell(func(p *Progress) { p.Phase = PhaseRetire })
	if err := u.Clock.Sleep(ctx, view.WriterGrace); err != nil {
		return err
	}
	u.tell(func(p *Progress) { p.Phase = PhaseDelete })
	if err := u.deleteDead(ctx, control); err != nil {
		return err
	}
	return u.change(ctx, func(c view.Control) (view.Control, bool, error) {
		still := slices.ContainsFunc(c.Retired, func(n int64) bool { return slices.Contains(control.Retired, n) })
		return c.Deleted(control.Retired), still, nil
	})
}

// deleteDead deletes everything of generations that are not live, those of cut-off writers long ago
// among it, and the positions of scans that are through.
func (u *run) deleteDead(ctx context.Context, control view.Control) error {
	segments := max(u.Segments, 1)
	group, ctx := errgroup.WithContext(ctx)
	if u.Parallel > 0 {
		group.SetLimit(u.Parallel)
	}
	for n := range segments {
		group.Go(func() error {
			for entries, err := range u.Table.Entries(ctx, u.View.Name(), n, segments) {
				if err != nil {
					return err
				}
				dead := slices.DeleteFunc(slices.Clone(entries), func(e view.Entry) bool {
					built := e.Generation.Number > control.Last || control.Building != nil &&
						e.Generation == control.BuildingGeneration()
					return control.IsLive(e.Generation) && (e.Kind != view.KindPosition || built)
				})
				if len(dead) == 0 {
					continue
				}
				if err := u.Table.Delete(ctx, dead); err != nil {
					return err
				}
				u.tell(func(p *Progress) { p.Deleted += int64(len(dead)) })
			}
			return nil
		})
	}
	return group.Wait()
}

// pacer spreads work over time.
type pacer struct {
	clock clock.Clock
	rate  int

	mu   sync.Mutex
	next time.Time
}

// reserve gives how long to wait before n more of what is paced.
func (p *pacer) reserve(n int) time.Duration {
	if p.rate == 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if p.next.Before(now) {
		p.next = now
	}
	wait := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return wait
}

// Status is what there is to say of a view.
type Status struct {
	Control    view.Control
	Checkpoint view.Checkpoint
	Progress   Progress // of the generation being built
}

// Statuses reads the status of each of several views.
type Statuses struct {
	Table view.Table
	Views []view.View
}

// Statuses reads them, in their order.
func (s Statuses) Statuses(ctx context.Context) ([]Status, error) {
	all := make([]Status, len(s.Views))
	for i, v := range s.Views {
		var err error
		if all[i], err = StatusOf(ctx, s.Table, v); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// StatusOf reads a view's status.
func StatusOf(ctx context.Context, table view.Table, v view.View) (Status, error) {
	var s Status
	var err error
	if s.Control, err = table.Control(ctx, v.Name()); err != nil {
		return s, err
	}
	checkpoints, err := table.Checkpoints(ctx)
	if err != nil {
		return s, err
	}
	s.Checkpoint = checkpoints[v.Name()]
	if b := s.Control.Building; b != nil {
		s.Progress = Progress{Phase: PhaseScan, Generation: b.Number, Segments: b.Segments}
		for n := range b.Segments {
			at, err := table.Position(ctx, s.Control.BuildingGeneration(), n)
			if err != nil {
				return s, fmt.Errorf("segment %s: %w", strconv.Itoa(n), err)
			}
			s.Progress.Commits, s.Progress.Events, s.Progress.Done = s.Progress.Commits+at.Commits,
				s.Progress.Events+at.Events, s.Progress.Done+count(at.Done)
		}
	}
	return s, nil
}
