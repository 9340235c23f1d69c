package audit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/audit/audittest"
)

func TestMemory(t *testing.T) {
	audittest.Run(t, &audittest.Memory{})
}

// hours is a journal that writes down which of its hours were read. None of its notes can be read.
type hours struct {
	mu   sync.Mutex
	read []string
}

func (h *hours) Notes(_ context.Context, _ audit.Side, hour time.Time) iter.Seq2[audit.Note, error] {
	return func(yield func(audit.Note, error) bool) {
		name := hour.Format("02T15")
		h.mu.Lock()
		h.read = append(h.read, name)
		h.mu.Unlock()
		yield(audit.Note{}, fmt.Errorf("%w: one of %s", audit.ErrUnreadable, name))
	}
}

// take gives the hours that were read since, in order.
func (h *hours) take() []string {
	read := h.read
	h.read = nil
	slices.Sort(read)
	return read
}

// An hour is read once, apart from those that may have got notes since; what is older than notes
// are kept is not read; and what can't be read is told of once.
func TestBookReadsWhatItLacks(t *testing.T) {
	now := clock.NewFake(time.Date(2026, 3, 20, 12, 30, 0, 0, time.UTC))
	ctx, h := t.Context(), &hours{}
	book := audit.NewBook(h, now, audit.OnBus)
	wants := func(what string, err error, hours ...string) {
		t.Helper()
		got := h.take()
		if err != nil || !slices.Equal(got, hours) {
			t.Errorf("%s: read %v, want %v, %v", what, got, hours, err)
		}
	}
	wants("nothing was read", book.Refresh(ctx))
	wants("two hours", book.Cover(ctx, now.Now().Add(-time.Hour)), "20T11", "20T12")
	wants("they are known", book.Cover(ctx, now.Now()))
	wants("one more", book.Cover(ctx, now.Now().Add(-2*time.Hour-28*time.Minute)), "20T09", "20T10")
	wants("what is new", book.Refresh(ctx), "20T11", "20T12")
	now.Advance(26 * time.Minute) // other clocks are in the next hour
	wants("clocks differ", book.Refresh(ctx), "20T11", "20T12", "20T13")
	if n := len(book.Unreadable()); n != 5 || !errors.Is(book.Unreadable()[0], audit.ErrUnreadable) {
		t.Errorf("%d can't be read: %v", n, book.Unreadable())
	}
	if err := book.Cover(ctx, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := h.take(); len(got) != 35*24-3 {
		t.Errorf("%d hours are read", len(got))
	}
}

// A book holds a month of 100,000 orders, of 12 commits on 8 streams each, in less than 250 MB.
func TestBookIsSmall(t *testing.T) {
	const share = 20 // of the month, so that the test is quick
	before := heap()
	book := audit.NewBook(nil, clock.System{}, audit.OnBus, audit.InViews)
	for order := range 100_000 / share {
		for stream := range 8 {
			id := es.StreamID(fmt.Sprintf("order/%08d-0000-4000-8000-%012d", stream, order))
			for v := int64(1); v <= 1+int64(stream%2); v++ {
				for _, kind := range []audit.Kind{audit.Published, audit.Seen} {
					// each note has names of its own, as one that was read
					versions := audit.Versions{es.StreamID(strings.Clone(string(id))): {{From: v, Through: v}}}
					book.Add(audit.Note{Kind: kind, Versions: versions})
				}
			}
		}
	}
	used := (heap() - before) * share / 1_000_000
	t.Logf("a month takes %d MB", used)
	if used > 250 {
		t.Errorf("a month takes %d MB", used)
	}
	runtime.KeepAlive(book)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
