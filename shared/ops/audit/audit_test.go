package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/audit/audittest"
)

var (
	start   = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	errDown = errors.New("down")
)

const settle = 10 * time.Minute

// world is a shop's store, bus, journal and audit queue.
type world struct {
	mu      sync.Mutex
	clock   *clock.Fake
	stored  map[es.StreamID][]es.StoredCommit
	journal audittest.Memory
	earlier map[es.StreamID]audit.Position // of a release before the journal
	state   audit.State
	lease   time.Time
	queries int // of streams

	published []string        // ids of commits, as often as each was published
	never     map[string]bool // what the bus never takes
	down      map[string]bool // what fails, by commit, stream or part
	mute      map[string]bool // streams whose notes are written, and nobody hears of it
	breaks    map[string]bool // what breaks the publisher
	unread    map[string]bool // commits that the store can't read
	hangs     map[string]bool // "bus", "canary", "queue": what answers when its caller has given up
	shy       bool            // the queue keeps back what it has from who doesn't wait
	queue     []audit.Arrival
	lossy     bool // the bus loses canaries
	received  int
	metrics   map[string]int64
	latencies []time.Duration
}

func newWorld() *world {
	return &world{
		clock: clock.NewFake(start), stored: map[es.StreamID][]es.StoredCommit{},
		journal: audittest.Memory{Broken: map[es.StreamID]bool{}}, earlier: map[es.StreamID]audit.Position{},
		never: map[string]bool{}, down: map[string]bool{}, mute: map[string]bool{}, breaks: map[string]bool{},
		unread: map[string]bool{}, hangs: map[string]bool{}, metrics: map[string]int64{},
	}
}

func (w *world) auditor() audit.Auditor {
	return audit.Auditor{
		Journal: w, Earlier: w, Commits: w, Publish: w.publish, States: states{w}, Bus: w, Sample: w, Clock: w.clock,
		Settle:  settle,
		Count:   func(metric string, n int64) { w.metrics[metric] += n },
		Latency: func(_ string, d time.Duration) { w.latencies = append(w.latencies, d) },
	}
}

func id(c es.StoredCommit) string { return fmt.Sprintf("%s@%d", c.Stream, c.First) }

// store stores a commit of so many events.
func (w *world) store(stream es.StreamID, events int) es.StoredCommit {
	c := es.StoredCommit{Stream: stream, First: 1, ID: "c", Time: w.clock.Now(), Events: make([]es.Stored, events)}
	if n := len(w.stored[stream]); n > 0 {
		c.First = w.stored[stream][n-1].Last() + 1
	}
	w.stored[stream] = append(w.stored[stream], c)
	return c
}

// meets is what the two consumers do with commits: publish-events those that it gets, project-views
// all.
func (w *world) meets(t *testing.T, published bool, commits ...es.StoredCommit) {
	t.Helper()
	m := audit.Marker{Journal: w, Clock: w.clock, Failed: func(n int64) { t.Errorf("%d streams are not noted", n) }}
	if published {
		m.Published(w.publish)(t.Context(), commits)
	}
	m.Seen(func(context.Context, []es.StoredCommit) []error { return nil })(t.Context(), commits)
}

