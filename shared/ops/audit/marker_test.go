package audit_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/audit"
)

// noted keeps what is marked. Streams that are down fail, and one breaks.
type noted struct {
	mu    sync.Mutex
	calls int
	spans map[es.StreamID]string
	seen  map[es.StreamID]int64
}

func (n *noted) note(stream es.StreamID, f func()) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls++
	switch {
	case strings.HasPrefix(stream.ID(), "down"):
		return errDown
	case stream.ID() == "breaks":
		panic("marks break")
	}
	f()
	return nil
}

func (n *noted) Accepted(_ context.Context, stream es.StreamID, spans ...audit.Span) error {
	return n.note(stream, func() { n.spans[stream] = audit.Spans(nil).Add(spans...).String() })
}

func (n *noted) Seen(_ context.Context, stream es.StreamID, version int64) error {
	return n.note(stream, func() { n.seen[stream] = version })
}

// A mark is written once for each stream of a batch, for what has passed; seen is also what never
// will. What becomes of marks changes nothing for the batch.
func TestMarker(t *testing.T) {
	commit := func(stream string, first int64, events int) es.StoredCommit {
		return es.StoredCommit{Stream: es.StreamID("order/" + stream), First: first, Events: make([]es.Stored, events)}
	}
	never := poison.Mark(errors.New("never"))
	batch := []es.StoredCommit{
		commit("a", 4, 1), commit("a", 1, 3), commit("b", 7, 1), commit("b", 9, 2), commit("c", 1, 1),
		commit("d", 1, 1), commit("down1", 1, 1), commit("down2", 1, 1), commit("breaks", 1, 1),
	}
	some := []error{nil, nil, nil, errDown, never, errDown, nil, nil, nil}
	for name, tt := range map[string]struct {
		results []error
		spans   map[es.StreamID]string
		seen    map[es.StreamID]int64
		calls   int // of each
	}{
		"all pass": {nil, map[es.StreamID]string{
			"order/a": "1-4", "order/b": "7-7,9-10", "order/c": "1-1", "order/d": "1-1",
		},
			map[es.StreamID]int64{"order/a": 4, "order/b": 10, "order/c": 1, "order/d": 1}, 14},
		"some fail": {
			some, map[es.StreamID]string{"order/a": "1-4", "order/b": "7-7"},
			map[es.StreamID]int64{"order/a": 4, "order/b": 7, "order/c": 1}, 11,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := &noted{spans: map[es.StreamID]string{}, seen: map[es.StreamID]int64{}}
			var failed []int64
			m := audit.Marker{
				Marks: n, Clock: clock.System{}, Failed: func(streams int64) { failed = append(failed, streams) },
			}
			handle := func(context.Context, []es.StoredCommit) []error { return tt.results }
			for _, with := range []func(audit.Handle) audit.Handle{m.Published, m.Seen} {
				if got := with(handle)(t.Context(), batch); !slices.Equal(got, tt.results) {
					t.Errorf("results %v", got)
				}
			}
			if !maps.Equal(n.spans, tt.spans) || !maps.Equal(n.seen, tt.seen) || n.calls != tt.calls ||
				!slices.Equal(failed, []int64{3, 3}) {
				t.Errorf("published %v, seen %v in %d calls, %v failed", n.spans, n.seen, n.calls, failed)
			}
		})
	}
	t.Run("nothing passes", func(t *testing.T) {
		m := audit.Marker{Clock: clock.System{}} // nobody is asked
		m.Published(func(
			context.Context, []es.StoredCommit,
		) []error {
			return []error{errDown}
		})(t.Context(), batch[:1])
	})
}

// patient shows how long a mark may take.
type patient struct {
	noted
	left time.Duration
}

func (p *patient) Seen(ctx context.Context, _ es.StreamID, _ int64) error {
	deadline, _ := ctx.Deadline()
	p.left = time.Until(deadline)
	return ctx.Err()
}

func TestMarksHaveLittleTime(t *testing.T) {
	p := &patient{}
	m := audit.Marker{Marks: p, Clock: clock.System{}, Failed: func(int64) { t.Error("it fails") }}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	m.Seen(func(context.Context, []es.StoredCommit) []error { return nil })(
		ctx, []es.StoredCommit{{Stream: "order/a", First: 1, Events: make([]es.Stored, 1)}},
	)
	if p.left <= 0 || p.left > 2*time.Second {
		t.Errorf("a mark may take %s", p.left)
	}
}
