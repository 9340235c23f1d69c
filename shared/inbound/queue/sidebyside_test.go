package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orderflow/shared/inbound/queue"
	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/deadletter"
)

// A batch takes as long as its slowest message. One that hangs, fails or panics takes nothing from
// the others, and the answer comes in time.
func TestSideBySide(t *testing.T) {
	const forever = time.Hour
	quiet := captureLog(t)
	for _, tc := range []struct {
		name  string
		takes []time.Duration // below zero: it fails at once, and at -2 with a panic
		fails []string
		after time.Duration
	}{
		{"no message", nil, []string{}, 0},
		{"one", []time.Duration{time.Second}, []string{}, time.Second},
		{
			"ten", slices.Repeat([]time.Duration{4 * time.Second}, queue.MaxSideBySide), []string{}, 4 * time.Second,
		},
		{
			"one hangs", []time.Duration{forever, time.Second, 2 * time.Second}, []string{"m-0"},
			9500 * time.Millisecond,
		},
		{"two fail", []time.Duration{time.Second, -1, -2, 0}, []string{"m-1", "m-2"}, time.Second},
		{
			"all hang", []time.Duration{forever, forever}, []string{"m-0", "m-1"}, 9500 * time.Millisecond,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var bodies []string
				for i := range tc.takes {
					bodies = append(bodies, fmt.Sprint(i))
				}
				began := time.Now()
				got, err := queue.SideBySide(func(ctx context.Context, m queue.Message) error {
					if own, _ := ctx.Deadline(); time.Until(own) != 9500*time.Millisecond {
						t.Errorf("%s has %s", m.ID, time.Until(own))
					}
					takes := tc.takes[m.Body[0]-'0']
					switch takes {
					case -1:
						return errors.New("no")
					case -2:
						panic("a mistake")
					}
					return clock.System{}.Sleep(ctx, takes)
				}, nil)(ctx, batch(bodies...))
				if err != nil || got.BatchItemFailures == nil || !slices.Equal(failed(got), tc.fails) {
					t.Errorf("failed %v, %v, want %v", failed(got), err, tc.fails)
				}
				if took := time.Since(began); took != tc.after {
					t.Errorf("answered after %s, want %s", took, tc.after)
				}
			})
		})
	}
	if quiet.Len() == 0 {
		t.Error("nothing is logged")
	}
}

// syncJournal is a journal for tries at once.
type syncJournal struct {
	mu sync.Mutex
	journal
}

func (j *syncJournal) Failed(ctx context.Context, n deadletter.Note, l deadletter.Letter) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.journal.Failed(ctx, n, l)
}

// The journal learns of each message that fails, and is asked nothing for those that are done.
func TestSideBySideJournal(t *testing.T) {
	captureLog(t)
	j := &syncJournal{}
	got, err := queue.SideBySide(func(_ context.Context, m queue.Message) error {
		if string(m.Body) == "a" {
			return nil
		}
		return errors.New("no")
	}, j)(t.Context(), batch("a", "b", "c"))
	if err != nil || !slices.Equal(failed(got), []string{"m-b", "m-c"}) || len(j.notes) != 2 || len(j.closed) != 0 {
		t.Errorf("failed %v, %v, noted %+v, closed %v", failed(got), err, j.notes, j.closed)
	}
}