// waits until the caller of what hangs has given up.
func (w *world) waits(ctx context.Context, part string) error {
	if !w.hangs[part] {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (w *world) publish(ctx context.Context, commits []es.StoredCommit) []error {
	results := make([]error, len(commits))
	if err := w.waits(ctx, "bus"); err != nil {
		for i := range results {
			results[i] = err
		}
		return results
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.ContainsFunc(commits, func(c es.StoredCommit) bool { return w.breaks[id(c)] }) {
		panic("the publisher breaks")
	}
	for i, c := range commits {
		switch {
		case w.never[id(c)]:
			results[i] = poison.Mark(errors.New("no contract"))
		case w.down[id(c)]:
			results[i] = errDown
		default:
			w.published = append(w.published, id(c))
		}
	}
	return results
}

func (w *world) Write(ctx context.Context, note audit.Note) error {
	var failed error
	for stream := range note.Versions {
		switch {
		case w.down[string(stream)]:
			return errDown
		case w.mute[string(stream)]:
			failed = errDown
		}
	}
	return errors.Join(w.journal.Write(ctx, note), failed)
}

func (w *world) Notes(ctx context.Context, side audit.Side, hour time.Time) iter.Seq2[audit.Note, error] {
	if w.down["journal"] {
		return func(yield func(audit.Note, error) bool) { yield(audit.Note{}, errDown) }
	}
	return w.journal.Notes(ctx, side, hour)
}

func (w *world) Written(ctx context.Context, note audit.Note) (bool, error) {
	return w.journal.Written(ctx, note)
}

func (w *world) Positions(_ context.Context, streams []es.StreamID) (map[es.StreamID]audit.Position, error) {
	found := map[es.StreamID]audit.Position{}
	for _, stream := range streams {
		if w.down["earlier"] {
			return nil, errDown
		}
		if p, there := w.earlier[stream]; there {
			found[stream] = p
		}
	}
	return found, nil
}

// book is all that was noted.
func (w *world) book() *audit.Book {
	book := audit.NewBook(nil, w.clock)
	for _, note := range w.journal.All() {
		book.Add(note)
	}
	return book
}

// noted compares what is settled of a stream, and of this refused.
func (w *world) noted(t *testing.T, stream es.StreamID, settled, refused string) {
	t.Helper()
	book := w.book()
	if s, r := book.Settled(stream).String(), book.Refused(stream).String(); s != settled || r != refused {
		t.Errorf("of %s is settled %q and refused %q, want %q and %q", stream, s, r, settled, refused)
	}
}

func (w *world) Commits(_ context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.StoredCommit, error] {
	return func(yield func(es.StoredCommit, error) bool) {
		w.mu.Lock()
		w.queries++
		w.mu.Unlock()
		for _, c := range slices.Backward(w.stored[stream]) {
			if c.First > r.Through || c.Last() <= r.After {
				continue
			}
			if w.unread[id(c)] {
				yield(es.StoredCommit{}, es.ErrCorrupt)
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

type states struct{ *world }

func (w states) Take(_ context.Context, until time.Time) (audit.State, bool, error) {
	if w.clock.Now().Before(w.lease) {
		return audit.State{}, false, nil
	}
	w.lease = until
	return w.state, true, nil
}

func (w states) Keep(_ context.Context, state audit.State) error {
	if w.down["state"] {
		return errDown
	}
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	w.state, w.lease = audit.State{}, time.Time{}
	return json.Unmarshal(text, &w.state)
}

func (w *world) Put(ctx context.Context, envelopes []es.Envelope) []error {
	if err := w.waits(ctx, "canary"); err != nil {
		return []error{err}
	}
	if w.down["bus"] {
		return []error{errDown}
	}
	if !w.lossy {
		w.deliver(envelopes[0])
	}
	return make([]error, len(envelopes))
}

// deliver puts an event into the audit's queue, as the rule does, a second later.
func (w *world) deliver(e es.Envelope) {
	body, err := json.Marshal(map[string]any{"detail-type": e.Type, "source": e.Source, "detail": e})
	if err != nil {
		panic(err)
	}
	w.queue = append(w.queue, audit.Arrival{Body: body, At: e.Time.Add(time.Second), Receipt: e.ID})
}

func (w *world) Receive(ctx context.Context, wait time.Duration) ([]audit.Arrival, error) {
	if err := w.waits(ctx, "queue"); err != nil {
		return nil, err
	}
	if w.down["queue"] {
		return nil, errDown
	}
	if w.shy && wait < time.Second {
		return nil, nil
	}
	got := w.queue[min(w.received, len(w.queue)):]
	w.received += len(got)
	return got, nil
}

func (w *world) Delete(_ context.Context, arrivals []audit.Arrival) error {
	w.queue = slices.DeleteFunc(w.queue, func(a audit.Arrival) bool {
		return slices.ContainsFunc(arrivals, func(b audit.Arrival) bool { return a.Receipt == b.Receipt })
	})
	w.received = 0
	return nil
}

// audits runs an audit that has no errors.
func (w *world) audits(t *testing.T) audit.Summary {
	t.Helper()
	s, err := w.auditor().Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.received = 0
	return s
}

// wants compares what an audit found.
func wants(t *testing.T, got audit.Summary, missing, republished, unpublishable int64) {
	t.Helper()
	if got.Missing != missing || got.Republished != republished || got.Unpublishable != unpublishable {
		t.Errorf(
			"missing %d, republished %d, unpublishable %d; want %d, %d, %d", got.Missing, got.Republished,
			got.Unpublishable, missing, republished, unpublishable,
		)
	}
}

func TestAudit(t *testing.T) {
	w := newWorld()
	a := []es.StoredCommit{w.store("order/a", 1), w.store("order/a", 2), w.store("order/a", 1)}
	b := []es.StoredCommit{w.store("order/b", 1), w.store("order/b", 1)}
	w.meets(t, true, a[0], a[2]) // a[1] is lost, between others
	w.meets(t, false, a[1])
	w.meets(t, true, b[1]) // the first one is
	w.meets(t, false, b[0])
	w.meets(t, true, w.store("order/c", 1))
	w.clock.Advance(settle)
	young := w.store("order/a", 1)
	// what was decided just now may be under way, and the rest of its stream must not wait for it
	w.meets(t, false, young)
	w.published = nil

	s := w.audits(t)
	wants(t, s, 3, 3, 0)
	if !slices.Equal(slices.Sorted(slices.Values(w.published)), []string{"order/a@2", "order/b@1"}) || s.Streams != 3 ||
		s.Unfinished || s.Arrived != 1 {
		t.Errorf("published %v, summary %+v", w.published, s)
	}
	w.noted(t, "order/a", "1-4", "")
	for metric, n := range map[string]int64{
		audit.MetricMissing: 3, audit.MetricRepublished: 3, audit.MetricUnpublishable: 0, audit.MetricAbandoned: 0,
		audit.MetricStreams: 3, audit.MetricCanaryMissing: 0,
	} {
		if got, ok := w.metrics[metric]; !ok || got != n {
			t.Errorf("%s is %d, want %d", metric, got, n)
		}
	}
	wants(t, w.audits(t), 0, 0, 0)
	w.clock.Advance(settle)
	wants(t, w.audits(t), 1, 1, 0)
	wants(t, w.audits(t), 0, 0, 0)
	if got := slices.Compact(slices.Sorted(slices.Values(w.published))); len(got) != len(w.published) {
		t.Errorf("published %v", w.published)
	}
}

// A commit that a wrong clock has dated a week ahead is found like any other, once it had its time
// to settle since the other consumer met it. One that nobody dated ahead has that time from its
// date.
func TestDatedAhead(t *testing.T) {
	w := newWorld()
	const week = 7 * 24 * time.Hour
	w.clock.Advance(week)
	ahead := w.store("order/a", 2)
	w.clock.Advance(-week)
	w.meets(t, false, ahead)
	w.meets(t, false, w.store("order/b", 1))
	w.clock.Advance(settle - time.Second)
	wants(t, w.audits(t), 0, 0, 0)
	w.clock.Advance(time.Second)
	wants(t, w.audits(t), 3, 3, 0)
	wants(t, w.audits(t), 0, 0, 0)
}

// What can never be published is told once, whatever else the stream holds, and is no longer
// refused once it is published all the same.
func TestUnpublishable(t *testing.T) {
	for name, set := range map[string]func(w *world, bad es.StoredCommit){
		"no contract": func(w *world, bad es.StoredCommit) { w.never[id(bad)] = true },
		"unreadable":  func(w *world, bad es.StoredCommit) { w.unread[id(bad)] = true },
		"breaks":      func(w *world, bad es.StoredCommit) { w.breaks[id(bad)] = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			bad, good := w.store("order/a", 2), w.store("order/a", 1)
			other := w.store("order/b", 1)
			set(w, bad)
			w.meets(t, false, bad, good, other)
			w.clock.Advance(settle)
			wants(t, w.audits(t), 2, 2, 2)
			wants(t, w.audits(t), 0, 0, 0)
			w.noted(t, "order/a", "1-3", "1-2")
			clear(w.never)
			clear(w.breaks)
			w.meets(t, true, bad) // its dead letter is redriven
			w.noted(t, "order/a", "1-3", "")
		})
	}
}

// What the store can't read keeps back nothing that it can: neither what is newer nor what is
// older, nor what is between two such commits.
func TestUnreadableCommits(t *testing.T) {
	w := newWorld()
	var commits []es.StoredCommit
	for i, events := range []int{1, 2, 3, 1, 2, 1, 4, 2} {
		c := w.store("order/a", events)
		w.unread[id(c)] = slices.Contains([]int{2, 4, 5}, i) // of versions 4 to 6, and 8 to 10
		commits = append(commits, c)
	}
	w.meets(t, false, commits...)
	w.clock.Advance(settle)
	wants(t, w.audits(t), 10, 10, 6)
	if want := []string{
		"order/a@1", "order/a@2", "order/a@7", "order/a@11", "order/a@15",
	}; !slices.Equal(w.published, want) {
		t.Errorf("published %v, want %v", w.published, want)
	}
	w.noted(t, "order/a", "1-16", "4-6,8-10")
	wants(t, w.audits(t), 0, 0, 0)
	t.Run("all that is missing", func(t *testing.T) {
		w := newWorld()
		w.meets(t, true, w.store("order/a", 1))
		bad := []es.StoredCommit{w.store("order/a", 2), w.store("order/a", 1)}
		for _, c := range bad {
			w.unread[id(c)] = true
		}
		w.meets(t, false, bad...)
		w.clock.Advance(settle)
		wants(t, w.audits(t), 0, 0, 3)
		w.noted(t, "order/a", "1-4", "2-4")
	})
}

// A note that can't be read keeps back no other. Where it is one of what was seen, the audit comes
// back to it however long that takes. Where it is one of what was published, that is published
// again.
func TestUnreadableNotes(t *testing.T) {
	t.Run("seen", func(t *testing.T) {
		w := newWorld()
		for _, stream := range []es.StreamID{"order/a", "order/b", "order/c"} {
			w.meets(t, false, w.store(stream, 1))
		}
		w.journal.Broken["order/b"] = true
		w.clock.Advance(settle)
		for hour := range 4 {
			s, err := w.auditor().Audit(t.Context())
			if !errors.Is(err, audit.ErrUnreadable) || s.Errors != 1 || s.Unfinished ||
				hour == 0 && s.Republished != 2 {
				t.Errorf("%v, %+v", err, s)
			}
			w.clock.Advance(time.Hour)
		}
		clear(w.journal.Broken)
		wants(t, w.audits(t), 1, 1, 0)
	})
	t.Run("published", func(t *testing.T) {
		w := newWorld()
		a, b := w.store("order/a", 1), w.store("order/b", 1)
		write := func(kind audit.Kind, versions audit.Versions) {
			if err := w.Write(t.Context(), audit.Note{Kind: kind, At: w.clock.Now(), Versions: versions}); err != nil {
				t.Fatal(err)
			}
		}
		write(audit.Seen, audit.Versions{"order/a": {audit.Of(a)}, "order/b": {audit.Of(b)}})
		write(audit.Published, audit.Versions{"order/a": {audit.Of(a)}, "order/x": {{From: 1, Through: 1}}})
		write(audit.Published, audit.Versions{"order/b": {audit.Of(b)}})
		w.journal.Broken["order/x"] = true
		w.clock.Advance(settle)
		s, err := w.auditor().Audit(t.Context())
		if !errors.Is(err, audit.ErrUnreadable) || s.Errors != 1 || !slices.Equal(w.published, []string{"order/a@1"}) {
			t.Errorf("%v, %+v, published %v", err, s, w.published)
		}
		clear(w.journal.Broken)
		wants(t, w.audits(t), 0, 0, 0)
	})
}

// What is too old by now to be published is told once; what nobody knows of any more, or was not
// noted yet, is not.
func TestAbandoned(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name      string
		since     time.Duration // from the beginning of the journal to the loss
		off       time.Duration // from the loss to the next audit
		abandoned int64
	}{
		{"lost", day, 31 * day, 2},
		{"as old as notes get", day, 34*day + 20*time.Hour, 2},
		{"lost ahead of the journal", -3 * time.Hour, 31 * day, 0},
		{"too long ago to tell", day, 35 * day, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			if tt.since > 0 {
				w.audits(t)
				w.clock.Advance(tt.since)
			}
			w.meets(t, false, w.store("order/a", 2))
			if tt.since < 0 {
				w.clock.Advance(-tt.since)
				w.audits(t)
			}
			w.clock.Advance(tt.off)
			w.journal.Forget(w.clock.Now().Add(-audit.Keep))
			w.meets(t, true, w.store("order/a", 1))
			w.clock.Advance(settle)
			s := w.audits(t)
			wants(t, s, 0, 0, 0)
			if s.Abandoned != tt.abandoned || w.metrics[audit.MetricAbandoned] != tt.abandoned {
				t.Errorf("%+v", s)
			}
			if s := w.audits(t); s.Abandoned != 0 {
				t.Errorf("it is told again: %+v", s)
			}
		})
	}
}

// What hangs takes from the audit neither its metrics nor its state nor, where it is the canary,
// its look at the streams.
func TestWhatHangs(t *testing.T) {
	for part, want := range map[string]audit.Summary{
		"canary": {Republished: 3, Streams: 3, Errors: 1}, "queue": {Republished: 3, Streams: 3, Errors: 1},
		"bus": {Streams: 3, Errors: 3},
	} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.meets(t, false, w.store("order/a", 1), w.store("order/b", 1), w.store("order/c", 1))
				w.clock.Advance(settle)
				w.hangs[part] = true
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				s, err := w.auditor().Audit(ctx)
				if !errors.Is(err, context.DeadlineExceeded) || s.Missing != 3 || s.Republished != want.Republished ||
					s.Streams != want.Streams || s.Errors != want.Errors {
					t.Errorf("%v, %+v", err, s)
				}
				if ctx.Err() != nil || w.state.Since.IsZero() || w.metrics[audit.MetricMissing] != 3 {
					t.Errorf("%v, metrics %v, state %+v", ctx.Err(), w.metrics, w.state)
				}
				clear(w.hangs)
				if s := w.audits(t); s.Republished != 3-want.Republished || len(w.published) != 3 ||
					s.CanaryMissing != 0 {
					t.Errorf("%+v, published %v", s, w.published)
				}
			})
		})
	}
}

