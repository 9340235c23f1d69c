package keyvault

import (
	"sync"
	"time"

	"orderflow/shared/shop/personal"
)

// rows holds what was read of the table, each for the time personal.Remembered and no longer. It is
// safe for concurrent use.
type rows struct {
	size int
	now  func() moment

	mu        sync.Mutex
	bySubject map[string]row
}

// row is a row that has a key.
type row struct {
	wrapped []byte
	begun   moment // when its read began: what was destroyed later it does not show
}

// moment is a time by both clocks.
type moment struct {
	running time.Duration // by the process's own clock, which nobody sets
	shown   time.Time     // by the machine's
}

var started = time.Now()

func now() moment {
	t := time.Now()
	return moment{running: t.Sub(started), shown: t.Round(0)}
}

func newRows(size int) *rows { return &rows{size: size, now: now, bySubject: map[string]row{}} }

// get gives what was read of a subject's row, if that was a moment ago.
func (r *rows) get(subject string) (wrapped []byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	met, ok := r.bySubject[subject]
	return met.wrapped, ok && met.fresh(r.now())
}

// put keeps what was read of a subject's row, by a read that began at a moment. Where it is full,
// what is no longer good goes, or else everything.
func (r *rows) put(subject string, wrapped []byte, begun moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.bySubject[subject]; !there && len(r.bySubject) >= r.size {
		at := r.now()
		for s, met := range r.bySubject {
			if !met.fresh(at) {
				delete(r.bySubject, s)
			}
		}
		if len(r.bySubject) >= r.size {
			clear(r.bySubject)
		}
	}
	r.bySubject[subject] = row{wrapped: wrapped, begun: begun}
}

// fresh says whether the row is good to use. It has to be by both clocks: the machine's may be set
// back, and the process's may stand still while Lambda has frozen it.
func (r row) fresh(at moment) bool {
	running, shown := at.running-r.begun.running, at.shown.Sub(r.begun.shown)
	return min(running, shown) >= 0 && max(running, shown) < personal.Remembered
}
