// Package audittest is the suite that every audit.Journal passes, and one in memory. Only tests
// import it.
package audittest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/audit"
)

// Memory is an audit.Journal in memory. It is safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	notes []audit.Note

	// Broken are notes that can't be read, by a stream that they name.
	Broken map[es.StreamID]bool
	// Writes counts the notes that were written, and Reads the hours that were read.
	Writes, Reads int
}

var _ audit.Journal = (*Memory)(nil)

// Write implements audit.Writer.
func (m *Memory) Write(ctx context.Context, note audit.Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil || len(note.Versions) == 0 {
		return err
	}
	m.Writes++
	note.Versions = maps.Clone(note.Versions)
	m.notes = append(m.notes, note)
	return nil
}

// Notes implements audit.Reader.
func (m *Memory) Notes(ctx context.Context, side audit.Side, hour time.Time) iter.Seq2[audit.Note, error] {
	return func(yield func(audit.Note, error) bool) {
		m.mu.Lock()
		m.Reads++
		notes := slices.Clone(m.notes)
		m.mu.Unlock()
		if err := ctx.Err(); err != nil {
			yield(audit.Note{}, err)
			return
		}
		for _, note := range notes {
			if note.Kind.Side() != side || !note.At.Truncate(time.Hour).Equal(hour) {
				continue
			}
			var err error
			for stream := range note.Versions {
				if m.Broken[stream] {
					err = fmt.Errorf("%w: that of %s", audit.ErrUnreadable, stream)
				}
			}
			if err != nil {
				note = audit.Note{}
			}
			if !yield(note, err) {
				return
			}
		}
	}
}

// Written implements audit.Journal.
func (m *Memory) Written(ctx context.Context, note audit.Note) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.notes, func(n audit.Note) bool {
		return n.Kind == note.Kind && n.At.Equal(note.At) && maps.EqualFunc(n.Versions, note.Versions, slices.Equal)
	}), ctx.Err()
}

// Forget takes away the notes before a time, as their age does.
func (m *Memory) Forget(before time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes = slices.DeleteFunc(m.notes, func(n audit.Note) bool { return n.At.Before(before) })
}

// All gives all notes, in the order in which they were written.
func (m *Memory) All() []audit.Note {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.notes)
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Run puts an empty journal through the suite.
func Run(t *testing.T, j audit.Journal) {
	t.Run("what is written is read", func(t *testing.T) { written(t, j) })
	t.Run("the truth", func(t *testing.T) {
		day := start
		rapid.Check(t, func(rt *rapid.T) {
			day = day.Add(24 * time.Hour) // each check has one of its own
			truth(t, rt, j, day)
		})
	})
}

