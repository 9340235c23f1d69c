package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/replay"
	"orderflow/shared/ops/resume"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

var (
	noon    = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	errBusy = errors.New("busy")
)

// failer is a test, or a run of a property.
type failer interface {
	Helper()
	Fatal(...any)
}

// commit is a stored commit, decided so many minutes after noon.
func commit(t failer, stream es.StreamID, first int64, minutes int, events ...any) es.StoredCommit {
	t.Helper()
	c := es.StoredCommit{
		Stream: stream, First: first, ID: fmt.Sprintf("%s-%d", stream, first),
		Time: noon.Add(time.Duration(minutes) * time.Minute),
	}
	for _, e := range events {
		stored, err := contract.Registry().Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		c.Events = append(c.Events, stored)
	}
	return c
}

// unreadable is the id of a commit that a store can't read.
const unreadable = "unreadable"

// store is an es.Scanner whose pages and segments are given. A position is the number of the next
// page.
type store [][]es.ScanPage

// orders are of a store in which nobody has placed an order.
type orders struct{}

func (orders) AsOf(_ context.Context, _ string, p es.Point) (es.Past[order.State], error) {
	return es.Past[order.State]{Version: p.Version}, nil
}

func (s store) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		if segments != len(s) {
			yield(es.ScanPage{}, fmt.Errorf("%d segments of %d", segments, len(s)))
			return
		}
		first, _ := strconv.Atoi(from)
		for n, page := range s[segment][first:] {
			if err := ctx.Err(); err != nil {
				yield(es.ScanPage{}, err)
				return
			}
			if page.Next = strconv.Itoa(first + n + 1); first+n+1 == len(s[segment]) {
				page.Next = ""
			}
			var corrupt []error
			var readable []es.StoredCommit
			for _, c := range page.Commits {
				if c.ID == unreadable {
					corrupt = append(corrupt, fmt.Errorf("%w: %s: %w", es.ErrCorrupt, c.Stream, errBusy))
				} else {
					readable = append(readable, c)
				}
			}
			page.Commits = readable
			if !yield(page, errors.Join(corrupt...)) {
				return
			}
		}
	}
}

// consumer keeps what it was sent. It doesn't want the types of unwanted, never takes the ids of
// never, and is busy from the call number of busy on.
type consumer struct {
	mu              sync.Mutex
	unwanted, never map[string]bool
	busy, calls     int
	sent            []es.Envelope
	batches         []int
}

func (c *consumer) Wants(_ context.Context, e es.Envelope) (bool, error) {
	return !c.unwanted[e.Type], nil
}

func (c *consumer) Send(_ context.Context, envelopes []es.Envelope) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	results := make([]error, len(envelopes))
	c.batches = append(c.batches, len(envelopes))
	for i, e := range envelopes {
		switch {
		case c.never[e.ID]:
			results[i] = poison.Mark(errors.New("too large"))
		case c.busy > 0 && c.calls >= c.busy && i == len(envelopes)-1:
			results[i] = errBusy
		default:
			c.sent = append(c.sent, e)
		}
	}
	return results
}

func (c *consumer) ids() []string {
	ids := make([]string, len(c.sent))
	for i, e := range c.sent {
		ids[i] = e.ID
	}
	return ids
}

// pace counts what it was asked for.
type pace struct {
	mu      sync.Mutex
	allowed int
}

func (p *pace) WaitN(ctx context.Context, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed += n
	return ctx.Err()
}

// journal keeps the state as a file does: written and read again. Saving fails at the call number
// of fail.
type journal struct {
	text        []byte
	calls, fail int
}

func (j *journal) Save(s replay.State) error {
	if j.calls++; j.calls == j.fail {
		return errBusy
	}
	var err error
	j.text, err = json.Marshal(s)
	return err
}

