package estest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
)

// modelCommit is a commit as the model keeps it: nothing but a slice of events with an id.
type modelCommit struct {
	first  int64
	id     string
	events []any
}

func (c modelCommit) last() int64 { return c.first + int64(len(c.events)) - 1 }

// machine compares a store, step by step, with a map of slices.
type machine struct {
	b       Backend
	streams []es.StreamID
	commits map[es.StreamID][]modelCommit
	heads   map[es.StreamID][]es.Head // each end that the stream ever had, from the empty one on
	counter string
	count   int64
	next    int
}

// model runs random appends, at present and at old heads, new and repeated, on one or several
// streams, with and without effects.
func model(t *testing.T, b Backend) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{
			b: b, commits: map[es.StreamID][]modelCommit{}, heads: map[es.StreamID][]es.Head{}, counter: Stream().ID(),
		}
		for range 3 {
			s := Stream()
			m.streams = append(m.streams, s)
			h, err := b.Store.Load(context.Background(), s, 0)
			if err != nil {
				rt.Fatal(err)
			}
			m.heads[s] = []es.Head{h.Head}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.append, "load": m.load, "at": m.at, "since": m.since, "read": m.read, "confirm": m.confirm,
		})
		for _, s := range m.streams {
			m.compare(rt, s, 0)
		}
		if got, err := b.Counters.Value(context.Background(), m.counter); err != nil || got != m.count {
			rt.Fatalf("counter is %d, %v, want %d", got, err, m.count)
		}
	})
}

func (m *machine) append(t *rapid.T) {
	streams := m.streams[:rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "streams")]
	if len(streams) == 1 {
		streams = []es.StreamID{rapid.SampledFrom(m.streams).Draw(t, "stream")}
	}
	m.next++
	var commits []es.Commit
	stale, own := es.StreamID(""), 0
	for _, s := range streams {
		heads := m.heads[s]
		at := len(heads) - 1
		if rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "old") {
			at = rapid.IntRange(0, len(heads)-1).Draw(t, "head")
		}
		id := fmt.Sprintf("c%d", m.next)
		var events []any
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			events = append(events, Counted{N: rapid.Int64().Draw(t, "n")})
		}
		if at < len(heads)-1 { // another commit follows there; name it, or be in conflict with it
			if rapid.Bool().Draw(t, "own") {
				id = m.commits[s][at].id
				own++
			} else if stale == "" {
				stale = s
			}
		}
		commits = append(commits, Commit(heads[at], id, events...))
	}
	var effects []es.Effect
	add := rapid.Int64Range(-3, 3).Draw(t, "add")
	if add != 0 {
		effects = []es.Effect{m.b.Counters.Add(m.counter, add)}
	}
	appended, err := m.b.Store.Append(context.Background(), commits, effects...)
	switch {
	case own == len(commits):
		if err != nil || !appended.Recognised {
			t.Fatalf("repeat: %+v, %v", appended, err)
		}
		for i, c := range commits {
			at := slices.Index(m.heads[streams[i]], c.Head)
			if appended.Heads[i] != m.heads[streams[i]][at+1] {
				t.Fatalf("repeat: head %+v, want %+v", appended.Heads[i], m.heads[streams[i]][at+1])
			}
		}
	case stale != "" || own > 0:
		if !errors.Is(err, es.ErrConflict) {
			t.Fatalf("stale head: %+v, %v", appended, err)
		}
	case m.count+add < 0:
		if !m.b.Counters.Refused(err) {
			t.Fatalf("counter %d, add %d: %+v, %v", m.count, add, appended, err)
		}
	default:
		if err != nil || !m.b.wrote(appended) || len(appended.Heads) != len(commits) {
			t.Fatalf("append: %+v, %v", appended, err)
		}
		m.count += add
		for i, c := range commits {
			s := streams[i]
			m.commits[s] = append(m.commits[s], modelCommit{first: c.Head.Version() + 1, id: c.ID, events: c.Events})
			m.heads[s] = append(m.heads[s], appended.Heads[i])
		}
	}
}

func (m *machine) load(t *rapid.T) {
	s := rapid.SampledFrom(m.streams).Draw(t, "stream")
	m.compare(t, s, rapid.Int64Range(0, m.end(s)+2).Draw(t, "after"))
}

