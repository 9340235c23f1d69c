package audit_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/audit/audittest"
)

func commit(stream string, first int64, events int) es.StoredCommit {
	return es.StoredCommit{Stream: es.StreamID("order/" + stream), First: first, Events: make([]es.Stored, events)}
}

// text is a note's versions by stream.
func text(n audit.Note) map[es.StreamID]string {
	out := map[es.StreamID]string{}
	for stream, spans := range n.Versions {
		out[stream] = spans.String()
	}
	return out
}

// One note is written for each batch, of what has passed; seen is also what never will.
func TestMarker(t *testing.T) {
	never := poison.Mark(errors.New("never"))
	batch := []es.StoredCommit{
		commit("a", 4, 1), commit("a", 1, 3), commit("b", 7, 1), commit("b", 9, 2), commit("c", 1, 1),
		commit("d", 1, 1),
	}
	all := map[es.StreamID]string{"order/a": "1-4", "order/b": "7,9-10", "order/c": "1", "order/d": "1"}
	for name, tt := range map[string]struct {
		results         []error
		published, seen map[es.StreamID]string
	}{
		"all pass": {nil, all, all},
		"some fail": {
			[]error{nil, nil, nil, errDown, never, errDown}, map[es.StreamID]string{"order/a": "1-4", "order/b": "7"},
			map[es.StreamID]string{"order/a": "1-4", "order/b": "7", "order/c": "1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := &audittest.Memory{}
			m := audit.Marker{
				Journal: j, Clock: clock.NewFake(start), Failed: func(n int64) { t.Errorf("%d streams fail", n) },
			}
			handle := func(context.Context, []es.StoredCommit) []error { return tt.results }
			for _, with := range []func(audit.Handle) audit.Handle{m.Published, m.Seen} {
				if got := with(handle)(t.Context(), batch); !slices.Equal(got, tt.results) {
					t.Errorf("results %v", got)
				}
			}
			notes := j.All()
			if j.Writes != 2 || len(notes) != 2 || notes[0].Kind != audit.Published || notes[1].Kind != audit.Seen ||
				!maps.Equal(text(notes[0]), tt.published) || !maps.Equal(text(notes[1]), tt.seen) ||
				!notes[0].At.Equal(start) {
				t.Errorf("%d notes are %+v", j.Writes, notes)
			}
		})
	}
	t.Run("nothing passes", func(t *testing.T) {
		m := audit.Marker{Clock: clock.System{}} // nobody is asked
		down := func(context.Context, []es.StoredCommit) []error { return []error{errDown} }
		m.Published(down)(t.Context(), batch[:1])
		m.Seen(down)(t.Context(), batch[:1])
	})
}

// broken is a journal that nothing can be written into.
type broken func(context.Context) error

func (b broken) Write(ctx context.Context, _ audit.Note) error { return b(ctx) }

// What becomes of a note changes nothing for the batch, and is told with the number of its streams.
func TestLostNoteChangesNothing(t *testing.T) {
	for name, journal := range map[string]broken{
		"fails":  func(context.Context) error { return errDown },
		"breaks": func(context.Context) error { panic("the journal breaks") },
	} {
		t.Run(name, func(t *testing.T) {
			var failed []int64
			m := audit.Marker{
				Journal: journal, Clock: clock.System{},
				Failed: func(streams int64) { failed = append(failed, streams) },
			}
			results := []error{nil, nil, errDown}
			got := m.Published(func(context.Context, []es.StoredCommit) []error { return results })(
				t.Context(), []es.StoredCommit{commit("a", 1, 1), commit("b", 1, 1), commit("c", 1, 1)},
			)
			if !slices.Equal(got, results) || !slices.Equal(failed, []int64{2}) {
				t.Errorf("results %v, failed %v", got, failed)
			}
		})
	}
}

// A note may take half of what is left, and two seconds at most: nobody waits for what hangs.
func TestNotesHaveLittleTime(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{time.Hour: 2 * time.Second, time.Second: time.Second / 2} {
		synctest.Test(t, func(t *testing.T) {
			hangs := broken(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			failed := 0
			m := audit.Marker{Journal: hangs, Clock: clock.System{}, Failed: func(int64) { failed++ }}
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			began := time.Now()
			m.Seen(func(context.Context, []es.StoredCommit) []error { return nil })(
				ctx, []es.StoredCommit{commit("a", 1, 1)},
			)
			if took := time.Since(began); took != want || failed != 1 {
				t.Errorf("of %s it takes %s, and %d fail", left, took, failed)
			}
		})
	}
}