// What became of an event counts once, whether the note of it fails before it is written or its
// answer is lost.
func TestCountedOnce(t *testing.T) {
	for name, set := range map[string]func(w *world, c es.StoredCommit){
		"published": func(*world, es.StoredCommit) {},
		"refused":   func(w *world, c es.StoredCommit) { w.never[id(c)] = true },
		"abandoned": func(w *world, _ es.StoredCommit) {
			w.state.Since, w.state.Hour = start.Add(-time.Hour), start.Truncate(time.Hour)
			w.clock.Advance(audit.MaxAge)
		},
	} {
		for fault, fails := range map[string]func(w *world) map[string]bool{
			"not written": func(w *world) map[string]bool { return w.down },
			"answer lost": func(w *world) map[string]bool { return w.mute },
		} {
			t.Run(name+", "+fault, func(t *testing.T) {
				w := newWorld()
				c := w.store("order/a", 3)
				w.meets(t, false, c)
				w.clock.Advance(settle)
				set(w, c)
				fails(w)["order/a"] = true
				if _, err := w.auditor().Audit(t.Context()); !errors.Is(err, errDown) {
					t.Fatal(err)
				}
				clear(w.down)
				clear(w.mute)
				w.audits(t)
				w.audits(t)
				want := map[string][]int64{
					"published": {3, 3, 0, 0}, "refused": {0, 0, 3, 0}, "abandoned": {0, 0, 0, 3},
				}[name]
				got := []int64{
					w.metrics[audit.MetricMissing], w.metrics[audit.MetricRepublished],
					w.metrics[audit.MetricUnpublishable], w.metrics[audit.MetricAbandoned],
				}
				if !slices.Equal(got, want) {
					t.Errorf("missing, republished, unpublishable and abandoned are %v, want %v", got, want)
				}
			})
		}
	}
	t.Run("nobody can tell", func(t *testing.T) {
		w := newWorld()
		c := w.store("order/a", 2)
		w.never[id(c)] = true
		w.meets(t, false, c)
		w.clock.Advance(settle)
		a := w.auditor()
		a.Journal = blind{w}
		if _, err := a.Audit(t.Context()); !errors.Is(err, errDown) || w.metrics[audit.MetricUnpublishable] != 2 {
			t.Errorf("%v; %d unpublishable are told", err, w.metrics[audit.MetricUnpublishable])
		}
	})
}