func (m *machine) at(t *rapid.T) {
	s := rapid.SampledFrom(m.streams).Draw(t, "stream")
	version := rapid.Int64Range(0, m.end(s)+2).Draw(t, "version")
	head, err := m.b.Store.At(context.Background(), s, version)
	if version != m.end(s) {
		var conflict *es.ConflictError
		if !errors.As(err, &conflict) || conflict.Actual != m.end(s) || conflict.Expected != version {
			t.Fatalf("At %d of %d: %+v, %v", version, m.end(s), head, err)
		}
	} else if err != nil || head != m.heads[s][len(m.heads[s])-1] {
		t.Fatalf("At %d: %+v, %v", version, head, err)
	}
}

// since asks from each end that the stream ever had, and from ends of another store: of a commit
// that is another here, or is longer or shorter.
func (m *machine) since(t *rapid.T) {
	s := rapid.SampledFrom(m.streams).Draw(t, "stream")
	head := rapid.SampledFrom(m.heads[s]).Draw(t, "head")
	switch strange := rapid.SampledFrom([]string{"", "", "commit", "first", "version", "stream"}).Draw(t, "strange"); {
	case head.Version() == 0: // the beginning is every stream's
	case strange == "commit":
		head = es.StoreHead(s, head.First(), head.Version(), "strange")
	case strange == "first":
		head = es.StoreHead(s, head.First()+1, head.Version(), head.CommitID())
	case strange == "version":
		head = es.StoreHead(s, head.First(), head.Version()+1, head.CommitID())
	case strange == "stream":
		head = es.StoreHead(Stream(), head.First(), head.Version(), head.CommitID())
	}
	h, err := m.b.Store.Since(context.Background(), head)
	if !slices.Contains(m.heads[s], head) {
		if !errors.Is(err, es.ErrUnknownHead) {
			t.Fatalf("since %+v: %+v, %v", head, h, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.wantHistory(t, s, head.Version(), h)
}

// read goes through a part of a stream, and stops where it likes.
func (m *machine) read(t *rapid.T) {
	s := rapid.SampledFrom(m.streams).Draw(t, "stream")
	bound := rapid.Int64Range(-1, m.end(s)+2)
	r := es.Range{
		After: bound.Draw(t, "after"), Through: bound.Draw(t, "through"), Backwards: rapid.Bool().Draw(t, "backwards"),
		Limit: rapid.IntRange(-1, 9).Draw(t, "limit"),
	}
	if since := rapid.SampledFrom(append([]es.Head{{}}, m.heads[s]...)).Draw(t, "since"); since.Version() > 0 &&
		!r.Backwards &&
		(r.Through <= 0 || r.Through > since.Version()) {
		r.Since, r.After = since, since.Version()
	}
	want := m.recorded(s, r.After)
	want = slices.DeleteFunc(want, func(e es.Recorded) bool { return r.Through > 0 && e.Version > r.Through })
	if r.Backwards {
		slices.Reverse(want)
	}
	if r.Limit > 0 {
		want = want[:min(r.Limit, len(want))]
	}
	stop := rapid.IntRange(1, len(want)+1).Draw(t, "stop")
	var got []es.Recorded
	for e, err := range m.b.Store.Read(context.Background(), s, r) {
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if got = append(got, e); len(got) == stop {
			break
		}
	}
	if want = want[:min(stop, len(want))]; !slices.Equal(got, want) {
		t.Fatalf("%+v: %+v, want %+v", r, got, want)
	}
}

func (m *machine) end(s es.StreamID) int64 {
	if n := len(m.commits[s]); n > 0 {
		return m.commits[s][n-1].last()
	}
	return 0
}

func (m *machine) compare(t *rapid.T, s es.StreamID, after int64) {
	h, err := m.b.Store.Load(context.Background(), s, after)
	if err != nil {
		t.Fatal(err)
	}
	m.wantHistory(t, s, after, h)
}

func (m *machine) wantHistory(t *rapid.T, s es.StreamID, after int64, h es.History) {
	if want := m.recorded(s, after); !slices.Equal(h.Events, want) {
		t.Fatalf("after %d: %+v, want %+v", after, h.Events, want)
	}
	if h.Head != m.heads[s][len(m.heads[s])-1] {
		t.Fatalf("after %d: head %+v, want %+v", after, h.Head, m.heads[s][len(m.heads[s])-1])
	}
}

// recorded gives the events above a version.
func (m *machine) recorded(s es.StreamID, after int64) (events []es.Recorded) {
	for _, c := range m.commits[s] {
		for i, e := range c.events {
			if version := c.first + int64(i); version > after {
				events = append(
					events,
					es.Recorded{
						Stream: s, Version: version, Type: "test.counted", Schema: 1, Data: e, CommitID: c.id,
						Time: Start,
					},
				)
			}
		}
	}
	return events
}