func (j *journal) state(t failer) replay.State {
	t.Helper()
	var s replay.State
	if err := json.Unmarshal(j.text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// began is the clock when the replay begins.
var began = clock.NewFake(noon.Add(time.Hour))

func begin(t failer, a replay.Arguments) replay.State {
	t.Helper()
	a.Segments = max(a.Segments, 1)
	s, err := replay.Begin("again", a, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsSent(t *testing.T) {
	started, shipped, delivered := order.Started{SagaID: "s"}, order.Shipped{ShipmentID: "s"},
		order.Delivered{ShipmentID: "s"}
	unknown := commit(t, "order/x", 1, 10, started, shipped)
	unknown.Events[1].Type = "order.teleported"
	all := store{{
		{Commits: []es.StoredCommit{
			commit(t, "order/b", 2, 30, shipped, delivered), commit(t, "order/a", 2, 20, shipped),
			commit(t, "order/b", 1, 0, started), unknown,
			commit(t, "order/a", 1, 10, started),
		}},
		{},
		{Commits: []es.StoredCommit{commit(t, "order/c", 1, 60, started)}}, // at the moment at which the replay begins
	}}
	for _, tc := range []struct {
		name    string
		args    replay.Arguments
		with    *consumer
		want    string
		failed  string
		skipped int64
	}{
		{
			name: "everything, in the order of its stream within a page",
			want: "order/a@1 order/a@2 order/b@1 order/b@2 order/b@3", failed: "order/x@1",
		},
		{name: "one type of a commit", args: replay.Arguments{Types: []string{"order.delivered"}}, want: "order/b@3"},
		{
			name: "two types", args: replay.Arguments{Types: []string{"order.delivered", "order.started"}},
			want: "order/a@1 order/b@1 order/b@3", failed: "order/x@1",
		},
		{
			name: "from, which is in", args: replay.Arguments{From: "2026-11-01T12:20:00Z"},
			want: "order/a@2 order/b@2 order/b@3",
		},
		{
			name: "to, which is out", args: replay.Arguments{To: "2026-11-01T13:30:00+01:00"},
			want: "order/a@1 order/a@2 order/b@1", failed: "order/x@1",
		},
		{name: "ago", args: replay.Arguments{From: "40m", To: "30m"}, want: "order/a@2"},
		{name: "nothing of that type in the time", args: replay.Arguments{Types: []string{"order.cancelled"}}},
		{
			name: "what the rules don't match", with: &consumer{unwanted: map[string]bool{"order.started": true}},
			want: "order/a@2 order/b@2 order/b@3", failed: "order/x@1", skipped: 2,
		},
		{
			name: "what can't be sent, never", with: &consumer{never: map[string]bool{"order/b@1": true}},
			want: "order/a@1 order/a@2 order/b@2 order/b@3", failed: "order/x@1 order/b@1",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to, kept, paced := tc.with, &journal{}, &pace{}
			if to == nil {
				to = &consumer{}
			}
			state := begin(t, tc.args)
			run := replay.Replay{
				Source: replay.FromStore(all, contract.Registry(), orders{}, 1, state.Selection(began)), Consumer: to,
				Pace: paced, State: state, Journal: kept,
			}
			if err := run.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(to.ids(), " "); got != tc.want {
				t.Errorf("sent %s, want %s", got, tc.want)
			}
			got := kept.state(t)
			var failed []string
			for _, f := range got.Failures {
				failed = append(failed, f.ID)
			}
			if strings.Join(failed, " ") != tc.failed || got.Counts.Failed != int64(len(failed)) {
				t.Errorf("failed %q, counted %d, want %s", failed, got.Counts.Failed, tc.failed)
			}
			sent := int64(len(to.sent))
			if c := got.Counts; c.Commits != 6 || replay.Total(c.Sent) != sent ||
				replay.Total(c.Unwanted) != tc.skipped || !got.Segments[0].Done {
				t.Errorf("the state is %+v", got)
			}
			if paced.allowed < len(to.sent) {
				t.Errorf("%d were sent, the pace allowed %d", len(to.sent), paced.allowed)
			}
		})
	}
}

// A commit that a wrong clock has dated ahead was there before the replay, and is in it as long as
// nobody said up to when. What is made meanwhile is not, however long the replay takes: it is
// delivered anyway.
func TestDatedAhead(t *testing.T) {
	const minute, week = 1, 7 * 24 * 60
	all := store{{{Commits: []es.StoredCommit{
		commit(t, "order/a", 1, 10, order.Started{SagaID: "s"}),
		commit(t, "order/b", 1, 60+week, order.Started{SagaID: "s"}),
		commit(t, "order/c", 1, 60+2*minute, order.Started{SagaID: "s"}),
		commit(t, "order/d", 1, 60+90*minute, order.Started{SagaID: "s"}),
	}}}}
	for name, tc := range map[string]struct {
		to    string
		takes time.Duration
		want  string
	}{
		// of d nobody knows yet that it is of the time after
		"at once":      {want: "order/a@1 order/b@1 order/d@1"},
		"hours later":  {takes: 2 * time.Hour, want: "order/a@1 order/b@1"},
		"up to a time": {to: "2026-11-01T12:30:00Z", want: "order/a@1"},
		"up to one of a week": {
			to: "2026-11-08T13:00:00Z", takes: 2 * time.Hour, want: "order/a@1 order/c@1 order/d@1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			state, to := begin(t, replay.Arguments{To: tc.to}), &consumer{}
			now := clock.NewFake(noon.Add(time.Hour + tc.takes))
			run := replay.Replay{
				Source: replay.FromStore(all, contract.Registry(), orders{}, 1, state.Selection(now)), Consumer: to,
				Pace:  &pace{},
				State: state, Journal: &journal{},
			}
			if err := run.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(to.ids(), " "); got != tc.want {
				t.Errorf("sent %s, want %s", got, tc.want)
			}
		})
	}
}

// What is sent is what publish-events publishes of the same commit, from either source, id and all,
// and each version where there are two.
func TestEnvelopesAreThePublished(t *testing.T) {
	events := []any{order.Started{SagaID: "s"}, order.Cancelled{SagaID: "s", Reason: order.ReasonExpired}}
	c := commit(t, "order/a", 1, 0, events...)
	want, err := publish.Envelopes(t.Context(), contract.Registry(), orders{}, c)
	if err != nil || len(want) != 3 {
		t.Fatalf("%d are published, %v", len(want), err)
	}
	kept := memstore.New(contract.Registry())
	head, err := kept.At(t.Context(), c.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Append(
		t.Context(), []es.Commit{{Head: head, ID: c.ID, Time: c.Time, Events: events}},
	); err != nil {
		t.Fatal(err)
	}
	state := begin(t, replay.Arguments{})
	for name, source := range map[string]replay.Source{
		"the store": replay.FromStore(
			store{{{Commits: []es.StoredCommit{c}}}}, contract.Registry(), orders{}, 1, state.Selection(began),
		),
		"the stream": replay.FromStream(kept, orders{}, c.Stream, state.Selection(began)),
	} {
		to := &consumer{}
		run := replay.Replay{
			Source: source, Consumer: to, Pace: &pace{}, State: begin(t, replay.Arguments{}), Journal: &journal{},
		}
		if err := run.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, _ := json.Marshal(to.sent)
		published, _ := json.Marshal(want)
		if !bytes.Equal(got, published) {
			t.Errorf("%s: sent %s, published %s", name, got, published)
		}
	}
}

// order.updated is in no store: it is made of the order as it was, of a whole store and of one
// stream alike.
func TestUpdated(t *testing.T) {
	const id = es.StreamID("order/a")
	kept := memstore.New(contract.Registry())
	price := money.Money{Amount: 1, Currency: "USD"}
	placed := order.Placed{
		OrderID: "a", CustomerID: "c", AccountID: "a", Lines: []order.Line{{SKU: "s", Quantity: 1, UnitPrice: price}},
		Total: price, Address: "pd1:x", Revision: 1, PlacedAt: "p",
	}
	for i, events := range [][]any{
		{placed, order.Started{SagaID: "s"}},
		{order.Confirmed{SagaID: "s", PaymentID: "p", ShipmentID: "h", TrackingNumber: "t"}},
	} {
		head, err := kept.At(t.Context(), id, int64(2*i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kept.Append(
			t.Context(), []es.Commit{{Head: head, ID: strconv.Itoa(i), Time: noon, Events: events}},
		); err != nil {
			t.Fatal(err)
		}
	}
	repository := order.Decider.Repository(order.Category, kept)
	state := begin(t, replay.Arguments{Types: []string{contract.OrderUpdatedType}})
	for name, source := range map[string]replay.Source{
		"store":  replay.FromStore(kept, contract.Registry(), repository, 1, state.Selection(began)),
		"stream": replay.FromStream(kept, repository, id, state.Selection(began)),
	} {
		to := &consumer{}
		run := replay.Replay{
			Source: source, Consumer: to, Pace: &pace{},
			State: begin(t, replay.Arguments{Types: []string{contract.OrderUpdatedType}}), Journal: &journal{},
		}
		if err := run.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(to.ids(), []string{"order/a@2/updated", "order/a@3/updated"}) ||
			!strings.Contains(string(to.sent[0].Data), `"status":"placed"`) ||
			!strings.Contains(string(to.sent[1].Data), `"status":"confirmed"`) {
			t.Errorf("of a %s %s was sent", name, to.ids())
		}
	}
}

// Commits that the store can't read are told, each, and the others are sent.
func TestCorrupt(t *testing.T) {
	good := commit(t, "order/c", 1, 0, order.Started{SagaID: "s"})
	to, state, kept := &consumer{}, begin(t, replay.Arguments{}), &journal{}
	run := replay.Replay{
		Source: replay.FromStore(store{{
			{Commits: []es.StoredCommit{{Stream: "order/a", ID: unreadable}, {Stream: "order/b", ID: unreadable}}},
			{Commits: []es.StoredCommit{good}},
		}},
			contract.Registry(), orders{}, 1, state.Selection(began)),
		Consumer: to, Pace: &pace{}, State: state, Journal: kept,
	}
	if err := run.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := kept.state(t)
	if !slices.Equal(to.ids(), []string{"order/c@1"}) || got.Counts.Failed != 2 || len(got.Failures) != 2 ||
		!strings.Contains(got.Failures[0].Error, "order/a") || !strings.Contains(got.Failures[1].Error, "order/b") {
		t.Errorf("sent %v, state %+v", to.ids(), got)
	}
}

// A count reads everything, and neither sends nor keeps anything.
func TestDryRun(t *testing.T) {
	to, state := &consumer{unwanted: map[string]bool{"order.shipped": true}}, begin(t, replay.Arguments{})
	c := commit(t, "order/a", 1, 0, order.Started{SagaID: "s"}, order.Shipped{ShipmentID: "s"})
	var told []int64
	run := replay.Replay{
		Source: replay.FromStore(
			store{{{}, {Commits: []es.StoredCommit{c}}}}, contract.Registry(), orders{}, 1, state.Selection(began),
		), Consumer: to, State: state,
		Progress: func(c replay.Counts) { told = append(told, c.Commits) },
	}
	if err := run.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	counts := run.State.Counts
	if to.calls != 0 || !maps.Equal(counts.Selected, map[string]int64{"order.started": 1, "order.shipped": 1}) ||
		replay.Total(counts.Unwanted) != 1 || replay.Total(counts.Sent) != 0 {
		t.Errorf("%d calls, counted %+v", to.calls, counts)
	}
	if !slices.Equal(told, []int64{0, 1}) {
		t.Errorf("progress was %v", told)
	}
}

// However often a replay is cut off, at whatever it was doing, in the end each event was sent, none
// that was not asked for, and the pages that were sent again are those that were under way when it
// was cut off.
func TestResume(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.IntRange(1, 3).Draw(t, "segments")
		all, want := make(store, segments), map[string]int{}
		page := map[string]string{} // of each event
		n := 0
		for s := range all {
			for p := range rapid.IntRange(1, 4).Draw(t, "pages") {
				var scanned es.ScanPage
				for range rapid.IntRange(0, 25).Draw(t, "commits") {
					n++
					c := commit(t, es.StreamID(fmt.Sprintf("order/%d", n)), 1, 0, order.Started{SagaID: "s"})
					scanned.Commits = append(scanned.Commits, c)
					want[string(c.Stream)+"@1"], page[string(c.Stream)+"@1"] = 1, fmt.Sprintf("%d/%d", s, p)
				}
				all[s] = append(all[s], scanned)
			}
		}
		state := begin(t, replay.Arguments{Segments: segments})
		kept := &journal{}
		if err := kept.Save(state); err != nil {
			t.Fatal(err)
		}
		counts, sendings := map[string]int{}, map[string]int{} // of events, of pages
		crashes := rapid.SliceOfN(rapid.IntRange(1, 12), 0, 5).Draw(t, "crashes")
		for try := 0; ; try++ {
			state = kept.state(t)
			to := &consumer{}
			kept.calls, kept.fail = 0, 0
			if try < len(crashes) {
				if crashes[try]%2 == 0 {
					to.busy = crashes[try] / 2
				} else {
					kept.fail = crashes[try]/2 + 1
				}
			}
			run := replay.Replay{
				Source:   replay.FromStore(all, contract.Registry(), orders{}, segments, state.Selection(began)),
				Consumer: to, Pace: &pace{}, State: state, Journal: kept,
			}
			err := run.Run(context.Background())
			touched := map[string]bool{}
			for _, id := range to.ids() {
				counts[id]++
				touched[page[id]] = true
			}
			for p := range touched {
				sendings[p]++
			}
			if err == nil {
				break
			}
			if !errors.Is(err, errBusy) && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		for id := range want {
			if counts[id] == 0 {
				t.Fatalf("%s was never sent", id)
			}
		}
		if len(counts) != len(want) {
			t.Fatalf("%d events were sent, %d asked for", len(counts), len(want))
		}
		again := 0
		for _, times := range sendings {
			again += times - 1
		}
		if again > segments*len(crashes) {
			t.Fatalf("%d pages were sent again, after %d ends with %d segments", again, len(crashes), segments)
		}
	})
}

// A batch is no larger than what the pace allows at once.
func TestBatches(t *testing.T) {
	var page es.ScanPage
	for i := range 23 {
		page.Commits = append(
			page.Commits, commit(t, es.StreamID(fmt.Sprintf("order/%d", i)), 1, 0, order.Started{SagaID: "s"}),
		)
	}
	to, state := &consumer{}, begin(t, replay.Arguments{})
	run := replay.Replay{
		Source: replay.FromStore(store{{page}}, contract.Registry(), orders{}, 1, state.Selection(began)), Consumer: to,
		Pace: &pace{}, State: state, Journal: &journal{},
	}
	if err := run.Run(t.Context()); err != nil || !slices.Equal(to.batches, []int{10, 10, 3}) {
		t.Errorf("batches %v, %v", to.batches, err)
	}
}

// A store of the kit gives all that it holds, in any number of segments.
func TestMemstore(t *testing.T) {
	kept := memstore.New(contract.Registry())
	want := map[string]bool{}
	for i := range 250 {
		id := es.StreamID(fmt.Sprintf("order/%d", i))
		head, err := kept.At(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kept.Append(
			t.Context(),
			[]es.Commit{{
				Head: head, ID: "c", Time: noon,
				Events: []any{order.Started{SagaID: "s"}, order.Shipped{ShipmentID: "s"}},
			}},
		); err != nil {
			t.Fatal(err)
		}
		want[string(id)+"@1"], want[string(id)+"@2"] = true, true
	}
	to, state := &consumer{}, begin(t, replay.Arguments{Segments: 3})
	run := replay.Replay{
		Source: replay.FromStore(kept, contract.Registry(), orders{}, 3, state.Selection(began)), Consumer: to,
		Pace: &pace{}, State: state, Journal: &journal{},
	}
	if err := run.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range to.ids() {
		if !want[id] {
			t.Errorf("%s was sent, and should not be or was before", id)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("%d events were not sent", len(want))
	}
}

// One stream comes in order, and goes on after any of its pages.
func TestStream(t *testing.T) {
	const id = es.StreamID("order/a")
	kept := memstore.New(contract.Registry())
	for i := range 115 {
		head, err := kept.At(t.Context(), id, int64(2*i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kept.Append(t.Context(), []es.Commit{{
			Head: head, ID: strconv.Itoa(i), Time: noon.Add(time.Duration(i) * time.Second),
			Events: []any{order.Started{SagaID: "s"}, order.Shipped{ShipmentID: "s"}},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	from := noon.Add(10 * time.Second)
	state := begin(
		t, replay.Arguments{Stream: string(id), Types: []string{"order.shipped"}, From: from.Format(time.RFC3339)},
	)
	to, journal := &consumer{busy: 9}, &journal{} // each page has 50 of the type, so that the second is cut off
	for try := range 2 {
		run := replay.Replay{
			Source: replay.FromStream(
				kept, order.Decider.Repository(order.Category, kept), id, state.Selection(began),
			),
			Consumer: to, Pace: &pace{}, State: state, Journal: journal,
		}
		if err := run.Run(t.Context()); (err != nil) != (try == 0) {
			t.Fatal(err)
		}
		to.busy, state = 0, journal.state(t)
	}
	seen := slices.Compact(slices.Sorted(func(yield func(int64) bool) {
		for _, e := range to.sent {
			if e.Type != "order.shipped" || e.Time.Before(from) {
				t.Errorf("%s was sent: %s of %s", e.ID, e.Type, e.Time)
			}
			if !yield(e.Sequence) {
				return
			}
		}
	}))
	if len(seen) != 105 || state.Counts.Commits != 115 || replay.Total(state.Counts.Sent) != 105 ||
		!state.Segments[0].Done {
		t.Errorf("%d of 105 events were sent, the state is %+v", len(seen), state)
	}
	last := to.sent[len(to.sent)-30:]
	if !slices.IsSortedFunc(last, func(a, b es.Envelope) int { return int(a.Sequence - b.Sequence) }) {
		t.Error("the stream came out of its order")
	}
	state.Segments[0] = resume.Segment{Next: "x"}
	run := replay.Replay{
		Source:   replay.FromStream(kept, order.Decider.Repository(order.Category, kept), id, state.Selection(began)),
		Consumer: to, Pace: &pace{}, State: state, Journal: journal,
	}
	if err := run.Run(t.Context()); err == nil {
		t.Error("a position that is none passes")
	}
}

func TestBegin(t *testing.T) {
	now := noon
	for _, tc := range []struct {
		name     string
		args     replay.Arguments
		from, to time.Time
		says     string
	}{
		{name: "nothing said", to: now},
		{
			name: "relative", args: replay.Arguments{From: "24h", To: "90m"}, from: now.Add(-24 * time.Hour),
			to: now.Add(-90 * time.Minute),
		},
		{
			name: "zones", args: replay.Arguments{From: "2026-10-01T00:00:00+02:00"},
			from: time.Date(2026, 9, 30, 22, 0, 0, 0, time.UTC), to: now,
		},
		{
			name: "no time", args: replay.Arguments{From: "yesterday"},
			says: `from is a time as in 2026-11-01T00:00:00Z, or how long ago as in 24h, not "yesterday"`,
		},
		{name: "in the future", args: replay.Arguments{To: "-1h"}, says: `to is a time as in`},
		{
			name: "backwards", args: replay.Arguments{From: "1h", To: "2h"},
			says: "no time lies from 2026-11-01T11:00:00Z to 2026-11-01T10:00:00Z",
		},
		{name: "empty", args: replay.Arguments{From: "1h", To: "1h"}, says: "no time lies"},
		{
			name: "unknown type", args: replay.Arguments{Types: []string{"order.placed", "order.abducted"}},
			says: `unknown event type "order.abducted"; published are account.deposited, `,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := replay.Begin("again", tc.args, now)
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Fatalf("error is %v, want %s", err, tc.says)
				}
				return
			}
			if err != nil || !s.From.Equal(tc.from) || !s.To.Equal(tc.to) {
				t.Errorf("from %s to %s, %v", s.From, s.To, err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	a := replay.Arguments{
		Deployment: "d", Consumer: strings.Repeat("c", 80), Types: []string{"order.placed"}, From: "24h", Segments: 4,
	}
	b := a
	b.From = "25h"
	same := a
	same.Types = slices.Clone(a.Types)
	if a.Name() != same.Name() || a.Name() == b.Name() || resume.CheckName(a.Name()) != nil {
		t.Errorf("names are %s, %s and %s", a.Name(), same.Name(), b.Name())
	}
}

func TestFile(t *testing.T) {
	file := replay.File{Path: filepath.Join(t.TempDir(), "replays", "again.json")}
	args := replay.Arguments{Deployment: "d", Consumer: "c", Types: []string{"order.placed"}, From: "24h", Segments: 2}
	if _, found, err := file.Load("again", args); found || err != nil {
		t.Fatalf("there is one already: %v", err)
	}
	saved := begin(t, args)
	saved.Segments[1] = resume.Segment{Next: "order/a@1"}
	saved.Counts.Sent = map[string]int64{"order.placed": 3}
	for range 2 {
		if err := file.Save(saved); err != nil {
			t.Fatal(err)
		}
	}
	got, found, err := file.Load("again", args)
	if err != nil || !found {
		t.Fatalf("found %t, %v", found, err)
	}
	// A window that was said relative to now stays where it was.
	if !got.From.Equal(saved.From) || got.Segments[1] != saved.Segments[1] || got.Counts.Sent["order.placed"] != 3 {
		t.Errorf("saved %+v, found %+v", saved, got)
	}
	for field, change := range map[string]func(*replay.Arguments){
		"stack":    func(a *replay.Arguments) { a.Deployment = "e" },
		"consumer": func(a *replay.Arguments) { a.Consumer = "x" },
		"type":     func(a *replay.Arguments) { a.Types = nil },
		"from":     func(a *replay.Arguments) { a.From = "23h" },
		"to":       func(a *replay.Arguments) { a.To = "1h" },
		"stream":   func(a *replay.Arguments) { a.Stream = "order/a" },
		"segments": func(a *replay.Arguments) { a.Segments = 3 },
	} {
		other := args
		change(&other)
		if _, _, err := file.Load("again", other); err == nil || !strings.Contains(err.Error(), "another --"+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(file.Path)); err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if _, _, err := file.Load("other", args); err == nil {
		t.Error("another replay's state passes")
	}
	if err := os.WriteFile(file.Path, []byte(`{"version":1`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := file.Load("again", args); err == nil || !strings.Contains(err.Error(), "is no state") {
		t.Errorf("half a state: %v", err)
	}
	for range 2 {
		if err := file.Remove(); err != nil {
			t.Error(err)
		}
	}
}