// blind is a journal that nothing can be added to, and of which nobody can tell what was.
type blind struct{ *world }

func (blind) Write(context.Context, audit.Note) error { return errDown }

func (blind) Written(context.Context, audit.Note) (bool, error) { return false, errDown }

// A stream that fails holds up no other, and the audit comes back to it however long that takes.
func TestFailures(t *testing.T) {
	for name, what := range map[string]string{"publishing": "order/a@1", "noting": "order/a"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.meets(t, false, w.store("order/a", 1), w.store("order/b", 1))
			w.down[what] = true
			w.clock.Advance(settle)
			for range 5 {
				s, err := w.auditor().Audit(t.Context())
				if !errors.Is(err, errDown) || s.Errors != 1 || s.Unfinished {
					t.Errorf("%v, %+v", err, s)
				}
				w.noted(t, "order/b", "1", "")
				w.clock.Advance(time.Hour)
			}
			clear(w.down)
			if s := w.audits(t); s.Republished != 1 {
				t.Errorf("%+v", s)
			}
			w.noted(t, "order/a", "1", "")
			wants(t, w.audits(t), 0, 0, 0)
		})
	}
}

// Whatever part of the audit's surroundings is down, it says so, and does the rest.
func TestPartsThatAreDown(t *testing.T) {
	for part, republished := range map[string]int64{"journal": 0, "earlier": 0, "bus": 1, "queue": 1, "state": 1} {
		t.Run(part, func(t *testing.T) {
			w := newWorld()
			w.meets(t, false, w.store("order/a", 1))
			w.clock.Advance(settle)
			w.down[part] = true
			s, err := w.auditor().Audit(t.Context())
			if !errors.Is(err, errDown) || s.Republished != republished {
				t.Errorf("%v, %+v", err, s)
			}
			clear(w.down)
			w.clock.Advance(audit.Lease)
			w.received = 0
			if s := w.audits(t); s.Republished != 1-republished || s.CanaryMissing > 0 || len(w.queue) > 0 {
				t.Errorf("%+v, queue %d", s, len(w.queue))
			}
			w.noted(t, "order/a", "1", "")
		})
	}
}