// written: a note is in its hour and on its side, all of it, and once however often it was written.
func written(t *testing.T, j audit.Journal) {
	ctx := t.Context()
	first := audit.Note{Kind: audit.Published, At: start.Add(59*time.Minute + 59*time.Second), Versions: audit.Versions{
		"order/a": {{From: 1, Through: 2}, {From: 9, Through: 9}}, "stock/a b\n'\"": {{From: 7, Through: 7}},
	}}
	if there, err := j.Written(ctx, first); err != nil || there {
		t.Errorf("before it is written: %t, %v", there, err)
	}
	all := []audit.Note{
		first,
		{Kind: audit.Refused, At: first.At, Versions: first.Versions},
		{Kind: audit.Abandoned, At: first.At.Add(time.Second), Versions: first.Versions},
		{Kind: audit.Seen, At: first.At, Versions: first.Versions},
		{Kind: audit.Seen, At: first.At}, // says nothing
	}
	for range 2 {
		for _, note := range all {
			if err := j.Write(ctx, note); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, note := range all[:4] {
		there, err := j.Written(ctx, note)
		if err != nil || !there {
			t.Errorf("%s is written: %t, %v", note.Kind, there, err)
		}
		var found []audit.Note
		for got, err := range j.Notes(ctx, note.Kind.Side(), note.At.Truncate(time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind == note.Kind {
				found = append(found, got)
			}
		}
		if len(found) == 0 || !found[0].At.Equal(note.At) ||
			!maps.EqualFunc(found[0].Versions, note.Versions, slices.Equal) {
			t.Errorf("%+v is read as %+v", note, found)
		}
	}
	later := first
	later.Versions = audit.Versions{"order/a": {{From: 1, Through: 2}}}
	if there, err := j.Written(ctx, later); err != nil || there {
		t.Errorf("another one is there: %t, %v", there, err)
	}
	for side, hour := range map[audit.Side]time.Time{
		audit.OnBus: start.Add(2 * time.Hour), audit.InViews: start.Add(time.Hour),
	} {
		for got, err := range j.Notes(ctx, side, hour) {
			t.Errorf("%s of %s: %+v, %v", side, hour, got, err)
		}
	}
}

// truth: however commits are parted into batches, in whatever order these come, how often, and from
// how many at once, the book has exactly what was noted.
func truth(t *testing.T, rt *rapid.T, j audit.Journal, start time.Time) {
	const hours, most = 3, 12
	type version struct {
		stream es.StreamID
		number int64
	}
	streams := []es.StreamID{"order/a", "order/b", "stock/c"}
	settled, published, refused := map[version]bool{}, map[version]bool{}, map[version]bool{}
	newest := map[es.StreamID]int64{}
	var writes []audit.Note
	for range rapid.IntRange(1, 12).Draw(rt, "batches") {
		note := audit.Note{
			Kind: rapid.SampledFrom([]audit.Kind{
				audit.Published, audit.Published, audit.Refused, audit.Abandoned, audit.Seen,
			}).Draw(rt, "kind"),
			At:       start.Add(time.Duration(rapid.IntRange(0, hours*60-1).Draw(rt, "minute")) * time.Minute),
			Versions: audit.Versions{},
		}
		for range rapid.IntRange(1, 5).Draw(rt, "commits") {
			stream := rapid.SampledFrom(streams).Draw(rt, "stream")
			from := rapid.Int64Range(1, most).Draw(rt, "from")
			s := audit.Span{From: from, Through: min(most, from+rapid.Int64Range(0, 2).Draw(rt, "more"))}
			note.Versions[stream] = note.Versions[stream].Add(s)
			for v := s.From; v <= s.Through; v++ {
				at := version{stream, v}
				settled[at] = settled[at] || note.Kind != audit.Seen
				published[at] = published[at] || note.Kind == audit.Published
				refused[at] = refused[at] || note.Kind == audit.Refused
			}
			if note.Kind == audit.Seen {
				newest[stream] = max(newest[stream], s.Through)
			}
		}
		for range rapid.IntRange(1, 2).Draw(rt, "times") {
			writes = append(writes, note)
		}
	}
	failed := make(chan error, len(writes))
	var wait sync.WaitGroup
	for _, note := range rapid.Permutation(writes).Draw(rt, "order") {
		wait.Go(func() { failed <- j.Write(t.Context(), note) })
	}
	wait.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			rt.Fatal(err)
		}
	}
	book := audit.NewBook(j, clock.NewFake(start.Add(hours*time.Hour-time.Minute)), audit.OnBus, audit.InViews)
	if err := errors.Join(book.Cover(t.Context(), start), book.Refresh(t.Context())); err != nil {
		rt.Fatal(err)
	}
	for _, stream := range streams {
		for v := int64(1); v <= most; v++ {
			at, one := version{stream, v}, audit.Span{From: v, Through: v}
			if got := book.Settled(stream).Has(one); got != settled[at] {
				rt.Fatalf("%s@%d is settled: %t", stream, v, got)
			}
			if got := book.Refused(stream).Has(one); got != (refused[at] && !published[at]) {
				rt.Fatalf("%s@%d is refused: %t", stream, v, got)
			}
		}
		if got := book.Newest(stream); got != newest[stream] {
			rt.Fatalf("%s was seen up to %d, want %d", stream, got, newest[stream])
		}
	}
}
