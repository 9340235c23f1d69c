// Package estest is the suite that every es.Store passes, and a store that a test can interfere
// with. Only tests import it.
package estest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// Backend is a store under test, with what the suite needs to know of it. Store and Counters are
// required.
type Backend struct {
	Store es.Store
	// Counters makes the store's effects.
	Counters Counters
	// Reopen opens the same store as a program with another registry does. Without it, what the
	// releases of a program do to each other is not tested.
	Reopen func(registry *es.Registry) es.Store
	// Limits are the store's; nil where it has none.
	Limits *Limits
	// Clock is what the store stamps commits with, at Start; nil for a store without a clock.
	Clock *clock.Fake
	// Resends says that the store's client sends a request again whose answer it missed, so that
	// the first append may meet itself.
	Resends bool
	// Slow says that a request takes so long that what is tried in every combination is tried in
	// some.
	Slow bool
}

// wrote reports whether an append can have written what it says: it is not Recognised, or may be so
// by the client's own second request.
func (b Backend) wrote(a es.Appended) bool { return b.Resends || !a.Recognised }

// Counters are numbers beside the streams that effects change.
type Counters interface {
	// Add makes an effect that adds n to the counter with that name, which starts at 0. An append
	// with it fails, with an error for which Refused is true, where the counter would fall below 0.
	Add(name string, n int64) es.Effect
	Refused(err error) bool
	// Value reads a counter, consistently.
	Value(ctx context.Context, name string) (int64, error)
}

// Limits says how much a store takes.
type Limits struct {
	CommitBytes int // of one commit, as it is stored
	Items       int // commits and effects of one append
	AppendBytes int // of all commits of one append, as they are stored
}

// Noted is an event with a text of any size.
type Noted struct {
	Text string `json:"text"`
}

// Counted is an event with a number.
type Counted struct {
	N int64 `json:"n"`
}

// Register adds the suite's events to a registry.
func Register(r *es.Registry) {
	es.Register[Noted](r, "test.noted", 1)
	es.Register[Counted](r, "test.counted", 1)
}

// Text is a text of n bytes that no store makes smaller by more than a quarter, always the same for
// a seed. It has no characters that JSON escapes.
func Text(seed int64, n int) string {
	random := make([]byte, base64.RawURLEncoding.DecodedLen(n)+1)
	_, _ = rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed))).Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)[:n]
}

// Start is the moment at which the suite's commits are decided.
var Start = time.Date(2026, 3, 29, 1, 59, 59, 123456789, time.UTC)

// Stream names a stream that no other test uses.
func Stream() es.StreamID { return es.NewStreamID("test", ident.New()) }

// Commit is a commit with the suite's time.
func Commit(head es.Head, id string, events ...any) es.Commit {
	return es.Commit{Head: head, ID: id, Time: Start, Events: events}
}

// Append appends one commit and fails the test where that fails.
func Append(t testing.TB, s es.Store, head es.Head, id string, events ...any) es.Head {
	t.Helper()
	appended, err := s.Append(context.Background(), []es.Commit{Commit(head, id, events...)})
	if err != nil {
		t.Fatalf("append %s to %s at %d: %v", id, head.Stream(), head.Version(), err)
	}
	return appended.Heads[0]
}

// Load loads the events above after and fails the test where that fails.
func Load(t testing.TB, s es.Store, stream es.StreamID, after int64) es.History {
	t.Helper()
	h, err := s.Load(context.Background(), stream, after)
	if err != nil {
		t.Fatalf("load %s: %v", stream, err)
	}
	return h
}

// Hooked is a store that a test interferes with, and that counts what it is asked. It is safe for
// concurrent use where its hooks are. It is no es.Scanner, and At passes through uncounted.
type Hooked struct {
	es.Store
	// Before, where it is set, is asked ahead of each append; its error is the answer, and nothing
	// is written.
	Before func(commits []es.Commit) error
	// After, where it is set, replaces the answer of each append that got as far as the store: an
	// error in place of success is a lost answer.
	After func(es.Appended, error) (es.Appended, error)

	Loads, Appends, Confirms atomic.Int64 // Loads are those by Since and Read as well
	Writes                   atomic.Int64 // appends that wrote something, answered or not
}

// ErrLost is the answer in place of one that Inject loses.
var ErrLost = errors.New("estest: the answer was lost")

// The faults that Inject takes; any other is an append that goes well.
const (
	Conflict = "conflict" // refused before anything is written
	Lost     = "lost"     // carried out, or refused, and nobody hears of it
)

// Inject lets the coming appends go wrong, one fault each; Heal ends that. Appends that run side by
// side may swap the faults among them.
func (h *Hooked) Inject(faults []string) {
	var n atomic.Int64
	lose := make(chan struct{}, len(faults))
	h.Before = func(c []es.Commit) error {
		i := n.Add(1) - 1
		if i >= int64(len(faults)) {
			return nil
		}
		switch faults[i] {
		case Conflict:
			return &es.ConflictError{Stream: c[0].Head.Stream(), Expected: c[0].Head.Version(), Actual: -1}
		case Lost:
			lose <- struct{}{}
		}
		return nil
	}
	h.After = func(a es.Appended, err error) (es.Appended, error) {
		select {
		case <-lose:
			return es.Appended{}, ErrLost
		default:
			return a, err
		}
	}
}

// Heal lets appends go well again.
func (h *Hooked) Heal() { h.Before, h.After = nil, nil }

// Load implements es.Store.
func (h *Hooked) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	h.Loads.Add(1)
	return h.Store.Load(ctx, stream, after)
}

// Since implements es.Store.
func (h *Hooked) Since(ctx context.Context, head es.Head) (es.History, error) {
	h.Loads.Add(1)
	return h.Store.Since(ctx, head)
}

// Read implements es.Store.
func (h *Hooked) Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error] {
	h.Loads.Add(1)
	return h.Store.Read(ctx, stream, r)
}

// Append implements es.Store.
func (h *Hooked) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	h.Appends.Add(1)
	if h.Before != nil {
		if err := h.Before(commits); err != nil {
			return es.Appended{}, err
		}
	}
	appended, err := h.Store.Append(ctx, commits, effects...)
	if err == nil && !appended.Recognised {
		h.Writes.Add(1)
	}
	if h.After != nil {
		return h.After(appended, err)
	}
	return appended, err
}

// Confirm implements es.Store.
func (h *Hooked) Confirm(ctx context.Context, heads ...es.Head) error {
	h.Confirms.Add(1)
	return h.Store.Confirm(ctx, heads...)
}