// An audit that was off for days goes on where it stood. One that is new, or was off for longer
// than consumers remember, leaves what is older alone.
func TestTimeBetweenAudits(t *testing.T) {
	for _, tt := range []struct {
		name        string
		off         time.Duration // between an audit and the next, in the middle of which the loss is
		republished int64
	}{
		{"two days", 48 * time.Hour, 1},
		{"a month", 29 * 24 * time.Hour, 1},
		{"three months", 90 * 24 * time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.audits(t)
			w.clock.Advance(tt.off / 2)
			w.meets(t, false, w.store("order/a", 1))
			w.clock.Advance(tt.off / 2)
			wants(t, w.audits(t), tt.republished, tt.republished, 0)
		})
	}
	t.Run("the journal begins", func(t *testing.T) {
		w := newWorld()
		w.store("order/a", 2) // long before anything was noted
		w.clock.Advance(24 * time.Hour)
		lost, last := w.store("order/a", 1), w.store("order/a", 1)
		w.meets(t, false, lost)
		w.meets(t, true, last)
		w.clock.Advance(settle)
		wants(t, w.audits(t), 1, 1, 0)
		w.noted(t, "order/a", "3-4", "")
	})
}

// What one audit can't do, the next ones do.
func TestBounds(t *testing.T) {
	w := newWorld()
	var streams []es.StreamID
	for i := range audit.MaxCommits + 50 {
		stream := es.StreamID(fmt.Sprintf("order/%05d", i))
		streams = append(streams, stream)
		w.meets(t, false, w.store(stream, 1))
	}
	for range audit.MaxCommits + 50 {
		w.meets(t, false, w.store("account/long", 1))
	}
	w.clock.Advance(settle)
	s := w.audits(t)
	if !s.Unfinished || s.Republished < audit.MaxCommits || s.Republished > audit.MaxCommits+10 {
		t.Fatalf("%+v", s)
	}
	total := s.Republished
	for s.Unfinished {
		s = w.audits(t)
		total += s.Republished
	}
	if total != 2*(audit.MaxCommits+50) || len(w.published) != int(total) {
		t.Errorf("%d were published, %d times", total, len(w.published))
	}
	book := w.book()
	for _, stream := range append(streams, "account/long") {
		if !book.Settled(stream).Has(audit.Span{From: 1, Through: book.Newest(stream)}) {
			t.Errorf("of %s is settled %s", stream, book.Settled(stream))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // less than is kept back
	defer cancel()
	if s, err := w.auditor().Audit(ctx); err != nil || !s.Unfinished || s.Streams > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestOneAuditAtATime(t *testing.T) {
	w := newWorld()
	w.meets(t, false, w.store("order/a", 1))
	w.clock.Advance(settle)
	if _, taken, _ := (states{w}).Take(t.Context(), w.clock.Now().Add(audit.Lease)); !taken {
		t.Fatal("the state is taken")
	}
	if s := w.audits(t); !s.Busy || len(w.published)+len(w.queue) > 0 {
		t.Errorf("%+v", s)
	}
	w.clock.Advance(audit.Lease)
	if s := w.audits(t); s.Busy || s.Republished != 1 {
		t.Errorf("%+v", s)
	}
}

func TestCanary(t *testing.T) {
	t.Run("arrives at once", func(t *testing.T) {
		w := newWorld()
		if s := w.audits(t); s.Arrived != 1 || len(w.queue) > 0 || len(w.state.Canaries) > 0 ||
			!slices.Equal(w.latencies, []time.Duration{time.Second}) {
			t.Errorf("%+v, %v", s, w.latencies)
		}
	})
	t.Run("arrives later, once more, and altered", func(t *testing.T) {
		w := newWorld()
		w.lossy = true
		if s := w.audits(t); s.Arrived+s.CanaryMissing != 0 || len(w.state.Canaries) != 1 {
			t.Fatalf("%+v", s)
		}
		sent := w.state.Canaries[0].Envelope()
		altered := sent
		altered.Data = json.RawMessage(`{"sentAt":"2026-03-01T12:30:01Z"}`)
		w.deliver(altered)
		if s := w.audits(t); s.Arrived != 0 || len(w.state.Canaries) != 2 {
			t.Errorf("%+v", s)
		}
		w.deliver(sent)
		w.deliver(sent)
		w.queue = append(w.queue, audit.Arrival{Body: []byte("no JSON"), Receipt: "x"})
		if s := w.audits(t); s.Arrived != 1 || len(w.queue) > 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("lies in a queue that keeps it back for a moment", func(t *testing.T) {
		w := newWorld()
		w.lossy = true
		w.audits(t)
		w.deliver(w.state.Canaries[0].Envelope())
		w.shy = true
		w.clock.Advance(settle + time.Second)
		if s := w.audits(t); s.CanaryMissing != 0 || s.Arrived != 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("is lost", func(t *testing.T) {
		w := newWorld()
		w.lossy = true
		w.audits(t)
		w.lossy = false
		w.clock.Advance(settle)
		if s := w.audits(t); s.CanaryMissing != 0 || s.Arrived != 1 {
			t.Errorf("in time it is not missing: %+v", s)
		}
		w.clock.Advance(time.Second)
		if s := w.audits(t); s.CanaryMissing != 1 || w.metrics[audit.MetricCanaryMissing] != 1 {
			t.Errorf("%+v", s)
		}
		if s := w.audits(t); s.CanaryMissing != 0 {
			t.Errorf("it is told again: %+v", s)
		}
	})
	t.Run("is lost, and was sent by a clock that is ahead", func(t *testing.T) {
		w := newWorld()
		w.lossy = true
		w.clock.Advance(24 * time.Hour)
		w.audits(t)
		w.clock.Advance(settle - 24*time.Hour)
		w.lossy = false
		if s := w.audits(t); s.CanaryMissing != 1 {
			t.Errorf("%+v", s)
		}
	})
	if err := (audit.Canary{ID: "x", At: start}).Envelope().Validate(); err != nil {
		t.Error(err)
	}
}

// A commit of which neither consumer left a note is found by the next one of its stream that has
// any, with one query of the stream, once: where it was decided up to a day before.
func TestLostNotes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		later   time.Duration // the next commit
		seen    bool          // by which consumer its note is
		missing int64
	}{
		{"seen at once", time.Minute, true, 3}, {"published at once", time.Minute, false, 3},
		{"seen hours later", 22 * time.Hour, true, 3}, {"published hours later", 22 * time.Hour, false, 3},
		{"days later", 49 * time.Hour, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.audits(t)
			w.clock.Advance(3 * time.Hour)
			first := w.store("order/a", 1)
			w.meets(t, true, first)
			w.store("order/a", 1) // no trace of these
			w.store("order/a", 2)
			w.clock.Advance(tt.later)
			last := w.store("order/a", 1)
			m := audit.Marker{Journal: w, Clock: w.clock}
			if tt.seen {
				m.Seen(func(context.Context, []es.StoredCommit) []error { return nil })(
					t.Context(), []es.StoredCommit{last},
				)
			} else {
				m.Published(w.publish)(t.Context(), []es.StoredCommit{last})
			}
			w.clock.Advance(settle)
			missing := tt.missing
			if tt.seen {
				missing++ // the last one is
			}
			wants(t, w.audits(t), missing, missing, 0)
			wants(t, w.audits(t), 0, 0, 0)
		})
	}
}

// One that the bus doesn't take is looked for again, however long that takes.
func TestLostNotesOfWhatFails(t *testing.T) {
	w := newWorld()
	w.audits(t)
	w.clock.Advance(3 * time.Hour)
	first, lost := w.store("order/a", 1), w.store("order/a", 1)
	w.meets(t, true, first, w.store("order/a", 1))
	w.down[id(lost)] = true
	w.clock.Advance(settle)
	for range 8 {
		if s, err := w.auditor().Audit(t.Context()); !errors.Is(err, errDown) || s.Errors != 1 {
			t.Errorf("%v, %+v", err, s)
		}
		w.clock.Advance(time.Hour)
	}
	clear(w.down)
	wants(t, w.audits(t), 1, 1, 0)
	wants(t, w.audits(t), 0, 0, 0)
}

// A quiet stream's commit costs the audit no more than one or two queries, though the stream's
// earlier ones were noted long ago, and each of twelve audits comes by.
func TestLooksOnce(t *testing.T) {
	w := newWorld()
	w.audits(t)
	w.clock.Advance(time.Hour)
	w.meets(t, true, w.store("order/a", 1))
	w.clock.Advance(72 * time.Hour)
	w.audits(t)
	w.meets(t, true, w.store("order/a", 1))
	w.queries = 0
	for range 12 {
		w.clock.Advance(15 * time.Minute)
		wants(t, w.audits(t), 0, 0, 0)
	}
	if w.queries < 1 || w.queries > 2 {
		t.Errorf("the stream is read %d times", w.queries)
	}
	// and where all follows on another, nothing
	w.queries = 0
	w.meets(t, true, w.store("order/b", 1), w.store("order/b", 1), w.store("order/a", 1))
	w.clock.Advance(15 * time.Minute)
	if wants(t, w.audits(t), 0, 0, 0); w.queries > 0 {
		t.Errorf("streams are read %d times", w.queries)
	}
}

// What a batch's notes say counts whenever they come: a commit that was met days after it was
// published, or published hours after it was met, is not missing.
func TestLateNotes(t *testing.T) {
	const day = 24 * time.Hour
	for name, off := range map[string]time.Duration{"hours": 5 * time.Hour, "days": 20 * day, "weeks": 36 * day} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", published first: ", first), func(t *testing.T) {
				w := newWorld()
				w.audits(t)
				w.clock.Advance(3 * time.Hour)
				c := w.store("order/a", 2)
				m := audit.Marker{Journal: w, Clock: w.clock}
				done := func(context.Context, []es.StoredCommit) []error { return nil }
				both := []audit.Handle{m.Published(done), m.Seen(done)}
				if !first {
					slices.Reverse(both)
				}
				both[0](t.Context(), []es.StoredCommit{c})
				w.clock.Advance(off)
				w.journal.Forget(w.clock.Now().Add(-audit.Keep))
				if first {
					w.audits(t)
				}
				both[1](t.Context(), []es.StoredCommit{c}) // its dead letter is redriven
				w.clock.Advance(settle)
				if s := w.audits(t); s.Missing+s.Abandoned > 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// meanwhile is a journal into which publish-events writes while an audit reads it.
type meanwhile struct {
	*world
	note audit.Note
}

func (m meanwhile) Notes(ctx context.Context, side audit.Side, hour time.Time) iter.Seq2[audit.Note, error] {
	if side == audit.InViews && hour.Equal(m.note.At.Truncate(time.Hour)) {
		if err := m.Write(ctx, m.note); err != nil {
			panic(err)
		}
	}
	return m.world.Notes(ctx, side, hour)
}

// What is published while the audit is under way is not missing.
func TestPublishedMeanwhile(t *testing.T) {
	w := newWorld()
	c := w.store("order/a", 1)
	w.meets(t, false, c)
	w.clock.Advance(settle)
	a := w.auditor()
	a.Journal = meanwhile{w, audit.Note{
		Kind: audit.Published, At: w.clock.Now(), Versions: audit.Versions{c.Stream: {audit.Of(c)}},
	}}
	s, err := a.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wants(t, s, 0, 0, 0)
}

// What a release before the journal has published is not missing, though its journal says nothing
// of it; what it has not is.
func TestUpgrade(t *testing.T) {
	w := newWorld()
	w.audits(t)
	w.clock.Advance(3 * time.Hour)
	for _, stream := range []es.StreamID{"order/a", "order/b", "order/c"} {
		w.store(stream, 2)
		w.store(stream, 1)
	}
	w.earlier["order/a"] = audit.Position{Settled: audit.Spans{{From: 1, Through: 3}}, Seen: 3}
	w.earlier["order/b"] = audit.Position{
		Settled: audit.Spans{{From: 1, Through: 2}}, Refused: audit.Spans{{From: 1, Through: 2}}, Seen: 2,
	}
	w.clock.Advance(time.Minute)
	for _, stream := range []es.StreamID{"order/a", "order/b"} {
		w.meets(t, true, w.store(stream, 1))
	}
	w.meets(t, false, w.stored["order/a"][1]) // the new release meets it, the earlier one has published it
	w.clock.Advance(settle)
	w.published = nil
	wants(t, w.audits(t), 1, 1, 0)
	if !slices.Equal(w.published, []string{"order/b@3"}) {
		t.Errorf("published %v", w.published)
	}
	wants(t, w.audits(t), 0, 0, 0)

	w.earlier["order/c"] = audit.Position{Err: audit.ErrUnreadable} // nobody can tell
	w.meets(t, true, w.store("order/c", 1))
	if s, err := w.auditor().Audit(t.Context()); !errors.Is(err, audit.ErrUnreadable) || s.Errors != 1 ||
		s.Republished > 0 {
		t.Errorf("%v, %+v", err, s)
	}
}

// However commits come in batches, in what order, how often and how late, whatever of them is
// published and whichever notes are lost, and whenever audits come between: an audit publishes
// nothing of which it is noted that it was published, and counts each event once. In the end each
// commit was published that was met, or that one of its stream was noted after.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		w.audits(t)
		published, seen := map[string][]time.Time{}, map[string][]time.Time{} // when that was noted
		events := map[string]int64{}
		audits := func() {
			before := len(w.published)
			s := w.audits(t)
			var missing int64
			for _, c := range w.published[before:] {
				missing += events[c]
				if len(published[c]) > 0 {
					rt.Fatalf("%s is published again", c)
				}
				published[c] = append(published[c], w.clock.Now())
			}
			if s.Missing != missing || s.Republished != missing || s.Errors > 0 {
				rt.Fatalf("%d events are published: %+v", missing, s)
			}
		}
		var bus, views []es.StoredCommit // what is on its way to each
		flush := func(batch *[]es.StoredCommit, label string) {
			if len(*batch) == 0 {
				return
			}
			n := rapid.IntRange(1, len(*batch)).Draw(rt, label)
			commits := rapid.Permutation(*batch).Draw(rt, label+" order")
			taken, lost := commits[:n], rapid.IntRange(0, 3).Draw(rt, label+" lost") == 0
			*batch = slices.Clone(commits[n:])
			if rapid.IntRange(0, 3).Draw(rt, label+" again") == 0 {
				*batch = append(*batch, taken...)
			}
			m := audit.Marker{Journal: w, Clock: w.clock, Failed: func(int64) {}}
			if lost {
				m.Journal = blind{w}
			}
			notes, mark := seen, m.Seen
			if label == "bus" {
				notes, mark = published, m.Published
			}
			mark(func(context.Context, []es.StoredCommit) []error { return nil })(rt.Context(), taken)
			for _, c := range taken {
				if !lost {
					notes[id(c)] = append(notes[id(c)], w.clock.Now())
				}
			}
		}
		for range rapid.IntRange(1, 30).Draw(rt, "commits") {
			stream := es.StreamID("order/" + rapid.SampledFrom([]string{"a", "bb", "ccc"}).Draw(rt, "stream"))
			c := w.store(stream, rapid.IntRange(1, 3).Draw(rt, "events"))
			events[id(c)] = int64(len(c.Events))
			if rapid.IntRange(0, 4).Draw(rt, "reaches the bus") > 0 {
				bus = append(bus, c)
			}
			if rapid.IntRange(0, 4).Draw(rt, "reaches the views") > 0 {
				views = append(views, c)
			}
			for range rapid.IntRange(0, 2).Draw(rt, "batches") {
				flush(&bus, "bus")
				flush(&views, "views")
			}
			w.clock.Advance(time.Duration(rapid.IntRange(0, 90).Draw(rt, "minutes")) * time.Minute)
			if rapid.IntRange(0, 4).Draw(rt, "audit") == 0 {
				audits()
			}
		}
		w.clock.Advance(settle)
		audits()
		for _, commits := range w.stored {
			for i, c := range commits {
				found := len(seen[id(c)]) > 0
				for _, above := range commits[i+1:] {
					for _, at := range slices.Concat(seen[id(above)], published[id(above)]) {
						found = found || !c.Time.Before(at.Truncate(time.Hour).Add(-audit.Reach))
					}
					if len(seen[id(above)])+len(published[id(above)]) > 0 {
						break
					}
				}
				if found && len(published[id(c)]) == 0 {
					rt.Fatalf("%s is not published", id(c))
				}
			}
		}
		before := len(w.published)
		if audits(); len(w.published) != before {
			rt.Fatalf("published %v", w.published[before:])
		}
	})
}

func TestSettle(t *testing.T) {
	if audit.Settle("600") != settle {
		t.Error("600 is not ten minutes")
	}
	for _, text := range []string{
		"", "0", "-1", "7200", "1.5", "99999999999", "010", "+5", "0x10", "1_0", "1e1", " 60", "60 ",
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is taken", text)
				}
			}()
			audit.Settle(text)
		}()
	}
	if _, err := (audit.Auditor{}).Audit(t.Context()); err == nil {
		t.Error("no time to settle is taken")
	}
}
