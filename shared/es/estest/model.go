package estest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/es"
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

// model runs random appends, at present and at old heads, new and repeated, on one or several streams, with and without effects.
func model(t *testing.T, b Backend) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{b: b, commits: map[es.StreamID][]modelCommit{}, heads: map[es.StreamID][]es.Head{}, counter: Stream().ID()}
		for range 3 {
			s := Stream()
			m.streams = append(m.streams, s)
			h, err := b.Store.Load(context.Background(), s, 0)
			if err != nil {
				rt.Fatal(err)
			}
			m.heads[s] = []es.Head{h.Head}
		}
		rt.Repeat(map[string]func(*rapid.T){"append": m.append, "load": m.load, "at": m.at})
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
	var want []es.Recorded
	for _, c := range m.commits[s] {
		for i, e := range c.events {
			if version := c.first + int64(i); version > after {
				want = append(want, es.Recorded{Stream: s, Version: version, Type: "test.counted", Schema: 1, Data: e, CommitID: c.id, Time: Start})
			}
		}
	}
	if !slices.Equal(h.Events, want) {
		t.Fatalf("after %d: %+v, want %+v", after, h.Events, want)
	}
	if h.Head != m.heads[s][len(m.heads[s])-1] {
		t.Fatalf("after %d: head %+v, want %+v", after, h.Head, m.heads[s][len(m.heads[s])-1])
	}
}
