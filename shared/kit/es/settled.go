package es

import (
	"time"

	"orderflow/shared/kit/faults"
)

// What stands between a moment and the knowledge of all that was so then. No two clocks are
// compared without this much between them.
const (
	// WriteLimit is how long a store waits for one try to write commits, from their stamp on.
	WriteLimit = 5 * time.Second
	// LateLimit is how long after that a request may still arrive which its client has given up:
	// what lies in the network once the connection is closed.
	LateLimit = 5 * time.Second
	// SkewLimit is how far a machine's clock may be off, before or behind. Those of AWS's are held
	// to milliseconds by the Amazon Time Sync Service.
	SkewLimit = 5 * time.Second
	// Settled is how long after a moment, by a reader's clock, no commit can come any more whose
	// stamp, by a writer's clock, is not after it.
	Settled = WriteLimit + LateLimit + 2*SkewLimit
)

// ErrNotSettled is the answer to a question about a moment of which there may be more to come, or
// that is yet to come: a fault of the kind Conflict, which passes. A version is settled at once.
var ErrNotSettled = faults.Declare(faults.Conflict, "asof.not-settled")

// Settles is when what was so at a Point is known for good: the zero time where it is by now, of a
// version and of the present.
func (p Point) Settles() time.Time {
	if p.Version > 0 || p.Time.IsZero() {
		return time.Time{}
	}
	return p.Time.Add(Settled).UTC()
}

// settled refuses a Point that is not settled.
func (p Point) settled(now time.Time) error {
	at := p.Settles()
	if at.IsZero() || !now.Before(at) {
		return nil
	}
	return ErrNotSettled.New("what was so at %s is settled at %s: ask then, or name a version",
		p.Time.UTC().Format(time.RFC3339Nano), at.Format(time.RFC3339Nano))
}
