package es

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// Reads is what a plan reads streams from: a Store's, one after the other, each up to its end. It
// remembers the ends that it gave out, so that a refusal can be held against all of them together,
// those that a Repository was given snapshots for included (Repository.From). It is safe for
// concurrent use.
type Reads struct {
	store Store
	mu    sync.Mutex
	ends  []Head
	moved error // why no refusal can be held against the ends: a stream was read twice, with two of them, or in part
}

// Load implements Reader.
func (r *Reads) Load(ctx context.Context, stream StreamID, after int64) (History, error) {
	h, err := r.store.Load(ctx, stream, after)
	return h, r.note(h.Head, err)
}

// Since implements Reader.
func (r *Reads) Since(ctx context.Context, head Head) (History, error) {
	h, err := r.store.Since(ctx, head)
	return h, r.note(h.Head, err)
}

// Empty takes a stream to have no events, without a read, as the function Empty does: a refusal is
// held against that too.
func (r *Reads) Empty(stream StreamID) Head {
	end := Empty(stream)
	_ = r.note(end, nil)
	return end
}

// errNoEnd is the answer to reads that don't give a stream's end, against which a refusal is held.
var errNoEnd = errors.New("es: a plan decides on streams up to their ends: Load them")

// At implements Reader, with an error: a version that is not the stream's is no end.
func (r *Reads) At(context.Context, StreamID, int64) (Head, error) { return Head{}, errNoEnd }

// Read implements Reader, for what goes on from a Head, or from the beginning, to the stream's end.
// Any other part is an error: it doesn't say where the stream ends. So is stopping before the end,
// as far as a refusal goes.
func (r *Reads) Read(ctx context.Context, stream StreamID, part Range) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		if part != (Range{Since: part.Since}) {
			yield(Recorded{}, errNoEnd)
			return
		}
		end := part.Since
		if end.version == 0 {
			end = Head{stream: stream}
		}
		for e, err := range r.store.Read(ctx, stream, part) {
			if err == nil && end.commit != e.CommitID {
				end = Head{stream: stream, first: e.Version, commit: e.CommitID}
			}
			if end.version = e.Version; !yield(e, err) || err != nil {
				r.unread(stream)
				return
			}
		}
		_ = r.note(end, nil)
	}
}

// unread remembers that a stream was not read to its end.
func (r *Reads) unread(stream StreamID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved = fmt.Errorf("es: a plan read %s in part, and refused", stream)
}

// note remembers an end, and gives back the error of the read that it comes from.
func (r *Reads) note(end Head, err error) error {
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.ends {
		switch {
		case known == end:
			return nil
		case known.stream == end.stream:
			r.moved = &ConflictError{Stream: end.stream, Expected: known.version, Actual: end.version}
			return nil
		}
	}
	r.ends = append(r.ends, end)
	return nil
}

// several reports whether there is more than one end.
func (r *Reads) several() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ends) > 1
}

// confirm is nil where the ends were all there at one moment.
func (r *Reads) confirm(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moved != nil {
		return r.moved
	}
	return r.store.Confirm(ctx, r.ends...)
}
